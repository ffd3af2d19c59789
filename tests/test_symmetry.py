"""Motions form a group, and act alike on angles, points, images and units."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitkit.errors import SpecError
from circuitkit.geometry import angle_between, cos_sin, pixel_grid
from circuitkit.spec import Arc, Circle, Family, Gabor, Line, Tile, Union
from circuitkit.symmetry import Motion, cyclic, dihedral
from tests.strategies import LATTICE, lattice_motions, motions, noise

FLOAT32_ROUNDING = 1e-5  # of coordinates of up to ten pixels

FAMILIES = [
    Family("edges", Gabor(wavelength=6, sigma=2), angles=8),
    Family("bars", Gabor(wavelength=6, sigma=2, phase=0), angles=4),
    Family("contours", Union("bars"), angles=4),
    Family("lines", Tile("contours", Line(length=4), tolerance=20), angles=12),
    Family("arcs", Tile("lines", Arc(radius=9, length=6), tolerance=20), angles=24),
    Family("rows", Tile("arcs", Line(length=4), tolerance=20), angles=8, period=360),
    Family("ring", Tile("arcs", Circle(radius=9), tolerance=20), angles=1, period=15),
    Family("either", Tile("lines", Line(length=4), 20) + Tile("lines", Arc(radius=9, length=6), 20), angles=4),
]
families = st.sampled_from(FAMILIES)


def same(one: Motion, other: Motion) -> bool:
    return one.mirror == other.mirror and abs(angle_between(one.turn, other.turn)) < 1e-9


@given(a=motions(), b=motions(), c=motions())
def test_motions_are_a_group(a, b, c):
    assert same((a @ b) @ c, a @ (b @ c))
    assert same(a @ Motion(), a)
    assert same(Motion() @ a, a)
    assert same(a @ a.inverse(), Motion())
    assert same(a.inverse() @ a, Motion())
    assert same((a @ b).inverse(), b.inverse() @ a.inverse())


def test_mirrors_do_not_commute_with_turns():
    assert not same(Motion(0, True) @ Motion(90), Motion(90) @ Motion(0, True))
    assert same(Motion(0, True) @ Motion(90), Motion(270, True))


@given(a=motions(), b=motions(), angle=st.integers(-360, 360).map(float))
def test_directions_are_carried_by_one_motion_after_the_other(a, b, angle):
    assert angle_between((a @ b).of_angle(angle), a.of_angle(b.of_angle(angle))) == 0


@given(a=motions(), b=motions(), x=st.floats(-5, 5, width=32), y=st.floats(-5, 5, width=32))
def test_points_are_carried_by_one_motion_after_the_other(a, b, x, y):
    x, y = jnp.float32(x), jnp.float32(y)
    np.testing.assert_allclose((a @ b).of_points(x, y), a.of_points(*b.of_points(x, y)), atol=FLOAT32_ROUNDING)


@given(motion=motions(), angle=st.integers(0, 359).map(float))
def test_points_are_carried_the_way_that_directions_are(motion, angle):
    carried = motion.of_points(*map(jnp.float32, cos_sin(angle)))
    np.testing.assert_allclose(carried, cos_sin(motion.of_angle(angle)), atol=FLOAT32_ROUNDING)


@given(a=lattice_motions(), b=lattice_motions())
def test_images_are_carried_by_one_motion_after_the_other(a, b):
    image = noise(0, 5)[:, :4]  # no square: a turn has to swap its sides
    np.testing.assert_array_equal((a @ b).of_images(image), a.of_images(b.of_images(image)))


@pytest.mark.parametrize("motion", LATTICE)
@pytest.mark.parametrize("size", [4, 5])
def test_images_are_carried_the_way_that_points_are(motion, size):
    image = np.asarray(noise(0, size)[0, :, :, 0])
    x, y = motion.of_points(*pixel_grid(size))
    row, column = ((size - 1) / 2 - np.asarray(y)).astype(int), ((size - 1) / 2 + np.asarray(x)).astype(int)
    carried = np.empty_like(image)
    carried[row, column] = image  # every pixel goes where its centre goes
    np.testing.assert_array_equal(motion.of_images(jnp.asarray(image)[None, :, :, None])[0, :, :, 0], carried)


def test_all_eight_lattice_motions_differ():
    image = noise(0, 4)
    carried = {np.asarray(motion.of_images(image)).tobytes() for motion in LATTICE}
    assert len(carried) == len(LATTICE) == 8


@pytest.mark.parametrize("turn", [45.0, 1e-9, 89.0])
def test_images_are_never_interpolated(turn):
    with pytest.raises(SpecError) as refused:
        Motion(turn).of_images(noise(0, 4))
    assert str(refused.value) == (
        f"images cannot be turned by {turn:g} degrees without interpolation: wanted a multiple of 90. "
        "Draw the stimulus turned instead."
    )


@given(family=families, steps=st.integers(0, 47), mirror=st.booleans())
def test_the_units_of_a_family_are_permuted(family, steps, mirror):
    carried = Motion(steps * family.step, mirror).of_units(family)
    assert sorted(carried) == list(range(family.angles))


@given(family=families, a=lattice_motions(), b=lattice_motions())
def test_units_are_carried_by_one_motion_after_the_other(family, a, b):
    np.testing.assert_array_equal((a @ b).of_units(family), a.of_units(family)[b.of_units(family)])


def test_units_are_carried_like_the_angles_that_they_stand_at():
    edges, bars, arcs = FAMILIES[0], FAMILIES[1], FAMILIES[4]
    np.testing.assert_array_equal(Motion(90).of_units(edges), [2, 3, 4, 5, 6, 7, 0, 1])
    np.testing.assert_array_equal(Motion(0, True).of_units(edges), [0, 7, 6, 5, 4, 3, 2, 1])
    np.testing.assert_array_equal(Motion(180).of_units(bars), [0, 1, 2, 3])  # half a turn brings bars back
    np.testing.assert_array_equal(Motion(90, True).of_units(arcs)[:3], [6, 5, 4])


def test_a_row_of_arcs_turns_round_in_the_mirror():
    # At angle 0 the arcs of the row bulge downwards; mirrored they bulge upwards, as those of the row at 180 do.
    rows = FAMILIES[5]
    np.testing.assert_array_equal(Motion(0, True).of_units(rows), [4, 3, 2, 1, 0, 7, 6, 5])


@given(family=families, a=lattice_motions(), b=lattice_motions())
def test_maps_are_carried_by_one_motion_after_the_other(family, a, b):
    maps = noise(0, 3, channels=family.angles)
    np.testing.assert_array_equal((a @ b).of_maps(maps, family), a.of_maps(b.of_maps(maps, family), family))


def test_a_map_lands_on_the_unit_that_its_unit_is_carried_to():
    family, motion = FAMILIES[0], Motion(90)
    maps = jnp.zeros((1, 3, 3, 8)).at[0, 0, 1, 1].set(1.0)  # edges@45, in the middle of the top row
    carried = np.asarray(motion.of_maps(maps, family))
    assert np.argwhere(carried).tolist() == [[0, 1, 0, 3]]  # edges@135, in the middle of the left column


def test_a_family_that_is_not_closed_under_a_turn_is_refused():
    with pytest.raises(SpecError) as refused:
        Motion(45).of_units(Family("bars", Gabor(wavelength=6, sigma=2, phase=0), angles=2))
    assert str(refused.value) == (
        "family 'bars' has no unit at 45 degrees, where bars@0 is carried: its members stand every 90 degrees."
    )


def test_three_members_are_not_closed_under_quarter_turns():
    with pytest.raises(SpecError, match="has no unit at 90 degrees"):
        Motion(90).of_units(Family("edges", Gabor(wavelength=6, sigma=2), angles=3))


@pytest.mark.parametrize("order", [1, 3, 4, 12])
def test_the_groups_are_closed(order):
    for group in (cyclic(order), dihedral(order)):
        for a in group:
            for b in group:
                assert sum(same(a @ b, c) for c in group) == 1
    assert (len(cyclic(order)), len(dihedral(order))) == (order, 2 * order)
