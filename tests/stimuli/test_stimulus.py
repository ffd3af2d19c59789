"""What every stimulus shares: pose, tone, cosmetics; each a law, and a case in which the law does not hold."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitkit.errors import StimulusError, UnknownNameError
from circuitkit.stimuli import EXACT, FAST, Bar, Curve, Disc, Edge, Figure, Line, Renderer, Stimulus, hue, hues
from circuitkit.stimuli.parameter import Parameter, from_hex, parameters
from tests.strategies import numbers, unchecked

ROUNDING = 1e-5
"""Of float32, in the coverage of shapes some tens of pixels wide."""


@st.composite
def figures(draw: st.DrawFn) -> Figure:
    """Draws an arc with a look: of any pose, tone, stroke, fill, edges and colours."""
    with unchecked():
        kind, own = draw(
            st.sampled_from(
                [
                    (Curve, {"radius": draw(numbers(3, 40)), "length": draw(numbers(5, 40)), "dash": 5.0}),
                    (Bar, {"length": draw(numbers(0, 30)), "thickness": draw(numbers(0, 12))}),
                ]
            )
        )
        colour = numbers(-1, 1) if draw(st.booleans()) else st.tuples(numbers(-1, 1), numbers(-1, 1), numbers(-1, 1))
        return kind(
            **own,
            x=draw(numbers(-6, 6)),
            y=draw(numbers(-6, 6)),
            angle=draw(numbers(-360, 720)),
            flip=draw(st.sampled_from([1.0, -1.0])),
            contrast=draw(numbers(0.125, 1)),
            background=draw(colour),
            foreground=draw(colour),
            outside=draw(st.none() | colour),
            width=draw(numbers(0.125, 5)),
            fill=draw(numbers(0, 1)),
            blur=draw(st.sampled_from([0.0, 1.5])),
            jitter=draw(st.sampled_from([0.0, 1.0])),
            texture=draw(st.sampled_from([None, Edge(angle=30)])),
            occluder=draw(st.sampled_from([None, Disc(x=3, y=-2, radius=4)])),
            seed=float(draw(st.integers(0, 99))),
        )


sizes = st.sampled_from([16, 17])
renderers = st.sampled_from([FAST, EXACT])


@given(figure=figures(), size=sizes, renderer=renderers)
def test_a_turned_stimulus_is_the_turned_image(figure: Figure, size: int, renderer: Renderer) -> None:
    image = np.asarray(figure.draw(size, renderer=renderer))
    turned = np.asarray(figure.turned(90).draw(size, renderer=renderer))
    np.testing.assert_allclose(turned, np.rot90(image), atol=ROUNDING)


@given(figure=figures(), size=sizes, renderer=renderers)
def test_a_mirrored_stimulus_is_the_mirrored_image(figure: Figure, size: int, renderer: Renderer) -> None:
    image = np.asarray(figure.draw(size, renderer=renderer))
    np.testing.assert_allclose(figure.mirrored().draw(size, renderer=renderer), image[:, ::-1], atol=ROUNDING)


def test_a_twin_that_leaves_out_the_place_or_the_hand_is_noticed() -> None:
    figure = Curve(x=4, y=1, angle=30, radius=8, length=20, jitter=1)
    image = np.asarray(figure.draw(17))
    only_angle = dataclasses.replace(figure, angle=120.0)
    assert np.abs(np.asarray(only_angle.draw(17)) - np.rot90(image)).max() > 0.1
    same_hand = dataclasses.replace(figure.mirrored(), flip=1.0)
    assert np.abs(np.asarray(same_hand.draw(17)) - image[:, ::-1]).max() > 0.1


@given(figure=figures(), right=st.integers(-4, 4), up=st.integers(-4, 4), renderer=renderers)
def test_a_shift_by_whole_pixels_shifts_the_image(figure: Figure, right: int, up: int, renderer: Renderer) -> None:
    image = np.asarray(figure.draw(16, renderer=renderer))
    moved = dataclasses.replace(figure, x=figure.x + right, y=figure.y + up)
    if figure.occluder is not None:
        moved = moved.with_values({"occluder.x": figure.occluder.x + right, "occluder.y": figure.occluder.y + up})
    shifted = np.roll(np.asarray(moved.draw(16, renderer=renderer)), (up, -right), axis=(0, 1))
    np.testing.assert_allclose(shifted[4:12, 4:12], image[4:12, 4:12], atol=5 * ROUNDING)
    # The same as moving the anchor.
    anchored = np.asarray(figure.draw(16, anchor=(7.5 - up, 7.5 + right), renderer=renderer))
    np.testing.assert_allclose(anchored, moved.draw(16, renderer=renderer), atol=5 * ROUNDING)


def test_a_shift_by_half_a_pixel_does_not() -> None:
    image = np.asarray(Disc(radius=4.3).draw(16))
    assert np.abs(np.asarray(Disc(radius=4.3, x=0.5).draw(16)) - image).max() > 0.1


@given(figure=figures(), renderer=renderers)
def test_polarity_mirrors_the_image_about_its_background(figure: Figure, renderer: Renderer) -> None:
    plain = dataclasses.replace(figure, occluder=None)
    light = np.asarray(plain.draw(16, renderer=renderer))
    dark = np.asarray(dataclasses.replace(plain, polarity=-1.0).draw(16, renderer=renderer))
    background = np.broadcast_to(np.asarray(plain.background, np.float32), light.shape)
    np.testing.assert_allclose(light - background, background - dark, atol=1e-6)
    half = np.asarray(dataclasses.replace(plain, contrast=plain.contrast / 2).draw(16, renderer=renderer))
    np.testing.assert_allclose(half - background, (light - background) / 2, atol=1e-6)


@given(figure=figures(), renderer=renderers)
def test_colours_are_never_overshot(figure: Figure, renderer: Renderer) -> None:
    """Coverage lies between 0 and 1, so every pixel lies between the colours that were named."""
    named = dataclasses.replace(figure, contrast=1.0, texture=None, occluder=None)
    image = np.asarray(named.draw(16, renderer=renderer))
    colours = [named.background, named.foreground, *([] if named.outside is None else [named.outside])]
    colours = np.stack([np.broadcast_to(np.asarray(each, np.float32), image.shape[-1:]) for each in colours])
    assert (image >= colours.min(0) - 1e-6).all()
    assert (image <= colours.max(0) + 1e-6).all()


@pytest.mark.long
@settings(max_examples=6)  # nearly each has a structure of its own, to be traced anew
@given(figure=figures(), renderer=st.sampled_from([FAST, EXACT, Renderer(exact=True, samples=2)]))
def test_gradients_are_finite_in_every_parameter(figure: Figure, renderer: Renderer) -> None:
    size = 16 // renderer.samples  # operations of one shape, which are compiled once
    gradient = jax.grad(lambda each: jnp.sum(each.draw(size, renderer=renderer) ** 2))(figure)
    leaves = jax.tree.leaves(gradient)
    assert len(leaves) >= 20
    assert all(np.isfinite(leaf).all() for leaf in leaves)


@pytest.mark.parametrize("renderer", [FAST, EXACT], ids=["fast", "exact"])
@pytest.mark.parametrize(
    ("figure", "name"),
    [
        (Disc(radius=5.13, x=0.3), "radius"),
        (Disc(radius=5.0, blur=1.0), "blur"),
        (Curve(radius=9.0, length=16.0, width=2.5, x=-2.2), "length"),
        (Curve(radius=9.0, length=16.0, width=2.5, x=-2.2, angle=20), "angle"),
        (Bar(angle=20, thickness=4.0), "thickness"),
        (Bar(angle=20, jitter=1.0), "jitter"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_gradient_is_the_slope(figure: Figure, name: str, renderer: Renderer) -> None:
    weights = jnp.asarray(np.random.default_rng(0).normal(size=(17, 17, 1)), jnp.float32)

    def read(value: jax.Array | float) -> jax.Array:
        return jnp.sum(weights * figure.with_values({name: value}).draw(17, renderer=renderer))

    value, step = getattr(figure, name), 0.002 if name != "angle" else 0.02
    slope = (read(value + step) - read(value - step)) / (2 * step)
    assert jax.grad(read)(value) == pytest.approx(float(slope), rel=0.05, abs=0.05)


def test_sides_are_coloured_apart() -> None:
    """Distill's coloured curves: the concave side one hue, the other its complement, no outline."""
    red, cyan = hue(0), hue(180)
    image = np.asarray(Curve(width=0, fill=1, inside=red, outside=cyan).draw(33))
    np.testing.assert_allclose(image[16, 4], red, atol=1e-6)  # the centre of curvature lies to the left
    np.testing.assert_allclose(image[16, 28], cyan, atol=1e-6)
    np.testing.assert_allclose(np.add(red, cyan), 0, atol=1e-6)
    assert np.ptp(np.sum(hues(7, lightness=0.25), axis=1)) < 1e-6  # all of one lightness


def test_a_texture_shows_inside_alone_and_turns_along() -> None:
    plain, textured = Disc(radius=8), Disc(radius=8, texture=Edge())
    image = np.asarray(textured.draw(25))[..., 0]
    assert image[12, 16] == 1
    assert image[12, 8] == -1
    np.testing.assert_array_equal(image == 0, np.asarray(plain.draw(25))[..., 0] == 0)
    np.testing.assert_allclose(textured.turned(90).draw(25)[..., 0], np.rot90(image), atol=ROUNDING)


def test_an_occluder_lies_on_top_at_its_own_place() -> None:
    image = np.asarray(Disc(radius=8, angle=77, polarity=-1, occluder=Disc(radius=3, x=4, foreground=0.5)).draw(25))
    assert image[12, 16, 0] == 0.5
    assert image[12, 8, 0] == -1


def test_dashes_have_their_length_and_gap() -> None:
    dashed, whole = (np.asarray(Line(length=60, width=3, dash=dash, gap=2).draw(65)).sum() for dash in (4, 0))
    assert dashed / whole == pytest.approx(4 / 6, abs=0.03)
    column = np.asarray(Line(length=60, width=3, dash=4, gap=2).draw(65))[32, 30:36, 0]
    np.testing.assert_allclose(column, [0.5 + 0.0, 1, 1, 1, 0.5, 0], atol=1e-5)
    equal = np.asarray(Line(length=64, width=3, dash=4).draw(65)).sum()
    assert equal == pytest.approx(whole * 64 / 60 / 2, rel=0.05)
    with pytest.raises(StimulusError, match="Bar has dash=3.0: the arc length along its outline is not known"):
        Bar(dash=3)


def test_blur_is_a_gaussian_of_the_sharp_image() -> None:
    from scipy.ndimage import gaussian_filter

    figure = Bar(length=60, thickness=9, angle=27)
    blurred = np.asarray(dataclasses.replace(figure, blur=2.0).draw(41))[..., 0]
    sharp = np.asarray(figure.draw(81, renderer=EXACT))[..., 0]
    np.testing.assert_allclose(blurred, gaussian_filter(sharp, 2.0)[20:-20, 20:-20], atol=0.01)
    assert np.abs(blurred - gaussian_filter(sharp, 3.0)[20:-20, 20:-20]).max() > 0.05


def test_jitter_makes_the_outline_waver_by_as_much() -> None:
    # A line's height is read off column by column.
    y = np.arange(128)[::-1] - 63.5
    wavering = np.stack([np.asarray(Line(length=300, width=4, jitter=1.5, seed=s).draw(128))[..., 0] for s in range(8)])
    heights = (wavering * y[:, None]).sum(1) / wavering.sum(1)
    assert heights.std() == pytest.approx(1.5, rel=0.25)
    straight = np.asarray(Line(length=300, width=4).draw(128))[..., 0]
    assert np.std((straight * y[:, None]).sum(0) / straight.sum(0)) < 1e-5


def test_noise_comes_on_top_whatever_the_contrast_and_each_seed_is_another() -> None:
    quiet = Disc(contrast=0.1)
    noisy = dataclasses.replace(quiet, noise=0.5, pink=0.25)
    first = np.asarray(noisy.draw(64)) - np.asarray(quiet.draw(64))
    again = np.asarray(dataclasses.replace(noisy, contrast=1.0).draw(64)) - np.asarray(Disc().draw(64))
    np.testing.assert_allclose(first, again, atol=1e-5)
    other = np.asarray(dataclasses.replace(noisy, seed=1.0).draw(64)) - np.asarray(quiet.draw(64))
    assert first.std() == pytest.approx((0.5**2 + 0.25**2) ** 0.5, rel=0.1)
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.1


def test_a_crop_is_drawn_as_it_is_cut() -> None:
    """Noise, blur and all: what a small image shows is what the large one shows there, bit for bit."""
    figure = Curve(noise=0.3, pink=0.3, blur=1.0, jitter=1.0, angle=20)
    whole, crop = np.asarray(figure.draw(64)), np.asarray(figure.draw(22, 20, anchor=(10.5, 9.5)))
    np.testing.assert_array_equal(crop, whole[21:43, 22:42])


def test_every_parameter_is_documented_and_checked() -> None:
    assert "radius: Of curvature; infinite for a straight line. In pixels. Default: 20.0." in (Curve.__doc__ or "")
    assert parameters(Curve)["radius"] == Parameter(
        "Of curvature; infinite for a straight line.", unit="pixels", above=0, infinite=True
    )
    assert repr(Curve(angle=30, radius=math.inf)) == "Curve(angle=30, radius=inf)"
    assert repr(Disc(foreground="#f00", texture=Edge(angle=5))) == "Disc(foreground='#ff0000', texture=Edge(angle=5))"
    assert repr(Disc(foreground=(0.3, 0, 0))) == "Disc(foreground=(0.3, 0, 0))"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": -1.0}, "Disc has width=-1.0: wanted a finite number of pixels at least 0"),
        ({"fill": 1.5}, "Disc has fill=1.5: wanted a finite number at least 0, at most 1"),
        ({"angle": math.nan}, "Disc has angle=nan: wanted a finite number of degrees"),
        ({"blur": math.inf}, "Disc has blur=inf"),
        ({"foreground": "red"}, "Disc has foreground='red': wanted a colour such as '#ff8800'"),
        ({"foreground": (1.0, 0.0)}, "Disc has foreground=\\(1.0, 0.0\\): wanted a grey from -1"),
        ({"x": "1"}, "Disc has x='1': wanted a finite number of pixels"),
        ({"x": 10**400}, "Disc has x=inf"),
        ({"texture": 3.0}, "Disc has texture=3.0: wanted a stimulus"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options: dict[str, object], message: str) -> None:
    with unchecked(), pytest.raises(StimulusError, match=message):
        Disc(**options)  # type: ignore[arg-type]


def test_misspelt_parameters_and_odd_colours_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="stimulus Disc has no parameter 'raduis'. Did you mean 'radius'"):
        Disc().with_values({"raduis": 3})
    with pytest.raises(StimulusError, match="ink='#12345': wanted a colour"):
        from_hex("#12345", owner="ink")
    with pytest.raises(TypeError):
        Stimulus()  # type: ignore[abstract]
