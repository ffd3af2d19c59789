"""Whatever a net cannot compute exactly as its file says is refused when it is loaded, with a way out."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from circuitkit.errors import NetError
from circuitkit.nets.onnx_net import OnnxNet
from tests.nets.onnx_models import loaded, model, node, noise

W = {"w": noise(4, 3, 3, 3)}


def plain() -> onnx.ModelProto:
    return model(node("Conv", "image", "w"), weights=W)


def refused(message: str) -> Any:
    return pytest.raises(NetError, match=re.escape(message))


def unchecked(*nodes: onnx.NodeProto, weights: dict[str, np.ndarray], opset: int = 13) -> onnx.ModelProto:
    """A model whose shapes nobody could work out, so its output's is anyone's guess."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, 12, 12))],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, (1,))],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def test_the_plain_net_that_these_tests_spoil_is_fine(tmp_path: Path) -> None:
    assert list(loaded(plain(), tmp_path).layers) == ["y"]


def test_no_file(tmp_path: Path) -> None:
    with refused("net.onnx': No such file or directory. Wanted the path of an ONNX file (*.onnx)."):
        OnnxNet.load(tmp_path / "net.onnx")
    with refused(f"cannot read '{tmp_path}': Is a directory"):
        OnnxNet.load(tmp_path)


@pytest.mark.parametrize("content", [b"\x80\x04\x95pickle", b"no net at all" * 9, plain().SerializeToString()[:-40]])
def test_another_file_or_half_of_one(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with refused(
        f"'{path}' ({len(content)} bytes) is no ONNX file, or only the first part of one. "
        "Compare its size with the source's, and download or export it again."
    ):
        OnnxNet.load(path)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").touch()
    with refused("net.onnx' is empty; wanted an ONNX file. Download or export it again."):
        OnnxNet.load(tmp_path / "net.onnx")


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    whole = plain().SerializeToString()
    path = tmp_path / "net.onnx"
    for length in range(1, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(NetError, match="no ONNX file|not a valid ONNX file"):
            OnnxNet.load(path)


def test_tensors_in_other_files_are_not_followed(tmp_path: Path) -> None:
    proto = plain()
    (tmp_path / "w.bin").write_bytes(proto.graph.initializer[0].raw_data)
    onnx.external_data_helper.set_external_data(proto.graph.initializer[0], "w.bin")
    proto.graph.initializer[0].ClearField("raw_data")
    with refused("test.onnx' keeps tensor 'w' in another file, which circuitkit does not follow. Save it as one file"):
        loaded(proto, tmp_path)


def test_a_tensor_that_is_not_its_shape(tmp_path: Path) -> None:
    proto = plain()
    proto.graph.initializer[0].raw_data += b"1234"
    with refused("Download it again, or export it anew."):
        loaded(proto, tmp_path)


def test_a_constant_of_absurd_size(tmp_path: Path) -> None:
    proto = unchecked(
        node("ConstantOfShape", "n", makes="c"), node("Add", "image", "c"), weights={"n": np.array([2**40])}
    )
    with refused("describes a constant 'c' of shape (1099511627776,); wanted sizes of 0 or more and at most 536870912"):
        loaded(proto, tmp_path)


def test_two_inputs_or_none(tmp_path: Path) -> None:
    proto = plain()
    proto.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, (1, 1)))
    with refused("takes 2 inputs ('image', 'mask'); wanted one, the images."):
        loaded(proto, tmp_path)
    with refused("takes 0 inputs (none); wanted one, the images."):
        fixed = model(node("Relu", "w"), weights=W)
        del fixed.graph.input[:]
        loaded(fixed, tmp_path)


@pytest.mark.parametrize(
    ("shape", "said"), [((1, 3, 12), "(1, 3, 12)"), (("n", "c", 12, 12), "(?, ?, 12, 12)"), ((), "()")]
)
def test_inputs_that_are_no_images(shape: tuple[int | str, ...], said: str, tmp_path: Path) -> None:
    with refused(f"takes 'image' of shape {said}; wanted (batch, channels, rows, columns) with a fixed number"):
        loaded(model(node("Relu", "image"), image=shape), tmp_path)


def test_images_with_channels_last(tmp_path: Path) -> None:
    proto = model(node("Transpose", "image", perm=[0, 3, 1, 2]), image=(1, 12, 12, 3))
    with refused("net 'test': a Transpose turns the images themselves, so they are wanted channels last. Export"):
        loaded(proto, tmp_path)


def test_old_opsets(tmp_path: Path) -> None:
    with refused("uses ONNX opset 6; wanted 7 or later. Convert it: onnx.version_converter"):
        loaded(model(node("Relu", "image"), opset=6), tmp_path)


def test_all_unsupported_operators_are_listed_at_once(tmp_path: Path) -> None:
    proto = unchecked(
        *(node("Erf", "image", makes=f"e{i}") for i in range(4)),
        node("Conv", "e0", "w", makes="c"),
        node("Gelu", "c", makes="g", domain="com.example"),
        weights=W,
    )
    proto.opset_import.append(helper.make_opsetid("com.example", 1))
    with refused(
        "net 'test' uses 2 operators that circuitkit does not run: "
        "Erf (4 nodes: 'e0_node', 'e1_node', 'e2_node', ...); com.example.Gelu (1 node: 'g_node'). "
        "It runs Add, AveragePool, "
    ):
        loaded(proto, tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(value: float, tmp_path: Path) -> None:
    weights = {"w": W["w"].copy()}
    weights["w"][0, 1, 2, 0] = value
    with refused("net 'test': weight 'w' of shape (4, 3, 3, 3) holds 1 values that are NaN or infinite; wanted finite"):
        loaded(model(node("Conv", "image", "w"), weights=weights), tmp_path)


def test_weights_of_another_type(tmp_path: Path) -> None:
    proto = model(node("Mul", "image", "n"), weights={"n": np.array(2)})
    with refused("net 'test': Mul node 'y_node' reads 'n' of int64; wanted float32. Convert the net to float32"):
        loaded(proto, tmp_path)


OPTIONS = {
    "a batch's own statistics": (
        node("BatchNormalization", "image", "s", "s", "s", "s", training_mode=1),
        15,
        "normalizes by the batch, or each place on its own; wanted stored statistics per channel",
    ),
    "statistics of each place": (node("BatchNormalization", "image", "s", "s", "s", "s", spatial=0), 7, "each place"),
    "dropping at random": (node("Dropout", "image", "", "yes"), 13, "drops units at random (training_mode)"),
    "pads that hide the map": (
        node("MaxPool", "image", kernel_shape=[2, 2], pads=[2, 0, 0, 0]),
        13,
        "pads by ((2, 0), (0, 0)), so that a window of (2, 2) may see nothing but padding",
    ),
    "negative pads": (node("MaxPool", "image", kernel_shape=[2, 2], pads=[-1, 0, 0, 0]), 13, "has pads=[-1, 0, 0, 0]"),
    "two pads": (node("Conv", "image", "w", pads=[1, 1]), 13, "has pads=[1, 1]; wanted four numbers, none below zero"),
    "an unknown auto_pad": (
        node("MaxPool", "image", kernel_shape=[2, 2], auto_pad="FULL"),
        13,
        "has auto_pad='FULL'; wanted NOTSET, VALID, SAME_UPPER or SAME_LOWER",
    ),
    "another kernel_shape": (
        node("Conv", "image", "w", kernel_shape=[5, 5]),
        13,
        "has a kernel of shape (4, 3, 3, 3) and kernel_shape=[5, 5]; wanted",
    ),
    "a window with no middle": (node("LRN", "image", size=2), 13, "normalizes over 2 channels; wanted an odd number"),
    "one stride": (node("Conv", "image", "w", strides=[2]), 13, "has strides=[2]; wanted two positive numbers"),
    "reflected borders": (
        node("Pad", "image", "pads", mode="reflect"),
        13,
        "pads by mode 'reflect' and (0, 0, 1, 1, 0, 0, 1, 1); wanted constant borders",
    ),
    "a reshape of the batch": (
        node("Reshape", "image", "three"),
        13,
        "reshapes to (3, -1), so that the images of a batch would mix; wanted 0, -1 or the file's own batch size (1)",
    ),
    "a reshape that means zero": (node("Reshape", "image", "three", allowzero=1), 14, "allowzero=1"),
    "a flattened batch": (node("Flatten", "image", axis=0), 13, "has axis=0, so that the images of a batch would mix"),
    "a softmax over images": (node("Softmax", "image", axis=0), 13, "has axis=0, so that the images of a batch"),
    "a mean over images": (
        node("ReduceMean", "image", axes=[0, 1]),
        13,
        "takes the mean over axes (0, 1); wanted axes",
    ),
    "a batch that moves": (
        node("Transpose", "image", perm=[1, 0, 2, 3]),
        13,
        "a Transpose turns the images themselves",
    ),
    "a computed shape": (
        node("Reshape", "image", "image"),
        13,
        "reads 'image', which the graph computes; wanted a constant",
    ),
    "kernels that do not fit": (
        node("Conv", "image", "w", group=3),
        13,
        "the Conv that makes 'y' cannot take values of shape (n, 3, 12, 12) and (4, 3, 3, 3)",
    ),
    "a window larger than the map": (
        node("MaxPool", "image", kernel_shape=[13, 1]),
        13,
        "the MaxPool that makes 'y' leaves nothing of values of shape (n, 3, 12, 12)",
    ),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_that_would_be_computed_wrongly(name: str, tmp_path: Path) -> None:
    spoilt, opset, message = OPTIONS[name]
    weights = {
        **W,
        "s": np.ones(3, np.float32),
        "yes": np.array(True),
        "pads": np.array([0, 0, 1, 1] * 2),
        "three": np.array([3, -1]),
    }
    used = {name: weights[name] for name in spoilt.input if name in weights}
    with refused(message):
        loaded(unchecked(spoilt, node("Identity", "y", makes="out"), weights=used, opset=opset), tmp_path)


def test_a_batch_moved_on_the_way(tmp_path: Path) -> None:
    proto = model(node("Relu", "image", makes="x"), node("Transpose", "x", perm=[1, 0, 2, 3]))
    with refused("net 'test': Transpose node 'y_node' moves or repeats the batch, so that images would mix"):
        loaded(proto, tmp_path)


def test_images_multiplied_by_one_another(tmp_path: Path) -> None:
    proto = model(node("Flatten", "image", makes="row"), node("Gemm", "row", "row", transB=1))
    with refused("net 'test': Gemm node 'y_node' moves or repeats the batch, so that images would mix. Export the net"):
        loaded(proto, tmp_path)


def test_indices_of_a_max_pool(tmp_path: Path) -> None:
    proto = model(node("MaxPool", "image", kernel_shape=[2, 2]))
    proto.graph.node[0].output.append("where")
    with refused("net 'test': MaxPool node 'y_node' also makes 'where'; only the first result is supported. Export"):
        loaded(proto, tmp_path)


def test_attributes_that_no_one_reads_are_refused() -> None:
    """The checker knows every attribute of today; one of tomorrow must not pass in silence."""
    from circuitkit.nets.onnx_bind import NodeReader, bind
    from circuitkit.nets.onnx_graph import Node

    tomorrow = Node("Relu", "r", ("x",), ("y",), {"slope": 0.5})
    reader = NodeReader(tomorrow, opset=99, owner="net 'n': r", shapes=[(1, 3, 4, 4)], constants={}, batch=None)
    with refused("net 'n': r has an attribute slope=0.5, which is not supported. Export the net without it"):
        bind(reader)
