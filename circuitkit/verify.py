"""Verify: all seven arguments about some units, and what they come to.

    report = ck.verify(net["fire5", [150, 202, 239]], hypothesis.curve(circuit=curves.circuit), images=photographs)
    report.verdict, report.reasons          # "yes", "no" or "open", and why
    report.table                            # pandas: one row an argument
    report.units                            # pandas: one row a unit

**Verdict.** "no" if any argument that could be made fails; "yes" if all seven hold; "open" if none fails and some could
not be made, for want of images, of a handbuilt counterpart, of a later layer, or were not asked for. An argument holds
for several units if it holds for four fifths of them.

**Controls.** The same layer in nets whose kernels are shuffled, and in nets as before training; some of their units,
each at its own best pose, are put through every argument. Both, because each kind is weak where the other is not:
shuffled kernels leave most units of a handbuilt net silent, for there is more inhibition than excitation in them, and
units of untrained nets lean further towards one angle. How many of them each argument would let pass is in the report.

Source: Olah et al., "Zoom In: An Introduction to Circuits", Distill (2020), Curve detectors.
"""

import dataclasses
import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from circuitkit import checks
from circuitkit.controls import shuffled, untrained
from circuitkit.errors import unknown_name
from circuitkit.evidence import (
    dataset,
    handwritten,
    implementation,
    joint,
    posing,
    synthetic,
    use,
    visualization,
)
from circuitkit.evidence.argument import MAJORITY, Argument, Subject
from circuitkit.evidence.files import keep_argument, kept_argument, subject_to_json
from circuitkit.evidence.handwritten import Decoys
from circuitkit.hypothesis import Hypothesis
from circuitkit.probe import Probe
from circuitkit.stimuli import LabelledSet
from circuitkit.stimuli.text import to_json as stimuli_to_json

Progress = Callable[[str, int, int], None]
"""Called with what is being measured, how much of it is done, and how much there is."""

Conclusion = Literal["yes", "no", "open"]

CONTROLS = 2
"""Nets of each kind: with shuffled kernels, and untrained."""

CONTROL_UNITS = 20
"""Units of each of them: 80 controls, of which 5 % are 4."""

FEWEST_UNITS = 20
"""Control units of each kind; of layers with few units, more nets are taken."""

ARGUMENTS: Mapping[str, Callable[[Subject, Decoys, Callable[[int, int], None]], Argument]] = {
    visualization.NAME: lambda subject, _, progress: visualization.measure(subject, progress=progress),
    dataset.NAME: lambda subject, _, progress: dataset.measure(subject, progress=progress),
    synthetic.NAME: lambda subject, _, progress: synthetic.measure(subject, progress=progress),
    joint.NAME: lambda subject, _, progress: joint.measure(subject, progress=progress),
    implementation.NAME: lambda subject, _, progress: implementation.measure(subject, progress=progress),
    use.NAME: lambda subject, _, progress: use.measure(subject, progress=progress),
    handwritten.NAME: lambda subject, decoys, progress: handwritten.measure(subject, decoys=decoys, progress=progress),
}
"""All seven, in the order of Zoom In."""


@dataclasses.dataclass(frozen=True, eq=False)
class Report:
    """What was found about some units.

    Attributes:
        subject: The units, what they are said to detect, and the controls.
        arguments: All seven, by name.
        seconds: What each took.
    """

    subject: Subject
    arguments: Mapping[str, Argument]
    seconds: Mapping[str, float]

    @property
    def verdict(self) -> Conclusion:
        """What the arguments come to."""
        verdicts = [argument.verdict for argument in self.arguments.values()]
        if "fails" in verdicts:
            return "no"
        return "open" if "not tested" in verdicts or set(ARGUMENTS) - set(self.arguments) else "yes"

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the verdict is what it is, in sentences: what failed or is missing, or what held."""
        said = self.subject.hypothesis.name
        found = []
        for name, argument in self.arguments.items():
            if argument.verdict == "not tested":
                found.append(f"{name}: not tested, since {argument.why_untested}.")
            elif argument.verdict == "fails":
                held, count = int(argument.holds.sum()), argument.holds.sizes["unit"]
                worst = str(argument.holds.unit.values[~argument.holds.values][0])
                why = "; ".join(argument.failures(worst)[:2])
                found.append(f"{name}: holds for {held} of {count} units. For {worst}, {why}.")
        found += [f"{name}: not measured." for name in ARGUMENTS if name not in self.arguments]
        if not found:
            found.append(f"All seven arguments hold for at least {MAJORITY:.0%} of the units: they detect a {said}.")
        return tuple(found)

    @property
    def table(self) -> pd.DataFrame:
        """One row an argument: the statistic's median over units, its null, and how many units and controls pass."""
        rows = []
        for name, argument in self.arguments.items():
            row: dict[str, object] = {"argument": name, "verdict": argument.verdict}
            if not argument.why_untested:
                null = argument.null.values[np.isfinite(argument.null.values)]
                row |= {
                    "statistic": str(argument.statistic.name),
                    "median": _median(argument.statistic),
                    "low": _median(argument.interval.sel(bound="low")),
                    "high": _median(argument.interval.sel(bound="high")),
                    "null_median": float(np.median(null)) if len(null) else np.nan,
                    "null_95": float(np.quantile(null, 0.95)) if len(null) else np.nan,
                    "effect": _median(argument.effect),
                    "p": float(np.median(argument.p)),
                    "units_holding": int(argument.holds.sum()),
                    "units": argument.holds.sizes["unit"],
                    "controls": len(null),
                }
            rows.append({**row, "seconds": round(self.seconds.get(name, 0.0), 1)})
        return pd.DataFrame(rows).set_index("argument")

    @property
    def units(self) -> pd.DataFrame:
        """One row a unit: its pose, and for every argument whether it holds, its statistic, and its p."""
        table = pd.DataFrame(
            {
                "angle": self.subject.poses.angle.values,
                self.subject.hypothesis.size or "size": self.subject.poses["size"].values,
            },
            index=pd.Index(self.subject.probe.unit_names, name="unit"),
        )
        for name, argument in self.arguments.items():
            if not argument.why_untested:
                table[name] = argument.holds.values
                table[f"{name}: {argument.statistic.name}"] = argument.statistic.values
                table[f"{name}: p"] = argument.p.values
        tested = [name for name, argument in self.arguments.items() if not argument.why_untested]
        table.insert(0, "holding", table[tested].sum(axis=1))
        return table


def _median(values: xr.DataArray) -> float:
    """Returns the median of what is a number; NaN where nothing is, as an effect beside controls that are all alike."""
    found = values.values[np.isfinite(values.values)]
    return float(np.median(found)) if len(found) else float("nan")


def verify(
    probe: Probe,
    hypothesis: Hypothesis,
    *,
    images: LabelledSet | None = None,
    decoys: Decoys | None = None,
    arguments: Sequence[str] | None = None,
    controls: int = CONTROLS,
    seed: int = 0,
    store: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Puts some units of one layer through the seven arguments.

    Args:
        probe: The units: one, or a family.
        hypothesis: What they are said to detect.
        images: Natural images for the arguments that need them.
        decoys: Handbuilt circuits of other things, or functions of a size that write them, which the handwritten
            circuit has to agree better than.
        arguments: Which ones, by name; all seven if left out.
        controls: How many nets of each kind serve as controls; more, of layers of less than 20 units.
        seed: Of all that is drawn.
        store: A folder that keeps each argument when it is done; the same call goes on from there.
        progress: Called while an argument is measured.

    Raises:
        UnknownNameError: If there is no such argument.
        NetError: If the net's weights cannot be reached, and so there are no controls.
        StoreError: If the store holds arguments about something else.
        CircuitkitError: If the units or images are not fit for it.
    """
    wanted = tuple(ARGUMENTS) if arguments is None else tuple(arguments)
    for name in wanted:
        if name not in ARGUMENTS:
            raise unknown_name("argument", name, ARGUMENTS, owner="the battery")
    checks.whole("verify", "controls", controls)

    def report(title: str) -> Callable[[int, int], None]:
        def inner(done: int, total: int) -> None:
            if progress is not None:
                progress(title, done, total)

        return inner

    subject = _subject(probe, hypothesis, images, controls, seed, report("poses"))
    measured: dict[str, Argument] = {}
    seconds: dict[str, float] = {}
    folder, identity = (None, "") if store is None else (Path(store), _identity(subject, decoys or {}))
    for name in wanted:
        kept = None if folder is None else kept_argument(folder, name, identity=identity)
        if kept is not None:
            measured[name], seconds[name] = kept
            continue
        began = time.perf_counter()
        measured[name] = ARGUMENTS[name](subject, decoys or {}, report(name))
        seconds[name] = time.perf_counter() - began
        if folder is not None:
            keep_argument(folder, measured[name], identity=identity, seconds=seconds[name])
    return Report(subject, measured, seconds)


def _subject(
    probe: Probe,
    hypothesis: Hypothesis,
    images: LabelledSet | None,
    controls: int,
    seed: int,
    progress: Callable[[int, int], None],
) -> Subject:
    """Returns the units with poses, and controls and others with theirs."""
    own = posing.subject(probe, hypothesis, seed=seed, progress=progress)
    rng = np.random.default_rng(seed)
    names = probe.net.unit_names(probe.layer)
    compared = dataclasses.replace(hypothesis, angle=None, at=None)  # a control stands where it stands best
    nulls = []
    for make in (shuffled, untrained):
        for index in range(max(controls, math.ceil(FEWEST_UNITS / len(names)))):
            chosen = sorted(rng.choice(len(names), min(CONTROL_UNITS, len(names)), replace=False).tolist())
            net = make(probe.net, seed + index)
            nulls.append(posing.subject(net[probe.layer, chosen], compared, seed=seed))
    rest = [index for index, name in enumerate(names) if name not in probe.unit_names]
    others = None
    if rest:
        chosen = sorted(rng.choice(rest, min(CONTROL_UNITS, len(rest)), replace=False).tolist())
        others = posing.subject(probe.net[probe.layer, chosen], compared, seed=seed)
    return dataclasses.replace(own, controls=tuple(nulls), others=others, images=images)


def _identity(subject: Subject, decoys: Decoys) -> str:
    """Returns what tells one battery from another. Poses were measured, so they tell other weights as well."""
    images = None if subject.images is None else stimuli_to_json(subject.images)
    said = [subject_to_json(each) for each in (subject, *subject.controls)]
    return hashlib.sha256(json.dumps([said, images, sorted(decoys)]).encode()).hexdigest()
