"""What is each number of the handbuilt curve circuit for?

Run:    python -m experiments.curve_numbers            (about ten minutes on two cores)
Smoke:  python -m experiments.curve_numbers --smoke    (one variant, coarse; the test suite runs it)
Writes: experiments/curve_numbers/out/result.csv
"""

import argparse
import csv
import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path

from circuitkit import equivariance, kernels, tuning
from circuitkit.build import build
from circuitkit.probe import HandbuiltNet
from circuitkit.spec import Arc, Circuit, Crossing, Family, Gabor, OppositeArc, Tile
from circuitkit.stimuli import Curve, grid, log, turn
from circuitkit.sweep import tune
from handbuilt import curves

OUT = Path(__file__).parent / "out"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """How finely to look.

    Attributes:
        angles: Stimulus angles over the turn; a multiple of 24, so that every unit meets its own.
        radii: Radii from 12 to 290 pixels.
        images: Images for the error under turns.
        seeds: Seeds of these images.
        variants: Names of the variants to run; all if empty.
    """

    angles: int = 48
    radii: int = 14
    images: int = 100
    seeds: tuple[int, ...] = (0, 1, 2)
    variants: tuple[str, ...] = ()


SMOKE = Config(angles=24, radii=4, images=4, seeds=(0,), variants=("as written",))

Edit = Callable[[Circuit], Circuit]


def gabors(wavelength: float) -> Edit:
    """Returns the edit that gives all Gabors another wavelength, at the same bandwidth."""

    def edit(circuit: Circuit) -> Circuit:
        return _mapped(
            circuit,
            lambda family: (
                dataclasses.replace(
                    family,
                    looks_for=Gabor(wavelength=wavelength, sigma=0.4 * wavelength, phase=family.looks_for.phase),
                )
                if isinstance(family.looks_for, Gabor)
                else family
            ),
        )

    return edit


def tile(name: str, change: Callable[[Tile], Tile]) -> Edit:
    """Returns the edit that changes the tile of one family."""

    def edit(circuit: Circuit) -> Circuit:
        return _mapped(
            circuit,
            lambda family: (
                dataclasses.replace(family, looks_for=change(family.tiles[0])) if family.name == name else family
            ),
        )

    return edit


def opposite(name: str, strength: float) -> Edit:
    """Returns the edit that sets the strength of a family's OppositeArc."""

    def change(old: Tile) -> Tile:
        others = tuple(term for term in old.minus if not isinstance(term, OppositeArc))
        return dataclasses.replace(old, minus=others) - OppositeArc(strength)

    return tile(name, change)


def arc(name: str, radii: float) -> Edit:
    """Returns the edit that makes a family's arc so many radii long."""
    return tile(name, lambda old: dataclasses.replace(old, along=Arc(radius=20, length=20 * radii)))


def odd_only(circuit: Circuit) -> Circuit:
    """Returns the circuit without bars: lines read the edges themselves, of both polarities."""
    lines = circuit["lines"].tiles[0]
    kept = {family.name: family for family in circuit.families if family.name not in ("light_bars", "dark_bars")}
    kept.pop("contours")
    kept["lines"] = dataclasses.replace(circuit["lines"], looks_for=dataclasses.replace(lines, sources="edges"))
    return Circuit(circuit.name, tuple(kept.values()))


def cut(spreads: float) -> Edit:
    """Returns the edit that cuts the envelopes of all tiles at so many standard deviations."""

    def smaller(family: Family) -> Family:
        if not family.tiles:
            return family
        trimmed = (kernels.TILE_REACH - spreads) * float(family.tiles[0].spread)
        return dataclasses.replace(family, size=kernels.kernel_size(family) - 2 * round(trimmed))

    return lambda circuit: _mapped(circuit, smaller)


VARIANTS: dict[str, Edit] = {
    "as written": lambda circuit: circuit,
    "without Crossing": lambda circuit: circuit.without(Crossing),
    "without OppositeArc": lambda circuit: circuit.without(OppositeArc),
    "odd Gabors only": odd_only,
    "wavelength 6": gabors(6),
    "wavelength 8": gabors(8),
    "early curves, OppositeArc 0.3": opposite("early_curves", 0.3),
    "early curves, OppositeArc 0.8": opposite("early_curves", 0.8),
    "curves, OppositeArc 0.6": opposite("curves", 0.6),
    "curves 1.2 radii long": arc("curves", 1.2),
    "envelopes cut at 1 standard deviation": cut(1.0),
    "envelopes cut at 2 standard deviations": cut(2.0),
}


def run(config: Config) -> Iterator[dict[str, float | str]]:
    """Yields one row a variant: its tuning at the centre unit, and its error under turns by 15 degrees."""
    stimuli = grid(Curve(), angle=turn(config.angles), radius=(*log(12, 290, config.radii), math.inf), polarity=(1, -1))
    for name in config.variants or VARIANTS:
        network = build(VARIANTS[name](curves.SPEC))
        responses = tune(HandbuiltNet(network)["curves"], stimuli)
        numbers, radial = tuning.summary(responses), tuning.radial(responses)
        errors = [
            equivariance.turn_errors(network, 15, band=0.25, count=config.images, seed=seed) for seed in config.seeds
        ]
        lines, last = ([each[layer] for each in errors] for layer in ("lines", "curves"))
        yield {
            "variant": name,
            "peak": float(numbers.peak.mean()),
            "fwhm": float(numbers.fwhm.mean()),
            "echo": float(numbers.echo.max()),
            "line": float(numbers.line_ratio.max()),
            "radius": float(numbers.preferred_radius.mean()),
            "evenness": tuning.evenness(radial),
            "score": float(numbers.curve_score.mean()),
            "turn_error_lines": sum(lines) / len(lines),
            "turn_error_curves": sum(last) / len(last),
            "turn_error_curves_spread": max(last) - min(last),
        }


def read_out(config: Config) -> dict[str, float]:
    """Returns the mean FWHM at the centre unit, and with the largest response over a map 24 pixels wider."""
    stimuli = grid(Curve(), angle=turn(config.angles), radius=log(12, 290, max(3, config.radii // 2)))
    probe = HandbuiltNet(build(curves.SPEC))["curves"]
    side = probe.site().height
    centre, largest = tune(probe, stimuli), tune(probe, stimuli, read_out="max", size=side + 24, chunk=16)
    widths = {name: tuning.fwhm(tuning.radial(found)) for name, found in (("centre", centre), ("max", largest))}
    return {name: float(width.mean()) for name, width in widths.items()}


def main() -> None:
    """Runs, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="one variant, coarse")
    config = SMOKE if parser.parse_args().smoke else Config()
    rows = []
    for row in run(config):
        rows.append(row)
        print(" ".join(f"{v:<9.4g}" if isinstance(v, float) else f"{v:<38}" for v in row.values()), flush=True)
    widths = read_out(config)
    print(f"FWHM: centre {widths['centre']:.1f}, max over 25x25 positions {widths['max']:.1f} degrees")
    OUT.mkdir(exist_ok=True)
    with (OUT / "result.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _mapped(circuit: Circuit, change: Callable[[Family], Family]) -> Circuit:
    return Circuit(circuit.name, tuple(map(change, circuit.families)))


if __name__ == "__main__":
    main()
