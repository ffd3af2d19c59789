"""The law of cropping: a window of the result, from the pixels that determine it alone, is what it is in full."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from jax import lax

from circuitkit.cropping import Cropped, Interval, crop
from circuitkit.errors import ImageError
from tests.cropping.random_nets import Function, RandomNet, conv, drawn, layers, linear_layers, nets, noise

ROUNDING = 2e-6
"""Of the largest response: what float32 leaves where sums are added up in another order."""


def part(images: jax.Array, cropped: Cropped) -> jax.Array:
    (top, bottom), (left, right) = cropped.rows, cropped.columns
    return images[:, top:bottom, left:right]


def windowed(maps: jax.Array, window: tuple[Any, ...]) -> np.ndarray:
    return np.asarray(maps[tuple(slice(*each) if each else slice(None) for each in window)])


def error(found: Any, wanted: Any, scale: Any) -> float:
    assert np.shape(found) == np.shape(wanted)
    return float(np.abs(np.asarray(found) - wanted).max() / max(np.abs(np.asarray(scale)).max(), 1e-20))


@given(net=nets(layers()))
def test_a_crop_gives_what_the_whole_gives(net: RandomNet) -> None:
    whole = jax.jit(net.function)
    images = noise(*net.images, seed=net.seed)
    full = whole(images)
    cropped = crop(net.function, net.images, net.window)
    assert cropped.result_shape == windowed(full, net.window).shape
    found = jax.jit(cropped.apply)(cropped.constants, part(images, cropped))
    assert error(found, windowed(full, net.window), full) < ROUNDING
    others = noise(*net.images, seed=net.seed + 1)
    (top, bottom), (left, right) = cropped.rows, cropped.columns
    changed = whole(others.at[:, top:bottom, left:right].set(part(images, cropped)))
    assert error(windowed(changed, net.window), windowed(full, net.window), full) < ROUNDING


def reached(function: Function, images: jax.Array, window: tuple[Any, ...]) -> tuple[Interval, Interval]:
    """The rows and columns of the image where the gradient of a window is not zero."""

    def projected(images: jax.Array) -> jax.Array:
        made = function(images)[tuple(slice(*each) if each else slice(None) for each in window)]
        return (made * noise(*made.shape, seed=1)).sum()

    gradient = np.abs(np.asarray(jax.jit(jax.grad(projected))(images))).sum((0, 3))
    rows, columns = np.nonzero(gradient)
    return (int(rows.min()), int(rows.max()) + 1), (int(columns.min()), int(columns.max()) + 1)


@given(net=nets(linear_layers()))
def test_a_crop_is_the_smallest(net: RandomNet) -> None:
    cropped = crop(net.function, net.images, net.window)
    assert (cropped.rows, cropped.columns) == reached(net.function, noise(*net.images), net.window)


# Operations, one by one: what their units depend on is written beside them, for the window below on these images.

IMAGES = (2, 24, 32, 3)
WINDOW = (None, (5, 7), (9, 10), None)
WHOLE = (24, 32)
RNG = np.random.default_rng(0)
NUMBERS = ("NHWC", "HWIO", "NHWC")
FIRST, SQUARE, HALF = drawn(RNG, 3, 3, 3, 8), drawn(RNG, 3, 3, 8, 8), drawn(RNG, 3, 3, 4, 8)
EACH, MIX, LARGE = drawn(RNG, 3, 3, 1, 8), drawn(RNG, 8, 5), drawn(RNG, 5, 5, 3, 8)
RNGS = nnx.Rngs(0)
LAYER_NORM, GROUP_NORM = nnx.LayerNorm(8, rngs=RNGS), nnx.GroupNorm(8, num_groups=4, rngs=RNGS)
BATCH_NORM = nnx.BatchNorm(8, use_running_average=True, rngs=RNGS)


def base(images: jax.Array) -> jax.Array:
    return conv(images, FIRST)


def block(images: jax.Array, n: int = 2) -> jax.Array:
    """Depth to space."""
    x = base(images)
    count, rows, columns, units = x.shape
    x = x.reshape(count, rows, columns, n, n, units // n**2).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(count, n * rows, n * columns, units // n**2)


def unblock(images: jax.Array) -> jax.Array:
    """Space to depth."""
    x = base(images)
    count, rows, columns, units = x.shape
    x = x.reshape(count, rows // 2, 2, columns // 2, 2, units).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(count, rows // 2, columns // 2, 4 * units)


def shuffled(images: jax.Array) -> jax.Array:
    left, right = jnp.split(base(images), 2, axis=-1)
    return jnp.stack([left, right], axis=-1).reshape(*left.shape[:3], 8)


def attention(images: jax.Array) -> jax.Array:
    x = base(images).reshape(images.shape[0], -1, 8)
    return (jax.nn.softmax(x @ x.swapaxes(1, 2)) @ x).reshape(*images.shape[:3], 8)


def pooled(images: jax.Array, start: float, add: Any, **how: Any) -> jax.Array:
    return lax.reduce_window(base(images), start, add, (1, 3, 3, 1), (1, 2, 2, 1), "SAME", **how)


def scanned(images: jax.Array) -> jax.Array:
    return lax.scan(lambda x, kernel: (conv(x, kernel), None), base(images), jnp.stack([SQUARE, SQUARE]))[0]


@jax.custom_vjp
def other_way(x: jax.Array) -> jax.Array:
    return x * 2


other_way.defvjp(lambda x: (x * 2, None), lambda _, g: (g,))


def places(x: jax.Array) -> jax.Array:
    return jnp.broadcast_to(jnp.linspace(0, 1, x.shape[1])[None, :, None, None], (1, x.shape[1], 1, 1))


def resized(images: jax.Array, method: str) -> jax.Array:
    count, rows, columns, _ = images.shape
    return jax.image.resize(base(images), (count, 2 * rows, 2 * columns, 8), method)


OPERATIONS: dict[str, tuple[Function, tuple[int, int]]] = {
    "convolution": (base, (4, 3)),
    "dilated": (lambda x: conv(base(x), SQUARE, rhs_dilation=(2, 3)), (8, 9)),
    "depthwise": (lambda x: conv(base(x), EACH, feature_group_count=8), (6, 5)),
    "grouped": (lambda x: conv(base(x), HALF, feature_group_count=2), (6, 5)),
    "transposed": (lambda x: conv(base(x), SQUARE, padding=((2, 1), (2, 1)), lhs_dilation=(2, 2)), (4, 3)),
    "window in the padding": (lambda x: conv(base(x), SQUARE, padding=((20, 0), (20, 0))), (2, 2)),
    "negative padding": (lambda x: conv(base(x), SQUARE, padding=((-2, 1), (1, -3))), (6, 5)),
    "patches": (
        lambda x: lax.conv_general_dilated_patches(x, (3, 3), (1, 1), "SAME", dimension_numbers=NUMBERS),
        (4, 3),
    ),
    "max pool": (lambda x: pooled(x, -jnp.inf, lax.max), (7, 5)),
    "mean pool": (lambda x: pooled(x, 0.0, lax.add), (7, 5)),
    "dilated pool": (lambda x: pooled(x, -jnp.inf, lax.max, window_dilation=(1, 2, 3, 1)), (9, 9)),
    "pool of a dilated map": (lambda x: pooled(x, -jnp.inf, lax.max, base_dilation=(1, 2, 2, 1)), (5, 4)),
    "layer norm": (lambda x: LAYER_NORM(base(x)), (4, 3)),
    "group norm": (lambda x: GROUP_NORM(base(x)), WHOLE),
    "batch norm": (lambda x: BATCH_NORM(base(x)), (4, 3)),
    "local response norm": (
        lambda x: base(x) / (1 + lax.reduce_window(base(x) ** 2, 0.0, lax.add, (1, 1, 1, 5), (1, 1, 1, 1), "SAME")),
        (4, 3),
    ),
    "softmax": (lambda x: jax.nn.softmax(base(x)), (4, 3)),
    "gelu": (lambda x: jax.nn.gelu(base(x)), (4, 3)),
    "exact gelu": (lambda x: jax.nn.gelu(base(x), approximate=False), (4, 3)),
    "mish": (lambda x: jax.nn.mish(base(x)), (4, 3)),
    "hard swish": (lambda x: jax.nn.hard_swish(base(x)), (4, 3)),
    "gate": (lambda x: base(x) * jax.nn.sigmoid(base(x).mean((1, 2), keepdims=True)), WHOLE),
    "dense": (lambda x: jnp.einsum("nhwc,cd->nhwd", base(x), MIX), (4, 3)),
    "dense, axes in another order": (lambda x: jnp.einsum("nhwc,cd->dwhn", base(x), MIX).transpose(3, 2, 1, 0), (4, 3)),
    "pixel shuffle": (block, (4, 3)),
    "space to depth": (unblock, (6, 4)),
    "channel shuffle": (shuffled, (4, 3)),
    "repeated rows": (lambda x: jnp.repeat(base(x), 2, axis=1), (4, 3)),
    "attention": (attention, WHOLE),
    "reflect": (
        lambda x: conv(jnp.pad(x, ((0, 0), (8, 1), (2, 2), (0, 0)), mode="reflect"), FIRST, padding="VALID"),
        (4, 3),
    ),
    "edge": (lambda x: conv(jnp.pad(x, ((0, 0), (8, 1), (2, 2), (0, 0)), mode="edge"), FIRST, padding="VALID"), (1, 3)),
    "zeros": (lambda x: conv(jnp.pad(x, ((0, 0), (5, 1), (2, 2), (0, 0))), FIRST, padding="VALID"), (4, 3)),
    "zeros between": (lambda x: lax.pad(base(x), 1.5, ((0, 0, 0), (2, -1, 2), (-2, 3, 1), (0, 0, 0))), (3, 3)),
    "roll": (lambda x: jnp.roll(base(x), (2, -1), (1, 2)), (4, 3)),
    "flip": (lambda x: base(x)[:, ::-1, ::-1], (4, 3)),
    "every other row": (lambda x: base(x)[:, 3:20:2], (5, 3)),
    "chosen rows": (lambda x: base(x)[:, jnp.array([3, -1, 2, 5, 9, 9, 8])], (24, 3)),
    "chosen channels": (lambda x: base(x[..., jnp.array([2, 1, 0])]), (4, 3)),
    "resized, nearest": (lambda x: resized(x, "nearest"), WHOLE),
    "resized, linear": (lambda x: resized(x, "linear"), WHOLE),
    "jax.checkpoint": (jax.checkpoint(base), (4, 3)),
    "jax.custom_vjp": (lambda x: other_way(base(x)), (4, 3)),
    "jax.vmap": (jax.vmap(lambda image: base(image[None])[0]), (4, 3)),
    "jax.lax.scan": (scanned, WHOLE),
    "jax.lax.cond": (lambda x: lax.cond(x.sum() > 0, base, lambda x: base(-x), x), WHOLE),
    "sort": (lambda x: jnp.sort(base(x), axis=-1), WHOLE),
    "cumulative sum": (lambda x: jnp.cumsum(base(x), axis=1), WHOLE),
    "scattered": (lambda x: base(x).at[:, 2:5].add(1.0), WHOLE),
    "Fourier": (lambda x: jnp.fft.ifft2(jnp.fft.fft2(base(x), axes=(1, 2)), axes=(1, 2)).real, WHOLE),
    "places": (lambda x: base(x) + places(x), (4, 3)),
    "nothing": (lambda x: x, (2, 1)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations(name: str) -> None:
    function, shape = OPERATIONS[name]
    images = noise(*IMAGES)
    full = jax.jit(function)(images)
    rows = full.shape[1]
    cropped = crop(function, IMAGES, WINDOW)
    assert cropped.shape[1:3] == shape
    for window in (WINDOW, (None, (rows - 1, rows), (0, 2), None)):
        cropped = crop(function, IMAGES, window)
        found = jax.jit(cropped.apply)(cropped.constants, part(images, cropped))
        assert error(found, windowed(full, window), full) < ROUNDING


def test_halves_are_added_up_as_in_full() -> None:
    def function(images: jax.Array) -> jax.Array:
        return conv(images.astype(jnp.bfloat16), FIRST.astype(jnp.bfloat16)).astype(jnp.float32)

    images = noise(*IMAGES)
    cropped = crop(function, IMAGES, WINDOW)
    found, full = cropped(part(images, cropped)), jax.jit(function)(images)
    assert error(found, windowed(full, WINDOW), full) < 2.0**-8  # one rounding to a half


# Broken twins.


def two_layers(images: jax.Array) -> jax.Array:
    return conv(jax.nn.softplus(conv(images, LARGE)), SQUARE, (2, 2))


def test_a_shifted_part_or_one_that_lacks_a_pixel_gives_another_result() -> None:
    images = noise(*IMAGES)
    window = (None, (3, 4), (6, 8), None)
    cropped = crop(two_layers, IMAGES, window)
    wanted = windowed(jax.jit(two_layers)(images), window)
    assert error(cropped(part(images, cropped)), wanted, wanted) < ROUNDING
    (top, bottom), (left, right) = cropped.rows, cropped.columns
    assert error(cropped(images[:, top + 1 : bottom + 1, left:right]), wanted, wanted) > 0.1
    assert error(cropped(images[:, top:bottom, left - 1 : right - 1]), wanted, wanted) > 0.1
    for edge in (images.at[:, top].set(0), images.at[:, :, right - 1].set(0)):
        assert error(cropped(part(edge, cropped)), wanted, wanted) > 1e-3
    with pytest.raises(
        ImageError, match=r"for a function of rows \(4, 11\) and columns .* wanted shape \(2, 7, 9, 3\)"
    ):
        cropped(images[:, top : bottom - 1, left:right])


def test_a_net_that_sees_all_of_the_image_is_not_cropped() -> None:
    gated, local = OPERATIONS["gate"][0], OPERATIONS["gelu"][0]
    assert crop(gated, IMAGES, WINDOW).shape == IMAGES
    assert crop(local, IMAGES, WINDOW).shape == (2, 4, 3, 3)
    images = noise(*IMAGES)
    full = jax.jit(gated)(images)
    changed = jax.jit(gated)(images.at[:, 20:].set(0))
    assert error(windowed(changed, WINDOW), windowed(full, WINDOW), full) > 1e-3


@pytest.mark.parametrize(
    "window",
    [
        (None, (12, 13), (0, 1), None),
        (None, (3, 3), (0, 1), None),
        (None, (-1, 1), (0, 1), None),
        (None, (0, 1), (0, 17), None),
        (None, (0, 1), (0, 1)),
    ],
)
def test_a_window_outside_the_map_is_refused(window: tuple[Any, ...]) -> None:
    with pytest.raises(ImageError, match=r"of a result of shape \(2, 12, 16, 8\): wanted for each axis an interval"):
        crop(two_layers, IMAGES, window)


# What is kept of a function.


def test_constants_are_what_does_not_depend_on_the_image() -> None:
    slow = jax.jit(lambda kernel: jnp.tanh(kernel) / jnp.sqrt(jnp.sum(kernel**2)))

    def function(images: jax.Array) -> jax.Array:
        return conv(images, slow(FIRST)) + places(images)

    cropped = crop(function, IMAGES, WINDOW)
    assert not {str(op.primitive) for op, _ in cropped._moving} & {"tanh", "sqrt", "iota"}
    kept = {value.shape: value for value in cropped.constants.values()}
    assert set(kept) == {FIRST.shape, (1, 24, 1, 1)}
    np.testing.assert_allclose(kept[FIRST.shape], slow(FIRST), rtol=1e-6)
    inside = crop(function, IMAGES, WINDOW)
    jax.jit(inside)(jnp.zeros(inside.shape))  # asked for while JAX traces
    assert all(
        isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer) for value in inside.constants.values()
    )


def test_a_function_of_no_image_is_a_constant() -> None:
    cropped = crop(
        lambda images: jnp.broadcast_to(FIRST[None, 0, :, :], (1, 3, 3, 8)), IMAGES, (None, (1, 2), None, None)
    )
    np.testing.assert_array_equal(cropped(jnp.zeros(cropped.shape)), FIRST[None, 0, 1:2])


def with_options(kernel: jax.Array = FIRST, stride: int = 1, padding: Any = ((1, 1), (1, 1))) -> Function:
    return lambda images: conv(images, kernel, (stride, stride), padding)


def test_the_fingerprint_is_that_of_what_is_computed() -> None:
    prints = {
        "same": crop(with_options(), IMAGES, WINDOW).fingerprint,
        "weight": crop(with_options(kernel=FIRST.at[1, 2, 0, 3].add(1e-6)), IMAGES, WINDOW).fingerprint,
        "stride": crop(with_options(stride=2), IMAGES, WINDOW).fingerprint,
        "padding": crop(with_options(padding=((1, 1), (2, 1))), IMAGES, WINDOW).fingerprint,
        "window": crop(with_options(), IMAGES, (None, (5, 7), (8, 9), None)).fingerprint,
        "channels": crop(with_options(), IMAGES, (*WINDOW[:3], (0, 4))).fingerprint,
        "images": crop(with_options(), (2, 24, 33, 3), WINDOW).fingerprint,
        "another operation": crop(lambda x: jax.nn.relu(with_options()(x)), IMAGES, WINDOW).fingerprint,
    }
    assert len(set(prints.values())) == len(prints)
    assert crop(with_options(), IMAGES, WINDOW).fingerprint == prints["same"]

    def looped(images: jax.Array) -> tuple[jax.Array, jax.Array]:
        x = with_options()(images)
        return lax.while_loop(lambda both: both[0].sum() < 0, lambda both: (both[0] + 1, both[1] * 2), (x, x))

    # One operation makes both.
    carried = crop(lambda images: looped(images)[0], IMAGES, WINDOW).fingerprint
    assert crop(lambda images: looped(images)[1], IMAGES, WINDOW).fingerprint != carried

    def with_more(images: jax.Array) -> jax.Array:
        jnp.sin(images) * SQUARE.sum()  # traced, and not needed
        return with_options()(images)

    assert crop(with_more, IMAGES, WINDOW).fingerprint == prints["same"]


SCRIPT = """
import jax, jax.numpy as jnp
from jax import lax
from circuitkit.cropping import crop
kernel = jnp.sin(jnp.arange(216.0)).reshape(3, 3, 3, 8)
@jax.custom_vjp
def twice(x):
    return 2 * x
twice.defvjp(lambda x: (2 * x, None), lambda _, g: (g,))
def function(x):
    x = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    x = jax.checkpoint(jax.nn.relu, policy=jax.checkpoint_policies.dots_saveable)(x)
    x = lax.scan(lambda x, w: (jnp.sort(x * w), None), x, jnp.arange(3.0))[0]
    return twice(x.at[:, 2].max(0.5))
print(crop(function, (1, 16, 16, 3), (None, (4, 5), (4, 6), None)).fingerprint)
"""


def test_the_fingerprint_is_the_same_in_every_process() -> None:
    root = Path(__file__).parents[2]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            cwd=root,
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    first, second = (process.communicate(timeout=120)[0] for process in processes)
    assert len(first.strip()) == 64
    assert first == second


def test_a_crop_can_be_compiled_mapped_and_differentiated() -> None:
    images = noise(*IMAGES)
    window = (None, (0, 2), (6, 8), None)
    cropped = crop(two_layers, IMAGES, window)
    small, wanted = part(images, cropped), windowed(jax.jit(two_layers)(images), window)
    assert error(jax.jit(cropped)(small), wanted, wanted) < ROUNDING
    mapped = jax.vmap(cropped.apply, in_axes=(None, 0))(cropped.constants, jnp.stack([small, 2 * small]))
    assert error(mapped[0], wanted, wanted) < ROUNDING
    assert error(mapped[1], cropped(2 * small), wanted) < ROUNDING

    def whole_energy(images: jax.Array) -> jax.Array:
        return jnp.sum(two_layers(images)[:, 0:2, 6:8] ** 2)

    gradient = jax.jit(jax.grad(lambda small: jnp.sum(cropped(small) ** 2)))(small)
    full = jax.jit(jax.grad(whole_energy))(images)
    assert error(gradient, part(full, cropped), full) < ROUNDING
    assert float(jnp.abs(full).sum()) == pytest.approx(float(jnp.abs(part(full, cropped)).sum()), rel=1e-5)
