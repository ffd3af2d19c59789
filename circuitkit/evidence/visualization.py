"""Feature visualization: the image that excites a unit most holds the shape, at the unit's own pose.

The image is found by gradient ascent from several starts, and then read by a judge that knows nothing of nets
(`natural.Judge`): it compares the directions of the image's contours with those of the drawn shape at all its angles,
whatever the polarity. The statistic is the **contrast**: how well the shape matches at the unit's own angle, less how
well it does on average a quarter of a period or more away. For a shape without an angle, the match with rivals takes
the place of the latter. An image that its unit does not respond to shows nothing, and counts as 0.

Criteria (numbers for SqueezeNet 1.1, fire5, a curve):

* `contrast` at least 0.1. Of 60 units of shuffled nets none reaches it; of the 17 most curve-like units 15 do, and half
  of them 0.28.
* `match` at least 0.2 at the unit's own pose: the image holds the whole shape, and not just contours that run its
  way. Shuffled nets stay below 0.18.
* `angle_error` at most a twelfth of the period: 30 degrees for a curve, as for synthetic examples. It is that of the
  best match of all starts together.
* `starts_agreeing` at least two thirds: in so many images by itself the best match is the unit's own, to an eighth of
  the period. An accident of one start is not a feature of the unit.

The null holds control units, each with its own images at its own pose, and images of other units of the layer at the
pose of each unit under test, of those that prefer another one: a layer full of curves is not to pass as this curve.

Source: Olah, Mordvintsev, Schubert, "Feature Visualization", Distill (2017); Cammarata et al., "Curve Detectors",
Distill (2020), Feature visualization, where the images are judged by eye.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from scipy import stats

from circuitkit import checks
from circuitkit.evidence.argument import Argument, Criterion, Subject
from circuitkit.evidence.natural import SHIFT, SURE, Judge, Reading
from circuitkit.evidence.posing import Progress, posed_elsewhere
from circuitkit.evidence.statistics import CONFIDENCE
from circuitkit.hypothesis import Hypothesis
from circuitkit.matching import match
from circuitkit.visualize import visualize

NAME = "feature visualization"

STARTS = 3

STEPS = 128
"""Of the ascent: responses go on rising after these, but the images match no better (fire5: 0.335; 0.331 at 256)."""

AWAY = 1 / 4
"""Share of the period from which on an angle is another one."""

OFF, OFF_ALONE = 1 / 12, 1 / 8
"""Shares of the period by which the best angle may be off: of all starts together, and of one by itself."""

SHOWN = 8
"""Controls whose images are kept: those with the largest statistic."""


def criteria(hypothesis: Hypothesis) -> dict[str, Criterion]:
    """Returns what the numbers must reach."""
    found = {
        "contrast": Criterion(at_least=0.1, why="of 60 units of shuffled nets none reaches it"),
        "match": Criterion(at_least=0.2, why="images of shuffled nets stay below 0.18"),
    }
    if hypothesis.period is not None:
        found["angle_error"] = Criterion(
            at_most=OFF * hypothesis.period, why="the image is to hold the unit's own pose"
        )
        found["starts_agreeing"] = Criterion(at_least=2 / 3, why="an accident of one start is no feature of the unit")
    return found


def measure(
    subject: Subject, *, starts: int = STARTS, steps: int = STEPS, progress: Progress | None = None
) -> Argument:
    """Measures the argument.

    Args:
        subject: The units, with their poses.
        starts: Images of each unit, control and other unit; at least 2, for an interval.
        steps: Of the ascent.
        progress: Called with the number of steps of the optimiser done, and the number of all.

    Raises:
        SpecError: If `starts` is no whole number of at least 2, or `steps` none of at least 1.
        ImageError: If a unit sees all of an image, and the net was made for no size.
    """
    checks.whole(NAME, "starts", starts, at_least=2)
    said, site = subject.hypothesis, subject.probe.site()
    claim = f"The image that excites a unit most holds the {said.name}, at the unit's own pose."
    judge = Judge.of(said, min(site.height, site.width))
    if judge.sure < SURE:
        why = f"the judge of images reads a drawn {said.name} no better than {judge.sure:.2f} of 1; {SURE:g} is wanted"
        return Argument.untested(NAME, claim, why)
    everyone = [subject, *subject.controls, *([] if subject.others is None else [subject.others])]
    counts = [len(each.probe.unit_names) for each in everyone]

    seen = []
    for number, each in enumerate(everyone):

        def report(done: int, total: int, number: int = number) -> None:
            if progress is not None:
                batches = [total * count // counts[number] for count in counts]
                progress(sum(batches[:number]) + done, sum(batches))

        images = visualize(each.probe, seeds=starts, steps=steps, seed=subject.seed, progress=report)
        seen.append(_Seen.of(judge, images))
    own, controls = seen[0], seen[1 : 1 + len(subject.controls)]
    pose = subject.poses.angle.values
    null = [
        look.contrast(each.poses.angle.values).mean(1) for look, each in zip(controls, subject.controls, strict=True)
    ]
    names = [each.probe.net.name for each in subject.controls]
    if subject.others is not None:
        at_each = pose if said.period is not None else pose[:1]
        away = posed_elsewhere(said, at_each, subject.others.poses.angle.values)
        contrasts = [seen[-1].contrast(np.full(counts[-1], angle)).mean(1) for angle in at_each]
        null.append(np.stack(contrasts)[away])
        names.append("other units of the layer")
    contrast = own.contrast(pose)
    return Argument(
        name=NAME,
        claim=claim,
        numbers=_numbers(own, subject),
        criteria=criteria(said),
        interval=_interval(contrast, subject),
        null=xr.DataArray(
            np.concatenate([np.zeros(0), *null]),
            dims="draw",
            coords={"control": ("draw", np.repeat(np.array(names, str), [len(values) for values in null]))},
        ),
        data=_data(own, controls, null, subject),
        notes=[
            f"{starts} images of {site.height}x{site.width} pixels a unit, {steps} steps each.",
            f"The judge tries {len(judge.angles)} angles and {len(judge.sizes)} sizes, up to {SHIFT} pixels off the "
            f"middle, {'with' if judge.signed else 'without'} regard to polarity.",
        ],
    )


@dataclasses.dataclass(frozen=True, eq=False)
class _Seen:
    """Images of some units, read.

    Attributes:
        judge: Who read them.
        images: (unit, seed, y, x, channel).
        reading: Of each image.
        awake: Which images their units respond to.
        rivals: For a shape without an angle, how well each image matches rivals, on average; else 0.
    """

    judge: Judge
    images: xr.DataArray
    reading: Reading
    awake: Bool[np.ndarray, "unit seed"]
    rivals: Float[np.ndarray, "unit seed"]

    @classmethod
    def of(cls, judge: Judge, images: xr.DataArray) -> "_Seen":
        side, said = judge.templates.shape[1], judge.hypothesis
        top, left = ((images.sizes[dim] - side) // 2 for dim in ("y", "x"))
        square = images.values[:, :, top : top + side, left : left + side]
        rivals = np.zeros(square.shape[:2])
        if said.period is None and said.rivals:
            flat = square.reshape(-1, *square.shape[2:])
            each = [
                match(flat, drawn.images(side), shift=SHIFT, signed=judge.signed).max(1)
                for drawn in said.rival_stimuli(8, looks=1).values()
            ]
            rivals = np.mean(each, axis=0).reshape(rivals.shape)
        return cls(judge, images, judge.read(square), images.response.values > 0, rivals)

    def match(self, pose: Float[np.ndarray, " unit"]) -> Float[np.ndarray, "unit seed"]:
        """Returns how well each image matches the shape at an angle for each unit."""
        return np.where(self.awake, self.judge.at(self.reading.profile, pose), 0.0)

    def contrast(self, pose: Float[np.ndarray, " unit"]) -> Float[np.ndarray, "unit seed"]:
        """Returns by how much it matches better than elsewhere."""
        said, elsewhere = self.judge.hypothesis, self.rivals
        if said.period is not None:
            away = np.abs(said.apart(self.judge.angles, pose[:, None])) >= AWAY * said.period
            elsewhere = np.einsum("usa,ua->us", self.reading.profile, away) / away.sum(1, keepdims=True)
        return np.where(self.awake, self.match(pose) - elsewhere, 0.0)


def _numbers(own: _Seen, subject: Subject) -> xr.Dataset:
    """Returns the statistic and all that the criteria are about, over `unit`."""
    said, judge, pose = subject.hypothesis, own.judge, subject.poses.angle.values
    found = {"contrast": own.contrast(pose).mean(1), "match": own.match(pose).mean(1)}
    if said.period is not None:
        best = judge.angles[own.reading.profile.mean(1).argmax(1)]
        found["angle_error"] = np.abs(said.apart(best, pose))
        off = np.abs(said.apart(own.reading.angle, pose[:, None]))
        found["starts_agreeing"] = ((off <= OFF_ALONE * said.period) & own.awake).mean(1)
    found["response"] = own.images.response.values.mean(1)
    dataset = xr.Dataset(
        {name: ("unit", values) for name, values in found.items()}, coords={"unit": list(subject.probe.unit_names)}
    )
    if "angle_error" in dataset:
        dataset.angle_error.attrs["units"] = "degrees"
    return dataset


def _interval(contrast: Float[np.ndarray, "unit start"], subject: Subject) -> xr.DataArray:
    """Returns the interval of the mean over starts, after Student: too few of them to be drawn again."""
    starts = contrast.shape[1]
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, starts - 1) * contrast.std(1, ddof=1) / np.sqrt(starts)
    return xr.DataArray(
        contrast.mean(1)[:, None] + reach[:, None] * np.array([-1.0, 1.0]),
        dims=("unit", "bound"),
        coords={"unit": list(subject.probe.unit_names), "bound": ["low", "high"]},
    )


def _data(own: _Seen, controls: Sequence[_Seen], null: Sequence[np.ndarray], subject: Subject) -> xr.Dataset:
    """Returns what the figure shows: images and how they match, the shape as each unit wants it, and control images."""
    said, judge, poses = subject.hypothesis, own.judge, subject.poses
    side = judge.templates.shape[1]
    drawn = []
    for angle, size in zip(poses.angle.values, poses["size"].values, strict=True):
        values = {} if said.period is None else {"angle": float(angle)}
        if said.size is not None:
            values[said.size] = float(size)
        drawn.append(np.asarray(said.shape.with_values(values).draw(side)).mean(-1))
    data = xr.Dataset(
        {
            "image": own.images.drop_vars("response"),
            "response": (("unit", "seed"), own.images.response.values),
            "profile": (("unit", "seed", "angle"), own.reading.profile),
            "best_angle": (("unit", "seed"), own.reading.angle, {"units": "degrees"}),
            "best_size": (("unit", "seed"), own.reading.size, {"units": "pixels"}),
            "shape": (("unit", "shape_y", "shape_x"), np.stack(drawn)),
            "angle_of_unit": ("unit", poses.angle.values, {"units": "degrees"}),
            "size_of_unit": ("unit", poses["size"].values, {"units": "pixels"}),
        },
        coords={"angle": ("angle", judge.angles, {"units": "degrees"})},
        attrs=own.images.attrs,
    )
    if controls:
        contrast = np.concatenate(null[: len(controls)])
        top = np.argsort(-contrast)[:SHOWN]
        images = np.concatenate([each.images.values[:, 0] for each in controls])
        names = np.concatenate([each.images.unit.values for each in controls])
        data["control_image"] = (("control", "y", "x", "channel"), images[top])
        data["control_contrast"] = ("control", contrast[top])
        data = data.assign_coords(control=[str(name) for name in names[top]])
    return data
