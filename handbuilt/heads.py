"""Heads that face left and right, and heads on their necks: two pathways that inhibit each other and are united.

Lines make corners: the tip of a snout, which lies level, and that of an ear, which leans back; and small rings: eyes.
Lines side by side make necks. An ear is an ear whichever way it leans, so left and right ones are united before
anything else reads them. A snout ahead, an ear above and behind and an eye in the middle make a head; a head above and
ahead of its neck makes a head on its neck. All but eyes come for either side, the one a mirror image of the other.

Parts lie loosely, and that is what makes inhibition necessary: an eye is 16 pixels from where it is in the mirror
image, an ear 32, and a part counts by a bell of 25 pixels. So eye and ear excite the wrong head nearly as much as the
right one, and what speaks for the other side has to be taken away.

Parts are few and clear, because corners and rings have thresholds above what one line does to them. A head has one
above what eye and ear do beside their places, a head on its neck above what a head without it does.

Thresholds make it a circuit for the contrast and the sharpness of that drawing: nothing is seen at 0.8 of the contrast.
Sizes are those of `HEAD`; 167 pixels hold the whole drawing, and heads on necks see 291:

    net(stimuli.Head(**heads.HEAD, facing=-1).draw(291)[None])["heads@180-mirrored"]

Source: Olah et al., "Zoom In: An Introduction to Circuits", Distill (2020), "Unioning over cases". Parts and numbers
are ours, chosen on `HEAD` and on its jumbled arrangements of seeds 0 to 15; experiments/unioning measures others.
"""

from typing import Any

from circuitkit.geometry import Scalar
from circuitkit.pathways import pathways
from circuitkit.spec import Away, Circle, Circuit, Corner, Crossing, Family, Flank, Gabor, Line, Tile, Union

HEAD: dict[str, Any] = {"skull": 18.0, "snout": 20.0, "ear": 24.0, "eye": 3.8, "nose": 2.8, "neck": 19.0}
"""Options of the `stimuli.Head` that the circuit is made for; `neck=0` for one without."""

LOOSE = 25.0
"""How far a part may lie from its place, in pixels (standard deviation). The skull's radius is 18."""


def circuit(rivalry: Scalar = 1.0, loose: Scalar = LOOSE) -> Circuit:
    """Writes the circuit with a strength of inhibition between the two pathways, at every stage."""
    edges = Family("edges", Gabor(wavelength=4, sigma=1.6, phase=90), angles=24)
    light_bars = Family("light_bars", Gabor(wavelength=4, sigma=1.6, phase=0), angles=12)
    dark_bars = Family("dark_bars", Gabor(wavelength=4, sigma=1.6, phase=180), angles=12)
    contours = Family("contours", Union((edges, light_bars, dark_bars)), angles=12)
    lines = Family("lines", Tile(contours, along=Line(length=4), tolerance=15) - Crossing(0.7), angles=24)

    eyes = Family(
        "eyes",
        Tile(lines, along=Circle(radius=3.8), tolerance=20)
        - Crossing(1.0, reason="a line across the ring belongs to something else")
        - Flank(1.0, distance=5, reason="a second ring is no eye, nor is one border among others"),
        angles=1,
        threshold=0.01,
    )

    # Each is written for a head that faces right. Its mirror image is the other member.
    ear_tip = Corner(opening=49, length=40, rounding=3.2)
    ears = Family(
        "ears",
        Tile(lines, along=ear_tip, tolerance=12, turned=112) - Crossing(1.0),
        threshold=0.013,
        angles=1,
        mirrored=True,
    )
    snout_tip = Corner(opening=36, length=44, rounding=4)
    snouts = Family(
        "snouts",
        Tile(lines, along=snout_tip, tolerance=12) - Crossing(1.0),
        threshold=0.018,
        angles=1,
        mirrored=True,
    )
    back, front = (Away(shape=Line(length=26), x=0, y=y) for y in (9.5, -9.5))
    necks = Family(
        "necks",
        (Tile(lines, along=back, tolerance=12, turned=58) - Crossing(1.0))
        + (Tile(lines, along=front, tolerance=12, turned=58) - Crossing(1.0)),
        threshold=0.03,
        angles=1,
        mirrored=True,
    )

    # Weights make up for what the parts' responses sum to: no part is to count much more than another one.
    spot = Line(length=4)
    heads = Family(
        "heads",
        Tile(snouts, along=Away(shape=spot, x=38, y=-6), tolerance=30, spread=loose, weight=1)
        + Tile(eyes, along=Away(shape=spot, x=8, y=6), spread=loose, weight=12)
        + Tile("ear", along=Away(shape=spot, x=-16, y=39), spread=loose, weight=6),
        size=121,  # parts lie within 60 pixels; what the bells hold beyond is left out
        threshold=1.3e-4,
        angles=1,
        mirrored=True,
    )
    on_necks = Family(
        "on_necks",
        Tile(heads, along=spot, tolerance=30, spread=4)
        + Tile(necks, along=Away(shape=spot, x=-17, y=-27), tolerance=30, spread=6, weight=0.024),
        threshold=1.8e-4,
        angles=1,
        mirrored=True,
    )

    return Circuit(
        "heads",
        [
            *(edges, light_bars, dark_bars, contours, lines, eyes),
            *pathways(ears, into="ear", rivalry=rivalry),
            *pathways(snouts, heads, into="head", rivalry=rivalry),
            *pathways(necks, on_necks, into="on_neck", rivalry=rivalry),
        ],
    )


SPEC = circuit()
