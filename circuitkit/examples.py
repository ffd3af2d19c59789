"""Examples of a survey: images from every stratum of a unit's responses, and the part of each image that it saw.

    seen = survey(net["fire5"], images)
    crops(seen.sel(unit=["fire5:130"]), images)             # (unit, rank, y, x, channel): what it responds to most
    crops(strata(seen.sel(unit=["fire5:130"])), images)     # (unit, stratum, rank, y, x, channel): and to less and less
"""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args

import jax
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from circuitkit import checks
from circuitkit.compiling import compiled_drawing
from circuitkit.errors import StimulusError, unknown_name
from circuitkit.probe import Probe
from circuitkit.receptive_field import ReceptiveField
from circuitkit.stimuli import LabelledSet, Photographs, Renderer, Saved, Subset
from circuitkit.stimuli.photographs import VariedPhotographs

Scale = Literal["maximum", "quantile"]

PIXELS = {"units": "pixels"}

_DRAWN = 8
"""Images drawn at once for their crops."""


def strata(
    seen: xr.Dataset, edges: Sequence[float] = (0, 0.2, 0.4, 0.6, 0.8, 1), *, of: Scale = "maximum", each: int = 8
) -> xr.Dataset:
    """Returns examples of every strength: for each unit, images drawn at random from each stratum of its responses.

    Strata can only be told once all responses are known, and images drawn from them only before they are forgotten.
    So a survey keeps the largest response of every image, or of a random sample of images where there are many, and
    this function sorts them: memory is flat, there is no second pass, and any edges can be asked for afterwards (a
    reservoir for each stratum would have to know the edges in advance). The price: of a set far larger than `kept`, a
    stratum with fewer than one in `kept` images may come out empty; those at the very top are in `top_image` anyway.

    Args:
        seen: From `survey`.
        edges: Of the strata, rising: shares of the unit's largest response over the survey, or quantiles of its
            largest responses to the images kept. A response on an edge belongs to the stratum above it, except on
            the last.
        of: What the edges are shares of.
        each: Examples of each stratum, at most.

    Returns:
        (unit, stratum, rank) `response`, `image`, `row`, `column`, `y`, `x`, the largest first, NaN and -1 where there
        are fewer; (unit, stratum) `low`, `high`, and `count`, of the images kept. It can be given to `crops`.

    Raises:
        StimulusError: If the edges do not rise from 0 or more to 1 or less.
        UnknownNameError: If `of` is misspelt.
    """
    checks.whole("strata", "each", each)
    if of not in get_args(Scale):
        raise unknown_name("scale", of, get_args(Scale), owner="strata")
    rising = np.asarray(edges, float)
    if len(rising) < 2 or not (np.diff(rising) > 0).all() or rising[0] < 0 or rising[-1] > 1:
        raise StimulusError(f"strata got edges {tuple(edges)}: wanted at least two numbers that rise, from 0 to 1.")
    seen = seen if "unit" in seen.dims else seen.expand_dims("unit")
    responses = seen.image_response.transpose("unit", "image").values
    units, count = responses.shape
    if of == "maximum":
        limits = np.multiply.outer(seen.max_response.values, rising)
    else:
        limits = np.quantile(responses, rising, axis=1).T
    # The same order for all units, so that strata of different units share images, which are decoded once.
    order = np.random.default_rng(0).permutation(count)
    chosen = np.full((units, len(rising) - 1, each), -1)
    counts = np.zeros(chosen.shape[:2], int)
    for unit, stratum in np.ndindex(*counts.shape):
        low, high = limits[unit, stratum : stratum + 2]
        inside = (responses[unit] >= low) & (responses[unit] < high)
        if stratum == len(rising) - 2:
            inside |= responses[unit] == high
        drawn = order[inside[order]][:each]
        drawn = drawn[np.lexsort((drawn, -responses[unit, drawn]))]
        chosen[unit, stratum, : len(drawn)] = drawn
        counts[unit, stratum] = inside.sum()
    field = field_of(seen)

    def taken(name: str, missing: float) -> np.ndarray:
        values = seen[name].transpose("unit", "image").values
        return np.where(chosen < 0, missing, values[np.arange(units)[:, None, None], chosen])

    row, column = taken("image_row", -1).astype(int), taken("image_column", -1).astype(int)
    dims = ("unit", "stratum", "rank")
    return xr.Dataset(
        {
            "response": (dims, taken("image_response", np.nan)),
            "image": (dims, np.where(chosen < 0, -1, seen.image.values[chosen])),
            "row": (dims, row),
            "column": (dims, column),
            "y": (dims, np.where(chosen < 0, np.nan, field.first[0] + field.stride[0] * row), PIXELS),
            "x": (dims, np.where(chosen < 0, np.nan, field.first[1] + field.stride[1] * column), PIXELS),
            "low": (dims[:2], limits[:, :-1]),
            "high": (dims[:2], limits[:, 1:]),
            "count": (dims[:2], counts),
        },
        coords={"unit": seen.unit.values},
        attrs=seen.attrs,
    )


def crops(examples: xr.Dataset, images: LabelledSet) -> xr.DataArray:
    """Returns what units saw in the examples of a survey: the receptive field of each, cut out of its image.

    Only the images that are needed are drawn, each once. Where a field leaves the image, the crop is mid grey.

    Args:
        examples: From `survey` or `strata`, or a part of one: `seen.sel(unit=["fire5:130"])`.
        images: The set that was surveyed.

    Returns:
        (unit, rank, y, x, channel), or whatever dimensions the examples have, then y from the top; values -1 to 1. All
        grey where there is no example.

    Raises:
        StimulusError: If the set has another number of images than the one surveyed, or one cannot be read.
    """
    which = _example(examples, "image")
    channels = Frame.read(examples, images).channels
    shape = (*which.shape, *field_of(examples).size, channels)
    found = np.zeros(shape, np.float32)
    for place, crop in each_crop(examples, images):
        found[place] = crop
    return xr.DataArray(
        found,
        dims=[*which.dims, "y", "x", "channel"],
        coords=which.coords,
        name="crop",
        attrs={name: examples.attrs[name] for name in ("net", "layer", "images", "versions")},
    )


def each_crop(
    examples: xr.Dataset, images: LabelledSet
) -> Iterator[tuple[tuple[int, ...], Float[np.ndarray, "y x channel"]]]:
    """Yields the crops of `crops` one by one, each with its place among the examples, in the order of the images."""
    frame = Frame.read(examples, images)
    height, width = field_of(examples).size
    which = _example(examples, "image").values
    top, left = (
        np.nan_to_num(_example(examples, name).values - (side - 1) / 2).round()
        for name, side in (("y", height), ("x", width))
    )
    wanted = np.unique(which[which >= 0])
    places: dict[int, list[tuple[int, ...]]] = {int(image): [] for image in wanted}
    for place in zip(*np.nonzero(which >= 0), strict=True):
        places[int(which[place])].append(tuple(int(index) for index in place))
    draw = None
    for start in range(0, len(wanted), _DRAWN):
        items = images.items(wanted[np.minimum(np.arange(start, start + _DRAWN), len(wanted) - 1)])
        draw = draw or compiled_drawing(frame.draw, items)
        for image, pixels in zip(wanted[start : start + _DRAWN], np.asarray(draw(items)), strict=False):
            for place in places[int(image)]:
                yield place, _cut(pixels, int(top[place]), int(left[place]), height, width)


def _cut(
    pixels: Float[np.ndarray, "h w channel"], top: int, left: int, height: int, width: int
) -> Float[np.ndarray, "y x channel"]:
    crop = np.zeros((height, width, pixels.shape[2]), np.float32)
    inside = [
        slice(max(first, 0), min(first + side, whole))
        for first, side, whole in ((top, height, pixels.shape[0]), (left, width, pixels.shape[1]))
    ]
    rows, columns = (
        slice(part.start - first, part.stop - first) for part, first in zip(inside, (top, left), strict=True)
    )
    crop[rows, columns] = pixels[inside[0], inside[1]]
    return crop


def _example(examples: xr.Dataset, name: str) -> xr.DataArray:
    return examples[f"top_{name}" if "top_image" in examples else name]


def field_of(seen: xr.Dataset) -> ReceptiveField:
    """Returns the receptive field that a survey was read with."""
    size, stride, first = (np.asarray(seen.attrs[f"field_{name}"]).tolist() for name in ("size", "stride", "first"))
    return ReceptiveField(size=tuple(size), stride=tuple(stride), first=tuple(first))


@dataclasses.dataclass(frozen=True)
class Frame:
    """How images are drawn for a survey.

    Attributes:
        images: The set.
        height: In pixels.
        width: In pixels.
        anchor: Row and column of what stimuli are anchored on; None for pictures, which are shown as they are.
        renderer: What they are drawn with.
    """

    images: LabelledSet
    height: int
    width: int
    anchor: tuple[float, float] | None
    renderer: Renderer

    @classmethod
    def of(cls, probe: Probe, images: LabelledSet, size: int | None, renderer: Renderer) -> "Frame":
        """Returns how images are shown to a probe; see `survey`."""
        own = _own_size(images)
        if own is not None:
            height, width = own if size is None else (size, size)
            return cls(images, height, width, None, renderer)
        if size is not None:
            site = probe.site_in(size, size)
        else:
            site = probe.site() if probe.net.image_size is None else probe.site_in(*probe.net.image_size)
        return cls(images, site.height, site.width, site.anchor, renderer)

    @classmethod
    def read(cls, seen: xr.Dataset, images: LabelledSet) -> "Frame":
        """Returns what a survey was made with."""
        if len(images) != seen.attrs["image_count"]:
            raise StimulusError(
                f"these examples are of {seen.attrs['image_count']} images ({seen.attrs['images']}), and {len(images)} "
                f"are given ({images!r}): give the set that was surveyed."
            )
        height, width = (int(side) for side in seen.attrs["image_size"])
        anchor = seen.attrs.get("anchor")
        held = None if anchor is None else (float(anchor[0]), float(anchor[1]))
        return cls(images, height, width, held, Renderer(**json.loads(seen.attrs["renderer"])))

    @property
    def channels(self) -> int:
        """Of the images: 1 or 3."""
        return int(jax.eval_shape(self.draw, self.images.items(np.zeros(1, int))).shape[-1])

    def draw(self, items: Any) -> Float[Array, "image h w channel"]:
        """Draws images from their items, which may be traced."""
        return jax.vmap(
            lambda item: self.images.draw(item, self.height, self.width, anchor=self.anchor, renderer=self.renderer)
        )(items)


def _own_size(images: LabelledSet) -> tuple[int, int] | None:
    """Returns the height and width that pictures and saved sets have; reads every header."""
    if isinstance(images, Subset):
        return _own_size(images.whole)
    if isinstance(images, VariedPhotographs):
        return images.photographs.size
    if isinstance(images, Saved):
        return images.height, images.width
    return images.size if isinstance(images, Photographs) else None
