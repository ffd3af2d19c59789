"""Control nets: the same weights in another order, or weights before any training."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from circuitkit import compiling, nets
from circuitkit.build import build
from circuitkit.controls import shuffled, untrained
from circuitkit.errors import KernelError, NetError, SpecError
from circuitkit.nets import FunctionNet, TrainedNet
from circuitkit.nets.preprocessing import Preprocessing
from circuitkit.probe import HandbuiltNet, Net, Weight
from circuitkit.spec import Arc, Circuit, Family, Gabor, Tile
from circuitkit.stimuli import Curve, grid, turn
from circuitkit.sweep import tune
from tests.nets.onnx_models import loaded, model, node, noise

STIMULI = grid(Curve(radius=8), angle=turn(4))


def handbuilt() -> Net:
    edges = Family("edges", Gabor(wavelength=4, sigma=1.2), angles=8)
    return HandbuiltNet(
        build(
            Circuit("arcs", [edges, Family("arcs", Tile(edges, along=Arc(radius=6, length=8), tolerance=20), angles=8)])
        )
    )


def function() -> Net:
    def maps(weights: dict[str, Any], images: jax.Array) -> dict[str, jax.Array]:
        how: dict[str, Any] = {
            "window_strides": (1, 1),
            "padding": "SAME",
            "dimension_numbers": ("NHWC", "HWIO", "NHWC"),
        }
        early = jax.nn.relu(jax.lax.conv_general_dilated(images, weights["early"]["kernel"], **how))
        early = early * weights["norm"]["scale"].reshape(1, 1, 1, -1) + weights["norm"]["bias"].reshape(1, 1, 1, -1)
        return {"early": early, "late": jax.nn.relu(jax.lax.conv_general_dilated(early, weights["late"], **how))}

    weights = {
        "early": {"kernel": jnp.asarray(noise(3, 3, 3, 4))},
        "norm": {"scale": jnp.full(4, 2.0), "bias": jnp.full(4, 0.5)},
        "late": jnp.asarray(noise(3, 3, 4, 6, seed=1)),
    }
    return FunctionNet(maps, weights=weights, name="mine", image_size=(24, 24))


def onnx(folder: Path) -> TrainedNet:
    proto = model(
        node("Conv", "image", "w1", "b1", makes="c1", pads=[1, 1, 1, 1]),
        node("BatchNormalization", "c1", "gamma", "beta", "mean", "var", makes="n1"),
        node("Relu", "n1", makes="r1"),
        node("Conv", "r1", "w2", makes="c2", pads=[1, 1, 1, 1]),
        node("Add", "c2", "b2", makes="a2"),
        node("Relu", "a2", makes="r2"),
        node("Mul", "r2", "two", makes="m2"),
        node("GlobalAveragePool", "m2", makes="pooled"),
        node("Flatten", "pooled", makes="flat"),
        node("Gemm", "flat", "w3", "b3", makes="logits", transB=1),
        weights={
            "w1": noise(4, 3, 3, 3, seed=1),
            "b1": noise(4, seed=2),
            "gamma": noise(4, seed=3),
            "beta": noise(4, seed=4),
            "mean": noise(4, seed=5),
            "var": noise(4, seed=6) ** 2,
            "w2": noise(5, 4, 3, 3, seed=7),
            "b2": noise(1, 5, 1, 1, seed=8),
            "two": np.full((1,), 2, np.float32),
            "w3": noise(7, 5, seed=9),
            "b3": noise(7, seed=10),
        },
    )
    return TrainedNet(loaded(proto, folder), Preprocessing())


@pytest.fixture(params=["handbuilt", "function", "onnx"])
def net(request: pytest.FixtureRequest, tmp_path: Path) -> Net:
    return {"handbuilt": handbuilt, "function": function, "onnx": lambda: onnx(tmp_path)}[request.param]()


def weights_of(net: Net) -> dict[str, Weight]:
    found: dict[str, Weight] = {}

    def look(weight: Weight) -> Any:
        found[weight.name] = weight
        return weight.value

    net.with_weights(look, name="looked at")
    return found


def responses(net: Net) -> np.ndarray:
    return tune(net[net.layers[1]], STIMULI, size=24).values


LAST = {"arcs": "arcs", "mine": "late", "test": "r2"}


def seen(net: Net, name: str) -> np.ndarray:
    return np.asarray(net.maps(jnp.asarray(noise(2, 24, 24, 1)), LAST[name]))


def same_multisets(net: Net, other: Net) -> bool:
    pairs = [(weights_of(net)[name].value, made.value) for name, made in weights_of(other).items()]
    return all(np.array_equal(np.sort(np.ravel(a)), np.sort(np.ravel(b))) for a, b in pairs)


def test_a_shuffled_net_has_the_same_weights_and_other_responses(net: Net) -> None:
    other = shuffled(net, 0)
    assert same_multisets(net, other)
    assert not np.allclose(seen(net, net.name), seen(other, net.name), rtol=0.1)
    for name, weight in weights_of(net).items():
        moved = not np.array_equal(weight.value, weights_of(other)[name].value)
        assert moved == (weight.role == "kernel"), name


def test_the_multisets_notice_a_net_of_other_weights(net: Net) -> None:
    assert not same_multisets(net, untrained(net, 0))


@pytest.mark.parametrize("control", [shuffled, untrained])
def test_one_seed_is_one_net(net: Net, control: Callable[[Net, int], Net]) -> None:
    before = seen(net, net.name)
    once, again, another = control(net, 3), control(net, 3), control(net, 4)
    np.testing.assert_array_equal(seen(once, net.name), seen(again, net.name))
    assert not np.array_equal(seen(once, net.name), seen(another, net.name))
    np.testing.assert_array_equal(seen(net, net.name), before)  # the net itself stays as it is


def test_a_control_says_what_it_is(net: Net) -> None:
    assert shuffled(net, 0).name == f"{net.name}, shuffled 0"
    assert untrained(shuffled(net, 1), 2).name == f"{net.name}, shuffled 1, untrained 2"
    assert shuffled(net, 0).layers == net.layers


def test_controls_run_the_programs_of_their_net(net: Net) -> None:
    compiling.forget()
    tune(net[LAST[net.name]], STIMULI, size=24)
    count = len(compiling._PROGRAMS)
    for other in (shuffled(net, 0), shuffled(net, 1), untrained(net, 0)):
        tune(other[LAST[net.name]], STIMULI, size=24)
    assert len(compiling._PROGRAMS) == count <= 2  # a sweep, and what no image changes


def test_an_untrained_net_starts_as_he_and_others_say(tmp_path: Path) -> None:
    found = weights_of(untrained(onnx(tmp_path), 0))
    assert {name: weight.role for name, weight in found.items()} == {
        "w1": "kernel", "b1": "bias", "gamma": "gain", "beta": "bias", "mean": "mean", "var": "variance",
        "w2": "kernel", "b2": "bias", "two": "constant", "w3": "kernel", "b3": "bias",
    }  # fmt: skip
    assert found["w1"].value.shape == (3, 3, 3, 4)
    assert found["w3"].value.shape == (5, 7)  # (in, out), whatever way the file has it
    for name, fan_in in {"w1": 27, "w2": 36}.items():
        assert np.std(found[name].value) == pytest.approx(math.sqrt(2 / fan_in), rel=0.2)
    for name in ("b1", "beta", "mean", "b2", "b3"):
        assert not np.any(found[name].value)
    for name in ("gamma", "var"):
        assert np.all(np.asarray(found[name].value) == 1)
    assert float(found["two"].value[0]) == 2


def test_kernels_come_back_the_way_the_file_has_them(tmp_path: Path) -> None:
    net = onnx(tmp_path)
    same = net.with_weights(lambda weight: weight.value, name="same")
    for name, value in net.onnx.weights.items():
        np.testing.assert_array_equal(same.onnx.weights[name], value)
    images = jnp.asarray(noise(2, 12, 12, 3))
    np.testing.assert_array_equal(same.logits(images), net.logits(images))


def test_a_function_that_closes_over_its_weights_says_how_to_give_them() -> None:
    kernel = jnp.asarray(noise(1, 1, 3, 2))
    net = FunctionNet(lambda images: {"only": jnp.einsum("nhwc,cd->nhwd", images, kernel[0, 0])}, name="closed")
    with pytest.raises(NetError, match="closes over its weights.*FunctionNet\\(function, weights=weights"):
        shuffled(net, 0)


def test_a_net_of_ones_own_that_gives_no_weights_is_refused() -> None:
    class Opaque(HandbuiltNet):
        with_weights = Net.with_weights

    inner = handbuilt()
    assert isinstance(inner, HandbuiltNet)
    with pytest.raises(NetError, match="is a Opaque whose weights cannot be reached"):
        shuffled(Opaque(inner.network), 0)


@pytest.mark.parametrize("seed", [-1, 0.5, "one"])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    refuse = shuffled.__wrapped__ if hasattr(shuffled, "__wrapped__") else shuffled
    with pytest.raises(SpecError, match="seed="):
        refuse(handbuilt(), seed)


@pytest.mark.parametrize("spoil", [lambda value: value[..., :1], lambda value: value * jnp.nan])
def test_a_weight_of_another_shape_or_not_finite_is_refused(net: Net, spoil: Callable[[jax.Array], jax.Array]) -> None:
    def change(weight: Weight) -> jax.Array:
        return spoil(weight.value) if weight.role == "kernel" else weight.value

    with pytest.raises(KernelError):
        net.with_weights(change, name="spoiled")


def test_a_weight_is_a_record() -> None:
    assert [field.name for field in dataclasses.fields(Weight)] == ["name", "role", "value"]


def test_squeezenet_shuffled_answers_at_random(data_folder: Path) -> None:
    net = nets.load(data_folder / "nets" / "squeezenet1_1.onnx")
    other = shuffled(net, 0)
    stimuli = grid(Curve(radius=30), angle=turn(8))
    seen, control = tune(net["fire5"], stimuli).values, tune(other["fire5"], stimuli).values
    assert abs(np.corrcoef(seen.ravel(), control.ravel())[0, 1]) < 0.3
    assert np.corrcoef(seen.ravel(), tune(net["fire5"], stimuli).values.ravel())[0, 1] > 0.99
