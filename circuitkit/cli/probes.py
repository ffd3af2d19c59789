"""Which units a command is about: those that are named, or those that a search finds."""

from collections.abc import Callable

import numpy as np

from circuitkit.cli import sources
from circuitkit.errors import CircuitkitError, SpecError, unknown_name
from circuitkit.find import scan
from circuitkit.hypothesis import Hypothesis
from circuitkit.probe import Net, Probe

SEARCH_SEED = 2_000_003
"""Added to the seed of a search: a test on the looks that chose the units would flatter them."""


def check_layer(net: Net, layer: str | None, *, option: str = "--layer") -> str:
    """Returns the layer that an option names.

    Raises:
        SpecError: If it was not given.
        UnknownNameError: If the net has no such layer.
    """
    if layer is None:
        raise SpecError(f"{option} is missing: net {net.name!r} has {', '.join(net.layers)}.")
    if layer not in net.layers:
        raise unknown_name("layer", layer, net.layers, owner=f"net {net.name!r}")
    return layer


def named(net: Net, layer: str, units: str) -> Probe:
    """Returns the units that an option lists, by number or by name."""
    return net[layer, sources.units(units)]


def detectors(
    net: Net, layer: str, said: Hypothesis, *, most: int, seed: int, progress: Callable[[int, int], None]
) -> Probe:
    """Returns the units of a layer that a search finds: of many, the most selective, in the order of the layer.

    Raises:
        CircuitkitError: If it finds none.
    """
    seen = scan(net[layer], said, seed=seed + SEARCH_SEED, progress=progress)
    places = np.flatnonzero(seen.holds.values)
    best = places[np.argsort(-seen.selectivity.values[places], kind="stable")][:most]
    if not len(best):
        raise CircuitkitError(
            f"no unit of layer {layer!r} of net {net.name!r} is found to detect a {said.name}: name units with "
            "--units, or "
            "another layer."
        )
    return net[layer, [int(place) for place in np.sort(best)]]
