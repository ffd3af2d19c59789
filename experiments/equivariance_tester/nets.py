"""Random nets that turn with the image, and nets that nearly do: what a tester must tell apart.

Structures are few, so that few programs are compiled; weights are free.
"""

import dataclasses
from collections.abc import Sequence

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit import strategies
from circuitkit.build import build
from circuitkit.nets import FunctionNet
from circuitkit.probe import HandbuiltNet, Probe
from circuitkit.spec import Circuit, Family, Gabor, Line, Tile
from circuitkit.symmetry import Motion, cyclic, dihedral
from circuitkit.turned.moves import Moves

Values = Float[np.ndarray, "..."]


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A net, and what is said of it.

    Attributes:
        kind: What it is, or how it was broken.
        probe: The units.
        group: Turns and mirrors.
        at_most: What is allowed, or None for what rounding leaves.
        angles: Of the units, where these are not known.
        moves: Likewise.
    """

    kind: str
    probe: Probe
    group: Sequence[Motion]
    at_most: float | None = None
    angles: tuple[float, ...] | None = None
    moves: Moves | None = None


# Circuits, by spec: random ones under the motions of the lattice.


def specs(count: int, seed: int) -> list[Circuit]:
    """Returns random circuits, as Hypothesis draws them."""
    found: list[Circuit] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=2 * count,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(spec=strategies.specs())
    def collect(spec: Circuit) -> None:
        found.append(spec)

    collect()
    # The first ones are the simplest of all.
    return found[-count:]


def drawn(spec: Circuit) -> Case:
    """Returns a circuit, read at its last layer."""
    return Case("random circuit", HandbuiltNet(build(spec))[spec.families[-1].name], dihedral(4))


def entry(case: Case, rng: np.random.Generator) -> Case:
    """Changes one entry of the last kernel by 5 % of the largest."""
    layer = case.probe.layer

    def change(weight: object) -> Array:
        value: Array = weight.value  # type: ignore[attr-defined]
        if weight.name != layer:  # type: ignore[attr-defined]
            return value
        at = tuple(int(rng.integers(side)) for side in value.shape)
        return value.at[at].add(0.05 * jnp.abs(value).max())

    net = case.probe.net.with_weights(change, name="one entry changed")
    return dataclasses.replace(case, kind="one kernel entry off by 5 %", probe=net[layer])


def shuffled(case: Case, rng: np.random.Generator) -> Case:
    """Shuffles the entries of the arcs' kernel."""
    layer = "arcs"  # a union's entries are all the same

    def change(weight: object) -> Array:
        value: Array = weight.value  # type: ignore[attr-defined]
        if weight.name != layer:  # type: ignore[attr-defined]
            return value
        return jnp.asarray(rng.permutation(np.asarray(value).ravel()).reshape(value.shape))

    net = case.probe.net.with_weights(change, name="shuffled")
    return dataclasses.replace(case, kind="shuffled kernel", probe=net[layer])


# Convolutions with kernels averaged over a group, under the motions of the lattice.


@dataclasses.dataclass(frozen=True)
class Structure:
    """Two convolutions; the second one has a stride."""

    kernel: int
    stride: int
    padding: str | tuple[tuple[int, int], tuple[int, int]]
    size: int
    mirrors: bool

    @property
    def group(self) -> tuple[Motion, ...]:
        """The motions that permute the units, one unit each."""
        return dihedral(4) if self.mirrors else cyclic(4)

    def permutation(self, motion: Motion) -> list[int]:
        """Returns where the units go."""
        return [_place(self.group, motion @ member) for member in self.group]

    def weights(self, rng: np.random.Generator) -> dict[str, Values]:
        """Returns kernels that turn with their units, and biases that are all the same."""
        k, units = self.kernel, len(self.group)
        base = rng.normal(size=(k, k)) / k
        first = np.stack([_moved(base, motion) for motion in self.group], axis=-1)[:, :, None]
        plain = rng.normal(size=(3, 3, units, units)) / np.sqrt(9 * units)
        plain -= plain.mean()  # the layer before is positive: with a mean below 0, this one could be silent
        second = np.zeros_like(plain)
        for motion in self.group:
            to = self.permutation(motion)
            for source in range(units):
                for unit in range(units):
                    second[:, :, to[source], to[unit]] += _moved(plain[:, :, source, unit], motion) / np.sqrt(units)
        return {"first": first, "second": second, "bias": np.full(units, abs(rng.normal()) / 4)}

    def net(self, weights: dict[str, Values]) -> FunctionNet:
        """Returns the net."""

        def function(weights: dict[str, Array], images: Float[Array, "image h w channel"]) -> dict[str, Array]:
            first = jax.nn.relu(_convolution(images, weights["first"], 1, "SAME" if self.kernel % 2 else "VALID"))
            second = _convolution(first, weights["second"], self.stride, self.padding)
            return {"first": first, "second": jax.nn.relu(second + weights["bias"][None, None, None])}

        arrays = {name: jnp.asarray(value, jnp.float32) for name, value in weights.items()}
        return FunctionNet(function, weights=arrays, name="net", image_size=(self.size, self.size), channels=1)

    def case(self, kind: str, weights: dict[str, Values]) -> Case:
        """Returns the net to be tested."""
        return Case(kind, self.net(weights)["second"], self.group, moves=self.permutation)


EVEN = (
    Structure(5, 1, "SAME", 16, mirrors=False),
    Structure(5, 1, "VALID", 17, mirrors=True),
    Structure(3, 2, "SAME", 17, mirrors=False),
    Structure(3, 2, "VALID", 15, mirrors=True),
    Structure(5, 3, ((1, 1), (1, 1)), 16, mirrors=False),
    Structure(4, 1, "SAME", 16, mirrors=True),
)
"""Structures that can be exact."""

UNEVEN = (
    Structure(5, 1, ((0, 2), (1, 1)), 16, mirrors=False),
    Structure(5, 1, ((1, 1), (2, 1)), 17, mirrors=True),
    Structure(5, 1, ((0, 1), (0, 1)), 16, mirrors=False),
)
"""Padding that is other on one side than on the other."""

TOO_COARSE = (
    Structure(3, 2, "SAME", 16, mirrors=False),
    Structure(3, 2, "VALID", 16, mirrors=True),
    Structure(5, 3, ((1, 1), (1, 1)), 17, mirrors=False),
)
"""Strides that leave the grid of units off the image's centre."""


def unit_bias(weights: dict[str, Values], rng: np.random.Generator) -> dict[str, Values]:
    """Adds a bias to one unit."""
    bias = weights["bias"].copy()
    bias[rng.integers(len(bias))] += 0.02
    return weights | {"bias": bias}


def one_entry(weights: dict[str, Values], rng: np.random.Generator) -> dict[str, Values]:
    """Changes one entry of a kernel by 5 % of the largest."""
    name = ("first", "second")[rng.integers(2)]
    kernel = weights[name].copy()
    kernel[tuple(rng.integers(kernel.shape))] += 0.05 * np.abs(kernel).max()
    return weights | {name: kernel}


def exchanged(weights: dict[str, Values], rng: np.random.Generator) -> dict[str, Values]:
    """Exchanges two units of the last layer."""
    order = np.arange(len(weights["bias"]))
    a, b = rng.choice(len(order), 2, replace=False)
    order[[a, b]] = order[[b, a]]
    return weights | {"second": weights["second"][..., order]}


def plain(weights: dict[str, Values], rng: np.random.Generator) -> dict[str, Values]:
    """Draws kernels without any symmetry."""
    return weights | {name: rng.normal(size=weights[name].shape) / 5 for name in ("first", "second")}


def relabelled(structure: Structure, weights: dict[str, Values], rng: np.random.Generator) -> Case:
    """Says of two units that each moves as the other one does."""
    a, b = rng.choice(len(structure.group), 2, replace=False)
    order = np.arange(len(structure.group))
    order[[a, b]] = order[[b, a]]

    def moves(motion: Motion) -> list[int]:
        return [int(order[structure.permutation(motion)[unit]]) for unit in order]

    return dataclasses.replace(structure.case("labels of two units exchanged", weights), moves=moves)


# Formulas, sampled at turned coordinates, under turns by other angles.

GABORS, LINES = 0.01, 0.05
"""What is allowed of them: sampling leaves up to 0.004 and 0.03."""


def sampled(rng: np.random.Generator, *, lines: bool, kind: str = "formula at other angles") -> Case:
    """Returns a layer of Gabors, or of lines laid over these."""
    wavelength = float(rng.uniform(5.5, 8))
    gabor = Gabor(wavelength=wavelength, sigma=0.4 * wavelength, phase=90.0)
    edges = Family("edges", gabor, angles=24, size=21)
    tile = Tile(edges, Line(length=float(rng.uniform(3, 5))), tolerance=float(rng.uniform(12, 18)))
    families = [edges, Family("lines", tile, angles=12, size=11)] if lines else [edges]
    net = HandbuiltNet(build(Circuit("sampled", families)))
    return Case(kind, net[families[-1].name], cyclic(24) if not lines else cyclic(12), LINES if lines else GABORS)


def off_by_degrees(rng: np.random.Generator) -> Case:
    """Returns Gabors of which one stands 2 to 5 degrees from where it says."""
    case = sampled(rng, lines=False, kind="one unit's angle off by 2 to 5 degrees")
    circuit = case.probe.net.network.circuit  # type: ignore[attr-defined]
    gabor, unit = circuit.families[0].looks_for, int(rng.integers(24))
    kernel = np.asarray(case.probe.net.network.layers["edges"].kernel[...]).copy()  # type: ignore[attr-defined]
    by = np.deg2rad(unit * 15 + rng.choice((-1, 1)) * rng.uniform(2, 5))
    reach = (kernel.shape[0] - 1) / 2
    y, x = np.mgrid[reach : -reach - 1 : -1, -reach : reach + 1]
    along = np.cos(by) * x + np.sin(by) * y
    wave = np.cos(2 * np.pi * along / gabor.wavelength - np.pi / 2)
    turned = np.exp(-(x**2 + y**2) / (2 * gabor.sigma**2)) * wave
    kernel[:, :, 0, unit] = turned * np.linalg.norm(kernel[:, :, 0, unit]) / np.linalg.norm(turned)
    net = case.probe.net.with_weights(lambda weight: jnp.asarray(kernel), name="one off")
    return dataclasses.replace(case, probe=net["edges"])


def interpolated(rng: np.random.Generator) -> Case:
    """Returns Gabors of which one was drawn, and the others turned from it by interpolation."""
    case = sampled(rng, lines=False, kind="kernels turned by interpolation")
    kernel = np.asarray(case.probe.net.network.layers["edges"].kernel[...])  # type: ignore[attr-defined]
    side = kernel.shape[0]
    reach = (side - 1) / 2
    y, x = np.mgrid[reach : -reach - 1 : -1, -reach : reach + 1]
    padded, turned = np.pad(kernel[:, :, 0, 0], side), np.empty_like(kernel)
    for unit in range(24):
        angle = np.deg2rad(15 * unit)
        column = np.cos(angle) * x + np.sin(angle) * y + reach + side
        row = reach + side - (np.cos(angle) * y - np.sin(angle) * x)
        r, c = np.floor(row).astype(int), np.floor(column).astype(int)
        f, g = row - r, column - c
        turned[:, :, 0, unit] = (1 - f) * ((1 - g) * padded[r, c] + g * padded[r, c + 1]) + f * (
            (1 - g) * padded[r + 1, c] + g * padded[r + 1, c + 1]
        )
    net = case.probe.net.with_weights(lambda weight: jnp.asarray(turned), name="interpolated")
    return dataclasses.replace(case, probe=net["edges"])


def mislabelled(rng: np.random.Generator) -> Case:
    """Returns Gabors of which two have each other's angle."""
    case = sampled(rng, lines=False, kind="angles of two units exchanged")
    angles = 15.0 * np.arange(24)
    a = int(rng.integers(24))
    b = (a + int(rng.integers(1, 4))) % 24
    angles[[a, b]] = angles[[b, a]]
    return dataclasses.replace(case, angles=tuple(angles.tolist()))


def _place(group: Sequence[Motion], motion: Motion) -> int:
    return group.index(Motion(motion.turn % 360, motion.mirror))


def _moved(kernel: Float[np.ndarray, "h w"], motion: Motion) -> Float[np.ndarray, "h w"]:
    return np.rot90(kernel[::-1] if motion.mirror else kernel, int(motion.turn // 90))


def _convolution(
    maps: Float[Array, "image h w channel"],
    kernel: Float[Array, "h w source unit"],
    stride: int,
    padding: str | tuple[tuple[int, int], tuple[int, int]],
) -> Float[Array, "image _ _ unit"]:
    return jax.lax.conv_general_dilated(
        maps,
        kernel,
        (stride, stride),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=jax.lax.Precision.HIGHEST,
    )
