"""What units still do when only some of what they read is left: linear read-outs of the layer before, rectified.

A read-out sums the maps of the layer before under some weights, and is then rectified at the threshold at which it
responds to as large a share of the stimuli as the unit itself does. So its scale does not count, nothing else is
fitted, and parts that explain little are not merely silent.

Weights come from `circuitkit.wiring.expanded`, which make the net between the two layers linear; the read-out with all
of them says what that alone costs.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import circuitkit as ck
from circuitkit import tuning
from circuitkit.evidence import published
from circuitkit.evidence.posing import lobe_angle
from circuitkit.stimuli import Curve, LabelledSet, grid, log, turn
from experiments.relative_pose.pairs import Members, Pair

METRICS = ("peak off by", "FWHM", "echo", "correlation, drawn curves", "correlation, photographs")
"""Degrees, degrees, share of the peak, and correlations with the unit itself."""

BORDER = 4
"""Places next to the border of a map that are left out, since a unit sees padding there."""


@dataclasses.dataclass(frozen=True, eq=False)
class Parts:
    """The weights of a pair, taken apart.

    Attributes:
        whole: (unit, source, y, x), all.
        part: What depends on relative pose alone.
        rest: What does not.
        others: The part again, each unit's from a fit to the other units.
        exchanged: (draw, ...), the part that is found when the angles are exchanged among the sources.
    """

    whole: np.ndarray
    part: np.ndarray
    rest: np.ndarray
    others: np.ndarray
    exchanged: np.ndarray

    @classmethod
    def of(cls, pair: Pair, *, draws: int, seed: int) -> "Parts":
        """Takes the weights of a pair apart."""
        rng = np.random.default_rng(seed)
        whole, fit = pair.weights.values.astype(float), pair.fit(exchanges=0)
        obeys = fit.part.values
        orders = [rng.permutation(pair.source_angles) for _ in range(draws)]
        exchanged = [pair.fit(source_angles=angles, exchanges=0).part.values for angles in orders]
        return cls(whole, obeys, whole - obeys, fit.from_others.values, np.stack(exchanged))

    def units(self, places: np.ndarray) -> "Parts":
        """Returns the parts of some units alone."""
        return Parts(
            self.whole[places], self.part[places], self.rest[places], self.others[places], self.exchanged[:, places]
        )


def metrics(curve: np.ndarray, wanted: np.ndarray, angles: np.ndarray) -> dict[str, np.ndarray]:
    """Returns how far radial curves (angle, unit) are from those of the units themselves; NaN for a silent one."""
    drawn = xr.DataArray(curve, dims=("angle", "unit"), coords={"angle": angles})
    silent = curve.max(0) <= 0
    off = np.abs((lobe_angle(curve, angles, 360.0) - lobe_angle(wanted, angles, 360.0) + 180) % 360 - 180)
    return {
        "peak off by": np.where(silent, np.nan, off),
        "FWHM": np.where(silent, np.nan, tuning.fwhm(drawn).values),
        "echo": np.where(silent, np.nan, tuning.echo(drawn).values),
        "correlation, drawn curves": correlation(curve, wanted),
    }


def correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Returns the correlation of each column with its counterpart; NaN where one of them is constant."""
    one, other = one - one.mean(0), other - other.mean(0)
    norms = np.sqrt((one**2).sum(0) * (other**2).sum(0))
    return np.where(norms > 0, (one * other).sum(0) / np.where(norms > 0, norms, 1), np.nan)


def of_published(pair: Pair, data: published.Folder | None, *, draws: int, seed: int) -> dict[str, xr.Dataset]:
    """Returns read-outs of InceptionV1's 3a radial curves, by name: `METRICS` over draw and unit, and radial curves.

    A radial curve is of one place, so tiles are summed over places first, and the threshold is 0. Compared with the
    unit's own published curve. Only units are read out all of whose weights are known.
    """
    places = np.flatnonzero(np.isfinite(pair.weights.values).all((1, 2, 3)))
    units = list(pair.weights.unit.values[places])
    sources = published.radial_curves("mixed3a", data).sel(unit=list(pair.weights.source.values))
    wanted = published.radial_curves("mixed3b", data).sel(unit=units)
    fed = published.edited_curves("early_curves_only", data).sel(unit=units)
    parts = Parts.of(pair, draws=draws, seed=seed).units(places)
    rng = np.random.default_rng(seed)
    moved = np.stack([_tiles_exchanged(parts.part, rng) for _ in range(draws)])
    angles = wanted.angle.values
    found = {}
    for name, weights in (
        ("all weights", parts.whole[None]),
        ("the part that obeys", parts.part[None]),
        ("the same, from the other units", parts.others[None]),
        ("the rest", parts.rest[None]),
        ("the part, its tiles exchanged", moved),
        ("angles exchanged", parts.exchanged),
    ):
        curves = np.maximum(np.einsum("dus,as->dau", weights.sum((3, 4)), sources.values), 0)
        found[name] = _dataset([metrics(curve, wanted.values, angles) for curve in curves], curves, angles)
    for name, curve in (("net fed by early curves alone (Distill)", fed), ("the unit itself", wanted)):
        found[name] = _dataset([metrics(curve.values, wanted.values, angles)], curve.values[None], angles)
    return found


def _tiles_exchanged(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns weights in which the tiles of each unit have changed places: of the same norm."""
    return np.stack([unit[rng.permutation(len(unit))] for unit in weights])


@dataclasses.dataclass(frozen=True, eq=False)
class Shown:
    """What a layer and the units that read it do on some stimuli.

    Attributes:
        below: (stimulus, row, column, unit of the layer before), with a margin of one reach around what is read.
        units: (stimulus, row, column, unit), rectified.
    """

    below: np.ndarray
    units: np.ndarray


def drawn(
    net: ck.Net, below: str, above: ck.Probe, reach: int, *, angles: int, radii: int
) -> tuple[Shown, xr.DataArray]:
    """Returns what both layers do on drawn curves, and the units' responses over angle, radius and polarity."""
    stimuli = grid(Curve(), angle=turn(angles), radius=log(8, 64, radii), polarity=(1, -1))
    maps = ck.tune(net[below], stimuli, read_out="map", window=2 * reach + 1).values
    units = ck.tune(above, stimuli).clip(min=0)
    shown = Shown(maps.reshape(-1, *maps.shape[-3:]), units.values.reshape(-1, 1, 1, units.sizes["unit"]))
    return shown, units


def photographed(net: ck.Net, below: str, above: ck.Probe, reach: int, images: LabelledSet) -> Shown:
    """Returns what both layers do on photographs, away from the border; both have the same stride and centres."""
    size = net.image_size[0] if net.image_size else None
    maps = ck.tune(net[below], images, read_out="map", size=size)
    units = ck.tune(above, images, read_out="map", size=size).clip(min=0)
    inner, wide = slice(BORDER, -BORDER), slice(BORDER - reach, reach - BORDER)
    return Shown(maps.values[:, wide, wide], units.values[:, inner, inner])


@jax.jit
def _convolved(maps: jax.Array, kernel: jax.Array) -> jax.Array:
    return jax.lax.conv_general_dilated(
        maps, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
    )


def read(below: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the maps (stimulus, row, column, unit) of weights (unit, source, y, x) on maps of their sources."""
    used = np.flatnonzero(np.abs(weights).sum((0, 2, 3)))  # a family is a few units of hundreds
    kernel = jnp.asarray(np.transpose(weights[:, used], (2, 3, 1, 0)), jnp.float32)
    return np.asarray(_convolved(jnp.asarray(below[..., used], jnp.float32), kernel))


def as_often(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Returns values (..., unit) rectified at the threshold that as many exceed as responses of the unit exceed 0."""
    flat, active = values.reshape(-1, values.shape[-1]), (wanted.reshape(-1, wanted.shape[-1]) > 0).mean(0)
    threshold = np.array([np.quantile(flat[:, unit], 1 - share) for unit, share in enumerate(active)])
    return np.maximum(values - threshold, 0)


def of_net(
    families: Mapping[str, tuple[Pair, Members]],
    all_weights: xr.DataArray,
    on_curves: tuple[Shown, xr.DataArray],
    on_photographs: Shown | None,
    *,
    draws: int,
    seed: int,
) -> dict[str, xr.Dataset]:
    """Returns read-outs of a trained layer, by name: `METRICS` over draw and unit, and radial curves.

    Args:
        families: What the units read, by name, with the angles.
        all_weights: (unit, source, y, x) from all units of the layer before.
        on_curves: Of `drawn`.
        on_photographs: Of `photographed`.
        draws: Exchanges of angles, and choices of other units.
        seed: Of both.
    """
    rng = np.random.default_rng(seed)
    whole = all_weights.values.astype(float)
    variants: dict[str, list[np.ndarray]] = {"all units of the layer": [whole]}
    chosen = {name: Parts.of(pair, draws=draws, seed=seed) for name, (pair, _) in families.items()}

    def within(parts: Mapping[str, np.ndarray]) -> np.ndarray:
        weights = np.zeros_like(whole)
        for name, values in parts.items():
            weights[:, families[name][1].channels] = values
        return weights

    groups = [(name,) for name in families] + ([tuple(families)] if len(families) > 1 else [])
    for group in groups:
        title = " and ".join(group)
        variants |= {
            f"{title}": [within({name: chosen[name].whole for name in group})],
            f"{title}: the part that obeys": [within({name: chosen[name].part for name in group})],
            f"{title}: the same, from the other units": [within({name: chosen[name].others for name in group})],
            f"{title}: the rest": [within({name: chosen[name].rest for name in group})],
            f"{title}: angles exchanged": [
                within({name: chosen[name].exchanged[draw] for name in group}) for draw in range(draws)
            ],
        }
    members = sorted({channel for _, each in families.values() for channel in each.channels})
    outside = np.setdiff1d(np.arange(whole.shape[1]), members)
    some = [rng.choice(outside, len(members), replace=False) for _ in range(draws)]
    variants[f"{len(members)} other units"] = [_only(whole, channels) for channels in some]
    variants["all but these families"] = [_only(whole, outside)]
    shown, units = on_curves
    angles, wanted = units.angle.values, tuning.radial(units).values
    found = {}
    for name, weights in variants.items():
        rows, curves = [], []
        for each in weights:
            responses = as_often(read(shown.below, each), shown.units)
            radial = tuning.radial(units.copy(data=responses.reshape(units.shape))).values
            row = metrics(radial, wanted, angles)
            # Not of radial curves alone: of the responses to every curve.
            row["correlation, drawn curves"] = correlation(_flat(responses), _flat(shown.units))
            if on_photographs is not None:
                maps = as_often(read(on_photographs.below, each), on_photographs.units)
                row["correlation, photographs"] = correlation(_flat(maps), _flat(on_photographs.units))
            rows.append(row)
            curves.append(radial)
        found[name] = _dataset(rows, np.stack(curves), angles)
    found["the unit itself"] = _dataset([metrics(wanted, wanted, angles)], wanted[None], angles)
    return found


def _only(weights: np.ndarray, channels: np.ndarray) -> np.ndarray:
    kept = np.zeros_like(weights)
    kept[:, channels] = weights[:, channels]
    return kept


def _flat(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1, values.shape[-1]).astype(float)


def _dataset(rows: list[dict[str, np.ndarray]], curves: np.ndarray, angles: np.ndarray) -> xr.Dataset:
    values = {name: (("draw", "unit"), np.stack([row[name] for row in rows])) for name in rows[0]}
    return xr.Dataset({**values, "curve": (("draw", "angle", "unit"), curves)}, coords={"angle": angles})
