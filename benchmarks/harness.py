"""What every benchmark shares: turns in rounds, medians, processes of their own, tables, and the machine described.

    found = in_turns({"ours": ours, "theirs": theirs}, rounds=5)     # each returns a Rate
    median(found["ours"]), ratios(found["ours"], found["theirs"])

Times come from rounds in which everyone has a turn, so that whatever else the machine does meets all of them; ratios
are taken within a round.
"""

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from circuitkit.viz import style

ROOT = Path(__file__).parents[1]

PACKAGES = ("jax", "jaxlib", "numpy", "scipy", "torch", "skia-python", "pillow", "stimupy", "onnx")
"""Whose versions are named, where they are installed."""

Key = TypeVar("Key")
Found = TypeVar("Found")


class Rate(NamedTuple):
    """How fast something was.

    Attributes:
        wall: Items a second.
        core: Items for each second that a core worked, which depends less on what else the machine does.
    """

    wall: float
    core: float


def rate(work: Callable[[], object], count: float) -> Rate:
    """Does some work once, and returns how fast it was if it was done to so many items."""
    wall, core = time.perf_counter(), time.process_time()
    work()
    return Rate(count / (time.perf_counter() - wall), count / (time.process_time() - core))


def in_turns(turns: Mapping[Key, Callable[[], Found]], rounds: int) -> dict[Key, list[Found]]:
    """Returns what everyone's turns gave, round by round; each round starts one further on."""
    keys = list(turns)
    found: dict[Key, list[Found]] = {key: [] for key in keys}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}, {len(keys)} turns", file=sys.stderr)
        first = number % len(keys) if keys else 0
        for key in (*keys[first:], *keys[:first]):
            found[key].append(turns[key]())
    return found


def median(rates: Sequence[Rate]) -> Rate:
    """Returns the middle one, of each number by itself."""
    return Rate(*np.median(rates, axis=0).tolist())


def ratios(rates: Sequence[Rate], base: Sequence[Rate]) -> Rate:
    """Returns how many times as fast as another, the median of rounds in which both had their turn."""
    return Rate(*np.median(np.divide(rates, base), axis=0).tolist())


def installed(module: str) -> bool:
    """Returns whether a module can be imported."""
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


def alone(benchmark: str, *arguments: object) -> dict[str, float]:
    """Returns what a benchmark's `alone` finds in a process of its own, fresh from the start."""
    command = [sys.executable, "-m", f"benchmarks.{benchmark}", "--alone", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout))


def memory(which: str) -> float:
    """Returns this process's memory in MiB: VmRSS, that which it has, or VmHWM, the most it ever had.

    `resource.getrusage` will not do: a process starts with the peak of the one that started it.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(which)) / 1024


def machine() -> str:
    """Returns a line about the machine, and what else it does."""
    cores = len(os.sched_getaffinity(0))
    information = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in information if line.startswith("model name")), "unknown")
    wide = "with AVX-512" if any("avx512f" in line for line in information) else "without AVX-512"
    gibibytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return (
        f"Machine: {cores} cores of {model} {wide}, {gibibytes:.0f} GiB of memory, JAX on {jax.default_backend()}; "
        f"load average at the start {os.getloadavg()[0]:.2f}. {', '.join(versions)}."
    )


def difference(found: NDArray[Any], wanted: NDArray[Any]) -> float:
    """Returns ||found - wanted|| / ||wanted||."""
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def number(value: float) -> str:
    """Returns a number with the three digits that a measurement of time has, at most."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:g}"


def spread(values: Iterable[float]) -> str:
    """Returns the median, with the least and the most."""
    values = list(values)
    return f"{number(float(np.median(values)))} ({number(min(values))}..{number(max(values))})"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (titles, ["---"] * len(titles), *rows))


def logarithmic(axis: Axis) -> None:
    """Makes an axis logarithmic, with its powers of ten written out."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_formatter(lambda value, _: number(value))
    axis.set_minor_formatter(NullFormatter())


def write(out: Path, text: str, drawn: Figure, picture: Path) -> None:
    """Writes the tables into a folder, and the picture."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "tables.md").write_text(text)
    picture.write_bytes(style.to_png(drawn))


def main(
    file: str,
    doc: str | None,
    measure: Callable[[bool], tuple[str, Figure]],
    alone: Callable[..., dict[str, float]] | None = None,
) -> None:
    """Runs a benchmark from the command line.

    Args:
        file: Of the benchmark's `__main__`: results are written beside it.
        doc: What `--help` says.
        measure: Returns tables and figure; told whether a few of everything will do.
        alone: What is measured in a process of its own.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="a few of everything, in seconds")
    parser.add_argument("--alone", nargs="+", help=argparse.SUPPRESS)
    given: Any = parser.parse_args()
    if given.alone and alone:
        print(json.dumps(alone(*given.alone)))
        return
    heading = machine()
    text, drawn = measure(given.smoke)
    text = f"{heading}\n\n{text}"
    print(text)
    folder = Path(file).parent
    # A smoke run's numbers mean nothing, so its picture must not take the place of the one that is kept.
    write(folder / "out", text, drawn, (folder / "out" if given.smoke else folder) / f"{folder.name}.png")
