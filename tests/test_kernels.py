"""Kernels: pure and differentiable in every number, scaled as promised, and without hard edges."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitkit.build import build
from circuitkit.kernels import IMAGE, draw, draw_gabors, draw_tile, kernel_size, lay_out
from circuitkit.spec import (
    Arc,
    Circle,
    Circuit,
    Corner,
    Crossing,
    Family,
    Flank,
    Gabor,
    Line,
    OppositeArc,
    Spiral,
    Tile,
    Union,
)
from handbuilt import curves
from tests.strategies import circuits, numbers

FLOAT32_ROUNDING = 1e-5  # of sums of a thousand weights, from which a mean of their own size may have been taken
GRID = 0.03
"""How far the sum of a member's weights may be from that of member 0, since the pixel grid falls on it otherwise."""

EDGES = Family("edges", Gabor(wavelength=5, sigma=1.75), angles=8, size=7)
BARS = Family("bars", Gabor(wavelength=4.5, sigma=1.5, phase=0), angles=4, size=7)
CONTOURS = Family("contours", Union((EDGES, BARS)), angles=4)
LINES = Family("lines", Tile(CONTOURS, Line(length=3), tolerance=25) - Crossing(0.6), angles=4, size=5)
ARCS = Family(
    "arcs",
    Tile(LINES, Arc(radius=4, length=5), tolerance=30, spread=1)
    - Crossing(0.5)
    - OppositeArc(0.3)
    + Tile((EDGES, BARS), Line(length=2), tolerance=35)
    - Flank(0.4, 2),
    angles=8,
    size=5,
)
SMALL = Circuit("small", [EDGES, BARS, CONTOURS, LINES, ARCS])
LAYOUTS = lay_out(SMALL)
PROBES = {
    name: jnp.asarray(np.random.default_rng(index).normal(size=layout.shape), jnp.float32)
    for index, (name, layout) in enumerate(LAYOUTS.items())
}


drawn = jax.jit(lambda circuit: draw(circuit, LAYOUTS))


def loss(circuit: Circuit) -> jax.Array:
    """Weighs every weight of every kernel by a fixed number, so that a change of any of them shows."""
    kernels = draw(circuit, LAYOUTS)
    return sum(jnp.sum(PROBES[name] * kernels[name]) for name in kernels)


@functools.cache
def gradient() -> Circuit:
    return jax.jit(jax.grad(loss))(SMALL)


def moved(index: int, by: float) -> float:
    """Returns the loss with one number of SMALL changed, added up in float64."""
    leaves, structure = jax.tree.flatten(SMALL)
    leaves[index] += by
    kernels = drawn(jax.tree.unflatten(structure, leaves))
    return sum(np.sum(np.asarray(PROBES[name], np.float64) * np.asarray(kernels[name])) for name in kernels)


@given(circuits())
def test_kernels_have_the_shapes_that_their_layout_promises(circuit):
    layouts = lay_out(circuit)
    kernels = jax.eval_shape(lambda: draw(circuit))
    assert set(kernels) == set(layouts)
    assert list(layouts) == [family.name for family in circuit.families]
    for family in circuit.families:
        layout, kernel = layouts[family.name], kernels[family.name]
        assert kernel.shape == layout.shape
        assert kernel.dtype == jnp.float32
        assert layout.shape[0] == layout.shape[1] == kernel_size(family)
        assert layout.sources == (family.source_names or (IMAGE,))
        assert sum(layout.widths) == layout.shape[2]
        assert layout.shape[3] == family.angles


def test_the_channels_of_a_source_are_those_of_its_units():
    layout = LAYOUTS["arcs"]
    assert layout.sources == ("lines", "edges", "bars")
    assert [layout.channels(name) for name in layout.sources] == [slice(0, 4), slice(4, 12), slice(12, 16)]


@pytest.mark.parametrize(
    ("family", "side"),
    [
        (Family("e", Gabor(wavelength=6, sigma=2), angles=4), 15),  # 3.4 sigma to each side
        (Family("e", Gabor(wavelength=6, sigma=0.1), angles=4), 3),
        (Family("e", Gabor(wavelength=6, sigma=2), angles=4, size=5), 5),
        (CONTOURS, 1),
        (Family("l", Tile("e", Line(length=10), tolerance=20, spread=1), angles=4), 17),  # 5 and 2.7 spreads
        (Family("l", Tile("e", Line(length=10), tolerance=20, spread=1) - Flank(1, 4), angles=4), 25),
        (Family("a", Tile("e", Arc(radius=9, length=56), tolerance=20, spread=1), angles=4), 43),  # nearly the diameter
        (Family("c", Tile("e", Circle(radius=9), tolerance=20, spread=1), angles=1), 25),
        (Family("v", Tile("e", Corner(opening=60, length=20), tolerance=20, spread=1), angles=4), 27),
        (Family("s", Tile("e", Spiral(radius=20, pitch=0, length=20), tolerance=20, spread=1), angles=4), 27),
        (Family("u", Union("e", over_angles=True), angles=1), 1),
    ],
)
def test_kernels_are_as_large_as_their_template(family, side):
    assert kernel_size(family) == side


def test_drawing_is_pure():
    once, again = draw(SMALL), draw(SMALL)
    for name in once:
        np.testing.assert_array_equal(once[name], again[name])


def test_drawing_compiles():
    eager, compiled = draw(SMALL), drawn(SMALL)
    for name in eager:
        np.testing.assert_allclose(compiled[name], eager[name], atol=FLOAT32_ROUNDING)


def paths() -> list[str]:
    return [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(SMALL)]


@pytest.mark.parametrize("index", range(len(paths())), ids=paths())
def test_the_gradient_in_every_number_is_the_finite_difference(index):
    exact = float(jax.tree.leaves(gradient())[index])
    # Weights are rounded to float32, so the steps are large, and the formula is the one of fourth order.
    step = 0.01 * jax.tree.leaves(SMALL)[index]
    near, far = (moved(index, n * step) - moved(index, -n * step) for n in (1, 2))
    assert exact == pytest.approx((8 * near - far) / (12 * step), rel=1e-3, abs=1e-5)
    assert abs(exact) > 1e-4, "a number without effect: the comparison would hold of anything"


def test_a_spec_has_as_many_numbers_as_it_shows():
    assert len(paths()) == 2 + 2 + 5 + (5 + 2) + (4 + 2)


def test_the_gradient_is_a_spec_though_its_numbers_may_be_below_0():
    assert isinstance(gradient(), Circuit)
    assert jax.tree.structure(gradient()) == jax.tree.structure(SMALL)
    slopes = [float(leaf) for leaf in jax.tree.leaves(gradient())]
    assert min(slopes) < 0 < max(slopes)


def test_a_step_down_the_gradient_is_a_spec_that_loses_less():
    stepped = jax.tree.map(lambda number, slope: number - 0.01 * slope, SMALL, gradient())
    assert float(loss(stepped)) < float(loss(SMALL))


@given(wavelength=numbers(3, 8), sigma=numbers(1, 2.5), phase=st.sampled_from([0.0, 90.0, 180.0, 37.5]))
def test_a_gabor_has_no_mean_and_absolute_weights_that_sum_to_1_at_most(wavelength, sigma, phase):
    gabor = Gabor(wavelength=wavelength, sigma=sigma, phase=phase)
    kernel = draw_gabors(Family("g", gabor, angles=8, size=17), gabor, 17)
    np.testing.assert_allclose(jnp.sum(kernel, (0, 1, 2)), 0, atol=FLOAT32_ROUNDING)
    np.testing.assert_allclose(jnp.max(jnp.sum(jnp.abs(kernel), (0, 1, 2))), 1, atol=FLOAT32_ROUNDING)


def test_a_gabor_points_from_dark_to_light():
    x = np.arange(7) - 3
    kernel = np.asarray(draw(Circuit("c", [EDGES]))["edges"])[:, :, 0]
    assert np.sum(kernel[:, :, 0] * x) > 0.1  # edges@0: light on the right
    assert np.sum(kernel[:, :, 2] * x[::-1, None]) > 0.1  # edges@90: light above
    np.testing.assert_allclose(kernel[:, :, 4], -kernel[:, :, 0], atol=FLOAT32_ROUNDING)  # edges@180


def test_bars_are_light_or_dark():
    for phase, sign in ((0, 1), (180, -1)):
        gabor = Gabor(wavelength=6, sigma=2, phase=phase)
        kernel = draw_gabors(Family("bars", gabor, angles=4, size=7), gabor, 7)
        assert np.all(np.sign(kernel[3, 3, 0]) == sign)


def test_a_union_is_the_mean_of_the_gabors_on_its_orientation():
    kernel = np.asarray(draw(Circuit("c", [EDGES, BARS, CONTOURS]))["contours"])[0, 0]
    np.testing.assert_allclose(kernel.sum(axis=0), 1)
    # contours@0 runs along x: edges point up or down, bars at 90 lie along x.
    assert {(int(i), float(w)) for i, w in enumerate(kernel[:, 0]) if w} == {
        (2, float(np.float32(1 / 3))),
        (6, float(np.float32(1 / 3))),
        (8 + 2, float(np.float32(1 / 3))),
    }


@given(circuits())
def test_all_excitation_sums_to_the_weight_and_each_inhibition_to_its_strength(circuit):
    for family in circuit.families:
        for tile in family.tiles:
            sources, size = [circuit[name] for name in tile.source_names], kernel_size(family)
            bare = dataclasses.replace(tile, minus=())
            excitation = draw_tile(family, bare, sources, size)
            assert float(jnp.min(excitation)) >= 0
            np.testing.assert_allclose(jnp.sum(excitation[..., 0]), tile.weight, atol=FLOAT32_ROUNDING)
            total = excitation
            for term in tile.minus:
                inhibition = excitation - draw_tile(family, bare - term, sources, size)
                assert float(jnp.min(inhibition)) >= -FLOAT32_ROUNDING
                strength = tile.weight * term.strength
                np.testing.assert_allclose(jnp.sum(inhibition[..., 0]), strength, atol=FLOAT32_ROUNDING)
                total = total - inhibition
            np.testing.assert_allclose(draw_tile(family, tile, sources, size), total, atol=FLOAT32_ROUNDING)


def test_every_member_of_the_handbuilt_circuit_is_excited_alike(handbuilt_kernels):
    for name, kernel in handbuilt_kernels.items():
        excitation = np.asarray(jnp.sum(jnp.maximum(kernel, 0), (0, 1, 2)))
        assert np.ptp(excitation) < GRID * excitation.mean(), name


def test_a_union_over_angles_is_the_mean_of_all():
    energy = Family("energy", Union((EDGES, BARS), over_angles=True), angles=1)
    kernel = np.asarray(draw(Circuit("c", [EDGES, BARS, energy]))["energy"])
    np.testing.assert_array_equal(kernel, np.full((1, 1, 12, 1), 1 / 12, np.float32))


def test_a_whole_circle_of_an_arc_has_no_notch_where_its_ends_meet():
    def ring(length: float) -> np.ndarray:
        tile = Tile(EDGES, Arc(radius=6, length=length), tolerance=25)
        kernel = draw_tile(Family("ring", tile, angles=4), tile, [EDGES], 35)[:, :, :, 0].sum(-1)
        return np.asarray(kernel)[17]  # the row through the apex, at 17, and the point opposite, 12 pixels to the left

    whole, gaping = ring(12 * np.pi), ring(10 * np.pi)
    np.testing.assert_allclose(whole[5], whole[17], rtol=GRID)
    assert gaping[5] < 0.5 * gaping[17]


def test_a_turned_tile_is_that_of_another_member():
    tile = Tile(LINES, Arc(radius=4, length=5), tolerance=30) - Crossing(0.5)
    straight, turned = (
        draw_tile(Family("a", each, angles=8, size=9), each, [LINES], 9)
        for each in (tile, dataclasses.replace(tile, turned=90.0, weight=0.5))
    )
    # The first member of the turned one is the third of the other: turned by two steps of 45 degrees.
    np.testing.assert_allclose(turned, 0.5 * jnp.roll(straight, -2, axis=3), atol=FLOAT32_ROUNDING)
    assert float(jnp.abs(turned - 0.5 * straight).max()) > 0.1 * float(straight.max())


@pytest.fixture(scope="module")
def handbuilt_kernels():
    return {name: conv.kernel[...] for name, conv in build(curves.SPEC).layers.items()}


def border(kernel: jax.Array) -> float:
    """Returns the largest weight on the outermost pixels, as a share of the largest of all."""
    size = np.abs(np.asarray(kernel))
    edge = np.concatenate([size[[0, -1]].ravel(), size[:, [0, -1]].ravel()])
    return float(edge.max() / size.max())


def test_kernels_fade_out_before_their_border(handbuilt_kernels):
    for name, kernel in handbuilt_kernels.items():
        if kernel.shape[0] > 1:
            assert border(kernel) < 0.04, name


def test_a_kernel_that_is_too_small_does_not_fade_out():
    gabor = Gabor(wavelength=7, sigma=2.8)
    assert border(draw_gabors(Family("g", gabor, angles=4, size=7), gabor, 7)) > 0.2


def test_no_two_neighbouring_pixels_of_a_kernel_differ_much(handbuilt_kernels):
    # The envelope falls over spreads of 1.3 pixels and more: the steepest step of a Gaussian is 0.61 / 1.3.
    for name in ("lines", "early_curves", "curves"):
        kernel = np.asarray(handbuilt_kernels[name])
        steps = max(np.abs(np.diff(kernel, axis=axis)).max() for axis in (0, 1))
        assert steps < 0.61 / 1.3 * np.ptp(kernel), name
