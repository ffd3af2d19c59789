"""The fit of `circuitkit.relative_pose` where some tiles are not known, and of one unit from all others.

found = fit(pair)               # a RelativePose; tiles of NaN are left out of everything
from_others(pair)               # each unit's weights as the other units say they should be
"""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from circuitkit.relative_pose import EXCHANGES, HARMONICS, RelativePose, _design, _fitted, _orders, relative_pose
from experiments.relative_pose.pairs import Pair

SAME_DISTANCE = 1e-3


def fit(pair: Pair, *, seed: int = 0) -> RelativePose:
    """Returns what relative pose explains of a pair's weights, of those that are known."""
    if np.isfinite(pair.weights.values).all():
        return relative_pose(pair.weights, pair.unit_angles, pair.source_angles, **pair.periods, seed=seed)
    known = np.isfinite(pair.weights.values)
    total = float((pair.weights.values[known] ** 2).sum())
    rng = np.random.default_rng(seed)

    def explained(source_angles: np.ndarray) -> float:
        return float((part(pair, source_angles=source_angles)[known] ** 2).sum()) / total

    null = [explained(rng.permutation(pair.source_angles)) for _ in range(EXCHANGES)]
    apart = (pair.weights.values - from_others(pair))[known]
    terms = sum(int(np.linalg.matrix_rank(design[counted])) for _, design, counted in _rings(pair, pair.source_angles))
    return RelativePose(
        part=pair.weights.copy(data=part(pair)),
        share=explained(pair.source_angles),
        predicted=1 - float((apart**2).sum()) / total,
        null=xr.DataArray(np.array(null), dims="draw", name="share"),
        terms=terms,
    )


def part(pair: Pair, *, source_angles: np.ndarray | None = None, without: int | None = None) -> np.ndarray:
    """Returns the part of a pair's weights that depends on relative pose alone, in the shape of the weights.

    Args:
        pair: The weights, and the angles.
        source_angles: Other angles of the sources than the pair has.
        without: A unit that is left out of the fit, but not of what is returned.
    """
    angles = pair.source_angles if source_angles is None else source_angles
    found = np.zeros(pair.weights.shape)
    for inside, design, counted in _rings(pair, angles):
        values = pair.weights.values[:, :, inside].reshape(len(counted), -1)
        if without is not None:
            counted[without] = False
        fitted = design @ _fitted(design[counted][None], values[counted][None])
        found[:, :, inside] = fitted.reshape(found[:, :, inside].shape)
    return found


def from_others(pair: Pair, *, source_angles: np.ndarray | None = None) -> np.ndarray:
    """Returns each unit's weights as a fit to the other units has them."""
    return np.stack([part(pair, source_angles=source_angles, without=unit)[unit] for unit in range(len(pair.weights))])


def predicted(pair: Pair, source_angles: np.ndarray) -> float:
    """Returns the share that is explained of units left out, when the sources stand at these angles."""
    known = np.isfinite(pair.weights.values)
    apart = (pair.weights.values - from_others(pair, source_angles=source_angles))[known]
    return 1 - float((apart**2).sum()) / float((pair.weights.values[known] ** 2).sum())


def _rings(pair: Pair, source_angles: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yields for each distance which places lie there, the terms (unit, weight, term), and which weights are known."""
    y, x = np.meshgrid(pair.weights.y.values, pair.weights.x.values, indexing="ij")
    places = x + 1j * y
    orders = _orders(HARMONICS, pair.unit_period, pair.source_period)
    distance = np.round(np.abs(places) / SAME_DISTANCE).astype(int)
    for ring in np.unique(distance):
        inside = distance == ring
        wanted = [order for order in orders if ring or not order[0]]
        design = _design(places[inside], pair.unit_angles, source_angles, wanted, 360 / pair.source_period)
        values = pair.weights.values[:, :, inside].reshape(len(pair.unit_angles), -1)
        yield inside, design, np.isfinite(values)
