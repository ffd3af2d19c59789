"""How long do exact groups of neurons take along a line and over a plane, beside dense sampling?

Run:    python -m benchmarks neurons            (a minute or two on two cores)
Smoke:  python -m benchmarks neurons --smoke    (seconds)
Writes: benchmarks/neurons/out/tables.md, and neurons.png beside this file (into out/ for the smoke run)

Nets of Gaussian weights. Sampling does the same work as people do it: a grid of inputs through the layers, then the
places where the set of positive neurons, or of the highest, changes from one to the next; over a plane, the distinct
sets. It is given float64 as well. What it finds is off by up to a step, and it misses what lies between two samples.
"""

import dataclasses
from collections.abc import Callable
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks import harness
from benchmarks.harness import Rate, spread, table
from circuitkit.neurons import Affine, Path, Predicate, Surface, groups, positive, rectangle, segment, through, top
from circuitkit.viz import style

EXACT, SAMPLED = "exact", "sampled"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """One net, and what is asked of it.

    Attributes:
        name: What it is called.
        widths: Inputs, and neurons of each layer.
        wanted: Who is in a group.
        limit: Seconds that it may take.
    """

    name: str
    widths: tuple[int, ...]
    wanted: Predicate
    limit: float

    @property
    def plane(self) -> bool:
        return self.widths[0] == 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """How much is measured.

    Attributes:
        tasks: What is asked.
        samples: Along a line.
        side: Samples along each side of a plane.
        rounds: In which both have their turn.
    """

    tasks: tuple[Task, ...] = (
        Task(name="line, 512 neurons", widths=(64, 512), wanted=positive(), limit=1.0),
        Task(name="line, 512 and 512 neurons", widths=(64, 512, 512), wanted=positive(), limit=1.0),
        Task(name="line, 512 and 512, ten highest", widths=(64, 512, 512), wanted=top(10), limit=1.0),
        Task(name="plane, 64 neurons", widths=(2, 64), wanted=positive(), limit=5.0),
        Task(name="plane, 64 and 64 neurons", widths=(2, 64, 64), wanted=positive(), limit=5.0),
        Task(name="plane, 64 and 64, three highest", widths=(2, 64, 64), wanted=top(3), limit=5.0),
    )
    samples: int = 100_000
    side: int = 1000
    rounds: int = 5


SMOKE = Config(
    tasks=(
        Task(name="line, 32 and 32 neurons", widths=(8, 32, 32), wanted=positive(), limit=1.0),
        Task(name="plane, 12 and 12, three highest", widths=(2, 12, 12), wanted=top(3), limit=5.0),
    ),
    samples=2000,
    side=60,
    rounds=2,
)

Sets = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Found:
    """What one way found of one task.

    Attributes:
        seconds: Of each round.
        core: Seconds that cores worked, of each round.
        sets: (set, byte) the distinct groups, as bits.
        count: Stretches, or cells.
    """

    seconds: list[float]
    core: list[float]
    sets: Sets
    count: int


Result = dict[tuple[str, str], Found]


def net(task: Task) -> list[Affine]:
    """Returns the layers, drawn at random with variances that keep sizes alike."""
    rng = np.random.default_rng(0)
    return [
        Affine(rng.normal(size=(before, after)) * np.sqrt(2 / before), rng.normal(size=after) / 2)
        for before, after in zip(task.widths[:-1], task.widths[1:], strict=True)
    ]


def domain(task: Task) -> Path | Surface:
    """Returns the square from -1 to 1, or the line between two random points."""
    if task.plane:
        return rectangle((-1, -1), (1, 1))
    return segment(*np.random.default_rng(1).normal(size=(2, task.widths[0])))


def exact(task: Task, layers: list[Affine]) -> tuple[Sets, int]:
    """Returns the distinct groups and the number of stretches or cells, by computing where they change."""
    found = groups(through(layers, domain(task)), task.wanted)
    return np.unique(np.packbits(found.members, axis=1), axis=0), len(found.members)


def sampled(task: Task, layers: list[Affine], config: Config) -> tuple[Sets, int]:
    """Returns the same as dense samples tell it."""
    where = domain(task)
    if isinstance(where, Path):
        points = where(np.linspace(0, 1, config.samples))
    else:
        ticks = np.linspace(-1, 1, config.side)
        points = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    parts = []
    for start in range(0, len(points), 10_000):  # what fits into a cache is faster than all at once
        values = points[start : start + 10_000]
        for number, layer in enumerate(layers):
            values = (np.maximum(values, 0) if number else values) @ layer.weights + layer.bias
        parts.append(np.packbits(task.wanted.members(values), axis=1))
    sets = np.concatenate(parts)
    distinct = np.unique(sets, axis=0)
    return distinct, len(distinct) if task.plane else 1 + int((sets[1:] != sets[:-1]).any(axis=1).sum())


def run(config: Config) -> Result:
    """Measures everything."""
    result: Result = {}
    for task in config.tasks:
        layers = net(task)
        ways: dict[str, Callable[[], tuple[Sets, int]]] = {
            EXACT: partial(exact, task, layers),
            SAMPLED: partial(sampled, task, layers, config),
        }
        found = {way: work() for way, work in ways.items()}  # once, before any clock runs
        rates: dict[str, list[Rate]] = harness.in_turns(
            {way: partial(harness.rate, work, 1.0) for way, work in ways.items()}, config.rounds
        )
        for way, (sets, count) in found.items():
            times = [[1 / number for number in rate] for rate in rates[way]]
            result[task.name, way] = Found([wall for wall, _ in times], [core for _, core in times], sets, count)
    return result


def missed(result: Result, task: Task) -> tuple[int, int]:
    """Returns how many distinct groups there are, and how many of them no sample saw."""
    held = {way: {row.tobytes() for row in result[task.name, way].sets} for way in (EXACT, SAMPLED)}
    return len(held[EXACT]), len(held[EXACT] - held[SAMPLED])


def tables(result: Result, config: Config) -> str:
    """Returns the result as Markdown."""
    rows = []
    for task in config.tasks:
        ours, theirs = (result[task.name, way] for way in (EXACT, SAMPLED))
        count, unseen = missed(result, task)
        rows.append([
            task.name, spread(ours.seconds), f"{task.limit:g}", spread(theirs.seconds), spread(ours.core),
            spread(theirs.core), f"{ours.count:,}", f"{count:,}", f"{unseen:,}",
        ])  # fmt: skip
    text = (
        f"Seconds, median of {config.rounds} rounds (least..most). Sampled at {config.samples:,} points of a line, "
        f"{config.side**2:,} of a plane. Cells of a plane are cut at bends as well, so there are more than groups."
    )
    titles = [
        "task", "exact", "wanted below", "sampled", "exact, core seconds", "sampled, core seconds",
        "stretches or cells", "distinct groups", "of these unseen by samples",
    ]  # fmt: skip
    return f"{text}\n\n{table(titles, rows)}\n"


def figure(result: Result, config: Config) -> Figure:
    """Shows how long each took, with what was wanted."""
    note = f"{config.samples:,} samples of a line, {config.side**2:,} of a plane; median, least and most of rounds."
    return _drawn(style.new_figure(1.3 + 0.42 * len(config.tasks), "Groups of neurons: exact and sampled", note),
                  result, config)  # fmt: skip


@style.styled
def _drawn(figure: Figure, result: Result, config: Config) -> Figure:
    axes = style.place(figure, 2.6, style.HEAD + 0.1, 4.6, 0.42 * len(config.tasks))
    for way, colour, marker, shift in ((EXACT, style.BLUE, "o", -0.15), (SAMPLED, style.VERMILION, "s", 0.15)):
        times = [result[task.name, way].seconds for task in config.tasks]
        middle = np.median(times, axis=1)
        ends = np.abs(np.stack([np.min(times, axis=1), np.max(times, axis=1)]) - middle)
        axes.errorbar(middle, np.arange(len(times)) + shift, xerr=ends, fmt=marker, color=colour, ms=5, label=way)
    limits = [task.limit for task in config.tasks]
    axes.plot(limits, range(len(limits)), "|", color=style.BLACK, ms=16, mew=1.5, label="wanted below")
    axes.set_yticks(range(len(limits)), [task.name for task in config.tasks])
    axes.set(ylim=(len(limits) - 0.5, -0.5), xlabel="seconds")
    harness.logarithmic(axes.xaxis)
    axes.grid(axis="x", color=style.FAINT)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    return figure


def measure(smoke: bool) -> tuple[str, Figure]:
    """Runs, and returns tables and figure."""
    config = SMOKE if smoke else Config()
    result = run(config)
    return tables(result, config), figure(result, config)


if __name__ == "__main__":
    harness.main(__file__, __doc__, measure)
