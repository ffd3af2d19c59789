"""`circuitkit nets`: the trained nets that circuitkit knows by name, and how to get them."""

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from circuitkit.errors import SpecError, unknown_name
from circuitkit.nets.registry import PACKAGED, fetch, folders, is_here, is_known, load
from circuitkit.nets.zoo import ZOO, ZooNet


def add_to(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "nets",
        help="list the trained nets that are known by name, and download them",
        description=(
            "Lists the trained nets that can be named wherever a net is wanted: small ones that come with circuitkit, "
            "and those of the ONNX model zoo, which are downloaded if --fetch asks for it, and never otherwise. What "
            "is downloaded is checked against the zoo's SHA-256 before it is kept, and again before it is used. "
            "Without a network, put the files into a folder and let the environment variable CIRCUITKIT_NETS name it."
        ),
        epilog="Example:  circuitkit nets googlenet-9 --fetch",
    )
    parser.add_argument("name", nargs="?", help="one net, of which everything is said; all of them if left out")
    parser.add_argument("--fetch", action="store_true", help="download it, unless it is here")
    parser.add_argument("--folder", type=Path, help="where to keep it (default: the user's cache)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, console: Console) -> None:
    """Prints the nets, or fetches one."""
    name = options.name
    if name is None:
        if options.fetch or options.folder is not None:
            raise SpecError("--fetch and --folder want a name: circuitkit nets NAME --fetch.")
        Console().print(_table())
        console.print(f"Files are looked for in {', '.join(map(str, folders()))}.", markup=False)
        return
    if not is_known(name):
        raise unknown_name("net", name, [*PACKAGED, *ZOO], owner="the registry of nets")
    if name in PACKAGED:
        if options.fetch or options.folder is not None:
            raise SpecError(f"net {name!r} comes with circuitkit: there is nothing to fetch.")
        net = load(name)
        Console().print(f"{name}: comes with circuitkit\nlayers: {', '.join(net.layers)}", markup=False)
        return
    if options.fetch:
        Console().print(str(_fetched(name, options.folder, console)), markup=False, soft_wrap=True)
        return
    if options.folder is not None:
        raise SpecError("--folder says where --fetch keeps a net: give both.")
    Console().print(_about(name, ZOO[name]), markup=False, soft_wrap=True)


def _fetched(name: str, folder: Path | None, console: Console) -> Path:
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=console) as bars:
        task = bars.add_task(name, total=ZOO[name].size)
        return fetch(name, folder=folder, progress=lambda done, total: bars.update(task, completed=done))


def _table() -> Table:
    table = Table(title="nets by name")
    for column, justify in (
        ("name", "left"),
        ("net", "left"),
        ("MB", "right"),
        ("is here", "left"),
        ("layers", "left"),
    ):
        table.add_column(column, justify=justify, no_wrap=column == "name")  # type: ignore[arg-type]
    for name, (seed, rotated) in PACKAGED.items():
        title = f"ours, seed {seed}" + (", of turned images" if rotated else "")
        table.add_row(name, title, "1.4", "yes", "conv1 ... conv5")
    for name, net in ZOO.items():
        names = list(net.names)
        layers = f"{names[0]} ... {names[-1]}" if names else "as in the file"
        table.add_row(name, net.title, f"{net.size / 1e6:.0f}", "yes" if is_here(name) else "no", layers)
    return table


def _about(name: str, net: ZooNet) -> str:
    lines = [
        f"{name}: {net.title}, from the ONNX model zoo",
        f"size: {net.size} bytes",
        f"SHA-256: {net.sha256}",
        *(f"from: {url}" for url in net.urls),
        f"images: {net.preprocessing}",
        f"layers: {', '.join(net.names) or 'as in the file'}; and all tensors, by name",
        f"is here: {'yes' if is_here(name) else f'no: circuitkit nets {name} --fetch'}",
    ]
    return "\n".join(lines)
