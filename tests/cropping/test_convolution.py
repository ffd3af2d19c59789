"""Every form of a convolution is the same sum."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from circuitkit.cropping import convolution
from circuitkit.cropping.convolution import convolve
from tests.cropping.random_nets import drawn, noise

ROUNDING = 2e-6
NHWC = ("NHWC", "HWIO", "NHWC")


def params(x: jax.Array, kernel: jax.Array, stride: Any = (1, 1), padding: Any = "SAME", **how: Any) -> dict[str, Any]:
    """All parameters of a convolution, as a jaxpr has them."""
    how = {"dimension_numbers": NHWC} | how

    def function(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(x, kernel, stride, padding, **how)

    (equation,) = jax.make_jaxpr(function)(x, kernel).eqns
    return dict(equation.params)


def form(x: jax.Array, kernel: jax.Array, how: dict[str, Any]) -> str:
    found = convolution._form(x.shape, kernel.shape, how)
    return "plain" if found is None else found.__name__


def kernel_of(*shape: int) -> jax.Array:
    return drawn(np.random.default_rng(1), *shape)


CASES: dict[str, tuple[str, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "few terms": ("_sum_of_rows", (2, 9, 12, 1), (7, 7, 1, 8), {}),
    "few terms, RGB": ("_sum_of_rows", (2, 9, 12, 3), (4, 5, 3, 8), {}),
    "one term": ("_sum_of_rows", (1, 9, 12, 1), (1, 1, 1, 8), {}),
    "strides": ("_sum_of_rows", (2, 10, 13, 3), (3, 3, 3, 8), {"stride": (2, 3)}),
    "strides larger than the kernel": ("_sum_of_rows", (2, 10, 13, 3), (1, 2, 3, 8), {"stride": (3, 4)}),
    "uneven padding": ("_sum_of_rows", (2, 10, 13, 3), (3, 4, 3, 8), {"padding": ((0, 3), (2, 1)), "stride": (2, 1)}),
    "negative padding": ("_sum_of_rows", (2, 10, 13, 3), (3, 4, 3, 8), {"padding": ((-2, 1), (1, -3))}),
    "more padding than kernel": ("_sum_of_rows", (2, 4, 3, 3), (2, 2, 3, 8), {"padding": ((3, 4), (5, 0))}),
    "other order of the kernel": (
        "_sum_of_rows",
        (2, 10, 13, 3),
        (8, 3, 3, 2),
        {"dimension_numbers": ("NHWC", "OIHW", "NHWC")},
    ),
    "whole map": ("_product", (2, 7, 5, 6), (7, 5, 6, 8), {"padding": "VALID"}),
    "whole map, other order": (
        "_product",
        (2, 7, 5, 6),
        (8, 6, 7, 5),
        {"padding": "VALID", "dimension_numbers": ("NHWC", "OIHW", "NHWC")},
    ),
    "whole map, strides": ("_product", (2, 7, 5, 6), (7, 5, 6, 8), {"padding": "VALID", "stride": (2, 2)}),
    "whole map, one pixel": ("_product", (2, 1, 1, 6), (1, 1, 6, 8), {"padding": "VALID"}),
    "whole map, padded": ("plain", (2, 7, 5, 6), (7, 5, 6, 8), {"padding": ((1, 0), (0, 0))}),
    "many terms": ("plain", (2, 9, 12, 8), (3, 3, 8, 8), {}),
    "groups": ("plain", (2, 9, 12, 4), (3, 3, 2, 8), {"feature_group_count": 2}),
    "each channel by itself": ("plain", (2, 9, 12, 4), (3, 3, 1, 8), {"feature_group_count": 4}),
    "groups of images": ("plain", (2, 9, 12, 3), (3, 3, 3, 8), {"batch_group_count": 2}),
    "dilation": ("plain", (2, 9, 12, 3), (3, 3, 3, 8), {"rhs_dilation": (2, 1)}),
    "transposed": ("plain", (2, 9, 12, 3), (3, 3, 3, 8), {"lhs_dilation": (2, 2), "padding": ((1, 1), (1, 2))}),
    "channels first": ("plain", (2, 3, 9, 12), (3, 3, 3, 8), {"dimension_numbers": ("NCHW", "HWIO", "NCHW")}),
    "another type of the result": ("plain", (2, 9, 12, 3), (3, 3, 3, 8), {"preferred_element_type": jnp.float32}),
    "one dimension": ("plain", (2, 9, 3), (3, 3, 8), {"dimension_numbers": ("NWC", "WIO", "NWC"), "stride": (1,)}),
}


@pytest.mark.parametrize("name", CASES)
def test_every_form_is_the_convolution(name: str) -> None:
    wanted_form, shape, kernel_shape, options = CASES[name]
    x, kernel = noise(*shape), kernel_of(*kernel_shape)
    how = params(x, kernel, **options)
    assert form(x, kernel, how) == wanted_form
    wanted = np.asarray(lax.conv_general_dilated_p.bind(x, kernel, **how))
    found = np.asarray(jax.jit(lambda x, kernel: convolve(x, kernel, **how))(x, kernel))
    assert found.shape == wanted.shape
    assert found.size > 0
    assert np.abs(found - wanted).max() < ROUNDING * np.abs(wanted).max()


@pytest.mark.parametrize("name", ["strides larger than the kernel", "whole map"])
def test_every_form_has_the_derivatives_of_the_convolution(name: str) -> None:
    _, shape, kernel_shape, options = CASES[name]
    x, kernel = noise(*shape), kernel_of(*kernel_shape)
    how = params(x, kernel, **options)

    def gradients(function: Any) -> Any:
        return jax.jit(jax.grad(lambda x, kernel: jnp.sum(function(x, kernel, **how) ** 2), argnums=(0, 1)))(x, kernel)

    for found, wanted in zip(gradients(convolve), gradients(lax.conv_general_dilated_p.bind), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5 * float(jnp.abs(wanted).max()))


def test_the_comparison_notices_a_shifted_or_turned_kernel() -> None:
    _, shape, kernel_shape, options = CASES["uneven padding"]
    x, kernel = noise(*shape), kernel_of(*kernel_shape)
    how = params(x, kernel, **options)
    wanted = np.asarray(lax.conv_general_dilated_p.bind(x, kernel, **how))
    shifted = how | {"padding": ((1, 2), (2, 1))}
    for other in (convolve(x, kernel[::-1], **how), convolve(x, kernel, **shifted)):
        assert np.abs(np.asarray(other) - wanted).max() > 0.1 * np.abs(wanted).max()
