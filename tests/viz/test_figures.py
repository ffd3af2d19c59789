"""What a reader relies on: nothing overlaps, nothing is too small, signed maps are centred on 0, angles are right."""

import itertools
from unittest import mock

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.text import Text

from circuitkit.stimuli import Curve
from circuitkit.viz import polar_tuning, style, to_png, weights
from circuitkit.viz.gallery import image, stimulus_of
from circuitkit.viz.maps import angle_radius
from tests.viz import synthetic

PLATES = [
    "gabors", "tiles", "summed-weights", "polar", "joint", "map", "control", "ranking", "polar-trained", "maps-trained",
    "stimuli",
]  # fmt: skip


def blemishes(figure: Figure) -> list[str]:
    """Returns what is wrong with the texts of a figure: out of the page, too small, or over one another."""
    canvas, drawn, draw = FigureCanvasAgg(figure), [], Text.draw

    def recorded(text, renderer):
        drawn.append(text)
        draw(text, renderer)

    # What is drawn, not what is there: axes keep the labels of ticks beyond their limits.
    with mock.patch.object(Text, "draw", recorded):
        canvas.draw()
    texts = [text for text in dict.fromkeys(drawn) if text.get_visible() and text.get_text().strip()]
    boxes = [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in texts]
    page = figure.bbox
    found = [f"{text.get_text()!r} is too small" for text in texts if text.get_fontsize() < style.SMALL - 0.01]
    for name, box in boxes:
        if box.x0 < page.x0 - 1 or box.x1 > page.x1 + 1 or box.y0 < page.y0 - 1 or box.y1 > page.y1 + 1:
            found.append(f"{name!r} leaves the page")
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        wide, high = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        # A box has room above and below its letters, so that neighbouring lines may share a pixel or two.
        if wide > 1 and high > 2.5:
            found.append(f"{one!r} lies on {other!r}")
    return found


def off_centre(figure: Figure) -> list[tuple[float, float]]:
    """Returns the limits of every signed colour scale of a figure that is not centred on 0."""
    images = [image for axes in figure.axes for image in axes.images if image.get_cmap().name == style.SIGNED.name]
    return [image.get_clim() for image in images if not np.isclose(image.get_clim()[0], -image.get_clim()[1])]


def test_every_figure_is_there(plates):
    assert [plate.name for plate in plates] == PLATES


@pytest.mark.parametrize("name", PLATES)
def test_texts_are_legible(plates, name):
    plate = next(plate for plate in plates if plate.name == name)
    assert plate.figure.get_figwidth() == style.WIDTH
    # Hostile names are longer than any real one, and shortened; figures must hold even these.
    assert blemishes(plate.figure) == []


def test_a_blemish_is_noticed():
    figure = style.new_figure(2.0, "title", "note")
    style.write(figure, 0.1, 0.1, "over the title")
    style.write(figure, 8.5, 1.0, "beyond the margin")
    style.write(figure, 1.0, 1.5, "tiny", fontsize=5)
    assert blemishes(figure) == [
        "'tiny' is too small",
        "'beyond the margin' leaves the page",
        "'title' lies on 'over the title'",
    ]
    figure = style.new_figure(2.0, "title", "note")
    axes = style.place(figure, 0.01, 0.7, 3, 1)
    axes.set_xticks([0, 0.01], ["one", "other"])
    assert "'one' lies on 'other'" in blemishes(figure)


def test_signed_maps_are_centred_on_zero(plates):
    signed = [plate for plate in plates if plate.name in ("gabors", "tiles")]
    assert all(plate.figure.axes[0].images for plate in signed)
    assert [off_centre(plate.figure) for plate in signed] == [[], []]


def test_a_scale_off_centre_is_noticed(study, monkeypatch):
    monkeypatch.setattr(weights, "symmetric", lambda values: Normalize(values.min(), values.max() + 1))
    assert off_centre(weights.tile_weights(study.network))


def test_settings_do_not_leak(study):
    before = dict(mpl.rcParams)
    to_png(weights.gabors(study.network))
    assert dict(mpl.rcParams) == before


def test_the_same_figure_gives_the_same_bytes(study):
    first, second = (to_png(weights.weight_by_angle(study.network)) for _ in range(2))
    assert first.startswith(b"\x89PNG")
    assert first == second


def test_sums_depend_on_the_relative_angle_alone(study):
    wiring = weights.tiled(study.network)[-1]
    sums = wiring.sums()
    assert max(np.ptp(pairs.sum(axis=1)) for pairs in sums.values()) < 0.01 * max(
        np.abs(p).max() for p in sums.values()
    )
    assert min(sums, key=lambda angle: -sums[angle].sum(axis=1).mean()) == 0


def test_sums_notice_a_family_that_is_not_one_orbit(study):
    wiring = weights.tiled(study.network)[-1]
    broken = wiring._replace(kernel=np.roll(wiring.kernel, 1, axis=2) * np.linspace(0.5, 1, wiring.kernel.shape[3]))
    sums = broken.sums()
    assert min(sums, key=lambda angle: -sums[angle].sum(axis=1).mean()) != 0
    assert max(np.ptp(pairs.sum(axis=1)) for pairs in sums.values()) > 0.1 * max(np.abs(p).max() for p in sums.values())


@pytest.mark.parametrize("angle", [0.0, 90.0, 180.0, 300.0])
def test_a_polar_lobe_points_where_the_unit_does(angle):
    curve = synthetic.responses({"u": angle}).sel(radius=20.0, polarity=1.0, drop=True)
    figure = polar_tuning(curve, "one unit")
    lobe = max(figure.axes[0].lines, key=lambda line: line.get_linewidth())
    x, y = lobe.get_data()
    top = np.argmax(np.hypot(x, y))
    assert np.hypot(x[top], y[top]) == pytest.approx(1)
    assert np.rad2deg(np.arctan2(y[top], x[top])) % 360 == pytest.approx(angle, abs=0.01)


def test_an_arc_bulges_towards_its_angle():
    """The glyph at 90 is an arch: its middle is its highest point."""
    figure = style.new_figure(2.0, "", "")
    axes = style.place(figure, 1, 1, 1, 1)
    for angle, direction in ((0, (1, 0)), (90, (0, 1)), (180, (-1, 0)), (270, (0, -1))):
        style.glyph(axes, (0.5, 0.5), angle)
        stroke = axes.artists[-1].findobj(mpl.lines.Line2D)[0]
        along = np.transpose(stroke.get_data()) @ direction
        assert np.argmax(along) == len(along) // 2
        assert along.max() > along[0] + 1


def test_the_preferred_angle_is_in_the_middle_of_a_map():
    found = angle_radius(synthetic.responses({"u": 315.0}), "u")
    assert found.angle.values[len(found.angle) // 2] == 315
    peak = found.where(found == found.max(), drop=True)
    assert (peak.angle.item(), peak.radius.item(), peak.item()) == (315, 20, 1)
    assert np.isinf(found.radius.values[-1])
    assert found.sel(radius=np.inf).max() == pytest.approx(0.2)


def test_stimuli_are_drawn_as_they_were_shown():
    shown = stimulus_of(synthetic.responses({"u": 0.0}))
    assert (shown.length, shown.width) == (15, 2)
    drawn = image(shown, (21, 21), angle=90, radius=20)
    expected = Curve(angle=90, radius=20, length=15, width=2).draw(21)[..., 0]
    np.testing.assert_array_equal(drawn, expected)
    rows = np.argwhere(drawn > 0.5)[:, 0]
    assert rows.min() in (9, 10)  # an arch: the apex in the centre is the highest point


def test_a_silent_unit_is_drawn_too():
    silent = xr.zeros_like(synthetic.responses({"u": 0.0}))
    assert blemishes(polar_tuning(silent.sel(radius=20.0, polarity=1.0, drop=True), "silent")) == []
    assert float(angle_radius(silent, "u").max()) == 0


def test_angles_are_told_apart_by_readers_who_see_no_red_or_green():
    """Colours a quarter or half a turn apart differ in lightness or along blue to yellow."""
    # Deuteranopia, in linear RGB: Machado, Oliveira and Fernandes (2009), severity 1.
    deuteranopia = np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    )

    def seen(angle):
        rgb = np.array(style.colour_of_angle(angle)[:3])
        return np.clip(deuteranopia @ rgb**2.2, 0, 1) ** (1 / 2.2)

    for angle in range(0, 360, 15):
        for apart in (90, 180):
            assert np.linalg.norm(seen(angle) - seen(angle + apart)) > 0.2
    wheel = mpl.colormaps["hsv"]
    hues = [np.clip(deuteranopia @ np.array(wheel(a / 360)[:3]) ** 2.2, 0, 1) ** (1 / 2.2) for a in range(0, 360, 15)]
    assert min(np.linalg.norm(hues[i] - hues[(i + 6) % 24]) for i in range(24)) < 0.2
