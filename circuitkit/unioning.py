"""Unions over cases, tested alike by hand and in trained nets: what pathways and the unit that unites them respond to.

    units = {"right": net["heads", [0]], "left": net["heads", [1]], "either": net["head"]}
    seen = responses(units, {"right": facing_right, "left": facing_left, "jumbled": jumbled, "neither": discs})
    sides(seen, {"right": "right", "left": "left"})         # direction and invariance of each unit
    shares(seen, {"right": ["right"], "left": ["left"], "either": ["right", "left"]})

Image i of one side is image i of the other side, mirrored (or turned, or whatever the cases are). Then, of each image,

* **direction** is (own - other) / (own + other): 1 for a pathway that is silent to the other side, 0 for a unit that
  cannot tell them apart. `p` counts how often the mean is as far from 0 if which of the two is own is tossed.
* **invariance** is 2 min / (own + other): 1 for a unit that responds to both alike, 0 for one that is silent to one.

They say the same of one image, 1 - |direction|, but not of many: a unit that prefers either side by chance has a mean
direction of 0, and is not invariant.

Both are of responses that are not negative: the unit's rectified ones. Responses in common to both sides, such as to
the background where a mean is taken over positions, bring direction near 0, and invariance near 1; so hold them against
those of other units of the layer.

Source: Olah et al., "Zoom In: An Introduction to Circuits", Distill (2020), "Unioning over cases". Direction index: as
for direction selectivity in physiology.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd
from jaxtyping import Float

from circuitkit.errors import NetError, StimulusError, unknown_name
from circuitkit.evidence.statistics import bootstrap, p_value
from circuitkit.probe import Probe
from circuitkit.stimuli import LabelledSet
from circuitkit.sweep import tune

Readout = Literal["centre", "max", "mean"]
"""Of the maps: the unit under the anchor, the largest response, or the mean of all."""

Progress = Callable[[int, int], None]
"""Called with the number of cases done and the number of all, counted once for each probe."""

Values = Float[np.ndarray, " image"]

ROUNDING = 1e-6
"""Directions nearer to 0 are float32's doing."""


def responses(
    units: Mapping[str, Probe],
    cases: Mapping[str, LabelledSet],
    *,
    read_out: Readout = "mean",
    size: int | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Returns the rectified responses of units to all images of some cases.

    Args:
        units: Probes by name. A probe of several units has them as `name:unit`.
        cases: Images by name.
        read_out: Of the maps.
        size: Side of the images in pixels; see `tune`.
        progress: Called after each case.

    Returns:
        A row for each unit and image: `unit`, `case`, `image` (counted within the case), `response`.

    Raises:
        NetError: If a response is NaN or infinite.
        StimulusError: If there are no units or no cases.
        UnknownNameError: If there is no such read-out.
    """
    if read_out not in get_args(Readout):
        raise unknown_name("read-out", read_out, get_args(Readout), owner="responses")
    if not units or not cases:
        raise StimulusError(f"responses got {len(units)} units and {len(cases)} cases: wanted at least one of each.")
    tables = []
    for name, probe in units.items():
        names = [name] if len(probe.unit_names) == 1 else [f"{name}:{unit}" for unit in probe.unit_names]
        for case, images in cases.items():
            found = tune(probe, images, read_out="map" if read_out == "mean" else read_out, size=size)
            if read_out == "mean":
                found = found.clip(min=0).mean(("row", "column"))
            values = np.maximum(found.values.reshape(-1, len(names)), 0)
            if not np.isfinite(values).all():
                raise NetError(f"unit {name!r} responds with NaN or infinity to case {case!r}. Look at the weights.")
            rows = np.repeat(np.arange(len(values)), len(names))
            each = {"unit": names * len(values), "case": case, "image": rows, "response": values.ravel()}
            tables.append(pd.DataFrame(each))
            if progress is not None:
                progress(len(tables), len(units) * len(cases))
    return pd.concat(tables, ignore_index=True)


def sides(seen: pd.DataFrame, own: Mapping[str, str], *, draws: int = 999, seed: int = 0) -> pd.DataFrame:
    """Returns how well units tell two cases apart, and how alike they respond to both.

    Args:
        seen: From `responses`.
        own: The case that each pathway is for; two in all. Units that are left out are held to be for the first.
        draws: Of tossed sides.
        seed: Of them, and of the bootstrap.

    Returns:
        A row for each unit: `unit`, `images`; `direction`, `direction_low`, `direction_high` (95 %), `p`; `invariance`,
        `invariance_low`, `invariance_high`; and `ratio`, of the mean response to the unit's own case over that to the
        other one. Images that a unit is silent to on both sides say nothing about it, and are not counted.

    Raises:
        StimulusError: If there are not two cases, or they have different numbers of images.
        UnknownNameError: If there is no such unit or case.
    """
    named = tuple(dict.fromkeys(own.values()))
    if len(named) != 2:
        raise StimulusError(f"sides got the cases {', '.join(named) or 'of nothing'}: wanted two, one for each side.")
    table = {case: _case(seen, case) for case in named}
    first, second = (len(table[case]) for case in named)
    if first != second:
        raise StimulusError(
            f"case {named[0]!r} has {first} images and {named[1]!r} has {second}: wanted the same images, mirrored."
        )
    for unit in own:
        _known(unit, table[named[0]].columns)
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], (draws, first))
    rows = []
    for unit in table[named[0]].columns:
        mine = own.get(unit, named[0])
        other = named[1] if mine == named[0] else named[0]
        one, two = table[mine][unit].to_numpy(), table[other][unit].to_numpy()
        heard = one + two > 0
        index = (one - two)[heard] / (one + two)[heard]
        rows.append({"unit": unit, "images": int(heard.sum()), **_summary(index, signs[:, heard], seed)})
        rows[-1]["ratio"] = one.mean() / two.mean() if two.any() else np.inf if one.any() else np.nan
    return pd.DataFrame(rows)


def shares(seen: pd.DataFrame, own: Mapping[str, Sequence[str]], *, seed: int = 0) -> pd.DataFrame:
    """Returns mean responses to each case, over those to what a unit is for.

    Args:
        seen: From `responses`.
        own: The cases that each unit is for: one for a pathway, all for a union.
        seed: Of the bootstrap.

    Returns:
        A row for each unit of `own` and each case: `unit`, `case`, `share`, `low`, `high` (95 %, over images of the
        case; what it is a share of is held fixed), and `largest`, the share of the image with the largest response.

    Raises:
        StimulusError: If a unit does not respond to what it is for.
        UnknownNameError: If there is no such unit or case.
    """
    rows = []
    for unit, cases in own.items():
        _known(unit, seen.unit.unique())
        peak = float(np.mean([_case(seen, case)[unit].mean() for case in cases]))
        if not peak > 0:
            raise StimulusError(f"unit {unit!r} does not respond to {', '.join(cases)}: there is nothing to share.")
        for case in seen.case.unique():
            values = _case(seen, case)[unit].to_numpy() / peak
            low, high = bootstrap(values[:, None], seed=seed)
            row = {"unit": unit, "case": case, "share": values.mean(), "low": low[0], "high": high[0]}
            rows.append(row | {"largest": values.max()})
    return pd.DataFrame(rows)


def _summary(index: Values, signs: Float[np.ndarray, "draw image"], seed: int) -> dict[str, float]:
    """Returns the means of direction and invariance with their intervals; NaN if no image was heard."""
    columns = ("direction", "direction_low", "direction_high", "invariance", "invariance_low", "invariance_high")
    if not len(index):
        return dict.fromkeys(columns, np.nan) | {"p": 1.0}
    both = np.column_stack([index, 1 - np.abs(index)])
    (direction, invariance), (low, high) = both.mean(0), bootstrap(both, seed=seed)
    tossed = np.abs(signs @ index) / len(index)
    p = p_value(np.array([max(abs(direction) - ROUNDING, 0.0)]), tossed)
    values = (direction, low[0], high[0], invariance, low[1], high[1])
    return {name: float(value) for name, value in zip(columns, values, strict=True)} | {"p": float(p[0])}


def _case(seen: pd.DataFrame, case: str) -> pd.DataFrame:
    """Returns responses to a case, image by unit."""
    _known(case, seen.case.unique(), "case")
    return seen[seen.case == case].pivot(index="image", columns="unit", values="response")


def _known(name: str, names: Iterable[str], what: str = "unit") -> None:
    known = list(names)
    if name not in known:
        raise unknown_name(what, name, known, owner="responses")
