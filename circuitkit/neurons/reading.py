"""A dense layer or convolution of any net as affine maps on what one of its units reads, exactly as the net has it.

    seen = neurons.read(net["fire4"])                             # pre-activations of 256 units
    seen.layers                                                   # (Affine,): inputs are what a 3x3 convolution reads
    deeper = neurons.read(net["fire4"], since="fire4_squeeze")    # two layers, with a ReLU between them
    said = deeper(path)                                           # `neurons.through(deeper.layers, path)`
    points = seen.samples(stimuli)                                # what the unit reads of each: (stimulus, input)

A unit of a convolution reads a small window of a map: every place in it and every channel is one input, called
`fire4_squeeze:7(+1,-1)` for channel 7 one row up and one column to the left. A 1x1 convolution's are called as the
channels are. Batch norms are folded into weights and bias, on either side; the layer's own nonlinearity is left out,
whatever it is.

Nothing is assumed of the net: the pre-activation is found in the operations of its own function, and its Jacobian is
the weights. Then the affine map is held against the function at random points.
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit import checks
from circuitkit.compiling import compiled, jit
from circuitkit.errors import ImageError, NeuronsError
from circuitkit.neurons.affine import Affine, Inputs, Said, through
from circuitkit.neurons.local import LocalNet, Step, Window, first_step, same, step_before, traced
from circuitkit.neurons.preactivation import Traced
from circuitkit.probe import Maps, Net, Probe, Site
from circuitkit.stimuli import LabelledSet
from circuitkit.sweep import Progress, tune
from circuitkit.weights import CHANNELS

ROUNDING = 1e-3
"""How far the function may be from the affine map, over its largest value: float32 and long sums."""

MOST_WEIGHTS = 2**27
"""Of one affine map: a gibibyte in float64."""

MOST_AT_ONCE = 64
"""Rows of weights that are computed at once."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Reading:
    """Some units of a layer, as affine maps of what one unit reads.

    Attributes:
        probe: The units.
        layers: What leads from the inputs to their pre-activations: one map, or several with a ReLU between them.
        inputs: The inputs, as units that can be probed: `tune(seen.inputs, stimuli)` gives what the layer reads.
        source: Name of the layer that is read; `image`, or "" for something that the net has no name for.
        shape: Rows, columns and channels of the window that a unit reads.
        rectified: Whether a ReLU, and nothing else, follows the pre-activations in the net.
    """

    probe: Probe
    layers: tuple[Affine, ...]
    inputs: Probe
    source: str
    shape: tuple[int, int, int]
    rectified: bool

    def __repr__(self) -> str:
        sizes = " -> ".join(str(n) for n in (self.layers[0].size[0], *(layer.size[1] for layer in self.layers)))
        return f"Reading({self.probe.layer!r} of {self.probe.net.name!r} from {self.source!r}, {sizes})"

    @property
    def input_names(self) -> tuple[str, ...]:
        """What the inputs are called, in the order of rows (top first), columns and channels."""
        return self.inputs.unit_names

    def __call__(self, given: Said) -> Said:
        """Returns what the units say of a path or a plane of inputs, before their nonlinearity."""
        return through(self.layers, given)

    def samples(
        self, stimuli: LabelledSet, *, size: int | None = None, progress: Progress | None = None
    ) -> Float[np.ndarray, "stimulus input"]:
        """Returns what the unit under the anchor of each stimulus reads: a point of the local activation space each.

        Args:
            stimuli: A labelled set; photographs are one, too.
            size: Side of the images; as small as the unit sees no padding if left out.
            progress: Called after each chunk.

        Raises:
            NeuronsError: If the unit reads beyond the border of a map.
        """
        seen = tune(self.inputs, stimuli, size=size, progress=progress)
        return self._whole(np.asarray(seen.values, np.float64).reshape(len(stimuli), -1))

    def crops(
        self,
        images: Float[np.ndarray, "image h w channel"],
        *,
        places: int | Sequence[tuple[int, int]] = 4,
        seed: int = 0,
    ) -> Float[np.ndarray, "sample input"]:
        """Returns what units at several places of each image read, image by image.

        Args:
            images: Values -1 to 1, grey or RGB.
            places: Rows and columns in the layer's map, the same for all images; or how many to draw for each image,
                at random and without repeats, of those that read nothing beyond the border of a map.
            seed: Of the drawing.

        Raises:
            NeuronsError: If a place reads beyond the border, or there are fewer than are wanted.
        """
        shown = jnp.asarray(images, jnp.float32)
        checks.images(shown)
        if isinstance(places, int):
            checks.whole("crops", "places", places)
        local = self.inputs.net
        if not isinstance(local, LocalNet):
            raise NeuronsError(f"crops was asked of a {type(local).__name__}: wanted a reading as `read` returns it.")
        rng, found = np.random.default_rng(seed), []
        run = jit(lambda image: local.laid_out(image)[0])
        _, starts = local.laid_out(shown[:1])
        for image in shown:
            wide = np.asarray(run(image[None]))[0]
            finite = np.isfinite(wide).all(axis=2)
            ends = [start + side for start, side in zip(starts, self.shape, strict=False)]
            inner = np.argwhere(
                np.array([[finite[a:b, c:d].all() for c, d in zip(starts[1], ends[1], strict=True)]
                          for a, b in zip(starts[0], ends[0], strict=True)])
            )  # fmt: skip
            if not isinstance(places, int):
                chosen = np.array(places)
            elif len(inner) < places:
                raise NeuronsError(
                    f"images of {image.shape[0]}x{image.shape[1]} pixels have {len(inner)} places where layer "
                    f"{self.probe.layer!r} reads no padding: wanted {places}. Give larger images, or ask for fewer."
                )
            else:
                chosen = inner[np.sort(rng.choice(len(inner), places, replace=False))]
            found += [wide[starts[0][r] : ends[0][r], starts[1][c] : ends[1][c]].ravel() for r, c in chosen]
        return self._whole(np.stack(found).astype(np.float64))

    def _whole(self, samples: Float[np.ndarray, "sample input"]) -> Float[np.ndarray, "sample input"]:
        if np.isfinite(samples).all():
            return samples
        raise NeuronsError(
            f"layer {self.probe.layer!r} of net {self.probe.net.name!r} reads beyond the border of a map at such a "
            "place: wanted one whose whole window lies within. Give larger images, or a place nearer to their middle."
        )


def read(probe: Probe, *, since: str | None = None, size: int | None = None) -> Reading:
    """Returns units as affine maps of what one unit in the middle of an image reads.

    Args:
        probe: Units of a layer that a convolution or a dense product makes, with or without batch norms and a
            nonlinearity: `net["fire4"]`, `net["curves", "curves@45"]`. Convolutions side by side that read the same
            are one layer.
        since: The first of several layers that are wanted, of which each reads the ReLU of the one before; the probe's
            own layer alone if left out.
        size: Side of the images that are thought of; left out, the smallest on which the unit sees no padding, or the
            size that the net was made for.

    Raises:
        NeuronsError: If the layer is something else (a pool, a softmax, a sum of branches), if what stands between two
            layers is no ReLU, or if the affine map would not fit into memory.
        UnknownNameError: If there is no such layer.
        ImageError: If images of that size are too small for the layer.
    """
    net, layer = probe.net, probe.layer
    site = probe.site() if size is None else probe.site_in(size, size)
    steps = [_first(probe, site)]
    if since is not None:
        steps += _back_to(since, steps[0], probe, site)
    window: Window = ((site.unit[0], site.unit[0] + 1), (site.unit[1], site.unit[1] + 1))
    made: list[Affine] = []
    for number, step in enumerate(steps):
        source, units = (
            (layer, net.unit_names(layer)) if number == 0 else _source(probe, step.traced, step.wanted, site)
        )
        weights, bias, seen = _affine(step, window, owner=f"layer {source!r} of net {net.name!r}")
        names: Sequence[str] = _placed(units, window)
        if number == 0:
            weights, bias, names = _chosen(probe, weights, bias, names)
        inputs: Inputs = "nonnegative" if step.traced.nonnegative(step.reads) else "any"
        made.insert(0, Affine(weights, bias, names=names, inputs=inputs, title=source))
        window = seen
    source, units = _source(probe, steps[-1].traced, steps[-1].reads, site)
    rows, columns = (high - low for low, high in window)
    local = LocalNet(net, layer, len(steps) - 1, (rows, columns), _placed(units, window))
    return Reading(probe, tuple(made), local[layer], source, (rows, columns, len(units)), steps[0].traced.is_relu())


def can_be_read(net: Net, layer: str) -> bool:
    """Says whether `read` takes a layer: whether it is one dense layer or convolution."""
    try:
        site = net[layer].site()
        traced(net, layer, (1, site.height, site.width, 3))
    except (NeuronsError, ImageError):
        return False
    return True


def _first(probe: Probe, site: Site) -> Step:
    """Returns the layer itself."""
    net, layer = probe.net, probe.layer
    try:
        step = first_step(traced(net, layer, (1, site.height, site.width, 3)))
    except NeuronsError as error:
        at = net.layers.index(layer)
        near = sorted(net.layers, key=lambda name: abs(net.layers.index(name) - at))[1:9]
        fit = list(itertools.islice((repr(name) for name in near if can_be_read(net, name)), 2))
        hint = f" Near it {' and '.join(fit)} can be read." if fit else ""
        raise NeuronsError(f"{error}{hint}") from None
    if probe.directions is not None and step.instead:
        raise NeuronsError(
            f"layer {layer!r} of net {net.name!r} is asked for directions, which are of what comes after its "
            "nonlinearity: wanted units, or a layer before its nonlinearity."
        )
    return step


def _back_to(since: str, step: Step, probe: Probe, site: Site) -> list[Step]:
    """Returns the layers before one, back to another one."""
    net, found = probe.net, []
    net[since]  # refuses what is no layer
    if net.layers.index(since) > net.layers.index(probe.layer):
        raise NeuronsError(
            f"layer {probe.layer!r} of net {net.name!r} does not lead back to {since!r}, which comes after it: wanted "
            "an earlier layer."
        )
    while since != probe.layer:
        before = step_before(step)
        if before is None:
            there = _source(probe, step.traced, step.reads, site)[0] or "what it reads"
            raise NeuronsError(
                f"layer {probe.layer!r} of net {net.name!r} does not lead back to {since!r} by ReLUs alone: {there!r} "
                "is not the ReLU of one dense layer or convolution. Start after it."
            )
        found.append(step := before)
        if same(step.traced, step.wanted, net, [since], site)[0]:
            break
    return found


def _affine(
    step: Step, window: Window, *, owner: str
) -> tuple[Float[np.ndarray, "input neuron"], Float[np.ndarray, " neuron"], Window]:
    """Returns weights and bias of all units in a window of a layer's map, and the window that they read."""
    cropped = step.cropped(window)
    inputs, neurons = math.prod(cropped.shape[1:]), math.prod(cropped.result_shape[1:])
    if inputs * neurons > MOST_WEIGHTS:
        raise NeuronsError(
            f"{owner} has {neurons} neurons of {inputs} inputs each in such a window: wanted at most {MOST_WEIGHTS} "
            "weights. Read fewer layers at once."
        )
    count = min(MOST_AT_ONCE, neurons)
    _ = cropped.constants  # computed now, not while it is traced

    def some(
        constants: Any, origin: Maps, points: Float[Array, "point _ _ _ _"], first: Any
    ) -> tuple[Float[Array, " neuron"], Float[Array, "some input"], Float[Array, "point neuron"]]:
        def said(x: Maps) -> Float[Array, " neuron"]:
            return cropped.apply(constants, x).reshape(-1)

        bias, back = jax.vjp(said, origin)
        rows = jax.vmap(back)(jax.nn.one_hot(first + jnp.arange(count), neurons))[0]
        return bias, rows.reshape(count, -1), jax.lax.map(said, points)

    # Arguments, too: of constants, all that follows from them would be computed by the compiler.
    origin = np.zeros(cropped.shape, np.float32)
    points = np.random.default_rng(0).standard_normal((2, *cropped.shape)).astype(np.float32)
    program = compiled(some, cropped.constants, origin, points, np.int32(0))
    rows = []
    for first in range(0, neurons, count):
        bias, part, said = program(cropped.constants, origin, points, np.int32(first))
        rows.append(np.asarray(part)[: neurons - first])
    weights, bias = np.concatenate(rows).T.astype(np.float64), np.asarray(bias, np.float64)
    due = points.reshape(2, -1).astype(np.float64) @ weights + bias
    if not np.allclose(said, due, rtol=ROUNDING, atol=ROUNDING * max(float(np.abs(due).max()), 1e-30)):
        raise NeuronsError(f"{owner} is not linear in what it reads: wanted a dense layer or a convolution.")
    return weights, bias, (cropped.rows, cropped.columns)


def _chosen(
    probe: Probe, weights: Float[np.ndarray, "input all"], bias: Float[np.ndarray, " all"], names: Sequence[str]
) -> tuple[Float[np.ndarray, "input neuron"], Float[np.ndarray, " neuron"], Sequence[str]]:
    """Returns what the probe asks for, of all units of a layer."""
    if probe.directions is not None:
        turned = np.asarray(probe.directions, np.float64).T
        return weights @ turned, bias @ turned, probe.unit_names
    if probe.channels is None:
        return weights, bias, names
    return weights[:, list(probe.channels)], bias[list(probe.channels)], probe.unit_names


def _placed(units: Sequence[str], window: Window) -> tuple[str, ...]:
    """Returns names of all units in a window: with their places, counted from its middle up and to the right."""
    rows, columns = (high - low for low, high in window)
    if rows == columns == 1:
        return tuple(units)
    up, right = (rows - 1) / 2 - np.arange(rows), np.arange(columns) - (columns - 1) / 2
    return tuple(f"{unit}({y:+g},{x:+g})" for y in up + 0.0 for x in right + 0.0 for unit in units)


def _source(probe: Probe, found: Traced, number: int, site: Site) -> tuple[str, tuple[str, ...]]:
    """Returns the layer that a value is the maps of, and its units; `image`, or "" for nothing with a name."""
    net = probe.net
    count = Step(found, number, {}, number).made_shape[3]
    earlier = net.layers[: net.layers.index(probe.layer)]
    hint = net.weights(probe.layer)
    fit = [name for name in reversed(earlier) if len(net.unit_names(name)) == count]
    fit.sort(key=lambda name: hint is None or name != hint[0])
    for name in fit:
        if same(found, number, net, [name], site)[0]:
            return name, net.unit_names(name)
    parts = found.parts(number)
    if len(parts) > 1:
        each = [_source(probe, found, part, site) for part in parts]
        units = tuple(unit for _, names in each for unit in names)
        if len(units) == count and len(set(units)) == count:
            return ", ".join(name for name, _ in each), units
    if found.from_image(number) and count in CHANNELS:
        return "image", CHANNELS[count]
    return "", tuple(f"input:{channel}" for channel in range(count))
