"""Random specs, images and motions for property tests, and how much rounding a circuit may suffer.

The structure of a spec is drawn from a few plans, since each new one is compiled anew; numbers and contents are free.
Ranges are chosen so that a small kernel can hold the template: a Gabor of at most seven pixels, tiles of five.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
from hypothesis import strategies as st
from jaxtyping import Array, Float

from circuitkit import build
from circuitkit.network import CircuitNetwork
from circuitkit.shapes import Shape
from circuitkit.spec import (
    Arc,
    Circle,
    Circuit,
    Corner,
    Crossing,
    Family,
    Flank,
    Gabor,
    Inhibition,
    Line,
    OppositeArc,
    Reversed,
    Spiral,
    Tile,
    Tiles,
    Union,
)
from circuitkit.symmetry import Motion, dihedral

FLOAT32_ROUNDING = 1e-6
"""What float32 leaves of an exact law, as a share of what was added up: some tens of roundings of 6e-8."""


class Plan(NamedTuple):
    """What a circuit consists of, short of its numbers.

    Attributes:
        around: Members of a family over the full turn; bars and contours have half as many, over half a turn.
        size: Side of the Gabors' kernels; that of tiles is 5.
        phases: Of the edges, and of the bars if there are any.
        united: Whether lines read the union of edges and bars, and not both of them.
        lines: Number of lines.
        minus: What inhibits the lines, the arcs and the top.
        also: A second tile of the arcs, which reads the Gabors past the lines: its shape.
        top: What comes after the arcs: curves, curves that read lines as well, or straight rows of arcs; corners, a
            ring of arcs and a union over angles; or spirals, and curves mixed with a line at an angle to them.
    """

    around: int
    size: int
    phases: tuple[float, ...]
    united: bool
    lines: int
    minus: tuple[tuple[type[Inhibition], ...], ...]
    also: type[Line | Arc] | None = None
    top: Literal["curves", "lines and curves", "rows", "corners and a ring", "spirals and a mixture"] | None = None


PLANS = (
    Plan(4, 5, (90.0,), united=False, lines=4, minus=((Crossing,), (OppositeArc, Flank), ()), top="curves"),
    Plan(4, 5, (270.0, 0.0), united=True, lines=2, minus=((), (Crossing,), (OppositeArc,)), also=Arc, top="rows"),
    Plan(8, 5, (30.0, 180.0), united=False, lines=8, minus=((Flank,), (), (Crossing,)), top="lines and curves"),
    Plan(8, 7, (90.0, 180.0), united=True, lines=4, minus=((Crossing, Flank), (Crossing, OppositeArc), ()), also=Line),
    Plan(12, 7, (90.0,), united=False, lines=12, minus=((), (OppositeArc,), (Flank, OppositeArc)), top="rows"),
    Plan(4, 5, (90.0,), united=False, lines=4, minus=((), (), (Crossing, Reversed)), top="corners and a ring"),
)
CHIRAL_PLANS = (Plan(4, 5, (90.0,), united=False, lines=4, minus=((), (), (Reversed,)), top="spirals and a mixture"),)
"""Circuits that are not their own mirror image, so that turns and shifts alone permute their units."""

SMALL_PLANS = (*PLANS[:2], *PLANS[-1:], *CHIRAL_PLANS)

LATTICE = dihedral(4)
"""The motions that carry the pixel grid onto itself."""


@contextlib.contextmanager
def unchecked() -> Iterator[None]:
    """Suspends the runtime checks of types and shapes, as users run circuitkit.

    For a refusal that the checks would forestall with one of their own; for the slow reference, whose many small calls
    they slow down tenfold; and for strategies: beartype picks with `random` which item of a container to check, and
    Hypothesis does not allow that while it draws.
    """
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    """Draws a float32 number, so that specs survive the way through JAX unchanged."""
    return st.floats(low, high, width=32)


def gabors(phase: float) -> st.SearchStrategy[Gabor]:
    """Draws Gabors for kernels of five or seven pixels."""
    return st.builds(Gabor, wavelength=numbers(3, 6), sigma=numbers(1.25, 2.5), phase=st.just(phase))


@st.composite
def inhibitions(draw: st.DrawFn, kind: type[Inhibition]) -> Inhibition:
    """Draws an inhibition, so weak that two of them cannot take away all of a tile's excitation."""
    strength = draw(numbers(0.125, 0.375))
    return Flank(strength, distance=draw(numbers(1.5, 4))) if kind is Flank else kind(strength)


def lines() -> st.SearchStrategy[Line]:
    """Draws lines of a few pixels."""
    return st.builds(Line, length=numbers(1, 6))


@st.composite
def arcs(draw: st.DrawFn) -> Arc:
    """Draws arcs of a few pixels, up to almost the full circle."""
    radius = draw(numbers(2, 30))
    return Arc(radius=radius, length=draw(numbers(1, min(8, 6 * radius))))


def circles() -> st.SearchStrategy[Circle]:
    """Draws circles whose rim is in a small kernel."""
    return st.builds(Circle, radius=numbers(1, 3))


def corners() -> st.SearchStrategy[Corner]:
    """Draws corners, sharp and round, up to a straight line."""
    return st.builds(Corner, opening=numbers(30, 180), length=numbers(2, 8), rounding=st.just(0.0) | numbers(0.25, 6))


@st.composite
def spirals(draw: st.DrawFn) -> Spiral:
    """Draws arms of either hand; so large that a small kernel lies within half a radius of them."""
    return Spiral(radius=draw(numbers(6, 20)), pitch=draw(numbers(-50, 50)), length=draw(numbers(1, 8)))


@st.composite
def tiles(
    draw: st.DrawFn,
    sources: tuple[str, ...],
    shapes: st.SearchStrategy[Shape],
    minus: tuple[type[Inhibition], ...] = (),
    *,
    turned: st.SearchStrategy[float] | None = None,
) -> Tile:
    """Draws a tile of the sources along one of the shapes, inhibited in the ways given; or turned, of any weight."""
    tile = Tile(sources, draw(shapes), tolerance=draw(numbers(10, 60)), spread=draw(numbers(0.75, 2)))
    if turned is not None:
        tile = dataclasses.replace(tile, turned=draw(turned), weight=draw(numbers(0.25, 2)))
    for kind in minus:
        tile = tile - draw(inhibitions(kind))
    return tile


@st.composite
def circuits(draw: st.DrawFn, plans: tuple[Plan, ...] = PLANS) -> Circuit:
    """Draws a circuit by one of the plans: Gabors, perhaps a union, lines, arcs, and what reads the arcs."""
    with unchecked():
        return _drawn(draw, draw(st.sampled_from(plans)))


def _drawn(draw: st.DrawFn, plan: Plan) -> Circuit:
    n, first = plan.around, ("edges", "bars")[: len(plan.phases)]
    families = [
        Family(name, draw(gabors(phase)), angles=n if name == "edges" else n // 2, size=plan.size)
        for name, phase in zip(first, plan.phases, strict=True)
    ]
    if plan.united:
        families.append(Family("contours", Union(first), angles=n // 2))
        first = ("contours",)
    families.append(Family("lines", draw(tiles(first, lines(), plan.minus[0])), angles=plan.lines, size=5))
    term: Tile | Tiles = draw(tiles(("lines",), arcs(), plan.minus[1]))
    if plan.also is not None:
        term = term + draw(tiles(first, lines() if plan.also is Line else arcs()))
    families.append(Family("arcs", term, angles=n, size=5))
    if plan.top == "rows":
        rows = draw(tiles(("arcs",), lines(), plan.minus[2]))
        families.append(Family("rows", rows, angles=n, period=360, size=5))
    elif plan.top == "corners and a ring":
        families.append(Family("corners", draw(tiles(("lines",), corners())), angles=n, size=5))
        families.append(Family("ring", draw(tiles(("arcs",), circles(), plan.minus[2])), angles=1, size=5))
        families.append(Family("energy", Union(("lines", "arcs"), over_angles=True), angles=1))
    elif plan.top == "spirals and a mixture":
        families.append(Family("spirals", draw(tiles(("lines",), spirals())), angles=n, size=5))
        term = draw(tiles(("arcs",), arcs(), plan.minus[2]))
        term = term + draw(tiles(("lines",), lines(), turned=numbers(-180, 180)))
        families.append(Family("mixture", term, angles=n, size=5))
    elif plan.top is not None:
        term = draw(tiles(("arcs",), arcs(), plan.minus[2]))
        if plan.top == "lines and curves":
            term = draw(tiles(("lines",), lines())) + term  # the arc among the tiles is the second
        families.append(Family("curves", term, angles=n, size=5))
    return Circuit("drawn", families)


def noise(seed: int, size: int, *, count: int = 1, channels: int = 1) -> Float[Array, "image h w channel"]:
    """Returns images of normal noise."""
    return jnp.asarray(np.random.default_rng(seed).normal(size=(count, size, size, channels)), jnp.float32)


@st.composite
def images(draw: st.DrawFn, sizes: tuple[int, ...] = (16, 17)) -> Float[Array, "1 h w 1"]:
    """Draws a grey image of an odd or an even side: noise of any contrast, on which lies a sharp-edged rectangle."""
    size = draw(st.sampled_from(sizes))
    image = noise(draw(st.integers(0, 2**32 - 1)), size) * draw(numbers(0.125, 2))
    top, left = draw(st.integers(0, size - 2)), draw(st.integers(0, size - 2))
    bottom, right = draw(st.integers(top + 1, size)), draw(st.integers(left + 1, size))
    return image.at[:, top:bottom, left:right].add(draw(numbers(-4, 4)))


def lattice_motions() -> st.SearchStrategy[Motion]:
    """Draws one of the eight motions that carry the pixel grid onto itself."""
    return st.sampled_from(LATTICE)


def motions() -> st.SearchStrategy[Motion]:
    """Draws any motion whose turn is a whole number of degrees, which float64 adds exactly."""
    return st.builds(Motion, st.integers(0, 359).map(float), st.booleans())


def added_up(network: CircuitNetwork, image: Float[Array, "image h w channel"]) -> dict[str, float]:
    """Returns, for each layer, the size of what was added up to reach its responses.

    Float32 rounds in proportion to the terms of a sum, not to the sum. An inhibition that takes away nearly all of the
    excitation leaves a small response and the rounding of large terms, so an error relative to the response says more
    about the spec than about the code. All weights and pixels are taken without their sign here, through all layers,
    as in running error analysis (Higham, "Accuracy and Stability of Numerical Algorithms", section 3.3).
    """
    kernels = {name: jnp.abs(conv.kernel[...]) for name, conv in network.layers.items()}
    sums = build(network.circuit, kernels=kernels)(jnp.abs(image))
    return {name: float(jnp.linalg.norm(sums[name])) for name in sums}


def awake(maps: dict[str, Float[Array, "..."]]) -> bool:
    """Says whether every layer responds to something: a law about zeros says nothing."""
    return all(bool(jnp.any(layer > 0)) for layer in jax.tree.leaves(maps))
