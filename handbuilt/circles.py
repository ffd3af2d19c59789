"""Circle and evolute detectors, written by hand: curves all around a ring.

One family more than `handbuilt.curves`, and the step from equivariance to invariance: every curve unit excites the
circle from where it lies on a ring, in the direction in which it bulges, and one unit responds however the circle is
turned. What must not be there is the evolute, whose arcs lie on the same ring and bulge inwards; any curve that crosses
the ring; and a second ring. The evolute detector is the same, with curves and what inhibits them exchanged: four curves
that turn their backs on one another.

    from handbuilt import circles
    network = circuitkit.build(circles.SPEC)          # or circles.circuit(radius=20), circles.evolutes(radius=20)
    network(images)["circles@0"]

Source: Olah et al., "Naturally Occurring Equivariance in Neural Networks", Distill (2020): circle and evolute detectors
from curves. The numbers are ours.
"""

from circuitkit.spec import Circle, Circuit, Crossing, Family, Flank, Reversed, Tile
from handbuilt import curves


def circuit(radius: float = 14.0) -> Circuit:
    """Writes the circuit for circles of a radius, in pixels."""
    circles = Family(
        "circles",
        Tile("curves", along=Circle(radius=radius), tolerance=20, spread=1.5)
        - Crossing(0.5, reason="a curve across the ring belongs to another contour")
        - Reversed(1.0, reason="curves on the ring that bulge inwards make an evolute")
        - Flank(1.3, distance=6, reason="a second ring inside or outside makes a target, or a spiral"),
        angles=1,
    )
    return Circuit("circles", [*curves.circuit(radius).families, circles])


def evolutes(radius: float = 14.0) -> Circuit:
    """Writes the circuit for evolutes whose arcs touch a ring of a radius, in pixels, from outside."""
    found = Family(
        "evolutes",
        Tile("curves", along=Circle(radius=radius, inwards=True), tolerance=20, spread=1.5)
        - Crossing(0.5, reason="a curve across the ring belongs to another contour")
        - Reversed(1.0, reason="curves on the ring that bulge outwards make a circle"),
        angles=1,
    )
    return Circuit("evolutes", [*curves.circuit(radius).families, found])


SPEC = circuit()
