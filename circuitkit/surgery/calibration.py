"""How units of one net go with units of another on images: means, spreads and correlations over places and images.

    seen = agreement(net, {"fire4": [130, 141]}, {"curves": by_hand["curves"]}, images[:200])
    seen["fire4"].correlation                    # (unit, member)
    steps = replacements(seen, {"fire4": [3, 17]})     # member 3 for unit 130, 17 for 141, at their mean and spread

What takes a unit's place has to be as large as it was, or what follows gets more or less of it than it was trained on.
Two numbers a unit, gain and offset, make it so; the images they are taken from must not be those that anything is
tested on.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int

from circuitkit.compiling import jit
from circuitkit.errors import NetError, StimulusError, unknown_name
from circuitkit.examples import Frame
from circuitkit.probe import Net, Probe
from circuitkit.stimuli import FAST, LabelledSet
from circuitkit.surgery.operation import map_shape, transplanted
from circuitkit.surgery.steps import Replace

Progress = Callable[[int, int], None]
"""Called with the number of images done, and of all."""

Match = Literal["spread", "regression"]

CHUNK = 8


def agreement(
    net: Net,
    units: Mapping[str, Sequence[int]],
    donors: Mapping[str, Probe],
    images: LabelledSet,
    *,
    size: int | None = None,
    progress: Progress | None = None,
) -> dict[str, xr.Dataset]:
    """Returns how units go with those that might take their place, at the same places of the same images.

    Args:
        net: The net.
        units: Channels, by layer.
        donors: Units of other nets, by the name of the net; or of the net itself, by an empty name.
        images: Photographs, or any other set.
        size: Side of the images in pixels; see `survey`.
        progress: Called after each chunk.

    Returns:
        For each layer a dataset over unit and member (`donor` and `source` say whose): `correlation` (unit, member),
        0 with what does not vary; `covariance`; `mean` and `spread` (standard deviation) of units, `member_mean` and
        `member_spread`, and `lowest` response of units.

    Raises:
        NetError: If responses are NaN or infinite, or units have no places.
        StimulusError: If there are no images.
    """
    if not len(images) or not units or not donors:
        raise StimulusError(
            f"agreement got {len(images)} images, {len(units)} layers and {len(donors)} donors: wanted one of each."
        )
    frame = Frame.of(net[next(iter(units))], images, size, FAST)
    for probe in donors.values():
        _channels(probe)

    def sums(items: Any, counted: Float[Array, " image"]) -> dict[str, dict[str, Float[Array, "..."]]]:
        shown, found = frame.draw(items), {}
        for layer, chosen in units.items():
            rows, columns = map_shape(net, layer, shown)
            own = net.maps(shown, layer)[..., np.asarray(chosen)]
            members = []
            for name, probe in donors.items():
                held = (
                    transplanted(probe.net, probe.layer, net, layer, shown, (rows, columns))
                    if name
                    else net.maps(shown, probe.layer)
                )
                members.append(probe.of(held))
            theirs = jnp.concatenate(members, axis=-1)
            weight = jnp.broadcast_to(counted[:, None, None], own.shape[:3])[..., None]
            found[layer] = {
                "count": weight.sum()[None],
                "u": (own * weight).sum((0, 1, 2)),
                "m": (theirs * weight).sum((0, 1, 2)),
                "uu": (own**2 * weight).sum((0, 1, 2)),
                "mm": (theirs**2 * weight).sum((0, 1, 2)),
                "um": jnp.einsum("nrcu,nrcm->um", own * weight, theirs, precision="highest"),
                "low": jnp.where(weight > 0, own, jnp.inf).min((0, 1, 2)),
            }
        return found

    program, total = jit(sums), len(images)
    held: dict[str, dict[str, np.ndarray]] = {}
    for start in range(0, total, CHUNK):
        indices = np.minimum(np.arange(start, start + CHUNK), total - 1)
        counted = (np.arange(start, start + CHUNK) < total).astype(np.float32)
        for layer, found in program(images.items(indices), jnp.asarray(counted)).items():
            mine = held.setdefault(layer, {})
            for key, value in found.items():
                each = np.array(value, float)
                mine[key] = (
                    each if key not in mine else np.minimum(mine[key], each) if key == "low" else mine[key] + each
                )
        if progress is not None:
            progress(min(start + CHUNK, total), total)
    members = [
        (name, probe.layer, unit, channel)
        for name, probe in donors.items()
        for unit, channel in zip(probe.unit_names, _channels(probe), strict=True)
    ]
    return {layer: _summary(mine, net, layer, units[layer], members) for layer, mine in held.items()}


def _channels(probe: Probe) -> Sequence[int]:
    """Returns the channels of a probe's units."""
    if probe.directions is not None:
        raise NetError(
            f"directions in layer {probe.layer!r} of net {probe.net.name!r} cannot replace units: give units."
        )
    return range(len(probe.unit_names)) if probe.channels is None else probe.channels


def _summary(
    sums: Mapping[str, np.ndarray],
    net: Net,
    layer: str,
    units: Sequence[int],
    members: Sequence[tuple[str, str, str, int]],
) -> xr.Dataset:
    count = sums["count"]
    mean, theirs = sums["u"] / count, sums["m"] / count
    spread = np.sqrt(np.maximum(sums["uu"] / count - mean**2, 0))
    their_spread = np.sqrt(np.maximum(sums["mm"] / count - theirs**2, 0))
    covariance = sums["um"] / count - mean[:, None] * theirs
    if not np.isfinite(covariance).all():
        raise NetError(f"units of layer {layer!r} of net {net.name!r}, or what might replace them, respond with NaN.")
    over = spread[:, None] * their_spread
    return xr.Dataset(
        {
            "correlation": (("unit", "member"), np.divide(covariance, over, out=np.zeros_like(over), where=over > 0)),
            "covariance": (("unit", "member"), covariance),
            "mean": ("unit", mean),
            "spread": ("unit", spread),
            "lowest": ("unit", sums["low"]),
            "member_mean": ("member", theirs),
            "member_spread": ("member", their_spread),
        },
        coords={
            "unit": [net.unit_names(layer)[unit] for unit in units],
            "channel": ("unit", list(units)),
            "member": [name for _, _, name, _ in members],
            "donor": ("member", [donor for donor, _, _, _ in members]),
            "source": ("member", [source for _, source, _, _ in members]),
            "member_channel": ("member", [channel for _, _, _, channel in members]),
        },
        attrs={"net": net.name, "layer": layer},
    )


def replacements(
    seen: Mapping[str, xr.Dataset],
    members: Mapping[str, Sequence[int] | Int[np.ndarray, " unit"]],
    *,
    match: Match = "spread",
    **more: Any,
) -> list[Replace]:
    """Returns steps that put members in the place of units, with gain and offset from what was seen.

    Args:
        seen: From `agreement`.
        members: By layer: for each unit the place of its member among all members.
        match: `spread` gives the unit's mean and standard deviation; `regression` the gain of least squares, which is
            smaller by the correlation.
        **more: Fields that all steps share, such as `rolled` or `other`.

    Raises:
        NetError: If a member never responds.
        UnknownNameError: If there is no such way to match.
    """
    if match not in get_args(Match):
        raise unknown_name("match", match, get_args(Match), owner="replacements")
    steps = []
    for layer, held in seen.items():
        chosen = np.asarray(members[layer])
        theirs = held.member_spread.values[chosen]
        if not (theirs > 0).all():
            silent = held.member.values[chosen][theirs <= 0]
            raise NetError(
                f"{str(silent[0])!r} says the same at all places of these images: it can take no unit's place."
            )
        places = np.arange(len(chosen))
        gain = (
            held.spread.values / theirs
            if match == "spread"
            else np.maximum(held.covariance.values[places, chosen] / theirs**2, 0)
        )
        offset = held["mean"].values - gain * held.member_mean.values[chosen]
        rectify = bool(held.lowest.values.min() >= 0)
        keys = list(zip(held.donor.values[chosen], held.source.values[chosen], strict=True))
        for donor, source in dict.fromkeys(keys):
            mine = [place for place, key in enumerate(keys) if key == (donor, source)]
            steps.append(
                Replace(
                    layer,
                    tuple(held.channel.values[mine].tolist()),
                    str(source),
                    tuple(held.member_channel.values[chosen[mine]].tolist()),
                    of=str(donor),
                    gain=tuple(gain[mine].tolist()),
                    offset=tuple(offset[mine].tolist()),
                    rectify=rectify,
                    **more,
                )
            )
    return steps
