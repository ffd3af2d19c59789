"""What kinds of family are there, and what becomes of one that another is made of?

Run:    python -m experiments.families            (about five minutes on two cores)
Smoke:  python -m experiments.families --smoke    (coarse; the tests run it)
Writes: result.csv and four pictures into experiments/families/out
"""

import argparse
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

import circuitkit as ck
from circuitkit import stimuli, tuning, turned
from circuitkit.geometry import angle_between
from circuitkit.spec import Circuit
from circuitkit.symmetry import Motion, hues
from circuitkit.viz.style import to_png
from experiments.families import figures
from handbuilt import circles, colours, corners, curves, high_low, lines, scales

OUT = Path(__file__).parent / "out"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """How finely to look.

    Attributes:
        angles: Of stimuli, over the turn; a multiple of 8.
        hues: Of stimuli, over the hue circle; a multiple of 12.
        steps: Of radii and of ratios of frequencies.
        images: For each error.
        circuits: Of which the errors are measured; all if left out.
    """

    angles: int = 48
    hues: int = 72
    steps: int = 25
    images: int = 64
    circuits: tuple[str, ...] | None = None


SMOKE = Config(angles=8, hues=12, steps=5, images=4, circuits=("lines",))

CIRCUITS: dict[str, Callable[[], Circuit]] = {
    "curves": curves.circuit,
    "lines": lines.circuit,
    "corners": corners.circuit,
    "circles": circles.circuit,
    "evolutes": circles.evolutes,
    "high_low": high_low.circuit,
    "colours": colours.circuit,
    "scales": scales.circuit,
    "radii": scales.radii,
}
"""Every handbuilt circuit but the decoys."""

Rows = Iterator[tuple[str, str, float]]
"""Kind of family, what was measured, value."""


def net(circuit: Circuit) -> ck.HandbuiltNet:
    """Returns a circuit as a net."""
    return ck.HandbuiltNet(ck.build(circuit))


def errors(config: Config) -> pd.DataFrame:
    """Returns how exactly every layer of every circuit moves with its image: one row a layer and kind of motion.

    Of turns by 90 degrees and mirrors, of hues and of scales; the largest error of a layer over motions and bands, that
    of its worst unit, and this over what rounding allows.
    """
    rows = []
    for name in config.circuits or CIRCUITS:
        of = net(CIRCUITS[name]())
        groups = {"quarter turns and mirrors": list(ck.dihedral(4))}
        if name == "colours":
            groups["hues"] = list(hues(12))
        for layer in of.layers:
            magnified = [Motion(scale=1.5), Motion(scale=2.25)]
            mine = groups | ({"scales": magnified} if len(of.network.circuit[layer].scales) > 1 else {})
            for kind, group in mine.items():
                found = turned.equivariance_error(of[layer], group, images=config.images)
                rows.append(
                    {
                        "circuit": name,
                        "layer": layer,
                        "motions": kind,
                        "error": float(found.error.max()),
                        "worst unit": float(found.units.max()),
                        # Between pixels nothing is exact, and nothing follows from rounding.
                        "over what rounding allows": np.nan if kind == "scales" else turned.margin(found),
                    }
                )
    return pd.DataFrame(rows)


def of_hues(config: Config) -> tuple[dict[str, xr.DataArray], Rows]:
    """Returns tuning to hue, and to hue and angle at once, of spots, discs and contrasts; and what it says."""
    of = net(colours.SPEC)
    chroma = 0.8
    circle = {"hue": stimuli.turn(config.hues)}
    discs = ck.tune(of["discs"], stimuli.grid(stimuli.ColourCentre(radius=8, thickness=20, chroma=chroma), **circle))
    spots = ck.tune(of["spots"], stimuli.grid(stimuli.ColourCentre(radius=3, thickness=30, chroma=chroma), **circle))
    both = {"angle": stimuli.turn(config.angles), "hue": stimuli.turn(config.hues)}
    contrast = stimuli.grid(stimuli.ColourContrast(chroma=chroma), **both)
    found = {
        "discs": discs,
        "spots": spots,
        "contrasts": ck.tune(of["contrasts", ["contrasts@45-hue0", "contrasts@45-hue180"]], contrast),
        "borders": ck.tune(of["borders", ["borders@45"]], contrast),
    }
    grey = ck.tune(of["discs"], stimuli.grid(stimuli.Disc(radius=8), polarity=(1, -1)))

    def rows() -> Rows:
        for name in ("spots", "discs"):
            tuned = found[name].rename(hue="angle")  # the hue circle is one, too
            yield "hue", f"width of {name} at half height, degrees of hue", float(tuning.fwhm(tuned).mean())
            yield "hue", f"response of {name} to the complementary hue, over the peak", float(tuning.echo(tuned).max())
        peaks = found["discs"].idxmax("hue").values
        off = [abs(angle_between(a, b)) for a, b in zip(peaks, colours.SPEC["discs"].unit_hues, strict=True)]
        yield "hue", "preferred hue of discs minus their own, largest, degrees", max(off)
        yield "hue", "response of discs to grey discs, over the peak", float(grey.max() / discs.max())
        one, other = (found["contrasts"].isel(unit=unit) for unit in (0, 1))
        half = {"angle": config.angles // 2}
        again = one.roll(**half, roll_coords=False)
        yield "twisted", "a contrast turned by 180 degrees, minus the one of the other hue", _relative(again, other)
        yield "twisted", "a contrast turned by 180 degrees, minus itself", _relative(again, one)
        borders = found["borders"].isel(unit=0)
        at = borders.max("hue").idxmax("angle")
        yield (
            "hue, lost",
            "least over most response of a border to hues",
            float(borders.sel(angle=at).min() / borders.max()),
        )

    return found, rows()


def _relative(found: xr.DataArray, wanted: xr.DataArray) -> float:
    return float(np.linalg.norm(found.values - wanted.values) / np.linalg.norm(wanted.values))


def of_scales(config: Config) -> tuple[dict[str, xr.DataArray], Rows]:
    """Returns responses to magnified curves, radius and width together, of curves that read their own lines or share.

    (scale, unit): units of one angle.
    """
    steps = np.geomspace(0.5, 4, config.steps)
    found = {}
    for name, circuit in (("own", scales.circuit()), ("shared", scales.radii())):
        of = net(circuit)
        names = [unit for unit in of.unit_names("curves") if unit.startswith("curves@0-")]
        curve = stimuli.grid(stimuli.Curve(), stimuli.zipped(radius=tuple(9 * steps), width=tuple(2 * steps)))
        drawn = ck.tune(of["curves", names], curve)
        found[name] = xr.DataArray(drawn.values, dims=("scale", "unit"), coords={"scale": steps, "unit": names})

    def rows() -> Rows:
        for name, drawn in found.items():
            for unit in drawn.unit.values:
                best = float(drawn.sel(unit=unit).idxmax("scale"))
                yield "scale", f"preferred scale of {unit}, lines {name}", best
            top = drawn.max("scale")
            yield (
                "scale",
                f"highest response of the weakest over that of the strongest, lines {name}",
                float(top.min() / top.max()),
            )

    return found, rows()


def of_boundaries(config: Config) -> tuple[dict[str, xr.DataArray], Rows]:
    """Returns tuning of boundaries of texture to angle and ratio, and of what they are made of to frequency.

    Source:
        Schubert et al., "High-Low Frequency Detectors", Distill (2021), Tuning curves, and HF and LF factors.
    """
    of, phases = net(high_low.SPEC), (0.0, 90.0, 180.0)
    angles = {"angle": stimuli.turn(config.angles)}
    ratios = tuple(np.linspace(1, 4, config.steps))
    grid = stimuli.grid(stimuli.HighLow(), **angles, ratio=ratios, phase=phases)
    by_ratio = ck.tune(of["high_low", [0]], grid).clip(min=0).mean("phase").isel(unit=0)
    family = ck.tune(of["high_low"], stimuli.grid(stimuli.HighLow(), **angles, phase=phases)).clip(min=0).mean("phase")
    waves = tuple(np.geomspace(3, 32, config.steps))
    plain = stimuli.grid(
        stimuli.HighLow(ratio=1), wavelength=waves, angle=tuple(np.linspace(0, 45, 4)), phase=phases[:2]
    )
    parts = {name: ck.tune(of[name], plain).mean(("angle", "phase")).isel(unit=0) for name in ("fine", "coarse")}
    kernel = np.asarray(of.network.layers["high_low"].kernel[...])

    def rows() -> Rows:
        width = tuning.fwhm(family)
        yield "invariant to equivariant", "width of boundaries at half height, least, degrees", float(width.min())
        yield "invariant to equivariant", "width of boundaries at half height, most, degrees", float(width.max())
        yield "invariant to equivariant", "response at the antipode, over the peak", float(tuning.echo(family).max())
        yield "invariant to equivariant", "response at ratio 1, over the peak", float(by_ratio.sel(ratio=1.0).max())
        high, low = kernel[:, :, 0, 0].ravel(), kernel[:, :, 1, 0].ravel()
        yield (
            "invariant to equivariant",
            "correlation of the fine and the coarse kernel",
            float(np.corrcoef(high, low)[0, 1]),
        )

    return {"by ratio": by_ratio, **parts}, rows()


def of_rings(config: Config) -> tuple[dict[str, Float[np.ndarray, "unit two"]], Rows]:
    """Returns, for a circle and an evolute, where each curve's excitation lies, in pixels; and what it says.

    Source:
        Olah et al., "Naturally Occurring Equivariance in Neural Networks", Distill (2020): circle and evolute circuits.
    """
    del config
    found, said = {}, []
    for name, circuit, turn in (("circle", circles.circuit(), 0.0), ("evolute", circles.evolutes(), 180.0)):
        kernel = np.maximum(np.asarray(ck.build(circuit).layers[circuit.families[-1].name].kernel[...])[..., 0], 0)
        reach = kernel.shape[0] // 2
        y, x = np.mgrid[reach : -reach - 1 : -1, -reach : reach + 1]
        weight = kernel.sum((0, 1))
        centres = np.stack([(kernel * part[..., None]).sum((0, 1)) / weight for part in (x, y)], axis=1)
        found[name] = centres
        towards = np.degrees(np.arctan2(centres[:, 1], centres[:, 0]))
        off = [abs(angle_between(a, b + turn)) for a, b in zip(towards, circuit["curves"].unit_angles, strict=True)]
        said.append(
            (f"curves excite the {name} off their apex{' opposite' if turn else ''} by, at most, degrees", max(off))
        )
    of = net(circles.SPEC)["circles"]
    ring = float(ck.tune(of, stimuli.grid(stimuli.Ring(radius=14, thickness=2), polarity=(1,))).max())
    quarter = {"angle": stimuli.turn(8)}
    decoys = {
        "half a ring": stimuli.grid(stimuli.Curve(radius=14, length=44, x=14), **quarter),
        "a curve": stimuli.grid(stimuli.Curve(radius=14, length=44), **quarter),
        "an evolute": stimuli.grid(stimuli.Evolute(arms=4, radius=14, bend=14), **quarter),
        "a line": stimuli.grid(stimuli.Line(), **quarter),
        "a corner": stimuli.grid(stimuli.Corner(), **quarter),
        "a spiral": stimuli.grid(stimuli.Spiral(), **quarter),
    }
    best = {name: float(ck.tune(of, grid).max()) / ring for name, grid in decoys.items()}
    said += [(f"response of the circle to {name}, over a ring", value) for name, value in best.items()]
    return found, (("equivariant to invariant", text, value) for text, value in said)


def run(config: Config) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, bytes]]:
    """Returns errors, numbers, and pictures by name."""
    coloured, of_colour = of_hues(config)
    magnified, of_scale = of_scales(config)
    textures, of_texture = of_boundaries(config)
    rings, of_ring = of_rings(config)
    table = pd.DataFrame([*of_colour, *of_scale, *of_texture, *of_ring], columns=["family", "what", "value"])
    pictures = {
        "kinds": figures.kinds(),
        "hues": figures.hues(coloured),
        "scales": figures.scales(magnified),
        "lost_and_gained": figures.lost_and_gained(textures, rings, circles.SPEC["curves"].unit_angles),
    }
    return errors(config), table, {name: to_png(figure) for name, figure in pictures.items()}


def main() -> None:
    """Runs, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="coarse, one circuit")
    found, table, pictures = run(SMOKE if parser.parse_args().smoke else Config())
    print(found.to_string(index=False, float_format=lambda value: f"{value:.2g}"))
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3g}"))
    OUT.mkdir(exist_ok=True)
    found.to_csv(OUT / "errors.csv", index=False, float_format="%.3g")
    table.to_csv(OUT / "result.csv", index=False, float_format="%.4g")
    for name, png in pictures.items():
        (OUT / f"{name}.png").write_bytes(png)


if __name__ == "__main__":
    main()
