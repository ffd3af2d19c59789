"""`circuitkit stimuli`: draw stimuli with known parameters, and write them as a labelled set."""

import argparse
import dataclasses
import inspect
import math
import re
import sys
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from circuitkit.errors import StimulusError, unknown_name
from circuitkit.stimuli import (
    CATALOGUE,
    Choice,
    LabelledSet,
    LogUniform,
    Normal,
    Picture,
    Renderer,
    Stimulus,
    Uniform,
    export,
    grid,
    log,
    sample,
    zipped,
)
from circuitkit.stimuli.distributions import Distribution
from circuitkit.stimuli.parameter import Parameter, from_hex, parameters
from circuitkit.stimuli.photographs import Photograph
from circuitkit.stimuli.text import from_json
from circuitkit.viz.sheet import contact_sheet
from circuitkit.viz.style import to_png

Value = Any
"""What an option gives one parameter: a number, a colour, a picture."""

VALUES = """\
values of a parameter:
  20                one value, for all stimuli
  8,16,32           several: an axis of the grid; of two axes, the later one varies faster
  0:360:10          from 0 in steps of 10, and 360 itself left out, as in Python: a full turn once
  0:20:lin5         5 values evenly spaced, both ends included: 0, 5, 10, 15, 20
  8:60:log12        12 values, each the same factor above the last, both ends included
  inf               infinity, where it has a meaning
  '#ff8800'         a colour (quoted, or the shell takes it for a comment); a number is a grey
values with --sample (quoted, because of the brackets):
  'uniform(0,360)'  every value alike                  'log(8,60)'      every factor alike
  'normal(0,2)'     mean and standard deviation, and   'choice(1,-1)'   one of these, each as likely
                    two more numbers to cut it off"""

DISTRIBUTIONS: dict[str, type[Distribution]] = {
    "uniform": Uniform,
    "log": LogUniform,
    "normal": Normal,
    "choice": Choice,
}


def add_to(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "stimuli",
        help="draw stimuli with known parameters, and write them as a labelled set",
        usage="circuitkit stimuli KIND [options]\n       circuitkit stimuli SET.json [options]",
        description=(
            "Draws a grid or a random sample of stimuli and writes the images with all their parameters:\n"
            "a folder of PNG files with a table, or one file for NumPy or xarray.\n"
            "An interrupted command goes on where it was."
        ),
        epilog=f"{_listing()}\n\n"
        "Example:    circuitkit stimuli curve --radius 8:60:log12 --angle 0:360:10 --out curves\n"
        "Options:    circuitkit stimuli KIND --help",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kind", metavar="KIND", help="what to draw (below), or a .json file with a set that was saved")
    # The options depend on the kind, and those of its parts on the parts.
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, console: Console) -> None:
    """Draws and writes."""
    began = time.perf_counter()
    stimuli, chosen = read(options.kind, options.rest)
    size, renderer = _size(chosen.size), Renderer(exact=chosen.exact, samples=_whole("--samples", chosen.samples))
    out = Path(chosen.out).absolute()
    written = []
    if not chosen.preview:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn()
        try:
            with Progress(*columns, console=console) as bars:
                drawing = bars.add_task("stimuli", total=len(stimuli))
                export.save(
                    stimuli,
                    out,
                    size,
                    format=chosen.format,
                    renderer=renderer,
                    progress=lambda done, _: bars.update(drawing, completed=done),
                    overwrite=chosen.overwrite,
                )
                bars.update(drawing, completed=len(stimuli))
        except KeyboardInterrupt:
            console.print("The same command goes on where this one was.")
            raise
        written.append(f"{len(stimuli)} images of {size[0]}x{size[1]} pixels in {out}")
    # Not inside the folder, where it would pass for one of the images.
    sheet = out.with_name(f"{out.name}_sheet.png")
    try:
        sheet.parent.mkdir(parents=True, exist_ok=True)
        sheet.write_bytes(to_png(contact_sheet(stimuli, size, renderer=renderer)))
    except OSError as error:
        raise StimulusError(f"cannot write {sheet}: {error}. Name another folder with --out.") from None
    written.append(f"{'a preview' if chosen.preview else 'an overview'} in {sheet}")
    took = time.perf_counter() - began
    console.print(f"{', and '.join(written)} ({took:.0f} s)", markup=False)


def read(kind: str, arguments: Sequence[str]) -> tuple[LabelledSet, argparse.Namespace]:
    """Returns the labelled set that a command line describes, and the other options.

    Args:
        kind: Of the stimuli, or a .json file that holds a set.
        arguments: What follows it.

    Raises:
        StimulusError: If a value cannot be read or drawn.
        UnknownNameError: If a kind or an option is misspelt.
    """
    arguments = _joined(arguments)
    if kind.endswith(".json"):
        parser = _Parser(prog=f"circuitkit stimuli {kind}", allow_abbrev=False)
        _add_common(parser)
        chosen = parser.read(arguments)
        try:
            return from_json(Path(kind).read_text(encoding="utf-8")), chosen
        except (OSError, UnicodeDecodeError) as error:
            raise StimulusError(f"the set {kind!r} cannot be read: {error}.") from None
    cls = _class(kind, "circuitkit stimuli")
    parser = parser_of(cls, arguments)
    chosen = parser.read(arguments)
    return _set(cls, chosen), chosen


def parser_of(cls: type[Stimulus], arguments: Sequence[str] = ()) -> "_Parser":
    """Returns the parser of one kind of stimulus.

    Args:
        cls: The kind.
        arguments: The command line, which says of what kind the parts are.
    """
    name = kebab(cls)
    parser = _Parser(
        prog=f"circuitkit stimuli {name}",
        usage=f"circuitkit stimuli {name} [options]",
        description=_about(cls),
        epilog=f"{VALUES}\n\nExample:\n  {example(cls)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_parameters(parser, cls, "", arguments)
    _add_grid(parser)
    _add_common(parser)
    return parser


def example(cls: type[Stimulus]) -> str:
    """Returns a command line that draws a kind of stimulus."""
    parts = ("picture.png",) if cls is Picture else ("disc", "bar")
    needed = "".join(f" --{name} {part}" for name, part in zip(_required(cls), parts, strict=False))
    return f"circuitkit stimuli {kebab(cls)}{needed} --angle 0:360:30 --polarity 1,-1 --out {kebab(cls)}s"


def kebab(cls: type[Stimulus]) -> str:
    """Returns what a kind of stimulus is called on the command line.

    >>> from circuitkit.stimuli import SquareGrating
    >>> kebab(SquareGrating)
    'square-grating'
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", cls.__name__).lower()


def kinds() -> dict[str, type[Stimulus]]:
    """Returns every kind of stimulus by its name; not photographs, which have no parameters that say what they show."""
    return {kebab(cls): cls for cls in CATALOGUE.values() if cls is not Photograph}


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are circuitkit's own."""

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Returns the options, or names the one that is misspelt."""
        chosen, unknown = self.parse_known_args(arguments)
        if unknown:
            wrong = next((each for each in unknown if each.startswith("-")), None)
            if wrong is None:
                raise StimulusError(f"{self.prog} got {unknown[0]!r}, which belongs to no option.")
            known = [option for action in self._actions for option in action.option_strings]
            raise unknown_name("option", wrong.partition("=")[0], known, owner=self.prog)
        return chosen

    def error(self, message: str) -> Any:
        """Raises what argparse has to say."""
        raise StimulusError(f"{self.prog}: {message}.")


class _Rate(ProgressColumn):
    """Images a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.0f}/s", style="progress.data.speed")


def _listing() -> str:
    """Returns all kinds with a line each, by the module they are from."""
    groups: dict[str, list[str]] = {}
    width = max(map(len, kinds()))
    for name, cls in kinds().items():
        line = _about(cls).partition("\n")[0].partition(". ")[0].removesuffix(".")
        groups.setdefault(cls.__module__, []).append(f"  {name:{width}}  {line}")
    titles = {name: (sys.modules[name].__doc__ or name).strip().partition("\n")[0].partition(".")[0] for name in groups}
    return "\n\n".join("\n".join([f"{titles[name]}:", *lines]) for name, lines in groups.items())


def _about(cls: type[Stimulus]) -> str:
    """Returns the docstring of a kind, without its parameters."""
    return inspect.cleandoc(cls.__doc__ or "").partition("\nAttributes:")[0].strip()


def _class(name: str, owner: str) -> type[Stimulus]:
    same = {kind.replace("-", ""): kind for kind in kinds()}
    kind = same.get(re.sub("[-_]", "", name).lower(), name)
    if kind not in kinds():
        raise unknown_name("kind of stimulus", name, kinds(), owner=owner)
    return kinds()[kind]


def _add_parameters(
    parser: argparse.ArgumentParser, cls: type[Stimulus], prefix: str, arguments: Sequence[str]
) -> None:
    """Adds an option for every parameter of a kind, its own ones first, and of the parts that are given."""
    groups: dict[type, Any] = {}
    parts = []
    for field in sorted(dataclasses.fields(cls), key=lambda field: cls.__mro__.index(_home(cls, field.name))):
        parameter: Parameter = field.metadata["parameter"]
        name, home = f"{prefix}{field.name}", _home(cls, field.name)
        if home not in groups:
            whose = f"of the {kebab(cls)}" if home is cls else f"of every {kebab(home).strip('_')}"
            groups[home] = parser.add_argument_group(f"{prefix.rstrip('.')}: {whose}" if prefix else whose)
        flag = _flag(cls, name)
        # Kept in the order they are given in, which is that of the axes: for that, there must be no default.
        groups[home].add_argument(
            flag,
            dest=f".{name}",
            default=argparse.SUPPRESS,
            metavar=_metavar(parameter),
            help=_help(parameter, field.default, required=field.name in _required(cls)),
        )
        if parameter.kind == "part" and (kind := _argument(arguments, flag)):
            parts.append((_class(kind, f"circuitkit stimuli {flag}"), f"{name}."))
    for part, its_prefix in parts:
        _add_parameters(parser, part, its_prefix, arguments)


def _flag(cls: type[Stimulus], name: str) -> str:
    # An image has a size, too.
    return f"--{kebab(cls)}.{name}" if name in COMMON else f"--{name}"


def _home(cls: type, name: str) -> type:
    """Returns the class that has the last word on a parameter."""
    return next(base for base in cls.__mro__ if name in inspect.get_annotations(base))


def _metavar(parameter: Parameter) -> str:
    names = {"colour": "COLOUR", "part": "KIND", "picture": "FILE"}
    return names.get(parameter.kind) or {"pixels": "PIXELS", "degrees": "DEGREES"}.get(parameter.unit, "NUMBER")


def _help(parameter: Parameter, default: Any, *, required: bool) -> str:
    bounds = re.sub(r"^a (finite )?number( of \w+)?,?", "", parameter.wanted).strip()
    notes = [bounds] if parameter.kind == "number" else []
    if required:
        notes.append("required")
    elif default is not None:
        notes.append(f"default: {default:g}" if isinstance(default, float) else f"default: {default}")
    noted = ", ".join(note for note in notes if note)
    return f"{parameter.doc}{f' [{noted}]' if noted else ''}".replace("%", "%%")


def _required(cls: type[Stimulus]) -> list[str]:
    """Returns the parameters that have no default."""
    return [field.name for field in dataclasses.fields(cls) if field.default is dataclasses.MISSING]


def _add_grid(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("grid or sample")
    group.add_argument(
        "--zip",
        action="append",
        default=[],
        metavar="NAME,NAME",
        help="parameters that vary together, along one axis: value by value instead of all combinations",
    )
    group.add_argument(
        "--sample",
        metavar="N",
        help="draw N stimuli at random instead of a grid; --seed then says which sample, and each has noise of its own",
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("images")
    group.add_argument("--size", default="64", metavar="PIXELS", help="side, or HEIGHTxWIDTH: 64x48 [default: 64]")
    group.add_argument("--exact", action="store_true", help="exact areas along straight edges; slower")
    group.add_argument(
        "--samples", default="1", metavar="N", help="squares a side that each pixel is cut into [default: 1]"
    )
    group.add_argument(
        "--format",
        choices=get_args(export.Format),
        help="png: a folder, with metadata.csv; npz: one file for NumPy; zarr: a store for xarray [default: by the "
        "ending of --out, or png]",
    )
    group.add_argument("--out", default="stimuli", metavar="PATH", help="where to write [default: ./stimuli]")
    group.add_argument("--preview", action="store_true", help="only write the overview, PATH_sheet.png")
    group.add_argument("--overwrite", action="store_true", help="replace another set that was saved there")


COMMON = ("size", "exact", "samples", "format", "out", "preview", "overwrite", "zip", "sample", "help")
"""The options that every kind has beside its parameters."""


def _joined(arguments: Sequence[str]) -> list[str]:
    """Joins a value that starts with a minus sign to its option, as argparse wants it."""
    joined: list[str] = []
    for each in arguments:
        if joined and re.match(r"-[\d.i]", each) and re.fullmatch(r"--[\w.]+", joined[-1]):
            joined[-1] += f"={each}"
        else:
            joined.append(each)
    return joined


def _argument(arguments: Sequence[str], flag: str) -> str | None:
    """Returns what is given for an option, before it is parsed."""
    for place, each in enumerate(arguments):
        if each == flag and place + 1 < len(arguments):
            return arguments[place + 1]
        if each.startswith(f"{flag}="):
            return each.partition("=")[2]
    return None


def _set(cls: type[Stimulus], chosen: argparse.Namespace) -> LabelledSet:
    given = {key[1:]: text for key, text in vars(chosen).items() if key.startswith(".")}
    sampled = None if chosen.sample is None else _whole("--sample", chosen.sample)
    seed = 0 if sampled is None else _whole("--seed", given.pop("seed", "0"), at_least=0)
    kinds = _parts(cls, "", given)
    varying: dict[str, list[Value]] = {}
    drawn: dict[str, Distribution] = {}
    fixed: dict[str, Value] = {}
    for name, text in given.items():
        if name in kinds:
            continue
        parameter = _parameter(cls, kinds, name)
        if match := re.fullmatch(r"\s*(\w+)\((.*)\)\s*", text):
            drawn[name] = _distribution(name, match[1], match[2])
        elif len(values := _values(name, parameter, text)) > 1:
            varying[name] = values
        else:
            fixed[name] = values[0]
    stimulus = _made(cls, "", kinds, fixed)
    if sampled is None:
        if drawn:
            name, distribution = next(iter(drawn.items()))
            raise StimulusError(f"--{name} is {distribution!r}, which takes --sample N: how many to draw.")
        return _grid(stimulus, varying, chosen.zip)
    if varying or chosen.zip:
        name = next(iter(varying), None) or "zip"
        raise StimulusError(
            f"--{name} makes a grid, and --sample draws at random: wanted 'choice(...)', or no --sample."
        )
    return sample(stimulus, sampled, seed=seed, **drawn)


def _parts(cls: type[Stimulus], prefix: str, given: dict[str, str]) -> dict[str, type[Stimulus]]:
    """Returns the kind of every part that is given, by its name, and of the parts' parts."""
    found: dict[str, type[Stimulus]] = {}
    for name, parameter in parameters(cls).items():
        if parameter.kind == "part" and f"{prefix}{name}" in given:
            part = _class(given[f"{prefix}{name}"], f"circuitkit stimuli --{prefix}{name}")
            found |= {f"{prefix}{name}": part, **_parts(part, f"{prefix}{name}.", given)}
    return found


def _parameter(cls: type[Stimulus], kinds: dict[str, type[Stimulus]], name: str) -> Parameter:
    part, _, own = name.rpartition(".")
    return parameters(kinds[part] if part else cls)[own]


def _made(cls: type[Stimulus], prefix: str, kinds: dict[str, type[Stimulus]], fixed: dict[str, Value]) -> Stimulus:
    """Returns a stimulus with its parts, each with the parameters that stay."""
    own: dict[str, Any] = {}
    for name, parameter in parameters(cls).items():
        if f"{prefix}{name}" in fixed:
            own[name] = fixed[f"{prefix}{name}"]
        elif f"{prefix}{name}" in kinds:
            own[name] = _made(kinds[f"{prefix}{name}"], f"{prefix}{name}.", kinds, fixed)
        elif name in _required(cls):
            kind = "a kind of stimulus, such as disc" if parameter.kind == "part" else "a file"
            raise StimulusError(f"{kebab(cls)} needs --{prefix}{name}: name {kind}.")
    return cls(**own)


def _grid(stimulus: Stimulus, varying: dict[str, list[Value]], zips: Sequence[str]) -> LabelledSet:
    """Returns the grid, its axes in the order of the options; what is zipped stands at the first of its parameters."""
    partners: dict[str, list[str]] = {}
    for names in zips:
        together = [name.strip().removeprefix("--") for name in names.split(",")]
        if missing := next((name for name in together if name not in varying), None):
            raise StimulusError(f"--zip {names} names {missing!r}, which has no several values: give it some.")
        partners |= dict.fromkeys(together, together)
    axes: list[dict[str, list[Value]]] = []
    for name in varying:
        together = partners.get(name, [name])
        if not any(name in axis for axis in axes):
            axes.append(zipped(**{each: varying[each] for each in sorted(together, key=list(varying).index)}))
    # A single stimulus is a grid, too.
    return grid(stimulus, *(axes or [{"angle": [stimulus.angle]}]))


def _values(name: str, parameter: Parameter, text: str) -> list[Value]:
    """Returns the values that an option lists."""
    if parameter.kind == "picture":
        return [Picture.from_file(text).image]
    return [value for piece in text.split(",") for value in _range(name, parameter, piece.strip())]


def _range(name: str, parameter: Parameter, piece: str) -> list[Value]:
    if piece.startswith("#") and parameter.kind == "colour":
        return [from_hex(piece, owner=f"--{name}")]
    first, *rest = piece.split(":")
    spaced = re.fullmatch(r"(lin|log)(\d+)", rest[1]) if len(rest) == 2 else None
    try:
        if not rest:
            return [float(first)]
        last, step = rest
        # Decimal, for 0:1:0.1 means tenths.
        low, high, by = Decimal(first), Decimal(last), Decimal(1 if spaced else step)
        count = math.ceil((high - low) / by)
    except (ValueError, ArithmeticError):
        wanted = f"{parameter.wanted}; or a list or range of them: 8,16 or 0:360:10 or 8:60:log12"
        raise StimulusError(f"--{name} got {piece!r}: wanted {wanted}.") from None
    if spaced:
        return _spaced(name, piece, float(low), float(high), spaced[1], int(spaced[2]))
    if count < 1:
        raise StimulusError(
            f"--{name} got {piece!r}, which holds nothing: wanted start:stop:step, with steps to the stop."
        )
    return [float(low + index * by) for index in range(count)]


def _spaced(name: str, piece: str, low: float, high: float, kind: str, count: int) -> list[float]:
    if count < 2:
        raise StimulusError(f"--{name} got {piece!r}: wanted at least 2 values, since both ends are included.")
    if kind == "log":
        return list(log(low, high, count))
    return [low + (high - low) * index / (count - 1) for index in range(count)]


def _distribution(name: str, kind: str, inside: str) -> Distribution:
    if kind not in DISTRIBUTIONS:
        raise unknown_name("distribution", kind, DISTRIBUTIONS, owner=f"--{name}")
    values = [piece.strip() for piece in inside.split(",")]
    try:
        return DISTRIBUTIONS[kind](
            *(from_hex(value, owner=f"--{name}") if value.startswith("#") else float(value) for value in values)
        )
    except (ValueError, TypeError) as error:
        if isinstance(error, StimulusError):
            raise
        wanted = {"normal": "mean, sd, and if you like low, high", "choice": "values"}.get(kind, "low, high")
        raise StimulusError(f"--{name} got {kind}({inside}): wanted {kind}({wanted}).") from None


def _whole(option: str, text: str, *, at_least: int = 1) -> int:
    if not re.fullmatch(r"\d+", text) or int(text) < at_least:
        raise StimulusError(f"{option} got {text!r}: wanted a whole number, at least {at_least}.")
    return int(text)


def _size(text: str) -> tuple[int, int]:
    if not (match := re.fullmatch(r"(\d+)(?:x(\d+))?", text)):
        raise StimulusError(f"--size got {text!r}: wanted a whole number of pixels, or HEIGHTxWIDTH such as 64x48.")
    return int(match[1]), int(match[2] or match[1])
