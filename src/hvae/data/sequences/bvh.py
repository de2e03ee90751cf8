"""BVH: a skeleton, and its channels at each frame, as text (Biovision's hierarchical data).

    HIERARCHY
    ROOT Hips { OFFSET 0 0 0  CHANNELS 6 Xposition ... Yrotation  JOINT Chest { ...  End Site { OFFSET 0 5 0 } } }
    MOTION
    Frames: 2
    Frame Time: 0.0083333
    8.03 35.01 88.36 ...

Rotations are unwrapped in time: what jumps by a whole turn goes on, which moves no joint.

Shapes: `T` frames; `V` channels.
"""

from __future__ import annotations

import io
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hvae.capacity import check_memory
from hvae.data.sequences.folder import Readable, read_each
from hvae.data.sequences.skeleton import Skeleton
from hvae.data.transforms import Array
from hvae.errors import HvaeError, short
from hvae.files import read_regular

SUFFIX = ".bvh"
LARGEST, MOST_HEADER = 1 << 30, 1 << 20
MOST_JOINTS, MOST_NAME, MOST_SECONDS = 1000, 100, 3600.0
TURN, MOST_NUMBER = 360.0, 1e9
_CHANNELS = {
    f"{axis}{kind}": letter for axis in "xyz" for kind, letter in (("position", axis.upper()), ("rotation", axis))
}
_MOTION = re.compile(rb"^[ \t]*MOTION[ \t\r]*$", re.MULTILINE | re.IGNORECASE)
_HEAD = re.compile(
    r"\s*Frames\s*:\s*([0-9]{1,12})\s+Frame\s+Time\s*:\s*([0-9.eE+-]{1,40})[ \t\r]*(?:\n|$)", re.IGNORECASE
)


@dataclass(frozen=True, eq=False)
class Motion:
    """One recording: numbers (T, V), what they move, and seconds a frame (0: not said)."""

    values: Array
    skeleton: Skeleton
    seconds: float


def motions(path: Path, bad: str) -> Readable[Motion]:
    """The recordings of a file or a folder, all of one skeleton but for the lengths of its bones, and of one rate.

    Raises HvaeError as `read_each` does, and for recordings of different joints or frame times.
    """
    readable = read_each(path, (SUFFIX,), motion_of, bad, lambda motion: len(motion.values), _kind)
    first, *others = readable.content
    for name, other in zip(readable.names[1:], others, strict=True):
        if _kind(other) != _kind(first):
            raise HvaeError(
                f"{path}: expected recordings of one skeleton and one frame time, got {_kind(first)} in "
                f"{readable.names[0]} and {_kind(other)} in {name}; keep those of one, or set data.bad=skip"
            )
    return readable


def _kind(motion: Motion) -> str:
    """What recordings must share, in words that tell any two apart."""
    skeleton = motion.skeleton
    joints = zlib.crc32(repr((skeleton.names, skeleton.parents, skeleton.channels)).encode())
    return f"{len(skeleton.names)} joints ({joints:08x}) of {skeleton.width} channels at {motion.seconds:.6g} s"


def motion_of(path: Path) -> Motion:
    """A recording.  Raises HvaeError for a file that is none, of more joints than any body has, or that was cut."""
    content = read_regular(path, LARGEST)
    mark = _MOTION.search(content, 0, MOST_HEADER)
    if not mark:
        raise HvaeError(f"{path}: expected a BVH file, HIERARCHY and then MOTION, got {short(content[:40])}")
    try:
        skeleton = _skeleton(content[: mark.start()].decode("utf-8", errors="replace"))
        values, seconds = _frames(content[mark.end() :].decode("ascii", errors="replace").lstrip("\r\n"), skeleton)
    except ValueError as fault:
        raise HvaeError(f"{path}: no BVH file that can be read ({str(fault)[:200]})") from fault
    turns = skeleton.turns()
    values[:, turns] = np.unwrap(values[:, turns], period=TURN, axis=0)
    return Motion(values, skeleton, seconds)


@dataclass
class _Joints:
    """A hierarchy as far as it has been read; `above`, the joints whose braces are open."""

    names: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    offsets: list[tuple[float, ...]] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    above: list[int] = field(default_factory=list)

    def add(self, name: str) -> None:
        """One more joint below the one that is open."""
        if len(self.names) >= MOST_JOINTS or len(name) > MOST_NAME:
            raise ValueError(f"more than {MOST_JOINTS:,} joints, or a name of more than {MOST_NAME} letters")
        self.names.append(name)
        self.parents.append(self.above[-1] if self.above else -1)
        self.offsets.append((0.0, 0.0, 0.0))
        self.channels.append("")

    def read(self, word: str, rest: str) -> None:
        """One line of the hierarchy."""
        kind = word.upper()
        if kind == "END":
            self.add("")
        elif kind in ("ROOT", "JOINT") and rest:
            self.add(rest)
        elif kind == "{" and self.names:
            self.above.append(len(self.names) - 1)
        elif kind == "}" and self.above:
            self.above.pop()
        elif kind == "OFFSET" and self.above:
            self.offsets[self.above[-1]] = _offset(rest)
        elif kind == "CHANNELS" and self.above and self.names[self.above[-1]]:
            self.channels[self.above[-1]] = _letters(rest.split())
        else:
            raise ValueError(f"{short(word)} is not expected there")


def _skeleton(text: str) -> Skeleton:
    joints = _Joints()
    lines = iter(_lines(text))
    if next(lines, ("", ""))[0].upper() != "HIERARCHY":
        raise ValueError("it does not begin with HIERARCHY")
    for word, rest in lines:
        joints.read(word, rest)
    if joints.above or not any(joints.channels):
        raise ValueError("a brace is not closed, or no joint has a channel")
    flat = tuple(number for offset in joints.offsets for number in offset)
    return Skeleton(
        names=tuple(joints.names), parents=tuple(joints.parents), offsets=flat, channels=tuple(joints.channels)
    )


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """The first word of each line and the rest, each brace on a line of its own."""
    for line in re.sub(r"([{}])", r"\n\1\n", text).splitlines():
        word, _, rest = line.replace("\t", " ").strip().partition(" ")
        if word:
            yield word, rest.strip()


def _offset(text: str) -> tuple[float, ...]:
    numbers = tuple(map(float, text.split()))
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
        raise ValueError(f"expected an OFFSET of three numbers, got {short(text)}")
    return numbers


def _letters(words: Sequence[str]) -> str:
    letters = "".join(_CHANNELS.get(word.lower(), "?") for word in words[1:])
    if not words or words[0] != str(len(letters)) or "?" in letters or len(set(letters)) < len(letters):
        raise ValueError(f"expected so many different CHANNELS as it says, got {short(' '.join(words))}")
    return letters


def _frames(text: str, skeleton: Skeleton) -> tuple[Array, float]:
    head = _HEAD.match(text)
    if not head:
        raise ValueError(f"expected Frames: and Frame Time: after MOTION, got {short(text[:60])}")
    count, seconds, body = int(head[1]), float(head[2]), text[head.end() :]
    if not count or not 0 <= seconds <= MOST_SECONDS:
        raise ValueError(f"{count:,} frames of {seconds:.6g} s")
    # A number has a digit and a blank: what is declared and cannot be there is not made room for.
    if 2 * count * skeleton.width > len(body) + 1:
        raise ValueError(f"it declares {count:,} frames of {skeleton.width} channels and ends before")
    check_memory(8 * count * skeleton.width, "the frames of a BVH file")
    rows = np.loadtxt(io.StringIO(body), ndmin=2, dtype=np.float64, comments=None)
    if rows.shape != (count, skeleton.width):
        raise ValueError(f"it declares {count:,} frames of {skeleton.width} channels and holds {rows.shape}")
    if not (np.abs(rows) < MOST_NUMBER).all():  # False for NaN
        raise ValueError(f"a number that is not finite, or above {MOST_NUMBER:g}")
    return rows, seconds


def written(skeleton: Skeleton, values: Array, seconds: float) -> str:
    """The text of a file that `motion_of` reads, of numbers (T, V) at `seconds` a frame."""
    rows = io.StringIO()
    np.savetxt(rows, values, fmt="%.6f")
    lines = ("HIERARCHY", *_written(skeleton), "MOTION", f"Frames: {len(values)}", f"Frame Time: {seconds:.7f}")
    return "\n".join(lines) + "\n" + rows.getvalue()


def _written(skeleton: Skeleton) -> Iterator[str]:
    """The lines of a hierarchy, whose joints stand in the order in which they were read."""
    words = {letter: word.capitalize() for word, letter in _CHANNELS.items()}
    above: list[int] = []  # the joints whose braces are open
    for joint, (name, parent, letters) in enumerate(
        zip(skeleton.names, skeleton.parents, skeleton.channels, strict=True)
    ):
        while above and above[-1] != parent:
            above.pop()
            yield "}"
        above.append(joint)
        yield f"{'JOINT' if parent >= 0 else 'ROOT'} {name}" if name else "End Site"
        yield "{"
        yield "OFFSET " + " ".join(f"{number:.6f}" for number in skeleton.offsets[3 * joint : 3 * joint + 3])
        yield from [" ".join(("CHANNELS", str(len(letters)), *map(words.__getitem__, letters)))] * bool(name)
    yield from ["}"] * len(above)
