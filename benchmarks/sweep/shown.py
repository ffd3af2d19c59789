"""What the sweep benchmark found, as tables and as a picture."""

import numpy as np
from matplotlib.figure import Figure

from benchmarks import harness
from benchmarks.harness import Rate, number, ratios, spread, table
from benchmarks.sweep import work
from benchmarks.sweep.pipelines import ALONE, CENTRE, CIRCUITKIT, EXPERTS, MAPS, USUAL
from benchmarks.sweep.results import MATMUL, WHOLE, Config, Result
from circuitkit.viz import style


def tables(result: Result, config: Config) -> str:
    """Returns the result as Markdown."""
    parts = [f"torch uses {result.threads} threads." if result.threads else "Without torch."]
    lacks = [f"{name} (needs {', '.join(modules)})" for name, modules in result.missing.items()]
    parts += [f"Left out: {'; '.join(lacks)}."] if lacks else []
    parts += [centre_table(result, config, size) for size in config.sizes]
    parts += [maps_table(result, config)]
    roof = [rate.wall for rate in result.rates[MATMUL, 0]]
    parts.append(f"The product of two {config.matmul} x {config.matmul} matrices, float32: {spread(roof)} GFLOP/s.")
    titles = ("responses to the same images", "largest difference from float64, of the largest response")
    parts.append(table(titles, ([name, f"{error:.1e}"] for name, error in result.same.items())))
    parts.append(first_table(result, config))
    titles = ("in a process of its own", "stimuli", "peak memory", "beyond that of the imports", "took", "stimuli/s")
    rows = [
        [
            name,
            f"{count:,}",
            f"{of['peak']:.0f} MiB",
            f"{grown_by(of):.0f} MiB",
            f"{number(of['seconds'])} s",
            number(count / of["seconds"]),
        ]
        for (name, count), of in result.memory.items()
    ]
    parts.append(table(titles, rows))
    if result.squeezenet:
        titles = ("SqueezeNet, all units of fire2 to fire6", "the first time", "after that")
        stimuli = f"{config.angles} angles, {config.radii} radii, 2 polarities"
        parts.append(table(titles, [[stimuli, f"{result.squeezenet[0]:.1f} s", f"{spread(result.squeezenet[1:])} s"]]))
    else:
        parts.append("SqueezeNet left out: it needs onnx, and the folder with the nets in CIRCUITKIT_DATA.")
    return "\n\n".join(parts) + "\n"


def centre_table(result: Result, config: Config, size: int) -> str:
    """Returns the table of the pipelines that read the unit in the centre."""
    names = [name for name in CENTRE if (name, size) in result.rates]
    expert = best_expert(result, size)
    total = len(work.stimuli())
    titles = [f"{size}x{size}, response in the centre", "stimuli/s", f"{total:,} take", "times usual", "times expert"]
    titles += ["Mproducts", "of a matmul", "error"]
    rows = []
    for name in names:
        found, pipeline = result.rates[name, size], CENTRE[name]
        walls = [rate.wall for rate in found]
        timed = min(config.slow[config.sizes.index(size)] if pipeline.full else config.stimuli, total)
        takes = f"{number(total / harness.median(found).wall)} s" + ("" if timed == total else f" (from {timed:,})")
        products = pipeline.multiplications(size)
        row = [name, spread(walls), takes, beside(found, result.rates.get((USUAL, size)))]
        row += [beside(found, result.rates.get((expert, size)))]
        row += [number(products / 1e6), share(found, products, result), f"{result.errors[name, size]:.3f}"]
        rows.append(row)
    return table(titles, rows)


def maps_table(result: Result, config: Config) -> str:
    """Returns the table of the pipelines that compute whole maps."""
    size = config.sizes[0]
    titles = [f"{size}x{size}, whole maps", "stimuli/s", "times torch alone", "Mproducts", "of a matmul", "error"]
    rows = []
    for name, pipeline in MAPS.items():
        found = result.rates.get((WHOLE + name, size))
        if found is not None:
            products = pipeline.multiplications(size)
            row = [name, spread(rate.wall for rate in found), beside(found, result.rates.get((WHOLE + ALONE, size)))]
            row += [number(products / 1e6), share(found, products, result), f"{result.errors[WHOLE + name, size]:.3f}"]
            rows.append(row)
    return table(titles, rows)


def first_table(result: Result, config: Config) -> str:
    """Returns the table of the times to the first result."""
    titles = ("in a process of its own, after the imports", "first responses", "all", "stimuli")
    rows = []
    for (name, size), found in result.first.items():
        count = config.slow[0] if CENTRE[name].full else config.stimuli
        times = [f"{spread(each[which] for each in found)} s" for which in ("first", "all")]
        rows.append([f"{name}, {size}x{size}", *times, f"{count:,}"])
    return table(titles, rows)


def grown_by(memory: dict[str, float]) -> float:
    """Returns by how much a process has grown at most, in MiB; all import JAX here, also those that need none."""
    return memory["peak"] - memory["before"]


def best_expert(result: Result, size: int) -> str:
    """Returns the faster of the expert's pipelines; nothing where none could run."""
    here = [name for name in EXPERTS if (name, size) in result.rates]
    return max(here, key=lambda name: harness.median(result.rates[name, size]).wall, default="")


def beside(found: list[Rate], base: list[Rate] | None) -> str:
    """Returns how many times as fast as another."""
    return "" if base is None else f"{ratios(found, base).wall:.3g}"


def share(found: list[Rate], products: int, result: Result) -> str:
    """Returns how much of the matrix product's speed the net's own products reach."""
    flops = [Rate(*(2e-9 * products * value for value in rate)) for rate in found]
    return f"{ratios(flops, result.rates[MATMUL, 0]).wall:.0%}"


def figure(result: Result, config: Config) -> Figure:
    """Shows how fast every pipeline is, and how much memory it takes."""
    names = [name for name in CENTRE if (name, config.sizes[0]) in result.rates]
    height = style.HEAD + 0.34 * len(names) + 0.9
    drawn = style.new_figure(
        height, "From parameters to responses", "median, and the lowest and highest of all rounds; filled: circuitkit"
    )
    return _drawn(drawn, names, result, config)


@style.styled
def _drawn(drawn: Figure, names: list[str], result: Result, config: Config) -> Figure:
    inner = drawn.get_figheight() - style.HEAD - 0.6
    speed = style.place(drawn, 2.2, style.HEAD, 3.5, inner)
    memory = style.place(drawn, 6.5, style.HEAD + 0.6, 2.2, inner - 0.6)
    for size, marker, up in zip(config.sizes, "os", (0.13, -0.13), strict=False):
        for place, name in enumerate(reversed(names)):
            walls = [rate.wall for rate in result.rates[name, size]]
            colour = style.BLUE if name.startswith("circuitkit") else style.VERMILION
            middle = float(np.median(walls))
            speed.errorbar(
                middle,
                place + up,
                xerr=[[middle - min(walls)], [max(walls) - middle]],
                fmt=marker,
                color=colour,
                mfc=colour if name.startswith("circuitkit") else "white",
                label=f"{size}x{size} pixels" if place == len(names) - 1 else None,
            )
    speed.set_yticks(range(len(names)), names[::-1])
    harness.logarithmic(speed.xaxis)
    speed.set(xlabel="stimuli/s")
    speed.grid(axis="x", color=style.FAINT)
    speed.legend(loc="lower right")
    speed.set_ylim(-0.6, len(names) - 0.4)
    for name in dict.fromkeys(name for name, _ in result.memory):
        counts = [count for each, count in result.memory if each == name]
        ours = name.startswith("circuitkit")
        colour = style.BLUE if ours else style.VERMILION
        memory.plot(
            counts,
            [grown_by(result.memory[name, count]) for count in counts],
            {CIRCUITKIT: "o-", **dict(zip((*EXPERTS, USUAL), "Ds^", strict=True))}.get(name, "*"),
            color=colour,
            mfc=colour if ours else "white",
            label=name,
        )
    harness.logarithmic(memory.xaxis)
    memory.set(xlabel="stimuli", ylabel="memory beyond the imports, MiB")
    memory.set_ylim(bottom=0)
    memory.grid(axis="y", color=style.FAINT)
    memory.legend(loc="lower left", bbox_to_anchor=(-0.1, 1))
    return drawn
