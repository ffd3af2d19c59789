"""Tiles stand where their angles say, sums at their relative angle, and chance is told from a law."""

import numpy as np
import pytest
import xarray as xr

from circuitkit.relative_pose import relative_pose
from circuitkit.viz import style
from circuitkit.viz.relative_pose import Fit, tile_matrix, turned, weight_by_turn
from tests.viz.test_figures import blemishes, off_centre


def fit(units: int, sources: int, *, side: int = 3, source_period: float = 360.0, law: float = 1.0) -> Fit:
    """Returns weights of families at uneven angles: so much of a law of relative pose, and noise."""
    rng = np.random.default_rng(0)
    at, of = np.sort(rng.uniform(0, 360, units)), np.sort(rng.uniform(0, source_period, sources))
    turn = np.deg2rad(np.subtract.outer(of, at).T) * 360 / source_period
    noise = rng.normal(size=(units, sources, side, side))
    step = (np.arange(side) - side // 2) * 8.0
    coords = {"unit": np.arange(units), "source": np.arange(sources), "y": -step, "x": step}
    values = law * np.cos(turn)[..., None, None] + noise
    weights = xr.DataArray(values, dims=("unit", "source", "y", "x"), coords=coords)
    found = relative_pose(weights, at, of, source_period=source_period)
    return Fit(weights, found, at, of, 360.0, source_period)


@pytest.mark.parametrize(("units", "sources", "period"), [(3, 2, 360.0), (8, 8, 360.0), (16, 24, 180.0)])
def test_matrices_are_legible_and_white_is_0(units: int, sources: int, period: float) -> None:
    figure = tile_matrix(fit(units, sources, source_period=period), "a net with a name that goes on, curves to curves")
    assert blemishes(figure) == []
    assert off_centre(figure) == []
    assert len([axes for axes in figure.axes if axes.images]) == 3
    assert figure.get_figwidth() == style.WIDTH


def test_rows_are_units_and_columns_sources_by_angle() -> None:
    before = fit(3, 4)
    swapped = before._replace(unit_angles=before.unit_angles[::-1].copy())
    drawn = [tile_matrix(each, "mine").axes[0].images[0].get_array() for each in (before, swapped)]
    np.testing.assert_array_equal(drawn[0][3:6, 9:12], before.weights.values[1, 3])
    np.testing.assert_array_equal(drawn[1][0:3, 9:12], before.weights.values[2, 3])


def test_all_weights_are_the_part_and_the_rest() -> None:
    whole, part, rest = (axes.images[0].get_array() for axes in tile_matrix(fit(3, 4), "mine").axes[:3])
    np.testing.assert_allclose(whole, part + rest, atol=1e-12)


def test_plots_by_relative_angle_are_legible() -> None:
    fits = {
        f"net {n}, family to family": fit(5, 6, source_period=p) for n, p in enumerate((360.0, 180.0, 360.0, 360.0))
    }
    assert blemishes(weight_by_turn(fits)) == []
    assert blemishes(weight_by_turn({"one": fits["net 0, family to family"]})) == []


def test_a_sum_stands_at_its_relative_angle() -> None:
    one = fit(2, 3)
    weights = one.weights * 0
    weights[1, 2] = 1.0
    found = turned(one._replace(weights=weights))
    away = (one.source_angles[2] - one.unit_angles[1] + 180) % 360 - 180
    assert found.turn[np.argmax(found.weight)] == pytest.approx(away)
    assert found.weight.sum() == pytest.approx(9)


def test_tiles_that_are_not_known_are_left_out() -> None:
    one = fit(4, 5)
    weights = one.weights.copy()
    weights[0, 0] = np.nan
    hidden = one._replace(weights=weights)
    assert len(turned(hidden).turn) == 19
    assert blemishes(tile_matrix(hidden, "mine")) == []
    assert blemishes(weight_by_turn({"mine": hidden})) == []


@pytest.mark.parametrize(("law", "outside"), [(3.0, True), (0.0, False)])
def test_the_line_leaves_the_band_for_a_law_alone(law: float, outside: bool) -> None:
    axes = weight_by_turn({"mine": fit(10, 12, law=law)}).axes[0]
    line = next(each for each in axes.lines if each.get_label() == "the fitted part")
    band = axes.collections[0].get_paths()[0].vertices
    top, bottom = band[:, 1].max(), band[:, 1].min()
    height = np.asarray(line.get_ydata())
    assert bottom < 0 < top
    assert (height.max() > 1.5 * top and height.min() < 1.5 * bottom) == outside
