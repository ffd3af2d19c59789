"""Intervals, chance and effect: how sure a number is, and how often controls reach it."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

CONFIDENCE = 0.95
BOOTSTRAPS = 500

CHANCE = 0.05
"""A statistic counts only if at most this share of controls reach it."""


def p_value(value: Float[np.ndarray, " unit"], null: Float[np.ndarray, " draw"]) -> Float[np.ndarray, " unit"]:
    """Returns how often controls reach a value: (1 + those that do) / (1 + all); 1 for a value that is NaN.

    Counting the unit itself among the controls keeps p above 0, and the test exact: Phipson and Smyth, "Permutation
    p-values should never be zero" (2010).
    """
    null = np.sort(null[np.isfinite(null)])
    reached = len(null) - np.searchsorted(null, np.nan_to_num(value, nan=-np.inf), side="left")
    return np.where(np.isnan(value), 1.0, (1.0 + reached) / (1.0 + len(null)))


def effect(value: Float[np.ndarray, " unit"], null: Float[np.ndarray, " draw"]) -> Float[np.ndarray, " unit"]:
    """Returns how far a value lies above the controls' mean, in their standard deviations; NaN for fewer than two."""
    null = null[np.isfinite(null)]
    if len(null) < 2 or np.ptp(null) == 0:
        return np.full(len(value), np.nan)
    return (value - null.mean()) / null.std(ddof=1)


def bootstrap(
    samples: Float[np.ndarray, "sample ..."],
    *,
    seed: int,
    statistic: Callable[[np.ndarray], np.ndarray] | None = None,
    draws: int = BOOTSTRAPS,
) -> tuple[Float[np.ndarray, " ..."], Float[np.ndarray, " ..."]]:
    """Returns the ends of the interval in which a mean over samples lies with 95 % confidence (percentile bootstrap).

    Args:
        samples: Independent ones along the first axis. NaN is left out.
        seed: Of the resampling.
        statistic: A function of resampled samples in place of the mean over the first axis.
        draws: How often it is resampled.
    """
    rng = np.random.default_rng(seed)
    of = _mean if statistic is None else statistic
    found = np.stack([of(samples[rng.integers(0, len(samples), len(samples))]) for _ in range(draws)])
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.nanpercentile(found, [tail, 100 - tail], axis=0)
    return np.asarray(low), np.asarray(high)


def _mean(samples: Float[np.ndarray, "sample ..."]) -> Float[np.ndarray, " ..."]:
    counted = np.isfinite(samples)
    total = np.where(counted, samples, 0).sum(0)
    return np.where(counted.any(0), total / np.maximum(counted.sum(0), 1), np.nan)


def auc(positive: Float[np.ndarray, "n unit"], negative: Float[np.ndarray, "m unit"]) -> Float[np.ndarray, " unit"]:
    """Returns how often a response to one kind is larger than one to the other kind; equal ones count half.

    0.5 for a unit that cannot tell them apart, or is silent. Hanley and McNeil (1982).
    """
    both = np.concatenate([positive, negative])
    order = np.argsort(both, axis=0, kind="stable")
    ranks = np.empty(both.shape)
    np.put_along_axis(ranks, order, np.arange(1, len(both) + 1, dtype=float)[:, None], axis=0)
    for unit in range(both.shape[1]):  # equal responses share the mean of their ranks
        _, which, counts = np.unique(both[:, unit], return_inverse=True, return_counts=True)
        ranks[:, unit] = (np.bincount(which, ranks[:, unit]) / counts)[which]
    count = len(positive)
    return (ranks[:count].sum(0) - count * (count + 1) / 2) / (count * len(negative))
