"""A study as one page: `report.html`, which needs no other file and no network, and its figures as PNG files."""

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from circuitkit.study import Study, Subject
from circuitkit.viz import tables
from circuitkit.viz.html import Html, table, tag
from circuitkit.viz.page import document
from circuitkit.viz.plates import Plate, best_units, plates
from circuitkit.viz.style import DPI, WIDTH, to_png

SPEC = "spec.json"
"""Files that the page expects beside it."""

LISTED = 20
"""How many units of a trained layer the table of units lists."""

SECTIONS = {
    "circuit": "The circuit",
    "weights": "Weights",
    "numbers": "Beside the published values",
    "tuning": "Tuning",
    "control": "Control: inhibitions left out",
    "exactness": "Exactness",
    "trained": "The trained layer",
    "units": "Unit by unit",
    "measured": "How it was measured",
    "files": "Files",
}
"""Sections in order: their anchors and titles."""


def write_report(study: Study, folder: Path, *, command: str | None = None) -> Path:
    """Writes `report.html` and `figures/*.png` to a folder, which is made if it is missing.

    The page holds its figures, asks the network for nothing and runs no script. It links to the results (a
    netCDF file for each of `study.subjects`) and to `spec.json` beside it; whoever measured the study writes those.

    Args:
        study: What was found.
        folder: Where to write. Files of the same names are replaced.
        command: The command line that makes this report, if there is one; the page says so.

    Returns:
        The path of the page.
    """
    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    drawn: dict[str, list[Html]] = {}
    names = []
    for plate in plates(study):
        picture = to_png(plate.figure)
        (figures / f"{plate.name}.png").write_bytes(picture)
        names.append(f"{plate.name}.png")
        drawn.setdefault(plate.section, []).append(_figure(plate, picture))
    path = folder / "report.html"
    path.write_text(page(study, drawn, names, command=command), encoding="utf-8")
    return path


def page(study: Study, drawn: dict[str, list[Html]], names: Sequence[str], *, command: str | None = None) -> Html:
    """Returns the page.

    Args:
        study: What was found.
        drawn: The figures of each section, as HTML.
        names: The names of the files in `figures/`.
        command: The command line that makes it.
    """
    words = _sections(study, names, command)
    order = [name for name in SECTIONS if name in words or name in drawn]
    title = f"Circuit {study.circuit.name}"
    links = [tag("li", tag("a", SECTIONS[name], href=f"#{name}")) for name in order]
    body = [
        tag("header", tag("h1", title), tag("p", claim(study), class_="claim"), tag("p", beside(study))),
        tag("nav", tag("ul", *links), aria_label="Sections"),
        tag("main", *(_section(name, words.get(name, []), drawn.get(name, [])) for name in order)),
    ]
    return document(f"{title} – circuitkit report", body)


def claim(study: Study) -> str:
    """Returns what the study found of the handbuilt family, in one sentence, from its numbers alone."""
    family, found = study.circuit.families[-1], study.handbuilt.summary
    error = tables.number(tables.angle_error(study.circuit, found), ".2f")
    return (
        f"Written by hand, from Gabors up, the {len(family)} units of {family.name} tell curves by the way they "
        f"bulge: each prefers the angle it was written for to within {error}°, is "
        f"{tables.number(float(found.fwhm.mean()), '.0f')}° wide at half maximum, and of its peak answers "
        f"{tables.number(float(found.echo.mean()), '.2f')} to the opposite curves and "
        f"{tables.number(float(found.line_ratio.mean()), '.2f')} to straight lines."
    )


def beside(study: Study) -> str:
    """Returns what was found of the control and of the trained layer."""
    text = ""
    if study.without:
        name, loudest = max(study.without.items(), key=lambda item: float(item[1].summary.echo.mean()))
        echo = float(loudest.summary.echo.mean())
        text += f"With {name} left out of the spec, they echo: {tables.number(echo, '.2f')} of the peak. "
    if study.trained is not None:
        best = study.trained.summary.curve_score.max()
        ours = study.handbuilt.summary.curve_score.mean()
        text += (
            f"Under the same test, the most curve-like unit of {study.trained.title} scores {float(best):.2f}, "
            f"where the handbuilt units score {float(ours):.2f} on average and an ideal one 1."
        )
    return text


def _sections(study: Study, names: Sequence[str], command: str | None) -> dict[str, list[Html]]:
    """Returns the words and tables of the sections that have any."""
    circuit, hand, trained = study.circuit, study.handbuilt, study.trained
    best = [] if trained is None else best_units(trained)
    head, rows = tables.comparison(study, best)
    units = [str(name) for name in hand.summary.unit.values]
    columns = ["unit", *(label for _, label, _ in tables.UNIT_COLUMNS)]
    words: dict[str, list[Html]] = {
        "circuit": [
            tag("p", "The whole circuit. Every weight follows from these lines."),
            tag("pre", str(circuit), tabindex=0, aria_label="The spec of the circuit"),
        ],
        "weights": [
            tag("p", "Red weights are positive, blue ones negative; every colour scale is symmetric about 0."),
        ],
        "numbers": [
            table("Measured on the whole family (trained: on its most curve-like units), and published.", head, rows),
            tag(
                "p",
                "Published: Cammarata et al., Curve Detectors (2020) and Curve Circuits (2021), Distill, read off the "
                "data that they published. Their net and images are other ones, so radii in pixels compare in order of "
                "magnitude only. Coverage: at the worst angle, the best unit's response over its own peak. Where "
                "nothing is published, there is a dash.",
            ),
        ],
        "units": [
            tag("p", "A preferred radius at either end of the radii shown may in truth lie beyond."),
            table(f"{hand.title}: all {len(units)} units.", columns, tables.unit_rows(hand.summary, units)),
        ],
        "measured": _measured([hand] if trained is None else [hand, trained]),
        "exactness": _exactness(study),
        "files": _files(study, names, command),
    }
    if inhibitions := tables.inhibitions(circuit):
        heads = ["family", "reads", "inhibition", "strength", "reason"]
        words["circuit"].append(
            table(
                "Every inhibition and its reason. Strength: all of it as a share of all of the tile's excitation.",
                heads,
                inhibitions,
                words=(1, 2, 4),
            )
        )
    if study.without:
        text = (
            "Means over the family, with every inhibition in place and with each kind left out of the whole spec, all "
            "on the same stimuli: light on dark, and fewer radii than above."
        )
        words["control"] = [table(text, tables.LEFT_OUT, tables.left_out(study))]
    if trained is not None:
        listed = trained.ranked()[:LISTED]
        text = f"{trained.title}: the {len(listed)} most curve-like of {trained.summary.sizes['unit']} units."
        words["trained"] = [
            tag("p", _same_test(hand, trained)),
        ]
        words["units"].append(table(text, columns, tables.unit_rows(trained.summary, listed)))
    return words


def _same_test(hand: Subject, trained: Subject) -> str:
    """Returns what the trained layer was shown."""
    ours, theirs = (each.responses.radius.values[np.isfinite(each.responses.radius.values)] for each in (hand, trained))
    if np.array_equal(ours, theirs):
        return f"The same stimuli, read-out and numbers on {trained.title}; only the net is another."
    return (
        f"The same read-out and numbers on {trained.title}. Its net was made for smaller images, so the same stimuli "
        f"are shown in proportion: radii of {theirs.min():.2g} to {theirs.max():.2g} pixels, in place of "
        f"{ours.min():.2g} to {ours.max():.3g}."
    )


def _measured(subjects: Sequence[Subject]) -> list[Html]:
    labels = {
        "net": "net",
        "layer": "layer",
        "read_out": "read-out",
        "image_size": "image (height x width)",
        "receptive_field": "receptive field",
        "stimulus": "stimulus",
        "image_values": "image values",
        "versions": "versions",
    }
    rows = [
        [label, *(str(subject.responses.attrs.get(key, tables.MISSING)) for subject in subjects)]
        for key, label in labels.items()
    ]
    for name in ("angle", "radius", "polarity"):
        rows.insert(-1, [f"{name} values", *(_axis(subject, name) for subject in subjects)])
    heads = ["", *(subject.title for subject in subjects)]
    caption = "Read-out, images, stimuli and versions."
    text = (
        "Each stimulus is anchored, to the sub-pixel, on the centre of the receptive field of the one unit that is "
        "read. Responses below 0 count as 0. A radial curve is the mean over finite radii and polarities; a peak in "
        "the table of units is the largest response to any curve."
    )
    return [tag("p", text), table(caption, heads, rows, words=tuple(range(1, len(heads))))]


def _axis(subject: Subject, name: str) -> str:
    if name not in subject.responses.coords:
        return tables.MISSING
    values = np.atleast_1d(subject.responses[name].values)
    finite = values[np.isfinite(values)]
    if name == "polarity":
        return ", ".join({1.0: "light on dark", -1.0: "dark on light"}.get(float(v), f"{v:g}") for v in values)
    text = f"{len(finite)}, {finite.min():g} to {finite.max():g}"
    return f"{text}, and a straight line" if len(finite) < len(values) else text


def _exactness(study: Study) -> list[Html]:
    errors = study.equivariance
    rows = [[str(layer), *(f"{float(e):.1e}" for e in errors.sel(layer=layer))] for layer in errors.layer.values]
    text = (
        "Moving the image moves the maps and permutes the units of every family. What is left of the difference, over "
        "the size of the response: where pixels fall on pixels, the rounding of float32; at other angles, read at the "
        "centre unit on sums of plane waves that are turned without interpolation, how the pixel grid samples a "
        "response."
    )
    return [tag("p", text), table("Relative error.", ["layer", *map(str, errors.motion.values)], rows)]


def _files(study: Study, names: Sequence[str], command: str | None) -> list[Html]:
    made = [] if command is None else [tag("p", "Made by ", tag("code", command), ".")]
    described = [(SPEC, "the spec, as text")]
    described += [(f"{name}.nc", f"{each.title}: every response and number") for name, each in study.subjects.items()]
    described += [(f"figures/{name}", "") for name in names]
    items = [tag("li", tag("a", name, href=name), *([Html(": "), text] if text else [])) for name, text in described]
    return [*made, tag("ul", *items)]


def _section(name: str, words: Sequence[Html], figures: Sequence[Html]) -> Html:
    return tag(
        "section",
        tag("h2", SECTIONS[name], id=f"{name}-title"),
        *words,
        *figures,
        id=name,
        aria_labelledby=f"{name}-title",
    )


def _figure(plate: Plate, picture: bytes) -> Html:
    inlined = f"data:image/png;base64,{base64.b64encode(picture).decode('ascii')}"
    high = round(plate.figure.get_figheight() * DPI)
    image = tag("img", src=inlined, alt=plate.alt, width=round(WIDTH * DPI), height=high)
    return tag(
        "figure",
        tag("div", image, class_="card", tabindex=0),
        tag("figcaption", plate.caption),
        id=f"figure-{plate.name}",
    )
