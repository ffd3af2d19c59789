"""The small net: folding changes nothing, training is deterministic and goes on where it was killed."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from circuitkit.errors import StimulusError
from circuitkit.nets.small import CLASSES, SIDE, small_of
from circuitkit.symmetry import Motion
from experiments.small_net import __main__ as small_net
from experiments.small_net.data import shown, turned, varied
from experiments.small_net.model import SmallNet, folded
from tests.strategies import unchecked

CONFIG = small_net.Config(epochs=2, batch=16)


def noise(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, SIDE, SIDE, 3), np.uint8), rng.integers(0, len(CLASSES), count)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> SmallNet:
    with unchecked():
        return small_net.train(*noise(32), CONFIG, seed=0, folder=tmp_path_factory.mktemp("small"))


def test_a_run_that_was_killed_ends_in_the_same_weights(
    trained: SmallNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = folded(trained)
    steps, take = [], small_net._step

    def killed(*arguments, **options):
        if len(steps) == 3:  # in the second epoch
            raise KeyboardInterrupt
        steps.append(1)
        return take(*arguments, **options)

    with unchecked():
        monkeypatch.setattr(small_net, "_step", killed)
        with pytest.raises(KeyboardInterrupt):
            small_net.train(*noise(32), CONFIG, seed=0, folder=tmp_path / "killed")
        monkeypatch.setattr(small_net, "_step", take)
        again = folded(small_net.train(*noise(32), CONFIG, seed=0, folder=tmp_path / "killed"))
        other = folded(small_net.train(*noise(32), CONFIG, seed=1, folder=tmp_path / "other"))
    for name, value in whole.items():
        np.testing.assert_array_equal(again[name], value)
    assert np.abs(other["conv1.kernel"] - whole["conv1.kernel"]).max() > 0.01


def test_folded_norms_change_nothing(trained: SmallNet) -> None:
    images = shown(jnp.asarray(noise(4)[0]))
    meant = trained(images)
    found = small_of(folded(trained), name="folded").logits(images)
    np.testing.assert_allclose(found, meant, atol=1e-5 * float(jnp.abs(meant).max()))
    trained.norms["conv2"].mean[...] += 0.1  # a norm that was overlooked would not be noticed otherwise
    assert float(jnp.abs(small_of(folded(trained), name="moved").logits(images) - found).max()) > 1e-3
    trained.norms["conv2"].mean[...] -= 0.1


def test_images_are_varied_and_what_they_show_is_kept() -> None:
    images = shown(jnp.asarray(noise(8)[0]))
    with unchecked():
        plain = varied(jax.random.key(0), images)
        turned = varied(jax.random.key(0), images, rotated=True)
    assert plain.shape == turned.shape == images.shape
    # Whole pixels are moved: every value was there before.
    assert np.isin(np.asarray(plain), np.asarray(images)).all()
    assert not np.isin(np.asarray(turned), np.asarray(images)).all()
    assert float(jnp.abs(turned).max()) <= 1 + 1e-6
    middle = images[:, 12:20, 12:20].mean((1, 2))
    assert not np.allclose(plain[:, 12:20, 12:20].mean((1, 2)), middle)


def test_images_are_turned_counter_clockwise() -> None:
    images = shown(jnp.asarray(noise(2)[0]))
    quarter = np.asarray(Motion(turn=90).of_images(images))
    with unchecked():
        np.testing.assert_allclose(turned(images, 90), quarter, atol=1e-4)
        assert float(np.abs(np.asarray(turned(images, -90)) - quarter).max()) > 0.5
        np.testing.assert_allclose(turned(images, 0), images, atol=1e-6)
        # In between they are interpolated, and stay in range.
        between = turned(images, 45)
    assert float(jnp.abs(between).max()) <= 1 + 1e-6
    assert float(between.std()) < float(images.std())


def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CIRCUITKIT_DATA", raising=False)
    with pytest.raises(StimulusError, match="no folder of data"):
        small_net.main(["--out", str(tmp_path)])
    wild = small_net.Config(epochs=4, batch=16, rate=1e30)
    with unchecked(), pytest.raises(StimulusError, match="left the finite numbers in epoch .: lower the rate"):
        small_net.train(*noise(32), wild, seed=0, folder=tmp_path / "wild")
