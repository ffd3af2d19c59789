"""Synthetic examples, drawn: the family's tuning, what it prefers less, what does not matter, and each unit's map.

The curves are means over looks and sizes, each over its own peak, in the colour of the unit's angle. A rival is shown
by its response over that to the unit's own shape; beyond 1 the unit prefers the rival. Invariance is the response at a
factor's worst level over that at its best. The maps show angle and size together, over the unit's largest response; the
cross is the unit's pose, which was measured on other looks.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from circuitkit.evidence.argument import Argument, Subject
from circuitkit.viz.evidence.parts import angle_axis, by_angle, colours, dots, title, with_strip
from circuitkit.viz.style import BLACK, GREY, RESPONSE, SMALL, WIDTH, colour_bar, place, short, styled, write

COLUMNS = 6


@styled
def figure(argument: Argument, subject: Subject) -> Figure:
    """Shows the argument from synthetic examples."""
    said, count = subject.hypothesis, subject.poses.sizes["unit"]
    mapped = said.period is not None and said.size is not None
    rows = -(-count // COLUMNS) if mapped else 0
    pitch = 1.02
    drawn, top = with_strip(argument, subject, 3.05 + (rows * pitch + 0.75 if mapped else 0))
    hues = colours(subject)
    _curves(place(drawn, 0.65, top + 0.25, 3.1, 1.75), argument, subject)
    start = "to_"
    rivals = {
        str(name).removeprefix(start): values.values
        for name, values in argument.numbers.data_vars.items()
        if str(name).startswith(start)
    }
    axes = place(drawn, 4.85, top + 0.25, 1.65, 1.75)
    dots(axes, rivals, hues)
    axes.axvline(1, color=BLACK, lw=1, ls=(0, (4, 2)))
    axes.set_xlim(left=0)
    axes.set_xlabel(f"response / {said.name}'s own", fontsize=SMALL)
    title(axes, "rivals")
    axes = place(drawn, WIDTH - 1.6, top + 0.25, 1.4, 1.75)
    factors = argument.data.invariance
    dots(axes, dict(zip(map(str, factors.factor.values), factors.values, strict=True)), hues)
    axes.set(xlim=(0, 1), xticks=[0, 0.5, 1])
    axes.set_xlabel("worst level / best", fontsize=SMALL)
    title(axes, "invariance")
    if mapped:
        _maps(drawn, argument, subject, top + 3.1, pitch)
    return drawn


def _curves(axes: Axes, argument: Argument, subject: Subject) -> None:
    said, hues = subject.hypothesis, colours(subject)
    tuning = argument.data.tuning
    along = "angle" if said.period is not None else "size"
    curves = tuning.mean("size" if along == "angle" else "angle").transpose(along, "unit").values
    curves = curves / np.maximum(curves.max(0), 1e-12)
    x = tuning[along].values
    if along == "angle":
        x, curves = np.append(x, x[0] + said.period), np.concatenate([curves, curves[:1]])
    for unit in range(curves.shape[1]):
        axes.plot(x, curves[:, unit], color=hues[unit], lw=1.1)
    axes.set(ylim=(0, 1.05), yticks=[0, 0.5, 1])
    axes.set_ylabel("response / own peak", fontsize=SMALL)
    if along == "angle":
        angle_axis(axes, said, label=f"angle of the {said.name} (degrees)")
    elif said.size is not None:
        axes.set_xscale("log")
        axes.set_xticks(x, [f"{size:.3g}" for size in x])
        axes.minorticks_off()
        axes.set_xlabel(f"{said.size} of the {said.name} (pixels)")
    title(axes, f"tuning over the {'angle' if along == 'angle' else said.size or 'size'}")


def _maps(drawn: Figure, argument: Argument, subject: Subject, top: float, pitch: float) -> None:
    """Draws the response to every angle and size, a map a unit, in order of angle."""
    said, tuning = subject.hypothesis, argument.data.tuning.transpose("size", "angle", "unit")
    period = said.period or 360.0
    angles, logs = tuning.angle.values, np.log(tuning["size"].values)
    step, ratio = angles[1] - angles[0], (logs[-1] - logs[0]) / (len(logs) - 1)
    edges = np.append(angles - step / 2, angles[-1] + step / 2)
    bounds = np.exp(np.append(logs - ratio / 2, logs[-1] + ratio / 2))
    order = by_angle(subject)
    left, gap = 0.65, 0.14
    width = (WIDTH - left - 0.95 - gap * (COLUMNS - 1)) / COLUMNS
    write(drawn, 0.1, top - 0.02, f"angle and {said.size}: response over the unit's largest; cross: the pose",
          fontweight="bold")  # fmt: skip
    sizes = tuning["size"].values
    for index, unit in enumerate(order):
        row, column = divmod(index, COLUMNS)
        axes = place(drawn, left + column * (width + gap), top + 0.42 + row * pitch, width, pitch - 0.34)
        values = tuning.values[..., unit]
        axes.pcolormesh(edges, bounds, values / (values.max() or 1.0), cmap=RESPONSE, vmin=0, vmax=1, rasterized=True)
        axes.set_yscale("log")
        angle = float(subject.poses.angle.values[unit])
        axes.plot([angle], [float(subject.poses["size"].values[unit])], marker="+", ms=7, mew=2.6, color="white")
        axes.plot([angle], [float(subject.poses["size"].values[unit])], marker="+", ms=6, mew=1.2, color=BLACK)
        axes.set(xlim=(edges[0], edges[-1]), ylim=(bounds[0], bounds[-1]))
        shown = [sizes[0], sizes[len(sizes) // 2], sizes[-1]]
        axes.set_yticks(shown, [f"{size:.3g}" for size in shown] if column == 0 else [])
        axes.minorticks_off()
        ticks = [0, period / 4, period / 2, 3 * period / 4]
        last = index + COLUMNS >= len(order)
        axes.set_xticks(ticks, [f"{tick:g}°" for tick in ticks] if last else [])
        axes.set_title(f"{short(tuning.unit.values[unit], 12)}, {angle:.0f}°", fontsize=SMALL, pad=2)
        for spine in axes.spines.values():
            spine.set(visible=True, color=GREY, linewidth=0.5)
        if column == 0:
            axes.set_ylabel("pixels", fontsize=SMALL)
    bar = place(drawn, WIDTH - 0.75, top + 0.42, 0.12, pitch - 0.34)
    colour_bar(bar, Normalize(0, 1), RESPONSE, "response")
