"""Weights by name: the kernels of any layer, and what the filters of a first layer look for.

    kernels(net["curves"])              # (unit, source, y, x), as `wiring.expanded` has them
    seen = filters(net["conv1"])        # seen.weight (unit, channel, y, x), and for each unit:
    seen.angle, seen.frequency          # of the wave that its own spectrum holds, in degrees and cycles a pixel
    seen.colour                         # the share of its squares that grey images do not see

What a layer reads may be the image. Weights are then those for images as circuitkit has them: values -1 to 1, channels
red, green and blue, whatever the net was trained on. A filter drawn in colours is the image that it wants.

Of a normalised family this is the kernel before the division.

Which way a filter runs is the *direction of its wave*, across the edges or bars that it looks for, so that it is the
angle of a handbuilt Gabor: over 180 degrees, for a spectrum does not know a wave from the same one half a turn on.
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from circuitkit.errors import NetError
from circuitkit.nets import Preprocessing
from circuitkit.probe import HandbuiltNet, Probe

CHANNELS = {1: ("grey",), 3: ("red", "green", "blue")}
"""What the channels of an image are called."""

PADDED = 64
"""Side that filters are padded to for their spectrum, at least: a 3x3 filter has 3 frequencies of its own."""

COLOURED = 0.5
"""Share of a filter's squares that grey images do not see, from which on it counts as a filter of colour."""

ORIENTED = 0.2
"""Length of the mean direction of a spectrum from which on a filter counts as one that has a direction."""


def kernels(probe: Probe) -> xr.DataArray:
    """Returns the weights with which some units read the layer before, or the image.

    Args:
        probe: Units or directions of a layer that one convolution makes.

    Returns:
        An array (unit, source, y, x). `y` and `x` say where a weight lies from the unit's middle, in pixels (up and
        right); row 0 is the top one. The attribute `from` names what is read, and `of_image` says whether that is the
        image.

    Raises:
        NetError: If the net does not know its weights, if no single convolution makes the layer, or if it is one in
            groups, in which each unit reads other sources.
    """
    net, layer = probe.net, probe.layer
    sources, names, kernel = _read(probe)
    field = net.receptive_field(layer)
    read = net.receptive_field(sources[0]) if sources[0] in net.layers else None
    (seen_down, seen_across), strides = ((1, 1), (1, 1)) if read is None else (read.size, read.stride)
    down, across = strides
    if isinstance(net, HandbuiltNet):  # what a normalised family is divided by lies beyond its kernel
        down, across = (net.network.layers[layer].layout.spacing,) * 2
    elif field is not None:
        # A kernel's weights may lie farther apart than the units it reads: dilated, they see more.
        down, across = (
            (whole - part) / (side - 1) if side > 1 and whole > part else stride
            for whole, part, side, stride in zip(
                field.size, (seen_down, seen_across), kernel.shape[:2], strides, strict=True
            )
        )
    if probe.directions is not None:
        kernel = np.einsum("yxsc,uc->yxsu", kernel, probe.directions)
    elif probe.channels is not None:
        kernel = kernel[..., list(probe.channels)]
    height, width = kernel.shape[:2]
    return xr.DataArray(
        np.moveaxis(kernel, (3, 2), (0, 1)),
        dims=("unit", "source", "y", "x"),
        coords={
            "unit": list(probe.unit_names),
            "source": list(names),
            "y": down * ((height - 1) / 2 - np.arange(height)),
            "x": across * (np.arange(width) - (width - 1) / 2),
        },
        name="weight",
        attrs={
            "net": net.name,
            "layer": layer,
            "from": ", ".join(sources),
            "of_image": int(sources[0] not in net.layers),
            "units": "pixels",
            "stride": (float(down), float(across)),
        },
    )


def filters(probe: Probe) -> xr.Dataset:
    """Returns filters that look at the image, and what each looks for.

    Args:
        probe: Units of a layer that reads the image with one convolution.

    Returns:
        Over `unit`: `weight` (unit, channel, y, x); `angle`, the direction of the filter's wave in degrees from 0 to
        180; `directed`, the length of the mean direction of its spectrum, from 0 (all directions alike) to 1 (one);
        `frequency`, the mean of its spectrum in cycles a pixel; `colour`, the share of its squares that is no shade of
        grey. A filter that is constant has angle 0 and frequency 0.

    Raises:
        NetError: As of `kernels`, and if the layer reads another one.
    """
    weights = kernels(probe)
    if not weights.attrs["of_image"] or weights.sizes["source"] not in CHANNELS:
        raise NetError(
            f"layer {probe.layer!r} of net {probe.net.name!r} reads {weights.sizes['source']} units of "
            f"{weights.attrs['from']!r}: wanted a layer that reads the image, of 1 or 3 channels. Kernels of other "
            "layers are shown by viz.kernels."
        )
    values = weights.values.astype(float)
    angle, directed, frequency = _spectrum(values)
    squares = (values**2).sum((1, 2, 3))
    grey = values.mean(1, keepdims=True) * np.ones_like(values)
    # Of one channel all is grey; a filter of zeros has no colour, either.
    colour = 1 - (grey**2).sum((1, 2, 3)) / np.where(squares > 0, squares, np.inf)
    return xr.Dataset(
        {
            "weight": weights.rename(source="channel"),
            "angle": ("unit", angle, {"units": "degrees"}),
            "directed": ("unit", directed),
            "frequency": ("unit", frequency, {"units": "cycles per pixel"}),
            "colour": ("unit", np.where(squares > 0, np.clip(colour, 0, 1), 0.0)),
        },
        attrs=weights.attrs,
    )


def by_direction(seen: xr.Dataset) -> dict[str, list[int]]:
    """Returns the places of filters in groups, grey ones and those of colour, each in order of angle.

    Those without a direction come last in their group, the lowest frequency first. A group without members is left out.
    """
    kinds = np.where(seen.colour.values > COLOURED, "colour", "grey")
    plain = seen.directed.values < ORIENTED
    order = np.lexsort((np.where(plain, np.round(seen.frequency.values, 4), np.round(seen.angle.values, 2)), plain))
    groups = {kind: [int(place) for place in order if kinds[place] == kind] for kind in ("grey", "colour")}
    return {kind: places for kind, places in groups.items() if places}


def _read(probe: Probe) -> tuple[tuple[str, ...], tuple[str, ...], Float[np.ndarray, "h w source channel"]]:
    """Returns the layers that a layer reads, the names of what it reads, and the HWIO kernel that does."""
    net, layer = probe.net, probe.layer
    if isinstance(net, HandbuiltNet):  # a family may read several, laid side by side
        conv = net.network.layers[layer]
        sources, kernel = conv.layout.sources, np.asarray(conv.kernel[...])
    else:
        found = net.weights(layer)
        if found is None:
            raise NetError(
                f"net {net.name!r} knows no single kernel of layer {layer!r}: wanted a layer that one convolution "
                "makes, of a net that knows its weights (an ONNX file or a circuit). Between two of its layers "
                "wiring.expanded(probe, source) may help."
            )
        sources, kernel = (found[0],), np.asarray(found[1])
    if sources[0] not in net.layers:
        return sources, *_of_image(probe, sources[0], kernel)
    names = tuple(name for source in sources for name in net.unit_names(source))
    if len(names) != kernel.shape[2]:
        raise NetError(
            f"layer {layer!r} of net {net.name!r} has a kernel that reads {kernel.shape[2]} of the {len(names)} units "
            f"of {sources[0]!r}: a convolution in groups, whose units read other sources each. "
            "wiring.expanded(probe, source) has them by name."
        )
    return sources, names, kernel


def _of_image(
    probe: Probe, source: str, kernel: Float[np.ndarray, "h w source channel"]
) -> tuple[tuple[str, ...], Float[np.ndarray, "h w source channel"]]:
    """Returns the names of what is read, and the kernel for images as circuitkit has them."""
    count = kernel.shape[2]
    if count not in CHANNELS:  # something that is no map, and no image
        return tuple(f"{source}:{number}" for number in range(count)), kernel
    prepared = getattr(probe.net, "preprocessing", None)
    if isinstance(prepared, Preprocessing):
        # One step of brightness, from -1 to 1, is half a step from black to white.
        kernel = kernel * (prepared.scale / 2 / np.asarray(prepared.std[:count], np.float32))[:, None]
        if prepared.colours == "BGR":
            kernel = kernel[:, :, ::-1]
    return CHANNELS[count], kernel


def _spectrum(
    values: Float[np.ndarray, "unit channel y x"],
) -> tuple[Float[np.ndarray, " unit"], Float[np.ndarray, " unit"], Float[np.ndarray, " unit"]]:
    """Returns the direction of each filter's wave in degrees, how much of one it is, and its frequency."""
    side = max(PADDED, 2 * max(values.shape[2:]))
    power = (np.abs(np.fft.fft2(values, s=(side, side))) ** 2).sum(1)
    # Rows run down, y runs up.
    along = np.fft.fftfreq(side)
    waves = along[None, :] - 1j * along[:, None]
    power[:, 0, 0] = 0  # a constant has no direction
    total = power.sum((1, 2))
    total = np.where(total > 1e-12 * np.maximum((values**2).sum((1, 2, 3)) * side**2, 1e-300), total, np.inf)
    turning = np.exp(2j * np.angle(waves))
    turning[side // 2], turning[:, side // 2] = 0, 0  # at these frequencies a wave and its mirror image are one
    mean = (power * turning).sum((1, 2)) / total
    frequency = (power * np.abs(waves)).sum((1, 2)) / total
    # Rounded, so that what lies a hair below 0 is not 180.
    angle = np.where(np.abs(mean) > 0, np.round(np.rad2deg(np.angle(mean)) / 2, 6) % 180, 0.0)
    return angle, np.abs(mean), frequency
