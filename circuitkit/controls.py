"""Control nets: what a test says of a net that learned nothing. No claim about a unit is worth more than its control.

    ck.controls.shuffled(net, 0)        # every kernel's entries in another order: "squeezenet1_1, shuffled 0"
    ck.controls.untrained(net, 0)       # kernels as training starts from: "squeezenet1_1, untrained 0"

Both have the net's own structure, receptive fields and layer names, and run the programs compiled for it.
"""

import math
import zlib

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit import checks
from circuitkit.probe import Net, Weight


def shuffled(net: Net, seed: int) -> Net:
    """Returns the net with the entries of each kernel permuted, all of a layer's among themselves.

    The distribution of each layer's weights stays, and so do biases and batch norms; what the training put into the
    order of the weights is gone, within a kernel and between channels.

    Args:
        net: The net. It is left as it is.
        seed: Which permutation: the same one gives the same net, bit by bit.

    Raises:
        NetError: If the net's weights cannot be reached.
        SpecError: If the seed is no whole number, at least 0.
    """
    checks.whole("shuffled", "seed", seed, at_least=0)

    def change(weight: Weight) -> Float[Array, "..."]:
        if weight.role != "kernel":
            return weight.value
        order = _generator(seed, weight).permutation(weight.value.size)
        return jnp.asarray(np.asarray(weight.value).ravel()[order].reshape(weight.value.shape))

    return net.with_weights(change, name=f"{net.name}, shuffled {seed}")


def untrained(net: Net, seed: int) -> Net:
    """Returns the net as training might have started: random kernels, zero biases, batch norms that do nothing.

    Kernels are drawn from a normal distribution of variance 2 over the number of a unit's inputs, with which ReLU nets
    keep the size of what passes through them.

    Source: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", ICCV (2015), equation 10.

    Args:
        net: The net. It is left as it is.
        seed: The same one gives the same net, bit by bit.

    Raises:
        NetError: If the net's weights cannot be reached.
        SpecError: If the seed is no whole number, at least 0.
    """
    checks.whole("untrained", "seed", seed, at_least=0)

    def change(weight: Weight) -> Float[Array, "..."]:
        shape = weight.value.shape
        if weight.role == "kernel":
            drawn = _generator(seed, weight).standard_normal(shape, np.float32)
            return jnp.asarray(drawn * np.float32(math.sqrt(2 / max(math.prod(shape[:-1]), 1))))
        if weight.role in ("bias", "mean"):
            return jnp.zeros(shape, jnp.float32)
        return jnp.ones(shape, jnp.float32) if weight.role in ("gain", "variance") else weight.value

    return net.with_weights(change, name=f"{net.name}, untrained {seed}")


def _generator(seed: int, weight: Weight) -> np.random.Generator:
    # By name, so that a kernel's numbers do not hang on which others there are.
    return np.random.default_rng([seed, zlib.crc32(weight.name.encode())])
