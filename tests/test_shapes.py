"""Shapes: distance, arc length and tangent against the nearest of many points, and gradients that stay finite."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitkit.errors import SpecError
from circuitkit.shapes import Arc, Line, Shape, arc_frame
from tests.strategies import arcs, numbers

FLOAT32_ROUNDING = 1e-5  # of lengths of some tens of pixels
POLYLINE = 1e-3  # pixels: half the gap between the points tried, squared, over twice the distance, is far less

shapes = st.one_of(st.builds(Line, length=numbers(1, 40)), arcs())


def nearest(radius, x, y):
    """Returns distance, arc length and tangent of the nearest of many points of a circle, in float64."""
    phi = np.linspace(-np.pi, np.pi, 200_001)
    z = radius * (np.exp(1j * phi) - 1)  # the apex, at phi 0, is the origin
    index = int(np.argmin(np.abs(z - complex(x, y))))
    outside = abs(complex(x + radius, y)) > radius
    distance = np.abs(z[index] - complex(x, y))
    return (distance if outside else -distance), radius * phi[index], 90 + np.degrees(phi[index])


@given(radius=numbers(2, 60), x=numbers(-30, 30), y=numbers(-30, 30))
def test_an_arc_says_of_every_point_what_the_nearest_point_of_the_circle_says(radius, x, y):
    from_centre = math.hypot(x + radius, y)
    frame = arc_frame(1 / radius, jnp.float32(x), jnp.float32(y))
    distance, along, tangent = nearest(radius, x, y)
    np.testing.assert_allclose(frame.distance, distance, atol=POLYLINE)
    if from_centre < 0.05 * radius:
        return  # next to the centre of curvature every direction is nearly as near
    gap = 2 * np.pi * radius / 200_000  # between the points tried
    turns = (float(frame.tangent) - tangent) / 360
    assert abs(turns - round(turns)) * 2 * np.pi * radius < gap + 20 * FLOAT32_ROUNDING
    assert abs(abs(float(frame.along)) - abs(along)) < gap + 20 * FLOAT32_ROUNDING
    if min(abs(along), np.pi * radius - abs(along)) > 0.01:  # neither the apex nor the point opposite
        assert np.sign(float(frame.along)) == np.sign(along)


def test_the_comparison_notices_a_wrong_curvature():
    distance, _, _ = nearest(10.0, 3.0, 4.0)
    assert abs(float(arc_frame(1 / 11, jnp.float32(3), jnp.float32(4)).distance) - distance) > 10 * POLYLINE


@given(x=numbers(-30, 30), y=numbers(-30, 30))
def test_curvature_0_is_a_line(x, y):
    x, y = jnp.float32(x), jnp.float32(y)
    straight, line = arc_frame(0.0, x, y), Line(length=4).frame(y, -x)  # the arc stands upright, the line lies
    np.testing.assert_array_equal(straight.along, line.along)
    np.testing.assert_allclose(straight.distance, -line.distance, atol=FLOAT32_ROUNDING)
    np.testing.assert_array_equal(straight.tangent - 90, line.tangent)


@pytest.mark.parametrize("radius", [1e3, 1e4, 1e5, 9.9e5, 1.1e6, 1e7])
def test_a_large_circle_keeps_its_digits(radius):
    # rho - radius in float32 would be off by up to 0.06 pixels at a radius of 1e6.
    x, y = np.float32(3.25), np.float32(7.5)
    frame = arc_frame(1 / radius, jnp.asarray(x), jnp.asarray(y))
    exact = (2 * radius * float(x) + float(x) ** 2 + float(y) ** 2) / (math.hypot(radius + float(x), float(y)) + radius)
    np.testing.assert_allclose(frame.distance, exact, atol=FLOAT32_ROUNDING)
    np.testing.assert_allclose(frame.along, radius * math.atan2(y, radius + x), atol=2e-4)


def test_the_plain_formula_would_lose_its_digits():
    x, y, radius = np.float32(3.3), np.float32(7.5), np.float32(1e6)
    plain = np.sqrt((radius + x) ** 2 + y**2) - radius
    assert abs(plain - float(arc_frame(1e-6, jnp.asarray(x), jnp.asarray(y)).distance)) > 100 * FLOAT32_ROUNDING


def centre_and_others():
    """Returns points where a careless arc has no gradient: the centre of curvature, the apex, the point opposite."""
    return [(-5.0, 0.0), (-5.0 + 1e-6, 0.0), (0.0, 0.0), (-10.0, 0.0), (-7.0, 0.0), (3.0, -4.0)]


@pytest.mark.parametrize(("x", "y"), centre_and_others())
@pytest.mark.parametrize("curvature", [0.2, 1e-7, 0.0])
def test_gradients_are_finite_everywhere(curvature, x, y):
    for part in range(3):
        gradient = jax.grad(lambda c, x, y, part=part: arc_frame(c, x, y)[part], argnums=(0, 1, 2))(curvature, x, y)
        assert np.isfinite(gradient).all()


def test_a_careless_arc_has_no_gradient_at_its_centre():
    gradient = jax.grad(lambda x, y: jnp.sqrt((x + 5) ** 2 + y**2) - 5)(-5.0, 0.0)
    assert not np.isfinite(gradient)


@given(curvature=numbers(0.0625, 0.5), x=numbers(-10, 10), y=numbers(-10, 10))
def test_the_distance_has_a_gradient_of_length_1(curvature, x, y):
    if math.hypot(1 + curvature * x, curvature * y) < 0.05:
        return  # the centre of curvature, where the distance has a kink
    gradient = jax.grad(lambda x, y: arc_frame(curvature, x, y).distance, argnums=(0, 1))(x, y)
    assert math.hypot(*map(float, gradient)) == pytest.approx(1, abs=1e-4)


def test_the_centre_of_curvature_takes_the_apex():
    frame = arc_frame(0.2, jnp.float32(-5), jnp.float32(0))
    assert (float(frame.along), float(frame.tangent)) == (0, 90)
    np.testing.assert_allclose(frame.distance, -5, atol=1e-4)


@given(shapes)
def test_the_bounding_radius_holds_the_path_and_no_more(shape):
    along = np.linspace(-shape.length / 2, shape.length / 2, 1001)
    if isinstance(shape, Line):
        path = along + 0j
    else:
        path = shape.radius * (np.exp(1j * along / shape.radius) - 1)
    # The path is where the shape says that it is.
    frame = shape.frame(jnp.asarray(path.real, jnp.float32), jnp.asarray(path.imag, jnp.float32))
    np.testing.assert_allclose(frame.distance, 0, atol=FLOAT32_ROUNDING)
    np.testing.assert_allclose(frame.along, along, atol=10 * FLOAT32_ROUNDING)
    assert np.abs(path).max() == pytest.approx(shape.bounding_radius(), rel=1e-5)


def test_a_full_circle_reaches_its_diameter():
    assert Arc(radius=5, length=10 * math.pi).bounding_radius() == pytest.approx(10)


def test_shapes_are_shapes():
    assert isinstance(Line(length=1), Shape)
    assert isinstance(Arc(radius=1, length=1), Shape)
    assert not isinstance(3.0, Shape)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Line(length=0), "Line has length=0: wanted a finite number of pixels above 0."),
        (lambda: Line(length=-1.5), "Line has length=-1.5: wanted a finite number of pixels above 0."),
        (lambda: Line(length=math.nan), "Line has length=nan: wanted a finite number of pixels above 0."),
        (lambda: Line(length=math.inf), "Line has length=inf: wanted a finite number of pixels above 0."),
        (lambda: Arc(radius=0, length=1), "Arc has radius=0: wanted a finite number of pixels above 0."),
        (
            lambda: Arc(radius=2, length=13),
            "Arc has length=13.0: a circle of radius 2.0 is only 12.57 pixels round. Shorten the arc, or give it a "
            "larger radius.",
        ),
    ],
)
def test_a_shape_that_cannot_be_drawn_is_refused(make, message):
    with pytest.raises(SpecError) as refused:
        make()
    assert str(refused.value) == message


def test_the_smallest_shapes_are_fine():
    for shape in (Line(length=1e-6), Arc(radius=1e6, length=1e-6)):
        frame = shape.frame(jnp.zeros(()), jnp.zeros(()))
        assert np.isfinite(frame).all()
        assert shape.bounding_radius() == pytest.approx(5e-7)
