"""Figures of neurons: legible, and of what they are given; the page: in a browser, the same numbers as in Python."""

import json
import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgba

from circuitkit import neurons
from circuitkit.errors import NeuronsError, UnknownNameError
from circuitkit.neurons import Affine, groups, interval, plane, positive, possible, rectangle, segment, through, top
from circuitkit.viz import style
from circuitkit.viz.neurons import group_bars, guide_lines, similarity_matrices, spread
from circuitkit.viz.neurons_page import neurons_page
from circuitkit.viz.neurons_plane import plane_cells, surfaces
from tests.viz.synthetic import HOSTILE
from tests.viz.test_figures import blemishes, off_centre

SQUARE = rectangle((-1, -1), (1, 1))


def random(width: int, count: int, seed: int = 3, **options) -> Affine:
    rng = np.random.default_rng(seed)
    return Affine(rng.normal(size=(width, count)), rng.normal(size=count) / 2, **options)


EIGHT = random(1, 8, inputs="nonnegative", names=[HOSTILE, *(f"a unit of some layer:{n}" for n in range(7))])
TWO = [random(2, 7, title="first", inputs="nonnegative"), random(7, 4, title="second")]


def alike(count: int) -> xr.DataArray:
    values = np.corrcoef(np.random.default_rng(0).normal(size=(count, 5)))
    values[0, 1] = np.nan
    names = [f"a unit of some layer:{n}" for n in range(count)]
    return xr.DataArray(values, dims=("neuron", "other"), coords={"neuron": names, "other": names})


LINE = interval(-1, 1)
FIGURES = {
    "lines": lambda: guide_lines(EIGHT(LINE), (0.3, 0.7), title=HOSTILE, allowed=possible(EIGHT, LINE)),
    "many lines": lambda: guide_lines(random(1, 300)(LINE), (0.3,), title="many", axis="t"),
    "one silent neuron": lambda: guide_lines(Affine([[0.0]])(LINE), title="silent"),
    "bars": lambda: group_bars(groups(EIGHT(LINE), positive()), title="who"),
    "many bars": lambda: group_bars(groups(random(1, 300)(LINE), positive()), title="who", most=100),
    "no bars": lambda: group_bars(groups(Affine([[0.0]])(LINE), positive()), title="nobody"),
    "similarity": lambda: similarity_matrices({"both": alike(8), "bias": alike(8), "direction": alike(8)}, title="s"),
    "more similarity": lambda: similarity_matrices({str(n): alike(40) for n in range(4)}, title="s"),
    "one similarity": lambda: similarity_matrices({"both": alike(24)}, title="s"),
    "cells": lambda: plane_cells(
        groups(TWO[0](SQUARE), positive()),
        title="cells",
        inputs=[[0.3, 0.7]],
        allowed=neurons.possible_cells(TWO[0], SQUARE),
    ),
    "cells of two layers": lambda: plane_cells(groups(through(TWO, SQUARE), positive()), title="cells"),
    "highest": lambda: plane_cells(groups(through(TWO, SQUARE), top(2)), title="cells"),
    "many cells": lambda: plane_cells(groups(random(2, 30)(SQUARE), positive()), title="cells"),
    "surfaces": lambda: surfaces(through(TWO, SQUARE), title="surfaces"),
    "one surface": lambda: surfaces(through(TWO, SQUARE), title="surfaces", chosen=["n2"]),
    "six surfaces": lambda: surfaces(TWO[0](SQUARE), title="surfaces"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_legible(name):
    figure = FIGURES[name]()
    assert blemishes(figure) == []
    assert off_centre(figure) == []
    assert figure.get_figwidth() == style.WIDTH


def drawn(figure, colour: str) -> np.ndarray:
    """Returns the points of all lines without a stroke that have a colour."""
    marks = [line for line in figure.axes[0].lines if line.get_linestyle() == "None"]
    return np.concatenate([line.get_xydata() for line in marks if to_rgba(line.get_color()) == to_rgba(colour)])


def test_points_are_what_neurons_say_and_their_colour_its_sign():
    figure = guide_lines(EIGHT(LINE), (0.3, 0.7), title="eight")
    said = EIGHT([[0.3], [0.7]])
    for colour, wanted in ((style.EXCITES, said > 0), (style.INHIBITS, said < 0)):
        points = drawn(figure, colour)
        np.testing.assert_allclose(sorted(points[:, 1]), sorted(said[wanted]))
        assert set(points[:, 0]) <= {0.3, 0.7}
    # Points at an input that cannot be are hollow.
    shut = guide_lines(EIGHT(LINE), (-0.5,), title="eight", allowed=possible(EIGHT, LINE))
    faces = {line.get_markerfacecolor() for line in shut.axes[0].lines if line.get_linestyle() == "None"}
    assert faces == {"white"}


def test_bars_are_where_a_neuron_is_in():
    found = groups(EIGHT(LINE), positive())
    (bars,) = group_bars(found, title="who").axes[1].collections
    lengths = sum(np.ptp(path.vertices[:, 0]) for path in bars.get_paths())
    np.testing.assert_allclose(lengths, (found.members * found.sizes[:, None]).sum())


def test_names_are_moved_apart_and_no_farther():
    np.testing.assert_allclose(spread(np.array([5.0, 5.0, 1.0]), 2.0, 0.0, 10.0), [4, 6, 1])
    np.testing.assert_allclose(spread(np.array([9.9, 9.8]), 2.0, 0.0, 10.0), [10, 8])


def test_more_surfaces_than_fit_are_refused():
    with pytest.raises(NeuronsError, match="surfaces was asked for 7 neurons: wanted 1 to 6"):
        surfaces(TWO[0](SQUARE), title="s", chosen=range(7))
    with pytest.raises(UnknownNameError, match="no neuron 'n9'"):
        surfaces(TWO[0](SQUARE), title="s", chosen=["n9"])


# The page

ENDS = ([-1, -0.3], [1, 1])


def page(**options) -> str:
    given = {"line": segment(*ENDS), "plane": SQUARE, "thresholds": [0.1, 0.2, 0.3, 0.4], "axis": "t", **options}
    return neurons_page("Two layers", TWO, **given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"line": None, "plane": None}, "neither a line nor a plane"),
        ({"plane": TWO[0](SQUARE).cut(0.0)}, "a plane of .* cells: wanted it uncut"),
        ({"line": interval(0, 1)}, "first has 2 inputs, and was given a path with 1"),
        ({"thresholds": [1, 2]}, "levels of shape"),
    ],
)
def test_what_makes_no_page_is_refused(options, message):
    with pytest.raises(NeuronsError, match=message):
        page(**options)


def test_too_large_a_page_is_refused():
    rows = neurons.polyline(np.random.default_rng(0).normal(size=(9000, 2)))
    with pytest.raises(NeuronsError, match="would hold 5,400,000 numbers"):
        neurons_page("large", [random(2, 300)], line=rows)


class Reader(HTMLParser):
    """Collects what a page loads, and its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads, self.scripts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.loads += [given[key] for key in ("src", "href", "srcset", "data") if key in given]
        self.scripts += [given.get("type")] * (tag == "script")


def test_the_page_loads_nothing_and_no_name_gets_out_of_its_data():
    layer = Affine(TWO[0].weights, TWO[0].bias, names=[HOSTILE + str(n) for n in range(7)], title="</script>" + HOSTILE)
    text = neurons_page(HOSTILE, [layer], plane=SQUARE, note=HOSTILE)
    reader = Reader(text)
    assert reader.loads == []
    assert reader.scripts == ["application/json", None]
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert "<" not in data
    assert json.loads(data)["layers"][0]["names"] == list(layer.names)
    assert re.search("content=\"default-src 'none'; [^\"]*; script-src 'sha256-[^' ]*'\"", unescape(text))


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
in_browser = pytest.mark.skipif(BROWSER is None, reason="needs chromium or chrome on PATH to run the page's script")


def opened(folder: Path, text: str, address: str = "") -> str:
    """Returns the page as it stands in a browser after its script has run."""
    file = folder / "page.html"
    file.write_text(text)
    command = [
        str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
        "--virtual-time-budget=3000", "--dump-dom", f"{file.as_uri()}#{address}",
    ]  # fmt: skip
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def told(dom: str) -> tuple[set[str], int, dict[str, float]]:
    """Returns who is in the group, how many stretches or cells there are, and what each neuron shown says."""
    who = re.search(r'id="who">\d+ of \d+: ([^<]*)<', dom)
    count = re.search(r'id="cells">(\d+) ', dom)
    rows = re.findall(r"> (n\d+)</label><output>([^<]+)</output>", dom)
    assert who is not None
    assert count is not None
    values = {name: float(value.replace("−", "-")) for name, value in rows}
    return set(who[1].split(", ")) - {"none"}, int(count[1]), values


def without(layer: Affine, silent: int) -> Affine:
    """Returns a layer that no longer hears one neuron of the layer before it."""
    weights = layer.weights.copy()
    weights[silent] = 0
    return Affine(weights, layer.bias)


@in_browser
@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("view=line&t=0.7&group=positive", positive()),
        ("view=line&t=0.31&group=top&number=2", top(2)),
        ("view=line&t=0.1&group=own", neurons.above([0.1, 0.2, 0.3, 0.4])),
        ("view=line&t=0.7&off=0.3", positive()),
    ],
)
def test_along_a_line_the_browser_finds_what_python_finds(tmp_path, address, wanted):
    layers = [TWO[0], without(TWO[1], 3)] if "off" in address else TWO
    at = float(re.search(r"t=([0-9.]+)", address)[1])
    said = through(layers, segment(*ENDS))
    found = groups(said, wanted)
    who, count, values = told(opened(tmp_path, page(), address))
    assert who == {said.names[n] for n in np.flatnonzero(found(at))}
    assert count == len(found.members)
    np.testing.assert_allclose([values[name] for name in said.names], said(at), rtol=1e-3)


@in_browser
@pytest.mark.parametrize(
    ("address", "layer", "wanted"),
    [
        ("view=plane&t=0.2,-0.4&group=positive", 1, positive()),
        ("view=plane&t=0.2,-0.4&group=positive&layer=0", 0, positive()),
        ("view=plane&t=-0.6,0.5&group=above&number=0.5", 1, neurons.above(0.5)),
        ("view=plane&t=0.2,-0.4&group=top&number=2", 1, top(2)),
    ],
)
def test_over_a_plane_the_browser_finds_what_python_finds(tmp_path, address, layer, wanted):
    at = [float(x) for x in re.search(r"t=([-0-9.,]+)", address)[1].split(",")]
    said = through(TWO[: layer + 1], SQUARE)
    found = groups(said, wanted)
    who, count, values = told(opened(tmp_path, page(), address))
    assert who == {said.names[n] for n in np.flatnonzero(found(at))}
    # How a region of the highest is cut into cells is not told by the region.
    assert count == len(found.members) or "top" in address
    np.testing.assert_allclose([values[name] for name in said.names], said(at), rtol=1e-3)


PLAY = """
<script>{
const chart = document.getElementById("chart"), found = {}, name = () => document.getElementById("tip").textContent;
const wave = (x, y) => {
  const box = chart.getBoundingClientRect();
  chart.dispatchEvent(new MouseEvent("mousemove", { clientX: box.left + x, clientY: box.top + y, bubbles: true }));
};
for (let y = 10; y < 320 && !found.hover; y += 4) { wave(400, y); if (/^n\\d+: /.test(name())) found.hover = name(); }
const slider = document.getElementById("t0");
slider.value = 0.25; slider.dispatchEvent(new Event("input"));
found.moved = document.getElementById("who").textContent;
const box = document.querySelector("#neurons li[data-layer='1'][data-neuron='1'] input");
box.checked = false; box.dispatchEvent(new Event("change"));
found.off = document.getElementById("who").textContent;
found.address = location.hash;
document.body.dataset.found = JSON.stringify(found);
}</script></body>"""
"""Plays with the page as a reader would."""


@in_browser
def test_hovers_name_a_neuron_sliders_move_the_input_and_switches_switch(tmp_path):
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page()).replace("</body>", PLAY)
    dom = opened(tmp_path, text, "view=line&t=0.9")
    played = json.loads(re.search(r'data-found="([^"]*)"', dom)[1].replace("&quot;", '"'))
    assert re.fullmatch(r"n[0-3]: −?\d.* at 0\.\d+", played["hover"])
    said = through(TWO, segment(*ENDS))
    assert played["moved"].startswith(f"{(said(0.25) > 0).sum()} of 4")
    assert "of 3" in played["off"]
    assert "n1" not in played["off"]
    assert "off=1.1" in played["address"]


@in_browser
def test_the_policy_stops_every_script_but_the_pages_own(tmp_path):
    text = page().replace("</body>", "<script>document.body.dataset.broken = 'yes'</script></body>")
    dom = opened(tmp_path, text)
    assert 'data-broken="yes"' not in dom
    assert told(dom)[1] > 0


@in_browser
def test_a_real_layers_width_runs_in_the_browser(tmp_path):
    rng = np.random.default_rng(0)
    layers = [random(64, 128), Affine(rng.normal(size=(128, 128)) / 10, rng.normal(size=128))]
    line = segment(*rng.normal(size=(2, 64)))
    found = groups(through(layers, line), top(10))
    who, count, _ = told(opened(tmp_path, neurons_page("wide", layers, line=line), "group=top&number=10&t=0.5"))
    assert count == len(found.members)
    assert who == {found.names[n] for n in np.flatnonzero(found(0.5))}


def test_a_plane_within_a_larger_space_has_a_page():
    within = plane(np.zeros(5), np.eye(5)[0], np.ones(5), ((-1, -1), (1, 1)))
    assert "page of neurons" not in neurons_page("plane", [random(5, 3)], plane=within)
