"""`circuitkit tune`: the responses of a layer to a labelled set of stimuli, kept as they come."""

import argparse
import contextlib
import math
import time
from pathlib import Path
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from rich.console import Console
from rich.table import Table

from circuitkit.build import build
from circuitkit.cli import sources
from circuitkit.cli import stimuli as sets
from circuitkit.cli.parser import Parser, argument
from circuitkit.cli.progress import interruptible, progress_bar
from circuitkit.cli.values import whole
from circuitkit.errors import CircuitkitError, SpecError, StimulusError, StoreError
from circuitkit.probe import HandbuiltNet, Net, Probe
from circuitkit.stimuli import LabelledSet, Renderer
from circuitkit.stimuli.parameter import parameters
from circuitkit.stimuli.sets import labels
from circuitkit.store import Store
from circuitkit.sweep import ReadOut, tune

PREPROCESSING = ("scale", "mean", "std", "colours")
"""The options that say how a net wants its images."""

ABOUT: dict[str, Any] = {
    "usage": "circuitkit tune NET --layer LAYER --stimuli KIND [options of the kind] [options]\n"
    "       circuitkit tune NET --layer LAYER --stimuli SET [options]",
    "description": (
        "Shows stimuli to a net, each on the centre of the receptive field of the unit that is read, and keeps the\n"
        "response of every unit of a layer, with all parameters of the stimuli.\n"
        "An interrupted command goes on where it was."
    ),
    "epilog": """\
stimuli, after --stimuli:
  KIND         a kind of stimulus, described by the options of `circuitkit stimuli KIND`:
               several values of a parameter make an axis of the result
  SET          a set that was saved: set.json, or a folder, .npz or .zarr that `circuitkit stimuli` wrote;
               it is drawn anew, at the size that the layer needs

Examples:
  circuitkit tune handbuilt.curves --layer curves --stimuli curve --angle 0:360:10 --radius 8:60:log12
  circuitkit tune squeezenet1_1.onnx --layer fire5 --units 130,141 --stimuli curves/set.json --read-out max --window 5
  circuitkit tune handbuilt.curves --layer curves --stimuli curve --sample 9000 --angle 'uniform(0,360)' --out rand.zarr
Options of a kind:
  circuitkit tune handbuilt.curves --stimuli curve --help""",
    "formatter_class": argparse.RawDescriptionHelpFormatter,
    "allow_abbrev": False,
}


def add_to(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser("tune", help="show stimuli to a layer, and keep its responses", **ABOUT)
    parser.add_argument(
        "net",
        metavar="NET",
        help="a module with a SPEC, such as handbuilt.curves, a .json file with one, or a trained net: FILE.onnx",
    )
    # Read again once the kind of the stimuli is known, for its parameters are options too.
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    _add_options(parser, trained=True)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, console: Console) -> None:
    """Shows the stimuli and keeps the responses."""
    began = time.perf_counter()
    stimuli, chosen = _read(options)
    out = Path(chosen.out)
    if out.suffix not in (".zarr", ".nc", ""):
        raise StoreError(f"--out got {chosen.out!r}: wanted a Zarr store, such as sweep.zarr, or a .nc file (netCDF).")
    with console.status("reading the net"):
        probe = _probe(options.net, chosen)
    arguments: dict[str, Any] = {
        "read_out": chosen.read_out,
        "renderer": Renderer(exact=chosen.exact, samples=whole("--samples", chosen.samples)),
        **{name: _count(name, getattr(chosen, name)) for name in ("window", "size", "chunk")},
    }
    keep = _in_file if out.suffix == ".nc" else _in_store
    with progress_bar(console) as bars, interruptible() as stop_if_asked:

        def progress(done: int, _total: int) -> None:
            bars.update(shown, completed=done)
            stop_if_asked()

        shown = bars.add_task("stimuli", total=len(stimuli), completed=_done(out))
        try:
            responses = keep(probe, stimuli, out, console, progress=progress, **arguments)
        except CircuitkitError:
            bars.update(shown, visible=False)
            raise
        bars.update(shown, completed=len(stimuli))
    _summarise(responses, stimuli, out)
    console.print(f"{out.absolute()} ({time.perf_counter() - began:.0f} s)", markup=False)


def _add_options(parser: argparse.ArgumentParser, *, trained: bool) -> None:
    group = parser.add_argument_group("what is read")
    group.add_argument("--layer", help="a layer of the net (of a trained one, see `circuitkit layers FILE.onnx`)")
    group.add_argument(
        "--units", metavar="UNIT,UNIT", help="some of its units, by number from 0 or by name [default: all]"
    )
    group.add_argument(
        "--read-out",
        choices=get_args(ReadOut),
        default="centre",
        help="centre: the unit that the stimulus is centred on; max: the largest response over the map; map: all of "
        "the map [default: centre]",
    )
    group.add_argument("--window", metavar="N", help="max and map: of the NxN units around the centre [default: all]")
    group = parser.add_argument_group("stimuli")
    group.add_argument("--stimuli", metavar="KIND|SET", help="what is shown (below)")
    group.add_argument("--size", metavar="PIXELS", help="side of the images [default: as large as what is read sees]")
    group.add_argument("--exact", action="store_true", help="exact areas along straight edges; slower")
    group.add_argument(
        "--samples", default="1", metavar="N", help="squares a side that each pixel is cut into [default: 1]"
    )
    group = parser.add_argument_group("results")
    group.add_argument(
        "--out",
        default="sweep.zarr",
        metavar="PATH",
        help="a Zarr store, written as the responses come, or a .nc file (netCDF), written at the end "
        "[default: ./sweep.zarr]",
    )
    group.add_argument("--chunk", metavar="N", help="stimuli computed at once [default: as many as fit the cache]")
    if trained:
        sources.add_preprocessing_to(parser)


def _read(options: argparse.Namespace) -> tuple[LabelledSet, argparse.Namespace]:
    """Returns the stimuli, and the other options."""
    prog, rest = f"circuitkit tune {options.net}", options.rest
    trained = options.net.endswith(".onnx")

    def add_own(parser: argparse.ArgumentParser) -> None:
        _add_options(parser, trained=trained)

    kind = argument(rest, "--stimuli") or options.stimuli
    if kind is None:
        parser = Parser(prog=prog, **ABOUT)
        add_own(parser)
        parser.read([each for each in rest if each != "--stimuli"], options)
        raise StimulusError(
            f"{prog} needs --stimuli: name a kind of stimulus, such as curve, or a set that was saved. "
            "`circuitkit stimuli --help` lists the kinds."
        )
    cls = sets.kinds().get(sets.spelt(kind))
    for name in PREPROCESSING:
        if trained and cls is not None and name in parameters(cls) and argument(rest, f"--{name}") is not None:
            raise StimulusError(
                f"--{name} may be the net's or the {sets.kebab(cls)}'s: write --{sets.kebab(cls)}.{name} for the "
                f"stimuli, and for the net put --{name} before {options.net}."
            )
    layer = argument(rest, "--layer") or options.layer or "LAYER"
    stimuli, chosen = sets.read(kind, rest, prog=f"{prog} --layer {layer} --stimuli", add_own=add_own, chosen=options)
    if given := [f"--{name}" for name in PREPROCESSING if not trained and getattr(chosen, name) is not None]:
        raise SpecError(f"{prog} got {', '.join(given)}: only an .onnx net is told how it wants its images.")
    return stimuli, chosen


def _probe(name: str, chosen: argparse.Namespace) -> Probe:
    net: Net = sources.net(name, chosen) if name.endswith(".onnx") else HandbuiltNet(build(sources.circuit(name)))
    if chosen.layer is None:
        raise SpecError(f"--layer is missing: net {net.name!r} has {', '.join(net.layers)}.")
    if chosen.units is None:
        return net[chosen.layer]
    units = [each.strip() for each in chosen.units.split(",")]
    return net[chosen.layer, [int(each) if each.isdecimal() else each for each in units]]


def _count(name: str, text: str | None) -> int | None:
    return None if text is None else whole(f"--{name}", text)


def _done(out: Path) -> int:
    """Returns how many stimuli have been shown by an earlier command."""
    with contextlib.suppress(StoreError):
        return Store.open(out).done()
    return 0


def _in_store(probe: Probe, stimuli: LabelledSet, out: Path, console: Console, **arguments: Any) -> xr.DataArray:
    try:
        return tune(probe, stimuli, store=out, **arguments)
    except KeyboardInterrupt:
        console.print(
            f"{_done(out)} of {len(stimuli)} stimuli are done and kept in {out}: the same command goes on from there.",
            markup=False,
        )
        raise


def _in_file(probe: Probe, stimuli: LabelledSet, out: Path, console: Console, **arguments: Any) -> xr.DataArray:
    if out.exists():
        raise StoreError(f"{out} is there already: name another path, or remove it.")
    values = _values_of_one(probe, arguments["read_out"], arguments["window"], arguments["size"])
    if 4 * values * len(stimuli) >= 2**31:
        raise StoreError(
            f"{len(stimuli)} times {values} responses are more than the 2 GiB of a .nc file: name a .zarr with --out."
        )
    unfinished = out.with_name(f"{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb"):  # so that a path that cannot be written is refused now
            pass
        try:
            responses = tune(probe, stimuli, **arguments)
            responses.to_netcdf(unfinished, engine="scipy")
            unfinished.replace(out)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{out} cannot be written ({error.strerror or error}): name another path.") from None
    except KeyboardInterrupt:
        console.print("A .nc file is written at the end, so nothing is kept; a .zarr goes on where it was.")
        raise
    return responses


def _values_of_one(probe: Probe, read_out: ReadOut, window: int | None, size: int | None) -> int:
    """Returns how many values are kept of one stimulus."""
    if read_out != "map":
        return len(probe.unit_names)
    if window is not None:
        return window**2 * len(probe.unit_names)
    site = probe.site() if size is None else probe.site_in(size, size)
    images = jax.ShapeDtypeStruct((1, site.height, site.width, 1), jnp.float32)
    return math.prod(jax.eval_shape(probe.maps, images).shape)


def _summarise(responses: xr.DataArray, stimuli: LabelledSet, out: Path, *, most: int = 10) -> None:
    """Prints what was measured, what each of the first units responds to most, and how to go on."""
    console = Console(soft_wrap=True, highlight=False)
    units = responses.sizes["unit"]
    shape = ", ".join(f"{name} {count}" for name, count in responses.sizes.items())
    console.print(f"{out}: {shape}\nread-out {responses.attrs['read_out']}", markup=False)
    table = Table(title="the stimulus that each unit responds to most" + (f" ({most} of {units})" * (units > most)))
    rows = [_best(responses.isel(unit=place), stimuli) for place in range(min(units, most))]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    for name in columns:
        table.add_column(name, justify="left" if name == "unit" else "right", no_wrap=name == "unit")
    for row in rows:
        table.add_row(*(row.get(name, "") for name in columns))
    Console().print(table)
    name, axes = str(out), ", ".join(map(str, responses.dims))
    opening = [
        "import circuitkit as ck",
        f"responses = ck.open_responses({name!r})    # by axis: {axes}",
        "import xarray",
        f"by_stimulus = xarray.open_zarr({name!r})    # with every parameter that varies",
    ]
    if out.suffix == ".nc":
        opening = ["import xarray", f"responses = xarray.open_dataarray({name!r}, engine='scipy')    # {axes}"]
    console.print("\n    ".join(["In Python:", *opening]), markup=False)


def _best(responses: xr.DataArray, stimuli: LabelledSet) -> dict[str, str]:
    """Returns a row of the table: a unit, its largest response, and what that is a response to."""
    values = np.asarray(responses)
    row = {"unit": str(responses.unit.item())}
    if not np.isfinite(values).any() or np.nanmax(values) == np.nanmin(values):
        return {**row, "response": f"{values.flat[0]:.3g}, always"}
    place = np.unravel_index(int(np.nanargmax(values)), values.shape)
    at = dict(zip(responses.dims, map(int, place), strict=True))
    index = int(np.ravel_multi_index([at[dim] for dim in stimuli.dims], stimuli.shape))
    best = responses.isel(at)
    shown = {str(name): value.item() for name, value in best.coords.items() if name != "unit"}
    varying = {name: labels(value)[0] for name, value in stimuli.varying(np.array([index])).items()}
    # The seed of a sample's stimulus is its number.
    found = shown | {name: value for name, value in varying.items() if name != "seed"}
    return {**row, "response": f"{best.item():.3g}"} | {name: _brief(value) for name, value in found.items()}


def _brief(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
