"""Gradient descent on the positive numbers of a spec, from several starts at once."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

Tree = TypeVar("Tree")
Logs = Float[Array, " number"]

SPREAD = 0.4
"""Of starts: a standard deviation of the logarithm of each number."""

RATE = 0.05


def logs_of(tree: Any) -> tuple[Float[np.ndarray, " number"], Callable[[Logs], Any], list[str]]:
    """Returns the logarithms of a tree's numbers, what makes a tree of such again, and what each number is called."""
    held, structure = jax.tree.flatten(tree)
    paths = [
        jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in jax.tree_util.tree_leaves_with_path(tree)
    ]

    def back(logs: Logs) -> Any:
        return jax.tree.unflatten(structure, list(jnp.exp(logs)))

    return np.log(np.array(held, float)), back, paths


def starts_about(logs: Float[np.ndarray, " number"], count: int, seed: int) -> Float[np.ndarray, "start number"]:
    """Returns starts: the numbers as they are, and others about them."""
    noise = np.random.default_rng(seed).normal(size=(count, len(logs))) * SPREAD
    noise[0] = 0
    return (logs + noise).astype(np.float32)


def descended(loss: Callable[[Logs], Float[Array, ""]], start: Logs, steps: int) -> tuple[Logs, Float[Array, ""]]:
    """Returns the best numbers on the way down from a start, and their loss. Pure: it may be mapped and compiled."""
    rule = optax.adam(optax.cosine_decay_schedule(RATE, steps))

    def step(state: Any, _: None) -> tuple[Any, None]:
        logs, memory, best, least = state
        value, slope = jax.value_and_grad(loss)(logs)
        better = value < least  # never where it is NaN
        best, least = jnp.where(better, logs, best), jnp.where(better, value, least)
        change, memory = rule.update(jnp.nan_to_num(slope), memory)
        return (optax.apply_updates(logs, change), memory, best, least), None

    (_, _, best, least), _ = jax.lax.scan(step, (start, rule.init(start), start, jnp.float32(jnp.inf)), None, steps)
    return best, least
