"""A car detector and dog heads, written by hand: what superposition puts into the same channels.

`cars@90` responds to a car that stands upright: windows on top, a body, wheels at the bottom. It looks for dark patches
on its upper side; for a light bar across; and for circles on its lower side, which inhibit it on its upper one.

    from handbuilt import superposition
    network = circuitkit.build(superposition.car())          # or superposition.car(length=80)
    network(images)["cars@90"]

`heads@45` of `dogs` responds to a head that faces towards 45 degrees: a light bar of head and snout, with a dark nose
at that end and none at the other. `spread` has directions for both in the channels of a next layer: every head has a
channel, and the car has a little of all of them.

Responses are sums, without a bias: what is left out of a car is missing from its response, and does not veto it.

Source: Olah et al., "Zoom In: An Introduction to Circuits", Distill (2020), Superposition: unit 447 of mixed4c, whose
windows excite at the top and inhibit at the bottom, and wheels the other way round. The numbers are ours.
"""

import math

import numpy as np
from jaxtyping import Float

from circuitkit.spec import Beside, Circuit, Family, Gabor, Line, OppositeArc, Tile, Union
from handbuilt import circles

WHEELS = 800.0
"""How much wheels count beside windows. Two circles on a whole axle are few, and circles respond weakly."""


def car(length: float = 100.0) -> Circuit:
    """Writes the circuit for cars of a length, in pixels, in the proportions of `circuitkit.stimuli.Car`."""
    height, wheel = 0.22 * length, 0.12 * length
    patches = Family("patches", Gabor(wavelength=1.2 * height, sigma=0.4 * height, phase=180), angles=8)
    bodies = Family("bodies", Gabor(wavelength=2 * height, sigma=0.7 * height, phase=0), angles=8)
    windows = Family("windows", Union(patches, over_angles=True), angles=1)
    axles = Beside(distance=0.5 * height, length=0.6 * length)
    cars = Family(
        "cars",
        Tile(windows, along=Beside(distance=0.9 * height, length=0.3 * length), spread=0.2 * height)
        + Tile(bodies, along=Line(length=0.5 * length), tolerance=20, spread=0.1 * height, turned=90)
        + Tile("circles", along=axles, spread=0.15 * height, turned=180, weight=WHEELS)
        - OppositeArc(1.0, reason="wheels on top: a car upside down"),
        angles=4,
    )
    return Circuit("car", [*circles.circuit(wheel).families, patches, windows, bodies, cars])


def dogs(skull: float = 22.0) -> Circuit:
    """Writes the circuit for heads with a skull of half a length, in pixels, as `circuitkit.stimuli.Head` has them."""
    patches = Family("patches", Gabor(wavelength=0.7 * skull, sigma=0.23 * skull, phase=180), angles=8)
    snouts = Family("snouts", Gabor(wavelength=2 * skull, sigma=0.7 * skull, phase=0), angles=8)
    noses = Family("noses", Union(patches, over_angles=True), angles=1)
    heads = Family(
        "heads",
        Tile(noses, along=Beside(distance=1.6 * skull, length=0.3 * skull), spread=0.15 * skull)
        - OppositeArc(1.0, reason="a nose at the other end: the head faces the other way")
        + Tile(snouts, along=Line(length=1.5 * skull), tolerance=15, spread=0.1 * skull, weight=0.05),
        angles=8,
    )
    return Circuit("dogs", [patches, snouts, noses, heads])


def spread(heads: int = 8) -> Float[np.ndarray, "feature channel"]:
    """Returns a direction for each of some heads, a channel of its own, and last one for the car: all heads alike.

    None is negative, so that channels may be units behind a relu. As 1 x 1 weights of a next layer, these are the rows
    of its kernel.
    """
    return np.concatenate([np.eye(heads), np.full((1, heads), 1 / math.sqrt(heads))])
