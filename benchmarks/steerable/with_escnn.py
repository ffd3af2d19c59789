"""escnn's part, run by the interpreter of an environment of its own; needs nothing of this repository but its siblings.

    python with_escnn.py versions              prints the versions of what is installed, as JSON
    python with_escnn.py build ANGLES SIZE     prints the seconds of a network's first build and of the next, as JSON
    python with_escnn.py respond FOLDER        reads asked.json and asked.npz there, and writes found.json and found.npz

`asked.npz` holds `images` (draw, turn, band, image, row, column) and, for each number of angles and size, circuitkit's
kernels (out, in, row, column). Found are the responses (draw, turn, band, image, unit) of the unit in the middle.
"""

import json
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from escnn import nn
from fitting import fit
from rings import first_layer
from theirs import network

LAYERS = {"edges": 0, "lines": 2}
"""Where the convolutions stand among the modules of the network."""

KERNELS = {
    "escnn's own, random weights": None,
    "plain random numbers": lambda numbers: numbers,
    "plain random numbers without their mean": lambda numbers: numbers - numbers.mean((1, 2, 3), keepdim=True),
}
"""What stands in a layer when escnn checks it."""


def versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in ("escnn", "torch", "numpy")}


def build(angles: int, size: int) -> dict[str, float]:
    seconds = {}
    for name in ("first", "again"):
        start = time.perf_counter()
        for module in network(angles, size):
            if isinstance(module, nn.R2Conv):
                module.expand_parameters()
        seconds[name] = time.perf_counter() - start
    return seconds


def middle(net: nn.SequentialModule, images: np.ndarray, layer: str) -> np.ndarray:
    """Returns what the units in the middle do after the ReLU, for images of any number of leading axes."""
    size = net[0].kernel_size
    side = size if layer == "edges" else 2 * size - 1
    margin = (images.shape[-1] - side) // 2
    cut = images[..., margin : margin + side, margin : margin + side]
    given = nn.GeometricTensor(torch.from_numpy(cut.reshape(-1, 1, side, side).copy()), net.in_type)
    for module in list(net)[: LAYERS[layer] + 2]:
        given = module(given)
    return given.tensor.numpy().reshape(*images.shape[:-2], -1)


def respond(folder: Path) -> None:
    asked = json.loads((folder / "asked.json").read_text())
    given = np.load(folder / "asked.npz", allow_pickle=False)
    images, responses = given["images"], {}
    about: dict[str, Any] = {"weights": {}, "left": {}, "check": {}}
    for angles in asked["angles"]:
        for size in asked["sizes"]:
            key = f"{angles} {size}"
            random = []
            for draw in range(len(images)):
                torch.manual_seed(draw)
                random.append(network(angles, size))
            fitted = network(angles, size)
            rich = first_layer(angles, size)
            for kind, net, layer in (("fitted", fitted, "edges"), ("fitted", fitted, "lines"), ("rich", rich, "edges")):
                convolution = net[LAYERS[layer]]
                about["left"][f"{kind} {layer} {key}"] = fit(convolution, torch.from_numpy(given[f"{layer} {key}"]))
                about["weights"][f"{kind} {layer} {key}"] = convolution.weights.numel()
                responses[f"{kind} {layer} {key}"] = middle(net, images, layer)
            for layer in LAYERS:
                found = [middle(net, images[draw], layer) for draw, net in enumerate(random)]
                responses[f"random {layer} {key}"] = np.stack(found)
    if asked["check"]:
        for name, change in KERNELS.items():
            about["check"][name] = [checked(*asked["check"], draw, change) for draw in range(len(images))]
    np.savez(folder / "found.npz", **responses)
    (folder / "found.json").write_text(json.dumps(about))


def checked(angles: int, size: int, draw: int, change: Any) -> bool:
    """Returns whether a layer passes escnn's own check, with another kernel in its place if one is given."""
    import scipy.datasets
    import skimage.data

    # The check downloads a photograph of a raccoon; scikit-image, which it needs as well, comes with another one.
    scipy.datasets.face = skimage.data.astronaut
    torch.manual_seed(draw)
    layer = network(angles, size)[LAYERS["edges"]].eval()
    if change is not None:
        numbers = change(torch.randn_like(layer.filter))
        layer.filter.copy_(numbers * layer.filter.norm() / numbers.norm())
    try:
        layer.check_equivariance(verbose=False)
    except AssertionError:
        return False
    return True


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    match sys.argv[1:]:
        case ["versions"]:
            print(json.dumps(versions()))
        case ["build", angles, size]:
            print(json.dumps(build(int(angles), int(size))))
        case ["respond", folder]:
            respond(Path(folder))
