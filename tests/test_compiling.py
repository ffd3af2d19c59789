"""Programs are kept by their text, and never taken for one another."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit.compiling import _PROGRAMS, compiled, compiled_drawing, forget
from circuitkit.stimuli import Disc, grid, turn

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


def test_a_drawing_is_compiled_once_for_all_sets_of_a_kind_and_not_taken_for_another() -> None:
    forget()
    drawn = [grid(Disc(radius=radius), angle=turn(2), x=(x, 2.0)) for radius, x in ((3, 0.0), (3, 1.0), (4, 0.0))]
    first, moved, larger = (each.images(9) for each in drawn)
    assert len(_PROGRAMS) == 2  # where a disc stands is an argument, how large these are is not
    for image, stimulus in zip((*first, *moved, *larger), (each for some in drawn for each in some), strict=True):
        np.testing.assert_allclose(image, stimulus.draw(9), atol=1e-6)
    assert compiled(reading(0), X, Y) is not compiled_drawing(reading(0), X, Y)  # other options
