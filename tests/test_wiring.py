"""Expanded weights: a kernel is a kernel, and what lies between two layers is multiplied out."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from circuitkit import nets, wiring
from circuitkit.build import build
from circuitkit.controls import shuffled
from circuitkit.errors import NetError, UnknownNameError
from circuitkit.nets import TrainedNet
from circuitkit.nets.preprocessing import Preprocessing
from circuitkit.probe import HandbuiltNet
from circuitkit.spec import Arc, Circuit, Crossing, Family, Gabor, Line, Tile, Union
from tests.nets.onnx_models import loaded, model, node, noise

WEIGHTS = {
    "w1": noise(4, 3, 3, 3, seed=1),
    "b1": noise(4, seed=2),
    "w2": noise(2, 4, 1, 1, seed=3),
    "w3": noise(6, 2, 3, 5, seed=4),
    "gamma": noise(6, seed=5),
    "beta": noise(6, seed=6),
    "mean": noise(6, seed=7),
    "var": noise(6, seed=8) ** 2 + 0.5,
}

BOTTLENECK = (
    node("Conv", "image", "w1", "b1", makes="c1", pads=[1, 1, 1, 1]),
    node("Relu", "c1", makes="r1"),
    node("Conv", "r1", "w2", makes="c2"),
    node("Relu", "c2", makes="r2"),
    node("Conv", "r2", "w3", makes="c3", pads=[1, 2, 1, 2]),
    node("Relu", "c3", makes="r3"),
)


def trained(folder: Path, *nodes: onnx.NodeProto, size: int = 24) -> TrainedNet:
    read = {name for each in nodes for name in each.input}
    weights = {name: value for name, value in WEIGHTS.items() if name in read}
    return TrainedNet(loaded(model(*nodes, weights=weights, image=(1, 3, size, size)), folder), Preprocessing())


def product(later: str = "w3", between: str = "w2") -> np.ndarray:
    """(unit, source, y, x): what two kernels come to where the first is 1x1."""
    return np.einsum("umyx,ms->usyx", WEIGHTS[later], WEIGHTS[between][:, :, 0, 0])


def handbuilt() -> HandbuiltNet:
    bars = Family("bars", Gabor(wavelength=5, sigma=1.5, phase=0), angles=8)
    dark = Family("dark", Gabor(wavelength=5, sigma=1.5, phase=180), angles=8)
    both = Family("both", Union((bars, dark)), angles=8)
    lines = Family("lines", Tile(both, along=Line(length=5), tolerance=20) - Crossing(0.7), angles=8)
    arcs = Family("arcs", Tile(lines, along=Arc(radius=8, length=12), tolerance=20), angles=8)
    return HandbuiltNet(build(Circuit("small", [bars, dark, both, lines, arcs])))


def test_one_convolution_gives_its_kernel(tmp_path: Path) -> None:
    net = trained(tmp_path, *BOTTLENECK)
    found = wiring.expanded(net["r3"], "r2")
    np.testing.assert_allclose(found.values, WEIGHTS["w3"], atol=1e-6)
    assert found.dims == ("unit", "source", "y", "x")
    assert found.y.values.tolist() == [1, 0, -1]
    assert found.x.values.tolist() == [-2, -1, 0, 1, 2]
    assert found.unit.values[0] == "r3:0"
    assert found.source.values[-1] == "r2:1"


def test_handbuilt_kernels_come_back_to_the_bit() -> None:
    net = handbuilt()
    kernel = np.asarray(net.network.layers["arcs"].kernel[...])
    found = wiring.expanded(net["arcs"], "lines").values
    np.testing.assert_array_equal(found, np.moveaxis(kernel, (3, 2), (0, 1)))


def test_a_bottleneck_is_multiplied_out(tmp_path: Path) -> None:
    net = trained(tmp_path, *BOTTLENECK)
    found = wiring.expanded(net["r3"], "r1").values
    np.testing.assert_allclose(found, product(), atol=1e-5)
    wrong = np.flip(product(), 2)
    assert np.abs(found - wrong).max() > 0.1


def test_a_probe_of_some_units_or_directions_has_their_weights(tmp_path: Path) -> None:
    net = trained(tmp_path, *BOTTLENECK)
    whole = wiring.expanded(net["r3"], "r1")
    some = wiring.expanded(net["r3", [4, 1]], "r1")
    np.testing.assert_allclose(some.values, whole.isel(unit=[4, 1]).values, atol=1e-6)
    assert some.unit.values.tolist() == ["r3:4", "r3:1"]
    along = wiring.expanded(net["r3"].along([0, 3, 0, 0, 4, 0]), "r1").values[0]
    np.testing.assert_allclose(along, 0.6 * whole.values[1] + 0.8 * whole.values[4], atol=1e-5)


def test_a_batch_norm_scales_and_a_skip_connection_adds(tmp_path: Path) -> None:
    net = trained(
        tmp_path,
        *BOTTLENECK[:4],
        node("Conv", "r2", "w3", makes="c3", pads=[1, 2, 1, 2]),
        node("BatchNormalization", "c3", "gamma", "beta", "mean", "var", makes="n3", epsilon=0.0),
        node("Relu", "n3", makes="r3"),
        node("Add", "c3", "r3", makes="sum"),
    )
    gain = WEIGHTS["gamma"] / np.sqrt(WEIGHTS["var"])
    found = wiring.expanded(net["r3"], "r2").values
    np.testing.assert_allclose(found, WEIGHTS["w3"] * gain[:, None, None, None], rtol=1e-4, atol=1e-5)
    both = wiring.expanded(net["sum"], "r2").values
    np.testing.assert_allclose(both, WEIGHTS["w3"] * (1 + gain)[:, None, None, None], rtol=1e-4, atol=1e-5)


def test_a_max_pool_is_the_mean_of_its_window(tmp_path: Path) -> None:
    net = trained(
        tmp_path,
        *BOTTLENECK[:4],
        node("MaxPool", "r2", makes="pooled", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "pooled", "w3", makes="c3", pads=[1, 2, 1, 2]),
    )
    found = wiring.expanded(net["c3"], "r2")
    np.testing.assert_allclose(found.values, np.kron(WEIGHTS["w3"], np.full((1, 1, 2, 2), 0.25)), atol=1e-6)
    np.testing.assert_allclose(found.sum(("y", "x")).values, WEIGHTS["w3"].sum((2, 3)), atol=1e-5)
    assert found.y.values.tolist() == [2.5, 1.5, 0.5, -0.5, -1.5, -2.5]


@pytest.mark.parametrize(
    "rectifier",
    [
        node("LeakyRelu", "c2", makes="r2", alpha=0.1),
        node("Clip", "c2", makes="r2"),
        node("Relu", "c2", makes="r2"),
    ],
    ids=lambda each: each.op_type,
)
def test_rectifiers_let_everything_through(tmp_path: Path, rectifier: onnx.NodeProto) -> None:
    net = trained(tmp_path, *BOTTLENECK[:3], rectifier, *BOTTLENECK[4:])
    np.testing.assert_allclose(wiring.expanded(net["c3"], "r1").values, product(), atol=1e-5)


@pytest.mark.parametrize("curve", ["Sigmoid", "Tanh", "Softmax"])
def test_what_cannot_be_made_linear_is_refused(tmp_path: Path, curve: str) -> None:
    options: dict[str, Any] = {"axis": 1} if curve == "Softmax" else {}
    net = trained(tmp_path, *BOTTLENECK[:3], node(curve, "c2", makes="r2", **options), *BOTTLENECK[4:])
    with pytest.raises(NetError, match="cannot be made linear"):
        wiring.expanded(net["c3"], "r1")


def test_a_gate_is_refused(tmp_path: Path) -> None:
    net = trained(tmp_path, *BOTTLENECK[:4], node("Mul", "c2", "r2", makes="gated"))
    with pytest.raises(NetError, match="cannot be made linear"):
        wiring.expanded(net["gated"], "r1")


def test_a_global_pool_is_refused(tmp_path: Path) -> None:
    net = trained(tmp_path, *BOTTLENECK[:4], node("GlobalAveragePool", "r2", makes="pooled"))
    with pytest.raises(NetError, match="read more than"):
        wiring.expanded(net["pooled"], "r1")


def test_layers_that_do_not_follow_are_refused(tmp_path: Path) -> None:
    net = trained(tmp_path, *BOTTLENECK)
    with pytest.raises(NetError, match="layer 'r1' of net 'test' is no function of layer 'r3'"):
        wiring.expanded(net["r1"], "r3")
    with pytest.raises(UnknownNameError, match="no layer 'r9'"):
        wiring.expanded(net["r3"], "r9")


def test_shuffled_nets_have_other_weights_of_the_same_shape(tmp_path: Path) -> None:
    net = trained(tmp_path, *BOTTLENECK)
    own, other = wiring.expanded(net["r3"], "r1"), wiring.expanded(shuffled(net, 0)["r3"], "r1")
    assert other.attrs["net"] == "test, shuffled 0"
    assert own.shape == other.shape
    assert np.abs(own.values - other.values).max() > 0.1


def test_what_a_layer_is_made_of_and_what_is_made_of_it() -> None:
    net = handbuilt()
    assert [wiring.before(net[layer]) for layer in net.layers] == [None, None, None, "both", "lines"]
    assert [wiring.after(net, layer) for layer in net.layers] == [None, None, "lines", "arcs", None]


def test_bottlenecks_and_pools_are_passed_over(data_folder: Path) -> None:
    net = nets.load(data_folder / "nets" / "squeezenet1_1.onnx")
    assert wiring.before(net["fire5"]) == "fire4"
    assert wiring.before(net["fire4"]) == "fire3"  # through a pool
    assert wiring.after(net, "fire5") == "fire6"  # both branches, not the first of them
    assert wiring.after(net, "conv10") is None
    squeeze, expand = (np.asarray(net.onnx.kernel(name)) for name in ("fire5_squeeze_pre", "fire5_e3_pre"))
    wanted = np.einsum("yxmu,sm->usyx", expand[..., [2, 13]], squeeze[0, 0])
    found = wiring.expanded(net["fire5", [130, 141]], "fire4")
    np.testing.assert_allclose(found.values, wanted, atol=1e-6)
    assert found.attrs["stride"] == (8, 8)
