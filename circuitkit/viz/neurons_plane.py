"""Neurons over a plane of inputs: the cells that their boundaries cut it into, and what they say as surfaces.

said = through([first, second], rectangle((-1, -1), (1, 1)))
plane_cells(groups(said, positive()), title="Who is positive where")
surfaces(said, title="What each neuron says")
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path as Outline
from matplotlib.ticker import MaxNLocator
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection

from circuitkit.errors import NeuronsError
from circuitkit.neurons import Cells, Surface
from circuitkit.viz.neurons import HATCH
from circuitkit.viz.style import (
    BLACK,
    BLUE,
    EXCITES,
    FAINT,
    GREEN,
    GREY,
    HEAD,
    INHIBITS,
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
    styled,
)

LOOKS: tuple[tuple[str, Any], ...] = tuple(
    (colour, dash) for dash in ("-", (0, (4, 1.5))) for colour in (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
)
"""Of boundaries: told apart by colour, and beyond seven by dashes."""

SURFACES = 6
"""So many surfaces are drawn at most."""

_ELEVATION, _CORNERS = 32, (-60, 30, 120, 210)
"""Degrees, from which surfaces are seen."""


@styled
def plane_cells(
    found: Cells,
    *,
    title: str,
    inputs: Any = None,
    allowed: Surface | None = None,
    axes_names: Sequence[str] = ("x", "y"),
) -> Figure:
    """Draws the cells of a plane by how many neurons are in the group, with each neuron's boundary.

    Args:
        found: Groups over a plane.
        title: What is seen.
        inputs: (input, 2) points to mark.
        allowed: The part that the layer can meet (`neurons.possible_cells`); the rest is hatched.
        axes_names: Of t.
    """
    note = f"Group: {found.predicate}. A number is how many are in; thin grey lines are bends within one group."
    side = 5.0
    figure = new_figure(HEAD + side + 0.75, title, note)
    axes = place(figure, 0.75, HEAD + 0.15, side, side)
    corners, counts = found.surface.corners, found.members.sum(axis=1)
    low_count, high_count = int(counts.min()), int(counts.max())
    colours = _steps(low_count, high_count)
    polygons = [corners[cell] for cell in found.surface.cells]
    axes.add_collection(PolyCollection(polygons, facecolors=colours[0](colours[1](counts)), edgecolors="none"))
    ends, (one, other) = found.surface.edges()[0], found.surface.edges()[1].T
    lines, inner = corners[ends], other >= 0
    differ = found.members[one] != found.members[other]
    bend = inner & ~differ.any(axis=1)
    axes.add_collection(LineCollection(list(lines[bend]), colors=GREY, linewidths=0.35))
    handles = _boundaries(axes, found, lines, inner, differ)
    if allowed is not None:
        _hatch(axes, corners, allowed)
        handles.append(
            Patch(facecolor="white", edgecolor=GREY, hatch=HATCH, hatch_linewidth=0.4, lw=0, label="cannot be")
        )
    _numbers(axes, found, side)
    if inputs is not None:
        axes.plot(*np.asarray(inputs, float).T, "P", color=BLACK, mec="white", mew=0.8, ms=8, zorder=5)
        handles.append(Line2D([], [], marker="P", ls="", color=BLACK, mec="white", ms=8, label="an input"))
    low, high = corners.min(axis=0), corners.max(axis=0)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel=axes_names[0], ylabel=axes_names[1])
    steps = high_count - low_count + 1
    bar = place(figure, side + 0.95, HEAD + 0.15, 0.14, min(2.0, 0.3 * steps))
    ticks = np.unique(np.linspace(low_count, high_count, min(steps, 7)).round())
    scale = figure.colorbar(ScalarMappable(colours[1], colours[0]), cax=bar, ticks=ticks)
    scale.ax.minorticks_off()
    scale.set_label("neurons in the group", fontsize=SMALL)
    scale.outline.set_linewidth(0.5)
    if handles:
        at = ((side + 1.75) / WIDTH, 1 - (HEAD + 0.1) / figure.get_figheight())
        figure.legend(handles=handles, loc="upper left", bbox_to_anchor=at, borderpad=0)
    return figure


def _steps(low: int, high: int) -> tuple[ListedColormap, BoundaryNorm]:
    """Returns a grey for each number between two; all light enough to tell coloured lines and read black on."""
    cmap = ListedColormap([str(light) for light in np.linspace(1.0, 0.62, high - low + 1)])
    return cmap, BoundaryNorm(np.arange(low, high + 2) - 0.5, high - low + 1)


def _boundaries(axes: Any, found: Cells, lines: Any, inner: Any, differ: Any) -> list[Any]:
    """Draws where each neuron enters or leaves, and returns what a legend says of it."""
    who = np.flatnonzero(differ[inner].any(axis=0))
    if len(who) > len(LOOKS):
        whole = inner & differ.any(axis=1)
        axes.add_collection(LineCollection(list(lines[whole]), colors=BLACK, linewidths=0.7))
        return [Line2D([], [], color=BLACK, lw=0.7, label=f"boundaries of\n{len(who)} neurons")]
    handles = []
    for neuron, (colour, dash) in zip(who, LOOKS, strict=False):
        its = lines[inner & differ[:, neuron]]
        axes.add_collection(LineCollection(list(its), colors=colour, linewidths=1.6, linestyles=[dash]))
        handles.append(Line2D([], [], color=colour, ls=dash, lw=1.6, label=short(found.names[neuron], 12)))
    return handles


def _hatch(axes: Any, corners: Float[np.ndarray, "corner 2"], allowed: Surface) -> None:
    """Hatches all but what is allowed, which is drawn over it by its own outline."""
    cut = allowed.corners
    polygons = [cut[cell] for cell in allowed.cells] if len(allowed.counts) else []
    low, high = corners.min(axis=0), corners.max(axis=0)
    box = np.array([[low[0], low[1]], [low[0], high[1]], [high[0], high[1]], [high[0], low[1]], [low[0], low[1]]])
    parts = [Outline(box, closed=True)]
    parts += [Outline(np.concatenate([polygon, polygon[:1]]), closed=True) for polygon in polygons]
    # Clockwise outside, counter-clockwise within: the cells are holes.
    patch = PathPatch(
        Outline.make_compound_path(*parts),
        facecolor="white",
        alpha=0.75,
        edgecolor=GREY,
        hatch=HATCH,
        hatch_linewidth=0.4,
        lw=0,
        zorder=3,
    )
    axes.add_patch(patch)


def _numbers(axes: Any, found: Cells, side: float) -> None:
    """Writes into each region that is large enough how many are in."""
    scale = side / float(np.ptp(found.surface.corners, axis=0).max())
    middles = found.surface.middles(found.surface.corners)
    for region in range(int(found.regions.max(initial=-1)) + 1):
        cells = np.flatnonzero(found.regions == region)
        widest = cells[np.argmax(found.sizes[cells])]
        if found.sizes[widest] * scale**2 > 0.12 and _width(found.surface, int(widest)) * scale > 0.22:
            count = int(found.members[widest].sum())
            axes.text(*middles[widest], str(count), ha="center", va="center", fontsize=NORMAL, zorder=2.5)


def _width(surface: Surface, cell: int) -> float:
    """Returns twice the distance from a cell's middle to its nearest side."""
    start = surface.corners[surface.cells[cell]]
    along = np.roll(start, -1, axis=0) - start
    away = start.mean(axis=0) - start
    across = np.abs(along[:, 0] * away[:, 1] - along[:, 1] * away[:, 0])
    return float(2 * (across / np.maximum(np.hypot(*along.T), 1e-300)).min())


@styled
def surfaces(
    said: Surface,
    *,
    title: str,
    chosen: Sequence[int | str] | None = None,
    axes_names: Sequence[str] = ("x", "y"),
) -> Figure:
    """Draws what neurons say over a plane, each as a surface of its own, cut at 0.

    Args:
        said: Pre-activations.
        title: What is seen.
        chosen: Which neurons, by number or name, at most `SURFACES`; the first ones if left out.
        axes_names: Of t.

    Raises:
        NeuronsError: If more are chosen than can be drawn.
        UnknownNameError: If one of them does not exist.
    """
    wanted = list(range(min(SURFACES, len(said.names)))) if chosen is None else list(chosen)
    if not 0 < len(wanted) <= SURFACES:
        raise NeuronsError(f"surfaces was asked for {len(wanted)} neurons: wanted 1 to {SURFACES}, by chosen=...")
    note = "Before the nonlinearity. Red: above 0. Blue: below: a ReLU lets nothing pass. Axes are turned to show most."
    across = min(3, len(wanted))
    down = -(-len(wanted) // across)
    wide = min(WIDTH / across, 4.0)
    figure = new_figure(HEAD + down * wide * 0.92, title, note)
    picked = said.neurons(wanted)
    for number, name in enumerate(picked.names):
        cut = picked.neurons([number]).cut(0.0)
        left, top = (number % across) * wide, HEAD + (number // across) * wide * 0.92
        axes: Any = place(figure, left + 0.1, top + 0.05, wide - 0.35, wide * 0.9 - 0.1, projection="3d")
        _surface(axes, cut)
        axes.set_title(short(name), loc="center", y=0.96)
        for label, which in zip((*axes_names, ""), ("x", "y", "z"), strict=True):
            getattr(axes, f"set_{which}label")(label, fontsize=SMALL, labelpad=-8)
            getattr(axes, f"{which}axis").set_tick_params(labelsize=SMALL, pad=-3)
    return figure


def _surface(axes: Any, cut: Surface) -> None:
    points = np.concatenate([cut.corners, cut.values], axis=1)
    middle = cut.middles(cut.values)[:, 0]
    colours = [EXCITES if value > 0 else INHIBITS if value < 0 else FAINT for value in middle]
    polygons = Poly3DCollection(
        [points[cell] for cell in cut.cells], facecolors=colours, edgecolors="white", linewidths=0.4, alpha=0.75
    )
    axes.add_collection3d(polygons, autolim=False)
    ends, _ = cut.edges()
    zero = (cut.values[ends, 0] == 0).all(axis=1)
    axes.add_collection3d(Line3DCollection(list(points[ends[zero]]), colors=BLACK, linewidths=1.6), autolim=False)
    low, high = points.min(axis=0), points.max(axis=0)
    room = np.where(high > low, 0.0, 1.0)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2] - room[2], high[2] + room[2]))
    for which in (axes.xaxis, axes.yaxis):
        which.set_major_locator(MaxNLocator(4, prune="both"))  # or two labels meet at the front corner
    axes.zaxis.set_major_locator(MaxNLocator(4))
    axes.set_box_aspect((1, 1, 0.75))
    axes.view_init(elev=_ELEVATION, azim=_azimuth(cut))


def _azimuth(cut: Surface) -> float:
    """Returns from which of four corners a surface shows most of its upper side, in degrees."""
    slopes = (cut.slopes()[0][:, :, 0] * cut.areas[:, None]).sum(axis=0) / cut.areas.sum()
    down = -slopes * np.ptp(cut.corners, axis=0)
    return max(_CORNERS, key=lambda angle: float(down @ (np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle)))))
