"""Heads by hand: what each pathway and the union say to drawn heads, and what is left once inhibition is cut."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

import circuitkit as ck
from circuitkit import stimuli
from circuitkit.geometry import Scalar
from circuitkit.spec import Circuit, Rival
from circuitkit.stimuli import LabelledSet, Stimulus
from circuitkit.stimuli.photographs import pictures
from circuitkit.unioning import responses, shares, sides
from handbuilt import heads

RIGHT, LEFT = "right", "left"
FRESH = 100
"""The first seed of jumbled heads here. The circuit was chosen on seeds 0 to 15."""

ALONE = stimuli.Head(**heads.HEAD | {"neck": 0.0})
OTHERS: tuple[Stimulus, ...] = (
    stimuli.Disc(radius=25),
    stimuli.Ring(radius=25),
    stimuli.Line(length=100),
    stimuli.Corner(opening=36, length=60),
    stimuli.Cross(),
    stimuli.Star(),
    stimuli.Car(length=100, height=22, cabin=22, wheel=12),
)
LOOSENESS = (5.0, 10.0, 15.0, 20.0, 25.0, 35.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """How much to look at.

    Attributes:
        varied: Heads drawn a little larger, smaller, shifted or turned, of each side.
        jumbled: Arrangements of parts.
        others: Drawings of no head.
        side: Of the images, in pixels: with a border, since responses beside the head count.
        necks: Whether heads on necks are looked at: 291 pixels each.
        looseness: Of parts, in pixels.
    """

    varied: int = 8
    jumbled: int = 32
    others: int = len(OTHERS)
    side: int = 291
    necks: bool = True
    looseness: tuple[float, ...] = LOOSENESS


SMOKE = Config(varied=1, jumbled=1, others=1, side=191, necks=False, looseness=())


def varied(count: int, **options: float) -> list[Stimulus]:
    """Returns the head that the circuit was made for, and others that are nearly like it."""
    rng = np.random.default_rng(0)
    settings = rng.uniform(-1, 1, (count, 4))
    settings[0] = 0
    return [
        stimuli.Head(**{name: value * (1 + 0.03 * size) for name, value in heads.HEAD.items()} | options).with_values(
            {"angle": 3 * angle, "x": 3 * x, "y": 3 * y}
        )
        for size, angle, x, y in settings
    ]


def drawn(figures: Sequence[Stimulus], side: int, *, mirrored: bool = False) -> LabelledSet:
    """Draws figures, mirrored about the column of the anchor if wanted."""
    images = np.stack([np.asarray(figure.draw(side)) for figure in figures])
    images = images[:, :, ::-1] if mirrored else images
    return pictures(np.repeat(images, 3, -1) if images.shape[-1] == 1 else images)


def cases(config: Config) -> dict[str, LabelledSet]:
    """Draws heads alone: of either side, of both, with parts on wrong sides, and what is no head."""
    some, side = varied(config.varied, neck=0.0), config.side
    jumbled = [dataclasses.replace(ALONE, jumble=1.0, seed=FRESH + at) for at in range(config.jumbled)]
    merged = [ALONE | dataclasses.replace(ALONE, facing=-1.0)]
    return {
        RIGHT: drawn(some, side),
        LEFT: drawn(some, side, mirrored=True),
        "both in one place": drawn(merged, side),
        "parts jumbled": drawn(jumbled, side),
        "neither": drawn(OTHERS[: config.others], side),
    }


def looked(circuit: Circuit, images: Mapping[str, LabelledSet], side: int) -> pd.DataFrame:
    """Returns the largest response on each image of the pathways and of what unites them."""
    net = ck.HandbuiltNet(ck.build(circuit))
    return responses(_units(net, "heads", "head"), images, read_out="max", size=side)


def _units(net: ck.Net, stage: str, union: str) -> dict[str, ck.Probe]:
    right, left = net.unit_names(stage)
    return {RIGHT: net[stage, [right]], LEFT: net[stage, [left]], "either": net[union]}


OWN = {RIGHT: RIGHT, LEFT: LEFT}
ALL = {RIGHT: [RIGHT], LEFT: [LEFT], "either": [RIGHT, LEFT]}


def tables(config: Config) -> dict[str, pd.DataFrame]:
    """Returns `drawn_shares`, `drawn_sides`, `drawn_necks` and `looseness`."""
    images = cases(config)
    found: dict[str, list[pd.DataFrame]] = {"drawn_shares": [], "drawn_sides": []}
    for name, circuit in (("as written", heads.SPEC), ("without rivals", heads.SPEC.without(Rival))):
        seen = looked(circuit, images, config.side)
        found["drawn_shares"].append(shares(seen, ALL).assign(circuit=name))
        found["drawn_sides"].append(sides(seen, OWN).assign(circuit=name))
    done = {name: pd.concat(each, ignore_index=True) for name, each in found.items()}
    if config.necks:
        done["drawn_necks"] = necks()
    if config.looseness:
        done["looseness"] = pd.DataFrame([ratios(loose) for loose in config.looseness])
    return done


def necks(count: int = 3) -> pd.DataFrame:
    """Returns shares of units for a head on its neck, of heads with a neck on either side and with none."""
    side = 291
    right, wrong = varied(count), varied(count, neck_side=-1.0)
    images = {
        RIGHT: drawn(right, side),
        LEFT: drawn(right, side, mirrored=True),
        "faces right, neck on the wrong side": drawn(wrong, side),
        "faces left, neck on the wrong side": drawn(wrong, side, mirrored=True),
        "no neck": drawn([ALONE], side),
    }
    found = []
    for name, circuit in (("as written", heads.SPEC), ("without rivals", heads.SPEC.without(Rival))):
        net = ck.HandbuiltNet(ck.build(circuit))
        seen = responses(_units(net, "on_necks", "on_neck"), images, read_out="centre")
        found.append(shares(seen, ALL).assign(circuit=name))
    return pd.concat(found, ignore_index=True)


def ratios(loose: Scalar) -> dict[str, float]:
    """Returns how many times as much the right pathway responds as the left one, with rivals and without, by looseness.

    Without a threshold of heads, which would have to be another one for each looseness.
    """
    row = {"loose": float(loose)}
    for name, rivalry in (("as written", 1.0), ("without rivals", 0.0)):
        circuit = heads.circuit(rivalry, loose)
        families = [
            dataclasses.replace(family, threshold=None) if family.name == "heads" else family
            for family in circuit.families[: circuit.families.index(circuit["head"])]
        ]
        net = ck.HandbuiltNet(ck.build(Circuit("heads", families)))
        found = ck.tune(net["heads"], drawn([ALONE], 191), read_out="centre").values.ravel()
        row[name] = float(found[0] / found[1]) if found[1] > 0 else float("inf")
    return row
