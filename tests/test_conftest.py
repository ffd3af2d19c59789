"""The conditions that conftest.py promises do hold, in every worker."""

import os
import socket
import urllib.request

import hypothesis
import jax
import jax.numpy as jnp
import jaxtyping
import matplotlib
import pytest

from circuitkit import geometry
from tests.conftest import NetworkError


def test_a_wrong_shape_is_refused():
    x, y = geometry.pixel_grid(5)
    geometry.turned_back(x, y, [30.0])
    with pytest.raises(jaxtyping.TypeCheckError, match="turned_back"):
        geometry.turned_back(x, y[:, :4], [30.0])


def test_an_integer_passes_for_a_number_and_text_does_not():
    assert geometry.angle_between(10, 350) == 20
    with pytest.raises(jaxtyping.TypeCheckError, match="angle_between"):
        geometry.angle_between("10", 350)


def test_ranks_are_not_promoted_in_silence():
    with pytest.raises(ValueError, match="rank_promotion"):
        jnp.ones((3,)) + jnp.ones((2, 3))


def test_numbers_are_float32_at_full_precision():
    assert jnp.asarray([1.0]).dtype == jnp.float32
    assert jax.config.jax_default_matmul_precision == "highest"


def test_figures_need_no_display():
    assert matplotlib.get_backend().lower() == "agg"


@pytest.mark.parametrize("host", ["example.com", "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])
def test_the_network_is_out_of_reach(host):
    with pytest.raises(NetworkError, match="offline"):
        socket.create_connection((host, 80), timeout=1)


def test_a_download_is_refused():
    with pytest.raises(NetworkError, match="example.com"):
        urllib.request.urlopen("http://example.com", timeout=1)


def test_a_socket_on_this_machine_is_fine():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def test_the_profile_is_the_one_asked_for():
    default = "ci" if os.environ.get("CI") == "true" else "dev"
    name = os.environ.get("HYPOTHESIS_PROFILE") or default
    assert hypothesis.settings().max_examples == {"dev": 30, "ci": 8, "thorough": 500}[name]
    assert hypothesis.settings().deadline is None
