"""The pages about nets run as they stand there, and print what they say they print."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import circuitkit as ck

PAGES = Path(__file__).parents[2] / "docs" / "nets"


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (PAGES / f"{page}.md").read_text(encoding="utf-8"), flags=re.DOTALL)


def said(text: str) -> list[str]:
    """What comments behind a `print` promise."""
    return re.findall(r"^print\(.*\)  # (.*)$", text, flags=re.MULTILINE)


def printing(code: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Runs code; checks that it prints what it says, and returns its names."""
    names: dict[str, Any] = {}
    exec(code, names)
    assert capsys.readouterr().out.splitlines() == said(code) != []
    return names


def run(page: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    # Fewer angles, which a test can bear; everything else as it is written.
    names = printing("\n".join(blocks(page)).replace("ck.turn(8)", "ck.turn(2)"), capsys)
    assert names["responses"].dims == ("angle", "radius", "unit")
    off = float(np.abs(names["shuffled"] - names["responses"]).max())
    assert off > 0.1 * float(np.abs(names["responses"]).max()) > 0
    return names


def test_the_first_page_shows_a_net_that_comes_along(capsys: pytest.CaptureFixture[str]) -> None:
    assert printing("\n".join(blocks("README")), capsys)["logits"].shape == (4, 10)


@pytest.mark.parametrize("page", ["linen", "functions"])
def test_a_page_runs_as_it_stands(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(page, capsys)["net"].layers


def test_the_page_about_keras_runs_as_it_stands(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    keras: Any = pytest.importorskip("keras")
    if keras.config.backend() != "jax":
        pytest.skip("Keras runs on another backend here")
    assert run("keras", capsys)["net"].preprocessing.scale == 255


@pytest.mark.parametrize("page", ["onnx", "safetensors"])
def test_the_pages_about_files_run_beside_them(
    page: str, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for ending in ("onnx", "safetensors"):
        shutil.copy(data_folder / "nets" / f"squeezenet1_1.{ending}", tmp_path)
    monkeypatch.chdir(tmp_path)
    names = run(page, capsys)
    found = names["responses"]
    assert found.sizes["unit"] == 128
    if page == "safetensors":
        # The same net by both ways.
        other = ck.tune(ck.nets.load("squeezenet1_1.onnx")["fire2"], names["stimuli"])
        np.testing.assert_allclose(found, other, atol=1e-4 * float(other.max()))


def test_every_page_is_listed_and_every_name_is_there() -> None:
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    pages = {path.stem for path in PAGES.glob("*.md")} - {"README"}
    assert pages == set(re.findall(r"\((\w+)\.md\)", index)) == {"onnx", "safetensors", "linen", "keras", "functions"}
    for text in (path.read_text(encoding="utf-8") for path in PAGES.glob("*.md")):
        assert {name for name in re.findall(r"ck\.nets\.(\w+)", text) if not hasattr(ck.nets, name)} == set()


@pytest.mark.parametrize("code", ["print(1)  # 2\n", "print(1)\nprint(2)  # 2\n", "1 + 1\n"])
def test_what_a_page_does_not_print_is_noticed(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError):
        printing(code, capsys)
