"""Objects made of figures: a head and a car, seen from the side, with parts that can be resized, moved or left out.

An object faces right at angle 0. Its silhouette is one figure, filled or outlined like any other; details such as an
eye or a wheel are painted over it in a tone of their own. They are drawings of ours: what they are for is that every
part is known, so that a unit can be asked which of them it looks for, and where.
"""

import abc
import dataclasses
import functools
from typing import NamedTuple, Self

import jax.numpy as jnp
from jaxtyping import Array, Float

from circuitkit import checks
from circuitkit.geometry import Pixels, Scalar
from circuitkit.stimuli import noise
from circuitkit.stimuli.combine import Difference, Intersection, Offset
from circuitkit.stimuli.parameter import Colour, colour, number, pixels
from circuitkit.stimuli.render import Cut, Points
from circuitkit.stimuli.solids import Bar, Disc, Ellipse, Star, Wedge
from circuitkit.stimuli.stimulus import Figure, Image, stimulus

_FAR = 1e3  # pixels: where the outline of a part that is not there is


class _Part(NamedTuple):
    """A part of an object, in the object's frame.

    Attributes:
        figure: Its shape and place.
        shown: How opaque it is.
    """

    figure: Figure
    shown: Scalar = 1.0


@stimulus
class _Object(Figure):
    """A silhouette with details."""

    facing: Scalar = number(default=1.0, doc="1 to face right, -1 left.")
    detail: Colour | None = colour(
        default=None, doc="Of the details; as far below the background as the foreground is above, if left out."
    )

    @abc.abstractmethod
    def silhouette(self) -> tuple[_Part, ...]:
        """Returns the parts that the outline runs round."""

    @abc.abstractmethod
    def details(self) -> tuple[Figure, ...]:
        """Returns what is painted over the silhouette, from back to front."""

    @property
    def body(self) -> Self:
        """The object as it is before its details are painted."""
        return self

    @property
    def tones(self) -> tuple[Colour, Colour]:
        """The colour of the silhouette, and that of the details."""
        background = jnp.asarray(self.background, jnp.float32)
        foreground = background + 1 if self.foreground is None else jnp.asarray(self.foreground, jnp.float32)
        return foreground, 2 * background - foreground if self.detail is None else self.detail

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the nearest part of the silhouette; exact outside, a bound inside."""
        distances = [
            jnp.where(jnp.asarray(shown) > 0, figure.distance(*figure.own(x, y)), _FAR)
            for figure, shown in self.silhouette()
        ]
        return functools.reduce(jnp.minimum, distances)

    def covered(self, cut: Cut) -> Points:
        """Returns the area of the silhouette."""
        left = [1 - shown * figure.covered(cut.through(figure.own)) for figure, shown in self.silhouette()]
        return 1 - functools.reduce(jnp.multiply, left)

    def own(self, x: Points, y: Points) -> tuple[Points, Points]:
        """Returns points in the object's own frame, in which it faces right."""
        x, y = super().own(x, y)
        return self.facing * x, y

    def paint(self, canvas: Image, cut: Cut) -> Image:
        """Returns the canvas with silhouette and details painted over it."""
        # Tone and occluder come last, over the details as well.
        body = dataclasses.replace(self.body, contrast=1.0, polarity=1.0, occluder=None)
        painted = super(_Object, body).paint(canvas, cut)
        for figure in self.details():
            painted = dataclasses.replace(figure, blur=self.blur).paint(painted, cut.through(self.own))
        image = self.toned(canvas, painted)
        return image if self.occluder is None else self.occluder.paint(image, cut)


@stimulus
class Head(_Object):
    """The head of an animal, from the side. The anchor lies in the middle of its skull.

    `jumble` turns every part about the skull, each by an angle of its own: at 1, all parts are there and every one is
    on a wrong side. Another `seed` is another arrangement.

    Source:
        Olah et al., "Zoom In: An Introduction to Circuits", Distill (2020), Oriented dog heads: the same head facing
        either way, and heads that join the neck on the correct side. Shapes and numbers are ours.
    """

    skull: Pixels = pixels(default=11.0, doc="Half its length.", above=0)
    snout: Pixels = pixels(default=12.0, doc="How far it sticks out of the skull.", at_least=0)
    ear: Pixels = pixels(default=11.0, doc="How far it sticks out of the skull.", at_least=0)
    eye: Pixels = pixels(default=2.0, doc="Radius.", at_least=0)
    nose: Pixels = pixels(default=2.8, doc="Radius.", at_least=0)
    neck: Pixels = pixels(default=12.0, doc="Thickness; 0 for none.", at_least=0)
    neck_side: Scalar = number(default=1.0, doc="1 behind the head, where it belongs; -1 in front, under the snout.")
    jumble: Scalar = number(default=0.0, doc="How far the parts are from where they belong.", at_least=0, at_most=1)

    def silhouette(self) -> tuple[_Part, ...]:
        """Returns skull, snout, ear and neck."""
        size = self.skull
        skull = Ellipse(length=2 * size, thickness=1.8 * size)
        snout = _tip(size + self.snout, -0.32 * size, inner=0.27 * size, rounding=0.23 * size)
        ear = _tip(size + self.ear, 0.0, inner=0.45 * size, rounding=0.18 * size)
        neck = Bar(x=1.4 * size, length=2.8 * size, thickness=self.neck)
        return (
            _Part(skull),
            _Part(self._jumbled(snout, 0)),
            _Part(self._jumbled(ear.turned(112), 1), _there(self.ear)),
            _Part(self._jumbled(neck.turned(270 - 32 * self.neck_side), 2), _there(self.neck)),
        )

    def details(self) -> tuple[Figure, ...]:
        """Returns eye and nose."""
        size, (_, tone) = self.skull, self.tones
        eye = Disc(x=0.42 * size, y=0.34 * size, radius=self.eye, foreground=tone)
        nose = Disc(x=size + self.snout - 2 * self.nose, y=-0.32 * size, radius=self.nose, foreground=tone)
        return self._jumbled(eye, 3), self._jumbled(nose, 4)

    def _jumbled(self, part: Figure, index: int) -> Figure:
        """Returns a part turned about the skull."""
        if checks.is_plain(self.jumble) and self.jumble == 0:
            return part
        one = jnp.zeros((1, 1), jnp.float32)
        start = noise.uniform(one, one, self.seed)[0, 0]
        # Steps of the golden ratio: never two parts by nearly the same angle, and none back to its own side.
        return part.turned(self.jumble * (90 + 180 * jnp.mod(start + 0.618 * index, 1)))


@stimulus
class Car(_Object):
    """A car, from the side: windows on top, the body, wheels at the bottom. The anchor lies in its middle.

    `windows`, `fill` and `wheels` leave out one of the three.

    Source:
        Olah et al., "Zoom In: An Introduction to Circuits", Distill (2020), Superposition: the car detector looks for
        windows above, a car body, and wheels below. Shapes and numbers are ours.
    """

    length: Pixels = pixels(default=50.0, doc="Of the body.", above=0)
    height: Pixels = pixels(default=11.0, doc="Of the body.", above=0)
    cabin: Pixels = pixels(default=11.0, doc="Height of the cabin, above the body.", at_least=0)
    wheel: Pixels = pixels(default=6.0, doc="Radius of the wheels.", at_least=0)
    windows: Scalar = number(default=1.0, doc="How opaque the windows are.", at_least=0, at_most=1)
    wheels: Scalar = number(default=1.0, doc="How opaque the wheels are.", at_least=0, at_most=1)

    @property
    def body(self) -> Self:
        """The car without wheels, lest their light silhouette shine out from under them."""
        return dataclasses.replace(self, wheels=0.0)

    def silhouette(self) -> tuple[_Part, ...]:
        """Returns body, cabin and wheels."""
        corner = self.height / 3
        block = Bar(length=self.length - 2 * corner, thickness=self.height - 2 * corner)
        wheels = [_Part(wheel, self.wheels) for wheel in self._discs(self.wheel)]
        return _Part(Offset(figure=block, by=corner)), _Part(self._cabin, _there(self.cabin)), *wheels

    def details(self) -> tuple[Figure, ...]:
        """Returns windows, wheels and hubs."""
        light, dark = self.tones
        frame = self.height / 5
        panes = Offset(figure=self._cabin, by=-frame)
        pillar = Bar(x=self._cabin.first.x, y=self.height / 2, length=frame, thickness=4 * self.cabin)
        windows = Difference(first=panes, second=pillar, foreground=dark, fill=self.windows)
        tyres = [dataclasses.replace(disc, foreground=dark, fill=self.wheels) for disc in self._discs(self.wheel)]
        hubs = [dataclasses.replace(disc, foreground=light, fill=self.wheels) for disc in self._discs(0.4 * self.wheel)]
        return windows, *tyres, *hubs

    @property
    def _cabin(self) -> Intersection:
        """A roof cut off flat: it reaches into the body as far as the windows' frame is thick."""
        wide, frame = 0.3 * self.length, self.height / 5
        x = -0.07 * self.length
        roof = Wedge(x=x, y=self.height / 2 + wide / 0.7, angle=90.0, opening=70.0)
        slab = Bar(x=x, y=(self.height + self.cabin - frame) / 2, length=3 * wide, thickness=self.cabin + frame)
        return Intersection(first=roof, second=slab)

    def _discs(self, radius: Pixels) -> tuple[Disc, Disc]:
        """Returns a disc on either axle."""
        x, y = 0.3 * self.length, -self.height / 2
        return Disc(x=-x, y=y, radius=radius), Disc(x=x, y=y, radius=radius)


def _tip(far: Pixels, y: Pixels, *, inner: Pixels, rounding: Pixels) -> Figure:
    """Returns a diamond from the anchor to a point `far` along x, its tips rounded: what a corner is looked for in."""
    diamond = Star(points=2, x=far / 2, y=y, radius=far / 2 - rounding, inner=inner)
    return Offset(figure=diamond, by=rounding)


def _there(size: Pixels) -> Float[Array, ""]:
    """Returns 1 for a part that has a size and 0 for one that has none, whose outline is not to be drawn either."""
    return jnp.where(jnp.asarray(size) > 0, 1.0, 0.0)
