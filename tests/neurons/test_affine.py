"""Layers as affine maps: what they say, and what they refuse."""

import numpy as np
import pytest

from circuitkit.errors import NeuronsError, UnknownNameError
from circuitkit.neurons import Affine, interval, rectangle, through


def test_a_layer_says_weights_times_inputs_plus_bias():
    layer = Affine([[1, 2, 0], [0, -1, 3]], [0.5, 0, 1])
    np.testing.assert_array_equal(layer([2, 1]), [2.5, 3, 4])
    assert layer(np.zeros((4, 5, 2))).shape == (4, 5, 3)
    assert layer.names == ("n0", "n1", "n2")
    assert layer.size == (2, 3)


def test_float32_and_bfloat16_are_taken_and_nobody_elses_array_is_held():
    import jax.numpy as jnp

    given = np.ones((1, 2), np.float32)
    layer = Affine(given)
    given[:] = 7
    np.testing.assert_array_equal(layer.weights, [[1.0, 1.0]])
    assert Affine(jnp.ones((1, 2), jnp.bfloat16)).weights.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        layer.weights[0, 0] = 3


def test_neurons_are_chosen_by_number_or_name():
    layer = Affine([[1, 2, 3]], [4, 5, 6], names=["a", "b", "c"], inputs="nonnegative", title="conv1")
    chosen = layer.neurons(["c", 0])
    assert (chosen.names, chosen.inputs, chosen.title) == (("c", "a"), "nonnegative", "conv1")
    np.testing.assert_array_equal(chosen([1]), [9, 5])
    with pytest.raises(UnknownNameError, match="conv1 has no neuron 'd'. It has 'a', 'b', 'c'."):
        layer.neurons(["d"])
    with pytest.raises(UnknownNameError, match="conv1 has no neuron '-1'"):
        layer.neurons([-1])


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([1, 2],), {}, r"layer has weights of shape \(2,\): wanted \(input, neuron\)"),
        ((np.zeros((0, 3)),), {}, r"weights of shape \(0, 3\)"),
        (
            ([[1, 2]], [1]),
            {},
            r"layer has a bias of shape \(1,\) for weights of shape \(1, 2\): wanted .* try weights.T.",
        ),
        (([[1, 2]], [1, 2, 3]), {}, r"wanted one number a neuron, \(2,\).$"),
        (([["a"]],), {}, "layer has weights that are no array of numbers"),
        (([[1, 2], [3]],), {}, "layer has weights that are no array of numbers"),
        (([[1j]],), {}, "complex128"),
        (
            ([[1, np.nan]],),
            {"title": "conv1"},
            "conv1 has weights with 1 number that is NaN or infinite, of 'n1' first",
        ),
        (([[1, 2]], [np.inf, np.inf]), {}, "a bias with 2 numbers that are NaN or infinite, of 'n0' first"),
        (([[1, 2]],), {"names": ["a"]}, "layer has 1 names for 2 neurons"),
        (([[1, 2]],), {"names": ["a", "a"]}, "layer has two neurons called 'a'"),
    ],
)
def test_what_is_no_layer_is_refused(arguments, options, message):
    with pytest.raises(NeuronsError, match=message):
        Affine(*arguments, **options)


def test_an_unknown_kind_of_inputs_is_refused():
    with pytest.raises(UnknownNameError, match="layer has no kind of inputs 'positive'"):
        Affine([[1]], inputs="positive")


@pytest.mark.parametrize("given", [[1, 2], 3.0, interval(-1, 1), np.zeros((5, 1))])
def test_inputs_of_another_width_are_refused(given):
    with pytest.raises(NeuronsError, match="layer has 3 inputs, and was given .* with [012]: wanted 3."):
        Affine(np.ones((3, 1)))(given)


def test_inputs_that_are_not_finite_are_refused():
    with pytest.raises(NeuronsError, match="layer was given inputs with NaN or infinity"):
        Affine([[1]])([np.nan])


def test_layers_that_do_not_follow_each_other_are_refused_at_once():
    with pytest.raises(NeuronsError, match="second has 2 inputs, and was given a layer with 3: wanted 2."):
        through([Affine(np.ones((1, 3))), Affine(np.ones((2, 1)), title="second")], interval(0, 1))
    with pytest.raises(NeuronsError, match="no layer"):
        through([], interval(0, 1))


@pytest.mark.parametrize("given", [interval(0, 1), rectangle((0, 0), (1, 1))])
def test_what_a_float64_does_not_hold_is_refused(given):
    huge = Affine(np.full((len(given.names), 1), 1e300), title="huge")
    with pytest.raises(NeuronsError, match="then says more than a float64 holds"):
        through([huge, Affine([[1e300]], title="then")], given)
