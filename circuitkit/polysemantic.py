"""Polysemantic units: does what drives a unit fall into several kinds, each with a direction of its own?

    seen = look(net["fire8", [303]], "fire7", images)       # responses, and what stands there in an earlier layer
    found = meanings(seen, "fire8:303")                     # .count, .p, .members, .directions
    tell(seen.activations("fire8:303"), found).auc          # are stimuli of a kind known by a direction?
    drive(seen, found)                                      # what each direction does to the unit on its own
    table = search(seen)                                    # every unit; p over the family of all of them

Of each stimulus the place counts at which the unit responds most, of those that see no padding. It is described by
what the earlier layer holds there (`activation`), or by how much each of its channels adds to the unit, weight times
activation (`contribution`), where weights are known: channels that the unit does not read then have no say, such as a
background that comes in two kinds.

**One kind or several.** The stimuli that drive a unit most are a cloud of points; the kinds are its parts, told by the
valleys between them, with p against one part: see `circuitkit.valleys`. To take the stimuli above a response of a unit
that is linear in the description cuts a log-concave cloud by a plane, and makes no valley.

Source: Olah et al., "Zoom In: An Introduction to Circuits", Distill (2020), Polysemantic Neurons. Patterns as
against readers: Haufe et al., "On the interpretation of weight vectors of linear models in multivariate neuroimaging"
(2014). The test is ours.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal, get_args

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float, Int

from circuitkit.errors import NetError, SpecError, StimulusError, unknown_name
from circuitkit.evidence.statistics import auc
from circuitkit.look import Rows, Seen, look, looks
from circuitkit.valleys import DRAWS, LEAST, LEVEL, parts

__all__ = ["By", "Meanings", "Seen", "drive", "kinds", "look", "looks", "meanings", "search", "tell"]

By = Literal["activation", "contribution"]
PerStimulus = Float[np.ndarray, " stimulus"]

SHARE = 0.1
"""Of the stimuli, those that drive a unit."""

FOLDS = 5


@dataclasses.dataclass(frozen=True, eq=False)
class Meanings:
    """What a unit responds to.

    Attributes:
        unit: Its name.
        count: How many kinds.
        p: Of one kind, against the null of the module.
        valley: How dense the valley is beside the lower hill, in halves that were not searched: 0 if it is empty.
        separation: How far the two sides of it are apart there, in their standard deviations: 2.7 for a Gaussian that
            is cut in two.
        members: Of each kind, the stimuli, the strongest first; the largest kind first.
        silent: Stimuli that do not drive the unit: they respond no more than the median.
        directions: (meaning, channel), unit vectors in the sources' space: by what a kind's mean activations differ
            from those of silent stimuli.
        sizes: Of each kind: how long the vector of `directions` was.
    """

    unit: str
    count: int
    p: float
    valley: float
    separation: float
    members: tuple[Int[np.ndarray, " _"], ...]
    silent: Int[np.ndarray, " _"]
    directions: xr.DataArray
    sizes: Float[np.ndarray, " meaning"]

    @property
    def cosine(self) -> float:
        """The largest cosine between two directions; NaN if there is but one. Near 1, a kind is more of another."""
        own = self.directions.values
        return float((own @ own.T)[np.triu_indices(len(own), 1)].max()) if len(own) > 1 else math.nan


def meanings(
    seen: Seen,
    unit: str | int,
    *,
    by: By = "activation",
    share: float = SHARE,
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = 0,
) -> Meanings:
    """Returns the kinds of stimulus that drive a unit.

    Args:
        seen: From `look`.
        unit: Of its probe, by name or index.
        by: What stimuli are sorted by. Directions are of activations in any case.
        share: Of the stimuli, those that respond most, and above 0, drive the unit; those below the median do not.
        level: Of the first cut.
        draws: Of the null.
        seed: Of the halvings.

    Raises:
        StimulusError: If the unit responds to all stimuli alike, or too few drive it.
        SpecError: If `share` or `level` is not between 0 and 1.
        UnknownNameError: If there is no such unit.
    """
    if by not in get_args(By):
        raise unknown_name("description", by, get_args(By), owner="meanings")
    index = seen.index(unit)
    held = seen.activations(index)
    described = held if by == "activation" else seen.contributions(index)
    name = seen.probe.unit_names[index]
    found = kinds(
        seen.responses[:, index], described, held, share=share, level=level, draws=draws, seed=seed, name=name
    )
    return dataclasses.replace(found, directions=found.directions.assign_coords(channel=seen.channels))


def kinds(
    responses: PerStimulus,
    described: Rows,
    held: Rows | None = None,
    *,
    share: float = SHARE,
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = 0,
    name: str = "unit",
) -> Meanings:
    """Returns the kinds of stimulus that drive a unit, from arrays alone; see `meanings`.

    Args:
        responses: Of the unit.
        described: What stimuli are sorted by.
        held: What directions are of; `described` if left out.
        share: As in `meanings`; likewise `level`, `draws` and `seed`.
        level: Of the first cut.
        draws: Of the null.
        seed: Of the halvings.
        name: Of the unit.
    """
    held = described if held is None else held
    for said, value in (("share", share), ("level", level)):
        if not 0 < value < 1:
            raise SpecError(f"{said}={value}: wanted a number between 0 and 1.")
    if not all(np.isfinite(each).all() for each in (responses, described, held)):
        raise NetError(f"unit {name!r}: responses or descriptions hold NaN or infinity. Look at the net's weights.")
    if np.ptp(responses) == 0:
        raise StimulusError(
            f"unit {name!r} responds with {responses[0]:g} to all of {len(responses)} stimuli: none drives it more "
            "than others. Show it other stimuli."
        )
    # Sorted by what does not hang on their order, so that halvings do not either.
    order = np.lexsort((np.linalg.norm(described, axis=1).round(6), -responses))
    driven = order[: math.ceil(share * len(order))]
    driven = driven[responses[driven] > 0]
    if len(driven) < 2 * LEAST:
        raise StimulusError(
            f"{len(driven)} of {len(responses)} stimuli drive unit {name!r}: wanted at least {2 * LEAST} that respond "
            f"above 0, of the {share:g} that respond most. Show more stimuli, or raise share."
        )
    silent = np.setdiff1d(np.flatnonzero(responses <= np.median(responses)), driven)
    found = parts(described[driven], level=level, draws=draws, seed=seed)
    members = tuple(driven[np.sort(group)] for group in found.groups)
    patterns = np.stack([held[group].mean(0) - held[silent].mean(0) for group in members]).astype(float)
    sizes = np.linalg.norm(patterns, axis=1)
    return Meanings(
        unit=name,
        count=len(members),
        p=found.p,
        valley=found.valley,
        separation=found.separation,
        members=members,
        silent=silent,
        directions=xr.DataArray(patterns / np.maximum(sizes, 1e-30)[:, None], dims=("meaning", "channel")),
        sizes=sizes,
    )


def search(
    seen: Seen, *, by: By = "activation", share: float = SHARE, level: float = LEVEL, draws: int = DRAWS, seed: int = 0
) -> pd.DataFrame:
    """Returns a row for each unit of a look, the least p first, with p over the family of all of them.

    Returns:
        `unit`, `meanings`, `p`, `p_family` (Holm), `q` (Benjamini and Hochberg), `valley`, `separation`, `cosine`, and
        `told`, the least AUC of `tell`. NaN, and no part of the family, where too few stimuli drive a unit.
    """
    rows = []
    for name in seen.probe.unit_names:
        try:
            each = meanings(seen, name, by=by, share=share, level=level, draws=draws, seed=seed)
        except StimulusError:
            rows.append((name, 0, *[math.nan] * 5))
            continue
        told = float(tell(seen.activations(name), each).auc.min()) if each.count > 1 else math.nan
        rows.append((name, each.count, each.p, each.valley, each.separation, each.cosine, told))
    table = pd.DataFrame(rows, columns=["unit", "meanings", "p", "valley", "separation", "cosine", "told"])
    p = np.sort(table.p.dropna().to_numpy(float))
    rank = table.p.rank(method="first")
    left = len(p) - np.arange(len(p))
    family = np.minimum(np.maximum.accumulate(p * left), 1)
    rate = np.minimum.accumulate((p * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1]
    for place, (column, values) in enumerate((("p_family", family), ("q", rate))):
        by_rank = dict(enumerate(values.tolist(), start=1))
        table.insert(3 + place, column, [by_rank.get(each, math.nan) for each in rank])
    return table.sort_values("p", kind="stable", ignore_index=True)


def tell(held: Rows, found: Meanings) -> xr.Dataset:
    """Returns how well one direction tells each kind from all others, on stimuli that it was not made from.

    `directions` of meanings are what is written; these are what reads it best, by linear discriminants. Good readers
    show that there are directions, not that there are kinds: halves of any cloud are told apart.

    Args:
        held: What directions are of, such as `seen.activations(unit)`.
        found: The kinds.

    Returns:
        `reader` (meaning, channel), unit vectors; `auc` (meaning, against), of readers made from other folds: against
        stimuli of the `others`, NaN where there are none, and `silent` ones.
    """
    groups = [held[each].astype(float) for each in (*found.members, found.silent)]
    told = np.full((found.count, 2), math.nan)
    for which in range(found.count):
        scores = [np.empty(len(each)) for each in groups]
        for fold in range(FOLDS):
            way = _reader([np.delete(each, np.s_[fold::FOLDS], axis=0) for each in groups], which)
            for each, score in zip(groups, scores, strict=True):
                score[fold::FOLDS] = each[fold::FOLDS] @ way
        others = [score for at, score in enumerate(scores[:-1]) if at != which]
        for column, negative in enumerate((others, scores[-1:])):
            if negative:
                told[which, column] = auc(scores[which][:, None], np.concatenate(negative)[:, None])[0]
    readers = np.stack([_reader(groups, which) for which in range(found.count)])
    return xr.Dataset(
        {"reader": (("meaning", "channel"), readers), "auc": (("meaning", "against"), told)},
        coords={"against": ["others", "silent"], **found.directions.coords},
    )


def drive(seen: Seen, found: Meanings, *, images: int = 8) -> Float[np.ndarray, " meaning"]:
    """Returns what each direction does on its own: the unit's response, over its mean response to that kind.

    The direction, as long as it was, is added everywhere to the sources' maps of some stimuli that do not drive the
    unit; what it does to them without it is taken away. 1 means that the direction is all that the kind drives it by.

    Raises:
        NetError: If the net cannot be run on from the sources, or the unit reads something besides them.
    """
    probe, index = seen.probe, seen.index(found.unit)
    if besides := probe.net.also_reads(seen.sources, probe.layer):
        raise NetError(
            f"layer {probe.layer!r} of net {probe.net.name!r} reads {', '.join(besides)} besides "
            f"{', '.join(seen.sources)}: look at these, too."
        )
    responses = seen.responses[:, index]
    quiet = np.argsort(responses, kind="stable")[: len(responses) // 2][-images:]
    ends = np.cumsum([seen.maps[source].shape[-1] for source in seen.sources])[:-1]

    def shown(pattern: Float[np.ndarray, " channel"]) -> PerStimulus:
        parts = dict(zip(seen.sources, np.split(pattern.astype(np.float32), ends), strict=True))
        given = {source: jnp.asarray(seen.maps[source][quiet] + part) for source, part in parts.items()}
        maps = np.asarray(probe.of(probe.net.run_from(given, probe.layer)))
        rows, columns = seen.places[quiet, index].T
        return maps[np.arange(len(quiet)), rows, columns, index]

    patterns = found.directions.values * found.sizes[:, None]
    before = shown(0 * patterns[0])
    usual = np.array([responses[group].mean() for group in found.members])
    return np.array([(shown(each) - before).mean() for each in patterns]) / usual


def _reader(groups: Sequence[Rows], which: int) -> Float[np.ndarray, " channel"]:
    """Returns the discriminant, of length 1, of one group against the others; the last are silent."""
    means = np.stack([each.mean(0) for each in groups])
    within = np.concatenate([each - mean for each, mean in zip(groups, means, strict=True)])
    others = np.delete(means, which, 0)
    # Silent stimuli weigh as much as all other kinds together.
    rest = others[-1] if len(others) == 1 else (others[:-1].mean(0) + others[-1]) / 2
    ridge = max(0.1 * float((within**2).mean()), 1e-30)
    way = np.linalg.solve(within.T @ within / len(within) + ridge * np.eye(within.shape[1]), means[which] - rest)
    return way / max(float(np.linalg.norm(way)), 1e-30)
