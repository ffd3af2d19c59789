"""Line detectors, written by hand: Gabors, contours, lines.

Contours laid along a straight path make a line. A unit `lines@45` responds to a line that runs at 45 degrees, light or
dark, and to no line that crosses it; a second line beside the first makes it a texture, and inhibits.

    from handbuilt import lines
    network = circuitkit.build(lines.SPEC)            # or lines.circuit(length=20)

Source: Olah et al., "An Overview of Early Vision in InceptionV1", Distill (2020): Gabors -> complex Gabors -> lines.
The Gabors are those of `handbuilt.curves`; all other numbers are ours.
"""

from circuitkit.spec import Circuit, Crossing, Family, Flank, Line, Tile
from handbuilt import curves

CONTOURS = curves.SPEC.families[:4]
"""Edges and bars of both polarities, and their union, blind to polarity: what every circuit here begins with."""


def circuit(length: float = 20.0) -> Circuit:
    """Writes the circuit for lines of a length, in pixels."""
    lines = Family(
        "lines",
        Tile("contours", along=Line(length=length), tolerance=12)
        - Crossing(0.8, reason="a contour across the path is another line")
        - Flank(0.4, distance=9, reason="a second contour beside the first makes a texture"),
        angles=24,
    )
    return Circuit("lines", [*CONTOURS, lines])


SPEC = circuit()
