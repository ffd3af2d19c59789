"""Layers that look at one place are read together, and each responds as it does alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from circuitkit.centred import Group, together
from circuitkit.nets import FunctionNet
from circuitkit.nets.sequential import Conv, Pool, SequentialNet

STEPS = (Conv("a", stride=2, pad=1), Conv("b", pad=1), Pool("pool"), Conv("c", pad=1))
ROUNDING = 1e-5


@pytest.fixture(scope="module")
def net() -> SequentialNet:
    rng = np.random.default_rng(0)
    shapes = {"a": (3, 3, 3, 4), "b": (3, 3, 4, 5), "c": (3, 3, 5, 6)}
    weights = {f"{name}.kernel": rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    weights |= {f"{name}.bias": np.zeros(shape[-1], np.float32) for name, shape in shapes.items()}
    return SequentialNet(STEPS, weights, name="three")


def alone(group: Group, images: np.ndarray, at: int) -> np.ndarray:
    """What one layer of a group responds, read by itself on images as large as the net wants."""
    probe, site, cropped = group.probes[at], group.sites[at], group.cropped
    whole = np.zeros((len(images), site.height, site.width, 3), np.float32)
    whole[:, slice(*cropped.rows), slice(*cropped.columns)] = images
    row, column = site.unit
    return np.asarray(probe.maps(jnp.asarray(whole)))[:, row, column]


def test_each_layer_responds_as_it_does_alone(net: SequentialNet) -> None:
    groups = together([net[layer] for layer in net.layers], count=2)
    assert sum(len(group.probes) for group in groups) == len(net.layers)
    assert len(groups) < len(net.layers)
    rng = np.random.default_rng(1)
    for group in groups:
        assert len({site.anchor for site in group.sites}) == 1
        images = rng.normal(size=group.shape).astype(np.float32)
        ends = np.cumsum([len(probe.unit_names) for probe in group.probes])[:-1]
        for at, found in enumerate(np.split(group.run(images), ends, axis=1)):
            wanted = alone(group, images, at)
            np.testing.assert_allclose(found, wanted, atol=ROUNDING * max(np.abs(wanted).max(), 1))


def test_what_layers_share_is_computed_once(net: SequentialNet) -> None:
    def program(*layers: str) -> int:
        (group, *_) = together([net[layer] for layer in layers], count=1)
        assert len(group.probes) == len(layers)
        images = np.zeros(group.shape, np.float32)
        return len(jax.jit(group.cropped.apply).lower(group.cropped.constants, images).as_text().splitlines())

    layers = ("a_pre", "a", "b_pre", "b")
    assert program(*layers) < 0.7 * sum(map(program, layers))


def test_layers_of_other_centres_stand_apart() -> None:
    def maps(images: jax.Array) -> dict[str, jax.Array]:
        grey = images.mean(3, keepdims=True)
        return {"pixel": grey, "pair": (grey[:, :, 1:] + grey[:, :, :-1]) / 2}

    net = FunctionNet(maps, name="halves", channels=1)
    groups = together([net["pixel"], net["pair"]], count=1)
    assert [len(group.probes) for group in groups] == [1, 1]
