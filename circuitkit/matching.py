"""Whether an image holds a shape: a match of local orientations, which no net has a say in.

    templates = grid(Curve(radius=20), angle=turn(36)).images(48)
    scores = match(crops, templates, shift=3)                   # (image, template), from -1 to 1

An image is described by the direction of its contours at every point, as a complex number: its size is the gradient's,
its angle twice the gradient's. That is blind to polarity: light on dark, dark on light, the edge of an area and a thin
line along it run the same way. Two images match as far as their contours run alike in the same places: 1 if they do
everywhere, 0 for contours in other places or at 45 degrees, -1 for contours at right angles. With `signed=True` the
gradients themselves are compared, so that polarity counts.

Source:
    Granlund, "In search of a general picture processing operator", Computer Graphics and Image Processing (1978), for
    the doubled angle; Bigun and Granlund, "Optimal orientation detection of linear symmetry", ICCV (1987).
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from circuitkit import checks
from circuitkit.compiling import jit
from circuitkit.errors import ImageError
from circuitkit.geometry import pixel_grid

Images = Float[Array, "image h w channel"] | Float[np.ndarray, "image h w channel"]
Templates = Float[Array, "template rows columns _"] | Float[np.ndarray, "template rows columns _"]

SCALE = 1.5
"""Standard deviation of the Gaussian under which gradients are taken, in pixels."""

REACH = 0.5
"""Standard deviation of the window in which images are compared, as a share of half of their shorter side."""

_STEP = 2
"""Pixels between the places where a template is tried. A field is smooth over as many."""

_BLOCK = 128
"""Images compared at once; each block is filled up, so that one program serves all."""


def match(
    images: Images,
    templates: Templates,
    *,
    shift: int = 0,
    signed: bool = False,
    scale: float = SCALE,
    reach: float = REACH,
) -> Float[np.ndarray, "image template"]:
    """Returns how well each image matches each template, from -1 to 1.

    Args:
        images: Of any contrast and colour. A blank one matches nothing, with 0.
        templates: As large as the images; their colours and contrast do not count.
        shift: By how many pixels, at most, a template may be moved along each axis to match best; in steps of 2.
        signed: Whether polarity counts; contours of the other one then match with -1.
        scale: Standard deviation of the Gaussian under which gradients are taken, in pixels.
        reach: Standard deviation of the Gaussian window in which images are compared, about their middle, as a share
            of half of their shorter side.

    Raises:
        ImageError: If images and templates are not of one size.
        SpecError: If `shift` is no whole number of at least 0.
    """
    checks.whole("match", "shift", shift, at_least=0)
    if images.shape[1:3] != templates.shape[1:3]:
        raise ImageError(
            f"match got images of {images.shape[1]}x{images.shape[2]} pixels and templates of "
            f"{templates.shape[1]}x{templates.shape[2]}: wanted one size. Draw the templates as large as the images."
        )
    count = len(images)
    compare = _comparison(shift, signed, scale, reach)
    found = [np.zeros((0, len(templates)), np.float32)]
    for start in range(0, count, _BLOCK):
        some = np.minimum(np.arange(start, start + _BLOCK), count - 1)
        found.append(np.asarray(compare(jnp.asarray(images[some]), jnp.asarray(templates)))[: count - start])
    return np.concatenate(found)


def orientations(
    images: Float[Array, "image h w channel"], *, signed: bool = False, scale: float = SCALE
) -> Complex[Array, "image h w"]:
    """Returns how strong the gradient is at every point, at twice its angle; pure, it may be traced.

    The gradients of all channels count, so that there is a contour between two colours of one luminance. A signed field
    is the gradient of the channels' mean, at its own angle.
    """
    if signed:
        right, up = gradients(images.mean(-1, keepdims=True), scale)
        return jax.lax.complex(right, up)[..., 0]
    right, up = gradients(images, scale)
    even, odd = (right**2 - up**2).sum(-1), (2 * right * up).sum(-1)
    # As strong as the gradient, not its square: one strong contour must not drown all others.
    root = jnp.sqrt(jnp.sqrt(even**2 + odd**2 + 1e-12))
    return jax.lax.complex(even / root, odd / root)


def gradients(
    images: Float[Array, "image h w channel"], scale: float
) -> tuple[Float[Array, "image h w channel"], Float[Array, "image h w channel"]]:
    """Returns the slopes to the right and upwards, a pixel, of images under a Gaussian; their borders are prolonged."""
    reach = math.ceil(3 * scale)
    at = np.arange(-reach, reach + 1)
    bell = np.exp(-(at**2) / (2 * scale**2))
    bell, slope = bell / bell.sum(), at * bell / (at**2 * bell).sum()

    def along(values: Float[Array, "image h w channel"], taps: np.ndarray, axis: int) -> Array:
        padding = [(reach, reach) if each == axis else (0, 0) for each in range(4)]
        padded = jnp.pad(values, padding, mode="edge")
        parts = [
            float(tap) * jax.lax.slice_in_dim(padded, step, step + values.shape[axis], axis=axis)
            for step, tap in enumerate(taps)
        ]
        return functools.reduce(jnp.add, parts)

    return along(along(images, bell, 1), slope, 2), along(along(images, bell, 2), -slope, 1)


def window(height: int, width: int, reach: float = REACH) -> Float[Array, "h w"]:
    """Returns the Gaussian window in which images are compared."""
    x, y = pixel_grid(height, width)
    return jnp.exp(-(x**2 + y**2) / (2 * (reach * min(height, width) / 2) ** 2))


@functools.cache
def _comparison(shift: int, signed: bool, scale: float, reach: float) -> Callable[[Array, Array], Array]:
    """Returns the comparison of images with templates, compiled."""

    def flat(fields: Complex[Array, "n h w"], weights: Float[Array, "h w"]) -> Float[Array, "n _"]:
        parts = jnp.stack([fields.real, fields.imag], -1) * jnp.sqrt(weights)[None, :, :, None]
        vectors = parts.reshape(len(fields), -1)
        return vectors / jnp.maximum(jnp.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)

    def compare(
        images: Float[Array, "image h w _"], templates: Float[Array, "template h w _"]
    ) -> Float[Array, "image template"]:
        _, height, width, _ = images.shape
        weights = window(height, width, reach)
        seen = flat(orientations(images, signed=signed, scale=scale), weights)
        fields = orientations(templates, signed=signed, scale=scale)
        padded = jnp.pad(fields, [(0, 0), (shift, shift), (shift, shift)])

        def moved(best: Float[Array, "image template"], by: Array) -> tuple[Float[Array, "image template"], None]:
            there = jax.lax.dynamic_slice(padded, (0, by[0], by[1]), fields.shape)
            return jnp.maximum(best, jnp.matmul(seen, flat(there, weights).T, precision="highest")), None

        offsets = shift + jnp.arange(-(shift // _STEP), shift // _STEP + 1) * _STEP
        steps = jnp.stack(jnp.meshgrid(offsets, offsets), -1).reshape(-1, 2)
        best, _ = jax.lax.scan(moved, jnp.full((len(images), len(templates)), -1.0), steps)
        return best

    return jit(compare)
