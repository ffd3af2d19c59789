"""What a unit can look for: templates, and the inhibitions that say what must not be there.

A template stands in its own pose, at angle 0, scale 1 and the hue that it names; a `Family` carries it to others. Those
of the first layer (`Gabor`, `Spot`) look at the image; a `Union` or a sum of `Tile`s looks at earlier families.
"""

import dataclasses
from collections.abc import Callable
from typing import Protocol, TypeVar, runtime_checkable

import jax

from circuitkit import checks
from circuitkit.errors import SpecError
from circuitkit.geometry import Degrees, Pixels, Scalar
from circuitkit.shapes import Away, Circle, Shape, Spiral

_T = TypeVar("_T")


def node(*structure: str) -> Callable[[type[_T]], type[_T]]:
    """Registers a dataclass with JAX: the fields named are structure, all others hold its numbers."""

    def register(cls: type[_T]) -> type[_T]:
        names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
        numbers = [name for name in names if name not in structure]
        return jax.tree_util.register_dataclass(cls, data_fields=numbers, meta_fields=list(structure))

    return register


@node("phase", "hue")  # these decide which motion brings the template back, so they are structure
@dataclasses.dataclass(frozen=True, kw_only=True)
class Gabor:
    """A wave under a round Gaussian window: the template of units that look at the image.

    Attributes:
        wavelength: In pixels; below 2 the pixel grid cannot hold it.
        sigma: Standard deviation of the window, in pixels.
        phase: Of the wave at the centre, in degrees, along the unit's angle: 90 is an edge from dark to
            light, 0 a light bar, 180 a dark bar.
        hue: Left out, the wave is one of luminance. Given, it is one of colour, from the complementary hue to this one
            in place of from dark to light, at one luminance: 0 is red, 120 green, 240 blue.
    """

    wavelength: Pixels
    sigma: Pixels
    phase: float = 90.0
    hue: float | None = None

    def __post_init__(self) -> None:
        checks.number(self, "wavelength", at_least=2, unit="pixels")
        checks.number(self, "sigma", above=0, unit="pixels")
        checks.number(self, "phase", unit="degrees")
        if self.hue is not None:
            checks.number(self, "hue", unit="degrees")

    @property
    def period(self) -> float:
        """The turn that brings the template back: 180 for a bar (phase 0 or 180), otherwise 360."""
        return 360.0 if self.has_sides else 180.0

    @property
    def has_sides(self) -> bool:
        """Whether half a turn changes the template: an edge's light side is then where its dark one was."""
        return self.phase % 180 != 0


@node("hue")
@dataclasses.dataclass(frozen=True, kw_only=True)
class Spot:
    """A round Gaussian minus a wider one, each of one volume: light in the middle, dark around it, and no angle.

    Attributes:
        sigma: Standard deviation of the middle, in pixels.
        surround: That of the wider one, as a multiple of it.
        hue: As for a `Gabor`: that of the middle, of which the surround's is the complementary one.

    Source:
        Rodieck, "Quantitative analysis of cat retinal ganglion cell response to visual stimuli" (1965). The colour
        center-surround units of conv2d2: Olah et al., "An Overview of Early Vision in InceptionV1", Distill (2020).
    """

    sigma: Pixels
    surround: Scalar = 1.6
    hue: float | None = None

    def __post_init__(self) -> None:
        checks.number(self, "sigma", above=0, unit="pixels")
        checks.number(self, "surround", above=1)
        if self.hue is not None:
            checks.number(self, "hue", unit="degrees")


@node("reason")
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


@node("reason")
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


@node("reason")
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


@node("reason")
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


@node("reason")
@dataclasses.dataclass(frozen=True)
class HueFlank:
    """Inhibition by the same pattern in other hues, to both sides on the hue circle: a `Flank` in colour.

    Attributes:
        strength: All of this inhibition together, as a share of all of the tile's excitation.
        distance: How far the hues lie from the tile's own, in degrees of the hue circle.
        reason: Why the circuit needs it; printed with the spec and in the report.
    """

    strength: Scalar
    distance: Degrees
    reason: str = "a neighbouring hue belongs to another unit"

    def __post_init__(self) -> None:
        checks.number(self, "strength", at_least=0)
        checks.number(self, "distance", above=0, unit="degrees")


@node("reason")
@dataclasses.dataclass(frozen=True)
class Rival:
    """Inhibition by whatever excites the other members of the family: each is a pathway, and only one can be right.

    Attributes:
        strength: All of this inhibition together, as a share of all of the tile's excitation.
        reason: Why the circuit needs it; printed with the spec and in the report.

    Source:
        Olah et al., "Zoom In: An Introduction to Circuits", Distill (2020), Oriented dog heads: two pathways that are
        mirror images of each other, and inhibit each other at every step.
    """

    strength: Scalar
    reason: str = "what speaks for another pathway speaks against this one"

    def __post_init__(self) -> None:
        checks.number(self, "strength", at_least=0)


Inhibition = Crossing | OppositeArc | Flank | Reversed | HueFlank | Rival


@runtime_checkable
class Named(Protocol):
    """Whatever a template can read: an earlier `Family`."""

    @property
    def name(self) -> str:
        """What it is called."""


def _keep_names(node: "Tile | Union") -> None:
    """Puts names in the place of families, in a dataclass while it is being made."""
    given = node.sources if isinstance(node.sources, tuple) else (node.sources,)
    names = tuple(getattr(source, "name", source) for source in given)
    object.__setattr__(node, "sources", names)
    if not names or not all(isinstance(name, str) for name in names):
        part = type(node).__name__
        raise SpecError(f"{part} has sources={names!r}: wanted at least one earlier family, or its name.")
    if len(set(names)) < len(names):
        raise SpecError(f"{type(node).__name__} has sources={names!r}: name each family once.")


@node("sources", "over_angles")
@dataclasses.dataclass(frozen=True)
class Union:
    """Units at one place, united: each member is the mean of their responses.

    As a rule these are Gabors of one orientation, united over polarity and phase. A member's angle is then its tangent,
    as for a line, and comes back after 180 degrees. Over angles, all units of all sources are united in one member,
    which has no angle. Hues are united always; scales are unless the union has the same ones as its sources.

    Attributes:
        sources: Families of Gabors, or their names; kept as names. Over angles, families of any kind.
        over_angles: Whether units of all angles are united.

    Source:
        The complex Gabors of conv2d1: Olah et al., "An Overview of Early Vision in InceptionV1", Distill (2020). Over
        angles: "unioning over cases", Olah et al., "Zoom In: An Introduction to Circuits", Distill (2020).
    """

    sources: "tuple[str, ...] | Named | str | tuple[Named, ...]"
    over_angles: bool = dataclasses.field(kw_only=True, default=False)

    def __post_init__(self) -> None:
        _keep_names(self)

    @property
    def source_names(self) -> tuple[str, ...]:
        """Names of the families united."""
        return self.sources  # type: ignore[return-value]  # names since __post_init__


@node("sources", "turned", "hue")
@dataclasses.dataclass(frozen=True)
class Tile:
    """Earlier families laid along a shape, minus what must not be there.

    A source unit at offset p that prefers direction b excites by

        envelope(distance of p from the path) * tuning(b - tangent at p)

    where the envelope is the path blurred by a Gaussian of `spread` pixels, and the tuning a bell of
    `tolerance` degrees. All excitation of one unit sums to the tile's `weight`, shared by the units of all sources
    alike. Gabors are matched by orientation alone, so that both polarities excite; curves by the side they bulge to
    as well. Units without an angle, such as circles, lie on the path wherever they stand: they have no tolerance.

    Of sources that come in several hues, or at several scales, all count alike unless a tolerance says otherwise: then
    those count that have the member's own hue, or its own scale. Colour edges have sides once hue counts: they are
    matched with their hue to the left of the path, inside a curve.

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
        hue: By how much the tile's hue is turned against the member's own, in degrees of the hue circle.
        hue_tolerance: How far a source may be from that hue, in degrees (standard deviation); None for any hue.
        scale_tolerance: How far a source's scale may be from the member's own, in octaves (standard deviation); None
            for any scale.
    """

    sources: "tuple[str, ...] | Named | str | tuple[Named, ...]"
    along: Shape
    tolerance: Degrees | None = None
    spread: Pixels = 1.3
    minus: tuple[Inhibition, ...] = ()
    turned: float = dataclasses.field(kw_only=True, default=0.0)
    weight: Scalar = dataclasses.field(kw_only=True, default=1.0)
    hue: float = dataclasses.field(kw_only=True, default=0.0)
    hue_tolerance: Degrees | None = dataclasses.field(kw_only=True, default=None)
    scale_tolerance: Scalar | None = dataclasses.field(kw_only=True, default=None)

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
        checks.number(self, "hue", part=part, unit="degrees")
        if self.hue_tolerance is not None:
            checks.number(self, "hue_tolerance", part=part, above=0, unit="degrees")
        elif self.hue or any(isinstance(term, HueFlank) for term in self.minus):
            raise SpecError(
                f"{part} speaks of a hue without saying how far one may be from it: give hue_tolerance, such as 30."
            )
        if self.scale_tolerance is not None:
            checks.number(self, "scale_tolerance", part=part, above=0, unit="octaves")
        if isinstance(self.along, Circle) and any(isinstance(term, OppositeArc) for term in self.minus):
            raise SpecError(
                f"{part} subtracts an OppositeArc from a Circle: turned by 180 degrees, that is the circle itself. "
                "Curves that bulge to its other side are Reversed."
            )

    @property
    def source_names(self) -> tuple[str, ...]:
        """Names of the families that the tile lays along its shape."""
        return self.sources  # type: ignore[return-value]  # names since __post_init__

    @property
    def is_chiral(self) -> bool:
        """Whether the tile is not its own mirror image about the axis of its angle."""
        return isinstance(self.along, Spiral | Away) or self.turned % 180 != 0

    def __sub__(self, inhibition: Inhibition) -> "Tile":
        if not isinstance(inhibition, Inhibition):
            wanted = "Crossing, OppositeArc, Flank, Reversed, HueFlank or Rival"
            raise SpecError(f"a Tile cannot subtract {inhibition!r}: wanted {wanted}.")
        return dataclasses.replace(self, minus=(*self.minus, inhibition))

    def __add__(self, other: "Tile | Tiles") -> "Tiles":
        return Tiles((self,)) + other


@node()
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
