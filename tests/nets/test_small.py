"""The nets that come with circuitkit are what they are said to be."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from circuitkit import controls
from circuitkit.errors import NetError
from circuitkit.nets import load, small
from circuitkit.nets.registry import PACKAGED
from circuitkit.nets.small import SIDE, STEPS, WIDTHS
from circuitkit.symmetry import Motion
from experiments.small_net.data import read, shown

SAID = {False: 0.80, True: 0.58}
"""Of test images, at least, by whether training images were turned."""


@pytest.fixture(scope="module")
def tested(data_folder: Path) -> tuple[jax.Array, np.ndarray]:
    pytest.importorskip("pyarrow")
    images, labels = read(data_folder / "images" / "cifar10-test.parquet")
    return shown(jnp.asarray(images[:2000])), labels[:2000]


@pytest.mark.parametrize(("seed", "rotated"), list(PACKAGED.values()), ids=list(PACKAGED))
def test_it_knows_test_images(seed: int, rotated: bool, tested: tuple[jax.Array, np.ndarray]) -> None:
    images, labels = tested
    right = np.argmax(small(seed, rotated=rotated).logits(images), -1) == labels
    # Of 2000 images, four fifths are known to a standard error of 0.9 points.
    assert right.mean() > SAID[rotated] - 0.018


def test_turned_images_are_known_to_a_net_that_saw_such_and_to_no_other(
    tested: tuple[jax.Array, np.ndarray],
) -> None:
    images, labels = Motion(turn=90).of_images(tested[0]), tested[1]
    known = {
        rotated: (np.argmax(small(0, rotated=rotated).logits(images), -1) == labels).mean() for rotated in (False, True)
    }
    assert known[True] > SAID[True] - 0.018
    assert known[False] < 0.5


def test_shuffled_it_knows_none(tested: tuple[jax.Array, np.ndarray]) -> None:
    images, labels = tested
    mixed = controls.shuffled(small(0), 0)
    assert (np.argmax(mixed.logits(images), -1) == labels).mean() < 0.2


def test_there_is_one_a_name() -> None:
    made = [load(name) for name in PACKAGED]
    assert [net.name for net in made] == list(PACKAGED)
    kernels = [np.asarray(net.weights("conv1")[1]) for net in made]
    assert all(np.abs(one - kernels[0]).max() > 0.01 for one in kernels[1:])
    for net in made:
        assert net.image_size == (SIDE, SIDE)
        assert {step.name for step in STEPS} <= set(net.layers)
        for name, (side, units) in WIDTHS.items():
            assert net.weights(name)[1].shape[:2] == (side, side)
            assert len(net.unit_names(name)) == units
    assert made[0].receptive_field("conv5").size == (37, 37)


def test_filters_of_the_first_layer_can_be_seen() -> None:
    """Neighbouring weights are alike, as in no filter that is still the noise that it started from."""

    def smoothness(kernel: np.ndarray) -> float:
        across = [
            np.corrcoef(kernel[:, :-1, c, u].ravel(), kernel[:, 1:, c, u].ravel())[0, 1]
            for c in range(3)
            for u in range(32)
        ]
        return float(np.mean(across))

    kernel = np.asarray(small(0).weights("conv1")[1])
    assert smoothness(kernel) > 0.4
    assert abs(smoothness(np.random.default_rng(0).permuted(kernel, axis=1))) < smoothness(kernel) / 2


def test_tiny_vgg_says_what_its_makers_recorded(data_folder: Path) -> None:
    net = load(data_folder / "nets" / "tinyvgg.safetensors")
    with np.load(data_folder / "nets" / "reference_tinyvgg.npz", allow_pickle=False) as recorded:
        images, logits = recorded["images"], recorded["logits"]
    found = net.logits(shown(jnp.asarray(images)))
    np.testing.assert_allclose(found, logits, atol=1e-3 * np.abs(logits).max())
    assert np.abs(found[:, ::-1] - logits).max() > 0.1 * np.abs(logits).max()
    assert net.receptive_field("conv_3_2").size == (32, 32)
    assert net.layers[-1] == "pool_3"
    other = data_folder / "nets" / "squeezenet1_1.safetensors"
    with pytest.raises(NetError, match="holds weights, and no net.*load_safetensors"):
        load(other)


def test_seeds_that_are_none() -> None:
    with pytest.raises(NetError, match="no small net of seed 7: wanted one of 0, 1, 2"):
        small(7)
    with pytest.raises(NetError, match="no rotated small net of seed 7: wanted one of 0, 1, 2"):
        small(7, rotated=True)
