"""Expanded weights: from the units of an earlier layer to a unit's pre-activation, through whatever lies between.

    weights = ck.wiring.expanded(net["fire5", [130, 141]], "fire4")     # (unit, source, y, x), an xarray
    weights.sel(unit="fire5:130", source="fire4:7")                     # what fire4:7 means to it, at each offset

Between the two layers the net is made linear: ReLUs let everything through, biases drop out, and a max-pool becomes the
mean of its window. What is left is one kernel from each source to each unit: the kernel itself where there is one
convolution between them, and the product of kernels through a 1x1 bottleneck.

Why a mean: of its window a max-pool passes one place on, and which one hangs on the image. Spread evenly, what a map
that is everywhere the same is worth to the unit stays exactly what it was, which is the sum of the kernel.

A normalised family of a circuit counts by its kernel, without the division: what that comes to hangs on the image.

Source: Voss et al., "Visualizing Weights", Distill (2021), Expanded weights; Cammarata et al., "Curve Circuits",
Distill (2021), footnote on the gradient of the net made linear.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import lax
from jaxtyping import Array, Float

from circuitkit.compiling import compiled
from circuitkit.cropping import Interval, crop
from circuitkit.cropping.parts import all_of
from circuitkit.cropping.trace import Op, Trace
from circuitkit.errors import ImageError, NetError
from circuitkit.network import DIVISOR
from circuitkit.probe import Maps, Net, Probe

SIDES = (9, 17, 33, 65, 129, 257)
"""Units along each side of the maps of an earlier layer that are tried, until no border is seen."""

MOST_VALUES = 2**24
"""Of the maps that gradients are computed for at once."""

ROUNDING = 1e-3
"""How far a gradient may be from the difference that it predicts, over the largest one: float32 and long sums."""


def expanded(probe: Probe, source: str) -> xr.DataArray:
    """Returns the weights from all units of an earlier layer to those of a probe.

    Args:
        probe: The units.
        source: The earlier layer, through which all must pass that the probe's layer reads.

    Returns:
        An array (unit, source, y, x). `y` and `x` say where the centre of the source unit's receptive field lies from
        that of the unit's, in pixels (up and right), with the stride of the source; the attribute `stride` has that in
        pixels. Row 0 is the top one.

    Raises:
        NetError: If something leads to the layer around the source, if the net between them cannot be made linear (a
            gate or a softmax, say), or if a unit reads all of the source's map.
        UnknownNameError: If there is no such layer.
    """
    net, channels = probe.net, len(probe.net.unit_names(source))
    onward = net.between(source, probe.layer)
    read = _Read.of(lambda maps: probe.of(onward(maps)), channels, owner=f"{probe.layer!r} of net {net.name!r}")
    field = net.receptive_field(source)
    down, across = (1, 1) if field is None else field.stride
    weights = np.moveaxis(_gradients(read, len(probe.unit_names)), 3, 1)
    return xr.DataArray(
        weights,
        dims=("unit", "source", "y", "x"),
        coords={
            "unit": list(probe.unit_names),
            "source": list(net.unit_names(source)),
            "y": -down * _centred(weights.shape[2]),
            "x": across * _centred(weights.shape[3]),
        },
        name="weight",
        attrs={"net": net.name, "layer": probe.layer, "from": source, "units": "pixels", "stride": (down, across)},
    )


def before(probe: Probe) -> str | None:
    """Returns the layer that a probe's layer is made of: the nearest one before it of which it is a function.

    Bottlenecks, layers of less than half as many units, are passed over; so are layers that a unit reads one to one:
    its own pre-activation, or a pool. None if there is no such layer.
    """
    net, layer = probe.net, probe.layer
    earlier = net.layers[: net.layers.index(layer)]
    for place, source in reversed(list(enumerate(earlier))):
        if 2 * len(net.unit_names(source)) < len(net.unit_names(layer)) or not _mixes(net, source, layer):
            continue
        unpooled = earlier[place - 1] if place else source
        return unpooled if _operations(net, unpooled, source) & _POOLS else source
    return None


def after(net: Net, layer: str) -> str | None:
    """Returns the layer that is made of one: the nearest after it that is a function of it and reads across its units.

    A layer through which all that follows passes is preferred, so that of parallel branches the joined one is found;
    bottlenecks, layers of less than half as many units, are passed over unless nothing else follows. None if nothing
    does.
    """
    later = net.layers[net.layers.index(layer) + 1 :]
    mixing = [name for name in later if _mixes(net, layer, name)]
    wide = [name for name in mixing if 2 * len(net.unit_names(name)) >= len(net.unit_names(layer))]
    joined = [name for name in wide if not net.also_reads((name,), net.layers[-1])]
    return next(iter([*joined, *wide, *mixing]), None)


class Linear:
    """A function with its ReLUs taken out, and its max-pools turned to means.

    A maximum or minimum with a constant (ReLU, ReLU6, a clip) lets everything through; a leaky ReLU does, too, and the
    division of a normalised family.

    Attributes:
        constants: What the function computes with besides the maps.
        divides: Whether a normalised family's division is let through.
    """

    def __init__(self, function: Callable[[Maps], Maps], shape: tuple[int, ...]) -> None:
        """Traces a pure function of maps (image, row, column, unit) of a shape."""
        self._trace = trace = Trace(function, jax.ShapeDtypeStruct(shape, jnp.float32))
        self._live = _live(trace)
        self._made_by = {number: op for op in trace.ops for number in op.makes}
        self._ops: list[tuple[Op, int | None]] = []
        read = {trace.result}
        for op in reversed(trace.ops):
            if not read.isdisjoint(op.makes):
                through = self._passed(op)
                read.update(op.reads if through is None else (through,))
                self._ops.insert(0, (op, through))
        self.divides = any(op.primitive.name == "div" and through is not None for op, through in self._ops)
        # No others: a program is known by its text, in which arguments that nothing reads do not turn up.
        self.constants = {number: value for number, value in trace.constants.items() if number in read}

    def apply(
        self, constants: dict[int, Array], maps: Float[Array, "image _ _ _"]
    ) -> Float[Array, "image row column unit"]:
        """Returns what becomes of maps; the constants come as an argument, and are not compiled into it."""
        values, shapes = {**constants, self._trace.image: maps}, self._trace.shapes
        for op, through in self._ops:
            if through is not None:
                made = [jnp.broadcast_to(values[through], shapes[op.makes[0]])]
            elif op.primitive.name == "reduce_window_max":
                made = [_mean_pool(values[op.reads[0]], op.params)]
            else:
                made = list(all_of(op, shapes).run(*(values[number] for number in op.reads)))
            values |= dict(zip(op.makes, made, strict=True))
        return values[self._trace.result]

    def _passed(self, op: Op) -> int | None:
        """Returns the operand that a rectifier lets through when it is made linear; None if the operation is none."""
        name, reads, live = op.primitive.name, op.reads, self._live
        if name == "div" and self._is_divisor(reads[1]):
            return reads[0]
        if name in ("max", "min"):
            moving = [number for number in reads if number in live]
            return moving[0] if len(moving) == 1 else None
        if name == "clamp" and reads[0] not in live and reads[2] not in live:
            return reads[1]
        if name == "select_n" and len(reads) == 3:  # where(x >= 0, x, slope * x)
            test = self._made_by.get(reads[0])
            if test is not None and test.primitive.name in ("ge", "gt") and test.reads[0] == reads[2]:
                return reads[2]
        return None

    def _is_divisor(self, number: int) -> bool:
        """Says whether a value is what a normalised family of a circuit is divided by."""
        op = self._made_by.get(number)
        while op is not None and op.primitive.name in ("broadcast_in_dim", "slice"):
            op = self._made_by.get(op.reads[0])
        return op is not None and op.primitive.name == "name" and op.params["name"] == DIVISOR


def _mean_pool(x: Float[Array, "..."], how: dict[str, Any]) -> Float[Array, "..."]:
    """Returns the mean of the places under each window that are no padding."""

    def total(values: Float[Array, "..."]) -> Float[Array, "..."]:
        return lax.reduce_window(
            values, 0.0, lax.add, how["window_dimensions"], how["window_strides"], how["padding"],
            how["base_dilation"], how["window_dilation"],
        )  # fmt: skip

    # Counted on one image and one unit, which no window reaches across.
    space = [n if window > 1 else 1 for n, window in zip(x.shape, how["window_dimensions"], strict=True)]
    return total(x) / total(jnp.ones(space))


class _Read(NamedTuple):
    """A unit in the middle of a map, and what it reads of a map before.

    Attributes:
        function: From the earlier maps to the later ones.
        shape: Of the earlier maps, for one image.
        unit: Its row and column.
        rows: Of the earlier map, those that it reads.
        columns: Likewise.
        owner: For messages.
    """

    function: Callable[[Maps], Maps]
    shape: tuple[int, int, int, int]
    unit: tuple[int, int]
    rows: Interval
    columns: Interval
    owner: str

    @classmethod
    def of(cls, function: Callable[[Maps], Maps], channels: int, *, owner: str) -> "_Read":
        """Returns the smallest map on which a unit sees no border."""
        for side in SIDES:
            shape = (1, side, side, channels)
            try:
                _, height, width, _ = jax.eval_shape(function, jax.ShapeDtypeStruct(shape, jnp.float32)).shape
            except ImageError:  # too small for a layer
                continue
            row, column = height // 2, width // 2
            seen = crop(function, shape, (None, (row, row + 1), (column, column + 1), None))
            if min(seen.rows[0], seen.columns[0]) > 0 and max(seen.rows[1], seen.columns[1]) < side:
                return cls(function, shape, (row, column), seen.rows, seen.columns, owner)
        raise NetError(
            f"the units of layer {owner} read more than {SIDES[-1]} units of the earlier layer along a side, or all of "
            "it: wanted layers that lie nearer to each other, before any global pool."
        )


def _gradients(read: _Read, units: int) -> Float[np.ndarray, "unit y x source"]:
    """Returns what each unit's pre-activation gains by each unit of the earlier map."""
    (top, bottom), (left, right), (row, column) = read.rows, read.columns, read.unit
    count = max(1, min(units, MOST_VALUES // ((bottom - top) * (right - left) * read.shape[3])))
    # Nothing is computed but the one place that is asked about, from what it reads.
    window = (None, (row, row + 1), (column, column + 1), None)
    cropped = crop(read.function, (count, *read.shape[1:]), window)
    _ = cropped.constants  # computed now, not while it is traced
    linear = Linear(cropped, cropped.shape)

    def responses(constants: Any, maps: Maps, first: Any) -> Float[Array, " image"]:
        # Image i is read by unit first + i: one pass backward gives the weights of as many units as there are images.
        mine = linear.apply(constants, maps)[:, 0, 0]
        return jnp.take_along_axis(mine, jnp.minimum(first + jnp.arange(count), units - 1)[:, None], axis=1)[:, 0]

    def gradient(
        constants: Any, origin: Maps, maps: Maps, first: Any
    ) -> tuple[Maps, Float[Array, " image"], Float[Array, " image"]]:
        weights = jax.grad(lambda x: jnp.sum(responses(constants, x, first)))(origin)
        gained = responses(constants, maps, first) - responses(constants, origin, first)
        return weights, gained, jnp.sum(weights * maps, axis=(1, 2, 3))

    # The origin is an argument, too: as a constant, all that follows from it would be computed by the compiler.
    origin = jnp.zeros(cropped.shape)
    maps = jax.random.normal(jax.random.key(0), origin.shape)
    program = compiled(gradient, linear.constants, origin, maps, jnp.int32(0))
    found = []
    for first in range(0, units, count):
        weights, gained, predicted = program(linear.constants, origin, maps, jnp.int32(first))
        if not np.allclose(gained, predicted, rtol=ROUNDING, atol=ROUNDING * float(np.abs(predicted).max())):
            raise NetError(
                f"what leads to layer {read.owner} cannot be made linear: wanted convolutions, sums, batch norms, "
                "ReLUs and pools, and no gate, softmax or other curve. Ask for weights from a later layer."
            )
        found.append(np.asarray(weights[: units - first]))
    every = np.concatenate(found)
    return _without_border(every) if linear.divides else every


def _without_border(weights: Float[np.ndarray, "unit y x source"]) -> Float[np.ndarray, "unit _ _ source"]:
    """Returns weights without what lies around them all, on each side alike: there only a divisor reads."""
    used = np.asarray((weights != 0).any(axis=(0, 3)))
    lines = [line for axis in (0, 1) for line in (np.any(used, axis=axis), np.any(used, axis=axis)[::-1])]
    border = min(int(np.argmax(line)) for line in lines)
    return weights[:, border : weights.shape[1] - border, border : weights.shape[2] - border]


_MIXING = {"conv_general_dilated", "dot_general"}
_POOLS = {"reduce_window_max", "reduce_window_sum"}


def _mixes(net: Net, source: str, layer: str) -> bool:
    """Says whether a layer is a function of another one, and reads several of its units at once."""
    return bool(_operations(net, source, layer) & _MIXING)


def _operations(net: Net, source: str, layer: str) -> set[str]:
    """Returns what happens between two layers; nothing if the later one is no function of the earlier."""
    if net.also_reads((source,), layer):
        return set()
    channels = len(net.unit_names(source))
    for side in SIDES:
        try:
            trace = Trace(net.between(source, layer), jax.ShapeDtypeStruct((1, side, side, channels), jnp.float32))
        except ImageError:  # too small for a layer
            continue
        live = _live(trace)
        return {
            op.primitive.name
            for op in trace.ops
            if not live.isdisjoint(op.makes) and op.params.get("feature_group_count", 1) in (1, None)
        }
    return set()


def _live(trace: Trace) -> set[int]:
    """Returns the values that hang on the maps."""
    live = {trace.image}
    for op in trace.ops:
        if not live.isdisjoint(op.reads):
            live.update(op.makes)
    return live


def _centred(count: int) -> Float[np.ndarray, " place"]:
    return np.arange(count) - (count - 1) / 2
