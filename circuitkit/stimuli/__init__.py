"""Stimuli with known parameters: what to draw, and grids over any of its parameters."""

from circuitkit.stimuli.curve import Curve
from circuitkit.stimuli.grid import Grid, grid, log, turn

__all__ = ["Curve", "Grid", "grid", "log", "turn"]
