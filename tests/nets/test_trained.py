"""A trained net as a probe: preprocessing, read-out sites, crops, and units found by their tuning."""

import math
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from circuitkit import nets, tuning
from circuitkit.errors import ImageError, NetError, UnknownNameError
from circuitkit.nets import IMAGENET, Preprocessing, TrainedNet
from circuitkit.stimuli import Curve, grid, log, turn
from circuitkit.sweep import tune

FEW = grid(Curve(), angle=turn(8), radius=(15.0, 40.0, math.inf))


@pytest.fixture(scope="module")
def squeezenet(data_folder: Path) -> TrainedNet:
    return nets.load(data_folder / "nets" / "squeezenet1_1.onnx")


@pytest.fixture(scope="module")
def resnet(data_folder: Path) -> TrainedNet:
    return nets.load(data_folder / "nets" / "resnet50v2_stage3.onnx")


def test_black_grey_and_white_become_what_the_net_was_trained_on() -> None:
    shades = jnp.asarray([-1.0, 0.0, 1.0])[None, None, :, None]
    made = np.asarray(IMAGENET(shades))[0, 0]
    wanted = (np.array([[0.0], [0.5], [1.0]]) - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(made, wanted, atol=1e-6)


def test_channel_orders() -> None:
    red = jnp.asarray([1.0, -1.0, -1.0])[None, None, None]
    assert np.asarray(Preprocessing()(red)).ravel().tolist() == [1, 0, 0]
    assert np.asarray(Preprocessing(colours="BGR", scale=255)(red)).ravel().tolist() == [0, 0, 255]
    assert np.asarray(Preprocessing(colours="GREY")(red)).ravel() == pytest.approx([1 / 3])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"std": (1.0, 0.0, 1.0)}, "wanted numbers above 0"),
        ({"mean": (math.nan, 0.0, 0.0)}, "holds NaN or infinity"),
    ],
)
def test_impossible_preprocessing_is_refused(options: dict[str, tuple[float, ...]], message: str) -> None:
    with pytest.raises(NetError, match=message):
        Preprocessing(**options)  # type: ignore[arg-type]


def test_a_net_of_unknown_preprocessing_is_refused_until_told(data_folder: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "mystery.onnx"
    renamed.write_bytes((data_folder / "nets" / "squeezenet1_1.onnx").read_bytes())
    with pytest.raises(NetError, match="no preprocessing is known for net 'mystery'"):
        nets.load(renamed)
    told = nets.load(renamed, preprocessing=IMAGENET)
    assert told.name == "mystery"
    assert tune(told["fire2"], FEW).attrs["image_values"] == str(IMAGENET)
    with pytest.raises(NetError, match="takes images of 3 channels, but its preprocessing gives 1"):
        nets.load(renamed, preprocessing=Preprocessing(colours="GREY"))


@pytest.mark.parametrize(("layer", "size", "centre"), [("fire4", 47, 23.0), ("fire5", 63, 31.0), ("fire2", 15, 7.0)])
def test_the_site_is_the_receptive_field_itself(squeezenet: TrainedNet, layer: str, size: int, centre: float) -> None:
    site = squeezenet[layer].site()
    assert (site.height, site.width) == (size, size)
    assert site.anchor == (centre, centre)


@pytest.mark.parametrize("layer", ["fire3", "fire5"])
def test_the_crop_gives_what_the_whole_image_gives(squeezenet: TrainedNet, layer: str) -> None:
    probe = squeezenet[layer]
    crop, whole = tune(probe, FEW), tune(probe, FEW, size=224)
    assert float(whole.max()) > 1
    np.testing.assert_allclose(crop, whole, atol=1e-5 * float(whole.max()))


def test_the_crop_holds_for_a_net_with_padding_and_residuals(resnet: TrainedNet) -> None:
    probe = resnet["stage2_unit2_act1"]
    crop, whole = tune(probe, FEW, chunk=8), tune(probe, FEW, size=224, chunk=8)
    np.testing.assert_allclose(crop, whole, atol=1e-4 * float(whole.max()))


def test_a_stimulus_one_pixel_off_the_centre_is_another_stimulus(squeezenet: TrainedNet) -> None:
    probe = squeezenet["fire5"]
    right = tune(probe, FEW)
    site = probe.site()
    images = np.stack([Curve(angle=0, radius=15).draw(63, 63, anchor=(31.0, 31.0 + d)) for d in (0, 1)])
    maps = np.asarray(probe.maps(jnp.asarray(images)))[:, site.unit[0], site.unit[1]]
    np.testing.assert_allclose(maps[0], right.isel(angle=0, radius=0), atol=1e-4 * float(right.max()))
    assert np.abs(maps[1] - maps[0]).max() > 0.05 * float(right.max())


def test_known_curve_detectors_are_found_in_fire5(squeezenet: TrainedNet) -> None:
    stimuli = grid(Curve(), angle=turn(24), radius=(*log(12, 290, 8), math.inf), polarity=(1, -1))
    found = tuning.summary(tune(squeezenet["fire5"], stimuli)).sortby("curve_score", ascending=False)
    best = found.isel(unit=slice(0, 10))
    # Almost all curve detectors of the fire modules are in the expand3x3 half.
    assert sum(int(str(name).split(":")[1]) >= 128 for name in best.unit.values) >= 8
    assert float(best.curve_score[:5].min()) > 0.5
    assert float(found.curve_score.median()) < 0.1


def test_unknown_layers_and_units_are_refused(squeezenet: TrainedNet) -> None:
    with pytest.raises(UnknownNameError, match="net 'squeezenet1_1' has no layer 'fire55'. Did you mean 'fire5'"):
        squeezenet["fire55"]
    with pytest.raises(UnknownNameError, match="has no unit 256: it has 256 units"):
        squeezenet["fire5", 256]
    with pytest.raises(ImageError, match="with 1 channel \\(grey\\) or 3 \\(RGB\\)"):
        squeezenet.maps(jnp.zeros((1, 63, 63, 4)), "fire5")
    with pytest.raises(ImageError, match="1 of 2 images hold NaN or infinity \\(the first is image 1\\)"):
        squeezenet.maps(jnp.zeros((2, 63, 63, 1)).at[1, 5, 5].set(jnp.nan), "fire5")


def test_weights_are_given_where_one_convolution_makes_the_layer(squeezenet: TrainedNet) -> None:
    found = squeezenet.weights("fire5_expand3x3")
    assert found is not None
    source, kernel = found
    assert source == "fire5_squeeze"
    assert kernel.shape == (3, 3, 32, 128)
    assert squeezenet.weights("fire5") is None  # a concatenation of two


def test_logits_of_bytes_made_images_are_the_recorded_ones(squeezenet: TrainedNet, data_folder: Path) -> None:
    with np.load(data_folder / "nets" / "reference_squeezenet1_1.npz", allow_pickle=False) as recorded:
        images, wanted = recorded["images"], recorded["logits"]
    found = np.asarray(squeezenet.logits(jnp.asarray(images / 127.5 - 1, jnp.float32)))
    np.testing.assert_allclose(found, wanted, atol=1e-3 * np.abs(wanted).max())
    upside_down = np.asarray(squeezenet.logits(jnp.asarray(images[:, ::-1] / 127.5 - 1, jnp.float32)))
    assert np.abs(upside_down - wanted).max() > 0.1 * np.abs(wanted).max()
