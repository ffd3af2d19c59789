"""`circuitkit stimuli`: draw stimuli with known parameters, and write them as a labelled set.

Other commands that take a set have it described by the same options: `read`.
"""

import argparse
import dataclasses
import inspect
import json
import re
import sys
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, get_args

from rich.console import Console

from circuitkit.cli.parser import Parser, argument, joined
from circuitkit.cli.progress import progress_bar
from circuitkit.cli.values import VALUES, Value, distribution, image_size, values, whole
from circuitkit.errors import StimulusError, unknown_name
from circuitkit.stimuli import CATALOGUE, LabelledSet, Picture, Renderer, Stimulus, export, grid, sample, zipped
from circuitkit.stimuli.distributions import Distribution
from circuitkit.stimuli.parameter import Parameter, parameters
from circuitkit.stimuli.photographs import Photograph
from circuitkit.stimuli.saved import header_of
from circuitkit.stimuli.text import from_json
from circuitkit.viz.sheet import contact_sheet
from circuitkit.viz.style import to_png

PROG = "circuitkit stimuli"

COMMON = ("size", "exact", "samples", "format", "out", "preview", "overwrite", "zip", "sample", "help")
"""The options that every kind has beside its parameters. A parameter of such a name is told apart by its kind:
`--checkerboard.size`, since an image has a size, too."""


def add_to(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "stimuli",
        help="draw stimuli with known parameters, and write them as a labelled set",
        usage="circuitkit stimuli KIND [options]\n       circuitkit stimuli SET [options]",
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
    parser.add_argument(
        "kind", metavar="KIND", help="what to draw (below), or a set that was saved: its set.json or all of it"
    )
    # The options depend on the kind, and those of its parts on the parts.
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, console: Console) -> None:
    """Draws and writes."""
    began = time.perf_counter()
    stimuli, chosen = read(options.kind, options.rest)
    size, renderer = image_size(chosen.size), Renderer(exact=chosen.exact, samples=whole("--samples", chosen.samples))
    out = Path(chosen.out).absolute()
    written = []
    if not chosen.preview:
        try:
            with progress_bar(console) as bars:
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


def read(
    kind: str,
    arguments: Sequence[str],
    *,
    prog: str = PROG,
    add_own: Callable[[argparse.ArgumentParser], None] | None = None,
    chosen: argparse.Namespace | None = None,
) -> tuple[LabelledSet, argparse.Namespace]:
    """Returns the labelled set that a command line describes, and the other options.

    Args:
        kind: Of the stimuli; or a set that was saved: its `set.json`, or all of it.
        arguments: What follows it.
        prog: The command up to the kind, for its help and its complaints.
        add_own: Adds the options that the command has beside the parameters; those of `stimuli` if left out.
        chosen: Options that were read before.

    Raises:
        StimulusError: If a value cannot be read or drawn.
        UnknownNameError: If a kind or an option is misspelt.
    """
    arguments, add_own = joined(arguments), add_own or _add_common
    saved = _saved(kind)
    if saved is None:
        cls = _class(kind, prog)
        chosen = parser_of(cls, arguments, prog=prog, add_own=add_own).read(arguments, chosen)
        return _set(cls, chosen, prog), chosen
    parser = Parser(prog=f"{prog} {kind}", allow_abbrev=False)
    add_own(parser)
    return saved, parser.read(arguments, chosen)


def parser_of(
    cls: type[Stimulus],
    arguments: Sequence[str] = (),
    *,
    prog: str = PROG,
    add_own: Callable[[argparse.ArgumentParser], None] | None = None,
) -> Parser:
    """Returns the parser of one kind of stimulus.

    Args:
        cls: The kind.
        arguments: The command line, which says of what kind the parts are.
        prog: The command up to the kind.
        add_own: Adds the options that the command has beside the parameters; those of `stimuli` if left out.
    """
    name, add_own = kebab(cls), add_own or _add_common
    parser = Parser(
        prog=f"{prog} {name}",
        usage=f"{prog} {name} [options]",
        description=_about(cls),
        epilog=f"{VALUES}\n\nExample:\n  {example(cls, prog)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    own = Parser(add_help=False)
    add_own(own)
    _add_parameters(parser, cls, "", arguments, prog=prog, taken={*COMMON, *own.names})
    _add_grid(parser)
    add_own(parser)
    return parser


def example(cls: type[Stimulus], prog: str = PROG) -> str:
    """Returns a command line that draws a kind of stimulus."""
    parts = ("picture.png",) if cls is Picture else ("disc", "bar")
    needed = "".join(f" --{name} {part}" for name, part in zip(_required(cls), parts, strict=False))
    out = f" --out {kebab(cls)}s" if prog == PROG else ""
    return f"{prog} {kebab(cls)}{needed} --angle 0:360:30 --polarity 1,-1{out}"


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


def spelt(name: str) -> str:
    """Returns a kind as it is spelt here, or the name as it came."""
    same = {kind.replace("-", ""): kind for kind in kinds()}
    return same.get(re.sub("[-_]", "", name).lower(), name)


def _class(name: str, owner: str) -> type[Stimulus]:
    kind = spelt(name)
    if kind not in kinds():
        raise unknown_name("kind of stimulus", name, kinds(), owner=owner)
    return kinds()[kind]


def _add_parameters(
    parser: argparse.ArgumentParser,
    cls: type[Stimulus],
    prefix: str,
    arguments: Sequence[str],
    *,
    prog: str,
    taken: Collection[str],
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
        flag = _flag(cls, name, taken)
        # Kept in the order they are given in, which is that of the axes: for that, there must be no default.
        groups[home].add_argument(
            flag,
            dest=f".{name}",
            default=argparse.SUPPRESS,
            metavar=_metavar(parameter),
            help=_help(parameter, field.default, required=field.name in _required(cls)),
        )
        if parameter.kind == "part" and (kind := argument(arguments, flag)):
            parts.append((_class(kind, f"{prog} {kebab(cls)} {flag}"), f"{name}."))
    for part, its_prefix in parts:
        _add_parameters(parser, part, its_prefix, arguments, prog=prog, taken=taken)


def _flag(cls: type[Stimulus], name: str, taken: Collection[str] = COMMON) -> str:
    return f"--{kebab(cls)}.{name}" if name in taken else f"--{name}"


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


def _saved(kind: str) -> LabelledSet | None:
    """Returns the definition of a set that was saved, or None if this is a kind of stimulus."""
    path = Path(kind)
    if not kind.endswith(".json") and (spelt(kind) in kinds() or not path.exists()):
        return None
    try:
        if kind.endswith(".json"):
            return from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise StimulusError(f"the set {kind!r} cannot be read: {error}.") from None
    header = header_of(path)
    if header is None:
        raise StimulusError(f"{kind!r} holds no set that was saved, and is no kind of stimulus: name one of the two.")
    return from_json(json.dumps(header))


def _set(cls: type[Stimulus], chosen: argparse.Namespace, prog: str) -> LabelledSet:
    given = {key[1:]: text for key, text in vars(chosen).items() if key.startswith(".")}
    sampled = None if chosen.sample is None else whole("--sample", chosen.sample)
    seed = 0 if sampled is None else whole("--seed", given.pop("seed", "0"), at_least=0)
    kinds = _parts(cls, "", given, prog)
    varying: dict[str, list[Value]] = {}
    drawn: dict[str, Distribution] = {}
    fixed: dict[str, Value] = {}
    for name, text in given.items():
        if name in kinds:
            continue
        parameter = _parameter(cls, kinds, name)
        if match := re.fullmatch(r"\s*(\w+)\((.*)\)\s*", text):
            drawn[name] = distribution(name, match[1], match[2])
        elif len(listed := values(name, parameter, text)) > 1:
            varying[name] = listed
        else:
            fixed[name] = listed[0]
    stimulus = _made(cls, "", kinds, fixed)
    if sampled is None:
        if drawn:
            name, wanted = next(iter(drawn.items()))
            raise StimulusError(f"--{name} is {wanted!r}, which takes --sample N: how many to draw.")
        return _grid(stimulus, varying, chosen.zip)
    if varying or chosen.zip:
        name = next(iter(varying), None) or "zip"
        raise StimulusError(
            f"--{name} makes a grid, and --sample draws at random: wanted 'choice(...)', or no --sample."
        )
    return sample(stimulus, sampled, seed=seed, **drawn)


def _parts(cls: type[Stimulus], prefix: str, given: dict[str, str], prog: str) -> dict[str, type[Stimulus]]:
    """Returns the kind of every part that is given, by its name, and of the parts' parts."""
    found: dict[str, type[Stimulus]] = {}
    for name, parameter in parameters(cls).items():
        if parameter.kind == "part" and f"{prefix}{name}" in given:
            part = _class(given[f"{prefix}{name}"], f"{prog} --{prefix}{name}")
            found |= {f"{prefix}{name}": part, **_parts(part, f"{prefix}{name}.", given, prog)}
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
