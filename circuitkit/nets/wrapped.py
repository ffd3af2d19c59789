"""A net around a net: the same layers and units, and something else about what they do."""

from circuitkit.probe import Net


class Wrapped(Net):
    """What a net around another one hands on.

    Attributes:
        net: The other one.
    """

    net: Net

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, those of the net."""
        return self.net.layers

    @property
    def distinct_layers(self) -> tuple[str, ...]:
        """Layers whose units are not just seen again further on, those of the net."""
        return self.net.distinct_layers

    def unit_names(self, layer: str) -> tuple[str, ...]:
        """Names of a layer's units, those of the net."""
        return self.net.unit_names(layer)
