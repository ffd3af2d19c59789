"""Move the image, and the maps move with it while each family's units are permuted.

Lattice motions (quarter turns, mirrors, whole pixels) leave nothing but float32 rounding, for every circuit. At 15
degrees the pixel grid is no longer carried onto itself; there, the handbuilt circuit keeps the error that its kernels'
cut borders and the sampling of their formulas leave.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
from hypothesis import assume, given
from hypothesis import strategies as st

from circuitkit import equivariance
from circuitkit.build import build
from circuitkit.geometry import turned_back
from circuitkit.motifs import tiling
from circuitkit.motifs.tiling import Relative, tile_pattern
from circuitkit.network import Activations, CircuitNetwork
from circuitkit.spec import Circuit, Family, Gabor, Line, Spiral, Tile
from circuitkit.symmetry import Motion
from handbuilt import curves
from tests.strategies import (
    CHIRAL_PLANS,
    FLOAT32_ROUNDING,
    LATTICE,
    PLANS,
    STRIDED_PLANS,
    added_up,
    awake,
    circuits,
    images,
    lattice_motions,
    noise,
)

MOVING = [motion for motion in LATTICE if motion != Motion()]
SAMPLING = 0.02
"""What is left at 15 degrees after sampling a smooth formula on the pixel grid, and cutting it at 0.3 % and 2.6 %."""

BROKEN = 0.1
"""What a circuit that is not equivariant shows at least."""

FLOAT32_WEIGHTS = 3e-6
"""Rounding of a weight, as a share of the largest: of turned coordinates, before bells and envelopes see them."""

FLOAT32_COORDINATES = 1e-4
"""Rounding of turned coordinates, as the steepest of the patterns show it; of patterns as high as 1."""


def errors(network: CircuitNetwork, image: jax.Array, motion: Motion) -> dict[str, float]:
    """Returns each layer's error as a share of what was added up: `added_up` says why not of the response."""
    before, after = network(image), network(motion.of_images(image))
    assume(awake(before.layers))
    sums = added_up(network, image)
    return {
        name: float(jnp.linalg.norm(after[name] - motion.of_maps(before[name], network.circuit[name]))) / sums[name]
        for name in before
    }


@given(circuit=circuits(), image=images(), motion=lattice_motions())
def test_a_lattice_motion_of_the_image_moves_the_maps_and_permutes_the_units(circuit, image, motion):
    for name, error in errors(build(circuit), image, motion).items():
        assert error <= FLOAT32_ROUNDING, name


@given(circuit=circuits(STRIDED_PLANS), image=images(sizes=(17,)), motion=lattice_motions())
def test_with_strides_too_where_a_pixel_is_the_middle_one(circuit, image, motion):
    for name, error in errors(build(circuit), image, motion).items():
        assert error <= FLOAT32_ROUNDING, name


@given(circuit=circuits(CHIRAL_PLANS), image=images(), turn=st.sampled_from([90.0, 180.0, 270.0]))
def test_a_quarter_turn_permutes_the_units_of_spirals_and_mixtures_too(circuit, image, turn):
    for name, error in errors(build(circuit), image, Motion(turn)).items():
        assert error <= FLOAT32_ROUNDING, name


def test_a_mirror_does_not_permute_spirals():
    edges = Family("edges", Gabor(wavelength=5, sigma=1.75), angles=8, size=7)
    spirals = Family("spirals", Tile(edges, Spiral(radius=6, pitch=40, length=10), tolerance=20), angles=8)
    network = build(Circuit("chiral", [edges, spirals]))
    assert equivariance.lattice_errors(network, noise(0, 24), Motion(90))["spirals"] <= FLOAT32_ROUNDING
    assert (
        equivariance.lattice_errors(network, noise(0, 24), Motion(0, mirror=True))["spirals"] > 1e4 * FLOAT32_ROUNDING
    )


@given(circuit=circuits(), motion=lattice_motions())
def test_a_weight_depends_on_the_relative_pose_alone(circuit, motion):
    network = build(circuit)
    for family in circuit.families:
        layout, kernel = network.layers[family.name].layout, network.layers[family.name].kernel[...]
        carried = motion.of_units(family)
        blocks = []
        for source in layout.sources:
            block = kernel[:, :, layout.channels(source)]
            if source != "image":
                block = block[:, :, motion.of_units(circuit[source])]
            blocks.append(block[:, :, :, carried])
        # W[p, h -> g] = W[T p, T h -> T g]: the units are looked up where they went, the pixels moved back.
        rounding = FLOAT32_WEIGHTS * float(jnp.abs(kernel).max())
        moved = motion.inverse().of_images(jnp.moveaxis(jnp.concatenate(blocks, axis=2), -1, 0))
        np.testing.assert_allclose(jnp.moveaxis(moved, 0, -1), kernel, atol=rounding)


def test_the_units_have_to_be_permuted_for_that():
    kernel = build(curves.SPEC).layers["edges"].kernel[...]
    moved = Motion(90).of_images(jnp.moveaxis(kernel, -1, 0))
    assert float(jnp.max(jnp.abs(jnp.moveaxis(moved, 0, -1) - kernel))) > BROKEN * float(jnp.abs(kernel).max())


def patterns(circuit: Circuit, tile: Tile, x: jax.Array, y: jax.Array, angles: list[float]) -> jax.Array:
    """Returns a tile's weights at any points, for members at any angles: (member, source, point)."""
    sources = [circuit[name] for name in tile.source_names]
    tangents = [tangent for source in sources for tangent in source.unit_tangents]
    direction = jnp.asarray(np.subtract.outer(tangents, angles).T, jnp.float32)
    return tile_pattern(tile, x, y, Relative(direction), period=sources[0].matched_period())[:, :, 0]


def rule_error(circuit: Circuit, turn: float, rule: Callable[..., jax.Array] = patterns) -> float:
    """Returns how much the weights at arbitrary points change when points, sources and members turn together."""
    rng, motion, worst = np.random.default_rng(0), Motion(turn), 0.0
    x, y = (jnp.asarray(part, jnp.float32) for part in rng.uniform(-4, 4, (2, 1, 40)))
    for family in circuit.families:
        n, angles = family.angles, list(family.unit_angles)
        for tile in family.tiles:
            # Points and members, then the same turned: in one call, which scales both by the same number.
            here, there = turned_back(x, y, angles), turned_back(*motion.of_points(x, y), [a + turn for a in angles])
            both = [jnp.concatenate(pair) for pair in zip(here, there, strict=True)]
            weights = rule(circuit, tile, *both, angles + [a + turn for a in angles])
            moved: list[int] = []
            for name in tile.source_names:
                moved.extend(len(moved) + motion.of_units(circuit[name]))
            apart = jnp.abs(weights[:n] - weights[n:][:, np.array(moved)]).max()
            worst = max(worst, float(apart / jnp.abs(weights).max()))
    return worst


@given(circuit=circuits(PLANS[2:]), steps=st.integers(0, 11))
def test_the_rule_depends_on_the_relative_pose_alone_at_every_angle(circuit, steps):
    assert rule_error(circuit, steps * 360 / circuit.order) < FLOAT32_COORDINATES


def test_a_rule_that_knows_its_own_angle_is_noticed():
    def biased(circuit: Circuit, tile: Tile, x: jax.Array, y: jax.Array, angles: list[float]) -> jax.Array:
        weights = patterns(circuit, tile, x, y, angles)
        return weights * (1 + 0.01 * jnp.cos(jnp.deg2rad(jnp.asarray(angles, jnp.float32))))[:, None, None]

    assert rule_error(curves.SPEC, 45.0) < FLOAT32_COORDINATES
    assert rule_error(curves.SPEC, 45.0, biased) > 0.005


@given(circuit=circuits(), down=st.integers(-2, 2), right=st.integers(-2, 2), seed=st.integers(0, 999))
def test_whole_pixels_move_the_maps(circuit, down, right, seed):
    network, scene = build(circuit), noise(seed, 36)
    one, other = scene[:, 2:-2, 2:-2], scene[:, 2 - down : 34 - down, 2 - right : 34 - right]
    maps, moved = network(one, padding="VALID"), network(other, padding="VALID")
    assume(awake(maps.layers))
    sums = added_up(network, scene)
    for name in maps:
        inside = np.asarray(maps[name])[:, 2:-2, 2:-2]
        height, width = inside.shape[1:3]
        assert min(height, width) > 0, name
        there = np.asarray(moved[name])[:, 2 + down : 2 + down + height, 2 + right : 2 + right + width]
        assert np.linalg.norm(there - inside) <= FLOAT32_ROUNDING * sums[name], name


# The handbuilt circuit: every layer, relative to its own responses.


@functools.cache
def handbuilt(radius: float = 20.0) -> CircuitNetwork:
    return build(curves.circuit(radius))


def structured(size: int) -> jax.Array:
    """Returns an image of flat patches: a dark disc, a light ring about another centre, and a bar up to the border."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    disc = np.hypot(x - 0.4 * size, y - 0.35 * size) < 0.2 * size
    ring = np.abs(np.hypot(x - 0.6 * size, y - 0.6 * size) - 20) < 2
    bar = np.abs(0.3 * x + y - 0.9 * size) < 3
    return jnp.asarray(-1.0 * disc + 1.0 * ring + 0.7 * bar, jnp.float32)[None, :, :, None]


@pytest.mark.slow
@pytest.mark.parametrize("motion", MOVING, ids=str)
@pytest.mark.parametrize("size", [97, 128])
def test_the_handbuilt_circuit_is_exactly_equivariant_on_the_lattice(size, motion):
    pair = jnp.concatenate([noise(size, size), structured(size)])
    for name, error in equivariance.lattice_errors(handbuilt(), pair, motion).items():
        assert error <= FLOAT32_ROUNDING, name


@pytest.mark.parametrize("radius", [14.0, 30.0])
def test_so_it_is_for_other_radii(radius):
    image = structured(64)
    assert awake(handbuilt(radius)(image).layers)
    for motion in (Motion(90), Motion(270, mirror=True)):
        for name, error in equivariance.lattice_errors(handbuilt(radius), image, motion).items():
            assert error <= FLOAT32_ROUNDING, name


@pytest.mark.parametrize(("down", "right"), [(1, 0), (-3, 2)])
def test_the_handbuilt_circuit_moves_with_whole_pixels(down, right):
    image = noise(5, handbuilt().receptive_field("curves").size[0] + 12)
    for name, error in equivariance.shift_errors(handbuilt(), image, down=down, right=right).items():
        assert error <= FLOAT32_ROUNDING, name


@pytest.mark.slow
@pytest.mark.parametrize("band", [0.125, 0.25])
def test_the_handbuilt_circuit_is_nearly_equivariant_at_15_degrees(band):
    # 16 images, 24 units each: the error of a layer is then known to some per cent of itself.
    for name, error in equivariance.turn_errors(handbuilt(), 15.0, band=band, count=16).items():
        assert 0 < error <= SAMPLING, name


# Circuits that are broken on purpose. A small one: they are told from the whole one by more than any rounding.

EDGES = Family("edges", Gabor(wavelength=7, sigma=2.8), angles=24)
LINES = Family("lines", Tile(EDGES, Line(length=4), tolerance=15), angles=24)
SMALL = Circuit("small", [EDGES, LINES])


def broken(layer: str, change: Callable[[jax.Array], jax.Array]) -> CircuitNetwork:
    kernels = {name: conv.kernel[...] for name, conv in build(SMALL).layers.items()}
    return build(SMALL, kernels=kernels | {layer: change(kernels[layer])})


def silenced(kernel: jax.Array) -> jax.Array:
    return kernel.at[..., 3].set(0.0)


def swapped(kernel: jax.Array) -> jax.Array:
    order = np.arange(kernel.shape[-1])
    order[[0, 5]] = order[[5, 0]]
    return kernel[..., order]


def shifted(kernel: jax.Array) -> jax.Array:
    return kernel.at[..., 3].set(jnp.roll(kernel[..., 3], 2, axis=1))


def interpolated(kernel: jax.Array) -> jax.Array:
    """Draws member 0 only, and turns it by interpolation, as one would without a formula."""
    first = np.asarray(kernel[:, :, 0, 0])
    turned = [scipy.ndimage.rotate(first, angle, reshape=False, order=1) for angle in EDGES.unit_angles]
    return jnp.asarray(np.stack(turned, axis=-1), jnp.float32)[:, :, None, :]


def test_the_small_circuit_is_whole():
    image = noise(0, 32)
    assert max(equivariance.lattice_errors(build(SMALL), image, Motion(90)).values()) <= FLOAT32_ROUNDING
    assert max(equivariance.turn_errors(build(SMALL), 15.0, band=0.25).values()) <= SAMPLING


@pytest.mark.parametrize("change", [silenced, swapped, shifted], ids=lambda change: change.__name__)
@pytest.mark.parametrize("layer", ["edges", "lines"])
def test_a_broken_member_is_noticed(layer, change):
    network = broken(layer, change)
    for found in (
        equivariance.lattice_errors(network, noise(0, 32), Motion(90)),
        equivariance.lattice_errors(network, noise(0, 32), Motion(0, mirror=True)),
        equivariance.turn_errors(network, 15.0, band=0.25),
    ):
        assert found[layer] > 2 * SAMPLING
        if layer == "lines":
            assert found["edges"] <= SAMPLING  # what lies below is whole


def test_the_wrong_permutation_is_noticed(monkeypatch):
    image = noise(0, 32)
    maps = build(SMALL)(image)
    assert awake(maps.layers)
    monkeypatch.setattr(Motion, "of_units", lambda self, family: np.arange(family.angles))
    assert min(equivariance.lattice_errors(build(SMALL), image, Motion(90)).values()) > BROKEN


def test_interpolated_kernels_are_noticed_at_15_degrees():
    network = broken("edges", interpolated)
    assert equivariance.turn_errors(network, 15.0, band=0.25)["edges"] > 2 * SAMPLING
    # At quarter turns interpolation has nothing to do, and nothing can be seen.
    assert equivariance.lattice_errors(network, noise(0, 32), Motion(90))["edges"] <= 1e-5


def test_a_hard_edge_is_noticed_at_15_degrees(monkeypatch):
    def hard(frame, length, spread, *, offset=0.0, lap=None):
        return ((jnp.abs(frame.distance - offset) < spread) & (jnp.abs(frame.along) < length / 2)).astype(jnp.float32)

    # Another length, so that no compiled drawing of the smooth circuit is taken.
    lines = Family("lines", Tile(EDGES, Line(length=4), tolerance=15), angles=24, size=11)
    smooth = build(Circuit("smooth", [EDGES, lines]))
    monkeypatch.setattr(tiling, "envelope", hard)
    rough = build(Circuit("rough", [EDGES, lines]))
    assert not np.array_equal(rough.layers["lines"].kernel[...], smooth.layers["lines"].kernel[...])
    assert equivariance.turn_errors(smooth, 15.0, band=0.25)["lines"] <= SAMPLING
    assert equivariance.turn_errors(rough, 15.0, band=0.25)["lines"] > 2 * SAMPLING


def test_one_pixel_is_noticed(monkeypatch):
    call, calls = CircuitNetwork.__call__, []

    def late(self, images, **options):
        """Every second time, the maps lie one pixel too far right."""
        calls.append(images.shape)
        maps = call(self, images, **options)
        return Activations({name: jnp.roll(maps[name], len(calls) % 2, axis=2) for name in maps}, maps.circuit)

    network, image = build(SMALL), noise(0, 40)
    assert max(equivariance.shift_errors(network, image, down=0, right=1).values()) <= FLOAT32_ROUNDING
    monkeypatch.setattr(CircuitNetwork, "__call__", late)
    assert min(equivariance.shift_errors(network, image, down=0, right=1).values()) > BROKEN
