"""A family divided by what it responds nearby: the same numbers everywhere, every symmetry, and what contrast does."""

import dataclasses
import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from jaxtyping import Array, Float

import circuitkit as ck
from circuitkit import equivariance, nets, reference, weights, wiring
from circuitkit.build import build
from circuitkit.controls import shuffled, untrained
from circuitkit.errors import EquivarianceError, KernelError, NetError, SpecError, UnknownNameError
from circuitkit.kernels import draw, draw_divisors, lay_out
from circuitkit.network import CircuitNetwork
from circuitkit.probe import HandbuiltNet
from circuitkit.receptive_field import ReceptiveField
from circuitkit.spec import Arc, Circuit, Crossing, Family, Gabor, Line, Normalisation, Spiral, Spot, Tile
from circuitkit.spec_text import from_json, to_json
from circuitkit.surgery import Ablate, operate
from circuitkit.symmetry import Motion, cyclic, dihedral, hues
from handbuilt import curves
from tests.strategies import FLOAT32_ROUNDING, noise, numbers, unchecked

REFERENCE_ROUNDING = 2e-5
"""As in tests/properties/test_reference.py."""

NEARBY = Normalisation(within=1.5, constant=0.1)  # a window of nine pixels


def circuit(normalised: Normalisation | None = NEARBY) -> Circuit:
    edges = Family("edges", Gabor(wavelength=5, sigma=1.75), angles=8, size=5, normalised=normalised)
    lines = Family("lines", Tile(edges, Line(length=3), tolerance=30) - Crossing(0.3), angles=8, size=5)
    lines = dataclasses.replace(lines, normalised=normalised)
    return Circuit("c", [edges, lines, Family("arcs", Tile(lines, Arc(radius=6, length=6), tolerance=30), angles=8)])


def net(normalised: Normalisation | None = NEARBY) -> HandbuiltNet:
    return HandbuiltNet(build(circuit(normalised)))


def meant(spec: Circuit, image: Float[Array, "1 h w channel"]) -> dict[str, np.ndarray]:
    layouts = lay_out(spec)
    sizes = {name: layout.shape[0] for name, layout in layouts.items()}
    windows = {name: layout.window for name, layout in layouts.items()}
    with unchecked():
        maps = reference.respond(spec, np.asarray(image[0], np.float64), sizes, windows)
    return {name: np.moveaxis(layer, 0, -1) for name, layer in maps.items()}


def apart(spec: Circuit, wanted: dict[str, np.ndarray], image: Float[Array, "1 h w channel"]) -> float:
    found = build(spec)(image)
    return max(float(np.abs(found[name][0] - wanted[name]).max() / wanted[name].max()) for name in wanted)


def coloured(by: Normalisation | None = NEARBY) -> Circuit:
    edges = Family("edges", Gabor(wavelength=5, sigma=1.75, hue=20), angles=4, hues=4, size=5, normalised=by)
    spots = Family("spots", Spot(sigma=1, hue=0), angles=1, hues=4, size=5, normalised=by)
    bars = Tile(edges, Line(length=3), tolerance=30, hue_tolerance=40)
    return Circuit("coloured", [edges, spots, Family("bars", bars, angles=4, hues=4, size=5, normalised=by)])


def two_handed(by: Normalisation | None = NEARBY) -> Circuit:
    edges = Family("edges", Gabor(wavelength=4, sigma=1.4), angles=4, scales=(1, 1.5), size=7, normalised=by)
    spirals = Tile(edges, Spiral(radius=6, pitch=40, length=6), tolerance=30)
    return Circuit("hands", [edges, Family("spirals", spirals, angles=4, mirrored=True, size=7, normalised=by)])


@pytest.mark.parametrize(
    ("write", "channels"), [(circuit, 1), (coloured, 3), (two_handed, 1)], ids=["grey", "coloured", "scales and hands"]
)
def test_the_network_divides_as_the_reference_does(write: Callable[..., Circuit], channels: int) -> None:
    image = noise(1, 11, channels=channels)
    wanted = meant(write(), image)
    assert apart(write(), wanted, image) < REFERENCE_ROUNDING
    for wrong in (
        None,
        dataclasses.replace(NEARBY, within=1.6),
        dataclasses.replace(NEARBY, constant=0.105),
    ):
        assert apart(write(wrong), wanted, image) > 100 * REFERENCE_ROUNDING


def contrast_error(write: Callable[[float], Circuit], contrast: float, constant: float = 0.1) -> float:
    """Returns how far a change of contrast is from the opposite change of the constant, of the edges' responses."""
    image = noise(0, 12)
    found, other = build(write(constant))(contrast * image), build(write(constant / contrast))(image)
    return float(jnp.abs(found["edges"] - other["edges"]).max() / found["edges"].max())


def divided(constant: float) -> Circuit:
    return Circuit("c", circuit(Normalisation(within=1.5, constant=constant)).families[:1])


@settings(max_examples=10)
@given(contrast=numbers(0.125, 8), constant=numbers(0.0625, 1))
def test_a_change_of_contrast_is_the_opposite_change_of_the_constant(contrast: float, constant: float) -> None:
    assert contrast_error(divided, contrast, constant) < 1e-5


def test_that_law_fails_without_a_division_and_with_a_threshold() -> None:
    def plain(constant: float) -> Circuit:
        del constant
        return Circuit("c", circuit(None).families[:1])

    def above(constant: float) -> Circuit:
        return Circuit("c", [dataclasses.replace(divided(constant).families[0], threshold=0.2)])

    for broken in (plain, above):
        assert contrast_error(broken, 4.0) > 0.02


def test_responses_saturate_with_contrast_and_never_pass_their_limit() -> None:
    image, edges = noise(0, 16), net().network
    at = [np.asarray(edges(contrast * image)["edges"], float) for contrast in (1, 2, 4, 1e4)]
    awake = at[0] > 1e-3
    growth = [(after[awake] / before[awake]) for before, after in itertools.pairwise(at[:3])]
    assert all((each > 1).all() and (each < 2).all() for each in growth)
    assert growth[1].mean() < growth[0].mean() < 2
    # The limit is the response over the mean response nearby, whatever the contrast.
    plain = np.asarray(net(None).network(image)["edges"], float)
    faint = np.asarray(net(Normalisation(within=1.5, constant=1e3)).network(image)["edges"], float) * 1e3
    np.testing.assert_allclose(faint, plain, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(at[3], np.asarray(edges(2e4 * image)["edges"]), rtol=1e-3, atol=1e-3)
    assert (np.asarray(net(None).network(4 * image)["edges"])[awake] / plain[awake] > 3.99).all()  # without: no limit


def test_what_stands_alone_is_louder_than_one_of_many() -> None:
    alone = jnp.zeros((1, 33, 33, 1)).at[:, :, 17:].set(1.0)
    many = (noise(3, 33) > 0) * 2.0 - 1.0
    many = many.at[:, 12:21].set(alone[:, 12:21])
    wide = net(Normalisation(within=4, constant=0.1))
    middle, without = (
        [float(each.network(image, upto="edges")["edges"][0, 16, 16:18].max()) for image in (alone, many)]
        for each in (wide, net(None))
    )
    assert middle[0] > 1.1 * middle[1]
    assert without[0] == pytest.approx(without[1], rel=0.02)


@pytest.mark.parametrize(
    ("spec", "motions"),
    [(circuit(), dihedral(4)), (coloured(), [*hues(4), *dihedral(4)]), (two_handed(), cyclic(4))],
    ids=["grey", "coloured", "scales and hands"],
)
def test_every_symmetry_stays(spec: Circuit, motions: list[Motion]) -> None:
    ck.assert_equivariant(HandbuiltNet(build(spec))[spec.families[-1].name], motions)


def test_a_lopsided_window_is_noticed() -> None:
    broken = net()
    profile = broken.network.layers["edges"].profile
    profile[...] = jnp.roll(profile[...], 1)
    with pytest.raises(EquivarianceError, match="does not turn with the image"):
        ck.assert_equivariant(broken["edges"], cyclic(4))


def test_a_mean_over_some_members_only_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    mean = jnp.mean
    monkeypatch.setattr(jnp, "mean", lambda maps, **how: mean(maps[..., :3], **how))
    image, network = noise(0, 17), net().network
    before, after = network(image)["edges"], network(Motion(90).of_images(image))["edges"]
    error = equivariance.relative_error(after, Motion(90).of_maps(before, network.circuit["edges"]))
    assert error > 1e4 * FLOAT32_ROUNDING


def test_between_quarter_turns_a_round_window_costs_no_more_than_sampling() -> None:
    wide = [dataclasses.replace(each, normalised=Normalisation(within=4, constant=0.05))
            for each in curves.SPEC.families[:1]]  # fmt: skip
    found = equivariance.turn_errors(build(Circuit("c", wide)), 15.0, band=0.25, count=8)["edges"]
    assert found < 0.02  # measured: see docs/families.md


def test_a_receptive_field_grows_by_the_window_and_no_further() -> None:
    plain, divided = net(None), net()
    for layer, more in (("edges", 8), ("lines", 16), ("arcs", 16)):
        side = plain.receptive_field(layer).size[0] + more
        assert divided.receptive_field(layer) == ReceptiveField((side, side), (1, 1), ((side - 1) / 2,) * 2)
    side = divided.receptive_field("edges").size[0] + 2
    image = noise(0, side)
    seen = np.abs(jax.grad(lambda x: divided.network(x)["edges"][0, side // 2, side // 2].sum())(image))[0, ..., 0]
    assert not seen[[0, -1]].any()
    assert not seen[:, [0, -1]].any()
    assert seen[1].any()
    assert seen[-2].any()


def test_padding_or_not_the_inner_units_say_the_same() -> None:
    network, image = net().network, noise(2, 40)
    whole, inner = network(image)["arcs"], network(image, padding="VALID")["arcs"]
    border = (whole.shape[1] - inner.shape[1]) // 2
    np.testing.assert_allclose(whole[:, border:-border, border:-border], inner, atol=1e-6)
    with pytest.raises(ck.errors.ImageError, match=r"too small for layer 'edges', whose units see 13x13"):
        network(image[:, :12, :12], padding="VALID")


def test_a_crop_gives_the_same_numbers() -> None:
    probe, image = net()["arcs"], noise(2, 48, count=2)
    site = probe.site_in(48, 48)
    (row, column), whole = site.unit, probe.maps(image)
    read = probe.reading(site, images=2, channels=1, rows=(row, row + 1), columns=(column, column + 2))
    part = image[:, slice(*read.rows), slice(*read.columns)]
    assert part.shape[1] == probe.receptive_field.size[0]  # type: ignore[union-attr]
    np.testing.assert_allclose(read(part), whole[:, row : row + 1, column : column + 2], atol=1e-6)


def test_weights_are_those_before_the_division() -> None:
    for source in ("edges", "lines"):
        found, plain = (wiring.expanded(HandbuiltNet(build(circuit(by)))["arcs"], source) for by in (NEARBY, None))
        np.testing.assert_allclose(found, plain, atol=1e-6)
        assert found.y.values.tolist() == plain.y.values.tolist()
    for layer in ("edges", "lines", "arcs"):
        found, plain = (weights.kernels(each[layer]) for each in (net(), net(None)))
        assert found.identical(plain)


def test_other_divisions_are_still_refused() -> None:
    def maps(images: Float[Array, "image h w channel"]) -> dict[str, Float[Array, "image h w channel"]]:
        early = jax.nn.relu(images)
        blurred = jax.lax.reduce_window(early, 0.0, jax.lax.add, (1, 3, 3, 1), (1, 1, 1, 1), "VALID")
        return {"early": early, "late": early[:, 1:-1, 1:-1] / (0.1 + blurred)}

    gate = nets.FunctionNet(maps, name="gate", image_size=(16, 16))
    with pytest.raises(NetError):
        wiring.expanded(gate["late"], "early")


def test_a_net_from_an_inner_layer_on_is_the_net() -> None:
    own, image = net(), noise(0, 40)
    lines = own.maps(image, "lines")
    np.testing.assert_allclose(own.run_from({"lines": lines}, "arcs"), own.maps(image, "arcs"), atol=1e-6)
    cut = operate(own, [Ablate("lines", (2,))])
    np.testing.assert_allclose(
        cut.maps(image, "arcs"), own.run_from({"lines": lines.at[..., 2].set(0.0)}, "arcs"), atol=1e-6
    )  # silenced after the division: the others are still divided by it


def test_the_constant_is_a_weight_and_controls_leave_it() -> None:
    own, image = net(), noise(0, 40)
    asked: dict[str, str] = {}

    def doubled(weight: ck.probe.Weight) -> Float[Array, "..."]:
        asked[weight.name] = weight.role
        return 2 * weight.value if weight.name == "edges constant" else weight.value

    edges = Circuit("c", circuit(Normalisation(within=1.5, constant=0.2)).families[:1])
    changed = own.with_weights(doubled, name="changed").maps(image, "edges")
    np.testing.assert_allclose(changed, HandbuiltNet(build(edges)).maps(image, "edges"), atol=1e-6)
    assert asked["lines constant"] == "constant"
    for control in (shuffled(own, 0), untrained(own, 0)):
        layers = control.network.layers  # type: ignore[attr-defined]
        assert float(layers["edges"].constant[...]) == pytest.approx(0.1)


def test_its_numbers_have_gradients() -> None:
    image, small = noise(0, 13), Circuit("c", circuit().families[:1])

    def response(spec: Circuit) -> Float[Array, ""]:
        return build(spec, like=small)(image)["edges"][0, 6, 6].sum()

    found = jax.grad(response)(small).families[0].normalised
    for field, step in (("within", 1e-2), ("constant", 1e-3)):
        ends = [
            float(response(Circuit("c", [dataclasses.replace(small.families[0], normalised=by)])))
            for by in (dataclasses.replace(NEARBY, **{field: getattr(NEARBY, field) + sign * step}) for sign in (1, -1))
        ]
        assert float(getattr(found, field)) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=0.02)


def test_it_reads_as_a_sentence_and_survives_as_text() -> None:
    spec = circuit()
    assert "edges   8 units, every 45 of 360 degrees, divided by 0.1 plus their mean within 1.5 pixels" in str(spec)
    assert from_json(to_json(spec)) == spec
    assert '"normalised": {\n        "class": "Normalisation",\n        "within": 1.5,' in to_json(spec)
    with pytest.raises(SpecError, match=r"normalised of this spec holds 12: wanted Normalisation or null"):
        from_json(to_json(circuit(None)).replace('"normalised": null', '"normalised": 12'))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Normalisation(within=0, constant=1), "Normalisation has within=0: wanted a finite number of pixels"),
        (lambda: Normalisation(within=2, constant=0), "Normalisation has constant=0: wanted a finite number above 0"),
        (lambda: circuit(12), r"family 'edges' has normalised=12: wanted Normalisation\(within=12, constant=0.1\)"),
    ],
)
def test_what_cannot_be_divided_is_refused(made: Callable[[], object], message: str) -> None:
    with unchecked(), pytest.raises(SpecError, match=message):
        made()


def test_a_network_without_its_divisor_is_refused() -> None:
    spec = Circuit("c", circuit().families[:1])
    layouts = lay_out(spec)
    with pytest.raises(KernelError, match=r"layer 'edges' got a divisor of 0 places, but its spec promises 9"):
        CircuitNetwork(spec, draw(spec, layouts), layouts)
    whole = CircuitNetwork(spec, draw(spec), layouts, divisors=draw_divisors(spec))
    np.testing.assert_allclose(whole(noise(0, 20))["edges"], build(spec)(noise(0, 20))["edges"], atol=1e-5)


def test_the_curves_take_it_by_name_and_stay_as_they_are_without() -> None:
    assert curves.circuit() == curves.SPEC
    divided = curves.circuit(normalised={"contours": NEARBY})
    assert [family.name for family in divided.families if family.normalised is not None] == ["contours"]
    with pytest.raises(UnknownNameError, match="has no family 'contour'. Did you mean 'contours'?"):
        curves.circuit(normalised={"contour": NEARBY})
