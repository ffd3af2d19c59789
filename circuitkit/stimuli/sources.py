"""Where photographs come from: the pictures of a folder, a zip archive or a parquet file, and how they are decoded.

Listing pictures opens none of them. Headers are read before the first is decoded; pixels when their turn comes, on
threads, and let go. Nothing is ever unpickled or unpacked to disk.
"""

import abc
import contextlib
import functools
import io
import os
import threading
import weakref
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, UInt8

from circuitkit.errors import StimulusError, unknown_name

Indices = Int[np.ndarray, " picture"]

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


def source_of(path: Path, column: str | None) -> "Source":
    """Returns the pictures of a folder or a file, whichever it is.

    Raises:
        StimulusError: If there are none, or what labels them cannot be read.
        UnknownNameError: If the file has no such column.
    """
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


class Source(abc.ABC):
    """Where pictures come from: a list of files that can be opened, from several threads at once.

    Attributes:
        path: Of the folder or the file.
        labels: What is known of each picture: a row each, a column `file` unless they have no names.
        column: The column that holds the pictures, where they stand in a table.
    """

    path: Path
    labels: pd.DataFrame
    column: str | None = None

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
                f"reading {str(path)!r} needs the package pyarrow. Install it with pip install pyarrow."
            ) from error
        self.path = path
        try:
            self._file = pq.ParquetFile(path)
            schema = self._file.schema_arrow
            self.column = self._of_pictures(schema, column)
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
                self._groups[group] = self._file.read_row_group(group, columns=[self.column]).column(0)
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
        self._lock = threading.Lock()  # the blocks of a sweep ask from several threads

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
        wanted = indices.tolist()
        with self._lock:
            # What was begun for a longer step is kept in a shorter one.
            within = then[: len(self._held) + len(indices)].tolist()
            ahead = [index for place, index in enumerate(within) if place < len(wanted) or index in self._held]
            held = {
                index: self._held.get(index) or _threads().submit(self._decoded, index) for index in (*wanted, *ahead)
            }
            self._held = held
        try:
            return [held[index].result() for index in wanted]
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
