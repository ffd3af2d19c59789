"""`circuitkit universality`: the periodic table of features, over many nets."""

import argparse
import itertools
import time
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from circuitkit import checks
from circuitkit.build import build
from circuitkit.cli import sources
from circuitkit.cli.progress import interruptible, progress_bar
from circuitkit.controls import shuffled, untrained
from circuitkit.errors import CircuitkitError
from circuitkit.probe import HandbuiltNet, Net, Probe
from circuitkit.universality import Census, by_relative_angle, census, kinship, references_of
from circuitkit.viz.style import to_png
from circuitkit.viz.universality import circuits, periodic_table

REFERENCES = {
    "edge": ("handbuilt.lines", "edges"),
    "line": ("handbuilt.lines", "lines"),
    "early curve": ("handbuilt.curves", "early_curves"),
    "curve": ("handbuilt.curves", "curves"),
    "circle": ("handbuilt.circles", "circles"),
    "corner": ("handbuilt.corners", "corners"),
    "high-low": ("handbuilt.high_low", "high_low"),
    "colour contrast": ("handbuilt.colours", "contrasts"),
}
"""Circuit and family that each feature is named after."""

PAIRS = (("edge", "line"), ("line", "curve"), ("early curve", "curve"))
"""Families whose weights are compared: what is read, and what reads it."""

DEFAULT = ("small-0", "small-1", "small-2", "handbuilt.curves")


def add_to(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "universality",
        help="find the same features in many nets: a periodic table",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Shows one battery of figures to every unit of several nets and to one unit of each handwritten family, "
            "and\nsays which handwritten unit each is like, more so than units of shuffled nets are. Writes the table "
            "as\ntable.png and table.csv, every unit as units.csv, how families of two nets match as kinship.csv, and "
            "what\nthe families read, by relative angle, as circuits.png."
        ),
        epilog=(
            "Examples:\n"
            "  circuitkit universality\n"
            "  circuitkit universality small-0 squeezenet1_1.onnx handbuilt.curves --controls 1"
        ),
    )
    parser.add_argument(
        "nets",
        nargs="*",
        metavar="NET",
        help=f"FILE.onnx, a name (see `circuitkit nets`), or a circuit [default: {', '.join(DEFAULT)}]",
    )
    parser.add_argument("--features", metavar="NAME,...", help=f"some of {', '.join(REFERENCES)} [default: all]")
    parser.add_argument(
        "--controls", type=int, default=1, metavar="N", help="shuffled and untrained nets in the table [default: 1]"
    )
    parser.add_argument("--shuffles", type=int, default=4, help="shuffled nets that set chance [default: 4]")
    parser.add_argument("--seed", type=int, default=0, help="of the shuffles [default: 0]")
    parser.add_argument("--out", type=Path, default=Path("universality"), help="folder [default: ./universality]")
    sources.add_preprocessing_to(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, console: Console) -> None:
    """Measures and writes."""
    began = time.perf_counter()
    checks.whole("universality", "--controls", options.controls, at_least=0)
    checks.whole("universality", "--shuffles", options.shuffles)
    checks.whole("universality", "--seed", options.seed, at_least=0)
    features = _features(options.features)
    nets = [sources.any_net(name, options) for name in options.nets or DEFAULT]
    names = [net.name for net in nets]
    if twice := [name for name in names if names.count(name) > 1]:
        raise CircuitkitError(f"net {twice[0]!r} is named twice: wanted different ones.")
    references = _references(features)
    nulls: list[Net] = []
    for index in range(options.controls):
        net = nets[index % len(nets)]
        nulls += [shuffled(net, index), untrained(net, index)]
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CircuitkitError(f"cannot write to {options.out}: {error}. Name another folder with --out.") from None

    with progress_bar(console) as bars, interruptible() as stop_if_asked:
        tasks: dict[str, Any] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                for task in tasks.values():
                    bars.update(task, visible=False)
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)
            stop_if_asked()

        elements = references_of(references, progress=progress)
        found = {}
        for net in [*nets, *nulls]:
            found[net.name] = census(net, elements, shuffles=options.shuffles, seed=options.seed, progress=progress)
            # Written after each net, so that an interruption loses no more than one.
            write(found, [net.name for net in nulls], options.out)
    Console().print(_table(found))
    for name, each in found.items():
        for layer, why in each.skipped.items():
            console.print(f"{name} {layer} was left out: {why}", markup=False)
    console.print(f"{options.out / 'table.png'} ({time.perf_counter() - began:.0f} s)", markup=False)


def _features(given: str | None) -> list[str]:
    """Returns the features that are asked for."""
    wanted = list(REFERENCES) if given is None else [each.strip() for each in given.split(",")]
    for each in wanted:
        if each not in REFERENCES:
            raise CircuitkitError(f"there is no feature {each!r}: wanted some of {', '.join(REFERENCES)}.")
    return wanted


def _references(wanted: list[str]) -> dict[str, Probe]:
    """Returns one unit of the family that each feature is named after."""
    modules = {REFERENCES[each][0] for each in wanted}
    nets = {module: HandbuiltNet(build(sources.circuit(module))) for module in modules}
    return {each: nets[REFERENCES[each][0]][REFERENCES[each][1], [0]] for each in wanted}


def write(found: dict[str, Census], controls: list[str], folder: Path) -> None:
    """Writes tables and figures of what has been found so far."""
    frames = {name: each.counts.assign(of=len(each.table)) for name, each in found.items()}
    pd.concat(frames, names=["net"]).to_csv(folder / "table.csv")
    pd.concat({name: each.table for name, each in found.items()}, names=["net", "row"]).droplevel("row").to_csv(
        folder / "units.csv"
    )
    kin = {pair: kinship(found[pair[0]], found[pair[1]]) for pair in itertools.combinations(found, 2)}
    if kin:
        pd.concat(kin, names=["first", "second"]).to_csv(folder / "kinship.csv")
    here = [name for name in controls if name in found]
    (folder / "table.png").write_bytes(to_png(periodic_table(found, controls=here)))
    features = set(next(iter(found.values())).counts.index)
    pairs = [pair for pair in PAIRS if features.issuperset(pair)]
    if pairs:
        read = {
            name: {f"{first} to {second}": by_relative_angle(each, first, second) for first, second in pairs}
            for name, each in found.items()
        }
        (folder / "circuits.png").write_bytes(to_png(circuits(read)))


def _table(found: dict[str, Census]) -> Table:
    table = Table(title="units found, of all (by chance at most a hundredth)")
    table.add_column("feature")
    for name, each in found.items():
        table.add_column(f"{name} ({len(each.table)})", justify="right")
    for feature in next(iter(found.values())).counts.index:
        table.add_row(str(feature), *(str(int(each.counts.loc[feature].units)) for each in found.values()))
    return table
