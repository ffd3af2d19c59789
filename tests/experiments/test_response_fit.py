"""Numbers are fitted to units of a net, kept, and gone on from; the fitted photographs and the others are apart."""

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import circuitkit as ck
from circuitkit.errors import StimulusError
from experiments.response_fit import __main__ as experiment
from experiments.response_fit import figures
from experiments.response_fit.circuits import DIVIDED, EARLY, early, energy
from experiments.response_fit.data import examples
from experiments.transplant.__main__ import Config as Split
from experiments.transplant.__main__ import drawn, split
from experiments.transplant.units import Trained
from tests.viz.test_figures import blemishes

SOME = (experiment.BY_HAND, experiment.PLAIN, experiment.FITTED, experiment.FILTER)
ARGUMENTS = ["--smoke", *(part for model in SOME for part in ("--model", model))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("response_fit")


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, pd.DataFrame]:
    return experiment.main(ARGUMENTS + ["--out", str(folder)])


def test_a_smoke_run_fits_and_scores_every_model(found: dict[str, pd.DataFrame], folder: Path) -> None:
    assert set(found["units"].model) == set(SOME)
    assert found["units"].correlation.between(-1, 1).all()
    assert (found["units"].groupby("model").size() == 4).all()
    numbers = found["numbers"][found["numbers"].model == experiment.FITTED]
    assert set(numbers.number) == set(DIVIDED)
    assert (numbers.low <= numbers.high).all()
    held = json.loads((folder / "numbers_conv4.json").read_text())
    assert held["layer"] == "conv4"
    assert held["numbers"] == pytest.approx(numbers.set_index("number").value.to_dict())
    assert len(early(**held["numbers"], angles=48)["early_curves"]) == 48
    assert set(found["summary"].layer) == {"conv4", "all"}
    assert (folder / "models.png").stat().st_size > 10_000
    assert not blemishes(figures.models(found["units"], experiment.MODELS, "a note"))


@pytest.mark.long
def test_all_models_are_scored(tmp_path: Path) -> None:
    assert set(experiment.main(["--smoke", "--out", str(tmp_path)])["units"].model) == set(experiment.MODELS)


def test_a_run_goes_on_with_what_is_not_done(
    found: dict[str, pd.DataFrame], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "fit", None)  # whoever fits again fails
    again = experiment.main(ARGUMENTS + ["--out", str(folder)])
    pd.testing.assert_frame_equal(again["summary"], found["summary"])


def test_fitted_photographs_are_those_that_were_looked_at_and_no_others() -> None:
    fitted, others = experiment.halves(1000)
    calibration, evaluation = split(1000, Split())
    assert not set(fitted) & set(others)
    assert set(calibration) <= set(fitted)
    assert set(range(0, 1000, 5)) <= set(fitted)
    assert set(others) == set(evaluation[evaluation % 5 != 0])  # never looked at, as the transplant counts them


def test_crops_are_what_units_see() -> None:
    net = ck.nets.small()
    images, _ = drawn(net, 12)
    trained = Trained("conv4", (3, 5), np.array([10.0, 200.0]), np.array([4.0, 8.0]))
    seen = examples(net, trained, images, np.arange(12), each=3, side=15, shrink=1, seed=0)
    assert seen.images.shape == (36, 15, 15, 3)
    assert (np.bincount(seen.origin) == 3).all()
    # A unit whose field is not larger than the crop says the same of the crop alone.
    small = Trained("conv1", (0, 7), trained.angles, trained.radii)
    own = examples(net, small, images, np.arange(12), each=5, side=33, shrink=1, seed=0)
    field = net.receptive_field("conv1")
    assert field is not None
    middle = [net.maps(jnp.asarray(crop[None]), "conv1")[0] for crop in own.images]
    at = round((16 - field.first[0]) / field.stride[0])
    again = np.stack([np.asarray(maps[at, at, [0, 7]]) for maps in middle])
    # But for units at the border, which read padding where the crop goes on mirrored.
    beside = np.stack([np.asarray(maps[at, at + 1, [0, 7]]) for maps in middle])
    right, wrong = (np.isclose(each, own.responses, atol=1e-4).all(1).mean() for each in (again, beside))
    assert right > max(0.6, wrong + 0.1)  # much of these pictures is flat
    with pytest.raises(StimulusError, match="places"):
        examples(net, trained, images, np.arange(12), each=3000, side=15, shrink=1, seed=0)


def test_circuits_are_as_by_hand_but_for_what_they_leave_out() -> None:
    circuit = early(**EARLY, angles=24)
    assert [family.name for family in circuit.families][-2:] == ["lines", "early_curves"]
    assert circuit["contours"].normalised is None
    assert early(**DIVIDED)["contours"].normalised is not None
    assert len(energy(wavelength=5, sigma=2, reach=3)["energy"]) == 1


def test_without_data_it_says_what_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CIRCUITKIT_DATA", raising=False)
    with pytest.raises(StimulusError, match="no folder of data"):
        experiment.main([])
