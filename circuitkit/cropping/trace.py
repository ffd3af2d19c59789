"""A function in JAX as a flat list of operations."""

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

Shape = tuple[int, ...]


class Op(NamedTuple):
    """An operation of the whole function; values go by number."""

    equation: Any
    reads: tuple[int, ...]
    makes: tuple[int, ...]

    @property
    def primitive(self) -> Any:
        """The operator."""
        return self.equation.primitive

    @property
    def params(self) -> dict[str, Any]:
        """Its options."""
        return self.equation.params


class Trace:
    """A function as a flat list of operations; functions within it are written out."""

    def __init__(self, function: Callable[..., Any], images: jax.ShapeDtypeStruct) -> None:
        closed = jax.make_jaxpr(function)(images)
        self.shapes: list[Shape] = []
        self.constants: dict[int, Any] = {}
        self.ops: list[Op] = []
        self.image = self._new(images.shape)
        (self.result,) = self._inline(closed.jaxpr, closed.consts, [self.image])

    def _new(self, shape: Iterable[int]) -> int:
        self.shapes.append(tuple(shape))
        return len(self.shapes) - 1

    def _constant(self, value: Any, dtype: Any = None) -> int:
        number = self._new(np.shape(value))
        self.constants[number] = jnp.asarray(value, dtype)
        return number

    def _inline(self, jaxpr: Any, constants: Sequence[Any], inputs: Sequence[int]) -> list[int]:
        numbers = dict(zip(jaxpr.invars, inputs, strict=True))
        numbers |= {var: self._constant(value) for var, value in zip(jaxpr.constvars, constants, strict=True)}

        def number(atom: Any) -> int:
            if isinstance(atom, core.Literal):
                aval: Any = atom.aval
                return self._constant(atom.val, aval.dtype)
            return numbers[atom]

        for eqn in jaxpr.eqns:
            reads = [number(atom) for atom in eqn.invars]
            if (inner := _body(eqn)) is not None:
                made = self._inline(inner.jaxpr, inner.consts, reads)
            else:
                made = [self._new(var.aval.shape) for var in eqn.outvars]
                self.ops.append(Op(eqn, tuple(reads), tuple(made)))
            numbers |= dict(zip(eqn.outvars, made, strict=True))
        return [number(atom) for atom in jaxpr.outvars]


def _body(eqn: Any) -> Any:
    """Returns the function that an operation only calls or is short for, or None."""
    name, params = eqn.primitive.name, eqn.params
    if name in _SHORT_FOR:
        operands = [jax.ShapeDtypeStruct(atom.aval.shape, atom.aval.dtype) for atom in eqn.invars]
        return jax.make_jaxpr(functools.partial(_SHORT_FOR[name], **params))(*operands)
    if name not in _CALLS:
        return None
    inner = params.get("jaxpr", params.get("call_jaxpr"))
    if isinstance(inner, core.Jaxpr):
        inner = core.ClosedJaxpr(inner, ())
    return inner if isinstance(inner, core.ClosedJaxpr) else None


_CALLS = (
    "jit pjit closed_call core_call custom_jvp_call custom_vjp_call remat2 checkpoint"  # the last two: jax.checkpoint
).split()


def _split(whole: Any, *, sizes: Any, axis: int) -> list[Any]:
    ends = np.cumsum((0, *sizes)).tolist()
    return [lax.slice_in_dim(whole, start, end, axis=axis) for start, end in itertools.pairwise(ends)]


def _stack(*parts: Any, axis: int) -> list[Any]:
    return [lax.concatenate([lax.expand_dims(part, (axis,)) for part in parts], axis)]


_SHORT_FOR: dict[str, Callable[..., list[Any]]] = {"split": _split, "stack": _stack}
