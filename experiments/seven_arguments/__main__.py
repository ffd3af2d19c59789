"""The whole battery on what it must accept, and on what it must refuse.

Run:    python -m experiments.seven_arguments --net squeezenet1_1.onnx --layer fire5 --images imagenet-sample.zip
Smoke:  python -m experiments.seven_arguments --smoke      (one argument, two small circuits; the tests run it)
Writes: experiments/seven_arguments/out/arguments.csv, one row a subject and argument; a report a subject

Subjects: the handbuilt curves, as a layer under circles; every decoy; the units of the layer that are found to be curve
detectors; and, for false positives, units of nets that learned nothing and are put through it all as if they were
claimed to be curve detectors. An hour on two cores; interrupted, it goes on where it was.
"""

import argparse
import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

import circuitkit as ck
from circuitkit import hypothesis
from circuitkit.controls import shuffled, untrained
from circuitkit.evidence import handwritten, implementation, synthetic
from circuitkit.find import find
from circuitkit.hypothesis import Hypothesis
from circuitkit.stimuli import LabelledSet, photographs
from circuitkit.verify import ARGUMENTS, CONTROLS, Report, verify
from circuitkit.viz.evidence import write_verdict
from handbuilt import circles, curves, decoys

OUT = Path(__file__).parent / "out"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """What is put to the test.

    Attributes:
        radius: Of the handbuilt curves and of the decoys, in pixels; small ones are much faster.
        members: How many members of a handbuilt family.
        few_images: How many photographs the handbuilt circuits are shown, which are slow.
        units: How many units of the trained layer at most, the most selective first.
        images: How many photographs the trained net is shown.
        claimed: Units of each net that learned nothing, of two of each kind.
        arguments: Which ones.
        against_decoys: Those that decoys are put through: an argument that fails is enough, and others take hours.
        seed: Of all that is drawn.
    """

    radius: float = 10.0
    members: int = 12
    few_images: int = 200
    units: int = 17
    images: int = 1000
    claimed: int = 20
    arguments: tuple[str, ...] = tuple(ARGUMENTS)
    against_decoys: tuple[str, ...] = (synthetic.NAME, implementation.NAME, handwritten.NAME)
    seed: int = 0


SMOKE = Config(radius=6.0, members=1, arguments=("synthetic examples",))


@dataclasses.dataclass(frozen=True)
class Claim:
    """Units, and what is said of them.

    Attributes:
        probe: The units.
        said: What they are said to detect.
        images: Photographs; None for none.
        controls: Nets of each kind that give the nulls.
        arguments: Which ones.
    """

    probe: ck.Probe
    said: Hypothesis
    images: LabelledSet | None
    controls: int
    arguments: Sequence[str]


def handbuilt(config: Config, images: LabelledSet | None) -> dict[str, Claim]:
    """Returns the handbuilt curves, read by circles, and the decoys; each said to detect curves of its radius."""
    said = hypothesis.curve(radius=config.radius, circuit=curves.circuit)

    def some(circuit: ck.spec.Circuit, layer: str, arguments: Sequence[str]) -> Claim:
        names = circuit[layer].unit_names
        probe = ck.HandbuiltNet(ck.build(circuit))[layer, list(names[:: max(1, len(names) // config.members)])]
        return Claim(probe, said, None if images is None else images[: config.few_images], 1, arguments)

    found = {"handbuilt curves": some(circles.circuit(config.radius), "curves", config.arguments)}
    cheap = [name for name in config.arguments if name in config.against_decoys]
    for name, make in decoys.MAKERS.items():
        circuit = make(config.radius)
        found[f"decoy: {name}"] = some(circuit, circuit.families[-1].name, cheap)
    return found


def trained(config: Config, net: ck.Net, layer: str, images: LabelledSet | None) -> dict[str, Claim]:
    """Returns the units of a layer that are found, and for false positives units of nets that learned nothing."""
    said = hypothesis.curve(circuit=curves.circuit)
    shown = None if images is None else images[: config.images]
    table = find(net, said, layers=[layer]).table
    units = list(table[table.verdict == "yes"].unit[: config.units])
    probes = {f"{net.name} {layer}": net[layer, units]} if units else {}
    rng = np.random.default_rng(config.seed)
    count = len(net.unit_names(layer))
    for make in (shuffled, untrained):
        for seed in (100, 101):  # not those that serve as controls
            chosen = sorted(rng.choice(count, min(config.claimed, count), replace=False).tolist())
            null = make(net, seed)
            probes[null.name] = null[layer, chosen]
    return {name: Claim(probe, said, shown, CONTROLS, config.arguments) for name, probe in probes.items()}


def run(config: Config, claims: Mapping[str, Claim], out: Path | None = None) -> tuple[pd.DataFrame, dict[str, Report]]:
    """Returns a row for every subject and argument, and the reports.

    Args:
        config: What is put to the test.
        claims: The subjects, by name.
        out: Where reports are written, and what is done is kept.
    """
    rows, reports = [], {}
    for name, claim in claims.items():
        began = time.perf_counter()
        folder = None if out is None else out / name.replace(" ", "_").replace(":", "").replace(",", "")
        report = verify(
            claim.probe,
            claim.said,
            images=claim.images,
            decoys=decoys.MAKERS,
            arguments=claim.arguments,
            controls=claim.controls,
            seed=config.seed,
            store=None if folder is None else folder / "kept",
        )
        reports[name] = report
        table = report.table.reset_index()
        table.insert(0, "subject", name)
        table["overall"] = report.verdict
        rows.append(table)
        print(f"{name}: {report.verdict} ({time.perf_counter() - began:.0f} s)", flush=True)
        for reason in report.reasons:
            print(f"    {reason}", flush=True)
        if folder is not None:
            write_verdict(report, folder)
    return pd.concat(rows, ignore_index=True), reports


def main(arguments: Sequence[str] | None = None) -> pd.DataFrame:
    """Runs and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", help="an ONNX file")
    parser.add_argument("--layer", help="its layer")
    parser.add_argument("--images", help="a folder or archive of photographs")
    parser.add_argument("--only", choices=("handbuilt", "trained"), help="half of the subjects")
    parser.add_argument(
        "--smoke", action="store_true", help="synthetic examples alone, on two members of two small circuits"
    )
    options = parser.parse_args(arguments)
    config = SMOKE if options.smoke else Config()
    images = photographs(options.images, side=224) if options.images else None
    claims: dict[str, Claim] = {}
    if options.net and options.layer and options.only != "handbuilt":
        claims |= trained(config, ck.nets.load(options.net), options.layer, images)
    if options.only != "trained":
        claims |= handbuilt(config, images)
    if options.smoke:
        claims = dict(list(claims.items())[:2])
    table, _ = run(config, claims, None if options.smoke else OUT)
    OUT.mkdir(exist_ok=True)
    table.to_csv(OUT / f"arguments{'' if options.only is None else '_' + options.only}.csv", index=False)
    print(table.to_string(index=False))
    return table


if __name__ == "__main__":
    main()
