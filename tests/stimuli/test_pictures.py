"""Images in memory are photographs: they keep their pixels, and turn as those of files do."""

import numpy as np
import pytest

from circuitkit.errors import StimulusError, UnknownNameError
from circuitkit.stimuli.photographs import pictures

HELD = np.random.default_rng(0).integers(0, 256, (3, 9, 9, 3)).astype(np.float32) / 127.5 - 1


def test_pictures_in_memory_are_drawn_as_they_are_and_turned() -> None:
    held = pictures(HELD)
    np.testing.assert_allclose(held.images(9), HELD, atol=1e-6)
    turned = held[[2, 0]].vary(angle=(0.0, 90.0))
    assert turned.shape == (2, 2)
    np.testing.assert_allclose(turned.images(9)[3], np.rot90(HELD[0]), atol=1e-5)
    assert np.abs(turned.images(9)[3] - HELD[0]).max() > 0.1
    assert repr(held).startswith("3 photographs of pictures in memory")


def test_values_between_bytes_are_rounded_and_those_beyond_clipped() -> None:
    np.testing.assert_allclose(pictures(HELD / 3).images(9), HELD / 3, atol=1 / 255)
    assert abs(pictures(3 * HELD).images(9)).max() == pytest.approx(1)


def test_no_pictures_and_misspelt_parameters_are_refused() -> None:
    with pytest.raises(StimulusError, match="no picture of 'pictures in memory' is left"):
        pictures(HELD[:0])
    with pytest.raises(UnknownNameError, match="aperture"):
        pictures(HELD, apertur=3)
