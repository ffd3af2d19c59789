"""What a unit is said to detect: the ready-made ones are what they say, looks are balanced, nonsense is refused."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitkit import stimuli
from circuitkit.errors import SpecError, UnknownNameError
from circuitkit.hypothesis import HYPOTHESES, STROKED, Hypothesis, curve, drawn_looks, levels_of_looks, line

SIDE = 41


def drawn(said: Hypothesis, angle: float) -> np.ndarray:
    return np.asarray(said.posed(angle, said.sizes[0] if said.sizes else None).draw(SIDE))


@pytest.mark.parametrize("name", HYPOTHESES)
def test_a_period_brings_the_shape_back_and_half_of_it_does_not(name: str) -> None:
    said = HYPOTHESES[name]()
    period = said.period or 37.0  # a shape without an angle looks the same at any
    assert np.allclose(drawn(said, 20), drawn(said, 20 + period), atol=1e-3)
    if said.period is not None:
        assert not np.allclose(drawn(said, 20), drawn(said, 20 + period / 2), atol=0.1)


@pytest.mark.parametrize("name", HYPOTHESES)
def test_rivals_can_be_drawn_in_every_look_and_differ_from_the_shape(name: str) -> None:
    said = HYPOTHESES[name]()
    own = np.asarray(said.stimuli(4, looks=3)[0].draw(SIDE))
    for rival in said.rival_stimuli(4, looks=3).values():
        assert len(rival) == 3 * 4
        assert not np.allclose(np.asarray(rival[0].draw(SIDE)), own, atol=0.1)


def test_a_part_of_a_curve_is_a_third_of_its_circle_or_all_of_what_is_shown() -> None:
    part = curve(sizes=(10.0, 20.0, 60.0)).part_stimuli(4, looks=9)
    assert part.shape == (6, 3, 4)  # the first looks, the sizes, the angles
    assert [part.coords["length"][1][index] for index in range(3)] == pytest.approx([20.94, 41.89, 90.0], abs=0.01)
    with pytest.raises(SpecError, match="names no part"):
        line().part_stimuli(4)
    with pytest.raises(SpecError, match="wanted a parameter of Line"):
        Hypothesis(name="x", shape=stimuli.Line(), part=("length", 1.0))


@given(count=st.integers(1, 40), seed=st.integers(0, 10_000))
def test_looks_are_balanced_and_the_first_is_plain(count: int, seed: int) -> None:
    for name, levels in levels_of_looks(STROKED, count, seed).items():
        assert len(levels) == count
        assert levels[0] == 0
        rest = Counter(levels[1:])
        shares = [rest[level] for level in range(len(STROKED[name]))]
        assert max(shares) - min(shares) <= 1


@given(seed=st.integers(0, 10_000))
def test_looks_are_what_their_levels_say(seed: int) -> None:
    values, levels = drawn_looks(STROKED, 9, seed), levels_of_looks(STROKED, 9, seed)
    for name, chosen in levels.items():
        for key in STROKED[name][0]:
            assert values[key] == [STROKED[name][level][key] for level in chosen]


def test_angles_are_compared_within_a_period() -> None:
    assert curve().apart(350.0, 10.0) == -20
    assert line().apart(175.0, 5.0) == -10
    assert HYPOTHESES["circles"]().apart(80.0, 10.0) == 0


def test_what_is_said_of_a_pose_is_kept() -> None:
    said = curve(angle=190, radius=22)
    assert (said.angle, said.at) == (190, 22)
    assert said.posed(190, 22).radius == 22


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"period": 100.0}, SpecError, "no whole number of these makes a turn"),
        ({"period": None, "angle": 10.0}, SpecError, "but no period"),
        ({"size": "radus"}, UnknownNameError, "Did you mean 'radius'"),
        ({"sizes": ()}, SpecError, "ascending values, or neither"),
        ({"sizes": (20.0, 10.0)}, SpecError, "ascending values, or neither"),
        ({"size": None, "sizes": (), "at": 4.0}, SpecError, "has no size"),
        ({"factors": {"width": ()}}, SpecError, "the same parameters in each"),
        ({"factors": {"width": ({"width": 1.0}, {"blur": 1.0})}}, SpecError, "the same parameters in each"),
        ({"factors": {"a": ({"width": 1.0},), "b": ({"width": 2.0},)}}, SpecError, "in two factors"),
        ({"factors": {"widht": ({"widht": 1.0},)}}, UnknownNameError, "Did you mean 'width'"),
    ],
)
def test_nonsense_is_refused(change: dict[str, object], error: type[Exception], says: str) -> None:
    fields = {"name": "arc", "shape": stimuli.Curve(), "size": "radius", "sizes": (10.0, 20.0), **change}
    with pytest.raises(error, match=says):
        Hypothesis(**fields)  # type: ignore[arg-type]
