"""How equivariant units of any net are, as numbers: by motion, by frequency, by unit, with their spread.

The unit in the middle sees an image that is known exactly when turned (a sum of plane waves), so nothing is
interpolated, and nothing but the net is measured. What interpolation would add is measured apart (`floor`), and so is
what the lattice motions make of whole maps, borders and all (`exact`).
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from circuitkit import checks
from circuitkit.errors import ImageError, SpecError
from circuitkit.probe import Net, Probe
from circuitkit.symmetry import GONE, Motion
from circuitkit.turned import lattice
from circuitkit.turned.lattice import Exactness, pooled, share
from circuitkit.turned.moves import Moves, came_from, carried, channels, label, moving, orbits
from circuitkit.turned.reading import Reading, rounding
from circuitkit.turned.waves import METHODS, Method, Waves

BANDS = (0.125, 0.25)
"""Highest frequencies, in cycles per pixel: what a smooth kernel of 7 pixels holds well, and half of all there is."""

RESAMPLED = 200
"""How often images are drawn anew, for the spread."""

NEARLY_CONSTANT = 0.01
"""Share of a unit's responses that has to vary: relative to a constant, every error would look small."""


@dataclasses.dataclass(frozen=True, eq=False)
class Equivariance:
    """What was found of the units of a probe.

    Attributes:
        error: (motion, band), ||f(g x) - g f(x)|| / ||f(x)|| over all units and images, in the middle unit.
        spread: (motion, band), standard deviation of the error over images drawn anew from those shown (bootstrap).
        units: (motion, band, unit), the same for each unit, over the root mean square of the units that the motions
            carry to each other. NaN where none of these responds, and where a change of scale carries no unit.
        rounding: (band, unit), what float32 may leave of an error of 0.
        untested: Names of units that gave (nearly) the same response to every image, they and all that they are carried
            to: nothing was tested of these.
        motions: In order.
    """

    error: xr.DataArray
    spread: xr.DataArray
    units: xr.DataArray
    rounding: xr.DataArray
    untested: tuple[str, ...]
    motions: tuple[Motion, ...]
    _measured: "_Measured"

    @property
    def worst(self) -> xr.DataArray:
        """The largest error of a single unit; its coordinates say which motion, band and unit it was."""
        return self.units[np.unravel_index(int(np.nanargmax(self.units.values)), self.units.shape)]

    @functools.cached_property
    def floor(self) -> xr.Dataset:
        """What interpolation does alone, over (interpolation, motion, band); measured when first asked for.

        `image` is ||interpolated - exact|| / ||exact|| of the pixels that the unit sees; `added` is what that makes in
        the units, ||f(interpolated) - f(exact)|| / ||f(x)||; `error` is what one would find by turning images by
        interpolation, ||f(interpolated) - g f(x)|| / ||f(x)||: net and interpolation together.
        """
        return self._measured.floor()

    @functools.cached_property
    def exact(self) -> Exactness:
        """Whole maps under the group's quarter turns and mirrors; measured when first asked for.

        Raises:
            SpecError: If there are none among the motions, or the images are not square.
        """
        return self._measured.exact()

    def __str__(self) -> str:
        measured = self._measured
        lines = [f"{measured.probe.net.name}, {measured.probe.layer}: {len(measured.probe.unit_names)} units"]
        for motion in self.error.motion.values:
            for band in self.error.band.values:
                at = {"motion": motion, "band": band}
                units = self.units.sel(at).fillna(0.0)
                lines.append(
                    f"  {motion}, up to {band:g} cycles a pixel: {float(self.error.sel(at)):.2g} "
                    f"± {float(self.spread.sel(at)):.1g}, worst {units.idxmax('unit').item()} {float(units.max()):.2g}"
                )
        if self.untested:
            lines.append(
                f"  {len(self.untested)} units not tested, since they never changed: {', '.join(self.untested)}"
            )
        return "\n".join(lines)


def equivariance_error(
    probe: Probe,
    group: Sequence[Motion],
    *,
    moves: Moves | None = None,
    angles: Sequence[float] | None = None,
    period: float = 360.0,
    within: float = 0.1,
    bands: Sequence[float] = BANDS,
    images: int = 64,
    seed: int = 0,
    image_size: tuple[int, int] | None = None,
) -> Equivariance:
    """Returns how far the units of a probe are from turning with the image, of any net.

    Args:
        probe: The units, such as `net["curves"]` or `net["fire5", units]`.
        group: Turns and mirrors, such as `cyclic(24)` or `dihedral(4)`; turns of the hue circle, such as `hues(6)`, for
            which images are in colour; changes of scale, such as `[Motion(scale=2)]`.
        moves: How units move: "invariant" if each is to stay as it is; or, for each motion, the index of the unit that
            each unit is carried to (a mapping, or a function). Handbuilt nets know it.
        angles: Of each unit, in degrees, in place of `moves`.
        period: The turn that brings a unit back, in degrees: 180 for lines.
        within: How far from where it is carried a unit may stand, in degrees.
        bands: Highest frequencies of the images, in cycles per pixel.
        images: How many for each band.
        seed: Of the images.
        image_size: Rows and columns of the images, for nets that see all of an image; and for whole maps (`exact`).
            Left out, those that the net was made for.

    Returns:
        The errors, by motion, band and unit.

    Raises:
        SpecError: If it is not known how the units move, or they are not permuted; if there are no motions or bands.
        ImageError: If no unit responds to any image, or a response is NaN or infinite.
    """
    measured = _Measured.begun(
        probe, group, moves=moves, angles=angles, period=period, within=within, bands=bands, images=images, seed=seed,
        image_size=image_size,
    )  # fmt: skip
    return measured.found()


def equivariance_by_layer(
    net: Net, group: Sequence[Motion], *, layers: Sequence[str] | None = None, **options: Any
) -> xr.Dataset:
    """Returns the errors of several layers.

    Args:
        net: The net.
        group: Turns and mirrors.
        layers: Their names; all of them if left out.
        **options: Of `equivariance_error`.

    Returns:
        (layer, motion, band): `error`, `spread`, and the `worst` unit's error and name (`worst_unit`).
    """
    names = tuple(net.layers if layers is None else layers)
    probes = [net[name] for name in names]  # unknown names are refused before work starts
    parts = []
    for probe in probes:
        found = equivariance_error(probe, group, **options)
        units = found.units.fillna(0.0)
        worst = {"worst": units.max("unit"), "worst_unit": units.idxmax("unit").astype(str)}
        parts.append(xr.Dataset({"error": found.error, "spread": found.spread, **worst}))
    return xr.concat(parts, xr.Variable("layer", list(names)))


@dataclasses.dataclass(frozen=True, eq=False)
class _Measured:
    """A probe, what it is shown, and how its units are to move."""

    probe: Probe
    motions: tuple[Motion, ...]
    carried: Int[np.ndarray, "motion unit"]
    orbits: Int[np.ndarray, " unit"]
    bands: tuple[float, ...]
    count: int
    seed: int
    image_size: tuple[int, int] | None
    waves: Waves
    reading: Reading

    @classmethod
    def begun(
        cls,
        probe: Probe,
        group: Sequence[Motion],
        *,
        bands: Sequence[float],
        images: int,
        seed: int,
        image_size: tuple[int, int] | None,
        **known: Any,
    ) -> "_Measured":
        checks.whole("equivariance_error", "images", images, at_least=2)
        highest = tuple(float(band) for band in bands)
        if not highest or len(set(highest)) < len(highest) or not all(0 < band <= 0.5 for band in highest):
            raise SpecError(
                f"equivariance_error has bands={tuple(bands)}: wanted different ones above 0, up to 0.5 cycles a pixel."
            )
        motions = moving(group)
        if beyond := [motion for motion in motions if max(highest) / motion.scale > 0.5]:
            raise SpecError(
                f"a {label(beyond[0])} makes waves of {max(highest):g} cycles a pixel finer than pixels can hold: give "
                f"bands of at most {0.5 * min(motion.scale for motion in motions):g}."
            )
        to, shown = carried(probe, motions, **known), channels(probe, motions)
        site = probe.site() if image_size is None else probe.site_in(*image_size)
        reading = Reading.middle(probe, site, count=images, channels=shown)
        waves = Waves.drawn(count=images, seed=seed, channels=shown)
        return cls(probe, motions, to, orbits(to), highest, images, seed, image_size, waves, reading)

    @functools.cached_property
    def before(self) -> Float[np.ndarray, "1 band image unit"]:
        """Responses to the images as they are."""
        found = self.responses((Motion(),))
        if not np.isfinite(found).all():
            broken = np.flatnonzero(~np.isfinite(found).all((0, 1, 2)))
            raise ImageError(
                f"unit {self.probe.unit_names[broken[0]]!r} of net {self.probe.net.name!r} gives NaN or infinity, and "
                f"so do {len(broken) - 1} others: there is no error of these. Check the net's weights."
            )
        if not found.any():
            raise ImageError(
                f"every response of layer {self.probe.layer!r} of net {self.probe.net.name!r} is 0: nothing can be "
                "said of a silent layer. Give more images, other bands, or units that respond."
            )
        return found

    @functools.cached_property
    def after(self) -> Float[np.ndarray, "motion band image unit"]:
        """Responses to the images carried."""
        found = self.responses(self.motions)
        if not np.isfinite(found).all():
            raise ImageError(f"layer {self.probe.layer!r} of net {self.probe.net.name!r} gives NaN or infinity.")
        return found

    @property
    def wanted(self) -> Float[np.ndarray, "motion band image unit"]:
        """What responses to the images carried should be; NaN where no unit is carried to."""
        origins = [came_from(to) for to in self.carried]
        return np.stack([np.where(origin == GONE, np.nan, self.before[0][..., origin]) for origin in origins])

    def responses(
        self, motions: Sequence[Motion], method: Method | None = None
    ) -> Float[np.ndarray, "motion band image unit"]:
        """Returns the middle unit's responses in float64; of images that are interpolated, if a method is given."""
        shape = (len(motions), len(self.bands), self.count)
        found = self.reading.responses(lambda numbers: self.images(numbers, motions, method), int(np.prod(shape)))
        return found[:, 0, 0].reshape(*shape, -1).astype(np.float64)

    def images(
        self, samples: Int[np.ndarray, " sample"], motions: Sequence[Motion], method: Method | None = None
    ) -> Float[np.ndarray, "sample h w channel"]:
        """Returns the images of some samples: motion by motion, band by band."""
        motion, band, number = np.unravel_index(samples, (len(motions), len(self.bands), self.count))
        shown = np.empty((len(samples), *self.reading.cropped.shape[1:]), np.float32)
        for m, b in sorted(set(zip(motion.tolist(), band.tolist(), strict=True))):
            same = (motion == m) & (band == b)
            place: Any = {"band": self.bands[b], "motion": motions[m], "x": self.reading.x, "y": self.reading.y}
            numbers = number[same].tolist()
            if method is None:
                shown[same] = self.waves.images(numbers, **place)
            else:
                shown[same] = self.waves.interpolated(numbers, method=method, **place)
        return shown

    def found(self) -> Equivariance:
        before, wanted = self.before[0], self.wanted
        squares = (self.after - wanted) ** 2
        by_image, power = np.nansum(squares, axis=-1), np.nansum(wanted**2, axis=-1)
        draws = np.random.default_rng(self.seed).multinomial(self.count, [1 / self.count] * self.count, RESAMPLED)
        # A draw may hold none of the images that a sparse layer responds to; it then says nothing, and is left out.
        again = share(np.sqrt(by_image @ draws.T), np.sqrt(power @ draws.T))
        norms = pooled(np.sqrt((before**2).sum(1)), self.orbits)
        samples = len(self.bands) * self.count
        changes = self.reading.changes(lambda n: self.images(n, (Motion(),)), samples, seed=self.seed)
        off = changes[:, 0, 0].reshape(before.shape)
        rounds = rounding(share(pooled(np.sqrt((off**2).sum(1)), self.orbits), norms))
        coords = self.coords
        unit = {"unit": list(self.probe.unit_names)}
        over = ("motion", "band")
        flat = np.concatenate([before, *self.after], axis=1).reshape(-1, before.shape[-1])
        change, size = (np.linalg.norm(each, axis=0) for each in (flat - flat.mean(0), flat))
        # A silent unit that others are carried to is tested by these.
        varies = pooled(change, self.orbits) > NEARLY_CONSTANT * pooled(size, self.orbits)
        return Equivariance(
            xr.DataArray(share(np.sqrt(by_image.sum(-1)), np.sqrt(power.sum(-1))), dims=over, coords=coords),
            xr.DataArray(np.ma.masked_invalid(again).std(axis=-1).filled(np.nan), dims=over, coords=coords),
            xr.DataArray(share(np.sqrt(squares.sum(2)), norms[None]), dims=(*over, "unit"), coords=coords | unit),
            xr.DataArray(rounds, dims=("band", "unit"), coords={"band": coords["band"], **unit}),
            tuple(name for name, moved in zip(unit["unit"], varies, strict=True) if not moved),
            self.motions,
            self,
        )

    @property
    def coords(self) -> dict[str, Any]:
        """Of errors: motions in words, and as numbers."""
        return {
            "motion": [label(motion) for motion in self.motions],
            "turn": ("motion", [motion.turn for motion in self.motions]),
            "mirror": ("motion", [motion.mirror for motion in self.motions]),
            "scale": ("motion", [motion.scale for motion in self.motions]),
            "hue": ("motion", [motion.hue for motion in self.motions]),
            "band": list(self.bands),
        }

    def floor(self) -> xr.Dataset:
        norm = np.sqrt((self.before[0] ** 2).sum((1, 2)))
        samples = np.arange(len(self.motions) * len(self.bands) * self.count)
        shape = (len(self.motions), len(self.bands), -1)
        exact = self.images(samples, self.motions).reshape(shape).astype(np.float64)
        parts: dict[str, list[Any]] = {"image": [], "added": [], "error": []}
        for method in METHODS:
            shown = self.images(samples, self.motions, method).reshape(shape)
            parts["image"].append(np.linalg.norm(shown - exact, axis=2) / np.linalg.norm(exact, axis=2))
            found = self.responses(self.motions, method)
            for name, other in (("added", self.after), ("error", self.wanted)):
                parts[name].append(np.sqrt(np.nansum((found - other) ** 2, axis=(2, 3))) / norm)
        over = ("interpolation", "motion", "band")
        return xr.Dataset(
            {name: (over, np.stack(values)) for name, values in parts.items()},
            coords={"interpolation": list(METHODS), **self.coords},
        )

    def exact(self) -> Exactness:
        on = [index for index, motion in enumerate(self.motions) if motion.on_lattice]
        if not on:
            raise SpecError(
                "no motion of the group is a quarter turn or a mirror, so no whole map can be exact: wanted a group "
                "such as cyclic(4) or dihedral(4)."
            )
        return lattice.measured(
            self.probe,
            [self.motions[index] for index in on],
            self.carried[on],
            self.orbits,
            self.image_size,
            channels=channels(self.probe, self.motions),
            seed=self.seed,
        )
