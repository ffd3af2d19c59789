"""Units at uneven angles, compared two by two: is one unit the other one, turned?

A trained layer has curve detectors at 48, 85, 142 degrees and so on: no turn permutes them. But each pair can be tested
by itself: a unit at 85 degrees should respond to an image turned by 37 degrees as the one at 48 does to the image.
"""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from circuitkit.errors import SpecError
from circuitkit.probe import Probe
from circuitkit.symmetry import Motion
from circuitkit.turned.lattice import share
from circuitkit.turned.measure import BANDS, _Measured


def pair_errors(
    probe: Probe,
    angles: Sequence[float],
    *,
    bands: Sequence[float] = BANDS,
    images: int = 64,
    seed: int = 0,
    image_size: tuple[int, int] | None = None,
) -> xr.Dataset:
    """Returns how far each unit is from every other one, turned by the difference of their angles.

    Args:
        probe: The units.
        angles: Of each, in degrees.
        bands: Highest frequencies of the images, in cycles per pixel.
        images: How many for each band.
        seed: Of the images.
        image_size: Rows and columns of the images, for nets that see all of an image.

    Returns:
        (unit, other, band), of the other unit's responses to images turned by its angle minus the unit's, and the
        unit's to the images: `error`, ||other(g x) - unit(x)|| over the root mean square of both norms; `scaled`, the
        same after the other's responses are scaled to fit best; and `correlation`. 0, 0 and 1 on the diagonal; two
        units that respond alike to nothing have an error of about 1.4, and no correlation.

    Raises:
        SpecError: If angles are missing, or all the same.
        ImageError: If no unit responds.
    """
    count = len(probe.unit_names)
    if len(angles) != count or not np.isfinite(angles).all():
        raise SpecError(f"got {len(angles)} angles for {count} units: wanted a finite one for each.")
    turns = np.subtract.outer(np.asarray(angles, float), angles).T % 360  # of the other, minus the unit's
    distinct = np.unique(turns)
    if len(distinct) < 2:
        raise SpecError(f"all {count} units stand at {angles[0]:g} degrees: wanted units at different angles.")
    group = [Motion(float(turn)) for turn in distinct if turn]
    measured = _Measured.begun(
        probe, group, bands=bands, images=images, seed=seed, image_size=image_size, moves="invariant", angles=None,
        period=360.0, within=0.0,
    )  # fmt: skip
    shown = np.concatenate([measured.before, measured.after])
    found = {name: np.empty((count, count, len(measured.bands))) for name in ("error", "scaled", "correlation")}
    for unit, other in np.ndindex(count, count):
        one = measured.before[0, :, :, unit]
        two = shown[int(np.searchsorted(distinct, turns[unit, other]))][:, :, other]
        norms = [np.linalg.norm(each, axis=1) for each in (one, two)]
        cosine = share((one * two).sum(1), norms[0] * norms[1])
        found["error"][unit, other] = share(np.linalg.norm(two - one, axis=1), np.hypot(*norms) / np.sqrt(2))
        found["scaled"][unit, other] = np.sqrt(np.maximum(0, 1 - cosine**2))
        centred = [each - each.mean(1, keepdims=True) for each in (one, two)]
        spreads = np.linalg.norm(centred[0], axis=1) * np.linalg.norm(centred[1], axis=1)
        found["correlation"][unit, other] = share((centred[0] * centred[1]).sum(1), spreads)
    names = list(probe.unit_names)
    return xr.Dataset(
        {name: (("unit", "other", "band"), values) for name, values in found.items()},
        coords={
            "unit": names,
            "other": names,
            "band": list(measured.bands),
            "turn": (("unit", "other"), turns),
        },
    )
