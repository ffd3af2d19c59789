"""Detectors of curves find curves at their own angle in images, at no other, and shuffled ones find none."""

import dataclasses
import functools

import numpy as np
import pytest

from circuitkit import hypothesis
from circuitkit.evidence import dataset, posing
from circuitkit.evidence.argument import Argument, Subject
from circuitkit.evidence.natural import Judge, at_random, look
from circuitkit.stimuli import Curve, grid, turn
from tests.evidence import detectors

KERNEL = detectors.weights()


@functools.cache
def subject() -> Subject:
    controls = tuple(
        posing.subject(
            detectors.net(detectors.shuffled(KERNEL, seed), f"shuffled {seed}")["curves"], detectors.HYPOTHESIS
        )
        for seed in range(3)
    )
    own = detectors.posed(detectors.net(KERNEL, "curves"))
    return dataclasses.replace(own, controls=controls, images=detectors.scenes())


@functools.cache
def argument() -> Argument:
    return dataset.measure(subject(), top=8)


def test_curves_that_excite_a_detector_stand_at_its_angle() -> None:
    made = argument()
    for name, criterion in made.criteria.items():
        assert criterion.met(made.numbers[name]).all(), name
    # Shuffled kernels fit one of these few shapes now and then: there is nothing but arcs to be seen.
    assert float(made.holds.mean()) >= 0.5
    assert float(made.numbers.alignment.min()) > 0.8
    assert float(made.numbers.angle_error.max()) < 25
    assert float(made.numbers.dose.median()) > 0.3
    assert (made.interval.sel(bound="low") <= made.statistic).all()
    assert (made.interval.sel(bound="high") >= made.statistic).all()


def test_the_same_units_said_to_stand_elsewhere_do_not_hold() -> None:
    own = subject()
    turned = dataclasses.replace(own, poses=detectors.posed(own.probe.net, turned=180).poses)
    made = dataset.measure(turned, top=8)
    assert not made.holds.any()
    assert float(made.numbers.alignment.max()) < -0.5
    assert float(made.numbers.bulge.max()) < 0


def test_units_of_a_shuffled_net_do_not_hold() -> None:
    first, *rest = subject().controls
    made = dataset.measure(dataclasses.replace(first, controls=tuple(rest), images=detectors.scenes()), top=8)
    assert float(made.holds.mean()) <= 0.125
    assert set(np.unique(argument().null.control.values)) == {"shuffled 0", "shuffled 1", "shuffled 2", "random places"}


def test_what_the_figure_needs_is_there() -> None:
    data = argument().data
    assert data.crop.dtype == np.uint8
    assert data.crop.dims == ("unit", "rank", "y", "x", "channel")
    assert data.sizes["rank"] == 8
    assert data.quilt.sizes["stratum"] == len(dataset.STRATA) - 1
    assert data.angle_of_crop.attrs["units"] == "degrees"


def test_surveys_are_made_once_for_a_subject() -> None:
    assert look(subject()) is look(subject())


def test_places_drawn_at_random_lie_within_the_image() -> None:
    examples = at_random(look(subject()).own, 0)
    side = examples.attrs["field_size"][0]
    for name in "yx":
        assert float(examples[name].min()) >= (side - 1) / 2
        assert float(examples[name].max()) <= detectors.SIDE - 1 - (side - 1) / 2


def test_an_argument_without_images_or_with_too_few_is_not_made() -> None:
    own = subject()
    assert dataset.measure(dataclasses.replace(own, images=None)).verdict == "not tested"
    few = dataset.measure(dataclasses.replace(own, images=detectors.scenes()[:4]))
    assert few.why_untested == "4 images are too few: at least 8 are needed"
    assert "too small" in dataset.measure(_on_small_images(own)).why_untested


def _on_small_images(own: Subject) -> Subject:
    from circuitkit.stimuli.photographs import pictures

    return dataclasses.replace(own, images=pictures(np.zeros((9, 12, 12, 3), np.float32)))


@pytest.mark.parametrize("name", ["curves", "lines", "edges"])
def test_a_judge_reads_drawn_shapes(name: str) -> None:
    judge = Judge.of(hypothesis.HYPOTHESES[name](), 33)
    assert judge.sure > 0.9
    assert judge.signed == (name == "edges")


def test_a_judge_that_is_shown_another_shape_knows_that_it_is_unsure() -> None:
    blind = dataclasses.replace(detectors.HYPOTHESIS, shape=Curve(radius=8, contrast=0), rivals={})
    assert Judge.of(blind, 33).sure < 0.5
    made = dataset.measure(dataclasses.replace(subject(), hypothesis=blind))
    assert "the judge of crops reads the drawn curve with" in made.why_untested


def test_a_judge_finds_angle_and_size() -> None:
    judge = Judge.of(detectors.HYPOTHESIS, 33)
    drawn = grid(Curve(width=3, polarity=-1), angle=turn(4), radius=(6.0, 11.0)).images(33).reshape(4, 2, 33, 33, 1)
    read = judge.read(drawn)
    np.testing.assert_array_equal(read.angle, np.array(turn(4))[:, None] * [1, 1])
    np.testing.assert_array_equal(read.size, [[6, 11]] * 4)
    cosine = judge.aligned(read.angle, np.array([0.0, 180.0, 180.0, 90.0]))
    np.testing.assert_allclose(cosine[:, 0], [1, 0, 1, -0.0][:1] + [0, 1, -1], atol=1e-9)


def test_alignment_counts_crops_by_their_match() -> None:
    cosine = np.array([[1.0, -1.0, -1.0]])
    assert dataset.alignment(cosine, np.array([[0.5, 0.0, -0.3]]))[0] == 1
    assert dataset.alignment(cosine, np.array([[0.5, 0.5, 0.0]]))[0] == 0
    assert dataset.alignment(cosine, np.zeros((1, 3)))[0] == 0


def test_rank_correlation_leaves_out_what_is_missing() -> None:
    response, matched = np.array([[[1.0, 2, np.nan], [3, 4, 5]]]), np.array([[[0.1, 0.2, 9], [0.3, 0.5, 0.6]]])
    assert dataset.rank_correlation(response, matched)[0] == pytest.approx(1)
    assert dataset.rank_correlation(response, -matched)[0] == pytest.approx(-1)
    assert dataset.rank_correlation(response, np.zeros_like(matched))[0] == 0
