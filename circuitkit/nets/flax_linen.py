"""A Flax Linen model as a net: what its submodules return while the model itself runs.

net = ck.nets.from_linen(model, variables, image_size=(224, 224), arguments={"train": False})
net.layers                                             # ("Conv_0", "Block_0.Conv_1", ...), in order of running
ck.tune(net["Block_0.Conv_1"], stimuli)
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen
from flax.core import unfreeze

from circuitkit.errors import NetError
from circuitkit.nets.module_net import ModuleNet, Seen, Weights, called, keep, keep_output
from circuitkit.nets.preprocessing import Preprocessing
from circuitkit.probe import Images
from circuitkit.receptive_field import Pair

_SOWN = "intermediates"


def from_linen(
    module: linen.Module,
    variables: Mapping[str, Any],
    *,
    layers: Sequence[str] | None = None,
    rectify: bool | Collection[str] = False,
    name: str | None = None,
    image_size: Pair | None = None,
    channels: int = 3,
    preprocessing: Preprocessing | None = None,
    method: str = "__call__",
    arguments: Mapping[str, Any] | None = None,
) -> ModuleNet:
    """Returns a Flax Linen model as a net.

    Args:
        module: The model, from images (image, row, column, channel).
        variables: What `init` returned, trained: {"params": ..., "batch_stats": ...}.
        layers: Paths of the submodules to probe (`Block_0.Conv_1`); all that return a map if left out. `path#2` is what
            a submodule returns when it runs a second time, `output` what the model returns, if that is a map. What a
            submodule sows into `intermediates` is called `path.name`.
        rectify: Most submodules return what comes before the ReLU. True cuts all maps off below 0, a list of layers
            those. Their names stay.
        name: What reports call the net; the model's class if left out.
        image_size: Rows and columns of the images that it was made for. Left out, any will do, and 224 by 224 are
            tried.
        channels: Of the images that the model takes: 3 (grey images are given as RGB), or 1 (RGB is averaged).
        preprocessing: What becomes of images with values -1 to 1; they are given as they are if left out.
        method: The model's method that takes the images.
        arguments: What the method takes besides, such as {"train": False}. A batch norm that learns, or a dropout that
            is on, makes the model fail, and is refused.

    Raises:
        NetError: If this is no Linen model with its variables, it fails on images of this size, a weight is not finite,
            or a layer is no map.
        UnknownNameError: If there is no such layer.
    """
    title = type(module).__name__ if name is None else name
    if not isinstance(module, linen.Module):
        raise NetError(
            f"net {title!r} is a {type(module).__name__}: wanted a Flax Linen module. from_nnx takes NNX's, from_keras "
            "Keras's, FunctionNet any function."
        )
    if not isinstance(variables, Mapping) or "params" not in variables:
        came = f"{sorted(variables)}" if isinstance(variables, Mapping) else f"a {type(variables).__name__}"
        raise NetError(f"net {title!r} got variables with {came}: wanted a mapping with 'params', as init returns it.")
    if not callable(getattr(module, method, None)):
        raise NetError(f"net {title!r} has no method {method!r}: say with method= which one takes the images.")
    held = {collection: unfreeze(tree) for collection, tree in variables.items() if collection != _SOWN}
    paths, tree = jax.tree_util.tree_flatten_with_path(held)
    leaves = {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in paths}
    weights = {path: leaf for path, leaf in leaves.items() if jnp.issubdtype(jnp.result_type(leaf), jnp.floating)}
    for path, value in weights.items():
        if not np.isfinite(np.asarray(value)).all():
            raise NetError(f"weight {path!r} of net {title!r} holds NaN or infinity.")

    def run(weights: Weights, images: Images, seen: Seen, upto: str | None) -> None:
        del upto
        values = [
            weights[path].astype(jnp.result_type(leaf)) if path in weights else leaf for path, leaf in leaves.items()
        ]

        def watch(following: Any, given: Any, options: Any, context: Any) -> Any:
            value = following(*given, **options)
            if context.method_name == "__call__" and context.module.path:
                keep(seen, ".".join(context.module.path), value)
            return value

        # Seen as it runs, for the order; and sown, which is how a value gets out of nn.jit and nn.remat.
        with linen.intercept_methods(watch):
            output, sown = module.apply(
                jax.tree_util.tree_unflatten(tree, values),
                images,
                **(arguments or {}),
                method=method,
                mutable=[_SOWN],
                capture_intermediates=lambda part, name: name == "__call__" and bool(part.path),
            )
        seen.update(_named(sown.get(_SOWN, {}), ()))
        keep_output(seen, output)

    return ModuleNet(
        run,
        name=title,
        weights=weights,
        layers=layers,
        rectify=rectify,
        image_size=image_size,
        channels=channels,
        preprocessing=preprocessing,
    )


def _named(sown: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Yields what was sown, by the path of who did it; outputs have no name of their own."""
    for key, value in sown.items():
        if isinstance(value, Mapping):
            yield from _named(value, (*path, key))
        elif isinstance(value, tuple):
            for count, each in enumerate(value, 1):
                yield called(".".join(path if key == "__call__" else (*path, key)), count), each
