"""Superposition: more features than channels, each along a direction of its own, and how well they are read back.

A scene says which features are there, and of what size: x (scene, feature), sizes 0 or above, most of them 0. A row of
W (feature, channel) is a feature's direction. Features are written into the channels, and the next layer reads them:

    h = x W,    y = relu(h W^T + bias) = relu(x G + bias),    G = W W^T

G[j, i] is what feature j, alone and of size 1, adds to the read-out of feature i: off the diagonal, interference.
*Recovery* is 1 - E||y - x||^2 / E||x||^2: 1 if all is read back, 0 if reading nothing at all would do as well.

>>> W = pairs(6)                                          # six features in three channels
>>> x = np.eye(6)                                         # each alone
>>> print(W.shape, recovery(x, recover(x, W)))
(6, 3) 1.0
>>> both = x[:1] + x[1:2]                                 # a feature meets its opposite: they cancel
>>> print(recovery(both, recover(both, W)))
0.0

Source: Elhage et al., "Toy Models of Superposition" (2022): the model, its geometry. Olah et al., "Zoom In", Distill
(2020): the car that is spread over dog units. Predictions, bounds and directions by hand are put together by us.
"""

import math
from typing import Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.stats import rankdata

from circuitkit import checks
from circuitkit.errors import SpecError

Matrix = Float[np.ndarray, "feature channel"]  # of directions by hand: unit vectors, one a row
Features = Float[Array | np.ndarray, "scene feature"]
Channels = Float[Array | np.ndarray, "scene channel"]
Directions = Float[Array | np.ndarray, "feature channel"]
Bias = Float[Array | np.ndarray, " feature"] | float
Square = Float[np.ndarray, "feature feature"]
PerFeature = Float[np.ndarray, " feature"]
_Any = Float[np.ndarray, "..."]
Sizes = Literal["one", "uniform"]
"""Of a feature that is there: always 1, or uniform between 0 and 1; independent of one another and of what is there."""

_MOMENTS: dict[Sizes, tuple[float, float]] = {"one": (1.0, 1.0), "uniform": (1 / 2, 1 / 3)}  # E S, E S^2


def simplex(m: int) -> Matrix:
    """Returns m directions in m - 1 channels, every two with the cosine -1 / (m - 1): none interferes positively."""
    checks.whole("simplex", "m", m, at_least=2)
    rows = [[1 / math.sqrt(k * (k + 1))] * k + [-math.sqrt(k / (k + 1))] + [0.0] * (m - 1 - k) for k in range(1, m)]
    return np.array(rows).T * math.sqrt(m / (m - 1))


def pairs(m: int) -> Matrix:
    """Returns m directions in m / 2 channels: antipodal pairs, and all other cosines 0."""
    if checks.whole("pairs", "m", m, at_least=2) % 2:
        raise SpecError(f"pairs has m={m}: wanted an even number of features. Try {m - 1 or 2} or {m + 1}.")
    return np.kron(np.eye(m // 2), [[1.0], [-1.0]])


def random_unit(m: int, n: int, *, seed: int) -> Matrix:
    """Returns m directions in n channels, uniform on the sphere."""
    m, n = checks.whole("random_unit", "m", m), checks.whole("random_unit", "n", n)
    drawn = np.random.default_rng(seed).normal(size=(m, n))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def tight_frame(m: int, n: int) -> Matrix:
    """Returns m directions in n channels with W^T W = (m / n) I: the least sum of squared cosines.

    It is a harmonic frame: cosines and sines of n // 2 frequencies, and a constant if n is odd; of 2000 random choices
    of frequencies, the one of least coherence. In 2 channels it is a polygon, in m - 1 a simplex.

    Raises:
        SpecError: If there are fewer features than channels.
    """
    if checks.whole("tight_frame", "m", m) < checks.whole("tight_frame", "n", n):
        raise SpecError(f"tight_frame has m={m} and n={n}: wanted at least as many features as channels.")
    if m == n:
        return np.eye(m)
    steps, rng = np.arange(m), np.random.default_rng(0)
    chosen = 1 + rng.random((2000, (m - 1) // 2)).argsort(axis=1)[:, : n // 2]
    cosines = n % 2 + 2 * np.cos(2 * np.pi / m * chosen[:, :, None] * steps[1:]).sum(1)
    turns = 2 * np.pi / m * np.outer(steps, chosen[np.abs(cosines).max(1).argmin()])
    waves = math.sqrt(2) * np.concatenate([np.cos(turns), np.sin(turns)], axis=1)
    return np.concatenate([np.ones((m, n % 2)), waves], axis=1) / math.sqrt(n)


def coherence(directions: Matrix) -> float:
    """Returns the largest absolute cosine between two directions, of those that are not 0."""
    lengths = np.linalg.norm(directions, axis=1)
    unit = directions[lengths > 0] / lengths[lengths > 0, None]
    return float(np.abs(unit @ unit.T - np.eye(len(unit))).max())


def dimensionality(directions: Matrix) -> PerFeature:
    """Returns D_i = ||W_i||^2 / sum_j (w_i . W_j)^2, with w_i the unit vector along W_i; 0 where W_i is 0.

    How much of a channel a feature has to itself: 1 if it is orthogonal to all others, 1/2 in an antipodal pair. They
    sum to the number of channels at most, and to just that where features that share channels form tight frames.

    Source:
        Elhage et al., "Toy Models of Superposition" (2022).
    """
    squares = np.sum(directions**2, axis=1)
    shared = np.sum((directions @ directions.T) ** 2, axis=1)
    return np.where(squares > 0, squares**2 / np.where(shared > 0, shared, 1.0), 0.0)


def welch_bound(m: int, n: int) -> float:
    """Returns what the largest absolute cosine between m directions in n channels cannot be less than.

    The squares of all cosines sum to m^2 / n at least, and to just that for tight frames; m of them are 1. The simplex
    reaches the bound at every pair.

    Source:
        Welch, "Lower bounds on the maximum cross correlation of signals" (1974).
    """
    return math.sqrt(max(0.0, (m - n) / (n * max(1, m - 1))))


def write(x: Features, directions: Directions) -> Float[Array, "scene channel"]:
    """Returns the channels: every feature's size times its direction, added up."""
    return jnp.matmul(x, directions, precision="highest")


def read(h: Channels, directions: Directions, bias: Bias = 0.0) -> Float[Array, "scene feature"]:
    """Returns relu(h W^T + bias): what the next layer makes of the channels. A bias below 0 mutes interference."""
    seen = jnp.matmul(h, jnp.transpose(jnp.asarray(directions)), precision="highest")
    return jnp.maximum(seen + jnp.broadcast_to(jnp.asarray(bias, seen.dtype), seen.shape), 0)


def recover(x: Features, directions: Directions, bias: Bias = 0.0) -> Float[Array, "scene feature"]:
    """Returns features written and read again."""
    return read(write(x, directions), directions, bias)


def muted(directions: Matrix, threshold: float) -> tuple[Matrix, PerFeature]:
    """Returns directions and a bias for unit vectors, so that interference of at most `threshold` is not read at all.

    What is left of a feature of size 1 is 1 - threshold. Directions are magnified by the root of 1 / (1 - threshold),
    so that, alone, it is read as 1 again.
    """
    if not 0 <= threshold < 1:
        raise SpecError(f"muted has threshold={threshold}: wanted a cosine, at least 0 and below 1.")
    return directions / math.sqrt(1 - threshold), np.full(len(directions), -threshold / (1 - threshold))


def recovery(x: Features, y: Features) -> float:
    """Returns 1 - sum (y - x)^2 / sum x^2 over scenes and features; NaN if no scene has a feature."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    return 1 - float(np.sum((y - x) ** 2) / np.sum(x**2)) if x.any() else math.nan


class Detection(NamedTuple):
    """How well each feature is told from its absence; NaN for one that is always there, or never.

    Attributes:
        auc: The probability that it reads higher in a scene that has it than in one that has not; ties count half.
        hits: The share of scenes with it that read above the threshold.
        false_alarms: The share of scenes without it that do.
        recovery: As `recovery`, of this feature alone.
    """

    auc: PerFeature
    hits: PerFeature
    false_alarms: PerFeature
    recovery: PerFeature


def detect(x: Features, y: Features, *, threshold: float) -> Detection:
    """Returns how well each feature is detected by its read-out."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    there, read_out = x > 0, y > threshold
    on, off = there.sum(0), (~there).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        auc = (np.sum(rankdata(y, axis=0) * there, 0) - on * (on + 1) / 2) / (on * off)
        hits, false_alarms = np.sum(read_out & there, 0) / on, np.sum(read_out & ~there, 0) / off
        return Detection(auc, hits, false_alarms, 1 - np.sum((y - x) ** 2, 0) / np.sum(x**2, 0))


class Scenes(NamedTuple):
    """With which probability which features are there.

    Attributes:
        none: None at all.
        alone: Each, and no other.
        together: Each two, and no other; symmetric, 0 on the diagonal.
        each: Each, whatever else there is.
        both: Each two, whatever else there is; likewise symmetric.
    """

    none: float
    alone: PerFeature
    together: Square
    each: PerFeature
    both: Square


def independent(m: int, p: float) -> Scenes:
    """Returns scenes with every one of m features there with probability p, whatever else is there."""
    if not 0 < p < 1:
        raise SpecError(f"independent has p={p}: wanted a probability between 0 and 1.")
    apart, q = p**2 * (1 - np.eye(checks.whole("independent", "m", m, at_least=2))), 1 - p
    return Scenes(q**m, np.full(m, p * q ** (m - 1)), apart * q ** (m - 2), np.full(m, p), apart)


def two_kinds(first: int, second: int, meet: float) -> Scenes:
    """Returns scenes of two kinds of feature, `first` of the one and then `second` of the other: dogs, and cars.

    Every scene has either one feature of one of the kinds, as often of the one as of the other, or, with probability
    `meet`, one of each. Which one of its kind it is, is left to chance.
    """
    if not 0 <= meet <= 1:
        raise SpecError(f"two_kinds has meet={meet}: wanted a probability, 0 to 1.")
    kinds = np.repeat([0, 1], [first, second])
    share = 1 / np.where(kinds == 0, first, second)
    alone, together = (1 - meet) / 2 * share, meet * np.outer(share, share) * (kinds[:, None] != kinds)
    return Scenes(0.0, alone, together, alone + together.sum(1), together)


def draw(scenes: Scenes, count: int, *, seed: int, sizes: Sizes = "one") -> Float[np.ndarray, "scene feature"]:
    """Draws scenes that are independent of each other: of `independent` features, or of at most two at once."""
    rng, m = np.random.default_rng(seed), len(scenes.each)
    if np.allclose(scenes.both, np.outer(scenes.each, scenes.each) * (1 - np.eye(m)), atol=1e-12):
        there = rng.random((count, m)) < scenes.each
    elif np.allclose(scenes.both, scenes.together, atol=1e-12):
        first, second = np.triu_indices(m)
        chance = np.where(first == second, scenes.alone[first], scenes.together[first, second])
        drawn = rng.choice(len(chance) + 1, count, p=np.append(chance, max(0.0, 1 - chance.sum())))
        there = np.concatenate([np.eye(m)[first] + np.eye(m)[second] > 0, np.zeros((1, m), bool)])[drawn]
    else:
        raise SpecError("these scenes hold three features at once, and these are not independent: no way to draw them.")
    return there * (1.0 if sizes == "one" else rng.random((count, m)))


class Prediction(NamedTuple):
    """The recovery to be expected, in closed form.

    Attributes:
        recovery: From scenes of no feature, of one, and of two: too high, by what scenes of more get wrong.
        at_least: What it cannot be less than, whatever those do.
    """

    recovery: float
    at_least: float


def predicted_recovery(gram: Square, bias: PerFeature, scenes: Scenes, *, sizes: Sizes = "one") -> Prediction:
    """Predicts recovery from the Gram matrix and the bias.

    The squared error of a scene with a feature j, of size s, is sum_i (relu(s G[j, i] + b_i) - s [i = j])^2; with two,
    j and k, sum_i (relu(s G[j, i] + t G[k, i] + b_i) - s [i = j] - t [i = k])^2; with none, sum_i relu(b_i)^2. Weighted
    with their probabilities, and integrated over sizes, they are the terms of the error of orders 1, 2 and 0 in the
    probability of a feature. Put zeros for `scenes.together` to be left with order 1.

    The rest is bounded: as x >= 0, relu(z) is never farther from x than z is, so that the error is at most that of the
    linear read-out, ||x (G - I) + b||^2, of which the mean is known from the first two moments of x.

    Integrals are exact: between kinks, the integrands are quadratic, and two Gauss points do for cubics.
    """
    (mean, square), own, nothing = _MOMENTS[sizes], np.eye(len(gram)), np.zeros(len(gram))
    error = scenes.none * np.sum(np.maximum(bias, 0) ** 2)
    for j in np.flatnonzero(scenes.alone):
        error += scenes.alone[j] * _error(gram[j], nothing, own[j], nothing, bias, sizes)
    for j, k in zip(*np.nonzero(np.triu(scenes.together)), strict=True):
        error += scenes.together[j, k] * _error(gram[j], gram[k], own[j], own[k], bias, sizes)
    off = gram - own
    products = off @ off.T
    # In how many scenes more than two are there; in how many of these is each, and are each two.
    many = 1 - scenes.none - scenes.alone.sum() - scenes.together.sum() / 2
    each, both = scenes.each - scenes.alone - scenes.together.sum(1), scenes.both - scenes.together
    linear = many * bias @ bias + 2 * mean * each @ off @ bias + square * each @ np.diag(products)
    linear += mean**2 * np.sum(both * products)
    return Prediction(*(float(1 - wrong / (square * scenes.each.sum())) for wrong in (error, error + linear)))


def _error(g: PerFeature, k: PerFeature, own_g: PerFeature, own_k: PerFeature, bias: PerFeature, sizes: Sizes) -> float:
    """Returns the mean squared error of a scene of two features, from their rows of the Gram matrix."""
    # Where the read-out starts to respond: on the border of the square of sizes first, then along the other size.
    with np.errstate(divide="ignore", invalid="ignore"):  # of a weight of 0, which has no kink
        s, weight = _nodes(sizes, -bias / g, -(bias + k) / g)
        first = s * g[:, None] + bias[:, None]
        t, weights = _nodes(sizes, -first / k[:, None])
    read_out = np.maximum(first[..., None] + t * k[:, None, None], 0)
    wanted = s[..., None] * own_g[:, None, None] + t * own_k[:, None, None]
    return float(np.sum(weight[..., None] * weights * (read_out - wanted) ** 2))


def _nodes(sizes: Sizes, *kinks: _Any) -> tuple[_Any, _Any]:
    """Returns sizes, and weights that sum to 1: Gauss points, two between each two kinks, along a new last axis."""
    if sizes == "one":
        return np.ones((*kinks[0].shape, 1)), np.ones((*kinks[0].shape, 1))
    inner = np.clip(np.nan_to_num(np.stack(kinks, axis=-1)), 0, 1)
    ends = np.sort(np.concatenate([0 * inner[..., :1], inner, 1 + 0 * inner[..., :1]], axis=-1), axis=-1)
    middle, half = (ends[..., 1:] + ends[..., :-1]) / 2, np.diff(ends) / 2
    nodes = np.concatenate([middle - half / math.sqrt(3), middle + half / math.sqrt(3)], axis=-1)
    return nodes, np.concatenate([half, half], axis=-1)
