"""Noise: its statistics, measured on large pieces, and that it belongs to the place and not to the image."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitkit.stimuli import Disc, noise

SIDE = 256


def points(step: float = 1.0) -> tuple[jax.Array, jax.Array]:
    ticks = (jnp.arange(SIDE, dtype=jnp.float32) - SIDE / 2) * step
    x, y = jnp.meshgrid(ticks, ticks)
    return x, y


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def spectral_slope(images: list[np.ndarray], low: float, high: float) -> float:
    """Slope of log amplitude against log frequency, between two frequencies in cycles per pixel."""
    power = sum(np.abs(np.fft.fft2(image - image.mean())) ** 2 for image in images)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
    edges = np.geomspace(low, high, 7)
    bands = [power[(frequency >= start) & (frequency < end)].mean() for start, end in itertools.pairwise(edges)]
    return float(np.polyfit(np.log(np.sqrt(edges[:-1] * edges[1:])), np.log(bands) / 2, 1)[0])


CHANCE = 4 / SIDE
"""Four standard errors of a correlation over all points."""


@pytest.mark.parametrize("seed", [0.0, 1.0, 12345.0, 0.5, -3.0])
def test_white_noise_is_normal_and_no_pixel_knows_its_neighbours(seed: float) -> None:
    image = np.asarray(noise.white(*points(), seed))
    assert abs(image.mean()) < CHANCE
    assert image.var() == pytest.approx(1, abs=2 * CHANCE)
    assert (image**4).mean() == pytest.approx(3, abs=0.2)
    for neighbour in (np.roll(image, 1, 0), np.roll(image, 1, 1), np.roll(image, (1, 1), (0, 1)), image.T):
        assert abs(correlation(image, neighbour)) < CHANCE


def test_the_test_of_independence_rejects_smooth_noise() -> None:
    image = np.asarray(noise.smooth(*points(0.5), 0.0))
    assert correlation(image, np.roll(image, 1, 0)) > 0.5


def test_uniform_numbers_are_even_and_within_zero_and_one() -> None:
    numbers = np.asarray(noise.uniform(*points(), 0.0))
    assert 0 < numbers.min() < 1e-4
    assert 1 - 1e-4 < numbers.max() < 1
    counts = np.histogram(numbers, 16, (0, 1))[0]
    assert ((counts - SIDE**2 / 16) ** 2 / (SIDE**2 / 16)).sum() < 40  # chi-squared of 15 degrees: one in 2000


def test_the_largest_number_is_below_one_and_its_noise_finite() -> None:
    x, y, seed = jnp.full((1, 1), -99.0), jnp.full((1, 1), -46.0), 196.0  # where all bits of the hash are set
    assert 0.9999999 < noise.uniform(x, y, seed).item() < 1
    assert 5 < noise.white(x + 0.5, y + 0.5, seed).item() < 6


@given(seeds=st.lists(st.integers(-1000, 1000).map(lambda n: n / 4), min_size=2, max_size=2, unique=True))
def test_seeds_have_noise_of_their_own(seeds: list[float]) -> None:
    first, second = (np.asarray(noise.white(*points(), seed)) for seed in seeds)
    assert abs(correlation(first, second)) < 1.5 * CHANCE
    np.testing.assert_array_equal(first, noise.white(*points(), seeds[0]))


@pytest.mark.parametrize("look", [{"noise": 1.0}, {"pink": 1.0}, {"jitter": 2.0, "jitter_scale": 3.0}])
def test_a_crop_has_the_noise_of_the_whole_to_the_bit(look: dict[str, float]) -> None:
    disc = Disc(seed=7, **look)
    whole = np.asarray(disc.draw(40, 48, anchor=(20.5, 10.0)))
    np.testing.assert_array_equal(disc.draw(24, 31, anchor=(12.5, 6.0)), whole[8:32, 4:35])
    assert np.abs(np.asarray(disc.draw(24, 31, anchor=(12.5, 7.0))) - whole[8:32, 4:35]).max() > 0.1
    other = dataclasses.replace(disc, seed=8).draw(24, 31, anchor=(12.5, 6.0))
    assert np.abs(np.asarray(other) - whole[8:32, 4:35]).max() > 0.1


def test_noise_amounts_are_standard_deviations() -> None:
    for look in ({"noise": 0.2}, {"pink": 0.2}):
        deviations = [np.asarray(Disc(radius=0, seed=seed, **look).draw(SIDE)).std() for seed in range(6)]
        assert np.mean(deviations) == pytest.approx(0.2, rel=0.1)


def test_pink_noise_falls_as_one_over_frequency_and_white_noise_does_not_fall() -> None:
    seeds = [float(seed) for seed in range(6)]
    pink = [np.asarray(noise.pink(*points(), seed)) for seed in seeds]
    assert spectral_slope(pink, 1 / 64, 1 / 8) == pytest.approx(-1, abs=0.12)
    assert np.mean([image.var() for image in pink]) == pytest.approx(1, abs=0.2)
    white = [np.asarray(noise.white(*points(), seed)) for seed in seeds]
    assert spectral_slope(white, 1 / 64, 1 / 8) == pytest.approx(0, abs=0.05)


def test_the_slope_of_noise_can_be_chosen() -> None:
    flat, steep = (
        spectral_slope(
            [np.asarray(noise.pink(*points(), float(seed), slope=slope)) for seed in range(4)], 1 / 64, 1 / 16
        )
        for slope in (0.0, 1.5)
    )
    assert flat == pytest.approx(0, abs=0.3)  # the finest grains are a pixel wide, and flat only well above that
    assert steep == pytest.approx(-1.5, abs=0.2)


def variance_within_a_cell(image: np.ndarray, steps: int) -> np.ndarray:
    return np.array([[image[row::steps, column::steps].var() for column in range(steps)] for row in range(steps)])


def test_smooth_noise_varies_as_much_between_lattice_points_as_on_them() -> None:
    image = np.concatenate([np.asarray(noise.smooth(*points(0.25), float(seed))) for seed in range(4)])
    assert image.mean() == pytest.approx(0, abs=0.05)
    assert image.var() == pytest.approx(1, abs=0.05)
    assert np.abs(variance_within_a_cell(image, 4) - 1).max() < 0.25

    def blended(x: jax.Array, y: jax.Array) -> jax.Array:
        column, row = jnp.floor(x), jnp.floor(y)
        corners = [noise.white(column + i, row + j, 0.0) for j in (0, 1) for i in (0, 1)]
        across, up = x - column, y - row
        lower, upper = corners[0] + (corners[1] - corners[0]) * across, corners[2] + (corners[3] - corners[2]) * across
        return lower + (upper - lower) * up

    twin = np.asarray(blended(*points(0.25)))
    assert np.abs(variance_within_a_cell(twin / twin.std(), 4) - 1).max() > 0.5


def test_smooth_noise_has_no_steps() -> None:
    x, y = points(0.25)
    for kind, largest in ((noise.smooth, 0.02), (noise.pink, 0.02)):
        step = np.asarray(kind(x + 1e-3, y, 0.0) - kind(x, y, 0.0))
        assert 0 < np.abs(step).max() < largest
    assert np.abs(np.asarray(noise.white(x + 1e-3, y, 0.0) - noise.white(x - 1e-3, y, 0.0))).max() > 1


def test_displaced_points_move_by_the_amount_along_both_axes_independently() -> None:
    x, y = points()
    across, up = noise.displaced(x, y, 3.0, amount=2.0, scale=4.0)
    assert np.asarray(across - x).std() == pytest.approx(2, rel=0.1)
    assert np.asarray(up - y).std() == pytest.approx(2, rel=0.1)
    assert abs(correlation(np.asarray(across - x), np.asarray(up - y))) < 0.1
    nearby = np.asarray(noise.displaced(x, y, 3.0, amount=2.0, scale=40.0)[0] - x)
    assert correlation(nearby, np.roll(nearby, 10, 0)) > 0.8
    assert abs(correlation(np.asarray(across - x), np.roll(np.asarray(across - x), 10, 0))) < 0.1


@pytest.mark.parametrize("kind", [noise.smooth, noise.pink])
def test_noise_has_finite_gradients_also_on_lattice_points_and_between(kind: object) -> None:
    x, y = points(0.5)

    def total(values: dict[str, jax.Array]) -> jax.Array:
        moved = noise.displaced(x, y, values["seed"], amount=values["amount"], scale=values["scale"])
        return jnp.sum(kind(*moved, values["seed"]) ** 2)

    gradient = jax.grad(total)({"seed": jnp.asarray(1.0), "amount": jnp.asarray(2.0), "scale": jnp.asarray(8.0)})
    assert all(np.isfinite(part) for part in gradient.values())
    assert gradient["amount"] != 0
    assert gradient["scale"] != 0
    assert gradient["seed"] == 0  # seeds have an order, but no nearness


def test_the_gradient_of_smooth_noise_is_its_slope() -> None:
    x, y = jnp.asarray([[0.3, -7.8, 0.5]]), jnp.asarray([[0.1, 3.4, -0.5]])
    slope = jax.jvp(lambda x: noise.smooth(x, y, 0.0), (x,), (jnp.ones_like(x),))[1]
    measured = (noise.smooth(x + 0.01, y, 0.0) - noise.smooth(x - 0.01, y, 0.0)) / 0.02
    np.testing.assert_allclose(slope, measured, atol=0.02)
