"""Radial curves that a circuit made are fitted by it; the ceiling is what no shared curve exceeds."""

import numpy as np
import pytest
import xarray as xr

from circuitkit.errors import SpecError, UnknownNameError
from circuitkit.fit import RadialFit, fit_radial
from circuitkit.fit.radial import ceiling
from circuitkit.spec import Arc, Circuit, Family, Gabor, OppositeArc, Tile, Union

DEGREES = np.arange(0, 360, 2.0)
AT = (10.0, 76.0, 200.0, 304.0)


def written(*, tolerance: float, opposite: float) -> Circuit:
    """Contours along a short arc."""
    edges = Family("edges", Gabor(wavelength=5, sigma=2.0, phase=90), angles=16)
    contours = Family("contours", Union(edges), angles=8)
    rule = Tile(contours, along=Arc(radius=6.0, length=9.0), tolerance=tolerance) - OppositeArc(opposite)
    return Circuit("curves", [edges, contours, Family("curves", rule, angles=8)])


def bells(*widths: float) -> xr.DataArray:
    """Units with bells of some widths, in degrees, at angles of their own."""
    away = (DEGREES[:, None] - np.array(AT)[: len(widths)] + 180) % 360 - 180
    return xr.DataArray(
        np.exp(-((away / np.array(widths)) ** 2) / 2),
        dims=("angle", "unit"),
        coords={"angle": DEGREES, "unit": [f"u{number}" for number in range(len(widths))]},
    )


def fitted(curves: xr.DataArray, **more: object) -> RadialFit:
    given = {"steps": 25, "starts": 1, "leave_out": False, "radii": (6, 12), "length": 12.0, **more}
    return fit_radial(written, {"tolerance": 25.0, "opposite": 0.2}, "curves", curves, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def own() -> RadialFit:
    return fitted(bells(20, 20, 20))


@pytest.mark.slow
def test_what_it_made_itself_is_fitted_and_found_at_its_angles(own: RadialFit) -> None:
    # The curve that the fit ended with, turned to other angles, is what the next fit is given.
    curve = own.curve
    away = (DEGREES[:, None] - np.array(AT) + 180) % 360 - 180
    made = np.interp(away, curve.angle.values, curve.values, period=360)
    again = fitted(
        xr.DataArray(made, dims=("angle", "unit"), coords={"angle": DEGREES, "unit": list("abcd")}), leave_out=True
    )
    assert (again.units.correlation > 0.98).all()
    assert (again.units.left_out > 0.97).all()
    assert (again.units.ceiling > 0.999).all()
    assert (again.units.with_threshold >= again.units.correlation - 1e-6).all()
    assert (np.abs((again.units.angle.to_numpy() - np.array(AT) + 180) % 360 - 180) <= 4).all()
    assert (again.numbers.low <= again.numbers.value).all()
    assert (again.numbers.value <= again.numbers.high).all()
    assert np.abs(again.shown.idxmax("angle")).max() <= 6


def test_a_fit_is_nearer_than_where_it_started(own: RadialFit) -> None:
    rough = fitted(bells(20, 20, 20), steps=1)
    assert own.units.correlation.mean() > rough.units.correlation.mean() + 0.005


def test_no_shared_curve_fits_units_of_different_widths() -> None:
    def of(*widths: float) -> np.ndarray:
        curves = bells(*widths)
        turned = np.stack([np.roll(curves.values[:, u], -round(AT[u] / 2)) for u in range(len(widths))], -1)
        return np.stack([np.roll(turned, shift, 0) for shift in range(-6, 7)])

    same, differing = of(20, 20, 20), of(8, 20, 70)
    np.testing.assert_allclose(ceiling(same), 1, atol=1e-9)
    assert (ceiling(differing) < 0.97).all()
    # No other curve does better in the mean: not one of theirs, nor any near the best.
    centre = differing.shape[0] // 2
    for unit in range(3):
        curve = differing[centre, :, unit]
        others = [max(np.corrcoef(curve, differing[s, :, u])[0, 1] for s in range(13)) for u in range(3)]
        assert np.mean(others) <= ceiling(differing).mean() + 1e-9


@pytest.mark.parametrize(
    ("curves", "said"),
    [
        (bells(20, 20).rename(unit="neuron"), "wanted \\(angle, unit\\)"),
        (bells(20, 20) * np.nan, "NaN"),
        (bells(20, 20) * 0 + 1, "the same at all angles"),
    ],
)
def test_curves_that_say_nothing_are_refused(curves: xr.DataArray, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        fitted(curves)


def test_a_family_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="curves"):
        fit_radial(written, {"tolerance": 25.0, "opposite": 0.2}, "curve", bells(20, 20))
