"""Feature visualization, drawn: the images that excite each unit most, beside the shape at the unit's pose.

Each unit has the shape, and an image of every start; the angle above an image is that of the shape that matches it
best, found without asking the net. Above, the match by the shape's angle from the unit's own, and the images of the
controls that come closest.
"""

import numpy as np
from matplotlib.figure import Figure

from circuitkit.evidence.argument import Argument, Subject
from circuitkit.viz.evidence.parts import about_pose, away_axis, by_angle, colours, outline, picture, title, with_strip
from circuitkit.viz.style import BLACK, SMALL, WIDTH, place, short, styled, write

CELL = 0.71
STARTS = 3


@styled
def figure(argument: Argument, subject: Subject) -> Figure:
    """Shows the argument from feature visualization."""
    data, count = argument.data, subject.poses.sizes["unit"]
    starts = min(STARTS, data.sizes["seed"])
    columns = max(1, int((WIDTH - 0.1) / ((starts + 1) * CELL + 0.08)))
    rows, pitch = -(-count // columns), CELL + 0.38
    drawn, top = with_strip(argument, subject, 2.55 + 0.3 + rows * pitch)
    _profiles(drawn, argument, subject, top + 0.25)
    _controls(drawn, argument, top + 0.05)
    at = top + 2.6
    text = "each unit's images, one a start; first the shape at the unit's pose; above: the angle that is read off it"
    write(drawn, 0.1, at - 0.05, text, fontweight="bold")
    for index, unit in enumerate(by_angle(subject)):
        left = 0.1 + (index % columns) * (WIDTH - 0.1) / columns
        upper = at + 0.2 + (index // columns) * pitch
        angle = float(data.angle_of_unit.values[unit])
        pose = f", {angle:.0f}°" if np.isfinite(angle) else ""
        score = float(argument.statistic.values[unit])
        write(drawn, left, upper, f"{short(data.unit.values[unit], 14)}{pose}: {argument.statistic.name} {score:.2f}",
              fontsize=SMALL)  # fmt: skip
        axes = place(drawn, left, upper + 0.32, CELL - 0.05, CELL - 0.05)
        outline(axes, data["shape"].values[unit])
        for start in range(starts):
            axes = place(drawn, left + (start + 1) * CELL + 0.03, upper + 0.32, CELL - 0.05, CELL - 0.05)
            picture(axes, data.image.values[unit, start])
            best = float(data.best_angle.values[unit, start])
            if np.isfinite(best):
                axes.set_title(f"{best:.0f}°", fontsize=SMALL, loc="center", pad=1.5)
    return drawn


def _profiles(drawn: Figure, argument: Argument, subject: Subject, top: float) -> None:
    if subject.hypothesis.period is None:
        return
    data = argument.data
    axes = place(drawn, 0.65, top, 2.7, 1.5)
    away, curves = about_pose(data.profile.values.mean(1), data.angle.values, subject)
    for curve, hue in zip(curves, colours(subject), strict=True):
        axes.plot(away, curve, color=hue, lw=0.8)
    axes.plot(away, curves.mean(0), color=BLACK, lw=2.2)
    away_axis(axes, subject, "angle from the unit's own (degrees)")
    axes.set_ylabel("match with the shape", fontsize=SMALL)
    title(axes, "what the images hold; black: mean")


def _controls(drawn: Figure, argument: Argument, top: float) -> None:
    data = argument.data
    if "control_image" not in data:
        return
    write(drawn, 4.1, top, "the controls that come closest", fontweight="bold")
    cell = 0.86
    for index in range(min(8, data.sizes["control"])):
        left, upper = 4.1 + (index % 4) * (cell + 0.3), top + 0.25 + (index // 4) * (cell + 0.2)
        axes = place(drawn, left, upper + 0.15, cell - 0.05, cell - 0.05)
        picture(axes, data.control_image.values[index])
        text = f"{argument.statistic.name} {float(data.control_contrast.values[index]):.2f}"
        axes.set_title(text, fontsize=SMALL, loc="center", pad=1.5)
