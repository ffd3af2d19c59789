"""The store of a sweep: what was written comes back, an interruption loses nothing, and another sweep is refused."""

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitkit.build import build
from circuitkit.errors import StimulusError, StoreError
from circuitkit.probe import HandbuiltNet
from circuitkit.responses import Labels
from circuitkit.spec import Circuit, Family, Gabor
from circuitkit.stimuli import EXACT, Curve, Disc, Grid, LabelledSet, Uniform, export, grid, sample, turn, zipped
from circuitkit.stimuli.patterns import Grating
from circuitkit.stimuli.photographs import photographs
from circuitkit.store import Store, open_responses
from circuitkit.sweep import tune


def net(*, sigma: float = 1.5, name: str = "small") -> HandbuiltNet:
    edges = Family("edges", Gabor(wavelength=4, sigma=sigma), angles=4, size=5)
    bars = Family("bars", Gabor(wavelength=4, sigma=sigma, phase=0), angles=4, size=5)
    return HandbuiltNet(build(Circuit(name, [edges, bars])))


NET = net()
RINGS = grid(Curve(length=9.0), angle=turn(5), radius=(2.0, math.inf))
SHOWN: dict[str, Any] = {"chunk": 3}


def contents(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def blocks(path: Path) -> list[Path]:
    return sorted((path / "response").glob("c.*"))


@pytest.fixture
def _nothing_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def computed(respond: object, constants: object, items: object, blocks: list[int], **_: object) -> list[object]:
        assert blocks == [], "something was computed"
        return []

    monkeypatch.setattr("circuitkit.sweep.stream", computed)


# Blocks.

LABELS = Labels(("unit",), {"unit": ("unit", ["a", "b", "c"])}, {"net": "none", "image_size": (5, 4)})
VALUES = np.random.default_rng(0).normal(size=(len(RINGS), 3)).astype(np.float32)


def begin(path: Path, *, chunk: int = 3, stimuli: LabelledSet = RINGS, **identity: Any) -> Store:
    return Store.begin(path, stimuli, LABELS, identity={"chunk": chunk, **identity}, shape=(3,), chunk=chunk)


def kept(values: np.ndarray) -> np.ndarray:
    """Returns what a store of these values reads as, stimulus by stimulus."""
    return values.reshape(len(RINGS), -1)


@settings(max_examples=20)
@given(chunk=st.sampled_from([1, 3, 10]), order=st.permutations(range(10)), stop=st.integers(0, 10))
def test_what_was_written_comes_back_and_the_rest_is_still_to_come(
    tmp_path_factory: pytest.TempPathFactory, chunk: int, order: list[int], stop: int
) -> None:
    path = tmp_path_factory.mktemp("store") / "a.zarr"
    count = math.ceil(len(RINGS) / chunk)
    written = [number for number in order if number < count][:stop]
    store = begin(path, chunk=chunk)
    assert store.missing() == list(range(count))
    wanted = np.full_like(VALUES, np.nan)
    for number in written:
        part = slice(number * chunk, (number + 1) * chunk)
        store.write(number, VALUES[part])
        wanted[part] = VALUES[part]
    for again in (store, begin(path, chunk=chunk), Store.open(path)):
        assert again.missing() == sorted(set(range(count)) - set(written))
        assert again.done() == np.isfinite(wanted).all(axis=1).sum()
        np.testing.assert_array_equal(kept(again.read().values), wanted)
    with xr.open_zarr(path) as opened:
        np.testing.assert_array_equal(opened.response, wanted)


def test_a_block_in_the_wrong_place_is_noticed(tmp_path: Path) -> None:
    store = begin(tmp_path / "a.zarr")
    store.write(1, VALUES[:3])
    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(kept(store.read().values)[3:6], VALUES[3:6])


@pytest.mark.parametrize("left", ["truncated", "empty", "partial", "partial of zarr"])
def test_a_block_cut_short_is_computed_again(tmp_path: Path, left: str) -> None:
    whole = tune(NET["edges"], RINGS, store=tmp_path / "a.zarr", **SHOWN)
    before = contents(tmp_path / "a.zarr")
    block = blocks(tmp_path / "a.zarr")[1]
    if left.startswith("partial"):
        block.rename(block.with_name(f"{block.name}{'.partial' if left == 'partial' else '.0123.partial'}"))
    else:
        block.write_bytes(block.read_bytes()[:-4] if left == "truncated" else b"")
    others = [each for each in blocks(tmp_path / "a.zarr") if each != block and each.suffix != ".partial"]
    times = [each.stat().st_mtime_ns for each in others]
    seen: list[int] = []
    again = tune(NET["edges"], RINGS, store=tmp_path / "a.zarr", progress=lambda done, _: seen.append(done), **SHOWN)
    xr.testing.assert_identical(again, whole)
    assert seen == [10]
    assert [each.stat().st_mtime_ns for each in others] == times
    after = contents(tmp_path / "a.zarr")
    assert {name: after[name] for name in before} == before


def test_a_sweep_is_stored_to_the_same_bits_and_one_bit_is_noticed(tmp_path: Path) -> None:
    tune(NET["edges"], RINGS, store=tmp_path / "a.zarr", **SHOWN)
    tune(NET["edges"], RINGS, store=tmp_path / "b.zarr", **SHOWN)
    assert contents(tmp_path / "a.zarr") == contents(tmp_path / "b.zarr")
    block = blocks(tmp_path / "b.zarr")[0]
    altered = bytearray(block.read_bytes())
    altered[0] ^= 1  # the last bit of the first response
    block.write_bytes(altered)
    assert contents(tmp_path / "a.zarr") != contents(tmp_path / "b.zarr")
    with pytest.raises(AssertionError):
        xr.testing.assert_identical(open_responses(tmp_path / "a.zarr"), open_responses(tmp_path / "b.zarr"))


def test_a_disk_that_is_full_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: object) -> int:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.zarr"
    store = begin(path)
    store.write(0, VALUES[:3])
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(StoreError, match="cannot be written .No space left.*: what it holds is kept"):
            store.write(1, VALUES[3:6])
    assert begin(path).missing() == [1, 2, 3]


# Another sweep.


def reshown(**other: Any) -> Callable[[Path], xr.DataArray]:
    shown = {"probe": NET["edges"], "stimuli": RINGS, **SHOWN, **other}
    return lambda path: tune(shown.pop("probe"), shown.pop("stimuli"), store=path, **shown)


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "weights": ({"probe": net(sigma=1.6)["edges"]}, "its net's weights and operations are others"),
    "net": ({"probe": net(name="other")["edges"]}, "its net is 'small', and 'other' was asked for"),
    "layer": ({"probe": NET["bars"]}, "its layer is 'edges', and 'bars' was asked for"),
    "units": ({"probe": NET["edges", [1, 0]]}, "its units is .*edges@0.*, and .*edges@90.* was asked for"),
    "directions": (
        {"probe": NET["edges"].along(*np.eye(4)[::-1].tolist(), names=NET.unit_names("edges"))},
        "its net's weights and operations are others",
    ),
    "values": (
        {"stimuli": grid(Curve(length=9.0), angle=turn(5), radius=(2.5, math.inf))},
        r"radius is \[2.0, .*and \[2.5, ",
    ),
    "fixed": ({"stimuli": grid(Curve(length=8.0), angle=turn(5), radius=(2.0, math.inf))}, "9.0.*, and .*8.0"),
    "order": ({"stimuli": grid(Curve(length=9.0), radius=(2.0, math.inf), angle=turn(5))}, "angle.*, and .*radius"),
    "chunk": ({"chunk": 4}, "its chunk is 3, and 4 was asked for"),
    "read-out": ({"read_out": "max", "window": 3}, "its read-out is 'centre: .*, and 'max: "),
    "size": ({"size": 9}, "its read-out is .centre: unit .0, 0.*, and .centre: unit .2, 2."),
    "renderer": ({"renderer": EXACT}, "its renderer is .*exact=False.*, and .*exact=True"),
}


@pytest.mark.parametrize("change", OTHERS)
def test_another_sweep_is_refused_before_anything_is_computed(
    tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    path = tmp_path / "a.zarr"
    reshown()(path)
    before = contents(path)
    request.getfixturevalue("_nothing_is_computed")
    other, message = OTHERS[change]
    with pytest.raises(StoreError, match=f"a.zarr holds another sweep: .*{message}"):
        reshown(**other)(path)
    assert contents(path) == before
    reshown()(path)  # all of it is there


@pytest.mark.parametrize("key", ["platform", "versions"])
def test_another_machine_or_version_is_refused(tmp_path: Path, key: str) -> None:
    path = tmp_path / "a.zarr"
    reshown()(path)
    header = json.loads((path / "zarr.json").read_text())
    said = json.loads(header["attributes"]["circuitkit"])
    said["identity"][key] = "an older one"
    header["attributes"]["circuitkit"] = json.dumps(said)
    (path / "zarr.json").write_text(json.dumps(header))
    with pytest.raises(StoreError, match=f"its {key} is 'an older one', and .* was asked for"):
        reshown()(path)


# Something else.


def other_file(path: Path) -> None:
    path.write_text("mine")


def other_folder(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("mine")


def other_store(path: Path) -> None:
    xr.Dataset({"response": ("unit", np.zeros(3))}).to_zarr(path, consolidated=False)


def saved_zarr(path: Path) -> None:
    export.save(RINGS, path, 8, format="zarr")


def saved_png(path: Path) -> None:
    export.save(RINGS, path, 8, format="png")


def no_json(path: Path) -> None:
    path.mkdir()
    (path / "zarr.json").write_text("{")


@pytest.mark.usefixtures("_nothing_is_computed")
@pytest.mark.parametrize("make", [other_file, other_folder, other_store, saved_zarr, saved_png, no_json])
def test_something_else_is_refused_and_kept(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "a.zarr"
    make(path)
    before = contents(tmp_path)
    for attempt in (reshown(), open_responses):
        with pytest.raises(StoreError, match="a.zarr is no store of responses .*: name another path"):
            attempt(path)
    assert contents(tmp_path) == before


def test_a_later_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("circuitkit.store.FORMAT", "circuitkit responses 99")
    begin(tmp_path / "a.zarr")
    monkeypatch.undo()
    with pytest.raises(StoreError, match="has format 'circuitkit responses 99': wanted 'circuitkit responses 1'"):
        begin(tmp_path / "a.zarr")


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written .*: name another path"):
        begin(tmp_path / "file" / "a.zarr")


def test_there_must_be_a_store_to_open(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="a.zarr is no store of responses"):
        open_responses(tmp_path / "a.zarr")


def test_without_zarr_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(StimulusError, match=r"pip install zarr. Without it, .* responses as .nc"):
        tune(NET["edges"], RINGS, store=tmp_path / "a.zarr")
    assert list(tmp_path.iterdir()) == []


# The making of a store.


class StopError(Exception):
    """A kill, at a place of one's choice."""


@pytest.mark.parametrize("arrays", range(5))
def test_a_half_made_store_is_begun_anew(tmp_path: Path, arrays: int, monkeypatch: pytest.MonkeyPatch) -> None:
    create = zarr.Group.create_array
    made: list[str] = []

    def stopping(self: zarr.Group, name: str, **options: Any) -> Any:
        if len(made) == arrays:
            raise StopError
        made.append(name)
        return create(self, name, **options)

    def unlisted(_: object) -> None:
        raise StopError

    with monkeypatch.context() as patch:
        patch.setattr(zarr.Group, "create_array", stopping)
        patch.setattr(zarr, "consolidate_metadata", unlisted)
        with pytest.raises(StopError):
            begin(tmp_path / "a.zarr")
    assert made == ["angle", "radius", "unit", "response"][:arrays]
    with pytest.raises(StoreError, match="was interrupted before it had any responses: run the same sweep again"):
        open_responses(tmp_path / "a.zarr")
    with pytest.raises(StoreError, match="holds another sweep: its chunk is 3, and 4 was asked for"):
        begin(tmp_path / "a.zarr", chunk=4)
    begin(tmp_path / "a.zarr")
    begin(tmp_path / "b.zarr")
    assert contents(tmp_path / "a.zarr") == contents(tmp_path / "b.zarr")


@pytest.mark.parametrize("left", [[], ["zarr.0123.partial"]])
def test_an_empty_folder_is_begun(tmp_path: Path, left: list[str]) -> None:
    for name in left:
        (tmp_path / name).write_text('{"zarr_fo')
    begin(tmp_path).write(0, VALUES[:3])
    assert begin(tmp_path).missing() == [1, 2, 3]
    assert not list(tmp_path.glob("*.partial"))


# What comes back is what `tune` returns.


def varied() -> dict[str, tuple[LabelledSet, dict[str, Any]]]:
    drawn = sample(Curve(length=9.0, noise=0.1), 7, seed=3, angle=Uniform(0, 360))
    parts = grid(Disc(radius=3, texture=Grating()), {"texture.wavelength": (3.0, 4.0)}, angle=(0.0, 45.0))
    coloured = grid(Disc(radius=3), zipped(foreground=("#ff0000", 0.5), radius=(2, 3)), angle=(0.0, 90.0))
    return {
        "grid": (RINGS, {}),
        "one axis": (grid(Curve(length=9.0), angle=turn(7)), {}),
        "sample": (drawn, {}),
        "subset": (RINGS[[7, 2, 3, 3]], {}),
        "parts": (parts, {}),
        "colours": (coloured, {}),
        "map": (RINGS, {"read_out": "map", "window": 3}),
        "whole map": (drawn, {"read_out": "map", "size": 8}),
        "max": (drawn, {"read_out": "max", "size": 8}),
    }


@pytest.mark.parametrize("case", varied())
def test_a_store_reads_as_the_sweep_without_it(tmp_path: Path, case: str) -> None:
    stimuli, options = varied()[case]
    wanted = tune(NET["edges"], stimuli, **SHOWN, **options)
    path = tmp_path / "a.zarr"
    xr.testing.assert_identical(tune(NET["edges"], stimuli, store=path, **SHOWN, **options).compute(), wanted)
    xr.testing.assert_identical(open_responses(path).compute(), wanted)
    assert float(wanted.max()) > 0
    with xr.open_zarr(path) as opened:
        assert opened.response.dims[0] == "stimulus"
        np.testing.assert_array_equal(opened.response, wanted.values.reshape(opened.response.shape))
        table = stimuli.table()
        for name in varying(stimuli):
            np.testing.assert_array_equal(opened.response.coords[name], table[name])
        assert opened.response.attrs["net"] == "small"


def varying(stimuli: LabelledSet) -> list[str]:
    names = {*stimuli.varying(np.zeros(1, int))}
    found = [name for name in stimuli.table() if name in names or name.rpartition(".")[0] in names]
    assert len(found) >= len(names)
    return found


def test_what_varies_has_a_name_in_the_store(tmp_path: Path) -> None:
    assert {case: varying(stimuli) for case, (stimuli, _) in varied().items() if case in ("parts", "colours")} == {
        "parts": ["angle", "texture.wavelength"],
        "colours": ["angle", "foreground.red", "foreground.green", "foreground.blue", "radius"],
    }


def test_a_map_says_where_its_units_look(tmp_path: Path) -> None:
    stimuli, options = varied()["map"]
    found = tune(NET["edges"], stimuli, store=tmp_path / "a.zarr", **SHOWN, **options)
    assert isinstance(stimuli, Grid)
    assert found.unit_y.values.tolist() == [1, 0, -1]
    assert found.unit_x.values.tolist() == [-1, 0, 1]
    with xr.open_zarr(tmp_path / "a.zarr") as opened:
        assert opened.response.dims == ("stimulus", "row", "column", "unit")
        assert opened.unit_y.dims == ("row",)
        assert opened.unit.values.tolist() == list(NET.unit_names("edges"))


def test_photographs_keep_their_labels(tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    (tmp_path / "pictures").mkdir()
    for index in range(4):
        Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8)).save(tmp_path / "pictures" / f"{index}.png")
    pictures = photographs(tmp_path / "pictures")
    for number, stimuli in enumerate((pictures, pictures.vary(angle=(0.0, 90.0)))):
        wanted = tune(NET["edges"], stimuli, **SHOWN)
        path = tmp_path / f"{number}.zarr"
        xr.testing.assert_identical(tune(NET["edges"], stimuli, store=path, **SHOWN).compute(), wanted)
        xr.testing.assert_identical(open_responses(path).compute(), wanted)
        with xr.open_zarr(path) as opened:
            shown = stimuli.table()
            labels = [name for name in stimuli.coords if name in shown]
            assert labels
            for name in labels:
                assert opened[name].values.tolist() == shown[name].tolist()
