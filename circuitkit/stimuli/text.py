"""Labelled sets as JSON text, and back: classes and parameters by name, every value as it is, nothing evaluated.

All parameters are written, not only those that were set, so a set stays what it was when a default changes.
"""

import base64
import dataclasses
import json
import math
from typing import Any

import numpy as np
from jaxtyping import Float

from circuitkit.errors import StimulusError, UnknownNameError, unknown_name
from circuitkit.stimuli import sets
from circuitkit.stimuli.distributions import Choice, Distribution, LogUniform, Normal, Uniform
from circuitkit.stimuli.parameter import parameters
from circuitkit.stimuli.photographs import Photographs, VariedPhotographs, photographs
from circuitkit.stimuli.sets import Grid, LabelledSet, Sample, Subset
from circuitkit.stimuli.stimulus import CATALOGUE, Stimulus

FORMAT = "circuitkit stimuli 1"

_SETS = ("Grid", "Sample", "Subset", "Photographs", "VariedPhotographs")

_DISTRIBUTIONS: dict[str, type[Distribution]] = {cls.__name__: cls for cls in (Uniform, LogUniform, Normal, Choice)}


def to_json(stimuli: LabelledSet) -> str:
    """Returns the definition of a set as JSON text; pictures are written pixel by pixel.

    Raises:
        StimulusError: If it is no set that has a definition.
    """
    return json.dumps({"format": FORMAT, **_set(stimuli)}, indent=1) + "\n"


def from_json(text: str) -> LabelledSet:
    """Returns the set that `to_json` wrote, or that someone wrote by hand.

    Raises:
        StimulusError: If the text is no JSON, no labelled set, or has values that cannot be drawn.
        UnknownNameError: If a class or parameter is misspelt.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise StimulusError(f"this is no JSON (line {error.lineno}, column {error.colno}: {error.msg}).") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise StimulusError(f'this JSON is no labelled set: wanted an object with "format": "{FORMAT}".')
    try:
        return _read_set(data)
    except (KeyError, TypeError, AttributeError) as error:
        raise StimulusError(f"this labelled set is not complete: {type(error).__name__} at {error}.") from None


def stimulus_to_json(stimulus: Stimulus) -> str:
    """Returns one stimulus, with all its parameters, as a line of JSON."""
    return json.dumps(_stimulus(stimulus))


def stimulus_from_json(text: str) -> Stimulus:
    """Returns the stimulus that `stimulus_to_json` wrote.

    Raises:
        StimulusError: If it is none.
    """
    try:
        return _read_stimulus(json.loads(text))
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise StimulusError(f"this text is no stimulus: {type(error).__name__}: {error}.") from None


def _set(stimuli: LabelledSet) -> dict[str, Any]:
    if isinstance(stimuli, Grid):
        axes = [{name: _numbers(values) for name, values in axis.values.items()} for axis in stimuli.axes]
        return {"set": "Grid", "stimulus": _stimulus(stimuli.stimulus), "axes": axes}
    if isinstance(stimuli, Sample):
        drawn = {name: _distribution(each) for name, each in stimuli.distributions.items()}
        return {
            "set": "Sample",
            "stimulus": _stimulus(stimuli.stimulus),
            "count": stimuli.count,
            "seed": stimuli.seed,
            "distributions": drawn,
        }
    if isinstance(stimuli, Subset):
        return {"set": "Subset", "indices": list(stimuli.indices), "whole": _set(stimuli.whole)}
    if isinstance(stimuli, Photographs):
        return {
            "set": "Photographs",
            "path": str(stimuli.decoder.source.path),
            "side": stimuli.decoder.side,
            "column": stimuli.decoder.source.column,
            "chosen": stimuli.chosen.tolist(),
            "stimulus": _stimulus(stimuli.stimulus),
        }
    if isinstance(stimuli, VariedPhotographs):
        return {"set": "VariedPhotographs", "photographs": _set(stimuli.photographs), "looks": _set(stimuli.looks)}
    raise StimulusError(f"a {type(stimuli).__name__} cannot be written as text: wanted one of {', '.join(_SETS)}.")


def _read_set(data: dict[str, Any]) -> LabelledSet:
    kind = data["set"]
    if kind == "Subset":
        return _read_set(data["whole"])[data["indices"]]
    if kind == "VariedPhotographs":
        pictures, looks = _read_set(data["photographs"]), _read_set(data["looks"])
        if not isinstance(pictures, Photographs) or not isinstance(looks, Grid):
            raise StimulusError("varied photographs in this text are not Photographs with a Grid of looks.")
        return VariedPhotographs(pictures, looks)
    stimulus = _read_stimulus(data["stimulus"])
    if kind == "Photographs":
        found = photographs(data["path"], side=data["side"], column=data["column"])
        if len(data["chosen"]) and max(data["chosen"]) >= len(found):
            raise StimulusError(
                f"{data['path']!r} holds {len(found)} pictures, and number {max(data['chosen'])} is wanted."
            )
        return dataclasses.replace(found[data["chosen"]], stimulus=stimulus)
    if kind == "Grid":
        return sets.grid(stimulus, *({name: _read(each) for name, each in axis.items()} for axis in data["axes"]))
    if kind == "Sample":
        drawn = {name: _read_distribution(each) for name, each in data["distributions"].items()}
        return sets.sample(stimulus, data["count"], seed=data["seed"], **drawn)
    raise unknown_name("kind of set", kind, _SETS, owner="this text")


def _stimulus(stimulus: Stimulus) -> dict[str, Any]:
    values = {name: getattr(stimulus, name) for name in parameters(stimulus)}
    return {
        "class": type(stimulus).__name__,
        **{name: _stimulus(value) if isinstance(value, Stimulus) else _number(value) for name, value in values.items()},
    }


def _read_stimulus(data: dict[str, Any]) -> Stimulus:
    name = data["class"]
    if name not in CATALOGUE:
        unknown = unknown_name("class", name, CATALOGUE, owner="this text")
        raise UnknownNameError(f"{unknown} A kind of your own is known once the module that declares it is imported.")
    known = parameters(CATALOGUE[name])
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key == "class":
            continue
        if key not in known:
            raise unknown_name("parameter", key, known, owner=f"stimulus {name}")
        values[key] = _read_part(value) if isinstance(value, dict) else _read(value)
    return CATALOGUE[name](**values)


def _read_part(data: dict[str, Any]) -> Stimulus | Float[np.ndarray, "..."]:
    """Returns what a stimulus holds: another one, or the pixels of a picture."""
    if "float32" not in data:
        return _read_stimulus(data)
    try:
        pixels = np.frombuffer(base64.b64decode(data["float32"], validate=True), "<f4").reshape(data["shape"])
    except ValueError as error:
        raise StimulusError(f"the pixels of a picture in this text are damaged: {error}.") from None
    return pixels.astype(np.float32)


def _distribution(distribution: Distribution) -> dict[str, Any]:
    if isinstance(distribution, Choice):
        return {"class": "Choice", "options": [_number(option) for option in distribution.options]}
    fields = {field.name: getattr(distribution, field.name) for field in dataclasses.fields(distribution)}  # type: ignore[arg-type]
    return {"class": type(distribution).__name__, **{name: _number(value) for name, value in fields.items()}}


def _read_distribution(data: dict[str, Any]) -> Distribution:
    name = data["class"]
    if name not in _DISTRIBUTIONS:
        raise unknown_name("distribution", name, _DISTRIBUTIONS, owner="this text")
    if name == "Choice":
        return Choice(*(_read(option) for option in data["options"]))
    return _DISTRIBUTIONS[name](**{key: _read(value) for key, value in data.items() if key != "class"})


def _numbers(values: Any) -> list[Any]:
    return [_number(tuple(value) if np.ndim(value) else value) for value in values]


def _number(value: Any) -> Any:
    """Returns a parameter as JSON has it, which has no infinity."""
    if value is None:
        return None
    if isinstance(value, tuple) or np.ndim(value) == 1:
        return [_number(part) for part in value]
    if np.ndim(value) > 1:
        pixels = np.asarray(value, "<f4")
        return {"shape": pixels.shape, "float32": base64.b64encode(pixels.tobytes()).decode("ascii")}
    value = float(value)
    return str(value) if math.isinf(value) else value


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_read(part) for part in value)
    return float(value) if value in ("inf", "-inf") else value
