"""Tuning: what a unit prefers, how sharply, and what it should not respond to but does.

All functions take the labelled responses of `sweep.tune` over `angle` and `radius` (radius infinite being a
straight line) and perhaps `polarity`, and return one number a unit. Responses below zero count as zero.

**The radial curve** of a unit is its response averaged over curvature (the finite radii), as Distill's radial
tuning plots are: Cammarata et al., "Curve Detectors" (2020). Most numbers are read off it.

**The period** of a unit is the turn that brings its stimulus back: 360 degrees for a curve, which is what all functions
take unless told otherwise, 180 for a line. The antipode of an angle is half a period away: for a line, the one across.
"""

import math

import numpy as np
import xarray as xr
from jaxtyping import Float

from circuitkit.errors import StimulusError

ECHO_WINDOW = 45.0
"""An echo is looked for this many degrees to either side of the antipode."""


def radial(responses: xr.DataArray) -> xr.DataArray:
    """Returns the radial curves: rectified responses, averaged over finite radii and over all else but angle."""
    _require(responses, "angle", "unit")
    curved = _rectified(responses)
    if "radius" in curved.dims:
        curved = curved.sel(radius=np.isfinite(curved.radius))
        if curved.sizes["radius"] == 0:
            raise StimulusError("the responses hold straight lines only: wanted at least one finite radius.")
    return curved.mean([dim for dim in curved.dims if dim not in ("angle", "unit")]).transpose("angle", "unit")


def peak_angle(curve: xr.DataArray) -> xr.DataArray:
    """Returns the angle of the largest response, in degrees; noisy where the curve is flat on top."""
    return curve.idxmax("angle")


def mean_angle(curve: xr.DataArray, *, period: float = 360.0) -> xr.DataArray:
    """Returns the circular mean of the angle, weighted by response, in degrees from 0 to the period."""
    turn = np.exp(1j * np.deg2rad(curve.angle * 360 / period))
    return xr.apply_ufunc(lambda z: np.rad2deg(np.angle(z)) % 360 * period / 360, (curve * turn).sum("angle"))


def selectivity(curve: xr.DataArray, *, period: float = 360.0) -> xr.DataArray:
    """Returns the length of the mean direction: 0 for a unit that responds alike to all angles, 1 for one angle."""
    turn = np.exp(1j * np.deg2rad(curve.angle * 360 / period))
    total = curve.sum("angle")
    return (abs((curve * turn).sum("angle")) / total.where(total > 0)).fillna(0.0)


def fwhm(curve: xr.DataArray, *, period: float = 360.0) -> xr.DataArray:
    """Returns the width of the main lobe at half its height, in degrees; the period if it never falls that low."""
    return xr.apply_ufunc(_fwhm, curve, input_core_dims=[["angle"]], vectorize=True, kwargs={"period": float(period)})


def _fwhm(curve: Float[np.ndarray, " angle"], period: float) -> float:
    peak, count, step = int(curve.argmax()), len(curve), period / len(curve)
    half = curve[peak] / 2
    if half <= 0 or curve.min() >= half:
        return period if half > 0 else math.nan
    width = 0.0
    for side in (1, -1):
        lobe = curve[(peak + side * np.arange(count)) % count]
        below = int(np.argmax(lobe < half))
        width += step * (below - 1 + (lobe[below - 1] - half) / (lobe[below - 1] - lobe[below]))
    return float(width)


def echo(curve: xr.DataArray, window: float = ECHO_WINDOW, *, period: float = 360.0) -> xr.DataArray:
    """Returns the largest response within `window` degrees of the antipode of the peak, over the peak."""
    away = (curve.angle - peak_angle(curve)) % period
    near = abs(away - period / 2) <= window
    return _ratio(curve.where(near).max("angle"), curve.max("angle"))


def echo_at_antipode(curve: xr.DataArray, *, period: float = 360.0) -> xr.DataArray:
    """Returns the response half a period from the peak, over the peak."""
    antipode = (peak_angle(curve) + period / 2) % period
    return _ratio(curve.sel(angle=antipode, method="nearest").drop_vars("angle"), curve.max("angle"))


def line_ratio(responses: xr.DataArray) -> xr.DataArray:
    """Returns the response to a straight line at its best angle, over the response to the best curve."""
    best = _best(responses, "angle")
    lines, curves = best.sel(radius=np.isinf(best.radius)), best.sel(radius=np.isfinite(best.radius))
    if lines.sizes["radius"] == 0:
        raise StimulusError("the responses hold no straight line: add radius=math.inf to the grid.")
    return _ratio(lines.max("radius"), curves.max("radius"))


def polarity_ratio(responses: xr.DataArray) -> xr.DataArray:
    """Returns the lower over the higher of the peaks for light on dark and dark on light."""
    _require(responses, "polarity")
    curves = _rectified(responses).sel(radius=np.isfinite(responses.radius))
    peaks = curves.max([dim for dim in curves.dims if dim not in ("polarity", "unit")])
    return _ratio(peaks.min("polarity"), peaks.max("polarity"))


def preferred_radius(responses: xr.DataArray) -> xr.DataArray:
    """Returns the radius of the largest response at the preferred angle, in pixels, between the radii tested.

    A parabola through the best radius and its two neighbours, on a log scale, finds the top.
    """
    _require(responses, "angle", "radius")
    curves = _rectified(responses).sel(radius=np.isfinite(responses.radius))
    curves = curves.mean([dim for dim in curves.dims if dim not in ("angle", "radius", "unit")])
    at_peak = curves.sel(angle=peak_angle(radial(responses))).drop_vars("angle")
    logs = np.log(curves.radius.values)
    return xr.apply_ufunc(_parabolic_peak, at_peak, input_core_dims=[["radius"]], vectorize=True, kwargs={"logs": logs})


def _parabolic_peak(values: Float[np.ndarray, " radius"], logs: Float[np.ndarray, " radius"]) -> float:
    top = int(values.argmax())
    if values[top] <= 0:
        return math.nan
    if not 0 < top < len(values) - 1:
        return float(np.exp(logs[top]))
    before, here, after = values[top - 1 : top + 2]
    shift = 0.5 * (before - after) / (before - 2 * here + after)
    return float(np.exp(logs[top] + shift * (logs[top + 1] - logs[top])))


def coverage(curve: xr.DataArray) -> float:
    """Returns how well a family covers the turn: at the worst angle, the best unit's response over its own peak."""
    peaks = curve.max("angle")
    return float((curve / peaks.where(peaks > 0)).max("unit").min("angle"))


def evenness(curve: xr.DataArray) -> float:
    """Returns the lowest peak of a family over the highest."""
    peaks = curve.max("angle")
    return float(_ratio(peaks.min("unit"), peaks.max("unit")))


def joint(curve: xr.DataArray) -> xr.DataArray:
    """Returns the radial curves, each over its own peak, ordered by preferred angle: the family as one picture."""
    order = np.argsort(mean_angle(curve).values)
    peaks = curve.max("angle")
    return (curve / peaks.where(peaks > 0)).fillna(0.0).isel(unit=order)


def summary(responses: xr.DataArray) -> xr.Dataset:
    """Returns every number about every unit, and how curve-like it is.

    `curve_score` is the product of five shares, each 1 for an ideal curve detector and 0 for none: how selective
    it is for the angle (length of the mean direction), how little it echoes, how much it prefers its best curve
    to any straight line, how alike it takes both polarities, and how strongly it responds to curves of all radii
    (the top of its radial curve over the 90th percentile of the units that respond, at most 1). The factors
    are in the table, so that another score is one line away. A unit that is silent scores 0.
    """
    _require(responses, "angle", "radius", "polarity", "unit")
    _require_whole_turn(responses)
    curve = radial(responses)
    tops = curve.max("angle")
    strong = float(tops.where(tops > 0).quantile(0.9)) if float(tops.max()) > 0 else 1.0
    table = xr.Dataset(
        {
            "peak": _best(responses, "angle", "radius"),
            "strength": np.minimum(tops / strong, 1),
            "peak_angle": peak_angle(curve),
            "mean_angle": mean_angle(curve),
            "selectivity": selectivity(curve),
            "fwhm": fwhm(curve),
            "echo": echo(curve),
            "echo_at_antipode": echo_at_antipode(curve),
            "line_ratio": line_ratio(responses),
            "polarity_ratio": polarity_ratio(responses),
            "preferred_radius": preferred_radius(responses),
        },
        attrs=responses.attrs,
    )
    score = table.selectivity * table.strength * table.polarity_ratio
    score = score * (1 - table.echo) * (1 - np.minimum(table.line_ratio, 1))
    table["curve_score"] = score.fillna(0.0)
    for name, unit in {
        "peak_angle": "degrees",
        "mean_angle": "degrees",
        "fwhm": "degrees",
        "preferred_radius": "pixels",
    }.items():
        table[name].attrs["units"] = unit
    return table


def _rectified(responses: xr.DataArray) -> xr.DataArray:
    return responses.clip(min=0)


def _best(responses: xr.DataArray, *dims: str) -> xr.DataArray:
    best = _rectified(responses).max(list(dims))
    return best.mean([dim for dim in best.dims if dim not in ("radius", "unit")])


def _ratio(part: xr.DataArray, whole: xr.DataArray) -> xr.DataArray:
    return part / whole.where(whole > 0)


def _require_whole_turn(responses: xr.DataArray) -> None:
    angles = np.sort(responses.angle.values)
    if len(angles) < 3 or not np.allclose(np.diff(angles), 360 / len(angles)):
        raise StimulusError(
            f"the responses are to {len(angles)} angles from {angles[0]:g} to {angles[-1]:g} degrees: wanted evenly "
            "spaced ones over the whole turn. Make them with turn(36)."
        )


def _require(responses: xr.DataArray, *dims: str) -> None:
    missing = [dim for dim in dims if dim not in responses.dims]
    if missing:
        raise StimulusError(
            f"the responses vary over {', '.join(map(str, responses.dims))}, not over {', '.join(missing)}: "
            "name it as an axis of the grid."
        )
