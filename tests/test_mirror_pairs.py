"""Units that a mirror exchanges are found, whatever their weights; opposites, copies and silent ones are not."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from circuitkit.build import build
from circuitkit.cropping.once import Once
from circuitkit.errors import ImageError, NetError, SpecError, StimulusError, UnknownNameError
from circuitkit.mirror_pairs import READOUTS, matches, mirrored, odd_share, pairs, partners
from circuitkit.nets import FunctionNet
from circuitkit.probe import HandbuiltNet
from circuitkit.spec import Circuit, Family, Gabor, Spiral, Tile
from circuitkit.stimuli import Photographs
from circuitkit.stimuli.photographs import pictures
from circuitkit.symmetry import Motion

ROUNDING = 2e-5
"""Of float32 sums that are added up in another order in the mirror image, over the largest response."""

LEFT_RIGHT = Motion(turn=180, mirror=True)


def noise(count: int, side: int, seed: int = 0) -> Photographs:
    values = np.random.default_rng(seed).uniform(-1, 1, (count, side, side, 3))
    return pictures((values + np.roll(values, 1, 1) + np.roll(values, 1, 2)) / 3)


@functools.cache
def hands() -> HandbuiltNet:
    edges = Family("edges", Gabor(wavelength=4, sigma=1.4, phase=90), angles=8)
    along = Spiral(radius=6, pitch=30, length=8)
    return HandbuiltNet(
        build(
            Circuit(
                "hands", [edges, Family("spirals", Tile(edges, along=along, tolerance=25), angles=8, mirrored=True)]
            )
        )
    )


@functools.cache
def seen_by_hands() -> dict[str, xr.DataArray]:
    return mirrored(hands(), ["edges", "spirals"], noise(24, 37))


def made_up(image: np.ndarray, mirror: np.ndarray) -> xr.DataArray:
    """Responses (image, unit) to both views, alike in every read-out."""
    values = np.stack([np.stack([image, mirror])] * len(READOUTS))
    return xr.DataArray(values, dims=("readout", "view", "image", "unit"), coords={"readout": list(READOUTS)})


def wired(*kernels: np.ndarray, stride: int = 1) -> FunctionNet:
    weights = jnp.asarray(np.stack(kernels, -1)[:, :, None], jnp.float32)

    def maps(images: jax.Array) -> dict[str, jax.Array]:
        dims = ("NHWC", "HWIO", "NHWC")
        found = jax.lax.conv_general_dilated(images, weights, (stride, stride), "VALID", dimension_numbers=dims)
        return {"layer": jax.nn.relu(found), "half": jax.nn.relu(found)[..., :1]}

    return FunctionNet(maps, name="wired", channels=1)


@pytest.mark.parametrize("layer", ["edges", "spirals"])
def test_a_mirror_exchanges_the_responses_of_the_partners_that_the_spec_names(layer: str) -> None:
    seen = seen_by_hands()[layer]
    to = LEFT_RIGHT.of_units(hands().network.circuit[layer])
    image, mirror = seen.sel(view="image").values, seen.sel(view="mirror").values
    scale = float(np.abs(image).max())
    assert scale > 0
    for place, readout in enumerate(READOUTS):
        if readout != "aligned":  # where two places are equally strong, rounding chooses
            np.testing.assert_allclose(mirror[place], image[place][:, to], atol=ROUNDING * scale)
    assert float(np.abs(mirror[1] - image[1]).max()) > 0.1 * scale


def test_the_pairs_of_a_circuit_are_those_that_its_spec_names() -> None:
    for layer, each in seen_by_hands().items():
        to = LEFT_RIGHT.of_units(hands().network.circuit[layer])
        wanted = {(unit, int(there)) for unit, there in enumerate(to) if unit < there}
        for readout in ("mean", "max"):
            found = pairs({layer: each}, readout=readout, draws=99)
            assert found.mutual.all()
            assert set(zip(found.a, found.b, strict=True)) == wanted
            np.testing.assert_allclose(found.match, 1, atol=1e-4)
            np.testing.assert_array_equal(partners(each, readout), to)
    assert float(pairs({"spirals": seen_by_hands()["spirals"]}, draws=99).p.min()) == pytest.approx(0.01)


def test_a_unit_that_was_given_other_responses_has_no_partner() -> None:
    seen = seen_by_hands()["spirals"].copy()
    a, b = next((a, int(b)) for a, b in enumerate(LEFT_RIGHT.of_units(hands().network.circuit["spirals"])) if a < b)
    seen[..., a] = seen[..., a].values[:, :, ::-1]
    found = pairs({"spirals": seen}, draws=99)
    assert (a, b) not in set(zip(found.a, found.b, strict=True))


def test_layers_in_one_program_are_read_as_one_by_one() -> None:
    images, both = noise(5, 33, seed=1), ["edges", "spirals"]
    done: list[tuple[int, int]] = []
    together = mirrored(hands(), both, images, chunk=2, progress=lambda *each: done.append(each))
    assert done == [(2, 5), (4, 5), (5, 5)]
    for layer in both:
        alone = mirrored(hands(), [layer], images, chunk=5)[layer]
        np.testing.assert_allclose(together[layer], alone, atol=ROUNDING * float(np.abs(alone).max()))
        assert together[layer].sizes == {"readout": 3, "view": 2, "image": 5, "unit": len(hands().unit_names(layer))}


def test_the_aligned_readout_is_at_one_place_of_the_scene() -> None:
    left = np.zeros((3, 3))
    left[:, 0], left[:, 2] = 1, -1  # bright on the left
    values = np.full((1, 15, 15, 3), -1.0)
    values[0, 3:6, 2:4] = 1.0
    seen = mirrored(wired(left), ["layer"], pictures(values))["layer"].isel(unit=0, image=0)
    # The bright bar's right edge excites the unit, and in the mirror image its left edge, one bar further.
    assert float(seen.sel(readout="max", view="image")) == float(seen.sel(readout="max", view="mirror"))
    aligned = seen.sel(readout="aligned").values
    assert sorted(aligned) == [0.0, float(seen.sel(readout="max", view="image"))]


def test_a_layer_that_no_mirror_changes_is_refused() -> None:
    even = np.array([[1.0, 2, 1], [0, 0, 0], [-1, -2, -1]])
    spot = np.array([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])
    seen = mirrored(wired(even, spot), ["layer"], noise(6, 13))
    assert float(np.abs(np.diff(seen["layer"].values, axis=1)).max()) < 1e-5
    with pytest.raises(
        NetError, match="all units of layer 'layer' of net 'wired' respond to 6 images as to their mirr"
    ):
        pairs(seen)
    assert (
        len(pairs(mirrored(wired(even, even.T), ["layer"], noise(6, 13)), draws=9)) == 0
    )  # one that has a side, alone


def test_a_grid_that_no_mirror_carries_onto_itself_is_refused() -> None:
    net = wired(np.eye(3), stride=2)
    with pytest.raises(ImageError, match=r"on images 14 pixels wide .* differ by 1 pixels, .* side 13, or within=1"):
        mirrored(net, ["layer"], noise(2, 14))
    for side, within in ((14, 1.0), (13, 0.0)):
        assert mirrored(net, ["layer"], noise(2, side), within=within)["layer"].attrs["side"] == side


def test_a_feature_and_its_opposite_are_no_pair_and_a_feature_and_its_mirror_image_are() -> None:
    rng = np.random.default_rng(0)
    image, mirror, own = rng.normal(size=(3, 60))

    def units(*each: tuple[np.ndarray, np.ndarray]) -> xr.DataArray:
        return made_up(*(np.stack(view, 1) for view in zip(*each, strict=True)))

    opposite = units((image, mirror), (-image, -mirror))
    assert len(pairs({"layer": opposite}, draws=99)) == 0
    exchanged = units((image, mirror), (mirror, image), (own, own))
    found = pairs({"layer": exchanged}, draws=99)
    assert found[["a", "b"]].values.tolist() == [[0, 1]]
    assert found.p[0] == 0.01
    assert found.alike[0] == pytest.approx(1)
    np.testing.assert_allclose(odd_share(exchanged)[2], 0)
    np.testing.assert_allclose(matches(exchanged)[0][0, :2], [matches(exchanged)[1][0, 1], 1])


def test_units_that_share_one_image_are_worth_one_and_noise_is_worth_nothing() -> None:
    image, mirror = np.zeros((2, 40, 4))
    image[3, 0] = mirror[3, 1] = 5.0
    rng = np.random.default_rng(1)
    image[:, 2:], mirror[:, 2:] = rng.normal(size=(2, 40, 2))
    found = pairs({"layer": made_up(image, mirror)}, draws=199).set_index(["a", "b"])
    assert found.z[0, 1] == pytest.approx(1)
    assert found.match[0, 1] == pytest.approx(1)
    assert float(found.p.min()) > 0.05
    loud = rng.normal(size=(2, 30, 24))
    # Of nets in which no unit knows of another, one in twenty has a pair at p = 0.05.
    highest = [pairs({"layer": made_up(*rng.normal(size=(2, 30, 24)))}, draws=99).p.min() for _ in range(20)]
    assert np.mean(np.nan_to_num(highest, nan=1) <= 0.05) <= 0.2
    assert np.isfinite(pairs({"a": made_up(*loud), "b": made_up(*loud)}, draws=9).z).all()


def test_what_does_not_fit_is_refused() -> None:
    seen = seen_by_hands()["spirals"]
    with pytest.raises(SpecError, match="draws=0"):
        pairs({"spirals": seen}, draws=0)
    with pytest.raises(StimulusError, match="0 layers and 2 images"):
        mirrored(hands(), [], noise(2, 33))
    with pytest.raises(UnknownNameError, match="no layer 'spiral'"):
        mirrored(hands(), ["spiral"], noise(2, 33))
    nan = FunctionNet(lambda images: {"layer": images / 0}, name="nan", channels=1)
    with pytest.raises(NetError, match="NaN or infinity"):
        mirrored(nan, ["layer"], noise(2, 5))


def test_operations_that_layers_share_are_done_once() -> None:
    net = hands()
    once = Once(
        lambda images: jnp.concatenate([net.maps(images, "edges").mean((1, 2)) for _ in range(3)], axis=1),
        (2, 33, 33, 1),
    )
    assert sum(op.primitive.name == "conv_general_dilated" for op in once._trace.ops) == 3
    assert sum(op.primitive.name == "conv_general_dilated" for op in once.ops) == 1
