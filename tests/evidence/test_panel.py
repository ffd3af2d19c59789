"""Circuits side by side respond as each does alone."""

import dataclasses

import numpy as np

from circuitkit.build import build
from circuitkit.evidence.panel import Panel, merge
from circuitkit.probe import HandbuiltNet
from circuitkit.spec import Arc, Circuit, Crossing, Family, Gabor, Line, Tile, Union
from circuitkit.stimuli import Curve, grid, turn
from circuitkit.sweep import tune

EDGES = Family("edges", Gabor(wavelength=5, sigma=1.75), angles=8, size=7)
LINES = Family("lines", Tile(EDGES, Line(length=3), tolerance=25), angles=8, size=5)
LONG = Family("lines", Tile(EDGES, Line(length=6), tolerance=25) - Crossing(0.5), angles=8, size=9)
ARCS = Family("arcs", Tile(LINES, Arc(radius=8, length=6), tolerance=25), angles=8)
ENERGY = Family("energy", Union((EDGES, LINES), over_angles=True), angles=1)
CIRCUITS = {
    "lines": Circuit("short", [EDGES, LINES]),
    "long": Circuit("long", [EDGES, LONG]),
    "arcs": Circuit("arcs", [EDGES, LINES, ARCS]),
    "energy": Circuit("energy", [EDGES, LINES, ENERGY]),
}
STIMULI = grid(Curve(length=20), angle=turn(6), radius=(6, 12))


def test_each_circuit_responds_as_it_does_alone() -> None:
    panel = Panel(CIRCUITS)
    found = tune(panel.probe, STIMULI)
    for name, circuit in CIRCUITS.items():
        alone = tune(HandbuiltNet(build(circuit))[circuit.families[-1].name], STIMULI)
        assert float(alone.max()) > 0
        np.testing.assert_allclose(found.values[..., panel.channels[name]], alone.values, atol=1e-6)
        assert panel.angles[name] == circuit.families[-1].unit_angles
    assert panel.probe.unit_names[0] == "lines: lines@0"


def test_what_circuits_have_in_common_is_there_once() -> None:
    merged, last = merge(CIRCUITS)
    assert len(merged.families) == 5  # edges and both kinds of lines, arcs, energy
    assert last["lines"] != last["long"]  # of one name, but not the same
    changed = dataclasses.replace(EDGES, looks_for=Gabor(wavelength=5, sigma=1.5))
    assert len(merge({**CIRCUITS, "other": Circuit("other", [changed, LINES])})[0].families) == 7
