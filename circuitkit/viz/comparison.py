"""Comparisons: with and without an inhibition, and one unit of a layer against the others."""

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from circuitkit import tuning
from circuitkit.viz.style import (
    BLACK,
    BLUE,
    FAINT,
    GREEN,
    GREY,
    HEAD,
    NORMAL,
    ORANGE,
    PURPLE,
    SKY,
    SMALL,
    VERMILION,
    WIDTH,
    new_figure,
    place,
    short,
    signed,
    styled,
    write,
)

_STROKES = ((VERMILION, (0, (5, 1.5))), (BLUE, (0, (1.5, 1.2))), (GREEN, (0, (5, 1.2, 1.2, 1.2))))

FACTORS = {
    "selectivity": "selectivity",
    "echo": "1 − echo",
    "line_ratio": "1 − line",
    "polarity_ratio": "polarity",
    "strength": "strength",
}
"""The variables of `tuning.summary` that make up the curve score, and what the ranking calls their shares."""


@styled
def control(intact: xr.DataArray, without: Mapping[str, xr.DataArray], reasons: Mapping[str, Sequence[str]]) -> Figure:
    """Shows one unit's radial curve with every inhibition in place, and with each kind left out of the whole spec.

    Left, each curve over its own peak: what leaving it out does to the unit's preferences. The bracket spans the
    45 degrees to either side of the antipode in which an echo is looked for. Right, in the network's own units:
    what it does to the size of the response. Angles in degrees from the intact unit's preferred one.

    Args:
        intact: Radial curve (angle) of the unit.
        without: The same unit's curve by the name of the inhibition left out.
        reasons: Why the spec has it, by the same name: one text for each family that does.
    """
    lines = {
        name: [line for reason in reasons.get(name, ()) for line in textwrap.wrap(reason, 110)] or ["(no reason given)"]
        for name in without
    }
    notes = sum(len(text) + 1.4 for text in lines.values()) * 0.165
    echoes = {name: _echo(curve) for name, curve in without.items()}
    loudest = max(echoes, key=lambda name: echoes[name])
    figure = new_figure(
        HEAD + 0.25 + 2.3 + 0.6 + notes + 0.05,
        f"Control: without {loudest} the echo is {echoes[loudest]:.2f} of the peak, with it {_echo(intact):.2f}",
        f"{short(intact.unit.item())}, every inhibition in place and each kind left out of the whole circuit",
    )
    preferred = float(tuning.mean_angle(intact.expand_dims("unit"))[0])
    left = place(figure, 0.75, HEAD + 0.25, 5.0, 2.3)
    right = place(figure, 6.6, HEAD + 0.25, 2.1, 2.3)
    drawn: list[tuple[str, xr.DataArray, str, Any]] = [("all in place", intact, BLACK, "-")]
    for stroke, (name, curve) in zip(itertools.cycle(_STROKES), without.items(), strict=False):
        drawn.append((f"without {name}", curve, *stroke))
    for name, curve, colour, dash in drawn:
        x, y = _centred(curve, preferred)
        peak = float(y.max()) or 1.0
        left.plot(x, y / peak, color=colour, ls=dash, lw=2, label=f"{name}: echo {_echo(curve):.2f}")
        right.plot(x, y, color=colour, ls=dash, lw=2)
    for axes in (left, right):
        axes.set_xlim(-180, 180)
        axes.axhline(0, color=FAINT, lw=0.8, zorder=0)
        axes.set_ylim(bottom=0)
        ticks = (-180, -90, 0, 90, 180) if axes is left else (-180, 0, 180)
        axes.set_xticks(ticks, [f"{signed(tick, 0)}°" for tick in ticks])
        axes.set_xlabel("angle from the preferred one (degrees)")
    left.set_ylim(0, 1.55)
    left.set_yticks([0, 0.5, 1])
    left.set_ylabel("response / own peak")
    left.legend(loc="upper left", ncols=1, handlelength=2.6, borderaxespad=0)
    left.set_title("shape", fontsize=NORMAL, fontweight="bold")
    right.set_title("size", fontsize=NORMAL, fontweight="bold")
    right.set_ylabel("response, mean over radii")
    window = tuning.ECHO_WINDOW
    for low, high in ((-180, window - 180), (180 - window, 180)):
        left.axvspan(low, high, ymax=1 / 1.55, color=FAINT, alpha=0.45, lw=0, zorder=0)
        left.text((low + high) / 2, 1.0, "echo?", fontsize=SMALL, color=GREY, ha="center", va="bottom")
    at = HEAD + 0.25 + 2.3 + 0.58
    for name, text in lines.items():
        write(figure, 0.75, at, f"Why the spec has {name}", fontsize=SMALL, fontweight="bold")
        for row, line in enumerate(text):
            write(figure, 0.75, at + 0.165 * (row + 1), line, fontsize=SMALL)
        at += 0.165 * (len(text) + 1.4)
    return figure


def _echo(curve: xr.DataArray) -> float:
    """Returns the echo of one radial curve (angle)."""
    return float(tuning.echo(curve.expand_dims("unit").transpose("angle", "unit"))[0])


def _centred(curve: xr.DataArray, preferred: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns angles from the preferred one, -180 to 180 and closed, and the responses there."""
    away = (curve.angle.values - preferred + 180) % 360 - 180
    order = np.argsort(away)
    x, y = away[order], curve.values[order]
    return np.concatenate([[x[-1] - 360], x, [x[0] + 360]]), np.concatenate([[y[-1]], y, [y[0]]])


@styled
def ranking(summary: xr.Dataset, reference: xr.Dataset | None = None, *, top: int = 12) -> Figure:
    """Shows how curve-like every unit of a layer is, and what makes the best ones so.

    Left, the curve score (0 to 1) of all units, the highest first; the best are filled, and a reference family,
    if one is given, is a grey band. Right, the best by name with the five shares whose product the score is, and
    the largest response to any curve, in the net's own units.

    Args:
        summary: From `tuning.summary`.
        reference: The same for the family to compare with.
        top: How many are named.
    """
    ranked = summary.sortby("curve_score", ascending=False)
    scores = ranked.curve_score.values
    top = min(top, len(scores))
    layer = f"{summary.attrs.get('net', '')} {summary.attrs.get('layer', '')}".strip()
    height = max(2.2, 0.23 * top)
    best = f"{scores[0]:.2f} to {scores[top - 1]:.2f}"
    figure = new_figure(
        HEAD + 0.75 + height + 0.55,
        f"{short(layer, 30)}: the {top} most curve-like of {len(scores)} units score {best}",
        "curve score: the product of the five shares on the right, 1 for an ideal curve detector, 0 for none",
    )
    left = place(figure, 0.75, HEAD + 0.7, 3.1, height)
    rank = np.arange(1, len(scores) + 1)
    if reference is not None:
        low, high = float(reference.curve_score.min()), float(reference.curve_score.max())
        left.axhspan(low - 0.004, high + 0.004, color=FAINT, lw=0)
        name = f"{short(reference.attrs.get('layer', 'reference'))}, handbuilt"
        left.text(len(scores), low - 0.02, name, fontsize=SMALL, ha="right", va="top", color=GREY)
    left.plot(rank[top:], scores[top:], ls="", marker="o", ms=3.5, mfc="white", mec=GREY, mew=0.8)
    left.plot(rank[:top], scores[:top], ls="", marker="o", ms=4.5, color=BLACK)
    left.set(xlim=(0, len(scores) + 1), ylim=(-0.02, 1.02))
    left.set_xlabel("rank")
    left.set_ylabel("curve score")
    left.set_title("all units", fontsize=NORMAL, fontweight="bold", pad=36)
    right = place(figure, 5.0, HEAD + 0.7, WIDTH - 5.75, height)
    shares = {
        "selectivity": ranked.selectivity,
        "echo": 1 - ranked.echo,
        "line_ratio": 1 - np.minimum(ranked.line_ratio, 1),
        "polarity_ratio": ranked.polarity_ratio,
        "strength": ranked.strength,
    }
    rows = np.arange(top)
    for row in rows:
        right.axhline(float(row), color=FAINT, lw=0.6, zorder=0)
    marks = zip(FACTORS, ("s", "^", "D", "v", "P"), (BLUE, ORANGE, GREEN, PURPLE, SKY), strict=True)
    dodge = iter((-0.3, -0.15, 0.0, 0.15, 0.3))  # so that equal shares stand under each other
    for name, marker, colour in marks:
        dots: dict[str, Any] = {"ls": "", "marker": marker, "ms": 4, "color": colour, "clip_on": False}
        right.plot(shares[name].values[:top], rows + next(dodge), label=FACTORS[name], **dots)
    right.plot(scores[:top], rows, ls="", marker="o", ms=5, color=BLACK, label="score", clip_on=False)
    right.set(xlim=(0, 1), ylim=(top - 0.5, -0.5))
    right.set_yticks(rows, [short(name, 16) for name in ranked.unit.values[:top]])
    right.tick_params(axis="y", length=0)
    for row, peak in zip(rows, ranked.peak.values[:top], strict=True):
        right.text(1.05, float(row), f"{peak:.3g}", fontsize=SMALL, va="center")
    right.text(1.05, -0.75, "peak", fontsize=SMALL, va="bottom", fontweight="bold")
    right.set_xlabel("share, 1 for an ideal curve detector")
    right.set_title("the best", fontsize=NORMAL, fontweight="bold", pad=36)
    right.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, handletextpad=0.1, columnspacing=1.0, borderaxespad=0.1
    )
    return figure
