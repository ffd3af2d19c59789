"""What every test runs under: shape checks, strict JAX, no display, no network.

The import hook checks, at every call of circuitkit and handbuilt, the shapes and types that the annotations promise.
It has to come before their first import: a module loaded earlier would go unchecked for the whole run.
"""

import ipaddress
import os
import resource
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import beartype.typing  # noqa: F401  (CHECKER below names it)
import hypothesis
import jax
import pytest
from jaxtyping import install_import_hook

CHECKED = ("circuitkit", "handbuilt")
# An int passes where a float is promised, as it does for mypy. The hook checks method by method, which leaves `Self`
# without a meaning, so `Self` goes unchecked.
CHECKER = (
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True, "
    "hint_overrides=beartype.FrozenDict({beartype.typing.Self: object})))"
)

if early := sorted(set(CHECKED) & set(sys.modules)):
    raise RuntimeError(f"{early} was imported before tests/conftest.py, so its shapes would go unchecked.")
install_import_hook(CHECKED, CHECKER)

# Set for the processes that tests start, too. Several workers cannot share one accelerator's memory; to test on
# one, set JAX_PLATFORMS=cuda and leave out -n.
os.environ["MPLBACKEND"] = "Agg"
jax.config.update("jax_platforms", os.environ.setdefault("JAX_PLATFORMS", "cpu"))
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_default_matmul_precision", "highest")
jax.config.update("jax_enable_x64", False)

# No deadline: the first example of a new shape pays for a compilation.
hypothesis.settings.register_profile("dev", deadline=None, max_examples=30)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=8, derandomize=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=500)
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") == "true" else "dev")
)


class NetworkError(Exception):
    """A test reached for the network."""


def _refuse_remote(host: object) -> None:
    """Raises unless `host` is this very machine, by name or by number."""
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return
    try:
        local = ipaddress.ip_address(str(name).partition("%")[0]).is_loopback
    except ValueError:  # a host name, so looking it up would already ask a server
        local = False
    if not local:
        raise NetworkError(f"a test asked the network for {name!r}. Tests run offline: ship a small file instead.")


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """Refuses every connection that would leave this machine."""

    def guard(name: str) -> Any:
        connect = getattr(socket.socket, name)

        def guarded(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                _refuse_remote(address[0])
            return connect(self, address)

        return guarded

    look_up = socket.getaddrinfo

    def guarded_look_up(host: Any, *args: Any, **options: Any) -> Any:
        _refuse_remote(host)
        return look_up(host, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guard("connect"))
        patch.setattr(socket.socket, "connect_ex", guard("connect_ex"))
        patch.setattr(socket, "getaddrinfo", guarded_look_up)
        yield


@pytest.fixture(scope="module", autouse=True)
def _bounded_memory() -> Iterator[None]:
    """Forgets what JAX has compiled, once a process has grown large: every shape and structure is kept otherwise."""
    yield
    if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 2 * 2**20:  # KiB, on Linux
        from circuitkit import compiling  # not before the hook that checks shapes

        jax.clear_caches()
        compiling.forget()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder that holds `nets/` with the trained nets, which are never part of the repository."""
    said = os.environ.get("CIRCUITKIT_DATA")
    if said is None:
        pytest.skip("set CIRCUITKIT_DATA to the folder that holds nets/ to run the tests on trained nets")
    folder = Path(said)
    if not (folder / "nets").is_dir():
        pytest.fail(f"CIRCUITKIT_DATA={said} holds no folder nets/")
    return folder
