"""Random specs, images and motions for property tests, and how much rounding a circuit may suffer.

Counts and sizes are drawn from two or three values, since each new shape is compiled anew; numbers and contents are
free. Ranges are chosen so that a small kernel can hold the template: a Gabor of at most seven pixels, tiles of five.
"""

import contextlib
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
from hypothesis import strategies as st
from jaxtyping import Array, Float

from circuitkit import build
from circuitkit.network import CircuitNetwork
from circuitkit.spec import (
    Arc,
    Circuit,
    Crossing,
    Family,
    Flank,
    Gabor,
    Inhibition,
    Line,
    OppositeArc,
    Tile,
    Tiles,
    Union,
)
from circuitkit.symmetry import Motion, dihedral

FLOAT32_ROUNDING = 1e-6
"""What float32 leaves of an exact law, as a share of what was added up: some tens of roundings of 6e-8."""

AROUND = (4, 8, 12)
"""Members of a family over the full turn; half as many over half a turn."""

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


def gabors(phases: tuple[float, ...]) -> st.SearchStrategy[Gabor]:
    """Draws Gabors for kernels of five or seven pixels."""
    return st.builds(Gabor, wavelength=numbers(3, 6), sigma=numbers(1.25, 2.5), phase=st.sampled_from(phases))


def inhibitions() -> st.SearchStrategy[Inhibition]:
    """Draws an inhibition of any kind, so weak that two of them cannot take away all of a tile's excitation."""
    strength = numbers(0.125, 0.375)
    return st.one_of(
        st.builds(Crossing, strength),
        st.builds(OppositeArc, strength),
        st.builds(Flank, strength, distance=numbers(1.5, 4)),
    )


def lines() -> st.SearchStrategy[Line]:
    """Draws lines of a few pixels."""
    return st.builds(Line, length=numbers(1, 6))


@st.composite
def arcs(draw: st.DrawFn) -> Arc:
    """Draws arcs of a few pixels, up to almost the full circle."""
    radius = draw(numbers(2, 30))
    return Arc(radius=radius, length=draw(numbers(1, min(8, 6 * radius))))


@st.composite
def tiles(draw: st.DrawFn, sources: tuple[str, ...], shapes: st.SearchStrategy[Line | Arc]) -> Tile:
    """Draws a tile of the sources along one of the shapes, with up to two inhibitions."""
    minus = tuple(draw(st.lists(inhibitions(), max_size=2)))
    return Tile(sources, draw(shapes), tolerance=draw(numbers(10, 60)), spread=draw(numbers(0.75, 2)), minus=minus)


@st.composite
def circuits(draw: st.DrawFn, around: tuple[int, ...] = AROUND, sizes: tuple[int, ...] = (5, 7)) -> Circuit:
    """Draws a circuit of three to six families: Gabors, perhaps a union, lines, arcs, perhaps curves.

    Lines and arcs may be sums of two tiles, the second of which reads the Gabors past the layer between.
    """
    with unchecked():
        return _drawn(draw, around, sizes)


def _drawn(draw: st.DrawFn, around: tuple[int, ...], sizes: tuple[int, ...]) -> Circuit:
    n = draw(st.sampled_from(around))
    size, reach = draw(st.sampled_from(sizes)), min(sizes)
    edges = Family("edges", draw(gabors((90.0, 270.0, 30.0))), angles=n, size=size)
    families, first = [edges], ("edges",)
    if draw(st.booleans()):
        bars = Family("bars", draw(gabors((0.0, 180.0))), angles=n // 2, size=size)
        families.append(bars)
        first = ("edges", "bars")
        if draw(st.booleans()):
            families.append(Family("contours", Union(("edges", "bars")), angles=n // 2))
            first = ("contours",)
    term: Tile | Tiles = draw(tiles(first, lines()))
    families.append(Family("lines", term, angles=draw(st.sampled_from((n // 2, n))), size=reach))
    term = draw(tiles(("lines",), arcs()))
    if draw(st.booleans()):
        term = term + draw(tiles(first, st.one_of(lines(), arcs())))
    families.append(Family("arcs", term, angles=n, size=reach))
    if draw(st.booleans()):
        term = draw(tiles(("arcs",), arcs()))
        if draw(st.booleans()):
            term = draw(tiles(("lines",), lines())) + term  # the arc among the tiles is the second
        families.append(Family("curves", term, angles=n, size=reach))
    elif draw(st.booleans()):
        rows = draw(tiles(("arcs",), lines()))
        families.append(Family("rows", rows, angles=n, period=360, size=reach))
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
