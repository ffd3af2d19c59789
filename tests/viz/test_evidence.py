"""Every argument has a figure that shows every unit, and the page says what the numbers say."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from circuitkit import hypothesis
from circuitkit.errors import SpecError, StoreError
from circuitkit.evidence.argument import Argument, Subject
from circuitkit.evidence.files import load_argument
from circuitkit.reports import ARGUMENTS, load_report
from circuitkit.verify import ARGUMENTS as SEVEN
from circuitkit.verify import Report
from circuitkit.viz.evidence import figure, write_verdict
from circuitkit.viz.evidence.figures import FIGURES, plain
from circuitkit.viz.evidence.parts import MISSED, brief, shapes
from circuitkit.viz.evidence.verdict import claim, reaching, rows
from circuitkit.viz.style import DPI, WIDTH, to_png
from tests.viz import arguments
from tests.viz.synthetic import HOSTILE
from tests.viz.test_report import read


@pytest.fixture(scope="module")
def about() -> Subject:
    return arguments.subject()


@pytest.fixture(scope="module")
def report(about: Subject) -> Report:
    made = {name: arguments.argument(name, about, failing=0) for name in arguments.MADE}
    made["joint tuning"] = arguments.argument("joint tuning", about, failing=2)
    made["feature use"] = Argument.untested("feature use", "It is used.", f"{HOSTILE} follows the layer")
    return Report(about, made, dict.fromkeys(made, 1.5))


@pytest.fixture(scope="module")
def folder(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("verdict") / "deep"
    write_verdict(report, place, command=f"circuitkit {HOSTILE}")
    return place


def texts(drawn: Figure) -> list[str]:
    return [text.get_text() for text in drawn.findobj(Text) if text.get_text()]


def test_all_seven_have_a_figure() -> None:
    assert set(FIGURES) == set(SEVEN)


@pytest.mark.parametrize("name", list(arguments.MADE))
def test_a_figure_names_every_unit_and_fits_the_page(name: str, about: Subject) -> None:
    drawn = figure(arguments.argument(name, about), about)
    shown = texts(drawn)
    assert drawn.get_figwidth() == WIDTH
    for unit in about.probe.unit_names[:-1]:
        assert any(unit in text for text in shown)
    assert any("holds for 3 of 4 units" in text for text in shown)
    picture = to_png(drawn)
    assert int.from_bytes(picture[16:20], "big") == round(WIDTH * DPI)
    assert min(text.get_fontsize() for text in drawn.findobj(Text) if text.get_text()) >= 7


@pytest.mark.parametrize("name", list(arguments.MADE))
@pytest.mark.parametrize("said", ["lines", "circles"])
def test_shapes_of_another_period_or_none_are_drawn(name: str, said: str) -> None:
    other = arguments.subject(3, said=hypothesis.HYPOTHESES[said]())
    if name == "joint tuning" and other.hypothesis.period is None:
        return  # it cannot be made without an angle
    to_png(figure(arguments.argument(name, other), other))


def test_one_unit_and_many_are_drawn() -> None:
    one = arguments.subject(1, names=["fire5:1"])
    assert "Synthetic examples: holds for fire5:1" in texts(
        figure(arguments.argument("synthetic examples", one, failing=0), one)
    )
    many = arguments.subject(24)
    to_png(figure(arguments.argument("joint tuning", many), many))


def test_missed_criteria_stand_out(about: Subject) -> None:
    def dark(failing: int) -> int:
        drawn = plain(arguments.argument("joint tuning", about, failing=failing), about)
        return sum(patch.get_facecolor() == to_rgba(MISSED) for patch in drawn.findobj(Rectangle))

    assert (dark(0), dark(3)) == (0, 3)


def test_an_argument_without_controls_is_drawn(about: Subject) -> None:
    drawn = plain(arguments.argument("joint tuning", about, controls=0), about)
    assert any("no controls" in text for text in texts(drawn))


def test_an_argument_that_was_not_tested_has_no_figure(about: Subject) -> None:
    with pytest.raises(SpecError, match="nothing to draw"):
        figure(Argument.untested("feature use", "It is used.", "nothing follows"), about)


def test_a_figure_can_be_made_again_from_its_file(folder: Path, about: Subject, report: Report) -> None:
    name = "dataset examples"
    again = load_argument(folder / ARGUMENTS / "dataset_examples.nc")
    loaded = load_report(folder)
    assert to_png(figure(again, loaded.subject)) == to_png(figure(report.arguments[name], about))


def test_shapes_are_drawn_where_they_point(about: Subject) -> None:
    right, up = shapes(about.hypothesis, [0.0, 90.0])
    np.testing.assert_allclose(np.rot90(right), up, atol=1e-5)
    assert np.abs(right - up).max() > 0.5


def test_numbers_are_short() -> None:
    assert [brief(v) for v in (0.001, 0.5, 1.0, 9.99, 12.3, -0.2)] == ["<.01", ".50", "1", "9.99", "12", "−.20"]


def test_the_page_is_well_formed_and_stands_alone(folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert read(text).faults == []
    assert not re.search(r"https?://", text)
    assert HOSTILE not in text
    assert len(text) < 8e6


def test_the_page_says_what_was_found(folder: Path, report: Report, about: Subject) -> None:
    reader = read((folder / "report.html").read_text(encoding="utf-8"))
    for part in (claim(report), *report.reasons):
        assert part in reader.text
    for argument in report.arguments.values():
        assert argument.claim in reader.text
        for criterion in argument.criteria.values():
            assert criterion.why in reader.text
        for unit in about.probe.unit_names:
            for failure in argument.failures(unit) if not argument.why_untested else []:
                assert failure in reader.text
    assert reader.text.count(HOSTILE) > 10
    assert reader.tags.count("img") == len(arguments.MADE) - 1
    links = [link for link in reader.links if not link.startswith("#")]
    assert all((folder / link).is_file() for link in links)
    assert {link.removeprefix("#") for link in reader.links if link.startswith("#")} <= set(reader.ids)


def test_the_verdict_follows_the_arguments(report: Report, about: Subject) -> None:
    assert report.verdict == "no"
    assert claim(report).startswith("No: 1 of 6 arguments that were made fail (joint tuning)")
    held = {name: each for name, each in report.arguments.items() if each.verdict == "holds"}
    some = Report(about, held, {})
    assert some.verdict == "open"
    assert claim(some) == "Open: the 5 arguments that were made hold, but 2 were not made, so there is no verdict."
    whole = Report(about, {name: dataclasses.replace(held["dataset examples"], name=name) for name in SEVEN}, {})
    assert whole.verdict == "yes"
    assert claim(whole).startswith("Yes: all 7 arguments")


def test_the_table_counts_controls_that_would_pass(report: Report) -> None:
    argument = report.arguments["joint tuning"]
    reached = reaching(argument)
    assert reached == (int((argument.null.values >= 0.5).sum()), 40)
    assert reached[0] > 0
    row = dict(zip([line[0] for line in rows(report)], rows(report), strict=True))["joint tuning"]
    assert row[1] == "✗ fails"
    assert row[7] == "2 of 4"
    assert row[8] == f"{reached[0]} of 40"


def test_the_tables_are_written_beside_the_page(folder: Path, report: Report) -> None:
    table = pd.read_csv(folder / "report.csv", index_col="argument")
    assert list(table.index) == list(report.arguments)
    units = pd.read_csv(folder / "units.csv", index_col="unit")
    assert list(units.index) == list(report.subject.probe.unit_names)
    assert units["holding"].tolist() == [5, 5, 6, 6]


def test_a_report_comes_back_and_is_written_again(folder: Path, report: Report, tmp_path: Path) -> None:
    loaded = load_report(folder)
    assert (loaded.verdict, loaded.reasons) == (report.verdict, report.reasons)
    pd.testing.assert_frame_equal(loaded.table, report.table)
    pd.testing.assert_frame_equal(loaded.units, report.units)
    again = write_verdict(loaded, tmp_path, command=f"circuitkit {HOSTILE}")
    assert again.read_text(encoding="utf-8") == (folder / "report.html").read_text(encoding="utf-8")


def test_folders_that_hold_no_report_are_refused(tmp_path: Path, report: Report) -> None:
    with pytest.raises(StoreError, match="holds no report"):
        load_report(tmp_path)
    (tmp_path / "report.json").write_text('{"format": "circuitkit report 9"}')
    with pytest.raises(StoreError, match="circuitkit report 9"):
        load_report(tmp_path)
    (tmp_path / "taken").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        write_verdict(report, tmp_path / "taken")
