"""Factors of weights as red, green and blue: where each excites and inhibits, and which sources it is made of.

    found = ck.factors.factors(ck.wiring.expanded(net["fire5", curves], "fire4"))
    factors(found)
    factors(found, unit_angles={"fire5:130": 210.0}, source_angles={"fire4:7": 30.0})

A unit's picture has one colour a factor: red the first, green the second, blue the third. Mid grey is 0: a place is
redder where the first factor excites, and more cyan where it inhibits. Below it stands each factor's own map, signed,
so that nothing hangs on telling the colours apart. Of maps that are never negative black is 0.
"""

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from circuitkit.errors import SpecError, unknown_name
from circuitkit.factors import Factors
from circuitkit.viz.filters import plain_names, rgb
from circuitkit.viz.kernels import weight_bar
from circuitkit.viz.style import (
    BLACK,
    FAINT,
    GREY,
    HEAD,
    NORMAL,
    SIGNED,
    SMALL,
    WIDTH,
    new_figure,
    place,
    short,
    styled,
    symmetric,
    write,
)

COLOURS = ("#d62728", "#2a9d3a", "#1f4fd8")
"""Of the three factors: red, green and blue, told apart by lightness and by their names as well."""

NAMES = ("red", "green", "blue")

DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))

STRONGEST = 8
"""Sources that are named of each factor."""

MOST = 96
"""Units that a page can show."""

_COLUMNS = 10
_CELL, _GAP, _LABEL, _BAR = 0.72, 0.07, 0.3, 0.98
"""Inches: a unit's picture, between two, for its name and angle, and for the colour bar."""


@styled
def factors(
    found: Factors,
    *,
    unit_angles: Mapping[str, float] | None = None,
    source_angles: Mapping[str, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Shows up to three factors: each unit's map of them in colours, and what they are made of.

    Args:
        found: Of one, two or three factors.
        unit_angles: In degrees, by name. Units are then shown in order of these; those that have none come last.
        source_angles: In degrees, by name. Loadings of these are then drawn over the angle as well.
        title: Of the figure; left out, it says whose weights they are.

    Raises:
        SpecError: If there are more than three factors, which no picture has colours for, or more units than a page
            shows.
        UnknownNameError: If an angle is that of no unit, or of no source.
    """
    count, units = found.maps.sizes["factor"], found.maps.sizes["unit"]
    if count > len(COLOURS):
        raise SpecError(f"there are {count} factors: wanted at most three, one for each of red, green and blue.")
    if units > MOST:
        raise SpecError(f"there are {units} units: wanted at most {MOST}, or factors of fewer, maps.isel(unit=...).")
    unit_names = [str(name) for name in found.maps.unit.values]
    source_names = [str(name) for name in found.loading.source.values]
    for kind, given, known in (("unit", unit_angles, unit_names), ("source", source_angles, source_names)):
        for name in given or ():
            if name not in known:
                raise unknown_name(kind, name, known, owner="factors")
    at_angle = [float((unit_angles or {}).get(name, math.nan)) for name in unit_names]
    order = np.argsort(at_angle, kind="stable") if unit_angles else np.arange(units)
    rows, small = -(-units // _COLUMNS), (_CELL - 0.04) / 3
    pitch = _CELL + small + 0.04 + _LABEL
    below = 2.6
    layer, source = (
        short(found.maps.attrs.get(key, kind), 24) for key, kind in (("layer", "units"), ("from", "sources"))
    )
    chance = f", p = {found.p:.2g} against {found.null.size} exchanged" if found.null.size else ""
    figure = new_figure(
        HEAD + 0.1 + rows * pitch + below,
        title or f"{units} units of {layer} from {source} as {count} factors: {found.share:.0%} of the squares",
        f"at most {found.ceiling:.0%} with factors of any sign"
        + (f"; {float(found.null.mean()):.0%} when sources are exchanged at each place{chance}" if chance else ""),
    )
    called = plain_names(unit_names)
    maps = found.maps.values
    top = float(np.abs(maps).max()) or 1.0
    norm = symmetric(maps)
    signed = found.nonnegative == "source"
    for index, unit in enumerate(order):
        left = 0.1 + (index % _COLUMNS) * (_CELL + _GAP)
        at = HEAD + 0.1 + (index // _COLUMNS) * pitch
        _picture(place(figure, left, at, _CELL, _CELL), coloured(maps[unit], top, signed=signed))
        for number in range(count):
            axes = place(figure, left + number * (small + 0.02), at + _CELL + 0.03, small, small)
            axes.imshow(maps[unit, number], cmap=SIGNED, norm=norm, interpolation="nearest", aspect="auto")
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set(visible=True, color=COLOURS[number], linewidth=1.0)
        angle = at_angle[unit]
        text = short(called[unit], 9)
        figure.text(
            (left + _CELL / 2) / WIDTH,
            1 - (at + _CELL + small + 0.06) / figure.get_figheight(),
            text + (f"\n{angle:.0f}°" if math.isfinite(angle) else ""),
            fontsize=SMALL, ha="center", va="top", linespacing=1.05,
        )  # fmt: skip
    bar = place(figure, WIDTH - _BAR + 0.1, HEAD + 0.1, 0.12, min(1.4, rows * pitch))
    weight_bar(bar, norm)
    _made_of(figure, found, source_angles, HEAD + 0.1 + rows * pitch + 0.2)
    return figure


def coloured(maps: Float[np.ndarray, "factor y x"], top: float, *, signed: bool = True) -> Float[np.ndarray, "y x 3"]:
    """Returns maps of up to three factors as one picture.

    Args:
        maps: Of either sign, or none below 0.
        top: What is as bright as can be.
        signed: Whether mid grey is 0; otherwise black is.
    """
    channels = np.zeros((3, *maps.shape[1:]))
    channels[: len(maps)] = maps
    return rgb(channels, top) if signed else np.clip(np.moveaxis(channels, 0, -1) / top, 0, 1)


def _picture(axes: Axes, picture: Float[np.ndarray, "y x 3"]) -> None:
    axes.imshow(picture, interpolation="nearest", aspect="auto")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(FAINT)


def _made_of(figure: Figure, found: Factors, angles: Mapping[str, float] | None, top: float) -> None:
    """Draws each factor's strongest sources, and loadings over the angle of those that have one."""
    strongest = found.strongest(STRONGEST)
    every = [str(source) for source in found.loading.source.values]
    called = dict(zip(every, plain_names(every), strict=True))
    parts = len(strongest) + (angles is not None)
    gap, left = 0.95, 0.95
    width = (WIDTH - left - 0.15 - gap * (parts - 1)) / parts
    for number, (name, sources) in enumerate(strongest.items()):
        axes = place(figure, left + number * (width + gap), top + 0.25, width, 1.55)
        values = [value for _, value in sources]
        axes.barh(range(len(values)), values, height=0.62, color=COLOURS[number], lw=0)
        axes.axvline(0, color=GREY, lw=0.6)
        axes.set_yticks(range(len(values)), [short(called[source], 10) for source, _ in sources])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(max(len(values), 4) - 0.5, -0.5)
        axes.set_xlabel("loading")
        share = float(found.each.values[number])
        write(
            figure, left + number * (width + gap) - 0.85, top - 0.05,
            f"{NAMES[number]}, {name}: {share:.0%} by itself", fontsize=NORMAL, fontweight="bold",
            color=COLOURS[number],
        )  # fmt: skip
    if angles is None:
        return
    known = {source: number for number, source in enumerate(every)}
    held = sorted((float(angle), name) for name, angle in angles.items() if math.isfinite(angle))
    axes = place(figure, left + len(strongest) * (width + gap) - 0.3, top + 0.25, width + 0.3, 1.55)
    for number in range(len(strongest)):
        values = [float(found.loading.values[number, known[name]]) for _, name in held]
        axes.plot([angle for angle, _ in held], values, color=COLOURS[number], ls=DASHES[number], marker="o", ms=2.5)
    axes.axhline(0, color=GREY, lw=0.6)
    axes.set_xlabel("source's angle (degrees)")
    write(
        figure, left + len(strongest) * (width + gap) - 0.6, top - 0.05, "loading by angle", fontsize=NORMAL,
        fontweight="bold", color=BLACK,
    )  # fmt: skip
