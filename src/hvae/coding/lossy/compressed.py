"""What lossy compression gives: the file, the decoded pictures, and the cost of each level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from hvae.coding.files.pictures import Picture
from hvae.coding.lossy.rounding import Sent
from hvae.records import JSON


@dataclass(frozen=True)
class LevelCost:
    """Cost of one level: bits under the model's masses, and bytes in the file."""

    name: str
    bits: float
    bytes: int


@dataclass(frozen=True)
class Lossy:
    """A compressed file with its account and the decoded pictures."""

    content: bytes
    levels: tuple[LevelCost, ...]
    pictures: tuple[Picture, ...]
    """The decoded pictures."""
    pixels: int
    psnr: float
    """The mean over pictures, in dB."""
    seconds: float
    check_seconds: float
    """Seconds of verification."""

    def to_dict(self) -> JSON:
        rate = {"bytes": len(self.content), "bits_per_pixel": 8 * len(self.content) / self.pixels}
        own = {name: getattr(self, name) for name in ("pixels", "psnr", "seconds", "check_seconds")}
        return {**rate, **own, "levels": [asdict(cost) for cost in self.levels]}


def cost(name: str, sent: Sequence[Sent]) -> LevelCost:
    """The cost of the level `name` of all pictures."""
    return LevelCost(
        name, sum(s.nats[name] for s in sent) / math.log(2), sum(len(s.chunks[name].payload) for s in sent)
    )
