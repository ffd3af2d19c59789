"""How long does an image that excites a channel take, beside lucent and JAX as it is usually written?

Run:    python -m benchmarks visualization            (some two minutes on two cores)
Smoke:  python -m benchmarks visualization --smoke    (seconds)
Writes: benchmarks/visualization/out/tables.md, and visualization.png beside this file (into out/ for the smoke run)

All make a batch of eight images for one channel of the last layer of the same net, by so many steps of Adam, on spectra
in decorrelated colours, with jitter, scaling and turns.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from benchmarks import harness
from benchmarks.harness import Rate, number, rate, spread, table
from benchmarks.visualization.pipelines import BATCH, LAYER, PIPELINES, maps, torch_net
from circuitkit.viz import style

OURS = "circuitkit, visualize()"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """How much is measured.

    Attributes:
        size: Side of the images, in pixels.
        steps: Of the ascent.
        rounds: Turns of everyone.
    """

    size: int = 128
    steps: int = 256
    rounds: int = 5


SMOKE = Config(size=48, steps=3, rounds=1)


@dataclasses.dataclass(frozen=True)
class Result:
    """What was found.

    Attributes:
        rates: Images a second of everyone, round by round.
        first: Seconds of the first batch, compilation and all.
        reached: Mean response of the channel to the images, by the net itself.
        missing: What is not installed, by pipeline.
        difference: Of torch's maps from JAX's, as a share of their norm; NaN without torch.
    """

    rates: dict[str, list[Rate]]
    first: dict[str, float]
    reached: dict[str, float]
    missing: dict[str, list[str]]
    difference: float


def run(config: Config) -> Result:
    """Measures everything."""
    turns: dict[str, Callable[[], Rate]] = {}
    first, reached = {}, {}
    for name, pipeline in PIPELINES.items():
        if pipeline.missing:
            continue
        work = pipeline.prepare(config.size, config.steps)
        images = []
        first[name] = 1 / rate(lambda work=work, images=images: images.append(work()), 1).wall
        reached[name] = float(maps(jnp.asarray(images[0], jnp.float32))[LAYER][..., 0].mean())
        turns[name] = functools.partial(rate, work, BATCH)
    return Result(
        rates=harness.in_turns(turns, config.rounds),
        first=first,
        reached=reached,
        missing={name: pipeline.missing for name, pipeline in PIPELINES.items() if pipeline.missing},
        difference=difference(config.size) if harness.installed("torch") else float("nan"),
    )


def difference(size: int) -> float:
    """Returns how far torch's maps are from JAX's, on noise."""
    import torch

    images = np.random.default_rng(0).uniform(-1, 1, (2, size, size, 3)).astype(np.float32)
    with torch.no_grad():
        found = torch_net()(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy().transpose(0, 2, 3, 1)
    return harness.difference(found, np.asarray(maps(jnp.asarray(images))[LAYER]))


def tables(result: Result, config: Config) -> str:
    """Returns the result as Markdown."""
    titles = [
        f"{config.size}x{config.size}, {config.steps} steps, {BATCH} at a time",
        "s an image",
        "core seconds an image",
        "times as fast as circuitkit",
        "first batch, s",
        "response reached",
    ]
    rows = [
        [
            name,
            spread(1 / each.wall for each in rates),
            spread(1 / each.core for each in rates),
            number(harness.ratios(rates, result.rates[OURS]).wall),
            number(result.first[name]),
            number(result.reached[name]),
        ]
        for name, rates in result.rates.items()
    ]
    parts = [table(titles, rows)]
    if np.isfinite(result.difference):
        parts.append(f"The two nets' maps differ by {result.difference:.1g} of their norm.")
    if result.missing:
        left_out = (f"{name} (needs {', '.join(missing)})" for name, missing in result.missing.items())
        parts.append(f"Not installed, and left out: {'; '.join(left_out)}.")
    return "\n\n".join(parts) + "\n"


def figure(result: Result, config: Config) -> Figure:
    """Shows how long an image takes."""
    note = f"{config.size}x{config.size} pixels, {config.steps} steps; median, least and most"
    return _drawn(style.new_figure(2.3, "An image that excites a channel", note), result)


@style.styled
def _drawn(drawn: Figure, result: Result) -> Figure:
    times = style.place(drawn, 2.3, style.HEAD + 0.1, 4.6, 1.1)
    for place, (name, rates) in enumerate(reversed(result.rates.items())):
        found = [1 / each.wall for each in rates]
        middle = float(np.median(found))
        colour = style.BLUE if name == OURS else style.VERMILION
        times.errorbar(middle, place, xerr=[[middle - min(found)], [max(found) - middle]], fmt="o", color=colour)
    times.set_yticks(range(len(result.rates)), list(result.rates)[::-1])
    times.set(xlabel="seconds an image", ylim=(-0.5, len(result.rates) - 0.5))
    times.set_xlim(left=0)
    times.grid(axis="x", color=style.FAINT)
    return drawn


def measure(smoke: bool) -> tuple[str, Figure]:
    """Runs, and returns tables and figure."""
    config = SMOKE if smoke else Config()
    result = run(config)
    return tables(result, config), figure(result, config)


if __name__ == "__main__":
    harness.main(__file__, __doc__, measure)
