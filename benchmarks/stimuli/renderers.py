"""The renderers: circuitkit's, and what else draws antialiased arcs in Python.

All deliver the same: float32 images of the background 0 and of a stroke at its contrast. Renderers that draw in 8 bits
draw the coverage, at full contrast, which is then scaled: faint strokes keep all their levels. One entry shows how
fast skia is without that last step. All reuse whatever can be reused from image to image.
"""

import importlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import jax
import numpy as np

from benchmarks.stimuli.arcs import SPAN, Arc
from circuitkit.stimuli import EXACT, FAST, Curve, Renderer, grid, zipped
from circuitkit.stimuli.sets import block_size

Image = np.ndarray
Drawing = Callable[[], Iterator[Image]]
"""Draws all arcs of a list, one or several images at a time."""

Coverage = Callable[[Arc], Image]
"""Draws the coverage of one arc; the next call may draw into the same array."""

POINTS = 48
"""Along an arc, where it is drawn as a polygon: off by 0.02 pixels at the radius of 80."""


class Entry(NamedTuple):
    """One renderer.

    Attributes:
        prepare: Takes the arcs and the size of the images; whatever can be done once is done here.
        needs: Module without which it cannot run.
        centred: Whether it can only draw arcs whose circle has its centre in the middle of the image.
        stimuli: Whether it draws whole stimuli, or only their coverage from 0 to 255.
    """

    prepare: Callable[[Sequence[Arc], int], Drawing]
    needs: str = "numpy"
    centred: bool = False
    stimuli: bool = True

    @property
    def missing(self) -> bool:
        """Whether the module cannot be imported."""
        try:
            importlib.import_module(self.needs)
        except ImportError:
            return True
        return False


def by_chunks(renderer: Renderer, arcs: Sequence[Arc], size: int) -> Drawing:
    """Draws with circuitkit, as a labelled set is drawn."""
    stimuli = grid(Curve(), zipped(**dict(zip(Arc._fields, zip(*arcs, strict=True), strict=True))))
    return lambda: (drawn.images[..., 0] for drawn in stimuli.chunks(size, renderer=renderer))


def by_jit(renderer: Renderer, arcs: Sequence[Arc], size: int, *, chunk: int | None = None) -> Drawing:
    """Draws with circuitkit inside a plain `jax.jit`, as users do in code of their own."""
    chunk = chunk or block_size(size, size, renderer)
    rows = np.asarray(arcs, np.float32)
    rows = np.concatenate([rows, np.repeat(rows[-1:], -len(rows) % chunk, axis=0)])
    blocks = rows.reshape(-1, chunk, len(Arc._fields))

    @jax.jit
    @jax.vmap
    def draw(row: jax.Array) -> jax.Array:
        return Curve(**dict(zip(Arc._fields, row, strict=True))).draw(size, renderer=renderer)[:, :, 0]

    return lambda: (np.asarray(draw(block)) for block in blocks)


def one_by_one(prepare: Callable[[int], Coverage], full: float, arcs: Sequence[Arc], size: int) -> Drawing:
    """Draws with a function that returns the coverage of one arc, `full` where a pixel is covered."""
    draw = prepare(size)

    def stimulus(arc: Arc) -> Image:
        return np.multiply(draw(arc), arc.contrast / full, dtype=np.float32)

    return lambda: map(stimulus, arcs)


def coverage_alone(prepare: Callable[[int], Coverage], arcs: Sequence[Arc], size: int) -> Drawing:
    """Draws no stimuli, but their coverage, in whatever numbers the renderer has."""
    draw = prepare(size)
    return lambda: (draw(arc).copy() for arc in arcs)


def _corners(arc: Arc, size: int, fine: int) -> Image:
    """Returns the outline as a polygon, column and row of each corner, in pixels from the top left corner."""
    angles = np.radians(np.linspace(arc.angle - SPAN / 2, arc.angle + SPAN / 2, POINTS))
    radii = np.repeat([arc.radius - arc.width / 2, arc.radius + arc.width / 2], POINTS)
    angles = np.concatenate([angles, angles[::-1]])
    x, y = arc.centre
    columns, rows = x + radii * np.cos(angles) + size / 2, size / 2 - y - radii * np.sin(angles)
    return fine * np.stack([columns, rows], 1)


def _pillow(fine: int) -> Callable[[int], Coverage]:
    def prepare(size: int) -> Coverage:
        from PIL import Image as Pillow
        from PIL import ImageDraw

        def draw(arc: Arc) -> Image:
            image = Pillow.new("L", (fine * size, fine * size))
            x, y = arc.centre
            reach = arc.radius + arc.width / 2
            # Pillow counts pixels and includes the last one; its angles run clockwise.
            left, top = round(fine * (size / 2 + x - reach)), round(fine * (size / 2 - y - reach))
            right, bottom = round(fine * (size / 2 + x + reach)) - 1, round(fine * (size / 2 - y + reach)) - 1
            start = -arc.angle - SPAN / 2
            ImageDraw.Draw(image).arc(
                (left, top, right, bottom), start, start + SPAN, fill=255, width=max(1, round(fine * arc.width))
            )
            return np.asarray(image.reduce(fine) if fine > 1 else image)

        return draw

    return prepare


def _opencv(size: int) -> Coverage:
    import cv2

    fine, fraction = 4, 4

    def draw(arc: Arc) -> Image:
        canvas = np.zeros((fine * size, fine * size), np.uint8)
        corners = np.round((_corners(arc, size, fine) - 0.5) * 2**fraction).astype(np.int32)
        cv2.fillPoly(canvas, [corners], 255, cv2.LINE_AA, fraction)
        return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)

    return draw


def _skia(size: int) -> Coverage:
    import skia

    # Of its pixel formats, alpha alone is the fastest.
    pixels = np.zeros((size, size), np.uint8)
    surface = skia.Surface.MakeRasterDirect(
        skia.ImageInfo.Make(size, size, skia.kAlpha_8_ColorType, skia.kPremul_AlphaType), pixels, size
    )
    canvas = surface.getCanvas()
    pen = skia.Paint(
        AntiAlias=True, Style=skia.Paint.kStroke_Style, StrokeCap=skia.Paint.kButt_Cap, Color=skia.ColorWHITE
    )

    def draw(arc: Arc) -> Image:
        canvas.clear(0)
        pen.setStrokeWidth(arc.width)
        x, y = arc.centre
        x, y, r = size / 2 + x, size / 2 - y, arc.radius
        canvas.drawArc(skia.Rect.MakeLTRB(x - r, y - r, x + r, y + r), -arc.angle - SPAN / 2, SPAN, False, pen)
        return pixels

    return draw


def _stimupy(size: int) -> Coverage:
    from stimupy.components.angulars import wedge

    def draw(arc: Arc) -> Image:
        half = arc.width / 2
        return wedge(
            shape=size,
            ppd=1,
            angle=SPAN,
            radius=arc.radius + half,
            inner_radius=arc.radius - half,
            rotation=arc.angle - SPAN / 2,
        )["img"]

    return draw


def _matplotlib(size: int) -> Coverage:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path
    from matplotlib.transforms import IdentityTransform

    figure = Figure(figsize=(size / 72, size / 72), dpi=72, facecolor="black")  # so that a point is a pixel
    canvas = FigureCanvasAgg(figure)
    patch = PathPatch(Path.arc(0, SPAN), fill=False, edgecolor="white", capstyle="butt", transform=IdentityTransform())
    patch.set_snap(False)
    figure.add_artist(patch)

    def draw(arc: Arc) -> Image:
        unit = Path.arc(arc.angle - SPAN / 2, arc.angle + SPAN / 2)
        patch.set_path(Path(unit.vertices * arc.radius + np.asarray(arc.centre) + size / 2, unit.codes))
        patch.set_linewidth(arc.width)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[:, :, 0]

    return draw


def _skimage(size: int) -> Coverage:
    from skimage.draw import polygon

    fine = 4

    def draw(arc: Arc) -> Image:
        columns, rows = (_corners(arc, size, fine) - 0.5).T
        canvas = np.zeros((fine * size, fine * size), np.float32)
        canvas[polygon(rows, columns, canvas.shape)] = 1
        return canvas.reshape(size, fine, size, fine).mean((1, 3))

    return draw


def _numpy(size: int) -> Coverage:
    ticks = np.arange(size, dtype=np.float32) - (size - 1) / 2
    columns, rows = np.meshgrid(ticks, -ticks)

    def draw(arc: Arc) -> Image:
        centre_x, centre_y = arc.centre
        x, y = columns - np.float32(centre_x), rows - np.float32(centre_y)
        cos, sin = (np.float32(f(np.radians(arc.angle))) for f in (np.cos, np.sin))
        half = np.radians(SPAN / 2)
        distance = np.sqrt(x * x + y * y) - np.float32(arc.radius)
        past_the_end = np.abs(cos * y - sin * x) * np.float32(np.cos(half)) - (cos * x + sin * y) * np.float32(
            np.sin(half)
        )
        reach = np.float32((1 + arc.width) / 2)
        return np.clip(reach - np.abs(distance), 0, min(1.0, arc.width)) * np.clip(0.5 - past_the_end, 0, 1)

    return draw


MODES: dict[str, Renderer] = {"FAST": FAST, "EXACT": EXACT}

BASE = "skia, antialiased stroke"

ENTRIES: dict[str, Entry] = {
    **{f"circuitkit {mode}, chunks()": Entry(partial(by_chunks, how)) for mode, how in MODES.items()},
    **{f"circuitkit {mode}, jax.jit": Entry(partial(by_jit, how)) for mode, how in MODES.items()},
    BASE: Entry(partial(one_by_one, _skia, 255), needs="skia"),
    "skia, 8-bit coverage alone": Entry(partial(coverage_alone, _skia), needs="skia", stimuli=False),
    "Pillow arc": Entry(partial(one_by_one, _pillow(1), 255), needs="PIL"),
    "Pillow arc, 4x and reduced": Entry(partial(one_by_one, _pillow(4), 255), needs="PIL"),
    "OpenCV fillPoly, LINE_AA, 4x": Entry(partial(one_by_one, _opencv, 255), needs="cv2"),
    "matplotlib Agg, figure reused": Entry(partial(one_by_one, _matplotlib, 255), needs="matplotlib"),
    "scikit-image polygon, 4x": Entry(partial(one_by_one, _skimage, 1), needs="skimage"),
    "stimupy wedge": Entry(partial(one_by_one, _stimupy, 1), needs="stimupy", centred=True),
    "NumPy distance, one by one": Entry(partial(one_by_one, _numpy, 1)),
}
