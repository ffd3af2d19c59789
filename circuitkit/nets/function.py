"""Any JAX function from images to maps, as a net to be probed.

    def maps(images):                                     # (image, row, column, channel); closes over its weights
        early = jax.nn.relu(conv(images, w1))
        return {"early": early, "late": jax.nn.relu(conv(early, w2))}

    net = ck.nets.FunctionNet(maps, name="mine", image_size=(64, 64))
    ck.tune(net["late"], stimuli)

A Flax model in eval mode is such a function, with a name for each of its maps that is to be probed:

    model.eval()                                          # BatchNorm and Dropout then change nothing (flax.nnx)
    net = ck.nets.FunctionNet(lambda images: {"conv": model.features(images)}, name="model", image_size=(224, 224))

With its weights in an argument of their own, the net can be given others (shuffled, say: see `circuitkit.controls`):

    net = ck.nets.FunctionNet(lambda weights, images: ..., weights={"early": w1, "late": w2}, name="mine")

Names, channels, receptive fields and crops all follow from the function, which is traced for them and not run.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit import checks
from circuitkit.cropping import Interval, crop
from circuitkit.errors import KernelError, NetError, unknown_name
from circuitkit.nets.preprocessing import Preprocessing
from circuitkit.network import to_grey
from circuitkit.probe import Images, Maps, Net, Role, Weight
from circuitkit.receptive_field import Pair, ReceptiveField

DEFAULT_SIZE = (224, 224)
"""Rows and columns of the images that layers and fields are found on, for a net that was made for no size."""

FAR = 10080
"""Pixels that an image is larger where units shall not see its border. Padding that depends on an image's size (SAME at
a stride) stays what it is as long as the stride divides this: all strides to 10 do, and 12, 16 and 32."""


class FunctionNet(Net):
    """A function as a net. Units are called `layer:channel`.

    Sweeps crop, and compute nothing that a layer does not need; nor does `maps` inside `jax.jit`. Called by itself,
    `maps` computes all that the function does. NaN in the weights cannot be seen here: the responses are then NaN.

    Attributes:
        preprocessing: How images become the function's input; None if it takes them as they are.
    """

    def __init__(
        self,
        function: Callable[..., Mapping[str, Maps]],
        *,
        name: str,
        weights: Any = None,
        image_size: Pair | None = None,
        channels: int = 3,
        preprocessing: Preprocessing | None = None,
    ) -> None:
        """Traces the function once, which computes nothing, for the names and channels of its layers.

        Args:
            function: From images (image, row, column, channel) to the maps (image, row, column, unit) of its layers,
                by name. Pure, for any number of images, and for any size of images or for `image_size` alone.
            name: What reports call the net.
            weights: A pytree of arrays; the function is then called with it and the images. Left out, the function
                closes over its weights, and they cannot be exchanged. `with_weights` takes arrays of two or more axes
                as kernels, whose last axis is the output (HWIO, as Flax has them), and the others by the last word of
                their names: `var` and `scale` (or `gamma`) are variances and gains, `mean` means, all else biases.
            image_size: Rows and columns of the images that it was made for. Left out, any will do, and 224 by 224 are
                tried.
            channels: Of the images that the function takes: 3, and grey images are given to it as RGB; or 1, and RGB
                is averaged.
            preprocessing: What becomes of images with values -1 to 1. Left out, the function is given them as they are.

        Raises:
            NetError: If the function fails on images of this size, or what it returns is no mapping of maps.
        """
        if not callable(function):
            raise NetError(f"net {name!r} is a {type(function).__name__}: wanted a function of images.")
        if preprocessing is not None and channels != (1 if preprocessing.colours == "GREY" else 3):
            raise NetError(
                f"net {name!r} takes images of {channels} channels, but its preprocessing has the channel order "
                f"{preprocessing.colours}. Give another channel order, or channels={4 - channels}."
            )
        if channels not in (1, 3):
            raise NetError(f"net {name!r} has channels={channels}: wanted 3 (RGB) or 1 (grey).")
        if image_size is not None and (len(image_size) != 2 or min(image_size) < 1):
            raise NetError(f"net {name!r} has image_size={image_size}: wanted rows and columns, at least 1 each.")
        self.name, self.image_size, self.preprocessing = name, image_size, preprocessing
        shown = "as they are; RGB is averaged" if channels == 1 else "as they are; grey becomes RGB"
        self.image_values = shown if preprocessing is None else str(preprocessing)
        # Of a dtype that is said, not inferred: it is compiled alike whoever made the array.
        self._weights = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(leaf)), weights)
        self._function, self._channels = function, channels
        self._units = {layer: shape[3] for layer, shape in self._shapes(image_size or DEFAULT_SIZE).items()}
        self._fields: dict[tuple[str, Pair], ReceptiveField | None] = {}

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the maps, in the function's order."""
        return tuple(self._units)

    def unit_names(self, layer: str) -> tuple[str, ...]:
        """Names of a layer's channels: `late:7`."""
        self._check_name(layer)
        return tuple(f"{layer}:{channel}" for channel in range(self._units[layer]))

    def receptive_field(self, layer: str, image_size: Pair | None = None) -> ReceptiveField | None:
        """What a unit sees, measured: the pixels that a few units around the middle of the map depend on.

        Where the image is too small to hold their fields, a larger one is traced, which has the same padding.

        Args:
            layer: Name of the layer.
            image_size: Rows and columns of the images; those that the net was made for if left out.

        Returns:
            The field, or None if units see all of the image, if their fields do not repeat with one stride (as after
            an upsampling), or if the function does not take images of this size.
        """
        self._check_name(layer)
        size = image_size or self.image_size or DEFAULT_SIZE
        if (layer, size) not in self._fields:
            self._fields[layer, size] = self._field(layer, size)
        return self._fields[layer, size]

    def maps(self, images: Images, layer: str) -> Maps:
        """Runs images (grey or RGB, values -1 to 1) through the net."""
        self._check_name(layer)
        return self._layer(self._input(images), layer)

    def with_weights(self, change: Callable[[Weight], Float[Array, "..."]], *, name: str) -> "FunctionNet":
        """Returns the net with other weights, called by their place in the pytree. See `Net.with_weights`."""
        if self._weights is None:
            raise NetError(
                f"net {self.name!r} is a function that closes over its weights, so they cannot be exchanged. Make it "
                "as FunctionNet(function, weights=weights, ...), of a function of weights and images."
            )

        def changed(path: Any, value: Float[Array, "..."]) -> Float[Array, "..."]:
            called = jax.tree_util.keystr(path, simple=True, separator="/")
            made = change(Weight(called, _role(called, value), value))
            if made.shape != value.shape or not np.isfinite(np.asarray(made)).all():
                raise KernelError(
                    f"net {name!r} got weight {called!r} of shape {made.shape}: wanted {value.shape}, all finite."
                )
            return made

        return FunctionNet(
            self._function,
            name=name,
            weights=jax.tree_util.tree_map_with_path(changed, self._weights),
            image_size=self.image_size,
            channels=self._channels,
            preprocessing=self.preprocessing,
        )

    def _check_name(self, layer: str) -> None:
        if layer not in self._units:
            raise unknown_name("layer", layer, self._units, owner=f"net {self.name!r}")

    def _input(self, images: Images) -> Float[Array, "image h w _"]:
        if self.preprocessing is not None:
            return self.preprocessing(images)
        checks.images(images)
        return to_grey(images) if self._channels == 1 else jnp.broadcast_to(images, (*images.shape[:3], 3))

    def _layer(self, images: Float[Array, "image h w channel"], layer: str) -> Maps:
        maps = self._run(images)
        if layer not in maps:
            raise NetError(
                f"net {self.name!r} has no layer {layer!r} on images of shape {images.shape}, only {', '.join(maps)}: "
                "wanted the same layers for all images."
            )
        return maps[layer]

    def _run(self, images: Float[Array, "image h w channel"]) -> dict[str, Maps]:
        """Returns all maps; refuses what are none."""
        try:
            found = self._function(images) if self._weights is None else self._function(self._weights, images)
        except Exception as error:
            said = (str(error).strip() or "no message").splitlines()[0]
            raise NetError(
                f"net {self.name!r} fails on images of shape {images.shape} with {type(error).__name__}: {said} If it "
                "was made for another size, give that as image_size; leave out a head that fixes the size; put Flax "
                "models into eval mode, and use JAX alone on images."
            ) from error
        if not isinstance(found, Mapping) or not found or not all(isinstance(layer, str) for layer in found):
            came = f"a mapping of {list(found)}" if isinstance(found, Mapping) else f"a {type(found).__name__}"
            raise NetError(
                f"net {self.name!r} returns {came}: wanted a mapping from layer names to maps, like {{'conv1': map}}."
            )
        for layer, values in found.items():
            shape, kind = getattr(values, "shape", None), getattr(values, "dtype", None)
            floats = isinstance(values, jax.Array) and jnp.issubdtype(values.dtype, jnp.floating)
            if not floats or len(values.shape) != 4 or values.shape[0] != images.shape[0]:
                raise NetError(
                    f"layer {layer!r} of net {self.name!r} is a {type(values).__name__} of shape {shape} and type "
                    f"{kind} for images of shape {images.shape}: wanted a JAX array of floats (image, row, column, "
                    "unit). A vector becomes a map of one unit with vector[:, None, None, :]."
                )
        return dict(found)

    def _shapes(self, size: Pair) -> dict[str, tuple[int, ...]]:
        # Two images, for a function that is made for one alone. Names come out of the trace by themselves, since JAX
        # would sort them.
        shapes: dict[str, tuple[int, ...]] = {}

        def trace(images: Float[Array, "image h w channel"]) -> None:
            shapes.update({layer: values.shape for layer, values in self._run(images).items()})

        jax.eval_shape(trace, jax.ShapeDtypeStruct((2, *size, self._channels), jnp.float32))
        return shapes

    def _field(self, layer: str, size: Pair) -> ReceptiveField | None:
        try:
            field = self._measured(layer, size, larger=(0, 0))
            if field is None:
                field = self._measured(layer, size, larger=(FAR, FAR))
                if field is not None and any(FAR % stride for stride in field.stride):
                    rows, columns = field.stride
                    field = self._measured(layer, size, larger=(FAR - FAR % rows, FAR - FAR % columns))
        except NetError:  # the function does not take such images
            return None
        return field

    def _measured(self, layer: str, size: Pair, *, larger: Pair) -> ReceptiveField | None:
        """Returns the field as it is on images that are larger by so many pixels."""
        shape = (1, size[0] + larger[0], size[1] + larger[1], self._channels)
        # Through jit, the function is traced once for all units.
        run: Any = jax.jit(lambda images: self._layer(images, layer))
        counts = jax.eval_shape(run, jax.ShapeDtypeStruct(shape, jnp.float32)).shape[1:3]
        if min(counts) < 3:
            return None
        units = [[n // 2, n // 2 - 1, n // 2 + 1, n // 4, n - 1 - n // 4] for n in counts]
        seen = [
            crop(run, shape, (None, (row, row + 1), (column, column + 1), None))
            for row, column in zip(*units, strict=True)
        ]
        rows = _repeated(units[0], [cropped.rows for cropped in seen], shape[1])
        columns = _repeated(units[1], [cropped.columns for cropped in seen], shape[2])
        if rows is None or columns is None:
            return None
        (height, down, top), (width, across, left) = rows, columns
        return ReceptiveField(size=(height, width), stride=(down, across), first=(top, left))


def _role(name: str, value: Float[Array, "..."]) -> Role:
    """Returns what a weight of the pytree does, by its axes and the last word of its name."""
    if value.ndim > 1:
        return "kernel"
    words: dict[str, Role] = {"var": "variance", "scale": "gain", "gamma": "gain", "mean": "mean"}
    last = name.lower().rpartition("/")[2]
    return next((role for word, role in words.items() if last.startswith(word)), "bias")


def _repeated(units: Sequence[int], seen: Sequence[Interval], side: int) -> tuple[int, int, float] | None:
    """Returns size, stride and first centre of fields along one axis, or None if they do not repeat.

    Args:
        units: The unit in the middle, its neighbours, and some further away.
        seen: The pixels that each of them depends on. A border may cut only those further away.
        side: Of the image, in pixels.
    """
    middle, (low, high) = units[0], seen[0]
    stride = seen[2][0] - low
    for place, (unit, (first, last)) in enumerate(zip(units, seen, strict=True)):
        moved = stride * (unit - middle)
        cut = place > 2 and (first == 0 or last == side)
        if (first, last) != (low + moved, high + moved) and not cut:
            return None
    return (high - low, stride, (low + high - 1) / 2 - stride * middle) if stride > 0 else None
