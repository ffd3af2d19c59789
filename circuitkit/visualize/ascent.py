"""Feature visualization: images that excite a unit, a direction or a family most, found by gradient ascent.

    seen = visualize(net["fire5", [130, 141]], seeds=3)         # xarray: unit, seed, y, x, channel; values -1 to 1
    seen.response                                               # what each image reaches
    visualize(net["fire5"].along(vector), objective="channel", size=128, diversity=0.5, seeds=4)

Images are computed eight at a time, by one compiled program for all units of a layer, and for all nets of one
structure: weights, units and seeds are its arguments. How images move from step to step follows from the seed alone, so
an image is the same, to rounding, whatever else is asked for beside it.

Source: Olah, Mordvintsev, Schubert, "Feature Visualization", Distill (2017).
"""

import dataclasses
import json
import math
from collections.abc import Callable
from importlib import metadata
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from jaxtyping import Array, Bool, Float, Int, UInt32

from circuitkit import checks
from circuitkit.compiling import compiled
from circuitkit.cropping import Cropped, crop
from circuitkit.errors import NetError, SpecError, unknown_name
from circuitkit.probe import Probe, Site
from circuitkit.visualize import painting
from circuitkit.visualize.gradients import exchanged
from circuitkit.visualize.painting import Colours, Spectrum
from circuitkit.visualize.warping import Room, drawn, warped

Objective = Literal["centre", "channel", "family"]
Progress = Callable[[int, int], None]
"""Called with the number of steps done and the number of all."""

BATCH = 8
"""Images that are computed at once: enough to keep two cores busy, and few enough that a layer's maps stay in the
cache."""

BLOCK = 32
"""Steps between calls of `progress`, and between chances to interrupt."""


def visualize(
    probe: Probe,
    *,
    size: int | None = None,
    steps: int = 256,
    seeds: int = 1,
    objective: Objective = "centre",
    diversity: float = 0.0,
    colours: Colours | None = None,
    learning_rate: float = 0.05,
    jitter: float = 4.0,
    scale: float = 0.1,
    rotate: float = 5.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> xr.DataArray:
    """Returns the images that the units of a probe respond to most.

    Args:
        probe: The units, or directions.
        size: Side of the images, in pixels; nothing is enlarged or shrunk. Left out, the smallest on which no unit that
            is read sees padding; for a whole channel, that which the net was made for.
        steps: Of the optimiser, Adam.
        seeds: Images of each unit, from as many starts.
        objective: `centre` excites the unit in the middle of the map, `channel` the mean over the map, and `family` the
            mean over all units of the probe in the middle: one image for all.
        diversity: Pushes a unit's images apart: the share of its response that an image gives up where another one
            excites the layer alike, which is how much the Gram matrices of their maps point the same way. 0 optimises
            each by itself.
        colours: `rgb` or `grey`. Left out, grey for a net that sees no colours.
        learning_rate: Of the optimiser.
        jitter: How many pixels an image is moved by, at most, along each axis.
        scale: By which share of its size an image grows or shrinks, at most.
        rotate: How many degrees an image is turned by, at most, to either side.
        seed: Of starts and motions.
        progress: Called after each block of steps.

    Returns:
        The images (unit, seed, y, x, channel), values -1 to 1. `response` (unit, seed) is what the unit (for `channel`,
        its mean) responds to the image as it is shown; `y` and `x` are pixels from the centre of its receptive field,
        up and to the right; the attributes are all that is needed to repeat it.

    Raises:
        UnknownNameError: If there is no such objective, or no such colours.
        SpecError: If a number is out of range, or if a whole channel is wanted of a net that was made for no size.
        ImageError: If `size` is too small for the layer.
        NetError: If a response is NaN.
    """
    for name, value, known in (("objective", objective, get_args(Objective)), ("colours", colours, get_args(Colours))):
        if value not in known and not (name == "colours" and value is None):
            raise unknown_name(name, value, known, owner="visualize")
    _check(size=size, steps=steps, seeds=seeds, seed=seed)
    numbers = _Numbers(diversity=diversity, learning_rate=learning_rate, jitter=jitter, scale=scale, rotate=rotate)
    if numbers.diversity and seeds > BATCH:
        raise SpecError(
            f"visualize has seeds={seeds} with diversity: wanted at most {BATCH}, which are computed at once."
        )
    site = _site(probe, size, objective)
    colours = _colours(probe, site) if colours is None else colours
    rows, columns = (None, None) if objective == "channel" else tuple((unit, unit + 1) for unit in site.unit)
    ascent = _Ascent(
        site=site,
        cropped=crop(
            lambda images: probe.net.maps(images, probe.layer),
            (BATCH, site.height, site.width, 3 if colours == "rgb" else 1),
            (None, rows, columns, None),
        ),
        colours=colours,
        numbers=numbers,
    )
    directions, names = _directions(probe), probe.unit_names
    if objective == "family":
        directions, names = directions.mean(0, keepdims=True), ("family",)
    images, responses = ascent.run(directions, seeds, steps, seed, progress)
    found = xr.DataArray(
        images.reshape(len(names), seeds, *images.shape[1:]),
        dims=("unit", "seed", "y", "x", "channel"),
        coords={
            "unit": list(names),
            "seed": np.arange(seeds),
            "y": ("y", site.anchor[0] - np.arange(site.height), {"units": "pixels"}),
            "x": ("x", np.arange(site.width) - site.anchor[1], {"units": "pixels"}),
            "channel": ["red", "green", "blue"] if colours == "rgb" else ["grey"],
            "response": (("unit", "seed"), responses.reshape(len(names), seeds)),
        },
        name="image",
        attrs={
            "net": probe.net.name,
            "layer": probe.layer,
            "probe_units": json.dumps(list(probe.unit_names)),
            "objective": objective,
            "image_size": [site.height, site.width],
            "image_values": probe.net.image_values,
            "colours": colours,
            "steps": steps,
            "seed": seed,
            **dataclasses.asdict(numbers),
            "versions": ", ".join(f"{name} {metadata.version(name)}" for name in ("circuitkit", "jax", "optax")),
        },
    )
    return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Numbers:
    """What may be any number, in a range."""

    diversity: float
    learning_rate: float
    jitter: float
    scale: float
    rotate: float

    def __post_init__(self) -> None:
        part = "visualize"
        checks.number(self, "learning_rate", part=part, above=0)
        for field in ("diversity", "jitter", "scale", "rotate"):
            checks.number(self, field, part=part, at_least=0)
        if self.scale >= 1 or self.rotate > 45:
            raise SpecError(
                f"visualize has scale={self.scale:g} and rotate={self.rotate:g}: wanted a scale below 1, and at most "
                "45 degrees."
            )


def _check(*, size: int | None, steps: int, seeds: int, seed: int) -> None:
    for name, value, least in (("steps", steps, 1), ("seeds", seeds, 1), ("seed", seed, 0)):
        checks.whole("visualize", name, value, at_least=least)
    if size is not None:
        checks.whole("visualize", "size", size)


def _site(probe: Probe, size: int | None, objective: Objective) -> Site:
    """Returns the images, and the unit in their middle."""
    if size is not None:
        return probe.site_in(size, size)
    if objective != "channel":
        return probe.site()
    if probe.net.image_size is None:
        raise SpecError(
            f"visualize has objective='channel' and no size: net {probe.net.name!r} was made for images of no size, so "
            "there is no whole map. Give a size, or objective='centre'."
        )
    return probe.site_in(*probe.net.image_size)


def _colours(probe: Probe, site: Site) -> Colours:
    """Returns whether a net sees colours: whether those of noise make a difference to its first layer."""
    noise = jax.random.uniform(jax.random.PRNGKey(0), (1, site.height, site.width, 3), minval=-1.0)
    first = jax.jit(lambda images: probe.net.maps(images, probe.net.layers[0]))
    grey = jnp.broadcast_to(noise.mean(3, keepdims=True), noise.shape)
    return "grey" if np.allclose(first(noise), first(grey), atol=1e-5) else "rgb"


def _directions(probe: Probe) -> Float[np.ndarray, "unit channel"]:
    """Returns what is read of a layer, a row a unit."""
    if probe.directions is not None:
        return np.asarray(probe.directions, np.float32)
    every = np.eye(len(probe.net.unit_names(probe.layer)), dtype=np.float32)
    return every if probe.channels is None else every[list(probe.channels)]


@dataclasses.dataclass(frozen=True, eq=False)
class _Ascent:
    """How images of a layer are optimised, whatever the unit.

    Attributes:
        site: How large they are, and the unit in their middle.
        cropped: The net, from the pixels that are read to the part of the map that is.
        colours: Of the images.
        numbers: What may be any number.
    """

    site: Site
    cropped: Cropped
    colours: Colours
    numbers: _Numbers

    def run(
        self,
        directions: Float[np.ndarray, "unit channel"],
        seeds: int,
        steps: int,
        seed: int,
        progress: Progress | None,
    ) -> tuple[Float[np.ndarray, "image h w colour"], Float[np.ndarray, " image"]]:
        """Returns the images of all units, each with all its seeds, and their responses."""
        units = np.repeat(np.arange(len(directions)), seeds)
        starts = np.tile(np.arange(seeds), len(directions))
        # A unit's images are pushed apart only within a batch.
        size = BATCH // seeds * seeds if self.numbers.diversity else BATCH
        batches = [np.arange(first, min(first + size, len(units))) for first in range(0, len(units), size)]
        optimiser = optax.adam(self.numbers.learning_rate)
        key, first = jax.random.split(jax.random.PRNGKey(seed))
        still = Room(*map(jnp.float32, (0.0, 0.0, 0.0)))
        room = Room(*(jnp.float32(getattr(self.numbers, field)) for field in Room._fields))
        images, responses, program = [], [], None
        for number, batch in enumerate(batches):
            # A batch that is not full is filled up with its last image, which is then left out.
            every = np.minimum(np.arange(batch[0], batch[0] + BATCH), batch[-1])
            same = (units[every][:, None] == units[every][None]) & (np.arange(BATCH) < len(batch))[None]
            same &= ~np.eye(BATCH, dtype=bool)
            keys = jnp.stack([jax.random.fold_in(first, int(start)) for start in starts[every]])
            spectrum = painting.blank(keys, self.site.height, self.site.width, self.colours)
            state = (spectrum, optimiser.init(spectrum), jnp.zeros(BATCH, bool), jnp.zeros(BATCH))
            wanted = (self.cropped.constants, jnp.asarray(directions[units[every]]), jnp.asarray(same), key)
            if program is None:
                program = compiled(self._step, jnp.int32(0), room, state, *wanted)
            for step in range(steps):
                state = program(jnp.int32(step), room, state, *wanted)
                if (step + 1) % BLOCK == 0 or step + 1 == steps:
                    if not np.isfinite(np.asarray(state[3])).all():
                        raise NetError("a response is NaN or infinite: wanted finite ones. Check the net's weights.")
                    if progress is not None:
                        progress(number * steps + step + 1, len(batches) * steps)
            # A step in which nothing moves says what the images reach; where it leads to is dropped.
            last = program(jnp.int32(0), still, state, *wanted)
            planes = np.asarray(painting.painted(state[0], self.site.width))
            images.append(planes.transpose(0, 2, 3, 1)[: len(batch)])
            responses.append(np.asarray(last[3])[: len(batch)])
        return np.concatenate(images), np.concatenate(responses)

    def _step(
        self,
        number: Int[Array, ""],
        room: Room,
        state: Any,
        constants: Any,
        directions: Float[Array, "image channel"],
        same: Bool[Array, "image image"],
        key: UInt32[Array, "2"],
    ) -> Any:
        """Returns the state after one more step.

        One step is one call, since a `lax.fori_loop` over them takes six times as long on CPU: 24 ms of a core a step
        against 4.3 for fire5 of SqueezeNet, with its weights as arguments and jaxlib 0.10.
        """
        spectrum, moments, asleep, _ = state
        optimiser = optax.adam(self.numbers.learning_rate)
        respond = exchanged(self.cropped.apply, self.cropped.constants)
        motion = drawn(jax.random.fold_in(key, number), room)

        def loss(spectrum: Spectrum) -> tuple[Float[Array, ""], Float[Array, " image"]]:
            shown = warped(
                painting.painted(spectrum, self.site.width),
                motion,
                centre=self.site.anchor,
                rows=self.cropped.rows,
                columns=self.cropped.columns,
                rotate=self.numbers.rotate,
            )
            maps = respond(asleep, constants, shown)
            values = jnp.einsum("nhwc,nc->n", maps, directions, precision="highest") / math.prod(maps.shape[1:3])
            gained = values
            if self.numbers.diversity:
                likeness = jnp.where(same, _likeness(maps), 0.0).sum(1) / jnp.maximum(same.sum(1), 1)
                gained = values - self.numbers.diversity * jax.lax.stop_gradient(jnp.abs(values)) * likeness
            return -gained.sum(), values

        (_, values), gradient = jax.value_and_grad(loss, has_aux=True)(spectrum)
        updates, moments = optimiser.update(gradient, moments)
        silent = jnp.all(gradient == 0, axis=(1, 2, 3, 4))
        return optax.apply_updates(spectrum, updates), moments, jnp.where(asleep, values == 0, silent), values


def _likeness(maps: Float[Array, "image row column unit"]) -> Float[Array, "image image"]:
    """Returns the cosine between the Gram matrices of each two images: how alike they excite the layer, 0 to 1."""
    flat = maps.reshape(maps.shape[0], -1, maps.shape[3])
    # The inner product of two Gram matrices is that of all pairs of positions, squared.
    products = jnp.sum(jnp.einsum("npc,mqc->nmpq", flat, flat, precision="highest") ** 2, axis=(2, 3))
    lengths = jnp.sqrt(jnp.maximum(jnp.diagonal(products), 1e-12))
    return products / (lengths[:, None] * lengths[None])
