"""What a net loses by an operation, and what another one brings back, image by image.

    seen = outcomes(net, {"silent": [...], "by hand": [...]}, images, classes, donors={"curves": by_hand})
    seen.log_likelihood                                  # (operation, image), in nats; top1, top5, same, divergence
    recovery(seen, lost="silent")                        # pandas: of each operation, with 95 % intervals

Operations are compared on the same images, so intervals are of differences paired by image.

Source: Cammarata et al., "Curve Circuits", Distill (2021), "Reconstructing curve detectors": top-5 accuracy without,
and with handwritten ones. There is no control there, and no interval; both are ours.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array, Float, Int

from circuitkit import checks
from circuitkit.compiling import jit
from circuitkit.errors import NetError, StimulusError, unknown_name
from circuitkit.evidence.statistics import bootstrap
from circuitkit.examples import Frame
from circuitkit.probe import Net
from circuitkit.stimuli import FAST, LabelledSet
from circuitkit.surgery.operation import Operation, edits_of
from circuitkit.surgery.steps import Edit, Step

Progress = Callable[[int, int], None]
"""Called with the number of images done, over all kinds of operations, and the number of all."""

Measure = Literal["log_likelihood", "top1", "top5", "same"]
"""That more of is better."""

INTACT = "intact"
CHUNK = 8


def outcomes(
    net: Net,
    operations: Mapping[str, Sequence[Step]],
    images: LabelledSet,
    labels: Int[np.ndarray, " image"],
    *,
    donors: Mapping[str, Net] | None = None,
    size: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Returns what a net says of images after each of several operations.

    What no operation changes is computed once an image, and all operations with the same edits of weights run as one
    program.

    Args:
        net: The net, whose output is a vector of logits an image.
        operations: Steps, by name. `intact`, without any, is added.
        images: Photographs, or any other set.
        labels: The class of each.
        donors: Nets that units are replaced from, by name.
        size: Side of the images in pixels; see `survey`.
        seed: Says which other image goes with each: all are shifted by one number.
        progress: Called after each chunk.

    Returns:
        Over (operation, image): `log_likelihood` of the label, in nats; `top1` and `top5`, whether it is the first, or
        among the first five; `same`, whether the first is that of the intact net; `divergence`, Kullback and Leibler's
        from the intact net's probabilities, in nats.

    Raises:
        NetError: If the output is no vector, or NaN.
        StimulusError: If labels do not fit the images.
    """
    labels = np.asarray(labels)
    checks.whole("outcomes", "seed", seed, at_least=0)
    if labels.shape != (len(images),) or len(images) < 2 or not np.issubdtype(labels.dtype, np.integer):
        raise StimulusError(
            f"outcomes got {len(images)} images and labels of shape {labels.shape} and type {labels.dtype}: wanted at "
            "least two images, and a whole number for each."
        )
    everything = {INTACT: (), **operations}
    groups: dict[tuple[Edit, ...], dict[str, Sequence[Step]]] = {}
    for name, steps in everything.items():
        groups.setdefault(edits_of(steps), {})[name] = steps
    made = [Operation(net, group, donors) for group in groups.values()]
    frame = Frame.of(net[net.layers[0]], images, size, FAST)
    shift = int(np.random.default_rng(seed).integers(1, len(images)))
    found: dict[str, np.ndarray] = {}
    for done, operation in enumerate(made):
        tell = None if progress is None else _shifted(progress, done * len(images), len(made) * len(images))
        found |= _logits(operation, frame, images, shift, tell)
    return _scores({name: found[name] for name in everything}, labels, net)


def _shifted(progress: Progress, before: int, total: int) -> Progress:
    return lambda done, _: progress(before + done, total)


def _logits(
    operation: Operation, frame: Frame, images: LabelledSet, shift: int, progress: Progress | None
) -> dict[str, Float[np.ndarray, "image class"]]:
    """Returns the logits of all operations."""

    def look(items: Any, other_items: Any) -> Any:
        others = frame.draw(other_items) if operation.needs_others else None
        return operation.state(frame.draw(items), others, wanted=None)

    def say(state: Any, numbers: Any) -> Float[Array, "image ..."]:
        return operation.run(state, numbers, wanted=None)

    looking, saying, total = jit(look), jit(say), len(images)
    found: dict[str, list[np.ndarray]] = {name: [] for name in operation.numbers}
    for start in range(0, total, CHUNK):
        indices = np.minimum(np.arange(start, start + CHUNK), total - 1)
        items = images.items(indices)
        state = looking(items, images.items((indices + shift) % total) if operation.needs_others else items)
        for name, numbers in operation.numbers.items():
            found[name].append(np.asarray(saying(state, numbers))[: total - start])
        if progress is not None:
            progress(min(start + CHUNK, total), total)
    return {name: np.concatenate(each) for name, each in found.items()}


def _scores(logits: Mapping[str, np.ndarray], labels: Int[np.ndarray, " image"], net: Net) -> xr.Dataset:
    values = np.stack(list(logits.values()))
    if values.ndim != 3 or not np.isfinite(values).all():
        raise NetError(
            f"net {net.name!r} says {values.shape[1:]} of images, or NaN: wanted finite logits (image, class)."
        )
    if labels.min() < 0 or labels.max() >= values.shape[2]:
        raise StimulusError(
            f"labels run from {labels.min()} to {labels.max()}: net {net.name!r} has {values.shape[2]}."
        )
    log = np.asarray(jax.nn.log_softmax(jnp.asarray(values), axis=2), float)
    own = np.take_along_axis(log, labels[None, :, None], axis=2)
    rank = (log > own).sum(2)
    whole = log[0]
    return xr.Dataset(
        {
            "log_likelihood": (("operation", "image"), own[..., 0], {"units": "nats"}),
            "top1": (("operation", "image"), (rank < 1).astype(float)),
            "top5": (("operation", "image"), (rank < 5).astype(float)),
            "same": (("operation", "image"), (log.argmax(2) == whole.argmax(1)).astype(float)),
            "divergence": (("operation", "image"), (np.exp(whole) * (whole - log)).sum(2), {"units": "nats"}),
        },
        coords={"operation": list(logits)},
        attrs={"net": net.name},
    )


def recovery(
    seen: xr.Dataset, *, lost: str, measure: Measure = "log_likelihood", less: str | None = None, seed: int = 0
) -> pd.DataFrame:
    """Returns how much of what one operation loses each of the others brings back.

    Recovery is (after - lost) / (intact - lost), of means over images: 1 is all of it, 0 nothing. Intervals are of
    images drawn again, the same for all operations.

    Args:
        seen: From `outcomes`.
        lost: The operation that loses it: silent units, say, or another image's.
        measure: Of which.
        less: Another operation, whose recovery is taken off: `specificity` is recovery less that of permuted maps.
        seed: Of the bootstrap.

    Returns:
        A row an operation: `value` (mean of the measure), `recovery`, `low` and `high`.

    Raises:
        NetError: If nothing was lost.
        UnknownNameError: If there is no such operation or measure.
    """
    names = [str(name) for name in seen.operation.values]
    for each in (lost, *([] if less is None else [less])):
        if each not in names:
            raise unknown_name("operation", each, names, owner="recovery")
    if measure not in get_args(Measure):
        raise unknown_name("measure", measure, get_args(Measure), owner="recovery")
    values = seen[measure].transpose("image", "operation").values
    place, off = names.index(lost), None if less is None else names.index(less)

    def share(samples: np.ndarray) -> np.ndarray:
        means = samples.mean(0)
        room = means[names.index(INTACT)] - means[place]
        found = (means - means[place]) / (room if abs(room) > 1e-12 else np.nan)
        return np.asarray(found if off is None else found - found[off])

    found = share(values)
    if not np.isfinite(found).all():
        raise NetError(f"operation {lost!r} loses nothing of {measure}: there is nothing to bring back.")
    low, high = bootstrap(values, seed=zlib.crc32(f"{lost} {measure}".encode()) + seed, statistic=share)
    table = pd.DataFrame({"value": values.mean(0), "recovery": found, "low": low, "high": high}, index=names)
    return table.rename_axis("operation")
