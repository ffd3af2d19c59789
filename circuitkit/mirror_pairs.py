"""Mirror pairs: two units of a layer that exchange their responses when the image is mirrored, left for right.

    seen = mirrored(net, ["stage3_unit5_act2", "stage3_unit5_act3"], images)
    found = pairs(seen)                                     # pandas: layer, a, b, z, p, match, odd_a, ...
    partners(seen["stage3_unit5_act2"])                     # each unit's partner, itself among them, by index

A response to an image and to its mirror image has an even part, half their sum, and an odd one, half their difference
d. The mean of d over images that face either way is 0 for any unit, so everything is read off single images:

* `match[a, b]` is the correlation, over images and mirror images, of a's response with b's response to the mirror
  image. `match[a, a]` is 1 for a unit that mirrors leave as it is. Two units can be a pair only if each matches the
  other better than itself. So a feature and its opposite are none, though their d are opposed, for their even parts are
  opposed as well; nor are two units that hardly notice mirrors.
* `odd` is the odd part's share of a unit's variance: 0 for what no mirror changes.
* `z` is -sum(d_a d_b) over its standard deviation, sqrt(sum(d_a^2 d_b^2)), if the sign of every d were tossed. Two
  units that only ever respond to one and the same image have z = 1, however well they correlate.

Which of an image and its mirror image comes first is arbitrary. If a's choice of a side has nothing to do with b's, d_a
and d_b may change signs independently in every image; `p` counts how often tossed signs give any two units, of any of
the layers, a z so large. It is family-wise; but it is about units that know nothing of each other. Units that read the
same few things do, with any weights: nets of shuffled weights have such pairs, too. That a pair was learned shows in
its weights, which are mirror images of each other (see experiments/mirror_pairs).

A mirror has to carry the positions of a layer onto each other, which the width of the images decides (225 pixels for a
ResNet, 223 for SqueezeNet, but not 224). Other widths are refused.

Source: Olah et al., "Zoom In: An Introduction to Circuits", Distill (2020), "Unioning over cases": units for heads of
dogs that face left and right.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array, Bool, Float, Int
from scipy.optimize import linear_sum_assignment

from circuitkit import checks
from circuitkit.cropping.once import Once
from circuitkit.errors import ImageError, NetError, StimulusError, unknown_name
from circuitkit.evidence.statistics import p_value
from circuitkit.examples import Frame
from circuitkit.probe import Net
from circuitkit.stimuli import FAST, LabelledSet, Renderer
from circuitkit.streaming import stream

Progress = Callable[[int, int], None]
"""Called with the number of images done and the number of all."""

Readout = Literal["aligned", "max", "mean"]
READOUTS: tuple[Readout, ...] = get_args(Readout)

CHUNK = 8
"""Images computed at once, each with its mirror image."""

DRAWS = 499
"""Of signs: p can fall to 0.002."""

INVARIANT = 1e-9
"""An odd part of so small a share of the squares is rounding: 3e-5 of a response."""

Values = Float[np.ndarray, "image unit"]


def mirrored(
    net: Net,
    layers: Sequence[str],
    images: LabelledSet,
    *,
    size: int | None = None,
    within: float = 0.0,
    renderer: Renderer = FAST,
    chunk: int = CHUNK,
    progress: Progress | None = None,
) -> dict[str, xr.DataArray]:
    """Returns how the units of some layers respond to images and to their mirror images, left and right exchanged.

    One program computes all layers, so what lies below them is computed once.

    Args:
        net: Any net.
        layers: Of the net.
        images: Photographs, or any other labelled set.
        size: Side of the images, in pixels; see `survey`.
        within: By how much the margins left and right of a layer's positions may differ, in pixels.
        renderer: How images are drawn.
        chunk: Images computed at once.
        progress: Called after each chunk.

    Returns:
        For each layer an array (readout, view, image, unit); views are `image` and `mirror`. Of each map, `max` and
        `mean` are taken over positions: the strongest place, or all of them. `aligned` reads one place of the scene in
        both views: where a unit's map and its map of the mirror image, turned back, are largest in sum.

    Raises:
        ImageError: If a mirror carries the positions of a layer beside each other, by the side of the images.
        NetError: If a response is NaN or infinite.
        StimulusError: If there are no images, or one cannot be read.
        UnknownNameError: If the net has no such layer.
    """
    checks.whole("mirrored", "chunk", chunk)
    if not layers or not len(images):
        raise StimulusError(f"mirrored got {len(layers)} layers and {len(images)} images: wanted one of each at least.")
    probes = [net[layer] for layer in layers]
    frame = Frame.of(probes[0], images, size, renderer)
    for layer in layers:
        _refuse_uneven(net, layer, frame, within)
    total = len(images)

    def respond(shown: Float[Array, "image h w channel"]) -> Float[Array, "image readout view unit"]:
        both = jnp.concatenate([shown, shown[:, :, ::-1]])
        return jnp.concatenate([_read(probe.maps(both)) for probe in probes], axis=-1)

    once = Once(respond, (chunk, frame.height, frame.width, frame.channels))

    def block(weights: Any, items: Any, valid: Bool[Array, " image"]) -> Float[Array, "image readout view unit"]:
        del valid
        return once.apply(weights, frame.draw(items))

    found = []
    numbers = range(math.ceil(total / chunk))
    for number, responses in stream(block, once.constants, images.items, numbers, size=chunk, total=total):
        found.append(responses[: total - number * chunk])
        if progress is not None:
            progress(min(total, (number + 1) * chunk), total)
    values = np.moveaxis(np.concatenate(found), 0, 2)
    if not np.isfinite(values).all():
        raise NetError(f"net {net.name!r} responds with NaN or infinity in {', '.join(layers)}: look at its weights.")
    ends = np.cumsum([len(probe.unit_names) for probe in probes])[:-1]
    seen = {}
    for probe, each in zip(probes, np.split(values, ends, axis=-1), strict=True):
        seen[probe.layer] = xr.DataArray(
            each,
            dims=("readout", "view", "image", "unit"),
            coords={"readout": list(READOUTS), "view": ["image", "mirror"], "unit": list(probe.unit_names)},
            name="response",
            attrs={"net": net.name, "layer": probe.layer, "images": repr(images), "side": frame.width},
        )
    return seen


def _read(maps: Float[Array, "both row column unit"]) -> Float[Array, "image readout view unit"]:
    """Returns the read-outs of maps of images, and of as many mirror images after them."""
    seen, back = jnp.split(maps, 2)
    both = jnp.stack([seen, back[:, :, ::-1]], 1)
    flat = both.reshape(*both.shape[:2], -1, both.shape[-1])
    place = jnp.argmax(flat.sum(1), axis=1)[:, None, None]
    aligned = jnp.take_along_axis(flat, place, axis=2)[:, :, 0]
    return jnp.stack([aligned, flat.max(2), flat.mean(2)], 1)


def _refuse_uneven(net: Net, layer: str, frame: Frame, within: float) -> None:
    """Refuses images of a width on which a mirror carries the positions of a layer beside each other."""

    def off(width: int) -> float:
        field = net.receptive_field(layer, (frame.height, width))
        if field is None:
            return 0.0
        images = jax.ShapeDtypeStruct((1, frame.height, width, frame.channels), jnp.float32)
        columns = jax.eval_shape(lambda shown: net.maps(shown, layer), images).shape[2]
        return abs(width - 1 - 2 * field.first[1] - field.stride[1] * (columns - 1))

    if (apart := off(frame.width)) <= within:
        return
    near = next(
        (side for step in range(1, 65) for side in (frame.width - step, frame.width + step) if not off(side)), 0
    )
    raise ImageError(
        f"on images {frame.width} pixels wide the margins left and right of layer {layer!r} of net {net.name!r} differ "
        f"by {apart:g} pixels, so that a mirror carries its positions beside each other, and units would differ "
        "between views for no reason of their own: give "
        + (f"images of side {near}, " if near else "images of another side, ")
        + f"or within={apart:g}."
    )


def pairs(
    seen: Mapping[str, xr.DataArray], *, readout: Readout = "mean", draws: int = DRAWS, seed: int = 0
) -> pd.DataFrame:
    """Returns pairs of units, one the other's best match in the mirror, each a better match than the unit itself.

    Args:
        seen: By layer, as of `mirrored`; the same images for all.
        readout: Of the maps.
        draws: Of signs, for `p`.
        seed: Of the signs.

    Returns:
        A row for each pair, the largest z first: `layer`; `a` and `b`, by index; `mutual`, whether each is the other's
        best match (of units that face left two may have the same one that faces right); `z` and `p`; `match`, `own_a`
        and `own_b` (each unit's match with itself) and `plain`, the correlation of the two without a mirror; `opposed`,
        the correlation of d_a with -d_b; `alike`, that of the even parts; `odd_a` and `odd_b`.

    Raises:
        NetError: If all units of a layer respond to mirror images as to the images.
    """
    checks.whole("pairs", "draws", draws)
    rows: list[tuple[object, ...]] = []
    highest = np.full(draws, -np.inf)
    for place, (layer, each) in enumerate(seen.items()):
        even, odd = parts(each, readout)
        if (odd**2).sum() <= INVARIANT * (even**2).sum():
            raise NetError(
                f"all units of layer {layer!r} of net {each.attrs.get('net')!r} respond to {len(odd)} images as to "
                "their mirror images, to rounding: none can face a side. Give a layer that notices mirrors."
            )
        z, null = _opposition(odd, draws, np.random.default_rng([seed, place]))
        highest = np.maximum(highest, null)
        match, plain = matches(each, readout)
        alike, opposed = _correlation(even - even.mean(0)), -_correlation(odd)
        better = (match > np.diag(match)[:, None]) & (match > np.diag(match)) & (alike > 0)
        best = np.where(better, match, -np.inf).argmax(1)
        shares = odd_share(each, readout)
        wants = better & (np.arange(len(best)) == best[:, None])
        for a, b in np.argwhere(np.triu(wants | wants.T)).tolist():
            values = (match[a, b], match[a, a], match[b, b], plain[a, b], opposed[a, b], alike[a, b])
            rows.append((layer, a, b, wants[a, b] and wants[b, a], z[a, b], *values, shares[a], shares[b]))
    names = ["layer", "a", "b", "mutual", "z", "match", "own_a", "own_b", "plain", "opposed", "alike", "odd_a", "odd_b"]
    table = pd.DataFrame(rows, columns=names)
    table.insert(5, "p", p_value(table.z.to_numpy(float), highest))
    return table.sort_values("z", ascending=False, kind="stable", ignore_index=True)


def parts(seen: xr.DataArray, readout: Readout) -> tuple[Values, Values]:
    """Returns the even and the odd part of responses: half the sum of both views, and half their difference."""
    if readout not in READOUTS:
        raise unknown_name("readout", readout, READOUTS, owner="mirror_pairs")
    image, mirror = seen.sel(readout=readout).values.astype(float)
    return (image + mirror) / 2, (image - mirror) / 2


def matches(
    seen: xr.DataArray, readout: Readout = "mean"
) -> tuple[Float[np.ndarray, "unit unit"], Float[np.ndarray, "unit unit"]]:
    """Returns correlations of each unit's responses with each other's to the other view, and to the same view."""
    even, odd = parts(seen, readout)
    even = even - even.mean(0)
    spread = np.sqrt((even**2 + odd**2).sum(0))
    over = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
    same, turned = (even * over).T @ (even * over), (odd * over).T @ (odd * over)
    return same - turned, same + turned


def odd_share(seen: xr.DataArray, readout: Readout = "mean") -> Float[np.ndarray, " unit"]:
    """Returns the share of each unit's variance, over images and mirror images, that the mirror turns round."""
    even, odd = parts(seen, readout)
    turned, whole = (odd**2).sum(0), ((even - even.mean(0)) ** 2 + odd**2).sum(0)
    return np.divide(turned, whole, out=np.zeros_like(turned), where=whole > 0)


def partners(seen: xr.DataArray, readout: Readout = "mean") -> Int[np.ndarray, " unit"]:
    """Returns the permutation of a layer's units, by index, that matches them best in the mirror; some with themselves.

    It is the assignment of largest total match; see `matches`.
    """
    return linear_sum_assignment(matches(seen, readout)[0], maximize=True)[1]


def _correlation(values: Values) -> Float[np.ndarray, "unit unit"]:
    """Returns correlations about 0; 0 with what does not vary."""
    size = np.sqrt((values**2).sum(0))
    over = np.divide(1, size, out=np.zeros_like(size), where=size > 0)
    return (values * over).T @ (values * over)


def _opposition(
    odd: Values, draws: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "unit unit"], Float[np.ndarray, " draw"]]:
    """Returns z of all pairs, and the largest one for each draw of signs."""
    values = odd.astype(np.float32)
    values = values / np.maximum(np.abs(values).max(0), np.float32(1e-30))  # squares of small ones would be lost
    spread = np.sqrt((values**2).T @ (values**2))
    over = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
    np.fill_diagonal(over, 0)
    tossed = np.empty(draws)
    for draw in range(draws):
        turned = values * (2 * rng.integers(0, 2, values.shape, np.int8) - 1).astype(np.float32)
        tossed[draw] = -((turned.T @ turned) * over).min()
    return -((values.T @ values) * over).astype(float), tossed
