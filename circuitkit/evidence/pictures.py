"""Pictures: what a whole layer makes of the hypothesised shape, to hold a unit's weights against.

The picture of a shape in a layer is how much more each of its units responds, at each place about the shape, to the
shape at one angle than to the shape at all angles (or, if it has no angle, than to its rivals). Weights that lay a
shape's pieces where they belong, and forbid the pieces of others, look like its picture in the layer that they read;
and a unit that is used as a detector of the shape has outgoing weights that look like its picture in the layer
that reads it. What a layer's units detect need not be known: it is measured.
"""

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float

from circuitkit.evidence.argument import Subject
from circuitkit.evidence.statistics import BOOTSTRAPS, CONFIDENCE
from circuitkit.hypothesis import Hypothesis, drawn_looks
from circuitkit.probe import Net
from circuitkit.stimuli import Grid, Stimulus, grid, turn
from circuitkit.stimuli.parameter import parameters
from circuitkit.sweep import tune

ANGLES = 24
LOOKS = 2

FEWEST_UNITS = 4
"""Of the other layer, that can be drawn again for an interval."""

PERMUTATIONS = 20
FEWEST_CONTROLS = 39
"""With fewer, the units' own weights in another order are controls, too: p could hardly fall to 0.05."""

MOST_SIZES = 3
"""That a picture is made at: one for each third of the sizes of a family's units will do."""

TURNS = 4
"""At which a shape without an angle, and each of its rivals, is shown."""

ACTIVE = 0.02
"""A unit takes part if its largest response is at least this share of what the strongest twentieth of its layer reach:
weights of units that no shape drives say nothing of it."""


def picture(
    net: Net,
    layer: str,
    hypothesis: Hypothesis,
    *,
    sizes: Sequence[float],
    window: tuple[int, int],
    seed: int,
) -> xr.DataArray:
    """Returns the picture of a shape in a layer, at all angles and some sizes.

    Args:
        net: The net.
        layer: The layer.
        hypothesis: The shape.
        sizes: In pixels; one number, whatever it is, for a shape without a size.
        window: How many of the layer's units, down and across, about the shape's anchor. An even number puts
            the anchor midway between two units.
        seed: Of the looks.

    Returns:
        An array (size, angle, unit, y, x), where `y` and `x` say how far above and to the right of the shape's anchor
        the centre of a unit's receptive field lies, in pixels; with the coordinate `peak` over `unit`, the largest mean
        response to the shape.
    """
    axes = {} if hypothesis.size is None else {hypothesis.size: tuple(sizes)}
    worn = drawn_looks(hypothesis.factors, LOOKS, seed)
    angle = turn(TURNS) if hypothesis.period is None else turn(ANGLES, over=hypothesis.period)
    shown = _seen(net, layer, grid(_beside(net, layer, hypothesis.shape, window), worn, angle=angle, **axes), window)
    if hypothesis.period is not None:
        base, angles = shown.mean("angle"), [float(each) for each in shown.angle.values]
    else:
        shown, angles = shown.mean("angle", keepdims=True), [0.0]
        rivals = []
        for rival in hypothesis.rivals.values():
            known = parameters(rival)
            fitting = {key: values for key, values in worn.items() if key in known} or {"contrast": [1.0] * LOOKS}
            stimuli = grid(_beside(net, layer, rival, window), fitting, angle=turn(TURNS))
            rivals.append(_seen(net, layer, stimuli, window).mean(("size", "angle")))
        base = xr.concat(rivals, "rival").mean("rival") if rivals else xr.zeros_like(shown.mean(("size", "angle")))
    peak = shown.max(("size", "angle", "y", "x")).values
    made = (shown - base).transpose("size", "angle", "unit", "y", "x")
    return made.assign_coords(size=list(sizes), angle=angles, peak=("unit", peak))


def _half_steps(net: Net, layer: str, window: tuple[int, int]) -> tuple[float, float]:
    """Returns how far down and to the right the shape moves, so that the window lies evenly about it."""
    field = net.receptive_field(layer)
    stride = (1, 1) if field is None else field.stride
    down, across = (step / 2 if count % 2 == 0 else 0.0 for count, step in zip(window, stride, strict=True))
    return down, across


def _beside(net: Net, layer: str, shape: Stimulus, window: tuple[int, int]) -> Stimulus:
    down, across = _half_steps(net, layer, window)
    return shape.with_values({"x": across, "y": -down})


def _seen(net: Net, layer: str, stimuli: Grid, window: tuple[int, int]) -> xr.DataArray:
    """Returns rectified responses, averaged over looks, the first axis: (size, angle, unit, y, x)."""
    down, across = _half_steps(net, layer, window)
    side = max(count + 1 - count % 2 for count in window)
    maps = tune(net[layer], stimuli, read_out="map", window=side)
    values = np.maximum(maps.values, 0).mean(0)
    found = xr.DataArray(
        values if maps.ndim == 6 else values[:, None],
        dims=("angle", "size", "y", "x", "unit"),
        coords={
            "angle": maps.angle.values,
            "unit": maps.unit.values,
            "y": maps.unit_y.values + down,
            "x": maps.unit_x.values - across,
        },
    )
    # Of an odd number of units one more than wanted, it is the first that lies too far out.
    rows, columns = (slice((side - count + 1) // 2, (side - count + 1) // 2 + count) for count in window)
    return found.isel(y=rows, x=columns)


class Comparison:
    """Weights of a subject's units held against pictures of the shape in the layer at the weights' other end.

    Attributes:
        subject: The units.
        picture: (size, angle, unit of the other layer, y, x).
        drives: 1 for units of the other layer that the shape drives, and that take part.
        size: Which of the picture's sizes is each unit's own.
        angles: Of the picture, in degrees.
        angle: Which of them is each unit's own.
        weights: (unit, source, place), those that take part.
        seen: Likewise: the picture at each unit's own pose.
        profile: (unit, angle): how well the weights match the picture at every angle.
    """

    def __init__(
        self, subject: Subject, weights: Float[np.ndarray, "unit source place"], picture: xr.DataArray
    ) -> None:
        said, poses = subject.hypothesis, subject.poses
        self.subject, self.picture = subject, picture
        self.drives = active(picture.peak.values)
        taking = np.flatnonzero(self.drives)
        self.weights = weights[:, taking]
        self.pictures = picture.values.reshape(*picture.shape[:3], -1)[:, :, taking]
        self.size = nearest(poses["size"].values, [float(size) for size in picture["size"].values])
        self.angles = picture.angle.values
        self.angle = [0] * len(self.size)
        if said.period is not None:
            self.angle = nearest(poses.angle.values, list(self.angles), period=said.period)
        self.profile = likeness(self.weights, self.pictures, self.size)
        self.seen = np.stack([self.pictures[s, a] for s, a in zip(self.size, self.angle, strict=True)])

    @property
    def units(self) -> list[str]:
        """Names of the units."""
        return list(self.subject.probe.unit_names)

    @property
    def match(self) -> Float[np.ndarray, " unit"]:
        """The correlation of weights and picture at each unit's own pose."""
        return self.profile[np.arange(len(self.angle)), self.angle]

    @property
    def angle_error(self) -> Float[np.ndarray, " unit"]:
        """How far the angle whose picture the weights look like most is from the unit's own, in degrees."""
        best = self.angles[self.profile.argmax(1)]
        return np.abs(self.subject.hypothesis.apart(best, self.subject.poses.angle.values))

    @property
    def relative(self) -> xr.DataArray:
        """The profile with each unit's own angle first, over `unit` and `relative`."""
        turned = np.stack([np.roll(row, -place) for row, place in zip(self.profile, self.angle, strict=True)])
        step = (self.subject.hypothesis.period or 360.0) / len(self.angles)
        return xr.DataArray(
            turned,
            dims=("unit", "relative"),
            coords={
                "unit": self.units,
                "relative": ("relative", step * np.arange(len(self.angles)), {"units": "degrees"}),
            },
            attrs={"long_name": "match with the picture at another angle"},
        )

    def interval(self) -> xr.DataArray:
        """Returns where the match lies with 95 % confidence: a bootstrap over units of the other layer."""
        weights, seen = self.weights, self.seen
        if weights.shape[1] < FEWEST_UNITS:  # then over their places, one by one
            weights, seen = (each.reshape(len(each), -1, 1) for each in (weights, seen))
        bounds = np.full((len(weights), 2), np.nan)
        if weights.shape[1]:
            draws = resampled(weights, seen, seed=self.subject.seed, draws=BOOTSTRAPS)
            known = np.isfinite(draws).any(1)
            tail = 100 * (1 - CONFIDENCE) / 2
            bounds[known] = np.nanpercentile(draws[known], [tail, 100 - tail], axis=1).T
        return xr.DataArray(bounds, dims=("unit", "bound"), coords={"unit": self.units, "bound": ["low", "high"]})

    def null(self, controls: Sequence["Comparison"]) -> xr.DataArray:
        """Returns the match of control units; where these are few, also of each unit's weights in another order."""
        draws = [each.match for each in controls]
        called = [each.subject.probe.net.name for each in controls for _ in each.match]
        if sum(int(np.isfinite(each).sum()) for each in draws) < FEWEST_CONTROLS:
            rng, shape = np.random.default_rng(self.subject.seed), self.weights.shape
            for _ in range(PERMUTATIONS):
                mixed = rng.permuted(self.weights.reshape(shape[0], -1), axis=1).reshape(shape)
                # At the angle that suits it best, as a control unit stands.
                draws.append(likeness(mixed, self.pictures, self.size).max(1))
                called += ["own weights, shuffled"] * shape[0]
        return xr.DataArray(
            np.concatenate(draws).astype(float), dims="draw", coords={"control": ("draw", called)}, name="match"
        )


def with_profiles(data: xr.Dataset, own: Comparison, controls: Sequence[Comparison]) -> xr.Dataset:
    """Returns the data of a figure with the profile of the units, and quantiles of those of controls."""
    data = data.assign(profile=own.relative)
    found = [each.relative.values for each in controls]
    known = np.concatenate(found) if found else np.zeros((0, len(own.angles)))
    known = known[np.isfinite(known).all(1)]
    if not len(known):
        return data
    data = data.assign_coords(quantile=[0.05, 0.5, 0.95])
    data["control_profile"] = ("quantile", "relative"), np.quantile(known, [0.05, 0.5, 0.95], axis=0)
    return data


def likeness(
    weights: Float[np.ndarray, "unit source place"], pictures: Float[np.ndarray, "size angle source place"],
    size: Sequence[int],
) -> Float[np.ndarray, "unit angle"]:  # fmt: skip
    """Returns the correlation of each unit's weights with the picture at every angle, at the unit's own size."""
    if not weights.size:
        return np.full((len(weights), pictures.shape[1]), np.nan)
    flat = _standardised(weights.reshape(len(weights), -1))
    seen = _standardised(pictures.reshape(*pictures.shape[:2], -1))
    return np.stack([seen[place] @ own for own, place in zip(flat, size, strict=True)])


def resampled(
    weights: Float[np.ndarray, "unit source place"],
    seen: Float[np.ndarray, "unit source place"],
    *,
    seed: int,
    draws: int,
) -> Float[np.ndarray, "unit draw"]:
    """Returns correlations over sources that were drawn again with replacement, all places of each at once."""
    rng, count = np.random.default_rng(seed), weights.shape[1]
    picks = rng.multinomial(count, np.full(count, 1 / count), size=draws).astype(float)
    places = weights.shape[2]
    sums = [
        each.sum(2) @ picks.T / (count * places)
        for each in (weights, seen, weights * seen, weights**2, seen**2)
    ]  # fmt: skip
    w, t, wt, ww, tt = sums
    spread = np.maximum(ww - w**2, 0) * np.maximum(tt - t**2, 0)
    return np.where(spread > 0, (wt - w * t) / np.sqrt(np.maximum(spread, 1e-300)), np.nan)


def nearest(values: Float[np.ndarray, " unit"], known: Sequence[float], *, period: float | None = None) -> list[int]:
    """Returns the index of the nearest of some numbers: angles if there is a period, sizes on a log scale if not."""
    known_values = np.asarray(known, float)
    if period is not None:
        apart = np.abs((values[:, None] - known_values + period / 2) % period - period / 2)
    elif len(known_values) == 1:
        return [0] * len(values)
    else:
        apart = np.abs(np.log(np.maximum(values[:, None], 1e-6)) - np.log(known_values))
    return [int(place) for place in np.nan_to_num(apart, nan=np.inf).argmin(1)]


def sizes_of(subject: Subject) -> list[float]:
    """Returns the sizes that a subject's units need, of those that the hypothesis has; evenly chosen, if too many."""
    known = subject.hypothesis.sizes
    if subject.hypothesis.size is None:
        return [math.nan]
    needed = sorted(set(nearest(subject.poses["size"].values, list(known))))
    kept = np.unique(np.linspace(0, len(needed) - 1, MOST_SIZES).round().astype(int))
    return [float(known[needed[place]]) for place in kept]


def active(peak: Float[np.ndarray, " unit"]) -> Float[np.ndarray, " unit"]:
    """Returns 1 for units that the shape drives at all, 0 for the others."""
    return (peak > ACTIVE * np.quantile(peak, 0.95)).astype(float)


def _standardised(rows: Float[np.ndarray, "*rest place"]) -> Float[np.ndarray, "*rest place"]:
    centred = rows - rows.mean(-1, keepdims=True)
    length = np.linalg.norm(centred, axis=-1, keepdims=True)
    return np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
