"""`circuitkit compare`: two probes under one battery, side by side."""

import argparse
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from circuitkit import checks
from circuitkit.cli import probes, sources
from circuitkit.cli.progress import interruptible, progress_bar
from circuitkit.compare import compare
from circuitkit.errors import CircuitkitError
from circuitkit.find import LOOKS
from circuitkit.hypothesis import HYPOTHESES
from circuitkit.probe import Net, Probe
from circuitkit.viz.compare import FIGURE, PAGE, PAIRS, TABLE, claim, number_rows, write_comparison

MOST = 24


def add_to(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "compare",
        help="hold two nets against one hypothesis, unit by unit",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Shows the same stimuli to units of two layers, pairs each unit of the first with the unit of the second "
            "that\n"
            "stands nearest, and says how alike their tuning is, beside pairs at random. "
            f"Writes {PAGE}, {TABLE} and {PAIRS}."
        ),
        epilog=(
            "Example:\n  circuitkit compare curves --net handbuilt.curves --layer curves \\\n"
            "      --other squeezenet1_1.onnx --other-layer fire5"
        ),
    )
    parser.add_argument("what", choices=HYPOTHESES, metavar="WHAT", help=f"one of {', '.join(HYPOTHESES)}")
    for start, which in (("", "first"), ("other-", "second")):
        net = "--net" if not start else "--other"
        parser.add_argument(net, required=True, metavar="NET", help=f"the {which}: FILE.onnx, or a circuit's module")
        parser.add_argument(f"--{start}layer", required=True, metavar="LAYER", help=f"of the {which}")
        parser.add_argument(
            f"--{start}units",
            metavar="UNIT,...",
            help=f"of the {which}, by number or by name; or all [default: those that `circuitkit find` would find]",
        )
    parser.add_argument("--most", type=int, default=MOST, help=f"of units found, the most selective [default: {MOST}]")
    parser.add_argument("--looks", type=int, default=LOOKS, help=f"in how many looks it is shown [default: {LOOKS}]")
    parser.add_argument("--seed", type=int, default=0, help="of the looks [default: 0]")
    parser.add_argument("--out", type=Path, default=Path("compared"), help="folder to write to [default: ./compared]")
    parser.add_argument("--overwrite", action="store_true", help="replace the comparison that is there")
    sources.add_preprocessing_to(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, console: Console) -> None:
    """Measures and writes."""
    began = time.perf_counter()
    for option, least in (("looks", 1), ("most", 1), ("seed", 0)):
        checks.whole("compare", f"--{option}", getattr(options, option), at_least=least)
    first, second = _net(options.net, options), _net(options.other, options)
    probes.check_layer(first, options.layer)
    probes.check_layer(second, options.other_layer, option="--other-layer")
    _clear(options.out, overwrite=options.overwrite)
    said = HYPOTHESES[options.what]()
    with progress_bar(console) as bars, interruptible() as stop_if_asked:
        tasks: dict[str, Any] = {}

        def progress(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done, total=total)
            stop_if_asked()

        def probe(net: Net, layer: str, units: str | None) -> Probe:
            if units is not None:
                return net[layer] if units == "all" else probes.named(net, layer, units)

            def searching(done: int, total: int) -> None:
                progress(f"search of {net.name} {layer}", done, total)

            return probes.detectors(net, layer, said, most=options.most, seed=options.seed, progress=searching)

        found = compare(
            probe(first, options.layer, options.units),
            probe(second, options.other_layer, options.other_units),
            said,
            looks=options.looks,
            seed=options.seed,
            progress=progress,
        )
    page = write_comparison(found, options.out, command=" ".join(["circuitkit", *options.arguments]))
    table = Table(title=f"{said.name}: medians over units")
    for column, name in enumerate(("", *found.names)):
        table.add_column(name, justify="right" if column else "left", no_wrap=not column)
    for row in number_rows(found):
        table.add_row(*row)
    out = Console()
    out.print(table)
    out.print(claim(found), markup=False, highlight=False)
    console.print(f"{page} ({time.perf_counter() - began:.0f} s)", markup=False)


def _net(name: str, options: argparse.Namespace) -> Net:
    """Returns a net; what is said of preprocessing is about the .onnx file of the two."""
    nothing = argparse.Namespace(**dict.fromkeys(sources.PREPROCESSING))
    return sources.any_net(name, options if name.endswith(".onnx") else nothing)


def _clear(folder: Path, *, overwrite: bool) -> None:
    """Refuses a folder that holds anything, but for an earlier comparison that is to be replaced."""
    if folder.exists() and not folder.is_dir():
        raise CircuitkitError(f"{folder} is a file: name a folder with --out.")
    there = {entry.name for entry in folder.iterdir()} if folder.exists() else set()
    if strays := there - {PAGE, TABLE, PAIRS, FIGURE}:
        raise CircuitkitError(
            f"{folder / min(strays)} is there already, and belongs to no comparison: name another folder with --out."
        )
    if there and not overwrite:
        raise CircuitkitError(
            f"{folder} holds a comparison already: name another folder with --out, or replace it with --overwrite."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CircuitkitError(f"cannot write to {folder}: {error}. Name another folder with --out.") from None
