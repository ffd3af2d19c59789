"""The small net, as it is trained: five convolutions with batch norm, and as it is kept, with the norms folded in."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

STAGES = (
    ("conv1", 7, 32, True),
    ("conv2", 3, 64, False),
    ("conv3", 3, 96, True),
    ("conv4", 3, 128, False),
    ("conv5", 3, 128, False),
)
"""Of each convolution: name, side of its kernels, units, and whether a max-pool of two follows."""

EPSILON = 1e-5


class SmallNet(nnx.Module):
    """Five convolutions, each with batch norm and ReLU, a mean over positions, and one linear layer."""

    def __init__(self, classes: int, *, rngs: nnx.Rngs) -> None:
        self.convs, self.norms, sources = nnx.Dict(), nnx.Dict(), 3
        for name, side, units, _ in STAGES:
            self.convs[name] = nnx.Conv(sources, units, (side, side), use_bias=False, rngs=rngs)
            self.norms[name] = nnx.BatchNorm(units, momentum=0.9, epsilon=EPSILON, rngs=rngs)
            sources = units
        self.dense = nnx.Linear(sources, classes, rngs=rngs)

    def __call__(self, images: Float[Array, "image h w 3"]) -> Float[Array, "image class"]:
        """Returns logits of images with values -1 to 1."""
        x = images
        for name, _, _, pooled in STAGES:
            x = nnx.relu(self.norms[name](self.convs[name](x)))
            x = nnx.max_pool(x, (2, 2), (2, 2)) if pooled else x
        return self.dense(x.mean((1, 2)))


def folded(model: SmallNet) -> dict[str, Float[np.ndarray, "..."]]:
    """Returns the weights of the same function without norms: `conv1.kernel` (HWIO), `conv1.bias`, and so on."""
    weights: dict[str, np.ndarray] = {}
    for name, *_ in STAGES:
        norm = model.norms[name]
        gain = np.asarray(norm.scale[...]) / np.sqrt(np.asarray(norm.var[...]) + EPSILON)
        weights[f"{name}.kernel"] = np.asarray(model.convs[name].kernel[...]) * gain
        weights[f"{name}.bias"] = np.asarray(norm.bias[...]) - np.asarray(norm.mean[...]) * gain
    weights["dense.kernel"] = np.asarray(model.dense.kernel[...])
    weights["dense.bias"] = np.asarray(model.dense.bias[...])
    return weights


def maps(weights: Mapping[str, Float[Array, "..."]], images: Float[Array, "image h w 3"]) -> dict[str, Array]:
    """Returns the maps of every layer, by name: a pure function, fit for `circuitkit.nets.FunctionNet`."""
    x, found = images, {}
    for number, (name, _, _, pooled) in enumerate(STAGES, 1):
        x = jax.lax.conv_general_dilated(
            x, weights[f"{name}.kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        found[f"{name}_pre"] = x = x + weights[f"{name}.bias"][None, None, None]
        found[name] = x = nnx.relu(x)
        if pooled:
            found[f"pool{number}"] = x = nnx.max_pool(x, (2, 2), (2, 2))
    return found


def logits(
    weights: Mapping[str, Float[Array, "..."]], images: Float[Array, "image h w 3"]
) -> Float[Array, "image class"]:
    """Returns logits of the folded net."""
    last = maps(weights, images)[STAGES[-1][0]]
    return jnp.mean(last, (1, 2)) @ weights["dense.kernel"] + weights["dense.bias"][None]
