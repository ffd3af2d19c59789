"""Pictures of families: what their members look for, and what they respond to."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from circuitkit.geometry import hue_circle
from circuitkit.stimuli import Bar, ColourCentre, ColourContrast, Curve, Edge, Spiral, Stimulus
from circuitkit.viz.style import (
    BLACK,
    BLUE,
    FAINT,
    GREY,
    HEAD,
    ORANGE,
    RESPONSE,
    SMALL,
    VERMILION,
    WIDTH,
    colour_of_angle,
    glyph,
    new_figure,
    place,
    styled,
    write,
)

CELL, SIDE = 0.66, 56


def _orbits() -> list[tuple[str, str, list[tuple[str, Stimulus]]]]:
    """Returns the rows of the first picture: name, what brings a member back, members."""
    eighth = [45.0 * step for step in range(8)]
    green = 120.0
    return [
        ("edges", "a whole turn", [(f"{a:g}°", Edge(angle=a)) for a in eighth]),
        ("bars", "half a turn", [(f"{a:g}°", Bar(angle=a + 90, width=7, length=200)) for a in eighth]),
        (
            "curves",
            "the mirror along their axis",
            [(f"{a:g}°", Curve(angle=a, radius=16, width=4, length=34)) for a in eighth],
        ),
        (
            "spirals",
            "nothing: there are two hands",
            [
                (
                    f"{a:g}°" + ("\nmirrored" if hand < 0 else ""),
                    Spiral(angle=a, flip=hand, turns=1, spacing=16, width=3),
                )
                for hand in (1, -1)
                for a in eighth[::2]
            ],
        ),
        (
            "spots of colour",
            "every turn",
            [(f"hue {h:g}°", ColourCentre(hue=h, radius=9, thickness=60)) for h in eighth],
        ),
        (
            "edges of colour",
            "half a turn and half a hue",
            [
                *((f"{a:g}°\nhue 120°", ColourContrast(angle=a, hue=green)) for a in eighth[::2]),
                *((f"{a:g}°\nhue 300°", ColourContrast(angle=a, hue=green + 180)) for a in eighth[::2]),
            ],
        ),
        (
            "scaled curves",
            "nothing",
            [(f"x{s:g}", Curve(radius=9 * s, width=2 * s, length=14 * s)) for s in (1, 1.5, 2.25)],
        ),
    ]


@styled
def kinds() -> Figure:
    """Shows what the members of each kind of family look for."""
    rows = _orbits()
    pitch = CELL + 0.4
    figure = new_figure(
        HEAD + len(rows) * pitch + 0.05,
        "One template, and all that a group makes of it",
        "what members look for; in grey, what brings a member back onto itself",
    )
    for index, (name, back, members) in enumerate(rows):
        top = HEAD + 0.05 + index * pitch
        write(figure, 0.1, top + 0.2, name, fontweight="bold")
        write(figure, 0.1, top + 0.38, back, color=GREY, fontsize=SMALL)
        for column, (label, stimulus) in enumerate(members):
            axes = place(figure, 1.85 + column * 0.885, top, CELL, CELL)
            shown = np.clip((np.asarray(stimulus.draw(SIDE)) + 1) / 2, 0, 1)
            axes.imshow(shown if shown.shape[-1] == 3 else shown[..., 0], cmap="gray", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(visible=True, color=FAINT)
            axes.set_xlabel(label, fontsize=SMALL, labelpad=2)
    return figure


def _rgb(hue: float) -> tuple[float, float, float]:
    red, green, blue = (0.5 + 0.42 * value for value in hue_circle(hue))
    return red, green, blue


@styled
def hues(found: dict[str, xr.DataArray]) -> Figure:
    """Shows tuning to hue of spots and discs, and to hue and angle of a contrast and a border."""
    figure = new_figure(
        5.75,
        "Turned round the hue circle: a family of hues, and a twisted one",
        "responses over their highest; each line is a unit, in its own hue",
    )
    for left, name, title in ((0.7, "spots", "spots, of the first layer"), (5.1, "discs", "discs, made of contrasts")):
        axes = place(figure, left, HEAD + 0.3, 3.7, 1.6)
        values = found[name] / float(found[name].max())
        around = np.append(values.hue.values, 360.0)
        for unit, own in enumerate(_hues_of(found[name])):
            line = values.isel(unit=unit).values
            axes.plot(around, np.append(line, line[0]), color=_rgb(own))
        axes.set(title=title, xlim=(0, 360), ylim=(0, 1.05), xticks=range(0, 361, 60), xlabel="hue of a disc, degrees")
        axes.set_ylabel("response")
    panels = (
        (0.7, found["contrasts"].isel(unit=0), "contrasts@45-hue0"),
        (3.55, found["contrasts"].isel(unit=1), "contrasts@45-hue180"),
        (6.4, found["borders"].isel(unit=0), "borders@45: any hue"),
    )
    for left, values, title in panels:
        axes = place(figure, left, HEAD + 2.95, 2.3, 1.6)
        _map(axes, values)
        axes.set(title=title, xlabel="angle of a border, degrees")
        axes.set_ylabel("hue on its far side" if left < 1 else "")
    return figure


def _hues_of(values: xr.DataArray) -> list[float]:
    return [float(str(name).rpartition("hue")[2]) for name in values.unit.values]


def _map(axes: Axes, values: xr.DataArray) -> None:
    shown = values.transpose("hue", "angle").values / float(values.max())
    half = [180 / count for count in shown.shape[::-1]]  # samples are in the middle of their cells
    extent = (-half[0], 360 - half[0], -half[1], 360 - half[1])
    axes.imshow(shown, origin="lower", extent=extent, aspect="auto", cmap=RESPONSE, vmin=0, vmax=1)
    axes.set(xticks=range(0, 360, 90), yticks=range(0, 360, 90))


@styled
def scales(found: dict[str, xr.DataArray]) -> Figure:
    """Shows responses to magnified curves of units at three scales."""
    figure = new_figure(
        3.1,
        "Magnified: a family whose lines are magnified with it, and one whose lines are shared",
        "responses to a curve of radius 9 and width 2 px, magnified; dashed: the scale of each unit",
    )
    titles = {"own": "each reads lines of its own scale", "shared": "all read the same lines"}
    for left, name in ((0.7, "own"), (5.1, "shared")):
        axes = place(figure, left, HEAD + 0.3, 3.7, 1.55)
        top = float(found[name].max())
        for unit, colour in zip(found[name].unit.values, (BLUE, ORANGE, VERMILION), strict=True):
            own = float(str(unit).rpartition("x")[2])
            axes.plot(found[name].scale.values, found[name].sel(unit=unit).values / top, color=colour)
            axes.axvline(own, color=colour, lw=0.8, ls="--")
            at = (own, 1.06)
            axes.annotate(f"x{own:g}", at, xytext=(2, 0), textcoords="offset points", color=colour, fontsize=SMALL)
        axes.set_xscale("log")
        axes.set_xticks([0.5, 1, 1.5, 2.25, 4], ["0.5", "1", "1.5", "2.25", "4"], minor=False)
        axes.set_xticks([], minor=True)
        axes.set(title=titles[name], xlabel="scale of the curve", ylabel="response", ylim=(0, 1.2))
    return figure


@styled
def lost_and_gained(
    textures: dict[str, xr.DataArray], rings: dict[str, Float[np.ndarray, "unit two"]], angles: Sequence[float]
) -> Figure:
    """Shows how an angle comes of units without one, and how it is lost again."""
    figure = new_figure(
        6.3,
        "An angle is gained: boundaries of texture. And lost: rings of curves",
        "above: units that know no direction, laid side by side; below: where the curves lie that excite a unit",
    )
    axes = place(figure, 0.7, HEAD + 0.3, 3.7, 1.7)
    top = max(float(textures[name].max()) for name in ("fine", "coarse"))
    for name, colour in (("fine", VERMILION), ("coarse", BLUE)):
        axes.plot(textures[name].wavelength.values, textures[name].values / top, color=colour)
        peak = float(textures[name].idxmax("wavelength"))
        axes.text(peak, 1.04, name, color=colour, ha="center", fontsize=SMALL)
    axes.set_xscale("log")
    axes.set_xticks([4, 8, 16, 32], ["4", "8", "16", "32"])
    axes.set_xticks([], minor=True)
    axes.set(title="invariant", xlabel="wavelength of texture, pixels", ylabel="response", ylim=(0, 1.15))
    axes = place(figure, 5.1, HEAD + 0.3, 3.4, 1.7)
    by_ratio = textures["by ratio"].transpose("ratio", "angle")
    low, high = float(by_ratio.ratio.min()), float(by_ratio.ratio.max())
    shown = np.roll(by_ratio.values, by_ratio.sizes["angle"] // 2, axis=1) / float(by_ratio.max())
    half, above = 180 / shown.shape[1], (high - low) / (shown.shape[0] - 1) / 2
    extent = (-180 - half, 180 - half, low - above, high + above)
    axes.imshow(shown, origin="lower", extent=extent, aspect="auto", cmap=RESPONSE, vmin=0, vmax=1)
    axes.set(title="equivariant: high_low@0", xlabel="direction in which texture gets finer, degrees")
    axes.set(xticks=range(-180, 181, 90), ylabel="ratio of frequencies")
    for left, name in ((0.7, "circle"), (5.1, "evolute")):
        axes = place(figure, left + 0.75, HEAD + 2.85, 2.2, 2.2)
        for (x, y), angle in zip(rings[name], angles, strict=True):
            glyph(axes, (x, y), angle, size=11, colour=colour_of_angle(angle))
        axes.plot(0, 0, "+", color=BLACK)
        axes.set(xlim=(-19, 19), ylim=(-19, 19), aspect="equal", title=f"what excites the {name}")
        axes.set(xlabel="pixels", ylabel="pixels", xticks=(-14, 0, 14), yticks=(-14, 0, 14))
    write(figure, WIDTH - 5.15, HEAD + 3.6, "each curve at\nthe middle of its\nweights", color=GREY, fontsize=SMALL)
    return figure
