"""An ONNX graph bound to JAX: its steps in order, how to run them, and what each layer sees of the image."""

import collections
import dataclasses
import functools
from collections.abc import Callable, Container, Iterable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from circuitkit.errors import ImageError, NetError
from circuitkit.nets.onnx_bind import OPS, NodeReader, Op, Sight, bind
from circuitkit.nets.onnx_graph import Graph, Node
from circuitkit.nets.onnx_ops import Value, hold, onnx_shape
from circuitkit.receptive_field import Pair, ReceptiveField

# The batch that a graph is checked with: a prime that no net has as a size, so a graph that moves it shows.
PROBE_BATCH = 1009
# Where a file leaves its image size open.
USUAL_SIZE = 224


class _UnfitError(Exception):
    """Values that a step cannot take; the caller knows whose fault it is."""


@dataclasses.dataclass(frozen=True)
class OnnxLayer:
    """A map that a net makes on its way.

    Attributes:
        name: Name of its tensor in the file.
        channels: Number of its channels.
        size: Its rows and columns, for images of the net's `image_size`.
        field: What one unit sees, for images of that size; None if it sees the whole image (after a global pool).
    """

    name: str
    channels: int
    size: Pair
    field: ReceptiveField | None


@dataclasses.dataclass(frozen=True)
class Step:
    """One node of the graph, ready to run.

    Attributes:
        node: Its own name, often empty.
        op: Its operator.
        reads: Names of the values it takes.
        makes: Name of the value it makes.
        does: The operator with its options.
    """

    node: str
    op: str
    reads: tuple[str, ...]
    makes: str
    does: Op

    def __str__(self) -> str:
        return f"{self.op} that makes {self.makes!r}"


@dataclasses.dataclass(frozen=True)
class Program:
    """The steps from images to outputs.

    Attributes:
        owner: The net, for messages.
        image: Name of the tensor that the images enter by.
        channels: Channels of the images.
        outputs: Names of the tensors that the file returns.
        steps: What happens, in order.
        activations: Names of all tensors that depend on the images.
    """

    owner: str
    image: str
    channels: int
    outputs: tuple[str, ...]
    steps: tuple[Step, ...]
    activations: frozenset[str]

    def run(
        self,
        weights: Mapping[str, Value],
        wanted: Sequence[str],
        images: Float[Array, "batch h w channel"] | None = None,
        given: Mapping[str, Value] | None = None,
    ) -> dict[str, Value]:
        """Returns the tensors `wanted`, held as `onnx_ops` holds them, and computes no more than they need.

        Args:
            weights: The net's weights.
            wanted: Names of tensors.
            images: What the net is shown.
            given: Values of tensors to go on from, in place of what the images would make of them.

        Raises:
            ImageError: If a step cannot take what images of this size become.
        """
        values = {**({} if images is None else {self.image: images}), **(given or {})}
        for step in self._needed(wanted, given or {}):
            args = [values[name] if name in values else hold(weights[name]) for name in step.reads]
            try:
                values[step.makes] = _run_step(step, *args)
            except _UnfitError as error:
                raise ImageError(
                    f"{self.owner}: {error} Give images of the file's own size, or ask for layers before it."
                ) from error
        return {name: values[name] if name in values else hold(weights[name]) for name in wanted}

    def layers(self, weights: Mapping[str, Value], image_size: Pair) -> dict[str, OnnxLayer]:
        """Returns every map that images of `image_size` become, by tensor name, in order.

        Steps that cannot take images of this size (as a rule the head's) are left out.

        Raises:
            NetError: If the graph joins maps that see the image through different strides.
        """
        shapes = {name: _held_shape(weight) for name, weight in weights.items()}
        shapes[self.image] = jax.ShapeDtypeStruct((1, *image_size, self.channels), jnp.float32)
        fields: dict[str, ReceptiveField | None] = {self.image: ReceptiveField()}
        layers = {}
        for step in self.steps:
            if not all(name in shapes for name in step.reads):
                continue
            try:
                shapes[step.makes] = shape = _step_shape(step, shapes)
            except _UnfitError:
                continue
            if any(name in fields for name in step.reads) and step.does.sight is not Sight.NO_MAP:
                fields[step.makes] = field = self._field(step, shapes, fields)
                if len(shape.shape) == 4:
                    _, rows, columns, channels = shape.shape
                    layers[step.makes] = OnnxLayer(step.makes, channels, (rows, columns), field)
        return layers

    def also_reads(self, given: Sequence[str], wanted: str) -> tuple[str, ...]:
        """Returns what has to be given besides some tensors for one to be known; nothing if it follows from them."""
        live = set(given)
        for step in self.steps:
            if not live.isdisjoint(step.reads):
                live.add(step.makes)
        if wanted not in live:
            return (self.image,)
        read = [name for step in self._needed([wanted], given) if step.makes in live for name in step.reads]
        return tuple(dict.fromkeys(name for name in read if name in self.activations and name not in live))

    def _needed(self, wanted: Iterable[str], given: Container[str] = ()) -> list[Step]:
        """Returns the steps that lead to the tensors `wanted`, in order, from those that are given."""
        needed, steps = set(wanted), []
        for step in reversed(self.steps):
            if step.makes in needed and step.makes not in given:
                needed.update(step.reads)
                steps.append(step)
        return steps[::-1]

    def _field(
        self,
        step: Step,
        shapes: Mapping[str, jax.ShapeDtypeStruct],
        fields: Mapping[str, ReceptiveField | None],
    ) -> ReceptiveField | None:
        """Returns what a unit of the step's result sees, None for the whole image."""
        read = [name for name in step.reads if name in self.activations]
        below = [field for name in read if (field := fields.get(name)) is not None]
        sizes = {onnx_shape(shapes[name].shape)[-2:] for name in read}
        window = step.does.sight
        # Maps of different sizes meet only where one is spread over the other, as the gate of a channel is.
        if len(below) < len(read) or len(sizes) > 1 or isinstance(window, Sight):
            return None
        try:
            field = functools.reduce(ReceptiveField.merged, below)
        except NetError as error:
            raise NetError(f"{self.owner}: in the {step}, {error}") from error
        rows, columns = next(iter(sizes))
        (above, _), (left, _) = window.padding((rows, columns))
        return field.through(kernel=window.kernel, stride=window.strides, pad=(above, left), dilation=window.dilations)


def bind_graph(graph: Graph, *, owner: str) -> tuple[Program, dict[str, Value], Pair]:
    """Returns the graph as a program, the weights it reads, and the image size it was made for.

    Args:
        graph: What the file says.
        owner: The net, for messages.

    Raises:
        NetError: If the graph has operators, options or weights that cannot be run, or mixes images of a batch.
    """
    _check_ops(graph.nodes, owner)
    batch, channels, rows, columns = (n or 0 for n in graph.image_shape)
    size = (rows or USUAL_SIZE, columns or USUAL_SIZE)
    shapes = {name: _held_shape(value) for name, value in graph.constants.items()}
    shapes[graph.image] = jax.ShapeDtypeStruct((PROBE_BATCH, *size, channels), jnp.float32)
    steps: list[Step] = []
    activations = {graph.image}
    for node in graph.nodes:
        read = [name for name in node.reads if name]
        if unmade := [name for name in read if name not in shapes]:
            raise NetError(f"{owner}: {_described(node)} reads {unmade[0]!r}, which no supported node makes.")
        if node.op == "Transpose" and graph.image in read:
            raise NetError(
                f"{owner}: a Transpose turns the images themselves, so they are wanted channels last. "
                "Export the net with images of (batch, channels, rows, columns)."
            )
        live = not activations.isdisjoint(read)
        reader = NodeReader(
            node,
            opset=graph.opset,
            owner=f"{owner}: {_described(node)}",
            shapes=[onnx_shape(shapes[name].shape) if name else () for name in node.reads],
            constants={i: graph.constants[name] for i, name in enumerate(node.reads) if name in graph.constants},
            batch=frozenset({batch} - {0}) if live else None,
        )
        does = bind(reader)
        reads = tuple(name for i, name in enumerate(node.reads) if name and i not in reader.used)
        step = Step(node.name, node.op, reads, node.makes[0], does)
        for name in reads:
            if shapes[name].dtype != jnp.float32:
                raise NetError(
                    f"{owner}: {_described(node)} reads {name!r} of {shapes[name].dtype}; wanted float32. "
                    "Convert the net to float32, without quantization."
                )
        try:
            made = _step_shape(step, shapes)
        except _UnfitError as error:
            raise NetError(f"{owner}: {error} (n is the batch.) Export the net anew, for larger images.") from error
        if live:
            activations.add(step.makes)
            if made.shape[:1] != (PROBE_BATCH,) or PROBE_BATCH in made.shape[1:]:
                raise NetError(
                    f"{owner}: {_described(node)} moves or repeats the batch, so that images would mix. "
                    "Export the net with the batch in front throughout."
                )
        shapes[step.makes] = made
        steps.append(step)
    program = Program(owner, graph.image, channels, graph.outputs, tuple(steps), frozenset(activations))
    return program, _weights(graph, program), size


def _check_ops(nodes: Iterable[Node], owner: str) -> None:
    """Raises one NetError that lists every operator that is not supported."""
    found: dict[str, list[str]] = collections.defaultdict(list)
    for node in nodes:
        if node.op not in OPS:
            found[node.op].append(node.name or node.makes[0])
    if found:
        listed = "; ".join(
            f"{op} ({len(names)} node{'s' * (len(names) > 1)}: {', '.join(map(repr, names[:3]))}"
            f"{', ...' if len(names) > 3 else ''})"
            for op, names in sorted(found.items())
        )
        raise NetError(
            f"{owner} uses {len(found)} operator{'s' * (len(found) > 1)} that circuitkit does not run: {listed}. "
            f"It runs {', '.join(OPS)}. Simplify the graph (onnxsim folds shape arithmetic), or cut it before them."
        )


def _weights(graph: Graph, program: Program) -> dict[str, Value]:
    """Returns the constants that the program reads while it runs, in the file's order."""
    read = {name for step in program.steps for name in step.reads}
    weights = {}
    for name, value in graph.constants.items():
        if name not in read:
            continue
        if not np.isfinite(value).all():
            raise NetError(
                f"{program.owner}: weight {name!r} of shape {value.shape} holds {int((~np.isfinite(value)).sum())} "
                "values that are NaN or infinite; wanted finite numbers. Download the file again, or train anew."
            )
        weights[name] = jnp.asarray(value)
    return weights


def _run_step(step: Step, *values: Value) -> Value:
    """Returns what the step makes of its values."""
    shapes = " and ".join(str(onnx_shape(value.shape)) for value in values).replace(str(PROBE_BATCH), "n")
    try:
        result = step.does.run(*values)
    except (TypeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise _UnfitError(f"the {step} cannot take values of shape {shapes}: {reason}.") from error
    if 0 in result.shape[1:]:
        raise _UnfitError(f"the {step} leaves nothing of values of shape {shapes}.")
    return result


def _step_shape(step: Step, shapes: Mapping[str, jax.ShapeDtypeStruct]) -> jax.ShapeDtypeStruct:
    """Returns the held shape of what the step makes."""
    run: Callable[..., Value] = functools.partial(_run_step, step)
    return jax.eval_shape(run, *(shapes[name] for name in step.reads))


def _held_shape(value: np.ndarray | Value) -> jax.ShapeDtypeStruct:
    """Returns shape and type of a value of the file, as we hold it."""
    shape = value.shape
    if len(shape) == 4:
        shape = (shape[0], shape[2], shape[3], shape[1])
    return jax.ShapeDtypeStruct(shape, value.dtype)


def _described(node: Node) -> str:
    """Returns the node for a message."""
    return f"{node.op} node {node.name or node.makes[0]!r}"
