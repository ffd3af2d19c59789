"""How exactly does a circuit turn with its image, beside kernels that were turned by interpolation?

Run:    python -m benchmarks equivariance            (a minute on two cores)
Smoke:  python -m benchmarks equivariance --smoke    (seconds)
Writes: benchmarks/equivariance/out/tables.md, and equivariance.png beside this file (into out/ for the smoke run)

Images are sums of plane waves, which are known exactly when turned, and the unit in the centre is compared: nothing is
interpolated but, by scipy, kernels. An error is ||f(g x) - g f(x)|| / ||f(x)|| after the ReLU.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks import harness
from benchmarks.harness import table
from circuitkit import build
from circuitkit.equivariance import plane_waves, turn_errors
from circuitkit.kernels import draw
from circuitkit.spec import Circuit, Family, Gabor
from circuitkit.symmetry import Motion
from circuitkit.viz import style
from handbuilt import curves

CIRCUITKIT = "circuitkit, drawn turned"

ORDERS = {f"scipy.ndimage.rotate, order {order}": order for order in (1, 3)}

FIRST = {
    "the circuit's own, 21x21": Gabor(wavelength=7, sigma=2.8, phase=90),
    "a small one, 7x7": Gabor(wavelength=4, sigma=1.2, phase=90),
}
"""Gabors of a first layer."""

SIDES = dict(zip(FIRST, (21, 7), strict=True))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """How much is measured.

    Attributes:
        turns: In degrees.
        bands: Highest frequencies of the plane waves, in cycles per pixel.
        seeds: Of the plane waves; each gives one error.
        count: Images a seed, each a sum of 40 waves.
        circuit: What is measured layer by layer.
    """

    turns: tuple[float, ...] = (90, 45, 22.5, 15)
    bands: tuple[float, ...] = (0.125, 0.25)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    count: int = 40
    circuit: Circuit = curves.SPEC


SMOKE = Config(
    turns=(90, 22.5),
    bands=(0.25,),
    seeds=(0,),
    count=2,
    circuit=Circuit("small", curves.SPEC.families[:5]),
)


@dataclasses.dataclass(frozen=True)
class Result:
    """What was found: the error of each seed.

    Attributes:
        first: By Gabor, how its bank was made, turn and band.
        layers: By layer, turn and band.
    """

    first: dict[tuple[str, str, float, float], list[float]]
    layers: dict[tuple[str, float, float], list[float]]


def run(config: Config) -> Result:
    """Measures everything."""
    first, layers = {}, {}
    for turn in config.turns:
        network = build(with_members(config.circuit, turn))
        for band in config.bands:
            for title in FIRST:
                family = gabors(title, turn)
                banks = {CIRCUITKIT: drawn(family), **{name: turned(family, order) for name, order in ORDERS.items()}}
                for name, bank in banks.items():
                    first[title, name, turn, band] = [
                        bank_error(bank, family, turn, band=band, count=config.count, seed=seed)
                        for seed in config.seeds
                    ]
            found = [turn_errors(network, turn, band=band, count=config.count, seed=seed) for seed in config.seeds]
            layers |= {(layer, turn, band): [errors[layer] for errors in found] for layer in found[0]}
    return Result(first, layers)


def with_members(circuit: Circuit, turn: float) -> Circuit:
    """Returns the circuit if a turn carries members to members, or else one with two members for every three."""
    if all(turn % family.step == 0 for family in circuit.families):
        return circuit
    fewer = [dataclasses.replace(family, angles=family.angles * 2 // 3) for family in circuit.families]
    return dataclasses.replace(circuit, families=tuple(fewer))


def gabors(title: str, turn: float) -> Family:
    """Returns a family of Gabors with a member wherever a turn carries another."""
    family = Family("gabors", FIRST[title], angles=24, size=SIDES[title])
    return with_members(Circuit("gabors", [family]), turn).families[0]


def drawn(family: Family) -> NDArray[np.float64]:
    """Returns a family's kernels as circuitkit draws them: member, row, column."""
    kernel = draw(Circuit("gabors", [family]))[family.name]
    return np.asarray(kernel, np.float64)[:, :, 0].transpose(2, 0, 1)


def turned(family: Family, order: int) -> NDArray[np.float64]:
    """Returns a bank as people make one: the first kernel, turned by interpolation."""
    kernel = drawn(family)[0]
    return np.stack([ndimage.rotate(kernel, angle, reshape=False, order=order) for angle in family.unit_angles])


def bank_error(bank: NDArray[np.float64], family: Family, turn: float, *, band: float, count: int, seed: int) -> float:
    """Returns how far a bank is from turning with its image, by an angle that permutes its members."""
    before, after = (
        np.maximum(np.einsum("nyx,kyx->nk", waves(bank.shape[1], angle, band, count, seed), bank), 0)
        for angle in (0.0, turn)
    )
    return harness.difference(after, before[:, np.argsort(Motion(turn).of_units(family))])


def waves(side: int, angle: float, band: float, count: int, seed: int) -> NDArray[np.float64]:
    """Returns the images: number, row, column."""
    return np.asarray(plane_waves(side, angle, band=band, count=count, seed=seed), np.float64)[..., 0]


def shown(errors: Sequence[float]) -> str:
    """Returns the median, with the least and the most."""
    middle, *ends = (f"{value:.2g}" for value in (np.median(errors), min(errors), max(errors)))
    return f"{middle} ({'..'.join(ends)})"


def tables(result: Result, config: Config) -> str:
    """Returns the result as Markdown."""
    parts = [
        f"Median over {len(config.seeds)} seeds of {config.count} images (least..most). "
        "At 22.5° every family has two members for every three of the circuit's."
    ]
    turns = [f"{turn:g}°" for turn in config.turns]
    for band in config.bands:
        for title in FIRST:
            rows = [
                [name, *(shown(result.first[title, name, turn, band]) for turn in config.turns)]
                for name in (CIRCUITKIT, *ORDERS)
            ]
            parts.append(table([f"first layer, {title}, up to {band:g} cycles a pixel", *turns], rows))
        names = dict.fromkeys(layer for layer, *_ in result.layers)
        rows = [[name, *(shown(result.layers[name, turn, band]) for turn in config.turns)] for name in names]
        parts.append(table([f"layers of circuitkit's circuit, up to {band:g} cycles a pixel", *turns], rows))
    return "\n\n".join(parts) + "\n"


def figure(result: Result, config: Config) -> Figure:
    """Shows the errors of first layers, and of the layers of the circuit."""
    note = (
        f"||f(g x) - g f(x)|| / ||f(x)||, waves up to {max(config.bands):g} cycles a pixel; median, least and most. "
        "At 90° only rounding is left."
    )
    return _drawn(style.new_figure(3.7, "What is left of a turn", note), result, config)


@style.styled
def _drawn(figure: Figure, result: Result, config: Config) -> Figure:
    band, turns = max(config.bands), [turn for turn in config.turns if turn % 90]
    looks = dict(
        zip((CIRCUITKIT, *ORDERS), ((style.BLUE, "o"), (style.VERMILION, "v"), (style.ORANGE, "s")), strict=True)
    )
    for number, title in enumerate(FIRST):
        axes = style.place(figure, 0.75 + 2.55 * number, style.HEAD + 0.25, 2.0, 2.2)
        for name, (colour, marker) in looks.items():
            _line(axes, [result.first[title, name, turn, band] for turn in turns], marker, colour, name)
        axes.set_title(f"first layer: {title}", fontsize=style.NORMAL)
        _scales(axes, turns)
        if not number:
            axes.set_ylabel("relative error")
            axes.legend(loc="upper right")
    axes = style.place(figure, 5.95, style.HEAD + 0.25, 1.9, 2.2)
    colours = (style.SKY, style.PURPLE, style.BLACK, style.GREEN, style.ORANGE, style.VERMILION, style.BLUE)
    for name, colour, marker in zip(
        dict.fromkeys(layer for layer, *_ in result.layers), colours, "o^vsDPX", strict=False
    ):
        _line(axes, [result.layers[name, turn, band] for turn in turns], marker, colour, name)
    axes.set_title("the circuit, layer by layer", fontsize=style.NORMAL)
    _scales(axes, turns)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1.03))
    return figure


def _line(axes: Axes, errors: list[list[float]], marker: str, colour: style.Colour, name: str) -> None:
    middle = np.median(errors, axis=1)
    ends = np.abs(np.stack([np.min(errors, axis=1), np.max(errors, axis=1)]) - middle)
    axes.errorbar(range(len(errors)), middle, yerr=ends, fmt=f"{marker}-", color=colour, label=name, lw=1, ms=4)


def _scales(axes: Axes, turns: Sequence[float]) -> None:
    axes.set_xticks(range(len(turns)), [f"{turn:g}°" for turn in turns])
    harness.logarithmic(axes.yaxis)
    axes.set(xlabel="turn", ylim=(1e-4, 1), xlim=(-0.3, len(turns) - 0.7))
    axes.grid(axis="y", color=style.FAINT)


def measure(smoke: bool) -> tuple[str, Figure]:
    """Runs, and returns tables and figure."""
    config = SMOKE if smoke else Config()
    result = run(config)
    return tables(result, config), figure(result, config)


if __name__ == "__main__":
    harness.main(__file__, __doc__, measure)
