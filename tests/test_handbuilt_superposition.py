"""A car detector responds to cars, parts in their places; and what it says survives among dogs until they meet."""

import functools

import numpy as np
import pandas as pd
import pytest
from jaxtyping import Float

from circuitkit import superposition as sp
from circuitkit.build import build
from experiments.superposition import images
from handbuilt import superposition
from tests.strategies import unchecked


@functools.cache
def looked() -> tuple[pd.DataFrame, Float[np.ndarray, "image feature"]]:
    with unchecked():
        return images.responses()


def test_windows_excite_from_above_and_wheels_from_below() -> None:
    circuit = superposition.car()
    net = build(circuit)
    kernel = np.asarray(net.layers["cars"].kernel[...])[..., circuit["cars"].unit_names.index("cars@90")]
    channels = net.layers["cars"].layout.channels
    upper, lower = slice(None, kernel.shape[0] // 2), slice(kernel.shape[0] // 2 + 1, None)
    windows, wheels = (kernel[:, :, channels(name)] for name in ("windows", "circles"))
    assert windows[upper].sum() > 0.95
    assert wheels[lower].sum() > 100 > -100 > wheels[upper].sum()
    # Its twin, upside down, has them the other way round.
    twin = np.asarray(net.layers["cars"].kernel[...])[..., circuit["cars"].unit_names.index("cars@270")]
    assert twin[:, :, channels("windows")][upper].sum() < 0.05


@pytest.mark.long
def test_a_car_has_all_its_parts_in_their_places() -> None:
    table = looked()[0].set_index("stimulus")["response"]
    for part in ("windows", "wheels", "its body"):
        assert 0.5 < table[f"without {part}"] < 0.7
    assert table["jumbled: upside down"] < 0.05
    assert table.drop("a car").max() < 0.7


@pytest.mark.long
@pytest.mark.slow
def test_cars_among_dogs_are_read_back_until_they_meet() -> None:
    x = looked()[1]
    others = x[~np.eye(len(x), dtype=bool)]
    assert others.max() < 0.4
    found = images.read_back(x, 0.4).set_index(["car", "images"])["recovery"]
    assert found["over all heads", "a head"] == pytest.approx(1, abs=1e-3)
    assert found["over all heads", "a car"] == pytest.approx(1, abs=1e-3)
    assert found["over all heads", "both"] < 0.8
    assert found["channels of their own", "both"] == pytest.approx(1, abs=1e-3)
    # Without a bias, what the heads hear of the car is read as cars.
    blunt = images.read_back(x, 0.0).set_index(["car", "images"])["recovery"]
    assert blunt["over all heads", "a car"] < 0.8


def test_the_car_is_spread_over_all_heads_alike() -> None:
    directions = superposition.spread(8)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    assert sp.coherence(directions) == pytest.approx(8**-0.5)
    assert (directions >= 0).all()
