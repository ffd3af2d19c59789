"""Edits of weights: what becomes of a kernel by each rule."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from circuitkit.errors import NetError, SpecError, unknown_name
from circuitkit.probe import Net, Weight
from circuitkit.relative_pose import relative_pose
from circuitkit.surgery.steps import Edit


def edited(net: Net, edits: Sequence[Edit], *, name: str) -> Net:
    """Returns the net with its weights edited, one edit after another; this one stays as it is.

    Args:
        net: Any net whose weights can be reached.
        edits: In order.
        name: Of the new net.

    Raises:
        NetError: If the net's weights cannot be reached.
        SpecError: If a kernel has no such unit or source, or the weight is no kernel.
        UnknownNameError: If there is no such weight.
    """
    if not edits:
        return net
    seen: list[str] = []

    def change(weight: Weight) -> Float[Array, "..."]:
        seen.append(weight.name)
        value = weight.value
        for edit in edits:
            if edit.weight == weight.name:
                if weight.role != "kernel" or value.ndim not in (2, 4):
                    raise SpecError(f"weight {weight.name!r} of net {net.name!r} is a {weight.role}: wanted a kernel.")
                value = jnp.asarray(_changed(np.asarray(value), edit), jnp.float32)
        return value

    made = net.with_weights(change, name=name)
    for edit in edits:
        if edit.weight not in seen:
            raise unknown_name("weight", edit.weight, seen, owner=f"net {net.name!r}")
    return made


def _changed(kernel: Float[np.ndarray, "..."], edit: Edit) -> Float[np.ndarray, "..."]:
    """Returns a kernel, HWIO or (input, output), of which the block that an edit speaks of is changed."""
    inputs, outputs = kernel.shape[-2:]
    units = range(outputs) if edit.units is None else edit.units
    sources = range(inputs) if edit.sources is None else edit.sources
    for called, wanted, there in (("unit", units, outputs), ("source", sources, inputs)):
        if max(wanted) >= there:
            raise SpecError(
                f"Edit of weight {edit.weight!r} names {called} {max(wanted)}: the kernel has {there}, counted from 0."
            )
    block = np.ix_(*map(range, kernel.shape[:-2]), sources, units)
    changed = kernel.copy()
    changed[block] = _by_rule(kernel[block], edit)
    return changed


def _by_rule(block: Float[np.ndarray, "..."], edit: Edit) -> Float[np.ndarray, "..."]:
    match edit.rule:
        case "zero":
            return np.zeros_like(block)
        case "positive":
            return np.maximum(block, 0)
        case "negative":
            return np.minimum(block, 0)
        case "shuffled":
            return np.random.default_rng(edit.seed).permutation(block.ravel()).reshape(block.shape)
        case "equivariant":
            return _equivariant(block, edit)
        case "rest":
            return block - _equivariant(block, edit)
    raise NetError(f"rule {edit.rule!r} has nothing to say of weights.")


def _equivariant(block: Float[np.ndarray, "..."], edit: Edit) -> Float[np.ndarray, "..."]:
    """Returns the part of a block (h, w, source, unit) that depends on relative pose alone."""
    shaped = block.reshape(*((1, 1) if block.ndim == 2 else block.shape[:2]), *block.shape[-2:])
    rows, columns = shaped.shape[:2]
    weights = xr.DataArray(
        np.transpose(shaped, (3, 2, 0, 1)),
        dims=("unit", "source", "y", "x"),
        coords={"y": (rows - 1) / 2 - np.arange(rows), "x": np.arange(columns) - (columns - 1) / 2},
    )
    found = relative_pose(
        weights,
        np.asarray(edit.unit_angles, float),
        np.asarray(edit.source_angles, float),
        unit_period=edit.unit_period,
        source_period=edit.source_period,
        exchanges=0,
    )
    return np.transpose(found.part.values, (2, 3, 1, 0)).reshape(block.shape)
