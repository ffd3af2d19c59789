"""What this experiment draws: pairs in their responses, and pairs in their weights."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from circuitkit.mirror_pairs import matches, parts
from circuitkit.viz.style import (
    BLACK,
    BLUE,
    FAINT,
    GREY,
    HEAD,
    NORMAL,
    SIGNED,
    SMALL,
    VERMILION,
    WIDTH,
    colour_bar,
    new_figure,
    place,
    styled,
    symmetric,
    write,
)

if TYPE_CHECKING:
    from experiments.mirror_pairs.__main__ import Result

SCATTERED = 4
TOLD = 10
UNITED = 6
MATRIX = 20
"""The most pairs that are scattered, shown with labels, or with later units; and the most units in the matrix."""


def short(layer: str) -> str:
    """Returns a layer's name without what all layers of its net share."""
    return layer.replace("stage3_unit", "u").replace("_act", " act")


def ordered(result: "Result") -> pd.DataFrame:
    """Returns the pairs that hold, those that tell facing best first."""
    held = result.pairs[result.pairs.holds]
    told = result.facing.set_index(["layer", "unit"]).auc if len(held) else {}
    apart = [abs(told[row.layer, row.a] - told[row.layer, row.b]) for row in held.itertuples()]
    return held.assign(apart=apart).sort_values("apart", ascending=False, kind="stable", ignore_index=True)


@styled
def responses(result: "Result", readout: str = "mean") -> Figure:
    """Shows d of pairs against each other, a matrix of matches in one layer, and how well units tell facing."""
    held, sides = ordered(result), result.subject.sides
    some = held.head(TOLD)
    lower = 3.75
    figure = new_figure(
        HEAD + 2.55 + lower + 0.4,
        f"{result.subject.net.name}: units that a mirror exchanges",
        "d: half of response minus response to the mirror image; pairs were chosen without labels, on other images",
    )
    side, gap = 1.6, 0.56
    for column, row in enumerate(held.head(SCATTERED).itertuples()):
        axes = place(figure, 0.62 + column * (side + gap), HEAD + 0.42, side, side)
        _scatter(axes, result, row, sides, readout)
        axes.set_ylabel("d of b" if column == 0 else "")
    top = HEAD + 2.55
    write(figure, 0.1, HEAD + 0.06, "blue: faces left · orange: faces right · grey: not labelled", color=GREY)
    _matrix(figure, result, held, top, readout)
    _told(figure, result, some, top, lower)
    return figure


def _scatter(axes: Axes, result: "Result", row: object, sides: np.ndarray, readout: str) -> None:
    _, odd = parts(result.seen[row.layer].isel(unit=[row.a, row.b]), readout)
    odd = odd / np.abs(odd).max(0)
    for at, colour, size, order in ((0, FAINT, 7, 0), (1, BLUE, 13, 2), (-1, VERMILION, 13, 1)):
        axes.scatter(*odd[sides == at].T, s=size, c=colour, lw=0, zorder=order, marker="^" if at < 0 else "o")
    axes.axhline(0, color=FAINT, lw=0.8, zorder=-1)
    axes.axvline(0, color=FAINT, lw=0.8, zorder=-1)
    axes.set(xlim=(-1.08, 1.08), ylim=(-1.08, 1.08), xticks=[-1, 0, 1], yticks=[-1, 0, 1], xlabel="d of a / largest")
    axes.set_title(f"{short(row.layer)}: a {row.a}, b {row.b}")


def _matrix(figure: Figure, result: "Result", held: pd.DataFrame, top: float, readout: str) -> None:
    """Draws the matches of the units of one layer's pairs, each with its partner, with all others and with itself."""
    if held.empty:
        return
    layer = held.layer.value_counts().idxmax() if "stage3_unit5_act3" not in set(held.layer) else "stage3_unit5_act3"
    rows = held[held.layer == layer]
    likely = result.pairs[(result.pairs.layer == layer) & result.pairs.p_law.notna()].head(MATRIX // 2)
    known = [unit for where, unit in result.subject.known if where == layer]
    units = list(dict.fromkeys([*likely.a, *known, *likely.b]))
    match = matches(result.seen[layer].isel(unit=units, image=np.flatnonzero(result.subject.choose)), readout)[0]
    side = 3.0
    axes = place(figure, 0.62, top + 0.3, side, side)
    norm = symmetric(np.array([1.0]))
    axes.imshow(match, cmap=SIGNED, norm=norm)
    for row in rows.itertuples():
        for x, y in ((row.a, row.b), (row.b, row.a)):
            at = (units.index(x) - 0.5, units.index(y) - 0.5)
            axes.add_patch(Rectangle(at, 1, 1, fill=False, ec=BLACK, lw=1.2))
    axes.set_xticks(range(len(units)), units, rotation=90, fontsize=SMALL)
    axes.set_yticks(range(len(units)), units, fontsize=SMALL)
    axes.set_title(f"{short(layer)}: match in the mirror (framed: hold)", fontsize=NORMAL)
    colour_bar(place(figure, 0.62 + side + 0.12, top + 0.3, 0.1, side), norm, SIGNED, "correlation")


def _told(figure: Figure, result: "Result", some: pd.DataFrame, top: float, height: float) -> None:
    """Draws how well both units of each pair tell left from right, with intervals."""
    left = 5.95
    axes = place(figure, left, top + 0.3, WIDTH - left - 0.3, height - 0.45)
    told = result.facing.set_index(["layer", "unit"]) if len(some) else None
    for at, row in enumerate(some.itertuples()):
        for unit, off, marker in ((row.a, -0.17, "o"), (row.b, 0.17, "D")):
            each = told.loc[(row.layer, unit)]
            colour = GREY if each.p_family >= 0.05 else BLUE if each.auc > 0.5 else VERMILION
            axes.plot([each.low, each.high], [at + off] * 2, color=colour, lw=1.4, solid_capstyle="butt")
            axes.plot([each.auc], [at + off], marker, color=colour, ms=4.5)
    axes.axvline(0.5, color=GREY, lw=0.9, ls=":")
    axes.set(xlim=(-0.03, 1.03), ylim=(len(some) - 0.4, -0.6), xlabel="AUC: 1 faces left, 0 faces right; bars 95 %")
    names = [f"{short(row.layer)}: {row.a} ○, {row.b} ◇" for row in some.itertuples()]
    axes.set_yticks(range(len(some)), names)
    axes.grid(axis="x", color=FAINT, lw=0.6)
    axes.set_axisbelow(True)
    axes.set_title("by labels; grey: p of the family ≥ .05", fontsize=NORMAL)


@styled
def weights(result: "Result") -> Figure:
    """Shows how near to mirror images the weights of pairs are, and the tiles that later units read pairs by."""
    some = result.unions.dropna(subset=["mirrored"]) if len(result.unions) else result.unions
    some = some.sort_values("strength", ascending=False).drop_duplicates(["layer", "a", "b"]).head(UNITED)
    figure = new_figure(
        HEAD + 4.15,
        f"{result.subject.net.name}: weights of the units that a mirror exchanges",
        "left: what pairs are made of; right: how the later unit that unites a pair reads the two",
    )
    side = 2.85
    axes = place(figure, 0.75, HEAD + 0.3, side, side)
    axes.plot([-1, 1], [-1, 1], color=FAINT, lw=0.8, zorder=-1)
    axes.axhline(0, color=FAINT, lw=0.8, zorder=-1)
    axes.axvline(0, color=FAINT, lw=0.8, zorder=-1)
    own, others = (table[table.p_law.notna()] for table in (result.pairs, result.controls))
    for table, colour, marker, label in (
        (own[own.holds], BLUE, "o", "trained: in responses and weights"),
        (own[~own.holds], BLACK, "x", "trained: in responses, p of weights above .01"),
        (others, VERMILION, "+", "shuffled kernels: in responses"),
    ):
        filled = {"facecolors": "none", "edgecolors": colour} if marker == "o" else {"c": colour}
        axes.scatter(
            table.law_plain, table.mirrored, marker=marker, s=24, lw=1.1, label=f"{label} ({len(table)})", **filled
        )
    low = float(min([-0.3, *own.law_plain, *others.law_plain, *own.mirrored])) - 0.05
    high = float(max([0.6, *own.mirrored, *own.law_plain, *others.law_plain])) + 0.05
    axes.set(xlim=(low, high), ylim=(low, high))
    axes.set(xlabel="correlation of a's weights with b's as they are", ylabel="with b's in the mirror")
    axes.legend(loc="upper left", bbox_to_anchor=(-0.12, -0.16), handletextpad=0.2, borderpad=0.2)
    _tiles(figure, result, some)
    return figure


def _tiles(figure: Figure, result: "Result", some: pd.DataFrame) -> None:
    """Draws the tiles by which each later unit reads the two of a pair, side by side."""
    left, step, size = 4.35, 0.78, 0.62
    for column, text in enumerate(("a", "b", "b mirrored")):
        write(figure, left + column * step, HEAD + 0.08, text, fontsize=SMALL)
    size = min(size, 2.85 / max(len(some), 1) - 0.06)
    for line, row in enumerate(some.itertuples()):
        values = result.tiles[row.layer, row.later].values[row.unit]
        one, other = values[row.a], values[row.b]
        norm = symmetric(np.stack([one, other]))
        top = HEAD + 0.3 + line * (size + 0.06)
        for column, tile in enumerate((one, other, other[:, ::-1])):
            axes = place(figure, left + column * step, top, size, size)
            axes.imshow(tile, cmap=SIGNED, norm=norm)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(True)
            axes.spines[:].set_color(FAINT)
        text = f"{short(row.layer)}: {row.a}, {row.b} → {short(row.later)}: {row.unit}\n"
        text += f"tiles {_two(row.mirrored)}, plain {_two(row.plain)}; odd {row.odd:.2f}"
        write(figure, left + 3 * step + 0.02, top + size / 2, text, fontsize=SMALL, va="center", linespacing=1.3)
    write(
        figure, left, HEAD + 3.3, "red: excites, blue: inhibits; each row on its own scale", fontsize=SMALL, color=GREY
    )


def _two(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
