"""Photographs: the pictures of a folder, a zip archive or a parquet file as a labelled set, turned and scaled at will.

    photos = photographs("imagenet-sample.zip", side=224, aperture=40, softness=4)
    responses = tune(probe, photos[:8].vary(angle=turn(360), flip=(1, -1)))

A photograph stands with a point of its own on the anchor, its middle unless told otherwise, and what is drawn is a
window of the image's size about the anchor. Beyond its border it goes on mirrored, so that turning it brings no edge
into view; a soft round `aperture` fades it into its own mean colour. Note that the middle of a picture with an even
side lies between pixels: `centre_x=0.5, centre_y=0.5` puts the pixel beside it on the anchor.

Between pixels it is interpolated linearly. Below a scale of 1 it is averaged first, under a triangle that is 2 / scale
of its pixels wide, as Pillow does when it shrinks a picture: what the pixel grid cannot hold goes grey instead of
turning up as a coarser pattern. `Renderer(samples=...)` is not needed for that.

Listing pictures opens none of them. Just before the first is drawn, the headers of all in the set are read, so that a
file that is no picture is found before a sweep starts; pixels are decoded when their turn comes, on threads, once
for all the ways in which a picture is shown, and let go. Nothing is ever unpickled or unpacked to disk.
"""

import abc
import contextlib
import dataclasses
import functools
import io
import os
import threading
import weakref
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Self, overload

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Bool, Float, Int, UInt8

from circuitkit import checks
from circuitkit.errors import StimulusError, unknown_name
from circuitkit.geometry import Pixels
from circuitkit.stimuli.parameter import Colour, check, colour, parameters, part, pixels
from circuitkit.stimuli.patterns import Picture, Raster
from circuitkit.stimuli.render import FAST, Cut, Renderer
from circuitkit.stimuli.sets import Grid, Indices, Items, LabelledSet, Subset, Values, flat, grid
from circuitkit.stimuli.stimulus import Image, Stimulus, stimulus

Which = slice | Sequence[int] | Int[np.ndarray, " _"] | Bool[np.ndarray, " _"]
"""Some of a set: a slice, indices, or a True or False for each."""

Opened = contextlib.AbstractContextManager[Any]
"""A file that was opened for its bytes."""

FORMATS = {
    ".bmp": "BMP",
    ".gif": "GIF",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".pgm": "PPM",
    ".png": "PNG",
    ".ppm": "PPM",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
"""Endings of the files that are taken for pictures, and Pillow's names for what they may hold."""

LABELS = ("labels.csv", "metadata.csv")
"""Tables that may lie beside the pictures: a column `file` or `file_name`, and any others."""


@stimulus
class Photograph(Picture):
    """A picture in its own colours, with any of its points on the anchor; beyond its border it goes on mirrored."""

    image: Raster | None = part(  # type: ignore[assignment]
        default=None, doc="What is shown; in a set, each stimulus brings its own."
    )
    background: Colour | None = colour(  # type: ignore[assignment]
        default=None, doc="Beyond the aperture, and what contrast is about; the picture's mean colour if left out."
    )
    centre_x: Pixels = pixels(
        default=0.0, doc="The point on the anchor: how far to the right of the picture's middle, in its own pixels."
    )
    centre_y: Pixels = pixels(default=0.0, doc="The point on the anchor: how far above the picture's middle.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.image is not None:
            image = check("Photograph", "image", parameters(Picture)["image"], self.image)
            object.__setattr__(self, "image", image)

    def draw(
        self,
        height: int,
        width: int | None = None,
        *,
        anchor: tuple[float, float] | None = None,
        renderer: Renderer = FAST,
    ) -> Image:
        """Draws the picture; see `Stimulus.draw`.

        Raises:
            StimulusError: If it has no image.
        """
        return super(Photograph, self._complete()).draw(height, width, anchor=anchor, renderer=renderer)

    def paint(self, canvas: Image, cut: Cut) -> Image:
        """Returns the canvas with the picture painted over it."""
        return super(Photograph, self._complete()).paint(canvas, cut)

    def values(self, cut: Cut) -> Float[Array, "h w channel"]:
        """Returns the picture, relative to the background, as seen from every point."""
        off_x, off_y = self.centre_x * self.scale, self.centre_y * self.scale
        shown = dataclasses.replace(self, image=self._averaged())
        colours = super(Photograph, shown).values(cut.through(lambda x, y: (x + off_x, y + off_y)))
        return jnp.atleast_3d(colours) - jnp.asarray(self.background, jnp.float32).reshape(1, 1, -1)

    def _complete(self) -> Self:
        """Returns the picture with a background."""
        if self.image is None:
            raise StimulusError(
                "Photograph has image=None: give it an array, make it with Photograph.from_file(path), or take it "
                "from a set: photographs(folder)[0]."
            )
        background = jnp.mean(self.image, (0, 1)) if self.background is None else self.background
        return dataclasses.replace(self, background=background)

    def _averaged(self) -> Float[Array, "rows columns *channel"]:
        """Returns the image without what is too fine for the scale; the same image at a scale of 1 and above."""
        image = jnp.asarray(self.image)
        if checks.is_plain(self.scale) and self.scale >= 1:
            return image
        reach = jnp.maximum(1 / jnp.asarray(self.scale, jnp.float32), 1)
        down, across = (_triangles(count, reach) for count in image.shape[:2])
        return jnp.einsum("ri,cj,ij...->rc...", down, across, image, precision="highest")


def _triangles(count: int, reach: Float[Array, ""]) -> Float[Array, "count count"]:
    """Returns the weights, row by row, of the mean of a row of pixels and its mirror images under a triangle."""
    at = jnp.arange(count, dtype=jnp.float32)
    to, of = at.reshape(-1, 1), at.reshape(1, -1)
    distances = jnp.stack([to - of, to + of + 1, to + of + 1 - 2 * count])
    weights = jnp.maximum(1 - jnp.abs(distances) / reach, 0).sum(0)
    return weights / weights.sum(1, keepdims=True)


class Source(abc.ABC):
    """Where pictures come from: a list of files that can be opened, from several threads at once.

    Attributes:
        path: Of the folder or the file.
        labels: What is known of each picture: a row each, a column `file` unless they have no names.
    """

    path: Path
    labels: pd.DataFrame

    @abc.abstractmethod
    def open(self, index: int) -> Opened:
        """Opens one picture's file."""

    def where(self, index: int) -> str:
        """Says which picture that is, for errors."""
        return f"picture {self.labels['file'].iloc[index]!r} of {str(self.path)!r}"


class Folder(Source):
    """The pictures of a folder and all folders in it, sorted by name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        found = (
            (Path(folder) / name).relative_to(path).as_posix() for folder, _, names in os.walk(path) for name in names
        )
        self.labels = _labelled(path, sorted(found), lambda name: (path / name).open("rb"))

    def open(self, index: int) -> Opened:
        """Opens one picture's file."""
        return (self.path / self.labels["file"].iloc[index]).open("rb")


class Zip(Source):
    """The pictures of a zip archive, sorted by name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._archive = zipfile.ZipFile(path)
        # Left to itself, it may be collected after the file that it has open, which then complains.
        weakref.finalize(self, self._archive.close)
        members = {each.filename: each for each in self._archive.infolist() if not each.is_dir()}
        if locked := sorted(name for name, each in members.items() if each.flag_bits & 1):
            raise StimulusError(f"{str(path)!r} holds {locked[0]!r} under a password: unpack it, and give the folder.")
        self.labels = _labelled(path, sorted(members), self._archive.open)

    def open(self, index: int) -> Opened:
        """Opens one picture's file."""
        return self._archive.open(self.labels["file"].iloc[index])


class Parquet(Source):
    """The pictures of a parquet file, in its order: encoded, as bytes or as the structs of Hugging Face's datasets.

    All other columns of plain values are labels. Two row groups of pictures are kept at a time, still encoded.
    """

    def __init__(self, path: Path, column: str | None) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise StimulusError(
                f"reading {str(path)!r} needs the package pyarrow. Install it with pip install 'circuitkit[parquet]'."
            ) from error
        self.path = path
        try:
            self._file = pq.ParquetFile(path)
            schema = self._file.schema_arrow
            self._column = self._of_pictures(schema, column)
            plain = [each.name for each in schema if not (pa.types.is_nested(each.type) or _is_bytes(each.type))]
            self.labels = self._file.read(columns=plain).to_pandas()
        except (pa.ArrowException, OSError) as error:
            raise StimulusError(f"{str(path)!r} cannot be read as parquet: {error}. Download it again.") from error
        groups = range(self._file.metadata.num_row_groups)
        self._ends = np.cumsum([self._file.metadata.row_group(group).num_rows for group in groups])
        self._groups: dict[int, Any] = {}
        self._lock = threading.Lock()

    def _of_pictures(self, schema: Any, wanted: str | None) -> str:
        """Returns the name of the column of pictures."""
        import pyarrow as pa

        found = [
            each.name
            for each in schema
            if _is_bytes(each.type)
            or (
                pa.types.is_struct(each.type)
                and any(inner.name == "bytes" and _is_bytes(inner.type) for inner in each.type)
            )
        ]
        if wanted is None and len(found) > 1 and "image" not in found:
            raise StimulusError(f"{str(self.path)!r} has several columns of bytes: say column=, one of {found}.")
        if wanted is not None and wanted not in found:
            raise unknown_name("column of encoded pictures", wanted, found, owner=repr(str(self.path)))
        if not found:
            raise StimulusError(
                f"{str(self.path)!r} has no column of encoded pictures, only {schema.names}: wanted bytes of PNG or "
                "JPEG files, or structs with a field 'bytes'."
            )
        return wanted or ("image" if "image" in found else found[0])

    def open(self, index: int) -> Opened:
        """Opens one picture's bytes."""
        group = int(np.searchsorted(self._ends, index, side="right"))
        with self._lock:
            if group not in self._groups:
                self._groups = dict(list(self._groups.items())[-1:])
                self._groups[group] = self._file.read_row_group(group, columns=[self._column]).column(0)
            column = self._groups[group]
        held = column[index - int(self._ends[group])].as_py()  # counted from the end of its group
        held = held["bytes"] if isinstance(held, dict) else held
        if held is None:
            raise StimulusError(f"{self.where(index)} is missing: its bytes are null.")
        return io.BytesIO(held)

    def where(self, index: int) -> str:
        """Says which picture that is, for errors."""
        return f"picture {index} of {str(self.path)!r}"


def _is_bytes(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)


def _labelled(path: Path, names: Sequence[str], opened: Callable[[str], Opened]) -> pd.DataFrame:
    """Returns the names of the pictures among some files, with what a table beside them says.

    Without a table, the folder that a picture lies in is its label, if there are any folders.
    """
    shown = [name for name in names if not any(part.startswith((".", "__MACOSX")) for part in name.split("/"))]
    pictures = [name for name in shown if PurePosixPath(name).suffix.lower() in FORMATS]
    if not pictures:
        kinds = sorted({PurePosixPath(name).suffix or name for name in shown})
        raise StimulusError(
            f"{str(path)!r} holds no pictures{f', only {kinds[:8]}' if kinds else ''}: wanted files ending in "
            f"{', '.join(sorted(FORMATS))}."
        )
    labels = pd.DataFrame({"file": pictures})
    tables = sorted((name for name in shown if PurePosixPath(name).name in LABELS), key=lambda name: name.count("/"))
    if not tables:
        folders = [PurePosixPath(name).parent.name for name in pictures]
        return labels.assign(label=folders) if len(set(folders)) > 1 else labels
    where = f"{tables[0]!r} of {str(path)!r}"
    try:
        with opened(tables[0]) as stream:
            table = pd.read_csv(stream)
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise StimulusError(f"{where} cannot be read as a table: {error}.") from error
    key = next((name for name in ("file", "file_name") if name in table), None)
    if key is None:
        raise StimulusError(f"{where} has columns {list(table)}: wanted a column 'file' with the pictures' names.")
    table = table.rename(columns={key: "file"})
    table["file"] = [(PurePosixPath(tables[0]).parent / str(name)).as_posix() for name in table["file"]]
    if len(lost := table["file"][~table["file"].isin(pictures)]):
        raise StimulusError(
            f"{where} names {len(lost)} pictures that are not there, the first {lost.iloc[0]!r}: wanted names as they "
            "are seen from the table, such as 'dogs/1.png'."
        )
    if table["file"].duplicated().any():
        raise StimulusError(f"{where} has two rows for {table['file'][table['file'].duplicated()].iloc[0]!r}.")
    return labels.merge(table, on="file", how="left")


class Decoded(NamedTuple):
    """A picture's pixels, and their mean colour, which is as costly to find as the drawing: both as bytes."""

    pixels: UInt8[np.ndarray, "rows columns 3"]
    mean: Float[np.ndarray, "3"]


class Decoder:
    """Pictures as bytes of RGB, decoded on threads; the last ones asked for are kept.

    Attributes:
        source: Where they come from.
        side: The shorter side is made this long, and the rest cut off; None leaves them as they are.
    """

    def __init__(self, source: Source, side: int | None) -> None:
        self.source = source
        self.side = side
        self._sizes: dict[int, tuple[int, int]] = {}
        self._held: dict[int, Future[Decoded]] = {}

    def size(self, indices: Iterable[int]) -> tuple[int, int]:
        """Returns the height and width that pictures have, decoded, from their headers.

        Raises:
            StimulusError: If one cannot be read, or they differ.
        """
        new = [index for index in indices if index not in self._sizes]
        for start in range(0, len(new), 1024):  # a task that waits takes more memory than a size
            batch = new[start : start + 1024]
            self._sizes |= dict(zip(batch, _threads().map(self._stored_size, batch), strict=True))
        if self.side is not None:
            return self.side, self.side
        first, *others = indices
        for other in others:
            if self._sizes[other] != self._sizes[first]:
                (height, width), (high, wide) = self._sizes[first], self._sizes[other]
                raise StimulusError(
                    f"{self.source.where(other)} has {high}x{wide} pixels, and {self.source.where(first)} has "
                    f"{height}x{width}: they cannot be drawn together. Make them squares of one size with "
                    f"photographs(..., side={min(height, width, high, wide)})."
                )
        return self._sizes[first]

    def take(self, indices: Indices, *, then: Int[np.ndarray, " later"]) -> list[Decoded]:
        """Returns pictures, and goes on to decode as many of those that are wanted next.

        Raises:
            StimulusError: If one cannot be read.
        """
        # What was begun for a longer step is kept in a shorter one.
        wanted, within = indices.tolist(), then[: len(self._held) + len(indices)].tolist()
        ahead = [index for place, index in enumerate(within) if place < len(wanted) or index in self._held]
        self._held = {
            index: self._held.get(index) or _threads().submit(self._decoded, index) for index in (*wanted, *ahead)
        }
        try:
            return [self._held[index].result() for index in wanted]
        except StimulusError:
            self._held = {}
            raise

    def _stored_size(self, index: int) -> tuple[int, int]:
        with self._opened(index) as image:
            return (image.width, image.height) if _orientation(image) >= 5 else (image.height, image.width)

    def _decoded(self, index: int) -> Decoded:
        import PIL.Image
        import PIL.ImageOps
        import PIL.ImageStat

        with self._opened(index) as image:
            turned = _orientation(image) > 1
            if self.side is not None:
                # A JPEG is decoded at a half, a quarter or an eighth where that leaves twice of what is wanted.
                image.draft("RGB", (2 * self.side, 2 * self.side))
            upright = PIL.ImageOps.exif_transpose(image) if turned else image
            if "transparency" in upright.info or upright.mode in ("LA", "PA", "RGBA"):
                grey = PIL.Image.new("RGBA", upright.size, (128, 128, 128, 255))
                upright = PIL.Image.alpha_composite(grey, upright.convert("RGBA"))
            upright = upright.convert("RGB")
            if self.side is not None:
                short = min(upright.size)
                left, top = (upright.width - short) // 2, (upright.height - short) // 2
                upright = upright.resize(
                    (self.side, self.side), PIL.Image.Resampling.BILINEAR, box=(left, top, left + short, top + short)
                )
            return Decoded(np.array(upright), np.array(PIL.ImageStat.Stat(upright).mean))

    @contextlib.contextmanager
    def _opened(self, index: int) -> Iterator[Any]:
        """Opens a picture with Pillow; whatever goes wrong until it is closed is put down to its file."""
        import PIL.Image

        try:
            formats = sorted(set(FORMATS.values()))
            with self.source.open(index) as stream, PIL.Image.open(stream, formats=formats) as image:
                if image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"):
                    raise StimulusError(
                        f"{self.source.where(index)} holds pixels of kind {image.mode!r}: wanted 8 bits a channel."
                    )
                limit = PIL.Image.MAX_IMAGE_PIXELS
                if limit is not None and image.width * image.height > limit:
                    raise PIL.Image.DecompressionBombError
                yield image
        except StimulusError:
            raise
        except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
            raise StimulusError(
                f"{self.source.where(index)} would have more than {PIL.Image.MAX_IMAGE_PIXELS} pixels once decoded: it "
                "may be made to fill the memory. If it is meant, raise PIL.Image.MAX_IMAGE_PIXELS."
            ) from None
        except PIL.UnidentifiedImageError:
            raise StimulusError(
                f"{self.source.where(index)} is no picture that can be read: wanted PNG, JPEG or the like. "
                "Take it out, or replace it."
            ) from None
        except Exception as error:  # Pillow's readers raise all kinds of errors on damaged files
            raise StimulusError(
                f"{self.source.where(index)} is damaged: {error}. Take it out, or replace it."
            ) from error


def _orientation(image: Any) -> int:
    """Returns how a picture of Pillow's has to be turned, in EXIF's numbers, as far as its header says."""
    from PIL.ExifTags import Base

    # Pillow decodes a whole PNG to look for EXIF data at its end.
    known = image.format != "PNG" or "exif" in image.info
    return int(image.getexif().get(Base.Orientation, 1)) if known else 1


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(16, os.cpu_count() or 1), thread_name_prefix="circuitkit-photographs")


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Photographs(LabelledSet):
    """Pictures of a folder or a file, each shown in one way.

    Attributes:
        decoder: Where their pixels come from.
        chosen: Which of the source, by index.
        stimulus: How each is shown: a photograph without its image.

    Raises:
        StimulusError: If there are none.
    """

    decoder: Decoder
    chosen: Int[np.ndarray, " image"]
    stimulus: Photograph

    def __post_init__(self) -> None:
        if not len(self.chosen):
            raise StimulusError(f"no picture of {str(self.decoder.source.path)!r} is left: wanted at least one.")

    @functools.cached_property
    def labels(self) -> pd.DataFrame:
        """What the source says of each picture, a row each; `label_` goes before names that mean something else."""
        taken = {*parameters(Photograph), "image", "stimulus", "unit"}
        found = self.decoder.source.labels.rename(columns={name: f"label_{name}" for name in taken})
        return found.iloc[self.chosen].set_index(pd.Index(self.chosen, name="image"))

    @functools.cached_property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures, which are all one; reads the header of each.

        Raises:
            StimulusError: If a picture cannot be read, or they differ.
        """
        return self.decoder.size(self.chosen.tolist())

    def vary(
        self, *together: Mapping[str, Iterable[Colour | str]], **axes: Iterable[Colour | str]
    ) -> "VariedPhotographs":
        """Returns the same pictures, each shown in several ways: a grid in the picture and other parameters.

        Args:
            *together: Parameters that vary together along one axis; see `zipped`.
            **axes: Parameters, each with its values: `angle=turn(360), flip=(1, -1)`.

        Raises:
            UnknownNameError: If a photograph has no such parameter.
            StimulusError: If there is no axis, an axis is empty, or a value cannot be drawn.
        """
        return VariedPhotographs(self, grid(self.stimulus, *together, **axes))

    @property
    def dims(self) -> tuple[str, ...]:
        """One dimension, the image."""
        return ("image",)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of pictures."""
        return (len(self.chosen),)

    @property
    def coords(self) -> dict[str, tuple[str, Sequence[Any]]]:
        """The index of each picture in its source, and its labels."""
        return {"image": ("image", self.chosen.tolist())} | {
            name: ("image", self.labels[name].tolist()) for name in self.labels
        }

    def varying(self, indices: Indices) -> dict[str, Values]:
        """Returns nothing: all are shown alike."""
        return {}

    def items(self, indices: Indices) -> Items:
        """Returns the pictures as bytes, and their mean colours where those are the background.

        Raises:
            StimulusError: If one cannot be read, or not all are of one size.
        """
        rows, columns = self.size  # which reads all headers, before the first picture is decoded
        wanted, each = np.unique(indices, return_inverse=True)
        behind = int(wanted[-1]) + 1
        # A run of pictures is taken for part of a sweep, which the next pictures belong to.
        running = len(wanted) == behind - wanted[0]
        held = self.decoder.take(self.chosen[wanted], then=self.chosen[behind:] if running else self.chosen[:0])
        found: Items = {"image": np.stack([picture.pixels for picture in held]).reshape(-1, rows, columns, 3)[each]}
        if self.stimulus.background is None:
            found["background"] = np.asarray(_values(np.stack([picture.mean for picture in held])))[each]
        return found

    def draw(
        self,
        item: Items,
        height: int,
        width: int,
        *,
        anchor: tuple[float, float] | None = None,
        renderer: Renderer = FAST,
    ) -> Image:
        """Draws one picture from its item, which may be traced."""
        # Bytes until here: a quarter of what has to be moved to the device.
        shown = self.stimulus.with_values({**item, "image": _values(item["image"])})
        return shown.draw(height, width, anchor=anchor, renderer=renderer)

    def stimulus_at(self, index: int) -> Photograph:
        """Returns one picture, with all its parameters."""
        return self.stimulus.with_values({"image": _values(self.items(np.array([index]))["image"][0])})

    def table(self, indices: Iterable[int] | None = None) -> pd.DataFrame:
        """Returns labels and parameters of every picture, or of some: a row each.

        Args:
            indices: Which pictures of the set; all if left out.
        """
        wanted = np.fromiter(range(len(self)) if indices is None else indices, int)
        found = self.labels.reset_index().iloc[wanted].assign(**flat(self.stimulus))
        return found.set_index(pd.Index(wanted, name="stimulus"))

    @overload  # type: ignore[override]  # a part of the pictures can still be varied
    def __getitem__(self, key: int) -> Photograph: ...
    @overload
    def __getitem__(self, key: Which | pd.Series) -> "Photographs": ...
    def __getitem__(self, key: int | Which | pd.Series) -> "Photograph | Photographs":
        if isinstance(key, int | np.integer):
            if not -len(self) <= key < len(self):
                raise IndexError(f"there is no picture {key}: the set has {len(self)}, counted from 0.")
            return self.stimulus_at(int(key) % len(self))
        return dataclasses.replace(self, chosen=self.chosen[_indices(len(self), key)])

    def __repr__(self) -> str:
        return f"{len(self)} photographs of {self.decoder.source.path.name}: {self.stimulus!r}"


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class VariedPhotographs(LabelledSet):
    """Pictures, each shown in several ways.

    Attributes:
        photographs: The pictures.
        looks: The ways in which each is shown, as a grid of a photograph without its image.
    """

    photographs: Photographs
    looks: Grid

    @property
    def stimulus(self) -> Stimulus:  # type: ignore[override]
        """A photograph without its image: the parameters that stay."""
        return self.looks.stimulus

    @property
    def dims(self) -> tuple[str, ...]:
        """The image, then the axes of the grid."""
        return (*self.photographs.dims, *self.looks.dims)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of pictures, then of values along each axis."""
        return (*self.photographs.shape, *self.looks.shape)

    @property
    def coords(self) -> dict[str, tuple[str, Sequence[Any]]]:
        """The index and the labels of each picture, and the values of each parameter that varies."""
        return {**self.photographs.coords, **self.looks.coords}

    def varying(self, indices: Indices) -> dict[str, Values]:
        """Returns the values along the axes of the grid, for some stimuli."""
        return self.looks.varying(indices % len(self.looks))

    def items(self, indices: Indices) -> Items:
        """Returns the pictures, as those without axes do, and the values along the axes."""
        return {**self.photographs.items(indices // len(self.looks)), **super().items(indices)}

    def draw(
        self,
        item: Items,
        height: int,
        width: int,
        *,
        anchor: tuple[float, float] | None = None,
        renderer: Renderer = FAST,
    ) -> Image:
        """Draws one stimulus from its item, which may be traced."""
        return self.photographs.draw(item, height, width, anchor=anchor, renderer=renderer)

    def stimulus_at(self, index: int) -> Stimulus:
        """Returns one picture, with all its parameters."""
        picture, look = divmod(index, len(self.looks))
        return self.looks.stimulus_at(look).with_values({"image": self.photographs.stimulus_at(picture).image})

    def table(self, indices: Iterable[int] | None = None) -> pd.DataFrame:
        """Returns labels and parameters of every stimulus, or of some: a row each.

        Args:
            indices: Which stimuli; all if left out.
        """
        wanted = np.fromiter(range(len(self)) if indices is None else indices, int)
        pictures = self.photographs.labels.reset_index().iloc[wanted // len(self.looks)]
        looks = self.looks.table((wanted % len(self.looks)).tolist())
        index = pd.Index(wanted, name="stimulus")
        return pd.concat([pictures.set_index(index), looks.set_index(index)], axis=1)

    @overload
    def __getitem__(self, key: int) -> Stimulus: ...
    @overload
    def __getitem__(self, key: Which | pd.Series) -> "SomePhotographs": ...
    def __getitem__(self, key: int | Which | pd.Series) -> "Stimulus | SomePhotographs":
        if isinstance(key, int | np.integer):
            return super().__getitem__(int(key))
        return SomePhotographs(self, tuple(_indices(len(self), key).tolist()))

    def __repr__(self) -> str:
        chosen = self.photographs
        return f"{len(chosen)} photographs of {chosen.decoder.source.path.name}, each a {self.looks!r}"


@dataclasses.dataclass(frozen=True, eq=False)
class SomePhotographs(Subset):
    """Some of the ways in which some pictures are shown."""

    def draw(
        self,
        item: Items,
        height: int,
        width: int,
        *,
        anchor: tuple[float, float] | None = None,
        renderer: Renderer = FAST,
    ) -> Image:
        """Draws one stimulus from its item, which may be traced."""
        return self.whole.draw(item, height, width, anchor=anchor, renderer=renderer)

    def stimulus_at(self, index: int) -> Stimulus:
        """Returns one picture, with all its parameters."""
        return self.whole.stimulus_at(self.indices[index])

    def table(self, indices: Iterable[int] | None = None) -> pd.DataFrame:
        """Returns labels and parameters of every stimulus, or of some: a row each.

        Args:
            indices: Which stimuli; all if left out.
        """
        wanted = np.fromiter(range(len(self)) if indices is None else indices, int)
        found = self.whole.table(self.indices[index] for index in wanted)
        return found.set_index(pd.Index(wanted, name="stimulus"))


def photographs(
    path: str | os.PathLike[str], *, side: int | None = None, column: str | None = None, **shown: Colour | str
) -> Photographs:
    """Returns the pictures of a folder, a zip archive or a parquet file as a labelled set.

    Args:
        path: A folder or a zip archive with pictures in it, at any depth, with or without a table `labels.csv`;
            or a parquet file with a column of encoded pictures. Labels are the table's or the file's other columns.
        side: The shorter side of every picture is made this long, in pixels, and a square cut out of the middle.
            Left out, pictures stay as they are, and must be of one size.
        column: Of a parquet file, where it has several columns of bytes and none is called `image`.
        **shown: Parameters of `Photograph` that all share, by name: `aperture=40, softness=4`.

    Raises:
        StimulusError: If there are no pictures there, or what labels them cannot be read.
        UnknownNameError: If a photograph has no such parameter, or the file no such column.
        SpecError: If `side` is no whole number above 0.
    """
    if side is not None:
        checks.whole("photographs", "side", side)
    source = _source(Path(path), column)
    return Photographs(Decoder(source, side), np.arange(len(source.labels)), Photograph().with_values(shown))


def _source(path: Path, column: str | None) -> Source:
    if not path.exists():
        raise StimulusError(f"there is no {str(path)!r}: wanted a folder, a zip archive or a parquet file of pictures.")
    try:
        if path.is_file():
            with path.open("rb") as stream:
                if stream.read(4) == b"PAR1":
                    return Parquet(path, column)
        if column is not None:
            raise StimulusError(
                f"photographs got column={column!r}, and {str(path)!r} is no parquet file: leave it out."
            )
        if path.is_dir():
            return Folder(path)
        if zipfile.is_zipfile(path):
            return Zip(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise StimulusError(f"{str(path)!r} cannot be read: {error}.") from error
    raise StimulusError(
        f"{str(path)!r} is neither a folder, nor a zip archive, nor a parquet file, or it is damaged. For a single "
        "picture, use Photograph.from_file(path)."
    )


def _indices(count: int, key: Which | pd.Series) -> Indices:
    """Returns which of so many a slice, a list or a mask takes."""
    if not isinstance(key, slice):
        key = np.asarray(key)
        key = key if key.dtype == bool else key.astype(int)
    return np.arange(count)[key]


def _values(pixels: Any) -> Float[Array, "*image"]:
    """Returns bytes as values of images."""
    return jnp.asarray(pixels, jnp.float32) / 127.5 - 1
