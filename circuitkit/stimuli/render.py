"""Drawing implicit shapes: how much of a pixel a stroke covers, from the pixel's distance to the path.

A pixel is taken for a box of width 1 along the normal of the path, so coverage is a difference of two
clamped ramps: exact for straight strokes along the grid, and elsewhere off by less than 0.01 on average
over the pixels of a stroke. Everything is differentiable and works on whole batches.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from circuitkit.geometry import Pixels
from circuitkit.shapes import Frame


def stroke(frame: Frame, *, width: Pixels, length: Pixels, closed: Bool[Array, ""]) -> Float[Array, "*points"]:
    """Returns the coverage, 0 to 1, of a stroke with butt ends along a path.

    Args:
        frame: Distance and arc length of every pixel.
        width: Of the stroke, in pixels.
        length: Of the path from end to end, in pixels.
        closed: Whether the path runs into itself, and so has no ends.
    """
    outside = jnp.clip(jnp.abs(frame.distance) - width / 2 + 0.5, 0, 1)
    # A stroke thinner than a pixel lies inside it: both sides count.
    inside = jnp.clip(-jnp.abs(frame.distance) - width / 2 + 0.5, 0, 1)
    ends = jnp.clip(length / 2 - jnp.abs(frame.along) + 0.5, 0, 1)
    return (1 - outside - inside) * jnp.where(closed, 1.0, ends)
