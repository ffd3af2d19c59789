"""Labelled sets as files, and back.

`save` writes one of three formats, and `load` reads any of them as a labelled set again:

* `png`: a folder of 8-bit PNG files, grey or RGB, with `metadata.csv` (a row for each file, its name first) and
  `set.json` (the definition). It is what `datasets.load_dataset("imagefolder", data_dir=...)` reads. Beyond 10,000
  images the files lie in sub-folders of 10,000. A value v becomes the byte round(127.5 (v + 1)), clipped.
* `npz`: one file for `numpy.load`: `images` as float32, every parameter under its name, and `definition`.
* `zarr`: a store for `xarray.open_zarr`, compressed: `images` (stimulus, row, column, channel) as float32, every
  parameter as a coordinate along `stimulus`. The image's dimensions are not x and y: those are parameters.

The set is drawn and written a chunk at a time, under the path's name with `.part` at its end, and takes its own name
when it is complete: what has the name is whole. After an interruption the same call goes on with what lies in
`.part`, and ends with the same bytes; only an npz starts over.
"""

import contextlib
import dataclasses
import io
import json
import os
import shutil
import warnings
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import pandas as pd
from jaxtyping import UInt8

from circuitkit import checks
from circuitkit.errors import StimulusError, unknown_name
from circuitkit.stimuli import text
from circuitkit.stimuli.render import FAST, Renderer
from circuitkit.stimuli.saved import DEFINITION, LABELS, ROWS, Images, Saved, files, header_of, load, zarr
from circuitkit.stimuli.sets import Chunk, LabelledSet

__all__ = ["Saved", "load", "save", "to_bytes", "to_png"]

Format = Literal["png", "npz", "zarr"]
_BY_ENDING: dict[str, Format] = {".npz": "npz", ".zarr": "zarr"}

Progress = Callable[[int, int], None]
"""Called with the number of stimuli written and the number of all."""

_IN_A_FOLDER = 10_000
"""Files in one folder, at most: more of them, and file managers and `ls` become slow."""

_BLOCK_OF_A_DISK = 4096
_BYTES_OF_A_ZARR_CHUNK = 2**20


def save(
    stimuli: LabelledSet,
    path: str | Path,
    size: int | tuple[int, int] = 64,
    *,
    format: Format | None = None,  # noqa: A002  (what everyone calls it)
    renderer: Renderer = FAST,
    progress: Progress | None = None,
    overwrite: bool = False,
) -> Path:
    """Draws a labelled set and writes images, parameters and definition.

    Args:
        stimuli: A grid, a sample, or a part of one.
        path: Of the folder, file or store.
        size: Of the images, in pixels: the side, or (height, width).
        format: `png`, `npz` or `zarr`. Left out, the ending of `path` says it, and a path without one is a folder of
            PNG files.
        renderer: `FAST`, `EXACT`, or one with `samples` of your own.
        progress: Called after each chunk.
        overwrite: Whether a saved set at `path` is replaced, once this one is complete. Files that belong to no saved
            set are never touched.

    Returns:
        The path.

    Raises:
        StimulusError: Before anything is drawn, if the set cannot be written as text, the path holds something else,
            or cannot be written, or the disk has not enough room.
        SpecError: If a size is no whole number above 0.
        UnknownNameError: If there is no such format.
    """
    height, width = (size, size) if isinstance(size, int) else size
    for name, value in (("height", height), ("width", width)):
        checks.whole("save", name, value)
    path = Path(path).absolute()
    kind = _BY_ENDING.get(path.suffix, "png") if format is None else format
    if kind not in _WRITERS:
        raise unknown_name("format", kind, _WRITERS, owner="save")
    job = _Job(stimuli, height, width, renderer, kind)
    try:
        part = path.with_name(f"{path.name}.part")
        if _holds(path, job, overwrite=overwrite) and not overwrite:
            load(path)  # which refuses a set that someone has taken files out of
            return path
        if not _holds(part, job, overwrite=overwrite):
            _remove(part)
        _check_room(path, part, job)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _WRITERS[kind](part, job) as (done, write):
            if done and progress is not None:
                progress(done, len(stimuli))
            for chunk in stimuli.chunks(height, width, chunk=job.chunk, renderer=renderer, start=done):
                write(chunk)
                if progress is not None:
                    progress(chunk.start + len(chunk.images), len(stimuli))
        _remove(path)
        part.replace(path)
    except OSError as error:
        raise StimulusError(
            f"cannot write to {path}: {error}. Name another path, or make room; what was written is kept, and the "
            "same call goes on with it."
        ) from None
    return path


class _Job:
    """What is to be written."""

    def __init__(self, stimuli: LabelledSet, height: int, width: int, renderer: Renderer, kind: Format) -> None:
        self.stimuli, self.kind = stimuli, kind
        drawn = jax.eval_shape(
            lambda item: stimuli.draw(item, height, width, renderer=renderer),
            jax.tree.map(lambda leaf: leaf[0], stimuli.items(np.zeros(1, int))),
        )
        self.shape: tuple[int, int, int, int] = (len(stimuli), *drawn.shape)
        self.columns = [str(name) for name in stimuli.table([0])]
        definition = json.loads(text.to_json(stimuli))
        self.saved = {
            "format": kind,
            "count": len(stimuli),
            "height": height,
            "width": width,
            "channels": drawn.shape[-1],
            "columns": self.columns,
            "renderer": dataclasses.asdict(renderer),
            "values": "value = byte / 127.5 - 1" if kind == "png" else "-1 black, 0 mid grey, 1 white",
            "versions": _versions(kind),
        }
        self.header = json.dumps({**definition, "saved": self.saved}, indent=1) + "\n"

    @property
    def chunk(self) -> int | None:
        """Stimuli written at once, where the format has a say."""
        if self.kind != "zarr":
            return None
        return min(self.shape[0], max(1, _BYTES_OF_A_ZARR_CHUNK // (4 * int(np.prod(self.shape[1:])))))

    @property
    def bytes(self) -> int:
        """About how much room it takes."""
        pixels = int(np.prod(self.shape[1:]))
        if self.kind == "npz":
            return self.shape[0] * (4 * pixels + 8 * len(self.columns))
        # What compression leaves depends on what is shown; a quarter lies between a figure on grey and noise.
        return self.shape[0] * (max(_BLOCK_OF_A_DISK, pixels // 4) if self.kind == "png" else pixels)

    def tables(self) -> Iterator[pd.DataFrame]:
        """Yields the table, some rows at a time."""
        for start in range(0, self.shape[0], ROWS):
            yield self.stimuli.table(range(start, min(start + ROWS, self.shape[0])))

    def column(self, name: str) -> tuple[np.dtype[Any], Iterator[np.ndarray]]:
        """Returns one column of the table: its type, and its values, some at a time."""
        dtype = self.stimuli.table([0])[name].to_numpy().dtype
        if not np.issubdtype(dtype, np.number):
            dtype = np.dtype(f"<U{max(max(map(len, table[name])) for table in self.tables())}")
        return dtype, (table[name].to_numpy(dtype) for table in self.tables())


def _versions(kind: Format) -> dict[str, str]:
    names = ("circuitkit", "jax", "numpy", *({"png": ("pillow",), "zarr": ("zarr",), "npz": ()}[kind]))
    return {name: metadata.version(name) for name in names}


def _holds(place: Path, job: _Job, *, overwrite: bool) -> bool:
    """Says whether a path holds this very set, or a part of it. Refuses one that holds anything else.

    Raises:
        StimulusError: If there is another set, unless it may be replaced, or a file of no set.
    """
    if not place.exists() or (place.is_dir() and not any(place.iterdir())):
        return False
    header = header_of(place)
    if header is None:
        # Of a folder that was interrupted before its first file was whole, or of an npz.
        if place.suffix == ".part" and not _strays(place, {}):
            return False
        named = place if not place.is_dir() else place / min(_strays(place, {}), default="")
        raise StimulusError(f"{named} is there already, and belongs to no saved set: name another path.")
    if strays := _strays(place, header["saved"]):
        raise StimulusError(
            f"{place / min(strays)} is there already, and does not belong to the set saved in {place}: move it, or "
            "name another path."
        )
    wanted = json.loads(job.header)
    if header == wanted:
        return True
    if not overwrite:
        raise StimulusError(
            f"{place} holds another set, with {_difference(header, wanted)}: name another path, or replace it with "
            "overwrite."
        )
    return False


def _strays(place: Path, saved: dict[str, Any]) -> set[str]:
    """Returns the files that do not belong to a saved set."""
    if place.is_file():
        # A zip is of one piece, and one that was interrupted has no header.
        return set() if saved or place.suffix == ".part" else {place.name}
    if saved.get("format") == "zarr":
        known = {"zarr.json", "images", *saved["columns"]}
        return {entry.name for entry in place.iterdir() if not _is_temporary(entry.name)} - known
    known = {DEFINITION, LABELS, *_names(saved["count"])} if saved else set()
    return {name for name in files(place) if name not in known and not _is_temporary(name)}


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Returns the first difference between two headers, in words."""
    for part in ("saved", "stimulus"):
        held, wanted = old.get(part), new.get(part)
        if held != wanted and isinstance(held, dict) and isinstance(wanted, dict):
            key = next(key for key in wanted | held if held.get(key) != wanted.get(key))
            return f"{key} {held.get(key)!r} instead of {wanted.get(key)!r}"
    return "other values"


def _remove(place: Path) -> None:
    """Removes a saved set, or the beginning of one: last of all what says whose it is, so this can be interrupted."""
    if not place.is_dir():
        place.unlink(missing_ok=True)
        return
    for entry in sorted(place.iterdir(), key=lambda entry: entry.name in (DEFINITION, "zarr.json")):
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    place.rmdir()


def _check_room(path: Path, part: Path, job: _Job) -> None:
    place = next(folder for folder in path.parents if folder.is_dir())
    there = sum(file.stat().st_size for file in part.rglob("*") if file.is_file()) if part.is_dir() else 0
    free = shutil.disk_usage(place).free
    if job.bytes - there > free:
        raise StimulusError(
            f"{job.shape[0]} images of {job.shape[1]}x{job.shape[2]} pixels take about {job.bytes / 2**30:.1f} GiB as "
            f"{job.kind}, and {place} has {free / 2**30:.1f} GiB free: save fewer or smaller ones, or elsewhere."
        )


Writing = tuple[int, Callable[[Chunk], None]]
"""How many images are there already, and what writes the next."""


@contextlib.contextmanager
def _write_png(part: Path, job: _Job) -> Iterator[Writing]:
    part.mkdir(exist_ok=True)
    _put(part / DEFINITION, job.header.encode())
    names = _names(job.shape[0])
    for folder in {(part / name).parent for name in names[::_IN_A_FOLDER]}:
        folder.mkdir(exist_ok=True)
    there = set(files(part))

    def write_one(name: str, pixels: UInt8[np.ndarray, "h w channel"]) -> None:
        _put(part / name, to_png(pixels))

    # Pillow compresses without holding Python's lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:

        def write(chunk: Chunk) -> None:
            last = chunk.start + len(chunk.images)
            for _ in pool.map(write_one, names[chunk.start : last], to_bytes(chunk.images)):
                pass

        yield next((index for index, name in enumerate(names) if name not in there), len(names)), write
    with _replacing(part / LABELS) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        for table in job.tables():
            first = table.index[0]
            table.insert(0, "file_name", names[first : first + len(table)])
            table.to_csv(file, index=False, header=not first, lineterminator="\n")


@contextlib.contextmanager
def _write_npz(part: Path, job: _Job) -> Iterator[Writing]:
    with zipfile.ZipFile(part, "w") as archive:

        @contextlib.contextmanager
        def member(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Iterator[Callable[[np.ndarray], None]]:
            # A fixed date: the same set gives the same bytes.
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)

                def write(values: np.ndarray) -> None:
                    file.write(np.ascontiguousarray(values).tobytes())

                yield write

        with member("images", job.shape, np.dtype(np.float32)) as write:
            yield 0, lambda chunk: write(chunk.images)
        for name in job.columns:
            dtype, blocks = job.column(name)
            with member(name, job.shape[:1], dtype) as write:
                for values in blocks:
                    write(values)
        definition = np.array(job.header)
        with member("definition", (), definition.dtype) as write:
            write(definition)


@contextlib.contextmanager
def _write_zarr(part: Path, job: _Job) -> Iterator[Writing]:
    module = zarr()
    if (part / "images" / "zarr.json").exists():
        for unfinished in part.rglob("*.partial"):
            unfinished.unlink()
        images = module.open_group(part, mode="r+")["images"]
    else:
        store = module.create_group(part, attributes={"definition": job.header}, overwrite=True)
        images = store.create_array(
            "images",
            shape=job.shape,
            chunks=(job.chunk, *job.shape[1:]),
            dtype="float32",
            fill_value=float("nan"),
            dimension_names=("stimulus", "row", "column", "channel"),
            attributes={"coordinates": " ".join(job.columns)},
        )

    def write(chunk: Chunk) -> None:
        images[chunk.start : chunk.start + len(chunk.images)] = chunk.images

    whole = 0
    while (part / "images" / "c" / f"{whole}" / "0" / "0" / "0").exists():
        whole += 1
    # The last of them may have been cut short.
    yield max(whole - 1, 0) * images.chunks[0], write
    store = module.open_group(part, mode="r+")
    for name in job.columns:
        dtype, blocks = job.column(name)
        values = store.create_array(
            name,
            shape=job.shape[:1],
            chunks=(min(ROWS, job.shape[0]),),
            dtype=dtype if dtype.kind != "U" else str,
            dimension_names=("stimulus",),
            overwrite=True,
        )
        for number, block in enumerate(blocks):
            values[number * ROWS : number * ROWS + len(block)] = block
    with warnings.catch_warnings():
        # xarray looks for consolidated metadata first, and warns where there is none.
        warnings.filterwarnings("ignore", message="Consolidated metadata", category=UserWarning)
        module.consolidate_metadata(part)


_WRITERS: dict[str, Callable[[Path, _Job], contextlib.AbstractContextManager[Writing]]] = {
    "png": _write_png,
    "npz": _write_npz,
    "zarr": _write_zarr,
}


def to_bytes(images: Images) -> UInt8[np.ndarray, "stimulus h w channel"]:
    """Returns values of -1 to 1 as bytes, 0 to 255; what lies beyond is clipped."""
    return np.clip(np.round(127.5 * (images + 1)), 0, 255).astype(np.uint8)


def to_png(pixels: UInt8[np.ndarray, "h w channel"]) -> bytes:
    """Returns the PNG file of an image. The same image gives the same bytes."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels if pixels.shape[-1] == 3 else pixels[:, :, 0]).save(buffer, "PNG")
    return buffer.getvalue()


def _names(count: int) -> list[str]:
    """Returns the files of a PNG folder, in order."""
    digits = max(5, len(str(count - 1)))
    if count <= _IN_A_FOLDER:
        return [f"{index:0{digits}d}.png" for index in range(count)]
    return [f"{index // _IN_A_FOLDER:0{digits - 4}d}/{index:0{digits}d}.png" for index in range(count)]


def _is_temporary(name: str) -> bool:
    """Says whether a file is one that was being written when the writing was interrupted; zarr has its own."""
    return (name.rpartition("/")[2].startswith(".") and name.endswith(".part")) or name.endswith(".partial")


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Gives another name to write under, and the right one to what was written: there is never half a file."""
    temporary = path.with_name(f".{path.name}.part")
    yield temporary
    temporary.replace(path)


def _put(path: Path, content: bytes) -> None:
    with _replacing(path) as temporary:
        temporary.write_bytes(content)
