"""The law of unioning: the group permutes the pathways, and leaves the unit that unites them as it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from circuitkit import build, strategies
from circuitkit.spec import Circuit
from circuitkit.symmetry import Motion
from tests.strategies import drawn, images, noise

ROUNDING = 1e-6  # of the largest response of a layer
LEFT_TO_RIGHT = Motion(180, mirror=True)
GROUPS = {
    "mirror": (LEFT_TO_RIGHT,),
    "turns": (Motion(90), Motion(180)),
    "turns and mirrors": (Motion(90), Motion(mirror=True), LEFT_TO_RIGHT),
}


def errors(network, image: jax.Array, motion: Motion) -> dict[str, float]:
    """Returns by how much each layer breaks the law, as a share of the largest input that it thresholds."""
    still, moved = network(image), network(motion.of_images(image))
    found = {}
    for name in still:
        largest = max(float(still[name].max()), float(network.circuit[name].threshold or 0), 1e-9)
        away = jnp.abs(motion.of_maps(still[name], network.circuit[name]) - moved[name]).max()
        found[name] = float(away) / largest
    return found


@pytest.mark.parametrize("group", GROUPS)
def test_the_group_permutes_the_pathways_and_leaves_their_union_alone(group: str) -> None:
    @settings(max_examples=4)
    @given(spec=drawn(strategies.pathway_specs(groups=(group,))), image=images((18,)))
    def law(spec: Circuit, image: jax.Array) -> None:
        network = build(spec)
        for motion in GROUPS[group]:
            assert max(errors(network, image, motion).values()) <= ROUNDING
        if group == "mirror":
            are_two(network)

    law()


def are_two(network) -> None:
    """Checks that the two pathways differ, or to exchange them would say nothing."""
    last = network.circuit.families[-2].name
    assert list(LEFT_TO_RIGHT.of_units(network.circuit[last])) == [1, 0]
    kernel = network.layers[last].kernel[...]
    assert float(jnp.abs(kernel[..., 0] - kernel[..., 1]).max()) > 0.01 * float(jnp.abs(kernel).max())


def uneven(network) -> dict[str, jax.Array]:
    """Returns the kernels, of which the union's takes one pathway for more than the other."""
    kernels = {name: conv.kernel[...] for name, conv in network.layers.items()}
    return kernels | {"united": kernels["united"].at[0, 0, 0, 0].mul(1.01)}


def one_sided(network) -> dict[str, jax.Array]:
    """Returns the kernels, of which one pathway's lacks the inhibition by the other."""
    kernels = {name: conv.kernel[...] for name, conv in network.layers.items()}
    return kernels | {"stage1": kernels["stage1"].at[..., 0].set(jnp.maximum(kernels["stage1"][..., 0], 0))}


def test_pathways_that_are_no_copies_are_noticed() -> None:
    caught = []

    @settings(max_examples=4)
    @given(spec=drawn(strategies.pathway_specs(groups=("mirror",), depths=(2,))))
    def law(spec: Circuit) -> None:
        whole = build(spec)
        broken = [build(spec, kernels=change(whole)) for change in (uneven, one_sided)]
        caught.append([errors(each, noise(0, 18), LEFT_TO_RIGHT)["united"] > 10 * ROUNDING for each in broken])

    law()
    assert np.mean(caught, axis=0).min() > 0.5
