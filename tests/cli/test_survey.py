"""`circuitkit survey` as a user types it: what is written, and what is refused before any work."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
import xarray as xr

from circuitkit.cli import survey as command
from circuitkit.cli.main import main
from circuitkit.stimuli import photographs
from circuitkit.survey import crops
from circuitkit.viz.examples import page

SPEC = """
from circuitkit.spec import Circuit, Family, Gabor, Line, Tile
edges = Family("edges", Gabor(wavelength=4, sigma=1.2), angles=8)
lines = Family("lines", Tile(edges, along=Line(length=3), tolerance=20), angles=8)
SPEC = Circuit("tiny", [edges, lines])
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a circuit and pictures, where the command is run."""
    (tmp_path / "tiny_circuit.py").write_text(SPEC)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    rng = np.random.default_rng(0)
    for index in range(4):
        PIL.Image.fromarray(rng.integers(0, 256, (32, 40, 3), np.uint8)).save(pictures / f"{index}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], line: str) -> str:
    assert main(["survey", *line.split()]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return " ".join(captured.err.split())


def test_a_circuit_is_surveyed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["survey", "tiny_circuit", "--images", "pictures", "--top", "3", "--out", "new/out"]
    assert main(line) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "4 images, 8 units: new/out/examples.html, and new/out/survey.nc" in " ".join(captured.err.split())
    assert {entry.name for entry in (place / "new/out").iterdir()} == {"survey.nc", "examples.html"}
    seen = xr.load_dataset("new/out/survey.nc", engine="scipy")
    assert (seen.attrs["layer"], seen.sizes["rank"]) == ("lines", 3)
    images = photographs("pictures")
    assert crops(seen, images).sizes["rank"] == 3
    assert page(seen, images, top=3) == Path("new/out/examples.html").read_text()
    # A second time, only when told to.
    assert "holds a survey already" in refused(capsys, "tiny_circuit --images pictures --out new/out")
    assert main([*line, "--overwrite", "--layer", "edges", "--units", "edges@45,0", "--side", "24"]) == 0
    again = xr.load_dataset("new/out/survey.nc", engine="scipy")
    assert list(again.unit.values) == ["edges@45", "edges@0"]
    assert list(again.attrs["image_size"]) == [24, 24]


def test_what_an_interruption_leaves_is_no_survey(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: xr.Dataset, path: Path, **options: object) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(xr.Dataset, "to_netcdf", interrupted)
        assert main(["survey", "tiny_circuit", "--images", "pictures", "--out", "out"]) == 130
    assert list((place / "out").iterdir()) == []
    assert main(["survey", "tiny_circuit", "--images", "pictures", "--out", "out"]) == 0


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["survey", "--help"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    for option in ("--layer", "--images", "--side", "--units", "--top", "--border", "--out", "--overwrite", "--scale"):
        assert option in said
    assert "circuitkit survey squeezenet1_1.onnx --layer fire5" in said


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("tiny_circuit --images nowhere", "there is no 'nowhere'"),
        ("tiny_circuit --images empty", "'empty' holds no pictures"),
        ("tiny_circuit --images broken", "picture 'no.png' of 'broken' is no picture that can be read"),
        ("tiny_circuit --images mixed", "they cannot be drawn together. Make them squares"),
        ("tiny_circuit --images pictures --layer line", "has no layer 'line'. Did you mean 'lines'"),
        ("tiny_circuit --images pictures --units 3,8", "has no unit 8: it has 8 units"),
        ("tiny_circuit --images pictures --units lines@44", "has no unit 'lines@44'. Did you mean"),
        ("tiny_circuit --images pictures --top 0", "survey has --top=0: wanted a whole number"),
        ("tiny_circuit --images pictures --side 0", "photographs has side=0: wanted a whole number"),
        ("tiny_circuit --images pictures --column a", "is no parquet file: leave it out"),
        ("tiny_circuit --images pictures --out tiny_circuit.py", "tiny_circuit.py is a file: name a folder"),
        ("tiny_circuit --images pictures --out pictures", "0.png is there already, and belongs to no survey"),
        ("tiny_circuit --images pictures --out pictures --overwrite", "0.png is there already, and belongs to no"),
        ("no_such_circuit --images pictures", "there is no module 'no_such_circuit'"),
        ("none.onnx --images pictures --layer a", "none.onnx"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    line: str, message: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("empty", "broken", "mixed"):
        (place / name).mkdir()
    (place / "broken/no.png").write_text("no picture")
    for side in (32, 48):
        PIL.Image.new("RGB", (side, side)).save(place / f"mixed/{side}.png")
    before = sorted(place.rglob("*"))
    assert message in refused(capsys, line)
    assert [path for path in sorted(place.rglob("*")) if "__pycache__" not in path.parts] == before


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(self: Path, *options: object, **more: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", read_only)
    monkeypatch.setattr(command, "survey", None)  # which would fail in another way
    assert "cannot write to out: [Errno 13] Permission denied" in refused(
        capsys, "tiny_circuit --images pictures --out out"
    )


def test_the_layer_of_a_trained_net_must_be_named(
    data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = data_folder / "nets" / "squeezenet1_1.onnx"
    assert "--layer is missing: name a layer of net 'squeezenet1_1', one of" in refused(
        capsys, f"{net} --images {tmp_path} --out {tmp_path}/out"
    )


@pytest.mark.slow
def test_curve_detectors_of_a_trained_net_find_curves(
    data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import zipfile

    with zipfile.ZipFile(data_folder / "images" / "imagenet-sample.zip") as archive:
        names = [name for name in sorted(archive.namelist()) if name.lower().endswith((".jpg", ".jpeg"))][::40]
        archive.extractall(tmp_path / "pictures", names)
    net = data_folder / "nets" / "squeezenet1_1.onnx"
    arguments = f"{net} --layer fire5 --images {tmp_path}/pictures --units 130,141 --top 4 --out {tmp_path}/out"
    assert main(["survey", *arguments.split()]) == 0
    seen = xr.load_dataset(tmp_path / "out" / "survey.nc", engine="scipy")
    assert list(seen.unit.values) == ["fire5:130", "fire5:141"]
    assert (seen.attrs["positions"], list(seen.attrs["image_size"])) == (27 * 27, [224, 224])
    assert list(seen.attrs["field_size"]) == [63, 63]
    assert seen.attrs["image_count"] == len(names)
    # Plain arithmetic over all responses at once.
    from circuitkit import nets

    shown = photographs(tmp_path / "pictures", side=224).images(224)
    maps = np.asarray(nets.load(net)["fire5", [130, 141]].maps(jnp.asarray(shown)))
    largest = maps.max((1, 2))
    np.testing.assert_allclose(seen.image_response, largest, rtol=1e-3)
    np.testing.assert_array_equal(seen.top_image[:, 0], largest.argmax(0))
    np.testing.assert_allclose(seen.mean_response, maps.mean((0, 1, 2)), rtol=1e-3)
    np.testing.assert_allclose(seen.share_active, (maps > 0).mean((0, 1, 2)), atol=1e-3)
