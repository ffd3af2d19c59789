"""Lines, corners, circles and boundaries of texture, built by hand, respond to what they are named after."""

import functools

import numpy as np
import pytest
import xarray as xr

from circuitkit import tuning
from circuitkit.build import build
from circuitkit.geometry import angle_between
from circuitkit.probe import HandbuiltNet, Probe
from circuitkit.spec import Circuit, Crossing, Flank, Reversed
from circuitkit.stimuli import (
    Corner,
    Cross,
    Curve,
    Disc,
    Edge,
    Evolute,
    HighLow,
    Line,
    NoiseTexture,
    Ring,
    Spiral,
    Stimulus,
    grid,
    log,
    turn,
)
from circuitkit.sweep import tune
from handbuilt import circles, corners, high_low, lines


@functools.cache
def probe(circuit: Circuit, *units: int) -> Probe:
    net, last = HandbuiltNet(build(circuit)), circuit.families[-1].name
    return net[last, list(units)] if units else net[last]


def best(of: Probe, stimulus: Stimulus, **axes: tuple[float, ...]) -> float:
    """Returns the largest response over a grid."""
    return float(tune(of, grid(stimulus, **(axes or {"angle": turn(12)}))).max())


def peaks(found: xr.DataArray) -> np.ndarray:
    return np.asarray(tuning.mean_angle(found.clip(min=0)).values)


def test_lines_respond_along_their_tangent() -> None:
    found = tune(probe(lines.SPEC), grid(Line(width=2), angle=turn(24, over=180)))
    best_angle = found.angle.values[found.values.argmax(0)]
    apart = [abs(angle_between(a, b, 180)) for a, b in zip(best_angle, lines.SPEC["lines"].unit_angles, strict=True)]
    assert max(apart) <= 7.5
    assert float(tuning.evenness(found)) > 0.85


def test_lines_respond_to_lines_more_than_to_other_shapes() -> None:
    of = probe(lines.SPEC, 0, 6)
    line = best(of, Line())
    for other in (Curve(radius=10), Corner(opening=90), Cross(), Ring(radius=10, thickness=2)):
        assert best(of, other) < 0.6 * line, other


def test_a_flank_tells_a_line_from_a_texture() -> None:
    def texture(circuit: Circuit) -> float:
        """Returns the response to a line between two others, over that to the line alone."""
        of = probe(circuit, 0)
        beside = sum(best(of, Line(y=y), angle=(0.0,)) for y in (-9.0, 9.0))
        return beside / best(of, Line(), angle=(0.0,))

    assert texture(lines.SPEC) == 0
    flank = lines.SPEC["lines"].tiles[0].minus[1]
    assert isinstance(flank, Flank)
    assert lines.SPEC.without(Flank) != lines.SPEC


def test_corners_point_where_they_should() -> None:
    found = tune(probe(corners.SPEC), grid(Corner(opening=90), angle=turn(24)))
    best_angle = found.angle.values[found.values.argmax(0)]
    np.testing.assert_array_equal(best_angle, corners.SPEC["corners"].unit_angles)
    assert float(tuning.echo(found.clip(min=0)).max()) < 0.3
    assert float(tuning.evenness(found)) > 0.9


def test_corners_respond_to_corners_of_their_opening() -> None:
    of = probe(corners.SPEC, 0, 3)
    found = tune(of, grid(Corner(), angle=turn(24), opening=(45, 90, 135, 180))).max("angle")
    assert (found.idxmax("opening") == 90).all()
    corner = float(found.min("unit").max())
    for other in (Line(), Curve(radius=10), Curve(radius=20), Cross(), Ring(radius=14, thickness=2)):
        assert best(of, other) < 0.7 * corner, other
    narrow = tune(probe(corners.circuit(opening=60), 0), grid(Corner(), opening=(60, 90, 120)))
    assert int(narrow.values.argmax()) == 0


def test_a_circle_responds_to_circles_of_about_its_radius() -> None:
    found = tune(probe(circles.SPEC), grid(Ring(thickness=2), radius=log(7, 28, 9)))[:, 0]
    assert 12 <= float(found.idxmax("radius")) <= 18
    assert float(found[0]) == float(found[-1]) == 0
    smaller = tune(probe(circles.circuit(10.0)), grid(Ring(thickness=2), radius=log(7, 28, 9)))[:, 0]
    assert 8 <= float(smaller.idxmax("radius")) <= 12


@pytest.mark.parametrize(
    ("other", "axes"),
    [
        (Curve(radius=14, length=44, x=14), {"angle": turn(4)}),  # on the ring, half way round
        (Curve(radius=14, length=44), {"angle": turn(4)}),
        (Line(), {"x": (0, 7, 14)}),
        (Corner(), {"x": (0, 10)}),
        (Evolute(arms=4, radius=14, bend=14), {"angle": (0, 45)}),
        (Evolute(), {"angle": (0, 45)}),
        (Spiral(), {"angle": (0,)}),
    ],
    ids=lambda value: repr(value) if isinstance(value, Stimulus) else "",
)
def test_a_circle_responds_to_circles_more_than_to_other_shapes(other: Stimulus, axes: dict) -> None:
    of = probe(circles.SPEC)
    circle = best(of, Ring(radius=14, thickness=2), angle=(0.0,))
    assert circle > 0.005
    assert best(of, other, **axes) < 0.5 * circle


def test_a_disc_is_a_circle_too_in_either_polarity() -> None:
    found = tune(probe(circles.SPEC), grid(Disc(radius=14), polarity=(1, -1)))[:, 0]
    assert float(found.min()) > 0.4 * best(probe(circles.SPEC), Ring(radius=14, thickness=2), angle=(0.0,))
    assert float(found.min() / found.max()) > 0.95


def test_an_evolute_responds_to_evolutes_and_to_no_circle() -> None:
    of = probe(circles.evolutes())
    evolute = best(of, Evolute(arms=4, radius=14, bend=14), angle=(0.0, 45.0))
    assert evolute > 0.002
    for other in (Ring(radius=14, thickness=2), Curve(radius=14, length=44, x=14), Line(), Corner(), Spiral()):
        assert best(of, other) < 0.5 * evolute, other


@pytest.mark.parametrize(("circuit", "turned"), [(circles.SPEC, 0.0), (circles.evolutes(), 180.0)])
def test_curves_excite_a_circle_in_the_direction_in_which_they_bulge(circuit: Circuit, turned: float) -> None:
    kernel = np.asarray(build(circuit).layers[circuit.families[-1].name].kernel[...])[..., 0]
    reach = kernel.shape[0] // 2
    y, x = np.mgrid[reach : -reach - 1 : -1, -reach : reach + 1]
    for unit, angle in enumerate(circuit["curves"].unit_angles):
        excited = np.maximum(kernel[..., unit], 0)
        direction = np.degrees(np.arctan2((excited * y).sum(), (excited * x).sum()))
        assert abs(angle_between(direction, angle + turned)) < 2
        distance = np.hypot((excited * x).sum(), (excited * y).sum()) / excited.sum()
        assert 0.8 * 14 < distance < 14


@pytest.mark.parametrize("kind", [Crossing, Reversed, Flank])
def test_each_inhibition_of_the_circle_is_there(kind: type) -> None:
    assert any(isinstance(term, kind) for term in circles.SPEC["circles"].tiles[0].minus)


PHASES = (0.0, 90.0, 180.0)


def test_boundaries_of_texture_are_tuned_as_in_the_article() -> None:
    found = tune(probe(high_low.SPEC), grid(HighLow(), angle=turn(24), phase=PHASES)).clip(min=0).mean("phase")
    apart = [abs(angle_between(a, b)) for a, b in zip(peaks(found), high_low.SPEC["high_low"].unit_angles, strict=True)]
    assert max(apart) < 2
    # Schubert et al., "High-Low Frequency Detectors": one lobe of 107 to 132 degrees, and nothing 180 degrees away.
    width = tuning.fwhm(found)
    assert 107 <= float(width.min()) <= float(width.max()) <= 132
    assert float(tuning.echo(found).max()) == 0
    assert float(found.max("angle").min() / found.max()) > 0.97


def test_texture_that_is_the_same_on_both_sides_is_no_boundary() -> None:
    of = probe(high_low.SPEC, 0, 5)
    found = tune(of, grid(HighLow(), angle=turn(24), ratio=(1.0, 1.5, 3.0), phase=PHASES)).clip(min=0)
    by_ratio = found.mean("phase").max("angle")
    assert (by_ratio.sel(ratio=1.0) == 0).all()
    assert (np.diff(by_ratio.transpose("ratio", "unit"), axis=0) > 0).all()
    top = float(by_ratio.max())
    others = {Edge(): 0.01, NoiseTexture(): 0.1, HighLow(wavelength=5, ratio=1): 0.01}
    for other, most in others.items():
        assert best(of, other) <= most * top, other


def test_fine_and_coarse_texture_have_no_direction_and_are_told_apart() -> None:
    net = HandbuiltNet(build(high_low.SPEC))
    stimuli = grid(HighLow(ratio=1), wavelength=(5.3, 16.0), angle=turn(8), phase=(0.0, 90.0))
    for name, own in (("fine", 0), ("coarse", 1)):
        found = tune(net[name], stimuli).mean("phase")[..., 0]
        by_angle = found.isel(wavelength=own)
        assert float(by_angle.max() / by_angle.min()) < 1.1
        assert float(found.isel(wavelength=1 - own).max()) < 0.25 * float(by_angle.min())
