"""`circuitkit tune` as a user types it: whose options are whose, what is written and printed, and what is refused."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from circuitkit.build import build
from circuitkit.cli import stimuli as sets
from circuitkit.cli import tune as command
from circuitkit.cli.main import main, parser
from circuitkit.probe import HandbuiltNet
from circuitkit.spec import Circuit, Family, Gabor
from circuitkit.spec_text import to_json
from circuitkit.stimuli import CATALOGUE, EXACT, Curve, Disc, Uniform, export, grid, sample, text, turn
from circuitkit.stimuli.parameter import parameters
from circuitkit.stimuli.patterns import Grating
from circuitkit.store import open_responses
from circuitkit.sweep import tune

SMALL = Circuit("small", [Family("edges", Gabor(wavelength=4, sigma=1.5), angles=4, size=5)])
EDGES = HandbuiltNet(build(SMALL))["edges"]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a circuit where the command is run."""
    (tmp_path / "small.json").write_text(to_json(SMALL))
    monkeypatch.chdir(tmp_path)


def tuned(line: str) -> None:
    assert main(["tune", *line.split(" ")]) == 0


def refused(capsys: pytest.CaptureFixture[str], line: str) -> str:
    """Runs a command that must fail, and returns what it said."""
    assert main(["tune", *line.split(" ")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return " ".join(captured.err.split())


def described(line: str) -> Any:
    """Returns the set that a command line describes."""
    return command._read(parser().parse_args(["tune", *line.split(" ")]))[0]


# The options of the stimuli.


@pytest.mark.parametrize(
    "line",
    [
        "curve --angle 0:360:90 --radius 8:60:log3 --polarity -1",
        "disc --texture grating --texture.wavelength 4,8 --occluder disc --occluder.x -5:5:5",
        "curve --radius 10,20 --angle 0:360:90 --width 2,4 --zip radius,width",
        "curve --sample 50 --seed 7 --angle uniform(0,360) --foreground choice(#ff0000,#00ff00)",
        "checkerboard --checkerboard.size 4,8",
        "SquareGrating --angle 0,90",
    ],
)
def test_a_kind_has_the_options_that_it_has_in_stimuli(line: str) -> None:
    kind, *arguments = line.split(" ")
    wanted = text.to_json(sets.read(kind, arguments)[0])
    assert text.to_json(described(f"small.json --layer edges --stimuli {line}")) == wanted
    # Options of both may be mixed.
    mixed = f"small.json --stimuli {line} --layer edges --size 32 --out a.zarr --exact"
    assert text.to_json(described(mixed)) == wanted
    assert text.to_json(described(f"--layer edges small.json {' '.join(arguments)} --stimuli={kind}")) == wanted


def test_every_option_of_every_kind_is_that_of_stimuli() -> None:
    for cls in sets.kinds().values():
        own = sets.parser_of(
            cls, prog="circuitkit tune a --stimuli", add_own=lambda to: command._add_options(to, trained=False)
        )
        assert {sets._flag(cls, name).lstrip("-") for name in parameters(cls)} <= own.names


def test_options_before_the_net_count() -> None:
    _, chosen = command._read(
        parser().parse_args("tune --layer a --out b.nc --stimuli disc small.json --layer c".split())
    )
    assert (chosen.layer, chosen.out, chosen.window, chosen.read_out) == ("c", "b.nc", None, "centre")


def test_a_set_that_was_saved_is_drawn_anew(tmp_path: Path) -> None:
    stimuli = grid(Curve(length=9.0), angle=turn(3), radius=(3, 5))
    for form in ("png", "npz", "zarr"):
        export.save(stimuli, tmp_path / f"set.{form}", 6, format=form, renderer=EXACT)
    (tmp_path / "mine.json").write_text(text.to_json(stimuli))
    for path in ("set.png", "set.png/set.json", "set.npz", "set.zarr", "mine.json"):
        assert text.to_json(described(f"small.json --layer edges --stimuli {path}")) == text.to_json(stimuli)
    # A kind comes before a folder of its name.
    export.save(stimuli, tmp_path / "disc", 6)
    assert isinstance(described("small.json --stimuli disc").stimulus, Disc)
    assert isinstance(described("small.json --stimuli ./disc").stimulus, Curve)


# What is written, and printed.


def test_a_sweep_is_kept_and_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    line = "small.json --layer edges --stimuli curve --length 9 --angle 0:360:45 --radius 3,inf"
    tuned(f"{line} --chunk 5 --out new/a.zarr")
    captured = capsys.readouterr()
    wanted = tune(EDGES, grid(Curve(length=9), angle=turn(8), radius=(3, np.inf)), chunk=5)
    xr.testing.assert_identical(open_responses("new/a.zarr"), wanted)
    assert "new/a.zarr: angle 8, radius 2, unit 4" in captured.out
    assert "read-out centre: unit (0, 0), stimulus anchored on the centre" in captured.out
    assert "16/16" in captured.err
    for unit in range(4):
        best = wanted.isel(unit=unit)
        at = {name: values.item() for name, values in best.isel(best.argmax(...)).coords.items()}
        (row,) = [each for each in captured.out.splitlines() if f" {at['unit']} " in each]
        assert [each.strip() for each in row.split("│")[1:-1]] == [
            at["unit"],
            f"{float(best.max()):.3g}",
            f"{at['angle']:.4g}",
            f"{at['radius']:.4g}",
        ]
    # What it says to type is right.
    said: dict[str, Any] = {}
    exec("\n".join(each.strip() for each in captured.out.split("In Python:")[1].strip().splitlines()), said)
    xr.testing.assert_identical(said["responses"], wanted)
    assert said["by_stimulus"].response.sizes == {"stimulus": 16, "unit": 4}


def test_the_same_command_reads_what_is_there_and_another_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "small.json --layer edges --stimuli disc --radius 2,3,4"
    tuned(line)
    first = capsys.readouterr().out

    def computed(respond: object, constants: object, items: object, blocks: list[int], **_: object) -> list[object]:
        assert blocks == [], "something was computed"
        return []

    monkeypatch.setattr("circuitkit.sweep.stream", computed)
    tuned(line)
    assert capsys.readouterr().out == first
    said = refused(capsys, line.replace("3", "3.5"))
    assert "sweep.zarr holds another sweep: its " in said
    assert "Name another path, or remove it." in said


def test_units_read_outs_and_images_are_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    stimuli = "--stimuli disc --texture grating --texture.wavelength 4,6"
    drawn = grid(Disc(texture=Grating()), {"texture.wavelength": (4, 6)})
    probe = EDGES.net["edges", ["edges@90", 0]]
    tuned(f"small.json --layer edges --units edges@90,0 --read-out max --window 3 {stimuli} --out a.zarr")
    xr.testing.assert_identical(open_responses("a.zarr").compute(), tune(probe, drawn, read_out="max", window=3))
    tuned(f"small.json --layer edges --units edges@90,0 --size 12 --exact --samples 2 --read-out map {stimuli} --out b")
    found = open_responses("b").compute()
    assert found.attrs["image_size"] == (12, 12)
    assert found.attrs["renderer"] == "exact"
    assert found.dims == ("texture.wavelength", "row", "column", "unit")
    out = capsys.readouterr().out
    place = found.isel(unit=0).argmax(...)
    best = found.isel(unit=0).isel(place)
    (row,) = [each for each in out.splitlines() if " edges@90 " in each and f"{float(best):.3g}" in each][-1:]
    assert f"{float(best.unit_y):.4g}" in row
    assert f"{float(best.unit_x):.4g}" in row


def test_netcdf_is_written_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stimuli = "--stimuli disc --texture grating --texture.wavelength 4,6 --foreground #ff0000,1"
    tuned(f"small.json --layer edges {stimuli} --out deep/a.nc")
    drawn = grid(Disc(texture=Grating()), {"texture.wavelength": (4, 6)}, foreground=("#ff0000", 1))
    wanted = tune(EDGES, drawn)
    said: dict[str, Any] = {}
    exec("\n".join(capsys.readouterr().out.split("In Python:")[1].split("\n    ")), said)
    np.testing.assert_array_equal(said["responses"], wanted)
    xr.testing.assert_equal(said["responses"].drop_vars("foreground"), wanted.drop_vars("foreground"))
    assert said["responses"].attrs["read_out"] == wanted.attrs["read_out"]
    assert [each.name for each in (tmp_path / "deep").iterdir()] == ["a.nc"]
    before = (tmp_path / "deep" / "a.nc").read_bytes()
    assert "deep/a.nc is there already" in refused(capsys, f"small.json --layer edges {stimuli} --out deep/a.nc")
    assert (tmp_path / "deep" / "a.nc").read_bytes() == before


def test_a_sample_names_its_stimuli_and_many_units_are_cut_short(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many = Circuit("many", [Family("edges", Gabor(wavelength=4, sigma=1.5), angles=12, size=5)])
    (tmp_path / "many.json").write_text(to_json(many))
    tuned("many.json --layer edges --stimuli curve --sample 20 --angle uniform(0,360) --out a.zarr")
    out = capsys.readouterr().out
    assert "(10 of 12)" in " ".join(out.split())
    assert "edges@270 " in out
    assert "edges@300 " not in out
    found = open_responses("a.zarr").isel(unit=0).compute()
    best = int(np.argmax(found.values))
    drawn = sample(Curve(), 20, seed=0, angle=Uniform(0, 360))
    (row,) = [each for each in out.splitlines() if " edges@0 " in each]
    assert [each.strip() for each in row.split("│")[3:-1]] == [f"{best}", f"{drawn[best].angle:.4g}"]


def test_a_unit_that_says_nothing_has_no_best_stimulus(capsys: pytest.CaptureFixture[str]) -> None:
    tuned("small.json --layer edges --stimuli disc --contrast 0 --angle 0,90")
    assert "│ edges@0   │ 0, always │" in capsys.readouterr().out


@pytest.mark.parametrize("out", ["a.zarr", "a.nc"])
def test_an_interruption_says_how_much_is_done(
    out: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tune(EDGES, grid(Disc(), radius=(2, 3, 4, 5, 6)), chunk=2)

    def interrupted(*given: Any, progress: Any, **options: Any) -> xr.DataArray:
        def stop(done: int, total: int) -> None:
            progress(done, total)
            if done == 4:
                raise KeyboardInterrupt

        return tune(*given, progress=stop, **options)

    line = f"small.json --layer edges --stimuli disc --radius 2,3,4,5,6 --chunk 2 --out {out}"
    with monkeypatch.context() as patch:
        patch.setattr(command, "tune", interrupted)
        assert main(["tune", *line.split(" ")]) == 130
    captured = capsys.readouterr()
    assert captured.out == ""
    if out == "a.nc":
        assert "A .nc file is written at the end, so nothing is kept; a .zarr goes on where it was." in captured.err
        assert [path.name for path in tmp_path.iterdir()] == ["small.json"]
    else:
        assert "4 of 5 stimuli are done and kept in a.zarr: the same command goes on from there." in captured.err
        with xr.open_zarr(out) as opened:
            assert np.isnan(opened.response).all("unit").values.tolist() == [False] * 4 + [True]
        tuned(line)
        xr.testing.assert_identical(open_responses(out).compute(), whole)


# What is refused.


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("small.json", "needs --stimuli: name a kind of stimulus, such as curve, or a set that was saved"),
        ("small.json --stimuli", "needs --stimuli"),
        ("small.json --layer edges --raduis 3", "has no option '--raduis'"),
        ("small.json --stimuli disc", "--layer is missing: net 'small' has edges."),
        ("small.json --layer edgs --stimuli disc", "net 'small' has no layer 'edgs'. Did you mean 'edges'"),
        ("small.json --layer edges --units 4 --stimuli disc", "has no unit 4: it has 4 units, counted from 0"),
        ("small.json --layer edges --units edges@1 --stimuli disc", "has no unit 'edges@1'. Did you mean"),
        ("small.json --layer edges --stimuli dics", "--stimuli has no kind of stimulus 'dics'. Did you mean 'disc'"),
        ("small.json --layer edges --stimuli none.json", "the set 'none.json' cannot be read"),
        ("small.json --layer edges --stimuli small.json", "this JSON is no labelled set"),
        ("small.json --layer edges --stimuli .", "'.' holds no set that was saved, and is no kind of stimulus"),
        (
            "small.json --layer edges --stimuli disc --raduis 3",
            "disc has no option '--raduis'. Did you mean '--radius'",
        ),
        ("small.json --layer edges --stimuli disc --format png", "disc has no option '--format'"),
        ("small.json --layer edges --stimuli disc --radius -1", "Disc has radius=-1.0"),
        ("small.json --layer edges --stimuli disc --texture grat", "disc --texture has no kind of stimulus 'grat'"),
        ("small.json --layer edges --stimuli disc --read-out center", "invalid choice: 'center'"),
        (
            "small.json --layer edges --stimuli disc --window 3",
            "centre reads one unit: ask for read_out='max' or 'map'",
        ),
        (
            "small.json --layer edges --stimuli disc --read-out max --window 2",
            "an even window has no unit at its centre",
        ),
        ("small.json --layer edges --stimuli disc --window x", "--window got 'x': wanted a whole number, at least 1"),
        ("small.json --layer edges --stimuli disc --size 3", "too small for layer"),
        ("small.json --layer edges --stimuli disc --chunk 0", "--chunk got '0': wanted a whole number"),
        (
            "small.json --layer edges --stimuli disc --out a.npz",
            "--out got 'a.npz': wanted a Zarr store, such as sweep.z",
        ),
        ("small.json --layer edges --stimuli disc --out small.json/a.zarr", "cannot be written (Not a directory)"),
        (
            "small.json --layer edges --stimuli disc --out small.json/a.nc",
            "a.nc cannot be written (File exists): name another path",
        ),
        ("--mean 3 small.json --layer edges --stimuli disc", "got --mean: only an .onnx net is told how it wants"),
        ("none.json --layer edges --stimuli disc", "the spec 'none.json' cannot be read"),
        ("none.onnx --layer edges --stimuli disc", "none.onnx"),
        ("a.onnx --layer a --stimuli noise-texture --scale 3", "write --noise-texture.scale for the stimuli, and for"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_written(
    line: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(capsys, line)
    assert [path.name for path in tmp_path.iterdir()] == ["small.json"]


def test_what_netcdf_cannot_hold_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    line = "small.json --layer edges --stimuli disc --read-out map --size 2000 --angle 0:360:1 --out a.nc"
    said = refused(capsys, line)
    assert f"360 times {4 * 1996**2} responses are more than the 2 GiB of a .nc file: name a .zarr" in said
    said = refused(capsys, f"{line} --window 1999")
    assert f"360 times {4 * 1999**2} responses" in said


def test_without_zarr_the_way_out_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zarr", None)
    assert "zarr is not installed" in refused(capsys, "small.json --layer edges --stimuli disc")
    tuned("small.json --layer edges --stimuli disc --out a.nc")


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    for line in ("--help", "small.json --help", "small.json --layer edges --stimuli curve --help"):
        with pytest.raises(SystemExit) as stop:
            main(["tune", *line.split(" ")])
        assert stop.value.code == 0
        said = " ".join(capsys.readouterr().out.split())
        assert "--read-out" in said
        assert ("--radius PIXELS" in said) == ("curve --help" in line)
        if "curve --help" in line:
            assert "circuitkit tune small.json --layer edges --stimuli curve --angle 0:360:30" in said
        else:
            assert "circuitkit tune handbuilt.curves --layer curves --stimuli curve --angle 0:360:10" in said


def test_a_trained_net_is_shown_stimuli(data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = str(data_folder / "nets" / "squeezenet1_1.onnx")
    line = f"{net} --layer fire2 --units 1,5 --stimuli curve --angle 0,90 --read-out max --window 3 --out a.zarr"
    tuned(line)
    assert open_responses("a.zarr").unit.values.tolist() == ["fire2:1", "fire2:5"]
    capsys.readouterr()
    assert "holds another sweep" in refused(capsys, f"{line} --colours BGR")
    tuned(f"--scale 2 {net} --layer fire2 --stimuli noise-texture --noise-texture.scale 3,4 --out b.zarr")
    assert open_responses("b.zarr").dims == ("scale", "unit")
    assert set(parameters(CATALOGUE["NoiseTexture"])) & set(command.PREPROCESSING) == {"scale"}
