"""Curve detectors, written by hand: Gabors, lines, early curves, curves.

Each layer lays the one before along the tangent of its shape, and each inhibition has a name and a reason.
A unit `curves@45` responds to a curve that bulges towards 45 degrees, whatever its polarity, and neither to
the opposite curve nor to a straight line.

    from handbuilt import curves
    network = circuitkit.build(curves.SPEC)            # or curves.circuit(radius=30)

Source: Cammarata et al., "Curve Circuits", Distill (2021): Gabors -> lines -> early curves -> curves, every
15 degrees, and inhibition from the opposite arc against echoes. The numbers are ours; docs/curves.md says how
each was chosen.
"""

import dataclasses
from collections.abc import Mapping

from circuitkit.spec import Arc, Circuit, Crossing, Family, Gabor, Line, Normalisation, OppositeArc, Tile, Union


def circuit(
    radius: float = 20.0, wavelength: float = 7.0, *, normalised: Mapping[str, Normalisation] | None = None
) -> Circuit:
    """Writes the circuit for curves of a radius, out of edges and bars of a wavelength, both in pixels.

    Args:
        radius: Of the curves, in pixels.
        wavelength: Of edges and bars, in pixels.
        normalised: What families are divided by, by name: {"contours": Normalisation(within=12, constant=0.1)}. None is
            divided by anything if left out.

    Raises:
        UnknownNameError: If there is no family of such a name.
    """
    sigma = 0.4 * wavelength
    # Four phases: edges of both polarities (24 over the full turn), light bars, dark bars.
    edges = Family("edges", Gabor(wavelength=wavelength, sigma=sigma, phase=90), angles=24)
    light_bars = Family("light_bars", Gabor(wavelength=wavelength, sigma=sigma, phase=0), angles=12)
    dark_bars = Family("dark_bars", Gabor(wavelength=wavelength, sigma=sigma, phase=180), angles=12)

    # United, they see a contour wherever it falls on the pixel grid, be it a stroke or the border of a shape.
    contours = Family("contours", Union((edges, light_bars, dark_bars)), angles=12)

    lines = Family(
        "lines",
        Tile(contours, along=Line(length=4), tolerance=15)
        - Crossing(0.7, reason="a contour across the path is another line"),
        angles=24,
    )

    early_curves = Family(
        "early_curves",
        Tile(lines, along=Arc(radius=radius, length=0.8 * radius), tolerance=15)
        - Crossing(1.0, reason="lines across the arc are texture, or a corner")
        - OppositeArc(0.45, reason="so short an arc is nearly its own mirror image: weigh the one against the other"),
        angles=24,
    )

    curves = Family(
        "curves",
        Tile(early_curves, along=Arc(radius=radius, length=1.8 * radius), tolerance=20)
        - Crossing(0.6, reason="early curves that bulge along the arc belong to another contour")
        - OppositeArc(0.9, reason="what is left of the echo: early curves that bulge the other way"),
        angles=24,
    )

    plain = Circuit("curves", [edges, light_bars, dark_bars, contours, lines, early_curves, curves])
    divided = {plain[name].name: by for name, by in (normalised or {}).items()}
    return Circuit(
        plain.name,
        [dataclasses.replace(family, normalised=divided.get(family.name)) for family in plain.families],
    )


SPEC = circuit()
