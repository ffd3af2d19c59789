"""`circuitkit compare` as a user types it."""

from pathlib import Path

import pandas as pd
import pytest

from circuitkit.cli.main import main

LINE = "compare lines --net small_circuit --layer lines --other small_circuit --other-layer longer --looks 6"


def refused(capsys: pytest.CaptureFixture[str], line: str) -> str:
    assert main(line.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return " ".join(captured.err.split())


def test_two_layers_are_compared(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(f"{LINE} --units 0,2 --other-units all".split()) == 0
    out = capsys.readouterr().out
    assert "selectivity" in out
    pairs = pd.read_csv("compared/pairs.csv")
    assert pairs.unit.tolist() == ["lines@0", "lines@90"]
    assert pairs.other.tolist() == ["longer@0", "longer@90"]
    assert "holds a comparison already" in refused(capsys, f"{LINE} --units 0 --other-units 0")


@pytest.mark.long
def test_all_units_that_are_found_are_compared_if_none_is_named(small: Path) -> None:
    assert main(f"{LINE} --units 0 --other-units 0".split()) == 0
    assert main(f"{LINE} --other-units 0 --overwrite".split()) == 0
    assert len(pd.read_csv("compared/pairs.csv")) == 4


def test_what_cannot_be_compared_is_refused(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "has no layer 'long'" in refused(capsys, LINE.replace("longer", "long"))
    assert "has no unit 9" in refused(capsys, f"{LINE} --units 9")
    assert "--looks=0" in refused(capsys, LINE.replace("--looks 6", "--looks 0"))
    (small / "full").mkdir()
    (small / "full" / "thesis.txt").touch()
    assert "full/thesis.txt is there already" in refused(capsys, f"{LINE} --out full")
