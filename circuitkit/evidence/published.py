"""Distill's own published numbers as labelled arrays, in this library's conventions.

    curves = published.radial_curves("mixed3b")                # (angle, unit): what InceptionV1's curve units do
    tuning.fwhm(curves), tuning.echo(curves)                   # the numbers that any other family gets
    published.edited_curves("early_curves_positive_only")      # the same units without their negative weights
    published.last_layer()                                     # Distill's handwritten 3a -> 3b weights

The data are no part of this library: they are read from a folder `distill/`, which lies in the folder that is given as
`data`, or else in the one that the environment variable CIRCUITKIT_DATA names. Nothing is unpickled, and a file that
does not hold what it should is refused.

**Conventions.** Distill's angles run clockwise. A curve's is the direction of its apex, as it is here, so it changes
sign; a line's is that of its normal, and here that of its tangent:

    curve: -angle mod 360        line: 90 - angle mod 180

Rows of weights run downwards and columns to the right, and the kernels correlate, as all kernels here do. Angles come
out in ascending order, units in the order of the file.

Sources, all CC-BY 4.0: Cammarata et al., "Curve Detectors" (2020) and "Curve Circuits" (2021); Schubert et al.,
"High-Low Frequency Detectors" (2021); all Distill.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from circuitkit import tuning
from circuitkit.errors import StoreError, unknown_name

Folder = str | os.PathLike[str]

VARIABLE = "CIRCUITKIT_DATA"
"""The environment variable that names the folder in which `distill/` lies."""

LAYERS = ("conv2d2", "mixed3a", "mixed3b", "mixed4a")
"""Layers of InceptionV1 whose curve units have radial curves."""

EDITS = ("unedited", "early_curves_only", "early_curves_positive_only")
"""What was left of the weights into the curve units of mixed3b."""

LINE_FAMILIES = ("lines", "texture_lines", "cliffs")
"""The families of mixed3a whose members the article names."""

_HANDWRITTEN = {"curve": 360.0, "edge": 180.0}
"""The families of the handwritten layer, by their name in the file, and the turn that brings each back."""

_ACTIVATION = {"long_name": "activation", "units": "raw, after the ReLU"}
_DEGREES = {"units": "degrees"}


def radial_curves(layer: str, data: Folder | None = None) -> xr.DataArray:
    """Returns the radial curves of a layer's curve units: the mean over 80 radii of the activation, by angle.

    Args:
        layer: One of `LAYERS`.
        data: The folder that holds `distill/`; see above.

    Returns:
        (angle, unit), angles every half degree over the turn; a unit is called `mixed3b:379`.

    Raises:
        UnknownNameError: If there is no such layer.
        StoreError: If the data are not there, or are not what they should be.
    """
    _require("layer", layer, LAYERS)
    names = (f"{layer}_units", f"{layer}_act")
    found = _read("radial_curves.npz", data, {names[0]: ("unit",), names[1]: ("unit", 720), "angle_deg": (720,)})
    return _curves(found[names[1]], found[names[0]], layer, -found["angle_deg"] % 360, 360.0, "Curve Detectors")


def edited_curves(edit: str, data: Folder | None = None) -> xr.DataArray:
    """Returns the radial curves of mixed3b's ten curve units after an edit of the weights into them.

    Args:
        edit: One of `EDITS`: the whole net; fed by the early curves of mixed3a alone; the same with all negative
            weights set to 0.
        data: The folder that holds `distill/`; see above.

    Raises:
        UnknownNameError: If there is no such edit.
        StoreError: If the data are not there, or are not what they should be.
    """
    _require("edit", edit, EDITS)
    wanted: dict[str, tuple[str | int, ...]] = {"units": ("unit",), "angle_deg": (720,), edit: ("unit", 720)}
    found = _read("negative_weights_edit.npz", data, wanted)
    return _curves(found[edit], found["units"], "mixed3b", -found["angle_deg"] % 360, 360.0, "Curve Circuits")


def radial_lines(data: Folder | None = None) -> xr.DataArray:
    """Returns what every unit of mixed3a does for synthetic lines, by the angle of the line.

    Returns:
        (angle, unit), angles of the tangent every half degree over half a turn: their period is 180. Coordinate
        `family` says which of `LINE_FAMILIES` a unit is in; it is empty for most.

    Raises:
        StoreError: If the data are not there, or are not what they should be.
    """
    members = {f"{family}_units": (family,) for family in LINE_FAMILIES}
    found = _read("radial_lines_mixed3a.npz", data, {"act": ("unit", 360), "angle_deg": (360,), **members})
    units = np.arange(len(found["act"]))
    curves = _curves(found["act"], units, "mixed3a", (90 - found["angle_deg"]) % 180, 180.0, "Curve Circuits")
    family = np.full(len(units), "", dtype="U13")
    for name in LINE_FAMILIES:
        family = np.where(np.isin(units, found[f"{name}_units"]), name, family)
    return curves.assign_coords(family=("unit", family))


def last_layer(data: Folder | None = None) -> xr.DataArray:
    """Returns the weights of the last layer of Distill's handwritten net, from its 3a to its 3b.

    Returns:
        (row, column, source, unit), 5 x 5 cells of 8 pixels; 24 curves (`curve@15`) and 18 edges (`edge@10`, by their
        tangent) read as many, the curves first and each by ascending angle. Coordinates say for `source` and `unit`
        what they are: `source_family`, `source_angle`, `unit_family`, `unit_angle`. The largest weight is 1.

    Raises:
        StoreError: If the data are not there, or are not what they should be.
    """
    wanted = {"w_mixed3a_to_mixed3b": ("unit", "unit", 5, 5), "angle_deg": ("unit",)}
    found = _read("aann.npz", data, wanted, text={"family": ("unit",)})
    weights, family, theirs = (found[name] for name in ("w_mixed3a_to_mixed3b", "family", "angle_deg"))
    angle = np.where(family == "curve", -theirs % 360, (90 - theirs) % 180)
    counts = {name: int((family == name).sum()) for name in _HANDWRITTEN}
    steps = {name: np.arange(count) * _HANDWRITTEN[name] / max(count, 1) for name, count in counts.items()}
    even = all(np.array_equal(np.sort(angle[family == name]), steps[name]) for name in _HANDWRITTEN)
    if counts != {"curve": 24, "edge": 18} or len(family) != 42 or not even:
        raise StoreError(
            f"{folder(data) / 'aann.npz'} has the families {counts}: wanted 24 curves and 18 edges, each at even steps "
            "over its period. It is no copy of the published file."
        )
    order = np.lexsort((angle, family != "curve"))
    weights, family, angle = weights[np.ix_(order, order)], family[order], angle[order]
    names = [f"{kind}@{degrees:g}" for kind, degrees in zip(family, angle, strict=True)]
    coords: dict[str, Any] = {}
    for dim in ("source", "unit"):
        coords |= {dim: names, f"{dim}_family": (dim, family), f"{dim}_angle": (dim, angle, _DEGREES)}
    return xr.DataArray(
        weights.transpose(2, 3, 0, 1),
        dims=("row", "column", "source", "unit"),
        coords=coords,
        name="weight",
        attrs={"units": "the largest is 1", "source": "Cammarata et al., Curve Circuits, Distill (2021)"},
    )


def human_labels(data: Folder | None = None) -> xr.Dataset:
    """Returns what pictures are, as a person labelled them, by how strongly mixed3b:379 responds.

    Returns:
        Over `label` (curve, imperfect curve, unrelated, opposing curve) and `activation` (before the ReLU):
        `probability` of a label given the activation, `density` of activation and label, and `contribution`, their
        part in the expected activation. Over `label`: `images`, how many were labelled so.

    Raises:
        StoreError: If the data are not there, or are not what they should be.
    """
    grids = {"cond_prob": "probability", "prob_density": "density", "expected_value": "contribution"}
    wanted = {"bins": ("activation",), "n_images": ("label",), **dict.fromkeys(grids, ("label", "activation"))}
    found = _read("human_labels.npz", data, wanted, text={"classes": ("label",)})
    return xr.Dataset(
        {name: (("label", "activation"), found[key]) for key, name in grids.items()}
        | {"images": ("label", found["n_images"])},
        coords={
            "label": found["classes"],
            "activation": ("activation", found["bins"], {"units": "raw, before the ReLU"}),
        },
        attrs={"unit": "mixed3b:379", "source": "Cammarata et al., Curve Circuits, Distill (2021)"},
    )


def frequency_factors(data: Folder | None = None) -> xr.Dataset:
    """Returns how the two factors behind the high-low frequency detectors are tuned to frequency.

    Returns:
        Over `frequency` (0 to 1 along the published axis): `low` and `high`, in the pixels of the published plot, whose
        vertical axis has no scale.

    Raises:
        StoreError: If the data are not there, or are not what they should be.
    """
    keys = {"lf_response_px": "low", "hf_response_px": "high"}
    wanted = {"freq_axis": ("frequency",), **dict.fromkeys(keys, ("frequency",))}
    found = _read("hilo_factors.npz", data, wanted)
    return xr.Dataset(
        {name: ("frequency", found[key], {"units": "pixels of the plot"}) for key, name in keys.items()},
        coords={"frequency": ("frequency", found["freq_axis"], {"units": "share of the axis"})},
        attrs={"source": "Schubert et al., High-Low Frequency Detectors, Distill (2021)"},
    )


def measured(table: str, data: Folder | None = None) -> xr.Dataset:
    """Returns numbers that were measured on the published curves, apart from this library: what tuning must find.

    Args:
        table: One of `LAYERS`, or of `EDITS`.
        data: The folder that holds `distill/`; see above.

    Returns:
        Over `unit`: `peak_angle` and `fwhm` in degrees, `peak`, `echo` and `echo_at_antipode`.

    Raises:
        UnknownNameError: If there is no such table.
        StoreError: If the data are not there, or are not what they should be.
    """
    _require("table", table, (*LAYERS, *EDITS))
    layer = table if table in LAYERS else "mixed3b"
    path = _path("measured.json", data)
    keys = ("peak_deg", "max_act", "fwhm_deg", "echo_max_within_45_of_antipode", "echo_at_180")
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))[table if table in LAYERS else f"mixed3b_{table}"]
        found = {key: np.array([row[key] for row in rows.values()], dtype=float) for key in keys}
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise StoreError(
            f"{path} holds no table {table!r} ({type(error).__name__}: {error}): wanted {', '.join(keys)} for every "
            "unit. It is no copy of the published file."
        ) from None
    peak, height, width, echo, antipode = found.values()
    return xr.Dataset(
        {
            "peak_angle": ("unit", -peak % 360, _DEGREES),
            "peak": ("unit", height),
            "fwhm": ("unit", width, _DEGREES),
            "echo": ("unit", echo),
            "echo_at_antipode": ("unit", antipode),
        },
        coords={"unit": [f"{layer}:{unit}" for unit in rows]},
    )


def deviations(table: str, data: Folder | None = None) -> dict[str, float]:
    """Returns how far the numbers of `tuning` lie from `measured`, for the unit where they lie furthest apart.

    Args:
        table: One of `LAYERS`, or of `EDITS`.
        data: The folder that holds `distill/`; see above.

    Raises:
        UnknownNameError: If there is no such table.
        StoreError: If the data are not there, or are not what they should be.
    """
    wanted = measured(table, data)
    curves = radial_curves(table, data) if table in LAYERS else edited_curves(table, data)
    if list(curves.unit.values) != list(wanted.unit.values):
        raise StoreError(
            f"the curves of {table!r} are those of {', '.join(curves.unit.values)}, but its numbers those of "
            f"{', '.join(wanted.unit.values)}: the files in {folder(data)} are not of one pack."
        )
    turned = (tuning.peak_angle(curves) - wanted.peak_angle + 180) % 360 - 180
    apart = {
        "peak_angle": turned,
        "fwhm": tuning.fwhm(curves) - wanted.fwhm,
        "echo": tuning.echo(curves) - wanted.echo,
        "echo_at_antipode": tuning.echo_at_antipode(curves) - wanted.echo_at_antipode,
    }
    return {name: float(abs(values).max()) for name, values in apart.items()}


def folder(data: Folder | None = None) -> Path:
    """Returns the folder `distill/`.

    Args:
        data: The folder that holds it; what CIRCUITKIT_DATA names if left out.

    Raises:
        StoreError: If there is none.
    """
    said = os.environ.get(VARIABLE) if data is None else os.fspath(data)
    if not said:
        raise StoreError(
            f"nothing says where the published data are: give data=, or set {VARIABLE} to the folder that holds "
            "distill/. They are no part of this library."
        )
    path = Path(said) / "distill"
    if not path.is_dir():
        raise StoreError(f"{said} holds no folder distill/: name the folder that the published data lie in.")
    return path


def _curves(
    responses: Float[np.ndarray, "unit angle"],
    units: Sequence[int] | np.ndarray,
    layer: str,
    angles: Float[np.ndarray, " angle"],
    period: float,
    article: str,
) -> xr.DataArray:
    """Returns radial curves by ascending angle; refuses angles that do not go round, and responses below 0."""
    order = np.argsort(angles)
    if not np.array_equal(angles[order], np.arange(len(angles)) * period / len(angles)):
        raise StoreError(
            f"the angles of layer {layer!r} run from {angles[0]:g} to {angles[-1]:g} degrees: wanted every "
            f"{period / len(angles):g} degrees of {period:g}, once. The file is no copy of the published one."
        )
    if responses.min() < 0:
        raise StoreError(
            f"layer {layer!r} has activations down to {responses.min():g}: wanted none below 0, after a ReLU. The file "
            "is no copy of the published one."
        )
    return xr.DataArray(
        responses.T[order].astype(float),
        dims=("angle", "unit"),
        coords={"angle": ("angle", angles[order], _DEGREES), "unit": [f"{layer}:{unit}" for unit in units]},
        name="response",
        attrs={**_ACTIVATION, "net": "InceptionV1", "layer": layer, "source": f"Cammarata et al., {article}, Distill"},
    )


def _require(kind: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise unknown_name(kind, name, known, owner="the published data")


def _path(name: str, data: Folder | None) -> Path:
    path = folder(data) / name
    if not path.is_file():
        raise StoreError(f"there is no {path}: the folder does not hold all of the published data.")
    return path


def _read(
    name: str,
    data: Folder | None,
    numbers: Mapping[str, tuple[str | int, ...]],
    *,
    text: Mapping[str, tuple[str | int, ...]] | None = None,
) -> dict[str, Any]:
    """Returns some arrays of a file; refuses it if one is missing, or has another type or shape than wanted.

    Args:
        name: Of the file.
        data: The folder that holds `distill/`.
        numbers: The shape of each array of numbers; a name stands for a length that has to be the same wherever it
            stands.
        text: The shape of each array of text.
    """
    path = _path(name, data)
    wanted = {**numbers, **(text or {})}
    found = {}
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            missing = [key for key in wanted if key not in file]
            found = {key: file[key] for key in wanted if key not in missing}
    # What the readers of zip and npy files raise for bytes that are neither is a dozen classes.
    except Exception as error:
        raise StoreError(
            f"{path} cannot be read ({type(error).__name__}: {error}): wanted a npz of plain arrays. Fetch it anew."
        ) from None
    lengths: dict[str, int] = {}
    for key, shape in wanted.items():
        if key not in found:
            raise StoreError(f"{path} has no array {key!r}: wanted {', '.join(wanted)}. Fetch it anew.")
        _check(path, key, found[key], shape, lengths, kind="numbers" if key in numbers else "text")
    return found


def _check(
    path: Path, key: str, array: np.ndarray, shape: tuple[str | int, ...], lengths: dict[str, int], *, kind: str
) -> None:
    """Refuses an array of another type or shape, or with NaN in it; keeps the lengths that its shape names."""
    fits = array.ndim == len(shape) and array.dtype.kind in ("U" if kind == "text" else "iuf")
    for length, size in zip(shape, array.shape, strict=False):
        fits = fits and size == (lengths.setdefault(length, size) if isinstance(length, str) else length)
    if not fits:
        raise StoreError(
            f"{path} has an array {key!r} of type {array.dtype} and shape {array.shape}: wanted {kind} of shape "
            f"({', '.join(map(str, shape))}). Fetch it anew."
        )
    if kind == "numbers" and not np.isfinite(array).all():
        raise StoreError(f"{path} has an array {key!r} that holds NaN or infinity: fetch it anew.")
