"""How many meanings has a unit: simulated ones, one by hand, and those of trained nets?

Run:    python -m experiments.polysemanticity --data FOLDER    (half an hour on one core)
Smoke:  python -m experiments.polysemanticity --smoke          (simulated units alone; the tests run it)
Writes: tables into experiments/polysemanticity/out; the figures of the README

Stages are simulated, hand, and the names of the nets. A stage whose tables are there is not run again, unless it is
asked for: --only hand. FOLDER holds nets/ and images/; without it, or the environment variable CIRCUITKIT_DATA, nets
are left out.
"""

import argparse
import dataclasses
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from circuitkit.polysemantic import By
from circuitkit.viz import to_png
from experiments.polysemanticity import by_hand, figures, images, simulated, trained
from handbuilt.polysemantic import DRAWINGS, THRESHOLDS

HERE = Path(__file__).parent
OUT = HERE / "out"
SHOWN = 6
"""Exemplars of each meaning, in figures."""

Results = tuple[dict[str, pd.DataFrame], dict[str, Figure]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """How thoroughly to look.

    Attributes:
        alarms: Simulated units of one meaning, for each cloud.
        channels: Of their clouds.
        power: Simulated units for each number of meanings and distance.
        distances: Of meanings, in standard deviations.
        each: Drawings of each meaning of the unit by hand; none leaves it out.
        decoys: Drawings of each decoy.
        controls: Nets of shuffled kernels, for each trained one.
        share: Of the photographs, those that drive a unit.
        draws: Of nulls.
        by: What stimuli are sorted by.
    """

    alarms: int = 100
    channels: tuple[int, ...] = (2, 64)
    power: int = 25
    distances: tuple[float, ...] = (2, 4, 5, 6, 7, 8, 10, 12)
    each: int = 60
    decoys: int = 20
    controls: int = 2
    share: float = 0.1
    draws: int = 499
    by: tuple[By, ...] = ("activation",)


SMOKE = Config(alarms=1, channels=(16,), power=1, distances=(2, 12), each=0)


def simulate(config: Config) -> dict[str, pd.DataFrame]:
    """Returns how often simulated units are called, by cloud, and by number of meanings."""
    return {
        "false_alarms": simulated.false_alarms(config.alarms, channels=config.channels),
        "power": simulated.power(config.power, distances=config.distances),
    }


def draw_simulated(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Returns the picture of `simulate`."""
    return {"power": figures.power(tables["false_alarms"], tables["power"])}


def hand(config: Config) -> Results:
    """Returns what the unit by hand responds to, and what the test says of it."""
    of = by_hand.shown(config.each, config.decoys, seed=0)
    table = by_hand.preferences(of).assign(**{f"threshold {name}": value for name, value in THRESHOLDS.items()})
    drawn = {
        name: np.asarray(each.draw(images.SIDE))[20:-20, 20:-20, 0] for name, each in (DRAWINGS | images.DECOYS).items()
    }
    tables = {"preferences": table, "verdicts": by_hand.verdicts(of), "cosmetic": by_hand.cosmetic(config.each // 2)}
    return tables, {"by_hand": figures.by_hand(drawn, table)}


def net(config: Config, data: Path, name: str) -> Results:
    """Returns every search of a trained net and of its controls, and exemplars of what drives its best units."""
    short, units, counts, best = name.partition("_")[0], [], [], []
    for each in trained.search_all(data, name, config.by, config.controls, share=config.share, draws=config.draws):
        units.append(each.table)
        counts.append(trained.counted(each.table))
        print(counts[-1].to_string(index=False), flush=True)
        # Already computed is not to be lost, should a later one fail.
        pd.concat(units).to_csv(OUT / f"units_{short}.csv", index=False, float_format="%.5g")
        if each.table.net.iloc[0] == name and each.table.by.iloc[0] == config.by[0]:
            best.append(each)
    tables = {f"units_{short}": pd.concat(units), f"counts_{short}": pd.concat(counts)}
    several = any((each.table.meanings > 1).any() for each in best)
    return tables, {f"meanings_{short}": exemplars(best, data)} if several else {}


def exemplars(layers: Sequence[trained.Layer], data: Path, *, units: int = 4) -> Figure:
    """Returns what the units of least p saw: of each meaning, of the photographs that drive the unit most."""
    table = pd.concat([each.table.assign(of=at) for at, each in enumerate(layers)]).sort_values("p", kind="stable")
    shown = {}
    for row in table[table.meanings > 1].head(units).itertuples():
        layer = layers[row.of]
        pictures = [trained.crops(layer.seen, row.unit, group[:SHOWN], data) for group in layer.found[row.unit].members]
        shown[row.unit] = f"p = {row.p:.1g}, over the layer {row.p_family:.1g}", pictures
    return figures.meanings(
        shown,
        f"What drives units of {table.net.iloc[0]}: a row for each meaning",
        "the units of least p; what each saw of the photographs to which it responds most, the largest left",
    )


def simulated_units(config: Config) -> Results:
    """Returns tables and the picture of simulated units."""
    tables = simulate(config)
    return tables, draw_simulated(tables)


def stages(config: Config, data: Path | None) -> dict[str, Callable[[], Results]]:
    """Returns what there is to run, by name."""
    found: dict[str, Callable[[], Results]] = {"simulated": lambda: simulated_units(config)}
    if config.each:
        found["hand"] = lambda: hand(config)
    if config.each and data:
        found |= {name: functools.partial(net, config, data, name) for name in trained.LAYERS}
    return found


def main() -> None:
    """Runs the stages that are asked for, or else those not yet run, and writes tables and pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("CIRCUITKIT_DATA"), help="nets/ and images/")
    parser.add_argument("--smoke", action="store_true", help="a small part, in seconds")
    parser.add_argument("--only", nargs="+", default=[], help="stages to run, whether or not they have been")
    options = parser.parse_args()
    out = OUT / "smoke" if options.smoke else OUT
    out.mkdir(exist_ok=True, parents=True)
    found = stages(SMOKE if options.smoke else Config(), Path(options.data) if options.data else None)
    if unknown := set(options.only) - set(found):
        parser.error(f"no stage {', '.join(sorted(unknown))}: there are {', '.join(found)}")
    for name, stage in found.items():
        done = out / f"{name}.done"
        if name not in options.only if options.only else done.exists() and not options.smoke:
            continue
        tables, drawn = stage()
        for said, table in tables.items():
            print(f"\n{said}\n{table.to_string(index=False, float_format=lambda value: f'{value:.4g}', max_rows=60)}")
            table.to_csv(out / f"{said}.csv", index=False, float_format="%.5g")
        for said, figure in drawn.items():
            # Photographs are no part of this repository.
            folder = out if options.smoke or said.startswith("meanings") else HERE
            (folder / f"{said}.png").write_bytes(to_png(figure))
        done.touch()


if __name__ == "__main__":
    main()
