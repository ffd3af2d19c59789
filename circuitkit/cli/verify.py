"""`circuitkit verify`: the seven arguments about some units of a layer, and the verdict as a page."""

import argparse
import dataclasses
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from circuitkit import checks
from circuitkit.cli import probes, sources
from circuitkit.cli.progress import interruptible, progress_bar
from circuitkit.errors import CircuitkitError, SpecError, unknown_name
from circuitkit.evidence.handwritten import Decoys
from circuitkit.hypothesis import HYPOTHESES, Hypothesis
from circuitkit.probe import Net, Probe
from circuitkit.reports import ARGUMENTS as FOLDER
from circuitkit.reports import FILE, load_report
from circuitkit.stimuli import Photographs, photographs
from circuitkit.verify import ARGUMENTS, CONTROLS, Report, verify
from circuitkit.viz.evidence.verdict import FIGURES, HEAD, PAGE, TABLE, UNITS, claim, rows, write_verdict

KEPT = "unfinished"
"""Folder, inside of the one that is written to, that keeps every argument until all are done."""

MOST = 24

SHOWN = (0, 1, 2, 3, 4, 7)
"""Columns of the table of arguments that a terminal has room for; the page has all."""


def add_to(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "verify",
        help="put units to the seven arguments that they detect a shape",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            'Do some units of a layer detect a shape? Puts them to the seven arguments of Distill\'s "Zoom In", each '
            "as\n"
            "a number with an error bar, beside control units of nets whose weights are shuffled. Interrupted, the "
            "same\n"
            f"command goes on. Writes {PAGE}, with the verdict, and all numbers as CSV and netCDF files."
        ),
        epilog=(
            "Examples:\n"
            "  circuitkit verify curves --net squeezenet1_1.onnx --layer fire5 --images imagenet-sample.zip \\\n"
            "      --circuit handbuilt.curves --decoys handbuilt.decoys\n"
            "  circuitkit verify curves --net squeezenet1_1.onnx --layer fire5 --units 150,202 --images photos\n"
            "  circuitkit verify curves --net handbuilt.curves --layer curves --arguments synthetic\n"
            "  circuitkit verify --redraw verdict\n\n"
            "In Python:  ck.verify(net['fire5', [150, 202]], hypothesis.curve(), images=photos).table"
        ),
    )
    parser.add_argument("what", nargs="?", metavar="WHAT", help=f"one of {', '.join(HYPOTHESES)}")
    parser.add_argument("--net", metavar="NET", help="FILE.onnx; or a circuit, such as handbuilt.curves")
    parser.add_argument("--layer", help="a layer of the net")
    group = parser.add_argument_group("which units", "[default: those of the layer that `circuitkit find` would find]")
    group.add_argument("--units", metavar="UNIT,UNIT", help="by number from 0 or by name")
    group.add_argument("--found", type=Path, metavar="DIR", help="those of the layer in the found.csv of a search")
    group.add_argument("--most", type=int, default=MOST, help=f"of units found, the most selective [default: {MOST}]")
    group.add_argument("--angle", type=float, help="where the units are said to stand, in degrees [default: measured]")
    group.add_argument(
        "--radius", "--size", dest="at", type=float, help="the size that they are said to prefer [default: measured]"
    )
    group = parser.add_argument_group("what they are held against")
    group.add_argument("--images", metavar="PATH", help="natural images: a folder, a zip archive or a parquet file")
    group.add_argument("--column", help="of a parquet file, where it has several columns of pictures")
    group.add_argument("--side", type=int, metavar="PIXELS", help="of the images [default: what the net was made for]")
    group.add_argument("--circuit", metavar="MODULE", help="a handbuilt counterpart, such as handbuilt.curves")
    group.add_argument("--decoys", metavar="MODULE", help="circuits of other things, such as handbuilt.decoys")
    group.add_argument(
        "--controls",
        type=int,
        default=CONTROLS,
        metavar="N",
        help=f"shuffled nets, and as many untrained ones [default: {CONTROLS}]",
    )
    group.add_argument(
        "--arguments", dest="chosen", metavar="NAME,NAME", help="some only; the start of a name will do [default: all]"
    )
    group.add_argument("--seed", type=int, default=0, help="of all that is drawn [default: 0]")
    group = parser.add_argument_group("results")
    group.add_argument("--out", type=Path, default=Path("verdict"), help="folder to write to [default: ./verdict]")
    group.add_argument("--overwrite", action="store_true", help="begin anew, in place of the report that is there")
    group.add_argument(
        "--redraw",
        type=Path,
        metavar="FOLDER",
        help="only make the page and figures of a report again, without the net",
    )
    sources.add_preprocessing_to(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, console: Console) -> None:
    """Measures and writes."""
    began = time.perf_counter()
    if options.redraw is not None:
        page = write_verdict(load_report(options.redraw), options.redraw)
        console.print(f"{page} ({time.perf_counter() - began:.0f} s)", markup=False)
        return
    said, chosen = _hypothesis(options), _arguments(options.chosen)
    for option, least in (("most", 1), ("controls", 1), ("seed", 0)):
        checks.whole("verify", f"--{option}", getattr(options, option), at_least=least)
    if options.units is not None and options.found is not None:
        raise SpecError("--units and --found both say which units: leave one of them out.")
    decoys: Decoys = {} if options.decoys is None else sources.decoys(options.decoys)
    net = _net(options)
    images = _images(options, net)
    _clear(options.out, overwrite=options.overwrite)
    report = _measure(net, said, images, decoys, chosen, options, console)
    with console.status("figures"):
        page = write_verdict(report, options.out, command=" ".join(["circuitkit", *options.arguments]))
    shutil.rmtree(options.out / KEPT, ignore_errors=True)
    out = Console()
    out.print(_table(report))
    out.print(claim(report), markup=False, highlight=False)
    for reason in report.reasons if report.verdict != "yes" else ():
        out.print(f"  {reason}", markup=False, highlight=False)
    console.print(f"{page} ({time.perf_counter() - began:.0f} s)", markup=False)


def _measure(
    net: Net,
    said: Hypothesis,
    images: Photographs | None,
    decoys: Decoys,
    chosen: list[str] | None,
    options: argparse.Namespace,
    console: Console,
) -> Report:
    """Finds the units, if they are not named, and puts them to the arguments, each kept when it is done."""
    folder = options.out / KEPT
    try:
        with progress_bar(console) as bars, interruptible() as stop_if_asked:
            tasks: dict[str, Any] = {}

            def progress(title: str, done: int, total: int) -> None:
                if title not in tasks:
                    tasks[title] = bars.add_task(title, total=total)
                bars.update(tasks[title], completed=done, total=total)
                stop_if_asked()

            def searching(done: int, total: int) -> None:
                progress(f"search of {options.layer}", done, total)

            probe = _probe(net, said, options, searching)
            return verify(
                probe,
                said,
                images=images,
                decoys=decoys,
                arguments=chosen,
                controls=options.controls,
                seed=options.seed,
                store=folder,
                progress=progress,
            )
    except KeyboardInterrupt:
        done = len(list(folder.glob("*.nc")))
        console.print(
            f"{done} arguments are done and kept in {folder}: the same command goes on from there.", markup=False
        )
        raise


def _hypothesis(options: argparse.Namespace) -> Hypothesis:
    if options.what is None:
        raise SpecError(f"WHAT is missing: one of {', '.join(HYPOTHESES)}.")
    if options.what not in HYPOTHESES:
        raise unknown_name("hypothesis", options.what, HYPOTHESES, owner="circuitkit verify")
    circuit = None if options.circuit is None else sources.design(options.circuit)
    return dataclasses.replace(HYPOTHESES[options.what](), circuit=circuit, angle=options.angle, at=options.at)


def _arguments(text: str | None) -> list[str] | None:
    """Returns the arguments that an option names by their beginnings, in the order of all."""
    if text is None:
        return None
    wanted = [part.strip().lower() for part in text.split(",")]
    for name in wanted:
        if not any(each.startswith(name) for each in ARGUMENTS) or not name:
            raise unknown_name("argument", name, ARGUMENTS, owner="--arguments")
    return [each for each in ARGUMENTS if any(each.startswith(name) for name in wanted)]


def _net(options: argparse.Namespace) -> Net:
    if options.net is None:
        raise SpecError("--net is missing: name an .onnx file, or a circuit such as handbuilt.curves.")
    net = sources.any_net(options.net, options)
    probes.check_layer(net, options.layer)
    return net


def _probe(net: Net, said: Hypothesis, options: argparse.Namespace, progress: Callable[[int, int], None]) -> Probe:
    """Returns the units that are named, or were found before, or are found now."""
    if options.units is not None:
        return probes.named(net, options.layer, options.units)
    if options.found is not None:
        return net[options.layer, _found(options.found, options.layer, options.most)]
    return probes.detectors(net, options.layer, said, most=options.most, seed=options.seed, progress=progress)


def _found(place: Path, layer: str, most: int) -> list[int | str]:
    path = place / "found.csv" if place.is_dir() else place
    try:
        table = pd.read_csv(path)
        units = table[(table["layer"] == layer) & (table["verdict"] == "yes")]["unit"].head(most)
    except (OSError, ValueError, KeyError) as error:
        raise CircuitkitError(f"{path} is no table that `circuitkit find` wrote ({error}).") from None
    if units.empty:
        raise CircuitkitError(f"{path} has no units of layer {layer!r}: name another layer, or units with --units.")
    return [str(unit) for unit in units]


def _images(options: argparse.Namespace, net: Net) -> Photographs | None:
    if options.images is None:
        return None
    side = options.side
    if side is None:
        side = net.image_size[0] if net.image_size is not None and net.image_size[0] == net.image_size[1] else 224
    found = photographs(options.images, side=side, column=options.column)
    _ = found.size  # reads all headers: what is no picture is refused before any work
    return found


def _clear(folder: Path, *, overwrite: bool) -> None:
    """Refuses a folder that holds anything but a report to be finished or replaced; makes it if it is missing."""
    if folder.exists() and not folder.is_dir():
        raise CircuitkitError(f"{folder} is a file: name a folder with --out.")
    folders, files = {FIGURES, FOLDER, KEPT}, {PAGE, TABLE, UNITS, FILE}
    there = {entry.name for entry in folder.iterdir()} if folder.exists() else set()
    if strays := there - folders - files:
        raise CircuitkitError(
            f"{folder / min(strays)} is there already, and belongs to no report: name another folder with --out."
        )
    if there - {KEPT} and not overwrite:
        raise CircuitkitError(
            f"{folder} holds a report already: name another folder with --out, or replace it with --overwrite."
        )
    try:
        if overwrite:
            for name in folders:
                shutil.rmtree(folder / name, ignore_errors=True)
            for name in files:
                (folder / name).unlink(missing_ok=True)
        (folder / KEPT).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CircuitkitError(f"cannot write to {folder}: {error}. Name another folder with --out.") from None


def _table(report: Report) -> Table:
    subject = report.subject
    count = len(subject.probe.unit_names)
    table = Table(title=f"{count} units of {subject.probe.layer}, {subject.probe.net.name}: {subject.hypothesis.name}?")
    for column in SHOWN:
        table.add_column(HEAD[column], justify="left" if column < 3 else "right", no_wrap=column < 2)
    for row in rows(report):
        table.add_row(*(row[column] for column in SHOWN))
    return table
