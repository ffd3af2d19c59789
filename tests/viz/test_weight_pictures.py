"""Pictures of weights: what stands where, on which scale, and that the page about them runs as it stands there."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import circuitkit as ck
from circuitkit import viz, weights
from circuitkit.build import build
from circuitkit.errors import NetError, SpecError, StimulusError, UnknownNameError
from circuitkit.factors import factors
from circuitkit.portrait import portrait
from circuitkit.probe import HandbuiltNet
from circuitkit.spec import Circuit, Crossing, Family, Gabor, Line, Spot, Tile
from circuitkit.viz.factors import coloured
from circuitkit.viz.filters import rgb
from tests.viz.test_figures import blemishes, off_centre

EDGES = Family("edges", Gabor(wavelength=4, sigma=1.5), angles=8, size=7)
SPEC = Circuit(
    "small", [EDGES, Family("lines", Tile(EDGES, along=Line(length=3), tolerance=25) - Crossing(0.7), angles=8)]
)
NET = HandbuiltNet(build(SPEC))
KERNELS = weights.kernels(NET["lines"])
TURNED = ck.grid(ck.stimuli.Line(), angle=ck.turn(12, over=180.0), width=(1.5, 3.0))
PAGE = Path(__file__).parents[2] / "docs" / "weights.md"


def matrix(figure: Figure) -> np.ndarray:
    """The tiles that a figure of kernels shows, side by side."""
    return np.asarray(figure.axes[0].images[0].get_array())


def test_white_wants_light_and_red_wants_red() -> None:
    picture = rgb(np.array([[[1.0, 0.0]], [[-1.0, 0.0]], [[-1.0, 0.0]]]))
    np.testing.assert_allclose(picture[0], [[1, 0, 0], [0.5, 0.5, 0.5]])
    np.testing.assert_allclose(rgb(np.array([[[-2.0, 1.0]]]), 4.0)[0], [[0.25] * 3, [0.625] * 3])


def test_filters_stand_in_order_of_their_angle() -> None:
    shown = viz.filters(NET, "edges").axes[0].images
    seen = weights.filters(NET["edges"])
    order = weights.by_direction(seen)["grey"]
    top = float(np.abs(seen.weight).max())
    for image, place in zip(shown, order, strict=True):
        np.testing.assert_allclose(image.get_array(), rgb(seen.weight.values[place], top), atol=1e-6)
    given = viz.filters(NET, "edges", units=[0, 1, 2], angles=[30, 10, 20], scale="each").axes[0].images
    own = seen.weight.values[[1, 2, 0]]
    for image, weight in zip(given, own, strict=True):
        np.testing.assert_allclose(image.get_array(), rgb(weight), atol=1e-6)
        assert max(image.get_array().max(), 1 - image.get_array().min()) == pytest.approx(1)


def test_filters_are_legible() -> None:
    spots = HandbuiltNet(build(Circuit("spots", [Family("spots", Spot(sigma=1.0, hue=0), angles=1, hues=12)])))
    assert blemishes(viz.filters(spots, "spots")) == []
    assert blemishes(viz.filters(NET, "edges")) == []


def test_filters_refuse_what_they_cannot_show() -> None:
    with pytest.raises(NetError, match="wanted a layer that reads the image"):
        viz.filters(NET, "lines")
    blind = ck.nets.FunctionNet(lambda images: {"dark": -images}, name="mine")
    with pytest.raises(NetError, match="knows no single kernel"):
        viz.filters(blind, "dark")
    with pytest.raises(SpecError, match="2 angles and no units"):
        viz.filters(NET, "edges", angles=[1, 2])
    with pytest.raises(SpecError, match="1 angles for 2 units"):
        viz.filters(NET, "edges", units=[0, 1], angles=[1])
    with pytest.raises(UnknownNameError, match="Did you mean 'edges'"):
        viz.filters(NET, "edge")


def test_rows_are_units_and_columns_sources_by_family_and_angle() -> None:
    units = {"some": {"lines@45": 2.0, "lines@0": 1.0}, "other": {"lines@90": float("nan")}}
    sources = {"edges": {"edges@90": 10.0, "edges@0": 20.0}}
    figure = viz.kernels(KERNELS, units=units, sources=sources)
    side = KERNELS.sizes["y"]
    shown = matrix(figure).reshape(3, side, 2, side).transpose(0, 2, 1, 3)
    wanted = KERNELS.sel(unit=["lines@0", "lines@45", "lines@90"], source=["edges@90", "edges@0"])
    np.testing.assert_allclose(shown, wanted.values)
    assert off_centre(figure) == []
    assert blemishes(figure) == []
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert {"1°", "2°", "–", "10°", "20°", "edges"} <= texts


def test_without_families_the_strongest_sources_come_first() -> None:
    figure = viz.kernels(KERNELS.isel(unit=[0]), strongest=2)
    squares = (KERNELS.isel(unit=0) ** 2).sum(("y", "x"))
    best = KERNELS.source.values[np.argsort(-squares.values, kind="stable")[:2]]
    np.testing.assert_allclose(
        matrix(figure), np.concatenate([KERNELS.isel(unit=0).sel(source=each) for each in best], 1)
    )
    assert blemishes(figure) == []


def test_kernels_refuse_what_they_cannot_show() -> None:
    with pytest.raises(SpecError, match="wanted \\(unit, source, y, x\\)"):
        viz.kernels(KERNELS.isel(unit=0))
    with pytest.raises(SpecError, match="NaN or infinity"):
        viz.kernels(KERNELS.where(KERNELS > 0))
    with pytest.raises(UnknownNameError, match="has no unit 'lines@46'. Did you mean 'lines@45'"):
        viz.kernels(KERNELS, units={"lines": {"lines@46": 46.0}})
    with pytest.raises(SpecError, match="family 'lines' has no units"):
        viz.kernels(KERNELS, units={"lines": {}})
    wide = xr.concat([KERNELS.assign_coords(source=[f"{n}:{k}" for k in range(8)]) for n in range(30)], "source")
    with pytest.raises(SpecError, match="more than a page can show"):
        viz.kernels(wide, strongest=240)


def test_a_spec_knows_its_families() -> None:
    found = viz.families(SPEC, "lines")
    assert list(found) == ["lines"]
    assert found["lines"]["lines@45"] == 45
    assert set(viz.families(SPEC)) == {"edges", "lines"}


@pytest.mark.parametrize("side", ["source", "place"])
def test_factors_are_legible_and_their_maps_centred(side: Any) -> None:
    found = factors(KERNELS.isel(unit=slice(0, 4)), nonnegative=side, shuffles=1)
    angles = {str(name): float(place) for place, name in enumerate(found.loading.source.values)}
    figure = viz.factors(found, unit_angles={"lines@0": 5.0}, source_angles=angles)
    assert blemishes(figure) == []
    assert off_centre(figure) == []
    first = figure.axes[0].images[0].get_array()
    maps, top = found.maps.values[0], float(np.abs(found.maps).max())
    np.testing.assert_allclose(first, coloured(maps, top, signed=side == "source"))


def test_more_factors_than_colours_are_refused() -> None:
    with pytest.raises(SpecError, match="4 factors: wanted at most three"):
        viz.factors(factors(KERNELS, count=4, shuffles=0))
    with pytest.raises(UnknownNameError, match="no source 'lines@0'"):
        viz.factors(factors(KERNELS, shuffles=0), source_angles={"lines@0": 0.0})


def test_a_sheet_has_images_tuning_and_weights_in_order_of_angle() -> None:
    seen = portrait(NET["lines", [5, 1, 3]], TURNED, period=180.0, steps=1)
    np.testing.assert_allclose(seen.angles, [22.5, 67.5, 112.5], atol=5)  # 12 angles, and 8 units
    assert seen.tuning.unit.values.tolist() == ["lines@22.5", "lines@67.5", "lines@112.5"]
    assert seen.images is not None
    assert seen.weights is not None
    assert seen.images.unit.values.tolist() == seen.weights.unit.values.tolist() == seen.tuning.unit.values.tolist()
    np.testing.assert_array_equal(seen.weights, KERNELS.isel(unit=[1, 3, 5]))
    figure = viz.family_sheet(seen, strongest=2)
    assert blemishes(figure) == []
    assert off_centre(figure) == []
    assert len([axes for axes in figure.axes if axes.images]) == 3 * (1 + 2)


def test_a_net_that_does_not_know_its_weights_has_a_sheet_without_them() -> None:
    blind = ck.nets.FunctionNet(lambda images: {"dark": -images.mean(-1, keepdims=True)}, name="mine")
    seen = portrait(blind["dark"], TURNED, period=180.0, steps=0, angles=[7.0])
    assert seen.weights is None
    assert "cannot be run from an inner layer" in seen.why_no_weights or "no single kernel" in seen.why_no_weights
    assert blemishes(viz.family_sheet(seen)) == []
    silent = portrait(blind["dark"], ck.grid(ck.stimuli.Line(), angle=ck.turn(8)), steps=0)
    assert np.isnan(silent.angles).all() == bool(silent.tuning.max() == 0)


def test_a_sheet_refuses_stimuli_that_are_not_turned() -> None:
    with pytest.raises(StimulusError, match="wanted an axis of angles"):
        portrait(NET["lines"], ck.grid(ck.stimuli.Line(), width=(1.0, 2.0)))
    with pytest.raises(StimulusError, match="evenly spaced over 360 degrees"):
        portrait(NET["lines"], TURNED)
    with pytest.raises(SpecError, match="1 angles for 8 units"):
        portrait(NET["lines"], TURNED, period=180.0, angles=[1.0])


def test_the_page_about_weights_runs_as_it_stands_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    # Sizes that a test can bear; everything else as it is written.
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL):
        small = block.replace("curves.SPEC", "curves.circuit(radius=6)").replace("steps=64", "steps=0")
        small = small.replace("radius=(16.0, 20.0, 25.0)", "radius=(6.0,)").replace(
            "factors(kernel[::2])", "factors(kernel[::4])"
        )
        exec(small.replace("circuit(radius=8)", "circuit(radius=4)"), names)
    assert names["found"].p <= 0.05
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "filters.png", "kernels.png", "expanded.png", "factors.png", "sheet.png",
    }  # fmt: skip


def test_the_page_shows_pictures_that_are_there() -> None:
    for name in re.findall(r"\]\((images/[^)]+)\)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / name).exists(), name
