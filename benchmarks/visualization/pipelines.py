"""The same net and the same ascent, by circuitkit, by JAX as one writes it, and by lucent.

The net is SqueezeNet 1.1 up to its sixth fire module (conv1, fire2 to fire7), with random weights.
"""

import functools
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.scipy.ndimage import map_coordinates
from numpy.typing import NDArray

from benchmarks.harness import installed
from circuitkit.nets import FunctionNet
from circuitkit.visualize import visualize
from circuitkit.visualize.ascent import BATCH
from circuitkit.visualize.painting import blank, painted

LAYER = "fire7"

FIRES = {"fire2": (16, 64), "fire3": (16, 64), "fire4": (32, 128), "fire5": (32, 128), "fire6": (48, 192),
         "fire7": (48, 192)}  # fmt: skip
"""Channels of the squeeze and of each half of the expansion."""

POOLED = ("conv1", "fire3", "fire5")
"""Layers after which maps are pooled."""

ROOM = {"jitter": 8.0, "scale": 0.1, "rotate": 10.0}
"""How far images move, in circuitkit and in plain JAX; about what lucent does."""

Weights = Mapping[str, NDArray[np.float32]]


@functools.cache
def weights() -> Weights:
    """Returns random kernels, HWIO, of a size that keeps the size of what passes through."""
    rng, source = np.random.default_rng(0), 64
    shapes: dict[str, tuple[int, ...]] = {"conv1": (3, 3, 3, 64)}
    for name, (squeeze, expand) in FIRES.items():
        shapes |= {f"{name}.squeeze": (1, 1, source, squeeze), f"{name}.one": (1, 1, squeeze, expand),
                   f"{name}.three": (3, 3, squeeze, expand)}  # fmt: skip
        source = 2 * expand
    return {
        name: (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1]))).astype(np.float32)
        for name, shape in shapes.items()
    }


def maps(images: jax.Array) -> dict[str, jax.Array]:
    """Returns the maps of the last layer."""
    kernels = {name: jnp.asarray(kernel) for name, kernel in weights().items()}

    def conv(x: jax.Array, name: str, stride: int = 1, padding: str = "SAME") -> jax.Array:
        made = jax.lax.conv_general_dilated(
            x, kernels[name], (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return jax.nn.relu(made)

    x = conv(images, "conv1", 2, "VALID")
    for name in ("conv1", *FIRES):
        if name in FIRES:
            squeezed = conv(x, f"{name}.squeeze")
            x = jnp.concatenate([conv(squeezed, f"{name}.one"), conv(squeezed, f"{name}.three")], axis=3)
        if name in POOLED:
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "VALID")
    return {LAYER: x}


def circuitkit(size: int, steps: int) -> Callable[[], NDArray[np.float32]]:
    """Returns what makes a batch of images for the first channel."""
    probe = FunctionNet(maps, name="random", image_size=(size, size))[LAYER, 0]
    return lambda: visualize(
        probe, objective="channel", size=size, steps=steps, seeds=BATCH, colours="rgb", **ROOM
    ).values[0]


def plain_jax(size: int, steps: int, *, looped: bool) -> Callable[[], NDArray[np.float32]]:
    """The same in JAX, as it is usually written: images are sampled pixel by pixel.

    Args:
        size: Side of the images, in pixels.
        steps: Of the ascent.
        looped: Whether all steps are one loop in one jit, or a call each.
    """
    optimiser, middle = optax.adam(0.05), (size - 1) / 2
    grid = jnp.stack(jnp.meshgrid(jnp.arange(size), jnp.arange(size), indexing="ij")) - middle

    def moved(images: jax.Array, key: jax.Array) -> jax.Array:
        x, y, scale, angle = jax.random.uniform(key, (4,), minval=-1.0)
        turn = jnp.deg2rad(ROOM["rotate"] * angle)
        c, s = jnp.cos(turn), jnp.sin(turn)
        at = (1 + ROOM["scale"] * scale) * jnp.einsum("ij,jhw->ihw", jnp.array([[c, -s], [s, c]]), grid)
        at = at + middle + ROOM["jitter"] * jnp.stack([y, x]).reshape(2, 1, 1)
        sample = functools.partial(map_coordinates, coordinates=list(at), order=1, mode="constant")
        return jax.vmap(jax.vmap(sample))(images)

    def loss(spectrum: jax.Array, key: jax.Array) -> jax.Array:
        shown = moved(painted(spectrum, size), key).transpose(0, 2, 3, 1)
        return -maps(shown)[LAYER][..., 0].mean((1, 2)).sum()

    def step(number: jax.Array, state: Any) -> Any:
        spectrum, moments = state
        gradient = jax.grad(loss)(spectrum, jax.random.fold_in(jax.random.PRNGKey(0), number))
        updates, moments = optimiser.update(gradient, moments)
        return optax.apply_updates(spectrum, updates), moments

    loop, once = jax.jit(lambda state: jax.lax.fori_loop(0, steps, step, state)), jax.jit(step)

    def run(spectrum: jax.Array) -> NDArray[np.float32]:
        state = (spectrum, optimiser.init(spectrum))
        if looped:
            state = loop(state)
        else:
            for number in range(steps):
                state = once(jnp.int32(number), state)
        return np.asarray(painted(state[0], size)).transpose(0, 2, 3, 1)

    start = blank(jax.random.split(jax.random.PRNGKey(0), BATCH), size, size, "rgb")
    return lambda: run(start)


def lucent(size: int, steps: int) -> Callable[[], NDArray[np.float32]]:
    """The same with lucent, its own transforms, and images that stay as large as they are."""
    if not installed("torchvision"):  # of which it needs one class, and we need none
        stub = types.ModuleType("torchvision.transforms")
        stub.Normalize = object  # type: ignore[attr-defined]
        sys.modules |= {"torchvision": types.ModuleType("torchvision"), "torchvision.transforms": stub}
    import torch
    from lucent.optvis import objectives, param, render

    def run() -> NDArray[np.float32]:
        torch.manual_seed(0)
        (images,) = render.render_vis(
            torch_net(),
            objectives.channel(LAYER, 0),
            lambda: param.image(size, batch=BATCH),
            thresholds=(steps,),
            preprocess=False,
            progress=False,
            show_image=False,
            fixed_image_size=size,
        )
        return 2 * images - 1

    return run


def torch_net() -> Any:
    """Returns the net as a torch module, with a part for each layer."""
    import torch
    from torch import nn

    def conv(name: str, **how: Any) -> Any:
        kernel = weights()[name]
        made = nn.Conv2d(kernel.shape[2], kernel.shape[3], kernel.shape[0], bias=False, **how)
        made.weight = nn.Parameter(torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()), requires_grad=False)
        return made

    class Fire(nn.Module):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            super().__init__()
            self.squeeze, self.one = conv(f"{name}.squeeze"), conv(f"{name}.one")
            self.three = conv(f"{name}.three", padding=1)

        def forward(self, x: Any) -> Any:
            squeezed = torch.relu(self.squeeze(x))
            return torch.relu(torch.cat([self.one(squeezed), self.three(squeezed)], dim=1))

    net = nn.Sequential()
    for name in ("conv1", *FIRES):
        net.add_module(name, Fire(name) if name in FIRES else nn.Sequential(conv("conv1", stride=2), nn.ReLU()))
        if name in POOLED:
            net.add_module(f"{name}_pool", nn.MaxPool2d(3, 2))
    return net.eval()


class Pipeline:
    """A way to make images.

    Attributes:
        prepare: From the side of the images and the steps to what makes a batch of them.
        missing: Modules that it needs and that are not here.
    """

    def __init__(self, prepare: Callable[[int, int], Callable[[], NDArray[np.float32]]], *needs: str) -> None:
        self.prepare, self.missing = prepare, [name for name in needs if not installed(name)]


PIPELINES = {
    "circuitkit, visualize()": Pipeline(circuitkit),
    "JAX, a step at a time": Pipeline(functools.partial(plain_jax, looped=False)),
    "JAX, one fori_loop": Pipeline(functools.partial(plain_jax, looped=True)),
    "lucent": Pipeline(lucent, "torch", "kornia", "decorator", "tqdm"),
}
