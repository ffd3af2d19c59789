"""Natural images, or any labelled set, through a net in one pass: what each unit responds to most, and how often.

    from circuitkit.survey import crops, strata, survey

    images = photographs("imagenet-sample.zip", side=224)
    seen = survey(net["fire5"], images)         # xarray: (unit, rank), (unit, q), (unit, bin), (image, unit)
    seen.top_image.sel(unit="fire5:130")        # the images with the largest responses, each named once
    crops(seen.sel(unit=["fire5:130"]), images) # what the unit saw of them
    strata(seen)                                # examples of every strength, not of the largest alone

Every position of the map counts, border included unless it is dropped. Nothing but summaries is kept, so memory is flat
in the number of images: a million random stimuli take as much as a thousand photographs.

Responses are counted without knowing their range (see `histogram`), and quantiles are read off the counts.
"""

import contextlib
import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Bool, Float, Int

from circuitkit import checks, histogram
from circuitkit.cropping import Cropped, Interval
from circuitkit.errors import CircuitkitError, ImageError, NetError, StimulusError, unknown_name
from circuitkit.examples import PIXELS, Frame, crops, strata
from circuitkit.probe import Probe, Site
from circuitkit.receptive_field import ReceptiveField
from circuitkit.stimuli import FAST, LabelledSet, Renderer, to_json
from circuitkit.streaming import block_size, stream

__all__ = ["crops", "strata", "survey"]

Border = Literal["keep", "drop"]
Progress = Callable[[int, int], None]
"""Called with the number of images done and the number of all."""

QUANTILES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)

PLOTTED = 8
"""Bins an octave of `histogram`, which are sums of finer ones."""

CACHED = 2**25
"""How much the largest operation of a chunk may read and write on CPU. Less would keep the net's maps nearer to the
core, but each chunk also fills and hands over a table of counts, 32 KiB a unit. SqueezeNet's fire5 at 224 pixels takes
12.1, 10.2, 9.6 and 9.5 ms of CPU an image in chunks of 1, 2, 4 and 8; decoding and the net alone take 6.4 in all."""

KEPT = 10_000

LONGEST_DEFINITION = 2**20
"""Of the set, in letters; a longer one is left out of the attributes."""


def survey(
    probe: Probe,
    images: LabelledSet,
    *,
    top: int = 16,
    border: Border = "keep",
    size: int | None = None,
    renderer: Renderer = FAST,
    chunk: int | None = None,
    kept: int = KEPT,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Returns what the units of a probe respond to most, and how their responses are distributed.

    Args:
        probe: The units.
        images: Photographs, or any other labelled set.
        top: How many of the images with the largest responses are named, for each unit. Each image counts once, with
            its largest response. Of equal responses the one in the image of lower number comes first; within an image,
            the one further up, then further to the left.
        border: `keep` counts all positions of the map: near its border a net sees padding, and that is what it does
            on the image. `drop` leaves out every position whose receptive field leaves the image.
        size: Side of the images, in pixels. Left out, pictures and saved sets have their own; all else is drawn at the
            size that the net was made for, or the smallest that determines a unit. A stimulus is anchored on the centre
            of the receptive field of the unit in the middle, so `size=probe.site().height, border="drop"` reads what
            `tune` reads.
        renderer: How the images are drawn.
        chunk: Images computed at once on a device. Left out, as many as fit the cache. It changes counts and moments
            by the rounding of the responses themselves, and nothing else.
        kept: Of how many images each unit's largest response is kept, for `strata` and for comparison with labels. Of
            a larger set, a random sample that follows from the set's length alone.
        progress: Called after each chunk.

    Returns:
        A dataset of plain values, which can be written as netCDF:

        * (unit, rank) `top_response`, `top_image` (number in the set), `top_row` and `top_column` (of the map), and
          `top_y` and `top_x`: the centre of the receptive field, in pixel indices from the top and from the left;
        * (unit) `mean_response`, `std_response` (of all positions as a population), `min_response`, `max_response`,
          and `share_active`, the share of positions above 0;
        * (unit, q) `quantiles`: the smallest response that at least a share q of all positions does not exceed, to
          within 2 ** -6 of itself (or within 2.4e-10);
        * (unit, bin) `histogram`: how many positions have responses from `bin_low` to `bin_high`. The end nearer to 0
          belongs to the bin, the other to the next one; exactly 0 has its own, where both are 0. Whole numbers, but
          as float64, since netCDF has no integers that long;
        * (image, unit) `image_response`, `image_row`, `image_column`: the largest response of each image kept.

    Raises:
        NetError: If a response is NaN or infinite.
        ImageError: If the images are too small for the layer, or no position is left without the border.
        StimulusError: If there are no images, or one cannot be read.
        SpecError: If a number is no whole number above 0.
        UnknownNameError: If `border` is misspelt.
    """
    for name, value in (("top", top), ("kept", kept), *([] if chunk is None else [("chunk", chunk)])):
        checks.whole("survey", name, value)
    if border not in get_args(Border):
        raise unknown_name("border", border, get_args(Border), owner="survey")
    if not len(images):
        raise StimulusError("survey got a set of no images: wanted at least one.")
    work = _Pass.of(probe, Frame.of(probe, images, size, renderer), border, chunk)
    found = _Found(work, top, kept)
    for start, block in work.run():
        found.add(start, block)
        if progress is not None:
            progress(start + len(block.largest), len(images))
    return found.dataset(border)


@dataclasses.dataclass(frozen=True)
class _Pass:
    """What is computed: part of a map, for each image of a set.

    Attributes:
        probe: The units.
        frame: How the images are drawn.
        reading: The net, from the pixels that determine this part.
        corner: Row and column where the part begins.
        shape: Its rows and columns.
        field: The receptive field; all of the image, where a unit sees all of it.
        chunk: Images at once on a device.
    """

    probe: Probe
    frame: Frame
    reading: Cropped
    corner: tuple[int, int]
    shape: tuple[int, int]
    field: ReceptiveField
    chunk: int

    @classmethod
    def of(cls, probe: Probe, frame: Frame, border: Border, chunk: int | None) -> "_Pass":
        height, width, channels = frame.height, frame.width, frame.channels
        whole = jax.eval_shape(probe.maps, jax.ShapeDtypeStruct((1, height, width, channels), jnp.float32)).shape[1:3]
        field = probe.net.receptive_field(probe.layer, (height, width))
        parts: list[Interval] = [(0, count) for count in whole]
        if border == "drop" and field is not None:
            parts = [
                _inside(*each)
                for each in zip((height, width), field.size, field.stride, field.first, whole, strict=True)
            ]
        if min(last - first for first, last in parts) < 1 or (border == "drop" and field is None):
            sees = "all of the image" if field is None else "{}x{} pixels".format(*field.size)
            raise ImageError(
                f"layer {probe.layer!r} of net {probe.net.name!r} has {whole[0]}x{whole[1]} units on images of "
                f"{height}x{width} pixels; each sees {sees}, and none of them nothing but image. Give larger images, "
                "or border='keep'."
            )
        whole_image = ReceptiveField(size=(height, width), first=((height - 1) / 2, (width - 1) / 2))

        def reading(images: int) -> Cropped:
            site = Site(height, width, (0, 0), (0.0, 0.0))
            return probe.reading(site, images=images, channels=channels, rows=parts[0], columns=parts[1])

        if chunk is None:
            one = reading(1).image_bytes
            chunk = block_size(one, len(frame.images), platform=jax.default_backend(), cached=CACHED)
        (top, bottom), (left, right) = parts
        shape = bottom - top, right - left
        return cls(probe, frame, reading(chunk), (top, left), shape, field or whole_image, chunk)

    def run(self) -> Iterator[tuple[int, "_Block"]]:
        """Yields the number of the first image of each chunk, and what was found in the chunk."""
        images, total = self.frame.images, len(self.frame.images)
        rows, columns = self.reading.rows, self.reading.columns

        def respond(constants: Any, items: Any, valid: Bool[Array, " image"]) -> "_Block":
            shown = self.frame.draw(items)[:, rows[0] : rows[1], columns[0] : columns[1]]
            return _reduced(self.reading.apply(constants, shown), valid)

        blocks = range(math.ceil(total / self.chunk))
        weights = self.reading.constants
        for number, block in stream(respond, weights, images.items, blocks, size=self.chunk, total=total):
            start = number * self.chunk
            yield start, _Block(block.counts, *(each[: total - start] for each in block[1:]))


class _Block(NamedTuple):
    """What is kept of a chunk of images: counts, and for each image and unit a few numbers over all positions."""

    counts: Int[Array | np.ndarray, "unit bin"]
    largest: Float[Array | np.ndarray, "image unit"]
    position: Int[Array | np.ndarray, "image unit"]
    smallest: Float[Array | np.ndarray, "image unit"]
    mean: Float[Array | np.ndarray, "image unit"]
    squares: Float[Array | np.ndarray, "image unit"]
    active: Int[Array | np.ndarray, "image unit"]


def _reduced(maps: Float[Array, "image row column unit"], valid: Bool[Array, " image"]) -> _Block:
    images, rows, columns, units = maps.shape
    flat = maps.reshape(images, rows * columns, units)
    mean = jnp.mean(flat, 1)
    return _Block(
        histogram.count(flat.reshape(-1, units), jnp.repeat(valid, rows * columns)),
        jnp.max(flat, 1),
        jnp.argmax(flat, 1),  # of equal ones the first
        jnp.min(flat, 1),
        mean,
        jnp.sum((flat - mean[:, None]) ** 2, 1),
        jnp.sum(flat > 0, 1),
    )


class _Found:
    """What is known of all chunks so far, in memory that does not grow with them."""

    def __init__(self, work: _Pass, top: int, kept: int) -> None:
        self.work = work
        units, total = len(work.probe.unit_names), len(work.frame.images)
        self.images = 0
        self.counts = np.zeros((units, 2 * histogram.SIDE + 1), np.int64)
        self.mean, self.squares, self.active = np.zeros(units), np.zeros(units), np.zeros(units, np.int64)
        self.smallest = np.full(units, np.inf, np.float32)
        self.top = min(top, total)
        self.best: tuple[np.ndarray, ...] = tuple(np.zeros((units, 0), kind) for kind in (np.float32, int, int))
        if kept < total:
            self.kept = np.sort(np.random.default_rng(0).choice(total, kept, replace=False, shuffle=False))
        else:
            self.kept = np.arange(total)
        self.response = np.zeros((len(self.kept), units), np.float32)
        self.position = np.zeros((len(self.kept), units), np.int32)

    def add(self, start: int, block: _Block) -> None:
        """Takes in a chunk whose first image has the number `start`."""
        self._refuse_what_is_no_number(start, block)
        self.counts += block.counts
        self.active += block.active.sum(0)
        self.smallest = np.minimum(self.smallest, block.smallest.min(0))
        self._add_moments(block)
        count = len(block.largest)
        numbers = np.broadcast_to(np.arange(start, start + count), (block.largest.shape[1], count))
        added = block.largest.T, numbers, block.position.T
        held = [np.concatenate(pair, axis=1) for pair in zip(self.best, added, strict=True)]
        order = np.lexsort((held[1], -held[0]), axis=1)[:, : self.top]
        self.best = tuple(np.take_along_axis(each, order, axis=1) for each in held)
        first, last = np.searchsorted(self.kept, (start, start + count))
        self.response[first:last] = block.largest[self.kept[first:last] - start]
        self.position[first:last] = block.position[self.kept[first:last] - start]

    def _add_moments(self, block: _Block) -> None:
        """Adds means and sums of squares, which are about the mean of each image.

        Source: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances"
        (1979).
        """
        means, positions = block.mean.astype(float), math.prod(self.work.shape)
        added = len(means)
        mean = means.mean(0)
        squares = block.squares.astype(float).sum(0) + positions * ((means - mean) ** 2).sum(0)
        images, apart = self.images + added, mean - self.mean
        self.squares += squares + apart**2 * positions * (self.images * added / images)
        self.mean += apart * (added / images)
        self.images = images

    def _refuse_what_is_no_number(self, start: int, block: _Block) -> None:
        wrong = ~(np.isfinite(block.largest) & np.isfinite(block.smallest))
        if wrong.any():
            image, unit = (int(index) for index in np.argwhere(wrong)[0])
            probe = self.work.probe
            raise NetError(
                f"unit {probe.unit_names[unit]!r} of layer {probe.layer!r} of net {probe.net.name!r} responds with NaN "
                f"or infinity to image {start + image}: wanted finite responses. Look at its weights, and at how the "
                "net wants its images."
            )

    def dataset(self, border: Border) -> xr.Dataset:
        """Returns all of it, labelled."""
        work, field = self.work, self.work.field
        response, image, position = self.best
        row, column = self._places(position)
        kept_row, kept_column = self._places(self.position)
        each = (1 << histogram.MANTISSA) // PLOTTED
        counts = histogram.coarser(self.counts, each)
        occupied = np.flatnonzero(counts.any(0))
        bins = slice(occupied[0], occupied[-1] + 1)
        low, high = histogram.edges(each)
        positions = self.images * math.prod(work.shape)
        quantiles = histogram.quantiles(self.counts, QUANTILES)
        largest = response[:, 0]
        ranked = ("unit", "rank")
        return xr.Dataset(
            {
                "top_response": (ranked, response),
                "top_image": (ranked, image),
                "top_row": (ranked, row),
                "top_column": (ranked, column),
                "top_y": (ranked, field.first[0] + field.stride[0] * row, PIXELS),
                "top_x": (ranked, field.first[1] + field.stride[1] * column, PIXELS),
                "quantiles": (("unit", "q"), np.clip(quantiles, self.smallest[:, None], largest[:, None])),
                "histogram": (("unit", "bin"), counts[:, bins].astype(float)),
                "mean_response": ("unit", self.mean),
                "std_response": ("unit", np.sqrt(self.squares / positions)),
                "min_response": ("unit", self.smallest),
                "max_response": ("unit", largest),
                "share_active": ("unit", self.active / positions),
                "image_response": (("image", "unit"), self.response),
                "image_row": (("image", "unit"), kept_row),
                "image_column": (("image", "unit"), kept_column),
            },
            coords={
                "unit": list(work.probe.unit_names),
                "rank": np.arange(self.top),
                "q": list(QUANTILES),
                "bin_low": ("bin", low[bins]),
                "bin_high": ("bin", high[bins]),
                "image": self.kept,
            },
            attrs=_attrs(work, border),
        )

    def _places(self, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns rows and columns of the whole map."""
        row, column = np.divmod(position, self.work.shape[1])
        return row + self.work.corner[0], column + self.work.corner[1]


def _inside(side: int, size: int, stride: int, first: float, count: int) -> Interval:
    """Returns which of so many positions along an axis have fields that lie within the image."""
    centres = first + stride * np.arange(count)
    held = np.flatnonzero((centres - (size - 1) / 2 >= 0) & (centres + (size - 1) / 2 <= side - 1))
    return (int(held[0]), int(held[-1]) + 1) if len(held) else (0, 0)


def _attrs(work: _Pass, border: Border) -> dict[str, Any]:
    """Returns what a survey was made of, as plain values, which any file can hold."""
    probe, frame, field = work.probe, work.frame, work.field
    attrs = {
        "net": probe.net.name,
        "layer": probe.layer,
        "images": repr(frame.images),
        "image_count": len(frame.images),
        "image_size": [frame.height, frame.width],
        "image_values": probe.net.image_values,
        "renderer": json.dumps(dataclasses.asdict(frame.renderer)),
        "border": border,
        "positions": math.prod(work.shape),
        "field_size": list(field.size),
        "field_stride": list(field.stride),
        "field_first": list(field.first),
        "versions": ", ".join(f"{name} {metadata.version(name)}" for name in ("circuitkit", "jax", "numpy")),
    }
    if frame.anchor is not None:
        attrs["anchor"] = list(frame.anchor)
    with contextlib.suppress(CircuitkitError):  # of a set of someone's own kind
        definition = to_json(frame.images)
        if len(definition) <= LONGEST_DEFINITION:
            attrs["images_definition"] = definition
    return attrs
