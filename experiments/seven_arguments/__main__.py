"""The whole battery on what it must accept, and on what it must refuse.

Run:    python -m experiments.seven_arguments --net squeezenet1_1.onnx --layer fire5 --images imagenet-sample.zip
Smoke:  python -m experiments.seven_arguments --smoke      (one argument, two small circuits; the tests run it)
Writes: experiments/seven_arguments/out/arguments.csv, one row a subject and argument; a report a subject

Subjects: the handbuilt curves, as a layer under circles; every decoy; the units of the layer that are found to be curve
detectors; and, for false positives, units of a net with shuffled kernels that are put through it all as if they were
claimed to be curve detectors.
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
from circuitkit.controls import shuffled
from circuitkit.find import find
from circuitkit.hypothesis import Hypothesis
from circuitkit.stimuli import LabelledSet, photographs
from circuitkit.verify import ARGUMENTS, Report, verify
from circuitkit.viz.evidence import write_verdict
from handbuilt import circles, curves, decoys

OUT = Path(__file__).parent / "out"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """What is put to the test.

    Attributes:
        radius: Of the handbuilt curves and of the decoys, in pixels; small ones are much faster.
        members: How many members of a handbuilt family.
        units: How many units of the trained layer at most, the most selective first.
        images: How many photographs.
        shuffles: Nets of shuffled kernels whose units are put through the battery.
        claimed: Units of each of them.
        controls: Nets of shuffled kernels that give the nulls.
        arguments: Which ones.
        seed: Of all that is drawn.
    """

    radius: float = 12.0
    members: int = 12
    units: int = 17
    images: int = 1000
    shuffles: int = 2
    claimed: int = 20
    controls: int = 3
    arguments: tuple[str, ...] = tuple(ARGUMENTS)
    seed: int = 0


SMOKE = Config(radius=6.0, members=1, controls=1, arguments=("synthetic examples",))


def handbuilt(config: Config) -> dict[str, ck.Probe]:
    """Returns the handbuilt curves, read by circles, and the decoys."""

    def some(circuit: ck.spec.Circuit, layer: str) -> ck.Probe:
        names = circuit[layer].unit_names
        return ck.HandbuiltNet(ck.build(circuit))[layer, list(names[:: max(1, len(names) // config.members)])]

    found = {"handbuilt curves": some(circles.circuit(config.radius), "curves")}
    for name, make in decoys.MAKERS.items():
        circuit = make(config.radius)
        found[f"decoy: {name}"] = some(circuit, circuit.families[-1].name)
    return found


def trained(config: Config, net: ck.Net, layer: str, said: Hypothesis) -> dict[str, ck.Probe]:
    """Returns the units of a layer that are found, and for false positives units of nets that learned nothing."""
    table = find(net, said, layers=[layer]).table
    units = list(table[table.verdict == "yes"].unit[: config.units])
    found = {f"{net.name} {layer}": net[layer, units]} if units else {}
    rng = np.random.default_rng(config.seed)
    count = len(net.unit_names(layer))
    for seed in range(100, 100 + config.shuffles):  # not those that serve as controls
        chosen = sorted(rng.choice(count, min(config.claimed, count), replace=False).tolist())
        null = shuffled(net, seed)
        found[null.name] = null[layer, chosen]
    return found


def run(
    config: Config,
    probes: Mapping[str, ck.Probe],
    said: Hypothesis,
    images: LabelledSet | None,
    out: Path | None = None,
) -> tuple[pd.DataFrame, dict[str, Report]]:
    """Returns a row for every subject and argument, and the reports.

    Args:
        config: What is put to the test.
        probes: The subjects, by name.
        said: What each is claimed to detect.
        images: Photographs.
        out: Where reports are written.
    """
    rows, reports = [], {}
    for name, probe in probes.items():
        began = time.perf_counter()
        report = verify(
            probe,
            said,
            images=images,
            decoys=decoys.MAKERS,
            arguments=config.arguments,
            controls=config.controls,
            seed=config.seed,
        )
        reports[name] = report
        table = report.table.reset_index()
        table.insert(0, "subject", name)
        table["overall"] = report.verdict
        table["all seconds"] = round(time.perf_counter() - began, 1)
        rows.append(table)
        print(f"{name}: {report.verdict} ({time.perf_counter() - began:.0f} s)")
        for reason in report.reasons:
            print(f"    {reason}")
        if out is not None:
            write_verdict(report, out / name.replace(" ", "_").replace(":", "").replace(",", ""))
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
    said = hypothesis.curve(circuit=curves.circuit)
    images: LabelledSet | None = None
    if options.images:
        images = photographs(options.images, side=224)[: config.images]
    probes = {} if options.only == "trained" else handbuilt(config)
    if options.smoke:
        probes = dict(list(probes.items())[:2])
    elif options.net and options.layer and options.only != "handbuilt":
        probes |= trained(config, ck.nets.load(options.net), options.layer, said)
    table, _ = run(config, probes, said, images, None if options.smoke else OUT)
    OUT.mkdir(exist_ok=True)
    table.to_csv(OUT / "arguments.csv", index=False)
    print(table.to_string(index=False))
    return table


if __name__ == "__main__":
    main()
