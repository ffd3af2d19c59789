"""Tuning signatures: what a unit says of one battery of figures, each turned through the circle.

    mine = signature(net["fire5"])                      # (unit, figure, angle)
    theirs = signature(other["conv3"])
    found = match(mine, theirs)                         # how alike each two units are, and the turn between them

The battery holds edges, lines, curves, rings, corners, gratings, boundaries of frequency and of colour, and noise, in
two polarities and several sizes, at 24 angles each, anchored on the centre of the unit's receptive field. Units of any
two nets can be compared by it, and a handwritten unit is the reference for what its circuit detects. Every figure is
shown at all angles, so a unit that prefers another angle has the same signature, moved along; `match` looks for the
turn that fits best.

Source: Olah et al., "Zoom In: An Introduction to Circuits", Distill (2020), Claim 3: universality, there judged by eye.
The signature is ours.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jax
import numpy as np
import xarray as xr
from jaxtyping import Float

from circuitkit.centred import Group, together
from circuitkit.compiling import compiled_drawing
from circuitkit.errors import ImageError, StimulusError
from circuitkit.kept import kept
from circuitkit.probe import Probe
from circuitkit.stimuli import (
    Corner,
    Curve,
    Edge,
    Grating,
    Grid,
    HighLow,
    Line,
    NoiseTexture,
    Ring,
    grid,
    to_json,
    turn,
    zipped,
)

ANGLES = 24

SIZES = (4.0, 8.0, 16.0, 32.0)
"""Radii of curves and rings, in pixels."""

ARC = 2.0
"""Length of a curve over its radius: 115 degrees of its circle."""

RED, GREEN, BLUE, YELLOW = (0.5, -0.35, -0.2), (-0.5, 0.35, 0.2), (-0.3, -0.15, 0.6), (0.3, 0.15, -0.6)
"""Red and green add up to grey, and so do blue and yellow."""

_STROKE = 1.5


@functools.cache
def battery() -> dict[str, Grid]:
    """Returns the figures, by kind; `angle` is the last axis of each grid."""
    angle, both = turn(ANGLES), (1, -1)
    arcs = zipped(radius=SIZES, length=[ARC * size for size in SIZES])
    colours = zipped(foreground=(RED, BLUE), outside=(GREEN, YELLOW))
    return {
        "edge": grid(Edge(), angle=angle),
        "line": grid(Line(), width=(_STROKE, 4), polarity=both, angle=angle),
        "curve": grid(Curve(width=_STROKE), arcs, polarity=both, angle=angle),
        "ring": grid(Ring(thickness=_STROKE), radius=SIZES, polarity=both, angle=angle),
        "corner": grid(Corner(width=_STROKE), opening=(60, 90, 120), polarity=both, angle=angle),
        "grating": grid(Grating(), wavelength=(4, 8, 16), angle=angle),
        "frequencies": grid(HighLow(ratio=3), wavelength=(8, 16), angle=angle),
        "colours": grid(Edge(), colours, angle=angle),
        "noise": grid(NoiseTexture(slope=0.5), scale=(_STROKE, 4), angle=angle),
    }


def signature(probe: Probe, *, progress: Callable[[int, int], None] | None = None) -> xr.DataArray:
    """Measures the signatures of some units.

    Args:
        probe: The units.
        progress: Called with the number of images done, and of all.

    Returns:
        Rectified responses (unit, figure, angle); each figure has a `kind`, and angles are in degrees.

    Raises:
        ImageError: If the units see all of an image, and the net was made for no size; or if they are NaN.
    """
    (found,) = signatures([probe], battery(), progress=progress)
    return found.sel(view="image", drop=True)


def signatures(
    probes: Sequence[Probe],
    figures: Mapping[str, Grid],
    *,
    mirrored: bool = False,
    store: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[xr.DataArray]:
    """Measures units of several layers of a net; layers that look at one place share all that is computed.

    Args:
        probes: The units, of one net.
        figures: By kind, `angle` the last axis of each.
        mirrored: Whether each image is shown mirrored as well, left for right about the centre of what a unit sees.
        store: A folder in which responses are kept, and found again.
        progress: Called with the number of images done, and of all.

    Returns:
        Rectified responses (view, unit, figure, angle) for each probe. Views are `image` and, if asked for, `mirror`.

    Raises:
        ImageError: If the units see all of an image, and the net was made for no size; if they are NaN; or if what they
            see is cut off by a border on one side, so that it cannot be mirrored.
        StoreError: If the folder cannot be written.
    """
    views = ("image", "mirror") if mirrored else ("image",)
    groups = together(probes, count=ANGLES)
    total, found, begun = len(views) * sum(map(len, figures.values())), {}, 0
    for group in groups:

        def told(done: int, begun: int = begun) -> None:
            if progress is not None:
                progress(begun + done, total * len(groups))

        shown = {kind: to_json(each) for kind, each in figures.items()}
        responses = kept(
            store,
            repr((group.cropped.fingerprint, group.anchor, views, shown)) if store is not None else "",
            functools.partial(_responses, group, figures, views, told),
        )
        begun += total
        told(0, begun)
        ends = np.cumsum([len(probe.unit_names) for probe in group.probes])[:-1]
        for probe, values in zip(group.probes, np.split(responses, ends, axis=1), strict=True):
            if not np.isfinite(values).all():
                raise ImageError(
                    f"layer {probe.layer!r} of net {probe.net.name!r} responds with NaN or infinity to figures."
                )
            found[id(probe)] = _labelled(probe, values, figures, views)
    return [found[id(probe)] for probe in probes]


def _responses(
    group: Group, figures: Mapping[str, Grid], views: tuple[str, ...], told: Callable[[int], None]
) -> Float[np.ndarray, "view unit figure angle"]:
    """Returns what the units of a group respond to all figures."""
    (_, height, width, _), (row, column) = group.shape, group.anchor
    if len(views) > 1 and column != (width - 1) / 2:
        raise ImageError(
            f"layer {group.probes[0].layer!r} of net {group.probes[0].net.name!r} sees {column:g} pixels to the left "
            f"of its centre and {width - 1 - column:g} to the right, so that figures cannot be mirrored in it."
        )
    found, done = [], 0
    for several in _drawn(tuple(figures.values()), height, width, (row, column)):
        for at in range(0, len(several), ANGLES):
            shown = np.broadcast_to(several[at : at + ANGLES], (ANGLES, height, width, 3))
            both = [shown, shown[:, :, ::-1]][: len(views)]
            found.append(np.stack([np.maximum(group.run(np.ascontiguousarray(images)), 0) for images in both]))
            done += len(views) * ANGLES
            told(done)
    return np.stack(found, 1).transpose(0, 3, 1, 2)


def _labelled(
    probe: Probe, values: Float[np.ndarray, "view unit figure angle"], figures: Mapping[str, Grid], views: Sequence[str]
) -> xr.DataArray:
    return xr.DataArray(
        values,
        dims=("view", "unit", "figure", "angle"),
        coords={
            "view": list(views),
            "unit": list(probe.unit_names),
            "figure": [f"{kind}{_said(each, at)}" for kind, each in figures.items() for at in _firsts(each)],
            "kind": ("figure", [kind for kind, each in figures.items() for _ in _firsts(each)]),
            "angle": ("angle", list(turn(ANGLES)), {"units": "degrees"}),
        },
        name="response",
        attrs={"net": probe.net.name, "layer": probe.layer},
    )


@functools.lru_cache(maxsize=2)  # control nets are shown the same images next
def _drawn(
    sets: tuple[Grid, ...], height: int, width: int, anchor: tuple[float, float]
) -> list[Float[np.ndarray, "image h w channel"]]:
    """Returns the figures of each kind, grey or coloured."""
    images = []
    for figures in sets:
        items = figures.items(np.arange(len(figures)))
        each = jax.vmap(lambda item, drawn=figures: drawn.draw(item, height, width, anchor=anchor))
        images.append(np.asarray(compiled_drawing(each, items)(items)))
    return images


def _firsts(figures: Grid) -> range:
    """Returns the index of each figure's first angle."""
    return range(0, len(figures), ANGLES)


def _said(figures: Grid, at: int) -> str:
    """Returns what tells one figure from the others of its kind."""
    values = {name: values[0] for name, values in figures.varying(np.array([at])).items() if name != "angle"}
    words = []
    for name, value in values.items():
        if name == "polarity":
            words.append("light" if value > 0 else "dark")
        elif np.ndim(value):
            words.append(f"{name} ({', '.join(f'{each:.2g}' for each in value)})")
        elif name != "length":
            words.append(f"{name} {float(value):g}")
    return "".join(f", {word}" for word in words)


def match(units: xr.DataArray, references: xr.DataArray) -> xr.Dataset:
    """Compares each unit with each reference, turned by any of the battery's angles.

    Likeness is the correlation of two signatures over all figures and angles, every kind of figure counting the same
    however many there are of it. It knows nothing of the size of responses, but all of how they compare.

    Args:
        units: (unit, figure, angle), from `signature`.
        references: Others, of the same figures.

    Returns:
        Over (unit, reference): `likeness`, at most 1, at the turn that fits best, and `turn`, by how many degrees the
        reference has to be turned. Units that respond to nothing, or to all alike, have likeness 0.

    Raises:
        StimulusError: If the figures are not the same.
    """
    if list(units.figure.values) != list(references.figure.values) or units.sizes["angle"] != references.sizes["angle"]:
        raise StimulusError("these signatures are not of the same figures: measure both with the same version.")
    mine, theirs = _standard(units), _standard(references)
    # By Fourier transform: the correlations at all turns at once.
    spectra = np.fft.rfft(mine, axis=2), np.fft.rfft(theirs, axis=2)
    across = np.einsum("ufk,rfk->urk", spectra[0], np.conj(spectra[1]))
    turned = np.fft.irfft(across, n=mine.shape[2], axis=2)
    best = turned.argmax(2)
    return xr.Dataset(
        {
            "likeness": (("unit", "reference"), np.clip(turned.max(2), -1, 1).astype(np.float32)),
            "turn": (("unit", "reference"), units.angle.values[best], {"units": "degrees"}),
        },
        coords={"unit": units.unit.values, "reference": references.unit.values},
    )


def _standard(signatures: xr.DataArray) -> Float[np.ndarray, "unit figure angle"]:
    """Returns signatures whose inner products are correlations; zeros for those that do not vary."""
    values = signatures.transpose("unit", "figure", "angle").values.astype(float)
    kinds = signatures.kind.values
    weight = np.array([1 / np.sum(kinds == kind) for kind in kinds])
    weight = weight[:, None] / (weight.sum() * values.shape[2])
    centred = values - np.sum(values * weight, (1, 2), keepdims=True)
    size = np.sqrt(np.sum(centred**2 * weight, (1, 2), keepdims=True))
    flat = size <= 1e-6 * np.abs(values).max((1, 2), keepdims=True, initial=0.0)
    return np.sqrt(weight) * np.where(flat, 0.0, centred / np.where(flat, 1.0, size))
