"""Find: every unit of a net, layer by layer, held against one hypothesis.

    found = ck.find(net, hypothesis.curve())
    found.table                     # pandas: layer, unit, verdict, score, angle, radius, fwhm, echo, ...
    found.families()                # what it found, layer by layer, ordered by angle

A unit is found if the argument of synthetic examples holds for it: see `evidence.synthetic` for the criteria, which are
strict, because loose ones find curve detectors in nets of shuffled weights. Nothing is tuned to a net: the units' poses
and everything else come from the sweep itself.
"""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from circuitkit.errors import CircuitkitError, NetError, StoreError, unknown_name
from circuitkit.evidence import synthetic
from circuitkit.evidence.posing import POSING_LOOKS, POSING_SEED, poses, respond
from circuitkit.hypothesis import Hypothesis
from circuitkit.probe import Net, Probe

Progress = Callable[[str, int, int], None]
"""Called with the layer, the number of its stimuli done, and the number of all."""

LOOKS = 16

SMALLEST = 9
"""Pixels that a unit has to see, along each axis, to see a shape at all."""


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """What was found in a net.

    Attributes:
        net_name: Of the net.
        hypothesis: What was looked for.
        layers: What `scan` says of each, by name.
        skipped: Layers that could not be scanned, each with the reason.
    """

    net_name: str
    hypothesis: Hypothesis
    layers: dict[str, xr.Dataset]
    skipped: dict[str, str]

    @property
    def table(self) -> pd.DataFrame:
        """All units, those found first, the most selective first; one row each."""
        size = self.hypothesis.size or "size"
        frames = []
        for depth, (layer, found) in enumerate(self.layers.items()):
            numbers = {str(name): found[name].values for name in found.data_vars if found[name].dims == ("unit",)}
            front = {
                "layer": layer,
                "unit": found.unit.values,
                "verdict": np.where(numbers.pop("holds"), "yes", "no"),
                "score": numbers.pop("selectivity"),
                "angle": numbers.pop("angle"),
                size: numbers.pop("size"),
                "depth": depth,
            }
            why = numbers.pop("why_not")
            frames.append(pd.DataFrame({**front, **numbers, "why_not": why}))
        if not frames:
            return pd.DataFrame(columns=["layer", "unit", "verdict", "score", "angle", size, "depth", "why_not"])
        table = pd.concat(frames, ignore_index=True)
        return table.sort_values(["verdict", "score"], ascending=False, kind="stable", ignore_index=True)

    def families(self, *, least: int = 2) -> dict[str, xr.Dataset]:
        """Returns the units found in each layer that has at least so many of them, ordered by angle."""
        members = {layer: found.isel(unit=np.flatnonzero(found.holds.values)) for layer, found in self.layers.items()}
        return {
            layer: found.isel(unit=np.argsort(found.angle.values, kind="stable"))
            for layer, found in members.items()
            if found.sizes["unit"] >= least
        }


def find(
    net: Net,
    hypothesis: Hypothesis,
    *,
    layers: Sequence[str] | None = None,
    looks: int = LOOKS,
    seed: int = 0,
    store: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Found:
    """Holds every unit of every layer against a hypothesis.

    Args:
        net: Any net.
        hypothesis: What to look for.
        layers: Which ones; left out, all whose units are not seen again further on (see `distinct`).
        looks: In how many looks the shape and its rivals are shown.
        seed: Of the looks.
        store: A folder that keeps each layer when it is done; the same search goes on from there.
        progress: Called after each chunk.

    Raises:
        UnknownNameError: If the net has no such layer.
        StoreError: If the store holds another search.
    """
    if layers is not None:
        for layer in layers:
            if layer not in net.layers:
                raise unknown_name("layer", layer, net.layers, owner=f"net {net.name!r}")
    wanted = distinct(net) if layers is None else tuple(layers)
    found: dict[str, xr.Dataset] = {}
    skipped: dict[str, str] = {}
    folder = None if store is None else Path(store)
    for layer in wanted:
        probe = net[layer]
        try:
            identity = _identity(probe, hypothesis, looks, seed)
            kept = None if folder is None else _kept(folder, layer, identity)
            if kept is None:

                def report(done: int, total: int, layer: str = layer) -> None:
                    if progress is not None:
                        progress(layer, done, total)

                kept = scan(probe, hypothesis, looks=looks, seed=seed, progress=report)
                if folder is not None:
                    _keep(folder, layer, kept.assign_attrs(identity=identity))
        except StoreError:
            raise
        except CircuitkitError as error:
            if layers is not None:
                raise
            skipped[layer] = str(error)
            continue
        found[layer] = kept
    return Found(net.name, hypothesis, found, skipped)


def scan(
    probe: Probe,
    hypothesis: Hypothesis,
    *,
    looks: int = LOOKS,
    seed: int = 0,
    replica: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """Holds some units of one layer against a hypothesis.

    Args:
        probe: The units.
        hypothesis: What to look for.
        looks: In how many looks the shape and its rivals are shown.
        seed: Of the looks.
        replica: Tested with the levels that are kept for replication; poses are still measured on the others.
        progress: Called after each chunk.

    Returns:
        Over `unit`: `angle` in degrees, `size` in pixels, every number of `synthetic.numbers`, `holds`, `why_not` (the
        first criterion that failed), and `tuning` (angle, size, unit).
    """
    posing = respond(probe, hypothesis, looks=POSING_LOOKS, seed=seed + POSING_SEED, rivals=False)
    stand = poses(posing)
    seen = respond(probe, hypothesis, looks=looks, seed=seed, replica=replica, progress=progress)
    numbers = synthetic.numbers(seen, stand)
    holds = np.ones(numbers.sizes["unit"], bool)
    why = np.full(numbers.sizes["unit"], "", object)
    for name, criterion in synthetic.criteria(hypothesis).items():
        met = criterion.met(numbers[name]).values
        first = holds & ~met
        why[first] = [f"{name} {value:.2f}, wanted {criterion}" for value in numbers[name].values[first]]
        holds &= met
    tuning = seen.shape.mean("look")
    shown = xr.DataArray(
        tuning.values,
        dims=("shown_angle", "shown_size", "unit"),
        coords={"shown_angle": tuning.angle.values, "shown_size": tuning["size"].values},
    )
    return xr.Dataset(
        {
            **{name: numbers[name] for name in numbers.data_vars},
            "angle": stand["angle"],
            "size": stand["size"],
            "holds": ("unit", holds),
            "why_not": ("unit", why.astype(str)),
            "tuning": shown,
        }
    )


def distinct(net: Net) -> tuple[str, ...]:
    """Returns the layers whose units are worth a look, in order.

    Left out are layers that see the whole image or too little of it, and those whose units are just seen again further
    on; see `Net.distinct_layers`.
    """
    kept = []
    for layer in net.distinct_layers:
        field = net.receptive_field(layer)
        if field is not None and min(field.size) >= SMALLEST:
            kept.append(layer)
    if not kept:
        raise NetError(f"net {net.name!r} has no layer whose units see part of an image: name one with layers=.")
    return tuple(kept)


def _identity(probe: Probe, hypothesis: Hypothesis, looks: int, seed: int) -> str:
    """Returns what tells one search from another: net, hypothesis and looks."""
    site = probe.site()
    weights = probe.reading(site, images=1, channels=3, rows=(site.unit[0], site.unit[0] + 1)).fingerprint
    said = {
        field.name: getattr(hypothesis, field.name)
        for field in dataclasses.fields(hypothesis)
        if field.name != "circuit"
    }
    return hashlib.sha256(repr((probe.net.name, probe.layer, weights, said, looks, seed)).encode()).hexdigest()


def _path(folder: Path, layer: str) -> Path:
    return folder / f"{layer.replace('/', '-')}.nc"


def _kept(folder: Path, layer: str, identity: str) -> xr.Dataset | None:
    """Returns what a search that was interrupted knows of a layer, or None."""
    path = _path(folder, layer)
    if not path.exists():
        return None
    try:
        kept = xr.load_dataset(path, engine="scipy")
    except (OSError, ValueError, TypeError) as error:
        raise StoreError(f"{path} is no part of a search ({error}): remove it, or name another folder.") from None
    if kept.attrs.get("identity") != identity:
        raise StoreError(
            f"{path} is of another search: of another net, hypothesis, number of looks or seed. Name another folder, "
            "or remove this one."
        )
    return kept.assign(holds=kept.holds.astype(bool), why_not=kept.why_not.astype(str))


def _keep(folder: Path, layer: str, found: xr.Dataset) -> None:
    """Writes a layer under another name and renames it, so that it is there whole or not at all."""
    path = _path(folder, layer)
    part = path.with_name(f".{path.name}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found.assign(holds=found.holds.astype(np.int8)).to_netcdf(part, engine="scipy")
        part.replace(path)
    except OSError as error:
        raise StoreError(f"{folder} cannot be written ({error.strerror or error}): name another folder.") from None
