"""Do two pathways tell sides apart, does a third unit unite them, and is it mutual inhibition that keeps them apart?

Run:    python -m experiments.unioning --data FOLDER    (half an hour on two cores)
Smoke:  python -m experiments.unioning --smoke          (heads by hand alone; the tests run it)
Writes: experiments/unioning/out/*.csv; the figures of the README

FOLDER holds nets/, images/ and distill/; the environment variable CIRCUITKIT_DATA names it just as well.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from circuitkit.errors import StimulusError
from circuitkit.viz import to_png
from experiments.unioning import drawn, figures, photographed, weights
from handbuilt import heads

HERE = Path(__file__).parent
OUT = HERE / "out"

DRAWS = 199
"""Of other sources whose inhibition is taken away."""


def run(data: Path | None, config: drawn.Config) -> tuple[dict[str, pd.DataFrame], photographed.Nulls]:
    """Returns all tables, and the nulls of the cuts; without a folder, those of heads by hand."""
    found = drawn.tables(config) | {"weights": weights.by_hand(heads.SPEC)}
    nulls: photographed.Nulls = {}
    if data is None:
        return found, nulls
    parts = [found, {"weights": weights.published(data)}]
    for each in photographed.PATHWAYS:
        print(each.name, flush=True)
        more, null = photographed.tables(data, each, DRAWS)
        parts.append(more)
        nulls |= null
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: pd.concat([part[name] for part in parts if name in part], ignore_index=True) for name in names}, nulls


def main(arguments: Sequence[str] | None = None) -> dict[str, pd.DataFrame]:
    """Runs, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("CIRCUITKIT_DATA"), help="folder of nets and images"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="folder for tables and figures")
    parser.add_argument("--smoke", action="store_true", help="heads by hand alone, in a minute")
    options = parser.parse_args(arguments)
    if options.data is None and not options.smoke:
        raise StimulusError("no folder of data: give --data FOLDER, set CIRCUITKIT_DATA, or ask for --smoke.")
    data, config = (None, drawn.SMOKE) if options.smoke else (Path(options.data), drawn.Config())
    tables, nulls = run(data, config)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        print(f"\n{name}\n{table.to_string(index=False, float_format=lambda value: f'{value:.3g}')}")
        table.to_csv(options.out / f"{name}.csv", index=False, float_format="%.5g")
    for name, figure in figures.all_of(tables, nulls).items():
        (options.out / f"{name}.png").write_bytes(to_png(figure))
    return tables


if __name__ == "__main__":
    main()
