"""A trained net as a probe's net: layers by tensor name, images as circuitkit has them."""

import os
from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit.compiling import jit
from circuitkit.errors import KernelError, NetError
from circuitkit.nets.onnx_net import OnnxNet
from circuitkit.nets.preprocessing import Preprocessing, preprocessing_of
from circuitkit.probe import Given, Images, Maps, Net, Weight
from circuitkit.receptive_field import ReceptiveField


class TrainedNet(Net):
    """A net from an ONNX file, fed with images of values -1 to 1. Units are called `layer:channel`.

    Attributes:
        onnx: The net itself, with its weights; it takes preprocessed images.
        preprocessing: How images become its input.
    """

    def __init__(self, onnx: OnnxNet, preprocessing: Preprocessing) -> None:
        channels = 1 if preprocessing.colours == "GREY" else 3
        if onnx.channels != channels:
            raise NetError(
                f"net {onnx.name!r} takes images of {onnx.channels} channels, but its preprocessing gives {channels} "
                f"({preprocessing.colours}). Give another channel order."
            )
        self.onnx, self.preprocessing = onnx, preprocessing
        self.name, self.image_size, self.image_values = onnx.name, onnx.image_size, str(preprocessing)

    @property
    def layers(self) -> tuple[str, ...]:
        """Tensor names of all maps, in the graph's order."""
        return tuple(self.onnx.layers)

    @property
    def distinct_layers(self) -> tuple[str, ...]:
        """Layers whose units are not just seen again further on; see `OnnxNet.distinct_layers`."""
        return self.onnx.distinct_layers

    def unit_names(self, layer: str) -> tuple[str, ...]:
        """Names of a layer's channels: `fire5:7`."""
        return tuple(f"{layer}:{channel}" for channel in range(self.onnx.layer(layer).channels))

    def receptive_field(self, layer: str, image_size: tuple[int, int] | None = None) -> ReceptiveField | None:
        """What a unit of a layer sees; None after a global pool."""
        net = self.onnx if image_size is None else self.onnx.for_size(*image_size)
        return net.layer(layer).field

    def maps(self, images: Images, layer: str) -> Maps:
        """Runs images (grey or RGB, values -1 to 1) through the net up to a layer."""
        return self.onnx.activations(self.preprocessing(images), (layer,))[layer]

    def logits(self, images: Images) -> Float[Array, "image ..."]:
        """Returns what the net says of images (grey or RGB, values -1 to 1): as a rule its logits."""
        return jit(lambda shown: self.onnx.output(self.preprocessing(shown)))(images)

    def also_reads(self, given: Sequence[str], layer: str | None) -> tuple[str, ...]:
        """Returns the tensors that a layer, or the output for None, reads besides some layers. See `Net.also_reads`."""
        return self.onnx.also_reads(given, layer)

    def run_from(self, given: Given, layer: str) -> Maps:
        """Runs maps of inner layers on to a later one. See `Net.run_from`."""
        return self.onnx.run_from(given, layer)

    def output_from(self, given: Given) -> Float[Array, "image ..."]:
        """Runs maps of inner layers on to the output. See `Net.output_from`."""
        return self.onnx.run_from(given, None)

    def weights(self, layer: str) -> tuple[str, Float[Array, "h w source unit"]] | None:
        """Returns the tensor that a layer's convolution reads, and its HWIO kernel; None where it has no single one."""
        try:
            return self.onnx.kernel_reads(layer), self.onnx.kernel(layer)
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
        return TrainedNet(self.onnx.with_weights(weights).renamed(name), self.preprocessing)


def load(path: str | os.PathLike[str], *, preprocessing: Preprocessing | None = None) -> TrainedNet:
    """Loads a trained net from an ONNX file.

    Args:
        path: The file. Nothing is unpickled and no other file is read.
        preprocessing: How the net wants its images. Left out, it is looked up by the file's name.

    Raises:
        NetError: If the file is no net that can be run exactly, or its preprocessing is not known.
    """
    onnx = OnnxNet.load(path)
    return TrainedNet(onnx, preprocessing_of(onnx.name) if preprocessing is None else preprocessing)
