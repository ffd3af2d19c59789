"""Weights that depend on relative pose alone are told from weights that do not, at any angles."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from circuitkit.errors import SpecError
from circuitkit.relative_pose import relative_pose

UNITS = np.array([3.0, 48.0, 100.0, 121.0, 190.0, 238.0, 275.0, 330.0])
SOURCES = np.array([11.0, 60.0, 93.0, 150.0, 171.0, 222.0, 301.0])


def tiles(weight: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]) -> xr.DataArray:
    """Returns weights as a function of distance, direction and turn, the last two as each unit sees them."""
    step = np.arange(-2.0, 3.0)
    y, x = np.meshgrid(-step, step, indexing="ij")
    direction = np.degrees(np.arctan2(y, x)) - UNITS[:, None, None, None]
    turn = np.broadcast_to((SOURCES - UNITS[:, None])[:, :, None, None], (8, 7, 5, 5))
    values = weight(np.broadcast_to(np.hypot(y, x), turn.shape), np.broadcast_to(direction, turn.shape), turn)
    coords = {"unit": np.arange(8), "source": np.arange(7), "y": -step, "x": step}
    return xr.DataArray(values, dims=("unit", "source", "y", "x"), coords=coords)


def curves(distance: np.ndarray, direction: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Sources that are turned as the unit is and lie to its sides excite; those turned round inhibit."""
    beside = distance > 0  # the middle lies in no direction
    sides = 0.5 * np.cos(np.deg2rad(2 * direction)) - 0.3 * np.cos(np.deg2rad(turn - direction))
    return np.exp(-distance / 2) * (np.cos(np.deg2rad(turn)) - sides * beside)


def test_weights_that_know_nothing_but_the_relative_pose_are_explained_whole() -> None:
    found = relative_pose(tiles(curves), UNITS, SOURCES)
    assert found.share == pytest.approx(1, abs=1e-6)
    assert found.predicted == pytest.approx(1, abs=1e-6)
    assert found.p == pytest.approx(0.005)
    assert float(found.null.max()) < 0.8
    np.testing.assert_allclose(found.part, tiles(curves), atol=1e-6)


def test_random_weights_are_explained_by_chance_and_predict_nothing() -> None:
    weights = tiles(lambda distance, *_: np.random.default_rng(0).standard_normal(distance.shape))
    found = relative_pose(weights, UNITS, SOURCES)
    assert found.share < 0.3
    assert found.predicted < 0.05
    assert found.p > 0.05
    assert found.rest == 1 - found.share


def test_one_unit_that_goes_its_own_way_is_noticed() -> None:
    weights = tiles(curves)
    weights[3] = np.roll(weights.values[3], 2, axis=0)
    found = relative_pose(weights, UNITS, SOURCES)
    assert 0.5 < found.predicted < found.share < 0.999


def test_wrong_angles_explain_less() -> None:
    assert relative_pose(tiles(curves), UNITS, SOURCES[::-1].copy()).predicted < 0.7
    assert relative_pose(tiles(curves), -UNITS, -SOURCES).predicted < 0.9


def test_what_comes_back_after_half_a_turn_has_no_odd_harmonics() -> None:
    def lines(distance: np.ndarray, direction: np.ndarray, turn: np.ndarray) -> np.ndarray:
        sides = np.cos(np.deg2rad(2 * direction)) * (distance > 0)
        return np.exp(-distance) * (np.cos(np.deg2rad(2 * turn)) + 0.5 * sides)

    even = relative_pose(tiles(lines), UNITS, SOURCES, unit_period=180, source_period=180)
    assert even.share == pytest.approx(1, abs=1e-6)
    both = relative_pose(tiles(curves), UNITS, SOURCES, unit_period=180, source_period=180)
    assert both.share < 0.7


def test_what_has_no_angle_sees_its_sources_all_around_alike() -> None:
    step = np.arange(-2.0, 3.0)
    y, x = np.meshgrid(-step, step, indexing="ij")
    towards = np.cos(np.arctan2(y, x) - np.deg2rad(SOURCES)[:, None, None]) * np.hypot(y, x)
    circle = tiles(curves)[:1].copy(data=towards[None])
    found = relative_pose(circle, UNITS[:1], SOURCES, unit_period=None)
    assert found.share == pytest.approx(1, abs=1e-6)
    assert found.p == pytest.approx(0.005)
    # Curves as seen by one of them are not all around alike.
    assert relative_pose(tiles(curves)[:1], UNITS[:1], SOURCES, unit_period=None).share < 0.8
    alike = relative_pose(tiles(lambda distance, *_: np.exp(-distance)), UNITS, SOURCES, source_period=None)
    assert alike.share == pytest.approx(1, abs=1e-6)


def test_a_single_unit_predicts_nothing() -> None:
    assert relative_pose(tiles(curves)[:1], UNITS[:1], SOURCES).predicted == pytest.approx(0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: {"weights": w.transpose("source", "unit", "y", "x")}, "wanted \\(unit, source, y, x\\)"),
        (lambda w: {"unit_angles": UNITS[:3]}, "came with the angles of 3 units and 7 sources"),
        (lambda w: {"weights": w * np.nan}, "NaN or infinity"),
        (lambda w: {"weights": w * 0}, "all 0"),
        (lambda w: {"unit_period": 100.0}, "unit_period=100"),
        (lambda w: {"harmonics": (-1, 2)}, "harmonics of the direction"),
    ],
)
def test_what_does_not_fit_is_refused(change: Callable[[xr.DataArray], dict], said: str) -> None:
    weights = tiles(curves)
    with pytest.raises(SpecError, match=said):
        relative_pose(**{"weights": weights, "unit_angles": UNITS, "source_angles": SOURCES} | change(weights))


def test_tiles_that_are_not_known_have_to_be_named() -> None:
    step = np.arange(-1.0, 2.0)
    values = np.random.default_rng(0).normal(size=(2, 3, 3, 3))
    values[0, 1] = np.nan
    weights = xr.DataArray(values, dims=("unit", "source", "y", "x"), coords={"y": -step, "x": step})
    angles, known = (np.array([0.0, 90.0]), np.array([0.0, 120.0, 240.0])), np.ones((2, 3), bool)
    with pytest.raises(SpecError, match="hold NaN or infinity.*named by known="):
        relative_pose(weights, *angles)
    with pytest.raises(SpecError, match=r"by it 0 tiles are known: wanted \(2, 3\), and at least one"):
        relative_pose(weights, *angles, known=~known)
    known[0, 1] = False
    found = relative_pose(weights, *angles, known=known, exchanges=3)
    assert np.isfinite(found.part).all()
    assert found.null.size == 3
    with pytest.raises(SpecError, match="exchanges=-1"):
        relative_pose(weights, *angles, known=known, exchanges=-1)
