"""Figures of published and cut layers are legible, and their curves stand where the numbers say."""

import numpy as np
import pytest
import xarray as xr

from circuitkit.viz import published, style
from tests.viz.test_figures import blemishes


def radial(centres: list[float], echo: float = 0.0, count: int = 72) -> xr.DataArray:
    angle = np.arange(count) * 360 / count
    away = np.deg2rad(angle[:, None] - np.array(centres))
    values = np.exp(8 * (np.cos(away) - 1)) + echo * np.exp(8 * (-np.cos(away) - 1))
    names = [f"mixed3b:{index}" for index in range(len(centres))]
    return xr.DataArray(
        7 * values, dims=("angle", "unit"), coords={"angle": ("angle", angle, {"units": "degrees"}), "unit": names}
    )


def block(sources: int, units: int, values: float) -> xr.DataArray:
    return xr.DataArray(
        np.full((sources, units), values),
        dims=("source", "unit"),
        coords={"source": np.arange(sources) * 360 / sources, "unit": np.arange(units) * 180 / units},
    )


@pytest.mark.parametrize("count", [3, 10])
def test_edits_are_legible(count):
    centres = list(np.linspace(0, 330, count))
    edits = {name: radial(centres, echo) for name, echo in (("unedited", 0.0), ("early_curves_positive_only", 0.3))}
    figure = published.edited_tuning(edits)
    assert len([axes for axes in figure.axes if axes.lines]) == count
    assert blemishes(figure) == []
    assert figure.get_figwidth() == style.WIDTH


def test_layers_are_legible_and_echoes_stand_on_their_axis():
    names = ("full", "all, positive only", "curves only", "curves only, positive", "lines only", "lines only, positive")
    layers = {name: radial([0, 90, 180], 0.1 * index) for index, name in enumerate(names)}
    more = {name: radial([0, 90, 180]) for name in ("full, symmetrised", "ours", "early curves (input)")}
    figure = published.last_layers(layers | more, dict.fromkeys(names, 0.5))
    assert blemishes(figure) == []
    dots = [line for line in figure.axes[-1].lines if line.get_marker() == "o" and line.get_markersize() == 5]
    found = [float(dot.get_xdata()[0]) for dot in dots]
    np.testing.assert_allclose(found, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0, 0, 0], atol=1e-3)


def test_tiles_are_legible():
    blocks = {f"block {index}": block(24, 18, value) for index, value in enumerate((1.5, 0.0, 1e-7, 0.02, 1e-4))}
    figure = published.tile_errors(blocks)
    assert blemishes(figure) == []
    assert "100% of the tiles of “block 0”" in figure.texts[0].get_text()


def test_a_peak_is_drawn_at_0_and_its_antipode_at_180():
    curves = published.aligned(radial([20, 355], echo=0.4))
    np.testing.assert_array_equal(curves.idxmax("angle"), 0)
    np.testing.assert_allclose(curves.max("angle"), 1)
    np.testing.assert_allclose(curves.sel(angle=180), 0.4, atol=1e-3)
    assert (float(curves.angle[0]), float(curves.angle[-1])) == (-90, 265)


def test_an_edited_curve_keeps_its_distance_from_the_unedited_peak():
    moved = published.aligned(radial([50]), xr.DataArray([20.0], dims="unit"))
    assert float(moved.idxmax("angle")[0]) == 30


def test_a_silent_unit_is_drawn_too():
    silent = radial([20, 100]) * 0
    assert blemishes(published.edited_tuning({"unedited": radial([20, 100]), "cut": silent})) == []
