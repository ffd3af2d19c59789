"""Trains the small net on CIFAR-10.

Run:    python -m experiments.small_net --data FOLDER --seed 0    (see the README for how long)
Smoke:  python -m experiments.small_net --smoke                   (a few steps on noise; the tests run it)
Writes: checkpoints and out/small-<seed>.safetensors, the folded weights (small-<seed>-rotated with --rotated)

A run that was interrupted goes on where its last checkpoint is. Order and variation of images are drawn from the seed
and the step alone, so that it ends in the same weights.
"""

import argparse
import dataclasses
import functools
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
from flax import nnx
from jaxtyping import Array, Float, Int
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from circuitkit.compiling import jit
from circuitkit.errors import StimulusError
from circuitkit.nets.small import CLASSES, SIDE, small_name, small_of
from circuitkit.nets.weights_file import write_weights
from experiments.small_net.data import read, shown, varied
from experiments.small_net.model import SmallNet, folded

OUT = Path(__file__).parent / "out"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """How to train.

    Attributes:
        epochs: Passes over the images.
        batch: Images a step.
        rate: Of learning, at its highest; it rises for a fifth of all steps, and falls to nothing.
        decay: Of weights.
        smoothing: Of labels.
        rotated: Whether training images are turned by any angle.
        kept: Epochs between checkpoints.
    """

    epochs: int = 10
    batch: int = 250
    rate: float = 0.1
    decay: float = 2e-3
    smoothing: float = 0.1
    rotated: bool = False
    kept: int = 1


SMOKE = Config(epochs=2, batch=16)


def train(images: np.ndarray, labels: np.ndarray, config: Config, *, seed: int, folder: Path) -> SmallNet:
    """Trains a net, or goes on from the last checkpoint of the folder, and returns it in eval mode."""
    steps = len(images) // config.batch
    model = SmallNet(len(CLASSES), rngs=nnx.Rngs(seed))
    schedule = optax.cosine_onecycle_schedule(config.epochs * steps, config.rate, pct_start=0.2)
    optimizer = nnx.Optimizer(
        model,
        optax.chain(optax.add_decayed_weights(config.decay), optax.sgd(schedule, momentum=0.9, nesterov=True)),
        wrt=nnx.Param,
    )
    held = jnp.asarray(images), jnp.asarray(labels)
    manager = ocp.CheckpointManager(folder.absolute(), options=ocp.CheckpointManagerOptions(max_to_keep=1))
    first = 0
    if (latest := manager.latest_step()) is not None:
        state = jax.tree.map(ocp.utils.to_shape_dtype_struct, _state(model, optimizer))
        nnx.update((model, optimizer), manager.restore(latest, args=ocp.args.StandardRestore(state)))
        first = latest
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns) as progress:
        task = progress.add_task(f"seed {seed}", total=config.epochs * steps, completed=first * steps)
        for epoch in range(first, config.epochs):
            key = jax.random.fold_in(jax.random.key(seed), epoch)
            order = jax.random.permutation(key, len(images))
            for step in range(steps):
                chosen = order[step * config.batch : (step + 1) * config.batch]
                loss = _step(
                    model, optimizer, held[0][chosen], held[1][chosen], jax.random.fold_in(key, step),
                    smoothing=config.smoothing, rotated=config.rotated,
                )  # fmt: skip
                progress.update(task, advance=1, description=f"seed {seed}, epoch {epoch + 1}")
            if not bool(jnp.isfinite(loss)):
                raise StimulusError(
                    f"training of seed {seed} left the finite numbers in epoch {epoch + 1}: lower the rate."
                )
            if (epoch + 1) % config.kept == 0 or epoch + 1 == config.epochs:
                manager.save(epoch + 1, args=ocp.args.StandardSave(_state(model, optimizer)))
    manager.wait_until_finished()
    model.eval()
    return model


def _state(model: SmallNet, optimizer: nnx.Optimizer[Any]) -> Any:
    return nnx.state((model, optimizer))


def _step(
    model: SmallNet,
    optimizer: nnx.Optimizer[Any],
    images: Array,
    labels: Int[Array, " image"],
    key: Array,
    *,
    smoothing: float,
    rotated: bool,
) -> Float[Array, ""]:
    """Takes one step on varied images; returns the loss."""
    graph, state = nnx.split((model, optimizer))
    state, loss = _compiled(graph, smoothing, rotated)(state, images, labels, key)
    nnx.update((model, optimizer), state)
    return loss


@functools.cache
def _compiled(graph: Any, smoothing: float, rotated: bool) -> Any:
    """Returns a step as a pure function of the state, compiled as all of circuitkit: a fifth faster on CPUs."""

    def take(state: Any, images: Array, labels: Array, key: Array) -> tuple[Any, Array]:
        model, optimizer = nnx.merge(graph, state)
        seen = varied(key, shown(images), rotated=rotated)

        def loss_of(model: SmallNet) -> Float[Array, ""]:
            wanted = optax.smooth_labels(jax.nn.one_hot(labels, len(CLASSES)), smoothing)
            return jnp.mean(optax.softmax_cross_entropy(model(seen), wanted))

        loss, slopes = nnx.value_and_grad(loss_of)(model)
        optimizer.update(model, slopes)
        return nnx.state((model, optimizer)), loss

    return jit(take)


def accuracy(weights: dict[str, np.ndarray], images: np.ndarray, labels: np.ndarray, *, chunk: int = 500) -> float:
    """Returns the share of images of which the folded net says the right class."""
    net = small_of(weights, name="small")
    said = [
        np.argmax(net.logits(shown(jnp.asarray(images[at : at + chunk]))), -1) for at in range(0, len(images), chunk)
    ]
    return float(np.mean(np.concatenate(said) == labels))


def main(arguments: Sequence[str] | None = None) -> dict[str, object]:
    """Trains one seed and writes its weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("CIRCUITKIT_DATA"), help="folder that holds images/"
    )
    parser.add_argument("--seed", type=int, default=0, help="of weights, and of order and variation of images")
    parser.add_argument("--rotated", action="store_true", help="turn training images by any angle")
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to")
    parser.add_argument("--smoke", action="store_true", help="a few steps on noise")
    options = parser.parse_args(arguments)
    if options.data is None and not options.smoke:
        raise StimulusError("no folder of data: give --data FOLDER, set CIRCUITKIT_DATA, or ask for --smoke.")
    if options.smoke:
        rng = np.random.default_rng(0)
        images, labels = rng.integers(0, 256, (64, SIDE, SIDE, 3), np.uint8), rng.integers(0, 10, 64)
        tested, config = (images, labels), SMOKE
    else:
        folder = Path(options.data) / "images"
        images, labels = read(folder / "cifar10-train.parquet")
        tested, config = read(folder / "cifar10-test.parquet"), Config()
    config = dataclasses.replace(config, rotated=options.rotated)
    name = small_name(options.seed, rotated=options.rotated)
    options.out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    weights = folded(train(images, labels, config, seed=options.seed, folder=options.out / f"{name}-checkpoints"))
    found: dict[str, object] = {
        "seed": options.seed,
        "rotated": options.rotated,
        "test accuracy": accuracy(weights, *tested),
        "seconds": round(time.perf_counter() - began, 1),
        "device": str(jax.devices()[0].device_kind),
    }
    about = {"trained on": "CIFAR-10, by experiments/small_net", **{key: str(value) for key, value in found.items()}}
    write_weights(options.out / f"{name}.safetensors", weights, about=about)
    (options.out / f"{name}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found))
    return found


if __name__ == "__main__":
    main()
