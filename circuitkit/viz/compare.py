"""Two probes side by side: how alike the tuning of units is that stand alike, and what both score.

found = ck.compare(handbuilt["curves"], trained["fire5", units], hypothesis.curve())
side_by_side(found).savefig("compare.png")
write_comparison(found, "compared")               # compared/compare.html, table.csv, pairs.csv, figure.png
"""

import base64
import math
import os
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from circuitkit.compare import Comparison
from circuitkit.errors import StoreError
from circuitkit.viz.evidence.parts import angle_axis, title, words
from circuitkit.viz.html import Html, table, tag
from circuitkit.viz.page import document
from circuitkit.viz.style import (
    BLACK,
    BLUE,
    DPI,
    FAINT,
    GREY,
    HEAD,
    RESPONSE,
    WIDTH,
    Colour,
    colour_bar,
    colour_of_angle,
    new_figure,
    place,
    short,
    styled,
    to_png,
)
from circuitkit.viz.tables import MISSING, number

PAGE, TABLE, PAIRS, FIGURE = "compare.html", "table.csv", "pairs.csv", "figure.png"

ROW = 0.16


@styled
def side_by_side(found: Comparison) -> Figure:
    """Shows pairs of units row by row, each over its own peak, and how alike their maps are beside pairs at random.

    Left, a row for each unit of the first probe, in order of angle; in the middle, in the same row, the unit of the
    second that stands nearest. Right, the correlation of their maps over angle and size; above, the same of pairs at
    random.

    Args:
        found: From `compare`.
    """
    said = found.hypothesis
    order = np.argsort(found.pairs.angle.to_numpy(), kind="stable") if said.period else np.arange(len(found.pairs))
    pairs = found.pairs.iloc[order]
    rows = max(1.0, ROW * len(pairs))
    middle = float(pairs.correlation.median())
    figure = new_figure(
        HEAD + 1.05 + rows + 0.85,
        f"Paired by pose, tuning correlates by {middle:.2f}; paired at random, by "
        f"{found.null.correlation.median():.2f}".replace("-", "−"),
        f"rows: {found.names[0]}, and of {found.names[1]} the unit that stands nearest; each over its peak",
    )
    top = HEAD + 1.0
    left, width, gap = 1.3, 2.15, 1.15
    for column, name in enumerate(("unit", "other")):
        axes = place(figure, left + column * (width + gap), top, width, rows)
        _rows(axes, found, column, [str(unit) for unit in pairs[name]])
        title(axes, short(found.names[column], 28))
    at = left + 2 * (width + gap) - 0.7
    bar = place(figure, at - 0.32, top, 0.08, min(rows, 1.4))
    colour_bar(bar, Normalize(0, 1), RESPONSE, "")
    axes = place(figure, at + 0.2, top, WIDTH - at - 0.35, rows)
    period = said.period or 360.0
    hues: list[Colour] = [colour_of_angle(float(a) * 360 / period) if said.period else BLUE for a in pairs.angle]
    for row, (value, hue) in enumerate(zip(pairs.correlation, hues, strict=True)):
        axes.axhline(row, color=FAINT, lw=0.5, zorder=0)
        axes.plot([value], [row], marker="o", ms=5, color=hue, clip_on=False)
    axes.axvline(float(found.null.correlation.quantile(0.95)), color=GREY, ls=(0, (1, 1.5)), lw=1.2)
    axes.axvline(middle, color=BLACK, ls=(0, (4, 2)), lw=1)
    axes.set(ylim=(len(pairs) - 0.5, -0.5), yticks=[])
    low = min(-0.1, float(found.null.correlation.min()), float(pairs.correlation.min()))
    axes.set_xlim(low, 1.02)
    axes.set_xlabel("correlation of the maps")
    above = place(figure, at + 0.2, HEAD + 0.3, WIDTH - at - 0.35, 0.65, sharex=axes)
    above.hist(found.null.correlation, bins=30, color=FAINT, ec=GREY, lw=0.5)
    above.tick_params(axis="x", labelbottom=False)
    above.set_yticks([])
    title(above, "pairs at random")
    return figure


def _rows(axes: Axes, found: Comparison, column: int, units: list[str]) -> None:
    """Draws tuning over the angle, or over the size of a shape without one, a row a unit."""
    said, tuning = found.hypothesis, found.numbers[column].tuning
    angled = said.period is not None
    curves = tuning.mean("shown_size" if angled else "shown_angle").transpose("unit", ...).sel(unit=units).values
    curves = curves / np.maximum(curves.max(1, keepdims=True), 1e-12)
    if angled:
        angles = tuning.shown_angle.values
        step = angles[1] - angles[0]
        curves = np.concatenate([curves, curves[:, :1]], axis=1)
        box = (angles[0] - step / 2, angles[-1] + 1.5 * step, len(units) - 0.5, -0.5)
        axes.imshow(curves, extent=box, aspect="auto", cmap=RESPONSE, vmin=0, vmax=1, interpolation="nearest")
        angle_axis(axes, said, label=f"angle of the {said.name} (degrees)")
    else:
        axes.imshow(curves, aspect="auto", cmap=RESPONSE, vmin=0, vmax=1, interpolation="nearest")
        sizes = tuning.shown_size.values
        axes.set_xticks(range(len(sizes)), [f"{size:.3g}" if math.isfinite(size) else "" for size in sizes])
        axes.set_xlabel(f"{said.size or 'size'} (pixels)")
    axes.set_yticks(range(len(units)), [short(unit, 15) for unit in units])
    axes.tick_params(axis="y", length=0)


def write_comparison(found: Comparison, folder: str | os.PathLike[str], *, command: str | None = None) -> Path:
    """Writes the page, its figure as a PNG file, and both tables as CSV files.

    Args:
        found: From `compare`.
        folder: Where to write; made if it is missing. Files of the same names are replaced.
        command: The command line that makes this page, if there is one; the page says so.

    Returns:
        The path of the page.

    Raises:
        StoreError: If the folder cannot be written.
    """
    to = Path(folder)
    drawn = side_by_side(found)
    picture = to_png(drawn)
    try:
        to.mkdir(parents=True, exist_ok=True)
        (to / FIGURE).write_bytes(picture)
        found.table.to_csv(to / TABLE, index_label="number")
        found.pairs.to_csv(to / PAIRS, index=False)
        (to / PAGE).write_text(_page(found, drawn, picture, command), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{to} cannot be written ({error.strerror or error}): name another folder.") from None
    return to / PAGE


def claim(found: Comparison) -> str:
    """Returns what was found, in a sentence."""
    first, second = found.names
    return (
        f"Units of {first} and the units of {second} that stand nearest have tuning maps that correlate by "
        f"{found.pairs.correlation.median():.2f} in the median (distance {found.pairs.distance.median():.2f}); pairs "
        "at "
        f"random by {found.null.correlation.median():.2f} ({found.null.distance.median():.2f}), and {found.p:.1%} of "
        "these reach as much."
    )


def number_rows(found: Comparison) -> list[list[str]]:
    """Returns the rows of the table of numbers, a column a probe."""
    lines = []
    for name, values in found.table.iterrows():
        form = ".0f" if str(name).startswith("units") else ".2f"
        lines.append([words(str(name)), *(number(float(value), form) for value in values)])
    return lines


def _page(found: Comparison, drawn: Figure, picture: bytes, command: str | None) -> Html:
    heads = ["unit", "angle (°)", "paired with", "angles apart (°)", "sizes apart (octaves)", "correlation", "distance"]
    lines = [
        [
            str(pair.unit),
            number(float(pair.angle), ".0f"),
            str(pair.other),
            number(float(pair.angle_apart), ".0f"),
            number(float(pair.octaves_apart), ".2f"),
            number(float(pair.correlation), ".2f"),
            number(float(pair.distance), ".2f"),
        ]
        for pair in found.pairs.itertuples()
    ]
    source = f"data:image/png;base64,{base64.b64encode(picture).decode('ascii')}"
    image = tag(
        "img", src=source, alt=claim(found), width=round(WIDTH * DPI), height=round(drawn.get_figheight() * DPI)
    )
    text = (
        "Medians over units. Both were shown the same stimuli; each unit's pose was measured on other looks. "
        "Distance: half "
        "of the absolute difference of two maps, each as a share of its sum."
    )
    made = [] if command is None else [tag("p", "Made by ", tag("code", command), ".")]
    body = [
        tag("header", tag("h1", f"{found.names[0]} beside {found.names[1]}"), tag("p", claim(found), class_="claim")),
        tag(
            "main",
            tag("figure", tag("div", image, class_="card", tabindex=0)),
            tag("h2", "Numbers"),
            table(text, ["", *found.names], number_rows(found)),
            tag("h2", "Pairs"),
            table(f"A row for each unit of {found.names[0]}.", heads, lines, words=(2,))
            if lines
            else tag("p", MISSING),
            tag("h2", "Files"),
            *made,
            tag("ul", *(tag("li", tag("a", name, href=name)) for name in (TABLE, PAIRS, FIGURE))),
        ),
    ]
    return document(f"{found.names[0]} beside {found.names[1]} – circuitkit", body)
