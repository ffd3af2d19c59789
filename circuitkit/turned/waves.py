"""Images that are known exactly when they are turned: sums of plane waves, on whatever pixels a unit sees.

The images of `circuitkit.equivariance.plane_waves`, for any rectangle of pixels about any centre, and for mirrors as
well; each is scaled to a root mean square of 1/3, so that it keeps to -1..1 but for three pixels in a thousand. Waves
of colour go to and fro along a random direction of the colour space.

    waves = Waves.drawn(count=64, seed=0)
    waves.images([0, 1], band=0.25, motion=Motion(15), x=columns, y=rows)      # (2, row, column, 1)
"""

import dataclasses
from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from jaxtyping import Float

from circuitkit.geometry import cos_sin
from circuitkit.symmetry import Motion

CONTRAST = 1 / 3
"""Root mean square of an image, over all of the plane."""

Method = Literal["bilinear", "bicubic"]
METHODS: tuple[Method, ...] = ("bilinear", "bicubic")


@dataclasses.dataclass(frozen=True, eq=False)
class Waves:
    """Sums of plane waves, at any highest frequency.

    Attributes:
        radius: Frequency of each wave, as a share of the highest one; the disc is filled evenly.
        direction: Of each wave, in radians.
        phase: At the centre, in radians.
        amplitude: Scaled, so that every image has the same contrast.
        colour: Red, green and blue of each wave, of length 3 ** 0.5; or a single 1, for grey.
    """

    radius: Float[np.ndarray, "image wave"]
    direction: Float[np.ndarray, "image wave"]
    phase: Float[np.ndarray, "image wave"]
    amplitude: Float[np.ndarray, "image wave"]
    colour: Float[np.ndarray, "image wave channel"]

    @classmethod
    def drawn(cls, *, count: int, seed: int, waves: int = 40, channels: int = 1) -> Self:
        """Returns random ones: of each image's numbers, the same as `equivariance.plane_waves` draws."""
        rng, shape = np.random.default_rng(seed), (count, waves)
        radius, direction = np.sqrt(rng.uniform(size=shape)), rng.uniform(0, 2 * np.pi, shape)
        phase, amplitude = rng.uniform(0, 2 * np.pi, shape), rng.normal(size=shape)
        amplitude *= CONTRAST / np.sqrt((amplitude**2).sum(1, keepdims=True) / 2)
        colour = np.ones((*shape, 1))
        if channels == 3:
            colour = rng.normal(size=(*shape, 3))
            colour *= np.sqrt(3) / np.linalg.norm(colour, axis=-1, keepdims=True)
        return cls(radius, direction, phase, amplitude, colour)

    def images(
        self,
        numbers: Sequence[int],
        *,
        band: float,
        motion: Motion,
        x: Float[np.ndarray, " w"],
        y: Float[np.ndarray, " h"],
    ) -> Float[np.ndarray, "image h w channel"]:
        """Returns some of the images, carried by a motion about the centre, at the pixels of some columns and rows.

        Args:
            numbers: Which.
            band: Highest frequency, in cycles per pixel.
            motion: Any; nothing is interpolated.
            x: Of each column, to the right of the centre, in pixels.
            y: Of each row, up from the centre, in pixels.
        """
        chosen = np.asarray(numbers)
        direction = (-1 if motion.mirror else 1) * self.direction[chosen] + np.deg2rad(motion.turn)
        frequency = 2 * np.pi * band / motion.scale * self.radius[chosen]
        # Products of a function of x and one of y, added up by a matrix product, in float64.
        rows = np.exp(1j * (frequency * np.sin(direction))[:, None] * y[None, :, None])
        columns = np.exp(1j * (frequency * np.cos(direction))[..., None] * x[None, None])
        weights = self.amplitude[chosen] * np.exp(1j * self.phase[chosen])
        colour = self.colour[chosen]
        if colour.shape[-1] == 3:
            colour = colour @ motion.colour_matrix.T
        channels = np.moveaxis(weights[..., None] * colour, -1, 0)
        shown = [((rows * channel[:, None]) @ columns).real for channel in channels]
        return np.stack(shown, axis=-1).astype(np.float32)

    def interpolated(
        self,
        numbers: Sequence[int],
        *,
        band: float,
        motion: Motion,
        x: Float[np.ndarray, " w"],
        y: Float[np.ndarray, " h"],
        method: Method,
    ) -> Float[np.ndarray, "image h w channel"]:
        """Returns the same images as one gets who has only their pixels: carried by interpolation between them.

        Args:
            numbers: Which.
            band: Highest frequency, in cycles per pixel.
            motion: Any.
            x: Of each column, to the right of the centre, in pixels.
            y: Of each row, up from the centre, in pixels.
            method: `bilinear`, or `bicubic`: by Keys's kernel, as image libraries do.

        Source:
            Keys, "Cubic Convolution Interpolation for Digital Image Processing" (1981), with a = -1/2.
        """
        taps = 2 if method == "bilinear" else 4
        # The pixels of the net's own grid, as far around as turned corners need.
        back = motion.inverse()
        reach = np.hypot(np.abs(x).max(), np.abs(y).max()) * max(1.0, back.scale) + taps
        left, down = x[0] - np.ceil(reach + x[0]), y[-1] - np.ceil(reach + y[-1])
        wide, high = (first + np.arange(np.ceil(reach - first) + 1) for first in (left, down))
        known = self.images(numbers, band=band, motion=Motion(hue=motion.hue), x=wide, y=high)
        across, up = np.meshgrid(back.scale * x, back.scale * y)
        cos, sin = cos_sin(back.turn)
        up = -up if back.mirror else up
        column, row = cos * across - sin * up - left, sin * across + cos * up - down
        found = np.zeros((len(known), *across.shape, known.shape[-1]))
        for down_by in range(1 - taps // 2, 1 + taps // 2):
            for right_by in range(1 - taps // 2, 1 + taps // 2):
                r, c = np.floor(row).astype(int) + down_by, np.floor(column).astype(int) + right_by
                share = _kernel(method, row - r) * _kernel(method, column - c)
                found += share[..., None] * known[:, r, c]
        return found.astype(np.float32)


def _kernel(method: Method, distance: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Returns the weight of a pixel so far away, along one axis."""
    t = np.abs(distance)
    if method == "bilinear":
        return 1 - t
    return np.where(t <= 1, (1.5 * t - 2.5) * t**2 + 1, ((-0.5 * t + 2.5) * t - 4) * t + 2)
