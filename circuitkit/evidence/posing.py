"""Responses to a hypothesis and its rivals, and where each unit stands: the angle and the size that it prefers.

    seen = respond(probe, hypothesis.curve(), looks=8, seed=0)
    poses(seen)                     # xarray: angle in degrees and size in pixels, over unit

Poses are measured on looks of their own, before any argument: a test of a unit at its best pose, on the responses that
chose the pose, would flatter it. Control units are posed in the same way.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from circuitkit.errors import StimulusError
from circuitkit.evidence.argument import Subject
from circuitkit.hypothesis import Hypothesis
from circuitkit.probe import Probe
from circuitkit.sweep import tune

Progress = Callable[[int, int], None]
"""Called with the number of stimuli done, and the number of all."""

ANGLES = 24
POSING_LOOKS = 8
POSING_SEED = 1_000_003
"""Added to the seed, so that no look of the test was used to choose the pose, unless both have drawn the same one."""

LOBE = 5 / 24
"""Share of the period to either side of the largest response that counts as its lobe: 75 of 360 degrees."""

AT_POSE = 1 / 16
"""Share of the period within which an angle counts as the pose's own: 22.5 of 360 degrees."""

AWAY = 1 / 4
"""Share of the period beyond which an angle counts as another one: 90 of 360 degrees."""


_PART = "a part of the shape"


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """Rectified responses of some units to a shape and its rivals.

    Attributes:
        hypothesis: What was shown.
        shape: (look, angle, size, unit); one size, NaN, where the shape has none.
        rivals: (look, angle, unit) each, by name, over a whole turn.
        part: (look, angle, size, unit), to a part of the shape in the first looks; None if the hypothesis names none.
    """

    hypothesis: Hypothesis
    shape: xr.DataArray
    rivals: dict[str, xr.DataArray]
    part: xr.DataArray | None = None


def respond(
    probe: Probe,
    hypothesis: Hypothesis,
    *,
    looks: int,
    seed: int,
    angles: int = ANGLES,
    replica: bool = False,
    rivals: bool = True,
    progress: Progress | None = None,
) -> Seen:
    """Shows the shape at all angles and sizes, and its rivals at all angles, in the same looks.

    Args:
        probe: The units, read at the one whose receptive field is centred on the stimulus.
        hypothesis: The shape.
        looks: How many; see `hypothesis.drawn_looks`.
        seed: Of the looks.
        angles: Over a period, and over a turn for the rivals.
        replica: With the levels that are kept for replication.
        rivals: Whether the rivals are shown at all, and the part of the shape.
        progress: Called after each chunk.
    """
    own = hypothesis.stimuli(angles, looks=looks, seed=seed, replica=replica)
    others = hypothesis.rival_stimuli(angles, looks=looks, seed=seed, replica=replica) if rivals else {}
    wanted = {"": own, **others}
    if rivals and hypothesis.part is not None:
        wanted[_PART] = hypothesis.part_stimuli(angles, looks=looks, seed=seed, replica=replica)
    total, before = sum(map(len, wanted.values())), 0

    def report(done: int, _total: int) -> None:
        if progress is not None:
            progress(before + done, total)

    found = {}
    for name, stimuli in wanted.items():
        responses = tune(probe, stimuli, progress=report)
        if name == _PART:  # its sizes come before its angles
            responses = responses.transpose(responses.dims[0], responses.dims[2], responses.dims[1], responses.dims[3])
        found[name] = _labelled(responses, hypothesis)
        before += len(stimuli)
    shape, part = found.pop(""), found.pop(_PART, None)
    if "size" not in shape.dims:
        shape = shape.expand_dims(size=[np.nan], axis=2)
    return Seen(hypothesis, shape, found, part)


def _labelled(responses: xr.DataArray, hypothesis: Hypothesis) -> xr.DataArray:
    """Returns rectified responses over look, angle, perhaps size, and unit; nothing but these as coordinates."""
    dims = ("look", "angle", "size", "unit") if responses.ndim == 4 else ("look", "angle", "unit")
    named = dict(zip(dims, responses.dims, strict=True))
    return xr.DataArray(
        np.maximum(responses.values, 0),
        dims=dims,
        coords={name: responses[dim].values for name, dim in named.items() if name != "look"},
        attrs={**responses.attrs, "hypothesis": hypothesis.name},
    )


def poses(seen: Seen) -> xr.Dataset:
    """Returns the angle and the size that each unit prefers.

    The angle is the circular mean of the main lobe of the tuning curve, averaged over looks and sizes: the largest
    response alone is noisy where the curve is flat on top. The size is that of the largest response at this angle; a
    parabola through it and its neighbours, on a log scale, finds the top. What the hypothesis says itself is taken.
    A unit that is silent gets angle 0 and the middle size.

    Returns:
        Over `unit`: `angle` in degrees (NaN for a shape without an angle), `size` in pixels (NaN for one without).
    """
    said, shape = seen.hypothesis, seen.shape.mean("look").values
    units = shape.shape[2]
    if said.angle is not None:
        angle = np.full(units, float(said.angle))
    elif said.period is None:
        angle = np.full(units, np.nan)
    else:
        angle = lobe_angle(shape.mean(1), seen.shape.angle.values, said.period)
    if said.at is not None:
        size = np.full(units, float(said.at))
    elif said.size is None:
        size = np.full(units, np.nan)
    else:
        near = at_pose(said, seen.shape.angle.values, angle)
        size = _preferred((shape * near[:, None]).sum(0), seen.shape["size"].values)
    return xr.Dataset(
        {
            "angle": ("unit", angle, {"units": "degrees"}),
            "size": ("unit", size, {"units": "pixels"}),
        },
        coords={"unit": seen.shape.unit.values},
    )


def subject(
    probe: Probe,
    hypothesis: Hypothesis,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Subject:
    """Returns units with their measured poses, without controls.

    Args:
        probe: The units.
        hypothesis: What they are said to detect.
        seed: Of all that is drawn.
        progress: Called after each chunk.
    """
    seen = respond(probe, hypothesis, looks=POSING_LOOKS, seed=seed + POSING_SEED, rivals=False, progress=progress)
    return Subject(probe, hypothesis, poses(seen), seed=seed)


def lobe_angle(
    curve: Float[np.ndarray, "angle *rest"], angles: Float[np.ndarray, " angle"], period: float
) -> Float[np.ndarray, "*rest"]:
    """Returns the mean angle of the main lobe of tuning curves, in degrees from 0 to the period.

    Args:
        curve: Responses, none below 0.
        angles: In degrees, over one period.
        period: In degrees.
    """
    if len(angles) < 8:
        raise StimulusError(f"got {len(angles)} angles: wanted at least 8 over a period to find a lobe.")
    peak = angles[curve.argmax(0)]
    column = angles.reshape(-1, *(1,) * peak.ndim)
    away = (column - peak + period / 2) % period - period / 2
    lobe = np.where(np.abs(away) <= LOBE * period, curve, 0)
    return (peak + (lobe * away).sum(0) / np.maximum(lobe.sum(0), 1e-12)) % period


def at_pose(
    said: Hypothesis, angles: Float[np.ndarray, " angle"], pose: Float[np.ndarray, " unit"]
) -> Bool[np.ndarray, "angle unit"]:
    """Says which angles count as each unit's own; all, where the shape has no angle."""
    if said.period is None:
        return np.ones((len(angles), len(pose)), bool)
    return np.asarray(np.abs(said.apart(angles[:, None], pose)) <= AT_POSE * said.period)


def away_from_pose(
    said: Hypothesis, angles: Float[np.ndarray, " angle"], pose: Float[np.ndarray, " unit"]
) -> Bool[np.ndarray, "angle unit"]:
    """Says which angles count as others; none, where the shape has no angle."""
    if said.period is None:
        return np.zeros((len(angles), len(pose)), bool)
    return np.asarray(np.abs(said.apart(angles[:, None], pose)) >= AWAY * said.period)


def posed_elsewhere(
    said: Hypothesis, angle: Float[np.ndarray, " one"], other: Float[np.ndarray, " other"]
) -> Bool[np.ndarray, "one other"]:
    """Says which other units prefer an angle that is another one than each unit's.

    Those that prefer the same one are no control of it: in a layer full of curves they may well be detectors of the
    very shape. All count, where the shape has no angle.
    """
    if said.period is None:
        return np.ones((len(angle), len(other)), bool)
    return np.asarray(np.abs(said.apart(other, angle[:, None])) >= AWAY * said.period)


def _preferred(
    profile: Float[np.ndarray, "size unit"], sizes: Float[np.ndarray, " size"]
) -> Float[np.ndarray, " unit"]:
    """Returns the size of the largest response, between the sizes tried."""
    logs, units = np.log(sizes), np.arange(profile.shape[1])
    top = np.where(profile.max(0) > 0, profile.argmax(0), len(sizes) // 2)
    inner = np.clip(top, 1, max(1, len(sizes) - 2))
    if len(sizes) < 3:
        return sizes[top]
    before, here, after = (profile[inner + shift, units] for shift in (-1, 0, 1))
    bend = before - 2 * here + after
    shift = np.where((bend < 0) & (top == inner), 0.5 * (before - after) / np.where(bend < 0, bend, 1), 0)
    step = (logs[-1] - logs[0]) / (len(logs) - 1)
    return np.exp(logs[top] + np.clip(shift, -0.5, 0.5) * step)
