"""Pictures of superposition: who interferes with whom, what was predicted, and what a net learned."""

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from circuitkit.stimuli import Stimulus
from circuitkit.viz.style import (
    BLACK,
    BLUE,
    FAINT,
    GREEN,
    GREY,
    HEAD,
    ORANGE,
    PURPLE,
    SIGNED,
    SMALL,
    VERMILION,
    colour_bar,
    new_figure,
    place,
    styled,
    symmetric,
)

LOOKS = {
    "trained": (BLACK, "o", "-"),
    "halves of six": (BLUE, "s", "-"),
    "5 pairs": (VERMILION, "D", "--"),
    "harmonic frame": (GREEN, "^", "-."),
    "random": (PURPLE, "v", ":"),
}


def _log_p(axes: Axes, ticks: tuple[float, ...], label: str) -> None:
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel(label)


@styled
def interference(weights: dict[str, Float[np.ndarray, "feature channel"]]) -> Figure:
    """Shows the Gram matrix of each set of directions, their rows ordered so that opposites are neighbours."""
    figure = new_figure(
        5.0,
        "Who interferes with whom: 20 features in 5 channels",
        "Gram matrices W W^T; red adds to another feature's read-out, blue takes away from it, and relu hides that",
    )
    for index, (name, rows) in enumerate(list(weights.items())[:8]):
        axes = place(figure, 0.15 + 2.05 * (index % 4), HEAD + 0.3 + 2.1 * (index // 4), 1.6, 1.6)
        gram = rows[_opposites_first(rows)]
        axes.imshow(gram @ gram.T, cmap=SIGNED, norm=symmetric(np.ones(1) * 1.5))
        axes.set(xticks=[], yticks=[], title=name)
    bar = place(figure, 8.25, HEAD + 0.3, 0.15, 1.6)
    colour_bar(bar, symmetric(np.ones(1) * 1.5), SIGNED, "")
    return figure


@styled
def cars(stimuli: dict[str, Stimulus], table: pd.DataFrame) -> Figure:
    """Shows what is a car and what is none, with the car's response to it."""
    figure = new_figure(
        3.3,
        "A car detector by hand: windows on top, a body, wheels at the bottom",
        "response of the unit in the middle, over that to a car; a sum without a bias: no part has a veto",
    )
    for index, ((name, stimulus), value) in enumerate(zip(stimuli.items(), table["response"], strict=True)):
        axes = place(figure, 0.15 + 1.76 * (index % 5), HEAD + 0.1 + 1.35 * (index // 5), 1.6, 1.0)
        shown = (np.asarray(stimulus.draw(128))[24:104, :, 0] + 1) / 2
        axes.imshow(np.clip(shown, 0, 1), cmap="gray", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[])
        axes.set_xlabel(f"{name}: {value:.2f}", fontsize=SMALL, labelpad=2)
    return figure


def _opposites_first(rows: Float[np.ndarray, "feature channel"]) -> list[int]:
    """Returns an order in which a feature is followed by the one that lies most opposite, of those still there."""
    gram = rows @ rows.T
    left, order = list(np.argsort(-np.diag(gram), kind="stable")), []
    while left:
        first = left.pop(0)
        order.append(int(first))
        if left:
            second = min(left, key=lambda other: gram[first, other])
            left.remove(second)
            order.append(int(second))
    return order


@styled
def predicted(table: pd.DataFrame) -> Figure:
    """Shows recovery as predicted, between its bounds, and as measured."""
    figure = new_figure(
        3.2,
        "Predicted from the Gram matrix and the bias, and measured",
        "lines: prediction, up to two features at once; shaded: down to its lower bound; points: measured, ± 1 sd",
    )
    for index, (name, rows) in enumerate(table.groupby("design", sort=False)):
        axes = place(figure, 0.7 + 2.8 * index, HEAD + 0.35, 2.3, 1.6)
        axes.axhline(0, color=FAINT, lw=0.8)
        for (sizes, of), colour, marker in zip(rows.groupby("sizes"), (BLUE, VERMILION), "os", strict=True):
            label = "size 1" if sizes == "one" else "sizes 0 to 1"
            axes.plot(of["p"], of["recovery"], color=colour, ls="-" if sizes == "one" else "--")
            axes.fill_between(of["p"], of["at_least"], of["recovery"], color=colour, alpha=0.15, lw=0)
            axes.errorbar(of["p"], of["measured"], of["sd"], fmt=marker, ms=3.5, color=colour, capsize=2, label=label)
        axes.set(ylim=(-0.5, 1.05), yticks=(-0.5, 0, 0.5, 1), title=str(name), ylabel="recovery" if index == 0 else "")
        _log_p(axes, (0.001, 0.01, 0.1), "probability of a feature")
        if index == 0:
            axes.legend(loc="lower left")
    return figure


@styled
def meeting(table: pd.DataFrame) -> Figure:
    """Shows recovery, and detection of cars, over how often dogs and cars meet."""
    figure = new_figure(
        3.2,
        "Dogs and cars in the same channels: all is read back until they meet",
        "8 dogs, each its own channel, and 8 cars; lines: predicted, exactly; points: measured, ± 1 sd",
    )
    left = place(figure, 0.7, HEAD + 0.35, 3.4, 1.6)
    right = place(figure, 5.1, HEAD + 0.35, 3.4, 1.6)
    looks = ((BLUE, "o", "-"), (VERMILION, "s", "--"), (GREEN, "^", ":"))
    for (name, rows), (colour, marker, line) in zip(table.groupby("design", sort=False), looks, strict=True):
        left.plot(rows["meet"], rows["predicted"], color=colour, ls=line)
        left.errorbar(
            rows["meet"], rows["measured"], rows["measured sd"], fmt=marker, ms=3.5, color=colour, capsize=2, label=name
        )
        right.plot(rows["meet"], rows["hits"], color=colour, marker=marker, ms=3.5, ls=line)
        right.plot(rows["meet"], rows["false alarms"], color=colour, marker=marker, ms=3.5, ls=line, mfc="white")
    left.set(title="recovery", xlabel="share of scenes where a dog meets a car", ylabel="recovery", ylim=(-0.2, 1.08))
    right.set(title="cars, detected at half their size", xlabel="share of scenes where a dog meets a car")
    right.set(ylabel="hits, false alarms (open)", ylim=(-0.05, 1.08))
    right.legend(*left.get_legend_handles_labels(), loc="lower left", bbox_to_anchor=(0.0, 0.08))
    return figure


@styled
def capacity(table: pd.DataFrame) -> Figure:
    """Shows how many directions fit."""
    figure = new_figure(
        3.2,
        "How many directions fit, if no two are nearer than some cosine",
        "between the lines lies the most that fit; points: of random directions, kept one by one",
    )
    axes = place(figure, 0.8, HEAD + 0.3, 4.6, 1.7)
    for (n, rows), colour in zip(table.groupby("channels"), (BLUE, VERMILION), strict=False):
        rows = rows.replace(np.inf, np.nan)
        axes.fill_between(rows["cosine"], rows["at least"], rows["at most"], color=colour, alpha=0.15, lw=0)
        axes.plot(rows["cosine"], rows["at most"], color=colour, ls="--", label=f"{n} channels, at most")
        axes.plot(rows["cosine"], rows["at least"], color=colour, label=f"{n} channels, at least")
        axes.plot(rows["cosine"], rows["counted"], "o", ms=3.5, color=colour, label=f"{n} channels, counted")
    if (table["channels"] == 5).any():
        axes.plot(1 / 3, 10, "*", ms=11, color=ORANGE, mec=BLACK, mew=0.5, label="5 channels: halves of six")
    axes.set_yscale("log")
    axes.set(xlabel="largest absolute cosine", ylabel="directions", ylim=(3, 1e6))
    axes.set_yticks([10, 1e3, 1e5], ["10", "1,000", "100,000"])
    axes.set_yticks([], minor=True)
    axes.legend(loc="upper left", bbox_to_anchor=(1.04, 1.05))
    return figure


@styled
def trained(table: pd.DataFrame) -> Figure:
    """Shows what nets recover that were trained, beside directions by hand, and how their features share channels."""
    figure = new_figure(
        3.3,
        "Learned, by hand, at random: 20 features in 5 channels",
        "sizes 0 to 1; error bars: ± 1 sd over seeds; by hand and random: the best gain and threshold at each point",
    )
    left = place(figure, 0.7, HEAD + 0.35, 3.1, 1.7)
    right = place(figure, 4.45, HEAD + 0.35, 3.1, 1.7)
    for name, (colour, marker, line) in LOOKS.items():
        rows = table[table["weights"] == name]
        for axes, column in ((left, "recovery"), (right, "dimensionality")):
            found = rows.groupby("p")[column].agg(["mean", "std"]).fillna(0)
            axes.errorbar(
                found.index, found["mean"], found["std"], marker=marker, ms=4, color=colour, ls=line, capsize=2
            )
        axes.plot([], [], marker=marker, ms=4, color=colour, ls=line, label=name)
    left.set(title="recovery", ylabel="recovery", ylim=(0, 1))
    right.set(title="share of a channel, median feature", ylabel="dimensionality D", ylim=(0, 0.6))
    for share, label in ((0.5, "pair: 1/2"), (0.25, "5 / 20")):
        right.axhline(share, color=FAINT, lw=0.8)
        right.text(0.014, share + 0.02, label, fontsize=SMALL, color=GREY)
    for axes in (left, right):
        _log_p(axes, (0.003, 0.01, 0.03, 0.1, 0.3), "probability of a feature")
    right.legend(loc="upper left", bbox_to_anchor=(1.0, 1.05))
    return figure
