"""As a curve turns, which groups of curve units fire where: one after the other, as a family should?

Run:    python -m experiments.turning_curve --data FOLDER     (a quarter of an hour on two busy cores)
Smoke:  python -m experiments.turning_curve --smoke           (a small handbuilt family; the tests run it)
Writes: experiments/turning_curve/out/*.csv; the figure of the README

FOLDER holds nets/; the environment variable CIRCUITKIT_DATA names it just as well.
"""

import argparse
import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure
from rich.console import Console

import circuitkit as ck
from circuitkit import hypothesis, neurons
from circuitkit.errors import StimulusError
from circuitkit.find import scan
from circuitkit.spec import Arc, Circuit, Crossing, Family, Gabor, Line, OppositeArc, Tile
from circuitkit.stimuli import Curve, grid
from circuitkit.viz import to_png
from circuitkit.viz.style import BLUE, FAINT, GREY, HEAD, SMALL, WIDTH, new_figure, place, styled
from experiments.turning_curve.groups import half_peak, middles, numbers
from handbuilt import curves

HERE = Path(__file__).parent
OUT = HERE / "out"
SHUFFLED = ", shuffled"
"""What is added to the name of a family's control."""

KEYS = ["net", "group", "look", "draw"]
"""What tells one measurement from another."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """What is fixed beforehand.

    Attributes:
        looks: Of the curve, each at another place, radius, width and polarity.
        step: Between two images of the path, in degrees.
        radius: Of the curve in pixels, as the handbuilt units were made for.
        shift: The most that a look stands off the unit's centre, in pixels, each way.
        spread: The most by which a look's radius differs from that, as a part of it.
        draws: Of the control: orders of the angles that each unit reads.
        seed: Of all draws.
    """

    looks: int = 8
    step: float = 2.0
    radius: float = 20.0
    shift: float = 1.0
    spread: float = 0.15
    draws: int = 8
    seed: int = 0


SMOKE = Config(looks=2, step=15.0, radius=8.0, shift=0.5, draws=2)


@dataclasses.dataclass(frozen=True, eq=False)
class Units:
    """Units that are looked at.

    Attributes:
        name: For tables.
        seen: What they read.
        angles: Where they should be, or were found to be, in degrees.
    """

    name: str
    seen: neurons.Reading
    angles: Float[np.ndarray, " unit"]


def looks(config: Config, radius: float) -> list[Curve]:
    """Returns the curve in several looks; the first one stands in the middle, as designed."""
    rng = np.random.default_rng(config.seed)
    found = [Curve(radius=radius)]
    while len(found) < config.looks:
        x, y = rng.uniform(-config.shift, config.shift, 2)
        size = radius * (1 + rng.uniform(-config.spread, config.spread))
        polarity = float(rng.choice([-1, 1]))
        found.append(Curve(radius=size, x=x, y=y, width=rng.uniform(1.5, 3.0), polarity=polarity))
    return found


def shuffled(layer: neurons.Affine, channels: int, seed: int) -> neurons.Affine:
    """Returns the same weights, each unit reading its sources' angles in an order of its own."""
    rng = np.random.default_rng(seed)
    weights = layer.weights.reshape(-1, channels, layer.size[1]).copy()
    for unit in range(layer.size[1]):
        weights[:, :, unit] = weights[:, rng.permutation(channels), unit]
    return neurons.Affine(weights.reshape(layer.weights.shape), layer.bias, names=layer.names, inputs=layer.inputs)


def run(
    units: Units, config: Config, console: Console, *, radius: float
) -> tuple[pd.DataFrame, dict[str, neurons.Intervals], pd.DataFrame]:
    """Measures a family and its control; writes nothing.

    Returns:
        A row a look, net and kind of group; the groups of the first look, and of the control's first draw; how far the
        middle of each unit's stretch lies from its angle.
    """
    rows, shown, held = [], {}, []
    (layer,) = units.seen.layers
    sources = units.seen.shape[2]
    mixed = [
        (f"{units.name}{SHUFFLED}", draw, shuffled(layer, sources, config.seed + draw)) for draw in range(config.draws)
    ]
    nets = [(units.name, 0, layer), *mixed]
    for number, curve in enumerate(looks(config, radius)):
        console.print(f"{units.name}: look {number + 1} of {config.looks}")
        path = turning(units, curve, config.step)
        for name, draw, each in nets:
            said = each(path)
            for kind, wanted in (("positive", neurons.positive()), ("half peak", half_peak(said))):
                found = neurons.groups(said, wanted)
                of = {"net": name, "group": kind, "look": number, "draw": draw}
                rows.append(of | numbers(found))
                if number == draw == 0:
                    shown[f"{name}, {kind}"] = found
                off = np.abs((middles(found) - units.angles + 180) % 360 - 180)
                held.append(pd.DataFrame(of | {"unit": said.names, "off": off}))
    return pd.DataFrame(rows), shown, pd.concat(held, ignore_index=True)


def turning(units: Units, curve: Curve, step: float) -> neurons.Path:
    """Returns what units read as a curve makes one turn."""
    angles = np.append(np.arange(0, 360, step), 360.0)
    return neurons.stimulus_path(units.seen, grid(curve, angle=angles.tolist()))


def halved(config: Config, units: Units, radius: float) -> float:
    """Returns the median by which boundaries move, in degrees, when the path has half as many images."""
    curve = looks(config, radius)[0]
    fine, coarse = (
        neurons.crossings(units.seen(turning(units, curve, step))) for step in (config.step, 2 * config.step)
    )
    moved = [
        np.abs(np.sort(fine.at[fine.neuron == unit]) - np.sort(coarse.at[coarse.neuron == unit]))
        for unit in range(len(units.angles))
        if (fine.neuron == unit).sum() == (coarse.neuron == unit).sum()
    ]
    return float(np.median(np.concatenate(moved)))


def by_hand(spec: Circuit, name: str) -> Units:
    """Returns the last family of a circuit."""
    net = ck.HandbuiltNet(ck.build(spec))
    family = spec.families[-1]
    angles = np.array([float(unit.partition("@")[2]) for unit in family.unit_names])
    return Units(name, neurons.read(net[family.name]), angles)


def trained(net: ck.Net, layer: str, console: Console) -> tuple[Units, float]:
    """Returns the units of a layer that a search finds to detect curves, in order of angle, and their median radius."""
    console.print(f"searching {layer}")
    seen = scan(net[layer], hypothesis.curve())
    units = np.flatnonzero(seen.holds.values)
    units = units[np.argsort(seen.angle.values[units], kind="stable")]
    probe = net[layer, [int(unit) for unit in units]]
    radius = float(np.median(seen["size"].values[units]))
    return Units(f"SqueezeNet {layer}", neurons.read(probe), seen.angle.values[units].astype(float)), radius


def small() -> Circuit:
    """Returns a small family of curves, for tests."""
    edges = Family("edges", Gabor(wavelength=4, sigma=1.4, phase=90), angles=8)
    lines = Family("lines", Tile(edges, along=Line(length=3), tolerance=20) - Crossing(0.5), angles=8)
    arc = Arc(radius=8, length=10)
    bends = Tile(lines, along=arc, tolerance=30) - Crossing(1.0) - OppositeArc(0.6)
    return Circuit("small", [edges, lines, Family("bends", bends, angles=8)])


@styled
def figure(shown: dict[str, neurons.Intervals], families: Sequence[Units]) -> Figure:
    """Draws who is positive where, family by family beside its control."""
    heights = [0.35 + 0.085 * max(len(units.angles), 8) for units in families]
    gap = 0.6
    drawn = new_figure(
        HEAD + 0.25 + sum(heights) + gap * len(families),
        "As a curve turns: which units are positive where",
        "A row a unit, in order of angle. Bars are exact intervals of the path; above them, how many are in.",
    )
    top = HEAD + 0.25
    for units, height in zip(families, heights, strict=True):
        for column, suffix in enumerate(("", SHUFFLED)):
            found = shown[f"{units.name}{suffix}, positive"]
            members = found.members.sum(axis=1)
            left, wide = 0.75 + column * (WIDTH - 0.75) / 2, (WIDTH - 0.75) / 2 - 0.45
            axes = place(drawn, left, top + 0.3, wide, height - 0.3)
            for unit in range(len(found.names)):
                spans = [(found.bounds[i], found.sizes[i]) for i in np.flatnonzero(found.members[:, unit])]
                axes.broken_barh(spans, (unit - 0.4, 0.8), color=BLUE, lw=0)
            axes.set(xlim=(0, 360), ylim=(len(found.names) - 0.5, -0.5), xticks=range(0, 361, 90))
            axes.set_yticks([0, len(found.names) - 1], [f"{angle:.0f}°" for angle in units.angles[[0, -1]]])
            if column == 0:
                axes.set_ylabel("unit")
            if units is families[-1]:
                axes.set_xlabel("angle of the curve (°)")
            counts = place(drawn, left, top, wide, 0.25)
            counts.stairs(members, found.bounds, color=GREY, fill=True, facecolor=FAINT, lw=0.8)
            most = max(int(members.max()), 1)
            counts.set(xlim=(0, 360), ylim=(0, most), xticks=[], yticks=[0, most])
            counts.set_title(f"{units.name}{', each unit reading shuffled sources' if suffix else ''}", fontsize=SMALL)
        top += height + gap
    return drawn


def main(arguments: Sequence[str] | None = None) -> pd.DataFrame:
    """Runs, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("CIRCUITKIT_DATA"), help="folder with nets/")
    parser.add_argument("--smoke", action="store_true", help="a small family alone, no files but --out's")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    console = Console(stderr=True, highlight=False)
    config = SMOKE if options.smoke else Config()
    if options.smoke:
        found = [(by_hand(small(), "handbuilt"), config.radius)]
    else:
        if options.data is None:
            raise StimulusError("--data is missing: give the folder that holds nets/, or set CIRCUITKIT_DATA.")
        net = ck.nets.load(Path(options.data) / "nets" / "squeezenet1_1.onnx")
        found = [(by_hand(curves.SPEC, "handbuilt curves"), config.radius)]
        found += [trained(net, layer, console) for layer in ("fire4", "fire5")]
    options.out.mkdir(parents=True, exist_ok=True)
    rows: list[pd.DataFrame] = []
    shown: dict[str, neurons.Intervals] = {}
    held: list[pd.DataFrame] = []
    for family, radius in found:
        table, pictures, off = run(family, config, console, radius=radius)
        rows.append(table.assign(units=len(family.angles), radius=radius, path_error=halved(config, family, radius)))
        shown |= pictures
        held.append(off)
        pd.concat(rows).to_csv(options.out / "looks.csv", index=False)
        pd.concat(held).to_csv(options.out / "middles.csv", index=False)
    for key, groups in shown.items():
        groups.table().to_csv(options.out / f"groups-{key.replace(', ', '-').replace(' ', '-')}.csv", index=False)
    picture = to_png(figure(shown, [family for family, _ in found]))
    ((options.out if options.smoke else HERE) / "turning.png").write_bytes(picture)
    every, off = pd.concat(rows, ignore_index=True), pd.concat(held, ignore_index=True)
    seen = every.merge(off.groupby(KEYS, sort=False, as_index=False)["off"].mean(), on=KEYS)
    # Draws of the control are averaged first, so that what is left varies by look alone.
    by_look = seen.groupby(["net", "group", "look"], sort=False).mean(numeric_only=True).drop(columns="draw")
    table = by_look.groupby(["net", "group"], sort=False).agg(["mean", "std"])
    table.to_csv(options.out / "summary.csv")
    with pd.option_context("display.width", 200, "display.max_columns", 60, "display.max_rows", 60):
        print(table.stack(level=1, future_stack=True).round(2))
    return every


if __name__ == "__main__":
    main()
