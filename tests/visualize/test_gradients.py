"""Exchanged operations compute what they took the place of, with the same gradients, unless an image is asleep."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitkit.visualize.gradients import exchanged, pool

AWAKE = jnp.zeros(2, bool)
POOLS = [
    ((7, 8), (3, 3), (2, 2), ((0, 0), (0, 0))),
    ((7, 8), (3, 2), (2, 3), ((1, 1), (0, 1))),
    ((6, 6), (2, 2), (2, 2), ((0, 0), (0, 0))),
    ((6, 5), (3, 3), (1, 1), ((1, 1), (1, 1))),
    ((7, 7), (2, 2), (3, 3), ((0, 0), (0, 0))),
]


def usual(x: jax.Array, window: Any, strides: Any, padding: Any) -> jax.Array:
    return jax.lax.reduce_window(
        x, -jnp.inf, jax.lax.max, (1, *window, 1), (1, *strides, 1), ((0, 0), *padding, (0, 0))
    )


def pulled(function: Callable[[jax.Array], jax.Array], x: jax.Array) -> np.ndarray:
    """The gradient, each element of the result being weighed differently."""
    return np.asarray(
        jax.grad(lambda x: jnp.vdot(function(x), jnp.arange(function(x).size).reshape(function(x).shape)))(x)
    )


@pytest.mark.parametrize(("side", "window", "strides", "padding"), POOLS)
@settings(max_examples=5)
@given(seed=st.integers(0, 1000), levels=st.sampled_from([2, 1000]))
def test_pooling_and_its_gradient_are_those_of_jax_ties_included(side, window, strides, padding, seed, levels):
    x = jnp.asarray(np.random.default_rng(seed).integers(-levels, levels, (2, *side, 3)), jnp.float32)
    ours = pool(side, window, strides, padding)
    np.testing.assert_array_equal(ours(x), usual(x, window, strides, padding))
    np.testing.assert_allclose(pulled(ours, x), pulled(lambda x: usual(x, window, strides, padding), x), rtol=1e-6)


def test_the_comparison_notices_who_gets_the_gradient_of_equal_elements():
    side, window, strides, padding = POOLS[0]
    x = jnp.ones((2, *side, 3))

    def last(x: jax.Array) -> jax.Array:
        return pool(side, window, strides, padding)(x[:, ::-1])[:, ::-1]

    assert not np.allclose(pulled(last, x), pulled(lambda x: usual(x, window, strides, padding), x))


def conv(x: jax.Array, kernel: jax.Array, **how: Any) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), how.get("padding", "SAME"), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def net(weights: dict[str, jax.Array], images: jax.Array) -> jax.Array:
    early = jax.nn.relu(conv(images, weights["a"]) - 0.1)
    small = usual(early, (3, 3), (2, 2), ((0, 0), (0, 0)))
    both = jnp.concatenate([jnp.maximum(conv(small, weights["b"]), weights["zero"]), small], axis=3)
    return jax.nn.relu(jax.jit(conv, static_argnames="padding")(both, weights["c"], padding="VALID"))


@pytest.fixture(scope="module")
def weights() -> dict[str, jax.Array]:
    rng = np.random.default_rng(0)
    shapes = {"a": (3, 3, 3, 8), "b": (3, 3, 8, 8), "c": (4, 4, 16, 5)}
    return {name: jnp.asarray(rng.normal(0, 0.2, shape), jnp.float32) for name, shape in shapes.items()} | {
        "zero": jnp.zeros(())
    }


@pytest.fixture(scope="module")
def images() -> jax.Array:
    return jnp.asarray(np.random.default_rng(1).normal(size=(2, 9, 9, 3)), jnp.float32)


def test_a_net_computes_the_same_with_the_same_gradients(weights, images):
    ours = exchanged(net, weights)
    np.testing.assert_allclose(ours(AWAKE, weights, images), net(weights, images), atol=1e-5)
    mine = jax.grad(lambda x: ours(AWAKE, weights, x).sum())(images)
    np.testing.assert_allclose(mine, jax.grad(lambda x: net(weights, x).sum())(images), atol=1e-5)
    assert np.abs(mine).max() > 0.1
    asleep = jax.grad(lambda x: -ours(~AWAKE, weights, x).sum())(images)
    assert not np.allclose(-asleep, mine, atol=1e-3)


def test_the_slow_gradient_is_gone(weights, images):
    def names(function: Callable[..., Any]) -> str:
        return str(jax.make_jaxpr(jax.grad(lambda x: function(x).sum()))(images))

    ours = exchanged(net, weights)
    assert "reduce_window" not in names(lambda x: ours(AWAKE, weights, x))
    assert "select_and" in names(lambda x: net(weights, x))


def test_a_platforms_own_form_gives_way_to_the_default(images):
    def halves(x: jax.Array) -> jax.Array:
        return jax.lax.platform_dependent(x, cpu=lambda x: 3 * x, default=lambda x: 2 * x)

    np.testing.assert_array_equal(halves(images), 3 * images)
    np.testing.assert_array_equal(exchanged(halves)(AWAKE, images), 2 * images)


def test_units_that_are_off_pass_only_what_raises_them_and_only_asleep():
    def off(x: jax.Array) -> jax.Array:
        return jax.nn.relu(jnp.stack([x - 10, 10 - x], axis=1) * jnp.array([1.0, -1.0]).reshape(1, 2))

    x, ours = jnp.ones(2), exchanged(off)
    half = jnp.array([True, False])
    up = jax.grad(lambda x: -ours(half, x)[:, 0].sum())(x)
    down = jax.grad(lambda x: ours(half, x)[:, 0].sum())(x)
    np.testing.assert_array_equal(up, [-1, 0])  # descending raises x, for the image that is asleep
    np.testing.assert_array_equal(down, [0, 0])


def test_a_maximum_with_something_else_is_no_relu(images):
    def floor(level: jax.Array, x: jax.Array) -> jax.Array:
        return jnp.maximum(x, level)

    one, none = jnp.ones(()), jnp.zeros(())
    for level, passed in ((one, False), (none, True)):
        slope = jax.grad(lambda x, level=level: -exchanged(floor, level)(~AWAKE, level, x).sum())(images - 100)
        assert bool(np.any(slope)) is passed
