"""Implicit shapes: for every point of the plane, how far the path is and which way it runs there.

A shape is used twice. The stimulus renderer draws it (coverage is a function of distance), and the circuit
builder tiles detectors along it (a weight is a function of distance and of the angle to the tangent).

Every shape stands at its own origin, its *anchor*, and in its own pose, angle 0. Turning it is the business
of whoever uses it: turn the points back, then ask the shape.
"""

import dataclasses
import math
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from circuitkit import checks
from circuitkit.errors import SpecError
from circuitkit.geometry import Pixels, Scalar


class Frame(NamedTuple):
    """What a shape says of a point, for a whole array of points at once.

    Attributes:
        distance: Signed distance to the endless path, in pixels; positive outside, that is on the side
            that the path bulges to.
        along: Arc length along the path from the anchor to the nearest point, in pixels.
        tangent: Direction of the path at the nearest point, in degrees.
    """

    distance: Float[Array, "*points"]
    along: Float[Array, "*points"]
    tangent: Float[Array, "*points"]


@runtime_checkable
class Shape(Protocol):
    """A path of finite length through its anchor.

    Attributes:
        period: The turn, in degrees, that brings the path back onto itself: 180 for a line, 360 for an arc.
        anchor_tangent: Direction of the path at the anchor, in degrees.
    """

    period: ClassVar[float]
    anchor_tangent: ClassVar[float]

    @property
    def length(self) -> Pixels:
        """Arc length of the path, half of it on each side of the anchor."""

    def frame(self, x: Float[Array, "*points"], y: Float[Array, "*points"]) -> Frame:
        """Returns distance, arc length and tangent at each point."""

    def bounding_radius(self) -> float:
        """Returns the radius of a disc round the anchor that holds the path, in pixels."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """A straight segment through the anchor, along +x.

    Attributes:
        length: From end to end, in pixels.
    """

    length: Pixels

    period: ClassVar[float] = 180.0
    anchor_tangent: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        checks.number(self, "length", above=0, unit="pixels")

    def frame(self, x: Float[Array, "*points"], y: Float[Array, "*points"]) -> Frame:
        """Returns distance, arc length and tangent at each point."""
        return Frame(distance=y, along=x, tangent=jnp.zeros_like(x))

    def bounding_radius(self) -> float:
        """Returns half the length."""
        return float(self.length) / 2


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Arc:
    """A circular arc with its apex at the anchor, bulging along +x: a `)`.

    Attributes:
        radius: Radius of curvature, in pixels.
        length: Arc length from end to end, in pixels; at most the full circle.
    """

    radius: Pixels
    length: Pixels

    period: ClassVar[float] = 360.0
    anchor_tangent: ClassVar[float] = 90.0

    def __post_init__(self) -> None:
        checks.number(self, "radius", above=0, unit="pixels")
        checks.number(self, "length", above=0, unit="pixels")
        if checks.is_plain(self.radius) and checks.is_plain(self.length):
            turn = 2 * math.pi * self.radius
            if self.length > turn:
                raise SpecError(
                    f"Arc has length={self.length}: a circle of radius {self.radius} is only {turn:.4g} pixels "
                    "round. Shorten the arc, or give it a larger radius."
                )

    def frame(self, x: Float[Array, "*points"], y: Float[Array, "*points"]) -> Frame:
        """Returns distance, arc length and tangent at each point."""
        return arc_frame(1 / self.radius, x, y)

    def bounding_radius(self) -> float:
        """Returns the distance from the apex to the arc's ends: the chord of half the arc."""
        half_turn = min(float(self.length) / (2 * float(self.radius)), math.pi)
        return 2 * float(self.radius) * math.sin(half_turn / 2)


def arc_frame(curvature: Scalar, x: Float[Array, "*points"], y: Float[Array, "*points"]) -> Frame:
    """Returns the frame of an endless arc through the origin, bulging along +x.

    Written in the curvature (1 / radius, per pixel), so that a straight line is simply curvature 0, and
    rearranged so that no difference of large numbers is taken: distance = rho - radius loses all its digits
    in float32 long before an arc looks straight. Gradients are finite everywhere, the centre of curvature
    included, to which every point of the path is nearest: there the apex is taken.
    """
    across = 1 + curvature * x
    lengthwise = curvature * y
    squared = across**2 + lengthwise**2
    # The two `where`s keep the branch not taken, and so its gradient, away from the centre of curvature.
    at_centre = squared < 1e-10
    rho = jnp.sqrt(jnp.where(at_centre, 1e-10, squared))
    distance = (curvature * (x**2 + y**2) + 2 * x) / (rho + 1)
    phi = jnp.arctan2(jnp.where(at_centre, 0.0, lengthwise), jnp.where(at_centre, 1.0, across))
    nearly_straight = jnp.abs(curvature) < 1e-6
    along = jnp.where(nearly_straight, y, phi / jnp.where(nearly_straight, 1.0, curvature))
    return Frame(distance=distance, along=along, tangent=90 + jnp.degrees(phi))
