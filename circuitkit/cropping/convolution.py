"""Convolutions in the form that runs fastest; all forms are the same sum, in another order."""

from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

FEW_TERMS = 64
"""Below this many terms a sum, XLA's convolution on CPU spends its time on gathering them: 64 GFLOP/s for a 7x7 kernel
on grey images, where a plain sum reaches 280. Above it, the plain sum falls out of the registers."""


def convolve(x: Float[Array, "..."], kernel: Float[Array, "..."], **how: Any) -> Float[Array, "..."]:
    """Returns `lax.conv_general_dilated_p` of a map and a kernel.

    Args:
        x: The map.
        kernel: The kernel.
        **how: Every parameter of the operation, as a jaxpr has them.
    """
    form = _form(x.shape, kernel.shape, how)
    if form is None:
        return lax.conv_general_dilated_p.bind(x, kernel, **how)
    return lax.platform_dependent(
        x,
        kernel,
        cpu=lambda x, kernel: form(x, kernel, how),
        default=lambda x, kernel: lax.conv_general_dilated_p.bind(x, kernel, **how),
    )


def _form(shape: tuple[int, ...], kernel_shape: tuple[int, ...], how: dict[str, Any]) -> Any:
    """Returns a form that is faster on CPU, or None."""
    numbers = how["dimension_numbers"]
    plain = (
        len(shape) == 4
        and numbers.lhs_spec == numbers.out_spec == (0, 3, 1, 2)
        and how["feature_group_count"] == how["batch_group_count"] == 1
        and how["lhs_dilation"] == how["rhs_dilation"] == (1, 1)
        and how["preferred_element_type"] is None
    )
    if not plain:
        return None
    rows, columns = (kernel_shape[axis] for axis in numbers.rhs_spec[2:])
    if (rows, columns) == shape[1:3] and how["padding"] == ((0, 0), (0, 0)):
        return _product
    return _sum_of_rows if rows * columns * shape[3] <= FEW_TERMS else None


def _hwio(kernel: Float[Array, "..."], how: dict[str, Any]) -> Float[Array, "kh kw source unit"]:
    out, source, *space = how["dimension_numbers"].rhs_spec
    return jnp.transpose(kernel, (*space, source, out))


def _product(x: Float[Array, "n h w c"], kernel: Any, how: dict[str, Any]) -> Float[Array, "n 1 1 unit"]:
    """One unit that reads all of the map: an inner product."""
    weights = _hwio(kernel, how)
    flat = jnp.matmul(x.reshape(x.shape[0], -1), weights.reshape(-1, weights.shape[3]), precision=lax.Precision.HIGHEST)
    return flat.reshape(x.shape[0], 1, 1, -1)


def _sum_of_rows(x: Float[Array, "n h w c"], kernel: Any, how: dict[str, Any]) -> Float[Array, "n oh ow unit"]:
    """Few terms a sum: each row of the kernel is a sum of shifted maps, written out, and rows are added up."""
    weights = _hwio(kernel, how)
    (kh, kw, channels, units), (down, across) = weights.shape, how["window_strides"]
    # Otherwise whatever makes the map (a drawing) would be done anew for every term. One axis has one layout: with
    # several, XLA would leave the kernel in its old order, and fetch each weight by itself.
    x, flat = lax.optimization_barrier(
        (
            lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((*p, 0) for p in how["padding"]), (0, 0, 0)]),
            weights.reshape(-1),
        )
    )
    weights = flat.reshape(weights.shape)
    rows, columns = (x.shape[1] - kh) // down + 1, (x.shape[2] - kw) // across + 1
    total = jnp.zeros((), x.dtype)
    for i in range(kh):
        terms = [
            lax.slice(
                x,
                (0, i, j, c),
                (x.shape[0], i + (rows - 1) * down + 1, j + (columns - 1) * across + 1, c + 1),
                (1, down, across, 1),
            )
            * weights[i, j, c].reshape(1, 1, 1, units)
            for j in range(kw)
            for c in range(channels)
        ]
        total = sum(terms[1:], terms[0]) if i == 0 else total + sum(terms[1:], terms[0])
        if i < kh - 1:
            total = lax.optimization_barrier(total)
    return total
