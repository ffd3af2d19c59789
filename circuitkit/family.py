"""Families: one template in every pose that its group can give it, and which member stands in which.

A spec imports them by way of `circuitkit.spec`, with everything else that it is written in.
"""

import dataclasses
import itertools
import math
from typing import NamedTuple

from circuitkit import checks
from circuitkit.errors import SpecError
from circuitkit.geometry import Pixels, Scalar, angle_between
from circuitkit.shapes import Shape
from circuitkit.templates import Gabor, Spot, Tile, Tiles, Union, node


class Pose(NamedTuple):
    """What carries a family's template to one of its members: mirror it, magnify it, turn it, and turn its hue.

    Attributes:
        angle: In degrees, counter-clockwise.
        hue: How far the template's hue is turned, in degrees of the hue circle.
        scale: How many times larger than the template.
        mirrored: Whether the template is mirrored first, about the axis of its angle.
    """

    angle: float
    hue: float = 0.0
    scale: float = 1.0
    mirrored: bool = False


@node()
@dataclasses.dataclass(frozen=True, kw_only=True)
class Normalisation:
    """Divisive normalisation: a response is divided by a constant plus what the whole family responds nearby.

        normalised = response / (constant + mean response)

    The mean is taken after the ReLU, over all members (angles, hues, scales and hands alike), and over places around
    the unit by a round Gaussian. It has no angle and no hue of its own, so every symmetry of the family stays. Where
    there is much of everything, as in a texture, a unit has to stand out to be heard. Responses no longer grow in
    proportion to contrast: they approach response / mean response. Half the contrast does what twice the constant
    does, exactly.

    Attributes:
        within: Standard deviation of the Gaussian, in image pixels.
        constant: The mean response at which responses are half of what they approach at high contrast. Above 0:
            with 0, rounding would be divided by rounding where the image is flat.

    Source:
        Heeger, "Normalization of cell responses in cat striate cortex", Visual Neuroscience (1992); Schwartz and
        Simoncelli, "Natural signal statistics and sensory gain control", Nature Neuroscience (2001); Carandini and
        Heeger, "Normalization as a canonical neural computation", Nature Reviews Neuroscience (2012). They divide
        powers of responses; ours are not raised to any.
    """

    within: Pixels
    constant: Scalar

    def __post_init__(self) -> None:
        checks.number(self, "within", above=0, unit="pixels")
        checks.number(self, "constant", above=0)


@node("name", "angles", "hues", "scales", "mirrored", "twisted", "period", "size", "stride")
@dataclasses.dataclass(frozen=True)
class Family:
    """One template at evenly spaced angles: the orbit of a unit under rotation, and perhaps under more than that.

    Attributes:
        name: Prefix of the unit names; the member at 45 degrees is `name@45`.
        looks_for: What the member at angle 0 looks for.
        angles: Number of angles. A multiple of 4 (over 360; of 2 over 180) makes quarter turns exact.
        hues: Number of hues, spread over the hue circle; every angle comes in each. For templates that have a hue.
        scales: How many times larger than the template members are; every one comes at each of these scales. Kernels
            have one size, that of the largest.
        mirrored: Whether the mirror image of every member is one, too: for templates that have a hand, such as spirals.
            The mirror is along the axis of the member's angle. What stands at one angle alone, upright, such as a head,
            is mirrored left to right: its mirror image is at 180 degrees.
        twisted: Whether half a turn brings a member back only together with half a turn of the hue circle: an edge from
            green to red, turned round, is one from red to green. Set for what is so: colour edges, and tiles of them
            along lines. The members are spread over half a turn, and go on, past its end, at its beginning with the
            complementary hue.
        period: The turn that brings a member back onto itself, in degrees; members are spread over it.
            Left out, it is the template's own: 180 for lines and bars, 360 for edges and curves. What has no angle (a
            circle, a spot, a union over angles) is at one angle, and the circuit says what brings it back: the smallest
            turn that permutes the units it reads.
        size: Side of the square kernels, in pixels, odd. Left out, it is what the template needs.
        threshold: How much of a unit's input it passes over in silence: it responds by what exceeds this, a bias of the
            opposite sign. With one, a sum of parts looks for several of them at once, and responses no longer scale
            with the image's contrast.
        normalised: What responses are divided by, after the ReLU; left out, by nothing.
        stride: Of the places where what it reads has units, every so-manieth has units of this family, down and across.
            Later families read it on this coarser grid, which is less work. The middle of the image always has one; so
            quarter turns and mirrors stay exact on images whose sides are odd.

    Source:
        The kinds of families: Olah et al., "Naturally Occurring Equivariance in Neural Networks", Distill (2020).
    """

    name: str
    looks_for: Gabor | Spot | Union | Tile | Tiles
    angles: int = dataclasses.field(kw_only=True)
    hues: int = dataclasses.field(kw_only=True, default=1)
    scales: tuple[float, ...] = dataclasses.field(kw_only=True, default=(1.0,))
    mirrored: bool = dataclasses.field(kw_only=True, default=False)
    twisted: bool = dataclasses.field(kw_only=True, default=False)
    period: float | None = dataclasses.field(kw_only=True, default=None)
    size: int | None = dataclasses.field(kw_only=True, default=None)
    threshold: Scalar | None = dataclasses.field(kw_only=True, default=None)
    normalised: Normalisation | None = dataclasses.field(kw_only=True, default=None)
    stride: int = dataclasses.field(kw_only=True, default=1)

    def __post_init__(self) -> None:
        part = f"family {self.name!r}"
        if not self.name or not all(c.isalnum() or c == "_" for c in self.name):
            raise SpecError(f"{part}: a name is letters, digits and underscores, since units are called name@angle.")
        if isinstance(self.looks_for, str | int | float | Shape):
            raise SpecError(f"{part} has looks_for={self.looks_for!r}: wanted a Gabor, a Union or a sum of tiles.")
        checks.whole(part, "angles", self.angles)
        if self.threshold is not None:
            checks.number(self, "threshold", part=part, at_least=0)
        if checks.is_plain(self.normalised) or isinstance(self.normalised, str | bool):
            raise SpecError(
                f"{part} has normalised={self.normalised!r}: wanted Normalisation(within=12, constant=0.1), or None."
            )
        checks.whole(part, "stride", self.stride)
        if self.size is not None:
            checks.odd(part, "size", self.size)
        if not self.has_angle and self.angles != 1:
            raise SpecError(
                f"{part} has angles={self.angles}, but every turn brings its template back: all members would be one. "
                "Give it angles=1."
            )
        self._check_hues(part)
        self._check_scales(part)
        if self.period is None:
            if not self.has_angle:
                return  # until it is in a circuit
            object.__setattr__(self, "period", self.natural_period)
        checks.number(self, "period", part=part, above=0, unit="degrees")
        if 360 % self.turn != 0:
            raise SpecError(f"{part} has period={self.turn:g}: no whole number of these makes a turn of 360.")
        if self.turn < self.natural_period:
            raise SpecError(
                f"{part} has period={self.turn:g}, but its template comes back only after "
                f"{self.natural_period:g} degrees: half of its orbit would be missing. Leave `period` out."
            )
        _check_names(part, "angles", self.angles, self.turn)

    def _check_hues(self, part: str) -> None:
        checks.whole(part, "hues", self.hues)
        if self.hues > 1 and not self.has_hue:
            raise SpecError(
                f"{part} has hues={self.hues}, but every hue is alike to its template: all members would be one. Give "
                "a Gabor or a Spot a hue, or a Tile a hue_tolerance; or leave out hues."
            )
        _check_names(part, "hues", self.hues, 360.0)
        # A wave of colour that is odd about its middle, in hues of which each has its complementary one.
        twists = isinstance(self.looks_for, Gabor) and self.looks_for.phase % 180 == 90 and self.hues % 2 == 0
        if self.twisted and not self.tiles and not twists:
            raise SpecError(
                f"{part} is said to be twisted: wanted a Gabor with a hue and a phase of 90 degrees, in an even number "
                "of hues; or tiles of such units along lines."
            )
        if twists and self.period in (None, 180.0):
            object.__setattr__(self, "twisted", True)

    def _check_scales(self, part: str) -> None:
        given = self.scales if isinstance(self.scales, tuple | list) else (self.scales,)
        numbers = all(checks.is_plain(scale) and math.isfinite(scale) and scale > 0 for scale in given)
        if not given or not numbers or sorted(set(given)) != list(given):
            raise SpecError(
                f"{part} has scales={self.scales!r}: wanted at least one number above 0, each larger than the one "
                "before, such as (1, 1.5, 2)."
            )
        object.__setattr__(self, "scales", tuple(float(scale) for scale in given))

    def __len__(self) -> int:
        """The number of members."""
        return self.angles * self.hues * len(self.scales) * (2 if self.mirrored else 1)

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The tiles of the template; none for a Gabor, a Spot or a Union."""
        match self.looks_for:
            case Tiles(terms):
                return terms
            case Tile():
                return (self.looks_for,)
            case _:
                return ()

    @property
    def source_names(self) -> tuple[str, ...]:
        """The earlier families that the template reads, each once; none for a Gabor or a Spot."""
        if isinstance(self.looks_for, Union):
            return self.looks_for.source_names
        return tuple(dict.fromkeys(name for tile in self.tiles for name in tile.source_names))

    @property
    def natural_period(self) -> float:
        """The turn, in degrees, that brings the template back onto itself; 0 if every turn does."""
        match self.looks_for:
            case Gabor():
                return 180.0 if self.twisted else self.looks_for.period
            case Spot():
                return 0.0
            case Union():
                return 0.0 if self.looks_for.over_angles else 180.0
        return max((tile.along.period for tile in self.tiles if isinstance(tile.along, Shape)), default=180.0)

    @property
    def has_angle(self) -> bool:
        """Whether a turn can change the template: not that of a circle or a spot, nor a union over angles."""
        return self.natural_period > 0

    @property
    def has_hue(self) -> bool:
        """Whether a turn of the hue circle can change the template."""
        if isinstance(self.looks_for, Gabor | Spot):
            return self.looks_for.hue is not None
        return any(tile.hue_tolerance is not None for tile in self.tiles)

    @property
    def has_hue_on_one_side(self) -> bool:
        """Whether members have one hue on one side and the complementary one on the other, as colour edges do."""
        odd = isinstance(self.looks_for, Gabor) and self.has_hue and self.looks_for.has_sides
        return odd or self.twisted

    @property
    def turn(self) -> float:
        """The period as a number: what `angles` members are spread over, in degrees."""
        return self.natural_period if self.period is None else self.period

    @property
    def step(self) -> float:
        """Degrees between neighbouring members."""
        return self.turn / self.angles

    @property
    def unit_poses(self) -> tuple[Pose, ...]:
        """The pose of each member: all angles in a hue, all hues at a scale, all scales, then all of it mirrored."""
        hands = (False, True) if self.mirrored else (False,)
        angles = [index * self.turn / self.angles for index in range(self.angles)]
        hues = [index * 360 / self.hues for index in range(self.hues)]
        # Mirrored along its axis and turned round, what stands upright is mirrored left to right.
        about = 180.0 if self.has_angle and self.angles == 1 else 0.0
        return tuple(
            Pose(angle + about * hand, hue, scale, hand)
            for hand, scale, hue, angle in itertools.product(hands, self.scales, hues, angles)
        )

    @property
    def unit_angles(self) -> tuple[float, ...]:
        """The angle of each member, in degrees."""
        return tuple(pose.angle for pose in self.unit_poses)

    @property
    def unit_hues(self) -> tuple[float, ...]:
        """The hue that each member stands for, in degrees; without meaning where `has_hue` is false."""
        own = self.looks_for.hue if isinstance(self.looks_for, Gabor | Spot) else None
        return tuple((pose.hue + (own or 0.0)) % 360 for pose in self.unit_poses)

    @property
    def unit_names(self) -> tuple[str, ...]:
        """The name of each member: `name@angle`, and what else it has: `name@angle-hue120-x2-mirrored`."""
        names = []
        for pose, hue in zip(self.unit_poses, self.unit_hues, strict=True):
            shown = [f"{self.name}@{pose.angle:g}"]
            shown += [f"hue{hue:g}"] if self.hues > 1 else []
            shown += [f"x{pose.scale:g}"] if len(self.scales) > 1 else []
            shown += ["mirrored"] if pose.mirrored else []
            names.append("-".join(shown))
        return tuple(names)

    def matched_period(self, *, hue_counts: bool = False) -> float:
        """Returns the period in which a tile compares these members with its path, in degrees.

        180 for Gabors: half a turn reverses their polarity, not the path that they stand on. Where hue counts, it is on
        one side of a colour edge, and the period is 360.
        """
        if hue_counts and self.has_hue_on_one_side:
            return 360.0
        return 180.0 if isinstance(self.looks_for, Gabor) else self.turn

    @property
    def tangent_offset(self) -> float:
        """How the path that a member stands on runs against the member's own angle, in degrees."""
        match self.looks_for:
            case Gabor():
                return -90.0  # the wave runs along the angle, so the edge itself runs across
            case Union():
                return 0.0
        # An arc among the tiles decides: lines have no side, and only say which way the path runs there.
        deciding = max(self.tiles, key=lambda tile: tile.along.period)
        return deciding.along.anchor_tangent + deciding.turned

    @property
    def unit_tangents(self) -> tuple[float, ...]:
        """The direction of the path that each member stands on, in degrees."""
        if not self.has_angle:
            return (90.0,) * len(self)  # no direction is meant; a mirror leaves this one as it is
        offset = self.tangent_offset
        # A path bulges to its right, in the mirror too: so the mirror image of a path runs backwards.
        return tuple(pose.angle + (180.0 - offset if pose.mirrored else offset) for pose in self.unit_poses)

    def index(self, pose: Pose) -> int | None:
        """Returns which member stands in a pose, or in one that is the same to the template; None if there is none."""
        angle, hue = pose.angle, pose.hue
        if not self.has_angle:
            angle = 0.0
        elif pose.mirrored and not self.mirrored:
            # The template is its own mirror image, about the axis across its path.
            angle += 180.0 - 2 * self.tangent_offset
        for number, member in enumerate(self.unit_poses):
            other_hand = self.mirrored and member.mirrored != pose.mirrored
            if other_hand or abs(member.scale / pose.scale - 1) > 1e-5:
                continue
            away = angle_between(angle, member.angle, self.turn)
            half_turns = round((angle - member.angle - away) / 180) if self.twisted else 0
            off = angle_between(hue + 180 * half_turns, member.hue) if self.has_hue else 0.0
            if abs(away) < 1e-6 and abs(off) < 1e-6:
                return number
        return None


def _check_names(part: str, field: str, count: int, period: float) -> None:
    """Refuses a count that splits a period into steps whose names would be rounded."""
    if (period * 1000) % count != 0:
        near = [n for n in range(1, 2 * count) if (period * 1000) % n == 0]
        near.sort(key=lambda n: abs(n - count))
        raise SpecError(
            f"{part} has {field}={count}, which does not divide {period:g} degrees: a step of {period / count:.6f} has "
            f"no exact name. Try {near[0]} or {near[1]}."
        )
