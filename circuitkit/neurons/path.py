"""Lines through the space of inputs, and what neurons say along them: linear between knots, which are computed.

    path = segment(one_image, another)               # t runs from 0 to 1
    said = through([first, second], path)            # knots wherever a neuron of the first layer crosses 0
    said.at, said.values                             # t of each knot, and what each neuron says there
    said(0.25)                                       # what they say in between

An affine layer keeps a line straight and a ReLU bends it, so all that neurons say along a line follows from what they
say at the knots. A value that is 0 up to rounding is 0 (see `affine.ROUNDING`).
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from circuitkit.errors import NeuronsError
from circuitkit.neurons.affine import ROUNDING, Affine, as_floats, check_names, chosen_from, numbered

NARROWEST = 1e-9
"""Crossings farther apart than this, as a part of the stretch between two knots, are never taken for one."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Path:
    """Values along a line, linear between knots: inputs, or what neurons say of them.

    Attributes:
        at: (knot,) where the knots are, t, from low to high.
        values: (knot, neuron).
        names: One a neuron, or an input.
        scale: (knot, neuron), at least 0: the sum of the sizes of the terms whose sum a value is. What is far smaller
            than this is rounding.
    """

    at: Float[np.ndarray, " knot"]
    values: Float[np.ndarray, "knot neuron"]
    names: tuple[str, ...]
    scale: Float[np.ndarray, "knot neuron"]

    def __repr__(self) -> str:
        return f"Path(values={len(self.names)}, knots={len(self.at)}, t={self.at[0]:g}..{self.at[-1]:g})"

    def __call__(self, t: Any) -> Float[np.ndarray, "*points neuron"]:
        """Returns the values at any t of the line.

        Raises:
            NeuronsError: If a t lies beyond its ends.
        """
        where = as_floats("a path was asked for t", t)
        if where.size and not ((where >= self.at[0]) & (where <= self.at[-1])).all():
            raise NeuronsError(f"a path was asked for t beyond its ends: wanted {self.at[0]:g} to {self.at[-1]:g}.")
        knot = np.clip(np.searchsorted(self.at, where, side="right") - 1, 0, len(self.at) - 2)
        along = (where - self.at[knot]) / (self.at[knot + 1] - self.at[knot])
        return between(self.values, np.asarray(knot), np.asarray(along))

    def mapped(self, layer: Affine) -> "Path":
        """Returns what a layer says of these values; `layer(path)` is the same, and checks that it fits."""
        scale = sizes(self.values, layer)
        return Path(self.at, summed(self.values, scale, layer), layer.names, scale)

    def rectified(self) -> "Path":
        """Returns the values after a ReLU, with a knot wherever one of them crosses 0."""
        bent = self.cut(0.0)
        return dataclasses.replace(bent, values=np.maximum(bent.values, 0.0))

    def neurons(self, chosen: Sequence[int | str]) -> "Path":
        """Returns the path of some neurons alone, by number or by name; the knots stay.

        Raises:
            UnknownNameError: If there is no such neuron.
        """
        numbers = chosen_from(self.names, chosen, "a path")
        names = tuple(self.names[number] for number in numbers)
        return Path(self.at, self.values[:, numbers], names, self.scale[:, numbers])

    def cut(self, level: Any) -> "Path":
        """Returns the same line with a knot wherever a neuron crosses a level; there its value is that level exactly.

        Args:
            level: One number for all neurons, or one a neuron.
        """
        levels = as_levels(level, len(self.names))
        values = snapped(self.values, self.scale, levels)
        found = changes(values - levels, self.scale + np.abs(levels))
        whole = dataclasses.replace(self, values=values)
        if not len(found.knot):
            return whole
        cut, new = whole.with_knots(found.knot, found.along)
        rows = new[found.group]
        cut.values[rows, found.neuron] = levels[found.neuron]
        return dataclasses.replace(cut, values=snapped(cut.values, cut.scale, levels))

    def with_knots(
        self, knot: Int[np.ndarray, " new"], along: Float[np.ndarray, " new"]
    ) -> tuple["Path", Int[np.ndarray, " new"]]:
        """Returns the same line with more knots, and where they are among all knots.

        Args:
            knot: Which knot each one follows, from low to high.
            along: How far it lies from there to the next, 0 to 1, and from low to high where `knot` is the same.
        """
        at = np.insert(self.at, knot + 1, between(self.at, knot, along))
        values = np.insert(self.values, knot + 1, between(self.values, knot, along), axis=0)
        scale = np.insert(self.scale, knot + 1, between(self.scale, knot, along), axis=0)
        return Path(at, values, self.names, scale), knot + 1 + np.arange(len(knot))


@dataclasses.dataclass(frozen=True)
class Changes:
    """Where values change their sign between two knots.

    Attributes:
        knot: (place,) the knot before each place, from low to high.
        along: (place,) how far it lies from there to the next, 0 to 1.
        neuron: (change,) which neuron changes its sign.
        group: (change,) at which place.
    """

    knot: Int[np.ndarray, " place"]
    along: Float[np.ndarray, " place"]
    neuron: Int[np.ndarray, " change"]
    group: Int[np.ndarray, " change"]


def changes(values: Float[np.ndarray, "knot neuron"], scale: Float[np.ndarray, "knot neuron"]) -> Changes:
    """Returns where values change their sign; changes that only rounding tells apart are at one place.

    A value that is exactly 0 at a knot changes its sign there, if at all, and not in between.
    """
    sign = np.sign(values).astype(np.int8)
    knot, neuron = np.nonzero(sign[:-1] * sign[1:] < 0)
    before, after = values[knot, neuron], values[knot + 1, neuron]
    along = before / (before - after)
    # How far off a place may be: the rounding of its values, over how fast they change.
    rounding = ROUNDING * np.maximum(scale[knot, neuron], scale[knot + 1, neuron])
    blur = np.minimum(rounding / np.abs(before - after), NARROWEST)
    order = np.lexsort((along, knot))
    knot, neuron, along, blur = knot[order], neuron[order], along[order], blur[order]
    places = grouped(knot, along, blur)
    return Changes(places[0], places[1], neuron, places[2])


def grouped(
    knot: Int[np.ndarray, " change"], along: Float[np.ndarray, " change"], blur: Float[np.ndarray, " change"]
) -> tuple[Int[np.ndarray, " place"], Float[np.ndarray, " place"], Int[np.ndarray, " change"]]:
    """Returns the places of changes, which are sorted; those no farther apart than their blur are one place.

    Returns:
        Knot and way along of each place, and the place of each change.
    """
    apart = np.ones(len(knot), bool)
    apart[1:] = (knot[1:] > knot[:-1]) | (along[1:] - along[:-1] > np.maximum(blur[1:], blur[:-1]))
    group = np.cumsum(apart) - 1
    # The steepest neuron knows best where they meet.
    best = np.lexsort((blur, group))[np.flatnonzero(apart)]
    return knot[best], along[best], group


def between(
    values: Float[np.ndarray, "knot *rest"], knot: Int[np.ndarray, "*points"], along: Float[np.ndarray, "*points"]
) -> Float[np.ndarray, "..."]:
    """Returns values between a knot and the next; where both are equal, that value to the bit."""
    low, high = values[knot], values[knot + 1]
    return np.asarray(low + along.reshape(along.shape + (1,) * (values.ndim - 1)) * (high - low))


def sizes(values: Float[np.ndarray, "point input"], layer: Affine) -> Float[np.ndarray, "point neuron"]:
    """Returns the sums of the sizes of the terms of which a layer says the sums."""
    with np.errstate(over="ignore"):
        return np.asarray(np.abs(values) @ np.abs(layer.weights) + np.abs(layer.bias))


def summed(
    values: Float[np.ndarray, "point input"], scale: Float[np.ndarray, "point neuron"], layer: Affine
) -> Float[np.ndarray, "point neuron"]:
    """Returns what a layer says of values; sums that are 0 up to rounding are 0.

    Raises:
        NeuronsError: If one is more than a float64 holds.
    """
    if not np.isfinite(scale).all():
        raise NeuronsError(f"{layer.title} says more than a float64 holds: wanted smaller weights or inputs.")
    return snapped(values @ layer.weights + layer.bias, scale, np.zeros(layer.size[1]))


def snapped(
    values: Float[np.ndarray, "point neuron"],
    scale: Float[np.ndarray, "point neuron"],
    levels: Float[np.ndarray, " neuron"],
) -> Float[np.ndarray, "point neuron"]:
    """Returns values in which each that is at its neuron's level up to rounding is at it exactly."""
    return np.where(np.abs(values - levels) <= ROUNDING * (scale + np.abs(levels)), levels, values)


def as_levels(level: Any, count: int) -> Float[np.ndarray, " neuron"]:
    """Returns levels, one a neuron; refuses what is neither one number nor one a neuron."""
    found = as_floats("levels were given", level)
    if found.shape not in ((), (1,), (count,)) or not np.isfinite(found).all():
        raise NeuronsError(
            f"levels of shape {found.shape} were given for {count} neurons: wanted one finite number, or one a neuron."
        )
    return np.broadcast_to(found, (count,)).copy()


def interval(low: float, high: float, *, name: str = "x") -> Path:
    """Returns the line of one input, t itself, from low to high.

    >>> interval(-1, 1)
    Path(values=1, knots=2, t=-1..1)

    Raises:
        NeuronsError: If it has no length.
    """
    ends = as_floats("an interval was given ends", [low, high])
    if not (np.isfinite(ends).all() and ends[0] < ends[1]):
        raise NeuronsError(
            f"an interval from {low} to {high} has no length: wanted two finite numbers, the lower first."
        )
    return _path(ends, ends[:, None], [name])


def segment(start: Any, end: Any, *, names: Sequence[str] | None = None) -> Path:
    """Returns the straight line from one point (t = 0) to another (t = 1), of any dimension.

    Args:
        start: (input,).
        end: (input,).
        names: Of the inputs.

    Raises:
        NeuronsError: If they are one point, or do not fit each other.
    """
    return polyline([as_floats("a segment was given a start", start), as_floats("a segment was given an end", end)],
                    at=(0.0, 1.0), names=names)  # fmt: skip


def polyline(points: Any, *, at: Any = None, names: Sequence[str] | None = None) -> Path:
    """Returns the line through many points, straight between them.

    Args:
        points: (point, input), at least two.
        at: (point,) the t of each point, rising; 0, 1, 2, ... if left out.
        names: Of the inputs.

    Raises:
        NeuronsError: If there are fewer than two points, if all are the same, or if `at` does not rise.
    """
    try:
        values = as_floats("a line was given points", points)
    except NeuronsError:
        lengths = {len(np.atleast_1d(point)) for point in points}
        if len(lengths) > 1:
            raise NeuronsError(
                f"a line was given points of {sorted(lengths)} inputs: wanted as many in each."
            ) from None
        raise
    if values.ndim != 2 or len(values) < 2 or values.shape[1] < 1:
        raise NeuronsError(
            f"a line was given points of shape {values.shape}: wanted (point, input), at least 2 points."
        )
    where = np.arange(len(values), dtype=float) if at is None else as_floats("a line was given t", at)
    if where.shape != values.shape[:1] or not (np.isfinite(where).all() and (np.diff(where) > 0).all()):
        raise NeuronsError(f"a line through {len(values)} points was given t {at}: wanted one each, finite and rising.")
    if not np.isfinite(values).all():
        raise NeuronsError("a line was given points with NaN or infinity: wanted finite ones.")
    if (values == values[0]).all():
        raise NeuronsError(
            "a line was given one point again and again, which has no direction: wanted two that differ."
        )
    return _path(where, values, names)


def _path(at: NDArray[np.float64], values: NDArray[np.float64], names: Sequence[str] | None) -> Path:
    count = values.shape[1]
    known = numbered(count, "x") if names is None else tuple(str(name) for name in names)
    check_names("a line", known, count)
    return Path(at, values, known, np.abs(values))
