"""Neurons along a line: what each says, who is in a group where, and how alike they are.

    guide_lines(said, inputs=(0.3, 0.7), title="Eight neurons")     # said: a Path of pre-activations
    group_bars(groups(said, positive()), title="Who is positive")
    similarity_matrices({"direction": alike, "bias": others}, title="How alike they are")

Planes are drawn by `circuitkit.viz.neurons_plane`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.optimize import isotonic_regression

from circuitkit.neurons import Intervals, Path
from circuitkit.viz.style import (
    BLACK,
    BLUE,
    EXCITES,
    FAINT,
    GREY,
    HEAD,
    INHIBITS,
    SIGNED,
    SKY,
    SMALL,
    WIDTH,
    colour_bar,
    new_figure,
    place,
    short,
    styled,
    write,
)

NAMED = 24
"""So many neurons are named where they are drawn; more would not be legible."""

_LEFT, _RIGHT = 0.75, 1.35
"""Inches for what stands left and right of axes."""

_LINE = 0.155
"""Inches from one name to the next."""

HATCH = "////"
"""What is impossible."""


@styled
def guide_lines(
    said: Path,
    inputs: Sequence[float] = (),
    *,
    title: str,
    axis: str = "input",
    allowed: Float[np.ndarray, "stretch 2"] | None = None,
) -> Figure:
    """Draws what each neuron says along a line as a guide line, and what it says to some inputs as points on it.

    Args:
        said: Pre-activations.
        inputs: Where on the line points are drawn, t.
        title: What is seen.
        axis: What t is.
        allowed: Stretches of t that the layer can meet (`neurons.possible`); all others are hatched.
    """
    note = "What each neuron says before its nonlinearity. Dashed, on grey: below 0, where a ReLU lets nothing pass."
    figure = new_figure(4.6, title, note)
    axes = place(figure, _LEFT, HEAD + 0.45, WIDTH - _LEFT - _RIGHT, 3.05)
    whole = said.cut(0.0)
    many = len(said.names) > NAMED
    above, below = (np.where(keep, whole.values, np.nan) for keep in (whole.values >= 0, whole.values <= 0))
    axes.plot(whole.at, above, color=GREY, lw=0.5 if many else 1.1, alpha=0.5 if many else 1, zorder=2)
    axes.plot(whole.at, below, color=GREY, lw=0.4 if many else 0.9, ls=(0, (3, 2)), alpha=0.5 if many else 1, zorder=2)
    low, high = float(whole.values.min()), float(whole.values.max())
    room = 0.06 * (high - low) or 1.0
    axes.set(xlim=(whole.at[0], whole.at[-1]), ylim=(low - room, high + room), xlabel=axis, ylabel="pre-activation")
    axes.axhspan(low - room, min(0.0, high + room), color=FAINT, alpha=0.4, lw=0, zorder=0)
    axes.axhline(0, color=BLACK, lw=0.8, zorder=1)
    shut = closed(whole, allowed)
    for start, stop in shut:
        axes.axvspan(
            start,
            stop,
            facecolor="white",
            edgecolor=GREY,
            alpha=0.75,
            hatch=HATCH,
            hatch_linewidth=0.4,
            lw=0,
            zorder=2.5,
        )
    for t in inputs:
        axes.axvline(t, color=GREY, lw=0.6, zorder=1)
        axes.annotate(f"{t:.4g}", (t, 1), xycoords=("data", "axes fraction"), xytext=(0, 2),
                      textcoords="offset points", ha="center", fontsize=SMALL, color=BLACK)  # fmt: skip
        _points(axes, t, said(t), hollow=any(start < t < stop for start, stop in shut), small=many)
    if not many:
        _names_at_end(figure, axes, whole)
    _key(figure, bool(len(inputs)), bool(shut))
    return figure


def closed(said: Path, allowed: Float[np.ndarray, "stretch 2"] | None) -> list[tuple[float, float]]:
    """Returns the stretches of a line that are not allowed."""
    if allowed is None:
        return []
    ends = [said.at[0], *allowed.ravel(), said.at[-1]]
    return [(float(start), float(stop)) for start, stop in zip(ends[::2], ends[1::2], strict=True) if stop > start]


def _points(axes: Axes, t: float, values: Float[np.ndarray, " neuron"], *, hollow: bool, small: bool) -> None:
    """Draws what neurons say to one input; hollow if it cannot be."""
    for sign, colour, marker in ((1, EXCITES, "o"), (-1, INHIBITS, "v"), (0, BLACK, "D")):
        chosen = values[np.sign(values) == sign]
        axes.plot(
            np.full(len(chosen), t), chosen, marker, color=colour, ms=(3 if small else 5.5) - (sign == 0),
            mfc="white" if hollow else colour, zorder=3, clip_on=False,
        )  # fmt: skip


def _names_at_end(figure: Figure, axes: Axes, said: Path) -> None:
    """Writes each neuron's name where its line ends, moved apart as far as they need."""
    low, high = axes.get_ylim()
    per_inch = (high - low) / (axes.get_position().height * figure.get_figheight())
    heights = spread(said.values[-1], _LINE * per_inch, low, high)
    beside = axes.get_yaxis_transform()  # x as a part of the axes, y in data
    for name, at, height in zip(said.names, said.values[-1], heights, strict=True):
        axes.plot((1.003, 1.022), (at, height), color=GREY, lw=0.5, transform=beside, clip_on=False)
        axes.text(1.028, height, short(name, 12), transform=beside, va="center", fontsize=SMALL)


def spread(wanted: Float[np.ndarray, " one"], gap: float, low: float, high: float) -> Float[np.ndarray, " one"]:
    """Returns places at least a gap apart, from low to high, and otherwise as near as can be to those wanted.

    >>> spread(np.array([3.0, 0.0, 0.0]), 1.0, 0.0, 9.0)
    array([3., 0., 1.])
    """
    order = np.argsort(wanted, kind="stable")
    steps = gap * np.arange(len(wanted))
    moved = isotonic_regression(wanted[order] - steps).x
    found = np.empty(len(wanted))
    found[order] = np.clip(moved, low, max(low, high - steps[-1])) + steps
    return found


def _key(figure: Figure, points: bool, shut: bool) -> None:
    """Says what marks mean, above the axes."""
    marks: list[Line2D | Patch] = []
    if points:
        marks += [
            Line2D([], [], marker="o", ls="", color=EXCITES, ms=5.5, label="positive"),
            Line2D([], [], marker="v", ls="", color=INHIBITS, ms=5.5, label="negative"),
        ]
    if shut:
        label = "cannot be: a ReLU before the layer lets no input below 0 pass"
        marks.append(Patch(facecolor="white", edgecolor=GREY, hatch=HATCH, hatch_linewidth=0.4, lw=0, label=label))
    if marks:
        at = (_LEFT / WIDTH, 1 - (HEAD - 0.05) / figure.get_figheight())
        figure.legend(handles=marks, loc="upper left", bbox_to_anchor=at, ncols=3, borderpad=0, handlelength=1.6)


@styled
def group_bars(found: Intervals, *, title: str, axis: str = "input", most: int = 512) -> Figure:
    """Draws who is in a group where: a bar for each neuron, and above them how many there are.

    Args:
        found: Groups along a line.
        title: What is seen.
        axis: What t is.
        most: Rows; of more neurons, those that are in for longest.
    """
    long = (found.members * found.sizes[:, None]).sum(axis=0)
    always = np.asarray(found.members.all(axis=0) & found.at_bounds.all(axis=0))
    never = ~(found.members.any(axis=0) | found.at_bounds.any(axis=0))
    kept = np.flatnonzero(~never)
    if len(kept) > 2 * NAMED:  # no room for those of which there is nothing to see
        kept = np.flatnonzero(~never & ~always)
    short_of = max(0, len(kept) - most)
    kept = np.sort(kept[np.argsort(-long[kept], kind="stable")[:most]])
    # By the middle of where each is in, so that neighbours on the line are neighbours on the page.
    middles = (found.bounds[:-1] + found.bounds[1:]) / 2
    centre = (found.members * (found.sizes * middles)[:, None]).sum(axis=0) / np.maximum(long, 1e-300)
    rows = kept[np.argsort(centre[kept], kind="stable")]
    left_out = {
        "never in": never.sum(),
        "in all along": 0 if always[rows].any() else always.sum(),
        "in for less long": short_of,
    }
    note = f"Group: {found.predicate}. A bar is where a neuron is in; {len(found.members)} stretches."
    if any(left_out.values()):
        note += f" Not drawn: {', '.join(f'{count} {why}' for why, count in left_out.items() if count)}."
    named = len(rows) <= 2 * NAMED
    tall = max(0.6, len(rows) * _LINE if named else min(6.0, len(rows) * 0.02))
    figure = new_figure(HEAD + 0.8 + tall + 0.65, title, note)
    width = WIDTH - _LEFT - _RIGHT
    count = place(figure, _LEFT + 0.4, HEAD + 0.1, width, 0.55)
    count.stairs(found.members.sum(axis=1), found.bounds, fill=True, color=SKY)
    count.set(xlim=(found.bounds[0], found.bounds[-1]), xticks=[], ylim=(0, max(1, found.members.sum(axis=1).max())))
    count.set_yticks([0, max(1, int(found.members.sum(axis=1).max()))])
    count.set_ylabel("how many", rotation=0, ha="right", va="center", fontsize=SMALL)
    axes = place(figure, _LEFT + 0.4, HEAD + 0.8, width, tall)
    half = 0.36 if named else 0.5
    bars = [
        [(start, row - half), (stop, row - half), (stop, row + half), (start, row + half)]
        for row, neuron in enumerate(rows)
        for start, stop in (found.bounds[list(ends)] for ends in _stretches(found, int(neuron)))
    ]
    # Smoothed edges would leave light lines between rows that touch.
    axes.add_collection(PolyCollection(bars, facecolors=BLUE, edgecolors="none", antialiaseds=named))
    for bound in found.bounds[1:-1] if named else ():
        axes.axvline(bound, color=FAINT, lw=0.6, zorder=0)
    if named:
        _single_points(axes, found, rows)
    axes.set(xlim=(found.bounds[0], found.bounds[-1]), ylim=(max(1, len(rows)) - 0.5, -0.5), xlabel=axis)
    axes.set_yticks(range(len(rows)) if named else [], [short(found.names[n], 15) for n in rows] if named else [])
    if not named:
        axes.set_ylabel(f"{len(rows)} neurons")
    return figure


def _stretches(found: Intervals, neuron: int) -> list[tuple[int, int]]:
    """Returns the bounds between which a neuron is in, stretches that touch being one if it is in there, too."""
    held: list[tuple[int, int]] = []
    for stretch in np.flatnonzero(found.members[:, neuron]).tolist():
        if held and held[-1][1] == stretch and found.at_bounds[stretch, neuron]:
            held[-1] = (held[-1][0], stretch + 1)
        else:
            held.append((stretch, stretch + 1))
    return held


def _single_points(axes: Axes, found: Intervals, rows: Sequence[int] | np.ndarray) -> None:
    """Marks where a neuron is in, or out, at one point alone."""
    for row, neuron in enumerate(rows):
        inner = found.at_bounds[1:-1, neuron]
        before, after = found.members[:-1, neuron], found.members[1:, neuron]
        for chosen, face in ((inner & ~before & ~after, BLUE), (~inner & before & after, "white")):
            at = found.bounds[1:-1][chosen]
            axes.plot(at, np.full(len(at), row), "o", mfc=face, mec=BLUE, ms=4.5, zorder=3)


@styled
def similarity_matrices(matrices: Mapping[str, xr.DataArray], *, title: str) -> Figure:
    """Draws how alike neurons are, by one thing or several, each in the order that it has.

    Args:
        matrices: By what each compares: (neuron, other), -1 to 1; what has no similarity is NaN, and stays grey.
        title: What is seen.
    """
    across = min(len(matrices), 3)
    named = max(len(matrix) for matrix in matrices.values()) <= (NAMED if across < 3 else NAMED // 2)
    names = 0.95 if named else 0.3
    side = (WIDTH - 1.0 - across * (names + 0.1)) / across
    side = min(side, 4.5)
    down = -(-len(matrices) // across)
    step = side + 0.6
    note = "Red: alike. Blue: opposite. White: neither. Neighbours are alike where the order is a clustered one."
    figure = new_figure(HEAD + 0.1 + down * step, title, note)
    for number, (name, matrix) in enumerate(matrices.items()):
        left = names + (number % across) * (side + names + 0.1)
        top = HEAD + 0.3 + (number // across) * step
        axes = place(figure, left, top, side, side)
        axes.set_facecolor(FAINT)
        axes.imshow(np.ma.masked_invalid(matrix.values), cmap=SIGNED, norm=Normalize(-1, 1), interpolation="nearest")
        axes.set_title(name)
        axes.set_xticks([])
        who = [short(one, 12) for one in matrix[matrix.dims[0]].values]
        axes.set_yticks(range(len(who)) if named else [], who if named else [])
        axes.set_xlabel("the same neurons" if named else f"{len(who)} neurons")
    bar = place(figure, names + across * (side + names + 0.1) - names + 0.05, HEAD + 0.3, 0.12, min(side, 2.0))
    colour_bar(bar, Normalize(-1, 1), SIGNED, "similarity")
    if not matrices:
        write(figure, 0.1, HEAD, "nothing to compare")
    return figure
