"""A test of one line: units turn with the image, or an error says which does not, and by how much.

ck.assert_equivariant(net["conv1"], ck.dihedral(4), moves="invariant")          # exact, to float32 rounding
ck.assert_equivariant(net["curves"], ck.cyclic(24), at_most=0.03)               # any angle: say how much is allowed
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import xarray as xr

from circuitkit.errors import EquivarianceError, ImageError, SpecError
from circuitkit.probe import Probe
from circuitkit.symmetry import Motion
from circuitkit.turned.measure import BANDS, Equivariance, equivariance_error
from circuitkit.turned.moves import Moves, label, moving

TOO_MUCH = 1e-3
"""Share of a response beyond which rounding is no tolerance: a wrong weight could hide in it."""

FLOAT32_ROUNDING = 1e-6
"""What is always allowed of an exact law, as a share of the response: some tens of roundings of 6e-8."""


def assert_equivariant(
    probe: Probe,
    group: Sequence[Motion],
    *,
    at_most: float | None = None,
    moves: Moves | None = None,
    angles: Sequence[float] | None = None,
    period: float = 360.0,
    within: float = 0.1,
    bands: Sequence[float] = BANDS,
    images: int = 64,
    seed: int = 0,
    image_size: tuple[int, int] | None = None,
) -> Equivariance:
    """Raises an error unless every unit turns with the image, under every motion, in every band.

    The middle unit is compared under all motions; under quarter turns and mirrors, whole maps of noise are as well. No
    average is taken over units, motions or bands: each has to keep to what is allowed.

    Args:
        probe: The units.
        group: Turns, mirrors, turns of the hue circle, changes of scale. For quarter turns, mirrors and hues nothing
            else has to be said; at other angles and scales sampling on a pixel grid leaves an error of its own, and
            `at_most` has to say how much is allowed.
        at_most: The largest error of a unit, relative to its responses. Left out, what float32 rounding can leave: each
            weight and pixel is changed by a random share, and what that makes of the response, scaled to 256 roundings,
            is allowed; 1e-6 of the response always is.
        moves: See `equivariance_error`, as for all that follows.
        angles: Of each unit, in degrees.
        period: The turn that brings a unit back, in degrees.
        within: How far from where it is carried a unit may stand, in degrees.
        bands: Highest frequencies of the images, in cycles per pixel.
        images: How many for each band.
        seed: Of the images.
        image_size: Rows and columns of the images.

    Returns:
        What was found.

    Raises:
        EquivarianceError: If a unit does not turn with the image; names the worst.
        SpecError: If `at_most` has to be said, or it is not known how the units move.
        ImageError: If units never respond, so that nothing is tested, or rounding would leave too much.
    """
    motions = moving(group)
    free = [motion for motion in motions if not motion.on_lattice]
    if at_most is None and free:
        raise SpecError(
            f"a {label(free[0])} carries no pixel grid onto itself, so no net is exact there, and no tolerance follows "
            "from rounding: say how much is allowed, such as at_most=0.02 (sampled smooth kernels leave 0.002 to "
            "0.02), or test quarter turns and mirrors alone."
        )
    if at_most is not None and not (np.isfinite(at_most) and at_most > 0):
        raise SpecError(f"assert_equivariant has at_most={at_most}: wanted a number above 0.")
    found = equivariance_error(
        probe, group, moves=moves, angles=angles, period=period, within=within, bands=bands, images=images, seed=seed,
        image_size=image_size,
    )  # fmt: skip
    compared = _compared(found, at_most)
    worst = max(compared, key=lambda each: each.margin)
    if worst.margin > 1:
        error = EquivarianceError(_message(probe, worst, at_most, found))
        error.found = found
        raise error
    for each in compared:
        if at_most is None and float(each.allowed.max()) > TOO_MUCH:
            raise ImageError(
                f"float32 may leave {float(each.allowed.max()):.1g} of a response of layer {probe.layer!r} of net "
                f"{probe.net.name!r} {each.where}, where so much is added up and taken away: too much to tell right "
                "from wrong. Say at_most."
            )
    # Silent in the middle and in whole maps.
    untested = set(found.untested)
    for each in compared[1:]:
        untested &= {str(name) for name in each.errors.unit.values[np.isnan(each.errors.values).all(axis=0)]}
    if untested:
        raise ImageError(
            f"{len(untested)} units of layer {probe.layer!r} of net {probe.net.name!r} never change, "
            f"{', '.join(sorted(untested)[:6])} among them, so nothing is tested of these: give more images or other "
            "bands, or leave the units out."
        )
    return found


def margin(found: Equivariance, *, at_most: float | None = None) -> float:
    """Returns the largest error of a unit over what is allowed: the assertion fails beyond 1.

    Args:
        found: What was measured.
        at_most: As for `assert_equivariant`.
    """
    return max(each.margin for each in _compared(found, at_most))


@dataclasses.dataclass(frozen=True, eq=False)
class _Compared:
    """Errors, and what is allowed of each of them."""

    where: str
    errors: xr.DataArray
    allowed: xr.DataArray

    @property
    def margin(self) -> float:
        return float((self.errors / self.allowed).max())


def _compared(found: Equivariance, at_most: float | None) -> list[_Compared]:
    parts = [("in the middle unit", found.units, found.rounding)]
    if any(motion.on_lattice for motion in found.motions):
        exact = found.exact
        where = f"in whole maps of {exact.image_size[0]}x{exact.image_size[1]} pixels"
        parts.append((where, exact.units, exact.rounding))
    compared = []
    for where, errors, rounding in parts:
        floor = rounding.fillna(0.0).clip(min=FLOAT32_ROUNDING)
        allowed = floor if at_most is None else xr.full_like(rounding, at_most)
        compared.append(_Compared(where, errors, allowed.broadcast_like(errors).transpose(*errors.dims)))
    return compared


def _message(probe: Probe, compared: _Compared, at_most: float | None, found: Equivariance) -> str:
    errors, over = compared.errors, (compared.errors / compared.allowed).fillna(0.0)
    at = np.unravel_index(int(np.argmax(over.values)), over.shape)
    worst, limit = errors[at], float(compared.allowed[at])
    band = f", up to {float(worst.band):g} cycles a pixel," if "band" in errors.dims else ""
    of_what = "float32 rounding leaves" if at_most is None else "is allowed"
    wrong = int((over > 1).any([name for name in over.dims if name != "unit"]).sum())
    message = (
        f"unit {worst.unit.item()!r} of net {probe.net.name!r} does not turn with the image: under a "
        f"{worst.motion.item()}{band} {compared.where}, its error is {float(worst):.3g} of its response, and "
        f"{limit:.2g} {of_what}. {wrong} of {errors.sizes['unit']} units are beyond that."
    )
    if "band" not in errors.dims and found.exact.possible is False:
        message += f" The units' grid: {found.exact.reason}"
    return message
