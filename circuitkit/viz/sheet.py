"""A contact sheet: what is in a labelled set, at a glance."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from circuitkit.stimuli.parameter import parameters
from circuitkit.stimuli.render import FAST, Renderer
from circuitkit.stimuli.sets import Chunk, LabelledSet
from circuitkit.stimuli.stimulus import Stimulus
from circuitkit.viz.style import HEAD, SMALL, WIDTH, new_figure, place, short, styled

ACROSS, DOWN = 12, 12
"""Images on a sheet, at most."""

_GAP = 0.04


@styled
def contact_sheet(
    stimuli: LabelledSet | Chunk, size: int | tuple[int, int] = 64, *, renderer: Renderer = FAST
) -> Figure:
    """Shows a labelled set: a grid of two dimensions along both, any other set as evenly chosen examples.

    Args:
        stimuli: The set, or a part of one that is drawn already.
        size: Of the images, in pixels: the side, or (height, width). A part has its own.
        renderer: What they are drawn with.
    """
    if isinstance(stimuli, Chunk):
        chosen = _evenly(len(stimuli.images), ACROSS * DOWN // 2)
        numbers = [f"{stimuli.start + index}" for index in chosen]
        return _numbered(stimuli.images[chosen], numbers, "Stimuli", _note(stimuli.images, len(stimuli.images), chosen))
    height, width = (size, size) if isinstance(size, int) else size
    title = f"{len(stimuli)} stimuli: {type(stimuli.stimulus).__name__}"
    if len(stimuli.dims) == 2:
        return _table(stimuli, (height, width), renderer, title)
    chosen = _evenly(len(stimuli), ACROSS * DOWN // 2)
    images = stimuli[chosen].images(height, width, renderer=renderer)
    names = [f"{index}" for index in chosen]
    note = _note(images, len(stimuli), chosen)
    if len(stimuli.dims) == 1 and stimuli.dims[0] in stimuli.coords and stimuli.dims[0] != "stimulus":
        name = stimuli.dims[0]
        values = stimuli.coords[name][1]
        names = [_value(values[index]) for index in chosen]
        note = f"{_named(stimuli.stimulus, name)} over each; {note}"
    return _numbered(images, names, title, note)


def _table(stimuli: LabelledSet, size: tuple[int, int], renderer: Renderer, title: str) -> Figure:
    """Shows a grid of two dimensions, the longer one from left to right."""
    down, across = stimuli.dims if stimuli.shape[0] <= stimuli.shape[1] else stimuli.dims[::-1]
    shape = dict(zip(stimuli.dims, stimuli.shape, strict=True))
    rows, columns = _evenly(shape[down], DOWN), _evenly(shape[across], ACROSS)
    indices = np.arange(len(stimuli)).reshape(stimuli.shape)
    indices = (indices if down == stimuli.dims[0] else indices.T)[np.ix_(rows, columns)]
    images = stimuli[indices.ravel()].images(*size, renderer=renderer)
    labels = {name: [_value(value) for value in stimuli.coords[name][1]] for name in (down, across)}
    note = (
        f"columns: {_named(stimuli.stimulus, across)}; rows: {_named(stimuli.stimulus, down)}; "
        f"{_note(images, len(stimuli), indices.ravel().tolist())}"
    )
    left = 0.3 + 0.075 * max(len(labels[down][row]) for row in rows)
    return _drawn(
        images,
        len(columns),
        title,
        note,
        left=left,
        over=[labels[across][column] for column in columns],
        beside=[labels[down][row] for row in rows],
    )


def _numbered(images: Float[np.ndarray, "n h w channel"], names: Sequence[str], title: str, note: str) -> Figure:
    columns = min(ACROSS, max(4, math.ceil(math.sqrt(1.5 * len(images)))))
    return _drawn(images, columns, title, note, each=names)


def _drawn(
    images: Float[np.ndarray, "n h w channel"],
    columns: int,
    title: str,
    note: str,
    *,
    left: float = 0.1,
    over: Sequence[str] = (),
    beside: Sequence[str] = (),
    each: Sequence[str] = (),
) -> Figure:
    """Returns the figure: images row by row, with labels over the columns and beside the rows, or over each."""
    rows = math.ceil(len(images) / columns)
    cell = min((WIDTH - left - 0.1) / columns, 1.6)
    height = cell * images.shape[1] / images.shape[2]
    line = 0.2
    top = HEAD + (line if over else 0)
    pitch = height + (line if each else 0)
    figure = new_figure(top + rows * pitch + 0.1, title, note)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        upper = top + row * pitch + (line if each else 0)
        axes = place(figure, left + column * cell + _GAP / 2, upper + _GAP / 2, cell - _GAP, height - _GAP)
        shown = np.clip((image + 1) / 2, 0, 1)
        axes.imshow(shown[:, :, 0] if shown.shape[-1] == 1 else shown, cmap="gray", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        if each or (over and row == 0):
            axes.set_title(short((each or over)[index]), fontsize=SMALL, loc="center", pad=2)
        if beside and column == 0:
            middle = 1 - (upper + height / 2) / figure.get_figheight()
            figure.text((left - 0.08) / WIDTH, middle, beside[row], fontsize=SMALL, ha="right", va="center")
    return figure


def _evenly(count: int, most: int) -> list[int]:
    """Returns at most so many indices, evenly spaced from the first.

    >>> _evenly(3, 5), _evenly(10, 4)
    ([0, 1, 2], [0, 3, 6, 9])
    """
    return list(range(0, count, math.ceil(count / most)))


def _note(images: Float[np.ndarray, "n h w channel"], count: int, chosen: Sequence[int]) -> str:
    size = f"{images.shape[2]} × {images.shape[1]} pixels each"
    return size if len(chosen) == count else f"{len(chosen)} of {count}, evenly chosen; {size}"


def _named(stimulus: Stimulus, name: str) -> str:
    """Returns a parameter with its unit."""
    *parts, own = name.split(".")
    held = stimulus
    for part in parts:
        held = getattr(held, part)
    unit = parameters(held)[own].unit
    return f"{name} ({unit})" if unit else name


def _value(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return "∞" if math.isinf(value) else f"{value:.4g}".replace("-", "−")
