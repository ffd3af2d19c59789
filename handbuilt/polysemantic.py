"""A unit of three meanings, written by hand: faces of cats, fronts of cars, and legs of cats.

Parts that stand where they belong make a detector; three detectors make a unit that responds to each of three things
that have nothing to do with one another.

    lines, curves, corners, circles, rings
      -> head, ears, eyes | body, lights, grille | sides, paw          parts, each in its place
      -> faces, fronts, legs                                           above a threshold: no part is enough
      -> cat_or_car                                                    the mean of the three

    from handbuilt import polysemantic
    network = circuitkit.build(polysemantic.SPEC)
    network(images)["cat_or_car@0"]

`DRAWINGS` has what each looks for. Weights of parts are such that each responds with about 1 to its own drawing,
and the head with 0.3.

Source: Olah et al., "Zoom In: An Introduction to Circuits", Distill (2020), Polysemantic Neurons: unit 4e:55 responds
to cat faces, fronts of cars and cat legs; two layers of units with five meanings each have 25 connections of meanings.
The drawings, the parts and all numbers are ours.
"""

import dataclasses
import math
from collections.abc import Mapping

from circuitkit import stimuli
from circuitkit.spec import Beside, Circle, Circuit, Crossing, Family, Line, Tile, Tiles, Union
from handbuilt import circles, corners

RADIUS = 10.0
"""Of a head and of a paw, in pixels."""

MEANINGS = ("faces", "fronts", "legs")
PARTS: Mapping[str, tuple[str, ...]] = {
    "faces": ("head", "ears", "eyes"),
    "fronts": ("body", "lights", "grille"),
    "legs": ("sides", "paw"),
}

THRESHOLDS = {"faces": 0.5, "fronts": 0.6, "legs": 0.6}
"""Of the mean of the parts: no part is enough."""

RESPONSES = {
    "head": 0.0097,
    "ears": 0.0128,
    "eyes": 0.0219,
    "body": 0.0582,
    "lights": 0.0207,
    "grille": 0.0568,
    "sides": 0.0394,
    "paw": 0.0104,
}
"""What is 1 of a part: what weight 1 makes of its own drawing, since circles are few and respond weakly, and lines are
many. Of a head it is three times as much: it counts less, as a ring has two outlines of a head."""


def face(radius: float = RADIUS) -> stimuli.Figure:
    """Draws the face of a cat from the front: a round head, two pointed ears, two eyes."""
    drawn: stimuli.Figure = stimuli.Disc(radius=radius)
    for angle in (52.0, 128.0):
        x, y = radius * math.cos(math.radians(angle)), radius * math.sin(math.radians(angle))
        ear = stimuli.Wedge(opening=60, angle=angle, x=1.5 * x, y=1.5 * y)
        drawn = drawn | (ear & stimuli.Disc(radius=0.75 * radius, x=x, y=y))
    return drawn - _two(stimuli.Disc(radius=0.3 * radius), 0.42 * radius, 0.17 * radius)


def front(radius: float = RADIUS) -> stimuli.Figure:
    """Draws the front of a car: a broad body, two round lights, a grille of bars."""
    body = stimuli.Bar(length=4.4 * radius, thickness=2 * radius)
    drawn = body - _two(stimuli.Disc(radius=0.3 * radius), 1.6 * radius, 0.2 * radius)
    for place in (-0.55, 0.0, 0.55):
        drawn = drawn - stimuli.Bar(length=1.4 * radius, thickness=0.3 * radius, y=place * radius)
    return drawn


def leg(radius: float = RADIUS) -> stimuli.Figure:
    """Draws the leg of a cat: an upright bar with a round paw at its lower end."""
    bar = stimuli.Bar(length=3.6 * radius, thickness=radius, angle=90, y=0.3 * radius)
    return bar | stimuli.Disc(radius=radius, y=-1.5 * radius)


def _two(figure: stimuli.Figure, x: float, y: float) -> stimuli.Figure:
    """Returns a figure to the left and to the right."""
    return figure.with_values({"x": x, "y": y}) | figure.with_values({"x": -x, "y": y})


DRAWINGS: Mapping[str, stimuli.Figure] = {"faces": face(), "fronts": front(), "legs": leg()}
"""What each meaning looks for, its middle on the unit."""


def circuit(radius: float = RADIUS) -> Circuit:
    """Writes the circuit for heads and paws of a radius, in pixels, and all else in proportion."""
    below = circles.circuit(radius).families
    wedges = corners.circuit(arm=0.8 * radius, opening=60.0).families[-1]
    ring = Tile("contours", along=Circle(radius=0.3 * radius), tolerance=25, spread=1) - Crossing(
        0.8, reason="a bar, or a cross"
    )
    rings = Family("rings", ring, angles=1)
    parts: dict[str, Tile | Tiles] = {
        "head": Tile("circles", along=Line(length=2), spread=1.5),
        "ears": _each("corners", Beside(distance=1.5 * radius, length=3), (52, 128), 20, 2),
        "eyes": _rings(0.42 * radius, 0.17 * radius),
        "body": _each("lines", Beside(distance=radius, length=3 * radius), (90, 270), 10, 1.5),
        "lights": _rings(1.6 * radius, 0.2 * radius),
        "grille": Tile("lines", along=Line(length=0.8 * radius), tolerance=10, spread=0.5 * radius),
        "sides": _each("lines", Beside(distance=0.5 * radius, length=2.2 * radius), (0, 180), 10, 1.5),
        "paw": Tile("early_curves", along=Beside(distance=2.5 * radius, length=4), tolerance=25, spread=2, turned=270),
    }
    placed = [Family(name, _weighed(part, 1 / RESPONSES[name]), angles=1) for name, part in parts.items()]
    detectors = [
        Family(name, Union(PARTS[name], over_angles=True), angles=1, threshold=THRESHOLDS[name]) for name in MEANINGS
    ]
    unit = Family("cat_or_car", Union(MEANINGS, over_angles=True), angles=1)
    return Circuit("polysemantic", [*below, wedges, rings, *placed, *detectors, unit])


def _each(source: str, along: Beside, turns: tuple[float, float], tolerance: float, spread: float) -> Tiles:
    """Returns a tile turned in two ways, half of the weight each."""
    first, second = (Tile(source, along, tolerance, spread, turned=turn, weight=0.5) for turn in turns)
    return first + second


def _rings(x: float, y: float) -> Tiles:
    """Returns rings to the left and to the right."""
    angle, along = math.degrees(math.atan2(y, x)), Beside(distance=math.hypot(x, y), length=2)
    first, second = (Tile("rings", along, spread=1, turned=turn, weight=0.5) for turn in (angle, 180 - angle))
    return first + second


def _weighed(part: Tile | Tiles, weight: float) -> Tile | Tiles:
    if isinstance(part, Tile):
        return dataclasses.replace(part, weight=weight * float(part.weight))
    return Tiles(tuple(dataclasses.replace(term, weight=weight * float(term.weight)) for term in part.terms))


SPEC = circuit()
