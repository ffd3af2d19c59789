"""What is written and read back is what it was: arguments, subjects, and what a battery keeps."""

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from circuitkit import hypothesis
from circuitkit.errors import NetError, StoreError
from circuitkit.evidence.argument import Argument
from circuitkit.evidence.files import (
    keep_argument,
    kept_argument,
    load_argument,
    save_argument,
    subject_from_json,
    subject_to_json,
)
from tests.viz import arguments

NAMES = list(arguments.MADE)


def same(one: Argument, other: Argument) -> bool:
    parts = ("numbers", "interval", "null", "data")
    said = ("name", "claim", "criteria", "why_untested")
    return (
        all(getattr(one, part).equals(getattr(other, part)) for part in parts)
        and all(getattr(one, part) == getattr(other, part) for part in said)
        and list(one.notes) == list(other.notes)
    )


@pytest.mark.parametrize("name", NAMES)
def test_an_argument_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    made = arguments.argument(name, arguments.subject())
    save_argument(made, tmp_path / "a.nc")
    found = load_argument(tmp_path / "a.nc")
    assert same(found, made)
    assert found.numbers.second_number.attrs == {"units": "degrees"}
    assert {n: v.dtype.kind for n, v in found.data.items()} == {
        n: v.dtype.kind if v.dtype.kind != "U" else found.data[n].dtype.kind for n, v in made.data.items()
    }
    for unit in made.numbers.unit.values:
        assert found.failures(unit) == made.failures(unit)
    save_argument(found, tmp_path / "b.nc")  # what was read can be written
    assert same(load_argument(tmp_path / "b.nc"), made)


def test_a_difference_is_noticed(tmp_path: Path) -> None:
    made = arguments.argument("joint tuning", arguments.subject())
    save_argument(made, tmp_path / "a.nc")
    found = load_argument(tmp_path / "a.nc")
    found.data.synthetic.values[0, 0] += 1e-9
    assert not same(found, made)


def test_flags_bytes_and_nothing_at_all_come_back(tmp_path: Path) -> None:
    about = arguments.subject()
    made = arguments.argument("dataset examples", about, controls=0)
    made.numbers["flag"] = ("unit", np.array([True, False, True, False]))
    made.data["nothing"] = (("unit", "none"), np.zeros((4, 0)))
    save_argument(made, tmp_path / "a.nc")
    found = load_argument(tmp_path / "a.nc")
    assert found.numbers.flag.dtype == bool
    assert found.data.crop.dtype == np.uint8
    assert found.data.crop.values.max() > 127
    assert found.data.nothing.shape == (4, 0)
    assert found.null.shape == (0,)
    assert same(found, made)


def test_an_argument_that_was_not_tested_comes_back_with_its_reason(tmp_path: Path) -> None:
    made = Argument.untested("feature use", "It is used.", "nothing follows the layer")
    save_argument(made, tmp_path / "a.nc")
    assert load_argument(tmp_path / "a.nc").why_untested == made.why_untested
    assert load_argument(tmp_path / "a.nc").verdict == "not tested"


def test_files_that_hold_no_argument_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.nc"
    xr.Dataset({"x": ("y", np.zeros(3))}).to_netcdf(other, engine="scipy")
    cut = tmp_path / "cut.nc"
    save_argument(arguments.argument("joint tuning", arguments.subject()), cut)
    cut.write_bytes(cut.read_bytes()[:300])
    for path in (other, cut, tmp_path / "none.nc"):
        with pytest.raises(StoreError, match="is no argument"):
            load_argument(path)
    with pytest.raises(StoreError, match="cannot be written"):
        save_argument(arguments.argument("joint tuning", arguments.subject()), tmp_path / "no" / "where.nc")


@pytest.mark.parametrize("said", [make() for make in hypothesis.HYPOTHESES.values()], ids=list(hypothesis.HYPOTHESES))
def test_a_subject_comes_back_with_its_hypothesis(said: hypothesis.Hypothesis) -> None:
    about = arguments.subject(said=said)
    text = json.dumps(subject_to_json(about))
    found = subject_from_json(json.loads(text))
    assert found.poses.equals(about.poses)
    assert (found.probe.unit_names, found.probe.receptive_field) == (
        about.probe.unit_names,
        about.probe.receptive_field,
    )
    for field in ("name", "shape", "period", "size", "angle", "at"):
        assert getattr(found.hypothesis, field) == getattr(said, field)
    assert found.hypothesis.stimuli(8, looks=6).shape == said.stimuli(8, looks=6).shape
    assert json.loads(json.dumps(subject_to_json(found))) == json.loads(text)


def test_a_net_that_was_not_kept_says_so() -> None:
    found = subject_from_json(subject_to_json(arguments.subject()))
    with pytest.raises(NetError, match="was not kept with the report"):
        found.probe.maps(jnp.zeros((1, 8, 8, 1)))


def test_a_subject_that_lacks_something_is_refused() -> None:
    said = subject_to_json(arguments.subject())
    del said["hypothesis"]
    with pytest.raises(StoreError, match="no subject of a report"):
        subject_from_json(said)
    worse = subject_to_json(arguments.subject())
    worse["hypothesis"]["size"] = "girth"
    with pytest.raises(StoreError, match="girth"):
        subject_from_json(worse)


def test_what_is_kept_is_of_one_battery(tmp_path: Path) -> None:
    made = arguments.argument("joint tuning", arguments.subject())
    assert kept_argument(tmp_path, made.name, identity="a") is None
    keep_argument(tmp_path / "deep", made, identity="a", seconds=2.5)
    found = kept_argument(tmp_path / "deep", made.name, identity="a")
    assert found is not None
    assert same(found[0], made)
    assert found[1] == 2.5
    with pytest.raises(StoreError, match="of another battery"):
        kept_argument(tmp_path / "deep", made.name, identity="b")
    (tmp_path / "deep" / "joint_tuning.json").write_text("{")
    with pytest.raises(StoreError, match="no part of a battery"):
        kept_argument(tmp_path / "deep", made.name, identity="a")
