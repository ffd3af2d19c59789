"""Trained nets compute what their sources recorded, and what onnxruntime computes, layer by layer."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest

from circuitkit.nets.onnx_net import OnnxNet
from tests.nets.onnx_models import error, runtime_says

NETS = ("squeezenet1_1", "resnet50v2_stage3")
# Two ways through float32, over up to 43 convolutions.
FLOAT32_PATHS = 1e-4
# What the recorded values promise.
RECORDED = 1e-3
# The recorded input of the official pair is rounded to float16.
FLOAT16_INPUT = 0.05


def preprocessed(images: np.ndarray) -> jnp.ndarray:
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    return jnp.asarray((images / 255 - mean) / deviation, jnp.float32)


@pytest.fixture(scope="module", params=NETS)
def net(request: pytest.FixtureRequest, data_folder: Path) -> OnnxNet:
    return OnnxNet.load(data_folder / "nets" / f"{request.param}.onnx")


@pytest.fixture(scope="module")
def reference(net: OnnxNet, data_folder: Path) -> dict[str, np.ndarray]:
    with np.load(data_folder / "nets" / f"reference_{net.name}.npz", allow_pickle=False) as file:
        return dict(file)


# Where the reference has other names than the file: it speaks of stages, and of conv10 before its ReLU.
TENSOR_OF = {
    "conv10": "conv10_pre",
    "stage1": "stage1_unit3",
    "stage2": "stage2_unit4",
    "stage3": "stage3_unit6",
    "stage1/act": "stage2_unit1_act1",
    "stage2/act": "stage3_unit1_act1",
    "stage3/act": "stage3_act",
}


def recorded_means(reference: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The spatial means by the name of the tensor."""
    means = {key.removeprefix("mean/"): value for key, value in reference.items() if key.startswith("mean/")}
    return {TENSOR_OF.get(name, name): value for name, value in means.items()}


def test_spatial_means_are_those_recorded(net: OnnxNet, reference: dict[str, np.ndarray]) -> None:
    means = recorded_means(reference)
    assert len(means) in {7, 10}
    maps = jax.jit(net.activations, static_argnames="layers")(preprocessed(reference["images"]), layers=tuple(means))
    for name, mean in means.items():
        assert error(maps[name].mean((1, 2)), mean) < RECORDED, name


def test_the_means_notice_images_that_are_not_preprocessed(net: OnnxNet, reference: dict[str, np.ndarray]) -> None:
    name, mean = next(iter(recorded_means(reference).items()))
    maps = net.activations(jnp.asarray(reference["images"] / 255, jnp.float32), (name,))
    assert error(maps[name].mean((1, 2)), mean) > 0.05


def test_logits_are_those_recorded(data_folder: Path) -> None:
    net = OnnxNet.load(data_folder / "nets" / "squeezenet1_1.onnx")
    with np.load(data_folder / "nets" / "reference_squeezenet1_1.npz", allow_pickle=False) as file:
        answer = jax.jit(net.output)
        assert error(answer(preprocessed(file["images"])), file["logits"]) < RECORDED
        official = answer(jnp.asarray(file["official_input_f16"], jnp.float32)[None])
        np.testing.assert_allclose(official.ravel(), file["official_output"].ravel(), atol=FLOAT16_INPUT)


def test_every_layer_is_what_onnxruntime_computes(net: OnnxNet, data_folder: Path) -> None:
    with np.load(data_folder / "nets" / f"reference_{net.name}.npz", allow_pickle=False) as file:
        images = preprocessed(file["images"][:2])
    layers = tuple(net.layers)
    ours = jax.jit(net.activations, static_argnames="layers")(images, layers=layers)
    theirs = runtime_says(onnx.load(data_folder / "nets" / f"{net.name}.onnx"), np.asarray(images), layers)
    assert {name for name in layers if error(ours[name], theirs[name]) > FLOAT32_PATHS} == set()


def test_a_flipped_kernel_is_noticed(net: OnnxNet, data_folder: Path) -> None:
    images = preprocessed(np.random.default_rng(0).integers(0, 255, (1, 224, 224, 3)))
    flipped = net.with_weights({"conv1/weight": net.weights["conv1/weight"][..., ::-1]})
    theirs = runtime_says(onnx.load(data_folder / "nets" / f"{net.name}.onnx"), np.asarray(images), ("conv1",))
    assert error(flipped.activations(images, ("conv1",))["conv1"], theirs["conv1"]) > 0.05
