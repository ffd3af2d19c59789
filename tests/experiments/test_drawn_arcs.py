"""Arcs are drawn by seed, numbers are fitted to them, and every set of numbers is scored on both kinds of image."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import circuitkit as ck
from circuitkit.errors import StimulusError
from circuitkit.examples import Frame
from circuitkit.stimuli import FAST, LabelledSet
from experiments.response_fit import drawn_arcs
from experiments.response_fit.__main__ import SMALL


def pixels(held: LabelledSet) -> np.ndarray:
    """The images, as a net is shown them."""
    frame = Frame.of(ck.nets.small()["conv1"], held, 32, FAST)
    return np.asarray(frame.draw(held.items(np.arange(len(held)))))


def test_arcs_are_drawn_by_seed_light_and_dark() -> None:
    one, again, other = (pixels(drawn_arcs.arcs(3, side=32, seed=seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0.3
    assert one.max() > 0.2
    assert one.min() < -0.2
    assert 0.02 < (np.abs(one) > 0.1).mean() < 0.9  # strokes on grey


def test_a_smoke_run_scores_every_set_of_numbers(tmp_path: Path) -> None:
    table = drawn_arcs.main(["--smoke", "--out", str(tmp_path)]).set_index("numbers")
    assert set(table.index) == {drawn_arcs.BY_HAND, drawn_arcs.ON_ARCS, drawn_arcs.ON_PHOTOGRAPHS}
    assert table[["drawn arcs", "photographs"]].stack().between(-1, 1).all()
    # What was fitted to photographs is here the start itself, and scores as it does.
    assert table.loc[drawn_arcs.BY_HAND].equals(table.loc[drawn_arcs.ON_PHOTOGRAPHS])
    assert not table.loc[drawn_arcs.BY_HAND].equals(table.loc[drawn_arcs.ON_ARCS])
    numbers = pd.read_csv(tmp_path / "drawn_numbers.csv", index_col="number")
    assert set(numbers.index) == set(SMALL)
    assert len(pd.read_csv(tmp_path / "drawn_arcs.csv")) == 3 * 4


def test_without_a_folder_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CIRCUITKIT_DATA", raising=False)
    with pytest.raises(StimulusError, match="no folder of data"):
        drawn_arcs.main(["--out", str(tmp_path)])
