"""What a user does with a net from an ONNX file: name layers, run them, edit weights, read kernels."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest

from circuitkit.errors import ImageError, KernelError, NetError, UnknownNameError
from circuitkit.nets.onnx_net import OnnxNet
from tests.nets.onnx_models import error, loaded, model, node, noise

IMAGES = jnp.asarray(noise(3, 12, 12, 3))


def branching() -> onnx.ModelProto:
    """Two convolutions, one behind a batch norm, laid side by side, and a head for 12x12 images."""
    return model(
        node("Conv", "image", "w1", makes="11"),
        node("BatchNormalization", "11", "s", "s", "s", "s", makes="bn"),
        node("Relu", "bn", makes="act"),
        node("Conv", "act", "w2", makes="left", group=2, pads=[1, 1, 1, 1]),
        node("Concat", "left", "act", makes="joined", axis=1),
        node("Flatten", "joined", makes="row"),
        node("Gemm", "row", "head"),
        weights={
            "w1": noise(4, 3, 3, 3),
            "s": np.ones(4, np.float32),
            "w2": noise(2, 2, 3, 3),
            "head": noise(600, 5, seed=1),
        },
    )


@pytest.fixture
def net(tmp_path: Path) -> OnnxNet:
    return loaded(branching(), tmp_path)


def test_layers_are_the_maps_in_order(net: OnnxNet) -> None:
    assert list(net.layers) == ["11", "bn", "act", "left", "joined"]
    assert {name: layer.channels for name, layer in net.layers.items()} == dict(
        zip(net.layers, [4, 4, 4, 2, 6], strict=True)
    )
    assert net.layers["left"].size == (10, 10)
    assert repr(net) == "OnnxNet('test', 5 layers, 4 weights)"


def test_the_name_is_the_files_unless_given(net: OnnxNet, tmp_path: Path) -> None:
    assert net.name == "test"
    assert OnnxNet.load(str(tmp_path / "test.onnx"), name="mine").name == "mine"


def test_a_node_name_is_as_good_as_its_tensors(net: OnnxNet) -> None:
    maps = net.activations(IMAGES, ("11", "11_node"))
    np.testing.assert_array_equal(maps["11"], maps["11_node"])
    assert net.layer("11_node").name == "11"


def test_an_ambiguous_node_name_is_no_name(tmp_path: Path) -> None:
    proto = branching()
    proto.graph.node[0].name = proto.graph.node[1].name = "same"
    proto.graph.node[2].name = "left"  # the name of another node's tensor
    net = loaded(proto, tmp_path)
    with pytest.raises(UnknownNameError, match="net 'test' has no layer 'same'"):
        net.layer("same")
    assert net.layer("left").channels == 2


def test_an_unknown_layer_is_refused_with_the_nearest(net: OnnxNet) -> None:
    with pytest.raises(UnknownNameError, match=r"^net 'test' has no layer 'joind'\. Did you mean 'joined'"):
        net.activations(IMAGES, ("joind",))
    with pytest.raises(UnknownNameError, match="has no layer 'row'"):  # a tensor, but no map
        net.layer("row")


def test_only_what_the_layers_need_is_run(net: OnnxNet) -> None:
    def operations(layer: str) -> str:
        return str(jax.make_jaxpr(lambda images: net.activations(images, (layer,)))(IMAGES))

    assert operations("act").count("conv_general_dilated[") == 1
    assert operations("joined").count("conv_general_dilated[") == 2
    assert "dot_general" not in operations("joined")


def test_one_jit_is_compiled_once_a_shape_and_layers(net: OnnxNet) -> None:
    traced = []

    def look(images: jax.Array, layers: tuple[str, ...]) -> dict[str, jax.Array]:
        traced.append(layers)
        return net.activations(images, layers)

    jitted = jax.jit(look, static_argnames="layers")
    for _ in range(2):
        jitted(IMAGES, layers=("act",))
        jitted(IMAGES, layers=("act", "joined"))
        jitted(IMAGES[:1], layers=("act",))
    assert len(traced) == 3


def test_images_of_a_batch_do_not_mix(net: OnnxNet) -> None:
    """The file says one image."""
    together = net.output(IMAGES)
    apart = jnp.concatenate([net.output(IMAGES[i : i + 1]) for i in range(3)])
    assert error(together, np.asarray(apart)) < 1e-6


def test_maps_take_images_of_any_size_and_the_head_its_own(net: OnnxNet) -> None:
    larger = jnp.asarray(noise(1, 15, 20, 3))
    maps = net.activations(larger, ("joined",))["joined"]
    np.testing.assert_allclose(
        maps[:, 2:7, 3:9], net.activations(larger[:, :12, :14], ("joined",))["joined"][:, 2:7, 3:9], atol=1e-5
    )
    with pytest.raises(
        ImageError, match=r"net 'test': the Gemm that makes 'y' cannot take values of shape \(1, 1404\)"
    ):
        net.output(larger)


def test_a_channel_shuffle_takes_images_of_any_size(tmp_path: Path) -> None:
    """Its Reshapes spell out the size of the file's images."""
    net = loaded(
        model(
            node("Concat", "image", "image", makes="six", axis=1),
            node("Reshape", "six", "five", makes="a"),
            node("Transpose", "a", makes="b", perm=[0, 2, 1, 3, 4]),
            node("Reshape", "b", "four"),
            weights={"five": np.array([1, 2, 3, 12, 12]), "four": np.array([0, 6, 12, -1])},
        ),
        tmp_path,
    )
    images = noise(2, 7, 9, 3)
    np.testing.assert_array_equal(net.activations(jnp.asarray(images), ("y",))["y"], np.repeat(images, 2, axis=-1))
    assert net.layers["y"].field == net.layers["six"].field


def test_layers_for_another_size(net: OnnxNet) -> None:
    other = net.for_size(15, 20)
    assert other.layers["joined"].size == (13, 18)
    assert net.layers["joined"].size == (10, 10)
    assert "joined" not in net.for_size(2, 2).layers


def test_images_that_leave_nothing_are_refused(net: OnnxNet) -> None:
    with pytest.raises(
        ImageError,
        match=r"the Conv that makes '11' leaves nothing of values of shape .* Give images of the file's own size, or",
    ):
        net.activations(IMAGES[:, :2], ("joined",))


@pytest.mark.parametrize("images", [IMAGES[..., :1], IMAGES.astype(jnp.float16)], ids=["grey", "float16"])
def test_images_of_the_wrong_kind_are_refused(net: OnnxNet, images: jax.Array) -> None:
    with pytest.raises(
        ImageError, match=r"^net 'test' got images of shape .*; wanted float32 \(batch, h, w, 3\), prep"
    ):
        net.output(images)


def test_gradients_reach_images_and_weights(net: OnnxNet) -> None:
    def total(images: jax.Array, weights: dict[str, jax.Array]) -> jax.Array:
        return jnp.sum(net.activations(images, ("joined",), weights=weights)["joined"])

    by_image, by_weight = jax.jit(jax.grad(total, argnums=(0, 1)))(IMAGES, net.weights)
    assert by_image.shape == IMAGES.shape
    assert np.abs(by_image).max() > 0
    assert np.abs(by_weight["w1"]).max() > 0
    assert np.abs(by_weight["head"]).max() == 0  # not read by the layer


def test_changed_weights_make_another_net(net: OnnxNet) -> None:
    before = net.output(IMAGES)
    zeros = {"w1": jnp.zeros((4, 3, 3, 3))}
    silent = net.with_weights(zeros)
    np.testing.assert_array_equal(silent.activations(IMAGES, ("11",))["11"], 0)
    np.testing.assert_array_equal(net.output(IMAGES), before)
    np.testing.assert_array_equal(net.output(IMAGES, weights=zeros), silent.output(IMAGES))


def test_weights_that_do_not_fit_are_refused(net: OnnxNet) -> None:
    with pytest.raises(UnknownNameError, match=r"^net 'test' has no weight 'w3'\. Did you mean 'w2', 'w1'\?$"):
        net.with_weights({"w3": jnp.zeros(4)})
    wanted = (
        r"^net 'test' got weight 'w1' of shape \(3, 3, 3, 4\); wanted \(4, 3, 3, 3\), with the file's axes "
        r"\(kernels are out, in, h, w\)\.$"
    )
    with pytest.raises(KernelError, match=wanted):
        net.with_weights({"w1": jnp.zeros((3, 3, 3, 4))})
    with pytest.raises(KernelError, match=wanted):
        net.output(IMAGES, weights={"w1": jnp.zeros((3, 3, 3, 4))})
    with pytest.raises(KernelError, match="got NaN or infinite values for weight 's'; wanted finite ones"):
        net.with_weights({"s": jnp.full(4, jnp.nan)})


def test_kernels_are_found_behind_activations_and_norms(net: OnnxNet) -> None:
    np.testing.assert_array_equal(net.kernel("act"), np.transpose(net.weights["w1"], (2, 3, 1, 0)))
    assert net.kernel("11").shape == (3, 3, 3, 4)
    assert net.kernel("left").shape == (3, 3, 2, 2)  # two groups of two channels
    assert [net.kernel_reads(name) for name in ("11", "act", "left")] == ["image", "image", "act"]


def test_a_layer_of_several_parts_has_no_one_kernel(net: OnnxNet) -> None:
    with pytest.raises(
        NetError,
        match=r"^net 'test' has no one convolution for layer 'joined': Concat makes it of 'left', 'act'\. "
        r"Ask for the kernel of one of these\.$",
    ):
        net.kernel("joined")


def test_a_net_with_several_outputs_has_no_answer(tmp_path: Path) -> None:
    proto = branching()
    proto.graph.output.add().CopyFrom(next(value for value in proto.graph.value_info if value.name == "act"))
    net = loaded(proto, tmp_path)
    with pytest.raises(NetError, match="net 'test' has 2 outputs, y, act; wanted one"):
        net.output(IMAGES)
    assert net.activations(IMAGES, ("act",))["act"].shape == (3, 10, 10, 4)
