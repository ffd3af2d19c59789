"""Directions to move an input along: PCA, concepts, features, paths of stimuli; and what is none."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import circuitkit as ck
from circuitkit import neurons
from circuitkit.errors import NeuronsError, UnknownNameError
from circuitkit.neurons.directions import concept, feature, line, principal, stimulus_path, unit
from circuitkit.neurons.reading import read
from circuitkit.spec import Circuit, Family, Gabor, Line, Tile

SEEDS = st.integers(0, 10**6)


@given(seed=SEEDS)
def test_principal_directions_make_the_samples_again(seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=(int(rng.integers(2, 9)), int(rng.integers(1, 12)))) * 10.0 ** rng.integers(-8, 8)
    found = principal(samples)
    moved = samples - found.middle
    np.testing.assert_allclose(moved @ found.vectors.T @ found.vectors, moved, atol=1e-9 * np.abs(moved).max())
    np.testing.assert_allclose(found.vectors @ found.vectors.T, np.eye(len(found.vectors)), atol=1e-9)
    assert found.shares.sum() == pytest.approx(1)
    assert (np.diff(found.shares) <= 1e-12).all()
    np.testing.assert_allclose(found.spreads, (moved @ found.vectors.T).std(axis=0, ddof=1), rtol=1e-7)
    assert (np.abs(found.vectors).max(axis=1) == found.vectors.max(axis=1)).all()


def test_the_first_direction_is_the_one_of_most_variance_and_another_is_not() -> None:
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(300, 3)) * [1, 5, 0.1] + 40
    found = principal(samples, count=2)
    assert abs(found.vectors[0] @ [0, 1, 0]) > 0.99
    assert found.shares[0] > 0.9
    uncentred = np.linalg.svd(samples)[2][0]  # the broken twin: without the mean taken out
    assert abs(uncentred @ [0, 1, 0]) < 0.7


def test_samples_that_spread_in_no_direction_are_refused() -> None:
    with pytest.raises(NeuronsError, match="3 samples that are all the same"):
        principal(np.full((3, 4), 1e8) + np.array([[0.0], [1e-9], [0]]))
    with pytest.raises(NeuronsError, match="asked for 3 components of 3 samples, which spread in 2"):
        principal(np.random.default_rng(0).normal(size=(3, 9)), count=3)
    with pytest.raises(NeuronsError, match="some of them NaN or infinite"):
        principal([[1.0, np.nan], [0, 0]])
    with pytest.raises(NeuronsError, match="at least 2"):
        principal([[1.0, 2.0]])


def labelled(seed: int, apart: float, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2 == 0
    return rng.normal(size=(count, 60)) + apart * labels[:, None] * (np.arange(60) == 7), labels


@pytest.mark.parametrize("by", ["means", "probe"])
def test_a_concept_that_is_there_is_found_and_one_that_is_not_is_not(by: str) -> None:
    found = concept(*labelled(0, 6.0), by=by, permutations=19)
    assert found.vector.argmax() == 7
    assert np.linalg.norm(found.vector) == pytest.approx(1)
    assert found.accuracy > 0.8
    assert found.p == pytest.approx(1 / 20)
    assert found.interval[0] <= found.accuracy <= found.interval[1]
    assert found.apart > 3
    nothing = concept(*labelled(1, 0.0), by=by, permutations=19)
    assert nothing.interval[0] < nothing.accuracy < nothing.interval[1]
    assert nothing.p > 0.05
    assert abs(nothing.null.mean() - 0.5) < 0.1
    # Without samples held out it would look like a concept: 60 dimensions tell any 40 points apart.
    samples, labels = labelled(1, 0.0)
    said = (samples - samples.mean(0)) @ nothing.vector
    assert ((said > np.median(said)) == labels).mean() > 0.8


@pytest.mark.parametrize(("seed", "factor"), [(0, 0.01), (1, 100.0)])
def test_a_concept_turns_and_grows_with_the_samples_and_flips_with_the_labels(seed: int, factor: float) -> None:
    samples, labels = labelled(seed, 2.0, count=12)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(60, 60)))[0]
    for by in ("means", "probe"):
        one = concept(samples, labels, by=by, permutations=1)
        other = concept(factor * samples @ turn + 3, labels, by=by, permutations=1)
        np.testing.assert_allclose(other.vector, one.vector @ turn, atol=2e-3)
        flipped = concept(samples, ~labels, by=by, permutations=1)
        np.testing.assert_allclose(flipped.vector, -one.vector, atol=2e-3)
        assert other.apart == pytest.approx(factor * one.apart, rel=1e-2)


def test_crops_of_one_image_are_held_out_together() -> None:
    # Sixteen images without a concept, of 6 nearly equal crops each.
    rng = np.random.default_rng(0)
    images = np.repeat(np.arange(16), 6)
    samples = rng.normal(size=(16, 40))[images] + 0.05 * rng.normal(size=(96, 40))
    labels = images % 2 == 0
    together = concept(samples, labels, groups=images.tolist(), permutations=19)
    assert together.p > 0.05
    assert concept(samples, labels, permutations=19).accuracy > 0.9  # the leak
    with pytest.raises(NeuronsError, match="one label for all of a group"):
        concept(samples, labels, groups=(images // 2).tolist())


def test_what_holds_no_concept_is_refused() -> None:
    samples, labels = labelled(0, 1.0)
    with pytest.raises(NeuronsError, match="one kind alone, 'dog'"):
        concept(samples, ["dog"] * 40)
    with pytest.raises(NeuronsError, match="was given 3 kinds"):
        concept(samples, np.arange(40) % 3)
    with pytest.raises(NeuronsError, match="1 group of one of the two kinds"):
        concept(samples, np.arange(40) == 3)
    with pytest.raises(NeuronsError, match="wanted one each"):
        concept(samples, labels[:-1])
    with pytest.raises(NeuronsError, match="the same mean"):
        concept(np.repeat(samples[:4], 2, axis=0), [0, 1] * 4, by="means")
    with pytest.raises(UnknownNameError, match="has no way 'mean'"):
        concept(samples, labels, by="mean")


def test_a_line_runs_along_its_direction() -> None:
    path = line([3.0, 4.0], through=[1.0, 1.0], low=-5, high=10)
    np.testing.assert_allclose(path([-5, 0, 10]), [[-2, -3], [1, 1], [7, 9]])
    assert feature(neurons.Affine([[3.0], [4.0]], names=["a"]), "a").tolist() == [0.6, 0.8]
    # Squares of such numbers would be 0, or infinite.
    np.testing.assert_allclose(unit([3e-200, 4e-200]), [0.6, 0.8])
    np.testing.assert_allclose(unit([3e200, 4e200]), [0.6, 0.8])


@pytest.mark.parametrize("direction", [[0.0, 0.0], [1.0, np.nan], [np.inf, 1.0], [[1.0]], []])
def test_what_is_no_direction_is_refused(direction: list[float]) -> None:
    with pytest.raises(NeuronsError, match="wanted finite numbers, not all 0"):
        line(direction)


def test_what_is_no_line_is_refused() -> None:
    with pytest.raises(NeuronsError, match="neuron 'silent' of layer has shape .* largest entry 0"):
        feature(neurons.Affine([[0.0]], [1.0], names=["silent"]), "silent")
    with pytest.raises(NeuronsError, match=r"2 inputs through a point of shape \(3,\)"):
        line([1.0, 0], through=[0.0, 0, 0])
    with pytest.raises(NeuronsError, match="a line from 2 to 2 has no length"):
        line([1.0], low=2, high=2)


def test_the_path_of_a_turning_line_is_what_the_layer_sees() -> None:
    edges = Family("edges", Gabor(wavelength=4, sigma=1.4), angles=4)
    lines = Family("lines", Tile(edges, along=Line(length=3), tolerance=30), angles=4)
    net = ck.HandbuiltNet(ck.build(Circuit("lines", [edges, lines])))
    turning = ck.grid(ck.stimuli.Line(), angle=tuple(range(0, 180, 15)))
    seen = read(net["lines"])
    path = stimulus_path(seen, turning)
    assert path.names == seen.input_names
    np.testing.assert_array_equal(path.at, range(0, 180, 15))
    tuned = ck.tune(net["lines"], turning)
    said = seen(path)
    np.testing.assert_allclose(np.maximum(said.values, 0), tuned.values, atol=1e-5)
    # Between two images it is halfway in what the layer reads, and so in what it says.
    np.testing.assert_allclose(said(7.5), (said(0.0) + said(15.0)) / 2, atol=1e-9)
    with pytest.raises(NeuronsError, match="wanted one axis"):
        stimulus_path(seen, ck.grid(ck.stimuli.Line(), angle=(0, 15), width=(2, 3)))
    with pytest.raises(NeuronsError, match="values do not rise"):
        stimulus_path(seen, ck.grid(ck.stimuli.Line(), angle=(30, 15)))
