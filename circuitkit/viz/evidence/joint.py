"""Joint tuning, drawn: what all members of the family do when a shape is turned, in drawings and in photographs.

On top, round the circle, every unit's tuning curve over its own peak, in the colour of its angle; a period is a whole
turn. Beside it, each unit's peak in photographs against that in drawings. Below, the same curves as rows: light marks
are the peaks in drawings. At the bottom, some of the photographs, with the angle at which their contour stands.
"""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from circuitkit.evidence.argument import Argument, Subject
from circuitkit.viz.evidence.parts import angle_axis, by_angle, colours, picture, shapes, title, with_strip
from circuitkit.viz.style import (
    BLACK,
    FAINT,
    GREY,
    RESPONSE,
    SMALL,
    WIDTH,
    Colour,
    colour_bar,
    place,
    short,
    styled,
    write,
)

ROUND = 2.55
PHOTOGRAPHS = 10


@styled
def figure(argument: Argument, subject: Subject) -> Figure:
    """Shows the argument from joint tuning."""
    data, order, hues = argument.data, by_angle(subject), colours(subject)
    rows = max(1.0, 0.15 * len(order))
    drawn, top = with_strip(argument, subject, 0.3 + ROUND + 0.45 + rows + 1.0 + 1.15)
    for column, (name, text) in enumerate((("synthetic", "drawings"), ("photographs", "photographs"))):
        curves = data[name].transpose("angle", "unit").values
        axes = place(drawn, 0.35 + column * (ROUND + 0.35), top + 0.3, ROUND, ROUND)
        _round(axes, data.angle.values, curves, subject, hues)
        low = float(data["coverage" if column == 0 else "coverage_in_photographs"])
        axes.set_title(f"{text}: coverage {low:.2f}", fontweight="bold", pad=8)
    _peaks(place(drawn, WIDTH - 2.35, top + 0.45, 2.1, 2.0), argument, subject, hues)
    at = top + 0.3 + ROUND + 0.45
    width = (WIDTH - 1.3 - 0.95 - 0.4) / 2
    for column, (name, text) in enumerate((("synthetic", "drawings"), ("photographs", "photographs"))):
        axes = place(drawn, 1.3 + column * (width + 0.4), at, width, rows)
        _rows(axes, argument, name, order)
        axes.set_yticks(range(len(order)), [short(data.unit.values[unit], 15) for unit in order] if column == 0 else [])
        angle_axis(axes, subject.hypothesis, label=f"angle of the {subject.hypothesis.name} (degrees)")
        title(axes, f"{text}, over own peak")
    bar = place(drawn, WIDTH - 0.8, at, 0.1, min(rows, 1.6))
    colour_bar(bar, Normalize(0, 1), RESPONSE, "response")
    _photographs(drawn, argument, at + rows + 0.85)
    return drawn


def _round(
    axes: Axes,
    angles: Float[np.ndarray, " angle"],
    curves: Float[np.ndarray, "angle unit"],
    subject: Subject,
    hues: list[Colour],
) -> None:
    """Draws tuning curves round a circle whose radius is each unit's own peak."""
    period = subject.hypothesis.period or 360.0
    turn = np.deg2rad(np.linspace(0, 360, 181))
    for radius in (0.5, 1.0):
        axes.plot(radius * np.cos(turn), radius * np.sin(turn), color=FAINT, lw=0.8, zorder=0)
    around = np.deg2rad(np.append(angles, angles[0]) * 360 / period)
    for curve, hue in zip(curves.T, hues, strict=True):
        closed = np.append(curve, curve[0])
        axes.plot(closed * np.cos(around), closed * np.sin(around), color=hue, lw=1.1)
    quarters = np.linspace(0, period, 5)[:-1]
    pictures = shapes(subject.hypothesis, [*quarters])
    norm = Normalize(pictures.min(), pictures.max())
    for index, (angle, drawing) in enumerate(zip(quarters, pictures, strict=True)):
        x, y = (1.2, 0.0, -1.2, 0.0)[index], (0.0, 1.2, 0.0, -1.2)[index]
        axes.imshow(drawing, extent=(x - 0.13, x + 0.13, y - 0.13, y + 0.13), cmap="gray", norm=norm, zorder=2)
        above = index == 1
        axes.text(x, y + (0.15 if above else -0.15), f"{angle:g}°", ha="center", va="bottom" if above else "top",
                  fontsize=SMALL)  # fmt: skip
    axes.set(xlim=(-1.5, 1.5), ylim=(-1.55, 1.55), xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set_visible(False)


def _peaks(axes: Axes, argument: Argument, subject: Subject, hues: list[Colour]) -> None:
    """Draws the peak in photographs against the peak in drawings."""
    period = subject.hypothesis.period or 360.0
    numbers = argument.numbers
    drawings = numbers.peak_in_drawings.values
    seen = drawings + subject.hypothesis.apart(numbers.peak_in_photographs.values, drawings)
    axes.plot([0, period], [0, period], color=GREY, lw=0.8, zorder=0)
    axes.scatter(drawings, seen, s=26, c=hues, linewidths=0.5, edgecolors="white", zorder=2, clip_on=False)
    axes.set(xlim=(0, period), ylim=(-0.06 * period, 1.06 * period), aspect="equal")
    ticks = np.linspace(0, period, 5)
    axes.set_xticks(ticks, [f"{tick:g}°" for tick in ticks])
    axes.set_yticks(ticks, [f"{tick:g}°" for tick in ticks])
    axes.set_xlabel("peak in drawings", fontsize=SMALL)
    axes.set_ylabel("peak in photographs", fontsize=SMALL)
    title(axes, f"mean error {float(numbers.peak_error.mean()):.0f}°")


def _rows(axes: Axes, argument: Argument, name: str, order: np.ndarray) -> None:
    """Draws the curves as rows, and marks each unit's peak in drawings."""
    data = argument.data
    angles = data.angle.values
    step = angles[1] - angles[0]
    curves = data[name].transpose("unit", "angle").values[order]
    closed = np.concatenate([curves, curves[:, :1]], axis=1)
    box = (angles[0] - step / 2, angles[-1] + 1.5 * step, len(order) - 0.5, -0.5)
    axes.imshow(closed, extent=box, aspect="auto", cmap=RESPONSE, vmin=0, vmax=1, interpolation="nearest")
    peaks = argument.numbers.peak_in_drawings.values[order]
    axes.plot(peaks, range(len(order)), ls="", marker="|", ms=9, mew=1.6, color="white")
    axes.plot(peaks, range(len(order)), ls="", marker="|", ms=9, mew=0.7, color=BLACK)
    axes.tick_params(axis="y", length=0)


def _photographs(drawn: Figure, argument: Argument, top: float) -> None:
    data = argument.data
    count = min(PHOTOGRAPHS, data.sizes["photograph"])
    best = np.sort(np.argsort(-data.weight.values, kind="stable")[:count])
    text = (
        f"{count} of {data.sizes['photograph']} photographs that were turned, and the angle at which the contour stands"
    )
    write(drawn, 0.1, top, text, fontweight="bold")
    cell = (WIDTH - 0.2) / PHOTOGRAPHS
    for index, photograph in enumerate(best):
        axes = place(drawn, 0.1 + index * cell, top + 0.38, cell - 0.06, cell - 0.06)
        picture(axes, data.shown.values[photograph])
        axes.set_title(f"{float(data.stands_at.values[photograph]):.0f}°", fontsize=SMALL, loc="center", pad=2)
