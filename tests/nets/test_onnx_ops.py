"""Each operator, in each form that its opsets allow, computes what onnxruntime computes; so do its gradients."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from onnx import NodeProto

from tests.nets.onnx_models import error, loaded, model, nhwc, node, noise, runtime_says

FLOAT32_PATHS = 1e-5
IMAGES = noise(2, 12, 12, 3)

Case = tuple[list[NodeProto], dict[str, np.ndarray], int]


def case(*nodes: NodeProto, opset: int = 13, **weights: np.ndarray) -> Case:
    return list(nodes), weights, opset


def conv(**attributes: object) -> NodeProto:
    return node("Conv", "image", "w", "b", **attributes)


def conv_case(shape: tuple[int, ...], **attributes: object) -> Case:
    return case(conv(**attributes), w=noise(*shape), b=noise(shape[0]))


SOFTMAX_PRE = node("Conv", "image", "w", makes="x")

CASES = {
    "conv": conv_case((4, 3, 3, 3)),
    "conv, one-sided pads": conv_case((4, 3, 3, 5), pads=[0, 1, 2, 3]),
    "conv, stride and dilation": conv_case((4, 3, 3, 3), strides=[2, 1], dilations=[1, 3], pads=[1, 2, 0, 1]),
    "conv, groups": conv_case((6, 1, 3, 3), group=3),
    "conv, SAME_UPPER": conv_case((4, 3, 3, 4), auto_pad="SAME_UPPER", strides=[2, 3]),
    "conv, SAME_LOWER": conv_case((4, 3, 3, 4), auto_pad="SAME_LOWER", strides=[2, 3]),
    "conv, VALID": conv_case((4, 3, 3, 3), auto_pad="VALID"),
    "conv without bias": case(node("Conv", "image", "w"), w=noise(4, 3, 2, 2)),
    "max-pool": case(node("MaxPool", "image", kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 0, 1])),
    "max-pool, ceil": case(node("MaxPool", "image", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)),
    "max-pool, ceil, overhang dropped": case(
        node("MaxPool", "image", kernel_shape=[2, 2], strides=[3, 3], pads=[1, 1, 1, 1], ceil_mode=1)
    ),
    "max-pool, dilated": case(node("MaxPool", "image", kernel_shape=[3, 2], dilations=[2, 3], pads=[2, 0, 1, 1])),
    "max-pool, SAME_LOWER": case(node("MaxPool", "image", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER")),
    "average-pool": case(node("AveragePool", "image", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 0, 1, 2])),
    "average-pool, pads counted": case(
        node("AveragePool", "image", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 0, 1, 2], count_include_pad=1)
    ),
    "average-pool, ceil": case(
        node("AveragePool", "image", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1), opset=19
    ),
    "average-pool, ceil, pads counted": case(
        node(
            "AveragePool", "image", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, ceil_mode=1, count_include_pad=1
        ),
        opset=19,
    ),
    "average-pool, dilated": case(node("AveragePool", "image", kernel_shape=[3, 2], dilations=[2, 3]), opset=19),
    "average-pool, SAME_UPPER": case(
        node("AveragePool", "image", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")
    ),
    "global pools": case(
        node("GlobalAveragePool", "image", makes="mean"),
        node("GlobalMaxPool", "image", makes="most"),
        node("Sub", "most", "mean"),
    ),
    "batch norm": case(
        node("BatchNormalization", "image", "s", "b", "m", "v", epsilon=1e-3),
        s=noise(3),
        b=noise(3, seed=1),
        m=noise(3, seed=2),
        v=np.abs(noise(3, seed=3)),
    ),
    "batch norm of vectors": case(
        node("GlobalMaxPool", "image", makes="most"),
        node("Flatten", "most", makes="row"),
        node("BatchNormalization", "row", "s", "s", "s", "v"),
        s=noise(3),
        v=np.abs(noise(3, seed=3)),
    ),
    "LRN": case(node("LRN", "image", size=3, alpha=0.3, beta=0.6, bias=1.5)),
    "arithmetic by channel": case(
        node("Mul", "image", "c", makes="a"),
        node("Add", "a", "full", makes="b"),
        node("Div", "b", "column", makes="d"),
        node("Sub", "d", "one"),
        c=noise(3, 1, 1),
        full=noise(1, 3, 1, 1),
        column=1 + np.abs(noise(12)),
        one=np.float32(2),
    ),
    "sum of three": case(
        node("Relu", "image", makes="a"), node("Tanh", "image", makes="b"), node("Sum", "a", "b", "image")
    ),
    "activations": case(
        node("LeakyRelu", "image", makes="a", alpha=0.2),
        node("Sigmoid", "a", makes="b"),
        node("Identity", "b", makes="c"),
        node("Dropout", "c"),
    ),
    "clip, opset 6": case(node("Clip", "image", min=-0.5, max=0.25), opset=9),
    "clip, opset 11": case(node("Clip", "image", "", "high"), high=np.float32(0.25)),
    "concat by rows": case(
        node("Relu", "image", makes="a"),
        node("Concat", "a", "image", makes="b", axis=2),
        node("Concat", "b", "b", axis=-3),
    ),
    "pad, opset 2": case(node("Pad", "image", pads=[0, 0, 1, 2, 0, 1, 0, 3], value=0.5), opset=9),
    "pad, opset 11, cropping": case(
        node("Pad", "image", "pads", "fill"), pads=np.array([0, 0, -1, 2, 0, 0, 0, 3]), fill=np.float32(0.5)
    ),
    "pad, opset 18, named axes": case(
        node("Pad", "image", "pads", "", "axes"), pads=np.array([1, 2, 0, 3]), axes=np.array([-1, 2]), opset=18
    ),
    "softmax, opset 11": case(SOFTMAX_PRE, node("Softmax", "x"), w=noise(4, 3, 1, 1), opset=11),
    "softmax, opset 11, last axis": case(SOFTMAX_PRE, node("Softmax", "x", axis=-1), w=noise(4, 3, 1, 1), opset=11),
    "softmax, opset 13": case(SOFTMAX_PRE, node("Softmax", "x"), w=noise(4, 3, 1, 1)),
    "softmax, opset 13, channels": case(SOFTMAX_PRE, node("Softmax", "x", axis=1), w=noise(4, 3, 1, 1)),
    "gemm": case(
        node("Flatten", "image", makes="row"),
        node("Gemm", "row", "w", "b", alpha=0.5, beta=2.0),
        w=noise(432, 5),
        b=noise(5),
    ),
    "gemm, transposed, no bias": case(
        node("Flatten", "image", makes="row"), node("Gemm", "row", "w", transB=1), w=noise(5, 432)
    ),
    "matmul": case(
        node("Reshape", "image", "shape", makes="row"),
        node("MatMul", "row", "w"),
        w=noise(432, 5),
        shape=np.array([1, -1]),
    ),
    "matmul of maps": case(node("MatMul", "image", "w"), w=noise(12, 5)),
    "channel shuffle": case(
        node("Concat", "image", "image", makes="six", axis=1),
        node("Reshape", "six", "five", makes="a"),
        node("Transpose", "a", makes="b", perm=[0, 2, 1, 3, 4]),
        node("Reshape", "b", "four"),
        five=np.array([1, 2, 3, 12, 12]),
        four=np.array([0, 6, 12, -1]),
    ),
    "reversed axes": case(
        node("Flatten", "image", makes="row"),
        node("Transpose", "w", makes="wt"),
        node("MatMul", "row", "wt"),
        w=noise(5, 432),
    ),
    "squeeze and unsqueeze, opset 9": case(
        node("GlobalAveragePool", "image", makes="a"),
        node("Squeeze", "a", makes="b", axes=[2, 3]),
        node("Unsqueeze", "b", axes=[2, 3]),
        opset=9,
    ),
    "squeeze and unsqueeze, opset 13": case(
        node("GlobalAveragePool", "image", makes="a"),
        node("Squeeze", "a", "axes", makes="b"),
        node("Unsqueeze", "b", "axes", makes="c"),
        node("Mul", "image", "c"),
        axes=np.array([2, -1]),
    ),
    "mean over places": case(node("ReduceMean", "image", axes=[2, -1], keepdims=0)),
    "mean over places, opset 18": case(node("ReduceMean", "image", "axes"), axes=np.array([3]), opset=18),
    "constants that nodes spell out": case(
        node("Constant", makes="c", value_floats=[1.0, 2.0, 3.0]),
        node("Unsqueeze", "c", "axes", makes="u"),
        node("Mul", "image", "u", makes="m"),
        node("ConstantOfShape", "shape", makes="zeros"),
        node("Add", "m", "zeros"),
        axes=np.array([1, 2]),
        shape=np.array([12]),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_results_are_those_of_onnxruntime(name: str, tmp_path: Path) -> None:
    nodes, weights, opset = CASES[name]
    proto = model(*nodes, weights=weights, opset=opset)
    net = loaded(proto, tmp_path)
    assert error(jax.jit(net.output)(jnp.asarray(IMAGES)), runtime_says(proto, IMAGES, ["y"])["y"]) < FLOAT32_PATHS


def test_the_comparison_notices_an_opset(tmp_path: Path) -> None:
    """Softmax means other things before and after opset 13; so must the comparison."""
    nodes, weights, _ = CASES["softmax, opset 13"]
    old = loaded(model(*nodes, weights=weights, opset=11), tmp_path)
    new = runtime_says(model(*nodes, weights=weights, opset=13), IMAGES, ["y"])["y"]
    assert error(old.output(jnp.asarray(IMAGES)), new) > 0.1


@pytest.mark.parametrize("name", ["conv, stride and dilation", "average-pool, ceil", "batch norm", "LRN"])
def test_gradients_are_slopes(name: str, tmp_path: Path) -> None:
    nodes, weights, opset = CASES[name]
    net = loaded(model(*nodes, weights=weights, opset=opset), tmp_path)
    check_grads(
        lambda x: net.output(jnp.asarray(x)), (jnp.asarray(IMAGES[:1]),), order=1, modes=("rev",), eps=0.1, rtol=0.02
    )


@pytest.mark.parametrize("name", ["max-pool", "max-pool, ceil", "max-pool, dilated"])
def test_a_max_pool_passes_the_gradient_to_the_largest(name: str, tmp_path: Path) -> None:
    nodes, weights, opset = CASES[name]
    net = loaded(model(*nodes, weights=weights, opset=opset), tmp_path)
    images = jnp.asarray(IMAGES[:1])
    pooled, back = jax.vjp(jax.jit(net.output), images)
    (gradient,) = back(jnp.ones_like(pooled))
    assert gradient.sum() == pooled.size  # every window passes on what it gets
    winners = np.isin(np.asarray(images), np.asarray(pooled))
    np.testing.assert_array_equal(np.asarray(gradient) != 0, winners)


def test_maps_come_back_with_channels_last(tmp_path: Path) -> None:
    net = loaded(model(node("Relu", "image")), tmp_path)
    np.testing.assert_array_equal(net.output(jnp.asarray(IMAGES)), np.maximum(IMAGES, 0))
    assert nhwc(np.zeros((1, 3, 4, 5))).shape == (1, 4, 5, 3)
