"""`circuitkit catalogue`: every kind of stimulus on one page."""

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

from circuitkit.errors import CircuitkitError
from circuitkit.viz.catalogue import write_catalogue


def add_to(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "catalogue",
        help="show every kind of stimulus, and what its parameters do",
        description=(
            "Writes catalogue.html: every kind of stimulus, its parameters, and what each of them does. "
            "The page holds its pictures and asks the network for nothing."
        ),
        epilog="Example:  circuitkit catalogue --out stimuli",
    )
    parser.add_argument("--out", type=Path, default=Path("catalogue"), help="folder to write to (default: ./catalogue)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, console: Console) -> None:
    """Writes the page."""
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        with console.status("drawing"):
            path = write_catalogue(options.out)
    except OSError as error:
        raise CircuitkitError(f"cannot write to {options.out}: {error}. Name another folder with --out.") from None
    console.print(f"{path}", markup=False)
