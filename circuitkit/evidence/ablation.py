"""Ablation: what a net no longer says when some units of an inner layer are silent.

    lost = ablated(net, "fire5", {"family": [130, 141], "others": [7, 12]}, images)
    lost.effect                                 # (set, image): how far the output moved

The layer's maps are computed once, the units' are set to zero, and the net is run on from there.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from circuitkit.compiling import jit
from circuitkit.errors import NetError
from circuitkit.examples import Frame
from circuitkit.probe import Net
from circuitkit.stimuli import FAST, LabelledSet

AT_ONCE = 8
"""Images in a block."""

SMALL_MAP = 9
"""Units along each side of the last layer's maps, for nets that were made for no size of images."""


def last(net: Net, layer: str) -> str | None:
    """Returns the layer whose maps are what a net says after a layer; None for a net that has an output.

    Raises:
        NetError: If neither the output nor any later layer follows from the layer alone.
    """
    try:
        if not net.also_reads((layer,), None):
            return None
    except NetError:  # it has no output
        pass
    later = net.layers[net.layers.index(layer) + 1 :]
    follow = [name for name in later if not net.also_reads((layer,), name)]
    if not follow:
        raise NetError(
            f"nothing in net {net.name!r} follows from layer {layer!r} alone: wanted a layer through which all passes."
        )
    return follow[-1]


def ablated(net: Net, layer: str, sets: Mapping[str, Sequence[int]], images: LabelledSet) -> xr.Dataset:
    """Returns how far a net's output moves when sets of units are silent.

    Args:
        net: The net.
        layer: The layer of the units, from which alone the output follows.
        sets: Channels, by what the set is called.
        images: Shown at the size that the net was made for, or else as large as a few units of its last layer see.

    Returns:
        (set, image) `effect`: for an output of one vector an image, the Kullback-Leibler divergence in nats of the
        softmax after the ablation from that before; for maps, the length of the difference over the length of what it
        was. (channel) `activity`: mean activation of the layer's units over images and places.

    Raises:
        NetError: If no output follows from the layer alone.
    """
    final = last(net, layer)
    size = None
    if net.image_size is None and final is not None:
        size = net[final].site(SMALL_MAP).height
    frame = Frame.of(net[layer], images, size, FAST)
    count = min(AT_ONCE, len(images))
    masks = np.ones((len(sets), len(net.unit_names(layer))), np.float32)
    for row, channels in enumerate(sets.values()):
        masks[row, list(channels)] = 0

    def look(items: Any) -> tuple[Float[Array, "..."], Float[Array, "..."], Float[Array, "image channel"]]:
        maps = net.maps(frame.draw(items), layer)
        return maps, _said(net, layer, final, maps), jnp.mean(maps, axis=(1, 2))

    def lose(maps: Any, mask: Float[Array, " channel"], whole: Any) -> Float[Array, " image"]:
        return _moved(whole, _said(net, layer, final, maps * mask.reshape(1, 1, 1, -1)))

    looking, losing = jit(look), jit(lose)
    effects, activity = np.zeros((len(sets), len(images))), []
    for start in range(0, len(images), count):
        indices = np.minimum(np.arange(start, start + count), len(images) - 1)
        held = slice(0, len(images) - start)
        maps, whole, mean = looking(images.items(indices))
        activity.append(np.asarray(mean)[held])
        for row, mask in enumerate(masks):
            effects[row, start : start + count] = np.asarray(losing(maps, jnp.asarray(mask), whole))[held]
    return xr.Dataset(
        {
            "effect": (("set", "image"), effects),
            "activity": ("channel", np.concatenate(activity).mean(0)),
        },
        coords={"set": list(sets)},
        attrs={"net": net.name, "layer": layer, "output": "output" if final is None else final},
    )


def _said(net: Net, layer: str, final: str | None, maps: Any) -> Float[Array, "image ..."]:
    return net.output_from({layer: maps}) if final is None else net.run_from({layer: maps}, final)


def _moved(before: Float[Array, "image ..."], after: Float[Array, "image ..."]) -> Float[Array, " image"]:
    if before.ndim == 2:
        old, new = jax.nn.log_softmax(before), jax.nn.log_softmax(after)
        return jnp.sum(jnp.exp(old) * (old - new), axis=1)
    flat, other = before.reshape(before.shape[0], -1), after.reshape(after.shape[0], -1)
    return jnp.linalg.norm(flat - other, axis=1) / jnp.maximum(jnp.linalg.norm(flat, axis=1), 1e-12)
