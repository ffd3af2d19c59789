"""Find: what is in a circuit is found in it, what is not is not, and what was done is not done again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from circuitkit import controls, find, hypothesis
from circuitkit.build import build
from circuitkit.errors import StoreError, UnknownNameError
from circuitkit.find import Found, distinct
from circuitkit.probe import HandbuiltNet, Net
from circuitkit.spec import Circuit, Crossing, Family, Gabor, Line, Tile, Union

LOOKS = 4


@pytest.fixture(scope="module")
def net() -> Net:
    edges = Family("edges", Gabor(wavelength=6, sigma=2.4), angles=8)
    bars = Family("bars", Gabor(wavelength=6, sigma=2.4, phase=0), angles=4)
    contours = Family("contours", Union((edges, bars)), angles=4)
    lines = Family("lines", Tile(contours, along=Line(length=8), tolerance=15) - Crossing(1.0), angles=4)
    return HandbuiltNet(build(Circuit("small", [edges, bars, contours, lines])))


@pytest.fixture(scope="module")
def found(net: Net) -> Found:
    return find.find(net, hypothesis.edge(), layers=["edges", "lines"], looks=LOOKS)


def test_all_that_is_there_is_found_at_its_angle_and_nothing_else(net: Net, found: Found) -> None:
    table = found.table
    yes = table[table.verdict == "yes"]
    assert set(yes.unit) == set(net.unit_names("edges"))
    for unit, angle in zip(yes.unit, yes.angle, strict=True):
        assert abs(hypothesis.edge().apart(angle, float(unit.split("@")[1]))) < 3
    assert list(table.verdict) == sorted(table.verdict, reverse=True)
    no = table[table.verdict == "no"]
    assert (no.why_not != "").all()
    assert (yes.why_not == "").all()


def test_a_family_is_what_was_found_in_a_layer_by_angle(found: Found) -> None:
    families = found.families()
    assert list(families) == ["edges"]
    assert np.all(np.diff(families["edges"].angle) > 0)
    assert families["edges"].sizes["unit"] == 8


def test_nothing_is_found_where_there_is_nothing(net: Net) -> None:
    # Lines, not edges: any filter at all prefers steps of one direction, and is an edge detector of a kind.
    nets = (net, controls.shuffled(net, 0), controls.untrained(net, 0))
    tables = [find.find(each, hypothesis.line(), layers=["contours", "lines"], looks=LOOKS).table for each in nets]
    assert (tables[0].verdict == "yes").any()
    for nothing in tables[1:]:
        assert (nothing.verdict == "no").all()


def test_a_search_goes_on_where_it_stopped_and_refuses_another(net: Net, found: Found, tmp_path: Path) -> None:
    seen: list[str] = []

    def progress(layer: str, done: int, total: int) -> None:
        seen.append(layer)
        if layer == "lines" and done == total:
            raise KeyboardInterrupt

    search: dict[str, Any] = {"layers": ["edges", "lines"], "looks": LOOKS, "store": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        find.find(net, hypothesis.edge(), progress=progress, **search)
    assert set(seen) == {"edges", "lines"}
    seen.clear()
    again = find.find(net, hypothesis.edge(), progress=lambda layer, *_: seen.append(layer), **search)
    assert set(seen) == {"lines"}
    assert again.table.equals(found.table)
    with pytest.raises(StoreError, match="of another search"):
        find.find(net, hypothesis.line(), **search)
    with pytest.raises(StoreError, match="of another search"):
        find.find(controls.shuffled(net, 0), hypothesis.edge(), **search)
    (tmp_path / "edges.nc").write_bytes(b"no netCDF")
    with pytest.raises(StoreError, match="is no part of a search"):
        find.find(net, hypothesis.edge(), **search)


def test_layers_that_see_too_little_are_left_out(net: Net) -> None:
    assert distinct(net) == net.layers
    with pytest.raises(UnknownNameError, match="Did you mean 'edges'"):
        find.find(net, hypothesis.edge(), layers=["edgs"])
