"""A sweep over a trained net: curves of all angles through every unit of five layers of SqueezeNet."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.harness import installed
from circuitkit import grid, log, nets, tune, turn
from circuitkit.stimuli import Curve

LAYERS = ("fire2", "fire3", "fire4", "fire5", "fire6")


def path() -> Path | None:
    """Returns the net's file; None if it cannot be read here."""
    said = os.environ.get("CIRCUITKIT_DATA")
    return Path(said) / "nets" / "squeezenet1_1.onnx" if said and installed("onnx") else None


def sweep(file: Path, angles: int, radii: int) -> Callable[[], dict[str, np.ndarray]]:
    """Returns the sweep: responses of every unit of each layer, at the layer's own centred unit."""
    net = nets.load(file)
    stimuli = grid(Curve(), angle=turn(angles), radius=log(8, 60, radii), polarity=(1, -1))
    return lambda: {layer: tune(net[layer], stimuli).values for layer in LAYERS}
