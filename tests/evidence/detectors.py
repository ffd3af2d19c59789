"""Small nets that detect curves, or nothing, and scenes of arcs: subjects for arguments from natural images."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from circuitkit.evidence.argument import Subject
from circuitkit.hypothesis import Hypothesis, curve
from circuitkit.matching import orientations
from circuitkit.nets import FunctionNet
from circuitkit.probe import Images, Net
from circuitkit.stimuli import Choice, Curve, LabelledSet, Uniform, grid, sample, turn

SIDE, KERNEL, RADIUS = 56, 17, 8.0
ANGLES = np.array(turn(8))

_CONVOLVE = functools.partial(
    jax.lax.conv_general_dilated,
    window_strides=(1, 1),
    padding="VALID",
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
)


def weights() -> np.ndarray:
    """Kernels over the two parts of the field of orientations: the curve at eight angles, less the opposite curve."""
    drawn = orientations(jnp.asarray(grid(Curve(radius=RADIUS, length=20), angle=ANGLES).images(KERNEL)))
    parts = np.stack([drawn.real, drawn.imag], -1)
    return np.moveaxis(parts - 0.8 * np.roll(parts, 4, axis=0), 0, -1)


def shuffled(kernel: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(kernel.ravel()).reshape(kernel.shape)


def net(kernel: np.ndarray, name: str) -> Net:
    def maps(images: Images) -> dict[str, jax.Array]:
        grey = images.mean(-1, keepdims=True)
        sobel = jnp.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]).reshape(3, 3, 1, 1) / 8
        right, down = (_CONVOLVE(grey, each) for each in (sobel, sobel.transpose(1, 0, 2, 3)))
        even, odd = right**2 - down**2, -2 * right * down
        size = jnp.sqrt(jnp.sqrt(even**2 + odd**2 + 1e-12))
        read = _CONVOLVE(jnp.concatenate([even / size, odd / size], -1), jnp.asarray(kernel))
        return {"curves": jax.nn.relu(read)}

    return FunctionNet(maps, name=name, image_size=(SIDE, SIDE))


def scenes(count: int = 48) -> LabelledSet:
    """Arcs of any angle, size and polarity, anywhere near the middle of an image with noise."""
    return sample(
        Curve(length=30, noise=0.05),
        count,
        seed=3,
        angle=Uniform(0, 360),
        radius=Uniform(6, 14),
        width=Uniform(2, 4),
        x=Uniform(-5, 5),
        y=Uniform(-5, 5),
        polarity=Choice(-1, 1),
    )


HYPOTHESIS: Hypothesis = curve(sizes=(6.0, 8.0, 11.0))


def posed(which: Net, *, turned: float = 0.0) -> Subject:
    """The units of a net at the poses they were designed for, or at others."""
    poses = xr.Dataset(
        {"angle": ("unit", (ANGLES + turned) % 360), "size": ("unit", np.full(8, RADIUS))},
        coords={"unit": list(which.unit_names("curves"))},
    )
    return Subject(which["curves"], HYPOTHESIS, poses)
