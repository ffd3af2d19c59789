"""How much of trained curve units do a dozen numbers of a handwritten circuit explain, on photographs and on arcs?

Run:    python -m experiments.response_fit --data FOLDER                                  (SqueezeNet 1.1)
        python -m experiments.response_fit --net FILE.onnx --images FILE.zip --layer L    (any other net)
        python -m experiments.response_fit --radial --data FOLDER                         (published radial curves)
Smoke:  python -m experiments.response_fit --smoke            (the small net on drawn curves; the tests run it)
Writes: experiments/response_fit/out/*; the figures of the README; numbers_LAYER.json, which
        `python -m experiments.transplant --fitted` puts in the place of the trained units

FOLDER holds nets/, images/ and distill/; the environment variable CIRCUITKIT_DATA names it just as well. What is done
is kept, and a run that was interrupted goes on with the next model.
"""

import argparse
import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from rich.console import Console

import circuitkit as ck
from circuitkit.cli import sources
from circuitkit.errors import StimulusError
from circuitkit.evidence import published
from circuitkit.fit import Examples, fit_radial, fit_responses
from circuitkit.fit.baselines import learned, linear_nonlinear
from circuitkit.fit.responses import explained, predictions
from circuitkit.probe import Net
from circuitkit.stimuli import LabelledSet, photographs
from circuitkit.viz import to_png
from experiments.response_fit import figures
from experiments.response_fit.circuits import DIVIDED, EARLY, ENERGY, early, energy
from experiments.response_fit.data import examples
from experiments.transplant.__main__ import Config as Split
from experiments.transplant.__main__ import drawn, split
from experiments.transplant.operations import deranged
from experiments.transplant.units import Trained, find_units

HERE = Path(__file__).parent
OUT = HERE / "out"

BY_HAND, PLAIN, FITTED = "arcs, by hand", "arcs, fitted", "divided arcs, fitted"
EXCHANGED = "arcs, angles exchanged"
ENERGY_FITTED, FILTER, TEMPLATE, NET = "edge energy", "filter", "any template", "any net"
MODELS = (EXCHANGED, ENERGY_FITTED, FILTER, BY_HAND, PLAIN, FITTED, TEMPLATE, NET)


@dataclasses.dataclass(frozen=True)
class Config:
    """What is fixed before anything is fitted.

    Attributes:
        each: Crops of every photograph that is fitted to.
        each_test: Crops of every other one.
        side: Of crops, in pixels after they are shrunk; odd.
        shrink: Photographs are averaged over squares of so many pixels.
        starts: Of fits.
        steps: Of fits.
        resampled: Fits to photographs drawn again, for intervals.
        learning: Steps of the nets that show how much can be explained at all.
        best: So many of the most selective units of each layer; left out, those that meet all criteria.
        seed: Of all draws.
    """

    each: int = 16
    each_test: int = 8
    side: int = 61
    shrink: int = 2
    starts: int = 3
    steps: int = 120
    resampled: int = 10
    learning: int = 1000
    best: int | None = None
    seed: int = 0


SMOKE = Config(
    each=4, each_test=4, side=41, shrink=1, starts=1, steps=2, resampled=1, learning=3, best=4
)  # fmt: skip
SMALL: Mapping[str, float] = {
    **DIVIDED,
    "wavelength": 4.0,
    "sigma": 1.2,
    "line_length": 2.0,
    "radius": 5.0,
    "length": 3.0,
    "within": 2.0,
}
"""For nets of small images."""


def halves(count: int) -> tuple[Int[np.ndarray, " image"], Int[np.ndarray, " image"]]:
    """Returns the photographs that are fitted to, and those that are not: by number.

    Fitted to are those that `experiments/transplant` calibrates on, and those that were looked at when circuits were
    chosen by hand. The others are those that nothing there was chosen on.
    """
    config = Split()
    calibration, _ = split(count, dataclasses.replace(config, calibration=min(config.calibration, count // 3)))
    fitted = np.union1d(calibration, np.arange(0, count, config.looked_at))
    return fitted, np.setdiff1d(np.arange(count), fitted)


def run(
    net: Net,
    images: LabelledSet,
    layers: Sequence[str] | None,
    config: Config,
    out: Path,
    *,
    numbers: Mapping[str, float] = DIVIDED,
    models: Sequence[str] = MODELS,
) -> dict[str, pd.DataFrame]:
    """Returns what each model explains, and the numbers of those that have a name for each: by layer."""
    out.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    fitted, others = halves(len(images))
    made: dict[str, list[pd.DataFrame]] = {"units": [], "numbers": []}
    for trained in find_units(net, layers, best=config.best, store=out / "found" / net.name):
        console.log(f"{trained.layer}: {len(trained.channels)} units")
        cut = dataclasses.asdict(config)
        shared = {"side": cut["side"], "shrink": cut["shrink"]}
        seen = examples(net, trained, images, fitted, each=config.each, seed=config.seed, **shared)
        test = examples(net, trained, images, others, each=config.each_test, seed=config.seed + 1, **shared)
        said = json.dumps([cut, dict(numbers), net.name, repr(images), trained.layer, trained.channels])
        key = hashlib.sha256(said.encode()).hexdigest()[:12]

        def kept_as(model: str, key: str = key, layer: str = trained.layer) -> Path:
            return out / f"{layer.replace('/', '_')}-{model.replace(' ', '_').replace(',', '')}-{key}"

        # What the nets that learn anything are shown: all that units see, and no more.
        seen_by = net.receptive_field(trained.layer)
        field = config.side if seen_by is None else min(seen_by.size[0] // config.shrink // 2 * 2 + 1, config.side)
        for model in models:
            kept = kept_as(model)
            if not kept.with_suffix(".units.csv").exists():
                console.log(f"{trained.layer}: {model}")
                before = kept_as(PLAIN).with_suffix(".numbers.csv")
                start = dict(numbers)
                if model == FITTED and before.exists():  # it goes on from there
                    start |= pd.read_csv(before, index_col="number").value.to_dict()
                held, found = fit(model, seen, test, trained, config, start, console.log, field=field)
                if found is not None:
                    found.rename_axis("number").to_csv(kept.with_suffix(".numbers.csv"))
                held.to_csv(kept.with_suffix(".units.csv"), index=False)
            names = [net.unit_names(trained.layer)[channel] for channel in trained.channels]
            units = pd.read_csv(kept.with_suffix(".units.csv")).assign(unit=names, model=model, layer=trained.layer)
            made["units"].append(units)
            if (path := kept.with_suffix(".numbers.csv")).exists():
                table = pd.read_csv(path, index_col="number")
                made["numbers"].append(table.assign(model=model, layer=trained.layer).reset_index())
                if model == FITTED:
                    text = json.dumps({"layer": trained.layer, "numbers": table.value.to_dict()}, indent=2)
                    (out / f"numbers_{trained.layer.replace('/', '_')}.json").write_text(text + "\n")
    return {name: pd.concat(tables, ignore_index=True) for name, tables in made.items() if tables}


def fit(
    model: str,
    seen: Examples,
    test: Examples,
    trained: Trained,
    config: Config,
    numbers: Mapping[str, float],
    say: Callable[[str], Any],
    *,
    field: int,
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Returns what a model explains of each unit, and its numbers if they have names; nets see `field` pixels."""
    angles, plain = trained.angles, {name: numbers[name] for name in EARLY}
    how: dict[str, Any] = {
        "test": test,
        "starts": config.starts,
        "steps": config.steps,
        "resampled": config.resampled,
        "seed": config.seed,
        "progress": say,
    }
    if model in (BY_HAND, EXCHANGED):
        if model == EXCHANGED:
            angles = angles[deranged(len(angles), np.random.default_rng(config.seed))]
        held = explained(predictions(early(**plain), "early_curves", angles), seen, test)
        return held.assign(count=0), None
    if model in (PLAIN, FITTED, ENERGY_FITTED):
        write, start, family = {
            PLAIN: (early, plain, "early_curves"),
            FITTED: (early, numbers, "early_curves"),
            ENERGY_FITTED: (energy, {**ENERGY, **{name: numbers[name] for name in ("wavelength", "sigma")}}, "energy"),
        }[model]
        found = fit_responses(write, start, family, seen, angles, **how)
        return found.units.assign(count=len(found.numbers)), found.numbers
    if model == FILTER:
        respond = linear_nonlinear(seen, angles, numbers=len(numbers), seed=config.seed)
        return explained(respond, seen, test).assign(count=len(numbers)), None
    seen, test = (dataclasses.replace(each, images=_middle(each.images, field)) for each in (seen, test))
    respond = learned(
        seen, angles=angles if model == TEMPLATE else None, steps=config.learning, seed=config.seed,
        progress=lambda done, total: say(f"step {done} of {total}") if done % 250 == 0 else None,
    )  # fmt: skip
    return explained(respond, seen, test).assign(count=-1), None


def _middle(images: Float[np.ndarray, "example side side channel"], side: int) -> np.ndarray:
    """Returns the middle of images, of an odd side."""
    margin = (images.shape[1] - side) // 2
    return images[:, margin : margin + side, margin : margin + side]


def radial(config: Config, data: Path, out: Path) -> dict[str, pd.DataFrame]:
    """Fits the published radial curves of the ten curve units of mixed3b; writes a figure and returns tables."""
    console = Console(stderr=True)
    curves = published.radial_curves("mixed3b", data)
    found = fit_radial(
        early, EARLY, "early_curves", curves,
        starts=config.starts, steps=config.steps, seed=config.seed, progress=console.log,
    )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    (out / "radial.png").write_bytes(to_png(figures.radial(found)))
    return {
        "radial_units": found.units.reset_index(),
        "radial_numbers": found.numbers.rename_axis("number").reset_index(),
    }


def main(arguments: Sequence[str] | None = None) -> dict[str, pd.DataFrame]:
    """Runs, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("CIRCUITKIT_DATA"), help="folder of nets, images and published data"
    )
    parser.add_argument("--net", help="FILE.onnx, or a name [default: squeezenet1_1.onnx of the folder]")
    parser.add_argument("--images", type=Path, help="photographs [default: those of the folder]")
    parser.add_argument("--layer", action="append", help="where to look for curve detectors; several times for several")
    parser.add_argument("--best", type=int, metavar="N", help="take the N most selective units of each layer")
    parser.add_argument("--model", action="append", choices=MODELS, help="fit this one only; several times for several")
    parser.add_argument("--radial", action="store_true", help="fit the published radial curves instead")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for tables and figures")
    parser.add_argument("--smoke", action="store_true", help="the small net on drawn curves, in a minute")
    sources.add_preprocessing_to(parser)
    options = parser.parse_args(arguments)
    config = SMOKE if options.smoke else Config(best=options.best)
    if options.data is None and not options.smoke:
        raise StimulusError("no folder of data: give --data FOLDER, set CIRCUITKIT_DATA, or ask for --smoke.")
    if options.radial:
        found = radial(config, Path(options.data), options.out)
        note = "radial curves"
    else:
        net: Net
        images: LabelledSet
        layers: Sequence[str] | None
        numbers: Mapping[str, float] = DIVIDED
        if options.smoke:
            net = small = ck.nets.small()
            images, layers, numbers = drawn(small)[0], ["conv4"], SMALL
        else:
            net = sources.net(str(options.net or Path(options.data) / "nets/squeezenet1_1.onnx"), options)
            images = photographs(
                options.images or Path(options.data) / "images/imagenet-sample.zip",
                side=224 if net.image_size is None else min(net.image_size),
            )
            layers = options.layer or (["fire4", "fire5"] if options.net is None else None)
        models = options.model or MODELS
        found = run(net, images, layers, config, options.out, numbers=numbers, models=models)
        note = f"{net.name}, {len(images)} photographs"
        found["summary"] = summary(found["units"])
        (options.out / "models.png").write_bytes(to_png(figures.models(found["units"], MODELS, note)))
    for name, table in found.items():
        if name != "units":
            print(f"\n{name}\n{table.to_string(index=False, float_format=lambda value: f'{value:.3f}')}")
        table.to_csv(options.out / f"{name}.csv", index=False, float_format="%.5g")
    return found


def summary(units: pd.DataFrame, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Returns a row a model: the median correlation and the mean share of variance, with units drawn again."""
    rows, rng = [], np.random.default_rng(seed)
    for layer in [*units.layer.unique(), "all"]:
        for model in units.model.unique():
            held = units[(units.model == model) & (units.layer.isin(units.layer if layer == "all" else [layer]))]
            drawn_again = rng.integers(0, len(held), (draws, len(held)))
            medians = np.median(held.correlation.to_numpy()[drawn_again], axis=1)
            count = int(held["count"].iloc[0])
            rows.append(
                {
                    "layer": layer,
                    "model": model,
                    "numbers": "" if count < 0 else str(count),
                    "correlation": held.correlation.median(),
                    "low": np.quantile(medians, 0.025),
                    "high": np.quantile(medians, 0.975),
                    "share": held.test.mean(),
                    "per number": held.test.mean() / count if count > 0 else np.nan,
                }
            )
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
