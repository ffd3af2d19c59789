"""Does the tester of equivariance tell nets that turn with the image from nets that nearly do?

Run:    python -m experiments.equivariance_tester            (some minutes on two cores)
Smoke:  python -m experiments.equivariance_tester --smoke    (about one net of each kind; the test suite runs it)
Writes: experiments/equivariance_tester/out/result.csv
"""

import argparse
import csv
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from circuitkit.errors import CircuitkitError
from circuitkit.turned import EquivarianceError, assert_equivariant, margin
from experiments.equivariance_tester import nets
from experiments.equivariance_tester.nets import Case

OUT = Path(__file__).parent / "out"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """How many nets.

    Attributes:
        whole: Nets that turn with the image.
        broken: Nets that do not.
        seed: Of their weights.
    """

    whole: int = 200
    broken: int = 200
    seed: int = 0


SMOKE = Config(whole=4, broken=11)


def whole(config: Config) -> Iterator[Case]:
    """Yields nets that turn with the image: circuits, averaged kernels, sampled formulas."""
    rng = np.random.default_rng(config.seed)
    circuits = nets.specs(config.whole // 4 + 1, config.seed)
    for number in range(config.whole):
        match number % 4:
            case 0:
                yield nets.drawn(circuits[number // 4])
            case 1 | 2:
                structure = nets.EVEN[number // 2 % len(nets.EVEN)]
                yield structure.case("kernels averaged over the group", structure.weights(rng))
            case _:
                yield nets.sampled(rng, lines=number % 8 == 7)


def broken(config: Config) -> Iterator[Case]:
    """Yields nets that do not, each broken in one way."""
    rng = np.random.default_rng(config.seed + 1)
    circuits = nets.specs(config.broken // 5 + 1, config.seed + 1)
    for number in range(config.broken):
        way, turn = number % 11, number // 11
        circuit = nets.drawn(circuits[number // 5])
        structure = nets.EVEN[turn % len(nets.EVEN)]
        weights = structure.weights(rng)
        match way:
            case 0:
                yield nets.entry(circuit, rng)
            case 1:
                yield nets.shuffled(circuit, rng)
            case 2:
                yield structure.case("one kernel entry off by 5 %", nets.one_entry(weights, rng))
            case 3:
                yield structure.case("two units exchanged", nets.exchanged(weights, rng))
            case 4:
                yield structure.case("bias of 0.02 on one unit", nets.unit_bias(weights, rng))
            case 5:
                yield structure.case("plain random kernels", nets.plain(weights, rng))
            case 6:
                yield nets.relabelled(structure, weights, rng)
            case 7:
                uneven = nets.UNEVEN[turn % len(nets.UNEVEN)]
                yield uneven.case("padding of one side only", uneven.weights(rng))
            case 8:
                coarse = nets.TOO_COARSE[turn % len(nets.TOO_COARSE)]
                yield coarse.case("stride that cannot be exact", coarse.weights(rng))
            case 9:
                yield nets.off_by_degrees(rng)
            case _:
                yield (nets.interpolated if turn % 2 else nets.mislabelled)(rng)


def judged(case: Case) -> dict[str, str | float]:
    """Returns the verdict of the tester, and by how much it was reached.

    By the largest error of a unit over what is allowed: below 1 it passes.
    """
    options: dict[str, Any] = {"angles": case.angles, "moves": case.moves, "images": 32}
    said, over = "passed", float("nan")
    try:
        over = margin(assert_equivariant(case.probe, case.group, at_most=case.at_most, **options), at_most=case.at_most)
    except EquivarianceError as error:
        said, over = "rejected", margin(error.found, at_most=case.at_most)
    except CircuitkitError as error:
        said = f"refused: {error}"
    return {"kind": case.kind, "layer": case.probe.layer, "said": said, "error over allowed": over}


def run(config: Config) -> pd.DataFrame:
    """Returns one row a net."""
    rows = []
    for wanted, cases in (("passed", whole(config)), ("rejected", broken(config))):
        rows += [{"should be": wanted} | judged(case) for case in cases]
    return pd.DataFrame(rows)


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns the verdicts by kind, and how close they were."""
    groups = rows.assign(right=rows["said"] == rows["should be"]).groupby(["should be", "kind"])
    close = groups["error over allowed"]
    return pd.DataFrame(
        {
            "nets": groups.size(),
            "right": groups["right"].sum(),
            "least": close.min(),
            "median": close.median(),
            "largest": close.max(),
        }
    )


def main() -> None:
    """Runs, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="few nets")
    rows = run(SMOKE if parser.parse_args().smoke else Config())
    print(summary(rows).to_string(float_format=lambda value: f"{value:.3g}"))
    wrong = rows[rows["said"] != rows["should be"]]
    for row in wrong.itertuples():
        print(*row)
    print(f"{len(wrong)} of {len(rows)} wrong")
    OUT.mkdir(exist_ok=True)
    rows.to_csv(OUT / "result.csv", index=False, quoting=csv.QUOTE_MINIMAL, float_format="%.4g")


if __name__ == "__main__":
    main()
