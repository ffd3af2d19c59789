"""What every stimulus is: something drawn round an anchor, with a pose and a look.

A `Figure` is an implicit shape: its class says how far the outline is from every point, and everything else follows
from that distance: fill, stroke, either side's colour, blur, dashes, what is painted in it or over it. A `Pattern` is
a value for every point: gratings, textures, photographs.

A stimulus stands in a frame of its own, at angle 0, with its anchor at the origin: x along its angle, y a quarter
turn on. `draw` turns and moves the pixels into that frame. Parameters are pixels and degrees, and all but the
parts (a texture, an occluder) are numbers or colours that may be traced: to vary one in a grid or to
differentiate by it takes no more than naming it.

    image = background + contrast * polarity * (painted - background) + noise

so polarity mirrors an image about its background, exactly. Nothing is clipped: values beyond -1 and 1 are kept.
"""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, Self, TypeVar, dataclass_transform

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from circuitkit import checks
from circuitkit.errors import StimulusError, unknown_name
from circuitkit.geometry import Degrees, Pixels, Scalar, norm, pixel_grid, turning
from circuitkit.stimuli import noise
from circuitkit.stimuli.parameter import (
    Colour,
    attributes,
    check,
    colour,
    degrees,
    number,
    parameters,
    part,
    picture,
    pixels,
)
from circuitkit.stimuli.render import FAST, Cut, Points, Renderer

Image = Float[Array, "h w _"]
"""Rows, columns and channels: 1 or 3. Painting in colour on a grey canvas makes 3 of 1."""

_S = TypeVar("_S")

CATALOGUE: dict[str, "type[Stimulus]"] = {}
"""Every kind of stimulus, by its class name."""


@dataclass_transform(
    kw_only_default=True, frozen_default=True, field_specifiers=(pixels, degrees, number, colour, part, picture)
)
def stimulus(cls: type[_S]) -> type[_S]:
    """Makes a class a kind of stimulus: a frozen dataclass, a pytree, documented, and listed in the catalogue."""
    made: Any = dataclasses.dataclass(frozen=True, kw_only=True, repr=False)(cls)
    jax.tree_util.register_dataclass(made)
    if not made.__abstractmethods__:
        CATALOGUE[made.__name__] = made
    if own := [field for field in dataclasses.fields(made) if field.name in cls.__annotations__]:
        made.__doc__ = f"{made.__doc__}\n\n    {attributes(own)}\n"
    return made


@stimulus
class Stimulus(abc.ABC):
    """Something that can be drawn, with a pose and a tone."""

    x: Pixels = pixels(default=0.0, doc="How far to the right of the anchor it stands.")
    y: Pixels = pixels(default=0.0, doc="How far above the anchor it stands.")
    angle: Degrees = degrees(default=0.0, doc="How far it is turned, counter-clockwise.")
    flip: Scalar = number(default=1.0, doc="1, or -1 for its mirror image: y reversed, in its own frame.")
    contrast: Scalar = number(default=1.0, doc="Scales all that is painted, against the background.")
    polarity: Scalar = number(default=1.0, doc="1, or -1 to exchange light and dark about the background.")
    background: Colour = colour(default=0.0, doc="What the rest of the image is.")
    noise: Scalar = number(default=0.0, doc="Standard deviation of white noise, pixel by pixel.", at_least=0)
    pink: Scalar = number(default=0.0, doc="Standard deviation of noise whose amplitude is 1 / frequency.", at_least=0)
    seed: Scalar = number(default=0.0, doc="Which noise, jitter or arrangement: another number, another one.")

    def __post_init__(self) -> None:
        owner = type(self).__name__
        for name, parameter in parameters(self).items():
            object.__setattr__(self, name, check(owner, name, parameter, getattr(self, name)))

    def draw(
        self,
        height: int,
        width: int | None = None,
        *,
        anchor: tuple[float, float] | None = None,
        renderer: Renderer = FAST,
    ) -> Image:
        """Draws the stimulus.

        Args:
            height: Of the image, in pixels.
            width: Of the image, in pixels; `height` if left out.
            anchor: Row and column, in pixel indices, where the stimulus stands; the image's centre if left out.
                Fractions count.
            renderer: `FAST`, `EXACT`, or one with `samples` of your own.

        Returns:
            The image: 3 channels if any colour is RGB, otherwise 1.

        Raises:
            SpecError: If a side is no whole number above 0.
        """
        width = height if width is None else width
        for name, side in (("height", height), ("width", width)):
            checks.whole("draw", name, side)
        if anchor is None:
            anchor = ((height - 1) / 2, (width - 1) / 2)
        cut = Cut(*_squares(height, width, anchor, renderer.samples), renderer)
        canvas = jnp.broadcast_to(_channels(self.background), (*cut.x.shape, _channels(self.background).shape[-1]))
        image = self.paint(canvas, cut)
        if renderer.samples > 1:
            fine = renderer.samples
            image = image.reshape(height, fine, width, fine, -1).mean((1, 3))
        return self._with_noise(image, *_squares(height, width, anchor, 1))

    @abc.abstractmethod
    def paint(self, canvas: Image, cut: Cut) -> Image:
        """Returns the canvas with the stimulus painted over it."""

    def place(self, x: Points, y: Points) -> tuple[Points, Points]:
        """Returns points of the frame that the stimulus stands in, in its own frame."""
        cos, sin = turning(self.angle)
        if not _plainly(self.x, 0) or not _plainly(self.y, 0):
            x, y = x - self.x, y - self.y
        across, up = cos * x + sin * y, cos * y - sin * x
        return across, up if _plainly(self.flip, 1) else self.flip * up

    def turned(self, angle: Degrees) -> Self:
        """Returns the stimulus turned about the anchor, counter-clockwise, so that the whole image turns."""
        cos, sin = (_plain(part) for part in turning(angle))
        x, y = cos * self.x - sin * self.y, sin * self.x + cos * self.y
        return dataclasses.replace(self, x=x, y=y, angle=self.angle + angle)

    def mirrored(self) -> Self:
        """Returns the stimulus mirrored left to right about the anchor, so that the whole image is."""
        return dataclasses.replace(self, x=-self.x, angle=180 - self.angle, flip=-self.flip)

    def with_values(self, values: Mapping[str, Any]) -> Self:
        """Returns the stimulus with other values of some parameters; a dot leads into a part: `texture.wavelength`.

        Raises:
            UnknownNameError: If there is no such parameter.
            StimulusError: If a value cannot be drawn, or a part is not there.
        """
        own: dict[str, Any] = {}
        inner: dict[str, dict[str, Any]] = {}
        known = parameters(self)
        for name, value in values.items():
            first, _, rest = name.partition(".")
            if first not in known:
                raise unknown_name("parameter", first, known, owner=f"stimulus {type(self).__name__}")
            if rest:
                inner.setdefault(first, {})[rest] = value
            else:
                own[first] = value
        for name, changes in inner.items():
            holds = getattr(self, name)
            if not isinstance(holds, Stimulus):
                raise StimulusError(
                    f"{type(self).__name__} has {name}={holds!r}, which has no parameter {next(iter(changes))!r}: "
                    f"give it a stimulus there first."
                )
            own[name] = holds.with_values(changes)
        return dataclasses.replace(self, **own)

    def toned(self, canvas: Image, painted: Image) -> Image:
        """Returns what was painted on a canvas at the stimulus's contrast and polarity."""
        if _plainly(self.contrast, 1) and _plainly(self.polarity, 1):
            return painted
        return canvas + self.contrast * self.polarity * (painted - canvas)

    def _with_noise(self, image: Image, x: Points, y: Points) -> Image:
        # Squares are named by where they are from the anchor, so that a crop has the noise of the whole.
        for amount, kind in ((self.noise, noise.white), (self.pink, noise.pink)):
            if not _plainly(amount, 0):
                image = image + (amount * kind(x, y, self.seed))[:, :, None]
        return image

    def __repr__(self) -> str:
        fields = [field for field in dataclasses.fields(self) if not _same(getattr(self, field.name), field.default)]
        return f"{type(self).__name__}({', '.join(f'{f.name}={_short(getattr(self, f.name))}' for f in fields)})"


@stimulus
class Figure(Stimulus):
    """An implicit shape: how far its outline is from every point, and how it is painted."""

    foreground: Colour | None = colour(default=None, doc="Of stroke and fill; the background plus 1 if left out.")
    width: Pixels = pixels(default=0.0, doc="Of the stroke along the outline; 0 for none.", at_least=0)
    fill: Scalar = number(default=1.0, doc="How opaque the inside is.", at_least=0, at_most=1)
    inside: Colour | None = colour(default=None, doc="Of the inside, where it is filled; the foreground if left out.")
    outside: Colour | None = colour(default=None, doc="Of the other side; the background if left out.")
    blur: Pixels = pixels(default=0.0, doc="Standard deviation of a Gaussian that softens every edge.", at_least=0)
    dash: Pixels = pixels(default=0.0, doc="Length of the dashes of the stroke; 0 for a whole one.", at_least=0)
    gap: Pixels = pixels(default=0.0, doc="Between dashes; as long as a dash if 0.", at_least=0)
    jitter: Pixels = pixels(
        default=0.0, doc="How far the outline wavers: standard deviation of smooth noise.", at_least=0
    )
    jitter_scale: Pixels = pixels(default=8.0, doc="Over what distance the wavering changes.", above=0)
    texture: Stimulus | None = part(
        default=None, doc="Painted on the inside instead of a plain colour; it turns along."
    )
    occluder: Stimulus | None = part(default=None, doc="Painted over all of it, at its own place from the anchor.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self._dashable and checks.is_plain(self.dash) and self.dash > 0:
            raise StimulusError(
                f"{type(self).__name__} has dash={self.dash}: the arc length along its outline is not known, so it "
                "cannot be dashed. Lines, curves, discs and rings can, among others."
            )

    @abc.abstractmethod
    def distance(self, x: Points, y: Points) -> Points:
        """Returns the signed distance to the outline in the figure's own frame, in pixels; negative inside."""

    def along(self, x: Points, y: Points) -> Points:
        """Returns the arc length along the outline at the nearest point, in pixels; needed for dashes alone.

        Raises:
            StimulusError: If the kind does not say, and so cannot be dashed.
        """
        raise StimulusError(
            f"{type(self).__name__} has no arc length along its outline, so it cannot be dashed. Lines, curves, discs "
            "and rings can, among others."
        )

    def __or__(self, other: "Figure") -> "Figure":
        from circuitkit.stimuli.combine import Union  # which is made of figures

        return Union(first=self, second=other)

    def __and__(self, other: "Figure") -> "Figure":
        from circuitkit.stimuli.combine import Intersection

        return Intersection(first=self, second=other)

    def __sub__(self, other: "Figure") -> "Figure":
        from circuitkit.stimuli.combine import Difference

        return Difference(first=self, second=other)

    def covered(self, cut: Cut) -> Points:
        """Returns the share of each pixel that is inside."""
        return cut(self.distance).below(0)

    def stroked(self, cut: Cut) -> Points:
        """Returns the share of each pixel that a stroke along the outline covers."""
        return cut(self.distance).between(-self.width / 2, self.width / 2)

    def paint(self, canvas: Image, cut: Cut) -> Image:
        """Returns the canvas with the figure painted over it: outside, inside, stroke, occluder."""
        own = cut.through(self.own, blur=self.blur)
        foreground = _channels(self.background) + 1 if self.foreground is None else _channels(self.foreground)
        painted = canvas
        filled = not _plainly(self.fill, 0)
        if filled or self.outside is not None:
            area = self.covered(own)
            if self.outside is not None:
                painted = _over(painted, _channels(self.outside), 1 - area)
            if filled:
                inside = foreground if self.inside is None else _channels(self.inside)
                if self.texture is not None:
                    blank = jnp.broadcast_to(inside, (*cut.x.shape, inside.shape[-1]))
                    inside = self.texture.paint(blank, own)
                painted = _over(painted, inside, self.fill * area)
        if not _plainly(self.width, 0):
            stroke = self.stroked(own)
            if self._dashable and not _plainly(self.dash, 0):
                stroke = stroke * self._dashes(own)
            painted = _over(painted, foreground, stroke)
        image = self.toned(canvas, painted)
        return image if self.occluder is None else self.occluder.paint(image, cut)

    def own(self, x: Points, y: Points) -> tuple[Points, Points]:
        """Returns points in the figure's own frame, wavering if there is jitter."""
        x, y = self.place(x, y)
        if _plainly(self.jitter, 0):
            return x, y
        return noise.displaced(x, y, self.seed, amount=self.jitter, scale=self.jitter_scale)

    def turned(self, angle: Degrees) -> Self:
        """Returns the figure turned about the anchor, and with it what is painted over it."""
        turned = super().turned(angle)
        if turned.occluder is None:
            return turned
        return dataclasses.replace(turned, occluder=turned.occluder.turned(angle))

    def mirrored(self) -> Self:
        """Returns the figure mirrored left to right about the anchor, and with it what is painted over it."""
        mirrored = super().mirrored()
        if mirrored.occluder is None:
            return mirrored
        return dataclasses.replace(mirrored, occluder=mirrored.occluder.mirrored())

    @property
    def _dashable(self) -> bool:
        return type(self).along is not Figure.along

    def _dashes(self, cut: Cut) -> Points:
        whole = jnp.asarray(self.dash) <= 0
        dash = jnp.where(whole, 1.0, self.dash)
        period = dash + jnp.where(jnp.asarray(self.gap) <= 0, dash, self.gap)

        def from_dash(x: Points, y: Points) -> Points:
            along = self.along(x, y)
            return along - period * jax.lax.stop_gradient(jnp.round(along / period))

        return jnp.where(whole, 1.0, cut(from_dash).between(-dash / 2, dash / 2))


@stimulus
class Path(Figure):
    """A figure drawn as a line: stroked, and filled on its inner side only if asked to be."""

    width: Pixels = pixels(default=2.0, doc="Of the stroke.", at_least=0)
    fill: Scalar = number(
        default=0.0, doc="How opaque the inner side is, as if the path had no ends.", at_least=0, at_most=1
    )


@stimulus
class Pattern(Stimulus):
    """A value for every point, -1 to 1, seen through a round window."""

    foreground: Colour | None = colour(
        default=None, doc="What the value 1 looks like; the background plus 1 if left out."
    )
    aperture: Pixels = pixels(
        default=float("inf"), doc="Radius of the window; infinite for none.", above=0, infinite=True
    )
    softness: Pixels = pixels(
        default=0.0, doc="Standard deviation of the Gaussian that softens the window's edge.", at_least=0
    )

    @abc.abstractmethod
    def values(self, cut: Cut) -> Float[Array, "h w"] | Float[Array, "h w 3"]:
        """Returns the value at every pixel, or its colour relative to the background."""

    def window(self, cut: Cut) -> Points:
        """Returns how far the window is open, 0 to 1, at every pixel."""
        return dataclasses.replace(cut, blur=self.softness)(norm).below(self.aperture)

    def paint(self, canvas: Image, cut: Cut) -> Image:
        """Returns the canvas with the pattern painted over it."""
        own = cut.through(self.place, blur=0.0)
        values = self.values(own)
        background = _channels(self.background)
        if values.ndim == 2:
            unit = jnp.ones((1, 1, 1)) if self.foreground is None else _channels(self.foreground) - background
            values = values[:, :, None] * unit
        painted = background + self.contrast * self.polarity * values
        if _plainly(self.aperture, float("inf")):
            return jnp.broadcast_to(painted, (*cut.x.shape, max(painted.shape[-1], canvas.shape[-1])))
        return _over(canvas, painted, self.window(own))


def _squares(height: int, width: int, anchor: tuple[float, float], samples: int) -> tuple[Points, Points]:
    """Returns where the squares of an image are, in pixels from the anchor: x to the right, y upwards."""
    x, y = pixel_grid(height * samples, width * samples)
    return x / samples - (anchor[1] - (width - 1) / 2), y / samples + (anchor[0] - (height - 1) / 2)


def _channels(value: Colour) -> Float[Array, "1 1 channel"]:
    """Returns a colour as an image of one pixel."""
    parts = jnp.stack([jnp.asarray(each, jnp.float32) for each in value]) if isinstance(value, tuple) else value
    return jnp.asarray(parts, jnp.float32).reshape(1, 1, -1)


def _over(canvas: Image, painted: Float[Array, "_ _ _"], opacity: Points) -> Image:
    """Returns the canvas with something painted over it where it is opaque."""
    return canvas + opacity[:, :, None] * (painted - canvas)


def _plainly(value: Any, number: float) -> bool:
    """Says whether a parameter is a plain number with one value, so that what it does can be left out."""
    return checks.is_plain(value) and value == number


def _plain(value: Float[Array, ""]) -> Scalar:
    return value if isinstance(value, jax.core.Tracer) else float(value)


def _same(value: Any, default: Any) -> bool:
    return value is default or (checks.is_plain(value) and value == default)


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        if all(checks.is_plain(each) and abs(each) <= 1 for each in value):
            steps = [127.5 * (each + 1) for each in value]
            if all(abs(step - round(step)) < 1e-6 for step in steps):
                return repr("#" + "".join(f"{round(step):02x}" for step in steps))
        return f"({', '.join(_short(each) for each in value)})"
    if isinstance(value, jax.Array) and value.ndim > 1:
        return f"<array of {' x '.join(map(str, value.shape))}>"
    return f"{value:g}" if checks.is_plain(value) else repr(value)
