"""Tiling: lay units along a shape, and forbid what must not be there.

A unit looks for a shape. A source unit at offset p that stands on a path of direction b speaks for the
shape if p lies near the shape's path and b runs along it:

    excitation(p, b) = envelope(p) * bell(b - tangent(p))

Both p and b are *relative to the pose of the unit*: turn the unit and its sources together and nothing
changes. That is all there is to equivariance here; nothing in this file knows the unit's own angle.

**Envelope.** The path blurred by a Gaussian of `spread` pixels. Across the path that is a Gaussian of the
distance; along it, a box of the shape's length blurred likewise (two error functions). There is no hard
edge anywhere, because a hard edge falls between different pixels at different angles, and that costs 4 to
10 % of equivariance at 15 degrees. Where the endless path closes, both ends of the box are blurred across the gap:
the box is repeated every lap, so that a whole circle has no notch where its ends meet.

**Bell.** A von Mises function of the angle, periodic and smooth:

    bell(d) = exp(k (cos(2 pi d / period) - 1)),    k = (period / (2 pi tolerance))^2

so that near 0 it is a Gaussian of `tolerance` degrees. The period is 180 where only orientation counts
(Gabors of both polarities, lines) and 360 where the side of the bulge counts too (curves). For units without an angle,
which run along no path, it is 1.

**Hue and scale.** Where a tile says how far a source may be from its own hue, the excitation is multiplied by a bell of
the difference of hues; where it says how far from its own scale, by a Gaussian of the difference in octaves.

**Inhibition**, each pattern scaled so that all of it together is `strength` times all of the excitation:

* `Crossing`: envelope(p) * sin^2(b - tangent(p)): on the path, but across it.
* `OppositeArc`: excitation(-p, b - 180): what the antipodal unit wants. For lines along an arc that is the
  mirrored arc; for curves along an arc it is curves that bulge the other way, on the mirrored arc.
* `Reversed`: excitation(p, b - 180): the same path, by units that bulge to its other side.
* `Flank`: the excitation moved off the path by `distance` pixels, to both sides.
* `Rival`: the excitation of all other members of the family together.
* `HueFlank`: the excitation moved round the hue circle by `distance` degrees, to both sides.

Source of the idea: Cammarata et al., "Curve Circuits", Distill (2021), where the handwritten net draws line
and curve detectors this way and removes echoes by inhibiting the opposite arc. The formulas are ours.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax.scipy.special import erf
from jaxtyping import Array, Float

from circuitkit.geometry import Degrees, Pixels
from circuitkit.shapes import Frame
from circuitkit.spec import Crossing, Flank, HueFlank, Inhibition, OppositeArc, Reversed, Rival, Tile

Pattern = Float[Array, "member source h w"]
Table = Float[Array, "member source"]


class Relative(NamedTuple):
    """Source units as each member sees them, in the member's own pose.

    Attributes:
        direction: Of the path that the source stands on, in degrees.
        hue: By how much the source's hue differs from the one that the member looks for, in degrees; None if any does.
        octaves: How much larger the source's scale is than the member's; None if any scale does.
        same_hand: 1 where the source is mirrored as the member is, and 0 elsewhere; None if either will do.
        area: Of each member, as a multiple of the template's; None if all are as large as the template.
    """

    direction: Table
    hue: Table | None = None
    octaves: Table | None = None
    same_hand: Table | None = None
    area: Float[Array, " member"] | None = None


def tile_pattern(
    tile: Tile,
    x: Float[Array, "member h w"],
    y: Float[Array, "member h w"],
    relative: Relative,
    *,
    period: float,
) -> Pattern:
    """Returns the weights of a tile from every source at every offset.

    Args:
        tile: The tile.
        x: Offset of the source, in pixels, in the member's own pose.
        y: Likewise.
        relative: How sources are turned, and whatever else tells them apart.
        period: 180 if only the orientation of the source counts, 360 if its side counts too.

    Returns:
        Weights, positive where they excite. One member's excitation sums to the tile's weight, for the first member
        exactly and for the others up to how the pixel grid falls on the shape: every member is divided by the same
        number, so that a weight depends on the relative pose and on nothing else.
    """
    excitation = _spread_out(_excitation(tile, x, y, relative, period=period), relative)
    weights = excitation / jnp.sum(excitation[0])
    for inhibition in tile.minus:
        forbidden = _spread_out(_forbidden(inhibition, tile, x, y, relative, period=period), relative)
        weights = weights - inhibition.strength * forbidden / jnp.sum(forbidden[0])
    return tile.weight * weights


def _spread_out(pattern: Pattern, relative: Relative) -> Pattern:
    """Returns a pattern with each member's weights as thin as it is large."""
    return pattern if relative.area is None else pattern / relative.area[:, None, None, None]


def _excitation(
    tile: Tile,
    x: Float[Array, "member h w"],
    y: Float[Array, "member h w"],
    relative: Relative,
    *,
    period: float,
    offset: Pixels = 0.0,
    hue_offset: Degrees = 0.0,
) -> Pattern:
    frame, direction = tile.along.frame(x, y), relative.direction
    near = envelope(frame, tile.along.length, tile.spread, offset=offset, lap=tile.along.lap)
    if tile.tolerance is None:
        pattern = jnp.broadcast_to(near[:, None], (*direction.shape, *near.shape[1:]))
    else:
        turned = direction[:, :, None, None] - frame.tangent[:, None]
        pattern = near[:, None] * bell(turned, tile.tolerance, period=period)
    if relative.hue is not None and tile.hue_tolerance is not None:
        pattern = pattern * bell(relative.hue - hue_offset, tile.hue_tolerance, period=360.0)[:, :, None, None]
    return _of_its_kind(tile, pattern, relative)


def _of_its_kind(tile: Tile, pattern: Pattern, relative: Relative) -> Pattern:
    """Returns a pattern weakened where the source is of another scale, and 0 where it is of another hand."""
    if relative.octaves is not None and tile.scale_tolerance is not None:
        pattern = pattern * jnp.exp(-((relative.octaves / tile.scale_tolerance) ** 2) / 2)[:, :, None, None]
    return pattern if relative.same_hand is None else pattern * relative.same_hand[:, :, None, None]


def _forbidden(
    inhibition: Inhibition,
    tile: Tile,
    x: Float[Array, "member h w"],
    y: Float[Array, "member h w"],
    relative: Relative,
    *,
    period: float,
) -> Pattern:
    turned_round = relative._replace(direction=relative.direction - 180)
    match inhibition:
        case Crossing():
            frame = tile.along.frame(x, y)
            near = envelope(frame, tile.along.length, tile.spread, lap=tile.along.lap)
            across = jnp.sin(jnp.deg2rad(relative.direction[:, :, None, None] - frame.tangent[:, None])) ** 2
            return _of_its_kind(tile, near[:, None] * across, relative)  # whatever its hue
        case Rival():
            own = _excitation(tile, x, y, relative, period=period)
            return jnp.sum(own, axis=0, keepdims=True) - own
        case OppositeArc():
            return _excitation(tile, -x, -y, turned_round, period=period)
        case Reversed():
            return _excitation(tile, x, y, turned_round, period=period)
        case Flank(distance=distance):
            inner = _excitation(tile, x, y, relative, period=period, offset=-distance)
            return inner + _excitation(tile, x, y, relative, period=period, offset=distance)
        case HueFlank(distance=distance):
            before = _excitation(tile, x, y, relative, period=period, hue_offset=-distance)
            return before + _excitation(tile, x, y, relative, period=period, hue_offset=distance)


def envelope(
    frame: Frame, length: Pixels, spread: Pixels, *, offset: Pixels = 0.0, lap: Pixels | None = None
) -> Float[Array, "*points"]:
    """Returns the path blurred by a Gaussian of `spread` pixels; 1 in the middle of a long path.

    Args:
        frame: Distance and arc length of every point.
        length: Of the path, in pixels.
        spread: Standard deviation of the blur, in pixels.
        offset: How far the path is moved outwards, in pixels.
        lap: Arc length after which the endless path is back where it was, in pixels.
    """
    across = jnp.exp(-((frame.distance - offset) ** 2) / (2 * spread**2))
    scale = jnp.sqrt(2.0) * spread
    lengthwise = jnp.zeros_like(frame.along)
    # Two laps either way, for rings that are blurred by as much as they are wide.
    for start in (0.0,) if lap is None else (-2 * lap, -lap, 0.0, lap, 2 * lap):
        along = frame.along - start
        lengthwise = lengthwise + (erf((along + length / 2) / scale) - erf((along - length / 2) / scale)) / 2
    return across * lengthwise


def bell(difference: Float[Array, "*points"], tolerance: Degrees, *, period: float) -> Float[Array, "*points"]:
    """Returns a periodic bell of an angle in degrees: 1 at 0, a Gaussian of `tolerance` degrees nearby."""
    concentration = (jnp.rad2deg(1 / jnp.asarray(tolerance)) * period / 360) ** 2
    return jnp.exp(concentration * (jnp.cos(jnp.deg2rad(difference * 360 / period)) - 1))
