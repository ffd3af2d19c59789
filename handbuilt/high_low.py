"""High-low frequency detectors, written by hand: fine and coarse texture, each of any orientation, side by side.

Two units know no direction: `fine@0` responds to texture of high frequency, `coarse@0` to texture of low frequency,
whatever their orientation and phase. Laid to either side of a boundary, one against the other, they make a family that
has a direction: from invariant units to equivariant ones. A unit `high_low@45` responds where texture gets finer
towards 45 degrees, and neither to texture that is the same on both sides nor to what gets finer the other way.

    from handbuilt import high_low
    network = circuitkit.build(high_low.SPEC)          # or high_low.circuit(wavelength=24)

Source: Schubert et al., "High-Low Frequency Detectors", Distill (2021): a factor of high frequency and one of low
frequency, of which the kernel of the one is minus that of the other. The numbers are ours.
"""

import math

from circuitkit.spec import Beside, Circuit, Family, Gabor, OppositeArc, Tile, Union

RATIO = 3.0
"""Of the frequencies of fine and coarse texture."""


def circuit(wavelength: float = 16.0) -> Circuit:
    """Writes the circuit for boundaries of texture; `wavelength` is that of the coarse side, along its axes, in pixels.

    The texture of the stimuli is a product of two cosines, whose waves run along the diagonals and are shorter by the
    square root of 2.
    """
    coarse = wavelength / math.sqrt(2)
    fine = coarse / RATIO

    def energy(name: str, length: float) -> list[Family]:
        sigma = 0.45 * length
        edges = Family(f"{name}_edges", Gabor(wavelength=length, sigma=sigma, phase=90), angles=16)
        light = Family(f"{name}_light", Gabor(wavelength=length, sigma=sigma, phase=0), angles=8)
        dark = Family(f"{name}_dark", Gabor(wavelength=length, sigma=sigma, phase=180), angles=8)
        return [edges, light, dark, Family(name, Union((edges, light, dark), over_angles=True), angles=1)]

    # The wider and the longer the patches, the less they hear of where a wave's crests fall; their length over their
    # distance says how sharply the family is tuned.
    side = Beside(distance=0.45 * wavelength, length=wavelength)
    high_low = Family(
        "high_low",
        Tile("fine", along=side, spread=0.25 * wavelength)
        - OppositeArc(1.1, reason="fine texture on the other side: the same on both is no boundary")
        + Tile("coarse", along=side, spread=0.25 * wavelength, turned=180)
        - OppositeArc(1.1, reason="coarse texture where it should be fine"),
        angles=16,
    )
    return Circuit("high_low", [*energy("fine", fine), *energy("coarse", coarse), high_low])


SPEC = circuit()
