"""A conv net learns to foretell units from whole maps; nothing is foretold of what has nothing to do with the image."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import circuitkit as ck
from circuitkit.errors import NetError, SpecError
from circuitkit.fit.ceiling import MapsModule, MapsNet, TurnedMapsNet, field_of, learn_maps
from circuitkit.nets import Shrunk
from circuitkit.probe import HandbuiltNet, Images, Maps
from circuitkit.spec import Circuit, Family, Gabor
from circuitkit.stimuli import LabelledSet
from circuitkit.stimuli.photographs import pictures
from circuitkit.surgery import agreement

UNITS = HandbuiltNet(
    ck.build(Circuit("bars", [Family("bars", Gabor(wavelength=16.0, sigma=5.0, phase=0), angles=2, stride=4)]))
)


def noise(count: int, seed: int) -> LabelledSet:
    """Pictures of smooth noise."""
    shown = np.random.default_rng(seed).uniform(-1, 1, (count, 9, 9, 1)).repeat(8, 1).repeat(8, 2)
    return pictures(shown.repeat(3, -1).astype(np.float32))


class Scrambled(Shrunk):
    """Units that say nothing of the image: their maps are those of one that is turned upside down."""

    def maps(self, images: Images, layer: str) -> Maps:
        """Runs turned images."""
        return super().maps(images[:, ::-1, ::-1], layer)


def test_units_are_foretold_on_other_images_and_scrambled_ones_are_not() -> None:
    found = {}
    for name, net in (("as they are", Shrunk(UNITS, 1)), ("scrambled", Scrambled(UNITS, 1))):
        steps: list[tuple[int, int]] = []
        learned = learn_maps(
            net["bars"], noise(40, 0), shrink=2, epochs=30, progress=lambda *at, told=steps: told.append(at)
        )
        assert steps[0] == (1, 150)
        assert steps[-1] == (150, 150)
        assert learned.unit_names("units") == net.unit_names("bars")
        seen = agreement(net, {"bars": [0, 1]}, {"learned": learned["units"]}, noise(8, 1))["bars"]
        found[name] = np.diag(seen.correlation.values)
    assert (found["as they are"] > 0.6).all(), found
    assert (np.abs(found["scrambled"]) < 0.3).all(), found


def test_the_field_is_that_of_its_layers() -> None:
    learned = learn_maps(UNITS["bars"], noise(8, 0), shrink=2, epochs=1)
    field = learned.receptive_field("units")
    assert field is not None
    assert (field.size, field.stride) == ((84, 84), (8, 8))


def module(angles: list[float]) -> tuple[MapsNet, TurnedMapsNet]:
    """The same weights, as a net of an output a unit and as one that turns images."""
    graph, state = nnx.split(MapsModule(1, 1, rngs=nnx.Rngs(3)))
    names, places = tuple(map(str, angles)), field_of()
    graph_of, state_of = nnx.split(MapsModule(1, len(angles), rngs=nnx.Rngs(3)))
    return (
        MapsNet(graph, state, ("one",)),
        TurnedMapsNet(graph_of, state_of, names, jnp.asarray(angles), places),
    )


def test_a_net_that_turns_images_says_at_0_degrees_what_it_says_without_turning_them() -> None:
    plain, turning = module([0.0, 90.0, 30.0])
    # So many pixels that units stand evenly about the middle, and none is read in between.
    image = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (2, 70, 70, 1)).astype(np.float32))
    said = np.asarray(turning.maps(image, "units"))
    wanted = np.asarray(plain.maps(image, "units"))
    np.testing.assert_allclose(said[..., 0], wanted[..., 0], atol=1e-4)
    # A unit at 90 degrees says of an image what one at 0 says of it when it is turned back.
    back = np.asarray(plain.maps(jnp.asarray(np.rot90(image, -1, axes=(1, 2)).copy()), "units"))
    np.testing.assert_allclose(said[..., 1], np.rot90(back[..., 0], axes=(1, 2)), atol=1e-4)
    assert np.abs(said[..., 2] - wanted[..., 0]).max() > 1e-2


@pytest.mark.long
def test_one_net_foretells_a_family_and_not_one_whose_angles_were_exchanged() -> None:
    edges = Family("edges", Gabor(wavelength=16.0, sigma=5.0, phase=90), angles=8, stride=4)
    net = HandbuiltNet(ck.build(Circuit("edges", [edges])))
    found = {}
    right = np.array(edges.unit_angles)
    for name, angles in (("right", right), ("exchanged", right[::-1].copy())):
        learned = learn_maps(net["edges"], noise(40, 0), angles=angles, epochs=60)
        seen = agreement(net, {"edges": range(8)}, {"learned": learned["units"]}, noise(8, 1))["edges"]
        found[name] = np.median(np.diag(seen.correlation.values))
    assert found["right"] > 0.7, found
    assert found["exchanged"] < found["right"] - 0.3, found


def test_what_cannot_be_learned_is_said() -> None:
    with pytest.raises(SpecError, match="epochs"):
        learn_maps(UNITS["bars"], noise(2, 0), epochs=0)
    with pytest.raises(SpecError, match="3 angles came with 2 units"):
        learn_maps(UNITS["bars"], noise(2, 0), angles=np.zeros(3))
    with pytest.raises(SpecError, match="have to be square"):
        learn_maps(UNITS["bars"], noise(2, 0), angles=np.zeros(2), shrink=3)
    grey = pictures(np.zeros((2, 60, 60, 3), np.float32))
    with pytest.raises(NetError, match="the same everywhere"):
        learn_maps(UNITS["bars"], grey)
