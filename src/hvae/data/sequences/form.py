"""What sequences are of: the facts without which neither their numbers nor their samples mean anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Literal

from hvae.data.sequences.skeleton import Skeleton
from hvae.records import JSON

SequenceKind = Literal["rolls", "text", "audio", "motion", "video"]
SPLITS = ("train", "valid", "test")
DIFFERENT = ("kind", "law", "frame", "symbols", "mean", "scale")
"""What makes numbers on two sets incomparable, the test sequences being the same."""


@dataclass(frozen=True, kw_only=True)
class SequenceForm:
    """The form of some sequences.

    Arguments: `kind`; `step`, what one step is, in a word ("frame", "character", "sample"); `frames`, steps in each
    split, and `longest`, those of the longest training sequence; `seconds` a step (0: unknown); audio: `rate`, samples
    a second, `frame`, samples a step, and the `law` by which a sample became a level; text: `symbols`, what each token
    stands for, `joint`, what stands between two, and `merges` of byte pairs; motion: `mean` and `scale` of each number,
    by which it was standardised, and the `skeleton` that they move, where it is known; rolls: `lowest`, the MIDI pitch
    of the first key.

    >>> form = SequenceForm(kind="rolls", step="frame", frames={"train": 5}, lowest=21)
    >>> SequenceForm.from_dict(form.to_dict()) == form
    True
    """

    kind: SequenceKind
    step: str
    frames: Mapping[str, int] = field(default_factory=dict)
    longest: int = 0
    seconds: float = 0.0
    rate: int = 0
    frame: int = 1
    law: str = ""
    symbols: tuple[str, ...] = ()
    joint: str = ""
    merges: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    lowest: int = 0
    skeleton: Skeleton | None = None

    def to_dict(self) -> JSON:
        """Plain lists and dicts, ready for JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, record: JSON) -> SequenceForm:
        """The inverse of `to_dict`; what it does not know is left out."""
        names = {one.name for one in fields(cls)}
        plain: JSON = {key: tuple(v) if isinstance(v, list) else v for key, v in record.items() if key in names}
        skeleton = plain.pop("skeleton", None)
        return cls(**plain, skeleton=Skeleton.from_dict(skeleton) if skeleton else None)

    def differences(self, other: SequenceForm | None) -> list[str]:
        """What makes numbers on the two incomparable."""
        if other is None:
            return ["kind"]
        return [name for name in DIFFERENT if getattr(self, name) != getattr(other, name)]

    def counted(self) -> str:
        """Steps by split, in a line."""
        sizes = " / ".join(f"{self.frames.get(split, 0):,}" for split in SPLITS)
        return f"{sizes} {self.step}s"
