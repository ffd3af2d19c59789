"""Is a handbuilt curve more like a trained one if it is divided by what is around it? Divided where, and how wide?

Run:    python -m experiments.transplant.normalised --data FOLDER          (FOLDER holds nets/ and images/)
Smoke:  python -m experiments.transplant.normalised --smoke                (the tests run it)
Writes: experiments/transplant/out/normalised.csv and normalised_check.csv

Trials that are done are kept in out/; a run that was interrupted goes on.

Each trial divides one family of `handbuilt/curves.py` (or two) by a constant plus its mean nearby, and correlates short
arcs of one radius with the trained units, over all places of every fifth image. The best of them is then looked at once
on the other images, with arcs of three radii, beside the circuit without a division. Constants are shares of what the
family responds on average on the first set. Arcs stand at every fourth pixel: trained units do at every eighth.
"""

import argparse
import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from rich.console import Console
from rich.progress import Progress

import circuitkit as ck
from circuitkit.errors import StimulusError
from circuitkit.evidence.statistics import bootstrap
from circuitkit.nets import Shrunk
from circuitkit.probe import Net
from circuitkit.spec import Normalisation
from circuitkit.stimuli import LabelledSet, photographs
from circuitkit.surgery import agreement
from experiments.transplant.__main__ import drawn
from experiments.transplant.operations import FAMILY
from experiments.transplant.units import Bench, Trained, arcs, find_units, three_radii

OUT = Path(__file__).parent / "out"
PLACES = ("contours", "lines", "early_curves")
WITHIN = (3.0, 6.0, 12.0, 24.0)
"""Standard deviations of the window that are tried, in pixels of the net's images."""

SHARES = (0.1, 1 / 3, 1.0)
"""Of the family's mean response: constants that are tried. Windows are compared at the one in the middle."""

PLAIN = "not divided"


class Config(NamedTuple):
    """What is fixed before any image is seen.

    Attributes:
        wavelength: Of the handbuilt edges, in pixels of the net's images.
        shrink: Images are averaged over squares of so many pixels for the handbuilt circuits.
        looked_at: Every so-manieth image is for choosing; all others are for the check.
        places: Families that are divided.
        within: Windows, in pixels.
        shares: Constants, as shares of the family's mean response.
        stride: Of short arcs, on what is left of the images.
        best: So many of the most selective units of each layer are taken; left out, those that meet all criteria.
        seed: Of the intervals.
    """

    wavelength: float = 10.0
    shrink: int = 2
    looked_at: int = 5
    places: tuple[str, ...] = PLACES
    within: tuple[float, ...] = WITHIN
    shares: tuple[float, ...] = SHARES
    best: int | None = None
    stride: int = 2
    seed: int = 0


SMOKE = Config(wavelength=4.0, shrink=1, places=("contours",), within=(3.0,), shares=(1 / 3,), best=4)


class Trial(NamedTuple):
    """What is divided: families, each by a window in pixels and a constant as a share of its mean response."""

    divided: tuple[tuple[str, float, float], ...] = ()

    def __str__(self) -> str:
        told = [f"{name} within {within:g}, {share:.2g} of mean" for name, within, share in self.divided]
        return " and ".join(told) or PLAIN

    def normalised(self, means: Mapping[str, float]) -> dict[str, Normalisation]:
        """Returns what each family is divided by."""
        return {
            name: Normalisation(within=within, constant=share * means[name]) for name, within, share in self.divided
        }


def run(
    net: Net, trained: Sequence[Trained], images: LabelledSet, config: Config, out: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns the trials, on the images for choosing, and the best of them on the others; keeps those that are done."""
    every = np.arange(len(images))
    choosing, others = images[every[:: config.looked_at]], images[every[every % config.looked_at > 0]]
    radii = three_radii(trained)
    means = mean_responses(net, trained, choosing, radii[1], config)
    with Progress(console=Console(stderr=True)) as bars:

        def correlated(trial: Trial, shown: LabelledSet, sizes: Sequence[float]) -> Float[np.ndarray, "turn unit"]:
            units = [(each.layer, each.channels, each.angles.tolist()) for each in trained]
            look = (config.wavelength, config.shrink, config.stride)
            told = repr((net.name, units, shown, sizes, sorted(trial.normalised(means).items()), look))
            path = out / f"trial-{hashlib.sha256(told.encode()).hexdigest()[:16]}.npy"
            if not path.exists():
                task = bars.add_task(f"{trial}, {len(shown)} images", total=len(shown))
                bench = bench_of(sizes, trial.normalised(means), config)
                found = correlations(
                    net, trained, bench, shown, lambda done, total: bars.update(task, completed=done, total=total)
                )
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.with_suffix(".part").open("wb") as file:
                    np.save(file, found)
                path.with_suffix(".part").replace(path)
            return np.load(path, allow_pickle=False)

        def tried(trials: Iterable[Trial]) -> dict[Trial, Float[np.ndarray, "turn unit"]]:
            return {trial: correlated(trial, choosing, radii[1:2]) for trial in trials}

        middle = config.shares[len(config.shares) // 2]
        found = tried([Trial(), *(Trial(((each, w, middle),)) for each in config.places for w in config.within)])
        # The best window of each family: other constants for the best of all, and two families at once.
        own = [
            max((t for t in found if each in str(t)), key=lambda t: np.median(found[t][0])) for each in config.places
        ]
        ((place, within, _),) = max(own, key=lambda trial: np.median(found[trial][0])).divided
        more = [Trial(((place, within, share),)) for share in config.shares if share != middle]
        found |= tried([*more, *(Trial(a.divided + b.divided) for a, b in itertools.combinations(own, 2))])
        best = max(found, key=lambda trial: np.median(found[trial][0]))
        check = {trial: correlated(trial, others, radii) for trial in dict.fromkeys((Trial(), best))}
    return summary(found, config.seed, means), summary(check, config.seed, means)


def mean_responses(
    net: Net, trained: Sequence[Trained], images: LabelledSet, radius: float, config: Config
) -> dict[str, float]:
    """Returns what families respond on average, over members and places, without any division."""
    shrunk = handbuilt(radius, {}, config)
    layer, donors = trained[0].layer, {name: shrunk[name] for name in config.places}
    seen = agreement(net, {layer: trained[0].channels[:1]}, donors, images)[layer]  # any unit: it says at which places
    return {name: float(seen.member_mean.values[seen.donor.values == name].mean()) for name in donors}


def handbuilt(radius: float, normalised: Mapping[str, Normalisation], config: Config) -> Shrunk:
    """Returns the circuit for one radius, in pixels of the net's images; so are windows."""
    return arcs(radius, wavelength=config.wavelength, shrink=config.shrink, normalised=normalised, stride=config.stride)


def bench_of(radii: Sequence[float], normalised: Mapping[str, Normalisation], config: Config) -> Bench:
    """Returns short arcs of some radii side by side."""
    return Bench({f"{FAMILY} {radius:g}": handbuilt(radius, normalised, config)[FAMILY] for radius in radii})


def correlations(
    net: Net,
    trained: Sequence[Trained],
    bench: Bench,
    images: LabelledSet,
    progress: Callable[[int, int], None] | None = None,
) -> Float[np.ndarray, "turn unit"]:
    """Returns each unit's correlation with the arc at its angle, and with the one turned by 90 degrees."""
    units = {each.layer: each.channels for each in trained}
    seen = agreement(net, units, bench.probes, images, progress=progress)
    rows = []
    for turned in (0.0, 90.0):
        parts = [
            seen[each.layer].correlation.values[
                np.arange(len(each.channels)), bench.places(each, FAMILY, turned=turned)
            ]
            for each in trained
        ]
        rows.append(np.concatenate(parts))
    return np.stack(rows)


def summary(
    found: Mapping[Trial, Float[np.ndarray, "turn unit"]], seed: int, means: Mapping[str, float]
) -> pd.DataFrame:
    """Returns a row a trial: medians over units, and the mean difference from the circuit without a division."""
    plain, rows = found[Trial()], {}
    for trial, values in found.items():
        more = values[0] - plain[0]
        low, high = bootstrap(more, seed=seed) if trial.divided else (0.0, 0.0)
        rows[str(trial)] = {
            "median": np.median(values[0]),
            "turned by 90°": np.median(values[1]),
            "gain": more.mean(),
            "low": float(low),
            "high": float(high),
            "units better": int((more > 0).sum()),
        }
    table = pd.DataFrame(rows).T
    table.attrs["mean responses"] = {name: f"{mean:.3g}" for name, mean in means.items()}
    return table


def main(arguments: Sequence[str] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("CIRCUITKIT_DATA"), help="folder of nets and images"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="folder for the tables")
    parser.add_argument("--smoke", action="store_true", help="the small net on drawn curves, in a minute")
    options = parser.parse_args(arguments)
    if options.smoke:
        net: Net = ck.nets.small()
        images, _ = drawn(net, count=10)
        config, layers = SMOKE, ["conv4"]
    elif options.data is None:
        raise StimulusError("no folder of data: give --data FOLDER, set CIRCUITKIT_DATA, or ask for --smoke.")
    else:
        net = ck.nets.load(str(options.data / "nets/squeezenet1_1.onnx"))
        images = photographs(options.data / "images/imagenet-sample.zip", side=224)
        config, layers = Config(), ["fire4", "fire5"]
    trained = find_units(net, layers, best=config.best, store=options.out / "found" / net.name)
    tables = run(net, trained, images, config, options.out / "normalised")
    for name, table in zip(("normalised", "normalised_check"), tables, strict=True):
        print(f"\n{name}, mean responses {table.attrs['mean responses']}\n{table.to_string(float_format='%.3f')}")
        options.out.mkdir(parents=True, exist_ok=True)
        table.to_csv(options.out / f"{name}.csv", float_format="%.4f")
    return tables


if __name__ == "__main__":
    main()
