"""The angle and the curvature of a drawn arc are found, whatever its look; what is no arc gets a low confidence."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from circuitkit.local_geometry import LocalGeometry, local_geometry
from circuitkit.stimuli import Checkerboard, Corner, Cross, Curve, Line, NoiseTexture, Stimulus, grid, turn

SIDE = 51


def read(*stimuli: Stimulus) -> LocalGeometry:
    return local_geometry(np.stack([np.asarray(each.draw(SIDE)) for each in stimuli]))


def off(found: np.ndarray, angle: np.ndarray | float) -> np.ndarray:
    return np.abs((found - angle + 180) % 360 - 180)


@given(
    angle=st.floats(0, 360),
    radius=st.floats(10, 60),
    width=st.floats(1.5, 8),
    contrast=st.floats(0.1, 1),
    polarity=st.sampled_from([1.0, -1.0]),
    fill=st.floats(0, 1),
)
def test_angle_and_radius_of_an_arc_are_found_in_any_look(
    angle: float, radius: float, width: float, contrast: float, polarity: float, fill: float
) -> None:
    look = {"width": width, "contrast": contrast, "polarity": polarity, "fill": fill}
    found = read(Curve(radius=radius, angle=angle).with_values(look))
    assert off(found.angle, angle) < 1
    # Where the inside is filled, the contour is the outer edge of the stroke.
    assert 0.97 * radius <= 1 / found.curvature <= 1.06 * (radius + width / 2)
    assert found.confidence > 0.97


def test_noise_costs_confidence_before_it_costs_the_angle() -> None:
    angles = np.array(turn(12))
    for radius in (10.0, 20.0, 45.0):
        for contrast, noise in ((1.0, 0.1), (1.0, 0.3), (0.3, 0.1)):
            drawn = grid(Curve(radius=radius, contrast=contrast, noise=noise), angle=angles).images(SIDE)
            found = local_geometry(drawn)
            assert off(found.angle, angles).max() < 10
            sure = np.median(found.confidence) > 0.7
            assert abs(np.median(1 / found.curvature) / radius - 1) < (0.28 if sure else 0.4)
    clean, noisy = (read(Curve(noise=noise)).confidence[0] for noise in (0.0, 0.5))
    assert noisy < 0.6 < clean


def test_a_contour_beside_the_middle_keeps_its_centre_of_curvature() -> None:
    angles = np.array(turn(8))
    for beside in (-4.0, 3.0):
        found = read(*(Curve(radius=20, x=beside).turned(float(angle)) for angle in angles))
        assert off(found.angle, angles).max() < 1
        np.testing.assert_allclose(1 / found.curvature, 20, rtol=0.03)


def test_a_straight_line_bends_to_neither_side() -> None:
    found = read(Curve(radius=math.inf, angle=30), Line(angle=120))
    assert (found.curvature < 1e-3).all()
    assert (found.bend < 0.01).all()
    np.testing.assert_allclose(off(found.angle, 30) % 180, 0, atol=0.5)
    np.testing.assert_allclose(found.coherence, 1, atol=0.01)


def test_a_quarter_turn_turns_the_angle_and_nothing_else() -> None:
    image = np.asarray(Curve(radius=15, angle=25, noise=0.1).draw(SIDE))
    found = local_geometry(np.stack([image, np.rot90(image)]))
    assert off(found.angle[1] - found.angle[0], 90) < 1e-3
    for each in (found.curvature, found.confidence, found.bend, found.coherence):
        np.testing.assert_allclose(each[0], each[1], rtol=1e-4)


def test_where_it_fails_it_says_so() -> None:
    noise = read(*(NoiseTexture(seed=float(seed)) for seed in range(6)))
    assert noise.confidence.max() < 0.5
    assert read(Cross(thickness=3)).confidence[0] < 0.5
    assert read(Checkerboard()).confidence[0] < 0.5
    corner = read(Corner(opening=90, angle=40))  # taken for a curve of small radius, that points the same way
    assert off(corner.angle, 40) < 5
    assert corner.confidence[0] < 0.97
    blank = local_geometry(np.zeros((1, SIDE, SIDE, 3), np.float32))
    assert blank.confidence[0] == 0
    assert np.isfinite(np.concatenate(blank)).all()


def test_the_error_notices_an_estimator_that_swaps_the_sides() -> None:
    angles = np.array(turn(8))
    found = local_geometry(grid(Curve(radius=20), angle=angles).images(SIDE))
    assert off(found.angle, angles).max() < 1
    assert off(found.angle + 180, angles).min() > 179  # the broken twin
    assert off(-found.angle, angles).max() > 90
