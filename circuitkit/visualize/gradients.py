"""A function whose gradient is taken many times: the same values, by operations whose gradients are fast and alive.

Some operations are exchanged, wherever in the function they are:

* **Max-pooling.** XLA's own gradient of it (select-and-scatter) runs on one core and takes half of a step. Ours keeps
  which of a window's elements was the largest, as one byte, and adds up shifted copies. Of equal elements the first
  one gets the gradient, as in XLA.
* **ReLU** passes no gradient where it is off, so that a unit that is silent to begin with could never be woken. While
  an image is *asleep*, what would raise a unit that is off passes too. Once it responds, the exact gradient is used, so
  what is found is a maximum of the net itself.
* **A convolution whose kernel covers its map** is an inner product. Its own gradient would be a convolution with as
  many taps, nearly all of them on padding.

**Forms for one platform** (`lax.platform_dependent`) are chosen for running, not for differentiating; the default one
takes their place.

Source of the passing gradient: `redirected_relu_grad` of lucid (Olah et al., 2017), which decides for each operation by
itself, and for the first 16 steps only.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core
from jaxtyping import Array, Bool, Float

Asleep = Bool[Array, " image"]
"""For each image, whether gradients pass units that are off."""

_CALLS = ("jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call")


def exchanged(function: Callable[..., Any], *given: Any) -> Callable[..., Any]:
    """Returns the function with its operations exchanged; it takes which images are asleep before its own arguments.

    Args:
        function: Pure. Its last argument are the images, and the first axis of all that depends on them is the image.
        *given: Arguments that stay what they are, as values: a ReLU is a maximum with an operand that is 0.
    """
    zero = [_is_zero(leaf) for leaf in jax.tree.leaves(given)]

    def run(asleep: Asleep, *arguments: Any) -> Any:
        closed, shape = jax.make_jaxpr(function, return_shape=True)(*arguments)
        leaves = jax.tree.leaves(arguments)
        known = [*zero, *[False] * (len(leaves) - len(zero))]
        results = _run(closed, leaves, known, asleep)
        return jax.tree.unflatten(jax.tree.structure(shape), results)

    return run


def _run(closed: Any, leaves: Sequence[Any], known: Sequence[bool], asleep: Asleep) -> list[Any]:
    """Evaluates a jaxpr.

    Args:
        closed: The jaxpr.
        leaves: Its arguments.
        known: Which of them are 0 throughout.
        asleep: For each image.
    """
    jaxpr = closed.jaxpr
    values = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*closed.consts, *leaves), strict=True))
    zeros = {var for var, is_zero in zip(jaxpr.invars, known, strict=True) if is_zero}
    zeros |= {var for var, value in zip(jaxpr.constvars, closed.consts, strict=True) if _is_zero(value)}

    def value(atom: Any) -> Any:
        return atom.val if isinstance(atom, core.Literal) else values[atom]

    def is_zero(atom: Any) -> bool:
        return _is_zero(atom.val) if isinstance(atom, core.Literal) else atom in zeros

    for eqn in jaxpr.eqns:
        name, operands, zero = eqn.primitive.name, [*map(value, eqn.invars)], [*map(is_zero, eqn.invars)]
        if (inner := _inner(eqn, operands)) is not None:
            body, operands, zero = inner, operands[-len(inner.jaxpr.invars) :], zero[-len(inner.jaxpr.invars) :]
            made = _run(body, operands, zero, asleep)
        elif name == "platform_index":
            made = [len(eqn.params["platforms"]) - 1]
        elif name == "max" and any(zero):
            made = [_relu(operands[zero.index(True) - 1], asleep)]
        elif name == "conv_general_dilated" and _covers(eqn):
            made = [_product(operands[0], operands[1], eqn.params["dimension_numbers"])]
        elif name == "reduce_window_max" and _pools(eqn):
            params, shape = eqn.params, operands[0].shape
            made = [
                pool(
                    shape[1:3], params["window_dimensions"][1:3], params["window_strides"][1:3], params["padding"][1:3]
                )(operands[0])
            ]
        else:
            # Since JAX 0.10 functions are among the parameters.
            bound = eqn.primitive.get_bind_params(eqn.params)
            functions, params = bound if isinstance(bound, tuple) else ((), bound)
            found = eqn.primitive.bind(*functions, *operands, **params)
            made = found if eqn.primitive.multiple_results else [found]
        values |= dict(zip(eqn.outvars, made, strict=True))
        if name in ("broadcast_in_dim", "convert_element_type", "reshape") and zero[0]:
            zeros.add(eqn.outvars[0])
    return [value(atom) for atom in jaxpr.outvars]


def _inner(eqn: Any, operands: Sequence[Any]) -> Any:
    """Returns the function that an operation calls, or None."""
    if eqn.primitive.name == "cond" and isinstance(operands[0], int):  # a platform that has been chosen
        return eqn.params["branches"][operands[0]]
    if eqn.primitive.name not in _CALLS:
        return None
    inner = eqn.params.get("jaxpr", eqn.params.get("call_jaxpr"))
    return inner if isinstance(inner, core.ClosedJaxpr) else None


def _is_zero(value: Any) -> bool:
    if isinstance(value, jax.core.Tracer):
        return False
    return bool(np.all(np.asarray(value) == 0))


@jax.custom_vjp
def _relu(x: Float[Array, "image *rest"], asleep: Asleep) -> Float[Array, "image *rest"]:
    """Returns max(x, 0)."""
    del asleep
    return jnp.maximum(x, 0.0)


def _relu_forward(x: Float[Array, "image *rest"], asleep: Asleep) -> tuple[Array, tuple[Array, Asleep]]:
    y = jnp.maximum(x, 0.0)
    return y, (y, asleep)


def _relu_backward(kept: tuple[Array, Asleep], gradient: Array) -> tuple[Array, None]:
    y, asleep = kept
    # Whoever descends along a negative gradient raises the unit.
    raised = asleep.reshape(-1, *[1] * (y.ndim - 1)) & (gradient < 0)
    return jnp.where((y > 0) | raised, gradient, 0.0), None


_relu.defvjp(_relu_forward, _relu_backward)


def _covers(eqn: Any) -> bool:
    """Returns whether a convolution's kernel covers all of its map, so that one unit a channel reads it."""
    params, numbers = eqn.params, eqn.params["dimension_numbers"]
    x, kernel = (atom.aval for atom in eqn.invars)
    return (
        [x.shape[axis] for axis in numbers.lhs_spec[2:]] == [kernel.shape[axis] for axis in numbers.rhs_spec[2:]]
        and not any(itertools.chain.from_iterable(params["padding"]))
        and {*params["lhs_dilation"], *params["rhs_dilation"]} == {1}
        and params["feature_group_count"] == params["batch_group_count"] == 1
    )


def _product(x: Array, kernel: Array, numbers: Any) -> Array:
    """Returns the convolution with a kernel that covers the map: its gradient slides nothing, either."""
    made = lax.dot_general(x, kernel, ((numbers.lhs_spec[1:], numbers.rhs_spec[1:]), ((), ())), precision="highest")
    place = {axis: number for number, axis in enumerate(numbers.out_spec)}
    return made.reshape(*made.shape, *[1] * (x.ndim - 2)).transpose([place[axis] for axis in range(x.ndim)])


def _pools(eqn: Any) -> bool:
    """Returns whether an operation is a pool over rows and columns of (image, row, column, channel)."""
    params, window = eqn.params, eqn.params["window_dimensions"]
    return (
        len(window) == 4
        and window[0] == window[3] == params["window_strides"][0] == params["window_strides"][3] == 1
        and params["padding"][0] == params["padding"][3] == (0, 0)
        and set(params["base_dilation"]) == set(params["window_dilation"]) == {1}
        and window[1] * window[2] <= 256  # a place is kept as one byte
        and eqn.invars[0].aval.dtype == jnp.float32
    )


@functools.cache
def pool(
    side: tuple[int, int], window: tuple[int, int], strides: tuple[int, int], padding: tuple[tuple[int, int], ...]
) -> Callable[[Float[Array, "image h w channel"]], Float[Array, "image row column channel"]]:
    """Returns max-pooling of (image, row, column, channel), with a gradient of its own.

    Args:
        side: Rows and columns of the map.
        window: Rows and columns of the window.
        strides: Down and across.
        padding: Before and after the rows, and the columns.
    """
    padded = [n + sum(pads) for n, pads in zip(side, padding, strict=True)]
    rows, columns = ((n - size) // step + 1 for n, size, step in zip(padded, window, strides, strict=True))
    (down, across), taps = strides, list(itertools.product(*map(range, window)))

    def forward(x: Float[Array, "image h w channel"]) -> tuple[Array, Array]:
        whole = lax.pad(x, jnp.array(-jnp.inf, x.dtype), [(0, 0, 0), *((*pads, 0) for pads in padding), (0, 0, 0)])

        def at(i: int, j: int) -> Array:
            stop = (x.shape[0], i + (rows - 1) * down + 1, j + (columns - 1) * across + 1, x.shape[3])
            return lax.slice(whole, (0, i, j, 0), stop, (1, down, across, 1))

        best = at(0, 0)
        place = jnp.zeros(best.shape, jnp.uint8)
        for number, (i, j) in enumerate(taps[1:], start=1):
            seen = at(i, j)
            place = jnp.where(seen > best, jnp.uint8(number), place)
            best = jnp.maximum(seen, best)
        return best, place

    def backward(place: Array, gradient: Array) -> tuple[Array]:
        # Elements that lie a stride apart meet the same taps of the window, so each such phase is a sum of shifts.
        counts = [-(-n // step) for n, step in zip(padded, strides, strict=True)]
        before = [(size - 1) // step for size, step in zip(window, strides, strict=True)]
        room = [(0, 0, 0), *((b, n - m, 0) for b, n, m in zip(before, counts, (rows, columns), strict=True)), (0, 0, 0)]
        gradient = lax.pad(gradient, jnp.zeros((), gradient.dtype), room)
        place = lax.pad(place, jnp.uint8(0), room)
        gradient, place = lax.optimization_barrier((gradient, place))

        def phase(a: int, b: int) -> Array:
            total = jnp.zeros((gradient.shape[0], *counts, gradient.shape[3]), gradient.dtype)
            for number, (i, j) in enumerate(taps):
                if (i % down, j % across) == (a, b):
                    starts = (0, before[0] - i // down, before[1] - j // across, 0)
                    stops = [start + n for start, n in zip(starts, total.shape, strict=True)]
                    here = lax.slice(place, starts, stops) == number
                    total = total + jnp.where(here, lax.slice(gradient, starts, stops), 0.0)
            return total

        n, (height, width), channels = gradient.shape[0], counts, gradient.shape[3]
        lines = [jnp.concatenate([phase(a, b) for b in range(across)], axis=3) for a in range(down)]
        lines = [line.reshape(n, height, width * across, channels) for line in lines]
        whole = jnp.concatenate(lines, axis=2).reshape(n, height * down, width * across, channels)
        (top, _), (left, _) = padding
        return (whole[:, top : top + side[0], left : left + side[1]],)

    pooled = jax.custom_vjp(lambda x: forward(x)[0])
    pooled.defvjp(forward, backward)
    return pooled
