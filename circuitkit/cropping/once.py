"""Functions in which no operation is done twice on the same values: layers share what lies below them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit.cropping.parts import all_of
from circuitkit.cropping.trace import Op, Shape, Trace


class Once:
    """A function of images, each of its operations done once.

    Attributes:
        constants: What it computes with besides images.
        ops: What it does, in order.
    """

    def __init__(self, function: Callable[..., Any], images: Shape) -> None:
        """Traces a pure function of images (image, row, column, channel) of a shape."""
        self._trace = trace = Trace(function, jax.ShapeDtypeStruct(images, jnp.float32))
        first: dict[Any, int] = {}
        self.ops: list[Op] = []
        self._same = {trace.image: trace.image}
        for number, value in trace.constants.items():
            said: Any = (str(value.dtype), value.shape, np.asarray(value).tobytes())
            self._same[number] = first.setdefault(said, number)
        for op in trace.ops:
            said = (op.primitive.name, str(op.params), tuple(self._same[number] for number in op.reads))
            made = first.setdefault(said, op.makes[0])
            self._same |= {number: made + place for place, number in enumerate(op.makes)}
            if made == op.makes[0]:
                self.ops.append(op)
        self.constants = {number: value for number, value in trace.constants.items() if self._same[number] == number}

    def apply(self, constants: dict[int, Array], images: Float[Array, "image h w channel"]) -> Float[Array, "..."]:
        """Returns the function of images; the constants come as an argument, and are not compiled into it."""
        values = {self._trace.image: images, **constants}
        for op in self.ops:
            made = all_of(op, self._trace.shapes).run(*(values[self._same[number]] for number in op.reads))
            values |= dict(zip(op.makes, made, strict=True))
        return values[self._same[self._trace.result]]
