"""Every error that circuitkit raises on purpose.

A message names the part, what came, what was wanted, and a way out. All of them are `CircuitkitError`,
and each is also the built-in error that a caller would expect (`ValueError`, `LookupError`), so ordinary
`except` clauses keep working.
"""

import difflib
from collections.abc import Iterable
from typing import Any


class CircuitkitError(Exception):
    """Something that circuitkit refuses, with a way out in the message."""


class SpecError(CircuitkitError, ValueError):
    """A spec that cannot be built, or text that is no spec."""


class KernelError(CircuitkitError, ValueError):
    """A kernel that does not fit the layer it was drawn for."""


class ImageError(CircuitkitError, ValueError):
    """Images of the wrong shape, channel count or content."""


class StimulusError(CircuitkitError, ValueError):
    """A stimulus or a grid of stimuli that cannot be drawn."""


class NetError(CircuitkitError, ValueError):
    """A file that is no net, or a net that cannot be run."""


class NeuronsError(CircuitkitError, ValueError):
    """Neurons, or a line or plane through their inputs, that cannot be looked at together."""


class StoreError(CircuitkitError, ValueError):
    """A place on disk that does not hold, or cannot hold, what it should."""


class UnknownNameError(CircuitkitError, LookupError):
    """A layer, unit or option that does not exist."""


class EquivarianceError(CircuitkitError, AssertionError):
    """Units that do not turn with the image as they should.

    Attributes:
        found: What was measured, as `assert_equivariant` returns it of units that do.
    """

    found: Any = None


def unknown_name(kind: str, name: object, known: Iterable[str], *, owner: str) -> UnknownNameError:
    """Returns the error for a name that `owner` lacks, with the nearest names it has.

    >>> raise unknown_name("layer", "fire55", ["fire4", "fire5"], owner="net 'squeezenet'")
    Traceback (most recent call last):
        ...
    circuitkit.errors.UnknownNameError: net 'squeezenet' has no layer 'fire55'. Did you mean 'fire5', 'fire4'?
    """
    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    if near:
        hint = f"Did you mean {', '.join(map(repr, near))}?"
    else:
        listed = ", ".join(map(repr, known[:8])) or "none"
        hint = f"It has {listed}{f' and {len(known) - 8} more' if len(known) > 8 else ''}."
    return UnknownNameError(f"{owner} has no {kind} {str(name)!r}. {hint}")
