"""How sure a number is: laws of chance, intervals and the area under the ROC curve."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from circuitkit.evidence.statistics import auc, bootstrap, effect, p_value

VALUES = st.integers(0, 5).map(float)  # few, so that many are equal


@given(
    positive=hnp.arrays(float, st.tuples(st.integers(1, 7), st.just(3)), elements=VALUES),
    negative=hnp.arrays(float, st.tuples(st.integers(1, 7), st.just(3)), elements=VALUES),
)
def test_the_area_under_the_curve_counts_pairs(positive: np.ndarray, negative: np.ndarray) -> None:
    above = positive[:, None] > negative[None]
    equal = positive[:, None] == negative[None]
    assert np.allclose(auc(positive, negative), (above + equal / 2).mean((0, 1)))
    assert np.allclose(auc(positive, negative) + auc(negative, positive), 1)


def test_a_silent_unit_is_at_chance() -> None:
    assert auc(np.zeros((3, 1)), np.zeros((9, 1))) == 0.5


def test_p_counts_the_controls_that_reach_a_value_and_the_unit_itself() -> None:
    null = np.arange(19.0)
    assert np.allclose(p_value(np.array([18.5, 18.0, -1.0, np.nan]), null), [1 / 20, 2 / 20, 1, 1])
    assert np.allclose(p_value(np.array([3.0]), np.array([np.nan, 1.0])), [1 / 2])
    assert np.allclose(p_value(np.array([3.0]), np.zeros(0)), [1])  # nothing to compare with proves nothing


def test_p_is_uniform_when_there_is_nothing() -> None:
    rng = np.random.default_rng(0)
    p = np.array([p_value(rng.normal(size=1), rng.normal(size=39))[0] for _ in range(2000)])
    for level in (0.05, 0.25, 0.5):
        assert abs((p <= level).mean() - level) < 4 * np.sqrt(level * (1 - level) / 2000)


def test_an_effect_is_in_deviations_of_the_controls() -> None:
    assert np.allclose(effect(np.array([4.0]), np.array([0.0, 2.0])), 3 / np.sqrt(2))
    assert np.isnan(effect(np.array([4.0]), np.array([1.0]))).all()
    assert np.isnan(effect(np.array([4.0]), np.array([1.0, 1.0]))).all()


def test_intervals_hold_the_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    samples = rng.normal(3, 1, (40, 300))
    low, high = bootstrap(samples, seed=0)
    inside = ((low <= 3) & (high >= 3)).mean()
    assert 0.88 < inside < 0.98  # percentile intervals of 40 samples are a little narrow
    assert np.isfinite(bootstrap(np.array([[np.nan], [1.0], [2.0]]), seed=0)).all()
