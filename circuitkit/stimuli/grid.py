"""Grids of stimuli: one stimulus, and the values that each of some of its parameters takes.

>>> from circuitkit.stimuli import Curve
>>> grid(Curve(width=2), angle=turn(4), radius=log(10, 40, 3))
Grid of 12 stimuli: Curve, angle 0 to 270 (4), radius 10 to 40 (3)
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit.errors import StimulusError, unknown_name
from circuitkit.stimuli.curve import Curve


def turn(count: int, *, over: float = 360.0) -> tuple[float, ...]:
    """Returns `count` evenly spaced angles, in degrees, from 0."""
    return tuple(index * over / count for index in range(count))


def log(low: float, high: float, count: int) -> tuple[float, ...]:
    """Returns `count` values from `low` to `high`, both included, each the same factor above the last."""
    if not 0 < low <= high < math.inf:
        raise StimulusError(f"log({low}, {high}, {count}) has no values: wanted 0 < low <= high, both finite.")
    return tuple(float(value) for value in np.geomspace(low, high, count))


@dataclasses.dataclass(frozen=True, repr=False)
class Grid:
    """All combinations of some parameters of a stimulus; nothing is drawn until it is needed.

    Attributes:
        stimulus: What is drawn, and the parameters that stay.
        axes: The parameters that vary, with their values; the last varies fastest.
    """

    stimulus: Curve
    axes: Mapping[str, tuple[float, ...]]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values along each axis."""
        return tuple(len(values) for values in self.axes.values())

    def __len__(self) -> int:
        return math.prod(self.shape)

    def table(self) -> Float[np.ndarray, "stimulus axis"]:
        """Returns the varying parameters of every stimulus, in order."""
        columns = np.meshgrid(*self.axes.values(), indexing="ij")
        return np.stack([column.ravel() for column in columns], axis=1).astype(np.float32)

    def draw(
        self, row: Float[Array, " axis"], height: int, width: int, *, anchor: tuple[float, float]
    ) -> Float[Array, "{height} {width}"]:
        """Draws one stimulus from its row of the table; `row` may be traced."""
        values = {name: row[index] for index, name in enumerate(self.axes)}
        return dataclasses.replace(self.stimulus, **values).draw(height, width, anchor=anchor)

    def images(self, height: int, width: int) -> Float[Array, "stimulus {height} {width} 1"]:
        """Draws all of them, anchored at the centre of the image."""
        anchor = ((height - 1) / 2, (width - 1) / 2)
        return jnp.stack([self.draw(row, height, width, anchor=anchor) for row in jnp.asarray(self.table())])[..., None]

    def __repr__(self) -> str:
        axes = [f"{name} {values[0]:g} to {values[-1]:g} ({len(values)})" for name, values in self.axes.items()]
        return f"Grid of {len(self)} stimuli: {', '.join([type(self.stimulus).__name__, *axes])}"


def grid(stimulus: Curve, **axes: Iterable[float]) -> Grid:
    """Returns the grid of all combinations of the values given.

    Args:
        stimulus: What to draw, with the parameters that stay.
        **axes: Parameters of the stimulus, each with its values.

    Raises:
        UnknownNameError: If the stimulus has no such parameter.
        StimulusError: If there is no axis, an axis is empty, or a value cannot be drawn.
    """
    fields = [field.name for field in dataclasses.fields(stimulus)]
    values: dict[str, tuple[float, ...]] = {}
    for name, given in axes.items():
        if name not in fields:
            raise unknown_name("parameter", name, fields, owner=f"stimulus {type(stimulus).__name__}")
        values[name] = tuple(float(value) for value in given)
        if not values[name]:
            raise StimulusError(f"axis {name!r} of the grid is empty: give it at least one value.")
        for value in values[name]:
            dataclasses.replace(stimulus, **{name: value})  # its checks are the stimulus's own
    if not values:
        raise StimulusError(f"the grid has no axis: name a parameter to vary, one of {', '.join(fields)}.")
    return Grid(stimulus, values)
