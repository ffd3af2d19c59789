"""Do numbers fitted to drawn arcs hold on photographs, and those fitted to photographs on drawn arcs?

Run:    python -m experiments.response_fit.drawn_arcs --data FOLDER        (FOLDER holds nets/ and images/)
Smoke:  python -m experiments.response_fit.drawn_arcs --smoke              (the small net; the tests run it)
Writes: experiments/response_fit/out/drawn_arcs.csv, drawn_numbers.csv

Images of arcs on grey, of all angles, radii, widths and contrasts, over each other; one set to fit to, and another one
to score on. The circuit and the units are those of `python -m experiments.response_fit`.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

import circuitkit as ck
from circuitkit.errors import StimulusError
from circuitkit.fit import Examples, fit_responses
from circuitkit.fit.responses import explained, predictions
from circuitkit.probe import Net
from circuitkit.stimuli import Curve, LabelledSet, photographs
from circuitkit.stimuli.photographs import pictures
from experiments.response_fit.__main__ import OUT, SMALL, SMOKE, Config, halves
from experiments.response_fit.circuits import DIVIDED, early
from experiments.response_fit.data import examples
from experiments.transplant.__main__ import drawn, read_fitted
from experiments.transplant.units import Trained, find_units

NUMBERS = Path(__file__).parent / "fitted"

COUNT, COUNT_TEST = 100, 50
"""Images to fit to, and to score on."""

EACH, EACH_TEST = 32, 16
"""Crops of each."""

ROOM = 20
"""Pixels by which crops that are scored on are larger: a fit may end at a circuit that sees more than it was shown."""

ARCS = 24
RADII = (8.0, 64.0)
BY_HAND, ON_PHOTOGRAPHS, ON_ARCS = "by hand", "fitted to photographs", "fitted to drawn arcs"


def arcs(count: int, *, side: int, seed: int, each: int = ARCS) -> LabelledSet:
    """Returns images of arcs on grey, each painted over those before.

    Args:
        count: Images.
        side: In pixels; radii and widths are for images of 224, and scale with it.
        seed: Of all draws.
        each: Arcs in an image.
    """
    rng, scale = np.random.default_rng(seed), side / 224
    made = np.zeros((count, side, side), np.float32)
    for image in made:
        for _ in range(each):
            radius = scale * float(np.exp(rng.uniform(*np.log(RADII))))
            arc = Curve(
                angle=float(rng.uniform(0, 360)),
                radius=radius,
                length=min(float(rng.uniform(0.8, 2.5)) * radius, 90 * scale),
                width=scale * float(rng.uniform(2, 6)),
                foreground=1.0,
            )
            anchor = tuple(rng.uniform(0, side - 1, 2).tolist())
            cover = np.asarray(arc.draw(side, anchor=anchor))[..., 0]  # type: ignore[arg-type]
            light = float(rng.choice([-1, 1]) * rng.uniform(0.3, 1))
            image[:] = image * (1 - cover) + light * cover
    return pictures(made[..., None].repeat(3, -1))


def run(
    net: Net,
    trained: Trained,
    images: LabelledSet,
    config: Config,
    fitted: Mapping[str, float] | None,
    *,
    start: Mapping[str, float] = DIVIDED,
    count: tuple[int, int] = (COUNT, COUNT_TEST),
    each: tuple[int, int] = (EACH, EACH_TEST),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns each unit's correlation with the circuit by every set of numbers, on both kinds of image; and numbers.

    Args:
        net: The net.
        trained: Units of one of its layers.
        images: Photographs; the circuit is scored on those that nothing was fitted to.
        config: As of the fit to photographs.
        fitted: Numbers that were fitted to photographs, if there are any.
        start: The numbers by hand, where the fit starts.
        count: Images of arcs to fit to, and to score on.
        each: Crops of each of them.
    """
    side = 224 if net.image_size is None else min(net.image_size)
    shown = [arcs(number, side=side, seed=config.seed + place) for place, number in enumerate(count)]
    seen, other = (
        examples(
            net, trained, held, np.arange(len(held)), each=crops, side=config.side + more, shrink=config.shrink,
            seed=config.seed,
        )
        for held, crops, more in zip(shown, each, (0, ROOM), strict=True)
    )  # fmt: skip
    natural = examples(
        net, trained, images, halves(len(images))[1], each=config.each_test, side=config.side + ROOM,
        shrink=config.shrink, seed=config.seed + 1,
    )  # fmt: skip
    found = fit_responses(
        early, start, "early_curves", seen, trained.angles, starts=config.starts, steps=config.steps,
        resampled=0, seed=config.seed, progress=Console(stderr=True).log,
    )  # fmt: skip
    numbers = {BY_HAND: start, ON_ARCS: found.numbers.value.to_dict()}
    if fitted is not None:
        numbers[ON_PHOTOGRAPHS] = fitted
    names, tables = net.unit_names(trained.layer), []
    for name, own in numbers.items():
        respond = predictions(early(**own), "early_curves", trained.angles)
        correlations: dict[str, Examples] = {"drawn arcs": other, "photographs": natural}
        held = {kind: explained(respond, other, test).correlation for kind, test in correlations.items()}
        tables.append(
            pd.DataFrame(held).assign(
                layer=trained.layer, numbers=name, unit=[names[channel] for channel in trained.channels]
            )
        )
    return pd.concat(tables, ignore_index=True), found.numbers.rename_axis("number").assign(layer=trained.layer)


def main(arguments: Sequence[str] | None = None) -> pd.DataFrame:
    """Runs, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("CIRCUITKIT_DATA"), help="folder of nets and images"
    )
    parser.add_argument("--layer", action="append", help="fit to this layer alone; may be given several times")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for tables")
    parser.add_argument("--smoke", action="store_true", help="the small net, in a minute")
    options = parser.parse_args(arguments)
    if options.data is None and not options.smoke:
        raise StimulusError("no folder of data: give --data FOLDER, set CIRCUITKIT_DATA, or ask for --smoke.")
    net: Net
    images: LabelledSet
    if options.smoke:
        net = small = ck.nets.small()
        images, layers, config = drawn(small)[0], ["conv4"], SMOKE
        fitted: Mapping[str, Mapping[str, float]] = {"conv4": SMALL}
        how: dict[str, object] = {"start": SMALL, "count": (6, 4), "each": (4, 4)}
    else:
        net = ck.nets.load(str(Path(options.data) / "nets/squeezenet1_1.onnx"))
        images = photographs(Path(options.data) / "images/imagenet-sample.zip", side=224)
        layers, config, fitted, how = options.layer or ["fire4", "fire5"], Config(), read_fitted(NUMBERS), {}
    options.out.mkdir(parents=True, exist_ok=True)
    made = [
        run(net, trained, images, config, fitted.get(trained.layer), **how)  # type: ignore[arg-type]
        for trained in find_units(net, layers, best=config.best, store=options.out / "found" / net.name)
    ]
    units, numbers = (pd.concat(tables) for tables in zip(*made, strict=True))
    table = units.groupby(["layer", "numbers"], sort=False)[["drawn arcs", "photographs"]].median().reset_index()
    print(table.to_string(index=False, float_format="%.3f"))
    units.to_csv(options.out / "drawn_arcs.csv", index=False, float_format="%.5g")
    numbers.to_csv(options.out / "drawn_numbers.csv", float_format="%.5g")
    return table


if __name__ == "__main__":
    main()
