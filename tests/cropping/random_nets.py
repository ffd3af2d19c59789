"""Small random nets for the laws of cropping: layers as plain values, weights from a seed."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from jax import lax

Pair = tuple[int, int]
Pads = tuple[Pair, Pair] | Literal["SAME", "VALID"]
Function = Callable[[jax.Array], jax.Array]

SIZES = ((23, 30), (34, 19), (16, 16))
CHANNELS = 4


def noise(*shape: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def conv(x: jax.Array, kernel: jax.Array, stride: Pair = (1, 1), padding: Any = "SAME", **how: Any) -> jax.Array:
    return lax.conv_general_dilated(x, kernel, stride, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"), **how)


def drawn(rng: np.random.Generator, *shape: int) -> jax.Array:
    """A kernel that keeps the size of what it reads."""
    return jnp.asarray(rng.standard_normal(shape) / math.sqrt(math.prod(shape[:-1])), jnp.float32)


class Conv(NamedTuple):
    kernel: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    padding: Pads = "SAME"
    depthwise: bool = False

    def __call__(self, x: jax.Array, rng: np.random.Generator) -> jax.Array:
        groups = x.shape[3] if self.depthwise else 1
        kernel = drawn(rng, *self.kernel, x.shape[3] // groups, groups if self.depthwise else CHANNELS)
        how = {"rhs_dilation": self.dilation, "feature_group_count": groups}
        return conv(x, kernel, self.stride, self.padding, **how)


class Transposed(NamedTuple):
    kernel: Pair
    stride: Pair

    def __call__(self, x: jax.Array, rng: np.random.Generator) -> jax.Array:
        kernel = drawn(rng, *self.kernel, x.shape[3], CHANNELS)
        return lax.conv_transpose(x, kernel, self.stride, "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


class Pool(NamedTuple):
    kind: Literal["max", "mean"]
    kernel: Pair
    stride: Pair
    padding: tuple[Pair, Pair]

    def __call__(self, x: jax.Array, _: np.random.Generator) -> jax.Array:
        start, add = (-jnp.inf, lax.max) if self.kind == "max" else (0.0, lax.add)
        padding = ((0, 0), *self.padding, (0, 0))
        made = lax.reduce_window(x, start, add, (1, *self.kernel, 1), (1, *self.stride, 1), padding)
        return made if self.kind == "max" else made / math.prod(self.kernel)


class Residual(NamedTuple):
    inner: Conv

    def __call__(self, x: jax.Array, rng: np.random.Generator) -> jax.Array:
        made = self.inner(x, rng)
        return made + conv(x, drawn(rng, 1, 1, x.shape[3], made.shape[3]))


class Branches(NamedTuple):
    inner: tuple[Conv, ...]

    def __call__(self, x: jax.Array, rng: np.random.Generator) -> jax.Array:
        return jnp.concatenate([branch(x, rng) for branch in self.inner], axis=-1)


class Reflect(NamedTuple):
    padding: tuple[Pair, Pair]

    def __call__(self, x: jax.Array, _: np.random.Generator) -> jax.Array:
        return jnp.pad(x, ((0, 0), *self.padding, (0, 0)), mode="reflect")


class Pointwise(NamedTuple):
    kind: Literal["relu", "gelu", "norm", "softmax"]

    def __call__(self, x: jax.Array, _: np.random.Generator) -> jax.Array:
        how = {"relu": jax.nn.relu, "gelu": jax.nn.gelu, "norm": jax.nn.standardize, "softmax": jax.nn.softmax}
        return how[self.kind](x)


class Gate(NamedTuple):
    """Squeeze and excite: every unit sees all of the image."""

    def __call__(self, x: jax.Array, rng: np.random.Generator) -> jax.Array:
        weights = drawn(rng, x.shape[3], x.shape[3])
        return x * jax.nn.sigmoid(jnp.einsum("nhwc,cd->nhwd", x.mean((1, 2), keepdims=True), weights))


class Sorted(NamedTuple):
    """An operation that has no rule."""

    def __call__(self, x: jax.Array, _: np.random.Generator) -> jax.Array:
        return jnp.sort(x, axis=-1)


Layer = Callable[[jax.Array, np.random.Generator], jax.Array]


class RandomNet(NamedTuple):
    """A net, images for it, and a window of its map."""

    layers: tuple[Layer, ...]
    seed: int
    images: tuple[int, int, int, int]
    window: tuple[None, Pair, Pair, None]

    def function(self, images: jax.Array) -> jax.Array:
        return run(self.layers, self.seed, images)


def run(layers: Sequence[Layer], seed: int, images: jax.Array) -> jax.Array:
    rng = np.random.default_rng(seed)
    for layer in layers:
        images = layer(images, rng)
    return images


def pairs(low: int, high: int) -> st.SearchStrategy[Pair]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


@st.composite
def convs(draw: st.DrawFn, *, tight: bool) -> Conv:
    """Draws a convolution.

    A tight one has no window that sees nothing but padding, or that begins in the padding and then skips pixels: the
    parts that are cropped are boxes, and may then hold a pixel at the border that no window reads.
    """
    kernel, dilation = draw(pairs(1, 5)), draw(pairs(1, 2))
    most = min(min(kernel) - 1, 3) if tight else 3
    padding = draw(st.sampled_from(["SAME", "VALID"]) | st.tuples(pairs(0, most), pairs(0, most)))
    if tight and padding != "VALID":
        dilation = (1, 1)
    return Conv(kernel, draw(pairs(1, 3)), dilation, padding, draw(st.booleans()))


@st.composite
def residuals(draw: st.DrawFn, *, tight: bool) -> Residual:
    return Residual(Conv(draw(pairs(1, 5)), dilation=(1, 1) if tight else draw(pairs(1, 2))))


@st.composite
def branches(draw: st.DrawFn) -> Branches:
    stride = draw(pairs(1, 2))
    return Branches(tuple(Conv(draw(pairs(1, 5)), stride) for _ in range(draw(st.integers(2, 3)))))


@st.composite
def pools(draw: st.DrawFn, kind: Literal["max", "mean"]) -> Pool:
    return Pool(kind, draw(pairs(2, 3)), draw(pairs(1, 2)), draw(st.tuples(pairs(0, 1), pairs(0, 1))))


def linear_layers() -> st.SearchStrategy[Layer]:
    """Draws a layer in which nothing that is seen can hide."""
    transposed = st.builds(Transposed, pairs(2, 4), pairs(1, 2))
    return st.one_of(convs(tight=True), residuals(tight=True), branches(), pools("mean"), transposed)


def layers() -> st.SearchStrategy[Layer]:
    """Draws any layer."""
    reflect = st.builds(Reflect, st.tuples(pairs(0, 3), pairs(0, 3)))
    pointwise = st.builds(Pointwise, st.sampled_from(["relu", "gelu", "norm", "softmax"]))
    transposed = st.builds(Transposed, pairs(1, 4), pairs(1, 3))
    unusual = st.sampled_from([Gate(), Sorted()])
    local = st.one_of(convs(tight=False), residuals(tight=False), branches(), pools("max"), pools("mean"), transposed)
    return st.one_of(local, local, local, reflect, pointwise, unusual)


def intervals(n: int) -> st.SearchStrategy[Pair]:
    """Draws some units along an axis; the first and the last ones often."""
    inner = st.integers(0, n - 1).flatmap(lambda low: st.tuples(st.just(low), st.integers(low + 1, min(n, low + 3))))
    return st.one_of(st.just((0, 1)), st.just((n - 1, n)), inner, inner)


@st.composite
def nets(draw: st.DrawFn, of: st.SearchStrategy[Layer]) -> RandomNet:
    """Draws a net of one to five layers whose map is not empty."""
    images = (draw(st.integers(1, 2)), *draw(st.sampled_from(SIZES)), 3)
    seed, chosen = draw(st.integers(0, 2**32 - 1)), draw(st.lists(of, min_size=1, max_size=5))
    shape = jax.eval_shape(lambda x: run(chosen, seed, x), jax.ShapeDtypeStruct(images, jnp.float32)).shape
    while chosen and min(shape) < 1:
        chosen.pop()
        shape = jax.eval_shape(lambda x: run(chosen, seed, x), jax.ShapeDtypeStruct(images, jnp.float32)).shape
    assume(chosen)
    return RandomNet(tuple(chosen), seed, images, (None, draw(intervals(shape[1])), draw(intervals(shape[2])), None))
