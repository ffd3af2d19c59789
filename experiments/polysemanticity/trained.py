"""Units of trained nets, and of nets that learned nothing: how many have several meanings, and do labels agree?"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

import circuitkit as ck
from circuitkit.controls import shuffled
from circuitkit.errors import NetError
from circuitkit.polysemantic import By, Meanings, Seen, drive, looks, meanings, search
from circuitkit.stimuli import Photographs, photographs

LAYERS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "squeezenet1_1": (("fire6", "fire7"), ("fire7", "fire8"), ("fire8", "fire9")),
    "resnet50v2_stage3": tuple((f"stage3_unit{each}_act2", f"stage3_unit{each}_act3") for each in (4, 5, 6)),
}
"""What is described, and the layer whose units are tested, by net."""

SIDE = 320
"""Of photographs, in pixels: the latest layer sees 267 of them, so that 9 places or more see no padding."""

_VEHICLES = (
    "403 404 405 407 408 436 444 450 468 472 484 510 511 547 554 555 561 565 569 573 575 576 581 586 603 "
    "609 612 625 627 628 654 656 661 665 670 671 675 690 705 717 724 734 751 757 779 780 802 803 814 817 "
    "820 829 833 847 864 866 867 870 871 874 880 895 914 "
)
_GROUPS = (
    ("birds", (*range(7, 25), *range(80, 101), *range(127, 147))),
    ("dogs", range(151, 269)),
    ("other mammals", (*range(101, 107), *range(147, 151), *range(269, 300), *range(330, 389))),
    ("fish, frogs, reptiles", (*range(7), *range(25, 69), *range(389, 398))),
    ("invertebrates", (*range(69, 80), *range(107, 127), *range(300, 330))),
    ("vehicles", tuple(map(int, _VEHICLES.split()))),
    ("food, plants", (*range(924, 970), *range(984, 1000))),
    ("scenes", range(970, 981)),
)
REST = "other things"


def groups(classes: np.ndarray) -> np.ndarray:
    """Returns one of nine kinds of thing for each class of ImageNet; made by hand, before any response was seen."""
    known = {index: name for name, indices in _GROUPS for index in indices}
    return np.array([known.get(int(index), REST) for index in classes])


def shown(data: Path, *, side: int = SIDE) -> tuple[Photographs, np.ndarray]:
    """Returns 1000 photographs, one of each class, and their kinds."""
    images = photographs(data / "images/imagenet-sample.zip", side=side)
    return images, groups(images.labels.class_index.to_numpy(int))


def agreement(found: Meanings, labels: np.ndarray, *, draws: int, seed: int) -> tuple[float, float]:
    """Returns how much of the labels' information the meanings share, less what chance gives, and p by permutation.

    It is the adjusted mutual information, (I - E) / (mean of both entropies - E), with E over permutations of labels.
    """
    which = np.repeat(np.arange(found.count), [len(group) for group in found.members])
    _, kind = np.unique(labels[np.concatenate(found.members)], return_inverse=True)
    rng = np.random.default_rng(seed)
    own = information(which, kind)
    null = np.array([information(which, rng.permutation(kind)) for _ in range(draws)])
    most = (information(which, which) + information(kind, kind)) / 2
    return float((own - null.mean()) / (most - null.mean())), float((1 + (null >= own).sum()) / (1 + draws))


def halved(seen: Seen, unit: str, labels: np.ndarray, by: By, *, share: float, draws: int) -> tuple[float, float]:
    """Returns the agreement of halves of what drives a unit, cut across the longest axis: as good as any cut."""
    whole = meanings(seen, unit, by=by, share=share, level=1e-9, draws=draws)
    (group,) = whole.members
    described = (seen.activations(unit) if by == "activation" else seen.contributions(unit))[group]
    along = np.linalg.svd(described - described.mean(0), full_matrices=False)[0][:, 0]
    halves = group[along > np.median(along)], group[along <= np.median(along)]
    return agreement(dataclasses.replace(whole, count=2, members=halves), labels, draws=draws, seed=0)


def information(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the mutual information of two labellings, in nats; of one with itself, its entropy."""
    table = np.zeros((first.max() + 1, second.max() + 1))
    np.add.at(table, (first, second), 1 / len(first))
    expected = table.sum(1, keepdims=True) * table.sum(0)
    filled = table > 0
    return float(np.sum(table[filled] * np.log(table[filled] / expected[filled])))


@dataclasses.dataclass(frozen=True, eq=False)
class Layer:
    """What was found in a layer.

    Attributes:
        seen: The look.
        table: A row for each unit.
        found: The meanings of units that have several.
    """

    seen: Seen
    table: pd.DataFrame
    found: dict[str, Meanings]


def searched(seen: Seen, labels: np.ndarray, by: By, *, share: float, draws: int) -> Layer:
    """Searches a layer; what labels and directions say is added for units that have several meanings.

    Halves of what drives a unit agree with labels, too, as far as any axis of a net's space does: `halves` is by how
    much, for one unit of eight.
    """
    table = search(seen, by=by, share=share, draws=draws)
    found = {unit: meanings(seen, unit, by=by, share=share, draws=draws) for unit in table.unit[table.meanings > 1]}
    more = pd.DataFrame(index=table.unit, columns=["shared", "p_labels", "halves", "drive_least", "drive_most"])
    for unit in seen.probe.unit_names[::8]:
        if not table.meanings[table.unit == unit].item():
            continue  # too few stimuli drive it
        more.loc[unit, "halves"] = halved(seen, unit, labels, by, share=share, draws=99)[0]
    for unit, each in found.items():
        driven = drive(seen, each)
        own = agreement(each, labels, draws=draws, seed=0)
        more.loc[unit, ["shared", "p_labels", "drive_least", "drive_most"]] = (*own, driven.min(), driven.max())
    table = table.join(more.astype(float), on="unit")
    named = {"net": seen.probe.net.name, "layer": seen.probe.layer, "by": by, "share": share}
    for place, (column, value) in enumerate(named.items()):
        table.insert(place, column, value)
    return Layer(seen, table, found)


def counted(table: pd.DataFrame) -> pd.DataFrame:
    """Returns a row for each search: how many units have several meanings, and how often labels agree."""

    def row(each: pd.DataFrame) -> pd.Series:
        tested = each[each.p.notna()]
        several = tested[tested.meanings > 1]
        return pd.Series(
            {
                "tested": len(tested),
                "p <= .05": (tested.p <= 0.05).sum(),
                "p <= .01": (tested.p <= 0.01).sum(),
                "least q": tested.q.min(),
                "three or more": (several.meanings > 2).sum(),
                "labels p <= .01": (several.p_labels <= 0.01).sum(),
                "shared": several.shared.median(),
                "halves": tested.halves.median(),
                "cosine": several.cosine.median(),
                "drive_least": several.drive_least.median(),
            }
        )

    rows = {key: row(each) for key, each in table.groupby(["net", "layer", "by", "share"], sort=False)}
    return pd.DataFrame(rows).T.rename_axis(["net", "layer", "by", "share"]).reset_index()


def search_all(data: Path, name: str, by: Sequence[By], controls: int, *, share: float, draws: int) -> Iterator[Layer]:
    """Yields every search of a net, then of nets of its kernels shuffled: by layer, and by description.

    Args:
        data: A folder with nets/ and images/.
        name: Of `LAYERS`.
        by: What stimuli are sorted by.
        controls: Shuffled nets.
        share: Of the images, those that drive a unit.
        draws: Of all nulls.
    """
    images, labels = shown(data)
    net = ck.nets.load(data / f"nets/{name}.onnx")
    for each in [net, *(shuffled(net, seed) for seed in range(controls))]:
        for seen in looks([(each[layer], source) for source, layer in LAYERS[name]], images):
            for description in by:
                yield searched(seen, labels, description, share=share, draws=draws)


def crops(seen: Seen, unit: str, stimuli: Sequence[int], data: Path) -> list[np.ndarray]:
    """Returns what a unit saw of photographs where it responded most: (row, column, 3), about 90 pixels wide."""
    images, _ = shown(data)
    field = seen.probe.net.receptive_field(seen.probe.layer, seen.size)
    if field is None:
        raise NetError(f"what {seen.probe.layer} sees is not known: give a net whose receptive fields are.")
    taken = []
    for at in stimuli:
        middle = np.array(field.centre(*seen.places[at, seen.index(unit)]))
        top, left = (middle - (np.array(field.size) - 1) / 2).round().astype(int)
        picture = np.asarray(images[[at]].images(SIDE))[0]
        taken.append(picture[top : top + field.size[0] : 2, left : left + field.size[1] : 2])
    return taken
