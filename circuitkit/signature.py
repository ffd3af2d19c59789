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
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from circuitkit.compiling import compiled, compiled_drawing
from circuitkit.errors import ImageError, StimulusError
from circuitkit.probe import Probe
from circuitkit.stimuli import Corner, Curve, Edge, Grating, Grid, HighLow, Line, NoiseTexture, Ring, grid, turn, zipped

ANGLES = 24

SIZES = (4.0, 8.0, 16.0, 32.0)
"""Radii of curves and rings, in pixels."""

ARC = 2.0
"""Length of a curve over its radius: 115 degrees of its circle."""

RED, GREEN, BLUE, YELLOW = (0.5, -0.35, -0.2), (-0.5, 0.35, 0.2), (-0.3, -0.15, 0.6), (0.3, 0.15, -0.6)
"""Red and green add up to grey, and so do blue and yellow."""

_STROKE = 1.5


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
    site = probe.site()
    (row, column), figures = site.unit, battery()
    cropped = probe.reading(site, images=ANGLES, channels=3, rows=(row, row + 1), columns=(column, column + 1))

    def respond(constants: Any, images: Float[Array, "image h w _"]) -> Float[Array, "image unit"]:
        shown = jnp.broadcast_to(images, (*images.shape[:3], 3))
        return jax.nn.relu(cropped.apply(constants, shown)[:, 0, 0, :])

    _, height, width, _ = cropped.shape
    drawn = _drawn(height, width, (site.anchor[0] - cropped.rows[0], site.anchor[1] - cropped.columns[0]))
    total, found = sum(map(len, figures.values())), []
    for several in drawn:
        # Kept by its text: control nets, which have other weights alone, are not compiled again.
        run = compiled(respond, cropped.constants, several[:ANGLES])
        for at in range(0, len(several), ANGLES):
            found.append(np.asarray(run(cropped.constants, several[at : at + ANGLES])))
            if progress is not None:
                progress(len(found) * ANGLES, total)
    responses = np.stack(found)
    if not np.isfinite(responses).all():
        raise ImageError(f"layer {probe.layer!r} of net {probe.net.name!r} responds with NaN or infinity to figures.")
    return xr.DataArray(
        np.moveaxis(responses, 2, 0),
        dims=("unit", "figure", "angle"),
        coords={
            "unit": list(probe.unit_names),
            "figure": [f"{kind}{_said(each, at)}" for kind, each in figures.items() for at in _firsts(each)],
            "kind": ("figure", [kind for kind, each in figures.items() for _ in _firsts(each)]),
            "angle": ("angle", list(turn(ANGLES)), {"units": "degrees"}),
        },
        name="response",
        attrs={"net": probe.net.name, "layer": probe.layer},
    )


@functools.lru_cache(maxsize=1)  # a layer's control units are shown the same images next
def _drawn(height: int, width: int, anchor: tuple[float, float]) -> list[Float[np.ndarray, "image h w channel"]]:
    """Returns the figures of each kind, grey or coloured."""
    images = []
    for figures in battery().values():
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
