"""What a handwritten circuit is: frozen dataclasses that refuse what cannot be built.

A circuit is a list of families. A family is one template at evenly spaced angles; the template is either a
Gabor, which looks at the image, or a sum of tiles, each of which lays earlier families along a shape and
names what must not be there:

>>> edges = Family("edges", Gabor(wavelength=6, sigma=2.4, phase=90), angles=8)
>>> lines = Family("lines", Tile(edges, along=Line(length=4), tolerance=20) - Crossing(0.7), angles=8)
>>> print(Circuit("demo", [edges, lines]))
demo: 2 families, 16 units
  edges   8 units, every 45 of 360 degrees
    Gabor(wavelength=6, sigma=2.4, phase=90)
  lines   8 units, every 22.5 of 180 degrees
    + edges along Line(length=4), tolerance 20 degrees, spread 1.3 pixels
      - Crossing(strength=0.7): an edge across the path belongs to another line

A spec holds numbers and names only; it draws nothing. Every class is also a JAX pytree whose leaves are its
continuous numbers, so the gradient of anything computed from a spec comes back as a spec.
"""

import dataclasses
import fractions
import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import jax

from circuitkit import checks
from circuitkit.errors import SpecError, unknown_name
from circuitkit.geometry import Degrees, Pixels, Scalar
from circuitkit.shapes import Arc, Beside, Circle, Corner, Line, Shape, Spiral

__all__ = [
    "Arc",
    "Beside",
    "Circle",
    "Circuit",
    "Corner",
    "Crossing",
    "Family",
    "Flank",
    "Gabor",
    "Inhibition",
    "Line",
    "OppositeArc",
    "Reversed",
    "Spiral",
    "Tile",
    "Tiles",
    "Union",
]

_T = TypeVar("_T")


def _node(*structure: str) -> Callable[[type[_T]], type[_T]]:
    """Registers a dataclass with JAX: the fields named are structure, all others hold its numbers."""

    def register(cls: type[_T]) -> type[_T]:
        names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
        numbers = [name for name in names if name not in structure]
        return jax.tree_util.register_dataclass(cls, data_fields=numbers, meta_fields=list(structure))

    return register


@_node("phase")  # the phase decides which turn brings the template back, so it is structure
@dataclasses.dataclass(frozen=True, kw_only=True)
class Gabor:
    """A wave under a round Gaussian window: the template of units that look at the image.

    Attributes:
        wavelength: In pixels; below 2 the pixel grid cannot hold it.
        sigma: Standard deviation of the window, in pixels.
        phase: Of the wave at the centre, in degrees, along the unit's angle: 90 is an edge from dark to
            light, 0 a light bar, 180 a dark bar.
    """

    wavelength: Pixels
    sigma: Pixels
    phase: float = 90.0

    def __post_init__(self) -> None:
        checks.number(self, "wavelength", at_least=2, unit="pixels")
        checks.number(self, "sigma", above=0, unit="pixels")
        checks.number(self, "phase", unit="degrees")

    @property
    def period(self) -> float:
        """The turn that brings the template back: 180 for a bar (phase 0 or 180), otherwise 360."""
        return 180.0 if self.phase % 180 == 0 else 360.0


@_node("reason")
@dataclasses.dataclass(frozen=True)
class Crossing:
    """Inhibition by units on the path that stand across it.

    Attributes:
        strength: All of this inhibition together, as a share of all of the tile's excitation.
        reason: Why the circuit needs it; printed with the spec and in the report.
    """

    strength: Scalar
    reason: str = "an edge across the path belongs to another line"

    def __post_init__(self) -> None:
        checks.number(self, "strength", at_least=0)


@_node("reason")
@dataclasses.dataclass(frozen=True)
class OppositeArc:
    """Inhibition by whatever excites the unit's antipode: the same tile, turned by 180 degrees.

    Attributes:
        strength: All of this inhibition together, as a share of all of the tile's excitation.
        reason: Why the circuit needs it; printed with the spec and in the report.
    """

    strength: Scalar
    reason: str = "the arc that bulges the other way shares the tangent at the apex, and would echo"

    def __post_init__(self) -> None:
        checks.number(self, "strength", at_least=0)


@_node("reason")
@dataclasses.dataclass(frozen=True)
class Flank:
    """Inhibition by the same pattern, moved off the path to both sides.

    Attributes:
        strength: All of this inhibition together, as a share of all of the tile's excitation.
        distance: How far the flanks lie from the path, in pixels.
        reason: Why the circuit needs it; printed with the spec and in the report.
    """

    strength: Scalar
    distance: Pixels
    reason: str = "a second path beside the first makes a texture, not a line"

    def __post_init__(self) -> None:
        checks.number(self, "strength", at_least=0)
        checks.number(self, "distance", above=0, unit="pixels")


@_node("reason")
@dataclasses.dataclass(frozen=True)
class Reversed:
    """Inhibition by units on the path that stand on it the other way round: that bulge to its other side.

    Attributes:
        strength: All of this inhibition together, as a share of all of the tile's excitation.
        reason: Why the circuit needs it; printed with the spec and in the report.
    """

    strength: Scalar
    reason: str = "curves along the path that bulge to its other side belong to other contours"

    def __post_init__(self) -> None:
        checks.number(self, "strength", at_least=0)


Inhibition = Crossing | OppositeArc | Flank | Reversed


def _keep_names(node: "Tile | Union") -> None:
    """Puts names in the place of families, in a dataclass while it is being made."""
    given = node.sources if isinstance(node.sources, tuple) else (node.sources,)
    names = tuple(source.name if isinstance(source, Family) else source for source in given)
    object.__setattr__(node, "sources", names)
    if not names or not all(isinstance(name, str) for name in names):
        part = type(node).__name__
        raise SpecError(f"{part} has sources={names!r}: wanted at least one earlier family, or its name.")
    if len(set(names)) < len(names):
        raise SpecError(f"{type(node).__name__} has sources={names!r}: name each family once.")


@_node("sources", "over_angles")
@dataclasses.dataclass(frozen=True)
class Union:
    """Units at one place, united: each member is the mean of their responses.

    As a rule these are Gabors of one orientation, united over polarity and phase. A member's angle is then its tangent,
    as for a line, and comes back after 180 degrees. Over angles, all units of all sources are united in one member,
    which has no angle.

    Attributes:
        sources: Families of Gabors, or their names; kept as names. Over angles, families of any kind.
        over_angles: Whether units of all angles are united.

    Source:
        The complex Gabors of conv2d1: Olah et al., "An Overview of Early Vision in InceptionV1", Distill (2020). Over
        angles: "unioning over cases", Olah et al., "Zoom In: An Introduction to Circuits", Distill (2020).
    """

    sources: "tuple[str, ...] | Family | str | tuple[Family, ...]"
    over_angles: bool = dataclasses.field(kw_only=True, default=False)

    def __post_init__(self) -> None:
        _keep_names(self)

    @property
    def source_names(self) -> tuple[str, ...]:
        """Names of the families united."""
        return self.sources  # type: ignore[return-value]  # names since __post_init__


@_node("sources", "turned")
@dataclasses.dataclass(frozen=True)
class Tile:
    """Earlier families laid along a shape, minus what must not be there.

    A source unit at offset p that prefers direction b excites by

        envelope(distance of p from the path) * tuning(b - tangent at p)

    where the envelope is the path blurred by a Gaussian of `spread` pixels, and the tuning a bell of
    `tolerance` degrees. All excitation of one unit sums to the tile's `weight`, shared by the units of all sources
    alike. Gabors are matched by orientation alone, so that both polarities excite; curves by the side they bulge to
    as well. Units without an angle, such as circles, lie on the path wherever they stand: they have no tolerance.

    Attributes:
        sources: The earlier families, or their names; kept as names.
        along: The shape.
        tolerance: How far a source may turn away from the tangent, in degrees (standard deviation); None for sources
            without an angle.
        spread: How far it may lie off the path, in pixels (standard deviation).
        minus: The inhibitions; `tile - Crossing(0.7)` adds one.
        turned: By how much the whole tile is turned against the member's own angle, in degrees. The sum of a tile and
            a turned one looks for two things at a fixed angle to each other.
        weight: How much the tile counts beside the others of a sum: what its excitation sums to.
    """

    sources: "tuple[str, ...] | Family | str | tuple[Family, ...]"
    along: Shape
    tolerance: Degrees | None = None
    spread: Pixels = 1.3
    minus: tuple[Inhibition, ...] = ()
    turned: float = dataclasses.field(kw_only=True, default=0.0)
    weight: Scalar = dataclasses.field(kw_only=True, default=1.0)

    def __post_init__(self) -> None:
        _keep_names(self)
        part = f"Tile({', '.join(self.source_names)})"
        if checks.is_plain(self.along) or isinstance(self.along, str | None):
            raise SpecError(f"{part} has along={self.along!r}: wanted a shape, such as Line(length=4).")
        if self.tolerance is not None:
            checks.number(self, "tolerance", part=part, above=0, unit="degrees")
        checks.number(self, "spread", part=part, above=0, unit="pixels")
        checks.number(self, "turned", part=part, unit="degrees")
        checks.number(self, "weight", part=part, above=0)
        if isinstance(self.along, Circle) and any(isinstance(term, OppositeArc) for term in self.minus):
            raise SpecError(
                f"{part} subtracts an OppositeArc from a Circle: turned by 180 degrees, that is the circle itself. "
                "Curves that bulge to its other side are Reversed."
            )

    @property
    def source_names(self) -> tuple[str, ...]:
        """Names of the families that the tile lays along its shape."""
        return self.sources  # type: ignore[return-value]  # names since __post_init__

    def __sub__(self, inhibition: Inhibition) -> "Tile":
        if not isinstance(inhibition, Inhibition):
            raise SpecError(f"a Tile cannot subtract {inhibition!r}: wanted Crossing, OppositeArc, Flank or Reversed.")
        return dataclasses.replace(self, minus=(*self.minus, inhibition))

    def __add__(self, other: "Tile | Tiles") -> "Tiles":
        return Tiles((self,)) + other


@_node()
@dataclasses.dataclass(frozen=True)
class Tiles:
    """A sum of tiles: `Tile(...) - Crossing(0.5) + Tile(...)`. Each keeps its own inhibitions.

    Attributes:
        terms: The tiles, in the order written.
    """

    terms: tuple[Tile, ...]

    def __post_init__(self) -> None:
        if isinstance(self.terms, tuple) and not self.terms:
            raise SpecError("Tiles has terms=(): wanted at least one tile.")

    def __sub__(self, inhibition: Inhibition) -> "Tiles":
        return Tiles((*self.terms[:-1], self.terms[-1] - inhibition))

    def __add__(self, other: "Tile | Tiles") -> "Tiles":
        if not isinstance(other, Tile | Tiles):
            raise SpecError(f"a sum of tiles cannot take {other!r}: wanted a Tile. Subtract an inhibition instead.")
        return Tiles((*self.terms, *(other.terms if isinstance(other, Tiles) else (other,))))


@_node("name", "angles", "period", "size")
@dataclasses.dataclass(frozen=True)
class Family:
    """One template at evenly spaced angles: the orbit of a unit under rotation.

    Attributes:
        name: Prefix of the unit names; the member at 45 degrees is `name@45`.
        looks_for: What the member at angle 0 looks for.
        angles: Number of members. A multiple of 4 (over 360; of 2 over 180) makes quarter turns exact.
        period: The turn that brings a member back onto itself, in degrees; members are spread over it.
            Left out, it is the template's own: 180 for lines and bars, 360 for edges and curves. What has no angle (a
            circle, a union over angles) is one member, and the circuit says what brings it back: the smallest turn that
            permutes the units it reads.
        size: Side of the square kernels, in pixels, odd. Left out, it is what the template needs.
    """

    name: str
    looks_for: Gabor | Union | Tile | Tiles
    angles: int = dataclasses.field(kw_only=True)
    period: float | None = dataclasses.field(kw_only=True, default=None)
    size: int | None = dataclasses.field(kw_only=True, default=None)

    def __post_init__(self) -> None:
        part = f"family {self.name!r}"
        if not self.name or not all(c.isalnum() or c == "_" for c in self.name):
            raise SpecError(f"{part}: a name is letters, digits and underscores, since units are called name@angle.")
        if isinstance(self.looks_for, str | int | float | Shape):
            raise SpecError(f"{part} has looks_for={self.looks_for!r}: wanted a Gabor, a Union or a sum of tiles.")
        checks.whole(part, "angles", self.angles)
        if self.size is not None:
            checks.odd(part, "size", self.size)
        if not self.has_angle and self.angles != 1:
            raise SpecError(
                f"{part} has angles={self.angles}, but every turn brings its template back: all members would be one. "
                "Give it angles=1."
            )
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
        if (self.turn * 1000) % self.angles != 0:
            near = [n for n in range(1, 2 * self.angles) if (self.turn * 1000) % n == 0]
            near.sort(key=lambda n: abs(n - self.angles))
            raise SpecError(
                f"{part} has angles={self.angles}, which does not divide {self.turn:g} degrees: a step of "
                f"{self.turn / self.angles:.6f} has no exact name. Try {near[0]} or {near[1]}."
            )

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The tiles of the template; none for a Gabor or a Union."""
        match self.looks_for:
            case Tiles(terms):
                return terms
            case Tile():
                return (self.looks_for,)
            case _:
                return ()

    @property
    def source_names(self) -> tuple[str, ...]:
        """The earlier families that the template reads, each once; none for a Gabor."""
        if isinstance(self.looks_for, Union):
            return self.looks_for.source_names
        return tuple(dict.fromkeys(name for tile in self.tiles for name in tile.source_names))

    @property
    def natural_period(self) -> float:
        """The turn, in degrees, that brings the template back onto itself; 0 if every turn does."""
        if isinstance(self.looks_for, Gabor):
            return self.looks_for.period
        if isinstance(self.looks_for, Union) and self.looks_for.over_angles:
            return 0.0
        return max((tile.along.period for tile in self.tiles if isinstance(tile.along, Shape)), default=180.0)

    @property
    def has_angle(self) -> bool:
        """Whether a turn can change the template: not that of a circle, nor a union over angles."""
        return self.natural_period > 0

    @property
    def turn(self) -> float:
        """The period as a number: what `angles` members are spread over, in degrees."""
        return self.natural_period if self.period is None else self.period

    @property
    def step(self) -> float:
        """Degrees between neighbouring members."""
        return self.turn / self.angles

    @property
    def unit_angles(self) -> tuple[float, ...]:
        """The angle of each member, in degrees."""
        return tuple(index * self.turn / self.angles for index in range(self.angles))

    @property
    def unit_names(self) -> tuple[str, ...]:
        """The name of each member: `name@angle`."""
        return tuple(f"{self.name}@{angle:g}" for angle in self.unit_angles)

    @property
    def matched_period(self) -> float:
        """The period in which a tile compares these members with its path, in degrees.

        180 for Gabors: half a turn reverses their polarity, not the path that they stand on.
        """
        return 180.0 if isinstance(self.looks_for, Gabor) else self.turn

    @property
    def unit_tangents(self) -> tuple[float, ...]:
        """The direction of the path that each member stands on, in degrees."""
        if not self.has_angle:
            return (90.0,)  # no direction is meant; a mirror leaves this one as it is
        match self.looks_for:
            case Gabor():
                offset = -90.0  # the wave runs along the angle, so the edge itself runs across
            case Union():
                offset = 0.0
            case _:
                # An arc among the tiles decides: lines have no side, and only say which way the path runs there.
                deciding = max(self.tiles, key=lambda tile: tile.along.period)
                offset = deciding.along.anchor_tangent + deciding.turned
        return tuple(angle + offset for angle in self.unit_angles)


@_node("name")
@dataclasses.dataclass(frozen=True)
class Circuit:
    """Families in the order in which they are computed; each may read from any earlier one.

    Attributes:
        name: What reports call it.
        families: In order. A list is kept as a tuple.
    """

    name: str
    families: Sequence[Family]

    def __post_init__(self) -> None:
        object.__setattr__(self, "families", tuple(self.families))
        owner = f"circuit {self.name!r}"
        if not self.families:
            raise SpecError(f"{owner} has no families: give it at least one, with a Gabor that looks at the image.")
        seen: dict[str, Family] = {}
        for family in self.families:
            if isinstance(family, str | int | float | Gabor | Union | Tile | Tiles):
                raise SpecError(f"{owner} has {family!r} among its families: wanted a Family.")
            if not isinstance(family, Family):
                return  # A placeholder of a JAX tree: there is nothing to check.
            if family.name in seen:
                raise SpecError(f"{owner} has two families called {family.name!r}: rename one of them.")
            for source in family.source_names:
                if source not in seen:
                    raise unknown_name("earlier family", source, seen, owner=f"family {family.name!r} of {owner}")
            if isinstance(family.looks_for, Union) and not family.looks_for.over_angles:
                _check_union(family, [seen[name] for name in family.source_names], owner)
            for tile in family.tiles:
                _check_tile(family, tile, {name: seen[name] for name in tile.source_names}, owner)
            if not family.has_angle:
                step = float(_common_turn(seen[name].step for name in family.source_names))
                family = dataclasses.replace(family, period=step)
            seen[family.name] = family
        object.__setattr__(self, "families", tuple(seen.values()))

    def __getitem__(self, name: str) -> Family:
        for family in self.families:
            if family.name == name:
                return family
        raise unknown_name("family", name, [f.name for f in self.families], owner=f"circuit {self.name!r}")

    @property
    def order(self) -> int:
        """The n of C_n: turns by 360 / n permute the members of every family."""
        turn = _common_turn(family.step for family in self.families)
        return int(360 / turn) if 360 % turn == 0 else 1

    def without(self, inhibition: type[Inhibition]) -> "Circuit":
        """Returns the circuit with every inhibition of one kind left out: what is it there for?"""

        def spared(tile: Tile) -> Tile:
            return dataclasses.replace(tile, minus=tuple(i for i in tile.minus if not isinstance(i, inhibition)))

        families = []
        for family in self.families:
            match family.looks_for:
                case Tile():
                    family = dataclasses.replace(family, looks_for=spared(family.looks_for))
                case Tiles(terms):
                    family = dataclasses.replace(family, looks_for=Tiles(tuple(map(spared, terms))))
            families.append(family)
        return Circuit(f"{self.name} without {inhibition.__name__}", families)

    def __str__(self) -> str:
        units = sum(family.angles for family in self.families)
        width = max(len(family.name) for family in self.families) + 2
        lines = [f"{self.name}: {len(self.families)} families, {units} units"]
        for family in self.families:
            lines.append(
                f"  {family.name:<{width}} {family.angles} units, every {family.step:g} of {family.turn:g} degrees"
            )
            if isinstance(family.looks_for, Gabor):
                lines.append(f"    {_call(family.looks_for)}")
            if isinstance(family.looks_for, Union):
                over = " over all angles" if family.looks_for.over_angles else ""
                lines.append(f"    union of {', '.join(family.source_names)}{over}")
            for tile in family.tiles:
                turned = f", turned by {_plain(tile.turned)} degrees" if tile.turned else ""
                weight = "" if _plain(tile.weight) == "1" else f"{_plain(tile.weight)} "
                tolerance = "" if tile.tolerance is None else f"tolerance {_plain(tile.tolerance)} degrees, "
                lines.append(
                    f"    + {weight}{', '.join(tile.source_names)} along {_call(tile.along)}{turned}, {tolerance}"
                    f"spread {_plain(tile.spread)} pixels"
                )
                lines.extend(f"      - {_call(term)}: {term.reason}" for term in tile.minus)
        return "\n".join(lines)


def _common_turn(steps: Iterable[float]) -> fractions.Fraction:
    """Returns the smallest turn, in degrees, that is a whole number of each of some steps."""
    exact = [fractions.Fraction(step).limit_denominator(10**6) for step in steps]
    common = math.lcm(*(step.denominator for step in exact))
    return fractions.Fraction(math.lcm(*(int(step * common) for step in exact)), common)


def _check_tile(family: Family, tile: Tile, sources: dict[str, Family], owner: str) -> None:
    """Refuses a tile whose sources do not come back when it does, or have no direction to be laid in."""
    for name, source in sources.items():
        matched = source.matched_period
        if not source.has_angle:
            across = [type(term).__name__ for term in tile.minus if isinstance(term, Crossing | Reversed)]
            if tile.tolerance is not None or across:
                raise SpecError(
                    f"family {family.name!r} of {owner} lays {name!r} along its shape, whose units have no angle, so "
                    "none of them runs along it or across it: leave out "
                    f"{' and '.join([*(['tolerance'] if tile.tolerance is not None else []), *across])}."
                )
            continue
        if tile.tolerance is None:
            raise SpecError(
                f"family {family.name!r} of {owner} lays {name!r} along its shape without a tolerance: wanted how far "
                "its units may turn away from the path, in degrees, such as tolerance=15."
            )
        if tile.along.period and matched > family.turn:
            raise SpecError(
                f"family {family.name!r} of {owner} has period={family.turn:g}, but lays {name!r} along its "
                f"shape, whose members come back only after {matched:g} degrees. Give it period={matched:g}."
            )
        if matched <= 180 and any(isinstance(term, Reversed) for term in tile.minus):
            raise SpecError(
                f"family {family.name!r} of {owner} subtracts {name!r}, Reversed: half a turn brings them back, so "
                "they would inhibit where they excite. Only what has sides, such as a curve, can be reversed."
            )
    # What has no angle comes back after any turn.
    periods = {name: source.matched_period if source.has_angle else 0.0 for name, source in sources.items()}
    if len(set(periods.values())) > 1:
        raise SpecError(
            f"a tile of family {family.name!r} of {owner} mixes sources that come back after different "
            f"turns ({periods}): give each kind a tile of its own and add them."
        )


def _check_union(family: Family, sources: list[Family], owner: str) -> None:
    """Refuses a union whose members would not all unite the same number of Gabors from every source."""
    for source in sources:
        if not isinstance(source.looks_for, Gabor):
            raise SpecError(
                f"family {family.name!r} of {owner} unites {source.name!r}, which is no family of Gabors. "
                "Add up tiles instead: Tile(a, ...) + Tile(b, ...)."
            )
        members = sorted({round(tangent % 180, 6) for tangent in source.unit_tangents})
        if members != [round(angle, 6) for angle in family.unit_angles]:
            raise SpecError(
                f"family {family.name!r} of {owner} has angles={family.angles} over {family.turn:g} degrees, but "
                f"unites {source.name!r}, which stands on {len(members)} orientations. Give both the same ones."
            )


def _call(node: Gabor | Shape | Inhibition) -> str:
    """Writes a node as the call that makes it; its reason and switches that are off are left out."""
    every = [f.name for f in dataclasses.fields(node) if f.name != "reason"]  # type: ignore[arg-type]
    fields = [name for name in every if getattr(node, name) is not False]
    return f"{type(node).__name__}({', '.join(f'{name}={_plain(getattr(node, name))}' for name in fields)})"


def _plain(value: Scalar) -> str:
    return f"{value:g}" if checks.is_plain(value) else str(value)
