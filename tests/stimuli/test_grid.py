"""Grids: every combination once, in order, and bad axes refused before anything is drawn."""

import math

import numpy as np
import pytest

from circuitkit.errors import StimulusError, UnknownNameError
from circuitkit.stimuli import Curve, grid, log, turn


def test_every_combination_comes_once_the_last_axis_fastest() -> None:
    found = grid(Curve(), angle=turn(4), radius=(10, 20, math.inf))
    assert len(found) == 12
    assert found.shape == (4, 3)
    table = found.table()
    assert table[:4].tolist() == [[0, 10], [0, 20], [0, math.inf], [90, 10]]
    assert len({tuple(row) for row in table.tolist()}) == 12


def test_a_row_draws_what_its_parameters_say() -> None:
    found = grid(Curve(width=3.0), angle=(0.0, 45.0), polarity=(1, -1))
    images = np.asarray(found.images(33, 33))[..., 0]
    for image, (angle, polarity) in zip(images, found.table(), strict=True):
        wanted = Curve(width=3.0, angle=float(angle), polarity=float(polarity)).draw(33, 33, anchor=(16.0, 16.0))
        np.testing.assert_allclose(image, wanted, atol=1e-5)


def test_turn_and_log_space_evenly() -> None:
    assert turn(4) == (0, 90, 180, 270)
    assert turn(3, over=180) == (0, 60, 120)
    np.testing.assert_allclose(log(10, 40, 3), (10, 20, 40))


def test_bad_axes_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="stimulus Curve has no parameter 'raduis'. Did you mean 'radius'"):
        grid(Curve(), raduis=(1, 2))
    with pytest.raises(StimulusError, match="axis 'angle' of the grid is empty"):
        grid(Curve(), angle=())
    with pytest.raises(StimulusError, match="the grid has no axis: name a parameter"):
        grid(Curve())
    with pytest.raises(StimulusError, match="Curve has angle=nan"):
        grid(Curve(), angle=(0.0, math.nan))
    with pytest.raises(StimulusError, match="log\\(0, 4, 3\\) has no values"):
        log(0, 4, 3)
