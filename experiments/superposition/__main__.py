"""How well are features read back that share channels: by hand, by prediction, and by a net that learned to?

Run:    python -m experiments.superposition            (two minutes on one core)
Smoke:  python -m experiments.superposition --smoke    (seconds; the tests run it)
Writes: six tables and six pictures into experiments/superposition/out
"""

import argparse
import dataclasses
import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.linalg import hadamard

from circuitkit import superposition as sp
from circuitkit.viz.style import to_png
from experiments.superposition import capacity, figures, images, toy

OUT = Path(__file__).parent / "out"
Directions = Float[np.ndarray, "feature channel"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """How much to draw and to train.

    Attributes:
        densities: Probabilities of a feature, in predictions.
        meetings: Probabilities of a meeting.
        scenes: In a sample.
        samples: For error bars.
        trained: Probabilities of a feature at which nets are trained.
        seeds: Nets, and random directions, for each.
        steps: Of training.
        channels: In which directions are counted.
        tries: Random directions, for a count.
        images: Whether to look at drawn cars and heads.
    """

    densities: tuple[float, ...] = tuple(np.geomspace(0.001, 0.1, 9))
    meetings: tuple[float, ...] = tuple(np.linspace(0, 1, 9))
    scenes: int = 100_000
    samples: int = 6
    trained: tuple[float, ...] = (0.3, 0.1, 0.03, 0.01, 0.003)
    seeds: int = 5
    steps: int = 4000
    channels: tuple[int, ...] = (5, 20)
    tries: int = 10_000
    images: bool = True


SMOKE = Config(
    densities=(0.001, 0.1),
    meetings=(0.0, 1.0),
    scenes=2000,
    samples=2,
    trained=(0.3, 0.01),
    seeds=2,
    steps=20,
    channels=(5,),
    tries=50,
    images=False,
)


def halves(parts: int = 6) -> Directions:
    """Returns a direction for each way to take half of some parts: 20 in 5 channels, of 6.

    Half of the parts are 1, the others -1, and as they sum to 0 they lie in one channel fewer. Of 6, two that are no
    opposites differ in two parts or in four, so that their cosine is 1 / 3 or -1 / 3: ten equiangular lines, both ways.
    """
    rows = [np.isin(range(parts), half) * 2 - 1 for half in itertools.combinations(range(parts), parts // 2)]
    return np.array(rows) @ sp.simplex(parts) * math.sqrt((parts - 1) / parts / parts)


def designs() -> dict[str, tuple[Directions, float]]:
    """Returns directions by hand in five channels, and the cosine that the read-out mutes."""
    return {
        "5 pairs": (sp.pairs(10), 0.0),
        "halves of six": (halves(), 1 / 3),
        "random": (sp.random_unit(20, 5, seed=0), 0.5),
    }


def predictions(config: Config) -> pd.DataFrame:
    """Returns recovery as predicted and as measured: one row a design, a kind of size, and a probability."""
    rows = []
    for (name, (directions, threshold)), sizes in itertools.product(designs().items(), ("one", "uniform")):
        weights, bias = sp.muted(directions, threshold)
        for p in config.densities:
            scenes = sp.independent(len(weights), p)
            found = sp.predicted_recovery(weights @ weights.T, bias, scenes, sizes=sizes)
            measured = [
                sp.recovery(x, sp.recover(x, weights, bias))
                for x in (sp.draw(scenes, config.scenes, seed=seed, sizes=sizes) for seed in range(config.samples))
            ]
            rows.append({"design": name, "sizes": sizes, "p": p, "features a scene": p * len(weights)})
            rows[-1] |= found._asdict() | {"measured": np.mean(measured), "sd": np.std(measured, ddof=1)}
    return pd.DataFrame(rows)


def kinds() -> dict[str, Directions]:
    """Returns eight dogs, each its own channel, and eight cars, spread over dogs or in channels of their own."""
    dogs, spread = np.eye(8), hadamard(8) / math.sqrt(8)
    pair = np.kron(np.eye(4), hadamard(2)) / math.sqrt(2)
    apart = np.kron(np.eye(2), np.eye(8))
    return {
        "each car over 8 dogs": np.concatenate([dogs, spread]),
        "each car over 2 dogs": np.concatenate([dogs, pair]),
        "channels of their own": apart,
    }


def meetings(config: Config) -> pd.DataFrame:
    """Returns what becomes of dogs and cars the more often they meet: one row a design and a probability."""
    rows = []
    for (name, directions), meet in itertools.product(kinds().items(), config.meetings):
        scenes = sp.two_kinds(8, 8, float(meet))
        weights, bias = sp.muted(directions, max(0.0, sp.coherence(directions)))
        predicted = sp.predicted_recovery(weights @ weights.T, bias, scenes)
        found = []
        for seed in range(config.samples):
            x = sp.draw(scenes, config.scenes, seed=seed)
            y = np.asarray(sp.recover(x, weights, bias))
            seen = sp.detect(x, y, threshold=0.5)
            found.append((sp.recovery(x, y), *(float(np.mean(part[8:])) for part in seen[:3])))
        mean, sd = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
        rows.append({"design": name, "meet": meet, "predicted": predicted.recovery, "at least": predicted.at_least})
        for column, *values in zip(("measured", "auc", "hits", "false alarms"), mean, sd, strict=True):
            rows[-1] |= dict(zip((column, f"{column} sd"), values, strict=True))
    return pd.DataFrame(rows)


def capacities(config: Config) -> pd.DataFrame:
    """Returns how many directions fit, by the bounds and by count: one row a number of channels and a cosine."""
    rows = []
    for n, cosine in itertools.product(config.channels, (0.2, 0.3, 1 / 3, 0.4, 0.5, 0.6, 0.7, 0.8)):
        counted = [capacity.packed(n, cosine, tries=config.tries, seed=seed) for seed in range(2)]
        bounds = {"at least": capacity.at_least(n, cosine), "at most": capacity.at_most(n, cosine)}
        rows.append({"channels": n, "cosine": cosine} | bounds | {"counted": max(counted)})
    return pd.DataFrame(rows)


def _read_best(directions: Directions, p: float, config: Config) -> float:
    """Returns recovery with the best threshold and gain, chosen on scenes other than those that it is measured on."""
    scenes = sp.independent(len(directions), p)
    fit, test = (
        sp.draw(scenes, count, seed=100 + count, sizes="uniform") for count in (config.scenes // 5, config.scenes)
    )

    def read(x: Float[np.ndarray, "scene feature"], threshold: float) -> Float[np.ndarray, "scene feature"]:
        return np.maximum((x @ directions) @ directions.T - threshold, 0)

    def tuned(threshold: float) -> tuple[float, float, float]:
        y = read(fit, threshold)
        gain = float(np.sum(y * fit) / np.sum(y * y)) if y.any() else 0.0  # the best, in closed form
        return sp.recovery(fit, gain * y), threshold, gain

    _, threshold, gain = max(map(tuned, np.linspace(0, 0.9, 31)))
    return sp.recovery(test, gain * read(test, threshold))


def _unit(weights: Directions) -> Directions:
    """Returns directions of length 1, and none for features that were given up."""
    norms = np.linalg.norm(weights, axis=1, keepdims=True)
    return np.where(norms > 0.3, weights / np.maximum(norms, 0.3), 0.0)


def comparison(config: Config) -> tuple[pd.DataFrame, dict[str, Directions]]:
    """Returns nets that were trained beside directions by hand; and the weights to look at."""
    weights, bias = toy.train(20, 5, config.trained, seeds=config.seeds, steps=config.steps)
    nothing = np.zeros((10, 5))
    by_hand = {"5 pairs": np.concatenate([sp.pairs(10), nothing]), "halves of six": halves()}
    by_hand |= {"harmonic frame": sp.tight_frame(20, 5)}

    def rows() -> Iterator[dict[str, object]]:
        for index, p in enumerate(config.trained):
            x = sp.draw(sp.independent(20, p), config.scenes, seed=100 + config.scenes, sizes="uniform")
            for seed in range(config.seeds):
                net, its = weights[index, seed], bias[index, seed]
                value = sp.recovery(x, sp.recover(x, net, its))
                left = its[np.linalg.norm(net, axis=1) <= 0.3]
                yield (
                    {"p": p, "weights": "trained", "seed": seed, "recovery": value}
                    | geometry(net)
                    | {"bias where given up": left.mean() if left.size else math.nan}
                )
                unit = _unit(net)
                value = _read_best(unit, p, config)
                yield {"p": p, "weights": "trained, read alike", "seed": seed, "recovery": value} | geometry(unit)
                drawn = sp.random_unit(20, 5, seed=seed)
                value = _read_best(drawn, p, config)
                yield {"p": p, "weights": "random", "seed": seed, "recovery": value} | geometry(drawn)
            for name, directions in by_hand.items():
                value = _read_best(directions, p, config)
                yield {"p": p, "weights": name, "seed": 0, "recovery": value} | geometry(directions)

    shown = by_hand | {"random": sp.random_unit(20, 5, seed=0)}
    return pd.DataFrame(rows()), shown | {
        f"trained, p = {p:g}": weights[index, 0] for index, p in enumerate(config.trained)
    }


def geometry(weights: Directions) -> dict[str, float]:
    """Returns what the rows of W are like: how many features have one, of which norm, and how they lie."""
    norms = np.linalg.norm(weights, axis=1)
    kept = weights[norms > 0.3] / norms[norms > 0.3, None] if (norms > 0.3).any() else np.eye(2)
    cosines = (kept @ kept.T)[~np.eye(len(kept), dtype=bool)]
    share = sp.dimensionality(weights)
    return {
        "features": int(np.sum(norms > 0.3)),
        "norm": float(norms[norms > 0.3].mean()) if (norms > 0.3).any() else math.nan,
        "dimensionality": float(np.median(share[norms > 0.3])) if (norms > 0.3).any() else math.nan,
        "sum of dimensionality": float(share.sum()),
        "largest cosine": float(cosines.max()),
        "least cosine": float(cosines.min()),
        "most opposite": float(np.median((kept @ kept.T).min(1))),
        "root mean square cosine": float(np.sqrt(np.mean(cosines**2))),
    }


def run(config: Config) -> tuple[dict[str, pd.DataFrame], dict[str, bytes]]:
    """Returns tables and pictures, by name."""
    compared, weights = comparison(config)
    tables = {
        "predicted": predictions(config),
        "meeting": meetings(config),
        "capacity": capacities(config),
        "trained": compared,
    }
    drawn = {
        "interference": figures.interference(weights),
        "predicted": figures.predicted(tables["predicted"]),
        "meeting": figures.meeting(tables["meeting"]),
        "capacity": figures.capacity(tables["capacity"]),
        "trained": figures.trained(compared),
    }
    if config.images:
        tables["cars"], x = images.responses()
        tables["read_back"] = pd.concat([images.read_back(x, bias) for bias in (0.0, 0.4)])
        drawn["cars"] = figures.cars(images.CARS, tables["cars"])
    return tables, {name: to_png(figure) for name, figure in drawn.items()}


def main() -> None:
    """Writes tables and pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="a small part, in seconds")
    tables, pictures = run(SMOKE if parser.parse_args().smoke else Config())
    OUT.mkdir(exist_ok=True)
    for name, table in tables.items():
        print(f"\n{name}\n{table.to_string(index=False, float_format=lambda value: f'{value:.4g}')}")
        table.to_csv(OUT / f"{name}.csv", index=False, float_format="%.5g")
    for name, png in pictures.items():
        (OUT / f"{name}.png").write_bytes(png)


if __name__ == "__main__":
    main()
