"""Figures and the page of examples show what was found: the right crops, the right numbers, legibly."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
import xarray as xr

from circuitkit.build import build
from circuitkit.errors import StimulusError
from circuitkit.probe import HandbuiltNet
from circuitkit.stimuli import Photographs, photographs
from circuitkit.stimuli.export import to_bytes
from circuitkit.survey import crops, survey
from circuitkit.viz import examples, style
from circuitkit.viz.examples import _Density, example_figure, write_examples
from tests.viz import synthetic
from tests.viz.test_figures import blemishes

COUNT = 6


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Photographs:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for index in range(COUNT):
        coarse = PIL.Image.fromarray(rng.integers(0, 256, (10, 10, 3), np.uint8))
        coarse.resize((40, 40), PIL.Image.Resampling.BICUBIC).save(folder / f"<b>&{index}.png")
    return photographs(folder)


@pytest.fixture(scope="module")
def seen(images: Photographs) -> xr.Dataset:
    return survey(HandbuiltNet(build(synthetic.circuit()))["curves"], images, top=4)


@pytest.fixture(scope="module")
def page(seen: xr.Dataset, images: Photographs, tmp_path_factory: pytest.TempPathFactory) -> str:
    hostile = seen.assign_coords(unit=[synthetic.HOSTILE, *seen.unit.values[1:]])
    hostile.attrs["net"] = synthetic.HOSTILE
    path = write_examples(hostile, images, tmp_path_factory.mktemp("out") / "deep", top=3)
    assert [entry.name for entry in path.parent.iterdir()] == ["examples.html"]
    return path.read_text(encoding="utf-8")


def test_a_figure_shows_the_crops_and_their_responses(seen: xr.Dataset, images: Photographs) -> None:
    units = [str(name) for name in seen.unit.values[[3, 1]]]
    figure = example_figure(seen, images, units=units, top=3)
    assert figure.get_figwidth() == style.WIDTH
    assert blemishes(figure) == []
    pictures = [axes for axes in figure.axes if axes.images]
    cut = crops(seen.sel(unit=units).isel(rank=slice(0, 3)), images).values
    for axes, crop, response in zip(
        pictures, cut.reshape(-1, *cut.shape[2:]), seen.top_response.sel(unit=units)[:, :3].values.ravel(), strict=True
    ):
        np.testing.assert_array_equal(axes.images[0].get_array(), to_bytes(crop[None])[0])
        assert axes.get_xlabel() == f"{response:.3g}"
    histograms = [axes for axes in figure.axes if not axes.images]
    assert [axes.get_yscale() for axes in histograms] == ["log", "log"]


@pytest.mark.parametrize("count", [1, 8])
def test_texts_are_legible(seen: xr.Dataset, images: Photographs, count: int) -> None:
    hostile = seen.assign_coords(unit=[synthetic.HOSTILE + "x" * 40, *seen.unit.values[1:]])
    hostile.attrs["layer"] = synthetic.HOSTILE
    figure = example_figure(hostile, images, units=[str(name) for name in hostile.unit.values[:count]])
    assert blemishes(figure) == []


def test_too_many_units_are_refused(seen: xr.Dataset, images: Photographs) -> None:
    with pytest.raises(StimulusError, match="got 0 units: wanted 1 to 8"):
        example_figure(seen, images, units=[])
    with pytest.raises(StimulusError, match="got 9 units: wanted 1 to 8"):
        example_figure(seen, images, units=["a"] * 9)


def test_the_density_holds_every_position(seen: xr.Dataset) -> None:
    for unit in range(seen.sizes["unit"]):
        density = _Density.of(seen.isel(unit=unit))
        assert (density.heights * np.diff(density.edges)).sum() + density.zero == pytest.approx(1)
        assert density.edges[-1] >= float(seen.max_response[unit])
        assert 0 < density.limits[0] < density.limits[1]


@pytest.mark.parametrize("case", ["all zero", "below zero too", "never zero"])
def test_any_distribution_can_be_drawn(seen: xr.Dataset, images: Photographs, case: str) -> None:
    from circuitkit import histogram

    values = {
        "all zero": np.zeros(500),
        "below zero too": np.random.default_rng(0).normal(size=500),
        "never zero": np.random.default_rng(0).uniform(3, 4, 500),
    }[case].astype(np.float32)
    counts = np.asarray(histogram.count(jnp.asarray(values)[:, None], jnp.ones(500, bool)))
    low, high = histogram.edges(8)
    bins = {"bin_low": ("bin", low), "bin_high": ("bin", high)}
    one = seen.isel(unit=0).drop_dims("bin").assign(
        histogram=("bin", histogram.coarser(counts, 8)[0].astype(float)),
        min_response=values.min(),
        max_response=values.max(),
    ).assign_coords(bins)  # fmt: skip
    density = _Density.of(one)
    assert (density.heights * np.diff(density.edges)).sum() + density.zero == pytest.approx(1)
    inside = (values >= density.edges[0]) & (values <= density.edges[-1])
    assert inside.all()
    drawn = one.expand_dims("unit").assign_coords(unit=[str(one.unit.item())])
    assert blemishes(example_figure(drawn, images)) == []


def test_the_page_holds_each_crop_under_its_unit(page: str, seen: xr.Dataset, images: Photographs) -> None:
    sections = re.findall(r"<article.*?</article>", page, re.DOTALL)
    assert len(sections) == seen.sizes["unit"]
    cut = crops(seen, images).values
    for unit, section in enumerate(sections):
        pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', section)
        assert len(pictures) == 3
        for rank, data in enumerate(pictures):
            shown = np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(data))), float)
            wanted = to_bytes(cut[unit, rank][None])[0].astype(float)
            distances = [np.abs(shown - to_bytes(other[None])[0]).mean() for other in cut[unit, :3]]
            assert np.abs(shown - wanted).mean() < 15  # what JPEG leaves
            assert int(np.argmin(distances)) == rank
            assert f">{float(seen.top_response[unit, rank]):.3g}</li>" in section


def test_the_page_is_well_formed_and_asks_for_nothing(page: str) -> None:
    class Check(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []

        def handle_starttag(self, name: str, attrs: object) -> None:
            del attrs
            if name not in ("meta", "img"):
                self.open.append(name)

        def handle_endtag(self, name: str) -> None:
            assert self.open.pop() == name

    check = Check()
    check.feed(page)
    assert check.open == []
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert synthetic.HOSTILE not in page
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;0.png" in page


def test_large_crops_are_made_smaller() -> None:
    data = examples._jpeg(np.zeros((200, 100, 1), np.float32)).partition(",")[2]
    assert PIL.Image.open(io.BytesIO(base64.b64decode(data))).size == (64, 128)


def test_a_page_that_cannot_be_written_leaves_nothing(seen: xr.Dataset, images: Photographs, tmp_path: Path) -> None:
    (tmp_path / "examples.html").mkdir()
    with pytest.raises(OSError, match="examples.html"):
        write_examples(seen, images, tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["examples.html"]
