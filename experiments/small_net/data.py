"""CIFAR-10 from its two parquet files, and the ways in which training images are varied."""

import functools
import io
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Float, Int, UInt8
from PIL import Image

from circuitkit.nets.small import SIDE

SHIFT = 4
"""Of training images, in pixels, at most."""

Pixels = UInt8[np.ndarray, "image 32 32 3"]
Labels = Int[np.ndarray, " image"]


def read(path: Path) -> tuple[Pixels, Labels]:
    """Returns all images of a file and their classes, by index in `circuitkit.nets.small.CLASSES`."""
    import pyarrow.parquet as parquet  # light to import this module, which tests do

    table = parquet.read_table(path, columns=["image", "label"])
    images = np.empty((table.num_rows, SIDE, SIDE, 3), np.uint8)
    for at, held in enumerate(table["image"]):
        images[at] = np.asarray(Image.open(io.BytesIO(held.as_py())).convert("RGB"))
    return images, table["label"].to_numpy().astype(int)


def shown(images: UInt8[Array, "image 32 32 3"]) -> Float[Array, "image 32 32 3"]:
    """Returns images with values -1 to 1, as all of circuitkit has them."""
    return images.astype(jnp.float32) / 127.5 - 1


def varied(
    key: Array, images: Float[Array, "image 32 32 3"], *, rotated: bool = False
) -> Float[Array, "image 32 32 3"]:
    """Returns images shifted, some of them mirrored, and turned by any angle if wanted; beyond their border mirrored.

    Args:
        key: Of what is drawn.
        images: Values -1 to 1.
        rotated: Whether they are turned, about their middle.
    """
    keys = jax.random.split(key, 3)
    count = len(images)
    offset = jax.random.randint(keys[0], (count, 2), -SHIFT, SHIFT + 1).astype(jnp.float32)
    flip = jax.random.rademacher(keys[1], (count,), jnp.float32)
    turn = jax.random.uniform(keys[2], (count,), maxval=2 * jnp.pi) if rotated else jnp.zeros(count)
    # Whole pixels unless turned: interpolation would blur, and teach that photographs are blurred.
    moved = jax.vmap(functools.partial(_moved, order=1 if rotated else 0))
    return moved(images, offset, flip, turn)


def turned(images: Float[Array, "image 32 32 3"], angle: float) -> Float[Array, "image 32 32 3"]:
    """Returns images turned about their middle, as `varied` does it: interpolated, and mirrored beyond their border.

    Args:
        images: Values -1 to 1.
        angle: In degrees, counter-clockwise.
    """
    # `_moved` asks where a pixel's value comes from.
    radians = -jnp.deg2rad(jnp.asarray(angle, jnp.float32))
    return jax.vmap(lambda image: _moved(image, jnp.zeros(2), jnp.ones(()), radians, order=1))(images)


def _moved(
    image: Float[Array, "32 32 3"],
    by: Float[Array, "2"],
    sign: Float[Array, ""],
    angle: Float[Array, ""],
    *,
    order: int,
) -> Float[Array, "32 32 3"]:
    """Returns an image turned by an angle in radians, mirrored if the sign is negative, and shifted.

    Args:
        image: What is moved.
        by: The shift, down and across, in pixels.
        sign: Of the columns.
        angle: In radians.
        order: 0 for whole pixels, 1 for interpolation.
    """
    middle = (SIDE - 1) / 2
    rows, columns = jnp.meshgrid(jnp.arange(SIDE) - middle, jnp.arange(SIDE) - middle, indexing="ij")
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    down = cosine * rows - sine * columns + middle + by[0]
    across = sign * (sine * rows + cosine * columns) + middle + by[1]
    channels = [map_coordinates(image[..., each], [down, across], order, mode="reflect") for each in range(3)]
    return jnp.stack(channels, -1)
