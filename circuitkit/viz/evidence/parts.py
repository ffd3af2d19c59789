"""What the figures of all seven arguments share: the strip of units against controls, and drawings of the shape.

**The strip.** On top, how the statistic is spread over the controls; below it a row for every unit, in order of angle:
its statistic with the 95 % interval, filled where the argument holds. Dashed is the bound that the statistic must
reach, dotted what one control in twenty reaches. Beside it every number that has a criterion; those that miss theirs
stand on a dark ground.
"""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.patches import Rectangle

from circuitkit.errors import SpecError
from circuitkit.evidence.argument import Argument, Criterion, Subject
from circuitkit.evidence.statistics import CHANCE
from circuitkit.hypothesis import Hypothesis
from circuitkit.stimuli import Curve, grid
from circuitkit.viz.style import (
    BLACK,
    BLUE,
    FAINT,
    GREY,
    HEAD,
    SMALL,
    WIDTH,
    Colour,
    colour_of_angle,
    new_figure,
    place,
    short,
    write,
)

ROW = 0.17
"""Height of a unit's row, in inches."""

LEFT, STRIP, TABLE = 1.3, 3.3, 4.95
"""Left and width of the strip, and left of the numbers, in inches."""

HEADS = 1.05
"""Height of the histogram of controls, and of the heads of the numbers beside it, in inches."""

MISSED = "#4a4a4a"


def with_strip(argument: Argument, subject: Subject, below: float) -> tuple[Figure, float]:
    """Returns a figure that shows the statistic against its null, and where in it there is room for more.

    Args:
        argument: What was measured.
        subject: The units.
        below: How much room there is to be under the strip, in inches.

    Returns:
        The figure, and the room's distance from its top, in inches.

    Raises:
        SpecError: If the argument was not tested.
    """
    if argument.why_untested:
        raise SpecError(f"{argument.name} was not tested ({argument.why_untested}), so there is nothing to draw.")
    order = by_angle(subject)
    rows = len(order) * ROW
    figure = new_figure(HEAD + HEADS + rows + 0.55 + below, headline(argument), _note(argument))
    _strip(figure, argument, subject, order)
    _numbers(figure, argument, order)
    return figure, HEAD + HEADS + rows + 0.6


def headline(argument: Argument) -> str:
    """Returns what was found, in a line."""
    held, count = int(argument.holds.sum()), argument.holds.sizes["unit"]
    if count == 1:
        return f"{argument.name.capitalize()}: {'holds' if held else 'fails'} for {argument.numbers.unit.values[0]}"
    return f"{argument.name.capitalize()}: holds for {held} of {count} units"


def _note(argument: Argument) -> str:
    null = argument.null.values[np.isfinite(argument.null.values)]
    controls = f"grey: {len(null)} controls" if len(null) else "no controls"
    return (
        f"dots: {words(str(argument.statistic.name))}, 95 % interval, filled where it holds; {controls}; dashed: "
        "wanted; "
        "dotted: 1 control in 20; dark: a criterion missed"
    )


def words(name: str) -> str:
    """Returns the name of a number as it is read: `looks_agreeing` is "looks agreeing"."""
    return "FWHM" if name == "fwhm" else name.replace("_", " ")


def by_angle(subject: Subject) -> Int[np.ndarray, " unit"]:
    """Returns the places of the units in order of angle; as they are for a shape without an angle."""
    if subject.hypothesis.period is None:
        return np.arange(subject.poses.sizes["unit"])
    return np.argsort(subject.poses.angle.values, kind="stable")


def colours(subject: Subject) -> list[Colour]:
    """Returns a colour for every unit: that of its angle, a period being a whole turn."""
    period = subject.hypothesis.period
    if period is None:
        return [BLUE] * subject.poses.sizes["unit"]
    return [colour_of_angle(float(angle) * 360 / period) for angle in subject.poses.angle.values]


def _strip(figure: Figure, argument: Argument, subject: Subject, order: Int[np.ndarray, " unit"]) -> None:
    value, ends = argument.statistic.values, argument.interval.transpose("bound", "unit").values
    null = argument.null.values[np.isfinite(argument.null.values)]
    holds, hues = argument.holds.values, colours(subject)
    rows = len(order) * ROW
    top = place(figure, LEFT, HEAD + 0.35, STRIP, HEADS - 0.35)
    axes = place(figure, LEFT, HEAD + HEADS, STRIP, rows, sharex=top)
    criterion = argument.criteria.get(str(argument.statistic.name), Criterion())
    if len(null):
        top.hist(null, bins=min(30, max(8, len(null) // 4)), color=FAINT, ec=GREY, lw=0.5)
    for each in (top, axes):
        for bound in (criterion.at_least, criterion.at_most):
            if bound is not None:
                each.axvline(bound, color=BLACK, lw=1, ls=(0, (4, 2)), zorder=1)
        if len(null):
            each.axvline(float(np.quantile(null, 1 - CHANCE)), color=GREY, lw=1.2, ls=(0, (1, 1.5)), zorder=1)
    for row, unit in enumerate(order):
        axes.axhline(row, color=FAINT, lw=0.5, zorder=0)
        axes.plot(ends[:, unit], [row, row], color=hues[unit], lw=1.6, zorder=2, solid_capstyle="butt")
        face = hues[unit] if holds[unit] else "white"
        axes.plot([value[unit]], [row], marker="o", ms=5, mfc=face, mec=hues[unit], mew=1.2, zorder=3, clip_on=False)
    _pad(axes, np.concatenate([value, ends.ravel(), null, [b for b in _bounds(criterion) if b is not None]]))
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.set_yticks(range(len(order)), [short(argument.numbers.unit.values[unit], 15) for unit in order])
    axes.tick_params(axis="y", length=0)
    top.tick_params(axis="x", labelbottom=False)
    top.set_ylabel("controls", fontsize=SMALL)
    top.locator_params(axis="y", nbins=3, integer=True)
    units = argument.statistic.attrs.get("units")
    wanted = f", wanted {criterion}" if str(criterion) else ""
    axes.set_xlabel(words(str(argument.statistic.name)) + (f" ({units})" if units else "") + wanted)


def _bounds(criterion: Criterion) -> tuple[float | None, float | None]:
    return criterion.at_least, criterion.at_most


def _pad(axes: Axes, values: Float[np.ndarray, " value"]) -> None:
    """Sets an x axis that holds all values, with some room on either side."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    room = 0.04 * ((high - low) or 1.0)
    axes.set_xlim(low - room, high + room)


def _numbers(figure: Figure, argument: Argument, order: Int[np.ndarray, " unit"]) -> None:
    """Writes every number that has a criterion, and how often controls reach the statistic."""
    columns: list[tuple[str, xr.DataArray, xr.DataArray]] = [
        (f"{words(name)} {bound(criterion)}", argument.numbers[name], criterion.met(argument.numbers[name]))
        for name, criterion in argument.criteria.items()
    ]
    columns.append((f"p ≤ {CHANCE:g}", argument.p, argument.p <= CHANCE))
    width = min(0.5, (WIDTH - 0.45 - TABLE) / len(columns))
    rows = len(order) * ROW
    axes = place(figure, TABLE, HEAD + HEADS, width * len(columns), rows)
    axes.set(xlim=(0, len(columns)), ylim=(len(order) - 0.5, -0.5), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    for column, (head, values, met) in enumerate(columns):
        at = TABLE + (column + 0.5) * width
        write(figure, at - 0.02, HEAD + HEADS - 0.04, head, rotation=38, va="bottom", ha="left", fontsize=SMALL,
              rotation_mode="anchor")  # fmt: skip
        for row, unit in enumerate(order):
            fine = bool(met.values[unit])
            if not fine:
                axes.add_patch(Rectangle((column + 0.03, row - 0.46), 0.94, 0.92, color=MISSED, lw=0))
            text = brief(float(values.values[unit]))
            axes.text(column + 0.5, row, text, ha="center", va="center_baseline", fontsize=SMALL if width > 0.3 else 7,
                      color=BLACK if fine else "white")  # fmt: skip


def bound(criterion: Criterion) -> str:
    """Returns a criterion in signs: "≥ 0.9"."""
    pairs = (("≥", criterion.at_least), ("≤", criterion.at_most))
    return " and ".join(f"{sign} {value:.3g}" for sign, value in pairs if value is not None)


def brief(value: float) -> str:
    """Returns a number in three places.

    >>> brief(0.123), brief(47.3), brief(1.046), brief(-0.061), brief(float("nan"))
    ('.12', '47', '1.05', '−.06', '–')
    """
    if not np.isfinite(value):
        return "–"
    if 0 < value < 0.005:
        return "<.01"
    text = f"{value:.0f}" if abs(value) >= 9.995 else f"{value:.2f}"
    text = {"1.00": "1", "-1.00": "-1", "0.00": "0", "-0.00": "0"}.get(text, text)
    return text.replace("0.", ".", 1).replace("-", "−") if abs(value) < 1 else text.replace("-", "−")


def shapes(
    hypothesis: Hypothesis, angles: Sequence[float], size: float | None = None
) -> Float[np.ndarray, "angle h w"]:
    """Returns the shape at some angles as grey pictures of values -1 to 1, dark on light.

    Args:
        hypothesis: The shape.
        angles: In degrees.
        size: In pixels; a middling one of those tried if left out.
    """
    if size is None and hypothesis.size is not None:
        size = hypothesis.sizes[len(hypothesis.sizes) // 2]
    # A curve is anchored at its apex: less than all of it shows where it bulges.
    pixels = 64 if size is None else max(24, int((1.5 if isinstance(hypothesis.shape, Curve) else 2.6) * size))
    drawn = grid(hypothesis.posed(0.0, size), angle=[float(angle) for angle in angles]).images(pixels)
    return -np.asarray(drawn).mean(-1)


def angle_axis(axes: Axes, hypothesis: Hypothesis, *, label: str = "", drawn: bool = True, about: bool = False) -> None:
    """Labels an x axis in degrees over one period, with the shape under every tick.

    Args:
        axes: Any, with angles along x.
        hypothesis: Its period and shape.
        label: Of the axis.
        drawn: Whether the shape is shown.
        about: From minus half a period to half of one, rather than from 0.
    """
    period = hypothesis.period or 360.0
    ticks = np.linspace(0, period, 5) - (period / 2 if about else 0)
    axes.set_xlim(ticks[0], ticks[-1])
    axes.set_xticks(ticks, [f"{tick:+g}°".replace("-", "−") if about and tick else f"{tick:g}°" for tick in ticks])
    if drawn:
        pictures = shapes(hypothesis, [*ticks])
        norm = Normalize(pictures.min(), pictures.max())
        for tick, drawn_shape in zip(ticks, pictures, strict=True):
            box = OffsetImage(drawn_shape, zoom=20 / drawn_shape.shape[0], cmap="gray", norm=norm)
            axes.add_artist(AnnotationBbox(box, (tick, 0), xybox=(0, -27), xycoords=axes.get_xaxis_transform(),
                            boxcoords="offset points", frameon=True, pad=0.05, annotation_clip=False,
                            bboxprops={"lw": 0.4, "ec": FAINT}))  # fmt: skip
    if label:
        axes.set_xlabel(label, labelpad=24 if drawn else 3)


def picture(axes: Axes, image: np.ndarray) -> None:
    """Shows an image of bytes, or of values from -1 to 1, grey or RGB."""
    shown = image if image.dtype == np.uint8 else np.clip((image + 1) / 2, 0, 1)
    high = 255 if image.dtype == np.uint8 else 1
    axes.imshow(shown[..., 0] if shown.shape[-1] == 1 else shown, cmap="gray", vmin=0, vmax=high)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(FAINT)


def dots(
    axes: Axes,
    values: dict[str, Float[np.ndarray, " unit"]],
    hues: list[Colour],
    *,
    seed: int = 0,
) -> None:
    """Draws a row for every name, with a dot for every unit and a bar at the median."""
    shift = np.random.default_rng(seed).uniform(-0.22, 0.22, len(hues))
    for row, each in enumerate(values.values()):
        axes.axhline(row, color=FAINT, lw=0.5, zorder=0)
        axes.scatter(each, row + shift, s=14, c=hues, linewidths=0.4, edgecolors="white", zorder=2, clip_on=False)
        if np.isfinite(each).any():
            axes.plot([np.nanmedian(each)] * 2, [row - 0.36, row + 0.36], color=BLACK, lw=1.6, zorder=3)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.set_yticks(range(len(values)), [short(name, 16) for name in values])
    axes.tick_params(axis="y", length=0)


def title(axes: Axes, text: str) -> None:
    """Writes the title of one part of a figure."""
    axes.set_title(text, fontweight="bold", pad=5)


def outline(axes: Axes, drawing: Float[np.ndarray, "h w"]) -> None:
    """Shows a drawn shape, dark on light."""
    shown = -drawing
    axes.imshow(shown, cmap="gray", vmin=shown.min(), vmax=max(float(shown.max()), float(shown.min()) + 1e-6))
    frame(axes, GREY)


def frame(axes: Axes, colour: Colour = FAINT, *, width: float = 0.8) -> None:
    """Draws a frame of one colour round axes without ticks."""
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color=colour, linewidth=width)


def about_pose(
    profile: Float[np.ndarray, "unit angle"], angles: Float[np.ndarray, " angle"], subject: Subject
) -> tuple[Float[np.ndarray, " step"], Float[np.ndarray, "unit step"]]:
    """Returns curves over an angle as curves over the angle from each unit's pose, from minus to plus half a period."""
    period = subject.hypothesis.period or 360.0
    away = np.linspace(-period / 2, period / 2, len(angles) + 1)
    turned = [
        np.interp(angle + away, np.append(angles, angles[0] + period), np.append(curve, curve[0]), period=period)
        for angle, curve in zip(subject.poses.angle.values, profile, strict=True)
    ]
    return away, np.array(turned)


def away_axis(axes: Axes, subject: Subject, label: str) -> None:
    """Labels an x axis in degrees from each unit's own pose."""
    angle_axis(axes, subject.hypothesis, drawn=False, about=True, label=label)
    axes.axvline(0, color=FAINT, lw=1, zorder=0)


def shape_at(
    hypothesis: Hypothesis, angles: Float[np.ndarray, " n"], sizes: Float[np.ndarray, " n"], side: int
) -> Float[np.ndarray, "n h w"]:
    """Returns the shape at pairs of an angle and a size, as grey images of values -1 to 1; NaN says nothing."""
    axis: dict[str, list[float]] = {"angle": [float(angle) if np.isfinite(angle) else 0.0 for angle in angles]}
    if hypothesis.size is not None:
        middle = hypothesis.sizes[len(hypothesis.sizes) // 2]
        axis[hypothesis.size] = [float(size) if np.isfinite(size) else middle for size in sizes]
    return np.asarray(grid(hypothesis.posed(), axis).images(side)).mean(-1)


def profiles(axes: Axes, argument: Argument, subject: Subject, label: str) -> None:
    """Draws how well each unit's weights match the shape's picture, by the picture's angle from the unit's own.

    Grey is the range of nine in ten controls.
    """
    data, period = argument.data, subject.hypothesis.period or 360.0
    away = (data.relative.values + period / 2) % period - period / 2
    places = np.argsort(away)
    x = np.append(away[places], away[places][0] + period)

    def closed(curve: np.ndarray) -> np.ndarray:
        return np.append(curve[places], curve[places][0])

    if "control_profile" in data:
        low, _, high = (closed(curve) for curve in data.control_profile.transpose("quantile", "relative").values)
        axes.fill_between(x, low, high, color=FAINT, lw=0, label="nine in ten controls")
    curves = data.profile.transpose("unit", "relative").values
    for curve, hue in zip(curves, colours(subject), strict=True):
        axes.plot(x, closed(curve), color=hue, lw=0.9)
    axes.plot(x, closed(curves.mean(0)), color=BLACK, lw=2.2, label="mean of the units")
    axes.axhline(0, color=GREY, lw=0.6)
    away_axis(axes, subject, label)
    axes.set_ylabel("match of the weights", fontsize=SMALL)
    axes.set_ylim(top=axes.get_ylim()[1] * 1.35)
    axes.legend(loc="upper right", borderaxespad=0)
