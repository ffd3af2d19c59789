"""Finding what a command line names: a circuit by module or JSON file, a net by ONNX file."""

import argparse
import dataclasses
import importlib
import importlib.util
import sys
from pathlib import Path

from circuitkit.errors import NetError, SpecError
from circuitkit.nets import REGISTRY, Preprocessing, TrainedNet, load
from circuitkit.spec import Circuit
from circuitkit.spec_text import from_json


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
    spec = getattr(importlib.import_module(name), "SPEC", None)
    if not isinstance(spec, Circuit):
        raise SpecError(f"module {name!r} has SPEC={spec!r}: wanted a circuitkit.spec.Circuit of that name.")
    return spec


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


def net(path: str, options: argparse.Namespace) -> TrainedNet:
    """Returns the net of an ONNX file, fed as the options say.

    Raises:
        NetError: If it is no net that can be run, or its preprocessing is not known.
    """
    given = {
        name: getattr(options, name)
        for name in ("scale", "mean", "std", "colours")
        if getattr(options, name) is not None
    }
    if not path.endswith(".onnx"):
        raise NetError(f"{path!r} is no .onnx file: nets are read from ONNX files. Export the net to ONNX first.")
    if not given:
        return load(path)
    # What is not said stays as it is known for this net.
    known = REGISTRY.get(Path(path).stem, Preprocessing())
    return load(path, preprocessing=dataclasses.replace(known, **given))


def _triple(text: str) -> tuple[float, ...]:
    values = tuple(float(part) for part in text.split(","))
    if len(values) not in (1, 3):
        raise argparse.ArgumentTypeError(f"{text!r} has {len(values)} numbers: wanted one, or three and two commas")
    return values * 3 if len(values) == 1 else values
