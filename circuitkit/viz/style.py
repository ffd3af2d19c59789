"""One look for all figures: sizes, colours, and little drawings that say what an angle means.

A figure is as wide as the page: 9 inches at 100 dots an inch are 900 pixels, saved at twice that. Colours are
told apart by readers with any colour vision: categories by Okabe and Ito's palette and by dash, angles by a
cyclic map whose opposite colours differ in lightness or along blue to yellow, signed weights by red and blue
about a white 0, responses by one sequential map from light to dark.

Figures are `matplotlib.figure.Figure` and no state of pyplot is used. Settings hold inside `styled` only.

Source of the palette: Okabe and Ito, "Color Universal Design" (2008).
"""

import io
import math
from collections.abc import Iterable
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnnotationBbox, DrawingArea
from matplotlib.text import Text

Colour = str | tuple[float, float, float, float]

WIDTH = 9.0
"""Width of every figure, in inches: the width of the page at 100 dots an inch."""

DPI = 200
"""Dots an inch of saved figures: two for every pixel of the page."""

SMALL, NORMAL, LARGE = 8.0, 9.0, 11.0
"""Font sizes, in points. Nothing is set smaller than `SMALL`, which is 11 pixels on the page."""

BLACK, GREY, FAINT = "#222222", "#6b6b6b", "#dcdcdc"
ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = "#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00", "#cc79a7"
EXCITES, INHIBITS = "#b2182b", "#2166ac"

SIGNED = mpl.colormaps["RdBu_r"]
# White is no response at all; from there on matplotlib's magma, reversed.
_MAGMA = mpl.colormaps["magma_r"](np.linspace(0.1, 1, 15))
RESPONSE = LinearSegmentedColormap.from_list("response", ["#ffffff", *_MAGMA])

_WHEEL = (
    "#e8ab34", "#f6991c", "#f4812c", "#e86440", "#d8484e", "#bb325e", "#932b6f", "#673083",
    "#373d96", "#2050ac", "#1868bc", "#2583c6", "#4b9bc4", "#76acb5", "#a3b28c", "#cbb260",
)  # fmt: skip
CYCLIC = LinearSegmentedColormap.from_list("angle", (*_WHEEL, _WHEEL[0]))
"""Colours of angles: 0 yellow, 90 red, 180 indigo, 270 blue. Half a turn apart, blue stands against yellow."""

SETTINGS: Any = {
    "font.family": "DejaVu Sans",  # it comes with matplotlib, so a figure looks alike everywhere
    "font.size": NORMAL,
    "text.color": BLACK,
    "text.parse_math": False,  # a unit may be called $x$
    "axes.edgecolor": GREY,
    "axes.labelcolor": BLACK,
    "axes.labelsize": NORMAL,
    "axes.linewidth": 0.8,
    "axes.titlesize": NORMAL,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "xtick.color": GREY,
    "xtick.labelcolor": BLACK,
    "xtick.labelsize": SMALL,
    "ytick.color": GREY,
    "ytick.labelcolor": BLACK,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}

styled = mpl.rc_context(SETTINGS)
"""Decorator: the function draws with these settings, and leaves no trace of them behind."""


HEAD = 0.62
"""Height of a title with the note under it, in inches; what a figure shows starts below."""


def new_figure(height: float, title: str, note: str) -> Figure:
    """Returns an empty figure, page-wide and `height` inches high.

    Args:
        height: In inches, `HEAD` included.
        title: What is seen.
        note: How to read it, in one line.
    """
    figure = Figure(figsize=(WIDTH, height))
    for top, text, size, look in (
        (0.08, title, LARGE, {"fontweight": "bold"}),
        (0.32, note, NORMAL, {"color": GREY}),
    ):
        line = write(figure, 0.1, top, text, **look)
        # A long name must not run out of the page.
        line.set_fontsize(size)
        line.set_fontsize(size * min(1.0, (WIDTH - 0.2) / max(0.1, right_end(figure, line) - 0.1)))
    return figure


def right_end(figure: Figure, text: Text) -> float:
    """Returns where a text ends, in inches from the left of the figure."""
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    return float(text.get_window_extent(renderer).x1 / figure.dpi)


def write(figure: Figure, left: float, top: float, text: str, **options: Any) -> Text:
    """Writes text whose upper left corner stands `left` and `top` inches from that of the figure."""
    at = (left / WIDTH, 1 - top / figure.get_figheight())
    return figure.text(*at, text, **{"va": "top", "fontsize": NORMAL, **options})


def short(name: object, letters: int = 20) -> str:
    """Returns a name that fits its place: the end of a long one, which has the unit's number.

    >>> short("resnetv24_stage3_unit1_conv1:130", 12)
    '…t1_conv1:130'
    """
    text = str(name)
    return text if len(text) <= letters else "…" + text[-letters:]


def signed(value: float, digits: int = 3) -> str:
    """Returns a number with its sign, as it is printed."""
    return f"{value:+.{digits}f}".replace("-", "−") if value else "0"


def place(figure: Figure, left: float, top: float, width: float, height: float, **options: Any) -> Axes:
    """Returns axes placed in inches from the left and from the top of the figure."""
    full = figure.get_figheight()
    axes = figure.add_axes((left / WIDTH, 1 - (top + height) / full, width / WIDTH, height / full), **options)
    # Ticks are made when they are drawn, outside of `styled` perhaps: tell them now.
    axes.tick_params(labelsize=SMALL, color=GREY, labelcolor=BLACK, width=0.8, length=3)
    return axes


@styled
def to_png(figure: Figure) -> bytes:
    """Returns the figure as a PNG file of 1800 pixels in width. The same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None}, pil_kwargs={"optimize": True})
    return buffer.getvalue()


def colour_of_angle(angle: float) -> Colour:
    """Returns the colour of an angle in degrees, over a period of 360."""
    return CYCLIC((angle % 360.0) / 360.0)


def symmetric(values: Float[np.ndarray, "..."]) -> Normalize:
    """Returns a colour scale with 0 in the middle that holds all values."""
    top = float(np.max(np.abs(values))) or 1.0
    return Normalize(-top, top)


def colour_bar(axes: Axes, norm: Normalize, cmap: Colormap, label: str) -> None:
    """Fills axes with an upright colour bar, with numbers at its ends and in the middle."""
    low, high = float(norm.vmin or 0), float(norm.vmax or 0)
    bar = axes.figure.colorbar(ScalarMappable(norm, cmap), cax=axes, ticks=[low, (low + high) / 2, high])
    middle = (low + high) / 2
    bar.set_ticklabels([signed(low), "0", signed(high)] if low < 0 else [f"{value:g}" for value in (low, middle, high)])
    bar.set_label(label, fontsize=SMALL)
    bar.outline.set_linewidth(0.5)
    axes.tick_params(labelsize=SMALL, color=GREY, labelcolor=BLACK, length=2)


def glyph(
    axes: Axes,
    at: tuple[float, float],
    angle: float,
    *,
    kind: str = "arc",
    coordinates: Any = "data",
    offset: tuple[float, float] = (0.0, 0.0),
    size: float = 9.0,
    colour: Colour = BLACK,
) -> None:
    """Draws a little arc that bulges towards an angle, or a little line along it.

    Args:
        axes: Where.
        at: Position of its middle.
        angle: In degrees, counter-clockwise from +x. An arc at 0 is `)`, at 90 an arch.
        kind: `arc` or `line`.
        coordinates: Of `at`, as `AnnotationBbox` takes them.
        offset: From `at`, in points.
        size: In points.
        colour: Of the stroke.
    """
    half = size / 2
    if kind == "arc":
        bend = np.deg2rad(np.linspace(-62, 62, 25))
        x, y = half * (np.cos(bend) - 0.72), half * 1.1 * np.sin(bend)
    else:
        x, y = np.array([-half, half]), np.zeros(2)
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    area = DrawingArea(size, size)
    area.add_artist(
        Line2D(half + cos * x - sin * y, half + sin * x + cos * y, color=colour, lw=1.4, solid_capstyle="round")
    )
    axes.add_artist(
        AnnotationBbox(
            area,
            at,
            xybox=offset,
            xycoords=coordinates,
            boxcoords="offset points",
            frameon=False,
            pad=0,
            annotation_clip=False,
        )
    )


def angle_axis(axes: Axes, ticks: Iterable[float], *, label: str) -> None:
    """Labels the x axis of axes in degrees, with the arc that each angle stands for under its number.

    Args:
        axes: Any, with angles in degrees along x.
        ticks: Where; a tick is labelled modulo 360.
        label: Of the axis.
    """
    ticks = list(ticks)
    axes.set_xticks(ticks, [f"{tick % 360 if tick != 360 else 360:g}°" for tick in ticks])
    for tick in ticks:
        glyph(axes, (tick, 0), tick, coordinates=axes.get_xaxis_transform(), offset=(0, -22))
    axes.set_xlabel(label, labelpad=16)
