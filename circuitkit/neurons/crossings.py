"""Where neurons cross a level, and where a line or a plane leaves what a layer can meet.

    crossings(said)                  # along a Path: one row a crossing, with what the neuron does there
    boundaries(said)                 # over a Surface: one row a straight piece of a boundary
    possible(layer, path)            # stretches of t on which no input is below 0, if a ReLU stands before the layer

A neuron that comes down to a level and goes up again **touches** it, and one that rests at it is there from `at` to
`until`: both are said to be so, and neither is taken for a crossing.
"""

import dataclasses

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy.typing import NDArray

from circuitkit.neurons.affine import Affine
from circuitkit.neurons.path import Path, as_levels
from circuitkit.neurons.surface import Surface


@dataclasses.dataclass(frozen=True, eq=False)
class Crossings:
    """Where neurons are at a level, along a line, in the order of `at`.

    Attributes:
        at: (crossing,) t where the neuron comes to its level.
        until: (crossing,) t where it leaves it; `at`, unless it rests there.
        neuron: (crossing,) its number.
        before: (crossing,) -1 or 1, the side that it comes from; 0 if the line begins here.
        after: (crossing,) -1 or 1, the side that it goes to; 0 if the line ends here.
        names: Of all neurons.
    """

    at: Float[np.ndarray, " crossing"]
    until: Float[np.ndarray, " crossing"]
    neuron: Int[np.ndarray, " crossing"]
    before: Int[np.ndarray, " crossing"]
    after: Int[np.ndarray, " crossing"]
    names: tuple[str, ...]

    @property
    def kind(self) -> tuple[str, ...]:
        """What each neuron does: `up`, `down`, `touches`, `starts`, `ends`, or `all along` the line at its level."""
        return tuple(
            KINDS[before, after] for before, after in zip(self.before.tolist(), self.after.tolist(), strict=True)
        )

    def table(self) -> pd.DataFrame:
        """Returns one row a crossing: neuron, kind, at, until."""
        names = [self.names[number] for number in self.neuron]
        return pd.DataFrame({"neuron": names, "kind": list(self.kind), "at": self.at, "until": self.until})


KINDS = {
    (-1, 1): "up",
    (1, -1): "down",
    (1, 1): "touches",
    (-1, -1): "touches",
    (0, 1): "starts",
    (0, -1): "starts",
    (1, 0): "ends",
    (-1, 0): "ends",
    (0, 0): "all along",
}
"""By the sides before and after; 0 where the line has ended."""


def crossings(said: Path, level: float | Float[np.ndarray, " neuron"] = 0.0) -> Crossings:
    """Returns exactly where each neuron is at a level, along a line.

    Args:
        said: What neurons say along it.
        level: One number for all, or one a neuron.

    >>> from circuitkit.neurons import Affine, interval
    >>> print(crossings(Affine([[2.0, -1.0, 0.0]], [-1.0, 1.0, 0.0])(interval(0, 1))).table())
      neuron       kind   at  until
    0     n2  all along  0.0    1.0
    1     n0         up  0.5    0.5
    2     n1       ends  1.0    1.0

    Raises:
        NeuronsError: If levels are not one a neuron.
    """
    levels = as_levels(level, len(said.names))
    cut = said.cut(levels)
    sign = np.sign(cut.values - levels).astype(int)
    neuron, first, last = runs((sign == 0).T)
    edge = np.zeros((1, len(said.names)), int)
    around = np.concatenate([edge, sign, edge])  # beyond the ends there is no side
    at, until = cut.at[first], cut.at[last]
    order = np.lexsort((neuron, at))
    before, after = around[first, neuron], around[last + 2, neuron]
    return Crossings(at[order], until[order], neuron[order], before[order], after[order], said.names)


@dataclasses.dataclass(frozen=True, eq=False)
class Boundaries:
    """Where neurons are at a level, over a plane: straight pieces, each within one cell's edge.

    Attributes:
        start: (piece, 2) t of one end.
        stop: (piece, 2) t of the other.
        neuron: (piece,) its number.
        names: Of all neurons.
    """

    start: Float[np.ndarray, "piece 2"]
    stop: Float[np.ndarray, "piece 2"]
    neuron: Int[np.ndarray, " piece"]
    names: tuple[str, ...]


def boundaries(said: Surface, level: float | Float[np.ndarray, " neuron"] = 0.0) -> Boundaries:
    """Returns exactly where each neuron is at a level, over a plane.

    Cells in which a neuron is at its level all over have a boundary round them, and none within.

    Args:
        said: What neurons say over it.
        level: One number for all, or one a neuron.

    Raises:
        NeuronsError: If levels are not one a neuron.
    """
    levels = as_levels(level, len(said.names))
    cut = said.cut(levels)
    ends, sides = cut.edges()
    at_level = cut.values == levels
    resting = cut.middles(at_level.astype(float)) == 1
    # Round a resting cell, one side of the edge rests; along a mere boundary, none does.
    within = resting[sides[:, 0]] & (resting[sides[:, 1]] | (sides[:, 1] < 0)[:, None])
    piece, neuron = np.nonzero(at_level[ends[:, 0]] & at_level[ends[:, 1]] & ~within)
    return Boundaries(cut.corners[ends[piece, 0]], cut.corners[ends[piece, 1]], neuron, said.names)


def possible(layer: Affine, path: Path) -> Float[np.ndarray, "stretch 2"]:
    """Returns the stretches of t, from and to, on which a layer can meet what a line gives it.

    A ReLU before the layer lets no input below 0 pass, so where any is below 0 the layer's answer stands for nothing
    that happens. A layer of `inputs="any"` can meet all of the line. An input of 0 is possible, so a stretch may be one
    point.

    Args:
        layer: The layer.
        path: A line of its inputs.

    >>> from circuitkit.neurons import Affine, interval
    >>> possible(Affine([[1.0]], inputs="nonnegative"), interval(-1, 1))
    array([[0., 1.]])

    Raises:
        NeuronsError: If the line has another number of inputs than the layer.
    """
    layer.check_width(len(path.names), "a path")
    if layer.inputs == "any":
        return path.at[[0, -1]][None].copy()
    cut = path.cut(0.0)
    inside = np.asarray((cut.values >= 0).all(axis=1))
    _, first, last = runs(inside[None])
    return np.stack([cut.at[first], cut.at[last]], axis=1)


def possible_cells(layer: Affine, surface: Surface) -> Surface:
    """Returns the part of a plane that a layer can meet, as `possible` does for a line; it may have no cells.

    Args:
        layer: The layer.
        surface: A plane of its inputs.

    Raises:
        NeuronsError: If the plane has another number of inputs than the layer.
    """
    layer.check_width(len(surface.names), "a surface")
    if layer.inputs == "any":
        return surface
    cut = surface.cut(0.0)
    kept = (cut.middles(cut.values) >= 0).all(axis=1)
    return dataclasses.replace(cut, around=cut.around[np.repeat(kept, cut.counts)], counts=cut.counts[kept])


def runs(held: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Returns where each row of (row, place) is true without a break: row, first place and last place."""
    bounded = np.zeros((held.shape[0], held.shape[1] + 2), np.int8)
    bounded[:, 1:-1] = held
    step = np.diff(bounded, axis=1)
    row, first = np.nonzero(step > 0)
    return row, first, np.nonzero(step < 0)[1] - 1
