"""Portraits of a family: of each unit the image that excites it most, its tuning, and its strongest weights.

    seen = portrait(net["fire5", [130, 141]], ck.grid(ck.stimuli.Curve(), angle=ck.turn(36), radius=(20, 40)))
    seen.angles                         # in degrees: of the main lobe of each unit's tuning curve
    seen.tuning                         # (angle, unit), rectified, averaged over everything but the angle
    seen.images                         # (unit, seed, y, x, channel); see `visualize`
    seen.weights                        # (unit, source, y, x), from the layer before; None where there is no single one

It is three measurements that agree or do not: what a unit is seen to look for, what it responds to, and what it is made
of. Nothing in it is fitted to the shape that is turned.

Source: Cammarata et al., "Curve Detectors", Distill (2020), and Voss et al., "Visualizing Weights", Distill (2021),
which show a family's units beside each other in these three ways.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float

from circuitkit import checks, wiring
from circuitkit.errors import NetError, SpecError, StimulusError
from circuitkit.evidence.posing import lobe_angle
from circuitkit.probe import Probe
from circuitkit.stimuli import LabelledSet
from circuitkit.sweep import tune
from circuitkit.visualize import visualize
from circuitkit.weights import kernels

Progress = Callable[[str, int, int], None]
"""Called with what is done, how much of it, and of how much."""


@dataclasses.dataclass(frozen=True, eq=False)
class Portrait:
    """Units of a family, in order of angle.

    Attributes:
        tuning: (angle, unit) rectified responses to the stimulus at each angle, in degrees.
        angles: (unit,) in degrees: measured, or as they were given; NaN of units that are silent, which come last.
        period: The turn that brings the stimulus back, in degrees.
        images: (unit, seed, y, x, channel), values -1 to 1; None if none were wanted.
        weights: (unit, source, y, x), or None where units have no single layer that they are made of.
        why_no_weights: What stands in the way of weights; empty if they are there.
    """

    tuning: xr.DataArray
    angles: xr.DataArray
    period: float
    images: xr.DataArray | None
    weights: xr.DataArray | None
    why_no_weights: str = ""

    def to_dataset(self) -> xr.Dataset:
        """Returns the numbers as one dataset, to be written as netCDF."""
        parts = {"tuning": self.tuning.drop_attrs(), "angle_of_unit": self.angles}
        if self.weights is not None:
            parts["weight"] = self.weights.rename(y="offset_y", x="offset_x").drop_attrs()
        if self.images is not None:
            parts["image"] = self.images.drop_attrs()
        return xr.Dataset(parts, attrs={"period": self.period, "why_no_weights": self.why_no_weights})


def portrait(
    probe: Probe,
    stimuli: LabelledSet,
    *,
    source: str | None = None,
    angles: Sequence[float] | None = None,
    period: float = 360.0,
    steps: int = 256,
    seeds: int = 1,
    seed: int = 0,
    progress: Progress | None = None,
) -> Portrait:
    """Measures the units of a family, and returns them in order of angle.

    Args:
        probe: The units.
        stimuli: With an axis `angle`, evenly spaced over a period. Responses are averaged over all other axes.
        source: The earlier layer whose weights are wanted. Left out, the one that the units are made of, if there is
            one (see `wiring.before`), or whatever their convolution reads.
        angles: Of the units, in degrees, where they are known; measured if left out.
        period: The turn that brings the stimulus back, in degrees.
        steps: Of feature visualization; 0 for none.
        seeds: Images of each unit.
        seed: Of these.
        progress: Called as things get done.

    Raises:
        StimulusError: If the stimuli have no axis `angle`, or fewer than 8 angles, or these do not fill the period.
        SpecError: If angles are not one finite number for each unit, or another number is out of range.
        NetError: If `source` is named, and weights from it cannot be had.
    """
    turned = _angles(stimuli, period)
    checks.whole("portrait", "steps", steps, at_least=0)
    names = probe.unit_names
    if angles is not None and (len(angles) != len(names) or not np.isfinite(angles).all()):
        raise SpecError(f"portrait got {len(angles)} angles for {len(names)} units: wanted one finite angle each.")
    weights, why = _weights(probe, source)  # first: it is what may be refused

    def report(what: str) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(what, done, total)

    responses = tune(probe, stimuli, progress=report("stimuli"))
    others = [dim for dim in responses.dims if dim not in ("angle", "unit")]
    tuning = responses.clip(min=0).mean(others).transpose("angle", "unit")
    tuning.attrs.update(
        {key: responses.attrs[key] for key in ("net", "layer", "stimulus_spec") if key in responses.attrs}
    )
    if angles is None:
        measured = lobe_angle(tuning.values.astype(float), turned, period)
        measured = np.where(tuning.values.max(0) > 0, measured, np.nan)
    else:
        measured = np.asarray(angles, float)
    order = np.argsort(measured, kind="stable")
    images = visualize(probe, steps=steps, seeds=seeds, seed=seed, progress=report("steps")) if steps else None
    return Portrait(
        tuning=tuning.isel(unit=order),
        angles=xr.DataArray(
            measured[order], dims="unit", coords={"unit": tuning.unit.values[order]}, attrs={"units": "degrees"}
        ),
        period=period,
        images=None if images is None else images.isel(unit=order),
        weights=None if weights is None else weights.isel(unit=order),
        why_no_weights=why,
    )


def _angles(stimuli: LabelledSet, period: float) -> Float[np.ndarray, " angle"]:
    """Returns the angles at which stimuli are shown, or says what is wrong with them."""
    if "angle" not in stimuli.dims:
        raise StimulusError(
            f"the stimuli vary over {', '.join(stimuli.dims) or 'nothing'}: wanted an axis of angles, such as "
            "grid(Curve(), angle=turn(36))."
        )
    angles = np.asarray(stimuli.coords["angle"][1], float)
    if len(angles) < 8 or not np.allclose(np.diff(angles), period / len(angles)):
        raise StimulusError(
            f"the stimuli have {len(angles)} angles from {angles[0]:g} to {angles[-1]:g} degrees: wanted at least 8, "
            f"evenly spaced over {period:g} degrees. Make them with turn(36), or turn(18, over=180)."
        )
    return angles


def _weights(probe: Probe, source: str | None) -> tuple[xr.DataArray | None, str]:
    """Returns the weights of units from the layer before, or why there are none."""
    if source is not None:
        return wiring.expanded(probe, source), ""
    try:
        before = wiring.before(probe)
        return (kernels(probe) if before is None else wiring.expanded(probe, before)), ""
    except NetError as error:  # a picture and a tuning curve can be had of any net
        return None, str(error)
