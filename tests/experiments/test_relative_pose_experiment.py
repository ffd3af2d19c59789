"""Handbuilt curves obey the law and their twin does not; unknown tiles are left out; read-outs read what they say."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from circuitkit.evidence import published
from experiments.relative_pose import __main__ as experiment
from experiments.relative_pose import figures, pairs, readouts
from tests.viz.test_figures import blemishes

UNITS, SOURCES = np.array([3.0, 48.0, 100.0, 190.0, 238.0, 330.0]), np.array([11.0, 60.0, 150.0, 222.0, 301.0])


def lawful() -> pairs.Pair:
    """Weights of a 3 x 3 kernel that depend on relative pose alone."""
    step = np.arange(-1.0, 2.0)
    y, x = np.meshgrid(-step, step, indexing="ij")
    direction = np.arctan2(y, x) - np.deg2rad(UNITS)[:, None, None, None]
    turn = np.deg2rad(SOURCES - UNITS[:, None])[:, :, None, None]
    values = np.cos(turn) + (np.hypot(y, x) > 0) * np.cos(2 * direction - turn)
    coords = {"unit": np.arange(6), "source": np.arange(5), "y": -step, "x": step}
    return pairs.Pair(xr.DataArray(values, dims=("unit", "source", "y", "x"), coords=coords), UNITS, SOURCES)


@pytest.fixture(scope="module")
def result() -> experiment.Result:
    return experiment.smoke(experiment.SMOKE)


@pytest.mark.long
def test_handbuilt_curves_obey_and_their_twin_does_not(result: experiment.Result) -> None:
    whole, twin = result.rows
    assert whole["share"] > 0.7  # type: ignore[operator]
    assert whole["left out"] > 0.7  # type: ignore[operator]
    assert whole["left out, exchanged, highest"] < 0.5  # type: ignore[operator]
    assert twin["share"] < 0.7 * whole["share"]  # type: ignore[operator]
    assert twin["left out"] < 0.6 * whole["left out"]  # type: ignore[operator]


@pytest.mark.long
def test_units_keep_their_angle_on_the_part_that_obeys_and_lose_it_with_other_angles(result: experiment.Result) -> None:
    rows = {row["left"]: row for row in result.left}
    everything = rows["all units of the layer"]
    # All that these units read is one layer, so a read-out of all of it is the unit, but for its threshold.
    assert everything["correlation, drawn curves"] > 0.99  # type: ignore[operator]
    assert everything["peak off by"] < 0.01  # type: ignore[operator]
    obeys, exchanged = rows["curves: the part that obeys"], rows["curves: angles exchanged"]
    assert obeys["peak off by"] < 0.01 < 1 < exchanged["peak off by"]  # type: ignore[operator]
    assert obeys["correlation, drawn curves"] > 0.9 > exchanged["correlation, drawn curves"]  # type: ignore[operator]


@pytest.mark.long
def test_the_figures_are_legible(result: experiment.Result) -> None:
    assert blemishes(figures.shares(result.rows)) == []
    assert blemishes(figures.left("handbuilt curves", result.left, result.readouts["handbuilt curves"])) == []


def test_a_tile_that_is_not_known_is_left_out_and_one_that_is_wrong_is_not() -> None:
    pair = lawful()
    hidden, wrong = pair.weights.copy(), pair.weights.copy()
    hidden[2, 3], wrong[2, 3] = np.nan, -pair.weights[2, 3]
    found = dataclasses.replace(pair, weights=hidden).fit()
    assert found.share == pytest.approx(1, abs=1e-6)
    assert found.predicted == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(found.part, pair.weights, atol=1e-6)
    assert found.p == pytest.approx(0.005)
    assert dataclasses.replace(pair, weights=wrong).fit().share < 0.95


def test_what_others_foretell_is_what_is_predicted_and_other_angles_foretell_less() -> None:
    pair = lawful()
    noise = np.random.default_rng(0).normal(size=pair.weights.shape)
    pair = dataclasses.replace(pair, weights=pair.weights + noise)
    found = pair.fit(exchanges=0)
    assert found.null.size == 0
    left = ((pair.weights - found.from_others) ** 2).sum() / (pair.weights**2).sum()
    assert 1 - float(left) == pytest.approx(found.predicted)
    alone = pair.some([1, 2, 3, 4, 5], list(range(5))).fit(exchanges=0)  # without the first unit
    assert float(np.abs(alone.part - found.part[1:]).max()) > 0.01
    assert pair.fit(source_angles=SOURCES[::-1], exchanges=0).predicted < found.predicted


def test_the_top_row_of_a_tile_reads_the_top_row_of_a_map() -> None:
    weights, maps = np.zeros((1, 2, 3, 3)), np.zeros((1, 3, 3, 2))
    weights[0, 1, 0, 2], maps[0, 0, 2, 1] = 2.0, 5.0
    np.testing.assert_allclose(readouts.read(maps, weights), [[[[10.0]]]])
    assert readouts.read(maps[:, ::-1], weights).max() == 0


def test_a_read_out_responds_as_often_as_the_unit() -> None:
    rng = np.random.default_rng(0)
    values, unit = rng.normal(size=(400, 1, 1, 3)), np.maximum(rng.normal(size=(400, 1, 1, 3)) - [0.0, 1.0, 2.0], 0)
    found = readouts.as_often(7 * values - 3, unit)
    np.testing.assert_allclose((found > 0).mean((0, 1, 2)), (unit > 0).mean((0, 1, 2)), atol=1 / 400)
    assert found.min() == 0


def test_the_published_weights_obey_the_law_and_lines_in_mirrored_order_do_not() -> None:
    data = os.environ.get(published.VARIABLE)
    if not data or not (Path(data) / "distill").is_dir():
        pytest.skip("set CIRCUITKIT_DATA to a folder that holds distill/ to run the tests on published data")
    trusted = pairs.published_curves(data)["InceptionV1, 3a curves to 3b curves"]
    assert np.isfinite(trusted.weights.values).all((2, 3)).sum() == 58
    found = trusted.fit()
    assert found.predicted > 0.3
    assert found.p < 0.01
    lines, mirrored = pairs.published_lines(data).values()
    assert lines.fit(exchanges=0).predicted > 0.3
    assert mirrored.fit(exchanges=0).predicted < 0
