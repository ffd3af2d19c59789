"""What the builder of pathways adds to the stages it is given, and what it refuses."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from circuitkit import build
from circuitkit.errors import SpecError
from circuitkit.pathways import pathways
from circuitkit.spec import (
    Arc,
    Away,
    Circuit,
    Corner,
    Crossing,
    Family,
    Gabor,
    Line,
    Rival,
    Spot,
    Tile,
    Union,
)

EDGES = Family("edges", Gabor(wavelength=5, sigma=1.5), angles=8, size=7)
SPOTS = Family("spots", Spot(sigma=1), angles=1, size=7)
TIP = Tile(EDGES, Corner(opening=60, length=6), tolerance=20, turned=30) - Crossing(0.5)
PLACE = Away(shape=Line(length=1), x=3, y=1)


def stages(**group):
    tips = Family("tips", TIP, size=9, **group)
    wholes = Family("wholes", Tile(tips, PLACE, tolerance=40) + Tile(SPOTS, PLACE, weight=2), size=13, **group)
    return tips, wholes


MIRROR = {"angles": 1, "mirrored": True}


def test_every_tile_of_every_stage_gets_a_rival_and_one_unit_unites_the_last():
    tips, wholes, whole = pathways(*stages(**MIRROR), into="whole", rivalry=0.75)
    assert tips.looks_for == TIP - Rival(0.75)
    assert [tile.minus for tile in wholes.tiles] == [(Rival(0.75),), (Rival(0.75),)]
    assert [tile.weight for tile in wholes.tiles] == [1, 2]
    assert whole == Family("whole", Union("wholes", over_angles=True), angles=1)
    assert (tips.threshold, tips.size, tips.unit_poses) == (None, 9, stages(**MIRROR)[0].unit_poses)


def test_a_tile_keeps_the_rival_that_it_has():
    tips, wholes = stages(**MIRROR)
    ring = Tile(SPOTS, Line(length=1)) - Rival(0.0, reason="alike on both sides")
    wholes = dataclasses.replace(wholes, looks_for=wholes.looks_for + ring)
    _, wholes, _ = pathways(tips, wholes, into="whole")
    assert [tile.minus[0].strength for tile in wholes.tiles] == [1, 1, 0]
    # With a rival, what is alike to all members would be silent.
    silent = Family("silent", Tile(SPOTS, Line(length=1)) + Tile("tips", PLACE, tolerance=40), size=13, **MIRROR)
    *_, silent, _ = pathways(tips, silent, into="whole")
    kernel = build(Circuit("c", [EDGES, SPOTS, *pathways(tips, into="tip")[:1], silent])).layers["silent"].kernel[...]
    ring, rest = (float(jnp.abs(each).max()) for each in (kernel[:, :, 0], kernel[:, :, 1:]))
    assert ring < 1e-6 * rest


@pytest.mark.parametrize("group", [MIRROR, {"angles": 4}, {"angles": 8}, {"angles": 4, "mirrored": True}])
def test_the_union_of_n_pathways_is_their_mean_and_what_one_says_the_maximum_over_n(group):
    circuit = Circuit("c", [EDGES, SPOTS, *pathways(*stages(**group), into="whole", rivalry=0.5)])
    image = np.random.default_rng(0).normal(size=(1, 24, 24, 1))
    maps = build(circuit)(jnp.asarray(image, jnp.float32))
    members, united = np.asarray(maps["wholes"]), np.asarray(maps["whole"])[..., 0]
    count = members.shape[-1]
    assert count == group["angles"] * (2 if "mirrored" in group else 1)
    np.testing.assert_allclose(united, members.mean(-1), rtol=1e-6, atol=1e-9)
    alone, together = (members > 0).sum(-1) == 1, (members > 0).sum(-1) > 1
    assert alone.any() or count > 2
    np.testing.assert_allclose(united[alone], members.max(-1)[alone] / count, rtol=1e-6)
    assert (united[together] > members.max(-1)[together] / count * 1.001).any()


def test_without_the_rectification_the_copies_would_cancel():
    tips = Family("tips", dataclasses.replace(TIP, minus=()), size=9, **MIRROR)
    rivals, _ = pathways(tips, into="tip", rivalry=1.0)
    kernel, free = (build(Circuit("c", [EDGES, each])).layers["tips"].kernel[...] for each in (rivals, tips))
    assert float(jnp.abs(kernel.sum(-1)).max()) < 1e-6 * float(jnp.abs(kernel).max())
    assert float(jnp.abs(free.sum(-1)).max()) > 0.1 * float(jnp.abs(free).max())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((), "pathways got no stages"),
        ((EDGES,), "family 'edges', which looks for a Gabor: wanted tiles"),
        (
            (stages(**MIRROR)[0], dataclasses.replace(stages(angles=4)[1], name="others")),
            "pathways got 'tips' with 2 members and 'others' with 4, in other poses",
        ),
        (stages(angles=1), "pathways got 'tips' with one member: there is nothing to unite"),
    ],
)
def test_stages_that_make_no_pathways_are_refused(given, message):
    with pytest.raises(SpecError, match=message):
        pathways(*given, into="whole")


def test_a_threshold_is_taken_from_what_a_unit_reads():
    arcs = Family("arcs", Tile(EDGES, Arc(radius=4, length=6), tolerance=30), angles=4, size=9)
    image = jnp.asarray(np.random.default_rng(1).normal(size=(1, 24, 24, 1)), jnp.float32)
    free = np.asarray(build(Circuit("c", [EDGES, arcs]))(image)["arcs"])
    level = float(np.quantile(free, 0.7))
    circuit = Circuit("c", [EDGES, dataclasses.replace(arcs, threshold=level)])
    found = np.asarray(build(circuit)(image)["arcs"])
    np.testing.assert_allclose(found, np.maximum(free - level, 0), atol=1e-7)
    assert f"above a threshold of {level:g}" in str(circuit)
    with pytest.raises(SpecError, match="family 'arcs' has threshold=-1"):
        dataclasses.replace(arcs, threshold=-1)
