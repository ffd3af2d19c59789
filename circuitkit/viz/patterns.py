"""Patterns of weights over a family: what each unit looks for, as little lines where it looks for them.

    pattern_sheet(own.weights, title="fire4", note="SqueezeNet 1.1")

Each unit's pattern is drawn in its own frame: its angle points right, so a curve that it stands for is a `)`.
"""

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from circuitkit.errors import SpecError
from circuitkit.viz.style import EXCITES, FAINT, HEAD, INHIBITS, SMALL, new_figure, place, short, styled

COLUMNS = 6

SHOWN = 0.22
"""Weights below this share of a pattern's largest are left out: they would be a grey of tiny lines."""

HEAVIEST = 2.6
"""Width of the line of a pattern's largest weight, in points."""

_SIDE, _GAP, _TITLE = 1.32, 0.14, 0.2


@styled
def pattern_sheet(
    weights: xr.DataArray,
    *,
    title: str = "What units look for",
    note: str = "",
    names: Sequence[str] | None = None,
    along: float | None = None,
) -> Figure:
    """Shows patterns side by side.

    Args:
        weights: (unit, member, y, x), as of `fit.patterns`, in the frames of the units.
        title: Of the figure.
        note: Under it.
        names: Of the patterns; those of the units if left out.
        along: What has to be added to a member's angle for that of its line, in degrees: 0 for lines, and for contours,
            which unite edges and bars; 90 for Gabors themselves, whose angle stands across them. Left out, what the
            weights say of it, which know their family.

    Raises:
        SpecError: If the weights have other dimensions.
    """
    if weights.dims != ("unit", "member", "y", "x"):
        raise SpecError(f"patterns have the dimensions {weights.dims}: wanted (unit, member, y, x).")
    along = float(weights.attrs.get("along", 0.0)) if along is None else along
    called = [str(unit) for unit in weights.unit.values] if names is None else list(names)
    rows = -(-len(weights) // COLUMNS)
    figure = new_figure(HEAD + 0.34 + rows * (_SIDE + _TITLE + _GAP) + 0.1, title, note)
    for number, name in enumerate(called):
        row, column = divmod(number, COLUMNS)
        left, top = 0.15 + column * (_SIDE + _GAP), HEAD + 0.34 + _TITLE + row * (_SIDE + _TITLE + _GAP)
        axes = place(figure, left, top, _SIDE, _SIDE)
        _pattern(axes, weights.isel(unit=number), along)
        axes.set_title(short(name, 22), fontsize=SMALL, loc="left", pad=3)
    step = abs(float(weights.x[1] - weights.x[0])) if weights.sizes["x"] > 1 else 0.0
    handles = [Line2D([], [], color=EXCITES, lw=2.4), Line2D([], [], color=INHIBITS, lw=2.4)]
    figure.legend(
        handles,
        ["counts for the unit", f"counts against it; places {step:g} pixels apart; the unit's angle points right"],
        loc="upper left",
        bbox_to_anchor=(0.0, 1 - (HEAD - 0.02) / figure.get_figheight()),
        ncols=2,
        fontsize=SMALL,
        frameon=False,
    )
    return figure


def _pattern(axes: Axes, weights: xr.DataArray, along: float) -> None:
    largest = float(np.abs(weights.values).max()) or 1.0
    spacing = abs(float(weights.x[1] - weights.x[0])) if weights.sizes["x"] > 1 else 1.0
    lines, widths, colours = [], [], []
    for member, angle in enumerate(weights.member.values):
        turn = math.radians(float(angle) + along)
        dx, dy = 0.46 * spacing * math.cos(turn), 0.46 * spacing * math.sin(turn)
        for row, y in enumerate(weights.y.values):
            for column, x in enumerate(weights.x.values):
                share = float(weights.values[member, row, column]) / largest
                if abs(share) >= SHOWN:
                    lines.append([(x - dx, y - dy), (x + dx, y + dy)])
                    widths.append(HEAVIEST * abs(share))
                    colours.append(EXCITES if share > 0 else INHIBITS)
    order = np.argsort(widths)  # the heaviest on top
    axes.add_collection(
        LineCollection(
            [lines[k] for k in order],
            linewidths=[widths[k] for k in order],
            colors=[colours[k] for k in order],
            capstyle="round",
        )
    )
    reach = float(weights.x.values.max()) + spacing * 0.7
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color=FAINT)
