"""`circuitkit universality`: the periodic table of features, over many nets."""

import argparse
import dataclasses
import itertools
import time
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr
from rich.console import Console
from rich.table import Table

from circuitkit import by_eye, checks
from circuitkit.build import build
from circuitkit.cli import sources
from circuitkit.cli.progress import interruptible, progress_bar
from circuitkit.controls import shuffled, untrained
from circuitkit.errors import CircuitkitError, ImageError, unknown_name
from circuitkit.handedness import ROWS, Hands, hands
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
    parser.add_argument(
        "--features", metavar="NAME,...", help=f"some of {', '.join((*REFERENCES, *ROWS))} [default: all]"
    )
    parser.add_argument(
        "--controls", type=int, default=1, metavar="N", help="shuffled and untrained nets in the table [default: 1]"
    )
    parser.add_argument("--shuffles", type=int, default=4, help="shuffled nets that set chance [default: 4]")
    parser.add_argument(
        "--up-to",
        action="append",
        default=[],
        metavar="NET:LAYER",
        help="the last layer of a net that is looked at; may be given for several nets",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the shuffles [default: 0]")
    parser.add_argument(
        "--published", type=Path, metavar="FOLDER", help="holds distill/: adds InceptionV1 as Distill counted it by eye"
    )
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
    last = _last(options.up_to, nets)
    references = _references([each for each in features if each in REFERENCES])
    found = Found(features, {} if options.published is None else {by_eye.NET: by_eye.counts(options.published)})
    if options.published is not None:
        found.read[by_eye.NET] = {"early curve to curve": by_eye.early_curves_to_curves(options.published)}
    for index in range(options.controls):
        net = nets[index % len(nets)]
        found.controls += [shuffled(net, index), untrained(net, index)]
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
        how = {"shuffles": options.shuffles, "seed": options.seed, "store": options.out / "responses"}
        for net in [*nets, *found.controls]:
            layers = last.get(net.name.partition(",")[0])  # controls are called "small-0, shuffled 0"
            found.add(net, census(net, elements, layers=layers, progress=progress, **how))
            if set(features) & set(ROWS):
                try:
                    found.hands[net.name] = hands(net, layers=layers, progress=progress, **how)
                except ImageError as error:
                    console.print(f"{net.name} was not mirrored: {error}", markup=False)
            write(found, options.out)
    Console().print(_table(found))
    skipped = [(name, each.skipped) for name, each in found.censuses.items()]
    for name, each in (*skipped, *((name, each.skipped) for name, each in found.hands.items())):
        for layer, why in each.items():
            console.print(f"{name} {layer} was left out: {why}", markup=False)
    console.print(f"{options.out / 'table.png'} ({time.perf_counter() - began:.0f} s)", markup=False)


def _features(given: str | None) -> list[str]:
    """Returns the features that are asked for."""
    known = (*REFERENCES, *ROWS)
    wanted = list(known) if given is None else [each.strip() for each in given.split(",")]
    for each in wanted:
        if each not in known:
            raise CircuitkitError(f"there is no feature {each!r}: wanted some of {', '.join(known)}.")
    if not set(wanted) & set(REFERENCES):
        raise CircuitkitError(f"a table needs a feature that is written by hand: one of {', '.join(REFERENCES)}.")
    return wanted


def _last(given: list[str], nets: list[Net]) -> dict[str, list[str]]:
    """Returns the layers that are looked at, by net, of those of which a last one is given."""
    named, found = {net.name: net for net in nets}, {}
    for each in given:
        name, _, layer = each.rpartition(":")
        if name not in named:
            raise CircuitkitError(f"--up-to got {each!r}: wanted NET:LAYER, of one of {', '.join(named)}.")
        layers = [layer for layer in named[name].distinct_layers if named[name].receptive_field(layer) is not None]
        if layer not in layers:
            raise unknown_name("layer", layer, layers, owner=f"net {name!r}")
        found[name] = layers[: layers.index(layer) + 1]
    return found


def _references(wanted: list[str]) -> dict[str, Probe]:
    """Returns one unit of the family that each feature is named after."""
    modules = {REFERENCES[each][0] for each in wanted}
    nets = {module: HandbuiltNet(build(sources.circuit(module))) for module in modules}
    return {each: nets[REFERENCES[each][0]][REFERENCES[each][1], [0]] for each in wanted}


@dataclasses.dataclass
class Found:
    """What has been found so far.

    Attributes:
        features: That are asked for.
        published: Counts that were made by eye, by net.
        controls: Nets that learned nothing.
        censuses: By net.
        hands: By net.
        read: What families read by relative angle, by net and pair of families.
    """

    features: list[str]
    published: dict[str, pd.DataFrame]
    controls: list[Net] = dataclasses.field(default_factory=list)
    censuses: dict[str, Census] = dataclasses.field(default_factory=dict)
    hands: dict[str, Hands] = dataclasses.field(default_factory=dict)
    read: dict[str, dict[str, xr.Dataset | None]] = dataclasses.field(default_factory=dict)

    def add(self, net: Net, seen: Census) -> None:
        """Takes the census of a net, and looks what its families read."""
        self.censuses[net.name] = seen
        pairs = [pair for pair in PAIRS if set(self.features).issuperset(pair)]
        read = {f"{first} to {second}": by_relative_angle(seen, first, second) for first, second in pairs}
        if any(each is not None for each in read.values()):
            self.read[net.name] = read

    @property
    def counts(self) -> dict[str, pd.DataFrame]:
        """Counts by net: those that were measured, by eye, and of controls."""
        controls = {net.name for net in self.controls}
        held = {
            name: pd.concat([each.counts, *([self.hands[name].counts] if name in self.hands else [])])
            for name, each in self.censuses.items()
        }
        measured = {name: each for name, each in held.items() if name not in controls}
        ordered = measured | self.published | {name: each for name, each in held.items() if name in controls}
        return {name: each[each.index.isin(self.features)] for name, each in ordered.items()}


def write(found: Found, folder: Path) -> None:
    """Writes tables and figures of what has been found so far."""
    pd.concat(found.counts, names=["net"]).to_csv(folder / "table.csv")
    _write_rows({name: each.table for name, each in found.censuses.items()}, folder / "units.csv")
    if found.hands:
        _write_rows({name: each.pairs for name, each in found.hands.items()}, folder / "pairs.csv")
        _write_rows({name: each.unions for name, each in found.hands.items()}, folder / "unions.csv")
    kin = {
        (first, second): kinship(found.censuses[first], found.censuses[second])
        for first, second in itertools.combinations(found.censuses, 2)
    }
    if kin:
        pd.concat(kin, names=["first", "second"]).to_csv(folder / "kinship.csv")
    controls = [net.name for net in found.controls if net.name in found.censuses]
    (folder / "table.png").write_bytes(to_png(periodic_table(found.counts, controls=controls)))
    if found.read:
        (folder / "circuits.png").write_bytes(to_png(circuits(found.read)))
        rows = {
            (net, pair): each[["profile", "pairs"]].to_dataframe().assign(layers=each.attrs["layers"])
            for net, pairs in found.read.items()
            for pair, each in pairs.items()
            if each is not None
        }
        pd.concat(rows, names=["net", "pair"]).to_csv(folder / "circuits.csv")


def _write_rows(tables: dict[str, pd.DataFrame], path: Path) -> None:
    pd.concat(tables, names=["net", "row"]).droplevel("row").to_csv(path)


def _table(found: Found) -> Table:
    table = Table(title="units found, of all (by chance at most a hundredth)")
    table.add_column("net")
    for feature in found.features:
        table.add_column(feature, justify="right")
    for name, counts in found.counts.items():
        numbers = [f"{counts.units[each]:.0f}" if each in counts.index else "" for each in found.features]
        table.add_row(f"{name} ({counts.of.max():.0f})", *numbers)
    return table
