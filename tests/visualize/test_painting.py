"""Images from spectra: their range, their colours, and how much each frequency counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from circuitkit.visualize.painting import MIXING, blank, painted


@pytest.mark.parametrize(("height", "width"), [(16, 16), (15, 17), (12, 9)])
@pytest.mark.parametrize(("colours", "planes"), [("rgb", 3), ("grey", 1)])
def test_images_have_their_size_and_range_and_start_nearly_grey(height, width, colours, planes):
    spectrum = blank(jax.random.split(jax.random.PRNGKey(0), 2), height, width, colours)
    images = np.asarray(painted(spectrum, width))
    assert images.shape == (2, planes, height, width)
    assert 0 < np.abs(images).max() < 0.2
    assert not np.allclose(images[0], images[1])
    assert np.abs(np.asarray(painted(1000 * spectrum, width))).max() <= 1


def test_low_frequencies_count_more():
    def amplitude(frequency: int) -> float:
        spectrum = jnp.zeros((1, 1, 32, 17, 2)).at[0, 0, 0, frequency, 0].set(1e-3)
        return float(np.abs(painted(spectrum, 32)).max())

    assert amplitude(2) == pytest.approx(4 * amplitude(8), rel=1e-3)


def test_the_first_colour_is_nearly_grey_and_the_others_are_not():
    spread = MIXING.std(0) / np.abs(MIXING).max(0)
    assert spread[0] < 0.05
    assert (spread[1:] > 0.5).all()
