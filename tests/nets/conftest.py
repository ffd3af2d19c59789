"""Where the trained nets are: research data that lies beside the repository and is never part of it."""

import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder that holds `nets/`: CIRCUITKIT_DATA, or ../shared/data beside the repository."""
    said = os.environ.get("CIRCUITKIT_DATA")
    folder = Path(said) if said else BESIDE
    if not (folder / "nets").is_dir():
        pytest.skip(f"no trained nets in {folder}: set CIRCUITKIT_DATA to the folder that holds nets/")
    return folder
