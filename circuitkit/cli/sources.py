"""Finding what a command line names: a circuit by module or JSON file, a net by ONNX file or name."""

import argparse
import dataclasses
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

from circuitkit.build import build
from circuitkit.errors import NetError, SpecError
from circuitkit.nets import REGISTRY, Preprocessing, load
from circuitkit.nets.registry import is_known
from circuitkit.probe import HandbuiltNet, Net
from circuitkit.spec import Circuit
from circuitkit.spec_text import from_json

PREPROCESSING = ("scale", "mean", "std", "colours")
"""Options that say how a trained net wants its images."""


def circuit(name: str) -> Circuit:
    """Returns the circuit of a module that has a SPEC, or of a JSON file.

    Raises:
        SpecError: If there is no such module or file, or it holds no circuit.
    """
    if name.endswith(".json"):
        try:
            return from_json(Path(name).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(f"the spec {name!r} cannot be read: {error}.") from None
    module = _module(name)
    if not hasattr(module, "SPEC"):
        raise SpecError(f"module {name!r} has no SPEC: wanted SPEC = Circuit(...), the circuit to be taken from it.")
    spec = module.SPEC
    if not isinstance(spec, Circuit):
        raise SpecError(f"module {name!r} has SPEC={spec!r}: wanted a circuitkit.spec.Circuit of that name.")
    return spec


def _module(name: str) -> ModuleType:
    # A user's own modules lie where the command is run, as with `python -m`.
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = None if name.startswith(".") or "/" in name else importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):
        found = None
    if found is None:
        hint = f" A module is named without its ending: {Path(name).stem}." if name.endswith(".py") else ""
        raise SpecError(
            f"there is no module {name!r} and it is no .json file: name a module that holds a SPEC, such as "
            f"handbuilt.curves, or a file written by `circuitkit show --json`.{hint}"
        )
    return importlib.import_module(name)


def design(name: str) -> Callable[[float], Circuit]:
    """Returns what a module calls `circuit`: a function from a size in pixels to a circuit.

    Raises:
        SpecError: If there is no such module, or it has no such function.
    """
    made = getattr(_module(name), "circuit", None)
    if not callable(made):
        raise SpecError(
            f"module {name!r} has circuit={made!r}: wanted a function of a size in pixels that returns a Circuit, as "
            "in "
            "handbuilt.curves."
        )
    return made


def decoys(name: str) -> Mapping[str, Callable[[float], Circuit] | Circuit]:
    """Returns a module's decoys, by name: what it has as `MAKERS`, functions of a size, or else as `DECOYS`.

    Raises:
        SpecError: If there is no such module, or it has neither.
    """
    module = _module(name)
    found = getattr(module, "MAKERS", getattr(module, "DECOYS", None))
    if not isinstance(found, Mapping) or not all(
        callable(each) or isinstance(each, Circuit) for each in found.values()
    ):
        raise SpecError(f"module {name!r} has DECOYS={found!r}: wanted circuits by name, as in handbuilt.decoys.")
    return found


def any_net(name: str, options: argparse.Namespace) -> Net:
    """Returns a trained net, fed as the options say, or a circuit as a net.

    Raises:
        NetError: If it is no net that can be run, or its preprocessing is not known.
        SpecError: If it is neither, or a circuit is told how it wants its images.
    """
    if name.endswith((".onnx", ".safetensors")) or is_known(name):
        return net(name, options)
    if given := [f"--{each}" for each in PREPROCESSING if getattr(options, each) is not None]:
        raise SpecError(f"{name} got {', '.join(given)}: only an .onnx net is told how it wants its images.")
    return HandbuiltNet(build(circuit(name)))


def units(text: str) -> list[int | str]:
    """Returns the units that an option lists, by number or by name."""
    return [int(each) if each.isdecimal() else each for each in (part.strip() for part in text.split(","))]


def add_preprocessing_to(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say how a net wants its images."""
    group = parser.add_argument_group(
        "how the net wants its images",
        "(brightness 0..1 * scale - mean) / std; looked up by the file's name where it is known, and needed otherwise",
    )
    group.add_argument("--scale", type=float, help="value of white: 1, or 255 for nets fed with bytes")
    group.add_argument("--mean", type=_triple, metavar="R,G,B", help="taken off, in the net's channel order")
    group.add_argument("--std", type=_triple, metavar="R,G,B", help="divides, in the net's channel order")
    group.add_argument("--colours", choices=("RGB", "BGR", "GREY"), help="channel order")


def net(name: str, options: argparse.Namespace) -> Net:
    """Returns the net of an ONNX file, or one that circuitkit knows by name, fed as the options say.

    Raises:
        NetError: If it is no net that can be run, or its preprocessing is not known.
        UnknownNameError: If it is no file, and no such net is known.
    """
    given = {each: getattr(options, each) for each in PREPROCESSING if getattr(options, each) is not None}
    if not name.endswith((".onnx", ".safetensors")) and not is_known(name) and Path(name).suffix:
        raise NetError(f"{name!r} is no .onnx file: nets are read from ONNX files. Export the net to ONNX first.")
    if not given:
        return load(name)
    # What is not said stays as it is known for this net.
    known = REGISTRY.get(Path(name).stem if name.endswith(".onnx") else name, Preprocessing())
    return load(name, preprocessing=dataclasses.replace(known, **given))


def _triple(text: str) -> tuple[float, ...]:
    values = tuple(float(part) for part in text.split(","))
    if len(values) not in (1, 3):
        raise argparse.ArgumentTypeError(f"{text!r} has {len(values)} numbers: wanted one, or three and two commas")
    return values * 3 if len(values) == 1 else values
