"""Spec to weights: pure functions of the spec's numbers, differentiable in every one of them.

A kernel is drawn from the formula at turned coordinates, never by turning a drawn kernel: interpolation
would blur all members but four. Kernels are HWIO, float32, and correlate: the weight at row 0, column 0
multiplies the pixel up and to the left.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit.geometry import angle_between, pixel_grid, turned_back
from circuitkit.motifs.tiling import tile_pattern
from circuitkit.spec import Circuit, Family, Flank, Gabor, Tile, Union

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
    """

    sources: tuple[str, ...]
    widths: tuple[int, ...]
    shape: tuple[int, int, int, int]

    def channels(self, source: str) -> slice:
        """Returns where a source's channels stand among the kernel's input channels."""
        at = self.sources.index(source)
        start = sum(self.widths[:at])
        return slice(start, start + self.widths[at])


Kernels = dict[str, Float[Array, "h w source member"]]
"""One HWIO kernel for each family."""


def lay_out(circuit: Circuit) -> dict[str, Layout]:
    """Returns what each family reads and the shape of its kernel, before anything is drawn."""
    layouts = {}
    for family in circuit.families:
        side = kernel_size(family)
        sources = family.source_names
        widths = tuple(circuit[name].angles for name in sources)
        if not sources:
            sources, widths = (IMAGE,), (1,)
        layouts[family.name] = Layout(sources, widths, (side, side, sum(widths), family.angles))
    return layouts


def kernel_size(family: Family) -> int:
    """Returns the side of a family's kernels: as given, or odd and large enough for its template."""
    if family.size is not None:
        return family.size
    match family.looks_for:
        case Gabor(sigma=sigma):
            return 2 * max(1, round(GABOR_REACH * float(sigma))) + 1
        case Union():
            return 1
        case _:
            return 2 * max(1, round(max(map(_extent, family.tiles)))) + 1


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
                kernels[family.name] = draw_gabors(family, gabor, layout.shape[0])
            case Union(source_names=names) as union:
                kernels[family.name] = draw_union(family, union, [circuit[name] for name in names])
            case _:
                kernel = jnp.zeros(layout.shape)
                for tile in family.tiles:
                    channels = np.concatenate([np.r_[layout.channels(name)] for name in tile.source_names])
                    drawn = draw_tile(family, tile, [circuit[name] for name in tile.source_names], layout.shape[0])
                    kernel = kernel.at[:, :, channels].add(drawn)
                kernels[family.name] = kernel
    return kernels


def draw_gabors(family: Family, gabor: Gabor, size: int) -> Float[Array, "size size 1 member"]:
    """Draws a family of Gabors: no mean, and absolute weights that sum to at most 1: no response exceeds the image.

    All members are divided by one number, the largest of their sums, so that a weight depends on the relative pose
    alone. Each is freed of its own mean on the pixel grid, which moves its weights by about 1e-4 of their size, so
    that a flat image excites nothing whatever its brightness.
    """
    x, y = turned_back(*pixel_grid(size), family.unit_angles)
    window = jnp.exp(-(x**2 + y**2) / (2 * gabor.sigma**2))
    wave = window * jnp.cos(2 * jnp.pi * x / gabor.wavelength - jnp.deg2rad(gabor.phase))
    # Take the mean out through the window, not as a constant: the border stays near zero.
    mean = jnp.sum(wave, (1, 2), keepdims=True) / jnp.sum(window, (1, 2), keepdims=True)
    members = wave - mean * window
    members = members / jnp.max(jnp.sum(jnp.abs(members), (1, 2)))
    return jnp.transpose(members, (1, 2, 0))[:, :, None, :]


def draw_union(family: Family, union: Union, sources: list[Family]) -> Float[Array, "1 1 source member"]:
    """Draws a union: the mean over all sources that stand on the member's orientation, or simply over all of them."""
    if union.over_angles:
        count = sum(source.angles for source in sources)
        return jnp.full((1, 1, count, 1), 1 / count, jnp.float32)
    tangents = [tangent for source in sources for tangent in source.unit_tangents]
    apart = np.array([[angle_between(a, b, 180.0) for b in family.unit_angles] for a in tangents])
    same = np.abs(apart) < 1e-6
    return jnp.asarray(same / same.sum(axis=0), jnp.float32)[None, None]


def draw_tile(family: Family, tile: Tile, sources: list[Family], size: int) -> Float[Array, "size size source member"]:
    """Draws one tile of a family, from all units of its sources side by side."""
    angles = [angle + tile.turned for angle in family.unit_angles]
    x, y = turned_back(*pixel_grid(size), angles)
    tangents = [tangent for source in sources for tangent in source.unit_tangents]
    # Folded here, where it is exact: pairs of units in the same relative pose then get the same number.
    direction = [[angle_between(tangent, angle) for tangent in tangents] for angle in angles]
    weights = tile_pattern(tile, x, y, jnp.asarray(direction, jnp.float32), period=sources[0].matched_period)
    return jnp.transpose(weights, (2, 3, 1, 0))
