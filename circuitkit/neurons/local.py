"""What one unit of a layer reads: a window of a map, cut out around every unit, as units of a net of their own."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from circuitkit.compiling import jit
from circuitkit.cropping import Cropped, Interval, crop
from circuitkit.errors import NeuronsError
from circuitkit.neurons.preactivation import Traced
from circuitkit.probe import Images, Maps, Net, Site
from circuitkit.receptive_field import ReceptiveField

Window = tuple[Interval, Interval]
"""Rows and columns of a map."""

ROUNDING = 1e-4
"""How far the values of two layers may be apart that are the same, over the largest one: float32."""


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """One affine layer in a net's operations.

    Attributes:
        traced: The operations.
        wanted: Number of the value that the layer makes.
        instead: Before its nonlinearity; see `Traced`.
        reads: Number of the value that it reads.
    """

    traced: Traced
    wanted: int
    instead: dict[int, int]
    reads: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of what is read, as maps."""
        return _map_shape(self.traced, self.reads)

    @property
    def made_shape(self) -> tuple[int, int, int, int]:
        """Of what is made, as maps."""
        return _map_shape(self.traced, self.wanted)

    def run(self, maps: Float[Array, "image _ _ _"]) -> Maps:
        """Returns pre-activations; may be traced."""
        value = _from_map(self.traced, self.reads, maps)
        return _as_map(self.traced, self.wanted, self.traced.run({self.reads: value}, self.wanted, self.instead))

    def cropped(self, window: Window) -> Cropped:
        """Returns what computes a window of pre-activations from the window that they read."""
        return crop(self.run, self.shape, (None, *window, None))


def traced(net: Net, layer: str, shape: tuple[int, ...]) -> Traced:
    """Returns the operations from RGB images of a shape to a layer. Raises NeuronsError if it is no affine layer."""
    return Traced(lambda images: net.maps(images, layer), shape, owner=f"layer {layer!r} of net {net.name!r}")


def first_step(found: Traced) -> Step:
    """Returns the layer itself."""
    return Step(found, found.result, found.instead, found.reads)


def step_before(step: Step) -> Step | None:
    """Returns the layer whose ReLU another one reads; None if that reads something else."""
    before = step.traced.before_relu(step.reads)
    if before is None:
        return None
    return Step(step.traced, step.reads, before, step.traced.root_of(step.reads, before))


def window_of(steps: Sequence[Step], unit: tuple[int, int]) -> Window:
    """Returns the part of the first map that a unit of the last layer reads, through all steps (last one first)."""
    window: Window = ((unit[0], unit[0] + 1), (unit[1], unit[1] + 1))
    for step in steps:
        seen = step.cropped(window)
        window = (seen.rows, seen.columns)
    return window


def same(found: Traced, number: int, net: Net, layers: Sequence[str], site: Site) -> list[bool]:
    """Says of each layer whether its maps are a value, by an image of noise."""
    noise = np.random.default_rng(0).uniform(-1, 1, (1, site.height, site.width, 3))
    images = jnp.asarray(noise, jnp.float32)
    shapes = [jax.eval_shape(lambda x, name=name: net.maps(x, name), images).shape for name in layers]
    fit = [name for name, shape in zip(layers, shapes, strict=True) if shape == _map_shape(found, number)]

    @jit
    def compared(x: Images) -> tuple[Float[Array, ""], list[Float[Array, ""]]]:
        value = _as_map(found, number, found.run({found.image: x}, number))
        return jnp.max(jnp.abs(value)), [jnp.max(jnp.abs(value - net.maps(x, name))) for name in fit]

    if not fit:
        return [False] * len(layers)
    largest, apart = compared(images)
    near = {name: bool(each <= ROUNDING * largest) for name, each in zip(fit, apart, strict=True)}
    return [near.get(name, False) for name in layers]


class LocalNet(Net):
    """The windows that a layer's units read, at the places of the units: as many units as there are inputs.

    Fields, and where they lie, are those of the layer, so a stimulus is shown as it would be to the layer itself. Where
    a window reaches beyond the border of the map, all that lies there is NaN.
    """

    def __init__(self, net: Net, layer: str, depth: int, sides: tuple[int, int], names: tuple[str, ...]) -> None:
        """Takes the layer, how many layers before it are passed, and rows, columns and names of what is read."""
        self.net, self._layer, self._depth, self._sides, self._names = net, layer, depth, sides, names
        self.name, self.image_size, self.image_values = net.name, net.image_size, net.image_values

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer that reads."""
        return (self._layer,)

    def unit_names(self, layer: str) -> tuple[str, ...]:
        """Names of the inputs."""
        del layer
        return self._names

    def receptive_field(self, layer: str, image_size: tuple[int, int] | None = None) -> ReceptiveField | None:
        """What a unit of the layer sees."""
        return self.net.receptive_field(layer, image_size)

    def maps(self, images: Float[Array, "image _ _ _"], layer: str) -> Maps:
        """Returns what each unit reads, in the order of rows, columns and channels."""
        del layer
        wide, places = self.laid_out(images)
        rows, columns = (start[:, None] + np.arange(side) for start, side in zip(places, self._sides, strict=True))
        cut = jnp.moveaxis(wide[:, rows][:, :, :, columns], 2, 3)
        return cut.reshape(*cut.shape[:3], -1)

    def laid_out(
        self, images: Float[Array, "image _ _ _"]
    ) -> tuple[Maps, tuple[Int[np.ndarray, " down"], Int[np.ndarray, " across"]]]:
        """Returns the map that is read, with NaN around it, and where the windows of all rows and columns begin."""
        rgb = jnp.broadcast_to(images, (*images.shape[:3], 3))
        # What is found in the operations is known now, also where images are being traced.
        with jax.ensure_compile_time_eval():
            steps = self._steps(self._layer, rgb.shape)
            _, rows, columns, _ = steps[0].made_shape
            firsts, strides = self._windows(steps, (rows, columns))
        found, number = steps[0].traced, steps[-1].reads
        maps = _as_map(found, number, found.run({found.image: rgb}, number))
        starts = [
            first + stride * np.arange(n) for first, stride, n in zip(firsts, strides, (rows, columns), strict=True)
        ]
        pads = [
            (max(0, -int(start[0])), max(0, int(start[-1]) + side - n))
            for start, side, n in zip(starts, self._sides, maps.shape[1:3], strict=True)
        ]
        wide = jnp.pad(maps, ((0, 0), *pads, (0, 0)), constant_values=np.nan)
        return wide, (starts[0] + pads[0][0], starts[1] + pads[1][0])

    def _steps(self, layer: str, shape: tuple[int, ...]) -> list[Step]:
        steps = [first_step(traced(self.net, layer, shape))]
        for _ in range(self._depth):
            before = step_before(steps[-1])
            if before is None:
                raise NeuronsError(f"layer {layer!r} of net {self.name!r} is another one on images of {shape[1:3]}.")
            steps.append(before)
        return steps

    def _windows(self, steps: Sequence[Step], counts: tuple[int, int]) -> tuple[list[int], list[int]]:
        """Returns where the window of the first row and column begins, maybe before the map, and how far they step."""
        middle = (counts[0] // 2, counts[1] // 2)
        here, there = (window_of(steps, unit) for unit in (middle, (max(middle[0] - 1, 0), max(middle[1] - 1, 0))))
        if any(high - low < side for (low, high), side in zip(here, self._sides, strict=True)):
            raise NeuronsError(
                f"layer {self._layer!r} of net {self.name!r} reads a window of {self._sides} units, more than there "
                "are on images of this size: wanted larger images."
            )
        strides = [max(a - b, 1) for (a, _), (b, _) in zip(here, there, strict=True)]
        return [low - stride * at for (low, _), stride, at in zip(here, strides, middle, strict=True)], strides


def _map_shape(found: Traced, number: int) -> tuple[int, int, int, int]:
    value = jax.ShapeDtypeStruct(found.shapes[number], jnp.float32)
    shape = jax.eval_shape(lambda x: _as_map(found, number, x), value)
    image, rows, columns, units = shape.shape
    return image, rows, columns, units


def _as_map(found: Traced, number: int, value: Float[Array, "..."]) -> Maps:
    """Returns a value as (image, row, column, unit): a vector is a map of one place, a sequence one column."""
    layout = found.layout(number)
    if layout is not None:
        return jnp.transpose(value, layout)
    if value.ndim not in (2, 3):
        raise NeuronsError(f"what is read has shape {value.shape}: wanted maps, sequences or vectors of activations.")
    return value.reshape(value.shape[0], -1, 1, value.shape[-1])


def _from_map(found: Traced, number: int, maps: Maps) -> Float[Array, "..."]:
    layout = found.layout(number)
    if layout is not None:
        return jnp.transpose(maps, np.argsort(layout).tolist())
    return maps.reshape(found.shapes[number])
