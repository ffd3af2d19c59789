"""The curve: an arc with its apex at the anchor, or, at infinite radius, a straight line."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from circuitkit import checks
from circuitkit.errors import StimulusError
from circuitkit.geometry import Degrees, Pixels, Scalar, pixel_grid
from circuitkit.shapes import arc_frame
from circuitkit.stimuli.render import stroke


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Curve:
    """An arc of a circle, drawn as a stroke.

    Attributes:
        angle: The way it bulges, from the centre of curvature to the apex, in degrees: 0 is `)`, 90 an arch.
        radius: Radius of curvature, in pixels; `math.inf` makes a straight line, whose normal is `angle`.
        length: Arc length, in pixels; a circle shorter than this is drawn whole.
        width: Of the stroke, in pixels.
        contrast: Value of the stroke against the background; -1 to 1 on images that are shown.
        polarity: 1 is light on dark, -1 dark on light.
        background: Value of the background; 0 is mid grey.

    Source:
        Cammarata et al., "Curve Detectors", Distill (2020), Synthetic tuning: the apex in the centre, all
        orientations, radii on a log scale. There the arc ends at the border of a 60-pixel tile; here it has
        a length, so that turning it turns the whole image.
    """

    angle: Degrees = 0.0
    radius: Pixels = 20.0
    length: Pixels = 90.0
    width: Pixels = 2.0
    contrast: Scalar = 1.0
    polarity: Scalar = 1.0
    background: Scalar = 0.0

    def __post_init__(self) -> None:
        if not (checks.is_plain(self.radius) and self.radius == float("inf")):
            checks.number(self, "radius", above=0, unit="pixels", error=StimulusError)
        for field in ("length", "width"):
            checks.number(self, field, above=0, unit="pixels", error=StimulusError)
        for field in ("angle", "contrast", "polarity", "background"):
            checks.number(self, field, error=StimulusError)

    def draw(self, height: int, width: int, *, anchor: tuple[float, float]) -> Float[Array, "{height} {width}"]:
        """Draws the stimulus.

        Args:
            height: Of the image, in pixels.
            width: Of the image, in pixels.
            anchor: Row and column, in pixel indices, of the apex. Fractions count.
        """
        x, y = pixel_grid(height, width)
        x = x - (anchor[1] - (width - 1) / 2)
        y = y + (anchor[0] - (height - 1) / 2)
        cos, sin = jnp.cos(jnp.deg2rad(self.angle)), jnp.sin(jnp.deg2rad(self.angle))
        curvature = 1 / jnp.asarray(self.radius, jnp.float32)
        frame = arc_frame(curvature, cos * x + sin * y, cos * y - sin * x)
        closed = self.length * curvature >= 2 * jnp.pi
        coverage = stroke(frame, width=self.width, length=self.length, closed=closed)
        return self.background + self.contrast * self.polarity * coverage
