"""The periodic table of features: how many units of each net are like each handwritten one, and what they read.

periodic_table({census.net.name: census.counts, ...}, controls=("small-0, shuffled 0",)).savefig("table.png")
circuits({"small-0": {"edge to line": by_relative_angle(census, "edge", "line")}}).savefig("circuits.png")
"""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from circuitkit.errors import SpecError
from circuitkit.universality import LEAST
from circuitkit.viz.style import (
    BLACK,
    BLUE,
    FAINT,
    GREY,
    HEAD,
    LARGE,
    RESPONSE,
    SMALL,
    WIDTH,
    colour_bar,
    new_figure,
    place,
    short,
    styled,
)

ROW = 0.42
WIDEST = 1.1
"""Inches of a column, at most."""

LEFT = 1.9
MOST_SHARE = 0.2
"""Share of a net's units at which a cell is darkest."""


@styled
def periodic_table(found: Mapping[str, pd.DataFrame], *, controls: Collection[str] = ()) -> Figure:
    """Shows how many units of each net are found for each feature: a row a net, a column a feature.

    In each cell stand their number, their mean depth (0 is the first layer, 1 the last) and their median likeness to
    the handwritten unit. The darker, the larger their share of the net's units. What was not looked for is left blank.

    Args:
        found: The counts of each net, by name: as of `Census.counts`, `Hands.counts` or `by_eye.counts`.
        controls: Names of nets that learned nothing; they stand apart.

    Raises:
        SpecError: If there is no net.
    """
    if not found:
        raise SpecError("a periodic table needs at least one net.")
    names = [*(name for name in found if name not in controls), *(name for name in found if name in controls)]
    features = list(dict.fromkeys(feature for each in found.values() for feature in each.index))
    gap, head = (0.12 if controls else 0.0), 0.3
    width = min((WIDTH - LEFT - 0.75) / len(features), WIDEST)
    height = ROW * len(names) + gap
    figure = new_figure(
        HEAD + head + height + 0.1,
        "Which handwritten units are found in which nets",
        f"Units above chance and likeness {LEAST:g}: number; mean depth (first layer 0, last 1); median likeness.",
    )
    axes = place(figure, LEFT, HEAD + head, width * len(features), height)
    axes.set(xlim=(0, width * len(features)), ylim=(height, 0), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    norm = Normalize(0, MOST_SHARE)
    for column, feature in enumerate(features):
        said = feature.replace(" ", "\n")
        axes.text((column + 0.48) * width, -0.05, said, ha="center", va="bottom", fontsize=SMALL, linespacing=1.0)
    for row, name in enumerate(names):
        counts = found[name]
        y = row * ROW + (gap if name in controls else 0)
        total = counts.of.max()
        axes.text(
            -0.08, y + 0.46 * ROW, f"{short(name, 24)} ({total:.0f})", ha="right", va="center", fontsize=SMALL,
            color=GREY if name in controls else BLACK,
        )  # fmt: skip
        for column, feature in enumerate(features):
            if feature not in counts.index:
                continue
            held = counts.loc[feature]
            share = held.units / held.of if held.of > 0 else 0.0
            x = column * width
            axes.add_patch(
                Rectangle(
                    (x, y), 0.96 * width, 0.92 * ROW, facecolor=RESPONSE(norm(min(share, MOST_SHARE))), edgecolor=FAINT
                )
            )
            colour, middle = "white" if share > 0.55 * MOST_SHARE else BLACK, x + 0.48 * width
            axes.text(
                middle, y + 0.32 * ROW, f"{held.units:.0f}", ha="center", va="center", fontsize=LARGE, color=colour
            )
            if held.units:
                like = "" if np.isnan(held.likeness) else f"; {held.likeness:.2f}"
                axes.text(
                    middle, y + 0.72 * ROW, f"{held.depth:.2f}{like}", ha="center", va="center", fontsize=SMALL - 1,
                    color=colour,
                )  # fmt: skip
    bar = place(figure, LEFT + len(features) * width + 0.15, HEAD + head, 0.12, min(2.0, height))
    colour_bar(bar, norm, RESPONSE, "share of the net's units")
    return figure


@styled
def circuits(found: Mapping[str, Mapping[str, xr.Dataset | None]]) -> Figure:
    """Shows what units of one family weigh for those of another, by the angle between them: a column a net.

    The line is the mean weight over the root mean square of all; the band holds 95 of 100 of the same when the sources'
    angles are exchanged.

    Args:
        found: From `universality.by_relative_angle`, by net and by pair of families; None where a net lacks one.

    Raises:
        SpecError: If there is no net.
    """
    if not found:
        raise SpecError("a figure of circuits needs at least one net.")
    pairs = list(dict.fromkeys(pair for each in found.values() for pair in each))
    height, gap = 1.25, 0.42
    width = min((WIDTH - 1.0) / len(found), 3.0)
    figure = new_figure(
        HEAD + 0.25 + (height + gap) * len(pairs) + 0.3,
        "What a family reads, by relative angle",
        "Expanded weights, mean over pairs of units, in root mean squares. Grey: sources' angles exchanged, 95 %.",
    )
    for row, pair in enumerate(pairs):
        for column, (name, each) in enumerate(found.items()):
            top = HEAD + 0.25 + row * (height + gap)
            axes = place(figure, 0.85 + column * width, top, width - 0.18, height)
            if row == 0:
                axes.set_title(short(name, int(width * 11)), fontsize=SMALL)
            held = each.get(pair)
            axes.set(xlim=(0, 360), ylim=(-1.6, 1.6), xticks=[0, 180, 360], yticks=[-1, 0, 1])
            axes.axhline(0, color=FAINT, lw=0.8)
            if column == 0:
                axes.set_ylabel(pair)
            else:
                axes.set_yticklabels([])
            if row == len(pairs) - 1:
                axes.set_xticklabels(["0°", "180°", "360°"])
                axes.set_xlabel("angle between the units", fontsize=SMALL)
            else:
                axes.set_xticklabels([])
            if held is None:
                axes.text(180, 0.5, "too few units", ha="center", va="center", fontsize=SMALL, color=GREY)
                continue
            angles = np.append(held.relative_angle.values, 360.0)
            band = np.full((2, len(angles)), np.nan)
            seen = np.append(np.isfinite(held.null.values).any(0), False)  # no pair of units stands at the others
            band[:, seen] = np.nanquantile(held.null.values[:, seen[:-1]], [0.025, 0.975], axis=0)
            band[:, -1] = band[:, 0]
            axes.fill_between(angles, *band, color=FAINT, lw=0)
            profile = held.profile.values
            axes.plot(angles, np.append(profile, profile[0]), color=BLUE, marker=".", ms=4)
    return figure
