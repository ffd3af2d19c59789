"""Published data are read into our conventions, give the published numbers, and are refused if they are something else.

The laws are tested on a folder of invented data in the published conventions; the published folder itself is read where
CIRCUITKIT_DATA names it.
"""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from circuitkit import equivariance, tuning
from circuitkit.errors import StoreError, UnknownNameError
from circuitkit.evidence import published
from circuitkit.symmetry import Motion

TURN, HALF = np.arange(720) / 2, np.arange(360) / 2
CURVES, EDGES = np.arange(24) * 15.0, np.arange(18) * 10.0


def bell(angles: np.ndarray, centre: float, period: float) -> np.ndarray:
    """A lobe whose full width at half maximum is a ninth of the period."""
    away = (angles - centre + period / 2) % period - period / 2
    return np.exp(-4 * np.log(2) * (away / (period / 9)) ** 2).astype(np.float32)


def handwritten(handedness: float = -1.0) -> np.ndarray:
    """A layer that depends on relative pose alone, as it is published: [in, out, row, column], angles clockwise."""
    right, down = np.meshgrid(np.arange(5) - 2.0, np.arange(5) - 2.0)
    away, bearing = np.hypot(right, down), np.rad2deg(np.arctan2(handedness * -down, right))
    angle, harmonic = np.concatenate([CURVES, EDGES]), np.repeat([1, 2], [24, 18])
    weights = np.zeros((42, 42, 5, 5))
    for source in range(42):
        for unit in range(42):
            # A signed angle between the two, so that a mirror image is told from the original.
            apart = np.deg2rad(2 * (angle[source] - angle[unit]) + 20)
            seen = np.deg2rad(harmonic[unit] * (bearing - angle[unit]) - 35)
            weights[source, unit] = np.cos(apart) + np.exp(-away) * away * np.cos(seen)
    return weights / np.abs(weights).max()


def write(folder: Path, **changed: dict[str, Any]) -> Path:
    """Writes a folder of invented data; files by their name without npz, arrays by theirs, None to leave one out."""
    two = np.stack([bell(TURN, 90, 360), bell(TURN, 200, 360)])
    files: dict[str, dict[str, Any]] = {
        "radial_curves": {"angle_deg": TURN}
        | {f"{layer}_units": np.array([5, 7]) for layer in published.LAYERS}
        | {f"{layer}_act": 100 * two for layer in published.LAYERS},
        "negative_weights_edit": {"angle_deg": TURN, "units": np.array([5, 7])}
        | {edit: two * factor for edit, factor in zip(published.EDITS, (100, 50, 25), strict=True)},
        "radial_lines_mixed3a": {
            "angle_deg": HALF,
            "act": np.stack([bell(HALF, 0, 180), bell(HALF, 30, 180), bell(HALF, 90, 180)]),
            "lines_units": np.array([0]),
            "texture_lines_units": np.array([2]),
            "cliffs_units": np.array([], int),
        },
        "aann": {
            "w_mixed3a_to_mixed3b": handwritten(),
            "family": np.repeat(["curve", "edge"], [24, 18]),
            "angle_deg": np.concatenate([CURVES, EDGES]),
        },
        "human_labels": {
            "classes": np.array(["curve", "unrelated"]),
            "n_images": np.array([3, 4]),
            "bins": np.array([-25.0, 0.0, 25.0]),
            "cond_prob": np.full((2, 3), 0.5),
            "prob_density": np.full((2, 3), 0.2),
            "expected_value": np.full((2, 3), 0.1),
        },
        "hilo_factors": {
            "freq_axis": np.array([0.0, 0.5, 1.0]),
            "lf_response_px": np.array([3.0, 2.0, 1.0]),
            "hf_response_px": np.array([1.0, 2.0, 3.0]),
        },
    }
    row = {"fwhm_deg": 40.0, "max_act": 100.0, "echo_at_180": 0.0, "echo_max_within_45_of_antipode": 0.0}
    facts = {"5": {**row, "peak_deg": 90.0}, "7": {**row, "peak_deg": 200.0}}
    (folder / "distill").mkdir(parents=True)
    for name, arrays in files.items():
        kept = {key: value for key, value in (arrays | changed.get(name, {})).items() if value is not None}
        np.savez_compressed(folder / "distill" / f"{name}.npz", **kept)
    tables = [*published.LAYERS, *(f"mixed3b_{edit}" for edit in published.EDITS)]
    (folder / "distill" / "measured.json").write_text(json.dumps({"definitions": {}} | dict.fromkeys(tables, facts)))
    return folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data"))


# Conventions.


def test_a_cup_points_down(folder: Path) -> None:
    """Published at 90 clockwise, a cup is a curve at 270; and 200 is 160."""
    curves = published.radial_curves("mixed3b", folder)
    assert list(curves.unit.values) == ["mixed3b:5", "mixed3b:7"]
    np.testing.assert_array_equal(curves.angle, TURN)
    np.testing.assert_array_equal(tuning.peak_angle(curves), [270, 160])
    for edit, top in zip(published.EDITS, (100, 50, 25), strict=True):
        edited = published.edited_curves(edit, folder)
        np.testing.assert_array_equal(tuning.peak_angle(edited), [270, 160])
        np.testing.assert_allclose(edited.max("angle"), top, rtol=1e-6)


def test_a_line_runs_along_its_tangent(folder: Path) -> None:
    """A normal to the right is that of an upright line; 30 clockwise of it, of one at 60; downwards, of one at 0."""
    lines = published.radial_lines(folder)
    np.testing.assert_array_equal(lines.angle, HALF)
    np.testing.assert_array_equal(tuning.peak_angle(lines), [90, 60, 0])
    np.testing.assert_allclose(tuning.fwhm(lines, period=180), 20, atol=0.1)
    assert list(lines.family.values) == ["lines", "", "texture_lines"]


def blocks(folder: Path, motion: Motion) -> dict[tuple[str, str], float]:
    """How far the layer is from turning, by what reads what."""
    weights, period, found = published.last_layer(folder), {"curve": 360.0, "edge": 180.0}, {}
    for source, source_period in period.items():
        for unit, unit_period in period.items():
            part = weights.sel(source=weights.source_family == source, unit=weights.unit_family == unit)
            errors = equivariance.weight_errors(
                part.values,
                list(part.source_angle.values),
                list(part.unit_angle.values),
                source_period=source_period,
                unit_period=unit_period,
                motion=motion,
            )
            found[source, unit] = float(errors.max())
    return found


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_published_layer_that_turns_still_turns_when_read(folder: Path, turn: float) -> None:
    assert max(blocks(folder, Motion(turn)).values()) < 1e-6


def test_reading_the_angles_the_wrong_way_round_is_noticed(tmp_path: Path) -> None:
    mistaken = write(tmp_path, aann={"w_mixed3a_to_mixed3b": handwritten(handedness=1.0)})
    found = blocks(mistaken, Motion(90))
    # What reads with edges comes back after half a turn, which two mistakes make of a quarter.
    assert min(found["curve", "curve"], found["edge", "curve"]) > 0.1


def test_the_layer_is_named_and_ordered(folder: Path) -> None:
    weights = published.last_layer(folder)
    assert weights.dims == ("row", "column", "source", "unit")
    assert list(weights.unit.values[[0, 1, 23, 24, 41]]) == ["curve@0", "curve@15", "curve@345", "edge@0", "edge@170"]
    raw = handwritten()
    np.testing.assert_array_equal(weights.sel(source="curve@0", unit="curve@90"), raw[0, 18])  # 90 is 270 clockwise
    np.testing.assert_array_equal(weights.sel(source="edge@0", unit="curve@345"), raw[24 + 9, 1])


def test_labels_and_factors_have_their_axes(folder: Path) -> None:
    labels, factors = published.human_labels(folder), published.frequency_factors(folder)
    assert list(labels.label.values) == ["curve", "unrelated"]
    assert labels.sizes == {"label": 2, "activation": 3}
    assert int(labels.images.sum()) == 7
    assert float(factors.low.sel(frequency=0)) == 3


# Numbers.


@pytest.mark.parametrize("table", [*published.LAYERS, *published.EDITS])
def test_deviations_are_small_where_both_say_the_same(folder: Path, table: str) -> None:
    found = published.deviations(table, folder)
    assert found["peak_angle"] == 0
    assert found["fwhm"] < 0.1
    assert max(found["echo"], found["echo_at_antipode"]) < 1e-6


def test_a_deviation_is_noticed(tmp_path: Path) -> None:
    act = np.stack([bell(TURN, 94, 360), bell(TURN, 200, 360) + 0.3 * bell(TURN, 20, 360)])
    found = published.deviations("mixed3a", write(tmp_path, radial_curves={"mixed3a_act": act}))
    assert found["peak_angle"] == 4
    assert found["echo"] == pytest.approx(0.3, abs=1e-3)


# Refusals.


def spoiled(name: str, key: str, change: Callable[[np.ndarray], Any]) -> Callable[[Path], None]:
    """A change of one array of one file."""

    def spoil(folder: Path) -> None:
        path = folder / "distill" / f"{name}.npz"
        with np.load(path) as file:
            arrays = dict(file)
        value = change(arrays.pop(key))
        np.savez_compressed(path, **arrays, **({} if value is None else {key: value}))

    return spoil


def replaced(name: str, content: bytes | None) -> Callable[[Path], None]:
    """Another content of a file; None removes it."""

    def spoil(folder: Path) -> None:
        path = folder / "distill" / name
        path.unlink()
        if content is not None:
            path.write_bytes(content)

    return spoil


def truncated(folder: Path) -> None:
    path = folder / "distill" / "radial_curves.npz"
    path.write_bytes(path.read_bytes()[:-200])


def flipped(folder: Path) -> None:
    path = folder / "distill" / "radial_curves.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 255
    path.write_bytes(content)


def with_nan(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flat[3] = np.nan
    return array


def read_all(folder: Path) -> None:
    for layer in published.LAYERS:
        published.radial_curves(layer, folder)
    published.radial_lines(folder)
    published.last_layer(folder)
    published.human_labels(folder)
    published.frequency_factors(folder)
    published.deviations("unedited", folder)


def test_what_was_not_spoiled_is_read(tmp_path: Path) -> None:
    read_all(write(tmp_path))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (replaced("aann.npz", None), "there is no .*aann.npz"),
        (replaced("radial_curves.npz", b""), "radial_curves.npz cannot be read"),
        (replaced("radial_curves.npz", b"not a zip file at all"), "cannot be read .* wanted a npz of plain arrays"),
        (replaced("radial_curves.npz", pickle.dumps([1, 2])), "cannot be read"),
        (truncated, "radial_curves.npz cannot be read"),
        (flipped, "radial_curves.npz cannot be read"),
        (spoiled("aann", "family", lambda a: None), "has no array 'family': wanted w_mixed3a_to_mixed3b, angle_deg, f"),
        (spoiled("aann", "family", lambda a: a.astype(object)), "aann.npz cannot be read .*allow_pickle=False"),
        (spoiled("aann", "family", lambda a: np.repeat(["curve", "line"], [24, 18])), "wanted 24 curves and 18 edges"),
        (spoiled("aann", "angle_deg", lambda a: a + 1), "each at even steps over its period"),
        (spoiled("aann", "angle_deg", lambda a: a[:-1]), r"shape \(41,\): wanted numbers of shape \(unit\)"),
        (spoiled("radial_curves", "mixed3b_act", lambda a: a[:, ::2]), r"\(2, 360\): wanted numbers of .* 720\)"),
        (spoiled("radial_curves", "mixed3b_act", lambda a: a[:1]), r"\(1, 720\): wanted numbers"),
        (spoiled("radial_curves", "mixed3b_act", lambda a: a.astype(str)), "of type <U32 .*wanted numbers"),
        (spoiled("radial_curves", "mixed3b_act", with_nan), "holds NaN or infinity"),
        (spoiled("radial_curves", "mixed3b_act", lambda a: a - 1), "activations down to -1: wanted none below 0"),
        (spoiled("radial_curves", "angle_deg", lambda a: a / 2), "wanted every 0.5 degrees of 360, once"),
        (spoiled("radial_lines_mixed3a", "angle_deg", lambda a: 2 * a), "wanted every 0.5 degrees of 180, once"),
        (spoiled("negative_weights_edit", "units", lambda a: a + 1), "are not of one pack"),
        (replaced("measured.json", b"{"), "holds no table 'unedited' .JSONDecodeError"),
        (replaced("measured.json", b'{"mixed3b_unedited": {"5": {}}}'), "KeyError: 'peak_deg'"),
        (replaced("measured.json", b"[]"), "holds no table 'unedited' .TypeError"),
        (replaced("measured.json", b"\xff\xfe"), "holds no table 'unedited' .UnicodeDecodeError"),
    ],
)  # fmt: skip
def test_what_is_no_copy_of_the_published_data_is_refused(tmp_path: Path, spoil: Any, said: str) -> None:
    folder = write(tmp_path)
    spoil(folder)
    with pytest.raises(StoreError, match=said):
        read_all(folder)


def test_names_that_are_not_there_are_refused_with_the_nearest(folder: Path) -> None:
    with pytest.raises(UnknownNameError, match="the published data has no layer 'mixed3c'. Did you mean 'mixed3b'"):
        published.radial_curves("mixed3c", folder)
    with pytest.raises(UnknownNameError, match="no edit 'early_curves'"):
        published.edited_curves("early_curves", folder)
    with pytest.raises(UnknownNameError, match="no table 'mixed5'"):
        published.deviations("mixed5", folder)


def test_a_folder_has_to_be_named(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(published.VARIABLE, raising=False)
    with pytest.raises(StoreError, match="give data=, or set CIRCUITKIT_DATA to the folder that holds distill/"):
        published.last_layer()
    with pytest.raises(StoreError, match="holds no folder distill/"):
        published.last_layer(tmp_path)
    monkeypatch.setenv(published.VARIABLE, str(folder))
    assert published.last_layer().sizes["unit"] == 42


# The published data themselves.


@pytest.fixture(scope="session")
def data() -> str:
    said = os.environ.get(published.VARIABLE)
    if not said or not (Path(said) / "distill").is_dir():
        pytest.skip("set CIRCUITKIT_DATA to a folder that holds distill/ to run the tests on published data")
    return said


@pytest.mark.parametrize("table", [*published.LAYERS, *published.EDITS])
def test_the_published_numbers_come_out(data: str, table: str) -> None:
    found = published.deviations(table, data)
    assert found["peak_angle"] <= 0.5
    assert found["fwhm"] <= 1
    assert found["echo"] <= 0.005
    assert found["echo_at_antipode"] <= 0.005


def test_without_negative_weights_there_is_an_echo(data: str) -> None:
    echo = {edit: tuning.echo_at_antipode(published.edited_curves(edit, data)) for edit in published.EDITS}
    assert float(echo["unedited"].mean()) == pytest.approx(0.002, abs=0.0005)
    assert float(echo["early_curves_only"].max()) == 0
    assert float(echo["early_curves_positive_only"].mean()) == pytest.approx(0.229, abs=0.0005)
    unedited = published.radial_curves("mixed3b", data).sel(unit=echo["unedited"].unit)
    np.testing.assert_allclose(published.edited_curves("unedited", data), unedited, atol=0.002)


def test_line_units_are_tuned_as_the_article_says(data: str) -> None:
    lines = published.radial_lines(data)
    widths = {name: tuning.fwhm(lines[:, lines.family.values == name], period=180) for name in published.LINE_FAMILIES}
    assert {name: found.size for name, found in widths.items()} == {"lines": 12, "texture_lines": 5, "cliffs": 5}
    for name, (low, high) in {"lines": (36, 76), "texture_lines": (25, 56), "cliffs": (22, 29)}.items():
        assert (float(widths[name].min()), float(widths[name].max())) == pytest.approx((low, high), abs=0.5), name
    across = tuning.echo_at_antipode(lines, period=180).sel(unit=["mixed3a:27", "mixed3a:57"])
    np.testing.assert_allclose(across, [0.40, 0.26], atol=0.005)


def test_quarter_turns_break_one_block_of_the_handwritten_layer(data: str) -> None:
    found = blocks(Path(data), Motion(90))
    assert found["curve", "curve"] == pytest.approx(0.016, abs=0.0005)
    assert found["edge", "curve"] == pytest.approx(1.56, abs=0.005)
    assert found["edge", "edge"] < 2e-4
    assert found["curve", "edge"] == 0  # and all of that block is


def test_857_pictures_were_labelled(data: str) -> None:
    labels = published.human_labels(data)
    assert int(labels.images.sum()) == 857
    assert float(labels.probability.sel(label="curve", activation=800)) == pytest.approx(0.92, abs=0.01)


def test_the_factors_cross_once(data: str) -> None:
    factors = published.frequency_factors(data)
    higher = (factors.high > factors.low).values
    assert np.diff(higher).sum() == 1
    assert float(factors.frequency[int(higher.argmax())]) == pytest.approx(0.62, abs=0.05)
