"""Flags of both hands, and units that unite them: the smallest circuit in which a mirror exchanges units.

A flag is a pole with a short bar across one end, on one side. Turned it stays a flag of its hand, and mirrored it is
one of the other hand: no unit of `flags` is its own mirror image at any turn, and each has its partner among those of
the other hand. A unit of `either` reads both hands alike, along a short arc.

Source: Olah et al., "Naturally Occurring Equivariance in Neural Networks" (2020), Reflection; "Zoom In" (2020),
"Unioning over cases"; both Distill. Shapes and numbers are ours.
"""

from circuitkit.geometry import Scalar
from circuitkit.spec import Arc, Away, Circuit, Crossing, Family, Gabor, Line, Tile


def circuit(pole: Scalar = 14.0) -> Circuit:
    """Writes the circuit for flags whose pole has a length in pixels."""
    bars = Family("bars", Gabor(wavelength=4, sigma=1.4, phase=0), angles=8)
    upright = Tile(bars, along=Line(length=pole), tolerance=20)
    across = Away(shape=Line(length=6), x=4, y=pole / 2)
    flags = (upright - Crossing(1.0)) + (Tile(bars, along=across, tolerance=20, turned=90, weight=2) - Crossing(1.0))
    either = Tile("flags", along=Arc(radius=6, length=6), tolerance=30)
    families = [bars, Family("flags", flags, angles=8, mirrored=True), Family("either", either, angles=8)]
    return Circuit("flags", families)


SPEC = circuit()
