"""A Keras model on its JAX backend as a net: what its layers return, and what is refused."""

import os
import re
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from circuitkit.controls import shuffled, untrained
from circuitkit.errors import NetError, UnknownNameError
from circuitkit.nets import ModuleNet, from_keras
from circuitkit.probe import Weight
from circuitkit.receptive_field import ReceptiveField
from tests.cropping.random_nets import noise

IMAGES = noise(2, 32, 32, 3)


@pytest.fixture(scope="module")
def keras() -> Any:
    """Keras, which takes seconds to import: not before a test wants it."""
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "jax"
    found: Any = pytest.importorskip("keras")
    if found.config.backend() != "jax":
        pytest.skip("Keras runs on another backend here")
    return found


@pytest.fixture(scope="module")
def model(keras: Any) -> Any:
    """Every kind of kernel, a shared layer, an operation that is no layer, and a head that fixes the size."""
    x = images = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, name="stem")(x)
    x = keras.ops.relu(keras.layers.BatchNormalization(name="norm")(x))
    x = keras.layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise")(x)
    x = keras.layers.SeparableConv2D(4, 3, name="separable")(x)
    shared = keras.layers.Conv2D(4, 1, name="shared")
    x = keras.layers.Add(name="sum")([x, shared(shared(x))])
    x = keras.layers.Dropout(0.5, name="drop")(x)
    up = keras.layers.Conv2DTranspose(3, 3, strides=2, name="up")(x)
    logits = keras.layers.Dense(5, name="head")(keras.layers.Flatten(name="flat")(up))
    model = keras.Model(images, logits, name="mine")
    model.set_weights([0.3 * np.abs(noise(*each.shape, seed=place)) for place, each in enumerate(model.weights)])
    return model


@pytest.fixture(scope="module")
def net(model: Any) -> ModuleNet:
    return from_keras(model)


def ran(model: Any, images: jax.Array) -> np.ndarray:
    with jax.numpy_rank_promotion("allow"):  # Keras adds its biases so
        return np.asarray(model(images, training=False))


def weights_of(net: ModuleNet) -> dict[str, Weight]:
    found: dict[str, Weight] = {}

    def look(weight: Weight) -> jax.Array:
        found[weight.name] = weight
        return weight.value

    net.with_weights(look, name="looked at")
    return found


def test_every_layer_that_returns_a_map_is_one(model: Any, net: ModuleNet) -> None:
    names = ("stem", "norm", "relu", "depthwise", "separable", "shared", "shared#2", "sum", "drop", "up")
    assert tuple(re.sub(r"^relu_\d+$", "relu", name) for name in net.layers) == names
    assert (net.name, net.image_size) == ("mine", (32, 32))
    assert net.unit_names("stem") == tuple(f"stem:{unit}" for unit in range(4))
    head = from_keras(model, layers=["head"], name="head alone")
    np.testing.assert_allclose(head.maps(IMAGES, "head")[:, 0, 0], ran(model, IMAGES), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layer", ["norm", "drop", "up"])
def test_maps_are_those_of_the_model(layer: str, model: Any, net: ModuleNet, keras: Any) -> None:
    wanted = ran(keras.Model(model.inputs, model.get_layer(layer).output), IMAGES)
    np.testing.assert_allclose(net.maps(IMAGES, layer), wanted, atol=1e-5 * np.abs(wanted).max())
    rectified = from_keras(model, layers=[layer], rectify=True)
    np.testing.assert_array_equal(rectified.maps(IMAGES, layer), jax.nn.relu(net.maps(IMAGES, layer)))


def test_fields_follow_and_the_head_is_no_affair_of_theirs(model: Any, net: ModuleNet) -> None:
    stem = ReceptiveField().through(kernel=(3, 3), stride=(2, 2))
    assert net.receptive_field("stem") == net.receptive_field("norm", (64, 48)) == stem
    assert net.receptive_field("sum") == stem.through(kernel=(3, 3)).through(kernel=(3, 3))
    assert net.receptive_field("up") is None  # an upsampling
    assert net.maps(IMAGES[:, :20, :20], "separable").shape == (2, 5, 5, 4)
    head = from_keras(model, layers=["head"])
    with pytest.raises(NetError, match=r"no map of layer 'head' on images of shape \(2, 20, .* 'head' is incompatible"):
        head.maps(IMAGES[:, :20, :20], "head")


def test_kernels_are_held_as_the_rest_of_the_library_has_them(net: ModuleNet) -> None:
    found = weights_of(net)
    assert {name: (weight.role, weight.value.shape) for name, weight in found.items() if "bias" not in name} == {
        "stem/kernel": ("kernel", (3, 3, 3, 4)),
        "norm/gamma": ("gain", (4,)),
        "norm/beta": ("bias", (4,)),
        "norm/moving_mean": ("mean", (4,)),
        "norm/moving_variance": ("variance", (4,)),
        "depthwise/kernel": ("kernel", (3, 3, 1, 8)),
        "separable/depthwise_kernel": ("kernel", (3, 3, 1, 8)),
        "separable/pointwise_kernel": ("kernel", (1, 1, 8, 4)),
        "shared/kernel": ("kernel", (1, 1, 4, 4)),
        "up/kernel": ("kernel", (3, 3, 4, 3)),
        "head/kernel": ("kernel", (23 * 23 * 3, 5)),
    }
    # One unit's kernel alone moves one unit, and the same one for a depthwise layer as for any other.
    for layer, name in (("depthwise", "depthwise/kernel"), ("up", "up/kernel")):
        plain = net.maps(IMAGES, layer)
        other = net.with_weights(
            lambda weight, name=name: weight.value.at[..., 2].multiply(2) if weight.name == name else weight.value,
            name="other",
        ).maps(IMAGES, layer)
        bias = found[name.replace("kernel", "bias")].value[2]
        np.testing.assert_allclose(other[..., 2] - bias, 2 * (plain[..., 2] - bias), rtol=1e-3, atol=1e-4)
        np.testing.assert_array_equal(np.delete(other, 2, -1), np.delete(plain, 2, -1))


def test_controls_leave_the_model_as_it_is(model: Any, net: ModuleNet) -> None:
    before, held, nodes = (
        net.maps(IMAGES, "sum"),
        [each.value for each in model.weights],
        len(model.get_layer("stem")._inbound_nodes),
    )
    for control in (shuffled(net, 0), untrained(net, 0)):
        assert not np.allclose(control.maps(IMAGES, "sum"), before, rtol=0.1)
        assert control.layers == net.layers
    for old, new in zip(held, [each.value for each in model.weights], strict=True):
        np.testing.assert_array_equal(old, new)
    assert len(model.get_layer("stem")._inbound_nodes) == nodes
    np.testing.assert_array_equal(net.maps(IMAGES, "sum"), before)


def test_a_sequential_model_of_any_size_with_layers_that_another_model_has_too(keras: Any) -> None:
    conv = keras.layers.Conv2D(4, 3, name="conv", activation="relu")
    keras.Sequential([keras.Input((8, 8, 1)), conv])
    inner = keras.Sequential([keras.Input((None, None, 4)), keras.layers.Conv2D(2, 1, name="deep")], name="inner")
    model = keras.Sequential([keras.Input((None, None, 1)), conv, keras.layers.MaxPool2D(2, name="pool"), inner])
    net = from_keras(model)
    assert (net.layers, net.image_size, net.image_values) == (
        ("conv", "pool", "inner"), None, "as they are; RGB is averaged",
    )  # fmt: skip
    assert net.receptive_field("inner") == ReceptiveField().through(kernel=(3, 3)).through(kernel=(2, 2), stride=(2, 2))
    grey = IMAGES.mean(-1, keepdims=True)
    np.testing.assert_allclose(net.maps(grey, "inner"), ran(model, grey), atol=1e-5)


def counter(keras: Any) -> Any:
    """A layer that changes its state whatever it is told about training."""

    class Counter(keras.layers.Layer):  # type: ignore[misc]
        def build(self, _: Any) -> None:
            self.count = self.add_weight(shape=(1,), initializer="zeros", trainable=False, name="count")

        def call(self, x: Any) -> Any:
            self.count.assign(self.count + 1)
            return x * (1 + 0 * self.count[0])

    return Counter(name="counter")


def test_what_is_no_net_is_refused(monkeypatch: pytest.MonkeyPatch, model: Any, keras: Any) -> None:
    with pytest.raises(UnknownNameError, match="net 'mine' has no layer 'steam'. Did you mean 'stem'"):
        from_keras(model, layers=["steam"])
    with pytest.raises(NetError, match="is a int: wanted a Keras model. from_nnx and from_linen take Flax's"):
        from_keras(5)
    with pytest.raises(NetError, match="has no graph of layers: wanted a functional model, or a Sequential one"):
        from_keras(keras.Sequential([keras.layers.Conv2D(4, 3)]))
    with pytest.raises(NetError, match=r"takes inputs of shapes \[\(None, 10\)\]: wanted one, of images"):
        from_keras(keras.Sequential([keras.Input((10,)), keras.layers.Dense(2)]))
    first = keras.Sequential(
        [keras.Input((3, 8, 8)), keras.layers.Conv2D(2, 1, data_format="channels_first", name="turned")]
    )
    with pytest.raises(NetError, match="layer 'turned' .* has its channels first: wanted channels_last"):
        from_keras(first)
    flat = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(name="flat")])
    with pytest.raises(NetError, match="has no layer that returns a map .* it has flat"):
        from_keras(flat)
    counts = keras.Sequential([keras.Input((8, 8, 3)), counter(keras)])
    with pytest.raises(NetError, match=r"changes its own state as it runs \(.*counter/count\)"):
        from_keras(counts)
    broken = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1, name="broken")])
    broken.layers[0].bias.assign(jnp.full(2, jnp.nan))
    with pytest.raises(NetError, match="weight '.*broken/bias' of net .* holds NaN"):
        from_keras(broken)
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(
        NetError, match='runs on its torch backend: wanted jax. Set os.environ."KERAS_BACKEND". = "jax"'
    ):
        from_keras(model)
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(
        NetError, match="needs the package keras, on its JAX backend: pip install keras, and os.environ"
    ):
        from_keras(model)
