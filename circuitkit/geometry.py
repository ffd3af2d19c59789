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
from typing import Any

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


def hue_circle(hue: float) -> tuple[float, float, float]:
    """Returns the red, green and blue of a hue, in degrees, relative to the grey in the middle of the hue circle.

    The hues lie in the plane where red, green and blue have one sum: 0 is red, 120 green, 240 blue, and opposite hues
    are complementary.

    >>> tuple(round(value, 3) for value in hue_circle(0.0))
    (1.0, -0.5, -0.5)
    """
    red, green, blue = (cos_sin(hue - offset)[0] for offset in (0.0, 120.0, 240.0))
    return red, green, blue


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


@jax.custom_jvp
def bearing(x: Float[Array, "*points"], y: Float[Array, "*points"]) -> Float[Array, "*points"]:
    """Returns the direction of a vector, in radians, -pi to pi; 0 at the origin, with gradient 0.

    As exact as `jnp.arctan2`, within 3e-7, and ten times as fast: XLA calls that one pixel by pixel on a CPU.

    Source:
        Moshier, the Cephes library: atanf.
    """
    across, up = jnp.abs(x), jnp.abs(y)
    low, high = jnp.minimum(across, up), jnp.maximum(across, up)
    # Beyond 22.5 degrees, the angle to 45 is taken, so that the polynomial is short.
    steep = low > 0.41421356 * high
    slope = jnp.where(steep, low - high, low) / jnp.maximum(jnp.where(steep, low + high, high), 1e-30)
    z = slope**2
    series = ((8.05374449538e-2 * z - 1.38776856032e-1) * z + 1.99777106478e-1) * z - 3.33329491539e-1
    angle = series * z * slope + slope + jnp.where(steep, jnp.pi / 4, 0.0)
    angle = jnp.where(up > across, jnp.pi / 2 - angle, angle)
    angle = jnp.where(x < 0, jnp.pi - angle, angle)
    return jnp.where(y < 0, -angle, angle)


@bearing.defjvp
def _bearing_jvp(at: Any, along: Any) -> Any:
    (x, y), (right, up) = at, along
    squared = x**2 + y**2
    at_origin = squared < 1e-12
    per_squared = jnp.where(at_origin, 0.0, 1 / jnp.where(at_origin, 1.0, squared))
    return bearing(x, y), (x * up - y * right) * per_squared
