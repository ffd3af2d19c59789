"""The tile that handbuilt curves were drawn from is found; a twin with one wrong unit is explained less."""

from pathlib import Path

import pandas as pd
import pytest
import xarray as xr

from circuitkit.errors import StimulusError
from experiments.relative_pose import pairs
from experiments.tile_fit import __main__ as experiment
from handbuilt import curves
from tests.viz.test_figures import blemishes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tile_fit")


@pytest.fixture(scope="module")
def table(folder: Path) -> pd.DataFrame:
    return experiment.main(["--smoke", "--out", str(folder)])


def test_handbuilt_curves_are_their_tile(table: pd.DataFrame, folder: Path) -> None:
    own, twin = table.loc["handbuilt curves"], table.loc["handbuilt curves, one unit turned round"]
    assert own.share > 0.999
    assert own.left_out > 0.999
    assert own.share > own.pose_share  # which stops at a few harmonics
    assert own.numbers < own.pose_numbers / 10
    assert own.chance_highest < 0.3
    assert twin.share < 0.7
    assert twin.left_out < twin.share
    found = pd.read_csv(folder / "numbers.csv").set_index(["pair", "number"]).value["handbuilt curves"]
    tile = curves.circuit(8.0)["curves"].tiles[0]
    assert found["along.radius"] == pytest.approx(tile.along.radius, rel=0.02)  # type: ignore[attr-defined]
    assert found["tolerance"] == pytest.approx(tile.tolerance, rel=0.02)
    assert found["minus.1.strength"] == pytest.approx(tile.minus[1].strength, rel=0.02)
    assert not blemishes(experiment.shares(table))


def test_a_run_goes_on_with_what_is_not_done(
    table: pd.DataFrame, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "fit_tile", None)  # whoever fits again fails
    pd.testing.assert_frame_equal(experiment.main(["--smoke", "--out", str(folder)]), table)


def test_a_fit_that_was_written_is_read_as_it_was(tmp_path: Path) -> None:
    name, pair = next(iter(pairs.ours(None, 8.0).items()))
    pair = experiment._coarse(pair)
    fit = experiment.fitted(name, pair, experiment.SMOKE)
    experiment.write(fit, tmp_path / "fit.nc")
    again = experiment.read(tmp_path / "fit.nc", pair, experiment.rule_of(name))
    pd.testing.assert_frame_equal(again.numbers, fit.numbers)
    xr.testing.assert_allclose(again.part, fit.part)
    xr.testing.assert_allclose(again.rest, fit.rest)
    assert (again.share, again.predicted, again.gain, again.p) == (fit.share, fit.predicted, fit.gain, fit.p)
    assert again.tile.along.radius == pytest.approx(fit.tile.along.radius, rel=1e-5)  # type: ignore[attr-defined]
    assert again.tile.tolerance == pytest.approx(fit.tile.tolerance, rel=1e-5)
    assert len(again.tile.minus) == len(fit.tile.minus)


def test_pairs_are_fitted_by_what_they_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert experiment.source_of("SqueezeNet, fire4 lines to fire5 curves") == "lines"
    assert experiment.source_of("InceptionV1, 3a curves to 3b curves") == "curves"
    monkeypatch.delenv("CIRCUITKIT_DATA", raising=False)
    with pytest.raises(StimulusError, match="no folder of data"):
        experiment.main(["--out", str(tmp_path)])
