"""A circuit agrees with itself at its own angle and size, and with nothing else."""

import dataclasses
import functools

import numpy as np
import pytest
import scipy.stats

from circuitkit.build import build
from circuitkit.controls import shuffled
from circuitkit.evidence import handwritten, shown
from circuitkit.evidence.argument import Argument, Subject
from circuitkit.evidence.posing import subject as posed
from circuitkit.hypothesis import curve, line
from circuitkit.probe import HandbuiltNet
from circuitkit.spec import Arc, Circuit, Crossing, Family, Gabor, Line, OppositeArc, Tile, Union
from circuitkit.stimuli import Curve, Uniform, sample


def circuit(radius: float, *, inhibited: bool = True) -> Circuit:
    """Writes a small curve detector: contours along an arc."""
    edges = Family("edges", Gabor(wavelength=6, sigma=2), angles=16, size=9)
    contours = Family("contours", Union(edges), angles=8)
    tile = Tile(contours, along=Arc(radius=radius, length=1.6 * radius), tolerance=20)
    tile = tile - Crossing(0.8) - OppositeArc(0.8) if inhibited else tile
    return Circuit("small", [edges, contours, Family("curves", tile, angles=8)])


def bars(radius: float) -> Circuit:
    edges = Family("edges", Gabor(wavelength=6, sigma=2), angles=16, size=9)
    lines = Family("curves", Tile(edges, along=Line(length=radius), tolerance=20), angles=8, period=360)
    return Circuit("bars", [edges, lines])


SAID = curve(circuit=circuit, sizes=(7, 10, 14, 20))
IMAGES = sample(Curve(noise=0.1), 60, seed=0, angle=Uniform(0, 360), radius=Uniform(8, 30), x=Uniform(-4, 4))


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that these units see fits on a smaller canvas."""
    monkeypatch.setattr(shown, "CANVAS", 127)


@functools.cache
def alone(radius: float) -> Subject:
    """Returns two units of a circuit, without controls."""
    return posed(HandbuiltNet(build(circuit(radius)))["curves", [0, 3]], SAID)


@functools.cache
def subject() -> Subject:
    made = alone(14.0)
    controls = tuple(posed(shuffled(made.probe.net, seed)["curves"], SAID) for seed in (0, 1))
    return dataclasses.replace(made, controls=controls)


@functools.cache
def argument() -> Argument:
    return handwritten.measure(subject(), decoys={"bars": bars, "early": circuit(14.0, inhibited=False)})


def of_size(radius: float, size: float) -> Subject:
    """Returns the units of a circuit, said to be of a size, without controls."""
    made = alone(radius)
    return dataclasses.replace(made, poses=made.poses.assign(size=("unit", np.full(2, size))))


@functools.cache
def itself() -> Argument:
    return handwritten.measure(of_size(14.0, 14.0))


@functools.cache
def halved() -> Argument:
    """Units said to be of half their size, beside what they are as a decoy."""
    return handwritten.measure(of_size(14.0, 7.0), decoys={"their own size": circuit(14.0)})


def test_a_circuit_is_its_own_counterpart() -> None:
    found = itself()
    assert found.data.counterpart.values.tolist() == [
        "counterpart: curves@0, 14 pixels",
        "counterpart: curves@135, 14 pixels",
    ]
    np.testing.assert_allclose(found.numbers.drawn, 1, atol=1e-5)
    np.testing.assert_allclose(found.numbers.tuning_distance, 0, atol=1e-5)


def test_at_its_measured_size_it_agrees_and_holds() -> None:
    found = argument()  # this circuit prefers less than it was designed for, and is compared a step below
    assert found.numbers.drawn.min() > 0.8
    assert found.numbers.tuning_distance.max() < 0.25
    assert found.numbers.ahead.min() > 0.3
    assert found.holds.all(), [found.failures(unit) for unit in found.numbers.unit.values]


def test_decoys_and_shuffled_units_do_not() -> None:
    found = argument()
    null = found.null
    assert set(null.control.values) == {
        "wrong angle",
        "small, shuffled 0",
        "small, shuffled 1",
    }
    assert float(null.max()) < 0.6
    assert float(found.data.decoy_agreement.sel(decoy="bars").max()) < float(found.statistic.min())
    assert float(found.numbers.ahead_of_decoys.min()) > 0.1


def test_a_unit_that_a_decoy_agrees_with_more_fails() -> None:
    # Said to be of half their size, they are themselves the decoy that does better.
    better = halved()
    assert (better.numbers.ahead_of_decoys < -0.03).all()
    assert not better.holds.any()
    assert any("ahead of decoys" in why for why in better.failures(str(better.numbers.unit.values[0])))
    assert "ahead_of_decoys" not in handwritten.criteria(SAID, natural=True, decoys=False)


def test_the_interval_holds_the_statistic() -> None:
    found = argument()
    low, high = found.interval.sel(bound="low"), found.interval.sel(bound="high")
    assert ((low < found.statistic) & (found.statistic < high)).all()
    assert (high - low).max() < 0.2


@pytest.mark.long
def test_a_large_unit_is_compared_with_a_smaller_circuit_that_is_shown_everything_shrunk() -> None:
    found = handwritten.measure(of_size(20.0, 20.0))
    assert found.data.counterpart.values[0].endswith("19.8 pixels")
    assert found.numbers.drawn.min() > 0.75
    assert found.numbers.tuning_distance.max() < 0.35
    unshrunk = handwritten.measure(of_size(20.0, 14.0))  # the same circuit, and everything at its own size
    assert (unshrunk.numbers.tuning_distance > found.numbers.tuning_distance).all()


def test_a_unit_at_a_wrong_angle_or_size_is_told() -> None:
    turned = subject().poses.assign(angle=subject().poses.angle + 90)
    found = handwritten.measure(dataclasses.replace(subject(), poses=turned, controls=()))
    assert not found.holds.any()
    assert found.numbers.drawn.max() < 0.3
    assert found.numbers.ahead.max() < 0
    small = halved()
    # Half an octave off (as measured) costs some of the map, a whole one more; the right size costs nothing.
    assert argument().numbers.tuning_distance.min() > 0.05
    assert argument().numbers.tuning_distance.max() + 0.05 < small.numbers.tuning_distance.min()


def test_natural_images_count_where_there_are_any() -> None:
    found = handwritten.measure(dataclasses.replace(subject(), images=IMAGES))
    assert found.numbers.natural.min() > 0.7
    assert "natural" in found.criteria
    np.testing.assert_allclose(found.statistic, (found.numbers.drawn + found.numbers.natural) / 2)
    assert (found.data.kind.values == "natural").sum() >= shown.FEWEST
    without = argument()
    assert "natural" not in without.numbers
    assert without.notes[-1] == "Nothing natural was shown: there are no natural images."


def test_the_same_seed_gives_the_same_numbers() -> None:
    again = handwritten.measure(of_size(14.0, 14.0))
    np.testing.assert_array_equal(again.statistic, itself().statistic)
    np.testing.assert_array_equal(again.interval, itself().interval)


def test_without_a_circuit_there_is_nothing_to_compare() -> None:
    probe = subject().probe
    found = handwritten.measure(Subject(probe, line(), subject().poses))
    assert found.verdict == "not tested"
    assert found.why_untested == "the hypothesis names no circuit for the line"


@pytest.mark.parametrize("seed", range(3))
def test_the_rank_correlation_is_spearmans(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = np.maximum(rng.normal(size=(40, 2)), 0), rng.normal(size=(40, 3))  # with ties
    wanted = [[scipy.stats.spearmanr(a, b).statistic for b in other.T] for a in one.T]
    np.testing.assert_allclose(handwritten.rank_correlation(one, other), wanted, atol=1e-12)
    np.testing.assert_allclose(handwritten.rank_correlation(one, np.exp(other)), wanted, atol=1e-12)
    assert np.abs(handwritten.rank_correlation(one, other**2) - wanted).max() > 0.01


def test_a_silent_unit_correlates_with_nothing() -> None:
    assert handwritten.rank_correlation(np.zeros((9, 1)), np.arange(9.0)[:, None]).tolist() == [[0.0]]
