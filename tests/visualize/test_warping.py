"""Motions of images: where they take what, beyond the border too, and that gradients go the same way back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitkit.stimuli import Curve
from circuitkit.visualize.warping import Room, Warp, drawn, warped

SIDE = 33
WHOLE = {"centre": (16.0, 16.0), "rows": (0, SIDE), "columns": (0, SIDE), "rotate": 10.0}


def motion(x: float = 0.0, y: float = 0.0, scale: float = 1.0, angle: float = 0.0) -> Warp:
    return Warp(*map(jnp.float32, (x, y, scale, angle)))


def planes(*angles: float, radius: float = 10.0) -> jax.Array:
    return jnp.stack(
        [Curve(radius=radius, width=4, blur=1).turned(angle).draw(SIDE)[None, :, :, 0] for angle in angles]
    )


def shown(images: jax.Array) -> np.ndarray:
    return np.asarray(images).transpose(0, 2, 3, 1)


def test_nothing_moves_without_a_motion():
    images = planes(20, 140)
    np.testing.assert_array_equal(warped(images, motion(), **WHOLE), shown(images))


def test_whole_pixels_are_exact_and_what_comes_in_is_grey():
    images = planes(20) + 0.5
    moved = np.asarray(warped(images, motion(x=3, y=-2), **WHOLE))
    np.testing.assert_allclose(moved[:, : SIDE - 2, : SIDE - 3], shown(images)[:, 2:, 3:], atol=1e-6)
    assert not moved[:, SIDE - 2 :].any()
    assert not moved[:, :, SIDE - 3 :].any()


@given(angle=st.floats(-10, 10), start=st.floats(0, 360))
def test_a_turn_shows_the_shape_turned_the_other_way(angle, start):
    found = np.asarray(warped(planes(start), motion(angle=angle), **WHOLE))
    error = [np.abs(found - shown(planes(start + sign * angle))).mean() for sign in (-1, 1)]
    assert error[0] < 0.02  # linear interpolation
    assert abs(angle) < 4 or error[1] > 2 * error[0]


def test_a_scaling_shows_the_shape_smaller():
    found = np.asarray(warped(planes(0, radius=10), motion(scale=1.25), **WHOLE))[0, :, :, 0]
    edges = [np.flatnonzero(image[16] > 0.5).mean() - 16 for image in (found, planes(0, radius=10)[0, 0])]
    assert edges[0] == pytest.approx(edges[1] / 1.25, abs=0.5)


def test_a_part_is_part_of_the_whole():
    where = motion(x=1.3, y=0.4, scale=0.93, angle=7)
    part = warped(planes(20), where, **(WHOLE | {"rows": (5, 20), "columns": (0, 31)}))
    np.testing.assert_allclose(part, warped(planes(20), where, **WHOLE)[:, 5:20, :31], atol=1e-6)


@given(angle=st.floats(-10, 10), scale=st.floats(0.8, 1.2), x=st.floats(-4, 4))
def test_gradients_go_back_the_way_that_images_came(angle, scale, x):
    rng = np.random.default_rng(0)
    images, pulled = (jnp.asarray(rng.normal(size=(1, 1, SIDE, SIDE)), jnp.float32) for _ in range(2))
    moved, back = jax.vjp(lambda images: warped(images, motion(x=x, scale=scale, angle=angle), **WHOLE), images)
    pulled = pulled.reshape(moved.shape)
    assert float(jnp.vdot(moved, pulled)) == pytest.approx(float(jnp.vdot(images, back(pulled)[0])), rel=1e-3, abs=1e-2)


def test_motions_stay_in_their_room():
    room = Room(*map(jnp.float32, (4.0, 0.1, 5.0)))
    drawn_ = [drawn(jax.random.PRNGKey(seed), room) for seed in range(50)]
    for field, middle, reach in (("x", 0, 4), ("y", 0, 4), ("scale", 1, 0.1), ("angle", 0, 5)):
        away = np.abs(np.array([getattr(each, field) for each in drawn_]) - middle)
        assert 0.8 * reach < away.max() <= reach + 1e-6
