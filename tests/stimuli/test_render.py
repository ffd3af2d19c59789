"""Coverage against areas clipped from polygons, and against edges filtered in fine subpixels."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
from hypothesis import example, given
from hypothesis import strategies as st

from circuitkit.errors import SpecError
from circuitkit.geometry import norm, pixel_grid
from circuitkit.stimuli.render import EXACT, FAST, Cut, Edge, Function, Place, Renderer
from tests.strategies import numbers

SIZE = 8
FLOAT32 = 1e-5  # positions of a few pixels, squared
FAST_ERROR = 0.05  # a square met on its corner, taken for one met head-on: 0.043 at most


def pixels(renderer: Renderer = EXACT, *, size: int = SIZE, blur: float = 0.0) -> Cut:
    x, y = pixel_grid(size * renderer.samples)
    return Cut(x / renderer.samples, y / renderer.samples, renderer, blur)


def below(function: Function, cut: Cut, level: float = 0.0) -> np.ndarray:
    """Coverage of whole pixels, however many samples they have."""
    fine = np.asarray(cut(function).below(level))
    n = cut.renderer.samples
    return fine.reshape(len(fine) // n, n, -1, n).mean((1, 3))


def height(angle: float) -> Function:
    """Distance from a straight line through the origin; the angle is the way up."""
    cos, sin = float(np.cos(np.radians(angle))), float(np.sin(np.radians(angle)))
    return lambda x, y: cos * x + sin * y


def clipped(polygon: list[np.ndarray], normal: np.ndarray, level: float) -> list[np.ndarray]:
    """The part of a polygon where normal @ point <= level, after Sutherland and Hodgman."""
    kept = []
    for start, end in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        from_start, from_end = normal @ start - level, normal @ end - level
        if from_start <= 0:
            kept.append(start)
        if from_start * from_end < 0:
            kept.append(start + (end - start) * from_start / (from_start - from_end))
    return kept


def area(polygon: list[np.ndarray]) -> float:
    corners = zip(polygon, polygon[1:] + polygon[:1], strict=True)
    return abs(sum(float(a[0] * b[1] - a[1] * b[0]) for a, b in corners)) / 2


def true_areas(*half_planes: tuple[float, float]) -> np.ndarray:
    """The area of every pixel on the lower side of some lines, each given by its angle and level."""
    ticks = np.arange(SIZE) - (SIZE - 1) / 2
    areas = np.zeros((SIZE, SIZE))
    for (row, y), (column, x) in itertools.product(enumerate(-ticks), enumerate(ticks)):
        polygon = [np.array([x + i / 2, y + j / 2]) for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        for angle, level in half_planes:
            polygon = clipped(polygon, np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))]), level)
        areas[row, column] = area(polygon)
    return areas


@given(angle=numbers(-360, 360), level=numbers(-4, 4))
def test_the_exact_renderer_gives_the_area_on_one_side_of_a_line(angle: float, level: float) -> None:
    truth = true_areas((angle, level))
    np.testing.assert_allclose(below(height(angle), pixels(), level), truth, atol=FLOAT32)
    np.testing.assert_allclose(below(height(angle), pixels(FAST), level), truth, atol=FAST_ERROR)


@pytest.mark.parametrize("angle", [0.0, 30.0, 45.0, 90.0, 225.0])
@pytest.mark.parametrize("level", [0.0, 0.5, -0.25, 1 / 3])
def test_also_where_lines_run_along_pixels_and_through_their_corners(angle: float, level: float) -> None:
    truth = true_areas((angle, level))
    np.testing.assert_allclose(below(height(angle), pixels(), level), truth, atol=FLOAT32)


def test_the_area_rejects_the_fast_renderer_and_another_angle() -> None:
    truth = true_areas((45.0, 0.3))
    assert np.abs(below(height(45.0), pixels(FAST), 0.3) - truth).max() > 0.02
    assert np.abs(below(height(46.0), pixels(), 0.3) - truth).max() > 0.02
    np.testing.assert_allclose(below(height(90.0), pixels(FAST), 0.3), true_areas((90.0, 0.3)), atol=FLOAT32)


@given(angle=numbers(0, 360), middle=numbers(-2, 2), thickness=numbers(0, 3))
def test_a_strip_has_the_area_between_two_lines_however_thin(angle: float, middle: float, thickness: float) -> None:
    low, high = middle - thickness / 2, middle + thickness / 2
    truth = true_areas((angle, high)) - true_areas((angle, low))
    strip = pixels()(height(angle)).between(low, high)
    np.testing.assert_allclose(strip, truth, atol=2 * FLOAT32)
    fast = pixels(FAST)(height(angle)).between(low, high)
    np.testing.assert_allclose(fast, truth, atol=2 * FAST_ERROR)
    # Along a diagonal, rows of pixels are 0.71 apart: a thin strip meets one or two squares of side 1, not 1.41.
    assert np.asarray(fast).sum() == pytest.approx(truth.sum(), rel=0.45, abs=0.01)


def test_a_thin_strip_drawn_by_the_distance_from_its_middle_gains_area() -> None:
    truth = true_areas((90.0, 0.55)) - true_areas((90.0, 0.45))
    naive = pixels(FAST)(lambda x, y: jnp.abs(y - 0.5) - 0.05).below(0)
    assert np.asarray(naive).sum() > 3 * truth.sum()
    assert np.asarray(pixels(FAST)(height(90.0)).between(0.45, 0.55)).sum() == pytest.approx(truth.sum(), rel=1e-4)


@given(angle=numbers(0, 360), level=numbers(-3, 3), scale=numbers(0.25, 8))
def test_a_function_of_another_slope_is_set_right_by_the_exact_renderer(angle, level, scale) -> None:
    def steep(x: jax.Array, y: jax.Array) -> jax.Array:
        return scale * (height(angle)(x, y) - level)

    np.testing.assert_allclose(below(steep, pixels()), true_areas((angle, level)), atol=2 * FLOAT32)


def test_the_fast_renderer_needs_a_distance() -> None:
    wrong = below(lambda x, y: 2 * (x - 0.2), pixels(FAST))
    assert np.abs(wrong - true_areas((0.0, 0.2))).max() > 0.1


def quarter_plane(x: jax.Array, y: jax.Array) -> jax.Array:
    """Distance from a corner that lies within a pixel, turned by 30 degrees."""
    return jnp.maximum(height(30.0)(x, y) - 0.665, height(120.0)(x, y) - 0.251)


@pytest.mark.parametrize("exact", [False, True])
def test_samples_converge_at_a_corner(exact: bool) -> None:
    truth = true_areas((30.0, 0.665), (120.0, 0.251))
    errors = [np.abs(below(quarter_plane, pixels(Renderer(exact, n))) - truth).max() for n in (1, 4, 16)]
    assert errors[0] > 4 * errors[1]
    assert errors[1] > 3 * errors[2]
    assert errors[2] < 1e-3


def test_samples_and_the_exact_renderer_agree_on_a_disc() -> None:
    radius = 2.7
    fine = below(lambda x, y: norm(x, y) - radius, pixels(Renderer(samples=32)))
    assert fine.sum() == pytest.approx(np.pi * radius**2, rel=1e-4)
    errors = [
        np.abs(below(lambda x, y: norm(x, y) - radius, pixels(renderer)) - fine).max()
        for renderer in (FAST, EXACT, Renderer(exact=True, samples=3))
    ]
    assert errors[0] > 1.5 * errors[1] > 1.5 * errors[2]
    assert errors[1] < 0.02  # what curvature leaves
    assert errors[2] < 0.003


def filtered(angle: float, level: float, blur: float, fine: int = 8, size: int = 24) -> np.ndarray:
    """The middle of a half-plane in fine subpixels, filtered by a Gaussian and averaged over pixels."""
    ticks = (np.arange(size * fine) + 0.5) / fine - size / 2
    x, y = np.meshgrid(ticks, -ticks)
    depth = level - (np.cos(np.radians(angle)) * x + np.sin(np.radians(angle)) * y)
    inside = np.clip(0.5 + depth * fine, 0, 1)  # an edge that is soft over a subpixel
    soft = scipy.ndimage.gaussian_filter(inside, blur * fine, mode="nearest")
    whole = soft.reshape(size, fine, size, fine).mean((1, 3))
    margin = (size - SIZE) // 2
    return whole[margin:-margin, margin:-margin]


@pytest.mark.parametrize("renderer", [FAST, EXACT, Renderer(samples=2)])
@pytest.mark.parametrize(("angle", "level"), [(0.0, 0.0), (90.0, 0.3), (25.0, -0.4), (45.0, 0.1)])
@pytest.mark.parametrize("blur", [0.5, 1.0, 2.0])
def test_blur_is_a_gaussian_filter(renderer: Renderer, angle: float, level: float, blur: float) -> None:
    truth = filtered(angle, level, blur)
    np.testing.assert_allclose(below(height(angle), pixels(renderer, blur=blur), level), truth, atol=3e-3)
    assert np.abs(below(height(angle), pixels(renderer, blur=1.25 * blur), level) - truth).max() > 0.01


def test_a_blurred_thin_strip_keeps_its_area() -> None:
    strip = pixels(size=24, blur=1.5)(height(90.0)).between(-0.05, 0.05)
    assert np.asarray(strip).sum() == pytest.approx(24 * 0.1, rel=1e-3)
    assert np.asarray(strip).max() == pytest.approx(0.1 * scipy.stats.norm.pdf(0.5, scale=1.5), rel=0.03)


@given(angle=st.sampled_from([0.0, 90.0, 180.0]), level=numbers(-3, 3))
def test_a_small_blur_tends_to_a_sharp_edge(angle: float, level: float) -> None:
    sharp = below(height(angle), pixels(), level)
    np.testing.assert_allclose(below(height(angle), pixels(blur=1e-4), level), sharp, atol=1e-3)
    np.testing.assert_allclose(below(height(angle), pixels(blur=0.02), level), sharp, atol=0.02)


def test_that_limit_rejects_a_large_blur() -> None:
    assert np.abs(below(height(0.0), pixels(blur=0.5)) - below(height(0.0), pixels())).max() > 0.1


def test_blur_may_be_traced_and_zero_then_means_sharp() -> None:
    soft = jax.jit(lambda blur: dataclasses.replace(pixels(), blur=blur)(height(90.0)).below(0.3))
    np.testing.assert_allclose(soft(0.0), below(height(90.0), pixels(), 0.3), atol=1e-3)
    np.testing.assert_allclose(soft(1.0), below(height(90.0), pixels(blur=1.0), 0.3), atol=1e-6)


def test_frames_are_entered_one_after_the_other() -> None:
    right: Place = lambda x, y: (x - 1, y)  # noqa: E731
    quarter: Place = lambda x, y: (y, -x)  # noqa: E731
    both = pixels().through(right).through(quarter)
    np.testing.assert_allclose(both(height(0.0)).below(0.25), true_areas((90.0, 0.25)), atol=FLOAT32)
    other = pixels().through(quarter).through(right)
    np.testing.assert_allclose(other(height(0.0)).below(0.25), true_areas((90.0, 1.25)), atol=FLOAT32)
    assert pixels(blur=2.0).through(right).blur == 2
    assert pixels(blur=2.0).through(right, blur=0.0).blur == 0


ODD = 9
"""A side at which a pixel's centre lies on the anchor."""

SHAPES: dict[str, Function] = {
    "a line through pixel centres": lambda x, y: x,
    "a diagonal line": lambda x, y: (x + y) / 2**0.5,
    "a disc": norm,
    "nothing but a level": lambda x, y: 0 * x,
    "a corner": jnp.maximum,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("renderer", [FAST, EXACT])
def test_gradients_are_finite_also_where_shapes_are_degenerate(shape: str, renderer: Renderer) -> None:
    def total(values: dict[str, jax.Array]) -> jax.Array:
        place: Place = lambda x, y: (x - values["x"], y - values["x"] * values["turn"])  # noqa: E731
        edge = pixels(renderer, size=ODD).through(place, blur=values["blur"])(SHAPES[shape])
        sharp = pixels(renderer, size=ODD).through(place)(SHAPES[shape])
        return jnp.sum((edge.below(values["level"]) + sharp.between(-values["level"], values["level"])) ** 2)

    for level, blur in itertools.product((0.0, 0.5, 2**0.5, 1e6), (0.0, 1.5)):
        values = {"level": level, "blur": blur, "x": 0.0, "turn": 0.5}
        gradient = jax.grad(total)({name: jnp.asarray(value) for name, value in values.items()})
        assert all(np.isfinite(each) for each in gradient.values()), (level, blur, gradient)


@pytest.mark.parametrize("renderer", [FAST, EXACT])
def test_an_infinite_level_covers_everything_and_has_no_gradient(renderer: Renderer) -> None:
    def total(level: jax.Array, right: jax.Array) -> jax.Array:
        return jnp.sum(pixels(renderer, size=ODD).through(lambda x, y: (x - right, y))(norm).below(level))

    level, right = jnp.asarray(jnp.inf), jnp.asarray(0.3)
    assert total(level, right) == ODD**2
    assert jax.grad(total, argnums=(0, 1))(level, right) == (0, 0)


@given(angle=st.integers(0, 360).map(float), level=st.integers(-200, 200).map(lambda hundredths: hundredths / 100))
@example(angle=1e-5, level=0.0)  # a slant that float32 can hardly tell from none
@example(angle=1.0, level=0.0)  # a line through the corners of four pixels
def test_the_gradient_of_the_area_is_the_length_of_the_edge(angle: float, level: float) -> None:
    grown = jax.grad(lambda level: jnp.sum(pixels()(height(angle)).below(level)))(jnp.asarray(level))
    step = 1e-3
    length = (true_areas((angle, level + step)) - true_areas((angle, level - step))).sum() / (2 * step)
    assert float(grown) == pytest.approx(length, abs=0.02)


def test_the_gradient_of_the_fast_area_is_off_by_the_direction_of_the_edge() -> None:
    grown = jax.grad(lambda level: jnp.sum(pixels(FAST)(height(45.0)).below(level)))(jnp.asarray(0.3))
    length = (true_areas((45.0, 0.301)) - true_areas((45.0, 0.299))).sum() / 0.002
    assert float(grown) == pytest.approx(length, rel=0.5)
    assert abs(float(grown) - length) > 0.05


@given(values=st.lists(numbers(-9, 9), min_size=2, max_size=2).map(sorted), angle=numbers(0, 360))
def test_coverage_is_a_share_and_grows_with_the_level(values: list[float], angle: float) -> None:
    for cut in (pixels(), pixels(FAST), pixels(blur=1.0)):
        edge: Edge = cut(height(angle))
        low, high = (np.asarray(edge.below(value)) for value in values)
        assert low.min() >= 0
        assert high.max() <= 1
        assert (high - low).min() >= -FLOAT32


def test_a_pixel_has_a_whole_number_of_samples() -> None:
    with pytest.raises(SpecError, match="Renderer has samples=0: wanted a whole number, at least 1."):
        Renderer(samples=0)
