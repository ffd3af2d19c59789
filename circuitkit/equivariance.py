"""How equivariant a circuit is, as numbers, layer by layer.

Two measures. Lattice motions carry pixels onto pixels, so whole maps can be compared and nothing but float32
rounding should be left. At other angles no image can be turned without interpolation, whose error (3 to 9 %)
would drown the circuit's own; so the input is a sum of plane waves, which is known exactly when turned, and
only the unit in the centre is compared.

Every error is ||f(g x) - g f(x)|| / ||f(x)|| over all units and images of a layer, after the nonlinearity.

The third measure, `weight_errors`, needs no network and no images: it asks the weights themselves, of any origin,
whether they depend on relative pose alone.
"""

import functools
import math
from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int

from circuitkit.compiling import jit
from circuitkit.errors import ImageError, KernelError, SpecError
from circuitkit.geometry import angle_between, pixel_grid
from circuitkit.network import Activations, CircuitNetwork
from circuitkit.symmetry import Motion

_QUARTER = Motion(90.0)


def measure(network: CircuitNetwork, *, count: int = 40, seed: int = 0) -> xr.DataArray:
    """Returns the error of every layer under every kind of motion, as an array over `layer` and `motion`.

    Args:
        network: The circuit.
        count: Number of images.
        seed: Of the images.
    """
    circuit = network.circuit
    spacing = math.lcm(*(circuit.spacing(family.name) for family in circuit.families))
    side = max(network.receptive_field(name).size[0] for name in network.needed(None))
    # Units that stand apart stand evenly on odd sides alone.
    images = plane_waves(side + (11 if spacing == 1 else 12 * spacing), 0.0, band=0.25, count=2, seed=seed)
    step = 360 / circuit.order
    columns = {
        "quarter turn": lattice_errors(network, images, Motion(90)),
        "mirror": lattice_errors(network, images, Motion(0, mirror=True)),
        f"shift by ({2 * spacing}, {3 * spacing}) pixels": shift_errors(
            network, images, down=2 * spacing, right=3 * spacing
        ),
    }
    for band in (0.125, 0.25):
        name = f"turn by {step:g}°, up to {band:g} cycles a pixel"
        columns[name] = turn_errors(network, step, band=band, count=count, seed=seed)
    layers = list(network.needed(None))
    return xr.DataArray(
        [[errors[layer] for errors in columns.values()] for layer in layers],
        dims=["layer", "motion"],
        coords={"layer": layers, "motion": list(columns)},
        name="relative_error",
    )


def lattice_errors(
    network: CircuitNetwork, images: Float[Array, "image h w channel"], motion: Motion
) -> dict[str, float]:
    """Returns each layer's error when images are turned by quarter turns or mirrored.

    Args:
        network: The circuit.
        images: Any images; square ones keep their shape, and so need one compile.
        motion: A turn by a multiple of 90 degrees, mirrored or not.
    """
    before, after = _run(network, images), _run(network, motion.of_images(images))
    return {name: relative_error(after[name], motion.of_maps(before[name], network.circuit[name])) for name in before}


def shift_errors(
    network: CircuitNetwork, images: Float[Array, "image h w channel"], *, down: int, right: int
) -> dict[str, float]:
    """Returns each layer's error when images are moved by whole pixels.

    Only positions are compared whose units see nothing but image before and after, so padding does not count.

    Raises:
        SpecError: If units are carried to where none stands, because of a stride.
    """
    circuit = network.circuit
    for family in circuit.families:
        if down % (spacing := circuit.spacing(family.name)) or right % spacing:
            raise SpecError(
                f"units of family {family.name!r} stand every {spacing} pixels: a shift by ({down}, {right}) carries "
                f"none to another. Wanted multiples of {spacing}."
            )
    height, width = images.shape[1] - abs(down), images.shape[2] - abs(right)
    top, left = max(down, 0), max(right, 0)
    one = images[:, top : top + height, left : left + width]
    other = images[:, max(-down, 0) : max(-down, 0) + height, max(-right, 0) : max(-right, 0) + width]
    one_maps, other_maps = (network(part, padding="VALID") for part in (one, other))

    def overlap(name: str, maps: Float[Array, "image _ _ unit"], sign: int) -> Float[Array, "image _ _ unit"]:
        down_by, right_by = (sign * pixels // circuit.spacing(name) for pixels in (down, right))
        rows, columns = maps.shape[1] - abs(down_by), maps.shape[2] - abs(right_by)
        return maps[:, max(-down_by, 0) : max(-down_by, 0) + rows, max(-right_by, 0) : max(-right_by, 0) + columns]

    return {
        name: relative_error(overlap(name, one_maps[name], 1), overlap(name, other_maps[name], -1)) for name in one_maps
    }


def turn_errors(
    network: CircuitNetwork, turn: float, *, band: float, count: int = 200, seed: int = 0
) -> dict[str, float]:
    """Returns each layer's error in the centre unit when the input is turned by any angle that permutes its units.

    Args:
        network: The circuit.
        turn: In degrees; a multiple of the families' steps.
        band: Highest frequency of the plane waves, in cycles per pixel.
        count: Number of images, each a sum of 40 waves.
        seed: Of their frequencies, directions, amplitudes and phases.

    Source:
        The measure of escnn's equivariance checks, with analytic inputs in place of interpolated ones.
    """
    # All layers are read in the middle of the image that the widest of them needs.
    side = max(network.receptive_field(name).size[0] for name in network.needed(None))
    before, after = (
        _centres(network, plane_waves(side, angle, band=band, count=count, seed=seed)) for angle in (0.0, turn)
    )
    motion, circuit = Motion(turn), network.circuit
    return {
        name: relative_error(after[name], before[name][:, np.argsort(motion.of_units(circuit[name]))])
        for name in network.needed(None)
    }


def weight_errors(
    kernel: Float[Array | np.ndarray, "h w source unit"],
    sources: Sequence[float] | None,
    units: Sequence[float],
    *,
    source_period: float = 360.0,
    unit_period: float = 360.0,
    motion: Motion = _QUARTER,
) -> xr.DataArray:
    """Returns how far every tile of a kernel lies from the one that it is carried to by a motion of the lattice.

    A weight that depends on the relative pose alone obeys W[T p, T source -> T unit] = W[p, source -> unit] for
    every motion T: the units are looked up where they went, the pixels moved back. Where the kernel's grid is coarser
    than the pixel's, the lattice is the kernel's.

    Args:
        kernel: HWIO, from one family to one family.
        sources: Angle of each source, in degrees; None for sources without an angle, such as an image's channels.
        units: Angle of each unit, in degrees.
        source_period: The turn that brings a source back: 360 for curves and signed edges, 180 for lines.
        unit_period: Likewise of the units.
        motion: A turn by a multiple of 90 degrees, mirrored or not. A mirror image of a unit at angle a is one at -a,
            as for edges, lines and curves.

    Returns:
        (source, unit): the largest absolute difference within a tile, in the kernel's own units. Coordinates are the
        angles. Float32 leaves some 1e-7 of the largest weight of a kernel that obeys the law.

    Raises:
        KernelError: If the kernel has other numbers of sources or units, is not square, or holds NaN or infinity.
        SpecError: If the motion is none of the lattice, or carries a unit to an angle at which none stands.
    """
    shape, angles = np.shape(kernel), {"sources": sources, "units": units}
    counts = {
        name: shape[axis] if given is None else len(given) for axis, (name, given) in enumerate(angles.items(), 2)
    }
    if shape != (shape[0], shape[0], counts["sources"], counts["units"]):
        raise KernelError(
            f"a kernel of shape {shape} came with angles of {counts['sources']} sources and {counts['units']} units: "
            "wanted (side, side, source, unit), height, width, in, out. Give blocks of several families one by one."
        )
    if not np.isfinite(kernel).all():
        raise KernelError(f"a kernel of shape {shape} holds NaN or infinity: wanted finite weights.")
    carried_sources = np.arange(shape[2]) if sources is None else _carried("source", sources, source_period, motion)
    carried_units = _carried("unit", units, unit_period, motion)
    # As images of one tile each: of_images moves the second and third axis.
    tiles = jnp.moveaxis(jnp.asarray(kernel, jnp.float32), 2, 0)
    moved = motion.of_images(tiles)
    found = np.abs(np.asarray(tiles)[carried_sources][..., carried_units] - np.asarray(moved)).max((1, 2))
    coords = {"unit": np.asarray(units, float)} | ({} if sources is None else {"source": np.asarray(sources, float)})
    return xr.DataArray(found, dims=("source", "unit"), coords=coords, name="weight_error")


def _carried(kind: str, angles: Sequence[float], period: float, motion: Motion) -> Int[np.ndarray, " member"]:
    """Returns, for each member of a family, the index of the member that it is carried to."""
    found = []
    for angle in angles:
        wanted = motion.of_angle(angle)
        apart = [abs(angle_between(wanted, other, period)) for other in angles]
        if min(apart) > 1e-6:
            raise SpecError(
                f"there is no {kind} at {wanted % period:g} degrees, where the one at {angle:g} is carried: wanted a "
                "family that the motion permutes. Its period may be another."
            )
        found.append(int(np.argmin(apart)))
    return np.array(found)


def plane_waves(
    size: int, angle: float, *, band: float, count: int, seed: int, waves: int = 40
) -> Float[Array, "{count} {size} {size} 1"]:
    """Returns images that are sums of plane waves, turned by an angle without interpolation.

    Args:
        size: Side, in pixels.
        angle: Of the turn, in degrees.
        band: Highest frequency, in cycles per pixel; frequencies fill the disc evenly.
        count: Number of images.
        seed: Of frequencies, directions, amplitudes and phases.
        waves: Number of waves an image.
    """
    rng = np.random.default_rng(seed)
    frequency = band * np.sqrt(rng.uniform(size=(count, waves)))
    direction = rng.uniform(0, 2 * np.pi, (count, waves)) + np.deg2rad(angle)
    phase, amplitude = rng.uniform(0, 2 * np.pi, (count, waves)), rng.normal(size=(count, waves))
    x, y = (np.asarray(part, np.float64) for part in pixel_grid(size))
    # In float64, so that the turned image is the turned image to the last bit of float32.
    images = []
    for f, d, p, a in zip(frequency, direction, phase, amplitude, strict=True):
        cycles = np.multiply.outer(f * np.cos(d), x) + np.multiply.outer(f * np.sin(d), y)
        images.append(np.tensordot(a, np.cos(2 * np.pi * cycles + p[:, None, None]), 1))
    return jnp.asarray(np.stack(images) / np.sqrt(waves), jnp.float32)[..., None]


def relative_error(found: Float[Array, "..."], wanted: Float[Array, "..."]) -> float:
    """Returns ||found - wanted|| / ||wanted||.

    Raises:
        ImageError: If `wanted` is 0 throughout: two silent nets agree whatever they would do.
    """
    expected = np.asarray(wanted, np.float64)
    if not expected.any():
        raise ImageError("there is nothing to compare: every response is 0. Give images to which the layer responds.")
    return float(np.linalg.norm(np.asarray(found, np.float64) - expected) / np.linalg.norm(expected))


def _run(network: CircuitNetwork, images: Float[Array, "image h w channel"]) -> Activations:
    return _compiled_run()(network, images)


def _centres(
    network: CircuitNetwork, images: Float[Array, "image h w channel"]
) -> dict[str, Float[Array, "image unit"]]:
    return _compiled_centres()(network, images)


# Compiled when first needed, because importing must not start a device, and once, so that shapes are shared.


@functools.cache
def _compiled_run() -> Callable[[CircuitNetwork, Float[Array, "..."]], Activations]:
    return jit(lambda network, images: network(images))


@functools.cache
def _compiled_centres() -> Callable[[CircuitNetwork, Float[Array, "..."]], dict[str, Float[Array, "image unit"]]]:
    def centres(network: CircuitNetwork, images: Float[Array, "..."]) -> dict[str, Float[Array, "image unit"]]:
        maps = network(images, padding="VALID")
        return {name: maps[name][:, maps[name].shape[1] // 2, maps[name].shape[2] // 2] for name in maps}

    return jit(centres)
