"""Turns and mirrors, acting on everything that a circuit has: points, images, angles and units.

A motion first mirrors about the x axis (if it does), then turns. The law of this library is

    network(motion of image) = motion of network(image),

where a motion moves the maps like images and permutes the units of each family. It holds to float32 rounding
for the *lattice motions*, which carry the pixel grid onto itself: quarter turns and mirrors (and whole-pixel
shifts, which need no permutation).
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from circuitkit.errors import SpecError
from circuitkit.geometry import angle_between, cos_sin
from circuitkit.spec import Family


@dataclasses.dataclass(frozen=True)
class Motion:
    """A mirror image, perhaps, and then a turn; an element of D_n.

    Attributes:
        turn: In degrees, counter-clockwise.
        mirror: Whether y changes sign before the turn.
    """

    turn: float = 0.0
    mirror: bool = False

    def __matmul__(self, first: "Motion") -> "Motion":
        """Returns the motion that does `first`, then this one."""
        turn = self.turn + (-first.turn if self.mirror else first.turn)
        return Motion(turn % 360, self.mirror != first.mirror)

    def inverse(self) -> "Motion":
        """Returns the motion that undoes this one."""
        return Motion(self.turn if self.mirror else -self.turn % 360, self.mirror)

    def of_angle(self, angle: float) -> float:
        """Returns where a direction, in degrees, is carried."""
        return ((-angle if self.mirror else angle) + self.turn) % 360

    def of_points(
        self, x: Float[Array, "*points"], y: Float[Array, "*points"]
    ) -> tuple[Float[Array, "*points"], Float[Array, "*points"]]:
        """Returns where points are carried."""
        cos, sin = cos_sin(self.turn)
        y = -y if self.mirror else y
        return cos * x - sin * y, sin * x + cos * y

    def of_images(self, images: Float[Array, "image h w channel"]) -> Float[Array, "image _ _ channel"]:
        """Returns images carried, exactly.

        Raises:
            SpecError: If the turn is no multiple of 90: pixels would fall between pixels. Draw the stimulus
                turned instead.
        """
        if self.turn % 90 != 0:
            raise SpecError(
                f"images cannot be turned by {self.turn:g} degrees without interpolation: wanted a multiple of 90. "
                "Draw the stimulus turned instead."
            )
        flipped = images[:, ::-1] if self.mirror else images
        return jnp.rot90(flipped, int(self.turn // 90), axes=(1, 2))

    def of_units(self, family: Family) -> Int[np.ndarray, " unit"]:
        """Returns, for each unit of a family, the index of the unit that it is carried to.

        Raises:
            SpecError: If the family has no unit there.
        """
        carried = []
        for angle, tangent in zip(family.unit_angles, family.unit_tangents, strict=True):
            # A path bulges to its right, in the mirror too: so the mirror image of a path runs along minus its
            # tangent, backwards. For edges and arcs that is minus the angle; a line of arcs, it turns round.
            runs = 180.0 - tangent if self.mirror else tangent
            wanted = (angle + runs - tangent + self.turn) % 360
            apart = [abs(angle_between(wanted, other, family.turn)) for other in family.unit_angles]
            if min(apart) > 1e-6:
                raise SpecError(
                    f"family {family.name!r} has no unit at {wanted % family.turn:g} degrees, where "
                    f"{family.name}@{angle:g} is carried: its members stand every {family.step:g} degrees."
                )
            carried.append(int(np.argmin(apart)))
        return np.array(carried)

    def of_maps(self, maps: Float[Array, "image h w unit"], family: Family) -> Float[Array, "image _ _ unit"]:
        """Returns the maps that a family should give for images carried by this motion.

        Raises:
            SpecError: If the turn is no multiple of 90, or the family is not closed under it.
        """
        return self.of_images(maps)[..., np.argsort(self.of_units(family))]


def cyclic(order: int) -> tuple[Motion, ...]:
    """Returns the turns of C_n."""
    return tuple(Motion(index * 360 / order) for index in range(order))


def dihedral(order: int) -> tuple[Motion, ...]:
    """Returns the turns and mirrors of D_n."""
    return tuple(Motion(index * 360 / order, mirror) for mirror in (False, True) for index in range(order))
