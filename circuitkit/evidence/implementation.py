"""Feature implementation: what the unit is made of is what the shape is made of.

The unit's expanded weights (see `wiring`) from the layer that it is made of are held against the shape's picture in
that layer (see `pictures`): where and how much more its units respond to the shape at one angle than at others. What
those units detect is measured, not assumed. The statistic is the **match**: the correlation of weights and picture,
over all units and places, at the unit's own angle and size. Nothing is fitted.

A unit that responds to the shape at some angle must have weights that lie a little along its picture, so chance is no
match of 0: control units, with shuffled weights and at the angle that suits them best, reach 0.07 (SqueezeNet 1.1, 95
of 100). Half of the units of a trained layer stay below that, too.

Criteria, beside chance:

* `match` at least 0.08: the share of the weights' spread that the hypothesis explains is the square of it. Shares are
  small: curve units have long tails of small weights, and SqueezeNet's share 32 channels of a bottleneck with others.
* `angle_error` at most a twelfth of the period: of all angles, the picture that the weights look like most is that of
  the angle at which the unit responds. It is the half width of a curve detector at half height (FWHM 48 degrees), and
  half a step of the angles.
* `echo` at most 0.35: the match half a period away, over the match. In Distill's curve units tiles from opposite curves
  sum to -4.6 where those from the same curve sum to 4.3; a line, whose opposite is itself, has 1; an early curve, to
  which its opposite is hardly different, 0.1.

Source: Olah et al., "Zoom In", Distill (2020), Curve detectors, Feature implementation; Cammarata et al., "Curve
Circuits", Distill (2021), for weights by relative angle, of which `data.by_relative_angle` has the same bins.
"""

import itertools
from collections.abc import Callable

import numpy as np
import xarray as xr
from jaxtyping import Float

from circuitkit import wiring
from circuitkit.errors import NetError
from circuitkit.evidence.argument import Argument, Criterion, Subject
from circuitkit.evidence.pictures import Comparison, picture, sizes_of, with_profiles
from circuitkit.hypothesis import Hypothesis

Progress = Callable[[int, int], None]
"""Called with the number of steps done, and the number of all."""

NAME = "feature implementation"

BINS = (0.0, 20.0, 45.0, 75.0, 105.0, 135.0, 160.0, 180.0)
"""Edges of the differences of angle that weights are averaged over, for a period of 360 degrees: Distill's."""

SELECTIVE = 0.3
"""Earlier units with a shorter mean direction have no angle to speak of."""


def criteria(hypothesis: Hypothesis) -> dict[str, Criterion]:
    """Returns what the numbers must reach."""
    found = {"match": Criterion(at_least=0.08, why="less explains below a hundred-and-fiftieth of the weights' spread")}
    if hypothesis.period is not None:
        error = hypothesis.period / 12
        found["angle_error"] = Criterion(at_most=error, why="half a detector's width, and half a step of the angles")
        found["echo"] = Criterion(at_most=0.35, why="the opposite is not what it is made of")
    return found


def measure(subject: Subject, *, source: str | None = None, progress: Progress | None = None) -> Argument:
    """Returns how well the hypothesis explains the weights that each unit is made of.

    Args:
        subject: The units, and their controls.
        source: The earlier layer; the nearest one that the layer is made of if left out (see `wiring.before`).
        progress: Called after each net.
    """
    said = subject.hypothesis
    claim = f"The weights from the layer before lay out a {said.name} at the unit's own angle and forbid the opposite."
    probe = subject.probe
    everyone, made = (subject, *subject.controls), []
    try:
        source = wiring.before(probe) if source is None else source
        if source is None:
            return Argument.untested(NAME, claim, f"no single layer is what layer {probe.layer!r} is made of")
        for done, each in enumerate(everyone):
            made.append(_Made(each, source))
            if progress is not None:
                progress(done + 1, len(everyone))
    except NetError as error:
        return Argument.untested(NAME, claim, f"its weights cannot be expanded: {error}")
    own, controls = made[0], made[1:]
    notes = [
        f"Weights of layer {probe.layer} from layer {source}, of whose {len(own.drives)} units {int(own.drives.sum())} "
        f"are driven by a {said.name} and take part."
    ]
    return Argument(
        name=NAME,
        claim=claim,
        numbers=own.numbers(),
        criteria=criteria(said),
        interval=own.interval(),
        null=own.null(controls),
        data=_data(own, controls),
        notes=notes,
    )


class _Made(Comparison):
    """A subject's weights from the earlier layer, beside the shape's picture there."""

    def __init__(self, subject: Subject, source: str) -> None:
        self.expanded = wiring.expanded(subject.probe, source)
        window = (self.expanded.sizes["y"], self.expanded.sizes["x"])
        shown = picture(
            subject.probe.net,
            source,
            subject.hypothesis,
            sizes=sizes_of(subject),
            window=window,
            seed=subject.seed,
        )
        self.all_weights = self.expanded.values.reshape(*self.expanded.shape[:2], -1)
        super().__init__(subject, self.all_weights, shown)

    def numbers(self) -> xr.Dataset:
        found: dict[str, object] = {"match": ("unit", self.match)}
        if self.subject.hypothesis.period is not None:
            opposite = self.relative.isel(relative=len(self.angles) // 2).values
            found["angle_error"] = ("unit", self.angle_error, {"units": "degrees"})
            found["echo"] = ("unit", opposite / np.maximum(self.match, 1e-6))
        return xr.Dataset(found, coords={"unit": self.units})

    def source_angles(self) -> tuple[Float[np.ndarray, " source"], Float[np.ndarray, " source"]]:
        """Returns the angle that each earlier unit prefers, where the unit's anchor is, and how selective it is."""
        period = self.subject.hypothesis.period or 360.0
        middle = self.picture.isel(y=self.picture.sizes["y"] // 2, x=self.picture.sizes["x"] // 2).mean("size")
        curve = middle.transpose("angle", "unit").values
        curve = curve - curve.min(0)
        turns = np.exp(2j * np.pi * self.angles / period)[:, None]
        total = curve.sum(0)
        vector = (curve * turns).sum(0) / np.where(total > 0, total, 1)
        selective = np.abs(vector) * self.drives
        return np.rad2deg(np.angle(vector)) * period / 360 % period, selective

    def by_relative_angle(self) -> Float[np.ndarray, "unit bin"]:
        """Returns the mean tile sum over earlier units whose angles differ by so much, over the largest tile sum."""
        said = self.subject.hypothesis
        period = said.period or 360.0
        angle, selective = self.source_angles()
        tiles = self.all_weights.sum(2)
        tiles = tiles / max(float(np.abs(tiles[:, selective >= SELECTIVE]).max(initial=0)), 1e-12)
        apart = np.abs(said.apart(angle, self.subject.poses.angle.values[:, None]))
        edges = np.asarray(BINS) * period / 360
        found = np.full((len(tiles), len(edges) - 1), np.nan)
        for place, (low, high) in enumerate(itertools.pairwise(edges)):
            last = place == len(edges) - 2
            inside = (apart >= low) & ((apart < high) | last) & (selective >= SELECTIVE)
            count = inside.sum(1)
            total = (tiles * inside).sum(1)
            found[:, place] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return found


def _data(own: _Made, controls: list[_Made]) -> xr.Dataset:
    """Returns what the figure needs."""
    said, expanded = own.subject.hypothesis, own.expanded
    flat = own.picture.values.reshape(*own.picture.shape[:3], -1)
    seen = np.stack([flat[size, angle] for size, angle in zip(own.size, own.angle, strict=True)])
    drive = (own.all_weights * seen).sum(1).reshape(len(seen), expanded.sizes["y"], expanded.sizes["x"])
    data = xr.Dataset(
        {"drive": (("unit", "y", "x"), drive, {"long_name": "weight times picture, summed over the layer before"})},
        coords={
            "unit": own.units,
            "y": ("y", expanded.y.values, {"units": "pixels"}),
            "x": ("x", expanded.x.values, {"units": "pixels"}),
        },
        attrs={"layer": own.subject.probe.layer, "from": expanded.attrs["from"], "shape": said.name},
    )
    if said.period is None:
        return data
    data = with_profiles(data, own, controls)
    angle, selective = own.source_angles()
    edges = np.asarray(BINS) * said.period / 360
    data = data.assign_coords(
        source=list(map(str, expanded.source.values)),
        bin_low=("bin", edges[:-1], {"units": "degrees"}),
        bin_high=("bin", edges[1:], {"units": "degrees"}),
    )
    data["tile"] = ("unit", "source"), own.all_weights.sum(2), {"long_name": "sum of weights over places"}
    data["source_angle"] = "source", angle, {"units": "degrees"}
    data["source_selectivity"] = "source", selective
    data["by_relative_angle"] = ("unit", "bin"), own.by_relative_angle()
    if controls:
        bins = np.concatenate([each.by_relative_angle() for each in controls])
        counted = np.isfinite(bins)
        total = np.where(counted, bins, 0).sum(0)
        data["control_by_relative_angle"] = (
            "bin",
            np.where(counted.any(0), total / np.maximum(counted.sum(0), 1), np.nan),
        )
    return data
