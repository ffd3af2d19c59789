"""The small net as it is trained: with a batch norm after each convolution, which `folded` works into the kernels."""

import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from circuitkit.nets.sequential import Pool
from circuitkit.nets.small import HEAD, STEPS, WIDTHS

EPSILON = 1e-5
SMALLER = 0.1
"""Kernels of the first layer at the start, over those of the other layers, which are LeCun's."""


class SmallNet(nnx.Module):
    """The steps of `circuitkit.nets.small`, each convolution with batch norm and ReLU."""

    def __init__(self, classes: int, *, rngs: nnx.Rngs) -> None:
        self.convs, self.norms, sources = nnx.Dict(), nnx.Dict(), 3
        for step in STEPS:
            if isinstance(step, Pool):
                continue
            side, units = WIDTHS[step.name]
            self.convs[step.name] = nnx.Conv(
                sources, units, (side, side), step.stride, padding=step.pad, use_bias=False, rngs=rngs
            )
            if sources == 3:
                # A batch norm takes no notice of the size of its kernel, but steps do: they outgrow the noise that it
                # started from, so that filters can be seen.
                self.convs[step.name].kernel[...] *= SMALLER
            self.norms[step.name] = nnx.BatchNorm(units, momentum=0.9, epsilon=EPSILON, rngs=rngs)
            sources = units
        self.dense = nnx.Linear(sources, classes, rngs=rngs)

    def __call__(self, images: Float[Array, "image h w 3"]) -> Float[Array, "image class"]:
        """Returns logits of images with values -1 to 1."""
        x = images
        for step in STEPS:
            if isinstance(step, Pool):
                x = nnx.max_pool(x, (step.size,) * 2, (step.size,) * 2)
            else:
                x = nnx.relu(self.norms[step.name](self.convs[step.name](x)))
        return self.dense(x.mean((1, 2)))


def folded(model: SmallNet) -> dict[str, Float[np.ndarray, "..."]]:
    """Returns the weights of the same function without norms: `conv1.kernel` (HWIO), `conv1.bias`, and so on."""
    weights: dict[str, np.ndarray] = {}
    for name in WIDTHS:
        norm = model.norms[name]
        gain = np.asarray(norm.scale[...]) / np.sqrt(np.asarray(norm.var[...]) + EPSILON)
        weights[f"{name}.kernel"] = np.asarray(model.convs[name].kernel[...]) * gain
        weights[f"{name}.bias"] = np.asarray(norm.bias[...]) - np.asarray(norm.mean[...]) * gain
    weights[f"{HEAD.name}.kernel"] = np.asarray(model.dense.kernel[...])
    weights[f"{HEAD.name}.bias"] = np.asarray(model.dense.bias[...])
    return weights
