"""Dataset examples: the natural images that excite a unit most hold the shape, at the unit's own pose.

Of each image the unit's strongest place counts, so that every example is another image; what the unit saw there is cut
out, and a judge that knows nothing of nets (`natural.Judge`) says which pose of the drawn shape matches it best. The
statistic is the **alignment**: the mean cosine of the angle between that pose and the unit's own, a period being a
whole turn, weighted by how well the shape matches. 1 means that every crop holds the shape at the unit's angle, 0 that
crops hold it at any angle, and a unit that likes straight lines gets 0 as well, for they bulge to neither side. For a
shape without an angle the statistic is the likeness, below.

Criteria:

* `alignment` at least 0.7, a mean error of 45 degrees of 360. Units of SqueezeNet 1.1 with shuffled kernels have
  about 0 in the median, one in twenty reaches 0.5, and the best of 240 had 0.72.
* `likeness` at least 0.65: how often one of these crops matches the shape at the unit's pose better than a crop from a
  random place of the same images; 0.5 is chance. Photographs are full of contours, so this is far from 1.
* `dose` at least 0.2: the rank correlation of the match with the response, over examples drawn from all strata of the
  unit's responses, weak ones too. The strongest images alone would not tell a detector from a unit that likes one of
  many shapes best. (0.2 is one-sided p = 0.1 for 40 examples.)
* `bulge` at least 0.3, for curves: the alignment once more, by the angle of an arc fitted to the gradients in closed
  form (`local_geometry`), which needs no drawn shape. It looks as far as the unit's own radius, and takes whatever
  contour is strongest there, so it is less sure than the judge: a second opinion.

`angle_error` is the median of the error in degrees; `size_ratio` the median size of the best match over the unit's own.

The null holds control units with their own strongest images at their own poses, the images of other units in the layer
at the pose of a unit where they prefer another one, and random places of each unit's own images.

Source: Cammarata et al., "Curve Detectors", Distill (2020), Dataset analysis: the quilt by activation and
human labels.
"""

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from circuitkit.errors import ImageError
from circuitkit.evidence.argument import Argument, Criterion, Subject
from circuitkit.evidence.natural import SURE, TOP, Judge, Natural, Reading, at_random, look, responsive
from circuitkit.evidence.posing import Progress, posed_elsewhere
from circuitkit.evidence.statistics import auc, bootstrap
from circuitkit.examples import crops, field_of, strata
from circuitkit.hypothesis import Hypothesis
from circuitkit.local_geometry import local_geometry
from circuitkit.matching import REACH
from circuitkit.stimuli import Curve, LabelledSet

NAME = "dataset examples"

STRATA = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
EACH = 8
CONTROLS = 120
"""Control units, and units of the same layer, that are looked at; drawn at random from those that respond."""

FEWEST = 8
"""Images, below which there is nothing to be said."""

BENT = 0.5
"""Radians; a contour that bends more does not count for more."""


def criteria(hypothesis: Hypothesis) -> dict[str, Criterion]:
    """Returns what the numbers must reach."""
    likeness = Criterion(at_least=0.65, why="a place of the same image drawn at random reaches 0.5")
    dose = Criterion(at_least=0.2, why="weak responses are to hold the shape less than strong ones")
    if hypothesis.period is None:
        return {"likeness": likeness, "dose": dose}
    aligned = Criterion(at_least=0.7, why="the mean error of a cosine of 0.7 is 45 degrees of 360")
    found = {"alignment": aligned, "likeness": likeness, "dose": dose}
    if isinstance(hypothesis.shape, Curve):
        found["bulge"] = Criterion(at_least=0.3, why="an arc fitted without any drawn shape is to bulge the same way")
    return found


def measure(subject: Subject, *, top: int = TOP, progress: Progress | None = None) -> Argument:
    """Measures the argument.

    Args:
        subject: The units, with their poses and natural images.
        top: How many of a unit's strongest images count, at most 16.
        progress: Called after each chunk of the surveys.
    """
    said = subject.hypothesis
    claim = f"The natural images that excite it most hold the {said.name}, at its own pose."
    images = subject.images
    if images is None:
        return Argument.untested(NAME, claim, "there are no natural images")
    if len(images) < FEWEST:
        return Argument.untested(NAME, claim, f"{len(images)} images are too few: at least {FEWEST} are needed")
    if subject.probe.receptive_field is None:
        return Argument.untested(NAME, claim, "a unit sees all of an image, so there is nothing to cut out")
    try:
        natural = look(subject, progress=progress)
    except ImageError as error:
        return Argument.untested(NAME, claim, f"the images are too small: {error}")
    judge = Judge.of(said, field_of(natural.own).size[0])
    if judge.sure < SURE:
        why = f"the judge of crops reads the drawn {said.name} with {judge.sure:.2f} only, of {SURE} wanted"
        return Argument.untested(NAME, claim, why)
    poses = subject.poses
    best = natural.own.isel(rank=slice(0, top))
    seen, elsewhere = crops(best, images), crops(at_random(best, subject.seed), images)
    graded = strata(natural.own, STRATA, each=EACH)
    quilt = crops(graded, images)
    readings = {
        name: judge.read(each.values) for name, each in (("top", seen), ("random", elsewhere), ("quilt", quilt))
    }
    found = _numbers(judge, poses, readings, graded, seen.values)
    null, control = _null(subject, natural, judge, readings["random"], images, top)
    return Argument(
        name=NAME,
        claim=claim,
        numbers=found,
        criteria=criteria(said),
        interval=_interval(judge, poses, readings, subject),
        null=xr.DataArray(null, dims="draw", coords={"control": ("draw", control)}),
        data=_data(judge, poses, best, graded, readings, seen, quilt),
        notes=[
            f"{best.sizes['rank']} of {len(images)} images a unit, one place each; those near the border are left out.",
            f"The judge of crops reads the {said.name} in {len(judge.angles)} angles and {len(judge.sizes)} sizes; on "
            f"drawn ones it reaches {judge.sure:.2f}.",
        ],
    )


def alignment(cosine: Float[np.ndarray, "unit crop"], score: Float[np.ndarray, "unit crop"]) -> np.ndarray:
    """Returns the mean cosine over crops, weighted by how well they match; crops that match nothing do not count."""
    weight = np.maximum(score, 0)
    return (weight * cosine).sum(-1) / np.maximum(weight.sum(-1), 1e-9)


def _statistic(judge: Judge, pose: np.ndarray, top: Reading, random: Reading) -> Float[np.ndarray, " unit"]:
    if judge.hypothesis.period is not None:
        return alignment(judge.aligned(top.angle, pose), top.score)
    return auc(top.score.T, random.score.T)


def _numbers(
    judge: Judge,
    poses: xr.Dataset,
    readings: dict[str, Reading],
    graded: xr.Dataset,
    seen: Float[np.ndarray, "unit rank h w channel"],
) -> xr.Dataset:
    said, pose = judge.hypothesis, poses.angle.values
    top = readings["top"]
    at_pose = {name: judge.at(each.profile, pose) for name, each in readings.items()}
    found = {}
    if said.period is not None:
        found["alignment"] = _statistic(judge, pose, top, readings["random"])
    found["likeness"] = auc(at_pose["top"].T, at_pose["random"].T)
    above = at_pose["quilt"] - readings["quilt"].profile.mean(-1) if said.period is not None else at_pose["quilt"]
    found["dose"] = rank_correlation(graded.response.values, above)
    if isinstance(said.shape, Curve):
        units, ranks = seen.shape[:2]
        reach = min(REACH, 2 * float(np.median(poses["size"])) / min(seen.shape[2:4]))
        fitted = local_geometry(seen.reshape(units * ranks, *seen.shape[2:]), reach=reach)
        angle, weight = (
            each.reshape(units, ranks) for each in (fitted.angle, fitted.confidence * np.minimum(fitted.bend, BENT))
        )
        found["bulge"] = alignment(judge.aligned(angle.astype(float), pose), weight)
    if said.period is not None:
        found["angle_error"] = np.median(np.abs(said.apart(top.angle, pose[:, None])), axis=1)
    if said.size is not None:
        found["size_ratio"] = np.median(top.size, axis=1) / poses["size"].values
    found["match"] = at_pose["top"].mean(1)
    dataset = xr.Dataset({name: ("unit", values) for name, values in found.items()}, coords={"unit": poses.unit.values})
    if "angle_error" in dataset:
        dataset.angle_error.attrs["units"] = "degrees"
    return dataset


def rank_correlation(
    response: Float[np.ndarray, "unit stratum rank"], matched: Float[np.ndarray, "unit stratum rank"]
) -> Float[np.ndarray, " unit"]:
    """Returns Spearman's rank correlation over the examples that there are; 0 where all are alike."""
    found = []
    for one, other in zip(response, matched, strict=True):
        there = np.isfinite(one.ravel())
        ranks = [pd.Series(each.ravel()[there]).rank().to_numpy() for each in (one, other)]
        flat = any(len(each) < 3 or np.ptp(each) == 0 for each in ranks)
        found.append(0.0 if flat else float(np.corrcoef(*ranks)[0, 1]))
    return np.array(found)


def _null(
    subject: Subject, natural: Natural, judge: Judge, random: Reading, images: LabelledSet, top: int
) -> tuple[Float[np.ndarray, " draw"], list[str]]:
    """Returns the statistic of controls, and which control each is."""
    pose, rng = subject.poses.angle.values, np.random.default_rng(subject.seed)
    parts, control = [], []

    def read(seen: xr.Dataset, names: list[str]) -> tuple[Reading, Reading]:
        chosen = seen.sel(unit=names).isel(rank=slice(0, top))
        random = judge.read(crops(at_random(chosen, subject.seed), images).values) if judge.hypothesis.period is None \
            else None  # fmt: skip
        reading = judge.read(crops(chosen, images).values)
        return reading, reading if random is None else random

    each = max(1, CONTROLS // max(1, len(natural.controls)))
    for other, seen in zip(subject.controls, natural.controls, strict=True):
        if names := responsive(seen, each, subject.seed):
            own, random_places = read(seen, names)
            parts.append(_statistic(judge, other.poses.angle.sel(unit=names).values, own, random_places))
            control += [other.probe.net.name] * len(names)
    if subject.others is not None and natural.others is not None:
        names = responsive(natural.others, CONTROLS, subject.seed)
        away = posed_elsewhere(judge.hypothesis, pose, subject.others.poses.angle.sel(unit=names).values)
        chosen = [(name, pose[some]) for name, some in zip(names, away.T, strict=True) if some.any()]
        if kept := [name for name, _ in chosen]:
            own, random_places = read(natural.others, kept)
            posed = np.array([rng.choice(angles) for _, angles in chosen])
            parts.append(_statistic(judge, posed, own, random_places))
            control += ["other units of the layer"] * len(kept)
    if judge.hypothesis.period is not None:
        parts.append(_statistic(judge, pose, random, random))
        control += ["random places"] * len(pose)
    return (np.concatenate(parts) if parts else np.zeros(0)), control


def _interval(judge: Judge, poses: xr.Dataset, readings: dict[str, Reading], subject: Subject) -> xr.DataArray:
    """Returns the interval of the statistic when images are drawn again."""
    top, random, pose = readings["top"], readings["random"], poses.angle.values
    if judge.hypothesis.period is not None:
        samples = np.stack([judge.aligned(top.angle, pose).T, top.score.T])
        ends = bootstrap(np.moveaxis(samples, 1, 0), seed=subject.seed, statistic=lambda some: alignment(some[:, 0].T,
                         some[:, 1].T))  # fmt: skip
    else:
        samples = np.stack([top.score.T, random.score.T], axis=1)
        ends = bootstrap(samples, seed=subject.seed, statistic=lambda some: auc(some[:, 0], some[:, 1]))
    return xr.DataArray(
        np.stack(ends, axis=1),
        dims=("unit", "bound"),
        coords={"unit": poses.unit.values, "bound": ["low", "high"]},
    )


def _data(
    judge: Judge,
    poses: xr.Dataset,
    best: xr.Dataset,
    graded: xr.Dataset,
    readings: dict[str, Reading],
    seen: xr.DataArray,
    quilt: xr.DataArray,
) -> xr.Dataset:
    """Returns the crops as bytes, what was read off them, and the match by stratum."""
    pose, top = poses.angle.values, readings["top"]
    quilted = ("unit", "stratum", "example")
    data = xr.Dataset(
        {
            "crop": (("unit", "rank", "y", "x", "channel"), as_bytes(seen.values)),
            "response": (("unit", "rank"), best.top_response.values),
            "image": (("unit", "rank"), best.top_image.values),
            "angle_of_crop": (("unit", "rank"), top.angle, {"units": "degrees"}),
            "size_of_crop": (("unit", "rank"), top.size, {"units": "pixels"}),
            "score": (("unit", "rank"), top.score),
            "profile": (("unit", "angle"), top.profile.mean(1)),
            "profile_at_random": (("unit", "angle"), readings["random"].profile.mean(1)),
            "quilt": ((*quilted, "y", "x", "channel"), as_bytes(quilt.values)),
            "quilt_response": (quilted, graded.response.values),
            "quilt_match": (quilted, judge.at(readings["quilt"].profile, pose)),
            "stratum_low": (("unit", "stratum"), graded.low.values),
            "stratum_high": (("unit", "stratum"), graded.high.values),
            "angle_of_unit": ("unit", pose, {"units": "degrees"}),
            "size_of_unit": ("unit", poses["size"].values, {"units": "pixels"}),
        },
        coords={"unit": poses.unit.values, "angle": ("angle", judge.angles, {"units": "degrees"})},
        attrs={"hypothesis": judge.hypothesis.name, "crops": "values 0 to 255; all mid grey where there is no example"},
    )
    return data


def as_bytes(images: Float[np.ndarray, "..."]) -> np.ndarray:
    """Returns values of -1 to 1 as bytes."""
    return np.clip(np.round((images + 1) * 127.5), 0, 255).astype(np.uint8)
