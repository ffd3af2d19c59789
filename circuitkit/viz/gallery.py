"""What units were shown: the stimuli themselves."""

import math
import re
from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.figure import Figure

from circuitkit.stimuli import Curve, Stimulus
from circuitkit.stimuli.text import stimulus_from_json
from circuitkit.viz.style import HEAD, SMALL, WIDTH, new_figure, place, styled


def stimulus_of(responses: xr.DataArray) -> Stimulus:
    """Returns the stimulus that responses were measured with, from their attributes.

    >>> stimulus_of(xr.DataArray(0, attrs={"stimulus_spec": '{"class": "Curve", "radius": 30.0}'}))
    Curve(radius=30)
    """
    text = responses.attrs.get("stimulus_spec")
    return Curve() if text is None else stimulus_from_json(text)


def size_of(responses: xr.DataArray) -> tuple[int, int]:
    """Returns the height and width, in pixels, of the images that responses were measured on.

    >>> size_of(xr.DataArray(0, attrs={"image_size": "85x63 pixels"}))
    (85, 63)
    """
    height, width = re.findall(r"\d+", str(responses.attrs.get("image_size", "61x61 pixels")))
    return int(height), int(width)


def image(
    stimulus: Stimulus, size: tuple[int, int], *, angle: float, radius: float, polarity: float = 1.0
) -> Float[np.ndarray, "h w"]:
    """Returns one stimulus, anchored at the centre of an image of `size` (height, width) pixels."""
    shown = stimulus.with_values({"angle": angle, "radius": radius, "polarity": polarity})
    return np.asarray(shown.draw(*size).mean(axis=-1))


@styled
def stimulus_gallery(stimulus: Stimulus, size: tuple[int, int], radii: Sequence[float], *, angles: int = 12) -> Figure:
    """Shows the stimuli: angles from left to right, radii from top to bottom, the last row with dark strokes.

    Args:
        stimulus: What is drawn.
        size: Height and width of the images, in pixels: what one unit sees.
        radii: In pixels, a row each; infinite is a straight line.
        angles: Number of angles over the full turn, a column each.
    """
    rows = [(radius, 1.0) for radius in radii] + [(radii[len(radii) // 2], -1.0)]
    left, top = 1.15, HEAD + 0.15
    cell = (WIDTH - left - 0.1) / angles
    figure = new_figure(
        top + cell * size[0] / size[1] * len(rows) + 0.1,
        "The stimuli: arcs with their apex in the centre",
        f"{size[1]} × {size[0]} pixels each; columns are angles, rows radii of curvature in pixels",
    )
    height = cell * size[0] / size[1]
    for row, (radius, polarity) in enumerate(rows):
        name = "straight line" if math.isinf(radius) else f"radius {radius:.0f}"
        note = name if polarity > 0 else f"{name},\ndark on light"
        centre = 1 - (top + (row + 0.5) * height) / figure.get_figheight()
        figure.text((left - 0.1) / WIDTH, centre, note, fontsize=SMALL, ha="right", va="center")
        for column in range(angles):
            angle = column * 360 / angles
            axes = place(figure, left + column * cell + 0.02, top + row * height + 0.02, cell - 0.04, height - 0.04)
            axes.imshow(
                image(stimulus, size, angle=angle, radius=radius, polarity=polarity), cmap="gray", vmin=-1, vmax=1
            )
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if row == 0:
                axes.set_title(f"{angle:g}°", fontsize=SMALL, loc="center", pad=3)
    return figure
