"""Responses as labelled arrays: what xarray needs to name every axis of them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from circuitkit.stimuli import LabelledSet


@dataclasses.dataclass(frozen=True)
class Labels:
    """What responses are called, apart from the stimuli. Plain values: it can be written as JSON.

    Attributes:
        dims: Names of the axes of one stimulus's responses.
        coords: The axis and the values of each coordinate, by name.
        attrs: Net, layer, read-out, versions and what else one wants to know.
    """

    dims: tuple[str, ...]
    coords: Mapping[str, tuple[str, list[Any]]]
    attrs: Mapping[str, Any]

    def array(self, values: Float[np.ndarray, "stimulus *shape"], stimuli: LabelledSet) -> xr.DataArray:
        """Returns the responses with an axis for each dimension of the set."""
        return xr.DataArray(
            values.reshape(*stimuli.shape, *values.shape[1:]),
            dims=[*stimuli.dims, *self.dims],
            coords={**stimuli.coords, **{name: (axis, given) for name, (axis, given) in self.coords.items()}},
            name="response",
            attrs=dict(self.attrs),
        )
