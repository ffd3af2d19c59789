"""Listing nets and layers, and the periodic table, as a user types them."""

from pathlib import Path

import pandas as pd
import pytest

from circuitkit.cli.main import main
from circuitkit.cli.universality import REFERENCES
from circuitkit.nets.registry import PACKAGED
from circuitkit.nets.zoo import ZOO
from circuitkit.spec import Circuit, Crossing, Family, Gabor, Line, Tile
from circuitkit.spec_text import to_json


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return " ".join(captured.err.split())


@pytest.fixture(autouse=True)
def no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CIRCUITKIT_NETS", raising=False)


def test_all_nets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    listed = said(capsys, "nets")
    for name in (*PACKAGED, *ZOO):
        assert name in listed
    assert "mixed5b" in listed


def test_one_net_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    about = said(capsys, "nets", "googlenet-9")
    assert ZOO["googlenet-9"].sha256 in about
    assert "mixed3b" in about
    assert "no: circuitkit nets googlenet-9 --fetch" in about
    assert "comes with circuitkit" in said(capsys, "nets", "small-0")


def test_a_file_that_lies_there_counts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIRCUITKIT_NETS", str(tmp_path))
    (tmp_path / "googlenet-9.onnx").write_bytes(b"cut")
    assert "is here: yes" in said(capsys, "nets", "googlenet-9")
    message = refused(capsys, "study", "handbuilt.curves", "--net", "googlenet-9", "--layer", "mixed3b")
    assert "has 3 bytes and SHA-256" in message


def test_layers_of_a_packaged_net_and_of_a_circuit(capsys: pytest.CaptureFixture[str]) -> None:
    listed = said(capsys, "layers", "small-0")
    assert "conv5" in listed
    assert "37x37" in listed
    assert "early_curves" in said(capsys, "layers", "handbuilt.curves")


def test_what_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no net 'small-9'. Did you mean" in refused(capsys, "nets", "small-9")
    assert "there is nothing to fetch" in refused(capsys, "nets", "small-0", "--fetch")
    assert "want a name" in refused(capsys, "nets", "--fetch")
    assert "give both" in refused(capsys, "nets", "googlenet-9", "--folder", "there")
    assert "is not on this machine" in refused(
        capsys, "study", "handbuilt.curves", "--net", "vgg19-7", "--layer", "conv3_1"
    )
    assert "there is no feature 'curv'" in refused(capsys, "universality", "small-0", "--features", "curv")
    assert "named twice" in refused(capsys, "universality", "small-0", "small-0")
    assert "needs a feature that is written by hand" in refused(
        capsys, "universality", "small-0", "--features", "unions"
    )
    assert "wanted NET:LAYER" in refused(capsys, "universality", "small-0", "--up-to", "small-1:conv3")
    assert "no layer 'conv9'" in refused(capsys, "universality", "small-0", "--up-to", "small-0:conv9")


def test_the_periodic_table_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edges = Family("edges", Gabor(wavelength=5, sigma=1.6, phase=90), angles=8)
    lines = Family("lines", Tile(edges, along=Line(length=3), tolerance=25) - Crossing(0.5), angles=8)
    (tmp_path / "mine.json").write_text(to_json(Circuit("mine", [edges, lines])))
    monkeypatch.setitem(REFERENCES, "edge", (str(tmp_path / "mine.json"), "edges"))  # faster than handbuilt.lines
    out = tmp_path / "out"
    arguments = ("--features", "edge", "--controls", "1", "--shuffles", "1", "--out", str(out))
    table = said(capsys, "universality", str(tmp_path / "mine.json"), *arguments)
    assert "mine (16)" in table
    assert {path.name for path in out.iterdir()} == {
        "table.csv", "units.csv", "kinship.csv", "table.png", "responses"
    }  # fmt: skip
    counts = pd.read_csv(out / "table.csv").set_index(["net", "feature"]).units
    assert counts["mine", "edge"] >= 8 > counts["mine, shuffled 0", "edge"]
    assert (out / "table.png").stat().st_size > 10_000
