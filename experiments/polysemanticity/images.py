"""Drawings that the handbuilt unit looks for, and drawings that it should not care about, in many settings."""

from collections.abc import Mapping

import numpy as np

from circuitkit import stimuli
from circuitkit.stimuli import Photographs, Uniform
from circuitkit.stimuli.photographs import pictures
from handbuilt.polysemantic import DRAWINGS, RADIUS

SIDE = 121
"""Of the images, in pixels: just what the unit sees."""

DECOYS: Mapping[str, stimuli.Figure] = {
    "disc": stimuli.Disc(radius=RADIUS),
    "ring": stimuli.Ring(radius=RADIUS),
    "bar": stimuli.Bar(length=3.6 * RADIUS, thickness=RADIUS),
    "box": stimuli.Bar(length=4.4 * RADIUS, thickness=2 * RADIUS),
    "line": stimuli.Line(length=60),
    "corner": stimuli.Corner(opening=60, length=40),
    "curve": stimuli.Curve(radius=RADIUS),
    "star": stimuli.Star(),
    "cross": stimuli.Cross(),
}
"""Parts without a whole, and others."""


def sampled(figure: stimuli.Figure, count: int, *, seed: int, turned: float = 3.0) -> np.ndarray:
    """Draws a figure at many places, angles, lightnesses and blurs, all near its own: (image, row, column, 3).

    Args:
        figure: What.
        count: How often.
        seed: Of the settings.
        turned: By how many degrees at most, either way.
    """
    settings = stimuli.sample(
        figure,
        count,
        seed=seed,
        x=Uniform(figure.x - 1, figure.x + 1),
        y=Uniform(figure.y - 1, figure.y + 1),
        angle=Uniform(figure.angle - turned, figure.angle + turned),
        foreground=Uniform(0.85, 1.0),
        blur=Uniform(0.3, 0.7),
    )
    return np.repeat(settings.images(SIDE), 3, axis=-1)


def shown(each: int, decoys: int, *, seed: int) -> tuple[Photographs, np.ndarray]:
    """Returns drawings of all kinds as one set, and what each is.

    Args:
        each: Of every drawing of a meaning.
        decoys: Of every other one, at any angle.
        seed: Of the settings.
    """
    drawn = [sampled(figure, each, seed=seed + at) for at, figure in enumerate(DRAWINGS.values())]
    drawn += [sampled(figure, decoys, seed=seed + 100 + at, turned=180) for at, figure in enumerate(DECOYS.values())]
    names = np.repeat([*DRAWINGS, *DECOYS], [each] * len(DRAWINGS) + [decoys] * len(DECOYS))
    return pictures(np.concatenate(drawn)), names
