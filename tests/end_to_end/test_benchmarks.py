"""Every benchmark runs, on a few stimuli, and what it finds of accuracy holds. Times are never tested."""

import dataclasses
import functools
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from benchmarks import __main__ as command
from benchmarks import harness
from benchmarks.building import __main__ as building
from benchmarks.equivariance import __main__ as equivariance
from benchmarks.neurons import __main__ as neurons
from benchmarks.steerable import __main__ as steerable
from benchmarks.stimuli import __main__ as stimuli
from benchmarks.stimuli.arcs import Arc, covered, draw_lots
from benchmarks.stimuli.renderers import ENTRIES
from benchmarks.sweep import __main__ as sweep
from benchmarks.sweep import pipelines, work
from benchmarks.sweep.alone import alone
from benchmarks.visualization import __main__ as visualization
from benchmarks.visualization.pipelines import PIPELINES as VISUALIZERS
from circuitkit import build
from circuitkit.equivariance import turn_errors
from handbuilt import curves

# Mean differences from the true coverage, on the pixels of a stroke of 2 to 5 pixels, by mode and size.
BOUNDS = {("FAST", 64): 0.010, ("FAST", 224): 0.008, ("EXACT", 64): 0.003, ("EXACT", 224): 0.003}


@pytest.fixture(scope="module")
def found() -> stimuli.Result:
    return stimuli.run(stimuli.SMOKE)


@pytest.mark.long
def test_arcs_are_as_exact_as_promised(found: stimuli.Result) -> None:
    errors = {(row.name, row.size): row.error for row in found.rows}
    for (mode, size), bound in BOUNDS.items():
        assert errors[f"circuitkit {mode}, chunks()", size] == pytest.approx(
            errors[f"circuitkit {mode}, jax.jit", size], abs=1e-5
        )
        assert errors[f"circuitkit {mode}, chunks()", size] <= bound


@pytest.mark.parametrize("wrong", [{"radius": 0.2}, {"width": 0.2}, {"x": 0.2}, {"angle": 3.0}, {"contrast": 0.02}])
def test_a_slightly_wrong_arc_is_found_out(wrong: dict[str, float]) -> None:
    arcs = draw_lots(8, 64, seed=1)
    entry = ENTRIES["circuitkit EXACT, jax.jit"]

    def drawn_wrong(given: list[Arc], size: int):
        return entry.prepare(
            [arc._replace(**{name: getattr(arc, name) + by}) for arc in given for name, by in wrong.items()], size
        )

    assert stimuli.differences(entry, arcs, 64, 16)[0] <= BOUNDS["EXACT", 64]
    assert stimuli.differences(entry._replace(prepare=drawn_wrong), arcs, 64, 16)[0] > BOUNDS["FAST", 64]


def test_true_coverage_has_the_area_of_the_stroke() -> None:
    for arc in draw_lots(4, 64, seed=2):
        assert covered(arc, 64, samples=16).sum() == pytest.approx(arc.length * arc.width, rel=2e-3)


@pytest.mark.long
def test_everything_is_measured_and_shown(found: stimuli.Result) -> None:
    assert {row.name for row in found.rows} == {name for name, entry in ENTRIES.items() if not entry.missing}
    assert all(rate > 0 for row in found.rows for rate in row.rates[0])
    assert {(kind.name, kind.mode) for kind in found.kinds} == {
        (name, mode) for name in stimuli.SMOKE.kinds for mode in ("FAST", "EXACT")
    }
    text = stimuli.tables(found)
    for name in ("circuitkit FAST, chunks()", "Union", *found.missing):
        assert name in text
    assert len(stimuli.figure(found).axes[0].lines) == len(found.rows)


def test_the_memory_of_a_drawing_process_is_measured() -> None:
    assert math.isfinite(stimuli.alone("FAST", "16")["grown"])


def test_every_kind_of_stimulus_has_an_example_unless_it_needs_a_picture() -> None:
    without = {name for name, kind in stimuli.CATALOGUE.items() if stimuli.example(kind) is None}
    assert without <= {"Photograph", "Picture"}


@pytest.fixture(scope="module")
def swept() -> sweep.Result:
    return sweep.run(sweep.SMOKE, fresh=alone)


@pytest.fixture(scope="module")
def built() -> building.Result:
    return building.run(building.SMOKE, fresh=building.alone)


@pytest.fixture(scope="module")
def turned() -> equivariance.Result:
    return equivariance.run(equivariance.SMOKE)


@pytest.fixture(scope="module")
def climbed() -> visualization.Result:
    return visualization.run(visualization.SMOKE)


def test_every_way_to_an_image_that_is_here_raises_its_channel(climbed: visualization.Result) -> None:
    text = visualization.tables(climbed, visualization.SMOKE)
    for name, pipeline in VISUALIZERS.items():
        assert name in text
        assert bool(pipeline.missing) == (name in climbed.missing)
    assert all(reached > 0 for reached in climbed.reached.values())
    assert not climbed.difference > 1e-5  # NaN without torch


@pytest.mark.parametrize("task", neurons.SMOKE.tasks, ids=lambda task: task.name)
def test_samples_find_no_group_of_neurons_that_is_not_computed(task: neurons.Task) -> None:
    layers = neurons.net(task)
    exact, sampled = neurons.exact(task, layers)[0], neurons.sampled(task, layers, neurons.SMOKE)[0]
    assert {row.tobytes() for row in sampled} <= {row.tobytes() for row in exact}
    assert len(sampled) > 5


@pytest.mark.long
def test_tables_and_pictures_are_written(
    found: stimuli.Result,
    swept: sweep.Result,
    built: building.Result,
    turned: equivariance.Result,
    climbed: visualization.Result,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    results = {
        "steerable": steerable.measure(True),
        "stimuli": (stimuli.tables(found), stimuli.figure(found)),
        "sweep": (sweep.tables(swept, sweep.SMOKE), sweep.figure(swept, sweep.SMOKE)),
        "building": (building.tables(built), building.figure(built)),
        "equivariance": (
            equivariance.tables(turned, equivariance.SMOKE),
            equivariance.figure(turned, equivariance.SMOKE),
        ),
        "visualization": (
            visualization.tables(climbed, visualization.SMOKE),
            visualization.figure(climbed, visualization.SMOKE),
        ),
        "neurons": neurons.measure(True),
    }
    assert set(results) == set(command.NAMES)
    monkeypatch.setattr(sys, "argv", ["benchmark", "--smoke"])

    def measured(name: str, smoke: bool) -> tuple[str, Figure]:
        assert smoke
        return results[name]

    for name, (text, _) in results.items():
        harness.main(str(tmp_path / name / "__main__.py"), "", functools.partial(measured, name))
        written = (tmp_path / name / "out" / "tables.md").read_text()
        assert written.startswith("Machine: ")
        assert text in written
        assert (tmp_path / name / "out" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert not (tmp_path / name / f"{name}.png").exists()


@pytest.mark.long
def test_every_pipeline_that_is_here_is_measured_and_the_others_are_named(swept: sweep.Result) -> None:
    text = sweep.tables(swept, sweep.SMOKE)
    whole = {sweep.WHOLE + name: pipeline for name, pipeline in pipelines.MAPS.items()}
    for name, pipeline in {**pipelines.CENTRE, **whole}.items():
        assert name.removeprefix(sweep.WHOLE) in text
        if pipeline.missing:
            assert f"{name} (needs {', '.join(pipeline.missing)})" in text
        else:
            assert swept.errors[name, 64] <= pipeline.tolerance
            assert all(rate.wall > 0 for rate in swept.rates[name, 64])
    assert max(swept.same.values()) <= sweep.FLOAT32
    assert (pipelines.CIRCUITKIT, 1280) in swept.memory


def wrong(spoil: Callable[[np.ndarray], np.ndarray]) -> Callable[[pipelines.Indices, int], pipelines.Run]:
    """Returns a pipeline that gives the right responses, spoilt."""

    def prepare(indices: pipelines.Indices, size: int) -> pipelines.Run:
        arcs = work.arcs(work.stimuli(), indices, size)
        return lambda progress: spoil(work.wanted(arcs, size=size, read_out="centre").astype(np.float32))

    return prepare


@pytest.mark.parametrize(
    ("spoil", "refused"),
    [
        (lambda responses: responses, False),
        (lambda responses: responses[::-1], True),
        (lambda responses: responses[:, ::-1], True),
        (lambda responses: 1.1 * responses, True),
        (lambda responses: np.full_like(responses, np.nan), True),
    ],
    ids=["right", "stimuli in another order", "units in another order", "another contrast", "nan"],
)
def test_a_wrong_pipeline_is_refused_before_it_is_timed(
    spoil: Callable[[np.ndarray], np.ndarray], refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = dataclasses.replace(pipelines.CENTRE[pipelines.CIRCUITKIT], prepare=wrong(spoil))
    monkeypatch.setattr(sweep, "CENTRE", {"only": only})
    monkeypatch.setattr(sweep, "MAPS", {})
    monkeypatch.setattr(sweep, "firsts", lambda *_: {})
    monkeypatch.setattr(sweep, "grown", lambda *_: {})
    config = dataclasses.replace(sweep.SMOKE, stimuli=16)
    if not refused:
        assert sweep.run(config, fresh=alone).errors["only", 64] < 1e-6
        return
    with pytest.raises(sweep.DisagreementError, match="only at 64 pixels is off by"):
        sweep.run(config, fresh=alone)


def test_a_stroke_a_quarter_of_a_pixel_out_of_place_is_more_than_a_renderer_explains() -> None:
    arcs = work.arcs(work.stimuli(), np.arange(0, 10_240, 640), work.FIELD)
    wanted = work.wanted(arcs, size=work.FIELD, read_out="centre")
    moved = np.stack([arc.contrast * covered(arc._replace(x=0.25), work.FIELD, samples=16) for arc in arcs])
    error = np.linalg.norm(work.in_float64(moved, padded=False)[:, 0, 0] - wanted) / np.linalg.norm(wanted)
    assert error > pipelines.COARSE_EDGES > pipelines.FAST_EDGES


def test_other_kernels_padding_or_units_are_more_than_rounding() -> None:
    images = np.random.default_rng(0).normal(size=(2, 25, 25))
    maps = work.in_float64(images, padded=True)
    centre = maps[:, 12, 12]
    np.testing.assert_allclose(work.in_float64(images[:, 1:-1, 1:-1], padded=False)[:, 0, 0], centre, atol=1e-12)
    assert sweep.agreement("right", centre.astype(np.float32), centre) < sweep.FLOAT32
    for spoilt in (maps[:, 12, 11], maps[:, 11, 11], centre * 1.001, work.in_float64(-images, padded=True)[:, 12, 12]):
        with pytest.raises(sweep.DisagreementError, match="on the same images"):
            sweep.agreement("wrong", spoilt, centre)


def test_the_unit_sees_so_much_and_the_net_multiplies_so_often() -> None:
    assert work.FIELD == 23
    assert work.net().receptive_field("layer5").size == (23, 23)
    # 17 x 17 units read 7 x 7 pixels, 13 x 13 read 5 x 5 units of 16, and so on.
    cropped = 17**2 * 49 * 16 + 13**2 * 25 * 16 * 32 + (9**2 + 5**2) * 25 * 32**2 + 25 * 32 * 16
    assert work.multiplications(23, padded=False) == cropped
    assert work.multiplications(64, padded=True) == 64**2 * (49 * 16 + 25 * (16 * 32 + 2 * 32**2 + 32 * 16))


def test_kernels_turned_by_interpolation_are_nearly_those_drawn_turned(built: building.Result) -> None:
    for family, lost in built.lost["scipy.ndimage.rotate, order 3"].items():
        assert lost <= built.lost["scipy.ndimage.rotate, order 1"][family] < 0.1
        assert lost < 0.01
    network = build(building.SMOKE.circuit)
    drawn = building.kernels(network)
    backwards = {name: kernel[..., ::-1] for name, kernel in building.turned(network, drawn, 3).items()}
    assert harness.difference(backwards["lines"], drawn["lines"]) > 0.1


def test_every_build_is_shown(built: building.Result) -> None:
    text = building.tables(built)
    for name in (*built.seconds, *built.lost, "first build", "the same again", "another radius"):
        assert name in text
    assert all(seconds > 0 for found in built.seconds.values() for seconds in found)


def test_kernels_drawn_turned_turn_with_the_image_best(turned: equivariance.Result) -> None:
    band = 0.25
    for title in equivariance.FIRST:
        ours, linear, cubic = (
            max(turned.first[title, name, 22.5, band]) for name in (equivariance.CIRCUITKIT, *equivariance.ORDERS)
        )
        assert ours < 0.005
        assert ours < cubic < linear
        assert max(turned.first[title, equivariance.CIRCUITKIT, 90, band]) < 1e-6
    assert max(errors[0] for (_, turn, _), errors in turned.layers.items() if turn == 90) < 1e-6


def test_a_bank_is_measured_as_the_library_measures_a_layer() -> None:
    family = equivariance.gabors("the circuit's own, 21x21", 15)
    options = {"band": 0.25, "count": 3, "seed": 0}
    error = equivariance.bank_error(equivariance.drawn(family), family, 15, **options)
    assert error == pytest.approx(turn_errors(build(curves.SPEC), 15, **options)["edges"], rel=1e-2)
    assert equivariance.bank_error(equivariance.drawn(family)[::-1], family, 15, **options) > 0.5


def test_a_circuit_gets_members_where_a_turn_carries_them() -> None:
    assert equivariance.with_members(curves.SPEC, 45) == curves.SPEC
    fewer = equivariance.with_members(curves.SPEC, 22.5)
    assert all(22.5 % family.step == 0 for family in fewer.families)


def test_everyone_has_a_turn_in_every_round_and_each_begins_one() -> None:
    order: list[str] = []

    def turn(name: str) -> int:
        order.append(name)
        return len(order)

    found = harness.in_turns({name: functools.partial(turn, name) for name in "abc"}, rounds=3)
    assert "".join(order) == "abcbcacab"
    assert found == {"a": [1, 6, 8], "b": [2, 4, 9], "c": [3, 5, 7]}


def test_a_number_keeps_three_digits() -> None:
    given = (123_456, 73.44, 0.012345, 100.4)
    assert [harness.number(value) for value in given] == ["123,000", "73.4", "0.0123", "100"]
    assert harness.spread([3.0, 1.0, 2.0]) == "2 (1..3)"


@pytest.mark.slow
def test_what_is_measured_in_a_process_of_its_own_comes_back() -> None:
    found = harness.alone("sweep", "first", pipelines.CIRCUITKIT, 32, 64)
    assert 0 < found["first"] <= found["all"]


def test_a_benchmark_that_does_not_exist_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "sleep"])
    with pytest.raises(SystemExit):
        command.main()
    assert "there is no benchmark 'sleep'" in capsys.readouterr().err


def test_the_middle_is_taken_of_each_number_and_of_ratios_in_one_round() -> None:
    rates = [harness.Rate(1.0, 30.0), harness.Rate(2.0, 20.0), harness.Rate(9.0, 10.0)]
    assert harness.median(rates) == harness.Rate(2.0, 20.0)
    assert harness.ratios(rates, [harness.Rate(*np.array(rate) / 4) for rate in rates]) == harness.Rate(4.0, 4.0)
