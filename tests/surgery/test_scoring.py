"""Losses and recoveries are those of the net's own outputs; calibration gives a unit's mean and spread."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import circuitkit as ck
from circuitkit.errors import NetError, StimulusError, UnknownNameError
from circuitkit.probe import Net
from circuitkit.stimuli import LabelledSet
from circuitkit.stimuli.photographs import pictures
from circuitkit.surgery import Ablate, Edit, Replace, agreement, operate, outcomes, recovery, replacements
from tests.strategies import unchecked

COUNT = 11
LABELS = np.arange(COUNT) % 10
OPERATIONS = {
    "silent": [Ablate("conv4", tuple(range(64)))],
    "themselves": [Replace("conv4", tuple(range(64)), "conv4", tuple(range(64)))],
    "others": [Replace("conv4", tuple(range(64)), "conv4", tuple(range(64)), other=True)],
    "edited": [Edit("conv5.kernel", "positive")],
}


@pytest.fixture(scope="module")
def net() -> Net:
    return ck.nets.small()


@pytest.fixture(scope="module")
def images() -> LabelledSet:
    rng = np.random.default_rng(0)
    smooth = jax.image.resize(jnp.asarray(rng.normal(size=(COUNT, 6, 6, 3)), jnp.float32), (COUNT, 32, 32, 3), "cubic")
    return pictures(np.asarray(smooth) / 2)


def shown(images: LabelledSet) -> jax.Array:
    items = images.items(np.arange(COUNT))
    return jax.vmap(lambda item: images.draw(item, 32, 32))(items)


@pytest.fixture(scope="module")
def seen(net: Net, images: LabelledSet) -> xr.Dataset:
    return outcomes(net, OPERATIONS, images, LABELS)


def test_outcomes_are_of_what_the_operated_net_says(net: Net, images: LabelledSet, seen: xr.Dataset) -> None:
    assert list(seen.operation.values) == ["intact", *OPERATIONS]
    for name in ("silent", "edited"):
        logits = np.asarray(operate(net, OPERATIONS[name]).logits(shown(images)))  # type: ignore[attr-defined]
        log = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        own = seen.sel(operation=name)
        np.testing.assert_allclose(own.log_likelihood.values, log[np.arange(COUNT), LABELS], atol=1e-4)
        np.testing.assert_array_equal(own.top1.values, log.argmax(1) == LABELS)
        five = np.argsort(-log, axis=1)[:, :5]
        np.testing.assert_array_equal(own.top5.values, (five == LABELS[:, None]).any(1))
    whole = seen.sel(operation="intact")
    assert whole.same.values.all()
    np.testing.assert_allclose(whole.divergence.values, 0, atol=1e-6)
    assert (seen.divergence.sel(operation="silent").values > 0).all()
    np.testing.assert_allclose(seen.log_likelihood.sel(operation="themselves"), whole.log_likelihood, atol=1e-4)
    assert np.abs(seen.log_likelihood.sel(operation="others") - whole.log_likelihood).max() > 0.01


@pytest.mark.parametrize("chunk", [3, 16])
def test_chunks_change_nothing(
    net: Net, images: LabelledSet, seen: xr.Dataset, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("circuitkit.surgery.scoring.CHUNK", chunk)
    some = {name: OPERATIONS[name] for name in ("silent", "others")}
    again = outcomes(net, some, images, LABELS)
    wanted = seen.sel(operation=["intact", *some])
    np.testing.assert_allclose(again.log_likelihood, wanted.log_likelihood, atol=1e-5)


def test_recovery_is_a_share_of_what_was_lost(seen: xr.Dataset) -> None:
    table = recovery(seen, lost="silent")
    assert table.recovery["silent"] == 0
    assert table.recovery["intact"] == 1
    assert table.recovery["themselves"] == pytest.approx(1, abs=1e-3)
    assert (table.low <= table.recovery + 1e-9).all()
    assert (table.recovery <= table.high + 1e-9).all()
    values = seen.log_likelihood.mean("image")
    room = float(values.sel(operation="intact") - values.sel(operation="silent"))
    wanted = float(values.sel(operation="others") - values.sel(operation="silent")) / room
    assert table.recovery["others"] == pytest.approx(wanted)
    less = recovery(seen, lost="silent", less="others")
    assert less.recovery["themselves"] == pytest.approx(table.recovery["themselves"] - wanted)
    assert less.recovery["others"] == less.low["others"] == less.high["others"] == 0


def test_outcomes_refuse_what_they_cannot_score(net: Net, images: LabelledSet, seen: xr.Dataset) -> None:
    with pytest.raises(StimulusError, match=r"11 images and labels of shape \(3,\)"):
        outcomes(net, {}, images, LABELS[:3])
    with pytest.raises(StimulusError, match="labels run from 0 to 900: net 'small-0' has 10"):
        outcomes(net, {}, images, np.where(LABELS == 3, 900, LABELS))
    with pytest.raises(UnknownNameError, match="no operation 'slient'.*Did you mean 'silent'"):
        recovery(seen, lost="slient")
    with unchecked(), pytest.raises(UnknownNameError, match="no measure 'top_1'"):
        recovery(seen, lost="silent", measure="top_1")  # type: ignore[arg-type]
    with pytest.raises(NetError, match="loses nothing of log_likelihood"):
        recovery(seen, lost="intact")


def test_agreement_is_of_all_places_of_all_images(net: Net, images: LabelledSet) -> None:
    chosen = {"conv4": [3, 8, 20]}
    held = agreement(net, chosen, {"": net["conv4", [8, 3, 40]]}, images)["conv4"]
    maps = np.asarray(net.maps(shown(images), "conv4"), float).reshape(-1, len(net.unit_names("conv4")))
    wanted = np.corrcoef(maps[:, [3, 8, 20, 40]].T)[:3][:, [1, 0, 3]]
    np.testing.assert_allclose(held.correlation.values, wanted, atol=1e-3)
    np.testing.assert_allclose(held["mean"].values, maps[:, [3, 8, 20]].mean(0), rtol=1e-4)
    np.testing.assert_allclose(held.spread.values, maps[:, [3, 8, 20]].std(0), rtol=1e-3)
    (step,) = replacements({"conv4": held}, {"conv4": [0, 1, 2]})
    assert (step.units, step.members, step.of, step.rectify) == ((3, 8, 20), (8, 3, 40), "", True)
    placed = maps[:, [8, 3, 40]] * np.array(step.gain) + np.array(step.offset)
    np.testing.assert_allclose(placed.mean(0), held["mean"].values, rtol=1e-3)
    np.testing.assert_allclose(placed.std(0), held.spread.values, rtol=1e-3)
    (less,) = replacements({"conv4": held}, {"conv4": [0, 1, 2]}, match="regression")
    np.testing.assert_allclose(less.gain, np.array(step.gain) * np.maximum(np.diag(wanted), 0), atol=1e-3)


def test_agreement_refuses_what_has_no_unit(net: Net, images: LabelledSet) -> None:
    with pytest.raises(StimulusError, match="0 layers and 1 donors"):
        agreement(net, {}, {"": net["conv4"]}, images)
    with pytest.raises(NetError, match="directions in layer 'conv4'.*give units"):
        agreement(net, {"conv4": [0]}, {"": net["conv4"].along([1.0] * 128)}, images)
    held = agreement(net, {"conv4": [0]}, {"": net["conv4", [1]]}, images)["conv4"]
    silent = held.assign(member_spread=held.member_spread * 0)
    with pytest.raises(NetError, match="'conv4:1' says the same at all places"):
        replacements({"conv4": silent}, {"conv4": [0]})
    with unchecked(), pytest.raises(UnknownNameError, match="no match 'mean'"):
        replacements({"conv4": held}, {"conv4": [0]}, match="mean")  # type: ignore[arg-type]
