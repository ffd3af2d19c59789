"""Handwritten circuit: a circuit that was written by hand for the shape does what the unit does.

The hypothesis has a circuit for any size. The one for the unit's own size is built, its member at the unit's own angle
is taken, and both are shown the same stimuli, none of which chose angle or size:

* drawn ones: the shape at all angles and sizes, and all rivals, in looks of the replica (widths, contrasts, noise);
* natural ones: places in photographs, at random and, for each unit, some at which it responds strongly.

The statistic is the **agreement**: the rank correlation (Spearman) of unit and counterpart, the mean of that over drawn
and of that over natural ones. Ranks, because the two nets share no scale.

Criteria:

* `drawn` at least 0.6 and `natural` at least 0.15: the rank correlations alone. Of the 34 most curve-like units of two
  shuffled nets (SqueezeNet 1.1, fire5) one in twenty has 0.58 and 0.17 in the worse net; both bounds were set on these.
  Photographs hold much besides contours, to which a trained unit owes a part of its response.
* `tuning_distance` at most 0.5: the two response maps over angle and size, averaged over looks, each as a share of its
  sum, and half of their absolute difference. 0 is the same map, 1 no overlap.
* `ahead` at least 0: the agreement minus that of the members a quarter of a period or more away, the best of them.
* `ahead_of_decoys` at least -0.03, where decoys are given: circuits for other shapes that pass careless tests, each by
  the member that responds most to the shape at the unit's pose; the agreement minus that of the best of them. It is
  less than 0 because of noise: 13 of 16 curve units of fire5 lie between -0.02 and 0.01, their best decoys being the
  spiral arm and the smaller radius. A spiral arm by hand, of all decoys the nearest to a curve, has -0.09 to -0.04,
  a curve of half the radius -0.20 to -0.15, and a circle -0.55 to -0.43. The bound was set on these.

The null holds counterparts against control units, each at its own pose; and members of the counterpart's family at
wrong angles against the unit.

Sizes are rounded to half octaves, so that units share circuits. Beyond `LARGEST` pixels, the circuit is built for that
and is shown everything shrunk (see `shown`): large kernels are slow, and their spec has no other scale than its size.

Source: Cammarata et al., "Curve Circuits", Distill (2021): a net written by hand, compared by feature visualisation,
synthetic stimuli, dataset examples and weights. A correlation of responses is ours.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy.stats import rankdata

from circuitkit.evidence.argument import Argument, Criterion, Subject
from circuitkit.evidence.panel import Panel
from circuitkit.evidence.posing import AWAY, Progress, at_pose
from circuitkit.evidence.shown import Responses, Shown, stimuli
from circuitkit.evidence.statistics import BOOTSTRAPS, CONFIDENCE
from circuitkit.hypothesis import Hypothesis
from circuitkit.spec import Circuit

NAME = "handwritten circuit"

LARGEST = 14.0
"""For which a circuit is built, in pixels."""

SMALLEST = LARGEST / 2
"""Likewise; the Gabors are 7 pixels long."""

Decoys = Mapping[str, Callable[[float], Circuit] | Circuit]
Members = Float[np.ndarray, "stimulus member"]
Each = Float[np.ndarray, " unit"]


def criteria(hypothesis: Hypothesis, *, natural: bool, decoys: bool) -> dict[str, Criterion]:
    """Returns what the numbers must reach."""
    found = {"drawn": Criterion(at_least=0.6, why="one in twenty curve-like units of a shuffled net has 0.58")}
    if natural:
        found["natural"] = Criterion(
            at_least=0.15, why="photographs hold much besides contours; one in twenty shuffled units has 0.17"
        )
    found["tuning_distance"] = Criterion(at_most=0.5, why="at least half of both maps is to be the same")
    if hypothesis.period is not None:
        found["ahead"] = Criterion(at_least=0.0, why="its own member is to be the best one")
    if decoys:
        found["ahead_of_decoys"] = Criterion(at_least=-0.03, why="no circuit for another shape is to agree more")
    return found


def measure(subject: Subject, *, decoys: Decoys | None = None, progress: Progress | None = None) -> Argument:
    """Measures the argument.

    Args:
        subject: The units, with their poses and perhaps natural images.
        decoys: Circuits for other shapes, by name; or functions that write them for a size in pixels.
        progress: Called after each size of the circuit, with the number of stimuli shown to it, and of all.
    """
    said, write = subject.hypothesis, subject.hypothesis.circuit
    claim = f"A circuit written by hand for the {said.name} responds as it does, to drawn and to natural images."
    if write is None:
        return Argument.untested(NAME, claim, f"the hypothesis names no circuit for the {said.name}")
    subjects = (subject, *subject.controls)
    shown, why = stimuli(subjects)
    own = [shown.to(each.probe) for each in subjects]
    steps = [_steps(each) for each in subjects]
    sizes = sorted({float(step) for each in steps for step in each if math.isfinite(step)})
    panels: dict[float, Panel] = {}
    seen = {}
    for number, size in enumerate(sizes):
        built = min(size, LARGEST)
        if built not in panels:
            others = {name: _written(each, built) for name, each in (decoys or {}).items()}
            panels[built] = Panel({_OWN: write(built), **others})
        seen[size] = panels[built], shown.to(panels[built].probe, built / size)
        if progress is not None:
            progress((number + 1) * len(own[0]), len(sizes) * len(own[0]))
    found = [_compare(*each, shown, seen) for each in zip(subjects, own, steps, strict=True)]
    return _argument(subject, claim, shown, own[0], found, why)


def rank_correlation(
    one: Float[np.ndarray, "n unit"], other: Float[np.ndarray, "n member"]
) -> Float[np.ndarray, "unit member"]:
    """Returns Spearman's correlation of every column of one with every column of the other; 0 where one is constant."""
    left, right = _ranks(one), _ranks(other)
    return left.T @ right


def _ranks(values: Float[np.ndarray, "n unit"]) -> Float[np.ndarray, "n unit"]:
    """Returns ranks, equal values sharing theirs, with mean 0 and length 1."""
    ranks = rankdata(values, axis=0) if len(values) else values.astype(float)
    ranks = ranks - ranks.mean(0)
    return ranks / np.maximum(np.linalg.norm(ranks, axis=0), 1e-12)


_OWN = "counterpart"


def _written(circuit: Callable[[float], Circuit] | Circuit, size: float) -> Circuit:
    return circuit if isinstance(circuit, Circuit) else circuit(size)


def _steps(subject: Subject) -> Each:
    """Returns the size that each unit is compared at: its own, to a half octave."""
    size = subject.poses["size"].values.astype(float)
    if subject.hypothesis.size is None:
        # Such a shape is as large as what the unit sees.
        field = subject.probe.receptive_field
        size = np.full(len(size), LARGEST if field is None else field.size[0] / 3)
    return np.maximum(LARGEST * 2 ** (np.round(2 * np.log2(size / LARGEST)) / 2), SMALLEST)


# What is found.


@dataclasses.dataclass(frozen=True, eq=False)
class _Found:
    """What comes of the comparison of some units, each with the panel at its own size; arrays begin with the unit.

    Attributes:
        numbers: By name; NaN for a unit that was not compared.
        counterpart: Responses of each unit's counterpart.
        name: Of each unit's counterpart.
        wrong: Agreement with the members at wrong angles, all of them.
        decoys: Agreement with each decoy's member at the unit's pose, by the decoy's name.
        maps: (angle, size, unit) the responses of the units, and of their counterparts, to the shape.
    """

    numbers: dict[str, Each]
    counterpart: Responses
    name: list[str]
    wrong: list[np.ndarray]
    decoys: dict[str, Each]
    maps: tuple[np.ndarray, np.ndarray]


def _compare(
    subject: Subject, own: Responses, steps: Each, shown: Shown, seen: Mapping[float, tuple[Panel, Members]]
) -> _Found:
    """Compares the units of a subject with the panel at their sizes."""
    said, units = subject.hypothesis, own.shape[1]
    pose = subject.poses.angle.values.astype(float)
    numbers = {name: np.full(units, np.nan) for name in ("agreement", "drawn", "natural", "tuning_distance", "ahead")}
    counterpart, names = np.full(own.shape, np.nan), [""] * units
    wrong: list[np.ndarray] = [np.zeros(0)] * units
    decoys: dict[str, Each] = {}
    for size, (panel, responses) in seen.items():
        which = np.flatnonzero(steps == size)
        if not len(which):
            continue
        drawn, natural = _agreement(shown, own[:, which], responses)
        both = np.nanmean([drawn, natural], axis=0) if shown.natural is not None else drawn
        maps = shown.maps(responses)
        for row, unit in enumerate(which):
            apart = np.abs(said.apart(np.array(panel.angles[_OWN]), pose[unit] if said.period else 0.0))
            member = int(apart.argmin())
            numbers["agreement"][unit] = both[row, member]
            numbers["drawn"][unit], numbers["natural"][unit] = drawn[row, member], natural[row, member]
            counterpart[:, unit] = responses[:, member]
            names[unit] = f"{panel.probe.unit_names[member]}, {size:.3g} pixels"
            if said.period is not None:
                wrong[unit] = both[row, panel.channels[_OWN]][apart >= AWAY * said.period]
                numbers["ahead"][unit] = both[row, member] - wrong[unit].max(initial=-1.0)
            for name, place in panel.channels.items():
                if name != _OWN:
                    at = maps[at_pose(said, shown.angles, pose[[unit]])[:, 0]][..., place].mean((0, 1))
                    decoys.setdefault(name, np.full(units, np.nan))[unit] = both[row, place][at.argmax()]
    if decoys:
        numbers["ahead_of_decoys"] = numbers["agreement"] - np.max(list(decoys.values()), axis=0)
    mine, theirs = shown.maps(own), shown.maps(counterpart)
    numbers["tuning_distance"] = np.abs(_share(mine) - _share(theirs)).sum((0, 1)) / 2
    return _Found(numbers, counterpart, names, wrong, decoys, (mine, theirs))


def _agreement(shown: Shown, one: Responses, other: Members) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rank correlations over drawn and over natural stimuli, (unit, member) each; NaN for none."""
    count = len(shown.drawn)
    drawn = rank_correlation(one[:count], other[:count])
    if shown.natural is None:
        return drawn, np.full(drawn.shape, np.nan)
    return drawn, rank_correlation(one[count:], other[count:])


def _share(maps: Float[np.ndarray, "angle size unit"]) -> Float[np.ndarray, "angle size unit"]:
    total = maps.sum((0, 1))
    return maps / np.where(total > 0, total, np.nan)


def _argument(subject: Subject, claim: str, shown: Shown, own: Responses, found: list[_Found], why: str) -> Argument:
    units = {"unit": list(subject.probe.unit_names)}
    first, natural = found[0], shown.natural is not None
    numbers = {name: ("unit", values) for name, values in first.numbers.items() if natural or name != "natural"}
    draws = [(np.concatenate(first.wrong), "wrong angle")]
    draws += [
        (each.numbers["agreement"], control.probe.net.name)
        for control, each in zip(subject.controls, found[1:], strict=True)
    ]
    null = np.concatenate([values for values, _ in draws])
    control = [name for values, name in draws for _ in values]
    low, high = _interval(shown, own, first.counterpart, subject.seed)
    notes = [
        f"{len(shown.drawn)} drawn stimuli, {len(shown.natural) if shown.natural is not None else 0} natural places; "
        f"sizes to a half octave, circuits for up to {LARGEST:g} pixels."
    ]
    if why:
        notes.append(f"Nothing natural was shown: {why}.")
    return Argument(
        name=NAME,
        claim=claim,
        numbers=xr.Dataset(numbers, coords=units),
        criteria=criteria(subject.hypothesis, natural=natural, decoys=bool(first.decoys)),
        interval=xr.DataArray(
            np.stack([low, high], -1), dims=("unit", "bound"), coords={**units, "bound": ["low", "high"]}
        ),
        null=xr.DataArray(null, dims="draw", coords={"control": ("draw", control)}),
        data=_data(subject, shown, own, first),
        notes=notes,
    )


def _interval(shown: Shown, own: Responses, other: Responses, seed: int) -> tuple[Each, Each]:
    """Returns the ends of 95 % intervals of the agreement, by resampling drawn and natural stimuli; ranks are kept."""
    rng, count = np.random.default_rng(seed), len(shown.drawn)
    parts = [slice(0, count)] if shown.natural is None else [slice(0, count), slice(count, None)]
    draws = []
    for part in parts:
        left, right = _ranks(own[part]), _ranks(np.nan_to_num(other[part]))
        weights = rng.multinomial(len(left), np.full(len(left), 1 / len(left)), BOOTSTRAPS) / len(left)
        products = [weights @ each for each in (left, right, left * right, left**2, right**2)]
        one, two, both, one_squared, two_squared = products
        spread = (one_squared - one**2) * (two_squared - two**2)
        draws.append((both - one * two) / np.sqrt(np.maximum(spread, 1e-30)))
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(np.mean(draws, axis=0), [tail, 100 - tail], axis=0)
    return low, high


def _data(subject: Subject, shown: Shown, own: Responses, found: _Found) -> xr.Dataset:
    """Returns what the figures show."""
    kind = shown.kind + ["natural"] * (len(own) - len(shown.kind))
    said = subject.hypothesis
    sizes = list(said.sizes) if said.size is not None else [math.nan]
    data = xr.Dataset(
        {
            "response": (("stimulus", "unit"), own.astype(np.float32)),
            "counterpart_response": (("stimulus", "unit"), found.counterpart.astype(np.float32)),
            "tuning": (("angle", "size", "unit"), found.maps[0].astype(np.float32)),
            "counterpart_tuning": (("angle", "size", "unit"), found.maps[1].astype(np.float32)),
            "counterpart": ("unit", found.name),
        },
        coords={
            "unit": list(subject.probe.unit_names),
            "kind": ("stimulus", kind),
            "angle": ("angle", shown.angles, {"units": "degrees"}),
            "size": ("size", sizes, {"units": "pixels"}),
        },
        attrs={"hypothesis": said.name, "net": subject.probe.net.name, "layer": subject.probe.layer},
    )
    if found.decoys:
        data["decoy_agreement"] = (("unit", "decoy"), np.stack(list(found.decoys.values()), -1))
        data = data.assign_coords(decoy=list(found.decoys))
    return data
