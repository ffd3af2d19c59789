"""The handbuilt curve family meets its targets, and its reasons are the real reasons."""

import functools

import numpy as np
import pytest
import xarray as xr

from circuitkit import tuning
from circuitkit.build import build
from circuitkit.geometry import angle_between
from circuitkit.probe import HandbuiltNet
from circuitkit.spec import Circuit, Crossing, OppositeArc
from circuitkit.stimuli import Curve, grid, log, turn
from circuitkit.study import DISTILL_RADII
from circuitkit.sweep import tune
from handbuilt import curves

STIMULI = grid(Curve(), angle=turn(48), radius=(*log(*DISTILL_RADII, 14), float("inf")), polarity=(1, -1))
FEWER = grid(Curve(), angle=turn(24), radius=(*log(*DISTILL_RADII, 8), float("inf")))


@functools.cache
def responses(circuit: Circuit = curves.SPEC, *, fewer: bool = False) -> xr.DataArray:
    return tune(HandbuiltNet(build(circuit))["curves"], FEWER if fewer else STIMULI)


@functools.cache
def numbers() -> xr.Dataset:
    return tuning.summary(responses())


def test_there_are_24_angles_of_curves_and_four_families_of_contours_before_them() -> None:
    assert curves.SPEC["curves"].unit_angles == turn(24)
    assert [family.name for family in curves.SPEC.families][-3:] == ["lines", "early_curves", "curves"]
    assert curves.SPEC.order == 24


def test_every_unit_prefers_its_design_angle() -> None:
    for name in ("mean_angle", "peak_angle"):
        found = numbers()[name].values
        off = [abs(angle_between(a, b)) for a, b in zip(found, curves.SPEC["curves"].unit_angles, strict=True)]
        assert max(off) <= 2.5, name


def test_tuning_is_as_sharp_as_that_of_natural_curve_detectors() -> None:
    assert float(numbers().fwhm.min()) >= 40
    assert float(numbers().fwhm.max()) <= 56


def test_there_is_no_echo_and_the_opposite_arc_is_why() -> None:
    assert float(numbers().echo.max()) <= 0.01
    spared = tuning.radial(responses(curves.SPEC.without(OppositeArc), fewer=True))
    assert float(tuning.echo(spared).min()) >= 0.2


def test_crossing_sharpens_the_tuning() -> None:
    whole, spared = (
        tuning.selectivity(tuning.radial(responses(circuit, fewer=True)))
        for circuit in (curves.SPEC, curves.SPEC.without(Crossing))
    )
    assert float(spared.max()) < float(whole.min())


def test_straight_lines_excite_less_than_half_as_much() -> None:
    assert float(numbers().line_ratio.max()) <= 0.5


def test_polarity_does_not_matter() -> None:
    assert float(numbers().polarity_ratio.min()) >= 0.95


def test_the_family_is_even_and_covers_the_turn() -> None:
    curve = tuning.radial(responses())
    assert tuning.evenness(curve) >= 0.95
    assert tuning.coverage(curve) >= 0.6


def test_the_preferred_radius_is_the_design_radius() -> None:
    found = numbers().preferred_radius
    assert abs(found / 20.0 - 1).max() <= 0.1


@pytest.mark.parametrize("radius", [14.0, 28.0])
def test_the_design_radius_is_a_parameter(radius: float) -> None:
    near = grid(Curve(), angle=(0.0, 45.0), radius=log(radius / 2, radius * 2, 15))
    found = tune(HandbuiltNet(build(curves.circuit(radius)))["curves", ["curves@0", "curves@45"]], near)
    for angle in (0.0, 45.0):
        best = tuning.preferred_radius(found.sel(unit=[f"curves@{angle:g}"], angle=[angle]))
        assert abs(float(best[0]) / radius - 1) <= 0.1
    # At half and twice the radius the response has fallen: the radius is a preference, not a label.
    profile = found.sel(unit="curves@0", angle=0.0).values
    assert profile[-1] < 0.6 * profile.max()


def test_responses_stay_within_the_image_and_are_not_nothing() -> None:
    assert 0 < float(responses().max()) <= 1
    assert np.isfinite(responses()).all()
