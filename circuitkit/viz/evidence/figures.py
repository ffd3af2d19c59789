"""Which function draws which argument."""

from collections.abc import Callable, Mapping

from matplotlib.figure import Figure

from circuitkit.evidence.argument import Argument, Subject
from circuitkit.viz.evidence import dataset, handwritten, implementation, joint, synthetic, use, visualization
from circuitkit.viz.evidence.parts import with_strip
from circuitkit.viz.style import styled

FIGURES: Mapping[str, Callable[[Argument, Subject], Figure]] = {
    "feature visualization": visualization.figure,
    "dataset examples": dataset.figure,
    "synthetic examples": synthetic.figure,
    "joint tuning": joint.figure,
    "feature implementation": implementation.figure,
    "feature use": use.figure,
    "handwritten circuit": handwritten.figure,
}
"""By the argument's name."""


def figure(argument: Argument, subject: Subject) -> Figure:
    """Returns the figure of any argument; of one that is not in `FIGURES`, the units beside the controls alone.

    Args:
        argument: From `verify`, or from `load_argument`.
        subject: The units; that of a report that was loaded will do.

    Raises:
        SpecError: If the argument was not tested.
    """
    return FIGURES.get(argument.name, plain)(argument, subject)


@styled
def plain(argument: Argument, subject: Subject) -> Figure:
    """Shows each unit's statistic beside that of the controls, and nothing else."""
    return with_strip(argument, subject, 0.0)[0]
