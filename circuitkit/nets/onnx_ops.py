"""The ONNX operators of convolutional nets, a small pure JAX function each.

Values of four axes are held channels last, whatever they are: maps as (batch, h, w, channel), kernels as
(out, h, w, in). Values of any other number of axes are held as ONNX has them. XLA's convolutions on CPU run up to
twice as fast this way, and a user's images and activations need no turning.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from circuitkit.receptive_field import Pair

Value = Float[Array, "..."]
Map = Float[Array, "batch h w channel"]
Pads = tuple[Pair, Pair]


@dataclasses.dataclass(frozen=True)
class Window:
    """The window of a convolution or a pool, and how it slides over a map; rows before columns.

    Attributes:
        kernel: Taps of the window.
        strides: Steps from one window to the next.
        dilations: Steps between taps.
        pads: Rows added (above, below) and columns added (left, right), or the rule that finds them: as many as
            keep ceil(n / stride) windows, the odd one after (SAME_UPPER) or before (SAME_LOWER) the map.
        ceil: Whether a last window may hang over the padded map's end, as long as it starts inside.
    """

    kernel: Pair = (1, 1)
    strides: Pair = (1, 1)
    dilations: Pair = (1, 1)
    pads: Pads | Literal["SAME_UPPER", "SAME_LOWER"] = ((0, 0), (0, 0))
    ceil: bool = False

    def padding(self, size: Pair) -> Pads:
        """Returns the padding (above, below), (left, right) for a map of `size`, overhang included."""
        return self._padding(0, size[0]), self._padding(1, size[1])

    def _padding(self, axis: int, n: int) -> Pair:
        stride = self.strides[axis]
        span = (self.kernel[axis] - 1) * self.dilations[axis] + 1
        if isinstance(self.pads, str):
            total = max((math.ceil(n / stride) - 1) * stride + span - n, 0)
            less, more = total // 2, total - total // 2
            return (less, more) if self.pads == "SAME_UPPER" else (more, less)
        before, after = self.pads[axis]
        if self.ceil:
            last = math.ceil((n + before + after - span) / stride) * stride
            if last >= n + before:  # a window that would see nothing but padding
                last -= stride
            after = max(after, last + span - n - before)
        return before, after


# --- Where the axes are


def held_axis(axis: int, rank: int) -> int:
    """Returns where ONNX's `axis` lies in a value as we hold it."""
    axis %= rank
    return (0, 3, 1, 2)[axis] if rank == 4 else axis


def hold(value: Value) -> Value:
    """Returns a value with ONNX's axes as we hold it."""
    return jnp.moveaxis(value, 1, 3) if value.ndim == 4 else value


def unhold(value: Value) -> Value:
    """Returns a value that we hold with ONNX's axes."""
    return jnp.moveaxis(value, 3, 1) if value.ndim == 4 else value


def onnx_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Returns the shape, in ONNX's axes, of a value that we hold with `shape`."""
    return (shape[0], shape[3], shape[1], shape[2]) if len(shape) == 4 else tuple(shape)


def at_rank(value: Value, rank: int) -> Value:
    """Returns the value with axes of length one in front, as ONNX broadcasts it."""
    return value if value.ndim == rank else hold(value.reshape((1,) * (rank - value.ndim) + value.shape))


def per_channel(vector: Float[Array, "channel"], rank: int) -> Value:
    """Returns the vector along the channels of a value of `rank` axes."""
    shape = [1] * rank
    shape[held_axis(1, rank)] = vector.size
    return vector.reshape(shape)


# --- The operators


def conv(
    x: Map,
    kernel: Float[Array, "out kh kw part"],
    bias: Float[Array, "out"] | None = None,
    *,
    window: Window,
    groups: int,
) -> Float[Array, "batch rows columns out"]:
    """Correlates the map with the kernel and adds the bias, if any."""
    y = lax.conv_general_dilated(
        x,
        kernel,
        window.strides,
        window.padding(_size(x)),
        rhs_dilation=window.dilations,
        dimension_numbers=("NHWC", "OHWI", "NHWC"),
        feature_group_count=groups,
        precision=lax.Precision.HIGHEST,
    )
    return y if bias is None else y + per_channel(bias, 4)


def max_pool(x: Map, *, window: Window) -> Float[Array, "batch rows columns channel"]:
    """Takes the largest value under each window; padding never wins."""
    padding = window.padding(_size(x))
    if window.dilations == (1, 1):
        kernel, strides = (1, *window.kernel, 1), (1, *window.strides, 1)
        return lax.reduce_window(x, -jnp.inf, lax.max, kernel, strides, _nhwc(padding))
    # JAX has no gradient for a dilated maximum, so this one is spelled out tap by tap.
    x = lax.pad(x, jnp.float32(-jnp.inf), [(*pads, 0) for pads in _nhwc(padding)])
    axes = zip(_size(x), window.kernel, window.dilations, window.strides, strict=True)
    rows, columns = ([slice(i * d, i * d + n - (k - 1) * d, s) for i in range(k)] for n, k, d, s in axes)
    return functools.reduce(jnp.maximum, [x[:, row, column] for row in rows for column in columns])


def average_pool(x: Map, *, window: Window, count_pads: bool) -> Float[Array, "batch rows columns channel"]:
    """Takes the mean under each window, over the taps inside the map or, with `count_pads`, inside its padding."""
    padding = window.padding(_size(x))
    kernel, strides, dilations = ((1, *pair, 1) for pair in (window.kernel, window.strides, window.dilations))
    total = lax.reduce_window(x, 0.0, lax.add, kernel, strides, _nhwc(padding), None, dilations)
    # An overhang is never counted, the padding that the file asks for may be.
    counted = dataclasses.replace(window, ceil=False).padding(_size(x)) if count_pads else ((0, 0), (0, 0))
    rows, columns = (_taps_inside(window, axis, n, padding[axis], counted[axis]) for axis, n in enumerate(_size(x)))
    return total / jnp.asarray(rows[:, None] * columns, jnp.float32)[None, :, :, None]


def _taps_inside(window: Window, axis: int, n: int, padding: Pair, counted: Pair) -> np.ndarray:
    """Returns, for each window along an axis, how many of its taps fall on the n units or on counted padding."""
    reach = (window.kernel[axis] - 1) * window.dilations[axis]
    starts = np.arange(-padding[0], n + padding[1] - reach, window.strides[axis])
    taps = starts[:, None] + np.arange(0, reach + 1, window.dilations[axis])
    return np.count_nonzero((-counted[0] <= taps) & (taps < n + counted[1]), axis=1)


def global_average_pool(x: Map) -> Float[Array, "batch 1 1 channel"]:
    """Takes the mean over all places."""
    return jnp.mean(x, axis=(1, 2), keepdims=True)


def global_max_pool(x: Map) -> Float[Array, "batch 1 1 channel"]:
    """Takes the largest value over all places."""
    return jnp.max(x, axis=(1, 2), keepdims=True)


def batch_normalization(
    x: Value,
    scale: Float[Array, "channel"],
    bias: Float[Array, "channel"],
    mean: Float[Array, "channel"],
    variance: Float[Array, "channel"],
    *,
    epsilon: float,
) -> Value:
    """Shifts and scales each channel by its stored statistics."""
    gain = scale * lax.rsqrt(variance + epsilon)
    return x * per_channel(gain, x.ndim) + per_channel(bias - mean * gain, x.ndim)


def local_response_normalization(x: Map, *, size: int, alpha: float, beta: float, bias: float) -> Map:
    """Divides each unit by what the `size` channels around its own do at its place."""
    around = ((0, 0), (0, 0), (0, 0), (size // 2, size // 2))
    power = lax.reduce_window(jnp.square(x), 0.0, lax.add, (1, 1, 1, size), (1, 1, 1, 1), around)
    return x / (bias + alpha / size * power) ** beta


def joined(*values: Value, by: Callable[[Value, Value], Value]) -> Value:
    """Joins values of any rank element by element."""
    rank = max(value.ndim for value in values)
    return functools.reduce(by, [at_rank(value, rank) for value in values])


def concat(*values: Value, axis: int) -> Value:
    """Lays values behind one another along an axis."""
    return jnp.concatenate(values, held_axis(axis, values[0].ndim))


def gemm(
    a: Float[Array, "..."],
    b: Float[Array, "..."],
    c: Value | None = None,
    *,
    alpha: float,
    beta: float,
    transpose_a: bool,
    transpose_b: bool,
) -> Float[Array, "batch out"]:
    """Multiplies two matrices and adds a third value, if any."""
    y = alpha * jnp.matmul(a.T if transpose_a else a, b.T if transpose_b else b, precision=lax.Precision.HIGHEST)
    return y if c is None else y + beta * at_rank(c, 2)


def matmul(a: Value, b: Value) -> Value:
    """Multiplies matrices, stacked along any further axes."""
    return hold(jnp.matmul(unhold(a), unhold(b), precision=lax.Precision.HIGHEST))


def softmax(x: Value, *, axis: int) -> Value:
    """Exponentials, divided by their sum along an axis."""
    return jax.nn.softmax(x, held_axis(axis, x.ndim))


def flat_softmax(x: Value, *, axis: int) -> Value:
    """Exponentials, divided by their sum over `axis` and all axes after it: the softmax of opsets before 13."""
    return hold(jax.nn.softmax(unhold(x), tuple(range(axis % x.ndim, x.ndim))))


def flatten(x: Value) -> Float[Array, "batch unit"]:
    """Lays out all that belongs to one image in a row, in ONNX's order: channels, rows, columns."""
    return unhold(x).reshape(x.shape[0], -1)


def reshape(x: Value, *, shape: tuple[int, ...], lead: int, tail: int) -> Value:
    """Reshapes the axes in between the first `lead` and the last `tail`, which stay what they are."""
    x = unhold(x)
    shape = x.shape[:lead] + shape[lead : len(shape) - tail] + x.shape[x.ndim - tail :]
    return hold(x.reshape(shape))


def transpose(x: Value, *, order: tuple[int, ...]) -> Value:
    """Reorders the axes."""
    return hold(unhold(x).transpose(order))


def unsqueeze(x: Value, *, axes: tuple[int, ...]) -> Value:
    """Adds axes of length one."""
    return hold(jnp.expand_dims(unhold(x), axes))


def squeeze(x: Value, *, axes: tuple[int, ...]) -> Value:
    """Drops axes of length one."""
    return hold(jnp.squeeze(unhold(x), axes))


def reduce_mean(x: Value, *, axes: tuple[int, ...], keep: bool) -> Value:
    """Takes the mean over axes."""
    return hold(jnp.mean(unhold(x), axes, keepdims=keep))


def pad(x: Value, *, pads: tuple[Pair, ...], fill: float) -> Value:
    """Adds constant borders (before, after) to every axis, or crops where they are negative."""
    return hold(lax.pad(unhold(x), jnp.float32(fill), [(*pair, 0) for pair in pads]))


def identity(x: Value) -> Value:
    """Returns what it got."""
    return x


def _size(x: Map) -> Pair:
    """Returns rows and columns of a map."""
    return x.shape[1], x.shape[2]


def _nhwc(padding: Pads) -> tuple[Pair, Pair, Pair, Pair]:
    """Returns the padding of rows and columns for all four axes of a map."""
    return ((0, 0), *padding, (0, 0))
