"""Handwritten circuit, drawn: the responses of each unit beside those of its handbuilt counterpart.

On top, the agreement of the counterpart beside that of the decoys, a dot a unit. Below, for each unit, two maps of
angle and size (the unit, and its counterpart), and every stimulus as a dot: the shape itself, rivals, and places in
photographs. Responses are over their largest, and under a root, so that weak ones can be told apart.
"""

import numpy as np
from matplotlib.figure import Figure

from circuitkit.evidence.argument import Argument, Subject
from circuitkit.viz.evidence.parts import by_angle, colours, dots, frame, title, with_strip
from circuitkit.viz.style import (
    BLUE,
    GREY,
    ORANGE,
    RESPONSE,
    SMALL,
    VERMILION,
    WIDTH,
    Colour,
    place,
    short,
    styled,
    write,
)

COLUMNS, MAP, SIDE = 6, 0.42, 1.12
PITCH = MAP + SIDE + 0.62

KINDS: dict[str, tuple[Colour, str]] = {
    "rivals": (VERMILION, "x"),
    "photographs": (GREY, "."),
    "the shape": (BLUE, "."),
}
"""Colour and mark of each kind of stimulus, the last on top."""


@styled
def figure(argument: Argument, subject: Subject) -> Figure:
    """Shows the argument from a handwritten circuit."""
    data, order = argument.data, by_angle(subject)
    decoys = [] if "decoy_agreement" not in data else [str(name) for name in data.decoy.values]
    high = 0.2 * (1 + len(decoys)) if decoys else 0.0
    rows = -(-len(order) // COLUMNS)
    drawn, top = with_strip(argument, subject, (high + 0.95 if decoys else 0.2) + 0.55 + rows * PITCH)
    at = top + 0.2
    if decoys:
        _decoys(drawn, argument, subject, top + 0.25, high)
        at = top + high + 0.95
    text = "maps: the unit, and its counterpart; dots: a stimulus each, the unit's response over its counterpart's"
    write(drawn, 0.1, at, text, fontweight="bold")
    left = 0.1
    for name, (hue, mark) in reversed(KINDS.items()):
        axes = place(drawn, left, at + 0.2, 0.15, 0.15)
        axes.plot([0], [0], ls="", marker=mark, ms=6 if mark == "." else 4, color=hue)
        axes.set_axis_off()
        write(drawn, left + 0.18, at + 0.2, name, fontsize=SMALL)
        left += 0.45 + 0.075 * len(name)
    for index, unit in enumerate(order):
        column, row = index % COLUMNS, index // COLUMNS
        cell = (WIDTH - 0.25) / COLUMNS
        _unit(drawn, argument, subject, int(unit), 0.25 + column * cell, at + 0.5 + row * PITCH, cell - 0.25)
    return drawn


def _decoys(drawn: Figure, argument: Argument, subject: Subject, top: float, high: float) -> None:
    data = argument.data
    shown = {"counterpart": argument.statistic.values}
    shown |= {str(name): data.decoy_agreement.sel(decoy=name).values for name in data.decoy.values}
    axes = place(drawn, 1.6, top, WIDTH - 3.0, high)
    dots(axes, shown, colours(subject))
    axes.axhline(0.5, color=ORANGE, lw=0.8)
    axes.set_xlabel(f"{argument.statistic.name} with the unit, rank correlation; bar: median")
    title(axes, "the counterpart, and decoys")


def _unit(
    drawn: Figure, argument: Argument, subject: Subject, unit: int, left: float, top: float, width: float
) -> None:
    data, said = argument.data, subject.hypothesis
    write(drawn, left, top, f"{short(data.unit.values[unit], 12)}: {float(argument.statistic.values[unit]):.2f}",
          fontsize=SMALL, fontweight="bold")  # fmt: skip
    half = (width - 0.06) / 2
    for column, name in enumerate(("tuning", "counterpart_tuning")):
        axes = place(drawn, left + column * (half + 0.06), top + 0.18, half, MAP)
        values = data[name].transpose("size", "angle", "unit").values[..., unit]
        values = np.nan_to_num(values) / (np.nanmax(values) or 1.0)
        axes.imshow(values, origin="lower", aspect="auto", cmap=RESPONSE, vmin=0, vmax=1, interpolation="nearest")
        frame(axes, GREY, width=0.5)
    axes = place(drawn, left, top + 0.24 + MAP, width, SIDE)
    own, other = (data[name].values[:, unit] for name in ("response", "counterpart_response"))
    own, other = (np.sqrt(np.clip(each, 0, None) / (np.nanmax(each) or 1.0)) for each in (own, other))
    kind = data.kind.values.astype(str)
    shape = np.isin(kind, (said.name, "shape"))
    which = {"the shape": shape, "photographs": kind == "natural", "rivals": ~shape & (kind != "natural")}
    for name, (hue, mark) in KINDS.items():
        place_of = which[name]
        axes.plot(
            other[place_of], own[place_of], ls="", marker=mark, ms=2, mew=0.5, color=hue, alpha=0.5, rasterized=True
        )
    axes.set(xlim=(-0.04, 1.04), ylim=(-0.04, 1.04))
    axes.set_xticks([0, 1], ["0", "1"])
    axes.set_yticks([0, 1], ["0", "1"])
    axes.tick_params(length=2, pad=1)
