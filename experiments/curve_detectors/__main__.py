"""How many curve detectors does a net have, how many does a net that learned nothing have, and do they stay?

Run:    python -m experiments.curve_detectors --net squeezenet1_1.onnx --layer fire4 --layer fire5
Smoke:  python -m experiments.curve_detectors --smoke         (lines of a small circuit; the tests run it)
Writes: experiments/curve_detectors/out/<net>.csv, one row a net and layer
"""

import argparse
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from rich.progress import track

import circuitkit as ck
from circuitkit import hypothesis
from circuitkit.controls import shuffled, untrained
from circuitkit.find import scan
from circuitkit.hypothesis import Hypothesis
from circuitkit.spec import Circuit, Crossing, Family, Gabor, Line, Tile, Union

OUT = Path(__file__).parent / "out"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """How thoroughly to look.

    Attributes:
        looks: In how many looks shape and rivals are shown.
        controls: Nets of shuffled kernels, and as many untrained ones.
        seed: Of the looks; the replication draws its own.
    """

    looks: int = 16
    controls: int = 3
    seed: int = 0


SMOKE = Config(looks=6, controls=1)


def run(config: Config, net: ck.Net, layers: Sequence[str], said: Hypothesis) -> pd.DataFrame:
    """Returns a row for each net and layer: units, units found, and of these the share that other looks confirm.

    Args:
        config: How thoroughly.
        net: The net under test.
        layers: Its layers.
        said: What is looked for.
    """
    nets = {"trained": net}
    for seed in range(config.controls):
        nets |= {f"shuffled {seed}": shuffled(net, seed), f"untrained {seed}": untrained(net, seed)}
    rows = []
    for kind, layer in track([(kind, layer) for kind in nets for layer in layers], description=net.name):
        probe = nets[kind][layer]
        found = scan(probe, said, looks=config.looks, seed=config.seed)
        holds = found.holds.values
        row: dict[str, object] = {
            "net": kind,
            "layer": layer,
            "units": len(holds),
            "found": int(holds.sum()),
            "selectivity of the best": float(found.selectivity.max()),
            "replicated": math.nan,
        }
        if holds.any():
            again = scan(probe, said, looks=config.looks, seed=config.seed + 1, replica=True)
            row["replicated"] = float(again.holds.values[holds].mean())
            turned = np.abs(said.apart(again.angle.values[holds], found.angle.values[holds]))
            row |= {
                "angles moved by, mean": float(np.mean(turned)),
                "names": " ".join(str(unit).split(":")[-1] for unit in found.unit.values[holds]),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def small() -> ck.Net:
    """Returns a circuit of lines, for the smoke run."""
    edges = Family("edges", Gabor(wavelength=6, sigma=2.4), angles=8)
    bars = Family("bars", Gabor(wavelength=6, sigma=2.4, phase=0), angles=4)
    contours = Family("contours", Union((edges, bars)), angles=4)
    lines = Family("lines", Tile(contours, along=Line(length=8), tolerance=15) - Crossing(1.0), angles=4)
    return ck.HandbuiltNet(ck.build(Circuit("small", [edges, bars, contours, lines])))


def main(arguments: Sequence[str] | None = None) -> pd.DataFrame:
    """Runs and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", help="an ONNX file")
    parser.add_argument("--layer", action="append", help="name it once for every layer")
    parser.add_argument("--smoke", action="store_true", help="a small circuit in seconds")
    options = parser.parse_args(arguments)
    if options.smoke:
        table = run(SMOKE, small(), ["lines"], hypothesis.line())
    elif options.net and options.layer:
        table = run(Config(), ck.nets.load(options.net), options.layer, hypothesis.curve())
    else:
        parser.error("name a net and a layer, or --smoke")
    print(table.to_string(index=False))
    OUT.mkdir(exist_ok=True)
    table.to_csv(OUT / f"{'smoke' if options.smoke else Path(options.net).stem}.csv", index=False)
    return table


if __name__ == "__main__":
    main()
