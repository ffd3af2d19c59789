"""Compare: two probes under one battery, unit by unit: handbuilt beside trained, or one net beside another.

    found = ck.compare(handbuilt["curves"], trained["fire5", units], hypothesis.curve()) found.table         # pandas:
    the numbers of both, medians over units found.pairs         # pandas: each unit of the first, the unit of the second
    that stands nearest, and how alike they are

Both are shown the same stimuli: the shape at all angles and sizes and every rival, in the same looks. A unit of the
first is paired with the unit of the second whose pose is nearest, and their tuning maps over angle and size are
compared: by correlation, and by distance, half of the absolute difference of the maps, each as a share of its sum (0
the same map, 1 no overlap). What two units have in common for being detectors of any pose is in the **null**: the same
comparison of pairs drawn at random.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float, Int

from circuitkit import checks
from circuitkit.evidence import synthetic
from circuitkit.evidence.posing import POSING_LOOKS, POSING_SEED, poses, respond
from circuitkit.evidence.statistics import p_value
from circuitkit.find import LOOKS
from circuitkit.hypothesis import Hypothesis
from circuitkit.probe import Probe

Progress = Callable[[str, int, int], None]
"""Called with the net and layer, the number of stimuli done, and the number of all."""

RANDOM = 1000
"""Pairs drawn at random."""


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """What two probes have in common.

    Attributes:
        hypothesis: What both were held against. names: Of both: layer and net. numbers: Of both, over `unit`: all
        numbers of the argument from synthetic examples, `angle`, `size`, `holds`, and
            `tuning` (angle, size, unit) over its largest.
        pairs: A row for each unit of the first: `unit`, `other`, the difference of their angles in degrees and of their
            sizes in octaves, `correlation` and `distance` of their tuning maps.
        null: The same correlation and distance of pairs drawn at random.
    """

    hypothesis: Hypothesis
    names: tuple[str, str]
    numbers: tuple[xr.Dataset, xr.Dataset]
    pairs: pd.DataFrame
    null: pd.DataFrame

    @property
    def table(self) -> pd.DataFrame:
        """Medians over the units of each, a column a probe; first how many units there are, and detect the shape."""
        columns = {}
        for name, numbers in zip(self.names, self.numbers, strict=True):
            said: dict[str, float] = {"units": numbers.sizes["unit"], "units found": int(numbers.holds.sum())}
            for key, values in numbers.data_vars.items():
                if values.dims == ("unit",) and key not in ("holds", "angle", "size"):
                    finite = values.values[np.isfinite(values.values)]
                    said[str(key)] = float(np.median(finite)) if len(finite) else math.nan
            columns[name] = said
        return pd.DataFrame(columns)

    @property
    def p(self) -> float:
        """How often pairs drawn at random are as alike as pairs by pose are in the median."""
        if not len(self.pairs):
            return 1.0
        median = np.array([float(self.pairs.correlation.median())])
        return float(p_value(median, self.null.correlation.to_numpy(float))[0])


def compare(
    a: Probe,
    b: Probe,
    hypothesis: Hypothesis,
    *,
    looks: int = LOOKS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Comparison:
    """Holds two probes against one hypothesis, on the same stimuli.

    Args:
        a: Units; each of them is paired.
        b: Units; one of them may be in several pairs.
        hypothesis: What both are held against.
        looks: In how many looks the shape and its rivals are shown.
        seed: Of the looks, and of the pairs drawn at random.
        progress: Called after each chunk.
    """
    checks.whole("compare", "looks", looks)
    names = (f"{a.layer} of {a.net.name}", f"{b.layer} of {b.net.name}")
    if names[0] == names[1]:
        names = (f"{names[0]} (first)", f"{names[1]} (second)")
    measured = []
    for name, probe in zip(names, (a, b), strict=True):

        def report(done: int, total: int, name: str = name) -> None:
            if progress is not None:
                progress(name, done, total)

        measured.append(_measured(probe, hypothesis, looks, seed, report))
    first, second = measured
    other = nearest(first, second, hypothesis)
    pairs = pd.DataFrame(
        {
            "unit": first.unit.values,
            "other": second.unit.values[other],
            "angle": first.angle.values,
            "angle_apart": np.abs(hypothesis.apart(second.angle.values[other], first.angle.values)),
            "octaves_apart": np.abs(np.log2(second["size"].values[other] / first["size"].values)),
            **_alike(first, second, np.arange(len(other)), other),
        }
    )
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(0, first.sizes["unit"], RANDOM), rng.integers(0, second.sizes["unit"], RANDOM))
    return Comparison(hypothesis, names, (first, second), pairs, pd.DataFrame(_alike(first, second, *drawn)))


def nearest(first: xr.Dataset, second: xr.Dataset, hypothesis: Hypothesis) -> Int[np.ndarray, " unit"]:
    """Returns which unit of the second stands nearest to each of the first: by angle, then by size.

    An octave of size counts as much as a sixteenth of the period, 22.5 of 360 degrees: detectors are that much broader
    in size than in angle. Where the shape has neither angle nor size, it is the unit that responds most.
    """
    count = (first.sizes["unit"], second.sizes["unit"])
    away = np.zeros(count)
    if hypothesis.period is not None:
        apart = hypothesis.apart(second.angle.values[None], first.angle.values[:, None])
        away = away + np.abs(apart) * 16 / hypothesis.period
    if hypothesis.size is not None:
        away = away + np.abs(np.log2(second["size"].values[None] / first["size"].values[:, None]))
    # Of units that stand alike, the stronger one.
    ranks = np.argsort(np.argsort(-second.response.values, kind="stable"), kind="stable")
    return np.asarray((away + 1e-6 * ranks).argmin(1))


def _measured(probe: Probe, said: Hypothesis, looks: int, seed: int, report: Callable[[int, int], None]) -> xr.Dataset:
    stand = poses(respond(probe, said, looks=POSING_LOOKS, seed=seed + POSING_SEED, rivals=False))
    seen = respond(probe, said, looks=looks, seed=seed, progress=report)
    numbers = synthetic.numbers(seen, stand)
    holds = np.ones(numbers.sizes["unit"], bool)
    for name, criterion in synthetic.criteria(said).items():
        holds &= criterion.met(numbers[name]).values
    tuning = seen.shape.mean("look")
    most = tuning.max(("angle", "size"))
    return numbers.assign(
        angle=stand["angle"],
        size=stand["size"],
        holds=("unit", holds),
        tuning=xr.DataArray(
            (tuning / most.where(most > 0, 1)).values,
            dims=("shown_angle", "shown_size", "unit"),
            coords={"shown_angle": tuning.angle.values, "shown_size": tuning["size"].values},
        ),
    )


def _alike(
    first: xr.Dataset, second: xr.Dataset, one: Int[np.ndarray, " pair"], other: Int[np.ndarray, " pair"]
) -> dict[str, Float[np.ndarray, " pair"]]:
    """Returns correlation and distance of the tuning maps of pairs; 0 and 1 with a unit that is silent."""
    maps = [each.tuning.transpose("unit", ...).values.reshape(each.sizes["unit"], -1) for each in (first, second)]
    centred = [each - each.mean(1, keepdims=True) for each in maps]
    scaled = [each / np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1e-12) for each in centred]
    shares = [each / np.maximum(each.sum(1, keepdims=True), 1e-12) for each in maps]
    silent = (maps[0].sum(1) == 0)[one] | (maps[1].sum(1) == 0)[other]
    distance = 0.5 * np.abs(shares[0][one] - shares[1][other]).sum(1)
    return {
        "correlation": (scaled[0][one] * scaled[1][other]).sum(1),
        "distance": np.where(silent, 1.0, distance),
    }
