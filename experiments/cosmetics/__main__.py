"""Do curve detectors care how a curve is painted, and what do they make of corners?

Run:    python -m experiments.cosmetics --net squeezenet1_1.onnx --layer fire5    (about five minutes on two cores)
Smoke:  python -m experiments.cosmetics --smoke                                   (handbuilt, coarse; the tests run it)
Writes: experiments/cosmetics/out/result.csv and tuning.png
"""

import argparse
import csv
import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

import circuitkit as ck
from circuitkit import stimuli, tuning
from circuitkit.stimuli import Corner, Curve, LabelledSet, grid, hue, log, turn, zipped
from circuitkit.viz.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, VERMILION, WIDTH, new_figure, place, styled, to_png
from handbuilt import curves

OUT = Path(__file__).parent / "out"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """How finely to look.

    Attributes:
        angles: Stimulus angles over the turn.
        radii: Radii from 12 to 290 pixels.
        openings: Openings of the corners, in degrees; 180 would be a straight line.
        wisps: Angles of the fine scan; 720 are half a degree apart, as in the source.
        best: How many units of the trained layer are taken, the most curve-like first.
    """

    angles: int = 36
    radii: int = 8
    openings: tuple[float, ...] = (45.0, 65.0, 90.0, 110.0, 135.0, 155.0, 170.0)
    wisps: int = 720
    best: int = 10


SMOKE = Config(angles=8, radii=2, openings=(90.0, 160.0), wisps=24)

Row = dict[str, str | float]


def painted(config: Config) -> dict[str, LabelledSet]:
    """Returns the stimuli of each question, by name; `outline` is what the others are compared with."""
    angles, radii = turn(config.angles), log(12, 290, config.radii)
    both = (1.0, -1.0)
    warm, cold = ([hue(angle + turned, chroma=1.2) for angle in angles] for turned in (0, 180))
    corners = {"angle": angles, "opening": config.openings, "polarity": both}
    return {
        "outline": grid(Curve(), angle=angles, radius=radii, polarity=both),
        "inside filled": grid(Curve(fill=1), angle=angles, radius=radii, polarity=both),
        "sides of complementary hues": grid(
            Curve(foreground=-1, fill=1), zipped(angle=angles, inside=warm, outside=cold), radius=radii
        ),
        "blurred by 1.5 px": grid(Curve(blur=1.5), angle=angles, radius=radii, polarity=both),
        "dashed, 4 px": grid(Curve(dash=4), angle=angles, radius=radii, polarity=both),
        "white noise, sd 0.2": grid(Curve(noise=0.2), angle=angles, radius=radii, polarity=both),
        "corner": grid(Corner(length=90), **corners),
        "corner, rounded by 10 px": grid(Corner(length=90, rounding=10), **corners),
        "corner, rounded by 20 px": grid(Corner(length=90, rounding=20), **corners),
        "straight edge": grid(stimuli.Edge(), angle=angles),
    }


def run(config: Config, probes: Mapping[str, ck.Probe]) -> tuple[list[Row], dict[str, dict[str, xr.DataArray]]]:
    """Returns a row for every question and group of units, and the radial tuning curves behind them."""
    rows: list[Row] = []
    kept: dict[str, dict[str, xr.DataArray]] = {}
    for group, probe in probes.items():
        responses = {name: ck.tune(probe, each).clip(min=0) for name, each in painted(config).items()}
        radial = {
            name: each.mean([dim for dim in each.dims if dim not in ("angle", "unit")])
            for name, each in responses.items()
        }
        kept[group] = radial
        peak = responses["outline"].max(["angle", "radius", "polarity"])
        for name, each in responses.items():
            ratio = (each.max([dim for dim in each.dims if dim != "unit"]) / np.maximum(peak, 1e-9)).values
            row: Row = {
                "units": group,
                "stimulus": name,
                "peak over outline, median": float(np.median(ratio)),
                "lowest": float(ratio.min()),
                "highest": float(ratio.max()),
            }
            # A unit that is silent throughout has no tuning to be correlated.
            alike = xr.corr(radial[name], radial["outline"], "angle").dropna("unit").values
            if len(alike):
                row |= {"correlation of tuning, median": float(np.median(alike)), "least": float(alike.min())}
            rows.append(row)
        rows.append({"units": group, "stimulus": "wisps", "peak over outline, median": wisps(config, probe)})
    return rows, kept


def wisps(config: Config, probe: ck.Probe) -> float:
    """Returns how much responses change from one angle of a fine scan to the next, over the peak; median of units.

    The residual of a running mean over 5 degrees, root mean square over the scan.
    """
    fine = ck.tune(probe, grid(Curve(radius=40), angle=turn(config.wisps))).clip(min=0)
    window = max(3, round(5 * config.wisps / 360) | 1)
    around = fine.pad(angle=window // 2, mode="wrap").rolling(angle=window, center=True).mean()
    residual = fine.values - around.values[window // 2 : -(window // 2)]
    return float(np.median(np.sqrt((residual**2).mean(0)) / np.maximum(fine.values.max(0), 1e-9)))


def probes(config: Config, net: str | None, layer: str | None) -> dict[str, ck.Probe]:
    """Returns the handbuilt units, the most curve-like units of a trained layer, and as a control some others."""
    handbuilt = ck.HandbuiltNet(ck.build(curves.SPEC))["curves"]
    if net is None or layer is None:
        return {"handbuilt": handbuilt}
    trained = ck.nets.load(net)
    found = tuning.summary(
        ck.tune(trained[layer], grid(Curve(), angle=turn(24), radius=(*log(12, 290, 8), math.inf), polarity=(1, -1)))
    )
    ranked = [str(name) for name in found.sortby("curve_score", ascending=False).unit.values]
    middle = len(ranked) // 2
    return {
        "handbuilt": handbuilt,
        f"{layer}, most curve-like {config.best}": trained[layer, ranked[: config.best]],
        f"{layer}, {config.best} others": trained[layer, ranked[middle : middle + config.best]],
    }


@styled
def figure(kept: dict[str, dict[str, xr.DataArray]]) -> object:
    """Returns the aligned mean tuning curve of each group to each kind of stimulus."""
    shown = {
        "outline": (BLACK, "-"),
        "inside filled": (BLUE, "--"),
        "sides of complementary hues": (VERMILION, "-."),
        "corner": (GREEN, ":"),
        "corner, rounded by 20 px": (PURPLE, (0, (6, 1, 1, 1))),
        "straight edge": (ORANGE, (0, (1, 2))),
    }
    drawn = new_figure(
        3.7,
        "Curve detectors and how a curve is painted",
        "mean over radii or openings, and over units, each turned to its own best angle; 1 is the outline's peak",
    )
    wide = (WIDTH - 0.7) / len(kept)
    for column, (group, radial) in enumerate(kept.items()):
        axes = place(drawn, 0.6 + column * wide, 0.95, wide - 0.4, 1.75)
        best = radial["outline"].argmax("angle").values
        tallest = radial["outline"].max("angle").values
        for name, (colour, style) in shown.items():
            values = radial[name].transpose("angle", "unit").values / np.maximum(tallest, 1e-9)
            count = len(values)
            aligned = np.stack([np.roll(values[:, unit], count // 2 - best[unit]) for unit in range(values.shape[1])])
            axes.plot(
                (np.arange(count) - count // 2) * 360 / count, aligned.mean(0), color=colour, ls=style, label=name
            )
        axes.set(xticks=[-180, -90, 0, 90, 180], xlabel="angle from the unit's own (°)", ylim=(0, None))
        axes.set_title(group, loc="left")
        if column == 0:
            axes.set_ylabel("response")
    handles, labels = axes.get_legend_handles_labels()
    drawn.legend(handles, labels, loc="lower center", ncols=3, frameon=False)
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="coarse")
    parser.add_argument("--net", help="an ONNX file of a trained net")
    parser.add_argument("--layer", help="its layer")
    options = parser.parse_args()
    config = SMOKE if options.smoke else Config()
    rows, kept = run(config, probes(config, options.net, options.layer))
    OUT.mkdir(exist_ok=True)
    with (OUT / "result.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (OUT / "tuning.png").write_bytes(to_png(figure(kept)))
    print(f"| {' | '.join(rows[0])} |\n|{'---|' * len(rows[0])}")
    for row in rows:
        print(
            "| "
            + " | ".join(f"{row[k]:.3f}" if isinstance(row.get(k), float) else str(row.get(k, "")) for k in rows[0])
            + " |"
        )


if __name__ == "__main__":
    main()
