"""Arrays by name in safetensors files. Nothing is unpickled: the format holds numbers and names alone."""

import os
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Float, Shaped

from circuitkit.errors import NetError


def read_tensors(path: str | os.PathLike[str]) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Returns all arrays of a safetensors file, as they are, by name.

    Raises:
        NetError: If there is no such file, or it is no safetensors file, cut short, or a pickle.
    """
    # Imported here, as are the readers of other formats: importing circuitkit stays light.
    import safetensors
    import safetensors.numpy

    file = os.fspath(path)
    try:
        with Path(file).open("rb") as opened:
            start = opened.read(32)
    except OSError as error:
        raise NetError(f"weights {file!r} cannot be read: {error.strerror or error}.") from error
    try:
        found = safetensors.numpy.load_file(file)
    except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        if start.startswith((b"\x80", b"PK\x03\x04")):  # a pickle, or a zip of pickles
            hint = (
                "It is a pickle (a PyTorch checkpoint?), which runs code when it is opened, so it is not. Save it anew "
                "where you trust it: safetensors.torch.save_file(state_dict, path)."
            )
        elif start.startswith(b"version https://git-lfs"):
            hint = "It is a Git LFS pointer: fetch the file itself with git lfs pull."
        else:
            hint = "It is cut short or spoilt, or of another format. Download it again."
        raise NetError(f"{file!r} is no safetensors file ({error}). {hint}") from error
    return {name: found[name] for name in sorted(found)}  # they come in no order


def read_weights(path: str | os.PathLike[str]) -> dict[str, Float[np.ndarray, "..."]]:
    """Returns all arrays of a safetensors file, as float32, by name.

    Raises:
        NetError: If it cannot be read (see `read_tensors`), or holds anything but finite floating-point numbers.
    """
    found = read_tensors(path)
    for name, value in found.items():
        if not jax.numpy.issubdtype(value.dtype, jax.numpy.floating):  # bfloat16 is no float to NumPy
            raise NetError(f"weight {name!r} of {os.fspath(path)!r} is of type {value.dtype}: wanted floats.")
        if not np.isfinite(value.astype(np.float32)).all():
            raise NetError(f"weight {name!r} of {os.fspath(path)!r} holds NaN or infinity: wanted finite numbers.")
    return {name: value.astype(np.float32) for name, value in found.items()}


def write_weights(
    path: str | os.PathLike[str],
    weights: Mapping[str, Float[np.ndarray, "..."]],
    *,
    about: Mapping[str, str] | None = None,
) -> None:
    """Writes arrays into a safetensors file, with some text about them.

    Args:
        path: The file. It is there whole or not at all.
        weights: Arrays, by name.
        about: What they are, in words; kept in the file's header.
    """
    import safetensors.numpy

    beside = Path(f"{os.fspath(path)}.part")
    arrays = {name: np.ascontiguousarray(value, np.float32) for name, value in weights.items()}
    safetensors.numpy.save_file(arrays, beside, metadata=dict(about or {}))
    beside.replace(path)
