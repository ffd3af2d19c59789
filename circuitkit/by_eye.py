"""Distill's published families of InceptionV1 as a column of the periodic table: counted by people, not by signature.

    counts(data)                    # feature: units, of, layer, depth; likeness is NaN, since nobody measured any
    early_curves_to_curves(data)    # weights from early curves to curves, by relative angle

"An Overview of Early Vision in InceptionV1" sorts every unit of the first five layers into families, and names them.
`FAMILIES` says which of these names we take for a feature of ours. People sorted what a unit looks for, and a census
asks what it responds to most alike: so the column says what there is to be found, and is no second measurement.

Units that face left or right, and unions, are those that "Zoom In" names in one circuit, for heads of dogs. Nobody
counted any others.

Sources, CC-BY 4.0: Olah et al., "An Overview of Early Vision in InceptionV1" (2020) and "Zoom In: An Introduction to
Circuits" (2020), "Unioning over cases"; Voss et al., "Visualizing Weights" (2021), Figure 5; Cammarata et al., "Curve
Detectors" (2020). All Distill.
"""

import json
import os
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from circuitkit.errors import StoreError
from circuitkit.evidence import published
from circuitkit.relative_angle import Block, profile

NET = "InceptionV1, by eye"

LAYERS = (
    "conv2d0", "conv2d1", "conv2d2", "mixed3a", "mixed3b", "mixed4a", "mixed4b", "mixed4c", "mixed4d", "mixed4e",
    "mixed5a", "mixed5b",
)  # fmt: skip
"""All layers of InceptionV1, for depths. The first five were sorted."""

FAMILIES = {
    "edge": (("conv2d0", "Gabor Filters"), ("conv2d1", "Gabor Like")),
    "line": (("conv2d2", "Line"), ("mixed3a", "Lines"), ("mixed3b", "Lines")),
    "early curve": (("conv2d2", "Tiny Curves"), ("mixed3a", "Curves")),
    "curve": (("mixed3b", "Curves"),),
    "circle": (("mixed3a", "Eyes / Small Circles"), ("mixed3b", "Circles / Loops")),
    "corner": (("conv2d2", "Corners"), ("mixed3a", "Angles")),
    "high-low": (("mixed3a", "High-Low Frequency"),),
    "colour contrast": tuple((layer, "Color Contrast") for layer in ("conv2d0", "conv2d1", "conv2d2", "mixed3a")),
}
"""Layers and families of "Early Vision" that are taken for each feature."""

FACING = {
    "mirror pairs": (("mixed3b", 2), ("mixed4a", 4), ("mixed4b", 4)),
    "unions": (("mixed4b", 2), ("mixed4c", 2)),
}
"""Layers and numbers of the units that "Zoom In" names: 3b 404, 303; 4a 234, 308, 325, 222; 4b 443, 431, 429, 384;
unions 4b 409, 418 and 4c 254, 407."""

Folder = str | os.PathLike[str]


def counts(data: Folder | None = None) -> pd.DataFrame:
    """Returns how many units people sorted into each family, with the columns of `Census.counts`.

    Args:
        data: The folder that holds `distill/`; what CIRCUITKIT_DATA names if left out.

    Returns:
        A row a feature: `units`, `of` (all units that were sorted; for what "Zoom In" names, NaN), the `layer` that has
        most of them and their mean `depth` among InceptionV1's twelve layers. `by_chance` and `likeness` are NaN.

    Raises:
        StoreError: If the data are not there, or are not what they should be.
    """
    sizes = _sizes(data)
    sorted_units = sum(sum(families.values()) for families in sizes.values())
    found = {
        feature: [(layer, _size(sizes, layer, name)) for layer, name in each] for feature, each in FAMILIES.items()
    }
    return pd.DataFrame(
        [_row(feature, each, sorted_units) for feature, each in found.items()]
        + [_row(feature, each, np.nan) for feature, each in FACING.items()]
    ).set_index("feature")


def early_curves_to_curves(data: Folder | None = None) -> xr.Dataset:
    """Returns the weights from early curves of mixed3a to curves of mixed3b, by relative angle.

    Eight units of either, as "Visualizing Weights" shows them; six pairs for which its figure shows another pair's
    weights are left out. Angles are where the published radial curves peak.

    Raises:
        StoreError: If the data are not there, or are not what they should be.
    """
    path = published.folder(data) / "early_curves_3a_to_3b.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            tiles, doubtful = file["w_fig5"].astype(float), file["suspect_duplicate"].astype(bool)
            names = {"mixed3a": file["up_mixed3a_units"], "mixed3b": file["down_mixed3b_units"]}
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"{path} cannot be read ({error}): wanted a npz of plain arrays. Fetch it anew.") from None
    angles = {}
    for layer, units in names.items():
        curves = published.radial_curves(layer, data)
        peaks = curves.angle.values[curves.argmax("angle").values]
        angles[layer] = pd.Series(peaks, index=curves.unit.values)[[f"{layer}:{unit}" for unit in units]].to_numpy()
    weights = np.where(doubtful, np.nan, tiles.sum((2, 3)))
    found = profile([Block(weights, angles["mixed3b"], angles["mixed3a"])])
    return found.assign_attrs(net="InceptionV1", layers="mixed3a to mixed3b")


def _sizes(data: Folder | None) -> dict[str, dict[str, int]]:
    """Returns how many units each family has, by layer."""
    path = published.folder(data) / "families.json"
    try:
        held: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {layer: {each["name"]: len(each["units"]) for each in families} for layer, families in held.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path} cannot be read ({error}): wanted layers of named families. Fetch it anew.") from None


def _size(sizes: dict[str, dict[str, int]], layer: str, family: str) -> int:
    if family not in sizes.get(layer, {}):
        raise StoreError(f"the published families have no {family!r} in layer {layer!r}: fetch families.json anew.")
    return sizes[layer][family]


def _row(feature: str, found: list[tuple[str, int]] | tuple[tuple[str, int], ...], of: float) -> dict[str, object]:
    units = sum(number for _, number in found)
    depth = sum(number * LAYERS.index(layer) for layer, number in found) / (units * (len(LAYERS) - 1))
    layer = max(found, key=lambda each: each[1])[0]
    return {
        "feature": feature,
        "units": units,
        "of": of,
        "by_chance": np.nan,
        "layer": layer,
        "depth": depth,
        "likeness": np.nan,
    }
