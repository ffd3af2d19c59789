"""Turning a photograph leads each detector to its own peak; units that are no detectors go nowhere."""

import dataclasses
import functools

import numpy as np

from circuitkit import hypothesis
from circuitkit.evidence import joint
from circuitkit.evidence.argument import Argument, Subject
from circuitkit.evidence.natural import Judge
from tests.evidence import detectors
from tests.evidence.test_dataset import subject


@functools.cache
def argument() -> Argument:
    return joint.measure(subject(), most=32)


def test_peaks_in_photographs_are_those_in_drawings() -> None:
    made = argument()
    assert made.verdict == "holds"
    assert float(made.numbers.peak_error.max()) < 12
    assert float(made.numbers.tuned.min()) > 0.5
    assert (made.interval.sel(bound="low") <= made.statistic).all()
    assert float(np.quantile(made.null, 0.95)) < float(made.statistic.min())


def test_the_family_covers_the_turn_in_even_steps() -> None:
    data = argument().data
    np.testing.assert_allclose(data.gap.sum(), 360, atol=1e-6)
    np.testing.assert_allclose(data.gap, 45, atol=8)
    np.testing.assert_allclose(data.gap_in_photographs, 45, atol=16)
    assert float(data.coverage) > 0.4
    assert float(data.permuted) < 0.01
    # The curves of neighbours are alike, those of opposite units are not.
    assert (np.diag(np.roll(data.similarity_of_drawn.values, -1, axis=1)) > 0).all()
    assert (np.diag(np.roll(data.similarity_of_drawn.values, -4, axis=1)) < 0).all()


def test_units_of_a_shuffled_net_do_not_hold() -> None:
    first, *rest = subject().controls
    made = joint.measure(dataclasses.replace(first, controls=tuple(rest), images=detectors.scenes()), most=32)
    assert float(made.holds.mean()) <= 0.125


def test_a_single_unit_can_be_tested() -> None:
    own = subject()
    alone = dataclasses.replace(own, probe=own.probe.net["curves", [2]], poses=own.poses.isel(unit=[2]))
    made = joint.measure(alone)
    assert bool(made.holds.all())
    assert "gap" not in made.data
    assert set(made.data.chosen_by.values.tolist()) == set(alone.probe.unit_names)


def test_a_shape_without_an_angle_and_a_subject_without_images_are_not_tested() -> None:
    own: Subject = subject()
    assert "has no angle" in joint.measure(dataclasses.replace(own, hypothesis=hypothesis.circle())).why_untested
    assert joint.measure(dataclasses.replace(own, images=None)).why_untested == "there are no natural images"


def test_tuned_is_one_at_the_peak_and_nought_for_silence_flatness_and_echo() -> None:
    angles, peak, weight = np.arange(36) * 10.0, np.full(5, 90.0), np.ones(2)
    one = np.zeros((2, 36, 5))
    one[:, 9, 0] = 3.0  # at the peak
    one[:, 27, 1] = 3.0  # opposite
    one[:, :, 2] = 1.0  # everywhere
    one[0, 9, 3] = 50.0  # silent for one of two photographs
    found = joint.tuned(one, weight, angles, peak, 360.0)
    np.testing.assert_allclose(found, [1, -1, 0, 0.5, 0], atol=1e-9)
    # However strong, one photograph out of many is no evidence; pooled responses would give 1.
    np.testing.assert_allclose(joint.tuned(one, np.array([0.1, 0.9]), angles, peak, 360.0)[3], 0.1)


def test_responses_are_put_over_the_angle_at_which_the_contour_stands() -> None:
    judge = Judge(detectors.HYPOTHESIS, np.arange(36) * 10.0, np.array([8.0]), False, 1.0, np.zeros((36, 3, 3, 1)))
    responses = np.zeros((1, 36, 1))
    responses[0, 4] = 1.0  # a contour at 30 degrees that excites it once it is turned by 40
    assert joint._over_angle(responses, np.array([30.0]), judge)[0, :, 0].argmax() == 7


def test_crossings_are_where_one_falls_and_the_next_rises() -> None:
    angles, peak = np.arange(36) * 10.0, np.array([0.0, 60.0])
    away = (angles[:, None] - peak + 180) % 360 - 180
    curve = np.maximum(1 - np.abs(away) / 60, 0)  # triangles that are half as high in the middle between them
    found = joint.crossings(curve, angles, peak, np.array([60.0, 300.0]), np.array([1, 0]), 360.0)
    np.testing.assert_allclose(found, [0.5, 0.0], atol=1e-9)
