"""What an argument is made about, and what comes of it.

A *subject* is some units of one layer, with what they are said to detect and the controls that get the same treatment.
An *argument* is a statistic for each unit with its error bar, the statistic of controls, and strict criteria.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import xarray as xr

from circuitkit.errors import SpecError
from circuitkit.evidence.statistics import CHANCE, effect, p_value
from circuitkit.hypothesis import Hypothesis
from circuitkit.probe import Probe
from circuitkit.stimuli import LabelledSet

Verdict = Literal["holds", "fails", "not tested"]

MAJORITY = 0.8
"""An argument holds for a family if it holds for this share of its units."""


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """Some units of one layer, and what is said of them.

    Attributes:
        probe: The units.
        hypothesis: What they are said to detect.
        poses: Over `unit`: `angle` in degrees and `size` in pixels, at which each unit detects it (NaN where the shape
            has none), said by the hypothesis or measured in a sweep of its own.
        controls: The same layer in nets that learned nothing, each unit at its own measured pose.
        others: Units of the same layer that are not under test, at their own measured poses; None if there are none.
        images: Natural images; None if there are none.
        seed: Of all that is drawn.
    """

    probe: Probe
    hypothesis: Hypothesis
    poses: xr.Dataset
    controls: "tuple[Subject, ...]" = ()
    others: "Subject | None" = None
    images: LabelledSet | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        named = tuple(map(str, self.poses.unit.values))
        if named != self.probe.unit_names or not {"angle", "size"} <= set(self.poses.data_vars):
            raise SpecError(
                f"the poses are {list(self.poses.data_vars)} of units {', '.join(named[:4])}: wanted angle and size of "
                f"the probe's units {', '.join(self.probe.unit_names[:4])}."
            )


@dataclasses.dataclass(frozen=True)
class Criterion:
    """What a number must reach.

    Attributes:
        at_least: The least that will do; None for no such bound.
        at_most: The most that will do; None for no such bound.
        why: Where the bound comes from, in one sentence.
    """

    at_least: float | None = None
    at_most: float | None = None
    why: str = ""

    def met(self, values: xr.DataArray) -> xr.DataArray:
        """Says for each unit whether it is met; NaN meets nothing."""
        met: xr.DataArray = values.notnull() & (abs(values) < np.inf)
        if self.at_least is not None:
            met = met & (values >= self.at_least)
        if self.at_most is not None:
            met = met & (values <= self.at_most)
        return met

    def __str__(self) -> str:
        bounds = [("at least", self.at_least), ("at most", self.at_most)]
        return " and ".join(f"{words} {bound:g}" for words, bound in bounds if bound is not None)


@dataclasses.dataclass(frozen=True, eq=False)
class Argument:
    """One argument about some units.

    Attributes:
        name: Of the argument, such as "synthetic examples".
        claim: What it says, in a sentence.
        numbers: Over `unit`: the statistic first, then all that the criteria are about.
        criteria: What the numbers must reach, by the number's name.
        interval: (unit, bound): the statistic with 95 % confidence, from `low` to `high`.
        null: Over `draw`, with a coordinate `control`: the statistic of the controls.
        data: Behind the figure.
        notes: What a reader should know, in sentences.
        why_untested: Why nothing was measured; empty if it was.
    """

    name: str
    claim: str
    numbers: xr.Dataset
    criteria: Mapping[str, Criterion]
    interval: xr.DataArray
    null: xr.DataArray
    data: xr.Dataset = dataclasses.field(default_factory=xr.Dataset)
    notes: Sequence[str] = ()
    why_untested: str = ""

    def __post_init__(self) -> None:
        if self.why_untested:
            return
        unknown = [name for name in self.criteria if name not in self.numbers.data_vars]
        if unknown or not self.criteria or "control" not in self.null.coords or self.null.dims != ("draw",):
            raise SpecError(
                f"argument {self.name!r} has criteria for {list(self.criteria)} and numbers {list(self.numbers)}, and "
                f"a null over {self.null.dims} with {list(self.null.coords)}: wanted a number for every criterion, at "
                "least one of them, and a null over draw with a coordinate control."
            )

    @classmethod
    def untested(cls, name: str, claim: str, why: str) -> "Argument":
        """Returns an argument that could not be made."""
        nothing = xr.DataArray(np.zeros(0), dims="draw", coords={"control": ("draw", np.zeros(0, str))})
        return cls(name, claim, xr.Dataset(), {}, xr.DataArray(np.zeros((0, 2)), dims=("unit", "bound")), nothing,
                   why_untested=why)  # fmt: skip

    @property
    def statistic(self) -> xr.DataArray:
        """The number that stands for the argument, over `unit`."""
        return self.numbers[next(iter(self.numbers.data_vars))]

    @property
    def p(self) -> xr.DataArray:
        """How often controls reach each unit's statistic."""
        return self.statistic.copy(data=p_value(self.statistic.values, self.null.values))

    @property
    def effect(self) -> xr.DataArray:
        """How far each unit's statistic lies above the controls' mean, in their standard deviations."""
        return self.statistic.copy(data=effect(self.statistic.values, self.null.values))

    @property
    def holds(self) -> xr.DataArray:
        """Says for each unit whether every criterion is met and chance is no explanation."""
        met = self.p <= CHANCE
        for name, criterion in self.criteria.items():
            met = met & criterion.met(self.numbers[name])
        return met

    @property
    def verdict(self) -> Verdict:
        """Whether it holds, for most of the units."""
        if self.why_untested:
            return "not tested"
        return "holds" if float(self.holds.mean()) >= MAJORITY else "fails"

    def failures(self, unit: str) -> list[str]:
        """Returns why the argument fails for a unit, in sentences; nothing if it holds."""
        numbers = self.numbers.sel(unit=unit)
        found = [
            f"{name.replace('_', ' ')} is {float(numbers[name]):.3g}, wanted {criterion}"
            for name, criterion in self.criteria.items()
            if not bool(criterion.met(numbers[name]))
        ]
        if float(self.p.sel(unit=unit)) > CHANCE:
            null = self.null.values[np.isfinite(self.null.values)]
            reached = int((null >= float(numbers[str(self.statistic.name)])).sum())
            few = f", too few for a p of {CHANCE:g}" if 1 / (1 + len(null)) > CHANCE else ""
            found.append(f"{reached} of {len(null)} controls reach its {self.statistic.name}{few}")
        return found
