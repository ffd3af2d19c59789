"""Places in pictures are shown as they are, and pictures shown smaller are smaller pictures."""

import jax
import numpy as np
import pytest

from circuitkit.evidence.shown import Places
from circuitkit.stimuli import Curve


def places(picture: np.ndarray, *points: tuple[float, float], scale: float = 1.0) -> Places:
    return Places(picture[None], np.zeros(len(points), int), np.array(points, float), scale)


def drawn(shown: Places, side: int) -> np.ndarray:
    items = shown.items(np.arange(len(shown)))
    return np.asarray(jax.vmap(lambda item: shown.draw(item, side, side))(items))


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, 24, 3)).astype(np.uint8)


def test_at_its_own_size_a_place_is_cut_out_as_it_is(picture: np.ndarray) -> None:
    one, mirrored = drawn(places(picture, (9, 12), (1, 12)), 7)
    np.testing.assert_allclose(one, picture[6:13, 9:16] / 127.5 - 1, atol=1e-5)
    np.testing.assert_allclose(mirrored, picture[[1, 0, 0, 1, 2, 3, 4], 9:16] / 127.5 - 1, atol=1e-5)
    assert np.abs(one - (picture[7:14, 9:16] / 127.5 - 1)).max() > 0.5


def test_a_place_between_pixels_is_their_mean(picture: np.ndarray) -> None:
    (between,) = drawn(places(picture, (9.5, 12)), 5)
    wanted = (picture[7:12, 10:15] / 127.5 + picture[8:13, 10:15] / 127.5) / 2 - 1
    np.testing.assert_allclose(between, wanted, atol=1e-5)


def test_a_shape_shown_at_half_its_size_is_the_smaller_shape() -> None:
    def shape(radius: float, side: int) -> np.ndarray:
        return np.asarray(Curve(radius=radius, length=2 * radius, width=radius / 5).draw(side, side))

    large = np.round((shape(20, 81) + 1) * 127.5).astype(np.uint8)
    small, own = drawn(places(large, (40, 40), scale=0.5), 33)[0], shape(10, 33)
    assert np.corrcoef(small.ravel(), own.ravel())[0, 1] > 0.97
    assert np.corrcoef(small.ravel(), shape(14, 33).ravel())[0, 1] < 0.8
    assert np.corrcoef(small.ravel(), np.roll(own, 2, axis=1).ravel())[0, 1] < 0.8
