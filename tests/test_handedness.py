"""Units of two hands are pairs, what reads both alike a union; turned units, shuffled weights and copies are not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import circuitkit as ck
from circuitkit import controls, handedness
from circuitkit.errors import SpecError
from circuitkit.handedness import GAIN, ROWS, Hands, _Layer, battery, hands
from circuitkit.probe import HandbuiltNet, Probe
from circuitkit.signature import ANGLES, signatures
from handbuilt import flags


@pytest.fixture(scope="module")
def net() -> HandbuiltNet:
    return HandbuiltNet(ck.build(flags.SPEC))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("responses")


@pytest.fixture(scope="module")
def found(net: HandbuiltNet, store: Path) -> Hands:
    return hands(net, shuffles=1, store=store)


def made_up(image: np.ndarray, mirror: np.ndarray) -> xr.DataArray:
    """Responses (unit, angle) to one figure and to its mirror images."""
    values = np.stack([image, mirror])[:, :, None].astype(np.float32)
    return xr.DataArray(values, dims=("view", "unit", "figure", "angle"), coords={"view": ["image", "mirror"]})


def test_no_figure_is_its_own_mirror_image_at_any_turn() -> None:
    for kind, figures in battery().items():
        images = np.stack([np.asarray(figures[at].draw(65)).mean(-1) for at in range(2 * ANGLES)])
        for first in (0, ANGLES):
            shown, mirrored = images[first : first + ANGLES], images[first, :, ::-1]
            apart = np.abs(shown - mirrored).mean((1, 2)) / np.abs(shown).mean((1, 2))
            assert apart.min() > 0.1, kind


def test_flags_of_both_hands_are_pairs_and_bars_are_none(found: Hands) -> None:
    held = found.pairs[found.pairs.found]
    assert set(held.layer) == {"flags"}
    assert len(held) == 8
    assert all(("mirrored" in a) != ("mirrored" in b) for a, b in zip(held.a, held.b, strict=True))
    np.testing.assert_allclose(held.match, 1, atol=1e-4)
    np.testing.assert_allclose(held.law, 1, atol=1e-4)
    bars = found.pairs[found.pairs.layer == "bars"]
    assert len(bars)
    assert (bars.match > 0.99).all()  # a mirror does exchange them,
    assert (bars.gain < GAIN).all()  # but so does a turn


def test_what_reads_both_hands_alike_is_a_union(found: Hands) -> None:
    held = found.unions[found.unions.found]
    assert set(held.layer) == {"either"}
    assert held.unit.nunique() >= 2
    assert (held.alike > 0.99).all()
    assert found.counts.index.tolist() == list(ROWS)
    assert found.counts.units["mirror pairs"] == 16
    assert found.counts.units["unions"] == held.unit.nunique()
    assert found.counts.depth["unions"] == 1.0


def test_shuffled_weights_have_neither(net: HandbuiltNet) -> None:
    chance = hands(controls.shuffled(net, 0), shuffles=1).counts
    assert chance.units.tolist() == [0, 0]
    np.testing.assert_allclose(chance.by_chance, 0.32)


def test_responses_alone_are_no_pair(
    net: HandbuiltNet, found: Hands, monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    # The same responses, with weights of which a mirror makes nothing.
    expanded = handedness.wiring.expanded

    def others(probe: Probe, source: str) -> xr.DataArray:
        read = expanded(probe, source)
        return read.copy(data=np.random.default_rng(0).permuted(read.values, axis=1))

    monkeypatch.setattr(handedness.wiring, "expanded", others)
    seen = hands(net, shuffles=1, store=store)
    np.testing.assert_allclose(seen.pairs.match, found.pairs.match)
    assert seen.pairs.found.sum() <= 1
    assert seen.counts.units["unions"] <= 1


def test_turned_units_match_themselves_and_handed_ones_do_not() -> None:
    rng = np.random.default_rng(0)
    bump = np.exp(-((np.arange(ANGLES) - 5) ** 2) / 8)
    # At a turn by t a mirror image is the figure at -t: an even unit is alike there, moved along.
    even = made_up(np.stack([bump, np.roll(bump, 7)]), np.stack([np.roll(bump, 3), np.roll(bump, 11)]))
    np.testing.assert_allclose(_Layer.of(even).own, 1, atol=1e-6)
    noise = rng.uniform(size=(2, 2, ANGLES))
    handed = _Layer.of(made_up(np.stack([noise[0, 0], noise[0, 1]]), np.stack([noise[0, 1], noise[0, 0]])))
    assert handed.match[0, 1] == pytest.approx(1)
    assert handed.gain[0] > GAIN
    assert handed.mutual == [(0, 1)]
    silent = _Layer.of(made_up(np.zeros((2, ANGLES)), np.zeros((2, ANGLES))))
    assert silent.match.max() == 0


def test_responses_that_are_kept_are_not_computed_again(
    net: HandbuiltNet, found: Hands, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("circuitkit.centred.Group.run", lambda *_: pytest.fail("computed again"))
    again = hands(net, shuffles=1, store=store)
    pd.testing.assert_frame_equal(again.pairs, found.pairs)
    pd.testing.assert_frame_equal(again.unions, found.unions)


def test_views_are_mirror_images(net: HandbuiltNet) -> None:
    (seen,) = signatures([net["bars", ["bars@45", "bars@135"]]], {"spiral": battery()["spiral"]}, mirrored=True)
    assert seen.dims == ("view", "unit", "figure", "angle")
    # A bar turned by 45 degrees mirrored is one by 135.
    np.testing.assert_allclose(seen.values[0, 0], seen.values[1, 1], atol=1e-4 * float(seen.max()))
    assert np.abs(seen.values[0, 0] - seen.values[1, 0]).max() > 0.1 * float(seen.max())


def test_what_is_refused(net: HandbuiltNet) -> None:
    with pytest.raises(SpecError, match="shuffles"):
        hands(net, shuffles=0)
