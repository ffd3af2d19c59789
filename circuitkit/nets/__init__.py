"""Trained nets and functions of images, as something to probe."""

from circuitkit.nets.function import FunctionNet
from circuitkit.nets.preprocessing import IMAGENET, REGISTRY, Preprocessing
from circuitkit.nets.trained import TrainedNet, load

__all__ = ["IMAGENET", "REGISTRY", "FunctionNet", "Preprocessing", "TrainedNet", "load"]
