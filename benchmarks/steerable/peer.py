"""escnn in an environment of its own: where it is, and how it is asked.

escnn needs a NumPy below 2, and circuitkit one of at least 2, so they talk through files.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

VARIABLE = "CIRCUITKIT_ESCNN"
"""Names the interpreter."""

MISSING = (
    f"escnn is not measured: set {VARIABLE} to the python of an environment that has it (benchmarks/README.md says how "
    "to make one)."
)

_SCRIPT = Path(__file__).with_name("with_escnn.py")


def versions() -> dict[str, str] | None:
    """Returns the versions of escnn and what it stands on, or None if no interpreter is named."""
    return json.loads(_run("versions")) if os.environ.get(VARIABLE) else None


def build(angles: int, size: int) -> dict[str, float]:
    """Returns the seconds of two builds of one network, `first` and `again`, in a fresh process."""
    return dict(json.loads(_run("build", angles, size)))


def respond(asked: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> tuple[Any, dict[str, NDArray[Any]]]:
    """Returns what `with_escnn.py respond` found: numbers, and arrays."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "asked.json").write_text(json.dumps(asked))
        np.savez(Path(folder) / "asked.npz", **arrays)
        _run("respond", folder)
        with np.load(Path(folder) / "found.npz", allow_pickle=False) as found:
            return json.loads((Path(folder) / "found.json").read_text()), dict(found)


def _run(*arguments: object) -> str:
    python = os.environ[VARIABLE]
    command = [python, "-W", "ignore", str(_SCRIPT), *map(str, arguments)]
    # Its matrices are small: beside other work, a second thread makes it several times as slow.
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
    except OSError as error:
        raise SystemExit(
            f"{VARIABLE}={python} cannot be run ({error.strerror}): wanted a python that has escnn."
        ) from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise SystemExit(
            f"{VARIABLE}={python} failed at {_SCRIPT.name} {arguments[0]}: {last}. Wanted a python that has escnn; "
            "benchmarks/README.md says how to make one."
        )
    return done.stdout
