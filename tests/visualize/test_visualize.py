"""What an ascent finds: the unit's own pattern, the same each time, from a silent start too; and what it refuses."""

import json
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitkit import compiling
from circuitkit.errors import ImageError, NetError, SpecError, UnknownNameError
from circuitkit.nets import FunctionNet
from circuitkit.stimuli import Line
from circuitkit.visualize import ascent, visualize
from tests.strategies import unchecked

SIDE = 15
STILL = {"jitter": 0.0, "scale": 0.0, "rotate": 0.0}
ANGLES = (0.0, 45.0, 90.0, 135.0)


def kernel(seed: int = 0) -> jax.Array:
    """Lines at four angles, and a unit of noise."""
    lines = [np.asarray(Line(width=3, length=9).turned(angle).draw(SIDE))[..., 0] for angle in ANGLES]
    noise = np.random.default_rng(seed).normal(0, 0.3, (SIDE, SIDE))
    kernels = np.stack([*lines, noise], axis=-1)[:, :, None]
    return jnp.asarray(kernels - kernels.mean((0, 1)), jnp.float32)


def made(bias: float = 0.0, channels: int = 1, *, weights: Any = None, **how: Any) -> FunctionNet:
    used = kernel() if weights is None else weights

    def maps(images: jax.Array) -> dict[str, jax.Array]:
        seen = jnp.concatenate([images.mean(3, keepdims=True), images[..., :1]], axis=3) if channels == 3 else images
        kernels = jnp.concatenate([used, used], axis=2) if channels == 3 else used
        line = jax.lax.conv_general_dilated(
            seen, kernels, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
        )
        return {"lines": jax.nn.relu(line + bias)}

    return FunctionNet(maps, name="lines", channels=channels, **how)


def likeness(image: np.ndarray, pattern: np.ndarray) -> float:
    return float(np.corrcoef(image.ravel(), pattern.ravel())[0, 1])


def test_a_linear_units_image_is_its_kernel():
    found = visualize(made()["lines"], steps=60, learning_rate=0.1, **STILL)
    assert found.dims == ("unit", "seed", "y", "x", "channel")
    assert found.shape == (5, 1, SIDE, SIDE, 1)
    assert list(found.channel.values) == ["grey"]
    assert float(abs(found).max()) <= 1
    same = np.array([[likeness(found.values[u, 0, ..., 0], kernel()[:, :, 0, k]) for k in range(5)] for u in range(5)])
    assert (same.argmax(1) == np.arange(5)).all()
    assert np.diag(same).min() > 0.6
    assert (same[:4, 4] < 0.3).all()


@pytest.mark.parametrize("objective", ["centre", "channel", "family"])
def test_the_response_is_that_of_the_image_as_shown(objective):
    net = made()
    probe = net["lines", [1, 4]]
    found = visualize(probe, size=21, steps=12, objective=objective)
    maps = np.asarray(probe.maps(jnp.asarray(found.values[:, 0])))
    middle = maps[:, 3, 3]
    wanted = {
        "centre": np.diag(middle),
        "channel": np.array([maps[0, ..., 0].mean(), maps[1, ..., 1].mean()]) if len(maps) == 2 else None,
        "family": middle.mean(1),
    }[objective]
    np.testing.assert_allclose(found.response.values[:, 0], wanted, rtol=1e-4)
    assert found.sizes["y"] == found.sizes["x"] == 21
    assert (found.response > 0).all()
    assert float(found.y[0]) == 10
    assert float(found.x[0]) == -10


def test_a_direction_is_its_channels_together():
    probe = made()["lines"].along([1, 0, 1, 0, 0], names=["cross"])
    found = visualize(probe, steps=40, **STILL)
    cross = np.asarray(kernel()[:, :, 0, 0] + kernel()[:, :, 0, 2])
    assert likeness(found.values[0, 0, ..., 0], cross) > 0.5
    assert list(found.unit.values) == ["cross"]


def test_images_are_the_same_each_time_and_whatever_is_asked_for_beside_them():
    net = made()
    once, again = (visualize(net["lines"], seeds=2, steps=4) for _ in range(2))
    np.testing.assert_array_equal(once.values, again.values)
    alone = visualize(net["lines", [3]], seeds=2, steps=4)
    np.testing.assert_allclose(alone.values[0], once.values[3], atol=1e-4)
    other = visualize(net["lines", [3]], seeds=2, steps=4, seed=1)
    assert not np.allclose(alone.values, other.values, atol=1e-3)
    assert not np.allclose(alone.values[0, 0], alone.values[0, 1], atol=1e-3)


def test_a_unit_that_is_silent_at_the_start_is_woken(monkeypatch):
    net = made(bias=-3.0)
    lines = net["lines", [0, 1, 2, 3]]
    found = visualize(lines, steps=40, **STILL)
    assert (found.response > 0).all()

    def never(function: Any, *given: Any) -> Any:
        def run(asleep: jax.Array, *arguments: Any) -> Any:
            return exchanged(function, *given)(jnp.zeros_like(asleep), *arguments)

        return run

    exchanged = ascent.exchanged
    monkeypatch.setattr(ascent, "exchanged", never)
    assert (visualize(lines, steps=40, **STILL).response == 0).all()


def test_diversity_drives_the_images_of_a_unit_apart_and_leaves_other_units_alone():
    net = made()
    alike, apart = (
        visualize(net["lines"].along([1, 1, 1, 1, 0]), seeds=3, steps=40, diversity=share, **STILL)
        for share in (0, 0.9)
    )

    def mean_likeness(found: Any) -> float:
        maps = np.asarray(net["lines"].maps(jnp.asarray(found.values[0])))[:, 0, 0]
        unit = maps / np.linalg.norm(maps, axis=1, keepdims=True)
        return float((unit @ unit.T)[np.triu_indices(3, 1)].mean())

    assert mean_likeness(apart) < mean_likeness(alike) - 0.02
    assert (apart.response > 0).all()


@pytest.mark.parametrize(("channels", "colours"), [(1, "grey"), (3, "rgb")])
def test_colours_are_those_that_the_net_sees(channels, colours):
    found = visualize(made(channels=channels)["lines", 0], steps=1)
    assert found.attrs["colours"] == colours
    assert found.sizes["channel"] == (1 if colours == "grey" else 3)


def test_grey_images_can_be_asked_for():
    assert visualize(made(channels=3)["lines", 0], steps=1, colours="grey").sizes["channel"] == 1


def test_one_program_serves_all_units_and_all_weights():
    compiling.forget()
    visualize(made()["lines", 0], steps=1)
    before = len(compiling._PROGRAMS)
    visualize(made(weights=kernel(5))["lines", [1, 2]], steps=2, seeds=3, seed=4)
    assert len(compiling._PROGRAMS) == before
    visualize(made(bias=-1.0)["lines", 0], size=17, steps=1)
    assert len(compiling._PROGRAMS) == before + 1


def test_progress_counts_the_steps_of_all_batches():
    seen: list[tuple[int, int]] = []
    visualize(made()["lines"], seeds=2, steps=ascent.BLOCK + 1, progress=lambda *args: seen.append(args))
    steps = ascent.BLOCK + 1
    assert seen == [(ascent.BLOCK, 2 * steps), (steps, 2 * steps), (steps + ascent.BLOCK, 2 * steps), (2 * steps,) * 2]


def test_what_is_needed_to_repeat_it_is_said():
    found = visualize(made()["lines", 2], steps=2, jitter=1.5, seed=7)
    again = visualize(
        made()[found.attrs["layer"], json.loads(found.attrs["probe_units"])],
        size=found.attrs["image_size"][0],
        **{name: found.attrs[name] for name in (
            "steps", "seed", "objective", "diversity", "colours", "learning_rate", "jitter", "scale", "rotate"
        )},
    )  # fmt: skip
    np.testing.assert_array_equal(found.values, again.values)
    assert found.to_netcdf(engine="scipy")


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ({"objective": "center"}, UnknownNameError, "no objective 'center'. Did you mean 'centre'"),
        ({"colours": "gray"}, UnknownNameError, "no colours 'gray'. Did you mean 'grey'"),
        ({"steps": 0}, SpecError, "steps=0: wanted a whole number"),
        ({"seeds": 1.5}, SpecError, "seeds=1.5"),
        ({"size": 8}, ImageError, "Give larger images"),
        ({"learning_rate": 0.0}, SpecError, "learning_rate=0"),
        ({"jitter": math.nan}, SpecError, "jitter=nan"),
        ({"rotate": 60.0}, SpecError, "at most 45 degrees"),
        ({"scale": 1.0}, SpecError, "a scale below 1"),
        ({"seeds": 9, "diversity": 0.5}, SpecError, "at most 8"),
        ({"objective": "channel"}, SpecError, "made for images of no size"),
    ],
)
def test_what_makes_no_sense_is_refused(how, error, said):
    with pytest.raises(error, match=said), unchecked():
        visualize(made()["lines"], **how)


def test_a_net_that_answers_nan_is_refused():
    with pytest.raises(NetError, match="NaN or infinite"):
        visualize(made(weights=jnp.full_like(kernel(), jnp.nan))["lines", 0], steps=2, colours="grey")


@settings(max_examples=4)
@given(seed=st.integers(0, 100))
def test_gram_matrices_are_compared(seed):
    maps = np.random.default_rng(seed).normal(size=(3, 2, 4, 5)).astype(np.float32)
    gram = np.einsum("nrcu,nrcv->nuv", maps, maps).reshape(3, -1)
    gram /= np.linalg.norm(gram, axis=1, keepdims=True)
    np.testing.assert_allclose(ascent._likeness(jnp.asarray(maps)), gram @ gram.T, rtol=1e-4)
