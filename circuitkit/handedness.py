"""Handedness: units that a mirror exchanges, and later units that unite them, on figures that are drawn.

    found = hands(net, shuffles=2)
    found.pairs                     # pandas: layer, a, b, match, own, gain, law and their levels, found
    found.unions                    # layer, unit, a, b, strength, tiles, alike, found
    found.counts                    # rows "mirror pairs" and "unions", as those of a census

Figures that no turn brings onto their mirror image (heads, spirals, S, flags, noise) are shown at 24 angles, as they
are and mirrored left for right about the centre of what a unit sees. Of each unit,

* `match` with another is the correlation of the one's responses with the other's to the mirror images;
* `own` is that of its responses with its own to mirror images, at the turn that fits best. A curve mirrored is a curve
  turned, so of units that merely have an angle `own` is near 1. Of those that have a hand it is not.

A **mirror pair** is two units, each of which matches the other best, and better than any turn of its own mirror image
by `GAIN` and by what is chance; and the weights of one, mirrored, with sources exchanged as the mirror exchanges them,
correlate (`law`) with the other's by more than chance, and by `LAW`. So edges, lines and curves are none, whatever
their angle. A **union** is a unit of the layer made of a pair's: it reads both with positive weights, through tiles
that are mirror images of each other, more strongly than chance, and responds to both hands of figures alike.

Chance is what shuffled nets have: `gain` and `law` have to be above those of 99 of 100 units of the same layer, each
with its best match, and the strength of a union above what the later units of 99 of 100 such pairs make of them.
Responses prove little without weights: shuffled nets, too, have dozens of pairs in responses alone (see
experiments/mirror_pairs, where pairs were found with photographs; that test does not ask for a hand).

Source: Olah et al., "Zoom In: An Introduction to Circuits", Distill (2020), "Unioning over cases".
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float, Int

from circuitkit import checks, controls, wiring
from circuitkit.errors import NetError
from circuitkit.mirror_pairs import Readout, matches, partners
from circuitkit.mirrored_weights import mirror_law, strengths
from circuitkit.probe import Net
from circuitkit.signature import ANGLES, signatures
from circuitkit.stimuli import Bar, Grid, Head, NoiseTexture, SCurve, Spiral, Union, grid, turn, zipped

LEVEL = 0.99
"""Share of what shuffled nets have that has to be below what is found."""

LEAST = 0.4
"""What a match, and the likeness of a union's two tiles, have to be, whatever chance gives."""

GAIN = 0.1
"""By how much a match has to be better than the unit's own, whatever chance gives."""

LAW = 0.2
"""What the correlation of mirrored weights has to be, whatever chance gives: in small nets chance is nearly nothing."""

ALIKE = 0.8
"""What a union's match with itself has to be."""

SEED = 5_000_011
"""Of the shuffled nets that set levels, added to a seed."""

ROWS = ("mirror pairs", "unions")

_SIZES = (4.0, 8.0, 18.0, 18.0)
_POLARITIES = (1, -1, 1, -1)
_HEAD = {"snout": 20 / 18, "ear": 24 / 18, "eye": 3.8 / 18, "nose": 2.8 / 18, "neck": 19 / 18}
"""Parts of a head over its skull: as `handbuilt.heads` has them."""

_READOUT: Readout = "aligned"
"""What `mirror_pairs` calls a response that is read at one place of the scene in both views."""

Progress = Callable[[str, int, int], None]
"""Called with what is measured, the number of images done, and the number of all."""


@functools.cache
def battery() -> dict[str, Grid]:
    """Returns the figures, by kind; `angle` is the last axis of each grid."""
    angle = turn(ANGLES)

    def sized(**ratios: float) -> dict[str, list[float]]:
        """Numbers over the size of a figure."""
        return {name: [ratio * size for size in _SIZES] for name, ratio in ratios.items()} | {
            "polarity": list(_POLARITIES)
        }

    # A pole with a flag at one end, on one side.
    flag = Union(first=Bar(), second=Bar())
    flags = {"first.length": 2.0, "first.thickness": 0.3, "second.x": 0.7, "second.y": 0.5}
    flags |= {"second.length": 0.6, "second.thickness": 0.8}
    return {
        "head": grid(Head(), zipped(**sized(skull=1.0, **_HEAD)), angle=angle),
        "spiral": grid(Spiral(width=1.5, turns=1.5), zipped(**sized(inner=0.25, spacing=0.75)), angle=angle),
        "s": grid(SCurve(width=1.5), zipped(**sized(radius=1.0, length=4.0)), angle=angle),
        "flag": grid(flag, zipped(**sized(**flags)), angle=angle),
        "noise": grid(NoiseTexture(slope=0.5), scale=(1.5, 4), seed=(0, 1), angle=angle),
    }


@dataclasses.dataclass(frozen=True, eq=False)
class Hands:
    """What a mirror exchanges in a net.

    Attributes:
        net: The net's name.
        pairs: A row for every two units of which each is the other's best match: `layer`, `depth` (0 the first layer,
            1 the last), `a` and `b`, `match`, `own` (the larger of both), `gain`, `gain_level`, `law`, `law_level`
            (NaN where responses are not above chance, so that weights were not asked) and `found`.
        unions: A row for each pair that was found and the unit of the next layer that unites it best: `layer`, `depth`,
            `unit`, `a`, `b`, `strength`, `level`, `tiles` (likeness of the one's tile to the other's mirrored, at most
            1), `alike` (the unit's match with itself) and `found`.
        units: How many units were looked at, of all layers.
        skipped: Layers in which no pairs or no unions could be looked for, each with the reason.
    """

    net: str
    pairs: pd.DataFrame
    unions: pd.DataFrame
    units: int
    skipped: dict[str, str]

    @property
    def counts(self) -> pd.DataFrame:
        """Rows "mirror pairs" and "unions", with the columns of `Census.counts`.

        `units` counts units that are one of a pair, or unite one; `likeness` is the median match of pairs, and of
        unions that of their tiles.
        """
        pairs, unions = self.pairs[self.pairs.found], self.unions[self.unions.found].drop_duplicates(["layer", "unit"])
        said = []
        for feature, mine, number, like in (
            (ROWS[0], pairs, 2 * len(pairs), "match"),
            (ROWS[1], unions, len(unions), "tiles"),
        ):
            said.append(
                {
                    "feature": feature,
                    "units": number,
                    "of": self.units,
                    "by_chance": (1 - LEVEL) * self.units,
                    "layer": mine.layer.mode().iloc[0] if len(mine) else "",
                    "depth": mine.depth.mean() if len(mine) else np.nan,
                    "likeness": mine[like].median() if len(mine) else np.nan,
                }
            )
        return pd.DataFrame(said).set_index("feature")


class _Layer(NamedTuple):
    """What a layer's responses say.

    Attributes:
        match: Of each unit with each other.
        best: The unit that matches each one best, itself left out.
        own: Of each unit with itself, at any turn; the larger of its own and its best match's.
        partner: The permutation of units that the mirror makes of them.
    """

    match: Float[np.ndarray, "unit unit"]
    best: Int[np.ndarray, " unit"]
    own: Float[np.ndarray, " unit"]
    partner: Int[np.ndarray, " unit"]

    @classmethod
    def of(cls, seen: xr.DataArray) -> "_Layer":
        """Reads responses (view, unit, figure, angle)."""
        flat = seen.stack(image=("figure", "angle"), create_index=False).transpose("view", "image", "unit")
        flat = flat.expand_dims(readout=[_READOUT])
        match, _ = matches(flat, _READOUT)
        best = (match - 4 * np.eye(len(match))).argmax(1)
        alone = _at_any_turn(seen.transpose("view", "unit", "figure", "angle").values.astype(float))
        return cls(match, best, np.maximum(alone, alone[best]), partners(flat, _READOUT))

    @property
    def gain(self) -> Float[np.ndarray, " unit"]:
        """By how much each unit's best match is better than its own, and than that one's."""
        return np.take_along_axis(self.match, self.best[:, None], axis=1)[:, 0] - self.own

    @property
    def mutual(self) -> list[tuple[int, int]]:
        """Units each of which matches the other best."""
        return [(a, b) for a, b in enumerate(self.best.tolist()) if a < b and self.best[b] == a]


def _at_any_turn(seen: Float[np.ndarray, "view unit figure angle"]) -> Float[np.ndarray, " unit"]:
    """Returns the correlation of units' responses to images with those to mirror images, at the turn that fits best."""
    image, mirror = seen - seen.mean((0, 2, 3), keepdims=True)
    # By Fourier transform: all turns at once. Of a turn and a mirror, the mirror is the inverse of the same kind.
    across = np.fft.rfft(image, axis=2) * np.conj(np.fft.rfft(mirror, axis=2))
    turned = 2 * np.fft.irfft(across, n=seen.shape[3], axis=2).sum(1).max(1)
    spread = (image**2 + mirror**2).sum((1, 2))
    return np.divide(turned, spread, out=np.zeros_like(turned), where=spread > 0)


def hands(
    net: Net,
    *,
    layers: Sequence[str] | None = None,
    shuffles: int = 2,
    seed: int = 0,
    store: Path | None = None,
    progress: Progress | None = None,
) -> Hands:
    """Looks for mirror pairs in each layer of a net, and for unions in the layers made of these.

    Args:
        net: Any net whose weights can be reached.
        layers: Which ones; left out, all that see part of the image and are not just seen again further on.
        shuffles: How many shuffled nets set the level of chance.
        seed: Of the shuffles.
        store: A folder in which responses are kept, so that it goes on where it was interrupted.
        progress: Called after each chunk of images.

    Raises:
        UnknownNameError: If the net has no such layer.
        ImageError: If what units see cannot be mirrored.
        NetError: If the net's weights cannot be reached.
    """
    checks.whole("hands", "shuffles", shuffles)
    known = [layer for layer in net.distinct_layers if net.receptive_field(layer) is not None]
    wanted = [layer for layer in (known if layers is None else layers) if len(net[layer].unit_names) > 1]
    nets = [net, *(controls.shuffled(net, SEED + seed + draw) for draw in range(shuffles))]
    seen: list[dict[str, _Layer]] = []
    for each in nets:
        told = None if progress is None else functools.partial(progress, f"{each.name}, mirrored")
        held = signatures([each[layer] for layer in wanted], battery(), mirrored=True, store=store, progress=told)
        seen.append({layer: _Layer.of(values) for layer, values in zip(wanted, held, strict=True)})

    found: list[pd.DataFrame] = []
    united: list[pd.DataFrame] = []
    skipped = {}
    for layer in wanted:
        place = {"layer": layer, "depth": known.index(layer) / max(len(known) - 1, 1) if layer in known else np.nan}
        weights = _Weights(nets, layer, seen)
        try:
            earlier = [each[each.found] for each in found if each.found.any()]
            found.append(_pairs(layer, seen, weights).assign(**place))
            if earlier:
                united.append(_unions(layer, seen, weights, pd.concat(earlier)).assign(**place))
        except NetError as error:
            skipped[layer] = str(error)
    pairs, unions = _joined(found, _PAIRS), _joined(united, _UNIONS)
    _name(pairs, net, {"a": "layer", "b": "layer"})
    _name(unions, net, {"a": "source", "b": "source", "unit": "layer"})
    units = sum(len(net.unit_names(layer)) for layer in wanted)
    return Hands(net.name, pairs, unions, units, skipped)


_PAIRS = ("layer", "depth", "a", "b", "match", "own", "gain", "gain_level", "law", "law_level", "found")
_UNIONS = ("layer", "depth", "unit", "source", "a", "b", "strength", "level", "tiles", "alike", "found")


def _joined(tables: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """Returns tables as one; those without a row say nothing of types."""
    held = [each for each in tables if len(each)]
    empty = pd.DataFrame(columns=list(columns)).astype({"found": bool, "depth": float})
    return pd.concat(held, ignore_index=True)[list(columns)] if held else empty


class _Weights:
    """What a layer reads in a net and in shuffled ones, computed when it is asked for."""

    def __init__(self, nets: Sequence[Net], layer: str, seen: Sequence[Mapping[str, _Layer]]) -> None:
        self._nets, self._layer, self._known = nets, layer, seen[0]

    @functools.cached_property
    def source(self) -> str:
        """The layer that it is made of."""
        net = self._nets[0]
        source = wiring.before(net[self._layer])
        if source is None or source not in self._known:
            raise NetError(
                f"layer {self._layer!r} of net {net.name!r} is made of {source or 'the image'}, and not of a layer "
                "whose mirror partners are known."
            )
        return source

    @functools.cached_property
    def of_all(self) -> list[xr.DataArray]:
        """Weights (unit, source, y, x), the net's own first."""
        return [wiring.expanded(net[self._layer], self.source) for net in self._nets]


def _pairs(layer: str, seen: Sequence[Mapping[str, _Layer]], weights: _Weights) -> pd.DataFrame:
    """Returns the units of a layer of which each is the other's best match."""
    mine, chance = seen[0][layer], [each[layer] for each in seen[1:]]
    both = np.array(mine.mutual, int).reshape(-1, 2)
    a, b = both.T
    table = pd.DataFrame({"a": a, "b": b, "match": mine.match[a, b], "own": mine.own[a], "gain": mine.gain[a]})
    table["gain_level"] = _level(np.concatenate([each.gain for each in chance]))
    likely = (table.match > LEAST) & (table.gain > GAIN) & (table.gain > table.gain_level)
    table["law"] = table["law_level"] = np.nan
    if likely.any():
        laws = [
            mirror_law(read, list(enumerate(each[layer].best.tolist())), each[weights.source].partner).mirrored
            for read, each in zip(weights.of_all, seen, strict=True)
        ]
        table["law"] = np.where(likely, laws[0].to_numpy()[a], np.nan)
        table["law_level"] = _level(np.concatenate(laws[1:]))
    return table.assign(found=table.law > np.maximum(table.law_level, LAW))


def _unions(layer: str, seen: Sequence[Mapping[str, _Layer]], weights: _Weights, found: pd.DataFrame) -> pd.DataFrame:
    """Returns units of a layer that unite pairs of the layer it is made of: all above chance, or else the best."""
    pairs = found[found.layer == weights.source]
    if pairs.empty:
        return pairs
    values = [read.transpose("unit", "source", "y", "x").values.astype(float) for read in weights.of_all]
    # In a net of chance: what later units make of pairs in responses, which are all that it has.
    chance = [
        strengths(read)(a, b).max()
        for read, each in zip(values[1:], seen[1:], strict=True)
        for a, b in each[weights.source].mutual
        if each[weights.source].match[a, b] > LEAST
    ]
    level, mine = max(_level(np.array(chance)), 0.0), values[0]
    rows = []
    for a, b in zip(pairs.a, pairs.b, strict=True):
        strength = strengths(mine)(a, b)
        above = np.flatnonzero(strength > level)
        for unit in above.tolist() or [int(strength.argmax())]:
            one, other = mine[unit, a], mine[unit, b, :, ::-1]
            tiles = 2 * (one * other).sum() / max((one**2).sum() + (other**2).sum(), 1e-30)
            alike = seen[0][layer].match[unit, unit]
            held = bool(strength[unit] > level and tiles > LEAST and alike > ALIKE)
            rows.append((unit, weights.source, a, b, strength[unit], level, tiles, alike, held))
    return pd.DataFrame(rows, columns=list(_UNIONS[2:]))


def _level(of_chance: np.ndarray) -> float:
    """Returns what a number of a net of chance reaches once in a hundred times; 0 if there are none."""
    return float(np.quantile(of_chance, LEVEL)) if len(of_chance) else 0.0


def _name(table: pd.DataFrame, net: Net, places: Mapping[str, str]) -> None:
    """Puts the names of units in the place of their indices; each column's layers stand in another one."""
    for column, layers in places.items():
        table[column] = [
            net.unit_names(layer)[place] for layer, place in zip(table[layers], table[column], strict=True)
        ]
