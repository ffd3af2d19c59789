"""Planes through the space of inputs, and what neurons say over them: linear within cells, which are computed.

    square = rectangle((-1, -1), (1, 1))             # t is the input itself
    said = through([first, second], square)          # cut wherever a neuron of the first layer crosses 0
    said.cells, said.corners, said.values            # polygons, their corners, and what each neuron says there

A cell is a convex polygon. Cells share corners, and a neuron that crosses 0 within a cell crosses it in the next one
from the same corner on, since what neurons say never jumps. So cuts meet, and no corner of one cell lies within an edge
of another.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from circuitkit.errors import NeuronsError
from circuitkit.neurons.affine import Affine, as_floats, check_names, chosen_from, numbered
from circuitkit.neurons.path import as_levels, sizes, snapped, summed

LARGEST = 2**27
"""Most values that a surface may hold, corners times neurons: one GiB."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Surface:
    """Values over a part of a plane, linear within each cell: inputs, or what neurons say of them.

    Attributes:
        corners: (corner, 2) where the corners of the cells are, t.
        values: (corner, neuron).
        names: One a neuron, or an input.
        scale: (corner, neuron), as for a `Path`.
        around: (entry,) the corners of one cell after the other, each counter-clockwise.
        counts: (cell,) how many corners each cell has.
    """

    corners: Float[np.ndarray, "corner 2"]
    values: Float[np.ndarray, "corner neuron"]
    names: tuple[str, ...]
    scale: Float[np.ndarray, "corner neuron"]
    around: Int[np.ndarray, " entry"]
    counts: Int[np.ndarray, " cell"]

    def __repr__(self) -> str:
        return f"Surface(values={len(self.names)}, cells={len(self.counts)}, corners={len(self.corners)})"

    @property
    def starts(self) -> Int[np.ndarray, " cell"]:
        """Where each cell begins in `around`."""
        return np.cumsum(self.counts) - self.counts

    @property
    def cells(self) -> tuple[Int[np.ndarray, " corner"], ...]:
        """The corners of each cell, counter-clockwise: rows of `corners` and `values`."""
        return tuple(np.split(self.around, self.starts[1:]))

    @property
    def areas(self) -> Float[np.ndarray, " cell"]:
        """The area of each cell, in units of t."""
        x, y = self.corners[self.around].T
        following = self._following()
        twice: Float[np.ndarray, " cell"] = np.add.reduceat(x * y[following] - x[following] * y, self.starts)
        return twice / 2

    def middles(self, values: Float[np.ndarray, "corner *rest"]) -> Float[np.ndarray, "cell *rest"]:
        """Returns the mean over the corners of each cell, which for what is linear is the value at a point within."""
        total = np.add.reduceat(values[self.around], self.starts, axis=0)
        return np.asarray(total / self.counts.reshape(-1, *(1,) * (values.ndim - 1)))

    def edges(self) -> tuple[Int[np.ndarray, "edge 2"], Int[np.ndarray, "edge 2"]]:
        """Returns each edge's two corners, and the cells on its two sides; -1 where the rectangle ends."""
        low, high, _ = self._ends()
        keys, edge, met = np.unique(low * len(self.corners) + high, return_inverse=True, return_counts=True)
        cell = np.repeat(np.arange(len(self.counts)), self.counts)[np.argsort(edge, kind="stable")]
        sides = np.full((len(keys), 2), -1)
        sides[:, 0] = cell[np.cumsum(met) - met]
        sides[met > 1, 1] = cell[np.cumsum(met)[met > 1] - 1]
        return np.stack(np.divmod(keys, len(self.corners)), axis=1), sides

    def locate(self, points: Any) -> Int[np.ndarray, "*points"]:
        """Returns the cell of each point (..., 2); on an edge, the first of those that it belongs to.

        Raises:
            NeuronsError: If a point lies in no cell.
        """
        where = as_floats("a surface was asked for points", points)
        if where.ndim < 1 or where.shape[-1] != 2:
            raise NeuronsError(f"a surface was asked for points of shape {where.shape}: wanted (..., 2).")
        flat = where.reshape(-1, 2)
        found, depth = np.full(len(flat), -1), np.full(len(flat), -np.inf)
        slack = 1e-9 * float(np.ptp(self.corners, axis=0).max())
        for number, cell in enumerate(self.cells):
            start = self.corners[cell]
            along = np.roll(start, -1, axis=0) - start
            lengths = np.maximum(np.hypot(*along.T), np.finfo(float).tiny)
            inside = np.full(len(flat), np.inf)  # how far within the nearest side
            for (x, y), (u, v), length in zip(start, along, lengths, strict=True):
                inside = np.minimum(inside, (u * (flat[:, 1] - y) - v * (flat[:, 0] - x)) / length)
            better = (inside >= -slack) & (inside > depth) & (depth < 0)
            found[better], depth[better] = number, inside[better]
        if (found < 0).any():
            raise NeuronsError("a surface was asked for points that lie in none of its cells: wanted points within it.")
        return found.reshape(where.shape[:-1])

    def __call__(self, points: Any) -> Float[np.ndarray, "*points neuron"]:
        """Returns the values at any points (..., 2) of the plane."""
        cell = self.locate(points)
        slopes, constants = self.slopes()
        where = as_floats("a surface was asked for points", points)
        return np.asarray(np.einsum("...d,...dn->...n", where, slopes[cell]) + constants[cell])

    def slopes(self) -> tuple[Float[np.ndarray, "cell 2 neuron"], Float[np.ndarray, "cell neuron"]]:
        """Returns how each value changes within each cell along t, and what it would be at t = 0."""
        middle, values = self.middles(self.corners), self.middles(self.values)
        cell = np.repeat(np.arange(len(self.counts)), self.counts)
        offset, change = self.corners[self.around] - middle[cell], self.values[self.around] - values[cell]
        square = np.add.reduceat(offset[:, :, None] * offset[:, None], self.starts, axis=0)
        product = np.add.reduceat(offset[:, :, None] * change[:, None], self.starts, axis=0)
        slope = np.asarray(np.linalg.pinv(square, hermitian=True) @ product)
        return slope, values - np.einsum("cd,cdn->cn", middle, slope)

    def mapped(self, layer: Affine) -> "Surface":
        """Returns what a layer says of these values; `layer(surface)` is the same, and checks that it fits."""
        scale = sizes(self.values, layer)
        return dataclasses.replace(self, values=summed(self.values, scale, layer), names=layer.names, scale=scale)

    def rectified(self) -> "Surface":
        """Returns the values after a ReLU, with cells cut wherever one of them crosses 0."""
        bent = self.cut(0.0)
        return dataclasses.replace(bent, values=np.maximum(bent.values, 0.0))

    def neurons(self, chosen: Sequence[int | str]) -> "Surface":
        """Returns the surface of some neurons alone, by number or by name; the cells stay.

        Raises:
            UnknownNameError: If there is no such neuron.
        """
        numbers = chosen_from(self.names, chosen, "a surface")
        names = tuple(self.names[number] for number in numbers)
        return dataclasses.replace(self, names=names, values=self.values[:, numbers], scale=self.scale[:, numbers])

    def cut(self, level: Any) -> "Surface":
        """Returns the same part of the plane, with cells cut wherever a neuron crosses a level.

        Args:
            level: One number for all neurons, or one a neuron.

        Raises:
            NeuronsError: If there would be more than `LARGEST` values.
        """
        levels = as_levels(level, len(self.names))
        whole = dataclasses.replace(self, values=snapped(self.values, self.scale, levels))
        for neuron, wanted in enumerate(levels):
            whole, new = whole.split(whole.values[:, neuron] - wanted)
            whole.values[new] = snapped(whole.values[new], whole.scale[new], levels)
            whole.values[new, neuron] = wanted
        return whole

    def split(
        self, margin: Float[np.ndarray, " corner"], only: Bool[np.ndarray, " cell"] | None = None
    ) -> tuple["Surface", Int[np.ndarray, " new"]]:
        """Returns the same part of the plane with cells cut along a line, and which corners are new.

        Args:
            margin: What is 0 along the line, at each corner; linear within each cell that is cut.
            only: Which cells may be cut; all if left out. Others get the corners that their neighbours get.
        """
        sign = np.sign(margin).astype(np.int8)
        here = sign[self.around]
        two_sided = np.logical_or.reduceat(here > 0, self.starts) & np.logical_or.reduceat(here < 0, self.starts)
        if only is not None:
            two_sided &= only
        if not two_sided.any():
            return self, np.zeros(0, int)
        low, high, cell = self._ends()
        crossed = (sign[low] * sign[high] < 0) & two_sided[cell]
        count = len(self.corners)
        keys = np.unique((low * count + high)[crossed])
        first, second = np.divmod(keys, count)
        wider = self._with_corners(first, second, margin[first] / (margin[first] - margin[second]))
        # Every cell that has such an edge gets the new corner, whether it is cut or not.
        entries = np.flatnonzero(np.isin(low * count + high, keys))
        place = np.searchsorted(keys, (low * count + high)[entries])
        around = np.insert(self.around, entries + 1, count + place)
        counts = self.counts + np.bincount(cell[entries], minlength=len(self.counts))
        # A cell that is cut becomes two: what is not below 0, and what is not above.
        sign = np.concatenate([sign, np.zeros(len(keys), np.int8)])[around]
        cell = np.repeat(np.arange(len(counts)), counts)
        kept, added = ~two_sided[cell] | (sign >= 0), two_sided[cell] & (sign <= 0)
        counted = [np.bincount(cell[part], minlength=len(counts)) for part in (kept, added)]
        return dataclasses.replace(
            wider,
            around=np.concatenate([around[kept], around[added]]),
            counts=np.concatenate([counted[0], counted[1][two_sided]]),
        ), np.arange(count, count + len(keys))

    def _with_corners(
        self, first: Int[np.ndarray, " new"], second: Int[np.ndarray, " new"], along: Float[np.ndarray, " new"]
    ) -> "Surface":
        """Returns the same cells, and more corners: on the way from a first one to a second."""
        total = (len(self.corners) + len(first)) * len(self.names)
        if total > LARGEST:
            raise NeuronsError(
                f"this surface would hold {total:,} values, {len(self.names)} neurons at each corner of its cells: "
                f"wanted at most {LARGEST:,}. Choose fewer neurons, or a smaller part of the plane."
            )

        def longer(values: Float[np.ndarray, "corner width"]) -> Float[np.ndarray, "more width"]:
            new = values[first] + along[:, None] * (values[second] - values[first])
            return np.concatenate([values, new])

        return dataclasses.replace(
            self, corners=longer(self.corners), values=longer(self.values), scale=longer(self.scale)
        )

    def _following(self) -> Int[np.ndarray, " entry"]:
        """Returns where the next corner of the same cell stands in `around`, for each that stands there."""
        following = np.arange(1, len(self.around) + 1)
        following[np.cumsum(self.counts) - 1] = self.starts
        return following

    def _ends(self) -> tuple[Int[np.ndarray, " entry"], Int[np.ndarray, " entry"], Int[np.ndarray, " entry"]]:
        """Returns the two corners of each edge of each cell, the lower number first, and the cell."""
        following = self.around[self._following()]
        cell = np.repeat(np.arange(len(self.counts)), self.counts)
        return np.minimum(self.around, following), np.maximum(self.around, following), cell


def rectangle(low: Any, high: Any, *, names: Sequence[str] = ("x", "y")) -> Surface:
    """Returns a part of the plane of two inputs, t itself.

    >>> rectangle((-1, -1), (1, 1))
    Surface(values=2, cells=1, corners=4)

    Args:
        low: The lower left corner, (2,).
        high: The upper right corner, (2,).
        names: Of the two inputs.

    Raises:
        NeuronsError: If it has no area.
    """
    return plane((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (low, high), names=names)


def plane(origin: Any, u: Any, v: Any, extent: Any, *, names: Sequence[str] | None = None) -> Surface:
    """Returns a part of a plane within a space of any dimension: `origin + t[0] * u + t[1] * v`.

    Args:
        origin: (input,), where t is 0.
        u: (input,), the way that t[0] goes.
        v: (input,), the way that t[1] goes; it need not stand square to u.
        extent: The lowest and the highest t, (2, 2).
        names: Of the inputs.

    Raises:
        NeuronsError: If shapes do not fit, if u and v lie on one line, or if the part has no area.
    """
    start, along, across = (
        as_floats(f"a plane was given {what}", given)
        for what, given in (("an origin", origin), ("a direction u", u), ("a direction v", v))
    )
    shapes = {start.shape, along.shape, across.shape}
    if len(shapes) != 1 or start.ndim != 1 or not start.size:
        raise NeuronsError(f"a plane was given origin, u and v of shapes {sorted(shapes)}: wanted (input,) for each.")
    box = as_floats("a plane was given an extent", extent)
    if box.shape != (2, 2) or not np.isfinite(box).all() or not (box[0] < box[1]).all():
        raise NeuronsError(
            f"a plane was given the extent {extent}: wanted its lowest and its highest t, the lower first."
        )
    if not np.isfinite([start, along, across]).all():
        raise NeuronsError("a plane was given origin, u or v with NaN or infinity: wanted finite numbers.")
    lengths = np.linalg.norm([along, across], axis=1)
    if not lengths.all() or np.linalg.matrix_rank(np.stack([along, across]) / lengths[:, None], tol=1e-9) < 2:
        raise NeuronsError("a plane was given directions u and v that lie on one line: wanted two that do not.")
    known = numbered(len(start), "x") if names is None else tuple(str(name) for name in names)
    check_names("a plane", known, len(start))
    (left, bottom), (right, top) = box
    corners = np.array([[left, bottom], [right, bottom], [right, top], [left, top]])
    directions = np.stack([along, across])
    values, scale = start + corners @ directions, np.abs(start) + np.abs(corners) @ np.abs(directions)
    values = snapped(values, scale, np.zeros(len(start)))
    return Surface(corners, values, known, scale, np.arange(4), np.array([4]))
