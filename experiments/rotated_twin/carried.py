"""Which unit of a layer does each unit's work once the image is turned or mirrored, and is it made of weights likewise?

Turn an image by 90 degrees, and in an equivariant layer another unit does what a unit did, at the place that this is
turned to, reading from the sources' own partners: W[u <- s](x) = W[Tu <- Ts](Tx). The partner is found from responses
to some images, by assignment, and tested on others, and on weights, which had no say in the choice.

    found = matches(net, layers, images, {"turned": Motion(turn=90)})
    to = partners(found["turned", "conv3"])
    held(others["turned", "conv3"], to)                     # correlation of each unit with its partner
    weight_law(kernel, QUARTER, to, partners_of_sources)    # correlation of its weights with the partner's

Source: Olah et al., "Naturally Occurring Equivariance in Neural Networks", Distill (2020), for the law.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.optimize import linear_sum_assignment

from circuitkit.compiling import jit
from circuitkit.errors import ImageError, SpecError
from circuitkit.mirrored_weights import scaled
from circuitkit.nets.sequential import SequentialNet
from circuitkit.symmetry import Motion
from circuitkit.turned.lattice import can_be_exact

MOTIONS = {"turned": Motion(turn=90), "mirrored": Motion(turn=180, mirror=True)}
"""A quarter turn, and left and right exchanged."""

CHUNK = 100
"""Images computed at once."""

Matches = dict[tuple[str, str], Float[np.ndarray, "unit unit"]]


def matches(
    net: SequentialNet,
    layers: Sequence[str],
    images: Float[np.ndarray, "image h w channel"],
    motions: Mapping[str, Motion] = MOTIONS,
    *,
    progress: Callable[[], None] = lambda: None,
) -> Matches:
    """Returns how each unit's responses to images are like each other unit's to the images carried by a motion.

    Args:
        net: The net.
        layers: Of the net, in order.
        images: Values -1 to 1.
        motions: Of the lattice, by name.
        progress: Called after each chunk.

    Returns:
        For each motion and layer the correlation (unit, partner), over images and places, of the unit's map with the
        partner's map of the carried image, carried back. 0 for a unit that gives the same everywhere.

    Raises:
        ImageError: If a motion does not carry the places of a layer onto each other, by the size of the images.
    """
    for layer in layers:
        for name, motion in motions.items():
            possible, why = can_be_exact(net[layer], images.shape[1:3], [motion])
            if not possible:
                raise ImageError(f"layer {layer!r} of net {net.name!r} cannot be {name}: {why}")

    def flat(maps: Float[Array, "image row column unit"]) -> Float[Array, "place unit"]:
        return maps.reshape(-1, maps.shape[-1])

    def moments(shown: Float[Array, "image h w channel"]) -> dict[str, dict[str, Array]]:
        own = {layer: flat(maps) for layer, maps in _maps(net, layers, shown).items()}
        sums = {layer: {"": _moments(each)} for layer, each in own.items()}
        for name, motion in motions.items():
            carried = _maps(net, layers, motion.of_images(shown))
            for layer in layers:
                back = flat(motion.inverse().of_images(carried[layer]))
                sums[layer][f"{name} alone"] = _moments(back)
                sums[layer][name] = jnp.matmul(own[layer].T, back, precision="highest")
        return sums

    run, total, places = jit(moments), {}, dict.fromkeys(layers, 0)
    for at in range(0, len(images), CHUNK):
        shown = jnp.asarray(images[at : at + CHUNK])
        for layer, sums in run(shown).items():
            for name, value in sums.items():
                total[layer, name] = total.get((layer, name), 0.0) + np.asarray(value, float)
        progress()
    for layer in layers:
        field = net.maps(jnp.asarray(images[:1]), layer).shape
        places[layer] = len(images) * field[1] * field[2]
    return {
        (name, layer): _correlation(total[layer, ""], total[layer, f"{name} alone"], total[layer, name], places[layer])
        for layer in layers
        for name in motions
    }


def _maps(
    net: SequentialNet, layers: Sequence[str], images: Float[Array, "image h w channel"]
) -> dict[str, Float[Array, "image row column unit"]]:
    """Returns the maps of some layers, each computed from the one before."""
    found = {layers[0]: net.maps(images, layers[0])}
    for before, layer in itertools.pairwise(layers):
        found[layer] = net.run_from({before: found[before]}, layer)
    return found


def _moments(values: Float[Array, "place unit"]) -> Float[Array, "2 unit"]:
    return jnp.stack([values.sum(0), (values**2).sum(0)])


def _correlation(
    one: Float[np.ndarray, "2 unit"],
    other: Float[np.ndarray, "2 unit"],
    products: Float[np.ndarray, "unit unit"],
    count: int,
) -> Float[np.ndarray, "unit unit"]:
    means = one[0] / count, other[0] / count
    spreads = [
        np.sqrt(np.maximum(each[1] / count - mean**2, 0)) for each, mean in zip((one, other), means, strict=True)
    ]
    # What float32 leaves of a unit that never changes is no variation.
    alive = [
        spread > 1e-4 * np.sqrt(each[1] / count + 1e-30) for spread, each in zip(spreads, (one, other), strict=True)
    ]
    over = [
        np.divide(1, spread, out=np.zeros_like(spread), where=here) for spread, here in zip(spreads, alive, strict=True)
    ]
    return (products / count - np.outer(*means)) * np.outer(*over)


def partners(match: Float[np.ndarray, "unit unit"], *, but_itself: bool = False) -> Int[np.ndarray, " unit"]:
    """Returns the partner of each unit, by index: the permutation of largest total match.

    Args:
        match: Of `matches`.
        but_itself: Whether no unit may be its own partner, as one may that a motion leaves as it is.
    """
    # No sum of matches makes up for one that is forbidden.
    forbidden = 3.0 * len(match) * np.eye(len(match)) if but_itself else 0.0
    return linear_sum_assignment(match - forbidden, maximize=True)[1]


def held(match: Float[np.ndarray, "unit unit"], to: Int[np.ndarray, " unit"]) -> Float[np.ndarray, " unit"]:
    """Returns each unit's match with its partner."""
    return match[np.arange(len(to)), to]


def closed(to: Int[np.ndarray, " unit"], order: int) -> float:
    """Returns the share of units that a motion, repeated, brings back: 4 times for a quarter turn.

    Of n units exchanged at random it is 3 / n for an order of 4, one in cycles of each of the lengths 1, 2 and 4; but
    assignments are no random exchanges, so nets of shuffled kernels say what chance is.
    """
    there = np.arange(len(to))
    for _ in range(order):
        there = to[there]
    return float((there == np.arange(len(to))).mean())


def weight_law(
    kernel: Float[np.ndarray, "h w source unit"],
    motion: Motion,
    units: Int[np.ndarray, " unit"],
    sources: Int[np.ndarray, " source"],
) -> Float[np.ndarray, " unit"]:
    """Returns the correlation of each unit's weights, carried, with those of its partner from the sources' partners.

    Args:
        kernel: Of the layer.
        motion: Of the lattice.
        units: The partner of each unit, by index.
        sources: The partner of each source, by index.

    Raises:
        SpecError: If partners are not one for each unit and source.
    """
    if kernel.shape[2:] != (len(sources), len(units)):
        raise SpecError(
            f"weight_law got a kernel of {kernel.shape[2]} sources and {kernel.shape[3]} units with {len(sources)} and "
            f"{len(units)} partners: wanted one partner each."
        )
    tiles = np.transpose(kernel, (3, 0, 1, 2))
    carried = np.asarray(motion.of_images(jnp.asarray(tiles)))
    theirs = tiles[units][..., sources]
    return (scaled(carried) * scaled(theirs)).sum(1)
