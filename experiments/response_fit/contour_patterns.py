"""Patterns over divided contours: what trained units say to photographs, by least squares and without a rule."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

import circuitkit as ck
from circuitkit.fit.patterns import Moments, Patterns, moments
from circuitkit.nets import Shrunk
from circuitkit.probe import Net
from circuitkit.spec import Circuit, Normalisation
from circuitkit.stimuli import LabelledSet
from experiments.response_fit.circuits import DIVIDED, contours
from experiments.transplant.operations import deranged
from experiments.transplant.units import Trained

OWN, SHARED, EXCHANGED = "a pattern of its own", "one pattern for all", "one pattern, angles exchanged"


def mixed(count: int) -> str:
    """Returns what units that are sums of so many patterns are called."""
    return f"sums of {count} patterns"


class Contours(NamedTuple):
    """What patterns are made of, and how far they reach.

    Attributes:
        wavelength: Of Gabors, in pixels after photographs are shrunk. Where a fit of the arcs ends, about.
        sigma: Likewise.
        within: Of the division of contours, likewise; as it is by hand.
        constant: Likewise.
        shrink: Photographs are averaged over squares of so many pixels.
        reach: Of patterns, in pixels of the photographs.
    """

    wavelength: float = 3.7
    sigma: float = 1.3
    within: float = DIVIDED["within"]
    constant: float = DIVIDED["constant"]
    shrink: int = 2
    reach: float = 16.0

    def circuit(self) -> Circuit:
        """Writes the contours."""
        divided = Normalisation(within=self.within, constant=self.constant)
        return Circuit("contours", contours(wavelength=self.wavelength, sigma=self.sigma, divided=divided))


def patterns(
    net: Net,
    trained: Trained,
    images: LabelledSet,
    front: Contours,
    kinds: Sequence[str],
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Patterns]:
    """Returns patterns, fitted to what units say to images, with a threshold each: by kind."""
    circuit, probe = front.circuit(), net[trained.layer, list(trained.channels)]
    built = Shrunk(ck.HandbuiltNet(ck.build(circuit)), front.shrink)
    seen = moments(probe, built, circuit["contours"], images, reach=front.reach, progress=progress)
    return {kind: _made(seen, kind, trained, seed).rectified(probe, images) for kind in kinds}


def _made(seen: Moments, kind: str, trained: Trained, seed: int) -> Patterns:
    if kind == OWN:
        return seen.own(trained.angles)
    if count := re.fullmatch(mixed(0).replace("0", r"(\d+)"), kind):
        return seen.mixed(trained.angles, int(count[1]))
    if kind == SHARED:
        return seen.shared(trained.angles)
    return seen.shared(trained.angles[deranged(len(trained.angles), np.random.default_rng(seed))])
