"""`circuitkit layers`: what can be probed in a net."""

import argparse
from typing import Any

from rich.console import Console
from rich.table import Table

from circuitkit.cli import sources
from circuitkit.nets import Preprocessing, TrainedNet
from circuitkit.nets.onnx_net import OnnxNet
from circuitkit.nets.zoo import REGISTRY
from circuitkit.probe import Net


def add_to(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "layers",
        help="list the layers of a net",
        description="Lists the layers of a net by name, with their units and what a unit sees.",
        epilog="Example:  circuitkit layers squeezenet1_1.onnx",
    )
    parser.add_argument("net", metavar="NET", help="FILE.onnx; a name (see `circuitkit nets`); or a circuit")
    parser.set_defaults(run=run, **dict.fromkeys(sources.PREPROCESSING))


def run(options: argparse.Namespace, console: Console) -> None:
    """Prints the table on standard output."""
    del console
    net = _net(options)
    size = "of any size" if net.image_size is None else "of {}x{} pixels".format(*net.image_size)
    table = Table(title=f"{net.name}, images {size}")
    for column in ("layer", "units", "sees (pixels)", "stride", "first centre"):
        table.add_column(column, justify="left" if column == "layer" else "right", no_wrap=column == "layer")
    for layer in net.layers:
        field = net.receptive_field(layer)
        seen = ["all"]
        if field is not None:
            seen = ["{}x{}".format(*field.size), str(field.stride[0]), f"{field.first[0]:g}"]
        table.add_row(layer, str(len(net.unit_names(layer))), *seen)
    Console().print(table)


def _net(options: argparse.Namespace) -> Net:
    """Returns the net; what it wants its images to be like does not matter here."""
    if options.net.endswith(".onnx"):
        onnx = OnnxNet.load(options.net)
        if onnx.name not in REGISTRY:
            return TrainedNet(onnx, Preprocessing(colours="GREY" if onnx.channels == 1 else "RGB"))
    return sources.any_net(options.net, options)
