"""Kernels of any layer as small signed maps: a row for each unit, a column for each source.

    kernels(ck.weights.kernels(net["curves"]))                              # all units, the strongest sources
    kernels(weights, units=families(circuit, "curves"), sources=families(circuit, "early_curves"))
    kernels(ck.wiring.expanded(net["fire5", curves], "fire4"), units={"curves": {"fire5:130": 210.0}})

A *family* is a name, and its units with their angles in degrees; NaN for a unit that has none. Families stand side by
side in the order given, each in order of angle, with a line between them. They may come from the spec of a circuit
(`families`), from a search (`found_families`), or from wherever one knows them.

Red excites, blue inhibits, white is 0; all maps have one scale.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from circuitkit import checks
from circuitkit.errors import SpecError, unknown_name
from circuitkit.find import Found
from circuitkit.spec import Circuit
from circuitkit.viz.style import (
    BLACK,
    FAINT,
    HEAD,
    NORMAL,
    SIGNED,
    SMALL,
    WIDTH,
    colour_bar,
    new_figure,
    place,
    short,
    styled,
)

Families = Mapping[str, Mapping[str, float]]
"""Angles in degrees, by unit, by family."""

STRONGEST = 24
"""Sources that are shown where no families of them are given."""

BRIGHTEST = 0.999
"""Share of the weights that the colour scale holds: a single one may be far above all others."""

_SMALLEST, _LARGEST, _TALLEST = 0.05, 0.75, 14.0
"""Inches: sides of a tile, at least and at most, and the height that all of them may take."""

_RIGHT, _LABEL = 1.0, 0.17
"""Inches: for the colour bar, and what a line of small text needs."""

_LETTER = 0.07
"""Inches that a small letter takes."""


def families(circuit: Circuit, *names: str) -> dict[str, dict[str, float]]:
    """Returns families of a circuit, as its spec has them: the angle of every unit, NaN where units have none.

    Args:
        circuit: The spec.
        names: Of families, in the order wanted; all, if none are named.

    Raises:
        UnknownNameError: If the circuit has no such family.
    """
    held = [circuit[name] for name in names] or list(circuit.families)
    return {
        family.name: {
            unit: float(angle) if family.has_angle else math.nan
            for unit, angle in zip(family.unit_names, family.unit_angles, strict=True)
        }
        for family in held
    }


def found_families(found: Found, *, least: int = 2) -> dict[str, dict[str, float]]:
    """Returns the units that a search found, with the angles that it measured, by layer.

    Args:
        found: From `find`.
        least: Units that make a family.
    """
    return {
        f"{found.hypothesis.name}, {layer}": {
            str(unit): float(angle) for unit, angle in zip(members.unit.values, members.angle.values, strict=True)
        }
        for layer, members in found.families(least=least).items()
    }


@styled
def kernels(
    weights: xr.DataArray,
    *,
    units: Families | None = None,
    sources: Families | None = None,
    strongest: int = STRONGEST,
    title: str | None = None,
) -> Figure:
    """Shows weights as a matrix of signed maps, all on one scale centred on 0.

    Args:
        weights: (unit, source, y, x), as of `weights.kernels` or `wiring.expanded`.
        units: Families of units, rows; others are left out. Left out, all units in their own order.
        sources: Families of sources, columns; others are left out. Left out, the strongest, the strongest first.
        strongest: How many of them: those with the largest sum of squares over the units shown.
        title: Of the figure; left out, it says what is read by what.

    Raises:
        SpecError: If weights have other dimensions, hold NaN, or are more than a page can show; if an angle is
            infinite, or if a family has no units.
        UnknownNameError: If a unit or source of a family is not among the weights.
    """
    if weights.dims != ("unit", "source", "y", "x"):
        raise SpecError(f"weights have the dimensions {weights.dims}: wanted (unit, source, y, x).")
    if not np.isfinite(weights.values).all():
        raise SpecError("weights hold NaN or infinity: wanted finite ones.")
    checks.whole("kernels", "strongest", strongest)
    rows = _side(weights, "unit", units)
    held = weights.sel(unit=rows.names)
    squares = (held.astype(float) ** 2).sum(("unit", "y", "x"))
    if sources is None:
        order = np.argsort(-squares.values, kind="stable")[:strongest]
        names = [str(name) for name in weights.source.values]
        columns = _Side([names[place] for place in order], [math.nan] * len(order), [])
    else:
        columns = _side(weights, "source", sources)
    held = held.sel(source=columns.names)
    left = 0.1 + rows.room
    width = WIDTH - left - _RIGHT
    aspect = held.sizes["y"] / held.sizes["x"]
    cell = min(width / len(columns.names), _LARGEST, _TALLEST / len(rows.names) / aspect)
    if cell < _SMALLEST:
        raise SpecError(
            f"{len(rows.names)} units by {len(columns.names)} sources are more than a page can show: wanted at most "
            f"{int(width / _SMALLEST)} sources and {int(_TALLEST / _SMALLEST / aspect)} units. Name some with units= "
            "and sources=, or give a lower strongest=."
        )
    high, wide = cell * aspect * len(rows.names), cell * len(columns.names)
    above = 0.1 + columns.room
    share = float(squares.sel(source=columns.names).sum() / max(float(squares.sum()), 1e-300))
    figure = new_figure(
        HEAD + above + high + 0.15, title or _title(weights, rows, columns), _note(weights, columns, sources, share)
    )
    values = np.abs(held.values)
    top = float(np.quantile(values, BRIGHTEST)) or float(values.max()) or 1.0
    norm = Normalize(-top, top)
    axes = place(figure, left, HEAD + above, wide, high)
    tiles = held.values.astype(float).transpose(0, 2, 1, 3).reshape(len(rows.names) * held.sizes["y"], -1)
    extent = (0.0, float(len(columns.names)), float(len(rows.names)), 0.0)
    axes.imshow(tiles, cmap=SIGNED, norm=norm, aspect="auto", extent=extent, interpolation="nearest")
    for colour, thick in (("white", min(2.5, 20 * cell / held.sizes["x"])), (FAINT, 0.6)):
        axes.vlines(np.arange(1, len(columns.names)), 0, len(rows.names), color=colour, lw=thick)
        axes.hlines(np.arange(1, len(rows.names)), 0, len(columns.names), color=colour, lw=thick)
    axes.set(xlim=(0, len(columns.names)), ylim=(len(rows.names), 0), xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
    _name(axes, columns, cell, along="x")
    _name(axes, rows, cell * aspect, along="y")
    bar = place(figure, left + wide + 0.15, HEAD + above, 0.12, max(0.5, min(high, 1.8)))
    weight_bar(bar, norm)
    return figure


def weight_bar(axes: Axes, norm: Normalize) -> None:
    """Fills axes with the colour bar of weights, in thousandths where they are small."""
    times = 1000.0 if float(norm.vmax or 0) < 0.01 else 1.0
    label = "weight" if times == 1 else f"weight × {times:.0f}"
    colour_bar(axes, Normalize(times * float(norm.vmin or 0), times * float(norm.vmax or 0)), SIGNED, label)


class _Side(NamedTuple):
    """What stands along one side of a matrix.

    Attributes:
        names: Of units, in order.
        angles: Theirs, in degrees; NaN for none.
        groups: Families, each with the number of its units.
    """

    names: list[str]
    angles: list[float]
    groups: list[tuple[str, int]]

    @property
    def labels(self) -> list[str]:
        """What each is called beside the matrix: its angle, or its name where no family says what it is."""
        if not self.groups:
            return [short(name, 16) for name in self.names]
        return [f"{angle:.3g}°" if math.isfinite(angle) else "–" for angle in self.angles]

    @property
    def room(self) -> float:
        """Inches that labels and names of families need, away from the matrix."""
        return 0.08 + _LETTER * max(map(len, self.labels)) + (0.22 if self.groups else 0.0)


def _side(weights: xr.DataArray, dim: str, groups: Families | None) -> _Side:
    """Returns what stands along one side: families in order, each by angle; or all there is."""
    known = [str(name) for name in weights[dim].values]
    if groups is None:
        return _Side(known, [math.nan] * len(known), [])
    names: list[str] = []
    angles: list[float] = []
    sizes = []
    for family, members in groups.items():
        if not members:
            raise SpecError(f"family {family!r} has no units: wanted at least one, or leave it out.")
        for name, angle in members.items():
            if name not in known:
                raise unknown_name(dim, name, known, owner=f"weights into {weights.attrs.get('layer', 'a layer')!r}")
            if math.isinf(angle):
                raise SpecError(f"{name!r} of family {family!r} has an angle of {angle}: wanted degrees, or NaN.")
        held = list(members)
        by_angle = np.argsort([members[name] for name in held], kind="stable")  # NaN comes last
        names += [held[place] for place in by_angle]
        angles += [float(members[held[place]]) for place in by_angle]
        sizes.append((family, len(held)))
    return _Side(names, angles, sizes)


def _title(weights: xr.DataArray, rows: _Side, columns: _Side) -> str:
    layer, source = (short(weights.attrs.get(key, kind), 24) for key, kind in (("layer", "units"), ("from", "sources")))
    said = weights.attrs.get("net")
    return f"{len(rows.names)} units of {layer} read {len(columns.names)} of {source}" + (
        f" ({short(said, 24)})" if said else ""
    )


def _note(weights: xr.DataArray, columns: _Side, sources: Families | None, share: float) -> str:
    tile = f"a tile: what a unit (row) reads of a source (column), {weights.sizes['x']} × {weights.sizes['y']} places"
    if len(columns.names) == weights.sizes["source"]:
        return f"{tile}; red excites, blue inhibits"
    which = "strongest" if sources is None else "shown"
    return f"{tile}; {which} sources: {len(columns.names)} of {weights.sizes['source']}, {share:.0%} of squares"


def _name(axes: Axes, side: _Side, cell: float, *, along: str) -> None:
    """Writes the angle or the name of each row or column where there is room, and draws and names families."""
    across = along == "x"
    transform = axes.get_xaxis_transform() if across else axes.get_yaxis_transform()
    labels = side.labels
    last = -np.inf
    for index, text in enumerate(labels):
        middle = index + 0.5
        if (middle - last) * cell < _LABEL:
            continue
        last = middle
        at, offset = ((middle, 1.0), (0.0, 3.0)) if across else ((0.0, middle), (-3.0, 0.0))
        axes.annotate(
            text, at, xycoords=transform, xytext=offset, textcoords="offset points", fontsize=SMALL, color=BLACK,
            rotation=90 if across else 0, ha="center" if across else "right", va="bottom" if across else "center",
        )  # fmt: skip
    if not side.groups:
        return
    away = 72 * (side.room - 0.18)
    edge = 0
    for name, size in side.groups:
        if edge:
            (axes.axvline if across else axes.axhline)(edge, color=BLACK, lw=1.2)
        middle, letters = edge + size / 2, int(size * cell / (_LETTER * 1.15))
        edge += size
        if letters < 2:
            continue  # no room for a name, and the line says where it is
        at, offset = ((middle, 1.0), (0.0, away)) if across else ((0.0, middle), (-away, 0.0))
        axes.annotate(
            _cut(name, letters), at, xycoords=transform, xytext=offset, textcoords="offset points", fontsize=NORMAL,
            fontweight="bold", rotation=0 if across else 90, ha="center", va="center",
        )  # fmt: skip


def _cut(name: str, letters: int) -> str:
    """Returns the beginning of a name that has to fit its family.

    >>> _cut("early_curves", 20), _cut("early_curves", 6)
    ('early_curves', 'early…')
    """
    return name if len(name) <= letters else name[: max(1, letters - 1)] + "…"
