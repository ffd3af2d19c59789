"""Trained convolutional nets from ONNX files: every map by name, weights as plain values, pure JAX throughout.

    net = OnnxNet.load("squeezenet1_1.onnx")
    look = jax.jit(net.activations, static_argnames="layers")
    maps = look(images, layers=("fire4", "fire5"))        # NHWC, only as much of the net as these need
    blind = net.with_weights({"conv1/bias": jnp.zeros(64)})

Images come in preprocessed, as the net's source says; images and maps are (batch, h, w, channel) here, whatever the
file has. Weights keep the file's names and axes (kernels are out, in, h, w); `OnnxNet.kernel` turns one to HWIO.
"""

import dataclasses
import functools
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit.errors import ImageError, KernelError, NetError, unknown_name
from circuitkit.nets.onnx_bind import ELEMENTWISE
from circuitkit.nets.onnx_graph import read_graph
from circuitkit.nets.onnx_program import OnnxLayer, Program, Step, bind_graph
from circuitkit.probe import Role
from circuitkit.receptive_field import Pair

_WEIGHING = ("Conv", "Gemm", "MatMul")

_PASSING_ON = ELEMENTWISE | {"Concat"}

_ROLES: dict[tuple[str, int], Role] = {
    **{(op, 1): "kernel" for op in _WEIGHING},
    ("Conv", 2): "bias",
    ("Gemm", 2): "bias",
    ("BatchNormalization", 1): "gain",
    ("BatchNormalization", 2): "bias",
    ("BatchNormalization", 3): "mean",
    ("BatchNormalization", 4): "variance",
}
"""What an operator's inputs do, by place."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class OnnxNet:
    """A trained net that computes what its ONNX file means. A value: changing it makes another net.

    A layer goes by the name of its tensor, or by its node's name where only one node has that name and no other
    tensor does.

    Attributes:
        name: What messages and results call it.
        weights: The file's weights by name, with the file's axes. Constants that nodes spell out count as weights.
        image_size: Rows and columns of the images that `layers` speaks of: the file's own, until `for_size`.
        program: What the net does with an image.
    """

    name: str
    weights: dict[str, Float[Array, "..."]]
    image_size: Pair
    program: Program

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, name: str | None = None) -> Self:
        """Returns the net of the ONNX file at `path`.

        Args:
            path: The file. Only this file is read, and nothing is unpickled.
            name: Name of the net; by default the file's, without its ending.

        Raises:
            NetError: If the file cannot be read, or has anything that could not be computed exactly as it says.
        """
        name = Path(path).stem if name is None else name
        program, weights, size = bind_graph(read_graph(path), owner=f"net {name!r}")
        net = cls(name=name, weights=weights, image_size=size, program=program)
        _ = net.layers  # a graph whose maps do not fit together is refused now
        return net

    def __repr__(self) -> str:
        return f"OnnxNet({self.name!r}, {len(self.layers)} layers, {len(self.weights)} weights)"

    @property
    def channels(self) -> int:
        """Number of channels of the images."""
        return self.program.channels

    @functools.cached_property
    def layers(self) -> dict[str, OnnxLayer]:
        """Every map that the net makes, by tensor name, in the graph's order.

        Maps have four axes and units with a place. What a global pool leaves is a map of one unit, which sees the
        whole image; vectors and logits are no maps (see `output`). With SAME padding at a stride, and
        with image sizes that the file did not plan for, fields and sizes depend on the image: see `for_size`.
        """
        return self.program.layers(self.weights, self.image_size)

    @functools.cached_property
    def distinct_layers(self) -> tuple[str, ...]:
        """Layers whose units are not just seen again further on, in the graph's order.

        Left out are maps that go into nothing but activations, batch norms, sums and concatenations, which are what
        has to be looked at, and pools, whose units are those before them.
        """
        readers: dict[str, list[str]] = {}
        for step in self.program.steps:
            for name in step.reads:
                readers.setdefault(name, []).append(step.op)
        pools = {step.makes for step in self.program.steps if "Pool" in step.op}
        return tuple(
            name
            for name in self.layers
            if name not in pools and not (name in readers and set(readers[name]) <= _PASSING_ON)
        )

    def for_size(self, height: int, width: int) -> Self:
        """Returns the same net with `layers` as they are for images of another size.

        Any image size may enter `activations`; this only tells what becomes of it. A head that wants the file's own
        size is then missing from `layers`.
        """
        return dataclasses.replace(self, image_size=(height, width))

    def with_weights(self, weights: Mapping[str, Float[Array, "..."]]) -> Self:
        """Returns the net with some weights exchanged.

        Args:
            weights: New values by name, each with the shape of the old one, in the file's axes.

        Raises:
            UnknownNameError: If the net has no weight of that name.
            KernelError: If a weight has another shape, or is not finite.
        """
        for name, value in weights.items():
            if not isinstance(value, jax.core.Tracer) and not np.isfinite(np.asarray(value)).all():
                raise KernelError(
                    f"net {self.name!r} got NaN or infinite values for weight {name!r}; wanted finite ones."
                )
        return dataclasses.replace(self, weights=self._exchanged(weights))

    def renamed(self, name: str) -> Self:
        """Returns the same net under another name."""
        return dataclasses.replace(self, name=name, program=dataclasses.replace(self.program, owner=f"net {name!r}"))

    @functools.cached_property
    def roles(self) -> dict[str, Role]:
        """What each weight does, by name. One that is worked on before it is used counts as a constant."""
        made_by = {step.makes: step.op for step in self.program.steps}
        roles: dict[str, Role] = dict.fromkeys(self.weights, "constant")
        for step in self.program.steps:
            for place, name in enumerate(step.reads):
                role = _ROLES.get((step.op, place))
                if step.op == "Add" and any(made_by.get(other) in _WEIGHING for other in step.reads):
                    role = "bias"
                if name in roles and role is not None:
                    roles[name] = role
        return roles

    def axes(self, weight: str) -> tuple[int, ...]:
        """Returns the order that turns a weight's axes into ours: kernels HWIO, or (in, out) without space."""
        rank = self.weights[weight].ndim
        if self.roles[weight] != "kernel" or rank not in (2, 4):
            return tuple(range(rank))
        turned = any(
            isinstance(step.does.run, functools.partial) and step.does.run.keywords.get("transpose_b", False)
            for step in self.program.steps
            if weight in step.reads
        )
        return (2, 3, 1, 0) if rank == 4 else (1, 0) if turned else (0, 1)

    def activations(
        self,
        images: Float[Array, "batch h w channel"],
        layers: Sequence[str],
        *,
        weights: Mapping[str, Float[Array, "..."]] | None = None,
    ) -> dict[str, Float[Array, "batch row column unit"]]:
        """Returns the maps of the layers asked for, by the names they were asked for with.

        Pure: differentiable in images and weights, and meant to be jitted by the caller, with `layers` static.

        Args:
            images: Preprocessed images.
            layers: Names of layers. Nothing beyond them is computed.
            weights: Weights to use instead of the net's, by name; the others stay.

        Raises:
            ImageError: If the images have the wrong number of channels, or are too small for a layer.
            UnknownNameError: If there is no such layer or weight.
            KernelError: If a weight has the wrong shape.
        """
        tensors = {layer: self.layer(layer).name for layer in layers}
        values = self._run(images, list(tensors.values()), weights)
        return {layer: values[tensor] for layer, tensor in tensors.items()}

    def output(
        self,
        images: Float[Array, "batch h w channel"],
        *,
        weights: Mapping[str, Float[Array, "..."]] | None = None,
    ) -> Float[Array, "batch ..."]:
        """Returns what the net says about each image, as a rule its logits or probabilities.

        An output with four axes is turned to (batch, h, w, channel) like every map. Arguments and errors are those
        of `activations`.

        Raises:
            NetError: If the file has several outputs, so that none is the net's answer.
        """
        output = self._tensor(None)
        return self._run(images, [output], weights)[output]

    def also_reads(self, given: Sequence[str], layer: str | None) -> tuple[str, ...]:
        """Returns the tensors that a layer, or the output, needs besides some layers; none if it follows from them."""
        return self.program.also_reads([self.layer(name).name for name in given], self._tensor(layer))

    def run_from(
        self, given: Mapping[str, Float[Array, "batch _ _ _"]], layer: str | None
    ) -> Float[Array, "batch ..."]:
        """Returns a layer's maps, or the output for None, from the maps of layers before it, as `activations` has them.

        Raises:
            NetError: If the layer reads something besides.
            UnknownNameError: If there is no such layer.
        """
        if besides := self.also_reads(list(given), layer):
            raise NetError(
                f"net {self.name!r} cannot run on from {', '.join(map(repr, given))} to {layer or 'its output'!r}, "
                f"which reads {', '.join(map(repr, besides))} besides. Give that, too, or start from a layer through "
                "which all of it passes."
            )
        held = {self.layer(name).name: value for name, value in given.items()}
        tensor = self._tensor(layer)
        return self.program.run(self.weights, [tensor], given=held)[tensor]

    def _tensor(self, layer: str | None) -> str:
        if layer is not None:
            return self.layer(layer).name
        if len(self.program.outputs) != 1:
            raise NetError(
                f"net {self.name!r} has {len(self.program.outputs)} outputs, {', '.join(self.program.outputs)}; "
                "wanted one. Ask `activations` for layers instead."
            )
        return self.program.outputs[0]

    def layer(self, name: str) -> OnnxLayer:
        """Returns the layer of that tensor name or node name.

        Raises:
            UnknownNameError: If there is none.
        """
        tensor = name if name in self.layers else self._tensor_of_node.get(name, name)
        if tensor not in self.layers:
            raise unknown_name("layer", name, [*self.layers, *self._tensor_of_node], owner=f"net {self.name!r}")
        return self.layers[tensor]

    def kernel(self, layer: str) -> Float[Array, "h w in out"]:
        """Returns the kernel of the convolution that makes a layer, before any activation or batch norm.

        The look-back goes through steps that keep each unit in its place and channel; what these do (a batch norm's
        gain, say) is not folded in. With groups, `in` counts the channels of one group.

        Raises:
            UnknownNameError: If there is no such layer.
            NetError: If no single convolution makes it: a pool, a sum or a concatenation, for example.
        """
        kernel = self._convolution(layer).reads[1]
        return jnp.transpose(self.program.run(self.weights, [kernel])[kernel], (1, 2, 3, 0))

    def kernel_reads(self, layer: str) -> str:
        """Returns the name of the tensor that the convolution of `kernel` reads. Raises what `kernel` does."""
        return self._convolution(layer).reads[0]

    @functools.cached_property
    def _tensor_of_node(self) -> dict[str, str]:
        """The layer that each node makes, for node names that are unambiguous."""
        uses = Counter(step.node for step in self.program.steps)
        tensors = {self.program.image, *self.weights, *(step.makes for step in self.program.steps)}
        return {
            step.node: step.makes
            for step in self.program.steps
            if step.makes in self.layers and uses[step.node] == 1 and step.node and step.node not in tensors
        }

    def _convolution(self, layer: str) -> Step:
        """Returns the step of the one convolution that makes a layer."""
        makers = {step.makes: step for step in self.program.steps}
        step = makers[self.layer(layer).name]
        while True:
            read = [name for name in step.reads if name in self.program.activations]
            if step.op == "Conv":
                return step
            if step.op not in ELEMENTWISE or len(read) > 1 or read[0] not in makers:
                raise NetError(
                    f"net {self.name!r} has no one convolution for layer {layer!r}: {step.op} makes it of "
                    f"{', '.join(map(repr, read))}. Ask for the kernel of one of these."
                )
            step = makers[read[0]]

    def _exchanged(self, weights: Mapping[str, Float[Array, "..."]]) -> dict[str, Float[Array, "..."]]:
        """Returns all weights, those given in place of the net's."""
        for name, value in weights.items():
            if name not in self.weights:
                raise unknown_name("weight", name, self.weights, owner=f"net {self.name!r}")
            if value.shape != self.weights[name].shape:
                raise KernelError(
                    f"net {self.name!r} got weight {name!r} of shape {value.shape}; wanted "
                    f"{self.weights[name].shape}, with the file's axes (kernels are out, in, h, w)."
                )
        return {**self.weights, **{name: jnp.asarray(value, jnp.float32) for name, value in weights.items()}}

    def _run(
        self,
        images: Float[Array, "batch h w channel"],
        tensors: Sequence[str],
        weights: Mapping[str, Float[Array, "..."]] | None,
    ) -> dict[str, Float[Array, "..."]]:
        """Returns tensors for images that have been checked."""
        if images.ndim != 4 or images.shape[3] != self.channels or images.dtype != jnp.float32:
            raise ImageError(
                f"net {self.name!r} got images of shape {images.shape} and type {images.dtype}; wanted float32 "
                f"(batch, h, w, {self.channels}), preprocessed as the net's source says."
            )
        return self.program.run(self._exchanged(weights or {}), tensors, images)
