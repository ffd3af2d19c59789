"""A match says which shape an image holds and at which angle, whatever its look."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitkit.errors import ImageError, SpecError
from circuitkit.matching import match
from circuitkit.stimuli import Corner, Curve, Edge, Line, NoiseTexture, Stimulus, grid, turn

SIDE, ANGLES = 41, np.array(turn(24))
CURVES = grid(Curve(radius=14), angle=ANGLES).images(SIDE)


def drawn(stimulus: Stimulus) -> np.ndarray:
    return np.asarray(stimulus.draw(SIDE))[None]


def off(found: float, angle: float) -> float:
    return abs((found - angle + 180) % 360 - 180)


@given(
    angle=st.floats(0, 360),
    width=st.floats(1.5, 5),
    contrast=st.floats(0.2, 1),
    polarity=st.sampled_from([1.0, -1.0]),
    fill=st.floats(0, 1),
    noise=st.floats(0, 0.1),
)
def test_the_best_match_of_a_curve_is_at_its_angle_in_any_look(
    angle: float, width: float, contrast: float, polarity: float, fill: float, noise: float
) -> None:
    look = {"width": width, "contrast": contrast, "polarity": polarity, "fill": fill, "noise": noise * contrast}
    scores = match(drawn(Curve(radius=14, angle=angle).with_values(look)), CURVES, shift=2)[0]
    assert off(ANGLES[scores.argmax()], angle) <= 15  # the step between templates
    assert scores.max() > 0.4
    assert (scores >= -1.0001).all()
    assert (scores <= 1.0001).all()


def test_an_image_matches_itself_fully_and_its_perpendicular_lines_not_at_all() -> None:
    scores = match(
        grid(Line(), angle=turn(4, over=180)).images(SIDE), grid(Line(), angle=turn(4, over=180)).images(SIDE)
    )
    np.testing.assert_allclose(np.diag(scores), 1, atol=1e-5)
    assert scores[0, 2] < -0.1
    assert abs(scores[0, 1]) < 0.15


def test_a_match_is_blind_to_polarity_unless_it_is_signed() -> None:
    light, dark = (drawn(Edge(polarity=sign)) for sign in (1.0, -1.0))
    np.testing.assert_allclose(match(light, dark), 1, atol=1e-4)
    assert match(light, dark, signed=True)[0, 0] < -0.99


def test_quarter_turns_of_both_change_nothing() -> None:
    image = drawn(Corner(opening=70, angle=20, noise=0.1))
    turned = [np.rot90(each, axes=(1, 2)) for each in (image, CURVES[:4])]
    np.testing.assert_allclose(match(*turned, shift=2), match(image, CURVES[:4], shift=2), atol=1e-5)


def test_a_shift_is_found_up_to_its_limit_and_no_further() -> None:
    moved = drawn(Curve(radius=14, x=4.0))
    template = drawn(Curve(radius=14))
    assert match(moved, template, shift=4)[0, 0] > match(moved, template)[0, 0] + 0.2
    assert match(moved, template, shift=4)[0, 0] > 0.85


def test_colour_of_one_luminance_is_a_contour_and_a_blank_image_is_none() -> None:
    isoluminant = drawn(Edge(foreground=(0.3, -0.3, 0.0), background=(-0.3, 0.3, 0.0)))
    assert match(isoluminant, drawn(Edge()))[0, 0] > 0.9
    assert match(np.zeros((1, SIDE, SIDE, 3), np.float32), CURVES).max() == 0
    assert match(np.zeros((0, SIDE, SIDE, 1), np.float32), CURVES).shape == (0, len(CURVES))


def test_texture_matches_no_angle_well() -> None:
    texture = np.concatenate([drawn(NoiseTexture(seed=float(seed))) for seed in range(8)])
    assert match(texture, CURVES).max() < 0.4


def test_many_images_are_compared_as_few_are() -> None:
    many = grid(Curve(radius=14, noise=0.1), angle=turn(150)).images(SIDE)
    np.testing.assert_allclose(match(many, CURVES[:3])[140:], match(many[140:], CURVES[:3]), atol=1e-6)


def test_images_of_other_sizes_and_negative_shifts_are_refused() -> None:
    with pytest.raises(ImageError, match="of 41x41 pixels and templates of 9x9: wanted one size"):
        match(CURVES, np.zeros((1, 9, 9, 1), np.float32))
    with pytest.raises(SpecError, match="shift=-1"):
        match(CURVES, CURVES, shift=-1)
