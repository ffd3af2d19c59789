"""A layer's receptive field is what its units see: checked against gradients with respect to the image."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest

from circuitkit.errors import NetError
from circuitkit.nets.onnx_net import OnnxNet
from circuitkit.receptive_field import ReceptiveField
from tests.nets.onnx_models import loaded, model, node, noise

SMOOTH = {"MaxPool": "AveragePool", "Relu": "Identity"}


def smoothed(path: Path, folder: Path) -> OnnxNet:
    """The net of the file with random weights, averages for maxima and no ReLU: nothing that it sees can hide.

    Which pixels a unit can see is the graph's doing; a maximum or a ReLU only keeps some from mattering.
    """
    proto = onnx.load(path)
    for one in proto.graph.node:
        one.op_type = SMOOTH.get(one.op_type, one.op_type)
    net = loaded(proto, folder)
    positive = {
        name: jnp.asarray(
            np.random.default_rng(0).uniform(0.5, 1.5, w.shape) / max(1, np.prod(w.shape[1:])), jnp.float32
        )
        for name, w in net.weights.items()
    }
    return net.with_weights(positive)


def seen(
    net: OnnxNet, layer: str, row: int, column: int, size: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last row, first and last column of the pixels that a unit's gradient reaches."""

    def unit(image: jax.Array, weights: dict[str, jax.Array]) -> jax.Array:
        return net.activations(image[None], (layer,), weights=weights)[layer][0, row, column].sum()

    gradient = jax.jit(jax.grad(unit))(jnp.asarray(noise(*size, net.channels)), net.weights)
    rows, columns = np.nonzero(np.abs(np.asarray(gradient)).sum(-1))
    return (int(rows.min()), int(rows.max())), (int(columns.min()), int(columns.max()))


def promised(field: ReceptiveField, row: int, column: int, size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """The same as the field has it, cut to the image."""
    spans = []
    for centre, extent, n in zip(field.centre(row, column), field.size, size, strict=True):
        spans.append((int(max(0, centre - (extent - 1) / 2)), int(min(n - 1, centre + (extent - 1) / 2))))
    return tuple(spans)


@pytest.mark.parametrize(
    ("name", "layer"),
    [("squeezenet1_1", "fire5"), ("resnet50v2_stage3", "stage2_unit4"), ("resnet50v2_stage3", "stage2_unit1_down")],
)
@pytest.mark.parametrize("unit", [(0, 1), (9, 12)])
def test_trained_graphs_see_exactly_their_field(
    name: str, layer: str, unit: tuple[int, int], data_folder: Path, tmp_path: Path
) -> None:
    net = smoothed(data_folder / "nets" / f"{name}.onnx", tmp_path)
    field = net.layers[layer].field
    assert field is not None
    assert seen(net, layer, *unit, (224, 224)) == promised(field, *unit, (224, 224))


def lopsided(**changed: object) -> onnx.ModelProto:
    """A dilated, a strided, a padded and a pooled branch, all with other pads on each side."""
    first = {"dilations": [2, 1], "pads": [3, 0, 1, 2], **changed}
    return model(
        node("Conv", "image", "w", makes="a", **first),
        node("Pad", "a", "pads", makes="b"),
        node("Conv", "b", "w2", makes="c", strides=[2, 3], pads=[1, 1, 2, 0]),
        node("AveragePool", "b", makes="d", kernel_shape=[2, 3], strides=[2, 3], pads=[0, 1, 1, 0]),
        node("Concat", "c", "d", makes="e", axis=1),
        node("AveragePool", "e", kernel_shape=[3, 2], pads=[2, 0, 0, 1], ceil_mode=1, strides=[1, 2]),
        weights={"w": np.ones((2, 3, 3, 2), np.float32), "w2": np.ones((2, 2, 4, 3), np.float32)}
        | {"pads": np.array([0, 0, 1, 0, 0, 0, 2, 1])},
        image=(1, 3, 40, 50),
        opset=19,
    )


@pytest.mark.parametrize("layer", ["a", "b", "c", "d", "e", "y"])
@pytest.mark.parametrize("unit", [(4, 3), (7, 5)])
def test_lopsided_pads_and_dilations_are_followed(layer: str, unit: tuple[int, int], tmp_path: Path) -> None:
    net = loaded(lopsided(), tmp_path)
    field = net.layers[layer].field
    assert field is not None
    assert seen(net, layer, *unit, (40, 50)) == promised(field, *unit, (40, 50))


@pytest.mark.parametrize("changed", [{"pads": [1, 0, 3, 2]}, {"dilations": [1, 2]}], ids=str)
def test_the_check_notices_other_pads_and_dilations(changed: dict[str, list[int]], tmp_path: Path) -> None:
    field = loaded(lopsided(), tmp_path).layers["e"].field
    assert field is not None
    other = loaded(lopsided(**changed), tmp_path, name="other")
    assert seen(other, "e", 4, 3, (40, 50)) != promised(field, 4, 3, (40, 50))


def test_known_fields_of_squeezenet(data_folder: Path) -> None:
    layers = OnnxNet.load(data_folder / "nets" / "squeezenet1_1.onnx").layers
    sizes = {"conv1": 3, "fire2": 15, "fire3": 23, "fire4": 47, "fire5": 63, "fire6": 111, "fire9": 207}
    fields = {name: layers[name].field for name in sizes}
    assert {name: field.size for name, field in fields.items() if field} == {k: (n, n) for k, n in sizes.items()}
    for name, (stride, first) in {"fire3": (4, 3.0), "fire5": (8, 7.0), "fire9": (16, 15.0)}.items():
        field = fields[name]
        assert field is not None
        assert (field.stride, field.first) == ((stride, stride), (first, first))


def test_resnet_stage_2_is_centred_on_every_eighth_pixel(data_folder: Path) -> None:
    field = OnnxNet.load(data_folder / "nets" / "resnet50v2_stage3.onnx").layers["stage2_unit4"].field
    assert field is not None
    assert field.centre(3, 4) == (24, 32)


def test_after_a_global_pool_a_unit_sees_everything(tmp_path: Path) -> None:
    net = loaded(
        model(
            node("GlobalAveragePool", "image", makes="gate"),
            node("Conv", "image", "w", makes="x"),
            node("Mul", "x", "gate", makes="gated"),
            node("Flatten", "gated"),
            weights={"w": noise(3, 3, 1, 1)},
        ),
        tmp_path,
    )
    assert {name: layer.field for name, layer in net.layers.items()} == {
        "gate": None,
        "x": ReceptiveField(),
        "gated": None,
    }


def test_same_padding_moves_the_field_with_the_size_of_the_image(tmp_path: Path) -> None:
    net = loaded(
        model(
            node("Conv", "image", "w", strides=[2, 2], auto_pad="SAME_UPPER"),
            weights={"w": np.ones((1, 3, 3, 3), np.float32)},
            image=("n", 3, "h", "w"),
        ),
        tmp_path,
    )
    for size in ((12, 12), (13, 12), (13, 15)):
        field = net.for_size(*size).layers["y"].field
        assert field is not None
        assert seen(net, "y", 2, 3, size) == promised(field, 2, 3, size)
    assert net.for_size(12, 12).layers["y"].field != net.for_size(13, 13).layers["y"].field


def test_branches_with_different_strides_are_refused(tmp_path: Path) -> None:
    proto = model(
        node("AveragePool", "image", makes="a", kernel_shape=[1, 1], strides=[2, 2]),
        node("AveragePool", "image", makes="b", kernel_shape=[7, 7]),
        node("Add", "a", "b"),
    )
    with pytest.raises(NetError, match=r"in the Add that makes 'y', branches with strides \(2, 2\) and \(1, 1\)"):
        loaded(proto, tmp_path)
