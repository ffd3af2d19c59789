"""How the units of a layer are permuted when the image is turned or mirrored, or its scale or its hues change.

A handbuilt circuit knows it from its spec. Of any other net it has to be said: by the units' angles, by permutations,
or as "invariant", where every unit is to stay as it is.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Int

from circuitkit.errors import SpecError
from circuitkit.geometry import angle_between
from circuitkit.probe import HandbuiltNet, Probe
from circuitkit.symmetry import GONE, Motion

Moves = Literal["invariant"] | Mapping[Motion, Sequence[int]] | Callable[[Motion], Sequence[int]]
"""For each motion, the index of the unit that each unit is carried to; or "invariant": itself."""

IDENTITY = Motion()


def label(motion: Motion) -> str:
    """Returns a motion in words."""
    parts = ["mirror"] if motion.mirror else []
    parts += [f"scale by {motion.scale:g}"] if motion.scale != 1 else []
    parts += [f"hue by {motion.hue % 360:g}°"] if motion.hue % 360 else []
    parts += [f"turn by {motion.turn % 360:g}°"] if motion.turn % 360 or not parts else []
    return ", ".join(parts)


def moving(group: Sequence[Motion]) -> tuple[Motion, ...]:
    """Returns the motions that do something; refuses a group without any."""
    found = tuple(dict.fromkeys(Motion(m.turn % 360, m.mirror, m.scale, m.hue % 360) for m in group))
    if not all(np.isfinite((m.turn, m.hue, m.scale)).all() and m.scale > 0 for m in found):
        raise SpecError(f"got motions {found}: wanted turns by a finite number of degrees, and scales above 0.")
    found = tuple(motion for motion in found if motion != IDENTITY)
    if not found:
        raise SpecError(
            "the group holds nothing but the motion that leaves all as it is, under which every net is equivariant: "
            "wanted turns or mirrors, such as cyclic(4) or dihedral(8)."
        )
    return found


def channels(probe: Probe, motions: Sequence[Motion]) -> int:
    """Returns how many channels images need: 3 if hues are turned, or the circuit sees them; else 1, grey."""
    sees_hues = isinstance(probe.net, HandbuiltNet) and probe.net.network.circuit.channels == 3
    return 3 if sees_hues or any(motion.hue for motion in motions) else 1


def came_from(to: Int[np.ndarray, " unit"]) -> Int[np.ndarray, " unit"]:
    """Returns, for each unit, the one that is carried to it; `GONE` if none is."""
    found = np.full(len(to), GONE)
    stays = np.flatnonzero(to != GONE)
    found[to[stays]] = stays
    return found


def carried(
    probe: Probe,
    motions: Sequence[Motion],
    *,
    moves: Moves | None,
    angles: Sequence[float] | None,
    period: float,
    within: float,
) -> Int[np.ndarray, "motion unit"]:
    """Returns, for each motion, the index of the unit that each unit is carried to; `GONE` where its scale has none.

    Args:
        probe: The units.
        motions: Turns and mirrors.
        moves: Permutations, or "invariant".
        angles: Of each unit, in degrees.
        period: The turn that brings a unit back, in degrees.
        within: How far from where it is carried a unit may stand, in degrees.

    Raises:
        SpecError: If it is not said how units move, or said twice, or a motion permutes them not.
    """
    owner = f"layer {probe.layer!r} of net {probe.net.name!r}"
    if moves is not None and angles is not None:
        raise SpecError(f"both moves= and angles= say how the units of {owner} move: give one of them.")
    if angles is not None:
        return _by_angle(owner, len(probe.unit_names), motions, angles, period, within)
    if isinstance(moves, str):
        if moves != "invariant":
            raise SpecError(f'got moves={moves!r}: wanted "invariant", permutations by motion, or a function.')
        return np.tile(np.arange(len(probe.unit_names)), (len(motions), 1))
    if moves is not None:
        return np.stack([_permutation(owner, probe, motion, moves) for motion in motions])
    if isinstance(probe.net, HandbuiltNet) and probe.directions is None:
        return np.stack([_by_spec(probe, probe.net, motion) for motion in motions])
    raise SpecError(
        f"it is not known how the units of {owner} move when the image is turned: give their angles (angles=, "
        'period=), or moves="invariant" if each is to stay as it is, or permutations (moves=) by motion.'
    )


def orbits(carried_units: Int[np.ndarray, "motion unit"]) -> Int[np.ndarray, " unit"]:
    """Returns a number for each unit: the same for units that the motions carry to each other."""
    labels = np.arange(carried_units.shape[1])
    while True:
        merged = labels.copy()
        for to in carried_units:
            stays = to != GONE
            np.minimum.at(merged, to[stays], labels[stays])
            merged[stays] = np.minimum(merged[stays], merged[to[stays]])
        if np.array_equal(merged, labels):
            return labels
        labels = merged


def _by_spec(probe: Probe, net: HandbuiltNet, motion: Motion) -> Int[np.ndarray, " unit"]:
    family = net.network.circuit[probe.layer]
    everyone = motion.of_units(family)
    if probe.channels is None:
        return everyone
    places = {channel: index for index, channel in enumerate(probe.channels)}
    places[GONE] = GONE
    if missing := [
        family.unit_names[everyone[channel]] for channel in probe.channels if everyone[channel] not in places
    ]:
        raise SpecError(
            f"a {label(motion)} carries units of layer {probe.layer!r} to {_listed(missing)}, which the probe leaves "
            "out: wanted all that the units are carried to."
        )
    return np.array([places[everyone[channel]] for channel in probe.channels])


def _permutation(
    owner: str, probe: Probe, motion: Motion, moves: Mapping[Motion, Sequence[int]] | Callable[[Motion], Sequence[int]]
) -> Int[np.ndarray, " unit"]:
    if isinstance(moves, Mapping) and motion not in moves:
        raise SpecError(f"moves says nothing of {motion}: wanted a permutation of {owner} for every motion.")
    to = np.asarray(moves[motion] if isinstance(moves, Mapping) else moves(motion))
    units = len(probe.unit_names)
    if to.shape != (units,) or to.dtype.kind not in "iu" or sorted(to.tolist()) != list(range(units)):
        raise SpecError(
            f"moves gives {_listed(to.ravel().tolist())} for a {label(motion)} of {owner}: wanted each of the numbers "
            f"0 to {units - 1} once, the index that each unit is carried to."
        )
    return to


def _by_angle(
    owner: str, units: int, motions: Sequence[Motion], angles: Sequence[float], period: float, within: float
) -> Int[np.ndarray, "motion unit"]:
    if len(angles) != units or not np.isfinite(angles).all():
        raise SpecError(f"got {len(angles)} angles for the {units} units of {owner}: wanted a finite one for each.")
    if not (0 < period <= 360 and within >= 0):
        raise SpecError(f"got period={period:g} and within={within:g}: wanted 0 to 360 degrees, and at least 0.")
    found = []
    for motion in motions:
        wanted = [motion.of_angle(angle) % period for angle in angles]
        apart = np.abs([[angle_between(there, other, period) for other in angles] for there in wanted])
        stands = np.asarray(angles)[np.argmin(apart, axis=1)] % period
        missing = [
            f"{there:g} (from {angle:g}; the nearest stands at {nearest:g})"
            for there, angle, nearest, off in zip(wanted, angles, stands, apart.min(axis=1), strict=True)
            # A rounding of the angles themselves is none of the units'.
            if off > within + 1e-6
        ]
        if missing:
            raise SpecError(
                f"a {label(motion)} carries units of {owner} to angles at which none stands: {_listed(missing, 4)} "
                f"degrees. Wanted units that the motion permutes, to within {within:g} degrees: leave out the motion, "
                "or give a larger within= and count the difference as error. Units at uneven angles are compared two "
                "by two, by pair_errors."
            )
        to = apart.argmin(axis=1)
        if len(set(to.tolist())) < units:
            twice = [f"{angles[int(index)]:g}" for index in np.flatnonzero(np.bincount(to, minlength=units) > 1)]
            raise SpecError(
                f"a {label(motion)} carries several units of {owner} to the one at {_listed(twice, 4)} degrees: wanted "
                "angles that differ by more than within=."
            )
        found.append(to)
    return np.stack(found)


def _listed(names: Sequence[object], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more
