"""What this experiment draws: what motions make of layers, families and classes by angle, and filters with partners."""

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from circuitkit.nets.sequential import SequentialNet
from circuitkit.viz.style import (
    BLUE,
    FAINT,
    GREY,
    HEAD,
    NORMAL,
    SMALL,
    VERMILION,
    WIDTH,
    new_figure,
    place,
    styled,
    write,
)
from experiments.rotated_twin import carried
from experiments.rotated_twin.answer import ALL

LOOKS = {
    ("trained", False): (BLUE, "o", "trained upright"),
    ("trained", True): (VERMILION, "^", "trained on turned images"),
    ("shuffled", False): (GREY, "o", "shuffled, upright"),
    ("shuffled", True): (GREY, "^", "shuffled, turned images"),
    ("untrained", False): (GREY, "x", "untrained"),
}
"""Colour, marker and name of nets, by kind and whether training images were turned."""

SHOWN = 8
"""Filters of each net."""


@styled
def motions(rows: pd.DataFrame) -> Figure:
    """Shows by layer how well another unit does each unit's work after a motion, it itself, and weights."""
    figure = new_figure(
        HEAD + 6.75,
        "What a quarter turn and a mirror make of a layer: who does each unit's work?",
        "mean correlation over units; responses are to images not seen before; a point is a net, lines are means",
    )
    layers = list(dict.fromkeys(rows[(rows.measure == "turned") & (rows["where"] != ALL)]["where"]))
    titles = {
        "": "its partner (another or itself), in responses",
        ", weights, by others": "another unit, in weights",
        ", weights, by itself": "the unit itself, in weights",
    }
    for column, (motion, of) in enumerate((("turned", "quarter turn"), ("mirrored", "mirror"))):
        for row, (what, title) in enumerate(titles.items()):
            axes = place(figure, 0.6 + 4.4 * column, HEAD + 0.3 + 2.05 * row, 3.85, 1.5)
            for look in LOOKS:
                _by_layer(axes, rows, f"{motion}{what}", look, layers)
            axes.axhline(0, color=FAINT, lw=0.8, zorder=-1)
            axes.set_xticks(range(len(layers)), layers)
            axes.set(ylim=(-0.12, 1.02), yticks=[0, 0.5, 1], xlim=(-0.5, len(layers) - 0.5))
            axes.set_ylabel("correlation" if not column else "")
            axes.set_title(f"{of}: {title}", fontsize=NORMAL)
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles, names, loc="lower center", ncol=5, fontsize=SMALL, frameon=False, handletextpad=0.3, columnspacing=1.4
    )
    return figure


def _by_layer(axes: Axes, rows: pd.DataFrame, measure: str, look: tuple[str, bool], layers: Sequence[str]) -> None:
    colour, marker, name = LOOKS[look]
    mine = rows[(rows.measure == measure) & (rows.kind == look[0]) & (rows.rotated == look[1])]
    if mine.empty:
        return
    off = 0.12 * (1 if look[1] else -1) * (look[0] != "untrained")
    dash = "-" if look[0] == "trained" else ":"
    for at, layer in enumerate(layers):
        values = mine[mine["where"] == layer].value
        axes.plot([at + off] * len(values), values, marker, color=colour, ms=4, lw=0, mew=1)
    means = [mine[mine["where"] == layer].value.mean() for layer in layers]
    axes.plot(np.arange(len(layers)) + off, means, dash, color=colour, lw=1.2, zorder=-0.5)
    axes.plot([], [], dash, color=colour, lw=1.2, marker=marker, ms=4, label=name)


@styled
def families(rows: pd.DataFrame) -> Figure:
    """Shows the classes by angle, copies by layer, and the families of both kinds of net."""
    figure = new_figure(
        HEAD + 5.55,
        "Classes by angle, and families of drawn figures",
        "a point is a net, lines are means over seeds; hollow points and crosses: by chance",
    )
    axes = place(figure, 0.6, HEAD + 0.3, 4.1, 1.9)
    for look in list(LOOKS)[:2]:
        _by_angle(axes, rows, look)
    axes.set(
        ylim=(0, 1), yticks=[0, 0.5, 1], xticks=range(0, 361, 90), xlim=(-5, 365), xlabel="test images turned by (°)"
    )
    axes.set_ylabel("share known")
    axes.axhline(0.1, color=GREY, lw=0.8, ls=":")
    axes.set_title("classes (dotted: by chance)", fontsize=NORMAL)
    axes.legend(loc="center", bbox_to_anchor=(0.5, 0.56))
    layers = list(dict.fromkeys(rows[(rows.measure == "copies") & (rows["where"] != ALL)]["where"]))
    axes = place(figure, 5.4, HEAD + 0.3, WIDTH - 5.6, 1.9)
    for look in LOOKS:
        _by_layer(axes, rows, "copies", look, layers)
    axes.set_xticks(range(len(layers)), layers)
    axes.set(ylim=(0, 1.02), yticks=[0, 0.5, 1], xlim=(-0.5, len(layers) - 0.5))
    axes.set_title("likeness to the nearest turned copy", fontsize=NORMAL)
    features = list(dict.fromkeys(rows[(rows.measure == "units") & (rows["where"] != ALL)]["where"]))
    panels = (
        ("units", None, "units found", (0, None)),
        ("spacing", 0.5, "evenness of angles", (-0.05, 1.05)),
        ("alike", "alike, by chance", "likeness of members", (0, 1.05)),
        ("amplitude", "amplitude, by chance", "spread of amplitudes", (0, None)),
    )
    for column, (measure, chance, title, limits) in enumerate(panels):
        axes = place(figure, 1.05 + 2.02 * column, HEAD + 3.05, 1.75, 2.0)
        _by_feature(axes, rows, measure, chance, features)
        axes.set_title(title, fontsize=NORMAL)
        axes.set_yticks(range(len(features)), features if column == 0 else [""] * len(features))
        axes.set_ylim(len(features) - 0.5, -0.5)
        axes.set_xlim(*limits)
        if limits[1] is not None:
            axes.set_xticks([0, 0.5, 1])
    return figure


def _by_angle(axes: Axes, rows: pd.DataFrame, look: tuple[str, bool]) -> None:
    colour, marker, name = LOOKS[look]
    mine = rows[(rows.measure == "accuracy") & (rows.kind == look[0]) & (rows.rotated == look[1])]
    if mine.empty:
        return
    table = mine.assign(angle=mine["where"].astype(float)).pivot_table(index="angle", columns="seed", values="value")
    table.loc[360.0] = table.loc[0.0]
    for seed in table:
        axes.plot(table.index, table[seed], color=colour, lw=0.6, alpha=0.5)
    axes.plot(table.index, table.mean(axis=1), color=colour, marker=marker, ms=3, lw=1.4, label=name)


def _by_feature(
    axes: Axes, rows: pd.DataFrame, measure: str, chance: float | str | None, features: Sequence[str]
) -> None:
    trained = rows[rows.kind == "trained"]
    for look in list(LOOKS)[:2]:
        colour, marker, _ = LOOKS[look]
        for of, hollow in ((measure, False), (chance, True)):
            if not isinstance(of, str):
                continue
            mine = trained[(trained.measure == of) & (trained.rotated == look[1]) & (trained["where"] != ALL)]
            at = [features.index(each) + (0.17 if look[1] else -0.17) for each in mine["where"]]
            axes.plot(mine.value, at, marker, color=colour, ms=4, lw=0, mfc="white" if hollow else colour, mew=0.9)
    if isinstance(chance, float):
        axes.axvline(chance, color=GREY, lw=0.8, ls=":")
    axes.grid(axis="y", color=FAINT, lw=0.6)
    axes.set_axisbelow(True)


@styled
def filters(nets: Mapping[tuple[int, bool], SequentialNet], images: np.ndarray) -> Figure:
    """Shows filters of the first layer, turned, above the filter of the unit that does their work after a turn."""
    size, step = 0.82, 0.93
    figure = new_figure(
        HEAD + 4.55,
        "Filters of the first layer, and of the unit that does their work after a quarter turn",
        "of each pair of rows the upper one is the filter, turned; the lower one its partner's; with their correlation",
    )
    top = HEAD + 0.05
    for rotated in (False, True):
        net = nets[min(seed for seed, _ in nets), rotated]
        layer = net.distinct_layers[0]
        to = carried.partners(carried.matches(net, [layer], images)["turned", layer])
        motion = carried.MOTIONS["turned"]
        _, weights = net.weights(layer) or ("", jnp.zeros(()))
        kernel = np.asarray(weights)
        law = carried.weight_law(kernel, motion, to, np.arange(kernel.shape[2]))
        largest = np.argsort(-(kernel**2).sum((0, 1, 2)), kind="stable")[:SHOWN]
        tiles = np.transpose(kernel, (3, 0, 1, 2))
        carried_tiles = np.asarray(motion.of_images(jnp.asarray(tiles)))
        _, _, name = LOOKS["trained", rotated]
        write(figure, 0.1, top, f"{net.name}: {name}; mean correlation of all {len(to)} units {law.mean():.2f}")
        for column, unit in enumerate(largest):
            for row, tile in enumerate((carried_tiles[unit], tiles[to[unit]])):
                axes = place(figure, 0.75 + column * (step + 0.08), top + 0.22 + row * (size + 0.03), size, size)
                axes.imshow(np.clip(0.5 + 0.5 * tile / np.abs(tile).max(), 0, 1))
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set_visible(False)
            text = f"{unit} → {to[unit]}: {law[unit]:.2f}".replace("-", "−")
            left = 0.75 + column * (step + 0.08)
            write(figure, left, top + 0.24 + 2 * (size + 0.03), text, fontsize=SMALL, color=GREY)
        for row, text in enumerate(("turned", "partner")):
            write(figure, 0.1, top + 0.22 + row * (size + 0.03) + size / 2, text, fontsize=SMALL, va="center")
        top += 2.25
    return figure
