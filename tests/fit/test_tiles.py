"""A tile that weights were drawn from is found again from other numbers; by exchanged angles nothing is explained."""

import dataclasses

import jax
import numpy as np
import pytest
import xarray as xr

import circuitkit as ck
from circuitkit import wiring
from circuitkit.errors import SpecError
from circuitkit.fit import TileFit, fit_tile
from circuitkit.probe import HandbuiltNet
from circuitkit.relative_pose import relative_pose
from circuitkit.spec import Arc, Circuit, Crossing, Family, Gabor, Line, OppositeArc, Tile

TRUE = Tile("lines", Arc(radius=7.0, length=8.0), tolerance=20.0, spread=1.5) - Crossing(0.6) - OppositeArc(0.4)
AWAY = Tile("lines", Arc(radius=11.0, length=6.0), tolerance=30.0, spread=2.2) - Crossing(0.3) - OppositeArc(0.8)


@pytest.fixture(scope="module")
def weights() -> xr.DataArray:
    """Eight curves that read eight lines: drawn at uneven angles, as trained ones stand."""
    edges = Family("edges", Gabor(wavelength=5, sigma=2, phase=90), angles=8)
    lines = Family("lines", Tile(edges, along=Line(length=4), tolerance=20), angles=8)
    net = HandbuiltNet(ck.build(Circuit("curves", [edges, lines, Family("curves", TRUE, angles=24)])))
    chosen = [0, 2, 7, 9, 13, 16, 18, 22]
    # Every third place, as trained nets have weights at every stride alone.
    return wiring.expanded(net["curves", chosen], "lines").isel(y=slice(None, None, 3), x=slice(None, None, 3))


def angles(held: xr.DataArray, dim: str) -> np.ndarray:
    return np.array([float(str(name).partition("@")[2]) for name in held[dim].values])


def fitted(held: xr.DataArray, **more: object) -> TileFit:
    given = {"exchanges": 0, "resampled": 0, **more}
    return fit_tile(held, angles(held, "unit"), angles(held, "source"), AWAY, source_period=180, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def found(weights: xr.DataArray) -> TileFit:
    return fitted(weights, exchanges=3, resampled=4)


def test_the_tile_that_was_drawn_is_found(weights: xr.DataArray, found: TileFit) -> None:
    assert found.share > 0.999
    assert found.predicted > 0.99
    wanted = jax.tree.leaves(TRUE)[:-1]  # the last one, its weight, is in the gain
    for name, value in zip(found.numbers.index, wanted, strict=True):
        assert found.numbers.value[name] == pytest.approx(value, rel=0.05), name
    assert found.terms == 7
    assert dataclasses.is_dataclass(found.tile)
    assert found.tile.along.radius == pytest.approx(7, rel=0.05)
    np.testing.assert_allclose((found.part + found.rest).values, weights.values, atol=1e-6)
    np.testing.assert_allclose((found.part**2).sum(), found.share * (weights**2).sum(), rtol=1e-3)
    assert (found.null < 0.5).all()
    assert found.p == 0.25


def test_relative_pose_is_the_ceiling(weights: xr.DataArray) -> None:
    noise = weights.copy(
        data=weights.values + np.random.default_rng(0).normal(size=weights.shape) * weights.values.std()
    )
    held = fitted(noise)
    everything = relative_pose(noise, angles(noise, "unit"), angles(noise, "source"), source_period=180, exchanges=0)
    assert 0.3 < held.share < everything.share + 0.05
    assert held.tile.along.radius == pytest.approx(7, rel=0.15)


def test_a_unit_with_anothers_weights_is_foretold_wrongly(weights: xr.DataArray, found: TileFit) -> None:
    twin = weights.copy()
    twin[0] = weights.values[4]
    held = fitted(twin)
    assert held.share < found.share - 0.03
    assert held.predicted < found.predicted - 0.03


def test_tiles_that_are_not_known_have_no_say(weights: xr.DataArray) -> None:
    holes = weights.copy()
    holes[1, 2] = np.nan
    known = np.isfinite(holes.values).all((2, 3))
    held = fitted(holes, known=known)
    assert held.share > 0.99
    np.testing.assert_allclose(held.part.values[1, 2], weights.values[1, 2], atol=0.03 * np.abs(weights.values).max())
    with pytest.raises(SpecError, match="NaN or infinity"):
        fitted(holes)


def test_what_does_not_fit_together_is_refused(weights: xr.DataArray) -> None:
    with pytest.raises(SpecError, match="wanted one each"):
        fit_tile(weights, np.zeros(3), angles(weights, "source"), AWAY)
    with pytest.raises(SpecError, match="source_period=90"):
        fit_tile(weights, angles(weights, "unit"), angles(weights, "source"), AWAY, source_period=90)
    with pytest.raises(SpecError, match="two units at least"):
        fitted(weights.isel(unit=[0]))
    with pytest.raises(SpecError, match="wanted .unit, source, y, x."):
        fitted(weights.rename(y="row"))
