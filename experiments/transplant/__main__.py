"""What comes back of a net's judgement when handbuilt curves take the place of trained ones, and does it matter which?

Run:    python -m experiments.transplant --data FOLDER                                  (SqueezeNet 1.1)
        python -m experiments.transplant --fitted FOLDER --ceilings --data FOLDER       (and fitted ones)
        python -m experiments.transplant --net FILE.onnx --images FILE.zip --layer L    (any other net)
Smoke:  python -m experiments.transplant --smoke            (the small net on drawn curves; the tests run it)
Writes: experiments/transplant/out/*; the figures of the README

FOLDER holds nets/ and images/; the environment variable CIRCUITKIT_DATA names it just as well. The images need a class
each (`class_index`). A run that was interrupted goes on where it was.
"""

import argparse
import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Int
from rich.console import Console
from rich.progress import Progress

import circuitkit as ck
from circuitkit.cli import sources
from circuitkit.errors import CircuitkitError, StimulusError
from circuitkit.fit.ceiling import learn_maps
from circuitkit.probe import Net
from circuitkit.spec import Normalisation
from circuitkit.stimuli import LabelledSet, photographs
from circuitkit.stimuli.photographs import pictures
from circuitkit.surgery import Ablate, agreement, outcomes, recovery, to_json
from circuitkit.surgery.steps import Step
from circuitkit.viz import to_png
from experiments.response_fit.contour_patterns import OWN, SHARED, Contours, patterns
from experiments.transplant import figures
from experiments.transplant.operations import (
    BY_HAND,
    FAMILY,
    KINDS,
    LEARNED,
    NATURAL_PERMUTED,
    ONE_PATTERN,
    OTHER,
    OWN_PATTERNS,
    PERMUTED,
    SILENT,
    Calibrated,
    calibrated,
    correlation,
    operations,
    permuted,
    random_units,
    turned,
)
from experiments.transplant.units import Bench, Trained, find_units

HERE = Path(__file__).parent
OUT = HERE / "out"
PART = 100
"""Images that are done at once: no more is lost when a run is interrupted."""

RANDOM = "random units"
MEASURES = ("log_likelihood", "top1", "top5", "same")


@dataclasses.dataclass(frozen=True)
class Config:
    """What is fixed before any image is seen.

    Attributes:
        calibration: Images for gains and offsets; all others are for evaluation.
        wavelength: Of the handbuilt edges, in pixels of the net's images.
        shrink: Images are averaged over squares of so many pixels for the handbuilt circuits.
        permutations: Of maps among units.
        random_sets: Sets of random units of the same layers.
        looked_at: Every so-manieth image was looked at when the length of arcs and the wavelength were chosen.
        best: So many of the most selective units of each layer are taken; left out, those that meet all criteria.
        normalised: Handbuilt families that are divided by what is around: name, window in pixels of the net's images,
            constant.
        epochs: Of the conv net that shows what can be foretold of units at all.
        seed: Of all draws.
    """

    calibration: int = 200
    wavelength: float = 10.0
    shrink: int = 2
    permutations: int = 5
    random_sets: int = 3
    looked_at: int = 5
    best: int | None = None
    normalised: tuple[tuple[str, float, float], ...] = (("contours", 6.0, 0.0042),)
    epochs: int = 40
    seed: int = 0


SMOKE = Config(normalised=(), calibration=8, epochs=1, wavelength=4.0, shrink=1, permutations=2, random_sets=1, best=6)


def split(count: int, config: Config) -> tuple[Int[np.ndarray, " image"], Int[np.ndarray, " image"]]:
    """Returns the images for calibration and those for evaluation, by number; drawn, in order."""
    if count <= config.calibration + 1:
        raise StimulusError(f"there are {count} images: wanted more than {config.calibration + 1}.")
    order = np.random.default_rng(config.seed).permutation(count)
    return np.sort(order[: config.calibration]), np.sort(order[config.calibration :])


def run(
    net: Net,
    images: LabelledSet,
    classes: Int[np.ndarray, " image"],
    layers: Sequence[str] | None,
    config: Config,
    out: Path,
    *,
    fitted: Mapping[str, Mapping[str, float]] | None = None,
    ceilings: bool = False,
) -> dict[str, pd.DataFrame]:
    """Returns all tables.

    Args:
        net: The net.
        images: Photographs.
        classes: Of each.
        layers: See `find_units`.
        config: What is fixed.
        out: Folder for what is done.
        fitted: Numbers of fitted circuits, by layer: they are put in, too.
        ceilings: Put in what no rule restrains, too: patterns over contours, and a conv net. They are fitted to the
            images for calibration, and those that were looked at.
    """
    out.mkdir(parents=True, exist_ok=True)
    calibration, evaluation = split(len(images), config)
    trained = find_units(net, layers, best=config.best, store=out / "found" / net.name)
    divided = {name: Normalisation(within=within, constant=by) for name, within, by in config.normalised}
    bench = Bench.of(trained, wavelength=config.wavelength, shrink=config.shrink, normalised=divided)
    if fitted:
        if missing := [each.layer for each in trained if each.layer not in fitted]:
            raise StimulusError(f"no numbers were fitted to {', '.join(missing)}: there are {', '.join(fitted)}.")
        bench = bench.with_fitted({each.layer: fitted[each.layer] for each in trained}, shrink=config.shrink)
    with Progress(console=Console(stderr=True)) as bars:

        def step(name: str) -> object:
            task = bars.add_task(name, total=None)
            return lambda done, total: bars.update(task, completed=done, total=total)

        if ceilings:
            fitted_to = images[np.union1d(calibration, np.arange(0, len(images), config.looked_at))]
            for each in trained:
                bench = with_ceilings(bench, net, each, fitted_to, config, step(f"{each.layer}: conv net"))
        own_kinds = [f"{kind}-" for kind in KINDS]
        others = [random_units(net, trained, config.seed + number) for number in range(config.random_sets)]
        found, *rest = calibrated(
            net,
            [trained, *others],
            bench,
            images[calibration],
            progress=step("calibration"),  # type: ignore[arg-type]
        )
        made = operations(found, permutations=config.permutations, seed=config.seed)
        for number, each in enumerate(rest):
            made[f"{RANDOM} {number}, silent"] = [Ablate(one.layer, one.channels) for one in each.trained]
            made[f"{RANDOM} {number}, by hand"] = each.family(FAMILY)
        seen = _scored(net, made, images, classes, evaluation, found, out, step("evaluation"))
        shown = {name: probe for name, probe in bench.probes.items() if name.startswith((f"{FAMILY} ", *own_kinds))}
        units = {each.layer: each.channels for each in trained}
        fresh = agreement(net, units, shown, images[evaluation], progress=step("agreement"))  # type: ignore[arg-type]
    own = correlation(fresh, trained, Bench(shown)).to_dataset(name="correlation")
    for kind in KINDS:
        if bench.has(kind):
            own[f"correlation_{kind.replace(' ', '_')}"] = correlation(fresh, trained, Bench(shown), kind)
    made_of = tables(seen, trained, own, config)
    never = np.flatnonzero(evaluation % config.looked_at)
    if len(never):
        again = tables(seen.isel(image=never), trained, own, config)
        there = [name for kind in KINDS if bench.has(kind) for name in (kind, permuted(kind))]
        kept = [BY_HAND, PERMUTED, NATURAL_PERMUTED, *there]
        rows = [again["log_likelihood"].loc[kept], again["specificity"], again["dose"]]
        made_of["never_looked_at"] = pd.concat(rows, keys=["recovery", "less permuted", "dose"], names=["of"])
    return made_of


def with_ceilings(
    bench: Bench, net: Net, trained: Trained, images: LabelledSet, config: Config, progress: object
) -> Bench:
    """Returns the bench with what can be fitted to a layer's units without a rule."""
    front = Contours(shrink=config.shrink, reach=8.0 * config.shrink)
    made = patterns(net, trained, images, front, (SHARED, OWN), seed=config.seed)
    for kind, name in ((ONE_PATTERN, SHARED), (OWN_PATTERNS, OWN)):
        away = dataclasses.replace(made[name], angles=made[name].angles + 90.0)
        nets = {0.0: made[name].as_net(name=name), 90.0: away.as_net(name=f"{name}, turned")}
        bench = bench.with_units(kind, trained.layer, {turn: each["patterns"] for turn, each in nets.items()})
    learned = learn_maps(
        net[trained.layer, list(trained.channels)], images, shrink=config.shrink, epochs=config.epochs,
        seed=config.seed, progress=progress,  # type: ignore[arg-type]
    )  # fmt: skip
    return bench.with_units(LEARNED, trained.layer, {0.0: learned["units"]})


def _scored(
    net: Net,
    made: dict[str, list[Step]],
    images: LabelledSet,
    classes: Int[np.ndarray, " image"],
    evaluation: Int[np.ndarray, " image"],
    found: Calibrated,
    out: Path,
    progress: object,
) -> xr.Dataset:
    """Returns all outcomes; each part is kept when it is done."""
    donors = {name: probe.net for name, probe in found.bench.probes.items()}
    said = "".join(f"{name}{to_json(steps)}" for name, steps in made.items())
    key = hashlib.sha256(f"{net.name}{images!r}{evaluation.tolist()}{classes.tolist()}{said}".encode()).hexdigest()[:16]
    parts = []
    for start in range(0, len(evaluation), PART):
        path, some = out / f"outcomes-{key}-{start}.nc", evaluation[start : start + PART]
        if not path.exists():
            held = outcomes(net, made, images[some], classes[some], donors=donors)
            held.to_netcdf(path.with_suffix(".part"), engine="scipy")
            path.with_suffix(".part").replace(path)
        parts.append(xr.load_dataset(path, engine="scipy"))
        progress(min(start + PART, len(evaluation)), len(evaluation))  # type: ignore[operator]
    return xr.concat(parts, "image")


def tables(
    seen: xr.Dataset, trained: Sequence[Trained], correlation: xr.Dataset, config: Config
) -> dict[str, pd.DataFrame]:
    """Returns what the outcomes say: recoveries by measure, specificity, and what units were replaced."""
    names = [str(name) for name in seen.operation.values]
    kinds = [kind for kind in KINDS if kind in names]
    for mean in (PERMUTED, NATURAL_PERMUTED, *map(permuted, kinds)):
        several = seen.sel(operation=[name for name in names if name.startswith(f"{mean} ")]).mean("operation")
        seen = xr.concat([seen, several.assign_coords(operation=mean)], "operation")
    found = {}
    for measure in MEASURES:
        try:
            table = recovery(seen, lost=SILENT, measure=measure, seed=config.seed)  # type: ignore[arg-type]
        except CircuitkitError:
            if measure == MEASURES[0]:
                raise
            continue  # as many right answers as before: a small set may lose none
        rows = [table[~table.index.str.startswith(RANDOM)]]
        for number in range(config.random_sets):
            try:
                own = recovery(seen, lost=f"{RANDOM} {number}, silent", measure=measure, seed=config.seed)  # type: ignore[arg-type]
            except CircuitkitError:  # they lose nothing
                continue
            rows.append(own.loc[[f"{RANDOM} {number}, silent", f"{RANDOM} {number}, by hand"]])
        found[measure] = pd.concat(rows)
    specific = recovery(seen, lost=SILENT, less=PERMUTED, seed=config.seed)
    ceiling = recovery(seen, lost=SILENT, less=NATURAL_PERMUTED, seed=config.seed).loc[["intact"]]
    dose = recovery(seen, lost=SILENT, less="turned by 90°", seed=config.seed).loc[[BY_HAND]]
    found["specificity"] = pd.concat([specific.loc[[BY_HAND]], ceiling.rename(index={"intact": "ceiling"})])
    found["dose"] = dose.rename(index={BY_HAND: "right angle less 90°"})
    for kind in kinds:
        own = recovery(seen, lost=SILENT, less=permuted(kind), seed=config.seed).loc[[kind]]
        found["specificity"] = pd.concat([found["specificity"], own])
        if turned(kind) in names:
            own = recovery(seen, lost=SILENT, less=turned(kind), seed=config.seed).loc[[kind]]
            found["dose"] = pd.concat([found["dose"], own.rename(index={kind: f"{kind}, right angle less 90°"})])
    other = recovery(seen, lost=OTHER, seed=config.seed)
    found["against_another_image"] = other.loc[[name for name in other.index if not name.startswith(RANDOM)]]
    found["units"] = pd.DataFrame(
        {
            "unit": correlation.unit.values,
            "angle": np.concatenate([each.angles for each in trained]),
            "radius": np.concatenate([each.radii for each in trained]),
            **{str(name): held.values for name, held in correlation.items()},
        }
    ).set_index("unit")
    return found


def drawn(net: ck.nets.SequentialNet, count: int = 40) -> tuple[LabelledSet, Int[np.ndarray, " image"]]:
    """Returns pictures of curves for the smoke run, and what the net makes of each."""
    rng = np.random.default_rng(0)
    made = [
        ck.stimuli.Curve(angle=float(angle), radius=6, length=12, width=2).draw(32)
        for angle in rng.uniform(0, 360, count)
    ]
    shown = np.stack(made).repeat(3, -1)
    return pictures(shown), np.asarray(net.logits(jnp.asarray(shown))).argmax(1)


def read_fitted(folder: Path) -> dict[str, dict[str, float]]:
    """Returns the numbers of fitted circuits, by layer."""
    held = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("numbers_*.json"))]
    found = {each["layer"]: each["numbers"] for each in held}
    if not found:
        raise StimulusError(f"{folder} has no numbers_LAYER.json: run `python -m experiments.response_fit` first.")
    return found


def main(arguments: Sequence[str] | None = None) -> dict[str, pd.DataFrame]:
    """Runs, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("CIRCUITKIT_DATA"), help="folder of nets and images"
    )
    parser.add_argument("--net", help="FILE.onnx, or a name [default: squeezenet1_1.onnx of the folder]")
    parser.add_argument("--images", type=Path, help="pictures with a class_index each [default: those of the folder]")
    parser.add_argument(
        "--layer", action="append", help="where to look for curve detectors; may be given several times"
    )
    parser.add_argument("--best", type=int, metavar="N", help="take the N most selective units of each layer")
    parser.add_argument("--fitted", type=Path, metavar="FOLDER", help="numbers_LAYER.json of experiments.response_fit")
    parser.add_argument(
        "--ceilings", action="store_true", help="put in what no rule restrains, too: patterns, and a conv net"
    )
    parser.add_argument(
        "--normalised",
        action="append",
        nargs=3,
        default=[],
        metavar=("FAMILY", "PIXELS", "CONSTANT"),
        help="divide a handbuilt family by what is around; may be given several times [default: contours 6 0.0042]",
    )
    parser.add_argument("--plain", action="store_true", help="divide none")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for tables and figures")
    parser.add_argument("--smoke", action="store_true", help="the small net on drawn curves, in a minute")
    sources.add_preprocessing_to(parser)
    options = parser.parse_args(arguments)
    divided = tuple((name, float(within), float(by)) for name, within, by in options.normalised)
    if divided and options.plain:
        raise StimulusError("--normalised says what is divided, and --plain that nothing is: give one of them.")
    net: Net
    if options.smoke:
        small = ck.nets.small()
        images, classes = drawn(small)
        net, layers, config = small, ["conv4"], SMOKE
    else:
        if options.data is None and (options.net is None or options.images is None):
            raise StimulusError("no folder of data: give --data FOLDER, set CIRCUITKIT_DATA, or ask for --smoke.")
        net = sources.net(str(options.net or Path(options.data) / "nets/squeezenet1_1.onnx"), options)
        shown = photographs(
            options.images or Path(options.data) / "images/imagenet-sample.zip",
            side=224 if net.image_size is None else min(net.image_size),
        )
        if "class_index" not in shown.labels:
            raise StimulusError(
                f"the pictures have no class_index: they have {', '.join(shown.labels) or 'no labels'}."
            )
        images, classes = shown, shown.labels.class_index.to_numpy(int)
        config = Config(best=options.best)
        layers = options.layer or (["fire4", "fire5"] if options.net is None else None)
    if divided or options.plain:
        config = dataclasses.replace(config, normalised=divided)
    fitted = None if options.fitted is None else read_fitted(options.fitted)
    found = run(net, images, classes, layers, config, options.out, fitted=fitted, ceilings=options.ceilings)
    for name, table in found.items():
        print(f"\n{name}\n{table.to_string(float_format=lambda value: f'{value:.3f}')}")
        table.to_csv(options.out / f"{name}.csv", float_format="%.5g")
    count = len(images) - config.calibration
    note = f"{net.name}, {len(found['units'])} units, {count} images. Intervals: 95 %, paired by image."
    made = {
        "recoveries": figures.recoveries({name: found[name] for name in MEASURES if name in found}, note),
        "doses": figures.doses(found["log_likelihood"], found["specificity"], note),
    }
    for name, figure in made.items():
        (options.out / f"{name}.png").write_bytes(to_png(figure))
    return found


if __name__ == "__main__":
    main()
