"""Compare: units are paired by pose, alike where they are the same, and no more than chance where they are not."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from circuitkit import hypothesis
from circuitkit.build import build
from circuitkit.compare import Comparison, compare, nearest
from circuitkit.controls import shuffled
from circuitkit.errors import SpecError
from circuitkit.hypothesis import Hypothesis
from circuitkit.probe import HandbuiltNet, Net
from circuitkit.spec import Circuit, Crossing, Family, Gabor, Line, Tile, Union
from circuitkit.viz.compare import claim, side_by_side, write_comparison
from circuitkit.viz.style import to_png
from tests.viz.test_report import read

LOOKS = 4
LINE = dataclasses.replace(
    hypothesis.line(), rivals={name: hypothesis.line().rivals[name] for name in ("curve", "corner")}
)


@pytest.fixture(scope="module")
def net() -> Net:
    edges = Family("edges", Gabor(wavelength=6, sigma=2.4), angles=8)
    bars = Family("bars", Gabor(wavelength=6, sigma=2.4, phase=0), angles=4)
    contours = Family("contours", Union((edges, bars)), angles=4)
    lines = Family("lines", Tile(contours, along=Line(length=8), tolerance=15) - Crossing(1.0), angles=8)
    return HandbuiltNet(build(Circuit("small", [edges, bars, contours, lines])))


@pytest.fixture(scope="module")
def itself(net: Net) -> Comparison:
    return compare(net["lines"], net["lines"], LINE, looks=LOOKS)


def test_a_layer_is_like_itself(net: Net, itself: Comparison) -> None:
    assert itself.names == ("lines of small (first)", "lines of small (second)")
    assert itself.pairs.unit.tolist() == itself.pairs.other.tolist() == list(net.unit_names("lines"))
    np.testing.assert_allclose(itself.pairs.correlation, 1, atol=1e-5)
    np.testing.assert_allclose(itself.pairs.distance, 0, atol=1e-5)
    np.testing.assert_allclose(itself.pairs.angle_apart, 0, atol=1e-5)
    assert itself.p < 0.2  # one pair in eight at random is a unit with itself
    assert itself.null.correlation.median() < 0.2
    first, second = (itself.table[name] for name in itself.names)
    pd.testing.assert_series_equal(first, second, check_names=False)


def test_units_of_another_order_find_their_like(net: Net) -> None:
    names = net.unit_names("lines")
    found = compare(net["lines", [3, 1]], net["lines", [5, 1, 3, 0]], LINE, looks=LOOKS)
    assert found.pairs.other.tolist() == [names[3], names[1]]


def test_shuffled_units_are_not_alike(net: Net, itself: Comparison) -> None:
    found = compare(net["lines"], shuffled(net, 0)["lines"], LINE, looks=LOOKS)
    assert found.pairs.correlation.median() < itself.pairs.correlation.median() - 0.1
    assert found.table.loc["units found"].tolist()[1] == 0


def poses(said: Hypothesis, angle: list[float], size: list[float], response: list[float]) -> xr.Dataset:
    del said
    return xr.Dataset({"angle": ("unit", angle), "size": ("unit", size), "response": ("unit", response)})


def test_the_nearest_is_so_by_angle_and_by_size() -> None:
    said = hypothesis.curve()
    first = poses(said, [355.0, 90.0, 90.0], [20.0, 20.0, 40.0], [1, 1, 1])
    second = poses(said, [5.0, 300.0, 95.0, 95.0], [20.0, 20.0, 20.0, 41.0], [1, 1, 1, 1])
    assert nearest(first, second, said).tolist() == [0, 2, 3]
    # Without an angle the size decides; without either, the stronger one is taken.
    circle = hypothesis.circle()
    none = [np.nan] * 3
    assert nearest(
        poses(circle, none, [8, 16, 30], [1] * 3), poses(circle, none, [30, 9, 15], [1] * 3), circle
    ).tolist() == [
        1,
        2,
        0,
    ]
    bare = dataclasses.replace(circle, size=None, sizes=(), at=None)
    assert nearest(poses(bare, none, none, [1] * 3), poses(bare, none, none, [1, 5, 2]), bare).tolist() == [1, 1, 1]


def test_a_silent_unit_is_like_none(itself: Comparison, net: Net) -> None:
    silent = net.with_weights(lambda weight: 0 * weight.value, name="silent")
    found = compare(net["lines", [3, 1]], silent["lines", [3, 1]], LINE, looks=LOOKS)
    assert found.pairs.correlation.tolist() == [0, 0]
    assert found.pairs.distance.tolist() == [1, 1]


def test_no_looks_are_refused(net: Net) -> None:
    with pytest.raises(SpecError, match="looks=0"):
        compare(net["lines"], net["lines"], hypothesis.line(), looks=0)


def test_the_page_has_the_numbers_of_both(itself: Comparison, tmp_path: Path) -> None:
    path = write_comparison(itself, tmp_path / "deep", command="circuitkit compare <b>")
    text = path.read_text(encoding="utf-8")
    reader = read(text)
    assert reader.faults == []
    assert claim(itself) in reader.text
    assert "circuitkit compare <b>" in reader.text
    assert all((path.parent / link).is_file() for link in reader.links)
    assert len(pd.read_csv(path.parent / "pairs.csv")) == 8
    assert to_png(side_by_side(itself)) == (path.parent / "figure.png").read_bytes()
