"""Which part of its operands an operation needs, for part of its result: one rule an operation.

A part is a box: an interval along each axis. A rule returns the boxes to read, the box that is then computed (at least
what was asked for), and the operation on these parts. Where an operation has no rule, all of it is computed.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from circuitkit.cropping.convolution import convolve
from circuitkit.cropping.trace import Op, Shape

Interval = tuple[int, int]
"""From, and up to but without, along one axis."""

Box = tuple[Interval, ...]
"""A part of an array: an interval along each axis."""


class Step(NamedTuple):
    """An operation on a part.

    Attributes:
        reads: The part of each operand that it takes; None if it does without.
        makes: The part of its results that it computes, which holds the part that was asked for.
        run: Takes the parts, and returns the part of each result.
    """

    reads: tuple[Box | None, ...]
    makes: tuple[Box, ...]
    run: Callable[..., Sequence[Any]]


def whole(shape: Shape) -> Box:
    """Returns all of an array."""
    return tuple((0, n) for n in shape)


def hull(box: Box, other: Box) -> Box:
    """Returns the smallest box that holds two."""
    return tuple((min(a, c), max(b, d)) for (a, b), (c, d) in zip(box, other, strict=True))


def size(box: Box) -> Shape:
    """Returns the shape of a part."""
    return tuple(high - low for low, high in box)


def part_of(value: Any, held: Box, wanted: Box) -> Any:
    """Returns a part of a value of which `held` is at hand."""
    if held == wanted:
        return value
    starts = [low - first for (low, _), (first, _) in zip(wanted, held, strict=True)]
    return lax.slice(value, starts, [start + n for start, n in zip(starts, size(wanted), strict=True)])


def step_of(op: Op, shapes: Sequence[Shape], wanted: dict[int, Box]) -> Step:
    """Returns the operation on the smallest parts that make what is wanted of its results."""
    rule = _RULES.get(op.primitive.name)
    if rule is None or len(op.makes) > 1:
        return all_of(op, shapes)
    step = rule(op, [shapes[number] for number in op.reads], shapes[op.makes[0]], wanted[op.makes[0]])
    return all_of(op, shapes) if step is None else step


def all_of(op: Op, shapes: Sequence[Shape]) -> Step:
    """Returns an operation of which nothing is known: all of it is computed."""

    def run(*values: Any) -> Sequence[Any]:
        bound = op.primitive.get_bind_params(op.params)
        # Since JAX 0.10 functions are among the parameters.
        functions, params = bound if isinstance(bound, tuple) else ((), bound)
        made = op.primitive.bind(*functions, *values, **params)
        return made if op.primitive.multiple_results else [made]

    return Step(tuple(whole(shapes[n]) for n in op.reads), tuple(whole(shapes[n]) for n in op.makes), run)


def _elementwise(op: Op, operands: list[Shape], shape: Shape, box: Box) -> Step:
    """Operands are of the result's shape, of length 1 along some axes, or numbers."""
    reads = tuple(
        tuple(part if m == n else (0, 1) for part, m, n in zip(box, operand, shape, strict=True)) if operand else ()
        for operand in operands
    )
    return Step(reads, (box,), lambda *parts: [op.primitive.bind(*parts, **op.params)])


def _reduce(op: Op, operands: list[Shape], shape: Shape, box: Box) -> Step:
    del shape
    kept = iter(box)
    read = tuple((0, n) if axis in op.params["axes"] else next(kept) for axis, n in enumerate(operands[0]))
    return Step((read,), (box,), lambda part: [op.primitive.bind(part, **op.params)])


def _broadcast(op: Op, operands: list[Shape], shape: Shape, box: Box) -> Step:
    axes = op.params["broadcast_dimensions"]
    read = tuple(box[axis] if n == shape[axis] else (0, 1) for n, axis in zip(operands[0], axes, strict=True))
    return Step((read,), (box,), lambda part: [lax.broadcast_in_dim(part, size(box), axes)])


def _transpose(op: Op, operands: list[Shape], shape: Shape, box: Box) -> Step:
    del operands, shape
    order = op.params["permutation"]
    read = tuple(box[order.index(axis)] for axis in range(len(order)))
    return Step((read,), (box,), lambda part: [lax.transpose(part, order)])


def _squeeze(op: Op, operands: list[Shape], shape: Shape, box: Box) -> Step:
    del shape
    kept = iter(box)
    axes = op.params["dimensions"]
    read = tuple((0, 1) if axis in axes else next(kept) for axis in range(len(operands[0])))
    return Step((read,), (box,), lambda part: [lax.squeeze(part, axes)])


def _reshape(op: Op, operands: list[Shape], shape: Shape, box: Box) -> Step | None:
    """Where axes are split or joined, the first of them is cropped, and the others are taken whole."""
    if op.params["dimensions"] is not None:
        return None
    (before,) = operands
    read, made = [(0, n) for n in before], [(0, n) for n in shape]
    sources = [axis for axis, n in enumerate(before) if n != 1]
    targets = [axis for axis, n in enumerate(shape) if n != 1]
    while sources and targets:
        taken, given = [sources.pop(0)], [targets.pop(0)]
        while (small := math.prod(before[axis] for axis in taken)) != (
            large := math.prod(shape[axis] for axis in given)
        ):
            (taken if small < large else given).append((sources if small < large else targets).pop(0))
        # Elements behind one step of the first axis; a cut must lie between two steps on both sides.
        source, target = small // before[taken[0]], large // shape[given[0]]
        both = math.lcm(source, target)
        low, high = (edge * target for edge in box[given[0]])
        low, high = low // both * both, -(-high // both) * both
        read[taken[0]], made[given[0]] = (low // source, high // source), (low // target, high // target)
    return Step((tuple(read),), (tuple(made),), lambda part: [lax.reshape(part, size(tuple(made)))])


def _reverse(op: Op, operands: list[Shape], shape: Shape, box: Box) -> Step:
    del operands
    axes = op.params["dimensions"]
    read = tuple(
        (n - high, n - low) if axis in axes else (low, high)
        for axis, (n, (low, high)) in enumerate(zip(shape, box, strict=True))
    )
    return Step((read,), (box,), lambda part: [lax.rev(part, axes)])


def _slice(op: Op, operands: list[Shape], shape: Shape, box: Box) -> Step:
    del shape
    steps = op.params["strides"] or (1,) * len(operands[0])
    read = tuple(
        (start + low * step, start + (high - 1) * step + 1)
        for start, step, (low, high) in zip(op.params["start_indices"], steps, box, strict=True)
    )
    return Step((read,), (box,), lambda part: [lax.slice(part, (0,) * part.ndim, part.shape, steps)])


def _concatenate(op: Op, operands: list[Shape], shape: Shape, box: Box) -> Step:
    """Operands outside the part are left out."""
    del shape
    axis, start = op.params["dimension"], 0
    reads: list[Box | None] = []
    for operand in operands:
        low, high = max(box[axis][0] - start, 0), min(box[axis][1] - start, operand[axis])
        reads.append((*box[:axis], (low, high), *box[axis + 1 :]) if low < high else None)
        start += operand[axis]
    return Step(
        tuple(reads), (box,), lambda *parts: [lax.concatenate([part for part in parts if part is not None], axis)]
    )


def _pad(op: Op, operands: list[Shape], shape: Shape, box: Box) -> Step:
    del shape
    config = [(int(before), int(between) + 1) for before, _, between in op.params["padding_config"]]
    pairs = [
        _covered(low - before, high - before, n, apart)
        for (low, high), (before, apart), n in zip(box, config, operands[0], strict=True)
    ]
    read = tuple(pair[0] for pair in pairs)
    padding = [(*pads, apart - 1) for (_, pads), (_, apart) in zip(pairs, config, strict=True)]
    return Step((read, ()), (box,), lambda part, fill: [lax.pad(part, fill, padding)])


def _gather(op: Op, operands: list[Shape], shape: Shape, box: Box) -> Step:
    """Axes along which no index chooses are cropped; of the others all is computed, whatever the indices."""
    numbers, slices = op.params["dimension_numbers"], list(op.params["slice_sizes"])
    apart = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    offsets = zip([axis for axis in range(len(slices)) if axis not in apart], numbers.offset_dims, strict=True)
    read, made = list(whole(operands[0])), list(whole(shape))
    for axis, target in offsets:
        if slices[axis] == operands[0][axis]:
            read[axis] = made[target] = box[target]
            slices[axis] = box[target][1] - box[target][0]
    how = {**op.params, "slice_sizes": tuple(slices)}
    return Step(
        (tuple(read), whole(operands[1])),
        (tuple(made),),
        lambda part, indices: [op.primitive.bind(part, indices, **how)],
    )


def _covered(low: int, high: int, n: int, apart: int = 1) -> tuple[Interval, Interval]:
    """Returns which of `n` elements an interval holds, at least one, and how much padding makes up the interval.

    The elements lie at 0, `apart`, twice `apart`, and so on.
    """
    first = min(max(-(-low // apart), 0), n - 1)
    last = max(min((high - 1) // apart + 1, n), first + 1)
    return (first, last), (first * apart - low, high - 1 - (last - 1) * apart)


def _seen(
    interval: Interval, n: int, *, kernel: int, stride: int, dilation: int, before: int, apart: int
) -> tuple[Interval, Interval]:
    """Returns what a window that slides along `n` elements sees for an interval of its results, and its padding."""
    low, high = interval
    return _covered(low * stride - before, (high - 1) * stride - before + (kernel - 1) * dilation + 1, n, apart)


def _convolution(op: Op, operands: list[Shape], shape: Shape, box: Box) -> Step | None:
    params, numbers = op.params, op.params["dimension_numbers"]
    if params["batch_group_count"] != 1:
        return None
    grouped = params["feature_group_count"] != 1
    read, weights, made, padding = list(whole(operands[0])), list(whole(operands[1])), list(box), []
    read[numbers.lhs_spec[0]] = box[numbers.out_spec[0]]
    if grouped:
        made[numbers.out_spec[1]] = (0, shape[numbers.out_spec[1]])
    else:
        weights[numbers.rhs_spec[0]] = box[numbers.out_spec[1]]
    for place, (axis, tap, out) in enumerate(
        zip(numbers.lhs_spec[2:], numbers.rhs_spec[2:], numbers.out_spec[2:], strict=True)
    ):
        read[axis], pads = _seen(
            box[out],
            operands[0][axis],
            kernel=operands[1][tap],
            stride=params["window_strides"][place],
            dilation=params["rhs_dilation"][place],
            before=params["padding"][place][0],
            apart=params["lhs_dilation"][place],
        )
        padding.append(pads)
    how = {**params, "padding": tuple(padding)}
    # XLA adds up halves in float32; sums that are written out would round after each term.
    run = convolve if op.equation.outvars[0].aval.dtype == jnp.float32 else op.primitive.bind
    return Step((tuple(read), tuple(weights)), (tuple(made),), lambda x, kernel: [run(x, kernel, **how)])


def _pool(op: Op, operands: list[Shape], shape: Shape, box: Box) -> Step:
    del shape
    params = op.params
    pairs = [
        _seen(part, n, kernel=kernel, stride=stride, dilation=dilation, before=before, apart=apart)
        for part, n, kernel, stride, dilation, (before, _), apart in zip(
            box,
            operands[0],
            params["window_dimensions"],
            params["window_strides"],
            params["window_dilation"],
            params["padding"],
            params["base_dilation"],
            strict=True,
        )
    ]
    read, padding = tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)
    return Step((read,), (box,), lambda part: [op.primitive.bind(part, **{**params, "padding": padding})])


def _product(op: Op, operands: list[Shape], shape: Shape, box: Box) -> Step:
    """Axes: those of both (batch), then the left's own, then the right's own."""
    del shape
    (left_sum, right_sum), (left_both, right_both) = op.params["dimension_numbers"]
    both, own = list(box[: len(left_both)]), iter(box[len(left_both) :])

    def read(operand: Shape, summed: Sequence[int], shared: Sequence[int]) -> Box:
        part = dict(zip(shared, both, strict=True))
        return tuple(
            part[axis] if axis in part else (0, n) if axis in summed else next(own) for axis, n in enumerate(operand)
        )

    reads = (read(operands[0], left_sum, left_both), read(operands[1], right_sum, right_both))
    return Step(reads, (box,), lambda left, right: [op.primitive.bind(left, right, **op.params)])


_ELEMENTWISE = (
    "abs add add_any and atan2 cbrt ceil clamp convert_element_type copy cos cosh div eq erf erf_inv erfc exp exp2 "
    "expm1 floor ge gt integer_pow is_finite le log log1p logistic lt max min mul name ne neg nextafter not or pow "
    "reduce_precision rem round rsqrt select_n sign sin sinh sqrt square stop_gradient sub tan tanh xor"
).split()

_RULES: dict[str, Callable[[Op, list[Shape], Shape, Box], Step | None]] = {
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    **dict.fromkeys(("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or"), _reduce),
    **dict.fromkeys(("reduce_window_max", "reduce_window_min", "reduce_window_sum"), _pool),
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "conv_general_dilated": _convolution,
    "dot_general": _product,
    "gather": _gather,
    "pad": _pad,
    "reshape": _reshape,
    "rev": _reverse,
    "slice": _slice,
    "squeeze": _squeeze,
    "transpose": _transpose,
}
