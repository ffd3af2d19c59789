"""A look at units where they respond most: how much, and what an earlier layer holds just there.

seen = look(net["fire8", [303]], "fire7", images)
seen.responses                          # (stimulus, unit)
seen.activations("fire8:303")           # (stimulus, channel): of fire7, at the place of the largest response
seen.contributions("fire8:303")         # (stimulus, channel): what each channel of fire7 adds to it there

Only places that see no padding count: those whose receptive field lies in the image. Padding is seen by no other place,
and it looks the same in all images, so places at different borders would be told apart whatever the net has learned: of
SqueezeNet with its kernels shuffled, half of the units respond most there, and seem to have a kind of stimulus for each
border. Late layers see more pixels than nets are trained with, so show them larger images: fire9 of SqueezeNet sees 207
pixels, of 224 that are usual, and at 320 there are 7 x 7 places that see no padding.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int

from circuitkit import checks, wiring
from circuitkit.compiling import jit
from circuitkit.errors import NetError, StimulusError, unknown_name
from circuitkit.examples import Frame
from circuitkit.probe import Probe
from circuitkit.receptive_field import ReceptiveField
from circuitkit.stimuli import FAST, LabelledSet, Renderer

Rows = Float[np.ndarray, "stimulus channel"]


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """How units responded, and what an earlier layer held.

    Attributes:
        probe: The units.
        sources: The earlier layers.
        responses: (stimulus, unit), each at its place.
        places: (stimulus, unit, 2): row and column of the unit's map.
        maps: Of each source, (stimulus, row, column, channel).
        size: Rows and columns of the images.
    """

    probe: Probe
    sources: tuple[str, ...]
    responses: Float[np.ndarray, "stimulus unit"]
    places: Int[np.ndarray, "stimulus unit 2"]
    maps: Mapping[str, Float[np.ndarray, "stimulus _ _ _"]]
    size: tuple[int, int]

    @property
    def channels(self) -> list[str]:
        """Names of the sources' units, in order."""
        return [name for source in self.sources for name in self.probe.net.unit_names(source)]

    def index(self, unit: str | int) -> int:
        """Returns which of the probe's units one is."""
        names = self.probe.unit_names
        if unit in names:
            return names.index(str(unit))
        if isinstance(unit, int) and 0 <= unit < len(names):
            return unit
        raise unknown_name("unit", unit, names, owner=f"this look at layer {self.probe.layer!r}")

    def activations(self, unit: str | int) -> Rows:
        """Returns what the sources hold at the place nearest to the middle of what the unit sees, for each stimulus."""
        return np.concatenate([self._windows(unit, source, [0.0], [0.0])[:, 0, 0] for source in self.sources], axis=1)

    def contributions(self, unit: str | int) -> Rows:
        """Returns what each channel adds to the unit: weights, the net between made linear, times activations.

        Raises:
            NetError: If there are several sources, or more leads to the unit than the source.
        """
        if len(self.sources) > 1:
            raise NetError(f"contributions of {', '.join(self.sources)}: wanted one layer. Give by='activation'.")
        weights = self._weights.isel(unit=self.index(unit))
        windows = self._windows(unit, self.sources[0], -weights.y.values, weights.x.values)
        return np.einsum("nhwc,chw->nc", windows, weights.values)

    @functools.cached_property
    def _weights(self) -> xr.DataArray:
        return wiring.expanded(self.probe, self.sources[0])

    @functools.cached_property
    def _fields(self) -> dict[str, ReceptiveField | None]:
        # A large net takes a tenth of a second for each.
        return {name: self.probe.net.receptive_field(name, self.size) for name in (self.probe.layer, *self.sources)}

    def _windows(
        self, unit: str | int, source: str, down: Sequence[float] | np.ndarray, across: Sequence[float] | np.ndarray
    ) -> Float[np.ndarray, "stimulus h w channel"]:
        """Returns a source's values at some offsets, in pixels, from the middle of what the unit sees; 0 beyond."""
        maps, places = self.maps[source], self.places[:, self.index(unit)]
        fields = self._fields[self.probe.layer], self._fields[source]
        taken = []
        for axis, offsets in enumerate((down, across)):
            if fields[0] is None or fields[1] is None:
                middle = np.full(len(places), maps.shape[1 + axis] // 2, float)
                steps = np.asarray(offsets, float)
            else:
                pixel = fields[0].first[axis] + fields[0].stride[axis] * places[:, axis]
                middle = (pixel - fields[1].first[axis]) / fields[1].stride[axis]
                steps = np.asarray(offsets, float) / fields[1].stride[axis]
            at = np.floor(middle[:, None] + steps + 0.5).astype(int)
            taken.append((np.clip(at, 0, maps.shape[1 + axis] - 1), (at >= 0) & (at < maps.shape[1 + axis])))
        (rows, in_rows), (columns, in_columns) = taken
        found = maps[np.arange(len(maps))[:, None, None], rows[:, :, None], columns[:, None, :]]
        return found * (in_rows[:, :, None] & in_columns[:, None, :])[..., None]


def look(
    probe: Probe,
    sources: str | Sequence[str],
    stimuli: LabelledSet,
    *,
    padded: bool = False,
    size: int | None = None,
    renderer: Renderer = FAST,
    chunk: int = 16,
) -> Seen:
    """Shows stimuli to units, and keeps the maps of earlier layers: 200 MB for 1000 maps of 14 x 14 x 256.

    Args:
        probe: The units.
        sources: An earlier layer, or several, whose channels are then taken together.
        stimuli: Photographs, or any other labelled set; the more kinds of thing, the better.
        padded: Whether places that see padding count, too.
        size: Side of the images, in pixels; see `survey`.
        renderer: How images are drawn.
        chunk: Images computed at once.

    Raises:
        NetError: If a response is NaN or infinite.
        StimulusError: If there are no stimuli, or every place sees padding.
        UnknownNameError: If there is no such layer before the probe's own.
    """
    (seen,) = looks([(probe, sources)], stimuli, padded=padded, size=size, renderer=renderer, chunk=chunk)
    return seen


def looks(
    asked: Sequence[tuple[Probe, str | Sequence[str]]],
    stimuli: LabelledSet,
    *,
    padded: bool = False,
    size: int | None = None,
    renderer: Renderer = FAST,
    chunk: int = 16,
) -> list[Seen]:
    """Returns several looks at one net, for the price of one: see `look`.

    Args:
        asked: Units, and their sources.
        stimuli: As in `look`; likewise the others.
        padded: Whether places that see padding count, too.
        size: Side of the images, in pixels.
        renderer: How images are drawn.
        chunk: Images computed at once.
    """
    checks.whole("look", "chunk", chunk)
    given = [(probe, (sources,) if isinstance(sources, str) else tuple(sources)) for probe, sources in asked]
    if not given or not all(names for _, names in given) or not len(stimuli):
        said = min((len(names) for _, names in given), default=0)
        raise StimulusError(f"look got {said} sources and {len(stimuli)} stimuli: wanted one of each at least.")
    net = given[0][0].net
    for probe, names in given:
        if probe.net is not net:
            raise NetError(f"looks got nets {net.name!r} and {probe.net.name!r}: wanted one. Look at them in turn.")
        earlier = net.layers[: net.layers.index(probe.layer)]
        for name in names:
            if name not in earlier:
                raise unknown_name("earlier layer", name, earlier, owner=f"layer {probe.layer!r} of net {net.name!r}")
    frame = Frame.of(given[0][0], stimuli, size, renderer)
    shown = (frame.height, frame.width)
    sources = list(dict.fromkeys(name for _, names in given for name in names))

    def respond(images: Float[Array, "image h w channel"]) -> tuple[list[tuple[Array, Array]], list[Array]]:
        best = []
        for probe, _ in given:
            maps = probe.maps(images)
            (top, left), maps = _inside(probe, maps, shown) if not padded else ((0, 0), maps)
            flat = maps.reshape(len(images), -1, maps.shape[-1])
            rows, columns = jnp.divmod(jnp.argmax(flat, axis=1), maps.shape[2])
            best.append((jnp.max(flat, axis=1), jnp.stack([top + rows, left + columns], -1)))
        return best, [net.maps(images, name) for name in sources]

    run, draw = jit(respond), jit(frame.draw)
    found = []
    for start in range(0, len(stimuli), chunk):
        which = np.minimum(np.arange(start, start + chunk), len(stimuli) - 1)
        kept = min(chunk, len(stimuli) - start)
        found.append(jax.tree.map(lambda each, kept=kept: np.asarray(each)[:kept], run(draw(stimuli.items(which)))))
    best, held = jax.tree.map(lambda *each: np.concatenate(each), *found)
    by_name = dict(zip(sources, held, strict=True))
    seen = []
    for (probe, names), (responses, places) in zip(given, best, strict=True):
        maps = {name: by_name[name] for name in names}
        if not all(np.isfinite(each).all() for each in (responses, *maps.values())):
            raise NetError(f"net {net.name!r} responds with NaN or infinity in {probe.layer}: look at its weights.")
        seen.append(Seen(probe, names, responses, places.astype(int), maps, shown))
    return seen


def _inside(
    probe: Probe, maps: Float[Array, "image h w unit"], size: tuple[int, int]
) -> tuple[tuple[int, int], Float[Array, "image _ _ unit"]]:
    """Returns the first place that sees no padding, and maps of such places: all, if what a unit sees is not known."""
    field = probe.net.receptive_field(probe.layer, size)
    if field is None:
        return (0, 0), maps
    spans = []
    for side, sees, stride, first, count in zip(
        size, field.size, field.stride, field.first, maps.shape[1:3], strict=True
    ):
        low = max(0, math.ceil(((sees - 1) / 2 - first) / stride))
        high = min(count - 1, math.floor((side - 1 - (sees - 1) / 2 - first) / stride))
        if low > high:
            raise StimulusError(
                f"each unit of {probe.layer!r} sees {sees} pixels, and padding in images of {side}: wanted images of "
                f"{sees + 2 * stride} or more. Give a larger size, or padded=True."
            )
        spans.append((low, high + 1))
    (top, bottom), (left, right) = spans
    return (top, left), maps[:, top:bottom, left:right]
