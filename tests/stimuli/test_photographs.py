"""Photographs: in any pose they are what a slow reference says, whatever they are stored in; bad files are named."""

import dataclasses
import io
import shutil
import struct
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Array, Float, UInt8

from circuitkit import nets
from circuitkit.errors import StimulusError, UnknownNameError
from circuitkit.stimuli import EXACT, FAST, Disc, Renderer, turn
from circuitkit.stimuli.parameter import parameters
from circuitkit.stimuli.patterns import Picture
from circuitkit.stimuli.photographs import Photograph, Photographs, photographs
from circuitkit.stimuli.sources import Decoder
from circuitkit.stimuli.text import from_json, to_json
from circuitkit.sweep import tune
from tests.strategies import numbers, unchecked

SIDE = 24
ROUNDING = 2e-6
"""Float32, where coordinates of a few tens of pixels are turned and colours of size 1 added up."""


def smooth(side: int, *, seed: int = 0, wavelength: float = 8) -> Float[np.ndarray, "side side 3"]:
    """A sum of waves no shorter than `wavelength`, far from mid grey on average."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    image = np.zeros((side, side, 3))
    for _ in range(12):
        angle, phase = rng.uniform(0, 2 * np.pi, 2)
        wave = np.cos(2 * np.pi * (np.cos(angle) * rows + np.sin(angle) * columns) / wavelength + phase)
        image += wave[:, :, None] * rng.uniform(-1, 1, 3)
    return (0.4 + 0.5 * image / np.abs(image).max()).astype(np.float32)


def noise(side: int, seed: int = 0) -> Float[np.ndarray, "side side 3"]:
    return np.random.default_rng(seed).uniform(-1, 1, (side, side, 3)).astype(np.float32)


def reference(
    picture: Float[np.ndarray, "rows columns 3"], height: int, width: int, values: Mapping[str, float]
) -> Float[np.ndarray, "h w 3"]:
    """The picture in any pose, in float64, from a large mirrored copy."""
    pose = dict.fromkeys(("x", "y", "angle", "centre_x", "centre_y"), 0.0) | {"flip": 1.0, "scale": 1.0} | dict(values)
    across, up = np.meshgrid(np.arange(width) - (width - 1) / 2, (height - 1) / 2 - np.arange(height))
    points = (across + 1j * up - pose["x"] - 1j * pose["y"]) * np.exp(-1j * np.radians(pose["angle"]))
    points = points.real + 1j * pose["flip"] * points.imag
    points = points / pose["scale"] + pose["centre_x"] + 1j * pose["centre_y"]
    rows, columns = picture.shape[:2]
    margin = 4 * rows
    wide = np.pad(picture.astype(float), ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    row, column = (rows - 1) / 2 - points.imag + margin, (columns - 1) / 2 + points.real + margin
    top, left = np.floor(row).astype(int), np.floor(column).astype(int)
    down, right = (row - top)[..., None], (column - left)[..., None]
    above = (1 - right) * wide[top, left] + right * wide[top, left + 1]
    below = (1 - right) * wide[top + 1, left] + right * wide[top + 1, left + 1]
    return (1 - down) * above + down * below


def drawn(
    picture: Picture, side: int, anchor: tuple[float, float] | None = None
) -> Float[np.ndarray, "side side channel"]:
    def draw(image: Float[Array, "rows columns *channel"]) -> Float[Array, "side side channel"]:
        return dataclasses.replace(picture, image=image).draw(side, anchor=anchor)

    return np.asarray(jax.jit(draw)(picture.image))


@jax.jit
def posed(image: Float[Array, "rows columns 3"], values: dict[str, Any]) -> Float[Array, "h w 3"]:
    return Photograph(image=image).with_values(values).draw(SIDE, SIDE + 1)


def bytes_of(image: Float[np.ndarray, "rows columns 3"]) -> UInt8[np.ndarray, "rows columns 3"]:
    return np.round(127.5 * (image + 1)).astype(np.uint8)


def png(image: Float[np.ndarray, "rows columns 3"]) -> bytes:
    stream = io.BytesIO()
    PIL.Image.fromarray(bytes_of(image)).save(stream, format="PNG")
    return stream.getvalue()


PICTURES = {
    f"{kind}/{number}.png": noise(9, 10 * len(kind) + number) for kind in ("dog", "ring") for number in range(3)
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "pictures"
    for name, image in PICTURES.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(png(image))
    return path


def zipped_up(folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder), "zip", folder))


# How a picture is drawn


@pytest.mark.parametrize("side", [16, 17])
def test_upright_it_is_its_pixels(side: int) -> None:
    image = noise(side)
    np.testing.assert_allclose(drawn(Photograph(image=image), side), image, atol=ROUNDING)
    anchor = (float(side // 2), float(side // 2))
    between = 0.5 * (side % 2 == 0)
    shown = drawn(Photograph(image=image, centre_x=between, centre_y=-between), side, anchor)
    np.testing.assert_allclose(shown, image, atol=ROUNDING)
    if side % 2 == 0:
        blurred = drawn(Photograph(image=image), side, anchor)
        assert np.abs(blurred - image).max() > 0.1


@pytest.mark.parametrize("side", [16, 17])
def test_a_quarter_turn_and_a_mirror_image_are_exact(side: int) -> None:
    @jax.jit
    def draw(photograph: Photograph) -> Float[Array, "side side 3"]:
        return photograph.draw(side)

    photograph = Photograph(image=noise(16), x=1.5, y=-2, angle=17, scale=0.7, centre_x=3, aperture=6, softness=1)
    upright = draw(photograph)
    np.testing.assert_allclose(draw(photograph.turned(90)), np.rot90(upright), atol=5 * ROUNDING)
    np.testing.assert_allclose(draw(photograph.mirrored()), upright[:, ::-1], atol=5 * ROUNDING)
    assert np.abs(draw(photograph.turned(89)) - np.rot90(upright)).max() > 0.01


def test_flipped_it_stands_on_its_head_and_mirrored_it_looks_the_other_way() -> None:
    image = noise(16)
    photograph = Photograph(image=image)
    np.testing.assert_allclose(drawn(photograph.with_values({"flip": -1}), 16), image[::-1], atol=ROUNDING)
    np.testing.assert_allclose(drawn(photograph.mirrored(), 16), image[:, ::-1], atol=ROUNDING)


poses = st.fixed_dictionaries(
    {
        "x": numbers(-8, 8),
        "y": numbers(-8, 8),
        "angle": numbers(-360, 360),
        "flip": st.sampled_from([1.0, -1.0]),
        "scale": numbers(1, 3),
        "centre_x": numbers(-10, 10),
        "centre_y": numbers(-10, 10),
    }
)


@given(values=poses, seed=st.integers(0, 9))
def test_in_any_pose_it_is_the_reference(values: dict[str, float], seed: int) -> None:
    # Smooth, as an error of a millionth of a pixel may cross from one pixel to the next.
    image = smooth(20, seed=seed)
    wanted = reference(image, SIDE, SIDE + 1, values)
    np.testing.assert_allclose(posed(image, values), wanted, atol=5 * ROUNDING)
    elsewhere = reference(image, SIDE, SIDE + 1, {**values, "angle": values["angle"] + 20})
    assert np.abs(posed(image, values) - elsewhere).max() > 1e-3


def test_a_turn_there_and_back_loses_little_of_a_smooth_picture() -> None:
    def lost(image: Float[np.ndarray, "side side 3"], angle: float) -> float:
        there = drawn(Photograph(image=image, angle=angle), 64)
        back = drawn(Photograph(image=jnp.asarray(there), angle=-angle), 64)
        middle = slice(20, -20)  # what never was beyond the border
        return float(np.abs(back - image)[middle, middle].mean() / image[middle, middle].std())

    # Two interpolations take 2 % off a wave of 16 pixels, and half of what is as fine as the pixels.
    assert max(lost(smooth(64, wavelength=16), angle) for angle in (10, 30, 45)) < 0.03
    assert lost(noise(64), 30) > 0.3


def border_energy(turned: Float[Array, "side side 3"], angle: float) -> float:
    """The energy of the gradient across the border of a turned picture, over that inside it."""
    side = turned.shape[0]
    grey = np.asarray(turned).mean(-1)
    down, right = np.gradient(grey)
    columns, rows = np.meshgrid(np.arange(side) - (side - 1) / 2, (side - 1) / 2 - np.arange(side))
    turns = np.exp(-1j * np.radians(angle))
    own = (columns + 1j * rows) * turns
    across = (right - 1j * down) * turns
    near = (np.abs(own.real) < side / 2 - 3) & (np.abs(own.imag) < side / 2 - 3)
    to_side, to_top = np.abs(np.abs(own.real) - side / 2), np.abs(np.abs(own.imag) - side / 2)
    energy = np.concatenate([across.real[to_side < 1] ** 2, across.imag[to_top < 1] ** 2])
    return float(energy.mean() / ((across.real[near] ** 2 + across.imag[near] ** 2).mean() / 2))


@pytest.mark.parametrize("angle", [15.0, 45.0, 70.0])
def test_turning_brings_no_edge_at_the_border(angle: float) -> None:
    image = smooth(64)
    mirrored = drawn(Photograph(image=image, angle=angle), 64)
    assert border_energy(mirrored, angle) < 1
    padded = np.pad(image, ((64, 64), (64, 64), (0, 0)))
    assert border_energy(drawn(Photograph(image=padded, angle=angle), 64), angle) > 4


def test_the_aperture_fades_it_into_its_own_mean_colour() -> None:
    image = smooth(SIDE)
    shown = drawn(Photograph(image=image, aperture=8, softness=1), 33)
    rows, columns = np.mgrid[-16:17, -16:17]
    far = np.hypot(rows, columns) > 12
    np.testing.assert_allclose(shown[far], np.broadcast_to(image.mean((0, 1)), shown[far].shape), atol=1e-3)
    assert np.abs(shown[~far] - image.mean((0, 1))).max() > 0.3
    red = drawn(Photograph(image=image, aperture=8, background="#ff0000"), 33)
    np.testing.assert_allclose(red[0, 0], [1, -1, -1])


def test_the_aperture_lies_round_the_point_on_the_anchor() -> None:
    image = noise(SIDE)
    shown = drawn(Photograph(image=image, aperture=4, centre_x=5.5, centre_y=0.5, background=0.0), 17)
    np.testing.assert_allclose(shown[8, 8], image[11, 17], atol=ROUNDING)
    assert not shown[8, 13].any()


def stripes(period: float) -> Float[np.ndarray, "64 64 3"]:
    return np.tile(np.cos(2 * np.pi * np.arange(64) / period)[None, :, None], (64, 1, 3)).astype(np.float32)


@pytest.mark.parametrize("scale", [0.5, 0.3])
def test_what_is_too_fine_goes_grey_when_shrunk(scale: float) -> None:
    def contrast(cls: type[Picture], period: float) -> float:
        return float(drawn(cls(image=stripes(period), scale=scale, angle=20), 16).std())

    # A period of 2.2 pixels becomes 1.1 or less, where a pixel grid holds 2 and more.
    assert contrast(Photograph, 2.2) < 0.08
    assert contrast(Picture, 2.2) > 0.3
    assert contrast(Photograph, 32) > 0.6


def test_it_shrinks_as_pillow_does() -> None:
    image = noise(32)
    wanted = PIL.Image.fromarray(bytes_of(image)).resize((16, 16), PIL.Image.Resampling.BILINEAR)
    shown = drawn(Photograph(image=image, scale=0.5), 16)
    assert np.abs(shown - (np.asarray(wanted) / 127.5 - 1)).mean() < 0.02
    assert np.abs(drawn(Picture(image=image, scale=0.5), 16) - (np.asarray(wanted) / 127.5 - 1)).mean() > 0.1


@pytest.mark.parametrize("renderer", [FAST, EXACT])
def test_gradients_are_finite(renderer: Renderer) -> None:
    values = {"x": 0.0, "y": 0.0, "angle": 0.0, "flip": 1.0, "contrast": 1.0, "scale": 1.0, "centre_x": 0.0}
    values |= {"centre_y": 0.0, "aperture": 5.0, "softness": 0.0}
    image = noise(9)
    weights = np.random.default_rng(3).normal(size=(9, 9, 3))

    def total(values: dict[str, Any]) -> Float[Array, ""]:
        return (weights * Photograph(image=jnp.asarray(image)).with_values(values).draw(9, renderer=renderer)).sum()

    slopes = jax.jit(jax.grad(total))(values)
    assert all(np.isfinite(slope) for slope in slopes.values())
    assert slopes["angle"] != 0


def test_a_grey_photograph_stays_grey_and_one_without_image_is_refused() -> None:
    grey = noise(9)[:, :, 0]
    np.testing.assert_allclose(drawn(Photograph(image=grey), 9)[:, :, 0], grey, atol=ROUNDING)
    with pytest.raises(StimulusError, match="Photograph has image=None: give it an array, make it with"):
        Photograph().draw(9)
    with unchecked(), pytest.raises(StimulusError, match="Photograph has image of type uint8: wanted"):
        Photograph(image=bytes_of(noise(9)))


def test_it_fills_a_figure() -> None:
    image = noise(17)
    filled = np.asarray(Disc(radius=4, texture=Photograph(image=image)).draw(17))
    np.testing.assert_allclose(filled[8, 8], image[8, 8], atol=ROUNDING)
    assert not filled[0, 0].any()


# Where pictures come from


def parquet(path: Path, images: Any, **columns: Any) -> Path:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"image": images, **columns}), path, row_group_size=2)
    return path


SOURCES: dict[str, Callable[[Path], Path]] = {
    "folder": lambda folder: folder,
    "zip": zipped_up,
    "parquet": lambda folder: parquet(
        folder.parent / "set.parquet",
        [png(image) for image in PICTURES.values()],
        label=[name.split("/")[0] for name in PICTURES],
    ),
    "structs": lambda folder: parquet(
        folder.parent / "structs.parquet",
        [{"bytes": png(image), "path": name} for name, image in PICTURES.items()],
        label=[name.split("/")[0] for name in PICTURES],
    ),
}


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_gives_the_same_pictures(source: str, folder: Path) -> None:
    found = photographs(SOURCES[source](folder))
    assert found.shape == (6,)
    assert found.labels["label"].tolist() == ["dog"] * 3 + ["ring"] * 3
    wanted = np.stack([bytes_of(image) for image in PICTURES.values()])
    np.testing.assert_allclose(found.images(9), wanted / 127.5 - 1, atol=ROUNDING)
    # In any order, and again.
    np.testing.assert_array_equal(found.items(np.array([5, 0, 3, 0]))["image"], wanted[[5, 0, 3, 0]])


def test_a_table_labels_what_lies_beside_it(folder: Path) -> None:
    rows = ["file,breed,angle", "dog/0.png,collie,10", "ring/2.png,,20"]
    (folder / "labels.csv").write_text("\n".join(rows))
    for path in (folder, zipped_up(folder)):
        labels = photographs(path).labels
        assert labels["file"].tolist() == list(PICTURES)
        assert labels["breed"][0] == "collie"
        assert labels["breed"][1:].isna().all()
        # Not `angle`, which is how a photograph is turned.
        assert labels["label_angle"][[0, 5]].tolist() == [10, 20]


def test_other_files_are_left_out(folder: Path) -> None:
    (folder / "notes.txt").write_text("no picture")
    (folder / "dog" / ".hidden.png").write_bytes(b"")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "0.png").write_bytes(b"")
    for path in (folder, zipped_up(folder)):
        assert photographs(path).labels["file"].tolist() == list(PICTURES)


def test_sides_are_made_equal_by_cutting_out_the_middle(tmp_path: Path) -> None:
    image = smooth(32)
    (tmp_path / "a.png").write_bytes(png(image[4:-4]))
    (tmp_path / "b.png").write_bytes(png(image[:, 5:-6]))
    with pytest.raises(
        StimulusError,
        match=r"picture 'b.png' of .* has 32x21 pixels, and picture 'a.png' of .* has 24x32: they cannot be drawn "
        r"together. Make them squares of one size with photographs\(..., side=21\).",
    ):
        photographs(tmp_path).images(9)
    whole = photographs(tmp_path, side=24)
    np.testing.assert_array_equal(whole.items(np.array([0]))["image"][0], bytes_of(image)[4:-4, 4:-4])
    shrunk = photographs(tmp_path, side=12)
    assert shrunk.size == (12, 12)
    wanted = PIL.Image.fromarray(bytes_of(image)[4:-4]).resize((16, 12), PIL.Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(shrunk.items(np.array([0]))["image"][0], np.asarray(wanted)[:, 2:-2])


def test_large_jpegs_are_decoded_small(tmp_path: Path) -> None:
    image = smooth(512, wavelength=60)
    PIL.Image.fromarray(bytes_of(image)).save(tmp_path / "a.jpg", quality=95)
    found = photographs(tmp_path, side=32).images(32)[0]
    wanted = PIL.Image.fromarray(bytes_of(image)).resize((32, 32), PIL.Image.Resampling.BILINEAR)
    assert np.abs(found - (np.asarray(wanted) / 127.5 - 1)).max() < 0.05


def test_all_kinds_of_pixels_become_rgb(tmp_path: Path) -> None:
    red = PIL.Image.new("RGB", (4, 3), (255, 0, 0))
    red.save(tmp_path / "a.png")
    red.convert("P").save(tmp_path / "b.gif")
    PIL.Image.new("L", (4, 3), 255).save(tmp_path / "c.png")
    PIL.Image.new("RGBA", (4, 3), (255, 0, 0, 0)).save(tmp_path / "d.png")
    turned = PIL.Image.Exif()
    turned[0x0112] = 6  # the camera was held upright
    red.transpose(PIL.Image.Transpose.ROTATE_90).save(tmp_path / "e.jpg", exif=turned, quality=100)
    found = photographs(tmp_path)
    assert found.size == (3, 4)
    colours = found.items(np.arange(5))["image"][:, 1, 1].astype(int)
    wanted = [(255, 0, 0), (255, 0, 0), (255, 255, 255), (128, 128, 128), (255, 0, 0)]
    assert np.abs(colours - wanted).max() < 3


# What is refused


def test_what_is_no_set_of_pictures_is_refused(folder: Path, tmp_path: Path) -> None:
    def refused(path: Path, message: str, **options: Any) -> None:
        with pytest.raises((StimulusError, UnknownNameError), match=message):
            photographs(path, **options)

    refused(tmp_path / "nowhere", "there is no '.*nowhere': wanted a folder, a zip archive or a parquet file")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "holds no pictures: wanted files ending in .bmp, .gif")
    (tmp_path / "empty" / "data.npy").write_bytes(b"\x93NUMPY")
    refused(tmp_path / "empty", r"holds no pictures, only \['.npy'\]: wanted")
    (tmp_path / "other.bin").write_bytes(b"anything at all")
    refused(tmp_path / "other.bin", "is neither a folder, nor a zip archive, nor a parquet file, or it is damaged")
    refused(folder, "photographs got column='image', and .* is no parquet file: leave it out", column="image")
    refused(folder, "stimulus Photograph has no parameter 'appeture'. Did you mean 'aperture'", appeture=3)
    (folder / "labels.csv").write_text("name,label\n")
    refused(folder, r"'labels.csv' of .* has columns \['name', 'label'\]: wanted a column 'file'")
    (folder / "labels.csv").write_text("file,label\ncat.png,cat\ndog.png,dog\n")
    refused(folder, "names 2 pictures that are not there, the first 'cat.png'")
    (folder / "labels.csv").write_text("file,label\ndog/0.png,cat\ndog/0.png,dog\n")
    refused(folder, "has two rows for 'dog/0.png'")
    (folder / "labels.csv").write_text("")
    refused(folder, "'labels.csv' of .* cannot be read as a table: No columns")
    with pytest.raises(StimulusError, match="no picture of '.*' is left: wanted at least one"):
        photographs(one_picture(tmp_path))[:0]


def one_picture(tmp_path: Path) -> Path:
    path = tmp_path / "one.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", png(noise(4)))
    return path


def test_parquet_files_without_pictures_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = parquet(tmp_path / "texts.parquet", ["a", "b"])
    with pytest.raises(
        StimulusError, match=r"has no column of encoded pictures, only \['image'\]: wanted bytes of PNG"
    ):
        photographs(texts)
    two = parquet(tmp_path / "two.parquet", [1, 2], left=[b"1", b"2"], right=[b"3", b"4"])
    with pytest.raises(StimulusError, match=r"has several columns of bytes: say column=, one of \['left', 'right'\]"):
        photographs(two)
    with pytest.raises(UnknownNameError, match="has no column of encoded pictures 'lift'. Did you mean 'left'"):
        photographs(two, column="lift")
    assert photographs(two, column="left").labels["label_image"].tolist() == [1, 2]
    missing = parquet(tmp_path / "missing.parquet", [png(noise(4)), None])
    with pytest.raises(StimulusError, match="picture 1 of '.*missing.parquet' is missing: its bytes are null"):
        photographs(missing).images(4)
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(missing.read_bytes()[:-40])
    with pytest.raises(StimulusError, match="'.*damaged.parquet' cannot be read as parquet"):
        photographs(damaged)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        StimulusError, match=r"needs the package pyarrow. Install it with pip install pyarrow"
    ):
        photographs(missing)


def test_a_file_that_is_no_picture_is_found_before_anything_is_decoded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "ring" / "2.png").write_bytes(b"<html>not found</html>")
    monkeypatch.setattr(Decoder, "_decoded", lambda *_: pytest.fail("decoded too early"))
    for path in (folder, zipped_up(folder)):
        with pytest.raises(StimulusError, match=r"picture 'ring/2.png' of '.*' is no picture that can be read: wanted"):
            next(iter(photographs(path).chunks(9, chunk=1)))


def test_a_damaged_picture_is_named_and_the_others_are_drawn(folder: Path) -> None:
    image = png(noise(9, 7))
    (folder / "dog" / "1.png").write_bytes(image[: len(image) - 40])
    for path in (folder, zipped_up(folder)):
        with pytest.raises(
            StimulusError, match="picture 'dog/1.png' of '.*' is damaged: .* Take it out, or replace it"
        ):
            photographs(path).images(9)
        assert photographs(path)[2:].images(9).shape == (4, 9, 9, 3)


def test_pictures_made_to_fill_the_memory_are_refused(tmp_path: Path) -> None:
    def part(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    size = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + part(b"IHDR", size) + part(b"IDAT", zlib.compress(b"")) + part(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(bomb)
    with pytest.raises(
        StimulusError, match="picture 'a.png' of '.*' would have more than 89478485 pixels once decoded"
    ):
        photographs(tmp_path, side=8).images(8)
    (tmp_path / "a.png").write_bytes(
        bomb.replace(part(b"IHDR", size), part(b"IHDR", size.replace(b"\x75\x30", b"\x27\x10")))
    )
    found = photographs(tmp_path, side=8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own, on top of ours
        with pytest.raises(StimulusError, match="would have more than"):
            found.images(8)


def test_pixels_of_more_than_8_bits_are_refused(tmp_path: Path) -> None:
    PIL.Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(StimulusError, match="picture 'a.png' of '.*' holds pixels of kind 'I(;16)?': wanted 8 bits"):
        photographs(tmp_path).images(4)


# A labelled set


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The pictures that were decoded, in order."""
    seen: list[int] = []
    decode = Decoder._decoded

    def counted(self: Decoder, index: int) -> Any:
        seen.append(index)
        return decode(self, index)

    monkeypatch.setattr(Decoder, "_decoded", counted)
    return seen


def test_each_picture_is_decoded_once_for_all_its_looks(folder: Path, decoded: list[int]) -> None:
    photos = photographs(folder)
    assert not decoded
    varied = photos.vary(angle=turn(7), flip=(1, -1))
    assert varied.dims == ("image", "angle", "flip")
    assert varied.shape == (6, 7, 2)
    for start in range(0, len(varied), 5):  # as `tune` goes through them
        varied.items(np.minimum(np.arange(start, start + 5), len(varied) - 1))
        assert len(photos.decoder._held) <= 4
    assert sorted(decoded) == list(range(6))
    # In an order that comes back to each picture it is not so.
    for picture in (0, 3, 0, 3):
        photos.items(np.array([picture]))
    assert len(decoded) > 6 + 3


def test_every_stimulus_is_the_reference_and_knows_its_parameters(folder: Path) -> None:
    varied = photographs(folder).vary(angle=(0, 30, 200), flip=(1, -1))
    table = varied.table()
    images = varied.images(9)
    assert table.index.name == "stimulus"
    assert table["file"].tolist() == [name for name in PICTURES for _ in range(6)]
    for image, row, one in zip(images, table.to_dict("records"), varied, strict=True):
        picture = bytes_of(PICTURES[row["file"]]) / 127.5 - 1
        wanted = reference(picture, 9, 9, {"angle": row["angle"], "flip": row["flip"]})
        np.testing.assert_allclose(image, wanted, atol=2e-5)
        assert (one.angle, one.flip) == (row["angle"], row["flip"])
    np.testing.assert_allclose(varied[9].draw(9), images[9], atol=ROUNDING)
    assert np.abs(images[9] - images[10]).max() > 0.1


def test_each_fades_into_its_own_mean_colour_unless_told_otherwise(folder: Path) -> None:
    photos = photographs(folder, aperture=2)
    for image, one, picture in zip(photos.images(9), photos, PICTURES.values(), strict=True):
        np.testing.assert_allclose(image[0, 0], (bytes_of(picture) / 127.5 - 1).mean((0, 1)), atol=ROUNDING)
        np.testing.assert_allclose(image, drawn(one, 9), atol=ROUNDING)
    varied = photos.vary(background=("#ff0000", 0.5))
    np.testing.assert_allclose(varied.images(9)[:2, 0, 0], [[1, -1, -1], [0.5, 0.5, 0.5]])
    assert varied.table()["background.red"].tolist() == [1, 0.5] * 6


def test_chunks_change_no_image(folder: Path) -> None:
    varied = photographs(folder).vary(angle=turn(5))
    whole = varied.images(9)
    chunks = list(varied.chunks(9, chunk=7))
    np.testing.assert_array_equal(np.concatenate([chunk.images for chunk in chunks]), whole)
    pd.testing.assert_frame_equal(pd.concat([chunk.parameters for chunk in chunks]), varied.table())


def test_some_of_a_set_are_those_of_the_set(folder: Path) -> None:
    photos = photographs(folder)
    varied = photos.vary(angle=turn(4), scale=(1, 0.5))
    some = varied[[40, 3, 17]]
    np.testing.assert_allclose(some.images(9), varied.images(9)[[40, 3, 17]], atol=ROUNDING)
    assert some.table()["file"].tolist() == ["ring/2.png", "dog/0.png", "dog/2.png"]
    assert some.table()["angle"].tolist() == varied.table()["angle"][[40, 3, 17]].tolist()
    np.testing.assert_allclose(some[1].draw(9), varied[3].draw(9))
    rings = photos[photos.labels["label"] == "ring"]
    assert isinstance(rings, Photographs)
    assert rings.coords["image"] == ("image", [3, 4, 5])
    assert rings.vary(angle=(0, 90)).table()["file"].tolist() == [f"ring/{number}.png" for number in (0, 0, 1, 1, 2, 2)]
    np.testing.assert_allclose(rings.images(9), photos.images(9)[3:], atol=ROUNDING)
    assert varied[varied.table()["angle"] == 90].shape == (12,)
    assert photos[-1].draw(9).shape == (9, 9, 3)
    with pytest.raises(IndexError, match="there is no picture 6: the set has 6, counted from 0"):
        photos[6]


def test_bad_looks_are_refused(folder: Path) -> None:
    with pytest.raises(UnknownNameError, match="stimulus Photograph has no parameter 'angel'. Did you mean 'angle'"):
        photographs(folder).vary(angel=(1, 2))
    with pytest.raises(StimulusError, match="Photograph has scale=0.0: wanted a finite number above 0"):
        photographs(folder).vary(scale=(1, 0))
    assert repr(photographs(folder, aperture=3)) == "6 photographs of pictures: Photograph(aperture=3)"
    assert repr(photographs(folder).vary(angle=turn(4))) == (
        "6 photographs of pictures, each a Grid of 4 stimuli: Photograph(), angle 0 to 270 (4)"
    )


def test_no_label_can_be_taken_for_a_parameter() -> None:
    assert {"angle", "x", "image", "scale"} <= set(parameters(Photograph))


# Real pictures, through a trained net


def test_a_net_sees_what_the_reference_says(data_folder: Path, decoded: list[int]) -> None:
    probe = nets.load(data_folder / "nets" / "squeezenet1_1.onnx")["fire5"]
    photos = photographs(data_folder / "images" / "imagenet-sample.zip")[10:13]
    responses = tune(probe, photos.vary(angle=turn(6)), chunk=9)
    assert responses.dims == ("image", "angle", "unit")
    assert responses["label"].values.tolist() == photos.labels["label"].tolist()
    assert responses["class_index"].values.tolist() == [10, 11, 12]
    assert sorted(decoded) == [10, 11, 12]
    site = probe.site()
    with zipfile.ZipFile(data_folder / "images" / "imagenet-sample.zip") as archive:
        for name, angle in (("010", 60.0), ("012", 300.0)):
            (file,) = (member for member in archive.namelist() if member.startswith(name))
            picture = np.asarray(PIL.Image.open(archive.open(file))) / 127.5 - 1
            # The site is the receptive field, with the anchor in its middle.
            assert site.anchor == ((site.height - 1) / 2, (site.width - 1) / 2)
            seen = reference(picture, site.height, site.width, {"angle": angle})
            wanted = probe.maps(jnp.asarray(seen[None], jnp.float32))[0, site.unit[0], site.unit[1]]
            found = responses.sel(image=int(name), angle=angle).values
            np.testing.assert_allclose(found, wanted, atol=1e-3 * float(np.abs(wanted).max()))
            other = responses.sel(image=int(name), angle=angle - 60).values
            assert np.abs(other - wanted).max() > 0.1 * float(np.abs(wanted).max())


def test_pictures_stream_through_a_small_window(data_folder: Path) -> None:
    photos = photographs(data_folder / "images" / "cifar10-test.parquet")
    assert len(photos) == 10_000
    some = photos[4900:5200]  # from one row group into the next
    held = 0
    means = []
    for chunk in some.chunks(32, chunk=50):
        held = max(held, len(photos.decoder._held))
        means += chunk.images.mean((1, 2, 3)).tolist()
    assert len(means) == 300
    row = some.table([150]).iloc[0]
    assert row["image"] == 5050
    pq = pytest.importorskip("pyarrow.parquet")
    stored = pq.read_table(data_folder / "images" / "cifar10-test.parquet").slice(5050, 1).to_pylist()[0]
    assert (row["label"], row["path"]) == (stored["label"], stored["path"])
    picture = np.asarray(PIL.Image.open(io.BytesIO(stored["image"])))
    assert means[150] == pytest.approx((picture / 127.5 - 1).mean(), abs=1e-5)


def test_a_set_of_photographs_survives_the_round_trip_through_text(tmp_path: Path) -> None:
    for index in range(3):
        PIL.Image.fromarray(np.full((8, 8, 3), 40 * index, np.uint8)).save(tmp_path / f"{index}.png")
    shown = photographs(tmp_path, side=6, contrast=0.5)[[2, 0]].vary(angle=(0.0, 30.0))
    again = from_json(to_json(shown))
    assert again.table().equals(shown.table())
    np.testing.assert_array_equal(again.images(6), shown.images(6))
    (tmp_path / "2.png").unlink()
    with pytest.raises(StimulusError, match="holds 2 pictures, and number 2 is wanted"):
        from_json(to_json(shown))
