"""Factors give back what is made of them, and depend on nothing but the weights."""

import numpy as np
import pytest
import xarray as xr

from circuitkit.errors import SpecError
from circuitkit.factors import Factors, factors


def named(values: np.ndarray) -> xr.DataArray:
    units, sources, height, width = values.shape
    coords = {
        "unit": [f"late:{number}" for number in range(units)],
        "source": [f"early:{number}" for number in range(sources)],
        "y": (height - 1) / 2 - np.arange(height),
        "x": np.arange(width) - (width - 1) / 2,
    }
    return xr.DataArray(values, dims=("unit", "source", "y", "x"), coords=coords, attrs={"layer": "late"})


def planted(seed: int = 0, *, overlap: bool = False) -> tuple[xr.DataArray, np.ndarray, np.ndarray]:
    """Returns weights made of three factors, their loadings, and their maps of either sign."""
    rng = np.random.default_rng(seed)
    loading = rng.uniform(0.3, 1, (3, 12))
    if not overlap:  # each source in one factor
        loading *= np.arange(12) % 3 == np.arange(3)[:, None]
    maps = rng.normal(size=(5, 3, 3, 3)) * np.array([3.0, 2.0, 1.0])[:, None, None]
    return named(np.einsum("fs,ufyx->usyx", loading, maps)), loading, maps


def unmixed(found: Factors, loading: np.ndarray) -> float:
    """Returns the least cosine between each planted loading and the found one that is nearest to it."""
    own = found.loading.values / np.linalg.norm(found.loading.values, axis=1, keepdims=True)
    return float((loading / np.linalg.norm(loading, axis=1, keepdims=True) @ own.T).max(1).min())


@pytest.mark.parametrize("seed", range(3))
def test_what_is_made_of_three_factors_comes_back(seed: int) -> None:
    weights, loading, _ = planted(seed)
    found = factors(weights, shuffles=0, seed=seed)
    assert found.share > 1 - 1e-5
    assert unmixed(found, loading) > 0.999
    assert found.loading.values.min() >= 0
    assert found.maps.values.min() < 0 < found.maps.values.max()
    np.testing.assert_allclose(found.loading.max("source"), 1)
    np.testing.assert_allclose(found.rebuilt.values, weights.values, atol=0.01 * np.abs(weights.values).max())
    assert np.all(np.diff(found.each.values) <= 1e-9)


def test_factors_that_cancel_are_not_given_back_in_full() -> None:
    weights, *_ = planted(overlap=True)
    found = factors(weights, shuffles=0)
    assert found.ceiling == pytest.approx(1)
    assert 0.8 < found.share < 0.999


def test_places_without_negative_values_leave_loadings_of_either_sign() -> None:
    rng = np.random.default_rng(0)
    which = rng.integers(0, 3, (4, 1, 3, 3))  # each place in one factor
    held = rng.uniform(0.3, 1, size=(4, 3, 3, 3)) * (which == np.arange(3)[:, None, None])
    weights = named(np.einsum("fs,ufyx->usyx", rng.normal(size=(3, 10)), held))
    found = factors(weights, nonnegative="place", shuffles=0)
    assert found.share > 1 - 1e-5
    assert found.maps.values.min() >= 0
    assert found.loading.values.min() < 0 < found.loading.values.max()
    np.testing.assert_allclose(found.maps.max(("unit", "y", "x")), 1)


@pytest.mark.parametrize("side", ["source", "place"])
def test_sources_in_another_order_give_the_same_factors(side: str) -> None:
    weights, *_ = planted(overlap=True)
    order = np.random.default_rng(1).permutation(12)
    one, other = (factors(each, nonnegative=side, shuffles=0) for each in (weights, weights.isel(source=order)))
    np.testing.assert_allclose(other.loading.values, one.loading.values[:, order], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(other.maps.values, one.maps.values, rtol=1e-6, atol=1e-8)


def test_larger_weights_have_larger_maps_and_the_same_loadings() -> None:
    weights, *_ = planted(overlap=True)
    one, other = factors(weights, shuffles=2), factors(1000 * weights, shuffles=2)
    np.testing.assert_allclose(other.loading.values, one.loading.values, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(other.maps.values, 1000 * one.maps.values, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(other.null.values, one.null.values)
    assert other.share == pytest.approx(one.share)


def test_weights_of_either_sign_are_treated_alike() -> None:
    weights, *_ = planted()
    one, other = factors(weights, shuffles=0), factors(-weights, shuffles=0)
    np.testing.assert_allclose(other.maps.values, -one.maps.values, atol=1e-3)


def test_the_same_seed_gives_the_same_bits() -> None:
    weights, *_ = planted(overlap=True)
    one, other = (factors(weights, shuffles=2, seed=7).to_dataset() for _ in range(2))
    assert one.identical(other)


def test_chance_is_told_from_factors() -> None:
    weights, *_ = planted()
    assert factors(weights).p == 0.05
    noise = named(np.random.default_rng(0).normal(size=(5, 12, 3, 3)))
    assert factors(noise).p > 0.05


def test_sources_of_zero_weight_are_in_no_factor() -> None:
    weights, *_ = planted()
    weights[:, 4] = 0
    found = factors(weights, shuffles=0)
    assert (found.loading.values[:, 4] == 0).all()
    assert found.share > 1 - 1e-5


def test_fewer_factors_than_asked_for_are_enough() -> None:
    one = named(np.ones((2, 4, 1, 1)) * np.arange(1.0, 5)[:, None, None])
    found = factors(one, count=2, shuffles=0)
    assert found.share == pytest.approx(1)
    assert np.isfinite(found.maps.values).all()


def test_the_strongest_sources_are_named() -> None:
    weights, loading, _ = planted()
    found = factors(weights, shuffles=0).strongest(2)
    assert list(found) == ["factor 1", "factor 2", "factor 3"]
    strongest = {f"early:{row.argmax()}" for row in loading}
    assert {sources[0][0] for sources in found.values()} == strongest
    assert all(sources[0][1] == 1 > sources[1][1] for sources in found.values())


def test_what_cannot_be_factored_is_refused() -> None:
    weights, *_ = planted()
    with pytest.raises(SpecError, match="wanted \\(unit, source, y, x\\)"):
        factors(weights.transpose("source", "unit", "y", "x"))
    with pytest.raises(SpecError, match="NaN or infinity, or are all 0"):
        factors(0 * weights)
    with pytest.raises(SpecError, match="NaN"):
        factors(weights.where(weights > 0))
    with pytest.raises(SpecError, match="count=13, but weights of 12 sources at 45 places"):
        factors(weights, count=13)
