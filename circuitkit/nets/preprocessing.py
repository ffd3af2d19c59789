"""What a trained net wants its images to look like.

Images of circuitkit have values -1 (black) to 1 (white), 0 being mid grey, so that a stimulus needs no knowledge of
the net it is shown to. A net's preprocessing turns these into what the net was trained on.
"""

import dataclasses
import math
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from circuitkit import checks
from circuitkit.errors import NetError, unknown_name

Colours = Literal["RGB", "BGR", "GREY"]
Triple = tuple[float, float, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """A net's input, from brightness 0 (black) to 1 (white): `(brightness * scale - mean) / std`.

    Attributes:
        scale: Value of white before the mean is taken off: 1, or 255 for nets fed with bytes.
        mean: Taken off each channel, in the net's channel order.
        std: Divides each channel, in the net's channel order.
        colours: The net's channel order. GREY nets have one channel and use the first mean and std.

    Raises:
        NetError: If a number is missing, not finite, or a std is not positive.
    """

    scale: float = 1.0
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)
    colours: Colours = "RGB"

    def __post_init__(self) -> None:
        if self.colours not in ("RGB", "BGR", "GREY"):
            raise unknown_name("channel order", self.colours, ("RGB", "BGR", "GREY"), owner="preprocessing")
        if len(self.mean) != 3 or len(self.std) != 3:
            raise NetError(f"preprocessing has mean={self.mean} and std={self.std}: wanted three numbers each.")
        if not all(math.isfinite(value) for value in (self.scale, *self.mean, *self.std)):
            raise NetError(f"preprocessing holds NaN or infinity: {self}.")
        if self.scale <= 0 or min(self.std) <= 0:
            raise NetError(f"preprocessing has scale={self.scale} and std={self.std}: wanted numbers above 0.")

    def __call__(self, images: Float[Array, "image h w _"]) -> Float[Array, "image h w _"]:
        """Returns images as the net wants them.

        Args:
            images: Grey (1 channel) or RGB (3), values -1 to 1.

        Raises:
            ImageError: If the images have the wrong rank or channel count, or hold NaN or infinity.
        """
        checks.images(images)
        brightness = (images + 1) / 2
        if self.colours == "GREY":
            return (jnp.mean(brightness, -1, keepdims=True) * self.scale - self.mean[0]) / self.std[0]
        brightness = jnp.broadcast_to(brightness, (*images.shape[:3], 3))
        if self.colours == "BGR":
            brightness = brightness[..., ::-1]
        mean, std = (jnp.asarray(each, jnp.float32)[None, None, None] for each in (self.mean, self.std))
        return (brightness * self.scale - mean) / std


IMAGENET = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
"""RGB from 0 to 1, each channel standardised by ImageNet's mean and standard deviation."""

CAFFE = Preprocessing(scale=255.0, mean=(104.0, 117.0, 123.0), colours="BGR")
"""BGR from 0 to 255, less ImageNet's mean. Source: `mean_value` in the training files of BVLC's reference models."""

CAFFE_DENSE = Preprocessing(scale=255.0, mean=(103.94, 116.78, 123.68), std=(1 / 0.017,) * 3, colours="BGR")
"""BGR from 0 to 255, less the mean, times 0.017. Source: the Caffe version of DenseNet, from which the zoo's comes."""
