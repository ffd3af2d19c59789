"""Which units of a net does a mirror exchange, are their weights mirror images, and which later units unite them?

Run:    python -m experiments.mirror_pairs --data FOLDER    (seven minutes on two cores)
Smoke:  python -m experiments.mirror_pairs --smoke          (handbuilt spirals of either hand; the tests run it)
Writes: experiments/mirror_pairs/out/<net>_{pairs,facing,unions,counts}.csv; the figures of the README

FOLDER holds nets/ and images/; the environment variable CIRCUITKIT_DATA names it just as well.
"""

import argparse
import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

import circuitkit as ck
from circuitkit import wiring
from circuitkit.controls import shuffled
from circuitkit.mirror_pairs import READOUTS, Readout, mirrored, odd_share, pairs, partners
from circuitkit.mirrored_weights import mirror_law, unions
from circuitkit.spec import Arc, Circuit, Family, Gabor, Spiral, Tile
from circuitkit.stimuli import LabelledSet, photographs
from circuitkit.stimuli.photographs import pictures
from circuitkit.viz import to_png
from experiments.mirror_pairs import figures
from experiments.mirror_pairs.facing import facing

HERE = Path(__file__).parent
OUT = HERE / "out"

DOGS = range(151, 269)
MAMMALS = (*range(269, 300), *range(330, 389))
"""Classes of wolves, foxes, cats and bears; of hares, rodents, hoofed animals, primates and others."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """How thoroughly to look.

    Attributes:
        draws: Of signs, and of orders of sources.
        labels: Exchanges of labels.
        shuffled: Nets of shuffled kernels.
        readout: Of the maps.
        chance: The p, of responses and of weights, below which a pair holds.
        seed: Of all that is drawn.
    """

    draws: int = 499
    labels: int = 9999
    shuffled: int = 3
    readout: Readout = "mean"
    chance: float = 0.01
    seed: int = 0


SMOKE = Config(draws=199, labels=199, shuffled=1, chance=0.1)


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """A net, and what is looked at.

    Attributes:
        name: For files and figures.
        net: The net.
        steps: What is read and what reads it, the layer whose pairs are looked for.
        later: Expanded weights of later units, by pairs' layer and later layer.
        images: Shown as they are and mirrored.
        choose: Which of them pairs are chosen on.
        sides: Of the images, 1 for left, -1 for right; images that pairs are chosen on have 0.
        known: Units that others named before, by layer; they are tested on labels in any case.
    """

    name: str
    net: ck.Net
    steps: tuple[tuple[str, str], ...]
    later: Mapping[tuple[str, str], Callable[[], xr.DataArray]]
    images: LabelledSet
    choose: np.ndarray
    sides: np.ndarray
    known: tuple[tuple[str, int], ...] = ()

    @property
    def layers(self) -> list[str]:
        """All layers that are read, in the net's order."""
        wanted = {layer for step in (*self.steps, *self.later) for layer in step}
        return [layer for layer in self.net.layers if layer in wanted]


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """What was found in a net.

    Attributes:
        subject: The net.
        seen: Responses, by layer.
        pairs: A row for each pair; `holds` says which are pairs in responses and in weights.
        facing: A row for each unit of a pair that holds, and for those that are known.
        unions: The later unit with the largest strength, for each pair that holds and each later layer.
        tiles: Of the later layers' weights, for figures.
        counts: How many pairs there are, by net, order of matching and read-out.
        controls: Pairs of nets of shuffled kernels.
    """

    subject: Subject
    seen: dict[str, xr.DataArray]
    pairs: pd.DataFrame
    facing: pd.DataFrame
    unions: pd.DataFrame
    tiles: dict[tuple[str, str], xr.DataArray]
    counts: pd.DataFrame
    controls: pd.DataFrame


def run(subject: Subject, config: Config) -> Result:
    """Measures one net and its controls; writes nothing."""
    seen = mirrored(subject.net, subject.layers, subject.images)
    found = judged(subject, subject.net, seen, config, config.readout)
    others = {each: judged(subject, subject.net, seen, config, each) for each in READOUTS if each != config.readout}
    counts = [counted("trained", readout, each, config) for readout, each in ({config.readout: found} | others).items()]
    controls = []
    for seed in range(config.shuffled):
        net = shuffled(subject.net, seed)
        heard = mirrored(net, subject.layers, subject.images)
        controls.append(judged(subject, net, heard, config, config.readout).assign(net=net.name))
        counts.append(counted(f"shuffled {seed}", config.readout, controls[-1], config))
    held = found[found.holds]
    wanted: dict[str, set[int]] = {}
    for layer, unit in (*zip([*held.layer] * 2, [*held.a, *held.b], strict=True), *subject.known):
        wanted.setdefault(layer, set()).add(unit)
    options = {"readout": config.readout, "draws": config.labels, "seed": config.seed}
    told = [
        facing(seen[layer], sorted(units), subject.sides, **options).assign(layer=layer)
        for layer, units in wanted.items()
    ]
    table = pd.concat(told, ignore_index=True) if told else pd.DataFrame(columns=["layer", "unit", "auc", "p"])
    table["p_family"] = holm(table.p.to_numpy(float))  # over all units of the net
    united, tiles = united_by(subject, seen, held, config)
    controls = pd.concat(controls, ignore_index=True) if controls else found.iloc[:0]
    return Result(subject, seen, found, table, united, tiles, pd.DataFrame(counts), controls)


def judged(
    subject: Subject, net: ck.Net, seen: Mapping[str, xr.DataArray], config: Config, readout: Readout
) -> pd.DataFrame:
    """Returns the pairs of all layers, and how near their weights are to the law; p are family-wise over the net."""
    chosen = {layer: each.isel(image=np.flatnonzero(subject.choose)) for layer, each in seen.items()}
    ends = [layer for _, layer in subject.steps]
    found = pairs({layer: chosen[layer] for layer in ends}, readout=readout, draws=config.draws, seed=config.seed)
    laws = []
    for source, layer in subject.steps:
        some = found[(found.layer == layer) & (found.p < config.chance)]
        both = list(zip(some.a.tolist(), some.b.tolist(), strict=True))
        law = mirror_law(wiring.expanded(net[layer], source), both, partners(chosen[source], readout))
        laws.append(law.rename(columns={"plain": "law_plain"}).assign(layer=layer))
    table = pd.concat(laws, ignore_index=True)
    joined = found.merge(table, on=["layer", "a", "b"], how="left")
    tested = (joined.mutual & joined.p_alone.notna()).to_numpy()
    joined["p_law"] = np.nan
    joined.loc[tested, "p_law"] = holm(joined.p_alone.to_numpy(float)[tested])
    holds = tested & (joined.p_law < config.chance)
    return joined.assign(holds=holds).sort_values(["holds", "z"], ascending=False, kind="stable", ignore_index=True)


def counted(net: str, readout: str, found: pd.DataFrame, config: Config) -> dict[str, object]:
    """Returns a row of counts."""
    mutual = found[found.mutual]
    likely = mutual[mutual.p < config.chance]
    return {
        "net": net,
        "readout": readout,
        "mutual": len(mutual),
        "in responses": len(likely),
        "in weights, too": int(likely.holds.sum()),
        "weights alone p < .01": float((likely.p_alone < 0.01).mean()) if len(likely) else np.nan,
        "law, median": float(likely.mirrored.median()) if len(likely) else np.nan,
        "law, largest": float(likely.mirrored.max()) if len(likely) else np.nan,
    }


def holm(p: np.ndarray) -> np.ndarray:
    """Returns p over a family of tests, by Holm's step-down."""
    order = np.argsort(p, kind="stable")
    held = np.empty(len(p))
    held[order] = np.minimum(np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p)))), 1)
    return held


def united_by(
    subject: Subject, seen: Mapping[str, xr.DataArray], held: pd.DataFrame, config: Config
) -> tuple[pd.DataFrame, dict[tuple[str, str], xr.DataArray]]:
    """Returns the later unit that unites each pair with the most strength, and how invariant it is."""
    rows, tiles = [], {}
    for (layer, later), weights in subject.later.items():
        some = held[held.layer == layer]
        if some.empty:
            continue
        tiles[layer, later] = values = weights()
        both = list(zip(some.a.tolist(), some.b.tolist(), strict=True))
        best = unions(values, both, draws=2 * config.draws, seed=config.seed).drop_duplicates(["a", "b"])
        odd = odd_share(seen[later], config.readout)
        for row in best.itertuples():
            one, other = (_both_views(seen[layer], unit, config.readout) for unit in (row.a, row.b))
            unit = _both_views(seen[later], row.unit, config.readout)
            explained = {"sum": one + other, "max": np.maximum(one, other), "a alone": one, "b alone": other}
            rows.append(
                {
                    "layer": layer,
                    "later": later,
                    **row._asdict(),
                    "odd": odd[row.unit],
                    "odd, layer's median": float(np.median(odd)),
                    "less odd": float((odd >= odd[row.unit]).mean()),
                    **{name: _correlation(unit, each) for name, each in explained.items()},
                }
            )
    return pd.DataFrame(rows).drop(columns="Index", errors="ignore"), tiles


def _both_views(seen: xr.DataArray, unit: int, readout: Readout) -> np.ndarray:
    return seen.sel(readout=readout).isel(unit=unit).values.ravel()


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one, other)[0, 1]) if min(np.ptp(one), np.ptp(other)) > 0 else np.nan


def squeezenet(data: Path) -> Subject:
    """Returns SqueezeNet 1.1, fire6 to fire9."""
    net = ck.nets.load(data / "nets/squeezenet1_1.onnx")
    steps = tuple((f"fire{number - 1}", f"fire{number}") for number in range(6, 10))
    later = {step: lambda step=step: wiring.expanded(net[step[1]], step[0]) for step in steps[1:]}
    return Subject("squeezenet", net, steps, later, *natural(data, side=223))


def resnet(data: Path) -> Subject:
    """Returns ResNet-50 v2, stage 3: what the two inner activations of each residual unit read."""
    net = ck.nets.load(data / "nets/resnet50v2_stage3.onnx")
    acts = {number: [f"stage3_unit{number}_act{act}" for act in (1, 2, 3)] for number in range(1, 7)}
    steps = tuple(step for first, second, third in acts.values() for step in ((first, second), (second, third)))
    later: dict[tuple[str, str], Callable[[], xr.DataArray]] = {}
    for number, (_, second, third) in acts.items():
        later[second, third] = lambda second=second, third=third: wiring.expanded(net[third], second)
        if number < 6:
            later[third, acts[number + 1][2]] = lambda number=number: through_the_stream(net, number)
    known = tuple(("stage3_unit5_act3", unit) for unit in (39, 47, 4))
    return Subject("resnet", net, steps, later, *natural(data, side=225), known)


def through_the_stream(net: ck.Net, number: int) -> xr.DataArray:
    """Returns the weights from a residual unit's last activation to the next residual unit's, by way of the stream."""
    here, there = f"stage3_unit{number}", f"stage3_unit{number + 1}"
    adds = wiring.expanded(net[f"{here}_c3"], f"{here}_act3").values[:, :, 0, 0]
    gains = wiring.expanded(net[f"{there}_act1"], here).values[:, :, 0, 0]
    reads = wiring.expanded(net[f"{there}_act2"], f"{there}_act1").values[:, :, 0, 0]
    last = wiring.expanded(net[f"{there}_act3"], f"{there}_act2")
    values = np.einsum("uvyx,vs->usyx", last.values, reads @ gains @ adds)
    return last.copy(data=values).assign_coords(source=list(net.unit_names(f"{here}_act3")))


def natural(data: Path, *, side: int) -> tuple[LabelledSet, np.ndarray, np.ndarray]:
    """Returns dogs and other mammals, which of them pairs are chosen on, and where the labelled dogs face."""
    images = photographs(data / "images/imagenet-sample.zip", side=side)
    classes = images.labels.class_index.to_numpy(int)
    wanted = np.flatnonzero(np.isin(classes, (*DOGS, *MAMMALS)))
    labels = pd.read_csv(data / "images/dog-facing.csv").set_index("class_index").facing
    sides = labels.reindex(classes[wanted]).map({"L": 1, "R": -1}).fillna(0).to_numpy(int)
    return images[wanted], sides == 0, sides


def handbuilt() -> Subject:
    """Returns spirals of either hand, units that read both hands, and noise; labels that say nothing."""
    edges = Family("edges", Gabor(wavelength=4, sigma=1.4, phase=90), angles=8)
    spirals = Tile(edges, along=Spiral(radius=6, pitch=30, length=8), tolerance=25)
    either = Tile("spirals", along=Arc(radius=6, length=6), tolerance=30)
    families = [edges, Family("spirals", spirals, angles=8, mirrored=True), Family("either", either, angles=8)]
    net = ck.HandbuiltNet(ck.build(Circuit("hands", families)))
    rng = np.random.default_rng(0)
    values = rng.uniform(-1, 1, (40, 45, 45, 3))
    images = pictures((values + np.roll(values, 1, 1) + np.roll(values, 1, 2)) / 3)
    sides = np.repeat([0, 1, -1], [24, 8, 8])
    later = {("spirals", "either"): lambda: wiring.expanded(net["either"], "spirals")}
    return Subject("handbuilt", net, (("edges", "spirals"),), later, images, sides == 0, sides)


def draw(result: Result, folder: Path) -> None:
    """Writes the two figures of a net."""
    name = result.subject.name
    (folder / f"responses_{name}.png").write_bytes(to_png(figures.responses(result)))
    (folder / f"weights_{name}.png").write_bytes(to_png(figures.weights(result)))


def main(arguments: Sequence[str] | None = None) -> list[Result]:
    """Runs, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="handbuilt spirals alone")
    parser.add_argument("--data", default=os.environ.get("CIRCUITKIT_DATA"), help="the folder that holds nets/")
    parser.add_argument("--net", choices=("squeezenet", "resnet"), help="one of the two alone")
    options = parser.parse_args(arguments)
    if not (options.smoke or options.data):
        parser.error("name the folder that holds nets/ and images/ with --data, or give --smoke")
    makers = {"squeezenet": squeezenet, "resnet": resnet}
    OUT.mkdir(exist_ok=True)
    results = []
    for name in [options.net] if options.net else makers:
        result = run(handbuilt(), SMOKE) if options.smoke else run(makers[name](Path(options.data)), Config())
        for kind in ("pairs", "facing", "unions", "counts", "controls"):
            table: pd.DataFrame = getattr(result, kind)
            table.to_csv(OUT / f"{result.subject.name}_{kind}.csv", index=False)
            print(f"\n{result.subject.name}: {kind}\n{table.round(3).to_string(index=False, max_rows=60)}")
        draw(result, OUT if options.smoke else HERE)
        results.append(result)
        if options.smoke:
            break
    return results


if __name__ == "__main__":
    main()
