"""What a handwritten circuit is: frozen dataclasses that refuse what cannot be built.

A circuit is a list of families. A family is one template at evenly spaced angles, and perhaps in several hues, at
several scales, and mirrored; the template is either a Gabor, which looks at the image, or a sum of tiles, each of which
lays earlier families along a shape and names what must not be there:

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
from collections.abc import Iterable, Sequence

from circuitkit import checks
from circuitkit.errors import SpecError, unknown_name
from circuitkit.family import Family, Normalisation, Pose
from circuitkit.geometry import Scalar
from circuitkit.shapes import Arc, Away, Beside, Circle, Corner, Line, Shape, Spiral
from circuitkit.templates import (
    Crossing,
    Flank,
    Gabor,
    HueFlank,
    Inhibition,
    OppositeArc,
    Reversed,
    Rival,
    Spot,
    Tile,
    Tiles,
    Union,
    node,
)

__all__ = [
    "Arc",
    "Away",
    "Beside",
    "Circle",
    "Circuit",
    "Corner",
    "Crossing",
    "Family",
    "Flank",
    "Gabor",
    "HueFlank",
    "Inhibition",
    "Line",
    "Normalisation",
    "OppositeArc",
    "Pose",
    "Reversed",
    "Rival",
    "Spiral",
    "Spot",
    "Tile",
    "Tiles",
    "Union",
]


@node("name")
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
            if isinstance(family, str | int | float | Gabor | Spot | Union | Tile | Tiles):
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
            if family.tiles:
                twists = _twists(family, seen)
                if family.twisted and not twists:
                    raise SpecError(
                        f"family {family.name!r} of {owner} is said to be twisted, but half a turn does more to its "
                        "template than turn its hue round. Leave it out."
                    )
                family = dataclasses.replace(family, twisted=twists) if twists else family
            for tile in family.tiles:
                _check_tile(family, tile, {name: seen[name] for name in tile.source_names}, owner)
            _check_spacing(family, seen, owner)
            _check_mirrored(family, [seen[name] for name in family.source_names], owner)
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

    def spacing(self, name: str) -> int:
        """Returns how many image pixels lie between neighbouring units of a family."""
        return _spacing(self[name], {family.name: family for family in self.families})

    @property
    def channels(self) -> int:
        """Channels of the images: 3, red, green and blue, if a Gabor or a Spot has a hue; otherwise 1."""
        first = [family for family in self.families if isinstance(family.looks_for, Gabor | Spot)]
        return 3 if any(family.has_hue for family in first) else 1

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
        units = sum(len(family) for family in self.families)
        width = max(len(family.name) for family in self.families) + 2
        lines = [f"{self.name}: {len(self.families)} families, {units} units"]
        for family in self.families:
            more = f", in {family.hues} hues" if family.hues > 1 else ""
            more += ", half a turn being half a turn of hue" if family.twisted else ""
            more += f", at scales {', '.join(f'{scale:g}' for scale in family.scales)}" if family.scales != (1,) else ""
            more += ", and mirrored" if family.mirrored else ""
            more += "" if family.threshold is None else f", above a threshold of {_plain(family.threshold)}"
            more += "" if family.normalised is None else _divided(family.normalised)
            more += "" if family.stride == 1 else f", one every {self.spacing(family.name)} pixels"
            count = "1 unit" if len(family) == 1 else f"{len(family)} units"
            angles = f"every {family.step:g} of {family.turn:g} degrees" if family.has_angle else "without an angle"
            lines.append(f"  {family.name:<{width}} {count}, {angles}{more}")
            if isinstance(family.looks_for, Gabor | Spot):
                lines.append(f"    {_call(family.looks_for)}")
            if isinstance(family.looks_for, Union):
                over = " over all angles" if family.looks_for.over_angles else ""
                lines.append(f"    union of {', '.join(family.source_names)}{over}")
            for tile in family.tiles:
                turned = f", turned by {_plain(tile.turned)} degrees" if tile.turned else ""
                weight = "" if _plain(tile.weight) == "1" else f"{_plain(tile.weight)} "
                tolerance = "" if tile.tolerance is None else f"tolerance {_plain(tile.tolerance)} degrees, "
                hue = f", hue turned by {tile.hue:g} degrees" if tile.hue else ""
                hue += "" if tile.hue_tolerance is None else f", hue tolerance {_plain(tile.hue_tolerance)} degrees"
                scale = (
                    "" if tile.scale_tolerance is None else f", scale tolerance {_plain(tile.scale_tolerance)} octaves"
                )
                lines.append(
                    f"    + {weight}{', '.join(tile.source_names)} along {_call(tile.along)}{turned}, {tolerance}"
                    f"spread {_plain(tile.spread)} pixels{hue}{scale}"
                )
                lines.extend(f"      - {_call(term)}: {term.reason}" for term in tile.minus)
        return "\n".join(lines)


def _common_turn(steps: Iterable[float]) -> fractions.Fraction:
    """Returns the smallest turn, in degrees, that is a whole number of each of some steps."""
    exact = [fractions.Fraction(step).limit_denominator(10**6) for step in steps]
    common = math.lcm(*(step.denominator for step in exact))
    return fractions.Fraction(math.lcm(*(int(step * common) for step in exact)), common)


def _twists(family: Family, seen: dict[str, Family]) -> bool:
    """Says whether half a turn brings a family's template back, but for its hue, which is then the complementary one.

    So it is for colour edges along lines. It is not for what has an arc, nor for spots of one hue along a line, which
    half a turn brings back as they are.
    """
    sides = {
        seen[name].has_hue_on_one_side
        for tile in family.tiles
        for name in tile.source_names
        if tile.hue_tolerance is not None
    }
    return sides == {True} and family.natural_period == 180 == family.turn and family.hues % 2 == 0


def _spacing(family: Family, families: dict[str, Family]) -> int:
    """Returns how many pixels lie between a family's units. What it reads stands at one spacing: any source tells."""
    for name in family.source_names:
        return family.stride * _spacing(families[name], families)
    return family.stride


def _check_spacing(family: Family, seen: dict[str, Family], owner: str) -> None:
    """Refuses to read units that stand at different places."""
    spacings = {name: _spacing(seen[name], seen) for name in family.source_names}
    if len(set(spacings.values())) > 1:
        told = " and ".join(f"{name!r} every {spacing}" for name, spacing in spacings.items())
        raise SpecError(
            f"family {family.name!r} of {owner} reads families whose units stand at different places ({told} pixels): "
            "wanted one spacing. Give the finer one a stride as well."
        )


def _check_mirrored(family: Family, sources: list[Family], owner: str) -> None:
    """Refuses mirror images of what is its own."""
    upright = family.tiles and family.has_angle and family.angles == 1
    chiral = [upright, *(tile.is_chiral for tile in family.tiles), *(source.mirrored for source in sources)]
    if family.mirrored and not any(chiral):
        raise SpecError(
            f"family {family.name!r} of {owner} has mirrored=True, but its template is its own mirror image: every "
            "member would be there twice. Leave it out; it is for spirals, and for tiles turned against each other."
        )


def _check_tile(family: Family, tile: Tile, sources: dict[str, Family], owner: str) -> None:
    """Refuses a tile whose sources do not come back when it does, or have no direction to be laid in."""
    hue_counts = tile.hue_tolerance is not None
    if len(family) == 1 and any(isinstance(term, Rival) for term in tile.minus):
        raise SpecError(f"family {family.name!r} of {owner} subtracts a Rival, but has one member: leave it out.")
    for name, source in sources.items():
        matched = source.matched_period(hue_counts=hue_counts)
        if hue_counts and not source.has_hue:
            raise SpecError(
                f"family {family.name!r} of {owner} lays {name!r} along its shape with a hue_tolerance, but its units "
                "have no hue: leave it out, or give their template a hue."
            )
        if tile.scale_tolerance is not None and len(source.scales) == 1:
            raise SpecError(
                f"family {family.name!r} of {owner} lays {name!r} along its shape with a scale_tolerance, but its "
                f"units are all at one scale: leave it out, or give {name!r} the scales {family.scales}."
            )
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
        if tile.along.period and matched > family.turn and not family.twisted:
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
    periods = {
        name: source.matched_period(hue_counts=hue_counts) if source.has_angle else 0.0
        for name, source in sources.items()
    }
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
        if len(family.scales) > 1 and source.scales != family.scales:
            raise SpecError(
                f"family {family.name!r} of {owner} has scales={family.scales}, but unites {source.name!r}, which has "
                f"scales={source.scales}. Give both the same ones, or the union none."
            )
        members = sorted({round(tangent % 180, 6) for tangent in source.unit_tangents})
        if members != sorted({round(angle, 6) for angle in family.unit_angles}):
            raise SpecError(
                f"family {family.name!r} of {owner} has angles={family.angles} over {family.turn:g} degrees, but "
                f"unites {source.name!r}, which stands on {len(members)} orientations. Give both the same ones."
            )


def _divided(by: Normalisation) -> str:
    return f", divided by {_plain(by.constant)} plus their mean within {_plain(by.within)} pixels"


def _call(node: Gabor | Spot | Shape | Inhibition) -> str:
    """Writes a node as the call that makes it; its reason, and what is off or left out, are left out."""
    every = [f.name for f in dataclasses.fields(node) if f.name != "reason"]  # type: ignore[arg-type]
    fields = [name for name in every if getattr(node, name) is not False and getattr(node, name) is not None]
    return f"{type(node).__name__}({', '.join(f'{name}={_plain(getattr(node, name))}' for name in fields)})"


def _plain(value: Scalar) -> str:
    return f"{value:g}" if checks.is_plain(value) else str(value)
