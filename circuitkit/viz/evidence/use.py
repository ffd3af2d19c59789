"""Feature use, drawn: what later layers make of the units.

On top, how well each unit's outgoing weights match the picture that the shape leaves in the later layer, by the
picture's angle from the unit's own; how far the net's output moves without the units, and without as many others; and
how the later units' weights over the family are organised. In the middle, later units as wheels: an arrow for every
unit of the family, in the colour of its angle, towards where its positive weights lie, as long as they are strong. In a
circle, each arrow points the way that its unit bulges, and the colours run round as they do in the key; in an evolute
they point inwards. At the bottom, the sum of weights to the later units that read the family most.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from circuitkit.evidence.argument import Argument, Subject
from circuitkit.evidence.statistics import CHANCE
from circuitkit.viz.evidence.parts import by_angle, colours, frame, profiles, title, with_strip
from circuitkit.viz.style import (
    FAINT,
    GREY,
    SIGNED,
    SMALL,
    VERMILION,
    WIDTH,
    Colour,
    colour_bar,
    place,
    short,
    signed,
    styled,
    symmetric,
    write,
)

WHEELS, ACROSS = 16, 8
READERS = 60
"""Later units in the table of weights: those that read the family most."""

STRONG = 0.25
"""Share of the later units, those that read the family most, that are shown as wheels."""


@styled
def figure(argument: Argument, subject: Subject) -> Figure:
    """Shows the argument from feature use."""
    data, order = argument.data, by_angle(subject)
    wheels = "direction" in data
    pitch, tiles = (WIDTH - 0.2) / ACROSS + 0.1, max(0.6, 0.13 * len(order))
    drawn, top = with_strip(argument, subject, 2.75 + (0.5 + 2 * pitch if wheels else 0.0) + 0.35 + tiles + 0.5)
    if subject.hypothesis.period is not None:
        axes = place(drawn, 0.75, top + 0.25, 3.1, 1.75)
        profiles(axes, argument, subject, "angle of the picture from the unit's own (degrees)")
        title(axes, f"{data.attrs['from']} → {data.attrs['layer']}: what the weights look like")
    _ablation(drawn, argument, top + 0.25)
    at = top + 2.7
    if wheels:
        axes = place(drawn, WIDTH - 2.1, top + 0.25, 1.85, 1.75)
        axes.hist(data.organised.values, bins=[0.1 * step for step in range(-10, 11)], color=FAINT, ec=GREY, lw=0.5)
        axes.set(xlim=(-1, 1), xticks=[-1, 0, 1])
        axes.set_xticklabels(["−1\nevolute", "0", "1\ncircle"])
        axes.set_ylabel("later units", fontsize=SMALL)
        title(axes, _beyond_chance(data, "organised_p", "order"))
        _wheels(drawn, argument, subject, at, pitch)
        at += 0.5 + 2 * pitch
    _tiles(drawn, argument, order, at, tiles)
    return drawn


def _beyond_chance(data: xr.Dataset, name: str, text: str) -> str:
    """Returns a title that says which share of the later units is beyond chance, if that is known."""
    return text if name not in data else f"{text}: {float((data[name] <= CHANCE).mean()):.0%} at p ≤ {CHANCE:g}"


def _ablation(drawn: Figure, argument: Argument, top: float) -> None:
    """Draws how far the output moves without the units, beside sets of as many others."""
    data = argument.data
    if "ablation_effect" not in data:
        return
    effect = data.ablation_effect.mean("image").values
    axes = place(drawn, 4.5, top, 1.55, 1.75)
    axes.hist(effect[1:], bins=10, color=FAINT, ec=GREY, lw=0.5)
    axes.axvline(effect[0], color=VERMILION, lw=2)
    axes.set_xlim(0, 1.1 * float(effect.max()))
    axes.locator_params(axis="x", nbins=4)
    axes.set_ylabel("sets of other units", fontsize=SMALL)
    axes.set_xlabel("change of the output", fontsize=SMALL)
    title(axes, "ablation; red: the units")


def _wheels(drawn: Figure, argument: Argument, subject: Subject, top: float, pitch: float) -> None:
    """Draws the later units that are organised most like a circle, and most like an evolute."""
    data, hues = argument.data, colours(subject)
    reading = data.reading.transpose("later", "unit").values
    strong = np.argsort(-reading.sum(1), kind="stable")[: max(WHEELS, int(STRONG * len(reading)))]
    ranked = strong[np.argsort(-data.organised.values[strong], kind="stable")]
    half = min(WHEELS // 2, len(ranked) // 2 + len(ranked) % 2)
    chosen = [*ranked[:half], *ranked[half:][-half:]] if len(ranked) > 1 else [*ranked]
    text = f"units of {data.attrs['layer']} that read the family: the most like a circle, and the most like an evolute"
    write(drawn, 0.1, top, text, fontweight="bold")
    angle = data.direction.transpose("later", "unit").values + subject.poses.angle.values
    cell = (WIDTH - 0.2) / ACROSS
    for index, later in enumerate(chosen):
        row, column = divmod(index, half) if half else (0, index)
        axes = place(drawn, 0.1 + column * cell + 0.06, top + 0.38 + row * pitch, cell - 0.14, cell - 0.14)
        _wheel(axes, angle[later], reading[later], hues)
        name = short(data.later.values[later], 10)
        axes.set_title(f"{name} {signed(float(data.organised.values[later]), 2)}", fontsize=SMALL, loc="center", pad=2)


def _wheel(axes: Axes, angle: np.ndarray, length: np.ndarray, hues: list[Colour]) -> None:
    turn = np.linspace(0, 2 * np.pi, 61)
    axes.plot(np.cos(turn), np.sin(turn), color=FAINT, lw=0.7)
    most = float(length.max()) or 1.0
    for towards, size, hue in zip(np.deg2rad(angle), length / most, hues, strict=True):
        axes.plot([0, size * np.cos(towards)], [0, size * np.sin(towards)], color=hue, lw=1.6, solid_capstyle="round")
    axes.set(xlim=(-1.08, 1.08), ylim=(-1.08, 1.08), aspect="equal")
    frame(axes)


def _tiles(drawn: Figure, argument: Argument, order: np.ndarray, top: float, height: float) -> None:
    """Draws the sums of weights to the later units that read the family most, by what they read."""
    data = argument.data
    tile = data.tile.transpose("unit", "later").values[order]
    kept = np.argsort(-np.abs(tile).sum(0), kind="stable")[:READERS]
    turn = np.exp(2j * np.pi * np.arange(len(order)) / len(order))
    kept = kept[
        np.argsort(np.angle((np.maximum(tile[:, kept], 0) * turn[:, None]).sum(0)) % (2 * np.pi), kind="stable")
    ]
    axes = place(drawn, 1.3, top + 0.25, WIDTH - 2.3, height)
    shown = tile[:, kept]
    norm = symmetric(np.clip(shown, *np.percentile(shown, [1, 99])))
    axes.imshow(shown, aspect="auto", cmap=SIGNED, norm=norm, interpolation="nearest")
    axes.set_yticks(range(len(order)), [short(data.unit.values[unit], 15) for unit in order])
    axes.set_xticks([])
    axes.tick_params(axis="y", length=0, labelsize=min(SMALL, 72 * height / len(order)))
    axes.set_xlabel(
        f"units of {data.attrs['layer']}: the {len(kept)} that read the units most, of {data.sizes['later']}"
    )
    title(axes, _beyond_chance(data, "tuned_p", "sum of the weights over places"))
    colour_bar(place(drawn, WIDTH - 0.85, top + 0.25, 0.1, min(height, 1.6)), norm, SIGNED, "weight")
