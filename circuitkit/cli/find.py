"""`circuitkit find`: which units of a net detect a shape, layer by layer."""

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from circuitkit import checks
from circuitkit.cli import sources
from circuitkit.cli.progress import interruptible, progress_bar
from circuitkit.controls import shuffled, untrained
from circuitkit.errors import CircuitkitError, unknown_name
from circuitkit.find import LOOKS, Found, distinct, find
from circuitkit.hypothesis import HYPOTHESES, Hypothesis
from circuitkit.probe import Net
from circuitkit.viz.finding import COLUMNS, CONTROLS, FIGURES, PAGE, TABLE, claim, unit_rows, write_found

KEPT = "layers"
"""Folder, inside of the one that is written to, that keeps every layer when it is done."""


def add_to(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "find",
        help="find the units of a net that detect curves, lines, circles, ...",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Holds every unit of every layer of a net against one hypothesis: does it prefer the shape, at one angle "
            "and\n"
            "whatever its look, to everything else? Nothing is tuned to the net. Interrupted, the same command goes "
            "on.\n"
            f"Writes {PAGE}, with what was found where, and {TABLE}, a row for every unit."
        ),
        epilog=(
            "Examples:\n"
            "  circuitkit find curves --net squeezenet1_1.onnx\n"
            "  circuitkit find high-low --net resnet50.onnx --layer stage2 --controls 1\n"
            "  circuitkit find lines --net handbuilt.curves\n\n"
            "In Python:  ck.find(net, hypothesis.curve()).table"
        ),
    )
    parser.add_argument("what", choices=HYPOTHESES, metavar="WHAT", help=f"one of {', '.join(HYPOTHESES)}")
    parser.add_argument("--net", required=True, metavar="NET", help="FILE.onnx; or a circuit, such as handbuilt.curves")
    parser.add_argument(
        "--layer",
        action="append",
        metavar="LAYER,...",
        help="scan these; may be repeated [default: all whose units are not seen again further on]",
    )
    parser.add_argument("--looks", type=int, default=LOOKS, help=f"in how many looks it is shown [default: {LOOKS}]")
    parser.add_argument("--seed", type=int, default=0, help="of the looks [default: 0]")
    parser.add_argument(
        "--controls",
        type=int,
        default=0,
        metavar="N",
        help="scan N nets with shuffled and N with untrained weights as well, and count what passes there [default: 0]",
    )
    parser.add_argument("--out", type=Path, default=Path("found"), help="folder to write to [default: ./found]")
    parser.add_argument("--overwrite", action="store_true", help="begin anew, in place of the search that is there")
    sources.add_preprocessing_to(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, console: Console) -> None:
    """Searches and writes."""
    began = time.perf_counter()
    checks.whole("find", "--looks", options.looks)
    checks.whole("find", "--controls", options.controls, at_least=0)
    checks.whole("find", "--seed", options.seed, at_least=0)
    said = HYPOTHESES[options.what]()
    net = sources.any_net(options.net, options)
    layers = _layers(net, options.layer)
    _clear(options.out, overwrite=options.overwrite)
    nets = [net]
    for index in range(options.controls):
        nets += [shuffled(net, index), untrained(net, index)]
    found = [_search(each, said, layers, options, console) for each in nets]
    page = write_found(
        found[0],
        options.out,
        controls={each.net_name: each for each in found[1:]},
        command=" ".join(["circuitkit", *options.arguments]),
    )
    out = Console()
    out.print(_table(found[0]))
    out.print(claim(found[0], {each.net_name: each for each in found[1:]}), markup=False, highlight=False)
    for layer, why in found[0].skipped.items():
        console.print(f"{layer} was left out: {why}", markup=False)
    console.print(f"{page}, and {options.out / TABLE} ({time.perf_counter() - began:.0f} s)", markup=False)


def _search(
    net: Net, said: Hypothesis, layers: list[str] | None, options: argparse.Namespace, console: Console
) -> Found:
    """Scans one net, and keeps each layer when it is done."""
    folder = options.out / KEPT / net.name.replace("/", "-").replace(", ", "-").replace(" ", "-")
    count = len(distinct(net) if layers is None else layers)
    try:
        with progress_bar(console) as bars, interruptible() as stop_if_asked:
            tasks: dict[str, Any] = {}

            def progress(layer: str, done: int, total: int) -> None:
                if layer not in tasks:
                    tasks[layer] = bars.add_task(f"{net.name} {layer}", total=total)
                bars.update(tasks[layer], completed=done)
                stop_if_asked()

            return find(
                net, said, layers=layers, looks=options.looks, seed=options.seed, store=folder, progress=progress
            )
    except KeyboardInterrupt:
        done = len(list(folder.glob("*.nc")))
        console.print(
            f"{done} of {count} layers of {net.name} are done and kept in {folder}: the same command goes on from "
            "there.",
            markup=False,
        )
        raise


def _layers(net: Net, given: list[str] | None) -> list[str] | None:
    if given is None:
        return None
    layers = list(dict.fromkeys(layer.strip() for each in given for layer in each.split(",")))
    for layer in layers:
        if layer not in net.layers:
            raise unknown_name("layer", layer, net.layers, owner=f"net {net.name!r}")
    return layers


def _clear(folder: Path, *, overwrite: bool) -> None:
    """Refuses a folder that holds anything but a search to be finished or replaced; makes it if it is missing."""
    if folder.exists() and not folder.is_dir():
        raise CircuitkitError(f"{folder} is a file: name a folder with --out.")
    own = {PAGE, TABLE, CONTROLS, FIGURES, KEPT}
    there = {entry.name for entry in folder.iterdir()} if folder.exists() else set()
    if strays := there - own:
        raise CircuitkitError(
            f"{folder / min(strays)} is there already, and belongs to no search: name another folder with --out."
        )
    if PAGE in there and not overwrite:
        raise CircuitkitError(
            f"{folder} holds a search already: name another folder with --out, or replace it with --overwrite."
        )
    try:
        if overwrite:
            for name in (FIGURES, KEPT):
                shutil.rmtree(folder / name, ignore_errors=True)
            for name in (PAGE, TABLE, CONTROLS):
                (folder / name).unlink(missing_ok=True)
        (folder / KEPT).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CircuitkitError(f"cannot write to {folder}: {error}. Name another folder with --out.") from None


def _table(found: Found, *, most: int = 20) -> Table:
    """Returns the most selective of the units that were found."""
    head, lines = unit_rows(found, most, columns=COLUMNS[:5])  # as many as a terminal is wide
    count = int((found.table.verdict == "yes").sum())
    of = f" ({len(lines)} of {count})" if count > len(lines) else ""
    table = Table(title=f"{found.hypothesis.name} detectors in {found.net_name}{of}")
    for column, name in enumerate(head):
        words = column < 2 or column == len(head) - 1
        table.add_column(name, justify="left" if words else "right", no_wrap=column == 0)
    for line in lines:
        table.add_row(*line)
    return table
