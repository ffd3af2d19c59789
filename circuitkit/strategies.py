"""Random specs, images and motions for property tests of one's own circuits and nets, by Hypothesis.

    import circuitkit as ck
    from circuitkit import strategies
    from hypothesis import given

    @given(spec=strategies.specs())
    def test_a_circuit_turns_with_the_image(spec):
        ck.assert_equivariant(ck.HandbuiltNet(ck.build(spec))["lines"], ck.cyclic(4))

Whatever is drawn can be built. The structure of a spec is drawn from a few plans, since each new one is compiled anew;
its numbers are free, in ranges that a small kernel holds: Gabors of at most seven pixels, tiles and windows of five.

Hypothesis is needed for this module alone: `pip install hypothesis`.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit.errors import SpecError
from circuitkit.pathways import pathways
from circuitkit.shapes import Shape
from circuitkit.spec import (
    Arc,
    Away,
    Circle,
    Circuit,
    Corner,
    Crossing,
    Family,
    Flank,
    Gabor,
    HueFlank,
    Inhibition,
    Line,
    Normalisation,
    OppositeArc,
    Reversed,
    Spiral,
    Spot,
    Tile,
    Tiles,
    Union,
)
from circuitkit.symmetry import Motion, dihedral

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError(
        "circuitkit.strategies draws by Hypothesis, which is not installed: pip install hypothesis. The rest of "
        "circuitkit does without it."
    ) from error


Draw = Callable[..., Any]
"""What Hypothesis gives to a strategy: it draws from another one."""


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
        normalised: Names of families that are divided by what they respond nearby.
        strides: Of families, by name; those left out have a unit at every place.
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
    normalised: tuple[str, ...] = ()
    strides: tuple[tuple[str, int], ...] = ()
    top: Literal["curves", "lines and curves", "rows", "corners and a ring", "spirals and a mixture"] | None = None


PLANS = (
    Plan(4, 5, (90.0,), united=False, lines=4, minus=((Crossing,), (OppositeArc, Flank), ()), top="curves"),
    Plan(4, 5, (270.0, 0.0), united=True, lines=2, minus=((), (Crossing,), (OppositeArc,)), also=Arc,
         normalised=("contours", "arcs"), top="rows"),
    Plan(8, 5, (30.0, 180.0), united=False, lines=8, minus=((Flank,), (), (Crossing,)), top="lines and curves"),
    Plan(8, 7, (90.0, 180.0), united=True, lines=4, minus=((Crossing, Flank), (Crossing, OppositeArc), ()), also=Line),
    Plan(12, 7, (90.0,), united=False, lines=12, minus=((), (OppositeArc,), (Flank, OppositeArc)), top="rows"),
    Plan(4, 5, (90.0,), united=False, lines=4, minus=((), (), (Crossing, Reversed)), normalised=("lines",),
         top="corners and a ring"),
)  # fmt: skip
CHIRAL_PLANS = (Plan(4, 5, (90.0,), united=False, lines=4, minus=((), (), (Reversed,)), top="spirals and a mixture"),)
"""Circuits that are not their own mirror image, so that turns and shifts alone permute their units."""
STRIDED_PLANS = (
    Plan(4, 5, (90.0,), united=False, lines=4, minus=((Crossing,), (OppositeArc,), ()),
         normalised=("lines",), strides=(("edges", 2),), top="curves"),
    Plan(4, 5, (90.0, 0.0), united=True, lines=4, minus=((), (), (Flank,)), strides=(("lines", 2),), top="rows"),
)  # fmt: skip
"""Circuits whose units stand apart. Quarter turns and mirrors permute them on images whose sides are odd."""

LATTICE = dihedral(4)
"""The motions that carry the pixel grid onto itself."""


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    """Draws a float32 number, so that specs survive the way through JAX unchanged."""
    return st.floats(low, high, width=32)


def gabors(phase: float) -> st.SearchStrategy[Gabor]:
    """Draws Gabors for kernels of five or seven pixels."""
    return st.builds(Gabor, wavelength=numbers(3, 6), sigma=numbers(1.25, 2.5), phase=st.just(phase))


@st.composite
def inhibitions(draw: Draw, kind: type[Inhibition]) -> Inhibition:
    """Draws an inhibition, so weak that two of them cannot take away all of a tile's excitation."""
    strength = draw(numbers(0.125, 0.375))
    if kind is Flank:
        return Flank(strength, distance=draw(numbers(1.5, 4)))
    if kind is HueFlank:
        return HueFlank(strength, distance=draw(numbers(45, 150)))
    made: Callable[..., Inhibition] = kind
    return made(strength)


def normalisations() -> st.SearchStrategy[Normalisation]:
    """Draws divisions by what is within one or two pixels, in windows of five."""
    return st.builds(Normalisation, within=numbers(0.75, 0.875), constant=numbers(0.125, 1))


def lines() -> st.SearchStrategy[Line]:
    """Draws lines of a few pixels."""
    return st.builds(Line, length=numbers(1, 6))


@st.composite
def arcs(draw: Draw) -> Arc:
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
def spirals(draw: Draw) -> Spiral:
    """Draws arms of either hand; so large that a small kernel lies within half a radius of them."""
    return Spiral(radius=draw(numbers(6, 20)), pitch=draw(numbers(-50, 50)), length=draw(numbers(1, 8)))


@st.composite
def tiles(
    draw: Draw,
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
def families(draw: Draw, name: str = "edges", angles: Sequence[int] = (4, 8, 12)) -> Family:
    """Draws a family of Gabors: edges, light or dark bars, or what lies between them.

    Args:
        draw: Given by Hypothesis.
        name: Of the family.
        angles: How many members over the full turn; bars, over half of it, have half as many.
    """
    if odd := [count for count in angles if count % 4]:
        raise SpecError(f"families has angles={odd}: wanted multiples of 4, which quarter turns permute.")
    gabor = draw(st.sampled_from((90.0, 270.0, 30.0, 0.0, 180.0)).flatmap(gabors))
    count = draw(st.sampled_from(tuple(angles)))
    return Family(name, gabor, angles=count if gabor.period == 360 else count // 2, size=draw(st.sampled_from((5, 7))))


@st.composite
def specs(draw: Draw, plans: Sequence[Plan] = PLANS) -> Circuit:
    """Draws a circuit by one of some plans: Gabors, perhaps a union, lines, arcs, and what reads the arcs.

    Quarter turns permute the units of all of them. Mirrors permute those of `PLANS`; `CHIRAL_PLANS` have spirals.
    """
    return _drawn(draw, draw(st.sampled_from(tuple(plans))))


@st.composite
def coloured_specs(draw: Draw, hues: int = 4) -> Circuit:
    """Draws a circuit that sees hues: edges, bars and spots, and what can be made of them, twisted and not.

    The units of all families are permuted by quarter turns, by turns of the hue circle by 360 / `hues` degrees, and by
    mirrors.

    Args:
        draw: Given by Hypothesis.
        hues: How many; even, so that each has its complementary one.
    """
    kinds: dict[str, Any] = {"angles": 4, "hues": hues, "size": 5}

    def tuned(sources: tuple[str, ...], shapes: st.SearchStrategy[Shape], *minus: type[Inhibition]) -> Tile:
        tile = draw(tiles(sources, shapes))
        tile = dataclasses.replace(tile, hue_tolerance=draw(numbers(25, 60)), hue=draw(numbers(-180, 180)))
        for kind in minus:
            tile = tile - draw(inhibitions(kind))
        return tile

    def colour(phase: float) -> Gabor:
        return dataclasses.replace(draw(gabors(phase)), hue=draw(numbers(0, 360)))

    spot = Spot(sigma=draw(numbers(0.75, 1.25)), surround=draw(numbers(1.25, 2)), hue=draw(numbers(0, 360)))
    row = dataclasses.replace(tuned(("spots",), lines(), HueFlank), tolerance=None)
    arc = tuned(("contrasts",), arcs(), OppositeArc) + draw(tiles(("grey",), arcs()))
    return Circuit(
        "drawn in colour",
        [
            Family("edges", colour(90.0), **kinds),
            Family("bars", colour(0.0), **kinds),
            Family("grey", draw(gabors(90.0)), angles=4, size=5),
            Family("spots", spot, angles=1, hues=hues, size=5),
            Family("contours", Union(("edges", "bars")), angles=4),
            _divided(draw, Family("contrasts", tuned(("edges",), lines(), Crossing, HueFlank), **kinds)),
            Family("rows", row, **kinds),
            Family("curves", arc, **kinds),
            Family("discs", tuned(("contrasts",), circles(), Reversed), angles=1, hues=hues, size=5),
            Family(
                "borders", draw(tiles(("contrasts",), lines())) + draw(tiles(("contours",), lines())), angles=4, size=5
            ),
        ],
    )


@st.composite
def scaled_specs(draw: Draw, scales: tuple[float, ...] = (1.0, 1.5)) -> Circuit:
    """Draws a circuit of Gabors, their union, lines and arcs, all at several scales; and arcs that read any line."""
    kinds: dict[str, Any] = {"angles": 4, "scales": scales, "size": 7}

    def tuned(sources: tuple[str, ...], shapes: st.SearchStrategy[Shape], *minus: type[Inhibition]) -> Tile:
        return dataclasses.replace(draw(tiles(sources, shapes, minus)), scale_tolerance=draw(numbers(0.25, 1)))

    return Circuit(
        "drawn at scales",
        [
            Family("edges", draw(gabors(90.0)), **kinds),
            Family("bars", draw(gabors(0.0)), **kinds | {"angles": 2}),
            Family("contours", Union(("edges", "bars")), angles=2, scales=scales),
            Family("lines", tuned(("contours",), lines(), Crossing, Flank), **kinds),
            Family("arcs", tuned(("lines",), arcs(), OppositeArc), **kinds),
            Family("shared", draw(tiles(("lines",), arcs())), **kinds),
            Family("united", Union(("edges", "bars")), angles=2),
        ],
    )


@st.composite
def two_handed_specs(draw: Draw) -> Circuit:
    """Draws a circuit with spirals of both hands, rows of them of one hand, and rings of either."""
    kinds: dict[str, Any] = {"angles": 4, "mirrored": True, "size": 5}
    mixture = draw(tiles(("spirals",), arcs(), (Reversed,)))
    mixture = mixture + draw(tiles(("lines",), lines(), turned=numbers(-180, 180)))
    return Circuit(
        "drawn with two hands",
        [
            Family("edges", draw(gabors(90.0)), angles=4, size=5),
            Family("lines", draw(tiles(("edges",), lines())), angles=4, size=5),
            _divided(draw, Family("spirals", draw(tiles(("lines",), spirals(), (Crossing,))), **kinds)),
            Family("rows", draw(tiles(("spirals",), lines(), (OppositeArc,))), period=360, **kinds),
            Family("mixture", mixture, **kinds),
            Family("rings", draw(tiles(("spirals",), circles())), angles=1, size=5),
        ],
    )


GROUPS: dict[str, dict[str, Any]] = {
    "mirror": {"angles": 1, "mirrored": True},
    "turns": {"angles": 4},
    "turns and mirrors": {"angles": 4, "mirrored": True},
}
"""What the pathways of `pathway_specs` are copies under."""


@st.composite
def pathway_specs(draw: Draw, groups: Sequence[str] = tuple(GROUPS), depths: Sequence[int] = (1, 2, 3)) -> Circuit:
    """Draws pathways: stages whose members inhibit each other, and the unit `united` that unites the last.

    The first stage, `stage1`, lays edges along a corner, an arc or the arm of a spiral, turned by any angle; each later
    one puts the stage before, and spots of light, at places of its own. Some have thresholds.

    Args:
        draw: Given by Hypothesis.
        groups: To choose from: `mirror`, left to right, for two pathways; `turns`, by quarters, for four; or both, for
            eight.
        depths: Numbers of stages to choose from.
    """
    group, depth = draw(st.sampled_from(tuple(groups))), draw(st.sampled_from(tuple(depths)))
    edges = Family("edges", draw(gabors(90.0)), angles=4, size=5)
    spots = Family("spots", Spot(sigma=draw(numbers(0.75, 1.25))), angles=1, size=5)

    def away() -> st.SearchStrategy[Away]:
        return st.builds(Away, shape=lines(), x=numbers(-2, 2), y=numbers(-2, 2))

    def stage(number: int, looks_for: Tile | Tiles) -> Family:
        threshold = draw(st.none() | numbers(0, 2**-10))
        return Family(f"stage{number}", looks_for, size=7, threshold=threshold, **GROUPS[group])

    # What is a mirror image of itself has no other hand, so the first stage is turned against its own axis.
    shapes = st.one_of(corners(), arcs(), spirals())
    stages = [stage(1, draw(tiles(("edges",), shapes, (Crossing,), turned=numbers(10, 80))))]
    for number in range(2, depth + 1):
        one = draw(tiles((f"stage{number - 1}",), away()))
        other = dataclasses.replace(draw(tiles(("spots",), away())), tolerance=None, weight=draw(numbers(0.25, 2)))
        stages.append(stage(number, one + other))
    return Circuit("pathways", [edges, spots, *pathways(*stages, into="united", rivalry=draw(numbers(0, 1)))])


@st.composite
def images(draw: Draw, sizes: Sequence[int] = (16, 17), channels: int = 1) -> Float[Array, "1 h w channel"]:
    """Draws a square image with values -1 to 1: noise of any contrast, on which lies a sharp-edged rectangle.

    Args:
        draw: Given by Hypothesis.
        sizes: Sides to choose from, in pixels; each is compiled anew.
        channels: 1 for grey, 3 for RGB.
    """
    size = draw(st.sampled_from(tuple(sizes)))
    noise = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).normal(size=(1, size, size, channels))
    image = noise * draw(numbers(0.0625, 1))
    top, left = draw(st.integers(0, size - 1)), draw(st.integers(0, size - 1))
    bottom, right = draw(st.integers(top + 1, size)), draw(st.integers(left + 1, size))
    image[:, top:bottom, left:right] += draw(numbers(-2, 2))
    return jnp.asarray(np.clip(image, -1, 1), jnp.float32)


def motions(group: Sequence[Motion] = LATTICE) -> st.SearchStrategy[Motion]:
    """Draws a motion of a group; of the eight that carry the pixel grid onto itself if none is given."""
    return st.sampled_from(tuple(group))


def _drawn(draw: Draw, plan: Plan) -> Circuit:
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
    families = [dataclasses.replace(each, stride=dict(plan.strides).get(each.name, 1)) for each in families]
    return Circuit("drawn", [_divided(draw, each) if each.name in plan.normalised else each for each in families])


def _divided(draw: Draw, family: Family) -> Family:
    return dataclasses.replace(family, normalised=draw(normalisations()))
