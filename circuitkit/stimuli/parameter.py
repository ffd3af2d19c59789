"""Parameters of stimuli, each declared once: its unit, its bounds, and what it means.

From one declaration follow the check when a stimulus is made, the docstring, the option of the command line and
the entry of the gallery. All parameters but parts are numbers or colours, and may be traced, so any of them can be
an axis of a grid and can be differentiated.
"""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit import checks
from circuitkit.errors import StimulusError
from circuitkit.geometry import Scalar

Colour = Scalar | tuple[Scalar, Scalar, Scalar] | Float[Array, "3"] | str
"""A grey, -1 (black) to 1 (white) with 0 for mid grey, or red, green and blue on the same scale, or '#rrggbb'.

Text becomes numbers as soon as a stimulus is made.
"""

Values = Float[np.ndarray, " value"] | Float[np.ndarray, "value 3"]
"""Values of one parameter: numbers, or colours."""

Kind = Literal["number", "colour", "part", "picture"]


@dataclasses.dataclass(frozen=True)
class Parameter:
    """What is known of one parameter.

    Attributes:
        doc: What it means, as a phrase that ends in a full stop.
        kind: A number, a colour (or None), a part (another stimulus, or None), or a picture (an array).
        unit: `pixels`, `degrees` or nothing.
        above: The value is greater than this.
        at_least: The value is not less than this.
        at_most: The value is not greater than this.
        infinite: Whether infinity has a meaning.
    """

    doc: str
    kind: Kind = "number"
    unit: str = ""
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    infinite: bool = False

    @property
    def wanted(self) -> str:
        """Says which values are taken."""
        if self.kind == "colour":
            return "a grey from -1 (black) to 1 (white), three such numbers for RGB, or '#rrggbb'"
        if self.kind == "part":
            return "a stimulus"
        if self.kind == "picture":
            return "an array of (height, width) or (height, width, 3), from -1 (black) to 1 (white)"
        bounds = [
            f"{word} {bound:g}"
            for word, bound in (("above", self.above), ("at least", self.at_least), ("at most", self.at_most))
            if bound is not None
        ]
        number = f"a {'' if self.infinite else 'finite '}number{f' of {self.unit}' if self.unit else ''}"
        return f"{number}{' ' if bounds else ''}{', '.join(bounds)}{', or infinity' if self.infinite else ''}"


def pixels(
    default: float,
    doc: str,
    *,
    above: float | None = None,
    at_least: float | None = None,
    infinite: bool = False,
) -> Any:
    """Declares a length, in pixels."""
    parameter = Parameter(doc, unit="pixels", above=above, at_least=at_least, infinite=infinite)
    return dataclasses.field(default=default, metadata={"parameter": parameter})


def degrees(default: float, doc: str, *, above: float | None = None, at_most: float | None = None) -> Any:
    """Declares an angle, in degrees."""
    parameter = Parameter(doc, unit="degrees", above=above, at_most=at_most)
    return dataclasses.field(default=default, metadata={"parameter": parameter})


def number(
    default: float,
    doc: str,
    *,
    above: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Any:
    """Declares a number without a unit."""
    parameter = Parameter(doc, above=above, at_least=at_least, at_most=at_most)
    return dataclasses.field(default=default, metadata={"parameter": parameter})


def colour(default: Colour | None, doc: str) -> Any:
    """Declares a colour. None leaves it to follow from the others, as `doc` says."""
    return dataclasses.field(default=default, metadata={"parameter": Parameter(doc, kind="colour")})


def part(*, doc: str, default: Any = dataclasses.MISSING) -> Any:
    """Declares another stimulus that this one holds. With a default of None it may be left out."""
    return dataclasses.field(default=default, metadata={"parameter": Parameter(doc, kind="part")})


def picture(*, doc: str) -> Any:
    """Declares a picture: an array of greys or colours."""
    return dataclasses.field(metadata={"parameter": Parameter(doc, kind="picture")})


def parameters(stimulus: Any) -> dict[str, Parameter]:
    """Returns the parameters of a stimulus or of its class, by name."""
    return {field.name: field.metadata["parameter"] for field in dataclasses.fields(stimulus)}


def check(owner: str, name: str, parameter: Parameter, value: Any) -> Any:
    """Returns the value of a parameter as it is kept: floats, and tuples of three floats. Lets traced values pass.

    Raises:
        StimulusError: If it is not what the parameter takes.
    """
    if parameter.kind == "part":
        if isinstance(value, str | bytes | bool) or checks.is_plain(value):
            raise StimulusError(f"{owner} has {name}={value!r}: wanted {parameter.wanted}.")
        return value
    if parameter.kind == "picture":
        return _picture(owner, name, parameter, value)
    if parameter.kind == "colour":
        if isinstance(value, str):
            value = from_hex(value, owner=f"{owner} has {name}")
        if isinstance(value, tuple | list):
            if len(value) != 3:
                raise StimulusError(f"{owner} has {name}={value!r}: wanted {parameter.wanted}.")
            return tuple(_number(owner, name, parameter, each) for each in value)
        if value is None:
            return None
    return _number(owner, name, parameter, value)


def _number(owner: str, name: str, parameter: Parameter, value: Any) -> Any:
    if isinstance(value, str | bytes | bool) or value is None:
        raise StimulusError(f"{owner} has {name}={value!r}: wanted {parameter.wanted}.")
    if not checks.is_plain(value):
        return value
    try:
        value = float(value)
    except OverflowError:  # a whole number of more than 308 digits
        value = math.inf
    refused = (
        math.isnan(value)
        or (math.isinf(value) and not parameter.infinite)
        or (parameter.above is not None and value <= parameter.above)
        or (parameter.at_least is not None and value < parameter.at_least)
        or (parameter.at_most is not None and value > parameter.at_most)
    )
    if refused:
        raise StimulusError(f"{owner} has {name}={value}: wanted {parameter.wanted}.")
    return value


def _picture(owner: str, name: str, parameter: Parameter, value: Any) -> Any:
    if value is None or isinstance(value, str | bytes | list | tuple | int | float):
        raise StimulusError(f"{owner} has {name} of type {type(value).__name__}: wanted {parameter.wanted}.")
    if not isinstance(value, np.ndarray | jax.Array):
        return value
    if not np.issubdtype(value.dtype, np.floating):
        raise StimulusError(
            f"{owner} has {name} of type {value.dtype}: wanted {parameter.wanted}. Bytes become that with "
            "pixels / 127.5 - 1."
        )
    # Arrays of JAX pass, as its numbers do: they may be gradients, or stacked.
    if isinstance(value, np.ndarray):
        if value.ndim not in (2, 3) or value.shape[2:] not in ((), (3,)) or value.size == 0:
            raise StimulusError(f"{owner} has {name} of shape {value.shape}: wanted {parameter.wanted}.")
        if not np.abs(value).max() <= 1:
            raise StimulusError(
                f"{owner} has {name} with values from {value.min()} to {value.max()}: wanted {parameter.wanted}."
            )
    return jnp.asarray(value, jnp.float32)


def from_hex(text: str, *, owner: str) -> tuple[float, float, float]:
    """Returns the colour that '#rrggbb' or '#rgb' names, on the scale of images.

    >>> from_hex("#ff0000", owner="Disc has foreground")
    (1.0, -1.0, -1.0)
    """
    digits = text.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    try:
        if not text.startswith("#") or len(digits) != 6:
            raise ValueError
        red, green, blue = bytes.fromhex(digits)
    except ValueError:
        raise StimulusError(f"{owner}={text!r}: wanted a colour such as '#ff8800', or numbers.") from None
    return red / 127.5 - 1, green / 127.5 - 1, blue / 127.5 - 1


def hues(count: int, *, chroma: float = 1.0, lightness: float = 0.0) -> tuple[tuple[float, float, float], ...]:
    """Returns evenly spaced hues, from red, as colours of one `lightness`.

    The colours lie on a circle round a grey, in the plane where red, green and blue have one sum: 0 is red, 120
    green, 240 blue, and opposite hues are complementary (their mean is the grey).
    """
    return tuple(hue(index * 360 / count, chroma=chroma, lightness=lightness) for index in range(count))


def hue(angle: float, *, chroma: float = 1.0, lightness: float = 0.0) -> tuple[float, float, float]:
    """Returns the colour at an angle of the hue circle; see `hues`."""
    red, green, blue = (
        lightness + chroma * (2 / 3) * float(np.cos(np.radians(angle - offset))) for offset in (0.0, 120.0, 240.0)
    )
    return red, green, blue


def attributes(fields: Iterable[dataclasses.Field[Any]]) -> str:
    """Returns the Attributes section of a docstring, from the declarations of the fields."""
    lines = ["Attributes:"]
    for field in fields:
        parameter: Parameter = field.metadata["parameter"]
        unit = f" In {parameter.unit}." if parameter.unit else ""
        default = "" if field.default in (None, dataclasses.MISSING) else f" Default: {field.default!r}."
        lines.append(f"    {field.name}: {parameter.doc}{unit}{default}")
    return "\n    ".join(lines)
