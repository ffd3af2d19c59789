"""Stimuli through a probe: labelled responses.

The stimuli are drawn inside the same jit as the net, chunk by chunk at one fixed shape, on the smallest
image that determines the unit that is read; nothing but the read-out is kept.
"""

from collections.abc import Callable
from importlib import metadata
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from circuitkit import checks
from circuitkit.compiling import jit
from circuitkit.errors import unknown_name
from circuitkit.probe import Probe, Site
from circuitkit.stimuli import FAST, LabelledSet, Renderer
from circuitkit.stimuli.text import stimulus_to_json

ReadOut = Literal["centre", "max"]
Progress = Callable[[int, int], None]
"""Called with the number of stimuli done and the number of all."""


def tune(
    probe: Probe,
    stimuli: LabelledSet,
    *,
    read_out: ReadOut = "centre",
    renderer: Renderer = FAST,
    size: int | None = None,
    chunk: int | None = None,
    progress: Progress | None = None,
) -> xr.DataArray:
    """Returns the response of every unit of a probe to every stimulus of a labelled set.

    Args:
        probe: The units.
        stimuli: A grid or a sample. Each stimulus is anchored, to the sub-pixel, on the centre of the receptive
            field of the unit that is read.
        read_out: `centre` reads the one unit under the anchor. `max` takes the largest response over the
            whole map of an image of `size` pixels; it blurs angle and position together.
        renderer: How the stimuli are drawn: `FAST` or `EXACT`.
        size: Side of the images, in pixels. Left out, the smallest that determines the unit.
        chunk: Stimuli computed at once. Left out, as many as fit the cache.
        progress: Called after each chunk.

    Returns:
        An array with one dimension for each axis of a grid, or `stimulus` for a sample, and `unit`; its attributes
        say net, layer, read-out, stimulus and versions.

    Raises:
        UnknownNameError: If there is no such read-out.
        ImageError: If `size` is too small for the layer.
        SpecError: If `chunk` is no whole number above 0.
    """
    if read_out not in get_args(ReadOut):
        raise unknown_name("read-out", read_out, get_args(ReadOut), owner="tune")
    if chunk is not None:
        checks.whole("tune", "chunk", chunk)
    site = probe.site() if size is None else probe.site_in(size, size)
    chunk = chunk or max(1, min(256, 2**18 // (site.height * site.width), len(stimuli)))
    run = _compiled(probe, stimuli, site, read_out, renderer)
    total = len(stimuli)
    responses = np.empty((total, len(probe.unit_names)), np.float32)
    for start in range(0, total, chunk):
        # The last chunk is filled up to the same shape, so that nothing is compiled twice.
        indices = np.minimum(np.arange(start, start + chunk), total - 1)
        done = min(chunk, total - start)
        responses[start : start + done] = np.asarray(run(stimuli.items(indices)))[:done]
        if progress is not None:
            progress(start + done, total)
    where = f"centre: unit {site.unit}, stimulus anchored on the centre of its receptive field at pixel {site.anchor}"
    field = probe.receptive_field
    return xr.DataArray(
        responses.reshape(*stimuli.shape, -1),
        dims=[*stimuli.dims, "unit"],
        coords={**stimuli.coords, "unit": list(probe.unit_names)},
        name="response",
        attrs={
            "net": probe.net.name,
            "layer": probe.layer,
            "read_out": where if read_out == "centre" else "max: the largest response over the whole map",
            "image_size": (site.height, site.width),
            "receptive_field": (site.height, site.width) if field is None else field.size,
            "stimulus": repr(stimuli.stimulus),
            "stimulus_spec": stimulus_to_json(stimuli.stimulus),
            "renderer": "exact" if renderer.exact else "fast",
            "image_values": probe.net.image_values,
            "versions": ", ".join(f"{name} {metadata.version(name)}" for name in ("circuitkit", "jax", "numpy")),
        },
    )


def _compiled(
    probe: Probe, stimuli: LabelledSet, site: Site, read_out: ReadOut, renderer: Renderer
) -> Callable[[Any], Float[Array, "chunk unit"]]:
    def respond(items: Any) -> Float[Array, "chunk unit"]:
        def draw(item: Any) -> Float[Array, "h w channel"]:
            return stimuli.draw(item, site.height, site.width, anchor=site.anchor, renderer=renderer)

        maps = probe.maps(jax.vmap(draw)(items))
        return jnp.max(maps, axis=(1, 2)) if read_out == "max" else maps[:, site.unit[0], site.unit[1]]

    return jit(respond)
