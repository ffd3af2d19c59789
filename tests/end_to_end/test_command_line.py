"""The commands as a user types them: what they write, and what they refuse before any work starts."""

import dataclasses
import importlib.metadata
import json
import math
import sys
from pathlib import Path

import pytest
import xarray as xr

from circuitkit.cli import sources
from circuitkit.cli.main import main, parser
from circuitkit.geometry import angle_between
from circuitkit.nets import IMAGENET
from circuitkit.spec import Arc, Circuit, Crossing, Family, Gabor, Line, OppositeArc, Tile
from circuitkit.spec_text import from_json, to_json
from handbuilt import curves


@pytest.fixture(scope="module")
def spec_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A circuit small enough to be studied in seconds."""
    edges = Family("edges", Gabor(wavelength=5, sigma=1.6, phase=90), angles=8)
    lines = Family("lines", Tile(edges, along=Line(length=3), tolerance=25) - Crossing(0.5), angles=8)
    arc = Arc(radius=14, length=14)
    bends = Family("bends", Tile(lines, along=arc, tolerance=20) - Crossing(0.5) - OppositeArc(0.5), angles=8)
    path = tmp_path_factory.mktemp("spec") / "small.json"
    path.write_text(to_json(Circuit("small", [edges, lines, bends])))
    return path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Runs a command that must fail, and returns what it said."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return " ".join(captured.err.split())


def test_a_study_writes_report_figures_results_and_spec(
    spec_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "study"
    assert main(["study", str(spec_file), "--out", str(out), "--angles", "16", "--radii", "5"]) == 0
    said = capsys.readouterr().out
    assert "off design, worst" in said
    assert "small-0 conv4" in said  # the net that comes along stands beside it
    report = (out / "report.html").read_text()
    assert "circuitkit study" in report
    assert from_json((out / "spec.json").read_text()) == from_json(spec_file.read_text())
    written = {path.name for path in out.iterdir()}
    assert {"handbuilt.nc", "without_OppositeArc.nc", "without_Crossing.nc", "figures"} <= written
    assert len(list((out / "figures").glob("*.png"))) >= 6
    with xr.open_dataset(out / "handbuilt.nc", engine="scipy") as results:
        assert results.response.dims == ("angle", "radius", "polarity", "unit")
        assert results.sizes == {"angle": 16, "radius": 6, "polarity": 2, "unit": 8}
        assert math.isinf(float(results.radius[-1]))
        assert results.unit.values[1] == "bends@45"
        assert float(results.response.max()) > 0
        off = [angle_between(float(a), 45.0 * i) for i, a in enumerate(results.mean_angle)]
        assert max(map(abs, off)) < 5


def test_a_trained_layer_is_studied_beside_it(
    spec_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], data_folder: Path
) -> None:
    net = str(data_folder / "nets" / "squeezenet1_1.onnx")
    options = ["--net", net, "--layer", "fire4", "--out", str(tmp_path), "--angles", "16", "--radii", "5"]
    assert main(["study", str(spec_file), *options]) == 0
    assert "the most curve-like of 256 units" in " ".join(capsys.readouterr().out.split())
    with xr.open_dataset(tmp_path / "trained.nc", engine="scipy") as results:
        assert results.sizes["unit"] == 256
        assert results.attrs["layer"] == "fire4"
    assert "fire4" in (tmp_path / "report.html").read_text()


def test_show_prints_the_spec_to_read_and_to_edit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "handbuilt.curves"]) == 0
    assert "OppositeArc" in capsys.readouterr().out
    assert main(["show", "handbuilt.curves", "--json"]) == 0
    assert from_json(capsys.readouterr().out) == curves.SPEC


def test_layers_lists_what_can_be_probed(capsys: pytest.CaptureFixture[str], data_folder: Path) -> None:
    assert main(["layers", str(data_folder / "nets" / "squeezenet1_1.onnx")]) == 0
    lines = capsys.readouterr().out.splitlines()
    (fire5,) = [line.split() for line in lines if line.split()[1:2] == ["fire5"]]
    assert "63x63" in fire5
    assert "256" in fire5


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["study", "--help"])
    text = capsys.readouterr().out
    assert "circuitkit study handbuilt.curves --net" in text
    assert "--layer" in text


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip() == f"circuitkit {importlib.metadata.version('circuitkit')}"


def test_a_misspelt_option_or_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["study", "handbuilt.curves", "--angels", "8"], ["stdy", "handbuilt.curves"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
    assert "--angels" in capsys.readouterr().err


def test_circuits_that_do_not_exist_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "there is no module 'handbuilt.curvs'" in refused(capsys, "study", "handbuilt.curvs")
    assert "module 'json' has no SPEC" in refused(capsys, "study", "json")
    assert "cannot be read" in refused(capsys, "study", str(tmp_path / "none.json"))
    broken = tmp_path / "broken.json"
    broken.write_text('{"format": ')
    assert "this is no JSON (line 1" in refused(capsys, "study", str(broken))


def test_a_module_of_ones_own_is_found_where_the_command_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bends_of_mine.py").write_text("from handbuilt.curves import circuit\n\nSPEC = circuit(15)\n")
    assert main(["show", "bends_of_mine"]) == 0
    assert "Arc(radius=15" in capsys.readouterr().out
    for path in ("bends_of_mine.py", "./bends_of_mine.py"):
        assert "A module is named without its ending: bends_of_mine." in refused(capsys, "show", path)


def test_a_circuit_that_does_not_end_in_curves_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edges = Family("edges", Gabor(wavelength=5, sigma=1.6, phase=90), angles=8)
    lines = Family("lines", Tile(edges, along=Line(length=3), tolerance=25), angles=8)
    path = tmp_path / "lines.json"
    path.write_text(to_json(Circuit("lines", [edges, lines])))
    said = refused(capsys, "study", str(path), "--out", str(tmp_path / "out"))
    assert "study measures curves, which come back after 360" in said


def test_a_later_study_leaves_nothing_of_an_earlier_one(spec_file: Path, tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    for stale in (tmp_path / "trained.nc", tmp_path / "figures" / "ranking.png"):
        stale.touch()
    options = ["--out", str(tmp_path), "--angles", "8", "--radii", "3", "--net", "none"]
    assert main(["study", str(spec_file), *options]) == 0
    assert not (tmp_path / "trained.nc").exists()
    assert not (tmp_path / "figures" / "ranking.png").exists()


def test_what_is_said_of_a_net_adds_to_what_is_known(data_folder: Path) -> None:
    net = str(data_folder / "nets" / "squeezenet1_1.onnx")
    options = parser().parse_args(["study", "a", "--net", net, "--colours", "BGR"])
    made = sources.net(net, options).preprocessing
    assert made == dataclasses.replace(IMAGENET, colours="BGR")


def test_a_misspelt_field_of_a_spec_is_refused(
    spec_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = json.loads(spec_file.read_text())
    data["families"][0]["looks_for"]["sigmma"] = data["families"][0]["looks_for"].pop("sigma")
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(data))
    assert "has no field 'sigmma'. Did you mean 'sigma'" in refused(capsys, "study", str(wrong))


def test_nets_and_layers_that_do_not_exist_are_refused(
    spec_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], data_folder: Path
) -> None:
    net = str(data_folder / "nets" / "squeezenet1_1.onnx")
    assert "has no layer 'fire55'. Did you mean" in refused(
        capsys, "study", str(spec_file), "--net", net, "--layer", "fire55"
    )
    assert "--layer is missing" in refused(capsys, "study", str(spec_file), "--net", net)
    assert "--net is missing" in refused(capsys, "study", str(spec_file), "--layer", "fire5")
    weights = tmp_path / "net.pt"
    weights.touch()
    assert "is no .onnx file" in refused(capsys, "study", str(spec_file), "--net", str(weights), "--layer", "a")
    cut = tmp_path / "squeezenet1_1.onnx"
    cut.write_bytes(Path(net).read_bytes()[:100_000])
    assert "squeezenet1_1" in refused(capsys, "study", str(spec_file), "--net", str(cut), "--layer", "fire5")


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(
    spec_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").touch()
    said = refused(capsys, "study", str(spec_file), "--out", str(tmp_path / "taken"))
    assert "cannot write to" in said
    assert "Name another folder with --out" in said


def test_too_few_stimuli_are_refused(spec_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "wanted at least 8 and 3" in refused(capsys, "study", str(spec_file), "--angles", "4")
