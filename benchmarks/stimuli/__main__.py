"""How fast and how exactly are arcs drawn, by circuitkit and by what else draws them in Python?

Run:    python -m benchmarks stimuli            (some minutes on two cores; needs the extra `bench`)
Smoke:  python -m benchmarks stimuli --smoke    (seconds)
Writes: benchmarks/stimuli/out/tables.md, and stimuli.png beside this file (into out/ for the smoke run)

Renderers that are not installed are left out, and named. Times come from rounds in which every renderer has its turn,
so that whatever else the machine does meets all of them; errors are the same in every run.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from matplotlib.figure import Figure

from benchmarks import harness
from benchmarks.harness import Rate, median, number, ratios, table
from benchmarks.stimuli.arcs import Arc, centred, covered, draw_lots
from benchmarks.stimuli.renderers import BASE, ENTRIES, MODES, Entry, by_jit
from circuitkit.errors import StimulusError
from circuitkit.stimuli import CATALOGUE, Curve, Disc, LogUniform, Renderer, Stimulus, Uniform, sample
from circuitkit.stimuli.parameter import parameters


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """How much is measured.

    Attributes:
        sizes: Sides of the images, in pixels.
        arcs: Length of the list of arcs, by size.
        judged: How many of them are compared with their true coverage, by size.
        samples: Points a side of every pixel, for the true coverage.
        seconds: That each renderer's turn takes, about.
        rounds: Turns of every renderer.
        chunks: Images drawn at a time in the search for the best number, by size.
        kinds: Stimuli whose compilation is timed; all if empty.
        counts: Of stimuli drawn in a process of their own, whose memory is measured.
    """

    sizes: tuple[int, ...] = (64, 224)
    arcs: tuple[int, ...] = (4096, 512)
    judged: tuple[int, ...] = (128, 32)
    samples: int = 32
    seconds: float = 0.25
    rounds: int = 9
    chunks: tuple[tuple[int, ...], ...] = ((16, 32, 64, 128, 256, 512, 1024, 4096), (2, 4, 8, 16, 32, 64, 128, 256))
    kinds: tuple[str, ...] = ()
    counts: tuple[int, ...] = (1_000, 100_000)


SMOKE = Config(
    arcs=(16, 4),
    judged=(16, 4),
    samples=16,
    seconds=0.0,
    rounds=1,
    chunks=((8,), (2,)),
    kinds=("Curve", "Union"),
    counts=(),
)


class Row(NamedTuple):
    """What was found of one renderer at one size.

    Attributes:
        name: Of the renderer.
        size: Side of the images.
        error: Mean difference from the true coverage, over the pixels that the stroke touches.
        largest: Largest difference, over all pixels.
        rates: Images a second, round by round, and a second of one core's work.
    """

    name: str
    size: int
    error: float
    largest: float
    rates: list[Rate]


class Kind(NamedTuple):
    """What was found of one kind of stimulus, in one mode.

    Attributes:
        name: Its class.
        mode: Of circuitkit's renderer.
        seconds: From the Python function to the compiled one, the shortest of three times.
        rate: Images a second, the most of all rounds.
        images_held: What the compiled function keeps on the way, in images of one channel for each that it draws.
    """

    name: str
    mode: str
    seconds: float
    rate: float
    images_held: float


class Result(NamedTuple):
    """All that was measured.

    Attributes:
        missing: Renderers that are not installed, and kinds of stimuli that need a picture of the user's own.
        rows: Of every renderer, at every size.
        chunks: Images a second, by mode, size and number of images at a time.
        kinds: Of every kind of stimulus, in every mode.
        memory: Mebibytes at the peak, beyond those of the process before it drew, by mode and number of stimuli.
    """

    missing: list[str]
    rows: list[Row]
    chunks: dict[tuple[str, int, int], float]
    kinds: list[Kind]
    memory: dict[tuple[str, int], float]


def run(config: Config) -> Result:
    """Measures everything."""
    entries = {name: entry for name, entry in ENTRIES.items() if not entry.missing}
    memory = {
        (mode, count): harness.alone("stimuli", mode, count)["grown"] for mode in MODES for count in config.counts
    }
    examples = {name: example(CATALOGUE[name]) for name in config.kinds or sorted(CATALOGUE)}
    kinds = [found for stimulus in examples.values() if stimulus for found in compilations(stimulus, config)]
    missing = [*(set(ENTRIES) - set(entries)), *(name for name, stimulus in examples.items() if not stimulus)]
    rows, chunks = [], {}
    for size, count, judged, at_a_time in zip(config.sizes, config.arcs, config.judged, config.chunks, strict=True):
        arcs = draw_lots(count, size, seed=0)
        errors = {name: differences(entry, arcs[:judged], size, config.samples) for name, entry in entries.items()}
        rates = in_turns(entries, arcs, size, config)
        rows += [Row(name, size, *errors[name], rates[name]) for name in entries]
        tried = {
            (mode, size, chunk): Entry(functools.partial(by_jit, renderer, chunk=chunk))
            for mode, renderer in MODES.items()
            for chunk in at_a_time
        }
        chunks |= {key: median(found).wall for key, found in in_turns(tried, arcs, size, config).items()}
    return Result(sorted(missing), rows, chunks, kinds, memory)


def differences(entry: Entry, arcs: Sequence[Arc], size: int, samples: int) -> tuple[float, float]:
    """Returns the mean error on stroke pixels and the largest error, as shares of the arcs' contrasts."""
    arcs = [centred(arc) for arc in arcs] if entry.centred else arcs
    drawn = np.concatenate([np.reshape(block, (-1, size, size)) for block in entry.prepare(arcs, size)()])
    full = np.array([arc.contrast if entry.stimuli else 255 for arc in arcs])
    truth = np.stack([covered(arc, size, samples=samples) for arc in arcs])
    off = np.abs(drawn[: len(arcs)] / full[:, None, None] - truth)
    return float(off[truth > 0].mean()), float(off.max())


def in_turns(entries: dict[Any, Entry], arcs: Sequence[Arc], size: int, config: Config) -> dict[Any, list[Rate]]:
    """Returns how fast each renderer was, round by round."""
    turns = {key: turn(entry, arcs, size, config.seconds) for key, entry in entries.items()}
    return harness.in_turns(turns, config.rounds)


def turn(entry: Entry, arcs: Sequence[Arc], size: int, seconds: float) -> Callable[[], Rate]:
    """Returns a function that draws for about so many seconds, and returns how fast."""
    arcs = [centred(arc) for arc in arcs] if entry.centred else list(arcs)

    def rate(images: Callable[[], Iterable[object]], count: int, times: int = 1) -> Rate:
        def drawn() -> None:
            for _ in range(times):
                for _ in images():
                    pass

        return harness.rate(drawn, count * times)

    # A slow renderer draws the beginning of the list, a fast one all of it several times.
    few = entry.prepare(arcs[:16], size)
    rate(few, 16)
    count = int(np.clip(seconds * rate(few, 16).wall, min(16, len(arcs)), len(arcs)))
    images = entry.prepare(arcs[:count], size)
    rate(images, count)
    return functools.partial(rate, images, count, max(1, round(seconds * rate(images, count).wall / count)))


def compilations(stimulus: Stimulus, config: Config) -> Iterator[Kind]:
    """Yields how long a stimulus takes to compile in each mode, and how fast it is then drawn, at 64 pixels."""
    size, chunk = 64, 64
    axes = ["angle", *own_numbers(stimulus)]
    rows = np.tile(np.array([getattr(stimulus, axis) for axis in axes], np.float32), (chunk, 1))
    for mode, renderer in MODES.items():
        seconds, rates = [], []
        for _ in range(min(config.rounds, 3)):
            jax.clear_caches()  # so that no kind gains by what another has traced
            start = time.perf_counter()
            compiled = jax.jit(jax.vmap(drawing(stimulus, axes, renderer, size))).lower(rows).compile()
            seconds.append(time.perf_counter() - start)
        for _ in range(config.rounds):
            start = time.perf_counter()
            np.asarray(compiled(rows))
            rates.append(chunk / (time.perf_counter() - start))
        held = compiled.memory_analysis().temp_size_in_bytes / (4 * chunk * size**2)
        yield Kind(type(stimulus).__name__, mode, min(seconds), max(rates), held)


def drawing(stimulus: Stimulus, axes: Sequence[str], renderer: Renderer, size: int) -> Callable[[jax.Array], jax.Array]:
    """Returns the function that draws a stimulus from the values of some of its parameters."""

    def draw(row: jax.Array) -> jax.Array:
        return stimulus.with_values(dict(zip(axes, row, strict=True))).draw(size, renderer=renderer)

    return draw


def example(kind: type[Stimulus]) -> Stimulus | None:
    """Returns a stimulus of a kind, discs for the parts it needs; None if it needs what nobody can guess."""
    needed = {name: Disc() for name, known in parameters(kind).items() if known.kind == "part"}
    for parts in ({}, {name: disc for name, disc in needed.items() if name not in ("texture", "occluder")}):
        try:
            made = kind(**parts)
            jax.eval_shape(lambda made=made: made.draw(8))
        except (StimulusError, TypeError):
            continue
        return made
    return None


def own_numbers(stimulus: Stimulus) -> list[str]:
    """Returns the numbers that a kind of stimulus has beyond those that all have."""
    known = parameters(stimulus)
    return [name for name in type(stimulus).__annotations__ if name in known and known[name].kind == "number"]


def alone(mode: str, count: str) -> dict[str, float]:
    """Draws a sample of arcs, a chunk at a time, and returns by how many MiB the process has grown at most."""
    before = harness.memory("VmRSS")
    ranges = {"angle": Uniform(0, 360), "radius": LogUniform(8, 22), "length": Uniform(16, 46)}
    for _ in sample(Curve(), int(count), seed=0, **ranges).chunks(64, renderer=MODES[mode]):
        pass
    return {"grown": harness.memory("VmHWM") - before}


def tables(result: Result) -> str:
    """Returns the result as Markdown."""
    parts = []
    for size in dict.fromkeys(row.size for row in result.rows):
        rows = [row for row in result.rows if row.size == size]
        base = next((row.rates for row in rows if row.name == BASE), None)
        titles = ("images/s", "lowest, highest", "times skia", "a core-second", "times skia", "mean error", "largest")
        lines = []
        for row in rows:
            middle, walls = median(row.rates), [rate.wall for rate in row.rates]
            wall, core = ("", "") if base is None else (f"{ratio:.2g}" for ratio in ratios(row.rates, base))
            lines.append(
                [row.name, number(middle.wall), f"{number(min(walls))}, {number(max(walls))}", wall]
                + [number(middle.core), core, f"{row.error:.4f}", f"{row.largest:.2f}"]
            )
        parts.append(table([f"{size}x{size}", *titles], lines))
    if result.missing:
        parts.append(f"Left out: {', '.join(result.missing)}.")
    for size in dict.fromkeys(size for _, size, _ in result.chunks):
        tried = list(dict.fromkeys(chunk for _, side, chunk in result.chunks if side == size))
        rates = [[mode, *(number(result.chunks[mode, size, chunk]) for chunk in tried)] for mode in MODES]
        parts.append(table([f"{size}x{size}, images at a time", *map(str, tried)], rates))
    titles = ("kind", "mode", "compiled in", "images/s, 64x64", "held on the way")
    kinds = (
        (kind.name, kind.mode, f"{kind.seconds:.2f} s", number(kind.rate), f"{kind.images_held:.1f} images")
        for kind in result.kinds
    )
    parts.append(table(titles, kinds))
    memory = ((mode, f"{count:,}", f"{grown:.0f} MiB") for (mode, count), grown in result.memory.items())
    parts.append(table(("mode", "stimuli", "memory at the peak"), memory))
    return "\n\n".join(parts) + "\n"


def figure(result: Result) -> Figure:
    """Shows how fast and how exact every renderer is, the fastest on top."""
    sizes = list(dict.fromkeys(row.size for row in result.rows))
    ranked = sorted((row for row in result.rows if row.size == sizes[0]), key=lambda row: median(row.rates).wall)
    names = [row.name for row in ranked]
    drawn = Figure(figsize=(8, 0.27 * len(names) + 1), layout="constrained")
    speed, error = drawn.subplots(1, 2, sharey=True)
    for size, marker in zip(sizes, "os", strict=False):
        for row in (row for row in result.rows if row.size == size):
            colour = "#0072B2" if row.name.startswith("circuitkit") else "#D55E00"
            look = {"color": colour, "mfc": colour if size == sizes[0] else "white", "ls": "", "ms": 6}
            place = names.index(row.name)
            label = f"{size}x{size} pixels" if place == len(names) - 1 else None
            speed.plot(median(row.rates).wall, place, marker, label=label, **look)
            error.plot(row.error, place, marker, **look)
    for axes, title in ((speed, "images/s"), (error, "mean error on stroke pixels")):
        axes.set(xscale="log", title=title)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    speed.set_yticks(range(len(names)), names)
    speed.legend(loc="lower right", fontsize=8)
    return drawn


def measure(smoke: bool) -> tuple[str, Figure]:
    """Runs, and returns tables and figure."""
    result = run(SMOKE if smoke else Config())
    return tables(result), figure(result)


if __name__ == "__main__":
    harness.main(__file__, __doc__, measure, alone)
