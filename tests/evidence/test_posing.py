"""Which units are controls of which: those that stand elsewhere."""

import numpy as np

from circuitkit import hypothesis
from circuitkit.evidence.posing import posed_elsewhere


def test_units_that_prefer_about_the_same_angle_are_no_controls_of_each_other() -> None:
    own, other = np.array([0.0, 100.0]), np.array([80.0, 95.0, 350.0])
    curve = posed_elsewhere(hypothesis.curve(), own, other)
    np.testing.assert_array_equal(curve, [[False, True, False], [False, False, True]])
    # Lines come back after half a turn: a right angle is as far apart as they can be.
    line = posed_elsewhere(hypothesis.line(), np.array([0.0]), np.array([80.0, 95.0, 175.0]))
    np.testing.assert_array_equal(line, [[True, True, False]])


def test_all_are_controls_where_the_shape_has_no_angle() -> None:
    assert posed_elsewhere(hypothesis.circle(), np.array([np.nan]), np.array([np.nan, np.nan])).all()
