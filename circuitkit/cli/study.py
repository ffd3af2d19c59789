"""`circuitkit study`: measure a circuit, and a trained layer beside it, and write the report."""

import argparse
import time
from pathlib import Path
from typing import Any

import xarray as xr
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from circuitkit.cli import sources
from circuitkit.errors import CircuitkitError, SpecError, unknown_name
from circuitkit.probe import Net
from circuitkit.spec_text import to_json
from circuitkit.study import ANGLES, RADII, Study, Subject, study
from circuitkit.tuning import coverage, evenness, radial
from circuitkit.viz.report import write_report
from circuitkit.viz.tables import angle_error

BESIDE = ("small-0", "conv4")
"""The net, and its layer, that is measured beside a circuit unless another one is named."""

ALONE = "none"


def add_to(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "study",
        help="measure a circuit, beside a trained net if you like, and write a report",
        description=(
            "Builds a circuit, measures its tuning to curves of all angles and radii, of both polarities, and to "
            "straight lines; once more without each of its inhibitions; and does the same to a layer of a trained net. "
            "Writes report.html, its figures, spec.json, and the responses as netCDF."
        ),
        epilog="Example:  circuitkit study handbuilt.curves --net squeezenet1_1.onnx --layer fire5",
    )
    parser.add_argument("circuit", help="a module with a SPEC, such as handbuilt.curves, or a .json file")
    parser.add_argument(
        "--net",
        metavar="NET",
        help=f"a trained net to measure beside it: FILE.onnx, a name (see `circuitkit nets`), or {ALONE} "
        f"[default: {BESIDE[0]}, which comes with circuitkit]",
    )
    parser.add_argument("--layer", help=f"the layer of the net (see `circuitkit layers NET`) [default: {BESIDE[1]}]")
    parser.add_argument("--out", type=Path, default=Path("study"), help="folder to write to (default: ./study)")
    parser.add_argument("--angles", type=int, default=ANGLES, help=f"stimulus angles over the turn (default: {ANGLES})")
    parser.add_argument("--radii", type=int, default=RADII, help=f"radii, 12 to 290 pixels (default: {RADII})")
    sources.add_preprocessing_to(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, console: Console) -> None:
    """Measures and writes."""
    began = time.perf_counter()
    circuit = sources.circuit(options.circuit)
    if options.angles < 8 or options.radii < 3:
        raise SpecError(f"got {options.angles} angles and {options.radii} radii: wanted at least 8 and 3.")
    net, layer = _beside(options)

    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CircuitkitError(f"cannot write to {options.out}: {error}. Name another folder with --out.") from None

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console) as bars:
        tasks = {}

        def progress(title: str, done: int, total: int) -> None:
            if title not in tasks:
                tasks[title] = bars.add_task(title, total=total)
            bars.update(tasks[title], completed=done)

        found = study(
            circuit, net=net, layer=layer, angles=options.angles, radii=options.radii, progress=progress
        )
        writing = bars.add_task("report", total=1)
        report = write(found, options.out, command=" ".join(["circuitkit", *options.arguments]))
        bars.update(writing, completed=1)
    out = Console()
    out.print(_family_table(found))
    if found.trained is not None:
        out.print(_trained_table(found.trained))
    console.print(f"{report} (in {time.perf_counter() - began:.0f} s)", markup=False)


def _beside(options: argparse.Namespace) -> tuple[Net | None, str | None]:
    """Returns the net to be measured beside the circuit, and its layer.

    Raises:
        SpecError: If one of the two is missing.
        UnknownNameError: If the net has no such layer.
    """
    name, layer = options.net, options.layer
    if name is None and layer is None:
        name, layer = BESIDE
    if name in (None, ALONE) and layer is not None:
        raise SpecError("--net is missing: a trained layer needs both --net and --layer.")
    if name == ALONE:
        return None, None
    net = sources.net(name, options)
    if layer is None:
        raise SpecError(
            f"--layer is missing: a trained layer needs both --net and --layer. Its layers: {', '.join(net.layers)}."
        )
    if layer not in net.layers:
        raise unknown_name("layer", layer, net.layers, owner=f"net {net.name!r}")
    return net, layer


def write(found: Study, folder: Path, *, command: str | None = None) -> Path:
    """Writes report, figures, results and spec into a folder that exists; returns the report's path."""
    for old in (*folder.glob("without_*.nc"), *(folder / "figures").glob("*.png"), folder / "trained.nc"):
        old.unlink(missing_ok=True)  # of an earlier study, which this one replaces
    (folder / "spec.json").write_text(to_json(found.circuit), encoding="utf-8")
    for name, subject in found.subjects.items():
        results = xr.Dataset({"response": subject.responses}).merge(subject.summary)
        results.attrs = subject.responses.attrs
        results.to_netcdf(folder / f"{name}.nc", engine="scipy")
    return write_report(found, folder, command=command)


def _family_table(found: Study) -> Table:
    """Returns what one wants to see first of the handbuilt family: the worst of its units, or their mean."""
    subjects = [found.handbuilt, *found.without.values()]
    numbers, curves = [each.summary for each in subjects], [radial(each.responses) for each in subjects]
    rows = {
        "off design, worst": [f"{angle_error(found.circuit, each):.2f}°" for each in numbers],
        "FWHM, mean": [f"{float(each.fwhm.mean()):.1f}°" for each in numbers],
        "echo over peak, worst": [f"{float(each.echo.max()):.3f}" for each in numbers],
        "line over peak, worst": [f"{float(each.line_ratio.max()):.3f}" for each in numbers],
        "polarity, lowest": [f"{float(each.polarity_ratio.min()):.3f}" for each in numbers],
        "evenness of peaks": [f"{evenness(curve):.3f}" for curve in curves],
        "coverage, worst": [f"{coverage(curve):.2f}" for curve in curves],
        "preferred radius, mean": [f"{float(each.preferred_radius.mean()):.1f} px" for each in numbers],
    }
    table = Table(title=f"{found.circuit.name}: tuning at the centre of the receptive field")
    table.add_column("")
    for name in ("as written", *(f"without {kind}" for kind in found.without)):
        table.add_column(name, justify="right")
    for name, values in rows.items():
        table.add_row(name, *values)
    return table


def _trained_table(trained: Subject, *, most: int = 10) -> Table:
    """Returns the most curve-like units of the trained layer."""
    table = Table(title=f"{trained.title}: the most curve-like of {trained.summary.sizes['unit']} units")
    for column in ("unit", "score", "angle", "FWHM", "echo", "line / peak", "polarity", "radius"):
        table.add_column(column, justify="right" if column != "unit" else "left", no_wrap=column == "unit")
    for name in trained.ranked()[:most]:
        unit = {key: float(value) for key, value in trained.summary.sel(unit=name).data_vars.items()}
        table.add_row(
            name,
            f"{unit['curve_score']:.2f}",
            f"{unit['mean_angle']:.0f}°",
            f"{unit['fwhm']:.1f}°",
            f"{unit['echo']:.3f}",
            f"{unit['line_ratio']:.3f}",
            f"{unit['polarity_ratio']:.3f}",
            f"{unit['preferred_radius']:.1f} px",
        )
    return table
