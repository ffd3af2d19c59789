"""The Python in the README runs as it stands there."""

import re
import shutil
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_readme_holds_the_blocks_that_are_run() -> None:
    assert len(BLOCKS) == 2


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
