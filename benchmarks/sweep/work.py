"""The work that every pipeline gets: 10,240 arcs, a net of five convolutions, and the responses they should give.

The responses wanted come from the true coverage of each pixel and from convolutions in NumPy and float64: nothing in
them calls circuitkit, so that an error of the library cannot hide in the truth it is measured against.
"""

import functools

import jax
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from benchmarks.stimuli.arcs import SPAN, Arc, covered
from circuitkit.nets import FunctionNet
from circuitkit.stimuli import Curve, Grid, LabelledSet, grid, log, turn, zipped

SHAPES = ((7, 7, 1, 16), (5, 5, 16, 32), (5, 5, 32, 32), (5, 5, 32, 32), (5, 5, 32, 16))
"""Of the kernels: rows, columns, inputs, outputs."""

FIELD = 1 + sum(shape[0] - 1 for shape in SHAPES)
"""Side of what one unit of the last layer sees, in pixels."""

RADII = (6.0, 22.0)
WIDTHS, CONTRASTS = np.linspace(2, 5, 4), np.linspace(0.125, 1, 8)


def stimuli() -> Grid:
    """Returns the grid: 20 radii, 16 angles, 8 contrasts and 4 widths of arcs of 120 degrees."""
    radii = np.array(log(*RADII, 20))
    lengths = np.radians(SPAN) * radii
    return grid(Curve(), zipped(radius=radii, length=lengths), angle=turn(16), contrast=CONTRASTS, width=WIDTHS)


def many(count: int) -> Grid:
    """Returns about as many such arcs, with more contrasts."""
    few = stimuli()
    contrasts = np.linspace(0.125, 1, max(1, count * len(CONTRASTS) // len(few)))
    lengths = np.radians(SPAN) * np.array(log(*RADII, 20))
    return grid(
        Curve(), zipped(radius=log(*RADII, 20), length=lengths), angle=turn(16), contrast=contrasts, width=WIDTHS
    )


def arcs(given: LabelledSet, indices: NDArray[np.int64], size: int) -> list[Arc]:
    """Returns some of the grid's arcs as the peers draw them, their apex on the pixel whose unit is read."""
    values = {name: column.tolist() for name, column in given.varying(indices).items()}
    # Of an even number of pixels, that is the one to the right of the middle, and below.
    right = 0.0 if size % 2 else 0.5
    rows = zip(*(values[name] for name in ("angle", "radius", "length", "width", "contrast")), strict=True)
    return [Arc(right, -right, *row) for row in rows]


@functools.cache
def kernels() -> tuple[NDArray[np.float32], ...]:
    """Returns random kernels that keep responses at about the size of the image's values."""
    rng = np.random.default_rng(0)
    return tuple((rng.normal(size=s) * np.sqrt(2 / np.prod(s[:3]))).astype(np.float32) for s in SHAPES)


def multiplications(size: int, *, padded: bool) -> int:
    """Returns how many products the net sums up for one image; with padding, each map is as large as the image."""
    total = 0
    for shape in SHAPES:
        size = size if padded else size - shape[0] + 1
        total += size**2 * int(np.prod(shape))
    return total


def network(images: jax.Array) -> dict[str, jax.Array]:
    """Returns the maps of every layer, as anybody writes it in JAX."""
    maps = {}
    for number, kernel in enumerate(kernels(), 1):
        images = jax.lax.conv_general_dilated(
            images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        maps[f"layer{number}"] = images = jax.nn.relu(images)
    return maps


def net() -> FunctionNet:
    """Returns the net as circuitkit probes it."""
    return FunctionNet(network, name="random", channels=1)


def in_float64(images: NDArray[np.float64], *, padded: bool) -> NDArray[np.float64]:
    """Returns the last layer's maps for one image at a time, computed slowly: the wanted ones."""
    return np.stack([_one_in_float64(image, padded=padded) for image in images])


def _one_in_float64(image: NDArray[np.float64], *, padded: bool) -> NDArray[np.float64]:
    maps = np.asarray(image, np.float64)[:, :, None]
    for kernel in kernels():
        rows, columns = kernel.shape[:2]
        if padded:
            maps = np.pad(maps, ((rows // 2, rows // 2), (columns // 2, columns // 2), (0, 0)))
        windows = sliding_window_view(maps, (rows, columns), axis=(0, 1))  # row, column, input, y, x
        maps = np.maximum(np.einsum("ijcyx,yxco->ijo", windows, kernel.astype(np.float64), optimize=True), 0)
    return maps


def wanted(given: list[Arc], *, size: int, read_out: str, samples: int = 16) -> NDArray[np.float64]:
    """Returns the responses that these arcs should give: one row an arc, one column a unit.

    Args:
        given: The arcs.
        size: Side of the images, in pixels.
        read_out: `centre` or `max`.
        samples: Points a side of every pixel, for the true coverage.
    """
    if read_out == "centre":
        # No larger an image shows the unit more.
        given, size = [arc._replace(x=0.0, y=0.0) for arc in given], FIELD
    images = np.stack([arc.contrast * covered(arc, size, samples=samples) for arc in given])
    maps = in_float64(images, padded=read_out == "max")
    return maps.max((1, 2)) if read_out == "max" else maps[:, 0, 0]
