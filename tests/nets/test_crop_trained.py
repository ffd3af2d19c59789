"""Trained nets are cropped to what they are in full: corners, borders and centres of some of their layers.

And the fields that are measured by cropping are those that the graph's strides and pads make.
"""

from pathlib import Path

import jax
import numpy as np
import pytest

from circuitkit import nets
from circuitkit.cropping import Interval, crop
from circuitkit.nets import FunctionNet, TrainedNet
from tests.cropping.random_nets import noise

ROUNDING = 5e-6
"""Of a layer's largest response: the rounding of sums over some hundreds of channels, in another order."""

LAYERS = {
    "squeezenet1_1": ("fire3", "fire5"),
    "resnet50v2_stage3": ("stage1_unit1", "stage2_unit1"),
}
IMAGES = (1, 224, 224, 3)


def places(n: int) -> tuple[Interval, ...]:
    """The first unit, two in the middle, and the last unit."""
    return (0, 1), (n // 2, n // 2 + 2), (n - 1, n)


@pytest.fixture(scope="module", params=LAYERS)
def net(request: pytest.FixtureRequest, data_folder: Path) -> TrainedNet:
    return nets.load(data_folder / "nets" / f"{request.param}.onnx")


@pytest.fixture(scope="module")
def full(net: TrainedNet) -> dict[str, np.ndarray]:
    layers = LAYERS[net.name]
    found = jax.jit(lambda images: net.onnx.activations(net.preprocessing(images), layers))(noise(*IMAGES))
    return {layer: np.asarray(found[layer]) for layer in layers}


@pytest.mark.parametrize("place", range(2))
def test_a_crop_gives_what_the_whole_net_gives(net: TrainedNet, full: dict[str, np.ndarray], place: int) -> None:
    images, layer = noise(*IMAGES), LAYERS[net.name][place]
    wanted = full[layer]
    rows, columns = (places(n) for n in wanted.shape[1:3])
    for row, column in ((rows[0], columns[2]), (rows[1], columns[0]), (rows[1], columns[1])):
        cropped = crop(lambda images: net.maps(images, layer), IMAGES, (None, row, column, None))
        (top, bottom), (left, right) = cropped.rows, cropped.columns
        run = jax.jit(cropped.apply)
        found = run(cropped.constants, images[:, top:bottom, left:right])
        part = wanted[:, slice(*row), slice(*column)]
        assert np.abs(found - part).max() < ROUNDING * np.abs(wanted).max()
        assert cropped.shape[1] * cropped.shape[2] < 224 * 224
    # The same units of an image that is moved by a pixel respond otherwise.
    moved = run(cropped.constants, images[:, top - 1 : bottom - 1, left:right])
    assert np.abs(moved - part).max() > 1e-2 * np.abs(wanted).max()


def test_measured_fields_are_those_of_the_graph(data_folder: Path) -> None:
    net = nets.load(data_folder / "nets" / "squeezenet1_1.onnx")
    layers = tuple(net.layers[:: len(net.layers) // 5])
    function = FunctionNet(
        lambda images: net.onnx.activations(images, layers),
        name=net.name,
        image_size=(224, 224),
        preprocessing=net.preprocessing,
    )
    fields = {layer: function.receptive_field(layer) for layer in layers}
    assert fields == {layer: net.receptive_field(layer) for layer in layers}
    assert len(set(fields.values())) > 2
