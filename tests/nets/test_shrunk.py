"""A shrunk net is the net on averaged images, and knows where its units look."""

import jax.numpy as jnp
import numpy as np
import pytest

import circuitkit as ck
from circuitkit.errors import SpecError
from circuitkit.nets.shrunk import Shrunk
from circuitkit.probe import HandbuiltNet
from circuitkit.spec import Circuit, Family, Gabor
from circuitkit.stimuli import Grating, grid, turn
from circuitkit.sweep import tune
from tests.nets.onnx_models import noise


@pytest.fixture(scope="module")
def net() -> HandbuiltNet:
    return HandbuiltNet(ck.build(Circuit("edges", [Family("edges", Gabor(wavelength=6, sigma=2, phase=90), angles=8)])))


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_it_is_the_net_on_averaged_images(net: HandbuiltNet, factor: int) -> None:
    images = jnp.asarray(noise(2, 61, 64, 3))
    sides = 61 // factor, 64 // factor
    cut = np.asarray(images)[:, : sides[0] * factor, : sides[1] * factor]
    mean = cut.reshape(2, sides[0], factor, sides[1], factor, 3).mean((2, 4)).astype(np.float32)
    found = np.asarray(Shrunk(net, factor).maps(images, "edges"))
    np.testing.assert_allclose(found, np.asarray(net.maps(jnp.asarray(mean), "edges")), atol=1e-5)


def test_units_see_more_and_look_at_the_middle_of_what_they_see(net: HandbuiltNet) -> None:
    twice = Shrunk(net, 2)
    mine, field = net.receptive_field("edges"), twice.receptive_field("edges")
    assert field is not None
    assert (field.size, field.stride) == ((2 * mine.size[0], 2 * mine.size[1]), (2, 2))
    assert field.first == (mine.first[0] * 2 + 0.5,) * 2
    # A unit at its anchor responds to a grating of twice the wavelength as the net does to the grating.
    once = tune(net["edges"], grid(Grating(wavelength=6.0, phase=90.0), angle=turn(8)))
    again = tune(twice["edges"], grid(Grating(wavelength=12.0, phase=90.0), angle=turn(8)))
    assert np.corrcoef(once.values.ravel(), again.values.ravel())[0, 1] > 0.99


def test_a_factor_is_a_whole_number(net: HandbuiltNet) -> None:
    with pytest.raises(SpecError, match="factor"):
        Shrunk(net, 0)
