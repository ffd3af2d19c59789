"""Cars and dog heads, drawn and looked at by circuits, written into the same channels and read back."""

import dataclasses

import numpy as np
import pandas as pd
from jaxtyping import Float

import circuitkit as ck
from circuitkit import stimuli
from circuitkit import superposition as sp
from handbuilt import superposition

CAR = stimuli.Car(length=100, height=22, cabin=22, wheel=12)
HEAD = stimuli.Head(skull=22, snout=24, ear=22, eye=4, nose=5.6, neck=24)
CARS: dict[str, stimuli.Stimulus] = {
    "a car": CAR,
    "without windows": dataclasses.replace(CAR, windows=0),
    "without wheels": dataclasses.replace(CAR, wheels=0),
    "without its body": dataclasses.replace(CAR, fill=0),
    "jumbled: upside down": dataclasses.replace(CAR, angle=180),
    "wheels alone": dataclasses.replace(CAR, windows=0, fill=0),
    "a head": HEAD,
    "a disc": stimuli.Disc(radius=25),
    "a line": stimuli.Line(width=20, length=100),
}
"""What is and is not a car, each at the centre of the unit's receptive field."""


def responses() -> tuple[pd.DataFrame, Float[np.ndarray, "image feature"]]:
    """Returns the car's response to each of `CARS`; and eight heads and a car, to eight heads and a car.

    Responses of the latter are over that to a unit's own stimulus, and what is below 0 is 0.
    """
    car = ck.HandbuiltNet(ck.build(superposition.car()))["cars", ["cars@90"]]
    heads = ck.HandbuiltNet(ck.build(superposition.dogs()))["heads"]
    facing = {"angle": stimuli.turn(8)}

    def respond(probe: ck.Probe, stimulus: stimuli.Stimulus, **axes: tuple[float, ...]) -> Float[np.ndarray, "image _"]:
        found = ck.tune(probe, stimuli.grid(stimulus, **(axes or {"angle": (stimulus.angle,)})))
        return np.maximum(found.values.reshape(-1, found.sizes["unit"]), 0)

    table = pd.DataFrame({"stimulus": list(CARS)})
    table["response"] = [float(respond(car, each)[0, 0]) for each in CARS.values()]
    x = np.block(
        [
            [respond(heads, HEAD, **facing), respond(car, HEAD, **facing)],
            [respond(heads, CAR), respond(car, CAR)],
        ]
    )
    table["response"] /= table["response"][0]
    return table, x / np.diag(x)


def read_back(x: Float[np.ndarray, "image feature"], bias: float) -> pd.DataFrame:
    """Returns recovery from images of a head, of a car, and of both: one row each, for two sets of directions.

    Both are a dog and a car in one place: each unit responds as to the one of the two that it responds to more.

    Args:
        x: From `responses`.
        bias: What is taken away from responses before they are written; what is left is magnified to 1 again.
    """
    x, heads = np.maximum(x - bias, 0) / (1 - bias), len(x) - 1
    both = np.maximum(x[:heads], x[heads:])
    rows = []
    for name, directions in (
        ("over all heads", superposition.spread(heads)),
        ("channels of their own", np.eye(len(x))),
    ):
        weights, its = sp.muted(directions, sp.coherence(directions))
        for images, seen in (("a head", x[:heads]), ("a car", x[heads:]), ("both", both)):
            y = np.asarray(sp.recover(seen, weights, its))
            row = {"bias": bias, "car": name, "images": images, "recovery": sp.recovery(seen, y)}
            rows.append(row | {"car, before": seen[:, -1].mean(), "car, read back": y[:, -1].mean()})
    return pd.DataFrame(rows)
