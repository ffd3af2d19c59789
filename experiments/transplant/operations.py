"""What is put in the place of trained units: handbuilt ones at their angles, and everything else that might do as well.

Gains and offsets give each replacement the mean and the spread of the unit it stands for, on calibration images.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr
from jaxtyping import Int

from circuitkit.probe import Net
from circuitkit.stimuli import LabelledSet
from circuitkit.surgery import Ablate, agreement, replacements
from circuitkit.surgery.calibration import Progress
from circuitkit.surgery.steps import Step
from experiments.transplant.units import FITTED, Bench, Trained

TURNS = (15.0, 30.0, 45.0, 60.0, 90.0, 135.0, 180.0)
"""Degrees by which all units are turned away from where they belong."""

SILENT, OTHER, BY_HAND, WHOLE = "silent", "another image's", "by hand", "by hand, long arcs"
PERMUTED, NATURAL_PERMUTED = "by hand, permuted", "natural, permuted"

ONE_PATTERN, OWN_PATTERNS, LEARNED = "one pattern", "own patterns", "conv net"
KINDS = (FITTED, ONE_PATTERN, OWN_PATTERNS, LEARNED)
"""Fitted, from a dozen numbers that all units share to as many as it takes: each is there if the bench has it."""

FAMILY = "early_curves"
"""Arcs of 0.8 radii. Whole curves, arcs of 1.8 radii that are made of these, are `WHOLE`."""


def permuted(kind: str) -> str:
    """Returns what maps of a kind are called that are permuted among the units."""
    return f"{kind}, permuted"


def turned(kind: str) -> str:
    """Returns what units of a kind are called that are all turned."""
    return f"{kind}, turned by 90°"


Choice = Callable[[Trained], Int[np.ndarray, " unit"]]


@dataclasses.dataclass(frozen=True, eq=False)
class Calibrated:
    """Units beside all that might replace them, on calibration images.

    Attributes:
        trained: The units.
        bench: What may be put in.
        seen: By layer; members are all of the bench, then the layer's own units.
    """

    trained: Sequence[Trained]
    bench: Bench
    seen: Mapping[str, xr.Dataset]

    def steps(self, choose: Choice, **more: object) -> list[Step]:
        """Returns the steps that put in what is chosen for each layer's units."""
        return list(replacements(self.seen, {each.layer: choose(each) for each in self.trained}, **more))

    def family(self, family: str, *, turned: float = 0.0, larger: float = 1.0) -> list[Step]:
        """Returns the steps that put in a family of the bench."""
        return self.steps(lambda each: self.bench.places(each, family, turned=turned, larger=larger))

    def natural(self, each: Trained) -> Int[np.ndarray, " unit"]:
        """Returns which members the units themselves are."""
        first = self.seen[each.layer].sizes["member"] - len(each.channels)
        return first + np.arange(len(each.channels))

    def by_hand(self, each: Trained) -> Int[np.ndarray, " unit"]:
        """Returns the handbuilt members that belong to units."""
        return self.bench.places(each, FAMILY)


def calibrated(
    net: Net,
    sets: Sequence[Sequence[Trained]],
    bench: Bench,
    images: LabelledSet,
    *,
    progress: Progress | None = None,
) -> list[Calibrated]:
    """Returns several sets of units beside all that might replace them; all look at the images at once."""
    together: dict[str, list[int]] = {}
    for each in (each for trained in sets for each in trained):
        together.setdefault(each.layer, []).extend(each.channels)
    seen = agreement(net, together, bench.probes, images, progress=progress)
    found = []
    for trained in sets:
        beside = {}
        for each in trained:
            own = agreement(net, {each.layer: each.channels}, {"": net[each.layer, list(each.channels)]}, images)
            places = [together[each.layer].index(channel) for channel in each.channels]
            shared = ["mean", "spread", "lowest"]  # of the units, the same in both
            beside[each.layer] = xr.concat(
                [seen[each.layer].isel(unit=places), own[each.layer].drop_vars(shared)], "member", data_vars="minimal"
            )
        found.append(Calibrated(trained, bench, beside))
    return found


def operations(found: Calibrated, *, permutations: int = 5, seed: int = 0) -> dict[str, list[Step]]:
    """Returns all operations, by name."""
    made: dict[str, list[Step]] = {
        SILENT: [Ablate(each.layer, each.channels) for each in found.trained],
        "held at their means": [
            Ablate(each.layer, each.channels, to=tuple(found.seen[each.layer]["mean"].values.tolist()))
            for each in found.trained
        ],
        OTHER: found.steps(found.natural, other=True),
        "natural, rolled": found.steps(found.natural, rolled=(4, 4)),
        BY_HAND: found.family(FAMILY),
        WHOLE: found.family("curves"),
        "lines along them": found.family("lines"),
        "curves of any angle": found.family("energy"),
        "half the radius": found.family(FAMILY, larger=0.5),
        "twice the radius": found.family(FAMILY, larger=2.0),
        **{f"turned by {turn:g}°": found.family(FAMILY, turned=turn) for turn in TURNS},
    }
    kinds = [kind for kind in KINDS if found.bench.has(kind)]
    for kind in kinds:
        made[kind] = found.family(kind)
        if kind != LEARNED:  # it has no angle
            made[turned(kind)] = found.family(kind, turned=90.0)
    rng = np.random.default_rng(seed)
    for draw in range(permutations):
        order = {each.layer: deranged(len(each.channels), rng) for each in found.trained}
        made[f"{PERMUTED} {draw}"] = found.steps(lambda each, order=order: found.by_hand(each)[order[each.layer]])
        for kind in kinds:
            made[f"{permuted(kind)} {draw}"] = found.steps(
                lambda each, kind=kind, order=order: found.bench.places(each, kind)[order[each.layer]]
            )
        made[f"{NATURAL_PERMUTED} {draw}"] = found.steps(
            lambda each, order=order: found.natural(each)[order[each.layer]]
        )
    return made


def deranged(count: int, rng: np.random.Generator) -> Int[np.ndarray, " unit"]:
    """Returns an order in which no unit is in its own place."""
    while True:
        order = rng.permutation(count)
        if count < 2 or not (order == np.arange(count)).any():
            return order


def random_units(net: Net, trained: Sequence[Trained], seed: int) -> list[Trained]:
    """Returns as many other units of each layer, with the angles and radii of those they stand for: a control."""
    rng = np.random.default_rng([seed, 1])
    found = []
    for each in trained:
        rest = np.setdiff1d(np.arange(len(net.unit_names(each.layer))), each.channels)
        chosen = rng.choice(rest, min(len(each.channels), len(rest)), replace=False)
        count = len(chosen)
        found.append(Trained(each.layer, tuple(chosen.tolist()), each.angles[:count], each.radii[:count]))
    return found


def correlation(
    seen: Mapping[str, xr.Dataset], trained: Sequence[Trained], bench: Bench, family: str = FAMILY
) -> xr.DataArray:
    """Returns each unit's correlation with its own member of a family, over all places of the images that were seen."""
    parts = []
    for each in trained:
        held = seen[each.layer].correlation
        own = held.values[np.arange(len(each.channels)), bench.places(each, family)]
        parts.append(xr.DataArray(own, dims="unit", coords={"unit": held.unit.values}, name="correlation"))
    return xr.concat(parts, "unit")
