"""A chain of convolutions and pools computes what Flax computes, and knows what its units see."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from circuitkit import controls
from circuitkit.cropping import crop
from circuitkit.errors import KernelError, NetError, UnknownNameError
from circuitkit.nets import Conv, Head, Pool, Preprocessing, SequentialNet

STEPS = (Conv("conv1", stride=2, pad=2), Pool("pool1", 3), Conv("conv2", pad=1), Conv("conv3"))
SIDE = 40


def weights() -> dict[str, np.ndarray]:
    rng, held = np.random.default_rng(0), {}
    for name, shape in {"conv1": (5, 5, 3, 4), "conv2": (3, 3, 4, 6), "conv3": (3, 3, 6, 5), "dense": (5, 7)}.items():
        held[f"{name}.kernel"] = (rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32)
        held[f"{name}.bias"] = (rng.normal(size=shape[-1]) / 10).astype(np.float32)
    return held


def net(**changed: np.ndarray) -> SequentialNet:
    return SequentialNet(STEPS, weights() | changed, name="chain", head=Head("dense"), image_size=(SIDE, SIDE))


def images(side: int = SIDE) -> jax.Array:
    return jax.random.uniform(jax.random.key(0), (2, side, side, 3), minval=-1, maxval=1)


def test_layers_and_logits_are_those_of_flax() -> None:
    held, shown = weights(), images()
    x, meant = shown, {}
    for step in STEPS:
        if isinstance(step, Pool):
            meant[step.name] = x = nnx.max_pool(x, (3, 3), (3, 3))
            continue
        kernel = held[f"{step.name}.kernel"]
        conv = nnx.Conv(*kernel.shape[2:], kernel.shape[:2], step.stride, padding=step.pad, rngs=nnx.Rngs(0))
        conv.kernel[...], conv.bias[...] = jnp.asarray(kernel), jnp.asarray(held[f"{step.name}.bias"])
        meant[f"{step.name}_pre"] = x = conv(x)
        meant[step.name] = x = nnx.relu(x)
    assert net().layers == tuple(meant)
    for layer, maps in meant.items():
        np.testing.assert_allclose(net().maps(shown, layer), maps, atol=1e-5, err_msg=layer)
    said = x.mean((1, 2)) @ held["dense.kernel"] + held["dense.bias"][None]
    np.testing.assert_allclose(net().logits(shown), said, atol=1e-5)
    other = net(**{"conv2.kernel": -held["conv2.kernel"]})
    assert float(jnp.abs(other.logits(shown) - said).max()) > 1e-2


@pytest.mark.parametrize("layer", ["conv1", "pool1", "conv3"])
@pytest.mark.parametrize("side", [SIDE, 47])
def test_a_unit_sees_what_its_field_says(layer: str, side: int) -> None:
    field, chain = net().receptive_field(layer), net()
    rows, columns = chain.maps(images(side), layer).shape[1:3]
    unit = rows // 2, columns // 2
    window = (None, *((place, place + 1) for place in unit), None)
    seen = crop(lambda shown: chain.maps(shown, layer), (1, side, side, 3), window)
    assert (seen.rows[1] - seen.rows[0], seen.columns[1] - seen.columns[0]) == field.size
    centre = tuple((low + high - 1) / 2 for low, high in (seen.rows, seen.columns))
    assert centre == field.centre(*unit)


def test_it_runs_on_from_any_layer() -> None:
    chain, shown = net(), images()
    meant = chain.maps(shown, "conv3")
    for layer in ("conv1_pre", "pool1", "conv2", "conv3"):
        held = {layer: chain.maps(shown, layer)}
        np.testing.assert_allclose(chain.run_from(held, "conv3"), meant, atol=1e-6)
        np.testing.assert_allclose(chain.output_from(held), chain.logits(shown), atol=1e-6)
    # The last of what is given counts.
    later = {"conv1": chain.maps(shown, "conv1") * 0, "conv2": chain.maps(shown, "conv2")}
    np.testing.assert_allclose(chain.run_from(later, "conv3"), meant, atol=1e-6)
    assert chain.also_reads(("conv2",), "conv3") == ()
    assert chain.also_reads(("conv3",), "conv2") == ("image",)
    with pytest.raises(NetError, match="cannot run on from 'conv3' to 'conv2'"):
        chain.run_from({"conv3": meant}, "conv2")


def test_its_weights_are_known_and_can_be_others() -> None:
    chain = net()
    assert chain.weights("pool1") is None
    reads, kernel = chain.weights("conv2") or ("", None)
    assert reads == "pool1"
    np.testing.assert_array_equal(kernel, weights()["conv2.kernel"])
    assert (chain.weights("conv1") or ("",))[0] == "image"
    mixed = controls.shuffled(chain, 0)
    assert mixed.name == "chain, shuffled 0"
    np.testing.assert_array_equal(
        np.sort(np.asarray(mixed.weights("conv2")[1]).ravel()), np.sort(weights()["conv2.kernel"].ravel())
    )
    assert np.abs(mixed.maps(images(), "conv3") - chain.maps(images(), "conv3")).max() > 0.01


def test_a_head_may_read_every_place() -> None:
    held = weights()
    size = net().maps(images(), "conv3").shape[1]
    held["dense.kernel"] = np.ones((size * size * 5, 7), np.float32)
    chain = SequentialNet(STEPS, held, name="all", head=Head("dense", "all"), image_size=(SIDE, SIDE))
    meant = chain.maps(images(), "conv3").sum((1, 2, 3))[:, None] + held["dense.bias"][None]
    np.testing.assert_allclose(chain.logits(images()), meant, rtol=1e-4)
    with pytest.raises(NetError, match="give its image_size"):
        SequentialNet(STEPS, held, name="all", head=Head("dense", "all"))
    with pytest.raises(KernelError, match=r"for 'dense': wanted \(\d+, units\)"):
        SequentialNet(STEPS, weights(), name="all", head=Head("dense", "all"), image_size=(SIDE, SIDE))


def test_images_are_prepared_and_grey_ones_are_fine() -> None:
    chain = SequentialNet(STEPS[:1], {key: value for key, value in weights().items() if "conv1" in key}, name="plain")
    fed = SequentialNet(
        STEPS[:1], dict(chain._weights), name="fed", preprocessing=Preprocessing(scale=2, mean=(1, 1, 1))
    )
    np.testing.assert_allclose(chain.maps(images(), "conv1"), fed.maps(images(), "conv1"), atol=1e-5)
    grey = images()[..., :1]
    np.testing.assert_array_equal(chain.maps(grey, "conv1"), chain.maps(jnp.repeat(grey, 3, 3), "conv1"))
    with pytest.raises(NetError, match="has no output"):
        chain.logits(images())


def test_what_is_refused() -> None:
    held = weights()
    with pytest.raises(UnknownNameError, match="no layer 'conv9'"):
        net().maps(images(), "conv9")
    with pytest.raises(NetError, match="lacks the weights conv3.bias"):
        SequentialNet(STEPS, {key: value for key, value in held.items() if key != "conv3.bias"}, name="less")
    with pytest.raises(NetError, match="has no use for the weights dense.kernel, dense.bias"):
        SequentialNet(STEPS, held, name="more")
    with pytest.raises(KernelError, match=r"kernel of shape \(3, 3, 5, 6\).*wanted \(h, w, 4, units\)"):
        net(**{"conv2.kernel": np.zeros((3, 3, 5, 6), np.float32)})
    with pytest.raises(KernelError, match=r"bias of shape \(3,\)"):
        net(**{"conv2.bias": np.zeros(3, np.float32)})
    with pytest.raises(KernelError, match="NaN or infinity in conv2.bias"):
        net(**{"conv2.bias": np.full(6, np.nan, np.float32)})
    with pytest.raises(NetError, match="wanted a convolution first, and each name once"):
        SequentialNet((Pool("pool"), *STEPS), held, name="pool first")
    with pytest.raises(NetError, match="wanted a convolution first, and each name once"):
        SequentialNet((*STEPS, STEPS[0]), held, name="twice")
    with pytest.raises(KernelError, match="got weight 'conv1.kernel' of shape"):
        net().with_weights(lambda weight: weight.value[..., :1], name="fewer")
