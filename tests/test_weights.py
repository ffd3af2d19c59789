"""Kernels by name are those that run, and filters know which way and in which colours they look."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from circuitkit import nets, wiring
from circuitkit.build import build
from circuitkit.errors import NetError
from circuitkit.nets import Preprocessing, TrainedNet
from circuitkit.probe import HandbuiltNet
from circuitkit.spec import Circuit, Family, Gabor, Line, Spot, Tile, Union
from circuitkit.weights import by_direction, filters, kernels
from tests.nets.onnx_models import loaded, model, node, noise

WEIGHTS = {"w1": noise(4, 3, 3, 3, seed=1), "w2": noise(6, 4, 3, 3, seed=2), "w3": noise(6, 2, 3, 3, seed=3)}


def trained(folder: Path, *, colours: str = "RGB", group: int = 1) -> TrainedNet:
    later = {"w3": WEIGHTS["w3"]} if group > 1 else {"w2": WEIGHTS["w2"]}
    nodes = (
        node("Conv", "image", "w1", makes="c1", pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Relu", "c1", makes="r1"),
        node("Conv", "r1", *later, makes="c2", pads=[2, 2, 2, 2], dilations=[2, 2], group=group),
    )
    made = loaded(model(*nodes, weights={"w1": WEIGHTS["w1"]} | later, image=(1, 3, 24, 24)), folder)
    return TrainedNet(made, Preprocessing(scale=255, mean=(1, 2, 3), std=(2, 4, 5), colours=colours))


def handbuilt() -> HandbuiltNet:
    edges = Family("edges", Gabor(wavelength=6, sigma=2.4, phase=90), angles=16)
    bars = Family("bars", Gabor(wavelength=6, sigma=2.4, phase=0), angles=8)
    both = Family("both", Union((edges, bars)), angles=8)
    lines = Family("lines", Tile(both, along=Line(length=5), tolerance=20), angles=8)
    return HandbuiltNet(build(Circuit("small", [edges, bars, both, lines])))


def test_kernels_are_those_of_expanded_weights() -> None:
    net = handbuilt()
    own, other = kernels(net["lines", ["lines@45", "lines@0"]]), wiring.expanded(net["lines", [2, 0]], "both")
    assert own.dims == other.dims
    for name in ("unit", "source", "y", "x"):
        np.testing.assert_array_equal(own[name].values, other[name].values)
    np.testing.assert_array_equal(own.values, other.values)
    turned = own.copy(data=own.values[:, :, ::-1])
    assert np.abs(turned.values - other.values).max() > 0.005


def test_a_family_that_reads_several_has_all_their_names() -> None:
    found = kernels(handbuilt()["both"])
    assert found.source.values.tolist()[15:17] == ["edges@337.5", "bars@0"]
    assert found.attrs["from"] == "edges, bars"


def test_offsets_are_pixels_through_strides_and_holes(tmp_path: Path) -> None:
    found = kernels(trained(tmp_path)["c2", [1]])
    assert found.y.values.tolist() == [4, 0, -4]  # a stride of 2, and every other unit
    np.testing.assert_array_equal(found.values[0], WEIGHTS["w2"][1])
    direction = kernels(trained(tmp_path)["c2"].along([0, 3, 0, 4, 0, 0]))
    np.testing.assert_allclose(direction.values[0], 0.6 * WEIGHTS["w2"][1] + 0.8 * WEIGHTS["w2"][3], atol=1e-6)


@pytest.mark.parametrize("colours", ["RGB", "BGR"])
def test_weights_on_images_are_of_images_as_we_have_them(tmp_path: Path, colours: str) -> None:
    net = trained(tmp_path, colours=colours)
    found = kernels(net["c1"])
    assert found.source.values.tolist() == ["red", "green", "blue"]
    image = np.zeros((2, 24, 24, 3), np.float32)
    patch = np.random.default_rng(0).normal(size=(3, 3, 3)).astype(np.float32) / 10
    image[1, 9:12, 9:12] = patch  # unit (5, 5), at a stride of 2
    seen = np.asarray(net.maps(jnp.asarray(image), "c1"))[:, 5, 5]
    np.testing.assert_allclose(seen[1] - seen[0], np.einsum("ucyx,yxc->u", found.values, patch), rtol=1e-4, atol=1e-2)
    raw = np.einsum("ucyx,yxc->u", WEIGHTS["w1"], patch)
    assert np.abs(seen[1] - seen[0] - raw).max() > 1


def test_the_direction_of_a_gabor_is_its_angle() -> None:
    net = handbuilt()
    for family in ("edges", "bars"):
        seen = filters(net[family])
        away = (seen.angle.values - 22.5 * np.arange(len(seen.unit)) + 90) % 180 - 90
        assert np.abs(away).max() < 0.05
        assert seen.directed.values.min() > 0.5
        assert np.abs(seen.frequency.values - 1 / 6).max() < 0.02
        assert (seen.colour == 0).all()


def test_grey_and_colour_are_told_apart_and_ordered() -> None:
    edges = Family("edges", Gabor(wavelength=6, sigma=2.4, phase=90, hue=0), angles=4, hues=4)
    spots = Family("spots", Spot(sigma=2.0, hue=0), angles=1, hues=3)
    net = HandbuiltNet(build(Circuit("colours", [edges, spots])))
    seen = filters(net["edges"])
    assert seen.colour.values.min() > 0.99
    order = by_direction(seen)
    assert list(order) == ["colour"]
    assert np.all(np.diff(seen.angle.values[order["colour"]]) >= -1e-3)
    assert filters(net["spots"]).directed.values.max() < 1e-6
    mixed = seen.copy(deep=True)
    mixed.colour[:3] = 0.0
    assert [len(each) for each in by_direction(mixed).values()] == [3, 13]


def test_a_filter_of_zeros_has_no_direction_and_no_colour(tmp_path: Path) -> None:
    net = trained(tmp_path).with_weights(lambda weight: 0 * weight.value, name="silent")
    seen = filters(net["c1"])
    for name in ("angle", "directed", "frequency", "colour"):
        assert (seen[name] == 0).all()


def test_what_is_not_known_is_refused_with_a_way_out(tmp_path: Path) -> None:
    blind = nets.FunctionNet(lambda images: {"dark": -images}, name="mine")
    with pytest.raises(NetError, match="net 'mine' knows no single kernel of layer 'dark'.*wiring.expanded"):
        kernels(blind["dark"])
    with pytest.raises(NetError, match="reads 4 units of 'r1': wanted a layer that reads the image"):
        filters(trained(tmp_path)["c2"])
    with pytest.raises(NetError, match="reads 2 of the 4 units of 'r1': a convolution in groups"):
        kernels(trained(tmp_path, group=2)["c2"])
