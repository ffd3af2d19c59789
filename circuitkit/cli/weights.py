"""`circuitkit weights`: the weights of a layer as a picture, and as numbers."""

import argparse
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from rich.console import Console

from circuitkit import checks, wiring
from circuitkit.cli import probes, sources
from circuitkit.cli.progress import interruptible, progress_bar
from circuitkit.errors import CircuitkitError, NetError, SpecError, StoreError
from circuitkit.factors import COUNT, SHUFFLES, STARTS, Side, factors
from circuitkit.hypothesis import HYPOTHESES
from circuitkit.portrait import portrait
from circuitkit.probe import HandbuiltNet, Net, Probe
from circuitkit.stimuli import grid, turn
from circuitkit.viz.factors import factors as factors_figure
from circuitkit.viz.family_sheet import family_sheet
from circuitkit.viz.filters import Scale
from circuitkit.viz.filters import filters as filters_figure
from circuitkit.viz.kernels import STRONGEST, Families, families
from circuitkit.viz.kernels import kernels as kernels_figure
from circuitkit.viz.style import to_png
from circuitkit.weights import filters, kernels

_Families = dict[str, dict[str, float]]

PICTURES = {
    "filters": "first-layer filters in the colours that they want, grey and colour apart, by direction",
    "kernels": "the layer's own kernels: a row a unit, a column a source, red excites, blue inhibits",
    "expanded": "the same from an earlier layer (--from), through whatever lies between, made linear",
    "factors": "the weights as three factors, red, green and blue, and the sources each is made of (one-sided NMF)",
    "sheet": "each unit's feature visualization, its tuning to a shape at each angle, and its strongest weights",
}


def add_to(commands: Any) -> None:
    """Adds the command."""
    listed = "\n".join(f"  {name:<9} {text}" for name, text in PICTURES.items())
    parser = commands.add_parser(
        "weights",
        help="draw the weights of a layer",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Draws the weights of a layer of a handbuilt or trained net. Writes a PNG file, and the numbers that it\n"
            f"shows beside it as netCDF (.nc).\n\nwhat is drawn:\n{listed}\n\n"
            "Families of a circuit stand in order of angle, as its spec has them. Those of a trained net are what\n"
            "`circuitkit find` found, given with --found; without them the strongest sources are shown."
        ),
        epilog=(
            "Examples:\n"
            "  circuitkit weights squeezenet1_1.onnx conv1 filters\n"
            "  circuitkit weights handbuilt.curves curves kernels\n"
            "  circuitkit weights squeezenet1_1.onnx fire5 expanded --from fire3 --units 130,143,150,202\n"
            "  circuitkit weights squeezenet1_1.onnx fire5 factors --units 130,143,150,157,202\n"
            "  circuitkit weights squeezenet1_1.onnx fire5 sheet --found found --shape curves\n\n"
            "In Python:  viz.kernels(weights.kernels(net['curves'])); docs/weights.md has the rest."
        ),
    )
    parser.add_argument("net", metavar="NET", help="FILE.onnx; or a circuit, such as handbuilt.curves")
    parser.add_argument("layer", metavar="LAYER", help="whose units read")
    parser.add_argument("what", metavar="WHAT", choices=PICTURES, help=f"one of {', '.join(PICTURES)}")
    group = parser.add_argument_group("which weights")
    group.add_argument("--units", metavar="UNIT,UNIT", help="by number from 0 or by name [default: all]")
    group.add_argument(
        "--from",
        dest="source",
        metavar="LAYER",
        help="the earlier layer, for expanded, factors and sheet [default: the nearest one that the layer is made of]",
    )
    group.add_argument(
        "--found",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a folder that `circuitkit find` wrote: the units found in a layer are a family, called by the folder; "
        "may be repeated",
    )
    group.add_argument(
        "--strongest",
        type=int,
        metavar="N",
        help=f"sources that are shown: kernels and expanded {STRONGEST}, of a whole layer; sheet 3, of each unit",
    )
    group = parser.add_argument_group("filters")
    group.add_argument(
        "--scale-of", choices=get_args(Scale), default="all", help="one scale for all, or for each [default: all]"
    )
    group = parser.add_argument_group("factors")
    group.add_argument("--count", type=int, default=COUNT, help=f"of factors, up to three [default: {COUNT}]")
    group.add_argument(
        "--nonnegative",
        choices=get_args(Side),
        default="source",
        help="the side without values below 0: loadings of sources, or maps of places [default: source]",
    )
    group.add_argument(
        "--shuffles", type=int, default=SHUFFLES, help=f"weights with exchanged sources, for p [default: {SHUFFLES}]"
    )
    group = parser.add_argument_group("sheet")
    group.add_argument("--shape", choices=HYPOTHESES, default="curves", metavar="SHAPE",
                       help=f"what is turned: one of {', '.join(HYPOTHESES)} [default: curves]")  # fmt: skip
    group.add_argument("--angles", type=int, default=36, help="at how many angles it is shown [default: 36]")
    group.add_argument("--steps", type=int, default=256, help="of feature visualization; 0 for none [default: 256]")
    group = parser.add_argument_group("results")
    group.add_argument("--seed", type=int, default=0, help="of all that is drawn at random [default: 0]")
    group.add_argument("--out", type=Path, metavar="FILE.png", help="the picture [default: LAYER-WHAT.png]")
    group.add_argument("--overwrite", action="store_true", help="replace files that are there")
    sources.add_preprocessing_to(parser)
    parser.set_defaults(run=run)


class _Made(NamedTuple):
    """A picture, and the numbers in it."""

    figure: Figure
    numbers: xr.Dataset
    said: str


def run(options: argparse.Namespace, console: Console) -> None:
    """Draws and writes."""
    began = time.perf_counter()
    _check(options)
    out = Path(f"{options.layer.replace('/', '-')}-{options.what}.png") if options.out is None else options.out
    _check_out(out, overwrite=options.overwrite)
    net = sources.any_net(options.net, options)
    layer = probes.check_layer(net, options.layer, option="LAYER")
    if options.source is not None:
        probes.check_layer(net, options.source, option="--from")
    groups = _families(net, layer, options)
    if options.units is not None:
        probe = probes.named(net, layer, options.units)
    elif groups and options.found:
        probe = net[layer, [name for members in groups.values() for name in members]]
    else:
        probe = net[layer]
    made = _PICTURES[options.what](probe, _only(groups, probe), options, console)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(to_png(made.figure))
        _plain(made.numbers).to_netcdf(out.with_suffix(".nc"), engine="scipy")
    except OSError as error:
        raise StoreError(f"{out} cannot be written ({error.strerror or error}): name another path.") from None
    Console(soft_wrap=True, highlight=False).print(made.said, markup=False)
    console.print(f"{out}, and {out.with_suffix('.nc')} ({time.perf_counter() - began:.0f} s)", markup=False)


def _filters(probe: Probe, groups: _Families, options: argparse.Namespace, console: Console) -> _Made:
    del console
    angles: Mapping[str, float] = _angles(groups)
    known = bool(angles) and all(math.isfinite(angles.get(name, math.nan)) for name in probe.unit_names)
    chosen: dict[str, Any] = {"units": probe.unit_names} if known or options.units is not None else {}
    if known:
        chosen["angles"] = [angles[name] for name in probe.unit_names]
    numbers = filters(probe)
    figure = filters_figure(probe.net, probe.layer, scale=options.scale_of, **chosen)
    coloured = int((numbers.colour > 0.5).sum())
    return _Made(figure, numbers, f"{len(probe.unit_names)} filters, {coloured} of colour")


def _kernels(probe: Probe, groups: _Families, options: argparse.Namespace, console: Console) -> _Made:
    del console
    return _matrix(probe, kernels(probe), groups, options)


def _expanded(probe: Probe, groups: _Families, options: argparse.Namespace, console: Console) -> _Made:
    with console.status("expanding weights"):
        source = wiring.before(probe) if options.source is None else options.source
        if source is None:
            earlier = probe.net.layers[: probe.net.layers.index(probe.layer)]
            raise SpecError(
                f"--from is missing: layer {probe.layer!r} is made of no single layer before it; name one, of "
                f"{', '.join(earlier) or 'none'}."
            )
        weights = wiring.expanded(probe, source)
    return _matrix(probe, weights, groups, options)


def _matrix(probe: Probe, weights: xr.DataArray, groups: _Families, options: argparse.Namespace) -> _Made:
    """Draws weights, whole families of sources where they are known."""
    read: _Families = {}
    if options.strongest is None:
        read = _sources(probe.net, weights, options)
    figure = kernels_figure(
        weights, units=groups or None, sources=read or None, strongest=options.strongest or STRONGEST
    )
    said = f"{weights.sizes['unit']} units read {weights.sizes['source']} of {weights.attrs['from']}"
    return _Made(figure, weights.to_dataset(), said)


def _factors(probe: Probe, groups: _Families, options: argparse.Namespace, console: Console) -> _Made:
    with console.status("expanding weights"):
        weights = _of_sources(probe, options.source)
    with console.status("factoring"):
        found = factors(
            weights,
            count=options.count,
            nonnegative=options.nonnegative,
            starts=STARTS,
            shuffles=options.shuffles,
            seed=options.seed,
        )
    at = _angles(_sources(probe.net, weights, options))
    figure = factors_figure(found, unit_angles=_angles(groups) or None, source_angles=at or None)
    lines = [f"{options.count} factors explain {found.share:.1%} of the squares (any sign: {found.ceiling:.1%})"]
    if options.shuffles:
        lines.append(f"sources exchanged at each place: {float(found.null.mean()):.1%}, p = {found.p:.3g}")
    for name, strongest in found.strongest(5).items():
        lines.append(f"{name}: " + ", ".join(f"{source} {value:.2f}" for source, value in strongest))
    return _Made(figure, found.to_dataset(), "\n".join(lines))


def _sheet(probe: Probe, groups: _Families, options: argparse.Namespace, console: Console) -> _Made:
    said = HYPOTHESES[options.shape]()
    if said.period is None:
        raise SpecError(f"--shape {options.shape} has no angle: wanted a shape that can be turned, such as curves.")
    sizes = {} if said.size is None else {said.size: tuple(said.sizes)}
    stimuli = grid(said.shape, angle=turn(options.angles, over=said.period), **sizes)
    with progress_bar(console) as bars, interruptible() as stop_if_asked:
        tasks: dict[str, Any] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)
            stop_if_asked()

        angles = _angles(groups)
        known = [angles.get(name, math.nan) for name in probe.unit_names] if options.found else None
        seen = portrait(
            probe, stimuli, source=options.source, angles=known, period=said.period, steps=options.steps,
            seed=options.seed, progress=progress,
        )  # fmt: skip
    figure = family_sheet(seen, **({} if options.strongest is None else {"strongest": options.strongest}))
    lines = [f"{name}: {angle:.1f}°" for name, angle in zip(seen.angles.unit.values, seen.angles.values, strict=True)]
    if seen.why_no_weights:
        lines.append(f"no weights: {seen.why_no_weights}")
    return _Made(figure, seen.to_dataset(), "\n".join(lines))


_PICTURES: dict[str, Callable[[Probe, _Families, argparse.Namespace, Console], _Made]] = {
    "filters": _filters,
    "kernels": _kernels,
    "expanded": _expanded,
    "factors": _factors,
    "sheet": _sheet,
}


def _check(options: argparse.Namespace) -> None:
    """Refuses numbers that are out of range before any work."""
    for name, least in (("count", 1), ("shuffles", 0), ("steps", 0), ("angles", 8), ("seed", 0)):
        checks.whole("weights", f"--{name}", getattr(options, name), at_least=least)
    if options.strongest is not None:
        checks.whole("weights", "--strongest", options.strongest)
    if options.what == "kernels" and options.source is not None:
        raise SpecError("--from says which earlier layer is read, and kernels read the one before: draw `expanded`.")


def _check_out(out: Path, *, overwrite: bool) -> None:
    """Refuses a path that is no picture's, or that is there already."""
    if out.suffix != ".png":
        raise StoreError(f"--out got {str(out)!r}: wanted a .png file.")
    for path in (out, out.with_suffix(".nc")):
        if path.exists() and (path.is_dir() or not overwrite):
            raise StoreError(f"{path} is there already: name another path with --out, or give --overwrite.")


def _of_sources(probe: Probe, source: str | None) -> xr.DataArray:
    """Returns the weights from a layer, or from the one that a layer is made of."""
    if source is not None:
        return wiring.expanded(probe, source)
    try:
        return kernels(probe)
    except NetError:
        before = wiring.before(probe)
        if before is None:
            raise
        return wiring.expanded(probe, before)


def _families(net: Net, layer: str, options: argparse.Namespace) -> _Families:
    """Returns what is known of a layer's families: from searches, or from the spec."""
    if options.found:
        return {name: members for path in options.found for name, members in _found(path, layer).items()}
    if isinstance(net, HandbuiltNet):
        return families(net.network.circuit, layer)
    return {}


def _sources(net: Net, weights: xr.DataArray, options: argparse.Namespace) -> _Families:
    """Returns the families of the sources of weights, as far as they are known."""
    if weights.attrs.get("of_image"):
        return {}
    read = str(weights.attrs["from"]).split(", ")
    if isinstance(net, HandbuiltNet):
        return families(net.network.circuit, *read)
    found = {name: members for path in options.found for name, members in _found(path, read[0], least=0).items()}
    return {name: members for name, members in found.items() if members}


def _only(groups: _Families, probe: Probe) -> _Families:
    """Returns families without the units that are not asked for."""
    wanted = set(probe.unit_names)
    kept = {name: {unit: angle for unit, angle in held.items() if unit in wanted} for name, held in groups.items()}
    return {name: members for name, members in kept.items() if members}


def _angles(groups: Families) -> dict[str, float]:
    """Returns the angles of all families' units that have one."""
    return {unit: angle for members in groups.values() for unit, angle in members.items() if math.isfinite(angle)}


def _found(place: Path, layer: str, *, least: int = 1) -> _Families:
    """Returns the units that a search found in a layer, with their angles, as a family called by its folder."""
    path = place / "found.csv" if place.is_dir() else place
    try:
        table = pd.read_csv(path)
        held = table[(table["layer"] == layer) & (table["verdict"] == "yes")]
        members = {str(unit): float(angle) for unit, angle in zip(held["unit"], held["angle"], strict=True)}
    except (OSError, ValueError, KeyError) as error:
        raise CircuitkitError(f"{path} is no table that `circuitkit find` wrote ({error}).") from None
    if len(members) < least:
        raise CircuitkitError(f"{path} has no units of layer {layer!r}: name another layer, or units with --units.")
    return {path.parent.resolve().name: members}


def _plain(numbers: xr.Dataset) -> xr.Dataset:
    """Returns numbers whose attributes netCDF can hold."""
    held = numbers.copy()
    parts: list[Any] = [held, *held.variables.values()]
    for part in parts:
        part.attrs = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in part.attrs.items()
            if value is not None
        }
    return held
