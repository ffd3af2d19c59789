"""Weights that depend on relative pose alone turn with their units; the measure sees every weight that does not."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Array, Float

from circuitkit.build import build
from circuitkit.equivariance import weight_errors
from circuitkit.errors import KernelError, SpecError
from circuitkit.network import CircuitNetwork
from circuitkit.spec import Arc, Circuit, Family, Gabor, Line, Tile
from circuitkit.symmetry import Motion
from handbuilt import curves

EDGES = Family("edges", Gabor(wavelength=4, sigma=1.2), angles=8)
LINES = Family("lines", Tile(EDGES, along=Line(length=3), tolerance=20), angles=8)
CURVES = Family("curves", Tile(LINES, along=Arc(radius=6, length=8), tolerance=20), angles=8)
SMALL = Circuit("small", [EDGES, LINES, CURVES])

QUARTER = Motion(90)
MOTIONS = [QUARTER, Motion(180), Motion(270), Motion(0, mirror=True), Motion(90, mirror=True)]


FLOAT32_COORDINATES = 3e-6
"""Rounding of a weight, as a share of the largest, where coordinates of tens of pixels are turned in float32."""


def worst(network: CircuitNetwork, motion: Motion) -> dict[tuple[str, str], float]:
    """Returns the largest error of every block, over the largest weight of its kernel."""
    found = {}
    for family in network.circuit.families:
        layout, kernel = network.layers[family.name].layout, network.layers[family.name].kernel[...]
        for source in layout.sources:
            reads = None if source == "image" else network.circuit[source]
            errors = weight_errors(
                kernel[:, :, layout.channels(source)],
                None if reads is None else reads.unit_angles,
                family.unit_angles,
                source_period=360.0 if reads is None else reads.turn,
                unit_period=family.turn,
                motion=motion,
            )
            found[source, family.name] = float(errors.max()) / float(jnp.abs(kernel).max())
    return found


def test_our_curve_circuit_obeys_the_law() -> None:
    network = build(curves.SPEC)
    for motion in MOTIONS:
        for block, error in worst(network, motion).items():
            assert error <= FLOAT32_COORDINATES, (motion, block)


@functools.cache
def kernel_of(family: str) -> Float[Array, "h w source member"]:
    return build(SMALL).layers[family].kernel[...]


def errors(kernel: jax.Array, motion: Motion = QUARTER) -> np.ndarray:
    """Of a kernel of the curves."""
    angles = LINES.unit_angles, CURVES.unit_angles
    return weight_errors(kernel, *angles, source_period=180.0, motion=motion).values


@given(
    row=st.integers(0, 4), column=st.integers(0, 4), source=st.integers(0, 7), unit=st.integers(0, 7),
    change=st.floats(0.1, 1.0),
)  # fmt: skip
def test_one_weight_too_many_is_found_where_it_is(row: int, column: int, source: int, unit: int, change: float) -> None:
    found = errors(jnp.zeros((5, 5, 8, 8)).at[row, column, source, unit].set(change))
    # The tile that is carried to the changed one, and the changed one, which is carried elsewhere.
    expected = np.zeros((8, 8))
    expected[(source - 4) % 8, (unit - 2) % 8] = expected[source, unit] = change
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "broken",
    [
        lambda kernel: kernel.at[..., 3].set(0.0),
        lambda kernel: kernel[..., np.array([1, 0, 2, 3, 4, 5, 6, 7])],
        lambda kernel: jnp.roll(kernel, 1, axis=1),
        lambda kernel: kernel[:, ::-1],
        lambda kernel: kernel * jnp.linspace(0.9, 1, 8).reshape(1, 1, 1, 8),
    ],
    ids=["silenced", "swapped", "shifted", "mirrored", "uneven"],
)
def test_a_broken_kernel_is_noticed(broken) -> None:
    kernel = kernel_of("curves")
    top = float(jnp.abs(kernel).max())
    assert errors(kernel).max() <= FLOAT32_COORDINATES * top
    assert errors(broken(kernel)).max() > 0.05 * top


def test_angles_that_run_the_wrong_way_are_noticed() -> None:
    kernel = kernel_of("curves")
    lines, curves_ = ([-angle for angle in family.unit_angles] for family in (LINES, CURVES))
    found = weight_errors(kernel, lines, curves_, source_period=180.0)
    assert float(found.max()) > 0.5 * float(jnp.abs(kernel).max())


def test_sources_without_an_angle_stay_themselves() -> None:
    kernel = kernel_of("edges")
    found = weight_errors(kernel, None, EDGES.unit_angles)
    assert found.dims == ("source", "unit")
    assert float(found.max()) <= FLOAT32_COORDINATES * float(jnp.abs(kernel).max())
    assert float(weight_errors(jnp.roll(kernel, 1, axis=0), None, EDGES.unit_angles).max()) > 0.01


def test_what_cannot_be_measured_is_refused() -> None:
    kernel, lines, units = kernel_of("curves"), LINES.unit_angles, CURVES.unit_angles
    with pytest.raises(KernelError, match="came with angles of 7 sources and 8 units: wanted"):
        weight_errors(kernel, lines[:7], units)
    with pytest.raises(KernelError, match="wanted .side, side, source, unit."):
        weight_errors(kernel[:, 1:], lines, units)
    with pytest.raises(KernelError, match="holds NaN or infinity"):
        weight_errors(kernel.at[0, 0, 0, 0].set(jnp.nan), lines, units, source_period=180.0)
    with pytest.raises(SpecError, match="no source at 180 degrees, where the one at 90 is carried.*may be another"):
        weight_errors(kernel, lines, units)
    with pytest.raises(SpecError, match="cannot be turned by 45 degrees without interpolation"):
        weight_errors(kernel, lines, units, source_period=180.0, motion=Motion(45))
