"""Nets of small whole numbers, and what they do along a line, in fractions: an oracle that rounds nothing.

With small whole numbers ties, zero weights, parallel and equal boundaries, proportional neurons and knots at the ends
of a line are the rule. Dyadic t are exact in floats too, so samples need no tolerance.
"""

from collections.abc import Iterable
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from circuitkit.neurons import Affine
from tests.strategies import unchecked

TICKS = np.linspace(-1, 1, 2**17 + 1)
"""131,073 t, all dyadic."""


@st.composite
def whole_layers(draw, inputs: int, most: int = 6, top: int = 3) -> Affine:
    count = draw(st.integers(1, most))
    numbers = st.integers(-top, top)
    weights = draw(st.lists(st.lists(numbers, min_size=count, max_size=count), min_size=inputs, max_size=inputs))
    bias = draw(st.lists(numbers, min_size=count, max_size=count))
    with unchecked():
        return Affine(weights, bias)


@st.composite
def whole_nets(draw, inputs: int = 1, depths: Iterable[int] = (1, 2, 3)) -> list[Affine]:
    layers: list[Affine] = []
    for _ in range(draw(st.sampled_from(list(depths)))):
        layers.append(draw(whole_layers(layers[-1].size[1] if layers else inputs)))
    return layers


@st.composite
def random_nets(draw, inputs: int = 1, depths: Iterable[int] = (1, 2), neurons: int = 12) -> list[Affine]:
    """Nets of Gaussian numbers, with some weights 0, some neurons twice, and some three times another."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layers: list[Affine] = []
    for _ in range(draw(st.sampled_from(list(depths)))):
        width = layers[-1].size[1] if layers else inputs
        weights, bias = rng.normal(size=(width, neurons)), rng.normal(size=neurons)
        weights[rng.random(weights.shape) < 0.2] = 0
        weights[:, 1], bias[1] = weights[:, 0], bias[0]
        weights[:, 2], bias[2] = 3 * weights[:, 0], 3 * bias[0]
        weights[:, 3] = -weights[:, 4]
        with unchecked():
            layers.append(Affine(weights, bias))
    return layers


def answers(layers: list[Affine], points: np.ndarray) -> np.ndarray:
    """Returns what a net says to points of (..., input), plainly."""
    for number, layer in enumerate(layers):
        points = (np.maximum(points, 0) if number else points) @ layer.weights + layer.bias
    return points


Fractions = list[list[Fraction]]


def exact_line(layers: list[Affine], low: int = -1, high: int = 1) -> tuple[list[Fraction], Fractions]:
    """Returns the knots of a net along its one input, where its last layer is 0 among them, and its values there."""
    knots = [Fraction(low), Fraction(high)]
    while True:
        values = [_exact(layers, knot) for knot in knots]
        new = set()
        for (left, begin), (right, end) in zip(
            zip(knots[:-1], values[:-1], strict=True), zip(knots[1:], values[1:], strict=True), strict=True
        ):
            for before, after in zip(begin, end, strict=True):  # layer by layer
                crossed = {left + (right - left) * a / (a - b) for a, b in zip(before, after, strict=True) if a * b < 0}
                if crossed:  # only once a layer is straight can the next one be looked at
                    new |= crossed
                    break
        if not new:
            return knots, [value[-1] for value in values]
        knots = sorted(new.union(knots))


def _exact(layers: list[Affine], t: Fraction) -> Fractions:
    values, found = [t], []
    for number, layer in enumerate(layers):
        if number:
            values = [max(value, Fraction(0)) for value in values]
        values = [
            sum((value * int(w) for value, w in zip(values, column, strict=True)), Fraction(int(b)))
            for column, b in zip(layer.weights.T, layer.bias, strict=True)
        ]
        found.append(values)
    return found


def exact_groups(knots: list[Fraction], values: Fractions) -> tuple[list[Fraction], list[set[int]]]:
    """Returns bounds and members of the groups of positive neurons, merged as far as they can be."""

    def positive(value: list[Fraction]) -> set[int]:
        return {number for number, one in enumerate(value) if one > 0}

    bounds, members = [knots[0]], []
    for knot in range(len(knots) - 1):
        within = positive([(a + b) / 2 for a, b in zip(values[knot], values[knot + 1], strict=True)])
        if members and within == members[-1] == positive(values[knot]):
            continue
        if members:
            bounds.append(knots[knot])
        members.append(within)
    return [*bounds, knots[-1]], members
