"""Small ONNX models for tests, and onnxruntime's word on what a model computes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from circuitkit.nets.onnx_net import OnnxNet


def model(
    *nodes: onnx.NodeProto,
    weights: Mapping[str, np.ndarray] | None = None,
    image: Sequence[int | str] = (1, 3, 12, 12),
    opset: int = 13,
) -> onnx.ModelProto:
    """Returns a model from `image` to what the last node makes."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, image)],
        [helper.make_empty_tensor_value_info(nodes[-1].output[0])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (weights or {}).items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return onnx.shape_inference.infer_shapes(proto)  # the checker wants the output's shape


def node(op: str, *reads: str, makes: str = "y", **attributes: Any) -> onnx.NodeProto:
    """Returns a node that is named after what it makes."""
    return helper.make_node(op, list(reads), [makes], name=f"{makes}_node", **attributes)


def loaded(proto: onnx.ModelProto, folder: Path, *, name: str = "test") -> OnnxNet:
    """Returns the model as circuitkit loads it from a file."""
    path = folder / f"{name}.onnx"
    path.write_bytes(proto.SerializeToString())
    return OnnxNet.load(path)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def nchw(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(images, -1, 1))


def nhwc(maps: np.ndarray) -> np.ndarray:
    return np.moveaxis(maps, 1, -1) if maps.ndim == 4 else maps


def runtime_says(
    proto: onnx.ModelProto, images: np.ndarray, tensors: Sequence[str], weights: Mapping[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Returns what onnxruntime computes for NHWC images, one at a time; maps come back NHWC.

    Args:
        proto: The model.
        images: Images (batch, h, w, channel).
        tensors: Names of the tensors to return.
        weights: Values of those inputs of the model that are no images.
    """
    probe = onnx.ModelProto()
    probe.CopyFrom(proto)
    del probe.graph.output[:]
    probe.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in tensors)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (image,) = {value.name for value in session.get_inputs()} - set(weights or {})
    results = [session.run(list(tensors), {image: nchw(one[None]), **(weights or {})}) for one in images]
    return {name: np.concatenate([nhwc(result[index]) for result in results]) for index, name in enumerate(tensors)}


def error(got: Any, wanted: np.ndarray) -> float:
    """Returns the largest difference, relative to the largest value wanted."""
    got = np.asarray(got)
    if got.shape != wanted.shape:
        return np.inf
    return float(np.abs(got - wanted).max() / np.abs(wanted).max())
