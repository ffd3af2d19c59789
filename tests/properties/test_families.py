"""Families under more than turns: hues, scales, both hands. Each is an orbit, and each law has a twin that breaks it.

Turns of the hue circle are exact at any angle that permutes a family, because no pixel notices them. Changes of scale
are exact for the formula, and so for the weights where the grid of a kernel holds that of a smaller one; sampled, they
leave an error, which is measured.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from circuitkit import from_json, reference, strategies, to_json, turned
from circuitkit.build import build
from circuitkit.errors import EquivarianceError, SpecError
from circuitkit.kernels import IMAGE, kernel_size
from circuitkit.network import CircuitNetwork
from circuitkit.probe import HandbuiltNet
from circuitkit.spec import (
    Arc,
    Away,
    Circle,
    Circuit,
    Crossing,
    Family,
    Flank,
    Gabor,
    HueFlank,
    Line,
    Pose,
    Reversed,
    Rival,
    Spiral,
    Spot,
    Tile,
    Union,
)
from circuitkit.symmetry import GONE, Motion, dihedral, hues
from handbuilt import scales
from tests.strategies import FLOAT32_ROUNDING, added_up, awake, drawn, lattice_motions, noise, unchecked

FLOAT32_FORMULA = 2e-5
"""Of the reference: see tests/properties/test_reference.py."""

FLOAT32_WEIGHTS = 3e-6
"""Of weights: see tests/properties/test_equivariance.py."""

NOTICED = 1e-3
"""What a mistake changes at least, as a share of the response."""

SOME = settings(max_examples=4)  # each is compiled anew


def errors(network: CircuitNetwork, image: jax.Array, motion: Motion) -> dict[str, float]:
    """Returns each layer's error as a share of what was added up."""
    before, after = network(image), network(motion.of_images(image))
    assume(awake(before.layers))
    sums = added_up(network, image)
    return {
        name: float(jnp.linalg.norm(after[name] - motion.of_maps(before[name], network.circuit[name]))) / sums[name]
        for name in before
    }


@SOME
@given(
    circuit=drawn(strategies.coloured_specs()),
    seed=st.integers(0, 99),
    motion=lattice_motions(),
    step=st.integers(0, 3),
)
def test_turns_of_image_and_hue_permute_the_units(circuit: Circuit, seed: int, motion: Motion, step: int) -> None:
    motion = dataclasses.replace(motion, hue=90.0 * step)
    for name, error in errors(build(circuit), noise(seed, 12, channels=3), motion).items():
        assert error <= FLOAT32_ROUNDING, name


@SOME
@given(circuit=drawn(strategies.two_handed_specs()), seed=st.integers(0, 99), motion=lattice_motions())
def test_mirrors_exchange_the_hands(circuit: Circuit, seed: int, motion: Motion) -> None:
    for name, error in errors(build(circuit), noise(seed, 16), motion).items():
        assert error <= FLOAT32_ROUNDING, name


@settings(max_examples=4)
@given(circuit=drawn(strategies.scaled_specs()), seed=st.integers(0, 99), motion=lattice_motions())
def test_at_all_scales_units_turn_with_the_image(circuit: Circuit, seed: int, motion: Motion) -> None:
    for name, error in errors(build(circuit), noise(seed, 16), motion).items():
        assert error <= FLOAT32_ROUNDING, name


@SOME
@given(circuit=drawn(strategies.coloured_specs()), step=st.integers(1, 3), turn=st.sampled_from([0.0, 90.0, 180.0]))
def test_a_weight_depends_on_the_relative_hue_alone(circuit: Circuit, step: int, turn: float) -> None:
    """W[a -> b] = W[T a -> T b], on the weights themselves."""
    motion, network = Motion(turn, hue=90.0 * step), build(circuit)
    for family in circuit.families:
        layout, kernel = network.layers[family.name].layout, network.layers[family.name].kernel[...]
        blocks = []
        for source in layout.sources:
            block = kernel[:, :, layout.channels(source)]
            if source != IMAGE:
                block = block[:, :, motion.of_units(circuit[source])]
            blocks.append(block[..., motion.of_units(family)])
        carried = jnp.moveaxis(jnp.concatenate(blocks, axis=2), -1, 0)
        # Pixels are moved back, and so are the colours of what looks at the image.
        back = motion.inverse()
        moved = back.of_images(carried) if layout.sources == (IMAGE,) else Motion(back.turn).of_images(carried)
        np.testing.assert_allclose(
            jnp.moveaxis(moved, 0, -1), kernel, atol=FLOAT32_WEIGHTS * float(jnp.abs(kernel).max())
        )


@settings(max_examples=4)
@given(circuit=drawn(strategies.scaled_specs((1.0, 2.0))))
def test_a_weight_depends_on_the_relative_scale_alone(circuit: Circuit) -> None:
    """Every other weight at twice the scale is a fourth of one at the single scale, half as far from the middle."""
    network = build(circuit)
    for name in ("lines", "arcs"):
        layout, kernel = network.layers[name].layout, np.asarray(network.layers[name].kernel[...])
        sources = layout.shape[2] // 2
        small, large = (
            kernel[:, :, index * sources : (index + 1) * sources, index * 4 : (index + 1) * 4] for index in (0, 1)
        )
        middle = layout.shape[0] // 2
        inner = slice(middle - middle // 2, middle + middle // 2 + 1)
        coarse = large[middle % 2 :: 2, middle % 2 :: 2]
        np.testing.assert_allclose(4 * coarse, small[inner, inner], atol=FLOAT32_FORMULA * np.abs(small).max())
        assert np.abs(large - small).max() > 0.1 * np.abs(small).max()


@functools.cache
def scaled_net(*, shared: bool) -> HandbuiltNet:
    few = {"radius": 6.0, "scales": (1.0, 1.5)}
    return HandbuiltNet(build(scales.radii(**few) if shared else scales.circuit(**few)))


def test_magnified_images_excite_the_units_of_the_next_scale() -> None:
    group = [Motion(scale=1.5), Motion(scale=1.5, turn=45)]
    for layer, at_most in (("edges", 0.01), ("lines", 0.05), ("curves", 0.1)):
        found = turned.equivariance_error(scaled_net(shared=False)[layer], group, images=16, bands=(0.125,))
        assert float(found.error.max()) <= at_most, layer
        # The smallest are carried to the largest, and what these would be carried to does not exist.
        large = [name.endswith("x1.5") for name in found.units.unit.values]
        assert np.array_equal(np.isnan(found.units.values).any((0, 1)), np.logical_not(large))
    shared = turned.equivariance_error(scaled_net(shared=True)["curves"], group, images=16, bands=(0.125,))
    assert float(shared.error.min()) > 0.3  # lines of one scale do not follow


def test_a_change_of_scale_has_no_tolerance_of_its_own_and_needs_scales() -> None:
    net = scaled_net(shared=False)
    with pytest.raises(SpecError, match="scale by 1.5 carries no pixel grid onto itself.*say how much is allowed"):
        turned.assert_equivariant(net["edges"], [Motion(scale=1.5)])
    turned.assert_equivariant(net["edges"], [Motion(scale=1.5)], at_most=0.05, bands=(0.125,))
    with pytest.raises(SpecError, match=r"has no units 3 times as large as its own, which are at scales \(1.0, 1.5\)"):
        turned.equivariance_error(net["edges"], [Motion(scale=3.0)])
    with pytest.raises(
        SpecError, match="waves of 0.4 cycles a pixel finer than pixels can hold: give bands of at most"
    ):
        turned.equivariance_error(net["edges"], [Motion(scale=1 / 1.5)], bands=(0.4,))


# Hues, in any net.


def coloured() -> Circuit:
    edges = Family("edges", Gabor(wavelength=5, sigma=1.75, hue=20), angles=4, hues=6, size=7)
    lines = Family("lines", Tile(edges, Line(length=3), tolerance=30, hue_tolerance=40), angles=4, hues=6, size=5)
    return Circuit("coloured", [edges, lines])


def test_the_tester_turns_hues_too() -> None:
    net = HandbuiltNet(build(coloured()))
    group = [*hues(6), Motion(90, hue=60), Motion(0, mirror=True, hue=180)]
    found = turned.assert_equivariant(net["lines"], group, images=8)
    assert list(found.units.motion.values[[0, -1]]) == ["hue by 60°", "mirror, hue by 180°"]
    assert float(found.floor.image.sel(motion="hue by 60°").max()) < 1e-6  # nothing lies between pixels

    def spoiled(weight: object) -> jax.Array:
        return weight.value[:, :, ::-1] if weight.name == "edges" else weight.value  # red and blue exchanged

    with pytest.raises(EquivarianceError, match="hue by"):
        turned.assert_equivariant(net.with_weights(spoiled, name="spoiled")["lines"], hues(6), images=8)


def test_grey_nets_do_not_notice_hues_and_nets_of_one_channel_do() -> None:
    edges = Family("edges", Gabor(wavelength=5, sigma=1.75), angles=4, size=7)
    turned.assert_equivariant(HandbuiltNet(build(Circuit("grey", [edges])))["edges"], hues(7), images=8)
    red = Family("red", Gabor(wavelength=5, sigma=1.75, hue=0), angles=4, size=7)
    net = HandbuiltNet(build(Circuit("red", [red])))
    with pytest.raises(SpecError, match="has no unit at 0 degrees in the hue of 60 degrees, where red@0 is carried"):
        turned.equivariance_error(net["red"], hues(6))
    with pytest.raises(EquivarianceError):
        turned.assert_equivariant(net["red"], hues(6), moves="invariant", images=8)


# The group, on units.

KINDS = [
    Family("twisted", Gabor(wavelength=6, sigma=2, hue=0), angles=4, hues=6),
    Family("untwisted", Gabor(wavelength=6, sigma=2, hue=0), angles=8, hues=6, period=360),
    Family("bars", Gabor(wavelength=6, sigma=2, phase=0, hue=30), angles=4, hues=6),
    Family("spots", Spot(sigma=2, hue=0), angles=1, hues=6, period=45),
    Family("spirals", Tile("x", Spiral(radius=9, pitch=30, length=6), tolerance=20), angles=8, mirrored=True),
    Family("lines", Tile("x", Line(length=6), tolerance=20, hue_tolerance=30), angles=4, hues=6, twisted=True),
]


@given(
    family=st.sampled_from(KINDS),
    one=st.builds(Motion, st.sampled_from([0.0, 45.0, 180.0]), st.booleans(), hue=st.sampled_from([0.0, 60.0, 180.0])),
    other=st.builds(Motion, st.sampled_from([90.0, 225.0]), st.booleans(), hue=st.sampled_from([0.0, 120.0])),
)
def test_units_are_carried_by_one_motion_after_the_other(family: Family, one: Motion, other: Motion) -> None:
    assert sorted(one.of_units(family)) == list(range(len(family)))
    np.testing.assert_array_equal((other @ one).of_units(family), other.of_units(family)[one.of_units(family)])
    np.testing.assert_array_equal(one.inverse().of_units(family)[one.of_units(family)], np.arange(len(family)))


def test_half_a_turn_is_half_a_turn_of_hue_in_a_twisted_family() -> None:
    turn, hue = Motion(180), Motion(hue=180)
    for family in KINDS:
        alike = np.array_equal(turn.of_units(family), hue.of_units(family))
        assert alike == (family.name in ("twisted", "lines")), family.name
    np.testing.assert_array_equal((turn @ hue).of_units(KINDS[0]), np.arange(24))


def test_scales_end() -> None:
    family = Family("edges", Gabor(wavelength=6, sigma=2), angles=4, scales=(1, 2, 4))
    np.testing.assert_array_equal(Motion(scale=2).of_units(family)[::4], [4, 8, GONE])
    np.testing.assert_array_equal(Motion(90, scale=0.25).of_units(family)[[0, 8, 11]], [GONE, 1, 0])
    with pytest.raises(SpecError, match="images cannot be magnified 2 times without interpolation"):
        Motion(scale=2).of_images(noise(0, 5))


@given(a=st.integers(0, 359).map(float), b=st.integers(0, 359).map(float))
def test_hues_of_images_are_carried_one_after_the_other(a: float, b: float) -> None:
    image, grey = noise(0, 4, channels=3), noise(1, 4)
    np.testing.assert_allclose(
        (Motion(hue=a) @ Motion(hue=b)).of_images(image),
        Motion(hue=a).of_images(Motion(hue=b).of_images(image)),
        atol=1e-5,
    )
    same = Motion(hue=a).of_images(image)
    np.testing.assert_allclose(jnp.mean(same, -1), jnp.mean(image, -1), atol=1e-6)  # lightness, and chroma
    np.testing.assert_allclose(jnp.linalg.norm(same, axis=-1), jnp.linalg.norm(image, axis=-1), rtol=1e-5)
    np.testing.assert_array_equal(Motion(hue=a).of_images(grey), grey)
    np.testing.assert_allclose(Motion(hue=120).of_images(image), jnp.roll(image, 1, axis=-1), atol=1e-6)


# What is written is what is meant: the reference, the text, the gradient.

EDGES = Family("edges", Gabor(wavelength=5, sigma=1.75, hue=20), angles=2, hues=4, size=5)
ODD = Family("odd", Gabor(wavelength=4, sigma=1.5, phase=30, hue=0), angles=4, hues=4, size=5)
SPOTS = Family("spots", Spot(sigma=1, hue=50), angles=1, hues=4, size=5)
GREY = Family("grey", Spot(sigma=1), angles=1, scales=(1, 1.25), size=5)
CONTRASTS = Family(
    "contrasts",
    Tile(EDGES, Line(length=3), tolerance=40, hue_tolerance=45, hue=10) - Crossing(0.3) - HueFlank(0.3, 80),
    angles=2,
    hues=4,
    size=5,
)
CURVES = Family(
    "curves",
    Tile(CONTRASTS, Arc(radius=4, length=5), tolerance=40, hue_tolerance=50) - Flank(0.3, 1.5)
    + Tile(SPOTS, Line(length=4), hue_tolerance=60, turned=35),
    angles=4, hues=4, scales=(1, 1.5), size=5,
)  # fmt: skip
DISCS = Family(
    "discs",
    Tile((EDGES, ODD), Circle(radius=2), tolerance=40, hue_tolerance=40) - Reversed(0.3),
    angles=1,
    hues=4,
    size=5,
)
SCALED = Family(
    "scaled",
    Tile(CURVES, Line(length=3), tolerance=50, scale_tolerance=0.6),
    angles=4,
    period=360,
    scales=(1, 1.5),
    size=5,
)
SPIRALS = Family(
    "spirals", Tile(CONTRASTS, Spiral(radius=6, pitch=30, length=5), tolerance=30), angles=4, mirrored=True, size=5
)
ROWS = Family(
    "rows", Tile(SPIRALS, Line(length=4), tolerance=50) + Tile(GREY, Line(length=3), scale_tolerance=0.2, turned=20),
    angles=4, period=360, mirrored=True, size=5,
)  # fmt: skip
UNITED = Family("united", Union((CURVES, SPIRALS), over_angles=True), angles=1)
SIDES = Family(
    "sides",
    Tile(SPIRALS, Away(shape=Line(length=2), x=1.5, y=-0.5), tolerance=60, spread=1) - Rival(0.4)
    + Tile(UNITED, Away(shape=Circle(radius=1), x=-1, y=1), spread=0.8) - Rival(0.5),
    angles=1, mirrored=True, size=7, threshold=0.01,
)  # fmt: skip
TURNED = Family(
    "turned", Tile(UNITED, Away(shape=Line(length=2), x=2), spread=0.8, turned=20) - Rival(0.6), angles=4, size=7
)
EACH = Circuit(
    "each", [EDGES, ODD, SPOTS, GREY, CONTRASTS, CURVES, DISCS, SCALED, SPIRALS, ROWS, UNITED, SIDES, TURNED]
)
LOOK = noise(3, 9, channels=3)


def slow(circuit: Circuit, image: jax.Array) -> dict[str, np.ndarray]:
    sizes = {family.name: kernel_size(family) for family in circuit.families}
    with unchecked():
        maps = reference.respond(circuit, np.asarray(image[0], np.float64), sizes)
    return {name: np.moveaxis(layer, 0, -1) for name, layer in maps.items()}


@pytest.fixture(scope="module")
def meant() -> dict[str, np.ndarray]:
    return slow(EACH, LOOK)


def share(circuit: Circuit, meant: dict[str, np.ndarray]) -> dict[str, float]:
    found = build(circuit)(LOOK)
    return {name: float(np.abs(np.asarray(found[name][0]) - meant[name]).max() / meant[name].max()) for name in meant}


def test_one_of_each_agrees_with_the_reference(meant: dict[str, np.ndarray]) -> None:
    assert all(layer.max() > 0.003 for layer in meant.values())
    assert max(share(EACH, meant).values()) < FLOAT32_FORMULA


LEAVES, TREE = jax.tree.flatten(EACH)
PATHS = [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(EACH)]


@pytest.mark.parametrize(
    "index", [i for i, path in enumerate(PATHS) if any(part in path for part in ("hue_tol", "scale_tol", "surround"))]
)
def test_a_tolerance_that_is_changed_on_one_side_is_noticed(meant: dict[str, np.ndarray], index: int) -> None:
    changed = jax.tree.unflatten(TREE, [leaf * (1.1 if at == index else 1) for at, leaf in enumerate(LEAVES)])
    assert max(share(changed, meant).values()) > NOTICED


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("edges", {"looks_for": dataclasses.replace(EDGES.looks_for, hue=30.0)}),
        ("contrasts", {"looks_for": dataclasses.replace(CONTRASTS.looks_for, hue=20.0)}),
        ("curves", {"scales": (1, 1.6)}),
        ("spirals", {"looks_for": dataclasses.replace(SPIRALS.looks_for, along=Spiral(radius=6, pitch=-30, length=5))}),
    ],
)
def test_a_hue_a_scale_and_a_hand_that_are_changed_are_noticed(
    meant: dict[str, np.ndarray], name: str, change: dict
) -> None:
    families = [dataclasses.replace(f, **change) if f.name == name else f for f in EACH.families]
    assert share(Circuit("each", families), meant)[name] > NOTICED


@settings(max_examples=3)
@given(circuit=drawn(st.one_of(strategies.coloured_specs(), strategies.scaled_specs(), strategies.two_handed_specs())))
def test_texts_and_trees_come_back(circuit: Circuit) -> None:
    assert from_json(to_json(circuit)) == circuit
    leaves, structure = jax.tree.flatten(circuit)
    assert jax.tree.unflatten(structure, leaves) == circuit
    assert len({name for family in circuit.families for name in family.unit_names}) == sum(map(len, circuit.families))


def test_gradients_reach_every_number() -> None:
    @jax.jit
    @jax.grad
    def slope(circuit: Circuit) -> jax.Array:
        maps = build(circuit, like=EACH)(LOOK)
        return sum(jnp.sum(maps[name] ** 2) for name in maps)

    slopes = dict(zip(PATHS, jax.tree.leaves(slope(EACH)), strict=True))
    assert all(np.isfinite(float(value)) for value in slopes.values())
    assert [path for path, value in slopes.items() if float(value) == 0] == []


# Pathways: parts at their places, one for each hand, and what speaks for one speaks against the other.


def pathways(rivalry: float = 0.8, aside: float = 3.0) -> Circuit:
    edges = Family("edges", Gabor(wavelength=5, sigma=1.5), angles=8, size=7)
    spots = Family("spots", Spot(sigma=1), angles=1, size=7)
    part = Tile(edges, Line(length=3), tolerance=30, turned=30)
    inhibited = [Rival(rivalry)] if rivalry else []
    tips = Family(
        "tips", functools.reduce(lambda tile, term: tile - term, inhibited, part), angles=1, period=360, mirrored=True
    )
    whole = Tile(tips, Away(shape=Line(length=1), x=aside), tolerance=40) + Tile(
        spots, Away(shape=Line(length=1), x=-2, y=2)
    )
    heads = Family(
        "heads", functools.reduce(lambda tile, term: tile - term, inhibited, whole), angles=1, mirrored=True, size=13
    )
    return Circuit("pathways", [edges, spots, tips, heads, Family("head", Union(heads, over_angles=True), angles=1)])


@SOME
@given(
    rivalry=strategies.numbers(0.0625, 1),
    aside=strategies.numbers(-4, 4),
    seed=st.integers(0, 99),
    depth=st.sampled_from(["tips", "heads", "head"]),
)
def test_pathways_are_mirror_images_and_their_union_is_its_own(rivalry, aside, seed, depth) -> None:
    network, flip = build(pathways(rivalry, aside)), Motion(180, mirror=True)  # left to right
    image = noise(seed, 20)
    found = errors(network, image, flip)
    assert found[depth] <= FLOAT32_ROUNDING
    if depth != "head":
        assert list(flip.of_units(network.circuit[depth])) == [1, 0]
        maps = network(image)[depth]
        apart = jnp.linalg.norm(maps[..., 0] - maps[..., 1]) / jnp.linalg.norm(maps)
        assert float(apart) > 0.02  # two units, and not one twice


def test_a_rival_takes_away_what_excites_the_other() -> None:
    free, rival = (build(pathways(rivalry)).layers["tips"].kernel[...] for rivalry in (0.0, 0.5))
    np.testing.assert_allclose(rival, free - 0.5 * free[..., ::-1], atol=1e-6 * float(jnp.abs(free).max()))
    # Of four, what excites the other three together, as much in all as a share says.
    edges = Family("edges", GABOR, angles=8, size=7)
    arcs = [Family("arcs", tile, angles=4, size=9) for tile in (ARC, ARC - Rival(0.5))]
    free, rival = (build(Circuit("c", [edges, family])).layers["arcs"].kernel[...] for family in arcs)
    others = jnp.sum(free, -1, keepdims=True) - free
    np.testing.assert_allclose(rival, free - 0.5 * others / jnp.sum(others[..., 0]), atol=1e-6)


def test_what_stands_upright_is_mirrored_left_to_right() -> None:
    heads = pathways()["heads"]
    assert heads.unit_names == ("heads@0", "heads@180-mirrored")
    with pytest.raises(SpecError, match="has no unit at"):
        Motion(mirror=True).of_units(heads)  # upside down
    found = from_json(to_json(pathways()))
    assert found == pathways()


# What cannot be meant is refused.

GABOR = Gabor(wavelength=6, sigma=2)
ARC = Tile("edges", Arc(radius=4, length=6), tolerance=30)
DOTTED = Family("dotted", Tile(SPOTS, Line(length=3), hue_tolerance=30), angles=2, hues=4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Family("f", GABOR, angles=4, hues=6), "every hue is alike to its template"),
        (lambda: Family("f", dataclasses.replace(GABOR, hue=0), angles=4, hues=7), "hues=7, which does not divide 360"),
        (lambda: Family("f", GABOR, angles=4, hues=0), "hues=0: wanted a whole number"),
        (lambda: Family("f", GABOR, angles=4, scales=(2, 1)), "each larger than the one before"),
        (lambda: Family("f", GABOR, angles=4, scales=()), "wanted at least one number above 0"),
        (lambda: Family("f", GABOR, angles=4, scales=(0.0, 1.0)), "wanted at least one number above 0"),
        (lambda: Family("f", GABOR, angles=4, scales=(float("nan"),)), "wanted at least one number above 0"),
        (lambda: Family("f", GABOR, angles=4, twisted=True), "is said to be twisted: wanted a Gabor with a hue"),
        (lambda: Spot(sigma=2, surround=1), "surround=1: wanted a finite number above 1"),
        (lambda: Gabor(wavelength=6, sigma=2, hue=float("nan")), "hue=nan: wanted a finite number"),
        (lambda: Family("s", Spot(sigma=2), angles=4), "every turn brings its template back"),
        (lambda: Tile("f", Line(length=3), 20, hue=30), "speaks of a hue without saying how far one may be from it"),
        (lambda: Tile("f", Line(length=3), 20) - HueFlank(0.5, 60), "speaks of a hue without saying how far"),
        (lambda: Tile("f", Line(length=3), 20, hue_tolerance=0), "hue_tolerance=0: wanted a finite number"),
        (
            lambda: Circuit("c", [Family("f", GABOR, angles=4, mirrored=True)]),
            "has mirrored=True, but its template is its own mirror image",
        ),
        (
            lambda: Circuit("c", [GREY, Family("g", Tile(GREY, Line(length=3), hue_tolerance=30), angles=4)]),
            "lays 'grey' along its shape with a hue_tolerance, but its units have no hue",
        ),
        (
            lambda: Circuit("c", [SPOTS, Family("g", Tile(SPOTS, Line(length=3), scale_tolerance=1), angles=4)]),
            "with a scale_tolerance, but its units are all at one scale",
        ),
        (
            lambda: Circuit("c", [SPOTS, Family("r", Tile(SPOTS, Circle(radius=3)) - Rival(1), angles=1)]),
            "subtracts a Rival, but has one member",
        ),
        (lambda: Away(shape="Line"), "wanted a shape, such as Line"),
        (lambda: Away(shape=Line(length=2), x=float("nan")), "x=nan: wanted a finite number"),
        (
            lambda: Circuit("c", [EDGES, Family("u", Union(EDGES), angles=2, scales=(1, 2))]),
            "has scales=(1.0, 2.0), but unites 'edges', which has scales=(1.0,)",
        ),
        (
            lambda: Circuit("c", [SPOTS, dataclasses.replace(DOTTED, twisted=True)]),
            "is said to be twisted, but half a turn does more to its template",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(make: object, message: str) -> None:
    with unchecked(), pytest.raises(SpecError) as refused:
        make()
    assert message in str(refused.value)


def test_a_pose_is_found_or_not() -> None:
    family = KINDS[0]
    assert (
        family.index(Pose(225.0, 60.0))
        == family.index(Pose(45.0, 240.0))
        == family.unit_names.index("twisted@45-hue240")
    )
    assert family.index(Pose(10.0)) is None
    assert family.index(Pose(0.0, scale=2.0)) is None
    assert len(dihedral(8)) == len(KINDS[4]) == 16  # spirals: one for each element of D_8
