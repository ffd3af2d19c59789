"""From a spec to a network that runs: validate, lay out the channels, draw, assemble."""

import functools

import jax

from circuitkit.errors import SpecError
from circuitkit.kernels import Divisor, Kernels, Layout, draw, draw_divisors, lay_out
from circuitkit.network import CircuitNetwork
from circuitkit.spec import Circuit


def build(circuit: Circuit, *, kernels: Kernels | None = None, like: Circuit | None = None) -> CircuitNetwork:
    """Builds the network that a spec describes.

    The spec was validated when it was made; what is checked here is that kernels fit it. Differentiable in the numbers
    of the spec, and fit to be compiled, if `like` says how large kernels are, which no traced number can:

        jax.grad(lambda spec: loss(build(spec, like=SPEC)))(SPEC)

    Args:
        circuit: The spec.
        kernels: HWIO kernels by family, in place of drawn ones (edited weights, say).
        like: A spec of the same structure with plain numbers, whose kernel sizes are taken and which the network keeps.

    Raises:
        KernelError: If a kernel has the wrong shape, holds NaN, or is missing.
        SpecError: If the numbers are traced and `like` is missing, or it is of another structure.
        UnknownNameError: If a kernel belongs to no family.
    """
    traced = any(isinstance(number, jax.core.Tracer) for number in jax.tree.leaves(circuit))
    if like is None and traced:
        raise SpecError(
            f"circuit {circuit.name!r} holds numbers that JAX is tracing, and the size of a kernel cannot be: say "
            "like=SPEC, a spec with plain numbers, whose sizes are taken."
        )
    if like is not None and jax.tree.structure(like) != jax.tree.structure(circuit):  # type: ignore[operator]
        raise SpecError(
            f"circuit {circuit.name!r} is to be built like {like.name!r}, which has other families, names or counts: "
            "wanted specs that differ in their numbers alone."
        )
    # Fitting leaves arrays in a spec; the network keeps its spec as structure, which holds plain numbers only.
    plain = jax.tree.map(float, circuit if like is None else like)
    layouts = lay_out(plain)
    numbers, sizes = circuit if traced else jax.tree.map(float, circuit), tuple(layouts.items())
    kernels = _draw(numbers, sizes) if kernels is None else kernels
    thresholds = {family.name: family.threshold for family in circuit.families}  # they may be traced
    divisors = _draw_divisors(numbers, sizes) if any(layout.window for layout in layouts.values()) else {}
    return CircuitNetwork(plain, kernels, layouts, thresholds=thresholds, divisors=divisors)


@functools.partial(jax.jit, static_argnums=1)
def _draw(circuit: Circuit, layouts: tuple[tuple[str, Layout], ...]) -> Kernels:
    return draw(circuit, dict(layouts))


@functools.partial(jax.jit, static_argnums=1)
def _draw_divisors(circuit: Circuit, layouts: tuple[tuple[str, Layout], ...]) -> dict[str, Divisor]:
    return draw_divisors(circuit, dict(layouts))
