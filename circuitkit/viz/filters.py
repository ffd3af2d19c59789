"""First-layer filters in the colours that they want.

    filters(net, "conv1")                           # grey and colour apart, each by the direction of its own wave
    filters(net, "conv1", scale="each")             # each over its own largest weight
    filters(net, "conv1", units=[3, 17], angles=[10, 100])

Mid grey is 0: a filter is the image that it wants, as far as it wants anything.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from circuitkit.errors import SpecError, unknown_name
from circuitkit.probe import Net
from circuitkit.viz.style import FAINT, GREY, HEAD, SMALL, WIDTH, new_figure, place, right_end, short, styled, write
from circuitkit.weights import ORIENTED, by_direction
from circuitkit.weights import filters as measured

Scale = Literal["all", "each"]

COLUMNS = 12

LABEL = 0.32
"""Inches for a unit's name and angle under its picture."""


@styled
def filters(
    net: Net,
    layer: str,
    *,
    units: Sequence[int | str] | None = None,
    angles: Sequence[float] | None = None,
    scale: Scale = "all",
) -> Figure:
    """Shows the filters of a layer that reads the image.

    Args:
        net: A net that knows its weights.
        layer: A layer that reads the image with one convolution.
        units: Which ones, by number or name, in this order. Left out, all: grey ones and those of colour, each in order
            of the direction of their own wave, and those without a direction last.
        angles: Of the units given, in degrees; they are then shown in order of these.
        scale: `all` has one scale for all filters, `each` one for each, over its own largest weight.

    Raises:
        NetError: If the net does not know its weights, or the layer does not read the image; see `weights.filters`.
        SpecError: If angles are given without units, or are not one finite number for each.
        UnknownNameError: If there is no such layer, unit or scale.
    """
    if scale not in get_args(Scale):
        raise unknown_name("scale", scale, get_args(Scale), owner="filters")
    seen = measured(net[layer] if units is None else net[layer, list(units)])
    names = [str(name) for name in seen.unit.values]
    shown = np.where(seen.directed.values >= ORIENTED, seen.angle.values, np.nan)
    if units is None:
        if angles is not None:
            raise SpecError(f"filters got {len(angles)} angles and no units: name the units that have them.")
        groups: Mapping[str, list[int]] = by_direction(seen)
        how = "in order of the direction of their wave (degrees)"
    else:
        groups, how = {"": list(range(len(names)))}, "degrees: direction of the wave"
        if angles is not None:
            shown = np.asarray(angles, float)
            if shown.shape != (len(names),) or not np.isfinite(shown).all():
                raise SpecError(
                    f"filters got {len(angles)} angles for {len(names)} units: wanted one finite angle each."
                )
            groups = {"": [int(index) for index in np.argsort(shown, kind="stable")]}
            how = "in order of the angles given (degrees)"
    weights = seen.weight.values
    top = float(np.abs(weights).max()) or 1.0
    ruled = f"white and black are ±{top:.3g}" if scale == "all" else "each over its own largest weight"
    coloured = len(groups.get("colour", ()))
    title = f"{short(layer, 30)} of {short(net.name, 40)}: {len(names)} filter{'s' * (len(names) != 1)}"
    pictures = [rgb(each, top if scale == "all" else None) for each in weights]
    labels = [
        f"{short(name, 9)}\n" + (f"{angle:.0f}°" if np.isfinite(angle) else "–")
        for name, angle in zip(plain_names(names), shown, strict=True)
    ]
    cell = (WIDTH - 0.2) / COLUMNS
    rows = {name: -(-len(places) // COLUMNS) for name, places in groups.items()}
    heading = 0.25 if "" not in groups else 0.0
    figure = new_figure(
        HEAD + 0.1 + sum(heading + row * (cell + LABEL) for row in rows.values()),
        title + (f", {coloured} of colour" if coloured else ""),
        f"mid grey is 0, {ruled}; {how}",
    )
    at = HEAD
    for name, places in groups.items():
        if heading:
            text = write(figure, 0.1, at, {"grey": "grey", "colour": "colour"}[name], fontweight="bold")
            note = f"{len(places)} filters, {weights.shape[2]} × {weights.shape[3]} pixels"
            write(figure, right_end(figure, text) + 0.12, at, note, color=GREY)
            at += heading
        mosaic(figure, 0.1, at, [pictures[index] for index in places], [labels[index] for index in places], cell=cell)
        at += rows[name] * (cell + LABEL)
    return figure


def rgb(weights: Float[np.ndarray, "channel y x"], top: float | None = None) -> Float[np.ndarray, "y x 3"]:
    """Returns signed weights of one or three channels as a picture, mid grey being 0.

    Args:
        weights: By channel: grey, or red, green and blue.
        top: What is as bright as can be; the largest of these weights if left out.
    """
    held = float(np.abs(weights).max()) if top is None else top
    shown = 0.5 + 0.5 * np.moveaxis(np.broadcast_to(weights, (3, *weights.shape[1:])), 0, -1) / (held or 1.0)
    return np.clip(shown, 0, 1)


def mosaic(
    figure: Figure,
    left: float,
    top: float,
    pictures: Sequence[Float[np.ndarray, "y x 3"]],
    labels: Sequence[str],
    *,
    cell: float,
    columns: int = COLUMNS,
    label: float = LABEL,
) -> None:
    """Lays pictures on a grid, row by row, each with its label below.

    Args:
        figure: Where.
        left: Of the grid, in inches.
        top: Of the grid, in inches from that of the figure.
        pictures: Values 0 to 1.
        labels: One each, of as many lines as there is room for.
        cell: Side of a picture and the gap beside it, in inches.
        columns: Pictures in a row.
        label: Room for a label, in inches.
    """
    rows = -(-len(pictures) // columns)
    pitch = 1 + label / cell
    axes = place(figure, left, top, columns * cell, rows * (cell + label))
    for index, (picture, text) in enumerate(zip(pictures, labels, strict=True)):
        x, y = index % columns, -(index // columns) * pitch
        box = (x + 0.05, x + 0.95, y - 0.95, y - 0.05)
        axes.imshow(picture, extent=box, aspect="auto", interpolation="nearest", vmin=0, vmax=1)
        axes.plot(
            [box[0], box[1], box[1], box[0], box[0]], [box[2], box[2], box[3], box[3], box[2]], color=FAINT, lw=0.6
        )
        axes.text(x + 0.5, y - 0.97, text, fontsize=SMALL, ha="center", va="top", linespacing=1.05)
    axes.set(xlim=(0, columns), ylim=(-rows * pitch, 0), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def plain_names(names: Sequence[str]) -> list[str]:
    """Returns the names of units without what they all begin with.

    >>> plain_names(["conv1:12", "conv1:7"]), plain_names(["edges@0-hue60", "edges@30-hue60"])
    (['12', '7'], ['@0 h60', '@30 h60'])
    >>> plain_names(["fire4:1", "fire5:1"])
    ['fire4:1', 'fire5:1']
    """
    for mark, kept in (("@", "@"), (":", "")):
        if all(mark in name for name in names) and len({name.rpartition(mark)[0] for name in names}) == 1:
            names = [kept + name.rpartition(mark)[2] for name in names]
            break
    return [name.replace("-hue", " h") for name in names]
