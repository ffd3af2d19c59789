"""Indices of pathways and unions: known values, laws, controls, and what is refused."""

import functools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitkit import HandbuiltNet, build
from circuitkit.errors import NetError, StimulusError, UnknownNameError
from circuitkit.pathways import pathways
from circuitkit.spec import Circuit, Corner, Family, Gabor, Rival, Tile
from circuitkit.stimuli import LabelledSet
from circuitkit.stimuli.photographs import pictures
from circuitkit.unioning import responses, shares, sides
from experiments.unioning import photographed, weights
from experiments.unioning.__main__ import main
from tests.strategies import unchecked

OWN = {"right": "right", "left": "left"}


def table(**units: tuple[list[float], list[float]]) -> pd.DataFrame:
    """Returns responses of units to images of either side: right, left."""
    rows = [
        {"unit": unit, "case": case, "image": at, "response": value}
        for unit, both in units.items()
        for case, values in zip(("right", "left"), both, strict=True)
        for at, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_known_values() -> None:
    seen = table(right=([3.0, 1.0], [1.0, 1.0]), left=([0.0, 0.0], [2.0, 4.0]), either=([5.0, 7.0], [5.0, 7.0]))
    found = sides(seen, OWN).set_index("unit")
    assert found.direction.to_dict() == {"right": 0.25, "left": 1.0, "either": 0.0}
    assert found.invariance.to_dict() == {"right": 0.75, "left": 0.0, "either": 1.0}
    assert found.ratio.to_dict() == {"right": 2.0, "left": np.inf, "either": 1.0}
    assert found.p["either"] == 1
    part = shares(seen, {"right": ["right"], "either": ["right", "left"]}).set_index(["unit", "case"])
    assert part.share["right", "left"] == 0.5
    assert part.largest["right", "right"] == 1.5
    assert part.share["either", "left"] == 1


def test_images_that_a_unit_is_silent_to_say_nothing() -> None:
    found = sides(table(right=([1.0, 0.0], [0.0, 0.0]), left=([0.0, 0.0], [0.0, 0.0])), OWN).set_index("unit")
    assert found.images.to_dict() == {"right": 1, "left": 0}
    assert found.direction["right"] == 1
    assert np.isnan(found.direction["left"])
    assert found.p["left"] == 1


@given(st.integers(0, 2**31), st.floats(0.1, 10))
def test_gain_and_order_change_nothing_and_exchanged_sides_the_sign(seed: int, gain: float) -> None:
    rng = np.random.default_rng(seed)
    one, two = rng.gamma(1.0, size=(2, 12)).tolist()
    order = rng.permutation(12)
    seen = table(a=(one, two), b=(two, one))
    own = {"a": "right", "b": "left"}
    here = sides(seen, own, draws=19).set_index("unit")
    assert here.direction["a"] == pytest.approx(here.direction["b"])
    louder = sides(seen.assign(response=seen.response * gain), own, draws=19).set_index("unit")
    np.testing.assert_allclose(louder.direction, here.direction, atol=1e-12)
    shuffled = table(a=(np.array(one)[order].tolist(), np.array(two)[order].tolist()), b=(two, one))
    assert sides(shuffled, own, draws=19).set_index("unit").direction["a"] == pytest.approx(here.direction["a"])
    other = sides(seen, {"b": "right", "a": "left"}, draws=19).set_index("unit")
    assert other.direction["a"] == pytest.approx(-here.direction["a"])


def test_chance_is_called_at_its_rate() -> None:
    rng = np.random.default_rng(0)
    ps = [
        sides(table(right=tuple(rng.gamma(1.0, size=(2, 20)).tolist()), left=([1.0] * 20, [1.0] * 20)), OWN, draws=99)
        for _ in range(100)
    ]
    rate = np.mean([each.set_index("unit").p["right"] <= 0.05 for each in ps])
    assert 0.01 <= rate <= 0.1
    told = table(right=([2.0] * 20, [1.0] * 20), left=([1.0] * 20, [2.0] * 20))
    assert sides(told, OWN).p.max() == pytest.approx(0.001)


@functools.cache
def net(rivalry: float = 1.0) -> HandbuiltNet:
    edges = Family("edges", Gabor(wavelength=4, sigma=1.4, phase=90), angles=8)
    corner = Tile(edges, along=Corner(opening=60, length=12), tolerance=30, spread=2)
    stage = Family("wedges", corner, angles=1, mirrored=True)
    return HandbuiltNet(build(Circuit("wedges", [edges, *pathways(stage, into="either", rivalry=rivalry)])))


def wedge() -> dict[str, LabelledSet]:
    """Returns a wedge that points right, its mirror image, and nothing at all."""
    y, x = np.mgrid[-20:21, -20:21].astype(float)
    shown = np.where((x < 6) & (np.abs(y) < (6 - x) * np.tan(np.radians(30))), 1.0, 0.0)
    image = np.repeat(shown[None, ..., None], 3, -1).astype(np.float32)
    return {"right": pictures(image), "left": pictures(image[:, :, ::-1].copy()), "nothing": pictures(0 * image)}


def units(of: HandbuiltNet) -> dict:
    return {"right": of["wedges", [0]], "left": of["wedges", [1]], "either": of["either"]}


def test_a_union_by_hand_is_invariant_and_its_pathways_are_not() -> None:
    seen = responses(units(net()), wedge(), read_out="max", size=41)
    found = sides(seen, OWN).set_index("unit")
    assert min(found.direction["right"], found.direction["left"]) > 0.3
    assert found.invariance["either"] == pytest.approx(1, abs=1e-5)
    assert shares(seen, {"either": ["right", "left"]}).set_index("case").share["nothing"] == 0
    # The same without inhibition tells them apart less.
    cut = sides(responses(units(net(0.0)), wedge(), read_out="max", size=41), OWN).set_index("unit")
    assert cut.direction["right"] < found.direction["right"] - 0.1


def test_mean_and_largest_and_middle_are_read_of_the_maps() -> None:
    found = {how: responses(units(net()), wedge(), read_out=how, size=41) for how in ("mean", "max")}
    assert (found["mean"].response <= found["max"].response).all()
    assert found["mean"].response.max() > 0


def test_halves_and_patches_are_moved_and_none_is_lost() -> None:
    rng = np.random.default_rng(0)
    images = rng.random((2, 21, 21, 3)).astype(np.float32)
    for moved in (photographed.exchanged(images), photographed.patches(images, rng.permutation(16))):
        assert moved.shape == images.shape
        assert np.abs(moved - images).max() > 0
        np.testing.assert_allclose(np.sort(moved.ravel()), np.sort(images.ravel()))
    np.testing.assert_array_equal(photographed.patches(images, np.arange(16)), images)
    both = photographed.tiled(images, images[:, :, ::-1])
    np.testing.assert_allclose(both[:, :20, :20], both[:, :20, :20][:, :, ::-1], atol=1e-6)


def test_kernels_by_hand_are_mirror_images_and_ones_that_were_changed_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = net().network.circuit
    row = weights.by_hand(circuit, ("wedges",)).iloc[0]
    assert row.mirrored == pytest.approx(1, abs=1e-6)
    assert row["as they are"] < 0.9
    kernels = {name: layer.kernel[...] for name, layer in net().network.layers.items()}
    changed = kernels | {"wedges": kernels["wedges"].at[..., 0].set(kernels["wedges"][::-1, ..., 0])}
    monkeypatch.setattr(weights, "build", lambda spec: build(spec, kernels=changed))
    rotated = weights.by_hand(circuit.without(Rival), ("wedges",)).iloc[0]
    assert rotated.mirrored < 0.99


def test_what_is_refused() -> None:
    seen = table(right=([1.0, 2.0], [1.0]))
    with pytest.raises(StimulusError, match="has 2 images and 'left' has 1: wanted the same images"):
        sides(seen, OWN)
    fine = table(right=([1.0], [1.0]), left=([1.0], [1.0]))
    with pytest.raises(StimulusError, match="wanted two, one for each side"):
        sides(fine, {"right": "right"})
    with pytest.raises(UnknownNameError, match="no case 'lift'"):
        sides(fine, {"right": "right", "left": "lift"})
    with pytest.raises(UnknownNameError, match="no unit 'rigth'"):
        shares(fine, {"rigth": ["right"]})
    with pytest.raises(StimulusError, match="does not respond to right"):
        shares(fine.assign(response=0.0), {"right": ["right"]})
    with unchecked(), pytest.raises(UnknownNameError, match="no read-out 'median'"):
        responses(units(net()), wedge(), read_out="median")  # type: ignore[arg-type]
    with pytest.raises(StimulusError, match="got 0 units and 3 cases"):
        responses({}, wedge())
    broken = net().with_weights(lambda weight: weight.value, name="same")
    broken.network.layers["either"].bias[...] = float("nan")
    with pytest.raises(NetError, match="NaN or infinity"):
        responses({"either": broken["either"]}, wedge(), read_out="max", size=41)


@pytest.mark.long
@pytest.mark.slow
def test_the_experiment_runs_on_heads_by_hand(tmp_path: Path) -> None:
    tables = main(["--smoke", "--out", str(tmp_path)])
    written = tables["drawn_sides"].set_index(["circuit", "unit"])
    assert written.ratio["as written", "right"] > 10
    assert written.ratio["without rivals", "right"] < 3
    assert (tmp_path / "drawn.png").exists()
    assert not (tmp_path / "cut.png").exists()


LESSON = Path(__file__).parents[1] / "docs" / "unioning.md"


def test_the_lesson_runs_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    text = LESSON.read_text(encoding="utf-8")
    with unchecked():
        exec("\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)), {})
    quoted = re.findall(r"^print\(.*\)  # (.*)$", text, flags=re.MULTILINE)
    assert len(quoted) == 5
    assert capsys.readouterr().out.splitlines() == quoted
