"""Which neurons belong together where: exact stretches of a line or cells of a plane, each with its set of neurons.

    found = groups(said, positive())                              # of a Path or a Surface
    found = groups(said, above(upper_quartile(layer, samples)))   # positive, and high for that neuron
    found = groups(said, top(5))                                  # the five that say most
    found.members, found.table()
    members, nearest = nearest_group(points, samples, layer, top(5))      # in any dimension

A **predicate** says which neurons of a list of values are in, and where its answer can change: at levels of single
neurons, or where two of them swap their order. Between these places it is asked in the middle, and at them as they are:
positive means above 0, so a neuron is not in at the very place where it crosses.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, overload

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from circuitkit.errors import NeuronsError
from circuitkit.neurons.affine import Affine, as_floats
from circuitkit.neurons.order import cut_at_swaps, tied
from circuitkit.neurons.path import Path, as_levels, snapped
from circuitkit.neurons.surface import Surface

Members = Callable[[Float[np.ndarray, "*points neuron"]], Bool[np.ndarray, "*points neuron"]]


@dataclasses.dataclass(frozen=True, eq=False)
class Predicate:
    """Which neurons are in a group, by what all of them say.

    Attributes:
        name: What it is called in tables and figures.
        members: Takes values of (..., neuron), and says of each whether it is in.
        levels: Values at which the answer for a neuron may change; each one number for all, or one a neuron.
        compares: Whether it may also change where two neurons swap their order. A number k says that only who is among
            the k highest matters, which is far less to look at.
    """

    name: str
    members: Members
    levels: tuple[Any, ...] = ()
    compares: bool | int = False

    def of(
        self, values: Float[np.ndarray, "point neuron"], scale: Float[np.ndarray, "point neuron"]
    ) -> Bool[np.ndarray, "point neuron"]:
        """Returns who is in; values that are equal up to rounding are equal. Refuses an answer of another form."""
        found = np.asarray(self.members(tied(values, scale) if self.compares else values))
        if found.shape != values.shape or found.dtype != bool:
            raise NeuronsError(
                f"predicate {self.name!r} answered with {found.dtype} of shape {found.shape}: wanted bool of shape "
                f"{values.shape}, one answer for each value."
            )
        return found


def predicate(name: str, members: Members, *, levels: Any = (), compares: bool | int = False) -> Predicate:
    """Returns a predicate of yours; see `Predicate`.

    Args:
        name: What it is called.
        members: Takes values of (..., neuron), and says of each whether it is in.
        levels: One level, or several in a tuple; each one number for all neurons, or one a neuron. Where it leaves out
            a value at which the answer changes, groups are wrong, and nothing can notice.
        compares: See `Predicate`.
    """
    return Predicate(name, members, levels if isinstance(levels, tuple) else (levels,), compares)


def positive() -> Predicate:
    """Returns the predicate of neurons that say more than 0: those that a ReLU lets pass."""
    return Predicate("positive", lambda values: values > 0, (0.0,))


def above(thresholds: Any) -> Predicate:
    """Returns the predicate of neurons that say more than a threshold: one number for all, or one a neuron."""
    held = as_floats("above was given thresholds", thresholds)
    name = f"above {held:g}" if held.ndim == 0 else "above threshold"
    return Predicate(name, lambda values: values > held, (held,))


def top(count: int) -> Predicate:
    """Returns the predicate of the neurons that say most; of those that say the same, the first in the layer's order.

    Raises:
        NeuronsError: If the count is no whole number from 1 up.
    """
    if not isinstance(count, int | np.integer) or isinstance(count, bool) or count < 1:
        raise NeuronsError(f"top was asked for {count!r} neurons: wanted a whole number, at least 1.")

    def members(values: Float[np.ndarray, "*points neuron"]) -> Bool[np.ndarray, "*points neuron"]:
        if count > values.shape[-1]:
            raise NeuronsError(f"top was asked for {count} neurons of {values.shape[-1]}: wanted at most all of them.")
        found = np.zeros(values.shape, bool)
        np.put_along_axis(found, np.argsort(-values, axis=-1, kind="stable")[..., :count], True, axis=-1)
        return found

    return Predicate(f"top {count}", members, (), int(count))


def upper_quartile(layer: Affine, samples: Any, *, quantile: float = 0.75) -> Float[np.ndarray, " neuron"]:
    """Returns thresholds for `above`: each neuron's upper quartile of what it says to samples, or 0 if that is higher.

    Args:
        layer: The layer.
        samples: (sample, input) of its inputs.
        quantile: Another one, from 0 to 1.

    Raises:
        NeuronsError: If there is no sample, or the quantile is none.
    """
    said = layer(samples)
    if said.ndim != 2 or not len(said):
        raise NeuronsError(
            f"upper_quartile was given samples that say {said.shape}: wanted (sample, input), at least one."
        )
    if not 0 <= quantile <= 1:
        raise NeuronsError(f"upper_quartile was given quantile={quantile}: wanted a number from 0 to 1.")
    return np.maximum(np.quantile(said, quantile, axis=0), 0.0)


@dataclasses.dataclass(frozen=True, eq=False)
class Intervals:
    """Groups along a line: neighbouring stretches differ, or are parted by a point that does.

    Attributes:
        predicate: Its name.
        names: Of all neurons.
        bounds: (stretch + 1,) t of where each stretch begins and, last, where the line ends.
        members: (stretch, neuron) who is in between its bounds.
        at_bounds: (stretch + 1, neuron) who is in at each bound itself.
    """

    predicate: str
    names: tuple[str, ...]
    bounds: Float[np.ndarray, " bound"]
    members: Bool[np.ndarray, "stretch neuron"]
    at_bounds: Bool[np.ndarray, "bound neuron"]

    def __call__(self, t: Any) -> Bool[np.ndarray, "*points neuron"]:
        """Returns who is in at any t of the line."""
        where = as_floats("groups were asked for t", t)
        if where.size and not ((where >= self.bounds[0]) & (where <= self.bounds[-1])).all():
            raise NeuronsError(
                f"groups were asked for t beyond the line: wanted {self.bounds[0]:g} to {self.bounds[-1]:g}."
            )
        bound = np.searchsorted(self.bounds, where)
        stretch = np.clip(bound - 1, 0, len(self.members) - 1)
        return np.where((self.bounds[bound] == where)[..., None], self.at_bounds[bound], self.members[stretch])

    @property
    def sizes(self) -> Float[np.ndarray, " stretch"]:
        """The length of each stretch."""
        return np.diff(self.bounds)

    def table(self) -> pd.DataFrame:
        """Returns one row a stretch: from, to, how many are in, who they are."""
        return pd.DataFrame({"from": self.bounds[:-1], "to": self.bounds[1:], **_listed(self.members, self.names)})


@dataclasses.dataclass(frozen=True, eq=False)
class Cells:
    """Groups over a plane.

    Attributes:
        predicate: Its name.
        names: Of all neurons.
        surface: What they say, with cells within which no one enters or leaves.
        members: (cell, neuron) who is in within each cell.
        regions: (cell,) which cells hang together and have the same group, by number. A region need not be convex.
    """

    predicate: str
    names: tuple[str, ...]
    surface: Surface
    members: Bool[np.ndarray, "cell neuron"]
    regions: Int[np.ndarray, " cell"]

    def __call__(self, points: Any) -> Bool[np.ndarray, "*points neuron"]:
        """Returns who is in at any points (..., 2): within the cell, and on an edge within one that it belongs to."""
        return self.members[self.surface.locate(points)]

    @property
    def sizes(self) -> Float[np.ndarray, " cell"]:
        """The area of each cell."""
        return self.surface.areas

    def table(self) -> pd.DataFrame:
        """Returns one row a region, the largest first: its area, its cells, how many are in, who they are."""
        _, first = np.unique(self.regions, return_index=True)
        columns = {"area": np.bincount(self.regions, self.sizes), "cells": np.bincount(self.regions)}
        whole = pd.DataFrame({**columns, **_listed(self.members[first], self.names)})
        return whole.sort_values("area", ascending=False, kind="stable", ignore_index=True)


@overload
def groups(said: Path, wanted: Predicate) -> Intervals: ...
@overload
def groups(said: Surface, wanted: Predicate) -> Cells: ...
def groups(said: Path | Surface, wanted: Predicate) -> Intervals | Cells:
    """Returns who belongs together where, exactly.

    Args:
        said: What neurons say along a line, or over a plane.
        wanted: Who is in.

    >>> from circuitkit.neurons import Affine, interval
    >>> groups(Affine([[1.0, -1.0]], [0.0, 0.5])(interval(-1, 1)), positive()).table()
       from   to  count neurons
    0  -1.0  0.0      1      n1
    1   0.0  0.5      2  n0, n1
    2   0.5  1.0      1      n0

    Raises:
        NeuronsError: If levels or answers of the predicate do not fit the neurons, or there is too much to look at.
    """
    cut: Any = said
    for level in wanted.levels:
        cut = cut.cut(as_levels(level, len(said.names)))
    if wanted.compares:
        cut = cut_at_swaps(cut, None if wanted.compares is True else wanted.compares)
    return _stretches(cut, wanted) if isinstance(cut, Path) else _cells(cut, wanted)


def _stretches(cut: Path, wanted: Predicate) -> Intervals:
    def halfway(values: Float[np.ndarray, "knot neuron"]) -> Float[np.ndarray, "stretch neuron"]:
        # Where both ends are at a level, so is the middle, to the bit.
        return values[:-1] + (values[1:] - values[:-1]) / 2

    within, at = wanted.of(halfway(cut.values), halfway(cut.scale)), wanted.of(cut.values, cut.scale)
    differ = (within[1:] != within[:-1]).any(axis=1) | (at[1:-1] != within[1:]).any(axis=1)
    starts = np.concatenate([[0], np.flatnonzero(differ) + 1])
    bounds = np.append(starts, len(within))
    return Intervals(wanted.name, cut.names, cut.at[bounds], within[starts], at[bounds])


def _cells(cut: Surface, wanted: Predicate) -> Cells:
    middle, scale = cut.middles(cut.values), cut.middles(cut.scale)
    for level in wanted.levels:
        # A mean of several times the same number may be another one.
        middle = snapped(middle, scale, as_levels(level, len(cut.names)))
    members = wanted.of(middle, scale)
    one, other = cut.edges()[1].T
    same = (other >= 0) & (members[one] == members[other]).all(axis=1)
    joined = coo_array((same[same], (one[same], other[same])), shape=(len(members), len(members)))
    regions = connected_components(joined, directed=False)[1].astype(int)
    return Cells(wanted.name, cut.names, cut, members, regions)


def nearest_group(
    points: Any, samples: Any, layer: Affine, wanted: Predicate
) -> tuple[Bool[np.ndarray, "point neuron"], Int[np.ndarray, " point"]]:
    """Returns the group of the sample that is nearest to each point, for dimensions too many for cells.

    Args:
        points: (point, input).
        samples: (sample, input), nearest by Euclid's distance, the first of several.
        layer: Of whose neurons the groups are.
        wanted: Who is in.

    Returns:
        Who is in for each point, and the number of its sample.

    Raises:
        NeuronsError: If there is no sample, or shapes do not fit.
    """
    known, asked = as_floats("nearest_group was given samples", samples), as_floats("it was given points", points)
    if known.ndim != 2 or asked.ndim != 2 or not len(known):
        raise NeuronsError(
            f"nearest_group was given points of shape {asked.shape} and samples of shape {known.shape}: wanted "
            "(point, input) and (sample, input), at least one sample."
        )
    layer.check_width(asked.shape[1], "points")
    said = layer(known)
    per_block = max(1, 2**24 // len(known))
    blocks = [asked[start : start + per_block] for start in range(0, len(asked), per_block)]
    nearest = np.concatenate([np.zeros(0, int), *(cdist(block, known).argmin(axis=1) for block in blocks)])
    scale = np.abs(known) @ np.abs(layer.weights) + np.abs(layer.bias)
    return wanted.of(said, scale)[nearest], nearest


def _listed(members: Bool[np.ndarray, "group neuron"], names: tuple[str, ...]) -> dict[str, Any]:
    who = [", ".join(names[number] for number in np.flatnonzero(row)) for row in members]
    return {"count": members.sum(axis=1), "neurons": who}
