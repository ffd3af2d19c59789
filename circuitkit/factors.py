"""Few factors for many weights: one-sided non-negative matrix factorization, and what chance makes of it.

    weights = ck.wiring.expanded(net["fire5", curves], "fire4")     # (unit, source, y, x)
    found = factors(weights)                                        # three of them
    found.loading                   # (factor, source), 0 and above, the largest 1
    found.maps                      # (unit, factor, y, x), of either sign
    found.share, found.p            # of the weights' squares; how often shuffled sources do as well

Weights that many sources have to a few units are hard to look at, so sources are put together: W[u, s, y, x] is
written as the sum over factors of L[f, s] M[u, f, y, x], one set of loadings for all units. A factor is a mixture of
sources, none of them taken off, and its map says where it excites a unit and where it inhibits. So loadings are
*non-negative* and maps have *either sign*: the factorization is one-sided. With `nonnegative="place"` it is the other
way round, maps are 0 and above, and loadings say of which sources a place wants more or less.

What is done, exactly:

1. Weights become a matrix X, a row for each source and a column for each place (a unit's y and x).
2. Positive and negative parts of X, laid side by side, are factored with nothing below 0, by hierarchical alternating
   least squares: [X+ X-] = L^T [M+ M-]. This is what the Distill articles do; their map is M+ - M-.
3. Loadings stay as they are, and maps are what fits X best with them, by least squares: M = inverse(L^T) X.

This is done from several starts, columns of [X+ X-] that a seed chooses, and of those with the least error in step 2
the first is kept. Starts come from places and never from the number of a source, so sources in another order give the
same factors. Of more than 4096 columns step 2 sees the largest.

What it cannot do: where two factors want opposite things of one source at one place, they cancel, and [X+ X-] no longer
holds them apart. So weights that are made of three such factors are not given back in full; `ceiling` says what factors
of any sign would explain. We tried to lower ||X - L^T M||^2 itself with L >= 0 alone ("semi-NMF" of Ding et al.), which
gives them back. But a wider cone of loadings fits as well as a narrow one, so nothing keeps factors apart: of
handbuilt curves three of them explain 55 % in place of 50 %, with loadings nearly alike and maps that cancel, whose
squares come to 1350 times those of the weights.

How much of it is chance: the same, as often as one likes, for weights whose sources are exchanged independently at each
place. These have the same weights at each place, and no mixture of sources that comes twice.

Source: Voss et al., "Visualizing Weights", Distill (2021), One Simple Trick (three factors as red, green and blue), and
Schubert et al., "High-Low Frequency Detectors", Distill (2021), for two factors; Ding, Li and Jordan, "Convex and
Semi-Nonnegative Matrix Factorizations" (2010). Step 3, the starts and the null are put together by us.
"""

import dataclasses
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr
from jaxtyping import Float

from circuitkit import checks
from circuitkit.errors import SpecError, unknown_name

Side = Literal["source", "place"]

COUNT = 3
"""Factors: as many as a picture has colours."""

STARTS = 3
SHUFFLES = 19
"""Weights with exchanged sources: p can fall to 0.05."""

STEPS = 300
"""Of step 2, at most."""

SETTLED = 1e-6
"""It ends when a step lowers the error by less, over the squares of all weights."""

MOST_COLUMNS = 4096

AS_GOOD = 1e-4
"""Errors that differ by less are one: the first start is kept, whatever the rounding."""

Matrix = Float[np.ndarray, "row column"]


@dataclasses.dataclass(frozen=True, eq=False)
class Factors:
    """Weights as few factors.

    Attributes:
        loading: (factor, source). On the non-negative side each factor's largest value is 1, so that the other side has
            the unit of the weights.
        maps: (unit, factor, y, x).
        nonnegative: Which side has no values below 0: `source`, the loadings, or `place`, the maps.
        share: Of the sum of squared weights, what the factors explain.
        each: (factor,) the squares of each factor over those of the weights; they overlap, and need not sum to `share`.
        ceiling: What as many factors of any sign could explain at most.
        null: (shuffle,) the share that is explained when sources are exchanged independently at each place.
    """

    loading: xr.DataArray
    maps: xr.DataArray
    nonnegative: Side
    share: float
    each: xr.DataArray
    ceiling: float
    null: xr.DataArray

    @property
    def p(self) -> float:
        """How often exchanged sources explain as much."""
        return float((1 + (self.null >= self.share - 1e-12).sum()) / (1 + self.null.size))

    @property
    def rebuilt(self) -> xr.DataArray:
        """The weights again, as the factors have them: (unit, source, y, x)."""
        return (self.loading * self.maps).sum("factor").transpose("unit", "source", "y", "x")

    def strongest(self, count: int = 8) -> dict[str, list[tuple[str, float]]]:
        """Returns each factor's sources of the largest absolute loading, with their loadings, the largest first."""
        checks.whole("strongest", "count", count)
        found = {}
        for factor, row in zip(self.loading.factor.values, self.loading.values, strict=True):
            order = np.argsort(-np.abs(row), kind="stable")[:count]
            found[str(factor)] = [(str(self.loading.source.values[place]), float(row[place])) for place in order]
        return found

    def to_dataset(self) -> xr.Dataset:
        """Returns all of it as one dataset, to be written as netCDF."""
        return xr.Dataset(
            {"loading": self.loading, "maps": self.maps, "each": self.each, "null": self.null},
            attrs={
                **self.maps.attrs,
                "nonnegative": self.nonnegative,
                "share": self.share,
                "ceiling": self.ceiling,
                "p": self.p,
            },
        )


def factors(
    weights: xr.DataArray,
    *,
    count: int = COUNT,
    nonnegative: Side = "source",
    starts: int = STARTS,
    shuffles: int = SHUFFLES,
    seed: int = 0,
) -> Factors:
    """Returns weights as few factors, those that explain most first.

    Args:
        weights: (unit, source, y, x), as of `wiring.expanded` or `weights.kernels`.
        count: Of factors.
        nonnegative: The side that has no values below 0: `source` or `place`.
        starts: Of the fit; the best is kept.
        shuffles: Weights with exchanged sources that are factored in the same way for `null`; 0 if none are wanted.
        seed: Of starts and exchanges.

    Raises:
        SpecError: If weights have other dimensions, hold NaN, are all 0, or are fewer than the factors along one side.
        UnknownNameError: If there is no such side.
    """
    matrix = _checked(weights, count, nonnegative)
    checks.whole("factors", "starts", starts)
    checks.whole("factors", "shuffles", shuffles, at_least=0)
    checks.whole("factors", "seed", seed, at_least=0)
    size = float(np.linalg.norm(matrix))
    matrix = matrix / size  # so that neither odds nor tolerances depend on the scale
    best, share = _best(_turned(matrix, nonnegative), count, starts, seed)
    rng = np.random.default_rng([seed, 1])
    null = np.zeros(shuffles)
    for draw in range(shuffles):
        null[draw] = _best(_turned(rng.permuted(matrix, axis=0), nonnegative), count, starts, seed)[1]
    return _labelled(weights, matrix, best, nonnegative, size, share, null)


def _labelled(
    weights: xr.DataArray,
    matrix: Matrix,
    held: Float[np.ndarray, "_ factor"],
    nonnegative: Side,
    size: float,
    share: float,
    null: Float[np.ndarray, " shuffle"],
) -> Factors:
    """Returns the factors by name, the strongest first."""
    free = _inverse(held) @ _turned(matrix, nonnegative)
    each = (held**2).sum(0) * (free**2).sum(1)
    order = np.argsort(-each, kind="stable")
    held, free, each = held[:, order], free[order], each[order]
    largest = held.max(0)
    largest = np.where(largest > 0, largest, 1.0)
    held, free = held / largest, free * largest[:, None] * size
    sides = (held.T, free) if nonnegative == "source" else (free, held.T)
    names = [f"factor {number + 1}" for number in range(len(each))]
    units, _, height, width = weights.shape
    coords: dict[str, Any] = {name: weights[name].values for name in ("unit", "y", "x")}
    return Factors(
        loading=xr.DataArray(
            sides[0], dims=("factor", "source"), coords={"factor": names, "source": weights.source.values}
        ),
        maps=xr.DataArray(
            sides[1].reshape(len(each), units, height, width).transpose(1, 0, 2, 3),
            dims=("unit", "factor", "y", "x"),
            coords={"factor": names, **coords},
            attrs=dict(weights.attrs),
        ),
        nonnegative=nonnegative,
        share=share,
        each=xr.DataArray(each, dims="factor", coords={"factor": names}),
        ceiling=float((np.linalg.svd(matrix, compute_uv=False)[: len(each)] ** 2).sum()),
        null=xr.DataArray(null, dims="shuffle", name="share"),
    )


def _checked(weights: xr.DataArray, count: int, nonnegative: Side) -> Matrix:
    """Returns weights as a matrix (source, place), or says what is wrong with them."""
    if weights.dims != ("unit", "source", "y", "x"):
        raise SpecError(f"weights have the dimensions {weights.dims}: wanted (unit, source, y, x).")
    if nonnegative not in get_args(Side):
        raise unknown_name("side", nonnegative, get_args(Side), owner="factors")
    values = weights.values.astype(float)
    if not np.isfinite(values).all() or not values.any():
        raise SpecError("weights hold NaN or infinity, or are all 0: wanted finite ones, not all 0.")
    matrix = values.transpose(1, 0, 2, 3).reshape(weights.sizes["source"], -1)
    checks.whole("factors", "count", count)
    if count > min(matrix.shape):
        raise SpecError(
            f"factors has count={count}, but weights of {matrix.shape[0]} sources at {matrix.shape[1]} places: wanted "
            "at most as many factors as there are of either. Give a lower count, or more units."
        )
    return matrix


def _turned(matrix: Matrix, nonnegative: Side) -> Float[np.ndarray, "_ _"]:
    """Returns the matrix with the non-negative side along its rows."""
    return matrix if nonnegative == "source" else matrix.T


def _best(matrix: Matrix, count: int, starts: int, seed: int) -> tuple[Float[np.ndarray, "row factor"], float]:
    """Returns the non-negative factors of the best start, and the share of the squares that they explain."""
    used = matrix.any(1)  # a row of zeros is loaded on nothing
    rows = matrix[used]
    parts = np.concatenate([rows.clip(min=0), (-rows).clip(min=0)], axis=1)
    # By size, not by number: the same columns are found again in whatever order they come.
    parts = parts[:, np.argsort(-(parts**2).sum(0), kind="stable")[:MOST_COLUMNS]]
    found = []
    for start in range(starts):
        rng = np.random.default_rng([seed, 0, start])
        found.append(_in_parts(parts, _apart(parts, count, rng)))
    least = min(error for _, error in found)
    best = next(held for held, error in found if error <= least + AS_GOOD)
    whole = np.zeros((len(matrix), count))
    whole[used] = best
    return whole, _share(rows, best)


def _apart(columns: Matrix, count: int, rng: np.random.Generator) -> Float[np.ndarray, "row factor"]:
    """Returns some columns that point in different ways: each the likelier, the farther from those before it."""
    chosen: list[np.ndarray] = []
    left = columns
    for _ in range(count):
        squares = (left**2).sum(0)
        odds = squares / squares.sum() if squares.sum() > 1e-12 else np.full(len(squares), 1 / len(squares))
        chosen.append(columns[:, rng.choice(len(odds), p=odds)])
        basis, _ = np.linalg.qr(np.stack(chosen, 1))
        left = columns - basis @ (basis.T @ columns)
    return np.stack(chosen, 1)


def _in_parts(parts: Matrix, held: Float[np.ndarray, "row factor"]) -> tuple[Float[np.ndarray, "row factor"], float]:
    """Returns the left side of a factorization in which nothing is below 0, and its error over all squares.

    Args:
        parts: What is factored.
        held: The left side to start from.
    """
    other = (_inverse(held) @ parts).clip(min=0)
    before, error, total = np.inf, np.inf, float((parts**2).sum())
    for _ in range(STEPS):
        held = _step(held, parts @ other.T, other @ other.T)
        within, across = held.T @ held, held.T @ parts
        other = _step(other.T, across.T, within).T
        error = 1 + float(((within @ other - 2 * across) * other).sum()) / total
        if before - error < SETTLED:
            break
        before = error
    return held, error


def _step(
    held: Float[np.ndarray, "row factor"],
    across: Float[np.ndarray, "row factor"],
    within: Float[np.ndarray, "factor factor"],
) -> Float[np.ndarray, "row factor"]:
    """Returns a non-negative side after each factor in turn has moved to its best; none ever explains less.

    Args:
        held: The side.
        across: The matrix times the other side.
        within: The other side times itself.
    """
    held = held.copy()
    for factor in range(held.shape[1]):
        if within[factor, factor] > 1e-300:
            change = (across[:, factor] - held @ within[:, factor]) / within[factor, factor]
            moved = (held[:, factor] + change).clip(min=0)
            if moved.any():  # a factor that nothing wants stays what it was, and has no weight on the other side
                held[:, factor] = moved
    return held


def _inverse(held: Float[np.ndarray, "row factor"]) -> Float[np.ndarray, "factor row"]:
    """Returns what makes the other side, as it fits best, of the matrix; of factors that are alike, half of each."""
    # By way of their products: factors are few, rows may be many.
    return np.asarray(np.linalg.pinv(held.T @ held, hermitian=True, rcond=1e-12) @ held.T)


def _share(matrix: Matrix, held: Float[np.ndarray, "row factor"]) -> float:
    """Returns the share of the squares that a side explains, the other one being what fits best."""
    rest = matrix - held @ (_inverse(held) @ matrix)
    return 1 - float((rest**2).sum() / (matrix**2).sum())
