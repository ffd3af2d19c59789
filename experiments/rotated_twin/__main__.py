"""The same net trained with and without rotations of the training images: do its families get more regular?

Run:    python -m experiments.rotated_twin --data FOLDER    (see the README; goes on where it was stopped)
Smoke:  python -m experiments.rotated_twin --smoke          (tiny nets that turn with the image, and their twins)
Writes: experiments/rotated_twin/out/numbers.csv and compared.csv, a file for each net; the figures of the README

FOLDER holds images/; the environment variable CIRCUITKIT_DATA names it just as well. The nets come with circuitkit.
"""

import argparse
import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import circuitkit as ck
from circuitkit import controls
from circuitkit.compiling import jit
from circuitkit.errors import StimulusError
from circuitkit.nets.sequential import SequentialNet
from circuitkit.nets.small import ROTATED_SEEDS, SIDE
from circuitkit.probe import Weight
from circuitkit.signature import battery, signatures
from circuitkit.spec_text import to_json
from circuitkit.universality import census
from circuitkit.viz import to_png
from experiments.rotated_twin import carried, families, figures, tiny
from experiments.rotated_twin.answer import ALL, compared, with_means
from experiments.small_net.data import read, shown, turned

HERE = Path(__file__).parent
OUT = HERE / "out"

EVEN = SIDE - 1
"""Side of images, in pixels, whose quarter turns carry the places of all layers onto each other."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """How thoroughly to look.

    Attributes:
        images: On which partners are found; as many others test them.
        asked: Images whose class is asked for, at every angle.
        angles: By which these are turned, all over the circle.
        features: Whose families are looked for.
        shuffles: Shuffled nets that set the census's chance.
        draws: Of random angles.
        exchanges: Of angles among sources.
        seed: Of all that is drawn.
    """

    images: int = 1000
    asked: int = 500
    angles: int = 24
    features: tuple[str, ...] = tuple(families.REFERENCES)
    shuffles: int = 2
    draws: int = 999
    exchanges: int = 19
    seed: int = 0


SMOKE = Config(images=20, asked=4, angles=4, features=("edge",), shuffles=1, draws=99, exchanges=2)


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """A net, and which one it is.

    Attributes:
        net: The net.
        seed: Of its training; twins share it.
        rotated: Whether its training images were turned.
        kind: `trained`, or how it came to have learned nothing: `shuffled` or `untrained`.
    """

    net: SequentialNet
    seed: int
    rotated: bool
    kind: str = "trained"


@dataclasses.dataclass(frozen=True, eq=False)
class Shown:
    """What nets are shown.

    Attributes:
        images: Values -1 to 1, of an odd side, so that places are carried onto places.
        asked: (image, 32, 32, 3), whose classes are asked for.
        labels: Their classes.
    """

    images: np.ndarray
    asked: np.ndarray
    labels: np.ndarray


def subjects(made: Mapping[tuple[int, bool], SequentialNet]) -> list[Subject]:
    """Returns nets and their controls: one of shuffled kernels each, and an untrained one for both of a pair."""
    found = [Subject(net, seed, rotated) for (seed, rotated), net in made.items()]
    for (seed, rotated), net in made.items():
        found.append(Subject(controls.shuffled(net, seed), seed, rotated, "shuffled"))
        if not rotated:  # an untrained net hangs on names and shapes alone
            found.append(Subject(controls.untrained(net, seed), seed, rotated, "untrained"))
    return found


Rows = Iterator[tuple[str, str, float]]
"""Measure, where (layer, feature or angle) and value."""


def _motions(subject: Subject, given: Shown, config: Config) -> Rows:
    """Yields what motions make of whole layers: partners are found on half of the images, and tested on the others."""
    net, half = subject.net, config.images
    layers = net.distinct_layers
    chosen = carried.matches(net, layers, given.images[:half])
    tested = carried.matches(net, layers, given.images[half:])
    for name, motion in carried.MOTIONS.items():
        below = np.arange(given.images.shape[-1])  # motions leave colours as they are
        for layer in layers:
            to, itself = carried.partners(chosen[name, layer]), np.arange(len(tested[name, layer]))
            others = carried.partners(chosen[name, layer], but_itself=True)
            yield f"{name}, own partner", layer, float((to == itself).mean())
            for who, partner in (("", to), (", by others", others), (", by itself", itself)):
                yield f"{name}{who}", layer, float(carried.held(tested[name, layer], partner).mean())
                kernel = net.weights(layer)
                if kernel is not None:
                    law = carried.weight_law(np.asarray(kernel[1]), motion, partner, below)
                    yield f"{name}, weights{who}", layer, float(law.mean())
            if name == "turned":
                yield "turned, closed", layer, carried.closed(to, 4)
            below = to


def _copies(subject: Subject, given: Shown, config: Config) -> Rows:
    """Yields how like each unit is to another one of its layer, turned, by the figures of the battery."""
    del given, config
    layers = subject.net.distinct_layers
    held = signatures([subject.net[layer] for layer in layers], battery())
    for layer, each in zip(layers, held, strict=True):
        yield "copies", layer, float(np.nanmean(families.copies(each.sel(view="image"))))


def _families(subject: Subject, given: Shown, config: Config) -> Rows:
    """Yields how many units of a net are like handwritten ones, and how regular these families are."""
    del given
    layers, elements = subject.net.distinct_layers, families.references(config.features)
    found = census(subject.net, elements, layers=layers, shuffles=config.shuffles, seed=config.seed)
    for feature, count in found.counts.units.items():
        yield "units", str(feature), float(count)
    table = families.of_families(found, elements, draws=config.draws, seed=config.seed)
    for feature, row in table.drop(columns=["layer", "units"]).iterrows():
        for name, value in row.items():
            yield str(name), str(feature), float(value)
    for name, value in families.foretold(found, exchanges=config.exchanges, seed=config.seed).items():
        yield name, ALL, value


def _classes(subject: Subject, given: Shown, config: Config) -> Rows:
    """Yields the share of images of which a net says the right class, by the angle that they are turned by."""
    net, last = subject.net, subject.net.layers[-1]
    run = jit(lambda images, angle: net.output_from({last: net.maps(turned(images, angle), last)}))
    for angle in np.arange(config.angles) * 360 / config.angles:
        logits = [
            np.asarray(run(jnp.asarray(given.asked[at : at + carried.CHUNK]), jnp.float32(angle)))
            for at in range(0, len(given.asked), carried.CHUNK)
        ]
        yield "accuracy", f"{angle:g}", float((np.concatenate(logits).argmax(1) == given.labels).mean())


PARTS: dict[str, Callable[[Subject, Shown, Config], Rows]] = {
    "motions": _motions,
    "copies": _copies,
    "classes": _classes,
    "families": _families,
}
"""What is measured of a net, each kept in a file of its own."""

OF_ALL = ("motions", "copies")
"""What is measured of nets that learned nothing, too."""


def run(all_of_them: Sequence[Subject], given: Shown, config: Config, folder: Path) -> pd.DataFrame:
    """Measures whatever the folder does not hold yet, and returns all numbers.

    Raises:
        StimulusError: If there are too few images.
    """
    if len(given.images) != 2 * config.images or len(given.asked) != len(given.labels):
        raise StimulusError(
            f"rotated_twin got {len(given.images)} images, and {len(given.asked)} others with {len(given.labels)} "
            f"labels: wanted {2 * config.images} images, and a label each."
        )
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [(part, each) for part in PARTS for each in all_of_them if each.kind == "trained" or part in OF_ALL]
    tables = []
    columns = BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}")
    with Progress(*columns) as progress:
        task = progress.add_task("", total=len(wanted))
        for part, subject in wanted:
            name = subject.net.name
            progress.update(task, description=f"{name}: {part}")
            slug = name.replace(", ", "-").replace(" ", "-")
            path = folder / f"{slug}-{part}-{_digest(part, subject, given, config)}.csv"
            if not path.is_file():
                unfinished = path.with_suffix(".partial")
                rows = pd.DataFrame(PARTS[part](subject, given, config), columns=["measure", "where", "value"])
                rows.to_csv(unfinished, index=False)
                unfinished.replace(path)
            about = {"net": name, "kind": subject.kind, "seed": subject.seed, "rotated": subject.rotated}
            tables.append(pd.read_csv(path, dtype={"where": str}).assign(**about))
            progress.advance(task)
    return with_means(pd.concat(tables, ignore_index=True))


def _digest(part: str, subject: Subject, given: Shown, config: Config) -> str:
    """Returns what tells one measurement from another: weights, images, handwritten circuits and all settings."""
    circuits = {name: to_json(families.REFERENCES[name][0].SPEC) for name in config.features}
    found = hashlib.sha256(repr((part, config, circuits)).encode())

    def change(weight: Weight) -> jnp.ndarray:
        found.update(weight.name.encode() + np.asarray(weight.value).tobytes())
        return weight.value

    subject.net.with_weights(change, name=subject.net.name)
    for values in (given.images, given.asked, given.labels):
        found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()[:12]


def small_nets() -> dict[tuple[int, bool], SequentialNet]:
    """Returns the pairs of twins that come with circuitkit."""
    return {
        (seed, rotated): ck.nets.small(seed, rotated=rotated) for rotated in (False, True) for seed in ROTATED_SEEDS
    }


def from_cifar(data: Path, config: Config) -> Shown:
    """Returns test images: the first ones, cut to an odd side, and the last ones with their classes."""
    images, labels = read(data / "images" / "cifar10-test.parquet")
    first = np.asarray(shown(jnp.asarray(images[: 2 * config.images, :EVEN, :EVEN])))
    asked = np.asarray(shown(jnp.asarray(images[-config.asked :])))
    return Shown(first, asked, labels[-config.asked :])


def main(arguments: Sequence[str] | None = None) -> pd.DataFrame:
    """Runs, prints and writes; returns the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny nets alone")
    parser.add_argument("--data", default=os.environ.get("CIRCUITKIT_DATA"), help="the folder that holds images/")
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to")
    options = parser.parse_args(arguments)
    if not (options.smoke or options.data):
        parser.error("name the folder that holds images/ with --data, or give --smoke")
    config = SMOKE if options.smoke else Config()
    nets = tiny.twins() if options.smoke else small_nets()
    given = Shown(*tiny.shown(config.images, config.asked)) if options.smoke else from_cifar(Path(options.data), config)
    rows = run(subjects(nets), given, config, options.out / "nets")
    table = compared(rows)
    rows.to_csv(options.out / "numbers.csv", index=False)
    table.to_csv(options.out / "compared.csv", index=False)
    print(table[table["where"] == ALL].drop(columns="where").to_string(index=False, float_format="%.3f"))
    figure_folder = options.out if options.smoke else HERE
    (figure_folder / "carried.png").write_bytes(to_png(figures.motions(rows)))
    (figure_folder / "families.png").write_bytes(to_png(figures.families(rows)))
    (figure_folder / "filters.png").write_bytes(to_png(figures.filters(nets, given.images)))
    return table


if __name__ == "__main__":
    main()
