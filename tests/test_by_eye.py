"""The published families, as they were counted by eye, become rows of the table; other files are refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from circuitkit import by_eye
from circuitkit.errors import StoreError

FAMILIES = {
    layer: [
        {"name": name, "units": [1, 2, 3]} for wanted in by_eye.FAMILIES.values() for at, name in wanted if at == layer
    ]
    for layer in by_eye.LAYERS[:5]
}


def folder(tmp_path: Path, families: object = FAMILIES) -> Path:
    (tmp_path / "distill").mkdir()
    (tmp_path / "distill" / "families.json").write_text(json.dumps(families))
    return tmp_path


def test_families_are_counted_by_feature_and_nothing_is_made_up(tmp_path: Path) -> None:
    found = by_eye.counts(folder(tmp_path))
    assert found.units["curve"] == 3
    assert found.units["line"] == 9
    assert found.depth["curve"] == pytest.approx(4 / 11)
    assert found.depth["colour contrast"] == pytest.approx((0 + 1 + 2 + 3) / 4 / 11)
    assert found.likeness.isna().all()
    assert found.by_chance.isna().all()
    # What "Zoom In" names is no share of anything that was counted.
    assert found.units[["mirror pairs", "unions"]].tolist() == [10, 4]
    assert found.of[["mirror pairs", "unions"]].isna().all()
    assert found.of["edge"] == sum(3 * len(each) for each in FAMILIES.values())


def test_other_files_are_refused(tmp_path: Path) -> None:
    fewer = {layer: each for layer, each in FAMILIES.items() if layer != "mixed3b"}
    with pytest.raises(StoreError, match="have no 'Lines' in layer 'mixed3b'"):
        by_eye.counts(folder(tmp_path, fewer))
    (tmp_path / "distill" / "families.json").write_text("[]")
    with pytest.raises(StoreError, match="wanted layers of named families"):
        by_eye.counts(tmp_path)
    with pytest.raises(StoreError, match="early_curves_3a_to_3b.npz cannot be read"):
        by_eye.early_curves_to_curves(tmp_path)


def test_published_counts_and_weights(data_folder: Path) -> None:
    found = by_eye.counts(data_folder)
    assert found.of["edge"] == 64 + 64 + 192 + 256 + 480
    assert found.units.to_dict() == {
        "edge": 39, "line": 56, "early curve": 23, "curve": 10, "circle": 9, "corner": 12, "high-low": 15,
        "colour contrast": 91, "mirror pairs": 10, "unions": 4,
    }  # fmt: skip
    read = by_eye.early_curves_to_curves(data_folder)
    assert int(read.pairs.sum()) == 64 - 6
    near, far = read.profile.sel(relative_angle=0).item(), read.profile.sel(relative_angle=180).item()
    assert near > np.nanquantile(read.null.sel(relative_angle=0), 0.975)
    assert far < np.nanquantile(read.null.sel(relative_angle=180), 0.025)
