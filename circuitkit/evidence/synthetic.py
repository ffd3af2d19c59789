"""Synthetic examples: the shape at every angle and size in many looks, against everything that it is not.

The statistic is the **selectivity**: how often a stimulus at the unit's own pose drives it more than one that is not,
whatever either looks like. The positives are the shape within a sixteenth of a period of the unit's angle and one step
of its size; the negatives are the shape a quarter of a period or more away, and every rival at every angle. 0.5 is
chance, 1 means that the worst positive beats the best negative. A strong response in one look makes up for nothing:
a thin stroke in pale orange on noise is compared with a thick white line.

Criteria, each about one way in which a unit may only seem a detector:

* `selectivity` at least 0.95. Of 3,072 units of shuffled and untrained nets (SqueezeNet 1.1, fire4 and fire5) the best
  gets to 0.946, and most are near 0.5.
* `looks_agreeing` at least 0.8: in so many of the looks the preferred angle is the unit's own, to a twelfth of a
  period. Units of untrained nets prefer one angle for thin strokes and another for thick ones.
* `sizes_agreeing` at least 0.6: the same over sizes. A unit that fits one spot of a stroke turns with the size.
* `size_inside`: the preferred size is neither the smallest nor the largest of those tried, so that there is a peak. A
  unit that likes curves the better the straighter they are may be one for lines, and one that likes the smallest best
  may be one for spots.
* `part` at least 0.5: the response to a part of the shape, for a curve a third of its circle, over that to all of it,
  at the unit's pose. What needs the whole circle is no curve detector, though it has the angle and the radius of one.
* `fwhm` at most a third of a period, and `echo` at most 0.35. Distill's 3b curves have 28 to 69 degrees and 0.01, its
  early curves 0.27, and texture or line units 1.
* `to_<rival>` at most 0.9: the mean response to the rival at its best angle, over that to the shape at its pose. For
  lines and for corners Distill's curve units have 0.5 and 0.73.

`invariance` is the lowest, over factors, of the response at the factor's worst level over that at its best.
"""

import math
from collections.abc import Mapping

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from circuitkit.errors import SpecError
from circuitkit.evidence.argument import Argument, Criterion, Subject
from circuitkit.evidence.posing import Progress, Seen, at_pose, away_from_pose, lobe_angle, respond
from circuitkit.evidence.statistics import BOOTSTRAPS, CONFIDENCE
from circuitkit.hypothesis import Hypothesis, levels_of_looks
from circuitkit.tuning import echo, fwhm

NAME = "synthetic examples"

LOOKS = 24

PART = 0.5
"""Of 24 curve units of SqueezeNet 1.1 the least has 0.66, on other looks 0.35, 0.52 and 0.57; a circle detector that
has the rim in its middle, 0.45 to 0.48."""

AGREEING = 1 / 12
"""Share of the period that a preferred angle may be off in one look: 30 of 360 degrees."""


def criteria(hypothesis: Hypothesis) -> dict[str, Criterion]:
    """Returns what the numbers of `numbers` must reach."""
    why = "the best of 3,072 units of nets that learned nothing gets to 0.946"
    found = {"selectivity": Criterion(at_least=0.95, why=why)}
    found["looks_agreeing"] = Criterion(at_least=0.8, why="untrained units turn with the stroke's width")
    if hypothesis.period is not None and hypothesis.size is not None:
        found["sizes_agreeing"] = Criterion(at_least=0.6, why="a unit that fits one spot turns with the size")
    if hypothesis.part is not None:
        found["part"] = Criterion(at_least=PART, why="what needs a whole circle is no curve detector")
    if _is_sized(hypothesis):
        found["size_inside"] = Criterion(at_least=1.0, why="the size it likes best is to be seen, not to lie beyond")
    if hypothesis.period is not None:
        found["fwhm"] = Criterion(at_most=hypothesis.period / 3, why="Distill's curve detectors have 28 to 69 degrees")
        found["echo"] = Criterion(at_most=0.35, why="Distill's early curves have 0.27, and lines 1")
    for name in hypothesis.rivals:
        found[f"to_{name}"] = Criterion(at_most=0.9, why="it is to prefer its own shape, clearly")
    return found


def measure(
    subject: Subject,
    *,
    looks: int = LOOKS,
    replica: bool = False,
    progress: Progress | None = None,
) -> Argument:
    """Measures the argument.

    Args:
        subject: The units, with their poses.
        looks: In how many looks the shape and its rivals are shown.
        replica: With the levels that are kept for replication.
        progress: Called after each chunk of the subject's own stimuli.
    """
    said = subject.hypothesis
    seen = respond(subject.probe, said, looks=looks, seed=subject.seed, replica=replica, progress=progress)
    found = numbers(seen, subject.poses)
    null, control = [], []
    for each in subject.controls:
        other = respond(each.probe, said, looks=looks, seed=subject.seed, replica=replica)
        values = selectivity(other, each.poses).mean((0, 1))
        null.append(values)
        control += [each.probe.net.name] * len(values)
    return Argument(
        name=NAME,
        claim=f"In any look, the {said.name} at the unit's own pose drives it more than all else.",
        numbers=found,
        criteria=criteria(said),
        interval=_interval(selectivity(seen, subject.poses), subject),
        null=xr.DataArray(
            np.concatenate(null) if null else np.zeros(0), dims="draw", coords={"control": ("draw", control)}
        ),
        data=_data(seen, subject.poses, looks, subject.seed, replica),
        notes=[
            f"{seen.shape.sizes['angle']} angles x {seen.shape.sizes['size']} sizes x {looks} looks of the "
            f"{said.name}, and {len(seen.rivals)} rivals.",
            "The pose of every unit was measured on other looks.",
        ],
    )


def numbers(seen: Seen, poses: xr.Dataset) -> xr.Dataset:
    """Returns the statistic and all that the criteria are about, over `unit`."""
    said, angles = seen.hypothesis, seen.shape.angle.values
    pose = poses.angle.values
    shape = seen.shape.values
    own = _at_best_size(shape, seen, poses)  # look, angle, unit
    on = at_pose(said, angles, pose)
    at = np.where(on, own, -np.inf).max(1)  # look, unit: the response at the pose
    level = at.mean(0)
    found = {"selectivity": selectivity(seen, poses).mean((0, 1)), "response": level}
    rivals = {name: responses.values.max(1) for name, responses in seen.rivals.items()}  # look, unit
    if said.period is None:
        best_rival = np.max(list(rivals.values()), axis=0) if rivals else np.zeros_like(at)
        found["looks_agreeing"] = (at > best_rival).mean(0)
    else:
        by_look = shape.mean(2)
        found["looks_agreeing"] = _agreeing(said, by_look, angles, pose).mean(0)
        if said.size is not None:
            found["sizes_agreeing"] = _agreeing(said, np.moveaxis(shape.mean(0), 1, 0), angles, pose).mean(0)
        # Tuning counts over a whole turn; the curve of a shape of shorter period is stretched to one.
        stretched = xr.DataArray(
            shape.mean((0, 2)), dims=("angle", "unit"), coords={"angle": angles * 360 / said.period}
        )
        found["fwhm"] = fwhm(stretched).values * said.period / 360
        found["echo"] = echo(stretched).fillna(1.0).values
    if seen.part is not None:
        alone = np.where(on, _at_best_size(seen.part.values, seen, poses), -np.inf).max(1)
        found["part"] = alone.mean(0) / np.maximum(at[: len(alone)].mean(0), 1e-12)
    if _is_sized(said):
        size, slack = poses["size"].values, 1 + 1e-6  # sizes were logarithms in between
        found["size_inside"] = ((size > said.sizes[0] * slack) & (size * slack < said.sizes[-1])).astype(float)
    safe = np.where(level > 0, level, np.nan)
    for name, responses in rivals.items():
        found[f"to_{name}"] = responses.mean(0) / safe
    dataset = xr.Dataset({name: ("unit", values) for name, values in found.items()}, coords={"unit": seen.shape.unit})
    if "fwhm" in dataset:
        dataset.fwhm.attrs["units"] = "degrees"
    return dataset


def selectivity(seen: Seen, poses: xr.Dataset) -> Float[np.ndarray, "look look unit"]:
    """Returns how often the shape at its pose in one look beats all that it is not in another; equal ones count half.

    The mean over both is the area under the ROC curve, Hanley and McNeil (1982); kept by look, so that looks can be
    drawn again for an interval.

    Returns:
        By the look of the positive and of the negative.
    """
    said, shape = seen.hypothesis, seen.shape.values
    angles, pose = seen.shape.angle.values, poses.angle.values
    on, off = at_pose(said, angles, pose), away_from_pose(said, angles, pose)
    sizes = _near_size(seen, poses)
    looks, units = shape.shape[0], shape.shape[3]
    found = np.full((looks, looks, units), 0.5)
    others = [responses.values for responses in seen.rivals.values()]
    for unit in range(units):
        own = shape[..., unit]
        positive = own[:, on[:, unit]][:, :, sizes[:, unit]].reshape(looks, -1)
        parts = [own[:, off[:, unit]].reshape(looks, -1), *(each[..., unit] for each in others)]
        negative = np.sort(np.concatenate(parts, axis=1), axis=1)
        if not negative.shape[1]:
            raise SpecError(f"hypothesis {said.name!r} has neither an angle nor rivals: there is nothing to prefer.")
        for look in range(looks):
            below, upto = (np.searchsorted(negative[look], positive, side=side) for side in ("left", "right"))
            found[:, look, unit] = (below + upto).mean(1) / (2 * negative.shape[1])
    return found


def _is_sized(said: Hypothesis) -> bool:
    """Says whether the preferred size was measured, and could have been one inside those tried."""
    return said.at is None and len(said.sizes) >= 3


def _near_size(seen: Seen, poses: xr.Dataset) -> Bool[np.ndarray, "size unit"]:
    """Says which sizes count as each unit's own: the nearest one tried, and its neighbours."""
    sizes = seen.shape["size"].values
    if not math.isfinite(sizes[0]):
        return np.ones((1, poses.sizes["unit"]), bool)
    return np.abs(np.arange(len(sizes))[:, None] - _nearest(sizes, poses["size"].values)) <= 1


def _nearest(sizes: Float[np.ndarray, " size"], size: Float[np.ndarray, " unit"]) -> np.ndarray:
    return np.abs(np.log(sizes)[:, None] - np.log(size)).argmin(0)


def _at_best_size(
    shape: Float[np.ndarray, "look angle size unit"], seen: Seen, poses: xr.Dataset
) -> Float[np.ndarray, "look angle unit"]:
    sizes = seen.shape["size"].values
    if not math.isfinite(sizes[0]):
        return shape[:, :, 0]
    which = _nearest(sizes, poses["size"].values)
    return np.take_along_axis(shape, which[None, None, None, :], axis=2)[:, :, 0]


def _agreeing(
    said: Hypothesis,
    curves: Float[np.ndarray, "case angle unit"],
    angles: Float[np.ndarray, " angle"],
    pose: Float[np.ndarray, " unit"],
) -> Bool[np.ndarray, "case unit"]:
    """Says in which cases a unit prefers its own angle. In silence it prefers none."""
    period = said.period or 360.0
    preferred = lobe_angle(np.moveaxis(curves, 1, 0), angles, period)
    return (np.abs(said.apart(preferred, pose)) <= AGREEING * period) & (curves.max(1) > 0)


def _interval(pairs: Float[np.ndarray, "look look unit"], subject: Subject) -> xr.DataArray:
    """Returns the interval of the selectivity when looks are drawn again (percentile bootstrap)."""
    rng, looks = np.random.default_rng(subject.seed), len(pairs)
    drawn = rng.integers(0, looks, (BOOTSTRAPS, looks))
    weight = np.stack([np.bincount(each, minlength=looks) for each in drawn]) / looks
    values = np.einsum("bi,iju,bj->bu", weight, pairs, weight, optimize=True)
    tail = 100 * (1 - CONFIDENCE) / 2
    return xr.DataArray(
        np.percentile(values, [tail, 100 - tail], axis=0).T,
        dims=("unit", "bound"),
        coords={"unit": list(subject.probe.unit_names), "bound": ["low", "high"]},
    )


def _data(seen: Seen, poses: xr.Dataset, looks: int, seed: int, replica: bool) -> xr.Dataset:
    """Returns what the figure shows: tuning over angle and size, rivals, and the indices of invariance."""
    said = seen.hypothesis
    on = at_pose(said, seen.shape.angle.values, poses.angle.values)
    at = np.where(on, _at_best_size(seen.shape.values, seen, poses), -np.inf).max(1)  # look, unit
    factors: Mapping[str, list[int]] = levels_of_looks(said.replica if replica else said.factors, looks, seed)
    index = []
    for levels in factors.values():
        means = np.stack([at[np.asarray(levels) == level].mean(0) for level in sorted(set(levels))])
        index.append(means.min(0) / np.maximum(means.max(0), 1e-12))
    data = xr.Dataset(
        {
            "tuning": (("angle", "size", "unit"), seen.shape.values.mean(0)),
            "at_pose": (("look", "unit"), at),
            "invariance": (("factor", "unit"), np.stack(index)),
            "angle_of_unit": ("unit", poses.angle.values, {"units": "degrees"}),
            "size_of_unit": ("unit", poses["size"].values, {"units": "pixels"}),
        },
        coords={
            "angle": ("angle", seen.shape.angle.values, {"units": "degrees"}),
            "size": ("size", seen.shape["size"].values, {"units": "pixels"}),
            "unit": seen.shape.unit.values,
            "factor": list(factors),
        },
    )
    for name, responses in seen.rivals.items():
        data[f"rival_{name}"] = (("angle_of_rival", "unit"), responses.values.mean(0))
    return data.assign_coords(angle_of_rival=next(iter(seen.rivals.values())).angle.values) if seen.rivals else data
