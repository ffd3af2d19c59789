"""The checks that several parts share: each refuses one kind of value and says what was wanted."""

import math
from typing import TypeGuard

import jax
import numpy as np
from jaxtyping import Array, Float

from circuitkit.errors import CircuitkitError, ImageError, SpecError


def is_plain(value: object) -> TypeGuard[int | float]:
    """Says whether a value is an ordinary number, not one that JAX is tracing or a placeholder of a tree."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def number(
    node: object,
    field: str,
    *,
    part: str | None = None,
    above: float | None = None,
    at_least: float | None = None,
    unit: str = "",
    error: type[CircuitkitError] = SpecError,
) -> None:
    """Checks one field of a frozen dataclass and keeps it as a float.

    Refuses text, NaN, infinity and values out of range; lets numbers that JAX is tracing pass.

    Args:
        node: The dataclass, while it is being made.
        field: The field's name.
        part: What the message calls the dataclass; its class name if left out.
        above: The value must be greater than this.
        at_least: The value must not be less than this.
        unit: The unit, for the message: `pixels`.
        error: The class to raise.
    """
    value = getattr(node, field)
    part = type(node).__name__ if part is None else part
    wanted = "a finite number" + (f" of {unit}" if unit else "")
    if above is not None:
        wanted += f" above {above:g}"
    if at_least is not None:
        wanted += f", at least {at_least:g}"
    if isinstance(value, str | bytes | bool) or value is None:
        raise error(f"{part} has {field}={value!r}: wanted {wanted}.")
    if not is_plain(value):
        return
    out_of_range = (above is not None and value <= above) or (at_least is not None and value < at_least)
    if not _fits_a_float(value) or out_of_range:
        raise error(f"{part} has {field}={value}: wanted {wanted}.")
    object.__setattr__(node, field, float(value))


def _fits_a_float(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of more than 308 digits
        return False


def whole(part: str, field: str, value: object, *, at_least: int = 1) -> int:
    """Returns the value; refuses anything but a whole number of at least `at_least`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
        raise SpecError(f"{part} has {field}={value!r}: wanted a whole number, at least {at_least}.")
    return value


def odd(part: str, field: str, value: object) -> int:
    """Returns the value; refuses an even kernel side, which has no centre pixel."""
    side = whole(part, field, value)
    if side % 2 == 0:
        raise SpecError(
            f"{part} has {field}={side}: an even kernel has no centre pixel, so its members would be "
            f"shifted copies of each other. Try {side - 1} or {side + 1}."
        )
    return side


def images(given: Float[Array, "..."]) -> None:
    """Refuses images that are not floats of (image, height, width, 1 or 3 channels), or hold NaN or infinity.

    Values are looked at only where there are any: not while JAX traces.
    """
    if not isinstance(given, jax.Array | np.ndarray):
        raise ImageError(f"got images as a {type(given).__name__}: wanted an array. Stack them with jnp.stack.")
    if not np.issubdtype(given.dtype, np.floating):
        raise ImageError(
            f"got images of type {given.dtype}: wanted floats, -1 (black) to 1 (white) with 0 for the background grey. "
            "Bytes become that with images / 127.5 - 1."
        )
    if given.ndim != 4 or given.shape[-1] not in (1, 3):
        raise ImageError(
            f"got images of shape {given.shape}: wanted (image, height, width, channel) with 1 channel (grey) or 3 "
            "(RGB). A single image becomes a batch with image[None]."
        )
    if isinstance(given, jax.core.Tracer):
        return
    finite = np.isfinite(np.asarray(given)).all(axis=(1, 2, 3))
    if not finite.all():
        raise ImageError(
            f"{(~finite).sum()} of {len(finite)} images hold NaN or infinity (the first is image "
            f"{int(np.argmin(finite))}): wanted finite values, 0 for the background grey."
        )
