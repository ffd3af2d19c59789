"""Weights of one pathway against those of the other, mirrored and as they are: by hand, published, trained."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from circuitkit.build import build
from circuitkit.mirrored_weights import mirror_law
from circuitkit.spec import Circuit
from circuitkit.symmetry import Motion

LEFT_TO_RIGHT = Motion(180, mirror=True)


def by_hand(
    circuit: Circuit, stages: tuple[str, ...] = ("ears", "snouts", "necks", "heads", "on_necks")
) -> pd.DataFrame:
    """Returns correlations of the kernels of both members of each stage; sources are exchanged as the mirror has it."""
    network = build(circuit)
    rows = []
    for stage in stages:
        layer = network.layers[stage]
        right, left = np.moveaxis(np.asarray(layer.kernel[...], float), -1, 0)
        names = layer.layout.sources
        starts = np.cumsum([0, *layer.layout.widths])
        carried = np.concatenate(
            [start + LEFT_TO_RIGHT.of_units(circuit[name]) for name, start in zip(names, starts, strict=False)]
        )
        rows.append(_row("by hand", stage, right, left[:, ::-1][:, :, carried], left))
    return pd.DataFrame(rows)


def published(data: Path) -> pd.DataFrame:
    """Returns correlations of tiles that Distill shows: of heads into their union, and of heads onto their necks."""
    with np.load(data / "distill/motif_tiles.npz", allow_pickle=False) as tiles:
        heads, names = tiles["dogmerge_w"].astype(float), tiles["dogmerge_up_mixed4a"]
        necks = tiles["headneck_w"].astype(float)
    rows = [
        _row(
            "InceptionV1", f"mixed4a:{names[a]} and {names[b]}, into their union", heads[a], heads[b][:, ::-1], heads[b]
        )
        for a in (0, 1)
        for b in (2, 3)
    ]
    rows.append(
        _row("InceptionV1", "mixed4b:443 and 429, of a head on its neck", necks[0], necks[1][:, ::-1], necks[1])
    )
    return pd.DataFrame(rows)


def trained(name: str, weights: xr.DataArray, pair: tuple[int, int], partner: np.ndarray) -> pd.DataFrame:
    """Returns correlations of all weights of two units, sources exchanged with their partners in the mirror."""
    row = mirror_law(weights, [pair], partner).iloc[0]
    return pd.DataFrame([{"net": "trained", "weights": name, "mirrored": row.mirrored, "as they are": row.plain}])


def _row(net: str, name: str, one: np.ndarray, mirrored: np.ndarray, other: np.ndarray) -> dict[str, object]:
    alike = {"mirrored": mirrored, "as they are": other}
    return {"net": net, "weights": name} | {
        how: float(np.corrcoef(one.ravel(), each.ravel())[0, 1]) for how, each in alike.items()
    }
