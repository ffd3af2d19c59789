"""Figures made of figures. The parts give their shapes and poses; the look is the whole's own.

Areas are combined pixel by pixel as if edges that share a pixel crossed it independently: exact where they cross at
right angles along the grid, and off in a single pixel otherwise. `Renderer(samples=4)` splits the pixels where that
is not good enough.
"""

import jax.numpy as jnp

from circuitkit.errors import StimulusError
from circuitkit.geometry import Pixels
from circuitkit.stimuli.parameter import part, pixels
from circuitkit.stimuli.render import Cut, Points
from circuitkit.stimuli.stimulus import Figure, Stimulus, stimulus


@stimulus
class _Pair(Figure):
    """Two figures, each at its own place."""

    first: Figure = part(doc="The one figure.")
    second: Figure = part(doc="The other figure.")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("first", "second"):
            _check_figure(self, name)

    def _distances(self, x: Points, y: Points) -> tuple[Points, Points]:
        return self.first.distance(*self.first.own(x, y)), self.second.distance(*self.second.own(x, y))

    def _areas(self, cut: Cut) -> tuple[Points, Points]:
        return self.first.covered(cut.through(self.first.own)), self.second.covered(cut.through(self.second.own))


@stimulus
class Union(_Pair):
    """What is inside either of two figures."""

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the nearer figure; exact outside, a bound inside."""
        return jnp.minimum(*self._distances(x, y))

    def covered(self, cut: Cut) -> Points:
        """Returns the area inside either."""
        first, second = self._areas(cut)
        return first + second - first * second


@stimulus
class Intersection(_Pair):
    """What is inside both of two figures."""

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the farther figure; exact inside, a bound outside."""
        return jnp.maximum(*self._distances(x, y))

    def covered(self, cut: Cut) -> Points:
        """Returns the area inside both."""
        first, second = self._areas(cut)
        return first * second


@stimulus
class Difference(_Pair):
    """What is inside the first figure and not inside the second."""

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the outline; a bound near corners."""
        first, second = self._distances(x, y)
        return jnp.maximum(first, -second)

    def covered(self, cut: Cut) -> Points:
        """Returns the area inside the first alone."""
        first, second = self._areas(cut)
        return first * (1 - second)


@stimulus
class Offset(Figure):
    """A figure grown by a margin, its corners rounded; or, by a negative margin, shrunk."""

    figure: Figure = part(doc="The figure.")
    by: Pixels = pixels(default=2.0, doc="How far the outline moves outwards.")

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_figure(self, "figure")

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the moved outline."""
        return self.figure.distance(*self.figure.own(x, y)) - self.by


@stimulus
class Outline(Figure):
    """The band that a figure's own stroke covers, as a solid: to be combined, filled with a texture, or occluded."""

    figure: Figure = part(doc="The figure; its `width` is the band's.")

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_figure(self, "figure")

    def distance(self, x: Points, y: Points) -> Points:
        """Returns the distance to the edge of the band, as if it had no ends."""
        return jnp.abs(self.figure.distance(*self.figure.own(x, y))) - self.figure.width / 2

    def covered(self, cut: Cut) -> Points:
        """Returns the coverage of the figure's stroke."""
        return self.figure.stroked(cut.through(self.figure.own))


def _check_figure(whole: Figure, name: str) -> None:
    held = getattr(whole, name)
    # While JAX takes a stimulus apart, something that is no stimulus may stand here for a moment.
    if held is None or (isinstance(held, str | int | float | Stimulus) and not isinstance(held, Figure)):
        raise StimulusError(f"{type(whole).__name__} has {name}={held!r}: wanted a figure, such as a Disc or a Bar.")
