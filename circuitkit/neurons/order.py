"""Where neurons swap their order: all of them, or a member and a non-member of the k highest.

Among n neurons there are n (n - 1) / 2 swaps to each pair of knots, and for the k highest most of them do not matter.
So that line is walked: from where we are, the next change is where the lowest member meets the highest of all others.
Their distance is concave, so Newton's method from the far end comes down to that place from the right, and stops at it.
"""

import dataclasses
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int

from circuitkit.errors import NeuronsError
from circuitkit.neurons.affine import ROUNDING
from circuitkit.neurons.path import NARROWEST, Path, changes, grouped
from circuitkit.neurons.surface import LARGEST, Surface

Said = TypeVar("Said", Path, Surface)


def tied(
    values: Float[np.ndarray, "point neuron"], scale: Float[np.ndarray, "point neuron"]
) -> Float[np.ndarray, "point neuron"]:
    """Returns values in which those at one point that differ by rounding alone are the same."""
    order = np.argsort(values, axis=1, kind="stable")
    ranked, blur = np.take_along_axis(values, order, axis=1), ROUNDING * np.take_along_axis(scale, order, axis=1)
    apart = np.diff(ranked, axis=1) > np.maximum(blur[:, 1:], blur[:, :-1])
    first = np.where(np.pad(apart, ((0, 0), (1, 0)), constant_values=True), np.arange(values.shape[1]), 0)
    same = np.take_along_axis(ranked, np.maximum.accumulate(first, axis=1), axis=1)
    found = np.empty_like(values)
    np.put_along_axis(found, order, same, axis=1)
    return found


def cut_at_swaps(said: Said, highest: int | None) -> Said:
    """Returns the same line or plane, cut wherever two neurons swap their order.

    Args:
        said: What neurons say.
        highest: Cuts are wanted only where a neuron enters the so many highest; all swaps if None.

    Raises:
        NeuronsError: If there are too many swaps to look at.
    """
    if highest is not None and highest >= len(said.names):
        return said  # all are among the highest everywhere
    if isinstance(said, Path):
        return _path_at_all(said) if highest is None else _path_at(said, highest)
    return _surface_at_all(said) if highest is None else _surface_at(said, highest)


def _path_at_all(said: Path) -> Path:
    one, other = _pairs(len(said.names), len(said.at))
    found = changes(*_margins(said, one, other))
    return said.with_knots(found.knot, found.along)[0]


def _surface_at_all(said: Surface) -> Surface:
    one, other = _pairs(len(said.names), len(said.corners))
    for pair in zip(one, other, strict=True):
        said = said.split(_margins(said, *(np.array([neuron]) for neuron in pair))[0][:, 0])[0]
    return said


def _pairs(neurons: int, points: int) -> tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
    """Returns all pairs of neurons, unless they are too many to look at, at so many points."""
    count = neurons * (neurons - 1) // 2 * points
    if count > LARGEST:
        raise NeuronsError(
            f"a predicate that compares all neurons would look at {count:,} pairs here: wanted at most {LARGEST:,}. "
            "Say compares=k if only the k highest matter, or choose fewer neurons."
        )
    one, other = np.triu_indices(neurons, 1)
    return one, other


def _margins(
    said: Path | Surface, one: Int[np.ndarray, " pair"], other: Int[np.ndarray, " pair"]
) -> tuple[Float[np.ndarray, "point pair"], Float[np.ndarray, "point pair"]]:
    """Returns by how much one says more than the other, 0 where that is rounding, and the scale of it."""
    margin = said.values[:, one] - said.values[:, other]
    scale = np.maximum(said.scale[:, one], said.scale[:, other])
    return np.where(np.abs(margin) <= ROUNDING * scale, 0.0, margin), scale


@dataclasses.dataclass
class _Walk:
    """Stretches between two knots, all walked at once; rows that have arrived drop out.

    Attributes:
        knot: (row,) the knot before the stretch.
        begin: (row, neuron) values there.
        slope: (row, neuron) how they change to the next knot.
        scale: (row, neuron).
        t: (row,) how far each has come, 0 to 1.
        members: (row, neuron) who is among the highest just after t.
    """

    knot: Int[np.ndarray, " row"]
    begin: Float[np.ndarray, "row neuron"]
    slope: Float[np.ndarray, "row neuron"]
    scale: Float[np.ndarray, "row neuron"]
    t: Float[np.ndarray, " row"]
    members: Bool[np.ndarray, "row neuron"]

    def rows(self, kept: Bool[np.ndarray, " row"] | Int[np.ndarray, " kept"]) -> "_Walk":
        """Returns some rows alone."""
        return _Walk(*(getattr(self, field.name)[kept] for field in dataclasses.fields(self)))

    def rivals(
        self, t: Float[np.ndarray, " row"]
    ) -> tuple[Int[np.ndarray, " row"], Int[np.ndarray, " row"], Float[np.ndarray, " row"], Float[np.ndarray, " row"]]:
        """Returns the lowest member at t, the highest other, by how much it is higher, and how much may be rounding."""
        values = self.begin + t[:, None] * self.slope
        low = np.where(self.members, values, np.inf).argmin(axis=1)
        high = np.where(self.members, -np.inf, values).argmax(axis=1)
        row = np.arange(len(t))
        rounding = ROUNDING * np.maximum(self.scale[row, low], self.scale[row, high])
        return low, high, values[row, low] - values[row, high], rounding


def _path_at(said: Path, highest: int) -> Path:
    begin, slope = said.values[:-1], np.diff(said.values, axis=0)
    scale = np.maximum(said.scale[:-1], said.scale[1:])
    # Who is highest just after the knot: of those that are equal there, the one that rises most.
    order = np.lexsort((-slope, -tied(begin, scale)), axis=1)[:, :highest]
    members = np.zeros(begin.shape, bool)
    np.put_along_axis(members, order, True, axis=1)
    walk = _Walk(np.arange(len(begin)), begin, slope, scale, np.zeros(len(begin)), members)
    places: list[Float[np.ndarray, "3 place"]] = []
    # A swap makes the members rise faster, so none comes twice; the bound is for safety alone.
    for _ in range(begin.shape[1] ** 2):
        walk, event = _step(walk)
        places.append(event)
        if not len(walk.t):
            break
    knot, along, blur = np.concatenate(places, axis=1)
    inside = (along > blur) & (along < 1 - blur)
    order = np.lexsort((along[inside], knot[inside]))
    found = grouped(*(values[inside][order] for values in (knot.astype(int), along, blur)))
    return said.with_knots(found[0], found[1])[0]


def _step(walk: _Walk) -> tuple[_Walk, Float[np.ndarray, "3 place"]]:
    """Walks each row on to its next swap; returns the rows that have one, and knot, place and blur of the swaps."""
    low, high, margin, rounding = walk.rivals(np.ones(len(walk.t)))
    wrong = margin < -rounding
    walk, low, high = walk.rows(wrong), low[wrong], high[wrong]
    t, going = np.ones(len(low)), np.arange(len(low))
    while len(going):
        # Where the two that are in wrong order at t meet. It is never left of the first swap.
        rise = walk.slope[going, high[going]] - walk.slope[going, low[going]]
        gap = walk.begin[going, low[going]] - walk.begin[going, high[going]]
        meet = np.divide(gap, rise, out=np.zeros(len(going)), where=rise > 0)
        meet = np.clip(meet, walk.t[going], t[going])
        stuck = meet >= t[going]
        t[going] = meet
        next_low, next_high, margin, rounding = walk.rows(going).rivals(meet)
        further = (margin < -rounding) & ~stuck & (meet > walk.t[going])
        going = going[further]
        low[going], high[going] = next_low[further], next_high[further]
    row = np.arange(len(t))
    rise = np.abs(walk.slope[row, high] - walk.slope[row, low])
    rounding = ROUNDING * np.maximum(walk.scale[row, low], walk.scale[row, high])
    blur = np.minimum(np.divide(rounding, rise, out=np.ones(len(t)), where=rise > 0), NARROWEST)
    members = walk.members.copy()
    members[row, low], members[row, high] = False, True
    return dataclasses.replace(walk, t=t, members=members), np.stack([walk.knot.astype(float), t, blur])


def _surface_at(said: Surface, highest: int) -> Surface:
    done = np.zeros(len(said.counts), bool)
    while not done.all():
        cells, pairs = _misplaced(said, highest, done)
        done[:] = True
        for pair in np.unique(pairs, axis=0):
            only = np.zeros(len(said.counts), bool)
            only[cells[(pairs == pair).all(axis=1)]] = True
            before = len(said.counts)
            said = said.split(_margins(said, pair[:1], pair[1:])[0][:, 0], only)[0]
            new = len(said.counts) - before
            # Cells that were cut, and their other halves, are looked at again; what rounding leaves whole is not.
            done = np.concatenate([done & ~only if new else done, np.zeros(new, bool)])
    return said


def _misplaced(
    said: Surface, highest: int, done: Bool[np.ndarray, " cell"]
) -> tuple[Int[np.ndarray, " wrong"], Int[np.ndarray, "wrong 2"]]:
    """Returns the cells that hold more than one set of highest neurons, and two that swap within each.

    Who is highest in the middle is so all over a cell if it is so at each corner, since their lead is concave.
    """
    open_cells = np.flatnonzero(~done)
    middle = tied(said.middles(said.values)[open_cells], said.middles(said.scale)[open_cells])
    order = np.argsort(-middle, axis=1, kind="stable")[:, :highest]
    members = np.zeros(middle.shape, bool)
    np.put_along_axis(members, order, True, axis=1)
    entry = np.flatnonzero(np.repeat(~done, said.counts))
    cell = np.repeat(np.arange(len(open_cells)), said.counts[open_cells])
    corner = said.around[entry]
    values = said.values[corner]
    low = np.where(members[cell], values, np.inf).argmin(axis=1)
    high = np.where(members[cell], -np.inf, values).argmax(axis=1)
    row = np.arange(len(cell))
    rounding = ROUNDING * np.maximum(said.scale[corner, low], said.scale[corner, high])
    lead = np.minimum(values[row, low] - values[row, high] + rounding, 0.0)
    worst = np.lexsort((lead, cell))[np.searchsorted(cell, np.arange(len(open_cells)))]
    wrong = worst[lead[worst] < 0]
    return open_cells[cell[wrong]], np.stack([low[wrong], high[wrong]], axis=1)
