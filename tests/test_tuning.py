"""Tuning numbers on responses whose answers are known, and on ones that must be refused."""

import math

import numpy as np
import pytest
import xarray as xr

from circuitkit import tuning
from circuitkit.errors import StimulusError

ANGLES = np.arange(0.0, 360.0, 5.0)
RADII = np.array([10.0, 14.0, 20.0, 28.0, 40.0, math.inf])


def bump(centre: float, width: float) -> np.ndarray:
    """A Gaussian bump on the circle whose full width at half maximum is `width` degrees."""
    away = (ANGLES - centre + 180) % 360 - 180
    return np.exp(-4 * math.log(2) * (away / width) ** 2)


def responses(*, echo: float = 0.0, line: float = 0.1, dark: float = 1.0, radius: float = 20.0) -> xr.DataArray:
    """Four units at 0, 90, 180, 270 with a known echo, response to lines, polarity ratio and best radius."""
    over_radius = np.exp(-0.5 * (np.log(RADII[:-1] / radius) / 0.5) ** 2)
    units = []
    for centre in (0.0, 90.0, 180.0, 270.0):
        angular = bump(centre, 50) + echo * bump(centre + 180, 50)
        curved = np.multiply.outer(angular, over_radius)
        straight = line * (bump(centre, 30) + bump(centre + 180, 30))
        both = np.concatenate([curved, straight[:, None]], axis=1)
        units.append(np.stack([both, dark * both], axis=-1))
    return xr.DataArray(
        np.stack(units, axis=-1),
        dims=["angle", "radius", "polarity", "unit"],
        coords={"angle": ANGLES, "radius": RADII, "polarity": [1.0, -1.0], "unit": ["u@0", "u@90", "u@180", "u@270"]},
    )


def test_the_preferred_angle_is_found_both_ways() -> None:
    curve = tuning.radial(responses())
    np.testing.assert_allclose(tuning.peak_angle(curve), [0, 90, 180, 270])
    away = (tuning.mean_angle(curve).values - [0, 90, 180, 270] + 180) % 360 - 180
    np.testing.assert_allclose(away, 0, atol=1e-6)


def test_mean_and_peak_differ_on_a_lopsided_curve() -> None:
    lopsided = xr.DataArray(bump(90, 40) + 0.6 * bump(130, 40), dims=["angle"], coords={"angle": ANGLES})
    assert float(tuning.mean_angle(lopsided)) > float(tuning.peak_angle(lopsided)) + 5


@pytest.mark.parametrize("width", [20.0, 50.0, 90.0])
def test_fwhm_is_the_width_that_was_drawn(width: float) -> None:
    curve = xr.DataArray(bump(200, width), dims=["angle"], coords={"angle": ANGLES})
    assert float(tuning.fwhm(curve)) == pytest.approx(width, abs=0.6)


def test_fwhm_of_a_flat_curve_is_the_whole_turn_and_of_a_silent_one_unknown() -> None:
    flat = xr.DataArray(np.ones(72), dims=["angle"], coords={"angle": ANGLES})
    assert float(tuning.fwhm(flat)) == 360
    assert math.isnan(float(tuning.fwhm(flat * 0)))


def test_fwhm_measures_the_main_lobe_only() -> None:
    two = xr.DataArray(bump(90, 40) + 0.8 * bump(270, 40), dims=["angle"], coords={"angle": ANGLES})
    assert float(tuning.fwhm(two)) == pytest.approx(40, abs=0.6)


@pytest.mark.parametrize("height", [0.0, 0.07, 0.4])
def test_an_echo_is_what_was_put_there(height: float) -> None:
    curve = tuning.radial(responses(echo=height))
    np.testing.assert_allclose(tuning.echo(curve), height, atol=1e-3)
    np.testing.assert_allclose(tuning.echo_at_antipode(curve), height, atol=1e-3)


def test_an_echo_off_the_antipode_is_seen_by_the_window_only() -> None:
    curve = xr.DataArray(bump(0, 30) + 0.5 * bump(145, 30), dims=["angle"], coords={"angle": ANGLES})
    assert float(tuning.echo(curve)) == pytest.approx(0.5, abs=0.01)
    assert float(tuning.echo_at_antipode(curve)) < 0.1


def test_a_line_is_measured_over_half_a_turn() -> None:
    """The same lobes, squeezed into half the angles: widths halve, and an echo stands across, not opposite."""
    curve = tuning.radial(responses(echo=0.4))
    line = curve.assign_coords(angle=curve.angle / 2)
    np.testing.assert_allclose(tuning.fwhm(line, period=180), tuning.fwhm(curve) / 2)
    np.testing.assert_allclose(tuning.echo(line, period=180), 0.4, atol=1e-3)
    np.testing.assert_allclose(tuning.echo_at_antipode(line, period=180), 0.4, atol=1e-3)
    np.testing.assert_allclose(tuning.selectivity(line, period=180), tuning.selectivity(curve))
    away = (tuning.mean_angle(line, period=180).values - [0, 45, 90, 135] + 90) % 180 - 90
    np.testing.assert_allclose(away, 0, atol=1e-6)
    # Over the wrong period, widths are those of a curve, and the mean lies between both ends of the angles.
    np.testing.assert_allclose(tuning.fwhm(line), tuning.fwhm(curve))
    assert 45 < float(tuning.mean_angle(line).sel(unit="u@0")) < 135
    assert float(tuning.fwhm(line.isel(unit=0, drop=True) * 0 + 1, period=180)) == 180


def test_line_and_polarity_ratios_are_what_was_put_there() -> None:
    found = responses(line=0.3, dark=0.8)
    np.testing.assert_allclose(tuning.line_ratio(found), 0.3, rtol=1e-3)
    np.testing.assert_allclose(tuning.polarity_ratio(found), 0.8, rtol=1e-3)


@pytest.mark.parametrize("radius", [15.0, 17.0, 23.0])
def test_the_preferred_radius_is_found_between_the_radii_tested(radius: float) -> None:
    np.testing.assert_allclose(tuning.preferred_radius(responses(radius=radius)), radius, rtol=0.02)


def test_a_radius_at_the_end_of_the_grid_is_reported_as_that_end() -> None:
    np.testing.assert_allclose(tuning.preferred_radius(responses(radius=5.0)), 10.0)


def test_coverage_and_evenness_notice_a_missing_and_a_weak_member() -> None:
    curve = tuning.radial(responses())
    assert tuning.coverage(curve) > tuning.coverage(curve.isel(unit=[0, 1, 2])) + 0.05
    weak = curve * xr.DataArray([1.0, 1.0, 0.5, 1.0], dims=["unit"])
    assert tuning.evenness(curve) == pytest.approx(1.0)
    assert tuning.evenness(weak) == pytest.approx(0.5)


def test_joint_tuning_is_ordered_and_normalised_and_keeps_silent_units_at_zero() -> None:
    curve = tuning.radial(responses()).isel(unit=[2, 0, 3, 1])
    joint = tuning.joint(curve)
    np.testing.assert_allclose(joint.max("angle"), 1)
    names = list(joint.unit.values)
    start = names.index("u@0")  # a mean of 359.99 comes last, one of 0.01 first
    assert names[start:] + names[:start] == ["u@0", "u@90", "u@180", "u@270"]
    assert float(tuning.joint(curve * 0).max()) == 0


def test_negative_responses_count_as_silence() -> None:
    found = responses() - 0.5
    assert float(tuning.radial(found).min()) >= 0
    assert float(tuning.radial(found).max()) > 0


@pytest.mark.parametrize(
    ("worse", "than"),
    [({"echo": 0.5}, {}), ({"line": 0.6}, {}), ({"dark": 0.3}, {})],
    ids=["echo", "line", "polarity"],
)
def test_the_curve_score_falls_with_each_fault(worse: dict[str, float], than: dict[str, float]) -> None:
    bad, good = (tuning.summary(responses(**options)).curve_score for options in (worse, than))
    assert (bad < 0.8 * good).all()


def test_a_feeble_and_a_silent_unit_score_low() -> None:
    found = responses() * xr.DataArray([1.0, 1.0, 0.05, 0.0], dims=["unit"])
    score = tuning.summary(found).curve_score.values
    assert score[2] < 0.1 * score[0]
    assert score[3] == 0


def test_missing_axes_are_refused_by_name() -> None:
    with pytest.raises(StimulusError, match="not over polarity: name it as an axis"):
        tuning.polarity_ratio(responses().isel(polarity=0, drop=True))
    with pytest.raises(StimulusError, match="wanted evenly spaced ones over the whole turn"):
        tuning.summary(responses().isel(angle=slice(0, 36)))
    with pytest.raises(StimulusError, match="hold no straight line: add radius=math.inf"):
        tuning.line_ratio(responses().isel(radius=slice(0, 5)))
    with pytest.raises(StimulusError, match="straight lines only"):
        tuning.radial(responses().isel(radius=slice(5, 6)))
