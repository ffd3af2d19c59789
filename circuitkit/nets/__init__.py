"""Trained nets, as something to probe."""

from circuitkit.nets.preprocessing import IMAGENET, REGISTRY, Preprocessing
from circuitkit.nets.trained import TrainedNet, load

__all__ = ["IMAGENET", "REGISTRY", "Preprocessing", "TrainedNet", "load"]
