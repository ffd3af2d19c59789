"""Trained nets and functions of images, as something to probe."""

from circuitkit.nets.flax_linen import from_linen
from circuitkit.nets.flax_nnx import from_nnx
from circuitkit.nets.function import FunctionNet
from circuitkit.nets.keras_net import from_keras
from circuitkit.nets.module_net import ModuleNet
from circuitkit.nets.nnx_weights import load_safetensors
from circuitkit.nets.preprocessing import IMAGENET, Preprocessing
from circuitkit.nets.registry import fetch, load
from circuitkit.nets.sequential import Conv, Head, Pool, SequentialNet
from circuitkit.nets.shrunk import Shrunk
from circuitkit.nets.small import small
from circuitkit.nets.trained import TrainedNet
from circuitkit.nets.weights_file import read_weights, write_weights
from circuitkit.nets.zoo import REGISTRY

__all__ = [
    "IMAGENET",
    "REGISTRY",
    "Conv",
    "FunctionNet",
    "Head",
    "ModuleNet",
    "Pool",
    "Preprocessing",
    "SequentialNet",
    "Shrunk",
    "TrainedNet",
    "fetch",
    "from_keras",
    "from_linen",
    "from_nnx",
    "load",
    "load_safetensors",
    "read_weights",
    "small",
    "write_weights",
]
