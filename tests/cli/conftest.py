"""Where commands are run: a folder with a small circuit and a few pictures."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

SMALL = """
from circuitkit.spec import Circuit, Crossing, Family, Gabor, Line, Tile, Union


def circuit(size: float = 12.0) -> Circuit:
    edges = Family("edges", Gabor(wavelength=6, sigma=2.4), angles=8)
    bars = Family("bars", Gabor(wavelength=6, sigma=2.4, phase=0), angles=4)
    contours = Family("contours", Union((edges, bars)), angles=4)
    lines = Family("lines", Tile(contours, along=Line(length=size), tolerance=15) - Crossing(1.0), angles=4)
    longer = Family("longer", Tile(lines, along=Line(length=size), tolerance=15) - Crossing(1.0), angles=4)
    return Circuit("small", [edges, bars, contours, lines, longer])


SPEC = circuit()
DECOYS = {"wide": circuit(5.0)}
"""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the circuit `small_circuit` and the pictures `pictures`, where the command is run."""
    (tmp_path / "small_circuit.py").write_text(SMALL)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    rng = np.random.default_rng(0)
    for index in range(12):
        noise = rng.integers(0, 256, (12, 12, 3), np.uint8)
        PIL.Image.fromarray(noise).resize((96, 96)).save(pictures / f"{index}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path
