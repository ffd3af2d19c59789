"""Unioning over cases: pathways that are copies of each other, inhibit each other, and are united at the end.

    stages = [
        Family("snouts", Tile(lines, Corner(opening=36, length=44), tolerance=12), angles=1, mirrored=True),
        Family("heads", Tile("snouts", Away(shape=Line(length=4), x=38, y=-6), tolerance=30, spread=20)
                        + Tile(eyes, Away(shape=Line(length=4), x=8, y=6), spread=20), angles=1, mirrored=True),
    ]
    circuit = Circuit("heads", [*earlier, *pathways(*stages, into="head")])

Each stage is written for one case, and its family's group says which copies there are: a mirror for what faces left or
right (`angles=1, mirrored=True`), turns for what comes at n angles, or both. Each member of a family reads the members
of the stage before in poses relative to its own, so member i of each stage is a pathway. What excites a stage in other
pathways inhibits it (`Rival`). One unit unites what comes out.

**What the union is.** The mean of rectified responses: a convolution by a kernel of equal positive weights. A maximum
would be no convolution, and trained nets have none there. While only one pathway responds, which is what rivalry is
for, the mean is the maximum, over the number of pathways. Where the two differ, in images that hold two cases, the mean
adds up. Without the rectification the copies' inhibition would be subtracted in the sum, and excitation and rivalry of
equal strength would cancel: the ReLU before the union is what makes an OR of it.

**Why rivals.** A part says little about its case while it may lie anywhere near its place: then the other case's parts
excite as well. What is left once the excitation of the others is taken away is what tells the cases apart.

Source: Olah et al., "Zoom In: An Introduction to Circuits", Distill (2020), "Unioning over cases": two pathways for
heads of dogs, in InceptionV1, inhibit each other at every stage, and are united in mixed4b and 4c.
"""

import dataclasses

from circuitkit.errors import SpecError
from circuitkit.family import Family
from circuitkit.geometry import Scalar
from circuitkit.templates import Rival, Tile, Tiles, Union


def pathways(*stages: Family, into: str, rivalry: Scalar = 1.0) -> tuple[Family, ...]:
    """Returns the stages with rivals among their members, and the family of one unit that unites the last stage.

    Args:
        stages: In order, each a family of tiles, all of them with the same members (`angles`, `mirrored` and the rest).
            A tile that has a `Rival` of its own keeps it: give `Rival(0)` to one that is alike to all members, such as
            a ring about the anchor, or the members will silence each other.
        into: Name of the unit that unites them.
        rivalry: Strength of the inhibition at each stage, as a share of its excitation; see `Rival`. At 0 there is
            none.

    Raises:
        SpecError: If there is no stage, one has no tiles, or members that another one does not have.
    """
    if not stages:
        raise SpecError("pathways got no stages: wanted at least one family of tiles.")
    for stage in stages:
        if not stage.tiles:
            raise SpecError(
                f"pathways got family {stage.name!r}, which looks for a {type(stage.looks_for).__name__}: wanted "
                "tiles, since a pathway's stage reads earlier units."
            )
        if stage.unit_poses != stages[0].unit_poses:
            raise SpecError(
                f"pathways got {stages[0].name!r} with {len(stages[0])} members and {stage.name!r} with {len(stage)}, "
                "in other poses: wanted the same group for all stages, so that a member of each makes a pathway."
            )
    if len(stages[0]) == 1:
        raise SpecError(
            f"pathways got {stages[0].name!r} with one member: there is nothing to unite. Give it several angles, or "
            "mirrored=True."
        )
    rivals = tuple(dataclasses.replace(stage, looks_for=_rivalled(stage.tiles, rivalry)) for stage in stages)
    return *rivals, Family(into, Union(stages[-1].name, over_angles=True), angles=1)


def _rivalled(tiles: tuple[Tile, ...], strength: Scalar) -> Tile | Tiles:
    each = [tile if any(isinstance(term, Rival) for term in tile.minus) else tile - Rival(strength) for tile in tiles]
    return each[0] if len(each) == 1 else Tiles(tuple(each))
