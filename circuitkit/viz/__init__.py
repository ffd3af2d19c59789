"""Figures and the report: pure functions from data to `matplotlib.figure.Figure`, and one page that shows them all.

from circuitkit.viz import write_report

write_report(study, Path("out"))  # out/report.html and out/figures/
"""

from circuitkit.viz.comparison import control, ranking
from circuitkit.viz.examples import example_figure, write_examples
from circuitkit.viz.gallery import stimulus_gallery
from circuitkit.viz.maps import radius_angle_map, radius_angle_maps
from circuitkit.viz.plates import Plate, plates
from circuitkit.viz.radial import joint_tuning, polar_tuning
from circuitkit.viz.report import write_report
from circuitkit.viz.style import to_png
from circuitkit.viz.weights import gabors, tile_weights, weight_by_angle

__all__ = [
    "Plate",
    "control",
    "example_figure",
    "gabors",
    "joint_tuning",
    "plates",
    "polar_tuning",
    "radius_angle_map",
    "radius_angle_maps",
    "ranking",
    "stimulus_gallery",
    "tile_weights",
    "to_png",
    "weight_by_angle",
    "write_examples",
    "write_report",
]
