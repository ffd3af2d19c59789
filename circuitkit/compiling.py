"""How this library compiles: `jax.jit`, with the options under which convolutions and drawing run best."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax
import jax.numpy as jnp

_P = ParamSpec("_P")
_R = TypeVar("_R")
Options = dict[str, str | int | bool]


def jit(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Returns the function compiled for the default device.

    On CPU, XLA's default convolutions (YNNPACK, as of jaxlib 0.10) use one thread on small images, collapse on large
    batches, and add up long sums less exactly; without them sweeps run 1.5 to 3 times faster, and the rounding
    error of a 43-pixel kernel is less than half. The option is set for this function alone, not for the process.
    """
    options: Options = {"xla_cpu_experimental_ynn_fusion_type": ""}
    return jax.jit(function, compiler_options=_known(tuple(options.items()), jax.default_backend()))


def jit_drawing(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Returns a function that draws, compiled for the default device.

    On CPU, wide vectors and minima that need not look for NaN draw up to twice as fast. A drawing has no NaN, since
    stimuli refuse it; the responses of nets may, so this is not for them.
    """
    options: Options = {"xla_cpu_prefer_vector_width": 512, "xla_cpu_enable_fast_min_max": True}
    return jax.jit(function, compiler_options=_known(tuple(options.items()), jax.default_backend()))


@functools.cache
def _known(items: tuple[tuple[str, str | int | bool], ...], backend: str) -> Options:
    """Returns the options that this version of XLA knows; a switch of its own may go as it came."""
    options: Options = dict(items) if backend == "cpu" else {}
    try:
        jax.jit(lambda: jnp.zeros(()), compiler_options=options).lower().compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return options
