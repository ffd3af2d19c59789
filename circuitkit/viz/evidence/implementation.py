"""Feature implementation, drawn: what each unit is made of, by the angle of what it is made of.

On top, how well the unit's weights match the shape's picture in the layer before, by the picture's angle from the
unit's own: a detector has its peak at 0 and is negative half a period away; grey is the range of nine in ten controls.
Beside it, the weights averaged over bins of the difference in angle, with Distill's beneath. Below, the sum of the
weights from every earlier unit that has an angle, ordered by that angle: a family is a red diagonal. At the bottom,
where the match comes from: weight times picture at every place.
"""

import numpy as np
from matplotlib.figure import Figure

from circuitkit.evidence.argument import Argument, Subject
from circuitkit.evidence.implementation import SELECTIVE
from circuitkit.viz.evidence.parts import by_angle, colours, frame, profiles, title, with_strip
from circuitkit.viz.style import (
    GREY,
    SIGNED,
    SMALL,
    WIDTH,
    colour_bar,
    place,
    short,
    styled,
    symmetric,
    write,
)

DISTILL = (4.3, 3.5, 0.8, 0.0, 0.5, -2.6, -4.6)
"""Mean weights from early curves to curves of InceptionV1, in the bins of `evidence.implementation.BINS`.

Source: Cammarata et al., "Curve Circuits", Distill (2021).
"""

COLUMNS, CELL = 9, 0.72


@styled
def figure(argument: Argument, subject: Subject) -> Figure:
    """Shows the argument from feature implementation."""
    data, order = argument.data, by_angle(subject)
    angled = "profile" in data
    tiles = 0.13 * len(order)
    rows = -(-len(order) // COLUMNS)
    drawn, top = with_strip(
        argument, subject, (2.4 + 0.5 + tiles + 0.75 if angled else 0.2) + 0.4 + rows * (CELL + 0.25)
    )
    at = top + 0.2
    if angled:
        axes = place(drawn, 0.75, top + 0.25, 3.4, 1.85)
        profiles(axes, argument, subject, "angle of the picture from the unit's own (degrees)")
        title(axes, f"{data.attrs['from']} → {data.attrs['layer']}: what the weights look like")
        _bins(drawn, argument, subject, top + 0.25)
        _tiles(drawn, argument, subject, top + 2.8, tiles)
        at = top + 2.8 + tiles + 0.75
    _places(drawn, argument, order, at)
    return drawn


def _bins(drawn: Figure, argument: Argument, subject: Subject, top: float) -> None:
    """Draws the weights by difference of angle, and Distill's where the period is a whole turn."""
    data = argument.data
    published = subject.hypothesis.period == 360 and data.sizes["bin"] == len(DISTILL)
    values = data.by_relative_angle.transpose("unit", "bin").values
    bins = np.arange(data.sizes["bin"])
    left, width, height = 5.1, WIDTH - 5.3, 1.1 if published else 1.85
    axes = place(drawn, left, top, width, height)
    mean = np.array([np.nanmean(each) if np.isfinite(each).any() else np.nan for each in values.T])
    axes.bar(bins, mean, width=0.8, color=[SIGNED(0.85) if value > 0 else SIGNED(0.15) for value in mean], lw=0)
    shift = np.random.default_rng(0).uniform(-0.25, 0.25, len(values))
    for unit, hue in enumerate(colours(subject)):
        axes.plot(bins + shift[unit], values[unit], ls="", marker="o", ms=2.6, color=hue, mec="white", mew=0.3)
    if "control_by_relative_angle" in data:
        axes.plot(bins, data.control_by_relative_angle.values, ls="", marker="_", ms=16, mew=2, color=GREY)
    axes.axhline(0, color=GREY, lw=0.6)
    axes.set_ylabel("mean weight", fontsize=SMALL)
    title(axes, "weights by difference of angle; grey: controls")
    names = [f"{low:g}–{high:g}" for low, high in zip(data.bin_low.values, data.bin_high.values, strict=True)]
    last = axes
    if published:
        axes.set_xticks(bins, [])
        last = place(drawn, left, top + height + 0.22, width, 0.55)
        last.bar(
            bins, DISTILL, width=0.8, color=[SIGNED(0.85) if value > 0 else SIGNED(0.15) for value in DISTILL], lw=0
        )
        last.axhline(0, color=GREY, lw=0.6)
        last.set_ylabel("Distill", fontsize=SMALL)
        last.set_yticks([-4, 0, 4])
    last.set_xticks(bins, names)
    last.set_xlabel("difference of angle (degrees)")


def _tiles(drawn: Figure, argument: Argument, subject: Subject, top: float, height: float) -> None:
    """Draws the sums of weights from earlier units that have an angle, a column each; rows and columns by angle."""
    data, order = argument.data, by_angle(subject)
    angle = data.source_angle.values
    kept = np.flatnonzero((data.source_selectivity.values >= SELECTIVE) & np.isfinite(angle))
    if not len(kept):
        return
    kept = kept[np.argsort(angle[kept], kind="stable")]
    tile = data.tile.transpose("unit", "source").values[order][:, kept]
    axes = place(drawn, 1.3, top + 0.25, WIDTH - 2.3, height)
    # The largest tile in a hundred would leave the others white.
    norm = symmetric(np.clip(tile, *np.percentile(tile, [1, 99])))
    axes.imshow(tile, aspect="auto", cmap=SIGNED, norm=norm, interpolation="nearest")
    axes.set_yticks(range(len(order)), [short(data.unit.values[unit], 15) for unit in order])
    axes.tick_params(axis="y", length=0, labelsize=min(SMALL, 72 * 0.13))
    period = subject.hypothesis.period or 360.0
    marks = np.linspace(0, period, 9)[:-1]
    axes.set_xticks(np.searchsorted(angle[kept], marks) - 0.5, [f"{mark:g}°" for mark in marks])
    axes.set_xlabel(f"angle of the unit in {data.attrs['from']}, {len(kept)} of {data.sizes['source']} that have one")
    title(axes, "sum of the weights over places")
    colour_bar(place(drawn, WIDTH - 0.85, top + 0.25, 0.1, min(height, 1.6)), norm, SIGNED, "weight")


def _places(drawn: Figure, argument: Argument, order: np.ndarray, top: float) -> None:
    data = argument.data
    text = "weight times picture, at every place; each over its own largest; red: as the shape wants it"
    write(drawn, 0.1, top, text, fontweight="bold")
    cell = (WIDTH - 0.2) / COLUMNS
    for index, unit in enumerate(order):
        row, column = divmod(index, COLUMNS)
        axes = place(drawn, 0.1 + column * cell + 0.08, top + 0.42 + row * (CELL + 0.25), CELL, CELL)
        drive = data.drive.transpose("unit", "y", "x").values[unit]
        axes.imshow(drive, cmap=SIGNED, norm=symmetric(drive), interpolation="nearest")
        frame(axes)
        axes.set_title(short(data.unit.values[unit], 12), fontsize=SMALL, loc="center", pad=2)
