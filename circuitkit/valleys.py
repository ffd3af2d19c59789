"""Clouds of points: does one fall into several parts, with a valley between them?

    found = parts(cloud)                    # cloud (point, channel)
    found.groups, found.p                   # the points of each part; of there being one part

Any elongated cloud falls into two under k-means, so clusters prove nothing; what one part alone does not have is a
valley. On half of the cloud a direction is sought, and on it an interval (the valley) between two others (the hills).
The other half of the cloud, which had no say in them, is counted. Where all projections are unimodal, the density in
the valley is at least that in the lower hill, whatever the covariance, the skew or the tails: the binomial p of the
counts is valid as it stands. That holds of log-concave clouds, and to take the points on one side of a cut leaves them
log-concave (Prekopa); and of elliptical ones, however heavy their tails.

**The null.** The statistic is the mean normal score of that p over halvings. It is far below 0 for clouds of one part,
so the bound alone would waste half of the power. Hence p counts how often it is reached by as many points spread evenly
on a line. A flat density has the least of a hill without having a valley, and a line is what leaves the search the
least to get lost in. It does not have the cloud's own covariance, and need not: the search takes principal components
as they are, and scaled to one length, and clouds of most other shapes come out lower (Gaussian, elongated, skewed,
sparse, heavy-tailed; a curved ridge about as high: see experiments/polysemanticity). One null serves all clouds of a
size.

**How many.** A cloud with p below the level is cut in the valley, and both sides are tested again, at half the level.
So one part is taken for several with at most the level's probability, and k for more with at most that again.

Source: Hartigan and Hartigan, "The Dip Test of Unimodality" (1985): the flat density as the least favourable one. The
test is ours.
"""

import functools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import bdtr, ndtri

Cloud = Float[np.ndarray, "point channel"]

LEVEL, DRAWS, MORE = 0.01, 499, 40
"""The p below which a cloud is cut; draws of the null; and how many times as many where none of them reaches the
statistic, so that p can fall to 0.00005 and one unit of a layer of 512 still counts for the whole layer."""

LEAST = 12
"""Points on either side of a cut: half of them is what a half holds, and six in no valley leave little doubt."""

HALVINGS = 5
"""Each searched on one half and counted on the other, both ways."""

DIMS = 5
"""Principal components that are searched."""

CUTS = 40
"""Along each direction, at most."""

_AT_ONCE = 250
"""Draws of the null that are computed at once: 40 MB an array."""

_WORST, _BEST = 3.0, 8.0
"""Normal scores are kept within these: one empty valley is not to make up for nine that are none."""


class Parts(NamedTuple):
    """What a cloud falls into.

    Attributes:
        groups: The points of each part, the largest first.
        p: Of one part.
        valley: How dense the valley is beside the lower hill, in halves that were not searched: 0 if it is empty.
        separation: How far the two sides of it are apart there, in their standard deviations: 2.7 for a Gaussian that
            is cut in two.
    """

    groups: tuple[Int[np.ndarray, " _"], ...]
    p: float
    valley: float
    separation: float


def parts(cloud: Cloud, *, level: float = LEVEL, draws: int = DRAWS, seed: int = 0) -> Parts:
    """Returns the parts of a cloud; all of it is one if p is above the level.

    Args:
        cloud: At least two times `LEAST` points, all finite.
        level: Of the first cut.
        draws: Of the null; `MORE` times as many where none of them reaches the statistic.
        seed: Of the halvings.
    """
    cloud = _turned(cloud.astype(float))
    statistic, valley, separation = _measured(cloud, seed)
    p = _chance(statistic, len(cloud), draws)
    if p == 1 / (1 + draws):
        p = _chance(statistic, len(cloud), MORE * draws)
    groups = [np.arange(len(cloud))] if p > level else list(_cut(cloud, level, draws, seed))
    ordered = sorted(groups, key=lambda each: (-len(each), int(each.min())))
    return Parts(tuple(ordered), p, valley, separation)


def _chance(statistic: float, points: int, draws: int) -> float:
    """Returns how often the null reaches a statistic, itself counted, so that p is never 0."""
    return float((1 + (null(_near(points), draws) >= statistic).sum()) / (1 + draws))


@functools.lru_cache(maxsize=64)
def null(points: int, draws: int = DRAWS) -> Float[np.ndarray, " draw"]:
    """Returns the statistic of so many points of one part, drawn from a flat line, as often as `draws`."""
    rng, left, taken = np.random.default_rng([points, draws]), draws, []
    while left:
        x = rng.random((min(left, _AT_ONCE), points))
        scores = []
        for _ in range(HALVINGS):
            one, other = np.split(rng.permuted(x, axis=1), [points // 2], axis=1)
            for searched, counted in ((one, other), (other, one)):
                depth, edges = _deepest(np.sort(searched, axis=1))
                scores.append(np.where(np.isfinite(depth), _scores(counted, edges), -_WORST))
        taken.append(np.mean(scores, axis=0))
        left -= len(x)
    return np.concatenate(taken)


def _near(points: int) -> int:
    """Returns the next lower of some numbers of points, so that units share nulls: each is an eighth above the last."""
    return int(2 * LEAST * 1.125 ** math.floor(math.log(points / (2 * LEAST)) / math.log(1.125) + 1e-9))


def _turned(cloud: Cloud) -> Cloud:
    """Returns the cloud in as few dimensions as it has, distances unchanged: what is not rotated is not computed on."""
    centred = cloud - cloud.mean(0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    kept = sizes > 1e-6 * sizes.max(initial=1e-30)
    return left[:, kept] * sizes[kept]


def _cut(cloud: Cloud, level: float, draws: int, seed: int) -> Iterator[Int[np.ndarray, " _"]]:
    """Cuts a cloud in its valley, and both parts as long as they have one; yields the points of each part."""
    valley = _search(cloud)
    if valley is None:
        yield np.arange(len(cloud))
        return
    above = cloud @ valley.direction > valley.edges[2:4].mean()
    for side in (above, ~above):
        part = np.flatnonzero(side)
        if len(part) >= 2 * LEAST:
            own = _turned(cloud[part])
            if _chance(_measured(own, seed)[0], len(part), draws) <= level / 2:
                yield from (part[each] for each in _cut(own, level / 2, draws, seed))
                continue
        yield part


class _Valley(NamedTuple):
    """A direction, and the ends of three intervals on it: the lower hill, the valley, the upper hill."""

    direction: Float[np.ndarray, " channel"]
    edges: Float[np.ndarray, " 6"]


def _measured(cloud: Cloud, seed: int) -> tuple[float, float, float]:
    """Returns the statistic, the density in the valley over that in the lower hill, and the separation."""
    rng, half = np.random.default_rng(seed), len(cloud) // 2
    scores, ratios, separations = [], [], []
    for _ in range(HALVINGS):
        order = rng.permutation(len(cloud))
        for one, other in ((order[:half], order[half:]), (order[half:], order[:half])):
            found = _search(cloud[one])
            if found is None:
                scores.append(-_WORST)
                continue
            x, edges = cloud[other] @ found.direction, found.edges
            low, between, high = (
                ((x >= edges[at]) & (x < edges[at + 1])).sum() / (edges[at + 1] - edges[at]) for at in (0, 2, 4)
            )
            scores.append(_scores(x[None], edges[:, None])[0])
            ratios.append(between / max(min(low, high), 1e-30))
            sides = x > edges[2:4].mean()
            if 1 < sides.sum() < len(x) - 1:
                spread = math.sqrt((x[sides].var(ddof=1) + x[~sides].var(ddof=1)) / 2)
                separations.append((x[sides].mean() - x[~sides].mean()) / max(spread, 1e-30))
    valley, separation = (float(np.median(each)) if each else math.nan for each in (ratios, separations))
    return float(np.mean(scores)), valley, separation


def _scores(x: Float[np.ndarray, "way point"], edges: Float[np.ndarray, "6 way"]) -> Float[np.ndarray, " way"]:
    """Returns normal scores of the larger of two binomial p: so few in the valley, beside each of the hills."""
    low, between, high = (((x >= edges[at, :, None]) & (x < edges[at + 1, :, None])).sum(1) for at in (0, 2, 4))
    widths = edges[1::2] - edges[::2]
    p = np.max(
        [
            bdtr(between, between + hill, widths[1] / np.maximum(widths[1] + width, 1e-30))
            for hill, width in ((low, widths[0]), (high, widths[2]))
        ],
        axis=0,
    )
    return np.clip(-ndtri(p), -_WORST, _BEST)


def _search(cloud: Cloud) -> _Valley | None:
    """Returns the deepest valley: of principal components, and of what two-means find, as they are and scaled alike."""
    centred = cloud - cloud.mean(0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    dims = min(DIMS, int((sizes > 1e-6 * sizes.max(initial=1e-30)).sum()))
    if not dims:
        return None  # all points are one
    raw = centred @ axes[:dims].T
    # Of either sign of an axis the one with the longer tail, so that a rotated cloud is searched alike.
    signs = np.where((raw**3).sum(0) < 0, -1, 1)
    raw, axes = raw * signs, axes[:dims] * signs[:, None]
    ways = np.eye(dims)
    if dims > 1:  # on a line there is but one
        ways = np.concatenate([ways, _two_means(raw, raw), _two_means(raw / sizes[:dims], raw)])
    depths, edges = _deepest(np.sort(ways @ raw.T, axis=1))
    best = int(np.argmax(depths))
    if not np.isfinite(depths[best]):
        return None
    direction = ways[best] @ axes
    return _Valley(direction, edges[:, best] + cloud.mean(0) @ direction)


def _deepest(
    x: Float[np.ndarray, "way point"],
) -> tuple[Float[np.ndarray, " way"], Float[np.ndarray, "6 way"]]:
    """Returns how deep the deepest valley of sorted points is along each way, -infinity if none is; its edges."""
    count = x.shape[1]
    least = max(3, count // 10)
    # Among neighbouring cuts the one in the widest gap: a cut beside the valley says nothing of it.
    ranks = np.arange(least, count - least + 1)
    gaps = x[:, ranks] - x[:, ranks - 1]
    bins = np.array_split(np.arange(len(ranks)), min(len(ranks), CUTS))
    cuts = np.stack([ranks[each[gaps[:, each].argmax(1)]] for each in bins], axis=1)

    def at(rank: Int[np.ndarray, "way cut"]) -> Float[np.ndarray, "way cut 1 1"]:
        return np.take_along_axis(x, rank, axis=1)[..., None, None]

    cut, low, high = (at(cuts - 1) + at(cuts)) / 2, at(cuts // 2), at((cuts + count) // 2)
    gap = np.minimum(cut - low, high - cut) * np.array([0.25, 0.4, 0.6])[:, None]
    hill = np.array([0.4, 1.0])
    edges = np.stack(
        np.broadcast_arrays(
            low - hill * (cut - low),
            np.minimum(low + hill * (cut - low), cut - gap),
            cut - gap,
            cut + gap,
            np.maximum(high - hill * (high - cut), cut + gap),
            high + hill * (high - cut),
        )
    )
    counts = np.stack([np.searchsorted(row, edges[:, way]) for way, row in enumerate(x)], axis=1)
    hills, valleys = counts[1::2] - counts[::2], np.maximum(edges[1::2] - edges[::2], 1e-30)
    total = hills[[0, 2]] + hills[1]
    chance = valleys[1] / (valleys[1] + valleys[[0, 2]])
    spread = np.sqrt(np.maximum(total * chance * (1 - chance), 1e-9))
    score = ((total * chance - hills[1] - 0.5) / spread).min(0)
    score = np.where(gap > 1e-9 * (x[:, -1] - x[:, 0])[:, None, None, None], score, -np.inf)
    # Of those that rounding alone tells apart, the first.
    flat = score.reshape(len(x), -1).round(9)
    best, way = flat.argmax(1), np.arange(len(x))
    return flat[way, best], edges.reshape(6, len(x), -1)[:, way, best]


def _two_means(points: Cloud, raw: Cloud) -> Float[np.ndarray, "way channel"]:
    """Returns discriminants, unit vectors, of two-means that start from either side of the median of each axis."""
    # Batched over the starts: (start, point).
    side = (points > np.median(points, axis=0)).T
    for _ in range(10):
        share = np.clip(side.sum(1, keepdims=True), 1, len(points) - 1)
        upper = side @ points / share
        lower = ~side @ points / (len(points) - share)
        nearer = points @ (upper - lower).T - ((upper**2).sum(1) - (lower**2).sum(1)) / 2 > 0
        if (side == nearer.T).all():
            break
        side = nearer.T
    share = np.clip(side.sum(1, keepdims=True), 1, len(points) - 1)
    between = side @ raw / share - ~side @ raw / (len(raw) - share)
    covariance = raw.T @ raw / len(raw)
    weights = (share * (len(raw) - share) / len(raw) ** 2)[..., None]
    within = covariance - weights * between[:, :, None] * between[:, None, :]
    ridge = 0.1 * np.trace(within, axis1=1, axis2=2)[:, None, None] / raw.shape[1] * np.eye(raw.shape[1])
    ways = np.linalg.solve(within + ridge, between[..., None])[..., 0]
    return ways / np.maximum(np.linalg.norm(ways, axis=1, keepdims=True), 1e-30)
