"""What else explains responses: less than a circuit, a formula of as many numbers, a net that learns anything.

    linear_nonlinear(seen, angles, numbers=14)     # one filter of as many numbers, turned to each unit's angle
    learned(seen)                                  # a small conv net: what can be foretold at all from these examples
    learned(seen, angles=angles)                   # one template, whatever it is, turned to each unit

Each returns a predictor of (example, unit), which `explained` scores. The last one is the ceiling of every family: a
circuit whose units share all numbers but the angle is such a template.

Source: LN models: Chichilnisky, "A simple white noise analysis of neuronal light responses" (2001). Conv nets as
ceilings: Cadena et al., "Deep convolutional models improve predictions of macaque V1 responses to natural images"
(2019).
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float

from circuitkit import checks
from circuitkit.compiling import jit
from circuitkit.errors import SpecError
from circuitkit.fit.responses import Examples, correlations

Predictor = Callable[[Float[np.ndarray, "example side side channel"]], Float[np.ndarray, "example unit"]]

WIDTHS = (24, 32, 48, 64)
"""Channels of the conv net's layers."""

BATCH = 256
RATE = 3e-3
DECAY = 1e-3


def linear_nonlinear(
    seen: Examples,
    angles: Float[np.ndarray, " unit"],
    *,
    numbers: int,
    steps: int = 400,
    starts: int = 4,
    seed: int = 0,
) -> Predictor:
    """Returns a filter of the grey image, turned to each unit's angle, and what its two signs count.

    The filter is a sum of Hermite functions, the lowest first, about the middle.

    Args:
        seen: What is fitted to.
        angles: Of the units, in degrees.
        numbers: How many may be fitted: the functions' weights, their width, and how much negative values count.
        steps: Of each descent.
        starts: By chance.
        seed: Of starts and batches.

    Raises:
        SpecError: If there are fewer than 3 numbers.
    """
    checks.whole("linear_nonlinear", "numbers", numbers, at_least=3)
    side, functions = seen.images.shape[1], numbers - 2
    grey = jnp.asarray(seen.images.mean(-1).reshape(len(seen.images), -1))
    wanted = jnp.asarray(seen.responses, jnp.float32)
    turned = jnp.asarray(angles, jnp.float32)

    def respond(tree: Any, flat: Float[Array, "example pixel"]) -> Float[Array, "example unit"]:
        filters = jnp.einsum("kpu,k->pu", hermite(functions, side, jnp.exp(tree["width"]), turned), tree["weights"])
        said = flat @ filters
        return jax.nn.relu(said) + tree["negative"] * jax.nn.relu(-said)

    def start(key: Array) -> Any:
        return {
            "width": jnp.log(side / 8) + 0.3 * jax.random.normal(key),
            "weights": jax.random.normal(jax.random.fold_in(key, 1), (functions,)),
            "negative": jnp.float32(0.5),
        }

    best, least = None, math.inf
    for number in range(starts):
        key = jax.random.fold_in(jax.random.key(seed), number)
        found, loss = _descended(
            lambda tree, own, _: -jnp.mean(correlations(respond(tree, grey[own]), wanted[own])),
            start(key),
            len(grey),
            steps,
            0.03,
            key,
        )
        best, least = (found, loss) if loss < least else (best, least)
    run = jit(lambda images: respond(best, images.mean(-1).reshape(len(images), -1)))
    return _in_batches(run)


def hermite(
    count: int, side: int, width: Float[Array, ""], angles: Float[Array, " unit"]
) -> Float[Array, "function pixel unit"]:
    """Returns the first functions of Gauss and Hermite on a square of pixels, turned to angles; each has length 1."""
    middle = (side - 1) / 2
    right, down = jnp.meshgrid(jnp.arange(side) - middle, jnp.arange(side) - middle)
    x, y = right.reshape(-1, 1), -down.reshape(-1, 1)
    turn = jnp.deg2rad(angles)
    cos, sin = jnp.cos(turn)[None], jnp.sin(turn)[None]
    along, across = (x * cos + y * sin) / width, (y * cos - x * sin) / width
    degrees = [(order - j, j) for order in range(count) for j in range(order + 1)][:count]
    highest = max(max(pair) for pair in degrees)
    rows: list[list[Array]] = []
    for at in (along, across):
        made = [jnp.exp(-(at**2) / 2), at * jnp.exp(-(at**2) / 2) * math.sqrt(2)]
        for n in range(1, highest):
            made.append(math.sqrt(2 / (n + 1)) * at * made[n] - math.sqrt(n / (n + 1)) * made[n - 1])
        rows.append(made)
    found = jnp.stack([rows[0][i] * rows[1][j] for i, j in degrees])
    return found / jnp.maximum(jnp.linalg.norm(found, axis=1, keepdims=True), 1e-12)


class Template(nnx.Module):
    """A small conv net that reads the middle of an image: four layers, the first two at every second place."""

    def __init__(self, channels: int, units: int, *, rngs: nnx.Rngs) -> None:
        widths, sides = (channels, *WIDTHS), (7, 5, 3, 3)
        self.convs = nnx.List(
            [
                nnx.Conv(before, after, (size, size), strides=2 if number < 2 else 1, padding="SAME", rngs=rngs)
                for number, (before, after, size) in enumerate(zip(widths, widths[1:], sides, strict=False))
            ]
        )
        self.head = nnx.Linear(WIDTHS[-1] * 2, units, rngs=rngs)

    def __call__(self, images: Float[Array, "example side side channel"]) -> Float[Array, "example unit"]:
        """Returns what it says to each image: of the middle, and of the mean over places."""
        maps = images
        for conv in self.convs:
            maps = nnx.relu(conv(maps))
        middle = maps.shape[1] // 2
        return self.head(jnp.concatenate([maps[:, middle, middle], maps.mean((1, 2))], -1))


def learned(
    seen: Examples,
    *,
    angles: Float[np.ndarray, " unit"] | None = None,
    steps: int = 1500,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Predictor:
    """Returns a conv net trained on examples: one output a unit, or one for all, shown the image turned.

    Args:
        seen: What it is trained on.
        angles: Of the units, in degrees: each sees the image turned back by its own. Left out, every unit has an
            output of its own.
        steps: Of training.
        seed: Of the first weights and of batches.
        progress: Called with the number of steps done, and of all.

    Raises:
        SpecError: If angles do not fit the units.
    """
    units = seen.responses.shape[1]
    if angles is not None and len(angles) != units:
        raise SpecError(f"{len(angles)} angles came with {units} units: wanted one each.")
    images = jnp.asarray(seen.images)
    spread = np.maximum(seen.responses.std(0), 1e-9)
    wanted = jnp.asarray((seen.responses - seen.responses.mean(0)) / spread, jnp.float32)
    graph, state = nnx.split(Template(images.shape[-1], units if angles is None else 1, rngs=nnx.Rngs(seed)))
    turns = None if angles is None else jnp.asarray(angles, jnp.float32)

    def loss(tree: Any, own: Array, key: Array) -> Float[Array, ""]:
        net = nnx.merge(graph, tree)
        if turns is None:
            return jnp.mean((net(images[own]) - wanted[own]) ** 2)
        each = -(-len(own) // units)  # examples a unit
        places = jax.random.choice(key, own, (units, each))
        shown = jnp.stack([turned_back(images[at], turn) for at, turn in zip(places, turns, strict=True)])
        said = net(shown.reshape(-1, *shown.shape[2:]))[:, 0].reshape(units, each)
        return jnp.mean((said - wanted[places, jnp.arange(units)[:, None]]) ** 2)

    found, _ = _descended(loss, state, len(images), steps, RATE, jax.random.key(seed), progress=progress)

    def respond(shown: Float[Array, "example side side channel"]) -> Float[Array, "example unit"]:
        net = nnx.merge(graph, found)
        if turns is None:
            return net(shown)
        of_each = [net(turned_back(shown, turn))[:, 0] for turn in turns]
        return jnp.stack(of_each, 1)

    return _in_batches(jit(respond))


def turned_back(
    images: Float[Array, "example side side channel"], degrees: Float[Array, ""]
) -> Float[Array, "example side side channel"]:
    """Returns images turned clockwise about their middle, so that what was at an angle is at 0; corners are grey."""
    count, side, _, channels = images.shape
    middle = (side - 1) / 2
    right, down = jnp.meshgrid(jnp.arange(side) - middle, jnp.arange(side) - middle)
    turn = jnp.deg2rad(degrees)
    # Counter-clockwise, with rows running down.
    x = right * jnp.cos(turn) + down * jnp.sin(turn) + middle
    y = down * jnp.cos(turn) - right * jnp.sin(turn) + middle
    inside = jnp.hypot(right, down) <= middle
    left, top = jnp.clip(jnp.floor(x), 0, side - 2), jnp.clip(jnp.floor(y), 0, side - 2)
    # One row a pixel, of all images: whole rows are gathered, which is fast.
    rows = jnp.moveaxis(images.reshape(count, side * side, channels), 1, 0).reshape(side * side, -1)
    total = jnp.zeros((side, side, rows.shape[1]))
    for dy in (0, 1):
        for dx in (0, 1):
            share = jnp.abs(1 - dx - (x - left)) * jnp.abs(1 - dy - (y - top)) * inside
            place = ((top + dy) * side + left + dx).astype(int)
            total += share[..., None] * rows[place]
    return jnp.moveaxis(total.reshape(side, side, count, channels), 2, 0)


def _descended(
    loss: Callable[[Any, Array, Array], Float[Array, ""]],
    start: Any,
    count: int,
    steps: int,
    rate: float,
    key: Array,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Any, float]:
    """Returns a tree after so many steps of Adam on batches, and the mean loss of the last tenth."""
    rule = optax.adamw(optax.cosine_decay_schedule(rate, steps), weight_decay=DECAY)

    @jit
    def step(tree: Any, memory: Any, number: Array) -> tuple[Any, Any, Array]:
        own, more = jax.random.split(jax.random.fold_in(key, number))
        chosen = jax.random.randint(own, (min(BATCH, count),), 0, count)
        value, slope = jax.value_and_grad(loss)(tree, chosen, more)
        change, memory = rule.update(slope, memory, tree)
        return optax.apply_updates(tree, change), memory, value

    memory, last = rule.init(start), []
    for number in range(steps):
        start, memory, value = step(start, memory, jnp.asarray(number))
        if number >= steps - max(steps // 10, 1):
            last.append(float(value))
        if progress is not None:
            progress(number + 1, steps)
    return start, float(np.mean(last))


def _in_batches(run: Callable[[Array], Array]) -> Predictor:
    """Returns what runs a compiled function on a few images at a time."""

    def respond(images: Float[np.ndarray, "example side side channel"]) -> Float[np.ndarray, "example unit"]:
        parts = [np.asarray(run(jnp.asarray(images[at : at + BATCH]))) for at in range(0, len(images), BATCH)]
        return np.concatenate(parts)

    return respond
