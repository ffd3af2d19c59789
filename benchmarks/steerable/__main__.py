"""One orbit under C_n, from a formula and as an equivariant layer of escnn: how exact, how fast, how long to write?

Run:    CIRCUITKIT_ESCNN=.venv-escnn/bin/python python -m benchmarks steerable    (some four minutes on two cores)
Smoke:  python -m benchmarks steerable --smoke                                    (half a minute)
Writes: benchmarks/steerable/out/tables.md, and steerable.png beside this file (into out/ for the smoke run)

escnn lives in an environment of its own (`benchmarks/README.md` says how to make it); without one, circuitkit is
measured alone. Images are sums of plane waves, which are known exactly when turned, and the unit in the middle is read.
An error is ||f(g x) - g f(x)|| / ||f(x)|| after the ReLU, over all units and images.
"""

import ast
import dataclasses
import functools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks import harness
from benchmarks.building.__main__ import ORDERS, kernels, turned
from benchmarks.equivariance.__main__ import shown
from benchmarks.harness import spread, table
from benchmarks.steerable import ours, peer
from circuitkit import HandbuiltNet, cyclic, equivariance_error
from circuitkit.equivariance import plane_waves
from circuitkit.kernels import lay_out
from circuitkit.network import CircuitNetwork
from circuitkit.viz import style

CIRCUITKIT, NARROW, WIDE = "circuitkit", "circuitkit, sigma a fifth less", "circuitkit, sigma a fifth more"
RANDOM, FITTED = "escnn, random weights", "escnn, fitted to circuitkit's kernels"
RICH = "escnn, fitted, with more rings"
ESCNN = {"random": RANDOM, "fitted": FITTED, "rich": RICH}
PLAIN = "random numbers, not equivariant"
FLOOR = "circuitkit, images turned by interpolation, {}"
METHODS = ("bicubic", "bilinear")

SIGMA = {5: 0.8, 7: 1.0, 9: 1.2}
"""Of the Gabors, in pixels, by the size of their kernels."""

LAYERS = ("edges", "lines")

Errors = NDArray[np.float64]
"""By draw, turn and band."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """How much is measured.

    Attributes:
        angles: Members of a family.
        sizes: Of the kernels.
        bands: Highest frequencies of the plane waves, in cycles per pixel.
        draws: Of images, and of random weights.
        count: Images a draw, each a sum of 40 waves.
        timed: Angles and size of what is built.
        rounds: Turns of everyone.
        check: Angles and size of the layer that escnn checks.
    """

    angles: tuple[int, ...] = (8, 16)
    sizes: tuple[int, ...] = (5, 7, 9)
    bands: tuple[float, ...] = (0.125, 0.25)
    draws: int = 5
    count: int = 40
    timed: tuple[tuple[int, int], ...] = ((8, 7), (16, 7), (16, 9))
    rounds: int = 5
    check: tuple[int, int] = (8, 7)

    @property
    def turns(self) -> NDArray[np.float64]:
        """All turns of the largest group, in degrees."""
        return np.arange(max(self.angles)) * 360 / max(self.angles)


SMOKE = Config(angles=(8,), sizes=(5,), bands=(0.25,), draws=1, count=8, timed=((8, 5),), rounds=1, check=(8, 5))


@dataclasses.dataclass(frozen=True)
class Result:
    """What was found.

    Attributes:
        errors: By layer, angles, size and who.
        seconds: Of builds, by who, angles and size: `first` and `again`, round by round.
        numbers: Free ones, of each layer: circuitkit's spec's.
        about: What escnn says of itself: `weights`, what is `left` of the kernels that it is fitted to, and `check`.
        versions: Of escnn and what it stands on; None without it.
    """

    errors: dict[tuple[str, int, int, str], Errors]
    seconds: dict[tuple[str, int, int], list[dict[str, float]]]
    numbers: dict[str, int]
    about: dict[str, Any]
    versions: dict[str, str] | None


def alone(angles: str, size: str) -> dict[str, float]:
    """Returns the seconds of two builds of one network, `first` and `again`."""
    seconds = {}
    for name in ("first", "again"):
        start = time.perf_counter()
        kernels(ours.network(int(angles), int(size), SIGMA[int(size)]))
        seconds[name] = time.perf_counter() - start
    return seconds


def run(config: Config) -> Result:
    """Measures everything."""
    versions = peer.versions()
    images = waves(config)
    errors: dict[tuple[str, int, int, str], Errors] = {}
    arrays: dict[str, NDArray[Any]] = {"images": images}
    for angles in config.angles:
        for size in config.sizes:
            net = ours.network(angles, size, SIGMA[size])
            drawn = kernels(net)
            arrays |= {f"{layer} {angles} {size}": drawn[layer].transpose(3, 2, 0, 1) for layer in LAYERS}
            for layer in LAYERS:
                found = {name: responses(nets, images, layer) for name, nets in banks(net, config.draws).items()}
                errors |= {(layer, angles, size, name): error(given, angles) for name, given in found.items()}
                errors |= {(layer, angles, size, name): floor for name, floor in floors(net, layer, config).items()}
    about: dict[str, Any] = {}
    if versions:
        asked = {"angles": config.angles, "sizes": config.sizes, "check": config.check}
        about, found = peer.respond(asked, arrays)
        for key, given in found.items():
            kind, layer, angles, size = key.split()
            errors[layer, int(angles), int(size), ESCNN[kind]] = error(given.astype(np.float64), int(angles))
    turns = {}
    for angles, size in config.timed:
        turns[CIRCUITKIT, angles, size] = functools.partial(harness.alone, "steerable", angles, size)
        if versions:
            turns["escnn", angles, size] = functools.partial(peer.build, angles, size)
    circuit = net.circuit
    numbers = {layer: len(jax.tree.leaves(circuit[layer])) for layer in LAYERS}
    return Result(errors, harness.in_turns(turns, config.rounds), numbers, about, versions)


def waves(config: Config) -> NDArray[np.float32]:
    """Returns the images, as large as the widest unit's field: draw, turn, band, image, row, column."""
    side = 2 * max(config.sizes) - 1
    return np.stack([
        [
            [
                np.asarray(plane_waves(side, turn, band=band, count=config.count, seed=draw))[..., 0]
                for band in config.bands
            ]
            for turn in config.turns.tolist()
        ]
        for draw in range(config.draws)
    ])  # fmt: skip


def banks(net: CircuitNetwork, draws: int) -> dict[str, list[CircuitNetwork]]:
    """Returns the network and others of the same shapes: one for all draws, or one for each."""
    circuit, drawn = net.circuit, kernels(net)
    angles, size = len(circuit["edges"].unit_angles), drawn["edges"].shape[0]

    def filled(bank: dict[str, Any]) -> CircuitNetwork:
        wanted = {name: jax.numpy.asarray(kernel, jax.numpy.float32) for name, kernel in bank.items()}
        return CircuitNetwork(circuit, wanted, lay_out(circuit))

    by_chance = [np.random.default_rng(draw) for draw in range(draws)]
    return {
        CIRCUITKIT: [net],
        NARROW: [ours.network(angles, size, 0.8 * SIGMA[size])],
        WIDE: [ours.network(angles, size, 1.2 * SIGMA[size])],
        **{name: [filled(turned(net, drawn, order))] for name, order in ORDERS.items()},
        PLAIN: [filled({name: rng.normal(size=each.shape) for name, each in drawn.items()}) for rng in by_chance],
    }


def responses(nets: Sequence[CircuitNetwork], images: NDArray[np.float32], layer: str) -> NDArray[np.float64]:
    """Returns the responses of the unit in the middle: draw, turn, band, image, unit."""
    several = nets if len(nets) > 1 else nets * len(images)
    return np.stack([middle(net, draw, layer) for net, draw in zip(several, images, strict=True)])


def middle(net: CircuitNetwork, images: NDArray[np.float32], layer: str) -> NDArray[np.float64]:
    """Returns what the units in the middle do, for images of any number of leading axes."""
    side = net.receptive_field(layer).size[0]
    margin = (images.shape[-1] - side) // 2
    cut = images[..., margin : margin + side, margin : margin + side]
    maps = _run()(net, cut.reshape(-1, side, side, 1), layer)
    return np.asarray(maps, np.float64).reshape(*images.shape[:-2], -1)


@functools.cache
def _run() -> Any:
    return jax.jit(lambda net, images, layer: net(images, padding="VALID", upto=layer)[layer], static_argnums=2)


def error(given: NDArray[np.float64], angles: int) -> Errors:
    """Returns how far units are from being permuted, by every turn that carries members to members.

    Args:
        given: Responses by draw, turn, band, image and unit, for as many turns as the largest group has.
        angles: Members of the family: a turn by 360 / angles carries each to the next.
    """
    found = given[:, :: given.shape[1] // angles]
    wanted = np.stack([np.roll(found[:, 0], steps, axis=-1) for steps in range(angles)], axis=1)
    return np.linalg.norm(found - wanted, axis=(-2, -1)) / np.linalg.norm(wanted, axis=(-2, -1))


def floors(net: CircuitNetwork, layer: str, config: Config) -> dict[str, Errors]:
    """Returns what one finds who has to turn images by interpolation."""
    family = net.circuit[layer]
    probe, group = HandbuiltNet(net)[layer], cyclic(len(family.unit_angles))
    found = [
        equivariance_error(probe, group, bands=config.bands, images=max(2, config.count), seed=draw).floor["error"]
        for draw in range(config.draws)
    ]
    return {
        FLOOR.format(method): np.stack([
            np.pad(each.sel(interpolation=method).transpose("motion", "band").values, ((1, 0), (0, 0)))
            for each in found
        ])
        for method in METHODS
    }  # fmt: skip


def lines_of_code(*names: str) -> int:
    """Returns how many lines some files of this folder have, besides blank ones, comments and docstrings."""
    total = 0
    for name in names:
        text = (Path(__file__).with_name(name)).read_text()
        strings = [
            node
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        ]
        besides = {line for node in strings for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
        total += sum(
            bool(line.strip()) and not line.strip().startswith("#")
            for number, line in enumerate(text.splitlines(), 1)
            if number not in besides
        )
    return total


def tables(result: Result, config: Config) -> str:
    """Returns the result as Markdown."""
    parts = [
        f"escnn: {', '.join(f'{name} {version}' for name, version in result.versions.items())}."
        if result.versions
        else peer.MISSING,
        f"Median over {config.draws} draws of {config.count} images, and of random weights (least..most).",
    ]
    columns = [(angles, turn) for angles in config.angles for turn in (90, 45, 22.5) if turn * angles % 360 == 0]
    for layer in LAYERS:
        for size in config.sizes:
            for index, band in enumerate(config.bands):
                title = f"{layer}, {size}x{size}, up to {band:g} cycles a pixel"
                rows = [
                    [name, *(shown(at(result, layer, angles, size, name, turn, index)) for angles, turn in columns)]
                    for name in names(result, layer)
                ]
                parts.append(table([title, *(f"C_{angles}, {turn:g}°" for angles, turn in columns)], rows))
    rows = [
        [who, f"C_{angles}, {size}x{size}", *(spread(1000 * each[key] for each in found) for key in ("first", "again"))]
        for (who, angles, size), found in result.seconds.items()
    ]
    parts.append(table(["building both layers", "", "first in a process, ms", "again, ms"], rows))
    parts.append(counts(result, config))
    lines = [[CIRCUITKIT, str(lines_of_code("ours.py"))]]
    if result.versions:
        files = {RANDOM: ["theirs.py"], FITTED: ["theirs.py", "fitting.py"], RICH: ["rings.py", "fitting.py"]}
        lines += [[name, str(lines_of_code(*given))] for name, given in files.items()]
    parts.append(table(["written by the user", "lines"], lines))
    if result.versions:
        angles, size = config.check
        rows = [[name, f"{sum(passed)} of {len(passed)}"] for name, passed in result.about["check"].items()]
        parts.append(
            table([f"C_{angles}, {size}x{size}: in the layer stand", "pass escnn's check_equivariance()"], rows)
        )
    return "\n\n".join(parts) + "\n"


def names(result: Result, layer: str) -> list[str]:
    """Returns who was measured at a layer."""
    every = (CIRCUITKIT, NARROW, WIDE, *ESCNN.values(), *ORDERS, PLAIN, *map(FLOOR.format, METHODS))
    measured = {name for found, _, _, name in result.errors if found == layer}
    return [name for name in every if name in measured]


def at(result: Result, layer: str, angles: int, size: int, name: str, turn: float, band: int) -> list[float]:
    """Returns the errors of all draws at one turn and band."""
    return result.errors[layer, angles, size, name][:, round(turn * angles / 360), band].tolist()


def counts(result: Result, config: Config) -> str:
    """Returns how many free numbers there are, and how near escnn's come to circuitkit's kernels."""
    rows = []
    for layer in LAYERS:
        for angles in config.angles:
            for size in config.sizes:
                row = [
                    f"{layer}, C_{angles}, {size}x{size}",
                    f"{angles * size**2 * (angles if layer == 'lines' else 1):,}",
                ]
                row.append(str(result.numbers[layer]))
                for kind in ("fitted", "rich"):
                    key = f"{kind} {layer} {angles} {size}"
                    if key in result.about.get("left", {}):
                        row.append(f"{result.about['weights'][key]:,} ({result.about['left'][key]:.2g})")
                    else:
                        row.append("")
                rows.append(row)
    return table(
        ["", "weights of the kernel", "numbers in circuitkit's spec", "weights of escnn's layer (left of the fit)",
         "with more rings"],
        rows,
    )  # fmt: skip


def figure(result: Result, config: Config) -> Figure:
    """Shows the errors at the smallest turn, by kernel, at the first layer and at the second."""
    note = (
        f"||f(g x) - g f(x)|| / ||f(x)||, turned by {360 / max(config.angles):g}°, waves up to {max(config.bands):g} "
        "cycles a pixel; median, least and most. At 90° all but random numbers are exact, to 1e-6."
    )
    return _drawn(style.new_figure(4.3, "What is left of a turn", note), result, config)


@style.styled
def _drawn(drawn: Figure, result: Result, config: Config) -> Figure:
    looks = {
        CIRCUITKIT: (style.BLUE, "o"),
        RICH: (style.PURPLE, "P"),
        FITTED: (style.VERMILION, "v"),
        RANDOM: (style.ORANGE, "s"),
        "scipy.ndimage.rotate, order 3": (style.GREEN, "D"),
        "scipy.ndimage.rotate, order 1": (style.SKY, "^"),
        FLOOR.format("bicubic"): (style.GREY, "*"),
        PLAIN: (style.BLACK, "x"),
    }
    titles = {"edges": "first layer, from the image", "lines": "second layer, from the first"}
    angles, band = max(config.angles), config.bands.index(max(config.bands))
    for place, layer in enumerate(LAYERS):
        axes = style.place(drawn, 0.75 + 4.15 * place, style.HEAD + 0.25, 3.9, 2.2)
        measured = set(names(result, layer))
        for number, (name, (colour, marker)) in enumerate(looks.items()):
            if name in measured:
                found = [result.errors[layer, angles, size, name][:, 1, band] for size in config.sizes]
                at = np.arange(len(found)) + 0.09 * (number - (len(looks) - 1) / 2)
                middle = np.median(found, axis=1)
                ends = np.abs(np.stack([np.min(found, axis=1), np.max(found, axis=1)]) - middle)
                axes.errorbar(at, middle, yerr=ends, fmt=marker, color=colour, label=name, lw=1, ms=4.5)
        axes.set_xticks(range(len(config.sizes)), [f"{size}x{size}" for size in config.sizes])
        harness.logarithmic(axes.yaxis)
        axes.set(xlabel="kernels", ylim=(1e-4, 3), xlim=(-0.5, len(config.sizes) - 0.5))
        axes.set_title(titles[layer])
        axes.grid(axis="y", color=style.FAINT)
        if place:
            axes.tick_params(labelleft=False)
        else:
            axes.set_ylabel("relative error")
            drawn.legend(*axes.get_legend_handles_labels(), loc="lower center", ncol=3)
    return drawn


def measure(smoke: bool) -> tuple[str, Figure]:
    """Runs, and returns tables and figure."""
    config = SMOKE if smoke else Config()
    result = run(config)
    return tables(result, config), figure(result, config)


if __name__ == "__main__":
    harness.main(__file__, __doc__, measure, alone)
