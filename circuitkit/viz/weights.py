"""What is wired to what: the first layer's Gabors, the tiles by relative angle, and their sums.

The *relative angle* of a source is the direction of the path that it stands on, seen from the reader's: 0 for
a line that runs along the reader's own tangent at its apex, or for a curve that bulges the way the reader does.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from circuitkit.network import CircuitNetwork
from circuitkit.spec import Family, Gabor, Spot
from circuitkit.viz.style import (
    BLACK,
    EXCITES,
    FAINT,
    GREY,
    HEAD,
    INHIBITS,
    NORMAL,
    SIGNED,
    SMALL,
    WIDTH,
    colour_bar,
    glyph,
    new_figure,
    place,
    right_end,
    short,
    signed,
    styled,
    symmetric,
    write,
)

COLUMNS = 12


class Wiring(NamedTuple):
    """What the units of one family read from another.

    Attributes:
        reader: The family that reads.
        source: The family read.
        kernel: Weights, by row, column, source member and reader member.
    """

    reader: Family
    source: Family
    kernel: Float[np.ndarray, "h w source member"]

    def relative_angles(self, member: int = 0) -> Float[np.ndarray, " source"]:
        """Returns how far each source stands turned from a reader, in degrees, from 0 to below its period."""
        turned = np.subtract(self.source.unit_tangents, self.reader.unit_tangents[member])
        return np.round(turned, 6) % self.source.turn

    def sums(self) -> dict[float, Float[np.ndarray, "pair 2"]]:
        """Returns the sums over positions of the positive and of the negative weights, by relative angle.

        There is one row for every pair of a source and a reader that stand at that relative angle: as many as
        there are readers, unless the readers are more finely spaced than the sources.
        """
        parts = np.stack([self.kernel.clip(min=0).sum((0, 1)), self.kernel.clip(max=0).sum((0, 1))], axis=-1)
        found: dict[float, list[np.ndarray]] = {}
        for member in range(parts.shape[1]):
            for source, angle in enumerate(self.relative_angles(member)):
                found.setdefault(float(angle), []).append(parts[source, member])
        return {angle: np.stack(found[angle]) for angle in sorted(found)}


def tiled(network: CircuitNetwork) -> list[Wiring]:
    """Returns every pair of families joined by tiles, in the order of the network."""
    pairs: list[Wiring] = []
    for family in network.circuit.families:
        if family.tiles:
            conv = network.layers[family.name]
            kernel = np.asarray(conv.kernel[...])
            parts = {name: kernel[:, :, conv.layout.channels(name)] for name in family.source_names}
            pairs.extend(Wiring(family, network.circuit[name], part) for name, part in parts.items())
    return pairs


@styled
def gabors(network: CircuitNetwork) -> Figure:
    """Shows the kernels of all families that look at the image, each with its unit's angle in degrees.

    Red weights want light, blue ones dark; 0 is white. One scale for all: weights of a kernel have absolute
    values that sum to 1. Kernels of a hue are shown in the colours that they want; grey is 0.

    Args:
        network: The network whose weights are shown.
    """
    families = [family for family in network.circuit.families if isinstance(family.looks_for, Gabor | Spot)]
    kernels = {f.name: _seen(f, np.asarray(network.layers[f.name].kernel[...])) for f in families}
    grey = [kernels[family.name].ravel() for family in families if not family.has_hue]
    norm = symmetric(np.concatenate([*grey, np.zeros(1)]))
    cell, left, top, head, gap = (WIDTH - 1.15) / COLUMNS, 0.1, HEAD, 0.25, 0.14
    rows = {f.name: -(-len(f) // COLUMNS) for f in families}
    height = top + sum(rows.values()) * (cell + 0.2) + len(families) * (head + gap)
    count = sum(len(family) for family in families)
    figure = new_figure(
        height,
        f"First layer: {count} units look at the image",
        "red weights want light, blue ones dark; degrees are the units' angles"
        + ("; coloured ones want their colour, of hue h" if network.circuit.channels == 3 else ""),
    )
    at = top
    for family in families:
        kernel = kernels[family.name]
        _heading(figure, at, family.name, f"{len(family)} units, {kernel.shape[0]} × {kernel.shape[1]} pixels")
        at += head
        axes = place(figure, left, at, COLUMNS * cell, rows[family.name] * (cell + 0.2))
        _mosaic(axes, [kernel[:, :, i] for i in range(len(family))], norm, cell, rows[family.name])
        for index, name in enumerate(family.unit_names):
            x, y = index % COLUMNS + 0.5, -(index // COLUMNS) * (1 + 0.2 / cell)
            angle, *more = name.partition("@")[2].split("-")
            more = [part.replace("hue", "h") for part in more]
            label = " ".join([f"{angle}°" if family.has_angle else "", *more]).strip() or "any angle"
            axes.text(x, y - 0.11 / cell, label, fontsize=SMALL, ha="center", va="center")
        at += rows[family.name] * (cell + 0.2) + gap
    if grey:
        bar = place(figure, WIDTH - 0.85, top + head + 0.2, 0.12, min(1.5, height - top - head - 0.4))
        colour_bar(bar, norm, SIGNED, "weight")
    return figure


@styled
def tile_weights(network: CircuitNetwork) -> Figure:
    """Shows, for each tiled family, what its first member (angle 0) reads, by relative angle of the source.

    Above each tile stand the relative angle in degrees and a drawing of what the source itself looks for. A tile
    is as large as the reader's kernel: where it is red, that source at that offset excites; where blue, it
    inhibits; 0 is white. Every family has a colour scale of its own, symmetric about 0.

    Args:
        network: The network whose weights are shown.
    """
    wirings = tiled(network)
    cell, label, head, gap = (WIDTH - 1.15) / COLUMNS, 0.2, 0.25, 0.16
    rows = [-(-len(w.source) // COLUMNS) for w in wirings]
    height = HEAD + sum(row * (cell + label) + head + gap for row in rows)
    figure = new_figure(
        height,
        "Tiles: sources along the shape excite, what must not be there inhibits",
        "red excites, blue inhibits; degrees: the source's turn against the reader; strokes: what the source looks for",
    )
    at = HEAD
    for wiring, row in zip(wirings, rows, strict=True):
        kernel, angles = wiring.kernel[..., 0], wiring.relative_angles()
        order = np.argsort(angles, kind="stable")
        norm = symmetric(kernel)
        apart = network.circuit.spacing(wiring.source.name)
        places = "pixels" if apart == 1 else f"places, {apart} pixels apart"
        note = f"from {wiring.source.name}, by relative angle; {kernel.shape[0]} × {kernel.shape[1]} {places}"
        _heading(figure, at, wiring.reader.unit_names[0], note)
        at += head
        axes = place(figure, 0.1, at, COLUMNS * cell, row * (cell + label))
        _mosaic(axes, [kernel[:, :, i] for i in order], norm, cell, row)
        kind = "arc" if wiring.source.matched_period() == 360 else "line"
        for index, source in enumerate(order):
            x, y = index % COLUMNS, -(index // COLUMNS) * (1 + label / cell)
            pose = wiring.source.unit_angles[source] if kind == "arc" else wiring.source.unit_tangents[source]
            glyph(axes, (x + 0.2, y - 0.11 / cell), pose, kind=kind, size=8, colour=GREY)
            axes.text(x + 0.36, y - 0.11 / cell, f"{angles[source]:g}°", fontsize=SMALL, ha="left", va="center")
        bar = place(figure, WIDTH - 0.85, at + label, 0.12, cell - 0.03)
        colour_bar(bar, norm, SIGNED, "weight")
        at += row * (cell + label) + gap
    return figure


@styled
def weight_by_angle(network: CircuitNetwork) -> Figure:
    """Shows the weights between two families, summed over positions, against relative angle in degrees.

    Red is the sum of the positive weights, blue that of the negative ones, black their sum: means over all
    readers. Where readers differ, a band spans the lowest and the highest; in a family that is the orbit of one
    template it is too thin to see.

    Args:
        network: The network whose weights are shown.
    """
    wirings = tiled(network)
    columns = min(3, max(1, len(wirings)))
    rows = -(-len(wirings) // columns)
    gap, high, pitch = 0.65, 1.9, 2.75
    width = (WIDTH - 0.8 - gap * (columns - 1) - 0.3) / columns
    figure = new_figure(HEAD + rows * pitch, _verdict(wirings), "weights summed over positions, mean over readers")
    for index, wiring in enumerate(wirings):
        top = HEAD + 0.2 + (index // columns) * pitch
        axes = place(figure, 0.8 + (index % columns) * (width + gap), top, width, high)
        turn = wiring.source.turn
        # From -turn/2 to turn/2, the two ends being the same relation.
        sums = {(angle + turn / 2) % turn - turn / 2: parts for angle, parts in wiring.sums().items()}
        sums[turn / 2] = sums.get(-turn / 2, sums[min(sums)])
        x = np.array(sorted(sums))
        axes.axhline(0, color=FAINT, lw=0.8, zorder=0)
        for name, parts, colour in (
            ("positive weights", [0], EXCITES),
            ("negative weights", [1], INHIBITS),
            ("their sum", [0, 1], BLACK),
        ):
            values = [sums[angle][:, parts].sum(axis=1) for angle in x]
            axes.fill_between(x, [v.min() for v in values], [v.max() for v in values], color=colour, alpha=0.3, lw=0)
            whole = colour == BLACK
            dash, weight = ("-", 2.0) if whole else ((0, (5, 1.5)), 1.5)
            axes.plot(x, [v.mean() for v in values], color=colour, label=name, ls=dash, lw=weight)
        axes.set_xlim(-turn / 2, turn / 2)
        ticks = np.linspace(-turn / 2, turn / 2, 5)
        axes.set_xticks(ticks, [f"{signed(tick, 0)}°" for tick in ticks])
        axes.tick_params(axis="x", pad=6)  # clear of the lowest number of the y axis
        axes.margins(y=0.08)
        axes.set_xlabel("relative angle (degrees)")
        axes.set_title(
            f"{short(wiring.reader.name)}  ←  {short(wiring.source.name)}", fontsize=NORMAL, fontweight="bold"
        )
        if index % columns == 0:
            axes.set_ylabel("summed weight")
        if index == 0:
            figure.legend(
                *axes.get_legend_handles_labels(), loc="upper right", ncols=3, handlelength=2.4,
                bbox_to_anchor=(1 - 0.15 / WIDTH, 1 - 0.3 / figure.get_figheight()), borderaxespad=0,
            )  # fmt: skip
    return figure


def _verdict(wirings: list[Wiring]) -> str:
    """Returns the title of the summed weights: what is seen, if it is."""
    ends = []
    for wiring in wirings:
        totals = {angle: float(pair.sum(axis=1).mean()) for angle, pair in wiring.sums().items()}
        far = min(totals, key=lambda angle: abs(angle - wiring.source.turn / 2))
        ends.append((totals[min(totals)], totals[far]))
    if ends and all(near > 0 > far for near, far in ends):
        return "Summed weights: sources aligned with the reader excite, turned ones inhibit"
    return "Summed weights, by how far the source stands turned from the reader"


def _seen(family: Family, kernel: Float[np.ndarray, "h w channel member"]) -> Float[np.ndarray, "h w member *colour"]:
    """Returns kernels that look at the image as they are shown: their weights, or their colours."""
    if not family.has_hue:
        return kernel.sum(axis=2)
    return 0.5 + 0.5 * np.moveaxis(kernel, 2, -1) / np.abs(kernel).max()


def _heading(figure: Figure, at: float, name: str, note: str) -> None:
    """Writes a heading `at` inches from the top: what is shown in bold, then a note."""
    text = write(figure, 0.1, at + 0.05, short(name, 40), fontweight="bold")
    write(figure, right_end(figure, text) + 0.12, at + 0.05, note, color=GREY)


def _mosaic(axes: Axes, tiles: list[Float[np.ndarray, "h w *colour"]], norm: Normalize, cell: float, rows: int) -> None:
    """Lays images on a grid, the first at the top left; a cell is 1 wide, with room for a label above its image."""
    room = 0.2 / cell
    axes.set(xlim=(0, COLUMNS), ylim=(-rows * (1 + room), 0), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    for index, tile in enumerate(tiles):
        x, y = index % COLUMNS, -(index // COLUMNS) * (1 + room) - room
        box = (x + 0.03, x + 0.97, y - 0.97, y - 0.03)
        axes.imshow(tile, extent=box, cmap=SIGNED, norm=norm, aspect="auto", interpolation="nearest")
        axes.plot(
            [box[0], box[1], box[1], box[0], box[0]], [box[2], box[2], box[3], box[3], box[2]], color=FAINT, lw=0.6
        )
    axes.set(xlim=(0, COLUMNS), ylim=(-rows * (1 + room), 0))
