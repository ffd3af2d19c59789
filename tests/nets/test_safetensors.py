"""Weights from safetensors files in Flax NNX models: published nets as published, and what is refused."""

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from flax import nnx

from circuitkit import nets
from circuitkit.controls import shuffled
from circuitkit.errors import NetError, UnknownNameError
from circuitkit.nets import IMAGENET, ModuleNet, Preprocessing, from_nnx, load_safetensors
from tests.cropping.random_nets import noise
from tests.nets.handwritten_nets import SqueezeNet, TinyVGG
from tests.strategies import unchecked

RECORDED = 1e-3  # what the recorded values promise
FLOAT32_PATHS = 1e-4  # two ways through float32


def off(found: Any, wanted: Any) -> float:
    return float(np.abs(np.asarray(found) - np.asarray(wanted)).max() / np.abs(np.asarray(wanted)).max())


def recorded(data_folder: Path, name: str) -> tuple[dict[str, np.ndarray], jax.Array]:
    with np.load(data_folder / "nets" / f"reference_{name}.npz", allow_pickle=False) as file:
        held = dict(file)
    return held, jnp.asarray(held["images"] / 127.5 - 1, jnp.float32)


# Published nets.


@pytest.fixture(scope="module")
def squeezenet(data_folder: Path) -> ModuleNet:
    model = nnx.eval_shape(lambda: SqueezeNet(rngs=nnx.Rngs(0)))  # shapes alone: every value comes from the file
    load_safetensors(model, data_folder / "nets" / "squeezenet1_1.safetensors")
    return from_nnx(model, name="squeezenet1_1", image_size=(224, 224), preprocessing=IMAGENET)


def onnx_name(layer: str) -> str:
    """What the ONNX file of the same net calls a submodule's output, which comes before the ReLU in a convolution."""
    block, _, part = layer.partition(".")
    if block.startswith("fire"):
        return {"": block, "squeeze1x1": f"{block}_squeeze_pre"}.get(part, f"{block}_e{part[-1:]}_pre")
    return f"{block}_pre"


def test_squeezenet_is_that_of_the_onnx_file_layer_by_layer(data_folder: Path, squeezenet: ModuleNet) -> None:
    held, images = recorded(data_folder, "squeezenet1_1")
    other = nets.load(data_folder / "nets" / "squeezenet1_1.onnx")
    layers = {layer: onnx_name(layer) for layer in squeezenet.layers}
    assert set(layers.values()) <= set(other.layers)
    assert len(layers) == 34
    ours = jax.jit(lambda images: {layer: squeezenet.maps(images, layer) for layer in layers})(images[:1])
    theirs = jax.jit(lambda images: other.onnx.activations(IMAGENET(images), tuple(layers.values())))(images[:1])
    assert {layer for layer in layers if off(ours[layer], theirs[layers[layer]]) > FLOAT32_PATHS} == set()
    for layer in ("conv1", "fire3", "fire4.expand3x3", "fire9"):
        assert squeezenet.receptive_field(layer) == other.receptive_field(layers[layer])
    means = {name.removeprefix("mean/"): value[:1] for name, value in held.items() if name.startswith("mean/")}
    assert set(means) == {"conv1", "conv10"} | {f"fire{place}" for place in range(2, 10)}
    for layer, wanted in means.items():
        value = ours[layer] if layer == "conv10" else jax.nn.relu(ours[layer])  # recorded before its ReLU
        assert off(value.mean((1, 2)), wanted) < RECORDED
    assert off(jax.nn.relu(ours["conv10"]).mean((1, 2)), held["logits"][:1]) < RECORDED


def test_a_shuffled_squeezenet_is_another_net(data_folder: Path, squeezenet: ModuleNet) -> None:
    _, images = recorded(data_folder, "squeezenet1_1")
    seen = jax.jit(lambda images: squeezenet.maps(images, "fire2"))(images[:1])
    other = shuffled(squeezenet, 0)
    assert off(jax.jit(lambda images: other.maps(images, "fire2"))(images[:1]), seen) > 0.1


def test_tiny_vgg_says_what_its_authors_recorded(data_folder: Path, tmp_path: Path) -> None:
    held, images = recorded(data_folder, "tinyvgg")
    path = data_folder / "nets" / "tinyvgg.safetensors"
    model = nnx.eval_shape(lambda: TinyVGG(rngs=nnx.Rngs(0)))

    def logits(path: Path) -> jax.Array:
        load_safetensors(model, path)
        net = from_nnx(model, layers=["output"], image_size=(64, 64), preprocessing=Preprocessing())
        return jax.jit(lambda images: net.maps(images, "output")[:, 0, 0])(images)

    assert off(logits(path), held["logits"]) < RECORDED
    assert off(jax.jit(lambda model, images: model(images))(model, (images + 1) / 2), held["logits"]) < RECORDED
    # A kernel the wrong way round fits all the same, and the record notices.
    tensors = safetensors.numpy.load_file(path)
    tensors["conv_1_2/kernel"] = np.ascontiguousarray(tensors["conv_1_2/kernel"].swapaxes(2, 3))
    safetensors.numpy.save_file(tensors, tmp_path / "turned.safetensors")
    assert off(logits(tmp_path / "turned.safetensors"), held["logits"]) > 0.1


# Names, orders of axes and types.


class Small(nnx.Module):
    def __init__(self) -> None:
        how: dict[str, Any] = {"rngs": nnx.Rngs(0), "kernel_init": nnx.initializers.zeros}
        self.blocks = nnx.List([nnx.Conv(3, 4, (3, 3), **how), nnx.Conv(4, 5, (1, 1), **how)])
        self.norm = nnx.BatchNorm(5, rngs=nnx.Rngs(0))
        self.drop = nnx.Dropout(0.5, rngs=nnx.Rngs(0))
        self.head = nnx.Linear(5, 2, **how)

    def __call__(self, images: jax.Array) -> jax.Array:
        return self.head(self.drop(self.norm(self.blocks[1](self.blocks[0](images)))).mean((1, 2)))


TENSORS = {
    name: np.asarray(noise(*shape, seed=place))
    for place, (name, shape) in enumerate(
        {
            "blocks.0.kernel": (3, 3, 3, 4), "blocks.0.bias": (4,), "blocks.1.kernel": (1, 1, 4, 5),
            "blocks.1.bias": (5,), "norm.scale": (5,), "norm.bias": (5,), "norm.mean": (5,), "norm.var": (5,),
            "head.kernel": (5, 2), "head.bias": (2,),
        }.items()
    )
}  # fmt: skip


def values(model: nnx.Module) -> dict[str, np.ndarray]:
    leaves = jax.tree_util.tree_flatten_with_path(nnx.to_pure_dict(nnx.state(model)))[0]
    named = {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}
    return {name: np.asarray(leaf) for name, leaf in named.items() if not name.startswith("drop")}


def written(folder: Path, tensors: dict[str, Any]) -> Path:
    safetensors.numpy.save_file(
        {name: np.ascontiguousarray(x) for name, x in tensors.items()}, folder / "w.safetensors"
    )
    return folder / "w.safetensors"


def same(model: nnx.Module, tensors: dict[str, np.ndarray]) -> bool:
    found = values(model)
    return found.keys() == tensors.keys() and all(np.array_equal(found[name], tensors[name]) for name in tensors)


def torch_name(name: str) -> str:
    for ours, theirs in (("kernel", "weight"), ("scale", "weight"), ("mean", "running_mean"), ("var", "running_var")):
        name = name.replace(f".{ours}", f".{theirs}")
    return name


def of_torch(name: str) -> str | None:
    if name.endswith("num_batches_tracked"):
        return None
    name = name.replace("running_", "").replace("norm.weight", "norm.scale")
    return name.replace("weight", "kernel")


@pytest.fixture(scope="module")
def small() -> Small:
    return Small()


def test_a_tensor_goes_where_its_name_says(tmp_path: Path, small: Small) -> None:
    for separator in (".", "/"):
        model = nnx.clone(small)
        assert not same(model, TENSORS)
        load_safetensors(model, written(tmp_path, {n.replace(".", separator): x for n, x in TENSORS.items()}))
        assert same(model, TENSORS)
        assert not same(small, TENSORS)
        assert values(model)["norm.var"].dtype == np.float32


def test_names_say_where_others_go(tmp_path: Path, small: Small) -> None:
    renamed = {"first" if name == "blocks.0.kernel" else name: x for name, x in TENSORS.items()} | {"step": np.ones(1)}
    model = nnx.clone(small)
    load_safetensors(model, written(tmp_path, renamed), {"first": "blocks.0.kernel", "step": None})
    assert same(model, TENSORS)
    with pytest.raises(UnknownNameError, match="has no tensor 'frist'. Did you mean 'first'"):
        load_safetensors(model, tmp_path / "w.safetensors", {"frist": "blocks.0.kernel"})
    with pytest.raises(NetError, match="two tensors of .* go to 'head.bias', one of them 'step'"):
        load_safetensors(model, tmp_path / "w.safetensors", {"first": "blocks.0.kernel", "step": "head.bias"})


def test_pytorchs_names_and_order_of_axes(tmp_path: Path, small: Small) -> None:
    theirs: dict[str, Any] = {"norm.num_batches_tracked": np.asarray(7, np.int64)}
    for name, value in TENSORS.items():
        axes = {4: (3, 2, 0, 1), 2: (1, 0)}.get(value.ndim, (0,))
        theirs[torch_name(name)] = value.transpose(axes).astype(np.float64)
    path, model = written(tmp_path, theirs), nnx.clone(small)
    load_safetensors(model, path, of_torch, kernels="OIHW")
    assert same(model, TENSORS)
    with pytest.raises(NetError, match=r"got shape \(4, 3, 3, 3\) from .* wanted \(3, 3, 3, 4\). .*see kernels="):
        load_safetensors(nnx.clone(small), path, of_torch)
    with pytest.raises(UnknownNameError, match="has no order of axes 'OHWI'"), unchecked():
        load_safetensors(model, path, of_torch, kernels="OHWI")  # type: ignore[arg-type]


def test_half_precision_becomes_what_the_model_holds(tmp_path: Path, small: Small) -> None:
    for dtype in (np.float16, jnp.bfloat16):
        model = nnx.clone(small)
        halved = {name: x.astype(dtype) for name, x in TENSORS.items()}
        load_safetensors(model, written(tmp_path, halved))
        assert same(model, {name: x.astype(np.float32) for name, x in halved.items()})


# What is refused.


def without(*names: str) -> dict[str, np.ndarray]:
    return {name: value for name, value in TENSORS.items() if name not in names}


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (without("head.kernel", "norm.var"), "do not fit Small: missing: head.kernel, norm.var; left over: none. Say"),
        (TENSORS | {"tail.kernel": np.ones((2, 2))}, "missing: none; left over: tail.kernel. Say with names="),
        ({f"x{place}": np.ones(1) for place in range(9)}, "left over: x0, .*x7 and 1 more"),
        (TENSORS | {"head.bias": np.ones(3)}, r"weight 'head.bias' of Small got shape \(3,\) from .* wanted \(2,\).$"),
        (TENSORS | {"head.bias": np.full(2, np.nan)}, "weight 'head.bias' of Small got NaN or infinity"),
        (TENSORS | {"head.bias": np.full(2, 1e300)}, "weight 'head.bias' of Small got NaN or infinity"),
        (TENSORS | {"head.bias": np.ones(2, np.int32)}, "weight 'head.bias' of Small got type int32 from"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_and_nothing_is_written(
    tmp_path: Path, small: Small, tensors: dict[str, Any], message: str
) -> None:
    before = values(small)
    path = written(tmp_path, tensors)
    with pytest.raises(NetError, match=message):
        load_safetensors(small, path)
    assert same(small, before)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("boom"),))


def a_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Bomb()))


def a_checkpoint(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps(Bomb()))


def cut(path: Path) -> None:
    path.write_bytes(written(path.parent, TENSORS).read_bytes()[:-5])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (a_pickle, "is no safetensors file .* is a pickle .*runs code when it is opened.*safetensors.torch.save_file"),
        (a_checkpoint, "is no safetensors file .* is a pickle"),
        (cut, "is no safetensors file .*cut short or spoilt"),
        (lambda path: path.write_bytes(b""), "is no safetensors file .*cut short or spoilt"),
        (lambda path: path.write_bytes(b'\x08\0\0\0\0\0\0\0{"a": 1}'), "is no safetensors file .*cut short or spoilt"),
        (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "is a Git LFS pointer"),
        (lambda path: None, "cannot be read: No such file"),
        (lambda path: path.mkdir(), "cannot be read: Is a directory"),
    ],
)
def test_files_that_are_none_are_refused(
    tmp_path: Path, small: Small, write: Callable[[Path], Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "net.safetensors"
    write(path)
    with pytest.raises(NetError, match=message):
        load_safetensors(small, path)
    assert not Path("boom").exists()


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NetError, match="are for a dict: wanted a Flax NNX module"), unchecked():
        load_safetensors({}, written(tmp_path, TENSORS))  # type: ignore[arg-type]
