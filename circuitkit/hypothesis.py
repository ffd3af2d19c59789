"""What a unit is said to detect: a shape, what it is not to be confused with, and what must not matter.

    from circuitkit import hypothesis

    hypothesis.curve()                          # a curve; angle and radius are measured for each unit
    hypothesis.curve(angle=190, radius=22)      # this curve and no other
    hypothesis.line(), edge(), circle(), corner(), high_low(), head()

A new one is a few lines, in the terms of the stimulus catalogue:

    Hypothesis(
        name="S curve",
        shape=stimuli.SCurve(),
        period=180,
        size="radius",
        sizes=log(6, 24, 5),
        rivals={"curve": stimuli.Curve(), "line": stimuli.Line()},
        factors=STROKED,
    )

**Factors** are what the unit should not care about: polarity, stroke, contrast, fill, colour, noise. All combinations
of their levels are many (324 for a curve), so tests draw *looks*: in a set of looks every level of a factor is in
equally many of them, and which levels meet is drawn from a seed. `replica` holds levels that no criterion was chosen
on.

Source of the test plan: Cammarata et al., "Curve Detectors", Distill (2020), Synthetic tuning; there radius and angle
are varied together, and fill and colour after that, one by one.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from circuitkit import checks
from circuitkit.errors import SpecError, StimulusError, unknown_name
from circuitkit.spec import Circuit
from circuitkit.stimuli import Corner, Curve, Edge, Grid, Head, HighLow, Line, Ring, Spiral, Stimulus, grid, log, turn
from circuitkit.stimuli.parameter import Colour, parameters
from circuitkit.stimuli.patterns import Grating, NoiseTexture

Look = Mapping[str, Colour]
"""Values of some parameters of a stimulus."""

Factors = Mapping[str, Sequence[Look]]
"""What must not matter, by name, each with its levels. All levels of one factor name the same parameters."""

_WHITE, _ORANGE, _CYAN, _GREY = (1.0, 1.0, 1.0), (1.0, 0.5, -0.3), (-0.2, 0.8, 0.9), (0.0, 0.0, 0.0)

_POLARITY: Factors = {"polarity": ({"polarity": 1.0}, {"polarity": -1.0})}

PART_LOOKS = 6
"""In which a part of the shape is shown."""

STROKED: Factors = {
    **_POLARITY,
    "width": ({"width": 1.5}, {"width": 3.0}, {"width": 5.0}),
    "contrast": ({"contrast": 1.0}, {"contrast": 0.7}, {"contrast": 0.4}),
    "fill": (
        {"fill": 0.0, "inside": _WHITE, "outside": _GREY},
        {"fill": 1.0, "inside": _WHITE, "outside": _GREY},
        {"fill": 1.0, "inside": (0.6, -0.1, -0.5), "outside": (-0.6, 0.1, 0.5)},  # complementary hues
    ),
    "colour": ({"foreground": _WHITE}, {"foreground": _ORANGE}, {"foreground": _CYAN}),
    "noise": ({"noise": 0.0}, {"noise": 0.05}, {"noise": 0.15}),
}
"""Of figures drawn as a stroke: 324 combinations. The first level of each is the plain look."""

STROKED_REPLICA: Factors = {
    **_POLARITY,
    "width": ({"width": 2.0}, {"width": 4.0}),
    "contrast": ({"contrast": 0.85}, {"contrast": 0.5}),
    "jitter": ({"jitter": 0.0}, {"jitter": 0.6}),
    "noise": ({"noise": 0.02}, {"noise": 0.1}),
}
"""Levels that lie between or beyond those of `STROKED`, with wavering outlines."""

SOLID: Factors = {
    **_POLARITY,
    "contrast": ({"contrast": 1.0}, {"contrast": 0.7}, {"contrast": 0.4}),
    "blur": ({"blur": 0.0}, {"blur": 1.0}),
    "noise": ({"noise": 0.0}, {"noise": 0.05}, {"noise": 0.15}),
}

SOLID_REPLICA: Factors = {
    **_POLARITY,
    "contrast": ({"contrast": 0.85}, {"contrast": 0.5}),
    "blur": ({"blur": 0.5},),
    "noise": ({"noise": 0.02}, {"noise": 0.1}),
}

TEXTURED: Factors = {
    "contrast": ({"contrast": 1.0}, {"contrast": 0.7}, {"contrast": 0.4}),
    "phase": ({"phase": 0.0}, {"phase": 90.0}, {"phase": 180.0}),
    "noise": ({"noise": 0.0}, {"noise": 0.05}),
}

TEXTURED_REPLICA: Factors = {
    "contrast": ({"contrast": 0.85}, {"contrast": 0.5}),
    "phase": ({"phase": 45.0}, {"phase": 225.0}),
    "noise": ({"noise": 0.02}, {"noise": 0.1}),
}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Hypothesis:
    """What a unit detects.

    Attributes:
        name: Of the shape, as reports call it.
        shape: The shape at angle 0, on its anchor.
        period: The turn that brings the shape back, in degrees; None for a shape that has no angle.
        size: Name of the parameter that says how large the shape is; None if it has no size.
        sizes: The sizes that are tried, in pixels, ascending.
        part: A parameter of the shape, and its value over the size, that make a part of the shape which has to do: a
            third of a circle for a curve, since what needs all of the circle is no curve detector. None for none.
        rivals: What the unit must prefer less, by name.
        factors: What must not matter.
        replica: Other levels, for finding out whether a verdict holds on looks that it was not made on.
        circuit: The handbuilt counterpart for a size in pixels; its last family is the one meant.
        angle: Where the unit is said to stand, in degrees; measured if left out.
        at: Which size it is said to prefer, in pixels; measured if left out.
    """

    name: str
    shape: Stimulus
    period: float | None = 360.0
    size: str | None = None
    sizes: Sequence[float] = ()
    part: tuple[str, float] | None = None
    rivals: Mapping[str, Stimulus] = dataclasses.field(default_factory=dict)
    factors: Factors = dataclasses.field(default_factory=lambda: _POLARITY)
    replica: Factors = dataclasses.field(default_factory=lambda: _POLARITY)
    circuit: Callable[[float], Circuit] | None = None
    angle: float | None = None
    at: float | None = None

    def __post_init__(self) -> None:
        part, known = f"hypothesis {self.name!r}", parameters(self.shape)
        if self.period is not None:
            checks.number(self, "period", part=part, above=0, unit="degrees")
            if 360 % self.period:
                raise SpecError(f"{part} has period={self.period:g}: no whole number of these makes a turn of 360.")
        elif self.angle is not None:
            raise SpecError(f"{part} has angle={self.angle:g}, but no period: leave one of them out.")
        if self.size is not None and self.size not in known:
            raise unknown_name("parameter", self.size, known, owner=f"stimulus {type(self.shape).__name__}")
        if self.part is not None and (self.part[0] not in known or self.size is None):
            raise SpecError(
                f"{part} has part={self.part!r}: wanted a parameter of {type(self.shape).__name__} and its value over "
                "the size, of a shape that has a size."
            )
        if (self.size is None) != (not self.sizes) or list(self.sizes) != sorted(set(self.sizes)):
            raise SpecError(
                f"{part} has size={self.size!r} and sizes={tuple(self.sizes)}: wanted the name of a parameter and "
                "ascending values, or neither."
            )
        if self.at is not None and self.size is None:
            raise SpecError(f"{part} has at={self.at:g}, but its shape has no size: name the parameter with size=.")
        for factors in (self.factors, self.replica):
            _check_factors(part, factors, known)

    def apart(self, angle: Any, other: Any) -> Any:
        """Returns the difference of two angles in degrees, in -period/2 .. period/2; 0 for a shape without an angle."""
        if self.period is None:
            return 0.0 * (np.asarray(angle) - other)
        return (np.asarray(angle) - other + self.period / 2) % self.period - self.period / 2

    def posed(self, angle: float = 0.0, size: float | None = None) -> Stimulus:
        """Returns the shape at an angle, of a size."""
        values = {} if self.size is None or size is None else {self.size: size}
        return self.shape.with_values({**values, "angle": angle})

    def stimuli(self, angles: int = 24, *, looks: int = 24, seed: int = 0, replica: bool = False) -> Grid:
        """Returns the shape at all angles and sizes, in some looks.

        Args:
            angles: Over one period; a shape without an angle is turned, too, over 360 degrees.
            looks: How many; the first is the plain one.
            seed: Says which levels meet.
            replica: With the levels that are kept for replication.

        Returns:
            A grid over the looks, the angle, and the size if there is one.
        """
        axes = {} if self.size is None else {self.size: tuple(self.sizes)}
        drawn = drawn_looks(self.replica if replica else self.factors, looks, seed)
        return grid(self.shape, drawn, angle=turn(angles, over=self.period or 360.0), **axes)

    def part_stimuli(self, angles: int = 24, *, looks: int = 24, seed: int = 0, replica: bool = False) -> Grid:
        """Returns a part of the shape at all angles and sizes, in the first looks; see `part`.

        Returns:
            A grid over the looks, the size and the angle.
        """
        if self.part is None or self.size is None:
            raise SpecError(f"hypothesis {self.name!r} names no part of its shape: give it part=.")
        drawn = drawn_looks(self.replica if replica else self.factors, looks, seed)
        name, share = self.part
        whole = float(getattr(self.shape, name))
        sizes = {self.size: tuple(self.sizes), name: [min(share * size, whole) for size in self.sizes]}
        some = {key: values[:PART_LOOKS] for key, values in drawn.items()}
        return grid(self.shape, some, sizes, angle=turn(angles, over=self.period or 360.0))

    def rival_stimuli(
        self, angles: int = 24, *, looks: int = 24, seed: int = 0, replica: bool = False
    ) -> dict[str, Grid]:
        """Returns each rival at all angles over the whole turn, in the same looks as far as it has their parameters."""
        drawn = drawn_looks(self.replica if replica else self.factors, looks, seed)
        found = {}
        for name, rival in self.rivals.items():
            known = parameters(rival)
            worn = {key: values for key, values in drawn.items() if key in known}
            found[name] = grid(rival, worn or {"contrast": [1.0] * looks}, angle=turn(angles))
        return found


def _check_factors(part: str, factors: Factors, known: Mapping[str, Any]) -> None:
    seen: set[str] = set()
    for name, levels in factors.items():
        if not levels or any(set(level) != set(levels[0]) for level in levels) or not levels[0]:
            raise SpecError(f"{part} has a factor {name!r} with levels {levels}: wanted the same parameters in each.")
        for key in levels[0]:
            if key not in known:
                raise unknown_name("parameter", key, known, owner=f"the shape of {part}")
            if key in seen:
                raise SpecError(f"{part} has parameter {key!r} in two factors: name it once.")
            seen.add(key)


def drawn_looks(factors: Factors, count: int, seed: int) -> dict[str, list[Colour]]:
    """Returns the values of every parameter in so many looks, to be given to `grid` as one axis.

    Each level is in equally many looks (to within one), and which levels meet is drawn. The first look has the first
    level of every factor.
    """
    if not factors:
        raise StimulusError("a hypothesis without factors has no looks: give it at least {'polarity': ...}.")
    return {
        key: [levels[place][key] for place in places]
        for (_, levels), places in zip(factors.items(), levels_of_looks(factors, count, seed).values(), strict=True)
        for key in levels[0]
    }


def levels_of_looks(factors: Factors, count: int, seed: int) -> dict[str, list[int]]:
    """Returns which level of each factor every look of `drawn_looks` has."""
    checks.whole("looks", "count", count)
    rng = np.random.default_rng(seed)
    return {
        name: [0, *(int(place) for place in rng.permutation(np.arange(1, count) % len(levels)))]
        for name, levels in factors.items()
    }


def curve(
    *,
    angle: float | None = None,
    radius: float | None = None,
    circuit: Callable[[float], Circuit] | None = None,
    sizes: Sequence[float] = log(8, 64, 7),
) -> Hypothesis:
    """A curve of a radius, bulging towards an angle.

    Source: Cammarata et al., "Curve Detectors", Distill (2020).
    """
    return Hypothesis(
        name="curve",
        shape=Curve(),
        period=360,
        size="radius",
        sizes=sizes,
        part=("length", 2 * math.pi / 3),
        rivals={
            "line": Curve(radius=math.inf),
            "sharp corner": Corner(opening=60),
            "corner": Corner(opening=100),
            "circle": Ring(radius=20, thickness=2),
            "spiral": Spiral(),
            "texture": Grating(wavelength=8),
        },
        factors=STROKED,
        replica=STROKED_REPLICA,
        circuit=circuit,
        angle=angle,
        at=radius,
    )


def line(*, angle: float | None = None, circuit: Callable[[float], Circuit] | None = None) -> Hypothesis:
    """A straight line; its angle is that of its tangent, and comes back after 180 degrees."""
    return Hypothesis(
        name="line",
        shape=Line(),
        period=180,
        rivals={
            "curve": Curve(radius=10),
            "corner": Corner(opening=90),
            "circle": Ring(radius=10, thickness=2),
            "noise": NoiseTexture(),
        },
        factors=STROKED,
        replica=STROKED_REPLICA,
        circuit=circuit,
        angle=angle,
    )


def edge(*, angle: float | None = None, circuit: Callable[[float], Circuit] | None = None) -> Hypothesis:
    """A straight edge; its angle points from dark to light, so polarity matters."""
    factors = {name: levels for name, levels in SOLID.items() if name != "polarity"}
    replica = {name: levels for name, levels in SOLID_REPLICA.items() if name != "polarity"}
    return Hypothesis(
        name="edge",
        shape=Edge(),
        period=360,
        rivals={"line": Line(width=3), "corner": Corner(opening=90, fill=1.0), "noise": NoiseTexture()},
        factors=factors,
        replica=replica,
        circuit=circuit,
        angle=angle,
    )


def circle(
    *,
    radius: float | None = None,
    circuit: Callable[[float], Circuit] | None = None,
    sizes: Sequence[float] = log(6, 32, 6),
) -> Hypothesis:
    """A circle of a radius; it has no angle."""
    return Hypothesis(
        name="circle",
        shape=Ring(thickness=2),
        period=None,
        size="radius",
        sizes=sizes,
        rivals={
            "curve": Curve(radius=14, length=40),
            "line": Line(),
            "corner": Corner(opening=90),
            "spiral": Spiral(),
            "texture": Grating(wavelength=8),
        },
        factors={
            **_POLARITY,
            "width": ({"thickness": 1.5}, {"thickness": 3.0}, {"thickness": 5.0}),
            "contrast": STROKED["contrast"],
            "colour": STROKED["colour"],
            "noise": STROKED["noise"],
        },
        replica={
            **_POLARITY,
            "width": ({"thickness": 2.0}, {"thickness": 4.0}),
            "contrast": STROKED_REPLICA["contrast"],
            "jitter": STROKED_REPLICA["jitter"],
            "noise": STROKED_REPLICA["noise"],
        },
        circuit=circuit,
        at=radius,
    )


def corner(
    *, angle: float | None = None, opening: float = 90.0, circuit: Callable[[float], Circuit] | None = None
) -> Hypothesis:
    """A corner; its angle is the way it points."""
    return Hypothesis(
        name="corner",
        shape=Corner(opening=opening),
        period=360,
        rivals={
            "curve": Curve(radius=20),
            "line": Line(),
            "circle": Ring(radius=14, thickness=2),
            "noise": NoiseTexture(),
        },
        factors=STROKED,
        replica=STROKED_REPLICA,
        circuit=circuit,
        angle=angle,
    )


def high_low(*, angle: float | None = None, circuit: Callable[[float], Circuit] | None = None) -> Hypothesis:
    """A boundary between high and low frequency; its angle points to the side of high frequency.

    Source: Schubert et al., "High-Low Frequency Detectors", Distill (2021).
    """
    return Hypothesis(
        name="high-low frequency",
        shape=HighLow(),
        period=360,
        size="wavelength",
        sizes=log(8, 32, 4),
        rivals={
            "high frequency": HighLow(wavelength=5, ratio=1),
            "low frequency": HighLow(wavelength=16, ratio=1),
            "edge": Edge(),
            "noise": NoiseTexture(),
        },
        factors=TEXTURED,
        replica=TEXTURED_REPLICA,
        circuit=circuit,
        angle=angle,
    )


def head(*, angle: float | None = None, circuit: Callable[[float], Circuit] | None = None) -> Hypothesis:
    """The head of an animal that faces an angle: 0 to the right, 180 to the left (upside down, as a turned one is).

    Source: Olah et al., "Zoom In", Distill (2020), Oriented dog heads.
    """
    return Hypothesis(
        name="head",
        shape=Head(),
        period=360,
        size="skull",
        sizes=log(7, 20, 4),
        rivals={"jumbled head": Head(jumble=1.0), "circle": Ring(radius=14, thickness=2), "curve": Curve()},
        factors={**_POLARITY, "contrast": STROKED["contrast"], "noise": STROKED["noise"]},
        replica={**_POLARITY, "contrast": STROKED_REPLICA["contrast"], "noise": STROKED_REPLICA["noise"]},
        circuit=circuit,
        angle=angle,
    )


HYPOTHESES: Mapping[str, Callable[..., Hypothesis]] = {
    "curves": curve,
    "lines": line,
    "edges": edge,
    "circles": circle,
    "corners": corner,
    "high-low": high_low,
    "heads": head,
}
"""What `circuitkit find` looks for, by name."""
