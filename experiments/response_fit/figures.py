"""What models explain of trained units, and one curve for ten published ones: as pictures."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from circuitkit.fit import RadialFit
from circuitkit.viz.style import BLACK, BLUE, FAINT, GREY, HEAD, ORANGE, SMALL, WIDTH, new_figure, place, styled

ROW = 0.3


@styled
def models(units: pd.DataFrame, order: Sequence[str], note: str) -> Figure:
    """Shows each unit's correlation with every model's prediction: a row a model, a column a layer."""
    rows = [model for model in order if model in set(units.model)]
    layers = list(units.layer.unique())
    figure = new_figure(HEAD + 0.3 + ROW * len(rows) + 0.55, "What models explain of trained curve units", note)
    left, gap = 1.9, 0.4
    width = (WIDTH - left - 0.2 - gap * (len(layers) - 1)) / len(layers)
    for column, layer in enumerate(layers):
        axes = place(figure, left + column * (width + gap), HEAD + 0.3, width, ROW * len(rows))
        for row, model in enumerate(rows):
            held = units[(units.model == model) & (units.layer == layer)].correlation.to_numpy()
            if not len(held):
                continue  # this model was fitted to another layer alone
            colour = BLUE if "fitted" in model else ORANGE if model.startswith("any") else BLACK
            axes.plot(held, np.full(len(held), row), "o", color=colour, ms=3.5, alpha=0.5, mew=0)
            axes.plot([np.median(held)] * 2, [row - 0.35, row + 0.35], color=colour, lw=2)
        axes.axvline(0, color=GREY, lw=0.8)
        axes.set(xlim=(min(-0.1, float(units.correlation.min()) - 0.05), 1), ylim=(len(rows) - 0.5, -0.5))
        axes.set_yticks(range(len(rows)), rows if column == 0 else [""] * len(rows))
        axes.set_xlabel("correlation on other photographs")
        count = units[units.layer == layer].groupby("model").size().max()
        axes.set_title(f"{layer}: {count} units; bar: median", fontsize=SMALL, loc="left")
        axes.grid(axis="x", color=FAINT, lw=0.6)
        axes.set_axisbelow(True)
    return figure


@styled
def radial(found: RadialFit) -> Figure:
    """Shows the published curves, each turned to its own angle, with the one curve that is fitted to all of them."""
    names = list(found.shown.unit.values)
    columns = 5
    rows = -(-len(names) // columns)
    height, gap = 1.25, 0.5
    figure = new_figure(
        HEAD + 0.2 + rows * (height + gap) + 0.2,
        "One radial curve for all",
        f"grey: a published unit, over its largest response; blue: a circuit of {len(found.numbers)} numbers. "
        "r: correlation; in brackets, of the best curve that all could share",
    )
    width = (WIDTH - 0.8 - 0.15 * (columns - 1)) / columns
    for number, name in enumerate(names):
        row, column = divmod(number, columns)
        axes = place(figure, 0.6 + column * (width + 0.15), HEAD + 0.3 + row * (height + gap), width, height)
        own = found.shown.sel(unit=name)
        axes.fill_between(own.angle, own, color=GREY, alpha=0.45, lw=0)
        # The gain and offset of least squares.
        slope, offset = np.polyfit(found.curve.values, own.values, 1)
        axes.plot(found.curve.angle, slope * found.curve + offset, color=BLUE, lw=1.5)
        held = found.units.loc[name]
        axes.set_title(f"{name}  r {held.correlation:.2f} ({held.ceiling:.2f})", fontsize=SMALL, loc="left")
        axes.set(xlim=(-180, 180), ylim=(-0.15, 1.2), xticks=[-90, 0, 90], yticks=[0, 1])
        axes.set_xticklabels(["−90°", "0°", "90°"] if row == rows - 1 else [""] * 3)
        if column:
            axes.set_yticklabels(["", ""])
        else:
            axes.set_ylabel("response")
        axes.grid(color=FAINT, lw=0.6)
        axes.set_axisbelow(True)
    figure.text(0.5, 0.012, "angle of the arc from the unit's own", ha="center", fontsize=SMALL)
    return figure
