"""`circuitkit`: study a circuit, find and verify the units of a net, print specs, list nets, draw stimuli."""

import argparse
import importlib.metadata
import sys
from collections.abc import Sequence

from rich.console import Console

from circuitkit.cli import (
    catalogue,
    compare,
    find,
    layers,
    nets,
    neurons,
    show,
    stimuli,
    study,
    survey,
    tune,
    universality,
    verify,
    weights,
)
from circuitkit.errors import CircuitkitError


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="circuitkit",
        description=(
            "Handwritten vision circuits, one battery of tests for handbuilt and trained nets, and stimuli with known "
            "parameters."
        ),
        epilog=(
            "Start with:  circuitkit study handbuilt.curves\n"
            "             circuitkit find curves --net FILE.onnx\n"
            "             circuitkit stimuli --help"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {_version()}")
    commands = top.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
    for command in (
        study,
        find,
        verify,
        compare,
        universality,
        tune,
        survey,
        show,
        layers,
        nets,
        weights,
        neurons,
        stimuli,
        catalogue,
    ):
        command.add_to(commands)
    return top


def _version() -> str:
    try:
        return importlib.metadata.version("circuitkit")
    except importlib.metadata.PackageNotFoundError:  # run from a checkout
        return "(not installed)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status: 0, 2 for what was refused, 130 when interrupted."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    chosen = parser().parse_args(given, argparse.Namespace(arguments=given))
    # Standard output is for what was asked for, so that it can be piped; all else goes to standard error.
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        chosen.run(chosen, console)
    except CircuitkitError as error:
        console.print(f"circuitkit: {error}", style="bold red", markup=False)
        return 2
    except KeyboardInterrupt:
        console.print("circuitkit: interrupted.", style="bold red")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
