"""`circuitkit weights` as a user types it: pictures, numbers, and what is refused before any work."""

from pathlib import Path

import pytest
import xarray as xr

from circuitkit.cli.main import main


def refused(capsys: pytest.CaptureFixture[str], line: str) -> str:
    assert main(["weights", *line.split()]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return " ".join(captured.err.split())


@pytest.mark.parametrize(
    ("line", "numbers"),
    [
        ("edges filters", {"weight", "angle", "directed", "frequency", "colour"}),
        ("lines kernels", {"weight"}),
        ("longer expanded --from contours --units longer@0,longer@90", {"weight"}),
        ("longer factors --count 2 --shuffles 2", {"loading", "maps", "each", "null"}),
        ("lines sheet --shape lines --angles 8 --steps 0", {"tuning", "weight", "angle_of_unit"}),
    ],
)
def test_a_picture_and_its_numbers_are_written(
    small: Path, capsys: pytest.CaptureFixture[str], line: str, numbers: set[str]
) -> None:
    assert main(["weights", "small_circuit", *line.split()]) == 0
    name = "-".join(line.split()[:2])
    assert Path(f"{name}.png").read_bytes().startswith(b"\x89PNG")
    with xr.open_dataset(f"{name}.nc", engine="scipy") as found:
        assert set(found.data_vars) == numbers
    assert f"{name}.png, and {name}.nc" in " ".join(capsys.readouterr().err.split())
    assert "is there already" in refused(capsys, f"small_circuit {line}")


def test_units_that_a_search_found_are_a_family(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = "layer,unit,verdict,angle\nlines,lines@90,yes,91\nlines,lines@0,yes,2\nlines,lines@45,no,45\n"
    (small / "mine").mkdir()
    (small / "mine" / "found.csv").write_text(table)
    assert main("weights small_circuit lines kernels --found mine --out kernels.png".split()) == 0
    with xr.open_dataset("kernels.nc", engine="scipy") as found:
        assert found.unit.values.tolist() == ["lines@90", "lines@0"]
    capsys.readouterr()
    assert "has no units of layer 'edges'" in refused(capsys, "small_circuit edges kernels --found mine")
    (small / "mine" / "found.csv").write_text("nothing")
    assert "is no table that `circuitkit find` wrote" in refused(capsys, "small_circuit lines factors --found mine")


def test_what_cannot_be_drawn_is_refused(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Did you mean 'lines'" in refused(capsys, "small_circuit line kernels")
    assert "wanted a layer that reads the image" in refused(capsys, "small_circuit lines filters")
    assert "--from is missing" in refused(capsys, "small_circuit edges expanded")
    assert "draw `expanded`" in refused(capsys, "small_circuit lines kernels --from edges")
    assert "wanted a .png file" in refused(capsys, "small_circuit lines kernels --out lines.pdf")
    assert "--shuffles=-1" in refused(capsys, "small_circuit lines factors --shuffles -1")
    assert "has no angle" in refused(capsys, "small_circuit lines sheet --shape circles")
    with pytest.raises(SystemExit):
        main("weights small_circuit lines pictures".split())
    assert not list(small.glob("*.png"))


def test_the_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["weights", "--help"])
    said = capsys.readouterr().out
    for word in ("filters", "kernels", "expanded", "factors", "sheet", "--found", "Examples:"):
        assert word in said
