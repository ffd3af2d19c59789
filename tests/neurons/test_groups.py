"""Groups along a line: exact bounds, each stretch's set of neurons, and what is said at the bounds themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitkit.errors import NeuronsError
from circuitkit.neurons import (
    Affine,
    above,
    groups,
    interval,
    nearest_group,
    positive,
    predicate,
    rectangle,
    segment,
    through,
    top,
    upper_quartile,
)
from circuitkit.neurons.order import tied
from tests.neurons.exact import TICKS, answers, exact_groups, exact_line, random_nets, whole_nets


def highest_two(values):
    """The same as top(2), but said to depend on the order of all."""
    return top(2).members(values)


@given(net=whole_nets())
def test_groups_of_positive_neurons_are_exact_at_every_tick(net):
    found = groups(through(net, interval(-1, 1)), positive())
    np.testing.assert_array_equal(found(TICKS), answers(net, TICKS[:, None]) > 0)


@given(net=whole_nets())
def test_stretches_are_the_exact_ones_and_no_others(net):
    bounds, members = exact_groups(*exact_line(net))
    found = groups(through(net, interval(-1, 1)), positive())
    np.testing.assert_allclose(found.bounds, np.array(bounds, float), atol=1e-12)
    assert [set(np.flatnonzero(row)) for row in found.members] == members


@given(net=random_nets(), threshold=st.floats(-2, 2), count=st.integers(1, 5))
def test_groups_of_random_nets_agree_with_dense_samples(net, threshold, count):
    said, sampled = through(net, interval(-1, 1)), answers(net, TICKS[:, None])
    levels = np.linspace(threshold, 1, len(said.names))
    between = predicate("between", lambda v: (v > threshold) & (v <= 1), levels=(threshold, 1.0))
    for wanted in (positive(), above(levels), top(count), between):
        found = groups(said, wanted)
        clear = np.abs(TICKS - found.bounds[np.searchsorted(found.bounds, TICKS)]) > 1e-9
        clear &= np.abs(TICKS - found.bounds[np.searchsorted(found.bounds, TICKS, side="right") - 1]) > 1e-9
        # Neurons that are one another's copy are equal to us, and to samples equal up to rounding.
        values = tied(sampled, np.abs(sampled)) if wanted.compares else sampled
        np.testing.assert_array_equal(found(TICKS[clear]), wanted.members(values)[clear])


@given(net=whole_nets(depths=(1, 2)), count=st.integers(1, 3))
def test_the_highest_are_exact_at_every_tick_ties_by_index(net, count):
    said = through(net, interval(-1, 1))
    count = min(count, len(said.names))
    found, sampled = groups(said, top(count)), answers(net, TICKS[:, None])
    np.testing.assert_array_equal(found(TICKS), top(count).members(sampled))
    whole = groups(said, predicate("all pairs", top(count).members, compares=True))
    np.testing.assert_allclose(whole.bounds, found.bounds, atol=1e-12)
    np.testing.assert_array_equal(whole.members, found.members)


@given(net=random_nets(depths=(2,)))
def test_looking_for_swaps_at_knots_alone_would_be_noticed(net):
    said = through(net, interval(-4, 4))
    blind = groups(said, predicate("top 4, never cut", top(4).members))
    wanted = top(4).members(tied(said(4 * TICKS), np.abs(said(4 * TICKS))))
    assert (blind(4 * TICKS) != wanted).any()
    assert (groups(said, top(4))(4 * TICKS) != wanted).any(axis=1).mean() < 1e-3


def test_a_predicate_that_leaves_out_a_level_is_wrong_and_would_be_noticed():
    said = Affine([[1.0]])(interval(-1, 1))
    forgetful = groups(said, predicate("above a half", lambda v: v > 0.5, levels=0.0))
    assert (forgetful(TICKS) != (TICKS[:, None] > 0.5)).any()


def test_a_neuron_that_touches_its_threshold_parts_two_equal_stretches():
    said = through([Affine([[1, -1]]), Affine([[1], [1]])], interval(-1, 1))
    found = groups(said, positive())
    np.testing.assert_array_equal(found.bounds, [-1, 0, 1])
    assert found.members.tolist() == [[True], [True]]
    assert found.at_bounds.tolist() == [[True], [False], [True]]
    assert found([-0.5, 0, 0.5]).tolist() == [[True], [False], [True]]


def test_copies_and_multiples_give_no_slivers():
    # 0.1 * 3 is not 0.3 in floats, so these cross at one place only up to rounding.
    weights = np.array([0.1, 0.3, 0.7, -0.1, 1e-9, 1e9])
    said = Affine(weights[None], -weights * 0.1 * 3)(interval(-1, 1))
    found = groups(said, positive())
    np.testing.assert_allclose(found.bounds, [-1, 0.3, 1])
    assert found.at_bounds[1].sum() == 0


def test_the_upper_quartile_is_each_neurons_own_and_never_below_zero():
    layer = Affine([[1, 10, -1]], [0, 0, -100])
    samples = np.arange(101.0)[:, None]
    np.testing.assert_allclose(upper_quartile(layer, samples), [75, 750, 0])
    found = groups(layer(interval(0, 100)), above(upper_quartile(layer, samples)))
    assert found.table().to_dict("list") == {
        "from": [0, 75],
        "to": [75, 100],
        "count": [0, 2],
        "neurons": ["", "n0, n1"],
    }
    np.testing.assert_array_equal(found.sizes, [75, 25])


def test_the_nearest_samples_group():
    layer = Affine(np.eye(2))
    samples = np.array([[1, -1], [-1, 1], [5, 5.0]])
    members, nearest = nearest_group([[0.9, -0.8], [4, 5], [0, 0]], samples, layer, positive())
    assert nearest.tolist() == [0, 2, 0]  # of two as near, the first
    assert members.tolist() == [[True, False], [True, True], [True, False]]
    assert nearest_group(np.zeros((0, 2)), samples, layer, positive())[0].shape == (0, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda said: groups(said, above([1, 2])), r"levels of shape \(2,\) were given for 3 neurons"),
        (lambda said: groups(said, top(4)), "top was asked for 4 neurons of 3"),
        (lambda said: top(0), "top was asked for 0 neurons"),
        (lambda said: top(True), "top was asked for True neurons"),
        (lambda said: groups(said, predicate("odd", lambda v: v[:, 0] > 0)), "predicate 'odd' answered with bool"),
        (lambda said: groups(said, predicate("sums", lambda v: v + 1)), "predicate 'sums' answered with float64"),
        (lambda said: groups(said, positive())(3), "beyond the line: wanted -1 to 1"),
        (lambda said: upper_quartile(Affine([[1]]), np.zeros((0, 1))), "wanted .sample, input., at least one"),
        (lambda said: upper_quartile(Affine([[1]]), [[1]], quantile=75), "quantile=75"),
        (lambda said: nearest_group([[1]], np.zeros((0, 1)), Affine([[1]]), positive()), "at least one sample"),
        (lambda said: nearest_group([[1, 2]], [[1]], Affine([[1]]), positive()), "given points with 2: wanted 1"),
        (lambda said: nearest_group([[1]], [[1, 2]], Affine([[1]]), positive()), "with 2: wanted 1"),
    ],
)
def test_what_fits_no_neurons_is_refused(make, message):
    with pytest.raises(NeuronsError, match=message):
        make(Affine([[1, 2, -3]])(interval(-1, 1)))


@pytest.mark.parametrize("given", [segment(np.zeros(3), np.ones(3)), rectangle((0, 0), (1, 1))])
def test_too_many_pairs_to_compare_are_refused_with_a_way_out(given):
    count = len(given.names)
    said = Affine(np.random.default_rng(0).normal(size=(count, 20_000)))(given)
    with pytest.raises(NeuronsError, match="Say compares=k if only the k highest matter"):
        groups(said, predicate("all", highest_two, compares=True))
