"""What units look for in photographs, in terms of a handwritten family: a weight for each member at each place nearby.

    seen = moments(net["fire4", units], front, front_circuit["contours"], photographs, reach=16)
    own = seen.own(angles)                            # a pattern of each unit's own, in the unit's own frame
    one = seen.shared(angles)                         # one for all, turned to each unit's angle
    one = one.rectified(net["fire4", units], others)  # and a threshold each
    one.net()["patterns"]                             # what they say: a probe like any other

A tile writes a pattern by a rule of a few numbers. Here no rule is given: weights are those of least squares, so what
a shared pattern explains is the ceiling of every tile on that family whose units share all numbers but the angle; and
what patterns of their own explain beyond that is how much units differ by more than the angle.

Moments are summed over images in one pass, and every question is then answered from them without another one.

Source: regression on the outputs of a bank of filters, as in David, Vinje & Gallant, "Natural stimulus statistics alter
the receptive field structure of V1 neurons" (2004), and Willmore, Prenger & Gallant, "Neural representation of natural
images in visual area V2" (2010). One pattern for all units is ours.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import lax
from jaxtyping import Array, Float

from circuitkit.compiling import jit
from circuitkit.errors import NetError, SpecError
from circuitkit.examples import PIXELS, Frame
from circuitkit.probe import Images, Maps, Net, Probe
from circuitkit.receptive_field import ReceptiveField
from circuitkit.spec import Family, Gabor
from circuitkit.stimuli import FAST, LabelledSet
from circuitkit.surgery import agreement
from circuitkit.surgery.operation import map_shape, transplanted

CHUNK = 8

RIDGE = 0.01
"""Of the mean variance of what is weighed: added to each, so that weights nothing speaks for stay small."""

THRESHOLDS = tuple(np.arange(-1.0, 1.51, 0.25).tolist())
"""That are tried, in standard deviations of what a pattern says before it is rectified, from its mean on."""

LAYER = "patterns"


@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
    """How units go with a family's members at each place around them, over places and images.

    What is weighed is a member at a place: members first, then rows, then columns, `2 * steps + 1` of each.

    Attributes:
        units: Names.
        net: That the family is in.
        family: Whose members are weighed.
        steps: How far the places reach, in steps of the family's grid.
        spacing: Pixels between them.
        covariance: Of what is weighed.
        with_units: Its covariance with the units.
        mean: Of what is weighed.
        spread: Standard deviation of the units.
        places: How many places of how many images it was: more than there are numbers in a pattern, many times.
    """

    units: tuple[str, ...]
    net: Net
    family: Family
    steps: int
    spacing: float
    covariance: Float[np.ndarray, "weight weight"]
    with_units: Float[np.ndarray, "weight unit"]
    mean: Float[np.ndarray, " weight"]
    spread: Float[np.ndarray, " unit"]
    places: tuple[int, int]

    def __str__(self) -> str:
        return (
            f"{len(self.units)} units beside {len(self.mean)} numbers ({len(self.family)} members of "
            f"{self.family.name!r} at {2 * self.steps + 1} x {2 * self.steps + 1} places), at {self.places[0]} places "
            f"of {self.places[1]} images."
        )

    __repr__ = __str__

    def own(self, angles: Float[np.ndarray, " unit"], *, ridge: float = RIDGE) -> "Patterns":
        """Returns a pattern of each unit's own, by least squares, in the frame that is turned to its angle."""
        found = []
        for turn, column in zip(self._turns(angles), self.with_units.T, strict=True):
            found.append(_solved(turn.T @ self.covariance @ turn, turn.T @ column, ridge))
        return self._patterns(np.stack(found), angles, len(self.mean) * len(found))

    def shared(self, angles: Float[np.ndarray, " unit"], *, ridge: float = RIDGE) -> "Patterns":
        """Returns one pattern for all units, turned to the angle of each: by least squares over all of them.

        Units count alike, however large their responses are.
        """
        over, with_all = np.zeros_like(self.covariance), np.zeros_like(self.mean)
        for turn, column, spread in zip(self._turns(angles), self.with_units.T, self.spread, strict=True):
            over += turn.T @ self.covariance @ turn
            with_all += turn.T @ column / spread
        one = _solved(over, with_all, ridge)
        return self._patterns(np.broadcast_to(one, (len(angles), len(one))), angles, len(one))

    def mixed(self, angles: Float[np.ndarray, " unit"], count: int, *, ridge: float = RIDGE) -> "Patterns":
        """Returns patterns that are sums of `count` patterns that all share, as much of each as is best for a unit.

        The few are the principal components of the units' own patterns, each scaled by its unit's spread.
        """
        if not 1 <= count <= len(self.units):
            raise SpecError(f"got count={count}: wanted between 1 and the number of units, {len(self.units)}.")
        own = self.own(angles, ridge=ridge).flat / self.spread[:, None]
        few = np.linalg.svd(own, full_matrices=False)[2][:count].T
        found = []
        for turn, column in zip(self._turns(angles), self.with_units.T, strict=True):
            shown = turn @ few
            found.append(few @ np.linalg.lstsq(shown.T @ self.covariance @ shown, shown.T @ column, rcond=None)[0])
        return self._patterns(np.stack(found), angles, few.size + count * len(found))

    def _turns(self, angles: Float[np.ndarray, " unit"]) -> list[Float[np.ndarray, "weight weight"]]:
        if len(angles) != len(self.units) or not np.isfinite(angles).all():
            raise SpecError(f"{len(angles)} angles came with {len(self.units)} units: wanted a finite one each.")
        return [turned_frame(self.family, self.steps, float(angle)) for angle in angles]

    def _patterns(
        self, flat: Float[np.ndarray, "unit weight"], angles: Float[np.ndarray, " unit"], count: int
    ) -> "Patterns":
        side = 2 * self.steps + 1
        places = self.spacing * np.arange(-self.steps, self.steps + 1)
        weights = xr.DataArray(
            flat.reshape(len(flat), len(self.family), side, side).copy(),
            dims=("unit", "member", "y", "x"),
            coords={
                "unit": list(self.units),
                "member": ("member", np.array(self.family.unit_angles), {"units": "degrees, from the unit's angle on"}),
                "y": ("y", -places, PIXELS),
                "x": ("x", places, PIXELS),
            },
            name="weight",
            # What has to be added to a member's angle for that of its line.
            attrs={"along": 90.0 if isinstance(self.family.looks_for, Gabor) else 0.0},
        )
        turned = np.stack([turn @ own for turn, own in zip(self._turns(angles), flat, strict=True)])
        varied = np.sqrt(np.maximum(np.einsum("uw,wv,uv->u", turned, self.covariance, turned), 0))
        return Patterns(weights, np.asarray(angles, float), self.net, self.family, turned @ self.mean, varied, count)


@dataclasses.dataclass(frozen=True, eq=False)
class Patterns:
    """What units weigh, each in its own frame.

    Attributes:
        weights: (unit, member, y, x): `x` runs along the unit's angle, and members' angles are taken from it on.
        angles: Of the units, in degrees.
        net: That the family is in.
        family: Whose members are weighed.
        mean: Of what the patterns say, before they are rectified.
        spread: Standard deviation of that.
        count: How many numbers the patterns have in all.
        thresholds: Subtracted from what a pattern says before it is rectified; None if it is not.
    """

    weights: xr.DataArray
    angles: Float[np.ndarray, " unit"]
    net: Net
    family: Family
    mean: Float[np.ndarray, " unit"]
    spread: Float[np.ndarray, " unit"]
    count: int
    thresholds: Float[np.ndarray, " unit"] | None = None

    def __str__(self) -> str:
        side, heard = 2 * self.steps + 1, "" if self.thresholds is None else ", with a threshold each"
        return (
            f"Patterns of {len(self.weights)} units over {len(self.family)} members of {self.family.name!r} at "
            f"{side} x {side} places: {self.count} numbers in all{heard}."
        )

    __repr__ = __str__

    @property
    def steps(self) -> int:
        """How far patterns reach, in steps of the family's grid."""
        return self.weights.sizes["x"] // 2

    @property
    def flat(self) -> Float[np.ndarray, "unit weight"]:
        """The weights, a row a unit."""
        return np.asarray(self.weights.values.reshape(len(self.weights), -1))

    def as_net(self, *, name: str = LAYER) -> Net:
        """Returns the net of the one layer `patterns`, a unit a pattern: a donor for surgery, say."""
        return self._net(None if self.thresholds is None else self.thresholds[:, None], name)

    def _net(self, thresholds: Float[np.ndarray, "unit each"] | None, name: str) -> Net:
        """Returns a net of the patterns turned to where they belong, once for each of their thresholds."""
        turns = [turned_frame(self.family, self.steps, float(angle)) for angle in self.angles]
        turned = np.stack([turn @ own for turn, own in zip(turns, self.flat, strict=True)])
        weights = turned.reshape(self.weights.shape).astype(np.float32)
        return PatternNet(self.net, self.family, weights, thresholds, self.weights.unit.values.tolist(), name=name)

    def rectified(
        self, probe: Probe, images: LabelledSet, *, progress: Callable[[int, int], None] | None = None
    ) -> "Patterns":
        """Returns the patterns with a threshold each: that at which they correlate most with units, of `THRESHOLDS`.

        Args:
            probe: The units.
            images: That they are compared on; those that the moments are of will do.
            progress: Called with the number of images done, and of all.
        """
        tried = self.mean[:, None] + self.spread[:, None] * np.array(THRESHOLDS)
        several = self._net(tried, LAYER)
        channels = _channels(probe)
        seen = agreement(probe.net, {probe.layer: channels}, {LAYER: several[LAYER]}, images, progress=progress)
        found = seen[probe.layer].correlation.values.reshape(len(channels), len(channels), len(THRESHOLDS))
        best = found[np.arange(len(channels)), np.arange(len(channels))].argmax(1)
        return dataclasses.replace(self, thresholds=tried[np.arange(len(channels)), best], count=self.count + len(best))


class Surroundings(Net):
    """A family's members at all places around each of its units: a unit for each member at each place."""

    def __init__(self, net: Net, family: Family, steps: int, *, name: str = LAYER) -> None:
        """Takes how far the places reach, in steps of the family's grid."""
        self.net, self.family, self.steps = net, family, steps
        self.name, self.image_values = name, net.image_values

    @property
    def layers(self) -> tuple[str, ...]:
        """The one layer."""
        return (LAYER,)

    def unit_names(self, layer: str) -> tuple[str, ...]:
        """Members first, then places from the upper left on, in steps to the right and up."""
        del layer
        reach = range(-self.steps, self.steps + 1)
        return tuple(
            f"{name} ({x:+d}, {-row:+d})" for name, row, x in itertools.product(self.family.unit_names, reach, reach)
        )

    def receptive_field(self, layer: str, image_size: tuple[int, int] | None = None) -> ReceptiveField | None:
        """What the family's units see, and those around them."""
        del layer
        field, side = self.net.receptive_field(self.family.name, image_size), 2 * self.steps + 1
        return None if field is None else field.through(kernel=(side, side))

    def maps(self, images: Images, layer: str) -> Maps:
        """Returns the members' responses where all places are inside of the image."""
        del layer
        held, side = self.net.maps(images, self.family.name), 2 * self.steps + 1
        rows, columns = held.shape[1] - side + 1, held.shape[2] - side + 1
        parts = [held[:, row : row + rows, column : column + columns] for row in range(side) for column in range(side)]
        return jnp.stack(parts, -1).reshape(*parts[0].shape[:3], -1)


class PatternNet(Surroundings):
    """What is made of a family's members at places around each of its units: a unit for each pattern."""

    def __init__(
        self,
        net: Net,
        family: Family,
        weights: Float[np.ndarray, "unit member side side"],
        thresholds: Float[np.ndarray, "unit each"] | None,
        units: Sequence[str],
        *,
        name: str = LAYER,
    ) -> None:
        """Takes patterns as the image has them, rows downwards; with several thresholds a unit, all of them."""
        super().__init__(net, family, weights.shape[-1] // 2, name=name)
        self._weights, self._thresholds = weights, thresholds
        each = 1 if thresholds is None else thresholds.shape[1]
        self._units = tuple(
            unit if each == 1 else f"{unit}, threshold {number}" for unit in units for number in range(each)
        )

    def unit_names(self, layer: str) -> tuple[str, ...]:
        """Names of the units that the patterns stand for."""
        del layer
        return self._units

    def maps(self, images: Images, layer: str) -> Maps:
        """Returns what patterns say where all that they weigh is inside of the image."""
        del layer
        held, kernel = self.net.maps(images, self.family.name), jnp.asarray(self._weights.transpose(2, 3, 1, 0))
        said = lax.conv_general_dilated(held, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        if self._thresholds is None:
            return said
        above = jnp.maximum(said[..., None] - self._thresholds[None, None, None].astype(np.float32), 0)
        return above.reshape(*said.shape[:3], -1)


def moments(
    probe: Probe,
    net: Net,
    family: Family,
    images: LabelledSet,
    *,
    reach: float,
    progress: Callable[[int, int], None] | None = None,
) -> Moments:
    """Returns how units go with a family's members at each place around them.

    Beyond their borders images go on mirrored, as where handbuilt maps replace trained ones.

    Args:
        probe: The units.
        net: That the family is in.
        family: Of one member an angle.
        images: Photographs.
        reach: How far from the middle of a unit's field members count, in pixels, down and across.
        progress: Called with the number of images done, and of all.

    Raises:
        NetError: If units say the same everywhere, or NaN, or see all of an image.
        SpecError: If the family has no angles, or the reach is none.
    """
    _check_family(family)
    frame = Frame.of(probe, images, None, FAST)
    field = net.receptive_field(family.name, (frame.height, frame.width))
    if field is None or not (math.isfinite(reach) and reach >= 0):
        raise SpecError(
            f"got reach={reach} about family {family.name!r}: wanted pixels, 0 or more, and units in places."
        )
    spacing = float(field.stride[0])
    steps = round(reach / spacing)
    around = Surroundings(net, family, steps)

    def sums(items: Any, counted: Float[Array, " image"]) -> dict[str, Float[Array, "..."]]:
        shown = frame.draw(items)
        rows, columns = map_shape(probe.net, probe.layer, shown)
        said = probe.maps(shown)
        there = transplanted(around, LAYER, probe.net, probe.layer, shown, (rows, columns))
        weight = jnp.repeat(counted, rows * columns)[:, None]
        units, held = (maps.reshape(-1, maps.shape[-1]) for maps in (said, there))
        part = held * weight
        return {
            "count": weight.sum(),
            "m": part.sum(0),
            "mm": jnp.einsum("pw,pv->wv", part, held, precision="highest"),
            "u": (units * weight).sum(0),
            "uu": (units**2 * weight).sum(0),
            "mu": jnp.einsum("pw,pu->wu", part, units, precision="highest"),
        }

    program, total = jit(sums), len(images)
    held: dict[str, np.ndarray] = {}
    for start in range(0, total, CHUNK):
        indices = np.minimum(np.arange(start, start + CHUNK), total - 1)
        counted = (np.arange(start, start + CHUNK) < total).astype(np.float32)
        for key, value in program(images.items(indices), jnp.asarray(counted)).items():
            held[key] = held.get(key, 0.0) + np.asarray(value, float)
        if progress is not None:
            progress(min(start + CHUNK, total), total)
    count = held["count"]
    mean, unit_mean = held["m"] / count, held["u"] / count
    spread = np.sqrt(np.maximum(held["uu"] / count - unit_mean**2, 0))
    if not np.isfinite(held["mm"]).all() or not (spread > 0).all():
        still = [name for name, each in zip(probe.unit_names, spread, strict=True) if not each > 0]
        raise NetError(
            f"units of layer {probe.layer!r} of net {probe.net.name!r} say NaN, or the same everywhere "
            f"({', '.join(still[:3]) or 'NaN'}): wanted units that respond to some of the images."
        )
    return Moments(
        units=probe.unit_names,
        net=net,
        family=family,
        steps=steps,
        spacing=spacing,
        covariance=held["mm"] / count - np.outer(mean, mean),
        with_units=held["mu"] / count - np.outer(mean, unit_mean),
        mean=mean,
        spread=spread,
        places=(int(count), len(images)),
    )


def turned_frame(family: Family, steps: int, angle: float) -> Float[np.ndarray, "weight weight"]:
    """Returns what takes weights in a frame that is turned by an angle to weights in that of the image.

    Places are read in between bilinearly, members' angles linearly. Quarter turns only exchange weights.

    Args:
        family: Whose members are weighed.
        steps: How far the places reach, in steps.
        angle: Of the frame, in degrees, counter-clockwise.
    """
    side = 2 * steps + 1
    right, up = np.meshgrid(np.arange(-steps, steps + 1.0), -np.arange(-steps, steps + 1.0))
    # Rounded, so that quarter turns fall on places and not beside them.
    cos, sin = (round(float(each), 12) for each in (np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))))
    along, across = right * cos + up * sin, up * cos - right * sin
    places = np.zeros((side * side, side * side))
    column, row = along.ravel() + steps, steps - across.ravel()
    for dy, dx in itertools.product((0, 1), (0, 1)):
        at_row, at_column = np.floor(row).astype(int) + dy, np.floor(column).astype(int) + dx
        share = (1 - np.abs(row - at_row)) * (1 - np.abs(column - at_column))
        inside = (at_row >= 0) & (at_row < side) & (at_column >= 0) & (at_column < side) & (share > 0)
        places[np.flatnonzero(inside), (at_row * side + at_column)[inside]] += share[inside]
    members = np.zeros((len(family), len(family)))
    away = np.round((np.array(family.unit_angles) - angle) / family.step, 9)
    for step in (0, 1):
        near = np.floor(away).astype(int) + step
        members[np.arange(len(family)), near % len(family)] += 1 - np.abs(away - near)
    return np.kron(members, places)


def _solved(
    over: Float[np.ndarray, "weight weight"], wanted: Float[np.ndarray, " weight"], ridge: float
) -> Float[np.ndarray, " weight"]:
    """Returns the weights of least squares, held small by a ridge."""
    held = ridge * np.trace(over) / len(over)
    if not held > 0:
        raise SpecError(f"got ridge={ridge}, and what is weighed varies by {np.trace(over):g}: wanted both above 0.")
    return np.linalg.solve(over + held * np.eye(len(over)), wanted)


def _check_family(family: Family) -> None:
    if len(family) != family.angles or family.angles < 2:
        raise SpecError(
            f"family {family.name!r} has {len(family)} members at {family.angles} angles: wanted one an angle, and two "
            "at least, so that a pattern can be turned."
        )


def _channels(probe: Probe) -> tuple[int, ...]:
    return tuple(range(len(probe.unit_names))) if probe.channels is None else probe.channels
