"""Pairs of families: the weights from one to the other, and the angles of both, which no weight has a say in.

    pair = published_curves(data)["InceptionV1, 3a curves to 3b curves, as drawn"]
    pair.fit().share

Angles are those that drawn stimuli were preferred at. There is one exception, the lines of InceptionV1's conv2d2: no
responses of theirs are published, only their order, and `published_lines` says what is made of that.
"""

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

import circuitkit as ck
from circuitkit import hypothesis, tuning, wiring
from circuitkit.controls import shuffled
from circuitkit.evidence import published
from circuitkit.evidence.posing import POSING_LOOKS, POSING_SEED, poses, respond
from circuitkit.find import find
from circuitkit.relative_pose import EXCHANGES, RelativePose, relative_pose
from handbuilt import curves

CELL = 8.0
"""Pixels between units of InceptionV1's mixed3a and mixed3b; between those of conv2d2 there are half as many."""


@dataclasses.dataclass(frozen=True, eq=False)
class Pair:
    """Two families, and what one reads of the other.

    Attributes:
        weights: (unit, source, y, x), places in pixels; NaN where they are not known.
        unit_angles: In degrees.
        source_angles: In degrees.
        unit_period: The turn that brings a unit back.
        source_period: Likewise of a source.
        kind: `trained`, `handwritten`, `twin` (handwritten, one unit wrong) or `shuffled`.
    """

    weights: xr.DataArray
    unit_angles: np.ndarray
    source_angles: np.ndarray
    unit_period: float = 360.0
    source_period: float = 360.0
    kind: str = "trained"

    @property
    def periods(self) -> dict[str, float]:
        """As `relative_pose` takes them."""
        return {"unit_period": self.unit_period, "source_period": self.source_period}

    @property
    def known(self) -> np.ndarray:
        """(unit, source): which tiles are known."""
        return np.isfinite(self.weights.values).all((2, 3))

    def fit(
        self, *, source_angles: np.ndarray | None = None, exchanges: int = EXCHANGES, seed: int = 0
    ) -> RelativePose:
        """Returns what relative pose explains of the weights that are known; with sources at other angles, perhaps."""
        angles = self.source_angles if source_angles is None else source_angles
        known = {"known": self.known, "exchanges": exchanges, "seed": seed}
        return relative_pose(self.weights, self.unit_angles, angles, **self.periods, **known)

    def some(self, units: list[int], sources: list[int]) -> "Pair":
        """Returns the pair of these members, by their places."""
        weights = self.weights.isel(unit=units, source=sources)
        return dataclasses.replace(
            self, weights=weights, unit_angles=self.unit_angles[units], source_angles=self.source_angles[sources]
        )

    def turned_round(self) -> "Pair":
        """Returns the broken twin: the first unit has the weights of the one that stands furthest turned from it."""
        wrong = self.weights.copy()
        away = np.abs((self.unit_angles - self.unit_angles[0] + 180) % 360 - 180)
        wrong[0] = self.weights.values[int(away.argmax())]
        return dataclasses.replace(self, weights=wrong, kind="twin")


def published_curves(data: published.Folder | None = None) -> dict[str, Pair]:
    """Returns InceptionV1's early curves of mixed3a to its curves of mixed3b, as read off a published figure.

    The figure shows one picture twice in six of the 64 places. In the first pair these are NaN; the second is the
    figure as it was drawn, for comparison.
    """
    file = np.load(published.folder(data) / "early_curves_3a_to_3b.npz", allow_pickle=False)
    units = [f"mixed3b:{unit}" for unit in file["down_mixed3b_units"]]
    sources = [f"mixed3a:{unit}" for unit in file["up_mixed3a_units"]]
    drawn = Pair(_tiles(file["w_fig5"].astype(float), units, sources, CELL), _peaks(units, data), _peaks(sources, data))
    trusted = drawn.weights.copy(
        data=np.where(file["suspect_duplicate"][..., None, None], np.nan, drawn.weights.values)
    )
    return {
        "InceptionV1, 3a curves to 3b curves": dataclasses.replace(drawn, weights=trusted),
        "InceptionV1, 3a curves to 3b curves, as drawn": drawn,
    }


def published_lines(data: published.Folder | None = None) -> dict[str, Pair]:
    """Returns InceptionV1's lines of conv2d2 to its curves of mixed3b.

    No line of conv2d2 has a published angle. What is published is the order of all 33 by orientation, clockwise as all
    of Distill's angles run, and here they stand evenly over half a turn in this order; where the first one stands makes
    no difference to the fit. `mirrored` runs counter-clockwise, and is there to be wrong.
    """
    file = np.load(published.folder(data) / "conv2d2_lines_to_3b_curves.npz", allow_pickle=False)
    units = [f"mixed3b:{unit}" for unit in file["down_mixed3b_units"]]
    sources = [f"conv2d2:{unit}" for unit in file["up_conv2d2_units"]]
    weights = _tiles(file["w"].astype(float), units, sources, CELL / 2)
    listed = json.loads((published.folder(data) / "families.json").read_text(encoding="utf-8"))["conv2d2"]
    (family,) = (group["units"] for group in listed if group["name"] == "Line")
    order = np.array([family.index(int(unit)) for unit in file["up_conv2d2_units"]])
    angles = -order * 180 / len(order) % 180
    return {
        "InceptionV1, lines to 3b curves": Pair(weights, _peaks(units, data), angles, source_period=180),
        "InceptionV1, the same lines, mirrored": Pair(weights, _peaks(units, data), -angles % 180, source_period=180),
    }


def handwritten(like: Pair, data: published.Folder | None = None) -> dict[str, Pair]:
    """Returns the curves of Distill's handwritten last layer, those nearest to the angles of a trained pair."""
    layer = published.last_layer(data).rename(row="y", column="x")
    block = layer.sel(source=layer.source_family == "curve", unit=layer.unit_family == "curve")
    step = (np.arange(5) - 2) * CELL
    weights = block.assign_coords(y=-step, x=step).transpose("unit", "source", "y", "x")
    angles = block.unit_angle.values.astype(float)
    return {"Distill's handwritten curves": _nearest(weights, angles, angles, like)}


def handbuilt_net(radius: float) -> ck.Net:
    """Returns the handbuilt curves of a radius in pixels."""
    return ck.HandbuiltNet(ck.build(curves.circuit(radius)))


def ours(like: Pair | None, radius: float) -> dict[str, Pair]:
    """Returns the handbuilt curves, those nearest to the angles of a trained pair, or every third of each family."""
    net = handbuilt_net(radius)
    sources = np.array([float(name.partition("@")[2]) for name in net.unit_names("early_curves")])
    units = np.array([float(name.partition("@")[2]) for name in net.unit_names("curves")])
    weights = wiring.expanded(net["curves"], "early_curves")
    every = list(range(0, 24, 3))
    whole = Pair(weights, units, sources, kind="handwritten")
    pair = whole.some(every, every) if like is None else _nearest(weights, units, sources, like)
    return {"handbuilt curves": pair, "handbuilt curves, one unit turned round": pair.turned_round()}


SQUEEZENET = (
    (("fire2", "edges"), ("fire3", "edges")),
    (("fire3", "edges"), ("fire4", "lines")),
    (("fire3", "edges"), ("fire4", "curves")),
    (("fire4", "lines"), ("fire5", "curves")),
    (("fire4", "curves"), ("fire5", "curves")),
)
"""Families of neighbouring layers of SqueezeNet 1.1, by layer and kind: what is read, and what reads."""

RESNET_FAMILY = ("stage3_unit1_act1", "curves")
"""The end of ResNet-50 v2's stage 2: what its units left in the residual stream, after the next batch norm."""

RESNET = (
    ("lines", 1, "stage2_unit1"),
    ("lines", 2, "stage2_unit2_c3"),
    ("lines", 3, "stage2_unit3_c3"),
    ("lines", 4, "stage2_unit4_c3"),
    ("curves", 2, "stage2_unit2_c3"),
    ("curves", 3, "stage2_unit3_c3"),
    ("curves", 4, "stage2_unit4_c3"),
)
"""What is sought in the first activation of a residual unit of stage 2, which unit, and what it adds to the stream; the
first one, in which nothing is passed on as it is, makes all of it."""

LEAST = 4
"""Members that a family has to have to be fitted at all."""


@dataclasses.dataclass(frozen=True, eq=False)
class Members:
    """Units of a layer that were found to be of one kind, by angle.

    Attributes:
        layer: Name of the layer.
        kind: By name in `hypothesis.HYPOTHESES`.
        channels: The units.
        angles: In degrees, measured on drawn shapes.
        period: Of the shape.
    """

    layer: str
    kind: str
    channels: list[int]
    angles: np.ndarray
    period: float


class Families:
    """What `find` finds in a net; each layer is searched once."""

    def __init__(self, net: ck.Net, *, seed: int = 0, store: str | os.PathLike[str] | None = None) -> None:
        """Searches nothing yet. A store keeps what was found from one run to the next."""
        self.net, self._seed, self._store = net, seed, None if store is None else Path(store)
        self._found: dict[tuple[str, str], Members] = {}

    def __getitem__(self, key: tuple[str, str]) -> Members:
        """Returns the units of a layer of which synthetic examples say that they are of a kind."""
        if key not in self._found:
            layer, kind = key
            said = hypothesis.HYPOTHESES[kind]()
            store = None if self._store is None else self._store / self.net.name / kind
            found = find(self.net, said, layers=[layer], seed=self._seed, store=store).families(least=0)[layer]
            channels = [int(str(unit).rpartition(":")[2]) for unit in found.unit.values]
            self._found[key] = Members(layer, kind, channels, found.angle.values, float(said.period or 360))
        return self._found[key]


def squeezenet(families: Families) -> dict[str, Pair]:
    """Returns the families of neighbouring layers of SqueezeNet 1.1."""
    found = {}
    for source, unit in SQUEEZENET:
        below, above = families[source], families[unit]
        if min(len(below.channels), len(above.channels)) >= LEAST:
            weights = wiring.expanded(families.net[above.layer, above.channels], below.layer)
            name = f"SqueezeNet, {below.layer} {below.kind} to {above.layer} {above.kind}"
            found[name] = _between(weights, below, above)
    return found


def resnet(families: Families) -> dict[str, Pair]:
    """Returns what the residual units of ResNet-50 v2's stage 2 make of lines and of curves for the family at its end.

    A residual unit adds to the stream that the family is read off, so its weights on the family's channels are those
    of its third convolution, times the gain of the batch norm at the end. The stream itself, in which a channel is
    passed on as it is, is left out: it would obey any law.
    """
    net, above = families.net, families[RESNET_FAMILY]
    end = wiring.expanded(net[above.layer, above.channels], "stage2_unit4")
    gains = end.values[range(len(above.channels)), above.channels, 0, 0]
    found = {}
    for kind, number, adds in RESNET:
        below = families[f"stage2_unit{number}_act1", kind]
        if min(len(below.channels), len(above.channels)) >= LEAST:
            weights = wiring.expanded(net[adds, above.channels], below.layer)
            name = f"ResNet, {kind} at unit {number} to curves"
            found[name] = _between(weights * gains[:, None, None, None], below, above)
    return found


def learned_nothing(families: Families, seeds: Sequence[int]) -> dict[str, Pair]:
    """Returns the last pair of `SQUEEZENET` in nets of shuffled kernels: as many units that respond to curves at all.

    Their angles are measured as those of the trained net's units were.
    """
    found = {}
    for seed in seeds:
        net, posed = shuffled(families.net, seed), []
        rng = np.random.default_rng(seed)
        for trained in (families[key] for key in SQUEEZENET[-1]):
            said = hypothesis.HYPOTHESES[trained.kind]()
            seen = respond(net[trained.layer], said, looks=POSING_LOOKS, seed=POSING_SEED, rivals=False)
            heard = np.flatnonzero(seen.shape.mean(("look", "size")).std("angle").values > 0)
            some = np.sort(rng.choice(heard, min(len(trained.channels), len(heard)), replace=False))
            angles = poses(seen)["angle"].values[some]
            posed.append(dataclasses.replace(trained, channels=some.tolist(), angles=angles))
        below, above = posed
        if min(len(below.channels), len(above.channels)) >= LEAST:
            weights = wiring.expanded(net[above.layer, above.channels], below.layer)
            pair = _between(weights, below, above)
            found[f"SqueezeNet, shuffled {seed}"] = dataclasses.replace(pair, kind="shuffled")
    return found


def _between(weights: xr.DataArray, below: Members, above: Members) -> Pair:
    """Returns a pair, of weights from all units of the lower layer."""
    return Pair(
        weights.isel(source=below.channels),
        np.asarray(above.angles, float),
        np.asarray(below.angles, float),
        unit_period=above.period,
        source_period=below.period,
    )


def _tiles(values: np.ndarray, units: list[str], sources: list[str], cell: float) -> xr.DataArray:
    """Returns tiles (unit, source, row, column) with their places in pixels."""
    step = (np.arange(values.shape[2]) - (values.shape[2] - 1) / 2) * cell
    coords = {"unit": units, "source": sources, "y": -step, "x": step}
    return xr.DataArray(values, dims=("unit", "source", "y", "x"), coords=coords, name="weight")


def _peaks(names: list[str], data: published.Folder | None) -> np.ndarray:
    """Returns the published peaks of units of one layer, in degrees."""
    curve = published.radial_curves(names[0].partition(":")[0], data)
    return np.asarray(tuning.peak_angle(curve).sel(unit=names).values, float)


def _nearest(weights: xr.DataArray, units: np.ndarray, sources: np.ndarray, like: Pair) -> Pair:
    """Returns the members nearest to the angles of another pair; where two are nearest to the same, only once."""
    chosen = []
    for angles, wanted in ((units, like.unit_angles), (sources, like.source_angles)):
        away = np.abs((angles[:, None] - wanted + 180) % 360 - 180)
        chosen.append(sorted({int(place) for place in away.argmin(0)}))
    whole = Pair(weights, units, sources, kind="handwritten")
    return whole.some(*chosen)
