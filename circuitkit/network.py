"""Circuits as Flax NNX modules: convolutions whose weights were set by hand, all activations by name.

Nothing is drawn here; `build` hands the kernels in, and each is checked at the door. Grey, the value 0, excites
nothing, and responses scale with the image's contrast, unless a family has a threshold or is normalised: no other bias
is there.

Where a family has a stride, places are counted from the middle of the map (of two middle ones, from the one above and
to the left), whatever its size and padding. So maps of one spacing lie over each other, and the middle place of every
map looks at the middle of the image.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from circuitkit import checks
from circuitkit.errors import ImageError, KernelError, unknown_name
from circuitkit.geometry import Scalar
from circuitkit.kernels import IMAGE, Divisor, Kernels, Layout
from circuitkit.receptive_field import ReceptiveField
from circuitkit.spec import Circuit

Padding = Literal["SAME", "VALID"]

DIVISOR = "divisor of a normalised family"
"""The name of a divisor among the operations of a network: what makes it linear knows it by that."""

Maps = Float[Array, "image row column unit"]


@jax.tree_util.register_pytree_node_class
@dataclasses.dataclass(frozen=True)
class Activations(Mapping[str, Maps]):
    """What every unit did: `activations["curves"]` is a layer, `activations["curves@45"]` one unit.

    A mapping from layer names to arrays (image, row, column, unit), in the order computed.
    """

    layers: dict[str, Maps]
    circuit: Circuit

    def __getitem__(self, name: str) -> Float[Array, "image row column *unit"]:
        if name in self.layers:
            return self.layers[name]
        names = {unit: (f.name, i) for f in self.circuit.families for i, unit in enumerate(f.unit_names)}
        if name not in names:
            raise unknown_name("layer or unit", name, [*self.layers, *names], owner=f"circuit {self.circuit.name!r}")
        layer, index = names[name]
        return self.layers[layer][..., index]

    def __iter__(self) -> Iterator[str]:
        # JAX sorts the keys of a dict; the spec has the order.
        return iter([family.name for family in self.circuit.families if family.name in self.layers])

    def __len__(self) -> int:
        return len(self.layers)

    def tree_flatten(self) -> tuple[tuple[dict[str, Maps]], Circuit]:
        """Returns the arrays as children and the spec as structure."""
        return (self.layers,), self.circuit

    @classmethod
    def tree_unflatten(cls, circuit: Circuit, children: tuple[Any]) -> "Activations":
        """Returns the mapping again."""
        return cls(children[0], circuit)


class HandsetConv(nnx.Module):
    """A convolution with a kernel set by hand, less the threshold, then ReLU; then, if normalised, the division.

    Raises:
        KernelError: If the kernel is not the shape that the layout promises, or holds NaN or infinity; or if the
            divisor is missing, or not as large as promised.
    """

    def __init__(
        self,
        kernel: Float[Array, "..."],
        layout: Layout,
        *,
        name: str,
        threshold: Scalar | None = None,
        divisor: Divisor | None = None,
    ) -> None:
        if kernel.shape != layout.shape:
            raise KernelError(
                f"layer {name!r} got a kernel of shape {kernel.shape}, but its spec promises {layout.shape} "
                "(height, width, in, out). Draw it with kernels.draw, or transpose it."
            )
        if not isinstance(kernel, jax.core.Tracer) and not np.isfinite(np.asarray(kernel)).all():
            count = int((~np.isfinite(np.asarray(kernel))).sum())
            raise KernelError(
                f"layer {name!r} got a kernel with {count} entries that are NaN or infinite: wanted finite weights. "
                "Check the numbers that it was drawn from."
            )
        self.kernel = nnx.Param(kernel)
        self.bias = nnx.Param(-jnp.asarray(0.0 if threshold is None else threshold, jnp.float32))
        self.layout = layout
        if (window := 0 if divisor is None else len(divisor.profile)) != layout.window:
            raise KernelError(
                f"layer {name!r} got a divisor of {window} places, but its spec promises {layout.window} (0 for none). "
                "Draw it with kernels.draw_divisors."
            )
        if divisor is not None:
            self.profile = nnx.Param(divisor.profile)
            self.constant = nnx.Param(jnp.asarray(divisor.constant, jnp.float32))

    def __call__(self, inputs: Float[Array, "image h w source"], *, padding: Padding) -> Maps:
        """Returns the rectified responses, divided by what is nearby if the family is normalised."""
        stride = self.layout.stride
        seen = jax.lax.conv_general_dilated(
            inputs,
            self.kernel[...],
            window_strides=(stride, stride),
            padding=[self._margins(side, padding) for side in inputs.shape[1:3]],
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision=jax.lax.Precision.HIGHEST,
        )
        responses = nnx.relu(seen + self.bias[...])
        return self._divided(responses, padding) if self.layout.window else responses

    def _margins(self, side: int, padding: Padding) -> tuple[int, int]:
        """Returns what to add to a map before and after, so that its middle is the middle of what comes out."""
        reach, stride = self.layout.shape[0] // 2, self.layout.stride
        before, after = (reach, reach) if padding == "SAME" else (0, 0)
        places = side + before + after - 2 * reach
        # What the stride passes over at both ends is not read at all.
        return before - (places - 1) // 2 % stride, after - places // 2 % stride

    def _divided(self, responses: Maps, padding: Padding) -> Float[Array, "image _ _ unit"]:
        """Returns responses divided by the constant and their mean nearby; without padding, of inner places alone."""
        mean = jnp.mean(responses, axis=-1, keepdims=True)
        for shape in ((-1, 1, 1, 1), (1, -1, 1, 1)):  # down, then across
            mean = jax.lax.conv_general_dilated(
                mean,
                self.profile[...].reshape(shape),
                window_strides=(1, 1),
                padding=padding,
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
                precision=jax.lax.Precision.HIGHEST,
            )
        cut = (responses.shape[1] - mean.shape[1]) // 2  # without padding, there are fewer means than responses
        kept = responses[:, cut : cut + mean.shape[1], cut : cut + mean.shape[2]]
        return kept / checkpoint_name(mean + self.constant[...], DIVISOR)

    @property
    def reach(self) -> int:
        """Side of the square of places, of those that it reads, that a unit hangs on."""
        return self.layout.shape[0] + self.layout.stride * (max(self.layout.window, 1) - 1)

    def places(self, side: int, padding: Padding) -> int:
        """Returns how many places along a side come out where so many go in; 0 or less if the map is too small."""
        reach, stride = self.layout.shape[0] // 2, self.layout.stride
        places = side - (2 * reach if padding == "VALID" else 0)
        if places < 1:
            return places
        kept = (places - 1) // 2 // stride + places // 2 // stride + 1
        return kept - (max(self.layout.window, 1) - 1 if padding == "VALID" else 0)


class CircuitNetwork(nnx.Module):
    """A circuit that runs.

    Attributes:
        circuit: The spec that it was built from.
        layers: One convolution for each family, by name, in order.
    """

    def __init__(
        self,
        circuit: Circuit,
        kernels: Kernels,
        layouts: dict[str, Layout],
        *,
        thresholds: Mapping[str, Scalar | None] | None = None,
        divisors: Mapping[str, Divisor] | None = None,
    ) -> None:
        for name in kernels:
            if name not in layouts:
                raise unknown_name("family", name, layouts, owner=f"circuit {circuit.name!r}")
        if missing := [name for name in layouts if name not in kernels]:
            raise KernelError(f"circuit {circuit.name!r} got no kernel for {', '.join(missing)}: wanted one a family.")
        self.circuit = circuit
        given = {family.name: family.threshold for family in circuit.families} | dict(thresholds or {})
        self.layers = nnx.Dict(
            {
                name: HandsetConv(
                    kernels[name], layout, name=name, threshold=given[name], divisor=(divisors or {}).get(name)
                )
                for name, layout in layouts.items()
            }
        )

    def __call__(
        self, images: Float[Array, "image h w channel"], *, padding: Padding = "SAME", upto: str | None = None
    ) -> Activations:
        """Runs the circuit on images.

        Args:
            images: Grey (1 channel) or RGB (3 channels, averaged by a circuit without hues); the value 0 is the
                background grey.
            padding: `SAME` pads with grey and keeps the image's size; `VALID` keeps only units that see
                nothing but image.
            upto: The last layer wanted. Later ones are left out.

        Returns:
            Activations of every layer computed, each (image, row, column, unit).

        Raises:
            ImageError: If the images have the wrong rank, channel count or size, or hold NaN or infinity.
        """
        seen = to_grey(images) if self.circuit.channels == 1 else to_rgb(images)
        shown = f"images of {seen.shape[1]}x{seen.shape[2]} pixels"
        activations = self._run({IMAGE: seen}, self.needed(upto), padding, shown=shown)
        return Activations({name: maps for name, maps in activations.items() if name != IMAGE}, self.circuit)

    def run_from(
        self, given: Mapping[str, Float[Array, "image _ _ _"]], layer: str, *, padding: Padding = "SAME"
    ) -> Maps:
        """Runs maps of some layers on to a later one.

        Args:
            given: The maps, by layer; centred on each other where their sizes differ.
            layer: The later layer.
            padding: As when the net is called.

        Raises:
            KernelError: If the layer reads something besides what is given, or maps have the wrong number of units.
            ImageError: If the maps are too small.
        """
        if besides := self.also_reads(tuple(given), layer):
            raise KernelError(
                f"circuit {self.circuit.name!r} cannot run on from {', '.join(given)} to {layer}, which reads "
                f"{', '.join(besides)} besides. Give that, too."
            )
        for name, maps in given.items():
            if maps.shape[-1] != len(self.circuit[name]):
                raise KernelError(
                    f"circuit {self.circuit.name!r} got maps of {maps.shape[-1]} units for layer {name!r}: wanted "
                    f"{len(self.circuit[name])}."
                )
        shown = " and ".join(f"maps of {maps.shape[1]}x{maps.shape[2]} units" for maps in given.values())
        return self._run(dict(given), self._between(tuple(given), layer)[0], padding, shown=shown)[layer]

    def also_reads(self, given: Sequence[str], layer: str) -> tuple[str, ...]:
        """Returns the layers, or `image`, that a layer reads and that do not follow from some others."""
        self.needed(layer)  # refuses a layer that does not exist
        return self._between(given, layer)[1]

    def _between(self, given: Sequence[str], layer: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Returns the layers that lead from some to another one, in order, and what these read besides."""
        live, order = set(given), self.needed(layer)
        for name in order:
            if not live.isdisjoint(self.layers[name].layout.sources):
                live.add(name)
        if layer not in live:
            return (), (IMAGE,)
        wanted, steps = {layer} - set(given), []
        for name in reversed(order):
            if name in wanted and name in live:
                steps.append(name)
                wanted.update(source for source in self.layers[name].layout.sources if source not in given)
        return tuple(reversed(steps)), tuple(name for name in (IMAGE, *order) if name in wanted and name not in live)

    def _run(
        self, activations: dict[str, Any], names: Sequence[str], padding: Padding, *, shown: str
    ) -> dict[str, Any]:
        """Returns the activations with those of some more layers."""
        for name in names:
            conv = self.layers[name]
            inputs = aligned([activations[source] for source in conv.layout.sources])
            if min(conv.places(side, padding) for side in inputs.shape[1:3]) < 1:
                side = self.receptive_field(name).size[0] if IMAGE in activations else conv.reach
                raise ImageError(
                    f"{shown} are too small for layer {name!r}, whose units see {side}x{side}. Give larger "
                    f"{shown.partition(' ')[0]}, or padding='SAME'."
                )
            activations[name] = conv(inputs, padding=padding)
        return activations

    def needed(self, upto: str | None) -> tuple[str, ...]:
        """Returns the layers that must run, in order, for one layer to be known."""
        names = [family.name for family in self.circuit.families]
        if upto is None:
            return tuple(names)
        if upto not in names:
            raise unknown_name("layer", upto, names, owner=f"circuit {self.circuit.name!r}")
        wanted = {upto}
        for name in reversed(names):
            if name in wanted:
                wanted.update(self.layers[name].layout.sources)
        return tuple(name for name in names if name in wanted)

    def receptive_field(
        self, layer: str, image_size: tuple[int, int] | None = None, *, padding: Padding = "SAME"
    ) -> ReceptiveField:
        """Returns what a unit of a layer sees.

        Args:
            layer: The layer.
            image_size: Rows and columns of the images. Where a family has a stride, the place of the first unit hangs
                on it; left out, it is for images that hold one unit in their middle.
            padding: As when the net is called.

        Raises:
            UnknownNameError: If there is no such layer.
        """
        self.needed(layer)  # refuses a layer that does not exist
        side, spacing = self._size(layer), self.circuit.spacing(layer)
        sides = image_size or ((1, 1) if padding == "SAME" else (side, side))
        # The middle unit of a map looks at the middle pixel.
        row, column = ((n - 1) // 2 - spacing * ((self._places(layer, n, padding) - 1) // 2) for n in sides)
        return ReceptiveField((side, side), (spacing, spacing), (float(row), float(column)))

    def _size(self, layer: str) -> int:
        """Returns how many pixels a unit sees along a side."""
        conv = self.layers[layer]
        read = [1 if source == IMAGE else self._size(source) for source in conv.layout.sources]
        return max(read) + (conv.reach - 1) * conv.layout.spacing

    def _places(self, layer: str, pixels: int, padding: Padding) -> int:
        """Returns how many units a layer has along a side of so many pixels."""
        conv = self.layers[layer]
        read = [pixels if source == IMAGE else self._places(source, pixels, padding) for source in conv.layout.sources]
        return conv.places(min(read), padding)


def to_grey(images: Float[Array, "image h w channel"]) -> Float[Array, "image h w 1"]:
    """Returns grey images: as they are, or the mean over red, green and blue.

    Raises:
        ImageError: If the images have the wrong rank or channel count, or hold NaN or infinity.
    """
    checks.images(images)
    return jnp.mean(images, axis=-1, keepdims=True)


def to_rgb(images: Float[Array, "image h w channel"]) -> Float[Array, "image h w 3"]:
    """Returns images of red, green and blue: as they are, or all three the same if they are grey.

    Raises:
        ImageError: If the images have the wrong rank or channel count, or hold NaN or infinity.
    """
    checks.images(images)
    return jnp.broadcast_to(images, (*images.shape[:3], 3))


def aligned(maps: list[Float[Array, "image _ _ _"]]) -> Float[Array, "image h w source"]:
    """Puts maps side by side; with padding VALID deeper ones are smaller, and the others are cut to fit."""
    height, width = (min(m.shape[axis] for m in maps) for axis in (1, 2))
    cut = []
    for m in maps:
        top, left = (m.shape[1] - 1) // 2 - (height - 1) // 2, (m.shape[2] - 1) // 2 - (width - 1) // 2
        cut.append(m[:, top : top + height, left : left + width])
    return jnp.concatenate(cut, axis=-1)
