"""One circuit studied: its tuning, what each inhibition is for, and the same tests on a trained net beside it.

This is the main job of the library as a function: no files, no printing. `viz.report` writes what it returns.
"""

import dataclasses
import math
from collections.abc import Callable

import xarray as xr

from circuitkit import equivariance, tuning
from circuitkit.build import build
from circuitkit.errors import SpecError
from circuitkit.network import CircuitNetwork
from circuitkit.probe import HandbuiltNet, Net, Probe
from circuitkit.spec import Circuit, Crossing, Flank, OppositeArc
from circuitkit.stimuli import Curve, Grid, grid, log, turn
from circuitkit.sweep import tune

DISTILL_RADII = (12.0, 290.0)
"""Range of radii of Distill's synthetic curves, in pixels."""

DISTILL_SIDE = 224
"""Of the images that Distill's net was made for, in pixels."""

THINNEST = 1.0
"""Stroke of a curve for nets that are made for small images, in pixels: a thinner one fades."""

ANGLES, RADII = 48, 20
"""48 angles hold the half steps between 24 units, where a family covers the turn worst."""

Progress = Callable[[str, int, int], None]
"""Called with what is being measured, the number of stimuli done, and the number of all."""


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """One layer under test.

    Attributes:
        title: What figures call it.
        probe: Its units.
        responses: (angle, radius, polarity, unit); an infinite radius is a straight line.
        summary: Every number about every unit; see `tuning.summary`.
    """

    title: str
    probe: Probe
    responses: xr.DataArray
    summary: xr.Dataset

    def ranked(self) -> list[str]:
        """Returns the unit names, the most curve-like first."""
        return [str(name) for name in self.summary.sortby("curve_score", ascending=False).unit.values]


@dataclasses.dataclass(frozen=True, eq=False)
class Study:
    """What was found.

    Attributes:
        network: The handbuilt network, with its spec.
        handbuilt: The family under test.
        without: The same family with one kind of inhibition left out of the whole spec, by its name.
        equivariance: The error of every layer under every motion; see `equivariance.measure`.
        trained: The layer of a trained net beside it, if one was given.
    """

    network: CircuitNetwork
    handbuilt: Subject
    without: dict[str, Subject]
    equivariance: xr.DataArray
    trained: Subject | None = None

    @property
    def circuit(self) -> Circuit:
        """The spec."""
        return self.network.circuit

    @property
    def subjects(self) -> dict[str, Subject]:
        """All that was measured, by the name under which its results are kept."""
        found = {"handbuilt": self.handbuilt, **{f"without_{kind}": each for kind, each in self.without.items()}}
        return found if self.trained is None else {**found, "trained": self.trained}


def study(
    circuit: Circuit,
    *,
    net: Net | None = None,
    layer: str | None = None,
    angles: int = ANGLES,
    radii: int = RADII,
    progress: Progress | None = None,
) -> Study:
    """Measures the last family of a circuit, and a layer of a trained net if one is given.

    Args:
        circuit: The spec.
        net: A trained net to measure beside it.
        layer: The layer of `net`.
        angles: Number of stimulus angles over the full turn.
        radii: Number of radii, 12 to 290 pixels on a log scale (plus the straight line).
        progress: Called after every chunk.

    Returns:
        The study: responses, summaries and the network.

    Raises:
        SpecError: If the last family of the circuit is no family of curves.
        UnknownNameError: If the net has no such layer.
    """
    trained = None if net is None or layer is None else net[layer]  # an unknown layer is refused before any work
    last = circuit.families[-1]
    if last.turn != 360:
        raise SpecError(
            f"circuit {circuit.name!r} ends in family {last.name!r}, which comes back after {last.turn:g} degrees: a "
            "study measures curves, which come back after 360. Use `tune` on the family, with stimuli of your own."
        )
    network, family = build(circuit), last.name
    curved = log(*DISTILL_RADII, radii)
    stimuli = grid(Curve(), angle=turn(angles), radius=(*curved, math.inf), polarity=(1, -1))
    fewer = grid(Curve(), angle=turn(angles), radius=(*curved[::2], math.inf), polarity=(1,))

    def measure(title: str, probe: Probe, stimuli: Grid) -> Subject:
        def report(done: int, total: int) -> None:
            if progress is not None:
                progress(title, done, total)

        responses = tune(probe, stimuli, progress=report)
        summary = tuning.summary(responses)
        return Subject(title, probe, responses, summary)

    handbuilt = measure(f"{family}, handbuilt", HandbuiltNet(network)[family], stimuli)
    kinds = [kind for kind in (Crossing, OppositeArc, Flank) if circuit.without(kind).families != circuit.families]
    without = {
        kind.__name__: measure(
            f"{family} without {kind.__name__}", HandbuiltNet(build(circuit.without(kind)))[family], fewer
        )
        for kind in kinds
    }
    found = None
    if trained is not None:
        title = f"{trained.net.name} {trained.layer}"
        found = measure(title, trained, _in_proportion(stimuli, trained.net, curved, angles))
    return Study(network, handbuilt, without, equivariance.measure(network), found)


def _in_proportion(stimuli: Grid, net: Net, radii: tuple[float, ...], angles: int) -> Grid:
    """Returns the stimuli for a net that may be made for smaller images: radii and strokes shrink with them."""
    scale = 1.0 if net.image_size is None else min(net.image_size) / DISTILL_SIDE
    if scale >= 1:
        return stimuli
    stroke = max(Curve().width * scale, THINNEST)
    scaled = [radius * scale for radius in radii]
    return grid(Curve(width=stroke), angle=turn(angles), radius=(*scaled, math.inf), polarity=(1, -1))
