"""Surgery does what its steps say to the units that they name, and nothing to any other."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import circuitkit as ck
from circuitkit.errors import ImageError, NetError, SpecError, UnknownNameError
from circuitkit.nets import FunctionNet, TrainedNet
from circuitkit.probe import Net
from circuitkit.receptive_field import ReceptiveField
from circuitkit.surgery import Ablate, Cut, Edit, Replace, operate, resampled
from circuitkit.surgery.operation import transplanted
from tests.nets.onnx_models import noise
from tests.nets.test_onward import residual
from tests.test_wiring import handbuilt

IMAGES = jnp.asarray(noise(2, 32, 32, 3)) / 4
LARGER = jnp.asarray(noise(2, 64, 64, 3)) / 4
OTHERS = jnp.asarray(noise(2, 32, 32, 3, seed=9)) / 4


@pytest.fixture(scope="module")
def net() -> Net:
    return ck.nets.small()


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> TrainedNet:
    """A net in which something leads around a layer."""
    return residual(tmp_path_factory.mktemp("net"))


def same(got: object, wanted: object) -> None:
    np.testing.assert_allclose(np.asarray(got), np.asarray(wanted), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("to", [0.0, (0.5, 2.0)])
def test_ablated_units_say_one_thing(net: Net, to: float | tuple[float, ...]) -> None:
    before = np.asarray(net.maps(IMAGES, "conv3"))
    operated = operate(net, [Ablate("conv3", (4, 9), to=to)])
    maps = np.asarray(operated.maps(IMAGES, "conv3"))
    np.testing.assert_array_equal(maps[..., [4, 9]], np.broadcast_to(to, (*maps.shape[:3], 2)))
    rest = [unit for unit in range(maps.shape[-1]) if unit not in (4, 9)]
    same(maps[..., rest], before[..., rest])
    wanted = before.copy()
    wanted[..., [4, 9]] = to
    same(operated.logits(IMAGES), net.output_from({"conv3": jnp.asarray(wanted)}))
    same(operated.maps(IMAGES, "conv4"), net.run_from({"conv3": jnp.asarray(wanted)}, "conv4"))
    same(operated.maps(IMAGES, "conv2"), net.maps(IMAGES, "conv2"))
    same(net.maps(IMAGES, "conv3"), before)  # the net itself is as it was
    assert np.abs(np.asarray(operated.logits(IMAGES)) - np.asarray(net.logits(IMAGES))).max() > 1e-3


@given(order=st.permutations(range(4)), layer=st.sampled_from(["conv2", "conv4"]))
def test_units_replaced_by_themselves_leave_the_net_as_it_was(order: list[int], layer: str) -> None:
    net, units = ck.nets.small(), tuple(order)
    same(operate(net, [Replace(layer, units, layer, units)]).logits(IMAGES), net.logits(IMAGES))
    # The broken twin: anyone else's maps are another net.
    shifted = tuple(unit + 4 for unit in units)
    assert (
        np.abs(
            np.asarray(operate(net, [Replace(layer, units, layer, shifted)]).maps(IMAGES, layer))
            - np.asarray(net.maps(IMAGES, layer))
        ).max()
        > 1e-3
    )


def test_replaced_maps_are_scaled_rolled_and_taken_from_other_images(net: Net) -> None:
    own, theirs = np.asarray(net.maps(IMAGES, "conv3")), np.asarray(net.maps(OTHERS, "conv3"))

    def unit(*steps: Replace) -> np.ndarray:
        return np.asarray(operate(net, list(steps)).maps(IMAGES, "conv3", others=OTHERS))[..., 5]  # type: ignore[call-arg]

    same(unit(Replace("conv3", (5,), "conv3", (7,), gain=2.0, offset=-0.1)), np.maximum(2 * own[..., 7] - 0.1, 0))
    same(unit(Replace("conv3", (5,), "conv3", (7,), offset=-0.1, rectify=False)), own[..., 7] - 0.1)
    same(unit(Replace("conv3", (5,), "conv3", (7,), rolled=(1, -2))), np.roll(own[..., 7], (1, -2), (1, 2)))
    same(unit(Replace("conv3", (5,), "conv3", (5,), other=True)), theirs[..., 5])
    # Of two steps the later counts, and what it takes is from before any of them.
    same(unit(Replace("conv3", (7,), "conv3", (1,)), Replace("conv3", (5,), "conv3", (7,))), own[..., 7])
    with pytest.raises(ImageError, match="reads another image: give others="):
        operate(net, [Replace("conv3", (5,), "conv3", (5,), other=True)]).maps(IMAGES, "conv3")


def test_surgery_on_two_layers_is_felt_in_order(net: Net) -> None:
    steps = [Ablate("conv2", (1, 2)), Replace("conv4", (3,), "conv4", (6,)), Ablate("conv4", (8,), to=1.0)]
    early = jnp.asarray(net.maps(IMAGES, "conv2")).at[..., jnp.array([1, 2])].set(0)
    late = np.array(net.run_from({"conv2": early}, "conv4"))
    late[..., 3] = np.asarray(net.maps(IMAGES, "conv4"))[..., 6]  # of the net before any surgery
    late[..., 8] = 1.0
    operated = operate(net, steps[::-1])  # the order of layers is the net's
    same(operated.maps(IMAGES, "conv4"), late)
    same(operated.logits(IMAGES), net.output_from({"conv4": jnp.asarray(late)}))


def test_what_leads_around_a_layer_is_kept(around: TrainedNet) -> None:
    images = jnp.asarray(noise(2, 46, 46, 3))
    r1, r2 = around.maps(images, "r1"), around.maps(images, "r2")
    silent = operate(around, [Ablate("r2", (0, 1, 2, 3))])
    same(silent.maps(images, "sum"), r1)
    same(
        operate(around, [Ablate("r1", (0,))]).maps(images, "c2")[0, :1],
        around.run_from({"r1": r1.at[..., 0].set(0)}, "c2")[0, :1],
    )
    both = operate(around, [Ablate("r1", (0,)), Ablate("r2", (1,))])
    changed = np.array(around.run_from({"r1": r1.at[..., 0].set(0)}, "r2"))
    changed[..., 1] = 0
    same(both.maps(images, "sum"), np.asarray(r1.at[..., 0].set(0)) + changed)
    assert not np.allclose(np.asarray(both.maps(images, "sum")), np.asarray(r1 + r2))


def test_a_pathway_is_cut_for_those_units_alone(net: Net) -> None:
    blind = jnp.asarray(net.maps(IMAGES, "conv2")).at[..., jnp.array([0, 3])].set(0)
    without = np.asarray(net.run_from({"conv2": blind}, "conv4"))
    before = np.asarray(net.maps(IMAGES, "conv4"))
    cut = np.asarray(operate(net, [Cut("conv4", (2, 5), "conv2", (0, 3))]).maps(IMAGES, "conv4"))
    same(cut[..., [2, 5]], without[..., [2, 5]])
    rest = [unit for unit in range(cut.shape[-1]) if unit not in (2, 5)]
    same(cut[..., rest], before[..., rest])
    assert np.abs(without - before)[..., [2, 5]].max() > 1e-3
    # Seen as on another image, all of a layer's units are the units of that image.
    every = tuple(range(len(net.unit_names("conv2"))))
    other = operate(net, [Cut("conv4", (2,), "conv2", every, other=True)])
    same(other.maps(IMAGES, "conv4", others=OTHERS)[..., 2], net.maps(OTHERS, "conv4")[..., 2])  # type: ignore[call-arg]


def test_a_donor_is_read_where_the_units_are() -> None:
    """A map that says where each of its pixels is, read by units that stand at known places."""
    rows, columns = np.meshgrid(np.arange(40.0), np.arange(40.0), indexing="ij")
    places = jnp.asarray(np.stack([rows, columns], -1)[None].astype(np.float32))
    found = resampled(places, ReceptiveField(), ReceptiveField(stride=(8, 8), first=(3.5, 7.0)), 4, 4)
    np.testing.assert_allclose(np.asarray(found)[0, :, 0, 0], 3.5 + 8 * np.arange(4), atol=1e-5)
    np.testing.assert_allclose(np.asarray(found)[0, 0, :, 1], 7 + 8 * np.arange(4), atol=1e-5)
    beyond = resampled(places, ReceptiveField(), ReceptiveField(stride=(8, 8), first=(-20.0, 30.0)), 2, 3)
    assert np.asarray(beyond)[0, 0, 0].tolist() == [0.0, 30.0]
    assert np.asarray(beyond)[0, 0, 2].tolist() == [0.0, 39.0]


def test_a_handbuilt_donor_takes_a_place(net: Net) -> None:
    donor = handbuilt()
    layer = donor.layers[-1]
    to = net.receptive_field("conv3", (64, 64))
    assert to is not None
    rows, columns = np.asarray(net.maps(LARGER, "conv3")).shape[1:3]
    found = np.asarray(transplanted(donor, layer, net, "conv3", LARGER, (rows, columns)))
    assert found.shape == (2, rows, columns, len(donor.unit_names(layer)))
    # Where the donor needs no mirrored border, it says what it says of the image.
    field, whole = donor.receptive_field(layer), np.asarray(donor.maps(LARGER, layer))
    inside = [
        (row, column)
        for row in range(rows)
        for column in range(columns)
        for y, x in [(to.first[0] + to.stride[0] * row, to.first[1] + to.stride[1] * column)]
        if all(
            reach <= at <= 63 - reach and float(at).is_integer() for at, reach in zip((y, x), field.first, strict=True)
        )
    ]
    assert inside
    for row, column in inside:
        y, x = (int(to.first[a] + to.stride[a] * at - field.first[a]) for a, at in enumerate((row, column)))
        np.testing.assert_allclose(found[:, row, column], whole[:, y, x], atol=1e-5)
    operated = operate(net, [Replace("conv3", (0,), layer, (1,), of="by hand")], donors={"by hand": donor})
    same(operated.maps(LARGER, "conv3")[..., 0], found[..., 1])


def test_edits_change_the_block_that_they_name(net: Net) -> None:
    def kernel(*edits: Edit) -> np.ndarray:
        held = operate(net, list(edits)).weights("conv2_pre") if edits else net.weights("conv2_pre")
        assert held is not None
        return np.asarray(held[1])

    whole, name, units, sources = kernel(), "conv2.kernel", (1, 5, 7, 11), (0, 2, 3)
    block = np.ix_(range(3), range(3), sources, units)
    elsewhere = np.ones(whole.shape, bool)
    elsewhere[block] = False
    angles = {"unit_angles": (0.0, 90.0, 180.0, 270.0), "source_angles": (0.0, 45.0, 200.0)}
    made = {
        rule: kernel(Edit(name, rule, units, sources, **(angles if rule in ("equivariant", "rest") else {})))  # type: ignore[arg-type]
        for rule in ("zero", "positive", "negative", "shuffled", "equivariant", "rest")
    }
    for rule, each in made.items():
        np.testing.assert_array_equal(each[elsewhere], whole[elsewhere], err_msg=rule)
        assert not np.array_equal(each[block], whole[block])
    assert not made["zero"][block].any()
    same(made["positive"][block] + made["negative"][block], whole[block])
    same(made["equivariant"][block] + made["rest"][block], whole[block])
    same(np.sort(made["shuffled"][block].ravel()), np.sort(whole[block].ravel()))
    # What depends on relative pose alone has nothing left that does not.
    again = kernel(
        Edit(name, "equivariant", units, sources, **angles),  # type: ignore[arg-type]
        Edit(name, "rest", units, sources, **angles),  # type: ignore[arg-type]
    )
    np.testing.assert_allclose(again[block], 0, atol=1e-5)
    everything = kernel(Edit(name, "zero"))
    assert not everything.any()


def test_edited_weights_and_changed_units_go_together(net: Net) -> None:
    edit, silent = Edit("conv3.kernel", "positive"), Ablate("conv2", (0,))
    one = operate(net, [edit])
    held = jnp.asarray(net.maps(IMAGES, "conv2")).at[..., 0].set(0)
    same(operate(net, [silent, edit]).logits(IMAGES), one.output_from({"conv2": held}))


def test_what_is_not_there_is_refused(net: Net) -> None:
    for steps, error, said in (
        ([], NetError, "has no steps"),
        ([Ablate("conv9", (0,))], UnknownNameError, "no layer 'conv9'"),
        ([Ablate("conv3", (500,))], UnknownNameError, "has no unit 500: it has 96"),
        ([Replace("conv3", (0,), "curves", (0,), of="curves")], UnknownNameError, "no donor 'curves'"),
        ([Cut("conv2", (0,), "conv3", (0,))], NetError, "wanted an earlier layer"),
        ([Edit("conv7.kernel", "zero")], UnknownNameError, "no weight 'conv7.kernel'"),
        ([Edit("conv2.bias", "zero")], SpecError, "is a bias: wanted a kernel"),
        ([Edit("conv2.kernel", "zero", (64,))], SpecError, "names unit 64: the kernel has 64"),
    ):
        with pytest.raises(error, match=said):
            operate(net, steps)  # type: ignore[arg-type]
    with pytest.raises(NetError, match="has 8x8 units, and layer .*give the net itself as a donor"):
        operate(net, [Replace("conv1", (0,), "conv3", (0,))]).maps(IMAGES, "conv1")
    function = FunctionNet(lambda images: {"a": images, "b": images + 1}, name="f", image_size=(8, 8))
    with pytest.raises(NetError, match="cannot be run from an inner layer on"):
        operate(function, [Ablate("a", (0,))]).maps(IMAGES, "b")


def test_an_operated_net_is_probed_like_any_other(net: Net) -> None:
    operated = operate(net, [Ablate("conv2", (0,))], name="blind")
    assert (operated.name, operated.layers, operated.image_size) == ("blind", net.layers, net.image_size)
    probe = operated["conv3", [1, 2]]
    site = probe.site()
    assert site == net["conv3", [1, 2]].site()
    assert probe.maps(IMAGES).shape[-1] == 2
