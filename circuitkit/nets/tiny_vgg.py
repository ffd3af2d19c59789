"""Tiny-VGG, the net of CNN Explainer: six small convolutions, ten classes, images of 64 pixels.

    net = ck.nets.load("tinyvgg.safetensors")

Source: Wang et al., "CNN Explainer: Learning Convolutional Neural Networks with Interactive Visualization", IEEE VIS
(2020); weights from github.com/poloclub/cnn-explainer, MIT licence.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from circuitkit.nets.preprocessing import Preprocessing
from circuitkit.nets.sequential import Conv, Head, Pool, SequentialNet

STEPS = tuple(step for n in (1, 2, 3) for step in (Conv(f"conv_{n}_1"), Conv(f"conv_{n}_2"), Pool(f"pool_{n}")))
SIDE = 64

CLASSES = (
    "lifeboat", "ladybug", "pizza", "bell pepper", "school bus", "koala", "espresso", "red panda", "orange", "sport car"
)  # fmt: skip
"""What the ten logits stand for."""


def tiny_vgg(weights: Mapping[str, Float[np.ndarray, "..."]], *, name: str = "tinyvgg") -> SequentialNet:
    """Returns the net with its weights, called `conv_1_1/kernel` and so on, kernels HWIO.

    Raises:
        NetError: If a weight is missing or left over.
        KernelError: If one has another shape.
    """
    dotted = {key.replace("/", "."): value for key, value in weights.items()}
    return SequentialNet(
        STEPS, dotted, name=name, head=Head("output", "all"), image_size=(SIDE, SIDE), preprocessing=Preprocessing()
    )
