"""Which groups of curve units fire where, as a curve turns."""
