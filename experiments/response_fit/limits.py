"""What keeps a dozen numbers from explaining more: what the circuit is shown, its rule, or that units share it?

Run:    python -m experiments.response_fit.limits --data FOLDER            (FOLDER holds nets/ and images/)
        python -m experiments.response_fit.limits --net FILE.onnx --images FILE.zip --layer L      (any other net)
Smoke:  python -m experiments.response_fit.limits --smoke                  (the small net on drawn curves)
Writes: experiments/response_fit/out/limits.csv, limits_units.csv; limits.png and patterns_LAYER.png

Between a circuit of fourteen numbers and the trained units stand, a step each: a pattern over the same contours that no
rule restrains (all units share it), one for each unit, a conv net that learns everything itself, and the unit itself
shown no more than these are. All are fitted to the same photographs, at all their places, and compared with the units
on the same others. A layer that is done is kept; a run that was interrupted goes on.
"""

import argparse
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import Progress

import circuitkit as ck
from circuitkit.cli import sources
from circuitkit.errors import StimulusError
from circuitkit.evidence.statistics import bootstrap
from circuitkit.fit.ceiling import learn_maps
from circuitkit.fit.patterns import Patterns
from circuitkit.nets.wrapped import Wrapped
from circuitkit.probe import Images, Maps, Net, Probe
from circuitkit.receptive_field import ReceptiveField
from circuitkit.stimuli import LabelledSet, photographs
from circuitkit.surgery import agreement
from circuitkit.viz import to_png
from circuitkit.viz.patterns import pattern_sheet
from experiments.response_fit import figures
from experiments.response_fit.__main__ import SMALL, halves
from experiments.response_fit.circuits import EARLY
from experiments.response_fit.contour_patterns import EXCHANGED, OWN, SHARED, Contours, mixed, patterns
from experiments.transplant.__main__ import drawn, read_fitted
from experiments.transplant.units import FITTED as FAMILY_FITTED
from experiments.transplant.units import Bench, Trained, find_units

HERE = Path(__file__).parent
OUT, NUMBERS = HERE / "out", HERE / "fitted"

LEARNED, LEARNED_SHARED = "conv net, one output a unit", "conv net, one for all, turned"
BY_HAND, FITTED = "arcs, by hand", "divided arcs, fitted"
ITSELF = "itself, "


class Config(NamedTuple):
    """What is fixed before anything is fitted.

    Attributes:
        patterns: What they are made of.
        kinds: Of patterns.
        epochs: Of the conv net with an output a unit: how often it sees each photograph.
        epochs_shared: Of the one for all units: how often it sees each, as one unit or another.
        moved: Pixels by which photographs are moved for the unit itself.
        best: So many of the most selective units of each layer; left out, those that meet all criteria.
        seed: Of all draws.
    """

    patterns: Contours = Contours()
    kinds: tuple[str, ...] = (OWN, mixed(4), mixed(2), SHARED, EXCHANGED)
    epochs: int = 40
    epochs_shared: int = 60
    moved: int = 4
    best: int | None = None
    seed: int = 0


SMOKE = Config(
    Contours(shrink=1, reach=4.0), kinds=(OWN, mixed(2), SHARED, EXCHANGED), epochs=1, epochs_shared=1, moved=1, best=4
)


class Donor(NamedTuple):
    """Units that are compared with trained ones.

    Attributes:
        probe: The units.
        places: Which of them belongs to each trained one.
        numbers: How many were fitted.
    """

    probe: Probe
    places: Int[np.ndarray, " unit"]
    numbers: int


class Changed(Wrapped):
    """A net that is shown images changed in some way."""

    def __init__(self, net: Net, change: Callable[[Images], Images], name: str) -> None:
        """Takes the change."""
        self.net, self.change, self.name = net, change, name
        self.image_size, self.image_values = net.image_size, f"{name}; then {net.image_values}"

    def receptive_field(self, layer: str, image_size: tuple[int, int] | None = None) -> ReceptiveField | None:
        """What a unit sees of the changed image."""
        return self.net.receptive_field(layer, image_size)

    def maps(self, images: Images, layer: str) -> Maps:
        """Runs changed images."""
        return self.net.maps(self.change(images), layer)


def grey(images: Images) -> Images:
    """Returns images without colour: every channel the mean of all."""
    return jnp.broadcast_to(images.mean(-1, keepdims=True), images.shape)


def coarse(by: int) -> Callable[[Images], Images]:
    """Returns what averages images over squares, and draws them as large as before."""

    def change(images: Images) -> Images:
        count, rows, columns, channels = images.shape
        held = images[:, : rows // by * by, : columns // by * by]
        mean = held.reshape(count, rows // by, by, columns // by, by, channels).mean((2, 4))
        return jax.image.resize(mean, images.shape, "linear")

    return change


def changes(config: Config) -> dict[str, Callable[[Images], Images]]:
    """Returns what is done to photographs for the units themselves, by name."""
    half, moved = coarse(2), config.moved
    return {
        f"{ITSELF}in grey": grey,
        f"{ITSELF}averaged over 2 x 2": half,
        f"{ITSELF}both": lambda images: half(grey(images)),
        f"{ITSELF}light for dark": lambda images: -images,
        f"{ITSELF}moved by {moved} pixels": lambda images: jnp.roll(images, (moved, moved), (1, 2)),
    }


def run(
    net: Net,
    images: LabelledSet,
    fitted_to: Int[np.ndarray, " image"],
    layers: Sequence[str] | None,
    config: Config,
    out: Path,
    *,
    numbers: Mapping[str, Mapping[str, float]] | None = None,
    by_hand: Mapping[str, float] = EARLY,
) -> tuple[pd.DataFrame, dict[str, Patterns]]:
    """Returns each unit's correlation with each of what stands between it and the circuit, and patterns by layer.

    Args:
        net: The net.
        images: Photographs.
        fitted_to: Which of them anything is fitted to; all others are for the comparison.
        layers: See `find_units`.
        config: What is fixed.
        out: Folder for what is done.
        numbers: Of fitted circuits, by layer, if there are any.
        by_hand: Those of the circuit by hand.
    """
    out.mkdir(parents=True, exist_ok=True)
    others = np.setdiff1d(np.arange(len(images)), fitted_to)
    tables, shown = [], {}
    with Progress(console=Console(stderr=True)) as bars:
        for trained in find_units(net, layers, best=config.best, store=out / "found" / net.name):

            def step(name: str, layer: str = trained.layer) -> Any:
                task = bars.add_task(f"{layer}: {name}", total=None)
                return lambda done, total: bars.update(task, completed=done, total=total)

            own = (numbers or {}).get(trained.layer)
            held = patterns(
                net,
                trained,
                images[fitted_to],
                config.patterns,
                config.kinds,
                seed=config.seed,
                progress=step("patterns"),
            )
            shown[trained.layer] = held[OWN]
            said = repr((net.name, trained, images, fitted_to.tolist(), config, own, by_hand))
            path = out / f"limits-{hashlib.sha256(said.encode()).hexdigest()[:16]}.csv"
            if not path.exists():
                circuits = {FITTED: own, BY_HAND: by_hand}
                between = donors(net, trained, images[fitted_to], held, circuits, config, step)
                table = compared(net, trained, between, images[others], step("other photographs"))
                table.to_csv(path.with_suffix(".part"), index=False)
                path.with_suffix(".part").replace(path)
            tables.append(pd.read_csv(path))
    return pd.concat(tables, ignore_index=True), shown


def donors(
    net: Net,
    trained: Trained,
    images: LabelledSet,
    held: Mapping[str, Patterns],
    circuits: Mapping[str, Mapping[str, float] | None],
    config: Config,
    step: Callable[[str], Any],
) -> dict[str, Donor]:
    """Returns what stands between the circuit and the units: each of it as a probe, by name.

    Args:
        net: The net.
        trained: Units of one of its layers.
        images: That conv nets are trained on.
        held: Patterns, by kind.
        circuits: Numbers of circuits, by name.
        config: What is fixed.
        step: Returns what is told of the progress of something.
    """
    probe, every = net[trained.layer, list(trained.channels)], np.arange(len(trained.channels))
    found = {}
    for name, change in changes(config).items():
        found[name] = Donor(Changed(net, change, name)[trained.layer, list(trained.channels)], every, 0)
    for name, angles, epochs in (
        (LEARNED, None, config.epochs),
        (LEARNED_SHARED, trained.angles, config.epochs_shared),
    ):
        learned = learn_maps(
            probe, images, angles=angles, shrink=config.patterns.shrink, epochs=epochs, seed=config.seed,
            progress=step(name),
        )  # fmt: skip
        found[name] = Donor(learned["units"], every, learned.net.count)  # type: ignore[attr-defined]
    for name, each in held.items():
        found[name] = Donor(each.as_net()["patterns"], every, each.count)
    for name, numbers in circuits.items():
        if numbers is not None:
            bench = Bench({}).with_fitted({trained.layer: numbers}, shrink=config.patterns.shrink)
            (early_curves,) = bench.probes.values()
            places = bench.places(trained, FAMILY_FITTED)
            found[name] = Donor(early_curves, places, len(numbers) if name == FITTED else 0)
    return found


def compared(
    net: Net,
    trained: Trained,
    between: Mapping[str, Donor],
    images: LabelledSet,
    progress: Callable[[int, int], None],
) -> pd.DataFrame:
    """Returns each unit's correlation with its own member of each donor, over all places of images."""
    seen = agreement(
        net,
        {trained.layer: trained.channels},
        {name: each.probe for name, each in between.items()},
        images,
        progress=progress,
    )[trained.layer]
    tables = []
    for name, (_, places, count) in between.items():
        found = seen.correlation.values[:, seen.donor.values == name][np.arange(len(places)), places]
        tables.append(
            pd.DataFrame(
                {
                    "layer": trained.layer,
                    "model": name,
                    "unit": seen.unit.values,
                    "angle": trained.angles,
                    "numbers": count,
                    "correlation": found,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def summary(units: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Returns a row a model and layer: the median over units, and its interval over units drawn again."""
    rows = []
    for (model, layer), held in units.groupby(["model", "layer"], sort=False):
        values = held.correlation.to_numpy()
        low, high = bootstrap(values, seed=seed, statistic=_median)
        rows.append(
            {
                "model": model,
                "layer": layer,
                "numbers": int(held.numbers.iloc[0]),
                "median": float(np.median(values)),
                "low": float(low),
                "high": float(high),
                "lowest": float(values.min()),
            }
        )
    return pd.DataFrame(rows)


def _median(values: Float[np.ndarray, " unit"]) -> Float[np.ndarray, ""]:
    return np.asarray(np.median(values, axis=0))


def pictures(units: pd.DataFrame, shown: Mapping[str, Patterns], note: str) -> dict[str, Figure]:
    """Returns the figures, by name."""
    made = {"limits": figures.models(units, list(dict.fromkeys(units.model)), note)}
    for layer, held in shown.items():
        names = [f"{unit} at {angle:.0f}°" for unit, angle in zip(held.weights.unit.values, held.angles, strict=True)]
        made[f"patterns_{layer.replace('/', '_')}"] = pattern_sheet(
            held.weights, title=f"What units of {layer} look for in photographs", note=note, names=names
        )
    return made


def main(arguments: Sequence[str] | None = None) -> pd.DataFrame:
    """Runs, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("CIRCUITKIT_DATA"), help="folder of nets and images"
    )
    parser.add_argument("--net", help="FILE.onnx, or a name [default: squeezenet1_1.onnx of the folder]")
    parser.add_argument("--images", type=Path, help="pictures [default: those of the folder]")
    parser.add_argument(
        "--layer", action="append", help="where to look for curve detectors; may be given several times"
    )
    parser.add_argument("--best", type=int, metavar="N", help="take the N most selective units of each layer")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for tables and figures")
    parser.add_argument("--smoke", action="store_true", help="the small net on drawn curves, in a minute")
    sources.add_preprocessing_to(parser)
    options = parser.parse_args(arguments)
    numbers: dict[str, dict[str, float]] = {}
    by_hand: Mapping[str, float] = EARLY
    if options.smoke:
        net: Net = ck.nets.small()
        images, _ = drawn(net, count=16)
        config, layers, by_hand = SMOKE, ["conv4"], {name: SMALL[name] for name in EARLY}
        fitted_to = np.arange(0, 16, 2)
    else:
        if options.data is None and (options.net is None or options.images is None):
            raise StimulusError("no folder of data: give --data FOLDER, set CIRCUITKIT_DATA, or ask for --smoke.")
        net = sources.net(str(options.net or Path(options.data) / "nets/squeezenet1_1.onnx"), options)
        images = photographs(
            options.images or Path(options.data) / "images/imagenet-sample.zip",
            side=224 if net.image_size is None else min(net.image_size),
        )
        config = Config(best=options.best)
        layers = options.layer or (["fire4", "fire5"] if options.net is None else None)
        fitted_to, numbers = halves(len(images))[0], read_fitted(NUMBERS) if options.net is None else {}
    units, shown = run(net, images, fitted_to, layers, config, options.out, numbers=numbers, by_hand=by_hand)
    table = summary(units, config.seed)
    print(table.to_string(index=False, float_format="%.3f"))
    units.to_csv(options.out / "limits_units.csv", index=False, float_format="%.5g")
    table.to_csv(options.out / "limits.csv", index=False, float_format="%.5g")
    note = f"{net.name}; fitted to {len(fitted_to)} photographs, compared on {len(images) - len(fitted_to)} others"
    for name, figure in pictures(units, shown, note).items():
        (options.out / f"{name}.png").write_bytes(to_png(figure))
    return table


if __name__ == "__main__":
    main()
