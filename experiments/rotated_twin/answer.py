"""Twins compared: means over seeds, differences within pairs, and how sure these are.

Two nets of one seed began with the same weights and saw the same images in the same order, so differences are taken
within pairs. Intervals are Student's, of as many degrees of freedom as there are pairs but one: of three pairs they
are 4.3 standard errors wide on either side.
"""

import numpy as np
import pandas as pd
from scipy import stats

from circuitkit.errors import StimulusError
from circuitkit.evidence.statistics import CONFIDENCE

ALL = "all"
"""In place of a layer or a feature: the mean over those that there are."""


def with_means(rows: pd.DataFrame) -> pd.DataFrame:
    """Adds, for each net and measure of several layers or features, their mean.

    Accuracy has two: upright, which is the angle of 0, and turned, the mean over all others.
    """
    accuracy = rows[rows.measure == "accuracy"]
    upright = accuracy["where"].astype(str) == "0"
    keys = ["net", "kind", "seed", "rotated", "measure"]
    parts = [
        rows,
        _mean(accuracy[~upright].assign(measure="accuracy, turned"), keys),
        _mean(accuracy[upright].assign(measure="accuracy, upright"), keys),
        _mean(rows[(rows.measure != "accuracy") & (rows["where"] != ALL)], keys),
    ]
    return pd.concat(parts, ignore_index=True)


def _mean(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    return rows.groupby(keys, as_index=False, sort=False).agg(value=("value", "mean")).assign(where=ALL)


def compared(rows: pd.DataFrame, *, kind: str = "trained") -> pd.DataFrame:
    """Returns a row for each measure and layer or feature.

    Args:
        rows: A row a number: `net`, `kind`, `seed`, `rotated`, `measure`, `where` and `value`.
        kind: Of the nets that are compared.

    Returns:
        `upright` and `rotated`, means over seeds; `sd_upright` and `sd_rotated`; `difference`, rotated less upright,
        and `half`, half of its interval (95 %, within pairs), `half_unpaired` (Welch's); `pairs`, how many there are;
        and `differs`, whether the interval within pairs leaves out 0. Seeds of which one twin lacks the number are left
        out.

    Raises:
        StimulusError: If there is no net of one of the two.
    """
    mine = rows[rows.kind == kind]
    if set(mine.rotated) != {False, True}:
        raise StimulusError(f"twins of kind {kind!r} are wanted: nets with and without rotated images.")
    table = mine.pivot_table(
        index=["measure", "where"], columns=["rotated", "seed"], values="value", sort=False, dropna=False
    ).dropna(how="all")
    found = []
    for key, line in table.iterrows():
        values = pd.DataFrame({"upright": line[False], "rotated": line[True]}).dropna()
        difference = (values.rotated - values.upright).to_numpy(float)
        half = _half(difference)
        found.append(
            {
                "measure": key[0],
                "where": key[1],
                "upright": values.upright.mean(),
                "rotated": values.rotated.mean(),
                "sd_upright": values.upright.std(ddof=1),
                "sd_rotated": values.rotated.std(ddof=1),
                "difference": difference.mean() if len(difference) else np.nan,
                "half": half,
                "half_unpaired": _welch(values.upright.to_numpy(float), values.rotated.to_numpy(float)),
                "pairs": len(difference),
                "differs": bool(len(difference) > 1 and abs(difference.mean()) > half),
            }
        )
    return pd.DataFrame(found)


def _half(values: np.ndarray) -> float:
    """Returns half of the interval of a mean."""
    if len(values) < 2:
        return np.nan
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))


def _welch(one: np.ndarray, other: np.ndarray) -> float:
    """Returns half of the interval of a difference of means of samples that have nothing to do with each other."""
    if min(len(one), len(other)) < 2:
        return np.nan
    parts = np.array([each.var(ddof=1) / len(each) for each in (one, other)])
    if not parts.sum():
        return 0.0
    freedom = parts.sum() ** 2 / sum(part**2 / (len(each) - 1) for part, each in zip(parts, (one, other), strict=True))
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * np.sqrt(parts.sum()))
