"""Turns, mirrors, changes of scale and of hue, acting on all that a circuit has: points, images, angles and units.

A motion first mirrors about the x axis (if it does), then magnifies, turns, and turns the hue circle; only the first
two do not commute. The law of this library is

    network(motion of image) = motion of network(image),

where a motion moves the maps like images and permutes the units of each family. It holds to float32 rounding
for the *lattice motions*, which carry the pixel grid onto itself: quarter turns and mirrors (and whole-pixel
shifts, which need no permutation); and for turns of the hue circle, which no pixel notices. Changes of scale carry no
grid onto itself, and units at the end of a family's scales to none: they are no permutation, and a measured law.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from circuitkit.errors import SpecError
from circuitkit.geometry import cos_sin
from circuitkit.spec import Family, Pose

GONE = -1
"""In place of a unit's index: it is carried to a scale at which the family has none."""


@dataclasses.dataclass(frozen=True)
class Motion:
    """A mirror image, perhaps, and then a turn: an element of D_n. And a change of scale, and a turn of the hue circle.

    Attributes:
        turn: In degrees, counter-clockwise.
        mirror: Whether y changes sign before the turn.
        scale: How many times larger everything gets.
        hue: By how much the hue circle is turned, in degrees: 120 makes green of red.
    """

    turn: float = 0.0
    mirror: bool = False
    scale: float = 1.0
    hue: float = 0.0

    def __matmul__(self, first: "Motion") -> "Motion":
        """Returns the motion that does `first`, then this one."""
        turn = self.turn + (-first.turn if self.mirror else first.turn)
        hue = (self.hue + first.hue) % 360
        return Motion(turn % 360, self.mirror != first.mirror, self.scale * first.scale, hue)

    def inverse(self) -> "Motion":
        """Returns the motion that undoes this one."""
        turn = self.turn if self.mirror else -self.turn % 360
        return Motion(turn, self.mirror, 1 / self.scale, -self.hue % 360)

    def of_angle(self, angle: float) -> float:
        """Returns where a direction, in degrees, is carried."""
        return ((-angle if self.mirror else angle) + self.turn) % 360

    def of_points(
        self, x: Float[Array, "*points"], y: Float[Array, "*points"]
    ) -> tuple[Float[Array, "*points"], Float[Array, "*points"]]:
        """Returns where points are carried."""
        cos, sin = cos_sin(self.turn)
        y = -y if self.mirror else y
        return self.scale * (cos * x - sin * y), self.scale * (sin * x + cos * y)

    @property
    def on_lattice(self) -> bool:
        """Whether pixels are carried onto pixels."""
        return self.turn % 90 == 0 and self.scale == 1

    def of_pose(self, pose: Pose) -> Pose:
        """Returns the pose that a unit is carried to."""
        angle = (-pose.angle if self.mirror else pose.angle) + self.turn
        return Pose(angle % 360, (pose.hue + self.hue) % 360, pose.scale * self.scale, pose.mirrored != self.mirror)

    def of_images(self, images: Float[Array, "image h w channel"]) -> Float[Array, "image _ _ channel"]:
        """Returns images carried, exactly.

        Raises:
            SpecError: If the turn is no multiple of 90, or the scale changes: pixels would fall between pixels. Draw
                the stimulus turned, or larger, instead.
        """
        return self.of_colours(self._of_grid(images))

    def of_colours(self, images: Float[Array, "image h w channel"]) -> Float[Array, "image h w channel"]:
        """Returns images of which the hue circle is turned about grey: each pixel keeps its lightness and its chroma.

        Grey images, of one channel, stay as they are.
        """
        if self.hue % 360 == 0 or images.shape[-1] == 1:
            return images
        matrix = jnp.asarray(self.colour_matrix, images.dtype)
        return jnp.einsum("nhwc,dc->nhwd", images, matrix, precision="highest")

    @property
    def colour_matrix(self) -> Float[np.ndarray, "3 3"]:
        """What makes the red, green and blue of an image carried of those of the image: a turn about the grey axis.

        A third of a turn permutes the channels.
        """
        mixed = [(1 + 2 * cos_sin(self.hue - 120.0 * step)[0]) / 3 for step in range(3)]
        return np.array([[mixed[(row - column) % 3] for column in range(3)] for row in range(3)])

    def _of_grid(self, images: Float[Array, "image h w channel"]) -> Float[Array, "image _ _ channel"]:
        if self.scale != 1:
            raise SpecError(
                f"images cannot be magnified {self.scale:g} times without interpolation. Draw the stimulus larger "
                "instead."
            )
        if self.turn % 90 != 0:
            raise SpecError(
                f"images cannot be turned by {self.turn:g} degrees without interpolation: wanted a multiple of 90. "
                "Draw the stimulus turned instead."
            )
        flipped = images[:, ::-1] if self.mirror else images
        return jnp.rot90(flipped, int(self.turn // 90), axes=(1, 2))

    def of_units(self, family: Family) -> Int[np.ndarray, " unit"]:
        """Returns, for each unit of a family, the index of the unit that it is carried to.

        Under a change of scale some units, at the end of the family's scales, are carried to where none stands: theirs
        is `GONE`.

        Raises:
            SpecError: If the family has no unit there; or, under a change of scale, none anywhere.
        """
        carried = []
        for pose, name in zip(family.unit_poses, family.unit_names, strict=True):
            wanted = self.of_pose(pose)
            index = family.index(wanted)
            if index is None and family.index(wanted._replace(scale=pose.scale)) is None:
                raise SpecError(
                    f"family {family.name!r} has no unit at {_described(wanted, family)}, where {name} is carried: its "
                    f"members stand every {family.step:g} degrees"
                    + (f" and every {360 / family.hues:g} degrees of hue." if family.has_hue else ".")
                )
            carried.append(GONE if index is None else index)
        if set(carried) == {GONE}:
            raise SpecError(
                f"family {family.name!r} has no units {self.scale:g} times as large as its own, which are at scales "
                f"{family.scales}: wanted a change of scale between two of them."
            )
        return np.array(carried)

    def of_maps(self, maps: Float[Array, "image h w unit"], family: Family) -> Float[Array, "image _ _ unit"]:
        """Returns the maps that a family should give for images carried by this motion.

        Raises:
            SpecError: If the turn is no multiple of 90, the scale changes, or the family is not closed under it.
        """
        return self._of_grid(maps)[..., np.argsort(self.of_units(family))]


def _described(pose: Pose, family: Family) -> str:
    at = f"{pose.angle % family.turn:g} degrees"
    return at + (f" in the hue of {pose.hue:g} degrees" if family.has_hue else "")


def cyclic(order: int) -> tuple[Motion, ...]:
    """Returns the turns of C_n."""
    return tuple(Motion(index * 360 / order) for index in range(order))


def dihedral(order: int) -> tuple[Motion, ...]:
    """Returns the turns and mirrors of D_n."""
    return tuple(Motion(index * 360 / order, mirror) for mirror in (False, True) for index in range(order))


def hues(order: int) -> tuple[Motion, ...]:
    """Returns the turns of the hue circle of C_n."""
    return tuple(Motion(hue=index * 360 / order) for index in range(order))
