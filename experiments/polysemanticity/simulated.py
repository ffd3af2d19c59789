"""Simulated units of known meanings: how often is one taken for several, and how far apart must several be?"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float

from circuitkit.polysemantic import Meanings, kinds
from circuitkit.valleys import DRAWS

Cloud = Float[np.ndarray, "stimulus channel"]
Draw = Callable[[np.random.Generator, int, int], Cloud]

SHARE = 0.1
"""Of the stimuli, those that drive a unit, in all simulations."""


def _elongated(rng: np.random.Generator, count: int, channels: int) -> Cloud:
    return rng.normal(size=(count, channels)) * 10 / np.arange(1, channels + 1)


def _elliptical(rng: np.random.Generator, count: int, channels: int) -> Cloud:
    """Draws from Student's t with two degrees of freedom: every channel of a stimulus is large at once."""
    return _elongated(rng, count, channels) / np.sqrt(rng.chisquare(2, size=(count, 1)) / 2)


def _ridge(rng: np.random.Generator, count: int, channels: int) -> Cloud:
    """Draws points along a third of a circle: one kind of thing, whose pose varies."""
    angle = np.radians(rng.uniform(-60, 60, size=count))
    cloud = rng.normal(size=(count, channels))
    cloud[:, :2] += 10 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return cloud


ONE: Mapping[str, Draw] = {
    "Gaussian": lambda rng, count, channels: rng.normal(size=(count, channels)),
    "elongated": _elongated,
    "flat": lambda rng, count, channels: rng.random((count, channels)) / np.arange(1, channels + 1),
    "skewed": lambda rng, count, channels: rng.exponential(size=(count, channels)) / np.arange(1, channels + 1),
    "very skewed": lambda rng, count, channels: rng.lognormal(size=(count, channels)),
    "rectified": lambda rng, count, channels: np.maximum(_elongated(rng, count, channels), 0),
    "heavy-tailed, elliptical": _elliptical,
    "heavy-tailed, each channel": lambda rng, count, channels: rng.standard_t(2, size=(count, channels)),
    "a curved ridge": _ridge,
}
"""Clouds of one part."""


def unit(count: int, apart: float, *, seed: int, stimuli: int = 1000, channels: int = 64) -> Meanings:
    """Returns what is found in a unit of some meanings, at a distance of their means in standard deviations.

    As many stimuli as drive it have one of the meanings, directions at right angles, which the unit reads the sum of.
    All have Gaussian noise of 1 in every channel, so that at little distance what drives the unit is mostly noise.
    """
    rng = np.random.default_rng([count, seed])
    held = rng.normal(size=(stimuli, channels))
    which = np.concatenate([np.arange(int(SHARE * stimuli)) % count, np.full(stimuli, count)])[:stimuli]
    meant = np.linalg.qr(rng.normal(size=(channels, channels)))[0][:count] * apart / np.sqrt(2)
    held = held + np.concatenate([meant, np.zeros((1, channels))])[which]
    responses = held @ meant.sum(0) / np.linalg.norm(meant.sum(0)) if apart else held @ np.ones(channels)
    return kinds(responses, held, share=SHARE, seed=seed)


def false_alarms(units: int, *, channels: tuple[int, ...] = (2, 64), stimuli: int = 1000) -> pd.DataFrame:
    """Returns how often clouds of one part are taken for several: those that drive a unit the most, and as they are."""

    def rows() -> Iterator[dict[str, object]]:
        for name, draw in ONE.items():
            for width in channels:
                for cut in (True, False):
                    p = np.array([chance(draw, width, stimuli=stimuli, cut=cut, seed=seed) for seed in range(units)])
                    rates = {f"p <= {level:g}": np.mean(p <= level) for level in (0.05, 0.01)}
                    yield {"cloud": name, "channels": width, "cut": cut, "units": units} | rates

    return pd.DataFrame(rows())


def chance(draw: Draw, channels: int, *, stimuli: int, cut: bool, seed: int, draws: int = DRAWS) -> float:
    """Returns p of a unit that reads a random direction, or of as many stimuli that were taken at random."""
    rng = np.random.default_rng([seed, channels])
    held = draw(rng, stimuli, channels)
    along = held @ rng.normal(size=channels)
    responses = along - along.min() if cut else rng.random(stimuli)
    return kinds(responses, held, share=SHARE, draws=draws, seed=seed).p


def power(units: int, *, distances: tuple[float, ...] = (2, 4, 6, 8)) -> pd.DataFrame:
    """Returns how often so many meanings are found at a distance."""
    rows = []
    for count in (1, 2, 3, 4):
        for apart in distances:
            found = [unit(count, apart, seed=seed) for seed in range(units)]
            right = np.mean([each.count == count for each in found])
            several = np.mean([each.p <= 0.01 for each in found])
            rows.append({"meanings": count, "apart": apart, "p <= 0.01": several, "count is right": right})
    return pd.DataFrame(rows)
