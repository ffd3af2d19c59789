"""A Flax NNX model as a net: what its submodules return while the model itself runs.

    net = ck.nets.from_nnx(model, image_size=(224, 224), preprocessing=ck.nets.IMAGENET)
    net.layers                                             # ("stem.conv", "blocks.0.conv1", ...), in order of running
    ck.tune(net["blocks.0.conv1"], stimuli)

The model runs in a copy, in eval mode, and stays as it is. Submodules may run under `nnx.jit` and `nnx.remat`; what
runs under `nnx.scan` or `nnx.vmap` has an axis more than a map, and is no layer.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.extend import core

from circuitkit.errors import NetError
from circuitkit.nets.module_net import ModuleNet, Seen, Weights, called, keep, keep_output, trial
from circuitkit.nets.preprocessing import Preprocessing
from circuitkit.probe import Images
from circuitkit.receptive_field import Pair

_WATCH, _KEPT = "_circuitkit_watch", "_circuitkit_kept"


def from_nnx(
    model: nnx.Module,
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
    """Returns a Flax NNX model as a net. The model is not changed, and is not looked at again.

    Args:
        model: The model, from images (image, row, column, channel). Its copy is put into eval mode: batch norms use
            their running averages, dropouts are off.
        layers: Paths of the submodules to probe (`blocks.0.conv`); all that return a map if left out. `path#2` is what
            a submodule returns when it runs a second time, `output` what the model returns, if that is a map.
        rectify: Most submodules return what comes before the ReLU. True cuts all maps off below 0, a list of layers
            those. Their names stay.
        name: What reports call the net; the model's class if left out.
        image_size: Rows and columns of the images that it was made for. Left out, any will do, and 224 by 224 are
            tried.
        channels: Of the images that the model takes: 3 (grey images are given as RGB), or 1 (RGB is averaged).
        preprocessing: What becomes of images with values -1 to 1; they are given as they are if left out.
        method: The model's method that takes the images.
        arguments: What the method takes besides, such as {"train": False}.

    Raises:
        NetError: If this is no NNX model, it fails on images of this size, changes its own state as it runs, a weight
            of it is not finite, or a layer is no map.
        UnknownNameError: If there is no such layer.
    """
    title = type(model).__name__ if name is None else name
    if not isinstance(model, nnx.Module):
        raise NetError(
            f"net {title!r} is a {type(model).__name__}: wanted a Flax NNX module. from_linen takes Linen's, "
            "from_keras Keras's, FunctionNet any function."
        )
    if not callable(getattr(model, method, None)):
        raise NetError(f"net {title!r} has no method {method!r}: say with method= which one takes the images.")
    held = nnx.clone(model)
    held.eval()
    watch = _Watch()
    for steps, module in nnx.iter_modules(held):
        if steps and callable(module):
            module.__class__ = _watched(type(module))
            setattr(module, _WATCH, _Place(watch, ".".join(map(str, steps))))
    structure, state = nnx.split(held)
    leaves, tree = named_leaves(state)
    weights = {path: leaf for path, leaf in leaves.items() if is_weight(leaf)}
    for path, value in weights.items():
        if isinstance(value, jax.ShapeDtypeStruct) or not np.isfinite(np.asarray(value)).all():
            what = "has no value yet" if isinstance(value, jax.ShapeDtypeStruct) else "holds NaN or infinity"
            raise NetError(f"weight {path!r} of net {title!r} {what}: load or train the model first.")

    def apply(values: Mapping[str, Any], images: Images, seen: Seen) -> tuple[nnx.Module, Any]:
        # Copied, since variables belong to the trace that they were made in.
        module = nnx.merge(structure, jax.tree_util.tree_unflatten(tree, [values[path] for path in leaves]), copy=True)
        with watch.into(seen):
            return module, getattr(module, method)(images, **(arguments or {}))

    def run(weights: Weights, images: Images, seen: Seen, upto: str | None) -> None:
        del upto
        values = {path: weights[path].astype(leaf.dtype) if path in weights else leaf for path, leaf in leaves.items()}
        module, output = apply(values, images, seen)
        for steps, part in nnx.iter_modules(module):
            for count, value in enumerate(_kept(part), 1):
                seen[called(".".join(map(str, steps)), count)] = value
        keep_output(seen, output)

    def after(values: dict[str, Any], images: Images) -> dict[str, Any]:
        module, _ = apply(values, images, {})
        found, _ = named_leaves(nnx.split(module)[1])
        return {path: found[path] for path in values}

    net = ModuleNet(
        run,
        name=title,
        weights=weights,
        layers=layers,
        rectify=rectify,
        image_size=image_size,
        channels=channels,
        preprocessing=preprocessing,
    )
    changed = changes(after, leaves, trial(image_size, channels))
    if changed:
        raise NetError(
            f"net {title!r} changes its own state as it runs ({', '.join(changed[:4])}), as batch norms that learn and "
            "dropouts that are on do. If its method takes a switch for that, turn it: arguments={'train': False}."
        )
    return net


def named_leaves(state: Any) -> tuple[dict[str, Any], Any]:
    """Returns the leaves of a model's state by path (`blocks.0.conv.kernel`), and the tree that they hang in."""
    leaves, tree = jax.tree_util.tree_flatten_with_path(state)
    last = jax.tree_util.GetAttrKey("value")  # of a variable; an array that is an attribute has none

    def path(steps: Sequence[Any]) -> str:
        return jax.tree_util.keystr(tuple(step for step in steps if step != last), simple=True, separator=".")

    return {path(steps): leaf for steps, leaf in leaves}, tree


def is_weight(leaf: Any) -> bool:
    """Whether a leaf of a model's state is an array that it computes with, not the state of a random generator."""
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)


def changes(after: Callable[..., dict[str, Any]], values: dict[str, Any], *arguments: Any) -> list[str]:
    """Returns the names of values that a function does not hand back as they came, without running it.

    Args:
        after: From values by name, and arguments, to values by the same names.
        values: What it is traced with.
        *arguments: Likewise.
    """
    program = jax.make_jaxpr(after)(values, *arguments).jaxpr
    # A dictionary's leaves are in the order of its sorted names, on the way in and on the way out.
    pairs = zip(sorted(values), program.outvars, strict=True)
    return [name for place, (name, out) in enumerate(pairs) if _origin(program, out) != place]


def _origin(program: Any, out: Any) -> int | None:
    """Returns which input an output is, handed through nested programs perhaps; None if it was computed."""
    if isinstance(out, core.Literal):
        return None
    if out in program.invars:
        return program.invars.index(out)
    for equation in program.eqns:
        inner = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
        if out in equation.outvars and inner is not None:
            inner = getattr(inner, "jaxpr", inner)
            place = _origin(inner, inner.outvars[equation.outvars.index(out)])
            if place is not None and len(inner.invars) == len(equation.invars):
                return _origin(program, equation.invars[place])
    return None


class _Output(nnx.Variable[Any]):
    """What a submodule returned, each time that it ran. A variable gets out of `nnx.jit` and `nnx.remat`."""


class _Watch:
    """Where the submodules of one net put what they return, in the order in which they do."""

    def __init__(self) -> None:
        self._here = threading.local()

    @contextlib.contextmanager
    def into(self, seen: Seen) -> Iterator[None]:
        self._here.seen = seen
        yield

    def keep(self, path: str, value: Any) -> None:
        keep(self._here.seen, path, value)


class _Place(NamedTuple):
    """What a submodule is told: where it stands, and who watches."""

    watch: _Watch
    path: str


@functools.cache
def _watched(kind: type[nnx.Module]) -> type[nnx.Module]:
    """Returns a class of modules that do what another one's do, and keep what they return."""

    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        value = kind.__call__(self, *arguments, **options)
        place: _Place = getattr(self, _WATCH)
        place.watch.keep(place.path, value)
        setattr(self, _KEPT, _Output((*_kept(self), value)))
        return value

    return type(kind.__name__, (kind,), {"__call__": call, "__module__": kind.__module__})


def _kept(module: nnx.Module) -> tuple[Any, ...]:
    """Returns what a submodule has returned so far."""
    kept = getattr(module, _KEPT, None)
    return () if kept is None else kept.get_value()
