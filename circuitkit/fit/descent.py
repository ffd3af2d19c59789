"""Gradient descent on the positive numbers of a spec, from several starts."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

Tree = TypeVar("Tree")
Logs = Float[Array, " number"]
Loss = Callable[[Logs, Int[Array, ""]], Float[Array, ""]]
"""Of the logarithms of numbers, and of which step it is: a loss may look at other examples at each."""

SPREAD = 0.4
"""Of starts: a standard deviation of the logarithm of each number."""

RATE = 0.05


def logs_of(tree: Any) -> tuple[Float[np.ndarray, " number"], Callable[[Logs], Any], list[str]]:
    """Returns the logarithms of a tree's numbers, what makes a tree of such again, and what each number is called."""
    held, structure = jax.tree.flatten(tree)
    paths = [
        jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in jax.tree_util.tree_leaves_with_path(tree)
    ]

    def back(logs: Logs | Float[np.ndarray, " number"]) -> Any:
        return jax.tree.unflatten(structure, list(jnp.exp(logs)))

    return np.log(np.array(held, float)), back, paths


def starts_about(
    logs: Float[np.ndarray, " number"], count: int, seed: int, spread: float = SPREAD
) -> Float[np.ndarray, "start number"]:
    """Returns starts: the numbers as they are, and others about them."""
    noise = np.random.default_rng(seed).normal(size=(count, len(logs))) * spread
    noise[0] = 0
    return (logs + noise).astype(np.float32)


def descended(
    loss: Loss, start: Logs, steps: int, *, rate: float = RATE, same: bool = True
) -> tuple[Logs, Float[Array, ""]]:
    """Returns where a descent ends, and the loss there. Pure: it may be mapped and compiled.

    Args:
        loss: What is to become small.
        start: Logarithms of numbers.
        steps: How many, of Adam; their size falls to nothing along half a cosine.
        rate: Of the first step.
        same: Whether the loss is the same at every step. If so, the best point on the way is what is returned;
            otherwise the last one, with the mean loss of the last tenth.
    """
    rule = optax.adam(optax.cosine_decay_schedule(rate, steps))

    def step(state: Any, number: Int[Array, ""]) -> tuple[Any, Float[Array, ""]]:
        logs, memory, best, least = state
        value, slope = jax.value_and_grad(loss)(logs, number)
        better = value < least  # never where it is NaN
        best, least = jnp.where(better, logs, best), jnp.where(better, value, least)
        change, memory = rule.update(jnp.nan_to_num(slope), memory)
        return (optax.apply_updates(logs, change), memory, best, least), value

    begun = (start, rule.init(start), start, jnp.float32(jnp.inf))
    (last, _, best, least), values = jax.lax.scan(step, begun, jnp.arange(steps))
    return (best, least) if same else (last, values[-max(steps // 10, 1) :].mean())
