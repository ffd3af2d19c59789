"""What do Distill's published numbers say in this battery, and does its handwritten last layer work on our lower ones?

Run:    python -m experiments.published_curves --data FOLDER            (some five minutes on two cores)
Smoke:  python -m experiments.published_curves --smoke --data FOLDER    (coarse; the tests run it where the data are)
Writes: experiments/published_curves/out/result.csv, published.png, last_layer.png and equivariance.png

FOLDER holds distill/; the environment variable CIRCUITKIT_DATA names it just as well.
"""

import argparse
import csv
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import xarray as xr

import circuitkit as ck
from circuitkit import equivariance, kernels, tuning
from circuitkit.evidence import published
from circuitkit.network import CircuitNetwork
from circuitkit.spec import Arc, Circuit, Crossing, Family, Gabor, Line, OppositeArc, Tile, Union
from circuitkit.stimuli import Curve, grid, log, turn
from circuitkit.study import DISTILL_RADII
from circuitkit.symmetry import Motion
from circuitkit.viz import published as figures
from circuitkit.viz import to_png

OUT = Path(__file__).parent / "out"

CELL = 8
"""Pixels between the units that the published layer reads, in the published net."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """How finely to look, and on what.

    Attributes:
        angles: Stimulus angles over the turn; a multiple of 24, so that every unit meets its own.
        radii: Radii, over the published range in the published cells.
        cell: Pixels between the units that the published layer reads, in our net. Everything is drawn at this scale:
            a radius of 6 cells is 48 pixels in the published net, 24 pixels here.
        opposite: Of the early curves. 0.75 lets them echo as little as the published ones do (0.03).
        gain: Of the lines against the early curves; at 1, both answer their own best stimulus alike.
        images: Images for the error under a quarter turn.
    """

    angles: int = 72
    radii: int = 20
    cell: int = 4
    opposite: float = 0.75
    gain: float = 1.0
    images: int = 8


SMOKE = Config(angles=24, radii=3, images=1)

Edit = Callable[[xr.DataArray], xr.DataArray]
Row = dict[str, str | float]


def only(family: str) -> Edit:
    """Returns the edit that keeps what one family says to the units: `curve` or `edge`."""
    return lambda weights: weights.where(weights.source_family == family, 0.0)


def positive(weights: xr.DataArray) -> xr.DataArray:
    """Returns the weights with all negative ones set to 0."""
    return weights.clip(min=0)


EDITS: Mapping[str, Edit] = {
    "full": lambda weights: weights,
    "all, positive only": positive,
    "curves only": only("curve"),
    "curves only, positive": lambda weights: positive(only("curve")(weights)),
    "lines only": only("edge"),
    "lines only, positive": lambda weights: positive(only("edge")(weights)),
}
"""What is left of the published layer."""

PUBLISHED_ECHO = dict(zip(EDITS, (0.006, 0.378, 0.007, 0.078, 0.041, 0.594), strict=True))
"""The echo that a forward run of the whole published net gives for each, at the best-centred unit."""


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """What was found.

    Attributes:
        facts: For each published table, how far our numbers lie from those measured apart from this library, at worst.
        curves: InceptionV1's curve units before and after their edits: radial curves.
        tuned: The published layer on our lower ones, whole and edited, and our own layers: radial curves.
        rows: The numbers of `tuned`.
        tiles: How far each tile of a block lies from its quarter turn: (source, unit), by the block's name.
        turned: Error of each layer's responses when images are turned by 90 degrees.
    """

    facts: dict[str, dict[str, float]]
    curves: dict[str, xr.DataArray]
    tuned: dict[str, xr.DataArray]
    rows: list[Row]
    tiles: dict[str, xr.DataArray]
    turned: dict[str, float]


def circuit(config: Config) -> Circuit:
    """Writes our lower layers at the published angles, and on top of them two last layers.

    `published` has the shape of the published layer, which reads early curves and lines; its weights come from
    elsewhere. `ours` is the last layer of `handbuilt.curves`, which reads early curves alone.
    """
    radius = 6.0 * config.cell
    gabors = {"edges": (90.0, 36), "light_bars": (0.0, 18), "dark_bars": (180.0, 18)}
    first = [Family(n, Gabor(wavelength=7, sigma=2.8, phase=p), angles=k) for n, (p, k) in gabors.items()]
    contours = Family("contours", Union(tuple(first)), angles=18)
    short = Family("short_lines", Tile(contours, along=Line(length=4), tolerance=12) - Crossing(0.7), angles=18)
    # As long as the published ones, which tile lines over 3 x 3 cells.
    lines = Family("lines", Tile(short, along=Line(length=3 * config.cell), tolerance=12) - Crossing(0.7), angles=18)
    early_curves = Family(
        "early_curves",
        Tile(short, along=Arc(radius=radius, length=0.8 * radius), tolerance=15)
        - Crossing(1.0)
        - OppositeArc(config.opposite),
        angles=24,
    )
    rule = Tile(early_curves, along=Arc(radius=radius, length=1.8 * radius), tolerance=20)
    ours = Family("ours", rule - Crossing(0.6) - OppositeArc(0.9), angles=24)
    side = 4 * config.cell + 1
    theirs = Family("published", rule + dataclasses.replace(rule, sources="lines"), angles=24, size=side)
    return Circuit("published curves", [*first, contours, short, lines, early_curves, ours, theirs])


def dilated(weights: xr.DataArray, cell: int, gains: Mapping[str, float]) -> np.ndarray:
    """Returns the curves of a published last layer as a kernel of `published`, which reads every so many pixels.

    Args:
        weights: (row, column, source, unit), as `published.last_layer` returns them.
        cell: Pixels between the units read.
        gains: What the weights from each family are multiplied by.
    """
    gain = xr.DataArray([gains[str(family)] for family in weights.source_family.values], dims="source")
    cells = (weights * gain).sel(unit=weights.unit_family == "curve").transpose("row", "column", "source", "unit")
    side = (cells.sizes["row"] - 1) * cell + 1
    kernel = np.zeros((side, side, *cells.shape[2:]), np.float32)
    kernel[::cell, ::cell] = cells.values
    return kernel


def symmetrised(weights: xr.DataArray) -> xr.DataArray:
    """Returns the mean over the four quarter turns, each with its units permuted: what the layer meant to be."""
    total = weights.copy(data=np.zeros_like(weights.values))
    for quarter in range(4):
        moved = np.rot90(weights.values, quarter)
        places = {dim: _carried(weights, dim, 90.0 * quarter) for dim in ("source", "unit")}
        total.values[:, :, places["source"][:, None], places["unit"][None]] += moved / 4
    return total


def _carried(weights: xr.DataArray, dim: str, degrees: float) -> np.ndarray:
    """Returns where each member goes in a turn: the place of the member of its family at that angle."""
    family, angle = weights[f"{dim}_family"].values, weights[f"{dim}_angle"].values
    wanted = (angle + degrees) % np.where(family == "curve", 360, 180)
    return np.array([np.flatnonzero((family == f) & (angle == w))[0] for f, w in zip(family, wanted, strict=True)])


def run(config: Config, data: published.Folder | None = None) -> Result:
    """Reads the published data and measures; writes and prints nothing."""
    facts = {table: published.deviations(table, data) for table in (*published.LAYERS, *published.EDITS)}
    curves = {edit: published.edited_curves(edit, data) for edit in published.EDITS}
    weights = published.last_layer(data)
    tuned, nets = last_layers(config, weights)
    rows = [numbers(name, curve) for name, curve in tuned.items()]
    for row in rows:
        if row["layer"] in PUBLISHED_ECHO:
            row["echo in the published net"] = PUBLISHED_ECHO[str(row["layer"])]
    images = equivariance.plane_waves(128, 0.0, band=0.25, count=config.images, seed=0)
    turned = {}
    for name, network in nets.items():
        errors = equivariance.lattice_errors(network, images, Motion(90))
        turned[name] = errors["published"]
        turned["ours"] = errors["ours"]
    return Result(facts, curves, tuned, rows, tile_errors(config, weights), turned)


def last_layers(config: Config, weights: xr.DataArray) -> tuple[dict[str, xr.DataArray], dict[str, CircuitNetwork]]:
    """Returns the radial curves of a published last layer and its edits on our lower layers, and of our own layers.

    Args:
        config: How finely to look.
        weights: (row, column, source, unit), as `published.last_layer` returns them.

    Returns:
        Radial curves by name, and the networks whose weights were not cut.
    """
    spec = circuit(config)
    drawn = kernels.draw(spec)
    scale = config.cell / CELL
    low, high = (radius * scale for radius in DISTILL_RADII)
    shown = grid(Curve(length=90 * scale), angle=turn(config.angles), radius=log(low, high, config.radii))
    plain = ck.HandbuiltNet(ck.build(spec, kernels=drawn))
    best = {
        "curve": ck.tune(
            plain["early_curves"], grid(Curve(length=90 * scale, radius=6.0 * config.cell), angle=turn(24))
        ),
        "edge": ck.tune(plain["lines"], grid(ck.stimuli.Line(length=90 * scale), angle=turn(36)[:18])),
    }
    # Each family as loud as the other: a unit's answer to its own best stimulus is 1.
    gains = {name: 1 / float(answers.max("angle").mean()) for name, answers in best.items()}
    gains["edge"] *= config.gain

    def network(cells: xr.DataArray) -> CircuitNetwork:
        kernel = jnp.asarray(dilated(cells, config.cell, gains))
        return ck.build(spec, kernels=drawn | {"published": kernel})

    tuned, nets = {}, {"published": network(weights), "published, symmetrised": network(symmetrised(weights))}
    for name, edit in EDITS.items():
        net = nets["published"] if name == "full" else network(edit(weights))
        tuned[name] = tuning.radial(ck.tune(ck.HandbuiltNet(net)["published"], shown))
    mended = ck.HandbuiltNet(nets["published, symmetrised"])["published"]
    tuned["full, symmetrised"] = tuning.radial(ck.tune(mended, shown))
    tuned["ours"] = tuning.radial(ck.tune(plain["ours"], shown))
    tuned["early curves (input)"] = tuning.radial(ck.tune(plain["early_curves"], shown))
    return tuned, nets


def numbers(name: str, curve: xr.DataArray) -> Row:
    """Returns the numbers of one layer's radial curves; a unit's design angle stands in its name."""
    design = np.array([float(str(unit).rpartition("@")[2]) for unit in curve.unit.values])
    off = np.abs((tuning.mean_angle(curve).values - design + 180) % 360 - 180)
    width, echo = tuning.fwhm(curve), tuning.echo(curve)
    return {
        "layer": name,
        "peak off by at most": float(off.max()),
        "FWHM": float(width.mean()),
        "narrowest": float(width.min()),
        "widest": float(width.max()),
        "echo": float(echo.mean()),
        "largest echo": float(echo.max()),
        "echo at the antipode": float(tuning.echo_at_antipode(curve).mean()),
        "evenness": tuning.evenness(curve),
    }


def tile_errors(config: Config, weights: xr.DataArray) -> dict[str, xr.DataArray]:
    """Returns how far the tiles of each block lie from their quarter turns: of the published layer, and of ours."""
    found, period = {}, {"curve": 360.0, "edge": 180.0}
    for source, unit in (("curve", "curve"), ("edge", "curve"), ("edge", "edge")):
        block = weights.sel(source=weights.source_family == source, unit=weights.unit_family == unit)
        found[f"published: {source} to {unit}"] = equivariance.weight_errors(
            block.values,
            list(block.source_angle.values),
            list(block.unit_angle.values),
            source_period=period[source],
            unit_period=period[unit],
        )
    spec = circuit(config)
    family, kernel = spec["published"], kernels.draw(spec)["published"]
    layout = kernels.lay_out(spec)["published"]
    for source, name in (("early_curves", "curve"), ("lines", "line")):
        reads = spec[source]
        found[f"ours: {name} to curve"] = equivariance.weight_errors(
            kernel[:, :, layout.channels(source)] / jnp.abs(kernel).max(),
            reads.unit_angles,
            family.unit_angles,
            source_period=reads.turn,
            unit_period=family.turn,
        )
    return found


def main() -> None:
    """Runs, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="coarse")
    parser.add_argument("--data", help="the folder that holds distill/; what CIRCUITKIT_DATA names if left out")
    options = parser.parse_args()
    result = run(SMOKE if options.smoke else Config(), options.data)
    OUT.mkdir(exist_ok=True)
    with (OUT / "result.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(result.rows[0]))
        writer.writeheader()
        writer.writerows(result.rows)
    for name, figure in {
        "published": figures.edited_tuning(result.curves),
        "last_layer": figures.last_layers(result.tuned, PUBLISHED_ECHO),
        "equivariance": figures.tile_errors(result.tiles),
    }.items():
        (OUT / f"{name}.png").write_bytes(to_png(figure))
    for title, table in (
        ("worst deviation from the published numbers", [{"table": name} | row for name, row in result.facts.items()]),
        ("on our lower layers", result.rows),
        ("error under a quarter turn", [{"layer": name, "error": error} for name, error in result.turned.items()]),
        (
            "tiles that a quarter turn changes",
            [
                {
                    "block": name,
                    "largest": float(each.max()),
                    f"share above {figures.NOTICED}": float((each > figures.NOTICED).mean()),
                }
                for name, each in result.tiles.items()
            ],
        ),
    ):
        print(f"\n{title}\n\n| {' | '.join(table[0])} |\n|{'---|' * len(table[0])}")
        for row in table:
            cells = [f"{v:.3g}" if isinstance(v, float) else str(v) for v in (row.get(key, "") for key in table[0])]
            print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
