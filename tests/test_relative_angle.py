"""Weights by relative angle: a law of the angle shows, exchanged angles do not, and scales do not count."""

import numpy as np
import pytest

from circuitkit.relative_angle import Block, profile

ANGLES = np.arange(0, 360, 30.0)


def block(scale: float, angles: np.ndarray = ANGLES) -> Block:
    return Block(scale * np.cos(np.radians(angles[:, None] - angles[None])), angles, angles)


def test_a_law_of_the_angle_shows_whatever_the_scales() -> None:
    found = profile([block(1.0), block(100.0)], draws=50)
    np.testing.assert_allclose(found.profile, np.sqrt(2) * np.cos(np.radians(ANGLES)), atol=1e-6)
    assert found.pairs.values.tolist() == [24] * 12
    assert abs(found.null.mean()) < 0.05 < found.null.std()
    assert (found.profile[0] > found.null[:, 0]).all()


def test_exchanged_angles_are_within_the_null() -> None:
    mixed = block(1.0)._replace(sources=np.random.default_rng(7).permutation(ANGLES))
    found = profile([mixed], draws=199)
    low, high = np.quantile(found.null, [0.001, 0.999], axis=0)
    assert ((found.profile >= low) & (found.profile <= high)).all()


def test_weights_that_are_not_known_are_left_out() -> None:
    known = block(1.0)
    holes = known.weights.copy()
    holes[0, 0] = np.nan
    found = profile([known._replace(weights=holes)], draws=5)
    assert found.pairs.values.tolist() == [11] + [12] * 11
    few = profile([Block(np.ones((1, 1)), np.zeros(1), np.zeros(1))], bins=4, draws=2)
    assert few.profile.values[0] == pytest.approx(1)
    assert np.isnan(few.profile.values[1:]).all()
