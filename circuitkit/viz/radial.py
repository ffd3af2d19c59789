"""Radial tuning: polar plots unit by unit, and a family as one picture.

All functions take radial curves (`tuning.radial`): responses by angle and unit, averaged over radii.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from circuitkit import tuning
from circuitkit.viz.style import (
    BLACK,
    CYCLIC,
    FAINT,
    GREY,
    HEAD,
    NORMAL,
    RESPONSE,
    SMALL,
    WIDTH,
    Colour,
    angle_axis,
    colour_bar,
    colour_of_angle,
    glyph,
    new_figure,
    place,
    short,
    styled,
    write,
)


@styled
def polar_tuning(curves: xr.DataArray, title: str, *, columns: int = 6) -> Figure:
    """Shows the radial curve of every unit as a polar plot: angle 0 to the right, counter-clockwise.

    The outer circle is the unit's own peak, the inner one half of it; the colour is that of the preferred angle.
    Round each plot stand the arcs at 0, 90, 180 and 270 degrees. Below it: the response at the peak (in the net's
    own units), the full width at half maximum in degrees, and the echo, the largest response within 45 degrees of
    the antipode over the peak.

    Args:
        curves: Radial curves (angle, unit), angles in degrees; a dozen units are legible.
        title: Whose units they are.
        columns: Plots in a row.
    """
    rows = -(-curves.sizes["unit"] // columns)
    cell = (WIDTH - 0.1) / columns
    side, text = cell - 0.36, 0.56
    widths, echoes, preferred = tuning.fwhm(curves), tuning.echo(curves), tuning.mean_angle(curves)
    figure = new_figure(
        HEAD + rows * (cell + text),
        title,
        "outer circle: own peak; inner: half of it; arcs: the curve shown at 0°, 90°, 180° and 270°",
    )
    for index, name in enumerate(curves.unit.values):
        curve = curves.isel(unit=index)
        left, top = 0.05 + (index % columns) * cell, HEAD + (index // columns) * (cell + text)
        axes = place(figure, left + 0.18, top + 0.15, side, side)
        _polar(axes, curve, colour_of_angle(float(preferred[index])))
        peak = float(curve.max())
        numbers = f"FWHM {float(widths[index]):.0f}°, echo {float(echoes[index]):.2f}"
        for row, line in enumerate((short(name), f"peak {peak:.3g}", numbers)):
            weight = "normal" if row else "bold"
            at = top + cell - 0.03 + 0.165 * row
            write(figure, left + cell / 2, at, line, ha="center", fontsize=SMALL, fontweight=weight)
    return figure


def _polar(axes: Axes, curve: xr.DataArray, colour: Colour) -> None:
    """Draws one curve over its own peak, in square axes of a little more than the unit circle."""
    turn = np.deg2rad(np.linspace(0, 360, 181))
    for radius, width in ((0.5, 0.6), (1.0, 0.9)):
        axes.plot(radius * np.cos(turn), radius * np.sin(turn), color=FAINT, lw=width, zorder=0)
    for spoke in np.deg2rad(np.arange(0, 180, 45)):
        x, y = np.cos(spoke), np.sin(spoke)
        axes.plot([-x, x], [-y, y], color=FAINT, lw=0.5, zorder=0)
    peak = float(curve.max())
    length = curve.values / peak if peak > 0 else np.zeros_like(curve.values)
    angle = np.deg2rad(curve.angle.values)
    x = np.append(length * np.cos(angle), length[0] * np.cos(angle[0]))
    y = np.append(length * np.sin(angle), length[0] * np.sin(angle[0]))
    axes.fill(x, y, color=colour, alpha=0.22, lw=0)
    axes.plot(x, y, color=colour, lw=1.6, solid_joinstyle="round")
    for at in (0, 90, 180, 270):
        glyph(axes, (1.15 * np.cos(np.deg2rad(at)), 1.15 * np.sin(np.deg2rad(at))), at, size=7.5, colour=GREY)
    axes.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set_visible(False)


@styled
def joint_tuning(families: Mapping[str, xr.DataArray]) -> Figure:
    """Shows families as pictures, side by side: all radial curves on one axis, and below as a heat map.

    Every curve is divided by its own peak. Above, a curve has the colour of its unit's preferred angle (the strip
    under the axis is the key); the thick grey line is the best unit's response at every angle, whose lowest point
    is the coverage. Below, a row is a unit, ordered by preferred angle: a family that covers the turn makes one
    straight band.

    Args:
        families: Radial curves (angle, unit) by title, angles in degrees. One or two fit the page.
    """
    count = len(families)
    most = max(curves.sizes["unit"] for curves in families.values())
    map_height = max(1.6, 0.155 * most)
    sides = ("",) if count == 1 else (" (left)", " (right)", *[""] * (count - 2))
    lows = " and ".join(f"{tuning.coverage(f):.2f}{side}" for f, side in zip(families.values(), sides, strict=True))
    figure = new_figure(
        5.05 - 1.6 + map_height,
        f"Joint tuning: at every angle the best unit reaches {lows} of its peak",
        "curves in the colour of their preferred angle; grey: the best unit; triangle: where the best is worst",
    )
    width = (WIDTH - 0.75 - 0.9 - 1.15 * (count - 1)) / count
    for index, (title, curves) in enumerate(families.items()):
        family = tuning.joint(curves)
        preferred = tuning.mean_angle(family)
        angles = np.append(family.angle.values, family.angle.values[0] + 360)
        values = np.concatenate([family.values, family.values[:1]])
        left = 0.85 + index * (width + 1.15)
        axes = place(figure, left, HEAD + 0.25, width, 1.75)
        best = values.max(axis=1)
        axes.plot(angles, best, color=FAINT, lw=5, zorder=0, solid_joinstyle="round")
        for unit in range(family.sizes["unit"]):
            axes.plot(angles, values[:, unit], color=colour_of_angle(float(preferred[unit])), lw=1.2)
        low = int(best.argmin())
        axes.plot([angles[low]], [best[low] + 0.045], marker="v", ms=6, color=BLACK, mec="white", mew=0.8)
        axes.set(xlim=(0, 360), ylim=(0, 1.1), yticks=[0, 0.5, 1.0])
        axes.set_title(short(title, 44), fontsize=NORMAL, fontweight="bold", pad=4)
        axes.set_ylabel("response / own peak")
        axes.set_xticks([0, 90, 180, 270, 360], [])
        strip = place(figure, left, HEAD + 2.04, width, 0.09)
        strip.imshow(np.linspace(0, 1, 361)[None], extent=(0, 360, 0, 1), aspect="auto", cmap=CYCLIC, vmin=0, vmax=1)
        strip.set(xticks=[], yticks=[])
        strip.spines[:].set_visible(False)
        heat = place(figure, left, HEAD + 2.23, width, map_height)
        _heat_map(heat, angles, values.T)
        heat.set_yticks(range(family.sizes["unit"]), [short(name, 13) for name in family.unit.values])
        heat.tick_params(axis="y", length=0, labelsize=SMALL)
        angle_axis(heat, (0, 90, 180, 270, 360), label="angle of the curve shown (degrees)")
    bar = place(figure, WIDTH - 0.75, HEAD + 2.23, 0.12, map_height)
    colour_bar(bar, Normalize(0, 1), RESPONSE, "response / own peak")
    return figure


def _heat_map(axes: Axes, angles: np.ndarray, values: np.ndarray) -> None:
    """Draws rows of values with cells centred on evenly spaced angles; the first row is at the top."""
    step = angles[1] - angles[0]
    box = (angles[0] - step / 2, angles[-1] + step / 2, len(values) - 0.5, -0.5)
    axes.imshow(values, extent=box, aspect="auto", cmap=RESPONSE, vmin=0, vmax=1, interpolation="nearest")
    axes.set_xlim(0, 360)
