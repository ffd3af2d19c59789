"""The engine of everything that runs many stimuli through a net: blocks of one fixed shape, on every core or device.

Stimuli are cut into blocks that start at fixed numbers, each of the same size. One block goes to one device, and is
computed there by one compiled program; so a block's results are the same bits in whatever order and beside whatever
else it is computed, at once or resumed, on one device or several. (One exception: XLA's CPU adds up long sums in as
many parts as it has threads, which are as many as cores, or as devices if those are more.)

On one device (a CPU has one, whatever its cores) a few threads keep it busy: one block is drawn and its results are
taken while another is computed. Several devices form a mesh, and each step gives each of them a block (`NamedSharding`
over the axis `block`). Devices may belong to several processes (`jax.distributed`): each makes the items of its own
blocks alone, and all are given all results.
"""

import collections
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Int

from circuitkit.compiling import compiled

Tree = Any
"""A pytree of arrays."""

Respond = Callable[[Tree, Tree, Bool[Array, " stimulus"]], Tree]
"""From constants, the items of a block, and which of them are in the set, to whatever is kept of the block."""

Items = Callable[[Int[np.ndarray, " stimulus"]], Tree]
"""From the indices of some stimuli to what is needed to draw them: arrays whose first axis is the stimulus."""


def stream(
    respond: Respond,
    constants: Tree,
    items: Items,
    blocks: Sequence[int],
    *,
    size: int,
    total: int,
    devices: Sequence[jax.Device] | None = None,
) -> Iterator[tuple[int, Tree]]:
    """Runs blocks of a set through a function, and yields what comes out, in the order asked for.

    Args:
        respond: Pure; compiled once. The last block of a set is filled up with the last stimulus.
        constants: What every block reads: weights.
        items: Called for one block at a time, possibly from several threads.
        blocks: Which blocks; block `k` holds the stimuli from `k * size` on.
        size: Stimuli in a block.
        total: Stimuli in the set.
        devices: Where to compute; all that JAX has if left out. Every process of a job must ask for the same.

    Yields:
        The number of a block and its results, as NumPy arrays.
    """
    mesh = Mesh(np.asarray(jax.devices() if devices is None else devices), ("block",))
    own = [place for place, device in enumerate(mesh.devices) if device.process_index == jax.process_index()]
    each, shared = NamedSharding(mesh, PartitionSpec("block")), NamedSharding(mesh, PartitionSpec())
    weights = jax.tree.map(lambda leaf: _placed(leaf, shared), constants)

    @jax.shard_map(mesh=mesh, in_specs=(PartitionSpec(), each.spec, each.spec), out_specs=each.spec, check_vma=False)
    def run(constants: Tree, items: Tree, valid: Bool[Array, "block stimulus"]) -> Tree:
        results = respond(constants, jax.tree.map(lambda leaf: leaf[0], items), valid[0])
        return jax.tree.map(lambda leaf: leaf[None], results)

    def taken(numbers: Sequence[int]) -> Tree:
        # What is missing in the last step is computed twice, and dropped.
        full = [*numbers, *[numbers[-1]] * (mesh.size - len(numbers))]
        wanted = np.stack([np.arange(size) + full[place] * size for place in own])
        drawn = [items(np.minimum(indices, total - 1)) for indices in wanted]
        return (jax.tree.map(lambda *leaves: _stacked(leaves), *drawn), wanted < total)

    if not blocks:
        return
    steps = [blocks[start : start + mesh.size] for start in range(0, len(blocks), mesh.size)]
    first = taken(steps[0])
    shapes = [
        jax.ShapeDtypeStruct((mesh.size, *leaf.shape[1:]), leaf.dtype, sharding=each) for leaf in jax.tree.leaves(first)
    ]
    program = compiled(run, weights, *jax.tree.unflatten(jax.tree.structure(first), shapes))

    def step(number: int) -> Tree:
        local = taken(steps[number]) if number else first
        if mesh.is_multi_process:
            local = jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(each, leaf), local)
        return jax.tree.map(_gathered, program(weights, *local))

    for numbers, results in zip(steps, _ahead(step, len(steps), workers=_workers(mesh)), strict=True):
        for place, number in enumerate(numbers):
            yield number, jax.tree.map(lambda leaf, place=place: leaf[place], results)


def block_size(image_bytes: int, total: int, *, platform: str, cached: int = 2**23) -> int:
    """Returns how many stimuli make a block.

    Args:
        image_bytes: What the largest operation reads and writes for one of them.
        total: Stimuli in the set.
        platform: Of the devices.
        cached: How much the largest operation of a block may read and write on CPU. By default it stays in the cache,
            and below the 32 MiB from which XLA takes fresh memory at every call; elsewhere memory is the limit.
    """
    memory, most = (cached, 256) if platform == "cpu" else (2**30, 4096)
    return max(1, min(most, memory // image_bytes, total))


def _workers(mesh: Mesh) -> int:
    """Returns how many threads keep the devices busy."""
    if mesh.is_multi_process:
        return 1  # results are gathered in the same order everywhere
    return min(os.cpu_count() or 1, 32) if mesh.size == 1 and mesh.devices[0].platform == "cpu" else 2


def _ahead(step: Callable[[int], Tree], steps: int, *, workers: int) -> Iterator[Tree]:
    """Yields the results of steps in order, while those that follow are under way."""
    pool, waiting = ThreadPoolExecutor(workers), collections.deque[Future[Tree]]()
    try:
        for number in range(steps):
            waiting.append(pool.submit(step, number))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _placed(leaf: Any, sharding: NamedSharding) -> Array:
    """Returns a value that every device holds."""
    if sharding.is_fully_addressable:
        return jax.device_put(leaf, sharding)
    values = np.asarray(leaf)
    return jax.make_array_from_callback(values.shape, sharding, lambda index: values[index])


def _stacked(leaves: Sequence[Any]) -> np.ndarray:
    """Returns one array of the types that JAX has."""
    values = np.stack(leaves)
    return values.astype(jax.dtypes.canonicalize_dtype(values.dtype), copy=False)


def _gathered(leaf: Array) -> np.ndarray:
    return np.asarray(leaf if leaf.is_fully_addressable else multihost_utils.process_allgather(leaf, tiled=True))
