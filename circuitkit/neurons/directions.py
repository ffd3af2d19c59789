"""Which way to move an input: directions in the space that a layer reads, and lines along them.

    found = principal(samples)                                    # PCA: found.vectors[0], found.shares
    about = concept(samples, labels, by="probe", seed=0)          # about.vector, about.accuracy, about.p
    path = line(found.vectors[0], through=found.middle, low=-3, high=3)
    path = line(feature(layer, "curves@45"), through=found.middle, low=0, high=2)
    path = segment(one_input, another)                            # the line between two inputs
    path = stimulus_path(read(net["curves"]), grid(Curve(radius=20), angle=turn(360)))

Along each of them a layer is a layer of one input, and all of it is exact again. On a path through images the points
are what the layer reads of the images, and between them it runs straight: exact in the layer, and as near to the images
in between as their steps are small.

Source: concept vectors by difference of means and by linear probe: Kim et al., "Interpretability Beyond Feature
Attribution", ICML (2018); PCA: Jolliffe, "Principal Component Analysis" (2002), chapters 1 to 3.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import minimize
from scipy.special import expit

from circuitkit import checks
from circuitkit.errors import NeuronsError, unknown_name
from circuitkit.evidence.statistics import bootstrap, p_value
from circuitkit.neurons.affine import ROUNDING, Affine, as_floats
from circuitkit.neurons.path import Path, polyline
from circuitkit.neurons.reading import Reading
from circuitkit.stimuli import LabelledSet
from circuitkit.sweep import Progress

By = Literal["means", "probe"]


@dataclasses.dataclass(frozen=True, eq=False)
class Principal:
    """The directions in which samples spread most.

    Attributes:
        vectors: (component, input), each of length 1, at right angles; the largest entry of each is positive.
        shares: (component,) of the variance, the largest first.
        spreads: (component,) standard deviations of the samples along each.
        middle: (input,) the mean of the samples.
    """

    vectors: Float[np.ndarray, "component input"]
    shares: Float[np.ndarray, " component"]
    spreads: Float[np.ndarray, " component"]
    middle: Float[np.ndarray, " input"]


def principal(samples: Any, *, count: int | None = None) -> Principal:
    """Returns the singular vectors of samples about their mean (PCA).

    Args:
        samples: (sample, input), at least two.
        count: How many components; all that have a share beyond rounding if left out.

    Raises:
        NeuronsError: If the samples are all the same, hold NaN, or are too few for so many components.
    """
    points = _samples("principal", samples)
    middle = points.mean(axis=0)
    _, sizes, vectors = np.linalg.svd(points - middle, full_matrices=False)
    found = int((sizes > ROUNDING * max(float(np.abs(points).max()), 1e-300) * np.sqrt(points.size)).sum())
    if not found:
        raise NeuronsError(
            f"principal was given {len(points)} samples that are all the same, which spread in no direction: wanted "
            "some that differ."
        )
    if count is not None and checks.whole("principal", "count", count) > found:
        raise NeuronsError(
            f"principal was asked for {count} components of {len(points)} samples, which spread in {found} "
            "directions: wanted fewer components, or more samples."
        )
    kept = found if count is None else count
    signs = np.sign(np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1))
    return Principal(
        vectors=(signs * vectors)[:kept],
        shares=sizes[:kept] ** 2 / (sizes**2).sum(),
        spreads=sizes[:kept] / np.sqrt(len(points) - 1),
        middle=middle,
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Concept:
    """A direction from one kind of samples to the other, and how well it tells them apart on samples held out.

    Attributes:
        vector: (input,) of length 1, towards the kind whose label is larger (True, 1).
        middle: (input,) halfway between the means of the two kinds.
        apart: Distance of the means along the vector.
        accuracy: Balanced accuracy on samples held out, 0.5 by chance: the mean over the two kinds.
        interval: In which that lies with 95 % confidence (bootstrap over groups).
        null: (permutation,) the same after the labels have been permuted.
        p: How often a permutation reaches the accuracy; never 0.
    """

    vector: Float[np.ndarray, " input"]
    middle: Float[np.ndarray, " input"]
    apart: float
    accuracy: float
    interval: tuple[float, float]
    null: Float[np.ndarray, " permutation"]
    p: float


def concept(
    samples: Any,
    labels: Any,
    *,
    by: str = "probe",
    groups: Sequence[Any] | None = None,
    folds: int = 5,
    permutations: int = 99,
    penalty: float = 0.01,
    seed: int = 0,
) -> Concept:
    """Returns a concept vector, from examples of two kinds.

    Args:
        samples: (sample, input).
        labels: (sample,) two kinds; the vector points to the larger label.
        by: `means`: the difference of the two means. `probe`: logistic regression, each kind weighing the same.
        groups: (sample,) what belongs together, such as the image that a crop is of: held out together, and permuted
            together. Each sample is a group of its own if left out. All of a group have one label.
        folds: Parts that are held out in turn.
        permutations: Of the labels, for the null.
        penalty: Of a probe: on the squared length of its weights, for samples scaled to a mean squared distance of 1
            from their mean.
        seed: Of folds, permutations and bootstrap.

    Raises:
        NeuronsError: If there is one kind alone or fewer groups of a kind than two, or if the two kinds have the same
            mean.
        UnknownNameError: If there is no such way.
    """
    if by not in get_args(By):
        raise unknown_name("way", by, get_args(By), owner="concept")
    points = _samples("concept", samples)
    kinds, is_one = np.unique(np.asarray(labels), return_inverse=True)
    if is_one.shape != (len(points),):
        raise NeuronsError(
            f"concept was given {len(points)} samples and labels of shape {is_one.shape}: wanted one each."
        )
    if len(kinds) != 2:
        said = f"{len(kinds)} kinds" if len(kinds) > 1 else f"one kind alone, {kinds.tolist()[0]!r}"
        raise NeuronsError(f"concept was given {said}: wanted examples of two kinds, with the concept and without it.")
    group, label_of = _grouped(is_one.astype(bool), groups, len(points))
    fewest = int(min(label_of.sum(), (~label_of).sum()))
    if fewest < 2:
        raise NeuronsError(
            f"concept was given {fewest} group of one of the two kinds: wanted at least 2 of each, one to hold out."
        )
    checks.whole("concept", "permutations", permutations)
    folds = min(checks.whole("concept", "folds", folds, at_least=2), fewest)
    # Within the space that the samples span, a turn that changes no distance: it is smaller, and nothing else.
    centre = points.mean(axis=0)
    turned, sizes, basis = np.linalg.svd(points - centre, full_matrices=False)
    flat = turned * sizes
    fit = _FITS[by]
    rng = np.random.default_rng(seed)
    correct = _held_out(flat, label_of, group, folds, fit, penalty, rng)
    null = [
        _balanced(_held_out(flat, shuffled, group, folds, fit, penalty, rng), shuffled[group])
        for shuffled in (rng.permutation(label_of) for _ in range(permutations))
    ]
    direction, _ = fit(flat, label_of[group], penalty)
    length = float(np.linalg.norm(direction))
    if length <= ROUNDING * max(float(sizes.max()), 1e-300):
        raise NeuronsError("concept was given two kinds with the same mean: wanted kinds that differ on the average.")
    vector = direction @ basis / length
    means = [points[~label_of[group]].mean(axis=0), points[label_of[group]].mean(axis=0)]
    accuracy = _balanced(correct, label_of[group])
    low, high = _interval(correct, label_of, group, seed)
    return Concept(
        vector=vector / np.linalg.norm(vector),
        middle=(means[0] + means[1]) / 2,
        apart=float((means[1] - means[0]) @ vector / np.linalg.norm(vector)),
        accuracy=accuracy,
        interval=(low, high),
        null=np.array(null),
        p=float(p_value(np.array([accuracy]), np.array(null))[0]),
    )


def feature(layer: Affine, neuron: int | str) -> Float[np.ndarray, " input"]:
    """Returns the direction that a neuron looks for: its weight vector, of length 1.

    Raises:
        NeuronsError: If its weights are all 0.
        UnknownNameError: If there is no such neuron.
    """
    one = layer.neurons([neuron])
    return unit(one.weights[:, 0], what=f"neuron {one.names[0]!r} of {layer.title}")


def unit(direction: Any, *, what: str = "a direction") -> Float[np.ndarray, " input"]:
    """Returns a direction with length 1; refuses one that is 0, or no direction."""
    found = as_floats(f"{what} has entries", direction)
    largest = float(np.abs(found).max()) if found.size else 0.0
    if found.ndim != 1 or not (np.isfinite(largest) and largest > 0):
        raise NeuronsError(f"{what} has shape {found.shape} and largest entry {largest:g}: wanted finite numbers, not "
                           "all 0.")  # fmt: skip
    scaled = found / largest  # so that no square is too small or too large
    return np.asarray(scaled / np.linalg.norm(scaled))


def line(
    direction: Any, *, through: Any = None, low: float = -1.0, high: float = 1.0, names: Sequence[str] | None = None
) -> Path:
    """Returns the straight line along a direction; t is the distance from a point, in units of the inputs.

    Args:
        direction: (input,) of any length but 0.
        through: (input,) where t is 0; the origin if left out.
        low: Where the line begins.
        high: Where it ends.
        names: Of the inputs.

    Raises:
        NeuronsError: If the direction is 0, the line has no length, or the point has other inputs.
    """
    way = unit(direction)
    origin = np.zeros(len(way)) if through is None else as_floats("a line was given a point", through)
    if origin.shape != way.shape:
        raise NeuronsError(
            f"a line was given a direction of {len(way)} inputs through a point of shape {origin.shape}: wanted "
            f"({len(way)},)."
        )
    if not (np.isfinite([low, high]).all() and low < high):
        raise NeuronsError(f"a line from {low} to {high} has no length: wanted two finite numbers, the lower first.")
    # The point itself is no bend, and is kept out.
    return polyline([origin + low * way, origin + high * way], at=(low, high), names=names)


def stimulus_path(seen: Reading, stimuli: LabelledSet, *, progress: Progress | None = None) -> Path:
    """Returns the way that a layer's input takes as a stimulus changes: straight between one image and the next.

    Args:
        seen: The units, which look at the anchor of the stimuli.
        stimuli: A grid of one axis with rising numbers, such as `grid(Curve(radius=20), angle=turn(360))`; t is that.
        progress: Called after each chunk.

    Raises:
        NeuronsError: If the set has several axes, or values that do not rise.
    """
    if len(stimuli.dims) != 1 or len(stimuli) < 2:
        raise NeuronsError(
            f"stimulus_path was given stimuli of shape {stimuli.shape} along {', '.join(stimuli.dims) or 'nothing'}: "
            "wanted one axis of at least 2 values, as of grid(Curve(radius=20), angle=turn(360))."
        )
    name = stimuli.dims[0]
    at = np.asarray(stimuli.coords[name][1]) if name in stimuli.coords else np.arange(len(stimuli), dtype=float)
    if at.ndim != 1 or at.dtype.kind not in "fiu" or not (np.diff(at) > 0).all() or not np.isfinite(at).all():
        raise NeuronsError(f"stimulus_path was given the axis {name!r}, whose values do not rise, or are no numbers: "
                           "wanted rising numbers.")  # fmt: skip
    return polyline(seen.samples(stimuli, progress=progress), at=at, names=seen.input_names)


def _samples(owner: str, samples: Any) -> Float[np.ndarray, "sample input"]:
    points = as_floats(f"{owner} was given samples", samples)
    if points.ndim != 2 or len(points) < 2 or not points.shape[1] or not np.isfinite(points).all():
        finite = "" if np.isfinite(points).all() else ", some of them NaN or infinite"
        raise NeuronsError(
            f"{owner} was given samples of shape {points.shape}{finite}: wanted (sample, input), at least 2, all "
            "finite."
        )
    return points


def _grouped(
    is_one: Bool[np.ndarray, " sample"], groups: Sequence[Any] | None, count: int
) -> tuple[Int[np.ndarray, " sample"], Bool[np.ndarray, " group"]]:
    """Returns the group of each sample, and the label of each group."""
    if groups is None:
        return np.arange(count), is_one
    _, first, group = np.unique(np.asarray(groups), return_index=True, return_inverse=True)
    if group.shape != (count,) or (is_one[first][group] != is_one).any():
        raise NeuronsError(
            f"concept was given groups of {len(first)} for {count} samples: wanted one for each sample, and one label "
            "for all of a group."
        )
    return group, is_one[first]


_Fit = Callable[[np.ndarray, np.ndarray, float], tuple[np.ndarray, float]]


def _by_means(
    points: Float[np.ndarray, "sample dim"], is_one: Bool[np.ndarray, " sample"], penalty: float
) -> tuple[Float[np.ndarray, " dim"], float]:
    """Returns a direction and the threshold along it: halfway between the means."""
    del penalty
    one, other = points[is_one].mean(axis=0), points[~is_one].mean(axis=0)
    return one - other, float((one - other) @ (one + other) / 2)


def _by_probe(
    points: Float[np.ndarray, "sample dim"], is_one: Bool[np.ndarray, " sample"], penalty: float
) -> tuple[Float[np.ndarray, " dim"], float]:
    """Returns the weights of a logistic regression, and its threshold."""
    scale = float(np.sqrt((points**2).sum(axis=1).mean())) or 1.0
    x, sign = points / scale, np.where(is_one, 1.0, -1.0)
    weight = np.where(is_one, 0.5 / is_one.sum(), 0.5 / (~is_one).sum())

    def loss(given: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (x @ given[1:] + given[0])
        pull = -weight * sign * expit(-margin)
        value = weight @ np.logaddexp(0, -margin) + penalty / 2 * given[1:] @ given[1:]
        return float(value), np.concatenate([[pull.sum()], pull @ x + penalty * given[1:]])

    found = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B").x
    return found[1:] / scale, -float(found[0])


_FITS: dict[str, _Fit] = {"means": _by_means, "probe": _by_probe}


def _held_out(
    points: Float[np.ndarray, "sample dim"],
    label_of: Bool[np.ndarray, " group"],
    group: Int[np.ndarray, " sample"],
    folds: int,
    fit: _Fit,
    penalty: float,
    rng: np.random.Generator,
) -> Bool[np.ndarray, " sample"]:
    """Returns which samples are told right by what was fitted to those of other folds."""
    fold_of = np.empty(len(label_of), int)
    for kind in (False, True):
        places = rng.permutation(np.flatnonzero(label_of == kind))
        fold_of[places] = np.arange(len(places)) % folds
    is_one, fold = label_of[group], fold_of[group]
    correct = np.zeros(len(points), bool)
    for number in range(folds):
        out = fold == number
        direction, threshold = fit(points[~out], is_one[~out], penalty)
        correct[out] = (points[out] @ direction > threshold) == is_one[out]
    return correct


def _balanced(correct: Bool[np.ndarray, " sample"], is_one: Bool[np.ndarray, " sample"]) -> float:
    return float((correct[is_one].mean() + correct[~is_one].mean()) / 2)


def _interval(
    correct: Bool[np.ndarray, " sample"],
    label_of: Bool[np.ndarray, " group"],
    group: Int[np.ndarray, " sample"],
    seed: int,
) -> tuple[float, float]:
    """Returns where the balanced accuracy lies, by drawing groups of either kind again."""
    share = np.bincount(group, correct) / np.bincount(group)
    middle, below, above = 0.0, 0.0, 0.0
    for kind in (False, True):
        mine = share[label_of == kind]
        low, high = bootstrap(mine[:, None], seed=seed)
        # The two kinds are independent: their half widths add up by squares.
        middle += float(mine.mean()) / 2
        below, above = np.hypot(below, (mine.mean() - low[0]) / 2), np.hypot(above, (high[0] - mine.mean()) / 2)
    return max(0.0, middle - float(below)), min(1.0, middle + float(above))
