"""Handbuilt units are put where they belong, what comes back is counted as it should be, and a run goes on."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import circuitkit as ck
from circuitkit.errors import NetError, StimulusError
from experiments.response_fit.__main__ import SMALL
from experiments.transplant import __main__ as experiment
from experiments.transplant import figures
from experiments.transplant.operations import (
    BY_HAND,
    KINDS,
    LEARNED,
    NATURAL_PERMUTED,
    OTHER,
    PERMUTED,
    SILENT,
    deranged,
    permuted,
    turned,
)
from experiments.transplant.units import FITTED, Bench, Trained, find_units
from tests.viz.test_figures import blemishes

TRAINED = Trained("conv4", (3, 5), np.array([10.0, 200.0]), np.array([4.0, 8.0]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("transplant")


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, pd.DataFrame]:
    (folder / "numbers_conv4.json").write_text(json.dumps({"layer": "conv4", "numbers": dict(SMALL)}))
    return experiment.main(["--smoke", "--out", str(folder), "--fitted", str(folder), "--ceilings"])


def test_a_smoke_run_counts_everything(found: dict[str, pd.DataFrame], folder: Path) -> None:
    table = found["log_likelihood"]
    assert {"intact", SILENT, OTHER, BY_HAND, PERMUTED, NATURAL_PERMUTED, "turned by 90°"} <= set(table.index)
    assert table.recovery[SILENT] == 0
    assert table.recovery["intact"] == 1
    assert len(found["units"]) == 6
    assert found["units"].correlation.between(-1, 1).all()
    for kind in KINDS:
        assert found["units"][f"correlation_{kind.replace(' ', '_')}"].between(-1, 1).all()
        assert {kind, permuted(kind)} <= set(table.index)
        assert kind in found["specificity"].index
        assert (turned(kind) in table.index) == (kind != LEARNED)
        assert (f"{kind}, right angle less 90°" in found["dose"].index) == (kind != LEARNED)
    better = found["units"].correlation_own_patterns > found["units"].correlation_one_pattern
    assert better.mean() > 0.5  # on the very images that they were fitted to, among others
    for name in ("recoveries", "doses"):
        assert (folder / f"{name}.png").stat().st_size > 10_000
    assert (folder / "units.csv").exists()


def test_a_run_goes_on_where_it_was(
    found: dict[str, pd.DataFrame], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "outcomes", None)  # whoever computes anything again fails
    again = experiment.main(["--smoke", "--out", str(folder), "--fitted", str(folder), "--ceilings"])
    pd.testing.assert_frame_equal(again["log_likelihood"], found["log_likelihood"])


def outcome(by_hand: float) -> xr.Dataset:
    """Returns made-up outcomes: silence costs 1 nat, permuted maps bring back .7, of the natural ones .6."""
    rng = np.random.default_rng(0)
    levels = {
        "intact": 1.0, SILENT: 0.0, OTHER: -1.0, BY_HAND: by_hand, "turned by 90°": 0.3,
        f"{PERMUTED} 0": 0.6, f"{PERMUTED} 1": 0.8, f"{NATURAL_PERMUTED} 0": 0.6,
        f"{experiment.RANDOM} 0, silent": 0.5, f"{experiment.RANDOM} 0, by hand": 0.6,
    }  # fmt: skip
    noise = rng.normal(size=200) * 3
    values = np.stack([level + noise for level in levels.values()])
    return xr.Dataset(
        dict.fromkeys(experiment.MEASURES, (("operation", "image"), values)), coords={"operation": list(levels)}
    )


@pytest.mark.parametrize("by_hand", [0.9, 0.4])
def test_tables_say_what_the_outcomes_say(by_hand: float) -> None:
    own = xr.Dataset({"correlation": ("unit", [0.5, 0.6])}, coords={"unit": ["a", "b"]})
    found = experiment.tables(outcome(by_hand), [TRAINED], own, experiment.SMOKE)
    table = found["log_likelihood"]
    assert table.recovery[BY_HAND] == pytest.approx(by_hand)
    assert table.recovery[PERMUTED] == pytest.approx(0.7)
    assert table.recovery[f"{experiment.RANDOM} 0, by hand"] == pytest.approx(0.2)
    # What all images share is in no interval.
    assert table.high[BY_HAND] - table.low[BY_HAND] < 1e-6
    assert found["specificity"].recovery.to_dict() == pytest.approx({BY_HAND: by_hand - 0.7, "ceiling": 0.4})
    assert found["dose"].recovery.iloc[0] == pytest.approx(by_hand - 0.3)
    assert found["against_another_image"].recovery[BY_HAND] == pytest.approx((by_hand + 1) / 2)


def test_every_unit_gets_the_member_at_its_angle_and_radius() -> None:
    bench = Bench.of([TRAINED], wavelength=4, shrink=1)
    members = [unit for probe in bench.probes.values() for unit in probe.unit_names]
    names = [name for name, probe in bench.probes.items() for _ in probe.unit_names]
    placed = bench.places(TRAINED, "early_curves")
    assert [members[place] for place in placed] == ["early_curves@15", "early_curves@195"]
    assert len({names[place] for place in placed}) == 2  # of different radii
    turned = bench.places(TRAINED, "early_curves", turned=90)
    assert [members[place] for place in turned] == ["early_curves@105", "early_curves@285"]
    lines = bench.places(TRAINED, "lines")
    assert [members[place] for place in lines] == ["lines@97.5", "lines@112.5"]
    larger = bench.places(TRAINED, "early_curves", larger=2.0)
    assert [float(names[place].split()[1]) for place in larger] > [float(names[place].split()[1]) for place in placed]
    with pytest.raises(NetError, match="no family 'circles'"):
        bench.places(TRAINED, "circles")


def test_fitted_circuits_stand_beside_the_others_one_a_layer() -> None:
    with_fitted = Bench({}).with_fitted({"conv4": SMALL, "conv5": SMALL}, shrink=1)
    members = [unit for probe in with_fitted.probes.values() for unit in probe.unit_names]
    placed = with_fitted.places(TRAINED, FITTED)
    assert [members[place] for place in placed] == ["early_curves@7.5", "early_curves@202.5"]
    assert all(place < len(members) // 2 for place in placed)  # the layer's own
    assert all(
        place >= len(members) // 2 for place in with_fitted.places(dataclasses.replace(TRAINED, layer="conv5"), FITTED)
    )
    with pytest.raises(NetError, match="not those of a fitted circuit"):
        Bench({}).with_fitted({"conv4": {"radius": 4.0}}, shrink=1)


def test_what_stands_for_a_layers_own_units_is_placed_in_their_order() -> None:
    net = ck.nets.small()
    made = {turn: net["conv4", [int(turn) + 1, int(turn) + 2]] for turn in (0.0, 90.0)}
    bench = Bench({"other 3": net["conv3"]}).with_units(LEARNED, "conv4", {0.0: made[0.0]})
    before = len(net.unit_names("conv3"))
    np.testing.assert_array_equal(bench.places(TRAINED, LEARNED), [before, before + 1])
    assert bench.has(LEARNED)
    assert not bench.has(FITTED)
    more = bench.with_units(LEARNED, "conv4", made)
    np.testing.assert_array_equal(more.places(TRAINED, LEARNED, turned=90.0), [before + 2, before + 3])
    with pytest.raises(NetError, match="no family"):
        bench.places(TRAINED, LEARNED, turned=90.0)


def test_no_unit_keeps_its_place_when_maps_are_permuted() -> None:
    rng = np.random.default_rng(0)
    for count in (2, 3, 7):
        order = deranged(count, rng)
        assert sorted(order.tolist()) == list(range(count))
        assert not (order == np.arange(count)).any()


def test_figures_are_clean(found: dict[str, pd.DataFrame]) -> None:
    shown = {name: found[name] for name in experiment.MEASURES if name in found}
    assert not blemishes(figures.recoveries(shown, "a note"))
    assert not blemishes(figures.doses(found["log_likelihood"], found["specificity"], "a note"))


def test_what_cannot_be_done_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CIRCUITKIT_DATA", raising=False)
    with pytest.raises(StimulusError, match="no folder of data"):
        experiment.main(["--out", str(tmp_path)])
    with pytest.raises(StimulusError, match="give one of them"):
        experiment.main(["--smoke", "--plain", "--normalised", "contours", "6", "0.1", "--out", str(tmp_path)])
    with pytest.raises(NetError, match="has 0 curve detectors in conv1.*--best"):
        find_units(ck.nets.small(), ["conv1"])
    with pytest.raises(StimulusError, match="has no numbers_LAYER.json"):
        experiment.read_fitted(tmp_path)
    with pytest.raises(StimulusError, match="there are 5 images: wanted more than 9"):
        experiment.split(5, experiment.SMOKE)
