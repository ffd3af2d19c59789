"""What does a stride gain in time, and what does it cost in equivariance, in the handbuilt circuit of curves?

Run:    python -m benchmarks.strides            (some minutes on two cores)
Writes: benchmarks/strides/out/tables.md

Each round gives every circuit a turn. Errors are ||f(g x) - g f(x)|| / ||f(x)|| of the curves after the ReLU: at 15
degrees of the unit in the middle, on sums of plane waves; at quarter turns of whole maps.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import harness
from circuitkit.build import build
from circuitkit.compiling import jit
from circuitkit.equivariance import lattice_errors, plane_waves, turn_errors
from circuitkit.network import CircuitNetwork
from circuitkit.spec import Circuit
from circuitkit.symmetry import Motion
from handbuilt import curves

GABORS = ("edges", "light_bars", "dark_bars")
STRIDES: dict[str, tuple[str, ...]] = {
    "none": (),
    "2, early curves": ("early_curves",),
    "2, lines": ("lines",),
    "2, edges and bars": GABORS,
    "2, edges and bars; 2, early curves": (*GABORS, "early_curves"),
}
LAST = "curves"
SIDE, ROUNDS, IMAGES = 224, 5, 16


def strided(names: tuple[str, ...]) -> Circuit:
    """Returns the circuit in which some families have a unit at every second place."""
    return Circuit(
        "curves",
        [dataclasses.replace(each, stride=2 if each.name in names else 1) for each in curves.SPEC.families],
    )


def main() -> None:
    """Runs, prints and writes."""
    networks = {name: build(strided(names)) for name, names in STRIDES.items()}
    image = jnp.asarray(np.random.default_rng(0).normal(size=(1, SIDE, SIDE, 1)), jnp.float32)

    def responses(network: CircuitNetwork, shown: jax.Array) -> jax.Array:
        return network(shown, upto=LAST)[LAST]

    run = jit(responses)

    def turn(network: CircuitNetwork) -> harness.Rate:
        return harness.rate(lambda: run(network, image).block_until_ready(), 1)

    for network in networks.values():
        run(network, image).block_until_ready()  # compiled
    times = harness.in_turns({name: lambda each=network: turn(each) for name, network in networks.items()}, ROUNDS)
    rows = []
    for name, network in networks.items():
        ratio = harness.ratios(times[name], times["none"])
        sizes = {side: plane_waves(side, 0.0, band=0.25, count=1, seed=0) for side in (SIDE, SIDE + 1)}
        quarter = [lattice_errors(network, shown, Motion(90))[LAST] for shown in sizes.values()]
        bands = [turn_errors(network, 15.0, band=band, count=IMAGES)[LAST] for band in (0.125, 0.25)]
        rows.append(
            [
                name,
                harness.spread(1000 / each.wall for each in times[name]),
                f"{ratio.wall:.2g} ({ratio.core:.2g})",
                *(f"{error:.2g}" for error in (*bands, *quarter)),
            ]
        )
    head = ["stride", "ms an image", "times as fast (for each core)", "15°, up to 0.125", "15°, up to 0.25"]
    text = harness.table([*head, f"90° on {SIDE} pixels", f"90° on {SIDE + 1}"], rows)
    text = f"{harness.machine()}\n\nOne image of {SIDE} pixels, to the curves; {ROUNDS} rounds.\n\n{text}\n"
    print(text)
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / "tables.md").write_text(text)


if __name__ == "__main__":
    main()
