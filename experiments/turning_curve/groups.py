"""What a family's groups are like along the path of a turning curve: numbers of exact intervals."""

import numpy as np
from jaxtyping import Float

from circuitkit import neurons


def numbers(found: neurons.Intervals) -> dict[str, float]:
    """Returns what the groups along one whole turn are like.

    Returns:
        active: Units that are ever in.
        at once: How many are in, on the average over the turn.
        fewest, most: Likewise, at its extremes.
        empty: Share of the turn without anyone.
        stretches: In how many stretches a unit that is ever in is in, on the average.
        longest: The share of its time in that lies in its longest stretch, on the average.
        width: Of that stretch, in degrees, on the average.
        consecutive: Share of the turn on which those in stand next to each other, in the order of their middles.
    """
    sizes, members = found.sizes, found.members
    total = sizes.sum()
    counts = members.sum(axis=1)
    spans = [stretches(found, unit) for unit in range(members.shape[1])]
    held = [each for each in spans if len(each)]
    order = np.argsort([_middle(each) for each in spans])
    order = order[[len(spans[unit]) > 0 for unit in order]]
    return {
        "active": float(len(held)),
        "at once": float(counts @ sizes / total),
        "fewest": float(counts.min()),
        "most": float(counts.max()),
        "empty": float(sizes[counts == 0].sum() / total),
        "stretches": float(np.mean([len(each) for each in held])) if held else np.nan,
        "longest": float(np.mean([each[:, 1].max() / each[:, 1].sum() for each in held])) if held else np.nan,
        "width": float(np.mean([each[:, 1].max() for each in held])) if held else np.nan,
        "consecutive": float(sizes[[_consecutive(row[order]) for row in members]].sum() / total),
    }


def stretches(found: neurons.Intervals, unit: int) -> Float[np.ndarray, "stretch 2"]:
    """Returns where each stretch of a unit begins and how long it is, in degrees; the turn is closed."""
    held = found.members[:, unit]
    if held.all():
        return np.array([[found.bounds[0], found.bounds[-1] - found.bounds[0]]])
    starts = np.flatnonzero(held & ~np.roll(held, 1))
    spans = []
    for start in starts:
        place, length = int(start), 0.0
        while held[place % len(held)]:
            length += float(found.sizes[place % len(held)])
            place += 1
        spans.append((float(found.bounds[start]), length))
    return np.array(spans).reshape(-1, 2)


def middles(found: neurons.Intervals) -> Float[np.ndarray, " unit"]:
    """Returns the middle of each unit's longest stretch, in degrees; NaN for one that is never in."""
    return np.array([_middle(stretches(found, unit)) for unit in range(found.members.shape[1])])


def _middle(spans: Float[np.ndarray, "stretch 2"]) -> float:
    if not len(spans):
        return float("nan")
    start, length = spans[int(np.argmax(spans[:, 1]))]
    return float((start + length / 2) % 360)


def _consecutive(row: np.ndarray) -> bool:
    """Says whether those in stand next to each other, round the circle."""
    return bool((row & ~np.roll(row, 1)).sum() <= 1)


def half_peak(said: neurons.Path) -> neurons.Predicate:
    """Returns the predicate of units above half of the most that each says along the path; never of silent ones."""
    peaks = said.values.max(axis=0)
    return neurons.above(np.where(peaks > 0, peaks / 2, np.abs(said.values).max() + 1))
