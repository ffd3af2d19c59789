"""A family on one sheet: what each unit is seen to look for, what it responds to, and what it is made of.

    seen = ck.portrait.portrait(net["fire5", curves], stimuli)
    family_sheet(seen, title="curves of fire5")

Units stand in order of angle, in two columns. Of each: the image that excites it most, of those from all starts; its
response to the stimulus at every angle, over its own peak, with a mark at its angle; and the sources that it weighs
most, as signed maps on one scale for the family.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from circuitkit import checks
from circuitkit.errors import SpecError
from circuitkit.portrait import Portrait
from circuitkit.viz.evidence.parts import picture
from circuitkit.viz.filters import plain_names, rgb
from circuitkit.viz.gallery import stimulus_of
from circuitkit.viz.style import (
    BLACK,
    FAINT,
    GREY,
    HEAD,
    SIGNED,
    SMALL,
    WIDTH,
    colour_of_angle,
    new_figure,
    place,
    short,
    styled,
    symmetric,
    write,
)

STRONGEST = 3
"""Sources of each unit that are shown."""

MOST = 64
"""Units that a sheet holds."""

_ROW, _CELL, _NAME, _TICKS = 0.92, 0.62, 0.2, 0.35
"""Inches: from a row to the next, side of a picture, for a unit's name above it, and for the angles below the last."""

_HALF = (WIDTH - 0.2) / 2


@styled
def family_sheet(seen: Portrait, *, strongest: int = STRONGEST, title: str | None = None) -> Figure:
    """Shows the units of a family in order of angle.

    Args:
        seen: From `portrait.portrait`.
        strongest: Sources that are shown of each unit, by the largest sum of squares.
        title: Of the figure; left out, it says which layer it is.

    Raises:
        SpecError: If there are more units than a sheet holds.
    """
    checks.whole("family_sheet", "strongest", strongest)
    units = [str(name) for name in seen.tuning.unit.values]
    if len(units) > MOST:
        raise SpecError(f"a sheet of {len(units)} units: wanted at most {MOST}. Name fewer units.")
    rows = -(-len(units) // 2)
    plan = _Plan.of(seen, strongest)
    scale = plan.weights is not None and not plan.of_image
    figure = new_figure(HEAD + rows * _ROW + _TICKS + (0.25 if scale else 0.0), title or _title(seen, units), plan.note)
    weights = plan.weights
    norm = symmetric(np.asarray([1.0]) if weights is None else weights.values)
    called = plain_names(units)
    for index in range(len(units)):
        column, row = divmod(index, rows)
        left, top = 0.1 + column * (_HALF + 0.05), HEAD + row * _ROW
        angle = float(seen.angles.values[index])
        at_angle = f", {angle:.0f}°" if np.isfinite(angle) else ""
        write(figure, left, top, short(called[index], 12) + at_angle, fontweight="bold", fontsize=SMALL)
        at = top + _NAME
        if seen.images is not None:
            best = int(np.argmax(seen.images.response.values[index]))
            picture(place(figure, left, at, _CELL, _CELL), seen.images.values[index, best])
        last = row == rows - 1 or index == len(units) - 1
        axes = place(figure, left + plan.tuning, at, plan.width, _CELL)
        _tuning(axes, seen, index, last=last)
        if weights is not None:
            _weights(figure, weights.isel(unit=index), left + plan.tiles, at, strongest, norm, of_image=plan.of_image)
    if scale:
        text = f"weights: red excites, blue inhibits, white is 0; up to ±{float(norm.vmax or 0):.3g}, one scale for all"
        write(figure, 0.1, HEAD + rows * _ROW + _TICKS, text, fontsize=SMALL, color=GREY)
    return figure


class _Plan(NamedTuple):
    """Where things stand in a unit's row, in inches from its left.

    Attributes:
        tuning: The tuning curve.
        width: Of it.
        tiles: The weights.
        weights: Those that are shown; None for none.
        of_image: Whether they read the image.
        note: What is what.
    """

    tuning: float
    width: float
    tiles: float
    weights: xr.DataArray | None
    of_image: bool
    note: str

    @classmethod
    def of(cls, seen: Portrait, strongest: int) -> "_Plan":
        """Returns the plan of a family's rows."""
        of_image = seen.weights is not None and bool(seen.weights.attrs.get("of_image", 0))
        tuning = 0.25 if seen.images is None else _CELL + 0.28
        room = 0.0 if seen.weights is None else (1 if of_image else strongest) * (_CELL + 0.06)
        width = _HALF - tuning - room - 0.25
        shape = type(stimulus_of(seen.tuning)).__name__.lower()
        parts = [f"response to a {shape} at each angle, over its own peak"]
        if seen.images is not None:
            parts.insert(0, "the image that excites it most")
        if seen.weights is None:
            parts.append("no weights: no single layer before")
        elif of_image:
            parts.append("its filter, over its own largest weight")
        else:
            parts.append(f"its strongest sources in {short(seen.weights.attrs.get('from', 'the layer before'), 20)}")
        return cls(tuning, width, tuning + width + 0.12, seen.weights, of_image, "; ".join(parts))


def _title(seen: Portrait, units: list[str]) -> str:
    layer, net = (seen.tuning.attrs.get(key, "") for key in ("layer", "net"))
    angles = np.sort(seen.angles.values[np.isfinite(seen.angles.values)])
    many = f"{len(units)} units" if len(units) > 1 else "1 unit"
    gap = ""
    if len(angles) > 1:
        gap = f", the widest gap {np.diff(np.append(angles, angles[0] + seen.period)).max():.0f}°"
    return f"{short(layer, 24)} of {short(net, 24)}: {many} in order of angle{gap}"


def _tuning(axes: Axes, seen: Portrait, index: int, *, last: bool) -> None:
    """Draws a tuning curve over one period, closed, with a mark at the unit's angle."""
    angle, period = float(seen.angles.values[index]), seen.period
    curve = seen.tuning.values[:, index].astype(float)
    peak = float(curve.max())
    x = np.append(seen.tuning.angle.values, seen.tuning.angle.values[0] + period)
    y = np.append(curve, curve[0]) / (peak or 1.0)
    hue = colour_of_angle(angle * 360 / period) if np.isfinite(angle) else GREY
    axes.fill_between(x, 0, y, color=hue, alpha=0.3, lw=0)
    axes.plot(x, y, color=hue, lw=1.4)
    if np.isfinite(angle):
        axes.axvline(angle % period, color=BLACK, lw=0.8, ls=(0, (2, 2)))
    ticks = [0, period / 2, period]
    axes.set(xlim=(0, period), ylim=(0, 1.08), yticks=[])
    axes.set_xticks(ticks, [f"{tick:g}°" for tick in ticks] if last else [""] * 3)
    axes.grid(axis="x", color=FAINT, lw=0.5)
    if peak == 0:
        axes.text(period / 2, 0.5, "silent", fontsize=SMALL, ha="center", va="center", color=GREY)


def _weights(
    figure: Figure, weights: xr.DataArray, left: float, top: float, strongest: int, norm: Normalize, *, of_image: bool
) -> None:
    """Draws a unit's strongest sources, or the filter with which it reads the image."""
    if of_image:
        picture(place(figure, left, top, _CELL, _CELL), (2 * rgb(weights.values.astype(float)) - 1))
        return
    squares = (weights.values.astype(float) ** 2).sum((1, 2))
    names = plain_names([str(name) for name in weights.source.values])
    for number, source in enumerate(np.argsort(-squares, kind="stable")[:strongest]):
        axes = place(figure, left + number * (_CELL + 0.06), top, _CELL, _CELL)
        axes.imshow(weights.values[source], cmap=SIGNED, norm=norm, interpolation="nearest", aspect="auto")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(True)
        axes.spines[:].set_color(FAINT)
        axes.set_title(short(names[source], 8), fontsize=SMALL, loc="center", pad=1.5)
