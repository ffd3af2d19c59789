"""Which units are taken out, and which handbuilt units could take their places.

trained = find_units(net, layers, store=...)               # channels, angles, radii; from drawn curves alone
bench = Bench.of(trained, wavelength=10, shrink=2)         # circuits of a few radii
bench.places(trained[0], "early_curves")                   # for each unit its member among all
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

import circuitkit as ck
from circuitkit import hypothesis
from circuitkit.errors import NetError
from circuitkit.find import find
from circuitkit.nets import Shrunk
from circuitkit.probe import Images, Maps, Net, Probe
from circuitkit.receptive_field import ReceptiveField
from circuitkit.spec import Circuit, Normalisation
from experiments.response_fit.circuits import early
from handbuilt import curves

FITTED, FITTED_ANGLES = "fitted", 48
"""The family of fitted circuits, and how many angles it comes in: an angle every 7.5 degrees."""

LEAST = 4
"""Units that a net has to have for anything to be taken out."""


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """Curve detectors of one layer.

    Attributes:
        layer: Name of the layer.
        channels: The units.
        angles: In degrees, as measured on drawn curves.
        radii: In pixels, likewise.
    """

    layer: str
    channels: tuple[int, ...]
    angles: Float[np.ndarray, " unit"]
    radii: Float[np.ndarray, " unit"]


def find_units(
    net: Net, layers: Sequence[str] | None, *, best: int | None = None, most: int = 2, store: Path | None = None
) -> list[Trained]:
    """Returns a net's curve detectors, found on drawn curves: no photograph has a say in which they are.

    Args:
        net: The net.
        layers: Where to look; left out, everywhere, and the layers with most of them are taken.
        best: Take so many of the most selective units of each layer, whether or not they meet all criteria.
        most: How many layers, where they are not named.
        store: Folder that keeps what was found.

    Raises:
        NetError: If there are too few.
    """
    seen = find(net, hypothesis.curve(), layers=layers, store=store).layers
    chosen = {}
    for layer, held in seen.items():
        order = np.argsort(-held.selectivity.values, kind="stable")
        units = np.flatnonzero(held.holds.values) if best is None else order[:best]
        chosen[layer] = held.isel(unit=units[np.argsort(held.angle.values[units], kind="stable")])
    if layers is None:
        ranked = sorted(chosen.items(), key=lambda item: (-item[1].sizes["unit"], -float(item[1].selectivity.sum())))
        chosen = dict(ranked[:most])
    families = {layer: held for layer, held in chosen.items() if held.sizes["unit"]}
    found = []
    for layer in [each for each in net.layers if each in families]:
        held, names = families[layer], net.unit_names(layer)
        channels = tuple(names.index(str(unit)) for unit in held.unit.values)
        found.append(Trained(layer, channels, held.angle.values.astype(float), held["size"].values.astype(float)))
    if (count := sum(len(each.channels) for each in found)) < LEAST:
        raise NetError(
            f"net {net.name!r} has {count} curve detectors in {', '.join(layers or ['all its layers'])}: wanted at "
            f"least {LEAST}. Name other layers, or take the most selective units as they are with --best."
        )
    return found


@dataclasses.dataclass(frozen=True, eq=False)
class Bench:
    """Handbuilt families of several radii, side by side: what may be put in.

    Attributes:
        probes: By name of the donor, in order.
    """

    probes: Mapping[str, Probe]

    @classmethod
    def of(
        cls,
        trained: Sequence[Trained],
        *,
        wavelength: float,
        shrink: int,
        normalised: Mapping[str, Normalisation] | None = None,
    ) -> "Bench":
        """Builds circuits of three radii for units; and of half the smallest and twice the largest, for wrong ones.

        Args:
            trained: The units.
            wavelength: Of edges, in pixels.
            shrink: Images are averaged over squares of so many pixels first.
            normalised: What families are divided by, by name; windows in pixels of the net's images.
        """
        own = three_radii(trained)
        radii = sorted({own[0] / 2, *own, own[-1] * 2})
        probes: dict[str, Probe] = {}
        for radius in radii:
            net = arcs(radius, wavelength=wavelength, shrink=shrink, normalised=normalised or {})
            probes[f"early_curves {radius:g}"] = net["early_curves"]
            if radius in own:  # of the wrong ones no more is asked
                probes |= {f"{family} {radius:g}": net[family] for family in ("curves", "lines")}
                probes[f"energy {radius:g}"] = Energy(net, "early_curves")["energy"]
        return cls(probes)

    def with_fitted(self, numbers: Mapping[str, Mapping[str, float]], *, shrink: int) -> "Bench":
        """Returns the bench with circuits of fitted numbers besides, one a layer: the family `FITTED`.

        Args:
            numbers: By layer, as `experiments/response_fit` finds them.
            shrink: As it shrinks images.

        Raises:
            NetError: If the numbers are not those of that circuit.
        """
        probes = dict(self.probes)
        for layer, own in numbers.items():
            try:
                circuit = early(**own, angles=FITTED_ANGLES)
            except TypeError as error:
                raise NetError(f"numbers for {layer!r} are not those of a fitted circuit ({error}).") from error
            net = Shrunk(ck.HandbuiltNet(ck.build(circuit), name=f"arcs fitted to {layer}"), shrink)
            probes[f"{FITTED}-{layer} {own['radius'] * shrink:g}"] = net["early_curves"]
        return dataclasses.replace(self, probes=probes)

    def with_units(self, kind: str, layer: str, by_turn: Mapping[float, Probe]) -> "Bench":
        """Returns the bench with what stands for a layer's own units besides, a member for each in their order.

        Args:
            kind: What it is called.
            layer: Of the units.
            by_turn: By how many degrees all of them are turned away from where they belong.
        """
        more = {f"{kind}-{layer} at {turn:g}": probe for turn, probe in by_turn.items()}
        return dataclasses.replace(self, probes={**self.probes, **more})

    def has(self, kind: str) -> bool:
        """Whether there is anything of a kind that is a layer's own."""
        return any(name.startswith(f"{kind}-") for name in self.probes)

    def radii(self, family: str) -> Float[np.ndarray, " radius"]:
        """Returns the radii that a family comes in, in pixels of the net's images."""
        return np.array([float(name.partition(" ")[2]) for name in self.probes if name.startswith(f"{family} ")])

    def place(self, family: str, radius: float, angle: float) -> int:
        """Returns which of all members side by side is the family's nearest in radius, then in angle (mod its turn)."""
        if not len(radii := self.radii(family)):
            raise NetError(f"there is no family {family!r} on the bench: it has {', '.join(self.probes)}.")
        nearest = radii[int(np.argmin(np.abs(np.log(radii / radius))))]
        start = 0
        for name, probe in self.probes.items():
            if name == f"{family} {nearest:g}":
                if family == "energy":
                    return start
                turn = 180.0 if family == "lines" else 360.0
                stand = np.array([float(unit.partition("@")[2]) for unit in probe.unit_names])
                return start + int(np.argmin(np.abs((stand - angle + turn / 2) % turn - turn / 2)))
            start += len(probe.unit_names)
        raise NetError(f"there is no family {family!r} of radius {nearest:g} on the bench.")

    def places(
        self, trained: Trained, family: str, *, turned: float = 0.0, larger: float = 1.0
    ) -> Int[np.ndarray, " unit"]:
        """Returns each unit's member: of its radius, times `larger`, at its angle, `turned` by some degrees."""
        names = list(self.probes)
        if (mine := f"{family}-{trained.layer} at {turned:g}") in names:
            before = sum(len(self.probes[name].unit_names) for name in names[: names.index(mine)])
            return before + np.arange(len(trained.channels))
        about = 90.0 if family == "lines" else 0.0  # a curve's tangent at its apex stands across its angle
        own = f"{FITTED}-{trained.layer}" if family == FITTED else family
        return np.array(
            [
                self.place(own, radius * larger, angle + turned + about)
                for angle, radius in zip(trained.angles, trained.radii, strict=True)
            ]
        )


def three_radii(trained: Sequence[Trained]) -> list[float]:
    """Returns radii between which those of all units lie, in pixels: a small one, the median and a large one."""
    return np.quantile(np.concatenate([each.radii for each in trained]), (0.2, 0.5, 0.8)).round(1).tolist()


def arcs(
    radius: float, *, wavelength: float, shrink: int, normalised: Mapping[str, Normalisation], stride: int = 1
) -> Shrunk:
    """Returns the circuit for curves of a radius. Lengths are in pixels of the images before they are averaged.

    Args:
        radius: Of the curves.
        wavelength: Of edges.
        shrink: Images are averaged over squares of so many pixels first.
        normalised: What families are divided by, by name.
        stride: Of `early_curves`, on the averaged images; with one above 1, whole curves are coarser, too.
    """
    by = {name: dataclasses.replace(each, within=each.within / shrink) for name, each in normalised.items()}
    circuit = curves.circuit(radius / shrink, wavelength / shrink, normalised=by)
    families = [
        dataclasses.replace(family, stride=stride) if family.name == "early_curves" else family
        for family in circuit.families
    ]
    circuit = Circuit(circuit.name, families)
    return Shrunk(ck.HandbuiltNet(ck.build(circuit), name=f"curves of {radius:g}"), shrink)


class Energy(Net):
    """How much of a family there is, whatever its angle: the mean of its members."""

    def __init__(self, net: Net, family: str) -> None:
        """Takes the net's name and the family's."""
        self.net, self.family = net, family
        self.name = f"{net.name}, {family} at all angles"

    @property
    def layers(self) -> tuple[str, ...]:
        """The one layer."""
        return ("energy",)

    def unit_names(self, layer: str) -> tuple[str, ...]:
        """The one unit."""
        return (layer,)

    def receptive_field(self, layer: str, image_size: tuple[int, int] | None = None) -> ReceptiveField | None:
        """What the family's members see."""
        del layer
        return self.net.receptive_field(self.family, image_size)

    def maps(self, images: Images, layer: str) -> Maps:
        """Returns the mean over members."""
        del layer
        return jnp.mean(self.net.maps(images, self.family), axis=-1, keepdims=True)
