"""Solids: figures with an inside, filled unless told otherwise.

Each stands with its middle on the anchor; a wedge with its tip, a junction with the point where its bars meet.
"""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float

from circuitkit.geometry import Degrees, Pixels, Scalar, bearing, norm
from circuitkit.stimuli.parameter import Colour, colour, degrees, number, pixels
from circuitkit.stimuli.paths import Corner, in_sector
from circuitkit.stimuli.render import Cut, Points
from circuitkit.stimuli.stimulus import Figure, stimulus


@stimulus
class Edge(Figure):
    """A straight edge through the anchor, across the whole image. Its angle points from dark to light.

    It paints both sides; with `outside=None` the dark side stays as it is, and it can occlude another figure.
    """

    outside: Colour | None = colour(default=-1.0, doc="Of the dark side.")

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the edge; the light side is the inside."""
        return -x

    def along(self, x: Points, y: Points) -> Points:
        """Returns the distance from the anchor."""
        return y


@stimulus
class Bar(Figure):
    """A rectangle; its angle is that of its length."""

    length: Pixels = pixels(default=30.0, doc="From end to end.", at_least=0)
    thickness: Pixels = pixels(default=6.0, doc="From side to side.", at_least=0)

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the outline."""
        return _box(jnp.abs(x) - self.length / 2, jnp.abs(y) - self.thickness / 2)

    def covered(self, cut: Cut) -> Points:
        """Returns the area, exact for bars along the grid, however thin."""
        sides = cut(lambda x, y: y).between(-self.thickness / 2, self.thickness / 2)
        return sides * cut(lambda x, y: x).between(-self.length / 2, self.length / 2)


@stimulus
class Disc(Figure):
    """A disc."""

    radius: Pixels = pixels(default=12.0, doc="From the centre to the edge.", at_least=0)

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the circle."""
        return norm(x, y) - self.radius

    def along(self, x: Points, y: Points) -> Points:
        """Returns the arc length round the circle, from where x is largest."""
        return self.radius * bearing(x, y)

    def covered(self, cut: Cut) -> Points:
        """Returns the area. A tiny disc is drawn larger, and paler."""
        grown = _growth(self.radius, cut)
        return cut(norm).below(grown * self.radius) / grown**2


@stimulus
class Ring(Figure):
    """The band between two circles."""

    radius: Pixels = pixels(default=14.0, doc="From the centre to the middle of the band.", at_least=0)
    thickness: Pixels = pixels(default=5.0, doc="From edge to edge of the band.", at_least=0)

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the nearer circle."""
        return jnp.abs(norm(x, y) - self.radius) - self.thickness / 2

    def along(self, x: Points, y: Points) -> Points:
        """Returns the arc length round the middle of the band, from where x is largest."""
        return self.radius * bearing(x, y)

    def covered(self, cut: Cut) -> Points:
        """Returns the area, however thin the band."""
        outer, inner = self.radius + self.thickness / 2, jnp.maximum(self.radius - self.thickness / 2, 0)
        return Disc(radius=outer).covered(cut) - Disc(radius=inner).covered(cut)


@stimulus
class Ellipse(Figure):
    """An ellipse; its angle is that of its length."""

    length: Pixels = pixels(default=40.0, doc="From end to end.", at_least=0)
    thickness: Pixels = pixels(default=22.0, doc="From side to side.", at_least=0)

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the outline: right to first order near it, and at the centre its depth."""
        # A thousandth of a pixel is as good as nothing.
        wide, high = (jnp.maximum(jnp.asarray(axis, jnp.float32) / 2, 1e-3) for axis in (self.length, self.thickness))
        level, slope = norm(x / wide, y / high), norm(x / wide**2, y / high**2)
        depth = jnp.minimum(wide, high)
        # Pixels per level, across the outline: it depends on the direction, and so would jump at the centre.
        across = level / jnp.where(slope == 0, 1.0, slope)
        return (level - 1) * (depth + (across - depth) * jnp.minimum(level, 1) ** 2)

    def covered(self, cut: Cut) -> Points:
        """Returns the area. A thin ellipse is drawn thicker, and paler."""
        longer, thicker = _growth(self.length / 2, cut), _growth(self.thickness / 2, cut)
        grown = Ellipse(length=longer * self.length, thickness=thicker * self.thickness)
        return cut(grown.distance).below(0) / (longer * thicker)


@stimulus
class Wedge(Figure):
    """A solid corner whose sides run out of the image. Its angle is the way it points, from inside to the tip.

    The tip lies on the anchor whatever the rounding. An opening of 180 is a straight edge; more than that leaves a
    notch.
    """

    opening: Degrees = degrees(default=60.0, doc="Between the sides, on the inside.", above=0, at_most=360)
    rounding: Pixels = pixels(default=0.0, doc="Radius of the arc in place of the tip.", at_least=0)

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the outline."""
        return self._corner.distance(x, y)

    def along(self, x: Points, y: Points) -> Points:
        """Returns the arc length from the tip."""
        return self._corner.along(x, y)

    @property
    def _corner(self) -> Corner:
        return Corner(opening=self.opening, rounding=self.rounding)


@stimulus
class Cross(Figure):
    """Two bars of one size that cross at right angles. Its angle is that of either."""

    length: Pixels = pixels(default=36.0, doc="Of each bar, from end to end.", at_least=0)
    thickness: Pixels = pixels(default=8.0, doc="Of each bar, from side to side.", at_least=0)

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the nearer bar; exact outside, a bound inside."""
        x, y = jnp.abs(x), jnp.abs(y)
        return _box(jnp.maximum(x, y) - self.length / 2, jnp.minimum(x, y) - self.thickness / 2)

    def covered(self, cut: Cut) -> Points:
        """Returns the area, exact for crosses along the grid, however thin."""
        across, up = cut(lambda x, y: x), cut(lambda x, y: y)
        half, end = self.thickness / 2, jnp.maximum(self.length, self.thickness) / 2
        arms = across.between(-end, end) - across.between(-half, half)
        return across.between(-half, half) * up.between(-end, end) + arms * up.between(-half, half)


@stimulus
class TJunction(Figure):
    """A bar, and a stem from its middle. Its angle is the way the stem points: 270 is the letter T.

    The anchor lies where the middle lines of bar and stem meet.
    """

    length: Pixels = pixels(default=40.0, doc="Of the bar, from end to end.", at_least=0)
    stem: Pixels = pixels(default=22.0, doc="Of the stem, from the middle of the bar to its end.", at_least=0)
    thickness: Pixels = pixels(default=6.0, doc="Of bar and stem.", at_least=0)

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the nearer of bar and stem; exact outside, a bound inside."""
        half, y = self.thickness / 2, jnp.abs(y)
        bar = _box(jnp.abs(x) - half, y - self.length / 2)
        return jnp.minimum(bar, _box(jnp.abs(x - self.stem / 2) - self.stem / 2, y - half))

    def covered(self, cut: Cut) -> Points:
        """Returns the area, exact for junctions along the grid, however thin."""
        across, up = cut(lambda x, y: x), cut(lambda x, y: y)
        half = self.thickness / 2
        bar = across.between(-half, half) * up.between(-self.length / 2, self.length / 2)
        return bar + across.between(half, jnp.maximum(self.stem, half)) * up.between(-half, half)


@stimulus
class YJunction(Figure):
    """A stem that forks in two. Its angle is the way the stem points: 270 is the letter Y.

    The anchor lies on the fork. An opening of 180 is a `TJunction`, and more than that an arrow.
    """

    opening: Degrees = degrees(default=120.0, doc="Between the two arms, away from the stem.", above=0, at_most=360)
    length: Pixels = pixels(default=24.0, doc="Of each arm, from the fork to its end.", at_least=0)
    stem: Pixels = pixels(default=24.0, doc="Of the stem, from the fork to its end.", at_least=0)
    thickness: Pixels = pixels(default=6.0, doc="Of arms and stem.", at_least=0)

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the nearest arm; exact outside, a bound inside."""
        past, beside = self._arm(x, y)
        return _box(past, beside - self.thickness / 2)

    def covered(self, cut: Cut) -> Points:
        """Returns the area of the nearest arm in each pixel, however thin."""
        ends = cut(lambda x, y: self._arm(x, y)[0]).below(0)
        return ends * cut(lambda x, y: self._arm(x, y)[1]).between(-self.thickness / 2, self.thickness / 2)

    def _arm(self, x: Points, y: Points) -> tuple[Points, Points]:
        """Returns how far past the end of the nearest arm points are, and how far from its middle line."""
        half, y = jnp.deg2rad(jnp.asarray(self.opening, jnp.float32)) / 2, jnp.abs(y)
        out, aside = y * jnp.sin(half) - x * jnp.cos(half), x * jnp.sin(half) + y * jnp.cos(half)
        from_stem, from_arm = norm(jnp.minimum(x, 0), y), norm(jnp.minimum(out, 0), aside)
        on_stem = from_stem < from_arm
        return jnp.where(on_stem, x - self.stem, out - self.length), jnp.where(on_stem, from_stem, from_arm)


@stimulus
class Polygon(Figure):
    """A regular polygon. Its angle is the way to one of its corners."""

    sides: Scalar = number(default=6.0, doc="How many; a whole number.", at_least=3)
    radius: Pixels = pixels(default=18.0, doc="From the centre to a corner, before it is rounded.", at_least=0)
    rounding: Pixels = pixels(
        default=0.0, doc="Radius of the arcs in place of the corners; at most a circle.", at_least=0
    )

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the outline."""
        x, y, _ = in_sector(x, y, self.sides)
        tip, corner = self._corner
        return corner.distance(x - tip, y)

    def along(self, x: Points, y: Points) -> Points:
        """Returns the arc length from the first corner."""
        x, y, index = in_sector(x, y, self.sides)
        tip, corner = self._corner
        turn = jnp.pi / jnp.asarray(self.sides, jnp.float32)
        side = 2 * (self.radius * jnp.sin(turn) - corner.rounding * (jnp.tan(turn) - turn))
        return index * side + corner.along(x - tip, y)

    def covered(self, cut: Cut) -> Points:
        """Returns the area. A tiny polygon is drawn larger, and paler."""
        grown = _growth(self.radius, cut)
        larger = dataclasses.replace(self, radius=grown * self.radius, rounding=grown * self.rounding)
        return cut(larger.distance).below(0) / grown**2

    @property
    def _corner(self) -> tuple[Float[Array, ""], Corner]:
        """Where the first corner's tip is, and the corner."""
        turn = jnp.pi / jnp.asarray(self.sides, jnp.float32)
        rounding = jnp.minimum(self.rounding, self.radius * jnp.cos(turn))
        tip = self.radius - rounding * (1 / jnp.cos(turn) - 1)
        return tip, Corner(opening=180 - jnp.rad2deg(2 * turn), rounding=rounding)


@stimulus
class Star(Figure):
    """A regular star. Its angle is the way to one of its points."""

    points: Scalar = number(default=5.0, doc="How many; a whole number.", at_least=2)
    radius: Pixels = pixels(default=22.0, doc="From the centre to a point.", at_least=0)
    inner: Pixels = pixels(default=9.0, doc="From the centre to the corners between the points.", at_least=0)

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the outline."""
        x, y, _ = in_sector(x, y, self.points)
        return self._edge(x, y)[0]

    def along(self, x: Points, y: Points) -> Points:
        """Returns the arc length from the first point."""
        x, y, index = in_sector(x, y, self.points)
        _, along, edge = self._edge(x, y)
        return 2 * edge * index + jnp.where(y < 0, -along, along)

    def covered(self, cut: Cut) -> Points:
        """Returns the area. A tiny or thin star is drawn larger, and paler."""
        longer, thicker = _growth(self.radius, cut), _growth(self.inner, cut)
        larger = dataclasses.replace(self, radius=longer * self.radius, inner=thicker * self.inner)
        return cut(larger.distance).below(0) / (longer * thicker)

    def _edge(self, x: Points, y: Points) -> tuple[Points, Points, Float[Array, ""]]:
        """Returns the distance to the edge above the first point, the way along it, and its length."""
        turn = jnp.pi / jnp.asarray(self.points, jnp.float32)
        back, up = self.radius - self.inner * jnp.cos(turn), self.inner * jnp.sin(turn)
        edge = jnp.maximum(norm(back, up), 1e-3)
        back, up = back / edge, up / edge
        x, y = x - self.radius, jnp.abs(y)
        along, out = y * up - x * back, x * up + y * back
        past = along - jnp.clip(along, 0, edge)
        outline = jnp.where(past == 0, out, jnp.where(out < 0, -1.0, 1.0) * norm(past, out))
        return outline, along - past, edge


def _box(past: Points, above: Points) -> Points:
    """Returns the distance to a rectangle, from how far past its nearer end and how far above its nearer side."""
    return norm(jnp.maximum(past, 0), jnp.maximum(above, 0)) + jnp.minimum(jnp.maximum(past, above), 0)


def _growth(radius: Pixels, cut: Cut) -> Float[Array, ""]:
    """Returns by what to enlarge something so that it is as wide as two squares, in which its edges look straight."""
    return jnp.maximum(1 / (cut.renderer.samples * jnp.maximum(radius, 1e-3)), 1)
