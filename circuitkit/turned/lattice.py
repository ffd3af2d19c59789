"""Whether whole maps can turn with the image exactly, and whether they do: quarter turns and mirrors.

The lattice motions carry pixels onto pixels. They carry units onto units as well if the centres of the units' fields,
as a grid, lie around the centre of the image; and they carry borders onto borders if what is padded is the same on
either side. Both are matters of the image's size, the strides and the padding, and of no weight. A stride of 2 is exact
on 225 pixels and not on 224, say: which is then the net's affair, not its units'.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from circuitkit.cropping.trace import Op, Trace
from circuitkit.errors import ImageError, SpecError
from circuitkit.probe import Probe
from circuitkit.symmetry import Motion
from circuitkit.turned.moves import label
from circuitkit.turned.reading import Reading, rounding
from circuitkit.turned.waves import CONTRAST

_FLIPS: dict[tuple[float, bool], tuple[bool, bool]] = {
    (0, True): (True, False),
    (180, True): (False, True),
    (0, False): (False, False),
}
"""Whether rows and columns are reversed, by turn and mirror; both are for all others."""


@dataclasses.dataclass(frozen=True, eq=False)
class Exactness:
    """Whole maps under the motions of the lattice, on images of one size.

    Attributes:
        image_size: Rows and columns of the images.
        possible: Whether maps of this size, stride and padding can be exact at all; None where the net does not say.
        reason: Why, in a sentence or two.
        units: (motion, unit), the error ||f(g x) - g f(x)|| / ||f(x)|| over images and positions. The norm is that of
            the units that the motions carry to each other, per unit. NaN where these are silent; infinite where the
            maps have other shapes.
        rounding: (unit), what float32 may leave of it.
    """

    image_size: tuple[int, int]
    possible: bool | None
    reason: str
    units: xr.DataArray
    rounding: xr.DataArray

    @property
    def error(self) -> xr.DataArray:
        """(motion), the error of the worst unit."""
        return self.units.max("unit")

    @property
    def found(self) -> bool:
        """Whether the maps were exact, but for rounding, in every motion and unit that responded."""
        return not bool((self.units > self.rounding).any())


def measured(
    probe: Probe,
    motions: Sequence[Motion],
    carried: Int[np.ndarray, "motion unit"],
    orbits: Int[np.ndarray, " unit"],
    image_size: tuple[int, int] | None,
    *,
    channels: int = 1,
    count: int = 4,
    seed: int = 0,
) -> Exactness:
    """Returns how whole maps of noise move under the motions of the lattice.

    Args:
        probe: The units.
        motions: Quarter turns and mirrors.
        carried: For each of them, where it carries each unit.
        orbits: Units of one number are carried to each other.
        image_size: Rows and columns. Left out, those that the net was made for; or else the smallest that hold 5 by 5
            units and can be exact.
        channels: Of the images: 1 for grey, 3 for red, green and blue.
        count: Number of images.
        seed: Of their noise.

    Raises:
        SpecError: If a quarter turn is to turn images that are not square.
        ImageError: If the map is empty, or holds NaN.
    """
    height, width = image_size or default_size(probe)
    if height != width and any(motion.turn % 180 for motion in motions):
        raise SpecError(
            f"quarter turns change the shape of images of {height}x{width} pixels: wanted square ones. Give "
            f"image_size=({max(height, width)}, {max(height, width)}), or leave out the quarter turns."
        )
    possible, reason = can_be_exact(probe, (height, width), motions)
    noise = np.random.default_rng(seed).normal(0, CONTRAST, (count, height, width, channels)).astype(np.float32)
    moved = [np.asarray(motion.of_images(jnp.asarray(noise))) for motion in motions]
    images = np.concatenate([noise, *moved])
    reading = Reading.whole(probe, height, width, count=count, channels=channels)
    # Pixels that no window reaches are not read.
    seen = (slice(None), slice(*reading.cropped.rows), slice(*reading.cropped.columns))
    images, noise = images[seen], noise[seen]
    maps = reading.responses(lambda numbers: images[numbers], len(images)).astype(np.float64)
    if not np.isfinite(maps).all():
        raise ImageError(f"layer {probe.layer!r} of net {probe.net.name!r} gives NaN or infinity on images of noise.")
    before, change = maps[:count], reading.changes(lambda numbers: noise[numbers], count, seed=seed)
    norms = pooled(np.linalg.norm(before.reshape(-1, before.shape[-1]), axis=0), orbits)
    errors = np.full((len(motions), len(orbits)), np.inf)
    for index, (motion, to) in enumerate(zip(motions, carried, strict=True)):
        after = maps[(index + 1) * count : (index + 2) * count]
        wanted = np.rot90(before[:, ::-1] if motion.mirror else before, int(motion.turn // 90), axes=(1, 2))
        if wanted.shape == after.shape:
            apart = (after - wanted[..., np.argsort(to)]).reshape(-1, len(orbits))
            errors[index] = share(np.linalg.norm(apart, axis=0), norms)
    changed = pooled(np.linalg.norm(change.reshape(-1, len(orbits)), axis=0), orbits)
    units = {"unit": list(probe.unit_names)}
    return Exactness(
        (height, width),
        possible,
        reason,
        xr.DataArray(errors, dims=("motion", "unit"), coords={"motion": [label(m) for m in motions], **units}),
        xr.DataArray(rounding(share(changed, norms)), dims="unit", coords=units),
    )


def default_size(probe: Probe) -> tuple[int, int]:
    """Returns the size that a net was made for, or else a small square on which whole maps can be exact."""
    if probe.net.image_size is not None:
        return probe.net.image_size
    site = probe.site(window=5)
    side = max(site.height, site.width)
    for larger in range(side, side + 8):
        if _off_centre(probe, (larger, larger)) == (0.0, 0.0):
            return larger, larger
    return side, side


def can_be_exact(probe: Probe, image_size: tuple[int, int], motions: Sequence[Motion]) -> tuple[bool | None, str]:
    """Returns whether a net's grid of units is carried onto itself, and why: None if the net does not say.

    Args:
        probe: The layer.
        image_size: Rows and columns of the images.
        motions: Those of the lattice are looked at.
    """
    flips = [_FLIPS.get((motion.turn % 360, motion.mirror), (True, True)) for motion in motions if motion.on_lattice]
    sides = [any(along) for along in zip(*flips, strict=True)]
    field = probe.net.receptive_field(probe.layer, image_size)
    counts = _counts(probe, image_size)
    if field is not None:
        off = _off_centre(probe, image_size)
        for name, flipped, axis in zip(("rows", "columns"), sides, (0, 1), strict=True):
            if flipped and off is not None and off[axis] != 0:
                last = field.first[axis] + field.stride[axis] * (counts[axis] - 1)
                side = "after" if off[axis] > 0 else "before"
                return False, (
                    f"stride {field.stride[axis]} on {image_size[axis]} {name} of pixels cannot be exact: the centres "
                    f"of {counts[axis]} units run from {field.first[axis]:g} to {last:g}, and their middle, "
                    f"{(field.first[axis] + last) / 2:g}, lies {_pixels(off[axis])} {side} the "
                    f"image's, {(image_size[axis] - 1) / 2:g}." + _nearby(probe, image_size, axis)
                )
        quarter = any(motion.turn % 180 for motion in motions if motion.on_lattice)
        if quarter and (field.stride[0] != field.stride[1] or counts[0] != counts[1]):
            return False, (
                f"strides {field.stride} leave {counts[0]} by {counts[1]} units, which no quarter turn carries onto "
                "themselves."
            )
    if (uneven := next(_uneven(probe, image_size), None)) is not None and any(sides):
        return False, uneven
    if field is None:
        return None, (
            "units see all of the image, or their fields do not repeat, so their grid is not known: all that can be "
            "said is what was measured."
        )
    return True, (
        f"stride {field.stride[0]} on {image_size[0]}x{image_size[1]} pixels can be exact: the {counts[0]}x{counts[1]} "
        "units stand evenly around the image's centre, and what is padded is padded on either side."
    )


def _counts(probe: Probe, image_size: tuple[int, int]) -> tuple[int, int]:
    _, rows, columns, _ = jax.eval_shape(probe.maps, jax.ShapeDtypeStruct((1, *image_size, 1), jnp.float32)).shape
    return rows, columns


def _off_centre(probe: Probe, image_size: tuple[int, int]) -> tuple[float, float] | None:
    """Returns by how many pixels the middle of the grid of units lies beyond the image's, down and across."""
    field = probe.net.receptive_field(probe.layer, image_size)
    if field is None:
        return None
    down, across = (
        first + stride * (count - 1) / 2 - (side - 1) / 2
        for first, stride, count, side in zip(
            field.first, field.stride, _counts(probe, image_size), image_size, strict=True
        )
    )
    return down, across


def _nearby(probe: Probe, image_size: tuple[int, int], axis: int) -> str:
    """Returns the nearest sizes that can be exact, as the end of a message."""
    field, here = probe.net.receptive_field(probe.layer, image_size), image_size[axis]
    reach = 1 if field is None else field.stride[axis]
    found: list[int] = []
    for side in sorted(range(max(1, here - reach), here + reach + 1), key=lambda side: (abs(side - here), side)):
        try:
            off = _off_centre(probe, (side, side))
        except (ImageError, TypeError, ValueError):  # the net takes no such images
            continue
        if off is not None and off[axis] == 0 and next(_uneven(probe, (side, side)), None) is None:
            found.append(side)
    if not found:
        return " No size nearby is exact."
    return f" Exact nearby: {' and '.join(map(str, sorted(found[:2])))}."


def _pixels(count: float) -> str:
    return f"{abs(count):g} pixel" + ("s" if abs(count) > 1 else "")


def _uneven(probe: Probe, image_size: tuple[int, int]) -> Iterator[str]:
    """Yields, for each window that does not lie evenly on the map that it reads, what is wrong with it."""
    trace = Trace(probe.maps, jax.ShapeDtypeStruct((1, *image_size, 1), jnp.float32))
    needed, seen = {trace.result}, {trace.image}
    path: list[Op] = []
    for op in trace.ops:
        if not seen.isdisjoint(op.reads):
            seen.update(op.makes)
    for op in reversed(trace.ops):
        if not needed.isdisjoint(op.makes):
            needed.update(op.reads)
            path.append(op)
    for op in reversed(path):
        for side, window, stride, (before, _), count in _windows(op, trace) if set(op.reads) & seen else ():
            # What lies beyond the last window is never read: the padding that counts ends with it.
            read = stride * (count - 1) + window - side - before
            if read != before:
                where = f"{read} after" if read >= 0 else f"leaves out the last {-read}"
                yield (
                    f"a window of {window} at stride {stride} ({op.primitive}) on a map of side {side} pads {before} "
                    f"before and {where}: the borders differ, so a turn carries neither onto the other."
                )


def _windows(op: Op, trace: Trace) -> Iterator[tuple[int, int, int, tuple[int, int], int]]:
    """Yields the side, window, stride, padding and count of windows along each axis that an operation slides along."""
    params, name = op.params, str(op.primitive)
    into, out = trace.shapes[op.reads[0]], trace.shapes[op.makes[0]]
    if name == "conv_general_dilated":
        numbers = params["dimension_numbers"]
        kernel = trace.shapes[op.reads[1]]
        for index, (a, k, o) in enumerate(
            zip(numbers.lhs_spec[2:], numbers.rhs_spec[2:], numbers.out_spec[2:], strict=True)
        ):
            side = (into[a] - 1) * params["lhs_dilation"][index] + 1
            window = (kernel[k] - 1) * params["rhs_dilation"][index] + 1
            yield side, window, params["window_strides"][index], params["padding"][index], out[o]
    elif name.startswith("reduce_window"):
        for axis, size in enumerate(params["window_dimensions"]):
            side = (into[axis] - 1) * params["base_dilation"][axis] + 1
            window = (size - 1) * params["window_dilation"][axis] + 1
            yield side, window, params["window_strides"][axis], params["padding"][axis], out[axis]


def pooled(norms: Float[np.ndarray, "... unit"], orbits: Int[np.ndarray, " unit"]) -> Float[np.ndarray, "... unit"]:
    """Returns the root mean square over the units that the motions carry to each other."""
    result = np.empty_like(norms)
    for orbit in np.unique(orbits):
        result[..., orbits == orbit] = np.sqrt((norms[..., orbits == orbit] ** 2).mean(-1, keepdims=True))
    return result


def share(part: Float[np.ndarray, "..."], norms: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Returns the part over the norms; NaN where both are 0, and infinity where the norms alone are."""
    part, norms = np.broadcast_arrays(part, norms)
    return np.divide(part, norms, out=np.where(part > 0, np.inf, np.nan), where=norms > 0)
