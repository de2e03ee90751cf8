"""What hvae compress and hvae decompress do with runs whose latents are rounded: --quality and --levels."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.cli.ratio import line, weighed
from hvae.cli.voice import Voice, table
from hvae.errors import HvaeError
from hvae.files import replacing
from hvae.screen.text import for_screen

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun
    from hvae.coding import File, Lossy, LossyCodec, Picture

QUALITY = (
    "for a run trained to lose (family qresvae): how many of its levels to keep, counted from the top, 1 to as many as "
    "it has, or all; fewer make a smaller file and a rougher picture. No scale of 0 to 100: how much all levels lose "
    "was decided in training, by model.sigma"
)
LEVELS = "of a file made with --quality, show only what its top K levels tell: a preview"


def wanted(run: LoadedRun, quality: str | None) -> bool:
    """Whether to compress with loss.  Raises HvaeError unless --quality is given exactly where the run can lose."""
    from hvae.coding import quantised

    levels = quantised(run.model)
    if levels and quality is None:
        raise HvaeError(
            f"{run.folder} is a lossy codec: expected --quality all, or 1 to {len(levels)} of its levels; got none"
        )
    if quality is not None and not levels:
        raise HvaeError(
            f"{run.folder} compresses without loss and has no --quality; leave it out, "
            "or train a lossy codec such as photos-lossy-small"
        )
    return bool(levels)


def codec_of(run: LoadedRun, place: str) -> LossyCodec:
    """The lossy codec that a run is; `place` is where a reader may look for it first."""
    from hvae.coding import LossyCodec

    known = {key: run.description[key] for key in ("config", "shape", "bits")}
    return LossyCodec(
        run.model,
        build=run.build,
        bits=run.bits,
        description=known,
        run=str(place),
    )


def compress(run: LoadedRun, args: Namespace, pictures: Sequence[Picture], out: Path, voice: Voice) -> None:
    """Write one file, and say what it holds."""

    codec = codec_of(run, args.run)
    keep = _keep(args.quality, codec.levels)
    with voice.working():
        with voice.bar("compressing") as tick:
            made = codec.compress(pictures, keep, verify=args.verify, tick=tick)
        with replacing(out) as temporary:
            temporary.write_bytes(made.content)
    weights = weighed(args.paths[:-1], made.pixels * run.model.shape[0], run.bits, len(made.content))
    voice.answer({"file": str(out), "pictures": len(pictures), **weights, **made.to_dict()})
    if not args.json:
        _show(voice, made, f"{len(pictures)} pictures in {for_screen(out)}")
        voice.show(line(weights))


def decompress(file: File, run: LoadedRun, place: str, args: Namespace, voice: Voice) -> tuple[list[Picture], int, int]:
    """The pictures of a lossy file, as far as it goes: by how many levels, and how many it was written with."""
    codec = codec_of(run, place)
    here, written = codec.depth(file, args.only, args.levels)
    if args.levels is None and here < written:
        voice.tell(f"note: the file was cut; a preview by the top {here} of its {written} levels")
    with voice.bar("decompressing") as tick:
        return codec.decompress(file, args.only, args.levels, tick), here, written


def _keep(quality: str, levels: Sequence[str]) -> int | None:
    if quality == "all":
        return None
    if not quality.isdecimal() or not 1 <= int(quality) <= len(levels):
        raise HvaeError(f"--quality: expected all, or 1 to {len(levels)} levels from the top, got {quality}")
    return int(quality)


def _show(voice: Voice, made: Lossy, title: str) -> None:
    rows, total = table("level", "bits a pixel", "bytes", title=title), 0
    for cost in made.levels:
        total += cost.bytes
        rows.add_row(cost.name, f"{8 * cost.bytes / made.pixels:.4f}", f"{cost.bytes:,}")
    size = len(made.content)
    rows.add_row("header", f"{8 * (size - total) / made.pixels:.4f}", f"{size - total:,}")
    rows.add_row("the file", f"{8 * size / made.pixels:.4f}", f"{size:,}")
    voice.show(rows)
    checked = f"{made.check_seconds:.1f} s of them to check" if made.check_seconds else "not checked"
    voice.show(f"PSNR {made.psnr:.2f} dB, the mean over pictures; {made.seconds:.1f} s, {checked}")
