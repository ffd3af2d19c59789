"""Pictures of meanings: how far apart they have to be, a unit by hand, and what drives units of a trained net."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure

from circuitkit.viz.style import BLUE, FAINT, GREEN, GREY, HEAD, ORANGE, SMALL, VERMILION, new_figure, place, styled

COLOURS = (BLUE, VERMILION, GREEN, ORANGE)
MARKERS = "osD^"


@styled
def power(alarms: pd.DataFrame, found: pd.DataFrame) -> Figure:
    """Shows how often one meaning is taken for several, and how often several are found."""
    figure = new_figure(
        3.6,
        "One meaning is rarely taken for several, and several are found once they are far apart",
        "left: simulated units of one meaning, called at p ≤ 0.05 (dashed); right: the number of meanings is right",
    )
    axes = place(figure, 1.9, HEAD + 0.25, 3.2, 2.2)
    names = list(dict.fromkeys(alarms["cloud"]))
    for (width, cut), colour, marker in zip(
        sorted({*zip(alarms.channels, alarms.cut, strict=True)}), COLOURS, MARKERS, strict=False
    ):
        of = alarms[(alarms.channels == width) & (alarms.cut == cut)]
        label = f"{width} channels, {'the strongest' if cut else 'at random'}"
        axes.plot(of["p <= 0.05"], [names.index(name) for name in of["cloud"]], marker, ms=4, color=colour, label=label)
    axes.axvline(0.05, color=GREY, ls="--", lw=0.8)
    axes.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5), xlabel="share of units called")
    axes.set_xlim(-0.01, 0.3)
    axes.legend(loc="center right", fontsize=SMALL, handletextpad=0.1)
    axes = place(figure, 5.8, HEAD + 0.25, 3.0, 2.2)
    for (count, of), colour, marker in zip(
        found[found.meanings > 1].groupby("meanings"), COLOURS, MARKERS, strict=False
    ):
        axes.plot(of["apart"], of["count is right"], marker + "-", ms=4, color=colour, label=f"{count} meanings")
    axes.set(ylim=(-0.03, 1.03), xlabel="distance of two meanings, in standard deviations", ylabel="share of units")
    axes.legend(loc="upper left")
    return figure


@styled
def by_hand(drawn: Mapping[str, Float[np.ndarray, "row column"]], table: pd.DataFrame) -> Figure:
    """Shows the drawings, what each detector hears of them, and its threshold."""
    figure = new_figure(
        4.3,
        "A unit of three meanings: faces of cats, fronts of cars, legs of cats",
        "mean response to the parts of each detector (bars), the largest of all (ticks), and its threshold (dashed)",
    )
    step = 8.2 / len(drawn)
    for at, (name, image) in enumerate(drawn.items()):
        axes = place(figure, 0.7 + step * at, HEAD + 0.1, 0.62, 0.62)
        axes.imshow(image, cmap="gray", vmin=-1, vmax=1)
        axes.set(xticks=[], yticks=[])
        axes.set_xlabel(name, fontsize=SMALL, labelpad=2)
    for row, (name, colour) in enumerate(zip(("faces", "fronts", "legs"), COLOURS, strict=False)):
        axes = place(figure, 0.7 - (step - 0.62) / 2, HEAD + 1.1 + 0.85 * row, step * len(drawn), 0.65)
        heard, threshold = table[f"{name}, heard"], table["threshold " + name].iloc[0]
        axes.bar(
            range(len(table)), heard, width=0.5, color=[colour if each == name else FAINT for each in table.drawing]
        )
        axes.plot(range(len(table)), table[f"{name}, most"], "_", color=GREY, ms=8)
        axes.axhline(threshold, color=GREY, ls="--", lw=0.8)
        axes.set(xlim=(-0.5, len(table) - 0.5), ylim=(0, 1), xticks=[], yticks=(0, 1), ylabel=name)
    return figure


@styled
def meanings(
    units: Mapping[str, tuple[str, list[Float[np.ndarray, "image row column 3"]]]], title: str, note: str
) -> Figure:
    """Shows a row of exemplars for each meaning of some units: by unit, what to say of it, and pictures by meaning."""
    side, gap = 0.62, 0.04
    lines = -(-len(units) // 2)
    rows = max(len(pictures) for _, pictures in units.values())
    block = rows * (side + gap) + 0.42
    figure = new_figure(HEAD + 0.15 + lines * block, title, note)
    for at, (name, (said, pictures)) in enumerate(units.items()):
        left, top = 0.2 + 4.45 * (at % 2), HEAD + 0.35 + block * (at // 2)
        for row, images in enumerate(pictures):
            for column, image in enumerate(images):
                axes = place(figure, left + column * (side + gap), top + row * (side + gap), side, side)
                axes.imshow(np.clip((image + 1) / 2, 0, 1))
                axes.set(xticks=[], yticks=[])
                if not row and not column:
                    axes.set_title(f"{name}   {said}", loc="left", fontsize=SMALL)
    return figure
