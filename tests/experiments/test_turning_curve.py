"""Groups along a turning curve: the numbers of families that are known, and of the small one by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from circuitkit import neurons
from circuitkit.errors import StimulusError
from experiments.turning_curve import __main__ as experiment
from experiments.turning_curve.groups import half_peak, middles, numbers, stretches


def bumps(centres: list[float], width: float) -> neurons.Path:
    """Triangles of height 1 that are above 0 over a width, round the circle."""
    at = np.arange(0, 361, 1.0)
    apart = np.abs((at[:, None] - np.array(centres) + 180) % 360 - 180)
    return neurons.Affine(np.eye(len(centres)))(neurons.polyline(1 - 2 * apart / width, at=at))


def test_the_numbers_of_a_family_in_order() -> None:
    said = bumps(list(range(0, 360, 30)), 75.0)
    found = neurons.groups(said, neurons.positive())
    seen = numbers(found)
    assert seen["at once"] == pytest.approx(2.5)
    assert (seen["active"], seen["fewest"], seen["most"], seen["empty"]) == (12, 2, 3, 0)
    assert (seen["stretches"], seen["longest"], seen["consecutive"]) == (1, 1, 1)
    assert seen["width"] == pytest.approx(75)
    np.testing.assert_allclose((middles(found) + 1e-9) % 360, range(0, 360, 30), atol=1e-6)
    # The first one is in on both sides of 0, which is one stretch.
    np.testing.assert_allclose(stretches(found, 0), [[322.5, 75]])
    half = numbers(neurons.groups(said, half_peak(said)))
    assert half["width"] == pytest.approx(37.5)


def test_a_family_with_a_second_bump_and_a_silent_unit_shows() -> None:
    said = bumps(list(range(0, 360, 30)), 75.0)
    values = said.values.copy()
    values[:, 4] = np.maximum(values[:, 4], values[:, 10])
    values[:, 7] = -1.0
    broken = neurons.Affine(np.eye(12))(neurons.polyline(values, at=said.at))
    found = neurons.groups(broken, neurons.positive())
    seen = numbers(found)
    assert seen["active"] == 11
    assert seen["stretches"] == pytest.approx(12 / 11)
    assert seen["longest"] < 1
    assert seen["consecutive"] < 0.9
    assert np.isnan(middles(found)[7])
    assert not neurons.groups(broken, half_peak(broken)).members[:, 7].any()


def test_a_family_by_hand_takes_turns_and_its_shuffled_twin_does_not(tmp_path: Path) -> None:
    seen = experiment.main(["--smoke", "--out", str(tmp_path)])
    table = seen[seen.group == "positive"].groupby("net").mean(numeric_only=True)
    own, twin = table.loc["handbuilt"], table.loc[f"handbuilt{experiment.SHUFFLED}"]
    assert own[["active", "stretches", "consecutive", "empty"]].tolist() == [8, 1, 1, 0]
    off = pd.read_csv(tmp_path / "middles.csv").groupby("net").off.mean()
    assert off["handbuilt"] < 3
    assert twin["empty"] > 0.3
    assert off[f"handbuilt{experiment.SHUFFLED}"] > 20
    assert (tmp_path / "turning.png").stat().st_size > 10_000
    groups = pd.read_csv(tmp_path / "groups-handbuilt-positive.csv")
    assert (groups["to"].iloc[:-1].to_numpy() == groups["from"].iloc[1:].to_numpy()).all()


def test_a_search_without_data_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CIRCUITKIT_DATA", raising=False)
    with pytest.raises(StimulusError, match="--data is missing"):
        experiment.main(["--out", str(tmp_path)])
