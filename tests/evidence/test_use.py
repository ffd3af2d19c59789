"""Feature use: lines that arcs are made of, lines that are read at random, and lines that nothing reads."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from circuitkit.errors import NetError
from circuitkit.evidence import use
from circuitkit.evidence.ablation import ablated, last
from circuitkit.evidence.argument import Argument, Subject
from circuitkit.hypothesis import curve
from circuitkit.nets import FunctionNet
from circuitkit.probe import HandbuiltNet, Weight
from circuitkit.stimuli import Curve, LabelledSet, Uniform, sample
from tests.evidence.test_implementation import control, net, posed


def scenes(count: int = 6) -> LabelledSet:
    return sample(Curve(noise=0.05), count, seed=1, angle=Uniform(0, 360), radius=Uniform(6, 12))


@functools.cache
def measured() -> Argument:
    return use.measure(dataclasses.replace(posed(net(), "lines"), controls=(control("lines", 0),)))


def turned(by: int) -> HandbuiltNet:
    """The net in which arcs read the lines of another angle."""

    def change(weight: Weight) -> jax.Array:
        return jnp.roll(weight.value, by, axis=2) if weight.name == "arcs" else weight.value

    return net().with_weights(change, name="turned")


def test_lines_that_arcs_are_made_of_hold() -> None:
    found = measured()
    assert found.verdict == "holds"
    assert bool(found.holds.all())
    assert found.data.attrs["layer"] == "arcs"
    assert float(found.numbers.angle_error.max()) <= 15


def test_lines_said_to_stand_across_fail() -> None:
    found = use.measure(posed(net(), "lines", turned=90))
    assert not bool(found.holds.any())
    assert float(found.numbers.angle_error.min()) > 60


def test_lines_that_are_read_at_random_fail() -> None:
    subject = dataclasses.replace(control("lines", 2), controls=(control("lines", 0), control("lines", 1)))
    assert use.measure(subject).verdict == "fails"


def test_what_nothing_reads_is_not_tested() -> None:
    top = use.measure(posed(net(), "arcs"))
    assert top.verdict == "not tested"
    assert "no layer reads layer 'arcs'" in top.why_untested
    along = net()["lines"].along(np.eye(8)[0], names=["one"])
    poses = xr.Dataset({"angle": ("unit", [0.0]), "size": ("unit", [np.nan])}, coords={"unit": ["one"]})
    assert "directions" in use.measure(Subject(along, posed(net(), "lines").hypothesis, poses)).why_untested


def test_without_images_nothing_is_ablated() -> None:
    assert any("Nothing was ablated, since there are no images" in note for note in measured().notes)
    assert "ablation" not in measured().numbers


def test_a_silent_family_is_compared_with_others_as_active() -> None:
    whole = posed(net(), "lines")
    subject = Subject(net()["lines", [0, 4]], whole.hypothesis, whole.poses.isel(unit=[0, 4]), images=scenes(), seed=0)
    found = use.measure(subject)
    assert found.data.ablation_effect.dims == ("set", "image")
    assert found.data.ablation_effect.sizes["set"] == 1 + use.OTHER_SETS
    assert float(found.numbers.ablation[0]) > 0
    assert 0 < float(found.numbers.ablation_p[0]) <= 1


def test_ablating_nothing_changes_nothing_and_everything_changes_all() -> None:
    lost = ablated(net(), "lines", {"none": [], "one": [0], "all": range(8)}, scenes(11))
    effect = lost.effect.mean("image")
    assert float(effect.sel(set="none")) == 0
    assert float(effect.sel(set="all")) == pytest.approx(1)
    assert 0 < float(effect.sel(set="one")) < 1
    assert lost.effect.sizes["image"] == 11
    assert lost.activity.sizes["channel"] == 8
    assert lost.attrs["output"] == "arcs"


def test_the_last_layer_is_the_output_of_a_net_without_one() -> None:
    assert last(net(), "bars") == "arcs"
    with pytest.raises(NetError, match="nothing in net 'small' follows from layer 'arcs'"):
        last(net(), "arcs")
    closed = FunctionNet(lambda images: {"a": images, "b": images}, name="f", image_size=(8, 8))
    with pytest.raises(NetError, match="cannot be run from an inner layer on"):
        last(closed, "a")


def test_a_circle_is_organised_and_an_evolute_the_other_way() -> None:
    off = np.array([[5.0, 175.0, 0.0], [-5.0, 185.0, 90.0], [0.0, 180.0, 180.0]])
    found = use._organised(off, np.ones((3, 3)))
    np.testing.assert_allclose(found, [1, -1, 0], atol=0.01)


def test_offsets_go_to_the_nearest_place() -> None:
    found = use.nearest_places(np.array([-9.0, -8.0, 2.0, 16.0]), np.array([16.0, 0.0, -16.0]))
    np.testing.assert_array_equal(found, [[0, 0, 1], [0, 0.5, 0.5], [0, 1, 0], [1, 0, 0]])


def test_a_net_that_reads_other_angles_is_found_out() -> None:
    other = turned(4)
    whole = posed(other, "lines")
    profile = use.measure(whole).data.profile.mean("unit")
    assert float(profile.isel(relative=0)) < float(measured().data.profile.mean("unit").isel(relative=0))


def test_only_curves_have_directions() -> None:
    assert "direction" not in measured().data  # a line has a period of 180 degrees
    assert set(use.criteria(curve())) == {"match", "angle_error"}
