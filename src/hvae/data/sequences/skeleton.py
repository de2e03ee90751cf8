r"""What moves: a tree of joints, and where each of them is, by forward kinematics.

$$G_j = G_{p(j)} T_j R_j, \qquad x_j = G_j (0, 0, 0, 1)^\top$$

of homogeneous coordinates, with p(j) the joint above j, T its offset, in place of whose coordinates stand the
positions that are recorded, and R the product of its rotations in the order of its channels, by degrees
(Meredith and Maddock 2001, Motion Capture File Formats Explained, sec. 3).

Shapes: `T` steps; `J` joints; `V` channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from hvae.data.transforms import Array
from hvae.records import JSON

POSITIONS, ROTATIONS = "XYZ", "xyz"
"""A letter for each kind of channel: along an axis, and around it."""


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """Joints, each after the one it hangs from: `parents` (-1: none), `offsets` (3 J) from there, and `channels`, a
    letter for each in the order of the recorded numbers.  What ends a limb has a name, "", and no channel.

    >>> arm = Skeleton(names=("a", ""), parents=(-1, 0), offsets=(0.0, 0.0, 0.0, 2.0, 0.0, 0.0), channels=("z", ""))
    >>> arm.positions(np.array([[0.0], [90.0]]))[:, 1].round(6) + 0.0
    array([[2., 0., 0.],
           [0., 2., 0.]])
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: tuple[float, ...]
    channels: tuple[str, ...]

    @property
    def width(self) -> int:
        """Recorded numbers a step, V."""
        return sum(map(len, self.channels))

    def is_like(self, other: Skeleton) -> bool:
        """Whether recorded numbers mean the same of both, though bones may have other lengths."""
        return (self.names, self.parents, self.channels) == (other.names, other.parents, other.channels)

    def turns(self) -> Array:
        """Which of the recorded numbers are rotations, (V,)."""
        return np.array([letter in ROTATIONS for some in self.channels for letter in some])

    def positions(self, values: Array) -> Array:
        """Where the joints are, (T, J, 3), of recorded numbers (T, V)."""
        turns: list[Array] = []
        places: list[Array] = []
        for parent, local, turn in self._locals(np.asarray(values, np.float64)):
            whole = parent >= 0
            places.append(places[parent] + np.einsum("tij,tj->ti", turns[parent], local) if whole else local)
            turns.append(turns[parent] @ turn if whole else turn)
        return np.stack(places, 1)

    def _locals(self, values: Array) -> Iterator[tuple[int, Array, Array]]:
        """Of each joint what it hangs from, its place (T, 3) and its rotation (T, 3, 3) there."""
        start, offsets = 0, np.array(self.offsets).reshape(-1, 3)
        for parent, offset, letters in zip(self.parents, offsets, self.channels, strict=True):
            place, turn = np.tile(offset, (len(values), 1)), np.tile(np.eye(3), (len(values), 1, 1))
            for letter, numbers in zip(letters, values[:, start : start + len(letters)].T, strict=True):
                if letter in POSITIONS:
                    place[:, POSITIONS.index(letter)] = numbers
                else:
                    turn = turn @ _around(ROTATIONS.index(letter), np.deg2rad(numbers))
            start += len(letters)
            yield parent, place, turn

    def to_dict(self) -> JSON:
        """Plain lists, ready for JSON."""
        return {key: list(value) for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, record: JSON) -> Skeleton:
        """The inverse of `to_dict`."""
        return cls(**{key: tuple(record[key]) for key in ("names", "parents", "offsets", "channels")})


def _around(axis: int, angle: Array) -> Array:
    """Rotations around an axis, (T, 3, 3), by angles (T,)."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn = np.zeros((len(angle), 3, 3))
    turn[:, axis, axis] = 1
    turn[:, i, i] = turn[:, j, j] = np.cos(angle)
    turn[:, j, i], turn[:, i, j] = np.sin(angle), -np.sin(angle)
    return turn
