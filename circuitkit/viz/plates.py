"""A study as plates: every figure of the report, with its caption and its description in words."""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from circuitkit import tuning
from circuitkit.spec import Gabor
from circuitkit.study import Study, Subject
from circuitkit.viz.comparison import control, ranking
from circuitkit.viz.gallery import size_of, stimulus_gallery, stimulus_of
from circuitkit.viz.maps import radius_angle_map, radius_angle_maps
from circuitkit.viz.radial import joint_tuning, polar_tuning
from circuitkit.viz.tables import number, reasons, same_stimuli
from circuitkit.viz.weights import gabors, tile_weights, tiled, weight_by_angle

BEST = 12
"""How many units of a trained layer stand for it in figures."""


@dataclasses.dataclass(frozen=True, eq=False)
class Plate:
    """One figure as a report shows it.

    Attributes:
        name: Of its file, without the suffix.
        section: Of the report: weights, tuning, control, trained or measured.
        figure: The figure.
        alt: What is seen, in words, for readers who do not see it.
        caption: How to read it.
    """

    name: str
    section: str
    figure: Figure
    alt: str
    caption: str


def best_units(subject: Subject, count: int = BEST) -> list[str]:
    """Returns the names of the most curve-like units."""
    return subject.ranked()[:count]


def plates(study: Study) -> Iterator[Plate]:
    """Yields the figures of a study one by one, in the order of the report."""
    yield from _weights(study)
    yield from _tuning(study)
    yield from _control(study)
    if study.trained is not None:
        yield from _trained(study, study.trained)
    yield _gallery(study)


def _weights(study: Study) -> Iterator[Plate]:
    circuit, network = study.circuit, study.network
    first = [family.name for family in circuit.families if isinstance(family.looks_for, Gabor)]
    yield Plate(
        "gabors",
        "weights",
        gabors(network),
        f"Kernels of the families {', '.join(first)}, drawn as small red and blue images in rows by angle.",
        "The kernels that look at the image. An edge's angle points from dark to light; a bar's stands across the bar.",
    )
    pairs = tiled(network)
    if not pairs:
        return
    text = ", ".join(f"{pair.reader.name} from {pair.source.name}" for pair in pairs)
    yield Plate(
        "tiles",
        "weights",
        tile_weights(network),
        f"Weights of the first member of each tiled family ({text}), one small image for each source by relative "
        "angle: red along the shape where the source is aligned, blue where it is turned.",
        "What the member at angle 0 of each tiled family reads. Each small image is the kernel that reads one source: "
        "its centre is the reader's own place. Sources are in order of relative angle, the direction of their path "
        "against that of the reader's at its apex; the stroke above each image is drawn as the source stands.",
    )
    yield Plate(
        "summed-weights",
        "weights",
        weight_by_angle(network),
        f"Line plots of summed weights against relative angle for {text}: "
        "the sum is highest at relative angle 0 and lowest where the source is turned the most.",
        "The same weights, summed over positions, for all pairs of units: a family tiled by one rule has one curve, "
        "and only the relative angle matters. A band, where there is one, spans the readers.",
    )


def _tuning(study: Study) -> Iterator[Plate]:
    hand = study.handbuilt
    names = [str(name) for name in hand.summary.unit.values]
    curves = tuning.radial(hand.responses)
    every = max(1, math.ceil(len(names) / BEST))
    shown = names[::every]
    which = "all units" if every == 1 else f"{len(shown)} of {len(names)} units"
    yield Plate(
        "polar",
        "tuning",
        polar_tuning(curves.sel(unit=shown), f"{hand.title}: {which}, echo at most {_most(tuning.echo(curves))}"),
        f"Polar plots of the response of {which} of {hand.title} against the angle of the curve shown, "
        "each over its own peak.",
        "Radial tuning: the response to curves, averaged over radii from "
        f"{_radii(hand)} pixels and over both polarities. 0° is to the right and angles run counter-clockwise; "
        "a curve's angle is the way it bulges. FWHM: full width at half maximum. Echo: the largest response within "
        "45° of the antipode, over the peak. The peak named is that of the average, in the network's own units.",
    )
    families = {hand.title: curves}
    units = {f"{names[len(names) // 8]}, handbuilt": (hand.responses, names[len(names) // 8])}
    if study.trained is not None:
        best = best_units(study.trained)
        families[f"{study.trained.title}, top {len(best)}"] = tuning.radial(study.trained.responses).sel(unit=best)
        units[f"{best[0]}, trained"] = (study.trained.responses, best[0])
    beside = "" if study.trained is None else ", and of the best units of the trained layer beside it"
    yield Plate(
        "joint",
        "tuning",
        joint_tuning(families),
        f"All radial curves of {hand.title} on one axis and as a heat map{beside}.",
        "All radial curves of a family, each over its own peak, in the colour of its unit's preferred angle, and the "
        "same as a heat map with a row for each unit, ordered by preferred angle. The lowest point of the best unit's "
        "response is the coverage.",
    )
    yield Plate(
        "map",
        "tuning",
        radius_angle_map(units),
        f"Heat map of the response of {' and of '.join(units)} against angle and radius of the curve shown, with "
        "the stimuli drawn above and beside it.",
        "The response of one unit to every curve that it was shown, over its largest. The preferred angle is in the "
        "middle, the radius is on a log axis, and straight lines have the row on top. Stimuli are drawn at the "
        "preferred radius above, and at the preferred angle beside, as large as what the unit sees.",
    )


def _control(study: Study) -> Iterator[Plate]:
    if not study.without:
        return
    names = [str(name) for name in study.handbuilt.summary.unit.values]
    unit = names[len(names) // 8]
    some = next(iter(study.without.values())).responses
    same = same_stimuli(study.handbuilt.responses, some)
    curves = {name: tuning.radial(subject.responses).sel(unit=unit) for name, subject in study.without.items()}
    yield Plate(
        "control",
        "control",
        control(tuning.radial(same).sel(unit=unit), curves, reasons(study.circuit)),
        f"Radial curves of {unit} with every inhibition in place and with {', '.join(study.without)} left out: "
        "what each one removes.",
        f"One unit, {unit}, with every inhibition in place, and with all inhibitions of one kind left out of the "
        "spec. Left, each curve over its own peak; the grey bands are where an echo is looked for. Right, the "
        f"response itself. Averaged over {int(np.isfinite(some.radius.values).sum())} radii.",
    )


def _trained(study: Study, trained: Subject) -> Iterator[Plate]:
    best = best_units(trained)
    yield Plate(
        "ranking",
        "trained",
        ranking(trained.summary, study.handbuilt.summary, top=len(best)),
        f"Dot plot of the curve scores of all units of {trained.title}, highest first, and of the factors of "
        f"the score for the best {len(best)}: {', '.join(best)}.",
        "How curve-like every unit of the layer is. The score is the product of the selectivity for angle, 1 − echo, "
        "1 − (straight line over best curve) and the ratio of the responses to both polarities, and the strength: the "
        "radial curve over the 90th percentile of the units that respond, at most 1.",
    )
    yield Plate(
        "polar-trained",
        "trained",
        polar_tuning(
            tuning.radial(trained.responses).sel(unit=best), f"{trained.title}: the {len(best)} most curve-like units"
        ),
        f"Polar plots of the response of {', '.join(best)} against the angle of the curve shown.",
        "The same plots as for the handbuilt family above; peaks are in the net's own units.",
    )
    yield Plate(
        "maps-trained",
        "trained",
        radius_angle_maps(
            trained.responses, best, f"{trained.title}: angle and radius, the {len(best)} most curve-like units"
        ),
        f"Heat maps of the responses of {', '.join(best)} against angle and radius of the curve shown.",
        "Each map is over the unit's own largest response, with its preferred angle (given above it) in the middle.",
    )


def _gallery(study: Study) -> Plate:
    responses = study.handbuilt.responses
    finite = np.sort(responses.radius.values[np.isfinite(responses.radius.values)])
    chosen = [float(finite[i]) for i in np.unique(np.linspace(0, len(finite) - 1, 4).round().astype(int))]
    return Plate(
        "stimuli",
        "measured",
        stimulus_gallery(stimulus_of(responses), size_of(responses), [*chosen, math.inf]),
        "Small images of the curves shown, in rows by radius and columns by angle.",
        f"Some of the {math.prod(n for d, n in responses.sizes.items() if d != 'unit')} stimuli, as the handbuilt "
        "units saw them. The apex of every curve lies at the centre of the receptive field of the unit that is read.",
    )


def _most(values: xr.DataArray) -> str:
    return number(float(values.max()), ".2f")


def _radii(subject: Subject) -> str:
    finite = subject.responses.radius.values[np.isfinite(subject.responses.radius.values)]
    return f"{finite.min():.0f} to {finite.max():.0f}"
