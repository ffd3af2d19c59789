"""A Flax NNX model as a net: what its submodules return while it runs, and what is refused."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from circuitkit import compiling
from circuitkit.controls import shuffled, untrained
from circuitkit.errors import KernelError, NetError, UnknownNameError
from circuitkit.nets import FunctionNet, ModuleNet, Preprocessing, from_nnx
from circuitkit.nets.flax_nnx import changes
from circuitkit.probe import Weight
from circuitkit.receptive_field import ReceptiveField
from circuitkit.stimuli import Curve, grid, turn
from circuitkit.sweep import tune
from tests.cropping.random_nets import noise
from tests.strategies import unchecked

SIZE = (32, 32)
IMAGES = noise(2, *SIZE, 3)
ROUNDING = 1e-5
STIMULI = grid(Curve(length=20.0), angle=turn(4), radius=(8.0,))


def conv(inputs: int, outputs: int, side: int, *, rngs: nnx.Rngs, **how: Any) -> nnx.Conv:
    def drawn(_: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
        return (noise(*shape, seed=math.prod(shape)) / math.sqrt(math.prod(shape[:-1]))).astype(dtype)

    return nnx.Conv(inputs, outputs, (side, side), kernel_init=drawn, rngs=rngs, **how)


class Block(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.conv = conv(4, 4, 3, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return x + self.drop(self.conv(jax.nn.relu(self.norm(x))))


class Model(nnx.Module):
    """Twelve steps, so that their order is not that of their names; a head for one size of images; no dictionaries."""

    def __init__(self, *, rngs: nnx.Rngs, block: type[Block] = Block) -> None:
        self.stem = conv(3, 4, 5, strides=2, rngs=rngs)
        self.blocks = nnx.List([block(rngs=rngs)])
        self.again = conv(4, 4, 1, rngs=rngs)
        self.chain = nnx.Sequential(*(conv(4, 4, 1, rngs=rngs) for _ in range(11)))
        self.head = nnx.Linear(16 * 16 * 4, 5, rngs=rngs)
        for place, norm in enumerate(each.norm for each in self.blocks):
            norm.mean[...], norm.var[...] = noise(4, seed=place), 1 + noise(4, seed=place) ** 2

    def __call__(self, images: jax.Array) -> jax.Array:
        x = jax.nn.relu(self.stem(images))
        for block in self.blocks:
            x = block(x)
        x = self.chain(self.again(self.again(x)))
        return self.head(x.reshape(x.shape[0], -1))


def by_hand(model: Model, images: jax.Array) -> dict[str, jax.Array]:
    """The same maps as the model's author would write them, in eval mode."""
    (block,) = model.blocks
    found = {"stem": model.stem(images)}
    x = jax.nn.relu(found["stem"])
    found["blocks.0.norm"] = block.norm(x, use_running_average=True)
    found["blocks.0.conv"] = found["blocks.0.drop"] = block.conv(jax.nn.relu(found["blocks.0.norm"]))
    found["blocks.0"] = x + found["blocks.0.conv"]
    found["again"] = model.again(found["blocks.0"])
    x = found["again#2"] = model.again(found["again"])
    for place, layer in enumerate(model.chain.layers):
        x = found[f"chain.layers.{place}"] = layer(x)
    return found | {"chain": x}


NAMES = (
    *("stem", "blocks.0.norm", "blocks.0.conv", "blocks.0.drop", "blocks.0", "again", "again#2"),
    *(f"chain.layers.{place}" for place in range(11)),
    "chain",
)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(rngs=nnx.Rngs(0))


@pytest.fixture(scope="module")
def net(model: Model) -> ModuleNet:
    return from_nnx(model, image_size=SIZE)


def all_maps(net: ModuleNet, images: jax.Array) -> dict[str, jax.Array]:
    return jax.jit(lambda images: {layer: net.maps(images, layer) for layer in net.layers})(images)


def arrays(model: nnx.Module) -> list[np.ndarray]:
    leaves = jax.tree.leaves(nnx.state(model))
    return [np.asarray(jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x) for x in leaves]


def test_every_submodule_is_a_layer_in_order_of_running(model: Model, net: ModuleNet) -> None:
    assert (net.name, net.image_size) == ("Model", SIZE)
    assert net.layers == NAMES
    assert net.unit_names("stem") == tuple(f"stem:{unit}" for unit in range(4))
    assert set(net.layers) - set(net.distinct_layers) == {"chain", "blocks.0.drop"}


def test_maps_are_those_of_the_model(model: Model, net: ModuleNet) -> None:
    found, wanted = all_maps(net, IMAGES), jax.jit(lambda images: by_hand(model, images))(IMAGES)
    for layer in net.layers:
        np.testing.assert_allclose(found[layer], wanted[layer], atol=ROUNDING * np.abs(wanted[layer]).max())
    head = from_nnx(model, layers=["head"], image_size=SIZE)
    held = nnx.clone(model)
    held.eval()
    np.testing.assert_allclose(head.maps(IMAGES, "head")[:, 0, 0], held(IMAGES), rtol=1e-4, atol=1e-5)
    # And not those of the model as it is, which learns.
    assert not np.allclose(head.maps(IMAGES, "head")[:, 0, 0], nnx.clone(model)(IMAGES), rtol=1e-2)


def test_the_model_stays_as_it_is() -> None:
    model = Model(rngs=nnx.Rngs(0))
    before = arrays(model), {path: (type(part), set(vars(part))) for path, part in nnx.iter_modules(model)}
    net = from_nnx(model, image_size=SIZE)
    tune(shuffled(net, 0)["chain"], STIMULI, size=32)
    for old, new in zip(before[0], arrays(model), strict=True):
        np.testing.assert_array_equal(old, new)
    assert {path: (type(part), set(vars(part))) for path, part in nnx.iter_modules(model)} == before[1]
    assert not model.blocks[0].drop.deterministic
    assert not model.blocks[0].norm.use_running_average
    # And the net as it was, whatever becomes of the model.
    held = net.maps(IMAGES, "stem")
    model.stem.kernel[...] = 0 * model.stem.kernel[...]
    np.testing.assert_array_equal(net.maps(IMAGES, "stem"), held)


def test_fields_and_crops_are_those_of_the_function(model: Model, net: ModuleNet) -> None:
    held = nnx.clone(model)
    held.eval()
    function = FunctionNet(lambda images: by_hand(held, images), name="by hand", image_size=SIZE)
    stem = ReceptiveField().through(
        kernel=(5, 5), stride=(2, 2), pad=(1, 1)
    )  # SAME on even sides: of 3 pixels 1 before
    assert net.receptive_field("stem") == net.receptive_field("blocks.0.norm") == stem
    assert net.receptive_field("chain") == stem.through(kernel=(3, 3), pad=(1, 1))
    for layer in ("stem", "blocks.0", "again#2"):
        assert net.receptive_field(layer) == function.receptive_field(layer)
    # The head fixes the size of images, which is no affair of what comes before it.
    assert net.receptive_field("chain", (64, 48)) == net.receptive_field("chain")
    assert net.maps(IMAGES[:, :20, :20], "chain").shape == (2, 10, 10, 4)
    whole, wanted = tune(net["chain"], STIMULI, size=32), tune(function["chain"], STIMULI, size=32)
    np.testing.assert_allclose(whole, wanted, atol=ROUNDING * float(np.abs(wanted).max()))
    assert float(np.abs(wanted).max()) > 0


def test_rectified_maps_are_cut_off_below_zero(model: Model, net: ModuleNet) -> None:
    plain = net.maps(IMAGES, "stem")
    assert float(plain.min()) < 0
    for rectify in (True, ["stem"]):
        other = from_nnx(model, layers=["stem", "blocks.0"], rectify=rectify, image_size=SIZE)
        assert other.layers == ("stem", "blocks.0")
        np.testing.assert_array_equal(other.maps(IMAGES, "stem"), jax.nn.relu(plain))
        assert (float(other.maps(IMAGES, "blocks.0").min()) < 0) == (rectify == ["stem"])
    with pytest.raises(UnknownNameError, match="no layer 'stm'. Did you mean 'stem'"):
        from_nnx(model, rectify=["stm"], image_size=SIZE)


# Weights.


def weights_of(net: ModuleNet) -> dict[str, Weight]:
    found: dict[str, Weight] = {}

    def look(weight: Weight) -> jax.Array:
        found[weight.name] = weight
        return weight.value

    net.with_weights(look, name="looked at")
    return found


def test_weights_are_called_by_their_path_and_have_their_roles(model: Model, net: ModuleNet) -> None:
    found = weights_of(net)
    assert {name: weight.role for name, weight in found.items() if name.startswith("blocks")} == {
        "blocks.0.conv.kernel": "kernel", "blocks.0.conv.bias": "bias", "blocks.0.norm.scale": "gain",
        "blocks.0.norm.bias": "bias", "blocks.0.norm.mean": "mean", "blocks.0.norm.var": "variance",
    }  # fmt: skip
    np.testing.assert_array_equal(found["chain.layers.10.kernel"].value, model.chain.layers[10].kernel[...])
    assert not any("rngs" in name for name in found)


def test_controls_have_other_kernels_and_run_the_same_programs(net: ModuleNet) -> None:
    before = net.maps(IMAGES, "chain")
    compiling.forget()
    plain = tune(net["chain"], STIMULI, size=32)
    count = len(compiling._PROGRAMS)
    others = [tune(control["chain"], STIMULI, size=32) for control in (shuffled(net, 0), untrained(net, 0))]
    assert len(compiling._PROGRAMS) == count <= 2  # a sweep, and what no image changes
    assert all(float(np.abs(other - plain).max()) > 0.1 * float(np.abs(plain).max()) for other in others)
    other = shuffled(net, 0)
    assert (other.name, other.layers) == ("Model, shuffled 0", net.layers)
    for name, weight in weights_of(other).items():
        held = weights_of(net)[name]
        assert np.array_equal(weight.value, held.value) == (weight.role != "kernel"), name
        np.testing.assert_array_equal(np.sort(np.ravel(weight.value)), np.sort(np.ravel(held.value)))
    np.testing.assert_array_equal(net.maps(IMAGES, "chain"), before)


@pytest.mark.parametrize("spoil", [lambda value: value[..., :1], lambda value: value * jnp.nan])
def test_weights_of_another_shape_or_not_finite_are_refused(net: ModuleNet, spoil: Callable[..., jax.Array]) -> None:
    with pytest.raises(KernelError, match="net 'spoilt' got weight 'again.kernel'.* wanted"):
        net.with_weights(
            lambda weight: spoil(weight.value) if weight.name == "again.kernel" else weight.value, name="spoilt"
        )


def test_half_precision_is_computed_as_the_model_does() -> None:
    half = conv(3, 4, 1, rngs=nnx.Rngs(0), param_dtype=jnp.bfloat16, dtype=jnp.bfloat16)

    class Half(nnx.Module):
        def __init__(self) -> None:
            self.conv = half

        def __call__(self, images: jax.Array) -> jax.Array:
            return self.conv(images)

    net = from_nnx(Half(), image_size=SIZE)
    assert net.maps(IMAGES, "conv").dtype == jnp.float32
    np.testing.assert_array_equal(net.maps(IMAGES, "conv"), half(IMAGES).astype(jnp.float32))
    assert weights_of(net)["conv.kernel"].value.dtype == jnp.float32


# Transformations inside the model.


class Jitted(Block):
    __call__ = nnx.jit(Block.__call__)


class Rematted(Block):
    def __call__(self, x: jax.Array) -> jax.Array:
        return nnx.remat(Block.__call__)(self, x)


@pytest.mark.parametrize("block", [Jitted, Rematted])
def test_submodules_under_jit_and_remat_are_layers_too(block: type[Block], net: ModuleNet) -> None:
    inside = from_nnx(Model(rngs=nnx.Rngs(0), block=block), image_size=SIZE)
    assert inside.layers == net.layers
    assert inside.receptive_field("blocks.0.norm") == net.receptive_field("blocks.0.norm")
    # Once more, now that nnx.jit has its own copy of what it traced.
    again = from_nnx(Model(rngs=nnx.Rngs(0), block=block), image_size=SIZE)
    assert again.layers == net.layers
    for layer in ("blocks.0.norm", "again"):
        np.testing.assert_allclose(inside.maps(IMAGES, layer), net.maps(IMAGES, layer), atol=1e-4)
        np.testing.assert_array_equal(again.maps(IMAGES, layer), inside.maps(IMAGES, layer))


def test_of_a_run_that_fails_what_ran_inside_a_transformation_is_lost() -> None:
    class All(Model):
        __call__ = nnx.jit(Model.__call__)

    net = from_nnx(All(rngs=nnx.Rngs(0)), image_size=SIZE)
    assert net.maps(IMAGES, "stem").shape == (2, 16, 16, 4)
    with pytest.raises(
        NetError, match=r"gives no map of layer 'stem' on images of shape \(2, 20, 20, 3\) with TypeError"
    ):
        net.maps(IMAGES[:, :20, :20], "stem")


# What is refused.


class Switched(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs, jitted: bool = False) -> None:
        self.conv = conv(1, 3, 3, rngs=rngs)
        self.norm = nnx.BatchNorm(3, rngs=rngs)
        self.run = nnx.jit(type(self).features, static_argnames="train") if jitted else type(self).features

    def features(self, images: jax.Array, train: bool = True) -> jax.Array:
        return self.norm(self.conv(images), use_running_average=not train)

    def __call__(self, images: jax.Array, train: bool = True) -> jax.Array:
        return self.run(self, images, train=train)


@pytest.mark.parametrize("jitted", [False, True])
def test_a_model_that_learns_while_it_runs_is_refused_until_told(jitted: bool) -> None:
    model = Switched(rngs=nnx.Rngs(0), jitted=jitted)
    with pytest.raises(NetError, match=r"changes its own state as it runs \(norm.mean, norm.var\).*'train': False"):
        from_nnx(model, image_size=SIZE, channels=1)
    net = from_nnx(model, image_size=SIZE, channels=1, arguments={"train": False})
    assert net.layers == ("conv", "norm", "output")
    other = from_nnx(model, image_size=SIZE, channels=1, method="features", arguments={"train": False})
    np.testing.assert_allclose(other.maps(IMAGES, "norm"), net.maps(IMAGES, "output"), atol=1e-5)
    assert net.image_values == "as they are; RGB is averaged"


def test_changes_are_told_from_what_is_handed_on() -> None:
    values = {"a": jnp.ones(2), "b": jnp.ones(2), "c": jnp.ones(2)}
    handed_on = jax.jit(lambda values: values | {"b": values["b"] * 1})
    assert changes(handed_on, values) == ["b"]
    assert changes(jax.checkpoint(dict), values) == []
    assert changes(lambda values: {"a": values["b"], "b": values["a"], "c": jnp.zeros(2)}, values) == ["a", "b", "c"]


def test_names_that_are_none_are_refused(model: Model, net: ModuleNet) -> None:
    with pytest.raises(UnknownNameError, match="net 'Model' has no layer 'blocks.0.cnv'. Did you mean 'blocks.0.conv'"):
        from_nnx(model, layers=["blocks.0.cnv"], image_size=SIZE)
    with pytest.raises(UnknownNameError, match="has no layer 'steem'. Did you mean 'stem'"):
        net.maps(IMAGES, "steem")
    for layers in ("stem", []):
        with pytest.raises(NetError, match="wanted a list of names"):
            from_nnx(model, layers=layers, image_size=SIZE)
    with pytest.raises(NetError, match="has no method 'features': say with method="):
        from_nnx(model, method="features", image_size=SIZE)


def test_images_of_another_size_say_so(model: Model) -> None:
    with pytest.raises(NetError, match=r"fails on images of shape \(2, 224, 224, 3\) with TypeError.*image_size"):
        from_nnx(model)
    with pytest.raises(NetError, match=r"fails on images of shape \(2, 32, 32, 1\)"):
        from_nnx(model, image_size=SIZE, channels=1)
    with pytest.raises(NetError, match="Give another channel order, or channels=1"):
        from_nnx(model, image_size=SIZE, preprocessing=Preprocessing(colours="GREY"))


class Flat(nnx.Module):
    def __init__(self) -> None:
        self.head = nnx.Linear(3, 4, rngs=nnx.Rngs(0))

    def __call__(self, images: jax.Array) -> jax.Array:
        return self.head(images.mean((1, 2)))


def test_what_is_no_model_is_refused(model: Model) -> None:
    with pytest.raises(NetError, match="is a function: wanted a Flax NNX module. from_linen takes"), unchecked():
        from_nnx(lambda images: images)  # type: ignore[arg-type]
    blind = nnx.Linear(3, 4, rngs=nnx.Rngs(0))  # its output is a map, but it has no submodules
    assert from_nnx(blind, image_size=SIZE).layers == ("output",)
    with pytest.raises(NetError, match="has no submodule that returns a map .* it has head"):
        from_nnx(Flat(), image_size=SIZE)
    broken = nnx.clone(model)
    broken.again.bias[...] = jnp.full(4, jnp.nan)
    with pytest.raises(NetError, match="weight 'again.bias' of net 'Model' holds NaN"):
        from_nnx(broken, image_size=SIZE)
    with pytest.raises(NetError, match="weight .* has no value yet: load or train"):
        from_nnx(nnx.eval_shape(lambda: Model(rngs=nnx.Rngs(0))), image_size=SIZE)


def no_map(value: Any) -> nnx.Module:
    class Odd(nnx.Module):
        def __init__(self) -> None:
            self.inner = nnx.Linear(3, 3, rngs=nnx.Rngs(0))
            self.odd = nnx.Sequential(value)

        def __call__(self, images: jax.Array) -> jax.Array:
            self.odd(images)
            return self.inner(images)

    return Odd()


@pytest.mark.parametrize(
    "value", [lambda x: x.mean(), lambda x: (x, x), lambda x: x > 0, lambda x: x[:1], lambda x: jnp.stack([x, x])]
)
def test_submodules_that_return_no_map_are_no_layers(value: Callable[..., Any]) -> None:
    model = no_map(value)
    assert from_nnx(model, image_size=SIZE).layers == ("inner", "output")
    with pytest.raises(NetError, match="layer 'odd' of net 'Odd' is a .* wanted a JAX array of floats"):
        from_nnx(model, layers=["odd"], image_size=SIZE)
