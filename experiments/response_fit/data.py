"""What trained units say to parts of photographs: crops around the middles of their fields, at places drawn."""

import math
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from circuitkit.compiling import jit
from circuitkit.errors import StimulusError
from circuitkit.examples import Frame
from circuitkit.fit import Examples
from circuitkit.probe import Net
from circuitkit.stimuli import FAST, LabelledSet
from experiments.transplant.units import Trained

CHUNK = 8
"""Photographs at once."""


def examples(
    net: Net,
    trained: Trained,
    images: LabelledSet,
    which: Int[np.ndarray, " image"],
    *,
    each: int,
    side: int,
    shrink: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Examples:
    """Returns crops of photographs, and what units say at their middles.

    Beyond their borders photographs go on mirrored, as where handbuilt maps replace trained ones.

    Args:
        net: The net.
        trained: Units of one of its layers.
        images: Photographs.
        which: Those to take.
        each: Crops of every photograph, at different places.
        side: Of the crops, in pixels after they are shrunk.
        shrink: Crops are averaged over squares of so many pixels.
        seed: Of the places.
        progress: Called with the number of photographs done, and of all.

    Raises:
        StimulusError: If the layer's units have no places, or fewer than are asked for.
    """
    frame = Frame.of(net[trained.layer], images, None, FAST)
    field = net.receptive_field(trained.layer, (frame.height, frame.width))
    if field is None:
        raise StimulusError(f"units of layer {trained.layer!r} see all of an image: they have no places.")
    whole = side * shrink
    margin = math.ceil(whole / 2)

    def look(items: object) -> tuple[Float[Array, "image h w channel"], Float[Array, "image row column unit"]]:
        shown = frame.draw(items)
        said = net.maps(shown, trained.layer)[..., np.asarray(trained.channels)]
        return jnp.pad(shown, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="symmetric"), said

    rng, program = np.random.default_rng(seed), jit(look)
    crops, responses, origin = [], [], []
    for start in range(0, len(which), CHUNK):
        own = which[np.minimum(np.arange(start, start + CHUNK), len(which) - 1)]
        shown, said = (np.asarray(part) for part in program(images.items(own)))
        _, rows, columns, _ = said.shape
        if each > rows * columns:
            raise StimulusError(f"{each} crops a photograph: layer {trained.layer!r} has {rows}x{columns} places.")
        for place, image in enumerate(which[start : start + CHUNK]):
            for chosen in rng.choice(rows * columns, each, replace=False):
                row, column = divmod(int(chosen), columns)
                y, x = field.centre(row, column)
                top, left = (round(at - (whole - 1) / 2) + margin for at in (y, x))
                crop = shown[place, top : top + whole, left : left + whole]
                crops.append(crop.reshape(side, shrink, side, shrink, -1).mean((1, 3)))
                responses.append(said[place, row, column])
                origin.append(image)
        if progress is not None:
            progress(min(start + CHUNK, len(which)), len(which))
    return Examples(np.stack(crops), np.stack(responses), np.array(origin))
