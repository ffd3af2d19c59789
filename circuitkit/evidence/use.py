"""Feature use: what later layers make of the unit is what one makes of the shape.

A unit that is read as a detector of the shape has outgoing weights that look like the shape's picture in the layer that
reads it (see `pictures`): later units that like the shape at this angle, at this place, take it as evidence for what
they are; those that like it at other angles take it as evidence against. The statistic is the **match**: the
correlation of the unit's expanded weights to the units of the later layer, at every place, with that picture. Nothing
is fitted. Chance is what control units reach, with shuffled weights and at the angle that suits them best: 0.06
(SqueezeNet 1.1, 95 of 100).

Criteria, beside chance:

* `match` at least 0.03. It is lower than for what a unit is made of: whatever reads the unit reads others as well.
* `angle_error` at most a sixth of the period: of all angles, the picture that the outgoing weights look like most is
  that of one within 60 degrees of the unit's own. Later layers join neighbours in angle into longer or rounder things,
  so this is wider than what the unit itself is held to.

Beside them: `ablation`, how much further the net's output moves when all units under test are silent than when as many
others of their layer are, matched in mean activation (the median of several such sets; 1 is no difference), and
`ablation_p`. A family need not matter more than others to be used as what it is: these are reported, not required.
For figures: the direction in which each later unit's positive weights from each unit lie, less the unit's own
angle. It is 0 for a circle that is made of curves, and 180 degrees for an evolute.

Source: Olah et al., "Zoom In", Distill (2020), Curve detectors, Feature use; "Naturally Occurring Equivariance in
Neural Networks", Distill (2020), for circles and evolutes; Cammarata et al., "Curve Circuits", Distill (2021), for
ablation.
"""

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float

from circuitkit import wiring
from circuitkit.errors import CircuitkitError, NetError
from circuitkit.evidence.ablation import ablated
from circuitkit.evidence.argument import Argument, Criterion, Subject
from circuitkit.evidence.pictures import Comparison, picture, sizes_of, with_profiles
from circuitkit.evidence.statistics import CHANCE, p_value
from circuitkit.hypothesis import Hypothesis
from circuitkit.stimuli import LabelledSet

Progress = Callable[[int, int], None]
"""Called with the number of steps done, and the number of all."""

NAME = "feature use"

IMAGES = 96
"""That ablations are tried on."""

OTHER_SETS = 19
"""Of other units that are silenced: p can fall to 0.05."""

NEAR = 8
"""Each unit is matched with one of so many others, the nearest in mean activation."""

FEWEST_ANGLES = 8
"""Units of a family, for later units to be asked whether they are organised by its angles."""

EXCHANGES = 199


def criteria(hypothesis: Hypothesis) -> dict[str, Criterion]:
    """Returns what the numbers must reach."""
    found = {"match": Criterion(at_least=0.03, why="less explains below a thousandth of the weights' spread")}
    if hypothesis.period is not None:
        found["angle_error"] = Criterion(at_most=hypothesis.period / 6, why="later layers join neighbours in angle")
    return found


def measure(subject: Subject, *, later: str | None = None, progress: Progress | None = None) -> Argument:
    """Returns how well the hypothesis explains what later units do with each unit.

    Args:
        subject: The units, their controls, and images for the ablation.
        later: The later layer; the next one that is made of the units' layer if left out (see `wiring.after`).
        progress: Called after each net, and after the ablation.
    """
    said, probe = subject.hypothesis, subject.probe
    claim = f"Later units take it as evidence for what a {said.name} at its own angle is part of."
    if probe.directions is not None:
        return Argument.untested(NAME, claim, "the units are directions, which no later layer reads by themselves")
    everyone, made = (subject, *subject.controls), []
    try:
        later = wiring.after(probe.net, probe.layer) if later is None else later
        if later is None:
            return Argument.untested(NAME, claim, f"no layer reads layer {probe.layer!r}")
        for done, each in enumerate(everyone):
            made.append(_Read(each, later))
            if progress is not None:
                progress(done + 1, len(everyone) + 1)
    except NetError as error:
        return Argument.untested(NAME, claim, f"its weights to later layers cannot be expanded: {error}")
    own, controls = made[0], made[1:]
    numbers, data = own.numbers(), own.data(controls)
    notes = [
        f"Weights of layer {later} from layer {probe.layer}; of the {len(own.drives)} later units "
        f"{int(own.drives.sum())} are driven by a {said.name} and take part."
    ]
    if "tuned_p" in data:
        share = {name: float((data[name] <= CHANCE).mean()) for name in ("tuned_p", "organised_p")}
        notes.append(
            f"Of the later units, {share['tuned_p']:.0%} weigh the units by angle (harmonics 1 and 2), and "
            f"{share['organised_p']:.0%} lay them towards or away from their angles, as circles and evolutes do; "
            f"{CHANCE:.0%} would by chance."
        )
    lost, why = _lost(subject)
    if lost is None:
        notes.append(f"Nothing was ablated, since {why}.")
    else:
        effect = lost.effect.mean("image").values
        numbers["ablation"] = ("unit", np.full(len(probe.unit_names), effect[0] / max(np.median(effect[1:]), 1e-12)))
        numbers["ablation_p"] = ("unit", np.full(len(probe.unit_names), p_value(effect[:1], effect[1:])[0]))
        data["ablation_effect"] = lost.effect
        notes.append(
            f"Without these units, what the net says moves by {effect[0]:.3g} ({lost.attrs['output']}, mean over "
            f"{lost.sizes['image']} images); without as many others as active, by {np.median(effect[1:]):.3g} (median "
            f"of {len(effect) - 1} sets, {effect[1:].min():.3g} to {effect[1:].max():.3g})."
        )
    if progress is not None:
        progress(len(everyone) + 1, len(everyone) + 1)
    return Argument(
        name=NAME,
        claim=claim,
        numbers=numbers,
        criteria=criteria(said),
        interval=own.interval(),
        null=own.null(controls),
        data=data,
        notes=notes,
    )


class _Read(Comparison):
    """A subject's weights to the later layer, beside the shape's picture there.

    Attributes:
        expanded: (unit, later, y, x): where the unit lies from the later unit that reads it.
    """

    def __init__(self, subject: Subject, later: str) -> None:
        probe, net = subject.probe, subject.probe.net
        channels = range(len(probe.unit_names)) if probe.channels is None else probe.channels
        found = wiring.expanded(net[later], probe.layer).isel(source=list(channels))
        self.expanded = found.rename(unit="later", source="unit").transpose("unit", "later", "y", "x")
        field = net.receptive_field(later)
        stride = (1, 1) if field is None else field.stride
        rows, columns = (
            2 * round(float(np.abs(self.expanded[axis]).max()) / step) + 1
            for axis, step in zip(("y", "x"), stride, strict=True)
        )
        shown = picture(
            net, later, subject.hypothesis, sizes=sizes_of(subject), window=(rows, columns), seed=subject.seed
        )
        # A unit that lies at p from the later unit has that later unit at -p: the shape is on the unit.
        down = nearest_places(-self.expanded.y.values, shown.y.values)
        across = nearest_places(-self.expanded.x.values, shown.x.values)
        gathered = np.einsum("uvyx,yr,xc->uvrc", self.expanded.values, down, across, optimize=True)
        super().__init__(subject, gathered.reshape(*gathered.shape[:2], -1), shown)

    def numbers(self) -> xr.Dataset:
        found: dict[str, object] = {"match": ("unit", self.match)}
        if self.subject.hypothesis.period is not None:
            found["angle_error"] = ("unit", self.angle_error, {"units": "degrees"})
        return xr.Dataset(found, coords={"unit": self.units})

    def directions(self) -> tuple[Float[np.ndarray, "unit later"], Float[np.ndarray, "unit later"]]:
        """Returns where each later unit's positive weights from each unit lie, in degrees, and how much there is."""
        positive = np.maximum(self.expanded.values, 0)
        y, x = self.expanded.y.values[:, None], self.expanded.x.values
        total = positive.sum((2, 3))
        down, across = (positive * y).sum((2, 3)), (positive * x).sum((2, 3))
        return np.rad2deg(np.arctan2(down, across)), total

    def data(self, controls: Sequence[Comparison]) -> xr.Dataset:
        """Returns what the figure needs."""
        said = self.subject.hypothesis
        direction, reading = self.directions()
        tile = self.expanded.values.sum((2, 3))
        data = xr.Dataset(
            {
                "reading": (("unit", "later"), reading, {"long_name": "sum of positive weights"}),
                "tile": (("unit", "later"), tile, {"long_name": "sum of weights over places"}),
            },
            coords={"unit": self.units, "later": list(map(str, self.expanded.later.values))},
            attrs={"layer": self.expanded.attrs["layer"], "from": self.subject.probe.layer, "shape": said.name},
        )
        if said.period is not None:
            data = with_profiles(data, self, controls)
        if said.period == 360:
            off = (direction - self.subject.poses.angle.values[:, None] + 180) % 360 - 180
            data["direction"] = ("unit", "later"), off, {"units": "degrees"}
            data["organised"] = "later", _organised(off, reading)
            data["organised"].attrs["long_name"] = "1 for a circle, -1 for an evolute, 0 for no order of directions"
            if len(off) >= FEWEST_ANGLES:
                data["organised_p"] = "later", self._organised_p(direction, reading)
                data["tuned_p"] = "later", self._tuned_p()
        return data

    def _organised_p(
        self, direction: Float[np.ndarray, "unit later"], reading: Float[np.ndarray, "unit later"]
    ) -> Float[np.ndarray, " later"]:
        """Returns how often directions are as orderly as each later unit's once the units' angles are exchanged."""

        def order(angles: Float[np.ndarray, " unit"]) -> Float[np.ndarray, " later"]:
            return np.abs(_organised(direction - angles[:, None], reading))

        return self._permuted(order)

    def _tuned_p(self) -> Float[np.ndarray, " later"]:
        """Returns how often weights follow exchanged angles, by first and second harmonics, as well as their own."""
        tiles = self.expanded.values.sum((2, 3))
        centred = tiles - tiles.mean(0)

        def explained(angles: Float[np.ndarray, " unit"]) -> Float[np.ndarray, " later"]:
            turns = np.deg2rad(angles)[:, None] * np.array([1.0, 2.0])
            basis, _ = np.linalg.qr(np.concatenate([np.ones((len(angles), 1)), np.cos(turns), np.sin(turns)], axis=1))
            return ((basis.T @ centred) ** 2).sum(0)

        return self._permuted(explained)

    def _permuted(
        self, statistic: Callable[[Float[np.ndarray, " unit"]], Float[np.ndarray, " later"]]
    ) -> Float[np.ndarray, " later"]:
        angles = self.subject.poses.angle.values.astype(float)
        rng = np.random.default_rng(self.subject.seed)
        own = statistic(angles) * (1 - 1e-9)
        reached = np.stack([statistic(rng.permutation(angles)) >= own for _ in range(EXCHANGES)]).sum(0)
        return np.asarray((1 + reached) / (1 + EXCHANGES))


def nearest_places(
    offsets: Float[np.ndarray, " offset"], places: Float[np.ndarray, " place"]
) -> Float[np.ndarray, "offset place"]:
    """Returns 1 where a place is the nearest to an offset; shared by two that are equally near."""
    apart = np.abs(offsets[:, None] - places)
    near = np.isclose(apart, apart.min(1, keepdims=True))
    return near / near.sum(1, keepdims=True)


def _organised(
    off: Float[np.ndarray, "unit later"], reading: Float[np.ndarray, "unit later"]
) -> Float[np.ndarray, " later"]:
    """Returns how much the weights of each later unit lie towards the units' angles (1) or away from them (-1)."""
    total = reading.sum(0)
    return (reading * np.cos(np.deg2rad(off))).sum(0) / np.where(total > 0, total, 1)


def _lost(subject: Subject) -> tuple[xr.Dataset | None, str]:
    """Returns what is lost without the units, and without sets of others; or why that is not known."""
    probe = subject.probe
    net, layer, images = probe.net, probe.layer, subject.images
    if images is None:
        return None, "there are no images"
    own = list(range(len(probe.unit_names)) if probe.channels is None else probe.channels)
    rest = [index for index in range(len(net.unit_names(layer))) if index not in own]
    if len(rest) < 2 * len(own):
        return None, f"layer {layer!r} has fewer than twice as many other units"
    rng = np.random.default_rng(subject.seed)
    chosen = np.sort(rng.choice(len(images), min(IMAGES, len(images)), replace=False))
    shown: LabelledSet = images[chosen]
    try:
        activity = ablated(net, layer, {"none": []}, shown).activity.values
        sets = {"units": own}
        for number in range(OTHER_SETS):
            sets[f"others {number}"] = _matched(own, rest, activity, rng)
        return ablated(net, layer, sets, shown), ""
    except CircuitkitError as error:
        return None, str(error).rstrip(".")


def _matched(
    own: list[int], rest: list[int], activity: Float[np.ndarray, " channel"], rng: np.random.Generator
) -> list[int]:
    """Returns as many other units, each near to one of the own in mean activation."""
    left = list(rest)
    found = []
    for unit in rng.permutation(own):
        order = np.argsort(np.abs(activity[left] - activity[unit]), kind="stable")[:NEAR]
        found.append(left.pop(int(rng.choice(order))))
    return found
