"""Patterns: a value for every point, without an outline. Waves, checks, dots, textures, pictures.

Values are -1 to 1 about the background, and a pattern fills the image unless it has an `aperture`. Where a value
varies, it varies along x, so a grating's angle is the direction in which the luminance changes (its stripes lie
across), and a phase follows the Gabors of circuits: 0 is a light bar on the anchor, 90 an edge from dark to light.

Steps are cut like the outlines of figures: exact areas in the exact renderer. Smooth values are taken at the middle
of a pixel, so a wave of fewer than 2 pixels is drawn as the longer wave that has the same values there.
"""

import dataclasses
import os
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit.errors import StimulusError
from circuitkit.geometry import Degrees, Pixels, Scalar, bearing, norm, turning
from circuitkit.stimuli import noise
from circuitkit.stimuli.parameter import degrees, number, picture, pixels
from circuitkit.stimuli.render import Cut, Function, Points
from circuitkit.stimuli.stimulus import Pattern, stimulus

Raster = (
    Float[Array, "rows columns"]
    | Float[Array, "rows columns 3"]
    | Float[np.ndarray, "rows columns"]
    | Float[np.ndarray, "rows columns 3"]
)
"""Greys or colours, pixel by pixel, from -1 (black) to 1 (white)."""


@stimulus
class Grating(Pattern):
    """A sine wave. Its angle is the direction in which the luminance changes; the stripes lie across it."""

    wavelength: Pixels = pixels(
        default=8.0, doc="From one light stripe to the next; the pixel grid holds 2 and above.", above=0
    )
    phase: Degrees = degrees(default=0.0, doc="0 has a light stripe on the anchor, 90 an edge from dark to light.")

    def values(self, cut: Cut) -> Points:
        """Returns the wave."""
        x, _ = cut.points
        return _wave(x, self.wavelength, self.phase)


@stimulus
class SquareGrating(Pattern):
    """Light and dark stripes with sharp edges. Its angle is the direction in which the luminance changes."""

    wavelength: Pixels = pixels(default=12.0, doc="From one light stripe to the next.", above=0)
    phase: Degrees = degrees(default=0.0, doc="0 has the middle of a light stripe on the anchor, 180 of a dark one.")
    duty: Scalar = number(default=0.5, doc="Share of the light stripes.", at_least=0, at_most=1)

    def values(self, cut: Cut) -> Points:
        """Returns 1 on light stripes and -1 on dark ones."""
        return 2 * _light(cut, lambda x, y: x, self.wavelength, self.phase, self.duty) - 1


@stimulus
class Gabor(Pattern):
    """A sine wave under a Gaussian. Its angle is the direction in which the luminance changes.

    At phase 0 its mean is above the background by exp(-2 (pi sigma / wavelength)^2) of the window's: nothing to speak
    of unless the Gaussian holds less than half a wave.

    Source:
        Daugman, "Uncertainty relation for resolution in space, spatial frequency, and orientation optimized by
        two-dimensional visual cortical filters", JOSA A (1985).
    """

    wavelength: Pixels = pixels(
        default=10.0, doc="From one light stripe to the next; the pixel grid holds 2 and above.", above=0
    )
    phase: Degrees = degrees(default=0.0, doc="0 has a light stripe on the anchor, 90 an edge from dark to light.")
    sigma: Pixels = pixels(default=8.0, doc="Standard deviation of the Gaussian, across the stripes.", above=0)
    aspect: Scalar = number(default=1.0, doc="How much wider the Gaussian is along the stripes.", above=0)

    def values(self, cut: Cut) -> Points:
        """Returns the wave under its window."""
        x, y = cut.points
        return _wave(x, self.wavelength, self.phase) * _bell(x / self.sigma, y / (self.sigma * self.aspect))


@stimulus
class Plaid(Pattern):
    """Two sine waves that cross. Its angle is that of the first.

    Source:
        Adelson and Movshon, "Phenomenal coherence of moving visual patterns", Nature (1982).
    """

    wavelength: Pixels = pixels(default=10.0, doc="Of the first wave.", above=0)
    phase: Degrees = degrees(default=0.0, doc="Of the first wave; 0 has a light stripe on the anchor.")
    other_wavelength: Pixels = pixels(default=10.0, doc="Of the second wave.", above=0)
    other_phase: Degrees = degrees(default=0.0, doc="Of the second wave; 0 has a light stripe on the anchor.")
    crossing: Degrees = degrees(default=90.0, doc="From the direction of the first wave to that of the second.")
    balance: Scalar = number(default=0.5, doc="Amplitude of the second wave; the two sum to 1.", at_least=0, at_most=1)

    def values(self, cut: Cut) -> Points:
        """Returns the sum of the waves."""
        x, y = cut.points
        cos, sin = turning(self.crossing)
        first = _wave(x, self.wavelength, self.phase)
        second = _wave(cos * x + sin * y, self.other_wavelength, self.other_phase)
        return first + self.balance * (second - first)


@stimulus
class PolarGrating(Pattern):
    """A sine wave round the anchor: rings, spokes, or spirals if it has both.

    Source:
        Gallant, Braun and Van Essen, "Selectivity for polar, hyperbolic, and Cartesian gratings in macaque visual
        cortex", Science (1993).
    """

    wavelength: Pixels = pixels(
        default=12.0, doc="From ring to ring, outwards; infinite for spokes alone.", above=0, infinite=True
    )
    arms: Scalar = number(
        default=0.0, doc="Light spokes in the full turn; 0 for rings alone. Its sign is the way a spiral turns."
    )
    phase: Degrees = degrees(default=0.0, doc="0 has a light anchor, 180 a dark one.")

    def values(self, cut: Cut) -> Points:
        """Returns the wave."""
        x, y = cut.points
        waves = norm(x, y) * (1 / jnp.asarray(self.wavelength, jnp.float32))
        return jnp.cos(2 * jnp.pi * waves + self.arms * bearing(x, y) - jnp.deg2rad(self.phase))


@stimulus
class Checkerboard(Pattern):
    """Light and dark squares."""

    size: Pixels = pixels(default=8.0, doc="Side of a square.", above=0)
    phase: Degrees = degrees(default=0.0, doc="0 has the middle of a light square on the anchor, 90 a corner.")

    def values(self, cut: Cut) -> Points:
        """Returns 1 on light squares and -1 on dark ones; exact for squares along the grid."""
        across = _light(cut, lambda x, y: x, 2 * self.size, self.phase, 0.5)
        up = _light(cut, lambda x, y: y, 2 * self.size, self.phase, 0.5)
        return (2 * across - 1) * (2 * up - 1)


@stimulus
class Dots(Pattern):
    """Light dots on the background: on a lattice, strewn by the seed, or anything between.

    Row by row: each row runs along the angle, and is shifted against the one below it.
    """

    spacing: Pixels = pixels(default=12.0, doc="From a dot of the lattice to the next.", above=0)
    radius: Pixels = pixels(default=3.0, doc="Of the dots; up to the spacing.", at_least=0)
    stagger: Scalar = number(
        default=0.5, doc="Shift from row to row: 0 square, 0.5 hexagonal.", at_least=0, at_most=0.5
    )
    scatter: Scalar = number(default=0.0, doc="0 a lattice, 1 every dot anywhere in its cell.", at_least=0, at_most=1)

    def values(self, cut: Cut) -> Points:
        """Returns 1 on dots and 0 between them."""
        # Like a disc: a dot thinner than a pixel is thin both ways.
        return cut(self.to_nearest).between(-self.radius, self.radius) * jnp.minimum(2 * self.radius, 1)

    def to_nearest(self, x: Points, y: Points) -> Points:
        """Returns the distance from the middle of the nearest dot, in pixels."""
        # Rows as far apart as makes the dots of two rows neighbours at the same spacing.
        between_rows = self.spacing * jnp.sqrt(1 - jnp.asarray(self.stagger, jnp.float32) ** 2)
        seed = jnp.asarray(self.seed, jnp.float32)
        nearest_row = jnp.round(y / between_rows)

        def to_dot(right: Float[Array, ""], up: Float[Array, ""]) -> Points:
            row = nearest_row + up
            column = jnp.round(x / self.spacing - self.stagger * row) + right
            off_right, off_up = (self.scatter * (noise.uniform(column, row, seed + salt) - 0.5) for salt in (0.25, 0.5))
            return norm(x - self.spacing * (column + self.stagger * row + off_right), y - between_rows * (row + off_up))

        right, up = jnp.meshgrid(jnp.arange(-1.0, 2.0), jnp.arange(-1.0, 2.0))
        return jnp.min(jax.vmap(to_dot)(right.ravel(), up.ravel()), axis=0)


@stimulus
class CentreSurround(Pattern):
    """A light disc in a ring of another value."""

    radius: Pixels = pixels(default=8.0, doc="Of the disc.", at_least=0)
    thickness: Pixels = pixels(default=8.0, doc="Of the ring.", at_least=0)
    strength: Scalar = number(
        default=-1.0, doc="Of the ring: -1 as dark as the disc is light, 0 none.", at_least=-1, at_most=1
    )
    blur: Pixels = pixels(default=0.0, doc="Standard deviation of a Gaussian that softens the edges.", at_least=0)

    def values(self, cut: Cut) -> Points:
        """Returns 1 on the disc and the ring's value round it."""
        centre, ring = centre_and_ring(cut, self.radius, self.thickness, self.blur)
        return centre + self.strength * ring


@stimulus
class DifferenceOfGaussians(Pattern):
    """A light centre in a dark surround, both Gaussian.

    Source:
        Rodieck, "Quantitative analysis of cat retinal ganglion cell response to visual stimuli", Vision Research
        (1965). The ratio 1.6, of Marr and Hildreth, "Theory of edge detection" (1980), comes nearest to the
        Laplacian of a Gaussian.
    """

    sigma: Pixels = pixels(default=5.0, doc="Standard deviation of the centre.", above=0)
    ratio: Scalar = number(default=1.6, doc="How much wider the surround is.", above=1)
    balance: Scalar = number(
        default=1.0, doc="Sum of the surround over that of the centre: 1 has mean 0.", at_least=0, at_most=1
    )

    def values(self, cut: Cut) -> Points:
        """Returns the difference, 1 in the middle."""
        x, y = cut.points
        height = self.balance / jnp.asarray(self.ratio, jnp.float32) ** 2
        wide = self.sigma * self.ratio
        return (_bell(x / self.sigma, y / self.sigma) - height * _bell(x / wide, y / wide)) / (1 - height)


@stimulus
class HighLow(Pattern):
    """A texture of high frequency on one side of a boundary and of low frequency on the other.

    Both sides are products of two cosines, with the same amplitude and the same mean, so nothing but the frequency
    tells them apart. The boundary runs through the anchor, and the angle points to the side of high frequency.

    Source:
        Schubert et al., "High-Low Frequency Detectors", Distill (2021), Tuning curves: all orientations against
        the ratio of the frequencies. There the size of the low side is not given.
    """

    wavelength: Pixels = pixels(default=16.0, doc="On the side of low frequency.", above=0)
    ratio: Scalar = number(default=3.0, doc="Of the frequencies; 1 has no boundary.", above=0)
    phase: Degrees = degrees(default=0.0, doc="Of all the cosines; 0 has a light spot on the anchor.")
    blur: Pixels = pixels(default=0.0, doc="Standard deviation of a Gaussian that softens the boundary.", at_least=0)

    def values(self, cut: Cut) -> Points:
        """Returns the texture of either side."""
        low, high = (self._texture(cut, wavelength) for wavelength in (self.wavelength, self.wavelength / self.ratio))
        return high + (low - high) * behind(cut, self.blur)

    def _texture(self, cut: Cut, wavelength: Pixels) -> Points:
        x, y = cut.points
        return _wave(x, wavelength, self.phase) * _wave(y, wavelength, self.phase)


@stimulus
class NoiseTexture(Pattern):
    """Noise, every grey nearly as frequent as any other: from grains of one size to clouds.

    Source:
        Field, "Relations between the statistics of natural images and the response properties of cortical cells",
        JOSA A (1987): natural images have a slope of about 1.
    """

    scale: Pixels = pixels(default=3.0, doc="Size of the finest grains.", above=0)
    slope: Scalar = number(
        default=1.0, doc="Amplitude falls as 1 / frequency**slope: 0 grains, 1 clouds.", at_least=0, at_most=4
    )

    def values(self, cut: Cut) -> Points:
        """Returns the noise."""
        x, y = cut.points
        return _evened(noise.pink(x / self.scale, y / self.scale, self.seed, slope=self.slope))


@stimulus
class OrientedTexture(Pattern):
    """Streaks along its angle, like fur: noise, stretched.

    Source:
        Olah et al., "An Overview of Early Vision in InceptionV1", Distill (2020), Oriented fur. The texture is ours.
    """

    scale: Pixels = pixels(default=3.0, doc="Thickness of the streaks.", above=0)
    elongation: Scalar = number(default=6.0, doc="Their length over their thickness.", above=0)

    def values(self, cut: Cut) -> Points:
        """Returns the streaks, every grey nearly as frequent as any other."""
        x, y = cut.points
        return _evened(noise.smooth(x / (self.scale * self.elongation), y / self.scale, self.seed))


@stimulus
class Picture(Pattern):
    """A picture of one's own, with its middle on the anchor; beyond its border it goes on mirrored.

    Its mid grey becomes the background. It is interpolated between pixels, not averaged: below a scale of 1, draw it
    with `Renderer(samples=...)`, or shrink it before.
    """

    image: Raster = picture(doc="What is shown.")
    scale: Scalar = number(default=1.0, doc="Size of the picture's pixels in those of the image.", above=0)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], **parameters: Any) -> Self:
        """Reads a picture; grey pictures stay grey, and what is transparent becomes mid grey.

        Args:
            path: Of a file that Pillow reads: PNG, JPEG, and others.
            **parameters: The other parameters, by name.

        Raises:
            StimulusError: If the file cannot be read, or has more than 8 bits a channel.
        """
        return cls(image=_read(os.fspath(path)), **parameters)

    def values(self, cut: Cut) -> Points | Float[Array, "h w 3"]:
        """Returns the picture, as seen from every point."""
        x, y = (axis / self.scale for axis in cut.points)
        image = jnp.asarray(self.image, jnp.float32)
        rows, columns = image.shape[:2]
        places = [(rows - 1) / 2 - y, (columns - 1) / 2 + x]

        def sampled(channel: Float[Array, "rows columns"]) -> Points:
            return jax.scipy.ndimage.map_coordinates(channel, places, order=1, mode="reflect")

        return sampled(image) if image.ndim == 2 else jax.vmap(sampled, in_axes=2, out_axes=2)(image)


def behind(cut: Cut, blur: Pixels) -> Points:
    """Returns the share of each pixel where x is negative, in the pattern's own frame, with a blurred boundary."""
    return dataclasses.replace(cut, blur=blur)(lambda x, y: x).below(0)


def centre_and_ring(cut: Cut, radius: Pixels, thickness: Pixels, blur: Pixels) -> tuple[Points, Points]:
    """Returns the shares of each pixel in a disc round the anchor, and in the ring round the disc."""
    edges = dataclasses.replace(cut, blur=blur)(norm)
    return edges.between(-radius, radius), edges.between(radius, radius + thickness)


def _wave(along: Points, wavelength: Pixels, phase: Degrees) -> Points:
    return jnp.cos(2 * jnp.pi * along / wavelength - jnp.deg2rad(phase))


def _bell(x: Points, y: Points) -> Points:
    return jnp.exp(-(x**2 + y**2) / 2)


def _evened(normal: Points) -> Points:
    """Returns normal numbers as numbers that are spread evenly from -1 to 1."""
    return jax.scipy.special.erf(normal / 2**0.5)


def _light(cut: Cut, along: Function, wavelength: Pixels, phase: Degrees, duty: Scalar) -> Points:
    """Returns the share of each pixel that light stripes cover."""

    def from_stripe(x: Points, y: Points) -> Points:
        offset = along(x, y) - wavelength * phase / 360
        return offset - wavelength * jnp.round(offset / wavelength)

    # A pixel between two stripes holds a part of both.
    edges, half = cut(from_stripe), duty * wavelength / 2
    stripes = [edges.between(middle - half, middle + half) for middle in (-wavelength, 0.0, wavelength)]
    return stripes[0] + stripes[1] + stripes[2]


def _read(path: str) -> Raster:
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        raise StimulusError(f"reading {path!r} needs the package pillow: pip install pillow.") from error
    try:
        with Image.open(path) as opened:
            upright = ImageOps.exif_transpose(opened)
    except UnidentifiedImageError:
        raise StimulusError(f"{path!r} is no picture that Pillow can read: wanted PNG, JPEG or the like.") from None
    except OSError as error:
        raise StimulusError(f"{path!r} cannot be read: {error.strerror or error}.") from None
    if upright.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"):
        raise StimulusError(
            f"{path!r} holds pixels of kind {upright.mode!r}: wanted 8 bits a channel. Scale them to -1 to 1 yourself "
            "and give the array to Picture(image=...)."
        )
    grey = upright.mode in ("1", "L", "LA")
    rgba = np.asarray(upright.convert("RGBA"), np.float32)
    image = (rgba[:, :, :3] / 127.5 - 1) * (rgba[:, :, 3:] / 255)
    return image[:, :, 0] if grey else image
