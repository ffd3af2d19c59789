"""From implicit shapes to pixels: how much of each pixel lies where a function of the plane is small.

A pixel is a square of side 1. Where an edge crosses it, the edge is taken for straight, and one question is left:
how much of a square lies on one side of a straight line? Two renderers answer it.

* `FAST` takes every square as if it stood square to the edge, so coverage is a clamped ramp of the distance. It
  asks nothing but the distance, and is off by about 0.01 on average over the pixels of a stroke.
* `EXACT` uses the edge's direction as well, which it differentiates out of the distance. For straight edges it is the
  exact area, and a function that is only nearly a distance is set right on the way (distance / slope).

`samples` cuts each pixel into so many squares a side, for what is not straight at the size of a pixel: corners,
crossings, very small circles. Everything is pure, and its gradients are finite. In FAST they are those of the ramps,
which is rough for sharp edges (a tenth or so of the true slope of an area): to fit something, draw it in EXACT, or with
some blur.

Blur is drawn, not filtered: an edge blurred by a Gaussian is an error function of the distance. So a blurred
stimulus has no border, wherever it is cropped. Exact for straight edges; close where `blur` is well below the
radius of curvature.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from circuitkit import checks
from circuitkit.geometry import Pixels

Points = Float[Array, "h w"]
Function = Callable[[Points, Points], Points]
"""A number for every point (x, y) of the plane: usually a distance, in pixels."""

Place = Callable[[Points, Points], tuple[Points, Points]]
"""Takes points of the image to points of a shape's own frame."""

_FAR = 1e9  # pixels


@dataclasses.dataclass(frozen=True)
class Renderer:
    """How coverage is computed.

    Attributes:
        exact: Whether the direction of an edge is used as well as its distance.
        samples: Squares a side that each pixel is cut into.
    """

    exact: bool = False
    samples: int = 1

    def __post_init__(self) -> None:
        checks.whole("Renderer", "samples", self.samples)


FAST = Renderer()
EXACT = Renderer(exact=True)


@dataclasses.dataclass(frozen=True)
class Cut:
    """Cuts the pixels of an image along the edges of shapes.

    Attributes:
        x: Of every square's centre, in pixels from the anchor, to the right.
        y: The same, upwards.
        renderer: How coverage is computed.
        blur: Standard deviation of a Gaussian, in pixels.
        places: From points of the image to the frame of the shape, one after the other.
    """

    x: Points
    y: Points
    renderer: Renderer = FAST
    blur: Pixels = 0.0
    places: tuple[Place, ...] = ()

    def through(self, place: Place, *, blur: Pixels | None = None) -> "Cut":
        """Returns the same pixels, seen from a frame that stands in this one."""
        return dataclasses.replace(self, places=(*self.places, place), blur=self.blur if blur is None else blur)

    @property
    def points(self) -> tuple[Points, Points]:
        """The squares' centres in the frame of the shape."""
        return self._placed(self.x, self.y)

    def _placed(self, x: Points, y: Points) -> tuple[Points, Points]:
        for place in self.places:
            x, y = place(x, y)
        return x, y

    def __call__(self, function: Function) -> "Edge":
        """Returns where the level lines of a function of the shape's own frame cross the squares.

        Args:
            function: A signed distance, or nearly one.
        """

        def of_image(x: Points, y: Points) -> Points:
            return function(*self._placed(x, y))

        side = 1 / self.renderer.samples
        if not self.renderer.exact:
            return Edge(of_image(self.x, self.y), side, self.blur)
        ones = jnp.ones_like(self.x)
        values, right = jax.jvp(lambda x: of_image(x, self.y), (self.x,), (ones,))
        _, up = jax.jvp(lambda y: of_image(self.x, y), (self.y,), (ones,))
        right, up = jnp.abs(right), jnp.abs(up)
        squared = right**2 + up**2
        flat = squared < 1e-12
        per_slope = jax.lax.rsqrt(jnp.where(flat, 1.0, squared))
        wide, narrow = jnp.maximum(right, up) * per_slope, jnp.minimum(right, up) * per_slope
        # A slant that is all rounding would lose the gradient of an edge that runs along the pixels' own.
        normal = Normal(wide=jnp.where(flat, 1.0, wide), narrow=jnp.where(narrow < 1e-6, 0.0, narrow))
        return Edge(values, side, self.blur, per_slope, normal)


class Normal(NamedTuple):
    """The direction across an edge: its two components without their signs, the larger one first."""

    wide: Points
    narrow: Points


@dataclasses.dataclass(frozen=True)
class Edge:
    """The level lines of a function, as seen by every square of an image.

    Attributes:
        values: Of the function, at the squares' centres.
        side: Of the squares, in pixels.
        blur: Standard deviation of a Gaussian, in pixels.
        per_slope: One over the slope of the function. None, as is the next, in the fast renderer.
        normal: The direction across the level lines.
    """

    values: Points
    side: float
    blur: Pixels = 0.0
    per_slope: Points | None = None
    normal: Normal | None = None

    def below(self, level: Pixels = 0.0) -> Points:
        """Returns the share of each square, 0 to 1, in which the function is below a level."""
        # A level may be infinite, for a window without an edge; the gradient by the slope would then be NaN.
        depth = jnp.clip(level - self.values, -_FAR, _FAR)
        if self.per_slope is not None:
            depth = depth * self.per_slope
        if not _sharp(self.blur):
            return _blurred(depth, self.side, self.blur)
        if self.normal is None:
            return jnp.clip(0.5 + depth / self.side, 0, 1)
        return _beyond_a_line(depth / self.side, self.normal)

    def between(self, low: Pixels, high: Pixels) -> Points:
        """Returns the share of each square in which the function lies between two levels.

        Both sides count, so a strip thinner than a square keeps its area.
        """
        if self.normal is None and _sharp(self.blur):
            # How far two intervals overlap, in one pass: the strip, and the square across it.
            width = high - low
            overlap = (self.side + width) / 2 - jnp.abs(self.values - (low + high) / 2)
            return jnp.clip(overlap, 0, jnp.minimum(self.side, width)) / self.side
        return self.below(high) - self.below(low)


def _sharp(blur: Pixels) -> bool:
    return checks.is_plain(blur) and blur == 0


def _beyond_a_line(depth: Points, normal: Normal) -> Points:
    """Returns the area of the unit square on one side of a line, which lies `depth` above the square's centre.

    The square's width along the line is a trapezoid: flat over wide - narrow, and gone beyond wide + narrow.
    Integrated from its end, it gives the area that is missing from a whole square, or from none.
    """
    inside = depth >= 0
    height = jnp.where(inside, depth, -depth)
    # A triangle off the trapezoid's end, and a piece of its flat part: both from one number, so that rounding cannot
    # leave a line through the square's corner in neither, without a gradient.
    past = (normal.wide + normal.narrow) / 2 - height
    corner = jnp.clip(past, 0, normal.narrow)
    flat = jnp.maximum(past - normal.narrow, 0)
    missing = (corner * (corner * (0.5 / jnp.maximum(normal.narrow, 1e-6))) + flat) * (1 / normal.wide)
    return jnp.where(inside, 1 - missing, missing)


def _blurred(depth: Points, side: float, blur: Pixels) -> Points:
    """Returns the area beyond a blurred edge: the ramp of a square met head-on, under a Gaussian."""
    # Not the blur itself: its gradient must be finite at 0.
    sigma = jnp.sqrt(jnp.asarray(blur, jnp.float32) ** 2 + 1e-6)
    reach = 6 * sigma + side
    depth = jnp.clip(depth, -reach, reach)

    # erf, and not norm.cdf, whose care for the far tails takes seconds to compile once it is differentiated.
    def integral(z: Points) -> Points:
        t = z / (sigma * 2**0.5)
        return z * (1 + jax.lax.erf(t)) / 2 + sigma * jnp.exp(-(t**2)) / (2 * jnp.pi) ** 0.5

    return jnp.clip((integral(depth + side / 2) - integral(depth - side / 2)) / side, 0, 1)
