"""The work that every renderer gets: one list of arcs, and the coverage that each should have.

Coordinates are pixels from the image's centre, x to the right, y upwards; angles are degrees counter-clockwise. Nothing
here calls circuitkit, so that an error of the library cannot hide in the truth it is measured against.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SPAN = 120.0
"""What part of its circle every arc is, in degrees."""


class Arc(NamedTuple):
    """A stroke along part of a circle, with butt ends.

    Attributes:
        x: Of the apex, the middle of the arc.
        y: Of the apex.
        angle: The way it bulges, from the centre of the circle to the apex.
        radius: Of the circle.
        length: Along the arc.
        width: Of the stroke.
        contrast: Value of the stroke; the background is 0.
    """

    x: float
    y: float
    angle: float
    radius: float
    length: float
    width: float
    contrast: float

    @property
    def centre(self) -> tuple[float, float]:
        """The centre of the circle."""
        return self.x - self.radius * np.cos(np.radians(self.angle)), self.y - self.radius * np.sin(
            np.radians(self.angle)
        )


def draw_lots(count: int, size: int, *, seed: int) -> list[Arc]:
    """Returns random arcs that lie within a square image."""
    rng = np.random.default_rng(seed)
    radius = rng.uniform(0.12, 0.35, count) * size
    columns = (
        rng.uniform(-0.05, 0.05, count) * size,
        rng.uniform(-0.05, 0.05, count) * size,
        rng.uniform(0, 360, count),
        radius,
        np.radians(SPAN) * radius,
        rng.uniform(2.0, 5.0, count),
        rng.uniform(0.2, 1.0, count),
    )
    return [Arc(*map(float, row)) for row in np.transpose(columns)]


def centred(arc: Arc) -> Arc:
    """Returns the arc moved so that its circle has its centre in the middle of the image."""
    x, y = arc.centre
    return arc._replace(x=arc.x - x, y=arc.y - y)


def covered(arc: Arc, size: int, *, samples: int) -> NDArray[np.float64]:
    """Returns the share of each pixel that the arc covers, from `samples` times `samples` points in each."""
    ticks = np.arange(size) - (size - 1) / 2
    x, y = np.meshgrid(ticks, -ticks)
    centre_x, centre_y = arc.centre
    x, y = x - centre_x, y - centre_y
    near = np.abs(np.hypot(x, y) - arc.radius) < arc.width / 2 + 1  # elsewhere no point of the pixel is on the arc
    inner = (np.arange(samples) + 0.5) / samples - 0.5
    right, up = (offset.ravel() for offset in np.meshgrid(inner, inner))
    x, y = x[near][:, None] + right, y[near][:, None] + up
    rho, towards = np.hypot(x, y), np.radians(arc.angle)
    on_stroke = np.abs(rho - arc.radius) <= arc.width / 2
    between_ends = x * np.cos(towards) + y * np.sin(towards) >= rho * np.cos(np.radians(SPAN / 2))
    coverage = np.zeros((size, size))
    coverage[near] = (on_stroke & between_ends).mean(1)
    return coverage
