"""Every experiment runs, coarsely."""

import dataclasses
import functools
import math

import pytest

import circuitkit as ck
from circuitkit import hypothesis
from circuitkit.evidence import synthetic
from experiments.cosmetics import __main__ as cosmetics
from experiments.curve_detectors import __main__ as curve_detectors
from experiments.curve_numbers.__main__ import SMOKE, VARIANTS, run
from experiments.families import __main__ as families
from experiments.seven_arguments import __main__ as seven_arguments
from handbuilt import curves, decoys


@pytest.mark.long
def test_the_numbers_of_the_curve_circuit() -> None:
    (row,) = run(SMOKE)
    assert row["variant"] == "as written"
    assert all(math.isfinite(value) for value in row.values() if isinstance(value, float))
    assert row["echo"] <= 0.01  # type: ignore[operator]


def test_every_variant_differs_from_the_circuit_as_written() -> None:
    for name, edit in VARIANTS.items():
        assert (edit(curves.SPEC).families == curves.SPEC.families) == (name == "as written"), name


@pytest.mark.long
def test_cosmetics_change_little_and_corners_more() -> None:
    rows, kept = cosmetics.run(cosmetics.SMOKE, cosmetics.probes(cosmetics.SMOKE, None, None))
    found = {row["stimulus"]: row for row in rows}
    assert found["outline"]["lowest"] == found["outline"]["highest"] == 1
    assert found["inside filled"]["correlation of tuning, median"] > 0.95  # type: ignore[operator]
    assert found["corner"]["highest"] < found["corner, rounded by 20 px"]["lowest"]  # type: ignore[operator]
    assert found["straight edge"]["highest"] <= 0.01  # type: ignore[operator]
    assert cosmetics.figure(kept).axes
    assert isinstance(cosmetics.painted(cosmetics.SMOKE)["corner"], ck.stimuli.LabelledSet)


def test_what_is_there_is_counted_and_nets_that_learned_nothing_have_none() -> None:
    table = curve_detectors.run(curve_detectors.SMOKE, curve_detectors.small(), ["lines"], hypothesis.line())
    assert list(table.found) == [4, 0, 0]
    assert table.replicated[0] == 1


def test_a_decoy_is_refused_by_the_argument_that_sees_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # One net of each kind, few looks, and of the rivals the one that the decoy is.
    monkeypatch.setattr("circuitkit.verify.FEWEST_UNITS", 4)
    monkeypatch.setattr("circuitkit.evidence.posing.POSING_LOOKS", 4)
    monkeypatch.setattr(synthetic, "measure", functools.partial(synthetic.measure, looks=6))
    # No other decoy is built.
    monkeypatch.setattr(decoys, "MAKERS", {"line": decoys.MAKERS["line"]})
    config = seven_arguments.SMOKE
    curve = hypothesis.curve(sizes=(6.0, 12.0))
    said = dataclasses.replace(curve, rivals={"line": curve.rivals["line"]}, part=None)
    claim = dataclasses.replace(seven_arguments.handbuilt(config, None)["decoy: line"], said=said)
    table, reports = seven_arguments.run(config, {"decoy: line": claim})
    assert list(table.verdict) == ["fails"]
    assert reports["decoy: line"].verdict == "no"
    assert "echo" in reports["decoy: line"].reasons[0] or "selectivity" in reports["decoy: line"].reasons[0]


@pytest.mark.long
def test_kinds_of_family_are_what_they_are_called() -> None:
    errors, table, pictures = families.run(families.SMOKE)
    assert set(errors.circuit) == {"lines"}
    assert errors.error.max() < 1e-5
    found = dict(zip(table.what, table.value, strict=True))
    turned = "a contrast turned by 180 degrees, minus "
    assert found[turned + "the one of the other hue"] < 1e-5 < 0.5 < found[turned + "itself"]
    assert found["correlation of the fine and the coarse kernel"] < -0.98
    assert set(pictures) == {"kinds", "hues", "scales", "lost_and_gained"}
