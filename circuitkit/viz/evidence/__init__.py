"""Figures of the seven arguments: a file an argument, each with `figure(argument, subject)`.

from circuitkit.viz import evidence

evidence.synthetic.figure(report.arguments["synthetic examples"], report.subject)
evidence.figure(argument, subject)                # whichever argument it is
evidence.write_verdict(report, "verdict")         # the page, with all of them
"""

from circuitkit.viz.evidence import dataset, handwritten, implementation, joint, synthetic, use, visualization
from circuitkit.viz.evidence.figures import figure
from circuitkit.viz.evidence.verdict import write_verdict

__all__ = [
    "dataset",
    "figure",
    "handwritten",
    "implementation",
    "joint",
    "synthetic",
    "use",
    "visualization",
    "write_verdict",
]
