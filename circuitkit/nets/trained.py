"""A trained net as a probe's net: layers by tensor name, images as circuitkit has them."""

import os
from collections.abc import Callable, Mapping, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit.compiling import jit
from circuitkit.errors import KernelError, NetError
from circuitkit.nets.onnx_net import OnnxNet
from circuitkit.nets.preprocessing import Preprocessing
from circuitkit.nets.zoo import ZOO, ZooNet, preprocessing_of
from circuitkit.probe import Given, Images, Maps, Net, Weight
from circuitkit.receptive_field import ReceptiveField


class TrainedNet(Net):
    """A net from an ONNX file, fed with images of values -1 to 1. Units are called `layer:channel`.

    Attributes:
        onnx: The net itself, with its weights; it takes preprocessed images.
        preprocessing: How images become its input.
        tensors: The tensor of each layer that has a name of its own. All others are called as their tensors are.
    """

    def __init__(
        self, onnx: OnnxNet, preprocessing: Preprocessing, *, tensors: Mapping[str, str] | None = None
    ) -> None:
        """Takes the net, how it is fed, and perhaps names of layers, each with the tensor that it stands for."""
        channels = 1 if preprocessing.colours == "GREY" else 3
        if onnx.channels != channels:
            raise NetError(
                f"net {onnx.name!r} takes images of {onnx.channels} channels, but its preprocessing gives {channels} "
                f"({preprocessing.colours}). Give another channel order."
            )
        self.onnx, self.preprocessing = onnx, preprocessing
        self.name, self.image_size, self.image_values = onnx.name, onnx.image_size, str(preprocessing)
        self.tensors = {name: onnx.layer(tensor).name for name, tensor in (tensors or {}).items()}
        self._names = {tensor: name for name, tensor in self.tensors.items()}

    def _tensor(self, layer: str) -> str:
        """Returns what the file calls a layer."""
        return self.tensors.get(layer, layer)

    def _name(self, tensor: str) -> str:
        """Returns what a tensor is called here."""
        return self._names.get(tensor, tensor)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of all maps, in the graph's order: those of their tensors, unless they have others."""
        return tuple(map(self._name, self.onnx.layers))

    @property
    def distinct_layers(self) -> tuple[str, ...]:
        """Layers whose units are not just seen again further on; see `OnnxNet.distinct_layers`."""
        return tuple(map(self._name, self.onnx.distinct_layers))

    def unit_names(self, layer: str) -> tuple[str, ...]:
        """Names of a layer's channels: `fire5:7`."""
        return tuple(f"{layer}:{channel}" for channel in range(self.onnx.layer(self._tensor(layer)).channels))

    def receptive_field(self, layer: str, image_size: tuple[int, int] | None = None) -> ReceptiveField | None:
        """What a unit of a layer sees; None after a global pool."""
        net = self.onnx if image_size is None else self.onnx.for_size(*image_size)
        return net.layer(self._tensor(layer)).field

    def maps(self, images: Images, layer: str) -> Maps:
        """Runs images (grey or RGB, values -1 to 1) through the net up to a layer."""
        tensor = self._tensor(layer)
        return self.onnx.activations(self.preprocessing(images), (tensor,))[tensor]

    def logits(self, images: Images) -> Float[Array, "image ..."]:
        """Returns what the net says of images (grey or RGB, values -1 to 1): as a rule its logits."""
        return jit(lambda shown: self.onnx.output(self.preprocessing(shown)))(images)

    def also_reads(self, given: Sequence[str], layer: str | None) -> tuple[str, ...]:
        """Returns what a layer, or the output for None, reads besides some layers. See `Net.also_reads`."""
        besides = self.onnx.also_reads([*map(self._tensor, given)], None if layer is None else self._tensor(layer))
        return tuple(map(self._name, besides))

    def run_from(self, given: Given, layer: str) -> Maps:
        """Runs maps of inner layers on to a later one. See `Net.run_from`."""
        return self.onnx.run_from(self._held(given), self._tensor(layer))

    def output_from(self, given: Given) -> Float[Array, "image ..."]:
        """Runs maps of inner layers on to the output. See `Net.output_from`."""
        return self.onnx.run_from(self._held(given), None)

    def _held(self, given: Given) -> Given:
        return {self._tensor(layer): maps for layer, maps in given.items()}

    def weights(self, layer: str) -> tuple[str, Float[Array, "h w source unit"]] | None:
        """Returns the tensor that a layer's convolution reads, and its HWIO kernel; None where it has no single one."""
        try:
            tensor = self._tensor(layer)
            return self._name(self.onnx.kernel_reads(tensor)), self.onnx.kernel(tensor)
        except NetError:
            return None

    def with_weights(self, change: Callable[[Weight], Float[Array, "..."]], *, name: str) -> "TrainedNet":
        """Returns the net with other weights, by the file's names. See `Net.with_weights`."""
        weights = {}
        for key, value in self.onnx.weights.items():
            axes = self.onnx.axes(key)
            held = jnp.asarray(np.transpose(np.asarray(value), axes))  # not in JAX, which would compile each shape
            made = change(Weight(key, self.onnx.roles[key], held))
            if made.shape != held.shape:
                raise KernelError(f"net {name!r} got weight {key!r} of shape {made.shape}: wanted {held.shape}.")
            weights[key] = jnp.asarray(np.transpose(np.asarray(made), np.argsort(axes).tolist()))
        return TrainedNet(self.onnx.with_weights(weights).renamed(name), self.preprocessing, tensors=self.tensors)


def read_onnx(path: str | os.PathLike[str], *, preprocessing: Preprocessing | None = None) -> TrainedNet:
    """Reads a trained net from an ONNX file.

    Args:
        path: The file. Nothing is unpickled and no other file is read.
        preprocessing: How the net wants its images. Left out, it is looked up by the file's name.

    Raises:
        NetError: If the file is no net that can be run exactly, or its preprocessing is not known.
    """
    onnx = OnnxNet.load(path)
    fed = preprocessing_of(onnx.name) if preprocessing is None else preprocessing
    known = ZOO.get(onnx.name)
    return TrainedNet(onnx, fed, tensors=None if known is None else tensors_of(onnx, known))


def tensors_of(onnx: OnnxNet, known: ZooNet) -> dict[str, str]:
    """Returns the tensors of the layers that people have names for; see `nets.zoo`.

    Raises:
        NetError: If the graph has another number of such layers, so that it is not the net that was meant.
    """
    made: dict[str, list[str]] = {}
    for step in onnx.program.steps:
        made.setdefault(step.op, []).append(step.makes)
    for op, count in known.counts.items():
        if len(made.get(op, ())) != count:
            raise NetError(
                f"net {onnx.name!r} has {len(made.get(op, ()))} layers made by {op}, but {known.title} has {count}: "
                "it is another net. Give its file another name."
            )
    return {name: made[op][place] for name, (op, place) in known.names.items()}
