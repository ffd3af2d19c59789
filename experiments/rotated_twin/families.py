"""How regular the families of a net are: how evenly their angles stand, how alike members are, what pose foretells.

    found = census_of(net, references)
    of_families(found, references)        # a row for each family of at least `FEWEST` units
    copies(found.signatures["conv3"])     # likeness of each unit to its nearest turned copy
    foretold(found)                       # weights of units left out, by relative pose

Source: Rao, "Some tests based on arc-lengths for the circle", Sankhya B (1976), for spacings. Signatures, the census
and the fit of relative pose are circuitkit's.
"""

import functools
import itertools
import types
from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

import circuitkit as ck
from circuitkit import wiring
from circuitkit.errors import StimulusError
from circuitkit.relative_pose import relative_pose
from circuitkit.signature import ANGLES, match
from circuitkit.universality import Census, references_of
from handbuilt import corners, curves, high_low, lines

REFERENCES: dict[str, tuple[types.ModuleType, str, float]] = {
    "edge": (lines, "edges", 360.0),
    "line": (lines, "lines", 180.0),
    "early curve": (curves, "early_curves", 360.0),
    "curve": (curves, "curves", 360.0),
    "corner": (corners, "corners", 360.0),
    "high-low": (high_low, "high_low", 360.0),
}
"""Circuit and family that each feature is named after, and the turn that brings a unit back, in degrees."""

FEWEST = 4
"""Units that make a family."""

FEWEST_READ = 6
"""Units of each of two families, one of which reads the other, for a fit of relative pose to say anything."""

LEAST_TURN = 30.0
"""Degrees by which a unit has to be turned to be a copy, and no double."""


@functools.cache
def references(features: tuple[str, ...]) -> xr.DataArray:
    """Returns the signatures of one handbuilt unit for each feature."""
    modules = dict.fromkeys(REFERENCES[each][0] for each in features)
    built = {module: ck.HandbuiltNet(ck.build(module.SPEC)) for module in modules}
    return references_of({each: built[REFERENCES[each][0]][REFERENCES[each][1], [0]] for each in features})


def spacing(angles: Float[np.ndarray, " unit"], *, period: float, draws: int, seed: int) -> float:
    """Returns the share of random angles that stand less evenly: 0.5 by chance, 1 for what is as even as can be.

    Evenness is Rao's: half the sum of what spacings differ from equal ones. Random angles are drawn from those that the
    battery has, as found ones are; ties count half.

    Raises:
        StimulusError: If there are fewer than two angles.
    """
    if len(angles) < 2:
        raise StimulusError(f"spacing got {len(angles)} angles: wanted two at least.")
    steps = round(ANGLES * period / 360)
    rng = np.random.default_rng(seed)
    by_chance = _rao(rng.integers(0, steps, (draws, len(angles))) * (360 / ANGLES), period)
    own = _rao(np.asarray(angles, float)[None] % period, period)
    return float((by_chance > own + 1e-9).mean() + (np.abs(by_chance - own) <= 1e-9).mean() / 2)


def _rao(angles: Float[np.ndarray, "draw unit"], period: float) -> Float[np.ndarray, " draw"]:
    ordered = np.sort(angles % period, axis=1)
    gaps = np.diff(ordered, axis=1, append=ordered[:, :1] + period)
    return np.abs(gaps - period / angles.shape[1]).sum(1) / 2


def of_families(found: Census, elements: xr.DataArray, *, draws: int, seed: int) -> pd.DataFrame:
    """Returns a row for each feature of which the net has a family, in the layer that has most of its units.

    Args:
        found: The census of a net.
        elements: The references that it was taken with.
        draws: Of random angles; of other units there are a tenth as many.
        seed: Of the draws.

    Returns:
        By feature: `layer`, `units`; `spacing`; `alike`, the mean likeness of members to the mean of the other members,
        all turned to one angle; `amplitude`, the standard deviation of the members' root mean square responses over
        their mean; and both `by chance`, of as many units of the layer drawn at random.
    """
    rows = []
    for place, feature in enumerate(elements.unit.values):
        members = found.family(feature)
        if len(members) < FEWEST:
            continue
        layer = str(members.layer.iloc[0])
        units = found.signatures[layer]
        responding = np.flatnonzero(units.values.any((1, 2)))
        turns = match(units, elements.sel(unit=[feature])).turn.values[:, 0]
        names = list(units.unit.values)
        mine = np.array([names.index(each) for each in members.unit])
        rng = np.random.default_rng([seed, place])
        others = [rng.choice(responding, len(mine), replace=False) for _ in range(max(draws // 10, 1))]
        period = REFERENCES[feature][2]
        rows.append(
            {
                "feature": feature,
                "layer": layer,
                "units": len(mine),
                "spacing": spacing(members.angle.to_numpy(float), period=period, draws=draws, seed=seed),
                "alike": alike(units, mine, turns),
                "alike, by chance": float(np.mean([alike(units, each, turns) for each in others])),
                "amplitude": amplitude(units, mine),
                "amplitude, by chance": float(np.mean([amplitude(units, each) for each in others])),
            }
        )
    names = ["layer", "units", "spacing", "alike", "alike, by chance", "amplitude", "amplitude, by chance"]
    return pd.DataFrame(rows, columns=["feature", *names]).set_index("feature")


def alike(units: xr.DataArray, members: np.ndarray, turns: np.ndarray) -> float:
    """Returns the mean likeness of each member's signature to the mean of the others', all turned to one angle."""
    steps = np.rint(turns[members] * ANGLES / 360).astype(int)
    values = np.stack([np.roll(units.values[each], -step, -1) for each, step in zip(members, steps, strict=True)])
    values = values / np.maximum(np.sqrt((values**2).mean((1, 2), keepdims=True)), 1e-30)
    mine = units.isel(unit=members).copy(data=values)
    others = mine.copy(data=(values.sum(0) - values) / (len(values) - 1))
    return float(np.diag(match(mine, others).likeness.values).mean())


def amplitude(units: xr.DataArray, members: np.ndarray) -> float:
    """Returns the spread of members' root mean square responses, over their mean."""
    size = np.sqrt((units.values[members].astype(float) ** 2).mean((1, 2)))
    return float(size.std(ddof=1) / size.mean())


def copies(units: xr.DataArray) -> Float[np.ndarray, " unit"]:
    """Returns the likeness of each unit to the unit of its layer that is most like it when turned; NaN if it is silent.

    Only units count that fit best when turned by at least `LEAST_TURN`, either way.
    """
    found = match(units, units)
    turn = found.turn.values % 360
    turned = np.minimum(turn, 360 - turn) >= LEAST_TURN
    np.fill_diagonal(turned, val=False)
    best = np.where(turned, found.likeness.values, 0.0).max(1)
    return np.where(units.values.any((1, 2)), best, np.nan)


def foretold(found: Census, *, exchanges: int, seed: int, fewest: int = FEWEST_READ) -> dict[str, float]:
    """Returns what relative pose says of the weights of units left out, over all pairs of neighbouring families.

    Args:
        found: The census of a net.
        exchanges: Of angles among the sources.
        seed: Of the exchanges.
        fewest: Units that either family has to have.

    Returns:
        `foretold`, the share of the squared weights; the same `by chance`, the mean over angles exchanged among the
        sources; and `pairs`, how many there are. NaN if there are none.
    """
    explained, by_chance, total, count = 0.0, np.zeros(exchanges), 0.0, 0
    rng = np.random.default_rng(seed)
    for weights, angles, periods in _pairs(found, fewest):
        squares = float((weights.values.astype(float) ** 2).sum())
        if not squares:
            continue

        def left_out(
            sources: np.ndarray, weights: xr.DataArray = weights, units: np.ndarray = angles[0], both: tuple = periods
        ) -> float:
            options = {"unit_period": both[0], "source_period": both[1], "exchanges": 0}
            return relative_pose(weights, units, sources, **options).predicted

        explained += squares * left_out(angles[1])
        by_chance += squares * np.array([left_out(rng.permutation(angles[1])) for _ in range(exchanges)])
        total, count = total + squares, count + 1
    return {
        "foretold": explained / total if count else np.nan,
        "foretold, by chance": float(by_chance.mean() / total) if count else np.nan,
        "pairs": float(count),
    }


def _pairs(
    found: Census, fewest: int
) -> Iterator[tuple[xr.DataArray, tuple[np.ndarray, np.ndarray], tuple[float, float]]]:
    """Yields weights, angles and periods of all families that read a family of the layer before."""
    layers = list(found.signatures)
    features = [each for each in found.table.feature.cat.categories if each in REFERENCES]
    for below, above in itertools.pairwise(layers):
        expanded = None
        for feature in features:
            units = found.family(feature, above)
            for source in features:
                sources = found.family(source, below)
                if min(len(units), len(sources)) < fewest:
                    continue
                if expanded is None:
                    expanded = wiring.expanded(found.net[above], below)
                weights = expanded.sel(unit=list(units.unit), source=list(sources.unit))
                angles = units.angle.to_numpy(float), sources.angle.to_numpy(float)
                yield weights, angles, (REFERENCES[feature][2], REFERENCES[source][2])
