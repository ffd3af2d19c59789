"""Curve detectors at three scales, written by hand: one template, magnified.

`curves@45-x1.5` looks for what `curves@45-x1` looks for, half again as large. So do the lines and the Gabors below it,
and each reads units of its own scale. So a curve that is magnified, thickness and all, excites the same family, one
step further on.

    from handbuilt import scales
    network = circuitkit.build(scales.SPEC)           # or scales.circuit(radius=12), scales.radii()

A net may save itself most of these copies: the curves of `radii` have the same three radii, and all read the same
lines. They prefer their own radius as well; but a stroke that is magnified gets thicker too, and to that these lines,
all of one scale, respond otherwise. It is one family on drawn curves, and no orbit under magnification.

Source: Olah et al., "Naturally Occurring Equivariance in Neural Networks", Distill (2020): scale equivariance, as a
rule across layers. The numbers are ours.
"""

from circuitkit.spec import Arc, Circuit, Crossing, Family, Gabor, Line, OppositeArc, Tile, Union

SCALES = (1.0, 1.5, 2.25)
"""Steps of 0.58 octaves."""


def circuit(radius: float = 9.0, scales: tuple[float, ...] = SCALES) -> Circuit:
    """Writes the circuit for curves of a radius, in pixels, and of its multiples; all layers come at all scales."""
    return _circuit("scales", radius, below=scales, curves=scales)


def radii(radius: float = 9.0, scales: tuple[float, ...] = SCALES) -> Circuit:
    """Writes the circuit for curves of several radii that share their lines, which are made for the middle one."""
    return _circuit("radii", radius, below=(scales[len(scales) // 2],), curves=scales)


def _circuit(name: str, radius: float, *, below: tuple[float, ...], curves: tuple[float, ...]) -> Circuit:
    edges = Family("edges", Gabor(wavelength=5, sigma=2, phase=90), angles=16, scales=below)
    light_bars = Family("light_bars", Gabor(wavelength=5, sigma=2, phase=0), angles=8, scales=below)
    dark_bars = Family("dark_bars", Gabor(wavelength=5, sigma=2, phase=180), angles=8, scales=below)
    contours = Family("contours", Union((edges, light_bars, dark_bars)), angles=8, scales=below)

    # Its own scale alone counts. A wider tolerance would have members at either end of the scales miss a neighbour.
    octaves = 0.15 if len(below) > 1 else None
    lines = Family(
        "lines",
        Tile(contours, along=Line(length=4), tolerance=18, scale_tolerance=octaves)
        - Crossing(0.7, reason="a contour across the path is another line"),
        angles=16,
        scales=below,
    )
    found = Family(
        "curves",
        Tile(lines, along=Arc(radius=radius, length=1.6 * radius), tolerance=18, scale_tolerance=octaves)
        - Crossing(1.0, reason="lines across the arc are texture, or a corner")
        - OppositeArc(0.8, reason="the arc that bulges the other way shares the tangent at the apex, and would echo"),
        angles=16,
        scales=curves,
    )
    return Circuit(name, [edges, light_bars, dark_bars, contours, lines, found])


SPEC = circuit()
