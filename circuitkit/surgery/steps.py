"""What is done to a net, step by step: plain values, which can be written down, compared and read again.

    steps = [
        Ablate("fire4", (130, 141)),                                       # silent
        Ablate("fire4", (7,), to=(0.31,)),                                 # held at what it is on average
        Replace("fire5", (200, 201), "fire5", (201, 200)),                 # exchanged
        Replace("fire5", (140,), "curves", (3,), of="by hand", gain=(0.4,), offset=(0.1,)),
        Cut("fire5", (150,), "fire4", (130, 141)),                         # 150 alone no longer sees them
        Edit("fire5_expand3x3_weight", "positive", units=(22,)),           # its inhibition is taken away
    ]
    from_json(to_json(steps)) == steps

Units are indices of a layer's channels. Sources of the steps: ablation and its variants as in Cammarata et al., "Curve
Detectors" and "Curve Circuits", Distill (2020, 2021); `Cut` is path patching (Goldowsky-Dill et al., "Localizing Model
Behavior with Path Patching", 2023), and with `other=True` what Chan et al. call resampling ablation ("Causal
Scrubbing", 2022).
"""

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

from circuitkit.errors import SpecError, unknown_name

FORMAT = "circuitkit surgery 1"

Units = tuple[int, ...]
Numbers = tuple[float, ...]
Rule = Literal["zero", "positive", "negative", "shuffled", "equivariant", "rest"]
RULES: tuple[Rule, ...] = get_args(Rule)


@dataclasses.dataclass(frozen=True)
class Ablate:
    """Units say the same whatever the image.

    Attributes:
        layer: Of the units.
        units: Which.
        to: What they say: one number for all, 0 for silence, or one a unit.
    """

    layer: str
    units: Units
    to: float | Numbers = 0.0

    def __post_init__(self) -> None:
        part = _check_units(self, self.units)
        _keep_numbers(self, "to", len(self.units), part)


@dataclasses.dataclass(frozen=True)
class Replace:
    """Units say what other units say: of the net before any surgery, or of another net, at the same places.

    A map of another net is read at the centres of the receptive fields of the units that it stands for, between places
    linearly. Then a unit says `gain` times that, plus `offset`, and if rectified nothing below 0.

    Attributes:
        layer: Of the units.
        units: Which.
        source: Layer of those that take their place.
        members: Which, one a unit.
        of: What the other net is called; the net itself if empty.
        gain: One number for all, or one a unit.
        offset: Likewise.
        rectify: Whether what is below 0 is cut off.
        rolled: By how many places maps are shifted down and to the right, round about.
        other: Whether they are read on another image.
    """

    layer: str
    units: Units
    source: str
    members: Units
    of: str = ""
    gain: float | Numbers = 1.0
    offset: float | Numbers = 0.0
    rectify: bool = True
    rolled: tuple[int, int] = (0, 0)
    other: bool = False

    def __post_init__(self) -> None:
        part = _check_units(self, self.units)
        if len(self.members) != len(self.units) or any(unit < 0 for unit in self.members):
            raise SpecError(f"{part} names {len(self.members)} members {self.members}: wanted one a unit, from 0.")
        for field in ("gain", "offset"):
            _keep_numbers(self, field, len(self.units), part)
        object.__setattr__(self, "members", tuple(self.members))
        object.__setattr__(self, "rolled", tuple(self.rolled))


@dataclasses.dataclass(frozen=True)
class Cut:
    """Units no longer see some units of an earlier layer, which all others see as before: a pathway is knocked out.

    Attributes:
        layer: Of the units.
        units: Which.
        source: The earlier layer.
        sources: Which of its units are not seen. All but a family leaves the weights from that family alone.
        to: What is seen of them instead; see `Ablate`.
        other: Whether they are seen as they are on another image; `to` then does not count.
    """

    layer: str
    units: Units
    source: str
    sources: Units
    to: float | Numbers = 0.0
    other: bool = False

    def __post_init__(self) -> None:
        part = _check_units(self, self.units)
        _check_units(self, self.sources, "sources")
        _keep_numbers(self, "to", len(self.sources), part)


@dataclasses.dataclass(frozen=True)
class Edit:
    """Weights are changed, for good.

    Rules: `zero` takes weights away; `positive` and `negative` keep those above or below 0; `shuffled` exchanges
    them among each other; `equivariant` keeps what depends on the relative pose of unit and source alone (see
    `relative_pose`), and `rest` all but that.

    Attributes:
        weight: What the net calls the kernel.
        rule: What becomes of its weights.
        units: Which outputs of the kernel; all if left out.
        sources: Which inputs of the kernel; all if left out.
        seed: Of `shuffled`.
        unit_angles: For `equivariant` and `rest`: in degrees, one a unit.
        source_angles: Likewise, one a source.
        unit_period: The turn that brings a unit back, in degrees.
        source_period: Likewise.
    """

    weight: str
    rule: Rule
    units: Units | None = None
    sources: Units | None = None
    seed: int = 0
    unit_angles: Numbers | None = None
    source_angles: Numbers | None = None
    unit_period: float = 360.0
    source_period: float = 360.0

    def __post_init__(self) -> None:
        part = f"Edit of weight {self.weight!r}"
        if self.rule not in RULES:
            raise unknown_name("rule", self.rule, RULES, owner=part)
        for name in ("units", "sources"):
            if getattr(self, name) is not None:
                _check_units(self, getattr(self, name), name)
        if self.rule not in ("equivariant", "rest"):
            return
        for angles, units in (("unit_angles", self.units), ("source_angles", self.sources)):
            given = getattr(self, angles)
            if given is None or units is None or len(given) != len(units):
                raise SpecError(f"{part} by rule {self.rule!r} needs units, sources, and an angle for each of both.")
            object.__setattr__(self, angles, tuple(float(angle) for angle in given))


Step = Ablate | Replace | Cut | Edit
_STEPS: dict[str, type[Any]] = {each.__name__: each for each in (Ablate, Replace, Cut, Edit)}


def to_json(steps: Sequence[Step]) -> str:
    """Returns steps as JSON text."""
    held = [{"step": type(step).__name__, **dataclasses.asdict(step)} for step in steps]
    return json.dumps({"format": FORMAT, "steps": held}, indent=2) + "\n"


def from_json(text: str) -> list[Step]:
    """Returns the steps that `to_json` wrote, or that someone wrote by hand.

    Raises:
        SpecError: If the text is no JSON, or no surgery, or a field is missing.
        UnknownNameError: If a step or a field is misspelt.
    """
    try:
        held = json.loads(text)
    except json.JSONDecodeError as error:
        raise SpecError(f"this surgery is no JSON: {error}.") from None
    if not isinstance(held, dict) or held.get("format") != FORMAT or not isinstance(held.get("steps"), list):
        raise SpecError(f"this text is no surgery: wanted an object with format {FORMAT!r} and a list of steps.")
    return [_read(dict(each), place) for place, each in enumerate(held["steps"])]


def _read(held: dict[str, Any], place: int) -> Step:
    name = held.pop("step", None)
    if name not in _STEPS:
        raise unknown_name("step", str(name), _STEPS, owner=f"step {place} of this surgery")
    fields = {field.name for field in dataclasses.fields(_STEPS[name])}
    for key in held:
        if key not in fields:
            raise unknown_name("field", key, fields, owner=f"step {place} of this surgery, {name}")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in held.items()}
    try:
        made: Step = _STEPS[name](**values)
    except TypeError as error:
        raise SpecError(f"step {place} of this surgery cannot be read: {error}.") from None
    return made


def _check_units(step: Any, units: Units, field: str = "units") -> str:
    """Keeps units as a tuple of whole numbers, or says what is wrong with them."""
    part = f"{type(step).__name__} in {getattr(step, 'layer', None) or step.weight!r}"
    held = tuple(units)
    if not held or len(set(held)) != len(held) or not all(float(unit).is_integer() and unit >= 0 for unit in held):
        raise SpecError(
            f"{part} has {field}={units!r}: wanted at least one whole number from 0 up, none of them twice."
        )
    object.__setattr__(step, field, tuple(int(unit) for unit in held))
    return part


def _keep_numbers(step: Any, field: str, count: int, part: str) -> None:
    """Keeps one number, or a tuple of one a unit; or says what is wrong with them."""
    value = getattr(step, field)
    held = (float(value),) if isinstance(value, int | float) else tuple(float(each) for each in value)
    if not all(map(math.isfinite, held)) or (len(held) != count and not isinstance(value, int | float)):
        raise SpecError(f"{part} has {field}={value!r}: wanted one finite number, or {count}, one a unit.")
    object.__setattr__(step, field, held[0] if isinstance(value, int | float) else held)
