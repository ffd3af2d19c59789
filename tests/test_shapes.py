"""Shapes: distance, arc length and tangent against the nearest of many points, and gradients that stay finite."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from circuitkit.errors import SpecError
from circuitkit.motifs.tiling import envelope
from circuitkit.shapes import Arc, Beside, Circle, Corner, Line, Shape, Spiral, arc_frame
from tests.strategies import arcs, numbers

FLOAT32_ROUNDING = 1e-5  # of lengths of some tens of pixels
FOLLOWED = 1e-4  # pixels: of a path followed in steps of thousandths of a pixel, with coordinates in float32
POLYLINE = 1e-3  # pixels: half the gap between the points tried, squared, over twice the distance, is far less


@st.composite
def any_corners(draw):
    return Corner(opening=draw(numbers(20, 179)), length=draw(numbers(4, 40)), rounding=draw(numbers(0, 12)))


@st.composite
def any_spirals(draw):
    radius, pitch = draw(numbers(10, 30)), draw(numbers(-50, 50))
    return Spiral(radius=radius, pitch=pitch, length=draw(numbers(4, radius)))


shapes = st.one_of(st.builds(Line, length=numbers(1, 40)), arcs(), any_corners(), any_spirals())


def points_of(shape, along):
    """Returns the points of a path at arc lengths from the anchor, and the path's direction there, in float64."""
    if isinstance(shape, Line):
        return along + 0j, 0 * along
    if isinstance(shape, Arc):
        return shape.radius * (np.exp(1j * along / shape.radius) - 1), 90 + np.degrees(along / shape.radius)
    # The others are followed from the anchor in small steps, upwards first: all that a path is, is its direction.
    side, steps = np.sign(along), np.linspace(0, 1, 20_001)[:, None] * np.abs(along)
    if isinstance(shape, Corner):
        turn = np.radians(180 - shape.opening) / 2
        bent = np.minimum(steps / shape.rounding, turn) if shape.rounding else np.full(steps.shape, turn)
    else:
        growth = np.tan(np.radians(shape.pitch))
        wound = side * steps * np.cos(np.radians(shape.pitch)) / shape.radius
        bent = side * (wound if abs(growth) < 1e-9 else np.log1p(growth * wound) / growth)
    middle = (bent[1:] + bent[:-1]) / 2
    path = (1j * np.exp(1j * middle) * np.abs(along) / 20_000).sum(0)
    return np.where(side < 0, path.conj(), path), 90 + side * np.degrees(bent[-1])


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
    along = np.linspace(-shape.length / 2, shape.length / 2, 100)
    path, tangent = points_of(shape, along)
    # The path is where the shape says that it is, and runs as it says.
    frame = shape.frame(jnp.asarray(path.real, jnp.float32), jnp.asarray(path.imag, jnp.float32))
    np.testing.assert_allclose(frame.distance, 0, atol=FOLLOWED)
    np.testing.assert_allclose(frame.along, along, atol=FOLLOWED)
    inside = np.abs(along) > 0.01  # of a sharp corner's tip, no direction is known
    np.testing.assert_allclose(np.asarray(frame.tangent)[inside], tangent[inside], atol=0.01)
    assert np.abs(path).max() == pytest.approx(shape.bounding_radius(), rel=1e-3)


@given(shape=st.one_of(any_corners(), any_spirals()), place=numbers(-0.375, 0.375), off=numbers(-2, 2))
def test_beside_the_path_its_nearest_point_is_found(shape, place, off):
    (at,), (tangent,) = points_of(shape, np.array([place * shape.length]))
    if isinstance(shape, Corner):
        # Inside, the other arm may be nearer; and where the rounding ends, it is of another radius than the arms.
        off = abs(off)
        assume(abs(place) * shape.length > 0.01)
    beside = at + off * np.exp(1j * np.radians(tangent - 90))
    frame = shape.frame(jnp.float32(beside.real), jnp.float32(beside.imag))
    np.testing.assert_allclose(frame.distance, off, atol=FOLLOWED)
    np.testing.assert_allclose(frame.along, place * shape.length, atol=10 * FOLLOWED)


def test_the_mirror_image_of_a_spiral_is_another_spiral():
    x, y = jnp.float32(2.5), jnp.float32(7)
    opens, closes = Spiral(radius=20, pitch=30, length=20), Spiral(radius=20, pitch=-30, length=20)
    np.testing.assert_allclose(opens.frame(x, y).distance, closes.frame(x, -y).distance, atol=FLOAT32_ROUNDING)
    assert abs(float(opens.frame(x, y).distance - opens.frame(x, -y).distance)) > 0.05


@given(x=numbers(-8, 8), y=numbers(-8, 8))
def test_special_cases_are_what_they_look_like(x, y):
    x, y = jnp.float32(x), jnp.float32(y)
    assume(math.hypot(float(x) + 20, float(y)) > 1)
    arc, spiral = Arc(radius=20, length=9).frame(x, y), Spiral(radius=20, pitch=0, length=9).frame(x, y)
    np.testing.assert_allclose(spiral, arc, atol=10 * FLOAT32_ROUNDING)
    straight, line = Corner(opening=180, length=9).frame(x, y), Line(length=9).frame(y, -x)
    np.testing.assert_allclose(straight.distance, -line.distance, atol=FLOAT32_ROUNDING)
    np.testing.assert_allclose(straight.along, line.along, atol=FLOAT32_ROUNDING)


@given(x=numbers(-30, 30), y=numbers(-30, 30), radius=numbers(1, 20))
def test_a_circle_is_an_arc_seen_from_its_centre(x, y, radius):
    if math.hypot(x, y) < 0.01:
        return  # where the arc takes its apex, and the circle nothing
    circle = Circle(radius=radius).frame(jnp.float32(x), jnp.float32(y))
    arc = Arc(radius=radius, length=1).frame(jnp.float32(x) - radius, jnp.float32(y))
    np.testing.assert_allclose(circle.distance, arc.distance, atol=3 * FLOAT32_ROUNDING)
    turns = (np.asarray(circle.tangent) - np.asarray(arc.tangent)) / 360
    assert abs(turns - np.round(turns)) < 1e-3


@given(x=numbers(-9, 9), y=numbers(-9, 9))
def test_a_circle_that_bulges_inwards_is_the_same_path_the_other_way_round(x, y):
    if math.hypot(x, y) < 0.01:
        return
    outwards, inwards = (
        Circle(radius=5, inwards=inwards).frame(jnp.float32(x), jnp.float32(y)) for inwards in (False, True)
    )
    assert float(inwards.distance) == -float(outwards.distance)
    assert float(inwards.along) == -float(outwards.along)
    assert float(outwards.tangent - inwards.tangent) % 360 == pytest.approx(180)


@given(x=numbers(-9, 9), y=numbers(-9, 9), distance=numbers(1, 9))
def test_what_lies_beside_is_a_line_moved_and_turned(x, y, distance):
    beside = Beside(distance=distance, length=3).frame(jnp.float32(x), jnp.float32(y))
    line = Line(length=3).frame(jnp.float32(y), jnp.float32(x - distance))
    np.testing.assert_allclose((beside.distance, beside.along), (line.distance, line.along), atol=FLOAT32_ROUNDING)
    assert float(beside.tangent) == 90
    assert Beside(distance=3, length=8).bounding_radius() == pytest.approx(5)


CENTRE = jnp.zeros(()), jnp.zeros(())


def test_the_centre_of_a_circle_is_near_to_nothing():
    circle = Circle(radius=2)
    assert float(envelope(circle.frame(*CENTRE), circle.length, 1.3, lap=circle.lap)) == 0
    arc = Arc(radius=2, length=4 * math.pi)
    centre = arc.frame(jnp.float32(-2), jnp.float32(0))
    assert float(envelope(centre, arc.length, 1.3, lap=arc.lap)) > 0.1  # an arc has an angle, and so a nearest point


@given(phi=numbers(-180, 180), spread=numbers(0.5, 2))
def test_a_whole_circle_has_no_notch(phi, spread):
    circle = Circle(radius=10)
    frame = circle.frame(jnp.float32(10 * np.cos(np.radians(phi))), jnp.float32(10 * np.sin(np.radians(phi))))
    assert float(envelope(frame, circle.length, spread, lap=circle.lap)) == pytest.approx(1, abs=1e-4)


def test_without_its_lap_it_would_have_one():
    circle = Circle(radius=10)
    opposite = circle.frame(jnp.float32(-10), jnp.float32(0))
    assert float(envelope(opposite, circle.length, 1.3)) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    "shape",
    [
        Circle(radius=5),
        Circle(radius=5, inwards=True),
        Beside(distance=4, length=6),
        Corner(opening=90, length=9),
        Corner(opening=180, length=9),
        Corner(opening=60, length=9, rounding=3),
        Spiral(radius=5, pitch=30, length=5),
        Spiral(radius=5, pitch=0, length=5),
    ],
    ids=repr,
)
def test_the_gradients_of_every_shape_are_finite_everywhere(shape):
    leaves, tree = jax.tree.flatten(shape)

    def drawn(leaves, x, y):
        made = jax.tree.unflatten(tree, leaves)
        frame = made.frame(x, y)
        near = envelope(frame, made.length, 1.3, lap=made.lap)
        return jnp.sum(near) + jnp.sum(jnp.cos(jnp.deg2rad(frame.tangent)) * near)

    x, y = (part.ravel() for part in jnp.meshgrid(jnp.arange(-10.0, 11), jnp.arange(-10.0, 11)))
    found = jax.grad(drawn, argnums=(0, 1, 2))(leaves, x, y)
    assert all(np.isfinite(part).all() for part in jax.tree.leaves(found))
    assert any(np.any(np.asarray(part) != 0) for part in jax.tree.leaves(found))


def test_a_full_circle_reaches_its_diameter():
    assert Arc(radius=5, length=10 * math.pi).bounding_radius() == pytest.approx(10)


def test_shapes_are_shapes():
    assert isinstance(Line(length=1), Shape)
    assert isinstance(Arc(radius=1, length=1), Shape)
    assert isinstance(Circle(radius=1), Shape)
    assert isinstance(Beside(distance=1, length=1), Shape)
    assert isinstance(Corner(opening=90, length=1), Shape)
    assert isinstance(Spiral(radius=1, pitch=9, length=1), Shape)
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
        (
            lambda: Beside(distance=0, length=1),
            "Beside has distance=0: wanted a finite number of pixels above 0.",
        ),
        (lambda: Circle(radius=0), "Circle has radius=0: wanted a finite number of pixels above 0."),
        (lambda: Corner(opening=0, length=1), "Corner has opening=0: wanted a finite number of degrees above 0."),
        (
            lambda: Corner(opening=200, length=1),
            "Corner has opening=200: wanted at most 180 degrees, a straight line. From the other side it is a corner "
            "of 160 degrees.",
        ),
        (
            lambda: Corner(opening=90, length=1, rounding=-1),
            "Corner has rounding=-1: wanted a finite number of pixels, at least 0.",
        ),
        (
            lambda: Spiral(radius=9, pitch=61, length=1),
            "Spiral has pitch=61: wanted -60 to 60 degrees; 0 is a circle.",
        ),
        (
            lambda: Spiral(radius=9, pitch=45, length=30),
            "Spiral has length=30: half a turn inwards, at a radius of 9 and a pitch of 45 degrees, its inner end is "
            "12.18 pixels from the anchor. Shorten it, or give it a larger radius.",
        ),
        (
            lambda: Spiral(radius=9, pitch=0, length=57),
            "Spiral has length=57: half a turn inwards, at a radius of 9 and a pitch of 0 degrees, its inner end is "
            "28.27 pixels from the anchor. Shorten it, or give it a larger radius.",
        ),
    ],
)
def test_a_shape_that_cannot_be_drawn_is_refused(make, message):
    with pytest.raises(SpecError) as refused:
        make()
    assert str(refused.value) == message


def test_the_smallest_shapes_are_fine():
    for shape in (
        Line(length=1e-6),
        Arc(radius=1e6, length=1e-6),
        Corner(opening=1e-3, length=1e-6),
        Spiral(radius=1e6, pitch=0, length=1e-6),
    ):
        frame = shape.frame(jnp.zeros(()), jnp.zeros(()))
        assert np.isfinite(frame).all()
        assert shape.bounding_radius() == pytest.approx(5e-7)
