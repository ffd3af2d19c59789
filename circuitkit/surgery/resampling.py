"""One net's maps at the places of another net's units: exact centres of receptive fields, linear in between."""

import numpy as np
from jaxtyping import Array, Float

from circuitkit.receptive_field import ReceptiveField


def resampled(
    maps: Float[Array, "image row column unit"], field: ReceptiveField, to: ReceptiveField, rows: int, columns: int
) -> Float[Array, "image _ _ unit"]:
    """Returns maps as they are at the places of other units.

    Beyond the outermost places of the maps, values are those of the nearest place.

    Args:
        maps: Of one layer.
        field: What its units see.
        to: What the other units see: only the centres count.
        rows: Of the other units.
        columns: Of the other units.
    """
    down = _between(field, to, 0, maps.shape[1], rows)
    across = _between(field, to, 1, maps.shape[2], columns)
    for axis, (low, high, share) in ((1, down), (2, across)):
        shape = [1, 1, 1, 1]
        shape[axis] = -1
        weight = share.reshape(shape).astype(np.float32)
        maps = maps.take(low, axis=axis) * (1 - weight) + maps.take(high, axis=axis) * weight
    return maps


def _between(
    field: ReceptiveField, to: ReceptiveField, axis: int, held: int, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns, for each wanted place, the two places of a map that it lies between, and how far on it lies."""
    centres = to.first[axis] + to.stride[axis] * np.arange(count)
    places = np.clip((centres - field.first[axis]) / field.stride[axis], 0, held - 1)
    low = np.minimum(np.floor(places).astype(int), max(held - 2, 0))
    return low, np.minimum(low + 1, held - 1), places - low
