"""Sweeps in processes of their own that are killed: the same command goes on, and ends with the same bits."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from circuitkit.spec import Circuit, Family, Gabor
from circuitkit.spec_text import to_json
from circuitkit.store import Store

ROOT = Path(__file__).parents[2]
STIMULI, CHUNK = 4000, 8
PATIENCE = 120.0
"""Seconds that a process may take for anything; it takes a few."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spec") / "small.json"
    path.write_text(to_json(Circuit("small", [Family("edges", Gabor(wavelength=5, sigma=1.6), angles=8)])))
    return path


def start(spec: Path, store: Path, *, chunk: int = CHUNK) -> subprocess.Popen[str]:
    # Drawn slowly (a thousand a second), so that there is time to kill it on a busy machine, too.
    stimuli = ["curve", "--sample", str(STIMULI), "--angle", "uniform(0,360)", "--exact", "--samples", "12"]
    command = ["tune", str(spec), "--layer", "edges", "--stimuli", *stimuli, "--chunk", str(chunk), "--out", str(store)]
    return subprocess.Popen(
        [sys.executable, "-m", "circuitkit.cli.main", *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, " ".join(err.split())


def stop(process: subprocess.Popen[str], when: Callable[[], bool], how: signal.Signals) -> None:
    """Sends a signal as soon as something is so."""
    end = time.monotonic() + PATIENCE
    while not when():
        assert process.poll() is None, f"it ended before it could be stopped: {process.communicate()}"
        assert time.monotonic() < end
        time.sleep(0.001)
    process.send_signal(how)


def blocks(store: Path) -> dict[str, int]:
    """Returns the blocks that are whole, and when each was written."""
    found = sorted((store / "response").glob("c.*"))
    return {file.name: file.stat().st_mtime_ns for file in found if file.suffix != ".partial"}


def contents(store: Path) -> dict[str, bytes]:
    return {str(file.relative_to(store)): file.read_bytes() for file in store.rglob("*") if file.is_file()}


def bits(store: Path) -> dict[str, bytes]:
    """Returns all that a store says; not what is left of a file that was being written."""
    return {name: content for name, content in contents(store).items() if not name.endswith(".partial")}


@pytest.fixture(scope="module")
def whole(spec: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep that nothing interrupted."""
    store = tmp_path_factory.mktemp("whole") / "sweep.zarr"
    code, out, err = finish(start(spec, store))
    assert code == 0, err
    assert "stimulus 4000, unit 8" in out
    assert len(blocks(store)) == STIMULI // CHUNK
    return store


def test_a_sweep_that_is_killed_again_and_again_ends_with_the_same_bits(
    spec: Path, whole: Path, tmp_path: Path
) -> None:
    store = tmp_path / "sweep.zarr"
    moments: list[Callable[[], bool]] = [
        lambda: len(blocks(store)) >= 1,
        lambda: len(blocks(store)) >= 60,
    ]
    for moment in moments:
        before = blocks(store)
        process = start(spec, store)
        stop(process, moment, signal.SIGKILL)
        assert finish(process)[0] == -signal.SIGKILL
        after = blocks(store)
        assert len(after) < STIMULI // CHUNK, "it was too fast to be killed on the way"
        assert {name: after[name] for name in before} == before
    # A kill in the middle of a write leaves a part of a file under another name; no test can time that, so here is one.
    unwritten = Store.open(store).missing()[0]
    (store / "response" / f"c.{unwritten}.0.partial").write_bytes(b"a part of a block")
    before = blocks(store)
    code, _, err = finish(start(spec, store))
    assert code == 0, err
    after = blocks(store)
    assert {name: after[name] for name in before} == before
    assert bits(store) == bits(whole)


def test_an_interrupted_sweep_says_how_much_is_done_and_can_be_read(spec: Path, tmp_path: Path) -> None:
    store = tmp_path / "sweep.zarr"
    process = start(spec, store)
    stop(process, lambda: len(blocks(store)) >= 20, signal.SIGINT)
    code, out, err = finish(process)
    assert code == 130
    assert out == ""
    (said,) = re.findall(rf"(\d+) of {STIMULI} stimuli are done and kept in \S+: the same command goes on", err)
    assert int(said) == CHUNK * len(blocks(store)) == Store.open(store).done()
    assert CHUNK * 20 <= int(said) < STIMULI
    with xr.open_zarr(store) as opened:
        missing = np.isnan(opened.response.values).any(axis=1)
        assert np.isfinite(opened.response.angle).all()
    assert missing.sum() == STIMULI - int(said)
    assert "Traceback" not in err


def test_what_is_not_the_same_is_noticed(spec: Path, whole: Path, tmp_path: Path) -> None:
    store = tmp_path / "sweep.zarr"
    shutil.copytree(whole, store)
    assert bits(store) == bits(whole)
    code, _, err = finish(start(spec, store, chunk=2 * CHUNK))
    assert code == 2
    assert "sweep.zarr holds another sweep: its chunk is 8, and 16 was asked for" in err
    assert bits(store) == bits(whole)
    block = store / "response" / "c.7.0"
    altered = bytearray(block.read_bytes())
    altered[0] ^= 1
    block.write_bytes(altered)
    # Of the right size, so it is taken for what was computed; only a comparison tells.
    assert Store.open(store).missing() == []
    assert bits(store) != bits(whole)
