"""The network computes what the spec means: the same responses as plain loops in float64, by other formulas."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from circuitkit import reference, reference_paths
from circuitkit.build import build
from circuitkit.kernels import lay_out
from circuitkit.spec import (
    Arc,
    Beside,
    Circle,
    Circuit,
    Corner,
    Crossing,
    Family,
    Flank,
    Gabor,
    Line,
    OppositeArc,
    Reversed,
    Spiral,
    Tile,
    Union,
)
from tests.strategies import SMALL_PLANS, STRIDED_PLANS, added_up, circuits, images, noise, unchecked

FLOAT32_ROUNDING = 2e-5
"""Share of a layer's largest response. Weights are rounded to 6e-8 of the largest, once; but angles in degrees and
turned coordinates lose a digit or two before the exponentials of bell and envelope see them, and layers add up."""

NOTICED = 1e-3
"""What a mistake has to change at least, as the same share, to count as noticed here: fifty times the rounding."""


def slow(circuit: Circuit, image: jax.Array) -> dict[str, np.ndarray]:
    """Returns what the reference says: (row, column, unit) by family."""
    layouts = lay_out(circuit)
    sizes = {name: layout.shape[0] for name, layout in layouts.items()}
    windows = {name: layout.window for name, layout in layouts.items()}
    with unchecked():
        maps = reference.respond(circuit, np.asarray(image[0], np.float64), sizes, windows)
    return {name: np.moveaxis(layer, 0, -1) for name, layer in maps.items()}


@given(circuit=circuits((*SMALL_PLANS, *STRIDED_PLANS)), image=images(sizes=(9,)))
def test_the_network_computes_what_the_spec_means(circuit, image):
    network = build(circuit)
    found, wanted = network(image), slow(circuit, image)
    assume(all(layer.max() > 0 for layer in wanted.values()))
    sums = added_up(network, image)
    for name, layer in wanted.items():
        # Where inhibition takes away nearly everything, what was added up is the measure: see `added_up`.
        scale = max(layer.max(), sums[name] / np.sqrt(layer.size))
        np.testing.assert_allclose(found[name][0], layer, rtol=0, atol=FLOAT32_ROUNDING * scale)


@given(
    gabor=st.builds(
        Gabor,
        wavelength=st.floats(3, 8, width=32),
        sigma=st.floats(1, 2.5, width=32),
        phase=st.sampled_from([0.0, 90.0, 180.0, 270.0, 37.5]),
    ),
    angles=st.sampled_from([3, 8, 24]),
)
def test_a_gabor_is_drawn_as_it_is_meant(gabor, angles):
    family = Family("g", gabor, angles=angles, size=9)
    drawn = build(Circuit("c", [family])).layers["g"].kernel[...]
    with unchecked():
        meant = np.stack(reference.image_weights(family, 4), axis=-1)[:, :, 0]
    np.testing.assert_allclose(drawn[:, :, 0], meant, atol=FLOAT32_ROUNDING * np.abs(meant).max())


# One of everything, for what follows: each mistake is a number or a part changed on one side only.

EDGES = Family("edges", Gabor(wavelength=5, sigma=1.75), angles=4, size=5)
BARS = Family("bars", Gabor(wavelength=4.5, sigma=1.5, phase=180), angles=2, size=5)
CONTOURS = Family("contours", Union((EDGES, BARS)), angles=2)
LINES = Family("lines", Tile(CONTOURS, Line(length=3), tolerance=40) - Crossing(0.3) - Flank(0.4, 2), angles=4, size=5)
ARCS = Family(
    "arcs",
    Tile(LINES, Arc(radius=4, length=5), tolerance=30, spread=1) - Crossing(0.3) - OppositeArc(0.3)
    + Tile((EDGES, BARS), Line(length=2), tolerance=35),
    angles=4,
    size=5,
)  # fmt: skip
CURVES = Family(
    "curves",
    Tile(ARCS, Arc(radius=4, length=6), tolerance=50) - OppositeArc(0.4),
    angles=4,
    size=5,
    threshold=0.02,
)
ROWS = Family("rows", Tile(ARCS, Line(length=3), tolerance=50) - OppositeArc(0.4), angles=4, period=360, size=5)
CORNERS = Family("corners", Tile(LINES, Corner(opening=100, length=6, rounding=1.5), tolerance=30), angles=4, size=5)
SPIRALS = Family("spirals", Tile(LINES, Spiral(radius=5, pitch=50, length=7), tolerance=25), angles=4, size=5)
RING = Family(
    "ring", Tile(ARCS, Circle(radius=2), tolerance=50, spread=0.8) - Crossing(0.2) - Reversed(0.4), angles=1, size=5
)
MIXTURE = Family(
    "mixture",
    Tile(ARCS, Arc(radius=3, length=7), tolerance=40)
    + Tile(LINES, Line(length=2.5), tolerance=30, spread=1, turned=65, weight=1.5),
    angles=4,
    size=5,
)  # fmt: skip
ENERGY = Family("energy", Union((LINES, ARCS), over_angles=True), angles=1)
EVOLUTE = Family("evolute", Tile(ARCS, Circle(radius=2, inwards=True), tolerance=50, spread=0.8), angles=1, size=5)
SIDES = Family(
    "sides",
    Tile(ENERGY, Beside(distance=1.5, length=2), spread=1) - OppositeArc(0.8)
    + Tile(ENERGY, Beside(distance=1, length=2), spread=0.7, turned=90) - Flank(0.3, 1.0),
    angles=4,
    size=5,
)  # fmt: skip
NEW = [CORNERS, SPIRALS, RING, MIXTURE, ENERGY, EVOLUTE, SIDES]
ONE_OF_EACH = Circuit("each", [EDGES, BARS, CONTOURS, LINES, ARCS, CURVES, *NEW, ROWS])
IMAGE = noise(3, 11)


@pytest.fixture(scope="module")
def meant() -> dict[str, np.ndarray]:
    return slow(ONE_OF_EACH, IMAGE)


def share(found: dict[str, np.ndarray], meant: dict[str, np.ndarray]) -> dict[str, float]:
    return {name: float(np.abs(np.asarray(found[name]) - meant[name]).max() / meant[name].max()) for name in meant}


def built(circuit: Circuit, image: jax.Array = IMAGE) -> dict[str, np.ndarray]:
    maps = build(circuit)(image)
    return {name: np.asarray(maps[name][0]) for name in maps}


def test_one_of_each_agrees(meant):
    assert all(layer.max() > 0.01 for layer in meant.values())
    assert max(share(built(ONE_OF_EACH), meant).values()) < FLOAT32_ROUNDING


LEAVES, TREE = jax.tree.flatten(ONE_OF_EACH)
PATHS = [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(ONE_OF_EACH)]


@pytest.mark.parametrize("index", range(len(LEAVES)), ids=PATHS)
def test_every_number_that_is_changed_on_one_side_is_noticed(meant, index):
    changed = jax.tree.unflatten(TREE, [leaf * (1.05 if at == index else 1) for at, leaf in enumerate(LEAVES)])
    assert max(share(built(changed), meant).values()) > NOTICED


def test_all_layers_below_a_change_still_agree(meant):
    last = PATHS.index(f".families[{len(ONE_OF_EACH.families) - 1}].looks_for.minus[0].strength")  # of the rows
    changed = jax.tree.unflatten(TREE, [2 * leaf if at == last else leaf for at, leaf in enumerate(LEAVES)])
    found = share(built(changed), meant)
    assert found.pop("rows") > NOTICED
    assert max(found.values()) < FLOAT32_ROUNDING


@pytest.mark.parametrize("kind", [Crossing, OppositeArc, Flank, Reversed])
def test_an_inhibition_left_out_is_noticed(meant, kind):
    assert max(share(built(ONE_OF_EACH.without(kind)), meant).values()) > 10 * NOTICED


def test_an_inhibition_of_the_wrong_sign_is_noticed(meant):
    network = build(ONE_OF_EACH)
    kernels = {name: conv.kernel[...] for name, conv in network.layers.items()}
    flipped = build(ONE_OF_EACH, kernels=kernels | {"lines": jnp.abs(kernels["lines"])})(IMAGE)
    assert share({name: flipped[name][0] for name in flipped}, meant)["lines"] > 10 * NOTICED


@pytest.mark.parametrize("phase", [0.0, 90.0])
def test_the_other_polarity_is_noticed(phase):
    one, other = (
        Circuit("c", [Family("g", Gabor(wavelength=5, sigma=1.75, phase=phase + reversed_by), angles=4, size=5)])
        for reversed_by in (0, 180)
    )
    assert share(built(one), slow(one, IMAGE))["g"] < FLOAT32_ROUNDING
    assert share(built(other), slow(one, IMAGE))["g"] > 10 * NOTICED


def test_a_kernel_upside_down_is_noticed(meant):
    upside_down = share(built(ONE_OF_EACH, IMAGE[:, ::-1]), {name: layer[::-1] for name, layer in meant.items()})
    for name in ("edges", "lines", "curves"):  # bars at 0 and 90 degrees are their own mirror images
        assert upside_down[name] > 10 * NOTICED


def test_a_kernel_cut_short_is_noticed(meant):
    short = dataclasses.replace(LINES, size=3)
    families = [short if family is LINES else family for family in ONE_OF_EACH.families]
    assert share(built(Circuit("each", families)), meant)["lines"] > NOTICED


def test_the_reference_does_not_guess_a_shape():
    class Clothoid:
        period = 360.0

    with unchecked(), pytest.raises(TypeError, match="does not know the shape Clothoid"):
        reference_paths.follow(Clothoid(), 1j)


def test_a_tile_turned_on_one_side_only_is_noticed(meant):
    turned = dataclasses.replace(MIXTURE.tiles[1], turned=60.0)
    mixture = dataclasses.replace(MIXTURE, looks_for=MIXTURE.tiles[0] + turned)
    families = [mixture if family is MIXTURE else family for family in [EDGES, BARS, CONTOURS, LINES, ARCS, MIXTURE]]
    wanted = {family.name: meant[family.name] for family in families}
    assert share(built(Circuit("each", families)), wanted)["mixture"] > NOTICED
