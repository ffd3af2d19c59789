"""Every benchmark runs, on a few images, and what it finds of accuracy holds. Times are never tested."""

import math

import numpy as np
import pytest

from benchmarks.stimuli import __main__ as stimuli
from benchmarks.stimuli.arcs import Arc, covered, draw_lots
from benchmarks.stimuli.renderers import ENTRIES

# Mean differences from the true coverage, on the pixels of a stroke of 2 to 5 pixels, by mode and size.
BOUNDS = {("FAST", 64): 0.010, ("FAST", 224): 0.008, ("EXACT", 64): 0.003, ("EXACT", 224): 0.003}


@pytest.fixture(scope="module")
def found() -> stimuli.Result:
    return stimuli.run(stimuli.SMOKE)


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
    assert math.isfinite(stimuli.drawn_alone("FAST", 16))


def test_every_kind_of_stimulus_has_an_example_unless_it_needs_a_picture() -> None:
    without = {name for name, kind in stimuli.CATALOGUE.items() if stimuli.example(kind) is None}
    assert without <= {"Photograph", "Picture"}


def test_the_middle_is_taken_of_each_number_and_of_ratios_in_one_round() -> None:
    rates = [stimuli.Rate(1.0, 30.0), stimuli.Rate(2.0, 20.0), stimuli.Rate(9.0, 10.0)]
    assert stimuli.median(rates) == stimuli.Rate(2.0, 20.0)
    assert stimuli.ratios(rates, [stimuli.Rate(*np.array(rate) / 4) for rate in rates]) == stimuli.Rate(4.0, 4.0)
