"""Arguments and subjects as files, so that every figure and table can be made again without the net.

    save_argument(argument, "synthetic_examples.nc")
    load_argument("synthetic_examples.nc").holds       # all that an argument says follows from what is in the file

An argument is one netCDF file; a subject is text. What is read back knows units, poses and the hypothesis, but no
weights: its net is `KeptNet`, which refuses to be run.
"""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from circuitkit.errors import CircuitkitError, NetError, StoreError
from circuitkit.evidence.argument import Argument, Criterion, Subject
from circuitkit.hypothesis import Factors, Hypothesis
from circuitkit.probe import Images, Maps, Net, Probe
from circuitkit.receptive_field import ReceptiveField
from circuitkit.stimuli.text import stimulus_from_json, stimulus_to_json

FORMAT = "circuitkit argument 1"

_Path = str | os.PathLike[str]

_PARTS = ("numbers", "data")
"""Datasets of an argument; in the file, their names and dimensions start with the part's."""


class KeptNet(Net):
    """What is known of a net whose units were measured, once it is gone: names and a receptive field."""

    def __init__(self, name: str, layer: str, unit_names: tuple[str, ...], field: ReceptiveField | None) -> None:
        """Takes what one layer of the net was called, and what its units see."""
        self.name = name
        self._layer, self._unit_names, self._field = layer, unit_names, field

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer that was measured."""
        return (self._layer,)

    def unit_names(self, layer: str) -> tuple[str, ...]:
        """The units that were measured."""
        del layer
        return self._unit_names

    def receptive_field(self, layer: str, image_size: tuple[int, int] | None = None) -> ReceptiveField | None:
        """What a unit saw."""
        del layer, image_size
        return self._field

    def maps(self, images: Images, layer: str) -> Maps:
        """Refuses."""
        del images
        raise NetError(
            f"net {self.name!r} was not kept with the report, so {layer!r} cannot be run: load the net, and verify it."
        )


def save_argument(argument: Argument, path: _Path) -> None:
    """Writes an argument to a netCDF file.

    Raises:
        StoreError: If the file cannot be written.
    """
    said: dict[str, Any] = {
        "format": FORMAT,
        "name": argument.name,
        "claim": argument.claim,
        "criteria": {name: dataclasses.asdict(each) for name, each in argument.criteria.items()},
        "notes": list(argument.notes),
        "why_untested": argument.why_untested,
        "attrs": {part: _plain(getattr(argument, part).attrs) for part in _PARTS},
    }
    whole = xr.Dataset()
    for part in _PARTS:
        own: xr.Dataset = getattr(argument, part)
        named = own.rename({name: f"{part}.{name}" for name in (*own.variables, *own.dims)})
        whole = whole.merge(named)
    whole.attrs = {}
    if not argument.why_untested:
        # Positions alone: units are those of the numbers, and there may be no draw at all.
        whole["interval"] = (("numbers.unit", "bound"), argument.interval.transpose("unit", "bound").values)
        said["draws"] = {str(name): each.values.astype(str).tolist() for name, each in argument.null.coords.items()}
        said["draws"]["null"] = np.asarray(argument.null.values, float).tolist()
    whole = whole.drop_encoding()
    for name in whole.variables:
        whole[name].attrs = {k: v for k, v in whole[name].attrs.items() if isinstance(v, str | int | float)}
    said["bytes"] = [str(name) for name, variable in whole.variables.items() if variable.dtype == np.uint8]
    for name in said["bytes"]:  # the file format has signed bytes only
        whole[name] = whole[name].copy(data=whole[name].values.view(np.int8))
    empty = [name for name, variable in whole.variables.items() if not variable.size]  # which it does not have at all
    said["empty"] = {
        str(name): [list(whole[name].dims), list(whole[name].shape), whole[name].dtype.str, whole[name].attrs]
        for name in empty
    }
    try:
        whole.drop_vars(empty).assign_attrs(said=json.dumps(said)).to_netcdf(path, engine="scipy")
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror or error}): name another folder.") from None


def load_argument(path: _Path) -> Argument:
    """Reads what `save_argument` wrote.

    Raises:
        StoreError: If the file is none of these.
    """
    try:
        whole = xr.load_dataset(path, engine="scipy")
        said = json.loads(whole.attrs["said"])
        if said["format"] != FORMAT:
            raise ValueError(said["format"])
        for name, (dims, shape, kind, attrs) in said["empty"].items():
            restored = xr.Variable(dims, np.zeros(shape, np.dtype(kind)), attrs)
            whole = whole.assign_coords({name: restored}) if dims == [name] else whole.assign({name: restored})
        for name in set(said["bytes"]) - set(said["empty"]):
            whole[name] = whole[name].copy(data=whole[name].values.view(np.uint8))
        parts = {part: _part(whole, part).assign_attrs(said["attrs"][part]) for part in _PARTS}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{path} is no argument ({error}): wanted a file that `save_argument` wrote.") from None
    if said["why_untested"]:
        return Argument.untested(said["name"], said["claim"], said["why_untested"])
    null = said["draws"].pop("null")
    units = parts["numbers"].unit.values
    return Argument(
        name=said["name"],
        claim=said["claim"],
        numbers=parts["numbers"],
        criteria={name: Criterion(**each) for name, each in said["criteria"].items()},
        interval=xr.DataArray(
            whole["interval"].values, dims=("unit", "bound"), coords={"unit": units, "bound": ["low", "high"]}
        ),
        null=xr.DataArray(
            np.array(null, float),
            dims="draw",
            coords={name: ("draw", np.array(values, str)) for name, values in said["draws"].items()},
        ),
        data=parts["data"],
        notes=said["notes"],
    )


def _part(whole: xr.Dataset, part: str) -> xr.Dataset:
    """Returns one dataset of an argument, under its own names."""
    start = f"{part}."
    own = whole[[name for name in whole.variables if str(name).startswith(start)]]
    own = own.rename({name: str(name).removeprefix(start) for name in (*own.variables, *own.dims)})
    own.attrs = {}
    return own.assign_coords({name: own[name].astype(str) for name in own.coords if own[name].dtype == object})


def _plain(attrs: dict[Any, Any]) -> dict[str, Any]:
    return {str(name): value if isinstance(value, str | int | float) else str(value) for name, value in attrs.items()}


def subject_to_json(subject: Subject) -> dict[str, Any]:
    """Returns what a report has to know of a subject, ready for JSON: no weights, no images, no controls."""
    field = subject.probe.receptive_field
    return {
        "net": subject.probe.net.name,
        "layer": subject.probe.layer,
        "units": list(subject.probe.unit_names),
        "receptive_field": None if field is None else {key: list(v) for key, v in dataclasses.asdict(field).items()},
        "image_values": subject.probe.net.image_values,
        "angle": [_number(value) for value in subject.poses.angle.values],
        "size": [_number(value) for value in subject.poses["size"].values],
        "seed": subject.seed,
        "hypothesis": _hypothesis(subject.hypothesis),
    }


def subject_from_json(said: dict[str, Any]) -> Subject:
    """Returns the subject that `subject_to_json` wrote, with a net that cannot be run.

    Raises:
        StoreError: If something is missing.
    """
    try:
        field = said["receptive_field"]
        seen = None if field is None else ReceptiveField(**{key: tuple(value) for key, value in field.items()})
        net = KeptNet(said["net"], said["layer"], tuple(said["units"]), seen)
        net.image_values = said["image_values"]
        poses = {name: ("unit", np.array(said[name], float)) for name in ("angle", "size")}
        return Subject(
            Probe(net, said["layer"], tuple(said["units"])),
            _read_hypothesis(said["hypothesis"]),
            xr.Dataset(poses, coords={"unit": said["units"]}),
            seed=said["seed"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"this is no subject of a report ({type(error).__name__}: {error}).") from None
    except CircuitkitError as error:
        raise StoreError(f"the subject of this report cannot be read: {error}") from None


def _hypothesis(said: Hypothesis) -> dict[str, Any]:
    """Returns all of a hypothesis but its handbuilt counterpart, which is a function."""
    return {
        "name": said.name,
        "shape": json.loads(stimulus_to_json(said.shape)),
        "period": said.period,
        "size": said.size,
        "sizes": list(said.sizes),
        "part": None if said.part is None else list(said.part),
        "rivals": {name: json.loads(stimulus_to_json(each)) for name, each in said.rivals.items()},
        "factors": {name: [dict(level) for level in levels] for name, levels in said.factors.items()},
        "replica": {name: [dict(level) for level in levels] for name, levels in said.replica.items()},
        "angle": said.angle,
        "at": said.at,
    }


def _read_hypothesis(said: dict[str, Any]) -> Hypothesis:
    return Hypothesis(
        **{
            **said,
            "shape": stimulus_from_json(json.dumps(said["shape"])),
            "sizes": tuple(said["sizes"]),
            "part": tuple(said["part"]) if said.get("part") else None,  # reports from before have none
            "rivals": {name: stimulus_from_json(json.dumps(each)) for name, each in said["rivals"].items()},
            "factors": _factors(said["factors"]),
            "replica": _factors(said["replica"]),
        }
    )


def _factors(said: dict[str, list[dict[str, Any]]]) -> Factors:
    return {
        name: tuple({key: tuple(v) if isinstance(v, list) else v for key, v in level.items()} for level in levels)
        for name, levels in said.items()
    }


def _number(value: float) -> float | None:
    """Returns a number for JSON, which has no NaN."""
    return float(value) if np.isfinite(value) else None


def keep_argument(folder: Path, argument: Argument, *, identity: str, seconds: float) -> None:
    """Keeps an argument in a folder of a battery that may be interrupted: whole, or not at all.

    Args:
        folder: Made if it is missing.
        argument: That was measured.
        identity: What tells one battery from another.
        seconds: What it took.

    Raises:
        StoreError: If the folder cannot be written.
    """
    path = _kept_path(folder, argument.name)
    part = path.with_name(f".{path.name}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_argument(argument, part)
        said = json.dumps({"identity": identity, "seconds": seconds})
        path.with_suffix(".json").write_text(said, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise StoreError(f"{folder} cannot be written ({error.strerror or error}): name another folder.") from None


def kept_argument(folder: Path, name: str, *, identity: str) -> tuple[Argument, float] | None:
    """Returns an argument that `keep_argument` kept, and what it took; None if there is none.

    Raises:
        StoreError: If what is kept there is of another battery.
    """
    path = _kept_path(folder, name)
    if not path.exists():
        return None
    try:
        said = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        same, seconds = said["identity"] == identity, float(said["seconds"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} is no part of a battery ({error}): remove it, or name another folder.") from None
    if not same:
        raise StoreError(
            f"{path} is of another battery: of another net, units, hypothesis, images, controls or seed. Name another "
            "folder, or remove this one."
        )
    return load_argument(path), seconds


def _kept_path(folder: Path, name: str) -> Path:
    return folder / f"{name.replace(' ', '_')}.nc"
