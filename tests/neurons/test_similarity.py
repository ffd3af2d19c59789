"""Similarities of neurons: what each of them does not see, and what it does."""

from collections.abc import Callable

import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import given

from circuitkit.errors import NeuronsError, UnknownNameError
from circuitkit.neurons.affine import Affine
from circuitkit.neurons.similarity import WAYS, By, clustered, similarity

SAMPLES = np.random.default_rng(9).normal(0.4, 1.0, (40, 3))


SEEDS = st.integers(0, 10**6)


def random_layer(seed: int) -> Affine:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 7))
    return Affine(rng.normal(size=(3, count)), rng.normal(size=count))


def matrix(layer: Affine, by: By) -> np.ndarray:
    return similarity(layer, by=by, samples=SAMPLES if by == "responses" else None).values


def scaled(layer: Affine, rng: np.random.Generator) -> Affine:
    """Each neuron by a positive factor of its own."""
    factor = rng.uniform(0.1, 10, layer.size[1])
    return Affine(layer.weights * factor, layer.bias * factor)


def weights_scaled(layer: Affine, rng: np.random.Generator) -> Affine:
    return Affine(layer.weights * rng.uniform(0.1, 10, layer.size[1]), layer.bias)


def all_scaled(layer: Affine, rng: np.random.Generator) -> Affine:
    factor = rng.uniform(0.1, 10)
    return Affine(layer.weights * factor, layer.bias * factor)


def other_bias(layer: Affine, rng: np.random.Generator) -> Affine:
    return Affine(layer.weights, rng.normal(size=layer.size[1]))


def moved_bias(layer: Affine, rng: np.random.Generator) -> Affine:
    return Affine(layer.weights, layer.bias + rng.normal())


def other_weights(layer: Affine, rng: np.random.Generator) -> Affine:
    return Affine(rng.normal(size=layer.size), layer.bias)


def turned(layer: Affine, rng: np.random.Generator) -> Affine:
    return Affine(np.linalg.qr(rng.normal(size=(3, 3)))[0] @ layer.weights, layer.bias)


CHANGES = (scaled, weights_scaled, all_scaled, other_bias, moved_bias, other_weights, turned)
BLIND: dict[By, set[Callable[[Affine, np.random.Generator], Affine]]] = {
    "direction": {scaled, weights_scaled, all_scaled, other_bias, moved_bias, turned},
    "weights": {all_scaled, other_bias, moved_bias, turned},
    "bias": {weights_scaled, all_scaled, moved_bias, other_weights, turned},
    "both": {scaled, all_scaled, turned},
    "responses": {scaled, weights_scaled, all_scaled, other_bias, moved_bias},
}


@pytest.mark.parametrize("by", WAYS)
@given(seed=SEEDS)
def test_a_similarity_does_not_see_what_it_promises_not_to_see(by: By, seed: int) -> None:
    layer = random_layer(seed)
    before = matrix(layer, by)
    assert np.array_equal(before, before.T)
    assert np.abs(before).max() <= 1
    np.testing.assert_array_equal(np.diag(before), 1)
    for change in BLIND[by]:
        after = matrix(change(layer, np.random.default_rng(seed)), by)
        np.testing.assert_allclose(after, before, atol=1e-9, err_msg=change.__name__)


@pytest.mark.parametrize("by", WAYS)
def test_it_sees_every_other_change(by: By) -> None:
    rng = np.random.default_rng(3)
    layer = Affine(rng.normal(size=(3, 6)), rng.normal(size=6))
    for change in set(CHANGES) - BLIND[by]:
        after = matrix(change(layer, np.random.default_rng(4)), by)
        assert np.abs(after - matrix(layer, by)).max() > 0.02, change.__name__


def test_what_each_way_says_of_four_neurons() -> None:
    layer = Affine([[1.0, 2.0, 1.0, -1.0]], [0.5, 1.0, -0.5, -0.5], names=["a", "twice a", "lower", "opposite"])
    one = {by: similarity(layer, by=by).sel(neuron="a") for by in ("direction", "weights", "bias", "both")}
    assert one["direction"].values.tolist() == [1, 1, 1, -1]
    np.testing.assert_allclose(one["weights"], [1, 0.8, 1, -1])
    np.testing.assert_allclose(one["bias"], [1, 1 - 0.5 / 1.5, 1 - 1 / 1.5, 1 - 1 / 1.5])
    np.testing.assert_allclose(one["both"], [1, 1, 0.6, -1])


def test_both_is_what_independent_inputs_would_show() -> None:
    layer = Affine(np.random.default_rng(0).normal(size=(3, 4)), [0.5, -1, 0, 2.0])
    said = layer(np.random.default_rng(1).normal(0, 0.7, (200_000, 3)))
    products = said.T @ said
    seen = products / np.sqrt(np.outer(np.diag(products), np.diag(products)))
    np.testing.assert_allclose(similarity(layer, by="both", spread=0.7), seen, atol=0.01)
    wide = similarity(layer, by="both", spread=1e6).values
    np.testing.assert_allclose(wide, similarity(layer, by="direction").values, atol=1e-5)


def test_neurons_without_a_direction_are_nan_and_find_a_place() -> None:
    layer = Affine([[1.0, 0.0, -1.0, 1e-300]], [0.0, 1.0, 0.0, 0.0])
    found = similarity(layer, by="direction")
    assert found.isnull().sum() == 7
    assert found.sel(neuron="n0", other="n3") == 1
    assert set(clustered(found).neuron.values) == {"n0", "n1", "n2", "n3"}
    silent = similarity(layer, by="responses", samples=[[0.5], [0.7], [0.1]], rectified=True)
    assert silent.sel(neuron="n1").isnull().all()
    assert silent.sel(neuron="n2").isnull().all()


@given(seed=SEEDS)
def test_a_clustered_order_holds_the_same_numbers(seed: int) -> None:
    mixed = similarity(random_layer(seed), by="direction")
    found = clustered(mixed)
    xr.testing.assert_identical(found.sel(neuron=mixed.neuron, other=mixed.other), mixed)


def test_two_families_that_are_mixed_up_are_parted() -> None:
    weights = np.array([[1.0, -1, 1, -1, 1, -1], [0.1, 0.1, 0, 0, 0.2, 0.2]])
    order = clustered(similarity(Affine(weights), by="direction")).neuron.values.tolist()
    assert {frozenset(order[:3]), frozenset(order[3:])} == {
        frozenset(["n0", "n2", "n4"]),
        frozenset(["n1", "n3", "n5"]),
    }


def test_what_cannot_be_compared_is_refused() -> None:
    layer = Affine([[1.0, 2.0]])
    with pytest.raises(UnknownNameError, match="Did you mean 'direction'"):
        similarity(layer, by="directions")
    with pytest.raises(NeuronsError, match="was given no samples: wanted samples for by='responses'"):
        similarity(layer, by="responses")
    with pytest.raises(NeuronsError, match="samples with by='both'"):
        similarity(layer, by="both", samples=[[1.0]])
    with pytest.raises(NeuronsError, match="at least 2 samples"):
        similarity(layer, by="responses", samples=[[1.0]])
    with pytest.raises(NeuronsError, match="spread=0"):
        similarity(layer, by="both", spread=0)
    with pytest.raises(NeuronsError, match="wanted what `similarity` returns"):
        clustered(xr.DataArray(np.eye(3), dims=("a", "b")))
