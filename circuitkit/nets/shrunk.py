"""A net on images of fewer pixels: what sees 20 of them then sees 40, at a sixteenth of the work."""

import jax.numpy as jnp
from jax import lax

from circuitkit import checks
from circuitkit.nets.wrapped import Wrapped
from circuitkit.probe import Images, Maps, Net
from circuitkit.receptive_field import ReceptiveField


class Shrunk(Wrapped):
    """A net that is shown images averaged over squares of pixels, as trained nets sub-sample theirs.

    What is left over at the bottom and on the right is not shown.

    Attributes:
        net: The net.
        factor: Side of the squares, in pixels.
    """

    def __init__(self, net: Net, factor: int, *, name: str | None = None) -> None:
        """Takes the net's name and the factor unless another one is given.

        Raises:
            SpecError: If the factor is no whole number above 0.
        """
        checks.whole("Shrunk", "factor", factor)
        self.net, self.factor = net, factor
        self.name = f"{net.name}, shrunk {factor} times" if name is None else name
        self.image_values = f"averaged over squares of {factor} pixels; then {net.image_values}"
        if net.image_size is not None:
            self.image_size = (net.image_size[0] * factor, net.image_size[1] * factor)

    def receptive_field(self, layer: str, image_size: tuple[int, int] | None = None) -> ReceptiveField | None:
        """What a unit sees, in pixels of the images before they are averaged."""
        by = self.factor
        sides = None if image_size is None else (image_size[0] // by, image_size[1] // by)
        field = self.net.receptive_field(layer, sides)
        if field is None:
            return None
        return ReceptiveField(
            size=(field.size[0] * by, field.size[1] * by),
            stride=(field.stride[0] * by, field.stride[1] * by),
            first=(field.first[0] * by + (by - 1) / 2, field.first[1] * by + (by - 1) / 2),
        )

    def maps(self, images: Images, layer: str) -> Maps:
        """Runs averaged images through the net up to a layer."""
        window = (1, self.factor, self.factor, 1)
        mean = lax.reduce_window(images, jnp.float32(0), lax.add, window, window, "VALID") / self.factor**2
        return self.net.maps(mean, layer)
