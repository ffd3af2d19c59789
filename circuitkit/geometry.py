"""Pixel grids and angles: every convention of the library lives here.

Angles are degrees, counter-clockwise, and 0 points along +x. y points up: row 0 has the largest y.
Coordinates are pixels, measured at pixel centres, so n pixels span -(n-1)/2 to +(n-1)/2
and a quarter turn maps the grid onto itself, for odd and for even n. `np.rot90` adds 90 degrees.

What an angle means, by kind of unit:

* an **edge** points from dark to light; turned by 180 it is the same edge with the polarity reversed;
* a **line** points along its tangent, so 180 brings it back;
* a **curve** points the way it bulges, from its centre of curvature to its apex: 0 is ``)``, 90 an arch,
  180 ``(``, 270 a cup.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Scalar = float | Float[Array, ""]
"""A number of a spec or stimulus: plain, or traced while a gradient is taken or a grid is drawn."""

Degrees = Scalar
Pixels = Scalar


def pixel_grid(
    height: int, width: int | None = None
) -> tuple[Float[Array, "height width"], Float[Array, "height width"]]:
    """Returns x and y of every pixel centre of an image, in pixels from the image's centre."""
    width = height if width is None else width
    columns = jnp.arange(width, dtype=jnp.float32) - (width - 1) / 2
    rows = jnp.arange(height, dtype=jnp.float32) - (height - 1) / 2
    x, y = jnp.meshgrid(columns, -rows)
    return x, y


def cos_sin(angle: float) -> tuple[float, float]:
    """Returns cosine and sine of an angle in degrees, exact where they should be.

    All angles are folded into the first 45 degrees first, so cos(90) is 0, and cos(75) is the very number
    sin(15) is. Kernels drawn at quarter turns and mirror images of each other are then equal bit by bit.

    >>> cos_sin(90.0), cos_sin(-180.0)
    ((0.0, 1.0), (-1.0, 0.0))
    """
    quadrant, rest = divmod(angle % 360.0, 90.0)
    cos, sin = math.cos(math.radians(rest)), math.sin(math.radians(rest))
    if rest > 45.0:
        cos, sin = math.sin(math.radians(90.0 - rest)), math.cos(math.radians(90.0 - rest))
    elif rest == 45.0:
        sin = cos  # they differ in the last bit
    # A tiny negative angle is 360 once folded, in floating point, and so in the fourth quadrant after the first.
    turned = [(cos, sin), (-sin, cos), (-cos, -sin), (sin, -cos)][int(quadrant) % 4]
    return turned[0] + 0.0, turned[1] + 0.0  # no negative zeros


def turned_back(
    x: Float[Array, "h w"], y: Float[Array, "h w"], angles: Sequence[float]
) -> tuple[Float[Array, "turn h w"], Float[Array, "turn h w"]]:
    """Returns the points turned by minus each angle: where a template turned by it would see them."""
    cos, sin = (jnp.asarray(part, jnp.float32)[:, None, None] for part in np.transpose([cos_sin(a) for a in angles]))
    return cos * x[None] + sin * y[None], cos * y[None] - sin * x[None]


def angle_between(angle: float, other: float, period: float = 360.0) -> float:
    """Returns `angle - other`, folded into the half-open interval [-period/2, period/2).

    >>> angle_between(350.0, 10.0)
    -20.0
    """
    return (angle - other + period / 2) % period - period / 2


def turning(angle: Degrees) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Returns cosine and sine of an angle in degrees that may be traced; exact at quarter turns, in float32.

    The whole quarter turns are taken off in degrees, where that rounds nothing, so angles a quarter turn apart
    have the very same two numbers, swapped.
    """
    angle = jnp.asarray(angle, jnp.float32)
    quarters = jax.lax.stop_gradient(jnp.round(angle / 90))
    rest = jnp.deg2rad(angle - 90 * quarters)
    cos, sin = jnp.cos(rest), jnp.sin(rest)
    quadrant = jnp.mod(quarters, 4)
    swapped = jnp.mod(quadrant, 2) == 1
    turned_cos = jnp.where(swapped, sin, cos) * jnp.where((quadrant == 1) | (quadrant == 2), -1.0, 1.0)
    turned_sin = jnp.where(swapped, cos, sin) * jnp.where(quadrant >= 2, -1.0, 1.0)
    return turned_cos, turned_sin


def norm(x: Float[Array, "*points"], y: Float[Array, "*points"]) -> Float[Array, "*points"]:
    """Returns the length of a vector; its gradient at the origin is 0, not NaN."""
    squared = x**2 + y**2
    at_origin = squared < 1e-12
    return jnp.where(at_origin, 0.0, jnp.sqrt(jnp.where(at_origin, 1.0, squared)))


def bearing(x: Float[Array, "*points"], y: Float[Array, "*points"]) -> Float[Array, "*points"]:
    """Returns the direction of a vector, in radians, -pi to pi; 0 at the origin, with gradient 0."""
    at_origin = x**2 + y**2 < 1e-12
    return jnp.arctan2(jnp.where(at_origin, 0.0, y), jnp.where(at_origin, 1.0, x))
