"""The numbers of a study as rows of text: beside the published ones, unit by unit, and what each inhibition does."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from circuitkit import tuning
from circuitkit.geometry import angle_between
from circuitkit.spec import Circuit
from circuitkit.study import Study, Subject

MISSING = "–"


class Published(NamedTuple):
    """One quantity of Distill's curve detectors.

    Attributes:
        natural: Of the curve family of InceptionV1's 3b.
        handwritten: Of the curve family that its authors wrote by hand.

    Source:
        Cammarata et al., "Curve Detectors" (2020) and "Curve Circuits" (2021), Distill; read off the data that they
        published.
    """

    natural: str = MISSING
    handwritten: str = MISSING


DISTILL = {
    "FWHM, mean (lowest to highest)": Published("48° (28 to 69)", "48 to 53°"),
    "echo over peak, mean": Published("0.009", "0.09 to 0.17"),
    "echo over peak, OppositeArc left out": Published("0.29", "0.38"),
    "straight line over peak, mean": Published("about 0.58"),
    "peaks of the family, lowest over highest": Published("0.65", "0.62"),
    "preferred radius, mean": Published("about 60 px", "40 to 45 px"),
    "coverage": Published("0.31"),
    "error of the preferred angle, largest": Published(),
    "polarity, weaker over stronger, mean": Published(),
    "curve score, mean (lowest to highest)": Published(),
}
"""What is compared, and the published values."""


def family_numbers(subject: Subject, units: Sequence[str]) -> dict[str, str]:
    """Returns the quantities of `DISTILL` that can be measured on some units of one layer, as text."""
    table = subject.summary.sel(unit=list(units))
    curves = tuning.radial(subject.responses.sel(unit=list(units)))
    return {
        "FWHM, mean (lowest to highest)": _range(table.fwhm, ".0f", "°"),
        "echo over peak, mean": number(float(table.echo.mean()), ".3f"),
        "straight line over peak, mean": number(float(table.line_ratio.mean()), ".2f"),
        "peaks of the family, lowest over highest": number(tuning.evenness(curves), ".2f"),
        "preferred radius, mean": number(float(table.preferred_radius.mean()), ".0f", " px"),
        "coverage": number(tuning.coverage(curves), ".2f"),
        "polarity, weaker over stronger, mean": number(float(table.polarity_ratio.mean()), ".2f"),
        "curve score, mean (lowest to highest)": _range(table.curve_score, ".2f"),
    }


def comparison(study: Study, best: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Returns the head and the rows of the table of measured beside published values.

    Args:
        study: What was measured.
        best: The units of the trained layer that stand for it.
    """
    ours = family_numbers(study.handbuilt, [str(name) for name in study.handbuilt.summary.unit.values])
    error = angle_error(study.circuit, study.handbuilt.summary)
    ours["error of the preferred angle, largest"] = number(error, ".2f", "°")
    if "OppositeArc" in study.without:
        echo = float(study.without["OppositeArc"].summary.echo.mean())
        ours["echo over peak, OppositeArc left out"] = number(echo, ".2f")
    columns, head = [ours], [study.handbuilt.title]
    if study.trained is not None:
        columns.append(family_numbers(study.trained, best))
        head.append(f"{study.trained.title}, top {len(best)}")
    rows = [
        [name, *(column.get(name, MISSING) for column in columns), published.natural, published.handwritten]
        for name, published in DISTILL.items()
    ]
    return ["", *head, "Distill, trained 3b", "Distill, handwritten"], rows


def angle_error(circuit: Circuit, summary: xr.Dataset) -> float:
    """Returns how far, in degrees, a unit's preferred angle lies from the one that it was written for, at worst."""
    designs = circuit.families[-1].unit_angles
    errors = [abs(angle_between(float(a), b)) for a, b in zip(summary.mean_angle.values, designs, strict=True)]
    return max(errors)


def inhibitions(circuit: Circuit) -> list[list[str]]:
    """Returns a row for every inhibition of a spec: family, what it reads, inhibition, strength, reason."""
    return [
        [family.name, ", ".join(tile.source_names), type(term).__name__, f"{float(term.strength):g}", term.reason]
        for family in circuit.families
        for tile in family.tiles
        for term in tile.minus
    ]


def reasons(circuit: Circuit) -> dict[str, list[str]]:
    """Returns why a spec has each kind of inhibition: one text for each family, by the name of the kind."""
    found: dict[str, list[str]] = {}
    for family, _, kind, _, reason in inhibitions(circuit):
        found.setdefault(kind, []).append(f"{family}: {reason}")
    return found


def left_out(study: Study) -> list[list[str]]:
    """Returns a row for the family as written, and one for each kind of inhibition left out; means over its units.

    All rows are over the stimuli that the circuits without an inhibition were shown.
    """
    some = next(iter(study.without.values())).responses
    found = {"all in place": tuning.summary(same_stimuli(study.handbuilt.responses, some))}
    found |= {f"without {kind}": subject.summary for kind, subject in study.without.items()}
    rows = []
    for name, table in found.items():
        values = [
            (table.peak, ".3g"),
            (table.fwhm, ".0f"),
            (table.echo, ".2f"),
            (table.line_ratio, ".2f"),
            (table.curve_score, ".2f"),
        ]
        rows.append([name, *(number(float(value.mean()), form) for value, form in values)])
    return rows


def same_stimuli(whole: xr.DataArray, some: xr.DataArray) -> xr.DataArray:
    """Returns the part of `whole` that was shown what `some` was: the nearest radii, and the same polarities."""
    finite = whole.radius.values[np.isfinite(whole.radius.values)]
    radii = [r if math.isinf(r) else float(finite[np.abs(finite - r).argmin()]) for r in some.radius.values]
    return whole.sel(radius=radii, polarity=some.polarity.values)


LEFT_OUT = ("", "peak", "FWHM (°)", "echo", "line / peak", "curve score")
"""Head of the rows of `left_out`."""


UNIT_COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("curve_score", "curve score", ".3f"),
    ("peak", "peak", ".3g"),
    ("strength", "strength", ".2f"),
    ("mean_angle", "preferred angle (°)", ".1f"),
    ("peak_angle", "peak at (°)", ".0f"),
    ("fwhm", "FWHM (°)", ".1f"),
    ("selectivity", "selectivity", ".3f"),
    ("echo", "echo", ".3f"),
    ("echo_at_antipode", "echo at 180°", ".3f"),
    ("line_ratio", "line / peak", ".3f"),
    ("polarity_ratio", "polarity", ".3f"),
    ("preferred_radius", "preferred radius (px)", ".1f"),
)
"""Variables of `tuning.summary`, what a table calls them, and their format."""


def unit_rows(summary: xr.Dataset, units: Sequence[str]) -> list[list[str]]:
    """Returns a row for each unit: its name and all columns of `UNIT_COLUMNS`."""
    table = summary.sel(unit=list(units))
    return [
        [name, *(number(float(table[key].values[row]), form) for key, _, form in UNIT_COLUMNS)]
        for row, name in enumerate(units)
    ]


def number(value: float, form: str, unit: str = "") -> str:
    """Returns a number as text, or a dash for one that is not known.

    >>> number(0.12345, ".2f"), number(float("nan"), ".2f")
    ('0.12', '–')
    """
    return f"{value:{form}}{unit}" if math.isfinite(value) else MISSING


def _range(values: xr.DataArray, form: str, unit: str = "") -> str:
    if not np.isfinite(values.values).any():
        return MISSING
    parts: list[Callable[..., xr.DataArray]] = [values.mean, values.min, values.max]
    mean, low, high = (number(float(part()), form) for part in parts)
    return f"{mean}{unit} ({low} to {high})"
