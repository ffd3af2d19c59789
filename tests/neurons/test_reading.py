"""Layers of any net as affine maps of what a unit reads: they say what the net says, or are refused."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

import circuitkit as ck
from circuitkit import neurons
from circuitkit.errors import NeuronsError, UnknownNameError
from circuitkit.neurons.local import LocalNet
from circuitkit.neurons.reading import can_be_read, read
from circuitkit.spec import Arc, Circuit, Crossing, Family, Gabor, Line, Tile, Union
from circuitkit.stimuli.photographs import pictures

Activation = Callable[[np.ndarray], np.ndarray]
RELU: Activation = lambda values: np.maximum(values, 0)  # noqa: E731
NONE: Activation = lambda values: values  # noqa: E731


@functools.cache  # a net is traced many times
def random(*shape: int, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal(shape) / np.sqrt(np.prod(shape[:-1]))
    return values.astype(np.float32)


def conv(x: jax.Array, kernel: np.ndarray, stride: int = 1, groups: int = 1) -> jax.Array:
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), "SAME", dimension_numbers=numbers, feature_group_count=groups
    )


def norm(x: jax.Array, seed: int) -> jax.Array:
    """A batch norm as frameworks write it out."""
    mean, gain, bias = (random(1, x.shape[-1], seed=seed + place)[None, None] for place in range(3))
    return (x - mean) * lax.rsqrt(gain**2 + 0.1) * (1 + gain) + bias


def many_layers(images: jax.Array) -> Mapping[str, jax.Array]:
    """Every kind of layer that can be read, and some that cannot."""
    first = jax.nn.relu(norm(conv(images, random(3, 3, 3, 4)) + 0.1, 1))
    gelu = jax.nn.gelu(conv(norm(first, 5), random(3, 3, 4, 6, seed=2), stride=2) - 0.05)
    silu = jax.nn.silu(conv(gelu, random(1, 1, 6, 4, seed=3)))
    pooled = lax.reduce_window(first, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    grouped = jax.nn.leaky_relu(conv(pooled, random(3, 3, 2, 4, seed=4), groups=2))
    one, three = conv(first, random(1, 1, 4, 3, seed=5)), conv(first, random(3, 3, 4, 3, seed=6))
    fire = jnp.concatenate([jax.nn.relu(one + 0.2), jax.nn.relu(three - 0.1)], axis=-1)
    half = jnp.concatenate([jax.nn.relu(one), three], axis=-1)
    after = jax.nn.relu(conv(fire, random(3, 3, 6, 2, seed=7)))
    mean = jnp.mean(fire, axis=(1, 2))
    dense = jax.nn.relu(mean @ random(6, 5, seed=8) + 0.3)
    scores = jnp.einsum("nhwc,nijc->nhwij", first, first).reshape(*first.shape[:3], -1)
    return {
        "first": first,
        "gelu": gelu,
        "silu": silu,
        "pooled": pooled,
        "grouped": grouped,
        "fire": fire,
        "after": after,
        "half": half,
        "after half": conv(half, random(1, 1, 6, 2, seed=7)),
        "dense": dense[:, None, None, :],
        "softmax": jax.nn.softmax(after, axis=-1),
        "residual": jax.nn.relu(first + conv(first, random(3, 3, 4, 4, seed=10))),
        "gate": one * jax.nn.sigmoid(conv(pooled, random(1, 1, 4, 3, seed=1)).mean((1, 2), keepdims=True)),
        "attention": scores,
        "twice": one + three,
        "mixed": jnp.concatenate([one, conv(fire, random(1, 1, 6, 2))], axis=-1),
    }


def flattened(images: jax.Array) -> Mapping[str, jax.Array]:
    """A layer that reads all of a map, so that images have one size."""
    pooled = lax.reduce_window(jax.nn.relu(images), -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    flat = jax.nn.sigmoid(pooled.reshape(pooled.shape[0], -1) @ random(108, 3, seed=9))
    return {"pooled": pooled, "flat": flat[:, None, None, :]}


FLAT = ck.nets.FunctionNet(flattened, name="flattened", image_size=(12, 12))
NET = ck.nets.FunctionNet(many_layers, name="many", image_size=(12, 12))


def stripes(count: int, side: int) -> np.ndarray:
    """Stripes of several directions and noise, to which all layers have something to say."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side][..., None]
    angles = rng.uniform(0, 2 * np.pi, (count, 1, 1, 3))
    waves = np.sin(np.pi / 2 * (x * np.cos(angles) + y * np.sin(angles)) + rng.uniform(0, 6, (count, 1, 1, 1)))
    return np.clip(waves + rng.normal(0, 0.2, waves.shape), -1, 1).astype(np.float32)


def check(net: ck.Net, layer: str, activation: Activation, *, size: int | None = None) -> neurons.Reading:
    """Checks on noise, at every place of the map that reads no padding, that a layer says what its maps say."""
    seen = read(net[layer], size=size)
    site = net[layer].site() if size is None else net[layer].site_in(size, size)
    side = max(site.height, 12) if net.image_size is None else net.image_size[0]
    images = stripes(2, side)
    said = np.asarray(jax.jit(lambda x: net.maps(x, layer))(images))
    inputs = np.asarray(jax.jit(seen.inputs.maps)(images))
    inner = np.isfinite(inputs).all(axis=-1)
    assert inner.any()
    assert said[inner].any()
    due = activation(seen.layers[-1](inputs[inner]))
    np.testing.assert_allclose(said[inner], due, atol=2e-5 * np.abs(due).max())
    return seen


def gelu(values: np.ndarray) -> np.ndarray:
    return np.asarray(jax.nn.gelu(values.astype(np.float32)))


def silu(values: np.ndarray) -> np.ndarray:
    return values / (1 + np.exp(-values))


@pytest.mark.parametrize(
    ("layer", "activation", "source", "shape", "inputs"),
    [
        ("first", RELU, "image", (3, 3, 3), "any"),
        ("gelu", gelu, "first", (3, 3, 4), "nonnegative"),
        ("silu", silu, "gelu", (1, 1, 6), "any"),
        ("grouped", lambda v: np.where(v > 0, v, 0.01 * v), "pooled", (3, 3, 4), "nonnegative"),
        ("fire", RELU, "first", (3, 3, 4), "nonnegative"),
        ("after", RELU, "fire", (3, 3, 6), "nonnegative"),
        ("dense", RELU, "", (1, 1, 6), "nonnegative"),
        ("twice", NONE, "first", (3, 3, 4), "nonnegative"),
    ],
)
def test_a_layer_says_what_the_net_says(
    layer: str, activation: Activation, source: str, shape: tuple[int, int, int], inputs: str
) -> None:
    seen = check(NET, layer, activation)
    assert (seen.source, seen.shape, seen.layers[-1].inputs) == (source, shape, inputs)
    assert seen.layers[-1].names == NET.unit_names(layer)
    assert len(set(seen.input_names)) == np.prod(shape)
    assert seen.rectified == (activation is RELU)


def test_a_layer_of_a_whole_map_says_what_the_net_says() -> None:
    seen = check(FLAT, "flat", lambda v: 1 / (1 + np.exp(-v)))
    assert (seen.source, seen.shape, seen.layers[0].inputs) == ("pooled", (6, 6, 3), "nonnegative")


@pytest.mark.parametrize(
    ("layer", "what"),
    [
        ("pooled", "is a max-pool"),
        ("softmax", "as in a global pool, a softmax"),
        ("residual", "a sum of several branches, as in a residual block"),
        ("gate", "a mean or sum over places or units"),
        ("attention", "a product of two activations, as in attention"),
        ("mixed", "side by side that do not all read the same"),
    ],
)
def test_what_is_no_dense_layer_or_convolution_is_refused(layer: str, what: str) -> None:
    assert not can_be_read(NET, layer)
    with pytest.raises(NeuronsError, match=what) as caught:
        read(NET[layer])
    assert f"layer {layer!r} of net 'many'" in str(caught.value)
    assert "wanted one dense layer or convolution" in str(caught.value)
    assert "can be read." in str(caught.value)


def test_a_wrong_weight_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    made = neurons.Affine.__init__

    def broken(self: neurons.Affine, weights: np.ndarray, *rest: object, **options: object) -> None:
        made(self, weights * np.where(np.arange(weights.shape[0]) == 7, 1.01, 1.0)[:, None], *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(neurons.Affine, "__init__", broken)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check(NET, "first", RELU)


EDGES = Family("edges", Gabor(wavelength=4, sigma=1.4, phase=90), angles=4)
BARS = Family("bars", Gabor(wavelength=4, sigma=1.4, phase=0), angles=2)
CIRCUIT = Circuit(
    "small",
    [
        EDGES,
        BARS,
        Family("contours", Union((EDGES, BARS)), angles=2),
        Family("lines", Tile("contours", along=Line(length=3), tolerance=20) - Crossing(0.5), angles=4, threshold=0.05),
        Family("curves", Tile("lines", along=Arc(radius=4, length=3), tolerance=30), angles=4),
    ],
)
HANDBUILT = ck.HandbuiltNet(ck.build(CIRCUIT))


@pytest.mark.parametrize(
    ("layer", "source"),
    [("edges", "image"), ("contours", "edges, bars"), ("lines", "contours"), ("curves", "lines")],
)
def test_families_of_a_circuit_are_read(layer: str, source: str) -> None:
    seen = check(HANDBUILT, layer, RELU)
    assert seen.source == source
    assert seen.layers[0].names == HANDBUILT.unit_names(layer)
    assert seen.layers[0].inputs == ("any" if layer == "edges" else "nonnegative")


def test_inputs_are_called_by_their_units_and_places() -> None:
    assert read(HANDBUILT["contours"]).input_names[:5] == ("edges@0", "edges@90", "edges@180", "edges@270", "bars@0")
    names = read(HANDBUILT["lines"]).input_names
    side = round(np.sqrt(len(names) / 2))
    half = side // 2
    assert names[0] == f"contours@0({half:+d},{-half:+d})"
    assert names[-1] == f"contours@90({-half:+d},{half:+d})"
    assert names[len(names) // 2 - 1] == "contours@0(+0,+0)"
    assert read(NET["first"]).input_names[:4] == ("red(+1,-1)", "green(+1,-1)", "blue(+1,-1)", "red(+1,+0)")


def test_a_family_and_a_kernel_of_a_small_net_are_their_own_weights() -> None:
    kernel = np.asarray(HANDBUILT.network.layers["curves"].kernel[...])
    seen = read(HANDBUILT["curves", ["curves@90", "curves@0"]])
    np.testing.assert_array_equal(seen.layers[0].weights, kernel.reshape(-1, 4)[:, [1, 0]])
    assert seen.layers[0].names == ("curves@90", "curves@0")
    small = ck.nets.small()
    found = small.weights("conv3")
    assert found is not None
    seen = read(small["conv3"])
    np.testing.assert_array_equal(seen.layers[0].weights, np.asarray(found[1]).reshape(-1, 96))
    assert seen.source == "pool2"


@pytest.mark.parametrize(
    ("net", "layer", "since", "shape", "titles"),
    [
        (NET, "after", "fire", (5, 5, 4), ["fire", "after"]),
        (NET, "after", "after", (3, 3, 6), ["after"]),
        (NET, "fire", "first", (5, 5, 3), ["first", "fire"]),
        (HANDBUILT, "curves", "lines", None, ["lines", "curves"]),
    ],
)
def test_layers_in_a_row_say_what_the_net_says(
    net: ck.Net, layer: str, since: str, shape: tuple[int, int, int] | None, titles: list[str]
) -> None:
    seen = read(net[layer], since=since)
    assert [each.title for each in seen.layers] == titles
    assert shape in (None, seen.shape)
    side = 12 if net is NET else net[layer].site().height + 2
    images = stripes(2, side)
    points = seen.crops(images, places=2)
    # The crops are drawn in the same order from the maps themselves.
    shown = jnp.asarray(images)
    inner = np.isfinite(np.asarray(seen.inputs.maps(shown))).all(axis=-1)
    said = np.asarray(net.maps(shown, layer))
    values = points
    for number, each in enumerate(seen.layers):
        values = each(values if number == 0 else RELU(values))
    found = RELU(values)
    for number, row in enumerate(found):
        there = said[number // 2][inner[number // 2]]
        assert np.abs(there - row).max(axis=1).min() < 2e-5 * np.abs(said).max()


def test_a_path_runs_through_layers_in_a_row() -> None:
    seen = read(NET["after"], since="fire")
    rng = np.random.default_rng(0)
    path = neurons.segment(rng.uniform(0, 1, 100), rng.uniform(0, 1, 100))
    middle = seen(path)(0.4)
    first, last = seen.layers
    np.testing.assert_allclose(middle, last(RELU(first(path(0.4)))), atol=1e-12)


def test_only_relus_may_stand_between_layers() -> None:
    with pytest.raises(NeuronsError, match="'gelu' is not the ReLU of one dense layer"):
        read(NET["silu"], since="first")
    with pytest.raises(NeuronsError, match="'pooled' is not the ReLU"):
        read(NET["grouped"], since="first")
    # A ReLU over half of the units is no ReLU, and counting it as one would be wrong.
    assert not read(NET["half"]).rectified
    with pytest.raises(NeuronsError, match="'half' is not the ReLU"):
        read(NET["after half"], since="half")
    with pytest.raises(UnknownNameError, match="has no layer 'frist'"):
        read(NET["gelu"], since="frist")


def test_what_a_unit_reads_of_stimuli_is_what_it_responds_to() -> None:
    arcs = ck.grid(ck.stimuli.Curve(radius=5), angle=ck.turn(5))
    seen = read(HANDBUILT["curves"])
    points = seen.samples(arcs)
    assert points.shape == (5, len(seen.input_names))
    tuned = ck.tune(HANDBUILT["curves"], arcs)
    np.testing.assert_allclose(RELU(seen.layers[0](points)), tuned.values, atol=1e-5)
    grey = pictures(np.zeros((1, 40, 40, 3), np.float32))
    assert not seen.samples(grey).any()


def test_places_at_the_border_are_refused() -> None:
    seen = read(NET["first"])
    images = np.zeros((1, 12, 12, 3), np.float32)
    assert seen.crops(images, places=[(1, 1), (10, 10)]).shape == (2, 27)
    with pytest.raises(NeuronsError, match="reads beyond the border"):
        seen.crops(images, places=[(0, 1)])
    with pytest.raises(NeuronsError, match="have 100 places"):
        seen.crops(images, places=101)
    again = seen.crops(np.random.default_rng(0).uniform(-1, 1, (1, 12, 12, 3)), places=3, seed=1)
    np.testing.assert_array_equal(
        again, seen.crops(np.random.default_rng(0).uniform(-1, 1, (1, 12, 12, 3)), places=3, seed=1)
    )


def test_directions_are_read_before_a_nonlinearity_alone() -> None:
    vector = [1.0, 2.0, -1.0]
    plain = read(NET["twice"])
    seen = read(NET["twice"].along(vector))
    unit = np.array(vector, np.float32) / np.float32(np.linalg.norm(np.array(vector, np.float32)))
    np.testing.assert_allclose(seen.layers[0].weights[:, 0], plain.layers[0].weights @ unit, atol=1e-6)
    with pytest.raises(NeuronsError, match="directions, which are of what comes after its nonlinearity"):
        read(NET["first"].along([1.0, 0, 0, 0]))


def test_a_model_of_flax_with_batch_norms_is_read() -> None:
    class Model(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.conv = nnx.Conv(3, 4, (3, 3), padding="VALID", rngs=rngs)
            self.norm = nnx.BatchNorm(4, use_running_average=True, rngs=rngs)
            self.norm.mean[...] = random(1, 4)[0]
            self.norm.scale = nnx.Param(1 + random(1, 4, seed=1)[0])
            self.last = nnx.Linear(4, 5, rngs=rngs)

        def __call__(self, x: jax.Array) -> jax.Array:
            return nnx.gelu(self.last(nnx.relu(self.norm(self.conv(x)))))

    net = ck.nets.from_nnx(Model(nnx.Rngs(0)), name="flax", image_size=(9, 9))
    readable = [layer for layer in net.layers if can_be_read(net, layer)]
    assert {"conv", "norm", "last"} <= set(readable)
    check(net, "norm", NONE)
    assert check(net, "last", NONE).layers[0].inputs == "nonnegative"


def test_logits_are_a_layer_of_a_function() -> None:
    small = ck.nets.small()

    def logits(images: jax.Array) -> Mapping[str, jax.Array]:
        return {"logits": small.output_from({"conv5": small.maps(images, "conv5")})[:, None, None]}

    net = ck.nets.FunctionNet(logits, name="head", image_size=(32, 32))
    seen = check(net, "logits", NONE)
    assert seen.layers[0].size == (128, 10)


def test_layers_of_squeezenet_are_their_kernels(data_folder: Path) -> None:
    net = ck.nets.load(data_folder / "nets" / "squeezenet1_1.onnx")
    assert isinstance(net, ck.nets.TrainedNet)
    seen = read(net["fire4"], since="fire4_squeeze")
    squeeze, expand = seen.layers
    assert (seen.source, seen.shape, squeeze.size, expand.size) == ("pool_fire3", (3, 3, 128), (1152, 288), (288, 256))
    kernel = np.asarray(net.onnx.kernel("fire4_expand3x3"))
    np.testing.assert_array_equal(expand.weights.reshape(3, 3, 32, 256)[..., 128:], kernel)
    assert not expand.weights.reshape(3, 3, 32, 256)[0, :, :, :128].any()
    with pytest.raises(NeuronsError, match="'pool_fire3' is not the ReLU of one dense layer or convolution"):
        read(net["fire4"], since="fire3")
    assert isinstance(seen.inputs.net, LocalNet)
