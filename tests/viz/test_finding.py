"""The page of a search: what was found, where, and how much of it where there is nothing to be found."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from circuitkit import hypothesis
from circuitkit.evidence import synthetic
from circuitkit.find import Found
from circuitkit.hypothesis import Hypothesis
from circuitkit.viz.finding import claim, family, passing, unit_rows, where, write_found
from circuitkit.viz.style import WIDTH, to_png
from tests.viz.synthetic import HOSTILE
from tests.viz.test_report import read


def units(said: Hypothesis, count: int, held: int, name: str) -> xr.Dataset:
    angles = np.arange(24) * (said.period or 360.0) / 24
    at = (np.arange(count) + 0.5) * (said.period or 360.0) / count
    sizes = np.array(said.sizes or (np.nan,))
    curves = np.exp(4 * np.cos(np.deg2rad((angles[:, None] - at) * 360 / (said.period or np.inf))))
    numbers = {key: ("unit", np.linspace(0.9, 0.99, count)) for key in synthetic.criteria(said)}
    return xr.Dataset(
        {
            **numbers,
            "fwhm": ("unit", np.full(count, 50.0)),
            "angle": ("unit", at if said.period else np.full(count, np.nan)),
            "size": ("unit", np.full(count, sizes[0])),
            "holds": ("unit", np.arange(count) < held),
            "why_not": ("unit", ["" if index < held else HOSTILE for index in range(count)]),
            "tuning": (("shown_angle", "shown_size", "unit"), np.repeat(curves[:, None], len(sizes), 1)),
        },
        coords={"unit": [f"{name}:{index}" for index in range(count)], "shown_angle": angles, "shown_size": sizes},
    )


def search(said: Hypothesis, **held: int) -> Found:
    layers = {name: units(said, 40, count, name) for name, count in held.items()}
    return Found(f"net {HOSTILE}", said, layers, {"gap": f"it sees all of {HOSTILE}"})


@pytest.fixture(scope="module")
def found() -> Found:
    return search(hypothesis.curve(), fire4=1, fire5=36)


@pytest.fixture(scope="module")
def controls(found: Found) -> dict[str, Found]:
    none = search(found.hypothesis, fire4=0, fire5=1)
    return {f"shuffled {HOSTILE}": dataclasses.replace(none, net_name=f"shuffled {HOSTILE}")}


def test_the_page_is_well_formed_and_has_a_figure_of_each_family(
    found: Found, controls: dict[str, Found], tmp_path: Path
) -> None:
    path = write_found(found, tmp_path / "deep", controls=controls, command=f"circuitkit {HOSTILE}")
    text = path.read_text(encoding="utf-8")
    reader = read(text)
    assert reader.faults == []
    assert HOSTILE not in text
    assert reader.tags.count("img") == 2  # the net, and fire5: one unit is no family
    assert claim(found, controls) in reader.text
    assert f"it sees all of {HOSTILE}" in reader.text
    links = [link for link in reader.links if not link.startswith("#")]
    assert all((path.parent / link).is_file() for link in links)
    table = pd.read_csv(path.parent / "found.csv")
    assert len(table) == 80
    assert (table.verdict == "yes").sum() == 37
    assert pd.read_csv(path.parent / "controls.csv").found.tolist() == [1, 36, 0, 1]


def test_the_claim_counts(found: Found, controls: dict[str, Found]) -> None:
    assert claim(found) == f"37 of 80 units of net {HOSTILE} detect a curve, most of them in fire5 (36)."
    assert "Of 80 units in the same layers of 1 net that learned nothing, 1 pass (1.2%)" in claim(found, controls)
    assert passing(found, controls).share.tolist() == [1 / 40, 36 / 40, 0, 1 / 40]


def test_nothing_found_is_a_page_too(tmp_path: Path) -> None:
    none = search(hypothesis.line(), fire5=0)
    text = write_found(none, tmp_path).read_text(encoding="utf-8")
    assert "No unit meets every criterion." in text
    assert read(text).faults == []


@pytest.mark.parametrize("name", list(hypothesis.HYPOTHESES))
def test_families_of_every_shape_are_drawn(name: str) -> None:
    said = hypothesis.HYPOTHESES[name]()
    drawn = family(search(said, fire5=40).families()["fire5"], said, layer="fire5")
    assert drawn.get_figwidth() == WIDTH
    assert any("the 32 most selective of 40" in text.get_text() for text in drawn.texts)
    to_png(drawn)


def test_the_bars_are_shares_of_the_layers(found: Found, controls: dict[str, Found]) -> None:
    bars = where(found, controls).axes[0]
    assert [patch.get_width() for patch in bars.patches] == pytest.approx([2.5, 90])


def test_the_table_names_the_strongest_rival(found: Found) -> None:
    head, lines = unit_rows(found, 5)
    assert len(lines) == 5
    assert head[-1] == "strongest rival"
    assert all(len(line) == len(head) for line in lines)
    head, _ = unit_rows(search(hypothesis.circle(), fire5=3), 5)
    assert "angle (°)" not in head
