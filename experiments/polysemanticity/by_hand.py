"""The unit by hand: what its detectors prefer, and what the test says of it and of what it is made of."""

import dataclasses
from collections.abc import Mapping
from typing import get_args

import numpy as np
import pandas as pd
from jaxtyping import Float

import circuitkit as ck
from circuitkit import spec, stimuli
from circuitkit.polysemantic import By, Meanings, Seen, drive, kinds, look, looks, meanings, tell
from circuitkit.stimuli import Uniform
from circuitkit.stimuli.photographs import pictures
from circuitkit.valleys import DRAWS, LEAST
from experiments.polysemanticity import images
from handbuilt import circles, curves, lines, polysemantic
from handbuilt.polysemantic import MEANINGS, PARTS, THRESHOLDS

Held = Float[np.ndarray, "image part"]


@dataclasses.dataclass(frozen=True, eq=False)
class Shown:
    """Drawings, and what was heard of them.

    Attributes:
        names: What each is.
        seen: The look at `cat_or_car`.
        held: Responses of the parts, in the middle.
    """

    names: np.ndarray
    seen: Seen
    held: Held


def shown(each: int, decoys: int, *, seed: int) -> Shown:
    """Shows drawings to the unit: so many of each meaning, and of each decoy."""
    drawn, names = images.shown(each, decoys, seed=seed)
    net = ck.HandbuiltNet(ck.build(polysemantic.SPEC))
    seen = look(net["cat_or_car"], [part for name in MEANINGS for part in PARTS[name]], drawn)
    return Shown(names, seen, seen.activations(0))


def sums(of: Shown, name: str) -> Float[np.ndarray, " image"]:
    """Returns what a detector hears: the mean of its parts."""
    parts = [part for each in MEANINGS for part in PARTS[each]]
    return of.held[:, [parts.index(part) for part in PARTS[name]]].mean(1)


def responses(of: Shown, name: str) -> Float[np.ndarray, " image"]:
    """Returns what a detector, or the unit, responds with."""
    if name not in MEANINGS:
        return of.seen.responses[:, 0]
    return np.maximum(sums(of, name) - THRESHOLDS[name], 0)


def true_directions() -> Float[np.ndarray, "meaning part"]:
    """Returns which parts each drawing has, and silence has not: 1 for each part of its detector, at length 1."""
    parts = [part for name in MEANINGS for part in PARTS[name]]
    own = np.array([[float(part in PARTS[name]) for part in parts] for name in MEANINGS])
    return own / np.linalg.norm(own, axis=1, keepdims=True)


def monosemantic(of: Shown, name: str, *, draws: int = DRAWS) -> Meanings:
    """Returns the meanings of one detector: of all drawings that it responds to, and two decoys a drawing besides."""
    heard = responses(of, name)
    driven = np.flatnonzero(heard > 0)
    if len(driven) < 2 * LEAST:
        raise ValueError(f"{len(driven)} drawings drive {name}: wanted {2 * LEAST}. Draw more of each.")
    return kinds(heard, of.held, share=len(driven) / len(heard), draws=draws, name=name)


def verdicts(of: Shown) -> pd.DataFrame:
    """Returns what the test says of the unit and of its three detectors."""
    count = int((responses(of, "cat_or_car") > 0).sum())
    found = [meanings(of.seen, 0, share=count / len(of.names)), *(monosemantic(of, name) for name in MEANINGS)]
    true = true_directions()
    rows = []
    for each in found:
        told = tell(of.held, each).auc
        rows.append(
            {
                "unit": each.unit,
                "driven": sum(map(len, each.members)),
                "meanings": each.count,
                "p": each.p,
                "valley": each.valley,
                "separation": each.separation,
                "pure": float(np.mean([np.unique(of.names[group]).size == 1 for group in each.members])),
                "cosine, own": (each.directions.values @ true.T).max(1).min(),
                "cosine, other": np.sort(each.directions.values @ true.T, axis=1)[:, -2].max(),
                "told": float(np.nanmin(told)),
                "drive, least": drive(of.seen, each).min() if each.unit.startswith("cat_or_car") else np.nan,
            }
        )
    return pd.DataFrame(rows)


def preferences(of: Shown) -> pd.DataFrame:
    """Returns what each detector hears of each drawing, and responds with: a row for each drawing."""
    rows = []
    for name in dict.fromkeys(of.names):
        own = of.names == name
        rows.append({"drawing": name} | {f"{each}, heard": sums(of, each)[own].mean() for each in MEANINGS})
        rows[-1] |= {f"{each}, most": sums(of, each)[own].max() for each in MEANINGS}
        rows[-1] |= {each: responses(of, each)[own].mean() for each in (*MEANINGS, "cat_or_car")}
    return pd.DataFrame(rows)


ALONE: Mapping[str, tuple[spec.Circuit, stimuli.Stimulus, tuple[str, ...]]] = {
    "lines@0": (lines.SPEC, stimuli.Line(length=40), ("contours", "light_bars+dark_bars")),
    "curves@0": (curves.SPEC, stimuli.Curve(radius=20, length=40), ("early_curves", "light_bars+dark_bars")),
    "circles@0": (circles.SPEC, stimuli.Ring(radius=14, thickness=4), ("curves",)),
}
"""Units of one meaning, what they look for, and layers that this is described by."""


def looked_at(unit: str, each: int, *, seed: int) -> tuple[dict[str, Seen], np.ndarray]:
    """Returns looks at a unit of one meaning, by layer, and whether each image is what it looks for, and is light.

    Half of the images are of what it looks for, at many places, contrasts of either sign, and blurs; half are dim
    noise, which drives it little.

    Args:
        unit: Of `ALONE`.
        each: Images of either polarity.
        seed: Of the settings.
    """
    circuit, figure, layers = ALONE[unit]
    net = ck.HandbuiltNet(ck.build(circuit))
    side = net.receptive_field(unit.partition("@")[0], (1, 1)).size[0] + 4
    drawn = [
        np.asarray(
            stimuli.sample(
                figure,
                each,
                seed=seed + light,
                x=Uniform(-1.5, 1.5),
                y=Uniform(-1.5, 1.5),
                angle=Uniform(-5, 5),
                foreground=Uniform(0.4, 1.0) if light else Uniform(-1.0, -0.4),
                blur=Uniform(0.3, 1.2),
            ).images(side)
        )
        for light in (1, 0)
    ]
    noise = np.random.default_rng(seed).normal(scale=0.05, size=(2 * each, side, side, 1))
    shown = pictures(np.repeat(np.concatenate([*drawn, np.clip(noise, -1, 1)]), 3, axis=-1).astype(np.float32))
    probe = net[unit.partition("@")[0], [unit]]
    seen = looks([(probe, layer.split("+")) for layer in layers], shown, chunk=24)
    return dict(zip(layers, seen, strict=True)), np.repeat(["light", "dark", "none"], [each, each, 2 * each])


def cosmetic(each: int, *, seed: int = 0, draws: int = DRAWS) -> pd.DataFrame:
    """Returns how many meanings units of one have, by layer that describes what drives them."""
    rows = []
    for unit in ALONE:
        by_layer, polarity = looked_at(unit, each, seed=seed)
        for layer, seen in by_layer.items():
            for by in get_args(By) if "+" not in layer else ("activation",):
                found = meanings(seen, 0, by=by, share=0.5, draws=draws)
                rows.append(
                    {
                        "unit": unit,
                        "described by": layer,
                        "by": by,
                        "meanings": found.count,
                        "p": found.p,
                        "own": np.mean(polarity[np.concatenate(found.members)] != "none"),
                        "polarity is one": np.mean([np.unique(polarity[group]).size == 1 for group in found.members]),
                    }
                )
    return pd.DataFrame(rows)
