"""A spec's numbers from trained nets: how much of what a family does, or is made of, is said by a few of them."""

from circuitkit.fit.tiles import TileFit, fit_tile

__all__ = ["TileFit", "fit_tile"]
