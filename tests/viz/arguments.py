"""Arguments whose numbers are written down, not measured: bells at each unit's angle, noise for pictures."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from circuitkit import hypothesis
from circuitkit.evidence.argument import Argument, Criterion, Subject
from circuitkit.evidence.files import KeptNet
from circuitkit.hypothesis import Hypothesis
from circuitkit.probe import Probe
from circuitkit.receptive_field import ReceptiveField
from tests.viz.synthetic import HOSTILE

ANGLES = 24
SIDE = 20


def subject(count: int = 4, *, said: Hypothesis | None = None, names: Sequence[str] = ()) -> Subject:
    """Returns units at evenly spaced angles, of growing size; the last one has a hostile name."""
    said = hypothesis.curve(sizes=(8.0, 16.0, 32.0)) if said is None else said
    units = tuple(names) or (*(f"fire5:{index}" for index in range(count - 1)), HOSTILE)
    period = said.period or np.nan
    poses = xr.Dataset(
        {
            "angle": ("unit", (np.arange(count) + 0.3) * period / count),
            "size": ("unit", np.linspace(9, 30, count) if said.size else np.full(count, np.nan)),
        },
        coords={"unit": list(units)},
    )
    net = KeptNet(f"net {HOSTILE}", "fire5", units, ReceptiveField(size=(63, 63), stride=(8, 8)))
    return Subject(Probe(net, "fire5", units), said, poses)


def argument(name: str, about: Subject, *, failing: int = 1, controls: int = 40) -> Argument:
    """Returns an argument by its name: it fails for the first units, for want of a second number."""
    statistic, data = MADE[name](about)
    units, count = list(about.probe.unit_names), len(about.probe.unit_names)
    value = np.linspace(0.8, 0.95, count)
    numbers = {
        statistic: ("unit", value),
        "second_number": ("unit", np.where(np.arange(count) < failing, 0.1, 0.7), {"units": "degrees"}),
    }
    extra = {key: ("unit", values) for key, values in EXTRA.get(name, lambda _: {})(about).items()}
    rng = np.random.default_rng(0)
    return Argument(
        name=name,
        claim=f"It detects {HOSTILE}.",
        numbers=xr.Dataset(numbers | extra, coords={"unit": units}),
        criteria={
            statistic: Criterion(at_least=0.5, why=f"because of {HOSTILE}"),
            "second_number": Criterion(at_least=0.5, why="there is no second chance"),
        },
        interval=xr.DataArray(
            np.stack([value - 0.1, value + 0.1], 1),
            dims=("unit", "bound"),
            coords={"unit": units, "bound": ["low", "high"]},
        ),
        null=xr.DataArray(
            rng.uniform(0, 0.6, controls), dims="draw", coords={"control": ("draw", ["shuffled 0"] * controls)}
        ),
        data=data,
        notes=[f"A note about {HOSTILE}."],
    )


def bells(about: Subject, angles: np.ndarray) -> np.ndarray:
    """Returns tuning (angle, unit) with a peak at each unit's angle; flat for a shape without an angle."""
    period = about.hypothesis.period
    if period is None:
        return np.ones((len(angles), len(about.probe.unit_names)))
    away = np.deg2rad((angles[:, None] - about.poses.angle.values) * 360 / period)
    return np.exp(4 * (np.cos(away) - 1))


def _angles(about: Subject, count: int = ANGLES) -> np.ndarray:
    return np.arange(count) * (about.hypothesis.period or 360.0) / count


def _pictures(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*shape, SIDE, SIDE, 3)).astype(np.uint8)


def _posed(about: Subject) -> dict[str, Any]:
    return {
        "angle_of_unit": ("unit", about.poses.angle.values, {"units": "degrees"}),
        "size_of_unit": ("unit", about.poses["size"].values, {"units": "pixels"}),
    }


def _synthetic(about: Subject) -> tuple[str, xr.Dataset]:
    angles, units = _angles(about), list(about.probe.unit_names)
    sizes = np.array(about.hypothesis.sizes or (np.nan,))
    data = xr.Dataset(
        {
            "tuning": (("angle", "size", "unit"), np.repeat(bells(about, angles)[:, None], len(sizes), 1)),
            "at_pose": (("look", "unit"), np.ones((5, len(units)))),
            "invariance": (("factor", "unit"), np.full((2, len(units)), 0.8)),
            **_posed(about),
        },
        coords={"angle": angles, "size": sizes, "unit": units, "factor": ["polarity", HOSTILE]},
    )
    return "selectivity", data


def _visualization(about: Subject) -> tuple[str, xr.Dataset]:
    units, angles = list(about.probe.unit_names), _angles(about, 36)
    count = len(units)
    data = xr.Dataset(
        {
            "image": (("unit", "seed", "y", "x", "channel"), _pictures(count, 3).astype(float) / 127.5 - 1),
            "response": (("unit", "seed"), np.ones((count, 3))),
            "profile": (("unit", "seed", "angle"), np.repeat(bells(about, angles).T[:, None], 3, 1)),
            "best_angle": (("unit", "seed"), np.repeat(about.poses.angle.values[:, None], 3, 1)),
            "best_size": (("unit", "seed"), np.ones((count, 3))),
            "shape": (("unit", "shape_y", "shape_x"), np.eye(SIDE)[None].repeat(count, 0)),
            "control_image": (("control", "y", "x", "channel"), _pictures(3).astype(float) / 127.5 - 1),
            "control_contrast": ("control", np.array([0.1, 0.05, np.nan])),
            **_posed(about),
        },
        coords={"unit": units, "angle": angles, "control": ["a", "b", HOSTILE]},
    )
    return "contrast", data


def _dataset(about: Subject) -> tuple[str, xr.Dataset]:
    units, angles = list(about.probe.unit_names), _angles(about, 36)
    count = len(units)
    profile = bells(about, angles).T
    match = np.repeat(np.linspace(0.1, 0.5, 3)[None, :, None], count, 0).repeat(4, 2)
    match[0, 2] = np.nan  # an empty stratum
    data = xr.Dataset(
        {
            "crop": (("unit", "rank", "y", "x", "channel"), _pictures(count, 6)),
            "response": (("unit", "rank"), np.ones((count, 6))),
            "angle_of_crop": (("unit", "rank"), np.repeat(about.poses.angle.values[:, None], 6, 1)),
            "size_of_crop": (("unit", "rank"), np.repeat(about.poses["size"].values[:, None], 6, 1)),
            "score": (("unit", "rank"), np.ones((count, 6))),
            "profile": (("unit", "angle"), profile),
            "profile_at_random": (("unit", "angle"), np.full(profile.shape, 0.2)),
            "quilt": (("unit", "stratum", "example", "y", "x", "channel"), _pictures(count, 3, 4)),
            "quilt_response": (("unit", "stratum", "example"), match),
            "quilt_match": (("unit", "stratum", "example"), match),
            "stratum_low": (("unit", "stratum"), np.repeat([[0.0, 1.0, 2.0]], count, 0)),
            "stratum_high": (("unit", "stratum"), np.repeat([[1.0, 2.0, 3.0]], count, 0)),
            **_posed(about),
        },
        coords={"unit": units, "angle": angles},
    )
    return "alignment", data


def _joint(about: Subject) -> tuple[str, xr.Dataset]:
    units, angles = list(about.probe.unit_names), _angles(about, 36)
    curves = bells(about, angles)
    data = xr.Dataset(
        {
            "synthetic": (("angle", "unit"), curves),
            "photographs": (("angle", "unit"), curves),
            "weight": ("photograph", np.arange(5.0)),
            "stands_at": ("photograph", np.arange(5.0) * 10),
            "shown": (("photograph", "y", "x", "channel"), _pictures(5)),
            "coverage": 0.7,
            "coverage_in_photographs": 0.6,
        },
        coords={"unit": units, "angle": angles},
    )
    return "tuned", data


def _implementation(about: Subject) -> tuple[str, xr.Dataset]:
    units = list(about.probe.unit_names)
    count, rng = len(units), np.random.default_rng(0)
    data = xr.Dataset(
        {"drive": (("unit", "y", "x"), rng.normal(size=(count, 3, 3)))},
        coords={"unit": units, "y": [8.0, 0.0, -8.0], "x": [-8.0, 0.0, 8.0]},
        attrs={"layer": "fire5", "from": "fire4", "shape": about.hypothesis.name},
    )
    if about.hypothesis.period is None:
        return "match", data
    edges = np.array([0, 20, 45, 75, 105, 135, 160, 180]) * about.hypothesis.period / 360
    data = data.assign_coords(
        relative=_angles(about),
        source=[f"fire4:{index}" for index in range(12)],
        bin_low=("bin", edges[:-1]),
        bin_high=("bin", edges[1:]),
        quantile=[0.05, 0.5, 0.95],
    )
    data["profile"] = ("unit", "relative"), np.repeat(np.cos(np.deg2rad(_angles(about)))[None], count, 0)
    data["tile"] = ("unit", "source"), rng.normal(size=(count, 12))
    data["source_angle"] = "source", rng.uniform(0, about.hypothesis.period, 12)
    data["source_selectivity"] = "source", np.linspace(0, 1, 12)
    data["by_relative_angle"] = ("unit", "bin"), np.where(np.arange(7) < 6, 1.0, np.nan)[None].repeat(count, 0)
    data["control_profile"] = ("quantile", "relative"), np.zeros((3, ANGLES))
    data["control_by_relative_angle"] = "bin", np.zeros(7)
    return "match", data


def _use(about: Subject) -> tuple[str, xr.Dataset]:
    units = list(about.probe.unit_names)
    count, rng = len(units), np.random.default_rng(0)
    data = xr.Dataset(
        {
            "profile": (("unit", "relative"), np.repeat(np.cos(np.deg2rad(_angles(about)))[None], count, 0)),
            "reading": (("unit", "later"), rng.random((count, 30))),
            "tile": (("unit", "later"), rng.normal(size=(count, 30))),
            "ablation_effect": (("set", "image"), rng.random((6, 5))),
        },
        coords={
            "unit": units,
            "later": [f"fire6:{index}" for index in range(29)] + [HOSTILE],
            "relative": _angles(about),
        },
        attrs={"layer": "fire6", "from": "fire5", "shape": about.hypothesis.name},
    )
    if about.hypothesis.period == 360:
        data["direction"] = ("unit", "later"), rng.uniform(-180, 180, (count, 30))
        data["organised"] = "later", np.linspace(-1, 1, 30)
        data["organised_p"] = "later", np.linspace(0, 1, 30)
        data["tuned_p"] = "later", np.linspace(0, 1, 30)
    return "match", data


def _handwritten(about: Subject) -> tuple[str, xr.Dataset]:
    units, angles = list(about.probe.unit_names), _angles(about)
    count, rng = len(units), np.random.default_rng(0)
    sizes = np.array(about.hypothesis.sizes or (np.nan,))
    maps = np.repeat(bells(about, angles)[:, None], len(sizes), 1)
    data = xr.Dataset(
        {
            "response": (("stimulus", "unit"), rng.random((30, count))),
            "counterpart_response": (("stimulus", "unit"), rng.random((30, count))),
            "tuning": (("angle", "size", "unit"), maps),
            "counterpart_tuning": (("angle", "size", "unit"), maps),
            "counterpart": ("unit", units),
            "decoy_agreement": (("unit", "decoy"), rng.random((count, 2))),
        },
        coords={
            "unit": units,
            "kind": ("stimulus", [about.hypothesis.name] * 10 + ["line"] * 10 + ["natural"] * 10),
            "angle": angles,
            "size": sizes,
            "decoy": ["spiral arm", HOSTILE],
        },
    )
    return "agreement", data


def _rivals(about: Subject) -> dict[str, np.ndarray]:
    return {f"to_{name}": np.full(len(about.probe.unit_names), 0.4) for name in about.hypothesis.rivals}


def _peaks(about: Subject) -> dict[str, np.ndarray]:
    angle = about.poses.angle.values
    return {"peak_in_drawings": angle, "peak_in_photographs": angle + 4, "peak_error": np.full(len(angle), 4.0)}


MADE: dict[str, Callable[[Subject], tuple[str, xr.Dataset]]] = {
    "feature visualization": _visualization,
    "dataset examples": _dataset,
    "synthetic examples": _synthetic,
    "joint tuning": _joint,
    "feature implementation": _implementation,
    "feature use": _use,
    "handwritten circuit": _handwritten,
}
EXTRA: dict[str, Callable[[Subject], dict[str, np.ndarray]]] = {"synthetic examples": _rivals, "joint tuning": _peaks}


def without_data(given: Argument) -> Argument:
    return dataclasses.replace(given, data=xr.Dataset())
