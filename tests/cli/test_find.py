"""`circuitkit find` as a user types it: what is written, what is refused, and that it goes on where it was."""

from pathlib import Path

import pandas as pd
import pytest

from circuitkit import find
from circuitkit.cli.main import main

LINE = "find lines --net small_circuit --layer lines --looks 6"


def refused(capsys: pytest.CaptureFixture[str], line: str) -> str:
    assert main(line.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return " ".join(captured.err.split())


@pytest.mark.long
def test_a_circuit_is_searched(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*LINE.split(), "--layer", "edges, contours", "--controls", "1", "--out", "new/out"]) == 0
    captured = capsys.readouterr()
    assert "line detectors in small" in captured.out
    assert "lines@90" in captured.out
    assert "new/out/found.html, and new/out/found.csv" in " ".join(captured.err.split())
    table = pd.read_csv("new/out/found.csv")
    assert {"layer", "unit", "verdict", "score", "angle", "fwhm", "echo"} <= set(table.columns)
    assert set(table.layer) == {"lines", "edges", "contours"}
    assert (table[table.layer == "lines"].verdict == "yes").all()
    controls = pd.read_csv("new/out/controls.csv")
    assert set(controls.net) == {"small", "small, shuffled 0", "small, untrained 0"}
    assert "Made by" in Path("new/out/found.html").read_text()
    assert "holds a search already" in refused(capsys, f"{LINE} --out new/out")
    assert main([*LINE.split(), "--out", "new/out", "--overwrite"]) == 0
    assert not Path("new/out/controls.csv").exists()


def test_an_interrupted_search_goes_on(
    small: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned: list[str] = []
    scan = find.scan

    def interrupted(probe, *rest, **options):
        if scanned:
            raise KeyboardInterrupt
        scanned.append(probe.layer)
        return scan(probe, *rest, **options)

    line = [*LINE.split(), "--layer", "edges"]
    with monkeypatch.context() as patch:
        patch.setattr(find, "scan", interrupted)
        assert main(line) == 130
    assert "1 of 2 layers of small are done and kept in found/layers/small" in " ".join(capsys.readouterr().err.split())

    def counted(probe, *rest, **options):
        scanned.append(probe.layer)
        return scan(probe, *rest, **options)

    monkeypatch.setattr(find, "scan", counted)
    assert main(line) == 0
    assert scanned == ["lines", "edges"]
    assert set(pd.read_csv("found/found.csv").layer) == {"lines", "edges"}


def test_what_cannot_be_searched_is_refused_before_any_work(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "has no layer 'line'. Did you mean 'lines'" in refused(capsys, "find lines --net small_circuit --layer line")
    assert "looks=0" in refused(capsys, "find lines --net small_circuit --looks 0")
    assert "only an .onnx net" in refused(capsys, "find lines --net small_circuit --scale 255")
    assert "no module 'nothing'" in refused(capsys, "find lines --net nothing")
    (small / "full").mkdir()
    (small / "full" / "thesis.txt").touch()
    assert "full/thesis.txt is there already" in refused(capsys, f"{LINE} --out full")
    assert "is a file" in refused(capsys, f"{LINE} --out small_circuit.py")
    with pytest.raises(SystemExit):
        main(["find", "cats", "--net", "small_circuit"])
    assert not (small / "found").exists()
