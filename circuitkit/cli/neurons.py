"""`circuitkit neurons`: what the neurons of a layer say together, along one line, exactly."""

import argparse
import dataclasses
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from rich.console import Console
from rich.table import Table

from circuitkit import checks, neurons
from circuitkit.cli import probes, sources
from circuitkit.cli.progress import interruptible, progress_bar
from circuitkit.errors import SpecError, StoreError
from circuitkit.hypothesis import HYPOTHESES
from circuitkit.stimuli import grid, photographs
from circuitkit.viz.neurons import group_bars, guide_lines, similarity_matrices
from circuitkit.viz.neurons_page import neurons_page
from circuitkit.viz.style import to_png

ENDINGS = (".png", "-groups.png", "-alike.png", ".html", ".csv")
"""What is written: lines, groups, similarities, the page, the table."""

MOST_ROWS = 12
"""Of the table that is printed."""

PLACES = 4
"""Of each photograph, from which samples are taken."""


def add_to(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "neurons",
        help="what the neurons of a layer say together along a line: boundaries, groups, likeness",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Shows what the neurons of a layer say together along one line through its inputs. On a line a neuron is\n"
            "y = w t + b again, so where it crosses 0, and which neurons are active together where, are computed, not\n"
            "sampled. All of it is of pre-activations: before the layer's own nonlinearity.\n\n"
            "Without NET, a layer of one input: random neurons, or yours with --weights and --biases.\n"
            "With NET and LAYER, a dense layer or a convolution, in the space of what one of its units reads:\n\n"
            "  --along turn        as a shape turns about the unit's centre (--shape, --radius): t is its angle\n"
            "  --along pc1         the first principal direction of what it reads of --images; pc2, pc3, ...\n"
            "  --along between     from what it reads of one of --images to another (--pair)\n"
            "  --along concept     from --without to --images: a linear probe, with its accuracy on images held out\n"
            "  --along NAME        the direction that one of its neurons looks for, by its name\n\n"
            "groups, after --groups:\n"
            "  positive    neurons that say more than 0\n"
            "  quartile    positive, and above the upper quartile of what each says to --images\n"
            "  top3        the three that say most, or another number"
        ),
        epilog=(
            "Writes OUT.png (guide lines), OUT-groups.png, OUT-alike.png, OUT.html (a page with sliders) and\n"
            "OUT.csv (who is active where).\n\n"
            "Examples:\n"
            "  circuitkit neurons\n"
            "  circuitkit neurons --weights 1,-2,0.5 --biases 0.1,0.4,-0.2 --inputs 0.3,0.7\n"
            "  circuitkit neurons handbuilt.curves curves --along turn --shape curves --radius 20\n"
            "  circuitkit neurons squeezenet1_1.onnx fire4 --units 130,143 --since fire4_squeeze --along turn\n"
            "  circuitkit neurons squeezenet1_1.onnx fire5 --along pc1 --images imagenet-sample.zip --groups top5\n\n"
            "In Python:  neurons.groups(neurons.read(net['fire4'])(path), neurons.positive()); see docs/neurons.md."
        ),
    )
    parser.add_argument("net", metavar="NET", nargs="?", help="FILE.onnx; or a circuit, such as handbuilt.curves")
    parser.add_argument("layer", metavar="LAYER", nargs="?", help="a dense layer or convolution of it")
    group = parser.add_argument_group("a layer of one input")
    group.add_argument("--count", type=int, help="of random neurons [default: 8]")
    group.add_argument("--weights", type=_numbers, metavar="W,W", help="one a neuron")
    group.add_argument("--biases", type=_numbers, metavar="B,B", help="one a neuron")
    group = parser.add_argument_group("a layer of a net")
    group.add_argument("--units", metavar="UNIT,UNIT", help="by number from 0 or by name [default: all]")
    group.add_argument("--since", metavar="LAYER", help="read from this earlier layer on, through the ReLUs between")
    group.add_argument("--along", default="turn", metavar="WHAT", help="the line, see above [default: turn]")
    group.add_argument("--shape", choices=HYPOTHESES, default="curves", metavar="SHAPE",
                       help=f"what turns: one of {', '.join(HYPOTHESES)} [default: curves]")  # fmt: skip
    group.add_argument("--radius", type=float, help="its size in pixels [default: the shape's middle one]")
    group.add_argument("--step", type=float, default=1.0, help="between two images, in degrees [default: 1]")
    group.add_argument("--images", type=Path, metavar="FILES", help="a folder, zip or parquet file of pictures")
    group.add_argument("--without", type=Path, metavar="FILES", help="pictures without the concept")
    group.add_argument("--most", type=int, default=64, help="pictures that are used of each [default: 64]")
    group.add_argument("--side", type=int, help="of pictures, in pixels [default: what the net was made for, or 224]")
    group.add_argument("--pair", type=_whole_numbers, default=(0, 1), metavar="N,N", help="[default: 0,1]")
    group = parser.add_argument_group("the line, and what is said of it")
    group.add_argument("--low", type=float, help="where it begins, t [default: hangs on the line]")
    group.add_argument("--high", type=float, help="where it ends, t")
    group.add_argument(
        "--inputs", type=_numbers, metavar="T,T", help="points that are marked [default: 0.3,0.7 or none]"
    )
    group.add_argument("--groups", default="positive", metavar="WHICH", help="see above [default: positive]")
    group = parser.add_argument_group("results")
    group.add_argument("--seed", type=int, default=0, help="of all that is drawn at random [default: 0]")
    group.add_argument("--out", default="neurons", metavar="OUT", help="what files are called [default: neurons]")
    group.add_argument("--overwrite", action="store_true", help="replace files that are there")
    sources.add_preprocessing_to(parser)
    parser.set_defaults(run=run)


@dataclasses.dataclass(frozen=True, eq=False)
class _Shown:
    """A line, and the layers that speak of it.

    Attributes:
        layers: With a ReLU between them.
        line: Of the first one's inputs.
        title: Of figures.
        axis: What t is.
        samples: Of the first one's inputs, if there are any.
        said: What else is to be said.
    """

    layers: tuple[neurons.Affine, ...]
    line: neurons.Path
    title: str
    axis: str
    samples: Float[np.ndarray, "sample input"] | None = None
    said: str = ""


def run(options: argparse.Namespace, console: Console) -> None:
    """Computes, draws and writes."""
    began = time.perf_counter()
    paths = _paths(options)
    _check(options)
    shown = _one_input(options) if options.net is None else _of_net(options, console)
    said = neurons.through(shown.layers, shown.line)
    marked = _marked(options, shown.line)
    thresholds = _upper_quartile(shown) if options.groups == "quartile" else None
    found = neurons.groups(said, _predicate(options.groups, thresholds, len(said.names)))
    first, last = shown.layers[0], shown.layers[-1]
    allowed = neurons.possible(first, shown.line)
    spread = _spread(shown)
    alike = {
        by: neurons.clustered(neurons.similarity(last, by=by, spread=spread)) for by in ("direction", "bias", "both")
    }
    page = neurons_page(shown.title, shown.layers, line=shown.line, thresholds=thresholds, axis=shown.axis)
    table = found.table()
    try:
        paths[0].parent.mkdir(parents=True, exist_ok=True)
        figures = (
            guide_lines(said, marked, title=shown.title, axis=shown.axis, allowed=allowed),
            group_bars(found, title=f"{shown.title}: who is {found.predicate} where", axis=shown.axis),
            similarity_matrices(alike, title=f"{shown.title}: how alike they are"),
        )
        for path, figure in zip(paths, figures, strict=False):
            path.write_bytes(to_png(figure))
        paths[3].write_text(page, encoding="utf-8")
        table.to_csv(paths[4], index=False)
    except OSError as error:
        raise StoreError(f"{paths[0]} cannot be written ({error.strerror or error}): name another path.") from None
    _print(shown, said, table, found.predicate, marked)
    console.print(f"{', '.join(map(str, paths))} ({time.perf_counter() - began:.0f} s)", markup=False)


def _check(options: argparse.Namespace) -> None:
    """Refuses what does not go together before any work."""
    for name, least in (("most", 2), ("seed", 0)):
        checks.whole("neurons", f"--{name}", getattr(options, name), at_least=least)
    if not re.fullmatch(r"positive|quartile|top[1-9]\d*", options.groups):
        raise SpecError(f"--groups got {options.groups!r}: wanted positive, quartile, or top3 or another number.")
    if options.groups == "quartile" and options.images is None:
        raise SpecError("--groups quartile needs samples of what the layer reads: give NET, LAYER and --images.")
    if not 0 < options.step <= 90:
        raise SpecError(f"--step got {options.step:g}: wanted degrees above 0, at most 90.")
    own = [name for name in ("count", "weights", "biases") if getattr(options, name) is not None]
    if options.net is not None and own:
        raise SpecError(f"--{own[0]} is of a layer of one input: leave out {options.net}, or the option.")
    if options.net is not None and options.layer is None:
        raise SpecError(f"LAYER is missing: which layer of {options.net}? `circuitkit layers` lists those of a file.")
    if options.net is None:
        given = [
            name for name in ("units", "since", "images", "without", "radius") if getattr(options, name) is not None
        ]
        if given:
            raise SpecError(f"--{given[0]} is of a layer of a net: name NET and LAYER.")
        if options.weights is not None and options.count is not None:
            raise SpecError("--count is of random neurons, and --weights gives them: leave one of them out.")
        if options.biases is not None and options.weights is None:
            raise SpecError("--biases without --weights: give the weights of the neurons, too.")
    elif options.along in ("concept", "between") or re.fullmatch(r"pc\d+", options.along):
        if options.images is None:
            raise SpecError(f"--along {options.along} is found in pictures: give --images.")
        if options.along == "concept" and options.without is None:
            raise SpecError("--along concept needs pictures without the concept, too: give --without.")


def _paths(options: argparse.Namespace) -> list[Path]:
    """Returns what is to be written; refuses what is there already."""
    base = options.out.removesuffix(".png")
    paths = [Path(f"{base}{ending}") for ending in ENDINGS]
    for path in paths:
        if path.exists() and (path.is_dir() or not options.overwrite):
            raise StoreError(f"{path} is there already: name another one with --out, or give --overwrite.")
    return paths


def _one_input(options: argparse.Namespace) -> _Shown:
    rng = np.random.default_rng(options.seed)
    if options.weights is None:
        count = checks.whole("neurons", "--count", 8 if options.count is None else options.count)
        weights, bias = rng.normal(size=count), rng.normal(scale=0.5, size=count)
        title = f"{count} random neurons of one input"
    else:
        weights = np.array(options.weights)
        bias = np.zeros(len(weights)) if options.biases is None else np.array(options.biases)
        title = f"{len(weights)} neurons of one input"
    layer = neurons.Affine(weights[None], bias, inputs="nonnegative", title=title)
    low, high = (-0.5 if options.low is None else options.low), (1.0 if options.high is None else options.high)
    return _Shown((layer,), neurons.interval(low, high), title, "input")


def _of_net(options: argparse.Namespace, console: Console) -> _Shown:
    net = sources.any_net(options.net, options)
    layer = probes.check_layer(net, options.layer, option="LAYER")
    if options.since is not None:
        probes.check_layer(net, options.since, option="--since")
    probe = net[layer] if options.units is None else probes.named(net, layer, options.units)
    with console.status("reading the layer"):
        seen = neurons.read(probe, since=options.since)
    with progress_bar(console) as bars, interruptible() as stop_if_asked:

        def watched(what: str) -> Callable[[int, int], None]:
            task = bars.add_task(what, total=None)

            def progress(done: int, total: int) -> None:
                bars.update(task, completed=done, total=total)
                stop_if_asked()

            return progress

        samples = None
        if options.images is not None:
            samples = _samples(seen, options.images, options, watched("pictures"))
        made = _line(seen, options, samples, watched)
    return dataclasses.replace(made, samples=samples)


def _line(
    seen: neurons.Reading,
    options: argparse.Namespace,
    samples: Float[np.ndarray, "sample input"] | None,
    watched: Callable[[str], Callable[[int, int], None]],
) -> _Shown:
    """Returns the line that --along names."""
    along, probe, names = options.along, seen.probe, seen.input_names
    title = f"{probe.layer} of {probe.net.name}"
    if along == "turn":
        said = HYPOTHESES[options.shape]()
        if said.period is None:
            raise SpecError(f"--shape {options.shape} has no angle: wanted a shape that can be turned, such as curves.")
        sizes = tuple(said.sizes)
        size = options.radius if options.radius is not None or not sizes else sizes[len(sizes) // 2]
        low, high = options.low or 0.0, said.period if options.high is None else options.high
        angles = np.append(np.arange(low, high, options.step), high)
        path = neurons.stimulus_path(
            seen, grid(said.posed(0.0, size), angle=angles.tolist()), progress=watched("angles")
        )
        of_size = "" if size is None else f" of {said.size} {size:g} px"
        return _Shown(seen.layers, path, title, f"angle (°) of a turning {said.name}{of_size}")
    low, high = options.low, options.high
    if along == "between":
        points = _points(seen, options)
        return _Shown(seen.layers, neurons.segment(*points, names=names), title,
                      f"from picture {options.pair[0]} to picture {options.pair[1]}")  # fmt: skip
    origin = np.zeros(len(names)) if samples is None else samples.mean(axis=0)
    note = ""
    if match := re.fullmatch(r"pc(\d+)", along):
        number = int(match[1])
        found = neurons.principal(samples, count=number)
        way, reach, axis = (
            found.vectors[number - 1],
            3 * float(found.spreads[number - 1]),
            f"principal direction {number}",
        )
        note = f"{axis} holds {found.shares[number - 1]:.1%} of the variance"
    elif along == "concept":
        others = _samples(seen, options.without, options, watched("pictures without"))
        both = np.concatenate([others, samples])
        labels = np.arange(len(both)) >= len(others)
        pictures = np.arange(len(both)) // PLACES
        about = neurons.concept(both, labels, groups=pictures.tolist(), seed=options.seed)
        way, origin, reach, axis = about.vector, about.middle, 2 * abs(about.apart), "along the concept"
        note = (
            f"balanced accuracy on pictures held out {about.accuracy:.2f} "
            f"({about.interval[0]:.2f} to {about.interval[1]:.2f}), p {about.p:.2f}"
        )
    else:
        layer = seen.layers[0]
        way, axis = neurons.feature(layer, along), f"along what {along} looks for"
        reach = float(np.abs(samples @ way).max()) if samples is not None else 1.0
    low, high = -reach if low is None else low, reach if high is None else high
    return _Shown(
        seen.layers, neurons.line(way, through=origin, low=low, high=high, names=names), title, axis, said=note
    )


def _samples(
    seen: neurons.Reading, path: Path, options: argparse.Namespace, progress: Callable[[int, int], None]
) -> Float[np.ndarray, "sample input"]:
    """Returns what the layer reads at a few places of each picture."""
    shown = _pictures(seen, path, options)
    found = []
    for number, image in enumerate(shown):
        found.append(seen.crops(image[None], places=PLACES, seed=options.seed + number))
        progress(number + 1, len(shown))
    return np.concatenate(found)


def _pictures(seen: neurons.Reading, path: Path, options: argparse.Namespace) -> Float[np.ndarray, "image h w channel"]:
    made_for = seen.probe.net.image_size
    side = options.side or (224 if made_for is None else min(made_for))
    return photographs(path, side=side)[: options.most].images(side)


def _points(seen: neurons.Reading, options: argparse.Namespace) -> Float[np.ndarray, "2 input"]:
    shown = _pictures(seen, options.images, options)
    if len(options.pair) != 2 or max(options.pair) >= len(shown):
        raise SpecError(f"--pair got {options.pair}: wanted two numbers of the {len(shown)} pictures, counted from 0.")
    row, column = seen.probe.site_in(*shown.shape[1:3]).unit
    return seen.crops(shown[list(options.pair)], places=[(row, column)])


def _spread(shown: _Shown) -> float:
    """Returns how large what the last layer reads is along the line: its root mean square, or 1 if all of it is 0."""
    read: neurons.Path = shown.line
    for layer in shown.layers[:-1]:
        read = layer(read).rectified()
    return float(np.sqrt((read.values**2).mean())) or 1.0


def _upper_quartile(shown: _Shown) -> Float[np.ndarray, " neuron"]:
    values = shown.samples
    for layer in shown.layers[:-1]:
        values = np.maximum(layer(values), 0.0)
    return neurons.upper_quartile(shown.layers[-1], values)


def _predicate(which: str, thresholds: Float[np.ndarray, " neuron"] | None, count: int) -> neurons.Predicate:
    if which == "positive":
        return neurons.positive()
    if thresholds is not None:
        return dataclasses.replace(neurons.above(thresholds), name="above the upper quartile")
    wanted = int(which.removeprefix("top"))
    if wanted > count:
        raise SpecError(f"--groups {which} asks for {wanted} of {count} neurons: wanted at most all of them.")
    return neurons.top(wanted)


def _marked(options: argparse.Namespace, line: neurons.Path) -> tuple[float, ...]:
    given = options.inputs
    if given is None:
        given = tuple(t for t in (0.3, 0.7) if options.net is None and line.at[0] <= t <= line.at[-1])
    if outside := [t for t in given if not line.at[0] <= t <= line.at[-1]]:
        raise SpecError(f"--inputs got {outside[0]:g}, beyond the line: wanted {line.at[0]:g} to {line.at[-1]:g}.")
    return tuple(given)


def _print(shown: _Shown, said: neurons.Path, table: Any, predicate: str, marked: tuple[float, ...]) -> None:
    """Prints who is in where, and what is said at the points that are marked."""
    out = Console(soft_wrap=True, highlight=False)
    sizes = " -> ".join(str(n) for n in (shown.layers[0].size[0], *(layer.size[1] for layer in shown.layers)))
    out.print(f"{shown.title}: {sizes}; {shown.axis}, t {shown.line.at[0]:g} to {shown.line.at[-1]:g}", markup=False)
    if shown.said:
        out.print(shown.said, markup=False)
    for t in marked:
        strongest = np.argsort(-said(t), kind="stable")[:8]
        listed = ", ".join(f"{said.names[place]} {said(t)[place]:+.3g}" for place in strongest)
        out.print(f"at {t:g}: {listed}{', ...' if len(said.names) > 8 else ''}", markup=False)
    held = Table(title=f"who is {predicate} where" + f" ({MOST_ROWS} of {len(table)})" * (len(table) > MOST_ROWS))
    for name in table.columns:
        held.add_column(name, justify="left" if name == "neurons" else "right", overflow="fold")
    for row in table.head(MOST_ROWS).itertuples(index=False):
        held.add_row(*(f"{cell:.6g}" if isinstance(cell, float) else str(cell) for cell in row))
    Console().print(held)


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def _whole_numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))
