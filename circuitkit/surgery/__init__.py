"""Surgery on nets: units silenced, held, exchanged or replaced, pathways cut, weights edited; and what that costs.

from circuitkit.surgery import Ablate, Replace, operate, outcomes, recovery

blind = operate(net, [Ablate("fire4", (130, 141))])    # a net like any other; the first one stays as it was
"""

from circuitkit.surgery.calibration import agreement, replacements
from circuitkit.surgery.operated import OperatedNet, operate
from circuitkit.surgery.resampling import resampled
from circuitkit.surgery.scoring import outcomes, recovery
from circuitkit.surgery.steps import Ablate, Cut, Edit, Replace, from_json, to_json

__all__ = [
    "Ablate",
    "Cut",
    "Edit",
    "OperatedNet",
    "Replace",
    "agreement",
    "from_json",
    "operate",
    "outcomes",
    "recovery",
    "replacements",
    "resampled",
    "to_json",
]
