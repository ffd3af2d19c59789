"""What a unit and its handbuilt counterpart are shown: drawn stimuli and places in photographs, at any scale.

    shown, why = stimuli((subject, *subject.controls))
    shown.to(probe)                                # (stimulus, unit), the drawn ones first
    shown.to(panel.probe, scale=0.5)               # all of it at half its size

A large circuit is slow: twice the radius is sixteen times the work. So for a unit that prefers large shapes the circuit
stays as it is, and is shown everything smaller. Pictures are drawn once, and one compiled program shows all of them.
"""

import dataclasses
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from circuitkit.compiling import compiled_drawing
from circuitkit.evidence.argument import Subject
from circuitkit.examples import Frame
from circuitkit.probe import Probe
from circuitkit.stimuli import FAST, LabelledSet, Photograph, Renderer
from circuitkit.stimuli.parameter import Values
from circuitkit.stimuli.sets import Coordinate, Indices, Items
from circuitkit.stimuli.stimulus import Image
from circuitkit.sweep import tune

ANGLES, LOOKS, RIVAL_ANGLES, RIVAL_LOOKS = 24, 4, 12, 4
CANVAS = 255
"""Side of the pictures of drawn stimuli, in pixels, if a unit does not see more."""

PICTURES, PLACES = 250, 4
"""Photographs, and places looked at in each."""

AT_RANDOM, STRONG, MOST_STRONG = 200, 12, 400
"""Natural places that are compared: at random; for each unit, some of every rank of its responses; and of these for
all units together, at most."""

FEWEST = 50
"""Natural places, below which there is nothing to be said."""

Responses = Float[np.ndarray, "stimulus unit"]


@dataclasses.dataclass(frozen=True, eq=False)
class Places(LabelledSet):
    """Places in pictures, each on the anchor; a picture goes on mirrored beyond its border.

    The pictures are held as they are, so that one compiled program shows all of them, at any scale.

    Attributes:
        pixels: Of the pictures, as bytes.
        image: Which picture each place is in.
        point: Row and column of each place, in pixel indices.
        scale: Size at which pictures are shown, as a share of their own.
    """

    pixels: UInt8[np.ndarray, "image h w channel"]
    image: Int[np.ndarray, " place"]
    point: Float[np.ndarray, "place 2"]
    scale: float = 1.0

    stimulus = Photograph()

    @property
    def dims(self) -> tuple[str, ...]:
        """One dimension, the place."""
        return ("place",)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of places."""
        return (len(self.image),)

    @property
    def coords(self) -> dict[str, tuple[str, Coordinate]]:
        """The number of each place."""
        return {"place": ("place", np.arange(len(self.image)))}

    def varying(self, indices: Indices) -> dict[str, Values]:
        """Returns nothing: all places are shown alike."""
        del indices
        return {}

    def channels(self) -> int:
        """Returns how many channels the pictures have."""
        return int(self.pixels.shape[-1])

    def items(self, indices: Indices) -> Items:
        """Returns picture, place and scale."""
        return {
            "pixels": self.pixels[self.image[indices]],
            "point": self.point[indices].astype(np.float32),
            # An argument, so that all scales share a program.
            "scale": np.full(len(indices), self.scale, np.float32),
        }

    def draw(
        self,
        item: Items,
        height: int,
        width: int,
        *,
        anchor: tuple[float, float] | None = None,
        renderer: Renderer = FAST,
    ) -> Image:
        """Draws one place."""
        del renderer
        picture = jnp.asarray(item["pixels"], jnp.float32) / 127.5 - 1
        beyond = min(picture.shape[:2]) // 2
        picture = jnp.pad(picture, ((beyond, beyond), (beyond, beyond), (0, 0)), mode="symmetric")
        return _shrunk(picture, item["point"] + beyond, item["scale"], height, width, anchor=anchor)


def _shrunk(
    picture: Image,
    point: Float[Array, "2"],
    scale: Float[Array, ""],
    height: int,
    width: int,
    *,
    anchor: tuple[float, float] | None = None,
) -> Float[Array, "_ _ _"]:
    """Returns a picture at another scale, with a point of it (row and column) on the anchor.

    Between pixels it is interpolated linearly, and averaged under a triangle as wide as needed where it shrinks.
    """
    place = jnp.asarray(((height - 1) / 2, (width - 1) / 2) if anchor is None else anchor, jnp.float32)
    move = place + 0.5 - scale * (point + 0.5)
    return jax.image.scale_and_translate(
        picture,
        (height, width, picture.shape[-1]),
        (0, 1),
        jnp.stack([scale, scale]),
        move,
        method="linear",
        precision=jax.lax.Precision.HIGHEST,
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Shown:
    """What both nets are shown.

    Attributes:
        drawn: The shape at all looks, angles and sizes; then the rivals.
        natural: Places in photographs; None if there are none.
        kind: Of every drawn stimulus: the name of the shape, or of a rival.
        grid: Number of looks, angles and sizes of the shape.
        angles: Of the shape, in degrees.
    """

    drawn: Places
    natural: Places | None
    kind: list[str]
    grid: tuple[int, int, int]
    angles: Float[np.ndarray, " angle"]

    def to(self, probe: Probe, scale: float = 1.0) -> Responses:
        """Returns rectified responses to all, the drawn ones first."""
        sets = [self.drawn] if self.natural is None else [self.drawn, self.natural]
        found = [tune(probe, dataclasses.replace(each, scale=scale)).values for each in sets]
        return np.maximum(np.concatenate(found), 0)

    def maps(self, responses: Responses) -> Float[np.ndarray, "angle size unit"]:
        """Returns the responses to the shape over angle and size, averaged over looks."""
        return responses[: math.prod(self.grid)].reshape(*self.grid, -1).mean(0)


def stimuli(subjects: Sequence[Subject]) -> tuple[Shown, str]:
    """Returns what is shown, and why nothing natural is, if so."""
    subject = subjects[0]
    said, probe = subject.hypothesis, subject.probe
    site = probe.site()
    side = max(CANVAS, site.height, site.width)
    side += (
        side + 1 + round(2 * site.anchor[0])
    ) % 2  # so that the middle is a pixel, or lies between two, as the anchor
    shape = said.stimuli(ANGLES, looks=LOOKS, seed=subject.seed, replica=True)
    rivals = said.rival_stimuli(RIVAL_ANGLES, looks=RIVAL_LOOKS, seed=subject.seed, replica=True)
    sets = {said.name: shape, **rivals}
    channels = max(each.channels() for each in sets.values())
    pixels = np.concatenate(
        [
            np.broadcast_to(_bytes(chunk.images), (*chunk.images.shape[:3], channels))
            for each in sets.values()
            for chunk in each.chunks(side)
        ]
    )
    middle = np.full((len(pixels), 2), (side - 1) / 2)
    drawn = Places(pixels, np.arange(len(pixels)), middle)
    natural, why = _natural(subjects)
    looks, angles, *sizes = shape.shape
    kind = [name for name, each in sets.items() for _ in range(len(each))]
    turned = np.asarray(shape.coords["angle"][1], float)
    return Shown(drawn, natural, kind, (looks, angles, math.prod(sizes)), turned), why


def _natural(subjects: Sequence[Subject]) -> tuple[Places | None, str]:
    """Returns places in photographs, at random and at every rank of every unit's responses; or why there are none."""
    subject, rng = subjects[0], np.random.default_rng(subjects[0].seed)
    images, probe = subject.images, subject.probe
    field = probe.receptive_field
    if images is None:
        return None, "there are no natural images"
    if field is None:
        return None, "a unit sees all of an image"
    frame = Frame.of(probe, images, None, FAST)
    anchor = probe.site().anchor
    inside = [
        np.arange((size - 1) / 2, side - (size - 1) / 2 - 0.75) + (at - (size - 1) / 2) % 1
        for size, side, at in zip(field.size, (frame.height, frame.width), anchor, strict=True)
    ]
    if not all(map(len, inside)):
        return (
            None,
            f"the images are {frame.height}x{frame.width} pixels, too small for a unit that sees {field.size[0]}",
        )
    chosen = np.sort(rng.choice(len(images), min(PICTURES, len(images)), replace=False))
    if len(chosen) * PLACES < FEWEST:
        return None, f"{len(chosen)} images are too few"
    blocks = [np.resize(chosen[start : start + 8], 8) for start in range(0, len(chosen), 8)]
    draw = compiled_drawing(frame.draw, images.items(blocks[0]))
    pixels = np.concatenate([_bytes(np.asarray(draw(images.items(block)))) for block in blocks])[: len(chosen)]
    image = np.repeat(np.arange(len(chosen)), PLACES)
    point = np.stack([rng.choice(each, len(image)) for each in inside], axis=-1)
    candidates = Places(pixels, image, point)
    responses = np.concatenate([np.maximum(tune(each.probe, candidates).values, 0) for each in subjects], axis=1)
    each = max(2, min(STRONG, MOST_STRONG // responses.shape[1]))
    ranks = np.unique(np.geomspace(1, len(image), each).astype(int)) - 1
    order = np.argsort(-responses + 1e-9 * rng.random(responses.shape), axis=0)
    at_random = rng.choice(len(image), min(AT_RANDOM, len(image)), replace=False)
    kept = np.unique(np.concatenate([order[ranks].ravel(), at_random]))
    return Places(pixels, image[kept], point[kept]), ""


def _bytes(images: Float[np.ndarray, "image h w channel"]) -> np.ndarray:
    return np.round((np.clip(images, -1, 1) + 1) * 127.5).astype(np.uint8)
