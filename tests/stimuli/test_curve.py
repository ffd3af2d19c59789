"""The curve stimulus against brute-force supersampling, and the laws of where and how it is drawn."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitkit.errors import StimulusError
from circuitkit.stimuli import Curve

SIZE = 48
CENTRE = ((SIZE - 1) / 2, (SIZE - 1) / 2)
FLOAT32 = 2e-4  # distances of tens of pixels, in float32


GRADIENT = jax.jit(jax.grad(lambda curve: jnp.sum(curve.draw(17, 17, anchor=(8.0, 8.0)) ** 2)))


def supersampled(curve: Curve, fine: int = 12) -> np.ndarray:
    """Coverage by counting subpixels; shares no code with the library."""
    ticks = (np.arange(SIZE * fine) + 0.5) / fine - 0.5 - (SIZE - 1) / 2
    x, y = np.meshgrid(ticks, -ticks)
    z = (x + 1j * y) * np.exp(-1j * np.radians(curve.angle))
    if math.isinf(curve.radius):
        distance, along = z.real, z.imag
    else:
        spoke = z + curve.radius
        distance, along = np.abs(spoke) - curve.radius, curve.radius * np.angle(spoke)
    inside = (np.abs(distance) <= curve.width / 2) & (np.abs(along) <= curve.length / 2)
    coverage = inside.reshape(SIZE, fine, SIZE, fine).mean((1, 3))
    return curve.background + curve.contrast * curve.polarity * coverage


@pytest.mark.parametrize("radius", [8.0, 20.0, 60.0, 290.0, math.inf])
@pytest.mark.parametrize("angle", [0.0, 37.0, 90.0, 205.0])
def test_coverage_is_that_of_a_supersampled_arc(radius: float, angle: float) -> None:
    curve = Curve(angle=angle, radius=radius, length=30.0, width=2.5)
    drawn, truth = np.asarray(curve.draw(SIZE, SIZE, anchor=CENTRE)[..., 0]), supersampled(curve)
    stroke = truth > 0
    assert np.abs(drawn - truth)[stroke].mean() < 0.025
    assert np.abs(drawn - truth)[~stroke].max() < 0.25  # the corners of butt ends
    wrong = np.asarray(dataclasses.replace(curve, angle=angle + 6).draw(SIZE, SIZE, anchor=CENTRE)[..., 0])
    assert np.abs(wrong - truth)[stroke].mean() > 0.03


@given(angle=st.floats(0, 360), radius=st.floats(5, 100))
def test_quarter_turns_of_the_angle_turn_the_image(angle: float, radius: float) -> None:
    first, second = (
        np.asarray(Curve(angle=a, radius=radius, length=25.0).draw(SIZE, SIZE, anchor=CENTRE)[..., 0])
        for a in (angle, angle + 90)
    )
    assert first.max() > 0.5
    np.testing.assert_allclose(np.rot90(first), second, atol=5 * FLOAT32)


def test_angle_zero_bulges_to_the_right_and_ninety_is_an_arch() -> None:
    right = np.asarray(Curve(angle=0, radius=10, length=30).draw(SIZE, SIZE, anchor=CENTRE)[..., 0])
    columns = np.arange(SIZE) - CENTRE[1]
    assert right.sum(0) @ columns < 0  # the arms lie to the left of the apex
    arch = np.asarray(Curve(angle=90, radius=10, length=30).draw(SIZE, SIZE, anchor=CENTRE)[..., 0])
    rows = np.arange(SIZE) - CENTRE[0]
    assert arch.sum(1) @ rows > 0  # the arms hang down


@pytest.mark.parametrize("anchor", [(20.0, 27.0), (20.25, 27.0), (20.0, 26.5)])
def test_the_apex_lies_on_the_anchor_to_the_subpixel(anchor: tuple[float, float]) -> None:
    image = np.asarray(Curve(angle=0, radius=math.inf, length=10, width=1).draw(SIZE, SIZE, anchor=anchor)[..., 0])
    rows, columns = np.indices(image.shape)
    assert (image * rows).sum() / image.sum() == pytest.approx(anchor[0], abs=0.01)
    assert (image * columns).sum() / image.sum() == pytest.approx(anchor[1], abs=0.01)


def test_a_large_radius_tends_to_the_straight_line() -> None:
    line = np.asarray(Curve(angle=30, radius=math.inf).draw(SIZE, SIZE, anchor=CENTRE)[..., 0])
    nearly = np.asarray(Curve(angle=30, radius=1e7).draw(SIZE, SIZE, anchor=CENTRE)[..., 0])
    np.testing.assert_allclose(nearly, line, atol=1e-3)
    assert np.abs(np.asarray(Curve(angle=30, radius=100).draw(SIZE, SIZE, anchor=CENTRE)[..., 0]) - line).max() > 0.5


def test_a_circle_shorter_than_the_length_is_closed() -> None:
    circle = np.asarray(Curve(angle=0, radius=8, length=90).draw(SIZE, SIZE, anchor=CENTRE)[..., 0])
    assert circle.sum() == pytest.approx(2 * math.pi * 8 * 2, rel=0.01)
    # Antipode of the apex, 16 pixels to the left.
    assert circle[23:25, 7:9].max() > 0.9


def test_polarity_contrast_and_background_are_affine() -> None:
    plain = np.asarray(Curve().draw(SIZE, SIZE, anchor=CENTRE)[..., 0])
    other = np.asarray(Curve(polarity=-1, contrast=0.5, background=0.2).draw(SIZE, SIZE, anchor=CENTRE)[..., 0])
    np.testing.assert_allclose(other, 0.2 - 0.5 * plain, atol=1e-6)


@pytest.mark.long
@given(angle=st.floats(0, 360), radius=st.floats(2, 200), length=st.floats(1, 60), width=st.floats(0.1, 6))
def test_gradients_are_finite_in_every_parameter(angle: float, radius: float, length: float, width: float) -> None:
    gradient = GRADIENT(Curve(angle=angle, radius=radius, length=length, width=width))
    assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(gradient))


def test_the_gradient_at_the_centre_of_curvature_is_finite() -> None:
    # A whole circle whose centre falls on a pixel.
    gradient = jax.grad(lambda r: Curve(radius=r, length=60.0).draw(17, 17, anchor=(8.0, 12.0))[8, 8, 0])(4.0)
    assert np.isfinite(gradient)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"radius": 0.0}, "Curve has radius=0.0: wanted a number of pixels above 0, or infinity"),
        ({"width": -1.0}, "Curve has width=-1.0"),
        ({"angle": math.nan}, "Curve has angle=nan"),
        ({"length": math.inf}, "Curve has length=inf"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(StimulusError, match=message):
        Curve(**options)
