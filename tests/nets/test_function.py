"""A JAX function as a net: layers by name, fields that are measured, and what is refused."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from circuitkit.cropping import crop
from circuitkit.errors import CircuitkitError, ImageError, NetError, UnknownNameError
from circuitkit.nets import IMAGENET, FunctionNet, Preprocessing
from circuitkit.receptive_field import ReceptiveField
from circuitkit.stimuli import Curve, grid, turn
from circuitkit.sweep import tune
from tests.cropping.random_nets import conv, drawn, noise
from tests.strategies import unchecked

RNG = np.random.default_rng(0)
W1, W2, W3 = drawn(RNG, 3, 3, 3, 8), drawn(RNG, 5, 3, 8, 6), drawn(RNG, 3, 3, 6, 4)
STIMULI = grid(Curve(length=20.0), angle=turn(4), radius=(8.0, 16.0))
ROUNDING = 2e-6


def maps(images: jax.Array) -> dict[str, jax.Array]:
    early = jax.nn.relu(conv(images, W1))
    late = jax.nn.relu(conv(early, W2, (2, 1), ((2, 2), (1, 1))))
    last = conv(late, W3, (1, 2), "VALID", rhs_dilation=(2, 1))
    return {"late": late, "early": early, "a head": last.mean((1, 2), keepdims=True), "last": last}


def net_of(function: Callable[..., Any], **options: Any) -> FunctionNet:
    return FunctionNet(function, **{"name": "mine", "image_size": (64, 64)} | options)


NET = net_of(maps)


def test_layers_come_by_name_and_in_order() -> None:
    assert NET.layers == ("late", "early", "a head", "last")
    assert NET.unit_names("early") == tuple(f"early:{unit}" for unit in range(8))
    assert (NET.name, NET.image_size, NET.weights("early")) == ("mine", (64, 64), None)
    images = noise(2, 64, 64, 3)
    np.testing.assert_array_equal(NET.maps(images, "late"), maps(images)["late"])


def test_a_probe_of_a_function_is_a_probe_like_any_other() -> None:
    site = NET["late"].site()
    assert (site.height, site.width) == (8, 5)
    responses = tune(NET["late"], STIMULI)
    assert responses.dims == ("angle", "radius", "unit")
    assert responses.attrs["receptive_field"] == (7, 5)
    assert responses.attrs["image_values"] == "as they are; grey becomes RGB"
    images = np.stack([Curve(length=20.0, angle=90, radius=8).draw(64, 64, anchor=NET["late"].site_in(64, 64).anchor)])
    row, column = NET["late"].site_in(64, 64).unit
    wanted = NET.maps(jnp.asarray(images), "late")[0, row, column]
    found = tune(NET["late"], STIMULI, size=64).sel(angle=90, radius=8)
    assert float(wanted.max()) > 0
    np.testing.assert_allclose(found, wanted, atol=1e-5 * float(wanted.max()))
    np.testing.assert_allclose(responses.sel(angle=90, radius=8), found, atol=1e-5 * float(wanted.max()))


def test_only_the_layer_asked_for_is_computed() -> None:
    images = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    compiled = {
        layer: jax.jit(lambda x, layer=layer: NET.maps(x, layer)).lower(images).compile().cost_analysis()["flops"]
        for layer in ("early", "late", "last")
    }
    assert 2 * compiled["early"] < compiled["late"] < compiled["last"]
    cropped = NET["early"].reading(NET["early"].site(), images=1, channels=3)
    assert [op.primitive.name for op, _ in cropped._moving].count("conv_general_dilated") == 1
    assert {value.shape for value in cropped.constants.values()} >= {W1.shape}
    assert W2.shape not in {value.shape for value in cropped.constants.values()}


def test_the_fingerprint_of_a_layer_does_not_depend_on_the_others() -> None:
    def early_alone(images: jax.Array) -> dict[str, jax.Array]:
        return {"early": jax.nn.relu(conv(images, W1))}

    def fingerprint(net: FunctionNet) -> str:
        return net["early"].reading(net["early"].site(), images=1, channels=1).fingerprint

    assert fingerprint(net_of(early_alone)) == fingerprint(NET)
    assert fingerprint(net_of(lambda images: {"early": jax.nn.relu(conv(images, W1 * 2))})) != fingerprint(NET)


# Receptive fields.


def seen(net: FunctionNet, layer: str, unit: tuple[int, int], size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """First and last row, first and last column of the pixels that a unit's gradient reaches."""

    def response(image: jax.Array) -> jax.Array:
        return net.maps(image, layer)[0, unit[0], unit[1]].sum()

    gradient = np.abs(np.asarray(jax.jit(jax.grad(response))(noise(1, *size, 3)))).sum((0, 3))
    rows, columns = np.nonzero(gradient)
    return (int(rows.min()), int(rows.max())), (int(columns.min()), int(columns.max()))


def promised(field: ReceptiveField, unit: tuple[int, int], size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """The same, as the field has it, cut to the image."""
    spans = zip(field.centre(*unit), field.size, size, strict=True)
    return tuple((int(max(0, c - (n - 1) / 2)), int(min(side - 1, c + (n - 1) / 2))) for c, n, side in spans)


def smooth(images: jax.Array) -> dict[str, jax.Array]:
    """Strides, uneven padding and dilation; nothing that a unit sees can hide."""
    first = conv(images, jnp.abs(W1), (2, 3), ((1, 0), (2, 1)))
    second = conv(first, jnp.abs(W2), (2, 1), "SAME")
    return {"first": first, "second": second, "third": conv(second, jnp.abs(W3), (1, 2), "VALID", rhs_dilation=(2, 1))}


@pytest.mark.parametrize("size", [(64, 64), (61, 50), (62, 51), (63, 53)])
@pytest.mark.parametrize("layer", ["first", "second", "third"])
def test_units_see_their_field(layer: str, size: tuple[int, int]) -> None:
    net = net_of(smooth, image_size=size)
    field = net.receptive_field(layer)
    assert field is not None
    counts = jax.eval_shape(lambda x: net.maps(x, layer), jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)).shape[1:3]
    for unit in ((1, 1), (counts[0] // 2, counts[1] // 2)):
        assert seen(net, layer, unit, size) == promised(field, unit, size)


def test_a_field_is_that_of_the_composed_layers() -> None:
    field = ReceptiveField().through(kernel=(3, 3), stride=(2, 3), pad=(1, 2))
    assert net_of(smooth).receptive_field("first") == field
    # SAME on 32 rows at stride 2, kernel 5: 3 pixels, 1 of them before; on 33 rows 4, and 2 of them before.
    even = field.through(kernel=(5, 3), stride=(2, 1), pad=(1, 1))
    odd = field.through(kernel=(5, 3), stride=(2, 1), pad=(2, 1))
    net = net_of(smooth)
    assert net.receptive_field("second", (64, 64)) == even
    assert net.receptive_field("second", (66, 64)) == odd
    assert even != odd


@pytest.mark.parametrize("size", [(3, 3), (8, 9), (11, 16), (13, 13)])
@pytest.mark.parametrize("layer", ["first", "second"])
def test_a_field_larger_than_the_image_is_found_on_a_larger_one_with_the_same_padding(
    layer: str, size: tuple[int, int]
) -> None:
    net = net_of(smooth)
    larger = (size[0] + 4 * 3 * 12, size[1] + 4 * 3 * 12)
    assert net.receptive_field(layer, size) == net.receptive_field(layer, larger) is not None


def test_strides_that_do_not_divide_the_enlargement() -> None:
    def wide(images: jax.Array) -> dict[str, jax.Array]:
        return {"wide": conv(conv(images, W1, (11, 13)), drawn(RNG, 5, 5, 8, 2), (2, 1))}

    net = net_of(wide)
    for size in ((30, 30), (31, 29), (41, 36)):
        field = net.receptive_field("wide", size)
        assert field is not None
        assert field.stride == (22, 13)
        assert field == net.receptive_field("wide", (size[0] + 22 * 20, size[1] + 13 * 20))


def test_units_that_see_all_of_the_image_have_no_field() -> None:
    def function(images: jax.Array) -> dict[str, jax.Array]:
        early = conv(images, W1)
        gate = jax.nn.sigmoid(early.mean((1, 2), keepdims=True))
        return {"early": early, "gate": gate, "gated": early * gate, "rows": early - early.mean(1, keepdims=True)}

    net = net_of(function)
    assert net.receptive_field("early") == ReceptiveField().through(kernel=(3, 3), pad=(1, 1))
    assert [net.receptive_field(layer) for layer in ("gate", "gated", "rows")] == [None] * 3
    assert net["gate"].site().height == 64
    assert float(tune(net["gate"], STIMULI).std("radius").max()) > 0


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_units_whose_fields_do_not_repeat_have_no_field(factor: int) -> None:
    def upsampled(images: jax.Array) -> dict[str, jax.Array]:
        low = conv(images, W1, (2, 2))
        up = jnp.repeat(jnp.repeat(low, factor, axis=1), factor, axis=2)
        return {"low": low, "up": up, "down": up[:, ::factor, ::factor], "drift": up[:, :: factor + 1, :: factor + 1]}

    net = net_of(upsampled)
    low = net.receptive_field("low")
    assert low is not None
    assert net.receptive_field("up") is None
    assert net.receptive_field("drift") is None
    assert net.receptive_field("down") == low


def test_a_head_that_fixes_the_size_leaves_the_other_layers_their_field() -> None:
    weights = drawn(RNG, 32 * 64 * 6, 5)

    def headed(images: jax.Array) -> dict[str, jax.Array]:
        found = maps(images)
        flat = found["late"].reshape(images.shape[0], -1)
        return found | {"logits": jnp.einsum("nc,cd->nd", flat, weights)[:, None, None]}

    net = net_of(headed)
    assert net.receptive_field("late") == NET.receptive_field("late")
    assert net.receptive_field("late", (32, 32)) is None
    assert (net["late"].site().height, net["late"].site().width) == (64, 64)
    cropped = net["late"].reading(net["late"].site(), images=1, channels=1, rows=(16, 17), columns=(32, 33))
    assert cropped.shape == (1, 7, 5, 1)
    whole = tune(NET["late"], STIMULI, size=64)
    np.testing.assert_allclose(tune(net["late"], STIMULI), whole, atol=1e-5 * float(whole.max()))
    assert float(tune(net["logits"], STIMULI).std("angle").max()) > 0
    with pytest.raises(NetError, match="net 'mine' fails on images of shape .*32, 32, 3.*leave out a head that fixes"):
        tune(net["late"], STIMULI, size=32)


def test_a_function_of_no_size_is_tried_at_a_default() -> None:
    net = FunctionNet(maps, name="any")
    assert net.image_size is None
    assert net.receptive_field("last") == NET.receptive_field("last")
    with pytest.raises(ImageError, match="sees all of an image, or pads it by its size"):
        net["a head"].site()


# Images.


def test_grey_images_become_rgb_and_rgb_is_averaged() -> None:
    grey = noise(1, 16, 16, 1)
    np.testing.assert_array_equal(NET.maps(grey, "early"), NET.maps(jnp.tile(grey, 3), "early"))
    single = net_of(lambda images: {"seen": images}, channels=1)
    assert single.image_values == "as they are; RGB is averaged"
    colours = noise(1, 16, 16, 3)
    np.testing.assert_allclose(single.maps(colours, "seen"), colours.mean(-1, keepdims=True), atol=1e-6)


def test_preprocessing_comes_before_the_function() -> None:
    net = net_of(lambda images: {"seen": images}, preprocessing=IMAGENET)
    images = noise(1, 16, 16, 1)
    np.testing.assert_array_equal(net.maps(images, "seen"), IMAGENET(images))
    assert net.image_values == str(IMAGENET)
    grey = net_of(lambda images: {"seen": images}, preprocessing=Preprocessing(colours="GREY"), channels=1)
    assert grey.maps(images, "seen").shape == images.shape


def test_images_that_are_none_are_refused() -> None:
    with pytest.raises(ImageError, match="1 of 1 images hold NaN"):
        NET.maps(noise(1, 8, 8, 3).at[0, 0, 0].set(jnp.nan), "early")


# What is refused.


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x, r"returns a \w*Tracer: wanted a mapping from layer names to maps, like \{'conv1': map\}"),
        (lambda x: None, "returns a NoneType: wanted a mapping"),
        (lambda x: {}, r"returns a mapping of \[\]: wanted"),
        (lambda x: {1: x}, r"returns a mapping of \[1\]: wanted"),
        (
            lambda x: {"a": x, "b": x.mean((1, 2))},
            r"layer 'b' of net 'mine' is a .* of shape \(2, 3\) and type float32",
        ),
        (lambda x: {"b": x[:1]}, r"of shape \(1, 64, 64, 3\) .* for images of shape \(2, 64, 64, 3\): wanted a JAX"),
        (lambda x: {"b": x > 0}, "and type bool for images"),
        (lambda x: {"b": [x]}, "is a list of shape None and type None"),
        (lambda x: {"b": np.zeros((2, 4, 4, 1), np.float32)}, "is a ndarray .* wanted a JAX array"),
        (lambda x: {"b": x @ jnp.ones((5, 5))}, r"fails on images of shape \(2, 64, 64, 3\) with TypeError: dot_gener"),
        (lambda x: {"b": np.asarray(x)}, "with TracerArrayConversionError: .* use JAX alone on images"),
        (lambda x: {"b": x.reshape(2, 50, 50, 3)}, "made for another size, give that as image_size"),
        (5, "net 'mine' is a int: wanted a function of images"),
    ],
)
def test_functions_that_are_no_nets_are_refused(function: Any, message: str) -> None:
    with pytest.raises(NetError, match=message), unchecked():
        net_of(function)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 4}, r"has channels=4: wanted 3 \(RGB\) or 1 \(grey\)"),
        ({"image_size": (64, 0)}, r"has image_size=\(64, 0\): wanted rows and columns"),
        ({"channels": 1, "preprocessing": IMAGENET}, "channel order RGB. Give another channel order, or channels=3"),
        ({"preprocessing": Preprocessing(colours="GREY")}, "channel order GREY. .* or channels=1"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(NetError, match=message):
        net_of(maps, **options)


def test_unknown_layers_are_refused() -> None:
    for ask in (lambda: NET["lat"], lambda: NET.receptive_field("lat"), lambda: NET.maps(noise(1, 8, 8, 3), "lat")):
        with pytest.raises(UnknownNameError, match="net 'mine' has no layer 'lat'. Did you mean 'late', 'last'"):
            ask()
    fickle = net_of(lambda images: {"small" if images.shape[1] < 32 else "large": images})
    with pytest.raises(NetError, match="has no layer 'large' on images of shape .*, only small"):
        fickle.maps(noise(1, 8, 8, 3), "large")


def test_every_refusal_is_an_error_of_this_library_with_its_cause() -> None:
    def broken(images: jax.Array) -> dict[str, jax.Array]:
        raise ZeroDivisionError

    with pytest.raises(CircuitkitError, match="with ZeroDivisionError: no message") as caught:
        net_of(broken)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


# Flax.


class Model(nnx.Module):
    """A residual, a strided convolution, a max pool, batch norms and a concatenation."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.stem = nnx.Conv(3, 8, (7, 7), strides=2, rngs=rngs)
        self.norm = nnx.BatchNorm(8, rngs=rngs)
        self.left = nnx.Conv(8, 8, (3, 3), rngs=rngs)
        self.right = nnx.Conv(8, 4, (1, 1), rngs=rngs)

    def __call__(self, images: jax.Array) -> dict[str, jax.Array]:
        stem = jax.nn.relu(self.norm(self.stem(images)))
        pool = nnx.max_pool(stem, (3, 3), strides=(2, 2), padding="SAME")
        block = pool + jax.nn.gelu(self.left(pool))
        return {"stem": stem, "pool": pool, "block": block, "join": jnp.concatenate([block, self.right(pool)], -1)}


def test_a_flax_model_is_a_net() -> None:
    model = Model(nnx.Rngs(0))
    model.norm.mean[...], model.norm.var[...] = noise(8), 1 + noise(8, seed=1) ** 2
    with pytest.raises(NetError, match="put Flax models into eval mode"):
        net_of(model)  # a batch norm that learns changes its state
    model.eval()
    net = net_of(model, image_size=(96, 96))
    assert net.layers == ("stem", "pool", "block", "join")
    assert len(net.unit_names("join")) == 12
    # SAME on even sides: of 5 pixels 2 before at the stem, of 1 none at the pool.
    stem = ReceptiveField().through(kernel=(7, 7), stride=(2, 2), pad=(2, 2))
    pool = stem.through(kernel=(3, 3), stride=(2, 2))
    assert net.receptive_field("stem") == stem
    assert net.receptive_field("pool") == pool
    assert net.receptive_field("join") == net.receptive_field("block") == pool.through(kernel=(3, 3), pad=(1, 1))
    responses = tune(net["join"], STIMULI)
    assert float(np.abs(responses).max()) > 0
    images = noise(2, 96, 96, 3)
    full = np.asarray(model(images)["join"])
    for window in ((None, (0, 1), (23, 24), None), (None, (11, 13), (12, 13), None)):
        cropped = crop(lambda images: net.maps(images, "join"), images.shape, window)
        (top, bottom), (left, right) = cropped.rows, cropped.columns
        found, wanted = cropped(images[:, top:bottom, left:right]), full[:, slice(*window[1]), slice(*window[2])]
        assert cropped.shape[1] < 30
        np.testing.assert_allclose(found, wanted, atol=ROUNDING * np.abs(full).max())


def test_weights_are_read_when_the_net_is_asked() -> None:
    model = Model(nnx.Rngs(0))
    model.eval()
    net = net_of(lambda images: {"stem": model.stem(images)})
    before = tune(net["stem"], STIMULI)
    model.stem.kernel[...] = 2 * model.stem.kernel[...]
    assert float(np.abs(tune(net["stem"], STIMULI) - 2 * before).max()) < 1e-4 * float(before.max())


class Linen(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, images: jax.Array) -> dict[str, jax.Array]:
        x = flax.linen.GroupNorm(num_groups=1)(flax.linen.Conv(4, (3, 3), padding="VALID")(images))
        y = flax.linen.avg_pool(flax.linen.Conv(6, (3, 3))(images), (2, 2), (2, 2))
        return {"normed": x, "pooled": y}


def test_a_linen_model_is_a_net() -> None:
    model = Linen()
    variables = model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    net = net_of(lambda images: model.apply(variables, images), image_size=(32, 32))
    assert net.layers == ("normed", "pooled")
    assert net.receptive_field("normed") is None
    assert net.receptive_field("pooled") == ReceptiveField(size=(4, 4), stride=(2, 2), first=(0.5, 0.5))
    frozen = net_of(lambda images: MappingProxyType(model.apply(variables, images)))
    assert frozen.layers == net.layers


def test_batches_of_any_size() -> None:
    assert NET.maps(noise(5, 16, 16, 3), "early").shape == (5, 16, 16, 8)
    with pytest.raises(NetError, match="fails on images of shape"):
        net_of(lambda images: {"a": images.reshape(1, 64, 64, 3)})


def test_where_all_of_the_image_is_seen_the_middle_unit_is_read() -> None:
    def gated(images: jax.Array) -> dict[str, jax.Array]:
        # Squeeze and excite: every unit depends on all of the image.
        return {"gated": images * jax.nn.sigmoid(images.mean(axis=(1, 2), keepdims=True))}

    site = FunctionNet(gated, name="gated", image_size=(9, 7), channels=1)["gated"].site()
    assert (site.height, site.width, site.unit, site.anchor) == (9, 7, (4, 3), (4.0, 3.0))
