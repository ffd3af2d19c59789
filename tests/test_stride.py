"""Families with a unit at every second or third place: which places those are, and that all else follows from it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

import circuitkit as ck
from circuitkit import equivariance, reference, weights, wiring
from circuitkit.build import build
from circuitkit.errors import EquivarianceError, ImageError, SpecError
from circuitkit.evidence.panel import Panel
from circuitkit.kernels import lay_out
from circuitkit.network import Padding
from circuitkit.probe import HandbuiltNet
from circuitkit.spec import Arc, Circuit, Crossing, Family, Gabor, Line, Normalisation, Tile, Union
from circuitkit.spec_text import from_json, to_json
from circuitkit.surgery.operation import transplanted
from circuitkit.symmetry import Motion, cyclic
from tests.strategies import FLOAT32_ROUNDING, noise, unchecked

REFERENCE_ROUNDING = 2e-5
"""As in tests/properties/test_reference.py."""


def circuit(of_edges: int = 2, of_lines: int = 1) -> Circuit:
    edges = Family("edges", Gabor(wavelength=5, sigma=1.75), angles=4, size=5, stride=of_edges)
    lines = Family("lines", Tile(edges, Line(length=5), tolerance=40) - Crossing(0.3), angles=4, stride=of_lines)
    lines = dataclasses.replace(lines, normalised=Normalisation(within=2, constant=0.05))
    arcs = Tile(lines, Arc(radius=8, length=9), tolerance=40) + Tile(lines, Line(length=3), tolerance=30)
    return Circuit("c", [edges, lines, Family("arcs", arcs, angles=4, size=13)])


@pytest.mark.parametrize("strides", [(2, 1), (2, 3)])
def test_the_network_keeps_the_places_that_the_reference_keeps(strides: tuple[int, int]) -> None:
    spec = circuit(*strides)
    layouts, network = lay_out(spec), build(spec)
    sizes = {name: layout.shape[0] for name, layout in layouts.items()}
    windows = {name: layout.window for name, layout in layouts.items()}
    for sides in ((21, 21), (20, 23)):
        image = noise(0, 24)[:, : sides[0], : sides[1]]
        with unchecked():
            meant = reference.respond(spec, np.asarray(image[0], np.float64), sizes, windows)
        found = network(image)
        for name, layer in meant.items():
            wanted = np.moveaxis(layer, 0, -1)
            assert found[name][0].shape == wanted.shape
            np.testing.assert_allclose(found[name][0], wanted, atol=REFERENCE_ROUNDING * float(wanted.max()))
        other = build(circuit(strides[0], 1 if strides[1] > 1 else 2))(image)["arcs"]
        assert other.shape != found["arcs"].shape


def test_what_is_kept_is_every_second_place_around_the_middle() -> None:
    for side in (20, 21, 22, 23):
        image = noise(1, side)
        every, kept = (build(Circuit("c", circuit(stride).families[:1]))(image)["edges"] for stride in (1, 2))
        start = (side - 1) // 2 % 2
        np.testing.assert_allclose(kept, every[:, start::2, start::2], atol=1e-6)
        beside = every[:, 1 - start :: 2, 1 - start :: 2]
        shared = min(beside.shape[1], kept.shape[1])
        assert not np.allclose(kept[:, :shared, :shared], beside[:, :shared, :shared], atol=1e-2)


def test_kernels_are_samples_of_the_same_rule() -> None:
    coarse, fine = (build(dataclasses.replace(circuit(stride), name="c")).layers["lines"] for stride in (2, 1))
    assert (coarse.layout.spacing, coarse.layout.shape[0], fine.layout.shape[0]) == (2, 7, 13)
    samples = np.asarray(fine.kernel[...])[::2, ::2]
    found = np.asarray(coarse.kernel[...])
    # Excitation and inhibition are each scaled to one sum, so samples of the two go together but for these numbers.
    for sign in (1, -1):
        parts = [np.maximum(sign * each, 0) for each in (samples, found)]
        assert np.corrcoef(parts[0].ravel(), parts[1].ravel())[0, 1] > 0.999
    assert np.corrcoef(np.asarray(fine.kernel[...])[3:10, 3:10].ravel(), found.ravel())[0, 1] < 0.9


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_receptive_fields_have_exact_centres(padding: Padding) -> None:
    network = build(circuit(2, 3))
    for sides in ((71, 80), (74, 77)):
        image = jnp.abs(noise(0, 80))[:, : sides[0], : sides[1]]
        for layer in ("edges", "lines", "arcs"):
            field = network.receptive_field(layer, sides, padding=padding)
            rows, columns = jax.eval_shape(lambda x, at=layer: network(x, padding=padding)[at], image).shape[1:3]
            row, column = rows // 2, columns // 2 - (columns > 2)

            def one(
                x: Float[Array, "1 h w 1"], at: str = layer, place: tuple[int, int] = (row, column)
            ) -> Float[Array, ""]:
                return network(x, padding=padding)[at][0, place[0], place[1]].sum()

            seen = np.abs(np.asarray(jax.grad(one)(image)))[0, ..., 0]
            for axis, centre in enumerate(field.centre(row, column)):
                touched = np.flatnonzero(seen.any(1 - axis))
                assert touched[0] >= centre - (field.size[0] - 1) / 2
                assert touched[-1] <= centre + (field.size[0] - 1) / 2
                assert (touched[0] + touched[-1]) / 2 == pytest.approx(centre, abs=1)  # a border weight may be 0


def test_quarter_turns_are_exact_on_odd_sides_and_on_no_even_ones() -> None:
    probe = HandbuiltNet(build(circuit()))["arcs"]
    ck.assert_equivariant(probe, [Motion(90), Motion(0, mirror=True)])
    with pytest.raises(EquivarianceError, match="stride 2 on 80 rows of pixels cannot be exact"):
        ck.assert_equivariant(probe, cyclic(4), image_size=(80, 80))
    network = probe.net.network  # type: ignore[attr-defined]
    assert max(equivariance.lattice_errors(network, noise(0, 41), Motion(90)).values()) < FLOAT32_ROUNDING
    assert min(equivariance.lattice_errors(network, noise(0, 40), Motion(90)).values()) > 1e4 * FLOAT32_ROUNDING


def test_shifts_are_exact_by_as_many_pixels() -> None:
    network, image = build(circuit()), noise(0, 75)
    assert max(equivariance.shift_errors(network, image, down=2, right=4).values()) < FLOAT32_ROUNDING
    with pytest.raises(SpecError, match=r"stand every 2 pixels: a shift by \(1, 2\) carries none to another"):
        equivariance.shift_errors(network, image, down=1, right=2)


def test_a_site_and_a_crop_give_the_same_numbers() -> None:
    probe, image = HandbuiltNet(build(circuit(2, 3)))["arcs"], noise(2, 92, count=2)
    site, whole = probe.site_in(92, 92), probe.maps(image)
    (row, column) = site.unit
    read = probe.reading(site, images=2, channels=1, rows=(row, row + 1), columns=(column, column + 1))
    part = image[:, slice(*read.rows), slice(*read.columns)]
    np.testing.assert_allclose(read(part)[:, 0, 0], whole[:, row, column], atol=1e-6)
    small = probe.site()
    top, left = (int(at - anchor) for at, anchor in zip(site.anchor, small.anchor, strict=True))
    alone = probe.maps(image[:, top : top + small.height, left : left + small.width])
    np.testing.assert_allclose(alone[:, 0, 0], whole[:, row, column], atol=1e-6)


def test_its_maps_are_laid_over_those_of_another_net_by_their_centres() -> None:
    spec = circuit(1)
    fine = HandbuiltNet(build(Circuit("fine", spec.families[:1])))
    coarse = HandbuiltNet(build(Circuit("coarse", circuit(2).families[:1])))
    image = jnp.broadcast_to(jnp.sin(jnp.arange(40) / 12)[None, None, :, None], (1, 40, 40, 1))
    rows, columns = fine.maps(image, "edges").shape[1:3]
    held = transplanted(coarse, "edges", fine, "edges", image, (rows, columns))
    own = fine.maps(image, "edges")
    away, beside = (float(jnp.abs(held - jnp.roll(own, by, 2))[:, 4:-4, 4:-4].max() / own.max()) for by in (0, 1))
    assert away < 0.04 < beside  # between places it is interpolated; a pixel off, it is none of these


def test_weights_stand_where_they_are_read() -> None:
    net = HandbuiltNet(build(circuit()))
    assert weights.kernels(net["lines"]).x.values.tolist() == [-6, -4, -2, 0, 2, 4, 6]
    assert weights.kernels(net["edges"]).x.values.tolist() == [-2, -1, 0, 1, 2]
    found = wiring.expanded(net["lines"], "edges")
    assert found.x.values.tolist() == [-6, -4, -2, 0, 2, 4, 6]
    np.testing.assert_allclose(found.values, weights.kernels(net["lines"]).values, atol=1e-6)


def test_its_gradient_is_that_of_the_spec() -> None:
    spec, image = circuit(), noise(0, 29)
    grad = jax.grad(lambda s: build(s, like=spec)(image)["arcs"].sum())(spec)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(grad))
    assert float(grad.families[1].looks_for.along.length) != 0


def test_it_reads_as_a_sentence_and_survives_as_text() -> None:
    spec = circuit(2, 3)
    assert (spec.spacing("edges"), spec.spacing("lines"), spec.spacing("arcs")) == (2, 6, 6)
    assert "edges   4 units, every 90 of 360 degrees, one every 2 pixels" in str(spec)
    assert from_json(to_json(spec)) == spec


def test_what_cannot_be_read_together_is_refused() -> None:
    edges, lines, _ = circuit(1, 2).families
    with pytest.raises(SpecError, match=r"\('edges' every 1 and 'lines' every 2 pixels\): wanted one spacing"):
        Circuit("c", [edges, lines, Family("both", Union(("edges", "lines"), over_angles=True), angles=1)])
    with pytest.raises(SpecError, match="family 'edges' has stride=0: wanted a whole number, at least 1"):
        circuit(0)
    with pytest.raises(SpecError, match="wanted one spacing for all"):
        Panel({"one": Circuit("one", [edges, lines]), "other": Circuit("other", [edges])})
    with pytest.raises(ImageError, match="too small for layer 'lines', whose units see 29x29"):
        build(circuit())(noise(0, 20), padding="VALID")
