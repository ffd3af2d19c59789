"""How far do families in trained nets obey W[a -> b] = W[T a -> T b], and what do units do without the rest?

Run:    python -m experiments.relative_pose --data FOLDER    (twenty minutes; five, once families are found)
Smoke:  python -m experiments.relative_pose --smoke          (small handbuilt curves; the tests run it)
Writes: experiments/relative_pose/out/pairs.csv, readouts.csv and tiles of every pair; the figures of the README

FOLDER holds distill/, nets/ and images/; the environment variable CIRCUITKIT_DATA names it just as well. What is found
in the nets is kept in --store, where another run finds it.
"""

import argparse
import csv
import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

import circuitkit as ck
from circuitkit import wiring
from circuitkit.evidence import published
from circuitkit.evidence.statistics import bootstrap
from circuitkit.relative_pose import RelativePose
from circuitkit.stimuli import photographs
from circuitkit.viz import to_png
from circuitkit.viz.relative_pose import Fit, tile_matrix, weight_by_turn
from experiments.relative_pose import figures, pairs, readouts
from experiments.relative_pose.pairs import Families, Members, Pair

HERE = Path(__file__).parent
OUT = HERE / "out"

Row = dict[str, str | float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """How thoroughly to look.

    Attributes:
        seed: Of all that is drawn.
        exchanges: Orders of the sources' angles for which units left out are predicted, too.
        draws: Exchanges of angles, and choices of other units, whose read-outs are averaged.
        shuffled: Nets of shuffled kernels.
        radius: Of the handbuilt curves, in pixels.
        angles: Of the curves that read-outs are shown.
        radii: Likewise.
        images: How many photographs, the last ones of the set.
    """

    seed: int = 0
    exchanges: int = 99
    draws: int = 20
    shuffled: int = 5
    radius: float = 10.0
    angles: int = 72
    radii: int = 7
    images: int = 200


SMOKE = Config(exchanges=2, draws=2, radius=4.0, angles=24, radii=2)

README_TILES = {
    "InceptionV1, 3a curves to 3b curves": "inception_curves",
    "InceptionV1, lines to 3b curves": "inception_lines",
    "SqueezeNet, fire4 lines to fire5 curves": "squeezenet_lines",
    "SqueezeNet, fire4 curves to fire5 curves": "squeezenet_curves",
}
"""Pairs whose tiles the README shows."""

BY_TURN = (
    "InceptionV1, 3a curves to 3b curves",
    "InceptionV1, lines to 3b curves",
    "InceptionV1, the same lines, mirrored",
    "SqueezeNet, fire2 edges to fire3 edges",
    "SqueezeNet, fire3 edges to fire4 lines",
    "SqueezeNet, fire3 edges to fire4 curves",
    "SqueezeNet, fire4 lines to fire5 curves",
    "SqueezeNet, fire4 curves to fire5 curves",
    "SqueezeNet, shuffled 0",
    "ResNet, lines at unit 3 to curves",
    "ResNet, curves at unit 4 to curves",
    "handbuilt curves",
)
"""Pairs that are drawn by relative angle; those of them that there are."""


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """What was found.

    Attributes:
        pairs: All pairs, by name.
        fits: What was fitted, by the same names.
        rows: Their numbers.
        readouts: By subject, then by the name of what is left.
        left: Their numbers.
    """

    pairs: dict[str, Pair]
    fits: dict[str, RelativePose]
    rows: list[Row]
    readouts: dict[str, dict[str, xr.Dataset]]
    left: list[Row]


def run(config: Config, data: published.Folder | None, store: str | None = None) -> Result:
    """Measures everything; writes nothing but the store."""
    folder = published.folder(data).parent
    curves = pairs.published_curves(data)
    like = curves["InceptionV1, 3a curves to 3b curves, as drawn"]
    found = {**curves, **pairs.published_lines(data)}
    squeezenet = Families(ck.nets.load(folder / "nets/squeezenet1_1.onnx"), seed=config.seed, store=store)
    resnet = Families(ck.nets.load(folder / "nets/resnet50v2_stage3.onnx"), seed=config.seed, store=store)
    found |= pairs.squeezenet(squeezenet)
    found |= pairs.resnet(resnet)
    found |= pairs.handwritten(like, data) | pairs.ours(like, config.radius)
    found |= pairs.learned_nothing(squeezenet, range(config.shuffled))
    trusted = curves["InceptionV1, 3a curves to 3b curves"]
    left = {"InceptionV1, 3b": readouts.of_published(trusted, data, draws=config.draws, seed=config.seed)}
    images = photographs(folder / "images/imagenet-sample.zip", side=224)[-config.images :]
    families = {
        "curves": (found["SqueezeNet, fire4 curves to fire5 curves"], squeezenet["fire4", "curves"]),
        "lines": (found["SqueezeNet, fire4 lines to fire5 curves"], squeezenet["fire4", "lines"]),
    }
    probe = squeezenet.net["fire5", squeezenet["fire5", "curves"].channels]
    weights = wiring.expanded(probe, "fire4")
    shown = readouts.drawn(squeezenet.net, "fire4", probe, 1, angles=config.angles, radii=config.radii)
    natural = readouts.photographed(squeezenet.net, "fire4", probe, 1, images)
    left["SqueezeNet, fire5"] = readouts.of_net(families, weights, shown, natural, draws=config.draws, seed=config.seed)
    return _result(config, found, left)


def smoke(config: Config) -> Result:
    """Measures handbuilt curves alone, and their broken twin."""
    found = pairs.ours(None, config.radius)
    net = pairs.handbuilt_net(config.radius)
    pair = found["handbuilt curves"]
    probe = net["curves", list(pair.weights.unit.values)]
    weights = wiring.expanded(probe, "early_curves")
    channels = [list(weights.source.values).index(name) for name in pair.weights.source.values]
    members = Members("early_curves", "curves", channels, pair.source_angles, 360.0)
    reach = (weights.sizes["y"] - 1) // 2
    shown = readouts.drawn(net, "early_curves", probe, reach, angles=config.angles, radii=config.radii)
    left = readouts.of_net({"curves": (pair, members)}, weights, shown, None, draws=config.draws, seed=config.seed)
    return _result(config, found, {"handbuilt curves": left})


def _result(config: Config, found: dict[str, Pair], left: dict[str, dict[str, xr.Dataset]]) -> Result:
    fits, rows = {}, []
    for name, pair in found.items():
        fits[name] = pair.fit(seed=config.seed)
        rows.append(numbers(name, pair, fits[name], config))
    summary = [
        {"subject": subject, "left": name, **means(each, config.seed)}
        for subject, variants in left.items()
        for name, each in variants.items()
    ]
    return Result(found, fits, rows, left, summary)


def numbers(name: str, pair: Pair, fit: RelativePose, config: Config) -> Row:
    """Returns the numbers of one pair."""
    rng = np.random.default_rng(config.seed)
    by_chance = [
        pair.fit(source_angles=rng.permutation(pair.source_angles), exchanges=0).predicted
        for _ in range(config.exchanges)
    ]
    units, sources, height, width = pair.weights.shape
    return {
        "pair": name,
        "kind": pair.kind,
        "units": units,
        "sources": sources,
        "places": height * width,
        "fitted": fit.terms,
        "share": fit.share,
        "exchanged, median": float(fit.null.median()),
        "exchanged, highest": float(fit.null.max()),
        "p": fit.p,
        "left out": fit.predicted,
        "left out, exchanged, highest": max(by_chance),
    }


def means(found: xr.Dataset, seed: int) -> Row:
    """Returns the mean of each metric over units and draws, with the interval of the mean over units."""
    row: Row = {"units": found.sizes["unit"], "silent": float(found["peak off by"].isnull().mean())}
    for name in readouts.METRICS:
        if name in found:
            of_units = found[name].mean("draw").values
            row[name] = float(np.nanmean(of_units)) if np.isfinite(of_units).any() else np.nan
            low, high = bootstrap(of_units[:, None], seed=seed)
            row |= {f"{name}, low": float(low[0]), f"{name}, high": float(high[0])}
    return row


def fit_of(result: Result, name: str) -> Fit:
    """Returns what figures of a pair are drawn from."""
    pair = result.pairs[name]
    return Fit(pair.weights, result.fits[name], pair.unit_angles, pair.source_angles, **pair.periods)


def draw(result: Result, out: Path, readme: Path | None) -> None:
    """Writes the figures: tiles of every pair, and those that the README shows beside it."""
    for name in result.pairs:
        slug = name.lower().replace(", ", "_").replace(" ", "_").replace("'", "")
        png = to_png(tile_matrix(fit_of(result, name), name))
        (out / f"tiles_{slug}.png").write_bytes(png)
        if readme is not None and name in README_TILES:
            (readme / f"tiles_{README_TILES[name]}.png").write_bytes(png)
    some = [name for name in BY_TURN if name in result.pairs]
    target = out if readme is None else readme
    by_turn = weight_by_turn({name: fit_of(result, name) for name in some})
    (target / "by_turn.png").write_bytes(to_png(by_turn))
    (target / "shares.png").write_bytes(to_png(figures.shares(result.rows)))
    for subject, variants in result.readouts.items():
        slug = subject.split(",")[0].lower().replace(" ", "_")
        rows = [row for row in result.left if row["subject"] == subject]
        (target / f"left_{slug}.png").write_bytes(to_png(figures.left(subject, rows, variants)))


def main(arguments: Sequence[str] | None = None) -> Result:
    """Runs, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="handbuilt curves alone")
    parser.add_argument("--data", default=os.environ.get(published.VARIABLE), help="the folder that holds distill/")
    parser.add_argument("--store", default=str(OUT / "found"), help="a folder that keeps what is found in the nets")
    options = parser.parse_args(arguments)
    OUT.mkdir(exist_ok=True)
    result = smoke(SMOKE) if options.smoke else run(Config(), options.data, options.store)
    for name, rows in (("pairs", result.rows), ("readouts", result.left)):
        stem = f"smoke_{name}" if options.smoke else name
        with (OUT / f"{stem}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(dict.fromkeys(key for row in rows for key in row)))
            writer.writeheader()
            writer.writerows(rows)
        _print(rows)
    draw(result, OUT, None if options.smoke else HERE)
    return result


def _print(rows: Sequence[Mapping[str, str | float]]) -> None:
    keys = [key for key in dict.fromkeys(key for row in rows for key in row) if not key.endswith((", low", ", high"))]
    print(f"\n| {' | '.join(keys)} |\n|{'---|' * len(keys)}")
    for row in rows:
        cells = []
        for key in keys:
            value = row.get(key, "")
            text = f"{value:.3g}" if isinstance(value, float) else str(value)
            ends = [row.get(f"{key}, {end}") for end in ("low", "high")]
            cells.append(text if ends[0] is None else f"{text} ({ends[0]:.3g} to {ends[1]:.3g})")
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
