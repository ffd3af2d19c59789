"""Reads an ONNX file into plain values: its nodes, its weights and the image it takes.

Everything comes out of the one file: nothing is unpickled, and tensors that the file keeps in other files are
refused instead of followed. What the operators mean is no business of this module; see `onnx_bind`.
"""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from circuitkit.errors import NetError

if TYPE_CHECKING:
    import onnx

# Before 7, Add and Mul broadcast by an attribute and BatchNormalization and Dropout carry a training flag.
OLDEST_OPSET = 7
# A file of 2 GiB is the largest that protobuf reads, so a constant it merely describes must not be larger.
LARGEST_CONSTANT = 2**29


@dataclasses.dataclass(frozen=True)
class Node:
    """One operator of the graph.

    Attributes:
        op: What it does, with its domain in front if that is not ONNX's own: `Conv`, `com.microsoft.Gelu`.
        name: Its own name, often empty.
        reads: Names of the tensors it takes, empty where it leaves an optional one out.
        makes: Names of the tensors it makes.
        attributes: Its options as Python values; a tensor is an array.
    """

    op: str
    name: str
    reads: tuple[str, ...]
    makes: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Graph:
    """What an ONNX file says.

    Attributes:
        file: Its path, for messages.
        opset: Version of ONNX's own operators.
        image: Name of the tensor that the images enter by.
        image_shape: (batch, channels, rows, columns) of it; None where the file leaves one open.
        outputs: Names of the tensors it returns.
        nodes: Its operators; each comes after those that it reads from.
        constants: Tensors that do not depend on the image, by name, as the file has them.
    """

    file: str
    opset: int
    image: str
    image_shape: tuple[int | None, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, np.ndarray]


def read_graph(path: str | os.PathLike[str]) -> Graph:
    """Returns what the ONNX file at `path` says.

    Raises:
        NetError: If there is no such file, or it is no complete ONNX file, keeps tensors in other files, takes
            anything but one batch of images, or is older than opset 7.
    """
    file = os.fspath(path)
    if not Path(file).exists():  # said before it is said that onnx is missing
        raise NetError(f"cannot read {file!r}: No such file or directory. Wanted the path of an ONNX file (*.onnx).")
    try:
        import onnx
    except ImportError as error:
        raise NetError(
            f'reading {file!r} needs the package onnx: pip install "circuitkit[nets]", or pip install onnx.'
        ) from error
    model = _parse(file)
    for tensor in _tensors(model.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise NetError(
                f"{file!r} keeps tensor {tensor.name!r} in another file, which circuitkit does not follow. "
                "Save it as one file: onnx.save(onnx.load(path), path, save_as_external_data=False)."
            )
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise NetError(
            f"{file!r} is not a valid ONNX file: {_first_line(error)} Download it again, or export it anew."
        ) from error

    opset = max((entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}), default=0)
    if opset < OLDEST_OPSET:
        raise NetError(
            f"{file!r} uses ONNX opset {opset}; wanted {OLDEST_OPSET} or later. "
            "Convert it: onnx.version_converter.convert_version(model, 13)."
        )
    constants = {tensor.name: _array(file, tensor) for tensor in model.graph.initializer}
    nodes = []
    for proto in model.graph.node:
        node = _node(file, proto)
        constant = _constant(file, node, constants)
        if constant is None:
            nodes.append(node)
        else:
            constants[node.makes[0]] = constant
    image, image_shape = _image(file, model.graph)
    return Graph(
        file=file,
        opset=opset,
        image=image,
        image_shape=image_shape,
        outputs=tuple(output.name for output in model.graph.output),
        nodes=tuple(nodes),
        constants=constants,
    )


def _parse(file: str) -> "onnx.ModelProto":
    """Returns the file as a protobuf message, not yet checked."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        data = Path(file).read_bytes()
    except OSError as error:
        raise NetError(f"cannot read {file!r}: {error.strerror}. Wanted the path of an ONNX file (*.onnx).") from error
    if not data:
        raise NetError(f"{file!r} is empty; wanted an ONNX file. Download or export it again.")
    try:
        return onnx.load_model_from_string(data)
    except DecodeError as error:
        raise NetError(
            f"{file!r} ({len(data)} bytes) is no ONNX file, or only the first part of one. "
            "Compare its size with the source's, and download or export it again."
        ) from error


def _tensors(graph: "onnx.GraphProto") -> Iterator["onnx.TensorProto"]:
    """Yields every tensor that the graph holds, those in its nodes' attributes included."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield sparse.values
        yield sparse.indices
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            for part in (attribute.g, *attribute.graphs):
                yield from _tensors(part)


def _array(file: str, tensor: "onnx.TensorProto") -> np.ndarray:
    """Returns the tensor's values."""
    from onnx import numpy_helper

    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError) as error:
        raise NetError(
            f"{file!r} holds tensor {tensor.name!r} of shape {tuple(tensor.dims)} with other contents: "
            f"{_first_line(error)} Download it again, or export it anew."
        ) from error


def _node(file: str, proto: "onnx.NodeProto") -> Node:
    """Returns the node as a plain value."""
    import onnx

    attributes = {}
    for attribute in proto.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        attributes[attribute.name] = _array(file, value) if isinstance(value, onnx.TensorProto) else value
    own = proto.domain in {"", "ai.onnx"}
    return Node(
        op=proto.op_type if own else f"{proto.domain}.{proto.op_type}",
        name=proto.name,
        reads=tuple(proto.input),
        makes=tuple(proto.output),
        attributes=attributes,
    )


def _constant(file: str, node: Node, constants: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Returns what the node makes if it only spells out a tensor, else None."""
    if node.op == "Constant":
        for form, dtype in {"value": None, "value_float": np.float32, "value_floats": np.float32}.items():
            if form in node.attributes:
                return np.asarray(node.attributes[form], dtype)
        for form in ("value_int", "value_ints"):
            if form in node.attributes:
                return np.asarray(node.attributes[form], np.int64)
    if node.op == "ConstantOfShape" and node.reads[0] in constants:
        shape = [int(n) for n in constants[node.reads[0]]]
        if min(shape, default=0) < 0 or np.prod(shape, dtype=float) > LARGEST_CONSTANT:
            raise NetError(
                f"{file!r} describes a constant {node.makes[0]!r} of shape {tuple(shape)}; wanted sizes of 0 or more "
                f"and at most {LARGEST_CONSTANT} values in all. Export the file anew."
            )
        fill = node.attributes.get("value", np.zeros(1, np.float32))
        return np.full(shape, fill.item(), fill.dtype)
    return None


def _image(file: str, graph: "onnx.GraphProto") -> tuple[str, tuple[int | None, ...]]:
    """Returns the name and the shape of the one input that is no weight."""
    weights = {tensor.name for tensor in graph.initializer}
    images = [value for value in graph.input if value.name not in weights]
    if len(images) != 1:
        names = ", ".join(repr(value.name) for value in images) or "none"
        raise NetError(
            f"{file!r} takes {len(images)} inputs ({names}); wanted one, the images. "
            "Export the part of the net that sees one image."
        )
    name, dims = images[0].name, images[0].type.tensor_type.shape.dim
    shape = tuple(dim.dim_value if dim.dim_value > 0 else None for dim in dims)
    if len(shape) != 4 or shape[1] is None:
        said = tuple("?" if n is None else n for n in shape)
        raise NetError(
            f"{file!r} takes {name!r} of shape ({', '.join(map(str, said))}); wanted (batch, channels, rows, columns) "
            "with a fixed number of channels. Export it with images as its input."
        )
    return name, shape


def _first_line(error: Exception) -> str:
    """Returns the start of what the error says, ending in a full stop."""
    return f"{(str(error).strip().splitlines() or [type(error).__name__])[0].rstrip('.')}."
