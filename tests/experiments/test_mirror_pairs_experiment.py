"""Spirals of either hand are pairs in responses and weights; wrong partners, weights and labels are not."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from circuitkit.errors import StimulusError
from circuitkit.mirror_pairs import READOUTS
from circuitkit.mirrored_weights import mirror_law, unions
from circuitkit.symmetry import Motion
from experiments.mirror_pairs import __main__ as experiment
from experiments.mirror_pairs import figures
from experiments.mirror_pairs.facing import facing
from tests.viz.test_figures import blemishes


@pytest.fixture(scope="module")
def result() -> experiment.Result:
    return experiment.run(experiment.handbuilt(), experiment.SMOKE)


def made_up(image: np.ndarray, mirror: np.ndarray) -> xr.DataArray:
    values = np.stack([np.stack([image, mirror])] * len(READOUTS))
    return xr.DataArray(values, dims=("readout", "view", "image", "unit"), coords={"readout": list(READOUTS)})


def tiles(values: np.ndarray) -> xr.DataArray:
    return xr.DataArray(values, dims=("unit", "source", "y", "x"))


def test_spirals_of_either_hand_are_pairs_and_those_of_shuffled_kernels_are_not(result: experiment.Result) -> None:
    family = result.subject.net.network.circuit["spirals"]  # type: ignore[attr-defined]
    to = Motion(turn=180, mirror=True).of_units(family)
    mutual = result.pairs[result.pairs.mutual]
    assert set(zip(mutual.a, mutual.b, strict=True)) == {(a, int(b)) for a, b in enumerate(to) if a < b}
    np.testing.assert_allclose(mutual.mirrored, 1, atol=1e-5)
    assert mutual.holds.all()
    assert mutual.law_plain.min() < 0.2
    assert not result.controls.holds.any()
    assert set(result.counts.net) == {"trained", "shuffled 0"}


def test_units_without_hands_unite_both_and_notice_no_mirror(result: experiment.Result) -> None:
    assert len(result.unions) == 8
    assert result.unions.p[0] < 0.01
    uneven = result.unions.dropna(subset=["mirrored"])
    np.testing.assert_allclose(uneven.mirrored, 1, atol=1e-5)
    assert uneven.plain.max() < 0.9
    assert result.unions.odd.max() < 1e-6
    both = result.unions.set_index(["a", "b"]).loc[(3, 9)]
    assert both["sum"] > both["max"] > both["a alone"] == pytest.approx(both["b alone"], abs=1e-3)


def test_labels_that_say_nothing_are_not_told(result: experiment.Result) -> None:
    assert result.facing.p_family.min() > 0.05
    assert result.facing.auc.mean() == pytest.approx(0.5, abs=0.05)


def test_the_figures_are_legible(result: experiment.Result) -> None:
    assert blemishes(figures.responses(result)) == []
    assert blemishes(figures.weights(result)) == []
    none = dataclasses.replace(
        result, pairs=result.pairs.assign(holds=False), facing=result.facing.iloc[:0], unions=result.unions.iloc[:0]
    )
    assert blemishes(figures.responses(none)) == []
    assert blemishes(figures.weights(none)) == []


def test_the_law_needs_the_right_partners_and_the_right_side() -> None:
    rng = np.random.default_rng(0)
    partner = np.array([1, 0, 3, 2, 4])
    values = rng.normal(size=(30, 5, 3, 3))
    values[1] = values[0][partner][..., ::-1]
    found = mirror_law(tiles(values), [(0, 1), (2, 3)], partner)
    assert found.mirrored[0] == pytest.approx(1)
    assert found[["sources", "tiles", "plain"]].loc[0].max() < 0.9
    assert found.p_alone[0] == pytest.approx(1 / (30 * 29 / 2 - 2 + 1))
    assert found.p_alone[1] > 0.01
    assert mirror_law(tiles(values), [(0, 1)], np.array([0, 1, 2, 3, 4])).mirrored[0] < 0.9
    assert mirror_law(tiles(values), [(0, 1)], partner).plain[0] == pytest.approx(found.plain[0])


def test_a_union_reads_both_alike_and_one_that_is_inhibited_by_either_is_none() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(6, 20, 3, 3))
    values[2, 4] = [[3.0, 1, 0], [4, 1, 0], [3, 1, 0]]
    values[2, 7] = values[2, 4][:, ::-1]
    values[3, 4], values[3, 7] = values[2, 4], -values[2, 7]
    found = unions(tiles(values), [(4, 7)], draws=199)
    assert found.unit[0] == 2
    assert 3 not in set(found.unit)
    assert found.mirrored[0] == pytest.approx(1)
    assert found.plain[0] < 0
    assert found.p[0] == pytest.approx(0.005, abs=1e-3)
    assert found.p[1:].min() > 0.01
    centre = np.zeros((6, 20, 3, 3))
    centre[..., 1, 1] = values[..., 1, 1]
    assert unions(tiles(centre), [(4, 7)], draws=9).mirrored.isna().all()


def test_a_unit_that_faces_left_is_told_and_exchanged_labels_are_not() -> None:
    rng = np.random.default_rng(0)
    sides = np.array([1] * 20 + [-1] * 16 + [0] * 10)
    base, d = rng.normal(size=(2, 46, 3))
    d[:, 0] += 1.5 * sides
    d[:, 1] -= 1.5 * sides
    seen = made_up(base + d, base - d)
    found = facing(seen, [0, 1, 2], sides)
    assert found.auc[0] > 0.85 > 0.15 > found.auc[1]
    assert found.low[0] > 0.5 > found.high[1]
    assert found.effect[0] > 1 > -1 > found.effect[1]
    assert max(found.p_family[:2]) < 0.01 < 0.05 < found.p[2]
    assert (found.p_family >= found.p).all()
    shuffled = [facing(seen, [0, 1], rng.permutation(sides), draws=99, seed=seed) for seed in range(20)]
    assert float(np.mean([each.auc for each in shuffled])) == pytest.approx(0.5, abs=0.05)
    assert np.mean([each.p for each in shuffled]) > 0.25

    with pytest.raises(StimulusError, match="1 left and 0 right, for 46 images"):
        facing(seen, [0], np.eye(46, dtype=int)[0])


def test_holm_is_the_step_down() -> None:
    np.testing.assert_allclose(experiment.holm(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])
    assert experiment.holm(np.array([0.5, 0.6])).max() == 1
    assert experiment.holm(np.zeros(0)).size == 0
