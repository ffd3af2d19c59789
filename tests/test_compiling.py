"""Programs are kept by their text, and never taken for one another."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit.compiling import compiled, forget

Vector = Float[Array, " n"]
X, Y = jnp.arange(3.0), jnp.arange(3.0) + 10


def reading(which: int, *, times: float = 2.0) -> Callable[[Vector, Vector], Vector]:
    """Returns a function that reads one of its arguments; all are called alike."""

    def run(one: Vector, other: Vector) -> Vector:
        return times * (one, other)[which]

    return run


def test_functions_that_read_different_arguments_are_different_programs() -> None:
    forget()
    np.testing.assert_array_equal(compiled(reading(0), X, Y)(X, Y), 2 * X)
    np.testing.assert_array_equal(compiled(reading(1), X, Y)(X, Y), 2 * Y)


def test_what_says_the_same_is_compiled_once() -> None:
    forget()
    assert compiled(reading(0), X, Y) is compiled(reading(0), X, Y)
    assert compiled(reading(0), X, Y) is not compiled(reading(0, times=3.0), X, Y)
