"""How much of the weights between trained families do the numbers of a tile explain?

Run:    python -m experiments.tile_fit --data FOLDER      (ten minutes on two cores)
Smoke:  python -m experiments.tile_fit --smoke            (handbuilt curves alone; the tests run it)
Writes: experiments/tile_fit/out/*; the figures of the README

FOLDER holds nets/ and distill/; the environment variable CIRCUITKIT_DATA names it just as well. Fits that are done are
kept; a run that was interrupted goes on.
"""

import argparse
import dataclasses
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

import circuitkit as ck
from circuitkit.errors import StimulusError
from circuitkit.fit import TileFit, fit_tile
from circuitkit.fit.descent import logs_of
from circuitkit.fit.tiles import WEIGHT
from circuitkit.relative_pose import relative_pose
from circuitkit.spec import Arc, Crossing, Flank, Line, OppositeArc, Tile
from circuitkit.viz import to_png
from circuitkit.viz.relative_pose import Fit, tile_matrix
from circuitkit.viz.style import BLACK, BLUE, FAINT, GREY, HEAD, ORANGE, WIDTH, new_figure, place, styled
from experiments.relative_pose import pairs
from experiments.relative_pose.pairs import Families, Pair

HERE = Path(__file__).parent
OUT = HERE / "out"

ARC = Arc(radius=24.0, length=36.0)
RULES = {
    "curves": Tile("curves", ARC, tolerance=25.0, spread=6.0) - Crossing(0.5) - OppositeArc(0.5),
    "lines": Tile("lines", ARC, tolerance=25.0, spread=6.0) - Crossing(0.5) - OppositeArc(0.5),
    "edges": Tile("edges", ARC, tolerance=25.0, spread=6.0) - Crossing(0.5) - OppositeArc(0.5),
    "edges to lines": Tile("edges", Line(length=12.0), tolerance=25.0, spread=4.0)
    - Crossing(0.5)
    - Flank(0.3, distance=8.0),
}
"""Where fits start, by what is read: the kinds of inhibition of `handbuilt`, and numbers that no fit has seen."""

TANGENT = {"curves": 90.0, "lines": 0.0, "edges": -90.0}
"""By how much the path that a source stands on is turned against its angle."""

SHOWN = {
    "InceptionV1, 3a curves to 3b curves": "inception_curves",
    "SqueezeNet, fire4 lines to fire5 curves": "squeezenet_lines",
}


@dataclasses.dataclass(frozen=True)
class Config:
    """What is fixed beforehand.

    Attributes:
        exchanges: Orders of the sources' angles that are tried.
        resampled: Times that units are drawn again.
        shuffled: Nets of shuffled kernels.
        seed: Of all draws.
    """

    exchanges: int = 39
    resampled: int = 20
    shuffled: int = 2
    seed: int = 0


SMOKE = Config(exchanges=1, resampled=0)


def source_of(name: str) -> str:
    """Returns what a pair's units read."""
    return next(kind for kind in TANGENT if kind in name.partition(" to ")[0])


def rule_of(name: str) -> Tile:
    """Returns where the fit of a pair starts."""
    source = source_of(name)
    lines = source == "edges" and "to fire" in name and "lines" in name.partition(" to ")[2]
    return RULES["edges to lines" if lines else source]


def fitted(name: str, pair: Pair, config: Config) -> TileFit:
    """Returns the tile that explains most of a pair's weights."""
    source = source_of(name)
    return fit_tile(
        pair.weights,
        pair.unit_angles,
        pair.source_angles + TANGENT[source],
        rule_of(name),
        source_period=360.0 if source == "curves" else 180.0,
        known=pair.known,
        exchanges=config.exchanges,
        resampled=config.resampled,
        seed=config.seed,
    )


def kept(folder: Path, name: str, pair: Pair, config: Config) -> TileFit:
    """Returns a pair's fit: one that was done before, or a new one, which is kept."""
    own = pair.weights.values, pair.unit_angles, pair.source_angles, pair.known
    digest = hashlib.sha256(f"{name}{config}{rule_of(name)}".encode())
    for part in own:
        digest.update(np.ascontiguousarray(part).tobytes())
    path = folder / f"fit-{digest.hexdigest()[:16]}.nc"
    if not path.exists():
        write(fitted(name, pair, config), path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)
    return read(path, pair, rule_of(name))


def write(fit: TileFit, path: Path) -> None:
    """Writes a fit as netCDF, but for its tile, which is the rule with these numbers."""
    held = xr.Dataset(
        {
            "part": (("unit", "source", "y", "x"), fit.part.values),
            "null": ("draw", fit.null.values),
            "numbers": (("number", "end"), fit.numbers[["value", "low", "high"]].to_numpy()),
        },
        attrs={"gain": fit.gain, "share": fit.share, "predicted": fit.predicted},
    )
    held.to_netcdf(path, engine="scipy")


def read(path: Path, pair: Pair, rule: Tile) -> TileFit:
    """Returns a fit that was written, of the same pair and rule."""
    held = xr.load_dataset(path, engine="scipy")
    _, back, names = logs_of(rule)
    numbers = pd.DataFrame(
        held.numbers.values, index=[name for name in names if name != WEIGHT], columns=["value", "low", "high"]
    )
    values = [1.0 if name == WEIGHT else float(numbers.value[name]) for name in names]
    return TileFit(
        tile=jax.tree.map(float, back(np.log(values))),
        numbers=numbers,
        gain=float(held.attrs["gain"]),
        part=pair.weights.copy(data=held.part.values),
        rest=pair.weights.copy(data=pair.weights.values - held.part.values),
        share=float(held.attrs["share"]),
        predicted=float(held.attrs["predicted"]),
        null=held.null.rename("share"),
    )


def rows(found: dict[str, Pair], config: Config, out: Path) -> tuple[pd.DataFrame, dict[str, TileFit]]:
    """Returns a row a pair, beside what relative pose explains, and the fits. What there is so far is written."""
    (out / "fits").mkdir(parents=True, exist_ok=True)
    table, fits = [], {}
    for name, pair in found.items():
        fits[name] = held = kept(out / "fits", name, pair, config)
        ceiling = relative_pose(
            pair.weights,
            pair.unit_angles,
            pair.source_angles,
            **pair.periods,
            known=pair.known,
            exchanges=0,  # type: ignore[arg-type]
        )
        table.append(
            {
                "pair": name,
                "units": len(pair.unit_angles),
                "sources": len(pair.source_angles),
                "weights": int(pair.known.sum()) * pair.weights[0, 0].size,
                "numbers": held.terms,
                "share": held.share,
                "left_out": held.predicted,
                "chance": float(np.median(held.null)) if held.null.size else np.nan,
                "chance_highest": float(held.null.max()) if held.null.size else np.nan,
                "p": held.p,
                "pose_numbers": ceiling.terms,
                "pose_share": ceiling.share,
                "pose_left_out": ceiling.predicted,
            }
        )
        print(pd.Series(table[-1]).to_string(float_format=lambda value: f"{value:.3f}"), flush=True)
        print(held.numbers.to_string(float_format=lambda value: f"{value:.2f}"), flush=True)
        pd.DataFrame(table).to_csv(out / "shares.csv", float_format="%.5g", index=False)
        numbers = pd.concat({each: fit.numbers for each, fit in fits.items()}, names=["pair", "number"])
        numbers.to_csv(out / "numbers.csv", float_format="%.5g")
    return pd.DataFrame(table).set_index("pair"), fits


@styled
def shares(table: pd.DataFrame) -> Figure:
    """Shows what a tile explains of each pair's weights beside what relative pose does at all, and chance."""
    row = 0.34
    figure = new_figure(
        HEAD + row * len(table) + 1.15,
        "Weights explained by the numbers of a tile",
        "Share of squared weights: a tile, the same fitted to the other units, and all that relative pose can explain.",
    )
    axes = place(figure, 3.0, HEAD + 0.1, WIDTH - 3.2, row * len(table))
    at = np.arange(len(table))
    axes.barh(at, table.pose_share, height=0.62, color=FAINT, label="relative pose, 75 and more numbers")
    axes.barh(at, table.share, height=0.36, color=BLUE, label="a tile, 7 or 8 numbers")
    axes.plot(table.left_out, at, "o", color=ORANGE, ms=5, label="a tile fitted to the other units")
    axes.plot(table.chance_highest, at, "|", color=BLACK, ms=11, mew=1.5, label="a tile, angles exchanged (highest)")
    axes.axvline(0, color=GREY, lw=0.8)
    axes.set(ylim=(len(table) - 0.5, -0.5), xlabel="share of squared weights", yticks=at)
    axes.set_yticklabels(table.index)
    axes.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.55 / (row * len(table))), ncols=2, frameon=False)
    return figure


def main(arguments: Sequence[str] | None = None) -> pd.DataFrame:
    """Runs, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("CIRCUITKIT_DATA"), help="folder of nets and weights"
    )
    parser.add_argument("--store", type=Path, help="folder that keeps the families that are found")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for tables and figures")
    parser.add_argument("--smoke", action="store_true", help="handbuilt curves alone")
    options = parser.parse_args(arguments)
    if options.data is None and not options.smoke:
        raise StimulusError("no folder of data: give --data FOLDER, set CIRCUITKIT_DATA, or ask for --smoke.")
    if options.smoke:
        config, found = SMOKE, {name: _coarse(pair) for name, pair in pairs.ours(None, 8.0).items()}
    else:
        config, data = Config(), Path(options.data)
        found = {**pairs.published_curves(data), **pairs.published_lines(data)}
        net = Families(ck.nets.load(str(data / "nets/squeezenet1_1.onnx")), store=options.store)
        found |= pairs.squeezenet(net)
        chance = pairs.learned_nothing(net, range(config.shuffled))
        found |= {f"{name}, curves to curves": pair for name, pair in chance.items()}
    table, fits = rows(found, config, options.out)
    (options.out / "shares.png").write_bytes(to_png(shares(table)))
    for name, called in SHOWN.items():
        if name in fits:
            pair = found[name]
            fit = Fit(pair.weights, fits[name], pair.unit_angles, pair.source_angles, **pair.periods)
            (options.out / f"{called}.png").write_bytes(to_png(tile_matrix(fit, f"{name}, and a tile")))
    return table


def _coarse(pair: Pair) -> Pair:
    """Returns a pair with weights at every fourth place, as trained nets have them at every stride."""
    return dataclasses.replace(pair, weights=pair.weights.isel(y=slice(2, None, 4), x=slice(2, None, 4)))


if __name__ == "__main__":
    main()
