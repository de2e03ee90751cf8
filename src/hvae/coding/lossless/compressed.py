"""How data are compressed without loss, and what comes of it: settings, files of pictures or sequences, accounts."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from hvae.coding.lossless.block import MOST_ROWS, Account
from hvae.coding.lossless.book import FINENESS, check_fineness
from hvae.errors import HvaeError
from hvae.records import JSON


@dataclass(frozen=True)
class Settings:
    """Settings of compression; none is needed for decompression."""

    fineness: float = FINENESS
    """Bins to a standard deviation of q: finer borrows more, coarser distorts what the decoder sees."""
    block: int = 512
    """Tiles to a block: each block can be decoded alone, and pays for its own start."""
    rows: int = 16
    """Tiles walked at once, at most."""
    verify: bool = True
    """Decode each block once it is written; one that fails is kept in a classic format."""
    workers: int = 1
    """Number of processes; the file does not depend on it.  0: chosen by the amount of work, up to the number of
    cores."""

    def __post_init__(self) -> None:
        if not (self.block >= 1 and 1 <= self.rows <= MOST_ROWS):
            raise HvaeError(f"expected blocks of 1 tile or more and 1 to {MOST_ROWS} rows at once, got {self}")
        check_fineness(self.fineness)
        if self.workers < 0:
            raise HvaeError(f"expected 1 worker or more, or 0 to choose, got {self.workers}")


@dataclass(frozen=True)
class Compressed:
    """A compressed file with its account."""

    content: bytes
    order: str
    """The order of pops and pushes, or classic for a file without the model."""
    account: Account
    dims: int
    """Values of all pictures, each channel of each pixel once: bits over it are bits a dimension."""
    tile: int
    """Values of one tile, the unit of the account."""
    blocks: int
    kept: int
    """Blocks that failed verification and are in a classic format; 0 is expected."""
    seconds: float
    check_seconds: float
    """Seconds of verification, summed over workers."""

    def to_dict(self) -> JSON:
        summary = {name: value for name, value in asdict(self).items() if name != "content"}
        summary |= {"bytes": len(self.content), "bits_per_dim": 8 * len(self.content) / self.dims}
        if self.chained and self.order != "classic":
            net, elbo = (bits / self.chained for bits in (self.account.net, self.account.elbo))
            return {**summary, "net_bits_per_dim": net, "elbo_bits_per_dim": elbo}
        # Where the model coded nothing there is no rate of it, and no order of pops and pushes.
        none = {"net_bits_per_dim": None, "elbo_bits_per_dim": None}
        return {**summary, **none, "order": "classic" if self.order == "classic" else None}

    @property
    def chained(self) -> int:
        """Values of the tiles that the model has coded."""
        return self.tile * (self.account.images - self.account.seeds)


@dataclass(frozen=True)
class CompressedSeries:
    """A file of sequences with its account; sums over what it holds."""

    content: bytes
    account: Account
    """Of sequences, where it speaks of images."""
    values: int
    """Numbers of all sequences: bits over it are bits a value."""
    steps: int
    """Steps of all sequences."""
    blocks: int
    kept: int
    """Blocks that failed verification and are kept without the model; 0 is expected."""
    seconds: float
    check_seconds: float

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        summary = {name: value for name, value in asdict(self).items() if name != "content"}
        bits = 8 * len(self.content)
        each = {"bits_per_value": bits / self.values, "bits_per_step": bits / self.steps}
        return {**summary, "order": "bb-ans in time", "bytes": len(self.content), **each}
