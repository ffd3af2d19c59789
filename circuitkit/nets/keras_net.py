"""A Keras model on its JAX backend as a net: what its layers return.

os.environ["KERAS_BACKEND"] = "jax"                    # before keras is imported
model = keras.saving.load_model("mine.keras")
net = ck.nets.from_keras(model)                        # sizes and channels as the model's input has them
ck.tune(net["block1_conv1"], stimuli)
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit.errors import NetError, unknown_name
from circuitkit.nets.module_net import ModuleNet, Seen, Weights, keep
from circuitkit.nets.preprocessing import Preprocessing
from circuitkit.probe import Images
from circuitkit.receptive_field import Pair

Turn = Callable[[Float[Array, "..."]], Float[Array, "..."]]


def from_keras(
    model: Any,
    *,
    layers: Sequence[str] | None = None,
    rectify: bool | Collection[str] = False,
    name: str | None = None,
    image_size: Pair | None = None,
    preprocessing: Preprocessing | None = None,
) -> ModuleNet:
    """Returns a Keras model (functional or Sequential) as a net. The model is not changed.

    It runs with training=False. Its weights are those that it has now.

    Args:
        model: The model, with one input: images (image, row, column, channel) of 3 channels, or 1.
        layers: Names of the layers to probe; all that return a map if left out. `name#2` is what a layer returns
            when it runs a second time. A model inside the model is one layer; give it by itself for its own.
        rectify: True cuts all maps off below 0, as a ReLU does, a list of layers those. Their names stay.
        name: What reports call the net; the model's own name if left out.
        image_size: Rows and columns of the images that it was made for; as the model's input has them if left out.
        preprocessing: What becomes of images with values -1 to 1; they are given as they are if left out.

    Raises:
        NetError: If Keras is not installed or runs on another backend; if this is no such model, or has its channels
            first; if it fails on images of this size, changes its own state as it runs, a weight of it is not finite,
            or a layer is no map.
        UnknownNameError: If there is no such layer.
    """
    keras = _keras()
    title = str(getattr(model, "name", type(model).__name__)) if name is None else name
    size, channels = _input(keras, model, title)
    outputs = _outputs(model)
    for layer in layers or ():
        if layer not in outputs:
            raise unknown_name("layer", layer, outputs, owner=f"net {title!r}")
    wanted = {
        each: value for each, value in outputs.items() if (len(value.shape) == 4 if layers is None else each in layers)
    }
    if not wanted:
        raise NetError(
            f"net {title!r} has no layer that returns a map (image, row, column, unit); it has "
            f"{', '.join(outputs) or 'none'}."
        )

    variables = {id(each): path for path, each in _variables(model).items()}
    turns = _turns(model)
    held = {path: each.value for path, each in _variables(model).items()}
    weights = {}
    for path, value in held.items():
        if jnp.issubdtype(value.dtype, jnp.floating):
            if not np.isfinite(np.asarray(value)).all():
                raise NetError(f"weight {path!r} of net {title!r} holds NaN or infinity.")
            weights[path] = turns.get(path, (_as_it_is, _as_it_is))[0](value)
    models: dict[str | None, Any] = {}

    def run(weights: Weights, images: Images, seen: Seen, upto: str | None) -> None:
        shown = wanted if upto is None else {upto: wanted[upto]}
        if upto not in models:
            models[upto] = keras.Model(model.inputs[0], list(shown.values()))
        part = models[upto]

        def value(variable: Any) -> Any:
            path = variables[id(variable)]
            if path not in weights:
                return held[path]
            return turns.get(path, (_as_it_is, _as_it_is))[1](weights[path]).astype(held[path].dtype)

        fixed = [value(variable) for variable in part.non_trainable_variables]
        moving = [value(variable) for variable in part.trainable_variables]
        try:
            # Keras adds its biases as NumPy would, whatever the user allows elsewhere.
            with jax.numpy_rank_promotion("allow"):
                found, after = part.stateless_call(moving, fixed, images, training=False)
        except Exception as error:
            # Keras says which layer it was in a first line, and what was wrong, in colours, in a second one.
            lines = [line for line in re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines() if line.strip()]
            raise RuntimeError(" ".join(lines[:2])) from error
        changed = [
            v.path for v, old, new in zip(part.non_trainable_variables, fixed, after, strict=True) if old is not new
        ]
        if changed:
            raise NetError(
                f"net {title!r} changes its own state as it runs ({', '.join(changed[:4])}): wanted layers "
                "that leave it alone with training=False."
            )
        seen.update(zip(shown, found if isinstance(found, list | tuple) else [found], strict=True))

    return ModuleNet(
        run,
        name=title,
        weights=weights,
        layers=None if layers is None else list(wanted),
        rectify=rectify,
        image_size=size if image_size is None else image_size,
        channels=channels,
        preprocessing=preprocessing,
    )


def _keras() -> Any:
    """Returns Keras, if it runs on JAX."""
    way = 'os.environ["KERAS_BACKEND"] = "jax" before keras is imported, or export KERAS_BACKEND=jax'
    try:
        import keras
    except ImportError as error:
        raise NetError(
            f"a Keras model needs the package keras, on its JAX backend: pip install keras, and {way}."
        ) from error
    if keras.config.backend() != "jax":
        raise NetError(f"Keras runs on its {keras.config.backend()} backend: wanted jax. Set {way}.")
    return keras


def _input(keras: Any, model: Any, title: str) -> tuple[Pair | None, int]:
    """Returns rows and columns, and the channels, of a model's images."""
    if not isinstance(model, keras.Model):
        raise NetError(
            f"net {title!r} is a {type(model).__name__}: wanted a Keras model. from_nnx and from_linen take Flax's, "
            "FunctionNet any function."
        )
    if not getattr(model, "inputs", None):
        raise NetError(
            f"net {title!r} has no graph of layers: wanted a functional model, or a Sequential one that begins with "
            "keras.Input((rows, columns, channels)). Give FunctionNet a function that calls the model."
        )
    for layer in _parts(model):
        if getattr(layer, "data_format", "channels_last") == "channels_first":
            raise NetError(
                f"layer {layer.name!r} of net {title!r} has its channels first: wanted channels_last, as "
                "keras.config.set_image_data_format('channels_last') sets it before a model is built."
            )
    shapes = [tuple(each.shape) for each in model.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][3] not in (1, 3):
        raise NetError(
            f"net {title!r} takes inputs of shapes {shapes}: wanted one, of images (image, row, column, channel) with "
            "3 channels or 1."
        )
    _, rows, columns, channels = shapes[0]
    return (rows, columns) if rows and columns else None, channels


def _outputs(model: Any) -> dict[str, Any]:
    """Returns what each layer returns, as Keras stands for it, in order; layers of several outputs are left out."""
    graph = getattr(model, "_functional", None) or model  # a Sequential model has its graph inside
    # Keras shows in public what a layer returned when it first ran, which may have been in another model.
    steps = graph._nodes_by_depth  # noqa: SLF001
    found: dict[str, Any] = {}
    for depth in sorted(steps, reverse=True):
        for node in steps[depth]:
            if len(node.output_tensors) == 1 and not node.is_input:
                keep(found, node.operation.name, node.output_tensors[0])
    return found


def _parts(model: Any) -> Iterator[Any]:
    """Yields a model's layers, and those of the models inside it."""
    for layer in model.layers:
        yield layer
        if hasattr(layer, "layers"):
            yield from _parts(layer)


def _variables(model: Any) -> dict[str, Any]:
    """Returns a model's variables by Keras's path: `conv1/kernel`; one that comes again is `conv1/kernel#2`."""
    found: dict[str, Any] = {}
    for variable in model.variables:
        count = sum(path.partition("#")[0] == variable.path for path in found) + 1
        found[variable.path if count == 1 else f"{variable.path}#{count}"] = variable
    return found


def _turns(model: Any) -> dict[str, tuple[Turn, Turn]]:
    """Returns, for kernels that Keras does not hold as HWIO, what turns them so, and what turns them back."""
    paths = {id(variable): path for path, variable in _variables(model).items()}
    turns: dict[str, tuple[Turn, Turn]] = {}
    for layer in _parts(model):
        kind = type(layer).__name__
        if kind in ("DepthwiseConv2D", "SeparableConv2D"):
            kernel = layer.kernel if kind == "DepthwiseConv2D" else layer.depthwise_kernel
            rows, columns, inputs, times = kernel.shape
            turns[paths[id(kernel)]] = (
                lambda value, shape=(rows, columns, 1, inputs * times): value.reshape(shape),  # type: ignore[misc]
                lambda value, shape=(rows, columns, inputs, times): value.reshape(shape),  # type: ignore[misc]
            )
        elif kind == "Conv2DTranspose":
            swapped = lambda value: jnp.swapaxes(value, 2, 3)  # noqa: E731
            turns[paths[id(layer.kernel)]] = (swapped, swapped)
    return turns


def _as_it_is(value: Float[Array, "..."]) -> Float[Array, "..."]:
    return value
