"""A model with named submodules, as a net: what `from_nnx`, `from_linen` and `from_keras` have in common.

The model runs as its author wrote it, and hands out what its submodules return. Layers are called by the submodule's
path, and `path#2` is what it returns when it runs a second time. What the model returns itself is called `output`,
where it is a map and no submodule has that name.
"""

import copy
from collections.abc import Callable, Collection, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit.errors import CircuitkitError, KernelError, NetError, unknown_name
from circuitkit.nets.function import DEFAULT_SIZE, FunctionNet
from circuitkit.nets.preprocessing import Preprocessing
from circuitkit.probe import Images, Maps, Role, Weight
from circuitkit.receptive_field import Pair

OUTPUT = "output"
"""The layer that holds what the model itself returns."""

Weights = dict[str, Float[Array, "..."]]
Seen = dict[str, Any]
"""What submodules returned, by path, in order. Whoever runs a model fills it as it goes, so that it holds something
even where the model fails further on."""

Run = Callable[[Weights, Images, Seen, str | None], None]
"""Runs a model of such weights on images, as the model takes them, and fills `seen`; the last argument is the one layer
that is wanted, or None for all of them."""

_ROLES: tuple[tuple[str, Role], ...] = (
    ("variance", "variance"),
    ("var", "variance"),
    ("mean", "mean"),
    ("scale", "gain"),
    ("gamma", "gain"),
    ("bias", "bias"),
    ("beta", "bias"),
    ("alpha", "constant"),
    ("negative_slope", "constant"),
)


class ModuleNet(FunctionNet):
    """A model as a net, by the paths of its submodules. Units are called `path:channel`.

    A layer needs no more of the model than what leads to it: a head that is made for one size of images does no harm to
    the layers before it.

    Attributes:
        preprocessing: How images become the model's input; None if it takes them as they are.
    """

    def __init__(
        self,
        run: Run,
        *,
        name: str,
        weights: Weights,
        layers: Sequence[str] | None = None,
        rectify: bool | Collection[str] = False,
        image_size: Pair | None = None,
        channels: int = 3,
        preprocessing: Preprocessing | None = None,
    ) -> None:
        """Traces the model once, which computes nothing, for the names and channels of its layers.

        Args:
            run: Runs the model.
            name: What reports call the net.
            weights: Arrays by name: kernels HWIO, or (input, output).
            layers: Paths of the submodules to probe; all that return a map if left out. A vector, where it is asked for
                by name, is a map of one position.
            rectify: Whether maps are cut off below 0, as by a ReLU behind their submodule: all of them, or those named.
            image_size: See `FunctionNet`.
            channels: See `FunctionNet`.
            preprocessing: See `FunctionNet`.

        Raises:
            NetError: If the model fails on images of this size, or a layer is no map.
            UnknownNameError: If there is no such layer.
        """
        if isinstance(layers, str) or isinstance(rectify, str) or (layers is not None and not layers):
            raise NetError(f"net {name!r} got layers={layers!r} and rectify={rectify!r}: wanted a list of names.")
        self._model, self._asked, self._rectify = run, layers, rectify
        self._twice: set[str] = set()
        super().__init__(
            self._all_maps,
            name=name,
            weights={called: jnp.asarray(value, jnp.float32) for called, value in weights.items()},
            image_size=image_size,
            channels=channels,
            preprocessing=preprocessing,
        )
        if not isinstance(rectify, bool):
            for layer in rectify:
                self._check_name(layer)

    @property
    def distinct_layers(self) -> tuple[str, ...]:
        """Layers but those that hand on what a submodule of theirs returns, as a chain of submodules does."""
        return tuple(layer for layer in self.layers if layer not in self._twice)

    def with_weights(self, change: Callable[[Weight], Float[Array, "..."]], *, name: str) -> "ModuleNet":
        """Returns the net with other weights, called as the model calls them. See `Net.with_weights`."""
        weights = {}
        for called, value in self._weights.items():
            made = change(Weight(called, role_of(called, value), value))
            if made.shape != value.shape or not np.isfinite(np.asarray(made)).all():
                raise KernelError(
                    f"net {name!r} got weight {called!r} of shape {made.shape}: wanted {value.shape}, all finite."
                )
            weights[called] = jnp.asarray(made, jnp.float32)
        other = copy.copy(self)
        vars(other).update(name=name, _weights=weights)
        return other

    def _all_maps(self, weights: Weights, images: Float[Array, "image h w channel"]) -> dict[str, Any]:
        """Returns all layers that were asked for, whatever they are: `_run` refuses those that are no maps."""
        seen: Seen = {}
        self._model(weights, images, seen, None)
        if self._asked is None:
            names = [layer for layer, value in seen.items() if _is_map(value, images)]
            if not names:
                raise NetError(
                    f"net {self.name!r} has no submodule that returns a map (image, row, column, unit); it has "
                    f"{', '.join(seen) or 'none that runs'}. Give a function of images to FunctionNet."
                )
        else:
            for layer in self._asked:
                if layer not in seen:
                    raise unknown_name("layer", layer, seen, owner=f"net {self.name!r}")
            names = [layer for layer in seen if layer in self._asked]
        first: dict[int, str] = {}
        self._twice = {layer for layer in names if first.setdefault(id(seen[layer]), layer) != layer}
        return {layer: self._shown(layer, seen[layer]) for layer in names}

    def _layer(self, images: Float[Array, "image h w channel"], layer: str) -> Maps:
        seen: Seen = {}
        try:
            self._model(self._weights, images, seen, layer)
            failed = None
        except Exception as error:
            failed = error
        try:
            if layer in seen:
                # What a failed run leaves behind may come from within a transformation, out of which nothing leads;
                # any operation tells.
                value = self._shown(layer, seen[layer] if failed is None else jax.lax.neg(jax.lax.neg(seen[layer])))
                if _is_map(value, images):
                    return value
        except jax.errors.UnexpectedTracerError:
            pass
        said = (
            "" if failed is None else f" with {type(failed).__name__}: {(str(failed) or 'no message').splitlines()[0]}"
        )
        raise NetError(
            f"net {self.name!r} gives no map of layer {layer!r} on images of shape {images.shape}{said} If it was made "
            "for another size, give that as image_size."
        ) from failed

    def _run(self, images: Float[Array, "image h w channel"]) -> dict[str, Maps]:
        try:
            return super()._run(images)
        except NetError as error:
            # What we say of a model ourselves is no failure of the model.
            if isinstance(error.__cause__, CircuitkitError):
                raise error.__cause__ from None
            raise

    def _shown(self, layer: str, value: Any) -> Any:
        if not (isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jnp.floating)):
            return value  # and refused, with its name
        if value.ndim == 2:
            value = value[:, None, None, :]
        rectified = self._rectify if isinstance(self._rectify, bool) else layer in self._rectify
        value = value.astype(jnp.float32)
        return jax.nn.relu(value) if rectified else value


def called(path: str, count: int) -> str:
    """Returns what a submodule's output is called, the `count`-th time that it runs."""
    return path if count == 1 else f"{path}#{count}"


def keep(seen: Seen, path: str, value: Any) -> None:
    """Puts what a submodule returns in its place, after what it returned before."""
    count = 1
    while called(path, count) in seen:
        count += 1
    seen[called(path, count)] = value


def keep_output(seen: Seen, value: Any) -> None:
    """Puts in what the model itself returns, if it is a map and no submodule has its name."""
    if getattr(value, "ndim", 0) == 4:
        seen.setdefault(OUTPUT, value)


def role_of(name: str, value: Float[Array, "..."]) -> Role:
    """Returns what a weight does, by the last word of its name, or by its axes where that says nothing."""
    last = name.lower().replace("/", ".").rpartition(".")[2]
    for ending, role in _ROLES:
        if last.endswith(ending):
            return role
    return "kernel" if value.ndim > 1 else "bias" if value.ndim == 1 else "constant"


def trial(image_size: Pair | None, channels: int) -> jax.ShapeDtypeStruct:
    """Returns the shape of the images on which a model is traced."""
    return jax.ShapeDtypeStruct((2, *(image_size or DEFAULT_SIZE), channels), jnp.float32)


def _is_map(value: Any, images: Float[Array, "image h w channel"]) -> bool:
    floats = isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jnp.floating)
    return floats and value.ndim == 4 and value.shape[0] == images.shape[0]
