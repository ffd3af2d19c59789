"""Facing: whether units respond more to images that face left than to their mirror images, and less to the others.

facing(seen["stage3_unit5_act3"], [39, 47], sides)      # pandas: unit, auc, low, high, effect, p, p_family
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import rankdata

from circuitkit.errors import StimulusError
from circuitkit.evidence.statistics import auc, bootstrap, p_value
from circuitkit.mirror_pairs import Readout, parts


def facing(
    seen: xr.DataArray,
    units: Sequence[int],
    sides: np.ndarray,
    *,
    readout: Readout = "mean",
    draws: int = 9999,
    seed: int = 0,
) -> pd.DataFrame:
    """Returns how well units tell images that face left from images that face right, by their d.

    Args:
        seen: Of one layer, as of `mirrored`.
        units: By index.
        sides: Of each image: 1 for left, -1 for right, 0 for images that are left out.
        readout: Of the maps.
        draws: Of exchanged labels.
        seed: Of labels and bootstrap.

    Returns:
        A row for each unit: `unit`; `auc`, how often d is larger for an image that faces left, with its 95 % interval
        `low` and `high` (bootstrap over images); `effect`, the difference of the means of d over their standard
        deviation; `p`, how often exchanged labels give an AUC as far from 0.5, and `p_family`, any of these units.

    Raises:
        StimulusError: If the labels are not one for each image, or fewer than two images face either side.
    """
    labels = np.asarray(sides)
    counts = [int((labels == side).sum()) for side in (1, -1)]
    if labels.shape != (seen.sizes["image"],) or min(counts) < 2:
        raise StimulusError(
            f"facing got labels of shape {labels.shape}, {counts[0]} left and {counts[1]} right, for "
            f"{seen.sizes['image']} images: wanted one each, and at least two of either side."
        )
    _, odd = parts(seen.isel(unit=list(units)), readout)
    d, labels = odd[labels != 0], labels[labels != 0]

    def told(sample: np.ndarray) -> np.ndarray:
        left, right = (sample[sample[:, 0] == side, 1:] for side in (1, -1))
        return auc(left, right) if min(len(left), len(right)) else np.full(sample.shape[1] - 1, np.nan)

    both = np.column_stack([labels, d])
    value = told(both)
    low, high = bootstrap(both, seed=seed, statistic=told)
    left, right = (d[labels == side] for side in (1, -1))
    spread = np.sqrt((left.var(0, ddof=1) * (len(left) - 1) + right.var(0, ddof=1) * (len(right) - 1)) / (len(d) - 2))
    ranks = rankdata(d, axis=0)
    rng = np.random.default_rng(seed)
    lefts = rng.permuted(np.tile(labels == 1, (draws, 1)), axis=1).astype(float)
    exchanged = np.abs((lefts @ ranks - counts[0] * (counts[0] + 1) / 2) / (counts[0] * counts[1]) - 0.5)
    away = np.abs(value - 0.5) * (1 - 1e-9)
    return pd.DataFrame(
        {
            "unit": list(units),
            "auc": value,
            "low": low,
            "high": high,
            "effect": (left.mean(0) - right.mean(0)) / np.maximum(spread, 1e-30),
            "p": [float(p_value(away[[each]], exchanged[:, each])[0]) for each in range(len(value))],
            "p_family": p_value(away, exchanged.max(1)),
        }
    )
