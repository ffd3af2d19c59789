"""What the text of an option means: values of a parameter, ranges of them, distributions, whole numbers."""

import math
import re
from decimal import Decimal
from typing import Any

from circuitkit.errors import StimulusError, unknown_name
from circuitkit.stimuli import Choice, LogUniform, Normal, Picture, Uniform, log
from circuitkit.stimuli.distributions import Distribution
from circuitkit.stimuli.parameter import Parameter, from_hex

Value = Any
"""What an option gives one parameter: a number, a colour, a picture."""

VALUES = """\
values of a parameter:
  20                one value, for all stimuli
  8,16,32           several: an axis of the grid; of two axes, the later one varies faster
  0:360:10          from 0 in steps of 10, and 360 itself left out, as in Python: a full turn once
  0:20:lin5         5 values evenly spaced, both ends included: 0, 5, 10, 15, 20
  8:60:log12        12 values, each the same factor above the last, both ends included
  inf               infinity, where it has a meaning
  '#ff8800'         a colour (quoted, or the shell takes it for a comment); a number is a grey
values with --sample (quoted, because of the brackets):
  'uniform(0,360)'  every value alike                  'log(8,60)'      every factor alike
  'normal(0,2)'     mean and standard deviation, and   'choice(1,-1)'   one of these, each as likely
                    two more numbers to cut it off"""

DISTRIBUTIONS: dict[str, type[Distribution]] = {
    "uniform": Uniform,
    "log": LogUniform,
    "normal": Normal,
    "choice": Choice,
}


def values(name: str, parameter: Parameter, text: str) -> list[Value]:
    """Returns the values that an option lists."""
    if parameter.kind == "picture":
        return [Picture.from_file(text).image]
    return [value for piece in text.split(",") for value in _range(name, parameter, piece.strip())]


def _range(name: str, parameter: Parameter, piece: str) -> list[Value]:
    if piece.startswith("#") and parameter.kind == "colour":
        return [from_hex(piece, owner=f"--{name}")]
    first, *rest = piece.split(":")
    spaced = re.fullmatch(r"(lin|log)(\d+)", rest[1]) if len(rest) == 2 else None
    try:
        if not rest:
            return [float(first)]
        last, step = rest
        # Decimal, for 0:1:0.1 means tenths.
        low, high, by = Decimal(first), Decimal(last), Decimal(1 if spaced else step)
        count = math.ceil((high - low) / by)
    except (ValueError, ArithmeticError):
        wanted = f"{parameter.wanted}; or a list or range of them: 8,16 or 0:360:10 or 8:60:log12"
        raise StimulusError(f"--{name} got {piece!r}: wanted {wanted}.") from None
    if spaced:
        return _spaced(name, piece, float(low), float(high), spaced[1], int(spaced[2]))
    if count < 1:
        raise StimulusError(
            f"--{name} got {piece!r}, which holds nothing: wanted start:stop:step, with steps to the stop."
        )
    return [float(low + index * by) for index in range(count)]


def _spaced(name: str, piece: str, low: float, high: float, kind: str, count: int) -> list[float]:
    if count < 2:
        raise StimulusError(f"--{name} got {piece!r}: wanted at least 2 values, since both ends are included.")
    if kind == "log":
        return list(log(low, high, count))
    return [low + (high - low) * index / (count - 1) for index in range(count)]


def distribution(name: str, kind: str, inside: str) -> Distribution:
    """Returns the distribution that an option names: its kind, and what is in the brackets."""
    if kind not in DISTRIBUTIONS:
        raise unknown_name("distribution", kind, DISTRIBUTIONS, owner=f"--{name}")
    pieces = [piece.strip() for piece in inside.split(",")]
    try:
        return DISTRIBUTIONS[kind](
            *(from_hex(piece, owner=f"--{name}") if piece.startswith("#") else float(piece) for piece in pieces)
        )
    except (ValueError, TypeError) as error:
        if isinstance(error, StimulusError):
            raise
        wanted = {"normal": "mean, sd, and if you like low, high", "choice": "values"}.get(kind, "low, high")
        raise StimulusError(f"--{name} got {kind}({inside}): wanted {kind}({wanted}).") from None


def whole(option: str, text: str, *, at_least: int = 1) -> int:
    """Returns the whole number that an option gives."""
    if not re.fullmatch(r"\d+", text) or int(text) < at_least:
        raise StimulusError(f"{option} got {text!r}: wanted a whole number, at least {at_least}.")
    return int(text)


def image_size(text: str) -> tuple[int, int]:
    """Returns the height and the width that --size gives."""
    if not (match := re.fullmatch(r"(\d+)(?:x(\d+))?", text)):
        raise StimulusError(f"--size got {text!r}: wanted a whole number of pixels, or HEIGHTxWIDTH such as 64x48.")
    return int(match[1]), int(match[2] or match[1])
