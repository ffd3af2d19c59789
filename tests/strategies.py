"""Random circuits, images and motions with runtime checks suspended, and how much rounding a circuit may suffer."""

import contextlib
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
from hypothesis import strategies as st
from jaxtyping import Array, Float

from circuitkit import build, strategies
from circuitkit.network import CircuitNetwork
from circuitkit.spec import Circuit
from circuitkit.strategies import CHIRAL_PLANS, LATTICE, PLANS, STRIDED_PLANS, Plan, arcs, numbers
from circuitkit.symmetry import Motion

__all__ = [
    "CHIRAL_PLANS",
    "FLOAT32_ROUNDING",
    "LATTICE",
    "PLANS",
    "SMALL_PLANS",
    "STRIDED_PLANS",
    "Plan",
    "added_up",
    "arcs",
    "awake",
    "circuits",
    "drawn",
    "images",
    "lattice_motions",
    "motions",
    "noise",
    "numbers",
    "unchecked",
]

FLOAT32_ROUNDING = 1e-6
"""What float32 leaves of an exact law, as a share of what was added up: some tens of roundings of 6e-8."""

SMALL_PLANS = (*PLANS[:2], *PLANS[-1:], *CHIRAL_PLANS)


@contextlib.contextmanager
def unchecked() -> Iterator[None]:
    """Suspends the runtime checks of types and shapes, as users run circuitkit.

    For a refusal that the checks would forestall with one of their own; for the slow reference, whose many small calls
    they slow down tenfold; and for strategies: beartype picks with `random` which item of a container to check, and
    Hypothesis does not allow that while it draws.
    """
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


@st.composite
def circuits(draw: st.DrawFn, plans: tuple[Plan, ...] = PLANS) -> Circuit:
    """Draws a circuit as `strategies.specs` does."""
    with unchecked():
        return draw(strategies.specs(plans))


def noise(seed: int, size: int, *, count: int = 1, channels: int = 1) -> Float[Array, "image h w channel"]:
    """Returns images of normal noise."""
    return jnp.asarray(np.random.default_rng(seed).normal(size=(count, size, size, channels)), jnp.float32)


@st.composite
def drawn(draw: st.DrawFn, strategy: st.SearchStrategy[Circuit]) -> Circuit:
    """Draws a circuit as some public strategy does."""
    with unchecked():
        return draw(strategy)


@st.composite
def images(draw: st.DrawFn, sizes: tuple[int, ...] = (16, 17)) -> Float[Array, "1 h w 1"]:
    """Draws a grey image of an odd or an even side: noise of any contrast, on which lies a sharp-edged rectangle."""
    size = draw(st.sampled_from(sizes))
    image = noise(draw(st.integers(0, 2**32 - 1)), size) * draw(numbers(0.125, 2))
    top, left = draw(st.integers(0, size - 2)), draw(st.integers(0, size - 2))
    bottom, right = draw(st.integers(top + 1, size)), draw(st.integers(left + 1, size))
    return image.at[:, top:bottom, left:right].add(draw(numbers(-4, 4)))


def lattice_motions() -> st.SearchStrategy[Motion]:
    """Draws one of the eight motions that carry the pixel grid onto itself."""
    return strategies.motions()


def motions() -> st.SearchStrategy[Motion]:
    """Draws any motion whose turn is a whole number of degrees, which float64 adds exactly."""
    return st.builds(Motion, st.integers(0, 359).map(float), st.booleans())


def added_up(network: CircuitNetwork, image: Float[Array, "image h w channel"]) -> dict[str, float]:
    """Returns, for each layer, the size of what was added up to reach its responses.

    Float32 rounds in proportion to the terms of a sum, not to the sum. An inhibition that takes away nearly all of the
    excitation leaves a small response and the rounding of large terms, so an error relative to the response says more
    about the spec than about the code. All weights and pixels are taken without their sign here, through all layers,
    as in running error analysis (Higham, "Accuracy and Stability of Numerical Algorithms", section 3.3). A normalised
    family is divided by its constant alone: with what is nearby as well, all of it would be smaller.
    """
    kernels = {name: jnp.abs(conv.kernel[...]) for name, conv in network.layers.items()}
    whole = build(network.circuit, kernels=kernels)
    for name, layer in network.layers.items():
        if layer.layout.window:
            whole.layers[name].profile[...] = jnp.zeros_like(layer.profile[...])
    sums = whole(jnp.abs(image))
    return {name: float(jnp.linalg.norm(sums[name])) for name in sums}


def awake(maps: dict[str, Float[Array, "..."]]) -> bool:
    """Says whether every layer responds to something: a law about zeros says nothing."""
    return all(bool(jnp.any(layer > 0)) for layer in jax.tree.leaves(maps))
