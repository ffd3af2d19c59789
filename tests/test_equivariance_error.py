"""Units of any net turn with the image, or the tester says which does not: no false alarms, and no misses."""

import functools
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from circuitkit import equivariance, nets
from circuitkit.build import build
from circuitkit.errors import ImageError, SpecError, UnknownNameError
from circuitkit.probe import HandbuiltNet, Probe
from circuitkit.spec import Circuit, Crossing, Family, Gabor, Line, Tile
from circuitkit.symmetry import Motion, cyclic, dihedral
from circuitkit.turned import (
    EquivarianceError,
    assert_equivariant,
    equivariance_by_layer,
    equivariance_error,
    margin,
    pair_errors,
)
from circuitkit.turned.moves import carried, label, moving, orbits
from circuitkit.turned.waves import CONTRAST, METHODS, Waves
from experiments.equivariance_tester import __main__ as experiment
from tests.strategies import unchecked

ROUNDING = 1e-6
EDGES = Family("edges", Gabor(wavelength=7, sigma=2.8), angles=8, size=21)
LINES = Family("lines", Tile(EDGES, Line(length=4), tolerance=25) - Crossing(0.5), angles=8, size=11)
FEW: dict[str, Any] = {"images": 16}


@functools.cache
def handbuilt() -> HandbuiltNet:
    return HandbuiltNet(build(Circuit("small", [EDGES, LINES])))


def changed(layer: str, change: Callable[[jax.Array], jax.Array]) -> HandbuiltNet:
    net = handbuilt()
    return net.with_weights(
        lambda weight: change(weight.value) if weight.name == layer else weight.value, name="changed"
    )


def symmetric(seed: int, kernel: int, sources: int, units: int) -> jax.Array:
    """Returns a kernel that is its own image under all motions of the lattice."""
    drawn = np.random.default_rng(seed).normal(size=(kernel, kernel, sources, units))
    moved = [np.rot90(part, turn, axes=(0, 1)) for part in (drawn, drawn[::-1]) for turn in range(4)]
    return jnp.asarray(np.mean(moved, axis=0), jnp.float32)


def conv(maps: jax.Array, kernel: jax.Array, stride: int, padding: Any) -> jax.Array:
    return jax.lax.conv_general_dilated(
        maps, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
    )


def invariant(kernel: int, stride: int, padding: Any, size: int, *, first: Any = "SAME", bias: float = 0.1) -> Probe:
    """Returns units that should stay as they are, whatever the lattice does."""
    one, two = symmetric(0, 3 if first == "SAME" else 2, 1, 4), symmetric(1, kernel, 4, 3)

    def function(images: jax.Array) -> dict[str, jax.Array]:
        early = jax.nn.relu(conv(images, one, 1, first))
        return {"units": jax.nn.relu(conv(early, two, stride, padding) + bias)}

    return nets.FunctionNet(function, name="invariant", image_size=(size, size), channels=1)["units"]


# Images.


def pixels(size: int) -> np.ndarray:
    return np.arange(size) - (size - 1) / 2


def test_images_are_those_of_plane_waves_at_one_contrast() -> None:
    waves, x = Waves.drawn(count=3, seed=5), pixels(31)
    for turn in (0.0, 37.0):
        found = waves.images([0, 1, 2], band=0.2, motion=Motion(turn), x=x, y=-x)
        known = np.asarray(equivariance.plane_waves(31, turn, band=0.2, count=3, seed=5))
        scale = (found * known).sum((1, 2, 3)) / (known**2).sum((1, 2, 3))
        np.testing.assert_allclose(found, known * scale[:, None, None, None], atol=3e-6)
    wide = pixels(401)
    contrast = waves.images([0, 1, 2], band=0.25, motion=Motion(), x=wide, y=-wide).std((1, 2, 3))
    np.testing.assert_allclose(contrast, CONTRAST, rtol=0.05)


@pytest.mark.parametrize("motion", dihedral(4), ids=label)
@pytest.mark.parametrize("size", [8, 9])
def test_images_are_carried_as_the_motion_carries_pixels(motion: Motion, size: int) -> None:
    waves, x = Waves.drawn(count=2, seed=0), pixels(size)
    before, after = (waves.images([0, 1], band=0.25, motion=each, x=x, y=-x) for each in (Motion(), motion))
    np.testing.assert_allclose(after, motion.of_images(jnp.asarray(before)), atol=3e-7)
    for method in METHODS:
        turned = waves.interpolated([0, 1], band=0.25, motion=motion, x=x, y=-x, method=method)
        np.testing.assert_allclose(turned, after, atol=3e-7)


def test_interpolation_is_wrong_as_it_is_known_to_be() -> None:
    waves, x = Waves.drawn(count=8, seed=0), pixels(21)
    numbers, motion = range(8), Motion(30, mirror=True)
    errors = {}
    for band, method in itertools.product((0.125, 0.25), METHODS):
        exact = waves.images(list(numbers), band=band, motion=motion, x=x, y=-x)
        found = waves.interpolated(list(numbers), band=band, motion=motion, x=x, y=-x, method=method)
        errors[band, method] = np.linalg.norm(found - exact) / np.linalg.norm(exact)
    assert 0.02 < errors[0.125, "bilinear"] < 0.06 < errors[0.25, "bilinear"] < 0.2
    assert errors[0.125, "bicubic"] < errors[0.125, "bilinear"] / 5
    assert errors[0.25, "bicubic"] < errors[0.25, "bilinear"] / 2


# How units move.


def moved(probe: Probe, *motions: Motion, **options: Any) -> list[list[int]]:
    known = {"moves": None, "angles": None, "period": 360.0, "within": 0.1} | options
    return carried(probe, motions, **known).tolist()


def test_units_move_as_spec_angles_or_permutations_say() -> None:
    edges, turn, mirror = handbuilt()["edges"], Motion(90), Motion(0, mirror=True)
    wanted = [[2, 3, 4, 5, 6, 7, 0, 1], [0, 7, 6, 5, 4, 3, 2, 1]]
    assert moved(edges, turn, mirror) == wanted
    assert moved(edges, turn, mirror, angles=EDGES.unit_angles) == wanted
    assert moved(edges, turn, mirror, angles=[angle + 0.09 for angle in EDGES.unit_angles], within=0.2) == wanted
    assert moved(edges, turn, moves={turn: wanted[0]}) == wanted[:1]
    assert moved(edges, turn, moves=lambda motion: wanted[0]) == wanted[:1]
    assert moved(edges, turn, moves="invariant") == [list(range(8))]
    some = handbuilt()["edges", [6, 0, 2, 4]]
    assert moved(some, turn) == [[1, 2, 3, 0]]
    lines = handbuilt()["lines"]
    assert moved(lines, Motion(45)) == moved(lines, Motion(45), angles=LINES.unit_angles, period=180.0)


def test_units_that_are_carried_to_each_other_make_an_orbit() -> None:
    assert orbits(np.array([[1, 0, 2, 4, 3], [0, 1, 2, 3, 4]])).tolist() == [0, 0, 2, 3, 3]
    assert orbits(np.array([[4, 0, 1, 2, 3]])).tolist() == [0] * 5


def test_what_does_nothing_is_no_motion() -> None:
    assert moving([Motion(), Motion(360), Motion(450), Motion(90)]) == (Motion(90),)
    with pytest.raises(SpecError, match="under which every net is equivariant: wanted turns or mirrors"):
        moving(cyclic(1))
    assert [label(motion) for motion in (Motion(15), Motion(0, True), Motion(30, True))] == [
        "turn by 15°", "mirror", "mirror, turn by 30°",
    ]  # fmt: skip


def test_units_that_are_not_permuted_are_refused_with_what_is_missing() -> None:
    edges = handbuilt()["edges"]
    uneven = [254.0, 85.0, 270.0, 348.0, 142.0, 48.0, 314.0, 82.0]
    with pytest.raises(SpecError, match=r"at which none stands: 344 \(from 254; the nearest stands at 348\).*pair_err"):
        moved(edges, Motion(90), angles=uneven)
    with pytest.raises(
        SpecError, match="carries several units of layer 'edges' of net 'small' to the one at 0, 90, 180, "
    ):
        moved(edges, Motion(90), angles=[0.0, 0.05, 90.0, 180.0, 270.0, 90.0, 180.0, 270.0])
    with pytest.raises(SpecError, match="carries units of layer 'edges' to edges@180, which the probe leaves out"):
        moved(handbuilt()["edges", [0, 2]], Motion(90))
    with pytest.raises(SpecError, match="got 7 angles for the 8 units"):
        moved(edges, Motion(90), angles=uneven[:7])
    with pytest.raises(SpecError, match="both moves= and angles= say how"):
        moved(edges, Motion(90), angles=uneven, moves="invariant")
    with pytest.raises(SpecError, match="wanted each of the numbers 0 to 7 once"):
        moved(edges, Motion(90), moves=lambda motion: [0] * 8)
    with pytest.raises(SpecError, match="moves says nothing of Motion"):
        moved(edges, Motion(90), moves={})
    with unchecked(), pytest.raises(SpecError, match='wanted "invariant", permutations by motion, or a function'):
        moved(edges, Motion(90), moves="covariant")
    with pytest.raises(SpecError, match="no unit at 30 degrees"):
        moved(edges, Motion(30))
    direction = edges.along(np.ones(8))
    for unknown in (direction, invariant(3, 1, "SAME", 9)):
        with pytest.raises(SpecError, match="it is not known how the units of layer .* move when the image is turned"):
            moved(unknown, Motion(90))


# Errors.


def test_the_error_is_what_it_says() -> None:
    probe, motion = handbuilt()["lines"], Motion(22.5)
    found = equivariance_error(probe, [motion], bands=(0.2,), **FEW)
    site = probe.site()
    waves, x = Waves.drawn(count=16, seed=0), pixels(site.height)
    before, after = (
        np.asarray(probe.maps(jnp.asarray(waves.images(range(16), band=0.2, motion=each, x=x, y=-x))))[:, 0, 0]
        for each in (Motion(), motion)
    )
    apart = after - before[:, np.argsort(motion.of_units(LINES))]
    assert float(found.error.squeeze()) == pytest.approx(np.linalg.norm(apart) / np.linalg.norm(before), rel=1e-3)
    units = np.linalg.norm(apart, axis=0) / np.sqrt((np.linalg.norm(before, axis=0) ** 2).mean())
    np.testing.assert_allclose(found.units.squeeze(), units, rtol=1e-3)
    assert found.worst.unit.item() == LINES.unit_names[int(units.argmax())]
    assert float(found.worst) == pytest.approx(units.max(), rel=1e-3)


def test_circuits_are_exact_on_the_lattice_and_nearly_so_between() -> None:
    found = equivariance_by_layer(handbuilt(), dihedral(8), **FEW)
    assert found.error.dims == ("layer", "motion", "band")
    lattice = found.sel(motion=found.turn % 90 == 0)
    assert float(lattice.error.max()) <= float(lattice.worst.max()) <= ROUNDING
    between = found.sel(motion=found.turn % 90 != 0)
    assert float(between.error.sel(layer="edges").max()) < 0.004
    assert 0.004 < float(between.error.sel(layer="lines").max()) < 0.05
    assert str(found.worst_unit.sel(layer="lines").values[0, 0]).startswith("lines@")
    with pytest.raises(UnknownNameError, match="has no layer 'line'"):
        equivariance_by_layer(handbuilt(), cyclic(4), layers=("line",))


def test_the_spread_is_how_much_other_images_would_change_the_error() -> None:
    probe = handbuilt()["lines"]
    found = [equivariance_error(probe, [Motion(45)], bands=(0.25,), seed=seed, **FEW) for seed in range(12)]
    among = float(np.std([float(each.error.squeeze()) for each in found]))
    said = float(np.mean([float(each.spread.squeeze()) for each in found]))
    assert 0.5 < said / among < 2
    assert said < 0.3 * float(found[0].error.squeeze())


def test_what_is_found_is_printed() -> None:
    text = str(equivariance_error(handbuilt()["edges"], [Motion(45)], bands=(0.25,), **FEW))
    assert text.startswith("small, edges: 8 units\n  turn by 45°, up to 0.25 cycles a pixel: 0.0003")
    assert "worst edges@" in text


def test_what_interpolation_does_is_told_apart_from_what_the_net_does() -> None:
    floor = equivariance_error(handbuilt()["edges"], [Motion(45), Motion(90)], bands=(0.25,), **FEW).floor
    assert floor.image.dims == ("interpolation", "motion", "band")
    turn, quarter = floor.sel(motion="turn by 45°", band=0.25), floor.sel(motion="turn by 90°", band=0.25)
    assert 0.1 < float(turn.image.sel(interpolation="bilinear")) < 0.15
    assert 0.05 < float(turn.added.sel(interpolation="bilinear")) < 0.15
    # The units are exact to 4e-4, so all that one would find is the interpolation's.
    np.testing.assert_allclose(turn.error, turn.added, rtol=0.05)
    assert float(quarter.image.max()) <= ROUNDING
    assert float(quarter.error.max()) <= ROUNDING


def test_silent_units_and_nan_are_no_agreement() -> None:
    silent = invariant(3, 1, "SAME", 9, bias=-1e3)
    with pytest.raises(ImageError, match="every response of layer 'units' of net 'invariant' is 0: nothing can be"):
        equivariance_error(silent, cyclic(4), moves="invariant", **FEW)
    with pytest.raises(ImageError, match="unit 'units:0' of net 'invariant' gives NaN or infinity, and so do 2 others"):
        equivariance_error(invariant(3, 1, "SAME", 9, bias=float("nan")), cyclic(4), moves="invariant", **FEW)
    constant = invariant(3, 1, "SAME", 9, bias=1e3)
    assert len(equivariance_error(constant, cyclic(4), moves="invariant", **FEW).untested) == 3
    one = changed("edges", lambda kernel: kernel.at[..., 1::2].set(0.0))
    found = equivariance_error(one["edges"], cyclic(4), **FEW)
    assert found.untested == ("edges@45", "edges@135", "edges@225", "edges@315")
    assert np.isnan(found.units.sel(unit="edges@45")).all()
    with pytest.raises(
        ImageError, match="4 units of layer 'edges' of net 'changed' never change, edges@135, edges@225"
    ):
        assert_equivariant(one["edges"], cyclic(4), **FEW)


def test_a_unit_that_speaks_only_after_a_turn_is_no_agreement() -> None:
    mute = changed("edges", lambda kernel: kernel.at[..., :2].set(0.0).at[..., 3:].set(0.0))
    found = equivariance_error(mute["edges", [0, 2]], [Motion(90)], moves="invariant", **FEW)
    assert float(found.units.sel(unit="edges@90").max()) > 0.5
    with pytest.raises(EquivarianceError):
        assert_equivariant(mute["edges"], [Motion(90)], **FEW)


def test_settings_that_mean_nothing_are_refused() -> None:
    edges = handbuilt()["edges"]
    for bands in ((), (0.0,), (0.6,), (0.25, 0.25)):
        with pytest.raises(SpecError, match="wanted different ones above 0, up to 0.5 cycles a pixel"):
            equivariance_error(edges, cyclic(4), bands=bands)
    with pytest.raises(SpecError, match="images=1: wanted a whole number, at least 2"):
        equivariance_error(edges, cyclic(4), images=1)
    with pytest.raises(SpecError, match="no motion of the group is a quarter turn or a mirror"):
        _ = equivariance_error(edges, [Motion(45)], **FEW).exact


# Whole maps.

GRIDS = [
    *[(kernel, stride, padding, size) for kernel, stride, padding, size in itertools.product(
        (2, 3), (1, 2, 3), ("SAME", "VALID"), (12, 13))],
    (5, 3, "SAME", 14), (4, 3, "VALID", 14), (3, 2, ((1, 1), (1, 1)), 13), (3, 2, ((1, 1), (1, 1)), 12),
    (3, 1, ((0, 2), (1, 1)), 12), (3, 1, ((1, 1), (2, 1)), 12),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("kernel", "stride", "padding", "size"), GRIDS)
def test_whole_maps_are_exact_where_the_grid_of_units_can_be(kernel: int, stride: int, padding: Any, size: int) -> None:
    exact = equivariance_error(
        invariant(kernel, stride, padding, size), dihedral(4), moves="invariant", bands=(0.25,), images=2
    ).exact
    assert exact.possible == exact.found, exact.reason
    assert float(exact.error.max()) <= ROUNDING or float(exact.error.min()) > 0.05 or not exact.possible
    assert exact.found or float(exact.error.max()) > 0.01


def reason(probe: Probe, *motions: Motion) -> tuple[bool | None, bool, str]:
    exact = equivariance_error(probe, motions, moves="invariant", bands=(0.25,), images=2).exact
    return exact.possible, exact.found, exact.reason


def test_the_reason_is_said_in_a_sentence() -> None:
    assert reason(invariant(3, 2, "SAME", 12), Motion(90)) == (
        False,
        False,
        "stride 2 on 12 rows of pixels cannot be exact: the centres of 6 units run from 1 to 11, and their middle, 6, "
        "lies 0.5 pixel after the image's, 5.5. Exact nearby: 11 and 13.",
    )
    assert reason(invariant(3, 2, "SAME", 13), Motion(90)) == (
        True,
        True,
        "stride 2 on 13x13 pixels can be exact: the 7x7 units stand evenly around the image's centre, and what is "
        "padded is padded on either side.",
    )


def test_padding_of_one_side_is_seen_though_the_grid_is_centred() -> None:
    twice = invariant(2, 1, ((1, 0), (1, 0)), 12, first=((0, 1), (0, 1)))
    possible, found, why = reason(twice, Motion(90))
    assert (possible, found) == (False, False)
    assert why == (
        "a window of 2 at stride 1 (conv_general_dilated) on a map of side 12 pads 0 before and 1 after: the borders "
        "differ, so a turn carries neither onto the other."
    )


def test_a_mirror_asks_for_less_than_a_turn() -> None:
    uneven = invariant(3, 1, ((1, 1), (0, 2)), 12)
    assert reason(uneven, Motion(0, mirror=True))[1]  # reverses the rows, which are padded evenly
    assert reason(uneven, Motion(180, mirror=True))[:2] == (False, False)
    oblong = nets.FunctionNet(
        lambda images: {"units": conv(images, symmetric(0, 3, 1, 2), 1, "SAME")}, name="oblong", image_size=(9, 12),
        channels=1,
    )["units"]  # fmt: skip
    assert reason(oblong, Motion(180), Motion(0, mirror=True))[:2] == (True, True)
    with pytest.raises(SpecError, match=r"images of 9x12 pixels: wanted square ones. Give image_size=\(12, 12\)"):
        reason(oblong, Motion(90))


def test_what_sees_all_of_an_image_is_measured_and_nothing_is_foretold() -> None:
    def function(images: jax.Array) -> dict[str, jax.Array]:
        return {"units": conv(images, symmetric(0, 3, 1, 3), 1, "SAME").max((1, 2), keepdims=True)}

    pooled = nets.FunctionNet(function, name="pooled", image_size=(9, 9), channels=1)["units"]
    possible, found, why = reason(pooled, Motion(90))
    assert (possible, found) == (None, True)
    assert "their grid is not known" in why


# The assertion.


def test_what_turns_with_the_image_passes() -> None:
    found = assert_equivariant(handbuilt()["lines"], dihedral(4), **FEW)
    assert margin(found) < 1
    assert_equivariant(handbuilt()["edges"], cyclic(8), at_most=0.004, **FEW)
    assert_equivariant(invariant(3, 2, "SAME", 13), dihedral(4), moves="invariant", **FEW)


@pytest.mark.parametrize(
    "change",
    [
        lambda kernel: kernel.at[5, 7, 0, 3].add(0.05 * kernel.max()),
        lambda kernel: kernel.at[..., 3].multiply(1.001),
        lambda kernel: kernel[..., np.array([0, 1, 2, 4, 3, 5, 6, 7])],
        lambda kernel: kernel.at[..., 3].set(jnp.roll(kernel[..., 3], 1, axis=0)),
    ],
    ids=["one entry", "one gain", "exchanged", "shifted"],
)
def test_one_unit_of_many_is_enough_to_fail(change: Callable[[jax.Array], jax.Array]) -> None:
    with pytest.raises(EquivarianceError, match="unit 'edges@[0-9]+' of net 'changed' does not turn with the image"):
        assert_equivariant(changed("edges", change)["edges"], cyclic(4), **FEW)


def test_no_average_hides_a_unit() -> None:
    broken = changed("edges", lambda kernel: kernel.at[..., 3].multiply(1.012))["edges"]
    found = equivariance_error(broken, cyclic(4), **FEW)
    assert float(found.error.max()) < 0.008 < 0.01 < float(found.units.max())
    with pytest.raises(EquivarianceError):
        assert_equivariant(broken, cyclic(4), at_most=0.01, **FEW)
    assert_equivariant(broken, cyclic(4), at_most=0.02, **FEW)


def test_the_message_names_the_worst() -> None:
    broken = changed("edges", lambda kernel: kernel.at[..., 3].set(0.0))["edges"]
    with pytest.raises(EquivarianceError) as failed:
        assert_equivariant(broken, [Motion(45)], at_most=0.01, bands=(0.25,), **FEW)
    text = str(failed.value)
    assert text.startswith(
        "unit 'edges@180' of net 'changed' does not turn with the image: under a turn by 45°, up to 0.25"
    )
    assert text.endswith("of its response, and 0.01 is allowed. 2 of 8 units are beyond that.")
    with pytest.raises(EquivarianceError, match="in whole maps of 12x12 pixels.*The units' grid: stride 2 on 12 rows"):
        assert_equivariant(invariant(3, 2, "SAME", 12), cyclic(4), moves="invariant", **FEW)


def test_other_angles_have_no_tolerance_of_their_own() -> None:
    with pytest.raises(SpecError, match="a turn by 45° carries no pixel grid onto itself.*say how much is allowed"):
        assert_equivariant(handbuilt()["edges"], cyclic(8))
    for at_most in (0.0, float("nan"), -1.0):
        with pytest.raises(SpecError, match="wanted a number above 0"):
            assert_equivariant(handbuilt()["edges"], cyclic(4), at_most=at_most)


def test_rounding_is_of_what_is_added_up() -> None:
    """Inhibition that takes away nearly all leaves the rounding of what was there."""
    even, odd = (symmetric(seed, 3, 1, 2) for seed in (0, 1))

    def net(share: float) -> Probe:
        def function(images: jax.Array) -> dict[str, jax.Array]:
            # Two channels, one taken from the other.
            both = jnp.concatenate(
                [conv(images, even, 1, "SAME"), conv(images, even + share * odd, 1, "SAME")], axis=-1
            )
            weigh = jnp.concatenate([jnp.eye(2), -jnp.eye(2)])[None, None]
            return {"units": conv(both, weigh, 1, "SAME")}

        return nets.FunctionNet(function, name="cancelling", image_size=(9, 9), channels=1)["units"]

    plain, cancelling = (equivariance_error(net(share), cyclic(4), moves="invariant", **FEW) for share in (1.0, 1e-3))
    ratio = float(cancelling.rounding.max()) / float(plain.rounding.max())
    assert 100 < ratio < 10_000
    assert float(cancelling.units.max()) > 2e-6
    assert margin(cancelling) < 1
    with pytest.raises(ImageError, match="float32 may leave .* of a response .* too much to tell right from wrong"):
        assert_equivariant(net(1e-5), cyclic(4), moves="invariant", **FEW)


# Units at uneven angles.


def test_units_at_uneven_angles_are_compared_two_by_two() -> None:
    some, angles = handbuilt()["edges", [0, 1, 4]], [0.0, 45.0, 180.0]
    found = pair_errors(some, angles, bands=(0.25,), **FEW)
    assert found.error.dims == ("unit", "other", "band")
    assert float(found.error.max()) < 0.004
    assert float(found.correlation.min()) > 0.9999
    assert float(found.turn.sel(unit="edges@0", other="edges@45")) == 45
    wrong = pair_errors(some, [0.0, 45.0, 150.0], bands=(0.25,), **FEW)
    assert float(wrong.error.sel(unit="edges@0", other="edges@45").squeeze()) < 0.004
    assert float(wrong.error.sel(other="edges@180").drop_sel(unit="edges@180").min()) > 0.1
    louder = changed("edges", lambda kernel: kernel.at[..., 1].multiply(2.0))["edges", [0, 1, 4]]
    found = pair_errors(louder, angles, bands=(0.25,), **FEW)
    assert float(found.error.sel(unit="edges@0", other="edges@45").squeeze()) > 0.5
    assert float(found.scaled.max()) < 0.004


def test_pairs_need_angles_that_differ() -> None:
    with pytest.raises(SpecError, match="got 2 angles for 8 units"):
        pair_errors(handbuilt()["edges"], [0.0, 90.0])
    with pytest.raises(SpecError, match="all 8 units stand at 5 degrees"):
        pair_errors(handbuilt()["edges"], [5.0] * 8)


@pytest.mark.slow
def test_trained_curve_detectors_are_no_family_but_turned_copies(data_folder: Path) -> None:
    net = nets.load(data_folder / "nets" / "squeezenet1_1.onnx")
    units, angles = [202, 150, 53, 143, 140, 252, 242, 169, 194], [254, 85, 270, 348, 142, 48, 314, 82, 217]
    probe, degrees = net["fire5", units], [float(angle) for angle in angles]
    with pytest.raises(SpecError, match="at which none stands"):
        equivariance_error(probe, cyclic(8), angles=degrees)
    found = pair_errors(probe, degrees, bands=(0.06,), images=32)
    apart = ~np.eye(9, dtype=bool)
    shuffled = pair_errors(probe, degrees[3:] + degrees[:3], bands=(0.06,), images=32)
    here, there = (np.nanmedian(each.correlation.values[apart]) for each in (found, shuffled))
    assert here > 0.3 > there + 0.1


# The whole of it.

DOCS = Path(__file__).parents[1] / "docs"
GUIDE = DOCS / "equivariance.md"


def ran(page: Path) -> dict[str, Any]:
    """Runs all blocks of a page, one after the other; returns the names that they leave behind."""
    names: dict[str, Any] = {}
    with unchecked():
        for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL):
            exec(block, names)
    return names


def test_the_lesson_on_families_runs_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    names = ran(DOCS / "families.md")
    printed = capsys.readouterr().out
    for said in ("360.0 180.0 15.0 15.0", "48 spirals@0-mirrored", "[24 47 46]", "True 180.0 144", "\nTrue\n"):
        assert said in printed
    assert names["contrasts"].hues == 12
    assert float(names["found"].error.max()) < 0.05


def test_the_guide_runs_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    names = ran(GUIDE)
    quoted = "".join(
        line[4:] for line in GUIDE.read_text(encoding="utf-8").splitlines(True) if line.startswith("    F")
    )
    assert quoted.startswith("False stride 2 on 224 rows")
    assert quoted.strip() in capsys.readouterr().out
    # Drawn lines depend on relative pose alone; the series follows that to its harmonics.
    assert names["obeyed"].p == pytest.approx(0.005)
    assert names["obeyed"].predicted == pytest.approx(names["obeyed"].share, abs=1e-3)


@pytest.mark.long
def test_nets_that_turn_pass_and_nets_that_nearly_do_are_rejected() -> None:
    with unchecked():
        rows = experiment.run(experiment.SMOKE)
    wrong = rows[rows["said"] != rows["should be"]]
    assert len(rows) == 15
    assert wrong.empty, wrong.to_string()
    assert set(experiment.summary(rows).columns) == {"nets", "right", "least", "median", "largest"}
