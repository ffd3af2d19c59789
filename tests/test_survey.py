"""Surveys beside a plain computation over all responses at once: what comes first, what is counted, what is cut."""

from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Array, Float

from circuitkit import histogram
from circuitkit.build import build
from circuitkit.errors import ImageError, NetError, SpecError, StimulusError, UnknownNameError
from circuitkit.probe import HandbuiltNet, Net
from circuitkit.receptive_field import ReceptiveField
from circuitkit.spec import Circuit, Crossing, Family, Gabor, Line, Tile
from circuitkit.stimuli import (
    Curve,
    LabelledSet,
    LogUniform,
    Photographs,
    Uniform,
    load,
    photographs,
    sample,
    save,
    turn,
)
from circuitkit.survey import crops, strata, survey
from tests.strategies import unchecked

SIDE, STRIDE, SIZE = 20, 2, 5
COUNT = 11


class Filters(Net):
    """A layer of random kernels with padding, at a stride; `rectified` or not."""

    name, layers = "filters", ("signed", "rectified", "pooled")

    def __init__(self, units: int = 3, change: Callable[[Array], Array] = lambda maps: maps) -> None:
        rng = np.random.default_rng(0)
        self.kernel = jnp.asarray(rng.normal(size=(SIZE, SIZE, 3, units)), jnp.float32)
        self.change = change

    def unit_names(self, layer: str) -> tuple[str, ...]:
        return tuple(f"{layer}:{unit}" for unit in range(self.kernel.shape[3]))

    def receptive_field(self, layer: str, image_size: tuple[int, int] | None = None) -> ReceptiveField | None:
        del image_size
        return None if layer == "pooled" else ReceptiveField((SIZE, SIZE), (STRIDE, STRIDE), (0.0, 0.0))

    def maps(self, images: Float[Array, "image h w 3"], layer: str) -> Float[Array, "image row column unit"]:
        maps = jax.lax.conv_general_dilated(
            images, self.kernel, (STRIDE, STRIDE), [(2, 2), (2, 2)], dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        maps = self.change(maps)
        if layer == "pooled":
            return jnp.mean(maps, (1, 2), keepdims=True)
        return jnp.maximum(maps, 0) if layer == "rectified" else maps


NET = Filters()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Photographs:
    import PIL.Image

    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(1)
    for index in range(COUNT):
        PIL.Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(folder / f"{index:02d}.png")
    # The same picture twice: its responses are ties.
    (folder / "07.png").write_bytes((folder / "02.png").read_bytes())
    return photographs(folder)


def all_maps(images: LabelledSet, layer: str, net: Net = NET) -> Float[np.ndarray, "image row column unit"]:
    return np.asarray(net[layer].maps(jnp.asarray(images.images(SIDE))))


def same(one: xr.Dataset, other: xr.Dataset, rounding: float = 1e-5) -> None:
    """Requires two surveys to be the same but for rounding; what counts and numbers things, to the bit."""
    assert set(one.variables) == set(other.variables)
    for name, values in one.variables.items():
        if name == "histogram" or np.issubdtype(values.dtype, np.integer) or values.dtype.kind in "UTO":
            np.testing.assert_array_equal(values, other.variables[name], err_msg=str(name))
        else:
            np.testing.assert_allclose(values, other.variables[name], rtol=rounding, atol=rounding, err_msg=str(name))


@pytest.fixture(scope="module", params=["signed", "rectified"])
def layer(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def seen(images: Photographs, layer: str) -> xr.Dataset:
    return survey(NET[layer], images, top=5)


# Against all responses at once.


def test_the_top_list_is_that_of_a_sort_over_all_images(seen: xr.Dataset, images: Photographs, layer: str) -> None:
    maps = all_maps(images, layer)
    for unit in range(maps.shape[3]):
        largest = maps[..., unit].max((1, 2))
        order = np.argsort(-largest, kind="stable")[:5]  # of equal ones, the lower number
        np.testing.assert_array_equal(seen.top_image[unit], order)
        np.testing.assert_allclose(seen.top_response[unit], largest[order], rtol=1e-5)
        for rank, image in enumerate(order):
            row, column = np.unravel_index(maps[image, :, :, unit].argmax(), maps.shape[1:3])
            assert (row, column) == (int(seen.top_row[unit, rank]), int(seen.top_column[unit, rank]))
            assert (STRIDE * row, STRIDE * column) == (float(seen.top_y[unit, rank]), float(seen.top_x[unit, rank]))


def test_moments_and_shares_are_those_of_all_positions(seen: xr.Dataset, images: Photographs, layer: str) -> None:
    flat = all_maps(images, layer).astype(float).reshape(-1, 3)
    np.testing.assert_allclose(seen.mean_response, flat.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(seen.std_response, flat.std(0), rtol=1e-4)
    np.testing.assert_allclose(seen.min_response, flat.min(0), rtol=1e-5)
    np.testing.assert_allclose(seen.max_response, flat.max(0), rtol=1e-5)
    np.testing.assert_allclose(seen.share_active, (flat > 0).mean(0))
    assert seen.attrs["positions"] * seen.attrs["image_count"] == len(flat)


def test_quantiles_are_within_their_bound(seen: xr.Dataset, images: Photographs, layer: str) -> None:
    flat = all_maps(images, layer).reshape(-1, 3)
    for q in seen.q.values:
        wanted = np.quantile(flat, q, axis=0, method="inverted_cdf")
        found = seen.quantiles.sel(q=q).values
        assert (np.abs(found - wanted) <= 2.0**-histogram.MANTISSA * np.abs(wanted) + 1e-9).all()


def test_the_histogram_counts_what_lies_between_its_edges(seen: xr.Dataset, images: Photographs, layer: str) -> None:
    flat = all_maps(images, layer).reshape(-1, 3)
    for place, (low, high) in enumerate(zip(seen.bin_low.values, seen.bin_high.values, strict=True)):
        inside = flat == 0 if low == high == 0 else (flat >= low) & (flat < high) & (flat != 0)
        if high <= 0 and low < high:
            inside = (flat > low) & (flat <= high) & (flat != 0)
        np.testing.assert_array_equal(seen.histogram[:, place], inside.sum(0))
    assert (seen.histogram.sum("bin") == len(flat)).all()
    zero = seen.histogram[:, (seen.bin_low == 0) & (seen.bin_high == 0)]
    assert bool((zero > 0).all()) == (layer == "rectified")


def test_each_image_is_kept_with_its_largest_response(seen: xr.Dataset, images: Photographs, layer: str) -> None:
    maps = all_maps(images, layer)
    np.testing.assert_allclose(seen.image_response, maps.max((1, 2)), rtol=1e-5)
    places = maps.reshape(COUNT, -1, 3).argmax(1)
    np.testing.assert_array_equal(seen.image_row * maps.shape[2] + seen.image_column, places)


def test_ties_go_to_the_lower_number(seen: xr.Dataset) -> None:
    for unit in seen.top_image.values:
        if {2, 7} <= set(unit):
            assert list(unit).index(7) == list(unit).index(2) + 1
    flat = survey(Filters(change=lambda maps: maps * 0 + 1)["signed"], photographs_of(seen), top=4)
    np.testing.assert_array_equal(flat.top_image, [[0, 1, 2, 3]] * 3)
    np.testing.assert_array_equal(flat.top_row, 0)


def photographs_of(seen: xr.Dataset) -> LabelledSet:
    from circuitkit.stimuli import from_json

    return from_json(seen.attrs["images_definition"])


@pytest.mark.parametrize("chunk", [1, 4, 11, 16])
def test_chunks_change_nothing_but_rounding(seen: xr.Dataset, images: Photographs, layer: str, chunk: int) -> None:
    same(survey(NET[layer], images, top=5, chunk=chunk), seen)


def test_another_net_is_noticed(seen: xr.Dataset, images: Photographs, layer: str) -> None:
    with pytest.raises(AssertionError):
        same(survey(Filters(change=lambda maps: maps * 1.01)[layer], images, top=5), seen)


def test_fewer_images_than_ranks_leave_no_empty_rank(images: Photographs) -> None:
    assert survey(NET["signed"], images[:3], top=16).sizes["rank"] == 3


def test_progress_counts_every_image_once(images: Photographs) -> None:
    told: list[tuple[int, int]] = []
    survey(NET["signed"], images, chunk=4, progress=lambda done, total: told.append((done, total)))
    assert told == [(4, 11), (8, 11), (11, 11)]


# Counting.


@given(
    values=st.lists(
        st.one_of(
            st.floats(width=32, allow_nan=False, allow_infinity=False),
            st.floats(-10, 10, width=32),
            st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0**-32, 2.0**32, 1e-40]),
        ),
        min_size=16,
        max_size=16,
    ),
    q=st.floats(0.001, 1),
)
def test_any_float_has_a_bin_and_a_quantile_lies_in_that_of_the_value(values: list[float], q: float) -> None:
    given_ = np.array(values, np.float32)
    counts = np.asarray(COUNTED(jnp.asarray(given_)[:, None], jnp.ones(16, bool)))
    assert counts.sum() == 16
    low, high = histogram.edges()
    bins = np.repeat(np.arange(counts.shape[1]), counts[0])
    ordered = np.sort(given_.astype(float))
    with np.errstate(over="ignore"):
        # JAX flushes denormals on some backends: they count as 0.
        normal = np.abs(ordered) >= np.finfo(np.float32).tiny
    assert (low[bins][normal] <= ordered[normal]).all()
    assert (ordered[normal] <= high[bins][normal]).all()
    true = np.quantile(ordered, q, method="inverted_cdf")
    (found,) = histogram.quantiles(counts, (q,))[0]
    if abs(true) < 2.0**32:
        assert abs(found - true) <= 2.0**-histogram.MANTISSA * abs(true) + 2.4e-10


COUNTED = jax.jit(histogram.count)


def test_counts_add_up_and_what_is_not_valid_is_left_out() -> None:
    values = jnp.asarray(np.random.default_rng(0).normal(size=(40, 2)), jnp.float32)
    whole = COUNTED(values, jnp.ones(40, bool))
    first = COUNTED(values, jnp.arange(40) < 13)
    np.testing.assert_array_equal(first + COUNTED(values, jnp.arange(40) >= 13), whole)
    assert (first.sum(1) == 13).all()


def test_coarser_bins_hold_the_same() -> None:
    values = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    counts = np.asarray(COUNTED(jnp.asarray(values), jnp.ones(200, bool)))
    low, high = histogram.edges(8)
    coarse = histogram.coarser(counts, 8)
    assert coarse.shape == (2, len(low))
    for unit, place in np.argwhere(coarse):
        inside = (values[:, unit] >= low[place]) & (values[:, unit] <= high[place])
        assert coarse[unit, place] == inside.sum()


def test_a_quantile_between_wider_bins_would_break_the_bound() -> None:
    values = np.linspace(1, 2, 1000, dtype=np.float32)
    counts = np.zeros((1, 2 * histogram.SIDE + 1), int)
    # All in the first bin of the octave, as if it were the whole octave.
    counts[0, histogram.SIDE + 1 + (-histogram.OCTAVES[0] << histogram.MANTISSA)] = 1000
    wrong = histogram.quantiles(counts, (0.9,))[0, 0]
    assert abs(wrong - 1.9) > 2.0**-histogram.MANTISSA * 1.9
    right = np.asarray(COUNTED(jnp.asarray(values)[:, None], jnp.ones(1000, bool)))
    assert abs(histogram.quantiles(right, (0.9,))[0, 0] - 1.9) < 2.0**-histogram.MANTISSA * 1.9


# Borders, sizes and other sets.


def test_without_the_border_only_fields_within_the_image_count(images: Photographs) -> None:
    inner = survey(NET["signed"], images, border="drop", top=5)
    maps = all_maps(images, "signed")[:, 1:-1, 1:-1]
    largest = maps.max((1, 2))
    np.testing.assert_allclose(inner.image_response, largest, rtol=1e-5)
    assert inner.attrs["positions"] == maps.shape[1] * maps.shape[2]
    assert int(inner.image_row.min()) >= 1
    reach = (SIZE - 1) / 2
    for name in ("top_y", "top_x"):
        assert float(inner[name].min()) - reach >= 0
        assert float(inner[name].max()) + reach <= SIDE - 1
    assert not np.allclose(largest, all_maps(images, "signed").max((1, 2)))  # the border does matter


def test_a_border_that_leaves_nothing_is_refused(images: Photographs) -> None:
    with pytest.raises(ImageError, match="each sees 5x5 pixels, and none of them nothing but image"):
        survey(NET["signed"], images, border="drop", size=4)
    with pytest.raises(ImageError, match="each sees all of the image"):
        survey(NET["pooled"], images, border="drop")


def test_a_unit_that_sees_all_is_centred_on_the_image(images: Photographs) -> None:
    pooled = survey(NET["pooled"], images, top=2)
    np.testing.assert_array_equal(pooled.top_y, (SIDE - 1) / 2)
    cut = crops(pooled, images)
    np.testing.assert_allclose(cut[0, 0], images.images(SIDE)[int(pooled.top_image[0, 0])], atol=1e-6)


def small_net() -> HandbuiltNet:
    edges = Family("edges", Gabor(wavelength=4, sigma=1.2, phase=90), angles=8)
    lines = Family("lines", Tile(edges, along=Line(length=3), tolerance=20) - Crossing(0.5), angles=8)
    return HandbuiltNet(build(Circuit("small", [edges, lines])))


def test_a_sample_is_read_as_a_sweep_reads_it_and_a_saved_set_as_it_is(tmp_path: Path) -> None:
    from circuitkit.sweep import tune

    probe = small_net()["lines"]
    arcs = sample(Curve(), 20, seed=0, angle=Uniform(0, 360), radius=LogUniform(8, 60))
    found = survey(probe, arcs, top=3)
    assert found.attrs["positions"] == 1
    np.testing.assert_allclose(found.image_response, tune(probe, arcs), rtol=1e-4, atol=1e-6)
    wide = survey(probe, arcs, size=probe.site().height + 6)
    assert wide.attrs["positions"] == 49
    save(arcs, tmp_path / "arcs.npz", probe.site().height)
    saved = load(tmp_path / "arcs.npz")
    np.testing.assert_allclose(survey(probe, saved).image_response, found.image_response, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        survey(probe, saved[3:9]).image_response, found.image_response[3:9], rtol=1e-4, atol=1e-6
    )
    cut = crops(found, arcs)
    np.testing.assert_allclose(cut[0, 0], arcs[int(found.top_image[0, 0])].draw(probe.site().height), atol=1e-5)


def test_varied_photographs_and_directions_can_be_surveyed(images: Photographs) -> None:
    turned = images[:3].vary(angle=turn(4))
    both = NET["signed"].along([1, 0, 0], [0, 1, 1], names=("first", "both"))
    found = survey(both, turned, top=2)
    assert found.attrs["image_count"] == 12
    assert list(found.unit.values) == ["first", "both"]
    alone = survey(NET["signed", 0], turned, top=2)
    np.testing.assert_allclose(found.top_response[0], alone.top_response[0], rtol=1e-5)


# Many images.


def test_of_many_images_a_sample_is_kept_that_the_seed_of_nobody_changes(images: Photographs) -> None:
    some = survey(NET["signed"], images, kept=6, chunk=4)
    assert some.sizes["image"] == 6
    whole = survey(NET["signed"], images)
    np.testing.assert_array_equal(some.image, survey(NET["signed"], images, kept=6).image)
    np.testing.assert_allclose(some.image_response, whole.image_response.sel(image=some.image), rtol=1e-5)
    np.testing.assert_array_equal(some.top_image, whole.top_image)


def test_what_is_held_does_not_grow_with_the_set() -> None:
    probe = small_net()["edges"]

    def held(count: int) -> int:
        found = survey(probe, sample(Curve(), count, seed=0, angle=Uniform(0, 360)), kept=64, chunk=64, top=4)
        return sum(
            values.nbytes
            for name, values in found.variables.items()
            if name not in ("histogram", "bin_low", "bin_high")
        )

    assert held(3000) == held(300)


# Strata and crops.


def test_strata_hold_examples_of_every_strength(seen: xr.Dataset) -> None:
    edges = (0, 0.5, 0.9, 1)
    for of in ("maximum", "quantile"):
        found = strata(seen, edges, of=of, each=4)
        for unit in range(3):
            kept = seen.image_response[:, unit].values
            limits = kept.max() * np.array(edges) if of == "maximum" else np.quantile(kept, edges)
            for stratum in range(3):
                low, high = limits[stratum : stratum + 2]
                inside = (kept >= low) & ((kept < high) | ((stratum == 2) & (kept <= high)))
                assert int(found["count"][unit, stratum]) == inside.sum()
                drawn = found.image[unit, stratum].values
                drawn = drawn[drawn >= 0]
                assert len(set(drawn)) == len(drawn) == min(4, inside.sum())
                assert set(drawn) <= set(np.flatnonzero(inside))
                np.testing.assert_array_equal(found.response[unit, stratum, : len(drawn)], kept[drawn])
                assert (np.diff(kept[drawn]) <= 0).all()
                assert np.isnan(found.response[unit, stratum, len(drawn) :]).all()


def test_strata_of_one_unit_are_those_of_all(seen: xr.Dataset) -> None:
    alone = strata(seen.isel(unit=1), each=3)
    np.testing.assert_array_equal(alone.image[0], strata(seen, each=3).image[1])
    np.testing.assert_array_equal(alone.image, strata(seen, each=3).isel(unit=[1]).image)


def test_a_crop_is_what_the_unit_saw(seen: xr.Dataset, images: Photographs, layer: str) -> None:
    shown = images.images(SIDE)
    padded = np.pad(shown, ((0, 0), (2, 2), (2, 2), (0, 0)))
    for found in (seen, strata(seen, each=2)):
        cut = crops(found, images)
        name = "top_" if "top_image" in found else ""
        assert cut.dims == (*found[f"{name}image"].dims, "y", "x", "channel")
        for place, image in np.ndenumerate(found[f"{name}image"].values):
            if image < 0:
                assert (cut.values[place] == 0).all()
                continue
            top, left = (STRIDE * int(found[f"{name}{axis}"].values[place]) for axis in ("row", "column"))
            wanted = padded[image, top : top + SIZE, left : left + SIZE]
            np.testing.assert_allclose(cut.values[place], wanted, atol=1e-6)
            unit = place[0]
            response = (cut.values[place] * np.asarray(NET.kernel[..., unit])).sum()
            expected = found[f"{name}response"].values[place]
            assert max(response, 0 if layer == "rectified" else response) == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_crops_of_one_unit_draw_only_its_images(seen: xr.Dataset, images: Photographs) -> None:
    asked: list[int] = []

    class Counted(Photographs):
        def items(self, indices: np.ndarray) -> object:
            asked.extend(indices.tolist())
            return super().items(indices)

    counted = Counted(images.decoder, images.chosen, images.stimulus)
    one = seen.isel(unit=[0])
    np.testing.assert_array_equal(crops(one, counted), crops(seen, images)[:1])
    assert set(asked) - {0} <= set(one.top_image.values.ravel())


# Files.


def test_a_survey_is_written_and_read_again(seen: xr.Dataset, images: Photographs, tmp_path: Path) -> None:
    seen.to_netcdf(tmp_path / "survey.nc", engine="scipy")
    again = xr.load_dataset(tmp_path / "survey.nc", engine="scipy")
    same(seen, again, 1e-7)
    np.testing.assert_array_equal(crops(again, images), crops(seen, images))
    np.testing.assert_array_equal(strata(again).image, strata(seen).image)
    assert all(isinstance(value, str | int | list) for value in seen.attrs.values())


# What is refused.


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_response_that_is_no_number_is_named(images: Photographs, bad: float) -> None:
    def spoil(maps: Array) -> Array:
        return maps.at[:, 3, 4, 1].set(jnp.where(maps[:, 3, 4, 1] > 0, bad, maps[:, 3, 4, 1]))

    first = int(np.argmax(all_maps(images, "signed")[:, 3, 4, 1] > 0))
    said = f"unit 'signed:1' of layer 'signed' of net 'filters' responds with NaN or infinity to image {first}"
    with pytest.raises(NetError, match=said):
        survey(Filters(change=spoil)["signed"], images, chunk=4)


def test_what_cannot_be_meant_is_refused(images: Photographs, seen: xr.Dataset) -> None:
    probe = NET["signed"]
    with unchecked():
        for option in ({"top": 0}, {"chunk": 0}, {"kept": -1}, {"top": 2.5}):
            with pytest.raises(SpecError, match=f"survey has {next(iter(option))}="):
                survey(probe, images, **option)  # type: ignore[arg-type]
        with pytest.raises(UnknownNameError, match="survey has no border 'dropp'. Did you mean 'drop'"):
            survey(probe, images, border="dropp")  # type: ignore[arg-type]
        with pytest.raises(UnknownNameError, match="strata has no scale 'max'. Did you mean 'maximum'"):
            strata(seen, of="max")  # type: ignore[arg-type]
    none = sample(Curve(), 3, seed=0)[:0]
    with pytest.raises(StimulusError, match="a set of no images"):
        survey(probe, none)
    for edges in ((0.5,), (0, 0.5, 0.5), (-0.1, 1), (0, 2)):
        with pytest.raises(StimulusError, match="wanted at least two numbers that rise"):
            strata(seen, edges)
    with pytest.raises(StimulusError, match="of 11 images .*, and 4 are given"):
        crops(seen, images[:4])


def test_a_picture_that_is_none_is_named_before_anything_is_computed(tmp_path: Path, images: Photographs) -> None:
    for path in images.decoder.source.path.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "05.png").write_text("no picture")
    told: list[int] = []
    with pytest.raises(StimulusError, match="picture '05.png' .* is no picture that can be read"):
        survey(NET["signed"], photographs(tmp_path), chunk=1, progress=lambda done, total: told.append(done))
    assert told == []
