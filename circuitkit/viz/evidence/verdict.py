"""A report as one page: `report.html`, which needs no other file, and beside it all that it was made of.

write_verdict(report, "verdict")
write_verdict(load_report("verdict"), "verdict")         # the page and its figures once more, without the net
"""

import base64
import io
import os
from pathlib import Path

import numpy as np
import PIL.Image
from matplotlib.figure import Figure

from circuitkit.errors import StoreError
from circuitkit.evidence.argument import MAJORITY, Argument, Verdict
from circuitkit.evidence.statistics import CHANCE
from circuitkit.reports import ARGUMENTS, FILE, file_name, save_report
from circuitkit.verify import ARGUMENTS as SEVEN
from circuitkit.verify import Report
from circuitkit.viz.evidence.figures import figure
from circuitkit.viz.evidence.parts import bound, words
from circuitkit.viz.html import Html, join, table, tag
from circuitkit.viz.page import document
from circuitkit.viz.style import DPI, WIDTH, to_png
from circuitkit.viz.tables import MISSING, number

PAGE, TABLE, UNITS, FIGURES = "report.html", "report.csv", "units.csv", "figures"

SIGNS: dict[Verdict, str] = {"holds": "✓ holds", "fails": "✗ fails", "not tested": "– not tested"}

LARGEST = 1_000_000
"""Bytes of a figure beyond which the page holds it as WebP, a tenth as large for photographs; the file is PNG."""

LISTED = 6
"""Failing units that are listed at once; more are folded away."""

STYLE = """
.verdict { display: inline-block; border-radius: 4px; padding: 0.05rem 0.5rem; font-size: 0.85rem; font-weight: 600;
  vertical-align: middle; border: 1px solid currentColor; white-space: nowrap; }
.verdict.holds, .verdict.yes { color: #00694b; } .verdict.fails, .verdict.no { color: #b34700; }
.verdict.not-tested, .verdict.open { color: var(--soft); }
@media (prefers-color-scheme: dark) { .verdict.holds, .verdict.yes { color: #4fd1a5; }
  .verdict.fails, .verdict.no { color: #ff9d5c; } }
h1 .verdict { font-size: 1.1rem; padding: 0.15rem 0.7rem; margin-left: 0.4rem; }
details { margin: 1rem 0; font-size: 0.9rem; } details li, .failures li { font-size: 0.9rem; }
ul.reasons { padding-left: 1.2rem; }
"""


def write_verdict(report: Report, folder: str | os.PathLike[str], *, command: str | None = None) -> Path:
    """Writes the page, its figures as PNG files, the tables as CSV files, and every argument as a netCDF file.

    Args:
        report: From `verify`, or from `load_report`.
        folder: Where to write; made if it is missing. Files of the same names are replaced.
        command: The command line that makes this report, if there is one; the page says so.

    Returns:
        The path of the page.

    Raises:
        StoreError: If the folder cannot be written.
    """
    place = Path(folder)
    save_report(report, place)
    try:
        report.table.to_csv(place / TABLE)
        report.units.to_csv(place / UNITS)
        (place / FIGURES).mkdir(exist_ok=True)
        drawn: dict[str, Html] = {}
        for name, argument in report.arguments.items():
            if not argument.why_untested:
                made = figure(argument, report.subject)
                picture = to_png(made)
                file = file_name(argument).replace(".nc", ".png")
                (place / FIGURES / file).write_bytes(picture)
                drawn[name] = _figure(argument, made, picture)
        (place / PAGE).write_text(page(report, drawn, command=command), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{place} cannot be written ({error.strerror or error}): name another folder.") from None
    return place / PAGE


def page(report: Report, drawn: dict[str, Html], *, command: str | None = None) -> Html:
    """Returns the page.

    Args:
        report: What was found.
        drawn: The figure of each argument, as HTML.
        command: The command line that makes it.
    """
    subject = report.subject
    title = f"{_count(report)} of {subject.probe.layer} in {subject.probe.net.name}"
    links = [("arguments", "The arguments"), *((_anchor(name), name.capitalize()) for name in report.arguments)]
    links += [("units", "Unit by unit"), ("measured", "How it was measured"), ("files", "Files")]
    body = [
        tag(
            "header",
            tag("h1", f"{title}: do they detect a {subject.hypothesis.name}? ", _badge(report.verdict, report.verdict)),
            tag("p", claim(report), class_="claim"),
            tag("ul", *(tag("li", reason) for reason in report.reasons), class_="reasons"),
        ),
        tag(
            "nav",
            tag("ul", *(tag("li", tag("a", text, href=f"#{name}")) for name, text in links)),
            aria_label="Sections",
        ),
        tag(
            "main",
            _section("arguments", "The arguments", *_overview(report)),
            *(_argument(name, argument, drawn.get(name)) for name, argument in report.arguments.items()),
            _section("units", "Unit by unit", _units(report)),
            _section("measured", "How it was measured", *_measured(report)),
            _section("files", "Files", *_files(report, drawn, command)),
        ),
    ]
    return document(f"{title} – circuitkit verdict", body, style=STYLE)


def claim(report: Report) -> str:
    """Returns the verdict in a sentence."""
    verdicts = [argument.verdict for argument in report.arguments.values()]
    tested = len(verdicts) - verdicts.count("not tested")
    shape = report.subject.hypothesis.name
    if report.verdict == "yes":
        return (
            f"Yes: all {len(verdicts)} arguments hold for at least {MAJORITY:.0%} of the units: they detect a {shape}."
        )
    if report.verdict == "no":
        failed = [name for name, argument in report.arguments.items() if argument.verdict == "fails"]
        return f"No: {len(failed)} of {tested} arguments that were made fail ({', '.join(failed)})."
    left = len(SEVEN) - tested
    return f"Open: the {tested} arguments that were made hold, but {left} were not made, so there is no verdict."


def reaching(argument: Argument) -> tuple[int, int] | None:
    """Returns how many controls reach the bound that the statistic must reach, and how many there are."""
    criterion = argument.criteria.get(str(argument.statistic.name))
    null = argument.null[np.isfinite(argument.null.values)]
    return None if criterion is None else (int(criterion.met(null).sum()), null.sizes["draw"])


HEAD = (
    "argument",
    "verdict",
    "statistic",
    "median of units (95 %)",
    f"controls: highest {CHANCE:.0%}",
    "effect (SD)",
    "p",
    "units it holds for",
    "controls that reach the bound",
    "seconds",
)


def rows(report: Report) -> list[list[str]]:
    """Returns the rows of the table of arguments, under `HEAD`."""
    found = []
    for name, numbers in report.table.iterrows():
        argument = report.arguments[str(name)]
        row = [str(name), SIGNS[argument.verdict]]
        if argument.why_untested:
            found.append([*row, *[MISSING] * (len(HEAD) - 3), f"{numbers['seconds']:.0f}"])
            continue
        middle, low, high = (number(float(numbers[key]), ".2f") for key in ("median", "low", "high"))
        reached = reaching(argument)
        found.append(
            [
                *row,
                words(str(numbers["statistic"])),
                f"{middle} ({low} to {high})",
                number(float(numbers["null_95"]), ".2f"),
                number(float(numbers["effect"]), ".1f"),
                number(float(numbers["p"]), ".3f"),
                f"{int(numbers['units_holding'])} of {int(numbers['units'])}",
                MISSING if reached is None else f"{reached[0]} of {reached[1]}",
                f"{numbers['seconds']:.0f}",
            ]
        )
    return found


def _overview(report: Report) -> list[Html]:
    text = (
        "An argument holds for a unit if every criterion is met and at most 5% of the controls reach the unit's "
        f"statistic; it holds for the units if it does for {MAJORITY:.0%} of them. The verdict is no if any argument "
        "fails, and open if none fails but some were not made."
    )
    caption = "Medians over units. Effect: above the controls' mean, in their standard deviations."
    return [tag("p", text), table(caption, HEAD, rows(report), words=(1, 2))]


def _argument(name: str, argument: Argument, drawn: Html | None) -> Html:
    heading = join([f"{name.capitalize()} ", _badge(argument.verdict, SIGNS[argument.verdict])])
    if argument.why_untested:
        return _section(
            _anchor(name), heading, tag("p", argument.claim), tag("p", f"Not tested, since {argument.why_untested}.")
        )
    return _section(
        _anchor(name),
        heading,
        tag("p", argument.claim),
        *([] if drawn is None else [drawn]),
        _criteria(argument),
        *_failures(argument),
        *([tag("ul", *(tag("li", note) for note in argument.notes))] if argument.notes else []),
    )


def _criteria(argument: Argument) -> Html:
    lines = []
    for name, criterion in argument.criteria.items():
        values = argument.numbers[name]
        met = int(criterion.met(values).sum())
        median = number(float(np.nanmedian(values.values)) if np.isfinite(values.values).any() else np.nan, ".2f")
        lines.append([words(name), bound(criterion), median, f"{met} of {values.sizes['unit']}", criterion.why])
    head = ["number", "wanted", "median of units", "units that meet it", "why this bound"]
    return table("Criteria.", head, lines, words=(1, 4))


def _failures(argument: Argument) -> list[Html]:
    """Returns why the argument fails for each unit for which it does."""
    names = [str(name) for name in argument.numbers.unit.values[~argument.holds.values]]
    if not names:
        return []
    items = [tag("li", tag("strong", name), ": ", "; ".join(argument.failures(name)), ".") for name in names]
    shown = tag("ul", *items, class_="failures")
    if len(items) <= LISTED:
        return [shown]
    return [tag("details", tag("summary", f"Why it fails, for {len(items)} units"), shown)]


def _units(report: Report) -> Html:
    units = report.units
    head = ["unit", "arguments that hold", "angle (°)", f"{report.subject.hypothesis.size or 'size'} (px)"]
    tested = [name for name, argument in report.arguments.items() if not argument.why_untested]
    lines = []
    for unit, row in units.iterrows():
        angle, size = (number(float(row.iloc[place]), ".0f") for place in (1, 2))
        line = [str(unit), f"{int(row['holding'])} of {len(tested)}", angle, size]
        for name in tested:
            statistic = report.arguments[name].statistic.name
            line.append(f"{'✓' if row[name] else '✗'} {number(float(row[f'{name}: {statistic}']), '.2f')}")
        lines.append(line)
    caption = "✓: the argument holds for the unit. The number is the argument's statistic."
    return table(caption, [*head, *tested], lines)


def _measured(report: Report) -> list[Html]:
    subject = report.subject
    said, field = subject.hypothesis, subject.probe.receptive_field
    facts = {
        "net": subject.probe.net.name,
        "layer": subject.probe.layer,
        "receptive field": "all of the image" if field is None else f"{field.size[1]} × {field.size[0]} pixels",
        "images": subject.probe.net.image_values,
        "shape": repr(said.shape),
        "period": MISSING if said.period is None else f"{said.period:g}°",
        "sizes tried": MISSING if said.size is None else f"{said.size} {', '.join(f'{s:.3g}' for s in said.sizes)} px",
        "rivals": ", ".join(said.rivals) or MISSING,
        "must not matter": ", ".join(said.factors),
        "controls": _controls(report),
        "seed": str(subject.seed),
    }
    return [table("What was measured.", ["", ""], [[key, value] for key, value in facts.items()], words=(1,))]


def _controls(report: Report) -> str:
    """Returns what served as control for which argument."""
    found = []
    for name, argument in report.arguments.items():
        kinds, counts = np.unique(argument.null.control.values.astype(str), return_counts=True)
        if len(kinds):
            found.append(f"{name}: {', '.join(f'{kind} ({count})' for kind, count in zip(kinds, counts, strict=True))}")
    return "; ".join(found) or MISSING


def _files(report: Report, drawn: dict[str, Html], command: str | None) -> list[Html]:
    made = [] if command is None else [tag("p", "Made by ", tag("code", command), ".")]
    again = tag("p", "The page and its figures are made again, without the net, by ",
                tag("code", "circuitkit verify --redraw FOLDER"), ".")  # fmt: skip
    described = [(TABLE, "the arguments"), (UNITS, "the units"), (FILE, "units, poses and hypothesis")]
    for name, argument in report.arguments.items():
        described.append((f"{ARGUMENTS}/{file_name(argument)}", f"{name}: every number, and what its figure shows"))
    described += [(f"{FIGURES}/{file_name(report.arguments[name]).replace('.nc', '.png')}", "") for name in drawn]
    items = [tag("li", tag("a", name, href=name), *([Html(": "), text] if text else [])) for name, text in described]
    return [*made, again, tag("ul", *items)]


def _figure(argument: Argument, made: Figure, picture: bytes) -> Html:
    held, count = int(argument.holds.sum()), argument.holds.sizes["unit"]
    alt = (
        f"{argument.name}: the {words(str(argument.statistic.name))} of {count} units beside that of controls; it "
        "holds "
        f"for {held}. Below, what was measured, unit by unit."
    )
    kind, inlined = "png", picture
    if len(picture) > LARGEST:
        packed = io.BytesIO()
        PIL.Image.open(io.BytesIO(picture)).save(packed, "webp", quality=88)
        kind, inlined = "webp", packed.getvalue()
    source = f"data:image/{kind};base64,{base64.b64encode(inlined).decode('ascii')}"
    high = round(made.get_figheight() * DPI)
    image = tag("img", src=source, alt=alt, width=round(WIDTH * DPI), height=high)
    return tag("figure", tag("div", image, class_="card", tabindex=0), id=f"figure-{_anchor(argument.name)}")


def _section(name: str, title: str, *content: Html) -> Html:
    return tag("section", tag("h2", title, id=f"{name}-title"), *content, id=name, aria_labelledby=f"{name}-title")


def _badge(kind: str, text: str) -> Html:
    return tag("span", text, class_=f"verdict {kind.replace(' ', '-')}")


def _anchor(name: str) -> str:
    return name.replace(" ", "-")


def _count(report: Report) -> str:
    count = len(report.subject.probe.unit_names)
    return f"{count} units" if count > 1 else f"Unit {report.subject.probe.unit_names[0]}"
