"""Nets that are one chain: convolutions with ReLU, max-pools, and a linear head.

    net = SequentialNet((Conv("conv1", stride=2, pad=3), Pool("pool1"), Conv("conv2", pad=1)), weights, name="mine")

Each convolution makes two layers, `conv1_pre` before its ReLU and `conv1` after; each pool makes one. Weights are plain
arrays called `conv1.kernel` (HWIO) and `conv1.bias`, as a safetensors file holds them.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from circuitkit import checks
from circuitkit.compiling import jit
from circuitkit.errors import KernelError, NetError, unknown_name
from circuitkit.nets.preprocessing import Preprocessing
from circuitkit.probe import Given, Images, Maps, Net, Weight
from circuitkit.receptive_field import Pair, ReceptiveField

Values = Float[Array | np.ndarray, "..."]
Weights = Mapping[str, Values]
Step = Callable[[Weights, Float[Array, "image _ _ _"]], Float[Array, "image _ _ _"]]
"""From the maps of one layer to those of the next."""

IMAGE = "image"
"""What the first layer reads, where a layer's name is wanted."""


@dataclasses.dataclass(frozen=True)
class Conv:
    """A convolution with a bias, and a ReLU.

    Attributes:
        name: Of its layer; the layer before its ReLU is `<name>_pre`.
        stride: In both directions.
        pad: Zeros on each side. It does not depend on the image's size, so that units see the same on all images.
    """

    name: str
    stride: int = 1
    pad: int = 0


@dataclasses.dataclass(frozen=True)
class Pool:
    """A max-pool without padding.

    Attributes:
        name: Of its layer.
        size: Of its windows, and their stride.
    """

    name: str
    size: int = 2


@dataclasses.dataclass(frozen=True)
class Head:
    """A linear map from the last layer to logits.

    Attributes:
        name: Of its weights.
        reads: The mean over all positions, or all values of the map, row by row with its units together.
    """

    name: str
    reads: Literal["mean", "all"] = "mean"


@dataclasses.dataclass(frozen=True)
class _Layer:
    """One layer: how it follows from the one before, how many units it has and what these see."""

    name: str
    run: Step
    units: int
    field: ReceptiveField
    kernel: str | None = None  # of the convolution that makes it, and the layer that this one reads
    reads: str = IMAGE


class SequentialNet(Net):
    """A chain of convolutions and pools with its weights. Units are called `layer:channel`."""

    def __init__(
        self,
        steps: Sequence[Conv | Pool],
        weights: Weights,
        *,
        name: str,
        head: Head | None = None,
        image_size: Pair | None = None,
        preprocessing: Preprocessing | None = None,
    ) -> None:
        """Checks that the weights fit the steps, and each other.

        Args:
            steps: In order; a convolution comes first.
            weights: `<name>.kernel` (HWIO; input, output for the head) and `<name>.bias` of every convolution and of
                the head, no others.
            name: What reports call the net.
            head: What comes after the last step, if the net has an output.
            image_size: Rows and columns of the images that it was made for. A head that reads all values needs it.
            preprocessing: What becomes of images with values -1 to 1. Left out, the net is given them as they are.

        Raises:
            NetError: If no convolution comes first, a name comes twice, or a weight is missing or left over.
            KernelError: If a weight has a shape that does not fit, or is not finite.
        """
        self.name, self.image_size, self.preprocessing = name, image_size, preprocessing
        self.image_values = "as they are; grey becomes RGB" if preprocessing is None else str(preprocessing)
        self.steps, self.head = tuple(steps), head
        self._check_names(weights)
        self._layers = {layer.name: layer for layer in self._chain(weights)}
        self._weights = {each: jnp.asarray(value, jnp.float32) for each, value in weights.items()}
        if head is not None:
            self._check_head(head)

    def _check_names(self, weights: Weights) -> None:
        weighing = [step.name for step in self.steps if isinstance(step, Conv)]
        names = [step.name for step in self.steps]
        if self.head is not None:
            weighing, names = [*weighing, self.head.name], [*names, self.head.name]
        if not self.steps or not isinstance(self.steps[0], Conv) or len(set(names)) < len(names):
            raise NetError(f"net {self.name!r} has the steps {names}: wanted a convolution first, and each name once.")
        wanted = [f"{each}.{part}" for each in weighing for part in ("kernel", "bias")]
        if missing := [each for each in wanted if each not in weights]:
            raise NetError(f"net {self.name!r} lacks the weights {', '.join(missing)}: given {', '.join(weights)}.")
        if over := [each for each in weights if each not in wanted]:
            raise NetError(f"net {self.name!r} has no use for the weights {', '.join(over)}: leave them out.")
        if broken := [each for each, value in weights.items() if not np.isfinite(np.asarray(value)).all()]:
            raise KernelError(f"net {self.name!r} has NaN or infinity in {', '.join(broken)}: wanted finite numbers.")

    def _chain(self, weights: Weights) -> list[_Layer]:
        """Returns all layers, in order."""
        grey = self.preprocessing is not None and self.preprocessing.colours == "GREY"
        before, units, field, layers = IMAGE, 1 if grey else 3, ReceptiveField(), []
        for step in self.steps:
            if isinstance(step, Pool):
                field = field.through(kernel=(step.size,) * 2, stride=(step.size,) * 2)
                layers.append(_Layer(step.name, _pooling(step), units, field))
            else:
                kernel = f"{step.name}.kernel"
                shape = self._checked_shape(step.name, weights, rank=4, inputs=units)
                units, field = (
                    shape[3],
                    field.through(kernel=(shape[0], shape[1]), stride=(step.stride,) * 2, pad=(step.pad,) * 2),
                )
                layers.append(_Layer(f"{step.name}_pre", _convolution(step), units, field, kernel, before))
                layers.append(_Layer(step.name, lambda _, maps: jax.nn.relu(maps), units, field, kernel, before))
            before = step.name
        return layers

    def _check_head(self, head: Head) -> None:
        inputs = self._layers[self.layers[-1]].units
        if head.reads == "all":
            if self.image_size is None:
                raise NetError(f"net {self.name!r} has a head that reads all of its last map: give its image_size.")
            shown = jax.ShapeDtypeStruct((1, *self.image_size, 3), jnp.float32)
            inputs = jax.eval_shape(lambda images: self.maps(images, self.layers[-1]), shown).size
        self._checked_shape(head.name, self._weights, rank=2, inputs=inputs)

    def _checked_shape(self, name: str, weights: Weights, *, rank: int, inputs: int) -> tuple[int, ...]:
        """Returns the shape of a kernel, if that and its bias's fit."""
        kernel, bias = np.shape(weights[f"{name}.kernel"]), np.shape(weights[f"{name}.bias"])
        if len(kernel) != rank or kernel[-2] != inputs or bias != kernel[-1:]:
            wanted = f"{'(h, w, ' if rank == 4 else '('}{inputs}, units)"
            raise KernelError(
                f"net {self.name!r} got a kernel of shape {kernel} and a bias of shape {bias} for {name!r}: wanted "
                f"{wanted} and (units,)."
            )
        return kernel

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of all maps, in order."""
        return tuple(self._layers)

    @property
    def distinct_layers(self) -> tuple[str, ...]:
        """Layers after the ReLU of each convolution, whose units are not just seen again further on."""
        return tuple(step.name for step in self.steps if isinstance(step, Conv))

    def _layer(self, name: str) -> _Layer:
        if name not in self._layers:
            raise unknown_name("layer", name, self._layers, owner=f"net {self.name!r}")
        return self._layers[name]

    def unit_names(self, layer: str) -> tuple[str, ...]:
        """Names of a layer's channels: `conv3:7`."""
        return tuple(f"{layer}:{channel}" for channel in range(self._layer(layer).units))

    def receptive_field(self, layer: str, image_size: Pair | None = None) -> ReceptiveField:
        """What a unit sees, the same on images of any size."""
        del image_size
        return self._layer(layer).field

    def maps(self, images: Images, layer: str) -> Maps:
        """Runs images (grey or RGB, values -1 to 1) through the net up to a layer."""
        self._layer(layer)
        if self.preprocessing is None:
            checks.images(images)
            shown = jnp.broadcast_to(images, (*images.shape[:3], 3))
        else:
            shown = self.preprocessing(images)
        return self._run(shown, None, layer)

    def logits(self, images: Images) -> Float[Array, "image class"]:
        """Returns what the net says of images (grey or RGB, values -1 to 1).

        Raises:
            NetError: If it has no head.
        """
        last = self.layers[-1]
        return jit(lambda shown: self.output_from({last: self.maps(shown, last)}))(images)

    def also_reads(self, given: Sequence[str], layer: str | None) -> tuple[str, ...]:
        """Returns the image if none of the given layers lies on the way to a layer. See `Net.also_reads`."""
        end = self.layers.index(self._layer(layer or self.layers[-1]).name)
        starts = [self.layers.index(self._layer(name).name) for name in given]
        return () if any(start <= end for start in starts) else (IMAGE,)

    def run_from(self, given: Given, layer: str) -> Maps:
        """Runs maps of inner layers on to a later one. See `Net.run_from`."""
        if self.also_reads(list(given), layer):
            raise NetError(
                f"net {self.name!r} cannot run on from {', '.join(map(repr, given)) or 'nothing'} to {layer!r}: wanted "
                "the maps of a layer before it."
            )
        start = max((name for name in given if self._before(name, layer)), key=self.layers.index)
        return self._run(given[start], start, layer)

    def output_from(self, given: Given) -> Float[Array, "image class"]:
        """Runs maps of inner layers on to the logits. See `Net.output_from`."""
        if self.head is None:
            return super().output_from(given)
        last = self.run_from(given, self.layers[-1])
        read = jnp.mean(last, (1, 2)) if self.head.reads == "mean" else last.reshape(last.shape[0], -1)
        kernel, bias = (self._weights[f"{self.head.name}.{part}"] for part in ("kernel", "bias"))
        return jnp.matmul(read, kernel, precision="highest") + bias[None]

    def weights(self, layer: str) -> tuple[str, Float[Array, "h w source unit"]] | None:
        """Returns what a convolution reads and its HWIO kernel; None for a pool."""
        found = self._layer(layer)
        return None if found.kernel is None else (found.reads, self._weights[found.kernel])

    def with_weights(self, change: Callable[[Weight], Float[Array, "..."]], *, name: str) -> "SequentialNet":
        """Returns the net with other weights. See `Net.with_weights`."""
        made = {
            each: change(Weight(each, "kernel" if each.endswith(".kernel") else "bias", value))
            for each, value in self._weights.items()
        }
        for each, value in made.items():
            if value.shape != self._weights[each].shape:
                raise KernelError(
                    f"net {name!r} got weight {each!r} of shape {value.shape}: wanted {self._weights[each].shape}."
                )
        return SequentialNet(
            self.steps,
            made,
            name=name,
            head=self.head,
            image_size=self.image_size,
            preprocessing=self.preprocessing,
        )

    def _before(self, first: str, second: str) -> bool:
        return self.layers.index(first) <= self.layers.index(second)

    def _run(self, maps: Float[Array, "image _ _ _"], start: str | None, end: str) -> Float[Array, "image _ _ _"]:
        """Runs the maps of one layer, or images for None, on to another."""
        first = 0 if start is None else self.layers.index(start) + 1
        for name in self.layers[first : self.layers.index(end) + 1]:
            maps = self._layers[name].run(self._weights, maps)
        return maps


def _convolution(step: Conv) -> Step:
    def run(weights: Weights, maps: Float[Array, "image _ _ _"]) -> Float[Array, "image _ _ _"]:
        made = lax.conv_general_dilated(
            maps,
            jnp.asarray(weights[f"{step.name}.kernel"]),
            (step.stride,) * 2,
            [(step.pad,) * 2] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision="highest",
        )
        return made + weights[f"{step.name}.bias"][None, None, None]

    return run


def _pooling(step: Pool) -> Step:
    def run(weights: Weights, maps: Float[Array, "image _ _ _"]) -> Float[Array, "image _ _ _"]:
        del weights
        window = (1, step.size, step.size, 1)
        return lax.reduce_window(maps, -jnp.inf, lax.max, window, window, "VALID")

    return run
