"""Labelled sets that were saved, read again: images from files, with their labels and their definition.

Three formats are read, as `circuitkit.stimuli.export` writes them: a folder of PNG files, an npz, a zarr store. Of a
folder, images and `metadata.csv` are enough, so other people's images can be read as a labelled set too.
"""

import contextlib
import csv
import dataclasses
import io
import json
import math
import os
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8

from circuitkit.errors import CircuitkitError, StimulusError
from circuitkit.stimuli import text
from circuitkit.stimuli.parameter import Values
from circuitkit.stimuli.render import FAST, Renderer
from circuitkit.stimuli.sets import Chunk, Coordinate, Indices, LabelledSet
from circuitkit.stimuli.stimulus import Image, Stimulus

Images = Float[np.ndarray, "stimulus h w channel"]

DEFINITION, LABELS = "set.json", "metadata.csv"
"""The files beside the images of a PNG folder."""

_SAVED = {"format", "count", "height", "width", "channels", "columns", "renderer"}
"""What a definition says of how it was saved, at the least."""

ROWS = 2**14
"""Rows of parameters that are held at once."""


def load(path: str | Path) -> "Saved":
    """Returns the labelled set that `save` wrote; images are read when they are needed.

    Args:
        path: A folder with images and `metadata.csv`, of one's own too; or what `save` wrote as npz or zarr.

    Raises:
        StimulusError: If it cannot be read, is not complete, or its parts contradict each other.
    """
    path = Path(path)
    if not path.exists():
        if path.with_name(f"{path.name}.part").exists():
            raise StimulusError(f"{path} is not complete: its saving was interrupted. The same call of save goes on.")
        raise StimulusError(f"there is no {path}: wanted a folder, a .npz or a .zarr that holds a saved set.")
    try:
        found = _READERS[_kind_of(path)](path)
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise StimulusError(f"{path} cannot be read: {error}.") from None
    if found.definition is not None:
        _check_labels(found, found.definition)
    return found


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Saved(LabelledSet):
    """A labelled set in files, as it was drawn.

    Its images can be cropped but not drawn anew, so a sweep needs them large enough, and with their middle on a
    pixel where the anchor of the sweep is on one.

    Attributes:
        path: Where it is.
        labels: A row for each image, as `table` returns it.
        definition: The grid, sample or subset that was saved; None for images from elsewhere.
        height: Of the images, in pixels.
        width: Of the images, in pixels.
        renderer: What they were drawn with; None for images from elsewhere.
        read: Returns some images, values -1 to 1.
    """

    path: Path
    labels: pd.DataFrame
    definition: LabelledSet | None
    height: int
    width: int
    renderer: Renderer | None
    read: Callable[[Indices], Images]

    @property
    def stimulus(self) -> Stimulus:  # type: ignore[override]
        """What was drawn, and the parameters that stay.

        Raises:
            StimulusError: If the images come from elsewhere.
        """
        if self.definition is None:
            raise StimulusError(f"{self.path} has no {DEFINITION}, so nothing says what its images show.")
        return self.definition.stimulus

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions of the set that was saved; the last varies fastest."""
        return ("stimulus",) if self.definition is None else self.definition.dims

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values along each dimension."""
        return (len(self.labels),) if self.definition is None else self.definition.shape

    @property
    def coords(self) -> dict[str, tuple[str, Coordinate]]:
        """What varies, as xarray takes coordinates; every label, for images from elsewhere."""
        if self.definition is not None:
            return self.definition.coords
        labels = {str(name): ("stimulus", column.tolist()) for name, column in self.labels.items()}
        return {"stimulus": ("stimulus", range(len(self.labels))), **labels}

    def varying(self, indices: Indices) -> dict[str, Values]:
        """Returns the values of the parameters that vary, for some stimuli; every number, for images from elsewhere."""
        if self.definition is not None:
            return self.definition.varying(indices)
        numbers = self.labels.select_dtypes("number").iloc[indices]
        return {str(name): column.to_numpy(float) for name, column in numbers.items()}

    def table(self, indices: Iterable[int] | None = None) -> pd.DataFrame:
        """Returns every parameter of every stimulus, or of some, as it was saved.

        Args:
            indices: Which stimuli; all if left out.
        """
        return self.labels.copy() if indices is None else self.labels.iloc[np.fromiter(indices, int)]

    def channels(self) -> int:
        """Returns how many channels the images have: 1 (grey) or 3 (RGB)."""
        return self.read(np.zeros(1, int)).shape[-1]

    def items(self, indices: Indices) -> Images:
        """Returns the images of some stimuli, each read once."""
        wanted, place = np.unique(indices, return_inverse=True)
        return self.read(wanted)[place]

    def draw(
        self,
        item: Any,
        height: int,
        width: int,
        *,
        anchor: tuple[float, float] | None = None,
        renderer: Renderer = FAST,
    ) -> Image:
        """Returns a saved image as it is, cropped so that its middle lies on the anchor.

        Raises:
            StimulusError: If it is too small, its middle would fall between pixels, or it was drawn otherwise.
        """
        if self.renderer not in (None, renderer):
            raise StimulusError(f"{self.path} was drawn with {self.renderer}, and {renderer} is wanted: pass its own.")
        if anchor is not None and self.definition is None:
            raise StimulusError(f"{self.path} has no {DEFINITION}, so nothing says where its images are anchored.")
        row, column = ((height - 1) / 2, (width - 1) / 2) if anchor is None else anchor
        top, left = (self.height - 1) / 2 - row, (self.width - 1) / 2 - column
        if top % 1 or left % 1:
            raise StimulusError(
                f"{self.path} holds images of {self.height}x{self.width} pixels, whose middle falls between the pixels "
                f"of {height}x{width} with the anchor at ({row:g}, {column:g}): save the set at an "
                f"{'odd' if self.height % 2 == 0 else 'even'} size."
            )
        if min(top, left) < 0 or top + height > self.height or left + width > self.width:
            raise StimulusError(
                f"{self.path} holds images of {self.height}x{self.width} pixels, and {height}x{width} are wanted, with "
                f"the anchor at ({row:g}, {column:g}): save the set at that size or larger."
            )
        return jnp.asarray(item)[int(top) : int(top) + height, int(left) : int(left) + width]

    def chunks(
        self,
        height: int | None = None,
        width: int | None = None,
        *,
        chunk: int | None = None,
        renderer: Renderer | None = None,
        start: int = 0,
    ) -> Iterator[Chunk]:
        """Reads the images in order, a chunk at a time.

        Args:
            height: Of the images, in pixels; as saved if left out, and cropped if less.
            width: Of the images, in pixels; `height` if left out.
            chunk: Stimuli at a time. It changes no image.
            renderer: The one that they were drawn with.
            start: Index of the first stimulus that is wanted.

        Raises:
            SpecError: If a size or `chunk` is no whole number above 0.
            StimulusError: If the images are too small, or a file cannot be read.
        """
        height, width, renderer = self._as_saved(height, width, renderer)
        return super().chunks(height, width, chunk=chunk, renderer=renderer, start=start)

    def images(
        self, height: int | None = None, width: int | None = None, *, renderer: Renderer | None = None
    ) -> Images:
        """Reads all of them.

        Raises:
            StimulusError: If they do not fit into memory, are too small, or a file cannot be read.
        """
        height, width, renderer = self._as_saved(height, width, renderer)
        return super().images(height, width, renderer=renderer)

    def _as_saved(
        self, height: int | None, width: int | None, renderer: Renderer | None
    ) -> tuple[int, int | None, Renderer]:
        if height is None:
            height, width = self.height, self.width
        return height, width, renderer or self.renderer or FAST

    def __repr__(self) -> str:
        what = f"{len(self)} images" if self.definition is None else repr(self.definition)
        return f"{what}; saved at {self.height}x{self.width} pixels in {self.path}"


def header_of(place: Path) -> dict[str, Any] | None:
    """Returns the definition and the circumstances of a saved set, or None if there is none."""
    with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        if place.is_file():
            with zipfile.ZipFile(place) as archive, archive.open("definition.npy") as file:
                found = json.loads(str(np.lib.format.read_array(file, allow_pickle=False)))
        elif (place / "zarr.json").exists():
            found = json.loads(json.loads((place / "zarr.json").read_text("utf-8"))["attributes"]["definition"])
        else:
            found = json.loads((place / DEFINITION).read_text("utf-8"))
        known = isinstance(found, dict) and isinstance(found.get("saved"), dict) and found["saved"].keys() >= _SAVED
        return found if known else None
    return None


def files(folder: Path) -> Iterator[str]:
    """Yields all files under a folder, as metadata.csv names them."""
    for place, _, names in os.walk(folder):
        inside = Path(place).relative_to(folder).as_posix()
        yield from (name if inside == "." else f"{inside}/{name}" for name in names)


def _kind_of(path: Path) -> str:
    if path.is_file():
        return "npz"
    return "zarr" if (path / "zarr.json").exists() else "png"


def _read_png(path: Path) -> Saved:
    if not (path / LABELS).is_file():
        raise StimulusError(f"{path} holds no {LABELS}: wanted a folder of images, and {LABELS} with their labels.")
    labels = _read_labels(path / LABELS)
    if "file_name" not in labels or not len(labels):
        raise StimulusError(f"{path / LABELS} has no {'row' if 'file_name' in labels else 'column file_name'}.")
    names = [str(name) for name in labels.pop("file_name")]
    labels.index.name = "stimulus"
    there = set(files(path))
    if missing := next((name for name in names if name not in there), None):
        raise StimulusError(f"{path / missing} is missing, and {LABELS} names it.")
    header = header_of(path)
    if header is None and (path / DEFINITION).exists():
        raise StimulusError(f"{path / DEFINITION} was not written by save: wanted a definition with `saved` in it.")
    if header is None:
        height, width, channels = _read_image(path / names[0], None).shape
    else:
        height, width, channels = (int(header["saved"][name]) for name in ("height", "width", "channels"))
        if unnamed := {name for name in there if name.endswith(".png")} - set(names):
            raise StimulusError(f"{path / min(unnamed)} is there, and {LABELS} does not name it.")

    def read(indices: Indices) -> Images:
        shape = (height, width, channels)
        return np.stack([_read_image(path / names[index], shape) for index in indices]).astype(np.float32) / 127.5 - 1

    return _saved(path, labels, header, (height, width), read)


def _read_labels(path: Path) -> pd.DataFrame:
    """Returns a CSV file: a column in which everything is a number as floats, which come back to the bit."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            names = next(reader, [])
            columns: list[list[str]] = [[] for _ in names]
            for row in reader:
                if len(row) != len(names):
                    where = f"line {reader.line_num} has {len(row)} fields of {len(names)}"
                    raise StimulusError(f"{path} is not whole: {where}.")
                # Most parameters stay the same all along, and so need be kept once only.
                for column, value in zip(columns, map(sys.intern, row), strict=True):
                    column.append(value)
    except csv.Error as error:
        raise StimulusError(f"{path} cannot be read: {error}.") from None
    return pd.DataFrame({name: _typed(column) for name, column in zip(names, columns, strict=True)})


def _typed(column: list[Any]) -> list[Any] | Float[np.ndarray, " stimulus"]:
    """Returns numbers, or texts that all are numbers, as floats; what is empty is NaN."""
    try:
        return np.array([float(value) if value != "" else math.nan for value in column])
    except ValueError:
        return column


def _read_image(file: Path, shape: tuple[int, ...] | None) -> UInt8[np.ndarray, "h w channel"]:
    from PIL import Image

    try:
        content = io.BytesIO(file.read_bytes())
        with Image.open(content) as opened:
            opened.verify()  # checksums, which reading alone leaves out; it has to start again afterwards
        with Image.open(content) as opened:
            if opened.mode not in ("L", "RGB"):
                raise StimulusError(f"{file} holds pixels of kind {opened.mode!r}: wanted 8-bit grey (L) or RGB.")
            found = (opened.height, opened.width, 1 if opened.mode == "L" else 3)
            if shape not in (None, found):
                raise StimulusError(f"{file} has (height, width, channels) {found}, and the set has {shape}.")
            return np.asarray(opened).reshape(found)
    except StimulusError:
        raise
    # Pillow reports a broken checksum as a SyntaxError.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise StimulusError(f"{file} cannot be read: {error}.") from None


def _read_npz(path: Path) -> Saved:
    header = header_of(path)
    if header is None:
        raise StimulusError(f"{path} is no .npz that save wrote, or not all of one: it holds no definition.")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            labels = pd.DataFrame({name: held[name] for name in header["saved"]["columns"]})
        images = _mapped(path, "images.npy")
    except (ValueError, KeyError, EOFError) as error:
        raise StimulusError(f"{path} is not whole: {error}.") from None
    labels.index.name = "stimulus"
    return _saved(path, labels, header, images.shape[1:3], lambda indices: np.array(images[indices]))


def _mapped(path: Path, name: str) -> np.ndarray:
    """Returns an array of an uncompressed zip file, mapped into memory: nothing is read until it is looked at."""
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        # The header at the member itself gives the lengths of its name and of its extra field.
        start = archive.getinfo(name).header_offset
        file.seek(start + 26)
        name_length, extra_length = (int.from_bytes(file.read(2), "little") for _ in range(2))
        file.seek(start + 30 + name_length + extra_length)
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        return np.memmap(path, dtype, "r", file.tell(), shape)


def _read_zarr(path: Path) -> Saved:
    header = header_of(path)
    if header is None:
        raise StimulusError(f"{path} holds no definition: wanted a store that save wrote. Open it with xarray.")
    try:
        store = zarr().open_group(path, mode="r")
        images = store["images"]
        labels = pd.DataFrame({name: _typed(store[name][:].tolist()) for name in header["saved"]["columns"]})
    except (KeyError, ValueError, RuntimeError) as error:
        raise StimulusError(f"{path} is not whole: {error}.") from None
    labels.index.name = "stimulus"

    def read(indices: Indices) -> Images:
        try:
            found = np.asarray(images.oindex[indices])
        except (OSError, ValueError, RuntimeError) as error:
            raise StimulusError(
                f"{path / 'images'} cannot be read at {indices[0]} to {indices[-1]}: {error}."
            ) from None
        # A chunk that is not there reads as NaN.
        if np.isnan(found).any():
            absent = indices[np.isnan(found).any(axis=(1, 2, 3))][0]
            raise StimulusError(f"{path / 'images'} is not whole: image {absent} is missing.")
        return found

    return _saved(path, labels, header, images.shape[1:3], read)


_READERS: dict[str, Callable[[Path], Saved]] = {"png": _read_png, "npz": _read_npz, "zarr": _read_zarr}


def _saved(
    path: Path,
    labels: pd.DataFrame,
    header: dict[str, Any] | None,
    size: tuple[int, int],
    read: Callable[[Indices], Images],
) -> Saved:
    definition = renderer = None
    if header is not None:
        try:
            definition = text.from_json(json.dumps(header))
            renderer = Renderer(**header["saved"]["renderer"])
        except (CircuitkitError, TypeError) as error:
            raise StimulusError(f"the definition in {path} cannot be read: {error}") from None
    return Saved(path, labels, definition, *size, renderer, read)


def _check_labels(found: Saved, definition: LabelledSet) -> None:
    """Refuses labels that are not those of the definition."""
    count = len(definition)
    if len(found.labels) != count:
        raise StimulusError(f"{found.path} has labels of {len(found.labels)} images, and its definition says {count}.")
    for start in range(0, count, ROWS):
        wanted = definition.table(range(start, min(start + ROWS, count)))
        labels = found.labels.iloc[start : start + ROWS]
        if list(wanted) != list(labels):
            odd = sorted({*map(str, wanted)} ^ {*map(str, labels)}) or list(map(str, labels))
            raise StimulusError(f"{found.path} has labels that its definition contradicts: see column {odd[0]!r}.")
        for name in wanted:
            held, said = labels[name].to_numpy(), wanted[name].to_numpy()
            # Another platform may round a random number otherwise in the last bit.
            numbers = np.issubdtype(held.dtype, np.number) and np.issubdtype(said.dtype, np.number)
            same = np.isclose(held, said, rtol=1e-6, atol=1e-30) if numbers else held == said
            if not np.all(same):
                at = int(np.argmin(same))
                raise StimulusError(
                    f"{found.path} contradicts itself: image {start + at} is labelled {name}={held[at]}, and by the "
                    f"definition it is {said[at]}. One of the two was changed; save the set again."
                )


def zarr() -> Any:
    """Returns the module zarr.

    Raises:
        StimulusError: If it is not installed.
    """
    try:
        import zarr as module
    except ModuleNotFoundError:
        raise StimulusError(
            "zarr is not installed: pip install zarr. Without it, images are saved as png or npz, and "
            "responses as .nc."
        ) from None
    return module
