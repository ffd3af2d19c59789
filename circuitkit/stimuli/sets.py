"""Labelled sets: stimuli in an order, each with all its parameters; nothing is drawn until it is needed.

>>> from circuitkit.stimuli import Curve, Line, Normal, Uniform
>>> grid(Curve(width=2), angle=turn(4), radius=log(10, 40, 3))
Grid of 12 stimuli: Curve(), angle 0 to 270 (4), radius 10 to 40 (3)
>>> sample(Line(), 1000, seed=7, angle=Uniform(0, 180), x=Normal(0, 2))
Sample of 1000 stimuli: Line(), angle from Uniform(0, 180), x from Normal(0, 2); seed 7

A grid has all combinations of the values of some parameters; a sample draws values from distributions. Both are known
from their definition alone: the same definition gives the same images, to the bit, however they are cut into
chunks. For that, images are drawn in *blocks* of a fixed shape that start at fixed indices, and chunks are cut from
blocks: how a compiler rounds may depend on the shape of what it compiles.
"""

import abc
import dataclasses
import functools
import math
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, overload

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Bool, Float, Int

from circuitkit import checks
from circuitkit.compiling import compiled_drawing
from circuitkit.errors import StimulusError
from circuitkit.stimuli.distributions import Choice, Distribution
from circuitkit.stimuli.parameter import Colour, Values
from circuitkit.stimuli.render import FAST, Renderer
from circuitkit.stimuli.stimulus import Image, Stimulus

Items = Any
"""What a set needs to draw some of its stimuli: a pytree of arrays, the first axis of each the stimulus."""

Indices = Int[np.ndarray, " stimulus"]

Coordinate: TypeAlias = Sequence[Any] | np.ndarray
"""The values of one coordinate of xarray."""

Which: TypeAlias = slice | Sequence[int] | Int[np.ndarray, " _"] | Bool[np.ndarray, " _"] | pd.Series
"""Some of a set: a slice, indices, or a True or False for each."""


@dataclasses.dataclass(frozen=True, eq=False)
class Chunk:
    """Some stimuli of a set, drawn.

    Attributes:
        whole: The set.
        start: Index of the first.
        images: Values -1 to 1.
    """

    whole: "LabelledSet"
    start: int
    images: Float[np.ndarray, "stimulus h w channel"]

    @functools.cached_property
    def parameters(self) -> pd.DataFrame:
        """A row for each image, indexed as the set is."""
        return self.whole.table(range(self.start, self.start + len(self.images)))


class LabelledSet(abc.ABC):
    """Stimuli in an order, each with all its parameters.

    Attributes:
        stimulus: What is drawn, and the parameters that stay.
    """

    stimulus: Stimulus

    @property
    @abc.abstractmethod
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions; the last varies fastest."""

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Number of values along each dimension."""

    @property
    @abc.abstractmethod
    def coords(self) -> dict[str, tuple[str, Coordinate]]:
        """What varies: the dimension and the values of each varying parameter, as xarray takes coordinates."""

    @abc.abstractmethod
    def varying(self, indices: Indices) -> dict[str, Values]:
        """Returns the values of the parameters that vary, for some stimuli."""

    def items(self, indices: Indices) -> Items:
        """Returns what `draw` needs for some stimuli."""
        return {name: values.astype(np.float32) for name, values in self.varying(indices).items()}

    def draw(
        self,
        item: Items,
        height: int,
        width: int,
        *,
        anchor: tuple[float, float] | None = None,
        renderer: Renderer = FAST,
    ) -> Image:
        """Draws one stimulus from its item, which may be traced."""
        return self.shown(item).draw(height, width, anchor=anchor, renderer=renderer)

    def shown(self, item: Items) -> Stimulus:
        """Returns one stimulus from its item, which may be traced."""
        return self.stimulus.with_values(item)

    def stimulus_at(self, index: int) -> Stimulus:
        """Returns one stimulus, with all its parameters."""
        values = self.varying(np.array([index]))
        return self.stimulus.with_values({name: _plain(given[0]) for name, given in values.items()})

    def __len__(self) -> int:
        return math.prod(self.shape)

    @overload
    def __getitem__(self, key: int) -> Stimulus: ...
    @overload
    def __getitem__(self, key: Which) -> "Subset": ...
    def __getitem__(self, key: int | Which) -> "Stimulus | Subset":
        if isinstance(key, int | np.integer):
            if not -len(self) <= key < len(self):
                raise IndexError(f"there is no stimulus {key}: the set has {len(self)}, counted from 0.")
            return self.stimulus_at(int(key) % len(self))
        return Subset(self, tuple(places(len(self), key).tolist()))

    def __iter__(self) -> Iterator[Stimulus]:
        return (self.stimulus_at(index) for index in range(len(self)))

    def table(self, indices: Iterable[int] | None = None) -> pd.DataFrame:
        """Returns every parameter of every stimulus, or of some: a row each. Colours have three columns.

        Args:
            indices: Which stimuli; all if left out.
        """
        wanted = np.fromiter(range(len(self)) if indices is None else indices, int)
        if not len(wanted):
            return pd.DataFrame(index=pd.Index(wanted, name="stimulus"))
        # The first stimulus says which columns there are, and what stays the same in all of them.
        columns: dict[str, Any] = dict(flat(self.stimulus_at(int(wanted[0]))))
        for name, values in self.varying(wanted).items():
            if values.ndim == 1:
                columns[name] = values
            else:
                columns |= {f"{name}.{channel}": values[:, place] for place, channel in enumerate(CHANNELS)}
        return pd.DataFrame(columns, index=pd.Index(wanted, name="stimulus"))

    def chunks(
        self,
        height: int,
        width: int | None = None,
        *,
        chunk: int | None = None,
        renderer: Renderer = FAST,
        start: int = 0,
    ) -> Iterator[Chunk]:
        """Draws the stimuli in order, a chunk at a time, each anchored at the centre of its image.

        Args:
            height: Of the images, in pixels.
            width: Of the images, in pixels; `height` if left out.
            chunk: Stimuli at a time; as many as stay in the cache if left out. It changes no image.
            renderer: `FAST`, `EXACT`, or one with `samples` of your own.
            start: Index of the first stimulus that is wanted.

        Raises:
            SpecError: If a size or `chunk` is no whole number above 0.
        """
        width = height if width is None else width
        for name, value in (("height", height), ("width", width), ("chunk", chunk)):
            if value is not None:
                checks.whole("chunks", name, value)
        return self._chunks(height, width, chunk, renderer, start)

    def _chunks(self, height: int, width: int, chunk: int | None, renderer: Renderer, start: int) -> Iterator[Chunk]:
        block = block_size(height, width, renderer)
        chunk = block if chunk is None else chunk
        drawing = self._drawing(height, width, renderer)
        held: tuple[int, Any] = (-1, None)

        def images(first: int, last: int) -> Iterator[Any]:
            nonlocal held
            for number in range(first // block, (last - 1) // block + 1):
                if held[0] != number:
                    # The last block is filled up with the last stimulus: one shape, one compile.
                    indices = np.minimum(np.arange(number * block, (number + 1) * block), len(self) - 1)
                    held = number, np.asarray(drawing(self.items(indices)))
                yield held[1][max(first - number * block, 0) : last - number * block]

        for first in range(start, len(self), chunk):
            last = min(first + chunk, len(self))
            drawn = list(images(first, last))
            yield Chunk(self, first, drawn[0] if len(drawn) == 1 else np.concatenate(drawn))

    def images(
        self, height: int, width: int | None = None, *, renderer: Renderer = FAST
    ) -> Float[np.ndarray, "stimulus h w channel"]:
        """Draws all of them, anchored at the centre of the image.

        Raises:
            StimulusError: If they do not fit into memory.
        """
        width = height if width is None else width
        size, memory = 4 * len(self) * height * width * self.channels(), _memory()
        if size > memory:
            raise StimulusError(
                f"{len(self)} images of {height}x{width} pixels take {size / 2**30:.1f} GiB, and there are "
                f"{memory / 2**30:.1f} GiB of memory: take them a chunk at a time, with chunks({height}, {width})."
            )
        return np.concatenate([drawn.images for drawn in self._chunks(height, width, None, renderer, 0)])

    def channels(self) -> int:
        """Returns how many channels the images have: 1 (grey) or 3 (RGB)."""
        return self._channels

    @functools.cached_property
    def _channels(self) -> int:
        first = jax.tree.map(lambda leaf: leaf[0], self.items(np.zeros(1, int)))
        return jax.eval_shape(lambda item: self.draw(item, 1, 1), first).shape[-1]

    def _drawing(self, height: int, width: int, renderer: Renderer) -> Callable[[Items], Float[Array, "n h w channel"]]:
        # Prepared once for each set and shape, and dropped with the set; compiled once for all sets of a kind.
        prepared = self.__dict__.setdefault("_prepared", {})

        def draw(items: Items) -> Float[Array, "n h w channel"]:
            key = (height, width, renderer, *map(np.shape, jax.tree.leaves(items)))
            if key not in prepared:
                each = jax.vmap(lambda item: self.draw(item, height, width, renderer=renderer))
                prepared[key] = compiled_drawing(each, items)
            return prepared[key](items)

        return draw


def block_size(height: int, width: int, renderer: Renderer) -> int:
    """Returns how many images are drawn at once.

    Results and temporaries of more than 32 MiB are fresh memory at every call, each page a fault, and several times
    slower; the heaviest kind keeps 29 images on the way for each that it draws exactly. See benchmarks/stimuli.
    """
    pixels = 2**17 if renderer.samples > 1 else 2**18 if renderer.exact else 2**20
    return max(1, min(1024, pixels // (height * width * renderer.samples**2)))


@dataclasses.dataclass(frozen=True, eq=False)
class Axis:
    """One dimension of a grid: a parameter and its values, or several parameters that vary together.

    Attributes:
        values: The values of each parameter, equally many; the first names the dimension.
    """

    values: Mapping[str, Values]

    @property
    def name(self) -> str:
        """The dimension."""
        return next(iter(self.values))

    def __len__(self) -> int:
        return len(self.values[self.name])


def zipped(**parameters: Iterable[Colour]) -> dict[str, list[Colour]]:
    """Returns an axis along which several parameters vary together.

    >>> from circuitkit.stimuli import Curve
    >>> len(grid(Curve(), zipped(radius=(10, 20), width=(2, 4)), angle=turn(4)))
    8

    Raises:
        StimulusError: If there are not equally many values of each.
    """
    values = {name: list(given) for name, given in parameters.items()}
    counts = {name: len(given) for name, given in values.items()}
    if len(set(counts.values())) != 1:
        raise StimulusError(f"zipped got {counts or 'no'} values: wanted equally many of at least one parameter.")
    return values


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Grid(LabelledSet):
    """All combinations of some parameters of a stimulus.

    Attributes:
        stimulus: What is drawn, and the parameters that stay.
        axes: What varies, the last fastest.
    """

    stimulus: Stimulus
    axes: tuple[Axis, ...]

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the axes."""
        return tuple(axis.name for axis in self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values along each axis."""
        return tuple(len(axis) for axis in self.axes)

    @property
    def coords(self) -> dict[str, tuple[str, Coordinate]]:
        """The values of each parameter that varies; colours as text."""
        return {name: (axis.name, labels(given)) for axis in self.axes for name, given in axis.values.items()}

    def varying(self, indices: Indices) -> dict[str, Values]:
        """Returns the values along the axes, for some stimuli."""
        places = np.unravel_index(indices, self.shape)
        return {
            name: given[place]
            for axis, place in zip(self.axes, places, strict=True)
            for name, given in axis.values.items()
        }

    def __repr__(self) -> str:
        axes = [
            f"{name} {given[0]:g} to {given[-1]:g} ({len(given)})" if given.ndim == 1 else f"{name} ({len(given)})"
            for axis in self.axes
            for name, given in axis.values.items()
        ]
        return f"Grid of {len(self)} stimuli: {', '.join([repr(self.stimulus), *axes])}"


def grid(stimulus: Stimulus, *together: Mapping[str, Iterable[Colour]], **axes: Iterable[Colour]) -> Grid:
    """Returns the grid of all combinations of the values given.

    Args:
        stimulus: What to draw, with the parameters that stay.
        *together: Parameters that vary together along one axis; see `zipped`. They come before the others.
        **axes: Parameters of the stimulus, each with its values: numbers, or colours. Parameters of a part have a
            dot in their name, and come as a dictionary: `grid(stimulus, {"texture.wavelength": (4, 8)})`.

    Raises:
        UnknownNameError: If the stimulus has no such parameter.
        StimulusError: If there is no axis, an axis is empty, or a value cannot be drawn.
    """
    given = [*together, *({name: values} for name, values in axes.items())]
    made = []
    seen: set[str] = set()
    for group in given:
        values = {name: _values(stimulus, name, each) for name, each in zipped(**group).items()}
        if twice := seen & set(values):
            raise StimulusError(f"parameter {min(twice)!r} is on two axes of the grid: name it once.")
        seen |= set(values)
        made.append(Axis(values))
    if not made:
        known = ", ".join(field.name for field in dataclasses.fields(stimulus))
        raise StimulusError(f"the grid has no axis: name a parameter to vary, one of {known}.")
    return Grid(stimulus, tuple(made))


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Sample(LabelledSet):
    """Stimuli with parameters drawn at random.

    Each value follows from the seed, the name of its parameter and the index of its stimulus alone, so a longer
    sample starts with the shorter one, and one more parameter leaves the others as they were.

    Attributes:
        stimulus: What is drawn, and the parameters that stay. Its `seed` is the index of each stimulus, unless it
            is drawn as well, so that no two have the same noise.
        count: Number of stimuli.
        distributions: Of each parameter that varies.
        seed: Another seed, another sample.
    """

    stimulus: Stimulus
    count: int
    distributions: Mapping[str, Distribution]
    seed: int

    @property
    def dims(self) -> tuple[str, ...]:
        """One dimension, the stimulus."""
        return ("stimulus",)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of stimuli."""
        return (self.count,)

    @property
    def coords(self) -> dict[str, tuple[str, Coordinate]]:
        """The values of each parameter that varies; colours as text."""
        drawn = self.varying(np.arange(self.count))
        return {"stimulus": ("stimulus", np.arange(self.count))} | {
            name: ("stimulus", given if given.ndim == 1 else labels(given))
            for name, given in drawn.items()
            if name in self.distributions
        }

    def varying(self, indices: Indices) -> dict[str, Values]:
        """Returns the values drawn, for some stimuli."""
        drawn: dict[str, Values] = {} if "seed" in self.distributions else {"seed": indices.astype(float)}
        # Filled up to a power of two, so that few lengths are compiled.
        filled = np.resize(indices, max(1024, 1 << (len(indices) - 1).bit_length()))
        for name, distribution in self.distributions.items():
            # Seed and stream are arguments as well: one program draws every parameter.
            stream, seed = np.uint32(zlib.crc32(name.encode())), np.uint32(self.seed % 2**32)
            bits = np.asarray(_bits(seed, stream, jnp.asarray(filled, jnp.uint32)))[: len(indices)]
            # Half a step up, so that no quantile is infinite. The arithmetic is float64, then rounded once.
            drawn[name] = distribution.values((bits.astype(float) + 0.5) / 2.0**32).astype(np.float32).astype(float)
        return drawn

    def __repr__(self) -> str:
        drawn = [f"{name} from {distribution!r}" for name, distribution in self.distributions.items()]
        return f"Sample of {self.count} stimuli: {', '.join([repr(self.stimulus), *drawn])}; seed {self.seed}"


def sample(stimulus: Stimulus, count: int, *, seed: int, **distributions: Distribution) -> Sample:
    """Returns stimuli with parameters drawn at random.

    Args:
        stimulus: What to draw, with the parameters that stay.
        count: Number of stimuli.
        seed: Another seed, another sample.
        **distributions: Where the values of each parameter come from: `Uniform`, `LogUniform`, `Normal`, `Choice`.

    Raises:
        UnknownNameError: If the stimulus has no such parameter.
        StimulusError: If a distribution has values that cannot be drawn.
    """
    checks.whole("sample", "count", count)
    checks.whole("sample", "seed", seed, at_least=0)
    for name, distribution in distributions.items():
        if not isinstance(distribution, Distribution):
            raise StimulusError(f"sample got {name}={distribution!r}: wanted a distribution, such as Uniform(0, 360).")
        # The ends say whether all that lies between can be drawn: every bound of a parameter is an interval.
        ends = distribution.values(np.array([0.5, 2.0**32 - 0.5]) / 2.0**32)
        _values(stimulus, name, [_plain(end) for end in ends])
        if isinstance(distribution, Choice):
            _values(stimulus, name, distribution.options)
    return Sample(stimulus, count, dict(distributions), seed)


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Subset(LabelledSet):
    """Some stimuli of a set, in an order of their own.

    Attributes:
        whole: The set.
        indices: Which of it.
    """

    whole: LabelledSet
    indices: tuple[int, ...]

    @property
    def dims(self) -> tuple[str, ...]:
        """One dimension, the stimulus."""
        return ("stimulus",)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of stimuli."""
        return (len(self.indices),)

    @property
    def coords(self) -> dict[str, tuple[str, Coordinate]]:
        """The index of each stimulus in the whole set."""
        return {"stimulus": ("stimulus", list(self.indices))}

    @property
    def stimulus(self) -> Stimulus:  # type: ignore[override]
        """What is drawn, and the parameters that stay."""
        return self.whole.stimulus

    def varying(self, indices: Indices) -> dict[str, Values]:
        """Returns the values of the parameters that vary, for some stimuli."""
        return self.whole.varying(self._places[indices])

    def __repr__(self) -> str:
        return f"{len(self)} of a {self.whole!r}"

    @functools.cached_property
    def _places(self) -> Indices:
        return np.asarray(self.indices, int)

    def channels(self) -> int:
        """Returns how many channels the images have, as the whole set does."""
        return self.whole.channels()

    def items(self, indices: Indices) -> Items:
        """Returns what `draw` needs for some stimuli."""
        return self.whole.items(self._places[indices])

    def draw(
        self,
        item: Items,
        height: int,
        width: int,
        *,
        anchor: tuple[float, float] | None = None,
        renderer: Renderer = FAST,
    ) -> Image:
        """Draws one stimulus from its item, as the whole set does."""
        return self.whole.draw(item, height, width, anchor=anchor, renderer=renderer)

    def stimulus_at(self, index: int) -> Stimulus:
        """Returns one stimulus, with all its parameters."""
        return self.whole.stimulus_at(self.indices[index])

    def table(self, indices: Iterable[int] | None = None) -> pd.DataFrame:
        """Returns every parameter of every stimulus, or of some, numbered as in this set.

        Args:
            indices: Which stimuli; all if left out.
        """
        wanted = np.fromiter(range(len(self)) if indices is None else indices, int)
        found = self.whole.table(np.asarray(self.indices, int)[wanted].tolist())
        return found.set_axis(pd.Index(wanted, name="stimulus"))


def turn(count: int, *, over: float = 360.0) -> tuple[float, ...]:
    """Returns `count` evenly spaced angles, in degrees, from 0."""
    return tuple(index * over / count for index in range(count))


def log(low: float, high: float, count: int) -> tuple[float, ...]:
    """Returns `count` values from `low` to `high`, both included, each the same factor above the last."""
    if not 0 < low <= high < math.inf:
        raise StimulusError(f"log({low}, {high}, {count}) has no values: wanted 0 < low <= high, both finite.")
    return tuple(float(value) for value in np.geomspace(low, high, count))


def flat(stimulus: Stimulus, prefix: str = "") -> dict[str, float | str]:
    """Returns all parameters of a stimulus by name: colours as three, parts with their own, a dot between."""
    found: dict[str, float | str] = {}
    for field in dataclasses.fields(stimulus):
        name, value = f"{prefix}{field.name}", getattr(stimulus, field.name)
        if isinstance(value, Stimulus):
            found |= {name: type(value).__name__, **flat(value, f"{name}.")}
        elif np.ndim(value) == 1:
            found |= {f"{name}.{channel}": float(part) for channel, part in zip(CHANNELS, value, strict=True)}
        elif value is not None and np.ndim(value) == 0:  # a picture is no label
            found[name] = float(value)
    return found


def places(count: int, key: Which) -> Indices:
    """Returns which of so many a slice, a list or a mask takes."""
    if not isinstance(key, slice):
        key = np.asarray(key)
        key = key if key.dtype == bool else key.astype(int)
    return np.arange(count)[key]


CHANNELS = ("red", "green", "blue")


def _plain(value: Any) -> Any:
    """Returns a value of an axis as a stimulus keeps it: a float, or a tuple of three."""
    return tuple(float(each) for each in value) if np.ndim(value) else float(value)


def labels(values: Values) -> list[float] | list[str]:
    """Returns the values as labels of results: numbers as they are, colours as '#rrggbb'."""
    if values.ndim == 1:
        return [float(value) for value in values]
    return ["#" + "".join(f"{round(127.5 * (min(max(part, -1), 1) + 1)):02x}" for part in value) for value in values]


def _values(stimulus: Stimulus, name: str, given: Iterable[Colour]) -> Values:
    """Returns the values of one parameter, each tried on the stimulus, whose checks are the stimulus's own."""
    values = list(given)
    if not values:
        raise StimulusError(f"axis {name!r} of the grid is empty: give it at least one value.")
    # Looks repeat the same few values, and to try one makes a whole stimulus.
    tried: dict[str, Any] = {}
    kept = []
    for value in values:
        again = repr(value) if isinstance(value, float | str) or _is_plain_colour(value) else ""
        made = tried[again] if again in tried else _field(stimulus.with_values({name: value}), name)
        kept.append(made)
        if again:
            tried[again] = made
    if any(np.ndim(value) for value in kept):
        kept = [value if np.ndim(value) else (value, value, value) for value in kept]
    try:
        return np.asarray(kept, float)
    except (TypeError, ValueError):
        raise StimulusError(f"axis {name!r} of the grid has values {values}: wanted numbers or colours.") from None


def _is_plain_colour(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(part, float) for part in value)


def _field(stimulus: Stimulus, name: str) -> Any:
    return functools.reduce(getattr, name.split("."), stimulus)


@jax.jit
def _bits(seed: Any, stream: Any, indices: Array) -> Array:
    key = jax.random.fold_in(jax.random.key(seed), stream)
    return jax.vmap(lambda index: jax.random.bits(jax.random.fold_in(key, index), dtype=jnp.uint32))(indices)


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
