"""Weights by relative pose: how much of what one family makes of another depends on nothing else.

    weights = ck.wiring.expanded(net["fire5", curves], "fire4").sel(source=early_curves)
    found = relative_pose(weights, angles_of_curves, angles_of_early_curves)
    found.share, found.predicted, found.p       # of the weights' squares; of units left out; by chance
    found.part                                  # the weights again, with that part alone

Turn a unit, its sources and where they lie by one angle, and an equivariant net has the same weight again:
W[a -> b] = W[T a -> T b]. So a weight is a function of three numbers, how far the source lies from the unit, in which
direction, and which way it is turned, the last two as seen by the unit. In a trained net members of a family stand at
uneven angles, and their tiles have 3x3 or 5x5 weights, so tiles cannot be turned and averaged without blurring them
into each other. Instead the function is fitted: a Fourier series in both angles, for each distance that the grid has.
All terms are invariant, so whatever they explain is equivariant, and nothing is interpolated.

The series is cut off at a few harmonics, so what depends on the pose more sharply than that counts as unexplained:
the share is a lower bound. With enough terms any weights are explained by chance, and hence three numbers: the share
that is explained, the share that is explained of each unit by a series that was fitted to the others alone, and how
often angles that were exchanged among the sources explain as much.

Source: Olah et al., "Naturally Occurring Equivariance in Neural Networks", Distill (2020), for the law, shown there as
tables of tiles; the fit is ours. The harmonics are those of steerable filters: Freeman and Adelson (1991).
"""

import dataclasses

import numpy as np
import xarray as xr
from jaxtyping import Bool, Complex, Float

from circuitkit import checks
from circuitkit.errors import SpecError

HARMONICS = (3, 2)
"""Highest harmonics of the direction in which a source lies, and of the angle by which it is turned."""

EXCHANGES = 199
"""Orders of the sources' angles: p can fall to 0.005."""

SAME_DISTANCE = 1e-3
"""Distances that differ by less, in pixels, are one."""

Tiles = Float[np.ndarray, "unit source place"]


@dataclasses.dataclass(frozen=True, eq=False)
class RelativePose:
    """What weights are worth as a function of relative pose.

    Attributes:
        part: (unit, source, y, x), the part of the weights that depends on the relative pose alone.
        from_others: The same, each unit's as a fit to the other units has it: what is foretold of a unit of this angle.
        share: Of the sum of squared weights, what that part explains.
        predicted: The same when each unit's part is fitted to the other units; below 0 if it is worse than nothing.
        null: (draw,) the share that is explained when the sources' angles are exchanged.
        terms: How many numbers were fitted.
    """

    part: xr.DataArray
    from_others: xr.DataArray
    share: float
    predicted: float
    null: xr.DataArray
    terms: int

    @property
    def p(self) -> float:
        """How often exchanged angles explain as much."""
        return float((1 + (self.null >= self.share - 1e-12).sum()) / (1 + self.null.size))

    @property
    def rest(self) -> float:
        """The share that hangs on which unit it is."""
        return 1 - self.share


def relative_pose(
    weights: xr.DataArray,
    unit_angles: Float[np.ndarray, " unit"],
    source_angles: Float[np.ndarray, " source"],
    *,
    unit_period: float | None = 360.0,
    source_period: float | None = 360.0,
    known: Bool[np.ndarray, "unit source"] | None = None,
    harmonics: tuple[int, int] = HARMONICS,
    exchanges: int = EXCHANGES,
    seed: int = 0,
) -> RelativePose:
    """Returns the part of weights that depends on relative pose alone.

    Args:
        weights: (unit, source, y, x) with `y` (up) and `x` (right) in pixels, as of `wiring.expanded`.
        unit_angles: In degrees.
        source_angles: In degrees.
        unit_period: The turn that brings a unit back: 360 for curves, 180 for lines; None for what has no angle, such
            as a circle.
        source_period: Likewise of the sources.
        known: Which tiles are known; all, if left out. The others may be NaN, and have no say in anything; of these,
            too, the fit says what they should be.
        harmonics: Highest one of the direction in which a source lies, and of the angle by which it is turned.
        exchanges: Orders of the sources' angles that are tried for `null`; 0 if only the part is wanted.
        seed: Of the exchanges.

    Raises:
        SpecError: If shapes, angles or periods do not fit each other, or weights are NaN or all 0.
    """
    periods = (unit_period, source_period)
    tiles, places, counted = _checked(weights, unit_angles, source_angles, periods, known, harmonics)
    checks.whole("relative_pose", "exchanges", exchanges, at_least=0)
    units, sources = np.asarray(unit_angles, float), np.asarray(source_angles, float)
    orders = _orders(harmonics, unit_period, source_period)
    per_turn = 0.0 if source_period is None else 360 / source_period
    rng = np.random.default_rng(seed)
    exchanged = [rng.permutation(sources) for _ in range(exchanges)]
    part, others, null, terms = np.zeros(tiles.shape), np.zeros(tiles.shape), np.zeros(exchanges), 0
    distance = np.round(np.abs(places) / SAME_DISTANCE).astype(int)
    for ring in np.unique(distance):  # no term is about two distances
        inside = distance == ring
        # The middle lies in no direction.
        wanted = [order for order in orders if ring or not order[0]]
        values = tiles[:, :, inside].reshape(len(units), -1)
        here = np.repeat(counted, inside.sum(), axis=1)
        design = _design(places[inside], units, sources, wanted, per_turn)
        part[:, :, inside] = (design @ _fitted(design, values, here)).reshape(len(units), len(sources), -1)
        others[:, :, inside] = _from_others(design, values, here).reshape(len(units), len(sources), -1)
        terms += int(np.linalg.matrix_rank(np.einsum("uwt,uws->ts", design * here[..., None], design)))
        for number, angles in enumerate(exchanged):
            again = _design(places[inside], units, angles, wanted, per_turn)
            null[number] += float(((again @ _fitted(again, values, here))[here] ** 2).sum())
    total = float((tiles[counted] ** 2).sum())
    return RelativePose(
        part=weights.copy(data=part.reshape(weights.shape)),
        from_others=weights.copy(data=others.reshape(weights.shape)),
        share=float((part[counted] ** 2).sum()) / total,
        predicted=1 - float(((tiles - others)[counted] ** 2).sum()) / total,
        null=xr.DataArray(null / total, dims="draw", name="share"),
        terms=terms,
    )


def _checked(
    weights: xr.DataArray,
    unit_angles: Float[np.ndarray, " unit"],
    source_angles: Float[np.ndarray, " source"],
    periods: tuple[float | None, float | None],
    known: Bool[np.ndarray, "unit source"] | None,
    harmonics: tuple[int, int],
) -> tuple[Tiles, Complex[np.ndarray, " place"], Bool[np.ndarray, "unit source"]]:
    """Returns the weights, where they lie, in pixels, and which are known; or says what is wrong with them."""
    if weights.dims != ("unit", "source", "y", "x"):
        raise SpecError(f"weights have the dimensions {weights.dims}: wanted (unit, source, y, x).")
    counts = (len(unit_angles), len(source_angles))
    if weights.shape[:2] != counts:
        raise SpecError(
            f"weights of {weights.shape[0]} units from {weights.shape[1]} sources came with the angles of {counts[0]} "
            f"units and {counts[1]} sources: wanted one angle each."
        )
    counted = np.ones(counts, bool) if known is None else np.asarray(known)
    if counted.shape != counts or not counted.any():
        raise SpecError(
            f"known has the shape {counted.shape}, and by it {int(counted.sum())} tiles are known: wanted {counts}, "
            "and at least one."
        )
    values = np.where(counted[..., None, None], weights.values.astype(float), 0.0)
    if not np.isfinite(values).all() or not values.any():
        raise SpecError(
            "weights hold NaN or infinity, or are all 0: wanted finite ones. Tiles of which nothing is known are named "
            "by known=."
        )
    for name, period in zip(("unit_period", "source_period"), periods, strict=True):
        if period is not None and (period <= 0 or 360 % period):
            raise SpecError(f"{name}={period:g}: wanted a turn of which a whole number makes 360 degrees, or None.")
    for name, order in zip(("the direction", "the angle"), harmonics, strict=True):
        checks.whole("relative_pose", f"harmonics of {name}", order, at_least=0)
    y, x = np.meshgrid(weights.y.values.astype(float), weights.x.values.astype(float), indexing="ij")
    return values.reshape(*counts, -1), (x + 1j * y).ravel(), counted


def _orders(
    harmonics: tuple[int, int], unit_period: float | None, source_period: float | None
) -> list[tuple[int, int]]:
    """Returns the pairs of harmonics that a series may have: those that a unit's and a source's period leave as is."""
    direction, turn = harmonics
    turns = [0] if source_period is None else range(-turn, turn + 1)
    per_source = 0 if source_period is None else round(360 / source_period)
    found = []
    for n in range(-direction, direction + 1):
        for m in turns:
            together = n + m * per_source  # how often the term turns while the unit turns once
            kept = together == 0 if unit_period is None else together % round(360 / unit_period) == 0
            # Of two that are each other's mirror image the cosine and the sine of one are enough.
            if kept and (n, m) >= (0, 0):
                found.append((n, m))
    return found


def _design(
    places: Complex[np.ndarray, " place"],
    units: Float[np.ndarray, " unit"],
    sources: Float[np.ndarray, " source"],
    orders: list[tuple[int, int]],
    per_turn: float,
) -> Float[np.ndarray, "unit weight term"]:
    """Returns the value of every term for each weight at places of one distance, in the order (source, place).

    Args:
        places: From the unit, right + i up, in pixels.
        units: Angles in degrees.
        sources: Likewise.
        orders: Harmonics of the direction and of the turn.
        per_turn: How often a source comes back in a whole turn; 0 for sources without an angle.
    """
    towards = np.angle(places)[None, None] - np.deg2rad(units)[:, None, None]
    turned = per_turn * np.deg2rad(sources[None, :] - units[:, None])[..., None]
    columns = []
    for n, m in orders:
        phase = np.broadcast_to(n * towards + m * turned, (len(units), len(sources), len(places)))
        columns.append(np.cos(phase))
        if (n, m) != (0, 0):
            columns.append(np.sin(phase))
    return np.stack(columns, -1).reshape(len(units), -1, len(columns))


def _fitted(
    design: Float[np.ndarray, "unit weight term"],
    values: Float[np.ndarray, "unit weight"],
    counted: Bool[np.ndarray, "unit weight"],
) -> Float[np.ndarray, " term"]:
    """Returns the numbers of the terms by least squares; small ones, where several do as well."""
    rows = design[counted]
    # By way of the terms' own products: terms are few, weights are many, and exchanges are hundreds.
    products = rows.T @ rows
    slack = 1e-10 * max(np.trace(products), 1e-300) / len(products) * np.eye(len(products))
    return np.asarray(np.linalg.solve(products + slack, rows.T @ values[counted]))


def _from_others(
    design: Float[np.ndarray, "unit weight term"],
    values: Float[np.ndarray, "unit weight"],
    counted: Bool[np.ndarray, "unit weight"],
) -> Float[np.ndarray, "unit weight"]:
    """Returns each unit's weights as terms have them that were fitted to the others; 0 where there are no others."""
    found = np.zeros_like(values)
    for unit in range(len(values)):
        rest = counted & (np.arange(len(values)) != unit)[:, None]
        if rest.any():
            found[unit] = design[unit] @ _fitted(design, values, rest)
    return found
