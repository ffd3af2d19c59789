"""Feature implementation: on lines that were made of bars, and on lines that were not."""

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from circuitkit.build import build
from circuitkit.controls import shuffled
from circuitkit.evidence import implementation, posing
from circuitkit.evidence.argument import Argument, Subject
from circuitkit.evidence.pictures import likeness, nearest, picture, resampled, sizes_of
from circuitkit.hypothesis import circle, curve, line
from circuitkit.nets import FunctionNet
from circuitkit.probe import HandbuiltNet, Net
from circuitkit.spec import Arc, Circuit, Crossing, Family, Gabor, Line, Tile

ANGLES = np.arange(8) * 22.5


@functools.cache
def net() -> HandbuiltNet:
    bars = Family("bars", Gabor(wavelength=5, sigma=1.5, phase=0), angles=8)
    lines = Family("lines", Tile(bars, along=Line(length=5), tolerance=20) - Crossing(0.7), angles=8)
    arcs = Family("arcs", Tile(lines, along=Arc(radius=8, length=12), tolerance=20), angles=8)
    return HandbuiltNet(build(Circuit("small", [bars, lines, arcs])))


def posed(which: Net, layer: str, *, turned: float = 0.0) -> Subject:
    """Units at the angles that they were designed for, or at others."""
    poses = xr.Dataset(
        {"angle": ("unit", (ANGLES + turned) % 180), "size": ("unit", np.full(8, np.nan))},
        coords={"unit": list(which.unit_names(layer))},
    )
    return Subject(which[layer], line(), poses)


@functools.cache
def control(layer: str, seed: int) -> Subject:
    return posing.subject(shuffled(net(), seed)[layer], line())


@functools.cache
def measured() -> Argument:
    subject = dataclasses.replace(posed(net(), "lines"), controls=(control("lines", 0), control("lines", 1)))
    return implementation.measure(subject)


def test_lines_made_of_bars_hold() -> None:
    found = measured()
    assert found.verdict == "holds"
    assert bool(found.holds.all())
    assert float(found.numbers.match.min()) > 0.3
    assert float(found.numbers.angle_error.max()) < 10
    assert float(found.numbers.echo.max()) < 0
    low, high = found.interval.transpose("bound", "unit").values
    assert (low < found.statistic.values).all()
    assert (found.statistic.values < high).all()


def test_lines_at_the_wrong_angle_fail() -> None:
    found = implementation.measure(posed(net(), "lines", turned=90))
    assert not bool(found.holds.any())
    assert float(found.numbers.angle_error.min()) > 80
    assert "angle error is 9" in " ".join(found.failures("lines@0"))


def test_units_of_a_shuffled_net_fail() -> None:
    subject = dataclasses.replace(control("lines", 2), controls=(control("lines", 0), control("lines", 1)))
    assert implementation.measure(subject).verdict == "fails"


def test_what_the_figure_needs_is_there() -> None:
    data = measured().data
    assert data.profile.dims == ("unit", "relative")
    assert data.drive.dims == ("unit", "y", "x")
    assert float(data.by_relative_angle.isel(bin=0).mean()) > 0.3 > float(data.by_relative_angle.isel(bin=-1).mean())
    assert data.bin_high.values[-1] == 90  # of 180
    assert data.attrs["from"] == "bars"
    assert data.control_profile.sizes["quantile"] == 3
    # The drive comes from along the line, which at angle 0 runs from left to right.
    drive = data.drive.sel(unit="lines@0")
    assert float(drive.sel(y=0).sum()) > 3 * abs(float(drive.sel(x=0).sum()) - float(drive.sel(y=0, x=0)))


def test_few_controls_are_eked_out_with_the_units_own_weights() -> None:
    called = set(measured().null.control.values)
    assert called == {"small, shuffled 0", "small, shuffled 1", "own weights, shuffled"}


def test_what_cannot_be_measured_says_why() -> None:
    first = implementation.measure(posed(net(), "bars"))
    assert first.verdict == "not tested"
    assert "no single layer is what layer 'bars' is made of" in first.why_untested
    closed = FunctionNet(
        lambda images: {"b": jnp.repeat(images[..., :1], 8, axis=-1), "a": jnp.repeat(images[..., :1], 8, axis=-1)},
        name="f",
        image_size=(32, 32),
    )
    assert "cannot be run from an inner layer on" in implementation.measure(posed(closed, "a")).why_untested


def test_a_shape_without_an_angle_is_compared_with_its_rivals() -> None:
    assert set(implementation.criteria(circle())) == {"match"}
    seen = picture(net(), "lines", circle(sizes=(8.0,)), sizes=[8.0], window=(17, 17), seed=0)
    assert seen.shape == (1, 1, 8, 17, 17)
    ring = seen.isel(size=0, angle=0).sel(unit="lines@0")  # lines run along the ring at its top and bottom
    assert float(ring.sel(y=8, x=0)) > 0.1 * float(seen.peak.max())
    assert float(ring.sel(y=0, x=8)) < float(ring.sel(y=8, x=0))


@pytest.mark.parametrize("window", [(3, 3), (4, 4), (3, 4)])
def test_units_of_a_picture_lie_evenly_about_the_shape(window: tuple[int, int]) -> None:
    clean = dataclasses.replace(line(), factors={"polarity": ({"polarity": 1.0}, {"polarity": -1.0})})
    seen = picture(net(), "bars", clean, sizes=[np.nan], window=window, seed=0)
    rows, columns = window
    np.testing.assert_allclose(seen.y.values, (rows - 1) / 2 - np.arange(rows))
    np.testing.assert_allclose(seen.x.values, np.arange(columns) - (columns - 1) / 2)
    level = seen.sel(unit="bars@90").isel(size=0, angle=0)  # the same along the line, best on it
    assert np.ptp(level.values, axis=1).max() < 0.2 * float(level.max())
    np.testing.assert_allclose(level.values, level.values[::-1], atol=1e-4 * float(level.max()))
    np.testing.assert_allclose(level.values, level.values[:, ::-1], atol=1e-4 * float(level.max()))


def test_likeness_is_a_correlation() -> None:
    rng = np.random.default_rng(0)
    weights, pictures = rng.normal(size=(2, 5, 7)), rng.normal(size=(2, 3, 5, 7))
    found = likeness(weights, pictures, [1, 0])
    wanted = np.corrcoef(weights[0].ravel(), pictures[1, 2].ravel())[0, 1]
    assert found[0, 2] == pytest.approx(wanted)
    np.testing.assert_allclose(likeness(3 * pictures[0, :2], pictures, [0, 0])[[0, 1], [0, 1]], 1)
    assert likeness(np.zeros((1, 5, 7)), pictures, [0])[0, 0] == 0


def test_resampling_gives_intervals_that_hold_the_value() -> None:
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(1, 200, 3))
    weights = 0.5 * seen + rng.normal(size=seen.shape)
    draws = resampled(weights, seen, seed=0, draws=400)
    own = np.corrcoef(weights.ravel(), seen.ravel())[0, 1]
    low, high = np.percentile(draws, [2.5, 97.5])
    assert low < own < high
    assert high - low == pytest.approx(4 * (1 - own**2) / np.sqrt(600), rel=0.3)


def test_nearest_angles_go_round() -> None:
    assert nearest(np.array([359.0, 100.0]), [0.0, 90.0, 180.0, 270.0], period=360) == [0, 1]
    assert nearest(np.array([15.0]), [8.0, 16.0, 32.0]) == [1]


def test_a_picture_is_made_at_a_few_sizes() -> None:
    which = net()
    poses = xr.Dataset(
        {"angle": ("unit", 45.0 * np.arange(8)), "size": ("unit", np.geomspace(8, 64, 8))},
        coords={"unit": list(which.unit_names("arcs"))},
    )
    assert sizes_of(Subject(which["arcs"], curve(), poses)) == pytest.approx([8, 22.6, 64], abs=0.1)
    assert np.isnan(sizes_of(posed(which, "lines"))).all()
