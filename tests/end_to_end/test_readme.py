"""The Python in the README runs as it stands there."""

import dataclasses
import functools
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import circuitkit as ck
from circuitkit import hypothesis, stimuli
from circuitkit.evidence import dataset, handwritten, implementation, joint, synthetic, use, visualization
from circuitkit.viz.evidence.parts import bound
from handbuilt import curves

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_readme_holds_the_blocks_that_are_run() -> None:
    assert len(BLOCKS) == 4


def test_the_circuit_on_a_page_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    exec(BLOCKS[0], {})
    assert "my_curves: 3 families, 72 units" in capsys.readouterr().out


def test_the_measurement_draws_its_picture(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(data_folder / "nets" / "squeezenet1_1.onnx", tmp_path)
    monkeypatch.chdir(tmp_path)
    exec(BLOCKS[1], {})
    assert (tmp_path / "joint.png").stat().st_size > 10_000
    assert "curves@345" in capsys.readouterr().out


def test_the_stimuli_are_drawn_saved_and_read(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(data_folder / "images" / "imagenet-sample.zip", tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(BLOCKS[2], names)
    assert len(list((tmp_path / "arcs").glob("*.png"))) == len(names["arcs"]) == 432
    assert names["textured"].draw(64).shape == (64, 64, 3)
    assert names["chunk"].images.shape[1:] == (64, 64, 1)
    assert names["photos"].shape == (8, 360)


def guide(name: str) -> list[str]:
    text = (README.parent / "docs" / name).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture
def beside_the_data(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the guides name."""
    shutil.copy(data_folder / "images" / "imagenet-sample.zip", tmp_path)
    shutil.copy(data_folder / "nets" / "squeezenet1_1.onnx", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_sweeps_are_run_kept_and_resumed(beside_the_data: Path) -> None:
    net = ck.nets.load("squeezenet1_1.onnx")
    few = ck.grid(ck.stimuli.Curve(), angle=ck.turn(6), radius=(20, 60))
    names: dict[str, Any] = {"ck": ck, "trained": net, "stimuli": few, "photographs": stimuli.photographs}
    exec(BLOCKS[3].replace("[:50]", "[:3]"), names)
    assert names["near"].sizes["unit"] == 2
    assert names["kept"].equals(ck.open_responses(beside_the_data / "sweep.zarr"))
    assert names["seen"].sizes["image"] == 3
    assert names["mine"].layers == ("dark",)


def test_the_guide_to_sweeps_runs_as_it_stands_there(beside_the_data: Path) -> None:
    names: dict[str, Any] = {}
    for block in guide("sweeps.md"):
        exec(block.replace("[:40]", "[:4]").replace("5_000", "500"), names)
    assert names["near"].dims == ("angle", "radius", "row", "column", "unit")
    assert names["responses"].sizes == {"stimulus": 500, "unit": 24}
    assert (beside_the_data / "examples.png").stat().st_size > 10_000


def test_the_guide_to_stimuli_runs_as_it_stands_there(beside_the_data: Path) -> None:
    small = ck.HandbuiltNet(ck.build(curves.SPEC))["lines"]
    names: dict[str, Any] = {"probe": small, "__name__": "guide"}
    # Sizes that a test can bear; everything else as it is written.
    for block in guide("stimuli.md"):
        exec(block.replace("10_000", "20").replace("[:100]", "[:1]").replace("turn(360)", "turn(2)"), names)
    stimuli.CATALOGUE.pop("Lens")  # other tests count the kinds
    assert names["Lens"]().draw(64).sum() > 100
    assert len(names["again"]) == len(names["arcs"])


@pytest.mark.long
def test_the_guide_to_evidence_runs_as_it_stands_there(beside_the_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    curve = hypothesis.curve

    def smaller(**options: Any) -> hypothesis.Hypothesis:
        made = curve(**{"sizes": ck.log(8, 64, 4), **options})
        return dataclasses.replace(made, rivals={"line": made.rivals["line"]}, part=None)

    # One argument, one control net, few sizes, rivals and looks, which a test can bear; all else as it is written.
    monkeypatch.setattr(hypothesis, "curve", smaller)
    monkeypatch.setattr(synthetic, "measure", functools.partial(synthetic.measure, looks=8))
    names: dict[str, Any] = {}
    for block in guide("evidence.md"):
        fewer = block.replace("controls=2", 'controls=1, arguments=["synthetic examples"]')
        fewer = fewer.replace("sizes=ck.log(6, 24, 4)", "sizes=(12.0,)")
        fewer = fewer.replace('layers=["fire5"])', 'layers=["fire5"], looks=4)')
        exec(fewer.replace("219]], hypothesis.curve())", "219]], hypothesis.curve(), looks=4)"), names)
    assert names["report"].verdict == "open", names["report"].reasons
    assert set(names["again"].arguments) == {"synthetic examples"}
    assert (names["found"].table.verdict == "yes").sum() > 5  # of 256; on more looks and sizes, more than 10
    assert names["wriggling"].layers["fire5"].sizes["unit"] == 256
    for page in ("found/found.html", "verdict/report.html", "compared/compare.html", "synthetic.png"):
        assert (beside_the_data / page).stat().st_size > 10_000


@pytest.mark.long
def test_the_guide_to_universality_runs_as_it_stands_there(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for block in guide("universality.md"):  # one of five layers, which a test can bear
        exec(block.replace("shuffles=2", 'shuffles=1, layers=["conv3"]'), names)
    assert float(names["found"].likeness.max()) > 0.5
    assert "by_chance" in capsys.readouterr().out
    assert set(names["seen"].table.layer) == {"conv3"}


def test_the_guide_to_surgery_runs_as_it_stands_there(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for block in guide("surgery.md"):
        exec(block, names)
    assert "True" in capsys.readouterr().out
    table = names["recovery"](names["seen"], lost="silent")
    assert table.recovery["themselves"] == pytest.approx(1, abs=1e-3)
    assert table.recovery["exchanged"] != pytest.approx(1, abs=1e-3)
    assert names["operated"].steps == tuple(names["steps"])


def test_the_guide_to_fitting_runs_as_it_stands_there(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for block in guide("fitting.md"):
        exec(block, names)
    assert "These 2 numbers explain" in capsys.readouterr().out
    found = names["found"]
    assert (found.units.test > 0.9).all()
    assert (found.numbers.value - [5, 6]).abs().max() < 0.5  # length and wavelength
    correlation = names["beside"]["lines"].correlation.values
    assert correlation.diagonal().min() > 0.8 > correlation[0, 1]  # of its own unit, and of the other


def test_the_guide_to_neurons_runs_as_it_stands_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in guide("neurons.md")[:-1]:  # fewer stimuli, which a test can bear
        exec(block.replace("181, 5", "181, 30").replace("60, seed", "24, seed"), names)
    for picture in ("lines", "groups", "cells", "alike"):
        assert (tmp_path / f"neurons-{picture}.png").stat().st_size > 10_000
    assert names["found"](0.3).sum() == 4
    assert "0.312500" in capsys.readouterr().out
    assert 0 <= names["about"].accuracy <= 1


def test_the_guide_to_neurons_reads_a_trained_layer(beside_the_data: Path) -> None:
    names: dict[str, Any] = {}
    exec(guide("neurons.md")[0], names)
    exec("import circuitkit as ck\n" + guide("neurons.md")[-1].replace("[:16]", "[:4]"), names)
    assert [layer.size for layer in names["seen"].layers] == [(1152, 288), (288, 8)]
    assert (beside_the_data / "neurons-fire4.png").stat().st_size > 10_000


def test_the_guide_to_evidence_names_every_criterion_as_it_is() -> None:
    text = (README.parent / "docs" / "evidence.md").read_text(encoding="utf-8")
    curve = hypothesis.curve()
    found = [module.criteria(curve) for module in (visualization, dataset, synthetic, joint, implementation, use)]
    for criteria in (*found, handwritten.criteria(curve, natural=True, decoys=True)):
        for name, criterion in criteria.items():
            if not name.startswith("to_"):
                assert f"| `{name}` {bound(criterion)} | {criterion.why} |" in text
