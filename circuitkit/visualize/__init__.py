"""Feature visualization: the images that units of a net, handbuilt or trained, respond to most."""

from circuitkit.visualize.ascent import visualize

__all__ = ["visualize"]
