"""Patterns of colour alone: hues of one lightness, that of the background.

The hues lie on a circle round the background, in the plane where red, green and blue have one sum: 0 is red, 120
green, 240 blue, and opposite hues are complementary, so their mean is the background. `foreground` has no say here.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from circuitkit.geometry import Degrees, Pixels, Scalar, bearing
from circuitkit.stimuli.parameter import degrees, number, pixels
from circuitkit.stimuli.patterns import behind, centre_and_ring
from circuitkit.stimuli.render import Cut, Points
from circuitkit.stimuli.stimulus import Pattern, stimulus

Coloured = Float[Array, "h w 3"]


def on_the_hue_circle(angle: Points, chroma: Scalar) -> Coloured:
    """Returns the colours at angles of the hue circle, in degrees, relative to the grey in its middle."""
    offsets = jnp.asarray([0.0, 120.0, 240.0]).reshape(1, 1, 3)
    return chroma * (2 / 3) * jnp.cos(jnp.deg2rad(angle[:, :, None] - offsets))


@stimulus
class _Hues(Pattern):
    """Hues round the background."""

    hue: Degrees = degrees(default=0.0, doc="0 red, 120 green, 240 blue.")
    chroma: Scalar = number(
        default=1.0, doc="How far the colours are from grey; channels stay within 1 up to 1.5.", at_least=0
    )


@stimulus
class ColourContrast(_Hues):
    """A straight boundary between two hues, through the anchor. Its angle points to `hue`.

    Source:
        Olah et al., "An Overview of Early Vision in InceptionV1", Distill (2020), Color contrast.
    """

    apart: Degrees = degrees(
        default=180.0, doc="From this hue to that on the other side; 180 is the complementary one."
    )
    blur: Pixels = pixels(default=0.0, doc="Standard deviation of a Gaussian that softens the boundary.", at_least=0)

    def values(self, cut: Cut) -> Coloured:
        """Returns the colour of either side."""
        ahead, other = _two(self.hue, self.apart, self.chroma)
        return ahead + (other - ahead) * behind(cut, self.blur)[:, :, None]


@stimulus
class ColourCentre(_Hues):
    """A disc of one hue in a ring of another.

    Source:
        Olah et al., "An Overview of Early Vision in InceptionV1", Distill (2020), Color center-surround.
    """

    apart: Degrees = degrees(
        default=180.0, doc="From the hue of the disc to that of the ring; 180 is the complementary one."
    )
    radius: Pixels = pixels(default=8.0, doc="Of the disc.", at_least=0)
    thickness: Pixels = pixels(default=8.0, doc="Of the ring.", at_least=0)
    blur: Pixels = pixels(default=0.0, doc="Standard deviation of a Gaussian that softens the edges.", at_least=0)

    def values(self, cut: Cut) -> Coloured:
        """Returns the colours of disc and ring."""
        inner, outer = _two(self.hue, self.apart, self.chroma)
        centre, ring = centre_and_ring(cut, self.radius, self.thickness, self.blur)
        return inner * centre[:, :, None] + outer * ring[:, :, None]


@stimulus
class HueSweep(_Hues):
    """A hue that turns along the angle, and stays as it is beyond both ends."""

    span: Degrees = degrees(default=360.0, doc="From one end to the other; `hue` is in the middle.")
    length: Pixels = pixels(default=64.0, doc="From one end to the other.", above=0)

    def values(self, cut: Cut) -> Coloured:
        """Returns the colours."""
        x, _ = cut.points
        return on_the_hue_circle(self.hue + self.span * jnp.clip(x / self.length, -0.5, 0.5), self.chroma)


@stimulus
class HueWheel(_Hues):
    """A hue that turns round the anchor; `hue` lies along the angle."""

    turns: Scalar = number(default=1.0, doc="Of the hue in one round; a fraction leaves a seam opposite to the angle.")

    def values(self, cut: Cut) -> Coloured:
        """Returns the colours."""
        x, y = cut.points
        return on_the_hue_circle(self.hue + self.turns * jnp.rad2deg(bearing(x, y)), self.chroma)


def _two(hue: Degrees, apart: Degrees, chroma: Scalar) -> tuple[Float[Array, "1 1 3"], Float[Array, "1 1 3"]]:
    first, second = (
        on_the_hue_circle(jnp.asarray(angle, jnp.float32).reshape(1, 1), chroma) for angle in (hue, hue + apart)
    )
    return first, second
