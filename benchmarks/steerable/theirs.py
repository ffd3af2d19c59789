"""Two layers of the same shapes, equivariant and with random weights, as a user of escnn writes them."""

from escnn import gspaces, nn


def network(angles: int, size: int) -> nn.SequentialModule:
    turns = gspaces.rot2dOnR2(angles)
    image = nn.FieldType(turns, [turns.trivial_repr])
    members = nn.FieldType(turns, [turns.regular_repr])
    return nn.SequentialModule(
        nn.R2Conv(image, members, kernel_size=size, bias=False),
        nn.ReLU(members),
        nn.R2Conv(members, members, kernel_size=size, bias=False),
        nn.ReLU(members),
    )
