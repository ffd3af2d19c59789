"""Synthetic examples, on units whose responses are known: what they are said to be is what is measured."""

import numpy as np
import pytest
import xarray as xr

from circuitkit.errors import SpecError
from circuitkit.evidence import synthetic
from circuitkit.evidence.posing import Seen, lobe_angle, poses
from circuitkit.evidence.statistics import auc
from circuitkit.hypothesis import Hypothesis, circle, curve, line

ANGLES = np.arange(24) * 15.0
LOOKS = 8


def seen(
    said: Hypothesis,
    *,
    angle: float = 100.0,
    size: float = 20.0,
    width: float = 25.0,
    echo: float = 0.0,
    rival: float = 0.3,
    turned: float = 0.0,
    part: float = 0.9,
    noise: float = 0.02,
) -> Seen:
    """Returns what an ideal unit responds, made worse in one way or another."""
    rng, period = np.random.default_rng(0), said.period or 360.0
    angles = ANGLES * period / 360
    sizes = np.asarray(said.sizes or [np.nan])
    look = np.linspace(0.5, 1, LOOKS)[:, None, None]
    own = angle + turned * np.arange(LOOKS)[:, None]

    def bell(centre: np.ndarray | float) -> np.ndarray:
        away = (angles - centre + period / 2) % period - period / 2
        return np.exp(-((away / width) ** 2) / 2)

    tuned = bell(own) + echo * bell(own + period / 2) if said.period else np.ones((LOOKS, 24))
    scaled = np.exp(-(np.log(sizes / size) ** 2) / 2) if said.sizes else np.ones(1)
    shape = look * tuned[:, :, None] * scaled + noise * rng.random((LOOKS, 24, len(sizes)))
    rivals = {name: rival * look[..., 0] * rng.random((LOOKS, 24)) for name in said.rivals}
    coords = {"angle": angles, "size": sizes, "unit": ["u"]}
    own_responses = xr.DataArray(shape[..., None], dims=("look", "angle", "size", "unit"), coords=coords)
    return Seen(
        said,
        own_responses,
        {
            name: xr.DataArray(each[..., None], dims=("look", "angle", "unit"), coords={"angle": ANGLES, "unit": ["u"]})
            for name, each in rivals.items()
        },
        None if said.part is None else part * own_responses.isel(look=slice(0, 4)),
    )


def failing(found: Seen) -> list[str]:
    numbers = synthetic.numbers(found, poses(found))
    criteria = synthetic.criteria(found.hypothesis)
    return [name for name, criterion in criteria.items() if not criterion.met(numbers[name]).all()]


@pytest.mark.parametrize("said", [curve(), line(), circle()], ids=lambda said: said.name)
def test_an_ideal_unit_meets_every_criterion(said: Hypothesis) -> None:
    assert failing(seen(said, width=25.0 if said.period == 360 else 12.0)) == []


@pytest.mark.parametrize("angle", [0.0, 7.0, 101.0, 355.0])
def test_poses_are_found_between_the_angles_and_sizes_shown(angle: float) -> None:
    found = poses(seen(curve(), angle=angle, size=19.0))
    assert abs(curve().apart(found.angle.item(), angle)) < 1.5
    assert abs(np.log(found["size"].item() / 19)) < 0.05


def test_a_said_pose_is_taken() -> None:
    found = poses(seen(curve(angle=12, radius=30)))
    assert (found.angle.item(), found["size"].item()) == (12, 30)


def test_a_unit_at_another_pose_than_is_said_of_it_fails() -> None:
    assert "selectivity" in failing(seen(curve(angle=280), angle=100.0))
    assert "looks_agreeing" in failing(seen(curve(angle=160), angle=100.0))


@pytest.mark.parametrize(
    ("worse", "fails"),
    [
        ({"echo": 0.6}, "echo"),
        ({"width": 90.0}, "fwhm"),
        ({"rival": 2.5}, "to_line"),
        ({"turned": 40.0}, "looks_agreeing"),
        ({"rival": 1.2}, "selectivity"),
        ({"part": 0.4}, "part"),
        ({"size": 90.0}, "size_inside"),
        ({"size": 5.0}, "size_inside"),
    ],
)
def test_each_fault_is_named(worse: dict[str, float], fails: str) -> None:
    assert fails in failing(seen(curve(), **worse))


def test_a_size_that_is_said_or_one_of_two_need_not_be_a_peak() -> None:
    assert "size_inside" not in synthetic.criteria(curve(radius=64))
    assert "size_inside" not in synthetic.criteria(curve(sizes=(6.0, 12.0)))
    assert "size_inside" not in synthetic.criteria(line())


def test_a_silent_unit_holds_nothing() -> None:
    silent = seen(curve())
    rivals = {name: each * 0 for name, each in silent.rivals.items()}
    silent = Seen(silent.hypothesis, silent.shape * 0, rivals, silent.shape[:2] * 0)
    assert {"selectivity", "looks_agreeing", "to_line", "part"} <= set(failing(silent))


def test_selectivity_is_the_area_under_the_curve_of_all_looks_together() -> None:
    found = seen(curve(), rival=1.5, echo=0.4)
    stand = poses(found)
    pose, size = stand.angle.item(), stand["size"].item()
    away = np.abs(found.hypothesis.apart(ANGLES, pose))
    near = np.abs(np.arange(7) - np.abs(np.log(np.asarray(found.hypothesis.sizes) / size)).argmin()) <= 1
    own = found.shape.values[..., 0]
    positive = own[:, away <= 22.5][:, :, near].reshape(-1, 1)
    negative = [own[:, away >= 90].ravel(), *(each.values.ravel() for each in found.rivals.values())]
    expected = auc(positive, np.concatenate(negative)[:, None])[0]
    assert np.isclose(synthetic.selectivity(found, stand).mean(), expected, atol=1e-6)
    assert expected < 0.99


def test_a_hypothesis_that_excludes_nothing_is_refused() -> None:
    said = Hypothesis(name="anything", shape=circle().shape, period=None)
    found = seen(said)
    stand = poses(found)
    with pytest.raises(SpecError, match="nothing to prefer"):
        synthetic.numbers(found, stand)


def test_the_mean_of_a_lobe_does_not_hear_the_rest() -> None:
    curve_of = np.zeros((24, 1))
    curve_of[[23, 0, 1], 0] = [1, 2, 1]
    curve_of[12] = 1.5
    assert lobe_angle(curve_of, ANGLES, 360.0)[0] % 360 == pytest.approx(0, abs=1e-9)
