"""The page stands alone: well-formed, escaped, described in words, and it asks nobody for anything."""

import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from circuitkit.viz import write_report
from circuitkit.viz.html import VOID, Html, table, tag
from circuitkit.viz.report import _same_test, claim
from circuitkit.viz.tables import comparison, inhibitions, left_out
from tests.viz import synthetic


class Reader(HTMLParser):
    """Reads a page and keeps what is wrong with it."""

    LOADS = ("src", "srcset", "poster", "data", "action", "background")

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open, self.faults, self.tags, self.ids, self.links = [], [], [], [], []
        self.text = ""

    def handle_starttag(self, name, attributes):
        given = dict(attributes)
        self.tags.append(name)
        if name not in VOID:
            self.open.append(name)
        if "id" in given:
            self.ids.append(given["id"])
        if name == "img" and not given.get("alt", "").strip():
            self.faults.append("an image has no alt text")
        if name in ("script", "iframe", "object", "embed", "link", "base"):
            self.faults.append(f"there is a {name}")
        for key, value in given.items():
            if key in self.LOADS and not value.startswith("data:"):
                self.faults.append(f"{name} loads {value}")
            if key.startswith("on"):
                self.faults.append(f"{name} runs {key}")
        if name == "a":
            self.links.append(given["href"])

    def handle_endtag(self, name):
        if not self.open or self.open[-1] != name:
            self.faults.append(f"</{name}> closes {self.open[-1:] or 'nothing'}")
        else:
            self.open.pop()

    def handle_data(self, data):
        self.text += data
        if self.open and self.open[-1] == "style" and re.search(r"url\(|@import", data):
            self.faults.append("the style loads something")


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    reader.faults += [f"<{name}> is never closed" for name in reader.open]
    reader.faults += [f"two elements are called {name}" for name in set(reader.ids) if reader.ids.count(name) > 1]
    return reader


@pytest.fixture(scope="module")
def folder(tmp_path_factory, study):
    folder = tmp_path_factory.mktemp("report")
    write_report(study, folder / "deep" / "er", command=f"circuitkit {synthetic.HOSTILE}")
    return folder / "deep" / "er"


@pytest.fixture(scope="module")
def text(folder):
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_stands_alone(text):
    assert read(text).faults == []
    assert len(text) < 5e6
    assert "default-src 'none'" in text.replace("&#x27;", "'")
    assert not re.search(r"https?://", text)


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ("<p><em></p></em>", "</p> closes ['em']"),
        ("<p>", "<p> is never closed"),
        ("<img src='data:,'>", "an image has no alt text"),
        ("<img alt='x' src='https://a.b/c.png'>", "img loads https://a.b/c.png"),
        ("<script></script>", "there is a script"),
        ("<p onclick='x'></p>", "p runs onclick"),
        ("<style>p { background: url(x) }</style>", "the style loads something"),
        ("<p id='a'></p><p id='a'></p>", "two elements are called a"),
    ],
)
def test_a_faulty_page_is_noticed(page, fault):
    assert fault in read(page).faults


def test_hostile_names_are_shown_as_they_are_written(text):
    reader = read(text)
    assert "script" not in reader.tags
    # In the title of the trained layer, in a unit's name, in an inhibition's reason and in the command.
    assert reader.text.count(synthetic.HOSTILE) >= 5
    assert synthetic.HOSTILE not in text


def test_an_unescaped_name_is_noticed():
    assert "there is a script" in read(tag("p", Html(synthetic.HOSTILE))).faults
    assert read(tag("p", synthetic.HOSTILE, title=synthetic.HOSTILE)).faults == []


def test_every_figure_is_in_the_page_and_in_a_file(folder, text, plates):
    files = sorted(path.name for path in (folder / "figures").iterdir())
    assert files == sorted(f"{plate.name}.png" for plate in plates)
    reader = read(text)
    assert reader.tags.count("img") == reader.tags.count("figcaption") == len(plates)
    assert {f"figures/{name}" for name in files} | {"handbuilt.nc", "trained.nc", "spec.json"} <= set(reader.links)
    assert {link.removeprefix("#") for link in reader.links if link.startswith("#")} <= set(reader.ids)


def test_the_page_holds_the_spec_the_claim_and_the_read_out(text, study):
    shown = read(text).text
    for part in (str(study.circuit), claim(study), study.handbuilt.responses.attrs["read_out"]):
        assert part in shown
    for unit in study.handbuilt.summary.unit.values:
        assert str(unit) in shown


def test_a_study_without_a_trained_net_has_no_such_section(study, tmp_path):
    path = write_report(dataclasses.replace(study, trained=None, without={}), tmp_path)
    reader = read(path.read_text(encoding="utf-8"))
    assert reader.faults == []
    assert not {"trained", "control"} & set(reader.ids)
    assert reader.tags.count("img") == 7


def test_published_values_stand_beside_the_measured(study):
    head, rows = comparison(study, study.trained.ranked()[:12])
    found = {row[0]: row[1:] for row in rows}
    assert len(head) == 5
    assert found["echo over peak, OppositeArc left out"] == ["0.50", "–", "0.29", "0.38"]
    assert found["straight line over peak, mean"] == ["0.20", "0.20", "about 0.58", "–"]
    assert found["error of the preferred angle, largest"][0] == "0.00°"


def test_a_unit_that_prefers_another_angle_is_an_error(study):
    shifted = study.handbuilt.summary.assign(mean_angle=study.handbuilt.summary.mean_angle + 7)
    moved = dataclasses.replace(study, handbuilt=dataclasses.replace(study.handbuilt, summary=shifted))
    assert "7.00°" in claim(moved)


def test_controls_are_compared_on_the_same_stimuli(study):
    intact, control = left_out(study)
    assert intact[:3] == ["all in place", "1", control[2]]  # the echo leaves the width of the main lobe alone
    assert (intact[3], control[3]) == ("0.00", "0.50")


def test_every_inhibition_is_listed_with_its_reason(study):
    assert [(row[0], row[2]) for row in inhibitions(study.circuit)] == [
        ("lines", "Crossing"),
        ("curves", "Crossing"),
        ("curves", "OppositeArc"),
    ]
    assert inhibitions(study.circuit)[-1][-1] == synthetic.HOSTILE


def test_a_table_names_its_rows_and_columns():
    assert read(table("numbers", ["unit", "peak"], [["a", "1"]])).tags.count("th") == 3


def test_a_net_for_smaller_images_says_what_it_was_shown(study):
    assert study.trained is not None
    assert "only the net is another" in _same_test(study.handbuilt, study.trained)
    radii = study.trained.responses.radius.values / 7
    smaller = dataclasses.replace(study.trained, responses=study.trained.responses.assign_coords(radius=radii))
    low, high = radii[0], radii[np.isfinite(radii)].max()
    assert f"radii of {low:.2g} to {high:.2g} pixels" in _same_test(study.handbuilt, smaller)
