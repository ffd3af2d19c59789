"""The smallest part of an image that determines part of a map, for any function in JAX.

A net computes a whole map; a tuning curve wants one unit of it. `crop` traces the function on images of the full size
and walks its operations backward, from the window of the map that is wanted to the pixels behind it. What it returns
computes the window from these pixels alone: every operation on just the part that is needed, with padding just where
a part ends at a border. Nothing is assumed of the net, so strides, pools, joined branches, residuals and any padding
are right by themselves; where an operation is not known, all of it is computed. Parts are boxes: at a border, where a
window skips pixels (dilation), they may hold a few that are not read.

    cropped = crop(lambda images: net.maps(images, "fire5"), (8, 224, 224, 3), (None, (13, 14), (13, 14), None))
    cropped.rows, cropped.columns               # of the image: (80, 143), (80, 143)
    cropped(images[:, 80:143, 80:143])          # (8, 1, 1, 256): the same responses, to float32 rounding

Derivatives are those of the operations: a function's own rules (`jax.custom_jvp`) are left out.
"""

import dataclasses
import functools
import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit.compiling import compiled
from circuitkit.cropping.parts import Box, Interval, Step, all_of, hull, part_of, size, step_of, whole
from circuitkit.cropping.trace import Op, Shape, Trace
from circuitkit.errors import ImageError

Window = Sequence[Interval | None]
"""The part of a result that is wanted: an interval along each axis, None for all of it."""

Plan = tuple[tuple[Op, Step], ...]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Cropped:
    """A function of part of an image.

    Attributes:
        images: Shape of the whole images that it was cropped for.
        rows: The rows of the image that the window depends on: the first, and the first beyond.
        columns: The columns, likewise.
        image_bytes: Operands and results of the largest operation, for one image.
    """

    images: Shape
    rows: Interval
    columns: Interval
    image_bytes: int
    _trace: Trace
    _still: Plan
    _moving: Plan
    _window: Box

    @property
    def shape(self) -> Shape:
        """Shape of the images that it takes."""
        (top, bottom), (left, right) = self.rows, self.columns
        return (self.images[0], bottom - top, right - left, self.images[3])

    @property
    def result_shape(self) -> Shape:
        """Shape of what it returns."""
        return size(self._window)

    @functools.cached_property
    def constants(self) -> dict[int, Array]:
        """What the operations read besides the image: weights, and whatever follows from them alone."""
        read = {number for op, _ in self._moving for number in op.reads} | {self._trace.result}
        if not self._still:
            return {number: value for number, value in self._trace.constants.items() if number in read}

        def compute(values: dict[int, Array]) -> dict[int, Array]:
            for op, step in self._still:
                values = values | dict(zip(op.makes, step.run(*(values[n] for n in op.reads)), strict=True))
            return {number: value for number, value in values.items() if number in read}

        # Not even inside a jit are these to be traced: they are kept. Nets of one structure share what computes them.
        with jax.ensure_compile_time_eval():
            return compiled(compute, self._trace.constants)(self._trace.constants)

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 over operations, parts and constants: what computes something else has another one."""
        # Values are counted as they come up here: what else the function computes, of other layers, changes nothing.
        counted = {self._trace.image: 0}
        digest = hashlib.sha256(repr((self.images, self._window)).encode())
        for op, step in self._moving:
            reads, makes = ([counted.setdefault(n, len(counted)) for n in each] for each in (op.reads, op.makes))
            digest.update(repr((str(op.primitive), sorted(op.params.items()), reads, makes, step[:2])).encode())
        digest.update(repr(counted.get(self._trace.result)).encode())
        for number in sorted(self.constants, key=lambda number: counted.get(number, -1)):
            value = self.constants[number]
            digest.update(repr((counted.get(number), value.shape, str(value.dtype))).encode())
            digest.update(np.asarray(value).tobytes())
        return digest.hexdigest()

    def __call__(self, images: Float[Array, "image h w channel"]) -> Float[Array, "..."]:
        """Returns the window of the result, from images of just these rows and columns.

        Raises:
            ImageError: If the images have another shape.
        """
        return self.apply(self.constants, images)

    def apply(self, constants: dict[int, Array], images: Float[Array, "image h w channel"]) -> Float[Array, "..."]:
        """Returns the window of the result; the constants come as an argument, and are not compiled into it."""
        if images.shape != self.shape:
            raise ImageError(
                f"got images of shape {images.shape} for a function of rows {self.rows} and columns {self.columns} of "
                f"images of shape {self.images}: wanted shape {self.shape}."
            )
        values = {self._trace.image: images, **constants}
        held = {number: whole(value.shape) for number, value in constants.items()}
        held[self._trace.image] = (0, self.images[0]), self.rows, self.columns, (0, self.images[3])
        for op, step in self._moving:
            parts = [
                None if box is None else part_of(values[number], held[number], box)
                for number, box in zip(op.reads, step.reads, strict=True)
            ]
            values |= dict(zip(op.makes, step.run(*parts), strict=True))
            held |= dict(zip(op.makes, step.makes, strict=True))
        return part_of(values[self._trace.result], held[self._trace.result], self._window)


def crop(function: Callable[..., Any], images: Shape, window: Window) -> Cropped:
    """Returns what computes part of a function's result from part of its images.

    Args:
        function: From images (image, row, column, channel) to one array. Pure; it is traced, not run.
        images: Shape of the whole images, float32.
        window: The part of the result that is wanted: an interval for each of its axes, None for a whole axis.

    Raises:
        ImageError: If the result has no such part.
    """
    trace = Trace(function, jax.ShapeDtypeStruct(images, jnp.float32))
    live = {trace.image}
    for op in trace.ops:
        if not live.isdisjoint(op.reads):
            live.update(op.makes)
    wanted = {trace.result: _within(window, trace.shapes[trace.result])}
    plan: list[tuple[Op, Step]] = []
    for op in reversed(trace.ops):
        if wanted.keys().isdisjoint(op.makes):
            continue
        # What no image changes is computed once, all of it.
        step = all_of(op, trace.shapes) if live.isdisjoint(op.makes) else step_of(op, trace.shapes, wanted)
        plan.append((op, step))
        for number, box in zip(op.reads, step.reads, strict=True):
            if box is not None:
                wanted[number] = hull(wanted[number], box) if number in wanted else box
    plan.reverse()
    moving = tuple((op, step) for op, step in plan if not live.isdisjoint(op.makes))
    _, rows, columns, _ = wanted.get(trace.image, whole(images))
    return Cropped(
        images=images,
        rows=rows,
        columns=columns,
        image_bytes=-(
            -max((_bytes(op, step, live) for op, step in moving), default=4 * math.prod(images)) // images[0]
        ),
        _trace=trace,
        _still=tuple((op, step) for op, step in plan if live.isdisjoint(op.makes)),
        _moving=moving,
        _window=wanted[trace.result],
    )


def _within(window: Window, shape: Shape) -> Box:
    """Returns the window as a box; refuses what does not lie in the result."""
    if len(window) == len(shape):
        box = tuple(every if given is None else given for given, every in zip(window, whole(shape), strict=True))
        if all(0 <= low < high <= n for (low, high), n in zip(box, shape, strict=True)):
            return box
    raise ImageError(
        f"crop was asked for the window {tuple(window)} of a result of shape {shape}: wanted for each axis an interval "
        "within it, (first, first beyond), or None for all of it."
    )


def _bytes(op: Op, step: Step, live: set[int]) -> int:
    parts = zip((*op.reads, *op.makes), (*step.reads, *step.makes), strict=True)
    return sum(4 * math.prod(b - a for a, b in box) for number, box in parts if box is not None and number in live)
