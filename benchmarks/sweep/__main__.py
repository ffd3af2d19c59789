"""How fast do arcs become responses, how exactly, and in how much memory: circuitkit beside what users write?

Run:    python -m benchmarks sweep            (some ten minutes on two cores; needs the extra `bench` and torch)
Smoke:  python -m benchmarks sweep --smoke    (seconds)
Writes: benchmarks/sweep/out/tables.md, and sweep.png beside this file (into out/ for the smoke run)

10,240 arcs go through a net of five convolutions, and one unit of each map is read. Every pipeline's responses are
compared with those to the true coverage, and all nets with one in float64 on the same images; a pipeline that is off by
more than its renderer explains is not timed: the run ends. Pipelines that are not installed are left out, and named.
"""

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks import harness
from benchmarks.harness import Rate
from benchmarks.sweep import squeezenet, work
from benchmarks.sweep.alone import alone
from benchmarks.sweep.pipelines import CENTRE, CIRCUITKIT, EXPERTS, MAPS, USUAL, Pipeline, ReadOut, read, torch_net
from benchmarks.sweep.results import MATMUL, SMOKE, WHOLE, Config, Key, Result
from benchmarks.sweep.shown import figure, tables
from circuitkit import jit, tune

FLOAT32 = 1e-4
"""How far responses to the very same images may be off, as a share of the largest: rounding, and nothing else."""

Fresh = Callable[..., dict[str, float]]


class DisagreementError(Exception):
    """A pipeline that gives other responses than it should."""


def run(config: Config, *, fresh: Fresh) -> Result:
    """Measures everything.

    Args:
        config: How much.
        fresh: Runs `alone`, in a process of its own if it is to mean anything.

    Raises:
        DisagreementError: If a pipeline's responses are not those that it should give.
    """
    pipelines = {**CENTRE, **{WHOLE + name: pipeline for name, pipeline in MAPS.items()}}
    missing = {name: pipeline.missing for name, pipeline in pipelines.items() if pipeline.missing}
    here = {name: pipeline for name, pipeline in pipelines.items() if name not in missing}
    same = same_images(config)
    # In any order, so that the first few are like all.
    order = np.random.default_rng(0).permutation(len(work.stimuli()))
    turns: dict[Key, Callable[[], Rate]] = {(MATMUL, 0): matmul(config.matmul)}
    errors: dict[Key, float] = {}
    for size, slow in zip(config.sizes, config.slow, strict=True):
        for name, pipeline in here.items():
            if name.startswith(WHOLE) and size != config.sizes[0]:
                continue
            count = config.maps if name.startswith(WHOLE) else slow if pipeline.full else config.stimuli
            work_done = pipeline.prepare(order[:count], size)
            errors[name, size] = judged(name, pipeline, work_done(None), order, size, config)
            turns[name, size] = functools.partial(
                harness.rate, functools.partial(work_done, None), count * pipeline.times
            )
    rates = harness.in_turns(turns, config.rounds)
    first, memory = firsts(here, config, fresh), grown(here, config, fresh)
    return Result(missing, rates, errors, same, first, memory, trained(config), threads())


def judged(
    name: str, pipeline: Pipeline, found: NDArray[np.float32], order: NDArray[np.int64], size: int, config: Config
) -> float:
    """Returns how far responses are from those to the true coverage, as a share of their norm.

    Raises:
        DisagreementError: If that is more than the pipeline's renderer explains.
    """
    count = min(len(found), config.judged if pipeline.read_out == "centre" else config.judged // 16)
    wanted = truth(tuple(order[:count].tolist()), size, pipeline.read_out, config.samples)
    error = harness.difference(found[:count], wanted)
    if not error <= pipeline.tolerance:
        raise DisagreementError(
            f"{name} at {size} pixels is off by {error:.3f} of the responses to the true coverage: wanted at most "
            f"{pipeline.tolerance:g}, which its renderer explains. Compare the images that it draws with the arcs."
        )
    return error


@functools.cache
def truth(indices: tuple[int, ...], size: int, read_out: ReadOut, samples: int) -> NDArray[np.float64]:
    """Returns the responses to the true coverage; the same for all pipelines."""
    arcs = work.arcs(work.stimuli(), np.array(indices), size)
    return work.wanted(arcs, size=size, read_out=read_out, samples=samples)


def same_images(config: Config) -> dict[str, float]:
    """Returns how far each net is from one in float64 on the very same images, as a share of the largest response.

    The images are those that circuitkit draws, so that `tune`, which draws only what is needed, is compared as well.

    Raises:
        DisagreementError: If that is more than rounding.
    """
    size, stimuli = config.sizes[0], work.stimuli()
    unit, reach = size // 2, work.FIELD // 2
    some = stimuli[np.linspace(0, len(stimuli) - 1, config.judged // 16).astype(int)]
    items = some.items(np.arange(len(some)))
    images = np.array(jax.vmap(lambda item: some.draw(item, size, size, anchor=(unit, unit)))(items))[..., 0]
    maps = work.in_float64(images, padded=True)
    probe = work.net()["layer5"]
    centre = {
        "circuitkit, tune()": tune(probe, some, size=size).values,
        "circuitkit, whole maps": np.asarray(jit(probe.maps)(jnp.asarray(images)[..., None]))[:, unit, unit],
    }
    largest = {"circuitkit, tune(read_out='max')": tune(probe, some, read_out="max", size=size).values}
    if harness.installed("torch"):
        crops = images[:, unit - reach : unit + reach + 1, unit - reach : unit + reach + 1].copy()
        centre |= {
            "torch, padded": read(torch_net(padded=True), images, unit),
            "torch, crop": read(torch_net(padded=False), crops, 0),
        }
        largest |= {"torch, padded, largest of each map": read(torch_net(padded=True), images, None)}
    return {
        name: agreement(name, found, wanted)
        for some_found, wanted in ((centre, maps[:, unit, unit]), (largest, maps.max((1, 2))))
        for name, found in some_found.items()
    }


def agreement(name: str, found: NDArray[Any], wanted: NDArray[np.float64]) -> float:
    """Returns the largest difference, as a share of the largest response.

    Raises:
        DisagreementError: If that is more than rounding.
    """
    error = float(np.abs(found - wanted).max() / np.abs(wanted).max())
    if not error <= FLOAT32:
        raise DisagreementError(
            f"{name} is off by {error:.2g} of the largest response on the same images: wanted at most {FLOAT32:g}, "
            "which rounding explains. Compare its kernels, padding and the unit that it reads."
        )
    return error


def matmul(side: int, times: int = 10) -> Callable[[], Rate]:
    """Returns a function that multiplies square matrices, and returns GFLOP/s."""
    left = jnp.asarray(np.random.default_rng(0).normal(size=(side, side)), jnp.float32)
    multiply = jax.jit(jnp.matmul)
    multiply(left, left).block_until_ready()

    def products() -> None:
        for _ in range(times):
            multiply(left, left).block_until_ready()

    return functools.partial(harness.rate, products, 2e-9 * side**3 * times)


def firsts(here: Mapping[str, Pipeline], config: Config, fresh: Fresh) -> dict[Key, list[dict[str, float]]]:
    """Returns the seconds until the first responses, in processes of their own."""
    wanted = [(CIRCUITKIT, size) for size in config.sizes]
    wanted += [(name, config.sizes[0]) for name in (*EXPERTS, USUAL)]
    turns = {
        (name, size): functools.partial(
            fresh, "first", name, config.slow[0] if here[name].full else config.stimuli, size
        )
        for name, size in wanted
        if name in here
    }
    return harness.in_turns(turns, config.fresh)


def grown(here: Mapping[str, Pipeline], config: Config, fresh: Fresh) -> dict[Key, dict[str, float]]:
    """Returns the memory of processes of their own."""
    wanted = [(CIRCUITKIT, count) for count in config.counts]
    wanted += [(name, config.grown) for name in (*EXPERTS, USUAL) if name in here]
    found = {(name, count): fresh("memory", name, count) for name, count in wanted}
    if harness.installed("zarr"):
        most = config.counts[-1]
        found["circuitkit, tune(store=...)", most] = fresh("stored", CIRCUITKIT, most)
    return found


def trained(config: Config) -> list[float]:
    """Returns the seconds that sweeps over SqueezeNet take, the first with its compilations."""
    file = squeezenet.path()
    if file is None:
        return []
    sweep = squeezenet.sweep(file, config.angles, config.radii)
    seconds = []
    for _ in range(1 + config.sweeps):
        start = time.perf_counter()
        sweep()
        seconds.append(time.perf_counter() - start)
    return seconds


def threads() -> int:
    """Returns how many threads torch uses; 0 without torch."""
    if not harness.installed("torch"):
        return 0
    import torch

    return int(torch.get_num_threads())


def measure(smoke: bool) -> tuple[str, Figure]:
    """Runs, and returns tables and figure."""
    config = SMOKE if smoke else Config()
    result = run(config, fresh=alone if smoke else functools.partial(harness.alone, "sweep"))
    return tables(result, config), figure(result, config)


if __name__ == "__main__":
    harness.main(__file__, __doc__, measure, alone)
