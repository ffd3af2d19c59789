"""How many directions fit into some channels, if no two may have a cosine beyond some value: bounds, and a count.

The most that fit lies between two bounds. It is at least the number at which caps of that cosine, about every direction
and about its opposite, may first cover the sphere: until then, another direction fits. It is at most what follows from
the mean of cos^(2k) over all m^2 pairs, which is at least its mean over the sphere,

    u_k = 1 3 5 .. (2k - 1) / (n (n + 2) .. (n + 2k - 2)),

so that m + m (m - 1) c^(2k) >= m^2 u_k, at every k. With k = 1 it is the bound of Welch, which says nothing beyond a
cosine of 1 / sqrt(n).

Source: Welch (1974); Sidelnikov (1974), for real directions.
"""

import math

import numpy as np
from scipy.special import betainc

from circuitkit.superposition import random_unit

ORDERS = range(1, 201)


def at_least(n: int, cosine: float) -> float:
    """Returns how many directions fit in any case."""
    covered = betainc((n - 1) / 2, 1 / 2, 1 - cosine**2)  # by the two caps of one direction, as a share of the sphere
    return max(float(n), math.ceil(1 / covered - 1e-9))


def at_most(n: int, cosine: float) -> float:
    """Returns how many directions fit at the most: infinite if no order of the bound says any."""
    bounds, u = [math.inf], 1.0
    for k in ORDERS:
        u *= (2 * k - 1) / (n + 2 * k - 2)
        power = cosine ** (2 * k)
        if u > power:
            bounds.append((1 - power) / (u - power))
    return min(bounds)


def packed(n: int, cosine: float, *, tries: int, seed: int) -> int:
    """Counts directions that fit, of `tries` random ones, each kept if it fits with all that were kept before."""
    kept = np.zeros((0, n))
    for direction in random_unit(tries, n, seed=seed):
        if np.abs(kept @ direction).max(initial=0) <= cosine:
            kept = np.concatenate([kept, direction[None]])
    return len(kept)
