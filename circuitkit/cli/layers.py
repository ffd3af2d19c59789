"""`circuitkit layers`: what can be probed in a net."""

import argparse
from typing import Any

from rich.console import Console
from rich.table import Table

from circuitkit.nets.onnx_net import OnnxNet


def add_to(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "layers",
        help="list the layers of a trained net",
        description="Lists the layers of a trained net by tensor name, with their units and what a unit sees.",
        epilog="Example:  circuitkit layers squeezenet1_1.onnx",
    )
    parser.add_argument("net", metavar="FILE.onnx", help="the net")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, console: Console) -> None:
    """Prints the table on standard output."""
    del console
    net = OnnxNet.load(options.net)
    table = Table(title="{}, images of {}x{} pixels".format(net.name, *net.image_size))
    for column in ("layer", "units", "sees (pixels)", "stride", "first centre"):
        table.add_column(column, justify="left" if column == "layer" else "right", no_wrap=column == "layer")
    for name, layer in net.layers.items():
        field = layer.field
        seen = ["all"]
        if field is not None:
            seen = ["{}x{}".format(*field.size), str(field.stride[0]), f"{field.first[0]:g}"]
        table.add_row(name, str(layer.channels), *seen)
    Console().print(table)
