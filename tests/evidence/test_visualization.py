"""Images are judged by what they hold: lines pass as lines at their own angle, and as nothing else."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from circuitkit import build, controls, hypothesis
from circuitkit.errors import SpecError
from circuitkit.evidence import visualization
from circuitkit.evidence.argument import Argument, Subject
from circuitkit.probe import HandbuiltNet, Net
from circuitkit.spec import Circuit
from handbuilt import curves

UNITS = (0, 4, 8, 12, 16, 20)


@pytest.fixture(scope="module")
def net() -> Net:
    return HandbuiltNet(build(Circuit("lines", curves.SPEC.families[:5])))


def posed(net: Net, units: tuple[int, ...], turn: float = 0.0, **more: object) -> Subject:
    probe = net["lines", list(units)]
    angles = [(float(name.split("@")[1]) + turn) % 180 for name in probe.unit_names]
    poses = xr.Dataset(
        {"angle": ("unit", angles), "size": ("unit", np.full(len(units), np.nan))},
        coords={"unit": list(probe.unit_names)},
    )
    return Subject(probe, hypothesis.line(), poses, **more)


@pytest.fixture(scope="module")
def subject(net: Net) -> Subject:
    shuffled = posed(controls.shuffled(net, 0), tuple(range(24)))
    others = posed(net, (2, 6, 10))
    return posed(net, UNITS, controls=(shuffled,), others=others)


@pytest.fixture(scope="module")
def found(subject: Subject) -> Argument:
    return visualization.measure(subject, starts=2, steps=24)


def test_lines_are_lines_and_their_controls_are_not(found: Argument) -> None:
    assert found.verdict == "holds", [found.failures(str(unit)) for unit in found.numbers.unit.values]
    assert found.numbers.angle_error.max() <= 15
    by_control = found.null.groupby("control")
    # Each of the three others stands an eighth of a turn or more from four of the six units.
    assert dict(by_control.count().to_series()) == {"lines, shuffled 0": 24, "other units of the layer": 12}
    assert found.null.sel(draw=found.null.control == "lines, shuffled 0").quantile(0.95) < found.numbers.contrast.min()


def test_the_same_images_fail_at_another_angle(subject: Subject, net: Net, found: Argument) -> None:
    turned = posed(net, UNITS, 60.0, controls=subject.controls)
    failed = visualization.measure(turned, starts=2, steps=24)
    assert not failed.holds.any()
    np.testing.assert_array_equal(failed.data.image, found.data.image)
    assert (failed.numbers.angle_error > 15).all()
    assert failed.numbers.starts_agreeing.max() < 0.5


def test_the_statistic_is_the_mean_of_its_starts(found: Argument) -> None:
    assert next(iter(found.numbers)) == "contrast"
    middle = found.interval.mean("bound")
    np.testing.assert_allclose(middle, found.numbers.contrast, atol=1e-6)
    assert (found.interval.sel(bound="low") <= found.interval.sel(bound="high")).all()


def test_the_figure_has_all_that_it_needs(found: Argument) -> None:
    data = found.data
    assert data.image.dims == ("unit", "seed", "y", "x", "channel")
    assert data.profile.sizes["angle"] == data.sizes["angle"]
    assert data["shape"].shape == (6, 33, 33)
    assert data.sizes["control"] == 8
    assert (np.diff(data.control_contrast) <= 0).all()
    assert data.attrs["steps"] == 24


def test_what_its_unit_does_not_respond_to_shows_nothing(net: Net) -> None:
    silent = net.with_weights(
        lambda weight: -abs(weight.value) if weight.name == "lines" else weight.value, name="silent"
    )
    found = visualization.measure(posed(silent, (0, 6)), steps=2)
    np.testing.assert_array_equal(found.numbers.contrast, 0)
    assert not found.holds.any()


def test_a_shape_that_the_judge_cannot_read_is_not_tested(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visualization, "SURE", 1.1)
    found = visualization.measure(subject, steps=1)
    assert found.verdict == "not tested"
    assert "the judge of images reads a drawn line no better than" in found.why_untested


def test_one_start_has_no_interval(subject: Subject) -> None:
    with pytest.raises(SpecError, match="starts=1: wanted a whole number, at least 2"):
        visualization.measure(subject, starts=1)


def test_progress_goes_up_to_all(subject: Subject) -> None:
    seen: list[tuple[int, int]] = []
    alone = dataclasses.replace(subject, others=None)
    visualization.measure(alone, starts=2, steps=2, progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1]
