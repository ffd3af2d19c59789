"""How this library compiles: `jax.jit`, with the options under which convolutions and drawing run best."""

import collections
import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp

_P = ParamSpec("_P")
_R = TypeVar("_R")
Options = dict[str, str | int | bool]
_NETS: Options = {"xla_cpu_experimental_ynn_fusion_type": "", "xla_cpu_prefer_vector_width": 512}
_DRAWING: Options = {"xla_cpu_prefer_vector_width": 512, "xla_cpu_enable_fast_min_max": True}


def jit(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Returns the function compiled for the default device.

    On CPU, XLA's default convolutions (YNNPACK, as of jaxlib 0.10) use one thread on small images, collapse on large
    batches, and add up long sums less exactly; without them sweeps run 1.5 to 3 times faster, and the rounding
    error of a 43-pixel kernel is less than half. Wide vectors serve the sums of few terms that `cropping` writes out.
    The options are set for this function alone, not for the process.
    """
    return jax.jit(function, compiler_options=_known(tuple(_NETS.items()), jax.default_backend()))


_PROGRAMS: collections.OrderedDict[tuple[Any, ...], Any] = collections.OrderedDict()
_MOST_PROGRAMS = 64


def compiled(function: Callable[..., Any], *arguments: Any) -> Callable[..., Any]:
    """Returns what `jit` makes of a function for such arguments.

    The last few programs are kept, by their text: another net of the same structure, or other stimuli of the same kind,
    need no compiling, as long as what differs comes as an argument.
    """
    return _kept(function, _NETS, *arguments)


def compiled_drawing(function: Callable[..., Any], *arguments: Any) -> Callable[..., Any]:
    """Returns a function that draws, compiled for such arguments; kept, as `compiled` keeps programs.

    On CPU, wide vectors and minima that need not look for NaN draw up to twice as fast. A drawing has no NaN, since
    stimuli refuse it; the responses of nets may, so this is not for them.
    """
    return _kept(function, _DRAWING, *arguments)


def _kept(function: Callable[..., Any], options: Options, *arguments: Any) -> Callable[..., Any]:
    # All arguments are kept, read or not: programs of one text could else leave out different ones of theirs.
    wanted = _known(tuple(options.items()), jax.default_backend())
    lowered = jax.jit(function, compiler_options=wanted, keep_unused=True).lower(*arguments)
    shardings = [getattr(leaf, "sharding", None) for leaf in jax.tree.leaves(arguments)]
    key = (lowered.as_text(), tuple(wanted.items()), jax.tree.structure(arguments), *shardings)
    program = _PROGRAMS.pop(key, None) or lowered.compile()
    _PROGRAMS[key] = program
    while len(_PROGRAMS) > _MOST_PROGRAMS:
        _PROGRAMS.popitem(last=False)
    return program


def forget() -> None:
    """Drops the programs that `compiled` keeps."""
    _PROGRAMS.clear()


@functools.cache
def _known(items: tuple[tuple[str, str | int | bool], ...], backend: str) -> Options:
    """Returns the options that this version of XLA knows; a switch of its own may go as it came."""
    options: Options = dict(items) if backend == "cpu" else {}
    try:
        jax.jit(lambda: jnp.zeros(()), compiler_options=options).lower().compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return options
