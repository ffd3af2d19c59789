"""Specs as text: what is written can be read again, and nothing else can be."""

import json
import math

import numpy as np
import pytest
from hypothesis import given

from circuitkit.build import build
from circuitkit.errors import CircuitkitError, SpecError, UnknownNameError
from circuitkit.kernels import lay_out
from circuitkit.spec import Arc, Circuit, Crossing, Family, Gabor, Line, Tile
from circuitkit.spec_text import FORMAT, from_json, to_json
from handbuilt import circles, curves, decoys
from tests.strategies import CHIRAL_PLANS, PLANS, STRIDED_PLANS, circuits, unchecked

ALL_PLANS = (*PLANS, *CHIRAL_PLANS, *STRIDED_PLANS)

GABOR = {"class": "Gabor", "wavelength": 6, "sigma": 2}
LINE = {"class": "Line", "length": 4}
EDGES = {"class": "Family", "name": "edges", "looks_for": GABOR, "angles": 8}
UNION = {"class": "Union", "sources": ["edges"]}
TILE = {"class": "Tile", "sources": ["edges"], "along": LINE, "tolerance": 20}


def text(families: object, **more: object) -> str:
    return json.dumps({"format": FORMAT, "class": "Circuit", "name": "c", "families": families, **more})


def with_tile(**changed: object) -> str:
    return text([EDGES, {"class": "Family", "name": "lines", "looks_for": {**TILE, **changed}, "angles": 8}])


def with_gabor(**changed: object) -> str:
    return text([{**EDGES, "looks_for": {**GABOR, **changed}}])


@given(circuits(ALL_PLANS))
def test_what_is_written_is_read_again(circuit):
    again = from_json(to_json(circuit))
    assert again == circuit
    assert hash(again) == hash(circuit)
    assert to_json(again) == to_json(circuit)
    assert str(again) == str(circuit)
    assert lay_out(again) == lay_out(circuit)


@given(circuits(ALL_PLANS))
def test_what_is_read_draws_the_same_kernels(circuit):
    layers, again = build(circuit).layers, build(from_json(to_json(circuit))).layers
    assert list(layers) == list(again)
    for name in layers:
        np.testing.assert_array_equal(layers[name].kernel[...], again[name].kernel[...])


@given(circuits(ALL_PLANS))
def test_a_number_changed_in_the_text_is_changed_in_the_spec(circuit):
    data = json.loads(to_json(circuit))
    data["families"][0]["looks_for"]["sigma"] += 0.5
    changed = from_json(json.dumps(data))
    assert changed != circuit
    assert changed.families[0].looks_for.sigma == circuit.families[0].looks_for.sigma + 0.5
    assert changed.families[1:] == circuit.families[1:]


@pytest.mark.parametrize("spec", [curves.SPEC, circles.SPEC, *decoys.DECOYS.values()], ids=lambda spec: spec.name)
def test_the_handbuilt_circuits_survive(spec):
    assert from_json(to_json(spec)) == spec


def test_the_text_is_meant_to_be_read():
    circuit = Circuit("c", [Family("edges", Gabor(wavelength=6, sigma=2), angles=8)])
    assert to_json(circuit) == (
        "{\n"
        '  "format": "circuitkit spec 1",\n'
        '  "class": "Circuit",\n'
        '  "name": "c",\n'
        '  "families": [\n'
        "    {\n"
        '      "class": "Family",\n'
        '      "name": "edges",\n'
        '      "looks_for": {\n'
        '        "class": "Gabor",\n'
        '        "wavelength": 6.0,\n'
        '        "sigma": 2.0,\n'
        '        "phase": 90.0,\n'
        '        "hue": null\n'
        "      },\n"
        '      "angles": 8,\n'
        '      "hues": 1,\n'
        '      "scales": [\n'
        "        1.0\n"
        "      ],\n"
        '      "mirrored": false,\n'
        '      "twisted": false,\n'
        '      "period": 360.0,\n'
        '      "size": null,\n'
        '      "threshold": null,\n'
        '      "normalised": null,\n'
        '      "stride": 1\n'
        "    }\n"
        "  ]\n"
        "}\n"
    )


def test_text_written_by_hand_may_leave_out_what_has_a_default():
    edges = Family("edges", Gabor(wavelength=6, sigma=2), angles=8)
    written = Circuit("c", [edges, Family("lines", Tile(edges, Line(length=4), tolerance=20), angles=8)])
    assert from_json(with_tile()) == from_json(with_tile(sources="edges")) == written


REFUSED = {
    "no JSON": ("{", "this is no JSON (line 1, column 2: Expecting property name enclosed in double quotes)."),
    "no text": ("", "this is no JSON (line 1, column 1: Expecting value)."),
    "Python": ("Circuit('c', [])", "this is no JSON (line 1, column 1: Expecting value)."),
    "a list": ("[]", 'this JSON is no circuit: wanted an object with "format": "circuitkit spec 1".'),
    "no format": (
        '{"class": "Circuit"}',
        'this JSON is no circuit: wanted an object with "format": "circuitkit spec 1".',
    ),
    "another format": (
        text([EDGES], format="circuitkit spec 2"),
        'this JSON is no circuit: wanted an object with "format": "circuitkit spec 1".',
    ),
    "no circuit": (json.dumps({"format": FORMAT, **GABOR}), "this JSON describes a Gabor, not a Circuit."),
    "NaN": (with_gabor(sigma=math.nan), "the text holds NaN: wanted finite numbers only."),
    "infinity": (with_gabor(sigma=math.inf), "the text holds Infinity: wanted finite numbers only."),
    "minus infinity": (with_gabor(sigma=-math.inf), "the text holds -Infinity: wanted finite numbers only."),
    "infinity spelt out": (
        with_gabor().replace("2}", "1e999}"),
        "Gabor has sigma=inf: wanted a finite number of pixels above 0.",
    ),
    "a number as text": (
        with_gabor(sigma="2"),
        "Gabor has sigma='2': wanted a finite number of pixels above 0.",
    ),
    "a number left empty": (
        with_gabor(sigma=None),
        "Gabor has sigma=None: wanted a finite number of pixels above 0.",
    ),
    "what the spec itself refuses": (
        text([{**EDGES, "size": 8}]),
        "family 'edges' has size=8: an even kernel has no centre pixel, so its members would be shifted copies of each "
        "other. Try 7 or 9.",
    ),
    "families as text": (
        text("edges"),
        "circuit.families of this spec holds 'edges': wanted a list of Family.",
    ),
    "a template as a family": (
        text([GABOR]),
        "circuit.families of this spec holds (Gabor(wavelength=6.0, sigma=2.0, phase=90.0, hue=None),): wanted a list "
        "of Family.",
    ),
    "an inhibition as a template": (
        text([{**EDGES, "looks_for": {"class": "Crossing", "strength": 1}}]),
        "circuit.families[0].looks_for of this spec holds a Crossing: wanted Gabor or Spot or Union or Tile or Tiles.",
    ),
    "nothing as a template": (
        text([{**EDGES, "looks_for": None}]),
        "circuit.families[0].looks_for of this spec holds None: wanted Gabor or Spot or Union or Tile or Tiles.",
    ),
    "a list as a number": (
        with_gabor(sigma=[1, 2]),
        "circuit.families[0].looks_for.sigma of this spec holds (1, 2): wanted a number.",
    ),
    "a shape as a number": (
        with_gabor(sigma=LINE),
        "circuit.families[0].looks_for.sigma of this spec holds a Line: wanted a number.",
    ),
    "a template as a shape": (
        with_tile(along=GABOR),
        "circuit.families[1].looks_for.along of this spec holds a Gabor: wanted Arc or Away or Beside or Circle or "
        "Corner or Line or Spiral.",
    ),
    "a number as inhibitions": (
        with_tile(minus=0.7),
        "circuit.families[1].looks_for.minus of this spec holds 0.7: wanted a list of Crossing or OppositeArc or "
        "Flank or Reversed or HueFlank or Rival.",
    ),
    "a number as a source": (
        with_tile(sources=[3]),
        "circuit.families[1].looks_for.sources of this spec holds (3,): wanted names of families.",
    ),
    "a word as a switch": (
        text([EDGES, {"class": "Family", "name": "u", "looks_for": UNION | {"over_angles": "yes"}, "angles": 1}]),
        "circuit.families[1].looks_for.over_angles of this spec holds 'yes': wanted true or false.",
    ),
    "a number as a switch": (
        text([EDGES, {"class": "Family", "name": "u", "looks_for": UNION | {"over_angles": 1}, "angles": 1}]),
        "circuit.families[1].looks_for.over_angles of this spec holds 1: wanted true or false.",
    ),
    "a number as a name": (
        text([{**EDGES, "name": 3}]),
        "circuit.families[0].name of this spec holds 3: wanted text.",
    ),
}


@pytest.mark.parametrize(("spec", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_spec_is_refused(spec, message):
    with unchecked(), pytest.raises(SpecError) as refused:
        from_json(spec)
    assert str(refused.value) == message


UNKNOWN = {
    "a class": (
        text([{**EDGES, "looks_for": {**GABOR, "class": "Gabo"}}]),
        "circuit.families[0].looks_for of this spec has no class 'Gabo'. Did you mean 'Gabor'?",
    ),
    "a field": (
        with_gabor(wavelenght=6),
        "Gabor at circuit.families[0].looks_for has no field 'wavelenght'. Did you mean 'wavelength'?",
    ),
    "a source": (
        with_tile(sources=["edgs"]),
        "family 'lines' of circuit 'c' has no earlier family 'edgs'. Did you mean 'edges'?",
    ),
}


@pytest.mark.parametrize(("spec", "message"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_an_unknown_name_is_answered_with_the_nearest(spec, message):
    with pytest.raises(UnknownNameError) as refused:
        from_json(spec)
    assert str(refused.value) == message


def test_a_missing_class_or_field_is_refused_with_its_place():
    nameless = {key: value for key, value in EDGES.items() if key != "angles"}
    with unchecked(), pytest.raises(SpecError, match=r"Family at circuit.families\[0\] cannot be made: .*'angles'"):
        from_json(text([nameless]))
    with pytest.raises(UnknownNameError, match=r"circuit.families\[0\].looks_for of this spec has no class 'None'"):
        from_json(text([{**EDGES, "looks_for": {"wavelength": 6, "sigma": 2}}]))


@pytest.mark.parametrize("name", ["object", "os.system", "Inhibition", "Shape", "__class__", ["Gabor"], {}])
def test_no_class_but_those_of_a_spec_is_made(name):
    with pytest.raises(UnknownNameError, match="has no class"):
        from_json(text([{**EDGES, "looks_for": {"class": name}}]))


def test_nothing_is_evaluated(monkeypatch):
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("text was evaluated")

    for builtin in ("eval", "exec", "compile", "__import__"):
        monkeypatch.setattr(f"builtins.{builtin}", refuse)
    try:
        with unchecked():
            from_json(with_tile())
            for expression in ("__import__('os').getcwd()", "1 + 1", "Line(length=4)"):
                for spec in (with_gabor(sigma=expression), with_tile(along=expression), with_tile(minus=[expression])):
                    try:
                        from_json(spec)
                    except CircuitkitError:
                        continue
                    raise AssertionError(f"{expression!r} was accepted")
    finally:
        monkeypatch.undo()


def test_text_in_a_spec_stays_text():
    reason = "__import__('os').getcwd() \"\\ \u00e9 \n"
    tile = Tile("edges", Arc(radius=9, length=6), tolerance=20) - Crossing(0.5, reason=reason)
    circuit = Circuit(reason, [Family("edges", Gabor(wavelength=6, sigma=2), angles=8), Family("arcs", tile, angles=8)])
    assert from_json(to_json(circuit)) == circuit
