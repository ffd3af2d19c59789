"""`circuitkit neurons` as a user types it: figures, page and table, and what is refused before any work."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from circuitkit import neurons
from circuitkit.cli.main import main
from circuitkit.cli.neurons import ENDINGS


def refused(capsys: pytest.CaptureFixture[str], line: str) -> str:
    assert main(["neurons", *line.split()]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return " ".join(captured.err.split())


def written(name: str) -> pd.DataFrame:
    """Checks that all files are there, and returns the table."""
    for ending in ENDINGS[:3]:
        assert Path(f"{name}{ending}").read_bytes().startswith(b"\x89PNG")
    assert Path(f"{name}.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    return pd.read_csv(f"{name}.csv", keep_default_na=False)


def test_without_a_net_eight_neurons_are_shown(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["neurons"]) == 0
    table = written("neurons")
    assert (table["from"].iloc[0], table["to"].iloc[-1]) == (-0.5, 1.0)
    captured = capsys.readouterr()
    assert "8 random neurons of one input: 1 -> 8" in captured.out
    assert "at 0.3:" in captured.out
    assert "at 0.7:" in captured.out
    assert "neurons.png, neurons-groups.png" in captured.err
    assert "is there already" in refused(capsys, "")
    assert main(["neurons", "--overwrite", "--seed", "1"]) == 0
    assert not written("neurons").equals(table)


def test_neurons_of_ones_own_have_their_exact_boundaries(small: Path) -> None:
    line = "--weights=1,-2,0.5 --biases 0.1,0.4,-0.2 --inputs 0.3 --groups top1 --out mine/own.png"
    assert main(["neurons", *line.split()]) == 0
    table = written("mine/own")
    layer = neurons.Affine([[1, -2, 0.5]], [0.1, 0.4, -0.2])
    due = neurons.groups(layer(neurons.interval(-0.5, 1)), neurons.top(1)).table()
    np.testing.assert_allclose(table["to"], due["to"])
    np.testing.assert_allclose(table["to"], [0.1, 1.0])
    assert table["neurons"].tolist() == ["n1", "n0"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("lines --along turn --shape lines --step 30", "angle (°) of a turning line"),
        ("longer --since lines --units longer@0,longer@90 --along lines@45 --images pictures --side 60 --most 3", ""),
        ("lines --along pc2 --images pictures --side 60 --most 4 --groups quartile", "principal direction 2 holds"),
        ("lines --along between --images pictures --side 60 --pair 2,5 --groups top2", "from picture 2 to picture 5"),
        ("lines --along concept --images pictures --without others --side 60 --most 4", "pictures held out"),
    ],
)
def test_a_layer_of_a_net_along_a_line(small: Path, capsys: pytest.CaptureFixture[str], line: str, said: str) -> None:
    (small / "others").mkdir()
    for number in range(4):
        shutil.copy(small / "pictures" / f"{number + 5}.png", small / "others")
    if "longer@0" in line:
        line = line.replace("--along lines@45", "--along lines@45(+0,+0)")
    assert main(["neurons", "small_circuit", *line.split(), "--out", "seen"]) == 0
    table = written("seen")
    assert (table["to"].iloc[:-1].to_numpy() == table["from"].iloc[1:].to_numpy()).all()
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("small_circuit", "LAYER is missing"),
        ("small_circuit line", "Did you mean 'lines'"),
        ("small_circuit lines --count 3", "--count is of a layer of one input"),
        ("small_circuit lines --along pc1", "is found in pictures: give --images"),
        ("small_circuit lines --along concept --images pictures", "give --without"),
        ("small_circuit lines --along lines@1 --step 30", "has no neuron 'lines@1'"),
        ("small_circuit lines --shape circles", "has no angle"),
        ("small_circuit lines --since longer", "does not lead back to 'longer'"),
        ("small_circuit lines --groups quartile --shape lines --step 45", "--groups quartile needs samples"),
        ("small_circuit lines --along between --images pictures --side 60 --pair 1,99", "--pair got (1, 99)"),
        ("--groups most", "--groups got 'most'"),
        ("--groups top9", "asks for 9 of 8 neurons"),
        ("--step 0", "--step got 0"),
        ("--biases 1", "--biases without --weights"),
        ("--weights 1,2 --count 2", "leave one of them out"),
        ("--weights 1,2 --biases 1", "has a bias of shape (1,)"),
        ("--units 3", "--units is of a layer of a net"),
        ("--inputs 7", "--inputs got 7, beyond the line"),
        ("--low 1 --high 0", "has no length"),
    ],
)
def test_what_cannot_be_shown_is_refused(small: Path, capsys: pytest.CaptureFixture[str], line: str, why: str) -> None:
    assert why in refused(capsys, line)
    assert not list(small.glob("neurons*"))


def test_the_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["neurons", "--help"])
    said = capsys.readouterr().out
    for word in ("turn", "pc1", "between", "concept", "positive", "quartile", "top3", "--since", "Examples:"):
        assert word in said
