"""Labelled sets: every combination once, in order; images that depend on the definition alone; bad axes refused."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitkit.errors import SpecError, StimulusError, UnknownNameError
from circuitkit.stimuli import (
    EXACT,
    Bar,
    Choice,
    Curve,
    Disc,
    Edge,
    Line,
    LogUniform,
    Normal,
    Uniform,
    grid,
    hues,
    log,
    sample,
    turn,
    zipped,
)
from circuitkit.stimuli.sets import Grid, LabelledSet, block_size
from circuitkit.stimuli.text import from_json, stimulus_from_json, stimulus_to_json, to_json
from tests.strategies import unchecked

CURVES = grid(Curve(), angle=turn(4), radius=(10, 20, math.inf))
RANDOM = sample(
    Bar(noise=0.1), 300, seed=3, angle=Uniform(0, 180), length=LogUniform(4, 40), x=Normal(0, 2), polarity=Choice(1, -1)
)
DRAWN = RANDOM.images(9)
TINTED = grid(Disc(), zipped(foreground=hues(3), background=("#000", "#fff", 0.5)), radius=(3, 5))


def test_every_combination_comes_once_the_last_axis_fastest() -> None:
    assert len(CURVES) == 12
    assert (CURVES.dims, CURVES.shape) == (("angle", "radius"), (4, 3))
    table = CURVES.table()
    assert table[["angle", "radius"]][:4].to_numpy().tolist() == [[0, 10], [0, 20], [0, math.inf], [90, 10]]
    assert not table.duplicated().any()
    assert repr(CURVES) == "Grid of 12 stimuli: Curve(), angle 0 to 270 (4), radius 10 to inf (3)"


def test_zipped_parameters_vary_together() -> None:
    assert (TINTED.dims, TINTED.shape) == (("foreground", "radius"), (3, 2))
    assert TINTED[2].background == (1.0, 1.0, 1.0)
    table = TINTED.table([4])
    assert table["background.red"].item() == 0.5
    assert TINTED.coords["background"] == ("foreground", ["#000000", "#ffffff", "#bfbfbf"])
    assert TINTED.images(9).shape == (6, 9, 9, 3)
    with pytest.raises(StimulusError, match="zipped got {'x': 1, 'y': 2} values: wanted equally many"):
        zipped(x=(1,), y=(1, 2))


@pytest.mark.parametrize("stimuli", [CURVES, RANDOM, TINTED], ids=["grid", "sample", "colours"])
def test_each_image_is_what_its_parameters_say(stimuli: LabelledSet) -> None:
    images = stimuli.images(17)
    table = stimuli.table()
    for index in (0, 1, len(stimuli) - 1):
        drawn = np.asarray(stimuli[index].draw(17))
        np.testing.assert_allclose(images[index], drawn, atol=1e-5)
        for name in set(table.columns) & {"angle", "radius", "length", "polarity"}:
            assert table[name][index] == getattr(stimuli[index], name)
    assert np.abs(images[0] - images[1]).max() > 0.1


@given(chunk=st.integers(1, 400), start=st.integers(0, 299))
def test_chunks_change_no_bit(chunk: int, start: int) -> None:
    parts = list(RANDOM.chunks(9, chunk=chunk, start=start))
    assert [part.start for part in parts] == list(range(start, 300, chunk))
    np.testing.assert_array_equal(np.concatenate([part.images for part in parts]), DRAWN[start:])
    assert parts[-1].parameters.index[-1] == 299


def test_blocks_are_what_makes_them_equal_and_several_of_them_join(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = CURVES.images(9)
    monkeypatch.setattr("circuitkit.stimuli.sets.block_size", lambda *given: 5)
    parts = list(grid(Curve(), angle=turn(4), radius=(10, 20, math.inf)).chunks(9, chunk=4))
    assert [len(part.images) for part in parts] == [4, 4, 4]
    np.testing.assert_allclose(np.concatenate([part.images for part in parts]), whole, atol=1e-6)
    assert block_size(224, 224, EXACT) < block_size(64, 64, EXACT)


def test_a_sample_depends_on_seed_name_and_index_alone() -> None:
    table = RANDOM.table()
    longer = sample(RANDOM.stimulus, 400, seed=3, **RANDOM.distributions).table()
    assert longer[:300].equals(table)
    fewer = sample(RANDOM.stimulus, 300, seed=3, angle=Uniform(0, 180)).table()
    assert fewer["angle"].equals(table["angle"])
    other = sample(RANDOM.stimulus, 300, seed=4, **RANDOM.distributions).table()
    assert not other["angle"].equals(table["angle"])
    assert RANDOM.table([7, 5]).equals(table.loc[[7, 5]])


def test_no_two_of_a_sample_have_the_same_noise_unless_they_are_told_to() -> None:
    noisy = sample(Line(noise=1.0, contrast=0), 2, seed=0, x=Uniform(0, 1)).images(16)
    assert abs(np.corrcoef(noisy[0].ravel(), noisy[1].ravel())[0, 1]) < 0.2
    same = grid(Line(noise=1.0, contrast=0), x=(0, 0.5)).images(16)
    np.testing.assert_array_equal(same[0], same[1])


@pytest.mark.parametrize(
    ("distribution", "mean", "sd"),
    [
        (Uniform(-2, 4), 1.0, 6 / 12**0.5),
        (Normal(1, 2), 1.0, 2.0),
        (Normal(0, 1, 0), (2 / math.pi) ** 0.5, (1 - 2 / math.pi) ** 0.5),
        (Choice(1, -1), 0.0, 1.0),
        (LogUniform(1, math.e), math.e - 1, ((math.e**2 - 1) / 2 - (math.e - 1) ** 2) ** 0.5),
    ],
    ids=repr,
)
def test_distributions_have_their_mean_and_spread(distribution: Uniform, mean: float, sd: float) -> None:
    count = 4000
    drawn = sample(Line(), count, seed=1, x=distribution).table()["x"]
    assert drawn.mean() == pytest.approx(mean, abs=4 * sd / count**0.5)
    assert drawn.std() == pytest.approx(sd, rel=0.05)


def test_indexing_gives_stimuli_and_slices_give_sets() -> None:
    assert CURVES[1] == Curve(angle=0.0, radius=20.0)
    assert CURVES[-1] == Curve(angle=270.0, radius=math.inf)
    some = CURVES[1::5]
    assert len(some) == 3
    assert [stimulus.angle for stimulus in some] == [0, 180, 270]
    assert some.table()["radius"].tolist() == [20, 10, math.inf]
    np.testing.assert_array_equal(some.images(9), CURVES.images(9)[1::5])
    with pytest.raises(IndexError, match="there is no stimulus 12: the set has 12"):
        CURVES[12]


def test_parameters_of_parts_have_a_dot() -> None:
    occluded = Curve(occluder=Disc(radius=3, foreground=0))
    found = grid(occluded, {"occluder.x": (-20, 0)}, radius=(10, 20))
    assert (found.dims, found[0].occluder.x, found[2].occluder.x) == (("occluder.x", "radius"), -20, 0)
    assert found.table()["occluder"].unique().tolist() == ["Disc"]
    images = found.images(33)
    assert images[0, 16, 16, 0] > 0.5 > images[2, 16, 16, 0]
    with pytest.raises(UnknownNameError, match="stimulus Disc has no parameter 'z'"):
        grid(occluded, {"occluder.z": (1,)})
    with pytest.raises(StimulusError, match="Curve has texture=None, which has no parameter 'x'"):
        grid(occluded, {"texture.x": (1,)})


@pytest.mark.parametrize(
    "stimuli", [CURVES, RANDOM, TINTED, RANDOM[3:9], grid(Disc() - Bar(x=3), {"first.radius": (3, 4)})], ids=repr
)
def test_a_set_survives_the_round_trip_through_text(stimuli: LabelledSet) -> None:
    again = from_json(to_json(stimuli))
    assert again.table().equals(stimuli.table())
    np.testing.assert_array_equal(again.images(9), stimuli.images(9))
    assert to_json(again) == to_json(stimuli)
    assert stimulus_from_json(stimulus_to_json(stimuli[0])) == stimuli[0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"Curve"', '"Curb"', "this text has no class 'Curb'. Did you mean 'Curve'"),
        ('"width"', '"widht"', "stimulus Curve has no parameter 'widht'. Did you mean 'width'"),
        ('"Grid"', '"Grit"', "this text has no kind of set 'Grit'"),
        ("stimuli 1", "stimuli 9", "this JSON is no labelled set"),
        ('"axes"', '"axles"', "this labelled set is not complete: KeyError at 'axes'"),
        ('"length": 90.0', '"length": -1', "Curve has length=-1.0"),
        ("{", "", "this is no JSON"),
    ],
)
def test_text_that_is_no_set_is_refused(old: str, new: str, message: str) -> None:
    text = to_json(CURVES)
    assert old in text
    with pytest.raises((StimulusError, UnknownNameError), match=message):
        from_json(text.replace(old, new, 1))


def test_turn_and_log_space_evenly() -> None:
    assert turn(4) == (0, 90, 180, 270)
    assert turn(3, over=180) == (0, 60, 120)
    np.testing.assert_allclose(log(10, 40, 3), (10, 20, 40))


def test_bad_axes_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="stimulus Curve has no parameter 'raduis'. Did you mean 'radius'"):
        grid(Curve(), raduis=(1, 2))
    with pytest.raises(StimulusError, match="axis 'angle' of the grid is empty"):
        grid(Curve(), angle=())
    with pytest.raises(StimulusError, match="the grid has no axis: name a parameter"):
        grid(Curve())
    with pytest.raises(StimulusError, match="parameter 'x' is on two axes"):
        grid(Curve(), {"x": (1,)}, x=(1, 2))
    with pytest.raises(StimulusError, match="Curve has angle=nan"):
        grid(Curve(), angle=(0.0, math.nan))
    with unchecked(), pytest.raises(StimulusError, match="Edge has outside=\\(1, 2\\): wanted a grey"):
        grid(Edge(), outside=((1, 2),))
    with pytest.raises(StimulusError, match="log\\(0, 4, 3\\) has no values"):
        log(0, 4, 3)


def test_bad_samples_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="stimulus Curve has no parameter 'raduis'"):
        sample(Curve(), 3, seed=0, raduis=Uniform(1, 2))
    with pytest.raises(StimulusError, match="Curve has radius=-"):
        sample(Curve(), 3, seed=0, radius=Normal(10, 5))
    with unchecked(), pytest.raises(StimulusError, match="sample got radius=20: wanted a distribution"):
        sample(Curve(), 3, seed=0, radius=20)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="sample has count=0"):
        sample(Curve(), 0, seed=0, x=Uniform(0, 1))
    with pytest.raises(StimulusError, match="Uniform\\(2, 1\\) has no values"):
        Uniform(2, 1)


def test_more_images_than_memory_holds_are_refused_before_anything_is_drawn() -> None:
    many = Grid(Curve(), grid(Curve(), angle=turn(1000), x=turn(1000), y=turn(1000)).axes)
    with pytest.raises(StimulusError, match="1000000000 images of 64x64 pixels take 15258.8 GiB, and there are"):
        many.images(64)
    with pytest.raises(SpecError, match="chunks has chunk=0"):
        many.chunks(64, chunk=0)
