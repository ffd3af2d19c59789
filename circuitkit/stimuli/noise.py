"""Noise as a function of the place: the same seed gives the same value at the same point of the plane.

So a crop of a noisy stimulus is the stimulus of the crop, bit for bit, and noise can be drawn inside a sweep, pixel
by pixel. Random numbers come from an integer hash of seed and lattice point.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt32

from circuitkit.geometry import Pixels, Scalar

Points = Float[Array, "h w"]


def hashed(words: UInt32[Array, "*shape"]) -> UInt32[Array, "*shape"]:
    """Returns 32 well-mixed bits of 32.

    Source:
        Chris Wellons, "Prospecting for Hash Functions" (2018): lowbias32, found by search for least bias.
    """
    words = words ^ (words >> 16)
    words = words * jnp.uint32(0x7FEB352D)
    words = words ^ (words >> 15)
    words = words * jnp.uint32(0x846CA68B)
    return words ^ (words >> 16)


def uniform(column: Points, row: Points, seed: Scalar) -> Points:
    """Returns a number from 0 to 1 for each lattice point, given as whole numbers in floats."""
    seed_bits = hashed(jnp.asarray(seed, jnp.float32).view(jnp.uint32) + jnp.uint32(0x9E3779B9))
    x, y = (jax.lax.stop_gradient(axis).astype(jnp.int32).astype(jnp.uint32) for axis in (column, row))
    bits = hashed(x ^ hashed(y ^ jnp.broadcast_to(seed_bits, y.shape)))
    # A float32 holds 24 bits: 23 of them random, and the last one half a step up, which keeps 0 and 1 out.
    return ((bits >> 9).astype(jnp.float32) + 0.5) * 2.0**-23


def white(x: Points, y: Points, seed: Scalar) -> Points:
    """Returns independent normal numbers, of variance 1, for squares of one pixel."""
    return jax.scipy.special.ndtri(uniform(jnp.floor(x), jnp.floor(y), seed))


def smooth(x: Points, y: Points, seed: Scalar) -> Points:
    """Returns smooth noise of variance about 1 that changes over one pixel, nearly normal and nearly round.

    Each point of a lattice has a value of its own, spread over its neighbourhood by a quadratic B-spline: the least
    that hides the lattice, for the variance stays within a fifth of 1 wherever a point lies between lattice points.
    """
    column, row = (jax.lax.stop_gradient(jnp.round(axis)) for axis in (x, y))
    # The values have variance 1/12, and spreading averages them: 0.55 is the B-spline's mean square, along each axis.
    total = jnp.zeros_like(x)
    for right, across in zip((-1, 0, 1), _spline(x - column), strict=True):
        for up, upwards in zip((-1, 0, 1), _spline(y - row), strict=True):
            total = total + (uniform(column + right, row + up, seed) - 0.5) * across * upwards
    return total * (12**0.5 / 0.55)


@functools.partial(jax.jit, static_argnames="octaves")
def pink(x: Points, y: Points, seed: Scalar, *, slope: Scalar = 1.0, octaves: int = 8) -> Points:
    """Returns noise of variance about 1 whose amplitude falls as 1 / frequency**slope, down to 2**octaves pixels.

    The sum of smooth noise at scales an octave apart. At slope 1 each is as strong as the others, as in natural images
    (Field, "Relations between the statistics of natural images and the response properties of cortical cells", 1987).
    """

    def add(total: Points, octave: Float[Array, ""]) -> tuple[Points, None]:
        # Each octave has a seed and a shift of its own, lest their lattices meet at the anchor.
        own_seed = jnp.asarray(seed, jnp.float32) + 1013 * (octave + 1)
        layer = smooth(x / 2**octave + 0.37 * octave, y / 2**octave + 0.71 * octave, own_seed)
        return total + 2 ** (octave * (slope - 1)) * layer, None

    # A loop is compiled once for all octaves, and runs much faster than all of them at once.
    steps = jnp.arange(octaves, dtype=jnp.float32)
    total, _ = jax.lax.scan(add, jnp.zeros_like(x), steps)
    return total / jnp.linalg.norm(2 ** (steps * (slope - 1)))


def displaced(x: Points, y: Points, seed: Scalar, *, amount: Pixels, scale: Pixels) -> tuple[Points, Points]:
    """Returns the points, moved by smooth noise of standard deviation `amount`."""
    return (
        x + amount * smooth(x / scale, y / scale, jnp.asarray(seed, jnp.float32) + 0.25),
        y + amount * smooth(x / scale, y / scale, jnp.asarray(seed, jnp.float32) + 0.5),
    )


def _spline(offset: Points) -> tuple[Points, Points, Points]:
    """Returns the shares of a lattice point's neighbours, and its own, in a point at an offset of -0.5 to 0.5."""
    return (0.5 - offset) ** 2 / 2, 0.75 - offset**2, (0.5 + offset) ** 2 / 2
