"""One sweep on several devices and in several processes: the same bits as on one."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]

# What each process runs: it says where to save its responses, and how many processes there are.
SCRIPT = """
import sys
import jax, numpy as np

out, address, count, number = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
if count > 1:
    jax.distributed.initialize(address, count, number)
import circuitkit as ck
from tests.test_sweep import NET, STIMULI

devices = None if count > 1 or number < 0 else jax.devices()[: number or None]
progress = []
store = sys.argv[5] or None
found = ck.tune(
    NET["curves"],
    STIMULI,
    chunk=7,
    devices=devices,
    store=store,
    progress=lambda done, total: progress.append((done, total)),
)
assert progress[-1] == (48, 48) and len(progress) == int(sys.argv[6]), progress
np.save(out, found.values)
print(len(jax.devices()), jax.process_count())
"""


def start(
    out: Path,
    *,
    devices: int,
    address: str = "-",
    count: int = 1,
    number: int = 0,
    store: Path | str = "",
    blocks: int = 7,
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(out), address, str(count), str(number), str(store), str(blocks)],
        cwd=ROOT,
        env=os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    try:
        out, err = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, err[-3000:]
    return out.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    out = tmp_path_factory.mktemp("alone") / "found.npy"
    assert finish(start(out, devices=1)) == "1 1"
    return np.load(out)


@pytest.mark.parametrize(("devices", "used"), [(2, 0), (4, 0), (4, 3)])
def test_several_devices_give_the_same(tmp_path: Path, alone: np.ndarray, devices: int, used: int) -> None:
    # Seven blocks: the last step has too few for all devices.
    assert finish(start(tmp_path / "found.npy", devices=devices, number=used)) == f"{devices} 1"
    found = np.load(tmp_path / "found.npy")
    if devices <= (os.cpu_count() or 1):
        np.testing.assert_array_equal(found, alone)
    # With more devices than cores XLA has more threads, and sums are added up in more parts.
    np.testing.assert_allclose(found, alone, atol=1e-6 * alone.max())
    assert alone.max() > 0


def start_two(folder: Path, **options: Any) -> list[subprocess.Popen[str]]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listening.getsockname()[1]}"
    return [
        start(folder / f"{number}.npy", devices=2, address=address, count=2, number=number, **options)
        for number in range(2)
    ]


def test_two_processes_give_the_same_bits_to_both(tmp_path: Path, alone: np.ndarray) -> None:
    assert [finish(process) for process in start_two(tmp_path)] == ["4 2", "4 2"]
    for number in range(2):
        np.testing.assert_array_equal(np.load(tmp_path / f"{number}.npy"), alone)


def test_two_processes_resume_one_store(tmp_path: Path, alone: np.ndarray) -> None:
    store = tmp_path / "sweep.zarr"
    assert finish(start(tmp_path / "one.npy", devices=1, store=store)) == "1 1"
    blocks = sorted(file for file in (store / "response").rglob("*") if file.is_file() and file.name != "zarr.json")
    assert len(blocks) == 7
    for number in (1, 4):
        blocks[number].unlink()
    for process in start_two(tmp_path, store=store, blocks=2):
        assert finish(process) == "4 2"
    for name in ("one", "0", "1"):
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), alone)


def test_another_chunk_is_noticed_by_the_bits_or_is_within_rounding(alone: np.ndarray) -> None:
    from circuitkit.sweep import tune
    from tests.test_sweep import NET, STIMULI

    other = tune(NET["curves"], STIMULI, chunk=48).values
    np.testing.assert_allclose(other, alone, atol=1e-6 * alone.max())
    assert not np.array_equal(np.roll(other, 1, axis=0), alone)
