"""Skeletons in the descriptions of runs of motion: trees of joints, as they stand in BVH files."""

from __future__ import annotations

from collections.abc import Sequence

from hvae.records import JSON

SKELETON = {"names": [str], "parents": [int], "offsets": [float], "channels": [str]}
"""The schema of `hvae.data.sequences.skeleton.Skeleton`."""
BREAKS, LETTERS = "{}\r\n", "XYZxyz"


def is_skeleton(record: JSON | None, numbers: int) -> bool:
    """Whether a record of this schema is a tree of joints that so many numbers move; no record is one too.

    >>> is_skeleton({"names": ["a"], "parents": [-1], "offsets": [0.0] * 3, "channels": ["Yz"]}, 2)
    True
    """
    if record is None:
        return True
    names, channels, joints = record["names"], record["channels"], len(record["names"])
    if (joints, joints, 3 * joints) != (len(record["parents"]), len(channels), len(record["offsets"])):
        return False
    return (
        is_nested(record["parents"])
        and all(_is_joint(name, letters) for name, letters in zip(names, channels, strict=True))
        and sum(map(len, channels)) == numbers
    )


def _is_joint(name: str, letters: str) -> bool:
    """Whether a joint has a name that stands in a line, and channels that differ; what ends a limb has neither."""
    kinds = set(letters)
    return (
        kinds <= set(LETTERS)
        and len(kinds) == len(letters)
        and set(name).isdisjoint(BREAKS)
        and bool(name or not kinds)
    )


def is_nested(parents: Sequence[int]) -> bool:
    """Whether each joint hangs from the one before it, from one that this hangs from, or from none (-1).

    >>> is_nested([-1, 0, 1, 0]), is_nested([-1, 0, 0, 1])
    (True, False)
    """
    above: list[int] = []
    for joint, parent in enumerate(parents):
        while above and above[-1] != parent:
            above.pop()
        if parent != (above[-1] if above else -1):
            return False
        above.append(joint)
    return True
