"""circuitkit: a construction kit for handwritten vision circuits, and one battery of tests for any net.

    import circuitkit as ck
    from handbuilt import curves

    handbuilt = ck.HandbuiltNet(ck.build(curves.SPEC))
    stimuli = ck.grid(ck.stimuli.Curve(), angle=ck.turn(36), radius=ck.log(8, 60, 12))
    responses = ck.tune(handbuilt["curves"], stimuli)      # xarray: angle, radius, unit
"""

from circuitkit import nets, spec, stimuli, tuning
from circuitkit.build import build
from circuitkit.compiling import jit
from circuitkit.examples import crops, strata
from circuitkit.probe import HandbuiltNet, Net, Probe
from circuitkit.spec_text import from_json, to_json
from circuitkit.stimuli import grid, log, turn
from circuitkit.store import open_responses
from circuitkit.study import study
from circuitkit.survey import survey
from circuitkit.sweep import tune
from circuitkit.symmetry import Motion, cyclic, dihedral, hues
from circuitkit.turned import assert_equivariant, equivariance_by_layer, equivariance_error

__all__ = [
    "HandbuiltNet",
    "Motion",
    "Net",
    "Probe",
    "assert_equivariant",
    "build",
    "crops",
    "cyclic",
    "dihedral",
    "equivariance_by_layer",
    "equivariance_error",
    "from_json",
    "grid",
    "hues",
    "jit",
    "log",
    "nets",
    "open_responses",
    "spec",
    "stimuli",
    "strata",
    "study",
    "survey",
    "to_json",
    "tune",
    "tuning",
    "turn",
]
