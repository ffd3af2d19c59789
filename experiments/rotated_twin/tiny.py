"""Tiny twins for smoke runs: two layers whose units come in fours that quarter turns exchange, and shuffled ones."""

import numpy as np

from circuitkit.controls import shuffled
from circuitkit.nets.sequential import Conv, Head, SequentialNet

STEPS = (Conv("conv1", pad=1), Conv("conv2", pad=1))
UNITS = (8, 8)


def regular(seed: int) -> SequentialNet:
    """Returns a net that turns with the image: units 4 k to 4 k + 3 are one, at four angles."""
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(3, 3, 3, UNITS[0] // 4)), rng.normal(size=(3, 3, UNITS[0], UNITS[1] // 4))
    weights = {
        "conv1.kernel": np.concatenate([_orbit(first[..., [each]], sources=False) for each in range(2)], -1),
        "conv2.kernel": np.concatenate([_orbit(second[..., [each]], sources=True) for each in range(2)], -1) / 3,
        "dense.kernel": rng.normal(size=(UNITS[1], 10)),
    }
    biases = {"conv1.bias": np.zeros(UNITS[0]), "conv2.bias": np.zeros(UNITS[1]), "dense.bias": np.zeros(10)}
    both = {name: value.astype(np.float32) for name, value in (weights | biases).items()}
    return SequentialNet(STEPS, both, name=f"regular {seed}", head=Head("dense"), image_size=(32, 32))


def _orbit(kernel: np.ndarray, *, sources: bool) -> np.ndarray:
    """Returns a kernel (h, w, source, 1) at four angles; its sources go round in fours, if they turn as well."""
    step = np.arange(kernel.shape[2]).reshape(-1, 4) if sources else None
    turned = []
    for quarters in range(4):
        each = np.rot90(kernel, quarters)
        turned.append(each if step is None else each[:, :, np.roll(step, quarters, 1).ravel()])
    return np.concatenate(turned, -1)


def twins() -> dict[tuple[int, bool], SequentialNet]:
    """Returns two pairs: nets that turn with the image as the rotated ones, their shuffled kernels as the others."""
    return {
        (seed, rotated): regular(seed) if rotated else shuffled(regular(seed), seed + 10)
        for rotated in (False, True)
        for seed in (0, 1)
    }


def shown(images: int, asked: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns noise of an odd side, noise to be asked about, and its classes."""
    rng = np.random.default_rng(0)
    values = rng.uniform(-1, 1, (2 * images, 15, 15, 3)).astype(np.float32)
    return values, rng.uniform(-1, 1, (asked, 32, 32, 3)).astype(np.float32), rng.integers(0, 10, asked)
