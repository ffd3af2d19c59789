"""Figures and the report: pure functions from data to `matplotlib.figure.Figure`, and one page that shows them all.

from circuitkit.viz import write_report

write_report(study, Path("out"))  # out/report.html and out/figures/; likewise write_verdict, write_found, ...
"""

from circuitkit.viz import evidence
from circuitkit.viz.compare import side_by_side, write_comparison
from circuitkit.viz.comparison import control, ranking
from circuitkit.viz.evidence import write_verdict
from circuitkit.viz.examples import example_figure, write_examples
from circuitkit.viz.factors import factors
from circuitkit.viz.family_sheet import family_sheet
from circuitkit.viz.filters import filters
from circuitkit.viz.finding import family, write_found
from circuitkit.viz.gallery import stimulus_gallery
from circuitkit.viz.kernels import families, found_families, kernels
from circuitkit.viz.maps import radius_angle_map, radius_angle_maps
from circuitkit.viz.plates import Plate, plates
from circuitkit.viz.radial import joint_tuning, polar_tuning
from circuitkit.viz.report import write_report
from circuitkit.viz.style import to_png
from circuitkit.viz.universality import circuits, periodic_table
from circuitkit.viz.weights import gabors, tile_weights, weight_by_angle

__all__ = [
    "Plate",
    "circuits",
    "control",
    "evidence",
    "example_figure",
    "factors",
    "families",
    "family",
    "family_sheet",
    "filters",
    "found_families",
    "gabors",
    "joint_tuning",
    "kernels",
    "periodic_table",
    "plates",
    "polar_tuning",
    "radius_angle_map",
    "radius_angle_maps",
    "ranking",
    "side_by_side",
    "stimulus_gallery",
    "tile_weights",
    "to_png",
    "weight_by_angle",
    "write_comparison",
    "write_examples",
    "write_found",
    "write_report",
    "write_verdict",
]
