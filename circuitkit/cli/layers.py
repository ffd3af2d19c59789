"""`circuitkit layers`: what can be probed in a net."""

import argparse
from typing import Any

from rich.console import Console
from rich.table import Table

from circuitkit.cli import sources


def add_to(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "layers",
        help="list the layers of a trained net",
        description="Lists the layers of a trained net by tensor name, with their units and what a unit sees.",
        epilog="Example:  circuitkit layers squeezenet1_1.onnx",
    )
    parser.add_argument("net", metavar="FILE.onnx", help="the net")
    sources.add_preprocessing_to(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, console: Console) -> None:
    """Prints the table on standard output."""
    del console
    net = sources.net(options.net, options)
    table = Table(title="{}, images of {}x{} pixels".format(net.name, *net.onnx.image_size))
    for column in ("layer", "units", "sees (pixels)", "stride", "first centre"):
        table.add_column(column, justify="left" if column == "layer" else "right")
    for layer in net.layers:
        field = net.receptive_field(layer)
        seen = ["all"]
        if field is not None:
            seen = ["{}x{}".format(*field.size), str(field.stride[0]), f"{field.first[0]:g}"]
        table.add_row(layer, str(len(net.unit_names(layer))), *seen)
    Console().print(table)
