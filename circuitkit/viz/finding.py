"""What was found in a net, as one page: where in the net, how much of it in control nets, and each family's tuning.

found = ck.find(net, hypothesis.curve())
write_found(found, "found")                       # found/found.html, found.csv, figures/
family(found.families()["fire5"], found.hypothesis).savefig("fire5.png")
"""

import base64
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from circuitkit.errors import StoreError
from circuitkit.evidence import synthetic
from circuitkit.find import Found
from circuitkit.hypothesis import Hypothesis
from circuitkit.viz.evidence.parts import angle_axis, bound, picture, shapes, title, words
from circuitkit.viz.html import Html, table, tag
from circuitkit.viz.page import document
from circuitkit.viz.style import (
    BLUE,
    DPI,
    FAINT,
    HEAD,
    ORANGE,
    RESPONSE,
    SMALL,
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

PAGE, TABLE, CONTROLS, FIGURES = "found.html", "found.csv", "controls.csv", "figures"

LISTED = 60
"""Units in the table of the page; the file has all."""

MEMBERS = 32
"""Units in the figure of a family; of a larger one, the most selective."""


def write_found(
    found: Found,
    folder: str | os.PathLike[str],
    *,
    controls: Mapping[str, Found] | None = None,
    command: str | None = None,
) -> Path:
    """Writes the page, its figures as PNG files, and all units of all layers as `found.csv`.

    Args:
        found: From `find`.
        folder: Where to write; made if it is missing. Files of the same names are replaced.
        controls: What the same search found in nets that learned nothing, by the net's name.
        command: The command line that makes this page, if there is one; the page says so.

    Returns:
        The path of the page.

    Raises:
        StoreError: If the folder cannot be written.
    """
    to, null = Path(folder), controls or {}
    try:
        (to / FIGURES).mkdir(parents=True, exist_ok=True)
        found.table.to_csv(to / TABLE, index=False)
        if null:
            passing(found, null).to_csv(to / CONTROLS, index=False)
        drawn = {"where": _figure(to, "where", where(found, null), "How many units of each layer were found.")}
        for layer, members in found.families().items():
            text = f"Tuning of the {members.sizes['unit']} units found in {layer}."
            drawn[layer] = _figure(to, layer.replace("/", "-"), family(members, found.hypothesis, layer=layer), text)
        (to / PAGE).write_text(page(found, drawn, null, command=command), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{to} cannot be written ({error.strerror or error}): name another folder.") from None
    return to / PAGE


def passing(found: Found, controls: Mapping[str, Found]) -> pd.DataFrame:
    """Returns how many units are found in each layer of the net and of control nets: one row a net and layer."""
    rows = []
    for name, each in {found.net_name: found, **controls}.items():
        for layer, units in each.layers.items():
            count, held = units.sizes["unit"], int(units.holds.sum())
            rows.append({"net": name, "layer": layer, "units": count, "found": held, "share": held / count})
    return pd.DataFrame(rows, columns=["net", "layer", "units", "found", "share"])


def claim(found: Found, controls: Mapping[str, Found] | None = None) -> str:
    """Returns what was found, in a sentence or two."""
    counts = {layer: int(units.holds.sum()) for layer, units in found.layers.items()}
    total = sum(units.sizes["unit"] for units in found.layers.values())
    text = f"{sum(counts.values())} of {total} units of {found.net_name} detect a {found.hypothesis.name}"
    if sum(counts.values()):
        most = max(counts, key=lambda layer: counts[layer])
        text += f", most of them in {most} ({counts[most]})"
    if controls:
        rest = passing(found, controls)
        rest = rest[rest.net != found.net_name]
        text += (
            f". Of {int(rest.units.sum())} units in the same layers of "
            f"{len(controls)} net{'s' * (len(controls) > 1)} that learned nothing, "
            f"{int(rest.found.sum())} pass ({rest.found.sum() / max(1, rest.units.sum()):.1%})"
        )
    return text + "."


@styled
def where(found: Found, controls: Mapping[str, Found] | None = None) -> Figure:
    """Shows the share of each layer's units that were found, in the order of the net, and in control nets beside it."""
    layers, null = list(found.layers), dict(controls or {})
    rows = max(1, len(layers)) * 0.24
    counts = [int(each.holds.sum()) for each in found.layers.values()]
    figure = new_figure(
        HEAD + 0.25 + rows + 0.6,
        f"{sum(counts)} units of {short(found.net_name, 30)} detect a {found.hypothesis.name}",
        "bars: share of the layer's units, and how many" + ("; orange: nets that learned nothing" if null else ""),
    )
    axes = place(figure, 2.3, HEAD + 0.2, WIDTH - 3.4, rows)
    share = [100 * count / each.sizes["unit"] for count, each in zip(counts, found.layers.values(), strict=True)]
    axes.barh(range(len(layers)), share, height=0.6, color=BLUE, lw=0)
    for row, (count, each) in enumerate(zip(counts, found.layers.values(), strict=True)):
        axes.text(share[row] + 0.25, row, f"{count} of {each.sizes['unit']}", va="center", fontsize=SMALL)
    for other in null.values():
        for row, layer in enumerate(layers):
            if layer in other.layers:
                part = 100 * float(other.layers[layer].holds.mean())
                axes.plot([part], [row], marker="D", ms=5, mfc="white", mec=ORANGE, mew=1.4, clip_on=False)
    axes.set(ylim=(len(layers) - 0.5, -0.5), xlim=(0, max([1.0, *share]) * 1.15))
    axes.set_yticks(range(len(layers)), [short(layer, 28) for layer in layers])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("share of the layer's units (%)")
    return figure


@styled
def family(members: xr.Dataset, hypothesis: Hypothesis, *, layer: str = "") -> Figure:
    """Shows the tuning of the units found in one layer.

    Left, a row for each unit, in order of angle, each over its own peak: a family that covers the turn makes one
    straight band. On top the same as curves, in the colour of the unit's angle. Right, each unit's size and width of
    tuning by its angle. Of a shape without an angle, the tuning over sizes.

    Args:
        members: From `Found.families`.
        hypothesis: What was looked for.
        layer: Its name.
    """
    if members.sizes["unit"] > MEMBERS:
        best = np.sort(np.argsort(-members.selectivity.values, kind="stable")[:MEMBERS])
        members, cut = members.isel(unit=best), f", the {MEMBERS} most selective of {members.sizes['unit']}"
    else:
        cut = ""
    angled, count = hypothesis.period is not None, members.sizes["unit"]
    tuning = members.tuning.mean("shown_size" if angled else "shown_angle")
    curves = tuning.transpose(..., "unit").values
    curves = curves / np.maximum(curves.max(0), 1e-12)
    x = tuning["shown_angle" if angled else "shown_size"].values
    rows = max(1.2, 0.16 * count)
    figure = new_figure(
        HEAD + 0.2 + 1.5 + 0.15 + rows + 0.85,
        f"{short(layer, 30)}: {count} units{cut}",
        f"tuning to a {hypothesis.name}, mean over looks; each unit over its own peak",
    )
    period = hypothesis.period or 360.0
    hues: list[Colour] = [colour_of_angle(float(a) * 360 / period) if angled else BLUE for a in members.angle.values]
    top = HEAD + 0.2
    left, width = 1.3, 4.3
    axes = place(figure, left, top, width, 1.5)
    heat = place(figure, left, top + 1.65, width, rows)
    if angled:
        step = x[1] - x[0]
        x, curves = np.append(x, x[0] + period), np.concatenate([curves, curves[:1]])
        box = (x[0] - step / 2, x[-1] + step / 2, count - 0.5, -0.5)
        axes.set_xlim(0, period)
        axes.set_xticks(np.linspace(0, period, 5), [])
    else:
        box = (-0.5, len(x) - 0.5, count - 0.5, -0.5)
        axes.set_xlim(-0.5, len(x) - 0.5)
        axes.set_xticks(range(len(x)), [])
    along = x if angled else np.arange(len(x))
    axes.plot(along, curves.max(1), color=FAINT, lw=5, zorder=0, solid_joinstyle="round")
    for unit in range(count):
        axes.plot(along, curves[:, unit], color=hues[unit], lw=1.1)
    axes.set(ylim=(0, 1.08), yticks=[0, 0.5, 1])
    axes.set_ylabel("response / own peak", fontsize=SMALL)
    title(axes, "grey: the best unit")
    heat.imshow(curves.T, extent=box, aspect="auto", cmap=RESPONSE, vmin=0, vmax=1, interpolation="nearest")
    heat.set_yticks(range(count), [short(name, 15) for name in members.unit.values])
    heat.tick_params(axis="y", length=0)
    if angled:
        angle_axis(heat, hypothesis, label=f"angle of the {hypothesis.name} (degrees)")
    else:
        heat.set_xticks(range(len(x)), [f"{size:.3g}" for size in x])
        heat.set_xlabel(f"{hypothesis.size or 'size'} (pixels)")
    colour_bar(
        place(figure, left + width + 0.12, top + 1.65, 0.1, min(rows, 1.6)), Normalize(0, 1), RESPONSE, "response"
    )
    _beside(figure, members, hypothesis, hues, top)
    return figure


def _beside(figure: Figure, members: xr.Dataset, hypothesis: Hypothesis, hues: list[Colour], top: float) -> None:
    """Draws size and width of tuning by angle; of a shape without an angle, the shape and the selectivity."""
    left, width = 6.9, WIDTH - 7.1
    if hypothesis.period is None:
        axes = place(figure, left, top, 1.2, 1.2)
        picture(axes, shapes(hypothesis, [0.0])[0][..., None])
        return
    shown: list[tuple[str, np.ndarray, str]] = [("fwhm", members.fwhm.values, "width at half height (degrees)")]
    if hypothesis.size is not None:
        shown.insert(0, ("size", members["size"].values, f"{hypothesis.size} (pixels)"))
    else:
        shown.append(("score", members.selectivity.values, "selectivity"))
    for row, (name, values, label) in enumerate(shown):
        axes = place(figure, left, top + row * 1.85, width, 1.2)
        axes.scatter(members.angle.values, values, s=22, c=hues, linewidths=0.5, edgecolors="white", clip_on=False)
        if name == "size":
            axes.set_yscale("log")
            ticks = [size for size in (5, 10, 20, 40, 80) if values.min() * 0.8 <= size <= values.max() * 1.25]
            axes.set_yticks(ticks, [str(size) for size in ticks])
            axes.minorticks_off()
        angle_axis(axes, hypothesis, drawn=False, label="angle of the unit (degrees)" if row else "")
        axes.set_ylabel(label, fontsize=SMALL)
        axes.grid(axis="y", color=FAINT, lw=0.5)


COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("score", "selectivity", ".3f"),
    ("angle", "angle (°)", ".0f"),
    ("size", "size (px)", ".1f"),
    ("fwhm", "FWHM (°)", ".0f"),
    ("echo", "echo", ".2f"),
    ("looks_agreeing", "looks agreeing", ".2f"),
    ("sizes_agreeing", "sizes agreeing", ".2f"),
)
"""Columns of a table of units, what they are called, and their format."""


def unit_rows(
    found: Found, most: int, *, columns: Sequence[tuple[str, str, str]] = COLUMNS
) -> tuple[list[str], list[list[str]]]:
    """Returns the head and the rows of the table of units found, the most selective first."""
    size = found.hypothesis.size or "size"
    units = found.table
    units = units[units.verdict == "yes"].head(most)
    kept = []
    for key, label, form in columns:
        column, said = (size, f"{size} (px)") if key == "size" else (key, label)
        if column in units.columns and not units[column].isna().all():
            kept.append((column, said, form))
    rivals = [name for name in map(str, units.columns) if name.startswith("to_")]
    lines = []
    for _, unit in units.iterrows():
        values = [number(float(unit[column]), form) for column, _, form in kept]
        best = max(rivals, key=lambda name: float(unit[name]), default=None)
        against = MISSING if best is None else f"{best.removeprefix('to_')} {float(unit[best]):.2f}"
        lines.append([str(unit["unit"]), str(unit["layer"]), *values, against])
    return ["unit", "layer", *(said for _, said, _ in kept), "strongest rival"], lines


def page(found: Found, drawn: Mapping[str, Html], controls: Mapping[str, Found], *, command: str | None = None) -> Html:
    """Returns the page.

    Args:
        found: What was found.
        drawn: The figure of the whole net as `where`, and one of each layer that has a family.
        controls: What was found in control nets.
        command: The command line that makes it.
    """
    name = found.hypothesis.name
    families = [layer for layer in drawn if layer != "where"]
    links = [("where", "Where in the net"), *([("families", "Families")] if families else [])]
    links += [("units", "Units"), ("measured", "How it was measured"), ("files", "Files")]
    head, lines = unit_rows(found, LISTED)
    count = int((found.table.verdict == "yes").sum())
    listed = f"The {len(lines)} most selective of {count}." if count > len(lines) else f"All {count}."
    sections = {
        "where": [drawn["where"], *_by_layer(found, controls)],
        "families": [part for layer in families for part in (tag("h3", layer), drawn[layer])],
        "units": [
            table(
                f"{listed} Rivals: response over that to the shape at its pose.", head, lines, words=(1, len(head) - 1)
            )
            if lines
            else tag("p", "No unit meets every criterion.")
        ],
        "measured": _measured(found),
        "files": _files(drawn, controls, command),
    }
    body = [
        tag("header", tag("h1", f"{name.capitalize()} detectors in {found.net_name}"),
            tag("p", claim(found, controls), class_="claim")),
        tag("nav", tag("ul", *(tag("li", tag("a", text, href=f"#{key}")) for key, text in links)),
        aria_label="Sections"), tag("main", *(_section(key, text, sections[key]) for key, text in links)),
    ]  # fmt: skip
    return document(f"{name} detectors in {found.net_name} – circuitkit", body)


def _by_layer(found: Found, controls: Mapping[str, Found]) -> list[Html]:
    lines = []
    for layer, units in found.layers.items():
        row = [layer, f"{int(units.holds.sum())} of {units.sizes['unit']}"]
        lines.append(row + [_share(each.layers.get(layer)) for each in controls.values()])
    parts = [table("Units found, of all units of a layer.", ["layer", "found", *controls], lines)]
    if found.skipped:
        skipped = [[layer, why] for layer, why in found.skipped.items()]
        parts.append(table("Layers that could not be scanned.", ["layer", "why"], skipped, words=(1,)))
    return parts


def _share(units: xr.Dataset | None) -> str:
    return MISSING if units is None else f"{int(units.holds.sum())} of {units.sizes['unit']}"


def _measured(found: Found) -> list[Html]:
    text = (
        "Every unit was shown the shape at all angles and sizes in many looks, and every rival at all angles. Its "
        "pose was "
        "measured on other looks. A unit is found if it meets all criteria of the argument from synthetic examples."
    )
    lines = [[words(name), bound(each), each.why] for name, each in synthetic.criteria(found.hypothesis).items()]
    return [tag("p", text), table("Criteria.", ["number", "wanted", "why this bound"], lines, words=(1, 2))]


def _files(drawn: Mapping[str, Html], controls: Mapping[str, Found], command: str | None) -> list[Html]:
    made = [] if command is None else [tag("p", "Made by ", tag("code", command), ".")]
    names = [TABLE, *([CONTROLS] if controls else []), *(f"{FIGURES}/{layer.replace('/', '-')}.png" for layer in drawn)]
    return [*made, tag("ul", *(tag("li", tag("a", name, href=name)) for name in names))]


def _section(name: str, text: str, content: Sequence[Html]) -> Html:
    return tag("section", tag("h2", text, id=f"{name}-title"), *content, id=name, aria_labelledby=f"{name}-title")


def _figure(folder: Path, name: str, drawn: Figure, alt: str) -> Html:
    """Writes a figure as a PNG file, and returns it as HTML."""
    bytes_ = to_png(drawn)
    (folder / FIGURES / f"{name}.png").write_bytes(bytes_)
    options: dict[str, Any] = {"width": round(WIDTH * DPI), "height": round(drawn.get_figheight() * DPI)}
    image = tag("img", src=f"data:image/png;base64,{base64.b64encode(bytes_).decode('ascii')}", alt=alt, **options)
    return tag("figure", tag("div", image, class_="card", tabindex=0), tag("figcaption", alt))
