"""Gradient descent on the positive numbers of a spec, from several starts at once."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from circuitkit.compiling import jit

Tree = TypeVar("Tree")
Logs = Float[Array, " number"]

SPREAD = 0.4
"""Of starts: a standard deviation of the logarithm of each number."""

RATE = 0.05


def logs_of(tree: Any) -> tuple[Float[np.ndarray, " number"], Callable[[Any], Any], list[str]]:
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


def descending(
    loss: Callable[..., Float[Array, ""]], steps: int, *, rate: float, same: bool
) -> Callable[
    [Float[np.ndarray, " number"], Callable[[int], tuple[Any, ...]]], tuple[Float[np.ndarray, " number"], float]
]:
    """Returns what goes down a loss step by step. One step is compiled, not the loop.

    Within a loop of its own, XLA's convolutions are several times slower on CPUs; so where a net is run at every step,
    this is the way, and `descended` where many small descents are mapped.

    Args:
        loss: Of the logarithms of numbers, and of whatever else a step is given.
        steps: How many, of Adam; their size falls to nothing along half a cosine.
        rate: Of the first step.
        same: Whether the loss is the same at every step. If so, the best point on the way is what is returned, with its
            loss; otherwise the last one, with the mean loss of the last tenth.

    Returns:
        A function of a start and of what says what each step is given.
    """
    rule = optax.adam(optax.cosine_decay_schedule(rate, steps))

    @jit
    def step(logs: Logs, memory: Any, *given: Any) -> tuple[Logs, Any, Float[Array, ""]]:
        value, slope = jax.value_and_grad(loss)(logs, *given)
        change, memory = rule.update(jnp.nan_to_num(slope), memory)
        return optax.apply_updates(logs, change), memory, value

    def run(
        start: Float[np.ndarray, " number"], given: Callable[[int], tuple[Any, ...]]
    ) -> tuple[Float[np.ndarray, " number"], float]:
        logs: Logs = jnp.asarray(start, jnp.float32)
        memory, points, values = rule.init(logs), [], []
        for number in range(steps):
            points.append(np.asarray(logs, float))
            logs, memory, value = step(logs, memory, *given(number))
            values.append(float(value))
        if same:
            best = int(np.nanargmin([*values, np.inf]))
            return points[min(best, steps - 1)], values[min(best, steps - 1)]
        return np.asarray(logs, float), float(np.mean(values[-max(steps // 10, 1) :]))

    return run
