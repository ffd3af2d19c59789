"""Layers as affine maps, `values @ weights + bias`, in float64, and what a net of them makes of a line or a plane.

    layer = Affine([[1.0, -2.0]], [0.5, 0.0])        # one input, two neurons
    layer([0.3])                                     # their pre-activations: array([ 0.8, -0.6])
    said = layer(interval(-1, 1))                    # the same along a whole line: a Path
    said = through([first, second], interval(-1, 1)) # a ReLU between them

Everything speaks of **pre-activations**: what a neuron says before the nonlinearity that follows it.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, Protocol, Self, TypeVar, get_args, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from circuitkit.errors import NeuronsError, unknown_name

ROUNDING = 2.0**-40
"""A sum that is less than this times the sum of its terms' sizes is 0.

Float64 has 53 bits. Thirteen of them are left to what earlier steps have rounded, so that lines through one point,
parallel boundaries and neurons that are each other's multiples meet exactly, and leave no slivers.
"""

Inputs = Literal["any", "nonnegative"]
INPUTS: tuple[Inputs, ...] = get_args(Inputs)


@runtime_checkable
class Piecewise(Protocol):
    """A `Path` or a `Surface`: values that are linear between knots, or within cells."""

    @property
    def names(self) -> tuple[str, ...]: ...  # noqa: D102

    def mapped(self, layer: "Affine") -> Self: ...  # noqa: D102

    def rectified(self) -> Self: ...  # noqa: D102


Said = TypeVar("Said", bound=Piecewise)


@dataclasses.dataclass(frozen=True, eq=False, init=False)
class Affine:
    """A dense layer, or one place of a convolution: `values @ weights + bias`.

    Attributes:
        weights: (input, neuron), float64.
        bias: (neuron,), float64.
        names: One a neuron.
        inputs: `nonnegative` if a ReLU stands before the layer, so that it never meets an input below 0; `any` after
            GELU and its like, or where the layer is the first.
        title: What messages and figures call the layer.

    Raises:
        NeuronsError: If shapes do not fit each other, if a number is NaN or infinite, or if two neurons share a name.
        UnknownNameError: If `inputs` is neither.

    >>> Affine([[1.0, -2.0]], [0.5, 0.0])([0.25])
    array([ 0.75, -0.5 ])
    >>> Affine([[1.0, float("nan")]])
    Traceback (most recent call last):
        ...
    circuitkit.errors.NeuronsError: layer has weights with 1 number that is NaN or infinite, of 'n1' first: wanted
    finite ones.
    """

    weights: Float[np.ndarray, "input neuron"]
    bias: Float[np.ndarray, " neuron"]
    names: tuple[str, ...]
    inputs: Inputs
    title: str

    def __init__(
        self,
        weights: Any,
        bias: Any = None,
        *,
        names: Sequence[str] | None = None,
        inputs: str = "any",
        title: str = "layer",
    ) -> None:
        """Makes a layer.

        Args:
            weights: Anything that is an array of (input, neuron); of (input, out) as in Flax and Keras, which is the
                transpose of PyTorch's.
            bias: (neuron,); none if left out.
            names: One a neuron; `n0`, `n1`, ... if left out.
            inputs: See the class.
            title: See the class.
        """
        w = as_floats(f"{title} has weights", weights)
        if w.ndim != 2 or 0 in w.shape:
            raise NeuronsError(
                f"{title} has weights of shape {w.shape}: wanted (input, neuron), at least one of each. The weights of "
                "one neuron become that with weights[:, None], those of neurons with one input with weights[None]."
            )
        b = np.zeros(w.shape[1]) if bias is None else as_floats(f"{title} has a bias", bias)
        if b.shape != w.shape[1:]:
            turned = " The weights look transposed: try weights.T." if b.shape == w.shape[:1] else ""
            raise NeuronsError(
                f"{title} has a bias of shape {b.shape} for weights of shape {w.shape}: wanted one number a neuron, "
                f"{w.shape[1:]}.{turned}"
            )
        known = numbered(w.shape[1]) if names is None else tuple(str(name) for name in names)
        check_names(title, known, w.shape[1])
        if inputs not in INPUTS:
            raise unknown_name("kind of inputs", inputs, INPUTS, owner=title)
        for what, given in (("weights", w), ("a bias", b)):
            wrong = ~np.isfinite(given)
            if wrong.any():
                first = known[int(np.argmax(wrong.any(axis=0) if given.ndim == 2 else wrong))]
                raise NeuronsError(
                    f"{title} has {what} with {_counted(wrong)} NaN or infinite, of {first!r} first: wanted finite "
                    "ones."
                )
        for field, value in (("weights", w), ("bias", b), ("names", known), ("inputs", inputs), ("title", title)):
            object.__setattr__(self, field, value)
        w.flags.writeable = b.flags.writeable = False

    @property
    def size(self) -> tuple[int, int]:
        """How many inputs and neurons there are."""
        return self.weights.shape[0], self.weights.shape[1]

    def __call__(self, given: Any) -> Any:
        """Returns pre-activations: an array for an array of (..., input), a `Path` for a path, a `Surface` for one.

        Raises:
            NeuronsError: If what is given has another number of inputs, or holds NaN or infinity.
        """
        if isinstance(given, Piecewise):
            self.check_width(len(given.names), f"a {type(given).__name__.lower()}")
            return given.mapped(self)
        values = as_floats(f"{self.title} was given inputs", given)
        self.check_width(values.shape[-1] if values.ndim else 0, f"an array of shape {values.shape}")
        if not np.isfinite(values).all():
            raise NeuronsError(f"{self.title} was given inputs with NaN or infinity: wanted finite ones.")
        return values @ self.weights + self.bias

    def check_width(self, width: int, what: str) -> None:
        """Refuses what has another number of values than the layer has inputs."""
        if width != self.size[0]:
            raise NeuronsError(
                f"{self.title} has {self.size[0]} inputs, and was given {what} with {width}: wanted {self.size[0]}."
            )

    def neurons(self, chosen: Sequence[int | str]) -> "Affine":
        """Returns the layer with some of its neurons alone, by number or by name.

        >>> Affine([[1.0, 2.0, 3.0]], names=["a", "b", "c"]).neurons(["c", 0]).names
        ('c', 'a')

        Raises:
            UnknownNameError: If there is no such neuron.
        """
        numbers = chosen_from(self.names, chosen, self.title)
        return Affine(
            self.weights[:, numbers],
            self.bias[numbers],
            names=[self.names[number] for number in numbers],
            inputs=self.inputs,
            title=self.title,
        )


def through(layers: Sequence[Affine], given: Said) -> Said:
    """Returns what the last of several layers says before its nonlinearity, with a ReLU after each of the others.

    Knots, or cells, are added wherever a neuron of an earlier layer crosses 0, so what comes out is exact.

    Args:
        layers: In order.
        given: A `Path` or a `Surface` of the first one's inputs.

    Raises:
        NeuronsError: If there is no layer, or one does not fit the one before it.
    """
    if not layers:
        raise NeuronsError("through was given no layer: wanted at least one.")
    said: Said = layers[0](given)
    for layer in layers[1:]:
        # Before the work of finding knots, of which there may be many.
        layer.check_width(len(said.names), "a layer")
        said = layer(said.rectified())
    return said


def as_floats(what: str, given: Any) -> NDArray[np.float64]:
    """Returns a copy in float64; refuses what holds no numbers. `what` begins the message: `layer has weights`."""
    try:
        found = np.array(given)
        # Complex numbers would lose a part, and text that looks like numbers is a mistake.
        if found.dtype.kind not in "fiub" and found.dtype.name != "bfloat16":
            raise TypeError(found.dtype)
        return found.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise NeuronsError(f"{what} that are no array of numbers ({error}): wanted real numbers.") from None


def numbered(count: int, letter: str = "n") -> tuple[str, ...]:
    """Returns the names of things that have none."""
    return tuple(f"{letter}{number}" for number in range(count))


def check_names(title: str, names: tuple[str, ...], count: int) -> None:
    """Refuses names that are not one a neuron, or not distinct."""
    if len(names) != count:
        raise NeuronsError(f"{title} has {len(names)} names for {count} neurons: wanted one each.")
    if len(set(names)) != count:
        twice = next(name for number, name in enumerate(names) if name in names[:number])
        raise NeuronsError(f"{title} has two neurons called {twice!r}: wanted names that tell them apart.")


def chosen_from(names: Sequence[str], chosen: Sequence[int | str], owner: str) -> list[int]:
    """Returns the numbers of neurons that are chosen by number or by name.

    Raises:
        UnknownNameError: If there is no such neuron.
    """
    at = {name: number for number, name in enumerate(names)}
    numbers = []
    for one in chosen:
        number = at.get(one, -1) if isinstance(one, str) else int(one)
        if not 0 <= number < len(names):
            raise unknown_name("neuron", one, names, owner=owner)
        numbers.append(number)
    return numbers


def _counted(wrong: Bool[np.ndarray, "..."]) -> str:
    count = int(wrong.sum())
    return "1 number that is" if count == 1 else f"{count} numbers that are"
