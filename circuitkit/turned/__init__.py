"""How equivariant the units of any net are: errors by motion, frequency and unit, and an assertion for tests."""

from circuitkit.errors import EquivarianceError
from circuitkit.turned.assertion import assert_equivariant, margin
from circuitkit.turned.lattice import Exactness
from circuitkit.turned.measure import Equivariance, equivariance_by_layer, equivariance_error
from circuitkit.turned.pairs import pair_errors

__all__ = [
    "Equivariance",
    "EquivarianceError",
    "Exactness",
    "assert_equivariant",
    "equivariance_by_layer",
    "equivariance_error",
    "margin",
    "pair_errors",
]
