"""What hvae compress and hvae decompress do with runs whose latents are rounded: --quality and --levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvae.cli.voice import Voice, table
from hvae.errors import HvaeError

if TYPE_CHECKING:
    from hvae.coding import Lossy
    from hvae.study.codecs import Quality

QUALITY = (
    "for a lossy run (qresvae, vqvae, vqvae2, rqvae): how many of its levels to keep, counted from the top, 1 to as "
    "many as it has, or all; fewer make a smaller file and a rougher picture. It is no scale of 0 to 100: the "
    "loss of all "
    "levels was set in training, by model.sigma"
)
LEVELS = "of a file made with --quality, show only its top K levels: a preview"


def quality_of(text: str | None) -> Quality | None:
    """The value of --quality.  Raises HvaeError for what is neither a number nor all."""
    if text is None:
        return None
    if text != "all" and not text.isdecimal():
        raise HvaeError(f"--quality: expected all, or 1 to the levels of the run, got {text}")
    return "all" if text == "all" else int(text)


def show(voice: Voice, result: Lossy, title: str) -> None:
    """What each level takes, and how near the pictures are."""
    rows, total = table("level", "bits a pixel", "bytes", title=title), 0
    for cost in result.levels:
        total += cost.bytes
        rows.add_row(cost.name, f"{8 * cost.bytes / result.pixels:.4f}", f"{cost.bytes:,}")
    size = len(result.content)
    rows.add_row("header", f"{8 * (size - total) / result.pixels:.4f}", f"{size - total:,}")
    rows.add_row("the file", f"{8 * size / result.pixels:.4f}", f"{size:,}")
    voice.show(rows)
    checked = f"{result.check_seconds:.1f} s of them to check" if result.check_seconds else "not checked"
    voice.show(f"PSNR {result.psnr:.2f} dB, the mean over pictures; {result.seconds:.1f} s, {checked}")
