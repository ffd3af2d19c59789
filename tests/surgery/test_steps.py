"""Steps are values: what cannot be carried out is refused when it is written, and text brings them back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitkit.errors import SpecError, UnknownNameError
from circuitkit.surgery import Ablate, Cut, Edit, Replace, from_json, to_json
from circuitkit.surgery.steps import Step
from tests.strategies import unchecked

LAYERS = st.sampled_from(("conv1", "fire4"))
UNITS = st.lists(st.integers(0, 300), min_size=1, max_size=4, unique=True).map(tuple)
NUMBERS = st.floats(-10, 10, allow_nan=False)


@st.composite
def steps(draw: st.DrawFn) -> Step:
    with unchecked():  # what checks types draws random numbers of its own
        return _step(draw)


def _step(draw: st.DrawFn) -> Step:
    units, numbers = draw(UNITS), draw(st.lists(NUMBERS, min_size=4, max_size=4))
    each = tuple(numbers[: len(units)])
    match draw(st.integers(0, 4)):
        case 0:
            return Ablate(draw(LAYERS), units, to=draw(st.sampled_from((each, numbers[0]))))
        case 1:
            rolled = (draw(st.integers(-3, 3)), 1)
            return Replace(
                draw(LAYERS), units, "fire5", units[::-1], gain=each, rolled=rolled, other=draw(st.booleans())
            )
        case 2:
            return Cut("fire5", units, draw(LAYERS), (1, 2), to=(0.5, 1.0))
        case 3:
            return Edit("kernel", "equivariant", units, (3, 5), unit_angles=each, source_angles=(0.0, 90.0))
    return Edit("kernel", draw(st.sampled_from(("zero", "positive", "shuffled"))), units, seed=draw(st.integers(0, 9)))


@given(st.lists(steps(), min_size=1, max_size=4))
def test_text_brings_steps_back(held: list[Step]) -> None:
    assert from_json(to_json(held)) == held
    assert all(hash(step) == hash(again) for step, again in zip(held, from_json(to_json(held)), strict=True))


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(SpecError, match=r"Ablate in 'fire4' has units=\(\): wanted at least one whole number"):
        Ablate("fire4", ())
    with pytest.raises(SpecError, match=r"units=\(1, 1\): .* none of them twice"):
        Ablate("fire4", (1, 1))
    with pytest.raises(SpecError, match=r"has to=\(1.0,\): wanted one finite number, or 2, one a unit"):
        Ablate("fire4", (1, 2), to=(1.0,))
    with pytest.raises(SpecError, match="has gain=nan"):
        Replace("fire4", (1,), "fire4", (2,), gain=float("nan"))
    with pytest.raises(SpecError, match=r"names 1 members \(2,\): wanted one a unit"):
        Replace("fire4", (1, 3), "fire4", (2,))
    with pytest.raises(SpecError, match=r"has sources=\(-1,\)"):
        Cut("fire5", (1,), "fire4", (-1,))
    with unchecked(), pytest.raises(UnknownNameError, match="no rule 'positiv'.*Did you mean 'positive'"):
        Edit("kernel", "positiv")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="'equivariant' needs units, sources, and an angle for each"):
        Edit("kernel", "equivariant", (1, 2), (3,), unit_angles=(0.0,), source_angles=(0.0,))


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("{", SpecError, "is no JSON"),
        ('{"format": "another"}', SpecError, "is no surgery"),
        ('{"format": "circuitkit surgery 1", "steps": [{"step": "Ablat"}]}', UnknownNameError, "no step 'Ablat'"),
        (
            '{"format": "circuitkit surgery 1", "steps": [{"step": "Ablate", "layer": "a", "unit": [1]}]}',
            UnknownNameError,
            "no field 'unit'",
        ),
        (
            '{"format": "circuitkit surgery 1", "steps": [{"step": "Ablate", "layer": "a"}]}',
            SpecError,
            "cannot be read",
        ),
    ],
)
def test_text_that_says_something_else_is_refused(text: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        from_json(text)
