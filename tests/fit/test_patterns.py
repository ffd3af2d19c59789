"""Patterns come back from what they say, one for all only where all are one; turned patterns are turned."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import circuitkit as ck
from circuitkit.errors import NetError, SpecError
from circuitkit.fit.patterns import LAYER, THRESHOLDS, Moments, Patterns, Surroundings, moments, turned_frame
from circuitkit.probe import HandbuiltNet, Net
from circuitkit.spec import Circuit, Family, Gabor
from circuitkit.stimuli import LabelledSet
from circuitkit.stimuli.photographs import pictures
from circuitkit.surgery import agreement

BARS = Family("bars", Gabor(wavelength=4.0, sigma=1.3, phase=0), angles=8)
FRONT = HandbuiltNet(ck.build(Circuit("bars", [BARS])))
STEPS = 2
ANGLES = np.array([0.0, 90.0, 112.5, 203.0, 311.0])


def noise(count: int, seed: int, side: int = 36) -> LabelledSet:
    """Pictures of noise."""
    return pictures(pixels(count, seed, side))


def pixels(count: int, seed: int, side: int = 36) -> np.ndarray:
    """Noise, in RGB."""
    return np.random.default_rng(seed).uniform(-1, 1, (count, side, side, 1)).repeat(3, -1).astype(np.float32)


def true(different: float, thresholds: bool = False) -> Patterns:
    """Patterns of five units, which differ by more than their angles as far as is asked."""
    rng = np.random.default_rng(4)
    one, others = rng.normal(size=(1, 8, 5, 5)), rng.normal(size=(5, 8, 5, 5))
    weights = xr.DataArray(
        one + different * others,
        dims=("unit", "member", "y", "x"),
        coords={"unit": [f"unit:{k}" for k in range(5)], "y": np.arange(2.0, -3, -1), "x": np.arange(-2.0, 3)},
    )
    held = Patterns(weights, ANGLES, FRONT, BARS, np.zeros(5), np.ones(5), 0)
    return dataclasses.replace(held, thresholds=np.full(5, 0.5)) if thresholds else held


def seen_of(held: Patterns, *, count: int = 30) -> tuple[Net, Moments]:
    """A net that says what patterns say, and its moments with bars."""
    net = held.as_net()
    return net, moments(net[LAYER], FRONT, BARS, noise(count, 1), reach=STEPS)


def correlation(net: Net, found: Patterns) -> np.ndarray:
    """What patterns say beside what units say, on images that nothing was fitted to."""
    seen = agreement(net, {LAYER: list(range(5))}, {"found": found.as_net()[LAYER]}, noise(9, 2))
    return np.diag(seen[LAYER].correlation.values)


@pytest.fixture(scope="module")
def alike() -> tuple[Net, Moments]:
    return seen_of(true(0.0))


@pytest.fixture(scope="module")
def unlike() -> tuple[Net, Moments]:
    return seen_of(true(1.0))


def test_one_pattern_comes_back_from_units_that_share_it(alike: tuple[Net, Moments]) -> None:
    net, seen = alike
    found = seen.shared(ANGLES, ridge=1e-6)
    assert (correlation(net, found) > 0.99).all()
    assert found.count == 8 * 5 * 5
    assert (found.weights == found.weights[0]).all()


def test_units_that_differ_by_more_than_their_angle_need_patterns_of_their_own(unlike: tuple[Net, Moments]) -> None:
    net, seen = unlike
    own, shared = seen.own(ANGLES, ridge=1e-6), seen.shared(ANGLES, ridge=1e-6)
    assert (correlation(net, own) > 0.99).all()
    assert correlation(net, shared).max() < 0.9
    assert own.count == 5 * shared.count
    assert str(own) == "Patterns of 5 units over 8 members of 'bars' at 5 x 5 places: 1000 numbers in all."
    assert str(seen).endswith("(8 members of 'bars' at 5 x 5 places), at 17280 places of 30 images.")
    assert own.weights.along == 90  # a Gabor's angle stands across it
    assert (correlation(net, seen.mixed(ANGLES, 5, ridge=1e-6)) > 0.99).all()
    means = [correlation(net, seen.mixed(ANGLES, count, ridge=1e-6)).mean() for count in (1, 3, 5)]
    assert means[0] < means[1] < means[2]


def test_exchanged_angles_do_not_explain_units_that_share_a_pattern(alike: tuple[Net, Moments]) -> None:
    net, seen = alike
    assert correlation(net, seen.shared(ANGLES[[3, 0, 4, 1, 2]], ridge=1e-6)).max() < 0.9


def test_weights_are_those_that_the_units_have(alike: tuple[Net, Moments]) -> None:
    _, seen = alike
    found = seen.own(ANGLES, ridge=1e-9).weights
    # At quarter turns nothing is read in between, so a pattern is the only one that says what it says.
    np.testing.assert_allclose(found[:2], true(0.0).weights[:2], atol=2e-2)


def test_a_threshold_is_found_where_the_units_have_it() -> None:
    held = true(0.0, thresholds=True)
    net, seen = seen_of(held)
    plain = seen.shared(ANGLES, ridge=1e-6)
    found = plain.rectified(net[LAYER], noise(30, 1))
    assert (correlation(net, found) > correlation(net, plain) + 0.05).all()
    assert found.thresholds is not None
    assert found.count == plain.count + 5
    shares = (found.thresholds - found.mean) / found.spread
    assert np.isclose(shares[:, None], np.array(THRESHOLDS)).any(1).all()


def test_moments_are_those_of_what_is_weighed_at_the_units_places() -> None:
    net, images = true(0.0).as_net(), noise(11, 3)  # not a whole number of chunks
    found = moments(net[LAYER], FRONT, BARS, images, reach=STEPS)
    around = Surroundings(FRONT, BARS, STEPS)
    shown = jnp.asarray(pixels(11, 3))
    held = np.asarray(around.maps(shown, LAYER), float).reshape(-1, 200)
    said = np.asarray(net.maps(shown, LAYER), float).reshape(-1, 5)
    np.testing.assert_allclose(found.mean, held.mean(0), rtol=1e-3)
    np.testing.assert_allclose(found.covariance, np.cov(held.T, bias=True), atol=2e-5)
    np.testing.assert_allclose(found.with_units, (held - held.mean(0)).T @ said / len(said), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.spread, said.std(0), rtol=1e-3)
    assert len(around.unit_names(LAYER)) == 200
    assert around.unit_names(LAYER)[0] == "bars@0 (-2, +2)"


@given(turns=st.integers(-4, 4), angle=st.floats(0, 360))
def test_quarter_turns_of_a_frame_are_exact(turns: int, angle: float) -> None:
    exact, other = turned_frame(BARS, STEPS, 90.0 * turns), turned_frame(BARS, STEPS, angle)
    assert sorted(np.unique(exact)) == [0.0, 1.0]
    np.testing.assert_array_equal(exact.sum(1), 1)
    np.testing.assert_allclose(turned_frame(BARS, STEPS, 90.0 * turns + angle), exact @ other, atol=1e-6)


@given(angle=st.sampled_from([0.0, 37.0, 90.0, 161.0]), seed=st.integers(0, 99))
def test_a_pattern_at_an_angle_a_quarter_further_says_the_same_of_the_turned_image(angle: float, seed: int) -> None:
    held = true(0.3)
    images = np.random.default_rng(seed).uniform(-1, 1, (1, 24, 24, 1)).astype(np.float32)
    here, further = (dataclasses.replace(held, angles=np.full(5, angle + more)).as_net() for more in (0.0, 90.0))
    said = np.asarray(here.maps(jnp.asarray(images), LAYER))
    turned = np.asarray(further.maps(jnp.asarray(np.rot90(images, axes=(1, 2)).copy()), LAYER))
    np.testing.assert_allclose(turned, np.rot90(said, axes=(1, 2)), atol=2e-4)
    # The broken twin: turned the other way round, it says something else.
    wrong = np.asarray(further.maps(jnp.asarray(np.rot90(images, -1, axes=(1, 2)).copy()), LAYER))
    assert np.abs(wrong - np.rot90(said, -1, axes=(1, 2))).max() > 0.1


def test_a_pattern_is_seen_where_its_weights_lie() -> None:
    weights = xr.zeros_like(true(0.0).weights)
    weights[:, 0, 2, 4] = 1.0  # two steps to the right, in the unit's own frame
    held = dataclasses.replace(true(0.0), weights=weights, angles=np.array([0.0, 90.0, 180.0, 270.0, 0.0]))
    image = np.random.default_rng(0).uniform(-1, 1, (1, 24, 24, 1)).astype(np.float32)
    bars = np.asarray(FRONT.maps(jnp.asarray(image), "bars"))
    said = np.asarray(held.as_net().maps(jnp.asarray(image), LAYER))
    upright = BARS.unit_names.index("bars@90")
    np.testing.assert_allclose(said[0, :, :, 0], bars[0, 2:-2, 4:, 0], atol=1e-5)
    np.testing.assert_allclose(said[0, :, :, 1], bars[0, :-4, 2:-2, upright], atol=1e-5)  # upwards
    np.testing.assert_allclose(said[0, :, :, 2], bars[0, 2:-2, :-4, 0], atol=1e-5)


def test_what_cannot_be_fitted_is_said_before_anything_is_done(alike: tuple[Net, Moments]) -> None:
    net, seen = alike
    with pytest.raises(SpecError, match="4 angles came with 5 units"):
        seen.own(ANGLES[:4])
    with pytest.raises(SpecError, match="count=6: wanted between 1 and the number of units, 5"):
        seen.mixed(ANGLES, 6)
    with pytest.raises(SpecError, match="ridge=0"):
        dataclasses.replace(seen, covariance=0 * seen.covariance).own(ANGLES, ridge=0.0)
    with pytest.raises(SpecError, match="reach=nan"):
        moments(net[LAYER], FRONT, BARS, noise(2, 0), reach=float("nan"))
    with pytest.raises(SpecError, match="one an angle, and two at least"):
        moments(net[LAYER], FRONT, Family("one", Gabor(wavelength=4.0, sigma=1.3), angles=1), noise(2, 0), reach=2)
    silent = dataclasses.replace(true(0.0), thresholds=np.full(5, 1e6)).as_net()
    with pytest.raises(NetError, match="say NaN, or the same everywhere"):
        moments(silent[LAYER], FRONT, BARS, noise(2, 0), reach=2)
