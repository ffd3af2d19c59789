"""Implicit shapes: for every point of the plane, how far the path is and which way it runs there.

A shape is used twice. The stimulus renderer draws it (coverage is a function of distance), and the circuit
builder tiles detectors along it (a weight is a function of distance and of the angle to the tangent).

Every shape stands at its own origin, its *anchor*, and in its own pose, angle 0. Turning it is the business
of whoever uses it: turn the points back, then ask the shape.
"""

import cmath
import dataclasses
import math
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from circuitkit import checks
from circuitkit.errors import SpecError
from circuitkit.geometry import Degrees, Pixels, Scalar, bearing, norm


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
    """A path of finite length through its anchor, or round it, or beside it.

    Attributes:
        period: The turn, in degrees, that brings the path back onto itself: 180 for a line, 360 for an arc, 0 for a
            circle, which every turn brings back.
    """

    period: ClassVar[float]

    @property
    def anchor_tangent(self) -> float:
        """Direction of the path at the anchor, in degrees."""

    @property
    def length(self) -> Pixels:
        """Arc length of the path, half of it on each side of the anchor."""

    @property
    def lap(self) -> Pixels | None:
        """Arc length after which the endless path is back where it was; None if it never is."""

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

    @property
    def lap(self) -> None:
        """None: a line never comes back."""

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

    @property
    def lap(self) -> Pixels:
        """The circumference: at full length the ends meet, opposite the apex, and there is no gap between them."""
        return 2 * math.pi * self.radius

    def frame(self, x: Float[Array, "*points"], y: Float[Array, "*points"]) -> Frame:
        """Returns distance, arc length and tangent at each point."""
        return arc_frame(1 / self.radius, x, y)

    def bounding_radius(self) -> float:
        """Returns the distance from the apex to the arc's ends: the chord of half the arc."""
        half_turn = min(float(self.length) / (2 * float(self.radius)), math.pi)
        return 2 * float(self.radius) * math.sin(half_turn / 2)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Circle:
    """A whole circle, its centre on the anchor.

    Attributes:
        radius: In pixels.
        inwards: Whether the path bulges to its centre, for units that lie on a ring and point into it: of an evolute,
            not of a ring.
    """

    radius: Pixels
    inwards: bool = dataclasses.field(default=False, metadata={"static": True})

    period: ClassVar[float] = 0.0
    anchor_tangent: ClassVar[float] = 90.0  # that of its rightmost point, for want of one

    def __post_init__(self) -> None:
        checks.number(self, "radius", above=0, unit="pixels")

    @property
    def length(self) -> Pixels:
        """The circumference."""
        return 2 * math.pi * self.radius

    @property
    def lap(self) -> Pixels:
        """The circumference: the path closes."""
        return self.length

    def frame(self, x: Float[Array, "*points"], y: Float[Array, "*points"]) -> Frame:
        """Returns distance, arc length (from the rightmost point) and tangent at each point.

        All points of the path are nearest to the centre. It counts as beyond all ends of the path, so that no unit
        there speaks for the circle: a direction of the path would have to be chosen, and a turn would show it.
        """
        rho, phi, side = norm(x, y), bearing(x, y), -1 if self.inwards else 1
        along = jnp.where(rho < 1e-5, 1e3 * self.radius, self.radius * phi)
        return Frame(side * (rho - self.radius), side * along, side * 90 + jnp.degrees(phi))

    def bounding_radius(self) -> float:
        """Returns the radius."""
        return float(self.radius)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Beside:
    """A straight segment at some distance from the anchor, in the direction of +x, across it: what lies to one side.

    Attributes:
        distance: From the anchor, in pixels.
        length: From end to end, in pixels.
    """

    distance: Pixels
    length: Pixels

    period: ClassVar[float] = 360.0
    anchor_tangent: ClassVar[float] = 90.0

    def __post_init__(self) -> None:
        checks.number(self, "distance", above=0, unit="pixels")
        checks.number(self, "length", above=0, unit="pixels")

    @property
    def lap(self) -> None:
        """None: a line never comes back."""

    def frame(self, x: Float[Array, "*points"], y: Float[Array, "*points"]) -> Frame:
        """Returns distance, arc length and tangent at each point."""
        return Frame(distance=x - self.distance, along=y, tangent=jnp.full_like(x, 90.0))

    def bounding_radius(self) -> float:
        """Returns how far the ends lie from the anchor."""
        return math.hypot(float(self.distance), float(self.length) / 2)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Corner:
    """Two straight arms that meet at an angle, the tip on the anchor, pointing along +x: a `>`.

    Attributes:
        opening: Between the arms, on the inside, in degrees; 180 is a straight line.
        length: Arc length from end to end, in pixels.
        rounding: Radius of the arc in place of the vertex, in pixels. The tip stays on the anchor.
    """

    opening: Degrees
    length: Pixels
    rounding: Pixels = 0.0

    period: ClassVar[float] = 360.0
    anchor_tangent: ClassVar[float] = 90.0

    def __post_init__(self) -> None:
        checks.number(self, "opening", above=0, unit="degrees")
        checks.number(self, "length", above=0, unit="pixels")
        checks.number(self, "rounding", at_least=0, unit="pixels")
        if checks.is_plain(self.opening) and self.opening > 180:
            raise SpecError(
                f"Corner has opening={self.opening:g}: wanted at most 180 degrees, a straight line. From the other "
                f"side it is a corner of {360 - self.opening:g} degrees."
            )

    @property
    def lap(self) -> None:
        """None: a corner never comes back."""

    def frame(self, x: Float[Array, "*points"], y: Float[Array, "*points"]) -> Frame:
        """Returns distance, arc length and tangent at each point.

        Outside a sharp vertex the tangent turns from one arm's to the other's. Inside, on the line between the arms,
        both are equally near, and the tangent across is taken.
        """
        # A point on the line between the arms, turned back by its unit's angle, is off it by a rounding: no side's.
        side = jnp.where(jnp.abs(y) < 1e-4, 0.0, jnp.sign(y))
        turn = jnp.deg2rad((180 - jnp.asarray(self.opening)) / 2)
        # From the centre of the rounding, seen in the upper half.
        x, y = x + self.rounding, jnp.abs(y)
        phi = bearing(x, y)
        at_tip = phi < turn
        cos, sin = jnp.cos(turn), jnp.sin(turn)
        distance = jnp.where(at_tip, norm(x, y), x * cos + y * sin) - self.rounding
        along = jnp.where(at_tip, self.rounding * phi, self.rounding * turn + y * cos - x * sin)
        return Frame(distance, side * along, 90 + side * jnp.degrees(jnp.minimum(phi, turn)))

    def bounding_radius(self) -> float:
        """Returns the distance from the tip to the ends."""
        turn, radius = math.radians(180 - float(self.opening)) / 2, float(self.rounding)
        bent = min(turn, float(self.length) / 2 / radius) if radius else turn
        straight = float(self.length) / 2 - radius * bent
        return math.hypot(
            radius * (1 - math.cos(bent)) + straight * math.sin(bent),
            radius * math.sin(bent) + straight * math.cos(bent),
        )


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Spiral:
    """One arm of a logarithmic spiral through the anchor, bulging along +x there: a `)` that opens or closes.

    Its mirror image, which no turn gives, has the opposite pitch; at pitch 0 it is an `Arc`.

    Attributes:
        radius: From the centre to the anchor, in pixels. The radius of curvature there is `radius / cos(pitch)`.
        pitch: Angle between the arm and a circle round the centre, in degrees. Positive ones open counter-clockwise.
        length: Arc length from end to end, in pixels; the arm winds by half a turn from the anchor at most.
    """

    radius: Pixels
    pitch: Degrees
    length: Pixels

    period: ClassVar[float] = 360.0
    anchor_tangent: ClassVar[float] = 90.0

    def __post_init__(self) -> None:
        checks.number(self, "radius", above=0, unit="pixels")
        checks.number(self, "pitch", unit="degrees")
        checks.number(self, "length", above=0, unit="pixels")
        if checks.is_plain(self.pitch) and abs(self.pitch) > 60:
            raise SpecError(f"Spiral has pitch={self.pitch:g}: wanted -60 to 60 degrees; 0 is a circle.")
        if checks.is_plain(self.radius) and checks.is_plain(self.pitch) and checks.is_plain(self.length):
            growth = math.tan(math.radians(abs(self.pitch)))
            inwards = math.pi if growth < 1e-6 else -math.expm1(-growth * math.pi) / growth
            most = 2 * self.radius * math.hypot(1, growth) * inwards
            if self.length > most:
                raise SpecError(
                    f"Spiral has length={self.length:g}: half a turn inwards, at a radius of {self.radius:g} and a "
                    f"pitch of {self.pitch:g} degrees, its inner end is {most / 2:.4g} pixels from the anchor. Shorten "
                    "it, or give it a larger radius."
                )

    @property
    def lap(self) -> None:
        """None: a spiral never comes back."""

    def frame(self, x: Float[Array, "*points"], y: Float[Array, "*points"]) -> Frame:
        """Returns distance, arc length and tangent at each point.

        The nearest point is looked for within half a turn of the anchor, by Newton's method from the point of the
        same bearing. Within half a radius of the path it is found to float32 rounding.
        """
        pitch = jnp.deg2rad(jnp.asarray(self.pitch, jnp.float32))
        cos, sin, growth = jnp.cos(pitch), jnp.sin(pitch), jnp.tan(pitch)
        # From the centre, with the anchor to its right.
        x, y = self.radius + cos * x + sin * y, cos * y - sin * x
        rho, phi = norm(x, y), bearing(x, y)
        turn = phi
        for _ in range(4):
            arm, ahead = self.radius * jnp.exp(growth * turn), phi - turn
            # The way to the point, along the path, and how that changes as the path is followed.
            off = rho * (growth * jnp.cos(ahead) + jnp.sin(ahead)) - growth * arm
            change = rho * (jnp.cos(ahead) - growth * jnp.sin(ahead)) + growth**2 * arm
            turn = turn + jnp.clip(off / jnp.maximum(change, 0.1 * self.radius), -1, 1)
        arm, ahead = self.radius * jnp.exp(growth * turn), phi - turn
        distance = cos * (rho * (jnp.cos(ahead) - growth * jnp.sin(ahead)) - arm)
        circular = jnp.abs(growth) < 1e-4
        wound = jnp.where(circular, turn, jnp.expm1(growth * turn) / jnp.where(circular, 1.0, growth))
        return Frame(distance, self.radius / cos * wound, 90 + jnp.degrees(turn))

    def bounding_radius(self) -> float:
        """Returns the distance from the anchor to the farthest point of the arm."""
        growth, points = math.tan(math.radians(float(self.pitch))), 200
        steps = [float(self.length) * (step / points - 0.5) for step in range(points + 1)]
        wound = [step / math.hypot(1, growth) / float(self.radius) for step in steps]
        turns = [w if abs(growth) < 1e-6 else math.log1p(growth * w) / growth for w in wound]
        return float(self.radius) * max(abs(cmath.exp((growth + 1j) * turn) - 1) for turn in turns)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Away:
    """Another shape, moved away from the anchor: a part that belongs at some place of a whole.

    Attributes:
        shape: The shape.
        x: Where its own anchor lies, in pixels to the right of this one.
        y: Up from it.
    """

    shape: Shape
    x: Pixels = 0.0
    y: Pixels = 0.0

    period: ClassVar[float] = 360.0

    def __post_init__(self) -> None:
        if checks.is_plain(self.shape) or isinstance(self.shape, str | None):
            raise SpecError(f"Away has shape={self.shape!r}: wanted a shape, such as Line(length=4).")
        checks.number(self, "x", unit="pixels")
        checks.number(self, "y", unit="pixels")

    @property
    def anchor_tangent(self) -> float:
        """That of the shape."""
        return self.shape.anchor_tangent

    @property
    def length(self) -> Pixels:
        """That of the shape."""
        return self.shape.length

    @property
    def lap(self) -> Pixels | None:
        """That of the shape."""
        return self.shape.lap

    def frame(self, x: Float[Array, "*points"], y: Float[Array, "*points"]) -> Frame:
        """Returns what the shape says, from its place."""
        return self.shape.frame(x - self.x, y - self.y)

    def bounding_radius(self) -> float:
        """Returns how far the shape may reach from here."""
        return math.hypot(float(self.x), float(self.y)) + self.shape.bounding_radius()


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
