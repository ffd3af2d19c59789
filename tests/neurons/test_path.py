"""Lines: their knots are where a net bends, and what neurons say along them is what they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitkit.errors import NeuronsError, UnknownNameError
from circuitkit.neurons import Affine, Path, crossings, interval, path, polyline, possible, segment, through
from tests.neurons.exact import TICKS, answers, exact_line, random_nets, whole_nets

BENT = [Affine([[1, -1]]), Affine([[1], [1]])]
"""|x|, which touches 0."""


@given(net=whole_nets())
def test_values_along_a_line_are_the_nets(net):
    np.testing.assert_allclose(through(net, interval(-1, 1))(TICKS), answers(net, TICKS[:, None]), atol=1e-9)


@given(net=random_nets(inputs=7), seed=st.integers(0, 2**32 - 1))
def test_values_along_a_line_in_many_dimensions_are_the_nets(net, seed):
    points = np.random.default_rng(seed).normal(size=(4, 7))
    line = polyline(points, at=[-1, -0.5, 0.1, 1])
    np.testing.assert_allclose(through(net, line)(TICKS), answers(net, line(TICKS)), atol=1e-9)


@given(net=whole_nets())
def test_knots_are_the_exact_ones_and_no_others(net):
    wanted, values = exact_line(net)
    said = through(net, interval(-1, 1)).cut(0.0)
    np.testing.assert_allclose(said.at, np.array(wanted, float), atol=1e-12)
    np.testing.assert_allclose(said.values, np.array(values, float), atol=1e-9)
    # What is 0 is 0 to the bit.
    np.testing.assert_array_equal(said.values == 0, np.array(values) == 0)


def test_a_line_without_snapping_has_slivers(monkeypatch):
    # Five neurons, one boundary: at a third, which no float is.
    net = [Affine([[3, 6, 9, 0.3, -0.7]], [-1, -2, -3, -0.1, 0.7 / 3]), Affine(np.ones((5, 1)))]
    assert len(through(net, interval(-1, 1)).at) == 3
    monkeypatch.setattr(path, "ROUNDING", 0.0)
    assert len(through(net, interval(-1, 1)).at) > 3


@given(net=random_nets(depths=(2,)))
def test_a_rectifier_that_adds_no_knots_would_be_noticed(net):
    line = interval(-3, 3)
    flat = net[0](line)
    lazy = net[1](Path(flat.at, np.maximum(flat.values, 0), flat.names, flat.scale))
    ticks = 3 * TICKS[:, None]
    assert np.abs(lazy(ticks[:, 0]) - answers(net, ticks)).max() > 1e-3
    np.testing.assert_allclose(through(net, line)(ticks[:, 0]), answers(net, ticks), atol=1e-9)


# Crossings


@given(net=random_nets())
def test_crossings_are_where_samples_change_their_sign(net):
    found = crossings(through(net, interval(-1, 1)))
    sampled = np.sign(answers(net, TICKS[:, None]))
    crossed = np.isin(found.kind, ["up", "down"])
    for neuron in range(len(found.names)):
        before = np.flatnonzero(np.diff(sampled[:, neuron]))
        here = np.sort(found.at[crossed & (found.neuron == neuron)])
        apart = np.diff(here, prepend=-np.inf, append=np.inf)
        clear = np.minimum(apart[1:], apart[:-1]) > 1e-4  # else two may fall between two samples
        assert all(np.abs(TICKS[before] - at).min() < 2e-5 for at in here[clear])
        assert len(before) <= len(here)


@given(net=whole_nets())
def test_crossings_are_exact_and_say_what_happens_there(net):
    knots, values = exact_line(net)
    found = crossings(through(net, interval(-1, 1)))
    signs = np.array([[(value > 0) - (value < 0) for value in row] for row in values])
    seen = 0
    for at, until, neuron, before, after in zip(
        found.at, found.until, found.neuron, found.before, found.after, strict=True
    ):
        first = int(np.argmin(np.abs(np.array(knots, float) - at)))
        last = int(np.argmin(np.abs(np.array(knots, float) - until)))
        assert abs(float(knots[first]) - at) < 1e-12
        assert (signs[first : last + 1, neuron] == 0).all()
        assert before == (signs[first - 1, neuron] if first else 0)
        assert after == (signs[last + 1, neuron] if last + 1 < len(knots) else 0)
        seen += last + 1 - first
    assert seen == (signs == 0).sum()


@pytest.mark.parametrize(
    ("net", "level", "rows"),
    [
        ([Affine([[2.0]], [-1])], 0, [("n0", "up", 0.5, 0.5)]),
        ([Affine([[-2.0]], [-1])], 0, [("n0", "down", -0.5, -0.5)]),
        (BENT, 0, [("n0", "touches", 0, 0)]),
        (BENT, 0.5, [("n0", "down", -0.5, -0.5), ("n0", "up", 0.5, 0.5)]),
        (BENT, 1, [("n0", "starts", -1, -1), ("n0", "ends", 1, 1)]),
        (BENT, -1, []),
        ([Affine([[0.0, 1.0]])], 0, [("n0", "all along", -1, 1), ("n1", "up", 0, 0)]),
        # Silent up to 0.5, then rising: 0 all the way up to there.
        ([Affine([[1.0]], [-0.5]), Affine([[1.0, -1.0]])], 0, [("n0", "starts", -1, 0.5), ("n1", "starts", -1, 0.5)]),
        # At rest in between, from below and back: a touch that lasts; and from below to above.
        (
            [Affine([[1.0, -1.0]], [-0.5, -0.5]), Affine([[-1.0, 1.0], [-1.0, -1.0]])],
            0,
            [("n0", "touches", -0.5, 0.5), ("n1", "up", -0.5, 0.5)],
        ),
    ],
)
def test_crossings_touching_and_resting_are_told_apart(net, level, rows):
    table = crossings(through(net, interval(-1, 1)), level).table()
    assert [tuple(row) for row in table.itertuples(index=False)] == rows


def test_a_routine_that_looks_for_changes_of_sign_alone_misses_the_touch():
    said = through(BENT, interval(-1, 1))
    signs = np.sign(said(TICKS)[:, 0])
    assert set(signs[signs != 0]) == {1}
    assert crossings(said).kind == ("touches",)


def test_a_level_a_neuron():
    said = Affine([[1, 1]])(interval(-1, 1))
    np.testing.assert_array_equal(crossings(said, np.array([0.25, -0.5])).at, [-0.5, 0.25])
    with pytest.raises(NeuronsError, match=r"levels of shape \(3,\) were given for 2 neurons"):
        crossings(said, np.zeros(3))


# What a ReLU before the layer makes impossible


def test_the_stretches_that_are_possible():
    layer = Affine(np.ones((2, 1)), inputs="nonnegative")
    line = polyline([[-1, 1], [1, 1], [1, -1], [0, 0], [-1, 1]])
    np.testing.assert_array_equal(possible(layer, line), [[0.5, 1.5], [3, 3]])
    np.testing.assert_array_equal(possible(Affine(np.ones((2, 1))), line), [[0, 4]])
    assert possible(Affine([[1]], inputs="nonnegative"), interval(-2, -1)).shape == (0, 2)


@given(seed=st.integers(0, 2**32 - 1))
def test_possible_is_where_no_sample_is_below_zero(seed):
    line = polyline(np.random.default_rng(seed).normal(size=(6, 2)), at=np.linspace(-1, 1, 6))
    found = possible(Affine(np.ones((2, 1)), inputs="nonnegative"), line)
    inside = ((TICKS[:, None] >= found[:, 0]) & (TICKS[:, None] <= found[:, 1])).any(axis=1)
    clear = np.abs(TICKS[:, None] - np.append(found, 9)).min(axis=1) > 1e-9
    np.testing.assert_array_equal(inside[clear], (line(TICKS) >= 0).all(axis=1)[clear])


# Lines


def test_a_polyline_runs_through_its_points():
    points = np.array([[0, 0], [1, 2], [4, 2.0]])
    line = polyline(points)
    np.testing.assert_array_equal(line.at, [0, 1, 2])
    np.testing.assert_array_equal(line([0, 1, 2]), points)
    np.testing.assert_array_equal(line(1.5), [2.5, 2])
    np.testing.assert_array_equal(polyline(points, at=[0, 3, 4])(1.5), [0.5, 1])
    assert repr(line) == "Path(values=2, knots=3, t=0..2)"
    assert segment([1, 2], [3, 4], names=["a", "b"]).names == ("a", "b")


def test_some_neurons_of_a_line():
    said = Affine([[1, 2, 3]])(interval(-1, 1))
    np.testing.assert_array_equal(said.neurons(["n2", 0])(1.0), [3, 1])
    with pytest.raises(UnknownNameError, match="a path has no neuron 'n7'"):
        said.neurons(["n7"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: interval(1, 1), "an interval from 1 to 1 has no length"),
        (lambda: interval(0, np.inf), "no length"),
        (lambda: segment([1, 2], [1, 2]), "which has no direction"),
        (lambda: segment([1, 2], [1, 2, 3]), r"a line was given points of \[2, 3\] inputs"),
        (lambda: segment([1, "a"], [1, 2]), "a segment was given a start that are no array of numbers"),
        (lambda: polyline([[1, 2]]), r"a line was given points of shape \(1, 2\)"),
        (lambda: polyline([[1, np.nan], [1, 2]]), "NaN or infinity"),
        (lambda: polyline([[1], [2], [3]], at=[0, 0, 1]), "a line through 3 points was given t"),
        (lambda: polyline([[1], [2], [3]], at=[0, 1]), "a line through 3 points was given t"),
        (lambda: interval(0, 1)(2), "beyond its ends: wanted 0 to 1"),
        (lambda: segment([1, 2], [3, 4], names=["a"]), "a line has 1 names for 2 neurons"),
    ],
)
def test_what_is_no_line_is_refused(make, message):
    with pytest.raises(NeuronsError, match=message):
        make()
