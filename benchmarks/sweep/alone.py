"""What only a process of its own can tell: how long until the first responses, and how much memory a sweep takes."""

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.harness import memory
from benchmarks.sweep import work
from benchmarks.sweep.pipelines import CENTRE, CIRCUITKIT
from circuitkit import tune


def alone(kind: str, name: str, count: str, size: str = "64") -> dict[str, float]:
    """Measures what is asked for, by the words of a command line."""
    measure = {"first": first, "memory": held, "stored": stored}[kind]
    return measure(name, int(count), int(size))


def first(name: str, count: int, size: int) -> dict[str, float]:
    """Returns the seconds until the first responses, and all of them, are in hand: nothing is built or compiled yet."""
    pipeline = CENTRE[name]
    for module in pipeline.needs:
        __import__(module)
    start = time.perf_counter()
    moments: list[float] = []

    def progress(_done: int, _total: int) -> None:
        moments.append(time.perf_counter() - start)

    pipeline.prepare(np.arange(count), size)(progress)
    return {"first": moments[0], "all": moments[-1]}


def held(name: str, count: int, size: int) -> dict[str, float]:
    """Returns the memory of the process at its peak and before the sweep, in MiB, and the seconds that it took."""
    pipeline = CENTRE[name]
    for module in pipeline.needs:
        __import__(module)
    before, start = memory("VmRSS"), time.perf_counter()
    if name == CIRCUITKIT:
        tune(work.net()["layer5"], work.many(count), size=size)
    else:
        pipeline.prepare(np.arange(count) % len(work.stimuli()), size)(None)
    return {"peak": memory("VmHWM"), "before": before, "seconds": time.perf_counter() - start}


def stored(name: str, count: int, size: int) -> dict[str, float]:
    """Returns the same of circuitkit, with a store that takes the responses."""
    del name
    before, start = memory("VmRSS"), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        tune(work.net()["layer5"], work.many(count), size=size, store=Path(folder) / "sweep.zarr")
        seconds = time.perf_counter() - start
    return {"peak": memory("VmHWM"), "before": before, "seconds": seconds}
