"""A spec's numbers from trained nets: how much of what a family does, or is made of, is said by a few of them."""

from circuitkit.fit.ceiling import learn_maps
from circuitkit.fit.patterns import Moments, Patterns, moments
from circuitkit.fit.radial import RadialFit, fit_radial
from circuitkit.fit.responses import Examples, ResponseFit, fit_responses
from circuitkit.fit.tiles import TileFit, fit_tile

__all__ = [
    "Examples",
    "Moments",
    "Patterns",
    "RadialFit",
    "ResponseFit",
    "TileFit",
    "fit_radial",
    "fit_responses",
    "fit_tile",
    "learn_maps",
    "moments",
]
