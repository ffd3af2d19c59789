"""Every experiment runs, coarsely."""

import math

from experiments.curve_numbers.__main__ import SMOKE, VARIANTS, run
from handbuilt import curves


def test_the_numbers_of_the_curve_circuit() -> None:
    (row,) = run(SMOKE)
    assert row["variant"] == "as written"
    assert all(math.isfinite(value) for value in row.values() if isinstance(value, float))
    assert row["echo"] <= 0.01  # type: ignore[operator]


def test_every_variant_differs_from_the_circuit_as_written() -> None:
    for name, edit in VARIANTS.items():
        assert (edit(curves.SPEC).families == curves.SPEC.families) == (name == "as written"), name
