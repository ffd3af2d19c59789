"""How long does a circuit take from its spec to a network, and what do kernels turned by interpolation lose?

Run:    python -m benchmarks building            (a minute on two cores)
Smoke:  python -m benchmarks building --smoke    (seconds)
Writes: benchmarks/building/out/tables.md, and building.png beside this file (into out/ for the smoke run)

The circuit is `handbuilt.curves`. Beside circuitkit stand kernels as people turn them, the first member's by
`scipy.ndimage.rotate`, and the library's own reference in NumPy, one weight at a time, of which a part is timed.
"""

import dataclasses
import functools
import time
from collections.abc import Callable

import jax
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks import harness
from benchmarks.harness import number, spread, table
from circuitkit import build, reference
from circuitkit.network import CircuitNetwork
from circuitkit.spec import Circuit, Gabor
from circuitkit.viz import style
from handbuilt import curves

CIRCUITKIT, REFERENCE = "circuitkit, compiled before", "one weight at a time, in NumPy"

ORDERS = {f"scipy.ndimage.rotate, order {order}": order for order in (1, 3)}

Kernels = dict[str, NDArray[np.float32]]
Fresh = Callable[..., dict[str, float]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """How much is measured.

    Attributes:
        circuit: What is built.
        rounds: Turns of everyone.
        fresh: How often it is built in a process of its own.
    """

    circuit: Circuit = curves.SPEC
    rounds: int = 7
    fresh: int = 5


SMOKE = Config(circuit=Circuit("small", curves.SPEC.families[:5]), rounds=1, fresh=1)


@dataclasses.dataclass(frozen=True)
class Result:
    """What was found.

    Attributes:
        fresh: Seconds of builds in processes of their own: `first`, `second`, and `another` of another radius.
        seconds: Of everyone, round by round.
        lost: What interpolation changes, as a share of the kernels' norm, by how it was done and family.
        weights: How many there are.
    """

    fresh: list[dict[str, float]]
    seconds: dict[str, list[float]]
    lost: dict[str, dict[str, float]]
    weights: int


def alone() -> dict[str, float]:
    """Returns the seconds of three builds: the first, the same again, and one of a circuit with other numbers."""
    seconds = {}
    for name, circuit in (("first", curves.SPEC), ("second", curves.SPEC), ("another", curves.circuit(radius=25.0))):
        start = time.perf_counter()
        built(circuit)
        seconds[name] = time.perf_counter() - start
    return seconds


def built(circuit: Circuit) -> Kernels:
    """Builds a circuit, and returns its kernels when they are there."""
    return kernels(build(circuit))


def kernels(network: CircuitNetwork) -> Kernels:
    """Returns the kernels of every family."""
    return {name: np.asarray(jax.block_until_ready(layer.kernel[...])) for name, layer in network.layers.items()}


def run(config: Config, *, fresh: Fresh) -> Result:
    """Measures everything.

    Args:
        config: How much.
        fresh: Runs `alone`, in a process of its own if it is to mean anything.
    """
    network = build(config.circuit)
    drawn = kernels(network)
    turns = {CIRCUITKIT: functools.partial(seconds, functools.partial(built, config.circuit))}
    lost = {}
    for name, order in ORDERS.items():
        turn = functools.partial(turned, network, drawn, order)
        lost[name] = {family: harness.difference(bank, drawn[family]) for family, bank in turn().items()}
        turns[name] = functools.partial(seconds, turn)
    turns[REFERENCE] = functools.partial(one_by_one, network)
    found = harness.in_turns(turns, config.rounds)
    return Result([fresh() for _ in range(config.fresh)], found, lost, sum(kernel.size for kernel in drawn.values()))


def seconds(work: Callable[[], object]) -> float:
    """Returns how long some work takes."""
    return 1 / harness.rate(work, 1).wall


def turned(network: CircuitNetwork, drawn: Kernels, order: int) -> Kernels:
    """Returns kernels as people turn them: one member's by interpolation, and the angles that it reads by whole steps.

    Where a family reads angles further apart than its own, its members between them are turned from one drawn between.

    Args:
        network: The circuit.
        drawn: Its kernels.
        order: Of the interpolation.
    """
    circuit, banks = network.circuit, {}
    for family in circuit.families:
        layout = network.layers[family.name].layout
        steps = {name: circuit[name].step for name in family.source_names}
        apart = max((round(step / family.step) for step in steps.values()), default=1)
        members = []
        for index, angle in enumerate(family.unit_angles):
            first = index % max(1, apart)
            turn = angle - family.unit_angles[first]
            shifts = {name: round(turn / steps[name]) if steps else 0 for name in layout.sources}
            groups = [
                np.roll(drawn[family.name][:, :, layout.channels(name), first], shift, axis=2)
                for name, shift in shifts.items()
            ]
            members.append(ndimage.rotate(np.concatenate(groups, axis=2), turn, reshape=False, order=order))
        banks[family.name] = np.stack(members, axis=3)
    return banks


def one_by_one(network: CircuitNetwork) -> float:
    """Returns how long the reference takes; of tiles, one pair of units a family is timed, and stands for all pairs."""
    circuit, total = network.circuit, 0.0
    for family in circuit.families:
        reach = network.layers[family.name].layout.shape[0] // 2
        if isinstance(family.looks_for, Gabor):
            total += seconds(functools.partial(reference.image_weights, family, reach))
        for tile in family.tiles:
            sources = [circuit[name] for name in tile.source_names]
            pairs = len(family) * sum(len(source) for source in sources)
            member, unit = family.unit_poses[-1], sources[0].unit_poses[0]
            total += pairs * seconds(
                functools.partial(reference.tile_weights, tile, sources[0], sources, family, member, unit, reach)
            )
    return total


def tables(result: Result) -> str:
    """Returns the result as Markdown."""
    titles = [f"{result.weights:,} weights, from spec to network", "s", "times circuitkit's"]
    base = result.seconds[CIRCUITKIT]
    rows = [
        [
            name + (", extrapolated from a part" if name == REFERENCE else ""),
            spread(found),
            number(float(np.median(np.divide(found, base)))),
        ]
        for name, found in result.seconds.items()
    ]
    first = {
        "circuitkit, first build in a process": "first",
        "circuitkit, the same again": "second",
        "circuitkit, then one of another radius": "another",
    }
    rows += [[title, spread(each[key] for each in result.fresh), ""] for title, key in first.items()]
    parts = [table(titles, rows)]
    families = list(next(iter(result.lost.values())))
    rows = [[name, *(f"{lost[family]:.2g}" for family in families)] for name, lost in result.lost.items()]
    parts.append(table(["difference from kernels drawn turned", *families], rows))
    return "\n\n".join(parts) + "\n"


def figure(result: Result) -> Figure:
    """Shows how long everyone takes, and what interpolation loses."""
    note = "left: median, least and most; right: kernels turned against kernels drawn, as a share of their norm"
    return _drawn(style.new_figure(2.9, "From spec to network", note), result)


@style.styled
def _drawn(drawn: Figure, result: Result) -> Figure:
    took = {"circuitkit, first build": [each["first"] for each in result.fresh], **result.seconds}
    times = style.place(drawn, 2.3, style.HEAD + 0.1, 2.3, 1.6)
    for place, (name, found) in enumerate(reversed(took.items())):
        middle = float(np.median(found))
        colour = style.BLUE if name.startswith("circuitkit") else style.VERMILION
        ends = [[middle - min(found)], [max(found) - middle]]
        times.errorbar(middle, place, xerr=ends, fmt="o", color=colour)
    times.set_yticks(range(len(took)), list(took)[::-1])
    harness.logarithmic(times.xaxis)
    times.set(xlabel="seconds", ylim=(-0.5, len(took) - 0.5))
    times.grid(axis="x", color=style.FAINT)
    lost = style.place(drawn, 5.6, style.HEAD + 0.1, 3.1, 1.6)
    for (name, by_family), colour, marker in zip(
        result.lost.items(), (style.VERMILION, style.ORANGE), "vs", strict=True
    ):
        lost.plot(range(len(by_family)), list(by_family.values()), marker, color=colour, ms=5, label=name)
    families = list(next(iter(result.lost.values())))
    lost.set_xticks(range(len(families)), families, rotation=25, ha="right")
    lost.set(ylabel="relative difference", ylim=(-0.004, 0.13))
    lost.grid(axis="y", color=style.FAINT)
    lost.legend()
    return drawn


def measure(smoke: bool) -> tuple[str, Figure]:
    """Runs, and returns tables and figure."""
    result = run(
        SMOKE if smoke else Config(), fresh=alone if smoke else functools.partial(harness.alone, "building", "build")
    )
    return tables(result), figure(result)


if __name__ == "__main__":
    harness.main(__file__, __doc__, measure, lambda _: alone())
