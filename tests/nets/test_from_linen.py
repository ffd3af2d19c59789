"""A Flax Linen model as a net: what its submodules return while it runs, and what is refused."""

from typing import Any

import flax.core
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen

from circuitkit.controls import shuffled, untrained
from circuitkit.errors import NetError, UnknownNameError
from circuitkit.nets import ModuleNet, from_linen
from circuitkit.probe import Weight
from circuitkit.receptive_field import ReceptiveField
from tests.cropping.random_nets import noise
from tests.strategies import unchecked

SIZE = (32, 32)
IMAGES = noise(2, *SIZE, 3)
EVAL: dict[str, Any] = {"train": False}


class Block(linen.Module):
    @linen.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        x = linen.Conv(4, (3, 3))(x)
        x = linen.BatchNorm(use_running_average=not train)(x)
        x = linen.relu(x)
        self.sow("intermediates", "relu", x)
        return linen.Dropout(0.5, deterministic=not train)(x)


class Model(linen.Module):
    """Blocks as they are, under jit, under remat, and the first one again; a head that fixes the size of images."""

    def setup(self) -> None:
        self.stem = linen.Conv(4, (5, 5), strides=2)
        self.plain = Block()
        self.jitted = linen.jit(Block, static_argnums=(2,))()
        self.again = linen.remat(Block, static_argnums=(2,))()
        self.head = linen.Dense(3)

    def features(self, images: jax.Array, train: bool = True) -> jax.Array:
        x = linen.relu(self.stem(images))
        for block in (self.plain, self.jitted, self.again, self.plain):
            x = block(x, train)
        return x

    def __call__(self, images: jax.Array, train: bool = True) -> jax.Array:
        x = self.features(images, train)
        return self.head(x.reshape(x.shape[0], -1))


MODEL = Model()


@pytest.fixture(scope="module")
def variables() -> Any:
    shapes = jax.eval_shape(lambda: MODEL.init(jax.random.key(0), IMAGES, train=False))
    paths, tree = jax.tree_util.tree_flatten_with_path({name: shapes[name] for name in ("params", "batch_stats")})
    drawn = [0.3 * noise(*leaf.shape, seed=place) for place, (_, leaf) in enumerate(paths)]
    positive = [jnp.abs(x) if "var" in str(path) else x for x, (path, _) in zip(drawn, paths, strict=True)]
    return jax.tree_util.tree_unflatten(tree, positive)


@pytest.fixture(scope="module")
def net(variables: Any) -> ModuleNet:
    return from_linen(MODEL, variables, image_size=SIZE, arguments=EVAL)


def test_every_submodule_is_a_layer_in_order_of_running(net: ModuleNet) -> None:
    inner = ("Conv_0", "BatchNorm_0", "Dropout_0")
    ran = [f"{block}.{part}" if part else block for block in ("plain", "jitted", "again") for part in (*inner, "")]
    twice = [f"plain.{part}#2" if part else "plain#2" for part in (*inner, "")]
    sown = ("plain.relu", "plain.relu#2", "jitted.relu", "again.relu")
    assert net.layers == ("stem", *ran, *twice, *sown)
    assert net.name == "Model"


def test_maps_are_those_of_the_model(variables: Any, net: ModuleNet) -> None:
    # Linen's own record of the same run, which has no order.
    how: dict[str, Any] = {"capture_intermediates": True, "mutable": ["intermediates"]}
    logits, kept = jax.jit(lambda images: MODEL.apply(variables, images, **EVAL, **how))(IMAGES)
    wanted = kept["intermediates"]
    found = jax.jit(lambda images: {layer: net.maps(images, layer) for layer in net.layers})(IMAGES)
    for layer, value in found.items():
        path, _, count = layer.partition("#")
        steps = path.split(".")
        where = wanted
        for step in steps:
            where = where[step]
        held = where if isinstance(where, tuple) else where["__call__"]
        value_wanted = held[int(count or 1) - 1]
        assert float(jnp.abs(value_wanted).max()) > 0
        np.testing.assert_allclose(value, value_wanted, atol=2e-5 * float(jnp.abs(value_wanted).max()))
    assert not np.allclose(found["plain"], found["plain#2"], rtol=0.1)
    head = from_linen(MODEL, variables, layers=["head"], image_size=SIZE, arguments=EVAL)
    found_logits = jax.jit(lambda images: head.maps(images, "head")[:, 0, 0])(IMAGES)
    np.testing.assert_allclose(found_logits, logits, atol=1e-4 * float(jnp.abs(logits).max()))


def test_fields_follow_and_the_head_is_no_affair_of_theirs(net: ModuleNet) -> None:
    stem = ReceptiveField().through(
        kernel=(5, 5), stride=(2, 2), pad=(1, 1)
    )  # SAME on even sides: of 3 pixels 1 before
    one = stem.through(kernel=(3, 3), pad=(1, 1))
    assert net.receptive_field("stem") == stem
    assert net.receptive_field("plain.relu") == net.receptive_field("plain", (64, 48)) == one
    assert shape_on(net, "plain.Conv_0", IMAGES[:, :20, :20]) == (2, 10, 10, 4)
    with pytest.raises(
        NetError, match=r"no map of layer 'jitted.Conv_0' on images of shape \(2, 20, 20, 3\) with Scope"
    ):
        net.maps(IMAGES[:, :20, :20], "jitted.Conv_0")  # of a failed run, what ran under jit is lost
    features = from_linen(MODEL, variables_of(net), image_size=SIZE, method="features", arguments=EVAL)
    assert shape_on(features, "jitted.Conv_0", IMAGES[:, :20, :20]) == (2, 10, 10, 4)
    assert "output" in features.layers


def shape_on(net: ModuleNet, layer: str, images: jax.Array) -> tuple[int, ...]:
    return jax.eval_shape(lambda images: net.maps(images, layer), images).shape


def variables_of(net: ModuleNet) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, weight in weights_of(net).items():
        *steps, last = name.split(".")
        here = made
        for step in steps:
            here = here.setdefault(step, {})
        here[last] = weight.value
    return made


def weights_of(net: ModuleNet) -> dict[str, Weight]:
    found: dict[str, Weight] = {}

    def look(weight: Weight) -> jax.Array:
        found[weight.name] = weight
        return weight.value

    net.with_weights(look, name="looked at")
    return found


def test_controls_have_other_kernels(variables: Any, net: ModuleNet) -> None:
    found = weights_of(net)
    assert {name.removeprefix("params."): weight.role for name, weight in found.items() if "plain" in name} == {
        "batch_stats.plain.BatchNorm_0.mean": "mean", "batch_stats.plain.BatchNorm_0.var": "variance",
        "plain.BatchNorm_0.scale": "gain", "plain.BatchNorm_0.bias": "bias",
        "plain.Conv_0.kernel": "kernel", "plain.Conv_0.bias": "bias",
    }  # fmt: skip

    def seen(net: ModuleNet) -> jax.Array:
        return jax.jit(lambda images: net.maps(images, "plain"))(IMAGES)

    before = seen(net)
    for control in (shuffled(net, 0), untrained(net, 0)):
        assert not np.allclose(seen(control), before, rtol=0.1)
    changed = weights_of(shuffled(net, 0))
    assert {name for name in found if not np.array_equal(found[name].value, changed[name].value)} == {
        name for name, weight in found.items() if weight.role == "kernel"
    }
    np.testing.assert_array_equal(seen(net), before)
    np.testing.assert_array_equal(found["params.stem.kernel"].value, variables["params"]["stem"]["kernel"])


def test_frozen_variables_and_rectified_layers(variables: Any, net: ModuleNet) -> None:
    frozen = flax.core.freeze(variables)
    other = from_linen(MODEL, frozen, layers=["stem"], rectify=True, name="mine", image_size=SIZE, arguments=EVAL)
    assert (other.name, other.layers) == ("mine", ("stem",))
    np.testing.assert_array_equal(other.maps(IMAGES, "stem"), jax.nn.relu(net.maps(IMAGES, "stem")))


def test_what_is_no_net_is_refused(variables: Any) -> None:
    with pytest.raises(NetError, match='ModifyScopeVariableError: Cannot update variable "mean".*eval mode'):
        from_linen(MODEL, variables, image_size=SIZE)
    with pytest.raises(UnknownNameError, match="net 'Model' has no layer 'stm'. Did you mean 'stem'"):
        from_linen(MODEL, variables, layers=["stm"], image_size=SIZE, arguments=EVAL)
    with pytest.raises(
        NetError, match=r"fails on images of shape \(2, 224, 224, 3\) with ScopeParamShapeError.*image_size"
    ):
        from_linen(MODEL, variables, arguments=EVAL)
    with pytest.raises(NetError, match=r"got variables with \['batch_stats'\]: wanted a mapping with 'params'"):
        from_linen(MODEL, {"batch_stats": {}}, image_size=SIZE)
    with pytest.raises(NetError, match="has no method 'encode'"):
        from_linen(MODEL, variables, image_size=SIZE, method="encode")
    with pytest.raises(NetError, match="is a dict: wanted a Flax Linen module. from_nnx takes"), unchecked():
        from_linen(variables, MODEL, image_size=SIZE)
    spoilt = jax.tree.map(lambda x: x * jnp.nan, variables)
    with pytest.raises(NetError, match=r"weight 'batch_stats\..*' of net 'Model' holds NaN"):
        from_linen(MODEL, spoilt, image_size=SIZE, arguments=EVAL)
