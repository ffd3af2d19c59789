"""Curve circuits as functions of their numbers: what is fitted.

The structure is that of `handbuilt/curves.py`: Gabors of four phases, contours, lines, early curves. There each number
was chosen by hand; here each has a name. Fewer angles than there (16 and 8, not 24 and 12), and units at every second
place alone, make it ten times faster; units are read between angles.
"""

from collections.abc import Mapping

from circuitkit.spec import Arc, Circuit, Crossing, Family, Gabor, Line, Normalisation, OppositeArc, Tile, Union

EARLY: Mapping[str, float] = {
    "wavelength": 5.0,
    "sigma": 2.0,
    "line_length": 4.0,
    "line_tolerance": 15.0,
    "line_spread": 1.3,
    "line_crossing": 0.7,
    "radius": 9.0,
    "length": 7.2,
    "tolerance": 15.0,
    "spread": 1.3,
    "crossing": 1.0,
    "opposite": 0.45,
}
"""As in `handbuilt/curves.py`, on images of half the size: pixels, degrees and shares."""

DIVIDED: Mapping[str, float] = {**EARLY, "within": 3.0, "constant": 0.004}
"""The same, with contours that are divided by a constant plus what all contours nearby respond (`Normalisation`)."""

ENERGY: Mapping[str, float] = {"wavelength": 5.0, "sigma": 2.0, "reach": 3.0}
"""For edges of any angle, and how far around the middle they count (standard deviation, in pixels)."""


def contours(
    *, wavelength: float, sigma: float, angles: int = 16, divided: Normalisation | None = None
) -> list[Family]:
    """Writes Gabors of four phases, and contours, which unite them."""
    edges = Family("edges", Gabor(wavelength=wavelength, sigma=sigma, phase=90), angles=angles, stride=2)
    bars = {
        name: Family(name, Gabor(wavelength=wavelength, sigma=sigma, phase=phase), angles=angles // 2, stride=2)
        for name, phase in (("light_bars", 0), ("dark_bars", 180))
    }
    united = Family("contours", Union((edges, *bars.values())), angles=angles // 2, normalised=divided)
    return [edges, *bars.values(), united]


def energy(*, wavelength: float, sigma: float, reach: float) -> Circuit:
    """Writes a circuit that ends in one unit, `energy`: how much of contours there is, whatever their angle."""
    below = contours(wavelength=wavelength, sigma=sigma)
    united = Family("any", Union(below[-1], over_angles=True), angles=1)
    around = Family("energy", Tile(united, along=Line(length=0.5), spread=reach), angles=1)
    return Circuit("edge energy", [*below, united, around])


def early(
    *,
    wavelength: float,
    sigma: float,
    line_length: float,
    line_tolerance: float,
    line_spread: float,
    line_crossing: float,
    radius: float,
    length: float,
    tolerance: float,
    spread: float,
    crossing: float,
    opposite: float,
    within: float | None = None,
    constant: float | None = None,
    angles: int = 16,
) -> Circuit:
    """Writes a circuit that ends in short arcs, `early_curves`; divided if `within` and `constant` are given."""
    divided = None if within is None or constant is None else Normalisation(within=within, constant=constant)
    below = contours(wavelength=wavelength, sigma=sigma, angles=angles, divided=divided)
    lines = Family(
        "lines",
        Tile(below[-1], along=Line(length=line_length), tolerance=line_tolerance, spread=line_spread)
        - Crossing(line_crossing),
        angles=angles,
    )
    early_curves = Family(
        "early_curves",
        Tile(lines, along=Arc(radius=radius, length=length), tolerance=tolerance, spread=spread)
        - Crossing(crossing)
        - OppositeArc(opposite),
        angles=angles,
    )
    return Circuit("early curves", [*below, lines, early_curves])
