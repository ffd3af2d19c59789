"""How steps are carried out: several operations on one net as one program, which differ in numbers alone.

Whatever is done to units comes down to one table: for each unit of each layer that is touched, a map out of a *bank*,
a gain and an offset. The bank holds all maps that any of the operations asks for: of the net itself, of the net on
another image, of other nets at the same places, of the net with a pathway cut. It is computed once for each image, and
so is all that lies below the first layer that is touched; then each operation is a run of what lies above.
"""

import dataclasses
import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit.errors import ImageError, NetError, UnknownNameError, unknown_name
from circuitkit.probe import Images, Maps, Net
from circuitkit.surgery.edits import edited
from circuitkit.surgery.resampling import resampled
from circuitkit.surgery.steps import Ablate, Cut, Edit, Replace, Step

State = dict[str, dict[str, Any]]
"""What is known of images before any operation: `bank` and `natural`, maps by layer."""

Numbers = dict[str, dict[str, Any]]
"""An operation: for each layer and unit `touched`, `index` into the bank, `gain`, `offset`, `rectify`."""


@dataclasses.dataclass(frozen=True)
class _Entry:
    """Where some maps of a bank come from."""

    source: str
    of: str = ""
    rolled: tuple[int, int] = (0, 0)
    other: bool = False
    cut: Cut | None = None


class Operation:
    """Several operations on one net, all with the same edits of weights.

    Attributes:
        net: As it was.
        edited: With its weights edited.
        layers: Those whose units are touched, in the net's order.
        numbers: What sets one operation apart from the others, by name.
        needs_others: Whether any of them reads another image.
    """

    def __init__(
        self, net: Net, operations: Mapping[str, Sequence[Step]], donors: Mapping[str, Net] | None = None
    ) -> None:
        """Lays out tables; nothing is computed.

        Args:
            net: The net.
            operations: Steps, by name. Of two that touch one unit the later counts.
            donors: Nets that units are replaced from, by name.

        Raises:
            NetError: If the operations differ in their edits, or an edit is impossible.
            UnknownNameError: If there is no such layer, unit or donor.
        """
        edits = {tuple(step for step in steps if isinstance(step, Edit)) for steps in operations.values()}
        if len(edits) != 1:
            raise NetError(f"operations on net {net.name!r} edit weights in {len(edits)} ways: wanted one for all.")
        self.net, self._donors = net, dict(donors or {})
        self.edited = edited(net, edits.pop(), name=f"{net.name}, edited")
        touching = {name: [each for each in steps if not isinstance(each, Edit)] for name, steps in operations.items()}
        touched: dict[str, dict[int, int]] = {}
        self._bank: dict[str, dict[tuple[_Entry, int], int]] = {}
        for steps in touching.values():
            for step in steps:
                self._check(step)
                places = touched.setdefault(step.layer, {})
                for unit in step.units:
                    places.setdefault(unit, len(places))
                for key in _asked(step):
                    held = self._bank.setdefault(step.layer, {})
                    held.setdefault(key, len(held))
        self.layers = tuple(layer for layer in net.layers if layer in touched)
        self._units = {layer: np.array(list(touched[layer])) for layer in self.layers}
        self.numbers = {name: self._numbers(steps, touched) for name, steps in touching.items()}
        self.needs_others = any(entry.other for held in self._bank.values() for entry, _ in held)

    def _check(self, step: Ablate | Replace | Cut) -> None:
        """Refuses layers, units and donors that are not there."""
        asked = [(self.net, step.layer, step.units)]
        if isinstance(step, Replace):
            if step.of and step.of not in self._donors:
                raise unknown_name("donor", step.of, self._donors, owner=f"the surgery on net {self.net.name!r}")
            asked.append((self._donors[step.of] if step.of else self.net, step.source, step.members))
        if isinstance(step, Cut):
            asked.append((self.net, step.source, step.sources))
            if step.source in self.net.layers and self.net.layers.index(step.source) >= self.net.layers.index(
                step.layer
            ):
                raise NetError(
                    f"Cut from layer {step.source!r} to {step.layer!r}: wanted an earlier layer to cut from."
                )
        for net, layer, units in asked:
            if layer not in net.layers:
                raise unknown_name("layer", layer, net.layers, owner=f"net {net.name!r}")
            if max(units) >= (count := len(net.unit_names(layer))):
                raise UnknownNameError(
                    f"layer {layer!r} of net {net.name!r} has no unit {max(units)}: it has {count}, counted from 0."
                )

    def _numbers(self, steps: Sequence[Ablate | Replace | Cut], touched: Mapping[str, Mapping[int, int]]) -> Numbers:
        found: Numbers = {}
        for layer in self.layers:
            count = len(touched[layer])
            found[layer] = {
                "touched": np.zeros(count, bool),
                "index": np.zeros(count, np.int32),
                "gain": np.zeros(count, np.float32),
                "offset": np.zeros(count, np.float32),
                "rectify": np.zeros(count, bool),
            }
        for step in steps:
            table, places = found[step.layer], [touched[step.layer][unit] for unit in step.units]
            table["touched"][places] = True
            held = self._bank.get(step.layer, {})
            table["index"][places] = [held[key] for key in _asked(step)] or 0
            match step:
                case Ablate():
                    table["gain"][places], table["offset"][places] = 0.0, step.to
                    table["rectify"][places] = False
                case Replace():
                    table["gain"][places], table["offset"][places] = step.gain, step.offset
                    table["rectify"][places] = step.rectify
                case Cut():
                    table["gain"][places], table["offset"][places] = 1.0, 0.0
                    table["rectify"][places] = False
        return found

    def state(self, images: Images, others: Images | None = None, *, wanted: str | None) -> State:
        """Returns what has to be known of images before any operation. Pure: it may be traced.

        Args:
            images: Values -1 to 1.
            others: As many other images, for steps that read one.
            wanted: The layer that operations will be run up to; None for the net's output.

        Raises:
            ImageError: If other images are needed and not given.
        """
        if self.needs_others and others is None:
            raise ImageError(
                f"the surgery on net {self.net.name!r} reads another image: give others=, as many images as there are."
            )
        layers = self._needed(wanted)
        return {
            "bank": {layer: self._banked(layer, images, others) for layer in layers if self._bank.get(layer)},
            "natural": {name: self.edited.maps(images, name) for name in self._natural(layers, wanted)},
        }

    def _needed(self, wanted: str | None) -> tuple[str, ...]:
        """Returns the layers that are touched and lead to the one that is wanted."""
        if wanted is None:
            return self.layers
        if wanted not in self.net.layers:
            raise unknown_name("layer", wanted, self.net.layers, owner=f"net {self.net.name!r}")
        return tuple(layer for layer in self.layers if layer == wanted or self._follows(wanted, (layer,)))

    def _follows(self, layer: str | None, given: tuple[str, ...]) -> bool:
        """Says whether a layer, or the output, is computed from some others: then it needs no image besides."""
        if layer in given or not given:
            return False
        return set(self.edited.also_reads(given, layer)) <= set(self.edited.layers)

    def _natural(self, layers: tuple[str, ...], wanted: str | None) -> list[str]:
        """Returns the layers whose maps no operation changes, and from which all others follow."""
        found: dict[str, None] = {}
        for place, layer in enumerate(layers):
            found |= dict.fromkeys(self._besides(layer, layers[:place]))
        if wanted not in layers:
            found |= dict.fromkeys(self._besides(wanted, layers))
        return list(found)

    def _besides(self, layer: str | None, given: tuple[str, ...]) -> tuple[str, ...]:
        if self._follows(layer, given):
            return self.edited.also_reads(given, layer)
        return (self._start if layer is None else layer,)

    @functools.cached_property
    def _start(self) -> str:
        """The last layer from which alone the output follows: what it hangs on where nothing else is touched."""
        for layer in reversed(self.edited.layers):
            if not self.edited.also_reads((layer,), None):
                return layer
        raise NetError(f"the output of net {self.net.name!r} follows from no layer alone: wanted a net with one.")

    def run(self, state: State, numbers: Numbers, *, wanted: str | None) -> Float[Array, "image ..."]:
        """Returns the maps of a layer, or the net's output for None, after an operation. Pure: it may be traced."""
        natural, layers = state["natural"], self._needed(wanted)
        changed: dict[str, Maps] = {}
        for layer in layers:
            changed[layer] = self._changed(layer, self._reached(layer, changed, natural), state, numbers[layer])
        return changed[wanted] if wanted in changed else self._reached(wanted, changed, natural)

    def _reached(self, layer: str | None, changed: dict[str, Maps], natural: dict[str, Maps]) -> Float[Array, "..."]:
        given = tuple(changed)
        if not self._follows(layer, given):
            return natural[layer] if layer is not None else self.edited.output_from({self._start: natural[self._start]})
        held = {**changed, **{name: natural[name] for name in self.edited.also_reads(given, layer)}}
        return self.edited.output_from(held) if layer is None else self.edited.run_from(held, layer)

    def _changed(self, layer: str, maps: Maps, state: State, table: dict[str, Any]) -> Maps:
        units = self._units[layer]
        own = maps[..., units]
        bank = state["bank"].get(layer)
        picked = jnp.zeros_like(own) if bank is None else jnp.take(bank, table["index"], axis=-1)
        touched, gain, offset, rectify = (
            jnp.asarray(table[name])[None, None, None] for name in ("touched", "gain", "offset", "rectify")
        )
        said = picked * gain + offset
        said = jnp.where(rectify, jax.nn.relu(said), said)
        return maps.at[..., units].set(jnp.where(touched, said, own))

    def _banked(self, layer: str, images: Images, others: Images | None) -> Maps:
        """Returns the maps of a bank, in the order of its keys."""
        rows, columns = map_shape(self.net, layer, images)
        wanted: dict[_Entry, list[int]] = {}
        for entry, member in self._bank[layer]:
            wanted.setdefault(entry, []).append(member)
        made: dict[tuple[_Entry, int], Float[Array, "image row column"]] = {}
        for entry, members in wanted.items():
            shown = others if entry.other and others is not None else images
            maps = self._entry(entry, layer, images, shown, (rows, columns))[..., np.array(members)]
            if entry.rolled != (0, 0):
                maps = jnp.roll(maps, entry.rolled, (1, 2))
            made |= {(entry, member): maps[..., place] for place, member in enumerate(members)}
        return jnp.stack([made[key] for key in self._bank[layer]], axis=-1)

    def _entry(self, entry: _Entry, layer: str, images: Images, shown: Images, shape: tuple[int, int]) -> Maps:
        if entry.cut is not None:
            return self._blinded(entry.cut, images, shown)
        if entry.of:
            return transplanted(self._donors[entry.of], entry.source, self.net, layer, shown, shape)
        maps = self.net.maps(shown, entry.source)
        if maps.shape[1:3] != shape:
            raise NetError(
                f"layer {entry.source!r} of net {self.net.name!r} has {maps.shape[1]}x{maps.shape[2]} units, and layer "
                f"{layer!r} {shape[0]}x{shape[1]}: give the net itself as a donor, and maps are brought to its places."
            )
        return maps

    def _blinded(self, cut: Cut, images: Images, shown: Images) -> Maps:
        """Returns the maps of a layer in a net that sees other maps of some units of an earlier one."""
        maps, sources = self.net.maps(images, cut.source), np.array(cut.sources)
        instead = (
            self.net.maps(shown, cut.source)[..., sources]
            if cut.other
            else jnp.broadcast_to(jnp.asarray(cut.to, jnp.float32), (*maps.shape[:3], len(sources)))
        )
        besides = self.net.also_reads((cut.source,), cut.layer)
        if not set(besides) <= set(self.net.layers):
            raise NetError(f"layer {cut.layer!r} of net {self.net.name!r} does not read layer {cut.source!r}.")
        held = {name: self.net.maps(images, name) for name in besides}
        return self.net.run_from({cut.source: maps.at[..., sources].set(instead), **held}, cut.layer)


def _asked(step: Ablate | Replace | Cut) -> list[tuple[_Entry, int]]:
    """Returns the maps of a bank that a step wants, one a unit; none where it wants numbers alone."""
    match step:
        case Ablate():
            return []
        case Cut():
            held = dataclasses.replace(step, units=(0,))  # cut for one or for several, it is the same bank
            entry = _Entry(step.layer, other=step.other, cut=held)
            return [(entry, unit) for unit in step.units]
        case Replace():
            entry = _Entry(step.source, step.of, step.rolled, step.other)
            return [(entry, member) for member in step.members]


def transplanted(donor: Net, source: str, net: Net, layer: str, images: Images, shape: tuple[int, int]) -> Maps:
    """Returns a donor's maps at the places of a net's units.

    Images go on mirrored beyond their borders, again and again, as far as the donor needs it to have a unit at every
    place.

    Args:
        donor: The other net.
        source: Its layer.
        net: The net.
        layer: Its layer.
        images: Values -1 to 1.
        shape: Rows and columns of that layer's maps.

    Raises:
        NetError: If the units of either layer see all of an image, so that they have no places.
    """
    sides = (images.shape[1], images.shape[2])
    seen, to = donor.receptive_field(source, sides), net.receptive_field(layer, sides)
    if seen is None or to is None:
        raise NetError(f"units of layer {layer if to is None else source!r} see all of an image: they have no places.")
    margins = []
    for first, stride, count, reach, side in zip(to.first, to.stride, shape, seen.first, sides, strict=True):
        # A unit of the donor has `reach` pixels before its centre, and as many after it.
        before, after = reach - first, first + stride * (count - 1) + reach - (side - 1)
        margins.append((max(math.ceil(before), 0), max(math.ceil(after), 0)))
    shown = jnp.pad(images, ((0, 0), *margins, (0, 0)), mode="symmetric")
    field = donor.receptive_field(source, (shown.shape[1], shown.shape[2])) or seen
    placed = dataclasses.replace(field, first=(field.first[0] - margins[0][0], field.first[1] - margins[1][0]))
    return resampled(donor.maps(shown, source), placed, to, *shape)


def map_shape(net: Net, layer: str, images: Images) -> tuple[int, int]:
    """Returns the rows and columns of a layer's maps."""
    shown = jax.ShapeDtypeStruct((1, *images.shape[1:]), jnp.float32)
    _, rows, columns, _ = jax.eval_shape(lambda each: net.maps(each, layer), shown).shape
    return rows, columns


def edits_of(steps: Iterable[Step]) -> tuple[Edit, ...]:
    """Returns the steps that change weights."""
    return tuple(step for step in steps if isinstance(step, Edit))
