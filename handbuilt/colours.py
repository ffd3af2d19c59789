"""Colour detectors, written by hand: one template, turned round the hue circle as well as in the plane.

Three kinds of family. `edges` and `contrasts` have an angle and a hue, and are *twisted*: half a turn exchanges the two
sides, which are complementary, so it does to a unit what half a turn of the hue circle does. `contrasts@0-hue120`
responds to green above magenta; turned round, that is magenta above green, which is the affair of `contrasts@0-hue300`.
`spots` have a hue and no angle. `discs` have lost their angle, and kept their hue: `discs@0-hue120` responds to a green
disc on a magenta ground. `borders` have kept their angle and lost their hue: they respond where any hue gives way to
its complementary one.

    from handbuilt import colours
    network = circuitkit.build(colours.SPEC)          # or colours.circuit(radius=12)
    network(images)["discs@0-hue120"]                 # images of red, green and blue

All of it is blind to luminance: what all three channels share excites nothing.

Source: Olah et al., "Naturally Occurring Equivariance in Neural Networks", Distill (2020): hue and hue-rotation
equivariance, contrast to center circuits. The numbers are ours.
"""

from circuitkit.spec import Circle, Circuit, Crossing, Family, Gabor, HueFlank, Line, Reversed, Spot, Tile


def circuit(radius: float = 8.0) -> Circuit:
    """Writes the circuit for discs of a radius, in pixels."""
    edges = Family("edges", Gabor(wavelength=7, sigma=2.8, phase=90, hue=0), angles=12, hues=12)
    spots = Family("spots", Spot(sigma=2.0, hue=0), angles=1, hues=12)

    contrasts = Family(
        "contrasts",
        Tile(edges, along=Line(length=6), tolerance=15, hue_tolerance=25)
        - Crossing(0.5, reason="a contrast across the path is another border")
        - HueFlank(0.6, distance=75, reason="edges answer to hues as cosines do: that is broader than a hue"),
        angles=12,
        hues=12,
    )

    # Its hue is inside, to the left of the path; with its hue outside, the same ring is a disc of the opposite hue.
    discs = Family(
        "discs",
        Tile(contrasts, along=Circle(radius=radius), tolerance=20, hue_tolerance=25)
        - Reversed(1.0, reason="the same hue all around is a hole")
        - HueFlank(0.6, distance=75, reason="a border in a neighbouring hue belongs to another disc"),
        angles=1,
        hues=12,
    )

    borders = Family(
        "borders",
        Tile(contrasts, along=Line(length=10), tolerance=15)
        - Crossing(0.7, reason="a contrast across the path is another border"),
        angles=12,
    )

    return Circuit("colours", [edges, spots, contrasts, discs, borders])


SPEC = circuit()
