"""Whatever the public strategies draw can be built and obeys the laws; Hypothesis is needed for them alone."""

import subprocess
import sys
from typing import Any

import hypothesis
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitkit import strategies
from circuitkit.build import build
from circuitkit.errors import SpecError
from circuitkit.probe import HandbuiltNet
from circuitkit.spec import Circuit, Family
from circuitkit.symmetry import Motion, cyclic, dihedral
from circuitkit.turned import EquivarianceError, assert_equivariant
from tests.strategies import unchecked


@st.composite
def drawn(draw: Any, strategy: st.SearchStrategy[Any]) -> Any:
    with unchecked():
        return draw(strategy)


def examples(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    found: list[Any] = []

    @hypothesis.seed(0)
    @settings(max_examples=count, database=None, phases=[hypothesis.Phase.generate])
    @given(value=drawn(strategy))
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found


@settings(max_examples=6)
@given(spec=drawn(strategies.specs((*strategies.PLANS, *strategies.CHIRAL_PLANS))))
def test_specs_can_be_built(spec: Circuit) -> None:
    network = build(spec)
    assert set(network.layers) == {family.name for family in spec.families}


def test_specs_differ_in_structure_and_in_numbers() -> None:
    specs = examples(strategies.specs(), 40)
    assert len({tuple(family.name for family in spec.families) for spec in specs}) >= 4
    assert len({repr(spec) for spec in specs}) >= 30
    assert {len(spec.families) for spec in examples(strategies.specs(strategies.PLANS[:1]), 5)} == {4}


def test_families_stand_alone_and_quarter_turns_permute_them() -> None:
    found: list[Family] = examples(strategies.families("mine"), 30)
    assert {family.period for family in found} == {180.0, 360.0}
    assert {family.name for family in found} == {"mine"}
    for family in found:
        Circuit("alone", [family])
        assert sorted(Motion(90).of_units(family)) == list(range(family.angles))
    with pytest.raises(SpecError, match=r"families has angles=\[6\]: wanted multiples of 4"):
        examples(strategies.families(angles=(4, 6)), 1)


def test_images_are_images() -> None:
    found = examples(strategies.images(sizes=(9, 12), channels=3), 40)
    assert {image.shape for image in found} == {(1, 9, 9, 3), (1, 12, 12, 3)}
    assert all(float(jnp.abs(image).max()) <= 1 for image in found)
    assert len({float(image.sum()) for image in found}) > 20
    assert np.std([float(image.std()) for image in found]) > 0.05


def test_motions_are_of_the_group() -> None:
    assert set(examples(strategies.motions(), 100)) == set(dihedral(4))
    assert set(examples(strategies.motions(cyclic(3)), 40)) == set(cyclic(3))


@settings(max_examples=4, phases=[hypothesis.Phase.generate])
@given(
    spec=drawn(strategies.specs(strategies.PLANS[:1])), motion=strategies.motions(), share=strategies.numbers(0.5, 2)
)
def test_what_is_drawn_turns_with_the_image_and_what_is_spoiled_does_not(
    spec: Circuit, motion: Motion, share: float
) -> None:
    hypothesis.assume(motion != Motion() and abs(share - 1) > 1e-3)
    net = HandbuiltNet(build(spec))
    assert_equivariant(net["edges"], [motion], images=8, bands=(0.25,))
    spoiled = net.with_weights(
        lambda weight: weight.value.at[..., 0].multiply(share) if weight.name == "edges" else weight.value,
        name="spoiled",
    )
    with pytest.raises(EquivarianceError):
        assert_equivariant(spoiled["edges"], cyclic(4), images=8, bands=(0.25,))


WITHOUT = """
import sys
sys.modules["hypothesis"] = None  # as if it were not installed
import circuitkit
try:
    import circuitkit.strategies
except ImportError as error:
    print(error)
"""


def test_without_hypothesis_the_library_works_and_says_what_is_missing() -> None:
    run = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("circuitkit.strategies draws by Hypothesis, which is not installed: pip install hypo")


def test_the_library_does_not_load_hypothesis() -> None:
    script = "import sys, circuitkit; print('hypothesis' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
