"""What hvae compress and hvae decompress do with runs whose latents are rounded: --quality and --levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvae.cli.voice import Voice, table
from hvae.errors import HvaeError

if TYPE_CHECKING:
    from hvae.coding import Lossy, LossySeries
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


def show(voice: Voice, result: Lossy | LossySeries, title: str) -> None:
    """What each level takes, and how near the pictures or recordings are."""
    from hvae.coding import Lossy

    if isinstance(result, Lossy):
        _costs(voice, result, result.pixels, "bits a pixel", title)
        near = f"PSNR {result.psnr:.2f} dB, the mean over pictures"
    else:
        _costs(voice, result, result.values, "bits a sample", title)
        near = f"signal over noise {result.snr:.2f} dB, the mean over recordings"
    checked = f"{result.check_seconds:.1f} s of them to check" if result.check_seconds else "not checked"
    voice.show(f"{near}; {result.seconds:.1f} s, {checked}")


def _costs(voice: Voice, result: Lossy | LossySeries, values: int, unit: str, title: str) -> None:
    """A row for each level, over so many values."""
    rows, size = table("level", unit, "bytes", title=title), len(result.content)
    of_levels = {cost.name: cost.bytes for cost in result.levels}
    parts = {**of_levels, "header": size - sum(of_levels.values()), "the file": size}
    for name, part in parts.items():
        rows.add_row(name, f"{8 * part / values:.4f}", f"{part:,}")
    voice.show(rows)
