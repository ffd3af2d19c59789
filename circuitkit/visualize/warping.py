"""Images moved, scaled and turned a little, as sums and matrix products, so that gradients through them are cheap.

An image that excites a unit only where every pixel stays in its place is no feature of the unit. So each step of an
optimisation shows the image another way. A turn and a scaling are a shear of the columns, a shear of the rows, and a
scaling of each axis by itself: shears are sums of a few shifted images, scalings are products with a narrow matrix, and
the gradients of both are of the same kind. (Sampling each pixel by itself takes a scatter backward, on one core.)

Source: Catmull, Smith, "3-D transformations of images in scanline order", SIGGRAPH (1980). What is shown is after Olah,
Mordvintsev, Schubert, "Feature Visualization", Distill (2017), Transformation Robustness.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt32

from circuitkit.cropping import Interval

Planes = Float[Array, "image plane h w"]

AT_ONCE = 32
"""Lines of an image that are sheared together."""


class Room(NamedTuple):
    """How far images may be moved; each step draws evenly from this room.

    Attributes:
        jitter: Pixels along each axis, to either side.
        scale: Share of its size by which an image grows or shrinks.
        rotate: Degrees, to either side.
    """

    jitter: Float[Array, ""]
    scale: Float[Array, ""]
    rotate: Float[Array, ""]


class Warp(NamedTuple):
    """A motion: a pixel that lies at p from the centre shows what lay at scale * R(angle) p + (x, y)."""

    x: Float[Array, ""]
    y: Float[Array, ""]
    scale: Float[Array, ""]
    angle: Float[Array, ""]


def drawn(key: UInt32[Array, "2"], room: Room) -> Warp:
    """Returns a random motion."""
    x, y, scale, angle = jax.random.uniform(key, (4,), minval=-1.0, maxval=1.0)
    return Warp(room.jitter * x, room.jitter * y, 1 + room.scale * scale, room.rotate * angle)


def warped(
    images: Planes, warp: Warp, *, centre: tuple[float, float], rows: Interval, columns: Interval, rotate: float
) -> Float[Array, "image row column plane"]:
    """Returns part of the images after a motion; beyond their borders they are grey.

    Args:
        images: Values -1 to 1.
        warp: The motion.
        centre: Row and column, in pixel indices, about which images are turned and scaled.
        rows: Those that are wanted.
        columns: Likewise.
        rotate: The most degrees that the motion turns by, which says how far the shears reach.
    """
    _, _, height, width = images.shape
    across, down = np.arange(width) - centre[1], centre[0] - np.arange(height)
    if rotate:
        slope = math.tan(math.radians(rotate))
        c, s = jnp.cos(jnp.deg2rad(warp.angle)), jnp.sin(jnp.deg2rad(warp.angle))
        # Rows count downwards, y upwards: hence the sign.
        images = _sheared(images, -s / c * across, 2, slope)
        images = _sheared(images, -s * c * down, 3, slope)
        stretch = warp.scale * c, warp.scale / c
    else:
        stretch = warp.scale, warp.scale
    x, y = stretch[0] * across[slice(*columns)] + warp.x, stretch[1] * down[slice(*rows)] + warp.y
    return jnp.einsum(
        "ncij,ri,kj->nrkc", images, _hat(y, jnp.float32(down)), _hat(x, jnp.float32(across)), precision="highest"
    )


def _hat(at: Float[Array, " n"], pixels: Float[Array, " m"]) -> Float[Array, "n m"]:
    """Returns the matrix of linear interpolation: what a value at a place takes of each pixel."""
    return jnp.maximum(0.0, 1 - jnp.abs(at[:, None] - pixels[None]))


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _sheared(images: Planes, shift: Float[Array, " line"], axis: int, slope: float) -> Planes:
    """Returns images of which each line shows what lies so many pixels further on.

    Lines are taken a few at a time: what their shifts share is a slice that starts elsewhere, and no more than the rest
    is a sum of shifted images.

    Args:
        images: Grey (0) beyond their borders.
        shift: Of each line, in pixels; it goes up or down evenly.
        axis: Along which the lines run: 2 for columns, 3 for rows.
        slope: By how much the shift of two neighbours differs at most.
    """
    side, lines, across = images.shape[axis], images.shape[5 - axis], 5 - axis
    most = math.ceil(slope * lines) + 1
    taps = math.ceil(slope * (AT_ONCE - 1)) + 2
    padding = [(most, most + taps) if each == axis else (0, 0) for each in range(4)]
    padded = jax.lax.optimization_barrier(jnp.pad(images, padding))
    parts = []
    for first in range(0, lines, AT_ONCE):
        last = min(first + AT_ONCE, lines)
        shared = jnp.floor(jnp.minimum(shift[first], shift[last - 1]))
        sizes, starts = list(images.shape), [jnp.int32(0)] * 4
        sizes[axis], sizes[across] = side + taps - 1, last - first
        starts[axis], starts[across] = shared.astype(jnp.int32) + most, jnp.int32(first)
        parts.append(jax.lax.dynamic_slice(padded, starts, sizes))
        shift = shift.at[first:last].add(-shared)
    near = jax.lax.optimization_barrier(jnp.concatenate(parts, axis=across))
    shape = [1, 1, 1, 1]
    shape[across] = lines
    terms = [
        _hat(shift, jnp.float32(tap).reshape(1)).reshape(shape) * jax.lax.slice_in_dim(near, tap, tap + side, axis=axis)
        for tap in range(taps)
    ]
    return functools.reduce(jnp.add, terms)


def _forward(images: Planes, shift: Float[Array, " line"], axis: int, slope: float) -> tuple[Planes, Array]:
    return _sheared(images, shift, axis, slope), shift


def _backward(axis: int, slope: float, shift: Float[Array, " line"], gradient: Planes) -> tuple[Planes, None]:
    # Linear interpolation takes as much of j for i as it would take of i for j on the way back.
    return _sheared(gradient, -shift, axis, slope), None


_sheared.defvjp(_forward, _backward)
