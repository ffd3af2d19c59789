"""Angle and radius together: the map of one unit, under the very stimuli that it was shown."""

import math
from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from circuitkit import tuning
from circuitkit.viz.gallery import image, size_of, stimulus_of
from circuitkit.viz.style import (
    BLACK,
    GREY,
    HEAD,
    RESPONSE,
    SMALL,
    WIDTH,
    angle_axis,
    colour_bar,
    new_figure,
    place,
    short,
    styled,
    write,
)

SHOWN = 9
"""Stimuli drawn above a map."""


def angle_radius(responses: xr.DataArray, unit: str) -> xr.DataArray:
    """Returns the rectified responses of one unit by radius and angle, the mean over all else, over its largest.

    The map is turned so that the unit's preferred angle, to the nearest that was shown, is in the middle; its
    coordinate runs on below 0 and above 360 rather than starting again.
    """
    one = responses.sel(unit=unit).clip(min=0)
    one = one.mean([dim for dim in one.dims if dim not in ("angle", "radius")]).transpose("radius", "angle")
    # The unit that the radial curve prefers, not the largest single response, which may be noise.
    preferred = float(tuning.mean_angle(tuning.radial(responses.sel(unit=[unit])))[0])
    angles = one.angle.values
    middle = int(np.argmin(np.abs((angles - preferred + 180) % 360 - 180)))
    shift = len(angles) // 2 - middle
    turned = np.roll(one.values, shift, axis=1)
    steps = (np.arange(len(angles)) - len(angles) // 2) * 360 / len(angles)
    top = float(turned.max())
    return xr.DataArray(
        turned / top if top > 0 else turned,
        dims=["radius", "angle"],
        coords={"radius": one.radius.values, "angle": angles[middle] + steps},
        attrs=dict(responses.attrs),
    ).sortby("radius")


@styled
def radius_angle_map(units: Mapping[str, tuple[xr.DataArray, str]]) -> Figure:
    """Shows the response of one unit, or of two side by side, to every angle (degrees) and radius (pixels).

    Responses are over the unit's largest and averaged over polarity. The radius is on a log axis; straight lines
    have a row of their own on top. The unit's preferred angle is in the middle. Above the map stand the stimuli
    that its columns were shown, at the unit's preferred radius and as large as the images were; beside it those
    of its rows, at the preferred angle.

    Args:
        units: Responses (angle, radius, ..., unit) and the unit's name, by title.
    """
    count = len(units)
    gap, left, right = 0.75, 0.75, 0.75
    width = (WIDTH - left - right - gap * (count - 1)) / count
    side_column = 0.55
    map_width = width - side_column
    thumb = map_width / SHOWN
    height = 2.7 if count == 1 else 2.4
    row, head = 0.22, HEAD
    radii = [float(tuning.preferred_radius(responses.sel(unit=[unit]))[0]) for responses, unit in units.values()]
    names = [short(unit, 16) for _, unit in units.values()]
    preferences = [f"{name} prefers radius {radius:.0f}" for name, radius in zip(names, radii, strict=True)]
    figure = new_figure(
        head + 0.28 + thumb + 0.1 + row + 0.05 + height + 0.66,
        f"Angle and radius: {', '.join(preferences)} (pixels)",
        "above and beside the maps: the stimuli of their columns and rows; triangle: the preferred radius",
    )
    for index, (title, (responses, unit)) in enumerate(units.items()):
        values = angle_radius(responses, unit)
        at = left + index * (width + gap)
        top = head + 0.26
        radius = radii[index]
        write(figure, at, head + 0.02, short(title, 44), fontweight="bold")
        _stimuli(figure, values, radius, at, top, thumb)
        line_axes = place(figure, at, top + thumb + 0.1, map_width, row)
        axes = place(figure, at, top + thumb + 0.15 + row, map_width, height)
        _map(axes, line_axes, values)
        _radii(figure, values, at + map_width + 0.06, top + thumb + 0.15 + row, height, 0.46)
        if not math.isnan(radius):
            place_on_axis = axes.get_yaxis_transform()
            axes.plot([0.008], [radius], marker=(3, 0, -90), ms=8, color=BLACK, clip_on=False, transform=place_on_axis)
        middle = values.angle.values[len(values.angle) // 2]
        ticks = [tick for tick in range(-360, 721, 90) if middle - 180 <= tick <= middle + 180]
        angle_axis(axes, ticks, label="angle of the curve shown (degrees)")
        axes.set_xlim(middle - 180, middle + 180)
        if index == 0:
            axes.set_ylabel("radius of curvature (pixels)")
    bar_top = head + 0.26 + thumb + 0.1
    bar = place(figure, WIDTH - 0.6, bar_top, 0.12, height + row + 0.05)
    colour_bar(bar, Normalize(0, 1), RESPONSE, "response / largest")
    return figure


@styled
def radius_angle_maps(responses: xr.DataArray, units: list[str], title: str, *, columns: int = 4) -> Figure:
    """Shows the angle and radius maps of many units as small multiples, all on the same axes.

    As in `radius_angle_map`: each unit over its own largest response, its preferred angle in the middle (the axis
    gives the distance from it, in degrees), radius in pixels on a log axis, straight lines on top.

    Args:
        responses: Responses (angle, radius, ..., unit).
        units: The names of those to show, in order.
        title: Whose they are.
        columns: Maps in a row.
    """
    rows = -(-len(units) // columns)
    width, height = (WIDTH - 0.75 - 0.9 - 0.22 * (columns - 1)) / columns, 1.15
    pitch = height + 0.55
    figure = new_figure(
        HEAD + rows * pitch + 0.35,
        title,
        "each over its largest response; its preferred angle is in the middle; strip on top: straight lines",
    )
    for index, unit in enumerate(units):
        values = angle_radius(responses, unit)
        middle = float(values.angle.values[len(values.angle) // 2])
        values = values.assign_coords(angle=values.angle - middle)
        left, top = 0.75 + (index % columns) * (width + 0.22), HEAD - 0.1 + (index // columns) * pitch
        line_axes = place(figure, left, top + 0.2, width, 0.1)
        axes = place(figure, left, top + 0.33, width, height)
        _map(axes, line_axes, values)
        line_axes.set_title(f"{short(unit, 16)}, {middle % 360:.0f}°", fontsize=SMALL, pad=2)
        axes.set(xlim=(-180, 180), xticks=[-180, -90, 0, 90, 180])
        axes.set_xticklabels(["", "−90°", "0°", "+90°", ""] if index + columns >= len(units) else [])
        line_axes.set_yticks([])
        if index % columns:
            axes.set_yticklabels([])
    middle_row, bottom = HEAD + rows * pitch / 2, HEAD + rows * pitch + 0.1
    write(figure, 0.18, middle_row, "radius of curvature (pixels)", rotation=90, ha="center", va="center")
    write(figure, WIDTH / 2, bottom, "angle of the curve shown, from the preferred one (degrees)", ha="center")
    bar = place(figure, WIDTH - 0.75, HEAD + 0.1, 0.12, min(2.85, rows * pitch - 0.4))
    colour_bar(bar, Normalize(0, 1), RESPONSE, "response / largest")
    return figure


def _map(axes: Axes, line_axes: Axes, values: xr.DataArray) -> None:
    """Draws the finite radii on a log axis, and the straight line in axes of its own."""
    # The first column again at the end: cells are centred on angles, and both ends are half shown.
    again = values.isel(angle=[0]).assign_coords(angle=values.angle[:1] + 360)
    values = xr.concat([values, again], "angle")
    angles = values.angle.values
    step = angles[1] - angles[0]
    edges = np.append(angles - step / 2, angles[-1] + step / 2)
    curves = values.sel(radius=np.isfinite(values.radius))
    logs = np.log(curves.radius.values)
    between = (logs[1:] + logs[:-1]) / 2
    bounds = np.exp(np.concatenate([[2 * logs[0] - between[0]], between, [2 * logs[-1] - between[-1]]]))
    axes.pcolormesh(edges, bounds, curves.values, cmap=RESPONSE, vmin=0, vmax=1, rasterized=True)
    axes.set_yscale("log")
    axes.set_ylim(bounds[0], bounds[-1])
    ticks = [tick for tick in (5, 10, 20, 50, 100, 200, 500) if bounds[0] <= tick <= bounds[-1]]
    axes.set_yticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    straight = values.sel(radius=np.isinf(values.radius)).values
    line_axes.set(xlim=(angles[0], angles[-1]), xticks=[], ylim=(0, 1))
    if len(straight):
        line_axes.pcolormesh(edges, [0, 1], straight, cmap=RESPONSE, vmin=0, vmax=1, rasterized=True)
    line_axes.set_yticks([0.5], ["line"])
    for each in (axes, line_axes):
        each.spines[:].set_visible(True)
        each.spines[:].set_color(GREY)
        each.spines[:].set_linewidth(0.5)


def _stimuli(figure: Figure, values: xr.DataArray, radius: float, left: float, top: float, thumb: float) -> None:
    """Draws the stimuli of a map's columns, each above the angle that it was shown at."""
    radius = 20.0 if math.isnan(radius) else radius
    middle = float(values.angle.values[len(values.angle) // 2])
    for index in range(SHOWN):
        angle = middle + (index - SHOWN // 2) * 360 / SHOWN
        _thumbnail(figure, values, angle, radius, left + index * thumb + 0.02, top + 0.02, thumb - 0.04)


def _radii(figure: Figure, values: xr.DataArray, left: float, top: float, height: float, side: float) -> None:
    """Draws stimuli at the preferred angle beside a map, each at the radius that it was shown at."""
    radii = values.radius.values[np.isfinite(values.radius.values)]
    count = max(1, int(height / (side + 0.05)))
    middle = float(values.angle.values[len(values.angle) // 2])
    pitch = height / count
    for index in range(count):
        radius = float(np.exp(np.interp((index + 0.5) / count, [0, 1], np.log([radii[-1], radii[0]]))))
        _thumbnail(figure, values, middle, radius, left, top + (index + 0.5) * pitch - side / 2, side)


def _thumbnail(
    figure: Figure, values: xr.DataArray, angle: float, radius: float, left: float, top: float, side: float
) -> None:
    axes = place(figure, left, top, side, side)
    axes.imshow(image(stimulus_of(values), size_of(values), angle=angle, radius=radius), cmap="gray", vmin=-1, vmax=1)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
