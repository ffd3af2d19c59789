"""The same spec read slowly: NumPy, float64, plain loops. The oracle that the network is checked against.

It shares no drawing code with `kernels`, `motifs` or `shapes`: every formula is written again from the
documentation of the spec, one weight at a time, with complex numbers in place of coordinates. A mistake has
to be made twice, in two ways, to go unnoticed.
"""

import cmath
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from circuitkit.reference_paths import follow, innermost
from circuitkit.spec import (
    Arc,
    Away,
    Beside,
    Circle,
    Circuit,
    Corner,
    Crossing,
    Family,
    Flank,
    Gabor,
    HueFlank,
    Inhibition,
    Line,
    Normalisation,
    OppositeArc,
    Pose,
    Reversed,
    Rival,
    Spiral,
    Spot,
    Tile,
    Union,
)

Image = Float[np.ndarray, "h w"]
Coloured = Float[np.ndarray, "h w channel"]
Maps = Float[np.ndarray, "unit h w"]


def respond(
    circuit: Circuit, image: Coloured, sizes: Mapping[str, int], windows: Mapping[str, int] | None = None
) -> dict[str, Maps]:
    """Returns the response of every unit at every place, padding with 0.

    Args:
        circuit: The spec.
        image: Grey values, one channel; or red, green and blue.
        sizes: Weights along a side of each family's kernels: how far the templates are followed before they are cut.
        windows: Places along a side over which each normalised family is averaged, likewise.
    """
    responses: dict[str, Maps] = {}  # at every pixel; 0 where a family with a stride has no unit
    apart = {"image": 1}
    for family in circuit.families:
        reach = sizes[family.name] // 2
        spacing = apart[family.source_names[0] if family.source_names else "image"]
        if isinstance(family.looks_for, Gabor | Spot):
            drawn = image_weights(family, reach, image.shape[2])
            inputs = np.stack([_correlate_all(image, weights) for weights in drawn])
        else:
            inputs = np.stack([_input(circuit, family, pose, responses, reach, spacing) for pose in family.unit_poses])
        apart[family.name] = spacing * family.stride
        rectified = np.maximum(inputs - float(family.threshold or 0), 0.0)
        for row, column in np.ndindex(image.shape[:2]):
            from_middle = row - (image.shape[0] - 1) // 2, column - (image.shape[1] - 1) // 2
            if any(steps % apart[family.name] for steps in from_middle):
                rectified[:, row, column] = 0.0
        if family.normalised is not None:
            if windows is None or family.name not in windows:
                raise TypeError(f"family {family.name!r} is normalised: say in windows over how many places.")
            rectified = _divided(family.normalised, rectified, windows[family.name] // 2, apart[family.name])
        responses[family.name] = rectified
    starts = {
        name: [(side - 1) // 2 % spacing for side in image.shape[:2]] for name, spacing in apart.items()
    }  # of the rows and columns that have units
    return {
        name: maps[:, starts[name][0] :: apart[name], starts[name][1] :: apart[name]]
        for name, maps in responses.items()
    }


def _input(
    circuit: Circuit, family: Family, member: Pose, responses: dict[str, Maps], reach: int, spacing: int
) -> Image:
    """Returns what a member of a family reads of earlier families, at every pixel."""
    total = np.zeros(responses[family.source_names[0]].shape[1:], dtype=np.float64)
    for source in family.source_names:
        for unit, response in zip(circuit[source].unit_poses, responses[source], strict=True):
            if isinstance(family.looks_for, Union):
                sources = [circuit[name] for name in family.source_names]
                total += union_weight(family, member, unit, sources) * response
            for tile in family.tiles:
                if source in tile.source_names:
                    sources = [circuit[name] for name in tile.source_names]
                    weights = tile_weights(tile, circuit[source], sources, family, member, unit, reach, spacing)
                    total += _correlate(response, weights, spacing)
    return total


def _divided(by: Normalisation, responses: Maps, reach: int, spacing: int) -> Maps:
    """Returns responses divided by the constant and by what all members respond nearby."""
    bumps = np.array([math.exp(-(abs(z) ** 2) / (2 * float(by.within) ** 2)) for z in _offsets(reach, spacing)])
    weights = (bumps / bumps.sum()).reshape(2 * reach + 1, -1)
    nearby = sum(_correlate(response, weights, spacing) for response in responses) / len(responses)
    return np.asarray(responses / (float(by.constant) + nearby))


def image_weights(family: Family, reach: int, channels: int = 1) -> list[Coloured]:
    """Returns the weights of a family that looks at the image, one array a unit, row 0 on top."""
    template, side = family.looks_for, 2 * reach + 1
    if not isinstance(template, Gabor | Spot):
        raise TypeError(f"a {type(template).__name__} does not look at the image.")
    members = []
    for pose in family.unit_poses:
        offsets = [_relative(z, pose, 0.0) for z in _offsets(reach)]
        if isinstance(template, Gabor):
            course = _wave(template, offsets)
        else:
            inner, outer = (
                [math.exp(-(abs(z) ** 2) / (2 * sigma**2)) for z in offsets]
                for sigma in (float(template.sigma), float(template.sigma) * float(template.surround))
            )
            course = np.array(inner) / sum(inner) - np.array(outer) / sum(outer)
        members.append(course / pose.scale**2)
    largest = max(float(np.abs(member).sum()) for member in members)
    drawn = []
    for pose, member in zip(family.unit_poses, members, strict=True):
        if template.hue is None:
            colour = [1.0 / channels] * channels
        else:
            # Three spokes of a wheel: red along the x axis, then green, then blue.
            spoke = cmath.rect(1, math.radians(template.hue + pose.hue))
            colour = [(spoke * cmath.rect(1, -2 * math.pi * k / 3)).real / 2 for k in range(3)]
        drawn.append(np.multiply.outer((member / largest).reshape(side, side), np.array(colour)))
    return drawn


def _wave(gabor: Gabor, offsets: list[complex]) -> Float[np.ndarray, " offset"]:
    windows = np.array([math.exp(-(abs(z) ** 2) / (2 * float(gabor.sigma) ** 2)) for z in offsets])
    cycles = [z.real / float(gabor.wavelength) for z in offsets]
    waves = windows * np.array([math.cos(2 * math.pi * c - math.radians(gabor.phase)) for c in cycles])
    return np.asarray(waves - waves.sum() / windows.sum() * windows)


def union_weight(family: Family, member: Pose, unit: Pose, sources: list[Family]) -> float:
    """Returns the weight from a unit to the member of a union: its share, if that unites it."""

    def unites(each: Pose) -> bool:
        over_scales = len(family.scales) == 1 or each.scale == member.scale
        over_angles = isinstance(family.looks_for, Union) and family.looks_for.over_angles
        return over_scales and (over_angles or _on_path(_gabor_tangent(each.angle), member.angle))

    count = sum(unites(each) for kind in sources for each in kind.unit_poses)
    return unites(unit) / count


class _Seen(NamedTuple):
    """A source unit as a member sees it: its direction and hue, in degrees, its scale in octaves, and its hand."""

    direction: float
    hue: float
    octaves: float
    same_hand: bool
    source: Family


def _seen(tile: Tile, family: Family, member: Pose, source: Family, unit: Pose) -> list[_Seen]:
    """Returns what a member sees of a source unit; of a twisted one, two ways of seeing the same."""
    own = _tangent(source, unit) - member.angle
    own = (180.0 - own if member.mirrored else own) - tile.turned
    named = source.looks_for.hue if isinstance(source.looks_for, Gabor | Spot) else 0.0
    hue = (named or 0.0) + unit.hue - member.hue - tile.hue
    octaves = math.log2(unit.scale / member.scale)
    either_hand = not (family.mirrored and source.mirrored)
    seen = _Seen(own, hue, octaves, either_hand or unit.mirrored == member.mirrored, source)
    if source.twisted and tile.hue_tolerance is not None:
        return [seen, seen._replace(direction=own + 180.0, hue=hue + 180.0)]
    return [seen]


def tile_weights(
    tile: Tile,
    source: Family,
    sources: list[Family],
    family: Family,
    member: Pose,
    unit: Pose,
    reach: int,
    spacing: int = 1,
) -> Image:
    """Returns the weights from a source unit to a member of a family, row 0 on top, so many pixels apart."""
    offsets = _offsets(reach, spacing)
    weights = np.zeros(len(offsets))
    terms: list[Inhibition | None] = [None, *tile.minus]
    first = family.unit_poses[0]
    for term in terms:
        if isinstance(term, Rival):
            weights -= tile.weight * term.strength * _of_rivals(tile, source, sources, family, member, unit, offsets)
            continue
        strength = tile.weight * (1.0 if term is None else -term.strength)
        # The scale is the whole pattern of the first member, over all sources.
        whole = sum(
            _pattern(term, tile, _relative(z, first, tile.turned), seen)
            for kind in sources
            for each in kind.unit_poses
            for seen in _seen(tile, family, first, kind, each)
            for z in offsets
        )
        pattern = [
            sum(_pattern(term, tile, _relative(z, member, tile.turned), seen) for seen in ways)
            for ways in (_seen(tile, family, member, source, unit),)
            for z in offsets
        ]
        weights += strength * np.array(pattern) / whole * (first.scale / member.scale) ** 2
    return weights.reshape(2 * reach + 1, -1)


def _of_rivals(
    tile: Tile,
    source: Family,
    sources: list[Family],
    family: Family,
    member: Pose,
    unit: Pose,
    offsets: list[complex],
) -> Float[np.ndarray, " offset"]:
    """Returns what a source unit makes of all other members, as a share of what all sources make of the first one's."""

    def excites(other: Pose, kind: Family, each: Pose) -> Float[np.ndarray, " offset"]:
        seen = _seen(tile, family, other, kind, each)
        total = [sum(_excitation(tile, _relative(z, other, tile.turned), way) for way in seen) for z in offsets]
        return np.array(total)

    def others(than: Pose) -> list[Pose]:
        return [pose for pose in family.unit_poses if pose != than]

    first = family.unit_poses[0]
    whole = sum(
        excites(other, kind, each).sum() for other in others(first) for kind in sources for each in kind.unit_poses
    )
    mine = sum(excites(other, source, unit) for other in others(member))
    return np.asarray(mine / whole * (first.scale / member.scale) ** 2)


def _pattern(
    term: Crossing | OppositeArc | Reversed | Flank | HueFlank | None, tile: Tile, z: complex, seen: _Seen
) -> float:
    """Returns how much a source at z counts, in the member's own pose."""
    round_about = seen._replace(direction=seen.direction + 180.0)
    match term:
        case None:
            return _excitation(tile, z, seen)
        case Crossing():
            distance, along, tangent = follow(tile.along, z)
            near = _near(distance, along, tile)
            return near * math.sin(math.radians(seen.direction - tangent)) ** 2 * _likeness(tile, seen)
        case OppositeArc():
            return _excitation(tile, -z, round_about)
        case Reversed():
            return _excitation(tile, z, round_about)
        case Flank(distance=apart):
            return sum(_excitation(tile, z, seen, offset=side * float(apart)) for side in (-1, 1))
        case HueFlank(distance=apart):
            return sum(_excitation(tile, z, seen._replace(hue=seen.hue + side * float(apart))) for side in (-1, 1))


def _excitation(tile: Tile, z: complex, seen: _Seen, *, offset: float = 0.0) -> float:
    distance, along, tangent = follow(tile.along, z)
    near = _near(distance - offset, along, tile) * _likeness(tile, seen)
    if tile.hue_tolerance is not None:
        near *= _bell(seen.hue, float(tile.hue_tolerance), 360.0)
    if tile.tolerance is None:  # of units without an angle
        return near
    source, template = seen.source, seen.source.looks_for
    period = 180.0 if isinstance(template, Gabor) else source.turn
    edge = isinstance(template, Gabor) and template.hue is not None and template.phase % 180 != 0
    if tile.hue_tolerance is not None and (edge or source.twisted):
        period = 360.0  # one side has the hue, the other one has not
    return near * _bell(seen.direction - tangent, float(tile.tolerance), period)


def _bell(difference: float, tolerance: float, period: float) -> float:
    # A von Mises bell, written with sin^2: 1 - cos(t) = 2 sin(t / 2)^2.
    half = math.pi * difference / period
    return math.exp(-2 * (math.sin(half) / (math.radians(tolerance) * 360.0 / period)) ** 2)


def _likeness(tile: Tile, seen: _Seen) -> float:
    if not seen.same_hand:
        return 0.0
    octaves = 0.0 if tile.scale_tolerance is None else seen.octaves / float(tile.scale_tolerance)
    return math.exp(-(octaves**2) / 2)


def _near(distance: float, along: float, tile: Tile) -> float:
    spread, half = float(tile.spread), float(tile.along.length) / 2
    blurred = math.sqrt(2) * spread
    # A point on a circle is also found a lap or two further on, and back.
    shape = innermost(tile.along)
    laps = (-2, -1, 0, 1, 2) if isinstance(shape, Arc | Circle) else (0,)
    places = [along + lap * 2 * math.pi * float(getattr(shape, "radius", 0)) for lap in laps]
    inside = sum(math.erfc((place - half) / blurred) - math.erfc((place + half) / blurred) for place in places)
    return math.exp(-((distance / spread) ** 2) / 2) * inside / 2


def _tangent(family: Family, pose: Pose) -> float:
    match family.looks_for:
        case Gabor():
            return _gabor_tangent(pose.angle)
        case Spot():
            return 90.0  # none is meant
        case Union():
            return pose.angle
    # The angle is the way the family's arc bulges; lines alone have no bulge, and theirs is the path's.
    straight = [tile for tile in family.tiles if isinstance(tile.along, Line)]
    bulging = [tile for tile in family.tiles if isinstance(tile.along, Arc | Away | Beside | Corner | Spiral)]
    if not bulging and not straight:
        return 90.0  # rings: none is meant
    deciding = bulging[0] if bulging else straight[0]
    against = deciding.turned + (0.0 if isinstance(innermost(deciding.along), Line) else 90.0)
    return pose.angle + (180.0 - against if pose.mirrored else against)


def _gabor_tangent(angle: float) -> float:
    return angle - 90.0


def _on_path(tangent: float, angle: float) -> bool:
    return abs((tangent - angle + 90.0) % 180.0 - 90.0) < 1e-6


def _relative(z: complex, pose: Pose, turned: float) -> complex:
    """Returns an offset as a member sees it, or a tile that is turned against it."""
    own = z * cmath.rect(1 / pose.scale, -math.radians(pose.angle))
    return (own.conjugate() if pose.mirrored else own) * cmath.rect(1, -math.radians(turned))


def _offsets(reach: int, spacing: int = 1) -> list[complex]:
    """Returns the offsets that a kernel covers, row by row from the top left, y up."""
    steps = range(-reach, reach + 1)
    return [complex(spacing * x, -spacing * row) for row in steps for x in steps]


def _correlate_all(image: Coloured, weights: Coloured) -> Image:
    return np.asarray(sum(_correlate(image[..., k], weights[..., k]) for k in range(image.shape[2])))


def _correlate(image: Image, weights: Image, spacing: int = 1) -> Image:
    """Returns at each pixel the sum of the weights times the pixels under them; 0 outside the image."""
    reach = weights.shape[0] // 2 * spacing
    padded = np.pad(image.astype(np.float64), reach)
    height, width = image.shape
    total = np.zeros((height, width))
    for row in range(weights.shape[0]):
        for column in range(weights.shape[1]):
            top, left = row * spacing, column * spacing
            total += weights[row, column] * padded[top : top + height, left : left + width]
    return total
