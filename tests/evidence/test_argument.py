"""An argument holds where every criterion is met and chance is no explanation."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from circuitkit.errors import SpecError
from circuitkit.evidence.argument import Argument, Criterion

UNITS = ["a", "b", "c"]


def argument(values: list[float], null: list[float], echo: list[float]) -> Argument:
    numbers = xr.Dataset({"match": ("unit", values), "echo": ("unit", echo)}, coords={"unit": UNITS})
    return Argument(
        name="dataset examples",
        claim="It does.",
        numbers=numbers,
        criteria={"match": Criterion(at_least=0.5), "echo": Criterion(at_most=0.2, why="lines echo")},
        interval=xr.DataArray(np.zeros((3, 2)), dims=("unit", "bound"), coords={"unit": UNITS}),
        null=xr.DataArray(null, dims="draw", coords={"control": ("draw", ["shuffled 0"] * len(null))}),
    )


def test_every_criterion_and_chance_have_a_say() -> None:
    made = argument([0.9, 0.9, 0.4], [0.1] * 30, [0.1, 0.3, 0.1])
    assert made.holds.values.tolist() == [True, False, False]
    assert made.failures("a") == []
    assert made.failures("b") == ["echo is 0.3, wanted at most 0.2"]
    assert made.failures("c") == ["match is 0.4, wanted at least 0.5"]
    chance = argument([0.9] * 3, [0.1] * 20 + [0.95] * 2, [0.0] * 3)
    assert not chance.holds.any()
    assert chance.failures("a") == ["2 of 22 controls reach its match"]
    assert made.effect.isnull().all()


def test_without_controls_nothing_holds() -> None:
    alone = argument([0.9] * 3, [], [0.0] * 3)
    assert not alone.holds.any()
    assert alone.failures("a") == ["0 of 0 controls reach its match, too few for a p of 0.05"]


def test_what_is_no_number_meets_nothing() -> None:
    assert argument([np.nan, 0.9, 0.9], [0.1] * 30, [0.0, np.nan, 0.0]).holds.values.tolist() == [False, False, True]


def test_a_family_needs_most_of_its_units() -> None:
    assert argument([0.9] * 3, [0.1] * 30, [0.0] * 3).verdict == "holds"
    assert argument([0.9, 0.9, 0.1], [0.1] * 30, [0.0] * 3).verdict == "fails"


def test_an_argument_that_was_not_made_neither_holds_nor_fails() -> None:
    untested = Argument.untested("feature use", "It is read.", "no layer follows")
    assert untested.verdict == "not tested"
    assert untested.why_untested == "no layer follows"


def test_a_criterion_needs_its_number_and_a_null_its_control() -> None:
    made = argument([0.9] * 3, [0.1] * 30, [0.0] * 3)
    with pytest.raises(SpecError, match="wanted a number for every criterion"):
        dataclasses.replace(made, criteria={"fwhm": Criterion(at_most=1)})
    with pytest.raises(SpecError, match="a null over draw"):
        dataclasses.replace(made, null=made.null.drop_vars("control"))
    assert str(Criterion(at_least=0.5, at_most=2)) == "at least 0.5 and at most 2"
