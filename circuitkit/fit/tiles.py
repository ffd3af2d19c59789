"""From trained weights to a spec: which numbers of a tile explain the weights from one family to another.

    tile = Tile("lines", along=Arc(radius=20, length=24), tolerance=20) - Crossing(0.5) - OppositeArc(0.3)
    found = fit_tile(weights, angles_of_curves, tangents_of_lines, tile, source_period=180)
    found.tile                                  # the same tile, with the numbers that explain most
    found.share, found.predicted, found.p       # of the weights' squares; of units left out; by chance
    found.rest                                  # what remains, as weights

A tile says what a weight is worth by relative pose alone: how far the source lies from the unit's path, and how it is
turned against the tangent there. So one tile speaks of all units of a family at once, whatever their angles. Numbers
are found by gradient descent on the drawing of the tile itself, from several starts; how large all weights are together
is the one number that is solved for.

What relative pose can explain at all is the ceiling (`relative_pose`); a tile explains as much of it as its formula
fits.

Source: tiling as in Cammarata et al., "Curve Circuits", Distill (2021); the projection is ours.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array, Bool, Float

from circuitkit import checks
from circuitkit.errors import SpecError
from circuitkit.fit.descent import descended, logs_of, starts_about
from circuitkit.geometry import turned_back
from circuitkit.motifs.tiling import Relative, tile_pattern
from circuitkit.spec import Tile

STARTS = 8
STEPS = 300
FEWER = 3
"""Starts of each fit to other units, or to exchanged angles."""

EXCHANGES = 39
"""Orders of the sources' angles: p can fall to 0.025."""

WEIGHT = "weight"
"""The one number of a tile that the gain stands for."""

RESAMPLED = 20
"""Times that units are drawn again, for the intervals of the numbers."""


@dataclasses.dataclass(frozen=True, eq=False)
class TileFit:
    """What a tile explains of weights.

    Attributes:
        tile: With the numbers that explain most.
        numbers: A row a number of the tile: `value`, and `low` and `high` (95 % of fits to units drawn again).
        gain: What all of the tile's weights are multiplied by.
        part: (unit, source, y, x), the weights as the tile has them.
        rest: What remains.
        share: Of the sum of squared weights, what the tile explains.
        predicted: The same where each unit's part is that of a tile fitted to the other units; below 0 if worse than
            nothing.
        null: (draw,) the share when the sources' angles are exchanged and the tile is fitted again.
    """

    tile: Tile
    numbers: pd.DataFrame
    gain: float
    part: xr.DataArray
    rest: xr.DataArray
    share: float
    predicted: float
    null: xr.DataArray

    @property
    def terms(self) -> int:
        """How many numbers were fitted: those of the tile, and the gain."""
        return len(self.numbers) + 1

    @property
    def p(self) -> float:
        """How often exchanged angles explain as much."""
        return float((1 + (self.null >= self.share - 1e-12).sum()) / (1 + self.null.size))


def fit_tile(
    weights: xr.DataArray,
    unit_angles: Float[np.ndarray, " unit"],
    source_tangents: Float[np.ndarray, " source"],
    tile: Tile,
    *,
    source_period: float = 360.0,
    known: Bool[np.ndarray, "unit source"] | None = None,
    exchanges: int = EXCHANGES,
    resampled: int = RESAMPLED,
    seed: int = 0,
) -> TileFit:
    """Returns the numbers of a tile that explain most of the weights from one family to another.

    Args:
        weights: (unit, source, y, x) with `y` (up) and `x` (right) in pixels, as of `wiring.expanded`.
        unit_angles: In degrees, as a family's members have them.
        source_tangents: Direction of the path that each source stands on, in degrees: a line's own angle, a curve's
            plus 90, an edge's less 90.
        tile: Where to start, and which inhibitions there are.
        source_period: 180 if only the orientation of a source counts, as of lines and edges; 360 for curves.
        known: Which tiles of weights are known; all, if left out. The others may be NaN.
        exchanges: Orders of the sources' angles that are tried for `null`; 0 if only the fit is wanted.
        resampled: Times that units are drawn again, for the intervals; 0 for none.
        seed: Of starts, exchanges and resampling.

    Raises:
        SpecError: If shapes and angles do not fit each other, or weights are NaN, or all 0, or of one unit.
    """
    values, counted = _checked(weights, unit_angles, source_tangents, source_period, known)
    checks.whole("fit_tile", "exchanges", exchanges, at_least=0)
    checks.whole("fit_tile", "resampled", resampled, at_least=0)
    across, up = np.meshgrid(weights.x.values, weights.y.values)
    x, y = turned_back(
        jnp.asarray(across, jnp.float32), jnp.asarray(up, jnp.float32), [float(angle) for angle in unit_angles]
    )
    logs, back, names = logs_of(tile)
    angles = jnp.asarray(unit_angles, jnp.float32)[:, None]
    held = jnp.asarray(values, jnp.float32)

    def drawn(point: Array, tangents: Array) -> Float[Array, "unit source h w"]:
        relative = Relative(direction=tangents[None] - angles)
        return tile_pattern(back(point), x, y, relative, period=source_period)

    def loss(point: Array, tangents: Array, weight: Array) -> Float[Array, ""]:
        made, counts = drawn(point, tangents), weight[:, None, None, None] * mask
        over = jnp.sqrt(jnp.sum(counts * made**2) * jnp.sum(counts * held**2))
        return -jnp.sum(counts * made * held) / jnp.maximum(over, 1e-20)

    mask = jnp.asarray(counted, jnp.float32)[:, :, None, None]

    @jax.jit
    def best(starts: Array, tangents: Array, weight: Array) -> tuple[Array, Array]:
        """Returns the best numbers from any start, and their loss, for several problems at once."""

        def one(tangents: Array, weight: Array) -> tuple[Array, Array]:
            ends, losses = jax.vmap(lambda start: descended(lambda at: loss(at, tangents, weight), start, STEPS))(
                starts
            )
            return ends[jnp.argmin(losses)], jnp.min(losses)

        return jax.lax.map(lambda each: one(*each), (tangents, weight))

    rng, count = np.random.default_rng(seed), len(values)
    own = np.asarray(source_tangents, np.float32)
    (point,), (least,) = best(
        jnp.asarray(starts_about(logs, STARTS, seed)), jnp.asarray(own[None]), jnp.ones((1, count))
    )
    part, gain = _scaled(np.asarray(drawn(point, jnp.asarray(own)), float), values, counted)
    # Problems of their own: each unit left out, units drawn again, and angles exchanged.
    rests = 1 - np.eye(count)
    drawn_again = [np.bincount(rng.integers(0, count, count), minlength=count) for _ in range(resampled)]
    weight = np.concatenate([rests, np.reshape(drawn_again, (resampled, count)), np.ones((exchanges, count))])
    tangents = np.stack([own] * (count + resampled) + [rng.permutation(own) for _ in range(exchanges)])
    near = jnp.asarray(starts_about(np.asarray(point, float), FEWER, seed))
    points, losses = best(near, jnp.asarray(tangents), jnp.asarray(weight, jnp.float32))
    others = np.zeros_like(values)
    for unit, (at, rest) in enumerate(zip(points[:count], rests > 0, strict=True)):
        made = np.asarray(drawn(at, jnp.asarray(own)), float)
        others[unit] = _scaled(made, values, counted & rest[:, None])[0][unit]
    several = np.concatenate([np.asarray(point)[None], np.asarray(points[count : count + resampled])])
    low, high = np.exp(np.quantile(several, [0.025, 0.975], axis=0))
    null = -np.asarray(losses[count + resampled :], float)
    numbers = pd.DataFrame({"value": np.exp(np.asarray(point, float)), "low": low, "high": high}, index=names)
    total = float((values**2).sum())
    return TileFit(
        tile=_plain(dataclasses.replace(back(point), weight=1.0)),
        numbers=numbers.drop(index=WEIGHT),
        gain=gain * float(numbers.value[WEIGHT]),
        part=weights.copy(data=part),
        rest=weights.copy(data=weights.values - part),
        share=max(-float(least), 0.0) ** 2,
        predicted=1 - float((((values - others) ** 2).sum((2, 3)) * counted).sum()) / total,
        null=xr.DataArray(np.maximum(null, 0.0) ** 2, dims="draw", name="share"),
    )


def _scaled(
    made: Float[np.ndarray, "unit source h w"],
    values: Float[np.ndarray, "unit source h w"],
    counted: Bool[np.ndarray, "unit source"],
) -> tuple[Float[np.ndarray, "unit source h w"], float]:
    """Returns weights as a tile has them, multiplied by what fits those that count best, and that number."""
    counts = counted[:, :, None, None]
    gain = max(float((made * values * counts).sum() / max((made**2 * counts).sum(), 1e-30)), 0.0)
    return made * gain, gain


def _plain(tile: Any) -> Tile:
    """Returns a tile of plain numbers. A path that has grown longer than its own circle is that circle."""
    lap = tile.along.lap
    if lap is not None:
        length = jnp.minimum(tile.along.length, lap * (1 - 1e-5))
        tile = dataclasses.replace(tile, along=dataclasses.replace(tile.along, length=length))
    made: Tile = jax.tree.map(float, tile)
    return made


def _checked(
    weights: xr.DataArray,
    unit_angles: Float[np.ndarray, " unit"],
    source_tangents: Float[np.ndarray, " source"],
    source_period: float,
    known: Bool[np.ndarray, "unit source"] | None,
) -> tuple[Float[np.ndarray, "unit source h w"], Bool[np.ndarray, "unit source"]]:
    """Returns the weights and which are known, or says what is wrong with them."""
    if weights.dims != ("unit", "source", "y", "x"):
        raise SpecError(f"weights have the dimensions {weights.dims}: wanted (unit, source, y, x).")
    counts = (len(unit_angles), len(source_tangents))
    if weights.shape[:2] != counts:
        raise SpecError(
            f"weights of {weights.shape[0]} units from {weights.shape[1]} sources came with {counts[0]} angles and "
            f"{counts[1]} tangents: wanted one each."
        )
    if source_period not in (180, 360):
        raise SpecError(f"source_period={source_period:g}: wanted 180, for lines and edges, or 360, for curves.")
    counted = np.ones(counts, bool) if known is None else np.asarray(known)
    if counted.shape != counts or counted.any(1).sum() < 2:
        raise SpecError("a tile is fitted to a family: wanted known weights of two units at least.")
    values = np.where(counted[..., None, None], weights.values.astype(float), 0.0)
    if not np.isfinite(values).all() or not values.any():
        raise SpecError("weights hold NaN or infinity, or are all 0: wanted finite ones, or known= to say which are.")
    return values, counted
