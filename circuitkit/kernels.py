"""Spec to weights: pure functions of the spec's numbers, differentiable in every one of them.

A kernel is drawn from the formula at turned coordinates, never by turning a drawn kernel: interpolation
would blur all members but four. Kernels are HWIO, float32, and correlate: the weight at row 0, column 0
multiplies the pixel up and to the left.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit.geometry import Scalar, angle_between, hue_circle, pixel_grid, turned_back
from circuitkit.motifs.tiling import Relative, tile_pattern
from circuitkit.spec import Circuit, Family, Flank, Gabor, Pose, Spot, Tile, Union

IMAGE = "image"
"""The name under which first layers read the image."""

GABOR_REACH, TILE_REACH = 3.4, 2.7
"""Kernels extend this many standard deviations beyond the centre of a Gabor, or the path of a tile.

There, 0.3 % of the window and 2.6 % of the envelope are left. What is cut is cut at different pixels at
different angles: at these values that costs less than 0.1 % of equivariance, and more buys nothing.
"""


class Layout(NamedTuple):
    """What one family reads, and the shape of the kernel that it reads with.

    Attributes:
        sources: Names of the families that it reads, or `image`, in the order of the kernel's input channels.
        widths: Number of channels of each.
        shape: Of the kernel, HWIO.
        spacing: Pixels from one weight of the kernel to the next, as between the units that it reads.
        stride: Of all places, every so-manieth is kept.
        window: Side of the square, in places kept, over which responses are averaged to divide by; 0 if by nothing.
    """

    sources: tuple[str, ...]
    widths: tuple[int, ...]
    shape: tuple[int, int, int, int]
    spacing: int = 1
    stride: int = 1
    window: int = 0

    def channels(self, source: str) -> slice:
        """Returns where a source's channels stand among the kernel's input channels."""
        at = self.sources.index(source)
        start = sum(self.widths[:at])
        return slice(start, start + self.widths[at])


Kernels = dict[str, Float[Array, "h w source member"]]
"""One HWIO kernel for each family."""


class Divisor(NamedTuple):
    """What the responses of a normalised family are divided by: a constant plus their weighted mean nearby.

    Attributes:
        profile: Weights along rows, and along columns alike; they sum to 1.
        constant: The constant.
    """

    profile: Float[Array, " side"]
    constant: Scalar


def lay_out(circuit: Circuit) -> dict[str, Layout]:
    """Returns what each family reads and the shape of its kernel, before anything is drawn."""
    layouts = {}
    for family in circuit.families:
        sources = family.source_names
        widths = tuple(len(circuit[name]) for name in sources)
        spacing = circuit.spacing(sources[0]) if sources else 1
        if not sources:
            sources, widths = (IMAGE,), (circuit.channels,)
        side, window = kernel_size(family, spacing), 0
        if family.normalised is not None:
            window = _taps(TILE_REACH * float(family.normalised.within), spacing * family.stride)
        shape = (side, side, sum(widths), len(family))
        layouts[family.name] = Layout(sources, widths, shape, spacing, family.stride, window)
    return layouts


def kernel_size(family: Family, spacing: int = 1) -> int:
    """Returns the side of a family's kernels, odd: as given, or large enough for its template.

    Args:
        family: The family.
        spacing: Pixels between the units that it reads.

    Returns:
        The number of weights along a side, so many pixels apart: the side in pixels, where it reads at every one.
    """
    if family.size is not None:
        return 2 * (family.size // 2 // spacing) + 1
    match family.looks_for:
        case Gabor(sigma=sigma):
            reach = GABOR_REACH * float(sigma)
        case Spot(sigma=sigma, surround=surround):
            reach = GABOR_REACH * float(sigma) * float(surround)
        case Union():
            return 1
        case _:
            reach = max(map(_extent, family.tiles))
    return _taps(reach * max(family.scales), spacing)


def _taps(reach: float, spacing: int) -> int:
    """Returns how many weights, so many pixels apart, reach so many pixels from the middle; at least three."""
    return 2 * max(1, round(reach / spacing)) + 1


def _extent(tile: Tile) -> float:
    flanks = [float(term.distance) for term in tile.minus if isinstance(term, Flank)]
    return tile.along.bounding_radius() + max(flanks, default=0.0) + TILE_REACH * float(tile.spread)


def draw(circuit: Circuit, layouts: dict[str, Layout] | None = None) -> Kernels:
    """Draws the kernels of all families of a circuit.

    Args:
        circuit: The spec. Its numbers may be traced.
        layouts: From `lay_out`. Give them when the numbers are traced, because a size in pixels cannot be:
            `jax.grad(lambda spec: loss(draw(spec, layouts)))(spec)`.
    """
    layouts = lay_out(circuit) if layouts is None else layouts
    kernels = {}
    for family in circuit.families:
        layout = layouts[family.name]
        match family.looks_for:
            case Gabor() as gabor:
                kernels[family.name] = draw_gabors(family, gabor, layout.shape[0], layout.shape[2])
            case Spot() as spot:
                kernels[family.name] = draw_spots(family, spot, layout.shape[0], layout.shape[2])
            case Union(source_names=names):
                kernels[family.name] = draw_union(family, [circuit[name] for name in names])
            case _:
                kernel = jnp.zeros(layout.shape)
                for tile in family.tiles:
                    channels = np.concatenate([np.r_[layout.channels(name)] for name in tile.source_names])
                    sources = [circuit[name] for name in tile.source_names]
                    drawn = draw_tile(family, tile, sources, layout.shape[0], layout.spacing)
                    kernel = kernel.at[:, :, channels].add(drawn)
                kernels[family.name] = kernel
    return kernels


def draw_divisors(circuit: Circuit, layouts: dict[str, Layout] | None = None) -> dict[str, Divisor]:
    """Draws what the responses of each normalised family are divided by. Arguments are those of `draw`."""
    layouts = lay_out(circuit) if layouts is None else layouts
    divisors = {}
    for family in circuit.families:
        if family.normalised is not None:
            layout = layouts[family.name]
            # One row of a grid: a round Gaussian is the product of its rows and its columns.
            x = pixel_grid(layout.window)[0][0] * (layout.spacing * layout.stride)
            profile = jnp.exp(-(x**2) / (2 * family.normalised.within**2))
            divisors[family.name] = Divisor(profile / jnp.sum(profile), family.normalised.constant)
    return divisors


def draw_gabors(family: Family, gabor: Gabor, size: int, channels: int = 1) -> Float[Array, "size size channel member"]:
    """Draws a family of Gabors: no mean, and absolute weights that sum to at most 1: no response exceeds the image.

    All members are divided by one number, the largest of their sums, so that a weight depends on the relative pose
    alone. Each is freed of its own mean on the pixel grid, which moves its weights by about 1e-4 of their size, so
    that a flat image excites nothing whatever its brightness.
    """
    x, y = _own_frame(family, size)
    window = jnp.exp(-(x**2 + y**2) / (2 * gabor.sigma**2))
    wave = window * jnp.cos(2 * jnp.pi * x / gabor.wavelength - jnp.deg2rad(gabor.phase))
    # Take the mean out through the window, not as a constant: the border stays near zero.
    mean = jnp.sum(wave, (1, 2), keepdims=True) / jnp.sum(window, (1, 2), keepdims=True)
    return _looking_at_the_image(family, wave - mean * window, channels)


def draw_spots(family: Family, spot: Spot, size: int, channels: int = 1) -> Float[Array, "size size channel member"]:
    """Draws a family of spots, normalised like Gabors; middle and surround have one volume on the pixel grid."""
    x, y = _own_frame(family, size)
    middle, around = (jnp.exp(-(x**2 + y**2) / (2 * sigma**2)) for sigma in (spot.sigma, spot.sigma * spot.surround))
    volumes = [jnp.sum(part, (1, 2), keepdims=True) for part in (middle, around)]
    return _looking_at_the_image(family, middle / volumes[0] - around / volumes[1], channels)


def _own_frame(
    family: Family, size: int, *, spacing: int = 1, turned: float = 0.0
) -> tuple[Float[Array, "member h w"], Float[Array, "member h w"]]:
    """Returns every place of a kernel as each member sees it: in its own pose, or turned against that, at scale 1."""
    poses = family.unit_poses
    x, y = (spacing * part for part in pixel_grid(size))
    x, y = turned_back(x, y, [pose.angle + _hand(pose) * turned for pose in poses])
    hand, scale = (
        jnp.asarray(each, jnp.float32)[:, None, None]
        for each in ([_hand(pose) for pose in poses], [pose.scale for pose in poses])
    )
    return x / scale, hand * y / scale


def _hand(pose: Pose) -> int:
    return -1 if pose.mirrored else 1


def _looking_at_the_image(
    family: Family, members: Float[Array, "member h w"], channels: int
) -> Float[Array, "h w channel member"]:
    """Returns kernels of luminance, or of each member's own hue, from their course over the plane."""
    # A larger member is the same pattern, spread over more pixels.
    members = members / jnp.asarray([pose.scale**2 for pose in family.unit_poses], jnp.float32)[:, None, None]
    members = members / jnp.max(jnp.sum(jnp.abs(members), (1, 2)))
    if family.has_hue:
        # Half of the colour at full chroma: the three weights of red, which are the largest, then sum to 1.
        colours = jnp.asarray([hue_circle(hue) for hue in family.unit_hues], jnp.float32) / 2
    else:
        colours = jnp.full((len(family), channels), 1 / channels, jnp.float32)
    return jnp.einsum("mhw,mc->hwcm", members, colours)


def draw_union(family: Family, sources: list[Family]) -> Float[Array, "1 1 source member"]:
    """Draws a union: the mean over all source units that a member unites."""
    units = [unit for source in sources for unit in zip(source.unit_tangents, source.unit_poses, strict=True)]
    united = [
        [
            (not family.has_angle or abs(angle_between(tangent, member.angle, 180.0)) < 1e-6)
            and (len(family.scales) == 1 or pose.scale == member.scale)
            for member in family.unit_poses
        ]
        for tangent, pose in units
    ]
    same = np.array(united)
    return jnp.asarray(same / same.sum(axis=0), jnp.float32)[None, None]


def draw_tile(
    family: Family, tile: Tile, sources: list[Family], size: int, spacing: int = 1
) -> Float[Array, "size size source member"]:
    """Draws one tile of a family, from all units of its sources side by side, which stand every `spacing` pixels."""
    x, y = _own_frame(family, size, spacing=spacing, turned=tile.turned)
    units = [unit for source in sources for unit in _standing(source)]
    hue_counts, count = tile.hue_tolerance is not None, len(units)
    # Half a turn and half a turn of hue make the same unit of a twisted one: it is read in both of its poses.
    again = [index for index, unit in enumerate(units) if hue_counts and unit.source.twisted]
    units += [units[index]._replace(tangent=units[index].tangent + 180, hue=units[index].hue + 180) for index in again]
    relative = _relative(family, tile, units)
    period = sources[0].matched_period(hue_counts=hue_counts)
    weights = tile_pattern(tile, x, y, relative, period=period)
    if again:
        weights = weights[:, :count].at[:, np.array(again)].add(weights[:, count:])
    return jnp.transpose(weights, (2, 3, 1, 0))


class _Standing(NamedTuple):
    """A source unit: the direction of the path that it stands on, its hue, its pose, and its family."""

    tangent: float
    hue: float
    pose: Pose
    source: Family


def _standing(source: Family) -> list[_Standing]:
    each = zip(source.unit_tangents, source.unit_hues, source.unit_poses, strict=True)
    return [_Standing(tangent, hue, pose, source) for tangent, hue, pose in each]


def _relative(family: Family, tile: Tile, units: list[_Standing]) -> Relative:
    """Returns source units as each member of a family sees them.

    All of it is worked out here, where it is exact: pairs of units in the same relative pose get the same numbers.
    """

    def table(entry: Callable[[Pose, _Standing], float]) -> Float[Array, "member source"]:
        return jnp.asarray([[entry(member, unit) for unit in units] for member in family.unit_poses], jnp.float32)

    def direction(member: Pose, unit: _Standing) -> float:
        own = angle_between(unit.tangent, member.angle + _hand(member) * tile.turned)
        # In the mirror a path runs backwards, so that it bulges to its right again.
        return angle_between(180.0, own) if member.mirrored else own

    hands = family.mirrored and any(unit.source.mirrored for unit in units)
    return Relative(
        direction=table(direction),
        hue=None if tile.hue_tolerance is None else table(lambda m, u: angle_between(u.hue, m.hue + tile.hue)),
        octaves=None if tile.scale_tolerance is None else table(lambda m, u: math.log2(u.pose.scale / m.scale)),
        same_hand=table(lambda m, u: not u.source.mirrored or u.pose.mirrored == m.mirrored) if hands else None,
        area=None if family.scales == (1,) else jnp.asarray([m.scale**2 for m in family.unit_poses], jnp.float32),
    )
