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
            identity: All that has to be the same for the responses to be the same; plain values.
            shape: Of one stimulus's responses.
            chunk: Stimuli in a block.

        Raises:
            StoreError: If there is something else at the path, or another sweep, or it cannot be written.
        """
        path, module = Path(path), zarr()
        header = {
            "format": FORMAT,
            "identity": dict(identity),
            "labels": dataclasses.asdict(labels),
            "stimuli": to_json(stimuli),
        }
        header = json.loads(json.dumps(header))  # what it will be when it is read again
        if path.exists():
            there = _header(path)
            if there["identity"] != header["identity"]:
                raise StoreError(
                    f"{path} holds another sweep: {_difference(there['identity'], header['identity'])}. Name another "
                    "path, or remove it."
                )
        if not (path / _RESPONSE).exists():
            try:
                group = module.create_group(path, attributes={"circuitkit": json.dumps(header)}, overwrite=True)
                _write_parameters(group, stimuli)
                _write_coordinates(group, labels)
            except OSError as error:
                raise StoreError(f"{path} cannot be written ({error.strerror}): name another path.") from error
            # Last of all, so that a store with responses has everything else.
            group.create_array(
                _RESPONSE,
                shape=(len(stimuli), *shape),
                chunks=(chunk, *shape),
                dtype="float32",
                fill_value=float("nan"),
                dimension_names=("stimulus", *labels.dims),
                attributes=dict(labels.attrs),
                config={"write_empty_chunks": True},
            )
            with warnings.catch_warnings():
                # xarray looks for consolidated metadata first, and warns where there is none.
                warnings.filterwarnings("ignore", message="Consolidated metadata", category=UserWarning)
                module.consolidate_metadata(path)
        return cls(path, stimuli, labels, module.open_group(path, mode="r+")[_RESPONSE])

    def missing(self) -> list[int]:
        """Returns the numbers of the blocks that are still to come."""
        for unfinished in self.path.rglob("*.partial"):
            unfinished.unlink()
        place, rest = self.path / _RESPONSE / "c", ["0"] * (self.array.ndim - 1)
        blocks = math.ceil(self.array.shape[0] / self.array.chunks[0])
        return [number for number in range(blocks) if not place.joinpath(str(number), *rest).exists()]

    def write(self, number: int, values: Float[np.ndarray, "stimulus *shape"]) -> None:
        """Keeps the responses of one block."""
        start = number * self.array.chunks[0]
        self.array[start : start + len(values)] = values

    def read(self) -> xr.DataArray:
        """Returns the responses as `tune` does; those of a set of one dimension are read when they are needed."""
        if len(self.stimuli.shape) > 1:
            return self.labels.array(self.array[:], self.stimuli)
        with xr.open_zarr(self.path, chunks=None, consolidated=True) as opened:
            found = opened[_RESPONSE]
        found = found.rename({"stimulus": self.stimuli.dims[0]}) if self.stimuli.dims != ("stimulus",) else found
        return found.assign_coords(self.stimuli.coords)


def open_responses(path: str | os.PathLike[str]) -> xr.DataArray:
    """Returns the responses that a sweep has kept in a store, as `tune` returns them; NaN where there are none yet.

    Raises:
        StoreError: If there is no such store.
    """
    path = Path(path)
    header = _header(path)
    if not (path / _RESPONSE).exists():
        raise StoreError(f"{path} was interrupted before it had any responses: run the same sweep again.")
    given = header["labels"]
    labels = Labels(
        tuple(given["dims"]), {name: (dim, values) for name, (dim, values) in given["coords"].items()}, given["attrs"]
    )
    return Store(path, from_json(header["stimuli"]), labels, zarr().open_group(path, mode="r")[_RESPONSE]).read()


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
    """Returns the first difference, in words."""
    key = next(key for key in {**wanted, **held} if held.get(key) != wanted.get(key))
    old, new = str(held.get(key)), str(wanted.get(key))
    start = next((place for place, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    start = max(0, start - 20) if len(old) > 60 or len(new) > 60 else 0
    return f"its {key} is {old[start : start + 60]!r}, and {new[start : start + 60]!r} was asked for"


def _write_parameters(group: Any, stimuli: LabelledSet) -> None:
    """Writes the parameters that vary, by stimulus, some rows at a time."""
    varying, count = set(stimuli.varying(np.zeros(1, int))), len(stimuli)
    for start in range(0, count, ROWS):
        table = stimuli.table(range(start, min(start + ROWS, count)))
        for name in table.columns:
            if str(name).split(".")[0] not in varying or not np.issubdtype(table[name].dtype, np.number):
                continue
            if start == 0:
                group.create_array(
                    name,
                    shape=(count,),
                    chunks=(min(ROWS, count),),
                    dtype="float64",
                    dimension_names=("stimulus",),
                )
            group[name][start : start + len(table)] = table[name].to_numpy()


def _write_coordinates(group: Any, labels: Labels) -> None:
    for name, (dim, given) in labels.coords.items():
        values = np.asarray(given)
        kind: Any = str if values.dtype.kind == "U" else "float64"
        group.create_array(name, shape=values.shape, chunks=values.shape, dtype=kind, dimension_names=(dim,))[:] = (
            values
        )
