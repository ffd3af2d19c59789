"""What units respond to: crops of the images with the largest responses, beside how often they respond how strongly.

    seen = survey(net["fire5"], images)
    example_figure(seen, images, units=["fire5:130", "fire5:141"]).savefig("curves.png")
    write_examples(seen, images, Path("fire5"))      # fire5/examples.html: all units, in one file of a few MB

Histograms show the density of responses over all positions: the share of positions in a bin, over its width, on a log
axis. What is exactly 0 is left out and said in words.
"""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from circuitkit.errors import StimulusError
from circuitkit.examples import crops, each_crop
from circuitkit.stimuli import LabelledSet
from circuitkit.stimuli.export import to_bytes
from circuitkit.viz.html import Html, tag
from circuitkit.viz.page import document
from circuitkit.viz.style import (
    GREY,
    HEAD,
    SKY,
    SMALL,
    VERMILION,
    WIDTH,
    new_figure,
    place,
    short,
    styled,
    write,
)

ROWS = 8
"""Units in a figure, at most."""

MARKED = (0.5, 0.95, 0.99, 0.999)
"""Quantiles that are marked."""

CELL = 64
"""Side of a crop on the page, in pixels: larger crops are made smaller, smaller ones shown enlarged."""

_FINEST = 64
"""Bins narrower than the largest response over this are joined: they hold few positions, and nobody could tell them."""

STYLE = """
.unit { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; align-items: flex-start; padding: 0.9rem 0 0.6rem;
  border-top: 1px solid var(--rule); }
.unit header { flex: 0 0 15rem; } .unit h3 { margin: 0; font-size: 1rem; }
.unit header p { margin: 0.1rem 0 0; font-size: 0.8rem; line-height: 1.4; color: var(--soft); }
.unit ol { display: flex; flex-wrap: wrap; gap: 0.3rem; margin: 0; padding: 0; list-style: none; flex: 1 1 30rem; }
.unit li { font-size: 0.75rem; line-height: 1.3; text-align: center; font-variant-numeric: tabular-nums; }
.unit img { display: block; width: 64px; height: auto; image-rendering: pixelated; }
.unit svg { display: block; width: 15rem; height: auto; margin-top: 0.3rem; }
.bars { fill: #56b4e9; } .axis { stroke: var(--soft); fill: none; } .mark { fill: #d55e00; }
svg text { font: 10px system-ui, sans-serif; fill: var(--soft); }
details.units { margin: 1rem 0; font-size: 0.9rem; }
"""


@styled
def example_figure(
    seen: xr.Dataset, images: LabelledSet, *, units: Sequence[str] | None = None, top: int = 9
) -> Figure:
    """Shows units row by row: crops of the images with the largest responses, and all responses as a histogram.

    Args:
        seen: From `survey`.
        images: The set that was surveyed.
        units: Which, by name; the first ones if left out.
        top: Crops of each unit, at most.

    Raises:
        StimulusError: If more units are wanted than one figure holds, or none; or if there are no top examples.
    """
    if "top_response" not in seen:
        raise StimulusError("example_figure got no survey: wanted what `survey` returns, strata have `crops` alone.")
    seen = seen if "unit" in seen.dims else seen.expand_dims("unit")
    names = [str(name) for name in seen.unit.values[:ROWS]] if units is None else list(units)
    if not 1 <= len(names) <= ROWS:
        raise StimulusError(f"example_figure got {len(names)} units: wanted 1 to {ROWS}. Draw several figures.")
    shown = seen.sel(unit=names).isel(rank=slice(0, top))
    cut = crops(shown, images)
    columns, left, right = shown.sizes["rank"], 0.1, 2.35
    cell = min((WIDTH - left - right) / columns, 1.0)
    high = cell * cut.sizes["y"] / cut.sizes["x"]
    line, above = max(high + 0.62, 1.35), HEAD + 0.1
    figure = new_figure(
        above + line * len(names) + 0.05,
        f"What {'a unit' if len(names) == 1 else 'units'} of {short(seen.attrs['net'])} "
        f"{short(seen.attrs['layer'])} respond to most",
        f"largest responses of {seen.attrs['image_count']} images, one an image; what the unit sees, "
        f"{cut.sizes['x']} × {cut.sizes['y']} pixels, grey beyond the image; ▾ median, 95, 99, 99.9 %",
    )
    for row, name in enumerate(names):
        upper = above + row * line
        one = shown.sel(unit=name)
        write(figure, left, upper, short(name), fontweight="bold")
        write(figure, left + 1.9, upper, _words(one), color=GREY, fontsize=SMALL)
        for rank in range(columns):
            axes = place(figure, left + rank * cell, upper + 0.22, cell - 0.04, high - 0.04)
            _show(axes, cut.sel(unit=name).values[rank])
            axes.set_xlabel(f"{float(one.top_response[rank]):.3g}", fontsize=SMALL, labelpad=2)
        _plot(place(figure, WIDTH - right + 0.6, upper + 0.12, right - 0.75, line - 0.55), _Density.of(one))
    return figure


def write_examples(seen: xr.Dataset, images: LabelledSet, folder: Path, *, top: int = 9) -> Path:
    """Writes `examples.html`, which holds its pictures and asks the network for nothing.

    Args:
        seen: From `survey`.
        images: The set that was surveyed.
        folder: Where to write; made if it is missing.
        top: Crops of each unit, at most.

    Returns:
        The path of the page, which is whole or not there at all.
    """
    text = page(seen, images, top=top)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "examples.html"
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        return part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def page(seen: xr.Dataset, images: LabelledSet, *, top: int = 9) -> Html:
    """Returns the page: a section for each unit, in the order of the survey."""
    shown = seen.isel(rank=slice(0, top))
    # One crop at a time is held as pixels: those of a deep layer would fill the memory.
    pictures = {each: _jpeg(crop) for each, crop in each_crop(shown, images)}
    files = _files(images, np.unique(shown.top_image.values))
    units = [str(name) for name in shown.unit.values]
    links = [tag("li", tag("a", name, href=f"#unit-{place}")) for place, name in enumerate(units)]
    title = f"{seen.attrs['net']} {seen.attrs['layer']}"
    field = " × ".join(str(int(side)) for side in reversed(seen.attrs["field_size"]))
    drawn = [
        _unit(shown.isel(unit=place), place, [pictures[place, rank] for rank in range(shown.sizes["rank"])], files)
        for place in range(len(units))
    ]
    said = (
        f"{seen.attrs['images']}. The {shown.sizes['rank']} images with the largest responses, of each image what the "
        f"unit sees ({field} pixels; grey lies outside of the image), and the response. Histograms: density of "
        "responses above or below 0 over all positions, on a log axis; triangles are the median and the 95, 99 and "
        "99.9 % quantiles."
    )
    body = [
        tag("header", tag("h1", f"What the units of {title} respond to"), tag("p", said)),
        tag("details", tag("summary", f"{len(units)} units"), tag("nav", tag("ul", *links)), class_="units"),
        tag("main", *drawn),
        tag("footer", tag("p", f"Made with {seen.attrs['versions']}.")),
    ]
    return document(f"{title} – examples – circuitkit", body, style=STYLE)


def _unit(one: xr.Dataset, place: int, pictures: Sequence[Html], files: dict[int, str]) -> Html:
    """Returns one unit's section."""
    items = []
    for rank, picture in enumerate(pictures):
        image, response = int(one.top_image[rank]), f"{float(one.top_response[rank]):.3g}"
        where = f"{files[image]}, unit at row {int(one.top_row[rank])}, column {int(one.top_column[rank])}: {response}"
        items.append(tag("li", tag("img", src=picture, alt=where, title=where, width=CELL, loading="lazy"), response))
    head = [tag("h3", one.unit.item()), tag("p", _words(one)), _svg(_Density.of(one))]
    return tag("article", tag("header", *head), tag("ol", *items), class_="unit", id=f"unit-{place}")


def _files(images: LabelledSet, wanted: np.ndarray) -> dict[int, str]:
    """Returns what images are called: their files, or their numbers."""
    table = images.table(wanted.tolist())
    names = table["file"] if "file" in table else [f"image {image}" for image in wanted]
    return {int(image): str(name) for image, name in zip(wanted, names, strict=True)}


def _words(one: xr.Dataset) -> str:
    """Returns a unit's numbers in a line."""
    middle, rare = (float(one.quantiles.sel(q=q)) for q in (0.5, 0.99))
    return (
        f"above 0 at {float(one.share_active):.1%} of positions, mean {float(one.mean_response):.3g}, "
        f"median {middle:.3g}, 99 % below {rare:.3g}"
    )


class _Density(NamedTuple):
    """A histogram to be drawn.

    Attributes:
        edges: Of the bins that are not 0.
        heights: Share of all positions over the width of the bin.
        zero: Share of positions that are exactly 0.
        marks: The quantiles of `MARKED`.
    """

    edges: Float[np.ndarray, " edge"]
    heights: Float[np.ndarray, " bin"]
    zero: float
    marks: Float[np.ndarray, " mark"]

    @classmethod
    def of(cls, one: xr.Dataset) -> "_Density":
        low, high, counts = one.bin_low.values, one.bin_high.values, one.histogram.values
        lowest, highest = float(one.min_response), float(one.max_response)
        is_zero = (low == 0) & (high == 0)
        largest = max(-lowest, highest) or 1.0
        # No bin is wider than an eighth, but those that hold all that is larger than they can tell.
        edges = np.unique(np.clip(np.concatenate([low, high]), 1.125 * min(lowest, 0), 1.125 * max(highest, 0)))
        edges = edges[(np.abs(edges) >= largest / _FINEST) | (edges == 0)]
        edges = edges if len(edges) > 1 else np.array([0.0, largest])
        inside = (np.clip(low, edges[0], edges[-1]) + np.clip(high, edges[0], edges[-1])) / 2
        sums, _ = np.histogram(inside[~is_zero], edges, weights=counts[~is_zero])
        total = counts.sum()
        marks = one.quantiles.sel(q=list(MARKED)).values
        return cls(edges, sums / total / np.diff(edges), float(counts[is_zero].sum() / total), marks)

    @property
    def limits(self) -> tuple[float, float]:
        """Of the log axis: below the lowest bar, above the highest."""
        bars = self.heights[self.heights > 0]
        return (float(bars.min()) / 2, float(bars.max()) * 2) if len(bars) else (0.1, 1.0)


def _plot(axes: Axes, density: _Density) -> None:
    low, high = density.limits
    axes.stairs(np.maximum(density.heights, low), density.edges, baseline=low, fill=True, color=SKY)
    axes.set_yscale("log")
    axes.set(xlim=(density.edges[0], density.edges[-1]), ylim=(low, high))
    axes.plot(density.marks, np.full(len(density.marks), 1.06), ls="", marker="v", ms=4, color=VERMILION, clip_on=False,
              transform=axes.get_xaxis_transform())  # fmt: skip
    axes.minorticks_off()
    axes.yaxis.set_major_locator(LogLocator(numticks=4))
    axes.set_ylabel("density", fontsize=SMALL, labelpad=1)
    axes.set_xlabel("response", fontsize=SMALL, labelpad=1)
    axes.locator_params(axis="x", nbins=4)
    if density.zero > 0:
        axes.text(
            0.98, 0.94, f"{density.zero:.0%} are 0", transform=axes.transAxes, fontsize=SMALL, ha="right", va="top"
        )


def _show(axes: Axes, crop: Float[np.ndarray, "y x channel"]) -> None:
    pixels = to_bytes(crop[None])[0]
    axes.imshow(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels, cmap="gray", vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _jpeg(crop: Float[np.ndarray, "y x channel"]) -> Html:
    """Returns a crop as the address of a picture, at most `CELL` pixels wide."""
    from PIL import Image

    pixels: UInt8[np.ndarray, "y x channel"] = to_bytes(crop[None])[0]
    picture = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
    if picture.width > CELL:
        picture = picture.resize((CELL, round(CELL * picture.height / picture.width)), Image.Resampling.BOX)
    held = io.BytesIO()
    picture.save(held, "JPEG", quality=82, optimize=True)
    return Html(f"data:image/jpeg;base64,{base64.b64encode(held.getvalue()).decode('ascii')}")


def _svg(density: _Density, width: int = 240, height: int = 70) -> Html:
    """Returns a histogram as a drawing of the page's own."""
    low, high = density.limits
    left, right, top, bottom = 4, width - 4, 12, height - 14
    span = density.edges[-1] - density.edges[0]

    def across(value: float) -> float:
        return left + (right - left) * (value - density.edges[0]) / span

    heights = np.log(np.maximum(density.heights, low) / low) / np.log(high / low) * (bottom - top)
    steps = [
        f"H{across(end):.1f}V{bottom - tall:.1f}H{across(stop):.1f}"
        for end, stop, tall in zip(density.edges[:-1], density.edges[1:], heights, strict=True)
    ]
    bars = f"M{left},{bottom}{''.join(steps)}V{bottom}Z"
    marks = "".join(f"M{across(mark) - 3:.1f},{top - 9}h6l-3,6z" for mark in density.marks)
    ends = [("start", left, density.edges[0]), ("end", right, density.edges[-1])]
    words = [tag("text", f"{value:.3g}", x=f"{x}", y=height - 3, text_anchor=side) for side, x, value in ends]
    if density.zero > 0:
        words.append(tag("text", f"{density.zero:.0%} are 0", x=right, y=top + 9, text_anchor="end"))
    return tag(
        "svg",
        tag("path", d=bars, class_="bars"),
        tag("path", d=f"M{left},{bottom}H{right}", class_="axis"),
        tag("path", d=marks, class_="mark"),
        *words,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label="Histogram of responses",
    )
