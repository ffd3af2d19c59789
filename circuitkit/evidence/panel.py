"""Circuits side by side as one net.

    panel = Panel({"curve": curves.circuit(14), "line": lines.circuit(14)})
    tune(panel.probe, stimuli)                     # (..., unit): every member of every circuit's last family

What they have in common, the Gabors above all, is computed once.
"""

import dataclasses
from collections.abc import Mapping

import jax

from circuitkit.build import build
from circuitkit.errors import SpecError
from circuitkit.network import aligned
from circuitkit.probe import Images, Maps, Net, Probe
from circuitkit.receptive_field import ReceptiveField
from circuitkit.spec import Circuit, Family, Gabor, Tile, Tiles, Union


class Panel(Net):
    """The last families of some circuits as one layer, all centred on one point.

    Attributes:
        channels: Where each circuit's units stand among all, by its name.
        angles: At which they stand, in degrees.
    """

    def __init__(self, circuits: Mapping[str, Circuit]) -> None:
        """Takes the circuits, by name.

        Raises:
            SpecError: If, because of their strides, units of their last families stand at different places.
        """
        self.name = "panel"
        merged, self._last = merge(circuits)
        apart = {name: merged.spacing(last) for name, last in self._last.items()}
        if len(set(apart.values())) > 1:
            raise SpecError(f"circuits have one unit every so many pixels, {apart}: wanted one spacing for all.")
        self._network = build(merged)
        self.channels: dict[str, slice] = {}
        self.angles: dict[str, tuple[float, ...]] = {}
        self._names: list[str] = []
        for name, circuit in circuits.items():
            units, self.angles[name] = circuit.families[-1].unit_names, circuit.families[-1].unit_angles
            self.channels[name] = slice(len(self._names), len(self._names) + len(units))
            self._names += [f"{name}: {unit}" for unit in units]

    @property
    def probe(self) -> Probe:
        """All of its units."""
        return self["panel"]

    @property
    def layers(self) -> tuple[str, ...]:
        """The one layer."""
        return ("panel",)

    def unit_names(self, layer: str) -> tuple[str, ...]:
        """Names of circuits and of their members."""
        del layer
        return tuple(self._names)

    def receptive_field(self, layer: str, image_size: tuple[int, int] | None = None) -> ReceptiveField:
        """What the unit sees that sees most."""
        del layer
        fields = [self._network.receptive_field(name, image_size, padding="VALID") for name in self._last.values()]
        return max(fields, key=lambda field: field.size)

    def maps(self, images: Images, layer: str) -> Maps:
        """Runs images through the circuits, and keeps of every map the middle that all of them have."""
        del layer
        maps = self._network(images, padding="VALID")
        return aligned([maps[name] for name in self._last.values()])


def merge(circuits: Mapping[str, Circuit]) -> tuple[Circuit, dict[str, str]]:
    """Returns one circuit that holds some others, equal families once, and what it calls the last family of each."""
    kept: dict[Family, str] = {}
    last = {}
    for title, circuit in circuits.items():
        named: dict[str, str] = {}
        for family in jax.tree.map(float, circuit).families:
            same = dataclasses.replace(family, name="_", looks_for=_reading(family.looks_for, named))
            named[family.name] = kept.setdefault(same, f"{family.name}_{len(kept)}")
        last[title] = named[circuit.families[-1].name]
    return Circuit("panel", [dataclasses.replace(family, name=name) for family, name in kept.items()]), last


def _reading(template: Gabor | Union | Tile | Tiles, named: Mapping[str, str]) -> Gabor | Union | Tile | Tiles:
    """Returns a template that reads families by their new names."""
    match template:
        case Tiles(terms):
            renamed = [dataclasses.replace(term, sources=tuple(named[n] for n in term.source_names)) for term in terms]
            return Tiles(tuple(renamed))
        case Tile() | Union():
            return dataclasses.replace(template, sources=tuple(named[name] for name in template.source_names))
        case _:
            return template
