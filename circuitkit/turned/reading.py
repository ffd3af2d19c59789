"""Images through the part of a net that a read-out needs, and how much float32 may change of what comes out."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from circuitkit.cropping import Cropped
from circuitkit.probe import Probe, Site
from circuitkit.streaming import block_size, stream

Draw = Callable[[Int[np.ndarray, " sample"]], Float[np.ndarray, "sample h w channel"]]
"""From the numbers of some samples to their images, on the pixels that are read."""

_STEP = 2.0**-12
"""Share by which weights and pixels are changed: small for a derivative, large against float32's own rounding."""

_DRAWS = 4
"""How often all of them are changed: a sparse unit may respond to one image alone."""

ROUNDINGS = 256.0
"""What a response is allowed, in units of what one rounding of each weight and pixel makes of it: as many as a sum of
65,536 terms gathers when each addition is rounded at random."""


@dataclasses.dataclass(frozen=True, eq=False)
class Reading:
    """A net from pixels to a window of a map; one program, whatever the images.

    Attributes:
        cropped: The net, cropped.
        x: Of each column of pixels that is read, to the right of the centre, in pixels.
        y: Of each row, up from the centre, in pixels.
    """

    cropped: Cropped
    x: Float[np.ndarray, " w"]
    y: Float[np.ndarray, " h"]

    @classmethod
    def middle(cls, probe: Probe, site: Site, *, count: int, channels: int = 1) -> "Reading":
        """Returns what reads the unit at a site, about whose field's centre images are turned."""
        row, column = site.unit
        return cls._of(probe, site, (count, channels), rows=(row, row + 1), columns=(column, column + 1))

    @classmethod
    def whole(cls, probe: Probe, height: int, width: int, *, count: int, channels: int = 1) -> "Reading":
        """Returns what reads all of the map, about the image's centre."""
        site = Site(height, width, (0, 0), ((height - 1) / 2, (width - 1) / 2))
        return cls._of(probe, site, (count, channels), rows=None, columns=None)

    @classmethod
    def _of(cls, probe: Probe, site: Site, shown: tuple[int, int], *, rows: Any, columns: Any) -> "Reading":
        count, channels = shown
        one = probe.reading(site, images=1, channels=channels, rows=rows, columns=columns)
        # At most `count`: blocks are then of one shape, however many motions there are.
        block = block_size(one.image_bytes, count, platform=jax.devices()[0].platform)
        cropped = probe.reading(site, images=block, channels=channels, rows=rows, columns=columns)
        x = np.arange(*cropped.columns) - site.anchor[1]
        return cls(cropped, x.astype(float), (site.anchor[0] - np.arange(*cropped.rows)).astype(float))

    def responses(
        self, draw: Draw, total: int, *, constants: dict[int, Array] | None = None
    ) -> Float[np.ndarray, "sample row column unit"]:
        """Returns the window of the map for each of so many images."""
        block = self.cropped.shape[0]
        found = np.empty((total, *self.cropped.result_shape[1:]), np.float32)
        blocks = range(-(-total // block))
        weights = self.cropped.constants if constants is None else constants
        computed = stream(
            lambda weights, images, valid: self.cropped.apply(weights, images),
            weights,
            draw,
            blocks,
            size=block,
            total=total,
        )
        for number, values in computed:
            start = number * block
            found[start : start + block] = values[: total - start]
        return found

    def changes(self, draw: Draw, total: int, *, seed: int) -> Float[np.ndarray, "sample row column unit"]:
        """Returns by how much responses change, by root mean square, if all weights and pixels do by a random share.

        A float32 sum is off in proportion to its terms, not to itself: where inhibition takes away nearly all of the
        excitation, a small response carries the rounding of large terms. Changed one by one, terms show how large they
        are, in every layer, biases and all.

        Source:
            Stochastic arithmetic: Parker, Monte Carlo Arithmetic (1997). Higham, "Accuracy and Stability of Numerical
            Algorithms" (2002), section 3.
        """
        rng = np.random.default_rng(seed)
        before = self.responses(draw, total).astype(np.float64)
        squares = np.zeros_like(before)
        for _ in range(_DRAWS):
            constants = {
                number: jnp.asarray(_changed(np.asarray(value), rng))
                # What is no array of floats decides, counts or picks.
                if value.ndim and jnp.issubdtype(value.dtype, jnp.floating)
                else value
                for number, value in self.cropped.constants.items()
            }
            shares = _changed(np.ones((256, *self.cropped.shape[1:]), np.float32), rng)
            images = functools.partial(_scaled, draw, shares)
            squares += (self.responses(images, total, constants=constants) - before) ** 2 / _DRAWS
        return np.sqrt(squares)


def _changed(values: Any, rng: np.random.Generator) -> Any:
    return (values * (1 + _STEP * rng.choice((-1.0, 1.0), values.shape))).astype(values.dtype)


def _scaled(
    draw: Draw, shares: Float[np.ndarray, "_ h w channel"], numbers: Int[np.ndarray, " sample"]
) -> Float[np.ndarray, "sample h w channel"]:
    return draw(numbers) * shares[numbers % len(shares)]


def rounding(change: float | Float[np.ndarray, "..."]) -> Any:
    """Returns the error that float32 may leave, from `Reading.changes`."""
    return ROUNDINGS * 2.0**-24 / _STEP * change
