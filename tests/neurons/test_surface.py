"""Planes: how many cells lines cut them into, what neurons say within, and how cells meet."""

import dataclasses
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitkit.errors import NeuronsError, UnknownNameError
from circuitkit.neurons import (
    Affine,
    boundaries,
    groups,
    path,
    plane,
    positive,
    possible_cells,
    predicate,
    rectangle,
    through,
    top,
)
from circuitkit.neurons.order import tied
from tests.neurons.exact import answers, random_nets, whole_layers, whole_nets

SQUARE = rectangle((-1, -1), (1, 1))
POINTS = np.random.default_rng(0).uniform(-1, 1, size=(100_000, 2))


def exact_count(layer: Affine) -> int:
    """Returns into how many cells whole-numbered lines cut the square: Euler's formula, in fractions."""
    lines = set()
    for (a, b), c in zip(layer.weights.T.astype(int).tolist(), layer.bias.astype(int).tolist(), strict=True):
        divisor = math.gcd(a, b, c) * (1 if (a, b) > (0, 0) else -1)
        if (a, b) != (0, 0) and abs(c) < abs(a) + abs(b):  # it meets the square's inside
            lines.add((a // divisor, b // divisor, c // divisor))
    met: dict[tuple[Fraction, Fraction], set[tuple[int, int, int]]] = {}
    for one, other in itertools.combinations(sorted(lines), 2):
        (a, b, c), (d, e, f) = one, other
        if turn := a * e - b * d:
            point = (Fraction(b * f - c * e, turn), Fraction(c * d - a * f, turn))
            if max(map(abs, point)) < 1:
                met.setdefault(point, set()).update((one, other))
    return 1 + len(lines) + sum(len(through_it) - 1 for through_it in met.values())


@given(layer=whole_layers(2, most=12, top=4))
def test_the_number_of_cells_is_the_exact_one(layer):
    found = groups(layer(SQUARE), positive())
    assert len(found.members) == exact_count(layer)
    assert np.isclose(found.sizes.sum(), 4)
    assert (found.sizes > 0).all()


@pytest.mark.parametrize("count", [1, 5, 24])
def test_lines_in_general_position_cut_a_large_box_into_the_cells_of_the_textbook(count):
    rng = np.random.default_rng(count)
    layer = Affine(rng.normal(size=(2, count)), rng.normal(size=count))
    found = groups(layer(rectangle((-1e6, -1e6), (1e6, 1e6))), positive())
    assert len(found.members) == 1 + count + count * (count - 1) // 2
    assert len(np.unique(found.members, axis=0)) == len(found.members)
    assert np.isclose(found.sizes.sum(), 4e12)


@given(seed=st.integers(0, 2**32 - 1))
def test_neighbours_differ_by_the_one_neuron_between_them(seed):
    rng = np.random.default_rng(seed)
    found = groups(Affine(rng.normal(size=(2, 10)), rng.normal(size=10) / 2)(SQUARE), positive())
    ends, (one, other) = found.surface.edges()[0], found.surface.edges()[1].T
    inner = other >= 0
    differ = found.members[one[inner]] != found.members[other[inner]]
    assert (differ.sum(axis=1) == 1).all()
    # It is the one that is 0 at both ends of the edge.
    zero = (found.surface.values[ends[inner]] == 0).all(axis=1)
    assert (zero & differ).sum() == len(differ)
    assert found.regions.max() + 1 == len(found.members)


def test_three_lines_through_one_point_without_snapping_have_slivers(monkeypatch):
    # Six lines that meet at a point that floats do not hold: twelve cells, if it is one point.
    angles = np.arange(6) + 0.3
    weights = np.stack([np.cos(angles), np.sin(angles)])
    layer = Affine(weights, -weights.T @ [0.1, 0.3])
    assert len(groups(layer(SQUARE), positive()).members) == 12
    monkeypatch.setattr(path, "ROUNDING", 0.0)
    assert len(groups(layer(SQUARE), positive()).members) > 12


@given(net=whole_nets(inputs=2, depths=(1, 2, 3)))
def test_values_and_groups_of_whole_numbered_nets(net):
    check(net)


@given(net=random_nets(inputs=2, depths=(1, 2), neurons=8))
def test_values_and_groups_of_random_nets(net):
    check(net)


def check(net: list[Affine]) -> None:
    """Holds values and groups against samples, and cells against the square."""
    said = through(net, SQUARE)
    few = POINTS[:2000]
    np.testing.assert_allclose(said(few), answers(net, few), atol=1e-8)
    count = min(2, len(said.names))
    for wanted in (positive(), top(count), predicate("all", top(count).members, compares=True)):
        found = groups(said, wanted)
        assert np.isclose(found.sizes.sum(), 4)
        assert (found.sizes > 0).all()
        sampled = answers(net, few)
        sampled[np.abs(sampled) < 1e-12] = 0  # a neuron may be 0 all over a cell; samples say so up to rounding
        values = tied(sampled, np.abs(sampled)) if wanted.compares else sampled
        # A point within rounding of an edge may be taken for either side.
        wrong = (found(few) != wanted.members(values)).any(axis=1)
        assert wrong.sum() <= 1
        assert all(corners_convex(found.surface.corners[cell]) for cell in found.surface.cells)


def corners_convex(corners: np.ndarray) -> bool:
    step = np.roll(corners, -1, axis=0) - corners
    turn = step[:, 0] * np.roll(step[:, 1], -1) - step[:, 1] * np.roll(step[:, 0], -1)
    return bool((turn > -1e-9).all())


def test_two_layers_agree_with_a_hundred_thousand_samples():
    rng = np.random.default_rng(1)
    net = [Affine(rng.normal(size=(2, 6)), rng.normal(size=6)), Affine(rng.normal(size=(6, 5)), rng.normal(size=5))]
    found = groups(through(net, SQUARE), positive())
    np.testing.assert_array_equal(found(POINTS), answers(net, POINTS) > 0)


def test_cells_that_are_never_cut_again_would_be_noticed():
    net = [Affine([[1.0, -1], [0, 0]]), Affine([[1.0], [1.0]], [-0.5])]
    first = net[0](SQUARE)
    lazy = net[1](dataclasses.replace(first, values=np.maximum(first.values, 0)))
    assert np.abs(lazy(POINTS[:100]) - answers(net, POINTS[:100])).max() > 0.1
    assert len(through(net, SQUARE).counts) == 2


def test_the_regions_of_a_group_hang_together():
    # |x| > 1/2 on two sides, and the middle is two cells of one region.
    net = [Affine([[1.0, -1], [0, 0]]), Affine([[1.0], [1.0]], [-0.5])]
    found = groups(through(net, SQUARE), positive())
    assert len(found.members) == 4
    table = found.table()
    assert table["neurons"].tolist() == ["", "n0", "n0"]
    assert table["cells"].tolist() == [2, 1, 1]
    np.testing.assert_allclose(table["area"], [2, 1, 1])


def test_boundaries_are_where_a_neuron_is_at_its_level():
    net = [Affine([[1.0, -1], [0, 0]]), Affine([[1.0], [1.0]], [-0.5])]
    found = boundaries(through(net, SQUARE))
    assert sorted(found.start[:, 0]) == sorted(found.stop[:, 0]) == [-0.5, 0.5]
    np.testing.assert_allclose(np.abs(found.start[:, 1] - found.stop[:, 1]), 2)
    # Silent on the left half: its boundary is the edge of where it is silent, and nothing within.
    silent = boundaries(through([Affine([[1.0], [0.0]]), Affine([[1.0]])], rectangle((-1, 0), (1, 1))))
    np.testing.assert_array_equal(np.unique(silent.start[:, 0]), [0])
    assert len(silent.neuron) == 1


def test_the_cells_that_are_possible():
    layer = Affine(np.ones((2, 1)), inputs="nonnegative")
    assert possible_cells(layer, SQUARE).areas.sum() == 1
    assert possible_cells(Affine(np.ones((2, 1))), SQUARE).areas.sum() == 4
    assert len(possible_cells(layer, rectangle((-2, -2), (-1, -1))).counts) == 0


def test_a_plane_within_a_larger_space():
    rng = np.random.default_rng(0)
    origin, u, v = rng.normal(size=(3, 10))
    net = [Affine(rng.normal(size=(10, 6)), rng.normal(size=6)), Affine(rng.normal(size=(6, 3)))]
    said = through(net, plane(origin, u, v, ((-1, -1), (1, 1))))
    few = POINTS[:500]
    np.testing.assert_allclose(said(few), answers(net, origin + few @ np.stack([u, v])), atol=1e-9)


def test_some_neurons_of_a_plane():
    said = Affine([[1, 2, 3], [0, 0, 1]])(SQUARE)
    np.testing.assert_allclose(said.neurons(["n2", 0])([0.5, 0.5]), [2, 0.5])
    with pytest.raises(UnknownNameError, match="a surface has no neuron 'n7'"):
        said.neurons(["n7"])
    assert repr(said) == "Surface(values=3, cells=1, corners=4)"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rectangle((0, 0), (0, 1)), "extent"),
        (lambda: rectangle((0, 0), (1, np.nan)), "extent"),
        (lambda: plane([0, 0], [1, 0], [2, 0], ((0, 0), (1, 1))), "u and v that lie on one line"),
        (lambda: plane([0, 0], [1, 0], [0, 0], ((0, 0), (1, 1))), "u and v that lie on one line"),
        (lambda: plane([0, 0], [1, 0], [0, 0, 1], ((0, 0), (1, 1))), "origin, u and v of shapes"),
        (lambda: plane([0, np.inf], [1, 0], [0, 1], ((0, 0), (1, 1))), "NaN or infinity"),
        (lambda: SQUARE([0, 3]), "lie in none of its cells"),
        (lambda: SQUARE([0, 1, 2]), r"points of shape \(3,\)"),
        (lambda: rectangle((0, 0), (1, 1), names=["x", "x"]), "two neurons called 'x'"),
    ],
)
def test_what_is_no_plane_is_refused(make, message):
    with pytest.raises(NeuronsError, match=message):
        make()


def test_more_than_memory_holds_is_refused(monkeypatch):
    from circuitkit.neurons import surface

    monkeypatch.setattr(surface, "LARGEST", 1000)
    rng = np.random.default_rng(0)
    with pytest.raises(NeuronsError, match="Choose fewer neurons, or a smaller part of the plane"):
        groups(Affine(rng.normal(size=(2, 20)))(SQUARE).cut(0.0), above_all())


def above_all():
    return predicate("above", lambda v: v > 1, levels=(1.0, -1.0, 0.5))
