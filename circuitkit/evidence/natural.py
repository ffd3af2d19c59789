"""What the arguments from natural images share: surveys of a subject, and a judge of what a crop holds.

    natural = look(subject)                     # surveys of the units, of others, of controls
    judge = Judge.of(hypothesis.curve(), 63)
    judge.read(crops).angle                     # the pose of the shape in each crop, without asking the net

The judge compares a crop with the drawn shape at all its angles and some sizes (see `matching`). First it is judged
itself, on the shape as drawn in other looks: where it cannot tell their angle, it is not asked about photographs.
"""

import dataclasses
import weakref
from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float

from circuitkit.errors import ImageError
from circuitkit.evidence.argument import Subject
from circuitkit.evidence.posing import Progress
from circuitkit.evidence.statistics import auc
from circuitkit.examples import field_of
from circuitkit.hypothesis import Hypothesis, drawn_looks
from circuitkit.matching import match
from circuitkit.probe import Probe
from circuitkit.stimuli import grid, turn
from circuitkit.survey import survey

TOP = 16
"""Images named for each unit."""

ANGLES = 36
SIZES = 4
SHIFT = 2
"""By how many pixels a shape may lie beside the middle of a receptive field."""

SURE = 0.9
"""What a judge must reach on drawn shapes before it is asked about photographs: mean cosine of its error, or share of
the shapes that it tells from rivals."""

_LOOKS = 4
_BESIDE = {"x": 0.7, "y": -0.4}


@dataclasses.dataclass(frozen=True, eq=False)
class Natural:
    """Surveys of natural images.

    Attributes:
        own: Of the units under test.
        others: Of the others in their layer.
        controls: Of the control subjects, in their order.
    """

    own: xr.Dataset
    others: xr.Dataset | None
    controls: tuple[xr.Dataset, ...]


def look(subject: Subject, *, progress: Progress | None = None) -> Natural:
    """Surveys a subject's images: of its units, of the others in their layer, and of its controls.

    Positions near the border, where a unit sees padding, are left out. A survey is kept as long as its subject, so that
    several arguments about one subject make it once.

    Args:
        subject: With images.
        progress: Called after each chunk of images, with the number of images done of all surveys.

    Raises:
        ImageError: If there are no images, or a unit sees all of one.
    """
    if subject in _KEPT:
        return _KEPT[subject]
    images = subject.images
    if images is None:
        raise ImageError(f"{subject.probe.layer!r} has no images to be looked at: give the subject natural images.")
    probes: list[Probe] = [subject.probe, *(each.probe for each in subject.controls)]
    others = None if subject.others is None else subject.others.probe
    together = others is not None and subject.probe.directions is None and others.directions is None
    if others is not None:
        probes = [subject.probe.net[subject.probe.layer], *probes[1:]] if together else [*probes, others]
    found = []
    for number, probe in enumerate(probes):

        def report(done: int, total: int, number: int = number) -> None:
            if progress is not None:
                progress(number * total + done, len(probes) * total)

        found.append(survey(probe, images, top=TOP, border="drop", progress=report))
    count = len(subject.controls)
    own, other = found[0], None
    if others is not None:
        own, other = (own.sel(unit=list(each.unit_names)) for each in (subject.probe, others)) if together else (
            own, found[-1])  # fmt: skip
    _KEPT[subject] = Natural(own, other, tuple(found[1 : 1 + count]))
    return _KEPT[subject]


_KEPT: weakref.WeakKeyDictionary[Subject, Natural] = weakref.WeakKeyDictionary()


def responsive(seen: xr.Dataset, most: int, seed: int) -> list[str]:
    """Returns the names of units that respond to some image, so many at most, drawn at random."""
    names = seen.unit.values[seen.max_response.values > 0]
    if len(names) > most:
        names = names[np.sort(np.random.default_rng(seed).choice(len(names), most, replace=False))]
    return [str(name) for name in names]


def at_random(examples: xr.Dataset, seed: int) -> xr.Dataset:
    """Returns examples of the same images at random places, where fields lie within the image; for `crops`."""
    rng = np.random.default_rng(seed)
    image = examples["top_image" if "top_image" in examples else "image"]
    places = {}
    for name, side, whole in zip("yx", field_of(examples).size, examples.attrs["image_size"], strict=True):
        places[name] = (image.dims, rng.integers(0, whole - side + 1, image.shape) + (side - 1) / 2)
    return xr.Dataset({"image": (image.dims, image.values), **places}, coords=image.coords, attrs=examples.attrs)


@dataclasses.dataclass(frozen=True, eq=False)
class Reading:
    """What a judge reads off some crops.

    Attributes:
        profile: How well the shape at each angle matches, at the size that does best there.
        angle: At which it matches best, in degrees; NaN for a shape without an angle.
        size: At which it matches best, in pixels; NaN for a shape without a size.
        score: How well it matches then.
    """

    profile: Float[np.ndarray, "*crop angle"]
    angle: Float[np.ndarray, "*crop"]
    size: Float[np.ndarray, "*crop"]
    score: Float[np.ndarray, "*crop"]


@dataclasses.dataclass(frozen=True, eq=False)
class Judge:
    """Says which shape a crop holds.

    Attributes:
        hypothesis: The shape.
        angles: That are tried, in degrees; 0 alone for a shape without an angle.
        sizes: That are tried, in pixels; NaN alone for a shape without a size.
        signed: Whether polarity counts.
        sure: How well it reads drawn shapes: mean cosine of its error, or share told from rivals; see `SURE`.
        templates: The shape at all sizes and angles.
    """

    hypothesis: Hypothesis
    angles: Float[np.ndarray, " angle"]
    sizes: Float[np.ndarray, " size"]
    signed: bool
    sure: float
    templates: Float[np.ndarray, "template h w channel"]

    @classmethod
    def of(cls, hypothesis: Hypothesis, side: int) -> "Judge":
        """Returns the judge of a shape in crops of a size: blind to polarity, unless it can tell no angles so."""
        angles = (0.0,) if hypothesis.period is None else turn(ANGLES, over=hypothesis.period)
        sizes = _some(hypothesis.sizes, SIZES)
        axes = {} if hypothesis.size is None else {hypothesis.size: sizes}
        templates = grid(hypothesis.shape, angle=angles, **axes).images(side)
        # A grid has the angle first; the other way round a block of templates is one size.
        count = len(sizes) or 1
        ordered = templates.reshape(len(angles), count, *templates.shape[1:]).swapaxes(0, 1)
        made = [
            cls(
                hypothesis,
                np.array(angles),
                np.array(sizes or (np.nan,)),
                signed,
                0.0,
                ordered.reshape(templates.shape),
            )
            for signed in (False, True)
        ]
        blind = dataclasses.replace(made[0], sure=made[0].reliability(side))
        if blind.sure >= SURE:
            return blind
        signed = dataclasses.replace(made[1], sure=made[1].reliability(side))
        return max(blind, signed, key=lambda each: each.sure)

    def read(self, crops: Float[np.ndarray, "*crop h w channel"]) -> Reading:
        """Returns what the crops hold."""
        shape, (angles, sizes) = crops.shape[:-3], (len(self.angles), len(self.sizes))
        scores = match(crops.reshape(-1, *crops.shape[-3:]), self.templates, shift=SHIFT, signed=self.signed)
        by_size = scores.reshape(-1, sizes, angles).astype(float)
        profile = by_size.max(1)
        best = profile.argmax(1)
        each = np.arange(len(best))
        angle = self.angles[best] if self.hypothesis.period is not None else np.full(len(best), np.nan)
        size = self.sizes[by_size[each, :, best].argmax(1)]
        return Reading(
            profile.reshape(*shape, angles),
            angle.reshape(shape),
            size.reshape(shape),
            profile[each, best].reshape(shape),
        )

    def at(self, profile: Float[np.ndarray, "unit *crop angle"], pose: Float[np.ndarray, " unit"]) -> np.ndarray:
        """Returns how well each unit's crops match the shape at the unit's pose: (unit, *crop)."""
        if self.hypothesis.period is None:
            return profile[..., 0]
        apart = np.abs(self.hypothesis.apart(self.angles[:, None], pose))
        return np.stack([values[..., place] for values, place in zip(profile, apart.argmin(0), strict=True)])

    def aligned(self, angle: Float[np.ndarray, "unit *crop"], pose: Float[np.ndarray, " unit"]) -> np.ndarray:
        """Returns the cosine of how far angles are from each unit's pose, a period being a whole turn."""
        away = self.hypothesis.apart(angle, pose.reshape(-1, *(1,) * (angle.ndim - 1)))
        return np.asarray(np.cos(2 * np.pi * away / (self.hypothesis.period or 360.0)))

    def reliability(self, side: int) -> float:
        """Returns how well the judge reads the shape as drawn in several looks; see `SURE`."""
        said = self.hypothesis
        # Between the angles of the templates and beside the middle, or shapes that are alike would be told by rounding.
        beside = said.shape.with_values(_BESIDE)
        angles = np.array(turn(8, over=said.period or 360.0)) + (said.period or 360.0) / (3 * ANGLES)
        axes = {} if said.size is None else {said.size: tuple(said.sizes)}
        drawn = grid(beside, drawn_looks(said.factors, _LOOKS, 0), angle=angles, **axes)
        reading = self.read(drawn.images(side).reshape(*drawn.shape, side, side, drawn.channels()))
        if said.period is not None:
            away = said.apart(np.moveaxis(reading.angle, 1, -1), angles)
            return float(np.cos(2 * np.pi * away / said.period).mean())
        rivals = [each.images(side) for each in said.rival_stimuli(8, looks=_LOOKS, seed=0).values()]
        if not rivals:
            return 1.0
        against = np.concatenate([self.read(each).score for each in rivals])
        return float(auc(reading.score.reshape(-1, 1), against.reshape(-1, 1))[0])


def _some(values: Sequence[float], most: int) -> tuple[float, ...]:
    """Returns at most so many of some values, evenly spaced, both ends included."""
    if len(values) <= most:
        return tuple(values)
    return tuple(values[round(place)] for place in np.linspace(0, len(values) - 1, most))
