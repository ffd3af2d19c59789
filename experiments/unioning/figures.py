"""What this experiment draws: shares by case, directions with inhibition cut, and weights in the mirror."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from circuitkit.viz.style import (
    BLACK,
    BLUE,
    FAINT,
    GREY,
    HEAD,
    NORMAL,
    SMALL,
    VERMILION,
    WIDTH,
    new_figure,
    place,
    styled,
    write,
)
from experiments.unioning import drawn, photographed

UNITS = {"right": VERMILION, "left": BLUE, "either": BLACK}
MARKS = {"right": ">", "left": "<", "either": "o"}


def all_of(tables: Mapping[str, pd.DataFrame], nulls: photographed.Nulls) -> dict[str, Figure]:
    """Returns the figures that tables suffice for."""
    found = {"drawn": by_hand(tables["drawn_shares"]), "weights": in_the_mirror(tables["weights"])}
    if nulls:
        found |= {"photographs": photographs(tables["photo_shares"]), "cut": cuts(tables["cut"], nulls)}
    return found


@styled
def by_hand(shares: pd.DataFrame) -> Figure:
    """Shows drawings of each case, and what pathways and union respond, with rivals and without."""
    cases = list(dict.fromkeys(shares.case))
    figure = new_figure(
        HEAD + 4.1,
        "Heads by hand: two pathways and the unit that unites them",
        "largest response within 50 pixels of the middle, over that to a unit's own heads; bars: 95 % of the mean",
    )
    left, width = 1.1, (WIDTH - 1.4) / len(cases)
    jumbled = dataclasses.replace(drawn.ALONE, jumble=1.0, seed=drawn.FRESH)
    mirrored = dataclasses.replace(drawn.ALONE, facing=-1.0)
    shown = {
        drawn.RIGHT: drawn.ALONE,
        drawn.LEFT: mirrored,
        "both in one place": drawn.ALONE | mirrored,
        "parts jumbled": jumbled,
        "neither": drawn.OTHERS[-1],
    }
    for column, case in enumerate(cases):
        axes = place(figure, left + (column + 0.12) * width, HEAD + 0.1, 0.76 * width, 0.76 * width)
        axes.imshow(np.asarray(shown[case].draw(131))[..., 0], cmap="gray", vmin=-1, vmax=1)
        axes.set_axis_off()
    top = HEAD + 0.76 * width + 0.2
    for row, name in enumerate(dict.fromkeys(shares.circuit)):
        axes = place(figure, left, top + row * 1.05, width * len(cases), 0.85)
        _by_case(axes, shares[shares.circuit == name], cases)
        axes.set_ylabel(f"{name}\nshare")
        axes.set_ylim(-0.08, max(1.25, float(shares[shares.circuit == name].high.max()) * 1.1))
        axes.set_xticks(range(len(cases)), cases if row else [""] * len(cases))
    write(figure, left, top + 2.35, "▶ pathway for right   ◀ pathway for left   ● union   – the largest", color=GREY)
    return figure


@styled
def photographs(shares: pd.DataFrame) -> Figure:
    """Shows what trained pathways and unions respond to photographs, by case."""
    cases, pairs = list(dict.fromkeys(shares.case)), list(dict.fromkeys(shares.pathways))
    height = 1.25
    figure = new_figure(
        HEAD + height * len(pairs) + 1.35,
        "Trained pathways and later units that read both, on 46 dogs",
        "mean response over that to a unit's own side (union: to both); bars: 95 %",
    )
    for row, name in enumerate(pairs):
        axes = place(figure, 0.75, HEAD + 0.35 + row * height, WIDTH - 1.0, height - 0.4)
        _by_case(axes, shares[shares.pathways == name], cases, largest=False)
        axes.set_title(name, fontsize=NORMAL, loc="left")
        axes.set_ylabel("share")
        axes.set_xticks(range(len(cases)), [""] * len(cases))
    axes.set_xticks(range(len(cases)), [case.replace(", ", ",\n") for case in cases], rotation=40, ha="right")
    write(figure, 4.2, HEAD + 0.05, "▶ faces right   ◀ faces left   ● reads both", color=GREY)
    return figure


def _by_case(axes: Axes, shares: pd.DataFrame, cases: list[str], *, largest: bool = True) -> None:
    axes.axhline(0, color=FAINT, lw=0.8)
    axes.axhline(1, color=FAINT, lw=0.8)
    for off, (unit, colour) in zip((-0.2, 0.0, 0.2), UNITS.items(), strict=True):
        each = shares[shares.unit == unit].set_index("case").loc[cases]
        x = np.arange(len(cases)) + off
        axes.vlines(x, each.low, each.high, color=colour, lw=1.4)
        axes.plot(x, each.share, MARKS[unit], color=colour, ms=4.5)
        if largest:
            axes.plot(x, each.largest, "_", color=colour, ms=6)
    axes.set_xlim(-0.6, len(cases) - 0.4)


@styled
def cuts(table: pd.DataFrame, nulls: photographed.Nulls) -> Figure:
    """Shows direction as it is, without the inhibition by opposed sources, and without as much of others'."""
    figure = new_figure(
        HEAD + 0.34 * len(table) + 0.95,
        "What inhibition by the other side does for a pathway's side",
        "direction on 46 labelled dogs: 1 if silent to the other side; sources were chosen on other images",
    )
    axes = place(figure, 2.75, HEAD + 0.2, WIDTH - 3.0, 0.34 * len(table))
    for at, row in enumerate(table.itertuples()):
        null = nulls[row.pathways, row.own]
        axes.plot(null, np.full(len(null), at), "|", color=GREY, ms=9, alpha=0.35)
        axes.plot([row.uncut], [at], "o", color=BLACK, ms=5)
        axes.plot([row.cut], [at], "D", color=VERMILION, ms=5)
    axes.set_yticks(range(len(table)), [f"{row.pathways}, for {row.own}" for row in table.itertuples()], fontsize=SMALL)
    axes.set(
        ylim=(len(table) - 0.5, -0.5), xlabel="● as it is    ◆ opposed inhibition cut    | as much of other sources'"
    )
    axes.axvline(0, color=FAINT, lw=0.8)
    return figure


@styled
def in_the_mirror(table: pd.DataFrame) -> Figure:
    """Shows how weights of one pathway correlate with those of the other, mirrored and as they are."""
    figure = new_figure(
        HEAD + 0.27 * len(table) + 0.85,
        "Weights of one pathway and of the other",
        "correlation over sources and places; by hand and trained: sources exchanged with their mirror images",
    )
    axes = place(figure, 3.6, HEAD + 0.15, WIDTH - 3.85, 0.27 * len(table))
    for at, row in enumerate(table.to_dict("records")):
        axes.plot([row["as they are"], row["mirrored"]], [at, at], color=FAINT, lw=1.4)
        axes.plot([row["mirrored"]], [at], "D", color=BLUE, ms=5)
        axes.plot([row["as they are"]], [at], "o", color=GREY, ms=5)
    names = [f"{row['net']}: {row['weights']}" for row in table.to_dict("records")]
    axes.set_yticks(range(len(table)), names, fontsize=SMALL)
    axes.set(xlim=(-1.05, 1.05), ylim=(len(table) - 0.5, -0.5), xlabel="◆ mirrored    ● as they are")
    axes.axvline(0, color=FAINT, lw=0.8)
    return figure
