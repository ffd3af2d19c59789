"""Counting floats whose range is not known in advance, and quantiles read off the counts.

A bin is the sign, the exponent and the first `MANTISSA` bits of the fraction of a float32: bins are linear within each
octave, and no wider than 2 ** -MANTISSA of what lies in them. Counts are whole numbers, so those of several blocks add
up to the same in any order. Exactly 0, where a ReLU leaves most of a map, has a bin of its own in the middle.

>>> counts = count(jnp.array([[0.0], [3.0], [-1.0], [0.0]]), jnp.ones(4, bool))
>>> counts.shape, int(counts[0, SIDE]), int(counts.sum())
((1, 8193), 2, 4)
>>> quantiles(np.asarray(counts), (0.25, 0.5, 1))
array([[-1.0078125, 0. , 3.015625 ]])
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

MANTISSA = 6
OCTAVES = (-32, 32)
"""Sizes below 2 ** -32, about 2e-10, share their sign's lowest bin; those from 2 ** 32 on its highest."""

SIDE = (OCTAVES[1] - OCTAVES[0]) << MANTISSA
"""Bins of each sign."""

_FRACTION, _BIAS = 23, 127
"""How float32 is laid out: bits of the fraction, and what is added to the exponent."""


def count(values: Float[Array, "position unit"], valid: Bool[Array, " position"]) -> Int[Array, "unit bin"]:
    """Returns how many values of each unit lie in each bin: negative ones, exactly 0, positive ones. May be traced.

    Args:
        values: Finite; what is not is counted in the outermost bins.
        valid: Which of the positions count.
    """
    # One scatter a unit: its 32 KiB of counts stay in the innermost cache. On a map of SqueezeNet's fire5 (8 images,
    # 27x27 positions, 256 units; 2 cores, otherwise idle) that takes 4.7 ms, where one scatter over all units takes 9.6
    # with half the bins. On the host, np.bincount takes 9.4, np.add.at 10.5 and sorting 5.6, and the map would have to
    # go there; XLA's sort takes 150. The net up to this layer takes 17.
    bins = _bins(values)
    once = valid.astype(jnp.int32)
    empty = jnp.zeros(2 * SIDE + 1, jnp.int32)
    return jax.vmap(lambda column: empty.at[column].add(once, mode="promise_in_bounds"), in_axes=1)(bins)


def _bins(values: Float[Array, "position unit"]) -> Int[Array, "position unit"]:
    bits = jax.lax.bitcast_convert_type(values, jnp.int32)
    size = bits & 0x7FFFFFFF  # all but the sign
    first = (_BIAS + OCTAVES[0]) << MANTISSA
    from_zero = jnp.clip((size >> (_FRACTION - MANTISSA)) - first + 1, 1, SIDE)
    from_zero = jnp.where(size == 0, 0, from_zero)
    return SIDE + jnp.where(bits < 0, -from_zero, from_zero)


def edges(each: int = 1) -> tuple[Float[np.ndarray, " bin"], Float[np.ndarray, " bin"]]:
    """Returns where bins begin and end, as numbers: the bin of 0 from 0 to 0.

    Args:
        each: How many bins of one sign are taken together, as `coarser` does.
    """
    steps = np.arange(0, SIDE + 1, each)
    sizes = np.ldexp(1 + (steps % (1 << MANTISSA)) / (1 << MANTISSA), OCTAVES[0] + (steps >> MANTISSA))
    sizes[0], sizes[-1] = 0, np.finfo(np.float32).max
    low = np.concatenate([-sizes[:0:-1], [0], sizes[:-1]])
    high = np.concatenate([-sizes[-2::-1], [0], sizes[1:]])
    return low + 0.0, high + 0.0  # no -0


def coarser(counts: Int[np.ndarray, "unit bin"], each: int) -> Int[np.ndarray, "unit coarse"]:
    """Returns the counts with so many bins of one sign added up to one; 0 keeps its own."""
    below, zero, above = np.split(counts, [SIDE, SIDE + 1], axis=1)
    below, above = (side.reshape(len(counts), -1, each).sum(2) for side in (below, above))
    return np.concatenate([below, zero, above], axis=1)


def quantiles(counts: Int[np.ndarray, "unit bin"], shares: Sequence[float]) -> Float[np.ndarray, "unit share"]:
    """Returns, for each share, about the smallest value that at least this share of all values does not exceed.

    It lies in the same bin as the value itself: within 2 ** -MANTISSA of it, or within 2.4e-10. In the bin, values are
    taken to lie evenly.
    """
    low, high = edges()
    found = np.empty((len(counts), len(shares)))
    for unit, row in enumerate(counts):
        upto = np.cumsum(row)
        places = np.maximum(np.ceil(np.asarray(shares) * upto[-1]), 1)
        bins = np.searchsorted(upto, places)
        share = (places - (upto[bins] - row[bins]) - 0.5) / row[bins]
        found[unit] = low[bins] + share * (high[bins] - low[bins])
    return found
