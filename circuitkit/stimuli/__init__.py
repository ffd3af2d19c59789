"""Stimuli with known parameters: what to draw, labelled sets over any parameters, and files of them.

from circuitkit import stimuli

arcs = stimuli.grid(stimuli.Curve(width=3), angle=stimuli.turn(36), radius=stimuli.log(8, 60, 12))
stimuli.save(arcs, "arcs", size=64)               # a folder of PNG files and metadata.csv
"""

from circuitkit.stimuli.colours import ColourCentre, ColourContrast, HueSweep, HueWheel
from circuitkit.stimuli.combine import Difference, Intersection, Offset, Outline, Union
from circuitkit.stimuli.distributions import Choice, LogUniform, Normal, Uniform
from circuitkit.stimuli.export import save
from circuitkit.stimuli.objects import Car, Head
from circuitkit.stimuli.parameter import hue, hues
from circuitkit.stimuli.paths import Corner, Curve, Divot, Evolute, Line, SCurve, Spiral, Teeth
from circuitkit.stimuli.patterns import (
    CentreSurround,
    Checkerboard,
    DifferenceOfGaussians,
    Dots,
    Gabor,
    Grating,
    HighLow,
    NoiseTexture,
    OrientedTexture,
    Picture,
    Plaid,
    PolarGrating,
    SquareGrating,
)
from circuitkit.stimuli.photographs import Photograph, Photographs, photographs
from circuitkit.stimuli.render import EXACT, FAST, Renderer
from circuitkit.stimuli.saved import Saved, load
from circuitkit.stimuli.sets import Grid, LabelledSet, Sample, Subset, grid, log, sample, turn, zipped
from circuitkit.stimuli.solids import Bar, Cross, Disc, Edge, Ellipse, Polygon, Ring, Star, TJunction, Wedge, YJunction
from circuitkit.stimuli.stimulus import CATALOGUE, Figure, Path, Pattern, Stimulus, stimulus
from circuitkit.stimuli.text import from_json, to_json

__all__ = [
    "CATALOGUE",
    "EXACT",
    "FAST",
    "Bar",
    "Car",
    "CentreSurround",
    "Checkerboard",
    "Choice",
    "ColourCentre",
    "ColourContrast",
    "Corner",
    "Cross",
    "Curve",
    "Difference",
    "DifferenceOfGaussians",
    "Disc",
    "Divot",
    "Dots",
    "Edge",
    "Ellipse",
    "Evolute",
    "Figure",
    "Gabor",
    "Grating",
    "Grid",
    "Head",
    "HighLow",
    "HueSweep",
    "HueWheel",
    "Intersection",
    "LabelledSet",
    "Line",
    "LogUniform",
    "NoiseTexture",
    "Normal",
    "Offset",
    "OrientedTexture",
    "Outline",
    "Path",
    "Pattern",
    "Photograph",
    "Photographs",
    "Picture",
    "Plaid",
    "PolarGrating",
    "Polygon",
    "Renderer",
    "Ring",
    "SCurve",
    "Sample",
    "Saved",
    "Spiral",
    "SquareGrating",
    "Star",
    "Stimulus",
    "Subset",
    "TJunction",
    "Teeth",
    "Uniform",
    "Union",
    "Wedge",
    "YJunction",
    "from_json",
    "grid",
    "hue",
    "hues",
    "load",
    "log",
    "photographs",
    "sample",
    "save",
    "stimulus",
    "to_json",
    "turn",
    "zipped",
]
