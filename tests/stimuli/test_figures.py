"""Every figure against a picture of it made by counting points, and the laws of how figures are drawn.

The pictures know a path by its direction after each arc length, and a solid by its corners or its equation. They share
no code with the library.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.path
import numpy as np
import pytest
import scipy.spatial
from hypothesis import given
from hypothesis import strategies as st

from circuitkit.errors import StimulusError
from circuitkit.geometry import pixel_grid
from circuitkit.stimuli.objects import Car, Head
from circuitkit.stimuli.paths import Corner, Curve, Divot, Evolute, Line, SCurve, Spiral, Teeth
from circuitkit.stimuli.render import EXACT, FAST, Points, Renderer
from circuitkit.stimuli.solids import Bar, Cross, Disc, Ellipse, Polygon, Ring, Star, TJunction, Wedge, YJunction
from circuitkit.stimuli.stimulus import Figure
from tests.strategies import numbers, unchecked

SIZE = 33
FINE = Renderer(exact=True, samples=4)
FLOAT32 = 1e-3  # distances of tens of pixels in float32, whose square roots and angles are taken
STEP = 0.02  # between the points that stand for a path, in pixels

Inside = Callable[[np.ndarray], np.ndarray]
"""Says of points of a figure's own frame, as complex numbers, whether they are inside."""


def walked(heading: Callable[[np.ndarray], np.ndarray], length: float, start: complex = 0.0) -> np.ndarray:
    """Where one gets by walking in a direction, in radians, that depends on the way walked."""
    steps = max(round(length / STEP), 1)
    middles = (np.arange(steps) + 0.5) * length / steps
    return start + np.concatenate([[0], np.cumsum(np.exp(1j * heading(middles)) * length / steps)])


def near(paths: Sequence[np.ndarray], width: float) -> Inside:
    """A stroke along paths: what is nearer than half its width to a point of a path, and not past its end."""

    def inside(z: np.ndarray) -> np.ndarray:
        covered = np.zeros(z.shape, bool)
        points = np.stack([z.real, z.imag], -1)
        for path in paths:
            distance, index = scipy.spatial.cKDTree(np.stack([path.real, path.imag], -1)).query(
                points, distance_upper_bound=width
            )
            past = np.zeros(z.shape, bool)
            for end, before in ((0, 1), (-1, -2)):
                outwards = path[end] - path[before]
                at_end = index == end % len(path)
                past |= at_end & (((z - path[end]) * outwards.conjugate()).real > 0) & (path[0] != path[-1])
            covered |= (distance <= width / 2) & ~past
        return covered

    return inside


def enclosed(*corners: complex) -> Inside:
    """A polygon."""
    outline = matplotlib.path.Path(np.array([(corner.real, corner.imag) for corner in corners]), closed=False)
    return lambda z: outline.contains_points(np.stack([z.ravel().real, z.ravel().imag], -1)).reshape(z.shape)


def either(*regions: Inside) -> Inside:
    return lambda z: np.any([region(z) for region in regions], axis=0)


def spoke(angle: float, length: float, thickness: float) -> Inside:
    """A bar from the origin outwards, its near end round."""
    out, half = np.exp(1j * np.radians(angle)), thickness / 2
    bar = enclosed(*(out * corner for corner in (-1j * half, length - 1j * half, length + 1j * half, 1j * half)))
    return either(bar, lambda z: np.abs(z) < half)


def box(length: float, thickness: float, middle: complex = 0.0) -> Inside:
    return lambda z: (np.abs((z - middle).real) < length / 2) & (np.abs((z - middle).imag) < thickness / 2)


def both_ways(path: np.ndarray) -> np.ndarray:
    """A path from the origin, and its mirror image below, as one."""
    return np.concatenate([path[:0:-1].conjugate(), path])


def s_curve(radius: float, length: float) -> np.ndarray:
    arm = walked(lambda s: -np.minimum(s / radius, np.pi), length / 2)
    return np.concatenate([-arm[:0:-1], arm])


def corner(opening: float, rounding: float, length: float) -> np.ndarray:
    turn = np.radians(180 - opening) / 2
    bent = np.minimum if turn >= 0 else np.maximum
    return both_ways(walked(lambda s: np.pi / 2 + bent(np.sign(turn) * s / max(rounding, 1e-9), turn), length / 2))


def divot(radius: float, depth: float, length: float) -> np.ndarray:
    bottom = walked(lambda s: np.pi / 2 + s / radius, radius * math.acos(max(1 - depth / radius, 0)))
    wall = walked(lambda s: np.full_like(s, np.pi), max(depth - radius, 0), bottom[-1])
    line = walked(lambda s: np.full_like(s, np.pi / 2), length / 2 - wall[-1].imag, wall[-1])
    return both_ways(np.concatenate([bottom, wall[1:], line[1:]]))


def spiral(inner: float, spacing: float, turns: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi * turns, round(2 * np.pi * turns * (inner + spacing * turns) / STEP))
    return (inner + spacing * angle / (2 * np.pi)) * np.exp(1j * angle)


def arc(radius: float, length: float) -> np.ndarray:
    return both_ways(walked(lambda s: np.pi / 2 + s / radius, length / 2))


def evolute(arms: int, radius: float, bend: float, length: float) -> list[np.ndarray]:
    first = radius - arc(bend, length)
    return [first * np.exp(2j * np.pi * arm / arms) for arm in range(arms)]


def teeth(radius: float, length: float, tooth: float, spacing: float, side: float) -> list[np.ndarray]:
    last = math.floor(length / 2 / spacing)
    places = [np.exp(1j * index * spacing / radius) for index in range(-last, last + 1)]
    reach = np.linspace(-1, 1, round(tooth / STEP)) * tooth / 2 + side * tooth / 2
    return [arc(radius, length), *(place * (radius + reach) - radius for place in places)]


def regular(sides: int, radius: float) -> list[complex]:
    return [radius * np.exp(2j * np.pi * index / sides) for index in range(sides)]


def star(points: int, radius: float, inner: float) -> Inside:
    between = [inner / radius * tip * np.exp(1j * np.pi / points) for tip in regular(points, radius)]
    return enclosed(*(each for pair in zip(regular(points, radius), between, strict=True) for each in pair))


def wedge(opening: float) -> Inside:
    return lambda z: np.abs(np.angle(-z)) < np.radians(opening) / 2


class Case(NamedTuple):
    """A figure, where it covers the plane, and its area where that is known."""

    figure: Figure
    inside: Inside
    area: float | None = None


CASES = {
    "line": Case(Line(length=20, width=2.5, angle=23), box(20, 2.5), 50),
    "curve": Case(Curve(radius=9, length=24, width=2.5, angle=23), near([arc(9, 24)], 2.5), 60),
    "s": Case(SCurve(radius=6, length=28, width=2, angle=23), near([s_curve(6, 28)], 2), 56),
    "s of half circles": Case(SCurve(radius=5, length=36, width=1.5, x=0.3, flip=-1), near([s_curve(5, 36)], 1.5), 54),
    "gentle s": Case(SCurve(radius=25, length=26, width=3, angle=140), near([s_curve(25, 26)], 3), 78),
    "spiral": Case(Spiral(inner=3, spacing=5, turns=2, width=2, angle=20), near([spiral(3, 5, 2)], 2)),
    "spiral from the centre": Case(
        Spiral(inner=0, spacing=6, turns=2, width=1.5, flip=-1), near([spiral(0, 6, 2)], 1.5)
    ),
    "corner": Case(Corner(opening=70, length=24, width=2, angle=23), near([corner(70, 0, 24)], 2)),
    "round corner": Case(
        Corner(opening=100, rounding=6, length=26, width=3, angle=130), near([corner(100, 6, 26)], 3), 78
    ),
    "corner that is an arc": Case(
        Corner(opening=60, rounding=9, length=16, width=3, angle=-50), near([corner(60, 9, 16)], 3), 48
    ),
    "reflex corner": Case(Corner(opening=250, rounding=3, length=20, width=2, y=-2), near([corner(250, 3, 20)], 2), 40),
    "divot": Case(Divot(radius=6, depth=4, length=26, width=2, angle=23), near([divot(6, 4, 26)], 2)),
    "deep divot": Case(Divot(radius=4, depth=8, length=24, width=1.5, angle=110), near([divot(4, 8, 24)], 1.5)),
    "evolute": Case(Evolute(arms=3, radius=4, bend=7, length=14, width=2, angle=23), near(evolute(3, 4, 7, 14), 2), 84),
    "evolute of five": Case(Evolute(arms=5, radius=8, bend=5, length=6, width=1.5), near(evolute(5, 8, 5, 6), 1.5), 45),
    "teeth": Case(
        Teeth(radius=10, length=24, tooth=6, spacing=5, width=1.5, angle=23), near(teeth(10, 24, 6, 5, 0), 1.5)
    ),
    "outer teeth": Case(
        Teeth(radius=9, length=20, tooth=4, spacing=4, side=1, width=1.5, angle=200), near(teeth(9, 20, 4, 4, 1), 1.5)
    ),
    "bar": Case(Bar(length=22, thickness=5, angle=23), box(22, 5), 110),
    "disc": Case(Disc(radius=7, x=0.4, y=-0.3), lambda z: np.abs(z) < 7, 49 * math.pi),
    "ring": Case(Ring(radius=9, thickness=3, x=0.4), lambda z: np.abs(np.abs(z) - 9) < 1.5, 54 * math.pi),
    "ellipse": Case(
        Ellipse(length=24, thickness=9, angle=23), lambda z: (z.real / 12) ** 2 + (z.imag / 4.5) ** 2 < 1, 54 * math.pi
    ),
    "wedge": Case(Wedge(opening=50, angle=23, x=3), wedge(50)),
    "notch": Case(Wedge(opening=300, angle=23, x=-3), wedge(300)),
    "cross": Case(Cross(length=22, thickness=5, angle=23), either(box(22, 5), box(5, 22)), 195),
    "t": Case(TJunction(length=20, stem=12, thickness=4, angle=283), either(box(4, 20), box(12, 4, 6)), 80 + 40),
    "y": Case(
        YJunction(opening=100, length=11, stem=12, thickness=4, angle=23),
        either(spoke(0, 12, 4), spoke(130, 11, 4), spoke(-130, 11, 4)),
    ),
    "arrow": Case(
        YJunction(opening=270, length=9, stem=12, thickness=3, angle=23, x=-5),
        either(spoke(0, 12, 3), spoke(45, 9, 3), spoke(-45, 9, 3)),
    ),
    "triangle": Case(Polygon(sides=3, radius=12, angle=23), enclosed(*regular(3, 12)), 108 * math.sqrt(3)),
    "hexagon": Case(Polygon(sides=6, radius=11, angle=23), enclosed(*regular(6, 11)), 181.5 * math.sqrt(3)),
    "round square": Case(
        Polygon(sides=4, radius=8 * math.sqrt(2), rounding=4, angle=23),
        # A square turned to stand on a corner: half a side of 8, of which 4 are rounded.
        lambda z: np.abs(_beyond(z * np.exp(0.25j * np.pi), 4)) < 4,
        256 - (4 - math.pi) * 16,
    ),
    "star": Case(Star(points=5, radius=13, inner=6, angle=23), star(5, 13, 6), 5 * 13 * 6 * math.sin(math.pi / 5)),
    "convex star": Case(
        Star(points=3, radius=12, inner=9, angle=40), star(3, 12, 9), 3 * 12 * 9 * math.sin(math.pi / 3)
    ),
}


def _beyond(z: np.ndarray, half: float) -> np.ndarray:
    """How far points are from a square, as a vector; 0 inside."""
    return np.maximum(np.abs(z.real) - half, 0) + 1j * np.maximum(np.abs(z.imag) - half, 0)


def counted(figure: Figure, inside: Inside, fine: int = 12) -> np.ndarray:
    """Coverage by counting points."""
    ticks = (np.arange(SIZE * fine) + 0.5) / fine - 0.5 - (SIZE - 1) / 2
    x, y = np.meshgrid(ticks - figure.x, -ticks - figure.y)
    z = (x + 1j * y) * np.exp(-1j * np.radians(figure.angle))
    return inside(z if figure.flip == 1 else z.conjugate()).reshape(SIZE, fine, SIZE, fine).mean((1, 3))


@functools.cache
def truth(name: str) -> np.ndarray:
    return counted(*CASES[name][:2])


def drawn(figure: Figure, size: int = SIZE, renderer: Renderer = FAST) -> np.ndarray:
    with unchecked():
        return np.asarray(figure.draw(size, renderer=renderer))[..., 0]


@functools.cache
def case_drawn(name: str, renderer: Renderer) -> np.ndarray:
    return drawn(CASES[name].figure, renderer=renderer)


def error(image: np.ndarray, wanted: np.ndarray) -> float:
    """The mean error over pixels that are partly covered."""
    partly = (wanted > 0) & (wanted < 1)
    return float(np.abs(image - wanted)[partly].mean())


@pytest.mark.parametrize("name", CASES)
def test_coverage_is_what_counting_points_gives(name: str) -> None:
    wanted = truth(name)
    assert error(case_drawn(name, FAST), wanted) < 0.05
    assert error(case_drawn(name, FINE), wanted) < 0.01
    assert np.abs(case_drawn(name, FINE) - wanted).max() < 0.3  # the centre pixel of a spiral


@pytest.mark.parametrize("name", sorted(set(CASES) - {"disc", "ring"}))
def test_counting_points_tells_a_turned_figure(name: str) -> None:
    figure = CASES[name].figure
    assert error(drawn(dataclasses.replace(figure, angle=figure.angle + 8)), truth(name)) > 0.05


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.area is not None])
def test_the_area_is_the_figures_own(name: str) -> None:
    area = CASES[name].area
    assert area is not None
    assert case_drawn(name, FAST).sum() == pytest.approx(area, rel=0.03)
    assert case_drawn(name, FINE).sum() == pytest.approx(area, rel=0.003)


def test_finer_samples_bring_the_area_closer() -> None:
    off = {
        renderer: np.mean(
            [abs(case_drawn(name, renderer).sum() / case.area - 1) for name, case in CASES.items() if case.area]
        )
        for renderer in (FAST, FINE)
    }
    assert off[FINE] < off[FAST] / 10


THIN: dict[str, Callable[[float], tuple[Figure, float]]] = {
    "ring": lambda t: (Ring(radius=8, thickness=t), 16 * math.pi * t),
    "ellipse": lambda t: (Ellipse(length=20, thickness=t), 5 * math.pi * t),
    "cross": lambda t: (Cross(length=20, thickness=t), 40 * t - t**2),
    "t": lambda t: (TJunction(length=18, stem=10, thickness=t), 28 * t - t**2 / 2),
    "y": lambda t: (YJunction(length=9, stem=9, thickness=t), 27 * t),
    "hexagon": lambda t: (Polygon(sides=6, radius=t), 1.5 * math.sqrt(3) * t**2),
    "star": lambda t: (Star(points=5, radius=2 * t, inner=t), 10 * math.sin(math.pi / 5) * t**2),
    "disc": lambda t: (Disc(radius=t), math.pi * t**2),
}


@pytest.mark.parametrize("name", THIN)
@pytest.mark.parametrize("place", [(0.0, 0.0, 0.0), (0.5, 0.25, 0.0), (0.3, -0.4, 31.0)])
def test_what_is_thinner_than_a_pixel_keeps_its_area(name: str, place: tuple[float, float, float]) -> None:
    figure, area = THIN[name](0.3)
    x, y, angle = place
    there = dataclasses.replace(figure, x=x, y=y, angle=angle)
    assert drawn(there).sum() == pytest.approx(area, rel=0.2)
    assert drawn(there, renderer=EXACT).sum() == pytest.approx(area, rel=0.2)


def test_what_is_drawn_by_its_distance_alone_does_not_keep_its_area() -> None:
    thin = Ellipse(length=20, thickness=0.3)
    offset = drawn(Line(length=20, width=0.3, y=0.5)).sum(), np.clip(0.5 - _distances(thin), 0, 1).sum()
    assert offset[0] == pytest.approx(6, rel=0.1)
    assert offset[1] > 1.5 * 1.5 * math.pi


def _distances(figure: Figure) -> np.ndarray:
    x, y = pixel_grid(SIZE)
    with unchecked():
        return np.asarray(figure.distance(*figure.own(x, y)))


WALKS = {
    "line": (Line(length=20), walked(lambda s: 0 * s, 20, -10)),
    "curve": (Curve(radius=6, length=24), arc(6, 24)),
    "s": (SCurve(radius=6, length=28), s_curve(6, 28)),
    "s of half circles": (SCurve(radius=4, length=36), s_curve(4, 36)),
    "spiral": (Spiral(inner=3, spacing=7, turns=2), spiral(3, 7, 2)),
    "corner": (Corner(opening=70, rounding=2, length=24), corner(70, 2, 24)),
    "reflex corner": (Corner(opening=250, rounding=2, length=24), corner(250, 2, 24)),
    "divot": (Divot(radius=6, depth=4, length=26), divot(6, 4, 26)),
    "deep divot": (Divot(radius=4, depth=8, length=26), divot(4, 8, 26)),
    "evolute": (Evolute(arms=3, radius=4, bend=7, length=14), evolute(3, 4, 7, 14)[1][::-1]),
    "polygon": (
        Polygon(sides=4, radius=10),
        np.concatenate([10 * np.linspace(1, 1j, 999), 10 * np.linspace(1j, -1, 999)]),
    ),
    "star": (Star(points=4, radius=10, inner=7), np.linspace(10, 7 * np.exp(0.25j * np.pi), 999)),
}


def asked(figure: Figure, question: str, z: np.ndarray) -> np.ndarray:
    """What a figure says of points, given as complex numbers."""
    x, y = (jnp.asarray(part, jnp.float32)[None] for part in (z.real, z.imag))
    with unchecked():
        return np.asarray(getattr(figure, question)(x, y))[0]


@pytest.mark.parametrize("name", WALKS)
def test_along_is_the_way_walked_and_distance_the_way_beside_it(name: str) -> None:
    figure, path = WALKS[name]
    steps = np.abs(np.diff(path))
    places = np.linspace(0.05, 0.95, 300) * len(steps)
    places = places.astype(int)
    places = places[steps[places] > 0]
    way = (np.cumsum(steps) - steps / 2)[places]
    there = ((path[1:] + path[:-1]) / 2)[places]
    left = 1j * (np.diff(path) / np.maximum(steps, 1e-9))[places]
    along = asked(figure, "along", there)
    np.testing.assert_allclose(along - along[0], way - way[0], atol=0.05)
    for beside in (-0.3, 0.3):
        distance = asked(figure, "distance", there + beside * left)
        # Near a vertex, the other side of it is nearer.
        assert np.quantile(np.abs(np.abs(distance) - 0.3), 0.9) < 0.005
        assert np.abs(distance).max() < 0.31
        assert len(set(np.sign(distance))) == 1
    assert np.abs(asked(figure, "distance", there + 0.5 + 0.5j)).max() > 0.4


def _figures() -> dict[str, st.SearchStrategy[Figure]]:
    pose = {"angle": numbers(-400, 400), "flip": st.sampled_from([1.0, -1.0]), "x": numbers(-3, 3), "y": numbers(-3, 3)}
    lengths, widths, counts = numbers(4, 24), numbers(0.25, 4), st.integers(2, 9).map(float)
    radii = st.one_of(numbers(1, 30), st.just(math.inf))
    own: dict[type[Figure], dict[str, st.SearchStrategy[float]]] = {
        Line: {"length": lengths},
        Curve: {"radius": radii, "length": lengths},
        SCurve: {"radius": radii, "length": lengths},
        Spiral: {"inner": numbers(0, 5), "spacing": numbers(3, 8), "turns": numbers(0.25, 3)},
        Corner: {"opening": numbers(10, 350), "rounding": numbers(0, 8), "length": lengths},
        Divot: {"radius": numbers(1, 8), "depth": numbers(0, 10), "length": lengths},
        Evolute: {"arms": counts, "radius": numbers(0, 10), "bend": radii, "length": lengths},
        Teeth: {
            "radius": radii,
            "length": lengths,
            "tooth": numbers(0, 8),
            "spacing": numbers(3, 8),
            "side": numbers(-1, 1),
        },
        Ring: {"radius": numbers(0, 12), "thickness": numbers(0, 6)},
        Ellipse: {"length": numbers(0, 24), "thickness": numbers(0, 24)},
        Wedge: {"opening": numbers(10, 350), "rounding": numbers(0, 8)},
        Cross: {"length": lengths, "thickness": widths},
        TJunction: {"length": lengths, "stem": lengths, "thickness": widths},
        YJunction: {"opening": numbers(10, 350), "length": lengths, "stem": lengths, "thickness": widths},
        Polygon: {"sides": st.integers(3, 9).map(float), "radius": numbers(0, 14), "rounding": numbers(0, 10)},
        Star: {"points": counts, "radius": numbers(0, 14), "inner": numbers(0, 14)},
        Head: {
            "skull": numbers(3, 6),
            "snout": numbers(0, 6),
            "jumble": st.sampled_from([0.0, 0.5, 1.0]),
            "facing": st.sampled_from([1.0, -1.0]),
        },
        Car: {"length": numbers(12, 24), "height": numbers(4, 8), "cabin": numbers(0, 6), "wheel": numbers(0, 4)},
    }
    look = {"width": numbers(0.25, 3), "fill": st.sampled_from([0.0, 0.5, 1.0])}
    return {cls.__name__: st.builds(cls, **pose, **look, **options) for cls, options in own.items()}


FIGURES = _figures()


def figures(*names: str) -> st.SearchStrategy[Figure]:
    """Draws a figure of any kind, or of some kinds, with any parameters in any pose."""
    return st.sampled_from(names or sorted(FIGURES)).flatmap(FIGURES.__getitem__)


SIZES = st.sampled_from([32, 33])


@given(figure=figures(), size=SIZES)
def test_quarter_turns_and_mirrors_are_those_of_the_image(figure: Figure, size: int) -> None:
    image = drawn(figure, size)
    np.testing.assert_allclose(drawn(figure.turned(90), size), np.rot90(image), atol=FLOAT32)
    np.testing.assert_allclose(drawn(figure.mirrored(), size), image[:, ::-1], atol=FLOAT32)


@given(figure=figures(), size=SIZES, right=st.integers(-4, 4), down=st.integers(-4, 4))
def test_a_shift_by_whole_pixels_shifts_the_image(figure: Figure, size: int, right: int, down: int) -> None:
    middle = (size - 1) / 2
    shifted = np.asarray(figure.draw(size, anchor=(middle + down, middle + right)))[..., 0]
    moved = drawn(dataclasses.replace(figure, x=figure.x + right, y=figure.y - down), size)
    np.testing.assert_allclose(moved, shifted, atol=FLOAT32)
    inner = np.roll(drawn(figure, size), (down, right), (0, 1))[4:-4, 4:-4]
    np.testing.assert_allclose(shifted[4:-4, 4:-4], inner, atol=FLOAT32)


@given(figure=figures(), size=SIZES)
def test_ink_lies_between_none_and_all_and_polarity_turns_it_over(figure: Figure, size: int) -> None:
    image = drawn(figure, size)
    bound = 1 if isinstance(figure, Head | Car) else 0  # their details are dark
    assert image.min() >= -bound - FLOAT32
    assert image.max() <= 1 + FLOAT32
    other = dataclasses.replace(figure, polarity=-1.0, background=0.25, contrast=0.5)
    np.testing.assert_allclose(drawn(other, size), 0.25 - 0.5 * image, atol=FLOAT32)


@pytest.mark.parametrize(
    "figure", [SCurve(length=28, radius=6), Teeth(length=20), Star(radius=12), Car(length=24)], ids=repr
)
def test_the_laws_of_the_image_notice_a_degree_a_missing_mirror_and_part_of_a_pixel(figure: Figure) -> None:
    figure = figure.turned(20)
    image = drawn(figure)
    assert np.abs(drawn(figure.turned(91)) - np.rot90(image)).max() > 0.02
    assert np.abs(drawn(dataclasses.replace(figure, angle=170)) - image[:, ::-1]).max() > 0.02
    assert np.abs(drawn(dataclasses.replace(figure, x=0.9)) - np.roll(image, 1, 1)).max() > 0.02
    assert np.abs(drawn(dataclasses.replace(figure, polarity=-1, background=0.1)) + image).max() > 0.02


DEGENERATE: tuple[Figure, ...] = (
    # The centre of curvature, the vertex and the ends fall on pixels; what can be nothing is, and what can be straight.
    SCurve(radius=math.inf, length=8),
    Spiral(inner=0, spacing=4, turns=2, fill=0.5),
    Corner(opening=90, length=8, fill=0.5),
    Corner(opening=180, rounding=5, length=0),
    Corner(opening=360, length=8),
    Divot(radius=4, depth=0, length=8, fill=0.5),
    Evolute(arms=1, radius=0, bend=4, length=8, fill=0.5),
    Evolute(arms=3, radius=4, bend=4, length=40, fill=0.5),
    Teeth(radius=4, length=8, tooth=4, spacing=2, x=4),
    Disc(radius=0, width=1),
    Ring(radius=0, thickness=0),
    Ellipse(length=0, thickness=0, width=1),
    Ellipse(length=8, thickness=8, width=1),
    Wedge(opening=180),
    Cross(length=0, thickness=0, width=1),
    TJunction(length=0, stem=0, thickness=0, width=1),
    YJunction(opening=360, length=4, stem=4, thickness=2, width=1),
    Polygon(sides=4, radius=0, width=1),
    Polygon(sides=4, radius=4, rounding=9, width=1),
    Star(points=2, radius=0, inner=0, width=1),
    Head(skull=3, snout=0, ear=0, eye=0, nose=0, neck=0, jumble=0.5, width=1),
    Car(length=12, height=4, cabin=0, wheel=0, width=1),
)
BESIDES = ("x", "y", "angle", "width", "fill")


def gradients(figure: Figure, renderer: Renderer) -> dict[str, Any]:
    """How the ink depends on every parameter of the figure's own, on its pose and on its stroke."""
    names = [*BESIDES, *(name for name in type(figure).__annotations__ if name not in BESIDES)]
    values = {name: getattr(figure, name) for name in names if isinstance(getattr(figure, name), float)}

    def ink(values: dict[str, Any]) -> jax.Array:
        return jnp.sum(figure.with_values(values).draw(17, renderer=renderer) ** 2)

    with unchecked():
        return jax.grad(ink)(values)


@pytest.mark.parametrize("figure", DEGENERATE, ids=repr)
def test_gradients_are_finite_where_shapes_degenerate(figure: Figure) -> None:
    # The exact renderer asks for all that the fast one does, and for its slope.
    found = gradients(figure, EXACT)
    assert all(np.isfinite(gradient) for gradient in found.values()), found


@pytest.mark.parametrize(
    "figure", [Corner(length=8), Evolute(radius=0), Ring(radius=0, width=1), Star(inner=0)], ids=repr
)
def test_gradients_are_finite_in_the_fast_renderer(figure: Figure) -> None:
    found = gradients(figure, FAST)
    assert all(np.isfinite(gradient) for gradient in found.values()), found


class _Careless(Disc):
    """A disc whose distance is a bare square root."""

    def distance(self, x: Points, y: Points) -> Points:
        return jnp.sqrt(x**2 + y**2) - self.radius


def test_a_bare_square_root_is_noticed() -> None:
    assert not np.isfinite(gradients(_Careless(radius=4, width=1, fill=0), FAST)["x"])


@pytest.mark.parametrize(
    ("figure", "name", "rate"),
    [
        (Disc(radius=9), "radius", 18 * math.pi),
        (Ellipse(length=20, thickness=12), "length", 3 * math.pi),
        (Polygon(sides=6, radius=11), "radius", 33 * math.sqrt(3)),
        (Star(points=5, radius=13, inner=6), "inner", 65 * math.sin(math.pi / 5)),
        (Corner(opening=120, rounding=3, length=20, width=2), "width", 20),
        (Spiral(inner=3, spacing=5, turns=2, width=2), "turns", 2 * math.pi * 2 * 13),
    ],
    ids=repr,
)
def test_the_gradient_of_the_area_is_that_of_the_formula(figure: Figure, name: str, rate: float) -> None:
    def area(value: jax.Array) -> jax.Array:
        return figure.with_values({name: value}).draw(SIZE, renderer=EXACT).sum()

    with unchecked():
        found = jax.grad(area)(getattr(figure, name))
    assert found == pytest.approx(rate, rel=0.05)


def same(first: Figure, second: Figure, atol: float = FLOAT32) -> bool:
    return bool(np.allclose(drawn(first), drawn(second), atol=atol))


def test_a_corner_rounded_to_its_ends_is_a_curve_at_the_same_place() -> None:
    curve = Curve(radius=10, length=15, angle=30)
    corner = Corner(opening=60, rounding=10, length=15, angle=30)
    assert same(curve, corner, atol=0.03)  # an end cut along the arc, or straight
    assert not same(curve, dataclasses.replace(corner, rounding=5), atol=0.03)


def test_a_corner_of_180_degrees_is_a_line_across_its_angle() -> None:
    assert same(Corner(opening=180, length=20, angle=30), Line(length=20, angle=120))
    assert not same(Corner(opening=170, length=20, angle=30), Line(length=20, angle=120))


def test_a_corner_points_as_a_curve_bulges() -> None:
    right, curve = drawn(Corner(length=20)), drawn(Curve(radius=5, length=15))
    columns = np.arange(SIZE) - SIZE // 2
    assert right.sum(0) @ columns < 0
    assert curve.sum(0) @ columns < 0
    assert drawn(Corner(length=20, angle=180)).sum(0) @ columns > 0


def test_an_s_comes_back_after_a_half_turn_and_is_not_its_mirror_image() -> None:
    s = SCurve(radius=6, length=28, angle=20)
    assert same(s, s.turned(180))
    assert not same(s, dataclasses.replace(s, flip=-1))
    letter = drawn(SCurve(radius=6, length=30))
    assert letter[:16, :16].sum() > 2 * letter[:16, 17:].sum()  # the upper bow lies to the left


def test_a_straight_figure_is_a_bent_one_of_infinite_radius() -> None:
    line = Line(length=20, angle=30)
    assert same(SCurve(radius=math.inf, length=20, angle=30), line)
    assert same(SCurve(radius=1e6, length=20, angle=30), line, atol=0.01)
    assert not same(SCurve(radius=20, length=20, angle=30), line)
    bare = Teeth(radius=math.inf, length=20, tooth=0, angle=-60)
    assert same(bare, line)
    assert not same(dataclasses.replace(bare, tooth=4), line)


def test_teeth_are_as_many_as_fit() -> None:
    for length, count in ((23.9, 5), (24, 7), (26, 7)):
        comb = Teeth(radius=math.inf, length=length, spacing=4, tooth=5, width=1, side=1, spine=0)
        assert drawn(comb).sum() == pytest.approx(5 * count, abs=0.01)


def test_teeth_go_round_a_whole_circle_without_meeting() -> None:
    sun = Teeth(radius=8, length=1000, spacing=2 * math.pi, tooth=4, width=1, side=1, spine=0, x=8)
    assert drawn(sun, renderer=FINE).sum() == pytest.approx(4 * 7, rel=0.01)  # an eighth would be too near
    assert same(sun, dataclasses.replace(sun, length=16 * math.pi))


def test_a_curve_that_is_nearly_a_circle_is_whole_at_its_apex() -> None:
    # The cuts across its ends, if they were endless, would run through the apex.
    curve = drawn(Curve(radius=8, length=16 * math.pi - 0.5, x=8))
    assert curve[16, 24] == 1
    assert curve[16, 8] < 0.6


def test_an_evolute_is_a_circle_with_its_arcs_turned_inside_out() -> None:
    # Each arc of the one bulges towards the anchor, of the other away from it.
    evolute, circle = Evolute(arms=4, radius=8, bend=8, length=8, fill=0.5), Disc(radius=8, fill=0.5, width=2)
    reach = np.hypot(*pixel_grid(SIZE))
    assert (drawn(evolute) * reach).sum() / drawn(evolute).sum() > (drawn(circle) * reach).sum() / drawn(circle).sum()
    assert drawn(Evolute(arms=4, radius=8, bend=8, length=8))[16, 24] == pytest.approx(1)
    assert drawn(Evolute(arms=4, radius=8, bend=8, length=8, fill=1, width=0))[16, 16] == 1


def test_arcs_of_an_evolute_end_in_cusps_however_long_they_are() -> None:
    star = Evolute(arms=6, radius=6, bend=9, length=30, fill=0.5)
    assert same(star, dataclasses.replace(star, length=56))
    assert not same(star, dataclasses.replace(star, length=6))


def test_junctions_meet_where_they_should() -> None:
    t = TJunction(length=20, stem=11, thickness=4, angle=30)
    assert same(t, YJunction(opening=180, length=10, stem=11, thickness=4, angle=30), atol=0.1)
    assert not same(t, YJunction(opening=160, length=10, stem=11, thickness=4, angle=30), atol=0.1)
    letter = drawn(TJunction(length=20, stem=11, thickness=4, angle=270))
    assert letter[16].sum() > 2 * letter[21].sum() > 2 * letter[10].sum()


def test_polygons_stars_and_ellipses_meet_in_their_special_cases() -> None:
    square = Bar(length=16, thickness=16, angle=20)
    assert same(Polygon(sides=4, radius=8 * math.sqrt(2), angle=65), square, atol=0.15)
    assert not same(Polygon(sides=4, radius=8 * math.sqrt(2), angle=60), square, atol=0.15)
    hexagon = Polygon(sides=6, radius=12)
    assert same(Star(points=6, radius=12, inner=12 * math.cos(math.pi / 6)), hexagon)
    assert not same(Star(points=6, radius=12, inner=9), hexagon)
    assert same(Ellipse(length=18, thickness=18), Disc(radius=9))
    assert not same(Ellipse(length=18, thickness=17), Disc(radius=9))
    assert same(Polygon(sides=5, radius=10, rounding=99), Disc(radius=10 * math.cos(math.pi / 5)))
    assert same(Ring(radius=4, thickness=8), Disc(radius=8))


def test_a_wedge_is_a_filled_corner() -> None:
    assert same(Wedge(opening=70, rounding=4), Corner(opening=70, rounding=4, fill=1, width=0))
    assert same(Wedge(opening=180), Wedge(opening=179.999), atol=0.01)
    assert not same(Wedge(opening=180), Wedge(opening=170), atol=0.01)


@pytest.mark.parametrize(
    "figure", [SCurve(length=40), Corner(length=40), Divot(length=32), Polygon(width=2, fill=0)], ids=repr
)
def test_dashes_leave_half_of_the_stroke(figure: Figure) -> None:
    whole = drawn(figure, 64).sum()
    assert drawn(dataclasses.replace(figure, dash=2.0), 64).sum() == pytest.approx(whole / 2, rel=0.1)
    assert drawn(dataclasses.replace(figure, dash=2.0, gap=6.0), 64).sum() < 0.4 * whole


@pytest.mark.parametrize("figure", [Teeth, Ellipse, Cross, TJunction, YJunction, Head, Car])
def test_figures_of_unknown_arc_length_refuse_dashes(figure: type[Figure]) -> None:
    with pytest.raises(StimulusError, match=f"{figure.__name__} has dash=3.0: the arc length"):
        figure(dash=3.0)


def small(**options: Any) -> Head:
    return Head(**{"skull": 5.0, "snout": 5.0, "ear": 5.0, "eye": 1.0, "nose": 1.2, "neck": 5.0, **options})


@pytest.mark.parametrize(
    "figure", [small(angle=20), small(jumble=1, seed=3), Car(length=24, height=6, cabin=5, wheel=3)]
)
def test_facing_left_is_the_mirror_image_of_facing_right(figure: Head | Car) -> None:
    upright = dataclasses.replace(figure, angle=0)
    np.testing.assert_allclose(drawn(dataclasses.replace(upright, facing=-1)), drawn(upright)[:, ::-1], atol=FLOAT32)
    assert not same(upright, dataclasses.replace(upright, facing=-1))


def test_a_jumbled_head_has_all_parts_and_none_in_its_place() -> None:
    head = small()
    for seed in range(5):
        jumbled = dataclasses.replace(head, jumble=1, seed=seed)
        for before, after in zip(
            [part.figure for part in head.silhouette()[1:]] + list(head.details()),
            [part.figure for part in jumbled.silhouette()[1:]] + list(jumbled.details()),
            strict=True,
        ):
            there, here = complex(before.x, before.y), complex(after.x, after.y)
            assert abs(here) == pytest.approx(abs(there), rel=1e-5)
            assert (here * there.conjugate()).real <= 1e-3 * abs(there) ** 2  # a quarter turn away or more
        assert drawn(jumbled).sum() == pytest.approx(drawn(head).sum(), rel=0.2)
    assert same(head, dataclasses.replace(head, jumble=0, seed=4))
    assert not same(dataclasses.replace(head, jumble=1), dataclasses.replace(head, jumble=1, seed=4))


@pytest.mark.parametrize(
    ("figure", "without", "rows"),
    [
        (Car(length=24, height=6, cabin=6, wheel=3), {"windows": 0.0}, slice(6, 15)),
        (Car(length=24, height=6, cabin=6, wheel=3), {"wheels": 0.0}, slice(15, 24)),
        (small(), {"neck": 0.0}, slice(14, 33)),
        (small(), {"ear": 0.0}, slice(2, 16)),
    ],
)
def test_parts_are_left_out_where_they_were(figure: Figure, without: dict[str, float], rows: slice) -> None:
    for look in ({}, {"fill": 0.0, "width": 1.0}):
        whole = dataclasses.replace(figure, **look)
        changed = np.abs(drawn(whole) - drawn(dataclasses.replace(whole, **without))) > 0.02
        assert changed[rows].sum() > 10
        assert changed.sum() == changed[rows].sum()


@pytest.mark.parametrize("figure", [small(), Car(length=24, height=6, cabin=6, wheel=3)], ids=["head", "car"])
def test_the_distance_of_an_object_is_that_of_its_silhouette(figure: Figure) -> None:
    distance, ink = _distances(figure), drawn(dataclasses.replace(figure, detail=1.0))
    assert (ink[distance > 1] < FLOAT32).all()
    assert (ink[distance < -1] > 1 - FLOAT32).all()
    assert (distance < -1).sum() > 50
    assert (drawn(figure)[distance < -1] < 0).any()


@pytest.mark.parametrize(
    ("figure", "options", "message"),
    [
        (Corner, {"opening": 0.0}, "Corner has opening=0.0: wanted a finite number of degrees above 0, at most 360"),
        (Spiral, {"spacing": 0.0}, "Spiral has spacing=0.0: wanted a finite number of pixels above 0"),
        (Divot, {"radius": math.inf}, "Divot has radius=inf: wanted a finite number of pixels above 0"),
        (Evolute, {"arms": 0.5}, "Evolute has arms=0.5: wanted a finite number at least 1"),
        (Teeth, {"side": 2.0}, "Teeth has side=2.0: wanted a finite number at least -1, at most 1"),
        (Polygon, {"sides": 2.0}, "Polygon has sides=2.0: wanted a finite number at least 3"),
        (Star, {"points": 1.0}, "Star has points=1.0: wanted a finite number at least 2"),
        (Head, {"jumble": 1.5}, "Head has jumble=1.5: wanted a finite number at least 0, at most 1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(figure: type[Figure], options: dict[str, float], message: str) -> None:
    with pytest.raises(StimulusError, match=message):
        figure(**options)
