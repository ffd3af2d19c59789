"""Responses on disk as they come: a Zarr store that a sweep can be interrupted on, and resumed.

Each block of a sweep is one file of the store, written under another name and then renamed: whatever happens, a block
is there whole or not at all. So a store is valid at any time; what has not been computed yet reads as NaN. What the
sweep was is kept with it, and a store of another sweep is refused.

    open_responses("sweep.zarr")        # as `tune` returns it: a dimension for each axis of a grid
    xr.open_zarr("sweep.zarr")          # response (stimulus, unit), and every parameter that varies, by stimulus
"""

import dataclasses
import json
import math
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from circuitkit.errors import StoreError
from circuitkit.responses import Labels
from circuitkit.stimuli import LabelledSet
from circuitkit.stimuli.saved import ROWS, zarr
from circuitkit.stimuli.text import from_json, to_json

FORMAT = "circuitkit responses 1"
_RESPONSE = "response"
_UNFINISHED = ".partial"
"""How the name of a file ends that is being written; Zarr's own do, too."""


@dataclasses.dataclass(frozen=True, eq=False)
class Store:
    """The responses of one sweep, some of them still to come.

    Attributes:
        path: The folder.
        stimuli: The set.
        labels: What the responses are called.
        array: (stimulus, ...), on disk; a chunk of it is a block of the sweep.
    """

    path: Path
    stimuli: LabelledSet
    labels: Labels
    array: Any

    @classmethod
    def begin(
        cls,
        path: str | os.PathLike[str],
        stimuli: LabelledSet,
        labels: Labels,
        *,
        identity: Mapping[str, Any],
        shape: tuple[int, ...],
        chunk: int,
    ) -> "Store":
        """Makes the store of a sweep, or opens it if the same sweep has begun one.

        Args:
            path: A folder, there or not.
            stimuli: The set.
            labels: What the responses are called.
            identity: All that has to be the same for the responses to be the same, beside the stimuli; plain values.
            shape: Of one stimulus's responses.
            chunk: Stimuli in a block.

        Raises:
            StoreError: If there is something else at the path, or another sweep, or it cannot be written.
            StimulusError: If the stimuli cannot be written as text, or zarr is not installed.
        """
        path, module = Path(path), zarr()
        identity = {**identity, "stimuli": to_json(stimuli)}
        text = json.dumps({"format": FORMAT, "identity": identity, "labels": dataclasses.asdict(labels)})
        try:
            if _is_taken(path):
                held, wanted = _header(path)["identity"], json.loads(text)["identity"]
                if held != wanted:
                    raise StoreError(
                        f"{path} holds another sweep: {_difference(held, wanted)}. Name another path, or remove it."
                    )
            if not _is_made(path):
                _make(module, path, stimuli, labels, text, shape, chunk)
            return cls(path, stimuli, labels, module.open_group(path, mode="r+")[_RESPONSE])
        except OSError as error:
            raise StoreError(f"{path} cannot be written ({error.strerror or error}): name another path.") from error

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "Store":
        """Opens a store to be read.

        Raises:
            StoreError: If there is none, or it was interrupted while it was made.
        """
        path = Path(path)
        header = _header(path)
        if not _is_made(path):
            raise StoreError(f"{path} was interrupted before it had any responses: run the same sweep again.")
        given = header["labels"]
        coords = {name: (dim, values) for name, (dim, values) in given["coords"].items()}
        # JSON has no tuples.
        attrs = {name: tuple(value) if isinstance(value, list) else value for name, value in given["attrs"].items()}
        labels = Labels(tuple(given["dims"]), coords, attrs)
        stimuli = from_json(header["identity"]["stimuli"])
        return cls(path, stimuli, labels, zarr().open_group(path, mode="r")[_RESPONSE])

    def missing(self) -> list[int]:
        """Returns the numbers of the blocks that are still to come."""
        blocks = math.ceil(len(self.stimuli) / self.array.chunks[0])
        return [number for number in range(blocks) if not self._is_there(number)]

    def done(self) -> int:
        """Returns how many stimuli have their responses."""
        chunk, total = self.array.chunks[0], len(self.stimuli)
        return total - sum(min(chunk, total - number * chunk) for number in self.missing())

    def write(self, number: int, values: Float[np.ndarray, "stimulus *shape"]) -> None:
        """Keeps the responses of one block.

        Raises:
            StoreError: If it cannot be written.
        """
        # A chunk without a codec is its values as they are, the last one filled up. Written through zarr it takes
        # longer than a small net takes to compute it.
        block = np.full(self.array.chunks, np.nan, np.float32)
        block[: len(values)] = values
        place = self._file(number)
        unfinished = place.with_name(f"{place.name}{_UNFINISHED}")
        try:
            unfinished.write_bytes(block.data)
            unfinished.replace(place)
        except OSError as error:
            raise StoreError(
                f"{self.path} cannot be written ({error.strerror or error}): what it holds is kept, and the same sweep "
                "goes on with it."
            ) from error

    def read(self) -> xr.DataArray:
        """Returns the responses as `tune` does; those of a set of one dimension are read when they are needed."""
        if len(self.stimuli.shape) > 1:
            return self.labels.array(self.array[:], self.stimuli)
        (dim,) = self.stimuli.dims
        with xr.open_zarr(self.path, chunks=None, consolidated=True) as opened:
            found = opened[_RESPONSE].reset_coords(drop=True)
        found = found.rename({"stimulus": dim}) if dim != "stimulus" else found
        found = found.assign_coords({**self.stimuli.coords, **self.labels.coords})
        found.attrs = dict(self.labels.attrs)
        return found

    def _file(self, number: int) -> Path:
        return self.path / _RESPONSE / ".".join(["c", str(number), *["0"] * (self.array.ndim - 1)])

    def _is_there(self, number: int) -> bool:
        try:
            return self._file(number).stat().st_size == 4 * math.prod(self.array.chunks)
        except FileNotFoundError:
            return False


def open_responses(path: str | os.PathLike[str]) -> xr.DataArray:
    """Returns the responses that a sweep has kept in a store, as `tune` returns them; NaN where there are none yet.

    Raises:
        StoreError: If there is no such store.
    """
    return Store.open(path).read()


def _is_taken(path: Path) -> bool:
    """Says whether there is anything at a path, beside what is left of a store whose first file was not whole."""
    if not path.is_dir():
        return path.exists()
    return any(not entry.name.endswith(_UNFINISHED) for entry in path.iterdir())


def _is_made(path: Path) -> bool:
    """Says whether a store has all but its responses: the list of its arrays is written last."""
    try:
        return json.loads((path / "zarr.json").read_text(encoding="utf-8")).get("consolidated_metadata") is not None
    except FileNotFoundError:
        return False


def _make(
    module: Any, path: Path, stimuli: LabelledSet, labels: Labels, header: str, shape: tuple[int, ...], chunk: int
) -> None:
    """Makes a store without responses; anew, if its making was interrupted."""
    group = module.create_group(path, attributes={"circuitkit": header}, overwrite=True)
    names = [*_write_parameters(group, stimuli, labels), *_write_coordinates(group, labels)]
    group.create_array(
        _RESPONSE,
        shape=(len(stimuli), *shape),
        chunks=(chunk, *shape),
        dtype="float32",
        compressors=None,
        chunk_key_encoding={"name": "default", "separator": "."},  # a file for each block, and no folder
        fill_value=float("nan"),
        dimension_names=("stimulus", *labels.dims),
        # So xarray knows them for coordinates of the responses.
        attributes={**labels.attrs, "coordinates": " ".join(names)},
    )
    with warnings.catch_warnings():
        # Zarr warns that no other implementation knows this list; xarray looks for it first, and warns where it is not.
        warnings.filterwarnings("ignore", message="Consolidated metadata", category=UserWarning)
        module.consolidate_metadata(path)


def _header(path: Path) -> dict[str, Any]:
    """Returns what a store says of itself.

    Raises:
        StoreError: If it is none.
    """
    try:
        attributes = json.loads((path / "zarr.json").read_text(encoding="utf-8"))["attributes"]
        header = json.loads(attributes["circuitkit"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path} is no store of responses ({type(error).__name__}): name another path.") from None
    if header.get("format") != FORMAT:
        raise StoreError(f"{path} has format {header.get('format')!r}: wanted {FORMAT!r}. Name another path.")
    return header


def _difference(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Returns what differs: the first that can be read with both values, the rest by name."""
    keys = [key for key in {**wanted, **held} if held.get(key) != wanted.get(key)]
    readable = [key for key in keys if not re.fullmatch("[0-9a-f]{32,}", str(held.get(key)))]
    if not readable:
        return f"its {keys[0]} are others"
    name, old, new = readable[0], held.get(readable[0]), wanted.get(readable[0])
    if name == "stimuli":
        name, old, new = _apart(json.loads(str(old)), json.loads(str(new)), name)
    others = [f"its {key}" for key in keys if key != readable[0]]
    more = f" ({', '.join(others)} differ too)" if others else ""
    return f"its {name} is {_brief(old)}, and {_brief(new)} was asked for{more}"


def _apart(old: Any, new: Any, name: str) -> tuple[str, Any, Any]:
    """Returns the innermost name at which two definitions differ, and both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        if old.keys() != new.keys():
            return name, list(old), list(new)
        key = next(key for key in {**new, **old} if old.get(key) != new.get(key))
        return _apart(old.get(key), new.get(key), key)
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = [
            (a, b) for a, b in zip(old, new, strict=True) if a != b and isinstance(a, dict) and isinstance(b, dict)
        ]
        if pairs:
            return _apart(*pairs[0], name)
        if _brief(old) == _brief(new):
            place = next(place for place, (a, b) in enumerate(zip(old, new, strict=True)) if a != b)
            return f"{name} number {place + 1}", old[place], new[place]
    return name, old, new


def _brief(value: Any) -> str:
    if isinstance(value, list) and len(value) > 1 and all(isinstance(each, int | float) for each in value):
        return f"{value[0]:g} to {value[-1]:g} ({len(value)} values)"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _write_parameters(group: Any, stimuli: LabelledSet, labels: Labels) -> list[str]:
    """Writes what varies, by stimulus, some rows at a time; returns its names."""
    varying, count = {*stimuli.varying(np.zeros(1, int)), *stimuli.coords}, len(stimuli)
    written = []
    for start in range(0, count, ROWS):
        table = stimuli.table(range(start, min(start + ROWS, count)))
        if start == 0:
            # A colour has a column for each channel: foreground.red. What the responses are called comes first.
            known = [name for name in map(str, table.columns) if {name, name.rpartition(".")[0]} & varying]
            written = [name for name in known if name not in {_RESPONSE, *labels.dims, *labels.coords}]
        for name in written:
            values = table[name].to_numpy()
            numbers = values.dtype.kind in "biuf"
            if start == 0:
                kind: Any = "float64" if numbers else str
                group.create_array(
                    name, shape=(count,), chunks=(min(ROWS, count),), dtype=kind, dimension_names=("stimulus",)
                )
            group[name][start : start + len(table)] = values if numbers else values.astype(str)
    return written


def _write_coordinates(group: Any, labels: Labels) -> list[str]:
    """Writes what the other axes are called; returns the names of those that name no axis."""
    for name, (dim, given) in labels.coords.items():
        values = np.asarray(given)
        kind: Any = str if values.dtype.kind == "U" else "float64"
        array = group.create_array(name, shape=values.shape, chunks=values.shape, dtype=kind, dimension_names=(dim,))
        array[:] = values
    return [name for name, (dim, _) in labels.coords.items() if name != dim]
