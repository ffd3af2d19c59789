"""Stimuli through a probe: labelled responses.

The stimuli are drawn inside the same jit as the net, block by block at one fixed shape, on just the pixels that
determine what is read; every layer computes just the part that the next one needs, and nothing but the read-out is
kept. A sweep that lasts can keep its responses in a store as they come, and goes on from there when it is called again.

What is equal to what: the same call gives the same bits, on one device or several of a kind, at once or resumed. Other
chunk sizes, other crops, whole images and other machines give the same responses to float32 rounding, since sums are
added up in another order where shapes or the number of threads are different.
"""

import dataclasses
import functools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.experimental import multihost_utils
from jaxtyping import Array, Bool, Float

from circuitkit import checks
from circuitkit.cropping import Cropped, Interval
from circuitkit.errors import ImageError, SpecError, unknown_name
from circuitkit.probe import Probe, Site
from circuitkit.responses import Labels
from circuitkit.stimuli import FAST, LabelledSet, Renderer
from circuitkit.stimuli.text import stimulus_to_json, to_json
from circuitkit.store import Store, open_responses
from circuitkit.streaming import block_size, stream

ReadOut = Literal["centre", "max", "map"]
Progress = Callable[[int, int], None]
"""Called with the number of stimuli done and the number of all."""


def tune(
    probe: Probe,
    stimuli: LabelledSet,
    *,
    read_out: ReadOut = "centre",
    window: int | None = None,
    renderer: Renderer = FAST,
    size: int | None = None,
    chunk: int | None = None,
    store: str | os.PathLike[str] | None = None,
    devices: Sequence[jax.Device] | None = None,
    progress: Progress | None = None,
) -> xr.DataArray:
    """Returns the response of every unit of a probe to every stimulus of a labelled set.

    Args:
        probe: The units.
        stimuli: A grid or a sample. Each stimulus is anchored, to the sub-pixel, on the centre of the receptive
            field of the unit that is read.
        read_out: `centre` reads the one unit under the anchor. `max` takes the largest response over the map, which
            blurs angle and position together. `map` keeps the map.
        window: Units along each side of the part of the map that `max` and `map` read, around the anchor; odd. Left
            out, they read all of the map, padding at its border and all.
        renderer: How the stimuli are drawn: `FAST` or `EXACT`.
        size: Side of the images, in pixels. Left out, the smallest on which no unit that is read sees padding; for
            whole maps, that which the net was made for.
        chunk: Stimuli computed at once on a device. Left out, as many as fit the cache.
        store: A Zarr store (`sweep.zarr`) that keeps the responses as they come. A sweep that was interrupted goes on
            when it is called again, and one that is complete is read.
        devices: Where to compute; all that JAX has if left out. With `jax.distributed` every process makes the same
            call and gets all responses; a store has to be on a disk that all of them see.
        progress: Called after each chunk.

    Returns:
        An array with one dimension for each axis of a grid, or `stimulus` for a sample; then `row` and `column` for
        `map`, with the centres of the receptive fields as `unit_y` (up) and `unit_x` (right) in pixels from the
        anchor; and `unit`. Its attributes say net, layer, read-out, stimulus and versions.

    Raises:
        UnknownNameError: If there is no such read-out.
        ImageError: If `size` is too small for the layer, or for the window.
        SpecError: If `chunk` or `window` is no whole number above 0, or the window is even; or if a whole map is to be
            read, and neither the net nor `size` says of how large an image.
        StoreError: If the store is of another sweep, or no store.
    """
    if read_out not in get_args(ReadOut):
        raise unknown_name("read-out", read_out, get_args(ReadOut), owner="tune")
    if chunk is not None:
        checks.whole("tune", "chunk", chunk)
    if window is not None and read_out == "centre":
        raise SpecError(f"tune has window={window}, but centre reads one unit: ask for read_out='max' or 'map'.")
    sweep = _sweep(probe, stimuli, read_out, window, renderer, size, chunk, devices)
    if store is None:
        responses = np.empty((len(stimuli), *sweep.shape), np.float32)
        for start, values in sweep.run(range(sweep.blocks), progress):
            responses[start : start + len(values)] = values
        return sweep.labels.array(responses, stimuli)
    # Of several processes the first one writes; all compute the same blocks, in step.
    several = len({device.process_index for device in sweep.devices}) > 1
    kept, missing = None, np.zeros(sweep.blocks, bool)
    if not several or jax.process_index() == 0:
        kept = Store.begin(store, stimuli, sweep.labels, identity=sweep.identity, shape=sweep.shape, chunk=sweep.chunk)
        missing[kept.missing()] = True
    if several:
        missing = multihost_utils.broadcast_one_to_all(missing)
    for start, values in sweep.run(np.flatnonzero(missing).tolist(), progress):
        if kept is not None:
            kept.write(start // sweep.chunk, values)
    if several:
        multihost_utils.sync_global_devices("all responses are in the store")
    return open_responses(store) if kept is None else kept.read()


@dataclasses.dataclass(frozen=True, eq=False)
class _Sweep:
    """What is computed.

    Attributes:
        site: The images, and the unit at the anchor.
        rows: Of the map, those that are read; None for all.
        columns: Likewise.
        chunk: Stimuli in a block.
    """

    probe: Probe
    stimuli: LabelledSet
    site: Site
    rows: Interval | None
    columns: Interval | None
    read_out: ReadOut
    renderer: Renderer
    chunk: int
    devices: Sequence[jax.Device]

    @property
    def blocks(self) -> int:
        """How many."""
        return math.ceil(len(self.stimuli) / self.chunk)

    @functools.cached_property
    def cropped(self) -> Cropped:
        """The net, from the pixels that determine what is read to the part of the map that is."""
        channels = self.stimuli.channels()
        return self.probe.reading(self.site, images=self.chunk, channels=channels, rows=self.rows, columns=self.columns)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what is kept of one stimulus."""
        _, *window, units = self.cropped.result_shape
        return (*window, units) if self.read_out == "map" else (units,)

    def run(
        self, blocks: Sequence[int], progress: Progress | None
    ) -> Iterator[tuple[int, Float[np.ndarray, "stimulus *shape"]]]:
        """Yields the number of the first stimulus of each block, and the responses to all of the block."""
        cropped, total = self.cropped, len(self.stimuli)
        _, height, width, _ = cropped.shape
        row, column = self.site.anchor
        anchor = (row - cropped.rows[0], column - cropped.columns[0])

        def respond(constants: Any, items: Any, valid: Bool[Array, " chunk"]) -> Float[Array, "chunk *shape"]:
            del valid
            images = jax.vmap(
                lambda item: self.stimuli.draw(item, height, width, anchor=anchor, renderer=self.renderer)
            )(items)
            return self._read(cropped.apply(constants, images))

        done = total - sum(min(self.chunk, total - number * self.chunk) for number in blocks)
        computed = stream(
            respond,
            cropped.constants,
            self.stimuli.items,
            blocks,
            size=self.chunk,
            total=total,
            devices=self.devices,
        )
        for number, values in computed:
            start = number * self.chunk
            values = values[: total - start]
            yield start, values
            done += len(values)
            if progress is not None:
                progress(done, total)

    def _read(self, maps: Float[Array, "chunk row column unit"]) -> Float[Array, "chunk *shape"]:
        if self.read_out == "map":
            return maps
        return jnp.max(maps, axis=(1, 2)) if self.read_out == "max" else maps[:, 0, 0]

    @property
    def labels(self) -> Labels:
        """What the responses are called."""
        net, layer = self.probe.net, self.probe.layer
        coords: dict[str, tuple[str, list[Any]]] = {"unit": ("unit", list(self.probe.unit_names))}
        size = (self.site.height, self.site.width)
        field = net.receptive_field(layer, size)
        if self.read_out == "map" and field is not None:
            (top, left), (row, column) = self._first, self.site.anchor
            rows, columns, _ = self.shape
            coords["unit_y"] = ("row", [row - field.centre(top + step, 0)[0] for step in range(rows)])
            coords["unit_x"] = ("column", [field.centre(0, left + step)[1] - column for step in range(columns)])
        seen = self.probe.receptive_field
        attrs = {
            "net": net.name,
            "layer": layer,
            "read_out": self._where,
            "image_size": size,
            "receptive_field": size if seen is None else seen.size,
            "stimulus": repr(self.stimuli.stimulus),
            "stimulus_spec": stimulus_to_json(self.stimuli.stimulus),
            "renderer": "exact" if self.renderer.exact else "fast",
            "image_values": net.image_values,
            "versions": ", ".join(f"{name} {metadata.version(name)}" for name in ("circuitkit", "jax", "numpy")),
        }
        return Labels(("row", "column", "unit") if self.read_out == "map" else ("unit",), coords, attrs)

    @property
    def identity(self) -> dict[str, Any]:
        """All that has to be the same for the responses to be the same bits."""
        return {
            "stimuli": to_json(self.stimuli),
            "net": self.probe.net.name,
            "layer": self.probe.layer,
            "units": list(self.probe.unit_names),
            "net's weights and operations": self.cropped.fingerprint,
            "read-out": self._where,
            "renderer": repr(self.renderer),
            "chunk": self.chunk,
            "platform": self.devices[0].platform,
            "versions": self.labels.attrs["versions"],
        }

    @property
    def _first(self) -> tuple[int, int]:
        """Row and column of the map where the part that is read begins."""
        return (self.rows or (0,))[0], (self.columns or (0,))[0]

    @property
    def _where(self) -> str:
        """The read-out in words."""
        anchored = f"stimulus anchored on the centre of its receptive field at pixel {self.site.anchor}"
        if self.read_out == "centre":
            return f"centre: unit {self.site.unit}, {anchored}"
        part = "the whole map"
        if self.rows is not None:
            side = self.rows[1] - self.rows[0]
            part = f"{side}x{side} units around unit {self.site.unit}, {anchored}"
        return f"max: the largest response over {part}" if self.read_out == "max" else f"map: {part}"


def _sweep(
    probe: Probe,
    stimuli: LabelledSet,
    read_out: ReadOut,
    window: int | None,
    renderer: Renderer,
    size: int | None,
    chunk: int | None,
    devices: Sequence[jax.Device] | None,
) -> _Sweep:
    """Returns what is to be computed, with everything that was left out filled in."""
    window = 1 if read_out == "centre" else window
    if size is not None:
        site = probe.site_in(size, size)
    elif window is not None:
        site = probe.site(window)
    elif probe.net.image_size is not None:
        site = probe.site_in(*probe.net.image_size)
    else:
        raise SpecError(
            f"tune has read_out={read_out!r} and neither window nor size: net {probe.net.name!r} was made for images "
            "of no size, so there is no whole map. Give window=5 for the units around each stimulus, or a size."
        )
    rows, columns = (None, None) if window is None else (_around(unit, window) for unit in site.unit)
    devices = jax.devices() if devices is None else devices
    alone = _Sweep(probe, stimuli, site, rows, columns, read_out, renderer, 1, devices)
    if window is not None:
        _check_window(alone, window)
    if chunk is None:
        chunk = block_size(alone.cropped.image_bytes, len(stimuli), platform=devices[0].platform)
    return dataclasses.replace(alone, chunk=chunk)


def _around(unit: int, window: int) -> Interval:
    return unit - window // 2, unit + window // 2 + 1


def _check_window(sweep: _Sweep, window: int) -> None:
    probe, site = sweep.probe, sweep.site
    images = jax.ShapeDtypeStruct((1, site.height, site.width, 1), jnp.float32)
    counts = jax.eval_shape(probe.maps, images).shape[1:3]
    for interval, count in zip((sweep.rows, sweep.columns), counts, strict=True):
        if interval is not None and not 0 <= interval[0] < interval[1] <= count:
            raise ImageError(
                f"layer {probe.layer!r} of net {probe.net.name!r} has {counts[0]}x{counts[1]} units on images of "
                f"{site.height}x{site.width} pixels, too few for window={window} around unit {site.unit}. Give larger "
                "images, or leave size out."
            )
