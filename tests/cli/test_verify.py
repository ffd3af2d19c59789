"""`circuitkit verify` as a user types it: the page, what is refused, and that nothing that was measured is lost."""

import functools
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from circuitkit.cli.main import main
from circuitkit.evidence import dataset, handwritten, implementation, joint, synthetic, use, visualization
from circuitkit.evidence.argument import Argument, Subject
from circuitkit.reports import load_report
from circuitkit.verify import ARGUMENTS
from tests.viz import arguments
from tests.viz.test_report import read

LINE = "verify lines --net small_circuit --layer lines --controls 1"
MODULES = (visualization, dataset, synthetic, joint, implementation, use, handwritten)


def refused(capsys: pytest.CaptureFixture[str], line: str) -> str:
    assert main(line.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return " ".join(captured.err.split())


class Fakes:
    """Stands in for all seven: arguments whose numbers are written down, and a list of what was asked for."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.subjects: list[Subject] = []
        self.options: dict[str, Any] = {}
        self.stops_at = ""
        for module in MODULES:
            patch.setattr(module, "measure", self.of(module.NAME))

    def of(self, name: str) -> Any:
        def measure(subject: Subject, **options: Any) -> Argument:
            if name == self.stops_at:
                raise KeyboardInterrupt
            self.asked.append(name)
            self.subjects.append(subject)
            self.options |= options
            return arguments.argument(name, subject, failing=0)

        return measure


@pytest.fixture(autouse=True)
def few_controls(monkeypatch: pytest.MonkeyPatch) -> None:
    """One net of each kind, of four units, in few looks, is enough of a battery whose verdict nobody reads."""
    monkeypatch.setattr("circuitkit.verify.FEWEST_UNITS", 4)
    monkeypatch.setattr("circuitkit.evidence.posing.POSING_LOOKS", 4)


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Fakes:
    return Fakes(monkeypatch)


@pytest.mark.long
def test_units_are_put_to_all_seven(
    small: Path, fakes: Fakes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("circuitkit.verify.FEWEST_UNITS", 8)
    line = f"{LINE} --images pictures --side 64 --circuit small_circuit --decoys small_circuit --out new/out"
    assert main(line.split()) == 0
    captured = capsys.readouterr()
    assert "Yes: all 7 arguments hold" in " ".join(captured.out.split())
    assert "new/out/report.html" in captured.err
    assert fakes.asked == list(ARGUMENTS)
    subject = fakes.subjects[0]
    assert subject.probe.unit_names == ("lines@0", "lines@45", "lines@90", "lines@135")  # found, for none were named
    assert subject.images is not None
    assert len(subject.images) == 12
    assert subject.hypothesis.circuit is not None
    assert subject.hypothesis.circuit(6.0).name == "small"
    assert list(fakes.options["decoys"]) == ["wide"]
    # Four units a net: two nets of each kind make eight, though one is asked for.
    assert [each.probe.net.name for each in subject.controls] == [
        f"small, {kind} {seed}" for kind in ("shuffled", "untrained") for seed in range(2)
    ]
    folder = small / "new" / "out"
    assert read((folder / "report.html").read_text(encoding="utf-8")).faults == []
    assert list(pd.read_csv(folder / "report.csv").argument) == list(ARGUMENTS)
    assert load_report(folder).verdict == "yes"
    assert not (folder / "unfinished").exists()
    assert "holds a report already" in refused(capsys, line)
    first = (folder / "report.html").read_text(encoding="utf-8")
    (folder / "figures" / "joint_tuning.png").unlink()
    assert main(["verify", "--redraw", "new/out"]) == 0
    assert (folder / "figures" / "joint_tuning.png").exists()
    assert "Made by" in first
    # Of less, which takes less.
    assert main(f"{LINE} --units 0 --arguments synth --out new/out --overwrite".split()) == 0
    assert load_report(folder).verdict == "open"


def test_an_interrupted_battery_goes_on(small: Path, fakes: Fakes, capsys: pytest.CaptureFixture[str]) -> None:
    fakes.stops_at = joint.NAME
    line = f"{LINE} --units 0,lines@90"
    assert main(line.split()) == 130
    assert "3 arguments are done and kept in verdict/unfinished" in " ".join(capsys.readouterr().err.split())
    fakes.stops_at = ""
    other = refused(capsys, f"{LINE} --units 1,2")
    assert "is of another battery" in other
    assert main(line.split()) == 0
    assert fakes.asked == list(ARGUMENTS)  # each of them once
    assert set(load_report("verdict").arguments) == set(ARGUMENTS)


def test_some_arguments_about_a_pose_that_is_said(small: Path, fakes: Fakes) -> None:
    assert main(f"{LINE} --units 2 --angle 90 --arguments synth,joint".split()) == 0
    assert fakes.asked == [synthetic.NAME, joint.NAME]
    assert fakes.subjects[0].poses.angle.values.tolist() == [90]
    assert load_report("verdict").verdict == "open"


def test_units_of_a_search_are_taken_from_its_table(
    small: Path, fakes: Fakes, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {
        "layer": ["lines", "lines", "edges"],
        "unit": ["lines@45", "lines@0", "edges@0"],
        "verdict": ["yes", "no", "yes"],
    }
    (small / "search").mkdir()
    pd.DataFrame(rows).to_csv(small / "search" / "found.csv", index=False)
    assert main(f"{LINE} --found search".split()) == 0
    assert fakes.subjects[0].probe.unit_names == ("lines@45",)
    capsys.readouterr()
    said = refused(capsys, "verify lines --net small_circuit --layer bars --found search --out other")
    assert "has no units of layer 'bars'" in said
    assert "is no table" in refused(capsys, f"{LINE} --found small_circuit.py --out other")


def test_what_cannot_be_verified_is_refused_before_any_work(
    small: Path, fakes: Fakes, capsys: pytest.CaptureFixture[str]
) -> None:
    for line, said in {
        "verify": "WHAT is missing",
        "verify line --net small_circuit": "Did you mean 'lines'",
        "verify lines": "--net is missing",
        "verify lines --net small_circuit": "--layer is missing",
        "verify lines --net small_circuit --layer line": "has no layer 'line'",
        f"{LINE} --units 9": "has no unit 9",
        f"{LINE} --units 1 --found here": "leave one of them out",
        f"{LINE} --arguments cats": "has no argument 'cats'",
        f"{LINE} --circuit json": "wanted a function of a size",
        f"{LINE} --decoys json": "wanted circuits by name",
        f"{LINE} --images nowhere": "nowhere",
        f"{LINE} --radius 5": "has no size",
        "verify lines --net small_circuit --layer lines --controls 0": "--controls=0",
        "verify --redraw nowhere": "holds no report",
    }.items():
        assert said in refused(capsys, line), line
    assert fakes.asked == []


def test_a_layer_without_detectors_says_so(small: Path, fakes: Fakes, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "verify heads --net small_circuit --layer bars")
    assert "no unit of layer 'bars'" in said
    assert "name units with --units" in said


@pytest.mark.long
@pytest.mark.slow
def test_the_whole_battery_is_measured_and_drawn(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Few looks, and few steps of the ascent.
    monkeypatch.setattr(synthetic, "measure", functools.partial(synthetic.measure, looks=6))
    monkeypatch.setattr(visualization, "measure", functools.partial(visualization.measure, starts=2, steps=16))
    line = f"{LINE} --units 0,1 --images pictures --side 96 --circuit small_circuit --decoys small_circuit"
    assert main(line.split()) == 0
    report = load_report("verdict")
    assert list(report.arguments) == list(ARGUMENTS)
    drawn = {name for name, each in report.arguments.items() if not each.why_untested}
    assert {synthetic.NAME, implementation.NAME, use.NAME, visualization.NAME} <= drawn
    assert read(Path("verdict/report.html").read_text(encoding="utf-8")).tags.count("img") == len(drawn)
