"""A first layer whose basis has more and wider rings than escnn's default, for kernels that this cannot hold.

Of 64 choices of reach, number and width of rings and of cut-off, one of those that turned best when fitted.
"""

import numpy as np
from escnn import gspaces, nn


def first_layer(angles: int, size: int) -> nn.SequentialModule:
    turns = gspaces.rot2dOnR2(angles)
    image, members = nn.FieldType(turns, [turns.trivial_repr]), nn.FieldType(turns, [turns.regular_repr])
    basis = {
        "rings": np.linspace(0, 0.65 * (size - 1), size + 4).tolist(),
        "sigma": 0.75,
        "frequencies_cutoff": lambda radius: 3 * radius,
    }
    return nn.SequentialModule(nn.R2Conv(image, members, kernel_size=size, bias=False, **basis), nn.ReLU(members))
