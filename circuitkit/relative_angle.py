"""Weights by relative angle: what units weigh for others, by the angle between the two.

    profile([Block(weights, angles, sources)])      # (relative_angle), and the same with the sources' angles exchanged

A block is the weights from the units of one layer to those of another. Several are put together, each over its own root
mean square, so that layers of other scales count the same.

Source: Cammarata et al., "Curve Circuits", Distill (2021): weights between families of curves by relative orientation.
The null is ours.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float


class Block(NamedTuple):
    """Weights from units of known angles to units of known angles.

    Attributes:
        weights: Summed over all places; NaN where one is not known.
        units: Angles of the units, in degrees.
        sources: Angles of what they read.
    """

    weights: Float[np.ndarray, "unit source"]
    units: Float[np.ndarray, " unit"]
    sources: Float[np.ndarray, " source"]


def profile(blocks: Sequence[Block], *, bins: int = 12, draws: int = 199, seed: int = 0) -> xr.Dataset:
    """Returns the mean weight at each relative angle, and the same with the sources' angles exchanged in each block.

    Args:
        blocks: At least one.
        bins: Of relative angle, over 360 degrees.
        draws: Of exchanged angles.
        seed: Of the draws.

    Returns:
        `profile` (relative_angle), over the root mean square, NaN where there is no pair of units; `pairs`, how many
        there are; `null` (draw, relative_angle).
    """
    rng = np.random.default_rng(seed)
    null = [
        _means([each._replace(sources=rng.permutation(each.sources)) for each in blocks], bins)[0] for _ in range(draws)
    ]
    values, pairs = _means(blocks, bins)
    return xr.Dataset(
        {
            "profile": ("relative_angle", values),
            "pairs": ("relative_angle", pairs),
            "null": (("draw", "relative_angle"), np.stack(null)),
        },
        coords={"relative_angle": ("relative_angle", (np.arange(bins) * 360 / bins).tolist(), {"units": "degrees"})},
    )


def _means(blocks: Sequence[Block], bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean weights by bin, and how many there are; NaN where there are none."""
    sums, counts = np.zeros(bins), np.zeros(bins, int)
    for weights, units, sources in blocks:
        known = np.isfinite(weights)
        size = np.sqrt(np.mean(weights[known] ** 2)) if known.any() else 0.0
        if size == 0:
            continue
        places = np.rint((units[:, None] - sources[None]) * bins / 360).astype(int) % bins
        counts += np.bincount(places[known], minlength=bins)
        sums += np.bincount(places[known], weights[known] / size, minlength=bins)
    return np.divide(sums, counts, out=np.full(bins, np.nan), where=counts > 0), counts
