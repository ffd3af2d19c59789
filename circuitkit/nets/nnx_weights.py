"""Weights from a safetensors file into a Flax NNX model.

    model = TinyVGG(nnx.Rngs(0))
    ck.nets.load_safetensors(model, "tinyvgg.safetensors")

A tensor goes where its name says: `blocks.0.conv.kernel`, or `blocks/0/conv/kernel`, is that attribute of the model.
All names and shapes have to fit, both ways, and nothing is written before they do. The format holds numbers and names
alone: nothing is unpickled.
"""

import os
from collections.abc import Callable, Mapping
from typing import Literal

import jax
import numpy as np
from flax import nnx
from jaxtyping import Shaped

from circuitkit.errors import NetError, unknown_name
from circuitkit.nets.flax_nnx import is_weight, named_leaves
from circuitkit.nets.weights_file import read_tensors

Names = Mapping[str, str | None] | Callable[[str], str | None]
Tensors = dict[str, Shaped[np.ndarray, "..."]]


def load_safetensors(
    model: nnx.Module,
    path: str | os.PathLike[str],
    names: Names | None = None,
    *,
    kernels: Literal["HWIO", "OIHW"] = "HWIO",
) -> None:
    """Writes the tensors of a safetensors file into a model, in place.

    Args:
        model: The model.
        path: The file.
        names: Where a tensor of the file goes, by its name: a path in the model, with dots, or None if it is not
            wanted. A mapping may say it of some; the others go where their own names say.
        kernels: How the file has its kernels. OIHW is PyTorch's way, with (output, input) for linear layers; they are
            turned round. A linear layer behind a flattening needs more than that, and is for the caller to reorder.

    Raises:
        NetError: If the file cannot be read, is cut short, or is a pickle; if tensors are missing, left over, or of
            another shape than the model's; or if one holds anything but finite floats. The model is then as it was.
        UnknownNameError: If `names` is of a tensor that the file does not have.
    """
    file = os.fspath(path)
    title = type(model).__name__
    if not isinstance(model, nnx.Module):
        raise NetError(f"weights {file!r} are for a {title}: wanted a Flax NNX module.")
    if kernels not in ("HWIO", "OIHW"):
        raise unknown_name("order of axes", kernels, ("HWIO", "OIHW"), owner=f"weights {file!r}")
    tensors = _renamed(read_tensors(file), names, file)
    leaves, tree = named_leaves(nnx.state(model))
    wanted = {name: leaf for name, leaf in leaves.items() if is_weight(leaf)}
    missing = [name for name in wanted if name not in tensors]
    left_over = [name for name in tensors if name not in wanted]
    if missing or left_over:
        raise NetError(
            f"weights {file!r} do not fit {title}: {_listed('missing', missing)}; {_listed('left over', left_over)}. "
            "Say with names= where a tensor of the file goes (None: nowhere)."
        )
    values = {}
    for name, leaf in wanted.items():
        value = tensors[name]
        if kernels == "OIHW":
            value = value.transpose({4: (2, 3, 1, 0), 2: (1, 0)}.get(value.ndim, range(value.ndim)))
        if value.shape != leaf.shape:
            turned = sorted(value.shape) == sorted(leaf.shape)
            raise NetError(
                f"weight {name!r} of {title} got shape {value.shape} from {file!r}: wanted {leaf.shape}."
                + (" The file may have its kernels in another order of axes: see kernels=." if turned else "")
            )
        # bfloat16 is no float to NumPy, so JAX is asked.
        if not jax.numpy.issubdtype(value.dtype, jax.numpy.floating):
            raise NetError(f"weight {name!r} of {title} got type {value.dtype} from {file!r}: wanted floats.")
        with np.errstate(over="ignore"):  # what overflows is refused, with its name
            values[name] = value.astype(leaf.dtype)
        if not np.isfinite(values[name]).all():
            raise NetError(f"weight {name!r} of {title} got NaN or infinity from {file!r}: wanted finite {leaf.dtype}.")
    new = [jax.numpy.asarray(values[name]) if name in values else leaf for name, leaf in leaves.items()]
    nnx.update(model, jax.tree_util.tree_unflatten(tree, new))


def _renamed(tensors: Tensors, names: Names | None, file: str) -> Tensors:
    """Returns tensors by the paths where they go."""
    if isinstance(names, Mapping):
        for name in names:
            if name not in tensors:
                raise unknown_name("tensor", name, tensors, owner=f"weights {file!r}")
        given = names
        place: Callable[[str], str | None] = lambda name: given.get(name, name)  # noqa: E731
    else:
        place = names or (lambda name: name)
    made: Tensors = {}
    for name, value in tensors.items():
        path = place(name)
        if path is None:
            continue
        path = path.replace("/", ".")
        if path in made:
            raise NetError(f"two tensors of {file!r} go to {path!r}, one of them {name!r}: wanted one.")
        made[path] = value
    return made


def _listed(what: str, names: list[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"{what}: {', '.join(names[:8]) or 'none'}{more}"
