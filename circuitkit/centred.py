"""Units of many layers that look at one place: what they respond to images, each computed once.

    for group in together([net[layer] for layer in net.layers]):
        responses = group.run(images)               # (image, unit) for each of group.probes

A sweep of one layer after another computes the first layers again for each. Where a net's layers have units whose
receptive fields share a centre, as behind odd kernels and strides, one program reads all of them, from the pixels that
the largest field holds; its cost is that of the last layer. Layers of other centres make a group of their own.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit.compiling import compiled
from circuitkit.cropping import Cropped, crop
from circuitkit.cropping.once import Once
from circuitkit.probe import Images, Probe, Site


@dataclasses.dataclass(frozen=True, eq=False)
class Group:
    """Units of several layers, read at one place.

    Attributes:
        probes: The units, by layer.
        sites: Where each is read, in images of one size.
        count: Images that are computed at once.
        channels: Of the images.
    """

    probes: tuple[Probe, ...]
    sites: tuple[Site, ...]
    count: int
    channels: int

    @functools.cached_property
    def cropped(self) -> Cropped:
        """What computes all responses (image, 1, 1, unit), one layer's after the other."""
        shape = (self.count, self.sites[0].height, self.sites[0].width, self.channels)

        def respond(images: Images) -> Float[Array, "image 1 1 unit"]:
            read = []
            for probe, site in zip(self.probes, self.sites, strict=True):
                row, column = site.unit
                read.append(probe.maps(images)[:, row : row + 1, column : column + 1])
            return jnp.concatenate(read, axis=-1)

        if len(self.probes) == 1:  # which has nothing to share
            return crop(respond, shape, (None,) * 4)
        once = Once(respond, shape)
        return crop(lambda images: once.apply(once.constants, images), shape, (None,) * 4)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the images that it takes: the pixels on which a response depends."""
        count, height, width, channels = self.cropped.shape
        return count, height, width, channels

    @property
    def anchor(self) -> tuple[float, float]:
        """Row and column, in these images, of the centre of all receptive fields."""
        (row, column), cropped = self.sites[0].anchor, self.cropped
        return row - cropped.rows[0], column - cropped.columns[0]

    @functools.cached_property
    def _program(self) -> Callable[..., Any]:
        def respond(constants: Any, images: Images) -> Float[Array, "image unit"]:
            return self.cropped.apply(constants, images)[:, 0, 0, :]

        # Kept by its text: control nets, which have other weights alone, are not compiled again.
        return compiled(respond, self.cropped.constants, np.zeros(self.shape, np.float32))

    def run(self, images: Float[np.ndarray, "image h w channel"]) -> Float[np.ndarray, "image unit"]:
        """Returns the responses of all units, one layer's after the other."""
        return np.asarray(self._program(self.cropped.constants, images))


def together(probes: Sequence[Probe], *, count: int, channels: int = 3) -> list[Group]:
    """Returns groups of units that are read at one place, those of the largest receptive fields first.

    Args:
        probes: Of one net.
        count: Images that are computed at once.
        channels: Of the images: 1 or 3.

    Raises:
        ImageError: If the units of a probe see all of an image, and the net was made for no size.
    """
    rest = sorted(((probe, probe.site()) for probe in probes), key=lambda each: -each[1].height)
    groups = []
    while rest:
        _, wanted = rest[0]
        found = [(probe, _at(probe, own, wanted)) for probe, own in rest]
        here = [(probe, site) for probe, site in found if site is not None]
        groups.append(Group(tuple(each for each, _ in here), tuple(each for _, each in here), count, channels))
        rest = [each for each, (_, site) in zip(rest, found, strict=True) if site is None]
    return groups


def _at(probe: Probe, own: Site, wanted: Site) -> Site | None:
    """Returns where a unit of a probe looks at the place that is wanted, on images of its size; None if none does."""
    if (own.height, own.width, own.anchor) == (wanted.height, wanted.width, wanted.anchor):
        return own
    field = probe.receptive_field
    if field is None or field != probe.net.receptive_field(probe.layer, (wanted.height, wanted.width)):
        return None
    unit = []
    spans = zip(field.size, field.stride, field.first, wanted.anchor, (wanted.height, wanted.width), strict=True)
    for size, stride, first, centre, side in spans:
        place, half = (centre - first) / stride, (size - 1) / 2
        # Whole fields alone: beside them, padding would be seen.
        if place != round(place) or centre < half or centre + half > side - 1:
            return None
        unit.append(round(place))
    return Site(wanted.height, wanted.width, (unit[0], unit[1]), wanted.anchor)
