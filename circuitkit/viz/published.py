"""Published curve units beside our own: radial curves before and after an edit, and how even a layer's weights are.

Radial curves are those of `evidence.published` and of `tuning.radial`: responses by angle (degrees) and unit. They are
drawn about each unit's own peak, so that its antipode, where an echo would stand, is inside the picture.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
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
    PURPLE,
    RESPONSE,
    SKY,
    SMALL,
    VERMILION,
    WIDTH,
    new_figure,
    place,
    short,
    styled,
    write,
)

_LOOKS: Sequence[tuple[str, object]] = (
    (BLACK, "-"),
    (BLUE, "--"),
    (VERMILION, "-."),
    (GREEN, (0, (6, 1, 1, 1))),
    (PURPLE, ":"),
    (ORANGE, (0, (3, 1))),
    (SKY, (0, (1, 1))),
)
"""Colour and dash of each kind of curve, in order."""


NOTICED = 0.05
"""A tile counts as changed by a turn if a weight changes by more than this share of the largest."""


_ROUNDING = 1e-6


def aligned(curves: xr.DataArray, peaks: xr.DataArray | None = None) -> xr.DataArray:
    """Returns radial curves over their own largest response, by the angle from a peak: from -90 to below 270 degrees.

    Args:
        curves: (angle, unit), evenly spaced angles over the turn.
        peaks: Where each unit's 0 shall be, in degrees; the peak of its own curve if left out.
    """
    peaks = tuning.peak_angle(curves) if peaks is None else peaks
    top = curves.max("angle")
    step, count = 360 / curves.sizes["angle"], curves.sizes["angle"]
    away = np.arange(count) * step - 90
    columns = []
    for unit, peak in zip(range(curves.sizes["unit"]), peaks.values, strict=True):
        places = np.round((peak + away - float(curves.angle[0])) / step).astype(int) % count
        columns.append(curves.values[places, unit] / max(float(top[unit]), 1e-30))
    return xr.DataArray(
        np.stack(columns, axis=1), dims=("angle", "unit"), coords={"angle": away, "unit": curves.unit.values}
    )


@styled
def edited_tuning(edits: Mapping[str, xr.DataArray], *, columns: int = 5) -> Figure:
    """Shows the radial curves of some units before and after edits of their weights, one plot a unit.

    Every curve is over its own largest response. 0 is the unit's peak before any edit; the grey band lies within 45
    degrees of the antipode, where an echo stands. Below the name: the echo before and after.

    Args:
        edits: Radial curves (angle, unit) by the edit's name, the unedited ones first; the same units in all.
        columns: Plots in a row.
    """
    first = next(iter(edits.values()))
    peaks, count = tuning.peak_angle(first), first.sizes["unit"]
    rows, gap, height = -(-count // columns), 0.2, 1.15
    width = (WIDTH - 0.75 - gap * (columns - 1)) / columns
    figure = new_figure(
        HEAD + rows * (height + 0.72) + 0.75,
        f"{count} curve units of InceptionV1: what their negative weights are for",
        "response over its own largest; band: within 45° of the antipode; echoes stand in the order of the legend",
    )
    drawn = {name: aligned(curves, peaks) for name, curves in edits.items()}
    echoes = {name: tuning.echo(curves).values for name, curves in edits.items()}
    for index, unit in enumerate(first.unit.values):
        left = 0.6 + (index % columns) * (width + gap)
        axes = place(figure, left, HEAD + 0.4 + (index // columns) * (height + 0.72), width, height)
        for (name, curves), (colour, dash) in zip(drawn.items(), _LOOKS, strict=False):
            axes.plot(curves.angle, curves.values[:, index], color=colour, ls=dash, lw=1.3, label=_words(name))
        _antipode(axes, labelled=index + columns >= count, numbered=index % columns == 0, ends=False)
        said = ", ".join(f"{values[index]:.2f}" for values in echoes.values())
        axes.set_title(f"{short(unit, 14)}, {float(peaks[index]):.0f}°\necho {said}", fontsize=SMALL)
        if index % columns == 0:
            axes.set_ylabel("response / largest")
    _legend(figure, axes)
    write(figure, WIDTH / 2, figure.get_figheight() - 0.52, "angle from the unedited peak (degrees)", ha="center")
    return figure


@styled
def last_layers(layers: Mapping[str, xr.DataArray], elsewhere: Mapping[str, float]) -> Figure:
    """Shows a last layer and what edits do to it: the mean radial curve of its units, and its echo.

    Left, layers that were not cut, right, those that were; each curve is the mean over units of the response over the
    unit's own largest, by the angle from the unit's own peak. Below, the echo of every layer, mean (dot) and range
    (bar) over its units, beside the echo that was measured in another net (ring).

    Args:
        layers: Radial curves (angle, unit) by name.
        elsewhere: The echo measured in another net, by name; these are the whole layer and its cuts, the whole first.
    """
    whole = next(iter(elsewhere))
    cut = [name for name in layers if name in elsewhere and name != whole]
    panels = {
        "whole layers, and what they read": [name for name in layers if name not in cut],
        "the published layer, cut": [whole, *cut],
    }
    table = 0.24 * len(layers)
    figure = new_figure(
        HEAD + 4.3 + table,
        "Distill's handwritten last layer on our lower layers",
        "means over 24 units, each over its own largest response; band: the antipode, within 45°",
    )
    for column, (title, names) in enumerate(panels.items()):
        axes = place(figure, 0.6 + 4.35 * column, HEAD + 0.25, 3.85, 1.9)
        for name, (colour, dash) in zip(names, _LOOKS, strict=False):
            curves = aligned(layers[name])
            axes.plot(curves.angle, curves.mean("unit"), color=colour, ls=dash, label=_words(name))
        _antipode(axes, labelled=True, numbered=True)
        axes.set(xlabel="angle from the unit's own peak (degrees)", ylabel="response / largest")
        axes.set_title(title, loc="left", fontweight="bold")
        axes.legend(loc="upper center", bbox_to_anchor=(0.48, -0.24), ncols=2, fontsize=SMALL, frameon=False)
    axes = place(figure, 2.6, HEAD + 3.62, WIDTH - 3.0, table)
    for row, (name, curves) in enumerate(layers.items()):
        echo = tuning.echo(curves)
        axes.plot(
            [float(echo.min()), float(echo.max())], [row, row], color=FAINT, lw=6, zorder=0, solid_capstyle="butt"
        )
        axes.plot(
            [float(echo.mean())], [row], "o", color=BLACK, ms=5, label="on our lower layers" if row == 0 else None
        )
        if name in elsewhere:
            label = "in the whole published net" if name == whole else None
            axes.plot([elsewhere[name]], [row], "o", mfc="none", mec=VERMILION, mew=1.5, ms=8, label=label)
    axes.set(xlim=(-0.02, 0.82), ylim=(len(layers) - 0.5, -0.5), xlabel="echo (largest response there / peak)")
    axes.set_yticks(range(len(layers)), [_words(name) for name in layers])
    axes.grid(axis="x", color=FAINT, lw=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", fontsize=SMALL, frameon=True, framealpha=1, edgecolor="white")
    return figure


@styled
def tile_errors(blocks: Mapping[str, xr.DataArray]) -> Figure:
    """Shows how far every tile of some blocks of weights lies from the tile that a quarter turn carries it to.

    A row is a source and a column a unit, both by their angle in degrees; the colour is the largest difference within
    the tile, on a log scale, where the largest weight is 1. White is a tile that turns exactly.

    Args:
        blocks: (source, unit) as `equivariance.weight_errors` returns them, by name.
    """
    side, gap, columns = 2.0, 0.62, 3
    rows = -(-len(blocks) // columns)
    worst = max(blocks, key=lambda name: float(blocks[name].max()))
    share = float((blocks[worst] > NOTICED).mean())
    figure = new_figure(
        HEAD + rows * (side + 0.95),
        f"A quarter turn changes {share:.0%} of the tiles of “{worst}” by more than {NOTICED}",
        "largest difference within a tile, where the largest weight is 1; white: no more than float32 rounding",
    )
    norm = Normalize(math.log10(_ROUNDING), math.log10(max(float(block.max()) for block in blocks.values()) or 1.0))
    for index, (name, block) in enumerate(blocks.items()):
        left, top = 0.6 + (index % columns) * (side + gap), HEAD + 0.42 + (index // columns) * (side + 0.95)
        axes = place(figure, left, top, side, side)
        box = (*_edges(block["unit"].values), *_edges(block["source"].values))
        values = np.log10(np.maximum(block.values, _ROUNDING))
        axes.imshow(
            values, extent=box, origin="lower", aspect="auto", cmap=RESPONSE, norm=norm, interpolation="nearest"
        )
        axes.set_title(f"{short(name, 32)}\nat most {float(block.max()):.2g}", loc="left", fontsize=SMALL)
        axes.set(xlabel="unit's angle (°)", ylabel="source's angle (°)" if index % columns == 0 else None)
        for axis, dim in ((axes.xaxis, "unit"), (axes.yaxis, "source")):
            axis.set_ticks(np.arange(0, block[dim].values.max() + 1, 90 if block[dim].values.max() > 180 else 45))
        axes.spines[:].set_visible(True)
    bar = place(figure, WIDTH - 0.85, HEAD + 0.42, 0.12, side)
    ticks = range(round(norm.vmin or 0), math.floor(norm.vmax or 0) + 1, 2)
    scale = figure.colorbar(ScalarMappable(norm, RESPONSE), cax=bar, ticks=list(ticks))
    scale.set_ticklabels([f"{10.0**tick:g}" for tick in ticks])
    scale.set_label("largest difference in a tile", fontsize=SMALL)
    bar.tick_params(labelsize=SMALL, color=GREY, labelcolor=BLACK, length=2)
    return figure


def _edges(angles: Float[np.ndarray, " member"]) -> tuple[float, float]:
    """Returns where an axis begins and ends whose cells are centred on evenly spaced angles."""
    half = (angles[1] - angles[0]) / 2
    return float(angles[0] - half), float(angles[-1] + half)


def _antipode(axes: Axes, *, labelled: bool, numbered: bool, ends: bool = True) -> None:
    """Sets axes up for a curve about its peak, with a band where an echo stands."""
    axes.axvspan(180 - tuning.ECHO_WINDOW, 180 + tuning.ECHO_WINDOW, color=FAINT, alpha=0.6, lw=0, zorder=-1)
    axes.axvline(0, color=GREY, lw=0.6, zorder=0)
    axes.set(xlim=(-90, 270), ylim=(0, 1.04), xticks=[-90, 0, 90, 180, 270], yticks=[0, 0.5, 1])
    first, last = ("−90°", "270°") if ends else ("", "")
    axes.set_xticklabels([first, "0°", "90°", "180°", last] if labelled else [])
    axes.set_yticklabels(["0", "0.5", "1"] if numbered else [])


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(handles), frameon=False, fontsize=SMALL)


def _words(name: str) -> str:
    return short(name.replace("_", " "), 34)
