"""The Python in the README runs as it stands there."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import circuitkit as ck
from circuitkit import stimuli
from handbuilt import curves

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_readme_holds_the_blocks_that_are_run() -> None:
    assert len(BLOCKS) == 3


def test_the_circuit_on_a_page_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    exec(BLOCKS[0], {})
    assert "my_curves: 3 families, 72 units" in capsys.readouterr().out


def test_the_measurement_draws_its_picture(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(data_folder / "nets" / "squeezenet1_1.onnx", tmp_path)
    monkeypatch.chdir(tmp_path)
    exec(BLOCKS[1], {})
    assert (tmp_path / "joint.png").stat().st_size > 10_000
    assert "curves@345" in capsys.readouterr().out


def test_the_stimuli_are_drawn_saved_and_read(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(data_folder / "images" / "imagenet-sample.zip", tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(BLOCKS[2], names)
    assert len(list((tmp_path / "arcs").glob("*.png"))) == len(names["arcs"]) == 432
    assert names["textured"].draw(64).shape == (64, 64, 3)
    assert names["chunk"].images.shape[1:] == (64, 64, 1)
    assert names["photos"].shape == (8, 360)


GUIDE = re.findall(
    r"```python\n(.*?)```", (README.parent / "docs" / "stimuli.md").read_text(encoding="utf-8"), flags=re.DOTALL
)


def test_the_guide_to_stimuli_runs_as_it_stands_there(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(data_folder / "images" / "imagenet-sample.zip", tmp_path)
    monkeypatch.chdir(tmp_path)
    small = ck.HandbuiltNet(ck.build(curves.SPEC))["lines"]
    names: dict[str, Any] = {"probe": small, "__name__": "guide"}
    # Sizes that a test can bear; everything else as it is written.
    for block in GUIDE:
        exec(block.replace("10_000", "20").replace("[:100]", "[:1]").replace("turn(360)", "turn(2)"), names)
    stimuli.CATALOGUE.pop("Lens")  # other tests count the kinds
    assert names["Lens"]().draw(64).sum() > 100
    assert len(names["again"]) == len(names["arcs"])
