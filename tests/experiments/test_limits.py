"""What stands between a circuit and trained units is told apart, and a run goes on."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import circuitkit as ck
from circuitkit.errors import StimulusError
from circuitkit.fit.patterns import Patterns
from experiments.response_fit import limits
from experiments.response_fit.contour_patterns import EXCHANGED, OWN, SHARED, Contours, mixed, patterns
from experiments.transplant.__main__ import drawn
from experiments.transplant.units import find_units
from tests.viz.test_figures import blemishes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("limits")


@pytest.fixture(scope="module")
def found(folder: Path) -> pd.DataFrame:
    return limits.main(["--smoke", "--out", str(folder)])


def test_a_smoke_run_compares_everything(found: pd.DataFrame, folder: Path) -> None:
    of = found.set_index("model")
    wanted = {*limits.changes(limits.SMOKE), OWN, mixed(2), SHARED, EXCHANGED, limits.BY_HAND}
    assert wanted | {limits.LEARNED, limits.LEARNED_SHARED} == set(of.index)
    assert (found.low <= found["median"]).all()
    assert (found["median"] <= found.high).all()
    # The pictures are grey already, and averaging them is not nothing.
    assert of["median"]["itself, in grey"] == pytest.approx(1, abs=1e-4)
    assert of["median"]["itself, averaged over 2 x 2"] < 0.99
    assert of["median"][OWN] > of["median"][EXCHANGED]
    # Members, places and thresholds: four units of one pattern each, of one, of sums of two.
    members, places = 8, 5 * 5
    assert of.numbers[OWN] == 4 * members * places + 4
    assert of.numbers[SHARED] == members * places + 4
    assert of.numbers[mixed(2)] == 2 * members * places + 4 * 2 + 4
    for name in ("limits.png", "patterns_conv4.png"):
        assert (folder / name).stat().st_size > 10_000


def test_a_layer_that_is_done_is_not_done_again(
    found: pd.DataFrame, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "compared", None)  # whoever computes anything again fails
    monkeypatch.setattr(limits, "learn_maps", None)
    pd.testing.assert_frame_equal(limits.main(["--smoke", "--out", str(folder)]), found)


def test_figures_are_clean(found: pd.DataFrame, folder: Path) -> None:
    net = ck.nets.small()
    trained = find_units(net, ["conv4"], best=4)[0]
    images, _ = drawn(net, count=8)
    held: dict[str, Patterns] = patterns(net, trained, images, Contours(shrink=1, reach=4.0), (OWN,))
    units = pd.read_csv(folder / "limits_units.csv")
    assert len(units) == 4 * len(found)
    for figure in limits.pictures(units, {"conv4": held[OWN]}, "a note").values():
        assert not blemishes(figure)


def test_photographs_are_changed_as_said() -> None:
    image = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (1, 7, 7, 3)).astype(np.float32))
    assert np.ptp(np.asarray(limits.grey(image)), axis=-1).max() == 0
    np.testing.assert_allclose(limits.grey(image).mean(-1), image.mean(-1), atol=1e-6)
    coarse = np.asarray(limits.coarse(2)(image))
    assert coarse.shape == image.shape
    assert coarse.std() < float(image.std())
    even = jnp.ones((1, 8, 8, 3)) * 0.25
    np.testing.assert_allclose(limits.coarse(2)(even), even, atol=1e-6)


def test_without_a_folder_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CIRCUITKIT_DATA", raising=False)
    with pytest.raises(StimulusError, match="no folder of data"):
        limits.main(["--out", str(tmp_path)])
