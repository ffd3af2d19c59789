"""Laws of every pattern, and what each of them is, measured on its image."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitkit.errors import StimulusError
from circuitkit.stimuli import CATALOGUE, EXACT, FAST, Disc, Pattern, Renderer, colours, hue, noise, patterns
from circuitkit.stimuli.colours import ColourCentre, ColourContrast, HueSweep, HueWheel
from circuitkit.stimuli.parameter import parameters
from circuitkit.stimuli.patterns import (
    CentreSurround,
    Checkerboard,
    DifferenceOfGaussians,
    Dots,
    Gabor,
    Grating,
    HighLow,
    NoiseTexture,
    OrientedTexture,
    Picture,
    Plaid,
    PolarGrating,
    SquareGrating,
)
from tests.strategies import numbers, unchecked

FLOAT32 = 2e-4  # distances of tens of pixels, times the slope of an edge
SIZES = (20, 21)
GREYS = np.random.default_rng(0).uniform(-1, 1, (20, 24)).astype(np.float32)
COLOURS = np.random.default_rng(1).uniform(-1, 1, (21, 21, 3)).astype(np.float32)

CASES: dict[str, Pattern] = {
    "grating": Grating(wavelength=7, phase=30),
    "window": Grating(aperture=6.5, softness=1),
    "colours of one's own": Grating(foreground=(1.0, 0.5, -0.5), background=(0.0, 0.25, 0.0)),
    "stripes": SquareGrating(wavelength=5, phase=30, duty=0.3),
    "gabor": Gabor(sigma=4, aspect=1.5, phase=60),
    "plaid": Plaid(other_wavelength=6, crossing=70, balance=0.3, other_phase=20),
    "rings": PolarGrating(),
    "spokes": PolarGrating(wavelength=math.inf, arms=3, phase=45),
    "spiral": PolarGrating(arms=-2),
    "checks": Checkerboard(size=4, phase=30),
    "dots": Dots(spacing=7, radius=2),
    "strewn dots": Dots(spacing=6, radius=1.5, scatter=1, stagger=0.2, seed=5),
    "centre": CentreSurround(radius=4, thickness=3, strength=-0.5),
    "soft centre": CentreSurround(radius=4, thickness=3, blur=1),
    "difference": DifferenceOfGaussians(sigma=3, balance=0.75),
    "high and low": HighLow(wavelength=12, phase=20),
    "softly high and low": HighLow(wavelength=12, blur=2),
    "noise": NoiseTexture(seed=3),
    "streaks": OrientedTexture(seed=3),
    "grey picture": Picture(image=GREYS, scale=1.5),
    "coloured picture": Picture(image=COLOURS, scale=2),
    "two hues": ColourContrast(hue=20, apart=130),
    "softly two hues": ColourContrast(blur=2),
    "hue in hue": ColourCentre(radius=4, thickness=3, blur=0.5),
    "sweep": HueSweep(length=12, span=270),
    "wheel": HueWheel(hue=50, turns=2),
}
EVERY = pytest.mark.parametrize("name", CASES)


def drawn(pattern: Pattern, size: int = 48, /, renderer: Renderer = FAST, **values: Any) -> np.ndarray:
    """The image; of a grey one, the only channel."""
    image = np.asarray(pattern.with_values(values).draw(size, renderer=renderer))
    return image[:, :, 0] if image.shape[2] == 1 else image


def coordinates(size: int = 48, fine: int = 1) -> tuple[np.ndarray, np.ndarray]:
    ticks = (np.arange(size * fine) + 0.5) / fine - size / 2
    x, y = np.meshgrid(ticks, -ticks)
    return x, y


def averaged(image: np.ndarray, fine: int) -> np.ndarray:
    size = len(image) // fine
    return image.reshape(size, fine, size, fine).mean((1, 3))


def turned_back(x: np.ndarray, y: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return cos * x + sin * y, cos * y - sin * x


def test_every_pattern_is_among_the_cases() -> None:
    own = {patterns.__name__, colours.__name__}
    assert {type(case).__name__ for case in CASES.values()} == {
        name for name, kind in CATALOGUE.items() if kind.__module__ in own
    }


POSE = {"x": 2.25, "y": -1.5, "angle": 37.0}


@EVERY
@pytest.mark.parametrize("size", SIZES)
def test_turned_and_mirrored_patterns_are_turned_and_mirrored_images(name: str, size: int) -> None:
    pattern = CASES[name].with_values(POSE)
    image, turned, mirrored = (drawn(each, size) for each in (pattern, pattern.turned(90), pattern.mirrored()))
    np.testing.assert_allclose(turned, np.rot90(image), atol=FLOAT32)
    np.testing.assert_allclose(mirrored, np.fliplr(image), atol=FLOAT32)
    other = drawn(pattern.turned(10), size)
    assert np.abs(turned - np.rot90(other)).max() > 0.02
    assert np.abs(mirrored - np.fliplr(other)).max() > 0.02


@given(
    name=st.sampled_from(sorted(CASES)),
    pose=st.fixed_dictionaries({"x": numbers(-8, 8), "y": numbers(-8, 8), "angle": st.integers(-720, 720).map(float)}),
    flip=st.sampled_from([1.0, -1.0]),
    quarters=st.integers(-5, 5),
    renderer=st.sampled_from([FAST, EXACT]),
)
def test_all_eight_motions_of_the_grid(name, pose, flip, quarters, renderer) -> None:
    pattern = CASES[name].with_values({**pose, "flip": flip})
    image = np.rot90(drawn(pattern, SIZES[0], renderer), quarters)
    np.testing.assert_allclose(drawn(pattern.turned(90 * quarters), SIZES[0], renderer), image, atol=2 * FLOAT32)
    mirrored = drawn(pattern.turned(90 * quarters).mirrored(), SIZES[0], renderer)
    np.testing.assert_allclose(mirrored, np.fliplr(image), atol=2 * FLOAT32)


@EVERY
def test_a_whole_pixel_shift_of_the_anchor_shifts_the_image(name: str) -> None:
    pattern = CASES[name].with_values(POSE)
    image = np.asarray(pattern.draw(20, 24, anchor=(9.0, 10.5)))
    shifted = np.asarray(pattern.draw(20, 24, anchor=(12.0, 8.5)))
    np.testing.assert_allclose(shifted[3:, :-2], image[:-3, 2:], atol=FLOAT32)
    assert np.abs(shifted[3:, :-1] - image[:-3, 1:]).max() > 0.02


@EVERY
def test_contrast_and_polarity_scale_about_the_background(name: str) -> None:
    pattern = CASES[name]
    background = np.asarray(jnp.asarray(pattern.background).reshape(-1))
    image = drawn(pattern, SIZES[0]) - background
    assert np.abs(image).max() <= 1 + 1e-6
    assert np.abs(image).max() > 0.1
    scaled = drawn(pattern, SIZES[0], contrast=0.5, polarity=-1) - background
    np.testing.assert_allclose(scaled, -0.5 * image, atol=1e-6)


@EVERY
def test_values_are_about_the_background(name: str) -> None:
    pattern = dataclasses.replace(CASES[name], foreground=None, background=0.0)
    lifted = dataclasses.replace(pattern, background=0.25)
    np.testing.assert_allclose(drawn(lifted, SIZES[0]), drawn(pattern, SIZES[0]) + 0.25, atol=1e-6)


@EVERY
@pytest.mark.parametrize("renderer", [FAST, EXACT])
def test_gradients_are_finite_in_every_parameter(name: str, renderer: Renderer) -> None:
    pattern = CASES[name]
    weights = np.random.default_rng(2).normal(size=(9, 9, 1)).astype(np.float32)
    values = {
        parameter: jnp.asarray(getattr(pattern, parameter))
        for parameter, kind in parameters(pattern).items()
        # What patterns share is differentiated once with a window and once without; noise has tests of its own.
        if kind.kind in ("number", "picture")
        and parameter not in ("noise", "pink")
        and (parameter not in ("aperture", "softness", "contrast", "polarity") or name in ("window", "rings"))
    }
    gradient = jax.grad(lambda values: jnp.sum(weights * pattern.with_values(values).draw(9, renderer=renderer)))(
        values
    )
    for parameter, slope in gradient.items():
        assert np.isfinite(np.asarray(slope)).all(), parameter
    moving = {"dots", "grating", "streaks", "two hues"} & {name}
    assert not moving or gradient["angle"] != 0


@pytest.mark.parametrize("renderer", [FAST, EXACT])
@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        (SquareGrating(duty=0), ("duty", "wavelength", "phase", "angle")),
        (SquareGrating(duty=1), ("duty", "wavelength", "phase", "angle")),
        (Dots(radius=0), ("radius", "spacing", "scatter", "stagger", "x")),
        (CentreSurround(radius=0, thickness=0), ("radius", "thickness", "blur", "strength", "x")),
        (ColourCentre(radius=0, thickness=0, chroma=0), ("radius", "thickness", "blur", "chroma", "hue")),
        (HighLow(ratio=1), ("ratio", "blur", "wavelength")),
        (DifferenceOfGaussians(balance=0), ("balance", "ratio", "sigma")),
    ],
)
def test_gradients_are_finite_at_the_bounds(pattern: Pattern, names: tuple[str, ...], renderer: Renderer) -> None:
    values = {name: jnp.asarray(getattr(pattern, name)) for name in names}
    gradient = jax.grad(lambda values: jnp.sum(pattern.with_values(values).draw(9, renderer=renderer) ** 2))(values)
    assert all(np.isfinite(slope) for slope in gradient.values()), gradient


@pytest.mark.parametrize(
    ("name", "parameter", "step"),
    [("stripes", "duty", 1e-3), ("dots", "radius", 1e-3), ("gabor", "sigma", 1e-2), ("high and low", "angle", 1e-2)],
)
def test_gradients_are_those_of_the_image(name: str, parameter: str, step: float) -> None:
    pattern, value = CASES[name].with_values({"angle": 10.0}), float(getattr(CASES[name], parameter)) + 0.01
    ramp = np.random.default_rng(3).normal(size=(9, 9, 1)).astype(np.float32)

    def total(value: Any) -> jax.Array:
        return jnp.sum(ramp * pattern.with_values({parameter: value}).draw(9, renderer=EXACT))

    slope = (total(value + step) - total(value - step)) / (2 * step)
    assert float(jax.grad(total)(jnp.asarray(value))) == pytest.approx(float(slope), rel=0.1, abs=0.05)


def spectral_peak(image: np.ndarray) -> tuple[float, float]:
    """Wavelength and direction, in degrees, of the strongest wave in an image."""
    window = np.hanning(len(image))
    spectrum = np.abs(np.fft.fft2((image - image.mean()) * np.outer(window, window), s=(1024, 1024)))
    row, column = np.unravel_index(spectrum.argmax(), spectrum.shape)
    up, right = -np.fft.fftfreq(1024)[row], np.fft.fftfreq(1024)[column]
    return float(1 / np.hypot(right, up)), float(np.degrees(np.arctan2(up, right)) % 180)


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0, 135.0])
@pytest.mark.parametrize("pattern", [Grating(wavelength=6.5), SquareGrating(wavelength=6.5), Gabor(wavelength=6.5)])
def test_the_strongest_wave_has_the_wavelength_and_runs_along_the_angle(pattern: Pattern, angle: float) -> None:
    wavelength, direction = spectral_peak(drawn(pattern, angle=angle))
    assert wavelength == pytest.approx(6.5, rel=0.02)
    assert (direction - angle + 90) % 180 - 90 == pytest.approx(0, abs=1)
    wavelength, direction = spectral_peak(drawn(pattern, angle=angle + 5, wavelength=7))
    assert wavelength != pytest.approx(6.5, rel=0.02)
    assert (direction - angle + 90) % 180 - 90 != pytest.approx(0, abs=1)


@pytest.mark.parametrize("kind", [Grating, Gabor, SquareGrating])
def test_phases_are_those_of_circuits(kind: Any) -> None:
    assert drawn(kind(), 21)[10, 10] == pytest.approx(1)
    assert drawn(kind(phase=180), 21)[10, 10] == pytest.approx(-1)
    edge = drawn(kind(phase=90), 20)
    assert edge[10, 10] > 0.2
    assert edge[10, 10] == pytest.approx(-edge[10, 9])


def striped(along: np.ndarray, wavelength: float, phase: float, duty: float, fine: int) -> np.ndarray:
    """1 on light stripes and -1 on dark ones, with edges that are soft over a subpixel."""
    offset = (along / wavelength - phase / 360 + 0.5) % 1 - 0.5
    return 2 * np.clip(0.5 + fine * (duty / 2 - np.abs(offset)) * wavelength, 0, 1) - 1


@given(angle=numbers(0, 360), wavelength=numbers(2, 20), phase=numbers(-360, 360), duty=numbers(0.0625, 0.9375))
def test_stripes_have_the_area_of_stripes(angle: float, wavelength: float, phase: float, duty: float) -> None:
    x, _ = turned_back(*coordinates(20, 24), angle)
    truth = averaged(striped(x, wavelength, phase, duty, 24), 24)
    pattern = SquareGrating(angle=angle, wavelength=wavelength, phase=phase, duty=duty)
    np.testing.assert_allclose(drawn(pattern, 20, EXACT), truth, atol=0.01)


def test_the_area_of_stripes_rejects_another_phase_and_another_duty() -> None:
    x, _ = turned_back(*coordinates(20, 24), 20)
    truth = averaged(striped(x, 5, 30, 0.4, 24), 24)
    pattern = SquareGrating(angle=20, wavelength=5, phase=30, duty=0.4)
    for other in ({"phase": 35.0}, {"duty": 0.42}, {"angle": 21.0}, {"wavelength": 5.1}):
        assert np.abs(drawn(pattern, 20, EXACT, **other) - truth).max() > 0.05


@given(duty=numbers(0, 1), wavelength=st.sampled_from([3.0, 4.0, 12.0]), renderer=st.sampled_from([FAST, EXACT]))
def test_the_mean_of_stripes_is_their_duty(duty: float, wavelength: float, renderer: Renderer) -> None:
    image = drawn(SquareGrating(wavelength=wavelength, duty=duty), 48, renderer)
    assert image.mean() == pytest.approx(2 * duty - 1, abs=1e-5)


def test_narrow_stripes_need_their_neighbours() -> None:
    fine = SquareGrating(wavelength=1.2, angle=45)
    assert drawn(fine, renderer=EXACT).mean() == pytest.approx(0, abs=0.01)

    def nearest_alone(x: jax.Array, y: jax.Array) -> jax.Array:
        offset = (x + y) / 2**0.5
        return offset - 1.2 * jnp.round(offset / 1.2)

    x, y = (jnp.asarray(axis, jnp.float32) for axis in coordinates())
    alone = 2 * patterns.Cut(x, y, EXACT)(nearest_alone).between(-0.3, 0.3) - 1
    assert np.asarray(alone).mean() < -0.02


def test_a_gabor_has_its_widths() -> None:
    x, y = coordinates(128)
    window = drawn(Gabor(wavelength=1e6, sigma=6, aspect=1.5), 128)
    assert np.sqrt((window * x**2).sum() / window.sum()) == pytest.approx(6, rel=1e-3)
    assert np.sqrt((window * y**2).sum() / window.sum()) == pytest.approx(9, rel=1e-3)
    bar, edge = drawn(Gabor(sigma=5, wavelength=8), 49), drawn(Gabor(sigma=5, wavelength=8, phase=90), 49)
    envelope = drawn(Gabor(sigma=5, wavelength=1e6), 49)
    np.testing.assert_allclose(np.hypot(bar, edge), envelope, atol=1e-4)
    share = math.exp(-2 * (math.pi * 5 / 20) ** 2)
    assert drawn(Gabor(sigma=5, wavelength=20), 49).sum() == pytest.approx(share * envelope.sum(), rel=1e-3)


def test_a_plaid_is_the_sum_of_its_gratings() -> None:
    plaid = Plaid(wavelength=9, other_wavelength=6, crossing=50, phase=10, other_phase=70, balance=0.3, angle=20)
    first = drawn(Grating(wavelength=9, phase=10, angle=20))
    second = drawn(Grating(wavelength=6, phase=70, angle=70))
    np.testing.assert_allclose(drawn(plaid), 0.7 * first + 0.3 * second, atol=1e-4)
    assert np.abs(drawn(plaid, balance=0.5) - 0.7 * first - 0.3 * second).max() > 0.1


def test_spokes_and_rings_are_counted() -> None:
    ticks = np.arange(360)
    x, y = 24 + 15 * np.cos(np.radians(ticks)), 24 - 15 * np.sin(np.radians(ticks))
    spokes = drawn(PolarGrating(wavelength=math.inf, arms=5), 49)[np.rint(y).astype(int), np.rint(x).astype(int)]
    assert np.abs(np.fft.rfft(spokes)).argmax() == 5
    assert spokes[0] == pytest.approx(1)
    rings = drawn(PolarGrating(wavelength=8), 49)[24, 24:]
    np.testing.assert_allclose(rings, np.cos(2 * np.pi * np.arange(25) / 8), atol=1e-4)


@pytest.mark.parametrize(("angle", "size", "phase"), [(0.0, 3.5, 50.0), (30.0, 5.0, -90.0), (45.0, 2.5, 200.0)])
def test_checks_are_where_both_coordinates_say(angle: float, size: float, phase: float) -> None:
    x, y = turned_back(*coordinates(20, 12), angle)
    truth = averaged(striped(x, 2 * size, phase, 0.5, 12) * striped(y, 2 * size, phase, 0.5, 12), 12)
    pattern = Checkerboard(angle=angle, size=size, phase=phase)
    error = np.abs(drawn(pattern, 20, Renderer(exact=True, samples=2)) - truth)
    assert error.mean() < 0.05
    assert np.abs(drawn(pattern, 20, Renderer(exact=True, samples=2), size=1.25 * size) - truth).mean() > 0.1


def test_checks_along_the_grid_are_exact_and_as_light_as_dark() -> None:
    image = drawn(Checkerboard(size=4, phase=90))
    assert image.mean() == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(np.abs(image), 1, atol=1e-5)
    assert drawn(Checkerboard(size=4, phase=20)).mean() == pytest.approx(0, abs=1e-6)
    assert drawn(Checkerboard(size=4), 49)[24, 24] == pytest.approx(1)
    assert drawn(Checkerboard(size=5)).mean() != pytest.approx(0, abs=1e-3)  # no whole number of squares


def strewn(dots: Dots, size: int, fine: int) -> np.ndarray:
    """Dots painted one by one; shares nothing with the library but the random numbers."""
    x, y = turned_back(*coordinates(size, fine), dots.angle)
    columns, rows = np.meshgrid(np.arange(-5.0, 6.0), np.arange(-5.0, 6.0))
    across, up = (
        dots.scatter * (np.asarray(noise.uniform(jnp.asarray(columns), jnp.asarray(rows), dots.seed + salt)) - 0.5)
        for salt in (0.25, 0.5)
    )
    middle_x = dots.spacing * (columns + dots.stagger * rows + across)
    middle_y = dots.spacing * np.sqrt(1 - dots.stagger**2) * (rows + up)
    inside = np.zeros(x.shape, bool)
    for left, top in zip(middle_x.ravel(), middle_y.ravel(), strict=True):
        inside |= (x - left) ** 2 + (y - top) ** 2 < dots.radius**2
    return averaged(inside.astype(float), fine)


@pytest.mark.parametrize("scatter", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("stagger", "angle"), [(0.5, 0.0), (0.0, 30.0), (0.3, 75.0)])
def test_dots_are_where_the_lattice_and_the_seed_put_them(scatter: float, stagger: float, angle: float) -> None:
    dots = Dots(spacing=7, radius=2.5, scatter=scatter, stagger=stagger, angle=angle, seed=2)
    truth = strewn(dots, 20, 10)
    assert np.abs(drawn(dots, 20, EXACT) - truth).mean() < 0.01
    if scatter > 0:
        assert np.abs(drawn(dots, 20, EXACT, seed=3) - truth).mean() > 0.1
    else:
        np.testing.assert_array_equal(drawn(dots, 20, seed=3), drawn(dots, 20))


def test_dots_cover_their_share_of_the_plane() -> None:
    for stagger, rows in ((0.0, 8.0), (0.5, 8 * math.sqrt(0.75))):
        share = math.pi * 2.5**2 / (8 * rows)
        for renderer in (FAST, EXACT):
            mean = drawn(Dots(spacing=8, radius=2.5, stagger=stagger), renderer=renderer).mean()
            assert mean == pytest.approx(share, rel=0.01 if stagger == 0 else 0.05)  # six rows, or nearly seven
    assert drawn(Dots(spacing=8, radius=0)).max() == 0


def test_rows_of_dots_are_neighbours_at_the_spacing() -> None:
    for stagger in (0.0, 0.25, 0.5):
        dots = Dots(spacing=10, stagger=stagger)
        up = 10 * math.sqrt(1 - stagger**2)
        for x, y in ((0.0, 0.0), (10.0, 0.0), (10 * stagger, up), (10 * stagger - 10, up)):
            assert dots.to_nearest(jnp.full((1, 1), x), jnp.full((1, 1), y)).item() == pytest.approx(0, abs=1e-4)
        halfway = dots.to_nearest(jnp.full((1, 1), 5 * stagger), jnp.full((1, 1), up / 2)).item()
        assert halfway == pytest.approx(5, abs=1e-4)


def test_centre_and_surround_have_their_areas() -> None:
    ring = math.pi * (12**2 - 7**2)
    for strength in (0.0, -0.5, 1.0):
        image = drawn(CentreSurround(radius=7, thickness=5, strength=strength), renderer=EXACT)
        assert image.sum() == pytest.approx(math.pi * 49 + strength * ring, abs=0.01 * ring)
    balanced = CentreSurround(radius=7, thickness=7, strength=-1 / 3)
    assert abs(drawn(balanced, renderer=EXACT).sum()) < 0.5
    assert abs(drawn(balanced, renderer=EXACT, blur=1.5).sum()) < 10  # what the curvature leaves of a blur
    assert abs(drawn(balanced, renderer=EXACT, strength=-0.5).sum()) > 50


def test_a_balanced_difference_of_gaussians_has_mean_zero() -> None:
    balanced = DifferenceOfGaussians(sigma=2.5, ratio=2)
    assert abs(drawn(balanced, 49).sum()) < 0.01
    assert drawn(balanced, 49)[24, 24] == pytest.approx(1)
    assert drawn(balanced, 49, balance=0.5)[24, 24] == pytest.approx(1)
    assert drawn(balanced, 49, balance=0.5).sum() > 10
    x, y = coordinates(49)
    truth = np.exp(-(x**2 + y**2) / 12.5) - np.exp(-(x**2 + y**2) / 50) / 4
    np.testing.assert_allclose(drawn(balanced, 49), truth / 0.75, atol=1e-5)


@pytest.mark.parametrize("angle", [0.0, 90.0, 180.0, 270.0])
def test_high_and_low_frequency_lie_on_their_sides(angle: float) -> None:
    image = np.rot90(drawn(HighLow(wavelength=12, ratio=3, angle=angle)), -round(angle / 90))
    low, high = image[:, :24], image[:, 24:]
    for side, wavelength in ((low, 12), (high, 4)):
        spectrum = np.abs(np.fft.fft2(side))
        row, column = np.unravel_index(spectrum.argmax(), spectrum.shape)
        assert abs(np.fft.fftfreq(48)[row]) == pytest.approx(1 / wavelength)
        assert abs(np.fft.fftfreq(24)[column]) == pytest.approx(1 / wavelength)
        assert side.mean() == pytest.approx(0, abs=1e-5)
        assert side.std() == pytest.approx(0.5, rel=1e-4)
    assert np.abs(np.diff(high, axis=1)).mean() > 2 * np.abs(np.diff(low, axis=1)).mean()


def test_equal_frequencies_have_no_boundary() -> None:
    even = drawn(HighLow(wavelength=12, ratio=1, phase=30, angle=20))
    np.testing.assert_allclose(drawn(HighLow(wavelength=12, ratio=1, phase=30, angle=20, blur=3)), even, atol=1e-5)
    uneven = drawn(HighLow(wavelength=12, ratio=1.5, phase=30, angle=20))
    x, _ = turned_back(*coordinates(), 20)
    np.testing.assert_allclose(uneven[x < -1], even[x < -1], atol=1e-5)
    assert np.abs(uneven[x > 1] - even[x > 1]).max() > 0.5


@pytest.mark.parametrize("angle", [0.0, 90.0])
def test_complementary_hues_lie_across_the_boundary_and_average_to_the_background(angle: float) -> None:
    pattern = ColourContrast(hue=40, chroma=1.2, angle=angle, background=0.125)
    image = np.rot90(drawn(pattern, 20), -round(angle / 90))
    np.testing.assert_allclose(
        image[:, 10:], np.broadcast_to(hue(40, chroma=1.2, lightness=0.125), (20, 10, 3)), atol=1e-5
    )
    np.testing.assert_allclose(
        image[:, :10], np.broadcast_to(hue(220, chroma=1.2, lightness=0.125), (20, 10, 3)), atol=1e-5
    )
    np.testing.assert_allclose(image.mean((0, 1)), 0.125, atol=1e-5)
    assert np.abs(drawn(pattern, 20, apart=120).mean((0, 1)) - 0.125).max() > 0.1


@EVERY
def test_hues_have_the_lightness_of_the_background(name: str) -> None:
    image = drawn(CASES[name], SIZES[0])
    coloured = type(CASES[name]).__module__ == colours.__name__
    assert (image.ndim == 3 and np.abs(image.mean(2)).max() < 1e-6) == coloured


def test_a_hue_in_a_hue() -> None:
    image = drawn(ColourCentre(radius=5, thickness=4, hue=120), 21)
    np.testing.assert_allclose(image[10, 10], hue(120), atol=1e-5)
    np.testing.assert_allclose(image[10, 17], hue(300), atol=1e-5)
    np.testing.assert_allclose(image[10, 20], 0, atol=1e-5)


def test_a_sweep_runs_through_its_span_and_stays_at_both_ends() -> None:
    row = drawn(HueSweep(hue=90, span=120, length=20), 49)[7]
    for x, angle in ((-20, 30), (-10, 30), (-5, 60), (0, 90), (5, 120), (10, 150), (20, 150)):
        np.testing.assert_allclose(row[24 + x], hue(angle), atol=1e-5)
    assert np.abs(row[29] - hue(110)).max() > 0.05


def test_a_wheel_turns_its_hue_counter_clockwise() -> None:
    image = drawn(HueWheel(hue=30), 21)
    for row, column, angle in ((10, 20, 30), (0, 10, 120), (10, 0, 210), (20, 10, 300), (2, 18, 75)):
        np.testing.assert_allclose(image[row, column], hue(angle), atol=1e-5)
    np.testing.assert_allclose(drawn(HueWheel(hue=30, turns=-2), 21)[0, 10], hue(30 - 180), atol=1e-5)


@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_the_greys_of_noise_are_evenly_spread(slope: float) -> None:
    images = [drawn(NoiseTexture(scale=2, slope=slope, seed=seed), 128) for seed in range(8)]
    shares = np.histogram(np.stack(images), 8, (-1, 1))[0] / (8 * 128**2)
    np.testing.assert_allclose(shares, 1 / 8, atol=0.06)
    gabors = np.histogram(drawn(Gabor()), 8, (-1, 1))[0] / 48**2
    assert np.abs(gabors - 1 / 8).max() > 0.3


def half_width(image: np.ndarray, axis: int) -> int:
    """Shift along an axis at which an image is half like itself."""
    image = image - image.mean()
    alike = [(image * np.roll(image, shift, axis)).mean() / image.var() for shift in range(64)]
    return int(np.argmax(np.array(alike) < 0.5))


def test_grains_have_their_scale_and_slopes_make_clouds() -> None:
    small, large, clouds = (
        half_width(drawn(NoiseTexture(scale=scale, slope=slope), 128), 0) for scale, slope in ((4, 0), (8, 0), (4, 1.0))
    )
    assert large == pytest.approx(2 * small, abs=2)
    assert small == pytest.approx(4, abs=1)
    assert clouds >= 2 * small


def test_streaks_run_along_the_angle_with_their_elongation() -> None:
    streaks = drawn(OrientedTexture(scale=3, elongation=5), 128)
    assert half_width(streaks, 0) == pytest.approx(3, abs=1)
    assert half_width(streaks, 1) == pytest.approx(15, abs=4)
    up, right = np.gradient(drawn(OrientedTexture(angle=30), 128))
    across = np.degrees(np.arctan2(-2 * (up * right).mean(), (right**2).mean() - (up**2).mean())) / 2
    assert (across - 30) % 180 == pytest.approx(90, abs=5)
    round_grains = drawn(OrientedTexture(scale=3, elongation=1), 128)
    assert half_width(round_grains, 1) == pytest.approx(half_width(round_grains, 0), abs=1)


@pytest.mark.parametrize("kind", [NoiseTexture, OrientedTexture])
def test_seeds_make_other_textures(kind: Any) -> None:
    first, again, other = (drawn(kind(seed=seed), 128) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.3


@pytest.mark.parametrize("image", [GREYS, GREYS[:, :20], COLOURS])
def test_a_picture_is_drawn_pixel_by_pixel(image: np.ndarray) -> None:
    drawn_whole = np.asarray(Picture(image=image).draw(*image.shape[:2])).reshape(image.shape)
    np.testing.assert_allclose(drawn_whole, image, atol=1e-6)
    half = np.asarray(Picture(image=image, scale=0.5).draw(*image.shape[:2])).reshape(image.shape)
    assert np.abs(half - image).max() > 0.5


def test_a_picture_goes_on_mirrored_beyond_its_border() -> None:
    padded = np.pad(GREYS, ((14, 14), (12, 12)), mode="symmetric")
    np.testing.assert_allclose(drawn(Picture(image=GREYS)), padded, atol=1e-5)
    wrapped = np.pad(GREYS, ((14, 14), (12, 12)), mode="wrap")
    assert np.abs(drawn(Picture(image=GREYS)) - wrapped).max() > 0.5


def test_a_picture_is_interpolated_between_its_pixels() -> None:
    ramp = np.broadcast_to(np.linspace(-0.9, 0.9, 19, dtype=np.float32), (19, 19))
    x, y = turned_back(*coordinates(9), 30)
    image = drawn(Picture(image=ramp, scale=2, angle=30), 9)
    np.testing.assert_allclose(image, x / 20, atol=1e-5)
    assert np.abs(image - y / 20).max() > 0.05


@pytest.mark.parametrize(
    ("mode", "colour", "wanted"),
    [
        ("L", 255, 1.0),
        ("1", 0, -1.0),
        ("LA", (255, 51), 0.2),
        ("RGB", (255, 0, 102), (1.0, -1.0, -0.2)),
        ("RGBA", (255, 0, 102, 0), (0.0, 0.0, 0.0)),
        ("P", 0, None),
    ],
)
def test_pictures_are_read_from_files(tmp_path: Path, mode: str, colour: Any, wanted: Any) -> None:
    PIL.Image.new(mode, (6, 4), colour).save(tmp_path / "photo.png")
    picture = Picture.from_file(tmp_path / "photo.png", scale=2)
    assert picture.scale == 2
    assert picture.image.shape == ((4, 6, 3) if np.ndim(wanted) or mode == "P" else (4, 6))
    if wanted is not None:
        np.testing.assert_allclose(picture.image, np.broadcast_to(wanted, picture.image.shape), atol=1e-6)


def test_a_photograph_taken_sideways_is_read_upright(tmp_path: Path) -> None:
    photo = PIL.Image.new("L", (6, 4), 0)
    photo.putpixel((0, 0), 255)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate clockwise to see it upright
    photo.save(tmp_path / "photo.png", exif=exif)
    picture = np.asarray(Picture.from_file(tmp_path / "photo.png").image)
    assert picture.shape == (6, 4)
    assert np.unravel_index(picture.argmax(), picture.shape) == (0, 3)


def test_files_that_are_no_pictures_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(StimulusError, match=r"text.png' is no picture that Pillow can read: wanted PNG, JPEG"):
        Picture.from_file(tmp_path / "text.png")
    with pytest.raises(StimulusError, match=r"missing.png' cannot be read: No such file or directory."):
        Picture.from_file(tmp_path / "missing.png")
    PIL.Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(StimulusError, match=r"deep.png' holds pixels of kind 'I;16': wanted 8 bits a channel."):
        Picture.from_file(tmp_path / "deep.png")
    PIL.Image.new("RGB", (60, 40), (9, 99, 200)).save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-200])
    with pytest.raises(StimulusError, match=r"cut.jpg' cannot be read: "):
        Picture.from_file(tmp_path / "cut.jpg")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, r"Picture has image of type NoneType: wanted an array of \(height, width\) or"),
        ([[0.0]], r"Picture has image of type list: wanted an array"),
        (np.zeros((4, 4), np.uint8), r"type uint8: wanted an array .* Bytes become that with pixels / 127.5 - 1."),
        (np.zeros((4, 4, 4), np.float32), r"Picture has image of shape \(4, 4, 4\): wanted an array"),
        (np.zeros((0, 4), np.float32), r"Picture has image of shape \(0, 4\): wanted an array"),
        (np.full((4, 4), 255.0), r"Picture has image with values from 255.0 to 255.0: wanted an array"),
        (np.full((4, 4), np.nan), r"Picture has image with values from nan to nan: wanted an array"),
    ],
)
def test_arrays_that_are_no_pictures_are_refused(image: Any, message: str) -> None:
    with unchecked(), pytest.raises(StimulusError, match=message):
        Picture(image=image)


def test_a_picture_is_a_tree_and_has_a_short_name() -> None:
    picture = Picture(image=COLOURS, angle=20)
    assert repr(picture) == "Picture(angle=20, image=<array of 21 x 21 x 3>)"
    slope = jax.grad(lambda picture: jnp.sum(5 * picture.draw(9)))(picture)
    assert slope.image.shape == COLOURS.shape
    assert float(slope.image.sum()) == pytest.approx(5 * 9 * 9 * 3, rel=1e-4)


@pytest.mark.parametrize(
    "texture", [NoiseTexture(scale=3), OrientedTexture(), Picture(image=COLOURS), HueWheel(), SquareGrating()]
)
def test_patterns_fill_figures_and_turn_along(texture: Pattern) -> None:
    filled = drawn(Disc(radius=8, texture=texture, angle=30), 20)
    alone = drawn(texture, 20, angle=30)
    x, y = coordinates(20)
    inside, outside = np.hypot(x, y) < 7, np.hypot(x, y) > 9
    np.testing.assert_allclose(filled[inside], alone[inside], atol=FLOAT32)
    np.testing.assert_array_equal(filled[outside], 0)
    assert np.abs(drawn(Disc(radius=8, texture=texture), 20)[inside] - alone[inside]).max() > 0.02


def test_a_pattern_is_seen_through_its_window_alone() -> None:
    image = drawn(Grating(aperture=8, wavelength=3))
    x, y = coordinates()
    assert np.abs(image[np.hypot(x, y) > 9]).max() == 0
    np.testing.assert_array_equal(image[np.hypot(x, y) < 7], drawn(Grating(wavelength=3))[np.hypot(x, y) < 7])
    soft = drawn(Grating(aperture=8, wavelength=3, softness=2))
    assert 0.01 < np.abs(soft[np.hypot(x, y) > 9]).max() < 0.5


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (Grating, {"wavelength": 0}, "Grating has wavelength=0.0: wanted a finite number of pixels above 0."),
        (SquareGrating, {"duty": 1.5}, "SquareGrating has duty=1.5: wanted a finite number at least 0, at most 1."),
        (DifferenceOfGaussians, {"ratio": 1}, "DifferenceOfGaussians has ratio=1.0: wanted a finite number above 1."),
        (Dots, {"stagger": 0.75}, "Dots has stagger=0.75: wanted a finite number at least 0, at most 0.5."),
    ],
)
def test_values_that_cannot_be_drawn_are_refused(kind: Any, values: dict[str, float], message: str) -> None:
    with pytest.raises(StimulusError, match=message):
        kind(**values)
