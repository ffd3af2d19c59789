"""What can be foretold of units at all: a small conv net trained on everything they say to photographs.

    own = learn_maps(net["fire4", units], photographs)                      # a net with the one layer "units"
    one = learn_maps(net["fire4", units], photographs, angles=angles)       # the same for all, turned to their angles
    agreement(net, {"fire4": units}, {"own": own["units"], "one": one["units"]}, others)

`baselines.learned` is trained on crops, as circuits are fitted to; this one on all places of every photograph, which
are a few hundred times as many examples. Where a circuit stays below it, its rule is what limits it, and not what it is
shown; where it stays below the units themselves, what it is shown, or the number of photographs. With `angles` units
share everything but a gain and an offset: what that costs is what units differ by more than their angle.

Source: conv nets as ceilings: Cadena et al., "Deep convolutional models improve predictions of macaque V1 responses to
natural images" (2019). Division by the mean over channels: Heeger, "Normalization of cell responses in cat striate
cortex" (1992).
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Float

from circuitkit import checks
from circuitkit.compiling import jit
from circuitkit.errors import NetError, SpecError
from circuitkit.examples import Frame
from circuitkit.fit.baselines import turned_back
from circuitkit.nets import Shrunk
from circuitkit.probe import Images, Maps, Net, Probe
from circuitkit.receptive_field import ReceptiveField
from circuitkit.stimuli import FAST, LabelledSet
from circuitkit.surgery.operation import map_shape, transplanted

LAYER, NAME = "units", "conv net"
CHUNK = 8
"""Photographs a step."""

EPOCHS = 40
RATE, DECAY, WARM = 3e-3, 1e-3, 60

ALIVE = 0.5
"""Where units begin, in their own standard deviations: above 0, or some of them never respond, and learn nothing."""

LEAK = 0.1
"""Slope below 0 while a net learns. Without it one that begins with too little says nothing ever after."""

START = nnx.initializers.he_normal()
SIDES, WIDTHS = (7, 5, 5, 3), (16, 32, 48)
POOLED = 2
"""After each of the first two layers places are averaged two by two."""

BRIGHT = 4.0
"""What grey images are multiplied by: their contrasts are small."""


class MapsModule(nnx.Module):
    """Four convolutions without padding; the first is divided by its mean over channels, and a constant.

    The last one is not rectified. Every unit has a gain and an offset besides.
    """

    def __init__(self, outputs: int, units: int, *, rngs: nnx.Rngs) -> None:
        widths = (1, *WIDTHS, outputs)
        self.convs = nnx.List(
            [
                nnx.Conv(before, after, (side, side), padding="VALID", kernel_init=START, rngs=rngs)
                for before, after, side in zip(widths, widths[1:], SIDES, strict=False)
            ]
        )
        self.log_constant = nnx.Param(jnp.array(-1.0))
        self.gain = nnx.Param(jnp.ones(units))
        self.offset = nnx.Param(jnp.full(units, ALIVE))

    def __call__(self, images: Images) -> Maps:
        """Runs images, of which only the grey is seen."""
        maps = BRIGHT * images.mean(-1, keepdims=True)
        for number, conv in enumerate(self.convs):
            maps = conv(maps)
            if number < len(self.convs) - 1:
                maps = nnx.relu(maps)
            if number == 0:
                maps = maps / (maps.mean(-1, keepdims=True) + jnp.exp(self.log_constant[...]))
            if number < POOLED:
                maps = nnx.avg_pool(maps, (2, 2), (2, 2))
        return maps


def field_of() -> ReceptiveField:
    """Returns what an output of the module sees."""
    field = ReceptiveField()
    for number, side in enumerate(SIDES):
        field = field.through(kernel=(side, side))
        if number < POOLED:
            field = field.through(kernel=(2, 2), stride=(2, 2))
    return field


class MapsNet(Net):
    """The conv net as a net to be probed: an output a unit."""

    def __init__(self, graph: Any, state: Any, units: tuple[str, ...], *, leak: float = 0.0) -> None:
        """Takes the module's graph and state, as `nnx.split` gives them, and the slope of responses below 0."""
        self._graph, self._state, self._units, self._leak, self.name = graph, state, units, leak, NAME

    @property
    def layers(self) -> tuple[str, ...]:
        """The one layer."""
        return (LAYER,)

    def unit_names(self, layer: str) -> tuple[str, ...]:
        """Those that it was trained to foretell."""
        del layer
        return self._units

    def receptive_field(self, layer: str, image_size: tuple[int, int] | None = None) -> ReceptiveField | None:
        """What a unit sees."""
        del layer, image_size
        return field_of()

    def maps(self, images: Images, layer: str) -> Maps:
        """Runs images."""
        del layer
        module = nnx.merge(self._graph, self._state)
        gain, offset = (each[...][None, None, None] for each in (module.gain, module.offset))
        return nnx.leaky_relu(gain * module(images) + offset, self._leak)

    @property
    def count(self) -> int:
        """How many numbers were learned."""
        return sum(leaf.size for leaf in jax.tree.leaves(self._state))


class TurnedMapsNet(MapsNet):
    """The conv net with one output, which is shown images turned back by each unit's angle."""

    def __init__(
        self,
        graph: Any,
        state: Any,
        units: tuple[str, ...],
        angles: Float[Array, " unit"],
        places: ReceptiveField,
        *,
        leak: float = 0.0,
    ) -> None:
        """Takes the units' angles, in degrees, and where they stand."""
        super().__init__(graph, state, units, leak=leak)
        self._angles, self._places = angles, places

    def receptive_field(self, layer: str, image_size: tuple[int, int] | None = None) -> ReceptiveField | None:
        """Where the units that it foretells stand; what is beyond an image's border goes on mirrored."""
        del layer, image_size
        return ReceptiveField((1, 1), self._places.stride, self._places.first)

    def maps(self, images: Images, layer: str) -> Maps:
        """Runs turned images, one after the other."""
        del layer
        return jnp.stack([self.one(images, jnp.asarray(unit)) for unit in range(len(self._units))], -1)

    def one(self, images: Images, unit: Array) -> Float[Array, "image row column"]:
        """Returns one unit's maps."""
        module, angle = nnx.merge(self._graph, self._state), self._angles[unit]
        side, seen = images.shape[1], field_of()
        margin = math.ceil(side / 2 * (math.sqrt(2) - 1) + seen.size[0] / 2)  # as much as any turn brings in
        shown = jnp.pad(images, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="symmetric")
        maps = module(turned_back(shown.mean(-1, keepdims=True), angle))[..., 0]
        middle, (first, _), (stride, _) = (side - 1) / 2, self._places.first, self._places.stride
        count = math.floor((side - 1 - 2 * first) / stride) + 1
        up, right = jnp.meshgrid(*[middle - first - stride * jnp.arange(count)] * 2, indexing="ij")
        right, turn = -right, jnp.deg2rad(angle)
        along = right * jnp.cos(turn) + up * jnp.sin(turn)
        across = up * jnp.cos(turn) - right * jnp.sin(turn)
        at = [(middle + margin + each - seen.first[0]) / seen.stride[0] for each in (-across, along)]
        there = jax.vmap(lambda each: map_coordinates(each, at, order=1, mode="nearest"))(maps)
        return nnx.leaky_relu(module.gain[...][unit] * there + module.offset[...][unit], self._leak)


def learn_maps(
    probe: Probe,
    images: LabelledSet,
    *,
    angles: Float[np.ndarray, " unit"] | None = None,
    shrink: int = 2,
    epochs: int = EPOCHS,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Net:
    """Returns a conv net of the one layer `units` that foretells what units say at all places of images.

    Args:
        probe: The units.
        images: That it is trained on, square; it sees them in grey, and averaged.
        angles: Of the units, in degrees: one net for all of them is shown images turned back by each unit's. Left
            out, every unit has an output of its own.
        shrink: Images are averaged over squares of so many pixels.
        epochs: How often it sees each; with `angles`, as one unit or another.
        seed: Of the first weights, and of the order of images.
        progress: Called with the number of steps done, and of all.

    Raises:
        NetError: If units say the same everywhere, or NaN, or see all of an image.
        SpecError: If angles do not fit the units.
    """
    checks.whole("learn_maps", "epochs", epochs)
    frame, units = Frame.of(probe, images, None, FAST), len(probe.unit_names)
    field = probe.net.receptive_field(probe.layer, (frame.height, frame.width))
    if field is None:
        raise NetError(f"units of layer {probe.layer!r} see all of an image: they have no places.")
    if angles is not None and (len(angles) != units or not np.isfinite(angles).all()):
        raise SpecError(f"{len(angles)} angles came with {units} units: wanted a finite one each.")
    if angles is not None and (field.stride[0] % shrink or frame.height != frame.width):
        raise SpecError(
            f"units stand {field.stride[0]} pixels apart on images of {frame.height}x{frame.width}, averaged over "
            f"{shrink}: to be turned, images have to be square, and units to stand a multiple of that apart."
        )
    graph, state = nnx.split(MapsModule(units if angles is None else 1, units, rngs=nnx.Rngs(seed)))
    shown, wanted = _seen(probe, images, frame)
    places = map_shape(probe.net, probe.layer, jnp.asarray(shown[:1], jnp.float32))
    each_epoch = -(-len(images) // CHUNK)
    steps = epochs * each_epoch
    rule = optax.adamw(
        optax.warmup_cosine_decay_schedule(RATE / 30, RATE, min(WARM, steps // 2), steps), weight_decay=DECAY
    )

    def net_of(tree: Any, leak: float = 0.0) -> MapsNet:
        if angles is None:
            return MapsNet(graph, tree, probe.unit_names, leak=leak)
        turns = jnp.asarray(angles, jnp.float32)
        first = (field.first[0] - (shrink - 1) / 2) / shrink, (field.first[1] - (shrink - 1) / 2) / shrink
        stands = ReceptiveField((1, 1), (field.stride[0] // shrink, field.stride[1] // shrink), first)
        return TurnedMapsNet(graph, tree, probe.unit_names, turns, stands, leak=leak)

    def loss(tree: Any, drawn: Images, said: Maps, unit: Array) -> Float[Array, ""]:
        net = net_of(tree, LEAK)
        if isinstance(net, TurnedMapsNet):
            made = net.one(_averaged(drawn, shrink), unit)
            return jnp.mean((made - said[..., unit]) ** 2)
        made = transplanted(Shrunk(net, shrink), LAYER, probe.net, probe.layer, drawn, places)
        return jnp.mean((made - said) ** 2)

    @jit
    def step(tree: Any, memory: Any, drawn: Images, said: Maps, unit: Array) -> tuple[Any, Any]:
        slope = jax.grad(loss)(tree, drawn, said, unit)
        change, memory = rule.update(slope, memory, tree)
        return optax.apply_updates(tree, change), memory

    memory, rng = rule.init(state), np.random.default_rng(seed)
    for number in range(steps):
        if number % each_epoch == 0:
            order = np.resize(rng.permutation(len(images)), each_epoch * CHUNK).reshape(each_epoch, CHUNK)
        chosen, unit = order[number % each_epoch], jnp.asarray(rng.integers(units))
        drawn, said = jnp.asarray(shown[chosen], jnp.float32), jnp.asarray(wanted[chosen])
        state, memory = step(state, memory, drawn, said, unit)
        if progress is not None:
            progress(number + 1, steps)
    return Shrunk(net_of(state), shrink, name=NAME)


def _seen(
    probe: Probe, images: LabelledSet, frame: Frame
) -> tuple[Float[np.ndarray, "image h w channel"], Float[np.ndarray, "image row column unit"]]:
    """Returns all images, and what units say to them, in their own standard deviations."""
    look = jit(lambda items: (frame.draw(items), probe.maps(frame.draw(items))))
    shown, said = [], []
    for start in range(0, len(images), CHUNK):
        drawn, each = look(images.items(np.minimum(np.arange(start, start + CHUNK), len(images) - 1)))
        shown.append(np.asarray(drawn, np.float16)[: len(images) - start])
        said.append(np.asarray(each)[: len(images) - start])
    wanted = np.concatenate(said)
    spread = wanted.std((0, 1, 2))
    if not np.isfinite(spread).all() or not (spread > 1e-6 * np.abs(wanted).max()).all():
        raise NetError(
            f"units of layer {probe.layer!r} of net {probe.net.name!r} say NaN, or the same everywhere: wanted units "
            "that respond to some of the images."
        )
    return np.concatenate(shown), wanted / spread


def _averaged(images: Float[Array, "image h w channel"], by: int) -> Float[Array, "image _ _ channel"]:
    """Returns images averaged over squares of pixels."""
    return nnx.avg_pool(images, (by, by), (by, by)) if by > 1 else images
