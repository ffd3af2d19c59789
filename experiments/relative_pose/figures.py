"""What this experiment alone draws: the shares of all pairs, and what units do when only some weights are left."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from circuitkit import tuning
from circuitkit.viz.style import (
    BLACK,
    BLUE,
    FAINT,
    GREEN,
    GREY,
    HEAD,
    ORANGE,
    SKY,
    SMALL,
    VERMILION,
    WIDTH,
    new_figure,
    place,
    styled,
)
from experiments.relative_pose.readouts import METRICS

Row = Mapping[str, str | float]

KINDS = {"trained": BLUE, "handwritten": GREEN, "twin": VERMILION, "shuffled": GREY}
"""Colours of pairs by what they are."""

LOWEST = -0.15
"""Where the axis of shares begins; what lies below is drawn there, with its number."""

CURVES = {
    "the unit itself": (BLACK, "-"),
    "all units of the layer": (SKY, (0, (1, 1))),
    "all weights": (SKY, (0, (1, 1))),
    "curves and lines": (ORANGE, "--"),
    "the part that obeys": (BLUE, "-"),
    "curves and lines: the part that obeys": (BLUE, "-"),
    "the same, from the other units": (GREEN, (0, (6, 1, 1, 1))),
    "curves and lines: the same, from the other units": (GREEN, (0, (6, 1, 1, 1))),
    "the rest": (VERMILION, "-."),
    "curves and lines: the rest": (VERMILION, "-."),
    "curves": (ORANGE, "--"),
    "curves: the part that obeys": (BLUE, "-"),
    "curves: the rest": (VERMILION, "-."),
}
"""Looks of the read-outs whose tuning curves are drawn; those of single families only where there is no other."""

AXES = {
    "peak off by": ("peak off by (°)", (0.0, 150.0), (0, 90)),
    "FWHM": ("FWHM (°)", (0.0, 130.0), (0, 60, 120)),
    "echo": ("echo / peak", (0.0, 0.8), (0, 0.5)),
    "correlation, drawn curves": ("correlation,\ndrawn curves", (-0.2, 1.0), (0, 0.5, 1)),
    "correlation, photographs": ("correlation,\nphotographs", (-0.2, 1.0), (0, 0.5, 1)),
}


@styled
def shares(rows: Sequence[Row]) -> Figure:
    """Shows the share of the weights that relative pose explains, of all units and of units left out, by pair."""
    height = 0.25 * len(rows)
    figure = new_figure(
        HEAD + height + 0.95,
        "Share of the squared weights that relative pose explains",
        "dot: of all units; diamond: of units left out of the fit; band: angles exchanged, median to highest",
    )
    axes = place(figure, 3.4, HEAD + 0.3, WIDTH - 3.7, height)
    for place_, row in enumerate(rows):
        colour = KINDS[str(row["kind"])]
        low, high = float(row["exchanged, median"]), float(row["exchanged, highest"])
        axes.plot([low, high], [place_, place_], color=FAINT, lw=7, solid_capstyle="butt", zorder=0)
        axes.plot([float(row["share"])], [place_], "o", color=colour, ms=6)
        left = float(row["left out"])
        axes.plot([max(left, LOWEST)], [place_], "D", mfc="none", mec=colour, mew=1.3, ms=5, clip_on=False)
    axes.set(xlim=(LOWEST, 1), ylim=(len(rows) - 0.5, -0.5), xlabel="share of the squared weights")
    names = [f"{row['pair']} ({row['units']} × {row['sources']})" for row in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.grid(axis="x", color=FAINT, lw=0.6)
    axes.axvline(0, color=GREY, lw=0.8)
    axes.set_axisbelow(True)
    handles = [axes.plot([], [], "o", color=colour, label=kind)[0] for kind, colour in KINDS.items()]
    at = 1 - HEAD / figure.get_figheight()
    figure.legend(handles=handles, loc="upper right", ncols=len(KINDS), bbox_to_anchor=(0.99, at))
    return figure


@styled
def left(subject: str, rows: Sequence[Row], variants: Mapping[str, xr.Dataset]) -> Figure:
    """Shows what units do when only some of what they read is left: mean tuning curves, and numbers with intervals.

    Args:
        subject: Whose units.
        rows: The numbers, as `means` returns them.
        variants: Read-outs by name.
    """
    drawn = [name for name in METRICS if name in rows[0] or any(name in row for row in rows)]
    rows = [row for row in rows if row["left"] != "the unit itself"]
    height, top = 0.23 * len(rows), 2.1
    figure = new_figure(
        HEAD + top + 0.75 + height + 0.35,
        f"{subject}: what {rows[0]['units']} curve units do when only some of their weights are left",
        "read-outs of the layer before, rectified; bars: 95 % of means over units (bootstrap)",
    )
    axes = place(figure, 0.75, HEAD + 0.25, 4.4, top - 0.35)
    both = any(" and " in name for name in variants)
    for name, (colour, dash) in CURVES.items():
        single = name.startswith("curves") and " and " not in name
        if name in variants and not (both and single):
            _tuning(axes, variants[name], variants["the unit itself"], name, colour, dash)
    axes.axvspan(180 - tuning.ECHO_WINDOW, 180 + tuning.ECHO_WINDOW, color=FAINT, alpha=0.6, lw=0, zorder=-1)
    axes.set(xlim=(-90, 270), ylim=(0, 1.02), xticks=[-90, 0, 90, 180, 270])
    axes.set_xticklabels(["−90°", "0°", "90°", "180°", "270°"])
    axes.set(xlabel="angle from the unit's own peak; band: where an echo stands", ylabel="response / largest")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.05), frameon=False, fontsize=SMALL, handlelength=2.6)
    start, gap = 3.1, 0.14
    width = (WIDTH - start - 0.15 - gap * (len(drawn) - 1)) / len(drawn)
    for column, metric in enumerate(drawn):
        axes = place(figure, start + column * (width + gap), HEAD + top + 0.75, width, height)
        for at, row in enumerate(rows):
            if metric in row and np.isfinite(float(row[metric])):
                ends = [float(row[f"{metric}, low"]), float(row[f"{metric}, high"])]
                axes.plot(ends, [at, at], color=GREY, lw=1.6, solid_capstyle="butt", clip_on=False)
                axes.plot([float(row[metric])], [at], "o", ms=5, color=_colour(str(row["left"])), clip_on=False)
        label, limits, ticks = AXES[metric]
        axes.set(xlim=limits, ylim=(len(rows) - 0.5, -0.5))
        own = [row for row in variants if row == "the unit itself"]
        if own and metric in variants[own[0]]:
            axes.axvline(float(variants[own[0]][metric].mean()), color=BLACK, lw=0.9, ls=":")
        axes.set_yticks(range(len(rows)), [str(row["left"]) for row in rows] if column == 0 else [])
        axes.set_title(label, fontsize=SMALL)
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.grid(axis="both", color=FAINT, lw=0.6)
        axes.set_axisbelow(True)
    return figure


def _tuning(axes: Axes, found: xr.Dataset, own: xr.Dataset, name: str, colour: str, dash: object) -> None:
    """Draws the mean over units and draws of a read-out's tuning curves, about the peaks of the units themselves."""
    peaks = own.curve.values[0].argmax(0)
    angles = own.angle.values
    count, step = len(angles), 360 / len(angles)
    away = np.arange(count) * step - 90
    shift = np.round(away / step).astype(int)
    # Angles may run either way; places are taken by angle.
    order = np.argsort(angles)
    curves = []
    for each in found.curve.values:
        for unit in range(each.shape[1]):
            column = each[order, unit]
            peak = int(np.flatnonzero(order == peaks[unit])[0])
            curves.append(column[(peak + shift) % count] / max(float(column.max()), 1e-30))
    axes.plot(away, np.mean(curves, 0), color=colour, ls=dash, label=name)


def _colour(name: str) -> str:
    """Returns the colour of a read-out by what is left."""
    for word, colour in (
        ("from the other", GREEN), ("obeys", BLUE), ("rest", VERMILION), ("exchanged", GREY), ("all", SKY),
        ("other units", GREY),
    ):  # fmt: skip
        if word in name:
            return colour
    return ORANGE
