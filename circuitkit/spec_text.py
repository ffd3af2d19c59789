"""Specs as JSON text, and back: every class by name, every field by name, nothing evaluated.

The text is meant to be read and edited by hand. Unknown classes, missing and misspelt fields are refused
with the place where they stand.
"""

import dataclasses
import json
from typing import Any

from circuitkit import spec
from circuitkit.errors import SpecError, unknown_name
from circuitkit.spec import (
    Circuit,
    Crossing,
    Family,
    Flank,
    Gabor,
    HueFlank,
    Normalisation,
    OppositeArc,
    Reversed,
    Rival,
    Spot,
    Tile,
    Tiles,
    Union,
)

FORMAT = "circuitkit spec 1"

_CLASSES = {name: getattr(spec, name) for name in spec.__all__ if dataclasses.is_dataclass(getattr(spec, name))}

# The classes that stand in a field; every other field holds text or a number.
_NODES: dict[str, tuple[type, ...]] = {
    "families": (Family,),
    "looks_for": (Gabor, Spot, Union, Tile, Tiles),
    "terms": (Tile,),
    "along": tuple(cls for cls in _CLASSES.values() if hasattr(cls, "frame")),  # the shapes
    "minus": (Crossing, OppositeArc, Flank, Reversed, HueFlank, Rival),
}
_NODES["normalised"] = (Normalisation, type(None))
_NODES["shape"] = _NODES["along"]  # of a shape that holds another
_LISTS = ("families", "terms", "minus")
_TEXTS = ("name", "reason")
_SWITCHES = ("over_angles", "inwards", "mirrored", "twisted")


def to_json(circuit: Circuit) -> str:
    """Returns the spec as JSON text."""
    return json.dumps({"format": FORMAT, **_encode(circuit)}, indent=2) + "\n"


def from_json(text: str) -> Circuit:
    """Returns the spec that `to_json` wrote, or that someone wrote by hand.

    Raises:
        SpecError: If the text is no JSON, no circuitkit spec, or a spec that cannot be built.
        UnknownNameError: If a class or field is misspelt.
    """
    try:
        # JSON has no NaN, but Python's reader lets it in; a spec must not hold one.
        data = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise SpecError(f"this is no JSON (line {error.lineno}, column {error.colno}: {error.msg}).") from None
    if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
        raise SpecError(f'this JSON is no circuit: wanted an object with "format": "{FORMAT}".')
    circuit = _decode(data, "circuit")
    if not isinstance(circuit, Circuit):
        raise SpecError(f"this JSON describes a {type(circuit).__name__}, not a Circuit.")
    return circuit


def _refuse_constant(name: str) -> float:
    raise SpecError(f"the text holds {name}: wanted finite numbers only.")


def _encode(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        fields = {field.name: _encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"class": type(value).__name__, **fields}
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    return float(value)  # an array of no dimensions, as fitting leaves them


def _decode(value: Any, place: str) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item, f"{place}[{index}]") for index, item in enumerate(value))
    if not isinstance(value, dict):
        return value
    name = value.get("class")
    if not isinstance(name, str) or name not in _CLASSES:
        raise unknown_name("class", name, _CLASSES, owner=f"{place} of this spec")
    cls = _CLASSES[name]
    fields = {field.name: field for field in dataclasses.fields(cls)}
    given = {key: item for key, item in value.items() if key != "class"}
    for key in given:
        if key not in fields:
            raise unknown_name("field", key, fields, owner=f"{name} at {place}")
    decoded = {key: _decode(item, f"{place}.{key}") for key, item in given.items()}
    for key, item in decoded.items():
        _check(key, item, f"{place}.{key}")
    try:
        return cls(**decoded)
    except TypeError as error:
        raise SpecError(f"{name} at {place} cannot be made: {error}.") from None


def _check(field: str, value: Any, place: str) -> None:
    """Refuses what cannot stand in a field: a class misplaced, a list where one thing is wanted."""
    wanted = _NODES.get(field, ())
    if field in _LISTS:
        fits = isinstance(value, tuple) and all(isinstance(item, wanted) for item in value)
    elif wanted:
        fits = isinstance(value, wanted)
    elif field == "sources":
        fits = isinstance(value, str) or (isinstance(value, tuple) and all(isinstance(item, str) for item in value))
    elif field in _TEXTS:
        fits = isinstance(value, str)
    elif field in _SWITCHES:
        fits = isinstance(value, bool)
    elif field == "scales":
        fits = isinstance(value, tuple) and all(isinstance(item, int | float) for item in value)
    else:
        fits = value is None or isinstance(value, str | int | float)  # which numbers, the spec itself says
    if fits:
        return
    if field == "sources":
        kind = "names of families"
    elif field in _TEXTS:
        kind = "text"
    elif field in _SWITCHES:
        kind = "true or false"
    elif field == "scales":
        kind = "a list of numbers"
    else:
        kind = " or ".join("null" if cls is type(None) else cls.__name__ for cls in wanted) or "a number"
    came = f"a {type(value).__name__}" if dataclasses.is_dataclass(value) else repr(value)
    raise SpecError(f"{place} of this spec holds {came}: wanted {'a list of ' if field in _LISTS else ''}{kind}.")
