"""A circuit's numbers come back from its own responses, and from nothing else; ceilings lie above what is fitted."""

import jax.numpy as jnp
import numpy as np
import pytest

import circuitkit as ck
from circuitkit.errors import SpecError, StimulusError, UnknownNameError
from circuitkit.fit import Examples, ResponseFit, fit_responses
from circuitkit.fit.baselines import hermite, learned, linear_nonlinear, turned_back
from circuitkit.fit.responses import between_members, correlations, explained, predictions
from circuitkit.spec import Circuit, Family, Gabor, Line, Tile, Union

TRUE = {"wavelength": 5.0, "length": 5.0}
AWAY = {"wavelength": 6.3, "length": 3.0}
ANGLES = np.array([3.0, 40.0, 77.0, 101.0, 166.0])
SIDE = 29


def written(*, wavelength: float, length: float) -> Circuit:
    """Edges of any phase along a line."""
    edges = Family("edges", Gabor(wavelength=wavelength, sigma=2.0, phase=90), angles=8)
    contours = Family("contours", Union(edges), angles=4)
    lines = Family("lines", Tile(contours, along=Line(length=length), tolerance=25), angles=8)
    return Circuit("lines", [edges, contours, lines])


def seen(count: int, seed: int, noise: float = 0.0) -> Examples:
    """Smooth noise, and what units of the true circuit say of it, with a gain and an offset each."""
    rng = np.random.default_rng(seed)
    waves = np.fft.rfft2(rng.normal(size=(count, SIDE, SIDE)))
    fy, fx = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)
    images = np.fft.irfft2(waves * (np.hypot(fy, fx) < 0.3), (SIDE, SIDE))[..., None].astype(np.float32)
    said = predictions(written(**TRUE), "lines", ANGLES)(images) * np.arange(1, 6) + 2
    said += noise * said.std(0) * rng.normal(size=said.shape)
    return Examples(images, said.astype(np.float32), np.arange(count) // 4)


@pytest.fixture(scope="module")
def found() -> ResponseFit:
    given = fit_responses(
        written, AWAY, "lines", seen(240, 0, 0.2), ANGLES,
        test=seen(80, 1), starts=2, steps=60, resampled=4, batch=48,
    )  # fmt: skip
    return given


def test_the_numbers_that_responses_were_made_with_are_found(found: ResponseFit) -> None:
    for name, wanted in TRUE.items():
        assert found.numbers.value[name] == pytest.approx(wanted, rel=0.03), name
        assert found.numbers.low[name] <= found.numbers.value[name] <= found.numbers.high[name]
        assert found.numbers.start[name] == AWAY[name]
    assert (found.units.test > 0.98).all()  # the test examples are without noise
    assert (found.units.train < 0.99).all()
    assert (found.units.correlation > 0.99).all()
    np.testing.assert_allclose(found.units.gain, np.arange(1, 6), rtol=0.1)
    np.testing.assert_allclose(found.units.offset, 2, atol=0.2)
    assert "2 numbers explain" in str(found)


def test_where_it_started_explains_less(found: ResponseFit) -> None:
    before = explained(predictions(written(**AWAY), "lines", ANGLES), seen(240, 0, 0.2), seen(80, 1))
    assert (before.test < found.units.test - 0.02).all()


def test_exchanged_responses_are_not_explained() -> None:
    held = seen(120, 0)
    mixed = Examples(held.images, held.responses[np.random.default_rng(0).permutation(120)], held.origin)
    other = fit_responses(written, AWAY, "lines", mixed, ANGLES, test=seen(80, 1), starts=1, steps=10, resampled=0)
    assert (other.units.test < 0.1).all()


def test_a_unit_at_a_wrong_angle_is_explained_less() -> None:
    held = seen(80, 1)
    right = explained(predictions(written(**TRUE), "lines", ANGLES), held, held)
    wrong = explained(predictions(written(**TRUE), "lines", ANGLES + 45), held, held)
    assert (right.test > 0.999).all()
    assert (wrong.test < 0.7).all()


@pytest.mark.parametrize("period", [180, 360])
def test_between_members_a_smooth_curve_is_read_and_at_members_the_member_itself(period: int) -> None:
    edges = Family("edges", Gabor(wavelength=6, sigma=2, phase=0 if period == 180 else 90), angles=12)
    at = np.array(edges.unit_angles)
    np.testing.assert_allclose(between_members(edges, at), np.eye(12), atol=1e-6)
    asked = np.array([7.0, -20.0, 359.0])
    wave = np.cos(np.deg2rad((at - 10) * 360 / period))
    wanted = np.cos(np.deg2rad((asked - 10) * 360 / period))
    np.testing.assert_allclose(wave @ between_members(edges, asked), wanted, atol=0.01)
    nearest = wave[[np.argmin(np.abs((at - each + period / 2) % period - period / 2)) for each in asked]]
    assert np.abs(nearest - wanted).max() > 0.03


def test_of_one_member_all_units_get_the_same() -> None:
    spot = Family("spot", ck.spec.Spot(sigma=2.0), angles=1)
    np.testing.assert_array_equal(between_members(spot, ANGLES), np.ones((1, 5)))


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"numbers": {"wavelength": 5.0, "length": 0.0}}, SpecError, "'length' starts at 0.0"),
        ({"numbers": {}}, SpecError, "no numbers"),
        ({"angles": ANGLES[:2]}, SpecError, "2 angles came with 5 units"),
        ({"family": "line"}, UnknownNameError, "lines"),
        ({"numbers": {"wavelength": 30.0, "length": 30.0}}, StimulusError, "give larger ones"),
        ({"starts": 0}, SpecError, "starts"),
    ],
)
def test_what_cannot_be_fitted_is_refused(changed: dict, error: type[Exception], said: str) -> None:
    given = {"numbers": AWAY, "family": "lines", "angles": ANGLES, **changed}
    with pytest.raises(error, match=said):
        fit_responses(written, given.pop("numbers"), given.pop("family"), seen(8, 0), given.pop("angles"), **given)


def test_examples_that_do_not_fit_each_other_are_refused() -> None:
    held = seen(8, 0)
    with pytest.raises(StimulusError, match="1 images, 1 rows"):
        Examples(held.images[:1], held.responses[:1], held.origin[:1])
    with pytest.raises(StimulusError, match="NaN"):
        Examples(held.images * np.nan, held.responses, held.origin)
    with pytest.raises(StimulusError, match="odd"):
        Examples(held.images[:, :28, :28], held.responses, held.origin)


def test_a_correlation_with_what_does_not_vary_is_0() -> None:
    made = jnp.tile(jnp.sin(jnp.arange(9.0))[:, None], (1, 3))
    wanted = made * jnp.asarray([[2.0, 0.0, -1.0]])
    np.testing.assert_allclose(correlations(made, wanted), [1, 0, -1], atol=1e-6)


def test_hermite_functions_stand_square_to_each_other_and_turn() -> None:
    made = np.asarray(hermite(6, 41, jnp.float32(4.0), jnp.asarray([0.0, 90.0])))
    np.testing.assert_allclose(made[..., 0] @ made[..., 0].T, np.eye(6), atol=1e-4)
    for each in made:
        np.testing.assert_allclose(np.rot90(each[:, 0].reshape(41, 41)), each[:, 1].reshape(41, 41), atol=1e-5)


def test_an_image_turned_back_shows_at_0_what_was_at_an_angle() -> None:
    drawn = {turn: ck.stimuli.Curve(angle=turn, radius=9, length=20, width=3, blur=1).draw(33) for turn in (0, 30, 60)}
    back = turned_back(drawn[30][None], jnp.float32(30))[0]
    inside = np.hypot(*np.mgrid[-16:17, -16:17]) < 15
    gap = {turn: float(np.abs((back - drawn[turn])[inside]).mean()) for turn in drawn}
    assert gap[0] < 0.02
    assert gap[30] > 3 * gap[0]
    assert gap[60] > 3 * gap[0]


def test_a_filter_explains_what_a_filter_made_and_a_net_more_than_that() -> None:
    rng = np.random.default_rng(0)
    angles = np.array([10.0, 100.0, 200.0])
    basis = np.asarray(hermite(3, SIDE, jnp.float32(3.0), jnp.asarray(angles, jnp.float32)))
    parts = []
    for count in (400, 100):
        images = rng.normal(size=(count, SIDE, SIDE, 1)).astype(np.float32)
        line = np.einsum("np,pu->nu", images.reshape(count, -1), basis[1] + 0.5 * basis[2])
        parts.append(Examples(images, np.maximum(line, 0).astype(np.float32), np.arange(count)))
    train, test = parts
    exact = explained(linear_nonlinear(train, angles, numbers=5, steps=150, starts=2), train, test)
    assert (exact.test > 0.9).all()
    fewer = explained(linear_nonlinear(train, angles + 90, numbers=3, steps=50, starts=1), train, test)
    assert (fewer.test < 0.5).all()


@pytest.mark.long
@pytest.mark.parametrize("turned", [False, True])
def test_a_net_learns_what_depends_on_place_and_angle(turned: bool) -> None:
    train, test = seen(400, 0), seen(100, 1)
    net = learned(train, angles=ANGLES if turned else None, steps=60)
    assert explained(net, train, test).test.mean() > 0.15
    mixed = Examples(train.images, train.responses[np.random.default_rng(0).permutation(400)], train.origin)
    chance = learned(mixed, angles=ANGLES if turned else None, steps=10)
    assert explained(chance, train, test).test.mean() < 0.1
