"""Joint tuning: what happens to all members of a family at once when a shape is turned, drawn or in a photograph.

The strongest natural images of every unit are cut out and turned over a whole period, each about the middle of the
receptive field; all units are read at every step. Which way the contour in a crop stands before it is turned, a judge
says that knows nothing of nets (`natural.Judge`), so that responses to all crops can be put over one axis: the angle at
which the contour stands. That gives each unit a tuning curve from photographs, beside the one from drawn shapes.

The statistic is **tuned**: the mean cosine of the angle between the contour in a photograph and the unit's peak among
drawn shapes, weighted by the response over the turn of each photograph, and then averaged over photographs; one to
which the unit is silent counts as 0. 1 for a unit that responds to every contour at the very angle that it prefers in
drawings, and at no other; 0 for one that does not care, or whose echo is as strong as its response. (Pooling responses
before the mean would be blind to silence: units of shuffled nets that respond to one photograph in twenty, at one
angle, reach 0.98 by chance.)

Criteria:

* `tuned` at least 0.3. Of the units of shuffled nets, shown the same photographs (SqueezeNet 1.1, two layers), 95 %
  stay below 0.23, and the best has 0.39. A bump of Distill's width (50 degrees) without an echo has 0.95, but
  photographs hold other contours as well, and not every one of them suits every unit.
* `peak_error` at most an eighteenth of the period, 20 of 360 degrees: between the peaks from photographs and drawings.
  Distill's nine units differ by 6 degrees on average, and 15 at most.
* `echo` at most 0.6: the response to photographs around half a period from the peak, over the peak.

The family is described in `data`, since a family with gaps is still one of detectors: the angle from each peak to the
next, the height at which each unit's curve crosses the next one's, how well the family covers the turn, whether the
peaks from photographs come in the order of those from drawings, and how alike tuning curves are at what distance.
`permuted` is how often the peaks of units paired at random agree as well as those of the same unit.

Source: Cammarata et al., "Curve Detectors", Distill (2020), Joint tuning curves. There all responses are aligned by
those of one unit; here by the judge, so that a single unit can be tested, and no unit decides for another.
"""

import math

import numpy as np
import xarray as xr
from jaxtyping import Float

from circuitkit.errors import ImageError
from circuitkit.evidence.argument import Argument, Criterion, Subject
from circuitkit.evidence.natural import ANGLES, SURE, Judge, look
from circuitkit.evidence.posing import Progress, lobe_angle, respond
from circuitkit.evidence.statistics import bootstrap
from circuitkit.examples import crops, field_of
from circuitkit.hypothesis import Hypothesis
from circuitkit.probe import Probe
from circuitkit.stimuli import LabelledSet
from circuitkit.stimuli.photographs import pictures
from circuitkit.sweep import tune
from circuitkit.tuning import coverage, echo, fwhm

NAME = "joint tuning"

LOOKS = 4
CROPS = 96
"""Photographs that are turned, of all units together."""

MOST, LEAST = 12, 2
"""Photographs of each unit."""

FEWEST = 4
"""Photographs, below which there is nothing to be said."""

PERMUTATIONS = 1000


def criteria(hypothesis: Hypothesis) -> dict[str, Criterion]:
    """Returns what the numbers must reach."""
    error = (hypothesis.period or 360.0) / 18
    return {
        "tuned": Criterion(at_least=0.3, why="95 % of units of shuffled nets stay below 0.23 on the same photographs"),
        "peak_error": Criterion(at_most=error, why="Distill's units differ by 15 of 360 degrees at most"),
        "echo": Criterion(at_most=0.6, why="the opposite shape is not to be mistaken for its own"),
    }


def measure(subject: Subject, *, most: int = CROPS, progress: Progress | None = None) -> Argument:
    """Measures the argument.

    Args:
        subject: The units, with their poses and natural images.
        most: How many photographs are turned, of all units together.
        progress: Called after each chunk of the surveys.
    """
    said = subject.hypothesis
    claim = f"Turning the {said.name}, drawn or in a photograph, leads each unit to its own peak."
    if said.period is None:
        return Argument.untested(NAME, claim, f"the {said.name} has no angle")
    if subject.images is None:
        return Argument.untested(NAME, claim, "there are no natural images")
    if subject.probe.receptive_field is None:
        return Argument.untested(NAME, claim, "a unit sees all of an image, so there is nothing to cut out")
    try:
        natural = look(subject, progress=progress)
    except ImageError as error:
        return Argument.untested(NAME, claim, f"the images are too small: {error}")
    side = field_of(natural.own).size[0]
    shown, chosen_by = _turnable(natural.own, subject.images, most)
    if len(shown) < FEWEST:
        why = f"{len(shown)} images hold a place that excites a unit, with enough around it to be turned"
        return Argument.untested(NAME, claim, f"{why}: wanted {FEWEST}. Give more or larger images")
    judge = Judge.of(said, side)
    if judge.sure < SURE:
        why = f"the judge of crops reads the drawn {said.name} with {judge.sure:.2f} only, of {SURE} wanted"
        return Argument.untested(NAME, claim, why)
    margin = (shown.shape[1] - side) // 2
    read = judge.read(shown[:, margin : margin + side, margin : margin + side])
    weight = np.maximum(read.score, 0)
    turned = pictures(shown).vary(angle=tuple(judge.angles))

    def curves(probe: Probe) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        drawn = respond(probe, said, looks=LOOKS, seed=subject.seed, angles=ANGLES, rivals=False)
        synthetic = drawn.shape.values.mean((0, 2))
        responses = np.maximum(tune(probe, turned).transpose("image", "angle", "unit").values, 0).astype(float)
        return synthetic, lobe_angle(synthetic, judge.angles, judge_period), _over_angle(responses, read.angle, judge)

    judge_period = said.period
    synthetic, peak, each = curves(subject.probe)
    found = _numbers(judge, subject, each, weight, peak)
    null, control = [], []
    for other in subject.controls:
        _, its_peak, its_curves = curves(other.probe)
        values = tuned(its_curves, weight, judge.angles, its_peak, said.period)
        null.append(np.where(its_curves.max((0, 1)) > 0, values, np.nan))  # a dead unit is no control
        control += [other.probe.net.name] * len(values)
    return Argument(
        name=NAME,
        claim=claim,
        numbers=found,
        criteria=criteria(said),
        interval=_interval(judge, subject, each, weight, peak),
        null=xr.DataArray(
            np.concatenate(null) if null else np.zeros(0), dims="draw", coords={"control": ("draw", control)}
        ),
        data=_data(judge, subject, synthetic, each, weight, found, shown, read.angle, chosen_by),
        notes=[
            f"{len(shown)} photographs in {len(judge.angles)} steps over {said.period:g} degrees, all units at each.",
            "Controls were shown the same photographs.",
            "Photographs so near to the border that turning them would show what lies beyond are left out.",
        ],
    )


def _turnable(seen: xr.Dataset, images: LabelledSet, most: int) -> tuple[Float[np.ndarray, "crop h w 3"], np.ndarray]:
    """Returns the strongest places of each unit with as much around them as turning shows, and whose they are."""
    field = field_of(seen)
    sides = [side + 2 * math.ceil((math.sqrt(2) - 1) * max(field.size) / 2 + 1) for side in field.size]
    row, column = seen.image_row.transpose("unit", "image").values, seen.image_column.transpose("unit", "image").values
    centres = [first + stride * place for first, stride, place in
               zip(field.first, field.stride, (row, column), strict=True)]  # fmt: skip
    inside = np.ones(row.shape, bool)
    for centre, side, whole in zip(centres, sides, seen.attrs["image_size"], strict=True):
        inside &= (centre - (side - 1) / 2 >= 0) & (centre + (side - 1) / 2 <= whole - 1)
    response = np.where(inside, seen.image_response.transpose("unit", "image").values, 0)
    count = max(LEAST, min(MOST, most // len(response)))
    best = np.argsort(-response, axis=1, kind="stable")[:, :count]
    chosen, each = (response[np.arange(len(response))[:, None], best] > 0), np.arange(len(response))[:, None]
    examples = xr.Dataset(
        {
            "image": (("unit", "rank"), np.where(chosen, seen.image.values[best], -1)),
            "y": (("unit", "rank"), centres[0][each, best]),
            "x": (("unit", "rank"), centres[1][each, best]),
        },
        coords={"unit": seen.unit.values},
        attrs={**seen.attrs, "field_size": sides},
    )
    units, ranks = np.nonzero(chosen)
    found = crops(examples, images).values[units, ranks] if len(units) else np.zeros((0, *sides, 3), np.float32)
    return np.broadcast_to(found, (*found.shape[:3], 3)), seen.unit.values[units]


def _over_angle(
    responses: Float[np.ndarray, "crop angle unit"], stands: Float[np.ndarray, " crop"], judge: Judge
) -> Float[np.ndarray, "crop angle unit"]:
    """Returns responses over the angle at which the contour stands, from those over the turn that it was given."""
    period = judge.hypothesis.period or 360.0
    steps = np.round(stands / period * len(judge.angles)).astype(int)
    return np.stack([np.roll(each, step, axis=0) for each, step in zip(responses, steps, strict=True)])


def _pooled(
    each: Float[np.ndarray, "crop angle unit"], weight: Float[np.ndarray, " crop"]
) -> Float[np.ndarray, "angle unit"]:
    return np.tensordot(weight, each, 1) / max(weight.sum(), 1e-9)


def tuned(
    each: Float[np.ndarray, "crop angle unit"],
    weight: Float[np.ndarray, " crop"],
    angles: Float[np.ndarray, " angle"],
    peak: Float[np.ndarray, " unit"],
    period: float,
) -> Float[np.ndarray, " unit"]:
    """Returns the mean over photographs of the mean cosine of angles from a peak, weighted by the response."""
    total, weights = _parts(each, weight, angles, peak, period).sum(1)
    return total / np.maximum(weights, 1e-9)


def _parts(
    each: Float[np.ndarray, "crop angle unit"],
    weight: Float[np.ndarray, " crop"],
    angles: Float[np.ndarray, " angle"],
    peak: Float[np.ndarray, " unit"],
    period: float,
) -> Float[np.ndarray, "2 crop unit"]:
    """Returns the mean cosine of each photograph times its weight, and the weight."""
    cosine = np.cos(2 * np.pi * (angles[:, None] - peak) / period)
    of_each = (each * cosine).sum(1) / np.maximum(each.sum(1), 1e-9)
    weights = np.broadcast_to(weight[:, None], of_each.shape)
    return np.stack([weights * of_each, weights])


def _stretched(curve: Float[np.ndarray, "angle unit"], judge: Judge) -> xr.DataArray:
    """Returns curves as if a period were a whole turn, as the functions of `tuning` want them."""
    period = judge.hypothesis.period or 360.0
    return xr.DataArray(curve, dims=("angle", "unit"), coords={"angle": judge.angles * 360 / period})


def _numbers(
    judge: Judge,
    subject: Subject,
    each: Float[np.ndarray, "crop angle unit"],
    weight: Float[np.ndarray, " crop"],
    peak: Float[np.ndarray, " unit"],
) -> xr.Dataset:
    said, curve = judge.hypothesis, _pooled(each, weight)
    period = said.period or 360.0
    seen = lobe_angle(curve, judge.angles, period)
    alike = _stretched(curve, judge)
    found = {
        "tuned": (tuned(each, weight, judge.angles, peak, period), {}),
        "peak_error": (np.abs(said.apart(seen, peak)), {"units": "degrees"}),
        "echo": (echo(alike).fillna(1.0).values, {}),
        "peak_in_photographs": (seen, {"units": "degrees"}),
        "peak_in_drawings": (peak, {"units": "degrees"}),
        "fwhm": (fwhm(alike).values * period / 360, {"units": "degrees"}),
    }
    return xr.Dataset(
        {name: ("unit", values, attrs) for name, (values, attrs) in found.items()},
        coords={"unit": subject.poses.unit.values},
    )


def _interval(
    judge: Judge,
    subject: Subject,
    each: Float[np.ndarray, "crop angle unit"],
    weight: Float[np.ndarray, " crop"],
    peak: Float[np.ndarray, " unit"],
) -> xr.DataArray:
    """Returns the interval of the statistic when photographs are drawn again."""
    period = judge.hypothesis.period or 360.0
    low, high = bootstrap(
        np.moveaxis(_parts(each, weight, judge.angles, peak, period), 0, 1),
        seed=subject.seed,
        statistic=lambda some: some[:, 0].sum(0) / np.maximum(some[:, 1].sum(0), 1e-9),
    )
    return xr.DataArray(
        np.stack([low, high], axis=1),
        dims=("unit", "bound"),
        coords={"unit": subject.poses.unit.values, "bound": ["low", "high"]},
    )


def _data(
    judge: Judge,
    subject: Subject,
    synthetic: Float[np.ndarray, "angle unit"],
    each: Float[np.ndarray, "crop angle unit"],
    weight: Float[np.ndarray, " crop"],
    found: xr.Dataset,
    shown: Float[np.ndarray, "crop h w 3"],
    stands: Float[np.ndarray, " crop"],
    chosen_by: np.ndarray,
) -> xr.Dataset:
    """Returns all curves, and what they say of the family."""
    curve, degrees = _pooled(each, weight), {"units": "degrees"}
    drawn, seen = _over_peak(synthetic), _over_peak(curve)
    data = xr.Dataset(
        {
            "synthetic": (("angle", "unit"), drawn),
            "photographs": (("angle", "unit"), seen),
            "each_photograph": (("photograph", "angle", "unit"), each.astype(np.float32)),
            "weight": ("photograph", weight),
            "stands_at": ("photograph", stands, degrees),
            "chosen_by": ("photograph", chosen_by.astype(str)),
            "shown": (("photograph", "y", "x", "channel"), np.round((shown + 1) * 127.5).clip(0, 255).astype(np.uint8)),
            "similarity": (("unit", "other"), similarity(seen)),
            "similarity_of_drawn": (("unit", "other"), similarity(drawn)),
            "coverage": coverage(_stretched(drawn, judge)),
            "coverage_in_photographs": coverage(_stretched(seen, judge)),
        },
        coords={
            "unit": subject.poses.unit.values,
            "other": subject.poses.unit.values,
            "angle": ("angle", judge.angles, degrees),
        },
        attrs={"hypothesis": judge.hypothesis.name},
    )
    if len(found.unit) > 1:
        data = data.merge(_neighbours(judge, found, drawn, seen)).assign(permuted=permuted(judge, found, subject.seed))
    return data


def _over_peak(curve: Float[np.ndarray, "angle unit"]) -> Float[np.ndarray, "angle unit"]:
    return curve / np.maximum(curve.max(0), 1e-12)


def similarity(curve: Float[np.ndarray, "angle unit"]) -> Float[np.ndarray, "unit unit"]:
    """Returns the correlation of every two tuning curves; 0 with one that is flat."""
    away = curve - curve.mean(0)
    length = np.sqrt((away**2).sum(0))
    unit = away / np.where(length > 0, length, 1)
    return unit.T @ unit


def _neighbours(
    judge: Judge,
    found: xr.Dataset,
    drawn: Float[np.ndarray, "angle unit"],
    seen: Float[np.ndarray, "angle unit"],
) -> xr.Dataset:
    """Returns, for each unit, what lies between its peak and the next one in the order of drawings."""
    period = judge.hypothesis.period or 360.0
    peak, observed = found.peak_in_drawings.values, found.peak_in_photographs.values
    order = np.argsort(peak, kind="stable")
    following = np.empty(len(order), int)
    following[order] = np.roll(order, -1)
    gap = (peak[following] - peak) % period
    names = found.unit.values
    return xr.Dataset(
        {
            "following": ("unit", names[following].astype(str)),
            "gap": ("unit", gap, {"units": "degrees"}),
            "gap_in_photographs": ("unit", judge.hypothesis.apart(observed[following], observed), {"units": "degrees"}),
            "crossing": ("unit", crossings(drawn, judge.angles, peak, gap, following, period)),
            "crossing_in_photographs": ("unit", crossings(seen, judge.angles, peak, gap, following, period)),
        },
        coords={"unit": names},
    )


def crossings(
    curve: Float[np.ndarray, "angle unit"],
    angles: Float[np.ndarray, " angle"],
    peak: Float[np.ndarray, " unit"],
    gap: Float[np.ndarray, " unit"],
    following: np.ndarray,
    period: float,
) -> Float[np.ndarray, " unit"]:
    """Returns the height at which each unit, falling, meets the next one, rising; both over their peaks.

    1 means that they share a peak, 0 that one is silent before the other speaks.
    """
    step = period / len(angles)
    found = []
    for unit, after in enumerate(following):
        between = (angles - peak[unit] + step / 2) % period <= gap[unit] + step
        found.append(np.minimum(curve[:, unit], curve[:, after])[between].max(initial=0))
    return np.array(found)


def permuted(judge: Judge, found: xr.Dataset, seed: int) -> float:
    """Returns how often peaks from photographs and from drawings agree as well when units are paired at random."""
    rng, said = np.random.default_rng(seed), judge.hypothesis
    drawn, seen = found.peak_in_drawings.values, found.peak_in_photographs.values
    own = np.abs(said.apart(seen, drawn)).mean()
    others = [np.abs(said.apart(rng.permutation(seen), drawn)).mean() for _ in range(PERMUTATIONS)]
    return float((1 + sum(other <= own for other in others)) / (1 + PERMUTATIONS))
