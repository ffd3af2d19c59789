"""Only what is read is computed: any function of images, cropped to a window of its result."""

from circuitkit.cropping.crop import Cropped, Window, crop
from circuitkit.cropping.parts import Interval

__all__ = ["Cropped", "Interval", "Window", "crop"]
