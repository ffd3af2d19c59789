"""From a spec to a network that runs: validate, lay out the channels, draw, assemble."""

import functools

import jax

from circuitkit.kernels import Kernels, Layout, draw, lay_out
from circuitkit.network import CircuitNetwork
from circuitkit.spec import Circuit


def build(circuit: Circuit, *, kernels: Kernels | None = None) -> CircuitNetwork:
    """Builds the network that a spec describes.

    The spec was validated when it was made; what is checked here is that kernels fit it.

    Args:
        circuit: The spec.
        kernels: HWIO kernels by family, in place of drawn ones (edited weights, say).

    Raises:
        KernelError: If a kernel has the wrong shape, holds NaN, or is missing.
        UnknownNameError: If a kernel belongs to no family.
    """
    # Fitting leaves arrays in a spec; the network keeps its spec as structure, which holds plain numbers only.
    circuit = jax.tree.map(float, circuit)
    layouts = lay_out(circuit)
    if kernels is None:
        kernels = _draw(circuit, tuple(layouts.items()))
    return CircuitNetwork(circuit, kernels, layouts)


@functools.partial(jax.jit, static_argnums=1)
def _draw(circuit: Circuit, layouts: tuple[tuple[str, Layout], ...]) -> Kernels:
    return draw(circuit, dict(layouts))
