"""A net after surgery: a net like any other, which can be probed, swept and tested."""

from collections.abc import Mapping, Sequence

from jaxtyping import Array, Float

from circuitkit.compiling import jit
from circuitkit.errors import NetError
from circuitkit.nets.wrapped import Wrapped
from circuitkit.probe import Images, Maps, Net
from circuitkit.receptive_field import ReceptiveField
from circuitkit.surgery.edits import edited
from circuitkit.surgery.operation import Operation, edits_of
from circuitkit.surgery.steps import Step

_ONLY = "operated"


class OperatedNet(Wrapped):
    """A net with some units changed. The net itself stays as it is.

    A unit sees what it saw before, as far as `receptive_field` knows: a donor that sees more is not counted.

    Attributes:
        net: As it was.
        steps: What was done to it.
    """

    def __init__(
        self, net: Net, steps: Sequence[Step], *, donors: Mapping[str, Net] | None = None, name: str | None = None
    ) -> None:
        """Takes the net's name and `operated` unless another one is given."""
        self.net, self.steps = net, tuple(steps)
        self._operation = Operation(net, {_ONLY: self.steps}, donors)
        self._numbers = self._operation.numbers[_ONLY]
        self.name = f"{net.name}, operated" if name is None else name
        self.image_size, self.image_values = net.image_size, net.image_values

    def receptive_field(self, layer: str, image_size: tuple[int, int] | None = None) -> ReceptiveField | None:
        """What a unit sees in the net as it was."""
        return self.net.receptive_field(layer, image_size)

    def maps(self, images: Images, layer: str, *, others: Images | None = None) -> Maps:
        """Runs images through the net up to a layer. Steps that read another image need `others`, one an image."""
        state = self._operation.state(images, others, wanted=layer)
        return self._operation.run(state, self._numbers, wanted=layer)

    def logits(self, images: Images, *, others: Images | None = None) -> Float[Array, "image ..."]:
        """Returns what the net says of images.

        Raises:
            NetError: If the net has no output, or it follows from none of the layers that are touched.
        """

        def say(shown: Images, instead: Images | None) -> Float[Array, "image ..."]:
            state = self._operation.state(shown, instead, wanted=None)
            return self._operation.run(state, self._numbers, wanted=None)

        return jit(say)(images, others)


def operate(
    net: Net, steps: Sequence[Step], *, donors: Mapping[str, Net] | None = None, name: str | None = None
) -> Net:
    """Returns the net after surgery.

    Args:
        net: Any net that can be run from an inner layer on. It is left as it is.
        steps: In order; see `surgery.steps`. Weights are edited first, and of two steps that touch one unit the later
            one counts. What takes a unit's place is taken of the net before any surgery.
        donors: Nets that units are replaced from, by name.
        name: Of the new net.

    Raises:
        NetError: If there are no steps, or the net cannot be run on from a layer that is touched.
        SpecError: If a step speaks of weights that a kernel does not have.
        UnknownNameError: If there is no such layer, unit, weight or donor.
    """
    if not steps:
        raise NetError(f"surgery on net {net.name!r} has no steps: give it at least one.")
    if len(edits := edits_of(steps)) == len(steps):  # weights alone: a net of the same kind
        return edited(net, edits, name=f"{net.name}, operated" if name is None else name)
    return OperatedNet(net, steps, donors=donors, name=name)
