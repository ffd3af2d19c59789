"""Probes: some units of one layer of a net, handbuilt or trained. A test cannot tell which it has.

A *net* is anything that gives the maps of a layer for a batch of images, and says what a unit sees. A *probe*
is what one wants to know of it: all units of a layer, some of them, or directions in the layer's space (a
feature is a direction; a channel is the special case of a coordinate axis).

    net["curves"]                    all units of a layer
    net["curves", "curves@45"]       one unit, by name; or several: net["fire5", [130, 141]]
    net["fire5"].along(vector)       a direction

Source for directions: Olah et al., "Zoom In: An Introduction to Circuits", Distill (2020), Claim 1.
"""

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit import checks
from circuitkit.cropping import Cropped, Interval, crop
from circuitkit.errors import ImageError, NetError, SpecError, UnknownNameError, unknown_name
from circuitkit.kernels import Divisor
from circuitkit.network import CircuitNetwork
from circuitkit.receptive_field import ReceptiveField

Images = Float[Array, "image h w channel"]
Maps = Float[Array, "image row column unit"]
Given = Mapping[str, Float[Array, "image _ _ _"]]
"""Maps of some layers, by name."""

UnitKey = int | str | Sequence[int | str]
Role = Literal["kernel", "bias", "gain", "mean", "variance", "constant"]


@dataclasses.dataclass(frozen=True, eq=False)
class Weight:
    """An array that a net computes with.

    Attributes:
        name: What the net calls it.
        role: What it does: a `kernel` weighs inputs against each other; `bias`, `gain`, `mean` and `variance` stand one
            to a channel (the last three and a bias make a batch norm); a `constant` is anything else.
        value: Kernels HWIO, or (input, output) where there is no space.
    """

    name: str
    role: Role
    value: Float[Array, "..."]


class Net(ABC):
    """What a probe needs of a net. Images have values -1 to 1, 0 the mid grey, whatever the net was trained on.

    Attributes:
        name: What reports call it.
        image_size: Rows and columns of the images that it was made for; None if any will do.
        image_values: What becomes of an image before the first layer; kept with every result.
    """

    name: str
    image_values: str = "as they are; RGB is averaged"
    image_size: tuple[int, int] | None = None

    @property
    @abstractmethod
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that can be probed, in order."""

    @property
    def distinct_layers(self) -> tuple[str, ...]:
        """Layers whose units are not just seen again further on; all, where a net cannot tell."""
        return self.layers

    @abstractmethod
    def unit_names(self, layer: str) -> tuple[str, ...]:
        """Names of a layer's units."""

    @abstractmethod
    def receptive_field(self, layer: str, image_size: tuple[int, int] | None = None) -> ReceptiveField | None:
        """What a unit sees, on images of a size; None if that is all of the image, as after a global pool."""

    @abstractmethod
    def maps(self, images: Images, layer: str) -> Maps:
        """Runs images through the net up to a layer. Pure: it may be traced."""

    def weights(self, layer: str) -> tuple[str, Float[Array, "h w source unit"]] | None:
        """Returns what feeds a layer and the HWIO kernel that reads it, or None where there is no single one."""
        del layer
        return None

    def with_weights(self, change: Callable[[Weight], Float[Array, "..."]], *, name: str) -> "Net":
        """Returns the net with other weights; this one stays as it is.

        Nets that differ in their weights alone share what is compiled.

        Args:
            change: Gets each weight, and returns what takes its place: the same shape, float32.
            name: Of the new net.

        Raises:
            NetError: If the net's weights cannot be reached.
            KernelError: If a weight comes back with another shape, or not finite.
        """
        del change, name
        raise NetError(
            f"net {self.name!r} is a {type(self).__name__} whose weights cannot be reached: wanted a net from an ONNX "
            "file, a circuit, or a FunctionNet that was made with weights=."
        )

    def also_reads(self, given: Sequence[str], layer: str | None) -> tuple[str, ...]:
        """Returns what a layer reads that passes through none of some others: nothing if it follows from them alone.

        Args:
            given: Names of layers.
            layer: Name of the layer, or None for the net's output.

        Raises:
            NetError: If the net does not know how its layers hang together, or has no output.
        """
        del given, layer
        raise self._no_way_in()

    def run_from(self, given: Given, layer: str) -> Maps:
        """Runs maps of inner layers on to a later one. Pure: it may be traced.

        Args:
            given: The maps, by layer: as `maps` returns them, or changed.
            layer: The later layer.

        Raises:
            NetError: If the layer reads something besides what is given.
        """
        del given, layer
        raise self._no_way_in()

    def _no_way_in(self) -> NetError:
        return NetError(
            f"net {self.name!r} is a {type(self).__name__}, which cannot be run from an inner layer on: wanted a net "
            "from an ONNX file, or a circuit."
        )

    def output_from(self, given: Given) -> Float[Array, "image ..."]:
        """Runs maps of inner layers on to the net's output, as a rule its logits. See `run_from`."""
        del given
        raise NetError(f"net {self.name!r} has no output: its last layer's maps are all that it says.")

    def between(self, source: str, layer: str) -> Callable[[Maps], Maps]:
        """Returns the net from one layer on: the maps of a later layer as a function of the maps of an earlier one.

        Raises:
            NetError: If something else leads to the later layer, around the earlier one: a skip connection, say.
                `run_from` takes that, too.
            UnknownNameError: If there is no such layer.
        """
        for name in (source, layer):
            if name not in self.layers:
                raise unknown_name("layer", name, self.layers, owner=f"net {self.name!r}")
        if besides := self.also_reads((source,), layer):
            raise NetError(
                f"layer {layer!r} of net {self.name!r} is no function of layer {source!r}: it also reads "
                f"{', '.join(map(repr, besides))}. Start from a layer through which all of it passes, or give both to "
                "run_from."
            )
        return lambda maps: self.run_from({source: maps}, layer)

    def __getitem__(self, key: str | tuple[str, UnitKey]) -> "Probe":
        layer, units = key if isinstance(key, tuple) else (key, None)
        if layer not in self.layers:
            raise unknown_name("layer", layer, self.layers, owner=f"net {self.name!r}")
        names = self.unit_names(layer)
        if units is None:
            return Probe(self, layer, names)
        wanted = [units] if isinstance(units, int | str) else list(units)
        indices = [_index(unit, names, owner=f"layer {layer!r} of net {self.name!r}") for unit in wanted]
        return Probe(self, layer, tuple(names[index] for index in indices), channels=tuple(indices))


@dataclasses.dataclass(frozen=True)
class Site:
    """Where a read-out is taken.

    Attributes:
        height: Of the images, in pixels.
        width: Of the images, in pixels.
        unit: Row and column, in the layer's map, of the unit that is read.
        anchor: Row and column, in pixel indices, of the centre of that unit's receptive field: where the
            anchor of a stimulus belongs.
    """

    height: int
    width: int
    unit: tuple[int, int]
    anchor: tuple[float, float]


@dataclasses.dataclass(frozen=True, eq=False)
class Probe:
    """Some units, or directions, of one layer.

    Attributes:
        net: The net.
        layer: Name of the layer.
        unit_names: What the responses are called.
        channels: The channels that the units are; None where they are all, or directions.
        directions: One row a unit, over the channels of the layer; None reads the channels themselves.
    """

    net: Net
    layer: str
    unit_names: tuple[str, ...]
    channels: tuple[int, ...] | None = None
    directions: Float[np.ndarray, "unit channel"] | None = None

    @property
    def receptive_field(self) -> ReceptiveField | None:
        """What a unit sees; None if it sees all of the image."""
        return self.net.receptive_field(self.layer)

    def maps(self, images: Images) -> Maps:
        """Returns the response of every unit at every position. Pure: it may be traced."""
        return self.of(self.net.maps(images, self.layer))

    def of(self, maps: Float[Array, "image row column channel"]) -> Maps:
        """Returns the units' own maps, of all of their layer's."""
        if self.channels is not None:
            # Slices, from which `crop` sees that no other channels are wanted.
            return jnp.concatenate([maps[..., channel : channel + 1] for channel in self.channels], axis=-1)
        if self.directions is None:
            return maps
        return jnp.einsum("nhwc,uc->nhwu", maps, self.directions, precision="highest")

    def along(self, *vectors: Sequence[float] | Float[np.ndarray, " channel"], names: Sequence[str] = ()) -> "Probe":
        """Returns a probe of directions: the inner product of the layer's activations with unit vectors.

        Args:
            *vectors: One number a channel each; scaled to length 1.
            names: What to call them; `layer:direction0` and so on if left out.

        Raises:
            ImageError: If a vector has the wrong length, is zero, or holds NaN.
        """
        channels = len(self.net.unit_names(self.layer))
        rows = []
        for vector in vectors:
            row = np.asarray(vector, np.float32)
            size = float(np.linalg.norm(row)) if row.shape == (channels,) else math.nan
            if not (math.isfinite(size) and size > 0):
                raise ImageError(
                    f"a direction in layer {self.layer!r} of net {self.net.name!r} has shape {row.shape} and length "
                    f"{size:g}: wanted {channels} finite numbers, not all zero."
                )
            rows.append(row / size)
        if names and len(names) != len(rows):
            raise ImageError(f"got {len(names)} names for {len(rows)} directions: wanted one each, or none.")
        called = tuple(names) or tuple(f"{self.layer}:direction{index}" for index in range(len(rows)))
        return Probe(self.net, self.layer, called, directions=np.stack(rows))

    def site(self, window: int = 1) -> Site:
        """Returns the smallest image that determines a unit, or a window of units around it, and where it is.

        Such an image holds the units' receptive fields. Whatever they read lies inside it, so no padding is seen, and
        they respond as they would on a larger image. Nets whose padding depends on the image's size (SAME at a
        stride) are read on images of the size that they were made for.

        Args:
            window: Units along each side of the window; odd, so that one of them is at its centre.

        Raises:
            ImageError: If a unit sees all of an image, and the net was made for no size.
            SpecError: If `window` is no odd number above 0.
        """
        if checks.whole("site", "window", window) % 2 == 0:
            raise SpecError(f"got window={window}: an even window has no unit at its centre. Try {window + 1}.")
        field = self.receptive_field
        if field is not None:
            spans = [
                _smallest(size, stride, first, window)
                for size, stride, first in zip(field.size, field.stride, field.first, strict=True)
            ]
            (height, row), (width, column) = spans
            if self.net.receptive_field(self.layer, (height, width)) == field:
                site = Site(height, width, (row, column), field.centre(row, column))
                self._check(site)
                return site
        if self.net.image_size is None:
            raise ImageError(
                f"layer {self.layer!r} of net {self.net.name!r} sees all of an image, or pads it by its size (SAME "
                "at a stride): give size=, or make the net with an image_size."
            )
        return self.site_in(*self.net.image_size)

    def site_in(self, height: int, width: int) -> Site:
        """Returns the unit nearest to the centre of an image of a given size, and where it looks."""
        field = self.net.receptive_field(self.layer, (height, width))
        if field is None:
            rows, columns = self._map_size(height, width)
            return Site(height, width, (rows // 2, columns // 2), ((height - 1) / 2, (width - 1) / 2))
        row, column = (
            round(((side - 1) / 2 - first) / stride)
            for side, first, stride in zip((height, width), field.first, field.stride, strict=True)
        )
        site = Site(height, width, (row, column), field.centre(row, column))
        self._check(site)
        return site

    def reading(
        self, site: Site, *, images: int, channels: int, rows: Interval | None = None, columns: Interval | None = None
    ) -> Cropped:
        """Returns what computes a window of the map, from the pixels that determine it and no others.

        Args:
            site: Says how large the images are.
            images: How many come at once.
            channels: Of the images: 1 or 3.
            rows: Of the map, the first and the first beyond; all if left out.
            columns: Of the map, likewise.
        """
        return crop(self.maps, (images, site.height, site.width, channels), (None, rows, columns, None))

    def _check(self, site: Site) -> None:
        size = self._map_size(site.height, site.width)
        if not all(0 <= index < side for index, side in zip(site.unit, size, strict=True)):
            raise ImageError(
                f"layer {self.layer!r} of net {self.net.name!r} has {size[0]}x{size[1]} units on images of "
                f"{site.height}x{site.width} pixels, so there is no unit {site.unit}. Give larger images."
            )

    def _map_size(self, height: int, width: int) -> tuple[int, int]:
        images = jax.ShapeDtypeStruct((1, height, width, 1), jnp.float32)
        _, rows, columns, _ = jax.eval_shape(self.maps, images).shape
        return rows, columns


def _smallest(size: int, stride: int, first: float, window: int) -> tuple[int, int]:
    """Returns the smallest side that holds the fields of a window of units along one axis, and its middle's index."""
    reach = (size - 1) / 2
    index = max(0, math.ceil((reach - first) / stride))
    return math.ceil(first + stride * (index + window - 1) + reach) + 1, index + window // 2


def _index(unit: int | str, names: tuple[str, ...], *, owner: str) -> int:
    if isinstance(unit, int):
        if not 0 <= unit < len(names):
            raise UnknownNameError(f"{owner} has no unit {unit}: it has {len(names)} units, counted from 0.")
        return unit
    if unit not in names:
        raise unknown_name("unit", unit, names, owner=owner)
    return names.index(unit)


class HandbuiltNet(Net):
    """A circuit as a net to be probed. Only units that see nothing but image are given: no padding is used."""

    def __init__(self, network: CircuitNetwork, *, name: str | None = None) -> None:
        """Takes the circuit's name unless another one is given."""
        self.network = network
        self.name = network.circuit.name if name is None else name

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the families, in order."""
        return self.network.needed(None)

    def unit_names(self, layer: str) -> tuple[str, ...]:
        """Names of a family's members: `curves@45`."""
        return self.network.circuit[layer].unit_names

    def receptive_field(self, layer: str, image_size: tuple[int, int] | None = None) -> ReceptiveField:
        """What a unit sees. Without padding, unit (0, 0) sees the corner of the image, but for what a stride skips."""
        return self.network.receptive_field(layer, image_size, padding="VALID")

    def maps(self, images: Images, layer: str) -> Maps:
        """Runs images (grey or RGB) through the circuit up to a layer."""
        return self.network(images, padding="VALID", upto=layer)[layer]

    def weights(self, layer: str) -> tuple[str, Float[Array, "h w source unit"]] | None:
        """Returns the source of a family and its kernel, or None where a family reads several."""
        conv = self.network.layers[layer]
        return (conv.layout.sources[0], conv.kernel[...]) if len(conv.layout.sources) == 1 else None

    def also_reads(self, given: Sequence[str], layer: str | None) -> tuple[str, ...]:
        """Returns the families, or the image, that a family reads besides. See `Net.also_reads`."""
        if layer is None:
            raise NetError(f"net {self.name!r} has no output: its last layer's maps are all that it says.")
        return self.network.also_reads(given, layer)

    def run_from(self, given: Given, layer: str) -> Maps:
        """Runs maps of some families on to a later one, without padding. See `Net.run_from`."""
        return self.network.run_from(given, layer, padding="VALID")

    def with_weights(self, change: Callable[[Weight], Float[Array, "..."]], *, name: str) -> "HandbuiltNet":
        """Returns the same circuit with other kernels, each called by its family, and other biases, if it has any.

        The constant of a normalised family is a weight, too; the window that it averages over stays.
        """
        layers = self.network.layers
        kernels = {family: change(Weight(family, "kernel", conv.kernel[...])) for family, conv in layers.items()}
        thresholds = {
            family.name: -change(Weight(f"{family.name} bias", "bias", layers[family.name].bias[...]))
            for family in self.network.circuit.families
            if family.threshold is not None
        }
        divisors = {
            family: Divisor(conv.profile[...], change(Weight(f"{family} constant", "constant", conv.constant[...])))
            for family, conv in layers.items()
            if conv.layout.window
        }
        layouts = {family: conv.layout for family, conv in layers.items()}
        network = CircuitNetwork(self.network.circuit, kernels, layouts, thresholds=thresholds, divisors=divisors)
        return HandbuiltNet(network, name=name)
