"""Images as they are optimised: colours, frequencies and a squashing, so that each step is a step of a natural image.

An image is stored as its spectrum, each frequency scaled by what natural images have of it (1/f), in colours that
natural images mix independently, and is squashed to -1..1. Gradient ascent then changes large shapes as readily as
pixels, and brightness more readily than hue.

Source: Olah, Mordvintsev, Schubert, "Feature Visualization", Distill (2017), Preconditioning and Parameterization. The
numbers are those of its library, lucid: the square root of ImageNet's colour covariance, and a quarter of the image
that the spectrum would give.
"""

import math
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt32

Colours = Literal["rgb", "grey"]

Spectrum = Float[Array, "image plane h half 2"]
"""Real and imaginary parts; the plane is a decorrelated colour."""

_COVARIANCE_ROOT = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], np.float32)

MIXING = _COVARIANCE_ROOT / np.linalg.norm(_COVARIANCE_ROOT, axis=0).max()
"""Red, green and blue (rows) of each decorrelated colour, the first of which is nearly grey."""

SPREAD = 0.01
"""Standard deviation of the spectrum at the start: nearly a grey image."""


def blank(keys: UInt32[Array, "image 2"], height: int, width: int, colours: Colours) -> Spectrum:
    """Returns the spectra of images that are nearly grey, one for each key."""
    shape = (3 if colours == "rgb" else 1, height, width // 2 + 1, 2)
    return SPREAD * jax.vmap(lambda key: jax.random.normal(key, shape))(keys)


def painted(spectrum: Spectrum, width: int) -> Float[Array, "image plane h w"]:
    """Returns the images, a plane for each channel, values -1 to 1.

    Args:
        spectrum: Of the images.
        width: In pixels; the spectrum leaves open whether it is odd.
    """
    height = spectrum.shape[2]
    scale = jnp.asarray(_scale(height, width))[None, None]
    waves = jax.lax.complex(spectrum[..., 0] * scale, spectrum[..., 1] * scale)
    planes = jnp.fft.irfft2(waves, s=(height, width))
    if planes.shape[1] == 3:
        mixed = jnp.einsum("nkhw,ck->nchw", planes, MIXING, precision="highest")
    else:
        mixed = planes * MIXING[:, 0].mean()
    return jnp.tanh(mixed / 2)


def _scale(height: int, width: int) -> Float[np.ndarray, "h half"]:
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    largest = 1 / np.maximum(frequency, 1 / max(height, width))
    return (largest * math.sqrt(height * width) / 4).astype(np.float32)
