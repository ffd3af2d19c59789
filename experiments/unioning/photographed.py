"""Pathways of trained nets on photographs of dogs: either side, both, neither, patches jumbled, halves exchanged.

Also what becomes of a pathway's side when the inhibition by sources that speak for the other side is taken away.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

import circuitkit as ck
from circuitkit import wiring
from circuitkit.evidence.statistics import bootstrap, p_value
from circuitkit.mirror_pairs import mirrored, partners, parts
from circuitkit.stimuli import LabelledSet, photographs
from circuitkit.stimuli.photographs import pictures
from circuitkit.unioning import responses, shares, sides
from experiments.mirror_pairs.__main__ import natural
from experiments.unioning import weights

RIGHT, LEFT = "right", "left"
DOGS = range(151, 269)
ANIMALS = 398
"""Classes before this one are animals."""


@dataclasses.dataclass(frozen=True)
class Pathways:
    """Two units that a mirror exchanges, and one that reads both; chosen by experiments/mirror_pairs.

    Attributes:
        net: File in nets/.
        layer: Of the two.
        right: By index; `left` likewise.
        left: Which label is whose is known from the labelled dogs' AUC there, over 0.8 for each.
        union: Layer and index.
        reads: Layer that the two read, and their pre-activation: what lies between is linear.
        side: Of images, one whose positions a mirror carries onto each other.
        first: Of the layer's units, the one that the pre-activation begins with.
    """

    net: str
    layer: str
    right: int
    left: int
    union: tuple[str, int]
    reads: tuple[str, str]
    side: int
    first: int = 0

    @property
    def name(self) -> str:
        """For tables."""
        short = self.layer.replace("stage3_unit", "unit ").replace("_act", ", act ")
        return f"{short}: {self.right}, {self.left}"


def _resnet(number: int, right: int, left: int, union: int) -> Pathways:
    here = f"stage3_unit{number}"
    later = (f"stage3_unit{number + 1}_act3", union)
    reads = (f"{here}_act2", f"{here}_bn3")
    return Pathways("resnet50v2_stage3.onnx", f"{here}_act3", right, left, later, reads, 225)


PATHWAYS = (
    _resnet(5, 39, 24, 130),
    _resnet(5, 56, 233, 65),
    _resnet(4, 135, 229, 104),
    Pathways("squeezenet1_1.onnx", "fire8", 303, 451, ("fire9", 77), ("fire8_squeeze", "fire8_e3_pre"), 223, 256),
)


def cases(data: Path, side: int, *, seed: int = 0) -> Mapping[str, LabelledSet]:
    """Returns photographs of dogs that face right, their mirror images, and what was made of both.

    Args:
        data: Holds `images`.
        side: In pixels.
        seed: Of the order of patches, the same for all images.
    """
    images = photographs(data / "images/imagenet-sample.zip", side=side)
    classes = images.labels.class_index.to_numpy(int)
    facing = pd.read_csv(data / "images/dog-facing.csv").set_index("class_index").facing.reindex(classes)
    labelled = np.flatnonzero(facing.isin(["L", "R"]))
    shown = _pixels(images[labelled], side)
    lefts = (facing.iloc[labelled] == "L").to_numpy()
    right = np.where(lefts[:, None, None, None], shown[:, :, ::-1], shown)
    left = right[:, :, ::-1]
    rng = np.random.default_rng(seed)
    order = rng.permutation(16)
    made = {
        RIGHT: right,
        LEFT: left,
        "both, in quarters": tiled(right, left),
        "right four times": tiled(right, right),
        "left four times": tiled(left, left),
        "right, patches jumbled": patches(right, order),
        "left, patches jumbled": patches(right, order)[:, :, ::-1],
        "right, halves exchanged": exchanged(right),
        "left, halves exchanged": exchanged(right)[:, :, ::-1],
    }
    animals = np.flatnonzero(classes >= ANIMALS)
    frontal = np.flatnonzero(np.isin(classes, DOGS) & ~facing.isin(["L", "R"]).to_numpy())
    return {name: pictures(np.ascontiguousarray(each)) for name, each in made.items()} | {
        "dogs that face neither way": images[frontal[: len(right)]],
        "no animals": images[rng.choice(animals, len(right), replace=False)],
    }


def _pixels(images: LabelledSet, side: int) -> np.ndarray:
    return np.asarray(images.images(side))


def tiled(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Returns images of four quarters, each a photograph at half its size: one, other, other, one."""
    side = one.shape[1]
    half = side // 2
    small, more = (jax.image.resize(jnp.asarray(each), (len(each), half, half, 3), "linear") for each in (one, other))
    rows = [jnp.concatenate([a, b], 2) for a, b in ((small, more), (more, small))]
    both = jnp.concatenate(rows, 1)
    # One pixel more, for an odd side.
    return np.asarray(jnp.pad(both, ((0, 0), (0, side - 2 * half), (0, side - 2 * half), (0, 0)), mode="edge"))


def patches(images: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Returns images whose patches, four by four, are in another order; what is left of the border stays."""
    step, made = images.shape[1] // 4, images.copy()
    for to, of in enumerate(order):
        (row, column), (up, across) = (divmod(int(at), 4) for at in (to, of))
        made[:, row * step : (row + 1) * step, column * step : (column + 1) * step] = images[
            :, up * step : (up + 1) * step, across * step : (across + 1) * step
        ]
    return made


def exchanged(images: np.ndarray) -> np.ndarray:
    """Returns images whose left and right halves have changed places: each faces as before, on the wrong side."""
    half = images.shape[2] // 2
    return np.concatenate([images[:, :, -half:], images[:, :, half:-half], images[:, :, :half]], 2)


OWN = {RIGHT: RIGHT, LEFT: LEFT}


def looked(net: ck.Net, each: Pathways, images: Mapping[str, LabelledSet]) -> pd.DataFrame:
    """Returns mean responses of the two pathways and the unit that reads both."""
    layer, unit = each.union
    units = {RIGHT: net[each.layer, [each.right]], LEFT: net[each.layer, [each.left]], "either": net[layer, [unit]]}
    return responses(units, images, size=each.side)


def judged(seen: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns shares, and sides of images as they are, jumbled and exchanged."""
    found = []
    for how in ("", ", patches jumbled", ", halves exchanged"):
        own = {unit: side + how for unit, side in OWN.items()}
        found.append(sides(seen, own).assign(images_are=how.removeprefix(", ") or "as they are"))
    return shares(seen, {RIGHT: [RIGHT], LEFT: [LEFT], "either": [RIGHT, LEFT]}), pd.concat(found, ignore_index=True)


def usual(net: ck.Net, layer: str, images: Mapping[str, LabelledSet], side: int) -> Float[np.ndarray, " unit"]:
    """Returns how far from 0 the direction of each unit of a layer is: what is usual there."""
    seen = responses({"": net[layer]}, {case: images[case] for case in OWN}, size=side)
    # Which unit is for which side does not matter here: both cases have to be named, and signs are dropped.
    found = sides(seen, dict(zip(seen.unit.unique()[:2], OWN, strict=True)), draws=1)
    return found.direction.abs().dropna().to_numpy()


Nulls = dict[tuple[str, str], Float[np.ndarray, " draw"]]
"""Direction with as much inhibition taken away elsewhere, by pathways and side."""


@dataclasses.dataclass(frozen=True, eq=False)
class Cut:
    """What becomes of a unit's direction when inhibition is taken away.

    Attributes:
        row: For a table.
        null: Mean direction with as much inhibition taken away elsewhere, one a draw.
    """

    row: dict[str, object]
    null: Float[np.ndarray, " draw"]


OPPOSED = 0.1
"""Of the sources, those whose d is most opposed to the unit's."""


def cut(
    net: ck.Net,
    each: Pathways,
    unit: int,
    own: str,
    seen: Mapping[str, xr.DataArray],
    chosen: LabelledSet,
    tested: Mapping[str, LabelledSet],
    draws: int,
) -> Cut:
    """Takes away the inhibition of a unit by the sources that speak for the other side.

    Sources are chosen on images that nobody labelled, by the correlation of half the difference of their mean response
    and that to the mirror image with that of the unit. As a control as much inhibition, on the same images, is taken
    away of other sources, drawn at random.

    Args:
        net: The net.
        each: Says what the unit reads.
        unit: By index.
        own: Its side.
        seen: The chosen images and their mirror images, by the layer that the unit reads and its own.
        chosen: Images to choose sources on.
        tested: Images of either side.
        draws: Of other sources.
    """
    source, before = each.reads
    index = unit - each.first
    odd = {layer: parts(found, "mean")[1] for layer, found in seen.items()}
    alike = np.nan_to_num([_correlation(of, odd[each.layer][:, unit]) for of in odd[source].T])
    read_by = wiring.expanded(net[before, [index]], source).isel(unit=0).transpose("source", "y", "x")
    inhibits = np.minimum(read_by.values, 0)

    kernel = jnp.asarray(np.moveaxis(inhibits, 0, -1)[..., None, :])  # (row, column, 1, source), each source its own
    groups = kernel.shape[-1]

    @jax.jit
    def inhibition(maps: Float[jax.Array, "image row column source"]) -> Float[jax.Array, "image row column source"]:
        return jax.lax.conv_general_dilated(
            maps, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups
        )

    def read(images: LabelledSet) -> tuple[np.ndarray, np.ndarray]:
        below, above = [], []
        for start in range(0, len(images), 8):
            shown = jnp.asarray(_pixels(images[start : start + 8], each.side))
            below.append(np.asarray(inhibition(net.maps(shown, source))))
            above.append(np.asarray(net.maps(shown, before)[..., index]))
        return np.concatenate(below), np.concatenate(above)

    # How much each inhibits, where it counts: summed over images and places.
    strength = -read(chosen)[0].sum((0, 1, 2))
    order = np.argsort(alike)
    opposed = order[: round(OPPOSED * len(order))]
    rest = np.setdiff1d(np.arange(len(order)), opposed)
    target, rng = strength[opposed].sum(), np.random.default_rng(0)
    masks = [np.isin(np.arange(len(order)), opposed)]
    for _ in range(draws):
        drawn = rng.permutation(rest)
        many = int(np.searchsorted(np.cumsum(strength[drawn]), target)) + 1
        masks.append(np.isin(np.arange(len(order)), drawn[:many]))
    removed = np.array([np.zeros(len(order)), *masks])
    values = {}
    for side, images in tested.items():
        each_source, pre = read(images)
        left = pre[..., None] - np.einsum("nyxs,ds->nyxd", each_source, removed, optimize=True)
        values[side] = np.maximum(left, 0).mean((1, 2))  # (image, draw)
    other = LEFT if own == RIGHT else RIGHT
    one, two = values[own], values[other]
    direction = (one - two) / np.maximum(one + two, 1e-12)
    means = direction.mean(0)
    change = direction[:, 1] - direction[:, 0]
    low, high = bootstrap(change[:, None], seed=0)
    null = means[2:]
    row = {
        "pathways": each.name, "unit": unit, "own": own, "sources": len(order), "taken away": len(opposed),
        "share of inhibition": target / strength.sum(), "uncut": means[0], "cut": means[1],
        "change": change.mean(), "low": low[0], "high": high[0], "other inhibition": null.mean(),
        "response, cut": one[:, 1].mean() / one[:, 0].mean(),
        "response, other": (one[:, 2:].mean() / one[:, 0].mean()),
        "p": float(p_value(-means[1:2].astype(float), -null.astype(float))[0]),
    }  # fmt: skip
    return Cut(row, null)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one, other)[0, 1]) if min(np.ptp(one), np.ptp(other)) > 0 else 0.0


def tables(data: Path, each: Pathways, draws: int) -> tuple[dict[str, pd.DataFrame], Nulls]:
    """Returns `photo_shares`, `photo_sides`, `cut` and `weights` of one set of pathways, and nulls of the cuts."""
    net = ck.nets.load(data / "nets" / each.net)
    images = cases(data, each.side)
    shared, sided = judged(looked(net, each, images))
    common = usual(net, each.layer, images, each.side)
    reached = sided.direction.map(lambda value: p_value(np.array([abs(value)], float), common)[0])
    sided["p_layer"] = reached.where(sided.unit != "either")
    scene, choose, _ = natural(data, side=each.side)
    chosen = scene[np.flatnonzero(choose)]
    seen = mirrored(net, [each.reads[0], each.layer], chosen)
    tested = {case: images[case] for case in OWN}
    pair = {RIGHT: each.right, LEFT: each.left}
    cuts = {side: cut(net, each, unit, side, seen, chosen, tested, draws) for side, unit in pair.items()}
    of = wiring.expanded(net[each.layer], each.reads[0])
    found = {
        "photo_shares": shared.assign(pathways=each.name),
        "photo_sides": sided.assign(pathways=each.name),
        "cut": pd.DataFrame([one.row for one in cuts.values()]),
        "weights": weights.trained(each.name, of, (each.right, each.left), partners(seen[each.reads[0]])),
    }
    return found, {(each.name, side): one.null for side, one in cuts.items()}
