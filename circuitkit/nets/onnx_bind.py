"""Binds each node of an ONNX graph to the function that computes it, once, when its file is loaded.

A node's options and constant inputs are read here, and one that its operator does not understand is refused: a net
that loads computes what its file means. `OPS` is the table of all operators; `onnx_ops` has what they do.
"""

import dataclasses
import enum
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from circuitkit.errors import NetError
from circuitkit.nets import onnx_ops as ops
from circuitkit.nets.onnx_graph import Node
from circuitkit.nets.onnx_ops import Pads, Value, Window
from circuitkit.receptive_field import Pair


class Sight(enum.Enum):
    """What a unit sees of the maps below, where that is no window."""

    WHOLE = "the whole map"
    NO_MAP = "the result is no map: its units have no place"


OWN_PLACE = Window()


@dataclasses.dataclass(frozen=True)
class Op:
    """A node, ready to run.

    Attributes:
        run: Makes the result from the values that the node reads, constants it has already used left out.
        sight: What a unit of the result sees of a map that is read.
    """

    run: Callable[..., Value]
    sight: Window | Sight = OWN_PLACE


class NodeReader:
    """A node in its place, with what is known of its inputs; remembers what has been read.

    Args:
        node: The node.
        opset: Version of ONNX's operators.
        owner: The net and node, for messages.
        shapes: Shape of each input in ONNX's axes, () where it is left out or a constant without axes.
        constants: Values of the inputs that do not depend on the image and are no result of another node.
        batch: Lengths that a Reshape may give the first axis when it means the batch; None for an input that does
            not depend on the image.
    """

    def __init__(
        self,
        node: Node,
        *,
        opset: int,
        owner: str,
        shapes: Sequence[tuple[int, ...]],
        constants: Mapping[int, np.ndarray],
        batch: frozenset[int] | None,
    ) -> None:
        self.node = node
        self.opset = opset
        self.shapes = shapes
        self.batch = batch
        self.used: set[int] = set()
        self._owner = owner
        self._constants = constants
        self._unread = set(node.attributes)

    def refuse(self, reason: str) -> NetError:
        """Returns the error for a node that cannot be run as its file wants it."""
        return NetError(
            f"{self._owner} {reason}. Export the net without it, or ask for a net in the form of the ONNX model zoo."
        )

    def check_all_read(self) -> None:
        """Raises a NetError if the node says something that its operator did not ask for."""
        if self._unread:
            name = min(self._unread)
            raise self.refuse(f"has an attribute {name}={self.node.attributes[name]!r}, which is not supported")

    def ignore(self, *names: str) -> None:
        """Passes over attributes that change nothing in a forward pass."""
        self._unread.difference_update(names)

    def number(self, name: str, default: float) -> float:
        """Returns an attribute that is one number."""
        self._unread.discard(name)
        return float(self.node.attributes.get(name, default))

    def integer(self, name: str, default: int) -> int:
        """Returns an attribute that is one whole number."""
        return int(self.number(name, default))

    def integers(self, name: str) -> tuple[int, ...] | None:
        """Returns an attribute that is a list of whole numbers, or None."""
        self._unread.discard(name)
        return tuple(map(int, self.node.attributes[name])) if name in self.node.attributes else None

    def word(self, name: str, default: str) -> str:
        """Returns an attribute that is a word."""
        self._unread.discard(name)
        value = self.node.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else str(value)

    def pair(self, name: str) -> Pair:
        """Returns an attribute that says something of rows and columns; (1, 1) if it is left out."""
        values = self.integers(name) or (1, 1)
        if len(values) != 2 or min(values) < 1:
            raise self.refuse(f"has {name}={list(values)}; wanted two positive numbers, for rows and columns")
        return values[0], values[1]

    def has(self, index: int) -> bool:
        """Returns whether the node has an input at `index`."""
        return index < len(self.node.reads) and self.node.reads[index] != ""

    def constant(self, index: int) -> np.ndarray | None:
        """Returns an input that must be known when the net is loaded, or None if it is left out."""
        if not self.has(index):
            return None
        self.used.add(index)
        if index not in self._constants:
            raise self.refuse(
                f"reads {self.node.reads[index]!r}, which the graph computes; wanted a constant that the file holds"
            )
        return self._constants[index]

    def listed(self, name: str, index: int) -> tuple[int, ...] | None:
        """Returns whole numbers that are an attribute in older opsets and an input in newer ones, or None."""
        values = self.constant(index)
        return self.integers(name) if values is None else tuple(int(n) for n in values.reshape(-1))

    def scalar(self, name: str, index: int, default: float) -> float:
        """Returns a number that is an attribute in older opsets and an input in newer ones."""
        value = self.constant(index)
        return self.number(name, default) if value is None else float(value.reshape(()))

    def window(self, kernel: Pair) -> Window:
        """Returns the window of `kernel` that the node slides over a map."""
        if len(self.shapes[0]) != 4:
            raise self.refuse(f"slides over a value of shape {self.shapes[0]}; wanted (batch, channels, rows, columns)")
        rule = self.word("auto_pad", "NOTSET")
        pads = self.integers("pads") or (0, 0, 0, 0)
        if len(pads) != 4 or min(pads) < 0:
            raise self.refuse(f"has pads={list(pads)}; wanted four numbers, none below zero")
        top, left, bottom, right = pads
        padding: Pads | Literal["SAME_UPPER", "SAME_LOWER"] = ((top, bottom), (left, right))
        if rule == "SAME_UPPER":
            padding = "SAME_UPPER"
        elif rule == "SAME_LOWER":
            padding = "SAME_LOWER"
        elif rule == "VALID":
            padding = ((0, 0), (0, 0))
        elif rule != "NOTSET":
            raise self.refuse(f"has auto_pad={rule!r}; wanted NOTSET, VALID, SAME_UPPER or SAME_LOWER")
        return Window(kernel, self.pair("strides"), self.pair("dilations"), padding, bool(self.integer("ceil_mode", 0)))


def _bind_conv(node: NodeReader) -> Op:
    shape = node.shapes[1]
    kernel = node.integers("kernel_shape") or shape[2:]
    if len(shape) != 4 or kernel != shape[2:]:
        raise node.refuse(f"has a kernel of shape {shape} and kernel_shape={list(kernel)}; wanted (out, in, h, w)")
    window = node.window((shape[2], shape[3]))
    return Op(functools.partial(ops.conv, window=window, groups=node.integer("group", 1)), window)


def _pool_window(node: NodeReader) -> Window:
    window = node.window(node.pair("kernel_shape"))
    spans = ((k - 1) * d + 1 for k, d in zip(window.kernel, window.dilations, strict=True))
    if not isinstance(window.pads, str) and any(max(p) >= s for p, s in zip(window.pads, spans, strict=True)):
        raise node.refuse(f"pads by {window.pads}, so that a window of {window.kernel} may see nothing but padding")
    return window


def _bind_max_pool(node: NodeReader) -> Op:
    node.ignore("storage_order")  # orders the indices, which `bind` refuses
    window = _pool_window(node)
    return Op(functools.partial(ops.max_pool, window=window), window)


def _bind_average_pool(node: NodeReader) -> Op:
    window = _pool_window(node)
    count_pads = bool(node.integer("count_include_pad", 0))
    return Op(functools.partial(ops.average_pool, window=window, count_pads=count_pads), window)


def _bind_batch_normalization(node: NodeReader) -> Op:
    node.ignore("momentum")
    if node.integer("training_mode", 0) or not node.integer("spatial", 1):
        raise node.refuse("normalizes by the batch, or each place on its own; wanted stored statistics per channel")
    return Op(functools.partial(ops.batch_normalization, epsilon=node.number("epsilon", 1e-5)))


def _bind_lrn(node: NodeReader) -> Op:
    if len(node.shapes[0]) != 4:
        raise node.refuse(f"normalizes a value of shape {node.shapes[0]}; wanted (batch, channels, rows, columns)")
    size = node.integer("size", 1)
    if size % 2 == 0:  # onnxruntime refuses these too, so nothing says which way they lean
        raise node.refuse(f"normalizes over {size} channels; wanted an odd number, with the unit's own in the middle")
    return Op(
        functools.partial(
            ops.local_response_normalization,
            size=size,
            alpha=node.number("alpha", 1e-4),
            beta=node.number("beta", 0.75),
            bias=node.number("bias", 1.0),
        )
    )


def _bind_dropout(node: NodeReader) -> Op:
    node.ignore("ratio", "seed")
    node.constant(1)
    training = node.constant(2)
    if training is not None and training.any():
        raise node.refuse("drops units at random (training_mode); wanted a net exported for inference")
    return Op(ops.identity)


def _bind_clip(node: NodeReader) -> Op:
    low, high = node.scalar("min", 1, -math.inf), node.scalar("max", 2, math.inf)
    return Op(functools.partial(jnp.clip, min=low, max=high))


def _bind_leaky_relu(node: NodeReader) -> Op:
    return Op(functools.partial(jax.nn.leaky_relu, negative_slope=node.number("alpha", 0.01)))


def _bind_concat(node: NodeReader) -> Op:
    rank = len(node.shapes[0])
    axis = node.integer("axis", 1)
    channels = axis % rank == 1
    return Op(functools.partial(ops.concat, axis=axis), OWN_PLACE if channels else Sight.NO_MAP)


def _bind_gemm(node: NodeReader) -> Op:
    run = functools.partial(
        ops.gemm,
        alpha=node.number("alpha", 1.0),
        beta=node.number("beta", 1.0),
        transpose_a=bool(node.integer("transA", 0)),
        transpose_b=bool(node.integer("transB", 0)),
    )
    return Op(run, Sight.NO_MAP)


def _bind_softmax(node: NodeReader) -> Op:
    rank = len(node.shapes[0])
    axis = node.integer("axis", 1 if node.opset < 13 else -1) % rank
    if axis == 0:
        raise node.refuse("has axis=0, so that the images of a batch would mix; wanted 1 or later")
    if node.opset < 13:
        return Op(functools.partial(ops.flat_softmax, axis=axis), Sight.NO_MAP)
    return Op(functools.partial(ops.softmax, axis=axis), OWN_PLACE if axis == 1 else Sight.NO_MAP)


def _bind_flatten(node: NodeReader) -> Op:
    axis = node.integer("axis", 1)
    if axis % max(len(node.shapes[0]), 2) != 1:
        raise node.refuse(f"has axis={axis}, so that the images of a batch would mix; wanted 1")
    return Op(ops.flatten, Sight.NO_MAP)


def _bind_reshape(node: NodeReader) -> Op:
    """Binds a Reshape to what it means: the batch stays, and so does a map's size, whatever the file wrote down."""
    given, wanted = node.shapes[0], node.listed("shape", 1)
    if wanted is None or node.integer("allowzero", 0):
        raise node.refuse("has no shape or allowzero=1; wanted a shape in which 0 keeps an axis")
    wanted = tuple(given[i] if n == 0 and i < len(given) else n for i, n in enumerate(wanted))
    if node.batch is None:
        return Op(functools.partial(ops.reshape, shape=wanted, lead=0, tail=0), Sight.NO_MAP)
    if not wanted or wanted[0] not in node.batch | {-1, given[0]}:
        raise node.refuse(
            f"reshapes to {wanted}, so that the images of a batch would mix; "
            f"wanted 0, -1 or the file's own batch size ({min(node.batch, default=1)}) in front"
        )
    # The two last axes of a map are written down as this file's image size makes them; others must do as well.
    rest = math.prod(n for n in wanted[1:] if n != -1)
    size = tuple(math.prod(given[1:]) // rest if n == -1 else n for n in wanted[-2:])
    keeps_map = min(len(given), len(wanted)) >= 4 and given[-2:] == size
    run = functools.partial(ops.reshape, shape=wanted, lead=1, tail=2 if keeps_map else 0)
    return Op(run, OWN_PLACE if keeps_map else Sight.NO_MAP)


def _bind_transpose(node: NodeReader) -> Op:
    rank = len(node.shapes[0])
    order = node.integers("perm") or tuple(reversed(range(rank)))
    in_place = rank >= 4 and order[0] == 0 and order[-2:] == (rank - 2, rank - 1)
    return Op(functools.partial(ops.transpose, order=order), OWN_PLACE if in_place else Sight.NO_MAP)


def _bind_unsqueeze(node: NodeReader) -> Op:
    return Op(functools.partial(ops.unsqueeze, axes=node.listed("axes", 1) or ()), Sight.NO_MAP)


def _bind_squeeze(node: NodeReader) -> Op:
    axes = node.listed("axes", 1)
    if axes is None:  # every axis of length one but the batch
        axes = tuple(i for i, n in enumerate(node.shapes[0]) if n == 1 and i > 0)
    return Op(functools.partial(ops.squeeze, axes=axes), Sight.NO_MAP)


def _bind_reduce_mean(node: NodeReader) -> Op:
    rank = len(node.shapes[0])
    axes = tuple(axis % rank for axis in node.listed("axes", 1) or range(rank))
    keep = bool(node.integer("keepdims", 1))
    if node.integer("noop_with_empty_axes", 0) or 0 in axes:
        raise node.refuse(f"takes the mean over axes {axes}; wanted axes after the first, which is the batch")
    whole = keep and rank == 4 and {2, 3} <= set(axes)
    return Op(functools.partial(ops.reduce_mean, axes=axes, keep=keep), Sight.WHOLE if whole else Sight.NO_MAP)


def _bind_pad(node: NodeReader) -> Op:
    rank = len(node.shapes[0])
    pads = node.listed("pads", 1) or ()
    axes = node.constant(3)
    places = range(rank) if axes is None else [int(axis) % rank for axis in axes]
    if node.word("mode", "constant") != "constant" or len(pads) != 2 * len(places):
        raise node.refuse(f"pads by mode {node.word('mode', 'constant')!r} and {pads}; wanted constant borders")
    borders = dict(zip(places, zip(pads[: len(places)], pads[len(places) :], strict=True), strict=True))
    full = tuple(borders.get(axis, (0, 0)) for axis in range(rank))
    run = functools.partial(ops.pad, pads=full, fill=node.scalar("value", 2, 0.0))
    return Op(run, Window(pads=(full[2], full[3])) if rank == 4 else Sight.NO_MAP)


def _plain(run: Callable[..., Value], sight: Window | Sight = OWN_PLACE) -> Callable[[NodeReader], Op]:
    """Returns the binding of an operator without options."""

    def bind_plain(_node: NodeReader) -> Op:
        return Op(run, sight)

    return bind_plain


def _join(by: Callable[[Value, Value], Value]) -> Callable[[NodeReader], Op]:
    """Returns the binding of an operator that joins its inputs element by element."""
    return _plain(functools.partial(ops.joined, by=by))


OPS: Mapping[str, Callable[[NodeReader], Op]] = {
    "Add": _join(jnp.add),
    "AveragePool": _bind_average_pool,
    "BatchNormalization": _bind_batch_normalization,
    "Clip": _bind_clip,
    "Concat": _bind_concat,
    "Conv": _bind_conv,
    "Div": _join(jnp.divide),
    "Dropout": _bind_dropout,
    "Flatten": _bind_flatten,
    "Gemm": _bind_gemm,
    "GlobalAveragePool": _plain(ops.global_average_pool, Sight.WHOLE),
    "GlobalMaxPool": _plain(ops.global_max_pool, Sight.WHOLE),
    "Identity": _plain(ops.identity),
    "LRN": _bind_lrn,
    "LeakyRelu": _bind_leaky_relu,
    "MatMul": _plain(ops.matmul, Sight.NO_MAP),
    "MaxPool": _bind_max_pool,
    "Mul": _join(jnp.multiply),
    "Pad": _bind_pad,
    "ReduceMean": _bind_reduce_mean,
    "Relu": _plain(jax.nn.relu),
    "Reshape": _bind_reshape,
    "Sigmoid": _plain(jax.nn.sigmoid),
    "Softmax": _bind_softmax,
    "Squeeze": _bind_squeeze,
    "Sub": _join(jnp.subtract),
    "Sum": _join(jnp.add),
    "Tanh": _plain(jnp.tanh),
    "Transpose": _bind_transpose,
    "Unsqueeze": _bind_unsqueeze,
}

# Operators that leave every unit of a map at its place and in its channel.
ELEMENTWISE = frozenset(
    {"Add", "BatchNormalization", "Clip", "Div", "Dropout", "Identity", "LeakyRelu", "Mul"}
    | {"Relu", "Sigmoid", "Sub", "Sum", "Tanh"}
)


def bind(node: NodeReader) -> Op:
    """Returns the node ready to run.

    Raises:
        NetError: If it makes more than one result, or asks for something that its operator here does not do.
    """
    extra = [name for name in node.node.makes[1:] if name]
    if extra and node.node.op != "Dropout":  # a Dropout's mask is all ones
        raise node.refuse(f"also makes {', '.join(map(repr, extra))}; only the first result is supported")
    try:
        op = OPS[node.node.op](node)
    except (IndexError, UnicodeDecodeError, ZeroDivisionError) as error:
        raise node.refuse(f"has options or inputs that do not fit together ({error})") from error
    node.check_all_read()
    return op
