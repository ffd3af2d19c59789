"""Corner detectors, written by hand: Gabors, contours, short lines, and lines along two arms that meet.

A unit `corners@45` responds to a corner that points towards 45 degrees, with its tip on the unit. A straight line fits
only one of its arms, and a curve none of them: its lines stand at every angle between those of the arms.

    from handbuilt import corners
    network = circuitkit.build(corners.SPEC)          # or corners.circuit(opening=60)

Source: Olah et al., "An Overview of Early Vision in InceptionV1", Distill (2020): angles of conv2d2 and mixed3a, made
of lines. The lines are those of `handbuilt.curves`; all other numbers are ours.
"""

from circuitkit.spec import Circuit, Corner, Crossing, Family, OppositeArc, Tile
from handbuilt import curves


def circuit(arm: float = 20.0, opening: float = 90.0) -> Circuit:
    """Writes the circuit for corners with arms of a length, in pixels, at an opening, in degrees."""
    corners = Family(
        "corners",
        Tile("lines", along=Corner(opening=opening, length=2 * arm), tolerance=10)
        - Crossing(0.7, reason="lines across an arm belong to a cross or a texture")
        - OppositeArc(0.6, reason="the corner that points the other way: a cross holds both"),
        angles=24,
    )
    return Circuit("corners", [*curves.SPEC.families[:5], corners])


SPEC = circuit()
