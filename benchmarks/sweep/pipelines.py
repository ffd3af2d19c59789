"""The pipelines: circuitkit's one call, and what else turns arcs into responses in Python.

All deliver the same: float32 responses of the last layer's 16 units, one row for each stimulus. The peers' parameters
are laid out beforehand, at no cost to them; torch uses all cores, without gradients, channels last.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import installed
from benchmarks.stimuli.renderers import ENTRIES
from benchmarks.sweep import work
from circuitkit import tune

Responses = NDArray[np.float32]
Indices = NDArray[np.int64]
Progress = Callable[[int, int], None]
Run = Callable[[Progress | None], Responses]
"""Delivers the responses; calls with the number of stimuli done, and of all, each time that some are in hand."""
ReadOut = Literal["centre", "max"]


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """One way from parameters to responses.

    Attributes:
        prepare: Takes the indices of some of the grid's stimuli and the size of the images; whatever can be done once
            is done here.
        tolerance: How far the responses may be from those to the true coverage, as a share of their norm: what its
            renderer's antialiasing costs.
        needs: Modules without which it cannot run.
        read_out: The unit in the centre, or the largest response of the whole map.
        full: Whether it runs the net on whole images, and so depends on their size.
        times: How often it is given the stimuli, in one go.
    """

    prepare: Callable[[Indices, int], Run]
    tolerance: float
    needs: tuple[str, ...] = ("torch",)
    read_out: ReadOut = "centre"
    full: bool = True
    times: int = 1

    @property
    def missing(self) -> list[str]:
        """Modules that cannot be imported."""
        return [module for module in self.needs if not installed(module)]

    def multiplications(self, size: int) -> int:
        """Returns how many products the net must sum up for each stimulus."""
        if self.full:
            return work.multiplications(size, padded=True)
        return work.multiplications(work.FIELD, padded=False)


def circuitkit(read_out: ReadOut, indices: Indices, size: int) -> Run:
    """Tunes the last layer with the options that come by themselves."""
    whole = work.stimuli()
    # All of them are the grid itself, which need not look its stimuli up.
    every = len(indices) == len(whole)
    stimuli = whole if every else whole[indices]
    probe = work.net()["layer5"]

    def run(progress: Progress | None = None) -> Responses:
        found = tune(probe, stimuli, read_out=read_out, size=size, progress=progress).values
        rows = found.reshape(len(stimuli), -1)
        return rows[indices] if every else rows

    return run


def circuitkit_at_length(indices: Indices, size: int) -> Run:
    """Tunes ten times as many, over and over the same."""
    stimuli = work.stimuli()[np.tile(indices, TIMES)]
    probe = work.net()["layer5"]

    def run(progress: Progress | None = None) -> Responses:
        return tune(probe, stimuli, size=size, progress=progress).values[: len(indices)]

    return run


def torch_net(*, padded: bool) -> Any:
    """Returns the net in torch."""
    import torch

    layers: list[Any] = []
    for kernel in work.kernels():
        rows, columns, inputs, outputs = kernel.shape
        padding = (rows // 2, columns // 2) if padded else 0
        convolution = torch.nn.Conv2d(inputs, outputs, (rows, columns), padding=padding, bias=False)
        convolution.weight.data = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
        layers += [convolution, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers).eval().to(memory_format=torch.channels_last)


def read(net: Any, images: NDArray[np.float32], unit: int | None) -> Responses:
    """Returns what torch's net says of a batch: one unit of the diagonal, or the largest response of each map."""
    import torch

    with torch.inference_mode():
        inputs = torch.from_numpy(images)[:, None].contiguous(memory_format=torch.channels_last)
        maps = net(inputs)
        return (maps.amax((2, 3)) if unit is None else maps[:, :, unit, unit]).numpy()


def in_batches(
    batches: Callable[[], Iterator[NDArray[np.float32]]], count: int, *, padded: bool, unit: int | None
) -> Run:
    """Runs torch's net on images, a batch at a time."""
    net = torch_net(padded=padded)

    def run(progress: Progress | None = None) -> Responses:
        found = np.empty((count, work.SHAPES[-1][-1]), np.float32)
        done = 0
        for images in batches():
            found[done : done + len(images)] = read(net, images, unit)
            done += len(images)
            if progress is not None:
                progress(done, count)
        return found

    return run


def torch_full(renderer: str, read_out: ReadOut, indices: Indices, size: int) -> Run:
    """Draws whole images and runs the net on all of them: what users write."""
    images = ENTRIES[renderer].prepare(work.arcs(work.stimuli(), indices, size), size)
    unit = size // 2 if read_out == "centre" else None
    return in_batches(lambda: map(np.stack, parts(images(), 32)), len(indices), padded=True, unit=unit)


def torch_centred(indices: Indices, size: int) -> Run:
    """Draws with stimupy, which draws about the middle of the image only, and moves each arc to its place.

    It is moved by whole pixels. No arc of 120 degrees reaches further from its apex than its radius, so none is wrapped
    around the border.
    """
    arcs = work.arcs(work.stimuli(), indices, size)
    shifts = [(round(arc.centre[0]), -round(arc.centre[1])) for arc in arcs]
    images = ENTRIES["stimupy wedge"].prepare(arcs, size)

    def moved() -> Iterator[NDArray[np.float32]]:
        for image, (right, down) in zip(images(), shifts, strict=True):
            yield np.roll(image, (down, right), (0, 1))

    return in_batches(lambda: map(np.stack, parts(moved(), 32)), len(indices), padded=True, unit=size // 2)


def torch_cropped(batch: int, indices: Indices, size: int) -> Run:
    """Draws no more than one unit sees, with skia, and pads nothing: what an expert writes.

    Only coverage is drawn; its scale is given to a whole batch at once.
    """
    del size  # a unit sees no more of a larger image
    arcs = work.arcs(work.stimuli(), indices, work.FIELD)
    coverage = ENTRIES["skia, 8-bit coverage alone"].prepare(arcs, work.FIELD)
    contrasts = np.array([arc.contrast for arc in arcs], np.float32) / 255

    def batches() -> Iterator[NDArray[np.float32]]:
        start = 0
        for drawn in parts(coverage(), batch):
            yield np.stack(drawn) * contrasts[start : start + len(drawn), None, None]
            start += len(drawn)

    return in_batches(batches, len(indices), padded=False, unit=0)


def torch_drawn_before(indices: Indices, size: int) -> Run:
    """Runs the net alone, on whole images that skia has drawn before."""
    images = np.stack(
        list(ENTRIES["skia, antialiased stroke"].prepare(work.arcs(work.stimuli(), indices, size), size)())
    )
    return in_batches(
        lambda: (images[start : start + 32] for start in range(0, len(images), 32)), len(images), padded=True, unit=None
    )


def parts(items: Iterable[Any], count: int) -> Iterator[list[Any]]:
    """Yields so many at a time."""
    items = iter(items)
    while some := list(islice(items, count)):
        yield some


CIRCUITKIT, USUAL = "circuitkit, tune()", "Pillow 4x + torch"
AT_LENGTH, TIMES = "circuitkit, tune(), ten times as many", 10
EXPERTS = {f"skia + torch, crop, {batch} at a time": batch for batch in (64, 512)}
SKIA, PILLOW = "skia, antialiased stroke", "Pillow arc, 4x and reduced"

ALONE = "torch alone, images drawn before"

FAST_EDGES, COARSE_EDGES, WHOLE_PIXELS = 0.05, 0.12, 0.6
"""How far responses may be off for their renderer's sake; strokes a quarter of a pixel out of place cost 0.18."""

CENTRE: dict[str, Pipeline] = {
    CIRCUITKIT: Pipeline(partial(circuitkit, "centre"), FAST_EDGES, needs=(), full=False),
    AT_LENGTH: Pipeline(circuitkit_at_length, FAST_EDGES, needs=(), full=False, times=TIMES),
    **{
        name: Pipeline(partial(torch_cropped, batch), COARSE_EDGES, needs=("torch", "skia"), full=False)
        for name, batch in EXPERTS.items()
    },
    "skia + torch": Pipeline(partial(torch_full, SKIA, "centre"), COARSE_EDGES, needs=("torch", "skia")),
    USUAL: Pipeline(partial(torch_full, PILLOW, "centre"), COARSE_EDGES, needs=("torch", "PIL")),
    "stimupy + torch": Pipeline(torch_centred, WHOLE_PIXELS, needs=("torch", "stimupy")),
}
"""From parameters to the response of the unit in the centre."""

MAPS: dict[str, Pipeline] = {
    "circuitkit, tune(read_out='max')": Pipeline(partial(circuitkit, "max"), FAST_EDGES, needs=(), read_out="max"),
    "skia + torch": Pipeline(partial(torch_full, SKIA, "max"), COARSE_EDGES, needs=("torch", "skia"), read_out="max"),
    ALONE: Pipeline(torch_drawn_before, COARSE_EDGES, needs=("torch", "skia"), read_out="max"),
}
"""Whole response maps, of which the largest response is kept."""
