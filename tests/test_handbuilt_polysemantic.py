"""A unit by hand has the three meanings that were written into it, and what it is made of has one."""

import functools

import numpy as np
import pytest
from jaxtyping import Float

from circuitkit import valleys
from circuitkit.polysemantic import Meanings, kinds, meanings, tell
from experiments.polysemanticity import by_hand
from handbuilt import polysemantic
from handbuilt.polysemantic import MEANINGS, PARTS
from tests.strategies import unchecked

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No further draws of nulls."""
    monkeypatch.setattr(valleys, "MORE", 1)


@functools.cache
def shown() -> by_hand.Shown:
    """Returns 24 drawings of each meaning and one of each decoy, as the parts and the unit hear them."""
    with unchecked():
        return by_hand.shown(24, 1, seed=0)


def responses(name: str) -> Float[np.ndarray, " image"]:
    return by_hand.responses(shown(), name)


@functools.cache
def found() -> Meanings:
    with unchecked():
        return kinds(responses("cat_or_car"), shown().held, share=0.88, draws=199)


@pytest.mark.parametrize("name", MEANINGS)
def test_a_detector_responds_to_its_own_drawing_alone(name: str) -> None:
    own = shown().names == name
    assert responses(name)[own].min() > 0
    assert responses(name)[~own].max() == 0


@pytest.mark.parametrize("name", MEANINGS)
def test_parts_alone_would_respond_to_more(name: str) -> None:
    """The broken twin: without a threshold, what a detector is made of is there in other drawings, too."""
    own = shown().names == name
    sums = by_hand.sums(shown(), name)
    assert sums[~own].max() > 0.3 * sums[own].mean()
    assert sums[~own].max() < polysemantic.THRESHOLDS[name] < sums[own].min()


def test_the_unit_responds_to_all_three_and_to_no_decoy() -> None:
    drawn = np.isin(shown().names, MEANINGS)
    assert responses("cat_or_car")[drawn].min() > 0
    assert responses("cat_or_car")[~drawn].max() == 0
    # It is the mean of the detectors.
    total = sum(responses(name) for name in MEANINGS)
    np.testing.assert_allclose(responses("cat_or_car"), total / 3, atol=1e-5)


def test_three_meanings_are_found_and_their_directions() -> None:
    assert found().count == 3
    assert found().p == 1 / 200
    which = [np.unique(shown().names[group]).tolist() for group in found().members]
    assert sorted(which) == [[name] for name in sorted(MEANINGS)]
    true = by_hand.true_directions()
    for (name,), direction in zip(which, found().directions.values, strict=True):
        cosines = true @ direction
        assert cosines[MEANINGS.index(name)] > 0.8
        assert np.sort(cosines)[1] < 0.5
    with unchecked():
        assert tell(shown().held, found()).auc.min() > 0.95


@pytest.mark.parametrize("name", MEANINGS)
def test_a_detector_has_one_meaning(name: str) -> None:
    with unchecked():
        one = by_hand.monosemantic(shown(), name, draws=199)
    assert one.count == 1
    assert one.p > 0.05


def test_a_line_has_one_meaning_in_a_layer_that_is_blind_to_polarity_and_two_in_one_that_is_not() -> None:
    with unchecked():
        by_layer, polarity = by_hand.looked_at("lines@0", 14, seed=0)
        one, two = (meanings(seen, 0, share=0.5, draws=99) for seen in by_layer.values())
    assert one.count == 1
    assert one.p > 0.05
    assert two.count == 2
    assert sorted(np.unique(polarity[group]).tolist() for group in two.members) == [["dark"], ["light"]]


def test_the_parts_are_those_that_the_circuit_has() -> None:
    assert {part for parts in PARTS.values() for part in parts} == set(polysemantic.RESPONSES)
    assert set(polysemantic.RESPONSES) < {family.name for family in polysemantic.SPEC.families}
