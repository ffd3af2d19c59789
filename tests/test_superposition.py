"""Directions are as they were built, recovery is as predicted, and neither order nor axes change anything."""

import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitkit import superposition as sp
from circuitkit.errors import SpecError
from experiments.superposition import __main__ as experiment
from experiments.superposition import capacity, figures
from tests.strategies import unchecked
from tests.viz.test_figures import blemishes, off_centre

SEEDS = st.integers(0, 2**31)
FLOAT32_ROUNDING = 1e-5
"""Of a read-out whose terms sum to at most 10."""


def cosines(directions: np.ndarray) -> np.ndarray:
    """Returns those of all pairs of two directions."""
    return (directions @ directions.T)[~np.eye(len(directions), dtype=bool)]


def rotation(n: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]


MADE = {
    "pairs": sp.pairs(8),
    "simplex": sp.simplex(5),
    "random": sp.random_unit(9, 4, seed=3),
    "frame, odd": sp.tight_frame(11, 5),
    "frame, even": sp.tight_frame(10, 4),
    "square": sp.tight_frame(4, 4),
    "halves": experiment.halves(),
}


# Directions.


@pytest.mark.parametrize("name", MADE)
def test_directions_are_unit_vectors(name: str) -> None:
    np.testing.assert_allclose(np.linalg.norm(MADE[name], axis=1), 1, atol=1e-12)


def test_pairs_are_opposite_and_otherwise_orthogonal() -> None:
    np.testing.assert_array_equal(MADE["pairs"] @ MADE["pairs"].T, np.kron(np.eye(4), [[1, -1], [-1, 1]]))


@pytest.mark.parametrize("m", [2, 3, 6, 12])
def test_a_simplex_reaches_the_welch_bound_at_every_pair(m: int) -> None:
    np.testing.assert_allclose(cosines(sp.simplex(m)), -sp.welch_bound(m, m - 1), atol=1e-12)


@pytest.mark.parametrize(("m", "n"), [(5, 2), (7, 3), (20, 5), (9, 8), (16, 8), (6, 6), (5, 1)])
def test_a_tight_frame_is_tight_and_reaches_the_welch_bound_in_the_mean(m: int, n: int) -> None:
    frame = sp.tight_frame(m, n)
    np.testing.assert_allclose(frame.T @ frame, m / n * np.eye(n), atol=1e-12)
    assert np.sqrt(np.mean(cosines(frame) ** 2)) == pytest.approx(sp.welch_bound(m, n), abs=1e-9)


@given(SEEDS)
def test_no_directions_stay_below_the_welch_bound_and_random_ones_are_no_tight_frame(seed: int) -> None:
    drawn = sp.random_unit(9, 4, seed=seed)
    bound = sp.welch_bound(9, 4)
    assert sp.coherence(drawn) > bound
    assert np.sqrt(np.mean(cosines(drawn) ** 2)) > bound + 1e-4


def test_halves_of_six_are_ten_equiangular_lines_both_ways() -> None:
    halves = experiment.halves()
    assert halves.shape == (20, 5)
    values, counts = np.unique(np.round(cosines(halves), 9), return_counts=True)
    np.testing.assert_allclose(values, [-1, -1 / 3, 1 / 3], atol=1e-8)
    assert counts.tolist() == [20, 180, 180]
    assert capacity.at_most(5, 1 / 3) == pytest.approx(10)


@given(SEEDS)
def test_shares_of_channels_sum_to_the_channels_at_most(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = sp.random_unit(9, 4, seed=seed) * rng.uniform(0, 2, (9, 1))
    assert sp.dimensionality(weights).sum() < 4
    for name in ("pairs", "simplex", "frame, odd", "halves"):
        assert sp.dimensionality(MADE[name]).sum() == pytest.approx(MADE[name].shape[1])
    np.testing.assert_allclose(sp.dimensionality(MADE["pairs"]), 0.5)
    np.testing.assert_array_equal(sp.dimensionality(np.diag([2.0, 0.0])), [1, 0])


# Writing and reading.


@given(SEEDS)
def test_features_that_do_not_interfere_are_read_back(seed: int) -> None:
    x = np.random.default_rng(seed).uniform(0, 2, (5, 6))  # all at once
    directions = rotation(6, seed)
    assert sp.recovery(x, sp.recover(x, directions)) > 1 - FLOAT32_ROUNDING
    # The same with two of them moved together: they are not.
    nearer = directions.copy()
    nearer[1] = (nearer[0] + nearer[1]) / np.sqrt(2)
    assert sp.recovery(x, sp.recover(x, nearer)) < 0.99


@given(SEEDS)
def test_an_order_of_features_is_only_an_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, directions, bias = rng.uniform(0, 1, (8, 9)), MADE["random"], rng.uniform(-0.5, 0.1, 9)
    order = rng.permutation(9)
    y = np.asarray(sp.recover(x, directions, bias))
    again = np.asarray(sp.recover(x[:, order], directions[order], bias[order]))
    np.testing.assert_allclose(again, y[:, order], atol=FLOAT32_ROUNDING)
    found = [
        sp.detect(x[:, o], sp.recover(x[:, o], directions[o], bias[o]), threshold=0.2) for o in (np.arange(9), order)
    ]
    np.testing.assert_allclose(found[1].recovery, found[0].recovery[order], rtol=1e-3)
    scenes = sp.independent(9, 0.05)
    whole = sp.predicted_recovery(directions @ directions.T, bias, scenes)
    moved = sp.predicted_recovery(directions[order] @ directions[order].T, bias[order], scenes)
    np.testing.assert_allclose(moved, whole, rtol=1e-9)


def test_an_order_that_the_bias_does_not_follow_is_noticed() -> None:
    x, bias = np.eye(9), np.linspace(-0.9, 0, 9)
    y = np.asarray(sp.recover(x, MADE["random"], bias))
    wrong = np.asarray(sp.recover(x[:, ::-1], MADE["random"][::-1], bias))
    assert np.abs(wrong - y[:, ::-1]).max() > 0.1


@given(SEEDS)
def test_turning_all_directions_changes_nothing(seed: int) -> None:
    x = np.random.default_rng(seed).uniform(0, 1, (8, 9))
    turned = MADE["random"] @ rotation(4, seed)
    y = np.asarray(sp.recover(x, MADE["random"], -0.1 * np.ones(9)))
    np.testing.assert_allclose(sp.recover(x, turned, -0.1 * np.ones(9)), y, atol=FLOAT32_ROUNDING)
    assert sp.coherence(turned) == pytest.approx(sp.coherence(MADE["random"]))
    np.testing.assert_allclose(sp.dimensionality(turned), sp.dimensionality(MADE["random"]))
    # Stretched along one channel, they are other directions.
    assert np.abs(np.asarray(sp.recover(x, MADE["random"] * [2, 1, 1, 1], -0.1 * np.ones(9))) - y).max() > 0.1


def test_muted_interference_is_not_read_and_features_alone_are_read_in_full() -> None:
    directions = experiment.halves()
    alone = np.eye(20)
    weights, bias = sp.muted(directions, 1 / 3)
    np.testing.assert_allclose(sp.recover(alone, weights, bias), alone, atol=FLOAT32_ROUNDING)
    less, its = sp.muted(directions, 0.3)
    assert np.abs(np.asarray(sp.recover(alone, less, its)) - alone).max() > 0.04


def test_detection_counts_what_it_says() -> None:
    x = np.array([[1.0, 0, 1], [1, 0, 1], [0, 1, 1], [0, 0, 1]])
    y = np.array([[0.9, 0, 1], [0.2, 0.6, 1], [0.2, 0.9, 1], [0, 0, 1]])
    found = sp.detect(x, y, threshold=0.5)
    np.testing.assert_allclose(found.auc, [7 / 8, 1, np.nan])  # of four pairs, three are right and one is a tie
    np.testing.assert_allclose(found.hits, [0.5, 1, 1])
    np.testing.assert_allclose(found.false_alarms, [0, 1 / 3, np.nan])
    np.testing.assert_allclose(found.recovery, [1 - (0.01 + 0.64 + 0.04) / 2, 1 - 0.37, 1])
    assert sp.recovery(x, x) == 1
    assert np.isnan(sp.recovery(0 * x, y))


# Predictions.


def slowly(gram: np.ndarray, bias: np.ndarray, p: float, sizes: str) -> float:
    """Returns recovery over every subset of features, and over a grid of sizes where these are uniform."""
    m = len(gram)
    grid = np.ones(1) if sizes == "one" else (np.arange(60) + 0.5) / 60
    error = energy = 0.0
    for subset in range(2**m):
        there = np.array([subset >> i & 1 for i in range(m)])
        x = np.stack(np.meshgrid(*[grid if on else np.zeros(1) for on in there], indexing="ij"), axis=-1)
        chance = np.prod(np.where(there, p, 1 - p))
        error += chance * np.mean(np.sum((np.maximum(x @ gram + bias, 0) - x) ** 2, axis=-1))
        energy += chance * np.mean(np.sum(x**2, axis=-1))
    return 1 - error / energy


@given(SEEDS, st.sampled_from(["one", "uniform"]), st.floats(0.01, 0.9))
def test_of_two_features_the_prediction_is_exact(seed: int, sizes: str, p: float) -> None:
    rng = np.random.default_rng(seed)
    gram, bias = rng.normal(size=(2, 2)), rng.normal(size=2) / 2
    found = sp.predicted_recovery(gram, bias, sp.independent(2, p), sizes=sizes)
    wanted = slowly(gram, bias, p, sizes)
    assert found.recovery == pytest.approx(found.at_least, abs=1e-6 / p)
    assert found.recovery == pytest.approx(wanted, abs=2e-3 / p**0.5 * (1 + abs(1 - wanted)))  # the grid's
    # A twin that is never silent: of one that is, a bias a little higher is silent too.
    spoiled = sp.predicted_recovery(gram, bias + 9.0, sp.independent(2, p), sizes=sizes)
    assert spoiled.recovery != pytest.approx(wanted, abs=1e-6)


@given(SEEDS, st.sampled_from(["one", "uniform"]), st.floats(0.01, 0.9))
def test_of_three_features_the_truth_lies_between_the_bounds(seed: int, sizes: str, p: float) -> None:
    rng = np.random.default_rng(seed)
    weights, bias = rng.normal(size=(3, 2)), rng.normal(size=3) / 2
    gram = weights @ weights.T
    scenes = sp.independent(3, p)
    high, low = sp.predicted_recovery(gram, bias, scenes, sizes=sizes)
    first = sp.predicted_recovery(gram, bias, scenes._replace(together=np.zeros((3, 3))), sizes=sizes)
    truth = slowly(gram, bias, p, sizes)
    slack = 2e-3 * (1 + abs(low))  # the grid's
    assert low - slack <= truth <= high + slack
    assert first.at_least <= low + 1e-9
    assert high <= first.recovery + 1e-9


@pytest.mark.parametrize("sizes", ["one", "uniform"])
@pytest.mark.parametrize("design", ["5 pairs", "halves of six", "random"])
def test_recovery_is_as_predicted_where_features_rarely_meet(design: str, sizes: str) -> None:
    directions, threshold = experiment.designs()[design]
    weights, bias = sp.muted(directions, threshold)
    scenes = sp.independent(len(weights), 0.002)
    predicted = sp.predicted_recovery(weights @ weights.T, bias, scenes, sizes=sizes)
    x = sp.draw(scenes, 400_000, seed=0, sizes=sizes)
    measured = sp.recovery(x, sp.recover(x, weights, bias))
    assert measured == pytest.approx(predicted.recovery, rel=0.05)
    # A twin: the same bias, and directions that are nearer to each other.
    squeezed = weights * np.linspace(1, 0.2, weights.shape[1])
    wrong = sp.predicted_recovery(squeezed @ squeezed.T, bias, scenes, sizes=sizes)
    assert wrong.recovery != pytest.approx(measured, rel=0.05)


def test_dogs_and_cars_are_read_back_until_they_meet() -> None:
    directions = experiment.kinds()["each car over 8 dogs"]
    weights, bias = sp.muted(directions, sp.coherence(directions))
    found = []
    for meet in (0.0, 0.5, 1.0):
        scenes = sp.two_kinds(8, 8, meet)
        predicted = sp.predicted_recovery(weights @ weights.T, bias, scenes)
        assert predicted.recovery == pytest.approx(predicted.at_least)
        x = sp.draw(scenes, 20_000, seed=1)
        assert set(x.sum(1)) == {0.0: {1}, 0.5: {1, 2}, 1.0: {2}}[meet]
        assert sp.recovery(x, sp.recover(x, weights, bias)) == pytest.approx(predicted.recovery, abs=0.01)
        found.append(predicted.recovery)
    assert found[0] == pytest.approx(1)
    assert found[0] > found[1] + 0.1 > found[2] + 0.1


def test_drawn_scenes_hold_what_they_should() -> None:
    for scenes in (sp.independent(5, 0.2), sp.two_kinds(2, 3, 0.3)):
        x = sp.draw(scenes, 40_000, seed=0, sizes="uniform") > 0
        np.testing.assert_allclose(x.mean(0), scenes.each, atol=0.01)
        together = (x.T.astype(float) @ x / len(x)) * (1 - np.eye(5))
        np.testing.assert_allclose(together, scenes.both, atol=0.01)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(SpecError, match=r"pairs has m=5: wanted an even number of features. Try 4 or 6."):
        sp.pairs(5)
    with pytest.raises(SpecError, match=r"tight_frame has m=3 and n=4: wanted at least as many features as channels"):
        sp.tight_frame(3, 4)
    with pytest.raises(SpecError, match=r"simplex has m=1: wanted a whole number, at least 2"):
        sp.simplex(1)
    with pytest.raises(SpecError, match=r"muted has threshold=1.0: wanted a cosine, at least 0 and below 1"):
        sp.muted(sp.pairs(4), 1.0)
    with pytest.raises(SpecError, match=r"independent has p=0.0: wanted a probability between 0 and 1"):
        sp.independent(4, 0.0)
    with pytest.raises(SpecError, match=r"two_kinds has meet=2.0: wanted a probability, 0 to 1"):
        sp.two_kinds(2, 2, 2.0)
    scenes = sp.independent(3, 0.1)
    with pytest.raises(SpecError, match="no way to draw them"):
        sp.draw(scenes._replace(both=2 * scenes.both), 10, seed=0)


# Capacity.


@pytest.mark.parametrize("n", [2, 5, 20])
@pytest.mark.parametrize("cosine", [0.2, 0.5, 0.8])
def test_what_fits_lies_between_the_bounds(n: int, cosine: float) -> None:
    low, high = capacity.at_least(n, cosine), capacity.at_most(n, cosine)
    assert n <= low <= high
    assert capacity.packed(n, cosine, tries=200, seed=0) <= high
    # More directions than may fit interfere more than they may.
    if high < 300:
        assert sp.coherence(sp.random_unit(int(high) + 1, n, seed=0)) > cosine


# The experiment and the lesson.


def test_the_experiment_runs_and_its_pictures_are_legible() -> None:
    with unchecked():
        tables, pictures = experiment.run(experiment.SMOKE)
        weights = {"pairs": sp.pairs(10), "random": sp.random_unit(20, 5, seed=0)}
        drawn = [
            figures.interference(weights),
            figures.predicted(tables["predicted"]),
            figures.meeting(tables["meeting"]),
            figures.capacity(tables["capacity"]),
            figures.trained(tables["trained"]),
        ]
    assert set(pictures) == {"interference", "predicted", "meeting", "capacity", "trained"}
    for figure in drawn:
        assert blemishes(figure) == []
        assert off_centre(figure) == []
    assert (tables["capacity"]["counted"] <= tables["capacity"]["at most"]).all()


@pytest.mark.slow
def test_nets_learn_pairs_where_features_are_frequent_and_a_tight_frame_where_they_are_rare() -> None:
    with unchecked():
        weights, bias = experiment.toy.train(20, 5, (0.3, 0.01), seeds=1, steps=1000)
    often, rarely = (sp.dimensionality(each[0]) for each in weights)
    assert np.sum(np.abs(often - 0.5) < 0.02) == 10
    assert np.sum(often < 0.02) == 10
    np.testing.assert_allclose(rarely, 0.25, atol=0.03)
    cosine = experiment.geometry(weights[1, 0])
    assert cosine["root mean square cosine"] == pytest.approx(sp.welch_bound(20, 5), rel=0.02)
    assert cosine["largest cosine"] < 0.4
    assert bias[0].mean() > 0 > bias[1].mean()


LESSON = Path(__file__).parents[1] / "docs" / "superposition.md"


def test_the_lesson_runs_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    text = LESSON.read_text(encoding="utf-8")
    names: dict[str, object] = {}
    with unchecked():
        for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
            exec(block, names)
    printed = capsys.readouterr().out
    quoted = re.findall(r"^print\(.*\)  # (.*)$", text, flags=re.MULTILINE)
    quoted += re.findall(r"^    (\d\.\d \d.*)$", text, flags=re.MULTILINE)
    assert len(quoted) >= 10
    for said in quoted:
        assert said in printed


def test_channels_may_be_jax_arrays() -> None:
    x = jnp.eye(4)
    assert sp.recovery(x, sp.recover(x, jnp.asarray(sp.pairs(4), jnp.float32))) == 1
