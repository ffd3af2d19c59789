"""What came back, as pictures: recoveries with their intervals, and how they fall as units are turned."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from circuitkit.viz.style import (
    BLACK,
    BLUE,
    FAINT,
    GREY,
    HEAD,
    ORANGE,
    SMALL,
    VERMILION,
    WIDTH,
    new_figure,
    place,
    styled,
)
from experiments.transplant.operations import (
    BY_HAND,
    KINDS,
    NATURAL_PERMUTED,
    OTHER,
    PERMUTED,
    TURNS,
    WHOLE,
    permuted,
)

ROW = 0.27
SHOWN = (
    BY_HAND,
    PERMUTED,
    *(name for kind in KINDS for name in (kind, permuted(kind))),
    WHOLE,
    NATURAL_PERMUTED,
    "natural, rolled",
    "lines along them",
    "curves of any angle",
    "half the radius",
    "twice the radius",
    OTHER,
    "held at their means",
    "random units, by hand",
)


TITLES = {
    "log_likelihood": "log-likelihood of the label",
    "top1": "top-1 accuracy",
    "top5": "top-5 accuracy",
    "same": "answer of the intact net",
}


@styled
def recoveries(tables: dict[str, pd.DataFrame], note: str) -> Figure:
    """Shows the recovery of each operation, a column a measure."""
    rows = [name for name in SHOWN if name in next(iter(tables.values())).index]
    figure = new_figure(HEAD + 0.3 + ROW * len(rows) + 0.55, "What comes back when units are replaced", note)
    left, gap = 1.75, 0.2
    width = (WIDTH - left - 0.2 - gap * (len(tables) - 1)) / len(tables)
    for column, (measure, table) in enumerate(tables.items()):
        axes = place(figure, left + column * (width + gap), HEAD + 0.3, width, ROW * len(rows))
        axes.axvline(0, color=GREY, lw=0.8)
        axes.axvline(1, color=GREY, lw=0.8)
        for row, name in enumerate(rows):
            held = table.loc[name]
            colour = BLUE if name in (BY_HAND, *KINDS, WHOLE) else ORANGE if name == NATURAL_PERMUTED else BLACK
            axes.plot([held.low, held.high], [row, row], color=colour, lw=1.5)
            axes.plot(held.recovery, row, "o", color=colour, ms=4)
        low = min(-0.1, float(table.loc[rows].low.min()))
        axes.set(xlim=(low, max(1.1, float(table.loc[rows].high.max()))), ylim=(len(rows) - 0.5, -0.5))
        axes.set_yticks(range(len(rows)), rows if column == 0 else [""] * len(rows))
        axes.set_xlabel("share brought back")
        axes.set_title(TITLES[measure], fontsize=SMALL, loc="left")
        axes.grid(axis="x", color=FAINT, lw=0.6)
        axes.set_axisbelow(True)
    return figure


@styled
def doses(table: pd.DataFrame, specificity: pd.DataFrame, note: str) -> Figure:
    """Shows recovery by how far all units are turned, beside permuted maps."""
    figure = new_figure(HEAD + 3.0, "Recovery by how far units are turned", note)
    axes = place(figure, 0.8, HEAD + 0.15, 4.9, 2.3)
    turns = np.array([0.0, *TURNS])
    held = table.loc[[BY_HAND, *(f"turned by {turn:g}°" for turn in TURNS)]]
    axes.fill_between(turns, held.low, held.high, color=FAINT, lw=0)
    axes.plot(turns, held.recovery, "o-", color=BLUE, ms=4)
    levels = (("by hand, permuted", PERMUTED, BLACK), ("natural, permuted", NATURAL_PERMUTED, ORANGE))
    for label, name, colour in (*levels, ("another image's", OTHER, VERMILION)):
        axes.axhline(float(table.recovery[name]), color=colour, lw=1.2, ls="--", label=label)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), fontsize=SMALL, frameon=False)
    axes.set(xlabel="all units turned by", ylabel="share of log-likelihood brought back", xticks=[0, 45, 90, 135, 180])
    axes.set_xticklabels(["0°", "45°", "90°", "135°", "180°"])
    beside = place(figure, 7.65, HEAD + 0.15, 1.2, 2.3)
    for at, (name, colour) in enumerate(((BY_HAND, BLUE), ("ceiling", ORANGE))):
        row = specificity.loc[name]
        beside.bar(at, row.recovery, color=colour, width=0.6)
        beside.plot([at, at], [row.low, row.high], color=BLACK, lw=1.2)
    beside.axhline(0, color=GREY, lw=0.8)
    beside.set_xticks([0, 1], ["by hand", "natural"], fontsize=SMALL)
    beside.set_title("recovery less permuted", fontsize=SMALL)
    return figure
