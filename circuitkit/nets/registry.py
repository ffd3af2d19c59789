"""Nets by name: those that come with circuitkit, and those of the ONNX model zoo, from a folder or downloaded.

    ck.nets.load("small-0")                  # comes with circuitkit, and so does "small-0-rotated"
    ck.nets.load("squeezenet1_1.onnx")       # a file of one's own
    ck.nets.fetch("googlenet-9")             # 28 MB into the cache, checked
    ck.nets.load("googlenet-9")              # from there, checked again

Nothing is downloaded but by `fetch`. Without a network, put the files into a folder and name that by the environment
variable CIRCUITKIT_NETS.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from circuitkit.errors import NetError, unknown_name
from circuitkit.nets.preprocessing import Preprocessing
from circuitkit.nets.sequential import SequentialNet
from circuitkit.nets.small import ROTATED_SEEDS, SEEDS, small, small_name
from circuitkit.nets.tiny_vgg import tiny_vgg
from circuitkit.nets.trained import TrainedNet, read_onnx
from circuitkit.nets.weights_file import read_weights
from circuitkit.nets.zoo import ZOO, ZooNet

VARIABLE = "CIRCUITKIT_NETS"

PACKAGED = {
    small_name(seed, rotated=rotated): (seed, rotated)
    for rotated, seeds in ((False, SEEDS), (True, ROTATED_SEEDS))
    for seed in seeds
}
"""Nets that come with circuitkit, by name: the seed of each, and whether its training images were turned."""


def load(name: str | os.PathLike[str], *, preprocessing: Preprocessing | None = None) -> TrainedNet | SequentialNet:
    """Loads a trained net.

    Args:
        name: An ONNX file, or the name of a net that circuitkit knows (`circuitkit nets` lists them), or the file
            tinyvgg.safetensors. Nothing is unpickled, and nothing is downloaded.
        preprocessing: How a net from a file wants its images. Left out, it is looked up by the file's name.

    Raises:
        NetError: If the file is no net that can be run exactly, its preprocessing is not known, or a net of the zoo
            is not on this machine.
        UnknownNameError: If there is no such file and no net of this name.
    """
    called = os.fspath(name)
    if called in PACKAGED:
        if preprocessing is not None:
            raise NetError(f"net {called!r} comes with circuitkit, which knows its preprocessing: leave that out.")
        seed, rotated = PACKAGED[called]
        return small(seed, rotated=rotated)
    if called in ZOO:
        return read_onnx(find(called), preprocessing=preprocessing)
    if Path(called).suffix == ".safetensors":
        return _from_safetensors(called, preprocessing)
    if Path(called).suffix == "" and not Path(called).exists():
        raise unknown_name("net", called, [*PACKAGED, *ZOO], owner="the registry of nets")
    return read_onnx(called, preprocessing=preprocessing)


def _from_safetensors(called: str, preprocessing: Preprocessing | None) -> SequentialNet:
    """Returns the one net that is known by its weights alone."""
    if Path(called).stem != "tinyvgg":
        raise NetError(
            f"{called!r} holds weights, and no net: wanted tinyvgg.safetensors. Write the net down in Flax, and read "
            "the file into it with ck.nets.load_safetensors."
        )
    if preprocessing is not None:
        raise NetError(f"net {called!r} is known, and so is its preprocessing: leave that out.")
    return tiny_vgg(read_weights(called))


def is_known(name: str) -> bool:
    """Says whether circuitkit knows a net by this name."""
    return name in PACKAGED or name in ZOO


def folders() -> tuple[Path, ...]:
    """Returns where files of nets are looked for: the folder that CIRCUITKIT_NETS names, then the cache."""
    named = os.environ.get(VARIABLE)
    return (*([Path(named)] if named else []), cache())


def cache() -> Path:
    """Returns the folder that `fetch` downloads into: the user's cache, as the operating system has it."""
    if os.name == "nt":
        root = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "circuitkit" / "nets"


def find(name: str) -> Path:
    """Returns the checked file of a net of the zoo, where it is on this machine.

    Raises:
        UnknownNameError: If the registry has no such net.
        NetError: If it is not here, or a file of its name holds something else.
    """
    net = _known(name)
    for folder in folders():
        if (folder / net.file).is_file():
            return _checked(folder / net.file, net)
    raise NetError(
        f"net {name!r} ({net.title}, {net.size / 1e6:.0f} MB) is not on this machine: looked for {net.file} in "
        f"{', '.join(map(str, folders()))}. Download it with `circuitkit nets {name} --fetch`, or put the file into a "
        f"folder that {VARIABLE} names."
    )


def is_here(name: str) -> bool:
    """Says whether a file of a zoo net's name lies in one of the folders; it is not read."""
    return any((folder / _known(name).file).is_file() for folder in folders())


def fetch(
    name: str, *, folder: str | os.PathLike[str] | None = None, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Downloads a net of the zoo, unless it is here, and returns its file.

    What comes is checked against the zoo's SHA-256 before it gets its name, so a download that is cut short, or a file
    that was exchanged, leaves nothing behind.

    Args:
        name: Of the net.
        folder: Where to keep it. Left out, it is the cache, and the folder that CIRCUITKIT_NETS names is looked into.
        progress: Called with the bytes that have come, and those of the whole file.

    Raises:
        UnknownNameError: If the registry has no such net.
        NetError: If no source has it, or what comes is not what the zoo has.
    """
    net = _known(name)
    for held in folders() if folder is None else [Path(folder)]:
        if (held / net.file).is_file():
            return _checked(held / net.file, net)
    try:
        import pooch
    except ImportError:
        raise NetError("downloading nets needs pooch: pip install 'circuitkit[nets]'.") from None
    pooch.get_logger().setLevel("ERROR")  # what it would say is said below
    said = []
    for url in net.urls:
        try:
            found = pooch.retrieve(
                url,
                known_hash=f"sha256:{net.sha256}",
                fname=net.file,
                path=cache() if folder is None else folder,
                downloader=pooch.HTTPDownloader(
                    progressbar=False if progress is None else _Bar(progress), chunk_size=2**16, timeout=30
                ),
            )
        except (OSError, ValueError) as error:  # requests raises OSErrors, and pooch a ValueError about the hash
            said.append(f"{url} said: {str(error).splitlines()[0]}")
        else:
            return Path(found)
    raise NetError(f"net {name!r} could not be downloaded, and nothing was kept. {' '.join(said)}")


def _known(name: str) -> ZooNet:
    if name not in ZOO:
        raise unknown_name("net", name, ZOO, owner="the zoo, as circuitkit knows it,")
    return ZOO[name]


def _checked(path: Path, net: ZooNet) -> Path:
    """Returns the path of a file that is what the zoo has.

    Raises:
        NetError: If it is not.
    """
    with path.open("rb") as held:
        found = hashlib.file_digest(held, "sha256").hexdigest()
    if found != net.sha256:
        raise NetError(
            f"{path} has {path.stat().st_size} bytes and SHA-256 {found}: wanted {net.size} bytes and {net.sha256} "
            f"for {net.title}. Delete it and download it again, or give a file of your own another name."
        )
    return path


class _Bar:
    """What pooch wants of a progress bar, for a function."""

    def __init__(self, report: Callable[[int, int], None]) -> None:
        self.report, self.total, self.done = report, 0, 0

    def update(self, count: int) -> None:
        self.done += count
        self.report(self.done, self.total)

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        pass
