"""The trained nets that come with circuitkit: small ones, trained on CIFAR-10 by `experiments/small_net`.

    net = ck.nets.small()                       # seed 0; 1 and 2 are others
    twin = ck.nets.small(0, rotated=True)       # the same, but that its training images were turned by any angle

Five convolutions, 7 x 7 at stride 2 and then 3 x 3, with a max-pool after the second, a mean over positions and ten
logits. Batch norms are folded into kernels and biases, so what is kept is convolutions alone.
"""

from collections.abc import Mapping
from importlib import resources

import numpy as np
from jaxtyping import Float

from circuitkit.errors import NetError
from circuitkit.nets.sequential import Conv, Head, Pool, SequentialNet
from circuitkit.nets.weights_file import read_weights

SEEDS = (0, 1, 2)
ROTATED_SEEDS = SEEDS
"""Seeds of which the twin comes along that was trained on turned images."""

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""What the ten logits stand for."""

STEPS = (
    Conv("conv1", stride=2, pad=3),
    Conv("conv2", pad=1),
    Pool("pool2"),
    Conv("conv3", pad=1),
    Conv("conv4", pad=1),
    Conv("conv5", pad=1),
)
"""The net, layer by layer; `WIDTHS` has the shapes."""

WIDTHS = {"conv1": (7, 32), "conv2": (3, 64), "conv3": (3, 96), "conv4": (3, 128), "conv5": (3, 128)}
"""Side of the kernels and number of units of each convolution."""

HEAD = Head("dense")
SIDE = 32
"""Of the images that it was trained on, in pixels."""


def small(seed: int = 0, *, rotated: bool = False) -> SequentialNet:
    """Returns one of the nets that come with circuitkit.

    Args:
        seed: Of its training: 0, 1 or 2. Two nets of one seed began with the same weights, and saw the same images in
            the same order.
        rotated: Whether its training images were turned by any angle.

    Raises:
        NetError: If there is no such net.
    """
    seeds, kind = (ROTATED_SEEDS, "rotated small net") if rotated else (SEEDS, "small net")
    if seed not in seeds:
        raise NetError(f"there is no {kind} of seed {seed}: wanted one of {', '.join(map(str, seeds))}.")
    name = small_name(seed, rotated=rotated)
    with resources.as_file(resources.files("circuitkit.nets") / "trained_weights" / f"{name}.safetensors") as path:
        return small_of(read_weights(path), name=name)


def small_name(seed: int, *, rotated: bool = False) -> str:
    """Returns what a small net is called: `small-0`, or `small-0-rotated`."""
    return f"small-{seed}" + ("-rotated" if rotated else "")


def small_of(weights: Mapping[str, Float[np.ndarray, "..."]], *, name: str) -> SequentialNet:
    """Returns a small net with weights of its own."""
    return SequentialNet(STEPS, weights, name=name, head=HEAD, image_size=(SIDE, SIDE))
