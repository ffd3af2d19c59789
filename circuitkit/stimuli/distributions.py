"""Where the values of a sample's parameters come from.

A distribution is its quantiles: which value is reached at which probability. Whoever draws brings uniform numbers.
"""

import abc
import dataclasses
import math
from typing import Any

import numpy as np
import scipy.special
from jaxtyping import Float

from circuitkit.errors import StimulusError
from circuitkit.stimuli.parameter import Colour, Values, from_hex


class Distribution(abc.ABC):
    """Where a sample's values of one parameter come from."""

    @abc.abstractmethod
    def values(self, uniform: Float[np.ndarray, " n"]) -> Values:
        """Returns the values at which the distribution has reached these probabilities, each from 0 to 1."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{value:g}' for value in vars(self).values())})"


@dataclasses.dataclass(frozen=True, repr=False)
class Uniform(Distribution):
    """Every value from `low` to `high` alike."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not -math.inf < self.low <= self.high < math.inf:
            raise StimulusError(f"{self} has no values: wanted low <= high, both finite.")

    def values(self, uniform: Float[np.ndarray, " n"]) -> Values:
        """Returns the quantiles."""
        return self.low + (self.high - self.low) * uniform


@dataclasses.dataclass(frozen=True, repr=False)
class LogUniform(Distribution):
    """Every factor alike, from `low` to `high`."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high < math.inf:
            raise StimulusError(f"{self} has no values: wanted 0 < low <= high, both finite.")

    def values(self, uniform: Float[np.ndarray, " n"]) -> Values:
        """Returns the quantiles."""
        return self.low * (self.high / self.low) ** uniform


@dataclasses.dataclass(frozen=True)
class Normal(Distribution):
    """The normal distribution, cut off at `low` and `high`."""

    mean: float
    sd: float
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and 0 < self.sd < math.inf and self.low < self.high):
            raise StimulusError(f"{self} has no values: wanted a finite mean, sd above 0, and low < high.")

    def values(self, uniform: Float[np.ndarray, " n"]) -> Values:
        """Returns the quantiles."""
        first, last = (scipy.special.ndtr((end - self.mean) / self.sd) for end in (self.low, self.high))
        return self.mean + self.sd * scipy.special.ndtri(first + (last - first) * uniform)

    def __repr__(self) -> str:
        ends = "" if self.low == -math.inf and self.high == math.inf else f", {self.low:g}, {self.high:g}"
        return f"Normal({self.mean:g}, {self.sd:g}{ends})"


class Choice(Distribution):
    """One of several values, each as likely; numbers or colours.

    Args:
        *options: The values.
    """

    def __init__(self, *options: Colour | str) -> None:
        if not options:
            raise StimulusError("Choice() has no values: give it at least one.")
        plain: list[Any] = [
            from_hex(option, owner="Choice has option") if isinstance(option, str) else option for option in options
        ]
        coloured = any(np.ndim(option) for option in plain)
        self.options: tuple[Any, ...] = tuple(
            (option,) * 3 if coloured and not np.ndim(option) else option for option in plain
        )

    def values(self, uniform: Float[np.ndarray, " n"]) -> Values:
        """Returns the options."""
        return np.asarray(self.options, float)[(uniform * len(self.options)).astype(int)]

    def __repr__(self) -> str:
        return f"Choice({', '.join(str(option) for option in self.options)})"
