"""What is kept is found again, whole or not at all, and only under what it is of."""

from pathlib import Path

import numpy as np
import pytest

from circuitkit.errors import StoreError
from circuitkit.kept import kept


def refused() -> np.ndarray:
    raise AssertionError("computed again")


def test_what_is_kept_is_not_computed_again(tmp_path: Path) -> None:
    values = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(kept(tmp_path / "new", "one", lambda: values), values)
    np.testing.assert_array_equal(kept(tmp_path / "new", "one", refused), values)
    with pytest.raises(AssertionError, match="computed again"):
        kept(tmp_path / "new", "another", refused)
    with pytest.raises(AssertionError, match="computed again"):
        kept(None, "one", refused)


def test_an_interruption_leaves_nothing_half_done(tmp_path: Path) -> None:
    def interrupted() -> np.ndarray:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept(tmp_path, "one", interrupted)
    assert list(tmp_path.iterdir()) == []
    kept(tmp_path, "one", lambda: np.zeros(2))
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"no array")
    with pytest.raises(StoreError, match="remove it, and it is computed again"):
        kept(tmp_path, "one", refused)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="name another folder"):
        kept(tmp_path / "file" / "folder", "one", lambda: np.zeros(2))
