"""Weights of mirror pairs: what they are made of, and which later units are made of them.

Mirror an image, and b does what a did. So b should read the partner of each source of a, at the place mirrored:
w_a[s](x, y) = w_b[s'](-x, y). And a later unit that unites the two reads a at x as it reads b at -x.

    mirror_law(weights, [(39, 47)], partners(seen_below))
    unions(later_weights, [(39, 47)])

Source: Olah et al., "Zoom In: An Introduction to Circuits", Distill (2020), "Unioning over cases".
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from circuitkit.evidence.statistics import p_value

VARIANTS = ("mirrored", "sources", "tiles", "plain")

Pairs = Sequence[tuple[int, int]]


def mirror_law(weights: xr.DataArray, found: Pairs, partner: np.ndarray) -> pd.DataFrame:
    """Returns how far the weights that pairs are made of are mirror images of each other.

    Args:
        weights: (unit, source, y, x), of all units of the pairs' layer; see `wiring.expanded`.
        found: Pairs of units, by index.
        partner: The source that each source is in the mirror, by index; see `mirror_pairs.partners`.

    Returns:
        A row for each pair, of correlations over sources and places: `mirrored`, under the law; `sources`, with sources
        exchanged but no tile mirrored, `tiles`, the other way round, and `plain`; and `p_alone`, how often two other
        units of the layer are as near to the law. (To exchange sources instead would not be fair: behind a bottleneck
        their weights hang together. Nor would `mirrored` less `plain`: units that are opposed read alike with opposite
        signs, so `plain` is below 0 of itself.)
    """
    values = weights.transpose("unit", "source", "y", "x").values.astype(float)
    everywhere = np.arange(values.shape[1])
    turned = {"mirrored": (partner, -1), "sources": (partner, 1), "tiles": (everywhere, -1), "plain": (everywhere, 1)}
    own = scaled(values)
    others = {name: scaled(values[:, sources][..., ::step]) for name, (sources, step) in turned.items()}
    law = own @ others["mirrored"].T
    law = (law + law.T) / 2  # one number, where partners are partners of each other
    a, b = np.array(found, int).reshape(-1, 2).T
    table = pd.DataFrame({"a": a, "b": b} | {name: (own[a] * others[name][b]).sum(1) for name in VARIANTS})
    table["mirrored"] = law[a, b]
    no_pair = np.triu(np.ones(law.shape, bool), 1)
    no_pair[np.minimum(a, b), np.maximum(a, b)] = False
    table["p_alone"] = p_value(table.mirrored.to_numpy(), law[no_pair])
    return table


def unions(weights: xr.DataArray, found: Pairs, *, draws: int = 999, seed: int = 0) -> pd.DataFrame:
    """Returns later units that are excited by both of a pair, through weights that are mirror images of each other.

    Args:
        weights: (unit, source, y, x), of all units of the later layer; the sources are the pairs' layer.
        found: Pairs of sources, by index.
        draws: Pairs of other sources.
        seed: Of the draws.

    Returns:
        A row for each pair and later unit that neither of the two inhibits in sum, the largest `strength` first:
        `unit`, `a`, `b`; `strength`, the inner product of a's tile with b's tile mirrored, over the mean square of the
        unit's tiles; `mirrored` and `plain`, correlations of the two tiles (NaN if both are even); and `p`, how
        often any later unit reads two sources drawn at random with so much strength.
    """
    values = weights.transpose("unit", "source", "y", "x").values.astype(float)
    strength = strengths(values)
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(values.shape[1], 2, replace=False).tolist() for _ in range(draws)]
    taken = {frozenset(pair) for pair in found}
    null = np.array([strength(*pair).max() for pair in drawn if frozenset(pair) not in taken])
    rows = []
    for a, b in found:
        own = strength(a, b)
        for unit in np.flatnonzero(np.isfinite(own)):
            one, other = values[unit, a], values[unit, b]
            alike = [_correlation(one, other[:, ::-1]), _correlation(one, other)]
            rows.append((int(unit), a, b, own[unit], *alike))
    table = pd.DataFrame(rows, columns=["unit", "a", "b", "strength", "mirrored", "plain"])
    table["p"] = p_value(table.strength.to_numpy(float), np.maximum(null, -1e30))
    return table.sort_values("strength", ascending=False, kind="stable", ignore_index=True)


def strengths(values: np.ndarray) -> Callable[[int, int], np.ndarray]:
    """Returns a function that says how strongly each unit reads two sources through tiles that mirror each other.

    Args:
        values: Weights (unit, source, y, x).

    Returns:
        Of two sources, a number for each unit: the inner product of the one's tile with the other's mirrored, over the
        mean square of the unit's tiles; -inf where a tile inhibits in sum.
    """
    total = values.sum((2, 3))
    size = np.maximum((values**2).sum((1, 2, 3)) / values.shape[1], 1e-30)

    def strength(a: int, b: int) -> np.ndarray:
        product = (values[:, a] * values[:, b, :, ::-1]).sum((1, 2)) / size
        return np.where((total[:, a] > 0) & (total[:, b] > 0), product, -np.inf)

    return strength


def scaled(values: np.ndarray) -> np.ndarray:
    """Returns each unit's numbers about their mean, at length 1: their products are correlations."""
    flat = values.reshape(len(values), -1)
    flat = flat - flat.mean(1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-30)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    # Of a kernel of one place, or two alike on either side, a mirror says nothing.
    even = np.allclose(one, one[:, ::-1]) and np.allclose(other, other[:, ::-1])
    return float("nan") if even else float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
