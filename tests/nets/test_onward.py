"""Nets run from an inner layer on: what they then say is what they say of the image."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from circuitkit.errors import ImageError, KernelError, NetError, UnknownNameError
from circuitkit.nets import FunctionNet, TrainedNet
from circuitkit.nets.preprocessing import Preprocessing
from tests.nets.onnx_models import loaded, model, node, noise
from tests.test_wiring import handbuilt

IMAGES = jnp.asarray(noise(2, 46, 46, 3))


def residual(folder: Path) -> TrainedNet:
    proto = model(
        node("Conv", "image", "w1", makes="c1", pads=[1, 1, 1, 1]),
        node("Relu", "c1", makes="r1"),
        node("Conv", "r1", "w2", makes="c2", pads=[1, 1, 1, 1]),
        node("Relu", "c2", makes="r2"),
        node("Add", "r1", "r2", makes="sum"),
        node("Conv", "sum", "w3", makes="c3"),
        node("GlobalAveragePool", "c3", makes="pooled"),
        node("Flatten", "pooled", makes="logits"),
        weights={
            "w1": noise(4, 3, 3, 3, seed=1),
            "w2": noise(4, 4, 3, 3, seed=2),
            "w3": noise(5, 4, 1, 1, seed=3),
        },
        image=(1, 3, 46, 46),
    )
    return TrainedNet(loaded(proto, folder), Preprocessing())


def test_running_on_is_running_through(tmp_path: Path) -> None:
    net = residual(tmp_path)
    early, middle = net.maps(IMAGES, "r1"), net.maps(IMAGES, "r2")
    whole = np.asarray(net.maps(IMAGES, "c3"))
    np.testing.assert_allclose(net.between("r1", "c3")(early), whole, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(net.run_from({"r1": early, "r2": middle}, "c3"), whole, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(net.output_from({"r1": early}), net.logits(IMAGES), rtol=1e-5, atol=1e-5)
    silent = net.output_from({"r1": early.at[..., 0].set(0)})
    assert np.abs(np.asarray(silent) - np.asarray(net.logits(IMAGES))).max() > 0.01


def test_what_leads_around_a_layer_has_to_be_given(tmp_path: Path) -> None:
    net = residual(tmp_path)
    assert net.also_reads(("r2",), "c3") == ("r1",)
    assert net.also_reads(("r1",), None) == ()
    assert net.also_reads(("c3",), "r1") == ("image",)
    with pytest.raises(NetError, match="'c3' of net 'test' is no function of layer 'r2': it also reads 'r1'"):
        net.between("r2", "c3")
    with pytest.raises(NetError, match="cannot run on from 'r2' to 'c3', which reads 'r1' besides"):
        net.run_from({"r2": net.maps(IMAGES, "r2")}, "c3")
    with pytest.raises(UnknownNameError, match="no layer 'r7'"):
        net.between("r7", "c3")


def test_circuits_run_on_without_padding() -> None:
    net = handbuilt()
    lines = net.maps(IMAGES, "lines")
    np.testing.assert_allclose(net.between("lines", "arcs")(lines), net.maps(IMAGES, "arcs"), atol=1e-6)
    pair = {name: net.maps(IMAGES, name) for name in ("bars", "dark")}
    np.testing.assert_allclose(net.run_from(pair, "arcs"), net.maps(IMAGES, "arcs"), atol=1e-6)
    assert net.also_reads(("bars",), "arcs") == ("dark",)
    assert net.also_reads(("arcs",), "lines") == ("image",)
    with pytest.raises(NetError, match="is no function of layer 'bars'"):
        net.between("bars", "both")
    with pytest.raises(KernelError, match="which reads dark besides"):
        net.run_from({"bars": pair["bars"]}, "both")
    with pytest.raises(KernelError, match="got maps of 3 units for layer 'lines': wanted 8"):
        net.run_from({"lines": lines[..., :3]}, "arcs")
    with pytest.raises(ImageError, match="maps of 3x3 units are too small for layer 'arcs'"):
        net.run_from({"lines": lines[:, :3, :3]}, "arcs")
    with pytest.raises(NetError, match="has no output"):
        net.output_from({"lines": lines})


def test_a_function_cannot_be_entered() -> None:
    net = FunctionNet(lambda images: {"a": images, "b": 2 * images}, name="f", image_size=(8, 8))
    for ask in (lambda: net.between("a", "b"), lambda: net.run_from({"a": IMAGES}, "b")):
        with pytest.raises(NetError, match="cannot be run from an inner layer on"):
            ask()


def test_a_probes_part_of_given_maps() -> None:
    net = handbuilt()
    maps = net.maps(IMAGES, "lines")
    np.testing.assert_array_equal(net["lines", [3, 1]].of(maps), maps[..., jnp.array([3, 1])])
    np.testing.assert_array_equal(net["lines"].of(maps), maps)
