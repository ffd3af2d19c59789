"""Circuits that are not curve detectors, though a careless test says that they are.

Each is honest work for another shape, or a curve detector with a part missing or one too many. All have a family
`curves`, and are made for the radius of the curves that they are taken for. Evidence for curves must refuse them all.

    from handbuilt import decoys
    network = circuitkit.build(decoys.DECOYS["spiral arm"])         # or decoys.MAKERS["spiral arm"](30.0)
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

from circuitkit.spec import Arc, Circuit, Corner, Crossing, Family, Line, OppositeArc, Spiral, Tile, Tiles, Union
from handbuilt import curves

RADIUS = 20.0
"""Of the curves that the decoys in `DECOYS` are taken for, in pixels."""


def line(radius: float = RADIUS) -> Circuit:
    """Contours along a straight path: 50 degrees wide, and large curves excite it.

    What gives it away: it responds to a straight line as to no curve, and alike at both ends of a diameter (echo 1).
    """
    long = Tile("contours", Line(length=radius), tolerance=12) - Crossing(0.8)
    return _circuit("line", curves.circuit(radius).families[:4], long)


def early_curve(radius: float = RADIUS) -> Circuit:
    """Lines along an arc, without inhibition: it prefers the curve at its own angle, and of its own radius.

    What gives it away: two thirds of its response to straight lines, and as much as an echo.
    """
    return _circuit("early curve", _lines(radius), Tile("lines", Arc(radius=radius, length=1.4 * radius), tolerance=15))


def circle(radius: float = RADIUS) -> Circuit:
    """Lines all around a circle, with the rim in the middle of the field: its angle and its radius are the curve's.

    What gives it away: a whole circle excites it more than any curve does.
    """
    rim = Arc(radius=radius, length=2 * math.pi * radius)
    return _circuit("circle", _lines(radius), Tile("lines", rim, tolerance=15) - Crossing(1.0) - OppositeArc(0.9))


def corner(radius: float = RADIUS) -> Circuit:
    """Lines along the arms of a blunt corner: it points the right way, and prefers curves to lines.

    What gives it away: it prefers a corner to every curve, and half of its response comes back as an echo.
    """
    blunt = Tile("lines", Corner(opening=120, length=1.6 * radius), tolerance=10) - Crossing(0.7) - OppositeArc(0.6)
    return _circuit("corner", _lines(radius), blunt)


def spiral_arm(radius: float = RADIUS) -> Circuit:
    """Early curves along an arm that opens as it turns: it passes all tests of tuning.

    What gives it away: it tells a spiral that opens its way from the mirror image.
    """
    arm = Spiral(radius=radius, pitch=35, length=1.8 * radius)
    return _circuit("spiral arm", _early_curves(radius), dataclasses.replace(_curve(radius), along=arm))


def wrong_radius(radius: float = RADIUS) -> Circuit:
    """A curve detector, for less than half the radius: without fault at any angle.

    What gives it away: its preferred radius.
    """
    return Circuit("wrong radius", curves.circuit(0.45 * radius).families)


def two_curves(radius: float = RADIUS) -> Circuit:
    """The sum of two curve detectors, 95 degrees apart: it responds to its curve fully, and to no line.

    What gives it away: a second peak, at an angle where no echo is looked for.
    """
    tile = _curve(radius)
    return _circuit("two curves", _early_curves(radius), tile + dataclasses.replace(tile, turned=95.0))


def curve_and_line(radius: float = RADIUS) -> Circuit:
    """The sum of a curve detector and a line detector that runs across it: it responds to its curve fully.

    What gives it away: lines at right angles to its curve.
    """
    across = Tile("lines", Line(length=radius), tolerance=12, weight=0.15) - Crossing(0.8)
    return _circuit("curve and line", _early_curves(radius), _curve(radius) + across)


def edge_energy(radius: float = RADIUS) -> Circuit:
    """Contours of any angle: every curve excites it, of either polarity and any radius.

    What gives it away: so does everything else; it has no angle.
    """
    energy = Family("curves", Union("contours", over_angles=True), angles=1)
    return Circuit("edge energy", [*curves.circuit(radius).families[:4], energy])


def _lines(radius: float) -> Sequence[Family]:
    return curves.circuit(radius).families[:5]


def _early_curves(radius: float) -> Sequence[Family]:
    return curves.circuit(radius).families[:6]


def _curve(radius: float) -> Tile:
    """Returns what a curve detector of a radius looks for."""
    (tile,) = curves.circuit(radius)["curves"].tiles
    return tile


def _circuit(name: str, below: Sequence[Family], looks_for: Tile | Tiles) -> Circuit:
    # A line among them has 24 members as well, over the full turn: its second half repeats the first.
    return Circuit(name, [*below, Family("curves", looks_for, angles=24, period=360)])


MAKERS: Mapping[str, Callable[[float], Circuit]] = {
    "line": line,
    "early curve": early_curve,
    "circle": circle,
    "corner": corner,
    "spiral arm": spiral_arm,
    "wrong radius": wrong_radius,
    "two curves": two_curves,
    "curve and line": curve_and_line,
    "edge energy": edge_energy,
}
"""Each as a function of the radius of the curves that it is taken for, in pixels."""

DECOYS: Mapping[str, Circuit] = {name: make(RADIUS) for name, make in MAKERS.items()}
