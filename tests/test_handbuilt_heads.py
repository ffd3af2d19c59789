"""Heads by hand: each pathway for its side, their union for both, and inhibition as the reason."""

import functools

import numpy as np
import pytest

from circuitkit import HandbuiltNet, build, tune
from circuitkit.stimuli import Head, LabelledSet
from circuitkit.stimuli.photographs import pictures
from experiments.unioning.weights import by_hand
from handbuilt import heads

RIGHT, LEFT = 0, 1
SIDE = {"heads": 191, "on_necks": 291}


@functools.cache
def network(rivalry: float = 1.0) -> HandbuiltNet:
    return HandbuiltNet(build(heads.circuit(rivalry)))


def picture(side: int, **options: float) -> LabelledSet:
    image = np.asarray(Head(**heads.HEAD | options).draw(side))
    return pictures(image[None].repeat(3, -1))


@functools.cache
def centre(layer: str, *, rivalry: float = 1.0, **options: float) -> np.ndarray:
    """Returns what the units under the head's anchor say."""
    return tune(network(rivalry)[layer], picture(SIDE[layer], **options)).values[0]


def test_each_pathway_is_for_its_side_and_the_union_for_both():
    right, left = centre("heads", neck=0.0), centre("heads", neck=0.0, facing=-1.0)
    assert right[RIGHT] >= 10 * right[LEFT]
    assert left[LEFT] >= 10 * left[RIGHT]


def test_a_mirror_leaves_the_union_as_it_is_and_no_other_pathway_is_heard_beside_the_head():
    side = 261  # responses within 35 pixels of the head

    def maps(layer: str, facing: float) -> np.ndarray:
        image = picture(side, neck=0.0, facing=facing)
        return tune(network()[layer], image, read_out="map", size=side).values[0]

    union, mirrored = (maps("head", facing)[..., 0] for facing in (1.0, -1.0))
    away = np.abs(union - mirrored[:, ::-1]) / union.max()
    assert away[35, 35] <= 1e-6
    assert away.max() <= 2e-6
    assert union[35, 35] > 0.5 * union.max() > 0
    found = maps("heads", 1.0).max((0, 1))
    assert found[RIGHT] >= 10 * found[LEFT]


@pytest.mark.parametrize("seed", [100, 101, 102, 103])
def test_parts_on_wrong_sides_are_no_head(seed):
    peak = centre("heads", neck=0.0)[RIGHT]
    assert centre("heads", neck=0.0, jumble=1.0, seed=seed).max() <= 0.2 * peak


def test_without_inhibition_the_other_pathway_responds_as_well():
    right = centre("heads", rivalry=0.0, neck=0.0)
    assert 1 < right[RIGHT] / right[LEFT] < 3


@pytest.mark.long
def test_a_head_belongs_on_the_right_side_of_its_neck():
    on, other = centre("on_necks"), centre("on_necks", facing=-1.0)
    assert on[RIGHT] > 0 == on[LEFT]
    assert other[LEFT] == pytest.approx(on[RIGHT], rel=1e-5)
    # Of which the head alone is seen as well as before.
    assert centre("heads", neck_side=-1.0)[RIGHT] > 0.7 * centre("heads")[RIGHT]
    assert centre("on_necks", neck_side=-1.0).max() <= 0.2 * on[RIGHT]
    assert centre("on_necks", neck=0.0).max() <= 0.2 * on[RIGHT]
    assert centre("on_necks", rivalry=0.0, neck_side=-1.0).max() > 0.3 * centre("on_necks", rivalry=0.0)[RIGHT]


def test_weights_of_one_pathway_are_the_mirror_image_of_the_others():
    found = by_hand(heads.SPEC)
    assert list(found.weights) == ["ears", "snouts", "necks", "heads", "on_necks"]
    assert found.mirrored.min() > 1 - 1e-6
    assert found["as they are"].max() < 0.9
