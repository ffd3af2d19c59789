"""A circuit's numbers from radial tuning curves, such as the published ones: how units respond to arcs of every angle.

    found = fit_radial(curves, {"radius": 20, "wavelength": 7}, "curves", published.radial_curves("mixed3b"))
    found.numbers                        # start, value: a row a number
    found.units                          # correlation, left_out, with_threshold, ceiling: a row a unit

All units of a family have one radial curve, turned. So arcs at a few angles within one step of the family are enough:
each member sees them at an angle of its own, and together they make up the curve of one member. A unit has an angle of
its own; a correlation asks for no more than a gain and an offset.

Source of radial curves: Cammarata et al., "Curve Detectors", Distill (2020), Synthetic tuning.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array, Float

from circuitkit import checks, tuning
from circuitkit.build import build
from circuitkit.compiling import jit
from circuitkit.errors import SpecError, unknown_name
from circuitkit.fit.descent import descending, logs_of, starts_about
from circuitkit.fit.responses import Writer, as_numbers, checked_numbers, middle
from circuitkit.spec import Circuit
from circuitkit.stimuli import FAST, Curve, log

PER_STEP = 4
"""Angles of arcs within one step of the family."""

AWAY = 12
"""Degrees to either side of its mean angle within which a unit's own angle may lie, in whole degrees."""

SPREAD = 0.15
"""Of starts: numbers that were chosen by hand need not be left far behind."""

ROUNDS = 2
RATE = 0.03


@dataclasses.dataclass(frozen=True, eq=False)
class RadialFit:
    """What a circuit's numbers say of radial curves.

    Attributes:
        circuit: With the numbers that fit best.
        family: The family whose curve it is.
        numbers: `start` and `value`, and `low` and `high` over fits without one unit each; a row a number.
        units: A row a unit. `correlation` with the one curve, turned to its angle; `left_out`, with that of a circuit
            fitted to the other units; `with_threshold`, where the unit has a threshold of its own; `ceiling`, with the
            curve that fits all units best, whatever makes it; `angle` in degrees.
        curve: (angle) of one member, over its largest response; 0 is its own angle.
        shown: (angle, unit) the curves fitted to, turned so that 0 is each unit's own angle, over their own largest.
    """

    circuit: Circuit
    family: str
    numbers: pd.DataFrame
    units: pd.DataFrame
    curve: xr.DataArray
    shown: xr.DataArray


def fit_radial(
    write: Writer,
    numbers: Mapping[str, float],
    family: str,
    curves: xr.DataArray,
    *,
    radii: Sequence[float] | None = None,
    length: float = 40.0,
    starts: int = 3,
    steps: int = 100,
    leave_out: bool = True,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> RadialFit:
    """Returns the numbers of a circuit whose one radial curve, turned, fits those of several units.

    Args:
        write: Makes the circuit from its numbers.
        numbers: Where to start, by name; all above 0.
        family: The family that stands for the units.
        curves: (angle, unit), angles evenly spaced over the turn, in degrees.
        radii: Of the arcs shown, in pixels; six from 6 to 120 if left out.
        length: Of the arcs shown, in pixels.
        starts: The first is as given, others are about it.
        steps: Of each descent.
        leave_out: Whether to fit again without each unit.
        seed: Of starts.
        progress: Called with what is being done.

    Raises:
        SpecError: If a number is not above 0, or curves are NaN, do not vary, or do not go round once.
        UnknownNameError: If there is no such family.
    """
    start = checked_numbers(numbers)
    for name, count in (("starts", starts), ("steps", steps)):
        checks.whole("fit_radial", name, count)
    say = progress or (lambda _: None)
    own_radii = np.asarray(log(6, 120, 6) if radii is None else radii, float)
    logs, back, names = logs_of(start)
    points = starts_about(logs, starts, seed, SPREAD)
    kept = np.ones(curves.sizes.get("unit", 0))
    for round_ in range(ROUNDS):
        like = write(**as_numbers(back(points[0])))
        if family not in (known := [each.name for each in like.families]):
            raise unknown_name("family", family, known, owner=f"circuit {like.name!r}")
        away, template = _template(write, like, family, own_radii, length)
        targets = _targets(curves, away)
        held = jnp.asarray(targets, jnp.float32)

        def loss(at: Array, counted: Array, template: Any = template, held: Any = held) -> Array:
            best = jnp.max(_correlations(template(back(at)), held), 0)
            return -jnp.sum(best * counted) / jnp.sum(counted)

        descend = descending(loss, steps, rate=RATE, same=True)
        tried = []
        for number, point in enumerate(points):
            say(f"round {round_ + 1} of {ROUNDS}, start {number + 1} of {len(points)}")
            tried.append(descend(point, lambda _: (jnp.asarray(kept, jnp.float32),)))
        points = min(tried, key=lambda each: each[1])[0][None]
    drawn = jit(lambda at: template(back(at)))
    run = np.asarray(drawn(jnp.asarray(points[0], jnp.float32)))
    found = _correlations(jnp.asarray(run), held)
    shift = np.asarray(jnp.argmax(found, 0))
    units = {"angle": (_middle(curves) + shift - AWAY) % 360, "correlation": np.asarray(found.max(0), float)}
    again = [points[0]]
    if leave_out:
        left_out = []
        for unit in range(len(kept)):
            say(f"without unit {unit + 1} of {len(kept)}")
            counted = jnp.asarray(np.arange(len(kept)) != unit, jnp.float32)
            at = descend(points[0], lambda _, counted=counted: (counted,))[0]  # type: ignore[misc]
            again.append(at)
            left_out.append(float(_correlations(drawn(jnp.asarray(at, jnp.float32)), held)[:, unit].max()))
        units["left_out"] = np.array(left_out)
    units["with_threshold"] = _with_thresholds(run, targets)
    units["ceiling"] = ceiling(targets)
    value = as_numbers(back(points[0]))
    # Rounding is no reason for a range to leave its value out.
    several = np.concatenate([np.exp(again), [list(value.values())]])
    low, high = several.min(0), several.max(0)
    order = np.argsort(away)
    turned = targets[shift, :, np.arange(len(kept))].T
    return RadialFit(
        circuit=write(**value),
        family=family,
        numbers=pd.DataFrame(
            {"start": list(start.values()), "value": list(value.values()), "low": low, "high": high}, index=names
        ),
        units=pd.DataFrame(units, index=pd.Index(curves.unit.values, name="unit")),
        curve=xr.DataArray((run / run.max())[order], dims="angle", coords={"angle": away[order]}),
        shown=xr.DataArray(
            (turned / turned.max(0))[order],
            dims=("angle", "unit"),
            coords={"angle": away[order], "unit": curves.unit.values},
        ),
    )


def ceiling(targets: Float[np.ndarray, "shift row unit"], rounds: int = 30) -> Float[np.ndarray, " unit"]:
    """Returns each unit's correlation with the curve that fits all best: the mean of them, each turned as fits best."""
    centred = targets - targets.mean(1, keepdims=True)
    centred = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    units = np.arange(targets.shape[2])
    shift = np.full(len(units), targets.shape[0] // 2)
    for _ in range(rounds):
        mean = centred[shift, :, units].mean(0)
        found = np.einsum("sru,r->su", centred, mean / np.linalg.norm(mean))
        shift = found.argmax(0)
    best: Float[np.ndarray, " unit"] = found.max(0)
    return best


def _template(
    write: Writer, like: Circuit, family: str, radii: Float[np.ndarray, " radius"], length: float
) -> tuple[Float[np.ndarray, " row"], Callable[[Mapping[str, Any]], Float[Array, " row"]]]:
    """Returns angles from a member's own, and what says how one responds there, given numbers that may be traced."""
    own = like[family]
    side = build(like).receptive_field(family).size[0]
    offsets = np.arange(PER_STEP) * own.step / PER_STEP
    images = jnp.stack(
        [
            Curve(angle=float(offset), radius=float(radius), length=length).draw(side, renderer=FAST)
            for offset in offsets
            for radius in radii
        ]
    )
    away = (offsets[:, None] - np.array(own.unit_angles) + 180) % 360 - 180

    def template(numbers: Mapping[str, Any]) -> Float[Array, " row"]:
        said = middle(build(write(**numbers), like=like), family, images)
        return said.reshape(len(offsets), len(radii), -1).mean(1).reshape(-1)

    return away.reshape(-1), template


def _targets(curves: xr.DataArray, away: Float[np.ndarray, " row"]) -> Float[np.ndarray, "shift row unit"]:
    """Returns curves read at angles from each unit's own, for every angle that may be its own."""
    if set(curves.dims) != {"angle", "unit"}:
        raise SpecError(f"curves have the dimensions {curves.dims}: wanted (angle, unit), as of tuning.radial.")
    values = curves.transpose("angle", "unit").values.astype(float)
    if not np.isfinite(values).all() or not (np.ptp(values, axis=0) > 0).all():
        raise SpecError("curves are NaN, infinite, or the same at all angles: wanted responses that vary with angle.")
    angle = curves.angle.values
    middle = _middle(curves)
    at = middle[None, None] + np.arange(-AWAY, AWAY + 1)[:, None, None] + away[:, None]
    found = [np.interp(at[..., unit], angle, values[:, unit], period=360) for unit in range(values.shape[1])]
    return np.stack(found, -1)


def _middle(curves: xr.DataArray) -> Float[np.ndarray, " unit"]:
    """Returns the mean angles of units."""
    return np.asarray(tuning.mean_angle(curves).values, float)


def _correlations(curve: Float[Array, " row"], targets: Float[Array, "shift row unit"]) -> Float[Array, "shift unit"]:
    """Returns how one curve goes with those of all units at all angles that may be their own."""
    curve, targets = curve - curve.mean(), targets - targets.mean(1, keepdims=True)
    over = jnp.sqrt(jnp.sum(curve**2) * jnp.sum(targets**2, 1))  # (shift, unit)
    return jnp.einsum("r,sru->su", curve, targets) / jnp.maximum(over, 1e-20)


def _with_thresholds(
    curve: Float[np.ndarray, " row"], targets: Float[np.ndarray, "shift row unit"]
) -> Float[np.ndarray, " unit"]:
    """Returns each unit's correlation where it responds by what exceeds a threshold of its own."""
    levels = np.linspace(0, 0.9, 91) * curve.max()
    each = [_correlations(jnp.asarray(np.maximum(curve - level, 0)), jnp.asarray(targets)) for level in levels]
    return np.asarray(jnp.stack(each).max((0, 1)), float)
