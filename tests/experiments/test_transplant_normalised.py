"""Trials of a division are chosen on some images and checked on others, and kept when they are done."""

from pathlib import Path

import pandas as pd
import pytest

from circuitkit.errors import UnknownNameError
from circuitkit.spec import Normalisation
from experiments.transplant import normalised
from experiments.transplant.units import arcs


@pytest.mark.long
def test_trials_are_made_on_some_images_and_checked_on_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = normalised.main(["--smoke", "--out", str(tmp_path)])
    for table in tables:
        assert list(table.index) == [normalised.PLAIN, "contours within 3, 0.33 of mean"]
        assert table.gain[normalised.PLAIN] == 0
        assert not table.isna().any(axis=None)
        assert (table["median"] > table["turned by 90°"] + 0.2).all()
    assert not tables[0].equals(tables[1])
    monkeypatch.setattr(normalised, "correlations", None)  # whoever computes a trial again fails
    pd.testing.assert_frame_equal(normalised.main(["--smoke", "--out", str(tmp_path)])[0], tables[0])


def test_windows_are_in_pixels_of_the_images_before_they_are_averaged() -> None:
    by = Normalisation(within=12, constant=0.1)
    for shrink in (1, 2):
        net = arcs(18, wavelength=10, shrink=shrink, normalised={"contours": by})
        found = net.net.network.circuit["contours"].normalised  # type: ignore[attr-defined]
        assert (found.within, found.constant) == (12 / shrink, 0.1)
    with pytest.raises(UnknownNameError, match="has no family 'corners'"):
        arcs(18, wavelength=10, shrink=2, normalised={"corners": by})
