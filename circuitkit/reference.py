"""The same spec read slowly: NumPy, float64, plain loops. The oracle that the network is checked against.

It shares no drawing code with `kernels`, `motifs` or `shapes`: every formula is written again from the
documentation of the spec, one weight at a time, with complex numbers in place of coordinates. A mistake has
to be made twice, in two ways, to go unnoticed.
"""

import cmath
import functools
import math

import numpy as np
from jaxtyping import Float

from circuitkit.spec import (
    Arc,
    Beside,
    Circle,
    Circuit,
    Corner,
    Crossing,
    Family,
    Flank,
    Gabor,
    Inhibition,
    Line,
    OppositeArc,
    Reversed,
    Spiral,
    Tile,
    Union,
)

Image = Float[np.ndarray, "h w"]
Maps = Float[np.ndarray, "unit h w"]


def respond(circuit: Circuit, image: Image, sizes: dict[str, int]) -> dict[str, Maps]:
    """Returns the response of every unit at every pixel, padding with 0.

    Args:
        circuit: The spec.
        image: Grey values.
        sizes: Side of each family's kernels: how far the templates are followed before they are cut.
    """
    responses: dict[str, Maps] = {}
    for family in circuit.families:
        reach = sizes[family.name] // 2
        if isinstance(family.looks_for, Gabor):
            drawn = gabor_weights(family.looks_for, family.unit_angles, reach)
            responses[family.name] = np.stack([np.maximum(_correlate(image, weights), 0.0) for weights in drawn])
            continue
        units = []
        for angle in family.unit_angles:
            total = np.zeros_like(image, dtype=np.float64)
            for source in family.source_names:
                for other, response in zip(circuit[source].unit_angles, responses[source], strict=True):
                    if isinstance(family.looks_for, Union):
                        sources = [circuit[name] for name in family.source_names]
                        total += union_weight(family.looks_for, angle, other, sources) * response
                    for tile in family.tiles:
                        if source in tile.source_names:
                            sources = [circuit[name] for name in tile.source_names]
                            weights = tile_weights(tile, circuit[source], sources, family, angle, other, reach)
                            total += _correlate(response, weights)
            units.append(np.maximum(total, 0.0))
        responses[family.name] = np.stack(units)
    return responses


def gabor_weights(gabor: Gabor, angles: tuple[float, ...], reach: int) -> list[Image]:
    """Returns the weights of a family of Gabors, one array an angle, row 0 on top."""

    def window(z: complex) -> float:
        return math.exp(-(abs(z) ** 2) / (2 * float(gabor.sigma) ** 2))

    def wave(z: complex, towards: float) -> float:
        along = (z * cmath.rect(1, -math.radians(towards))).real
        return window(z) * math.cos(2 * math.pi * along / float(gabor.wavelength) - math.radians(gabor.phase))

    members = []
    for angle in angles:
        mean = sum(wave(z, angle) for z in _offsets(reach)) / sum(window(z) for z in _offsets(reach))
        members.append(np.array([wave(z, angle) - mean * window(z) for z in _offsets(reach)]))
    largest = max(float(np.abs(member).sum()) for member in members)
    return [(member / largest).reshape(2 * reach + 1, -1) for member in members]


def union_weight(union: Union, angle: float, other: float, sources: list[Family]) -> float:
    """Returns the weight from the Gabor at `other` to the union at `angle`: its share, if it stands on that path.

    Over angles, any unit has the same share.
    """
    if union.over_angles:
        return 1.0 / sum(len(family.unit_angles) for family in sources)
    tangents = [_gabor_tangent(each) for family in sources for each in family.unit_angles]
    united = sum(_on_path(tangent, angle) for tangent in tangents)
    return _on_path(_gabor_tangent(other), angle) / united


def tile_weights(
    tile: Tile, source: Family, sources: list[Family], family: Family, angle: float, other: float, reach: int
) -> Image:
    """Returns the weights from the source unit at `other` to the unit at `angle`, row 0 on top."""
    weights = np.zeros(len(_offsets(reach)))
    terms: list[Inhibition | None] = [None, *tile.minus]
    for term in terms:
        strength = tile.weight * (1.0 if term is None else -term.strength)
        # The scale is the whole pattern of the first member, over all sources.
        first = family.unit_angles[0] + tile.turned
        whole = sum(
            _pattern(term, tile, _relative(z, first), _tangent(kind, unit) - first, kind)
            for kind in sources
            for unit in kind.unit_angles
            for z in _offsets(reach)
        )
        direction = _tangent(source, other) - angle - tile.turned
        pattern = [_pattern(term, tile, _relative(z, angle + tile.turned), direction, source) for z in _offsets(reach)]
        weights += strength * np.array(pattern) / whole
    return weights.reshape(2 * reach + 1, -1)


def _pattern(term: Inhibition | None, tile: Tile, z: complex, direction: float, source: Family) -> float:
    """Returns how much a source at z that runs along `direction` counts, in the unit's own pose."""
    match term:
        case None:
            return _excitation(tile, z, direction, source, 0.0)
        case Crossing():
            distance, along, tangent = _follow(tile.along, z)
            near = _near(distance, along, tile)
            return near * math.sin(math.radians(direction - tangent)) ** 2
        case OppositeArc():
            return _excitation(tile, -z, direction + 180.0, source, 0.0)
        case Reversed():
            return _excitation(tile, z, direction + 180.0, source, 0.0)
        case Flank(distance=apart):
            return sum(_excitation(tile, z, direction, source, side * float(apart)) for side in (-1, 1))


def _excitation(tile: Tile, z: complex, direction: float, source: Family, offset: float) -> float:
    distance, along, tangent = _follow(tile.along, z)
    if tile.tolerance is None:  # of units without an angle
        return _near(distance - offset, along, tile)
    period = 180.0 if isinstance(source.looks_for, Gabor) else source.turn
    # A von Mises bell, written with sin^2: 1 - cos(t) = 2 sin(t / 2)^2.
    half = math.pi * (direction - tangent) / period
    tolerance = math.radians(float(tile.tolerance)) * 360.0 / period
    bell = math.exp(-2 * (math.sin(half) / tolerance) ** 2)
    return _near(distance - offset, along, tile) * bell


def _near(distance: float, along: float, tile: Tile) -> float:
    spread, half = float(tile.spread), float(tile.along.length) / 2
    blurred = math.sqrt(2) * spread
    # A point on a circle is also found a lap further on, and a lap back.
    laps = (-1, 0, 1) if isinstance(tile.along, Arc | Circle) else (0,)
    places = [along + lap * 2 * math.pi * float(getattr(tile.along, "radius", 0)) for lap in laps]
    inside = sum(math.erfc((place - half) / blurred) - math.erfc((place + half) / blurred) for place in places)
    return math.exp(-((distance / spread) ** 2) / 2) * inside / 2


def _follow(shape: object, z: complex) -> tuple[float, float, float]:
    """Returns distance from the path, arc length along it, and its tangent in degrees, nearest to z."""
    match shape:
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


def _tangent(family: Family, angle: float) -> float:
    match family.looks_for:
        case Gabor():
            return _gabor_tangent(angle)
        case Union():
            return angle
        case _:
            # The angle is the way the family's arc bulges; lines alone have no bulge, and theirs is the path's.
            straight = [tile for tile in family.tiles if isinstance(tile.along, Line)]
            bulging = [tile for tile in family.tiles if isinstance(tile.along, Arc | Beside | Corner | Spiral)]
            return angle + (90.0 + bulging[0].turned if bulging else straight[0].turned)


def _gabor_tangent(angle: float) -> float:
    return angle - 90.0


def _on_path(tangent: float, angle: float) -> bool:
    return abs((tangent - angle + 90.0) % 180.0 - 90.0) < 1e-6


def _relative(z: complex, angle: float) -> complex:
    return z * cmath.rect(1, -math.radians(angle))


def _offsets(reach: int) -> list[complex]:
    """Returns the offsets that a kernel covers, row by row from the top left, y up."""
    steps = range(-reach, reach + 1)
    return [complex(x, -row) for row in steps for x in steps]


def _correlate(image: Image, weights: Image) -> Image:
    """Returns at each pixel the sum of the weights times the pixels under them; 0 outside the image."""
    reach = weights.shape[0] // 2
    padded = np.pad(image.astype(np.float64), reach)
    height, width = image.shape
    total = np.zeros((height, width))
    for row in range(weights.shape[0]):
        for column in range(weights.shape[1]):
            total += weights[row, column] * padded[row : row + height, column : column + width]
    return total
