"""Grids and angles: turns are exact where they can be, and y points up."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitkit.geometry import angle_between, bearing, cos_sin, norm, pixel_grid, turned_back, turning

FLOAT64_ROUNDING = 1e-15
FLOAT32_ROUNDING = 1e-5  # of coordinates of up to some tens of pixels

angles = st.floats(-720, 720)


@pytest.mark.parametrize(("height", "width"), [(5, 5), (4, 4), (3, 6)])
def test_the_grid_is_centred_and_y_points_up(height, width):
    x, y = (np.asarray(part) for part in pixel_grid(height, width))
    assert x.shape == y.shape == (height, width)
    assert (x[0, 0], y[0, 0]) == (-(width - 1) / 2, (height - 1) / 2)
    assert (x[-1, -1], y[-1, -1]) == ((width - 1) / 2, -(height - 1) / 2)
    np.testing.assert_array_equal(np.diff(x, axis=1), 1)
    np.testing.assert_array_equal(np.diff(y, axis=0), -1)


@pytest.mark.parametrize("size", [4, 5])
def test_rot90_adds_90_degrees(size):
    x, y = (np.asarray(part) for part in pixel_grid(size))
    # The pixel at (x, y) is carried to (-y, x): where rot90 puts it, the grid has those coordinates.
    np.testing.assert_array_equal(np.rot90(-y), x)
    np.testing.assert_array_equal(np.rot90(x), y)
    assert not np.array_equal(np.rot90(y), x), "a turn the other way would pass, too"


@given(angles)
def test_cosine_and_sine_are_those_of_the_mathematics(angle):
    np.testing.assert_allclose(
        cos_sin(angle), (math.cos(math.radians(angle)), math.sin(math.radians(angle))), atol=4 * FLOAT64_ROUNDING
    )


@given(st.integers(-720, 720).map(float))
def test_cosine_and_sine_agree_to_the_last_bit_at_quarter_turns_and_in_mirrors(angle):
    cos, sin = cos_sin(angle)
    assert cos_sin(angle + 90) == (-sin + 0.0, cos)
    assert cos_sin(-angle) == (cos, -sin + 0.0)
    assert cos_sin(90 - angle) == (sin, cos)


@pytest.mark.parametrize("angle", range(0, 360, 15))
def test_the_handbuilt_angles_agree_to_the_last_bit(angle):
    cos, sin = cos_sin(float(angle))
    assert cos_sin(-angle) == (cos, -sin + 0.0)
    assert cos_sin(180 - angle) == (-cos + 0.0, sin)


def test_pythons_own_cosine_and_sine_do_not_agree_to_the_last_bit():
    assert any(math.cos(math.radians(90 - angle)) != math.sin(math.radians(angle)) for angle in range(360))


def test_a_tiny_negative_angle_is_no_angle():
    assert cos_sin(-1e-60) == (1.0, 0.0)  # folded into a turn, in floating point, it is 360 and not less


def test_there_are_no_negative_zeros():
    for angle in (-180.0, -90.0, 0.0, 90.0, 180.0, 270.0, 360.0):
        assert all(math.copysign(1, part) == 1 for part in cos_sin(angle) if part == 0)


@given(angle=angles, other=angles)
def test_turning_back_by_two_angles_is_turning_back_by_their_sum(angle, other):
    x, y = pixel_grid(4)
    once = turned_back(x, y, [angle])
    twice = turned_back(once[0][0], once[1][0], [other])
    np.testing.assert_allclose(twice, turned_back(x, y, [angle + other]), atol=FLOAT32_ROUNDING)


def test_a_point_on_the_direction_of_the_template_is_seen_along_x():
    x, y = turned_back(jnp.array([[0.0]]), jnp.array([[2.0]]), [90.0, -90.0])
    np.testing.assert_array_equal(x[:, 0, 0], [2, -2])
    np.testing.assert_array_equal(y[:, 0, 0], [0, 0])


@pytest.mark.parametrize("size", [4, 5])
def test_a_grid_turned_back_by_quarter_turns_is_the_grid(size):
    x, y = pixel_grid(size)
    turned = turned_back(x, y, [0.0, 90.0, 180.0, 270.0])
    for index in range(4):
        np.testing.assert_array_equal(turned[0][index], np.rot90(x, index))
        np.testing.assert_array_equal(turned[1][index], np.rot90(y, index))


@given(angle=angles, other=angles, period=st.sampled_from([90.0, 180.0, 360.0]))
def test_the_angle_between_is_the_shorter_way_round(angle, other, period):
    apart = angle_between(angle, other, period)
    assert -period / 2 <= apart <= period / 2
    turns = (angle - other - apart) / period
    assert turns == pytest.approx(round(turns), abs=1e-9)


def test_the_angle_between_is_half_open():
    assert angle_between(180.0, 0.0) == angle_between(0.0, 180.0) == -180.0
    assert angle_between(90.0, 0.0, 180.0) == -90.0


@given(st.integers(-8, 8), st.floats(-720, 720, width=32))
def test_angles_a_quarter_turn_apart_have_the_same_cosine_and_sine_swapped(quarters, angle):
    angle = float(
        np.float32(np.round(angle * 4) / 4)
    )  # quarters of a degree: float32 adds quarter turns to them exactly
    cos, sin = (np.asarray(part) for part in turning(angle))
    np.testing.assert_allclose([cos, sin], [math.cos(math.radians(angle)), math.sin(math.radians(angle))], atol=1e-6)
    expected = [(cos, sin), (-sin, cos), (-cos, -sin), (sin, -cos)][quarters % 4]
    np.testing.assert_array_equal([np.asarray(part) for part in turning(angle + 90 * quarters)], expected)
    # Cosine itself in float32 does not.
    assert float(jnp.cos(jnp.deg2rad(90.0))) != 0 == float(turning(90.0)[0])


def test_length_and_direction_of_a_vector_are_exact_with_finite_gradients():
    rng = np.random.default_rng(0)
    x, y = (jnp.asarray(rng.normal(size=500) * 10 ** rng.uniform(-4, 3, 500), jnp.float32) for _ in range(2))
    x, y = (
        jnp.concatenate([part, jnp.asarray(more)]) for part, more in ((x, [0.0, 1, -1, 0, 0]), (y, [0.0, 0, 0, 2, -2]))
    )
    np.testing.assert_allclose(norm(x, y), np.hypot(x, y), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(bearing(x, y), np.arctan2(y, x), atol=1e-6)

    def slope(function, x, y):
        return sum(jax.grad(function, argnums=(0, 1))(x, y))

    for function in (norm, bearing):
        first = jax.vmap(functools.partial(slope, function))(x, y)
        second = jax.vmap(jax.grad(functools.partial(slope, function)))(x, y)
        assert np.isfinite(first).all()
        assert np.isfinite(second).all()
    right, up = jax.grad(bearing, argnums=(0, 1))(jnp.float32(3), jnp.float32(4))
    assert (float(right), float(up)) == (pytest.approx(-4 / 25), pytest.approx(3 / 25))
    assert not np.isfinite(jax.grad(lambda y: jnp.sqrt(y**2))(0.0)), "a plain root would do"
