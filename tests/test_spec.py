"""Specs: what they refuse, in which words, and what they say of themselves."""

import dataclasses
import math

import jax
import pytest
from hypothesis import given

from circuitkit.errors import SpecError, UnknownNameError
from circuitkit.spec import (
    Arc,
    Circle,
    Circuit,
    Crossing,
    Family,
    Flank,
    Gabor,
    Line,
    OppositeArc,
    Reversed,
    Tile,
    Tiles,
    Union,
)
from tests.strategies import circuits, unchecked

EDGE = Gabor(wavelength=6, sigma=2)
BAR = Gabor(wavelength=6, sigma=2, phase=0)
LINE, ARC = Line(length=4), Arc(radius=9, length=6)
EDGES = Family("edges", EDGE, angles=8)
LINES = Family("lines", Tile(EDGES, LINE, tolerance=20), angles=8)
ARCS = Family("arcs", Tile(LINES, ARC, tolerance=20), angles=8)
RING = Circle(radius=9)
CIRCLES = Family("circles", Tile(ARCS, RING, tolerance=20), angles=1)


def unite(family: Family, angles: int) -> Circuit:
    return Circuit("c", [EDGES, LINES, family, Family("u", Union(family), angles=angles)])


REFUSED = {
    "an even size": (
        lambda: Family("e", EDGE, angles=8, size=8),
        "family 'e' has size=8: an even kernel has no centre pixel, so its members would be shifted copies of each "
        "other. Try 7 or 9.",
    ),
    "a negative size": (
        lambda: Family("e", EDGE, angles=8, size=-3),
        "family 'e' has size=-3: wanted a whole number, at least 1.",
    ),
    "no members": (
        lambda: Family("e", EDGE, angles=0),
        "family 'e' has angles=0: wanted a whole number, at least 1.",
    ),
    "true members": (
        lambda: Family("e", EDGE, angles=True),
        "family 'e' has angles=True: wanted a whole number, at least 1.",
    ),
    "angles that do not divide the turn": (
        lambda: Family("e", EDGE, angles=7),
        "family 'e' has angles=7, which does not divide 360 degrees: a step of 51.428571 has no exact name. "
        "Try 6 or 8.",
    ),
    "angles that do not divide half the turn": (
        lambda: Family("b", BAR, angles=11),
        "family 'b' has angles=11, which does not divide 180 degrees: a step of 16.363636 has no exact name. "
        "Try 10 or 12.",
    ),
    "a period that does not divide the turn": (
        lambda: Family("b", BAR, angles=8, period=200),
        "family 'b' has period=200: no whole number of these makes a turn of 360.",
    ),
    "two turns": (
        lambda: Family("e", EDGE, angles=8, period=720),
        "family 'e' has period=720: no whole number of these makes a turn of 360.",
    ),
    "half an orbit": (
        lambda: Family("e", EDGE, angles=8, period=180),
        "family 'e' has period=180, but its template comes back only after 360 degrees: half of its orbit would be "
        "missing. Leave `period` out.",
    ),
    "no period": (
        lambda: Family("e", EDGE, angles=8, period=0),
        "family 'e' has period=0: wanted a finite number of degrees above 0.",
    ),
    "a period that is no number": (
        lambda: Family("e", EDGE, angles=8, period=math.nan),
        "family 'e' has period=nan: wanted a finite number of degrees above 0.",
    ),
    "no name": (
        lambda: Family("", EDGE, angles=8),
        "family '': a name is letters, digits and underscores, since units are called name@angle.",
    ),
    "a name with @": (
        lambda: Family("a@45", EDGE, angles=8),
        "family 'a@45': a name is letters, digits and underscores, since units are called name@angle.",
    ),
    "a wavelength of NaN": (
        lambda: Gabor(wavelength=math.nan, sigma=2),
        "Gabor has wavelength=nan: wanted a finite number of pixels, at least 2.",
    ),
    "a wavelength below the grid's": (
        lambda: Gabor(wavelength=1.9, sigma=2),
        "Gabor has wavelength=1.9: wanted a finite number of pixels, at least 2.",
    ),
    "an infinite sigma": (
        lambda: Gabor(wavelength=6, sigma=math.inf),
        "Gabor has sigma=inf: wanted a finite number of pixels above 0.",
    ),
    "no sigma": (
        lambda: Gabor(wavelength=6, sigma=0),
        "Gabor has sigma=0: wanted a finite number of pixels above 0.",
    ),
    "an infinite phase": (
        lambda: Gabor(wavelength=6, sigma=2, phase=-math.inf),
        "Gabor has phase=-inf: wanted a finite number of degrees.",
    ),
    "text for a number": (
        lambda: Gabor(wavelength="6", sigma=2),
        "Gabor has wavelength='6': wanted a finite number of pixels, at least 2.",
    ),
    "nothing for a number": (
        lambda: Crossing(None),
        "Crossing has strength=None: wanted a finite number, at least 0.",
    ),
    "truth for a number": (
        lambda: OppositeArc(True),
        "OppositeArc has strength=True: wanted a finite number, at least 0.",
    ),
    "a negative strength": (
        lambda: Crossing(-0.5),
        "Crossing has strength=-0.5: wanted a finite number, at least 0.",
    ),
    "a flank on the path": (
        lambda: Flank(1, distance=0),
        "Flank has distance=0: wanted a finite number of pixels above 0.",
    ),
    "no tolerance": (
        lambda: Tile(EDGES, LINE, tolerance=0),
        "Tile(edges) has tolerance=0: wanted a finite number of degrees above 0.",
    ),
    "a negative spread": (
        lambda: Tile((EDGES, "bars"), LINE, tolerance=20, spread=-1),
        "Tile(edges, bars) has spread=-1: wanted a finite number of pixels above 0.",
    ),
    "a spread that float cannot hold": (
        lambda: Tile(EDGES, LINE, tolerance=20, spread=10**400),
        f"Tile(edges) has spread={10**400}: wanted a finite number of pixels above 0.",
    ),
    "no sources": (
        lambda: Tile((), LINE, tolerance=20),
        "Tile has sources=(): wanted at least one earlier family, or its name.",
    ),
    "a source twice": (
        lambda: Tile((EDGES, "edges"), LINE, tolerance=20),
        "Tile has sources=('edges', 'edges'): name each family once.",
    ),
    "a sum of nothing": (lambda: Tiles(()), "Tiles has terms=(): wanted at least one tile."),
    "no families": (
        lambda: Circuit("c", []),
        "circuit 'c' has no families: give it at least one, with a Gabor that looks at the image.",
    ),
    "two families of one name": (
        lambda: Circuit("c", [EDGES, LINES, EDGES]),
        "circuit 'c' has two families called 'edges': rename one of them.",
    ),
    "an undirected path of directed sources": (
        lambda: Circuit("c", [EDGES, LINES, ARCS, Family("rows", Tile(ARCS, LINE, tolerance=20), angles=4)]),
        "family 'rows' of circuit 'c' has period=180, but lays 'arcs' along its shape, whose members come back only "
        "after 360 degrees. Give it period=360.",
    ),
    "sources that come back after different turns": (
        lambda: Circuit("c", [EDGES, LINES, ARCS, Family("x", Tile((LINES, ARCS), ARC, tolerance=20), angles=8)]),
        "a tile of family 'x' of circuit 'c' mixes sources that come back after different turns "
        "({'lines': 180.0, 'arcs': 360.0}): give each kind a tile of its own and add them.",
    ),
    "a circle with angles": (
        lambda: Family("c", Tile(ARCS, RING, tolerance=20), angles=8),
        "family 'c' has angles=8, but every turn brings its template back: all members would be one. Give it angles=1.",
    ),
    "a union over angles with angles": (
        lambda: Family("u", Union(ARCS, over_angles=True), angles=4),
        "family 'u' has angles=4, but every turn brings its template back: all members would be one. Give it angles=1.",
    ),
    "an opposite circle": (
        lambda: Tile(ARCS, RING, tolerance=20) - OppositeArc(1),
        "Tile(arcs) subtracts an OppositeArc from a Circle: turned by 180 degrees, that is the circle itself. Curves "
        "that bulge to its other side are Reversed.",
    ),
    "reversed lines": (
        lambda: Circuit("c", [EDGES, LINES, Family("a", Tile(LINES, ARC, tolerance=20) - Reversed(1), angles=8)]),
        "family 'a' of circuit 'c' subtracts 'lines', Reversed: half a turn brings them back, so they would inhibit "
        "where they excite. Only what has sides, such as a curve, can be reversed.",
    ),
    "a path of circles": (
        lambda: Circuit("c", [EDGES, LINES, ARCS, CIRCLES, Family("x", Tile(CIRCLES, ARC, tolerance=20), angles=8)]),
        "family 'x' of circuit 'c' lays 'circles' along its shape, whose units have no angle, so none of them runs "
        "along it or across it: leave out tolerance.",
    ),
    "circles across a path": (
        lambda: Circuit(
            "c", [EDGES, LINES, ARCS, CIRCLES, Family("x", Tile(CIRCLES, ARC) - Crossing(1) - Reversed(1), angles=8)]
        ),
        "family 'x' of circuit 'c' lays 'circles' along its shape, whose units have no angle, so none of them runs "
        "along it or across it: leave out Crossing and Reversed.",
    ),
    "a path that anything may lie on": (
        lambda: Circuit("c", [EDGES, Family("x", Tile(EDGES, LINE), angles=8)]),
        "family 'x' of circuit 'c' lays 'edges' along its shape without a tolerance: wanted how far its units may turn "
        "away from the path, in degrees, such as tolerance=15.",
    ),
    "a tile of no weight": (
        lambda: Tile(EDGES, LINE, tolerance=20, weight=0),
        "Tile(edges) has weight=0: wanted a finite number above 0.",
    ),
    "a tile turned by nothing known": (
        lambda: Tile(EDGES, LINE, tolerance=20, turned=math.nan),
        "Tile(edges) has turned=nan: wanted a finite number of degrees.",
    ),
    "a union of lines": (
        lambda: Circuit("c", [EDGES, LINES, Family("u", Union(LINES), angles=8)]),
        "family 'u' of circuit 'c' unites 'lines', which is no family of Gabors. Add up tiles instead: "
        "Tile(a, ...) + Tile(b, ...).",
    ),
    "a union at other orientations": (
        lambda: Circuit("c", [EDGES, Family("u", Union(EDGES), angles=8)]),
        "family 'u' of circuit 'c' has angles=8 over 180 degrees, but unites 'edges', which stands on 4 orientations. "
        "Give both the same ones.",
    ),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_built_is_refused(make, message):
    with unchecked(), pytest.raises(SpecError) as refused:
        make()
    assert str(refused.value) == message


UNKNOWN = {
    "a source that is misspelt": (
        lambda: Circuit("c", [EDGES, Family("l", Tile("edgs", LINE, tolerance=20), angles=8)]),
        "family 'l' of circuit 'c' has no earlier family 'edgs'. Did you mean 'edges'?",
    ),
    "a source that comes later": (
        lambda: Circuit("c", [LINES, EDGES]),
        "family 'lines' of circuit 'c' has no earlier family 'edges'. It has none.",
    ),
    "itself": (
        lambda: Circuit("c", [EDGES, Family("l", Tile("l", LINE, tolerance=20), angles=8)]),
        "family 'l' of circuit 'c' has no earlier family 'l'. It has 'edges'.",
    ),
    "a family that is misspelt": (
        lambda: Circuit("c", [EDGES, LINES])["line"],
        "circuit 'c' has no family 'line'. Did you mean 'lines'?",
    ),
}


@pytest.mark.parametrize(("make", "message"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_an_unknown_name_is_answered_with_the_nearest(make, message):
    with pytest.raises(UnknownNameError) as refused:
        make()
    assert str(refused.value) == message


def test_a_tile_only_adds_tiles_and_only_subtracts_inhibitions():
    tile = Tile(EDGES, LINE, tolerance=20)
    for wrong in (lambda: tile - Line(length=3), lambda: tile + Crossing(1), lambda: tile + tile - 0.7):
        with unchecked(), pytest.raises(SpecError, match="wanted"):
            wrong()


@pytest.mark.parametrize("looks_for", [Line(length=3), "a line", 3])
def test_a_family_looks_for_a_template(looks_for):
    with unchecked(), pytest.raises(SpecError, match="wanted a Gabor, a Union or a sum of tiles"):
        Family("f", looks_for, angles=8)


def test_specs_are_frozen_and_keep_numbers_as_floats_and_sources_as_names():
    assert isinstance(Gabor(wavelength=6, sigma=2).wavelength, float)
    assert Tile(EDGES, LINE, tolerance=20).source_names == Tile("edges", LINE, tolerance=20).source_names == ("edges",)
    assert Union((EDGES, "bars")).source_names == ("edges", "bars")
    assert isinstance(Circuit("c", [EDGES]).families, tuple)
    with pytest.raises(dataclasses.FrozenInstanceError):
        EDGE.sigma = 3.0


def test_sums_and_differences_are_taken_in_any_grouping():
    a, b, c = (Tile(EDGES, Line(length=length), tolerance=20) for length in (2, 3, 4))
    crossing = Crossing(0.5)
    assert a + b + c == a + (b + c) == Tiles((a, b, c))
    assert (a + b - crossing).terms == (a, dataclasses.replace(b, minus=(crossing,)))
    assert (a - crossing + b).terms == (dataclasses.replace(a, minus=(crossing,)), b)


def test_names_angles_and_tangents_of_units():
    assert Family("e", EDGE, angles=16).unit_names[:3] == ("e@0", "e@22.5", "e@45")
    assert Family("b", BAR, angles=4).unit_angles == (0, 45, 90, 135)
    assert Family("e", EDGE, angles=4).unit_tangents == (-90, 0, 90, 180)
    assert Family("u", Union("b"), angles=2).unit_tangents == LINES.unit_tangents[::4] == (0, 90)
    assert ARCS.unit_tangents[:2] == (90, 135)


def test_what_has_no_angle_comes_back_with_the_units_that_it_reads():
    energy = Family("energy", Union((EDGES, LINES), over_angles=True), angles=1)
    circuit = Circuit("c", [EDGES, LINES, ARCS, CIRCLES, energy])
    assert not CIRCLES.has_angle
    assert ARCS.has_angle
    assert circuit["circles"].turn == 45  # eight arcs
    assert circuit["energy"].turn == 45  # eight edges over 360 degrees, and lines every 22.5
    assert circuit["circles"].unit_names == ("circles@0",)
    assert circuit.order == 8
    assert Circuit("c", circuit.families) == circuit
    with_lines = Family("energy", Union(LINES, over_angles=True), angles=1)
    assert Circuit("c", [EDGES, LINES, with_lines])["energy"].turn == 22.5


def test_a_turned_arc_turns_the_way_that_the_family_points():
    arc, line = Tile(EDGES, ARC, tolerance=20, turned=30), Tile(EDGES, LINE, tolerance=20, turned=70)
    assert Family("f", arc + line, angles=4).unit_tangents == (120, 210, 300, 390)


def test_an_arc_among_the_tiles_says_where_the_family_points_to_whichever_comes_first():
    line, arc = Tile(EDGES, LINE, tolerance=20), Tile(EDGES, ARC, tolerance=20)
    one, other = (Family("f", term, angles=4) for term in (line + arc, arc + line))
    assert one.unit_tangents == other.unit_tangents == (90, 180, 270, 360)
    assert one.turn == other.turn == 360


@pytest.mark.parametrize(
    ("family", "period", "matched"),
    [
        (EDGES, 360, 180),
        (Family("b", BAR, angles=4), 180, 180),
        (Family("b", Gabor(wavelength=6, sigma=2, phase=-180), angles=4), 180, 180),
        (Family("g", Gabor(wavelength=6, sigma=2, phase=45), angles=4), 360, 180),
        (Family("u", Union("b"), angles=4), 180, 180),
        (LINES, 180, 180),
        (ARCS, 360, 360),
    ],
    ids=lambda value: value.name if isinstance(value, Family) else str(value),
)
def test_a_family_comes_back_when_its_template_does(family, period, matched):
    assert family.turn == period
    assert family.matched_period() == matched
    assert family.step * family.angles == period


@pytest.mark.parametrize(
    ("families", "order"),
    [
        ([EDGES], 8),
        ([Family("b", BAR, angles=12)], 24),
        ([EDGES, Family("b", BAR, angles=12)], 8),  # steps of 45 and 15
        ([Family("e", EDGE, angles=3), Family("b", BAR, angles=2)], 1),  # steps of 120 and 90
        ([Family("e", EDGE, angles=16), Family("b", BAR, angles=12)], 8),  # steps of 22.5 and 15
        ([Family("e", EDGE, angles=1)], 1),
    ],
)
def test_the_order_is_that_of_the_turns_that_permute_every_family(families, order):
    assert Circuit("c", families).order == order


def test_without_leaves_out_one_kind_of_inhibition():
    tile = Tile(EDGES, LINE, tolerance=20)
    lines = Family("lines", tile - Crossing(0.5) - Flank(0.5, 3), angles=8)
    both = Family("both", tile - Crossing(0.5) + tile - OppositeArc(1), angles=8)
    spared = Circuit("c", [EDGES, lines, both]).without(Crossing)
    assert spared.name == "c without Crossing"
    assert spared.families == (
        EDGES,
        Family("lines", tile - Flank(0.5, 3), angles=8),
        Family("both", tile + tile - OppositeArc(1), angles=8),
    )


@given(circuits())
def test_without_all_of_them_nothing_is_left_to_leave_out(circuit):
    bare = circuit.without(Crossing).without(OppositeArc).without(Flank).without(Reversed)
    assert all(tile.minus == () for family in bare.families for tile in family.tiles)
    assert bare.families == bare.without(Crossing).families
    assert [f.unit_names for f in bare.families] == [f.unit_names for f in circuit.families]


def test_a_circuit_prints_what_it_is():
    bars = Family("bars", BAR, angles=4)
    contours = Family("contours", Union((EDGES, bars)), angles=4)
    lines = Family("lines", Tile(contours, LINE, tolerance=20) - Crossing(0.7, reason="no corners"), angles=8)
    both = Family("both", Tile(lines, ARC, tolerance=15) + Tile((EDGES, bars), LINE, tolerance=20, spread=1), angles=12)
    ring = Family("ring", Tile(both, RING, tolerance=20, turned=9, weight=0.5) - Reversed(1, reason="none"), angles=1)
    energy = Family("energy", Union(lines, over_angles=True), angles=1)
    assert str(Circuit("demo", [EDGES, bars, contours, lines, both, ring, energy])) == (
        "demo: 7 families, 38 units\n"
        "  edges      8 units, every 45 of 360 degrees\n"
        "    Gabor(wavelength=6, sigma=2, phase=90)\n"
        "  bars       4 units, every 45 of 180 degrees\n"
        "    Gabor(wavelength=6, sigma=2, phase=0)\n"
        "  contours   4 units, every 45 of 180 degrees\n"
        "    union of edges, bars\n"
        "  lines      8 units, every 22.5 of 180 degrees\n"
        "    + contours along Line(length=4), tolerance 20 degrees, spread 1.3 pixels\n"
        "      - Crossing(strength=0.7): no corners\n"
        "  both       12 units, every 30 of 360 degrees\n"
        "    + lines along Arc(radius=9, length=6), tolerance 15 degrees, spread 1.3 pixels\n"
        "    + edges, bars along Line(length=4), tolerance 20 degrees, spread 1 pixels\n"
        "  ring       1 unit, without an angle\n"
        "    + 0.5 both along Circle(radius=9), turned by 9 degrees, tolerance 20 degrees, spread 1.3 pixels\n"
        "      - Reversed(strength=1): none\n"
        "  energy     1 unit, without an angle\n"
        "    union of lines over all angles"
    )


@given(circuits())
def test_a_circuit_is_a_tree_of_its_numbers(circuit):
    leaves, structure = jax.tree.flatten(circuit)
    assert all(isinstance(leaf, float) for leaf in leaves)
    assert jax.tree.unflatten(structure, leaves) == circuit
    assert jax.tree.unflatten(structure, [1.01 * leaf for leaf in leaves]) != circuit
    assert {hash(circuit), hash(jax.tree.unflatten(structure, leaves))} == {hash(circuit)}


def test_a_tree_is_still_a_spec():
    leaves, structure = jax.tree.flatten(Circuit("c", [EDGES]))
    assert leaves == [6.0, 2.0]
    with pytest.raises(SpecError, match="Gabor has sigma=nan"):
        jax.tree.unflatten(structure, [6.0, math.nan])
