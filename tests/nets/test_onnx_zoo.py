"""The nine zoo graphs that the onnx package ships, with random weights, compute what onnxruntime computes.

The package ships them without their weights. Random ones are drawn so that activations keep their size on the way.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from circuitkit.nets.onnx_net import OnnxNet
from tests.nets.onnx_models import error, noise, runtime_says

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
GRAPHS = (
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
)
FLOAT32_PATHS = 1e-4
SAMPLED = 10  # layers a graph; all of them where that is asked for


def role_of(proto: onnx.ModelProto) -> dict[str, tuple[str, int]]:
    """Which operator reads a tensor, and as which of its inputs; the way through a Reshape or Unsqueeze is followed."""
    roles = {name: (node.op_type, place) for node in proto.graph.node for place, name in enumerate(node.input)}
    for node in reversed(proto.graph.node):
        if node.op_type in {"Reshape", "Unsqueeze"}:
            roles[node.input[0]] = roles[node.output[0]]
    return roles


def drawn(net: OnnxNet, proto: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Random weights for every weight of the net, scaled by what they do."""
    rng, roles, weights = np.random.default_rng(0), role_of(proto), {}
    # Branches that are added up must be the smaller the more there are, or the logits saturate the softmax.
    gain = 0.6 if any(node.op_type == "Sum" for node in proto.graph.node) else 1.0
    for name, old in net.weights.items():
        match roles[name]:
            case ("Conv", 1) | ("Gemm", 1):
                fan_in = np.prod(old.shape[1:])
                weights[name] = rng.standard_normal(old.shape, np.float32) * np.float32(np.sqrt(2 / fan_in))
            case ("BatchNormalization", 1):
                weights[name] = rng.uniform(0.5 * gain, 1.5 * gain, old.shape).astype(np.float32)
            case ("BatchNormalization", 4) | ("Mul", _):
                weights[name] = rng.uniform(0.5, 1.5, old.shape).astype(np.float32)
            case _:  # biases and means
                weights[name] = rng.standard_normal(old.shape, np.float32) / 10
    return weights


def with_weights_as_inputs(proto: onnx.ModelProto, weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    """The graph, its weights no longer spelled out but taken as inputs."""
    kept = [node for node in proto.graph.node if node.output[0] not in weights]
    constants = [tensor for tensor in proto.graph.initializer if tensor.name not in weights]
    names = {tensor.name for tensor in proto.graph.initializer}
    images = [value for value in proto.graph.input if value.name not in names]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, w.shape) for name, w in weights.items()]
    graph = helper.make_graph(kept, "open", [*images, *inputs], proto.graph.output, constants)
    return helper.make_model(graph, opset_imports=proto.opset_import, ir_version=8)


@pytest.mark.parametrize("sampled", [SAMPLED, pytest.param(None, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", GRAPHS)
def test_outputs_and_layers_are_those_of_onnxruntime(name: str, sampled: int | None) -> None:
    path = FOLDER / f"light_{name}.onnx"
    proto = onnx.load(path)
    net = OnnxNet.load(path)
    weights = drawn(net, proto)
    images = noise(2, 224, 224, 3)  # the file says one image: two must do as well
    step = 1 if sampled is None else max(1, len(net.layers) // sampled)
    layers = tuple(dict.fromkeys([*tuple(net.layers)[::step], tuple(net.layers)[-1]]))
    (output,) = net.program.outputs
    theirs = runtime_says(with_weights_as_inputs(proto, weights), images, (*layers, output), weights)

    share = np.abs(theirs[output]).reshape(len(images), -1)
    assert (share.max(1) < 0.99 * share.sum(1)).all()  # a saturated softmax would hide the head's errors

    @jax.jit
    def ours(images: jax.Array, weights: dict[str, jax.Array]) -> dict[str, jax.Array]:
        return {output: net.output(images, weights=weights), **net.activations(images, layers, weights=weights)}

    for layer, values in ours(jnp.asarray(images), weights).items():
        assert 1e-3 < np.abs(theirs[layer]).max() < 1e6, layer  # neither faded nor blown up
        assert error(values, theirs[layer]) < FLOAT32_PATHS, layer


def test_the_comparison_notices_other_weights() -> None:
    path = FOLDER / "light_squeezenet.onnx"
    proto = onnx.load(path)
    net = OnnxNet.load(path)
    weights = drawn(net, proto)
    images = noise(1, 224, 224, 3)
    theirs = runtime_says(with_weights_as_inputs(proto, weights), images, ("r10",), weights)
    bent = {**jax.tree.map(jnp.asarray, weights), "conv1_w_0": jnp.asarray(weights["conv1_w_0"] * 1.001)}
    assert error(net.activations(jnp.asarray(images), ("r10",), weights=bent)["r10"], theirs["r10"]) > FLOAT32_PATHS
