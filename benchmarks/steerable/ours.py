"""A family of edges and one of lines tiled from these, as a user of circuitkit writes them."""

from circuitkit import build
from circuitkit.network import CircuitNetwork
from circuitkit.spec import Circuit, Crossing, Family, Gabor, Line, Tile


def network(angles: int, size: int, sigma: float) -> CircuitNetwork:
    edges = Family("edges", Gabor(wavelength=4, sigma=sigma), angles=angles, size=size)
    tile = Tile(edges, along=Line(length=(size - 1) / 4), tolerance=15, spread=(size - 1) / 7) - Crossing(0.7)
    lines = Family("lines", tile, angles=angles, period=360, size=size)
    return build(Circuit("two_layers", [edges, lines]))
