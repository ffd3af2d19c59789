"""Dataset examples, drawn: the crops that excite each unit most, with the shape that is read off each of them.

Above, how well crops match the shape by its angle from the unit's own (the unit's strongest crops, and crops from
random places), how the match grows with the response, and crops of the most aligned unit from every stratum of its
responses. Below, for each unit, the shape at its pose and its strongest crops. The line in a crop is the shape at the
angle and size that match it best, found without asking the net: blue and solid within 45 degrees of 360 of the unit's
own angle, orange and dashed beyond.
"""

import numpy as np
from matplotlib.figure import Figure

from circuitkit.evidence.argument import Argument, Subject
from circuitkit.viz.evidence.parts import (
    about_pose,
    away_axis,
    by_angle,
    colours,
    frame,
    outline,
    picture,
    shape_at,
    title,
    with_strip,
)
from circuitkit.viz.style import BLACK, BLUE, GREY, SMALL, VERMILION, WIDTH, place, short, styled, write

SHOWN, COLUMNS, CELL = 5, 2, 0.69
QUILTED = 6

CLOSE = 1 / 8
"""Share of the period within which a crop's angle counts as the unit's own: 45 of 360 degrees."""


@styled
def figure(argument: Argument, subject: Subject) -> Figure:
    """Shows the argument from dataset examples."""
    data, count = argument.data, subject.poses.sizes["unit"]
    rows = -(-count // COLUMNS)
    pitch = CELL + 0.24
    drawn, top = with_strip(argument, subject, 2.7 + 0.35 + rows * pitch)
    _profiles(drawn, argument, subject, top + 0.25)
    _dose(drawn, argument, subject, top + 0.25)
    _quilt(drawn, argument, top)
    at = top + 2.75
    text = "strongest crops, one an image; first the shape at the unit's pose; lines: the shape that is read off a crop"
    write(drawn, 0.1, at - 0.05, text, fontweight="bold")
    side = data.sizes["y"]
    own = shape_at(subject.hypothesis, subject.poses.angle.values, subject.poses["size"].values, side)
    shown = min(SHOWN, data.sizes["rank"])
    best = {name: data[name].values[:, :shown] for name in ("angle_of_crop", "size_of_crop")}
    lines = shape_at(subject.hypothesis, best["angle_of_crop"].ravel(), best["size_of_crop"].ravel(), side)
    lines = lines.reshape(count, shown, side, side)
    close = _close(best["angle_of_crop"], subject)
    for index, unit in enumerate(by_angle(subject)):
        left = 0.1 + (index % COLUMNS) * (WIDTH / COLUMNS)
        upper = at + 0.22 + (index // COLUMNS) * pitch
        _row(drawn, argument, int(unit), own[unit], lines[unit], close[unit], left, upper)
    return drawn


def _close(angle: np.ndarray, subject: Subject) -> np.ndarray:
    """Says which crops hold the shape at about the unit's own angle."""
    said = subject.hypothesis
    if said.period is None:
        return np.ones(angle.shape, bool)
    return np.abs(said.apart(angle, subject.poses.angle.values[:, None])) <= CLOSE * said.period


def _row(
    drawn: Figure,
    argument: Argument,
    unit: int,
    own: np.ndarray,
    lines: np.ndarray,
    close: np.ndarray,
    left: float,
    upper: float,
) -> None:
    data = argument.data
    name = str(data.unit.values[unit])
    angle = float(data.angle_of_unit.values[unit])
    said = f"{short(name, 16)}" + (f", {angle:.0f}°" if np.isfinite(angle) else "")
    write(drawn, left, upper, f"{said}: {argument.statistic.name} {float(argument.statistic.values[unit]):.2f}",
          fontsize=SMALL)  # fmt: skip
    axes = place(drawn, left, upper + 0.17, CELL - 0.05, CELL - 0.05)
    outline(axes, own)
    for rank in range(lines.shape[0]):
        axes = place(drawn, left + (rank + 1) * CELL + 0.06, upper + 0.17, CELL - 0.05, CELL - 0.05)
        picture(axes, data.crop.values[unit, rank])
        hue, dash = (BLUE, "-") if close[rank] else (VERMILION, (0, (2.5, 1.2)))
        level = 0.5 * (lines[rank].min() + lines[rank].max())
        for colour, width, style in (("white", 2.2, "-"), (hue, 1.1, dash)):
            axes.contour(lines[rank], levels=[level], colors=[colour], linewidths=width, linestyles=[style])
        frame(axes, hue, width=1.0)


def _profiles(drawn: Figure, argument: Argument, subject: Subject, top: float) -> None:
    data, said = argument.data, subject.hypothesis
    axes = place(drawn, 0.65, top, 2.35, 1.6)
    if said.period is None:
        values = [data.profile.values[:, 0], data.profile_at_random.values[:, 0]]
        for row, each in enumerate(values):
            axes.plot(each, np.full(len(each), row), ls="", marker="o", ms=4, color=(BLUE, GREY)[row])
        axes.set(ylim=(1.5, -0.5), yticks=[0, 1], yticklabels=["strongest", "random"])
        axes.set_xlabel("match", fontsize=SMALL)
        return
    angles = data.angle.values
    away, own = about_pose(data.profile.values, angles, subject)
    _, other = about_pose(data.profile_at_random.values, angles, subject)
    for curve, hue in zip(own, colours(subject), strict=True):
        axes.plot(away, curve, color=hue, lw=0.7, alpha=0.6)
    axes.plot(away, own.mean(0), color=BLACK, lw=2.2, label="strongest crops, mean")
    axes.plot(away, other.mean(0), color=GREY, lw=2, ls=(0, (1, 1)), label="random crops, mean")
    away_axis(axes, subject, "angle from the unit's own (degrees)")
    axes.set_ylabel("match with the shape", fontsize=SMALL)
    low, high = float(min(own.min(), other.min())), float(max(own.max(), other.max()))
    axes.set_ylim(low - 0.02, high + 0.45 * (high - low))
    axes.legend(loc="upper left", borderaxespad=0, handlelength=1.6)
    title(axes, "what crops hold")


def _dose(drawn: Figure, argument: Argument, subject: Subject, top: float) -> None:
    data = argument.data
    axes = place(drawn, 3.65, top, 1.9, 1.6)
    match = data.quilt_match.values
    strata = match.shape[1]
    x = np.arange(strata)
    curves = np.array([[_mean(match[unit, stratum]) for stratum in x] for unit in range(len(match))])
    for curve, hue in zip(curves, colours(subject), strict=True):
        axes.plot(x, curve, color=hue, lw=0.7, alpha=0.6)
    axes.plot(x, [_mean(column) for column in curves.T], color=BLACK, lw=2.2, marker="o", ms=4)
    axes.set_xticks(x, [str(place + 1) for place in x])
    axes.set_xlabel("stratum of the response, weak to strong", fontsize=SMALL)
    axes.set_ylabel("match at own pose", fontsize=SMALL)
    title(axes, "dose and response")


def _quilt(drawn: Figure, argument: Argument, top: float) -> None:
    data = argument.data
    unit = int(np.nanargmax(argument.statistic.values))
    quilt = data.quilt.values[unit]
    strata, examples = quilt.shape[0], min(QUILTED, quilt.shape[1])
    cell = min(1.85 / strata, (WIDTH - 6.75) / examples)
    write(drawn, 6.05, top + 0.05, f"{short(data.unit.values[unit], 16)}, by response", fontweight="bold")
    for row in range(strata):
        stratum = strata - 1 - row
        upper = top + 0.27 + row * cell
        low, high = (float(data[name].values[unit, stratum]) for name in ("stratum_low", "stratum_high"))
        write(drawn, 6.62, upper + cell / 2, f"{low:.3g}–{high:.3g}", fontsize=SMALL, ha="right", va="center")
        for example in range(examples):
            axes = place(drawn, 6.7 + example * cell, upper, cell - 0.03, cell - 0.03)
            picture(axes, quilt[stratum, example])


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")
