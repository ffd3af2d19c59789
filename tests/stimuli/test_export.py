"""Sets as files: what was saved comes back, interrupted or not, and what was changed or does not fit is refused."""

import csv
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitkit.build import build
from circuitkit.errors import SpecError, StimulusError, UnknownNameError
from circuitkit.probe import HandbuiltNet
from circuitkit.spec import Circuit, Family, Gabor
from circuitkit.stimuli import (
    EXACT,
    Choice,
    Curve,
    Disc,
    LabelledSet,
    LogUniform,
    Normal,
    Uniform,
    export,
    grid,
    sample,
    text,
    turn,
    zipped,
)
from circuitkit.stimuli.patterns import Grating, Picture
from circuitkit.stimuli.text import from_json, to_json
from circuitkit.sweep import tune
from tests.strategies import numbers, unchecked

SIZE = (8, 6)
FORMATS = ("png", "npz", "zarr")
HALF_A_LEVEL = 0.5 / 127.5 + 1e-6
COLOURS = [(1.0, -1.0, 0.25), 0.3, (0.0, 0.1, -0.7)]


@st.composite
def small_sets(draw: st.DrawFn) -> LabelledSet:
    stimulus = Disc(radius=draw(numbers(1, 3)), texture=draw(st.sampled_from([None, Grating(wavelength=4)])))
    radii = draw(st.lists(st.floats(0.5, 1e6), min_size=1, max_size=3))
    with unchecked():
        if draw(st.booleans()):
            colours = draw(st.sampled_from([[0.1, 0.9, -0.3], COLOURS]))[: len(radii)]
            return grid(
                stimulus, zipped(radius=radii, inside=colours), angle=draw(st.lists(numbers(-400, 400), min_size=1))
            )
        drawn = sample(
            stimulus,
            draw(st.integers(1, 9)),
            seed=draw(st.integers(0, 2**40)),
            radius=LogUniform(0.5, 9),
            x=Normal(0, 2, -3, 3),
            angle=Uniform(-180, 180),
            outside=Choice(*draw(st.sampled_from([(0.1, 0.2), ("#ff0000", 0.5)]))),
        )
        return drawn[::-2] if draw(st.booleans()) else drawn


@settings(max_examples=4)
@given(stimuli=small_sets())
def test_saving_changes_nothing(tmp_path_factory: pytest.TempPathFactory, stimuli: LabelledSet) -> None:
    drawn = stimuli.images(*SIZE)
    for kind in FORMATS:
        loaded = export.load(export.save(stimuli, tmp_path_factory.mktemp("saved") / "set", SIZE, format=kind))
        pd.testing.assert_frame_equal(loaded.table(), stimuli.table(), check_exact=True)
        pd.testing.assert_frame_equal(loaded.table([0]), stimuli.table([0]), check_exact=True)
        if kind == "png":
            assert np.abs(loaded.images() - np.clip(drawn, -1, 1)).max() <= HALF_A_LEVEL
        else:
            np.testing.assert_array_equal(loaded.images(), drawn)
        assert loaded.definition is not None
        assert text.to_json(loaded.definition) == text.to_json(stimuli)
        assert (loaded.dims, loaded.shape, len(loaded)) == (stimuli.dims, stimuli.shape, len(stimuli))
        assert repr(loaded[len(stimuli) - 1]) == repr(stimuli[len(stimuli) - 1])


RINGS = grid(Curve(length=9.0), angle=turn(5), radius=(2.0, 3.0))


@pytest.fixture
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes ten stimuli enough for several chunks, several folders and several blocks of a table."""
    monkeypatch.setattr("circuitkit.stimuli.sets.block_size", lambda *_: 3)
    monkeypatch.setattr(export, "_BYTES_OF_A_ZARR_CHUNK", 3 * 4 * 8 * 6)
    monkeypatch.setattr(export, "_IN_A_FOLDER", 4)
    monkeypatch.setattr(export, "ROWS", 4)
    monkeypatch.setattr("circuitkit.stimuli.saved.ROWS", 4)


def contents(path: Path) -> dict[str, bytes]:
    if path.is_file():
        return {"": path.read_bytes()}
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


class StopError(Exception):
    pass


def stop_after(calls: int) -> export.Progress:
    seen = []

    def progress(done: int, total: int) -> None:
        assert total == len(RINGS)
        seen.append(done)
        assert seen == sorted(seen)
        if len(seen) == calls:
            raise StopError

    return progress


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("calls", [1, 2, 4])
def test_an_interruption_changes_nothing(tmp_path: Path, kind: str, calls: int) -> None:
    whole = export.save(RINGS, tmp_path / "whole", SIZE, format=kind)
    with pytest.raises(StopError):
        export.save(RINGS, tmp_path / "cut", SIZE, format=kind, progress=stop_after(calls))
    assert not (tmp_path / "cut").exists()
    with pytest.raises(StimulusError, match="cut is not complete: its saving was interrupted"):
        export.load(tmp_path / "cut")
    begun = tmp_path / "cut.part"
    if kind == "png":
        # Killed in the middle of a file, and with later files there already.
        (begun / "0" / ".00001.png.part").write_bytes(b"half")
        (begun / "1").mkdir(exist_ok=True)
        (begun / "1" / "00007.png").write_bytes(b"of a thread that was ahead")
        (begun / "0" / "00001.png").unlink()
    if kind == "zarr":
        last = max((begun / "images" / "c").iterdir()) / "0" / "0" / "0"
        last.write_bytes(last.read_bytes()[:20])
        last.with_name("0.123abc.partial").write_bytes(b"half")
    seen: list[int] = []
    export.save(RINGS, tmp_path / "cut", SIZE, format=kind, progress=lambda done, _: seen.append(done))
    assert seen[-1] == len(RINGS)
    assert contents(tmp_path / "cut") == contents(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut", "whole"]


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize("kind", FORMATS)
def test_another_seed_gives_other_files(tmp_path: Path, kind: str) -> None:
    paths = [
        export.save(sample(Curve(), 7, seed=seed, angle=Uniform(0, 360)), tmp_path / f"{seed}", SIZE, format=kind)
        for seed in (0, 1)
    ]
    assert contents(paths[0]) != contents(paths[1])


KILLED = """
import os, signal, sys
from circuitkit.stimuli import Curve, export, grid, turn
seen = []
def progress(done, total):
    seen.append(done)
    if len(seen) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
export.save(grid(Curve(), angle=turn(2500)), sys.argv[1], (4, 3), progress=progress)
"""


@pytest.mark.slow
def test_a_killed_process_leaves_what_the_same_call_goes_on_with(tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "cut")], check=False)
    assert run.returncode == -signal.SIGKILL
    there = len(list((tmp_path / "cut.part").glob("*.png")))
    assert there == 2048
    seen: list[int] = []
    stimuli = grid(Curve(), angle=turn(2500))
    export.save(stimuli, tmp_path / "cut", (4, 3), progress=lambda done, _: seen.append(done))
    assert seen == [2048, 2500]
    whole = export.save(stimuli, tmp_path / "whole", (4, 3))
    assert contents(tmp_path / "cut") == contents(whole)


@pytest.mark.usefixtures("_small_blocks")
def test_what_is_there_already_is_not_drawn_again(tmp_path: Path) -> None:
    path = export.save(RINGS, tmp_path / "set", SIZE)
    export.save(RINGS, path, SIZE, progress=stop_after(1))
    with pytest.raises(StopError):
        export.save(RINGS, path, SIZE, progress=stop_after(1), overwrite=True)
    export.load(path)  # until the new one is complete
    (path / "0" / "00002.png").unlink()
    with pytest.raises(StimulusError, match="00002.png is missing, and metadata.csv names it"):
        export.save(RINGS, path, SIZE)
    export.save(RINGS, path, SIZE, overwrite=True)
    assert len(export.load(path).images()) == len(RINGS)


# The conventions of others.


@pytest.mark.usefixtures("_small_blocks")
def test_a_png_folder_is_an_image_folder(tmp_path: Path) -> None:
    """`file_name` first, relative to metadata.csv, each file named once, and no image that is not named."""
    path = export.save(RINGS, tmp_path / "set", SIZE)
    with (path / "metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert next(iter(rows[0])) == "file_name"
    names = [row["file_name"] for row in rows]
    assert names[3:5] == ["0/00003.png", "1/00004.png"]
    assert sorted(names) == sorted(str(file.relative_to(path)) for file in path.rglob("*.png"))
    assert {file.name for file in path.rglob("*.*")} - {Path(name).name for name in names} == {
        "metadata.csv",
        "set.json",
    }
    assert [float(row["angle"]) for row in rows] == RINGS.table().angle.tolist()


def test_grey_is_one_channel_and_colour_three(tmp_path: Path) -> None:
    from PIL import Image

    with Image.open(export.save(RINGS, tmp_path / "grey", SIZE) / "00000.png") as image:
        assert (image.mode, image.size) == ("L", SIZE[::-1])
        assert image.getpixel((0, 7)) == 128
    red = grid(Curve(foreground="#ff0000", width=9), angle=turn(1))
    with Image.open(export.save(red, tmp_path / "red", SIZE) / "00000.png") as image:
        assert (image.mode, image.getpixel((2, 4))) == ("RGB", (255, 0, 0))


def test_bytes_round_and_clip() -> None:
    values = np.array([-9, -1, -0.999, 0, 0.004, 1, 1.5], np.float32).reshape(1, 1, -1, 1)
    assert export.to_bytes(values).ravel().tolist() == [0, 0, 0, 128, 128, 255, 255]


def test_the_definition_is_readable_by_itself(tmp_path: Path) -> None:
    path = export.save(RINGS, tmp_path / "set", SIZE, renderer=EXACT)
    written = (path / "set.json").read_text()
    assert text.to_json(text.from_json(written)) == text.to_json(RINGS)
    saved = json.loads(written)["saved"]
    assert (saved["height"], saved["width"], saved["renderer"]) == (8, 6, {"exact": True, "samples": 1})
    assert saved["values"] == "value = byte / 127.5 - 1"
    assert "circuitkit" in saved["versions"]


def test_xarray_reads_a_zarr(tmp_path: Path) -> None:
    stimuli = grid(Disc(texture=Grating()), {"texture.wavelength": (3.0, 4.0)}, x=(0.0, 1.5))
    with xr.open_zarr(export.save(stimuli, tmp_path / "set.zarr", SIZE)) as data:
        assert data.images.dims == ("stimulus", "row", "column", "channel")
        assert data.coords["texture.wavelength"].dims == ("stimulus",)
        assert data.x.values.tolist() == [0, 1.5, 0, 1.5]
        assert data.texture.values.tolist() == ["Grating"] * 4
        np.testing.assert_array_equal(data.images, stimuli.images(*SIZE))


def test_numpy_reads_an_npz_without_pickle(tmp_path: Path) -> None:
    with np.load(export.save(RINGS, tmp_path / "set.npz", SIZE), allow_pickle=False) as data:
        np.testing.assert_array_equal(data["images"], RINGS.images(*SIZE))
        np.testing.assert_array_equal(data["radius"], RINGS.table().radius)
        assert text.to_json(text.from_json(str(data["definition"]))) == text.to_json(RINGS)


# What was changed is noticed.


def change(file: Path, old: str, new: str) -> None:
    content = file.read_text()
    assert old in content
    file.write_text(content.replace(old, new, 1))


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-30])


def flip_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-25] ^= 1
    file.write_bytes(content)


SAMPLE = sample(Curve(), 4, seed=3, angle=Uniform(0, 360))


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (
            lambda folder: change(folder / "metadata.csv", "20.0", "20.5"),
            r"image 0 is labelled radius=20.5.* it is 20.0",
        ),
        (lambda folder: change(folder / "set.json", '"seed": 3', '"seed": 4'), "image 0 is labelled angle="),
        (lambda folder: change(folder / "set.json", '"count": 4', '"count": 5'), "labels of 4 images.* says 5"),
        (
            lambda folder: change(folder / "set.json", '"Curve"', '"Curvy"'),
            "has no class 'Curvy'. Did you mean 'Curve'",
        ),
        (lambda folder: change(folder / "set.json", '"saved"', '"svaed"'), "set.json was not written by save"),
        (lambda folder: change(folder / "metadata.csv", "radius", "raduis"), "contradicts: see column 'radius'"),
        (lambda folder: change(folder / "metadata.csv", "file_name", "name"), "has no column file_name"),
        (lambda folder: change(folder / "metadata.csv", ",90.0\n00001", "\n00001"), r"line 2 has 19 fields of 20"),
        (lambda folder: change(folder / "metadata.csv", "00002.png", "../2.png"), r"2.png is missing"),
        (
            lambda folder: change(folder / "metadata.csv", "00002.png", "00001.png"),
            "00002.png is there, and .* not name",
        ),
        (lambda folder: (folder / "00003.png").unlink(), "00003.png is missing, and metadata.csv names it"),
        (lambda folder: (folder / "metadata.csv").unlink(), "holds no metadata.csv"),
        (lambda folder: (folder / "metadata.csv").write_text(""), "has no column file_name"),
        (lambda folder: (folder / "metadata.csv").write_bytes(b"\xff\xfe\xfd"), "cannot be read"),
    ],
)
def test_a_folder_that_was_changed_is_refused(tmp_path: Path, tamper, message: str) -> None:
    path = export.save(SAMPLE, tmp_path / "set", SIZE)
    export.load(path)
    tamper(path)
    with pytest.raises(StimulusError, match=message):
        export.load(path)


@pytest.mark.parametrize("tamper", [cut_short, flip_a_byte, lambda file: file.write_bytes(b"")])
def test_a_broken_png_is_named(tmp_path: Path, tamper) -> None:
    path = export.save(SAMPLE, tmp_path / "set", SIZE)
    tamper(path / "00002.png")
    loaded = export.load(path)
    loaded[:2].images(*SIZE)
    with pytest.raises(StimulusError, match="00002.png cannot be read"):
        loaded.images()


def test_a_png_of_another_size_is_named(tmp_path: Path) -> None:
    path = export.save(SAMPLE, tmp_path / "set", SIZE)
    other = export.save(SAMPLE, tmp_path / "other", 7)
    shutil.copy(other / "00001.png", path / "00001.png")
    with pytest.raises(StimulusError, match=r"00001.png has .* \(7, 7, 1\), and the set has \(8, 6, 1\)"):
        export.load(path).images()


def test_a_broken_npz_is_refused(tmp_path: Path) -> None:
    path = export.save(SAMPLE, tmp_path / "set.npz", SIZE)
    cut_short(path)
    with pytest.raises(StimulusError, match="set.npz is no .npz that save wrote, or not all of one"):
        export.load(path)
    np.savez(path, images=np.zeros(3))
    with pytest.raises(StimulusError, match="set.npz is no .npz that save wrote"):
        export.load(path)
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(StimulusError, match="array.npy is no .npz that save wrote"):
        export.load(tmp_path / "array.npy")
    path.write_text("no zip at all")
    with pytest.raises(StimulusError, match="set.npz"):
        export.load(path)


@pytest.mark.usefixtures("_small_blocks")
def test_a_broken_zarr_is_refused(tmp_path: Path) -> None:
    path = export.save(RINGS, tmp_path / "set.zarr", SIZE)
    (path / "images" / "c" / "1" / "0" / "0" / "0").unlink()
    loaded = export.load(path)
    loaded[:3].images(*SIZE)
    with pytest.raises(StimulusError, match="images is not whole: image 3 is missing"):
        loaded.images()
    cut_short(path / "images" / "c" / "2" / "0" / "0" / "0")
    with pytest.raises(StimulusError, match="images cannot be read at 6"):
        loaded[6:].images(*SIZE)
    shutil.rmtree(path / "angle")
    with pytest.raises(StimulusError, match="set.zarr contradicts itself: image 2 is labelled angle=0.0"):
        export.load(path)


def test_there_must_be_something(tmp_path: Path) -> None:
    with pytest.raises(StimulusError, match="there is no .*nothing: wanted a folder, a .npz or a .zarr"):
        export.load(tmp_path / "nothing")


# What is refused before anything is drawn.


@pytest.fixture
def _nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(*_: object, **__: object) -> None:
        raise AssertionError("something was drawn")

    monkeypatch.setattr(LabelledSet, "_chunks", drawn)


@pytest.mark.usefixtures("_nothing_is_drawn")
def test_what_cannot_be_saved_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match="save has no format 'pgn'. Did you mean 'png'"), unchecked():
        export.save(RINGS, tmp_path / "a", format="pgn")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="save has height=0: wanted a whole number, at least 1"):
        export.save(RINGS, tmp_path / "a", 0)
    (tmp_path / "file").touch()
    with pytest.raises(StimulusError, match="cannot write to .*file/a.* Name another path"):
        export.save(RINGS, tmp_path / "file" / "a")
    with pytest.raises(StimulusError, match="file is there already, and belongs to no saved set"):
        export.save(RINGS, tmp_path / "file", overwrite=True)
    for kind in FORMATS:
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2, 1, 1))
            with pytest.raises(StimulusError, match=f"10 images of 64x64 pixels take about 0.0 GiB as {kind}"):
                export.save(RINGS, tmp_path / "a", format=kind)
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(StimulusError, match="zarr is not installed: pip install zarr"):
        export.save(RINGS, tmp_path / "a.zarr")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_files_of_others_are_named_and_kept(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    for overwrite in (False, True):
        with pytest.raises(StimulusError, match="notes.txt is there already, and belongs to no saved set"):
            export.save(RINGS, tmp_path, SIZE, overwrite=overwrite)
    path = export.save(RINGS, tmp_path / "set", SIZE)
    for name in ("notes.txt", "00010.png"):
        (path / name).touch()
        for size in (SIZE, (9, 9)):
            with pytest.raises(StimulusError, match=f"{name} is there already, and does not belong to the set"):
                export.save(RINGS, path, size, overwrite=True)
        (path / name).unlink()
    store = export.save(RINGS, tmp_path / "set.zarr", SIZE)
    (store / "mine").touch()
    with pytest.raises(StimulusError, match="mine is there already, and does not belong to the set"):
        export.save(RINGS, store, (9, 9), overwrite=True)
    begun = tmp_path / "new.part"
    begun.mkdir()
    (begun / "00000.png").touch()
    with pytest.raises(StimulusError, match="00000.png is there already, and belongs to no saved set"):
        export.save(RINGS, tmp_path / "new", SIZE)


@pytest.mark.parametrize("kind", FORMATS)
def test_another_set_is_kept_unless_it_may_be_replaced(tmp_path: Path, kind: str) -> None:
    path = export.save(RINGS, tmp_path / "set", SIZE, format=kind)
    before = contents(path)
    other = grid(Curve(length=8.0), angle=turn(5), radius=(2.0, 3.0))
    more = grid(Curve(length=9.0), angle=turn(6))
    for stimuli, size, said in (
        (RINGS, 7, "height 8 instead of 7"),
        (other, SIZE, "length 9.0 instead of 8.0"),
        (more, SIZE, "count 10 instead of 6"),
    ):
        with pytest.raises(StimulusError, match=f"set holds another set, with {said}: name another path"):
            export.save(stimuli, path, size, format=kind)
    assert contents(path) == before
    export.save(more, path, SIZE, format=kind, overwrite=True)
    assert len(export.load(path)) == 6
    assert contents(path) == contents(export.save(more, tmp_path / "fresh", SIZE, format=kind))


# What comes back is a labelled set.


def probe() -> HandbuiltNet:
    edges = Family("edges", Gabor(wavelength=4, sigma=1.2), angles=4)
    return HandbuiltNet(build(Circuit("small", [edges])))


def test_a_sweep_over_saved_images_is_a_sweep_over_the_set(tmp_path: Path) -> None:
    edges = probe()["edges"]
    site = edges.site()
    assert site.height % 2 == 1
    wanted = tune(edges, RINGS)
    for size in (site.height, site.height + 4):
        saved = export.load(export.save(RINGS, tmp_path / f"{size}.npz", size))
        found = tune(edges, saved)
        xr.testing.assert_allclose(found, wanted)
        assert found.dims == ("angle", "radius", "unit")
    part = tune(edges, saved[1:4])
    np.testing.assert_allclose(part, wanted.values.reshape(10, -1)[1:4], atol=1e-6)
    with pytest.raises(StimulusError, match="middle falls between the pixels .* save the set at an odd size"):
        tune(edges, export.load(export.save(RINGS, tmp_path / "even.npz", site.height + 1)))
    with pytest.raises(StimulusError, match="save the set at that size or larger"):
        tune(edges, export.load(export.save(RINGS, tmp_path / "small.npz", site.height - 2)))
    with pytest.raises(StimulusError, match="was drawn with Renderer.exact=False, samples=1., and .*exact=True"):
        tune(edges, saved, renderer=EXACT)


def test_images_can_be_taken_in_chunks_and_cropped(tmp_path: Path) -> None:
    saved = export.load(export.save(RINGS, tmp_path / "set.npz", SIZE, renderer=EXACT))
    whole = saved.images()
    np.testing.assert_array_equal(np.concatenate([chunk.images for chunk in saved.chunks(chunk=4, start=3)]), whole[3:])
    np.testing.assert_array_equal(saved.images(4, 2), whole[:, 2:-2, 2:-2])
    np.testing.assert_array_equal(saved[[7, 2, 7]].images(*SIZE, renderer=EXACT), whole[[7, 2, 7]])
    pd.testing.assert_frame_equal(
        saved[[7, 2]].table().reset_index(drop=True), RINGS.table([7, 2]).reset_index(drop=True)
    )
    assert "Grid of 10 stimuli" in repr(saved)
    with pytest.raises(StimulusError, match="10x10 are wanted"):
        saved.images(10, 10)


def test_images_from_elsewhere_are_a_labelled_set(tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (3, 5, 4, 3), np.uint8)
    (tmp_path / "pictures").mkdir()
    for index, each in enumerate(pixels):
        Image.fromarray(each).save(tmp_path / "pictures" / f"{index}.png")
    (tmp_path / "metadata.csv").write_text(
        'file_name,breed,age\npictures/2.png,"pug, old",\npictures/0.png,NA,0.1\npictures/1.png,lab,3\n'
    )
    loaded = export.load(tmp_path)
    assert loaded.definition is None
    assert (len(loaded), loaded.dims) == (3, ("stimulus",))
    assert loaded.table().breed.tolist() == ["pug, old", "NA", "lab"]
    np.testing.assert_array_equal(loaded.table().age, [np.nan, 0.1, 3])
    np.testing.assert_array_equal(loaded.images(), pixels[[2, 0, 1]].astype(np.float32) / 127.5 - 1)
    np.testing.assert_array_equal(loaded[1:].images(5, 4), loaded.images()[1:])
    assert loaded.coords["breed"] == ("stimulus", ["pug, old", "NA", "lab"])
    assert list(loaded.varying(np.array([1]))) == ["age"]
    with pytest.raises(StimulusError, match="has no set.json, so nothing says where its images are anchored"):
        tune(probe()["edges"], loaded)
    with pytest.raises(StimulusError, match="has no set.json, so nothing says what its images show"):
        loaded[0]
    Image.fromarray(pixels[0]).convert("RGBA").save(tmp_path / "pictures" / "1.png")
    with pytest.raises(StimulusError, match="1.png holds pixels of kind 'RGBA'"):
        loaded.images()


def test_pictures_are_no_labels_and_colours_may_be_mixed() -> None:
    pictures = grid(Picture(image=np.zeros((2, 2))), angle=(0, 90))
    assert "image" not in pictures.table()
    assert Choice("#ff0000", 0.5).options == ((1.0, -1.0, -1.0), (0.5, 0.5, 0.5))
    with pytest.raises(StimulusError, match="Choice has option='red': wanted a colour such as '#ff8800'"):
        Choice("red")


def test_a_picture_of_ones_own_is_saved_with_its_pixels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).uniform(-1, 1, (6, 5, 3))
    shown = grid(Disc(radius=4, texture=Picture(image=pixels)), {"texture.angle": (0, 90)})
    export.save(shown, tmp_path / "a.npz", 9)
    again = export.load(tmp_path / "a.npz")
    assert again.definition is not None
    np.testing.assert_array_equal(again.images(), shown.images(9))
    np.testing.assert_array_equal(again.definition.images(9), shown.images(9))
    text = to_json(shown)
    with pytest.raises(StimulusError, match="the pixels of a picture in this text are damaged"):
        from_json(text.replace('"float32": "', '"float32": "AAAA'))
