"""Photographs: the pictures of a folder, a zip archive or a parquet file as a labelled set, turned and scaled at will.

    photos = photographs("imagenet-sample.zip", side=224, aperture=40, softness=4)
    responses = tune(probe, photos[:8].vary(angle=turn(360), flip=(1, -1)))

A photograph stands with a point of its own on the anchor, its middle unless told otherwise, and what is drawn is a
window of the image's size about the anchor. Beyond its border it goes on mirrored, so that turning it brings no edge
into view; a soft round `aperture` fades it into its own mean colour. Note that the middle of a picture with an even
side lies between pixels: `centre_x=0.5, centre_y=0.5` puts the pixel beside it on the anchor.

Between pixels it is interpolated linearly. Below a scale of 1 it is averaged first, under a triangle that is 2 / scale
of its pixels wide, as Pillow does when it shrinks a picture: what the pixel grid cannot hold goes grey instead of
turning up as a coarser pattern. `Renderer(samples=...)` is not needed for that.

Listing pictures opens none of them. Just before the first is drawn, the headers of all in the set are read, so that a
file that is no picture is found before a sweep starts; pixels are decoded when their turn comes, on threads, once
for all the ways in which a picture is shown, and let go. Nothing is ever unpickled or unpacked to disk.
"""

import dataclasses
import functools
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self, overload

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, Int, UInt8

from circuitkit import checks
from circuitkit.errors import StimulusError
from circuitkit.geometry import Pixels
from circuitkit.stimuli.parameter import Colour, Values, check, colour, parameters, part, pixels
from circuitkit.stimuli.patterns import Picture, Raster
from circuitkit.stimuli.render import FAST, Cut, Renderer
from circuitkit.stimuli.sets import Coordinate, Grid, Indices, Items, LabelledSet, Which, flat, grid, places
from circuitkit.stimuli.sources import Decoder, Opened, Source, source_of
from circuitkit.stimuli.stimulus import Image, Stimulus, stimulus


@stimulus
class Photograph(Picture):
    """A picture in its own colours, with any of its points on the anchor; beyond its border it goes on mirrored."""

    image: Raster | None = part(  # type: ignore[assignment]
        default=None, doc="What is shown; in a set, each stimulus brings its own."
    )
    background: Colour | None = colour(  # type: ignore[assignment]
        default=None, doc="Beyond the aperture, and what contrast is about; the picture's mean colour if left out."
    )
    centre_x: Pixels = pixels(
        default=0.0, doc="The point on the anchor: how far to the right of the picture's middle, in its own pixels."
    )
    centre_y: Pixels = pixels(default=0.0, doc="The point on the anchor: how far above the picture's middle.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.image is not None:
            image = check("Photograph", "image", parameters(Picture)["image"], self.image)
            object.__setattr__(self, "image", image)

    def draw(
        self,
        height: int,
        width: int | None = None,
        *,
        anchor: tuple[float, float] | None = None,
        renderer: Renderer = FAST,
    ) -> Image:
        """Draws the picture; see `Stimulus.draw`.

        Raises:
            StimulusError: If it has no image.
        """
        return super(Photograph, self._complete()).draw(height, width, anchor=anchor, renderer=renderer)

    def paint(self, canvas: Image, cut: Cut) -> Image:
        """Returns the canvas with the picture painted over it."""
        return super(Photograph, self._complete()).paint(canvas, cut)

    def values(self, cut: Cut) -> Float[Array, "h w channel"]:
        """Returns the picture, relative to the background, as seen from every point."""
        off_x, off_y = self.centre_x * self.scale, self.centre_y * self.scale
        shown = dataclasses.replace(self, image=self._averaged())
        colours = super(Photograph, shown).values(cut.through(lambda x, y: (x + off_x, y + off_y)))
        return jnp.atleast_3d(colours) - jnp.asarray(self.background, jnp.float32).reshape(1, 1, -1)

    def _complete(self) -> Self:
        """Returns the picture with a background."""
        if self.image is None:
            raise StimulusError(
                "Photograph has image=None: give it an array, make it with Photograph.from_file(path), or take it "
                "from a set: photographs(folder)[0]."
            )
        background = jnp.mean(self.image, (0, 1)) if self.background is None else self.background
        return dataclasses.replace(self, background=background)

    def _averaged(self) -> Float[Array, "rows columns *channel"]:
        """Returns the image without what is too fine for the scale; the same image at a scale of 1 and above."""
        image = jnp.asarray(self.image)
        if checks.is_plain(self.scale) and self.scale >= 1:
            return image
        reach = jnp.maximum(1 / jnp.asarray(self.scale, jnp.float32), 1)
        down, across = (_triangles(count, reach) for count in image.shape[:2])
        return jnp.einsum("ri,cj,ij...->rc...", down, across, image, precision="highest")


def _triangles(count: int, reach: Float[Array, ""]) -> Float[Array, "count count"]:
    """Returns the weights, row by row, of the mean of a row of pixels and its mirror images under a triangle."""
    at = jnp.arange(count, dtype=jnp.float32)
    to, of = at.reshape(-1, 1), at.reshape(1, -1)
    distances = jnp.stack([to - of, to + of + 1, to + of + 1 - 2 * count])
    weights = jnp.maximum(1 - jnp.abs(distances) / reach, 0).sum(0)
    return weights / weights.sum(1, keepdims=True)


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Photographs(LabelledSet):
    """Pictures of a folder or a file, each shown in one way.

    Attributes:
        decoder: Where their pixels come from.
        chosen: Which of the source, by index.
        stimulus: How each is shown: a photograph without its image.

    Raises:
        StimulusError: If there are none.
    """

    decoder: Decoder
    chosen: Int[np.ndarray, " image"]
    stimulus: Photograph

    def __post_init__(self) -> None:
        if not len(self.chosen):
            raise StimulusError(f"no picture of {str(self.decoder.source.path)!r} is left: wanted at least one.")

    @functools.cached_property
    def labels(self) -> pd.DataFrame:
        """What the source says of each picture, a row each; `label_` goes before names that mean something else."""
        taken = {*parameters(Photograph), "image", "stimulus", "unit"}
        found = self.decoder.source.labels.rename(columns={name: f"label_{name}" for name in taken})
        return found.iloc[self.chosen].set_index(pd.Index(self.chosen, name="image"))

    @functools.cached_property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures, which are all one; reads the header of each.

        Raises:
            StimulusError: If a picture cannot be read, or they differ.
        """
        return self.decoder.size(self.chosen.tolist())

    def vary(
        self, *together: Mapping[str, Iterable[Colour | str]], **axes: Iterable[Colour | str]
    ) -> "VariedPhotographs":
        """Returns the same pictures, each shown in several ways: a grid in the picture and other parameters.

        Args:
            *together: Parameters that vary together along one axis; see `zipped`.
            **axes: Parameters, each with its values: `angle=turn(360), flip=(1, -1)`.

        Raises:
            UnknownNameError: If a photograph has no such parameter.
            StimulusError: If there is no axis, an axis is empty, or a value cannot be drawn.
        """
        return VariedPhotographs(self, grid(self.stimulus, *together, **axes))

    @property
    def dims(self) -> tuple[str, ...]:
        """One dimension, the image."""
        return ("image",)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of pictures."""
        return (len(self.chosen),)

    @property
    def coords(self) -> dict[str, tuple[str, Coordinate]]:
        """The index of each picture in its source, and its labels."""
        return {"image": ("image", self.chosen.tolist())} | {
            name: ("image", self.labels[name].tolist()) for name in self.labels
        }

    def varying(self, indices: Indices) -> dict[str, Values]:
        """Returns nothing: all are shown alike."""
        return {}

    def channels(self) -> int:
        """Returns 3: pictures are RGB, and none has to be decoded to know it."""
        return 3

    def items(self, indices: Indices) -> Items:
        """Returns the pictures as bytes, and their mean colours where those are the background.

        Raises:
            StimulusError: If one cannot be read, or not all are of one size.
        """
        rows, columns = self.size  # which reads all headers, before the first picture is decoded
        wanted, each = np.unique(indices, return_inverse=True)
        behind = int(wanted[-1]) + 1
        # A run of pictures is taken for part of a sweep, which the next pictures belong to.
        running = len(wanted) == behind - wanted[0]
        held = self.decoder.take(self.chosen[wanted], then=self.chosen[behind:] if running else self.chosen[:0])
        found: Items = {"image": np.stack([picture.pixels for picture in held]).reshape(-1, rows, columns, 3)[each]}
        if self.stimulus.background is None:
            found["background"] = np.asarray(_values(np.stack([picture.mean for picture in held])))[each]
        return found

    def shown(self, item: Items) -> Photograph:
        """Returns one picture from its item, which may be traced."""
        # Bytes until here: a quarter of what has to be moved to the device.
        return self.stimulus.with_values({**item, "image": _values(item["image"])})

    def stimulus_at(self, index: int) -> Photograph:
        """Returns one picture, with all its parameters."""
        return self.stimulus.with_values({"image": _values(self.items(np.array([index]))["image"][0])})

    def table(self, indices: Iterable[int] | None = None) -> pd.DataFrame:
        """Returns labels and parameters of every picture, or of some: a row each.

        Args:
            indices: Which pictures of the set; all if left out.
        """
        wanted = np.fromiter(range(len(self)) if indices is None else indices, int)
        found = self.labels.reset_index().iloc[wanted].assign(**flat(self.stimulus))
        return found.set_index(pd.Index(wanted, name="stimulus"))

    @overload  # type: ignore[override]  # a part of the pictures can still be varied
    def __getitem__(self, key: int) -> Photograph: ...
    @overload
    def __getitem__(self, key: Which) -> "Photographs": ...
    def __getitem__(self, key: int | Which) -> "Photograph | Photographs":
        if isinstance(key, int | np.integer):
            if not -len(self) <= key < len(self):
                raise IndexError(f"there is no picture {key}: the set has {len(self)}, counted from 0.")
            return self.stimulus_at(int(key) % len(self))
        return dataclasses.replace(self, chosen=self.chosen[places(len(self), key)])

    def __repr__(self) -> str:
        return f"{len(self)} photographs of {self.decoder.source.path.name}: {self.stimulus!r}"


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class VariedPhotographs(LabelledSet):
    """Pictures, each shown in several ways.

    Attributes:
        photographs: The pictures.
        looks: The ways in which each is shown, as a grid of a photograph without its image.
    """

    photographs: Photographs
    looks: Grid

    @property
    def stimulus(self) -> Stimulus:  # type: ignore[override]
        """A photograph without its image: the parameters that stay."""
        return self.looks.stimulus

    @property
    def dims(self) -> tuple[str, ...]:
        """The image, then the axes of the grid."""
        return (*self.photographs.dims, *self.looks.dims)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of pictures, then of values along each axis."""
        return (*self.photographs.shape, *self.looks.shape)

    @property
    def coords(self) -> dict[str, tuple[str, Coordinate]]:
        """The index and the labels of each picture, and the values of each parameter that varies."""
        return {**self.photographs.coords, **self.looks.coords}

    def varying(self, indices: Indices) -> dict[str, Values]:
        """Returns the values along the axes of the grid, for some stimuli."""
        return self.looks.varying(indices % len(self.looks))

    def channels(self) -> int:
        """Returns 3, as those without axes do."""
        return self.photographs.channels()

    def items(self, indices: Indices) -> Items:
        """Returns the pictures, as those without axes do, and the values along the axes."""
        return {**self.photographs.items(indices // len(self.looks)), **super().items(indices)}

    def shown(self, item: Items) -> Photograph:
        """Returns one picture from its item, which may be traced."""
        return self.photographs.shown(item)

    def stimulus_at(self, index: int) -> Stimulus:
        """Returns one picture, with all its parameters."""
        picture, look = divmod(index, len(self.looks))
        return self.looks.stimulus_at(look).with_values({"image": self.photographs.stimulus_at(picture).image})

    def table(self, indices: Iterable[int] | None = None) -> pd.DataFrame:
        """Returns labels and parameters of every stimulus, or of some: a row each.

        Args:
            indices: Which stimuli; all if left out.
        """
        wanted = np.fromiter(range(len(self)) if indices is None else indices, int)
        pictures = self.photographs.labels.reset_index().iloc[wanted // len(self.looks)]
        looks = self.looks.table((wanted % len(self.looks)).tolist())
        index = pd.Index(wanted, name="stimulus")
        return pd.concat([pictures.set_index(index), looks.set_index(index)], axis=1)

    def __repr__(self) -> str:
        chosen = self.photographs
        return f"{len(chosen)} photographs of {chosen.decoder.source.path.name}, each a {self.looks!r}"


def photographs(
    path: str | os.PathLike[str], *, side: int | None = None, column: str | None = None, **shown: Colour | str
) -> Photographs:
    """Returns the pictures of a folder, a zip archive or a parquet file as a labelled set.

    Args:
        path: A folder or a zip archive with pictures in it, at any depth, with or without a table `labels.csv`;
            or a parquet file with a column of encoded pictures. Labels are the table's or the file's other columns.
        side: The shorter side of every picture is made this long, in pixels, and a square cut out of the middle.
            Left out, pictures stay as they are, and must be of one size.
        column: Of a parquet file, where it has several columns of bytes and none is called `image`.
        **shown: Parameters of `Photograph` that all share, by name: `aperture=40, softness=4`.

    Raises:
        StimulusError: If there are no pictures there, or what labels them cannot be read.
        UnknownNameError: If a photograph has no such parameter, or the file no such column.
        SpecError: If `side` is no whole number above 0.
    """
    if side is not None:
        checks.whole("photographs", "side", side)
    source = source_of(Path(path), column)
    return Photographs(Decoder(source, side), np.arange(len(source.labels)), Photograph().with_values(shown))


def pictures(images: Float[np.ndarray, "image rows columns 3"], **shown: Colour | str) -> Photographs:
    """Returns images in memory as photographs, to be turned and scaled like others; kept as bytes, as those of files.

    Args:
        images: Values -1 to 1; beyond that they are clipped.
        **shown: Parameters of `Photograph` that all share, by name.

    Raises:
        StimulusError: If there are none.
        UnknownNameError: If a photograph has no such parameter.
    """
    held = np.clip(np.round((images + 1) * 127.5), 0, 255).astype(np.uint8)
    return Photographs(Decoder(Arrays(held), None), np.arange(len(held)), Photograph().with_values(shown))


class Arrays(Source):
    """Pictures in memory."""

    def __init__(self, images: UInt8[np.ndarray, "image rows columns 3"]) -> None:
        self.path = Path("pictures in memory")
        self.labels = pd.DataFrame(index=range(len(images)))
        self._images = images

    def open(self, index: int) -> Opened:
        """Opens one picture as a file that loses nothing."""
        import PIL.Image

        file = io.BytesIO()
        PIL.Image.fromarray(self._images[index]).save(file, "BMP")
        file.seek(0)
        return file

    def where(self, index: int) -> str:
        """Says which picture that is, for errors."""
        return f"picture {index} of those in memory"


def _values(pixels: Any) -> Float[Array, "*image"]:
    """Returns bytes as values of images."""
    return jnp.asarray(pixels, jnp.float32) / 127.5 - 1
