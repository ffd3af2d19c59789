"""Paths: figures drawn as a line. Straight, bent, broken, wound up, and several round a centre.

Each stands with the middle of its path on the anchor; those that go round a centre have that centre there. Ends are
cut straight across, and strokes are joined round.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from circuitkit.geometry import Degrees, Pixels, Scalar, bearing, norm
from circuitkit.shapes import arc_frame
from circuitkit.stimuli.parameter import degrees, number, pixels
from circuitkit.stimuli.render import Cut, Points
from circuitkit.stimuli.stimulus import Path, stimulus

_Places = Float[Array, "*places"]
"""A number for one place on an arc, or for many."""


@stimulus
class Line(Path):
    """A straight line with butt ends; its angle is that of its tangent."""

    length: Pixels = pixels(default=90.0, doc="From end to end.", at_least=0)

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the height above the line."""
        return y

    def along(self, x: Points, y: Points) -> Points:
        """Returns the distance from the middle."""
        return x

    def stroked(self, cut: Cut) -> Points:
        """Returns the coverage of the stroke: a rectangle."""
        return super().stroked(cut) * cut(self.along).between(-self.length / 2, self.length / 2)


@stimulus
class Curve(Path):
    """An arc of a circle. Its angle is the way it bulges, from the centre to the apex: 0 is `)`, 90 an arch.

    Source:
        Cammarata et al., "Curve Detectors", Distill (2020), Synthetic tuning: the apex in the centre, all
        orientations, radii on a log scale. There the arc ends at the border of a 60-pixel tile; here it has
        a length, so that turning it turns the whole image.
    """

    radius: Pixels = pixels(default=20.0, doc="Of curvature; infinite for a straight line.", above=0, infinite=True)
    length: Pixels = pixels(default=90.0, doc="Arc length; a circle shorter than this is drawn whole.", above=0)

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the endless arc; negative towards the centre of curvature."""
        return arc_frame(self.curvature, x, y).distance

    def along(self, x: Points, y: Points) -> Points:
        """Returns the arc length from the apex."""
        return arc_frame(self.curvature, x, y).along

    @property
    def curvature(self) -> Scalar:
        """One over the radius, per pixel."""
        return 1 / jnp.asarray(self.radius, jnp.float32)

    def past_the_end(self, x: Points, y: Points) -> Points:
        """Returns the distance beyond the straight cut across the nearer end; negative on the arc.

        Both cuts run through the centre of curvature, so no arc length has to be found, and a butt end is a
        straight edge. sin(phi) / curvature is written so that it tends to phi's arc length on a straight line.
        """
        half_turn = jnp.minimum(self.length * self.curvature / 2, jnp.pi)
        to_centre = self.length / 2 * jnp.sinc(half_turn / jnp.pi)
        past = jnp.abs(y) * jnp.cos(half_turn) - x * jnp.sin(half_turn) - to_centre
        # Ends behind the centre are not to be seen from the apex, close though it may be to the prolonged cut.
        before = 1 + self.curvature * x
        return jnp.where((half_turn > jnp.pi / 2) & (before > 0), jnp.minimum(past, -before), past)

    def stroked(self, cut: Cut) -> Points:
        """Returns the coverage of the stroke, with butt ends."""
        closed = self.length * self.curvature >= 2 * jnp.pi
        ends = cut(self.past_the_end).below(0)
        return super().stroked(cut) * jnp.where(closed, 1.0, ends)


@stimulus
class SCurve(Path):
    """Two arcs that meet in one tangent and bend opposite ways: point-symmetric about the anchor.

    Its angle is that of its tangent in the middle, so a half turn brings it back. At 0 it is the letter S; the
    mirror image, which no turn gives, is `flip=-1`. An arm bends by a half circle at most and runs straight on.

    Source:
        Olah et al., "An Overview of Early Vision in InceptionV1", Distill (2020): the curve-based shapes of mixed3b.
    """

    radius: Pixels = pixels(
        default=12.0, doc="Of curvature, of both arms; infinite for a straight line.", above=0, infinite=True
    )
    length: Pixels = pixels(default=64.0, doc="Arc length of both arms together.", above=0)

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the S, its ends prolonged straight; positive to the left of the way through it."""
        left, distance, _ = self._arm(x, y)
        return jnp.where(left, -distance, distance)

    def along(self, x: Points, y: Points) -> Points:
        """Returns the arc length from the anchor."""
        left, _, along = self._arm(x, y)
        return jnp.where(left, -along, along)

    def stroked(self, cut: Cut) -> Points:
        """Returns the coverage of the stroke, with butt ends."""
        return super().stroked(cut) * cut(self.along).between(-self.length / 2, self.length / 2)

    def _arm(self, x: Points, y: Points) -> tuple[Bool[Array, "h w"], Points, Points]:
        """Returns which arm is meant, and distance and arc length to the right one, onto which the other is turned."""
        # Beyond a radius above or below, the arms have passed under each other.
        left = jnp.where(jnp.abs(y) > self.radius, y > 0, x < 0)
        x, y = jnp.where(left, -x, x), jnp.where(left, -y, y)
        bent = jnp.minimum(self.length / 2, jnp.pi * self.radius)
        return left, *_bend(y, x, radius=self.radius, turn=bent / self.radius, length=bent)


@stimulus
class Spiral(Path):
    """An Archimedean spiral round the anchor. It starts to the right, at its angle, and winds counter-clockwise.

    The distance is that of the nearest point of the path, to well below a hundredth of a pixel, but for the pixel in
    the very centre of a spiral that starts there. A stroke as wide as the spacing fills it.

    Source:
        Olah et al., "An Overview of Early Vision in InceptionV1", Distill (2020): the curve-based shapes of mixed3b.
    """

    inner: Pixels = pixels(default=3.0, doc="Radius at which it starts.", at_least=0)
    spacing: Pixels = pixels(default=7.0, doc="From one winding to the next.", above=0)
    turns: Scalar = number(default=3.0, doc="How often it goes round.", above=0)
    fill: Scalar = number(
        default=0.0, doc="How opaque the inner half of the space between windings is.", at_least=0, at_most=1
    )

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the nearest winding of the endless spiral; negative towards the centre."""
        return self._winding(x, y)[0]

    def along(self, x: Points, y: Points) -> Points:
        """Returns the arc length from the start."""
        return self._arc_length(self._winding(x, y)[1])

    def covered(self, cut: Cut) -> Points:
        """Returns the coverage of the inner half of the space between windings."""
        quarter = self.spacing / 4
        return cut(lambda x, y: jnp.abs(self._winding(x, y, inwards=quarter)[0]) - quarter).below(0)

    def stroked(self, cut: Cut) -> Points:
        """Returns the coverage of the stroke, with butt ends."""
        total = self._arc_length(self.inner + self.spacing * self.turns)
        return super().stroked(cut) * cut(self.along).between(0, total)

    def _winding(self, x: Points, y: Points, *, inwards: Pixels = 0.0) -> tuple[Points, Points]:
        """Returns the distance to the nearest winding, and the spiral's radius at the nearest point of it."""
        inner, pitch = self.inner - inwards, self.spacing / (2 * jnp.pi)
        rho, angle = norm(x, y), bearing(x, y)
        index = jax.lax.stop_gradient(jnp.round((rho - inner) / self.spacing - angle / (2 * jnp.pi)))
        radius = inner + pitch * angle + self.spacing * index
        # From there, Newton's method for the angle at which the way to the point is square to the path.
        step = jnp.zeros_like(x)
        for _ in range(2):
            cos, sin = rho * jnp.cos(step), rho * jnp.sin(step)
            slant = pitch * (radius - cos) + radius * sin
            change = pitch * (pitch + 2 * sin) + radius * cos
            taken = jnp.clip(slant / jnp.maximum(change, pitch**2), -1, 1)
            step, radius = step - taken, radius - pitch * taken
        cos, sin = rho * jnp.cos(step), rho * jnp.sin(step)
        return (radius * (cos - radius) + pitch * sin) / jnp.sqrt(radius**2 + pitch**2), radius

    def _arc_length(self, radius: Float[Array, "*points"] | float) -> Float[Array, "*points"]:
        """Returns the arc length from the start to where the spiral has a radius."""
        pitch = self.spacing / (2 * jnp.pi)

        def from_centre(radius: Float[Array, "*points"]) -> Float[Array, "*points"]:
            return (radius * jnp.sqrt(radius**2 + pitch**2) / pitch + pitch * jnp.arcsinh(radius / pitch)) / 2

        return from_centre(jnp.asarray(radius)) - from_centre(jnp.asarray(self.inner))


@stimulus
class Corner(Path):
    """Two straight arms that meet at an angle. Its angle is the way it points, from inside to the tip.

    The tip, the middle of the path, lies on the anchor whatever the rounding: as the rounding grows until no straight
    piece is left, a corner becomes a `Curve` at the same place.

    Source:
        Cammarata et al., "Curve Detectors", Distill (2020), Synthetic angles: two straight segments that meet in the
        centre, all orientations by all openings, then rounded step by step. The rounding's radius is ours.
    """

    opening: Degrees = degrees(
        default=90.0, doc="Between the arms, on the inside; 180 is a straight line.", above=0, at_most=360
    )
    rounding: Pixels = pixels(default=0.0, doc="Radius of the arc in place of the vertex.", at_least=0)
    length: Pixels = pixels(default=60.0, doc="Arc length of the whole path.", at_least=0)

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the corner with endless arms; negative inside."""
        side, distance, _ = self._arm(x, y)
        return side * distance

    def along(self, x: Points, y: Points) -> Points:
        """Returns the arc length from the tip."""
        return jnp.where(y < 0, -1.0, 1.0) * self._arm(x, y)[2]

    def stroked(self, cut: Cut) -> Points:
        """Returns the coverage of the stroke, with butt ends."""
        return super().stroked(cut) * cut(self.along).between(-self.length / 2, self.length / 2)

    def _arm(self, x: Points, y: Points) -> tuple[Float[Array, ""], Points, Points]:
        """Returns -1 for an opening of more than 180 degrees, and distance and arc length to the upper arm."""
        turn = jnp.deg2rad(180 - jnp.asarray(self.opening, jnp.float32)) / 2
        side = jnp.where(turn < 0, -1.0, 1.0)  # seen from outside, a reflex corner is an ordinary one
        turn = side * turn
        return side, *_bend(side * x, jnp.abs(y), radius=self.rounding, turn=turn, length=self.rounding * turn)


@stimulus
class Divot(Path):
    """A straight line with a round notch in its middle. Its angle is the way the notch points, like a `Curve`'s.

    The bottom of the notch lies on the anchor, and the line `depth` behind it. A notch deeper than its radius has
    straight walls. What lies behind the line, and in the notch, is its inner side.

    Source:
        Olah et al., "An Overview of Early Vision in InceptionV1", Distill (2020): the curve-based shapes of mixed3b.
    """

    radius: Pixels = pixels(default=9.0, doc="Of the notch's round bottom.", above=0)
    depth: Pixels = pixels(default=9.0, doc="Of the notch.", at_least=0)
    length: Pixels = pixels(default=60.0, doc="Of the line from end to end, the notch not counted.", at_least=0)

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the endless line with its notch; negative on the inner side."""
        y = jnp.abs(y)
        ahead, half = self._shoulder
        notch = norm(jnp.maximum(x + self.radius, 0), y) - self.radius
        # Behind the opening of the notch, the nearest point of the path is a shoulder.
        behind = ((x + self.depth + ahead) * half < y * ahead) & (y < half)
        return jnp.where(behind, -norm(x + self.depth, half - y), jnp.minimum(notch, x + self.depth))

    def along(self, x: Points, y: Points) -> Points:
        """Returns the arc length from the bottom of the notch."""
        side, y = jnp.where(y < 0, -1.0, 1.0), jnp.abs(y)
        ahead, half = self._shoulder
        bottom, wall = self.radius * bearing(ahead, half), jnp.maximum(self.depth - self.radius, 0)
        round_, straight = bearing(jnp.maximum(x + self.radius, 0), y), jnp.maximum(-x - self.radius, 0)
        in_notch = jnp.minimum(self.radius * round_, bottom) + jnp.minimum(straight, wall)
        notch = norm(jnp.maximum(x + self.radius, 0), y) - self.radius
        on_line = (y > half) & (jnp.abs(x + self.depth) < jnp.abs(notch))
        return side * jnp.where(on_line, bottom + wall + y - half, in_notch)

    def stroked(self, cut: Cut) -> Points:
        """Returns the coverage of the stroke, with butt ends."""
        return super().stroked(cut) * cut(lambda x, y: y).between(-self.length / 2, self.length / 2)

    @property
    def _shoulder(self) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Where notch and line meet: how far ahead of the end of the round bottom's axis, and how far beside it."""
        radius = jnp.asarray(self.radius, jnp.float32)
        ahead = jnp.maximum(radius - self.depth, 0)
        squared = (radius - ahead) * (radius + ahead)
        flat = squared < 1e-12
        return ahead, jnp.where(flat, 0.0, jnp.sqrt(jnp.where(flat, 1.0, squared)))


@stimulus
class Evolute(Path):
    """Arcs round the anchor, each of which bulges towards it: a circle with its arcs turned inside out.

    The first arc lies to the right, at its angle. Arcs that reach their neighbours stop there, in a cusp.

    Source:
        Olah et al., "Naturally Occurring Equivariance in Neural Networks", Distill (2020): evolute detectors are
        excited by curves that point inwards, where circle detectors are by those that point outwards.
    """

    arms: Scalar = number(default=4.0, doc="How many arcs, evenly spaced; a whole number.", at_least=1)
    radius: Pixels = pixels(default=8.0, doc="From the anchor to the apex of each arc.", at_least=0)
    bend: Pixels = pixels(
        default=18.0, doc="Radius of curvature of the arcs; infinite for straight ones.", above=0, infinite=True
    )
    length: Pixels = pixels(default=28.0, doc="Arc length of each.", above=0)
    fill: Scalar = number(
        default=0.0, doc="How opaque the middle is, up to straight lines across the arcs' ends.", at_least=0, at_most=1
    )

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the nearest arc, as if it had no ends; negative on the anchor's side."""
        return -self._arc.distance(*self._at_arc(x, y))

    def along(self, x: Points, y: Points) -> Points:
        """Returns the arc length from the nearest arc's apex."""
        return self._arc.along(*self._at_arc(x, y))

    def covered(self, cut: Cut) -> Points:
        """Returns the coverage of the middle."""
        arc = self._arc
        half = jnp.minimum(self.length / 2, jnp.pi * self.bend)
        end, _ = _on_arc(half, half * arc.curvature)

        def distance(x: Points, y: Points) -> Points:
            x, y = self._at_arc(x, y)
            return jnp.maximum(-arc.distance(x, y), jnp.maximum(end, self._cusps) - x)

        return cut(distance).below(0)

    def stroked(self, cut: Cut) -> Points:
        """Returns the coverage of the strokes, with butt ends or in cusps."""
        at_arc = cut.through(self._at_arc)
        return self._arc.stroked(at_arc) * at_arc(lambda x, y: self._cusps - x).below(0)

    @property
    def _arc(self) -> Curve:
        return Curve(radius=self.bend, length=self.length, width=self.width)

    @property
    def _cusps(self) -> Float[Array, ""]:
        """A line behind the cusps, in the frame of an arc, beyond which it is on its way back; far off without cusps.

        It joins the two points of the arc's circle that are seen edge-on from the anchor.
        """
        bent = 1 + self.radius * self._arc.curvature
        meet = (jnp.asarray(self.arms) > 2) & (bent * jnp.sin(jnp.pi / jnp.asarray(self.arms, jnp.float32)) <= 1)
        return jnp.where(meet, -self.radius / bent, -1e3)

    def _at_arc(self, x: Points, y: Points) -> tuple[Points, Points]:
        """Returns points in the frame of the nearest arc, which bulges to the right there."""
        x, y, _ = in_sector(x, y, self.arms)
        return self.radius - x, y


@stimulus
class Teeth(Path):
    """Short straight lines across an arc, evenly spaced along it: what combing looks for. It may show the arc, too.

    Its angle is the arc's, the way it bulges. One tooth stands on the anchor, and as many on either side as fit.

    Source:
        Cammarata et al., "Curve Detectors", Distill (2020): curve detectors are excited by small lines perpendicular
        to the curve. All numbers are ours.
    """

    radius: Pixels = pixels(
        default=20.0, doc="Of the arc's curvature; infinite for a straight line.", above=0, infinite=True
    )
    length: Pixels = pixels(default=60.0, doc="Arc length that the teeth are spread over; at most the circle.", above=0)
    tooth: Pixels = pixels(default=8.0, doc="Length of a tooth.", at_least=0)
    spacing: Pixels = pixels(default=6.0, doc="From tooth to tooth, along the arc.", above=0)
    side: Scalar = number(
        default=0.0, doc="0 for teeth on both sides of the arc, 1 outside, -1 inside.", at_least=-1, at_most=1
    )
    spine: Scalar = number(default=1.0, doc="How opaque the arc itself is.", at_least=0, at_most=1)

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the endless arc; negative towards the centre of curvature."""
        return self._arc.distance(x, y)

    def stroked(self, cut: Cut) -> Points:
        """Returns the coverage of teeth and arc."""
        middle = self.side * self.tooth / 2
        lengthwise = cut(lambda x, y: self._at_tooth(x, y)[0]).between(middle - self.tooth / 2, middle + self.tooth / 2)
        teeth = lengthwise * cut(lambda x, y: self._at_tooth(x, y)[1]).between(-self.width / 2, self.width / 2)
        arc = self.spine * self._arc.stroked(cut)
        return teeth + arc - teeth * arc

    @property
    def _arc(self) -> Curve:
        return Curve(radius=self.radius, length=self.length, width=self.width)

    def _at_tooth(self, x: Points, y: Points) -> tuple[Points, Points]:
        """Returns how far out along the nearest tooth points are, and how far beside it."""
        round_ = 2 * jnp.pi * jnp.asarray(self.radius, jnp.float32)
        # The small number counts a tooth whose place is off the end by rounding alone.
        last = jnp.floor(jnp.minimum(self.length, round_ - self.spacing) / (2 * self.spacing) + 1e-4)
        nearest = jnp.round(self._arc.along(x, y) / self.spacing)
        along = self.spacing * jax.lax.stop_gradient(jnp.clip(nearest, -last, jnp.maximum(last, 0)))
        return _at(x, y, along=along, turn=along * self._arc.curvature)


def in_sector(x: Points, y: Points, count: Scalar) -> tuple[Points, Points, Points]:
    """Returns points turned about the origin into the first of `count` equal sectors, and which one each was in.

    The first sector has +x in its middle; the others are numbered from there, counter-clockwise.
    """
    sector = 2 * jnp.pi / jnp.asarray(count, jnp.float32)
    index = jax.lax.stop_gradient(jnp.round(bearing(x, y) / sector))
    cos, sin = jnp.cos(index * sector), jnp.sin(index * sector)
    return cos * x + sin * y, cos * y - sin * x, index


def _on_arc(along: _Places, turn: _Places) -> tuple[_Places, _Places]:
    """Returns where an arc is after an arc length, in which it has turned by `turn` radians.

    The arc leaves the origin upwards and bulges to the right.
    """
    # Not radius * (1 - cos): a straight line is an arc of infinite radius.
    return -along * jnp.sinc(turn / (2 * jnp.pi)) * jnp.sin(turn / 2), along * jnp.sinc(turn / jnp.pi)


def _at(x: Points, y: Points, *, along: _Places, turn: _Places) -> tuple[Points, Points]:
    """Returns points in the frame of a place on an arc, which `_on_arc` describes: x outwards, y along the tangent."""
    there_x, there_y = _on_arc(along, turn)
    x, y, cos, sin = x - there_x, y - there_y, jnp.cos(turn), jnp.sin(turn)
    return x * cos + y * sin, y * cos - x * sin


def _bend(
    x: Points, y: Points, *, radius: Pixels, turn: Float[Array, ""], length: Float[Array, ""]
) -> tuple[Points, Points]:
    """Returns distance and arc length to a path that leaves the origin upwards along an arc and then runs straight on.

    The arc bulges to the right, and the distance is positive on that side. Only points above the axis, or past the
    arc's end, are asked for. Any radius from 0 to infinity will do.

    Args:
        x: To the right.
        y: Upwards.
        radius: Of the arc.
        turn: By what the arc turns, 0 to pi.
        length: Of the arc: radius * turn.
    """
    # The arc's circle, scaled so that neither a tiny nor a huge one loses digits.
    radius = jnp.asarray(radius, jnp.float32)
    unit, scale = jnp.minimum(radius, 1), 1 / jnp.maximum(radius, 1)
    across, up = unit + scale * x, scale * y
    both = norm(across, up) + unit
    at_vertex = both < 1e-6
    to_arc = (scale * (x**2 + y**2) + 2 * unit * x) / jnp.where(at_vertex, 1.0, both)
    straight = scale < 1e-6
    along_arc = jnp.where(straight, y, jnp.where(straight, 1.0, radius) * bearing(across, up))
    to_ray, past = _at(x, y, along=length, turn=turn)
    on_ray = (past >= 0) | (up < 0)
    return jnp.where(on_ray, to_ray, to_arc), jnp.where(on_ray, length + past, along_arc)
