"""What neurons say, as a page to play with: sliders move the input, a hover names a neuron, each can be switched off.

    page = neurons_page("Eight neurons", [layer], line=interval(-1, 1))
    Path("neurons.html").write_text(page)

The page is one file, asks the network for nothing, and computes what it shows with the same steps as
`circuitkit.neurons`: exactly, and anew when a neuron is switched off. Its policy allows its own script, and no other.
"""

import base64
import importlib.resources
import itertools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from circuitkit.errors import NeuronsError
from circuitkit.neurons import Affine, Path, Surface, possible, possible_cells
from circuitkit.neurons.path import as_levels
from circuitkit.viz.html import Html, tag
from circuitkit.viz.neurons import closed
from circuitkit.viz.page import document

SCRIPTS = ("neurons_page.js", "neurons_page_view.js")

MOST = 4_000_000
"""Numbers that a page may hold, of 11 bytes each."""

STYLE = """
body { max-width: 72rem; }
#controls { display: flex; flex-wrap: wrap; gap: 0.6rem 1.4rem; align-items: center; margin: 1.25rem 0; }
#controls select, #controls input[type=number] { font: inherit; padding: 0.15rem 0.3rem; }
#controls input[type=number] { width: 6rem; }
#sliders label { display: grid; grid-template-columns: minmax(4rem, max-content) 1fr 6rem; gap: 0.8rem;
  align-items: center; margin: 0.3rem 0; }
#sliders input { width: 100%; }
output { font-variant-numeric: tabular-nums; text-align: right; }
.card { position: relative; margin: 0.75rem 0; }
canvas { display: block; cursor: crosshair; }
#tip { position: absolute; max-width: 22rem; padding: 0.25rem 0.6rem; border-radius: 4px; background: #222222;
  color: #ffffff; font-size: 0.85rem; line-height: 1.4; pointer-events: none; z-index: 1; }
#tip[hidden] { display: none; }
#neurons { margin: 1.5rem 0; }
#neurons ul { columns: 13rem; padding: 0; margin: 0.5rem 0; list-style: none; font-size: 0.85rem; }
#neurons li { display: flex; justify-content: space-between; gap: 0.5rem; break-inside: avoid;
  padding: 0.05rem 0.4rem; border-left: 4px solid transparent; }
#neurons li.in { border-left-color: #0072b2; }
#neurons li.off { opacity: 0.5; }
#neurons i { display: inline-block; width: 0.8rem; height: 0.25rem; margin: 0 0.1rem 0.2rem 0.4rem; }
#neurons label { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
summary { cursor: pointer; }
"""


def neurons_page(
    title: str,
    layers: Sequence[Affine],
    *,
    line: Path | None = None,
    plane: Surface | None = None,
    thresholds: Any = None,
    axis: str = "t",
    axes: Sequence[str] = ("x", "y"),
    note: str = "",
) -> Html:
    """Returns the page.

    Args:
        title: Of the page.
        layers: In order, with a ReLU between them.
        line: A line of the first layer's inputs; along it the page shows what each neuron says.
        plane: A part of a plane of the first layer's inputs, not yet cut; over it the page shows cells.
        thresholds: (neuron,) of the last layer, for groups of those above their own (`neurons.upper_quartile`).
        axis: What t is along the line.
        axes: What t is over the plane.
        note: What is seen, in a sentence or two.

    Raises:
        NeuronsError: If there is neither line nor plane, if layers do not fit, or if the page would be too large.
    """
    if not layers or (line is None and plane is None):
        raise NeuronsError("a page of neurons was given no layer, or neither a line nor a plane: wanted at least one.")
    for before, layer in itertools.pairwise(layers):
        layer.check_width(before.size[1], "a layer")
    if plane is not None and len(plane.counts) != 1:
        raise NeuronsError(
            f"a page of neurons was given a plane of {len(plane.counts)} cells: wanted it uncut, of one."
        )
    data: dict[str, Any] = {"layers": [_layer(layers[0], weighed=False), *(_layer(one) for one in layers[1:])]}
    total = sum(layer.weights.size for layer in layers[1:])
    if line is not None:
        said = layers[0](line)
        total += 2 * said.values.size
        data["line"] = {
            "at": _numbers(line.at),
            **_values(said),
            "axis": axis,
            "shut": closed(line, possible(layers[0], line)),
        }
    if plane is not None:
        over = layers[0](plane)
        around = plane.around
        corners = {"values": _numbers(over.values[around]), "scale": _numbers(over.scale[around])}
        data["plane"] = {"corners": _numbers(plane.corners[around]), **corners, "axes": list(axes)}
        if layers[0].inputs != "any":
            kept = possible_cells(layers[0], plane)
            data["plane"]["open"] = [kept.corners[cell].tolist() for cell in kept.cells if len(cell)]
    if thresholds is not None:
        data["thresholds"] = _numbers(as_levels(thresholds, layers[-1].size[1]))
    if total > MOST:
        raise NeuronsError(
            f"a page of neurons would hold {total:,} numbers: wanted at most {MOST:,}. Choose fewer neurons, or fewer "
            "points of the line."
        )
    # No text may end the element that holds it.
    held_data = json.dumps(data).replace("<", "\\u003c")
    script = "\n".join(
        importlib.resources.files("circuitkit.viz").joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS
    )
    body = [
        tag("h1", title),
        *([tag("p", note, class_="claim")] if note else []),
        _controls(layers, both=line is not None and plane is not None, own=thresholds is not None),
        tag("div", id="sliders"),
        tag("p", "In the group: ", tag("strong", id="who"), " (", tag("span", id="cells"), ")"),
        tag("div", _canvas("chart", "What each neuron says"), tag("div", id="tip", hidden=""), class_="card"),
        tag("div", _canvas("bars", "Who is in the group where"), class_="card", id="bars-card"),
        tag("p", _HELP),
        tag("div", id="neurons"),
        tag("noscript", tag("p", "This page draws with JavaScript, which is switched off.")),
        tag("script", Html(held_data), type="application/json", id="data"),
    ]
    return document(title, body, style=STYLE, script=script)


_HELP = (
    "Values are those before the nonlinearity. Circles are above 0, triangles below. Over a plane, a darker cell has "
    "more neurons in the group, and a coloured line is where one enters or leaves. Hatched: no input that the layer "
    "can meet, since a ReLU stands before it. Point at a line or at a bar for its name; a click moves the input. A "
    "neuron that is switched off is not drawn, is in no group, and passes nothing on to the next layer."
)


def _controls(layers: Sequence[Affine], *, both: bool, own: bool) -> Html:
    views = {"line": "along the line", "plane": "over the plane"}
    kinds = {
        "positive": "positive",
        "above": "above",
        "top": "highest",
        **({"own": "above its threshold"} if own else {}),
    }
    shown = {str(number): layer.title for number, layer in enumerate(layers)}
    return tag(
        "div",
        *([_choice("view", "Show ", views)] if both else []),
        _choice("layer", "Layer ", shown),
        _choice("group", "Group ", kinds),
        tag("input", type="number", id="number", value=1, aria_label="level, or how many", hidden=""),
        id="controls",
    )


def _choice(name: str, label: str, options: dict[str, str]) -> Html:
    made = [tag("option", text, value=value) for value, text in options.items()]
    return tag("label", label, tag("select", *made, id=name))


def _canvas(name: str, label: str) -> Html:
    return tag("canvas", id=name, role="img", aria_label=f"{label}; the list below has the numbers")


def _layer(layer: Affine, *, weighed: bool = True) -> dict[str, Any]:
    held = {"weights": _numbers(layer.weights), "bias": _numbers(layer.bias)} if weighed else {}
    return {"title": layer.title, "names": list(layer.names), **held}


def _values(said: Path) -> dict[str, str]:
    return {"values": _numbers(said.values), "scale": _numbers(said.scale)}


def _numbers(values: np.ndarray) -> str:
    """Returns float64 as text, to the bit."""
    return base64.b64encode(np.ascontiguousarray(values, "<f8").tobytes()).decode()
