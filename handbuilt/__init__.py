"""Circuits written by hand, one a file: its SPEC, its story, its source."""
