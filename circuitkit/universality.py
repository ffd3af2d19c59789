"""The periodic table of features: which handwritten unit each unit of a net is like, over many nets.

    references = {"curve": handbuilt["curves", [0]], "line": ..., ...}          # one unit each, written by hand
    elements = references_of(references)
    found = census(net, elements)
    found.table                              # pandas: layer, unit, feature, likeness, level, angle, depth, found
    found.counts                             # feature: how many units, where, how like, how many by chance
    kinship(found, census(other, elements))  # do families of one net find themselves in the other?

A unit is found for the reference that it is most like (see `signature`), over chance: its likeness has to be above that
of 99 of 100 units of the same layer when the net's weights are shuffled, and at least 0.4. Of a net of chance at most
one unit in a hundred is found for each feature. Units of one net share what they read, so a shuffled net may have
several times as many, or none: shuffled and untrained nets belong into every table.

Source: Olah et al., "Zoom In: An Introduction to Circuits", Distill (2020), Claim 3, and its footnote on a periodic
table of visual features; there nets are compared by eye.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from circuitkit import checks, controls, wiring
from circuitkit.errors import ImageError, NetError, SpecError, unknown_name
from circuitkit.probe import Net, Probe
from circuitkit.relative_angle import Block, profile
from circuitkit.signature import ANGLES, battery, match, signature, signatures

Progress = Callable[[str, int, int], None]
"""Called with what is measured, the number of images done, and the number of all."""

LEVEL = 0.99
"""Share of the units of shuffled nets that have to be less like a feature than a unit that is found."""

LEAST = 0.4
"""What a likeness has to be, whatever chance gives."""

SEED = 4_000_037
"""Of the shuffled nets that set levels, added to a seed: a shuffled net under test must not set its own."""


@dataclasses.dataclass(frozen=True, eq=False)
class Census:
    """What the units of a net are like.

    Attributes:
        net: The net.
        table: A row a unit: `layer`, `unit`, `feature` (the reference that is most like it), `likeness`, `level` (that
            of chance), `angle` in degrees from the reference's own, `depth` (0 for the first layer, 1 for the last) and
            `found`.
        signatures: Of all units, by layer.
        skipped: Layers that could not be measured, each with the reason.
    """

    net: Net
    table: pd.DataFrame
    signatures: dict[str, xr.DataArray]
    skipped: dict[str, str]

    @property
    def counts(self) -> pd.DataFrame:
        """A row a feature: `units` found, `of` how many, `by_chance` (what a net of chance has at most, on average).

        Then the `layer` that has most of them, and the mean `depth` and median `likeness` of all.
        """
        rows = []
        for feature in self.table.feature.cat.categories:
            mine = self.table[(self.table.feature == feature) & self.table.found]
            rows.append(
                {
                    "feature": feature,
                    "units": len(mine),
                    "of": len(self.table),
                    "by_chance": (1 - LEVEL) * len(self.table),
                    "layer": mine.layer.mode().iloc[0] if len(mine) else "",
                    "depth": mine.depth.mean(),
                    "likeness": mine.likeness.median(),
                }
            )
        return pd.DataFrame(rows).set_index("feature")

    def family(self, feature: str, layer: str | None = None) -> pd.DataFrame:
        """Returns the units found for a feature, in the layer that has most of them or a given one, by angle.

        Raises:
            UnknownNameError: If there is no such feature.
        """
        if feature not in self.table.feature.cat.categories:
            raise unknown_name("feature", feature, self.table.feature.cat.categories, owner="the census")
        mine = self.table[(self.table.feature == feature) & self.table.found]
        if layer is None and len(mine):
            layer = str(mine.layer.mode().iloc[0])
        return mine[mine.layer == layer].sort_values("angle", kind="stable")

    def mean_signature(self, feature: str) -> xr.DataArray | None:
        """Returns the mean signature of a family, all turned to one angle and of one size; None if it is empty."""
        members = self.family(feature)
        if members.empty:
            return None
        held = self.signatures[members.layer.iloc[0]].sel(unit=list(members.unit))
        steps = np.rint(members.angle.to_numpy() * ANGLES / 360).astype(int)
        values = np.stack([np.roll(each, -step, -1) for each, step in zip(held.values, steps, strict=True)])
        values /= np.sqrt((values**2).mean((1, 2), keepdims=True))
        return held.isel(unit=[0]).copy(data=values.mean(0, keepdims=True)).assign_coords(unit=[feature])


def references_of(units: Mapping[str, Probe], *, progress: Progress | None = None) -> xr.DataArray:
    """Returns the signatures of the units that features are named after.

    Args:
        units: One unit each, by the name of the feature; all of one family are the same but for their angle.
        progress: Called after each chunk of images.

    Raises:
        SpecError: If there are none, or a probe has several units, or one responds to nothing in the battery.
    """
    if not units:
        raise SpecError("a census needs references: at least one unit, by the name of its feature.")
    found = []
    for feature, probe in units.items():
        if len(probe.unit_names) != 1:
            raise SpecError(f"the reference for {feature!r} has {len(probe.unit_names)} units: wanted one.")
        held = signature(probe, progress=_of(progress, feature))
        if not held.values.any():
            raise SpecError(f"the reference for {feature!r} responds to no figure of the battery: leave it out.")
        found.append(held.assign_coords(unit=[feature]).drop_attrs())
    return xr.concat(found, "unit")


def census(
    net: Net,
    references: xr.DataArray,
    *,
    layers: Sequence[str] | None = None,
    shuffles: int = 4,
    seed: int = 0,
    store: Path | None = None,
    progress: Progress | None = None,
) -> Census:
    """Compares all units of a net with references, and with what its own shuffled weights are like.

    Args:
        net: Any net whose weights can be reached.
        references: From `references_of`.
        layers: Which ones; left out, all that see part of the image and are not just seen again further on.
        shuffles: How many shuffled nets set the level of chance.
        seed: Of the shuffles.
        store: A folder in which responses are kept, so that it goes on where it was interrupted.
        progress: Called after each chunk of images.

    Raises:
        UnknownNameError: If the net has no such layer.
        ImageError: If units respond with NaN.
        NetError: If no layer can be measured, or the net's weights cannot be reached.
    """
    checks.whole("census", "shuffles", shuffles)
    for layer in layers or ():
        if layer not in net.layers:
            raise unknown_name("layer", layer, net.layers, owner=f"net {net.name!r}")
    nulls = [controls.shuffled(net, SEED + seed + draw) for draw in range(shuffles)]
    known = [layer for layer in net.distinct_layers if net.receptive_field(layer) is not None]
    wanted, skipped = [], {}
    for layer in known if layers is None else layers:
        try:
            net[layer].site()
        except ImageError as error:
            skipped[layer] = str(error)
        else:
            wanted.append(layer)
    if not wanted:
        raise NetError(f"no layer of net {net.name!r} can be measured: {'; '.join(skipped.values()) or 'it has none'}.")

    def of(each: Net) -> list[xr.DataArray]:
        probes, told = [each[layer] for layer in wanted], _of(progress, each.name)
        found = signatures(probes, battery(), store=store, progress=told)
        return [held.sel(view="image", drop=True) for held in found]

    mine = dict(zip(wanted, of(net), strict=True))
    # Of each shuffled net in turn, so that no more than one is at hand.
    chance = [[match(held, references).likeness.values for held in of(null)] for null in nulls]
    tables = []
    for place, (layer, held) in enumerate(mine.items()):
        level = np.quantile(np.concatenate([each[place] for each in chance]), LEVEL, axis=0)
        depth = known.index(layer) / max(len(known) - 1, 1) if layer in known else np.nan
        tables.append(_rows(layer, match(held, references), level, depth=depth))
    table = pd.concat(tables, ignore_index=True)
    table["feature"] = pd.Categorical(table.feature, categories=[str(each) for each in references.unit.values])
    return Census(net, table, mine, skipped)


def _rows(layer: str, seen: xr.Dataset, level: np.ndarray, *, depth: float) -> pd.DataFrame:
    """Returns a row for each unit of a layer."""
    likeness = seen.likeness.values
    # Most like, over chance: some references are more like anything than others.
    best = np.argmax(likeness - level[None], axis=1)
    units = np.arange(len(best))
    return pd.DataFrame(
        {
            "layer": layer,
            "unit": seen.unit.values,
            "feature": seen.reference.values[best],
            "likeness": likeness[units, best],
            "level": level[best],
            "angle": seen.turn.values[units, best],
            "depth": depth,
            "found": likeness[units, best] > np.maximum(level[best], LEAST),
        }
    )


def kinship(first: Census, second: Census) -> pd.DataFrame:
    """Compares the families of two nets with each other.

    Returns:
        A row for each feature that both have: `likeness` of the two mean signatures, `of_others` (the largest to a
        family of another feature) and `itself`, whether the family of the same feature is the most alike.
    """
    features = [str(each) for each in first.table.feature.cat.categories]
    mine = {each: held for each in features if (held := first.mean_signature(each)) is not None}
    theirs = {each: held for each in features if (held := second.mean_signature(each)) is not None}
    rows = []
    for feature in [each for each in mine if each in theirs]:
        alike = {other: float(match(mine[feature], held).likeness[0, 0]) for other, held in theirs.items()}
        others = [value for other, value in alike.items() if other != feature]
        rows.append(
            {
                "feature": feature,
                "likeness": alike[feature],
                "of_others": max(others, default=np.nan),
                "itself": alike[feature] > max(others, default=-1.0),
            }
        )
    return pd.DataFrame(rows, columns=["feature", "likeness", "of_others", "itself"]).set_index("feature")


def by_relative_angle(
    found: Census, source: str, feature: str, *, bins: int = 12, draws: int = 199, seed: int = 0
) -> xr.Dataset | None:
    """Returns what the units of one family weigh for those of a later one, by the angle between them.

    Every layer with two units of the first family is taken, and the next layer with two of the second that can be
    reached from it. Weights are expanded through what lies between, and summed over all places. `profile` is their mean
    at each relative angle, over the root mean square of all weights between the two layers; `null` the same when the
    sources' angles are exchanged within their layer.

    Args:
        found: The census of a net.
        source: The feature whose units are read.
        feature: The feature whose units read them.
        bins: Of relative angle, over 360 degrees.
        draws: Of exchanged angles.
        seed: Of the draws.

    Returns:
        `profile` and `pairs` (relative_angle), `null` (draw, relative_angle); None if the net lacks one of the
        families, or no weights lead from one to the other alone. Attribute `layers` says which ones they are.
    """
    order, blocks, said = list(found.signatures), [], []
    for place, layer in enumerate(order):
        sources = found.family(source, layer)
        for target in order[place + 1 :] if len(sources) > 1 else ():
            units = found.family(feature, target)
            if len(units) < 2:
                continue
            try:
                read = wiring.expanded(found.net[target, [str(each) for each in units.unit]], layer)
            except NetError:  # something leads around the layer
                continue
            weights = read.sel(source=[str(each) for each in sources.unit]).sum(("y", "x")).values
            blocks.append(Block(weights, units.angle.to_numpy(), sources.angle.to_numpy()))
            said.append(f"{layer} to {target}")
            break
    if not blocks:
        return None
    return profile(blocks, bins=bins, draws=draws, seed=seed).assign_attrs(net=found.net.name, layers="; ".join(said))


def _of(progress: Progress | None, name: str) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress(name, done, total)
