"""A small study whose responses are written down, not measured: a bell for every unit, and an echo where asked."""

import math

import numpy as np
import xarray as xr

from circuitkit import tuning
from circuitkit.build import build
from circuitkit.probe import HandbuiltNet
from circuitkit.spec import Arc, Circuit, Crossing, Family, Gabor, Line, OppositeArc, Tile
from circuitkit.stimuli import Curve
from circuitkit.stimuli.text import stimulus_to_json
from circuitkit.study import Study, Subject

HOSTILE = "<script>alert('$x$')</script>&\"'"
"""A name that is HTML, an attribute's end, and half a formula."""


def circuit() -> Circuit:
    edges = Family("edges", Gabor(wavelength=4, sigma=1.2), angles=8)
    lines = Family("lines", Tile(edges, along=Line(length=3), tolerance=20) - Crossing(0.5), angles=8)
    curves = Family(
        "curves",
        Tile(lines, along=Arc(radius=8, length=8), tolerance=20) - Crossing(0.5) - OppositeArc(0.6, reason=HOSTILE),
        angles=8,
    )
    return Circuit("demo", [edges, lines, curves])


def responses(units: dict[str, float], *, echo: float = 0.0, count: int = 24, **attrs: object) -> xr.DataArray:
    """Returns bells about each unit's angle, largest at radius 20, with a smaller bell at the antipode."""
    angle = np.arange(count) * 360 / count
    radius = np.array([10.0, 20.0, 40.0, math.inf])
    away = np.deg2rad(angle[:, None] - np.array([*units.values()]))
    shape = np.exp(8 * (np.cos(away) - 1)) + echo * np.exp(8 * (-np.cos(away) - 1))
    values = shape[:, None, None, :] * np.array([0.6, 1.0, 0.6, 0.2])[:, None, None] * np.array([1.0, 0.9])[:, None]
    return xr.DataArray(
        values,
        dims=["angle", "radius", "polarity", "unit"],
        coords={"angle": angle, "radius": radius, "polarity": [1.0, -1.0], "unit": [*units]},
        name="response",
        attrs={
            "net": "demo",
            "layer": "curves",
            "read_out": "centre",
            "image_size": (21, 21),
            "receptive_field": (21, 21),
            "stimulus": "Curve(length=15)",
            "stimulus_spec": stimulus_to_json(Curve(length=15)),
            "versions": "circuitkit 0",
            **attrs,
        },
    )


def study(*, trained: bool = True) -> Study:
    spec = circuit()
    network = build(spec)
    probe = HandbuiltNet(network)["curves"]

    def subject(title: str, found: xr.DataArray) -> Subject:
        return Subject(title, probe, found, tuning.summary(found))

    family = spec.families[-1]
    units = dict(zip(family.unit_names, family.unit_angles, strict=True))
    some = responses(units, echo=0.5).isel(radius=[1, 3], polarity=[0])
    others = {f"fire5:{i}": 37.0 * i for i in range(13)} | {HOSTILE: 90.0}
    return Study(
        network,
        subject("curves, handbuilt", responses(units)),
        {"OppositeArc": subject("curves without OppositeArc", some)},
        xr.DataArray(
            np.full((len(spec.families), 1), 1e-7),
            dims=["layer", "motion"],
            coords={"layer": [family.name for family in spec.families], "motion": ["quarter turn"]},
        ),
        subject(f"net {HOSTILE}", responses(others, echo=0.2, net=HOSTILE, layer=HOSTILE)) if trained else None,
    )
