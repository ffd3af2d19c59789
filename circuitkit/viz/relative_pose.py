"""Weights between two families by relative pose: all tiles, the part that obeys the law, and sums by relative angle.

    found = relative_pose(weights, unit_angles, source_angles)
    fit = Fit(weights, found, unit_angles, source_angles)
    tile_matrix(fit, "mine")                # unit x source, with the part that depends on relative pose, and the rest
    weight_by_turn({"mine": fit})           # each pair a dot, the fitted part a line, chance a band

Angles are in degrees. What comes back after half a turn is drawn as a line, what needs a whole one as an arc.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from circuitkit.fit import TileFit
from circuitkit.relative_pose import HARMONICS, RelativePose
from circuitkit.viz.style import (
    BLACK,
    BLUE,
    FAINT,
    GREY,
    HEAD,
    SIGNED,
    SMALL,
    VERMILION,
    WIDTH,
    colour_bar,
    glyph,
    new_figure,
    place,
    right_end,
    short,
    signed,
    styled,
    write,
)

EXCHANGES = 199
"""Orders of the sources' angles that a band is made of."""

BAND = (2.5, 97.5)
"""Percentiles that it reaches from and to."""

BRIGHTEST = 0.999
"""Share of the weights that the colour scale holds: a single one may be far above all others."""

_LEFT, _RIGHT, _GAP, _TOP = 0.62, 1.1, 0.2, 0.82
"""Inches around matrices: units' angles, colour bar, between two, and above one for its title and sources' angles."""

_TALLEST = 9.0
"""Inches that matrices may take in height."""

_LEGIBLE = 0.2
"""Inches that a tile needs at least for the three matrices to stand side by side."""

_LABEL = 0.17
"""Inches that a number needs from the next one."""


class Fit(NamedTuple):
    """Weights, the angles of both families, and what `relative_pose` said of them.

    Attributes:
        weights: (unit, source, y, x); tiles of NaN are not known, and stay grey.
        found: What was fitted.
        unit_angles: In degrees.
        source_angles: In degrees.
        unit_period: The turn that brings a unit back; None for units without an angle.
        source_period: Likewise of the sources.
    """

    weights: xr.DataArray
    found: RelativePose | TileFit
    unit_angles: Float[np.ndarray, " unit"]
    source_angles: Float[np.ndarray, " source"]
    unit_period: float | None = 360.0
    source_period: float | None = 360.0

    @property
    def period(self) -> float:
        """The relative angle that comes back first, in degrees."""
        return min(self.unit_period or 360.0, self.source_period or 360.0)


@styled
def tile_matrix(fit: Fit, title: str) -> Figure:
    """Shows every tile of weights, a row a unit and a column a source by ascending angle; then the part and the rest.

    Red excites, blue inhibits, 0 is white; one scale for all three.

    Args:
        fit: The weights, and what was fitted.
        title: Whose weights they are.
    """
    found, by = fit.found, "a tile" if isinstance(fit.found, TileFit) else "relative pose"
    rows, columns = (np.argsort(angles, kind="stable") for angles in (fit.unit_angles, fit.source_angles))
    width = WIDTH - _LEFT - _RIGHT
    beside = (width - 2 * _GAP) / 3 / len(columns)
    below = min(width / len(columns), _TALLEST / 3 / len(rows))
    stacked = beside < min(below, _LEGIBLE)
    cell = below if stacked else min(beside, _TALLEST / len(rows))
    high, wide = cell * len(rows), cell * len(columns)
    figure = new_figure(
        HEAD + (3 if stacked else 1) * (high + _TOP) + 0.1,
        f"{short(title, 70)}: {found.share:.0%} by {by}",
        "a tile is what a unit (row) reads of a source (column), by their angles; red excites, blue inhibits",
    )
    parts = {
        "all weights": fit.weights,
        f"by {by}, {found.terms} numbers": found.part,
        f"the rest, {1 - found.share:.0%}": fit.weights - found.part,
    }
    top = float(np.nanquantile(np.abs(fit.weights.values), BRIGHTEST)) or 1.0
    norm = Normalize(-top, top)
    for index, (name, values) in enumerate(parts.items()):
        left = _LEFT + (0 if stacked else index * (wide + _GAP))
        at = HEAD + _TOP + (index * (high + _TOP) if stacked else 0)
        axes = place(figure, left, at, wide, high)
        tiles = values.values[np.ix_(rows, columns)].astype(float)
        extent = (0.0, float(len(columns)), float(len(rows)), 0.0)
        axes.imshow(_laid_out(tiles), cmap=SIGNED, norm=norm, aspect="auto", extent=extent, interpolation="nearest")
        axes.vlines(np.arange(1, len(columns)), 0, len(rows), color="white", lw=0.8)
        axes.hlines(np.arange(1, len(rows)), 0, len(columns), color="white", lw=0.8)
        axes.set_facecolor(FAINT)
        axes.set(xlim=(0, len(columns)), ylim=(len(rows), 0), xticks=[], yticks=[])
        write(figure, left, at - _TOP + 0.06, name, fontweight="bold", fontsize=SMALL)
        _name(axes, fit.source_angles[columns], fit.source_period, cell, along="x")
        if stacked or index == 0:
            _name(axes, fit.unit_angles[rows], fit.unit_period, cell, along="y")
    right = _LEFT + (wide if stacked else 3 * wide + 2 * _GAP)
    bar = place(figure, right + 0.15, HEAD + _TOP, 0.12, min(high, 2.0))
    colour_bar(bar, norm, SIGNED, "weight")
    return figure


@styled
def weight_by_turn(fits: Mapping[str, Fit], *, columns: int = 3, seed: int = 0) -> Figure:
    """Shows each pair's weight, summed over places, by how far its source stands turned from its unit, in degrees.

    Sums are over the largest in absolute value. The line is what was fitted, summed likewise. The band holds 95 of 100
    lines that are fitted, with as many harmonics of the turn, when angles are exchanged among the sources.

    Args:
        fits: Weights and what was fitted, by title; one plot each.
        columns: Plots in a row.
        seed: Of the exchanges.
    """
    columns = min(columns, len(fits))
    rows, gap, height, pitch = -(-len(fits) // columns), 0.5, 1.35, 2.5
    width = (WIDTH - 0.75 - 0.3 - gap * (columns - 1)) / columns
    figure = new_figure(
        HEAD + 0.45 + rows * pitch,
        "Summed weight by relative angle: what it is worth depends on how far the source is turned",
        "over the largest; “left out”: the share of a unit's weights that a fit to the other units explains",
    )
    for index, (title, fit) in enumerate(fits.items()):
        left, top = 0.75 + (index % columns) * (width + gap), HEAD + 0.85 + (index // columns) * pitch
        axes = place(figure, left, top, width, height)
        _by_turn(axes, fit, seed)
        text = write(figure, left, top - 0.52, title, fontweight="bold", fontsize=SMALL)
        # Words only: cut where the next plot begins.
        while right_end(figure, text) > left + width + 0.2 and len(title) > 8:
            title = title[:-2].rstrip("…") + "…"
            text.set_text(title)
        found = fit.found
        share = f"share {found.share:.2f}, by chance {float(found.null.median()):.2f}"
        others = f"left out {signed(found.predicted, 2)}, p = {found.p:.3f}"
        write(figure, left, top - 0.36, f"{share}\n{others}", fontsize=SMALL, linespacing=1.1)
        if index % columns == 0:
            axes.set_ylabel("summed weight / largest", fontsize=SMALL)
        else:
            axes.set_yticklabels([])
        if index == 0:
            figure.legend(
                *axes.get_legend_handles_labels(), loc="upper right", ncols=3, handlelength=1.8,
                bbox_to_anchor=(1 - 0.15 / WIDTH, 1 - (HEAD - 0.06) / figure.get_figheight()), borderaxespad=0,
            )  # fmt: skip
    write(figure, WIDTH / 2, figure.get_figheight() - 0.24, "angle of the source, from that of the unit", ha="center")
    return figure


class Turned(NamedTuple):
    """Weights summed over places, one number for each pair of a unit and a source.

    Attributes:
        turn: How far the source stands turned from the unit, in degrees, in -period/2 to period/2.
        weight: The sum of the weights.
        fitted: The sum of the part that depends on relative pose alone.
    """

    turn: Float[np.ndarray, " pair"]
    weight: Float[np.ndarray, " pair"]
    fitted: Float[np.ndarray, " pair"]


def turned(fit: Fit) -> Turned:
    """Returns what `weight_by_turn` draws: sums over places by relative angle, source by source for each unit."""
    known = np.isfinite(fit.weights.values).all((2, 3)).ravel()
    away = (np.subtract.outer(fit.source_angles, fit.unit_angles).T + fit.period / 2) % fit.period - fit.period / 2
    sums = [each.sum(("y", "x")).values.astype(float).ravel() for each in (fit.weights, fit.found.part)]
    return Turned(*(each[known] for each in (away.ravel(), *sums)))


def _by_turn(axes: Axes, fit: Fit, seed: int) -> None:
    """Draws one plot of `weight_by_turn`."""
    summed, period = turned(fit), fit.period
    top = float(np.abs(summed.weight).max()) or 1.0
    at = np.linspace(-period / 2, period / 2, 181)
    low, high = _band(fit, summed, at, seed)
    axes.axhline(0, color=GREY, lw=0.8, zorder=0)
    axes.fill_between(at, low / top, high / top, color=FAINT, lw=0, label="exchanged angles, 95 %", zorder=-1)
    axes.plot(summed.turn, summed.weight / top, "o", ms=3, color=BLUE, mec="white", mew=0.3, label="a pair of units")
    order = np.argsort(summed.turn, kind="stable")
    turns, line = summed.turn[order], summed.fitted[order] / top
    # The two ends are one relation.
    turns = np.concatenate([turns[-1:] - period, turns, turns[:1] + period])
    axes.plot(turns, np.concatenate([line[-1:], line, line[:1]]), color=VERMILION, lw=1.8, label="the fitted part")
    axes.set(xlim=(-period / 2, period / 2), ylim=(-1.08, 1.08), yticks=[-1, 0, 1])
    ticks = np.linspace(-period / 2, period / 2, 5)
    axes.set_xticks(ticks, [f"{signed(float(tick), 0)}°" for tick in ticks])
    for tick in ticks:
        glyph(axes, (tick, 0), tick, kind=_kind(period), coordinates=axes.get_xaxis_transform(), offset=(0, -22))


def _band(
    fit: Fit, summed: Turned, at: Float[np.ndarray, " place"], seed: int
) -> tuple[Float[np.ndarray, " place"], Float[np.ndarray, " place"]]:
    """Returns the bounds within which fits to exchanged angles run."""
    rng = np.random.default_rng(seed)
    # The fit has harmonics of a source's own period, of which a unit with a shorter one keeps every other.
    harmonics = HARMONICS[1] * fit.period / (fit.source_period or 360.0)
    orders = np.arange(1, round(harmonics) + 1)
    known = np.isfinite(fit.weights.values).all((2, 3)).ravel()

    def terms(turn: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n term"]:
        phase = 2 * np.pi * turn[:, None] / fit.period * orders
        return np.concatenate([np.ones((len(turn), 1)), np.cos(phase), np.sin(phase)], 1)

    lines = []
    for _ in range(EXCHANGES):
        turn = np.subtract.outer(rng.permutation(fit.source_angles), fit.unit_angles).T.ravel()[known]
        lines.append(terms(at) @ np.linalg.lstsq(terms(turn), summed.weight, rcond=None)[0])
    low, high = np.percentile(lines, BAND, axis=0)
    return low, high


def _laid_out(tiles: Float[np.ndarray, "unit source y x"]) -> Float[np.ndarray, "row column"]:
    """Returns tiles side by side as one image."""
    units, sources, height, width = tiles.shape
    return tiles.transpose(0, 2, 1, 3).reshape(units * height, sources * width)


def _name(axes: Axes, angles: Float[np.ndarray, " member"], period: float | None, cell: float, *, along: str) -> None:
    """Names the rows or columns of a matrix by their angles: a drawing for each, and numbers where they fit."""
    if period is None:
        return
    across = along == "x"
    transform = axes.get_xaxis_transform() if across else axes.get_yaxis_transform()
    look: Any = {"rotation": 90, "ha": "center", "va": "bottom"} if across else {"ha": "right", "va": "center"}
    last = -np.inf
    for index, angle in enumerate(angles):
        middle = index + 0.5
        at, offset = ((middle, 1.0), (0.0, 8.0)) if across else ((0.0, middle), (-8.0, 0.0))
        glyph(axes, at, float(angle), kind=_kind(period), coordinates=transform, offset=offset, size=min(9, 60 * cell))
        if (middle - last) * cell >= _LABEL:
            last = middle
            axes.annotate(
                f"{angle:.0f}°", at, xycoords=transform, xytext=(1.9 * offset[0], 1.9 * offset[1]),
                textcoords="offset points", fontsize=SMALL, color=BLACK, **look,
            )  # fmt: skip


def _kind(period: float) -> str:
    return "line" if period == 180 else "arc"
