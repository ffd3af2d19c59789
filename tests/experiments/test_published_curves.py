"""The published last layer is cut, turned and spread as it says; without its negative weights the echo is back."""

import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from circuitkit.evidence import published
from circuitkit.kernels import lay_out
from experiments.published_curves import __main__ as experiment

KINDS = {"curve": (24, 360.0), "edge": (18, 180.0)}


def layer(seed: int = 0) -> xr.DataArray:
    """Random weights, labelled as the published layer is."""
    families = [kind for kind, (count, _) in KINDS.items() for _ in range(count)]
    angles = [index * period / count for count, period in KINDS.values() for index in range(count)]
    names = [f"{kind}@{angle:g}" for kind, angle in zip(families, angles, strict=True)]
    coords = {}
    for dim in ("source", "unit"):
        coords |= {dim: names, f"{dim}_family": (dim, families), f"{dim}_angle": (dim, angles)}
    values = np.random.default_rng(seed).normal(size=(5, 5, 42, 42))
    return xr.DataArray(values, dims=("row", "column", "source", "unit"), coords=coords)


def test_our_lower_layers_stand_at_the_published_angles() -> None:
    spec = experiment.circuit(experiment.SMOKE)
    weights = layer()
    for name, kind in (("early_curves", "curve"), ("lines", "edge")):
        angles = weights.source_angle[weights.source_family == kind]
        np.testing.assert_allclose(spec[name].unit_angles, angles)
    layout = lay_out(spec)["published"]
    assert layout.sources == ("early_curves", "lines")
    assert layout.shape == (17, 17, 42, 24)


def test_a_layer_is_spread_over_every_fourth_pixel() -> None:
    weights = layer()
    kernel = experiment.dilated(weights, 4, {"curve": 2.0, "edge": 3.0})
    assert kernel.shape == (17, 17, 42, 24)
    assert np.count_nonzero(kernel) == 25 * 42 * 24
    one = {"row": 0, "column": 3}
    expected = weights.isel(**one).sel(source="curve@15", unit="curve@30")
    assert kernel[0, 12, 1, 2] == pytest.approx(2 * float(expected))
    expected = weights.isel(**one).sel(source="edge@20", unit="curve@30")
    assert kernel[0, 12, 26, 2] == pytest.approx(3 * float(expected))


def test_edits_leave_what_they_say() -> None:
    weights = layer()
    curves = (weights.source_family == "curve").values
    assert experiment.EDITS["full"](weights).identical(weights)
    for name, edit in experiment.EDITS.items():
        left = edit(weights).transpose(*weights.dims).values
        kept = left != 0
        np.testing.assert_array_equal(left[kept], weights.values[kept])
        assert kept[:, :, curves].any() == ("lines" not in name)
        assert kept[:, :, ~curves].any() == ("curves" not in name)
        assert (left.min() >= 0) == ("positive" in name)
        assert (left > 0).sum() == (weights.values[kept] > 0).sum()


@pytest.mark.long
def test_a_symmetrised_layer_turns_and_stays_as_it_is() -> None:
    config = experiment.SMOKE
    weights = layer()
    whole = experiment.symmetrised(weights)
    before, after = (experiment.tile_errors(config, each) for each in (weights, whole))
    theirs = [name for name in before if name.startswith("published")]
    assert len(theirs) == 3
    for name in theirs:
        assert float(before[name].max()) > 1
        assert float(after[name].max()) < 1e-5
    np.testing.assert_allclose(experiment.symmetrised(whole), whole, atol=1e-12)
    assert max(float(after[name].max()) for name in after if name not in theirs) < 1e-5


@pytest.mark.long
@pytest.mark.slow
def test_removing_the_negative_weights_brings_the_echo_back() -> None:
    data = os.environ.get(published.VARIABLE)
    if not data or not (Path(data) / "distill").is_dir():
        pytest.skip("set CIRCUITKIT_DATA to a folder that holds distill/ to run the tests on published data")
    result = experiment.run(experiment.SMOKE, data)
    echo = {str(row["layer"]): float(row["echo"]) for row in result.rows}
    # What is left does not echo as long as it has its negative weights; without them, lines echo most, then all of it.
    whole = max(echo[name] for name in ("full", "curves only", "lines only", "full, symmetrised", "ours"))
    assert whole < 0.05
    cut = [echo[name] for name in ("curves only, positive", "all, positive only", "lines only, positive")]
    assert cut == sorted(cut)
    assert cut[0] > 0.1
    # The order is that of the published net, of all six.
    np.testing.assert_array_equal(
        np.argsort([echo[name] for name in experiment.EDITS][1:]),
        np.argsort([experiment.PUBLISHED_ECHO[name] for name in experiment.EDITS][1:]),
    )
    rows = {row["layer"]: row for row in result.rows}
    assert float(rows["ours"]["peak off by at most"]) < 1
    assert 25 < float(rows["full"]["FWHM"]) < 45
    assert result.turned["ours"] < 1e-5 < 0.1 < result.turned["published"]
    assert result.turned["published, symmetrised"] < 1e-5
