"""How alike the neurons of a layer are, by each of the things that make them, as matrices and in clustered order.

    alike = similarity(layer, by="both")            # (neuron, other), an xarray
    clustered(alike)                                # the same, neighbours being alike

| by | the question | the number |
|---|---|---|
| `direction` | which way does it change | cosine of the weights |
| `weights` | which way, and how fast | identity coefficient of the weights, 2 uv / (uu + vv) |
| `bias` | how high does it stand | 1 - difference of biases / largest difference in the layer |
| `both` | how does it truly behave | cosine of (weights times spread, bias) |
| `responses` | what does it say to these inputs | correlation over samples |

| by | stays as it is under |
|---|---|
| `direction` | any bias; a positive factor on a neuron's weights; a turn of the space of inputs |
| `weights` | any bias; one factor on all weights; a turn of the space of inputs |
| `bias` | any weights; one factor on all biases, and one number added to all |
| `both` | a positive factor on a neuron's weights and bias together; a turn of the space of inputs |
| `responses` | any bias; a positive factor on a neuron's weights and bias |

Why `both` takes weights and bias together: a neuron and its multiple have one boundary, and differ in units alone. Its
value is the correlation about 0 of what two neurons say to independent inputs of mean 0 and a standard deviation of
`spread`; for large spreads it comes to `direction`. Why `bias` does not: the bias is how high a neuron stands where all
inputs are 0, in its own units, which is what is asked; where its boundary lies is asked by `both`.

A neuron whose vector is 0, or that always says the same, has no direction and no correlation: NaN.

Source: the identity coefficient of Zegers and ten Berge, "A family of association coefficients for metric scales",
Psychometrika 50 (1985), in which the cosine is the coefficient of proportionality (Tucker's congruence); optimal order
of leaves: Bar-Joseph, Gifford, Jaakkola, Bioinformatics 17 (2001).
"""

from typing import Any, Literal, get_args

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from circuitkit.errors import NeuronsError, unknown_name
from circuitkit.neurons.affine import ROUNDING, Affine

By = Literal["direction", "weights", "bias", "both", "responses"]

WAYS: tuple[By, ...] = get_args(By)


def similarity(
    layer: Affine, *, by: str, samples: Any = None, spread: float = 1.0, rectified: bool = False
) -> xr.DataArray:
    """Returns how alike each two neurons are: 1 for the same, and for opposite ones -1 (`bias`: 0 for the farthest).

    Args:
        layer: The neurons.
        by: What is compared; see above.
        samples: For `responses`: (sample, input), at least two.
        spread: For `both`: standard deviation of an input, about 0.
        rectified: For `responses`: compare what a ReLU lets pass. Then the bias counts.

    Returns:
        An array (neuron, other), symmetric.

    Raises:
        NeuronsError: If samples are missing, given for nothing, or too few, or the spread is not above 0.
        UnknownNameError: If there is no such way.
    """
    if by not in WAYS:
        raise unknown_name("way", by, WAYS, owner="similarity")
    if (samples is None) == (by == "responses"):
        said = "no samples" if samples is None else f"samples with by={by!r}"
        raise NeuronsError(f"similarity was given {said}: wanted samples for by='responses', and for nothing else.")
    if not (np.isfinite(spread) and spread > 0):
        raise NeuronsError(f"similarity was given spread={spread}: wanted a finite number above 0.")
    if by == "responses":
        found = _correlations(layer, samples, rectified=rectified)
    elif by == "bias":
        found = _heights(layer.bias)
    elif by == "weights":
        found = _identities(layer.weights)
    elif by == "direction":
        found = _cosines(layer.weights)
    else:
        found = _cosines(np.concatenate([layer.weights * spread, layer.bias[None]]))
    names = list(layer.names)
    return xr.DataArray(
        found,
        dims=("neuron", "other"),
        coords={"neuron": names, "other": names},
        name="similarity",
        attrs={"by": by, "layer": layer.title} | ({"spread": spread} if by == "both" else {}),
    )


def clustered(alike: xr.DataArray) -> xr.DataArray:
    """Returns a similarity with its neurons in an order in which neighbours are as alike as can be.

    Average linkage of 1 - similarity, and of all orders of its tree that in which neighbours' distances add up to
    least.
    NaN counts as a similarity of 0.

    Raises:
        NeuronsError: If it is no square of one set of neurons.
    """
    names = [list(map(str, alike[dim].values)) if dim in alike.coords else [] for dim in ("neuron", "other")]
    if alike.dims != ("neuron", "other") or not names[0] or names[0] != names[1]:
        raise NeuronsError(f"clustered was given an array of {alike.dims}: wanted what `similarity` returns.")
    values = np.nan_to_num(alike.values, nan=0.0)
    if len(values) < 3:
        return alike
    apart = np.maximum(1 - (values + values.T) / 2, 0)
    np.fill_diagonal(apart, 0)
    order = leaves_list(linkage(squareform(apart), method="average", optimal_ordering=True))
    return alike.isel(neuron=order, other=order)


def _cosines(vectors: Float[np.ndarray, "input neuron"]) -> Float[np.ndarray, "neuron neuron"]:
    # By the largest entry first, so that no square is too small or too large.
    largest = np.abs(vectors).max(axis=0)
    scaled = vectors / np.where(largest > 0, largest, np.nan)
    scaled = scaled / np.linalg.norm(scaled, axis=0)
    return _clipped(scaled.T @ scaled)


def _identities(vectors: Float[np.ndarray, "input neuron"]) -> Float[np.ndarray, "neuron neuron"]:
    largest = float(np.abs(vectors).max())
    scaled = vectors / (largest or 1.0)
    squares = (scaled**2).sum(axis=0)
    total = squares[:, None] + squares[None]
    return _clipped(2 * (scaled.T @ scaled) / np.where(total > 0, total, np.nan))


def _heights(bias: Float[np.ndarray, " neuron"]) -> Float[np.ndarray, "neuron neuron"]:
    apart = np.abs(bias[:, None] - bias[None])
    return 1 - apart / (float(apart.max()) or 1.0)


def _correlations(layer: Affine, samples: Any, *, rectified: bool) -> Float[np.ndarray, "neuron neuron"]:
    said = layer(samples)
    if said.ndim != 2 or len(said) < 2:
        raise NeuronsError(
            f"similarity was given samples that say {said.shape}: wanted (sample, input), at least 2 samples."
        )
    if rectified:
        said = np.maximum(said, 0.0)
    size = np.abs(said).max(axis=0)
    moved = said - said.mean(axis=0)
    # What differs by no more than rounding says the same.
    moved[:, np.abs(moved).max(axis=0) <= ROUNDING * size] = 0.0
    return _cosines(moved)


def _clipped(found: Float[np.ndarray, "neuron neuron"]) -> Float[np.ndarray, "neuron neuron"]:
    """Returns similarities from -1 to 1, to the bit, with 1 of each neuron with itself."""
    found = np.clip((found + found.T) / 2, -1, 1)
    own = np.isfinite(np.diag(found))
    found[np.diag_indices_from(found)] = np.where(own, 1.0, np.nan)
    return found
