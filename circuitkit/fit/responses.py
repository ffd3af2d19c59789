"""A circuit's numbers from what trained units say to images: these few numbers explain so much of so many units.

    found = fit_responses(curves.circuit, {"radius": 20, "wavelength": 7}, "early_curves", seen, angles, test=others)
    found.circuit                       # the circuit, with the numbers that explain most
    found.numbers                       # value, low, high: a row a number
    found.units                         # train, test, correlation: shares of variance, a row a unit

A circuit is a function of its numbers, `write(**numbers)`; what must stay equal in it is one number there. All units
of a family share them but for the angle, at which the family is read between its members, and a gain and an offset.
Numbers are found by gradient descent through the drawing of the weights and the running of the net.

Source: system identification by gradient descent as in Kindel, Christensen & Zylberberg, "Using deep learning to probe
the neural code for images in primary visual cortex", Journal of Vision (2019); with a handwritten model here.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, Int

from circuitkit import checks
from circuitkit.build import build
from circuitkit.compiling import jit
from circuitkit.errors import SpecError, StimulusError, unknown_name
from circuitkit.fit.descent import descending, logs_of, starts_about
from circuitkit.network import CircuitNetwork
from circuitkit.spec import Circuit, Family

Writer = Callable[..., Circuit]
"""Gets numbers by name, and returns the circuit that has them."""

BATCH = 256
STARTS = 3
STEPS = 120
ROUNDS = 2
"""Kernels keep their size within a round; the second one has the sizes that the first one's numbers want."""

RESAMPLED = 10
AGAIN = 2
"""Fits to pictures drawn again begin at the numbers found, and take so many times fewer steps."""

RATE = 0.03


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Images, and what each unit says where its field is the middle of them.

    Attributes:
        images: Grey or RGB, values -1 to 1, of an odd side.
        responses: (example, unit).
        origin: The picture that each is from. Those of one picture are not independent, and are drawn again together.
    """

    images: Float[np.ndarray, "example side side channel"]
    responses: Float[np.ndarray, "example unit"]
    origin: Int[np.ndarray, " example"]

    def __post_init__(self) -> None:
        if not len(self.images) == len(self.responses) == len(self.origin) > 1:
            raise StimulusError(
                f"there are {len(self.images)} images, {len(self.responses)} rows of responses and {len(self.origin)} "
                "origins: wanted as many of each, and two at least."
            )
        if (side := self.images.shape[1]) % 2 == 0:
            raise StimulusError(f"examples have {side}x{side} pixels: wanted an odd side, which has a middle.")
        for name in ("images", "responses"):
            if not np.isfinite(getattr(self, name)).all():
                raise StimulusError(f"examples have {name} that are NaN or infinite: wanted finite ones.")


@dataclasses.dataclass(frozen=True, eq=False)
class ResponseFit:
    """What a circuit's numbers explain of responses.

    Attributes:
        circuit: With the numbers that explain most.
        family: The family that stands for the units.
        angles: Of the units, in degrees.
        numbers: A row a number: `start`, `value`, and `low` and `high` (95 % of fits to pictures drawn again; widened,
            if need be, to hold the value).
        units: A row a unit: `gain` and `offset`, of least squares on the examples fitted to; `train`, the share of
            variance explained there; `test`, that of the test examples with the same gain and offset (below 0 if worse
            than the mean); `correlation` there.
        starts: A row a start: the mean correlation that it ended with.
    """

    circuit: Circuit
    family: str
    angles: Float[np.ndarray, " unit"]
    numbers: pd.DataFrame
    units: pd.DataFrame
    starts: pd.DataFrame

    def __str__(self) -> str:
        shown = self.units["test"] if "test" in self.units else self.units["train"]
        return (
            f"These {len(self.numbers)} numbers explain {max(float(shown.mean()), 0.0):.0%} of the variance of "
            f"{len(self.units)} units (from {shown.min():.0%} to {shown.max():.0%})."
        )


def fit_responses(
    write: Writer,
    numbers: Mapping[str, float],
    family: str,
    seen: Examples,
    angles: Float[np.ndarray, " unit"],
    *,
    test: Examples | None = None,
    starts: int = STARTS,
    steps: int = STEPS,
    resampled: int = RESAMPLED,
    batch: int = BATCH,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> ResponseFit:
    """Returns the numbers of a circuit that explain most of what units say.

    Args:
        write: Makes the circuit from its numbers.
        numbers: Where to start, by name; all above 0.
        family: The family that stands for the units.
        seen: What is fitted to.
        angles: Of the units, in degrees, as members of the family have them.
        test: Of other pictures; nothing is fitted to them.
        starts: The first is as given, others are about it.
        steps: Of each descent, each on a batch of examples.
        resampled: Times that pictures are drawn again for the intervals; 0 for none.
        batch: Examples a step.
        seed: Of starts, batches and resampling.
        progress: Called with what is being done.

    Raises:
        SpecError: If a number is not above 0, or angles do not fit the responses.
        StimulusError: If images are smaller than what the family sees.
        UnknownNameError: If there is no such family.
    """
    start = checked_numbers(numbers)
    for name, count, least in (("starts", starts, 1), ("steps", steps, 1), ("resampled", resampled, 0)):
        checks.whole("fit_responses", name, count, at_least=least)
    if seen.responses.shape[1] != len(angles):
        raise SpecError(f"{len(angles)} angles came with {seen.responses.shape[1]} units: wanted one each.")
    say = progress or (lambda _: None)
    rng = np.random.default_rng(seed)
    places = np.arange(len(seen.images))
    responses = seen.responses.astype(np.float32)
    logs, back, names = logs_of(start)
    ends = starts_about(logs, starts, seed)
    losses, like = np.zeros(starts), write(**start)
    for round_ in range(ROUNDS):
        like = _sized(write(**as_numbers(back(ends[0]))), family, seen.images.shape[1], like)
        read = between_members(like[family], angles)
        descend = _descent(write, like, family, read, back, steps)

        def batches(drawn: Int[np.ndarray, " example"]) -> Callable[[int], tuple[Array, ...]]:
            chosen = rng.choice(drawn, (steps, min(batch, len(drawn))))
            return lambda step: (jnp.asarray(seen.images[chosen[step]]), jnp.asarray(responses[chosen[step]]))

        given = batches(places)
        tried = []
        for number, point in enumerate(ends):
            say(f"round {round_ + 1} of {ROUNDS}, start {number + 1} of {len(ends)}")
            tried.append(descend(point, given))
        if round_ == 0:
            losses = np.array([loss for _, loss in tried])
        ends = min(tried, key=lambda each: each[1])[0][None]
    again, descend = [], _descent(write, like, family, read, back, max(steps // AGAIN, 1))
    members_of = {origin: np.flatnonzero(seen.origin == origin) for origin in np.unique(seen.origin)}
    for draw in range(resampled):
        say(f"pictures drawn again, {draw + 1} of {resampled}")
        origins = rng.choice(list(members_of), len(members_of))
        own = batches(np.concatenate([members_of[origin] for origin in origins]))
        again.append(descend(ends[0], own)[0])
    value = as_numbers(back(ends[0]))
    low, high = np.exp(np.quantile(np.array([ends[0], *again]), [0.025, 0.975], axis=0))
    low, high = np.minimum(low, list(value.values())), np.maximum(high, list(value.values()))
    circuit = write(**value)
    say("what is explained")
    return ResponseFit(
        circuit=circuit,
        family=family,
        angles=np.asarray(angles),
        numbers=pd.DataFrame(
            {"start": list(start.values()), "value": list(value.values()), "low": low, "high": high}, index=names
        ),
        units=explained(predictions(circuit, family, angles, like=like), seen, test),
        starts=pd.DataFrame({"correlation": -losses}),
    )


def _sized(circuit: Circuit, family: str, side: int, before: Circuit) -> Circuit:
    """Returns the circuit whose kernel sizes a round has; those of the round before if its own do not fit."""
    if family not in (known := [each.name for each in circuit.families]):
        raise unknown_name("family", family, known, owner=f"circuit {circuit.name!r}")
    field = build(circuit).receptive_field(family).size[0]
    # In the first round both are the same, and `middle` refuses what does not fit.
    return circuit if field <= side else before


def _descent(
    write: Writer,
    like: Circuit,
    family: str,
    read: Float[np.ndarray, "member unit"],
    back: Callable[[Any], Any],
    steps: int,
) -> Callable[..., tuple[Float[np.ndarray, " number"], float]]:
    """Returns what goes down from a start, given the examples of each step."""

    def loss(at: Array, images: Array, responses: Array) -> Array:
        made = middle(build(write(**back(at)), like=like), family, images) @ read
        return -jnp.mean(correlations(made, responses))

    return descending(loss, steps, rate=RATE, same=False)


def predictions(
    circuit: Circuit, family: str, angles: Float[np.ndarray, " unit"], *, like: Circuit | None = None
) -> Callable[[Float[np.ndarray, "example side side channel"]], Float[np.ndarray, "example unit"]]:
    """Returns what says what a circuit's family, read at some angles, responds to images at their middle.

    Kernels are as large as those of `like`, if it is given.
    """
    network, read = build(circuit, like=like), between_members(circuit[family], angles)
    run = jit(lambda shown: middle(network, family, shown) @ read)

    def respond(images: Float[np.ndarray, "example side side channel"]) -> Float[np.ndarray, "example unit"]:
        parts = [np.asarray(run(images[at : at + BATCH])) for at in range(0, len(images), BATCH)]
        return np.concatenate(parts)

    return respond


def explained(
    respond: Callable[[Float[np.ndarray, "example side side channel"]], Float[np.ndarray, "example unit"]],
    seen: Examples,
    test: Examples | None,
) -> pd.DataFrame:
    """Returns how much of each unit's variance predictions explain, with a gain and an offset from what was seen."""
    made, wanted = respond(seen.images).astype(float), seen.responses.astype(float)
    gain, offset = _line(made, wanted)
    found = {"gain": gain, "offset": offset, "train": _share(gain * made + offset, wanted)}
    if test is not None:
        made, wanted = respond(test.images).astype(float), test.responses.astype(float)
        found["test"] = _share(gain * made + offset, wanted)
        found["correlation"] = np.asarray(correlations(jnp.asarray(made), jnp.asarray(wanted)), float)
    return pd.DataFrame(found)


def middle(
    network: CircuitNetwork, family: str, images: Float[Array, "example side side channel"]
) -> Float[Array, "example member"]:
    """Returns the responses of a family's members that stand in the middle of images of an odd side.

    Raises:
        StimulusError: If they see more than that.
    """
    side, field = images.shape[1], network.receptive_field(family).size[0]
    if field > side:
        raise StimulusError(
            f"units of {family!r} of circuit {network.circuit.name!r} see {field}x{field} pixels, and the images have "
            f"{side}x{side}: give larger ones, or a smaller circuit."
        )
    margin = (side - field) // 2
    cut = images[:, margin : images.shape[1] - margin, margin : images.shape[2] - margin]
    return network(cut, padding="VALID", upto=family)[family][:, 0, 0]


def between_members(family: Family, angles: Float[np.ndarray, " unit"]) -> Float[np.ndarray, "member unit"]:
    """Returns how much of each member makes a unit at an angle of its own: cubic convolution around the period.

    A family of one member says the same for all units.

    Source:
        Keys, "Cubic convolution interpolation for digital image processing" (1981), a = -1/2.
    """
    if len(family) == 1:
        return np.ones((1, len(angles)), np.float32)
    if len(family) != family.angles or family.angles < 4:
        raise SpecError(
            f"family {family.name!r} has {len(family)} members at {family.angles} angles: wanted one an angle, and "
            "four at least, to be read between them."
        )
    away = (np.asarray(angles)[None] - np.array(family.unit_angles)[:, None]) / family.step
    away = np.abs((away + family.angles / 2) % family.angles - family.angles / 2)
    near = 1.5 * away**3 - 2.5 * away**2 + 1
    far = -0.5 * away**3 + 2.5 * away**2 - 4 * away + 2
    return np.where(away < 1, near, np.where(away < 2, far, 0.0)).astype(np.float32)


def correlations(made: Float[Array, "example unit"], wanted: Float[Array, "example unit"]) -> Float[Array, " unit"]:
    """Returns each unit's correlation with what is made for it; 0 where either does not vary."""
    made, wanted = made - made.mean(0, keepdims=True), wanted - wanted.mean(0, keepdims=True)
    over = jnp.sum(made**2, 0) * jnp.sum(wanted**2, 0)
    return jnp.where(over > 0, jnp.sum(made * wanted, 0) / jnp.sqrt(jnp.where(over > 0, over, 1.0)), 0.0)


def checked_numbers(numbers: Mapping[str, float]) -> dict[str, float]:
    """Returns numbers by name, in the order that trees have, or says which cannot be fitted."""
    if not numbers:
        raise SpecError("there are no numbers to fit: give one at least, such as {'radius': 20}.")
    for name, value in numbers.items():
        if not np.isfinite(value) or value <= 0:
            raise SpecError(f"number {name!r} starts at {value}: wanted one above 0, since its logarithm is fitted.")
    return {name: float(numbers[name]) for name in sorted(numbers)}


def as_numbers(held: Mapping[str, Any]) -> dict[str, float]:
    """Returns plain numbers."""
    return {name: float(value) for name, value in held.items()}


def _line(
    made: Float[np.ndarray, "example unit"], wanted: Float[np.ndarray, "example unit"]
) -> tuple[Float[np.ndarray, " unit"], Float[np.ndarray, " unit"]]:
    """Returns the gain, never below 0, and the offset of least squares."""
    centred = made - made.mean(0)
    gain = np.maximum((centred * wanted).sum(0), 0) / np.maximum((centred**2).sum(0), 1e-30)
    return gain, wanted.mean(0) - gain * made.mean(0)


def _share(made: Float[np.ndarray, "example unit"], wanted: Float[np.ndarray, "example unit"]) -> np.ndarray:
    """Returns the share of each unit's variance that predictions explain."""
    rest, all_of_it = ((wanted - made) ** 2).sum(0), ((wanted - wanted.mean(0)) ** 2).sum(0)
    return np.asarray(1 - rest / np.maximum(all_of_it, 1e-30))
