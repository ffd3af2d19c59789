"""`circuitkit survey`: images through a net in one pass, and what every unit of a layer responds to most."""

import argparse
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from circuitkit import checks
from circuitkit.build import build
from circuitkit.cli import sources
from circuitkit.cli.progress import interruptible, progress_bar
from circuitkit.errors import CircuitkitError, SpecError
from circuitkit.probe import HandbuiltNet, Net, Probe
from circuitkit.stimuli import Photographs, photographs
from circuitkit.survey import survey
from circuitkit.viz.examples import write_examples

RESULTS, PAGE = "survey.nc", "examples.html"


def add_to(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "survey",
        help="show images to a layer, and find what each of its units responds to most",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Shows all pictures of a folder, a zip archive or a parquet file to a layer of a net, in one pass.\n"
            f"Writes {PAGE}, with the parts of the pictures that each unit responds to most, and how often it\n"
            f"responds how strongly; and {RESULTS}, with the numbers: which pictures and where, mean, standard\n"
            "deviation, quantiles and histogram, and each unit's largest response to every picture."
        ),
        epilog=(
            "Examples:\n"
            "  circuitkit survey squeezenet1_1.onnx --layer fire5 --images imagenet-sample.zip --out fire5\n"
            "  circuitkit survey squeezenet1_1.onnx --layer fire5 --images photos --units 130,141\n"
            "  circuitkit survey handbuilt.curves --images photos --side 128\n\n"
            "In Python:  xarray.open_dataset('fire5/survey.nc').top_image.sel(unit='fire5:130')"
        ),
    )
    parser.add_argument("net", metavar="NET", help="a trained net, FILE.onnx; or a circuit, such as handbuilt.curves")
    parser.add_argument("--layer", help="its layer (see `circuitkit layers FILE.onnx`) [default: a circuit's last]")
    parser.add_argument(
        "--images", metavar="PATH", required=True, help="a folder, a zip archive or a parquet file of pictures"
    )
    parser.add_argument("--column", help="of a parquet file, where it has several columns of pictures")
    parser.add_argument(
        "--side",
        type=int,
        metavar="PIXELS",
        help="the shorter side of every picture is made this long, and a square cut out of the middle [default: the "
        "size that the net was made for; for a circuit, pictures as they are]",
    )
    parser.add_argument("--units", metavar="UNIT,UNIT", help="by number or name: 130,141 [default: all of the layer]")
    parser.add_argument(
        "--top", type=int, default=9, metavar="N", help="how many pictures are shown for each unit [default: 9]"
    )
    parser.add_argument(
        "--border",
        choices=("keep", "drop"),
        default="keep",
        help="drop: leave out units of the map that see beyond the picture [default: keep]",
    )
    parser.add_argument("--out", type=Path, default=Path("survey"), help="folder to write to [default: ./survey]")
    parser.add_argument("--overwrite", action="store_true", help="replace the survey that is there")
    sources.add_preprocessing_to(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, console: Console) -> None:
    """Surveys and writes."""
    began = time.perf_counter()
    checks.whole("survey", "--top", options.top)
    _check_free(options.out, overwrite=options.overwrite)
    probe = _probe(options)
    images = _images(options, probe.net)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        with _replacing(options.out / RESULTS, keep=False) as part:
            part.touch()  # a folder that cannot be written to is found now, not when all is computed
        with progress_bar(console) as bars, interruptible() as stop_if_asked:

            def progress(done: int, _total: int) -> None:
                bars.update(looking, completed=done)
                stop_if_asked()

            looking = bars.add_task("images", total=len(images))
            seen = survey(probe, images, top=options.top, border=options.border, progress=progress)
        with _replacing(options.out / RESULTS) as part:
            seen.to_netcdf(part, engine="scipy")
        with console.status("examples"):
            page = write_examples(seen, images, options.out, top=options.top)
    except OSError as error:
        raise CircuitkitError(f"cannot write to {options.out}: {error}. Name another folder with --out.") from None
    took = time.perf_counter() - began
    console.print(
        f"{len(images)} images, {len(probe.unit_names)} units: {page}, and {options.out / RESULTS} ({took:.0f} s)",
        markup=False,
    )


def _check_free(folder: Path, *, overwrite: bool) -> None:
    """Refuses a folder that holds anything, but for an earlier survey that is to be replaced."""
    if folder.exists() and not folder.is_dir():
        raise CircuitkitError(f"{folder} is a file: name a folder with --out.")
    unfinished = {f".{name}.part" for name in (RESULTS, PAGE)}
    there = ({entry.name for entry in folder.iterdir()} if folder.exists() else set()) - unfinished
    if strays := there - {RESULTS, PAGE}:
        raise CircuitkitError(
            f"{folder / min(strays)} is there already, and belongs to no survey: name another folder with --out."
        )
    if there and not overwrite:
        raise CircuitkitError(
            f"{folder} holds a survey already: name another folder with --out, or replace it with --overwrite."
        )


def _probe(options: argparse.Namespace) -> Probe:
    net: Net
    if options.net.endswith(".onnx"):
        net, layer = sources.net(options.net, options), options.layer
        if layer is None:
            raise SpecError(f"--layer is missing: name a layer of net {net.name!r}, one of {', '.join(net.layers)}.")
    else:
        circuit = sources.circuit(options.net)
        net, layer = HandbuiltNet(build(circuit)), options.layer or circuit.families[-1].name
    if options.units is None:
        return net[layer]
    wanted = [unit.strip() for unit in options.units.split(",")]
    return net[layer, [int(unit) if unit.isdecimal() else unit for unit in wanted]]


def _images(options: argparse.Namespace, net: Net) -> Photographs:
    side = options.side
    if side is None and net.image_size is not None and net.image_size[0] == net.image_size[1]:
        side = net.image_size[0]
    found = photographs(options.images, side=side, column=options.column)
    _ = found.size  # reads all headers: what is no picture is refused before any work
    return found


@contextlib.contextmanager
def _replacing(path: Path, *, keep: bool = True) -> Iterator[Path]:
    """Gives another name to write under, and the right one to what was written: there is never half a file."""
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        if keep:
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)
