"""One kind is one kind however its cloud is shaped, several are found, and neither order nor axes nor scale matter."""

import functools
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitkit import nets, spec, valleys
from circuitkit.build import build
from circuitkit.controls import shuffled
from circuitkit.errors import NetError, SpecError, StimulusError, UnknownNameError
from circuitkit.look import Seen, _inside
from circuitkit.polysemantic import Meanings, drive, kinds, look, looks, meanings, search, tell
from circuitkit.probe import HandbuiltNet
from circuitkit.receptive_field import ReceptiveField
from circuitkit.stimuli.photographs import pictures
from experiments.polysemanticity import __main__ as experiment
from experiments.polysemanticity import simulated, trained
from tests.strategies import unchecked
from tests.viz.test_figures import blemishes, off_centre

SEEDS = st.integers(0, 2**31)
FEW = 99
"""Draws of a null, in tests."""

CHEAP = settings(max_examples=8)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Suspends the checks of shapes, which a null calls a hundred thousand times, and further draws of nulls."""
    monkeypatch.setattr(valleys, "MORE", 1)
    with unchecked():
        yield


def rotation(n: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]


def unit(count: int, seed: int = 0, apart: float = 12.0, each: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Returns responses and descriptions of a unit of some meanings, and of as many stimuli that do not drive it."""
    rng = np.random.default_rng(seed)
    held = rng.normal(size=(2 * count * each, 6))
    which = np.arange(count * each) % count
    held[np.arange(count * each), which] += apart
    return held[:, :count].sum(1), held


def same(one: Meanings, other: Meanings) -> bool:
    return one.p == other.p and [set(each) for each in one.members] == [set(each) for each in other.members]


# One kind is one.


@pytest.mark.parametrize("name", simulated.ONE)
def test_a_cloud_of_one_part_is_one(name: str) -> None:
    p = [simulated.chance(simulated.ONE[name], 16, stimuli=480, cut=False, seed=seed, draws=FEW) for seed in range(12)]
    # Of 12, 4 or more at a chance of .05 come by a chance of .002.
    assert sum(each <= 0.05 for each in p) < 4


def test_two_means_would_split_any_of_them() -> None:
    """The broken twin: halves of one Gaussian cloud are told apart by a direction, on stimuli that were held out."""
    rng = np.random.default_rng(0)
    held = rng.normal(size=(400, 4)) * (10, 1, 1, 1)
    one = kinds(held[:, 1] + 10, held, share=0.3, draws=FEW)
    assert one.count == 1
    (group,) = one.members
    right = held[group, 0] > 0
    halves = Meanings(
        **{field: getattr(one, field) for field in ("unit", "p", "valley", "separation", "silent", "sizes")},
        count=2,
        members=(group[right], group[~right]),
        directions=one.directions,
    )
    assert tell(held, halves).auc.sel(against="others").min() > 0.95


def test_a_point_and_a_flat_line_are_one_part() -> None:
    rng = np.random.default_rng(0)
    assert valleys.parts(np.ones((30, 3)), draws=FEW).p == 1
    assert len(valleys.parts(rng.random((60, 1)), draws=FEW).groups) == 1


def test_a_null_has_the_size_that_it_says() -> None:
    """As many as the level says of other flat lines are called, give or take: the null is the null."""
    null = np.sort(valleys.null(48, 400))
    other = np.array([valleys._measured(np.random.default_rng(seed).random((48, 1)), seed)[0] for seed in range(50)])
    # Of 50 at .2, fewer than 2 or more than 20 come by a chance of .001.
    assert 2 <= (other >= null[-80]).sum() <= 20


def test_where_no_draw_comes_near_there_are_more_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valleys, "MORE", 40)
    far, near = (np.random.default_rng(0).normal(size=(30, 2)) + (np.arange(30) % 2)[:, None] * by for by in (30, 0))
    assert valleys.parts(far, draws=50).p == 1 / 2001
    assert valleys.parts(near, draws=50).p >= 1 / 51


# Several are found.


@pytest.mark.parametrize("count", [1, 2, 3])
def test_as_many_meanings_are_found_as_there_are(count: int) -> None:
    responses, held = unit(count, each=24)
    found = kinds(responses, held, share=0.5, draws=199)
    assert found.count == count
    assert sorted(int(np.unique(group % count).item()) for group in found.members) == list(range(count))
    assert found.p == 1 / 200 if count > 1 else found.p > 0.1
    # Each direction is that of the one meaning, and no other: it drives the unit, which reads the sum of all, alone.
    own = np.abs(found.directions.values[:, :count])
    np.testing.assert_allclose(np.sort(own, axis=1)[:, -1], 1, atol=0.05)
    told = tell(held, found)
    assert np.nanmin(told.auc) > 0.99
    assert np.isnan(told.auc.sel(against="others")).all() == (count == 1)
    assert math.isnan(found.cosine) if count == 1 else abs(found.cosine) < 0.2


def test_kinds_that_are_near_are_not_told_apart() -> None:
    responses, held = unit(2, apart=1.0)
    assert kinds(responses, held, share=0.5, draws=FEW).count == 1


def test_a_small_kind_is_found_beside_a_large_one() -> None:
    rng = np.random.default_rng(3)
    cloud = rng.normal(size=(100, 8)) + 8 * (np.arange(100) < 25)[:, None] * np.eye(8)[0]
    assert [len(group) for group in valleys.parts(cloud, draws=199).groups] == [75, 25]


def test_members_are_the_strongest_first_and_the_largest_kind_first() -> None:
    responses, held = unit(3)
    found = kinds(responses, held, share=0.4, draws=199)
    assert [len(group) for group in found.members] == sorted((len(group) for group in found.members), reverse=True)
    for group in found.members:
        assert (np.diff(responses[group]) <= 0).all()
    assert sum(len(group) for group in found.members) == round(0.4 * len(responses))
    assert not set(np.concatenate(found.members)) & set(found.silent)


# Laws.


@pytest.mark.long
@CHEAP
@given(SEEDS, st.sampled_from([1, 2]))
def test_a_rotation_of_the_space_turns_directions_and_changes_nothing_else(seed: int, count: int) -> None:
    responses, held = unit(count, seed=seed % 100, each=24, apart=5.0)
    turn = rotation(6, seed)
    found, turned = (kinds(responses, each, share=0.5, draws=FEW) for each in (held, held @ turn))
    assert same(found, turned)
    np.testing.assert_allclose(turned.directions.values, found.directions.values @ turn, atol=1e-6)
    np.testing.assert_allclose(tell(held @ turn, turned).auc, tell(held, found).auc, atol=1e-6)


def test_a_stretch_of_the_space_is_no_rotation() -> None:
    responses, held = unit(2, each=24, apart=5.0)
    stretched = held * (1, 1, 1, 1, 1, 1000)
    found, other = (kinds(responses, each, share=0.5, draws=FEW) for each in (held, stretched))
    assert not np.allclose(found.directions, other.directions)


@CHEAP
@given(SEEDS, st.sampled_from([1, 2]))
def test_the_order_of_stimuli_does_not_matter(seed: int, count: int) -> None:
    responses, held = unit(count, seed=seed % 100, each=24, apart=5.0)
    order = np.random.default_rng(seed).permutation(len(responses))
    found, other = (
        kinds(responses, held, share=0.5, draws=FEW),
        kinds(responses[order], held[order], share=0.5, draws=FEW),
    )
    assert found.p == other.p
    for group, moved in zip(found.members, other.members, strict=True):
        np.testing.assert_array_equal(group, order[moved])


@CHEAP
@given(st.floats(1e-3, 1e3), st.sampled_from([1, 2]))
def test_the_scale_of_responses_does_not_matter(scale: float, count: int) -> None:
    responses, held = unit(count, each=24, apart=5.0)
    assert same(kinds(responses, held, share=0.5, draws=FEW), kinds(responses * scale, held, share=0.5, draws=FEW))


def test_the_sign_of_responses_does() -> None:
    responses, held = unit(2, each=24)
    shifted = responses - responses.min() + 1
    one, other = (kinds(each, held, share=0.5, draws=FEW) for each in (shifted, shifted.max() - shifted + 1))
    assert one.count == 2
    assert other.count == 1


# Refusals.


def test_bad_input_is_refused() -> None:
    responses, held = unit(2)
    with pytest.raises(StimulusError, match=r"responds with 2 to all of 80 stimuli"):
        kinds(np.full(80, 2.0), held)
    with pytest.raises(StimulusError, match=r"8 of 80 stimuli drive unit 'unit': wanted at least 24"):
        kinds(responses, held)
    with pytest.raises(NetError, match="NaN or infinity"):
        kinds(responses, np.where(held > 12, np.nan, held), share=0.5)
    for wrong in ({"share": 0.0}, {"share": 1.0}, {"level": 0.0}):
        with pytest.raises(SpecError, match="between 0 and 1"):
            kinds(responses, held, **wrong)


# On a net.


@functools.cache
def seen() -> Seen:
    """Returns a look at a union of upright and level lines, on images of either."""
    edges = spec.Family("edges", spec.Gabor(wavelength=4, sigma=1.5, phase=0), angles=2)
    bars = spec.Family("bars", spec.Union("edges", over_angles=True), angles=1)
    net = HandbuiltNet(build(spec.Circuit("bars", [edges, bars])))
    rng = np.random.default_rng(0)
    images = rng.normal(scale=0.05, size=(120, 15, 15, 1))
    for at in range(80):
        where = rng.integers(6, 9)
        images[(at, slice(None), where) if at % 2 else (at, where)] += rng.uniform(0.6, 0.9)
    return look(net["bars"], "edges", pictures(np.repeat(np.clip(images, -1, 1), 3, axis=-1)), chunk=50)


def test_a_look_has_what_was_there_where_the_unit_responded_most() -> None:
    found = seen()
    maps = found.maps["edges"]
    assert found.channels == list(found.probe.net.unit_names("edges"))
    held = found.activations("bars@0")
    for at, (row, column) in enumerate(found.places[:, 0]):
        np.testing.assert_array_equal(held[at], maps[at, row, column])
    # The unit is a sum of what it reads, so contributions add up to it.
    np.testing.assert_allclose(found.contributions(0).sum(1), found.responses[:, 0], rtol=1e-4)
    # One pixel aside, they would not.
    aside = maps[np.arange(120), (found.places[:, 0, 0] + 1) % maps.shape[1], found.places[:, 0, 1]]
    assert not np.allclose(aside, held)


@pytest.mark.parametrize("by", ["activation", "contribution"])
def test_a_union_has_the_meanings_that_it_unites_and_each_drives_it(by: str) -> None:
    found = meanings(seen(), "bars@0", by=by, share=0.6, draws=199)
    assert found.count == 2
    assert [set(group % 2) for group in found.members] in ([{0}, {1}], [{1}, {0}])
    assert found.directions.coords["channel"].values.tolist() == seen().channels
    assert np.sort(found.directions.values.max(1))[0] > 0.95
    np.testing.assert_allclose(drive(seen(), found), 1, atol=0.25)


def test_a_search_has_a_row_for_each_unit_and_corrects_for_all() -> None:
    found = seen()
    names = [f"unit{at}" for at in range(4)]
    drawn = np.random.default_rng(0).random((120, 4))
    drawn[:, 0], drawn[:, 3] = found.responses[:, 0], 0
    several = _With(found, names, drawn)
    table = search(several, share=0.6, draws=199)  # type: ignore[arg-type]
    assert table.unit[0] == "unit0"
    assert table.meanings.tolist()[0] == 2
    assert math.isnan(table.p.iloc[-1])
    p = table.p.to_numpy()[:3]
    np.testing.assert_allclose(table.p_family[:3], np.minimum(np.maximum.accumulate(p * (3, 2, 1)), 1))
    np.testing.assert_allclose(table.q[:3], np.minimum.accumulate((p * 3 / (1, 2, 3))[::-1])[::-1])


class _With:
    """A look at one unit as if it were several, which respond as given."""

    def __init__(self, found: Seen, names: list[str], responses: np.ndarray) -> None:
        self.responses, self.channels, self._found, self._names = responses, found.channels, found, names
        self.probe = self
        self.unit_names = names

    def index(self, unit: str) -> int:
        return self._names.index(unit)

    def activations(self, _: str | int) -> np.ndarray:
        return self._found.activations(0)


class _Padded:
    """A probe of a layer whose units see 7 pixels, every second one, the first of them 2 pixels outside the image."""

    layer = "padded"

    def __init__(self, field: ReceptiveField | None) -> None:
        self.net, self.receptive_field = self, lambda *_: field


@given(st.integers(7, 40), st.integers(1, 9), st.integers(1, 3), st.integers(-4, 4))
def test_places_that_count_are_those_that_see_the_image_and_nothing_else(
    side: int, sees: int, stride: int, first: int
) -> None:
    count = side // stride + 1
    middles = first + stride * np.arange(count) + (sees % 2 == 0) / 2
    field = ReceptiveField((sees, sees), (stride, stride), (middles[0], middles[0]))
    within = np.flatnonzero((middles - (sees - 1) / 2 >= 0) & (middles + (sees - 1) / 2 <= side - 1))
    maps = np.broadcast_to(np.arange(count)[:, None], (1, count, count))[..., None]
    if not len(within):
        with pytest.raises(StimulusError, match="padding"):
            _inside(_Padded(field), maps, (side, side))  # type: ignore[arg-type]
        return
    (top, left), kept = _inside(_Padded(field), maps, (side, side))  # type: ignore[arg-type]
    assert (top, left) == (within[0], within[0])
    np.testing.assert_array_equal(kept[0, :, 0, 0], within)


def test_all_places_count_where_it_is_not_known_what_they_see() -> None:
    maps = np.zeros((1, 5, 6, 2))
    assert _inside(_Padded(None), maps, (9, 9))[1].shape == maps.shape  # type: ignore[arg-type]


def test_several_looks_at_once_are_those_taken_in_turn() -> None:
    found = seen()
    images = pictures(np.random.default_rng(1).uniform(-1, 1, (5, 15, 15, 3)))
    net = found.probe.net
    asked = [(net["bars"], "edges"), (net["bars", [0]], ["edges"])]
    for one, (probe, sources) in zip(looks(asked, images, chunk=2), asked, strict=True):
        alone = look(probe, sources, images)
        np.testing.assert_allclose(one.responses, alone.responses, rtol=1e-6)
        np.testing.assert_array_equal(one.places, alone.places)
        np.testing.assert_allclose(one.activations(0), alone.activations(0), rtol=1e-6)
    with pytest.raises(NetError, match="wanted one"):
        looks([(net["bars"], "edges"), (HandbuiltNet(net.network)["bars"], "edges")], images)


@pytest.mark.long
@pytest.mark.slow
def test_of_shuffled_kernels_borders_make_kinds_and_places_that_see_no_padding_do_not(data_folder: Path) -> None:
    images, _ = trained.shown(data_folder)
    net = shuffled(nets.load(data_folder / "nets" / "squeezenet1_1.onnx"), 0)
    probe = net["fire8", list(range(0, 512, 16))]
    called = []
    for padded in (False, True):
        p = search(look(probe, "fire7", images[:400], padded=padded), share=0.2, draws=FEW).p.dropna()
        called.append(((p <= 0.05).sum(), len(p)))
    (inside, of), (anywhere, of_all) = called
    assert inside <= 0.2 * of
    assert anywhere >= 0.3 * of_all


def test_unknown_names_and_no_stimuli_are_refused() -> None:
    found = seen()
    with pytest.raises(UnknownNameError, match="earlier layer"):
        look(found.probe, "bars", pictures(np.zeros((2, 15, 15, 3))))
    with pytest.raises(UnknownNameError, match="nowhere"):
        meanings(found, "nowhere")
    with pytest.raises(StimulusError, match="0 sources"):
        look(found.probe, [], pictures(np.zeros((2, 15, 15, 3))))
    with pytest.raises(UnknownNameError, match="gradient"):
        meanings(found, 0, by="gradient")  # type: ignore[arg-type]


# The experiment.


def test_labels_that_follow_the_meanings_agree_and_shuffled_ones_do_not() -> None:
    responses, held = unit(2, each=40)
    found = kinds(responses, held, share=0.5, draws=FEW)
    labels = np.where(np.arange(160) % 2, "birds", "cars")
    shared, p = trained.agreement(found, labels, draws=199, seed=0)
    assert shared == pytest.approx(1)
    assert p == 1 / 200
    shared, p = trained.agreement(found, np.random.default_rng(0).permutation(labels), draws=199, seed=0)
    assert abs(shared) < 0.1
    assert p > 0.01


def test_every_class_of_imagenet_has_a_kind() -> None:
    kind = trained.groups(np.arange(1000))
    names = {"fish, frogs, reptiles", "birds", "invertebrates", "dogs", "other mammals", "vehicles", "food, plants"}
    assert {*kind} == names | {"scenes", trained.REST}
    assert kind[[10, 151, 817]].tolist() == ["birds", "dogs", "vehicles"]


def test_the_experiment_runs_small() -> None:
    tables = experiment.simulate(experiment.SMOKE)
    drawn = experiment.draw_simulated(tables)
    assert (tables["power"].query("meanings == 1")["p <= 0.01"] < 0.5).all()
    for figure in drawn.values():
        assert blemishes(figure) == []
        assert off_centre(figure) == []


LESSON = Path(__file__).parents[1] / "docs" / "polysemanticity.md"


def test_the_lesson_runs_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    text = LESSON.read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(block, names)
    printed = capsys.readouterr().out
    quoted = re.findall(r"^ *print\(.*\)  # (.*)$", text, flags=re.MULTILINE)
    assert len(quoted) >= 5
    for said in quoted:
        assert said in printed
