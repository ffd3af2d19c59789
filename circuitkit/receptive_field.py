"""Which image pixels a unit sees: size, stride and centre, composed layer by layer.

Positions are pixel indices: 0 is the centre of the first pixel (top row, left column), so the centre of
`n` pixels lies at `(n - 1) / 2`. Rows come before columns.
Source: Araujo, Norris, Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill (2019).
"""

import dataclasses
from collections.abc import Iterable
from typing import Self, TypeVar

from circuitkit.errors import NetError

Pair = tuple[int, int]
Number = TypeVar("Number", int, float)


@dataclasses.dataclass(frozen=True)
class ReceptiveField:
    """The square of pixels that a layer's units see, and where it lies.

    Attributes:
        size: Height and width of the field, in pixels.
        stride: Pixels between the fields of neighbouring units, down and across.
        first: Row and column of the centre of the field of unit (0, 0), in pixel indices; half-integer
            where the field has an even side, negative where padding puts it outside the image.
    """

    size: Pair = (1, 1)
    stride: Pair = (1, 1)
    first: tuple[float, float] = (0.0, 0.0)

    def through(self, *, kernel: Pair, stride: Pair = (1, 1), pad: Pair = (0, 0), dilation: Pair = (1, 1)) -> Self:
        """Returns the field one layer further up.

        Args:
            kernel: Rows and columns of the window (of a convolution or a pool).
            stride: Its stride.
            pad: Pixels of padding added before the first row and column.
            dilation: Steps between the window's taps.
        """
        reach = tuple((k - 1) * d for k, d in zip(kernel, dilation, strict=True))
        return type(self)(
            size=_pair(n + r * s for n, r, s in zip(self.size, reach, self.stride, strict=True)),
            stride=_pair(s * t for s, t in zip(self.stride, stride, strict=True)),
            first=_pair(f + (r / 2 - p) * s for f, r, p, s in zip(self.first, reach, pad, self.stride, strict=True)),
        )

    def merged(self, other: "ReceptiveField") -> Self:
        """Returns the smallest field that covers both, centred on what it covers.

        Branches that are added or concatenated see the image through the same stride; their union is what
        the unit sees.

        Raises:
            NetError: If the strides differ: such branches cannot be joined unit by unit.
        """
        if self.stride != other.stride:
            raise NetError(
                f"branches with strides {self.stride} and {other.stride} were joined; "
                "units of one layer need one stride. Check the pads and strides of the graph."
            )
        spans = []
        for n, f, m, g in zip(self.size, self.first, other.size, other.first, strict=True):
            low = min(f - (n - 1) / 2, g - (m - 1) / 2)
            high = max(f + (n - 1) / 2, g + (m - 1) / 2)
            spans.append((round(high - low) + 1, (low + high) / 2))
        return type(self)(size=_pair(n for n, _ in spans), stride=self.stride, first=_pair(f for _, f in spans))

    def centre(self, row: int, column: int) -> tuple[float, float]:
        """Returns row and column, in pixel indices, of the centre of the field of unit (row, column)."""
        return (self.first[0] + self.stride[0] * row, self.first[1] + self.stride[1] * column)


def _pair(values: Iterable[Number]) -> tuple[Number, Number]:
    """Returns the two values, rows before columns."""
    rows, columns = values
    return rows, columns
