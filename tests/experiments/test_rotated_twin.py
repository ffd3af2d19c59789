"""Nets that turn with the image are found to do so, broken ones are not, and differences come with their error bars."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import circuitkit as ck
from circuitkit.controls import shuffled
from circuitkit.errors import ImageError, SpecError, StimulusError
from circuitkit.nets.sequential import SequentialNet
from circuitkit.signature import ANGLES
from circuitkit.symmetry import Motion
from circuitkit.universality import Census
from experiments.rotated_twin import __main__ as experiment
from experiments.rotated_twin import carried, families, figures, tiny
from experiments.rotated_twin.answer import ALL, compared, with_means
from tests.viz.test_figures import blemishes

QUARTER = {"turned": Motion(turn=90)}
NEXT = np.array([1, 2, 3, 0, 5, 6, 7, 4])
"""The partner of each unit of a tiny net."""

FLOAT32 = 1e-4
"""What rounding leaves of correlations of 1."""


@pytest.fixture(scope="module")
def net() -> SequentialNet:
    return tiny.regular(0)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return tiny.shown(10, 1)[0]


def law(net: SequentialNet, units: np.ndarray = NEXT, sources: np.ndarray = NEXT) -> np.ndarray:
    return carried.weight_law(np.asarray(net.weights("conv2")[1]), QUARTER["turned"], units, sources)  # type: ignore[index]


def test_partners_of_a_net_that_turns_with_the_image_do_each_others_work(
    net: SequentialNet, images: np.ndarray
) -> None:
    found = carried.matches(net, net.distinct_layers, images, QUARTER)
    for layer in net.distinct_layers:
        to = carried.partners(found["turned", layer])
        np.testing.assert_array_equal(to, NEXT)
        np.testing.assert_allclose(carried.held(found["turned", layer], to), 1, atol=FLOAT32)
        assert np.diag(found["turned", layer]).mean() < 0.5
        assert carried.closed(to, 4) == 1
    np.testing.assert_allclose(law(net), 1, atol=FLOAT32)


def test_one_wrong_unit_is_noticed_and_so_are_wrong_sources(net: SequentialNet, images: np.ndarray) -> None:
    def change(weight):
        value = np.array(weight.value)
        if weight.name == "conv2.kernel":
            value[..., 2] = value[::-1, :, :, 2]
        return value

    broken = net.with_weights(change, name="broken")
    match = carried.held(carried.matches(broken, ["conv1", "conv2"], images, QUARTER)["turned", "conv2"], NEXT)
    # Unit 1 is to become 2, and 2 to become 3: both are wrong, and no other.
    np.testing.assert_array_equal(match < 0.9, np.isin(np.arange(8), [1, 2]))
    np.testing.assert_array_equal(law(broken) < 0.9, np.isin(np.arange(8), [1, 2]))
    assert law(net, sources=np.arange(8)).max() < 0.9


def test_shuffled_kernels_have_no_partners(net: SequentialNet, images: np.ndarray) -> None:
    mixed = shuffled(net, 0)
    found = carried.matches(mixed, ["conv1", "conv2"], images, QUARTER)
    other = carried.matches(mixed, ["conv1", "conv2"], images[::-1][:5], QUARTER)
    to = carried.partners(found["turned", "conv2"])
    assert carried.held(other["turned", "conv2"], to).mean() < 0.5
    assert abs(law(mixed, to, carried.partners(found["turned", "conv1"])).mean()) < 0.5


def test_a_silent_unit_matches_nothing(net: SequentialNet, images: np.ndarray) -> None:
    def change(weight):
        value = np.array(weight.value)
        if weight.name == "conv1.bias":
            value[3] = -1e3
        return value

    found = carried.matches(net.with_weights(change, name="silent"), ["conv1"], images, QUARTER)["turned", "conv1"]
    assert np.isfinite(found).all()
    assert not found[3].any()
    assert not found[:, 3].any()


def test_a_unit_that_stays_as_it_is_has_another_partner_only_if_it_must() -> None:
    match = np.array([[0.9, 0.1, 0.3], [0.1, 0.2, 0.8], [0.3, 0.8, 0.2]])
    np.testing.assert_array_equal(carried.partners(match), [0, 2, 1])
    to = carried.partners(match, but_itself=True)
    assert not (to == np.arange(3)).any()
    assert carried.held(match, to).sum() == pytest.approx(0.3 + 0.1 + 0.8)


def test_cycles_are_counted() -> None:
    assert carried.closed(NEXT, 4) == 1
    assert carried.closed(np.array([1, 2, 0, 3]), 4) == 0.25


def test_what_cannot_be_carried_is_refused(net: SequentialNet) -> None:
    with pytest.raises(ImageError, match="layer 'conv1' of net 'small-0' cannot be turned: stride 2 on 32 rows"):
        carried.matches(ck.nets.small(), ["conv1"], np.zeros((2, 32, 32, 3), np.float32), QUARTER)
    with pytest.raises(SpecError, match="8 sources and 8 units with 3 and 8 partners: wanted one partner each"):
        law(net, sources=np.arange(3))


def test_angles_are_even_or_not() -> None:
    options = {"period": 360.0, "draws": 999, "seed": 0}
    assert families.spacing(np.arange(8) * 45.0, **options) > 0.99
    assert families.spacing(np.array([0.0, 0, 0, 15, 15, 15]), **options) < 0.02
    rng = np.random.default_rng(1)
    drawn = [families.spacing(rng.integers(0, ANGLES, 6) * 15.0, **{**options, "draws": 99}) for _ in range(60)]
    assert np.mean(drawn) == pytest.approx(0.5, abs=0.12)
    # Four lines over half a turn are even, and four edges there are not.
    assert families.spacing(np.arange(4) * 45.0, **{**options, "period": 180.0}) > 0.9
    assert families.spacing(np.arange(4) * 45.0, **options) < 0.5
    with pytest.raises(StimulusError, match="spacing got 1 angles"):
        families.spacing(np.zeros(1), **options)


def signatures(values: np.ndarray) -> xr.DataArray:
    """Returns made-up signatures of two kinds of figure."""
    return xr.DataArray(
        values,
        dims=("unit", "figure", "angle"),
        coords={
            "unit": [f"conv1:{unit}" for unit in range(len(values))],
            "figure": [f"figure {each}" for each in range(values.shape[1])],
            "kind": ("figure", ["edge"] * 3 + ["line"] * (values.shape[1] - 3)),
            "angle": np.arange(ANGLES) * 360 / ANGLES,
        },
    )


def test_turned_copies_are_alike_and_others_are_not() -> None:
    rng = np.random.default_rng(0)
    one = rng.uniform(size=(6, ANGLES))
    steps = np.array([0, 3, 7, 12])
    family = np.stack([(1 + place) * np.roll(one, step, -1) for place, step in enumerate(steps)])
    every = signatures(np.concatenate([family, family[:1], rng.uniform(size=(3, 6, ANGLES)), np.zeros((1, 6, ANGLES))]))
    turns = np.append(steps * 15.0, np.zeros(5))
    assert families.alike(every, np.arange(4), turns) == pytest.approx(1, abs=1e-5)
    assert families.alike(every, np.arange(4), np.zeros(9)) < 0.9
    assert families.alike(every, np.arange(4, 8), turns) < 0.6
    assert families.amplitude(every, np.arange(4)) == pytest.approx(np.std([1, 2, 3, 4], ddof=1) / 2.5, abs=1e-5)
    assert families.amplitude(every, np.array([0, 4])) == pytest.approx(0, abs=1e-6)
    found = families.copies(every)
    np.testing.assert_allclose(found[:5], 1, atol=1e-5)
    assert found[5:8].max() < 0.8
    assert np.isnan(found[8])
    # A double that is not turned is no copy.
    assert families.copies(every.isel(unit=[0, 4])).max() == 0


def in_fours(net: SequentialNet) -> Census:
    """Returns a census that was told the angles of a tiny net's first four units of each layer."""
    rows = [
        {"layer": layer, "unit": f"{layer}:{unit}", "feature": feature, "found": True, "angle": 90.0 * unit}
        for layer, feature in (("conv1", "edge"), ("conv2", "curve"))
        for unit in range(4)
    ]
    table = pd.DataFrame(rows)
    table["feature"] = pd.Categorical(table.feature, categories=["edge", "curve"])
    return Census(net, table, {layer: xr.DataArray() for layer in net.distinct_layers}, {})


def test_relative_pose_foretells_a_net_that_turns_and_no_other(net: SequentialNet) -> None:
    found = families.foretold(in_fours(net), exchanges=9, seed=0, fewest=4)
    assert found["pairs"] == 1
    assert found["foretold"] == pytest.approx(1, abs=1e-3)
    assert found["foretold, by chance"] < 0.6
    assert families.foretold(in_fours(shuffled(net, 0)), exchanges=1, seed=0, fewest=4)["foretold"] < 0.3
    few = in_fours(net)
    few = dataclasses.replace(few, table=few.table.iloc[1:])
    assert np.isnan(families.foretold(few, exchanges=1, seed=0, fewest=4)["foretold"])


def numbers(upright: list[float], rotated: list[float], measure: str = "turned", where: str = "conv1") -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "net": f"{seed}{turned}", "kind": "trained", "seed": seed, "rotated": turned, "measure": measure,
                "where": where, "value": value,
            }
            for turned, values in ((False, upright), (True, rotated))
            for seed, value in enumerate(values)
        ]
    )  # fmt: skip


def test_a_difference_within_pairs_is_told_from_none() -> None:
    (row,) = compared(numbers([0.1, 0.5, 0.9], [0.21, 0.6, 0.99])).itertuples()
    assert row.difference == pytest.approx(0.1)
    assert row.half == pytest.approx(4.303 * 0.01 / np.sqrt(3), rel=1e-3)
    assert row.half_unpaired > 0.5
    assert row.differs
    assert row.pairs == 3
    assert not compared(numbers([0.1, 0.5, 0.9], [0.2, 0.4, 0.92])).differs[0]
    # What one twin lacks is left out of both.
    (row,) = compared(numbers([0.1, 0.5, 0.9], [0.2, 0.6, np.nan])).itertuples()
    assert (row.pairs, row.upright) == (2, pytest.approx(0.3))
    with pytest.raises(StimulusError, match="nets with and without rotated images"):
        compared(numbers([0.1], []))


def test_means_are_over_layers_and_over_angles() -> None:
    rows = pd.concat(
        [
            numbers([0.2], [0.4]),
            numbers([0.4], [0.8], where="conv2"),
            *[numbers([known], [0.5], "accuracy", angle) for angle, known in (("0", 0.9), ("90", 0.3), ("180", 0.1))],
        ]
    )
    found = compared(with_means(rows)).set_index(["measure", "where"])
    assert found.loc[("turned", ALL), "upright"] == pytest.approx(0.3)
    assert found.loc[("accuracy, upright", ALL), "upright"] == pytest.approx(0.9)
    assert found.loc[("accuracy, turned", ALL), "upright"] == pytest.approx(0.2)
    assert ("accuracy", ALL) not in found.index


def test_what_was_measured_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    config = dataclasses.replace(experiment.SMOKE, images=2)
    given = experiment.Shown(*tiny.shown(2, 2))
    every = experiment.subjects(tiny.twins())
    assert len(every) == 4 + 4 + 2

    def measured(subject, given, config):
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(subject.net.name)
        yield "turned", "conv1", 0.5

    monkeypatch.setattr(experiment, "PARTS", {"motions": measured, "classes": measured})
    found = experiment.run(every[3:5], given, config, tmp_path)
    # The second one is shuffled, and not asked for classes.
    assert list(found.kind[:3]) == ["trained", "shuffled", "trained"]
    with pytest.raises(KeyboardInterrupt):
        experiment.run(every[:5], given, config, tmp_path)
    assert len(list(tmp_path.glob("*.csv"))) == 3
    seen.clear()
    experiment.run(every[3:5], given, config, tmp_path)
    assert seen == []
    experiment.run(every[4:5], given, dataclasses.replace(config, seed=1), tmp_path)
    assert seen == [every[4].net.name]
    with pytest.raises(StimulusError, match="wanted 4 images, and a label each"):
        experiment.run(every, dataclasses.replace(given, labels=given.labels[:1]), config, tmp_path)


def test_the_figures_are_legible(images: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for subject in experiment.subjects(tiny.twins()):
        about = {"net": subject.net.name, "kind": subject.kind, "seed": subject.seed, "rotated": subject.rotated}
        measures = [
            (name, layer)
            for motion in ("turned", "mirrored")
            for name in (motion, f"{motion}, weights, by others", f"{motion}, weights, by itself")
            for layer in ("conv1", "conv2", "conv3", "conv4", "conv5")
        ]
        measures += [("copies", layer) for layer in ("conv1", "conv2", "conv3", "conv4", "conv5")]
        if subject.kind == "trained":
            measures += [("accuracy", f"{angle}") for angle in range(0, 360, 15)]
            measures += [
                (name, feature)
                for name in ("units", "spacing", "alike", "alike, by chance", "amplitude", "amplitude, by chance")
                for feature in families.REFERENCES
            ]
        rows += [{"measure": name, "where": where, "value": rng.uniform(), **about} for name, where in measures]
    table = with_means(pd.DataFrame(rows))
    assert blemishes(figures.motions(table)) == []
    assert blemishes(figures.families(table)) == []
    assert blemishes(figures.filters(tiny.twins(), images)) == []


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    monkeypatch.delenv("CIRCUITKIT_DATA", raising=False)
    with pytest.raises(SystemExit):
        experiment.main([])
    assert "--data, or give --smoke" in capsys.readouterr().err


@pytest.mark.long
def test_the_smoke_run_finds_which_twin_turns_with_the_image(tmp_path: Path) -> None:
    table = experiment.main(["--smoke", "--out", str(tmp_path)]).set_index(["measure", "where"])
    assert table.loc[("turned", ALL), "rotated"] == pytest.approx(1, abs=FLOAT32)
    assert table.loc[("turned, weights", ALL), "rotated"] == pytest.approx(1, abs=FLOAT32)
    assert table.loc[("turned", ALL), "upright"] < 0.5
    assert table.loc[("turned", ALL), "differs"]
    assert table.loc[("copies", ALL), "rotated"] == pytest.approx(1, abs=1e-3)
    assert not table.loc[("mirrored", ALL), "differs"]
    assert {path.name for path in tmp_path.glob("*.png")} == {"carried.png", "families.png", "filters.png"}
