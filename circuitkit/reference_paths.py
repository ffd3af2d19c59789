"""The paths of the reference: where the nearest point lies on each shape, by formulas of their own."""

import cmath
import functools
import math

from circuitkit.spec import Arc, Away, Beside, Circle, Corner, Line, Spiral


def innermost(shape: object) -> object:
    """Returns the shape that another one lays off its middle, or the shape itself."""
    return innermost(shape.shape) if isinstance(shape, Away) else shape


def follow(shape: object, z: complex) -> tuple[float, float, float]:
    """Returns distance from the path, arc length along it, and its tangent in degrees, nearest to z."""
    match shape:
        case Away():
            return follow(shape.shape, z - complex(float(shape.x), float(shape.y)))
        case Line():
            return z.imag, z.real, 0.0
        case Arc():
            radius = float(shape.radius)
            spoke = z + radius  # from the centre of curvature
            # Every direction is nearest to the centre itself; by convention, the apex is.
            around = cmath.phase(spoke) if abs(spoke) > 1e-5 * radius else 0.0
            return abs(spoke) - radius, radius * around, 90.0 + math.degrees(around)
        case Circle():
            if abs(z) < 1e-5:
                return 0.0, math.inf, 90.0  # no point of the path in particular: no unit there counts
            outside, around = abs(z) - float(shape.radius), cmath.phase(z)
            if shape.inwards:  # the same path, run the other way round
                return -outside, -float(shape.radius) * around, math.degrees(around) - 90.0
            return outside, float(shape.radius) * around, 90.0 + math.degrees(around)
        case Beside():
            return z.real - float(shape.distance), z.imag, 90.0
        case Corner():
            return _follow_corner(shape, z)
        case Spiral():
            return _follow_spiral(float(shape.radius), math.radians(float(shape.pitch)), z)
        case _:
            raise TypeError(f"the reference does not know the shape {type(shape).__name__}: write its formula here.")


def _follow_corner(shape: Corner, z: complex) -> tuple[float, float, float]:
    if z.imag < 0:
        distance, along, tangent = _follow_corner(shape, z.conjugate())
        return distance, -along, 180.0 - tangent
    radius, turn = float(shape.rounding), math.radians(90.0 - float(shape.opening) / 2)
    spoke = z + radius
    arm = spoke * cmath.rect(1, -turn)  # with the upper arm upright, and to the right of the rounding's centre
    if arm.imag >= 0:
        distance, along, tangent = arm.real - radius, radius * turn + arm.imag, 90.0 + math.degrees(turn)
    else:
        distance, along = abs(spoke) - radius, radius * cmath.phase(spoke) if abs(spoke) else 0.0
        tangent = 90.0 + math.degrees(cmath.phase(spoke))
    # On the line between the arms both are meant: the tangent across, and the middle of the path.
    return (distance, 0.0, 90.0) if abs(z.imag) < 1e-12 else (distance, along, tangent)


@functools.cache
def _follow_spiral(radius: float, pitch: float, z: complex) -> tuple[float, float, float]:
    growth = math.tan(pitch)
    point = radius + z * cmath.rect(1, -pitch)

    def way(turn: float) -> float:
        """Returns how far the point lies ahead of a place on the arm, along its tangent there."""
        place = radius * cmath.exp(complex(growth, 1.0) * turn)
        return ((point - place) * cmath.rect(1, turn + math.pi / 2 - pitch).conjugate()).real

    low, high = cmath.phase(point) - 1.0, cmath.phase(point) + 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if way(middle) > 0 else (low, middle)
    place = radius * cmath.exp(complex(growth, 1.0) * low)
    distance = ((point - place) * cmath.rect(1, low - pitch).conjugate()).real
    along = radius * low if abs(growth) < 1e-9 else (abs(place) - radius) / math.sin(pitch)
    return distance, along, 90.0 + math.degrees(low)
