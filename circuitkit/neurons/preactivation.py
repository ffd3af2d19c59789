"""Where a layer's pre-activations are in a net's own function, and what they read: found in its operations.

A net is traced as a list of operations on images. From a layer's maps we walk back over its nonlinearity, unit by unit,
to the value before it; from there over what is linear (biases, batch norms, sums over the same inputs) to a convolution
or a dense product, and to what that reads. Nothing is assumed of the net, and nothing is run.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit.cropping.parts import all_of, step_of
from circuitkit.cropping.trace import Op, Trace
from circuitkit.errors import NeuronsError

_WEIGHING = {"conv_general_dilated", "dot_general"}
_SCALING = {"add", "sub", "add_any", "mul", "div", "neg", "convert_element_type", "copy", "copy_p", "reduce_precision"}
_SUMS = {"add", "sub", "add_any"}
_MOVING = {"concatenate", "reshape", "transpose", "squeeze", "broadcast_in_dim", "slice", "expand_dims", "rev"}
_NONNEGATIVE = {"abs", "exp", "exp2", "logistic", "sqrt", "square"}
_KEEPS_SIGN = {"add", "add_any", "mul", "div", "min", "max", "reduce_sum", "reduce_max", "reduce_min", "pad"} | {
    "reduce_window_max", "reduce_window_sum", "copy", "copy_p", "convert_element_type", "reduce_precision",
} | _MOVING  # fmt: skip

_WHAT = {
    "reduce_window_max": "a max-pool",
    "reduce_window_min": "a min-pool",
    "reduce_window_sum": "an average pool, or a normalisation across units",
    "reduce_sum": "a mean or sum over places or units, as in a global pool, a softmax or a layer norm",
    "reduce_max": "a maximum over units or places, as in a softmax or a global pool",
    "argmax": "a choice of the largest unit",
    "sort": "a sorting of units",
    "add": "a sum of several branches, as in a residual block",
    "sub": "a difference of several branches",
    "mul": "a product of activations, as in a gate",
    "div": "a quotient of activations, as in a softmax or a normalisation",
    "concatenate": "several layers side by side that do not all read the same",
    "conv_general_dilated": "a convolution whose kernel hangs on the image",
    "dot_general": "a product of two activations, as in attention",
}

_JOINING = {"add", "sub", "mul", "div", "concatenate"}


class Traced:
    """The operations that lead from images to a layer's maps.

    Attributes:
        result: Number of the value that the maps are.
        image: Number of the value that the images are.
        shapes: Of all values, by number.
        instead: For each value that a nonlinearity makes at the end of the layer, the value before it.
        reads: Number of the value that the layer's weights read, or that is an affine image of it without mixing.
    """

    def __init__(self, function: Callable[..., Any], shape: tuple[int, ...], *, owner: str) -> None:
        """Traces a function of images (image, row, column, channel) of a shape.

        Raises:
            NeuronsError: If its result is no layer of pre-activations; the message says what it is.
        """
        self._trace = trace = Trace(function, jax.ShapeDtypeStruct(shape, jnp.float32))
        self._owner = owner
        self.image, self.result, self.shapes = trace.image, trace.result, trace.shapes
        self._made_by = {number: op for op in trace.ops for number in op.makes}
        self._live = {trace.image}
        for op in trace.ops:
            if not self._live.isdisjoint(op.reads):
                self._live.update(op.makes)
        self._roots: dict[int, int | None] = {}
        self.instead = self._before(self.result)
        root = self._root_of_all(self.result, self.instead)
        self.reads = self._back(root)

    def before_relu(self, number: int) -> dict[int, int] | None:
        """Returns the value before each ReLU that makes part of a value; None if that is not the ReLU of a layer."""
        try:
            instead = self._before(number)
            self._root_of_all(number, instead)
        except NeuronsError:
            return None
        return instead if self._is_relu_of(number, instead) else None

    def root_of(self, number: int, instead: Mapping[int, int]) -> int:
        """Returns what a value, with some replaced, is an affine function of; see `reads`."""
        return self._back(self._root_of_all(number, instead))

    def is_relu(self) -> bool:
        """Says whether the layer's own nonlinearity is a ReLU, in all of its parts."""
        return self._is_relu_of(self.result, self.instead)

    def nonnegative(self, number: int) -> bool:
        """Says whether a value cannot be below 0, whatever the image: after a ReLU, and pools and the like of it."""
        if number not in self._live:
            return bool((np.asarray(self._constant(number)) >= 0).all())
        op = self._made_by.get(number)
        if op is None:
            return False
        name = op.primitive.name
        if name in _NONNEGATIVE or (name == "integer_pow" and op.params["y"] % 2 == 0):
            return True
        if name == "max" and any(self.nonnegative(each) for each in op.reads):
            return True
        if name == "clamp":
            return self.nonnegative(op.reads[0])
        return name in _KEEPS_SIGN and all(self.nonnegative(each) for each in op.reads)

    def parts(self, number: int) -> tuple[int, ...]:
        """Returns the values that one is made of by laying units side by side: itself, where it is not.

        Slices of space, which keep all units, are passed over.
        """
        op = self._made_by.get(number)
        if op is None:
            return (number,)
        name, units = op.primitive.name, self.shapes[number][-1]
        if name == "concatenate" and op.params["dimension"] == len(self.shapes[number]) - 1:
            return tuple(part for each in op.reads for part in self.parts(each))
        if name == "slice" and self.shapes[op.reads[0]][-1] == units:
            return self.parts(op.reads[0])
        return (number,)

    def from_image(self, number: int) -> bool:
        """Says whether no weights lead to a value: it is the image, perhaps prepared for the net."""
        waiting, seen = [number], {number}
        while waiting:
            op = self._made_by.get(waiting.pop())
            if op is None:
                continue
            if op.primitive.name in _WEIGHING:
                return False
            new = {each for each in op.reads if each in self._live} - seen
            seen |= new
            waiting.extend(new)
        return True

    def run(
        self, given: Mapping[int, Array], wanted: int, instead: Mapping[int, int] | None = None
    ) -> Float[Array, "..."]:
        """Returns a value from the values of some others; may be traced.

        Args:
            given: Values by number, for as many images as the trace was made for.
            wanted: The number of the value.
            instead: Values that are replaced by others.
        """
        swapped = instead or {}
        needed, order = {swapped.get(wanted, wanted)} - set(given), []
        for op in reversed(self._trace.ops):
            if not needed.isdisjoint(op.makes):
                order.append(op)
                needed.update({swapped.get(each, each) for each in op.reads} - set(given))
        values: dict[int, Any] = {**self._trace.constants, **given}
        for op in reversed(order):
            made = all_of(op, self.shapes).run(*(values[swapped.get(each, each)] for each in op.reads))
            values |= dict(zip(op.makes, made, strict=True))
        return values[swapped.get(wanted, wanted)]

    def layout(self, number: int) -> tuple[int, int, int, int] | None:
        """Returns which axes of a value are image, row, column and unit; None if it has no space.

        Convolutions that read it say so; where none does, it is as maps are here.
        """
        if len(self.shapes[number]) != 4:
            return None
        for op in self._trace.ops:
            if op.primitive.name == "conv_general_dilated" and self._back(op.reads[0]) == number:
                batch, unit, *space = op.params["dimension_numbers"].lhs_spec
                return (batch, *space, unit)
        return (0, 1, 2, 3)

    def _before(self, number: int) -> dict[int, int]:
        """Returns what stands before the nonlinearities that a value ends in, by the value that each makes."""
        if self._root(number) is not None:
            return {}
        op = self._made_by.get(number)
        if op is not None and op.primitive.name in _MOVING:
            found: dict[int, int] = {}
            for each in op.reads:
                if each in self._live:
                    found |= self._before(each)
            return found
        before = None if op is None else self._dominator(number)
        if before is None:
            raise NeuronsError(self._complaint(number))
        return {number: before}

    def _dominator(self, number: int) -> int | None:
        """Returns the nearest pre-activation that alone decides a value, unit by unit."""
        region, ends = self._region(number)
        for each in sorted(region | ends, reverse=True):
            if each != number and self._root(each) is not None and not self._region(number, stop=each)[1] - {each}:
                return each
        return None

    def _region(self, number: int, *, stop: int | None = None) -> tuple[set[int], set[int]]:
        """Returns the values before one that are made unit by unit, and those where that ends."""
        region: set[int] = set()
        ends: set[int] = set()
        waiting = [number]
        while waiting:
            here = waiting.pop()
            if here in region or here in ends:
                continue
            op = self._made_by.get(here)
            if here == stop or op is None or not self._unit_by_unit(op):
                ends.add(here)
                continue
            region.add(here)
            waiting.extend(each for each in op.reads if each in self._live)
        return region, ends

    def _unit_by_unit(self, op: Op) -> bool:
        """Says whether an operation makes each number of those at the very same place alone."""
        made = op.makes[0]
        shape = self.shapes[made]
        if op.primitive.name in _MOVING or any(self.shapes[n] != shape for n in op.reads if n in self._live):
            return False
        one = tuple((min(axis, n - 1), min(axis, n - 1) + 1) for axis, n in enumerate(shape))
        if math.prod(shape) == 1:  # of a single number one cannot tell
            return op.primitive.name not in _WEIGHING
        reads = step_of(op, self.shapes, {made: one}).reads
        return all(box == one for number, box in zip(op.reads, reads, strict=True) if number in self._live)

    def _root(self, number: int) -> int | None:
        """Returns what the weights read of which a value is an affine function; None if it is none."""
        if number not in self._roots:
            self._roots[number] = None  # until it is known
            self._roots[number] = self._found_root(number)
        return self._roots[number]

    def _found_root(self, number: int) -> int | None:
        op = self._made_by.get(number)
        if op is None:
            return None
        name, live = op.primitive.name, [each for each in op.reads if each in self._live]
        if name in _WEIGHING:
            return live[0] if len(live) == 1 and (name == "dot_general" or live[0] == op.reads[0]) else None
        divided = name == "div" and op.reads[1] in self._live
        if (name in _SCALING and (len(live) == 1 or name in _SUMS) and not divided) or name in _MOVING:
            roots = {self._root(each) for each in live}
            return roots.pop() if len(roots) == 1 else None
        return None

    def _root_of_all(self, number: int, instead: Mapping[int, int]) -> int:
        """Returns the one value that all parts of a value read."""
        roots = {self._root(each) for each in instead.values()} or {self._root(number)}
        if len(roots) > 1 or None in roots:
            raise NeuronsError(self._described("concatenate"))
        (root,) = roots
        if root is None:
            raise NeuronsError(self._complaint(number))
        return root

    def _back(self, number: int) -> int:
        """Returns the activation that a value is an affine image of, unit by unit: before a batch norm, say.

        If that leads to no activation and no image, the value itself.
        """
        here, dense = number, len(self.shapes[number]) != 4
        while (op := self._made_by.get(here)) is not None:
            name, live = op.primitive.name, [each for each in op.reads if each in self._live]
            moved = name in ("pad", "rev") or (dense and name in ("reshape", "transpose", "squeeze", "expand_dims"))
            scaled = name in _SCALING and not (name == "div" and op.reads[1] in self._live)
            if len(live) != 1 or not (moved or (scaled and self.shapes[live[0]] == self.shapes[here])):
                # A sum, a mean or another layer's weights: nothing to stand on.
                activation = name not in _WEIGHING | _SCALING | {"reduce_sum", "broadcast_in_dim", "slice", "reshape"}
                return here if activation else number
            here = live[0]
        return here

    def _is_relu_of(self, number: int, instead: Mapping[int, int]) -> bool:
        """Says whether all parts of a value are ReLUs of what stands before them."""
        if number in instead:
            return self._is_relu(number, instead[number])
        op = self._made_by.get(number)
        if op is None or op.primitive.name not in _MOVING:
            return False
        return all(self._is_relu_of(each, instead) for each in op.reads if each in self._live)

    def _is_relu(self, made: int, before: int) -> bool:
        op = self._made_by.get(made)
        if op is None or op.primitive.name != "max" or before not in op.reads:
            return False
        others = [each for each in op.reads if each != before]
        return len(others) == 1 and others[0] not in self._live and not np.any(np.asarray(self._constant(others[0])))

    def _constant(self, number: int) -> Any:
        """Returns a value that no image changes."""
        with jax.ensure_compile_time_eval():
            return self.run({}, number)

    def _complaint(self, number: int) -> str:
        """Says what a layer is that is not read."""
        met, weighing = self._met(number)
        if met:
            return self._described(min(met, key=list(_WHAT).index))
        region, _ = self._region(number)
        for each in sorted(region, reverse=True):  # the last operation that joins what comes by several ways
            op = self._made_by[each]
            ways = {frozenset(self._region(way)[1]) for way in op.reads if way in self._live}
            if len(ways) > 1:
                return self._described(op.primitive.name)
        if weighing:
            return self._described(next(iter(weighing)))
        return f"{self._owner} is the image, each of its values alone: wanted a layer that has weights."

    def _met(self, number: int) -> tuple[set[str], set[str]]:
        """Returns what mixes places or units on the way back from a value to weights, and what weighs there."""
        met: set[str] = set()
        weighing: set[str] = set()
        waiting, seen = [number], {number}
        while waiting:
            op = self._made_by.get(waiting.pop())
            if op is None:
                continue
            name = op.primitive.name
            if name in _WEIGHING or (name in _WHAT and name not in _JOINING):
                (weighing if name in _WEIGHING else met).add(name)
                continue
            new = {each for each in op.reads if each in self._live} - seen
            seen |= new
            waiting.extend(new)
        return met, weighing

    def _described(self, name: str) -> str:
        what = _WHAT.get(name, f"made by an operation {name!r}")
        return (
            f"{self._owner} is {what}: wanted one dense layer or convolution, with or without a nonlinearity after it."
        )
