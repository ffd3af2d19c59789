"""Arrays that took long to compute, kept in a folder under what they are of.

    values = kept(folder, repr((program, images)), lambda: compute())

A file is named after the SHA-256 of all that its values follow from, so what is found there is what would be computed:
of another net, or by another version of the figures, it has another name. It is written under a name of its own and
renamed, so that it is there whole or not at all. Without a folder nothing is kept.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from circuitkit.errors import StoreError


def kept(folder: Path | None, identity: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
    """Returns an array, from the folder if it is there, and computed and kept otherwise.

    Args:
        folder: Made if it is missing; None to keep nothing.
        identity: All that has to be the same for the array to be the same.
        compute: Computes it.

    Raises:
        StoreError: If the folder cannot be written, or the file holds no array.
    """
    if folder is None:
        return compute()
    path = folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.npy"
    if path.is_file():
        try:
            return np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise StoreError(f"{path} cannot be read ({error}): remove it, and it is computed again.") from None
    values = compute()
    part = path.with_suffix(".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            np.save(file, values, allow_pickle=False)
        part.replace(path)
    except OSError as error:
        raise StoreError(f"{folder} cannot be written ({error.strerror or error}): name another folder.") from None
    return values
