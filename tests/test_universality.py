"""Signatures tell features apart and turn with the unit; a census finds what is there, and little in shuffled nets."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import circuitkit as ck
from circuitkit import controls
from circuitkit.centred import Group
from circuitkit.errors import CircuitkitError, SpecError, StimulusError, UnknownNameError
from circuitkit.nets import FunctionNet
from circuitkit.probe import HandbuiltNet
from circuitkit.signature import ANGLES, battery, match, signature
from circuitkit.spec import Circuit, Crossing, Family, Gabor, Line, Tile
from circuitkit.universality import LEVEL, Census, by_relative_angle, census, kinship, references_of
from circuitkit.viz.style import to_png
from circuitkit.viz.universality import circuits, periodic_table

LINES = "lines"


@pytest.fixture(scope="module")
def net() -> HandbuiltNet:
    edges = Family("edges", Gabor(wavelength=5, sigma=1.6, phase=90), angles=12)
    lines = Family(LINES, Tile(edges, along=Line(length=6), tolerance=20) - Crossing(0.7), angles=12)
    return HandbuiltNet(ck.build(Circuit("small", [edges, lines])))


@pytest.fixture(scope="module")
def elements(net: HandbuiltNet) -> xr.DataArray:
    return references_of({"edge": net["edges", [0]], "line": net[LINES, [0]]})


@pytest.fixture(scope="module")
def found(net: HandbuiltNet, elements: xr.DataArray) -> Census:
    return census(net, elements, shuffles=1)


@pytest.fixture(scope="module")
def chance(net: HandbuiltNet, elements: xr.DataArray) -> Census:
    return census(controls.shuffled(net, 0), elements, shuffles=1)


def test_a_signature_turns_with_its_unit(net: HandbuiltNet) -> None:
    held = signature(net["edges"])
    assert held.dims == ("unit", "figure", "angle")
    assert held.sizes["figure"] == sum(len(each) for each in battery().values()) // ANGLES
    assert float(held.min()) >= 0
    # Squares of pixels do not turn by 30 degrees, so it is not exact.
    turned = match(held, held.isel(unit=[0]))
    np.testing.assert_allclose(turned.likeness, 1, atol=0.05)
    np.testing.assert_array_equal(turned.turn.values[:, 0], np.arange(0, 360, 30))
    # By a quarter turn it is.
    np.testing.assert_allclose(held.values[3], np.roll(held.values[0], 6, -1), atol=1e-4 * float(held.max()))


def test_another_feature_has_another_signature(elements: xr.DataArray) -> None:
    alike = match(elements, elements).likeness.values
    np.testing.assert_allclose(np.diag(alike), 1, atol=1e-6)
    assert alike[0, 1] < 0.7
    assert alike[0, 1] == pytest.approx(alike[1, 0], abs=1e-6)


def test_the_size_of_responses_does_not_matter_and_silence_is_like_nothing(elements: xr.DataArray) -> None:
    silent = elements.isel(unit=[0]) * 0
    constant = silent + 3.0
    np.testing.assert_array_equal(match(silent, elements).likeness, 0)
    np.testing.assert_allclose(match(constant, elements).likeness, 0, atol=1e-6)
    np.testing.assert_allclose(match(elements * 100, elements).likeness, match(elements, elements).likeness, atol=1e-6)
    with pytest.raises(StimulusError, match="not of the same figures"):
        match(elements.isel(figure=slice(0, 5)), elements)


def test_a_census_finds_the_families_and_their_angles(found: Census) -> None:
    assert found.counts.units.to_dict() == {"edge": 12, "line": 12}
    assert found.counts.layer.to_dict() == {"edge": "edges", "line": LINES}
    assert found.counts.depth.to_dict() == {"edge": 0.0, "line": 1.0}
    family = found.family("line")
    assert sorted(set(family.unit)) == sorted(found.net.unit_names(LINES))
    # A line comes back after half a turn, so its angle is known up to that.
    angles = {str(unit): float(angle) % 180 for unit, angle in zip(family.unit, family.angle, strict=True)}
    assert angles == {name: 15.0 * place for place, name in enumerate(found.net.unit_names(LINES))}
    with pytest.raises(UnknownNameError, match="no feature 'lines'. Did you mean 'line'"):
        found.family("lines")


def test_a_shuffled_net_has_hardly_any(chance: Census) -> None:
    assert chance.counts.units.sum() <= 3
    assert (chance.counts.by_chance == (1 - LEVEL) * 24).all()


def test_families_find_themselves_in_another_net(found: Census) -> None:
    coarser = Family("edges", Gabor(wavelength=6, sigma=2.0, phase=90), angles=8)
    longer = Family("bars", Tile(coarser, along=Line(length=8), tolerance=20) - Crossing(0.7), angles=8)
    other = HandbuiltNet(ck.build(Circuit("other", [coarser, longer])))
    elements = references_of({"edge": found.net["edges", [0]], "line": found.net[LINES, [0]]})
    kin = kinship(found, census(other, elements, shuffles=1))
    assert kin.itself.all()
    assert (kin.likeness > 0.85).all()
    assert (kin.of_others < kin.likeness).all()


def test_lines_read_edges_along_them_and_none_across(found: Census) -> None:
    read = by_relative_angle(found, "edge", "line", bins=4, draws=50)
    assert read is not None
    # An edge's angle points across it: edges that are a line's own, of either side, stand a quarter turn from it.
    profile = read.profile.values
    assert np.ptp(profile) > 0.5
    low, high = np.quantile(read.null.values, [0.025, 0.975], axis=0)
    assert ((profile < low) | (profile > high)).any()
    assert by_relative_angle(found, "line", "edge") is None  # nothing leads back
    assert read.attrs["layers"] == f"edges to {LINES}"


def test_exchanged_angles_are_within_their_null(found: Census) -> None:
    mixed = found.table.copy()
    of_edges = mixed.layer == "edges"
    mixed.loc[of_edges, "angle"] = np.random.default_rng(0).permutation(mixed.loc[of_edges, "angle"])
    read = by_relative_angle(Census(found.net, mixed, found.signatures, {}), "edge", "line", bins=4, draws=50)
    assert read is not None
    low, high = np.quantile(read.null.values, [0.0, 1.0], axis=0)
    assert ((read.profile.values >= low) & (read.profile.values <= high)).all()


def test_a_census_goes_on_where_it_was_interrupted(
    net: HandbuiltNet, elements: xr.DataArray, found: Census, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []
    run = Group.run
    monkeypatch.setattr(Group, "run", lambda group, images: (ran.append(len(images)), run(group, images))[1])

    def stop(what: str, done: int, total: int) -> None:
        if "shuffled" in what and done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        census(net, elements, shuffles=1, store=tmp_path, progress=stop)
    assert len(list(tmp_path.iterdir())) == 1  # the net's own responses; those of the shuffled one were not whole
    before, total = len(ran), sum(len(each) for each in battery().values()) // ANGLES
    again = census(net, elements, shuffles=1, store=tmp_path)
    assert len(ran) - before == total < before
    pd.testing.assert_frame_equal(again.table, found.table)
    # Another net's are not taken for them.
    census(controls.shuffled(net, 3), elements, shuffles=1, store=tmp_path)
    assert len(ran) - before == 3 * total


def test_figures_show_every_net(found: Census, chance: Census) -> None:
    picture = periodic_table({"small": found.counts, "by chance": chance.counts}, controls=("by chance",))
    words = [text.get_text() for axes in picture.axes for text in axes.texts]
    assert {"edge", "line", "12", "small (24)", "by chance (24)"} <= set(words)
    assert len(to_png(picture)) > 10_000
    read = {
        "small": {"edge to line": by_relative_angle(found, "edge", "line", draws=20)},
        "by chance": {"edge to line": None},
    }
    assert "too few units" in [text.get_text() for axes in circuits(read).axes for text in axes.texts]
    for drawn in (periodic_table, circuits):
        with pytest.raises(SpecError, match="at least one"):
            drawn({})


def test_what_is_refused(net: HandbuiltNet, elements: xr.DataArray) -> None:
    with pytest.raises(SpecError, match="needs references"):
        references_of({})
    with pytest.raises(SpecError, match="'edge' has 12 units: wanted one"):
        references_of({"edge": net["edges"]})
    with pytest.raises(UnknownNameError, match="no layer 'line'"):
        census(net, elements, layers=["line"])
    with pytest.raises(SpecError, match="shuffles"):
        census(net, elements, shuffles=0)
    closed = FunctionNet(lambda images: {"dark": jnp.maximum(-images.mean(3, keepdims=True), 0)}, name="closed")
    with pytest.raises(CircuitkitError, match="closes over its weights"):
        census(closed, elements)
    silent = FunctionNet(lambda images: {"none": images.mean(3, keepdims=True) * 0}, name="silent")
    with pytest.raises(SpecError, match="responds to no figure"):
        references_of({"nothing": silent["none"]})
    broken = FunctionNet(lambda images: {"nan": images.mean(3, keepdims=True) * jnp.nan}, name="broken")
    with pytest.raises(CircuitkitError, match="responds with NaN"):
        signature(broken["nan"])


def test_the_table_is_a_row_a_unit(found: Census) -> None:
    assert isinstance(found.table, pd.DataFrame)
    assert len(found.table) == 24
    assert (found.table.likeness[found.table.found] > found.table.level[found.table.found]).all()
