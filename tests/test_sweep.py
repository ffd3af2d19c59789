"""Sweeps: labels, chunks, crops and read-outs, on a small circuit."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from circuitkit.build import build
from circuitkit.errors import ImageError, SpecError, UnknownNameError
from circuitkit.nets import FunctionNet
from circuitkit.probe import HandbuiltNet
from circuitkit.spec import Arc, Circuit, Crossing, Family, Gabor, Line, OppositeArc, Tile, Union
from circuitkit.stimuli import Curve, grid, turn
from circuitkit.sweep import tune
from tests.strategies import unchecked


def small_circuit() -> Circuit:
    edges = Family("edges", Gabor(wavelength=5, sigma=1.6, phase=90), angles=8)
    bars = Family("bars", Gabor(wavelength=5, sigma=1.6, phase=0), angles=4)
    contours = Family("contours", Union((edges, bars)), angles=4)
    lines = Family("lines", Tile(contours, along=Line(length=3), tolerance=25) - Crossing(0.5), angles=8)
    arc = Arc(radius=8, length=10)
    curves = Family("curves", Tile(lines, along=arc, tolerance=20) - Crossing(0.5) - OppositeArc(0.5), angles=8)
    return Circuit("small", [edges, bars, contours, lines, curves])


NET = HandbuiltNet(build(small_circuit()))
STIMULI = grid(Curve(length=30.0), angle=turn(8), radius=(8.0, 16.0, math.inf), polarity=(1.0, -1.0))


@pytest.fixture(scope="module")
def responses() -> xr.DataArray:
    return tune(NET["curves"], STIMULI)


def test_responses_are_labelled(responses: xr.DataArray) -> None:
    assert responses.dims == ("angle", "radius", "polarity", "unit")
    assert list(responses.unit.values) == list(NET.unit_names("curves"))
    assert list(responses.radius.values) == [8.0, 16.0, math.inf]
    assert responses.attrs["read_out"].startswith("centre")
    assert responses.attrs["net"] == "small"
    assert "jax" in responses.attrs["versions"]
    assert float(responses.max()) > 0


def test_each_unit_prefers_its_own_angle(responses: xr.DataArray) -> None:
    best = responses.sel(radius=8.0, polarity=1.0).idxmax("angle")
    np.testing.assert_allclose(best, turn(8))


@pytest.mark.parametrize("chunk", [1, 7, 48, 64])
def test_chunking_changes_nothing(responses: xr.DataArray, chunk: int) -> None:
    again = tune(NET["curves"], STIMULI, chunk=chunk)
    # Rounding is that of the sums, in which excitation and inhibition cancel to a response a tenth as large.
    np.testing.assert_allclose(again, responses, atol=5e-6 * float(responses.max()))


def test_the_crop_gives_what_a_larger_image_gives(responses: xr.DataArray) -> None:
    site = NET["curves"].site()
    larger = tune(NET["curves"], STIMULI, size=site.height + 14)
    np.testing.assert_allclose(larger, responses, atol=1e-5 * float(responses.max()))


def test_a_crop_one_stride_short_is_refused() -> None:
    site = NET["curves"].site()
    with pytest.raises(ImageError, match="too small for layer"):
        tune(NET["curves"], STIMULI, size=site.height - 2)


def test_an_even_image_is_read_where_a_unit_looks(responses: xr.DataArray) -> None:
    even = NET["curves"].site_in(NET["curves"].site().height + 1, NET["curves"].site().height + 1)
    assert even.anchor == (float(round(even.anchor[0])), float(round(even.anchor[1])))
    shifted = tune(NET["curves"], STIMULI, size=even.height)
    np.testing.assert_allclose(shifted, responses, atol=1e-5 * float(responses.max()))


def test_max_is_at_least_the_centre_and_says_so(responses: xr.DataArray) -> None:
    largest = tune(NET["curves"], STIMULI, read_out="max", size=NET["curves"].site().height + 10)
    assert (largest >= responses - 1e-6).all()
    assert float((largest - responses).max()) > 0.05 * float(responses.max())
    assert largest.attrs["read_out"].startswith("max")


def test_a_direction_is_an_inner_product_and_a_channel_its_special_case(responses: xr.DataArray) -> None:
    axis = np.zeros(8)
    axis[3] = 2.0
    mixed = np.array([1.0, 0, 0, 0, 1.0, 0, 0, 0])
    probe = NET["curves"].along(axis, mixed, names=("third", "mixed"))
    found = tune(probe, STIMULI)
    assert list(found.unit.values) == ["third", "mixed"]
    scale = float(responses.max())
    np.testing.assert_allclose(found.sel(unit="third"), responses.isel(unit=3), atol=1e-6 * scale)
    both = (responses.isel(unit=0) + responses.isel(unit=4)) / math.sqrt(2)
    np.testing.assert_allclose(found.sel(unit="mixed"), both, atol=1e-6 * scale)


def test_units_are_chosen_by_name_and_by_number(responses: xr.DataArray) -> None:
    by_name = tune(NET["curves", "curves@90"], STIMULI)
    by_number = tune(NET["curves", [2, 0]], STIMULI)
    assert list(by_number.unit.values) == ["curves@90", "curves@0"]
    np.testing.assert_allclose(by_name.isel(unit=0), responses.sel(unit="curves@90"), atol=1e-7)
    np.testing.assert_allclose(by_number.isel(unit=1), responses.isel(unit=0), atol=1e-7)


def test_grey_and_rgb_images_are_taken() -> None:
    image = np.random.default_rng(0).normal(size=(1, 40, 40, 1)).astype(np.float32)
    grey = NET.maps(jnp.asarray(image), "curves")
    rgb = NET.maps(jnp.asarray(np.concatenate([image * 0.5, image * 1.5, image], axis=-1)), "curves")
    assert float(grey.max()) > 0
    np.testing.assert_allclose(rgb, grey, atol=1e-6)


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="net 'small' has no layer 'curvs'. Did you mean 'curves'"):
        NET["curvs"]
    with pytest.raises(UnknownNameError, match="has no unit 'curves@44'. Did you mean"):
        NET["curves", "curves@44"]
    with pytest.raises(UnknownNameError, match="has no unit 8: it has 8 units"):
        NET["curves", 8]


def test_misspelt_read_outs_and_impossible_chunks_are_refused() -> None:
    with unchecked():
        with pytest.raises(UnknownNameError, match="tune has no read-out 'center'. Did you mean 'centre'"):
            tune(NET["curves"], STIMULI, read_out="center")  # type: ignore[arg-type]
        with pytest.raises(SpecError, match="tune has chunk=-1: wanted a whole number, at least 1"):
            tune(NET["curves"], STIMULI, chunk=-1)


def test_bytes_and_lists_are_no_images() -> None:
    with unchecked():
        with pytest.raises(ImageError, match="got images of type uint8: wanted floats"):
            NET.maps(np.zeros((1, 40, 40, 3), np.uint8), "curves")  # type: ignore[arg-type]
        with pytest.raises(ImageError, match="got images as a list: wanted an array"):
            NET.maps([[0.0]], "curves")  # type: ignore[arg-type]


@pytest.mark.parametrize("vector", [np.zeros(8), np.ones(7), np.array([np.nan] * 8)], ids=["zero", "too short", "nan"])
def test_directions_that_are_none_are_refused(vector: np.ndarray) -> None:
    with pytest.raises(ImageError, match="wanted 8 finite numbers, not all zero"):
        NET["curves"].along(vector)


def test_progress_counts_every_stimulus_once() -> None:
    seen: list[tuple[int, int]] = []
    tune(NET["curves"], STIMULI, chunk=20, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(20, 48), (40, 48), (48, 48)]


# Windows and maps


def test_the_crop_gives_what_whole_images_give(responses: xr.DataArray) -> None:
    side = NET["curves"].site().height + 20
    site = NET["curves"].site_in(side, side)
    assert site.anchor == ((side - 1) / 2, (side - 1) / 2)
    maps = NET.maps(jnp.asarray(STIMULI.images(side)), "curves")
    whole = maps[:, site.unit[0], site.unit[1]].reshape(responses.shape)
    np.testing.assert_allclose(responses, whole, atol=2e-6 * float(responses.max()))
    beside = maps[:, site.unit[0], site.unit[1] + 1].reshape(responses.shape)
    assert float(jnp.abs(beside - responses.values).max()) > 0.01 * float(responses.max())


@pytest.mark.parametrize("size", [None, 61], ids=["smallest", "61 px"])
def test_a_map_holds_the_centre_and_its_neighbours(responses: xr.DataArray, size: int | None) -> None:
    found = tune(NET["curves"], STIMULI, read_out="map", window=3, size=size)
    scale = float(responses.max())
    assert found.dims == ("angle", "radius", "polarity", "row", "column", "unit")
    assert (found.unit_y.values.tolist(), found.unit_x.values.tolist()) == ([1, 0, -1], [-1, 0, 1])
    np.testing.assert_allclose(found.isel(row=1, column=1), responses, atol=2e-6 * scale)
    # A unit up and to the right sees the stimulus down and to the left of itself.
    moved = grid(Curve(length=30.0, x=-1, y=-1), angle=turn(8), radius=(8.0, 16.0, math.inf), polarity=(1.0, -1.0))
    np.testing.assert_allclose(
        found.isel(row=0, column=2).drop_vars(["unit_x", "unit_y"]), tune(NET["curves"], moved), atol=1e-5 * scale
    )
    largest = tune(NET["curves"], STIMULI, read_out="max", window=3, size=size)
    np.testing.assert_allclose(largest, found.max(("row", "column")), atol=2e-6 * scale)
    assert "3x3 units around unit" in largest.attrs["read_out"]


def test_a_map_over_places_keeps_both_kinds_of_places() -> None:
    found = tune(NET["edges"], grid(Curve(length=30.0), x=(-1, 0, 1)), read_out="map", window=3)
    assert found.dims == ("x", "row", "column", "unit")
    assert found.x.values.tolist() == [-1, 0, 1]
    # One pixel to the right of the stimulus is one pixel to the right of where it was.
    np.testing.assert_allclose(
        found.sel(x=-1).isel(column=0), found.sel(x=1).isel(column=2), atol=1e-5 * float(found.max())
    )


def test_a_whole_map_is_kept(responses: xr.DataArray) -> None:
    side = NET["curves"].site().height + 4
    found = tune(NET["curves"], STIMULI, read_out="map", size=side)
    assert (found.sizes["row"], found.sizes["column"]) == (5, 5)
    np.testing.assert_allclose(found.sel(row=2, column=2), responses, atol=2e-6 * float(responses.max()))


def test_windows_that_no_map_holds_are_refused() -> None:
    side = NET["curves"].site().height + 2
    with pytest.raises(ImageError, match="has 3x3 units on images of .* too few for window=5 around unit"):
        tune(NET["curves"], STIMULI, read_out="max", window=5, size=side)
    with pytest.raises(SpecError, match="an even window has no unit at its centre. Try 5"):
        tune(NET["curves"], STIMULI, read_out="map", window=4)
    with pytest.raises(SpecError, match="tune has window=3, but centre reads one unit"):
        tune(NET["curves"], STIMULI, window=3)


# What is equal to what


def test_the_same_call_gives_the_same_bits(responses: xr.DataArray) -> None:
    np.testing.assert_array_equal(tune(NET["curves"], STIMULI), responses)


def test_the_order_of_stimuli_changes_nothing(responses: xr.DataArray) -> None:
    order = np.random.default_rng(0).permutation(len(STIMULI))
    shuffled = tune(NET["curves"], STIMULI[order.tolist()], chunk=10)
    flat = responses.values.reshape(len(STIMULI), -1)
    np.testing.assert_allclose(shuffled, flat[order], atol=1e-6 * flat.max())
    assert not np.allclose(shuffled, flat, atol=1e-3 * flat.max())


def test_programs_are_kept_for_nets_of_one_structure_and_never_mixed_up(responses: xr.DataArray) -> None:
    from circuitkit import compiling

    faint = HandbuiltNet(build(small_circuit()))
    kernel = faint.network.layers["curves"].kernel
    kernel[...] = kernel[...] / 2
    before = len(compiling._PROGRAMS)
    halved = tune(faint["curves"], STIMULI)
    assert len(compiling._PROGRAMS) == before
    np.testing.assert_allclose(halved, responses / 2, atol=1e-6 * float(responses.max()))


def test_a_whole_map_is_never_that_of_a_crop() -> None:
    for read_out in ("max", "map"):
        with pytest.raises(SpecError, match="net 'small' was made for images of no size, so there is no whole map"):
            tune(NET["curves"], STIMULI, read_out=read_out)


def test_whole_maps_are_those_of_images_of_the_nets_own_size() -> None:
    def maps(images: jax.Array) -> dict[str, jax.Array]:
        return {"same": jax.lax.conv_general_dilated(images, jnp.ones((3, 3, 1, 1)), (1, 1), "SAME", **NUMBERS)}

    found = tune(FunctionNet(maps, name="own", image_size=(9, 9), channels=1)["same"], STIMULI, read_out="map")
    assert (found.sizes["row"], found.sizes["column"]) == (9, 9)


NUMBERS = {"dimension_numbers": ("NHWC", "HWIO", "NHWC")}
