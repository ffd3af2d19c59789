"""The catalogue of stimuli as one page: every kind, what its parameters do, and what can be done to any of them.

Each picture stands above the line that draws it.
"""

import base64
import dataclasses
import inspect
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from circuitkit import stimuli
from circuitkit.stimuli import EXACT, FAST, Bar, Curve, Disc, Edge, Line, Renderer, Stimulus
from circuitkit.stimuli.parameter import Parameter, parameters
from circuitkit.viz.html import Html, join, table, tag
from circuitkit.viz.page import document

SIZE = 64
"""Side of every picture, in pixels."""

GROUPS = {
    "paths": "Paths",
    "solids": "Solids",
    "objects": "Objects",
    "patterns": "Patterns",
    "colours": "Colours",
    "combine": "Figures made of figures",
}
"""Titles of the groups, by the module that a kind is declared in."""

STYLE = """
.strip { display: flex; flex-wrap: wrap; gap: 0.75rem; margin: 0.75rem 0 1rem; padding: 0; list-style: none; }
.strip li { width: 8rem; }
.strip img { display: block; width: 8rem; height: 8rem; image-rendering: pixelated; border: 1px solid var(--rule); }
.strip code { font-size: 0.75rem; line-height: 1.35; display: block; margin-top: 0.3rem; overflow-wrap: anywhere; }
p code { font-size: 0.9em; } h3 { margin: 2.25rem 0 0.25rem; font-size: 1.1rem; }
details { margin: 0 0 1rem; } summary { cursor: pointer; }
.source { color: var(--soft); font-size: 0.9rem; margin: 0.25rem 0; }
"""

Strip = Sequence[Stimulus]


def write_catalogue(folder: Path) -> Path:
    """Writes `catalogue.html`, which holds all its pictures, to a folder, which is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "catalogue.html"
    path.write_text(page(), encoding="utf-8")
    return path


def page() -> Html:
    """Returns the page."""
    sections = [_kinds(module, title) for module, title in GROUPS.items() if _classes(module)]
    sections += [_looks(), _renderers()]
    links = [
        *((module, title) for module, title in GROUPS.items()),
        ("looks", "Any of them"),
        ("renderers", "Renderers"),
    ]
    body = [
        tag(
            "header",
            tag("h1", "Stimuli"),
            tag(
                "p",
                f"{len(stimuli.CATALOGUE)} kinds of stimuli, each an implicit shape or a function of the plane, so "
                "every parameter is a number, to any fraction, that can be varied or differentiated.",
                class_="claim",
            ),
            tag(
                "p",
                f"Pictures are {SIZE} by {SIZE} pixels, drawn by the exact renderer, and enlarged. The line below each "
                "draws it, with ",
                tag("code", f".draw({SIZE}, renderer=EXACT)"),
                "; parameters that are not named have their defaults.",
            ),
        ),
        tag(
            "nav",
            tag("ul", *(tag("li", tag("a", title, href=f"#{name}")) for name, title in links)),
            aria_label="Groups",
        ),
        tag("main", *sections),
    ]
    return document("Stimuli – circuitkit", body, style=STYLE)


def examples(kind: Any) -> list[Stimulus]:
    """Returns a kind as it is by default, and then with each of its own parameters changed, one at a time."""
    first = kind(**parts(kind))
    found = [first]
    for name, parameter in _own(kind).items():
        found += [first.with_values({name: value}) for value in _others(name, parameter, getattr(first, name))]
    return found


def parts(kind: Any) -> dict[str, Any]:
    """Returns what a kind that is made of others, or of pixels, is shown with."""
    made: dict[str, dict[str, Any]] = {
        "Union": {"first": Disc(radius=12, x=-6), "second": Bar(x=8, angle=30)},
        "Intersection": {"first": Disc(radius=16, x=-8), "second": Disc(radius=16, x=8)},
        "Difference": {"first": Disc(radius=18), "second": Disc(radius=14, x=8)},
        "Offset": {"figure": Bar(length=20, thickness=6), "by": 6},
        "Outline": {"figure": Curve(width=10, length=60), "texture": stimuli.Grating(wavelength=5)},
    }
    if kind is stimuli.Picture:
        return {"image": stimuli.Head(texture=stimuli.HueSweep()).draw(48)}
    return made.get(kind.__name__, {})


def _others(name: str, parameter: Parameter, value: Any) -> Sequence[float]:
    """Returns one or two values of a parameter other than its own, as far as its bounds allow."""
    if parameter.kind != "number" or not isinstance(value, float):
        return ()
    if name in CHOSEN:
        wanted: Sequence[float] = CHOSEN[name]
    elif parameter.unit == "degrees":
        wanted = [value + 45, value - 45]
    elif value == 0:
        wanted = [4.0] if parameter.unit else [1.0, -1.0]
    elif math.isinf(value):
        wanted = [16.0]
    else:
        wanted = [float(f"{value * factor:.2g}") for factor in (0.5, 1.75)]
    low = -math.inf if parameter.at_least is None else parameter.at_least
    high = math.inf if parameter.at_most is None else parameter.at_most
    above = -math.inf if parameter.above is None else parameter.above
    return [each for each in wanted if low <= each <= high and each > above]


CHOSEN = {
    "facing": (-1.0,),
    "sides": (3.0, 4.0, 5.0, 8.0),
    "points": (4.0, 9.0),
    "arms": (3.0, 6.0),
    "spacing": (8.0, 14.0),
}
"""Values of parameters that half and twice the default would not show well."""


def _classes(module: str) -> list[type[Stimulus]]:
    return [kind for kind in stimuli.CATALOGUE.values() if kind.__module__ == f"circuitkit.stimuli.{module}"]


def _own(kind: Any) -> dict[str, Parameter]:
    common = {
        field.name for base in (stimuli.Figure, stimuli.Path, stimuli.Pattern) for field in dataclasses.fields(base)
    }
    return {name: parameter for name, parameter in parameters(kind).items() if name not in common}


def _kinds(module: str, title: str) -> Html:
    kinds = _classes(module)
    links = [tag("li", tag("a", kind.__name__, href=f"#{kind.__name__}")) for kind in kinds]
    listing = tag("nav", tag("ul", *links), aria_label=title)
    return tag("section", tag("h2", title), listing, *(_kind(kind) for kind in kinds), id=module)


def _kind(kind: Any) -> Html:
    words, _, source = inspect.cleandoc(kind.__doc__ or "").partition("Source:\n")
    first = words.partition("Attributes:")[0]
    said = [tag("p", _words(" ".join(paragraph.split()))) for paragraph in first.strip().split("\n\n")]
    if source:
        said.append(
            tag("p", _words("Source: " + " ".join(source.partition("Attributes:")[0].split())), class_="source")
        )
    own = _own(kind)
    more = [tag("details", tag("summary", "Parameters of its own"), _table(kind, own))] if own else []
    return tag("article", tag("h3", kind.__name__, id=kind.__name__), *said, _strip(examples(kind)), *more)


def _table(kind: Any, chosen: Mapping[str, Parameter]) -> Html:
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    rows = [
        (
            name,
            "" if defaults[name] in (None, dataclasses.MISSING) else f"{defaults[name]}",
            each.wanted,
            _words(each.doc),
        )
        for name, each in chosen.items()
    ]
    return table(
        f"Parameters of {kind.__name__}", ("parameter", "default", "takes", "what it is"), rows, words=(1, 2, 3)
    )


def _strip(drawn: Strip, renderer: Renderer = EXACT, *, captions: Sequence[str] = (), size: int = SIZE) -> Html:
    lines = captions or [repr(each) for each in drawn]
    return tag(
        "ul",
        *(
            tag("li", _picture(each, line, renderer, size), tag("code", _breakable(line)))
            for each, line in zip(drawn, lines, strict=True)
        ),
        class_="strip",
    )


def _breakable(line: str) -> Html:
    """Returns a line of code that may be broken before a parameter, and copied without the breaks."""
    return join(
        part for piece in line.replace("(", "(\n").replace(", ", ", \n").split("\n") for part in (tag("wbr"), piece)
    )


def _words(text: str) -> Html:
    """Returns a text with what stands between backticks as code."""
    return join(tag("code", piece) if place % 2 else piece for place, piece in enumerate(text.split("`")))


def _picture(stimulus: Stimulus, line: str, renderer: Renderer, size: int) -> Html:
    image = np.asarray(stimulus.draw(size, renderer=renderer))
    pixels = np.round(127.5 * (np.clip(image, -1, 1) + 1)).astype(np.uint8)
    held = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[-1] == 1 else pixels).save(held, "PNG")
    data = base64.b64encode(held.getvalue()).decode("ascii")
    return tag("img", src=f"data:image/png;base64,{data}", alt=line, width=size, height=size)


def _looks() -> Html:
    disc, curve = Disc(radius=16), Curve(width=3, length=60)
    grating = stimuli.Grating(wavelength=5, angle=30)
    shown: dict[str, Strip] = {
        "Pose": [
            Edge(angle=30, contrast=0.5),
            Curve(angle=90),
            Curve(angle=90, x=8.5, y=-4.25),
            Curve(angle=90, radius=12).turned(25),
            stimuli.Spiral(),
            stimuli.Spiral().mirrored(),
        ],
        "Tone": [
            disc,
            Disc(radius=16, contrast=0.4),
            Disc(radius=16, polarity=-1),
            Disc(radius=16, background=-0.5, foreground=0.2),
            Disc(radius=16, background="#2a6f97", foreground="#f4a259"),
            Disc(radius=16, noise=0.3),
            Disc(radius=16, pink=0.3),
        ],
        "Stroke and fill": [
            curve,
            Curve(width=3, dash=6, gap=4),
            Curve(width=3, fill=1, inside=-1),
            Curve(width=0, fill=1, inside="#d1495b", outside="#2ec4b6"),
            Disc(radius=16, fill=0, width=2),
            Disc(radius=16, width=3, inside=-0.4),
            Bar(length=40, thickness=20, outside=-0.6),
        ],
        "Edges": [
            Disc(radius=16, blur=1),
            Disc(radius=16, blur=4),
            Curve(width=3, jitter=1),
            Curve(width=3, jitter=3, jitter_scale=16, seed=1),
            Line(length=50, width=0.5),
        ],
        "Painted in and over": [
            Disc(radius=20, texture=grating),
            Disc(radius=20, texture=stimuli.Checkerboard(), width=2),
            Edge(texture=stimuli.Grating(wavelength=4), outside=0),
            Curve(width=3, occluder=Disc(radius=7, foreground=0.0)),
            Curve(width=3, occluder=Bar(length=60, thickness=8, angle=30, foreground=-0.5)),
        ],
    }
    groups = [tag("article", tag("h3", name), _strip(drawn)) for name, drawn in shown.items()]
    tables = [
        tag("details", tag("summary", title), _table(kind, chosen))
        for title, kind, chosen in (
            ("Parameters of every stimulus", Stimulus, parameters(Stimulus)),
            ("Parameters of every figure", stimuli.Figure, _more(stimuli.Figure)),
            ("Parameters of every pattern", stimuli.Pattern, _more(stimuli.Pattern)),
        )
    ]
    return tag("section", tag("h2", "What can be done to any of them"), *groups, *tables, id="looks")


def _more(base: Any) -> dict[str, Parameter]:
    return {name: each for name, each in parameters(base).items() if name not in parameters(Stimulus)}


def _renderers() -> Html:
    arc = Curve(radius=6, length=14, width=1.6, angle=62)
    words = (
        "A thin arc in 16 by 16 pixels. FAST takes each pixel for a box that faces the edge; EXACT takes the area of "
        "the square beyond a straight edge; samples cut the squares up, here into 8 by 8: as good as the truth."
    )
    many = Renderer(exact=True, samples=8)
    drawn = [
        _strip([arc], renderer, captions=[name], size=16)
        for name, renderer in (("FAST", FAST), ("EXACT", EXACT), ("Renderer(exact=True, samples=8)", many))
    ]
    return tag(
        "section", tag("h2", "Two renderers"), tag("p", words), tag("div", *drawn, class_="strip"), id="renderers"
    )
