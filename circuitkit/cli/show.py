"""`circuitkit show`: print a circuit's spec."""

import argparse
from typing import Any

from rich.console import Console

from circuitkit.cli import sources
from circuitkit.spec_text import to_json


def add_to(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "show",
        help="print the spec of a circuit",
        description="Prints the spec of a circuit: to be read, or as JSON that can be edited and studied again.",
        epilog="Example:  circuitkit show handbuilt.curves --json > mine.json && circuitkit study mine.json",
    )
    parser.add_argument("circuit", help="a module with a SPEC, such as handbuilt.curves, or a .json file")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, console: Console) -> None:
    """Prints the spec on standard output."""
    del console
    circuit = sources.circuit(options.circuit)
    print(to_json(circuit) if options.json else circuit, end="" if options.json else "\n")
