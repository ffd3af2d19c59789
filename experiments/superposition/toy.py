"""The toy model, trained: features written into fewer channels and read back, with weights found by descent.

All models, of every probability of a feature and every seed, are trained side by side on scenes of their own. The loss
is the squared error of all features, all of equal importance.

Source: Elhage et al., "Toy Models of Superposition" (2022).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from circuitkit import superposition as sp

RATE, BATCH = 1e-2, 512


def train(
    m: int, n: int, densities: tuple[float, ...], *, seeds: int, steps: int
) -> tuple[Float[np.ndarray, "density seed feature channel"], Float[np.ndarray, "density seed feature"]]:
    """Returns weights and biases of `seeds` models for each probability of a feature; sizes are uniform."""
    keys = jax.random.split(jax.random.key(0), (len(densities), seeds))
    one = functools.partial(_one, m=m, n=n, steps=steps)
    weights, bias = jax.jit(jax.vmap(jax.vmap(one, (0, None)), (0, 0)))(keys, jnp.asarray(densities))
    return np.asarray(weights, np.float64), np.asarray(bias, np.float64)


def _one(
    key: Array, density: Float[Array, ""], *, m: int, n: int, steps: int
) -> tuple[Float[Array, "m n"], Float[Array, " m"]]:
    first, later = jax.random.split(key)
    parameters = jax.random.normal(first, (m, n)) / jnp.sqrt(m), jnp.zeros(m)
    optimiser = optax.adam(optax.cosine_decay_schedule(RATE, steps))

    def loss(parameters: tuple[Array, Array], key: Array) -> Array:
        drawn = jax.random.uniform(key, (BATCH, m))
        x = jnp.where(drawn < density, drawn / density, 0)  # there, and then uniform between 0 and 1
        return jnp.mean(jnp.sum((sp.recover(x, *parameters) - x) ** 2, axis=1)) / density

    def step(state: tuple[Array, optax.OptState], key: Array) -> tuple[tuple[Array, optax.OptState], None]:
        parameters, moments = state
        updates, moments = optimiser.update(jax.grad(loss)(parameters, key), moments)
        return (optax.apply_updates(parameters, updates), moments), None

    return jax.lax.scan(step, (parameters, optimiser.init(parameters)), jax.random.split(later, steps))[0][0]
