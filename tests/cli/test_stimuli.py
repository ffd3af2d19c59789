"""`circuitkit stimuli` as a user types it: what each syntax means, what is written, and what is refused."""

import argparse
import math
from pathlib import Path

import numpy as np
import pytest

from circuitkit.cli import stimuli as command
from circuitkit.cli.main import main
from circuitkit.stimuli import CATALOGUE, Curve, Disc, Grid, Sample, export, grid, text, turn
from circuitkit.stimuli.parameter import parameters
from circuitkit.stimuli.patterns import Grating, Picture
from circuitkit.viz.sheet import contact_sheet


def described(line: str) -> Grid | Sample:
    """Returns the set that a command line describes."""
    kind, *arguments = line.split(" ")
    found, _ = command.read(kind, arguments)
    assert isinstance(found, Grid | Sample)
    return found


def refused(capsys: pytest.CaptureFixture[str], line: str) -> str:
    """Runs a command that must fail, and returns what it said."""
    assert main(["stimuli", *line.split(" ")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return " ".join(captured.err.split())


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["stimuli", *arguments])
    assert stop.value.code == 0
    return capsys.readouterr().out


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    from PIL import Image

    path = tmp_path / "picture.png"
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(path)
    return path


# Values.


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("8,16,32", [8, 16, 32]),
        ("0:360:90", [0, 90, 180, 270]),
        ("0:1:0.1", [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]),
        ("0:25:10", [0, 10, 20]),
        ("10:-10:-5", [10, 5, 0, -5]),
        ("-20:20:lin5", [-20, -10, 0, 10, 20]),
        ("-2,3", [-2, 3]),
        ("0:90:45,180", [0, 45, 180]),
        ("1e1, .5", [10, 0.5]),
    ],
)
def test_numbers_are_written_as_lists_and_ranges(written: str, values: list[float]) -> None:
    for arguments in (["--angle", written], [f"--angle={written}"]):
        found, _ = command.read("curve", arguments)
        assert found.coords["angle"][1] == values


def test_log_ranges_include_both_ends() -> None:
    radii = described("curve --radius 8:64:log4").coords["radius"][1]
    np.testing.assert_allclose(radii, [8, 16, 32, 64])
    assert described("curve --radius 8,inf").coords["radius"][1] == [8, math.inf]


def test_one_value_stays_and_the_axes_come_as_they_are_typed() -> None:
    found = described("curve --width 3 --radius 10,20 --angle 0:360:90 --polarity -1")
    assert found.dims == ("radius", "angle")
    assert found.shape == (2, 4)
    assert repr(found.stimulus) == "Curve(polarity=-1, width=3)"
    assert described("curve --angle 0:360:90 --radius 10,20").dims == ("angle", "radius")
    assert len(described("curve --width 3")) == 1


def test_what_is_zipped_varies_together() -> None:
    found = described("curve --radius 10,20 --angle 0:360:90 --width 2,4 --zip radius,width")
    assert found.dims == ("radius", "angle")
    assert found.table()[["radius", "width"]].drop_duplicates().to_numpy().tolist() == [[10, 2], [20, 4]]


def test_colours_are_hex_or_grey() -> None:
    found = described("disc --foreground #ff0000,0 --background -0.5")
    assert found.coords["foreground"][1] == ["#ff0000", "#808080"]
    assert found.stimulus.background == -0.5


def test_parts_have_options_of_their_own() -> None:
    found = described("disc --texture grating --texture.wavelength 4,8 --occluder disc --occluder.x -5:5:5")
    assert found.dims == ("texture.wavelength", "occluder.x")
    assert isinstance(found.stimulus, Disc)
    assert isinstance(found.stimulus.texture, Grating)
    deep = described("union --first disc --first.texture grating --first.texture.phase 90 --second bar")
    assert deep.stimulus.first.texture.phase == 90


def test_the_name_of_a_kind_is_taken_as_it_is_spelt() -> None:
    for name in ("square-grating", "SquareGrating", "square_grating", "squaregrating"):
        assert type(described(f"{name} --angle 0,90").stimulus).__name__ == "SquareGrating"


def test_an_image_and_a_stimulus_may_both_have_a_size() -> None:
    sized = [cls for cls in CATALOGUE.values() if {*parameters(cls)} & {*command.COMMON}]
    for cls in sized:
        name = next(iter({*parameters(cls)} & {*command.COMMON}))
        found, chosen = command.read(command.kebab(cls), ["--size", "32", f"--{command.kebab(cls)}.{name}", "5,6"])
        assert (found.dims, chosen.size) == ((name,), "32")


def test_samples_are_drawn_from_distributions() -> None:
    line = "curve --sample 50 --seed 7 --angle uniform(0,360) --radius log(8,60) --x normal(0,2,-1,1) --width 3"
    found = described(f"{line} --foreground choice(#ff0000,#00ff00) --polarity choice(1,-1)")
    assert isinstance(found, Sample)
    assert (len(found), found.seed) == (50, 7)
    assert {name: repr(each) for name, each in found.distributions.items()} == {
        "angle": "Uniform(0, 360)",
        "radius": "LogUniform(8, 60)",
        "x": "Normal(0, 2, -1, 1)",
        "foreground": "Choice((1.0, -1.0, -1.0), (-1.0, 1.0, -1.0))",
        "polarity": "Choice(1.0, -1.0)",
    }
    assert set(found.table().width) == {3}
    assert not found.table().equals(described(line.replace("7", "8")).table())
    assert described("curve --seed 7").stimulus.seed == 7


# What is written.


def test_a_grid_is_written_with_its_overview(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "curves"
    line = ["curve", "--radius", "4,8", "--angle", "0:360:90", "--size", "12x16", "--exact", "--out", str(out)]
    assert main(["stimuli", *line]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    said = "".join(captured.err.split())
    assert f"8imagesof12x16pixelsin{out},andanoverviewin{out}_sheet.png" in said
    loaded = export.load(out)
    assert text.to_json(loaded.definition) == text.to_json(grid(Curve(), radius=(4, 8), angle=turn(4)))
    assert loaded.images().shape == (8, 12, 16, 1)
    assert loaded.renderer.exact
    assert (tmp_path / "new" / "curves_sheet.png").stat().st_size > 1000
    assert "holds another set, with height 12 instead of 13" in refused(
        capsys, f"curve --radius 4,8 --angle 0:360:90 --size 13 --exact --out {out}"
    )
    assert main(["stimuli", *line, "--overwrite"]) == 0
    # A definition makes a set again, and so does what it was saved as.
    again = tmp_path / "again.npz"
    assert main(["stimuli", str(out / "set.json"), "--size", "12x16", "--out", str(again)]) == 0
    np.testing.assert_array_equal(export.load(again).table(), loaded.table())


def test_a_preview_writes_nothing_else(tmp_path: Path) -> None:
    assert main(["stimuli", "disc", "--angle", "0,90", "--size", "8", "--preview", "--out", str(tmp_path / "a")]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a_sheet.png"]


def test_an_interruption_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(export, "save", interrupted)
    assert main(["stimuli", "disc", "--out", str(tmp_path / "a")]) == 130
    assert "The same command goes on where this one was." in capsys.readouterr().err


# Every kind of the catalogue.


def line_for(cls: type, picture: Path) -> list[str]:
    """Returns the options without which a kind cannot be drawn."""
    kinds = {"picture": str(picture), "part": "disc"}
    needed = command._required(cls)
    return [each for name in needed for each in (f"--{name}", kinds[parameters(cls)[name].kind])]


OURS = {name: cls for name, cls in command.kinds().items() if cls.__module__.startswith("circuitkit.")}


def test_every_kind_but_photographs_can_be_drawn() -> None:
    assert {*CATALOGUE.values()} - {*command.kinds().values()} == {CATALOGUE["Photograph"]}


@pytest.mark.parametrize("name", OURS)
def test_every_kind_can_be_drawn_and_explains_itself(
    name: str, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cls = OURS[name]
    found, _ = command.read(command.kebab(cls), line_for(cls, picture))
    image = np.asarray(found[0].draw(16))
    assert image.shape[:2] == (16, 16)
    assert np.isfinite(image).all()
    said = shown(capsys, command.kebab(cls), "--help")
    for parameter, declared in parameters(cls).items():
        assert f"{command._flag(cls, parameter)} " in said
        assert " ".join(declared.doc.split()[:3]) in " ".join(said.split())
    example = said.split("Example:")[1].split()
    assert example[:3] == ["circuitkit", "stimuli", command.kebab(cls)]
    if cls is not Picture:
        assert len(command.read(example[2], example[3:])[0]) == 24


def test_help_lists_every_kind_with_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, "--help")
    for name in OURS:
        assert f"  {name} " in said
    assert "Paths: figures drawn as a line:" in said
    assert "circuitkit stimuli curve --radius 8:60:log12" in said


def test_help_of_a_part_is_there_when_the_part_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--texture.wavelength" in shown(capsys, "disc", "--texture", "grating", "--help")
    assert "--texture.wavelength" not in shown(capsys, "disc", "--help")


# What is refused.


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("curv", "has no kind of stimulus 'curv'. Did you mean 'curve'"),
        ("curve --raduis 3", "has no option '--raduis'. Did you mean '--radius'"),
        ("curve --radius=3 --ouut=a", "has no option '--ouut'. Did you mean '--out'"),
        ("curve --rad 3", "has no option '--rad'"),
        ("curve --radius 3 7", "got '7', which belongs to no option"),
        ("curve --radius", "argument --radius: expected one argument"),
        ("curve --radius 3,x", "--radius got 'x': wanted a number of pixels above 0, or infinity; or a list or range"),
        ("curve --radius 1:2", "--radius got '1:2': wanted"),
        ("curve --radius 1:9:log", "--radius got '1:9:log': wanted"),
        ("curve --radius 1:9:0", "--radius got '1:9:0': wanted"),
        ("curve --radius 9:1:2", "--radius got '9:1:2', which holds nothing"),
        ("curve --radius 0:9:log3", "log(0.0, 9.0, 3) has no values"),
        ("curve --radius 1:9:log1", "wanted at least 2 values, since both ends are included"),
        ("curve --radius 0", "Curve has radius=0.0: wanted a number of pixels above 0"),
        ("curve --radius #ff0000", "--radius got '#ff0000': wanted"),
        ("curve --foreground #ff00", "--foreground='#ff00': wanted a colour such as '#ff8800'"),
        ("curve --angle uniform(0,1)", "--angle is Uniform(0, 1), which takes --sample N"),
        ("curve --sample 3 --angle unifrom(0,1)", "has no distribution 'unifrom'. Did you mean 'uniform'"),
        ("curve --sample 3 --angle uniform(0)", "--angle got uniform(0): wanted uniform(low, high)"),
        ("curve --sample 3 --angle normal(a,b)", "--angle got normal(a,b): wanted normal(mean, sd"),
        ("curve --sample 3 --angle 0,90", "--angle makes a grid, and --sample draws at random"),
        ("curve --sample 0", "--sample got '0': wanted a whole number, at least 1"),
        ("curve --sample 3 --seed 1.5", "--seed got '1.5': wanted a whole number, at least 0"),
        ("curve --radius 1,2 --zip radius,width", "--zip radius,width names 'width', which has no several values"),
        ("curve --radius 1,2 --width 1,2,3 --zip radius,width", "zipped got {'radius': 2, 'width': 3} values"),
        ("curve --texture gratin", "has no kind of stimulus 'gratin'. Did you mean 'grating'"),
        ("curve --texture.wavelength 4", "has no option '--texture.wavelength'. Did you mean '--texture'"),
        ("union", "union needs --first: name a kind of stimulus, such as disc"),
        ("picture", "picture needs --image: name a file"),
        ("picture --image none.png", "'none.png' cannot be read"),
        ("curve --size 3x", "--size got '3x': wanted a whole number of pixels, or HEIGHTxWIDTH"),
        ("curve --samples 0", "--samples got '0': wanted a whole number"),
        ("curve --format jpg", "argument --format: invalid choice: 'jpg'"),
        ("none.json", "the set 'none.json' cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    line: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, line)
    assert list(tmp_path.iterdir()) == []


def test_a_set_must_come_first(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["stimuli"], ["stimuli", "--out", "a", "curve"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
    assert "circuitkit stimuli KIND [options]" in capsys.readouterr().err


def test_reading_needs_no_state() -> None:
    _, chosen = command.read("curve", ["--radius", "3"])
    assert isinstance(chosen, argparse.Namespace)
    assert (chosen.size, chosen.out, chosen.preview) == ("64", "stimuli", False)


# The overview.


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.texts] + [axes.get_title() for axes in figure.axes]


def test_a_grid_of_two_dimensions_is_shown_along_both() -> None:
    stimuli = grid(Curve(), radius=(4, 8, math.inf), angle=turn(36))
    figure = contact_sheet(stimuli, 8)
    assert len(figure.axes) == 3 * 12
    said = texts(figure)
    assert {"4", "8", "∞", "0", "30", "330"} <= set(said)
    assert any("columns: angle (degrees); rows: radius (pixels); 36 of 108" in each for each in said)
    # What stands in a row and a column is what their labels say, whichever dimension came first.
    other = contact_sheet(grid(Curve(), angle=turn(36), radius=(4, 8, math.inf)), 8)
    for one, two in zip(figure.axes, other.axes, strict=True):
        np.testing.assert_allclose(one.images[0].get_array(), two.images[0].get_array(), atol=1e-5)
    wanted = (Curve(radius=8, angle=30).draw(8)[..., 0] + 1) / 2
    np.testing.assert_allclose(figure.axes[12 + 1].images[0].get_array(), wanted, atol=1e-5)


def test_any_other_set_is_shown_by_examples() -> None:
    by_value = contact_sheet(grid(Curve(foreground="#00ff00"), angle=turn(3)), 8)
    assert {"0", "120", "240"} <= set(texts(by_value))
    assert by_value.axes[0].images[0].get_array().shape == (8, 8, 3)
    many = grid(Curve(), angle=turn(5), radius=(4, 5, 6, 7, 8), width=(1, 2, 3, 4))
    figure = contact_sheet(many, (8, 6))
    assert len(figure.axes) == 50
    assert "98" in texts(figure)
    chunk = next(many.chunks(8, chunk=7, start=3))
    assert {"3", "9"} <= set(texts(contact_sheet(chunk)))
