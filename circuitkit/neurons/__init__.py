"""What the neurons of a layer say together: along a line, over a plane, and in groups, exactly.

from circuitkit import neurons

layer = neurons.Affine([[1.0, -2.0, 0.5]], [0.1, 0.4, -0.2])    # one input, three neurons
said = layer(neurons.interval(-1, 1))                           # what they say along a line
neurons.crossings(said).table()                                 # where each crosses 0
neurons.groups(said, neurons.positive()).table()                # who is positive where
"""

from circuitkit.neurons.affine import Affine, through
from circuitkit.neurons.crossings import Boundaries, Crossings, boundaries, crossings, possible, possible_cells
from circuitkit.neurons.directions import Concept, Principal, concept, feature, line, principal, stimulus_path
from circuitkit.neurons.groups import (
    Cells,
    Intervals,
    Predicate,
    above,
    groups,
    nearest_group,
    positive,
    predicate,
    top,
    upper_quartile,
)
from circuitkit.neurons.path import Path, interval, polyline, segment
from circuitkit.neurons.reading import Reading, can_be_read, read
from circuitkit.neurons.similarity import clustered, similarity
from circuitkit.neurons.surface import Surface, plane, rectangle

__all__ = [
    "Affine",
    "Boundaries",
    "Cells",
    "Concept",
    "Crossings",
    "Intervals",
    "Path",
    "Predicate",
    "Principal",
    "Reading",
    "Surface",
    "above",
    "boundaries",
    "can_be_read",
    "clustered",
    "concept",
    "crossings",
    "feature",
    "groups",
    "interval",
    "line",
    "nearest_group",
    "plane",
    "polyline",
    "positive",
    "possible",
    "possible_cells",
    "predicate",
    "principal",
    "read",
    "rectangle",
    "segment",
    "similarity",
    "stimulus_path",
    "through",
    "top",
    "upper_quartile",
]
