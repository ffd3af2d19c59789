"""Networks: what they refuse at the door, and that responses can be reached by name, cut short, jitted and mapped."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given

from circuitkit.build import build
from circuitkit.errors import ImageError, KernelError, SpecError, UnknownNameError
from circuitkit.kernels import draw, lay_out
from circuitkit.network import Activations, CircuitNetwork, to_grey
from circuitkit.receptive_field import ReceptiveField
from circuitkit.spec import Arc, Circuit, Crossing, Family, Gabor, Line, Tile
from tests.strategies import images, noise, unchecked

FLOAT32_ROUNDING = 1e-6  # of responses below 1

EDGES = Family("edges", Gabor(wavelength=5, sigma=1.5), angles=4, size=7)
LINES = Family("lines", Tile(EDGES, Line(length=3), tolerance=25) - Crossing(0.5), angles=4, size=5)
BARS = Family("bars", Gabor(wavelength=5, sigma=1.5, phase=0), angles=2, size=5)
ARCS = Family("arcs", Tile(LINES, Arc(radius=4, length=5), 30) + Tile(BARS, Line(length=2), 30), angles=4, size=5)
SMALL = Circuit("small", [EDGES, LINES, BARS, ARCS])
SEEN = {"edges": 7, "lines": 11, "bars": 5, "arcs": 15}  # 7, 7 + 5 - 1, 5, 11 + 5 - 1
IMAGE = noise(1, 20, count=2)


@functools.cache
def network() -> CircuitNetwork:
    return build(SMALL)


@functools.cache
def responses() -> Activations:
    return network()(IMAGE)


def kernels() -> dict[str, jax.Array]:
    return {name: conv.kernel[...] for name, conv in network().layers.items()}


def test_a_kernel_of_the_wrong_shape_is_refused():
    wrong = kernels() | {"lines": jnp.swapaxes(kernels()["arcs"], 2, 3)}
    with pytest.raises(KernelError) as refused:
        build(SMALL, kernels=wrong)
    assert str(refused.value) == (
        "layer 'lines' got a kernel of shape (5, 5, 4, 6), but its spec promises (5, 5, 4, 4) (height, width, in, "
        "out). Draw it with kernels.draw, or transpose it."
    )


@pytest.mark.parametrize("value", [jnp.nan, jnp.inf, -jnp.inf])
def test_a_kernel_that_is_not_finite_is_refused(value):
    wrong = kernels() | {"lines": kernels()["lines"].at[0, :2, 0, 0].set(value)}
    with pytest.raises(KernelError) as refused:
        build(SMALL, kernels=wrong)
    assert str(refused.value) == (
        "layer 'lines' got a kernel with 2 entries that are NaN or infinite: wanted finite weights. "
        "Check the numbers that it was drawn from."
    )


def test_missing_kernels_are_refused():
    with pytest.raises(KernelError) as refused:
        build(SMALL, kernels={name: kernel for name, kernel in kernels().items() if name not in ("lines", "arcs")})
    assert str(refused.value) == "circuit 'small' got no kernel for lines, arcs: wanted one a family."


def test_a_kernel_for_no_family_is_refused():
    with pytest.raises(UnknownNameError) as refused:
        build(SMALL, kernels=kernels() | {"line": kernels()["lines"]})
    assert str(refused.value) == "circuit 'small' has no family 'line'. Did you mean 'lines'?"


def test_kernels_may_be_edited():
    silenced = build(SMALL, kernels=kernels() | {"lines": 0 * kernels()["lines"]})(IMAGE)
    assert not jnp.any(silenced["lines"])
    np.testing.assert_array_equal(silenced["edges"], responses()["edges"])
    assert jnp.any(silenced["arcs"] != responses()["arcs"])


def test_a_spec_of_arrays_is_built_as_a_spec_of_numbers():
    fitted = jax.tree.map(jnp.float32, SMALL)  # as a step of gradient descent leaves it
    again = build(fitted)
    assert all(isinstance(leaf, float) for leaf in jax.tree.leaves(again.circuit))
    np.testing.assert_allclose(nnx.jit(_run)(again, IMAGE)["arcs"], responses()["arcs"], atol=FLOAT32_ROUNDING)


def test_a_spec_of_arrays_that_are_no_numbers_is_refused():
    with pytest.raises(SpecError, match="Gabor has wavelength=nan"):
        build(jax.tree.map(lambda _: jnp.float32(jnp.nan), SMALL))


WRONG_IMAGES = {
    "no batch": (
        IMAGE[0],
        "got images of shape (20, 20, 1): wanted (image, height, width, channel) with 1 channel (grey) or 3 (RGB). "
        "A single image becomes a batch with image[None].",
    ),
    "two channels": (
        jnp.concatenate([IMAGE, IMAGE], axis=-1),
        "got images of shape (2, 20, 20, 2): wanted (image, height, width, channel) with 1 channel (grey) or 3 (RGB). "
        "A single image becomes a batch with image[None].",
    ),
    "channels first": (
        jnp.zeros((2, 3, 20, 20)),
        "got images of shape (2, 3, 20, 20): wanted (image, height, width, channel) with 1 channel (grey) or 3 (RGB). "
        "A single image becomes a batch with image[None].",
    ),
    "NaN": (
        IMAGE.at[1, 3, 4, 0].set(jnp.nan),
        "1 of 2 images hold NaN or infinity (the first is image 1): wanted finite values, 0 for the background grey.",
    ),
    "infinity": (
        IMAGE.at[:, 3, 4, 0].set(-jnp.inf),
        "2 of 2 images hold NaN or infinity (the first is image 0): wanted finite values, 0 for the background grey.",
    ),
}


@pytest.mark.parametrize(("wrong", "message"), WRONG_IMAGES.values(), ids=WRONG_IMAGES.keys())
def test_what_is_no_image_is_refused(wrong, message):
    with unchecked(), pytest.raises(ImageError) as refused:
        network()(wrong)
    assert str(refused.value) == message


@pytest.mark.parametrize("side", [4, 14])
def test_an_image_that_is_too_small_for_a_layer_is_refused(side):
    small, (layer, seen) = IMAGE[:, :, :side], {4: ("edges", 7), 14: ("arcs", 15)}[side]
    with pytest.raises(ImageError) as refused:
        network()(small, padding="VALID")
    assert str(refused.value) == (
        f"images of 20x{side} pixels are too small for layer '{layer}', whose units see {seen}x{seen}. Give larger "
        "images, or padding='SAME'."
    )
    assert network()(small, padding="SAME")["arcs"].shape == (2, 20, side, 4)


def test_an_image_that_is_just_large_enough_is_enough():
    assert network()(IMAGE[:, :15, :15], padding="VALID")["arcs"].shape == (2, 1, 1, 4)


def test_an_image_of_no_pixels_is_refused():
    with pytest.raises(ImageError, match="images of 0x20 pixels are too small"):
        network()(IMAGE[:, :0])


def test_colour_counts_as_its_mean():
    colour = noise(2, 20, channels=3)
    grey = jnp.mean(colour, axis=-1, keepdims=True)
    np.testing.assert_array_equal(to_grey(colour), grey)
    np.testing.assert_array_equal(network()(colour)["arcs"], network()(grey)["arcs"])
    assert jnp.any(network()(colour)["arcs"] != network()(colour[..., :1])["arcs"])


def test_responses_go_by_layer_and_by_unit():
    assert list(responses()) == ["edges", "lines", "bars", "arcs"]
    assert len(responses()) == 4
    assert responses()["arcs"].shape == (2, 20, 20, 4)
    for family in SMALL.families:
        for index, name in enumerate(family.unit_names):
            np.testing.assert_array_equal(responses()[name], responses()[family.name][..., index])
    assert jnp.any(responses()["arcs@90"] != responses()["arcs@180"])


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("arc", "Did you mean 'arcs', 'arcs@0', 'arcs@90'?"),
        ("lines@46", "Did you mean 'lines@45', "),
        (
            "zzz",
            "It has 'edges', 'lines', 'bars', 'arcs', 'edges@0', 'edges@90', 'edges@180', 'edges@270' and 10 more.",
        ),
    ],
)
def test_an_unknown_unit_is_answered_with_the_nearest(name, hint):
    with pytest.raises(UnknownNameError) as refused:
        responses()[name]
    assert str(refused.value).startswith(f"circuit 'small' has no layer or unit {name!r}. {hint}")


def test_units_respond_and_never_below_0():
    for name, maps in responses().items():
        assert float(jnp.min(maps)) >= 0, name
        assert float(jnp.max(maps)) > 0.01, name


@given(images(sizes=(20,)))
def test_no_gabor_responds_more_than_the_image_holds(image):
    most, run = float(jnp.max(jnp.abs(image))), network()(image)
    for name in ("edges", "bars"):
        loudest = jnp.max(run[name], (0, 1, 2))
        assert bool(jnp.all((loudest > 0) & (loudest <= most * (1 + FLOAT32_ROUNDING))))


def test_an_image_of_a_gabors_own_signs_reaches_the_bound():
    for name in ("edges", "bars"):
        strongest = int(jnp.argmax(jnp.sum(jnp.abs(kernels()[name]), (0, 1, 2))))
        kernel = kernels()[name][:, :, :, strongest : strongest + 1]
        signs = jnp.transpose(jnp.sign(kernel), (3, 0, 1, 2))
        reached = network()(signs, padding="VALID", upto=name)[name][0, 0, 0, strongest]
        assert float(reached) == pytest.approx(1, rel=FLOAT32_ROUNDING)


def test_a_flat_image_excites_nothing():
    maps = network()(jnp.full((1, 20, 20, 1), 3.0), padding="VALID")
    for name in maps:
        assert float(jnp.max(maps[name])) <= 3 * FLOAT32_ROUNDING, name
    lit = build(SMALL, kernels=kernels() | {"edges": kernels()["edges"] + 0.01})(
        jnp.full((1, 20, 20, 1), 3.0), padding="VALID"
    )
    assert float(jnp.max(lit["edges"])) > 0.1


def test_responses_scale_with_contrast():
    twice = network()(2 * IMAGE)
    for name in twice:
        np.testing.assert_array_equal(twice[name], 2 * responses()[name])


def test_images_do_not_see_each_other():
    for index in range(2):
        alone = network()(IMAGE[index : index + 1])
        for name in alone:
            np.testing.assert_allclose(alone[name][0], responses()[name][index], atol=FLOAT32_ROUNDING)


def test_away_from_the_border_padding_changes_nothing():
    valid = network()(IMAGE, padding="VALID")
    for name, side in SEEN.items():
        cut = side // 2
        assert valid[name].shape[1:3] == (20 - 2 * cut, 20 - 2 * cut)
        inside = responses()[name][:, cut:-cut, cut:-cut]
        np.testing.assert_allclose(valid[name], inside, atol=FLOAT32_ROUNDING)
        assert float(jnp.max(inside)) > 0


def test_at_the_border_padding_counts_as_grey():
    wider = jnp.pad(IMAGE, ((0, 0), (7, 7), (7, 7), (0, 0)))
    # One layer deep it makes no difference whether grey is padded or was there.
    np.testing.assert_allclose(network()(wider)["edges"][:, 7:-7, 7:-7], responses()["edges"], atol=FLOAT32_ROUNDING)
    lit = jnp.pad(IMAGE, ((0, 0), (7, 7), (7, 7), (0, 0)), constant_values=1.0)
    assert float(jnp.max(jnp.abs(network()(lit)["edges"][:, 7:-7, 7:-7] - responses()["edges"]))) > 0.1


def test_units_see_what_their_receptive_field_says():
    for name, side in SEEN.items():
        field = network().receptive_field(name)
        assert field == ReceptiveField(size=(side, side), stride=(1, 1), first=(0.0, 0.0))
        # A point of light is noticed at most half the field away, and, by some unit, that far.
        point = jnp.zeros((1, 33, 33, 1)).at[0, 16, 16, 0].set(1.0)
        noticed = np.argwhere(np.asarray(network()(point)[name]).any(axis=(0, 3)))
        assert np.abs(noticed - 16).max() == side // 2, name


def test_the_receptive_field_of_no_layer_is_refused():
    with pytest.raises(UnknownNameError, match="circuit 'small' has no layer 'line'. Did you mean 'lines'?"):
        network().receptive_field("line")


def test_upto_leaves_out_what_is_not_needed():
    for upto, layers in {"edges": ["edges"], "lines": ["edges", "lines"], "bars": ["bars"], "arcs": list(SEEN)}.items():
        some = network()(IMAGE, upto=upto)
        assert list(some) == layers == list(network().needed(upto))
        for name in layers:
            np.testing.assert_array_equal(some[name], responses()[name])
    with pytest.raises(UnknownNameError, match="circuit 'small' has no layer or unit 'arcs'"):
        network()(IMAGE, upto="lines")["arcs"]
    with pytest.raises(UnknownNameError, match="has no layer 'arc'. Did you mean 'arcs'?"):
        network()(IMAGE, upto="arc")


def _run(network: CircuitNetwork, images: jax.Array) -> Activations:
    return network(images)


def test_jit_changes_nothing():
    jitted = nnx.jit(_run)(network(), IMAGE)
    assert isinstance(jitted, Activations)
    assert list(jitted) == list(responses())
    for name in jitted:
        np.testing.assert_allclose(jitted[name], responses()[name], atol=FLOAT32_ROUNDING)


def test_activations_are_a_tree():
    leaves, structure = jax.tree.flatten(responses())
    assert len(leaves) == 4
    again = jax.tree.unflatten(structure, leaves)
    assert again.circuit == SMALL
    assert list(again) == list(responses())
    doubled = jax.tree.map(lambda maps: 2 * maps, responses())
    np.testing.assert_array_equal(doubled["arcs@90"], 2 * responses()["arcs@90"])


def test_responses_are_differentiable_in_the_image_and_in_the_spec():
    def brightness(image: jax.Array) -> jax.Array:
        return jnp.sum(network()(image)["arcs"])

    slopes = jax.grad(brightness)(IMAGE)
    ahead = float(brightness(IMAGE + 1e-2 * slopes / jnp.linalg.norm(slopes)) - brightness(IMAGE))
    assert ahead == pytest.approx(1e-2 * float(jnp.linalg.norm(slopes)), rel=0.05)

    layouts = lay_out(SMALL)

    def loss(circuit: Circuit) -> jax.Array:
        return jnp.sum(CircuitNetwork(SMALL, draw(circuit, layouts), layouts)(IMAGE)["arcs"])

    slopes = jax.jit(jax.grad(loss))(SMALL)
    assert isinstance(slopes, Circuit)
    assert all(np.isfinite(leaf) and leaf != 0 for leaf in jax.tree.leaves(slopes))


def test_gradients_pass_through_build():
    def loss(circuit: Circuit) -> jax.Array:
        return jnp.sum(build(circuit, like=SMALL)(IMAGE)["arcs"] ** 2)

    slopes = jax.jit(jax.grad(loss))(SMALL)
    numbers, tree = jax.tree.flatten(SMALL)
    assert jax.tree.structure(slopes) == tree
    # Against differences of what is built anew, at the sizes of the kernels as they were.
    for index in (0, len(numbers) - 1):
        ends = [
            float(loss(jax.tree.unflatten(tree, [n + sign * 1e-2 * (i == index) for i, n in enumerate(numbers)])))
            for sign in (-1, 1)
        ]
        assert float(jax.tree.leaves(slopes)[index]) == pytest.approx((ends[1] - ends[0]) / 2e-2, rel=0.05)


def test_without_a_spec_to_go_by_a_traced_one_has_no_sizes():
    with pytest.raises(SpecError, match="numbers that JAX is tracing.*say like=SPEC"):
        jax.grad(lambda circuit: jnp.sum(build(circuit)(IMAGE)["arcs"]))(SMALL)
    other = Circuit("small", SMALL.families[:1])
    with pytest.raises(SpecError, match="wanted specs that differ in their numbers alone"):
        build(SMALL, like=other)
    # Sizes are those of `like`, numbers those of the spec.
    larger = jax.tree.map(lambda number: 1.2 * number, SMALL)
    network = build(larger, like=SMALL)
    assert {n: conv.layout for n, conv in network.layers.items()} == lay_out(SMALL)
    assert float(jnp.abs(network.layers["edges"].kernel[...] - build(SMALL).layers["edges"].kernel[...]).max()) > 0.001
